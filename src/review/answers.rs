//! How often words that change nothing are answered: each answer is a write to the disk and a message.

use crate::units::Moment;
use std::time::Duration;

/// So often in a row.
const IN_A_ROW: u32 = 20;
/// Then one more in each of these.
const EVERY: Duration = Duration::from_millis(500);

/// The answers that are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    left: u32,
    counted: Moment,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers {
            left: IN_A_ROW,
            counted: Moment::default(),
        }
    }
}

impl Answers {
    /// Takes one; `false` when none is left.
    pub(super) fn take(&mut self, now: Moment) -> bool {
        let earned = now.since(self.counted).as_millis() / EVERY.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(IN_A_ROW);
            self.counted = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}
