//! Machine: who is signed in. A session is known by the SHA-256 of its cookie only.

use super::settings::SessionSettings;
use crate::units::WallTime;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// Sessions in all; the least used go first.
const SESSIONS_MAX: usize = 5000;
/// Sessions of one user.
const PER_USER_MAX: usize = 20;

/// The hash of a session's cookie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(pub [u8; 32]);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(***)")
    }
}

impl Ticket {
    /// The ticket of the cookie `secret`.
    pub(super) fn of(secret: &str) -> Ticket {
        Ticket(Sha256::digest(secret).into())
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// The user's name.
    pub(super) user: String,
    /// What the user's hash was: with another password, sessions end.
    pub(super) proof: String,
    /// When they signed in.
    pub(super) since: WallTime,
    /// When they did something last, or had a page open.
    pub(super) seen: WallTime,
}

/// The machine.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    limits: SessionSettings,
    known: BTreeMap<Ticket, Session>,
}

impl Sessions {
    /// The sessions that a store kept.
    pub(super) fn new(
        limits: SessionSettings,
        known: impl IntoIterator<Item = (Ticket, Session)>,
    ) -> Sessions {
        Sessions {
            limits,
            known: known.into_iter().take(SESSIONS_MAX).collect(),
        }
    }

    /// Begins a session; returns those that end for it.
    pub(super) fn begin(&mut self, ticket: Ticket, session: Session) -> Vec<Ticket> {
        let mut ended = Vec::new();
        let own = |(_, known): &(&Ticket, &Session)| known.user == session.user;
        if self.known.iter().filter(own).count() >= PER_USER_MAX {
            let oldest = self
                .known
                .iter()
                .filter(own)
                .min_by_key(|(_, known)| known.seen);
            ended.extend(oldest.map(|(ticket, _)| *ticket));
        }
        if self.known.len() >= SESSIONS_MAX {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.seen);
            ended.extend(oldest.map(|(ticket, _)| *ticket));
        }
        for ticket in &ended {
            self.known.remove(ticket);
        }
        self.known.insert(ticket, session);
        ended
    }

    /// The session of `ticket`, if it holds at `now`; it counts as used.
    pub(super) fn find(&mut self, ticket: &Ticket, now: WallTime) -> Option<Session> {
        let limits = self.limits;
        let session = self
            .known
            .get_mut(ticket)
            .filter(|session| holds(&limits, session, now))?;
        session.seen = session.seen.max(now);
        Some(session.clone())
    }

    /// When `session` ends at the latest.
    pub(super) fn ends_at(&self, session: &Session) -> WallTime {
        session.since.after(self.limits.length)
    }

    /// Ends a session; `false` when there was none.
    pub(super) fn end(&mut self, ticket: &Ticket) -> bool {
        self.known.remove(ticket).is_some()
    }

    /// Ends those that are over at `now`, and those that `keeps` does not keep; returns them.
    pub(super) fn sweep(&mut self, now: WallTime, keeps: impl Fn(&Session) -> bool) -> Vec<Ticket> {
        let limits = self.limits;
        let over = |session: &Session| !holds(&limits, session, now) || !keeps(session);
        let gone: Vec<Ticket> = self
            .known
            .iter()
            .filter(|(_, session)| over(session))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in &gone {
            self.known.remove(ticket);
        }
        gone
    }
}

/// A clock that was set back does not lengthen a session: what lies in the future is over.
fn holds(limits: &SessionSettings, session: &Session, now: WallTime) -> bool {
    const BACK_MAX: std::time::Duration = std::time::Duration::from_secs(3600);
    session.since.since(now) < BACK_MAX
        && now.since(session.since) < limits.length
        && now.since(session.seen) < limits.idle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMITS: SessionSettings = SessionSettings {
        length: Duration::from_secs(1000),
        idle: Duration::from_secs(100),
    };

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_millis(seconds * 1000)
    }

    fn session(user: &str, seconds: i64) -> Session {
        Session {
            user: user.to_owned(),
            proof: "hash".to_owned(),
            since: at(seconds),
            seen: at(seconds),
        }
    }

    fn sessions() -> Sessions {
        Sessions::new(LIMITS, [])
    }

    #[test]
    fn a_session_ends_when_idle_and_at_the_latest_after_its_length() {
        let ticket = Ticket::of("secret");
        let mut it = sessions();
        it.begin(ticket, session("lee", 0));
        assert!(it.find(&ticket, at(99)).is_some());
        assert!(it.find(&ticket, at(199)).is_none());
        it.begin(ticket, session("lee", 0));
        for second in (0..1000).step_by(50) {
            assert!(it.find(&ticket, at(second)).is_some(), "{second}");
        }
        assert!(it.find(&ticket, at(1000)).is_none());
        assert_eq!(it.ends_at(&session("lee", 0)), at(1000));
        assert_eq!(it.sweep(at(1000), |_| true), [ticket]);
    }

    #[test]
    fn a_clock_set_back_by_days_does_not_lengthen_it() {
        let ticket = Ticket::of("secret");
        let mut it = sessions();
        it.begin(ticket, session("lee", 100_000));
        assert!(it.find(&ticket, at(10)).is_none());
    }

    #[test]
    fn a_user_has_so_many_sessions_and_the_least_used_goes() {
        let mut it = sessions();
        for number in 0..25_i64 {
            let ended = it.begin(Ticket::of(&number.to_string()), session("lee", number));
            assert_eq!(ended.len(), usize::from(number >= 20), "{number}");
        }
        assert!(it.find(&Ticket::of("0"), at(25)).is_none());
        assert!(it.find(&Ticket::of("24"), at(25)).is_some());
    }

    #[test]
    fn who_is_no_user_any_longer_is_signed_out() {
        let mut it = sessions();
        it.begin(Ticket::of("a"), session("lee", 0));
        it.begin(Ticket::of("b"), session("wu", 0));
        assert_eq!(
            it.sweep(at(1), |session| session.user == "wu"),
            [Ticket::of("a")]
        );
        assert!(it.end(&Ticket::of("b")) && !it.end(&Ticket::of("b")));
    }
}
