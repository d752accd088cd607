//! From open to ended: which series is quiet, which looks complete ahead of that, and what they are handed out with.

use super::early::Early;
use super::files::{Group, Phase, Tracked};
use super::machine::{Action, Intake};
use super::series::{ClosedSeries, Collecting, Ended, Ready, SeriesFacts, Slice};
use crate::ids::{FindingId, SeriesKey};
use crate::refusal::Refusal;
use crate::series::{SliceGeometry, is_complete_geometry};
use crate::store::FileMark;
use crate::units::{Moment, WallTime};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

/// How a series looks ahead of its quiet time.
enum Seems {
    Complete(Vec<Slice>),
    /// Complete, but for a file that may be its own and is not read yet.
    Unread,
    Unfit,
}

impl Intake {
    /// When a series counts as quiet. Only one that was judged complete ahead of time waits less than the longest time.
    pub(super) fn quiet_at(&self, series: &Collecting) -> Moment {
        let quiet = self.limits.quiet;
        let wait = series.early.wait().filter(|_| self.limits.adaptive);
        series
            .last_arrival
            .after(wait.map_or(quiet, |wait| wait.min(quiet)))
    }

    pub(super) fn overdue_at(&self, series: &Collecting) -> Moment {
        let since = self.quiet_at(series).max(series.taken_up);
        since.after(self.limits.overdue)
    }

    pub(super) fn judge_the_quiet(
        &mut self,
        now: Moment,
        look_again: bool,
        actions: &mut Vec<Action>,
    ) {
        let due = self.open.iter().filter(|(_, series)| {
            !series.handed_out
                && now >= self.quiet_at(series)
                && (look_again || series.waits_for == 0)
        });
        let due: Vec<SeriesKey> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            if let Some(ready) = self.judge(&key, now) {
                actions.push(Action::Judge(Box::new(ready)));
            }
        }
    }

    fn judge(&mut self, key: &SeriesKey, now: Moment) -> Option<Ready> {
        let series = self.open.get(key)?;
        let quiet_at = self.quiet_at(series);
        // Known at once: with many series waiting, to count each one's files again and again would be most of the work.
        if self.put_back.contains(key) {
            self.open.get_mut(key)?.waits_for = 1;
            return None;
        }
        let waiting = self.waiting_files(key, series, quiet_at);
        if waiting > 0 && now < self.overdue_at(series) {
            self.open.get_mut(key)?.waits_for = waiting;
            return None;
        }
        let result = if waiting > 0 {
            Err(self.unreadable(key, series, waiting))
        } else {
            series.result()
        };
        let content = series.content(&result);
        // The same slices again (a copy in another folder, say) change nothing: the old ending stands.
        if let Some(before) = series.before.clone()
            && before.content == content
        {
            let closed = ClosedSeries {
                key: key.clone(),
                content,
                finding: before.finding,
                files: self.marks_of(key),
            };
            self.end(closed, now);
            return None;
        }
        let generation = self.open.get(key)?.early.generation();
        let ready = self.ready(key, generation, result, now)?;
        self.open.get_mut(key)?.handed_out = true;
        Some(ready)
    }

    /// The series as it stands, as a `generation` already handed out or as a new one.
    fn ready(
        &mut self,
        key: &SeriesKey,
        generation: Option<u64>,
        slices: Result<Vec<Slice>, Refusal>,
        now: Moment,
    ) -> Option<Ready> {
        let generation = generation.unwrap_or_else(|| {
            self.generation += 1;
            self.generation
        });
        let files = self.marks_of(key);
        let siblings = self.siblings(key);
        let series = self.open.get_mut(key)?;
        series.generation = generation;
        Some(Ready {
            key: key.clone(),
            generation,
            facts: series.facts.clone(),
            content: series.content(&slices),
            slices,
            files,
            supersedes: series.before.as_ref().map(|before| before.finding.clone()),
            last_instance_at: series.last_instance_at,
            ready_at: now,
            instances: u32::try_from(series.files.len()).unwrap_or(u32::MAX),
            siblings,
        })
    }

    /// Whether `generation` is still what `key` holds and was handed out to be ended: no instance came since.
    pub fn is_current(&self, key: &SeriesKey, generation: u64) -> bool {
        self.open
            .get(key)
            .is_some_and(|series| series.handed_out && series.generation == generation)
    }

    // ---- ahead of the quiet time -----------------------------------------------------------------------------

    /// Whether `generation` is still what `key` holds and was handed out ahead of time.
    pub fn is_early(&self, key: &SeriesKey, generation: u64) -> bool {
        self.open
            .get(key)
            .is_some_and(|series| series.early.generation() == Some(generation))
    }

    pub(super) fn has_room_ahead(&self) -> bool {
        let ahead = self
            .open
            .values()
            .filter(|series| series.early.generation().is_some());
        ahead.count() < self.limits.early_max
    }

    /// When it is worth a look whether the series is complete.
    pub(super) fn early_at(&self, key: &SeriesKey, series: &Collecting) -> Option<Moment> {
        // Asked of every open series at every event: what is quick to tell comes first.
        let fit = series.slices.len() > 1
            && series.early == Early::Open
            && !series.handed_out
            && series.refusal.is_none()
            && !self.put_back.contains(key);
        if !fit {
            return None;
        }
        let pause = series.course.pause()?;
        let since = series.last_arrival.max(series.looked_at);
        Some(since.after(pause))
    }

    pub(super) fn judge_ahead(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let due = self
            .open
            .iter()
            .filter(|(key, series)| self.early_at(key, series).is_some_and(|when| when <= now));
        let due: Vec<SeriesKey> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            if !self.has_room_ahead() {
                return;
            }
            let (ready, otherwise) = match self.seems(&key, now) {
                Seems::Complete(slices) => (self.ready(&key, None, Ok(slices), now), Early::Unfit),
                // In a folder that all series share some file is on its way often enough: looked at again.
                Seems::Unread => (None, Early::Open),
                Seems::Unfit => (None, Early::Unfit),
            };
            let Some(series) = self.open.get_mut(&key) else {
                continue;
            };
            let running = |ready: &Ready| Early::Running(ready.generation);
            series.early = ready.as_ref().map_or(otherwise, running);
            series.looked_at = now;
            actions.extend(ready.map(|ready| Action::JudgeEarly(Box::new(ready))));
        }
    }

    /// Whether a series has one regular geometry, no ending of this content, and no file of its own on the way.
    fn seems(&self, key: &SeriesKey, now: Moment) -> Seems {
        let Some(series) = self.open.get(key) else {
            return Seems::Unfit;
        };
        let slices = series.slices.iter();
        let places: Vec<SliceGeometry> = slices.map(|(_, slice)| slice.geometry).collect();
        let result = series.result();
        let known = series
            .before
            .as_ref()
            .is_some_and(|before| before.content == series.content(&result));
        match result {
            Ok(_) if known || !is_complete_geometry(&places, &self.limits.geometry) => Seems::Unfit,
            Ok(_) if self.waiting_files(key, series, now) > 0 => Seems::Unread,
            Ok(slices) => Seems::Complete(slices),
            Err(_) => Seems::Unfit,
        }
    }

    pub(super) fn judged_early(&mut self, key: &SeriesKey, generation: u64, complete: bool) {
        if !self.is_early(key, generation) {
            return;
        }
        let limits = &self.limits;
        let least = limits.quiet_min.min(limits.quiet);
        if let Some(series) = self.open.get_mut(key) {
            let wait = complete.then(|| self.paces.wait(&series.device(), least, limits.quiet));
            series.early = Early::Judged { generation, wait };
        }
    }

    // ---- what it waits for -----------------------------------------------------------------------------------

    /// What is said of a series whose broken files did not get whole in time.
    fn unreadable(&self, key: &SeriesKey, series: &Collecting, waiting: usize) -> Refusal {
        let named = Group::OnTheWay(Some(key.clone()));
        let mut own = self.files.group(&named);
        let own = own.find_map(|(_, tracked)| tracked.refusal.as_deref());
        match own {
            Some(refusal) if series.slices.is_empty() => refusal.clone(),
            Some(_) | None => Refusal::Unreadable { files: waiting },
        }
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
        let may_be_ours = |path: &Path, tracked: &Tracked| {
            let in_time = match tracked.refusal {
                Some(_) => written.contains(&tracked.modified),
                None => tracked.first_seen <= quiet_at,
            };
            in_time && beside(path)
        };
        let named = [
            Group::PutBack(key.clone()),
            Group::OnTheWay(Some(key.clone())),
        ];
        let named: usize = named.iter().map(|group| self.files.count(group)).sum();
        let nobodys = self.files.group(&Group::OnTheWay(None));
        named
            + nobodys
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
                .map(|file| file.modified)
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

    fn marks_of(&self, key: &SeriesKey) -> Vec<FileMark> {
        let own = [Group::Held(key.clone()), Group::Known(key.clone())];
        let own = own.iter().flat_map(|group| self.files.group(group));
        own.map(|(path, tracked)| tracked.mark(path)).collect()
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

    // ---- its end ---------------------------------------------------------------------------------------------

    pub(super) fn closed(&mut self, closed: ClosedSeries, now: Moment) {
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
                    silent_since: None,
                });
            }
            return self.remember(closed, None);
        }
        self.end(closed, now);
    }

    fn end(&mut self, closed: ClosedSeries, now: Moment) {
        let mut silent_since = None;
        if let Some(series) = self.open.remove(&closed.key) {
            silent_since = Some(series.last_arrival);
            self.learn(&series, &closed.content);
            self.studies.insert(closed.key.clone(), series.facts);
            // Bounded like the ledger: only the newest studies can still get another reconstruction.
            while self.studies.len() > 256 {
                self.studies.pop_first();
            }
        }
        self.files.regroup(
            &Group::Held(closed.key.clone()),
            &Phase::Known(closed.key.clone()),
        );
        self.take_up_what_was_put_back(now);
        self.remember(closed, silent_since);
    }

    /// What the series says of its scanner's pace. Only complete ones tell: the others wait the longest time anyway.
    fn learn(&mut self, series: &Collecting, content: &[u8; 32]) {
        let changed = series
            .before
            .as_ref()
            .is_none_or(|before| before.content != *content);
        let superseded = series.course.superseded && series.before.is_some();
        if changed && (series.early.wait().is_some() || superseded) {
            let course = &series.course;
            // No wait that may be chosen would have been long enough for a longer silence.
            let late = course.late.filter(|silence| *silence < self.limits.quiet);
            self.paces
                .record(series.device(), course.longest, late, superseded);
        }
    }

    pub(super) fn remember(&mut self, closed: ClosedSeries, silent_since: Option<Moment>) {
        for mark in &closed.files {
            let known = (mark.bytes, mark.modified, closed.key.clone());
            self.marks.insert(mark.path, known);
        }
        let ended = Ended {
            content: closed.content,
            finding: closed.finding,
            silent_since,
        };
        self.ended.insert(closed.key, ended);
    }

    pub(super) fn reopened(&mut self, key: &SeriesKey, now: Moment) {
        if let Some(series) = self.open.get_mut(key) {
            series.handed_out = false;
            // Not before another quiet time: what failed a moment ago would fail again.
            series.last_arrival = now;
            series.early = Early::Unfit;
        }
    }

    /// The finding a series ended in last, if it ended.
    pub fn ended_in(&self, key: &SeriesKey) -> Option<&FindingId> {
        self.ended.get(key).map(|ended| &ended.finding)
    }
}
