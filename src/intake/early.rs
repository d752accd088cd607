//! Work ahead of the quiet time: when a series that is still open looks complete, it is judged; what came of it is
//! held until the series is quiet.

use super::pace::Silences;
use std::time::Duration;

/// Nothing new must have come for so long, at least.
const PAUSE_MIN: Duration = Duration::from_millis(150);
/// And no longer, unless runs were wasted: the result is to be there before the shortest wait is over.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Runs in vain after which a series is left alone until it is quiet; the pause doubles with each.
const WASTED_MAX: u32 = 6;

/// Where the early run of a series stands; voided by each new slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Early {
    /// Not looked at since the last slice.
    #[default]
    Open,
    /// Looked at: it cannot be complete.
    Unfit,
    /// Handed out as this generation.
    Running(u64),
    /// Judged as this generation.
    Judged {
        generation: u64,
        /// How long it has to be silent; `None` when it is not known to be complete.
        wait: Option<Duration>,
    },
}

impl Early {
    /// The generation that was handed out ahead of time, if it still holds.
    pub(super) fn generation(self) -> Option<u64> {
        match self {
            Early::Open | Early::Unfit => None,
            Early::Running(generation) | Early::Judged { generation, .. } => Some(generation),
        }
    }

    /// The wait of a series known to be complete.
    pub(super) fn wait(self) -> Option<Duration> {
        match self {
            Early::Judged { wait, .. } => wait,
            Early::Open | Early::Unfit | Early::Running(_) => None,
        }
    }
}

/// How the instances of one series came.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    silences: Silences,
    /// The longest silence.
    pub(super) longest: Duration,
    /// The longest silence after which something came although the series was known to be complete.
    pub(super) late: Option<Duration>,
    /// Something came when its ending was made already.
    pub(super) superseded: bool,
    wasted: u32,
}

impl Course {
    /// Something new came after `silence`.
    pub(super) fn note(&mut self, silence: Duration, early: Early) {
        self.silences.add(silence, 1.0);
        self.longest = self.longest.max(silence);
        if early.wait().is_some() {
            self.late = self.late.max(Some(silence));
        }
        if early.generation().is_some() {
            self.wasted += 1;
        }
    }

    /// Something new came `silence` after the series had been handed out to be ended.
    pub(super) fn note_superseded(&mut self, silence: Duration) {
        self.late = self.late.max(Some(silence));
        self.superseded = true;
    }

    /// The silence after which it is worth a look whether the series is complete; `None` when too many were in vain.
    pub(super) fn pause(&self) -> Option<Duration> {
        let twice_usual = self.silences.quantile(0.9) * 2;
        (self.wasted < WASTED_MAX)
            .then(|| twice_usual.clamp(PAUSE_MIN, PAUSE_MAX) * (1 << self.wasted))
    }
}
