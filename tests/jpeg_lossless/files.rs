//! CT files around pixels of any format, plain or as a JPEG Lossless stream.

use std::path::{Path, PathBuf};

/// The folder of the real series; without it the test fails in CI and skips elsewhere.
pub(crate) fn real_series() -> Option<PathBuf> {
    let root = std::env::var("SCANWARD_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let folder = root.join("dicom");
    if folder.is_dir() {
        return Some(folder);
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "{} is missing", folder.display());
    eprintln!("SKIPPED: {} is missing", folder.display());
    None
}

/// The format of an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ct {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Bits Stored.
    pub(crate) bits: u32,
    /// Pixel Representation.
    pub(crate) signed: bool,
}

impl Ct {
    /// What the lowest bits of `raw` stand for.
    pub(crate) fn value(self, raw: u32) -> i32 {
        let unused = 32 - self.bits;
        match self.signed {
            true => (raw << unused).cast_signed() >> unused,
            false => (raw << unused >> unused).cast_signed(),
        }
    }

    /// A file in Explicit VR Little Endian.
    pub(crate) fn plain(self, samples: &[u16]) -> Vec<u8> {
        let mut file = self.header("1.2.840.10008.1.2.1\0");
        let wide = self.bits > 8;
        let words = samples.iter().flat_map(|sample| {
            let word = self.value(u32::from(*sample)).to_le_bytes();
            word.into_iter().take(if wide { 2 } else { 1 })
        });
        let mut pixels: Vec<u8> = words.collect();
        pixels.resize(pixels.len().next_multiple_of(2), 0);
        long_element(&mut file, 0x0010, pixels.len() as u32);
        file.extend(pixels);
        file
    }

    /// A file in JPEG Lossless, the stream cut into `fragments`.
    pub(crate) fn jpeg(self, stream: &[u8], fragments: usize) -> Vec<u8> {
        let mut file = self.header("1.2.840.10008.1.2.4.57");
        long_element(&mut file, 0x0010, u32::MAX);
        file.extend(b"\xFE\xFF\x00\xE0\0\0\0\0");
        let length = stream.len().div_ceil(fragments).next_multiple_of(2).max(2);
        for fragment in stream.chunks(length) {
            file.extend(b"\xFE\xFF\x00\xE0");
            file.extend((fragment.len().next_multiple_of(2) as u32).to_le_bytes());
            file.extend(fragment);
            file.resize(file.len().next_multiple_of(2), 0);
        }
        file.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
        file
    }

    fn header(self, transfer_syntax: &str) -> Vec<u8> {
        let mut meta = Vec::new();
        element(&mut meta, 2, 0x02, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0");
        element(&mut meta, 2, 0x03, b"UI", b"1.2.3.40");
        element(&mut meta, 2, 0x10, b"UI", transfer_syntax.as_bytes());
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        element(&mut file, 2, 0, b"UL", &(meta.len() as u32).to_le_bytes());
        file.extend(meta);
        let short = |file: &mut Vec<u8>, element_number, value: u32| {
            element(
                file,
                0x28,
                element_number,
                b"US",
                &(value as u16).to_le_bytes(),
            );
        };
        element(&mut file, 0x08, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0");
        element(&mut file, 0x08, 0x18, b"UI", b"1.2.3.40");
        element(&mut file, 0x08, 0x60, b"CS", b"CT");
        element(&mut file, 0x20, 0x0D, b"UI", b"1.2.3.42");
        element(&mut file, 0x20, 0x0E, b"UI", b"1.2.3.41");
        element(&mut file, 0x20, 0x32, b"DS", b"0\\0\\0 ");
        element(&mut file, 0x20, 0x37, b"DS", b"1\\0\\0\\0\\1\\0 ");
        short(&mut file, 0x02, 1);
        element(&mut file, 0x28, 0x04, b"CS", b"MONOCHROME2 ");
        short(&mut file, 0x10, self.rows as u32);
        short(&mut file, 0x11, self.columns as u32);
        element(&mut file, 0x28, 0x30, b"DS", b"0.7\\0.7 ");
        short(&mut file, 0x100, if self.bits > 8 { 16 } else { 8 });
        short(&mut file, 0x101, self.bits);
        short(&mut file, 0x102, self.bits - 1);
        short(&mut file, 0x103, u32::from(self.signed));
        element(&mut file, 0x28, 0x1052, b"DS", b"-1024 ");
        element(&mut file, 0x28, 0x1053, b"DS", b"1 ");
        file
    }
}

fn element(file: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    file.extend(group.to_le_bytes());
    file.extend(number.to_le_bytes());
    file.extend(vr);
    file.extend((value.len() as u16).to_le_bytes());
    file.extend(value);
}

/// The beginning of Pixel Data.
fn long_element(file: &mut Vec<u8>, number: u16, length: u32) {
    file.extend(0x7FE0_u16.to_le_bytes());
    file.extend(number.to_le_bytes());
    file.extend(b"OW\0\0");
    file.extend(length.to_le_bytes());
}
