//! Walks the elements of a data set without copying a value: where each value lies, within the bytes there are.
//!
//! Source: PS3.5 chapter 7 and annex A. Only the groups that are wanted are kept; the rest is stepped over.

use std::ops::Range;

use crate::dicom::ReadLimits;
use crate::refusal::Refusal;

/// A tag as one number: group in the upper 16 bits, element in the lower.
pub(super) type Tag = u32;

const ITEM: Tag = 0xFFFE_E000;
const ITEM_END: Tag = 0xFFFE_E00D;
const SEQUENCE_END: Tag = 0xFFFE_E0DD;
pub(super) const PIXEL_DATA: Tag = 0x7FE0_0010;
const UNDEFINED: u32 = u32::MAX;

/// What of an object is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The sequences that are looked into; in implicit VR nothing else says that they are sequences.
    sequences: &'static [Tag],
    /// The groups that are kept; the rest is stepped over.
    groups: &'static [u32],
}

impl Wanted {
    /// A CT image: meta, identification, patient, acquisition, relationship, image, functional groups, pixels.
    pub(super) const CT: Wanted = Wanted {
        sequences: &[
            0x0018_9329, // CT Image Frame Type
            0x0020_9113, // Plane Position
            0x0020_9116, // Plane Orientation
            0x0028_9110, // Pixel Measures
            0x0028_9145, // Pixel Value Transformation
            0x5200_9229, // Shared Functional Groups
            0x5200_9230, // Per-frame Functional Groups
        ],
        groups: &[
            0x0002, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028, 0x5200, 0x7FE0,
        ],
    };

    /// A segmentation. The patient's group is not among it: nothing of it is needed.
    pub(super) const SEGMENTATION: Wanted = Wanted {
        sequences: &[
            0x0008_1115, // Referenced Series
            0x0008_1200, // Studies Containing Other Referenced Instances
            0x0020_9113, // Plane Position
            0x0020_9116, // Plane Orientation
            0x0028_9110, // Pixel Measures
            0x0062_0002, // Segment
            0x0062_0003, // Segmented Property Category Code
            0x0062_000A, // Segment Identification
            0x0062_000F, // Segmented Property Type Code
            0x5200_9229, // Shared Functional Groups
            0x5200_9230, // Per-frame Functional Groups
        ],
        groups: &[
            0x0002, 0x0008, 0x0018, 0x0020, 0x0028, 0x0062, 0x5200, 0x7FE0,
        ],
    };
}

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syntax {
    /// Whether each element names its value representation.
    pub(super) explicit: bool,
    /// Whether numbers are big endian.
    pub(super) big_endian: bool,
}

impl Syntax {
    pub(super) const IMPLICIT: Syntax = Syntax {
        explicit: false,
        big_endian: false,
    };
    pub(super) const EXPLICIT: Syntax = Syntax {
        explicit: true,
        big_endian: false,
    };
    pub(super) const BIG_ENDIAN: Syntax = Syntax {
        explicit: true,
        big_endian: true,
    };
}

/// Where an element's value lies.
#[derive(Debug)]
pub(super) enum Value {
    /// A range of the bytes.
    Bytes(Range<usize>),
    /// The items of a sequence.
    Items(Vec<DataSet>),
    /// Encapsulated pixel data: the offset table, then the fragments.
    Fragments(Vec<Range<usize>>),
}

#[derive(Debug)]
struct Element {
    tag: Tag,
    value: Value,
}

/// The kept elements of one data set or item, in file order.
#[derive(Debug, Default)]
pub(super) struct DataSet {
    elements: Vec<Element>,
}

impl DataSet {
    /// The value of `tag`.
    pub(super) fn get(&self, tag: Tag) -> Option<&Value> {
        let found = self.elements.iter().find(|element| element.tag == tag);
        found.map(|element| &element.value)
    }
}

/// A cursor over `bytes` that cannot leave them.
pub(super) struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    syntax: Syntax,
    wanted: &'static Wanted,
    depth_max: usize,
    elements_left: usize,
}

impl<'a> Walker<'a> {
    /// A walker over `bytes` from the offset `at`.
    pub(super) fn new(
        bytes: &'a [u8],
        at: usize,
        syntax: Syntax,
        wanted: &'static Wanted,
        limits: &ReadLimits,
    ) -> Walker<'a> {
        Walker {
            bytes,
            at,
            syntax,
            wanted,
            depth_max: limits.depth_max,
            elements_left: limits.elements_max,
        }
    }

    /// Adds every element to `set`; what was found before an error stays there.
    pub(super) fn walk(&mut self, set: &mut DataSet) -> Result<(), Refusal> {
        self.elements(set, Some(self.bytes.len()), 0)
    }

    /// Adds the elements of the file meta group (0002) and returns the offset behind it.
    pub(super) fn walk_meta(&mut self, set: &mut DataSet) -> Result<usize, Refusal> {
        loop {
            let start = self.at;
            // A file may end behind its meta group; the data set's own reader says what that means.
            match self.tag() {
                Ok(tag) if tag >> 16 == 2 => self.element(set, tag, self.bytes.len(), 0)?,
                Ok(_) | Err(_) => return Ok(start),
            }
        }
    }

    /// Elements up to the offset `end`, or up to an item delimiter when there is none.
    fn elements(
        &mut self,
        set: &mut DataSet,
        end: Option<usize>,
        depth: usize,
    ) -> Result<(), Refusal> {
        let bound = end.unwrap_or(self.bytes.len());
        loop {
            if end == Some(self.at) {
                return Ok(());
            }
            if depth == 0 && self.only_padding_left(set) {
                return Ok(());
            }
            let tag = self.tag()?;
            if tag == ITEM_END && end.is_none() {
                return self.u32().map(drop);
            }
            self.element(set, tag, bound, depth)?;
            if self.at > bound {
                return Err(self.damaged("an item is longer than its sequence says"));
            }
        }
    }

    /// Some exports pad the file with zeros behind the pixel data.
    fn only_padding_left(&self, set: &DataSet) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let done = matches!(set.elements.last(), Some(last) if last.tag == PIXEL_DATA);
        done && rest.iter().all(|byte| *byte == 0)
    }

    fn element(
        &mut self,
        set: &mut DataSet,
        tag: Tag,
        bound: usize,
        depth: usize,
    ) -> Result<(), Refusal> {
        self.count()?;
        if tag >> 16 == 0xFFFE {
            // Some writers end a sequence of declared length, even an empty one, with an empty item or a delimiter.
            return match self.u32()? {
                0 => Ok(()),
                _ => Err(self.damaged("an item stands where an element belongs")),
            };
        }
        let (vr, length) = self.vr_and_length()?;
        let value = if length == UNDEFINED {
            self.undefined(tag, vr, bound, depth)?
        } else {
            let range = self.take(length, bound)?;
            if self.wanted.sequences.contains(&tag) {
                let behind = std::mem::replace(&mut self.at, range.start);
                let items = self.items(Some(range.end), depth + 1)?;
                self.at = behind;
                Value::Items(items)
            } else {
                Value::Bytes(range)
            }
        };
        if self.wanted.groups.contains(&(tag >> 16)) {
            set.elements.push(Element { tag, value });
        }
        Ok(())
    }

    /// A value without a length: a sequence, or encapsulated pixel data.
    fn undefined(
        &mut self,
        tag: Tag,
        vr: [u8; 2],
        bound: usize,
        depth: usize,
    ) -> Result<Value, Refusal> {
        if tag == PIXEL_DATA {
            return self.fragments(bound).map(Value::Fragments);
        }
        // PS3.5 6.2.2 note: what hides behind UN of undefined length is written in implicit VR little endian.
        let outer = self.syntax;
        match &vr {
            b"UN" => self.syntax = Syntax::IMPLICIT,
            b"SQ" => {}
            _ if !outer.explicit => {}
            _ => return Err(self.damaged("an element that is no sequence has no length")),
        }
        let items = self.items(None, depth + 1);
        self.syntax = outer;
        items.map(Value::Items)
    }

    fn items(&mut self, end: Option<usize>, depth: usize) -> Result<Vec<DataSet>, Refusal> {
        if depth > self.depth_max {
            return Err(self.damaged("sequences are nested too deeply"));
        }
        let bound = end.unwrap_or(self.bytes.len());
        let mut items = Vec::new();
        while end != Some(self.at) {
            self.count()?;
            let (tag, length) = (self.tag()?, self.u32()?);
            match tag {
                SEQUENCE_END if end.is_none() => break,
                ITEM => {}
                _ => return Err(self.damaged("a sequence holds something that is no item")),
            }
            let item_end = match length {
                UNDEFINED => None,
                length => {
                    let range = self.take(length, bound)?;
                    self.at = range.start;
                    Some(range.end)
                }
            };
            let mut item = DataSet::default();
            self.elements(&mut item, item_end, depth)?;
            items.push(item);
            if self.at > bound {
                return Err(self.damaged("an item is longer than its sequence says"));
            }
        }
        Ok(items)
    }

    fn fragments(&mut self, bound: usize) -> Result<Vec<Range<usize>>, Refusal> {
        let mut fragments = Vec::new();
        loop {
            self.count()?;
            match (self.tag()?, self.u32()?) {
                (SEQUENCE_END, _) => return Ok(fragments),
                (ITEM, length) if length != UNDEFINED => {
                    fragments.push(self.take(length, bound)?);
                }
                _ => return Err(self.damaged("encapsulated pixel data holds no fragment")),
            }
        }
    }

    fn vr_and_length(&mut self) -> Result<([u8; 2], u32), Refusal> {
        if !self.syntax.explicit {
            return Ok((*b"--", self.u32()?));
        }
        let vr = self.array::<2>()?;
        if !vr.iter().all(u8::is_ascii_uppercase) {
            return Err(self.damaged("an element has no value representation"));
        }
        match &vr {
            b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN"
            | b"UR" | b"UT" | b"UV" => {
                self.array::<2>()?;
                Ok((vr, self.u32()?))
            }
            _ => Ok((vr, u32::from(self.u16()?))),
        }
    }

    /// Steps over `declared` bytes when they are there, before `bound`.
    fn take(&mut self, declared: u32, bound: usize) -> Result<Range<usize>, Refusal> {
        let bound = bound.min(self.bytes.len());
        let left = bound.saturating_sub(self.at);
        match usize::try_from(declared) {
            Ok(length) if length <= left => {
                let start = self.at;
                self.at += length;
                Ok(start..self.at)
            }
            _ => Err(Refusal::Truncated {
                what: format!(
                    "{declared} bytes at offset {} of which {left} are there",
                    self.at
                ),
            }),
        }
    }

    fn count(&mut self) -> Result<(), Refusal> {
        self.elements_left = self.elements_left.checked_sub(1).ok_or(Refusal::TooLarge {
            what: "more elements than an image has".to_owned(),
        })?;
        Ok(())
    }

    fn tag(&mut self) -> Result<Tag, Refusal> {
        let group = self.u16()?;
        let element = self.u16()?;
        Ok(u32::from(group) << 16 | u32::from(element))
    }

    fn u16(&mut self) -> Result<u16, Refusal> {
        let raw = self.array()?;
        Ok(if self.syntax.big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        let raw = self.array()?;
        Ok(if self.syntax.big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let Some(raw) = rest.first_chunk::<N>() else {
            return Err(Refusal::Truncated {
                what: format!("an element begins at offset {} and does not end", self.at),
            });
        };
        self.at += N;
        Ok(*raw)
    }

    fn damaged(&self, what: &str) -> Refusal {
        Refusal::Malformed {
            what: format!("{what}, before offset {}", self.at),
        }
    }
}
