//! Frames to Hounsfield units, one after the other.

use std::fmt;
use std::ops::Range;

use crate::dicom::codec::{Buffers, decode};
use crate::dicom::frame::FrameAttributes;
use crate::dicom::hounsfield::Frame;
use crate::dicom::instance::Instance;
use crate::refusal::Refusal;

/// Buffers larger than this are given back after each frame: one odd file must not keep its size for good.
const BUFFER_KEPT_MAX: usize = 4 << 20;

/// Decodes frames, one after the other, into buffers that stay.
///
/// Memory: two bytes a pixel and the packed bytes of a frame; between frames at most 4 MiB a buffer.
#[derive(Default)]
pub struct FrameDecoder {
    joined: Vec<u8>,
    buffers: Buffers,
    table: Vec<i16>,
}

impl fmt::Debug for FrameDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameDecoder")
            .field("held_bytes", &self.held_bytes())
            .finish_non_exhaustive()
    }
}

impl FrameDecoder {
    /// Fills `hu` with the Hounsfield units of frame `index` (from 0) of `instance`, in index order `y, x`.
    ///
    /// Rescaled by slope and intercept, clamped to -1024 to 3071; pixel padding is air. The buffer is reused.
    /// Errors: [`Refusal::PixelData`]; [`Refusal::MissingElement`], [`Refusal::PixelFormat`], [`Refusal::Malformed`] for
    /// the rescale; [`Refusal::NoImage`] past the last frame.
    pub fn hu(
        &mut self,
        instance: &Instance<'_>,
        index: usize,
        hu: &mut Vec<i16>,
    ) -> Result<(), Refusal> {
        let rescale = FrameAttributes::of(instance.file.attributes(), index).rescale()?;
        let mut table = std::mem::take(&mut self.table);
        let decoded = self
            .frame(instance, index)
            .map(|frame| frame.to_hu(rescale, instance.format.padding, &mut table, hu));
        self.table = table;
        self.give_back();
        decoded
    }

    /// The bytes that the buffers hold on to.
    pub fn held_bytes(&self) -> usize {
        let words = self.buffers.words.capacity() + self.table.capacity();
        2 * words + self.joined.capacity() + self.buffers.unstuffed.capacity()
    }

    pub(super) fn frame<'a>(
        &'a mut self,
        instance: &'a Instance<'_>,
        index: usize,
    ) -> Result<Frame<'a>, Refusal> {
        let ranges = instance.frames.get(index).ok_or(Refusal::NoImage)?;
        let bytes = joined(instance.file.attributes().bytes, ranges, &mut self.joined);
        decode(instance.packing, bytes, &instance.format, &mut self.buffers)
    }

    fn give_back(&mut self) {
        let Buffers { words, unstuffed } = &mut self.buffers;
        for bytes in [&mut self.joined, unstuffed] {
            if bytes.capacity() > BUFFER_KEPT_MAX {
                *bytes = Vec::new();
            }
        }
        if words.capacity() * 2 > BUFFER_KEPT_MAX {
            *words = Vec::new();
        }
    }
}

/// The bytes of `ranges` one behind the other; copied, into `buffer`, only when there are several.
pub(super) fn joined<'a>(
    bytes: &'a [u8],
    ranges: &[Range<usize>],
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    let part = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or(&[]);
    if let [only] = ranges {
        return part(only);
    }
    buffer.clear();
    for range in ranges {
        buffer.extend_from_slice(part(range));
    }
    buffer
}
