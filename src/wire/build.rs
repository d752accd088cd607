//! From a series' ending to its parcels.

use super::WireError;
use super::envelope::{Envelope, EventType, SupersededPayload};
use super::finding::{FindingPayload, Identity, Profile};
use super::parcel::{Kind, Parcel};
use super::topic::{Root, Topic};
use crate::ids::FindingId;
use crate::outcome::{Outcome, Priority, SeriesFacts};
use crate::store::ShownRecord;
use crate::units::WallTime;
use serde::Serialize;

/// The largest preview (docs/contract).
const PREVIEW_BYTES_MAX: usize = 128 << 10;
/// The largest envelope; a finding with all zones has about 2 KiB.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;

/// Who sends, and what the settings let out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The box's topics.
    pub root: Root,
    /// What payloads show.
    pub profile: Profile,
}

/// A series' ending with all that its messages tell.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The id of finding and outcome.
    pub finding_id: FindingId,
    /// The series.
    pub series: SeriesFacts,
    /// Whose it is.
    pub identity: Identity,
    /// How it ended.
    pub outcome: Outcome,
    /// The finding that this ending replaces, when late instances reopened the series.
    pub supersedes: Option<FindingId>,
    /// When it ended.
    pub time: WallTime,
}

/// All messages of `ending` in the order of sending: preview, finding, outcome, superseded. `preview` is a PNG of at
/// most 128 KiB; it goes out with a finding only.
///
/// Errors: a number outside its range, a payload beyond its bound.
pub fn parcels(
    sender: &Sender,
    ending: &Ending,
    preview: Option<&[u8]>,
) -> Result<Vec<Parcel>, WireError> {
    let payload = sender.payload(ending)?;
    let id = ending.finding_id.as_str();
    let mut parcels = Vec::with_capacity(4);
    if let Some(priority) = ending.outcome.priority() {
        parcels.extend(preview.map(|png| sender.preview(ending, png)).transpose()?);
        let data = sender.envelope(ending, id, EventType::Finding, &payload)?;
        parcels.push(sender.event(ending, Kind::Finding, &Topic::Finding(priority), data));
    }
    let data = sender.envelope(ending, id, EventType::Outcome, &payload)?;
    parcels.push(sender.event(ending, Kind::Outcome, &Topic::Outcome, data));
    if let Some(earlier) = &ending.supersedes {
        let replaced = SupersededPayload {
            superseded: earlier.clone(),
            by: ending.finding_id.clone(),
        };
        // An id of its own, the same on a rerun: with the finding's id, receivers would take it for a repeat.
        let own = uuid::Uuid::new_v5(
            &uuid::Uuid::NAMESPACE_OID,
            format!("{earlier}>{id}").as_bytes(),
        );
        let data = sender.envelope(ending, &own.to_string(), EventType::Superseded, &replaced)?;
        parcels.push(sender.event(ending, Kind::Superseded, &Topic::Outcome, data));
    }
    Ok(parcels)
}

impl Sender {
    /// What the messages of `ending` show of its finding, with their roundings and gaps; `None` without one. A signed
    /// verdict is held against it.
    ///
    /// Errors: a number outside its range.
    pub fn shown(&self, ending: &Ending) -> Result<Option<ShownRecord>, WireError> {
        let payload = self.payload(ending)?;
        let found = payload.score.zip(payload.model);
        Ok(found.map(|(score, model)| ShownRecord {
            score,
            burden_percent: payload.lesion.map(|lesion| lesion.burden_percent),
            model: model.digest,
        }))
    }

    fn payload(&self, ending: &Ending) -> Result<FindingPayload, WireError> {
        FindingPayload::new(
            &ending.outcome,
            &ending.series,
            &ending.identity,
            ending.supersedes.as_ref(),
            &self.profile,
        )
    }

    fn envelope<T: Serialize>(
        &self,
        ending: &Ending,
        id: &str,
        event_type: EventType,
        data: &T,
    ) -> Result<Vec<u8>, WireError> {
        let envelope = Envelope {
            specversion: "1.0".to_owned(),
            id: id.to_owned(),
            source: self.root.source(),
            event_type,
            time: ending.time.to_string(),
            subject: ending.identity.study.as_str().to_owned(),
            datacontenttype: "application/json".to_owned(),
            data,
        };
        let bytes =
            serde_json::to_vec(&envelope).map_err(|_| WireError::Malformed { what: "event" })?;
        bounded("event", bytes, ENVELOPE_BYTES_MAX)
    }

    fn preview(&self, ending: &Ending, png: &[u8]) -> Result<Parcel, WireError> {
        let png = bounded("preview", png.to_vec(), PREVIEW_BYTES_MAX)?;
        let topic = Topic::Preview(ending.finding_id.clone());
        Ok(Parcel {
            text: false,
            content_type: "image/png".to_owned(),
            response_topic: None,
            ..self.event(ending, Kind::Preview, &topic, png)
        })
    }

    fn event(&self, ending: &Ending, kind: Kind, topic: &Topic, payload: Vec<u8>) -> Parcel {
        let id = ending.finding_id.as_str();
        let parcel = Parcel::new(id, kind, self.root.topic(topic), payload).created_at(ending.time);
        Parcel {
            priority: ending.outcome.priority().unwrap_or(Priority::Routine),
            text: true,
            content_type: "application/cloudevents+json".to_owned(),
            expiry_s: Some(self.profile.expiry_s),
            response_topic: Some(self.root.topic(&Topic::Ack)),
            correlation: Some(id.to_owned()),
            ..parcel
        }
    }
}

fn bounded(what: &'static str, bytes: Vec<u8>, bytes_max: usize) -> Result<Vec<u8>, WireError> {
    if bytes.len() > bytes_max {
        return Err(WireError::TooLarge {
            what,
            bytes: bytes.len(),
            bytes_max,
        });
    }
    Ok(bytes)
}
