//! The audit list.

use super::{Db, StoreError, signed, unsigned};
use crate::units::WallTime;
use crate::ward::audit::{Chain, ChainError, Entry, Tail, line};
use rusqlite::{OptionalExtension, params};

const DAMAGED: StoreError = StoreError::Damaged { table: "audit" };

impl Db<'_> {
    /// Writes an entry after the last one.
    pub(in crate::ward) fn audit(&self, now: WallTime, entry: &Entry) -> Result<(), StoreError> {
        let (text, tail) = line(entry, now, &self.audit_tail()?).ok_or(DAMAGED)?;
        let query = "INSERT INTO audit VALUES (?1, ?2)";
        self.0
            .prepare_cached(query)?
            .execute(params![signed(tail.number), text])?;
        Ok(())
    }

    /// The last entry's number and hash. Errors: the last line does not read.
    pub(in crate::ward) fn audit_tail(&self) -> Result<Tail, StoreError> {
        let query = "SELECT number, line FROM audit ORDER BY number DESC LIMIT 1";
        let found: Option<(i64, String)> = self
            .0
            .prepare_cached(query)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((number, text)) = found else {
            return Ok(Tail::default());
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| DAMAGED)?;
        let hash = value.get("hash").and_then(serde_json::Value::as_str);
        Ok(Tail {
            number: unsigned(number, "audit")?,
            hash: hash.ok_or(DAMAGED)?.to_owned(),
        })
    }

    /// Up to `limit` lines from the number `from` on.
    pub(in crate::ward) fn audit_lines(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        let query = "SELECT number, line FROM audit WHERE number >= ?1 ORDER BY number LIMIT ?2";
        let mut statement = self.0.prepare_cached(query)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([signed(from), limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| {
            let (number, text) = row?;
            Ok((unsigned(number, "audit")?, text))
        })
        .collect()
    }

    /// The number of the first line written at `time` or later; after the last where there is none.
    pub(in crate::ward) fn audit_number_at(&self, time: WallTime) -> Result<u64, StoreError> {
        let query = "SELECT min(number) FROM audit WHERE json_extract(line, '$.at') >= ?1";
        let found: Option<i64> = self
            .0
            .query_row(query, [time.to_string()], |row| row.get(0))?;
        match found {
            Some(number) => unsigned(number, "audit"),
            None => Ok(self.audit_tail()?.number.saturating_add(1)),
        }
    }

    /// Follows the whole list.
    pub(in crate::ward) fn audit_verify(&self) -> Result<Result<Chain, ChainError>, StoreError> {
        let mut statement = self
            .0
            .prepare("SELECT number, line FROM audit ORDER BY number")?;
        let mut rows = statement.query([])?;
        let mut chain = Chain::new();
        while let Some(row) = rows.next()? {
            let number = unsigned(row.get(0)?, "audit")?;
            let text: String = row.get(1)?;
            if let Err(error) = chain.follow(&text) {
                return Ok(Err(error));
            }
            // The whole list is here: its first line must not be missing.
            if chain.lines() != number || chain.tail().number != number {
                return Ok(Err(ChainError::Order {
                    line: chain.lines(),
                }));
            }
        }
        Ok(Ok(chain))
    }
}
