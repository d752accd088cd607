//! The files of one series as a series of its own, again and again: the service triages each series once.

use crate::dicom::{ReadLimits, read_header};
use crate::edge::Failure;
use crate::edge::export::appear;
use std::fs;
use std::path::{Path, PathBuf};

/// The part of a file that is searched for UIDs: the pixels come later.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Digits of a UID that a copy's number takes the place of.
const DIGITS: usize = 5;

/// A series whose files are written under other UIDs.
pub(super) struct Copies {
    files: Vec<PathBuf>,
    /// Study and series UID as the files have them.
    uids: Vec<String>,
}

impl Copies {
    /// The series that `files` are of. Errors: the first file is no DICOM file; its UIDs have too few digits.
    pub(super) fn of(files: &[PathBuf]) -> Result<Copies, Failure> {
        let unusable = |what: &str| {
            let what = format!("the series cannot be copied: {what}");
            Failure::new(
                what,
                "give a folder that holds the DICOM files of one series",
            )
        };
        let first = files.first().ok_or_else(|| unusable("it has no file"))?;
        let bytes = read(first)?;
        let header = read_header(&bytes, &ReadLimits::default())
            .ok_or_else(|| unusable("its first file is no DICOM file"))?;
        let study = header.study.map(|uid| uid.as_str().to_owned());
        let uids: Vec<String> = [Some(header.series.0.as_str().to_owned()), study]
            .into_iter()
            .flatten()
            .collect();
        if uids.iter().any(|uid| numbered(uid, 0).is_none()) {
            return Err(unusable("its UIDs have too few digits"));
        }
        Ok(Copies {
            files: files.to_vec(),
            uids,
        })
    }

    /// Files of the series.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// File `index` as one of copy `number`.
    pub(super) fn bytes(&self, index: usize, number: u32) -> Result<Vec<u8>, Failure> {
        let missing = || Failure::new("a file of the series is missing", "report this");
        let mut bytes = read(self.files.get(index).ok_or_else(missing)?)?;
        let end = bytes.len().min(HEADER_BYTES_MAX);
        for uid in &self.uids {
            let copy = numbered(uid, number).ok_or_else(missing)?;
            replace(
                bytes.get_mut(..end).unwrap_or(&mut []),
                uid.as_bytes(),
                copy.as_bytes(),
            );
        }
        Ok(bytes)
    }

    /// Writes file `index` of copy `number` into `folder`: under a hidden name, then renamed. Returns its path.
    pub(super) fn export(
        &self,
        index: usize,
        number: u32,
        folder: &Path,
    ) -> Result<PathBuf, Failure> {
        let path = folder.join(format!("{number:05}-{index:06}"));
        appear(&path, &self.bytes(index, number)?)?;
        Ok(path)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| {
        let what = format!("{} cannot be read: {error}", file.display());
        Failure::new(what, "check its rights")
    })
}

/// `uid`, as long as before, with `number` in its last digits; those that begin a component stay, for it must not begin
/// with 0. `None` where there are too few.
fn numbered(uid: &str, number: u32) -> Option<String> {
    let mut bytes = uid.as_bytes().to_vec();
    let inside = |at: &usize| {
        let before = at
            .checked_sub(1)
            .and_then(|before| uid.as_bytes().get(before));
        let own = uid.as_bytes().get(*at);
        own.is_some_and(u8::is_ascii_digit) && before.is_some_and(u8::is_ascii_alphanumeric)
    };
    let places: Vec<usize> = (0..bytes.len()).rev().filter(inside).take(DIGITS).collect();
    if places.len() < DIGITS {
        return None;
    }
    let mut rest = number;
    for place in places {
        let digit = u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        *bytes.get_mut(place)? = b'0' + digit;
    }
    String::from_utf8(bytes).ok()
}

/// Replaces each `old` in `bytes` by `new`, which is as long.
fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    let mut from = 0;
    while let Some(rest) = bytes.get_mut(from..)
        && let Some(at) = rest.windows(old.len()).position(|window| window == old)
    {
        rest.iter_mut()
            .skip(at)
            .zip(new)
            .for_each(|(to, byte)| *to = *byte);
        from += at + old.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_a_uid_valid_and_as_long() {
        for (uid, wanted) in [
            ("2.25.123456789", Some("2.25.123400042")),
            ("1.2.840.1234.7.98.1", Some("1.2.840.1004.7.92.1")),
            ("1.2.840.10.7.98.1", None),
        ] {
            assert_eq!(numbered(uid, 42).as_deref(), wanted, "{uid}");
        }
    }

    #[test]
    fn every_place_is_replaced() {
        let mut bytes = *b"..abc..abcab";
        replace(&mut bytes, b"abc", b"xyz");
        assert_eq!(&bytes, b"..xyz..xyzab");
    }
}
