//! A series on its way from the pipeline to the ledger.

use crate::findings::Quality;
use crate::ids::{FindingId, Pseudonym, SeriesKey, hex};
use crate::intake::{ClosedSeries, Ready};
use crate::outbox::Ticket;
use crate::outcome::{Outcome, Priority, SeriesFacts, TimingFacts};
use crate::review;
use crate::store::{
    ClockRecord, FindingRecord, GridRecord, Opening, PaceRecord, PriorRecord, QueuedRow,
    SeriesRecord, SeriesState,
};
use crate::units::WallTime;
use crate::wire::{
    Ending, Identity, Kind, MessageId, Parcel, PatientFacts, Root, Sender, WireError, parcels,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;

/// What the pipeline made of a series.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The series as it was handed out.
    pub ready: Box<Ready>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is known of the series itself.
    pub series: SeriesFacts,
    /// The picture, PNG.
    pub preview: Option<Vec<u8>>,
    /// Lungs and lesions, reduced and packed, for comparisons.
    pub masks: Option<Vec<u8>>,
    /// Where the volume lies in the patient.
    pub grid: Option<GridRecord>,
    /// When it ended.
    pub at: WallTime,
}

impl Judgement {
    /// Whether the lungs end inside the slices: more of this series can hardly come.
    pub fn covers_lungs(&self) -> bool {
        let cut_off = Quality::LungsCutOff.code();
        match &self.outcome {
            Outcome::Triaged(triaged) => triaged.quality.iter().all(|code| code != cut_off),
            Outcome::NotTriaged { .. } => false,
        }
    }

    /// Whether `ready` would be judged the same: no slice and no other series of its study came or went.
    pub(super) fn holds_for(&self, ready: &Ready) -> bool {
        let siblings = |ready: &Ready| -> Vec<SeriesKey> {
            let keys = ready.siblings.iter();
            keys.map(|sibling| sibling.header.series.clone()).collect()
        };
        self.ready.content == ready.content && siblings(&self.ready) == siblings(ready)
    }

    /// This judgement, made ahead of time, as that of the series which is quiet now. `late`: how long ago it became so.
    pub(super) fn settled(mut self, ready: Box<Ready>, now: WallTime, late: Duration) -> Judgement {
        if let Outcome::Triaged(triaged) = &mut self.outcome {
            let late = i64::try_from(late.as_millis()).unwrap_or(i64::MAX);
            let complete_at = now.unix_millis().saturating_sub(late);
            triaged.timing = TimingFacts {
                last_instance_at: ready.last_instance_at,
                complete_at: WallTime::from_unix_millis(complete_at),
                compute_ms: triaged.timing.compute_ms,
                queued_ms: u64::try_from(late).unwrap_or(0),
            };
        }
        self.series.instances = ready.instances;
        self.ready = ready;
        self.at = now;
        self
    }
}

/// One transaction of the store: the series' ending in the ledger and its messages in the outbox, both or neither.
#[derive(Clone, Debug)]
pub struct Saving {
    /// The ledger's row.
    pub record: SeriesRecord,
    /// The finding's row; none without one.
    pub finding: Option<FindingRecord>,
    /// What is kept for the patient's next scan, with the packed masks.
    pub prior: Option<(PriorRecord, Vec<u8>)>,
    /// Its priority; none without one.
    pub priority: Option<Priority>,
    /// What its review begins with; none without one.
    pub opening: Option<Opening>,
    /// The finding that late instances reopened.
    pub supersedes: Option<FindingId>,
    /// The messages.
    pub rows: Vec<QueuedRow>,
    /// The messages' tickets, for the outbox machine.
    pub tickets: Vec<Ticket>,
    /// How instances came from each device, to be kept.
    pub paces: Option<PaceRecord>,
    /// The ending, for the intake machine.
    pub closed: ClosedSeries,
    /// Which hand-out of the series it ends.
    pub generation: u64,
    /// `triaged`, or the reason's code.
    pub code: &'static str,
    /// Whose series it is, for the log.
    pub pseudonym: Pseudonym,
}

/// The keyed pseudonym of `text`: HMAC-SHA-256 (RFC 2104) with the box's secret key, so that it means nothing elsewhere.
///
/// `domain` keeps a patient id and a study UID of the same text apart.
pub fn pseudonym(key: &[u8; 32], domain: &str, text: &str) -> Pseudonym {
    // A key of any length is taken; the error case of the crate's general trait cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Pseudonym::from_mac(&[0; 32]);
    };
    mac.update(domain.as_bytes());
    mac.update(&[0]);
    mac.update(text.as_bytes());
    Pseudonym::from_mac(&mac.finalize().into_bytes().into())
}

impl Saving {
    /// The transaction that ends the series of `judgement`.
    ///
    /// Errors: a number that no finding can have; the series then ends as an internal fault.
    pub fn new(judgement: &Judgement, model: &str, sender: &Sender) -> Result<Saving, WireError> {
        let ready = &judgement.ready;
        let finding_id = FindingId::derive(&ready.key, model, &ready.content);
        let ending = Ending {
            finding_id: finding_id.clone(),
            series: judgement.series.clone(),
            identity: identity(ready),
            outcome: judgement.outcome.clone(),
            supersedes: ready.supersedes.clone(),
            time: judgement.at,
        };
        let parcels = parcels(sender, &ending, judgement.preview.as_deref())?;
        let mut finding = finding_record(judgement, &finding_id);
        if let Some(finding) = &mut finding {
            finding.shown = sender.shown(&ending)?;
        }
        let rows: Result<Vec<QueuedRow>, WireError> = parcels.iter().map(Parcel::to_row).collect();
        Ok(Saving {
            record: record(judgement, &finding_id),
            finding,
            priority: judgement.outcome.priority(),
            opening: None,
            supersedes: ready.supersedes.clone(),
            prior: judgement.to_keep(&finding_id),
            rows: rows?,
            tickets: parcels.iter().map(Ticket::from).collect(),
            paces: None,
            closed: ready.closed(finding_id),
            generation: ready.generation,
            code: judgement.outcome.code(),
            pseudonym: ready.facts.study.clone(),
        })
    }

    /// Begins the finding's review: its first receipt goes with its other messages. Nothing without a finding.
    pub(super) fn open_review(
        &mut self,
        root: &Root,
        watches: bool,
        clock: ClockRecord,
    ) -> Result<(), WireError> {
        let Some(finding) = &mut self.finding else {
            return Ok(());
        };
        let created = finding.created;
        let receipt = review::opened(finding, root, clock.lived(), created)?;
        let is_message = |row: &&QueuedRow| row.key == finding_key(&finding.id);
        let message = self.rows.iter().find(is_message).cloned();
        self.opening = Some(Opening {
            receipt: receipt.to_row()?,
            watched: message.filter(|_| watches),
            clock,
        });
        self.tickets.push(Ticket::from(&receipt));
        Ok(())
    }

    /// Which series.
    pub fn key(&self) -> &SeriesKey {
        &self.closed.key
    }
}

fn finding_key(id: &FindingId) -> String {
    MessageId::new(id.as_str(), Kind::Finding)
        .as_str()
        .to_owned()
}

/// Whose series it is, as its first instance says.
pub fn identity(ready: &Ready) -> Identity {
    let header = &ready.facts.header;
    let person = header.patient.reveal();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Identity {
        study: ready.facts.study.clone(),
        patient: ready.facts.patient.clone(),
        accession: crate::ids::Redacted::new(
            header
                .accession
                .as_ref()
                .map(|hidden| hidden.reveal().clone()),
        ),
        person: crate::ids::Redacted::new(PatientFacts {
            name: text(&person.name),
            id: text(&person.id),
            birth_date: text(&person.birth_date),
        }),
    }
}

fn record(judgement: &Judgement, finding_id: &FindingId) -> SeriesRecord {
    let model_digest = match &judgement.outcome {
        Outcome::Triaged(triaged) => Some(triaged.model.digest.clone()),
        Outcome::NotTriaged { .. } => None,
    };
    let state = SeriesState::Closed {
        outcome: judgement.outcome.code().to_owned(),
        finding_id: finding_id.clone(),
        content_digest: hex(&judgement.ready.content),
        model_digest,
        closed_at: judgement.at,
        supersedes: judgement.ready.supersedes.clone(),
        files: judgement.ready.files.clone(),
    };
    SeriesRecord::new(
        judgement.ready.key.clone(),
        judgement.ready.last_instance_at,
        state,
    )
}

fn finding_record(judgement: &Judgement, finding_id: &FindingId) -> Option<FindingRecord> {
    let Outcome::Triaged(triaged) = &judgement.outcome else {
        return None;
    };
    let ready = &judgement.ready;
    let mut record = FindingRecord::new(
        finding_id.clone(),
        ready.key.clone(),
        ready.facts.patient.clone(),
        judgement.at,
    );
    triaged.priority.as_str().clone_into(&mut record.priority);
    record.burden_percent = triaged.lesion.burden_percent;
    record.grid = judgement.grid;
    record.frame_of_reference = ready.facts.header.frame_of_reference.clone();
    Some(record)
}
