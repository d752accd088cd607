//! The store: opening, reading, and the transactions that change it.

use super::error::StoreError;
use super::records::{FindingRecord, PaceRecord, QueuedRow, SeriesRecord};
use super::tables::{
    ALL, FINDINGS, LEDGER, META, OUTBOX_HEADS, OUTBOX_PAYLOADS, Rows, Writing, each, keys_from,
    parse,
};
use crate::ids::{FindingId, SeriesKey};
use redb::{Builder, Database, Durability, ReadableDatabase, StorageBackend};
use std::path::Path;

/// The schema this program writes.
const SCHEMA: u64 = 1;
/// The database's page cache, part of what a box holds at rest. A series reads a few rows; its default of 1 GiB would let a
/// busy box grow past its memory budget.
const CACHE_BYTES: usize = 1 << 20;

/// The row of [`PaceRecord`]. States of earlier programs hold none, and they pass over it.
pub(super) const PACES: &str = "paces";

type Opener = Box<dyn Fn() -> Result<Database, redb::Error> + Send>;

/// The state of the box on disk. Every change is synced when its call returns `Ok`; a call that fails changed nothing.
pub struct Store {
    open: Opener,
    // redb refuses everything after one I/O error; the database is then dropped here and opened again by the next
    // call, which replays what is durable.
    database: Option<Database>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database file `path`, or makes it. Errors: [`StoreError::InUse`] while another process holds it.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let path = path.to_owned();
        Store::open_by(Box::new(move || {
            builder().create(&path).map_err(redb::Error::from)
        }))
    }

    /// Opens the database on the storage that `make` gives; it is called again after each I/O error.
    pub fn open_on<B: StorageBackend>(
        make: impl Fn() -> B + Send + 'static,
    ) -> Result<Store, StoreError> {
        Store::open_by(Box::new(move || {
            builder()
                .create_with_backend(make())
                .map_err(redb::Error::from)
        }))
    }

    fn open_by(open: Opener) -> Result<Store, StoreError> {
        let mut store = Store {
            open,
            database: None,
        };
        store.database()?;
        Ok(store)
    }

    /// Counts this start: returns the boot number, 1 at the first.
    pub fn count_boot(&mut self) -> Result<u64, StoreError> {
        self.write("counting the boot", |writing| {
            let boot = number(writing.doing, writing.get(META, "boot")?)?.saturating_add(1);
            writing.put(META, "boot", boot.to_string().as_bytes())?;
            Ok(boot)
        })
    }

    /// The box's secret key for pseudonyms; `fresh` (from the system's random source) becomes it at the first call.
    pub fn secret_key(&mut self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.write("reading the secret key", |writing| {
            match writing.get(META, "secret-key")? {
                None => {
                    writing.put(META, "secret-key", &fresh)?;
                    Ok(fresh)
                }
                // Falling back to a fresh key would give every patient a new pseudonym without a word.
                Some(bytes) => <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Damaged {
                    doing: "reading the secret key",
                    what: "it is not 32 bytes long".to_owned(),
                }),
            }
        })
    }

    /// The ledger's record of `key`.
    pub fn series(&mut self, key: &SeriesKey) -> Result<Option<SeriesRecord>, StoreError> {
        let doing = "reading the ledger";
        self.get(doing, LEDGER, key.0.as_str())?
            .map(|bytes| parse(doing, &bytes))
            .transpose()
    }

    /// Every series of the ledger, by key.
    pub fn series_all(&mut self) -> Result<Vec<SeriesRecord>, StoreError> {
        let doing = "reading the ledger";
        let mut records = Vec::new();
        self.each(doing, LEDGER, |_, bytes| {
            records.push(parse(doing, bytes)?);
            Ok(())
        })?;
        Ok(records)
    }

    /// Writes that a series was seen, or is open again.
    pub fn open_series(&mut self, record: &SeriesRecord) -> Result<(), StoreError> {
        self.write("opening a series", |writing| {
            writing.put_record(LEDGER, record.key.0.as_str(), record)
        })
    }

    /// How instances came from each device; `None` in a state that never held it.
    pub fn paces(&mut self) -> Result<Option<PaceRecord>, StoreError> {
        let doing = "reading the scanners' pace";
        self.get(doing, META, PACES)?
            .map(|bytes| parse(doing, &bytes))
            .transpose()
    }

    /// Queues messages that close no series.
    pub fn queue(&mut self, queued: &[QueuedRow]) -> Result<(), StoreError> {
        self.write("queueing a message", |writing| {
            queued.iter().try_for_each(|row| writing.queue(row))
        })
    }

    /// The heads of all queued messages, payloads left out, by key.
    pub fn queued_heads(&mut self) -> Result<Vec<QueuedRow>, StoreError> {
        let mut rows = Vec::new();
        self.each("reading the outbox", OUTBOX_HEADS, |key, head| {
            rows.push(QueuedRow {
                key: key.to_owned(),
                head: head.to_vec(),
                payload: Vec::new(),
            });
            Ok(())
        })?;
        Ok(rows)
    }

    /// One queued message whole.
    pub fn queued(&mut self, key: &str) -> Result<Option<QueuedRow>, StoreError> {
        let doing = "reading the outbox";
        let Some(head) = self.get(doing, OUTBOX_HEADS, key)? else {
            return Ok(None);
        };
        let payload =
            self.get(doing, OUTBOX_PAYLOADS, key)?
                .ok_or_else(|| StoreError::Damaged {
                    doing,
                    what: "a queued message has no payload".to_owned(),
                })?;
        Ok(Some(QueuedRow {
            key: key.to_owned(),
            head,
            payload,
        }))
    }

    /// Forgets a message that its receiver has acknowledged.
    pub fn forget_queued(&mut self, key: &str) -> Result<(), StoreError> {
        self.write("emptying the outbox", |writing| writing.dequeue(key))
    }

    /// The record of a finding.
    pub fn finding(&mut self, id: &FindingId) -> Result<Option<FindingRecord>, StoreError> {
        let doing = "reading the findings";
        self.get(doing, FINDINGS, id.as_str())?
            .map(|bytes| parse(doing, &bytes))
            .transpose()
    }

    pub(super) fn get(
        &mut self,
        doing: &'static str,
        rows: Rows,
        key: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(doing, |database| {
            let table = match database.begin_read()?.open_table(rows) {
                Ok(table) => table,
                // A state that an earlier program made.
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    /// The keys of `rows` that begin with `begin`, `count_max` at most; none in a state that an earlier program made.
    pub(super) fn keys(
        &mut self,
        doing: &'static str,
        rows: Rows,
        begin: &str,
        count_max: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(doing, |database| {
            match database.begin_read()?.open_table(rows) {
                Ok(table) => Ok(keys_from(&table, begin, count_max)?),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
                Err(error) => Err(error.into()),
            }
        })
    }

    pub(super) fn each(
        &mut self,
        doing: &'static str,
        rows: Rows,
        see: impl FnMut(&str, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = self.read(doing, |database| {
            Ok(database.begin_read()?.open_table(rows)?)
        })?;
        let result = each(&table, doing, see);
        drop(table);
        if result.is_err() {
            self.database = None;
        }
        result
    }

    pub(super) fn read<T>(
        &mut self,
        doing: &'static str,
        step: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let result =
            step(self.database()?).map_err(|error: redb::Error| StoreError::database(doing, error));
        if result.is_err() {
            self.database = None;
        }
        result
    }

    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        step: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = write_on(self.database()?, doing, step);
        if result.is_err() {
            self.database = None;
        }
        result
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                let database = (self.open)()
                    .map_err(|error| StoreError::database("opening the state", error))?;
                prepare(&database)?;
                database
            }
        };
        Ok(self.database.insert(database))
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Makes the tables of a fresh database; refuses one that a newer program wrote.
fn prepare(database: &Database) -> Result<(), StoreError> {
    let doing = "opening the state";
    let reading = database
        .begin_read()
        .map_err(|error| StoreError::database(doing, error))?;
    let schema = match reading.open_table(META) {
        Ok(table) => table
            .get("schema")
            .map_err(|error| StoreError::database(doing, error))?
            .map(|value| value.value().to_vec()),
        Err(redb::TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(StoreError::database(doing, error)),
    };
    match schema.map(|bytes| number(doing, Some(bytes))).transpose()? {
        Some(found) if found > SCHEMA => Err(StoreError::Newer {
            found,
            known: SCHEMA,
        }),
        Some(_) => Ok(()),
        None => write_on(database, doing, |writing| {
            ALL.iter().try_for_each(|rows| writing.ensure(*rows))?;
            writing.put(META, "schema", SCHEMA.to_string().as_bytes())
        }),
    }
}

fn write_on<T>(
    database: &Database,
    doing: &'static str,
    step: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut transaction = database
        .begin_write()
        .map_err(|error| StoreError::database(doing, error))?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(|error| StoreError::Disk {
            doing,
            what: error.to_string(),
        })?;
    let value = step(&Writing {
        transaction: &transaction,
        doing,
    })?;
    transaction
        .commit()
        .map_err(|error| StoreError::database(doing, error))?;
    Ok(value)
}

/// A counter's value; one that was never written is 0.
fn number(doing: &'static str, bytes: Option<Vec<u8>>) -> Result<u64, StoreError> {
    let Some(bytes) = bytes else { return Ok(0) };
    String::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StoreError::Damaged {
            doing,
            what: "a counter is not a number".to_owned(),
        })
}
