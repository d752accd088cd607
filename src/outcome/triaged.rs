//! The numbers of a triaged series, plain, as the pipeline hands them to `wire`.

use crate::ids::{FindingId, ModelDigest};
use crate::units::WallTime;
use serde::{Deserialize, Serialize};

/// How soon somebody should look. The order is the order of sending: critical first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Now.
    Critical,
    /// Soon.
    Urgent,
    /// In its turn.
    Routine,
}

impl Priority {
    /// The word of the contract's topics.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::Urgent => "urgent",
            Priority::Routine => "routine",
        }
    }

    /// The priority that `word` names.
    pub fn parse(word: &str) -> Option<Priority> {
        let all = [Priority::Critical, Priority::Urgent, Priority::Routine];
        all.into_iter().find(|priority| priority.as_str() == word)
    }
}

/// A finding's numbers. Every one is checked for its range when `wire` writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TriagedSeries {
    /// How soon somebody should look.
    pub priority: Priority,
    /// The network's score, 0 to 1.
    pub score: f64,
    /// The lesion's figures.
    pub lesion: LesionFacts,
    /// The change since a prior, where there is one.
    pub comparison: Option<Comparison>,
    /// Quality flags, stable codes such as `motion-suspected`.
    pub quality: Vec<String>,
    /// How long it took.
    pub timing: TimingFacts,
    /// The model that ran.
    pub model: ModelFacts,
}

/// What is known of the series itself; fields that a refused series never told are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesFacts {
    /// DICOM Modality.
    pub modality: String,
    /// Instances received.
    pub instances: u32,
    /// Voxel spacing `z, y, x`, mm.
    pub spacing_mm: Option<[f64; 3]>,
    /// When the scan was made.
    pub acquired: Option<WallTime>,
    /// The rule of series selection that took it, such as `chest-thin`.
    pub description_code: Option<String>,
}

/// Lesion figures of the whole lung.
#[derive(Clone, Debug, PartialEq)]
pub struct LesionFacts {
    /// Lesion share of the lung, percent 0 to 100.
    pub burden_percent: f64,
    /// The interval around it, percent, lower and upper.
    pub burden_interval_percent: [f64; 2],
    /// Lesion volume, ml.
    pub volume_ml: f64,
    /// Lung volume, ml.
    pub lung_volume_ml: f64,
    /// Connected lesions.
    pub count: u32,
    /// The share in each zone.
    pub zones: Vec<ZoneBurden>,
}

/// The lesion share of one zone of the lung.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneBurden {
    /// `right-upper`, `left-lower` …
    pub zone: String,
    /// Lesion share of the zone, percent 0 to 100.
    pub burden_percent: f64,
}

/// The change since a prior of the same patient.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The prior's finding.
    pub prior_finding_id: FindingId,
    /// Days between the scans.
    pub days: u32,
    /// Burden less the prior's burden, percentage points.
    pub burden_change_points: f64,
    /// The direction, beyond the measuring error.
    pub direction: Direction,
    /// Changes up to this are no change, percentage points.
    pub dead_band_points: f64,
    /// The change of each zone of this scan's lungs; empty where the prior's could not be laid over them.
    pub zones: Vec<ZoneChange>,
    /// How well the prior's lungs lie over this scan's.
    pub registration: Option<RegistrationFacts>,
    /// Why there are no zones.
    pub note: Option<ComparisonNote>,
}

/// The change of one zone since a prior.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneChange {
    /// `right-upper`, `left-lower` …
    pub zone: String,
    /// Burden less the prior's burden in the same part of the lung, percentage points.
    pub burden_change_points: f64,
}

/// How well a prior's lungs lie over the present ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegistrationFacts {
    /// Overlap of the lungs, 0 to 1.
    pub dice: f64,
    /// Mean distance of their surfaces, mm.
    pub error_mm: f64,
}

/// Why a comparison has no zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonNote {
    /// No masks of the prior, or of this scan, were kept.
    MasksMissing,
    /// The masks kept cannot be read.
    MasksDamaged,
    /// The lungs do not lie over each other: another breath, a lung cut off or collapsed.
    NotRegistered,
}

impl ComparisonNote {
    /// The stable code in messages.
    pub fn code(self) -> &'static str {
        match self {
            ComparisonNote::MasksMissing => "masks-missing",
            ComparisonNote::MasksDamaged => "masks-damaged",
            ComparisonNote::NotRegistered => "lungs-not-registered",
        }
    }
}

/// Whether the burden went down, up or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Less lesion than before.
    Improving,
    /// No change beyond the measuring error.
    Stable,
    /// More lesion than before.
    Worsening,
}

/// When what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimingFacts {
    /// The last instance arrived.
    pub last_instance_at: WallTime,
    /// The series counted as complete.
    pub complete_at: WallTime,
    /// The pipeline's work, ms.
    pub compute_ms: u64,
    /// The wait for the pipeline, ms.
    pub queued_ms: u64,
}

/// The model that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file.
    pub digest: ModelDigest,
    /// The round of learning it came from.
    pub epoch: u32,
    /// What ran it, such as `cpu-int8-avx512vnni`.
    pub backend: String,
}
