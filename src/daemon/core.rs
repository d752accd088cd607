//! The core's state and its one door, [`Daemon::handle`].

use super::job::{Judgement, Saving};
use super::messages::degraded;
use crate::fault::Fault;
use crate::health::{self, Degraded, Health};
use crate::ids::SeriesKey;
use crate::intake::{self, Intake, Ready};
use crate::outbox::{self, At, Outbox};
use crate::outcome::{Outcome, Why};
use crate::review::{self, Review};
use crate::units::Moment;
use crate::wire::{HealthPayload, MessageId, Sender};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Wait before a transaction that the store refused is tried again.
const SAVE_AGAIN: Duration = Duration::from_secs(2);

/// What the core is given at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who sends, and what the settings let out.
    pub sender: Sender,
    /// The digest of the model that runs; part of every finding's id.
    pub model: String,
    /// Bounds of the outbox.
    pub outbox: outbox::Limits,
    /// The rules of the ward.
    pub review: review::Limits,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// Something in the export folder.
    Intake(intake::Event),
    /// The pipeline is done with a series.
    Judged(Box<Judgement>),
    /// A series was compared with the patient's prior, or there is none.
    Compared(Box<Judgement>),
    /// The store holds a series' ending.
    Saved(Box<Saving>),
    /// The store did not take it; nothing of it is durable.
    SaveFailed(Box<Saving>),
    /// Something at the broker, or a message the store has forgotten.
    Outbox(outbox::Event),
    /// A message from the ward's side.
    Ward {
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// What the store says of a finding at the ward.
    Review(review::Event),
    /// A figure for the health document.
    Health(health::Event),
    /// Time passed.
    Tick,
}

/// What the edge shall do.
#[derive(Debug)]
pub enum Action {
    /// Read this file; answer with [`intake::Event::Read`].
    Read(intake::Reading),
    /// Run the pipeline; answer with [`Event::Judged`].
    Judge(Box<Ready>),
    /// Look for the patient's prior and compare with it; answer with [`Event::Compared`].
    Compare(Box<Judgement>),
    /// Write this to the store in one transaction; answer with [`Event::Saved`] or [`Event::SaveFailed`].
    Save(Box<Saving>),
    /// Read the message from the store, mark it late if told so, publish it.
    Send {
        /// The message.
        id: MessageId,
        /// Whether it carries `late: true`.
        late: bool,
    },
    /// Forget the message in the store.
    Delete(MessageId),
    /// Read or write how a finding stands at the ward; answer with [`Event::Review`].
    Review(review::Action),
    /// Drop the connection to the broker and make it anew.
    Reconnect,
    /// Publish the health document.
    PublishHealth(Box<HealthPayload>),
    /// For the log: a file that holds nothing of a series.
    Ignored(crate::refusal::Refusal),
    /// For the log: a preview was given up.
    GaveUp(MessageId),
}

/// The core.
#[derive(Debug)]
pub struct Daemon {
    pub(super) settings: Settings,
    pub(super) intake: Intake,
    pub(super) outbox: Outbox,
    pub(super) review: Review,
    pub(super) health: Health,
    /// Quiet series, to be judged and ended.
    ready: VecDeque<Box<Ready>>,
    /// Series that look complete, to be judged when no quiet one waits. The intake bounds their number.
    early: VecDeque<Box<Ready>>,
    /// What was judged ahead of time, until its series is quiet.
    held: Vec<Judgement>,
    judging: bool,
    unsaved: VecDeque<(Moment, Box<Saving>)>,
    pub(super) in_flight: usize,
}

impl Daemon {
    /// A core around machines that already know what the store holds.
    pub fn new(settings: Settings, intake: Intake, health: Health) -> Daemon {
        Daemon {
            outbox: Outbox::new(settings.outbox),
            review: Review::new(settings.review.clone(), settings.sender.root.clone()),
            settings,
            intake,
            health,
            ready: VecDeque::new(),
            early: VecDeque::new(),
            held: Vec::new(),
            judging: false,
            unsaved: VecDeque::new(),
            in_flight: 0,
        }
    }

    /// The limits of the intake and what payloads show, after the settings were read anew.
    pub fn reload(&mut self, limits: intake::IntakeLimits, sender: Sender) {
        self.intake.set_limits(limits);
        self.settings.sender = sender;
    }

    /// Takes an event; says what to do, in order.
    pub fn handle(&mut self, event: Event, at: At) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Intake(event) => self.tell_intake(event, at, &mut actions),
            Event::Judged(judgement) => self.judged(*judgement, at, &mut actions),
            Event::Compared(judgement) => self.compared(*judgement, at, &mut actions),
            Event::Saved(saving) => self.saved(&saving, at, &mut actions),
            Event::SaveFailed(saving) => self.save_failed(saving, at, &mut actions),
            Event::Outbox(event) => self.tell_outbox(event, at, &mut actions),
            Event::Ward { topic, payload } => self.heard(&topic, payload, at, &mut actions),
            Event::Review(event) => self.tell_review(event, at, &mut actions),
            Event::Health(event) => self.tell_health(event, at, &mut actions),
            Event::Tick => {
                self.tell_review(review::Event::Tick, at, &mut actions);
                self.tell_intake(intake::Event::Tick, at, &mut actions);
                self.tell_outbox(outbox::Event::Tick, at, &mut actions);
            }
        }
        self.save_again(at, &mut actions);
        self.forget_what_is_void();
        self.end_what_is_judged(at, &mut actions);
        self.judge_next(&mut actions);
        self.figures(at, &mut actions);
        actions
    }

    /// When to call with [`Event::Tick`] at the latest.
    pub fn wake_at(&self) -> Option<Moment> {
        let unsaved = self.unsaved.iter().map(|(when, _)| *when).min();
        [
            self.intake.wake_at(),
            self.outbox.wake_at(),
            self.review.wake_at(),
            self.health.wake_at(),
            unsaved,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing is under way: no open series, nothing to save, nothing to send.
    pub fn is_idle(&self) -> bool {
        self.intake.open_series() == 0
            && self.unsaved.is_empty()
            && !self.judging
            && self.ready.is_empty()
            && self.held.is_empty()
    }

    /// The series of which files stand in the export folder; `None` while that cannot be told.
    pub fn present(&self) -> Option<BTreeSet<&SeriesKey>> {
        self.intake
            .folder_reachable()
            .then(|| self.intake.present())
    }

    /// Whether the broker is connected.
    pub fn is_online(&self) -> bool {
        self.outbox.is_online()
    }

    /// The last word to the broker at a clean stop.
    pub fn will(&self) -> crate::wire::OfflinePayload {
        self.health.will()
    }

    // ---- series ----------------------------------------------------------------------------------------------

    fn tell_intake(&mut self, event: intake::Event, at: At, actions: &mut Vec<Action>) {
        let opened = self.intake.open_series();
        for action in self.intake.handle(event, at.now) {
            match action {
                intake::Action::Read(reading) => actions.push(Action::Read(reading)),
                intake::Action::Judge(ready) => self.ready.push_back(ready),
                intake::Action::JudgeEarly(ready) => self.early.push_back(ready),
                intake::Action::Ignored { refusal, .. } => actions.push(Action::Ignored(refusal)),
            }
        }
        for _ in opened..self.intake.open_series() {
            self.tell_health(health::Event::SeriesOpened, at, actions);
        }
    }

    /// One series at a time: two would share the same two cores and both be late. Those that are quiet go first.
    fn judge_next(&mut self, actions: &mut Vec<Action>) {
        while !self.judging && self.outbox.has_room() {
            let Some(ready) = self.ready.pop_front().or_else(|| self.early.pop_front()) else {
                return;
            };
            self.judging = true;
            actions.push(Action::Judge(ready));
        }
    }

    /// A series that got another instance is handed out again when it is quiet: what was to be judged of it, or was
    /// judged ahead of time, goes, and its slices' memory with it.
    fn forget_what_is_void(&mut self) {
        let intake = &self.intake;
        self.ready
            .retain(|ready| intake.is_current(&ready.key, ready.generation));
        self.early.retain(|ready| {
            let (key, generation) = (&ready.key, ready.generation);
            intake.is_early(key, generation) && !intake.is_current(key, generation)
        });
        self.held.retain(|held| {
            let (key, generation) = (&held.ready.key, held.ready.generation);
            intake.is_early(key, generation)
        });
    }

    /// Series that became quiet after they had been judged.
    fn end_what_is_judged(&mut self, at: At, actions: &mut Vec<Action>) {
        let mut waiting = VecDeque::new();
        for ready in std::mem::take(&mut self.ready) {
            // A judgement under way is that of this very series: it ends it when it comes.
            let of_this = |held: &Judgement| held.ready.generation == ready.generation;
            let held = self.held.iter().position(of_this);
            match held.filter(|_| self.outbox.has_room()) {
                Some(index) => {
                    let held = self.held.swap_remove(index);
                    if held.holds_for(&ready) {
                        let late = at.now.since(ready.ready_at);
                        self.end(held.settled(ready, at.wall, late), at, actions);
                    } else {
                        waiting.push_back(ready);
                    }
                }
                None => waiting.push_back(ready),
            }
        }
        waiting.append(&mut self.ready);
        self.ready = waiting;
    }

    fn judged(&mut self, judgement: Judgement, at: At, actions: &mut Vec<Action>) {
        self.judging = false;
        let (key, generation) = (judgement.ready.key.clone(), judgement.ready.generation);
        let quiet = self.intake.is_current(&key, generation);
        // It became quiet while it was judged ahead of time: its ending waits among the others.
        let awaited = self
            .ready
            .iter()
            .any(|ready| ready.generation == generation);
        if self.intake.is_early(&key, generation) {
            let complete = judgement.covers_lungs();
            let event = intake::Event::JudgedEarly {
                key,
                generation,
                complete,
            };
            if !quiet || awaited {
                self.held.push(judgement);
                return self.tell_intake(event, at, actions);
            }
            self.tell_intake(event, at, actions);
        }
        if quiet {
            self.end(judgement, at, actions);
        }
    }

    /// The prior is looked for when the series ends, not when it is judged: one that was superseded meanwhile is none.
    fn end(&mut self, judgement: Judgement, at: At, actions: &mut Vec<Action>) {
        match judgement.compared_patient() {
            Some(_) => actions.push(Action::Compare(Box::new(judgement))),
            None => self.save_new(judgement, at, actions),
        }
    }

    fn compared(&mut self, judgement: Judgement, at: At, actions: &mut Vec<Action>) {
        let (key, generation) = (&judgement.ready.key, judgement.ready.generation);
        if self.intake.is_current(key, generation) {
            self.save_new(judgement, at, actions);
        }
    }

    fn save_new(&mut self, judgement: Judgement, at: At, actions: &mut Vec<Action>) {
        let key = judgement.ready.key.clone();
        match self.saving(judgement, at) {
            Some(mut saving) => {
                // What this series itself says of its scanner goes with the next one.
                saving.paces = Some(self.intake.paces());
                actions.push(Action::Save(Box::new(saving)));
            }
            None => {
                self.tell_health(degraded(Degraded::StoreFailing, true), at, actions);
                self.tell_intake(intake::Event::Reopened(key), at, actions);
            }
        }
    }

    /// The transaction; where the numbers are such as no finding can have, the series ends as our fault.
    fn saving(&self, judgement: Judgement, at: At) -> Option<Saving> {
        let settings = &self.settings;
        let new = |judgement: &Judgement| Saving::new(judgement, &settings.model, &settings.sender);
        let again = |error: crate::wire::WireError| {
            let why = Why::Failed(Fault::from(error));
            new(&Judgement {
                outcome: Outcome::NotTriaged { why },
                preview: None,
                ..judgement.clone()
            })
        };
        let mut saving = new(&judgement).or_else(again).ok()?;
        self.open_review(&mut saving, at).ok()?;
        Some(saving)
    }

    fn saved(&mut self, saving: &Saving, at: At, actions: &mut Vec<Action>) {
        self.tell_health(degraded(Degraded::StoreFailing, false), at, actions);
        let triaged = saving.finding.is_some();
        self.tell_health(health::Event::SeriesClosed { triaged }, at, actions);
        self.tell_intake(intake::Event::Closed(saving.closed.clone()), at, actions);
        for ticket in &saving.tickets {
            self.tell_outbox(outbox::Event::Queued(ticket.clone()), at, actions);
        }
        self.opened(saving, at, actions);
    }

    fn save_failed(&mut self, saving: Box<Saving>, at: At, actions: &mut Vec<Action>) {
        self.unsaved.push_back((at.now.after(SAVE_AGAIN), saving));
        self.tell_health(degraded(Degraded::StoreFailing, true), at, actions);
    }

    fn save_again(&mut self, at: At, actions: &mut Vec<Action>) {
        while self
            .unsaved
            .front()
            .is_some_and(|(when, _)| *when <= at.now)
        {
            let Some((_, saving)) = self.unsaved.pop_front() else {
                return;
            };
            // Nothing of it is durable yet: where another slice came meanwhile, only the next ending is written.
            if self.intake.is_current(saving.key(), saving.generation) {
                actions.push(Action::Save(saving));
            }
        }
    }
}
