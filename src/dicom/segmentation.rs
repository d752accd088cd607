//! A DICOM Segmentation: whose series it segments, its segments, and the marked pixels of each frame.
//!
//! Source: PS3.3 A.51 (the object) and C.8.20 (its modules), PS3.5 8.1.1 and annex D.3 (pixels of one bit: frames follow
//! one another without padding, the first pixel in the lowest bit).

use std::fmt;
use std::ops::Range;

use crate::dicom::ReadLimits;
use crate::dicom::attributes::Attributes;
use crate::dicom::codec::Packing;
use crate::dicom::element::{PIXEL_DATA, Tag, Value, Wanted};
use crate::dicom::file::{DicomFile, walk_for};
use crate::dicom::frame::{FrameAttributes, FrameGeometry};
use crate::dicom::instance::encapsulated_frames;
use crate::dicom::pixels::PixelFormat;
use crate::dicom::rle;
use crate::dicom::text::{Charset, wall_time};
use crate::ids::{SeriesKey, Uid};
use crate::refusal::AnnotationRefusal;
use crate::units::WallTime;

/// Segmentation Storage. Source: PS3.4 B.5.
const SEGMENTATION: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const REFERENCED_SERIES: Tag = 0x0008_1115;
const OTHER_STUDIES: Tag = 0x0008_1200;
const SEGMENTS: Tag = 0x0062_0002;
const PROPERTY_CATEGORY: Tag = 0x0062_0003;
const PROPERTY_TYPE: Tag = 0x0062_000F;
/// Pixels of all frames: run lengths could claim a hundred times the file's bytes, and hours of work.
const PIXELS_MAX: usize = 1 << 30;
/// Segments, and series named, that are looked at.
const ITEMS_MAX: usize = 256;

/// A code of a coding scheme, as `(121322, DCM)`; without its meaning, which is free text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// Code Value.
    pub value: String,
    /// Coding Scheme Designator.
    pub scheme: String,
}

/// One segment. Its texts are a person's: they serve to tell a lesion, and go no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Segment Number, from 1.
    pub number: u16,
    /// Segment Label and Segment Description, with a blank between them.
    pub words: String,
    /// Segmented Property Category.
    pub category: Option<Code>,
    /// Segmented Property Type.
    pub kind: Option<Code>,
}

/// One frame: which segment's, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentFrame {
    /// Referenced Segment Number.
    pub segment: u16,
    /// Its place in the patient, LPS mm.
    pub geometry: FrameGeometry,
}

/// How the pixels of a frame are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pixels {
    /// One bit each.
    Binary,
    /// One byte each; marked from this value on.
    Fractional { half: u8 },
}

/// A segmentation whose structure and geometry have been checked; its pixels are read on demand.
pub struct Segmentation<'a> {
    file: DicomFile<'a>,
    /// The series that it names as segmented.
    pub series: Vec<SeriesKey>,
    /// Frame of Reference UID.
    pub frame_of_reference: Option<Uid>,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// Its frames, in file order.
    pub frames: Vec<SegmentFrame>,
    /// Spacing Between Slices, mm.
    pub step_mm: Option<f64>,
    /// Content Date and Time, by the clock of the program that wrote it.
    pub drawn: Option<WallTime>,
    rows: usize,
    columns: usize,
    pixels: Pixels,
    /// Bytes of all frames, or the fragments of each.
    stored: Stored,
}

enum Stored {
    Native(Range<usize>),
    Rle(Vec<Vec<Range<usize>>>),
}

impl fmt::Debug for Segmentation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segmentation")
            .field("segments", &self.segments.len())
            .field("frames", &self.frames.len())
            .field("pixels", &self.pixels)
            .finish_non_exhaustive()
    }
}

/// Reads `bytes`, a file of any name, as a segmentation of type BINARY or FRACTIONAL.
///
/// Pixels are not unpacked yet, but they are all there. Memory: a small multiple of the header.
/// Errors: [`AnnotationRefusal::NotDicom`], [`AnnotationRefusal::Truncated`], [`AnnotationRefusal::Malformed`],
/// [`AnnotationRefusal::NotSegmentation`], [`AnnotationRefusal::TransferSyntax`], [`AnnotationRefusal::PixelFormat`],
/// [`AnnotationRefusal::TooLarge`].
pub fn read_segmentation<'a>(
    bytes: &'a [u8],
    limits: &ReadLimits,
) -> Result<Segmentation<'a>, AnnotationRefusal> {
    let file = walk_for(bytes, &Wanted::SEGMENTATION, limits)?;
    let attributes = file.attributes();
    if attributes.ascii(0x0008_0016) != Some(SEGMENTATION) {
        return Err(AnnotationRefusal::NotSegmentation);
    }
    if let Some(damage) = &file.damage {
        return Err(damage.clone().into());
    }
    let pixels = pixels(&attributes)?;
    let (rows, columns, count) = size(&attributes, limits)?;
    let stored = stored(&file, pixels, [count, rows, columns])?;
    let segments = segments(&attributes)?;
    let frames = frames(&attributes, &segments, [count, rows, columns])?;
    let uid = |tag| attributes.ascii(tag).and_then(|text| Uid::parse(text).ok());
    let date = attributes.ascii(0x0008_0023);
    Ok(Segmentation {
        series: series(&attributes),
        frame_of_reference: uid(0x0020_0052),
        step_mm: FrameAttributes::of(attributes, 0).spacing_between_slices(),
        drawn: date.and_then(|date| wall_time(date, attributes.ascii(0x0008_0033))),
        segments,
        frames,
        rows,
        columns,
        pixels,
        stored,
        file,
    })
}

impl Segmentation<'_> {
    /// Rows and columns of each frame.
    pub fn size(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Sets those of `marked` (rows × columns in index order `y, x`) that frame `index` marks; leaves the others.
    ///
    /// A fractional pixel counts from half of Maximum Fractional Value on. Errors: [`AnnotationRefusal::PixelFormat`] when
    /// a packed frame does not unpack; [`AnnotationRefusal::Truncated`] past the last frame.
    pub fn mark(&self, index: usize, marked: &mut [bool]) -> Result<(), AnnotationRefusal> {
        let past = || AnnotationRefusal::Truncated {
            what: format!("frame {index} is not there"),
        };
        let bytes = self.file.attributes().bytes;
        let pixels = self.rows * self.columns;
        match &self.stored {
            Stored::Native(range) => {
                let all = bytes.get(range.clone()).ok_or_else(past)?;
                match self.pixels {
                    Pixels::Binary => mark_bits(all, index * pixels, marked),
                    Pixels::Fractional { half } => {
                        let own = all.get(index * pixels..).ok_or_else(past)?;
                        mark_bytes(own.iter().copied(), half, marked);
                    }
                }
            }
            Stored::Rle(frames) => {
                let ranges = frames.get(index).ok_or_else(past)?;
                let parts = ranges.iter().map(|range| bytes.get(range.clone()));
                let packed: Vec<u8> = parts.flatten().flatten().copied().collect();
                let mut words = Vec::new();
                rle::decode(&packed, &self.byte_format(), &mut words).map_err(|what| {
                    AnnotationRefusal::PixelFormat {
                        what: what.to_owned(),
                    }
                })?;
                let Pixels::Fractional { half } = self.pixels else {
                    return Err(AnnotationRefusal::TransferSyntax);
                };
                let values = words.iter().map(|word| word.to_le_bytes());
                mark_bytes(values.map(|[low, _]| low), half, marked);
            }
        }
        Ok(())
    }

    /// One byte a pixel, for the unpacking of one frame.
    fn byte_format(&self) -> PixelFormat {
        PixelFormat {
            rows: self.rows,
            columns: self.columns,
            frames: 1,
            bytes_allocated: 1,
            bits: 8,
            shift: 0,
            signed: false,
            padding: None,
        }
    }
}

/// Bits from the bit `start` on, lowest first.
fn mark_bits(bytes: &[u8], start: usize, marked: &mut [bool]) {
    for (bit, marked) in (start..).zip(marked) {
        let byte = bytes.get(bit / 8).copied().unwrap_or(0);
        *marked |= byte >> (bit % 8) & 1 != 0;
    }
}

fn mark_bytes(values: impl Iterator<Item = u8>, half: u8, marked: &mut [bool]) {
    for (marked, value) in marked.iter_mut().zip(values) {
        *marked |= value >= half;
    }
}

/// Source: PS3.3 C.8.20.2: one bit for BINARY, eight for FRACTIONAL.
fn pixels(attributes: &Attributes<'_>) -> Result<Pixels, AnnotationRefusal> {
    let allocated = attributes.short(0x0028_0100);
    let stored = attributes.short(0x0028_0101);
    let samples = attributes.short(0x0028_0002).unwrap_or(1);
    let one_bit = (allocated, stored, samples) == (Some(1), Some(1), 1);
    let one_byte = (allocated, stored, samples) == (Some(8), Some(8), 1);
    match attributes.ascii(0x0062_0001) {
        Some("BINARY") if one_bit => Ok(Pixels::Binary),
        Some("FRACTIONAL") if one_byte => {
            let most = attributes.short(0x0062_000E).unwrap_or(255).clamp(1, 255);
            let half = u8::try_from(most.div_ceil(2)).unwrap_or(128);
            Ok(Pixels::Fractional { half })
        }
        Some("BINARY" | "FRACTIONAL") => Err(AnnotationRefusal::PixelFormat {
            what: format!(
                "{} bits stored in {}, {samples} samples a pixel",
                stored.unwrap_or(0),
                allocated.unwrap_or(0)
            ),
        }),
        Some(_) | None => Err(AnnotationRefusal::NotSegmentation),
    }
}

/// Rows, columns, frames.
fn size(
    attributes: &Attributes<'_>,
    limits: &ReadLimits,
) -> Result<(usize, usize, usize), AnnotationRefusal> {
    let edge = |tag| usize::from(attributes.short(tag).unwrap_or(0));
    let (rows, columns) = (edge(0x0028_0010), edge(0x0028_0011));
    let frames = attributes.integer(0x0028_0008).unwrap_or(0);
    let frames = usize::try_from(frames).unwrap_or(0);
    if rows == 0 || columns == 0 || frames == 0 {
        return Err(AnnotationRefusal::Malformed {
            what: format!("{frames} frames of {rows} x {columns} pixels"),
        });
    }
    // Each factor is bounded first: the product fits.
    let edges = rows <= limits.edge_max && columns <= limits.edge_max;
    if !edges || frames > limits.frames_max || frames * rows * columns > PIXELS_MAX {
        return Err(AnnotationRefusal::TooLarge {
            what: format!("{frames} frames of {rows} x {columns} pixels"),
        });
    }
    Ok((rows, columns, frames))
}

/// Where the pixels lie; all of them within the file.
fn stored(
    file: &DicomFile<'_>,
    pixels: Pixels,
    [frames, rows, columns]: [usize; 3],
) -> Result<Stored, AnnotationRefusal> {
    let attributes = file.attributes();
    let packing = Packing::of(&file.transfer_syntax)?;
    match (packing, attributes.set.get(PIXEL_DATA)) {
        (Packing::Native { big_endian: false }, Some(Value::Bytes(range))) => {
            let all = frames * rows * columns;
            let needed = match pixels {
                Pixels::Binary => all.div_ceil(8),
                Pixels::Fractional { .. } => all,
            };
            if range.len() < needed {
                return Err(AnnotationRefusal::Truncated {
                    what: format!("{} bytes of pixels, {needed} are needed", range.len()),
                });
            }
            Ok(Stored::Native(range.clone()))
        }
        // Pixels of one bit are not packed by RLE: PS3.5 8.2.2.
        (Packing::Rle, Some(Value::Fragments(fragments))) if pixels != Pixels::Binary => {
            encapsulated_frames(attributes.bytes, fragments, frames)
                .map(Stored::Rle)
                .ok_or_else(|| AnnotationRefusal::Malformed {
                    what: "the fragments cannot be told apart by frame".to_owned(),
                })
        }
        (_, None) => Err(AnnotationRefusal::Truncated {
            what: "no Pixel Data".to_owned(),
        }),
        (_, Some(_)) => Err(AnnotationRefusal::TransferSyntax),
    }
}

fn segments(attributes: &Attributes<'_>) -> Result<Vec<Segment>, AnnotationRefusal> {
    let charset = Charset::parse(attributes.ascii(0x0008_0005));
    let items = attributes.items(SEGMENTS);
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(AnnotationRefusal::Malformed {
            what: format!("{} segments", items.len()),
        });
    }
    let segment = |item| {
        let own = attributes.of(item);
        let text = |tag| own.text(tag, &charset).unwrap_or_default();
        Some(Segment {
            number: own.short(0x0062_0004)?,
            words: format!("{} {}", text(0x0062_0005), text(0x0062_0006)),
            category: code(&own, PROPERTY_CATEGORY),
            kind: code(&own, PROPERTY_TYPE),
        })
    };
    let found: Option<Vec<Segment>> = items.iter().map(segment).collect();
    found.ok_or_else(|| AnnotationRefusal::Malformed {
        what: "a segment has no number".to_owned(),
    })
}

fn code(attributes: &Attributes<'_>, sequence: Tag) -> Option<Code> {
    let item = attributes.first(sequence)?;
    // Codes too long for Code Value stand in Long Code Value: PS3.3 8.1.
    let value = item.ascii(0x0008_0100).or_else(|| item.ascii(0x0008_0119));
    Some(Code {
        value: value?.to_owned(),
        scheme: item.ascii(0x0008_0102).unwrap_or_default().to_owned(),
    })
}

fn frames(
    attributes: &Attributes<'_>,
    segments: &[Segment],
    [count, rows, columns]: [usize; 3],
) -> Result<Vec<SegmentFrame>, AnnotationRefusal> {
    let mut frames = Vec::with_capacity(count.min(4096));
    for index in 0..count {
        let own = FrameAttributes::of(*attributes, index);
        let only = match segments {
            [only] => Some(only.number),
            _ => None,
        };
        let segment = own.referenced_segment().or(only);
        let segment = segment.filter(|number| segments.iter().any(|one| one.number == *number));
        frames.push(SegmentFrame {
            segment: segment.ok_or_else(|| AnnotationRefusal::Malformed {
                what: format!("frame {index} names no segment of the file"),
            })?,
            geometry: own.geometry(rows, columns)?,
        });
    }
    Ok(frames)
}

/// The series named by Referenced Series, each once; also those of other studies.
fn series(attributes: &Attributes<'_>) -> Vec<SeriesKey> {
    let own = attributes.items(REFERENCED_SERIES).iter();
    let others = attributes.items(OTHER_STUDIES).iter();
    let others = others.flat_map(|study| attributes.of(study).items(REFERENCED_SERIES));
    let mut found = Vec::new();
    for item in own.chain(others).take(ITEMS_MAX) {
        let text = attributes.of(item).ascii(0x0020_000E);
        let key = text.and_then(|text| Uid::parse(text).ok()).map(SeriesKey);
        found.extend(key.filter(|key| !found.contains(key)));
    }
    found
}
