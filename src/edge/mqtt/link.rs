//! The link's thread: connect, serve, wait, connect again.

use super::connection::{Ended, Wants, serve};
use super::reason::LinkError;
use super::settings::Settings;
use super::{Command, Notice};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::time::{Instant, sleep_until};

/// Commands that may wait for the thread. The outbox has one message in flight, health one more.
const COMMANDS_MAX: usize = 16;
/// A connection that held so long was a good one: the next wait starts small again.
const GOOD_AFTER: Duration = Duration::from_secs(60);

/// What takes commands: the link, or a double in a test.
pub trait Publisher {
    /// Hands over a command without waiting. Errors: [`LinkError::Busy`], [`LinkError::Ended`].
    fn ask(&self, command: Command) -> Result<(), LinkError>;
}

/// The link to the broker: a handle on its thread.
#[derive(Debug)]
pub struct Link {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

impl Publisher for Link {
    fn ask(&self, command: Command) -> Result<(), LinkError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => LinkError::Busy,
                TrySendError::Closed(_) => LinkError::Ended,
            })
    }
}

/// What the told says of a message: nothing, or whether it is kept.
pub trait Answer {
    /// Whether the broker may forget it.
    fn kept(self) -> bool;
}

impl Answer for () {
    fn kept(self) -> bool {
        true
    }
}

impl Answer for bool {
    fn kept(self) -> bool {
        self
    }
}

impl Link {
    /// Starts the thread. `tell` is called on it with every notice; when it blocks, the link waits. `dice` gives any
    /// number; it spreads the reconnects of many boxes.
    ///
    /// With [`Settings::ack_when_kept`] a message that `tell` answers with `false` is not acknowledged: the connection is
    /// made anew after a wait, and the broker sends it again.
    ///
    /// Errors: settings that cannot work at all. A broker that is away is not an error: [`Notice::Disconnected`].
    pub fn start<A: Answer>(
        settings: Settings,
        mut tell: impl FnMut(Notice) -> A + Send + 'static,
        dice: impl FnMut() -> u32 + Send + 'static,
    ) -> Result<Link, LinkError> {
        settings.options()?;
        let thread_error = |error: std::io::Error| LinkError::Thread {
            what: error.to_string(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(thread_error)?;
        let (commands, inbox) = channel(COMMANDS_MAX);
        let thread = std::thread::Builder::new()
            .name("mqtt".to_owned())
            .spawn(move || {
                let tell = move |notice| tell(notice).kept();
                runtime.block_on(run(&settings, inbox, tell, dice));
                // A name lookup that hangs must not hold up the end of the program.
                runtime.shutdown_background();
            })
            .map_err(thread_error)?;
        Ok(Link { commands, thread })
    }

    /// Whether the thread runs.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits for the thread's end, after [`Command::Stop`].
    pub fn join(self) {
        drop(self.commands);
        // A panic on the thread was told by its silence: the daemon sees it by `is_alive`.
        drop(self.thread.join());
    }
}

async fn run(
    settings: &Settings,
    mut inbox: Receiver<Command>,
    mut tell: impl FnMut(Notice) -> bool,
    mut dice: impl FnMut() -> u32,
) {
    let mut failures = 0_u32;
    loop {
        let started = now();
        let Ended { why, wants } = serve(settings, &mut inbox, &mut tell).await;
        if let Some(why) = why {
            tell(Notice::Disconnected(why));
        }
        if now().duration_since(started) > GOOD_AFTER {
            failures = 0;
        }
        match wants {
            Wants::Stop => break,
            Wants::Now => continue,
            Wants::Retry => {}
        }
        let wait = backoff(settings, failures, dice());
        failures = failures.saturating_add(1);
        if rest(&mut inbox, wait).await {
            break;
        }
    }
    tell(Notice::Stopped);
}

/// Waits; returns whether a stop was asked for. What else is asked for while there is no connection is dropped: the
/// outbox holds its messages since it heard of the disconnection.
async fn rest(inbox: &mut Receiver<Command>, wait: Duration) -> bool {
    let until = now() + wait;
    loop {
        tokio::select! {
            () = sleep_until(until) => return false,
            command = inbox.recv() => match command {
                None | Some(Command::Stop(_)) => return true,
                Some(Command::Reconnect) => return false,
                Some(Command::Send(_) | Command::PublishHealth(_)) => {}
            },
        }
    }
}

/// The wait after `failures` failed tries: doubles up to the limit, the upper half drawn by the dice.
fn backoff(settings: &Settings, failures: u32, dice: u32) -> Duration {
    let full = settings
        .retry_wait_min
        .saturating_mul(1 << failures.min(16))
        .min(settings.retry_wait_max);
    full / 2 + (full / 2).mul_f64(f64::from(dice) / f64::from(u32::MAX))
}

fn now() -> Instant {
    Instant::now()
}
