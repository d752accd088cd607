//! JPEG baseline, extended (8 bits) and lossless. Source: ITU-T T.81 (ISO 10918-1) annex B.

use crate::dicom::lossless;
use crate::dicom::pixels::PixelFormat;

/// Fills `words` with the samples of one frame and returns their precision in bits; the text says what is wrong.
///
/// The lossless process is decoded here, the lossy ones by the jpeg-decoder crate. `unstuffed` is memory to work in.
pub(super) fn decode(
    bytes: &[u8],
    format: &PixelFormat,
    unstuffed: &mut Vec<u8>,
    words: &mut Vec<u16>,
) -> Result<u32, String> {
    let segments = Segments::of(bytes).ok_or("no JPEG stream")?;
    let frame = FrameHeader::find(bytes).ok_or("no JPEG frame header")?;
    frame.check(format)?;
    if frame.lossless {
        words.resize(format.pixels(), 0);
        lossless::decode(&frame, segments, format.columns, unstuffed, words)?;
    } else {
        lossy(bytes, format, words)?;
    }
    Ok(frame.precision)
}

fn lossy(bytes: &[u8], format: &PixelFormat, words: &mut Vec<u16>) -> Result<(), String> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(format.pixels().saturating_mul(4));
    let decoded = decoder.decode().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("no JPEG frame header")?;
    words.clear();
    match info.pixel_format {
        jpeg_decoder::PixelFormat::L8 => words.extend(decoded.iter().copied().map(u16::from)),
        jpeg_decoder::PixelFormat::L16 => return Err("a lossy JPEG of more than 8 bits".to_owned()),
        jpeg_decoder::PixelFormat::RGB24 | jpeg_decoder::PixelFormat::CMYK32 => {
            return Err("a colour JPEG".to_owned());
        }
    }
    Ok(())
}

/// The marker segments of a JPEG stream: each one's marker code and what follows its length.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    /// The segments behind SOI, which may have bytes before it.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Segments<'a>> {
        let start = bytes.windows(2).position(|pair| pair == [0xFF, 0xD8])?;
        bytes.get(start + 2..).map(Segments::at)
    }

    /// The segments from here on.
    pub(super) fn at(rest: &'a [u8]) -> Segments<'a> {
        Segments { rest }
    }

    /// What has not been walked yet; behind SOS that is the entropy-coded data.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        // Any number of fill bytes may stand before a marker (B.1.1.2).
        while let [0xFF, 0xFF, ..] = self.rest {
            self.rest = self.rest.get(1..)?;
        }
        let &[0xFF, code, high, low] = self.rest.first_chunk::<4>()? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = self.rest.get(4..2 + length)?;
        self.rest = self.rest.get(2 + length..)?;
        Some((code, body))
    }
}

/// The frame header (SOF) of a JPEG stream.
pub(super) struct FrameHeader {
    /// SOF3.
    pub(super) lossless: bool,
    pub(super) precision: u32,
    /// Zero where the lossless process counts its lines only when it has written them.
    pub(super) rows: usize,
    columns: usize,
    components: u8,
}

impl FrameHeader {
    pub(super) fn find(bytes: &[u8]) -> Option<FrameHeader> {
        let is_frame =
            |code: u8| matches!(code, 0xC0..=0xCF) && !matches!(code, 0xC4 | 0xC8 | 0xCC);
        let (code, body) = Segments::of(bytes)?.find(|(code, _)| is_frame(*code))?;
        let [precision, y1, y0, x1, x0, components] = *body.first_chunk::<6>()?;
        Some(FrameHeader {
            lossless: code == 0xC3,
            precision: u32::from(precision),
            rows: usize::from(u16::from_be_bytes([y1, y0])),
            columns: usize::from(u16::from_be_bytes([x1, x0])),
            components,
        })
    }

    /// Compares what the stream claims with the header's image.
    fn check(&self, format: &PixelFormat) -> Result<(), String> {
        let (rows, columns) = (self.rows, self.columns);
        if self.components != 1 {
            return Err(format!("{} colour components", self.components));
        }
        let same_rows = rows == format.rows || (rows == 0 && self.lossless);
        if !same_rows || columns != format.columns {
            return Err(format!("the codestream holds {rows} x {columns} pixels"));
        }
        Ok(())
    }
}
