//! Volumes of the shared data: `.npz` archives of numpy arrays, read with what the program links anyway.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The shared data's folder. Fails where CI expects it, else tells that the test skips.
pub(crate) fn shared(test: &str, folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(folder);
    if path.is_dir() {
        return Some(path);
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "{test}: {} is missing", path.display());
    eprintln!("SKIPPED {test}: no shared data");
    None
}

/// One array: its shape and its values as f64, C order.
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

/// The array `name` of the archive `path`.
pub(crate) fn array(path: &Path, name: &str) -> Array {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    let mut entry = archive.by_name(&format!("{name}.npy")).unwrap();
    entry.read_to_end(&mut bytes).unwrap();
    parse(&bytes)
}

/// Source: the NPY format, version 1.0: magic, version, header length, a Python dictionary, raw values.
fn parse(bytes: &[u8]) -> Array {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "NPY version 1.0");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let raw = &bytes[10 + length..];
    let inside = |open: &str, close: char| {
        let from = header.find(open).unwrap() + open.len();
        let rest = &header[from..];
        rest[..rest.find(close).unwrap()].to_owned()
    };
    let shape = inside("'shape': (", ')')
        .split(',')
        .filter_map(|part| part.trim().parse().ok())
        .collect();
    let values = match inside("'descr': '", '\'').as_str() {
        "|u1" => raw.iter().map(|value| f64::from(*value)).collect(),
        "<i2" => numbers(raw, |two: [u8; 2]| f64::from(i16::from_le_bytes(two))),
        "<f4" => numbers(raw, |four: [u8; 4]| f64::from(f32::from_le_bytes(four))),
        other => panic!("arrays of {other} are not read here"),
    };
    Array { shape, values }
}

fn numbers<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, rest) = raw.as_chunks::<N>();
    assert!(rest.is_empty(), "an array ends within a number");
    chunks.iter().map(|chunk| number(*chunk)).collect()
}
