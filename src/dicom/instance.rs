//! One CT instance: what it says, where its frames lie, and its Hounsfield units frame by frame.

use std::fmt;
use std::ops::Range;

use crate::dicom::ReadLimits;
use crate::dicom::attributes::Attributes;
use crate::dicom::codec::{Packing, check_stream};
use crate::dicom::decoder::FrameDecoder;
use crate::dicom::element::{PIXEL_DATA, Value};
use crate::dicom::file::{DicomFile, walk};
use crate::dicom::frame::{FrameAttributes, FrameGeometry};
use crate::dicom::header::{Header, ImageFacts, header, modality, series_key, type_values};
use crate::dicom::pixels::PixelFormat;
use crate::refusal::Refusal;

/// CT Image, Enhanced CT Image and Legacy Converted Enhanced CT Image Storage. Source: PS3.4 B.5.
const CT_CLASSES: [&str; 3] = [
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
];

/// A CT instance whose structure, format and geometry have been checked; its pixels are decoded on demand.
pub struct Instance<'a> {
    pub(super) file: DicomFile<'a>,
    header: Header,
    pub(super) format: PixelFormat,
    pub(super) packing: Packing,
    /// For each frame the ranges of its bytes, in order.
    pub(super) frames: Vec<Vec<Range<usize>>>,
}

impl fmt::Debug for Instance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("header", &self.header)
            .field("format", &self.format)
            .field("packing", &self.packing)
            .finish_non_exhaustive()
    }
}

/// Reads `bytes`, a file of any name, as a CT instance.
///
/// Pixels are not decoded yet, but they are all there. Memory: a small multiple of the header; the pixels stay in `bytes`
/// (in a buffer of their own when the data set is deflated).
/// Errors: [`Refusal::NotDicom`], [`Refusal::Truncated`], [`Refusal::Malformed`], [`Refusal::TooLarge`],
/// [`Refusal::MissingElement`], [`Refusal::NotCt`], [`Refusal::NoImage`], [`Refusal::PixelFormat`],
/// [`Refusal::PixelData`], [`Refusal::TransferSyntax`].
pub fn read<'a>(bytes: &'a [u8], limits: &ReadLimits) -> Result<Instance<'a>, Refusal> {
    let file = walk(bytes, limits)?;
    let attributes = file.attributes();
    refuse_other_objects(&attributes, file.damage.as_ref())?;
    series_key(&attributes)?;
    let packing = Packing::of(&file.transfer_syntax)?;
    let format = PixelFormat::parse(&attributes, limits)?;
    let frames = frame_ranges(&attributes, &format, packing)?;
    if let Some([first, ..]) = frames.first().map(Vec::as_slice) {
        let start = attributes.bytes.get(first.clone()).unwrap_or(&[]);
        check_stream(packing, start, &file.transfer_syntax)?;
    }
    let header = describe(&file, &format)?;
    Ok(Instance {
        file,
        header,
        format,
        packing,
        frames,
    })
}

/// What `bytes` say of their patient, study and series, whether or not they hold a CT image that can be read: lets a
/// refused or damaged file be held against its series. `None` when they do not name a series.
pub fn read_header(bytes: &[u8], limits: &ReadLimits) -> Option<Header> {
    let file = walk(bytes, limits).ok()?;
    let transfer_syntax = file.transfer_syntax.clone();
    header(
        &file.attributes(),
        ImageFacts {
            transfer_syntax,
            ..ImageFacts::default()
        },
    )
    .ok()
}

impl Instance<'_> {
    /// What the instance says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The same, for good.
    pub fn into_header(self) -> Header {
        self.header
    }

    /// Number of frames, at least one.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// The place of frame `index` (from 0) in the patient.
    ///
    /// Errors: [`Refusal::MissingElement`], [`Refusal::Malformed`]; [`Refusal::NoImage`] past the last frame.
    pub fn frame_geometry(&self, index: usize) -> Result<FrameGeometry, Refusal> {
        if index >= self.frames.len() {
            return Err(Refusal::NoImage);
        }
        let attributes = FrameAttributes::of(self.file.attributes(), index);
        attributes.geometry(self.format.rows, self.format.columns)
    }

    /// As [`FrameDecoder::hu`], with buffers for this frame alone.
    ///
    /// Errors: as there.
    pub fn frame_hu(&self, index: usize, hu: &mut Vec<i16>) -> Result<(), Refusal> {
        FrameDecoder::default().hu(self, index, hu)
    }

    /// Fills `stored` with the stored values of frame `index`, before rescale, in index order `y, x`.
    ///
    /// Errors: [`Refusal::PixelData`]; [`Refusal::NoImage`] past the last frame.
    pub fn frame_stored(&self, index: usize, stored: &mut Vec<i32>) -> Result<(), Refusal> {
        FrameDecoder::default()
            .frame(self, index)
            .map(|frame| frame.stored(stored))
    }
}

/// Refuses what is no CT image, by the most telling reason; then what is damaged.
fn refuse_other_objects(
    attributes: &Attributes<'_>,
    damage: Option<&Refusal>,
) -> Result<(), Refusal> {
    let is_ct_class = attributes
        .ascii(0x0008_0016)
        .is_some_and(|class| CT_CLASSES.contains(&class));
    let modality = modality(attributes);
    let has_pixels = match attributes.set.get(PIXEL_DATA) {
        Some(Value::Fragments(fragments)) => fragments.len() > 1,
        Some(_) => attributes.raw(PIXEL_DATA).is_some(),
        None => false,
    };
    match (modality.as_deref(), damage) {
        (Some("CT"), _) => {}
        (Some(other), _) => {
            return Err(Refusal::NotCt {
                modality: other.to_owned(),
            });
        }
        (None, _) if is_ct_class => {}
        (None, Some(damage)) => return Err(damage.clone()),
        (None, None) if !has_pixels => return Err(Refusal::NoImage),
        (None, None) => {
            return Err(Refusal::NotCt {
                modality: "unknown".to_owned(),
            });
        }
    }
    match damage {
        Some(damage) => Err(damage.clone()),
        None if has_pixels => Ok(()),
        // A CT image without pixels is a file that has not arrived whole, and must not pass for "nothing to do".
        None if is_ct_class => Err(Refusal::Truncated {
            what: "a CT image without Pixel Data".to_owned(),
        }),
        None => Err(Refusal::NoImage),
    }
}

/// The byte ranges of every frame, all within the file.
fn frame_ranges(
    attributes: &Attributes<'_>,
    format: &PixelFormat,
    packing: Packing,
) -> Result<Vec<Vec<Range<usize>>>, Refusal> {
    let mismatch = |what: &str| Refusal::PixelData {
        what: what.to_owned(),
    };
    match (packing, attributes.set.get(PIXEL_DATA)) {
        (Packing::Native { .. }, Some(Value::Bytes(range))) => native_frames(range, format),
        (Packing::Native { .. }, _) => Err(mismatch("packed pixels under an unpacked syntax")),
        (_, Some(Value::Fragments(fragments))) => {
            encapsulated_frames(attributes.bytes, fragments, format.frames)
                .ok_or_else(|| mismatch("the fragments cannot be told apart by frame"))
        }
        _ => Err(mismatch("unpacked pixels under a packed syntax")),
    }
}

fn native_frames(
    range: &Range<usize>,
    format: &PixelFormat,
) -> Result<Vec<Vec<Range<usize>>>, Refusal> {
    let frame_bytes = format.pixels() * format.bytes_allocated;
    let needed = frame_bytes.saturating_mul(format.frames);
    if range.len() < needed {
        return Err(Refusal::Truncated {
            what: format!("{} bytes of pixels, {needed} are needed", range.len()),
        });
    }
    let starts = (0..format.frames).map(|index| range.start + index * frame_bytes);
    Ok(starts
        .map(|start| std::iter::once(start..start + frame_bytes).collect())
        .collect())
}

/// Source: PS3.5 A.4: one frame takes all fragments; several take one each, or as the Basic Offset Table says.
pub(super) fn encapsulated_frames(
    bytes: &[u8],
    fragments: &[Range<usize>],
    frames: usize,
) -> Option<Vec<Vec<Range<usize>>>> {
    let (table, fragments) = fragments.split_first()?;
    if frames == 1 {
        return Some(vec![fragments.to_vec()]);
    }
    if fragments.len() == frames {
        return Some(fragments.iter().map(|one| vec![one.clone()]).collect());
    }
    let first = fragments.first()?.start;
    let (offsets, _) = bytes.get(table.clone())?.as_chunks::<4>();
    let starts: Vec<usize> = offsets
        .iter()
        .map(|raw| usize::try_from(u32::from_le_bytes(*raw)).ok())
        .collect::<Option<_>>()?;
    if starts.len() != frames || !starts.is_sorted() {
        return None;
    }
    let mut split = Vec::with_capacity(frames);
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(usize::MAX);
        let within = |one: &&Range<usize>| (*start..end).contains(&(one.start - first));
        let own: Vec<_> = fragments.iter().filter(within).cloned().collect();
        if own.is_empty() {
            return None;
        }
        split.push(own);
    }
    Some(split)
}

/// The header, with every frame's geometry and rescale checked on the way.
fn describe(file: &DicomFile<'_>, format: &PixelFormat) -> Result<Header, Refusal> {
    let attributes = file.attributes();
    for index in 0..format.frames {
        let frame = FrameAttributes::of(attributes, index);
        frame.geometry(format.rows, format.columns)?;
        frame.rescale()?;
    }
    let first = FrameAttributes::of(attributes, 0);
    let place = first.geometry(format.rows, format.columns)?;
    let facts = ImageFacts {
        rows: format.rows,
        columns: format.columns,
        pixel_spacing: [place.row_spacing, place.column_spacing],
        slice_thickness: first.slice_thickness(),
        image_type: type_values(first.image_type()),
        transfer_syntax: file.transfer_syntax.clone(),
    };
    header(&attributes, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::codec::{Buffers, decode};
    use crate::dicom::decoder::joined;
    use sha2::{Digest, Sha256};

    /// The decoders on instances that are no CT: [`read`] refuses them, so the stages below it are driven.
    #[test]
    fn other_modalities_decode_to_the_published_digests() {
        let Some(folder) = samples() else { return };
        for (name, digest) in [
            (
                "MR_small_bigendian.dcm",
                "b8d9a6cee6ff2ea9edbe8b476e54b80cfab8c6a15aff4d431b6c38840a20f7df",
            ),
            (
                "MR_small_jpeg_ls_lossless.dcm",
                "b8d9a6cee6ff2ea9edbe8b476e54b80cfab8c6a15aff4d431b6c38840a20f7df",
            ),
            (
                "MR_small_RLE.dcm",
                "b8d9a6cee6ff2ea9edbe8b476e54b80cfab8c6a15aff4d431b6c38840a20f7df",
            ),
            (
                "JPEGLSNearLossless_16.dcm",
                "1d1ea445c998e392aa887448ec75ee5f9e66f7942127f128801f6ff6df2bada8",
            ),
            (
                "image_dfl.dcm",
                "3ae25f749a71a0f30203397e76a96bee083557a1ff96a0efaa5332ce3a8563a6",
            ),
        ] {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let limits = ReadLimits::default();
            let file = walk(&bytes, &limits).unwrap();
            let attributes = file.attributes();
            let format = PixelFormat::parse(&attributes, &limits).unwrap();
            let packing = Packing::of(&file.transfer_syntax).unwrap();
            let frames = frame_ranges(&attributes, &format, packing).unwrap();
            let (mut buffer, mut buffers) = (Vec::new(), Buffers::default());
            let pixels = joined(attributes.bytes, &frames[0], &mut buffer);
            let mut stored = Vec::new();
            let frame = decode(packing, pixels, &format, &mut buffers).unwrap();
            frame.stored(&mut stored);
            let mut sum = Sha256::new();
            stored.iter().for_each(|v| sum.update(v.to_le_bytes()));
            let hex: String = sum.finalize().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(hex, digest, "{name}");
        }
    }

    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "tests find their data by the environment, and say when they skip"
    )]
    fn samples() -> Option<std::path::PathBuf> {
        let root = std::env::var("SCANWARD_DATA")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
        let folder = std::path::Path::new(&root).join("dicom-files");
        if folder.is_dir() {
            return Some(folder);
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no samples");
        eprintln!("skipped: {} is missing", folder.display());
        None
    }
}
