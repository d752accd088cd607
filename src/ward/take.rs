//! What was heard goes into the store: the pure rules of `record`, one transaction a message.

use super::hear::{BoxName, Heard, NotTriaged, Said, Told};
use super::record::{BoxRecord, Ear, FindingRecord, Light, NotTriagedRecord};
use super::settings::BoxLimits;
use super::store::{Db, LogLine, StoreError, Waiting};
use crate::ids::FindingId;
use crate::outcome::Priority;
use crate::units::WallTime;
use crate::wire::{ReceiptPayload, Topic};

/// What a transaction changed: told to pages and to the sender once it is on disk.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Findings.
    pub(super) findings: Vec<FindingRecord>,
    /// Series without a finding.
    pub(super) not_triaged: Vec<NotTriagedRecord>,
    /// Boxes.
    pub(super) boxes: Vec<BoxRecord>,
    /// Messages to boxes.
    pub(super) outgoing: Vec<u64>,
}

/// When and how it was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hearing<'a> {
    /// The time.
    pub(super) now: WallTime,
    /// Whether there is a connection.
    pub(super) ear: Ear,
    /// When a silent box is no longer believed.
    pub(super) limits: &'a BoxLimits,
}

/// Takes what was heard; `false` when it told nothing new.
pub(super) fn take(
    db: &Db<'_>,
    heard: &Heard,
    at: &Hearing<'_>,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    match heard {
        Heard::Finding { from, told, topic } => finding(db, from, told, *topic, at.now, changes),
        Heard::Superseded { earlier, by } => superseded(db, earlier, by, at.now, changes),
        Heard::NotTriaged { from, told } => not_triaged(db, from, told, at.now, changes),
        Heard::Preview { id, png } => preview(db, id, png, at.now, changes),
        Heard::Receipt(receipt) => self::receipt(db, receipt, at.now, changes),
        Heard::Health { from, said } => health(db, from, said, at, changes),
        Heard::Nothing => Ok(false),
    }
}

fn finding(
    db: &Db<'_>,
    from: &BoxName,
    told: &Told,
    topic: Priority,
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    if let Some(mut known) = db.finding(&told.id)? {
        let news = known.take_repeat(topic);
        if news {
            put(db, known, changes)?;
        }
        return Ok(news);
    }
    let (receipt, by) = db.early(&told.id)?;
    let mut record = FindingRecord {
        from: from.clone(),
        told: told.clone(),
        received_at: now,
        receipt: None,
        escalated: false,
        superseded_by: by,
        has_preview: db.has_preview(&told.id)?,
        sequence: 0,
    };
    record.take_repeat(topic);
    let what = "received".to_owned();
    db.log(
        &told.id,
        now,
        &LogLine {
            what,
            ..LogLine::default()
        },
    )?;
    if let Some(receipt) = receipt {
        record.take_receipt(&receipt);
        db.log(&told.id, now, &said_by_box(&receipt))?;
    }
    put(db, record, changes)?;
    if let Some(earlier) = &told.data.supersedes {
        superseded(db, earlier, &told.id, now, changes)?;
    }
    Ok(true)
}

fn superseded(
    db: &Db<'_>,
    earlier: &FindingId,
    by: &FindingId,
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let Some(mut known) = db.finding(earlier)? else {
        return no_longer_missed(db, earlier, by, now, changes);
    };
    let news = known.take_superseded(by);
    if news {
        let line = LogLine {
            what: "superseded".to_owned(),
            text: Some(by.as_str().to_owned()),
            ..LogLine::default()
        };
        db.log(earlier, now, &line)?;
        put(db, known, changes)?;
    }
    Ok(news)
}

fn not_triaged(
    db: &Db<'_>,
    from: &BoxName,
    told: &NotTriaged,
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    if db.not_triaged(&told.id)?.is_some() {
        return Ok(false);
    }
    let (_, superseded_by) = db.early(&told.id)?;
    let mut record = NotTriagedRecord {
        from: from.clone(),
        told: told.clone(),
        received_at: now,
        superseded_by,
        sequence: 0,
    };
    db.put_not_triaged(&mut record)?;
    changes.not_triaged.push(record);
    if let Some(earlier) = &told.data.supersedes {
        superseded(db, earlier, &told.id, now, changes)?;
    }
    Ok(true)
}

/// What is replaced had no finding, or is not known yet.
fn no_longer_missed(
    db: &Db<'_>,
    earlier: &FindingId,
    by: &FindingId,
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let Some(mut known) = db.not_triaged(earlier)? else {
        db.put_early(earlier, None, Some(by), now)?;
        return Ok(false);
    };
    if known.superseded_by.is_some() {
        return Ok(false);
    }
    known.superseded_by = Some(by.clone());
    db.put_not_triaged(&mut known)?;
    changes.not_triaged.push(known);
    Ok(true)
}

fn preview(
    db: &Db<'_>,
    id: &FindingId,
    png: &[u8],
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let news = db.put_preview(id, png, now)?;
    // It is sent before its finding, but a broker may hand both over in another order.
    if news && let Some(mut known) = db.finding(id)? {
        known.has_preview = true;
        put(db, known, changes)?;
    }
    Ok(news)
}

fn receipt(
    db: &Db<'_>,
    receipt: &ReceiptPayload,
    now: WallTime,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let id = &receipt.finding_id;
    let Some(mut known) = db.finding(id)? else {
        // The broker gives a server that is new all receipts it keeps, of findings that it never had.
        let (before, by) = db.early(id)?;
        let newest = before.filter(|before| before.sequence >= receipt.sequence);
        db.put_early(
            id,
            Some(newest.as_ref().unwrap_or(receipt)),
            by.as_ref(),
            now,
        )?;
        return Ok(false);
    };
    let news = known.take_receipt(receipt);
    if news {
        db.log(id, now, &said_by_box(receipt))?;
        put(db, known, changes)?;
    }
    Ok(news)
}

/// A receipt in the words of the finding's log.
fn said_by_box(receipt: &ReceiptPayload) -> LogLine {
    if let Some(refused) = &receipt.refused {
        return LogLine {
            what: "refused".to_owned(),
            text: Some(refused.text.clone()),
            ..LogLine::default()
        };
    }
    LogLine {
        what: receipt.state.as_str().to_owned(),
        by: receipt.by.clone(),
        station: receipt.station.clone(),
        ..LogLine::default()
    }
}

fn health(
    db: &Db<'_>,
    from: &BoxName,
    said: &Said,
    at: &Hearing<'_>,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let mut record = match db.a_box(from)? {
        Some(mut known) => {
            if !known.take(said, at.now) {
                return Ok(false);
            }
            known
        }
        None => {
            greet(db, from, at.now, changes)?;
            BoxRecord {
                name: from.clone(),
                said: said.clone(),
                last_seen: at.now,
                light: Light::Green,
                sequence: 0,
            }
        }
    };
    record.light = record.light_at(at.now, at.ear, at.limits);
    db.put_box(&mut record)?;
    changes.boxes.push(record);
    Ok(true)
}

/// A box that was not known gets the list of keys that IT signed.
fn greet(
    db: &Db<'_>,
    name: &BoxName,
    now: WallTime,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    if let Some(payload) = db.list()?.and_then(|list| list.to_bytes().ok()) {
        changes
            .outgoing
            .push(db.put_outgoing(&keys_for(name, payload), now)?);
    }
    Ok(())
}

/// The message that brings the list of keys to a box.
pub(super) fn keys_for(name: &BoxName, payload: Vec<u8>) -> Waiting {
    Waiting {
        topic: name.root().topic(&Topic::Keys),
        payload,
        retain: true,
    }
}

/// Turns the lights that time has turned.
pub(super) fn turn_lights(
    db: &Db<'_>,
    at: &Hearing<'_>,
    changes: &mut Changes,
) -> Result<(), StoreError> {
    for mut record in db.boxes()? {
        let light = record.light_at(at.now, at.ear, at.limits);
        if light != record.light {
            record.light = light;
            db.put_box(&mut record)?;
            changes.boxes.push(record);
        }
    }
    Ok(())
}

fn put(db: &Db<'_>, mut record: FindingRecord, changes: &mut Changes) -> Result<(), StoreError> {
    db.put_finding(&mut record)?;
    changes.findings.push(record);
    Ok(())
}
