//! One file of the export folder, from bytes to reduced slices. The native pixels live no longer than this call.

use crate::daemon::pseudonym;
use crate::dicom::{self, FrameDecoder, Header, Instance, ReadLimits};
use crate::ids::Redacted;
use crate::intake::{Arrival, Depth, ReadResult, SeriesFacts, Slice};
use crate::refusal::Refusal;
use crate::series::SliceGeometry;
use crate::units::WallTime;
use crate::volume::Reducer;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// Reads instances, one after the other, into buffers that stay.
pub struct Reader {
    limits: ReadLimits,
    secret: Redacted<[u8; 32]>,
    bytes: Vec<u8>,
    decoder: FrameDecoder,
    hu: Vec<i16>,
    reducer: Reducer,
}

/// Buffers larger than this are given back after use: one Enhanced CT must not keep its size for good.
const BUFFER_KEPT_MAX: usize = 4 << 20;

/// The part of an over-large file that is searched for its series.
const HEADER_BYTES_MAX: u64 = 1 << 20;
/// The part of a file in which its series is looked for first.
const USUAL_HEADER_BYTES: usize = 8 << 10;

impl Reader {
    /// A reader that reduces slices to `spacing_mm` and makes pseudonyms with `secret`.
    pub fn new(limits: ReadLimits, spacing_mm: f64, secret: Redacted<[u8; 32]>) -> Reader {
        Reader {
            limits,
            secret,
            bytes: Vec::new(),
            decoder: FrameDecoder::default(),
            hu: Vec::new(),
            reducer: Reducer::new(spacing_mm),
        }
    }

    /// Gives back all buffers: for when nothing is expected for a while.
    pub fn rest(&mut self) {
        self.bytes = Vec::new();
        self.hu = Vec::new();
        self.decoder = FrameDecoder::default();
    }

    /// What the file at `path` holds, read to `depth`. `at`: the wall clock now.
    pub fn read_to(&mut self, depth: Depth, path: &Path, at: WallTime) -> ReadResult {
        if depth == Depth::Header
            && begin(path, &mut self.bytes).is_ok()
            && let Some(named) = self.named(&self.bytes, at)
        {
            return named;
        }
        self.read(path, at)
    }

    /// What the file at `path` holds. `at`: the wall clock now.
    pub fn read(&mut self, path: &Path, at: WallTime) -> ReadResult {
        let mut bytes = std::mem::take(&mut self.bytes);
        let result = match fill(path, &mut bytes, self.limits.file_bytes_max) {
            Ok(()) => self.parse(&bytes, at),
            Err(Unfilled::TooLarge) => {
                let what = format!("more than {} MiB", self.limits.file_bytes_max >> 20);
                self.too_large(&bytes, Refusal::TooLarge { what }, at)
            }
            Err(Unfilled::Unreadable) => ReadResult::Unreadable,
        };
        if bytes.capacity() <= BUFFER_KEPT_MAX {
            self.bytes = bytes;
        }
        result
    }

    /// What `bytes`, a whole file, hold, as far as `depth`.
    pub fn parse_to(&mut self, depth: Depth, bytes: &[u8], at: WallTime) -> ReadResult {
        let named = (depth == Depth::Header).then(|| self.named(bytes, at));
        named.flatten().unwrap_or_else(|| self.parse(bytes, at))
    }

    /// What `bytes` hold.
    pub fn parse(&mut self, bytes: &[u8], at: WallTime) -> ReadResult {
        let read = dicom::read(bytes, &self.limits).and_then(|instance| {
            let slices = self.slices(&instance)?;
            Ok(self.arrival(instance.into_header(), Ok(slices), at))
        });
        let refusal = match read {
            Ok(arrival) => return ReadResult::Series(Box::new(arrival)),
            Err(refusal) => refusal,
        };
        let header = dicom::read_header(bytes, &self.limits);
        if is_cut_off(&refusal) {
            let arrival =
                header.map(|header| Box::new(self.arrival(header, Err(refusal.clone()), at)));
            return ReadResult::CutOff { arrival, refusal };
        }
        match header {
            Some(header) => ReadResult::Series(Box::new(self.arrival(header, Err(refusal), at))),
            None => ReadResult::Foreign(refusal),
        }
    }

    /// The series that `beginning` names, if it does.
    fn named(&self, beginning: &[u8], at: WallTime) -> Option<ReadResult> {
        let header = dicom::read_header(beginning, &self.limits)?;
        let arrival = self.arrival(header, Ok(Vec::new()), at);
        Some(ReadResult::Named(Box::new(arrival)))
    }

    /// A file beyond the limit still ends its series, where its beginning names one.
    fn too_large(&self, beginning: &[u8], refusal: Refusal, at: WallTime) -> ReadResult {
        match dicom::read_header(beginning, &self.limits) {
            Some(header) => ReadResult::Series(Box::new(self.arrival(header, Err(refusal), at))),
            None => ReadResult::Foreign(refusal),
        }
    }

    fn arrival(
        &self,
        header: Header,
        slices: Result<Vec<Slice>, Refusal>,
        at: WallTime,
    ) -> Arrival {
        let key = header.series.clone();
        let facts = facts(header, self.secret.reveal());
        Arrival {
            key,
            facts,
            slices,
            at,
        }
    }

    fn slices(&mut self, instance: &Instance<'_>) -> Result<Vec<Slice>, Refusal> {
        let mut slices = Vec::with_capacity(instance.frame_count());
        let mut hu = std::mem::take(&mut self.hu);
        for index in 0..instance.frame_count() {
            slices.push(self.slice(instance, index, &mut hu)?);
        }
        if hu.capacity() * 2 <= BUFFER_KEPT_MAX {
            self.hu = hu;
        }
        Ok(slices)
    }

    fn slice(
        &mut self,
        instance: &Instance<'_>,
        index: usize,
        hu: &mut Vec<i16>,
    ) -> Result<Slice, Refusal> {
        let geometry = instance.frame_geometry(index)?;
        self.decoder.hu(instance, index, hu)?;
        let spacing_mm = [geometry.row_spacing, geometry.column_spacing];
        let plane = self
            .reducer
            .reduce(hu, geometry.rows, geometry.columns, spacing_mm)?;
        let uid = instance.header().instance.clone();
        Ok(Slice {
            instance: uid.filter(|_| instance.frame_count() == 1),
            digest: digest(&geometry, hu),
            geometry,
            plane: Arc::new(plane),
        })
    }
}

/// SHA-256 over place and pixels: what makes two instances the same slice, whatever their UIDs say.
fn digest(frame: &SliceGeometry, hu: &[i16]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for value in frame.position.iter().chain(&frame.orientation) {
        hasher.update(value.to_le_bytes());
    }
    let mut buffer = [0_u8; 4096];
    for block in hu.chunks(buffer.len() / 2) {
        let (pairs, _) = buffer.as_chunks_mut::<2>();
        for (bytes, value) in pairs.iter_mut().zip(block) {
            *bytes = value.to_le_bytes();
        }
        hasher.update(buffer.get(..block.len() * 2).unwrap_or(&[]));
    }
    hasher.finalize().into()
}

/// What a header says of its series, with pseudonyms for patient and study.
pub(super) fn facts(header: Header, secret: &[u8; 32]) -> SeriesFacts {
    let patient_id = header.patient.reveal().id.clone().unwrap_or_default();
    let study = header
        .study
        .as_ref()
        .map_or_else(|| header.series.to_string(), |uid| uid.to_string());
    // A patient without an id is told apart by the study: two such patients must not share a pseudonym.
    let patient_key = if patient_id.is_empty() {
        &study
    } else {
        &patient_id
    };
    SeriesFacts {
        patient: pseudonym(secret, "patient", patient_key),
        study: pseudonym(secret, "study", &study),
        header: Arc::new(header),
    }
}

/// Whether the file may still be growing, or its export broke off: it is read again.
fn is_cut_off(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Truncated { .. } | Refusal::PixelData { .. }
    )
}

pub(super) enum Unfilled {
    TooLarge,
    Unreadable,
}

/// Reads the whole file into `bytes`, whose memory is used again.
pub(super) fn fill(path: &Path, bytes: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfilled> {
    let unreadable = |_| Unfilled::Unreadable;
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_or(0, |facts| facts.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    // A film somebody left in the folder is not read whole to be refused; a header fits into its beginning.
    if length > bytes_max {
        bytes.clear();
        let beginning = file.take(HEADER_BYTES_MAX).read_to_end(bytes);
        return Err(beginning.map_or(Unfilled::Unreadable, |_| Unfilled::TooLarge));
    }
    // As long as the file is, and only what is longer than the last one cleared first.
    bytes.reserve_exact(length.saturating_sub(bytes.len()));
    bytes.resize(length, 0);
    let filled = read_up_to(&mut file, bytes).map_err(unreadable)?;
    bytes.truncate(filled);
    // A file that has grown since, or does not tell its length.
    let more = bytes_max.saturating_sub(filled).saturating_add(1);
    file.take(u64::try_from(more).unwrap_or(u64::MAX))
        .read_to_end(bytes)
        .map_err(unreadable)?;
    if bytes.len() > bytes_max {
        Err(Unfilled::TooLarge)
    } else {
        Ok(())
    }
}

/// Reads what holds the header of nearly every instance.
fn begin(path: &Path, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    bytes.resize(USUAL_HEADER_BYTES, 0);
    let filled = read_up_to(&mut File::open(path)?, bytes)?;
    bytes.truncate(filled);
    Ok(())
}

/// Fills `bytes` from their beginning; fewer when the file ends before.
fn read_up_to(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::{CtImage, write_ct};

    /// What a reader holds between files is bounded, whatever it has read: a slice keeps its reduced plane only.
    #[test]
    fn buffers_of_large_images_are_given_back() {
        let home = tempfile::tempdir().unwrap();
        let mut reader = Reader::new(ReadLimits::default(), 2.8, Redacted::new([0; 32]));
        for (edge, held_max) in [
            (512, 2 << 20),
            (1024, 6 << 20),
            (2048, 6 << 20),
            (512, 6 << 20),
        ] {
            let path = home.path().join("slice");
            std::fs::write(&path, square(edge)).unwrap();
            let ReadResult::Series(arrival) = reader.read(&path, WallTime::default()) else {
                panic!("{edge}² is no slice")
            };
            let slices = arrival.slices.unwrap();
            let plane = &slices[0].plane;
            assert_eq!((plane.rows(), plane.columns()), (128, 128));
            let held =
                reader.bytes.capacity() + reader.hu.capacity() * 2 + reader.decoder.held_bytes();
            assert!(held <= held_max, "{held} bytes held after {edge}²");
        }
        reader.rest();
        let held = reader.bytes.capacity() + reader.hu.capacity() + reader.decoder.held_bytes();
        assert_eq!(held, 0);
    }

    /// Two thousand slices of 1024² are the largest series a scanner gives: of its four gigabytes 64 MiB stay. Two hundred tell.
    #[test]
    fn of_slices_of_1024_only_the_reduced_planes_stay() {
        let mut reader = Reader::new(ReadLimits::default(), 2.8, Redacted::new([0; 32]));
        let mut planes = Vec::new();
        let file = square(1024);
        for _ in 0..200 {
            let ReadResult::Series(arrival) = reader.parse(&file, WallTime::default()) else {
                panic!("it is no slice")
            };
            planes.extend(arrival.slices.unwrap());
        }
        let held: usize = planes
            .iter()
            .map(|slice| 2 * slice.plane.rows() * slice.plane.columns())
            .sum();
        assert_eq!(held, 200 * (32 << 10));
        let buffers = reader.hu.capacity() * 2 + reader.decoder.held_bytes();
        assert!(buffers <= 6 << 20, "{buffers} bytes held by the reader");
    }

    #[test]
    fn a_buffer_takes_the_length_of_each_file() {
        let home = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        for length in [10, 70_000, 0, 3, 70_001, 70_000] {
            let path = home.path().join("file");
            let content: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
            std::fs::write(&path, &content).unwrap();
            assert!(fill(&path, &mut bytes, 70_001).is_ok());
            assert!(bytes == content, "{length}");
        }
        assert_eq!(bytes.capacity(), 70_001);
        let path = home.path().join("file");
        let too_large = fill(&path, &mut bytes, 69_999);
        assert!(matches!(too_large, Err(Unfilled::TooLarge)));
        assert!(matches!(
            fill(&home.path().join("none"), &mut bytes, 10),
            Err(Unfilled::Unreadable)
        ));
    }

    /// As on some network file systems.
    #[test]
    fn a_file_that_does_not_tell_its_length_is_read_to_its_end() {
        let mut bytes = vec![1; 5];
        assert!(fill(Path::new("/proc/self/status"), &mut bytes, 1 << 20).is_ok());
        assert!(bytes.starts_with(b"Name:"));
    }

    /// An image of 358.4 mm: 128 pixels of 2.8 mm.
    fn square(edge: u16) -> Vec<u8> {
        let pixels = usize::from(edge) * usize::from(edge);
        let hu = vec![-700; pixels];
        let spacing = 358.4 / f64::from(edge);
        write_ct(&CtImage {
            study: "1.2.3.4",
            series: "1.2.3.5",
            instance: "1.2.3.6",
            frame_of_reference: "1.2.3.7",
            patient_id: "",
            patient_name: "",
            accession: "",
            series_number: 2,
            instance_number: 3,
            position: [0.0; 3],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            pixel_spacing: [spacing, spacing],
            slice_thickness: 1.0,
            spacing_between_slices: 1.0,
            rows: edge,
            columns: edge,
            series_description: "",
            kernel: "",
            acquired: WallTime::default(),
            hu: &hu,
        })
    }
}
