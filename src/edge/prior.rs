//! An earlier CT of the same patient, and the comparison with it.

use super::failure::Failure;
use crate::daemon::{Judgement, days_between};
use crate::ids::{FindingId, Pseudonym};
use crate::outcome::{ComparedScan, Comparison, ComparisonNote, change};
use crate::units::WallTime;

/// A triaged series as another is compared with it.
#[derive(Clone, Debug)]
pub struct Prior {
    finding: FindingId,
    /// The patient, where the series carries a Patient ID.
    patient: Option<Pseudonym>,
    acquired: Option<WallTime>,
    /// Lesion share of the lung, percent.
    burden_percent: f64,
    /// Lungs and lesions, reduced and packed.
    masks: Option<Vec<u8>>,
}

impl Prior {
    /// The series of `judgement`, whose finding is `finding`; `None` when it was not triaged.
    pub(super) fn of(judgement: &Judgement, finding: FindingId) -> Option<Prior> {
        let scan = judgement.as_scan()?;
        let facts = &judgement.ready.facts;
        let patient = judgement.has_patient_id().then(|| facts.patient.clone());
        Some(Prior {
            finding,
            patient,
            acquired: facts.header.acquired,
            burden_percent: scan.burden_percent,
            masks: judgement.masks.clone(),
        })
    }

    /// The newest of `priors`.
    ///
    /// Errors: there is none; there are several and their dates do not say which is the newest.
    pub fn newest(mut priors: Vec<Prior>) -> Result<Prior, Failure> {
        priors.sort_by_key(|prior| prior.acquired);
        let last = priors.pop().ok_or_else(|| {
            Failure::new(
                "no series of the prior could be triaged",
                "give a chest CT as --prior, or leave --prior out",
            )
        })?;
        let undated =
            last.acquired.is_none() || priors.iter().any(|prior| prior.acquired.is_none());
        let same_time = priors.iter().any(|prior| prior.acquired == last.acquired);
        if !priors.is_empty() && (undated || same_time) {
            return Err(Failure::new(
                "the prior holds several series, and their dates do not say which is the newest",
                "give the folder of one series as --prior",
            ));
        }
        Ok(last)
    }

    fn as_scan(&self) -> ComparedScan<'_> {
        ComparedScan {
            burden_percent: self.burden_percent,
            masks: self.masks.as_deref().ok_or(ComparisonNote::MasksMissing),
        }
    }

    /// The change from this prior to `current`; `notes` gets what could not be checked.
    ///
    /// Errors: another patient; a prior that is newer than `current`.
    pub(super) fn compare(
        &self,
        current: &Prior,
        notes: &mut Vec<String>,
    ) -> Result<Comparison, Failure> {
        match (&self.patient, &current.patient) {
            (Some(one), Some(other)) if one != other => {
                return Err(Failure::new(
                    "the prior carries another Patient ID than the series",
                    "give an earlier CT of the same patient as --prior",
                ));
            }
            (Some(_), Some(_)) => {}
            (None, _) | (_, None) => {
                notes.push(
                    "whether the prior is of the same patient could not be checked: no Patient ID"
                        .to_owned(),
                );
            }
        }
        let days = self.days_until(current, notes)?;
        Ok(change(&current.as_scan(), &self.as_scan()).since(self.finding.clone(), days))
    }

    fn days_until(&self, current: &Prior, notes: &mut Vec<String>) -> Result<u32, Failure> {
        let (Some(then), Some(now)) = (self.acquired, current.acquired) else {
            notes.push(
                "the days since the prior are not known and given as 0: a scan has no date"
                    .to_owned(),
            );
            return Ok(0);
        };
        days_between(then, now).ok_or_else(|| {
            Failure::new(
                "the prior is newer than the series",
                "give the earlier CT as --prior and the later one as PATH",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeriesKey;
    use crate::ids::Uid;

    fn scan(number: u8, patient: Option<u8>, day: Option<i64>) -> Prior {
        let key = SeriesKey(Uid::parse("1.2.3").unwrap());
        Prior {
            finding: FindingId::derive(&key, "model", &[number; 32]),
            patient: patient.map(|patient| Pseudonym::from_mac(&[patient; 32])),
            acquired: day.and_then(|day| WallTime::from_civil(2026, 3, day, 0)),
            burden_percent: 10.0,
            masks: None,
        }
    }

    #[test]
    fn another_patient_is_not_compared() {
        let (prior, current) = (scan(1, Some(1), Some(1)), scan(2, Some(2), Some(9)));
        let refused = prior.compare(&current, &mut Vec::new()).unwrap_err();
        assert!(refused.what.contains("another Patient ID"), "{refused}");
    }

    #[test]
    fn what_cannot_be_checked_is_said() {
        for (current, notes_wanted) in [
            (scan(2, Some(1), Some(9)), 0),
            (scan(2, None, Some(9)), 1),
            (scan(2, Some(1), None), 1),
            (scan(2, None, None), 2),
        ] {
            let mut notes = Vec::new();
            let days = if current.acquired.is_some() { 8 } else { 0 };
            let compared = scan(1, Some(1), Some(1))
                .compare(&current, &mut notes)
                .unwrap();
            assert_eq!(
                (compared.days, notes.len()),
                (days, notes_wanted),
                "{notes:?}"
            );
        }
    }

    #[test]
    fn a_prior_is_older() {
        let (prior, current) = (scan(1, Some(1), Some(9)), scan(2, Some(1), Some(1)));
        assert!(prior.compare(&current, &mut Vec::new()).is_err());
    }

    #[test]
    fn the_newest_of_several_counts_and_a_tie_is_refused() {
        let of = |days: [Option<i64>; 2]| {
            Prior::newest(vec![scan(1, None, days[0]), scan(2, None, days[1])])
        };
        assert_eq!(
            of([Some(4), Some(2)]).unwrap().finding,
            scan(1, None, None).finding
        );
        assert!(of([Some(4), Some(4)]).is_err());
        assert!(of([None, Some(4)]).is_err());
        assert!(Prior::newest(vec![scan(1, None, None)]).is_ok());
        assert!(Prior::newest(Vec::new()).is_err());
    }
}
