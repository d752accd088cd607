//! Machine: how often a password may be wrong, for each user and each address.
//!
//! ```text
//!   user     free --5th wrong password--> locked for 15 min --> free        (durable: the store keeps it)
//!   address  free --20 wrong in 5 min--> waits until the window is over     (in memory)
//! ```

use crate::units::WallTime;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong passwords of a user before the lock.
const USER_FAILURES_MAX: u32 = 5;
/// How long the lock holds; wrong passwords older than this are forgotten.
const LOCK: Duration = Duration::from_secs(15 * 60);
/// Wrong passwords from one address within a window: several people behind one.
const ADDRESS_FAILURES_MAX: u32 = 20;
/// The window of an address.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Users and addresses remembered; the oldest go first.
const KEPT_MAX: usize = 10_000;

/// Whether a password may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Try.
    Open,
    /// This address has to wait.
    Wait {
        /// So long.
        left: Duration,
    },
    /// This user is locked.
    Locked {
        /// Until then.
        until: WallTime,
    },
}

/// The wrong passwords of a user or an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    /// How many.
    pub(super) count: u32,
    /// When the last was, of an address the first.
    pub(super) at: WallTime,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Limiter {
    users: BTreeMap<String, Failures>,
    addresses: BTreeMap<IpAddr, Failures>,
}

impl Limiter {
    /// A limiter that remembers the wrong passwords of before the restart.
    pub(super) fn new(users: impl IntoIterator<Item = (String, Failures)>) -> Limiter {
        Limiter {
            users: users.into_iter().take(KEPT_MAX).collect(),
            addresses: BTreeMap::new(),
        }
    }

    /// Whether `user` may try a password from `address`. Unknown users are treated alike: nobody learns who exists.
    pub(super) fn gate(&self, user: &str, address: IpAddr, now: WallTime) -> Gate {
        if let Some(left) = self.wait_of(address, now) {
            return Gate::Wait { left };
        }
        match self.users.get(user) {
            Some(known) if known.count >= USER_FAILURES_MAX && now.since(known.at) < LOCK => {
                let until = known.at.after(LOCK);
                Gate::Locked { until }
            }
            Some(_) | None => Gate::Open,
        }
    }

    /// How long `address` has to wait; `None` when it may go on.
    pub(super) fn wait_of(&self, address: IpAddr, now: WallTime) -> Option<Duration> {
        let known = self.addresses.get(&address)?;
        let age = now.since(known.at);
        let waits = known.count >= ADDRESS_FAILURES_MAX && age < WINDOW;
        waits.then(|| WINDOW.saturating_sub(age))
    }

    /// Something in vain from `address`.
    pub(super) fn failed_from(&mut self, address: IpAddr, now: WallTime) {
        let known = self.addresses.get(&address).copied();
        let within = known.filter(|known| now.since(known.at) < WINDOW);
        let from = within.unwrap_or(Failures { count: 0, at: now });
        let failures = Failures {
            count: from.count.saturating_add(1),
            at: from.at,
        };
        keep(&mut self.addresses, address, failures);
    }

    /// A wrong password; returns what the store shall keep of the user, and whether that locked them.
    pub(super) fn failed(
        &mut self,
        user: &str,
        address: IpAddr,
        now: WallTime,
    ) -> (Failures, bool) {
        self.failed_from(address, now);
        let known = self.users.get(user).copied();
        let recent =
            known.filter(|known| now.since(known.at) < LOCK && known.count < USER_FAILURES_MAX);
        let failures = Failures {
            count: recent.map_or(0, |known| known.count).saturating_add(1),
            at: now,
        };
        keep(&mut self.users, user.to_owned(), failures);
        (failures, failures.count >= USER_FAILURES_MAX)
    }

    /// The right password.
    pub(super) fn succeeded(&mut self, user: &str) {
        self.users.remove(user);
    }
}

fn keep<K: Ord + Clone>(known: &mut BTreeMap<K, Failures>, key: K, failures: Failures) {
    if known.len() >= KEPT_MAX && !known.contains_key(&key) {
        let oldest = known.iter().min_by_key(|(_, failures)| failures.at);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            known.remove(&oldest);
        }
    }
    known.insert(key, failures);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_millis(seconds * 1000)
    }

    #[test]
    fn the_fifth_wrong_password_locks_for_a_time_told() {
        let mut limiter = Limiter::default();
        for second in 0..4 {
            assert!(!limiter.failed("lee", HERE, at(second)).1);
            assert_eq!(limiter.gate("lee", HERE, at(second)), Gate::Open);
        }
        let (failures, locks) = limiter.failed("lee", HERE, at(4));
        assert!(locks);
        let until = at(4 + 900);
        assert_eq!(limiter.gate("lee", HERE, at(903)), Gate::Locked { until });
        assert_eq!(limiter.gate("wu", HERE, at(5)), Gate::Open);
        assert_eq!(limiter.gate("lee", HERE, until), Gate::Open);
        // A restart does not unlock, and one more wrong password after the lock does not lock at once.
        let mut again = Limiter::new([("lee".to_owned(), failures)]);
        assert_eq!(again.gate("lee", HERE, at(5)), Gate::Locked { until });
        assert!(!again.failed("lee", HERE, until).1);
    }

    #[test]
    fn the_right_password_forgets_the_wrong_ones() {
        let mut limiter = Limiter::default();
        for second in 0..4 {
            limiter.failed("lee", HERE, at(second));
        }
        limiter.succeeded("lee");
        assert!(!limiter.failed("lee", HERE, at(5)).1);
    }

    #[test]
    fn an_address_that_guesses_at_many_users_has_to_wait() {
        let mut limiter = Limiter::default();
        for guess in 0..20 {
            assert_eq!(limiter.gate("new", HERE, at(guess)), Gate::Open, "{guess}");
            limiter.failed(&format!("user-{guess}"), HERE, at(guess));
        }
        let left = Duration::from_secs(280);
        assert_eq!(limiter.gate("new", HERE, at(20)), Gate::Wait { left });
        let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(limiter.gate("new", other, at(20)), Gate::Open);
        assert_eq!(limiter.gate("new", HERE, at(300)), Gate::Open);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut limiter = Limiter::default();
        for guess in 0..KEPT_MAX + 5 {
            let second = i64::try_from(guess).unwrap();
            limiter.failed(&format!("user-{guess}"), HERE, at(second));
        }
        assert_eq!(limiter.users.len(), KEPT_MAX);
        assert!(!limiter.users.contains_key("user-0"));
    }
}
