//! The pixel format an instance declares, and stored values to Hounsfield units.
//!
//! Source: PS3.5 chapter 8 (bits allocated, bits stored, high bit), PS3.3 C.7.6.3 and C.7.5.1.1.2 (pixel padding).

use crate::dicom::ReadLimits;
use crate::dicom::attributes::Attributes;
use crate::refusal::Refusal;
use crate::units::{Hu, Rescale};

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

    /// The stored value in the lowest `bits` of `raw`, signed as Pixel Representation says.
    pub(super) fn stored(&self, raw: u32, bits: u32) -> i32 {
        let unused = 32u32.saturating_sub(bits).min(31);
        let top = raw << unused;
        if self.signed {
            top.cast_signed() >> unused
        } else {
            (top >> unused).cast_signed()
        }
    }

    /// Pixel Padding Value, up to Pixel Padding Range Limit when that is there.
    fn padding_range(&self, attributes: &Attributes<'_>) -> Option<(i32, i32)> {
        let value = |tag| {
            let raw = attributes.short(tag)?;
            Some(self.stored(u32::from(raw), 16))
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

/// Fills `hu` with the Hounsfield units of `stored` (same order); padding becomes air.
///
/// Errors: [`Refusal::PixelFormat`] when the values span more than 16 bits.
pub(super) fn to_hu(
    stored: &[i32],
    rescale: Rescale,
    padding: Option<(i32, i32)>,
    hu: &mut Vec<i16>,
) -> Result<(), Refusal> {
    hu.clear();
    let least = stored.iter().copied().min().unwrap_or(0);
    let most = stored.iter().copied().max().unwrap_or(0);
    let too_wide = || Refusal::PixelFormat {
        what: format!("stored values from {least} to {most}"),
    };
    // A slice holds 262144 pixels and some thousand different values: a table makes the rounding cheap.
    if most.abs_diff(least) > 0xFFFF {
        return Err(too_wide());
    }
    let is_padding = |value: i32| padding.is_some_and(|(low, high)| (low..=high).contains(&value));
    let table: Vec<i16> = (least..=most)
        .map(|value| match is_padding(value) {
            true => Hu::AIR.get(),
            false => rescale.apply(value).get(),
        })
        .collect();
    hu.extend(stored.iter().map(|value| {
        let entry = usize::try_from(value.abs_diff(least)).unwrap_or(usize::MAX);
        table.get(entry).copied().unwrap_or(Hu::AIR.get())
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_values_become_hounsfield_units_and_padding_becomes_air() {
        let rescale = Rescale::new(1.0, -1024.0).unwrap();
        let mut hu = vec![7; 3];
        to_hu(&[0, 1024, 5000, 2000], rescale, Some((2000, 2010)), &mut hu).unwrap();
        assert_eq!(hu, [-1024, 0, 3071, -1024]);
        assert!(to_hu(&[-40_000, 40_000], rescale, None, &mut hu).is_err());
    }

    #[test]
    fn sign_bits_follow_the_pixel_representation() {
        let format = |signed| PixelFormat {
            rows: 1,
            columns: 1,
            frames: 1,
            bytes_allocated: 2,
            bits: 12,
            shift: 0,
            signed,
            padding: None,
        };
        assert_eq!(format(true).stored(0x0FFF, 12), -1);
        assert_eq!(format(false).stored(0xFFFF, 12), 0x0FFF);
        assert_eq!(format(true).stored(0xF830, 16), -2000);
    }
}
