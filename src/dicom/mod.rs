//! Bytes to a CT image: its attributes, its place in the patient, its Hounsfield units; and typed elements back to bytes.
//! Bytes to a segmentation: whose series, which segments, which pixels.
//!
//! Files come from a folder that anybody may write to, so every declared length is checked against the bytes that are
//! left before anything is reserved, nesting and element counts are bounded, and decoders that are not ours run behind
//! `catch_unwind`. A file is known by its content, never by its name.
//!
//! Sources: DICOM PS3.5 (data structures), PS3.10 (file format), PS3.3 A.3 and A.38 (CT and Enhanced CT image).

mod attributes;
mod codec;
mod decoder;
mod differences;
mod element;
mod file;
mod frame;
mod header;
mod hounsfield;
mod instance;
mod jpeg;
mod jpegls;
mod lossless;
mod pixels;
mod rle;
mod segmentation;
mod text;
mod writer;

pub use codec::transfer_syntaxes;
pub use decoder::FrameDecoder;
pub use frame::FrameGeometry;
pub use header::{Header, Patient};
pub use instance::{Instance, read, read_header};
pub use segmentation::{Code, Segment, SegmentFrame, Segmentation, read_segmentation};
pub use writer::{CtImage, write_ct};

/// What a file may ask of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Largest file, and largest data set after inflating, bytes.
    pub file_bytes_max: usize,
    /// Most elements and items in one file, nested ones included.
    pub elements_max: usize,
    /// Deepest nesting of sequences.
    pub depth_max: usize,
    /// Most rows, and most columns, of an image.
    pub edge_max: usize,
    /// Most frames in one instance.
    pub frames_max: usize,
}

impl Default for ReadLimits {
    /// Room for an Enhanced CT of 1000 slices of 512²; a classic instance needs half a megabyte.
    fn default() -> ReadLimits {
        ReadLimits {
            file_bytes_max: 600 << 20,
            elements_max: 400_000,
            depth_max: 16,
            edge_max: 2048,
            frames_max: 2000,
        }
    }
}
