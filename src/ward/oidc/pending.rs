//! Machine: sign-ins that browsers have begun and not ended.
//!
//! ```text
//!   begun --browser comes back with its state and its cookie--> taken, once
//!     '-- 10 min, too many, or its state with another cookie --> gone
//! ```

use crate::units::Moment;
use crate::ward::session::Ticket;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long somebody may take to sign in at the service.
pub(in crate::ward) const LIFE: Duration = Duration::from_secs(10 * 60);
/// Sign-ins at a time; the oldest go first.
const PENDING_MAX: usize = 2000;
/// Sign-ins of one address, of a proxy perhaps.
const PER_ADDRESS_MAX: usize = 200;

/// A sign-in that was begun.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pending {
    /// The browser's cookie, by its hash.
    pub(super) browser: Ticket,
    /// What the ID token must repeat.
    pub(super) nonce: String,
    /// What proves that who changes the code began the sign-in (RFC 7636).
    pub(super) verifier: String,
    /// Where it was begun from.
    pub(super) from: IpAddr,
    /// When.
    pub(super) at: Moment,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({})", self.from)
    }
}

/// Why a browser that came back is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::ward) enum Unknown {
    /// Never begun here, used, or too old.
    #[error("this server knows of no such sign-in: over, used, or begun elsewhere")]
    State,
    /// Begun in another browser.
    #[error("it was begun in another browser")]
    Browser,
}

/// The machine. What is kept is found by the hash of its state.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    known: BTreeMap<Ticket, Pending>,
}

impl Waiting {
    /// Begins a sign-in under `state`.
    pub(super) fn begin(&mut self, state: Ticket, pending: Pending) {
        let now = pending.at;
        self.known.retain(|_, it| now.since(it.at) < LIFE);
        let same = |it: &Pending| it.from == pending.from;
        if self.known.values().filter(|it| same(it)).count() >= PER_ADDRESS_MAX {
            self.drop_oldest(same);
        }
        if self.known.len() >= PENDING_MAX {
            self.drop_oldest(|_| true);
        }
        self.known.insert(state, pending);
    }

    fn drop_oldest(&mut self, among: impl Fn(&Pending) -> bool) {
        let some = self.known.iter().filter(|(_, it)| among(it));
        let oldest = some.min_by_key(|(_, it)| it.at).map(|(state, _)| *state);
        if let Some(state) = oldest {
            self.known.remove(&state);
        }
    }

    /// Takes the sign-in of `state`, for good: also for a browser that is not its own, for then its state has leaked.
    pub(super) fn take(
        &mut self,
        state: &Ticket,
        browser: Option<&Ticket>,
        now: Moment,
    ) -> Result<Pending, Unknown> {
        let found = self.known.remove(state);
        let found = found.filter(|it| now.since(it.at) < LIFE);
        let pending = found.ok_or(Unknown::State)?;
        match browser == Some(&pending.browser) {
            true => Ok(pending),
            false => Err(Unknown::Browser),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    fn pending(browser: &str, from: u8, seconds: u64) -> Pending {
        Pending {
            browser: Ticket::of(browser),
            nonce: "nonce".to_owned(),
            verifier: "verifier".to_owned(),
            from: IpAddr::V4(Ipv4Addr::new(10, 0, 0, from)),
            at: at(seconds),
        }
    }

    fn take(waiting: &mut Waiting, state: &str, browser: &str, now: u64) -> Result<(), Unknown> {
        let browser = Ticket::of(browser);
        waiting
            .take(&Ticket::of(state), Some(&browser), at(now))
            .map(drop)
    }

    #[test]
    fn a_sign_in_is_taken_once_in_time_by_its_own_browser() {
        let mut it = Waiting::default();
        for state in ["a", "b", "c", "d"] {
            it.begin(Ticket::of(state), pending("own", 1, 0));
        }
        assert_eq!(take(&mut it, "a", "own", 599), Ok(()));
        assert_eq!(take(&mut it, "a", "own", 599), Err(Unknown::State));
        assert_eq!(take(&mut it, "b", "other", 1), Err(Unknown::Browser));
        assert_eq!(take(&mut it, "b", "own", 1), Err(Unknown::State));
        assert_eq!(take(&mut it, "c", "own", 600), Err(Unknown::State));
        let none = it.take(&Ticket::of("d"), None, at(1));
        assert_eq!(none, Err(Unknown::Browser));
        assert_eq!(take(&mut it, "never", "own", 1), Err(Unknown::State));
        let shown = format!("{:?}", pending("own", 1, 0));
        assert!(!shown.contains("nonce") && !shown.contains("verifier"));
    }

    #[test]
    fn there_are_so_many_and_the_oldest_go() {
        let mut it = Waiting::default();
        for number in 0..PER_ADDRESS_MAX + 1 {
            it.begin(Ticket::of(&format!("x{number}")), pending("own", 1, 1));
        }
        assert_eq!(it.known.len(), PER_ADDRESS_MAX);
        for number in 0..3 * PENDING_MAX {
            let from = u8::try_from(2 + number % 200).unwrap();
            it.begin(Ticket::of(&number.to_string()), pending("own", from, 2));
        }
        assert_eq!(it.known.len(), PENDING_MAX);
        // What is over makes room at the next one.
        it.begin(Ticket::of("late"), pending("own", 1, 700));
        assert_eq!(it.known.len(), 1);
    }
}
