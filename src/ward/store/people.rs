//! Sessions, wrong passwords, and who came by the hospital's sign-in service.

use super::{Db, StoreError, time, unsigned};
use crate::units::WallTime;
use crate::ward::limiter::Failures;
use crate::ward::session::{Session, Ticket};
use crate::ward::users::Role;
use rusqlite::{OptionalExtension, Row, params};

/// The most people of the sign-in service.
const PEOPLE_MAX: i64 = 20_000;

/// Somebody who came by the sign-in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ward) struct Known {
    /// What they are called here.
    pub(in crate::ward) name: String,
    /// The service.
    pub(in crate::ward) issuer: String,
    /// Who it is in the service's own words.
    pub(in crate::ward) subject: String,
    /// How they are shown.
    pub(in crate::ward) display: String,
    /// What they may do.
    pub(in crate::ward) role: Role,
}

fn known(row: &Row<'_>) -> rusqlite::Result<(Known, String)> {
    let known = Known {
        name: row.get(0)?,
        issuer: row.get(1)?,
        subject: row.get(2)?,
        display: row.get(3)?,
        role: Role::Nurse,
    };
    Ok((known, row.get(4)?))
}

fn with_role((known, role): (Known, String)) -> Result<Known, StoreError> {
    let role = Role::parse(&role).ok_or(StoreError::Damaged { table: "people" })?;
    Ok(Known { role, ..known })
}

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

    /// Everybody who came from `issuer`.
    pub(in crate::ward) fn people(&self, issuer: &str) -> Result<Vec<Known>, StoreError> {
        let query = "SELECT name, issuer, subject, display, role FROM people WHERE issuer = ?1";
        let mut statement = self.0.prepare(query)?;
        let rows = statement.query_map([issuer], known)?;
        rows.map(|row| with_role(row?)).collect()
    }

    /// Whoever is `subject` to `issuer`.
    pub(in crate::ward) fn person_of(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Known>, StoreError> {
        let query = "SELECT name, issuer, subject, display, role FROM people
            WHERE issuer = ?1 AND subject = ?2";
        let found = self
            .0
            .query_row(query, [issuer, subject], known)
            .optional()?;
        found.map(with_role).transpose()
    }

    /// Whether `person`'s name is that of another who came from the same service. One of a service of before gives way: whoever
    /// sets up another service says that its names are the names.
    pub(in crate::ward) fn is_taken(&self, person: &Known) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM people WHERE name = ?1 AND issuer = ?2 AND subject <> ?3)";
        let by = params![person.name, person.issuer, person.subject];
        Ok(self.0.query_row(query, by, |row| row.get(0))?)
    }

    /// Whether somebody but the one called `name` is shown as `display`.
    pub(in crate::ward) fn shows(&self, display: &str, name: &str) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM people WHERE display = ?1 AND name <> ?2)";
        Ok(self.0.query_row(query, [display, name], |row| row.get(0))?)
    }

    /// Keeps a person as they came at `now`. Errors: too many.
    pub(in crate::ward) fn put_person(
        &self,
        now: WallTime,
        person: &Known,
    ) -> Result<(), StoreError> {
        let query = "INSERT INTO people VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name)
            DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, display = excluded.display,
            role = excluded.role, seen_at = excluded.seen_at";
        let Known {
            name,
            issuer,
            subject,
            display,
            role,
        } = person;
        let at = now.unix_millis();
        let row = params![name, issuer, subject, display, role.as_str(), at];
        self.0.execute(query, row)?;
        match self.count("people")? > PEOPLE_MAX {
            true => Err(StoreError::Full { what: "people" }),
            false => Ok(()),
        }
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
