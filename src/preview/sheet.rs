//! The sheet: two sections side by side, what they are, their sides, their scale, the notice.

use super::canvas::{Canvas, Shade, text_size};
use super::font;
use super::section::{Section, WINDOW_CENTRE, WINDOW_WIDTH};
use super::{Caption, Outlines};
use crate::wire::NOTICE;

/// What follows a name that was cut.
const CUT: &str = "...";

/// Sizes that all follow from the scale.
#[derive(Clone, Copy, Debug)]
struct Layout<'a> {
    /// mm a pixel.
    mm: f64,
    /// Pixels a dot of a letter.
    dot: usize,
    /// Between things.
    gap: usize,
    caption: Caption<'a>,
    /// Whether there is an outline to explain.
    legend: bool,
}

/// A bar of known length.
#[derive(Clone, Copy, Debug)]
struct ScaleBar {
    pixels: usize,
    label: &'static str,
}

/// The sheet at `mm` per pixel; `None` when it would have more than `pixels_max` pixels.
pub(super) fn sheet(
    sections: &[Section; 2],
    mm: f64,
    caption: Caption<'_>,
    pixels_max: usize,
) -> Option<Canvas> {
    let layout = Layout::of(sections, mm, caption);
    let [left, right] = sections.each_ref().map(|section| section.size(mm));
    let picture_height = left[1].max(right[1]);
    let width = (left[0] + right[0] + 3 * layout.gap).max(layout.footer_width(left));
    let [_, letter] = text_size("", layout.dot);
    let height = picture_height + 3 * letter + 5 * layout.gap;
    if width.checked_mul(height)? > pixels_max {
        return None;
    }
    let mut canvas = Canvas::new(width, height, Shade::GROUND);
    let top = letter + 2 * layout.gap;
    let second = left[0] + 2 * layout.gap;
    let window = layout.window(&mut canvas, second + right[0]);
    let rooms = [left[0], right[0].saturating_sub(window)];
    for ((section, x), room) in sections.iter().zip([layout.gap, second]).zip(rooms) {
        layout.title(&mut canvas, section, x, room);
        layout.place(&mut canvas, section, [x, top], picture_height);
    }
    let foot = top + picture_height + layout.gap;
    layout.footer(&mut canvas, foot, left);
    Some(canvas)
}

impl<'a> Layout<'a> {
    fn of(sections: &[Section; 2], mm: f64, caption: Caption<'a>) -> Layout<'a> {
        let widths = sections.iter().map(|section| section.size(mm)[0]);
        // Letters two pixels a dot are 14 pixels high: readable on a ward's screen and beside a picture of this width.
        let dot = if widths.sum::<usize>() >= 600 { 2 } else { 1 };
        Layout {
            mm,
            dot,
            gap: 6 * dot,
            caption,
            legend: caption.outlines == Outlines::Shown && sections.iter().any(Section::is_sick),
        }
    }

    /// One section in a black field of `height`, with the patient's sides marked.
    fn place(&self, canvas: &mut Canvas, section: &Section, [x, y]: [usize; 2], height: usize) {
        let picture = section.draw(self.mm, self.caption.outlines, self.dot);
        canvas.fill([x, y], [picture.width(), height], Shade::BLACK);
        canvas.lay([x, y + (height - picture.height()) / 2], &picture);
        let [letter_width, letter_height] = text_size("R", self.dot);
        let middle = y + (height.saturating_sub(letter_height)) / 2;
        let inset = 2 * self.dot;
        let far = (x + picture.width()).saturating_sub(letter_width + inset);
        canvas.write_rimmed([x + inset, middle], self.dot, "R");
        canvas.write_rimmed([far, middle], self.dot, "L");
    }

    /// What the section is called and, where `room` pixels hold it, at which millimetre of the patient it lies.
    fn title(&self, canvas: &mut Canvas, section: &Section, x: usize, room: usize) {
        canvas.write([x, self.gap], self.dot, section.title, Shade::WHITE);
        let [title, _] = text_size(section.title, self.dot);
        let [place, _] = text_size(&section.place, self.dot);
        let indent = title + 2 * self.gap;
        if indent + place <= room {
            let at = [x + indent, self.gap];
            canvas.write(at, self.dot, &section.place, Shade::PALE);
        }
    }

    /// The window, ending at `right`, and the pixels it takes; left out where the titles need the room.
    fn window(&self, canvas: &mut Canvas, right: usize) -> usize {
        let text = format!("C {WINDOW_CENTRE} W {WINDOW_WIDTH}");
        let [wide, _] = text_size(&text, self.dot);
        let [title, _] = text_size("Axial Coronal", self.dot);
        if right <= 2 * (wide + title) {
            return 0;
        }
        canvas.write([right - wide, self.gap], self.dot, &text, Shade::PALE);
        wide + 2 * self.gap
    }

    /// 10 cm; 5 cm where the picture is narrow.
    fn bar(&self, [width, _]: [usize; 2]) -> ScaleBar {
        let pixels = |length_mm: f64| super::whole(length_mm / self.mm).max(1);
        if pixels(100.0) * 2 > width {
            return ScaleBar {
                pixels: pixels(50.0),
                label: "5 cm",
            };
        }
        ScaleBar {
            pixels: pixels(100.0),
            label: "10 cm",
        }
    }

    /// Two lines: the notice, the bar and its length; below them the model and what it marked.
    fn footer(&self, canvas: &mut Canvas, y: usize, picture: [usize; 2]) {
        let (bar, dot) = (self.bar(picture), self.dot);
        let [_, letter] = text_size("", dot);
        canvas.write([self.gap, y], dot, NOTICE, Shade::WHITE);
        let label = text_size(bar.label, dot)[0];
        let label_x = canvas.width().saturating_sub(label + self.gap);
        canvas.write([label_x, y], dot, bar.label, Shade::WHITE);
        let bar_x = label_x.saturating_sub(bar.pixels + self.gap);
        canvas.fill([bar_x, y + 3 * dot], [bar.pixels, dot], Shade::WHITE);
        for end in [bar_x, (bar_x + bar.pixels).saturating_sub(dot)] {
            canvas.fill([end, y], [dot, letter], Shade::WHITE);
        }
        self.model(canvas, y + letter + self.gap);
    }

    /// Whose work the outlines are. Where they are hidden, the line is the same with and without lesion.
    fn model(&self, canvas: &mut Canvas, y: usize) {
        let (dot, mut x) = (self.dot, self.gap);
        if self.legend {
            let [_, letter] = text_size("", dot);
            canvas.fill([x, y], [letter, letter], Shade::LESION);
            let hole = letter - 2 * dot;
            canvas.fill([x + dot, y + dot], [hole, hole], Shade::GROUND);
            x += letter + self.gap;
        }
        let what = match self.caption.outlines {
            Outlines::Shown if self.legend => "lesions as marked by",
            Outlines::Shown => "no lesion marked by",
            Outlines::Hidden => "model",
        };
        let text = format!("{what} {}", self.caption.model);
        let room = canvas.width().saturating_sub(x + self.gap);
        canvas.write([x, y], dot, &fitted(text, room, dot), Shade::PALE);
    }

    /// The least width at which nothing in the footer's first line overlaps.
    fn footer_width(&self, picture: [usize; 2]) -> usize {
        let bar = self.bar(picture);
        let text = |text| text_size(text, self.dot)[0];
        text(NOTICE) + bar.pixels + text(bar.label) + 7 * self.gap
    }
}

/// `text`, cut where it is wider than `room` pixels.
fn fitted(text: String, room: usize, dot: usize) -> String {
    let fits = |text: &str| text_size(text, dot)[0] <= room;
    if fits(&text) {
        return text;
    }
    let kept = (room / (font::ADVANCE * dot).max(1)).saturating_sub(CUT.len());
    text.chars().take(kept).chain(CUT.chars()).collect()
}
