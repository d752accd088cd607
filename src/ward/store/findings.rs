//! Findings, their pictures and what happened to them.

use super::{Db, StoreError, before, from_json, signed, time, to_json, unsigned};
use crate::ids::{FindingId, SlugName};
use crate::outcome::Priority;
use crate::units::WallTime;
use crate::ward::hear::{BoxName, Told};
use crate::ward::record::FindingRecord;
use crate::wire::ReceiptPayload;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use std::time::Duration;

/// Lines kept of what happened to one finding; what comes later is in the audit list only.
const LOG_LINES_MAX: i64 = 200;
/// Findings of one patient that are listed.
const HISTORY_MAX: i64 = 100;
/// Rows that one tidying takes away, so that nobody waits for it for long.
const TIDIED_MAX: i64 = 1000;
/// What came before its finding waits for it so long, and a word to a box for the box.
const EARLY_MAX: Duration = Duration::from_secs(8 * 86_400);

const COLUMNS: &str =
    "site, device, told, received_at, receipt, escalated, superseded_by, has_preview, sequence";

/// Which findings are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ward) enum Which {
    /// Those that somebody has to look at.
    Open,
    /// All.
    All,
}

/// An earlier or later finding of the same patient.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::ward) struct History {
    /// The finding.
    pub(in crate::ward) id: FindingId,
    /// When it was made.
    pub(in crate::ward) time: String,
    /// Its burden, as a physician signed it, else as the box found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ward) burden_percent: Option<f64>,
}

/// One thing that happened to a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::ward) struct LogLine {
    /// When.
    pub(in crate::ward) at: String,
    /// What: a stable code.
    pub(in crate::ward) what: String,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ward) by: Option<String>,
    /// At which station.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ward) station: Option<String>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::ward) text: Option<String>,
}

impl Db<'_> {
    /// The finding `id`.
    pub(in crate::ward) fn finding(
        &self,
        id: &FindingId,
    ) -> Result<Option<FindingRecord>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM findings WHERE id = ?1");
        let mut statement = self.0.prepare_cached(&query)?;
        let row = statement.query_row([id.as_str()], raw).optional()?;
        row.map(Raw::record).transpose()
    }

    /// Keeps `record` as it is, with the next change's number, which is written into it.
    pub(in crate::ward) fn put_finding(
        &self,
        record: &mut FindingRecord,
    ) -> Result<(), StoreError> {
        let sequence = self.next_sequence()?;
        let told = &record.told;
        let receipt = record
            .receipt
            .as_ref()
            .map(|receipt| to_json(receipt, "findings"));
        let query = "INSERT INTO findings VALUES \
            (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
            ON CONFLICT (id) DO UPDATE SET receipt = excluded.receipt, escalated = excluded.escalated, \
            superseded_by = excluded.superseded_by, open = excluded.open, has_preview = excluded.has_preview, \
            sequence = excluded.sequence";
        self.0.prepare_cached(query)?.execute(params![
            told.id.as_str(),
            record.from.site.as_str(),
            record.from.device.as_str(),
            told.data.identity.pseudonym.as_str(),
            rank(told.data.priority),
            WallTime::parse(&told.time)
                .unwrap_or_default()
                .unix_millis(),
            record.received_at.unix_millis(),
            to_json(told, "findings")?,
            receipt.transpose()?,
            record.escalated,
            record.superseded_by.as_ref().map(FindingId::as_str),
            record.is_open(),
            record.has_preview,
            sequence,
        ])?;
        record.sequence = unsigned(sequence, "counter")?;
        Ok(())
    }

    /// What came before its finding: the box's word on its state, and the finding in its place.
    pub(in crate::ward) fn early(
        &self,
        id: &FindingId,
    ) -> Result<(Option<ReceiptPayload>, Option<FindingId>), StoreError> {
        let query = "DELETE FROM early WHERE id = ?1 RETURNING receipt, superseded_by";
        let found: Option<(Option<String>, Option<String>)> = self
            .0
            .prepare_cached(query)?
            .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (receipt, by) = found.unwrap_or_default();
        let receipt = receipt.map(|text| from_json(&text, "early")).transpose()?;
        Ok((receipt, by.and_then(|by| FindingId::parse(&by).ok())))
    }

    /// Keeps what came before its finding.
    pub(in crate::ward) fn put_early(
        &self,
        id: &FindingId,
        receipt: Option<&ReceiptPayload>,
        superseded_by: Option<&FindingId>,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let receipt = receipt
            .map(|receipt| to_json(receipt, "early"))
            .transpose()?;
        let query = "INSERT INTO early VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET \
            receipt = coalesce(excluded.receipt, receipt), \
            superseded_by = coalesce(excluded.superseded_by, superseded_by), at = excluded.at";
        let by = superseded_by.map(FindingId::as_str);
        self.0.prepare_cached(query)?.execute(params![
            id.as_str(),
            receipt,
            by,
            now.unix_millis()
        ])?;
        Ok(())
    }

    /// Findings in the order of the nursing station: those that somebody has to look at first, by priority, the oldest
    /// first; then the rest, the newest first.
    pub(in crate::ward) fn findings(
        &self,
        which: Which,
        limit: usize,
    ) -> Result<Vec<FindingRecord>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let open = format!(
            "SELECT {COLUMNS} FROM findings WHERE open = 1 ORDER BY priority, told_at, id LIMIT ?1"
        );
        let mut records = self.many(&open, [limit])?;
        let left = limit.saturating_sub(i64::try_from(records.len()).unwrap_or(i64::MAX));
        match which {
            Which::Open => {}
            Which::All => {
                let rest = format!(
                    "SELECT {COLUMNS} FROM findings WHERE open = 0 ORDER BY received_at DESC, id LIMIT ?1"
                );
                records.extend(self.many(&rest, [left])?);
            }
        }
        Ok(records)
    }

    /// Findings that were changed after the change `sequence`, in order of their changes; at most `limit`.
    pub(in crate::ward) fn findings_after(
        &self,
        sequence: u64,
        limit: usize,
    ) -> Result<Vec<FindingRecord>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM findings WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"
        );
        self.many(
            &query,
            [signed(sequence), i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    /// The findings of the same patient at the same box, oldest first.
    pub(in crate::ward) fn history(&self, of: &FindingRecord) -> Result<Vec<History>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM findings WHERE site = ?1 AND device = ?2 AND pseudonym = ?3 \
             AND superseded_by IS NULL ORDER BY told_at DESC LIMIT ?4"
        );
        let pseudonym = of.told.data.identity.pseudonym.as_str();
        let records = self.many(
            &query,
            params![
                of.from.site.as_str(),
                of.from.device.as_str(),
                pseudonym,
                HISTORY_MAX
            ],
        )?;
        let history = records.into_iter().rev().map(|record| History {
            burden_percent: record
                .receipt
                .as_ref()
                .and_then(|receipt| receipt.burden_percent)
                .or(record
                    .told
                    .data
                    .lesion
                    .as_ref()
                    .map(|lesion| lesion.burden_percent)),
            id: record.told.id,
            time: record.told.time,
        });
        Ok(history.collect())
    }

    fn many(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<FindingRecord>, StoreError> {
        let mut statement = self.0.prepare_cached(query)?;
        let rows = statement.query_map(parameters, raw)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(Raw::record))
            .collect()
    }

    /// Keeps the picture of a finding; `false` when there is one.
    pub(in crate::ward) fn put_preview(
        &self,
        id: &FindingId,
        png: &[u8],
        now: WallTime,
    ) -> Result<bool, StoreError> {
        let query = "INSERT OR IGNORE INTO previews VALUES (?1, ?2, ?3)";
        let rows =
            self.0
                .prepare_cached(query)?
                .execute(params![id.as_str(), png, now.unix_millis()])?;
        Ok(rows > 0)
    }

    /// Whether there is a picture of the finding.
    pub(in crate::ward) fn has_preview(&self, id: &FindingId) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM previews WHERE id = ?1)";
        Ok(self
            .0
            .prepare_cached(query)?
            .query_row([id.as_str()], |row| row.get(0))?)
    }

    /// The picture of a finding.
    pub(in crate::ward) fn preview(&self, id: &FindingId) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT png FROM previews WHERE id = ?1";
        let found = self.0.query_row(query, [id.as_str()], |row| row.get(0));
        Ok(found.optional()?)
    }

    /// Writes down what happened to a finding.
    pub(in crate::ward) fn log(
        &self,
        id: &FindingId,
        now: WallTime,
        line: &LogLine,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO log SELECT ?1, n, ?2, ?3, ?4, ?5, ?6 FROM \
            (SELECT coalesce(max(number), 0) + 1 AS n FROM log WHERE id = ?1) WHERE n <= ?7";
        self.0.prepare_cached(query)?.execute(params![
            id.as_str(),
            now.unix_millis(),
            line.what,
            line.by,
            line.station,
            line.text,
            LOG_LINES_MAX
        ])?;
        Ok(())
    }

    /// What happened to a finding, oldest first.
    pub(in crate::ward) fn log_of(&self, id: &FindingId) -> Result<Vec<LogLine>, StoreError> {
        let query = "SELECT at, what, by, station, text FROM log WHERE id = ?1 ORDER BY number";
        let mut statement = self.0.prepare_cached(query)?;
        let rows = statement.query_map([id.as_str()], |row| {
            Ok(LogLine {
                at: time(row.get(0)?).to_string(),
                what: row.get(1)?,
                by: row.get(2)?,
                station: row.get(3)?,
                text: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes away some of what is older than its time; `true` when there may be more. What is open stays.
    pub(in crate::ward) fn tidy(
        &self,
        now: WallTime,
        keep: Duration,
        keep_previews: Duration,
    ) -> Result<bool, StoreError> {
        let mut rows = 0;
        for (query, wait) in [
            (
                "DELETE FROM findings WHERE id IN \
                 (SELECT id FROM findings WHERE received_at < ?1 AND open = 0 LIMIT ?2)",
                keep,
            ),
            (
                "DELETE FROM not_triaged WHERE id IN \
                 (SELECT id FROM not_triaged WHERE received_at < ?1 LIMIT ?2)",
                keep,
            ),
            (
                "DELETE FROM previews WHERE id IN (SELECT id FROM previews WHERE at < ?1 LIMIT ?2)",
                keep_previews,
            ),
            (
                "DELETE FROM early WHERE id IN (SELECT id FROM early WHERE at < ?1 LIMIT ?2)",
                EARLY_MAX,
            ),
            (
                "DELETE FROM outgoing WHERE number IN \
                 (SELECT number FROM outgoing WHERE at < ?1 AND retain = 0 LIMIT ?2)",
                EARLY_MAX,
            ),
        ] {
            let gone = self.0.execute(query, [before(now, wait), TIDIED_MAX])?;
            rows = rows.max(gone);
        }
        self.0.execute(
            "DELETE FROM log WHERE id IN (SELECT DISTINCT log.id FROM log LEFT JOIN findings USING (id) \
             WHERE findings.id IS NULL LIMIT ?1)",
            [TIDIED_MAX],
        )?;
        self.0.execute(
            "UPDATE findings SET has_preview = 0 WHERE has_preview = 1 AND received_at < ?1 \
             AND id NOT IN (SELECT id FROM previews)",
            [before(now, keep_previews)],
        )?;
        Ok(i64::try_from(rows).unwrap_or(i64::MAX) >= TIDIED_MAX)
    }
}

fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::Critical => 0,
        Priority::Urgent => 1,
        Priority::Routine => 2,
    }
}

/// A row as it lies there.
struct Raw {
    site: String,
    device: String,
    told: String,
    received_at: i64,
    receipt: Option<String>,
    escalated: bool,
    superseded_by: Option<String>,
    has_preview: bool,
    sequence: i64,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        site: row.get(0)?,
        device: row.get(1)?,
        told: row.get(2)?,
        received_at: row.get(3)?,
        receipt: row.get(4)?,
        escalated: row.get(5)?,
        superseded_by: row.get(6)?,
        has_preview: row.get(7)?,
        sequence: row.get(8)?,
    })
}

impl Raw {
    fn record(self) -> Result<FindingRecord, StoreError> {
        let damaged = || StoreError::Damaged { table: "findings" };
        let slug = |text: &str| SlugName::parse(text).map_err(|_| damaged());
        let receipt = self.receipt.map(|text| from_json(&text, "findings"));
        Ok(FindingRecord {
            from: BoxName {
                site: slug(&self.site)?,
                device: slug(&self.device)?,
            },
            told: from_json::<Told>(&self.told, "findings")?,
            received_at: time(self.received_at),
            receipt: receipt.transpose()?,
            escalated: self.escalated,
            superseded_by: self.superseded_by.and_then(|id| FindingId::parse(&id).ok()),
            has_preview: self.has_preview,
            sequence: unsigned(self.sequence, "findings")?,
        })
    }
}
