//! The `data` of findings and outcomes, as the contract writes it. Fields that an intended use hides are absent.
#![expect(
    missing_docs,
    reason = "the keys of the payloads are the contract's, docs/contract.md explains them"
)]

use super::{NOTICE, WireError};
use crate::ids::{FindingId, Pseudonym, Redacted};
use crate::outcome::{
    Comparison, Direction, LesionFacts, ModelFacts, Outcome, Priority, SeriesFacts, TimingFacts,
    TriagedSeries, Why,
};
use serde::{Deserialize, Serialize};

/// What the box is used for; decides what a payload shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntendedUse {
    /// Score and priority only.
    Triage,
    /// The lesion's figures and the comparison too.
    Detection,
}

/// How much of the patient's identity leaves the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityLevel {
    /// A keyed pseudonym.
    Pseudonym,
    /// The accession number too.
    Accession,
    /// Name, patient id and birth date too.
    Full,
}

impl IntendedUse {
    /// The use that `word` names.
    pub fn parse(word: &str) -> Option<IntendedUse> {
        match word {
            "triage" => Some(IntendedUse::Triage),
            "detection" => Some(IntendedUse::Detection),
            _ => None,
        }
    }
}

impl IdentityLevel {
    /// The level that `word` names.
    pub fn parse(word: &str) -> Option<IdentityLevel> {
        match word {
            "pseudonym" => Some(IdentityLevel::Pseudonym),
            "accession" => Some(IdentityLevel::Accession),
            "full" => Some(IdentityLevel::Full),
            _ => None,
        }
    }
}

/// What the settings decide about payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What the payload shows of the finding.
    pub intended_use: IntendedUse,
    /// What it shows of the patient.
    pub identity: IdentityLevel,
    /// The broker forgets findings and outcomes after this, seconds.
    pub expiry_s: u32,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            intended_use: IntendedUse::Detection,
            identity: IdentityLevel::Accession,
            expiry_s: 72 * 3600,
        }
    }
}

/// Who the series belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The study's pseudonym.
    pub study: Pseudonym,
    /// The patient's pseudonym.
    pub patient: Pseudonym,
    /// The accession number, where the series had one.
    pub accession: Redacted<Option<String>>,
    /// The patient.
    pub person: Redacted<PatientFacts>,
}

/// The patient as the series names them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PatientFacts {
    /// Patient's Name.
    pub name: String,
    /// Patient ID.
    pub id: String,
    /// Patient's Birth Date, as DICOM writes it.
    pub birth_date: String,
}

/// The contract's `data`. `lesion` … are absent where there is none, or where the intended use hides them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingPayload {
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonPayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    pub intended_use: IntendedUse,
    pub identity: IdentityPayload,
    pub series: SeriesPayload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesion: Option<LesionPayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonPayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Vec<String>>,
    pub late: bool,
    pub supersedes: Option<FindingId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<TimingPayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelPayload>,
    pub notice: String,
}

/// Why there is no finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonPayload {
    pub code: String,
    pub text: String,
    pub remedy: String,
}

/// The patient, as far as the identity level allows; what it hides is null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPayload {
    pub pseudonym: Pseudonym,
    pub accession: Option<String>,
    pub patient: Option<PatientPayload>,
}

/// The patient in clear, at the level `full` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientPayload {
    pub name: String,
    pub id: String,
    pub birth_date: String,
}

/// The series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesPayload {
    pub modality: String,
    pub instances: u32,
    pub spacing_mm: Option<[f64; 3]>,
    pub acquired: Option<String>,
    pub description_code: Option<String>,
}

/// The lesion's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LesionPayload {
    pub burden_percent: f64,
    pub burden_interval_percent: [f64; 2],
    pub volume_ml: f64,
    pub lung_volume_ml: f64,
    pub count: u32,
    pub zones: Vec<ZonePayload>,
}

/// One zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonePayload {
    pub zone: String,
    pub burden_percent: f64,
}

/// The change since a prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonPayload {
    pub prior_finding_id: FindingId,
    pub days: u32,
    pub burden_change_points: f64,
    pub direction: Direction,
    #[serde(default)]
    pub dead_band_points: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneChangePayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<RegistrationPayload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The change of one zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneChangePayload {
    pub zone: String,
    pub burden_change_points: f64,
}

/// How well the prior's lungs lie over the present ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationPayload {
    pub dice: f64,
    pub error_mm: f64,
}

/// When what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingPayload {
    pub last_instance_at: String,
    pub complete_at: String,
    pub compute_ms: u64,
    pub queued_ms: u64,
}

/// The model that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPayload {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub epoch: u32,
    pub backend: String,
}

impl FindingPayload {
    /// The contract's `data` for `outcome`. Errors: [`WireError::OutOfRange`] for a number no finding can have.
    pub fn new(
        outcome: &Outcome,
        series: &SeriesFacts,
        identity: &Identity,
        supersedes: Option<&FindingId>,
        profile: &Profile,
    ) -> Result<FindingPayload, WireError> {
        let empty = FindingPayload {
            outcome: "not-triaged".to_owned(),
            reason: None,
            priority: None,
            score: None,
            intended_use: profile.intended_use,
            identity: IdentityPayload::new(identity, profile.identity),
            series: SeriesPayload::new(series)?,
            lesion: None,
            comparison: None,
            quality: None,
            late: false,
            supersedes: supersedes.cloned(),
            timing: None,
            model: None,
            notice: NOTICE.to_owned(),
        };
        match outcome {
            Outcome::Triaged(triaged) => empty.triaged(triaged, profile.intended_use),
            Outcome::NotTriaged { why } => Ok(FindingPayload {
                reason: Some(ReasonPayload::new(why)),
                ..empty
            }),
        }
    }

    fn triaged(
        self,
        triaged: &TriagedSeries,
        intended_use: IntendedUse,
    ) -> Result<FindingPayload, WireError> {
        let shows_lesions = match intended_use {
            IntendedUse::Triage => false,
            IntendedUse::Detection => true,
        };
        // Checked before it may be hidden: a wrong number must not pass because nobody would have seen it.
        let lesion = LesionPayload::new(&triaged.lesion)?;
        let comparison = triaged
            .comparison
            .as_ref()
            .map(ComparisonPayload::new)
            .transpose()?;
        Ok(FindingPayload {
            outcome: "triaged".to_owned(),
            priority: Some(triaged.priority),
            score: Some(within("score", triaged.score, 0.0, 1.0, 3)?),
            lesion: shows_lesions.then_some(lesion),
            comparison: comparison.filter(|_| shows_lesions),
            quality: Some(triaged.quality.clone()),
            timing: Some(TimingPayload::new(&triaged.timing)),
            model: Some(ModelPayload::new(&triaged.model)),
            ..self
        })
    }
}

impl ReasonPayload {
    fn new(why: &Why) -> ReasonPayload {
        ReasonPayload {
            code: why.code().to_owned(),
            text: why.text(),
            remedy: why.remedy().to_owned(),
        }
    }
}

impl IdentityPayload {
    fn new(identity: &Identity, level: IdentityLevel) -> IdentityPayload {
        let person = identity.person.reveal();
        IdentityPayload {
            pseudonym: identity.patient.clone(),
            accession: (level >= IdentityLevel::Accession)
                .then(|| identity.accession.reveal().clone())
                .flatten(),
            patient: (level >= IdentityLevel::Full).then(|| PatientPayload {
                name: person.name.clone(),
                id: person.id.clone(),
                birth_date: person.birth_date.clone(),
            }),
        }
    }
}

impl SeriesPayload {
    fn new(series: &SeriesFacts) -> Result<SeriesPayload, WireError> {
        let spacing_mm = match series.spacing_mm {
            None => None,
            Some([z, y, x]) => {
                let checked = |value| within("spacing_mm", value, 0.0, 1000.0, 4);
                Some([checked(z)?, checked(y)?, checked(x)?])
            }
        };
        Ok(SeriesPayload {
            modality: series.modality.clone(),
            instances: series.instances,
            spacing_mm,
            acquired: series.acquired.map(|time| time.to_string()),
            description_code: series.description_code.clone(),
        })
    }
}

impl LesionPayload {
    fn new(lesion: &LesionFacts) -> Result<LesionPayload, WireError> {
        let [low, high] = lesion.burden_interval_percent;
        let zones: Result<Vec<ZonePayload>, WireError> = lesion
            .zones
            .iter()
            .map(|zone| {
                Ok(ZonePayload {
                    zone: zone.zone.clone(),
                    burden_percent: percent("zones.burden_percent", zone.burden_percent)?,
                })
            })
            .collect();
        Ok(LesionPayload {
            burden_percent: percent("burden_percent", lesion.burden_percent)?,
            burden_interval_percent: [
                percent("burden_interval_percent", low)?,
                percent("burden_interval_percent", high)?,
            ],
            volume_ml: within("volume_ml", lesion.volume_ml, 0.0, 50_000.0, 1)?,
            lung_volume_ml: within("lung_volume_ml", lesion.lung_volume_ml, 0.0, 50_000.0, 1)?,
            count: lesion.count,
            zones: zones?,
        })
    }
}

impl ComparisonPayload {
    fn new(comparison: &Comparison) -> Result<ComparisonPayload, WireError> {
        let points = |name, change| within(name, change, -100.0, 100.0, 2);
        let zones: Result<Vec<ZoneChangePayload>, WireError> = comparison
            .zones
            .iter()
            .map(|change| {
                let name = "comparison.zones.burden_change_points";
                Ok(ZoneChangePayload {
                    zone: change.zone.clone(),
                    burden_change_points: points(name, change.burden_change_points)?,
                })
            })
            .collect();
        let registration = comparison.registration.map(|found| {
            Ok(RegistrationPayload {
                dice: within("registration.dice", found.dice, 0.0, 1.0, 3)?,
                error_mm: within("registration.error_mm", found.error_mm, 0.0, 100.0, 1)?,
            })
        });
        Ok(ComparisonPayload {
            prior_finding_id: comparison.prior_finding_id.clone(),
            days: comparison.days,
            burden_change_points: points("burden_change_points", comparison.burden_change_points)?,
            direction: comparison.direction,
            dead_band_points: within(
                "dead_band_points",
                comparison.dead_band_points,
                0.0,
                100.0,
                2,
            )?,
            zones: zones?,
            registration: registration.transpose()?,
            note: comparison.note.map(|note| note.code().to_owned()),
        })
    }
}

impl TimingPayload {
    fn new(timing: &TimingFacts) -> TimingPayload {
        TimingPayload {
            last_instance_at: timing.last_instance_at.to_string(),
            complete_at: timing.complete_at.to_string(),
            compute_ms: timing.compute_ms,
            queued_ms: timing.queued_ms,
        }
    }
}

impl ModelPayload {
    /// The contract's `model` object.
    pub fn new(model: &ModelFacts) -> ModelPayload {
        ModelPayload {
            name: model.name.clone(),
            version: model.version.clone(),
            digest: model.digest.as_str().to_owned(),
            epoch: model.epoch,
            backend: model.backend.clone(),
        }
    }
}

fn percent(name: &'static str, value: f64) -> Result<f64, WireError> {
    within(name, value, 0.0, 100.0, 2)
}

/// `value` rounded to `decimals`, refused when it is not a number of the range. JSON would write it as null.
fn within(
    name: &'static str,
    value: f64,
    least: f64,
    most: f64,
    decimals: i32,
) -> Result<f64, WireError> {
    if !(least..=most).contains(&value) {
        return Err(WireError::OutOfRange {
            name,
            value,
            least,
            most,
        });
    }
    let scale = 10_f64.powi(decimals);
    // Adding 0 turns -0.0 into 0.0.
    Ok((value * scale).round() / scale + 0.0)
}
