//! Typed reading of the attributes of one data set or item.

use crate::dicom::element::{DataSet, Tag, Value};
use crate::dicom::text::Charset;

/// A data set beside the bytes its values lie in.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) set: &'a DataSet,
    pub(super) big_endian: bool,
}

impl<'a> Attributes<'a> {
    /// The raw value; `None` when it is absent or empty.
    pub(super) fn raw(&self, tag: Tag) -> Option<&'a [u8]> {
        let Value::Bytes(range) = self.set.get(tag)? else {
            return None;
        };
        let raw = self.bytes.get(range.clone())?;
        (!raw.is_empty()).then_some(raw)
    }

    /// The items of a sequence; none when it is absent.
    pub(super) fn items(&self, tag: Tag) -> &'a [DataSet] {
        match self.set.get(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// The same bytes through `item`.
    pub(super) fn of(&self, item: &'a DataSet) -> Attributes<'a> {
        Attributes { set: item, ..*self }
    }

    /// The first item of a sequence.
    pub(super) fn first(&self, tag: Tag) -> Option<Attributes<'a>> {
        self.items(tag).first().map(|item| self.of(item))
    }

    /// A code, number or UID as trimmed ASCII text; `None` when it is absent, blank or not ASCII.
    pub(super) fn ascii(&self, tag: Tag) -> Option<&'a str> {
        let text = std::str::from_utf8(self.raw(tag)?).ok()?;
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty() && text.is_ascii()).then_some(text)
    }

    /// Free text, decoded; `None` when it is absent or blank.
    pub(super) fn text(&self, tag: Tag, charset: &Charset) -> Option<String> {
        let text = charset.decode(self.raw(tag)?);
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// `N` decimal strings; `None` when there are others than `N`, or one is no finite number.
    pub(super) fn decimals<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let mut numbers = [0.0; N];
        let mut parts = self.ascii(tag)?.split('\\');
        for number in &mut numbers {
            *number = parts.next()?.trim().parse().ok()?;
        }
        let finite = numbers.iter().all(|number: &f64| number.is_finite());
        (finite && parts.next().is_none()).then_some(numbers)
    }

    /// One decimal string.
    pub(super) fn decimal(&self, tag: Tag) -> Option<f64> {
        self.decimals::<1>(tag).map(|[number]| number)
    }

    /// One integer string.
    pub(super) fn integer(&self, tag: Tag) -> Option<i64> {
        self.ascii(tag)?.parse().ok()
    }

    /// One unsigned short (US); the first of several.
    pub(super) fn short(&self, tag: Tag) -> Option<u16> {
        let raw = *self.raw(tag)?.first_chunk::<2>()?;
        Some(if self.big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }
}
