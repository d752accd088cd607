//! One frame's pixel bytes to stored values, whatever the transfer syntax.
//!
//! The size a codestream claims is compared with Rows and Columns before a decoder sees it, so that no decoder reserves
//! more than the image needs; decoders of others run behind `catch_unwind`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::dicom::pixels::PixelFormat;
use crate::dicom::{jpegls, rle};
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
    match (packing, FrameHeader::find(bytes)) {
        (Packing::Jpeg, Some(frame)) if !frame.lossless && frame.precision > 8 => {
            Err(Refusal::TransferSyntax {
                uid: format!("{} with {} bits", shown(transfer_syntax), frame.precision),
            })
        }
        _ => Ok(()),
    }
}

fn shown(uid: &str) -> &str {
    let plain = uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { uid } else { "that is no UID" }
}

/// Fills `stored` with one frame's stored values, row by row. Errors: [`Refusal::PixelData`].
pub(super) fn decode(
    packing: Packing,
    bytes: &[u8],
    format: &PixelFormat,
    stored: &mut Vec<i32>,
) -> Result<(), Refusal> {
    let outcome = match packing {
        Packing::Native { big_endian } => native(bytes, big_endian, format, stored),
        Packing::Rle => rle::decode(bytes, format, stored).map_err(str::to_owned),
        Packing::JpegLs => jpegls::decode(bytes, format, stored).map_err(str::to_owned),
        Packing::Jpeg => caught(|| jpeg(bytes, format, stored)),
        Packing::Jpeg2000 => caught(|| jpeg2000(bytes, format, stored)),
    };
    let pixels = format.pixels();
    match outcome {
        Ok(()) if stored.len() == pixels => Ok(()),
        Ok(()) => Err(Refusal::PixelData {
            what: format!("{} pixels instead of {pixels}", stored.len()),
        }),
        Err(what) => Err(Refusal::PixelData { what }),
    }
}

fn caught(decode: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("the decoder gave up on a damaged stream".to_owned()))
}

fn native(
    bytes: &[u8],
    big_endian: bool,
    format: &PixelFormat,
    stored: &mut Vec<i32>,
) -> Result<(), String> {
    let (bits, shift) = (format.bits, format.shift);
    let value = |raw: u16| format.stored(u32::from(raw) >> shift, bits);
    let (pairs, _) = bytes.as_chunks::<2>();
    stored.clear();
    match (format.bytes_allocated, big_endian) {
        (1, false) => stored.extend(bytes.iter().map(|byte| value(u16::from(*byte)))),
        (2, false) => stored.extend(pairs.iter().map(|pair| value(u16::from_le_bytes(*pair)))),
        (2, true) => stored.extend(pairs.iter().map(|pair| value(u16::from_be_bytes(*pair)))),
        _ => return Err("8-bit pixels in big-endian words".to_owned()),
    }
    Ok(())
}

/// JPEG baseline, extended (8 bit) and lossless.
fn jpeg(bytes: &[u8], format: &PixelFormat, stored: &mut Vec<i32>) -> Result<(), String> {
    let frame = FrameHeader::find(bytes).ok_or("no JPEG frame header")?;
    frame.check(format)?;
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(format.pixels().saturating_mul(4));
    let decoded = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("no JPEG frame header")?;
    let (bits, precision) = (format.bits, frame.precision);
    let value = |raw: u16| format.stored(u32::from(raw), bits.max(precision));
    stored.clear();
    match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => {
            stored.extend(decoded.iter().map(|byte| value(u16::from(*byte))));
        }
        jpeg_decoder::PixelFormat::L16 => {
            let (pairs, _) = decoded.as_chunks::<2>();
            stored.extend(pairs.iter().map(|pair| value(u16::from_ne_bytes(*pair))));
        }
        jpeg_decoder::PixelFormat::RGB24 | jpeg_decoder::PixelFormat::CMYK32 => {
            return Err("a colour JPEG".to_owned());
        }
    }
    Ok(())
}

/// The frame header (SOF) of a JPEG stream.
struct FrameHeader {
    /// SOF3.
    lossless: bool,
    precision: u32,
    rows: usize,
    columns: usize,
    components: u8,
}

impl FrameHeader {
    fn find(bytes: &[u8]) -> Option<FrameHeader> {
        let mut at = bytes.windows(2).position(|pair| pair == [0xFF, 0xD8])? + 2;
        loop {
            let [mark, code, high, low] = *bytes.get(at..)?.first_chunk::<4>()?;
            let is_frame = matches!(code, 0xC0..=0xCF) && !matches!(code, 0xC4 | 0xC8 | 0xCC);
            match (mark, code) {
                (0xFF, 0xFF) => at += 1,
                (0xFF, _) if is_frame => {
                    let body = bytes.get(at + 4..)?.first_chunk::<6>()?;
                    let [precision, y1, y0, x1, x0, components] = *body;
                    return Some(FrameHeader {
                        lossless: code == 0xC3,
                        precision: u32::from(precision),
                        rows: usize::from(u16::from_be_bytes([y1, y0])),
                        columns: usize::from(u16::from_be_bytes([x1, x0])),
                        components,
                    });
                }
                (0xFF, _) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return None,
            }
        }
    }

    fn check(&self, format: &PixelFormat) -> Result<(), String> {
        let (rows, columns) = (self.rows, self.columns);
        if self.components != 1 {
            return Err(format!("{} colour components", self.components));
        }
        if (rows, columns) != (format.rows, format.columns) {
            return Err(format!("the codestream holds {rows} x {columns} pixels"));
        }
        Ok(())
    }
}

/// JPEG 2000 through openjp2.
fn jpeg2000(bytes: &[u8], format: &PixelFormat, stored: &mut Vec<i32>) -> Result<(), String> {
    check_jpeg2000_size(bytes, format)?;
    let image = jpeg2k::Image::from_bytes(bytes).map_err(|error| error.to_string())?;
    let [component] = image.components() else {
        return Err("more than one colour component".to_owned());
    };
    let (bits, signed) = (component.precision(), component.is_signed());
    stored.clear();
    stored.extend(component.data().iter().map(|value| match signed {
        // The codestream's own sign is right where the header says otherwise.
        true => *value,
        false => format.stored(value.cast_unsigned(), bits),
    }));
    Ok(())
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
