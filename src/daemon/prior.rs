//! Which earlier finding a series is compared with, and what is kept of the series for the next one.

use super::job::Judgement;
use crate::ids::{FindingId, Pseudonym};
use crate::outcome::{ComparedScan, ComparisonNote, Outcome, TriagedSeries, change};
use crate::store::PriorRecord;
use crate::units::WallTime;

const DAY_MILLIS: i64 = 86_400_000;

/// Days of the calendar (UTC) from one scan to the other; `None` when the first is the later one.
pub fn days_between(then: WallTime, now: WallTime) -> Option<u32> {
    let day = |time: WallTime| time.unix_millis().div_euclid(DAY_MILLIS);
    u32::try_from(day(now) - day(then)).ok()
}

impl Judgement {
    /// The patient whose priors this series is compared with.
    ///
    /// `None` where there is nothing to compare, or no saying with what: not triaged, no Patient ID, no date.
    pub fn compared_patient(&self) -> Option<&Pseudonym> {
        let facts = &self.ready.facts;
        self.triaged()?;
        facts.header.acquired?;
        self.has_patient_id().then_some(&facts.patient)
    }

    /// The newest of `priors` that this series may be compared with: the same patient, scanned before, in another study,
    /// judged by the same model.
    pub fn prior_among(&self, priors: Vec<PriorRecord>) -> Option<PriorRecord> {
        let facts = &self.ready.facts;
        let patient = self.compared_patient()?;
        let (acquired, model) = (facts.header.acquired?, &self.triaged()?.model.digest);
        let mut priors = priors;
        priors.retain(|prior| {
            prior.patient == *patient
                && prior.study != facts.study
                && prior.model == *model
                && prior.acquired < acquired
                && Some(&prior.finding) != self.ready.supersedes.as_ref()
        });
        // The id decides between two of one moment, so that a rerun decides alike.
        priors.sort_by(|one, other| {
            (one.acquired, &one.finding).cmp(&(other.acquired, &other.finding))
        });
        priors.pop()
    }

    /// Fills in what changed since `prior`, whose packed masks are `masks`.
    pub fn compare_with(&mut self, prior: &PriorRecord, masks: Result<&[u8], ComparisonNote>) {
        let acquired = self.ready.facts.header.acquired;
        let days = acquired.and_then(|now| days_between(prior.acquired, now));
        let Some(days) = days else { return };
        let scan = ComparedScan {
            burden_percent: prior.burden_percent,
            masks,
        };
        let changed = self.as_scan().map(|present| change(&present, &scan));
        if let Outcome::Triaged(triaged) = &mut self.outcome {
            triaged.comparison = changed.map(|changed| changed.since(prior.finding.clone(), days));
        }
    }

    /// This series as another is compared with it; `None` when it was not triaged.
    pub fn as_scan(&self) -> Option<ComparedScan<'_>> {
        let masks = self.masks.as_deref();
        Some(ComparedScan {
            burden_percent: self.triaged()?.lesion.burden_percent,
            masks: masks.ok_or(ComparisonNote::MasksMissing),
        })
    }

    /// What is kept for the patient's next scan; `None` where no scan could be compared with it.
    pub(super) fn to_keep(&self, finding: &FindingId) -> Option<(PriorRecord, Vec<u8>)> {
        let facts = &self.ready.facts;
        let patient = self.compared_patient()?;
        let triaged = self.triaged()?;
        let record = PriorRecord::new(
            finding.clone(),
            [patient.clone(), facts.study.clone()],
            triaged.model.digest.clone(),
            [facts.header.acquired?, self.at],
            triaged.lesion.burden_percent,
        );
        Some((record, self.masks.clone().unwrap_or_default()))
    }

    /// Whether the series names its patient: those without an ID are never taken for one another.
    pub fn has_patient_id(&self) -> bool {
        let patient = self.ready.facts.header.patient.reveal();
        patient
            .id
            .as_deref()
            .is_some_and(|id| !id.trim().is_empty())
    }

    fn triaged(&self) -> Option<&TriagedSeries> {
        match &self.outcome {
            Outcome::Triaged(triaged) => Some(triaged),
            Outcome::NotTriaged { .. } => None,
        }
    }
}
