//! RLE Lossless. Source: PS3.5 annex G.

use crate::dicom::pixels::PixelFormat;

/// Fills `words` with the raw words of one frame; the text says what is wrong.
pub(super) fn decode(
    bytes: &[u8],
    format: &PixelFormat,
    words: &mut Vec<u16>,
) -> Result<(), &'static str> {
    let segments = word(bytes, 0).ok_or("no RLE header")?;
    if segments != format.bytes_allocated {
        return Err("as many RLE segments as bytes a pixel are needed");
    }
    words.clear();
    words.resize(format.pixels(), 0);
    // Segments hold the bytes of all pixels, the most significant ones first.
    for segment in 0..segments {
        let start = word(bytes, segment + 1).ok_or("no RLE header")?;
        let end = match segment + 1 == segments {
            true => bytes.len(),
            false => word(bytes, segment + 2).ok_or("no RLE header")?,
        };
        let packed = bytes.get(start..end).ok_or("an RLE segment lies outside")?;
        unpack(packed, words)?;
    }
    Ok(())
}

/// Shifts one byte a pixel into `words`.
fn unpack(packed: &[u8], words: &mut [u16]) -> Result<(), &'static str> {
    const SHORT: &str = "an RLE segment ends before its pixels do";
    let mut words = words.iter_mut();
    let mut rest = packed;
    while words.len() > 0 {
        let (control, behind) = rest.split_first().ok_or(SHORT)?;
        let run = usize::from(*control);
        rest = match *control {
            0..=127 => {
                let (literal, behind) = behind.split_at_checked(run + 1).ok_or(SHORT)?;
                for (byte, word) in literal.iter().zip(&mut words) {
                    *word = *word << 8 | u16::from(*byte);
                }
                behind
            }
            129..=255 => {
                let (byte, behind) = behind.split_first().ok_or(SHORT)?;
                for word in words.by_ref().take(257 - run) {
                    *word = *word << 8 | u16::from(*byte);
                }
                behind
            }
            128 => behind,
        };
    }
    Ok(())
}

fn word(bytes: &[u8], index: usize) -> Option<usize> {
    let raw = bytes.get(index * 4..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*raw)).ok()
}
