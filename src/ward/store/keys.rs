//! Physicians' keys, the codes that enrol them, and the lists that IT signed.

use super::{Db, StoreError, signed, time};
use crate::trust::KeyId;
use crate::units::WallTime;
use crate::wire::KeyListPayload;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

/// Codes that wait to be used.
const CODES_MAX: i64 = 1000;
/// Keys, those that were revoked included: as many as a list has.
const KEYS_MAX: i64 = 1000;

/// A key that was enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ward) struct EnrolledKey {
    /// Its id.
    pub(in crate::ward) key_id: KeyId,
    /// Whose it is.
    pub(in crate::ward) user: String,
    /// How they sign.
    pub(in crate::ward) by: String,
    /// The key, base64.
    pub(in crate::ward) public_key: String,
    /// Since when.
    pub(in crate::ward) enrolled_at: WallTime,
    /// Until when.
    pub(in crate::ward) revoked_at: Option<WallTime>,
}

/// A code that waits to be used, without the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::ward) struct Code {
    /// For whom.
    pub(in crate::ward) user: String,
    /// Since when.
    pub(in crate::ward) made_at: String,
    /// Until when.
    pub(in crate::ward) expires_at: String,
}

impl Db<'_> {
    /// Keeps the hash of a code. One of the same user's takes its place; those that are over go.
    pub(in crate::ward) fn put_code(
        &self,
        hash: &[u8; 32],
        user: &str,
        now: WallTime,
        expires_at: WallTime,
    ) -> Result<(), StoreError> {
        let drop_old = "DELETE FROM codes WHERE user = ?1 OR expires_at <= ?2";
        self.0.execute(drop_old, params![user, now.unix_millis()])?;
        if self.count("codes")? >= CODES_MAX {
            return Err(StoreError::Full { what: "codes" });
        }
        let query = "INSERT INTO codes VALUES (?1, ?2, ?3, ?4)";
        self.0.execute(
            query,
            params![hash, user, now.unix_millis(), expires_at.unix_millis()],
        )?;
        Ok(())
    }

    /// Uses up a code; `false` when it is not one of `user`'s that is still good.
    pub(in crate::ward) fn use_code(
        &self,
        hash: &[u8; 32],
        user: &str,
        now: WallTime,
    ) -> Result<bool, StoreError> {
        let query = "DELETE FROM codes WHERE hash = ?1 AND user = ?2 AND expires_at > ?3";
        Ok(self
            .0
            .execute(query, params![hash, user, now.unix_millis()])?
            > 0)
    }

    /// The codes that wait.
    pub(in crate::ward) fn codes(&self, now: WallTime) -> Result<Vec<Code>, StoreError> {
        let query =
            "SELECT user, made_at, expires_at FROM codes WHERE expires_at > ?1 ORDER BY user";
        let mut statement = self.0.prepare(query)?;
        let rows = statement.query_map([now.unix_millis()], |row| {
            Ok(Code {
                user: row.get(0)?,
                made_at: time(row.get(1)?).to_string(),
                expires_at: time(row.get(2)?).to_string(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All keys, oldest first.
    pub(in crate::ward) fn keys(&self) -> Result<Vec<EnrolledKey>, StoreError> {
        let query = "SELECT key_id, user, by, public_key, enrolled_at, revoked_at FROM keys \
            ORDER BY enrolled_at, key_id";
        let mut statement = self.0.prepare_cached(query)?;
        let rows = statement.query_map([], raw)?;
        rows.map(|row| row.map_err(StoreError::from).and_then(key))
            .collect()
    }

    /// Keeps a key; `false` when it is there, as whose ever.
    pub(in crate::ward) fn put_key(&self, key: &EnrolledKey) -> Result<bool, StoreError> {
        if self.count("keys")? >= KEYS_MAX {
            return Err(StoreError::Full { what: "keys" });
        }
        let query = "INSERT OR IGNORE INTO keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let rows = self.0.execute(
            query,
            params![
                key.key_id.as_str(),
                key.user,
                key.by,
                key.public_key,
                key.enrolled_at.unix_millis(),
                key.revoked_at.map(WallTime::unix_millis)
            ],
        )?;
        Ok(rows > 0)
    }

    /// Revokes a key; `false` when it is not there, or was revoked before.
    pub(in crate::ward) fn revoke_key(
        &self,
        key: &KeyId,
        now: WallTime,
    ) -> Result<bool, StoreError> {
        let query = "UPDATE keys SET revoked_at = ?2 WHERE key_id = ?1 AND revoked_at IS NULL";
        Ok(self
            .0
            .execute(query, params![key.as_str(), now.unix_millis()])?
            > 0)
    }

    /// The newest list that IT signed.
    pub(in crate::ward) fn list(&self) -> Result<Option<KeyListPayload>, StoreError> {
        let query = "SELECT list FROM lists ORDER BY counter DESC LIMIT 1";
        let text: Option<String> = self.0.query_row(query, [], |row| row.get(0)).optional()?;
        let parse = |text: String| {
            KeyListPayload::parse(text.as_bytes())
                .map_err(|_| StoreError::Damaged { table: "lists" })
        };
        text.map(parse).transpose()
    }

    /// Keeps a list. Errors: one of its counter is there.
    pub(in crate::ward) fn put_list(
        &self,
        counter: u64,
        list: &str,
        by: &str,
        now: WallTime,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO lists VALUES (?1, ?2, ?3, ?4)";
        self.0
            .execute(query, params![signed(counter), list, by, now.unix_millis()])?;
        Ok(())
    }
}

type Raw = (String, String, String, String, i64, Option<i64>);

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

fn key(
    (id, user, by, public_key, enrolled_at, revoked_at): Raw,
) -> Result<EnrolledKey, StoreError> {
    Ok(EnrolledKey {
        key_id: KeyId::parse(&id).map_err(|_| StoreError::Damaged { table: "keys" })?,
        user,
        by,
        public_key,
        enrolled_at: time(enrolled_at),
        revoked_at: revoked_at.map(time),
    })
}
