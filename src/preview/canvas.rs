//! A picture of palette indices: fill, letters, PNG.

use super::font;

/// A palette index: greys from black up, then the one colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shade(u8);

/// Greys in the palette: one for each 12 HU of the window, and less to compress than 256.
const GREYS: u8 = 128;
/// The colour of lesion outlines; told from every grey by hue, also by the colour-blind.
pub(super) const LESION_RGB: [u8; 3] = [255, 96, 0];

impl Shade {
    pub(super) const BLACK: Shade = Shade(0);
    pub(super) const WHITE: Shade = Shade(GREYS - 1);
    /// Text that explains.
    pub(super) const PALE: Shade = Shade(GREYS / 4 * 3);
    /// What lies around the pictures.
    pub(super) const GROUND: Shade = Shade(GREYS / 11);
    /// Lesion outlines.
    pub(super) const LESION: Shade = Shade(GREYS);

    /// The nearest grey to `share`: 0 black, 1 white.
    pub(super) fn grey(share: f32) -> Shade {
        // Up there an f32 has steps of one: the sum is rounded, and its lowest byte is the level. A conversion would keep the
        // compiler from taking several pixels at a time.
        const WHOLE_STEPS: f32 = 8_388_608.0;
        let level = share.clamp(0.0, 1.0) * f32::from(GREYS - 1) + WHOLE_STEPS;
        let [lowest, ..] = level.to_bits().to_le_bytes();
        Shade(lowest)
    }

    /// The index in the palette.
    pub(super) fn index(self) -> u8 {
        self.0
    }
}

/// A picture; what is drawn past its edges is left out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    indices: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize, ground: Shade) -> Canvas {
        Canvas {
            width,
            height,
            indices: vec![ground.0; width * height],
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// The rows, from the top.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.indices.chunks_exact_mut(self.width.max(1))
    }

    pub(super) fn set(&mut self, [x, y]: [usize; 2], shade: Shade) {
        let place = (x < self.width && y < self.height).then_some(y * self.width + x);
        if let Some(index) = place.and_then(|place| self.indices.get_mut(place)) {
            *index = shade.0;
        }
    }

    /// Fills `width` × `height` pixels from `x, y` on.
    pub(super) fn fill(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], shade: Shade) {
        for row in self.rows_mut().skip(y).take(height) {
            let to = row.len().min(x + width);
            row.get_mut(x..to).unwrap_or(&mut []).fill(shade.0);
        }
    }

    /// Lays `other` with its corner at `x, y`.
    pub(super) fn lay(&mut self, [x, y]: [usize; 2], other: &Canvas) {
        let rows = other.indices.chunks_exact(other.width.max(1));
        for (to, from) in self.rows_mut().skip(y).zip(rows) {
            let to = to.get_mut(x..).unwrap_or(&mut []);
            let (to, from) = (to.iter_mut(), from.iter());
            to.zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    /// Writes `text` from `x, y` on, each dot of a letter `size` pixels wide.
    pub(super) fn write(&mut self, [x, y]: [usize; 2], size: usize, text: &str, shade: Shade) {
        for (index, letter) in text.chars().enumerate() {
            for [column, row] in dots(letter) {
                let left = x + (index * font::ADVANCE + column) * size;
                self.fill([left, y + row * size], [size, size], shade);
            }
        }
    }

    /// As [`Canvas::write`] in white with a black rim, for letters on top of a picture; `x, y` stay at least `size`.
    pub(super) fn write_rimmed(&mut self, [x, y]: [usize; 2], size: usize, text: &str) {
        for dy in 0..=2 * size {
            for dx in 0..=2 * size {
                let [left, top] = [(x + dx).saturating_sub(size), (y + dy).saturating_sub(size)];
                self.write([left, top], size, text, Shade::BLACK);
            }
        }
        self.write([x, y], size, text, Shade::WHITE);
    }

    /// The PNG, without any text or time in it; `None` when the picture is empty.
    pub(super) fn png(&self) -> Option<Vec<u8>> {
        let [width, height] = [self.width, self.height].map(|side| u32::try_from(side).ok());
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width?, height?);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(self.palette());
        // The finding waits for its picture: the usual compression saves a tenth of it and takes more than ten times as long.
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::Paeth);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&self.indices).ok()?;
        writer.finish().ok()?;
        Some(bytes)
    }

    /// RGB by index; the colour is left out where nothing bears it.
    fn palette(&self) -> Vec<u8> {
        let top = u32::from(GREYS - 1);
        let grey = |level: u8| u8::try_from(u32::from(level) * 255 / top).unwrap_or(u8::MAX);
        let mut palette: Vec<u8> = (0..GREYS).flat_map(|level| [grey(level); 3]).collect();
        if self.indices.contains(&Shade::LESION.0) {
            palette.extend(LESION_RGB);
        }
        palette
    }
}

/// The pixels that `text` takes, width and height above the line.
pub(super) fn text_size(text: &str, size: usize) -> [usize; 2] {
    let columns = (text.chars().count() * font::ADVANCE).saturating_sub(1);
    [columns * size, font::HEIGHT * size]
}

/// The dots of a letter, column and row.
fn dots(letter: char) -> impl Iterator<Item = [usize; 2]> {
    let columns = font::columns(letter).into_iter().enumerate();
    columns.flat_map(|(column, bits)| {
        (0..font::ROWS)
            .filter(move |row| bits >> row & 1 == 1)
            .map(move |row| [column, row])
    })
}
