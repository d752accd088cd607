//! From the bytes of a file to its data set: preamble, file meta group, transfer syntax, deflation.

use std::borrow::Cow;
use std::io::Read;

use crate::dicom::ReadLimits;
use crate::dicom::attributes::Attributes;
use crate::dicom::element::{DataSet, Syntax, Tag, Walker, Wanted};
use crate::refusal::Refusal;

const TRANSFER_SYNTAX_UID: Tag = 0x0002_0010;
const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// A file whose elements have been walked.
pub(super) struct DicomFile<'a> {
    bytes: Cow<'a, [u8]>,
    set: DataSet,
    big_endian: bool,
    /// The transfer syntax; for a file that does not name one, the uncompressed syntax it is written in.
    pub(super) transfer_syntax: String,
    /// What stopped the walk; the elements before it are there.
    pub(super) damage: Option<Refusal>,
}

impl DicomFile<'_> {
    /// The data set's attributes.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        Attributes {
            bytes: &self.bytes,
            set: &self.set,
            big_endian: self.big_endian,
        }
    }
}

/// Walks `bytes` as the file of a CT image, with or without preamble and meta group.
///
/// Errors: as [`walk_for`].
pub(super) fn walk<'a>(bytes: &'a [u8], limits: &ReadLimits) -> Result<DicomFile<'a>, Refusal> {
    walk_for(bytes, &Wanted::CT, limits)
}

/// Walks `bytes` as a DICOM file, with or without preamble and meta group, for what is `wanted` of it.
///
/// Errors: [`Refusal::NotDicom`], [`Refusal::TooLarge`], and the damage of a meta group that cannot be read; damage
/// in the data set itself is a field of the result, so that the series it belongs to can still be named.
pub(super) fn walk_for<'a>(
    bytes: &'a [u8],
    wanted: &'static Wanted,
    limits: &ReadLimits,
) -> Result<DicomFile<'a>, Refusal> {
    if bytes.len() > limits.file_bytes_max {
        return Err(Refusal::TooLarge {
            what: format!("a file of {} bytes", bytes.len()),
        });
    }
    let has_preamble = bytes.get(128..132) == Some(b"DICM");
    let start = if has_preamble { 132 } else { 0 };
    if !has_preamble && !looks_like_a_data_set(bytes) {
        return Err(Refusal::NotDicom);
    }
    let (declared, body) = meta(bytes, start, limits)?;
    let file = data_set(bytes, body, declared, wanted, limits)?;
    // Bytes that pass for elements by chance hold none of the tags every instance has.
    if !has_preamble && !file.has_identity() {
        return Err(Refusal::NotDicom);
    }
    Ok(file)
}

impl DicomFile<'_> {
    fn has_identity(&self) -> bool {
        const CLASS_MODALITY_STUDY: [Tag; 3] = [0x0008_0016, 0x0008_0060, 0x0020_000D];
        let attributes = self.attributes();
        CLASS_MODALITY_STUDY
            .iter()
            .any(|tag| attributes.raw(*tag).is_some())
    }
}

/// Whether the first bytes can be the first element of a data set, or of a meta group without preamble.
fn looks_like_a_data_set(bytes: &[u8]) -> bool {
    matches!(
        bytes.first_chunk::<4>(),
        Some([0x02 | 0x08, 0x00, _, 0x00] | [0x00, 0x08, 0x00, _])
    )
}

/// The declared transfer syntax and the offset of the data set.
fn meta(
    bytes: &[u8],
    start: usize,
    limits: &ReadLimits,
) -> Result<(Option<String>, usize), Refusal> {
    let mut set = DataSet::default();
    let syntax = little_endian_as_written(bytes, start);
    let body = Walker::new(bytes, start, syntax, &Wanted::CT, limits).walk_meta(&mut set)?;
    let attributes = Attributes {
        bytes,
        set: &set,
        big_endian: false,
    };
    let declared = attributes.ascii(TRANSFER_SYNTAX_UID).map(str::to_owned);
    Ok((declared, body))
}

fn data_set<'a>(
    bytes: &'a [u8],
    body: usize,
    declared: Option<String>,
    wanted: &'static Wanted,
    limits: &ReadLimits,
) -> Result<DicomFile<'a>, Refusal> {
    let (bytes, body) = match declared.as_deref() {
        Some(DEFLATED) => (Cow::Owned(inflate(bytes, body, limits)?), 0),
        _ => (Cow::Borrowed(bytes), body),
    };
    let undeclared_big = declared.is_none() && bytes.get(body..body + 2) == Some(&[0x00, 0x08]);
    let syntax = if undeclared_big || declared.as_deref() == Some(EXPLICIT_BIG) {
        Syntax::BIG_ENDIAN
    } else {
        little_endian_as_written(&bytes, body)
    };
    let mut set = DataSet::default();
    let damage = Walker::new(&bytes, body, syntax, wanted, limits)
        .walk(&mut set)
        .err();
    let written = match (syntax.explicit, syntax.big_endian) {
        (_, true) => EXPLICIT_BIG,
        (true, false) => EXPLICIT_LITTLE,
        (false, false) => IMPLICIT_LITTLE,
    };
    Ok(DicomFile {
        bytes,
        set,
        big_endian: syntax.big_endian,
        transfer_syntax: declared.unwrap_or_else(|| written.to_owned()),
        damage,
    })
}

/// Explicit or implicit, whatever was declared: writers that declare one and write the other exist, and the first
/// element tells (a length of two capital letters would be longer than any first element).
fn little_endian_as_written(bytes: &[u8], at: usize) -> Syntax {
    let vr = bytes.get(at + 4..at + 6).unwrap_or(&[]);
    if vr.len() == 2 && vr.iter().all(u8::is_ascii_uppercase) {
        Syntax::EXPLICIT
    } else {
        Syntax::IMPLICIT
    }
}

fn inflate(bytes: &[u8], body: usize, limits: &ReadLimits) -> Result<Vec<u8>, Refusal> {
    let packed = bytes.get(body..).unwrap_or(&[]);
    let bound = u64::try_from(limits.file_bytes_max).unwrap_or(u64::MAX);
    let mut inflated = Vec::new();
    flate2::read::DeflateDecoder::new(packed)
        .take(bound.saturating_add(1))
        .read_to_end(&mut inflated)
        .map_err(|_| Refusal::Truncated {
            what: "the deflated data set does not inflate".to_owned(),
        })?;
    if inflated.len() > limits.file_bytes_max {
        return Err(Refusal::TooLarge {
            what: "the deflated data set".to_owned(),
        });
    }
    Ok(inflated)
}
