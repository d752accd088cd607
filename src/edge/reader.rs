//! One file of the export folder, from bytes to reduced slices. The native pixels live no longer than this call.

use crate::daemon::pseudonym;
use crate::dicom::{self, Header, Instance, ReadLimits};
use crate::ids::Redacted;
use crate::intake::{Arrival, ReadResult, SeriesFacts, Slice};
use crate::refusal::Refusal;
use crate::series::SliceGeometry;
use crate::units::WallTime;
use crate::volume::reduce;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Reads instances, one after the other, into buffers that stay.
pub struct Reader {
    limits: ReadLimits,
    spacing_mm: f64,
    secret: Redacted<[u8; 32]>,
    bytes: Vec<u8>,
    hu: Vec<i16>,
}

/// Buffers larger than this are given back after use: one Enhanced CT must not keep its size for good.
const BUFFER_KEPT_MAX: usize = 8 << 20;

/// The part of an over-large file that is searched for its series.
const HEADER_BYTES_MAX: u64 = 1 << 20;

impl Reader {
    /// A reader that reduces slices to `spacing_mm` and makes pseudonyms with `secret`.
    pub fn new(limits: ReadLimits, spacing_mm: f64, secret: Redacted<[u8; 32]>) -> Reader {
        Reader {
            limits,
            spacing_mm,
            secret,
            bytes: Vec::new(),
            hu: Vec::new(),
        }
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

    /// What `bytes` hold.
    pub fn parse(&mut self, bytes: &[u8], at: WallTime) -> ReadResult {
        let refusal = match dicom::read(bytes, &self.limits) {
            Ok(instance) => match self.slices(&instance) {
                Ok(slices) => {
                    let arrival = self.arrival(instance.header().clone(), Ok(slices), at);
                    return ReadResult::Series(Box::new(arrival));
                }
                Err(refusal) => refusal,
            },
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
            let frame = instance.frame_geometry(index)?;
            instance.frame_hu(index, &mut hu)?;
            let plane = reduce(
                &hu,
                frame.rows,
                frame.columns,
                frame.row_spacing,
                frame.column_spacing,
                self.spacing_mm,
            )?;
            let instance_uid = instance
                .header()
                .instance
                .clone()
                .filter(|_| instance.frame_count() == 1);
            slices.push(Slice {
                instance: instance_uid,
                digest: digest(&frame, &hu),
                geometry: frame,
                plane: Arc::new(plane),
            });
        }
        self.hu = hu;
        Ok(slices)
    }
}

/// SHA-256 over place and pixels: what makes two instances the same slice, whatever their UIDs say.
fn digest(frame: &SliceGeometry, hu: &[i16]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for value in frame.position.iter().chain(&frame.orientation) {
        hasher.update(value.to_le_bytes());
    }
    let mut buffer = [0_u8; 2048];
    for block in hu.chunks(buffer.len() / 2) {
        for (bytes, value) in buffer.chunks_exact_mut(2).zip(block) {
            bytes.copy_from_slice(&value.to_le_bytes());
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

enum Unfilled {
    TooLarge,
    Unreadable,
}

/// Reads the whole file into `bytes`, whose memory is used again.
fn fill(path: &Path, bytes: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unfilled> {
    bytes.clear();
    let file = File::open(path).map_err(|_| Unfilled::Unreadable)?;
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    // A film somebody left in the folder is not read whole to be refused; a header fits into its beginning.
    if file.metadata().is_ok_and(|facts| facts.len() >= limit) {
        let beginning = file.take(HEADER_BYTES_MAX).read_to_end(bytes);
        return Err(beginning.map_or(Unfilled::Unreadable, |_| Unfilled::TooLarge));
    }
    file.take(limit)
        .read_to_end(bytes)
        .map_err(|_| Unfilled::Unreadable)?;
    if bytes.len() > bytes_max {
        Err(Unfilled::TooLarge)
    } else {
        Ok(())
    }
}
