//! Series that ended without a finding.

use super::{Db, StoreError, before, from_json, signed, time, to_json, unsigned};
use crate::ids::{FindingId, SlugName};
use crate::units::WallTime;
use crate::ward::hear::BoxName;
use crate::ward::record::NotTriagedRecord;
use rusqlite::{OptionalExtension, Params, Row, params};
use std::time::Duration;

const COLUMNS: &str = "id, site, device, received_at, told, superseded_by, sequence";

impl Db<'_> {
    /// The series whose outcome is `id`.
    pub(in crate::ward) fn not_triaged(
        &self,
        id: &FindingId,
    ) -> Result<Option<NotTriagedRecord>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM not_triaged WHERE id = ?1");
        let mut statement = self.0.prepare_cached(&query)?;
        let row = statement.query_row([id.as_str()], raw).optional()?;
        row.map(record).transpose()
    }

    /// Those of the last `age_max` that nothing has replaced since, the newest first; at most `limit`.
    pub(in crate::ward) fn not_triaged_since(
        &self,
        now: WallTime,
        age_max: Duration,
        limit: i64,
    ) -> Result<Vec<NotTriagedRecord>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM not_triaged WHERE received_at >= ?1 AND superseded_by IS NULL \
             ORDER BY received_at DESC, id LIMIT ?2"
        );
        self.some(&query, [before(now, age_max), limit])
    }

    /// Those that were changed after the change `sequence`, in order of their changes; at most `limit`.
    pub(in crate::ward) fn not_triaged_after(
        &self,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<NotTriagedRecord>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM not_triaged WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.some(&query, [signed(sequence), limit])
    }

    fn some(&self, query: &str, asked: impl Params) -> Result<Vec<NotTriagedRecord>, StoreError> {
        let mut statement = self.0.prepare_cached(query)?;
        let rows = statement.query_map(asked, raw)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(record))
            .collect()
    }

    /// Keeps `record` with the next change's number, which is written into it.
    pub(in crate::ward) fn put_not_triaged(
        &self,
        record: &mut NotTriagedRecord,
    ) -> Result<(), StoreError> {
        let sequence = self.next_sequence()?;
        let query = format!(
            "INSERT OR REPLACE INTO not_triaged ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        self.0.prepare_cached(&query)?.execute(params![
            record.told.id.as_str(),
            record.from.site.as_str(),
            record.from.device.as_str(),
            record.received_at.unix_millis(),
            to_json(&record.told, "not_triaged")?,
            record.superseded_by.as_ref().map(FindingId::as_str),
            sequence,
        ])?;
        record.sequence = unsigned(sequence, "counter")?;
        Ok(())
    }
}

type Raw = (String, String, i64, String, Option<String>, i64);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
    ))
}

fn record(
    (site, device, received_at, told, superseded_by, sequence): Raw,
) -> Result<NotTriagedRecord, StoreError> {
    const TABLE: &str = "not_triaged";
    let damaged = || StoreError::Damaged { table: TABLE };
    let slug = |text: &str| SlugName::parse(text).map_err(|_| damaged());
    let by = superseded_by.map(|id| FindingId::parse(&id).map_err(|_| damaged()));
    Ok(NotTriagedRecord {
        from: BoxName {
            site: slug(&site)?,
            device: slug(&device)?,
        },
        told: from_json(&told, TABLE)?,
        received_at: time(received_at),
        superseded_by: by.transpose()?,
        sequence: unsigned(sequence, TABLE)?,
    })
}
