//! The tables, and the small steps on them that transactions are made of.

use super::error::StoreError;
use super::records::QueuedRow;
use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

/// Text keys, byte values: the records' own versions tell how to read them.
pub(super) type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

pub(super) const META: Rows = TableDefinition::new("meta");
pub(super) const LEDGER: Rows = TableDefinition::new("ledger");
pub(super) const OUTBOX_HEADS: Rows = TableDefinition::new("outbox-heads");
pub(super) const OUTBOX_PAYLOADS: Rows = TableDefinition::new("outbox-payloads");
pub(super) const FINDINGS: Rows = TableDefinition::new("findings");

pub(super) const PRIORS: Rows = TableDefinition::new("priors");
pub(super) const PRIOR_MASKS: Rows = TableDefinition::new("prior-masks");
pub(super) const PRIOR_INDEX: Rows = TableDefinition::new("prior-index");

pub(super) const WATCHED: Rows = TableDefinition::new("review-watched");
pub(super) const LABELS: Rows = TableDefinition::new("labels");
pub(super) const LABEL_MASKS: Rows = TableDefinition::new("label-masks");
pub(super) const LABEL_CORRECTIONS: Rows = TableDefinition::new("label-corrections");
pub(super) const ANNOTATIONS: Rows = TableDefinition::new("annotations");
pub(super) const ANNOTATION_MASKS: Rows = TableDefinition::new("annotation-masks");

/// The tables of a fresh state. Those of priors, reviews, labels and annotations came later and are made when they
/// are first written to.
pub(super) const ALL: [Rows; 5] = [META, LEDGER, OUTBOX_HEADS, OUTBOX_PAYLOADS, FINDINGS];

/// The tables of one write transaction, with the words for its errors.
pub(super) struct Writing<'a> {
    pub(super) transaction: &'a WriteTransaction,
    pub(super) doing: &'static str,
}

impl<'a> Writing<'a> {
    fn table(&self, rows: Rows) -> Result<Table<'a, &'static str, &'static [u8]>, StoreError> {
        self.transaction
            .open_table(rows)
            .map_err(|error| StoreError::database(self.doing, error))
    }

    /// Makes the table where it does not exist.
    pub(super) fn ensure(&self, rows: Rows) -> Result<(), StoreError> {
        self.table(rows).map(drop)
    }

    pub(super) fn put(&self, rows: Rows, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.table(rows)?
            .insert(key, value)
            .map(drop)
            .map_err(|error| StoreError::database(self.doing, error))
    }

    pub(super) fn put_record<T: Serialize>(
        &self,
        rows: Rows,
        key: &str,
        record: &T,
    ) -> Result<(), StoreError> {
        let bytes =
            serde_json::to_vec(record).map_err(|error| StoreError::record(self.doing, &error))?;
        self.put(rows, key, &bytes)
    }

    pub(super) fn remove(&self, rows: Rows, key: &str) -> Result<(), StoreError> {
        self.table(rows)?
            .remove(key)
            .map(drop)
            .map_err(|error| StoreError::database(self.doing, error))
    }

    pub(super) fn get(&self, rows: Rows, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.table(rows)?;
        let found = table
            .get(key)
            .map_err(|error| StoreError::database(self.doing, error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Puts a message into the outbox.
    pub(super) fn queue(&self, row: &QueuedRow) -> Result<(), StoreError> {
        self.put(OUTBOX_HEADS, &row.key, &row.head)?;
        self.put(OUTBOX_PAYLOADS, &row.key, &row.payload)
    }

    /// Takes a message out of the outbox.
    pub(super) fn dequeue(&self, key: &str) -> Result<(), StoreError> {
        self.remove(OUTBOX_HEADS, key)?;
        self.remove(OUTBOX_PAYLOADS, key)
    }

    /// The keys that begin with `begin`, in their order, `count_max` at most.
    pub(super) fn keys_from(
        &self,
        rows: Rows,
        begin: &str,
        count_max: usize,
    ) -> Result<Vec<String>, StoreError> {
        keys_from(&self.table(rows)?, begin, count_max)
            .map_err(|error| StoreError::database(self.doing, error))
    }

    /// Rows of a table.
    pub(super) fn count(&self, rows: Rows) -> Result<usize, StoreError> {
        let count = self.table(rows)?.len();
        let count = count.map_err(|error| StoreError::database(self.doing, error))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }
}

/// The keys that begin with `begin`, in their order, `count_max` at most.
pub(super) fn keys_from(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    begin: &str,
    count_max: usize,
) -> Result<Vec<String>, redb::StorageError> {
    let mut keys = Vec::new();
    for row in table.range(begin..)? {
        let (key, _) = row?;
        if keys.len() >= count_max || !key.value().starts_with(begin) {
            break;
        }
        keys.push(key.value().to_owned());
    }
    Ok(keys)
}

/// Shows each row of a table, in the order of their keys: the table is never whole in memory.
pub(super) fn each(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    doing: &'static str,
    mut see: impl FnMut(&str, &[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let fault = |error| StoreError::database(doing, error);
    for row in table.iter().map_err(fault)? {
        let (key, value) = row.map_err(fault)?;
        see(key.value(), value.value())?;
    }
    Ok(())
}

/// A record from its bytes.
pub(super) fn parse<T: DeserializeOwned>(
    doing: &'static str,
    bytes: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::record(doing, &error))
}
