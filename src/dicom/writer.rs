//! Writes a CT Image Storage file: for phantoms and tests.
//!
//! Explicit VR little endian, with preamble and file meta group. Source: PS3.10 7.1, PS3.3 A.3.

use crate::units::WallTime;

/// CT Image Storage.
const CT_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Names this implementation in files: a UID under 2.25, made from a random UUID.
const IMPLEMENTATION: &str = "2.25.98318273690241937265011867539411582907";

/// One axial slice to write.
#[derive(Clone, Copy, Debug)]
pub struct CtImage<'a> {
    /// Study Instance UID.
    pub study: &'a str,
    /// Series Instance UID.
    pub series: &'a str,
    /// SOP Instance UID.
    pub instance: &'a str,
    /// Frame of Reference UID.
    pub frame_of_reference: &'a str,
    /// Patient ID.
    pub patient_id: &'a str,
    /// Patient's Name, UTF-8.
    pub patient_name: &'a str,
    /// Accession Number.
    pub accession: &'a str,
    /// Series Number.
    pub series_number: u32,
    /// Instance Number.
    pub instance_number: u32,
    /// Image Position (Patient), LPS mm.
    pub position: [f64; 3],
    /// Image Orientation (Patient): row direction, column direction.
    pub orientation: [f64; 6],
    /// Pixel Spacing: row to row, column to column, mm.
    pub pixel_spacing: [f64; 2],
    /// Slice Thickness, mm.
    pub slice_thickness: f64,
    /// Spacing Between Slices, mm.
    pub spacing_between_slices: f64,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Series Description, UTF-8.
    pub series_description: &'a str,
    /// Convolution Kernel.
    pub kernel: &'a str,
    /// When the image was acquired; written as date and time of study, series, acquisition and content.
    pub acquired: WallTime,
    /// Hounsfield units in index order `y, x`; written within -1024 to 3071, missing ones as air.
    pub hu: &'a [i16],
}

/// The bytes of a CT Image Storage file that holds `image`: 16 bits allocated, 12 stored, unsigned, rescale 1 and -1024.
pub fn write_ct(image: &CtImage<'_>) -> Vec<u8> {
    let pixels = usize::from(image.rows) * usize::from(image.columns);
    let mut file = Elements::with_capacity(pixels * 2 + 4096);
    file.bytes.extend_from_slice(&[0; 128]);
    file.bytes.extend_from_slice(b"DICM");
    meta(&mut file, image);
    identification(&mut file, image);
    acquisition(&mut file, image);
    relationship(&mut file, image);
    pixel_description(&mut file, image);
    let stored = image.hu.iter().map(|hu| (*hu).clamp(-1024, 3071) + 1024);
    let padded = stored.chain(std::iter::repeat(0)).take(pixels);
    file.words(0x7FE0_0010, padded);
    file.bytes
}

fn meta(file: &mut Elements, image: &CtImage<'_>) {
    let mut group = Elements::with_capacity(256);
    group.long(0x0002_0001, b"OB", &[0, 1]);
    group.uid(0x0002_0002, CT_IMAGE);
    group.uid(0x0002_0003, image.instance);
    group.uid(0x0002_0010, EXPLICIT_LITTLE);
    group.uid(0x0002_0012, IMPLEMENTATION);
    group.text(0x0002_0013, b"SH", "SCANWARD");
    let length = u32::try_from(group.bytes.len()).unwrap_or(u32::MAX);
    file.short(0x0002_0000, b"UL", &length.to_le_bytes());
    file.bytes.extend_from_slice(&group.bytes);
}

fn identification(file: &mut Elements, image: &CtImage<'_>) {
    let (date, time) = date_and_time(image.acquired);
    file.text(0x0008_0005, b"CS", "ISO_IR 192");
    file.text(0x0008_0008, b"CS", "ORIGINAL\\PRIMARY\\AXIAL");
    file.uid(0x0008_0016, CT_IMAGE);
    file.uid(0x0008_0018, image.instance);
    for element in 0x20..=0x23 {
        file.text(0x0008_0000 | element, b"DA", &date);
    }
    for element in 0x30..=0x33 {
        file.text(0x0008_0000 | element, b"TM", &time);
    }
    file.text(0x0008_0050, b"SH", image.accession);
    file.text(0x0008_0060, b"CS", "CT");
    file.text(0x0008_0070, b"LO", "scanward");
    file.text(0x0008_0090, b"PN", "");
    file.text(0x0008_103E, b"LO", image.series_description);
    file.text(0x0010_0010, b"PN", image.patient_name);
    file.text(0x0010_0020, b"LO", image.patient_id);
    file.text(0x0010_0030, b"DA", "");
    file.text(0x0010_0040, b"CS", "");
}

fn acquisition(file: &mut Elements, image: &CtImage<'_>) {
    file.text(0x0018_0015, b"CS", "CHEST");
    file.decimals(0x0018_0050, &[image.slice_thickness]);
    file.text(0x0018_0060, b"DS", "120");
    file.decimals(0x0018_0088, &[image.spacing_between_slices]);
    file.text(0x0018_1210, b"SH", image.kernel);
    file.text(0x0018_5100, b"CS", "HFS");
}

fn relationship(file: &mut Elements, image: &CtImage<'_>) {
    file.uid(0x0020_000D, image.study);
    file.uid(0x0020_000E, image.series);
    file.text(0x0020_0010, b"SH", "1");
    file.text(0x0020_0011, b"IS", &image.series_number.to_string());
    file.text(0x0020_0012, b"IS", "1");
    file.text(0x0020_0013, b"IS", &image.instance_number.to_string());
    file.decimals(0x0020_0032, &image.position);
    file.decimals(0x0020_0037, &image.orientation);
    file.uid(0x0020_0052, image.frame_of_reference);
    file.text(0x0020_1040, b"LO", "");
}

fn pixel_description(file: &mut Elements, image: &CtImage<'_>) {
    file.number(0x0028_0002, 1);
    file.text(0x0028_0004, b"CS", "MONOCHROME2");
    file.number(0x0028_0010, image.rows);
    file.number(0x0028_0011, image.columns);
    file.decimals(0x0028_0030, &image.pixel_spacing);
    file.number(0x0028_0100, 16);
    file.number(0x0028_0101, 12);
    file.number(0x0028_0102, 11);
    file.number(0x0028_0103, 0);
    file.text(0x0028_1050, b"DS", "-600");
    file.text(0x0028_1051, b"DS", "1500");
    file.text(0x0028_1052, b"DS", "-1024");
    file.text(0x0028_1053, b"DS", "1");
    file.text(0x0028_1054, b"LO", "HU");
}

/// `YYYYMMDD` and `HHMMSS.FFF`.
fn date_and_time(at: WallTime) -> (String, String) {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or(("", ""));
    let plain = |part: &str| part.replace(['-', ':', 'Z'], "");
    (plain(date), plain(time))
}

/// Elements in explicit VR little endian, written in ascending order of tags.
struct Elements {
    bytes: Vec<u8>,
}

impl Elements {
    fn with_capacity(bytes: usize) -> Elements {
        Elements {
            bytes: Vec::with_capacity(bytes),
        }
    }

    fn tag(&mut self, tag: u32, vr: &[u8; 2]) {
        let [e0, e1, g0, g1] = tag.to_le_bytes();
        self.bytes.extend_from_slice(&[g0, g1, e0, e1]);
        self.bytes.extend_from_slice(vr);
    }

    /// A value with a two-byte length; longer ones are cut, which no value of this writer is.
    fn short(&mut self, tag: u32, vr: &[u8; 2], value: &[u8]) {
        self.tag(tag, vr);
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX - 1);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes
            .extend(value.iter().take(usize::from(length)).copied());
    }

    /// A value with a four-byte length.
    fn long(&mut self, tag: u32, vr: &[u8; 2], value: &[u8]) {
        self.tag(tag, vr);
        let length = u32::try_from(value.len()).unwrap_or(0);
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(value);
    }

    fn text(&mut self, tag: u32, vr: &[u8; 2], text: &str) {
        self.padded(tag, vr, text, b' ');
    }

    fn uid(&mut self, tag: u32, uid: &str) {
        self.padded(tag, b"UI", uid, 0);
    }

    /// Values have an even length.
    fn padded(&mut self, tag: u32, vr: &[u8; 2], text: &str, padding: u8) {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(padding);
        }
        self.short(tag, vr, &value);
    }

    fn number(&mut self, tag: u32, number: u16) {
        self.short(tag, b"US", &number.to_le_bytes());
    }

    fn decimals(&mut self, tag: u32, numbers: &[f64]) {
        let texts: Vec<String> = numbers.iter().copied().map(decimal).collect();
        self.text(tag, b"DS", &texts.join("\\"));
    }

    fn words(&mut self, tag: u32, words: impl Iterator<Item = i16>) {
        let value: Vec<u8> = words.flat_map(i16::to_le_bytes).collect();
        self.long(tag, b"OW", &value);
    }
}

/// A decimal string: at most 16 characters (PS3.5 table 6.2-1).
fn decimal(number: f64) -> String {
    let shortest = number.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    (0..=10)
        .rev()
        .map(|digits| format!("{number:.digits$}"))
        .find(|text| text.len() <= 16)
        .unwrap_or_else(|| "0".to_owned())
}
