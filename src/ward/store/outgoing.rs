//! What is to be said to boxes, until the broker has taken it.

use super::{Db, StoreError, signed, unsigned};
use crate::units::WallTime;
use rusqlite::{OptionalExtension, params};

/// Messages that may wait: a list of keys to every box, and a long outage of the broker.
const WAITING_MAX: i64 = 50_000;

/// A message to a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ward) struct Waiting {
    /// Its topic.
    pub(in crate::ward) topic: String,
    /// Its bytes.
    pub(in crate::ward) payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub(in crate::ward) retain: bool,
}

impl Db<'_> {
    /// Keeps a message; returns its number. A retained one takes the place of one to the same topic. Errors: too many wait.
    pub(in crate::ward) fn put_outgoing(
        &self,
        message: &Waiting,
        now: WallTime,
    ) -> Result<u64, StoreError> {
        if message.retain {
            let query = "DELETE FROM outgoing WHERE topic = ?1 AND retain = 1";
            self.0.execute(query, [&message.topic])?;
        }
        if self.count("outgoing")? >= WAITING_MAX {
            return Err(StoreError::Full {
                what: "messages to boxes",
            });
        }
        let query = "INSERT INTO outgoing (topic, payload, retain, at) VALUES (?1, ?2, ?3, ?4)";
        let at = now.unix_millis();
        self.0.execute(
            query,
            params![message.topic, message.payload, message.retain, at],
        )?;
        unsigned(self.0.last_insert_rowid(), "outgoing")
    }

    /// The numbers of all messages.
    pub(in crate::ward) fn outgoing_numbers(&self) -> Result<Vec<u64>, StoreError> {
        let mut statement = self
            .0
            .prepare("SELECT number FROM outgoing ORDER BY number")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.map(|row| unsigned(row?, "outgoing")).collect()
    }

    /// A message.
    pub(in crate::ward) fn outgoing(&self, number: u64) -> Result<Option<Waiting>, StoreError> {
        let query = "SELECT topic, payload, retain FROM outgoing WHERE number = ?1";
        let found = self.0.query_row(query, [signed(number)], |row| {
            Ok(Waiting {
                topic: row.get(0)?,
                payload: row.get(1)?,
                retain: row.get(2)?,
            })
        });
        Ok(found.optional()?)
    }

    /// Forgets a message that the broker took.
    pub(in crate::ward) fn drop_outgoing(&self, number: u64) -> Result<(), StoreError> {
        self.0
            .execute("DELETE FROM outgoing WHERE number = ?1", [signed(number)])?;
        Ok(())
    }
}
