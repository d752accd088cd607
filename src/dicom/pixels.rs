//! The pixel format an instance declares.
//!
//! Source: PS3.5 chapter 8 (bits allocated, bits stored, high bit), PS3.3 C.7.6.3 and C.7.5.1.1.2 (pixel padding).

use crate::dicom::ReadLimits;
use crate::dicom::attributes::Attributes;
use crate::dicom::hounsfield::Sample;
use crate::refusal::Refusal;

/// How the stored values of one frame are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelFormat {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) frames: usize,
    /// 1 or 2.
    pub(super) bytes_allocated: usize,
    /// Bits stored, 1 to 16.
    pub(super) bits: u32,
    /// Unused bits below the lowest stored one.
    pub(super) shift: u32,
    /// Pixel Representation 1.
    pub(super) signed: bool,
    /// The stored values, both inclusive, that stand for "no pixel".
    pub(super) padding: Option<(i32, i32)>,
}

impl PixelFormat {
    /// Reads and checks the format.
    ///
    /// Errors: [`Refusal::MissingElement`], [`Refusal::PixelFormat`], [`Refusal::TooLarge`], [`Refusal::Malformed`].
    pub(super) fn parse(
        attributes: &Attributes<'_>,
        limits: &ReadLimits,
    ) -> Result<PixelFormat, Refusal> {
        let short = |tag, element| {
            let value = attributes.short(tag);
            value.ok_or(Refusal::MissingElement { element })
        };
        refuse_colour(attributes)?;
        let rows = usize::from(short(0x0028_0010, "Rows")?);
        let columns = usize::from(short(0x0028_0011, "Columns")?);
        let frames = frames(attributes, limits)?;
        if rows == 0 || columns == 0 {
            return Err(Refusal::Malformed {
                what: format!("an image of {rows} x {columns} pixels"),
            });
        }
        if rows > limits.edge_max || columns > limits.edge_max {
            return Err(Refusal::TooLarge {
                what: format!("an image of {rows} x {columns} pixels"),
            });
        }
        let allocated = short(0x0028_0100, "Bits Allocated")?;
        let stored = short(0x0028_0101, "Bits Stored")?;
        let high = attributes
            .short(0x0028_0102)
            .unwrap_or(stored.saturating_sub(1));
        let fits = matches!(allocated, 8 | 16)
            && (1..=allocated).contains(&stored)
            && (stored - 1..allocated).contains(&high);
        if !fits {
            return Err(Refusal::PixelFormat {
                what: format!("{stored} bits up to bit {high} in {allocated}"),
            });
        }
        let mut format = PixelFormat {
            rows,
            columns,
            frames,
            bytes_allocated: usize::from(allocated / 8),
            bits: u32::from(stored),
            shift: u32::from(high + 1 - stored),
            signed: short(0x0028_0103, "Pixel Representation")? == 1,
            padding: None,
        };
        format.padding = format.padding_range(attributes);
        Ok(format)
    }

    /// Pixels of one frame.
    pub(super) fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Pixel Padding Value, up to Pixel Padding Range Limit when that is there.
    fn padding_range(&self, attributes: &Attributes<'_>) -> Option<(i32, i32)> {
        let value = |tag| {
            let raw = attributes.short(tag)?;
            Some(Sample::new(16, 0, self.signed).value(raw))
        };
        let first = value(0x0028_0120)?;
        let last = value(0x0028_0121).unwrap_or(first);
        Some((first.min(last), first.max(last)))
    }
}

fn refuse_colour(attributes: &Attributes<'_>) -> Result<(), Refusal> {
    let samples = attributes.short(0x0028_0002).unwrap_or(1);
    let photometric = attributes.ascii(0x0028_0004).unwrap_or("MONOCHROME2");
    if samples == 1 && photometric == "MONOCHROME2" {
        return Ok(());
    }
    let known = ["MONOCHROME1", "RGB", "PALETTE COLOR"].contains(&photometric);
    let shown = if known { photometric } else { "other" };
    Err(Refusal::PixelFormat {
        what: format!("{samples} samples a pixel, photometric interpretation {shown}"),
    })
}

fn frames(attributes: &Attributes<'_>, limits: &ReadLimits) -> Result<usize, Refusal> {
    let malformed = || Refusal::Malformed {
        what: "Number of Frames is no number above zero".to_owned(),
    };
    let frames = match attributes.ascii(0x0028_0008) {
        None => 1,
        Some(text) => text.parse().map_err(|_| malformed())?,
    };
    match frames {
        0 => Err(malformed()),
        frames if frames > limits.frames_max => Err(Refusal::TooLarge {
            what: format!("{frames} frames"),
        }),
        frames => Ok(frames),
    }
}
