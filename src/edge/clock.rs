//! The clocks of the box: the only place that asks what time it is.

use crate::outbox::At;
use crate::units::{Moment, WallTime};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock that starts at zero, beside the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the monotonic clock"
    )]
    pub fn start() -> Clock {
        Clock {
            start: Instant::now(),
        }
    }

    /// The time since the start.
    pub fn now(&self) -> Moment {
        Moment::default().after(self.start.elapsed())
    }

    /// The time since the start, as fine as the system has it: for measuring.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The wall clock; 1970 on a box whose clock was set before it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn wall(&self) -> WallTime {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        WallTime::default().after(since)
    }

    /// Both clocks and a throw of dice.
    pub(super) fn at(&self) -> At {
        At {
            now: self.now(),
            wall: self.wall(),
            dice: dice(),
        }
    }
}

/// A random number from the system; an even spread is all that is asked of it, so zero serves where there is none.
pub fn dice() -> u32 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => 0,
    }
}
