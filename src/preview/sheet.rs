//! The sheet: two sections side by side, what they are, their sides, their scale, the notice.

use super::Outlines;
use super::canvas::{Canvas, Shade, text_size};
use super::section::{Section, WINDOW_CENTRE, WINDOW_WIDTH};
use crate::wire::NOTICE;

/// The legend of the outline.
const LEGEND: &str = "lesion";

/// Sizes that all follow from the scale.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// mm a pixel.
    mm: f64,
    /// Pixels a dot of a letter.
    dot: usize,
    /// Between things.
    gap: usize,
    outlines: Outlines,
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
    outlines: Outlines,
    pixels_max: usize,
) -> Option<Canvas> {
    let layout = Layout::of(sections, mm, outlines);
    let [left, right] = sections.each_ref().map(|section| section.size(mm));
    let picture_height = left[1].max(right[1]);
    let width = (left[0] + right[0] + 3 * layout.gap).max(layout.footer_width(left));
    let [_, letter] = text_size("", layout.dot);
    let height = picture_height + 2 * letter + 4 * layout.gap;
    if width.checked_mul(height)? > pixels_max {
        return None;
    }
    let mut canvas = Canvas::new(width, height, Shade::GROUND);
    let top = letter + 2 * layout.gap;
    let second = left[0] + 2 * layout.gap;
    for (section, x) in sections.iter().zip([layout.gap, second]) {
        canvas.write([x, layout.gap], layout.dot, section.title, Shade::WHITE);
        layout.place(&mut canvas, section, [x, top], picture_height);
    }
    layout.window(&mut canvas, second + right[0]);
    let foot = top + picture_height + layout.gap;
    layout.footer(&mut canvas, foot, left);
    Some(canvas)
}

impl Layout {
    fn of(sections: &[Section; 2], mm: f64, outlines: Outlines) -> Layout {
        let widths = sections.iter().map(|section| section.size(mm)[0]);
        // Letters two pixels a dot are 14 pixels high: readable on a ward's screen and beside a picture of this width.
        let dot = if widths.sum::<usize>() >= 600 { 2 } else { 1 };
        Layout {
            mm,
            dot,
            gap: 6 * dot,
            outlines,
            legend: outlines == Outlines::Shown && sections.iter().any(Section::is_sick),
        }
    }

    /// One section in a black field of `height`, with the patient's sides marked.
    fn place(&self, canvas: &mut Canvas, section: &Section, [x, y]: [usize; 2], height: usize) {
        let picture = section.draw(self.mm, self.outlines, self.dot);
        canvas.fill([x, y], [picture.width(), height], Shade::BLACK);
        canvas.lay([x, y + (height - picture.height()) / 2], &picture);
        let [letter_width, letter_height] = text_size("R", self.dot);
        let middle = y + (height.saturating_sub(letter_height)) / 2;
        let inset = 2 * self.dot;
        let far = (x + picture.width()).saturating_sub(letter_width + inset);
        canvas.write_rimmed([x + inset, middle], self.dot, "R");
        canvas.write_rimmed([far, middle], self.dot, "L");
    }

    /// The window, ending at `right`; left out where the titles need the room.
    fn window(&self, canvas: &mut Canvas, right: usize) {
        let text = format!("C {WINDOW_CENTRE} W {WINDOW_WIDTH}");
        let [wide, _] = text_size(&text, self.dot);
        let [title, _] = text_size("Axial Coronal", self.dot);
        if right > 2 * (wide + title) {
            canvas.write([right - wide, self.gap], self.dot, &text, Shade::PALE);
        }
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

    /// The footer from left to right: the notice, the legend, the bar and its length.
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
        if self.legend {
            let legend = text_size(LEGEND, dot)[0];
            let legend_x = bar_x.saturating_sub(legend + 4 * self.gap);
            let swatch_x = legend_x.saturating_sub(letter + self.gap);
            canvas.write([legend_x, y], dot, LEGEND, Shade::PALE);
            canvas.fill([swatch_x, y], [letter, letter], Shade::LESION);
            let hole = letter - 2 * dot;
            canvas.fill([swatch_x + dot, y + dot], [hole, hole], Shade::GROUND);
        }
    }

    /// The least width at which nothing in the footer overlaps.
    fn footer_width(&self, picture: [usize; 2]) -> usize {
        let bar = self.bar(picture);
        let text = |text| text_size(text, self.dot);
        let legend = if self.legend {
            text(LEGEND)[0] + text("")[1] + 5 * self.gap
        } else {
            0
        };
        text(NOTICE)[0] + legend + bar.pixels + text(bar.label)[0] + 7 * self.gap
    }
}
