//! The accelerator as the judge uses it: tried on a thread of its own, taken over when it has passed, dropped at the first
//! trouble.

use super::remote::{Order, Remote};
use super::trial::{Trial, trial};
use super::{Standing, Tell, Trouble};
use crate::config::EngineSettings;
use crate::infer::{Backend, EngineOptions};
use crate::model::ModelPackage;
use crate::volume::{BitMask, Grid3};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use tracing::{info, warn};

/// The accelerator of this run. Trouble ends it: a runtime that failed once is not trusted with the next series.
pub struct Accelerator {
    state: State,
    tell: Tell,
}

enum State {
    /// Series run on the CPU until the trial is over.
    Trying(Receiver<Box<Remote>>),
    Used(Box<Remote>),
    NotUsed,
}

impl fmt::Debug for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Trying(_) => "Accelerator(trying)",
            State::Used(_) => "Accelerator(used)",
            State::NotUsed => "Accelerator(not used)",
        })
    }
}

impl Accelerator {
    /// Starts the trial beside the caller; `tell` hears its end and what comes later.
    pub fn start(
        settings: &EngineSettings,
        package: &ModelPackage,
        options: EngineOptions,
        tell: Tell,
    ) -> Accelerator {
        let (send, passed) = sync_channel(1);
        let (settings, package, teller) = (settings.clone(), package.clone(), Arc::clone(&tell));
        let work = move || match guarded(|| tried(&settings, &package, options)) {
            Ok((remote, trial)) => {
                info!(%trial, "the accelerator passed its trial");
                let name = trial.name;
                // The judge is gone only when the service ends.
                if send.send(Box::new(remote)).is_ok() {
                    teller(Standing::Used(name));
                }
            }
            Err(trouble) => not_used(trouble, &teller),
        };
        let started = std::thread::Builder::new()
            .name("accelerator".to_owned())
            .spawn(work);
        if let Err(error) = started {
            let what = format!("the thread of its trial did not start: {error}");
            not_used(Trouble::Failed(what), &tell);
        }
        Accelerator {
            state: State::Trying(passed),
            tell,
        }
    }

    /// Makes the trial here and now; its result in words.
    pub fn examine(
        settings: &EngineSettings,
        package: &ModelPackage,
        options: EngineOptions,
    ) -> Result<String, Trouble> {
        tried(settings, package, options).map(|(_, trial)| trial.to_string())
    }

    /// The mask of `hu` and the engine's name; `None` where the CPU engine has to run.
    pub(super) fn segment(&mut self, hu: &Grid3<i16>) -> Option<(String, BitMask)> {
        if let State::Trying(passed) = &self.state {
            match passed.try_recv() {
                Ok(remote) => self.state = State::Used(remote),
                Err(TryRecvError::Disconnected) => self.state = State::NotUsed,
                Err(TryRecvError::Empty) => {}
            }
        }
        let State::Used(remote) = &mut self.state else {
            return None;
        };
        match guarded(|| remote.mask(hu)) {
            Ok(mask) => Some((remote.name().to_owned(), mask)),
            Err(trouble) => {
                self.state = State::NotUsed;
                not_used(trouble, &self.tell);
                None
            }
        }
    }
}

fn tried(
    settings: &EngineSettings,
    package: &ModelPackage,
    options: EngineOptions,
) -> Result<(Remote, Trial), Trouble> {
    let order = Order::new(settings)?;
    trial(&order, package, options, settings.accelerator)
}

/// `work`, whose panic is a trouble too.
fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Trouble::Failed("our end of it panicked".to_owned())))
}

fn not_used(trouble: Trouble, tell: &Tell) {
    warn!(%trouble, advice = trouble.advice(), "series run on the CPU");
    tell(Standing::NotUsed(trouble));
}
