//! Sessions, and wrong passwords.

use super::{Db, StoreError, time, unsigned};
use crate::units::WallTime;
use crate::ward::limiter::Failures;
use crate::ward::session::{Session, Ticket};
use rusqlite::params;

impl Db<'_> {
    /// All sessions; they count as used at `now`.
    pub(in crate::ward) fn sessions(
        &self,
        now: WallTime,
    ) -> Result<Vec<(Ticket, Session)>, StoreError> {
        let mut statement = self
            .0
            .prepare("SELECT ticket, user, proof, since FROM sessions")?;
        let rows = statement.query_map([], |row| {
            let session = Session {
                user: row.get(1)?,
                proof: row.get(2)?,
                since: time(row.get(3)?),
                seen: now,
            };
            Ok((Ticket(row.get(0)?), session))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps a session.
    pub(in crate::ward) fn put_session(
        &self,
        ticket: &Ticket,
        session: &Session,
    ) -> Result<(), StoreError> {
        let query = "INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3, ?4)";
        let since = session.since.unix_millis();
        self.0
            .execute(query, params![ticket.0, session.user, session.proof, since])?;
        Ok(())
    }

    /// Forgets sessions.
    pub(in crate::ward) fn drop_sessions(&self, tickets: &[Ticket]) -> Result<(), StoreError> {
        for ticket in tickets {
            self.0
                .execute("DELETE FROM sessions WHERE ticket = ?1", [ticket.0])?;
        }
        Ok(())
    }

    /// The wrong passwords of all users.
    pub(in crate::ward) fn failures(&self) -> Result<Vec<(String, Failures)>, StoreError> {
        let mut statement = self
            .0
            .prepare("SELECT user, count, at FROM failures ORDER BY at DESC")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get(2)?))
        })?;
        rows.map(|row| {
            let (user, count, at) = row?;
            let count = u32::try_from(unsigned(count, "failures")?).unwrap_or(u32::MAX);
            Ok((
                user,
                Failures {
                    count,
                    at: time(at),
                },
            ))
        })
        .collect()
    }

    /// Keeps the wrong passwords of a user; `None` forgets them. Those of long ago go.
    pub(in crate::ward) fn put_failures(
        &self,
        user: &str,
        failures: Option<Failures>,
    ) -> Result<(), StoreError> {
        match failures {
            Some(failures) => {
                let at = failures.at.unix_millis();
                let query = "INSERT OR REPLACE INTO failures VALUES (?1, ?2, ?3)";
                self.0.execute(query, params![user, failures.count, at])?;
                let day = 86_400_000;
                self.0.execute(
                    "DELETE FROM failures WHERE at < ?1",
                    [at.saturating_sub(day)],
                )?;
            }
            None => drop(
                self.0
                    .execute("DELETE FROM failures WHERE user = ?1", [user])?,
            ),
        }
        Ok(())
    }
}
