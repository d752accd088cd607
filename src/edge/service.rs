//! The service: threads, files and sockets around the pure core.
//!
//! ```text
//!   scan ──FileSeen──┐                                  ┌── read (thread): file -> reduced slices
//!   judge ──Judged───┼──> core loop: Daemon::handle ────┼── judge (thread): slices -> finding
//!   mqtt ──Notice────┤        (store calls in place)    └── mqtt (thread): publish
//!   signals ─────────┘
//! ```

use super::annotations::{self, Question};
use super::clock::Clock;
use super::failure::Failure;
use super::folder::Watched;
use super::forget::{self, Forgetting};
use super::hints::Hints;
use super::judge::Judge;
use super::mqtt::{Command, Link, LinkDown, Notice, Publisher};
use super::priors;
use super::reader::Reader;
use super::sensors::Sensors;
use super::ward;
use crate::config::Config;
use crate::daemon::{Action, Daemon, Event, Judgement};
use crate::health::{self, Degraded};
use crate::intake::{self, Reading};
use crate::outbox;
use crate::store::{Closing, Store};
use crate::units::Moment;
use crate::wire::{MessageId, Parcel};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tracing::{debug, error, info, warn};

/// Messages that may wait for the core loop; senders wait beyond it.
pub(super) const INBOX_MAX: usize = 256;
/// Sensors are read this often.
const SENSORS_EVERY: Duration = Duration::from_secs(10);
/// The longest rest of the core loop, so that the watchdog is fed.
const REST_MAX: Duration = Duration::from_secs(2);
/// The watchdog is fed no more often than this: thousands of events a second are no reason to wake systemd as often.
const FEED_EVERY: Duration = Duration::from_secs(1);
/// A scan of the folder, or a series, that takes longer than this stops the feeding of the watchdog.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// A box that rests this long gives back the memory that it does not use.
const MEMORY_KEPT: Duration = Duration::from_secs(1);

/// After a new folder was told of, the next look comes no sooner.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(50);

/// What reaches the core loop.
#[derive(Debug)]
pub enum Message {
    /// For the core.
    Core(Box<Event>),
    /// From the broker's link.
    Mqtt(Notice),
    /// From the thread that reads the annotations folder.
    Annotation(Question),
    /// SIGHUP: read the settings again.
    Reload,
    /// SIGTERM or SIGINT: end.
    Stop,
}

/// What the caller of [`Service::run`] is told, for progress on a terminal.
#[derive(Debug)]
pub enum Told<'a> {
    /// A series has its outcome, on disk.
    Closed(&'a crate::daemon::Saving),
    /// The broker took a message.
    Acknowledged(&'a MessageId),
}

/// Everything the core loop works with.
pub struct Service {
    /// The settings.
    pub config: Config,
    /// Where they came from, to read them again.
    pub config_file: Option<PathBuf>,
    /// The pure core.
    pub daemon: Daemon,
    /// The state on disk.
    pub store: Store,
    /// The clocks.
    pub clock: Clock,
    /// The broker's link.
    pub link: Link,
    /// Where all threads send.
    pub inbox: Receiver<Message>,
    /// A handle for more threads.
    pub sender: SyncSender<Message>,
    /// Files to read.
    pub reads: SyncSender<Reading>,
    /// For the judge.
    pub judging: SyncSender<Work>,
}

/// What the judge is asked to do.
#[derive(Debug)]
pub enum Work {
    /// A series is coming: get ready for it.
    Prepare,
    /// Judge it; answered by [`Event::Judged`].
    Judge(Box<intake::Ready>),
    /// Nothing is coming for now: give all memory back that is free.
    Rest,
}

/// What the loop keeps beside the core.
#[derive(Debug, Default)]
struct Progress {
    scanned: Moment,
    judging_since: Option<Moment>,
    /// Whether the judge is ready for a series.
    prepared: bool,
    ready_said: bool,
    scanned_once: bool,
    broker_tried: bool,
    down: Option<LinkDown>,
    fed: Option<Moment>,
    forgetting: Forgetting,
    /// When there was work last, until the judge was let rest.
    worked: Option<Moment>,
}

impl Service {
    /// Runs until [`Message::Stop`]; `tell` is called for each ending, and may ask to stop by returning `false`.
    pub fn run(mut self, mut tell: impl FnMut(Told<'_>) -> bool) -> Result<(), Failure> {
        let mut progress = Progress {
            scanned: self.clock.now(),
            // The start, with the network's self check.
            worked: Some(self.clock.now()),
            ..Progress::default()
        };
        let mut go_on = true;
        while go_on {
            let rest = self.rest();
            match self.inbox.recv_timeout(rest) {
                Ok(Message::Stop) => break,
                Ok(Message::Reload) => self.reload(&progress),
                Ok(Message::Mqtt(notice)) => go_on = self.heard(notice, &mut progress, &mut tell),
                Ok(Message::Annotation(question)) => {
                    annotations::answer(&mut self.store, question);
                }
                Ok(Message::Core(event)) => {
                    self.note(&event, &mut progress);
                    go_on = self.handle(*event, &mut progress, &mut tell);
                }
                Err(RecvTimeoutError::Timeout) => {
                    go_on = self.handle(Event::Tick, &mut progress, &mut tell);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.report(&mut progress);
            self.forget(&mut progress);
            self.let_rest(&mut progress);
        }
        self.stop();
        Ok(())
    }

    fn rest(&self) -> Duration {
        let due = self
            .daemon
            .wake_at()
            .map_or(REST_MAX, |when| when.since(self.clock.now()));
        due.clamp(Duration::from_millis(1), REST_MAX)
    }

    fn note(&self, event: &Event, progress: &mut Progress) {
        match event {
            Event::Intake(intake::Event::Scanned(_) | intake::Event::FolderLost) => {
                progress.scanned = self.clock.now();
                progress.scanned_once = true;
            }
            Event::Judged(_) => {
                progress.judging_since = None;
                // The judge rests after each series.
                progress.prepared = false;
            }
            Event::Intake(_)
            | Event::Compared(_)
            | Event::Saved(_)
            | Event::SaveFailed(_)
            | Event::Outbox(_)
            | Event::Ward { .. }
            | Event::Review(_)
            | Event::Health(_)
            | Event::Tick => {}
        }
    }

    /// Systemd hears `READY=1` after the first scan and the first try at the broker, then `WATCHDOG=1` for as long as
    /// scans come in and no series is stuck.
    fn report(&self, progress: &mut Progress) {
        if !progress.ready_said && progress.scanned_once && progress.broker_tried {
            progress.ready_said = true;
            notify(&[sd_notify::NotifyState::Ready]);
            info!(folder = %self.config.intake.folder.display(), broker = %self.config.publish.account.broker, "ready");
        }
        let now = self.clock.now();
        let scan_fresh = now.since(progress.scanned) < STUCK_AFTER + self.config.intake.poll;
        let judge_fresh = progress
            .judging_since
            .is_none_or(|since| now.since(since) < STUCK_AFTER);
        let fed = progress
            .fed
            .is_some_and(|when| now.since(when) < FEED_EVERY);
        if scan_fresh && judge_fresh && !fed {
            progress.fed = Some(now);
            notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }

    fn forget(&mut self, progress: &mut Progress) {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        if progress.forgetting.priors_due(now) {
            forget::old_priors(&mut self.store, &self.config, wall);
        }
        // Before the folder was looked through, no series has files.
        let idle = progress.scanned_once && self.daemon.is_idle();
        if progress.forgetting.ledger_due(now, idle)
            && let Some(present) = self.daemon.present()
        {
            forget::old_series(&mut self.store, &present, wall);
        }
    }

    /// Lets the judge give memory back when nothing has waited for a while.
    fn let_rest(&self, progress: &mut Progress) {
        let now = self.clock.now();
        if !self.daemon.is_idle() {
            progress.worked = Some(now);
        } else if let Some(worked) = progress.worked
            && now.since(worked) >= MEMORY_KEPT
            && self.judging.try_send(Work::Rest).is_ok()
        {
            progress.worked = None;
            // It may have got ready for files that held no series.
            progress.prepared = false;
        }
    }

    // ---- events ----------------------------------------------------------------------------------------------

    fn heard(
        &mut self,
        notice: Notice,
        progress: &mut Progress,
        tell: &mut impl FnMut(Told<'_>) -> bool,
    ) -> bool {
        let event = match notice {
            Notice::Connected => {
                progress.broker_tried = true;
                progress.down = None;
                info!(broker = %self.config.publish.account.broker, "connected to the broker");
                outbox::Event::Online
            }
            Notice::Disconnected(why) => {
                // Said once for each reason: a broker that is away for days is tried every minute.
                if progress.down.as_ref() != Some(&why) {
                    warn!(broker = %self.config.publish.account.broker, %why, advice = why.advice(), "no connection to the broker");
                }
                progress.broker_tried = true;
                progress.down = Some(why);
                outbox::Event::Offline
            }
            Notice::Acked { id, heard } => {
                debug!(message = %id, heard, "acknowledged by the broker");
                let go_on = tell(Told::Acknowledged(&id));
                let acked = self.handle(Event::Outbox(outbox::Event::Acked(id)), progress, tell);
                return go_on && acked;
            }
            Notice::Nacked { id, why } => {
                warn!(message = %id, %why, "refused by the broker; sent again later");
                outbox::Event::Nacked(id)
            }
            Notice::Subscribed { refused } => {
                let holds = refused > 0;
                if holds {
                    warn!(
                        refused,
                        advice = "allow this box to subscribe to its topics ack, verdict and keys",
                        "the broker does not let this box hear the ward"
                    );
                }
                let reason = Degraded::WardUnheard;
                let event = Event::Health(health::Event::Degraded { reason, holds });
                return self.handle(event, progress, tell);
            }
            Notice::Message { topic, payload } => {
                return self.handle(Event::Ward { topic, payload }, progress, tell);
            }
            Notice::Stopped => return true,
        };
        self.handle(Event::Outbox(event), progress, tell)
    }

    fn handle(
        &mut self,
        event: Event,
        progress: &mut Progress,
        tell: &mut impl FnMut(Told<'_>) -> bool,
    ) -> bool {
        let mut go_on = true;
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.daemon.handle(event, self.clock.at()) {
                let answer = self.act(action, progress, &mut |told| go_on &= tell(told));
                events.extend(answer);
            }
        }
        go_on
    }

    /// Does one action; what the store answers at once comes back as an event.
    fn act(
        &mut self,
        action: Action,
        progress: &mut Progress,
        tell: &mut dyn FnMut(Told<'_>),
    ) -> Option<Event> {
        match action {
            Action::Read(reading) => {
                // The intake hands out no more reads than this channel holds, so this never waits.
                let _reader_gone = self.reads.try_send(reading);
                if !progress.prepared {
                    progress.prepared = self.judging.try_send(Work::Prepare).is_ok();
                }
                None
            }
            Action::Judge(ready) => {
                progress.judging_since = Some(self.clock.now());
                let _judge_gone = self.judging.try_send(Work::Judge(ready));
                None
            }
            Action::Compare(judgement) => Some(self.compare(judgement)),
            Action::Save(saving) => Some(self.save(saving, tell)),
            Action::Send { id, late } => self.send(&id, late),
            Action::Delete(id) => Some(Event::Outbox(self.delete(id))),
            Action::Review(action) => ward::carry_out(&mut self.store, action).map(Event::Review),
            Action::Reconnect => {
                let _busy = self.link.ask(Command::Reconnect);
                None
            }
            Action::PublishHealth(document) => {
                if let Ok(bytes) = document.to_bytes() {
                    let _busy = self.link.ask(Command::PublishHealth(bytes));
                }
                None
            }
            Action::Ignored(refusal) => {
                debug!(
                    code = refusal.code(),
                    "a file that holds nothing of a series"
                );
                None
            }
            Action::GaveUp(id) => {
                warn!(message = %id, "a preview was refused again and again, and dropped");
                None
            }
        }
    }

    fn compare(&mut self, judgement: Box<Judgement>) -> Event {
        let began = self.clock.elapsed();
        let compared = priors::compared(&mut self.store, judgement, &self.config.prior);
        debug!(took = ?self.clock.elapsed().saturating_sub(began), "compared");
        Event::Compared(compared)
    }

    fn save(
        &mut self,
        saving: Box<crate::daemon::Saving>,
        tell: &mut dyn FnMut(Told<'_>),
    ) -> Event {
        let prior = priors::row(&saving, &self.config.prior);
        let closing = Closing {
            record: &saving.record,
            finding: saving.finding.as_ref(),
            queued: &saving.rows,
            paces: saving.paces.as_ref(),
            prior: prior.as_ref(),
            opening: saving.opening.as_ref(),
        };
        match self.store.close_series(&closing) {
            Ok(()) => {
                info!(study = %saving.pseudonym, finding = %saving.closed.finding, outcome = saving.code, "series ended");
                tell(Told::Closed(&saving));
                Event::Saved(saving)
            }
            Err(error) => {
                error!(study = %saving.pseudonym, %error, advice = error.advice(), "the ending could not be written; tried again");
                Event::SaveFailed(saving)
            }
        }
    }

    fn send(&mut self, id: &MessageId, late: bool) -> Option<Event> {
        let refused = Some(Event::Outbox(outbox::Event::Nacked(id.clone())));
        let row = match self.store.queued(id.as_str()) {
            Ok(Some(row)) => row,
            // Gone already: an acknowledgement came in between.
            Ok(None) => return Some(Event::Outbox(outbox::Event::Deleted(id.clone()))),
            Err(error) => {
                error!(message = %id, %error, "the message could not be read; tried again");
                return refused;
            }
        };
        let read = Parcel::from_row(row);
        let parcel = read.and_then(|parcel| if late { parcel.sent_late() } else { Ok(parcel) });
        let parcel = match parcel {
            Ok(parcel) => parcel,
            Err(error) => {
                error!(message = %id, %error, "the message is damaged in the store");
                return refused;
            }
        };
        match self.link.ask(Command::Send(Box::new(parcel))) {
            Ok(()) => None,
            Err(_) => refused,
        }
    }

    fn delete(&mut self, id: MessageId) -> outbox::Event {
        match self.store.forget_queued(id.as_str()) {
            Ok(()) => outbox::Event::Deleted(id),
            Err(error) => {
                error!(message = %id, %error, "an acknowledged message could not be deleted; tried again");
                outbox::Event::DeleteFailed(id)
            }
        }
    }

    // ---- settings and end ------------------------------------------------------------------------------------

    /// Reads the settings again and takes them over whole, or not at all: half a change would be neither file.
    fn reload(&mut self, progress: &Progress) {
        let Some(file) = &self.config_file else {
            return;
        };
        if progress.ready_said {
            // Type=notify asks for no MONOTONIC_USEC beside it; Type=notify-reload would (sd_notify(3)).
            notify(&[sd_notify::NotifyState::Reloading]);
        }
        match super::settings::read(file) {
            Ok(wanted) if super::settings::taken_over(&self.config, &wanted) == wanted => {
                self.daemon.reload(
                    super::settings::intake_limits(&wanted),
                    super::settings::sender(&wanted),
                );
                self.config = wanted;
                info!("settings read again");
            }
            Ok(_) => warn!(
                advice = "restart scanward to have them taken",
                "settings not changed: the new ones need a restart"
            ),
            Err(failure) => {
                error!(error = %failure, advice = failure.advice, "settings not changed");
            }
        }
        // Before the first scan and the first try at the broker, READY would say too much.
        if progress.ready_said {
            notify(&[sd_notify::NotifyState::Ready]);
        }
    }

    /// Says goodbye to the broker; what is on its way stays in the store and goes out at the next start.
    fn stop(self) {
        notify(&[sd_notify::NotifyState::Stopping]);
        let goodbye = self.daemon.will().to_bytes().unwrap_or_default();
        let asked = self.link.ask(Command::Stop(goodbye)).is_ok();
        drop(self.inbox);
        if asked {
            self.link.join();
        }
        info!("stopped");
    }
}

/// Tells systemd; nothing where it did not start us.
pub fn notify(states: &[sd_notify::NotifyState<'_>]) {
    let _not_a_service = sd_notify::notify(states);
}

/// Starts the thread that lists the folder and looks at the sensors, until nobody listens any more.
pub(super) fn start_scanner(
    config: &Config,
    clock: Clock,
    sender: SyncSender<Message>,
) -> Result<(), Failure> {
    let (folder, poll) = (config.intake.folder.clone(), config.intake.poll);
    let mut sensors = Sensors::new(
        &config.state_folder,
        &folder,
        config.service.disk_free_percent_min,
    );
    let mut watched = Watched::new(folder);
    let mut hints = Hints::new();
    let mut said = None;
    spawn("scan", move || {
        let mut look_at = Moment::default();
        let mut was_reachable = true;
        let tell = |event| sender.send(Message::Core(Box::new(event))).is_ok();
        loop {
            let began = clock.elapsed();
            let mut look = false;
            let listing = watched.list();
            let reachable = listing.is_ok();
            let event = match listing {
                Ok(listing) => {
                    if listing.cut {
                        let files = listing.files.len();
                        warn!(
                            files,
                            "the export folder holds too many files; the rest waits"
                        );
                    }
                    look = hints.follow(&listing.folders);
                    intake::Event::Scanned(listing.files)
                }
                Err(_) => {
                    // What is mounted there next is another folder under the same name.
                    hints.forget();
                    intake::Event::FolderLost
                }
            };
            if said.as_deref() != hints.trouble() {
                said = hints.trouble().map(str::to_owned);
                let why = said.as_deref().unwrap_or("nothing any more");
                debug!(%why, "changes that are found by looks into the folder alone");
            }
            if !tell(Event::Intake(event)) {
                return;
            }
            // A folder that goes away, or comes back, is told at once.
            if clock.now() >= look_at || reachable != was_reachable {
                was_reachable = reachable;
                look_at = clock.now().after(SENSORS_EVERY);
                for event in sensors.look(reachable) {
                    if !tell(Event::Health(event)) {
                        return;
                    }
                }
            }
            let listed = clock.elapsed();
            // However often folders come and go, looking takes a tenth of the time at most.
            let pause = (listed.saturating_sub(began) * 9).max(LOOK_AGAIN_MIN);
            let soonest = listed + pause.min(poll);
            let mut next = if look { soonest } else { listed + poll };
            while let Some(left) = next
                .checked_sub(clock.elapsed())
                .filter(|left| !left.is_zero())
            {
                let hint = hints.wait(left);
                if hint.look {
                    next = next.min(soonest);
                }
                // The scan before was told before: these facts are newer than its.
                if !hint.written.is_empty()
                    && !tell(Event::Intake(intake::Event::Written(hint.written)))
                {
                    return;
                }
            }
        }
    })
}

/// How far readers stand back for those that judge. While many series wait both want the cores, and a network's thread that is sent
/// away in the midst of a layer leaves the other ones waiting; with idle cores it makes no difference.
const READERS_NICE: i32 = 10;

/// Starts a thread for each of `readers`; they take the files to read by turns.
pub(super) fn start_readers(
    readers: Vec<Reader>,
    clock: Clock,
    sender: &SyncSender<Message>,
) -> Result<SyncSender<Reading>, Failure> {
    let (reads, wanted) = sync_channel::<Reading>(64);
    let wanted = Arc::new(Mutex::new(wanted));
    for mut reader in readers {
        let (wanted, sender) = (Arc::clone(&wanted), sender.clone());
        let next = move |reader: &mut Reader| {
            let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.try_recv().ok().or_else(|| {
                // Nothing waits: what the last file needed is given back, for the next one may be hours away.
                reader.rest();
                wanted.recv().ok()
            })
        };
        spawn("read", move || {
            // Of the calling thread, says Linux. Where it may not be, files are read all the same.
            let _ = rustix::process::setpriority_process(None, READERS_NICE);
            while let Some(Reading { path, depth }) = next(&mut reader) {
                let result = reader.read_to(depth, &path, clock.wall());
                let event = Event::Intake(intake::Event::Read { path, result });
                if sender.send(Message::Core(Box::new(event))).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(reads)
}

/// Starts the thread that runs the pipeline.
pub(super) fn start_judge(
    mut judge: Judge,
    clock: Clock,
    sender: SyncSender<Message>,
) -> Result<SyncSender<Work>, Failure> {
    // One series at a time is handed out; the rest is asked for before or after one.
    let (judging, work) = sync_channel::<Work>(4);
    spawn("judge", move || {
        for work in work {
            let ready = match work {
                Work::Prepare => {
                    judge.prepare();
                    continue;
                }
                Work::Rest => {
                    judge.rest();
                    continue;
                }
                Work::Judge(ready) => ready,
            };
            let sent = judge.judge(ready, &clock, |judgement| {
                sender.send(Message::Core(Box::new(Event::Judged(Box::new(judgement)))))
            });
            if sent.is_err() {
                return;
            }
        }
    })?;
    Ok(judging)
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(|error| {
        Failure::new(
            format!("the thread `{name}` did not start: {error}"),
            "free memory, then start again",
        )
    })
}
