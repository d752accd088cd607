//! One frame's pixel bytes to 16-bit words, whatever the transfer syntax.
//!
//! The size a codestream claims is compared with Rows and Columns before a decoder sees it, so that no decoder reserves
//! more than the image needs; decoders of others run behind `catch_unwind`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::dicom::hounsfield::{Frame, Sample, Words};
use crate::dicom::jpeg::FrameHeader;
use crate::dicom::pixels::PixelFormat;
use crate::dicom::{jpeg, jpegls, rle};
use crate::refusal::Refusal;

/// How pixel data is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Native { big_endian: bool },
    Rle,
    Jpeg,
    JpegLs,
    Jpeg2000,
}

/// Every transfer syntax that is decoded. Names: PS3.6, table A-1.
const DECODED: &[(&str, &str, Packing)] = {
    const LITTLE: Packing = Packing::Native { big_endian: false };
    const BIG: Packing = Packing::Native { big_endian: true };
    &[
        ("1.2.840.10008.1.2", "Implicit VR Little Endian", LITTLE),
        ("1.2.840.10008.1.2.1", "Explicit VR Little Endian", LITTLE),
        (
            "1.2.840.10008.1.2.1.99",
            "Deflated Explicit VR Little Endian",
            LITTLE,
        ),
        ("1.2.840.10008.1.2.2", "Explicit VR Big Endian", BIG),
        ("1.2.840.10008.1.2.5", "RLE Lossless", Packing::Rle),
        ("1.2.840.10008.1.2.4.50", "JPEG Baseline", Packing::Jpeg),
        (
            "1.2.840.10008.1.2.4.51",
            "JPEG Extended, 8 bits",
            Packing::Jpeg,
        ),
        ("1.2.840.10008.1.2.4.57", "JPEG Lossless", Packing::Jpeg),
        (
            "1.2.840.10008.1.2.4.70",
            "JPEG Lossless, First-Order Prediction",
            Packing::Jpeg,
        ),
        (
            "1.2.840.10008.1.2.4.80",
            "JPEG-LS Lossless",
            Packing::JpegLs,
        ),
        (
            "1.2.840.10008.1.2.4.81",
            "JPEG-LS Near-Lossless",
            Packing::JpegLs,
        ),
        (
            "1.2.840.10008.1.2.4.90",
            "JPEG 2000 Lossless Only",
            Packing::Jpeg2000,
        ),
        ("1.2.840.10008.1.2.4.91", "JPEG 2000", Packing::Jpeg2000),
    ]
};

/// UID and name of every transfer syntax that is decoded.
pub fn transfer_syntaxes() -> impl Iterator<Item = (&'static str, &'static str)> {
    DECODED.iter().map(|(uid, name, _)| (*uid, *name))
}

impl Packing {
    /// The packing of a transfer syntax. Errors: [`Refusal::TransferSyntax`].
    pub(super) fn of(transfer_syntax: &str) -> Result<Packing, Refusal> {
        let known = DECODED.iter().find(|(uid, _, _)| *uid == transfer_syntax);
        match known {
            Some((_, _, packing)) => Ok(*packing),
            None => Err(Refusal::TransferSyntax {
                uid: shown(transfer_syntax).to_owned(),
            }),
        }
    }
}

/// Refuses JPEG extended with 12 bits, which no decoder here reads, before the series has been collected.
///
/// Errors: [`Refusal::TransferSyntax`].
pub(super) fn check_stream(
    packing: Packing,
    bytes: &[u8],
    transfer_syntax: &str,
) -> Result<(), Refusal> {
    if packing != Packing::Jpeg {
        return Ok(());
    }
    match FrameHeader::find(bytes) {
        Some(frame) if !frame.lossless && frame.precision > 8 => Err(Refusal::TransferSyntax {
            uid: format!("{} with {} bits", shown(transfer_syntax), frame.precision),
        }),
        _ => Ok(()),
    }
}

fn shown(uid: &str) -> &str {
    let plain = uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { uid } else { "that is no UID" }
}

/// Memory that decoding uses again from frame to frame.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) words: Vec<u16>,
    pub(super) unstuffed: Vec<u8>,
}

/// One frame's pixels, row by row. Errors: [`Refusal::PixelData`].
pub(super) fn decode<'a>(
    packing: Packing,
    bytes: &'a [u8],
    format: &PixelFormat,
    buffers: &'a mut Buffers,
) -> Result<Frame<'a>, Refusal> {
    let Buffers { words, unstuffed } = buffers;
    let unpacked = |bits: u32| Sample::new(bits, 0, format.signed);
    let outcome = match packing {
        Packing::Native { big_endian } => return native(bytes, big_endian, format, words),
        Packing::Rle => rle::decode(bytes, format, words)
            .map(|()| Sample::new(format.bits, format.shift, format.signed))
            .map_err(str::to_owned),
        Packing::JpegLs => jpegls::decode(bytes, format, words)
            .map(|precision| unpacked(format.bits.max(precision)))
            .map_err(str::to_owned),
        Packing::Jpeg => caught(|| jpeg::decode(bytes, format, unstuffed, words))
            .map(|precision| unpacked(format.bits.max(precision))),
        Packing::Jpeg2000 => caught(|| jpeg2000(bytes, format, words)),
    };
    let pixels = format.pixels();
    match outcome {
        Ok(sample) if words.len() == pixels => Ok(Frame {
            words: Words::Own(words),
            sample,
        }),
        Ok(_) => Err(Refusal::PixelData {
            what: format!("{} pixels instead of {pixels}", words.len()),
        }),
        Err(what) => Err(Refusal::PixelData { what }),
    }
}

fn caught<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("the decoder gave up on a damaged stream".to_owned()))
}

/// Words of the usual byte order are used where they lie.
fn native<'a>(
    bytes: &'a [u8],
    big_endian: bool,
    format: &PixelFormat,
    words: &'a mut Vec<u16>,
) -> Result<Frame<'a>, Refusal> {
    let (pairs, _) = bytes.as_chunks::<2>();
    words.clear();
    let words = match (format.bytes_allocated, big_endian) {
        (2, false) => Words::Little(pairs),
        (2, true) => {
            words.extend(pairs.iter().copied().map(u16::from_be_bytes));
            Words::Own(words)
        }
        (_, false) => {
            words.extend(bytes.iter().copied().map(u16::from));
            Words::Own(words)
        }
        (_, true) => {
            return Err(Refusal::PixelData {
                what: "8-bit pixels in big-endian words".to_owned(),
            });
        }
    };
    let sample = Sample::new(format.bits, format.shift, format.signed);
    Ok(Frame { words, sample })
}

/// JPEG 2000 through openjp2.
fn jpeg2000(bytes: &[u8], format: &PixelFormat, words: &mut Vec<u16>) -> Result<Sample, String> {
    check_jpeg2000_size(bytes, format)?;
    let image = jpeg2k::Image::from_bytes(bytes).map_err(|error| error.to_string())?;
    let [component] = image.components() else {
        return Err("more than one colour component".to_owned());
    };
    let (bits, signed) = (component.precision(), component.is_signed());
    if bits > 16 {
        return Err(format!("a codestream of {bits} bits"));
    }
    // Two's complement, whether the component is signed or not.
    let word = |value: &i32| {
        let [low, high, ..] = value.to_le_bytes();
        u16::from_le_bytes([low, high])
    };
    words.clear();
    words.extend(component.data().iter().map(word));
    Ok(match signed {
        // The codestream's own sign is right where the header says otherwise.
        true => Sample::new(16, 0, true),
        false => Sample::new(bits, 0, format.signed),
    })
}

/// Compares the SIZ segment with the header. Source: ISO 15444-1 A.5.1.
fn check_jpeg2000_size(bytes: &[u8], format: &PixelFormat) -> Result<(), String> {
    if !bytes.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]) {
        return Err("no JPEG 2000 codestream".to_owned());
    }
    let word = |at: usize| {
        let raw = bytes.get(at..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*raw)).ok()
    };
    let size = || {
        Some([
            word(8)?,
            word(12)?,
            word(16)?,
            word(20)?,
            word(24)?,
            word(28)?,
        ])
    };
    let [x, y, x0, y0, tile_x, tile_y] = size().ok_or("the codestream ends in its header")?;
    let (rows, columns) = (y.saturating_sub(y0), x.saturating_sub(x0));
    if (rows, columns) != (format.rows, format.columns) || x0 > columns || y0 > rows {
        return Err(format!("the codestream holds {rows} x {columns} pixels"));
    }
    if tile_x == 0 || tile_y == 0 || (x.div_ceil(tile_x)).saturating_mul(y.div_ceil(tile_y)) > 4096
    {
        return Err("more tiles than a CT image has".to_owned());
    }
    if bytes.get(40..42) != Some(&[0, 1]) {
        return Err("more than one colour component".to_owned());
    }
    Ok(())
}
