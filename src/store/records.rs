//! The records of the tables. Each carries the version of its shape; times are milliseconds since 1970 UTC.

use super::reviews::{ReviewRecord, ShownRecord};
use crate::ids::{FindingId, ModelDigest, Pseudonym, SeriesKey, Uid};
use crate::units::WallTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The version of the records' shape written today.
pub(super) const RECORD_VERSION: u16 = 1;

/// One series in the ledger. Holds no patient data: UIDs, digests, times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRecord {
    version: u16,
    /// The Series Instance UID.
    pub key: SeriesKey,
    /// When the first instance was seen.
    #[serde(with = "wall_millis")]
    pub first_seen: WallTime,
    /// Open, or closed with its one outcome.
    pub state: SeriesState,
}

/// Where a series stands.
///
/// ```text
///   (seen) ──> Open ──close──> Closed ──late instances──> Open { supersedes } ──close──> Closed { supersedes }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SeriesState {
    /// Instances arrive; no outcome yet.
    Open {
        /// The finding that late instances reopened.
        supersedes: Option<FindingId>,
    },
    /// The one outcome is published, or queued to be.
    Closed {
        /// `triaged`, or the code of the reason.
        outcome: String,
        /// The id of the outcome's messages.
        finding_id: FindingId,
        /// SHA-256 over the series' content, hex.
        content_digest: String,
        /// The model that ran; none where a series was refused before one.
        model_digest: Option<ModelDigest>,
        /// When it was closed.
        #[serde(with = "wall_millis")]
        closed_at: WallTime,
        /// The finding that this one replaces.
        supersedes: Option<FindingId>,
        /// The files it came from: a restart does not read them again.
        files: Vec<FileMark>,
    },
}

/// A path told by its digest: file names may hold a patient's name, and the ledger must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathDigest(u64);

impl PathDigest {
    /// The first eight bytes of the SHA-256 of `path`.
    pub fn of(path: &Path) -> PathDigest {
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        PathDigest(
            digest
                .iter()
                .take(8)
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    }
}

/// A file that a closed series was made of: unchanged, it need not be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileMark {
    /// Which file.
    pub path: PathDigest,
    /// Its size then.
    pub bytes: u64,
    /// Its time of last change then.
    #[serde(with = "wall_millis")]
    pub modified: WallTime,
}

impl SeriesRecord {
    /// A record of `key` in `state`.
    pub fn new(key: SeriesKey, first_seen: WallTime, state: SeriesState) -> SeriesRecord {
        SeriesRecord {
            version: RECORD_VERSION,
            key,
            first_seen,
            state,
        }
    }

    /// Whether no outcome was given yet.
    pub fn is_open(&self) -> bool {
        matches!(self.state, SeriesState::Open { .. })
    }

    /// The finding that a closed series' own replaces.
    pub(super) fn supersedes(&self) -> Option<&FindingId> {
        match &self.state {
            SeriesState::Open { .. } => None,
            SeriesState::Closed { supersedes, .. } => supersedes.as_ref(),
        }
    }
}

/// What is remembered of a finding: for acknowledgements, verdicts and escalation. Holds no patient data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRecord {
    version: u16,
    /// The finding.
    pub id: FindingId,
    /// Its series.
    pub series: SeriesKey,
    /// The patient's pseudonym.
    pub patient: Pseudonym,
    /// `critical`, `urgent`, `routine`.
    pub priority: String,
    /// When it was made.
    #[serde(with = "wall_millis")]
    pub created: WallTime,
    /// Lesion share of the lung, percent.
    pub burden_percent: f64,
    /// What its message showed; none in records of earlier programs.
    #[serde(default)]
    pub shown: Option<ShownRecord>,
    /// Where its volume lies in the patient; none in records of earlier programs.
    #[serde(default)]
    pub grid: Option<GridRecord>,
    /// The series' Frame of Reference UID; none where it is empty, and in records of earlier programs.
    #[serde(default)]
    pub frame_of_reference: Option<Uid>,
    /// How it stands at the ward.
    #[serde(default)]
    pub review: ReviewRecord,
}

/// The grid of a finding's volume, on which the network ran. Triples in the order `z, y, x`: feet to head, front to back,
/// patient right to left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridRecord {
    /// Planes, rows, columns.
    pub shape: [usize; 3],
    /// Edges of a voxel, mm.
    pub spacing_mm: [f64; 3],
    /// Centre of voxel `0, 0, 0`, LPS mm.
    pub origin_mm: [f64; 3],
    /// Unit vectors in LPS of the axes `z, y, x`.
    pub axes: [[f64; 3]; 3],
    /// mm from slice to slice of the series.
    pub step_mm: f64,
    /// The voxel in which the first cell of the reduced masks begins; a cell has two voxels an edge.
    pub cells_start: [usize; 3],
}

impl FindingRecord {
    /// A record of the finding `id` in `series` of `patient`.
    pub fn new(
        id: FindingId,
        series: SeriesKey,
        patient: Pseudonym,
        created: WallTime,
    ) -> FindingRecord {
        FindingRecord {
            version: RECORD_VERSION,
            id,
            series,
            patient,
            priority: String::new(),
            created,
            burden_percent: 0.0,
            shown: None,
            grid: None,
            frame_of_reference: None,
            review: ReviewRecord::default(),
        }
    }
}

/// How instances came from each device: one small record, replaced whole. Holds no patient data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaceRecord {
    version: u16,
    /// The devices, the one seen last at the end.
    pub devices: Vec<DevicePace>,
}

/// One device in a [`PaceRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevicePace {
    /// A digest of what its images say of it.
    pub key: String,
    /// Complete series, older ones faded.
    pub series: f64,
    /// Counts of each series' longest silence, by length.
    pub longest: Vec<f64>,
    /// Counts of silences in series that looked complete, by length.
    pub late: Vec<f64>,
}

impl PaceRecord {
    /// A record of `devices`.
    pub fn new(devices: Vec<DevicePace>) -> PaceRecord {
        PaceRecord {
            version: RECORD_VERSION,
            devices,
        }
    }
}

/// One message of the outbox as two byte strings, so that the short heads can be listed without the payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRow {
    /// The message's key.
    pub key: String,
    /// Everything but the payload (JSON).
    pub head: Vec<u8>,
    /// The payload; empty where only the heads were asked for.
    pub payload: Vec<u8>,
}

/// Wall time as a plain integer, so that a record reads the same in every version.
pub(super) mod wall_millis {
    use super::{Deserialize, Deserializer, Serialize, Serializer, WallTime};

    pub(in crate::store) fn serialize<S: Serializer>(
        time: &WallTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.unix_millis().serialize(to)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<WallTime, D::Error> {
        i64::deserialize(from).map(WallTime::from_unix_millis)
    }
}

/// The same of a time that may be missing.
pub(super) mod wall_millis_or_none {
    use super::{Deserialize, Deserializer, Serialize, Serializer, WallTime};

    pub(in crate::store) fn serialize<S: Serializer>(
        time: &Option<WallTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(WallTime::unix_millis).serialize(to)
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<WallTime>, D::Error> {
        Ok(Option::<i64>::deserialize(from)?.map(WallTime::from_unix_millis))
    }
}
