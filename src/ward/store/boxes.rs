//! Boxes.

use super::{Db, StoreError, from_json, signed, time, to_json, unsigned};
use crate::ids::SlugName;
use crate::ward::hear::BoxName;
use crate::ward::record::{BoxRecord, Light};
use rusqlite::{OptionalExtension, Row, params};

/// Boxes that are known; a broker must not be able to name ever more.
const BOXES_MAX: i64 = 10_000;

const COLUMNS: &str = "site, device, said, last_seen, light, sequence";

impl Db<'_> {
    /// The box `name`.
    pub(in crate::ward) fn a_box(&self, name: &BoxName) -> Result<Option<BoxRecord>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM boxes WHERE site = ?1 AND device = ?2");
        let mut statement = self.0.prepare_cached(&query)?;
        let key = [name.site.as_str(), name.device.as_str()];
        let row = statement.query_row(key, raw).optional()?;
        row.map(record).transpose()
    }

    /// All boxes, by name.
    pub(in crate::ward) fn boxes(&self) -> Result<Vec<BoxRecord>, StoreError> {
        self.boxes_after(0)
    }

    /// Boxes that were changed after the change `sequence`, by name.
    pub(in crate::ward) fn boxes_after(&self, sequence: u64) -> Result<Vec<BoxRecord>, StoreError> {
        let query =
            format!("SELECT {COLUMNS} FROM boxes WHERE sequence > ?1 ORDER BY site, device");
        let mut statement = self.0.prepare_cached(&query)?;
        let rows = statement.query_map([signed(sequence)], raw)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(record))
            .collect()
    }

    /// Keeps `record` with the next change's number, which is written into it. Errors: one box too many.
    pub(in crate::ward) fn put_box(&self, record: &mut BoxRecord) -> Result<(), StoreError> {
        if self.a_box(&record.name)?.is_none() && self.count("boxes")? >= BOXES_MAX {
            return Err(StoreError::Full { what: "boxes" });
        }
        let sequence = self.next_sequence()?;
        let query = "INSERT OR REPLACE INTO boxes VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.0.prepare_cached(query)?.execute(params![
            record.name.site.as_str(),
            record.name.device.as_str(),
            to_json(&record.said, "boxes")?,
            record.last_seen.unix_millis(),
            to_json(&record.light, "boxes")?,
            sequence
        ])?;
        record.sequence = unsigned(sequence, "counter")?;
        Ok(())
    }
}

type Raw = (String, String, String, i64, String, i64);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

fn record((site, device, said, last_seen, light, sequence): Raw) -> Result<BoxRecord, StoreError> {
    let slug =
        |text: &str| SlugName::parse(text).map_err(|_| StoreError::Damaged { table: "boxes" });
    Ok(BoxRecord {
        name: BoxName {
            site: slug(&site)?,
            device: slug(&device)?,
        },
        said: from_json(&said, "boxes")?,
        last_seen: time(last_seen),
        light: from_json::<Light>(&light, "boxes")?,
        sequence: unsigned(sequence, "boxes")?,
    })
}
