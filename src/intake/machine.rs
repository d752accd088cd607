//! The intake machine: `(event, now)` in, actions out.

use super::early::Early;
use super::files::{FileSeen, Files, Group, Phase, Sight, is_skipped};
use super::pace::Paces;
use super::series::{Arrival, ClosedSeries, Collecting, Ended, Open, Ready, SeriesFacts};
use crate::ids::SeriesKey;
use crate::refusal::Refusal;
use crate::series::SeriesLimits;
use crate::store::{PaceRecord, PathDigest};
use crate::units::{Moment, WallTime};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bounds and waits of the intake.
#[derive(Clone, Debug, PartialEq)]
pub struct IntakeLimits {
    /// A series is ready after this long without a new instance, at the latest.
    pub quiet: Duration,
    /// Whether a series that is known to be complete waits less, as its scanner's pace allows.
    pub adaptive: bool,
    /// It waits so long even then: no less than two looks into the folder.
    pub quiet_min: Duration,
    /// A series that waits for a file it cannot read is refused after this long.
    pub overdue: Duration,
    /// Slices a series may have.
    pub instances_max: usize,
    /// Slices held in memory over all open series; past it, the youngest series are put back and read again later.
    pub slices_held_max: usize,
    /// What their pixels and what is known of files may take, bytes: a wide field of view has larger slices. The same holds
    /// past it.
    pub bytes_held_max: usize,
    /// Files handed out to be read at a time.
    pub reads_max: usize,
    /// Files tracked; what is beyond waits for files to go.
    pub files_max: usize,
    /// A file that could not be read is tried again after this long.
    pub retry: Duration,
    /// Series that are judged ahead of time, or held so, at a time.
    pub early_max: usize,
    /// What a complete series looks like.
    pub geometry: SeriesLimits,
}

impl Default for IntakeLimits {
    fn default() -> IntakeLimits {
        IntakeLimits {
            quiet: Duration::from_secs(30),
            adaptive: true,
            quiet_min: Duration::from_secs(2),
            overdue: Duration::from_secs(600),
            instances_max: 4096,
            slices_held_max: 1536,
            bytes_held_max: 20 << 20,
            reads_max: 4,
            files_max: 200_000,
            retry: Duration::from_secs(5),
            early_max: 8,
            geometry: SeriesLimits::default(),
        }
    }
}

/// What is kept of a file, about: its path, its place in the maps here, in a listing and among the marks.
const FILE_BYTES: usize = 600;

/// Of each file of an ended series its size and its time of last change then, and the series.
pub(super) type Marks = BTreeMap<PathDigest, (u64, WallTime, SeriesKey)>;

/// The wait between tries of a broken file doubles so often: from 5 s to about 5 minutes.
const RETRY_DOUBLINGS_MAX: u8 = 6;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// One whole listing of the folder.
    Scanned(Vec<FileSeen>),
    /// A hint: these files were closed by their writer, or moved in whole. They are as a listing made now would tell.
    Written(Vec<FileSeen>),
    /// The folder could not be listed: nothing is known of its files.
    FolderLost,
    /// An [`Action::Read`] came back.
    Read {
        /// The file.
        path: PathBuf,
        /// What was in it.
        result: ReadResult,
    },
    /// An [`Action::JudgeEarly`] came back.
    JudgedEarly {
        /// The series.
        key: SeriesKey,
        /// As which hand-out it was judged.
        generation: u64,
        /// Whether it was triaged and the lungs end inside its slices: more can hardly come.
        complete: bool,
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
    /// A series' instance, of which only the header was read, as was asked; no slices.
    Named(Box<Arrival>),
    /// The file system did not give it.
    Unreadable,
}

/// How much of a file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Only what tells its series: memory is taken by the slices of others. One that tells nothing is read whole.
    Header,
    /// All of it.
    Whole,
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub path: PathBuf,
    /// How much of it.
    pub depth: Depth,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Read this file and answer with [`Event::Read`].
    Read(Reading),
    /// Judge this series ahead of time: it looks complete. Hold what comes of it and answer with [`Event::JudgedEarly`].
    JudgeEarly(Box<Ready>),
    /// This series is quiet: judge it, or take what [`Action::JudgeEarly`] of the same generation gave. Answer with
    /// [`Event::Closed`] or [`Event::Reopened`].
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
    pub(super) limits: IntakeLimits,
    pub(super) files: Files,
    pub(super) open: Open,
    pub(super) ended: BTreeMap<SeriesKey, Ended>,
    pub(super) marks: Marks,
    pub(super) studies: BTreeMap<SeriesKey, SeriesFacts>,
    /// Series with files that were put back.
    pub(super) put_back: BTreeSet<SeriesKey>,
    pub(super) paces: Paces,
    pub(super) lost: bool,
    pub(super) generation: u64,
}

impl Intake {
    /// A machine that knows the series the ledger holds as closed.
    pub fn new(limits: IntakeLimits, ledger: Vec<ClosedSeries>) -> Intake {
        let mut intake = Intake {
            limits,
            files: Files::default(),
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            marks: BTreeMap::new(),
            studies: BTreeMap::new(),
            put_back: BTreeSet::new(),
            paces: Paces::default(),
            lost: false,
            generation: 0,
        };
        for closed in ledger {
            intake.remember(closed, None);
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

    /// The series of which files stand in the folder.
    pub fn present(&self) -> BTreeSet<&SeriesKey> {
        self.files.series().collect()
    }

    /// New limits, as after a change of the settings.
    pub fn set_limits(&mut self, limits: IntakeLimits) {
        self.limits = limits;
    }

    /// How instances came from each device, as it was kept from an earlier run.
    pub fn recall_paces(&mut self, record: &PaceRecord) {
        self.paces = Paces::recalled(record);
    }

    /// How instances came from each device, to be kept.
    pub fn paces(&self) -> PaceRecord {
        self.paces.to_record()
    }

    /// Takes an event; says what to do.
    pub fn handle(&mut self, event: Event, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        // A series that waits for files of its own is looked at again when something may have become of them.
        let look_again = !matches!(event, Event::Read { .. } | Event::Written(_));
        match event {
            Event::Scanned(listing) => self.scanned(listing, now),
            Event::Written(files) => self.written(files, now),
            Event::FolderLost => self.lost = true,
            Event::Read { path, result } => self.read(path, result, now, &mut actions),
            Event::JudgedEarly {
                key,
                generation,
                complete,
            } => self.judged_early(&key, generation, complete),
            Event::Closed(closed) => self.closed(closed, now),
            Event::Reopened(key) => self.reopened(&key, now),
            Event::Tick => {}
        }
        self.hand_out_reads(now, &mut actions);
        if !self.lost {
            self.judge_the_quiet(now, look_again, &mut actions);
            self.judge_ahead(now, &mut actions);
        }
        self.put_back_the_youngest();
        actions
    }

    /// When to wake it next, if nothing else happens.
    pub fn wake_at(&self) -> Option<Moment> {
        let room = self.has_room_ahead();
        let due = self.open.iter().filter(|(_, series)| !series.handed_out);
        let due = due.filter_map(|(key, series)| match series.waits_for {
            0 => {
                let early = self.early_at(key, series).filter(|_| room);
                early.into_iter().chain([self.quiet_at(series)]).min()
            }
            // What it waits for comes with a scan, a read or a closed series; time alone brings only its end.
            _ => (!self.put_back.contains(key)).then(|| self.overdue_at(series)),
        });
        due.min().filter(|_| !self.lost)
    }

    // ---- files -----------------------------------------------------------------------------------------------

    fn scanned(&mut self, listing: Vec<FileSeen>, now: Moment) {
        if std::mem::take(&mut self.lost) {
            self.start_quiet_anew(now);
        }
        self.files.begin_scan();
        for seen in listing.into_iter().filter(may_be_instance) {
            self.seen(seen, now);
        }
        self.files.end_scan();
        if !self.put_back.is_empty() {
            self.put_back = self.files.put_back().map(|(key, _)| key.clone()).collect();
        }
    }

    fn written(&mut self, files: Vec<FileSeen>, now: Moment) {
        for seen in files.into_iter().filter(may_be_instance) {
            let path = seen.path.clone();
            self.seen(seen, now);
            self.files.closed_by_writer(&path);
        }
    }

    /// While the folder was away nobody could see whether instances came: no series is quiet for that, or complete.
    fn start_quiet_anew(&mut self, now: Moment) {
        for series in self.open.values_mut().filter(|series| !series.handed_out) {
            series.last_arrival = now;
            series.early = Early::Unfit;
        }
    }

    fn seen(&mut self, seen: FileSeen, now: Moment) {
        let marks = &self.marks;
        let first_sight = |seen: &FileSeen| phase_at_first_sight(marks, seen);
        let files_max = self.limits.files_max;
        match self.files.look(seen, now, files_max, first_sight) {
            Sight::Changed(path, Phase::Held(key)) => self.withdraw(&key, &path, now),
            // The answer of a read under way is void: it is asked for again when the file holds still.
            Sight::Changed(..) | Sight::Still => {}
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
            self.files.regroup(&Group::Held(key.clone()), &Phase::due());
        }
    }

    fn hand_out_reads(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.lost || (self.is_full() && self.series_holding() > 1) {
            return;
        }
        // Memory is short: whose the files are is learned first, and each is read whole when its series' turn comes.
        let short = !self.put_back.is_empty();
        while let Some(reading) = self.files.next_read(now, self.limits.reads_max, short) {
            actions.push(Action::Read(reading));
        }
    }

    fn read(&mut self, path: PathBuf, result: ReadResult, now: Moment, actions: &mut Vec<Action>) {
        if !self.files.answered(&path) {
            return;
        }
        let named = self.files.get(&path).and_then(|file| file.series.clone());
        let (series, broken) = match result {
            ReadResult::Series(arrival) => {
                let key = self.arrived(path.clone(), *arrival, now);
                return self
                    .files
                    .was_read(&path, Some(key.clone()), Phase::Held(key));
            }
            ReadResult::Named(arrival) => {
                let key = self.announced(&arrival, now);
                let phase = self.turn_of(&key);
                self.files.was_read(&path, Some(key), phase);
                if self.series_holding() == 0 {
                    self.take_up_what_was_put_back(now);
                }
                return;
            }
            ReadResult::Foreign(refusal) => {
                actions.push(Action::Ignored {
                    path: PathDigest::of(&path),
                    refusal,
                });
                return self.files.was_read(&path, None, Phase::Foreign);
            }
            ReadResult::CutOff { arrival, refusal } => {
                let key = arrival.map(|arrival| self.announced(&arrival, now));
                (key, refusal)
            }
            ReadResult::Unreadable => (named, Refusal::Unreadable { files: 1 }),
        };
        let phase = self.broken(&path, broken, now);
        self.files.was_read(&path, series, phase);
    }

    /// A file that could not be read whole; each further try waits twice as long.
    fn broken(&mut self, path: &Path, refusal: Refusal, now: Moment) -> Phase {
        let Some(tries) = self.files.found_broken(path, refusal) else {
            return Phase::Growing;
        };
        let doublings = u32::from(tries.min(RETRY_DOUBLINGS_MAX));
        let retry_at = now.after(self.limits.retry.saturating_mul(1 << doublings));
        Phase::Broken { retry_at }
    }

    // ---- series ----------------------------------------------------------------------------------------------

    /// The key as it is known already: all files of a series share its text.
    fn known(&self, key: &SeriesKey) -> SeriesKey {
        let open = self.open.get_key_value(key).map(|(known, _)| known);
        let ended = || self.ended.get_key_value(key).map(|(known, _)| known);
        open.or_else(ended).unwrap_or(key).clone()
    }

    fn arrived(&mut self, path: PathBuf, arrival: Arrival, now: Moment) -> SeriesKey {
        let key = self.known(&arrival.key);
        let sighted = self.files.get(&path).map_or(now, |file| file.first_seen);
        if !self.open.contains_key(&key) {
            let before = self.ended.get(&key).cloned();
            if before.is_some() {
                // All its files are needed again.
                self.files
                    .regroup(&Group::Known(key.clone()), &Phase::due());
            }
            let since = before.as_ref().and_then(|before| before.silent_since);
            let mut series = Collecting::new(&arrival, now, before);
            if let Some(since) = since {
                series.course.note_superseded(sighted.since(since));
            }
            self.open.insert(key.clone(), series);
        }
        let instances_max = self.limits.instances_max;
        if let Some(series) = self.open.get_mut(&key) {
            series.add(path, arrival, instances_max, sighted);
        }
        key
    }

    /// A damaged file names its series: that alone opens it, so that even a series without one good file gets its ending.
    /// A series that has ended stays so.
    fn announced(&mut self, arrival: &Arrival, now: Moment) -> SeriesKey {
        let key = self.known(&arrival.key);
        if !self.open.contains_key(&key) && !self.ended.contains_key(&key) {
            self.open
                .insert(key.clone(), Collecting::new(arrival, now, None));
        }
        key
    }

    /// When a file that only named its series is read whole: at once where the series goes on, later where it waits.
    fn turn_of(&mut self, key: &SeriesKey) -> Phase {
        let goes_on = self
            .open
            .get(key)
            .is_none_or(|series| !series.slices.is_empty());
        if goes_on {
            return Phase::due();
        }
        self.put_back.insert(key.clone());
        Phase::PutBack(key.clone())
    }

    /// Slices held over all series, and the bytes of their pixels.
    fn held(&self) -> (usize, usize) {
        let slices = self.open.values().map(|series| series.slices.len()).sum();
        let bytes = self.open.values().map(|series| series.bytes).sum();
        (slices, bytes)
    }

    /// What pixels may take: less in a folder of very many files, so that a long queue takes no more than a short one; but
    /// always half of the bound.
    fn bytes_held_max(&self) -> usize {
        let (most, known) = (self.limits.bytes_held_max, self.files.len() * FILE_BYTES);
        most.saturating_sub(known).max(most / 2)
    }

    fn is_full(&self) -> bool {
        let (slices, bytes) = self.held();
        slices >= self.limits.slices_held_max || bytes >= self.bytes_held_max()
    }

    fn series_holding(&self) -> usize {
        self.open
            .values()
            .filter(|series| !series.slices.is_empty())
            .count()
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
            let held = Group::Held(key.clone());
            self.files.regroup(&held, &Phase::PutBack(key.clone()));
            self.put_back.insert(key);
        }
    }

    /// A series was closed: the files of those that were put back are read again, the longest open first, as many as there
    /// is room for. To take up all would read most of them in vain, again and again.
    pub(super) fn take_up_what_was_put_back(&mut self, now: Moment) {
        if self.put_back.is_empty() {
            return;
        }
        let since = |key: &SeriesKey| self.open.get(key).map(|series| series.first_arrival);
        let counts = self.files.put_back();
        let mut waiting: Vec<(Option<Moment>, SeriesKey, usize)> = counts
            .map(|(key, count)| (since(key), key.clone(), count))
            .collect();
        waiting.sort();
        let mut room = self.room();
        let mut idle = self.series_holding() == 0;
        self.put_back.clear();
        for (_, key, count) in waiting {
            // A series larger than the bound goes on alone.
            if count > room && !idle {
                room = 0;
                self.put_back.insert(key);
                continue;
            }
            idle = false;
            room = room.saturating_sub(count);
            // It was not its files that made it wait.
            if let Some(series) = self.open.get_mut(&key) {
                series.taken_up = now;
                series.waits_for = 0;
            }
            self.files.regroup(&Group::PutBack(key), &Phase::due());
        }
    }

    /// Slices that still fit, if they are as large as those that are held.
    fn room(&self) -> usize {
        let (slices, bytes) = self.held();
        let by_count = self.limits.slices_held_max.saturating_sub(slices);
        let bytes_left = self.bytes_held_max().saturating_sub(bytes);
        match bytes.checked_div(slices).filter(|each| *each > 0) {
            Some(each) => by_count.min(bytes_left / each),
            None => by_count,
        }
    }
}

fn may_be_instance(seen: &FileSeen) -> bool {
    seen.bytes > 0 && !is_skipped(&seen.path)
}

/// A file of a series that the ledger holds as closed, unchanged since, is not read again.
fn phase_at_first_sight(marks: &Marks, seen: &FileSeen) -> Phase {
    match marks.get(&PathDigest::of(&seen.path)) {
        Some((bytes, modified, key)) if (*bytes, *modified) == (seen.bytes, seen.modified) => {
            Phase::Known(key.clone())
        }
        Some(_) | None => Phase::Growing,
    }
}
