//! DICOM Segmentations written by hand, right or wrong in any of their parts.

/// What a file says. A test changes fields before it writes.
#[derive(Clone, Debug)]
pub struct Seg {
    pub explicit: bool,
    pub transfer_syntax: &'static str,
    pub class: &'static str,
    pub kind: &'static str,
    pub series: Vec<String>,
    pub frame_of_reference: String,
    pub segments: Vec<Named>,
    /// Segment and Image Position (Patient) of each frame.
    pub frames: Vec<(u16, [f64; 3])>,
    pub number_of_frames: String,
    pub orientation: [f64; 6],
    pub pixel_spacing: [f64; 2],
    pub step: Option<f64>,
    pub rows: u16,
    pub columns: u16,
    pub bits: u16,
    /// Content Time; the date is always one.
    pub drawn: &'static str,
    /// Pixel Data; none leaves the element out.
    pub pixels: Option<Pixels>,
}

/// A segment: number, label, scheme and value of its type.
#[derive(Clone, Debug)]
pub struct Named(pub u16, pub &'static str, pub [&'static str; 2]);

#[derive(Clone, Debug)]
pub enum Pixels {
    Native(Vec<u8>),
    Fragments(Vec<Vec<u8>>),
}

impl Seg {
    /// A binary one of one segment: frames of `rows` × `columns` pixels one above the other, each with its marks.
    pub fn binary(series: &str, [rows, columns]: [u16; 2], marks: &[Vec<bool>]) -> Seg {
        let frames: Vec<(u16, [f64; 3])> = (0_u16..)
            .take(marks.len())
            .map(|z| (1, [0.0, 0.0, f64::from(z)]))
            .collect();
        Seg {
            explicit: true,
            transfer_syntax: "1.2.840.10008.1.2.1",
            class: "1.2.840.10008.5.1.4.1.1.66.4",
            kind: "BINARY",
            series: vec![series.to_owned()],
            frame_of_reference: "1.9.9".to_owned(),
            segments: vec![Named(1, "Segment_1", ["SCT", "85756007"])],
            number_of_frames: frames.len().to_string(),
            frames,
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            pixel_spacing: [1.0, 1.0],
            step: Some(1.0),
            rows,
            columns,
            bits: 1,
            drawn: "101500",
            pixels: Some(Pixels::Native(packed(marks))),
        }
    }

    /// The same as a fractional one, marked pixels at half of 200.
    pub fn fractional(self, marks: &[Vec<bool>]) -> Seg {
        let bytes = marks.iter().flatten().map(|on| if *on { 100 } else { 99 });
        Seg {
            kind: "FRACTIONAL",
            bits: 8,
            pixels: Some(Pixels::Native(bytes.collect())),
            ..self
        }
    }

    /// The bytes of the file.
    pub fn file(&self) -> Vec<u8> {
        let mut meta = Elements::new(true);
        meta.text(0x0002_0010, b"UI", self.transfer_syntax);
        let mut all = Elements::new(self.explicit);
        all.text(0x0008_0016, b"UI", self.class);
        all.text(0x0008_0023, b"DA", "20261123");
        all.text(0x0008_0033, b"TM", self.drawn);
        all.text(0x0008_0060, b"CS", "SEG");
        let series = self.series.iter().map(|uid| {
            let mut item = Elements::new(self.explicit);
            item.text(0x0020_000E, b"UI", uid);
            item
        });
        all.items(0x0008_1115, series.collect());
        all.text(0x0010_0010, b"PN", "Chan^Tai Man");
        all.text(0x0020_0052, b"UI", &self.frame_of_reference);
        all.text(0x0028_0008, b"IS", &self.number_of_frames);
        for (tag, value) in [
            (0x0028_0002, 1),
            (0x0028_0010, self.rows),
            (0x0028_0011, self.columns),
            (0x0028_0100, self.bits),
            (0x0028_0101, self.bits),
        ] {
            all.element(tag, b"US", &value.to_le_bytes());
        }
        all.text(0x0062_0001, b"CS", self.kind);
        let segments = self.segments.iter().map(|named| self.segment(named));
        all.items(0x0062_0002, segments.collect());
        all.element(0x0062_000E, b"US", &200_u16.to_le_bytes());
        all.items(0x5200_9229, vec![self.shared()]);
        let frames = self.frames.iter().map(|frame| self.frame(frame));
        all.items(0x5200_9230, frames.collect());
        match &self.pixels {
            None => {}
            Some(Pixels::Native(bytes)) => all.element(0x7FE0_0010, b"OB", bytes),
            Some(Pixels::Fragments(fragments)) => all.fragments(fragments),
        }
        [&[0; 128][..], b"DICM", &meta.bytes, &all.bytes].concat()
    }

    fn segment(&self, Named(number, label, [scheme, value]): &Named) -> Elements {
        let mut code = Elements::new(self.explicit);
        code.text(0x0008_0100, b"SH", value);
        code.text(0x0008_0102, b"SH", scheme);
        let mut item = Elements::new(self.explicit);
        item.element(0x0062_0004, b"US", &number.to_le_bytes());
        item.text(0x0062_0005, b"LO", label);
        item.items(0x0062_000F, vec![code]);
        item
    }

    fn shared(&self) -> Elements {
        let mut orientation = Elements::new(self.explicit);
        orientation.text(0x0020_0037, b"DS", &decimals(&self.orientation));
        let mut measures = Elements::new(self.explicit);
        measures.text(
            0x0018_0088,
            b"DS",
            &self.step.map_or(String::new(), |mm| mm.to_string()),
        );
        measures.text(0x0028_0030, b"DS", &decimals(&self.pixel_spacing));
        let mut item = Elements::new(self.explicit);
        item.items(0x0020_9116, vec![orientation]);
        item.items(0x0028_9110, vec![measures]);
        item
    }

    fn frame(&self, (segment, position): &(u16, [f64; 3])) -> Elements {
        let mut place = Elements::new(self.explicit);
        place.text(0x0020_0032, b"DS", &decimals(position));
        let mut whose = Elements::new(self.explicit);
        whose.element(0x0062_000B, b"US", &segment.to_le_bytes());
        let mut item = Elements::new(self.explicit);
        item.items(0x0020_9113, vec![place]);
        item.items(0x0062_000A, vec![whose]);
        item
    }
}

/// Pixels of one bit, the first in the lowest one, frames one after the other without padding between them.
pub fn packed(marks: &[Vec<bool>]) -> Vec<u8> {
    let bits: Vec<bool> = marks.iter().flatten().copied().collect();
    let byte = |bits: &[bool]| {
        let set = bits.iter().enumerate().filter(|(_, on)| **on);
        set.fold(0_u8, |byte, (place, _)| byte | 1 << place)
    };
    let mut bytes: Vec<u8> = bits.chunks(8).map(byte).collect();
    // A value has an even length.
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn decimals(numbers: &[f64]) -> String {
    let texts: Vec<String> = numbers
        .iter()
        .map(|number| format!("{number:.6}"))
        .collect();
    texts.join("\\")
}

#[derive(Clone, Debug)]
struct Elements {
    explicit: bool,
    bytes: Vec<u8>,
}

impl Elements {
    fn new(explicit: bool) -> Elements {
        Elements {
            explicit,
            bytes: Vec::new(),
        }
    }

    fn head(&mut self, tag: u32, vr: &[u8; 2], length: u32) {
        self.tag(tag);
        if !self.explicit {
            self.bytes.extend(length.to_le_bytes());
            return;
        }
        self.bytes.extend(vr);
        if matches!(vr, b"OB" | b"SQ") {
            self.bytes.extend([0, 0]);
            self.bytes.extend(length.to_le_bytes());
        } else {
            self.bytes
                .extend(u16::try_from(length).unwrap().to_le_bytes());
        }
    }

    fn tag(&mut self, tag: u32) {
        self.bytes
            .extend(u16::try_from(tag >> 16).unwrap().to_le_bytes());
        self.bytes
            .extend(u16::try_from(tag & 0xFFFF).unwrap().to_le_bytes());
    }

    fn element(&mut self, tag: u32, vr: &[u8; 2], value: &[u8]) {
        self.head(tag, vr, u32::try_from(value.len()).unwrap());
        self.bytes.extend(value);
    }

    fn text(&mut self, tag: u32, vr: &[u8; 2], text: &str) {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.element(tag, vr, &value);
    }

    fn items(&mut self, tag: u32, items: Vec<Elements>) {
        let bytes: Vec<u8> = items.into_iter().flat_map(item).collect();
        self.element(tag, b"SQ", &bytes);
    }

    fn fragments(&mut self, fragments: &[Vec<u8>]) {
        self.head(0x7FE0_0010, b"OB", u32::MAX);
        for fragment in [Vec::new()].iter().chain(fragments) {
            let bytes = fragment.clone();
            self.bytes.extend(item(Elements {
                explicit: self.explicit,
                bytes,
            }));
        }
        self.bytes.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    }
}

fn item(elements: Elements) -> Vec<u8> {
    let length = u32::try_from(elements.bytes.len()).unwrap().to_le_bytes();
    [&b"\xFE\xFF\x00\xE0"[..], &length, &elements.bytes].concat()
}
