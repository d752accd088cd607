//! The intake machine: `(event, now)` in, actions out.

use super::files::{FileSeen, Phase, Tracked, is_skipped, mark};
use super::series::{Arrival, ClosedSeries, Collecting, Ended, Open, Ready, SeriesFacts};
use crate::ids::{FindingId, SeriesKey};
use crate::refusal::Refusal;
use crate::store::{FileMark, PathDigest};
use crate::units::{Moment, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bounds and waits of the intake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeLimits {
    /// A series is ready after this long without a new instance.
    pub quiet: Duration,
    /// A series that waits for a file it cannot read is refused after this long.
    pub overdue: Duration,
    /// Slices a series may have.
    pub instances_max: usize,
    /// Slices held in memory over all open series; past it, the youngest series are put back and read again later.
    pub slices_held_max: usize,
    /// Files handed out to be read at a time.
    pub reads_max: usize,
    /// Files tracked; what is beyond waits for files to go.
    pub files_max: usize,
    /// A file that could not be read is tried again after this long.
    pub retry: Duration,
}

impl Default for IntakeLimits {
    fn default() -> IntakeLimits {
        IntakeLimits {
            quiet: Duration::from_secs(30),
            overdue: Duration::from_secs(600),
            instances_max: 4096,
            slices_held_max: 1536,
            reads_max: 4,
            files_max: 200_000,
            retry: Duration::from_secs(5),
        }
    }
}

/// The wait between tries of a broken file doubles so often: from 5 s to about 5 minutes.
const RETRY_DOUBLINGS_MAX: u8 = 6;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// One whole listing of the folder.
    Scanned(Vec<FileSeen>),
    /// The folder could not be listed: nothing is known of its files.
    FolderLost,
    /// An [`Action::Read`] came back.
    Read {
        /// The file.
        path: PathBuf,
        /// What was in it.
        result: ReadResult,
    },
    /// The outcome of a series is durable.
    Closed(ClosedSeries),
    /// The outcome of a series could not be made durable, or is void: judge it again when it is due.
    Reopened(SeriesKey),
    /// Time passed.
    Tick,
}

/// What was in a file.
#[derive(Clone, Debug)]
pub enum ReadResult {
    /// A series' instance.
    Series(Box<Arrival>),
    /// Nothing of a series.
    Foreign(Refusal),
    /// It is cut off: it may still be growing, or the export broke off.
    CutOff {
        /// What its header says, where that much could be read; no slices.
        arrival: Option<Box<Arrival>>,
        /// What is missing.
        refusal: Refusal,
    },
    /// The file system did not give it.
    Unreadable,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Read this file and answer with [`Event::Read`].
    Read(PathBuf),
    /// Judge this series and answer with [`Event::Closed`] or [`Event::Reopened`].
    Judge(Box<Ready>),
    /// A file holds nothing of a series: for the record.
    Ignored {
        /// Which file, told by its digest.
        path: PathDigest,
        /// Why.
        refusal: Refusal,
    },
}

/// The machine.
#[derive(Debug)]
pub struct Intake {
    limits: IntakeLimits,
    files: BTreeMap<PathBuf, Tracked>,
    open: Open,
    ended: BTreeMap<SeriesKey, Ended>,
    marks: BTreeMap<PathDigest, (FileMark, SeriesKey)>,
    studies: BTreeMap<SeriesKey, SeriesFacts>,
    reading: usize,
    lost: bool,
    generation: u64,
}

impl Intake {
    /// A machine that knows the series the ledger holds as closed.
    pub fn new(limits: IntakeLimits, ledger: Vec<ClosedSeries>) -> Intake {
        let mut intake = Intake {
            limits,
            files: BTreeMap::new(),
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            marks: BTreeMap::new(),
            studies: BTreeMap::new(),
            reading: 0,
            lost: false,
            generation: 0,
        };
        for closed in ledger {
            intake.remember(closed);
        }
        intake
    }

    /// Series that are open now.
    pub fn open_series(&self) -> usize {
        self.open.len()
    }

    /// Whether the folder could be listed last time.
    pub fn folder_reachable(&self) -> bool {
        !self.lost
    }

    /// New limits, as after a change of the settings.
    pub fn set_limits(&mut self, limits: IntakeLimits) {
        self.limits = limits;
    }

    /// Takes an event; says what to do.
    pub fn handle(&mut self, event: Event, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Scanned(listing) => self.scanned(listing, now),
            Event::FolderLost => self.lost = true,
            Event::Read { path, result } => self.read(path, result, now, &mut actions),
            Event::Closed(closed) => self.closed(closed, now),
            Event::Reopened(key) => self.reopened(&key, now),
            Event::Tick => {}
        }
        self.hand_out_reads(now, &mut actions);
        self.judge_the_quiet(now, &mut actions);
        actions
    }

    /// When to wake it next, if nothing else happens.
    pub fn wake_at(&self) -> Option<Moment> {
        let collecting = self.open.iter().filter(|(_, series)| !series.handed_out);
        let due = collecting.filter_map(|(key, series)| match series.waits {
            false => Some(self.quiet_at(series)),
            // What it waits for comes with a scan, a read or a closed series; time alone brings only its end.
            true => (!self.is_put_back(key)).then(|| self.overdue_at(series)),
        });
        due.min().filter(|_| !self.lost)
    }

    fn quiet_at(&self, series: &Collecting) -> Moment {
        series.last_arrival.after(self.limits.quiet)
    }

    fn overdue_at(&self, series: &Collecting) -> Moment {
        self.quiet_at(series).after(self.limits.overdue)
    }

    // ---- files -----------------------------------------------------------------------------------------------

    fn scanned(&mut self, listing: Vec<FileSeen>, now: Moment) {
        if std::mem::take(&mut self.lost) {
            self.start_quiet_anew(now);
        }
        let mut there = BTreeSet::new();
        for seen in listing {
            if is_skipped(&seen.path) || seen.bytes == 0 {
                continue;
            }
            there.insert(seen.path.clone());
            self.seen(seen, now);
        }
        // A file that went away keeps what was read from it; a fresh file of its name starts anew.
        self.files
            .retain(|path, tracked| there.contains(path) || tracked.phase == Phase::Reading);
    }

    /// While the folder was away nobody could see whether instances came: no series is quiet for that.
    fn start_quiet_anew(&mut self, now: Moment) {
        for series in self.open.values_mut().filter(|series| !series.handed_out) {
            series.last_arrival = now;
        }
    }

    fn seen(&mut self, seen: FileSeen, now: Moment) {
        let full = self.files.len() >= self.limits.files_max;
        let Some(tracked) = self.files.get_mut(&seen.path) else {
            if !full {
                let phase = self.phase_at_first_sight(&seen);
                self.files.insert(
                    seen.path.clone(),
                    Tracked {
                        seen,
                        first_seen: now,
                        tries: 0,
                        series: None,
                        refusal: None,
                        phase,
                    },
                );
            }
            return;
        };
        if tracked.seen == seen {
            return self.held_still(&seen.path);
        }
        let before = std::mem::replace(&mut tracked.phase, Phase::Growing);
        tracked.first_seen = now;
        tracked.seen = seen.clone();
        tracked.refusal = None;
        match before {
            // The answer of the read under way is void: it is asked for again when the file holds still.
            Phase::Reading | Phase::Growing | Phase::Foreign | Phase::Broken { .. } => {}
            Phase::Held(key) => self.withdraw(&key, &seen.path, now),
            Phase::Known(_) | Phase::PutBack(_) => {}
        }
    }

    /// A held file changed. Where the series was refused, the change may have mended it: all its files are read again.
    fn withdraw(&mut self, key: &SeriesKey, path: &Path, now: Moment) {
        let Some(series) = self.open.get_mut(key) else {
            return;
        };
        series.withdraw(path, now);
        if series.refusal.is_some() {
            series.let_go();
            self.change_phase(&Phase::Held(key.clone()), &Phase::due());
        }
    }

    /// A file of a series that the ledger holds as closed, unchanged since, is not read again.
    fn phase_at_first_sight(&self, seen: &FileSeen) -> Phase {
        let offered = mark(seen);
        match self.marks.get(&offered.path) {
            Some((known, key)) if *known == offered => Phase::Known(key.clone()),
            Some(_) | None => Phase::Growing,
        }
    }

    fn held_still(&mut self, path: &Path) {
        if let Some(tracked) = self.files.get_mut(path)
            && tracked.phase == Phase::Growing
        {
            tracked.phase = Phase::due();
        }
    }

    /// Files that hold still and were not read yet wait as `Broken` without a reason, due at once.
    fn hand_out_reads(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.lost || (self.is_full() && self.series_holding() > 1) {
            return;
        }
        for (path, tracked) in &mut self.files {
            if self.reading >= self.limits.reads_max {
                return;
            }
            let due = matches!(tracked.phase, Phase::Broken { retry_at } if retry_at <= now);
            if due {
                tracked.tries = match tracked.refusal {
                    Some(_) => tracked.tries.saturating_add(1),
                    None => 0,
                };
                tracked.phase = Phase::Reading;
                self.reading += 1;
                actions.push(Action::Read(path.clone()));
            }
        }
    }

    fn read(&mut self, path: PathBuf, result: ReadResult, now: Moment, actions: &mut Vec<Action>) {
        self.reading = self.reading.saturating_sub(1);
        let still_wanted = self
            .files
            .get(&path)
            .is_some_and(|tracked| tracked.phase == Phase::Reading);
        if !still_wanted {
            return;
        }
        let named = self.files.get(&path).and_then(|file| file.series.clone());
        let (series, broken) = match result {
            ReadResult::Series(arrival) => {
                let key = arrival.key.clone();
                self.arrived(path.clone(), *arrival, now);
                return self.was_read(&path, Some(key.clone()), Phase::Held(key));
            }
            ReadResult::Foreign(refusal) => {
                actions.push(Action::Ignored {
                    path: PathDigest::of(&path),
                    refusal,
                });
                return self.was_read(&path, None, Phase::Foreign);
            }
            ReadResult::CutOff { arrival, refusal } => {
                let key = arrival.map(|arrival| self.announced(&arrival, now));
                (key, refusal)
            }
            ReadResult::Unreadable => (named, Refusal::Unreadable { files: 1 }),
        };
        let phase = self.broken(&path, broken, now);
        self.was_read(&path, series, phase);
    }

    fn was_read(&mut self, path: &Path, series: Option<SeriesKey>, phase: Phase) {
        if let Some(tracked) = self.files.get_mut(path) {
            tracked.series = series;
            tracked.phase = phase;
        }
    }

    /// A file that could not be read whole; each further try waits twice as long.
    fn broken(&mut self, path: &Path, refusal: Refusal, now: Moment) -> Phase {
        let Some(tracked) = self.files.get_mut(path) else {
            return Phase::Growing;
        };
        tracked.refusal = Some(refusal);
        let doublings = u32::from(tracked.tries.min(RETRY_DOUBLINGS_MAX));
        let retry_at = now.after(self.limits.retry.saturating_mul(1 << doublings));
        Phase::Broken { retry_at }
    }

    // ---- series ----------------------------------------------------------------------------------------------

    fn arrived(&mut self, path: PathBuf, arrival: Arrival, now: Moment) {
        let key = arrival.key.clone();
        if !self.open.contains_key(&key) {
            let before = self.ended.get(&key).cloned();
            if before.is_some() {
                self.read_again(&key);
            }
            self.open
                .insert(key.clone(), Collecting::new(&arrival, now, before));
        }
        let instances_max = self.limits.instances_max;
        if let Some(series) = self.open.get_mut(&key) {
            series.add(path, arrival, instances_max, now);
        }
    }

    /// A damaged file names its series: that alone opens it, so that even a series without one good file gets its ending.
    /// A series that has ended stays so.
    fn announced(&mut self, arrival: &Arrival, now: Moment) -> SeriesKey {
        let key = arrival.key.clone();
        if !self.open.contains_key(&key) && !self.ended.contains_key(&key) {
            self.open
                .insert(key.clone(), Collecting::new(arrival, now, None));
        }
        key
    }

    /// What is said of a series whose broken files did not get whole in time.
    fn unreadable(&self, key: &SeriesKey, series: &Collecting, waiting: usize) -> Refusal {
        let mut own = self
            .files
            .values()
            .filter(|tracked| tracked.series.as_ref() == Some(key));
        let own = own.find_map(|tracked| tracked.refusal.as_ref());
        match own {
            Some(refusal) if series.slices.is_empty() => refusal.clone(),
            Some(_) | None => Refusal::Unreadable { files: waiting },
        }
    }

    /// A closed series got another instance: all its files are needed again.
    fn read_again(&mut self, key: &SeriesKey) {
        for tracked in self.files.values_mut() {
            if tracked.phase == Phase::Known(key.clone()) {
                tracked.series = Some(key.clone());
                tracked.phase = Phase::due();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.open
            .values()
            .map(|series| series.slices.len())
            .sum::<usize>()
            >= self.limits.slices_held_max
    }

    fn series_holding(&self) -> usize {
        self.open
            .values()
            .filter(|series| !series.slices.is_empty())
            .count()
    }

    fn judge_the_quiet(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.lost {
            return;
        }
        let keys: Vec<SeriesKey> = self.open.keys().cloned().collect();
        for key in keys {
            if let Some(ready) = self.judge(&key, now) {
                actions.push(Action::Judge(Box::new(ready)));
            }
        }
        self.put_back_the_youngest();
    }

    fn judge(&mut self, key: &SeriesKey, now: Moment) -> Option<Ready> {
        let series = self.open.get(key)?;
        let quiet_at = self.quiet_at(series);
        if series.handed_out || now < quiet_at {
            return None;
        }
        let waiting = self.waiting_files(key, series, quiet_at);
        if self.is_put_back(key) || (waiting > 0 && now < self.overdue_at(series)) {
            self.open.get_mut(key)?.waits = true;
            return None;
        }
        let result = if waiting > 0 {
            Err(self.unreadable(key, series, waiting))
        } else {
            series.result()
        };
        let content = series.content(&result);
        let files = self.marks_of(key);
        // The same slices again (a copy in another folder, say) change nothing: the old ending stands.
        if let Some(before) = self.open.get(key).and_then(|series| series.before.clone())
            && before.content == content
        {
            let closed = ClosedSeries {
                key: key.clone(),
                content,
                finding: before.finding,
                files,
            };
            self.end(closed, now);
            return None;
        }
        self.generation += 1;
        let generation = self.generation;
        let siblings = self.siblings(key);
        let series = self.open.get_mut(key)?;
        series.handed_out = true;
        series.generation = generation;
        Some(Ready {
            key: key.clone(),
            generation,
            facts: series.facts.clone(),
            slices: result,
            content,
            files,
            supersedes: series.before.as_ref().map(|before| before.finding.clone()),
            last_instance_at: series.last_instance_at,
            ready_at: now,
            instances: u32::try_from(series.files.len()).unwrap_or(u32::MAX),
            siblings,
        })
    }

    /// Whether `generation` is still what `key` holds: no instance came since it was handed out.
    pub fn is_current(&self, key: &SeriesKey, generation: u64) -> bool {
        self.open
            .get(key)
            .is_some_and(|series| series.handed_out && series.generation == generation)
    }

    /// Files that may hold a slice of this series and could not be read yet.
    ///
    /// Files that named it count; so do files beside its own that appeared before it was quiet and are still on their
    /// way; and broken files of nobody's beside its own that were written about when its own were. Files that came
    /// later belong to somebody else, or reopen it.
    fn waiting_files(&self, key: &SeriesKey, series: &Collecting, quiet_at: Moment) -> usize {
        let folders: BTreeSet<&Path> = series
            .files
            .iter()
            .filter_map(|path| path.parent())
            .collect();
        let beside = |path: &Path| path.parent().is_some_and(|parent| folders.contains(parent));
        let written = self.written_between(series);
        let may_be_ours = |path: &Path, tracked: &Tracked| match (&tracked.phase, &tracked.series) {
            (Phase::PutBack(other), _) => other == key,
            (Phase::Held(_) | Phase::Known(_) | Phase::Foreign, _) => false,
            (Phase::Growing | Phase::Reading | Phase::Broken { .. }, Some(other)) => other == key,
            (Phase::Growing | Phase::Reading | Phase::Broken { .. }, None) => {
                let in_time = match tracked.refusal {
                    Some(_) => written.contains(&tracked.seen.modified),
                    None => tracked.first_seen <= quiet_at,
                };
                in_time && beside(path)
            }
        };
        self.files
            .iter()
            .filter(|(path, tracked)| may_be_ours(path, tracked))
            .count()
    }

    /// The times of change of a series' files, widened by the quiet time on both sides. Both ends come from the file
    /// server's clock, so a wrong clock of ours does not matter.
    fn written_between(&self, series: &Collecting) -> RangeInclusive<WallTime> {
        let times = || {
            series
                .files
                .iter()
                .filter_map(|path| self.files.get(path))
                .map(|file| file.seen.modified)
        };
        let quiet = i64::try_from(self.limits.quiet.as_millis()).unwrap_or(i64::MAX);
        let first = times()
            .min()
            .map_or(0, WallTime::unix_millis)
            .saturating_sub(quiet);
        let last = times()
            .max()
            .map_or(0, WallTime::unix_millis)
            .saturating_add(quiet);
        WallTime::from_unix_millis(first)..=WallTime::from_unix_millis(last)
    }

    fn is_put_back(&self, key: &SeriesKey) -> bool {
        self.files
            .values()
            .any(|tracked| tracked.phase == Phase::PutBack(key.clone()))
    }

    fn marks_of(&self, key: &SeriesKey) -> Vec<FileMark> {
        let ours = |tracked: &&Tracked| match &tracked.phase {
            Phase::Held(held) | Phase::Known(held) => held == key,
            Phase::Growing
            | Phase::Reading
            | Phase::Foreign
            | Phase::PutBack(_)
            | Phase::Broken { .. } => false,
        };
        self.files
            .values()
            .filter(ours)
            .map(|tracked| mark(&tracked.seen))
            .collect()
    }

    /// Other series of the same study that are open or were closed in this run.
    fn siblings(&self, key: &SeriesKey) -> Vec<SeriesFacts> {
        let Some(study) = self.open.get(key).map(|series| series.facts.study.clone()) else {
            return Vec::new();
        };
        let open = self
            .open
            .iter()
            .map(|(other, series)| (other, &series.facts));
        open.chain(self.studies.iter())
            .filter(|(other, facts)| *other != key && facts.study == study)
            .map(|(_, facts)| facts.clone())
            .collect()
    }

    fn closed(&mut self, closed: ClosedSeries, now: Moment) {
        let newer_slices = self
            .open
            .get(&closed.key)
            .is_some_and(|series| !series.handed_out);
        if newer_slices {
            // An instance came while the ending was being written: the series stays open, and its next ending
            // replaces this one.
            if let Some(series) = self.open.get_mut(&closed.key) {
                series.before = Some(Ended {
                    content: closed.content,
                    finding: closed.finding.clone(),
                });
            }
            return self.remember(closed);
        }
        self.end(closed, now);
    }

    fn end(&mut self, closed: ClosedSeries, now: Moment) {
        if let Some(series) = self.open.remove(&closed.key) {
            self.studies.insert(closed.key.clone(), series.facts);
            // Bounded like the ledger: only the newest studies can still get another reconstruction.
            while self.studies.len() > 256 {
                self.studies.pop_first();
            }
        }
        self.change_phase(
            &Phase::Held(closed.key.clone()),
            &Phase::Known(closed.key.clone()),
        );
        self.take_up_what_was_put_back(now);
        self.remember(closed);
    }

    fn remember(&mut self, closed: ClosedSeries) {
        for mark in &closed.files {
            self.marks.insert(mark.path, (*mark, closed.key.clone()));
        }
        self.ended.insert(
            closed.key,
            Ended {
                content: closed.content,
                finding: closed.finding,
            },
        );
    }

    fn reopened(&mut self, key: &SeriesKey, now: Moment) {
        if let Some(series) = self.open.get_mut(key) {
            series.handed_out = false;
            // Not before another quiet time: what failed a moment ago would fail again.
            series.last_arrival = now;
        }
    }

    /// Keeps memory bounded when many series arrive at once: the youngest ones' slices are let go, their files read
    /// again when a series is closed. The oldest series always goes on, so every series comes to its end.
    fn put_back_the_youngest(&mut self) {
        while self.is_full() && self.series_holding() > 1 {
            let waiting = self
                .open
                .iter()
                .filter(|(_, series)| !series.handed_out && !series.slices.is_empty());
            let youngest = waiting
                .max_by_key(|(_, series)| series.first_arrival)
                .map(|(key, _)| key.clone());
            let Some(key) = youngest else { return };
            // It stays open: even if its files go away before they are read again, it comes to an ending.
            if let Some(series) = self.open.get_mut(&key) {
                series.let_go();
            }
            self.change_phase(&Phase::Held(key.clone()), &Phase::PutBack(key));
        }
    }

    fn take_up_what_was_put_back(&mut self, now: Moment) {
        for tracked in self.files.values_mut() {
            if let Phase::PutBack(key) = &tracked.phase {
                // It was not its files that made it wait.
                if let Some(series) = self.open.get_mut(key) {
                    series.last_arrival = now;
                    series.waits = false;
                }
                tracked.phase = Phase::due();
            }
        }
    }

    fn change_phase(&mut self, from: &Phase, to: &Phase) {
        for tracked in self
            .files
            .values_mut()
            .filter(|tracked| tracked.phase == *from)
        {
            tracked.phase = to.clone();
        }
    }

    /// The finding a series ended in last, if it ended.
    pub fn ended_in(&self, key: &SeriesKey) -> Option<&FindingId> {
        self.ended.get(key).map(|ended| &ended.finding)
    }
}
