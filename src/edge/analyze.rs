//! Series given by hand, by the rules of the service: the same intake machine, reader and judge, with the time stepped
//! by hand instead of waited for.

use super::clock::Clock;
use super::failure::Failure;
use super::gather::Gathered;
use super::judge::{Judge, Judged};
use super::model_folder;
use super::output::save;
use super::prior::Prior;
use super::random::random;
use super::reader::Reader;
use crate::daemon::identity;
use crate::dicom::{Header, ReadLimits};
use crate::fault::Fault;
use crate::ids::{FindingId, Redacted, SeriesKey};
use crate::infer::EngineOptions;
use crate::intake::{Action, Event, Intake, IntakeLimits, ReadResult, Reading, Ready, is_skipped};
use crate::model::ModelManifest;
use crate::nifti::{NativeMask, Packing};
use crate::outcome::{Outcome, Why};
use crate::pipeline::{Stage, Triage};
use crate::refusal::Refusal;
use crate::series::SeriesRules;
use crate::units::Moment;
use crate::wire::{FindingPayload, IdentityLevel, IntendedUse, Profile};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A file given by hand does not grow any more: it is not tried again.
const NEVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A loaded model and what else an analysis needs.
pub struct Analysis {
    judge: Judge,
    reader: Reader,
    clock: Clock,
    limits: Vec<String>,
}

/// What the caller is told while an analysis runs.
pub enum Tell {
    /// Files were read.
    Read {
        /// So many.
        done: usize,
        /// Of so many.
        files: usize,
    },
    /// A series ended.
    Found(Box<Found>),
    /// A file belongs to no series. Told at the end.
    LeftOut(LeftOut),
}

/// A series with its ending.
pub struct Found {
    /// The contract's `data`, everything shown.
    pub payload: FindingPayload,
    /// The volumes, when it was triaged.
    pub triage: Option<Box<Triage>>,
    /// The picture, PNG, when it was asked for and there is one.
    pub preview: Option<Vec<u8>>,
    /// The header of its first instance.
    pub header: Arc<Header>,
    /// How long each stage took, as far as it came.
    pub stages: Vec<(Stage, Duration)>,
    /// The folder, archive or file that its files lie in.
    pub place: PathBuf,
    /// This series as the prior of another; none when it was not triaged.
    pub as_prior: Option<Prior>,
    /// What a reader should know besides.
    pub notes: Vec<String>,
    /// Whether the box failed, and not the input.
    pub box_failed: bool,
}

/// A file that belongs to no series.
pub struct LeftOut {
    /// Which.
    pub file: PathBuf,
    /// Why, with the stable code where there is one.
    pub reason: String,
    /// Whether it may have held a slice: nothing could be read of it.
    pub lost: bool,
}

impl Analysis {
    /// Loads the model in `folder` and checks it; `preview`: whether each series gets a picture.
    ///
    /// Pseudonyms are made with a random key of this run. Errors: the model is not there or does not pass its check.
    pub fn new(folder: &Path, preview: bool) -> Result<Analysis, Failure> {
        let package = model_folder::load(folder)?;
        let rules = SeriesRules::default();
        let options = EngineOptions::default();
        let judge = Judge::new(&package, &rules, preview, IntendedUse::Detection, options)?;
        let secret = Redacted::new(random()?);
        let reader = Reader::new(ReadLimits::default(), judge.spacing_mm(), secret);
        let clock = Clock::start();
        let limits = model_folder::limits(folder, judge.manifest());
        Ok(Analysis {
            judge,
            reader,
            clock,
            limits,
        })
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &ModelManifest {
        self.judge.manifest()
    }

    /// The model's limits, as the card beside it states them; none when there is no card.
    pub fn limits(&self) -> &[String] {
        &self.limits
    }

    /// Takes every file of `gathered` through to the endings of its series; compares each with `prior`.
    ///
    /// Errors: those of `tell`, which end the run; a prior that must not be compared.
    pub fn run(
        &mut self,
        gathered: Gathered,
        prior: Option<&Prior>,
        tell: &mut dyn FnMut(Tell) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let limits = IntakeLimits {
            retry: NEVER,
            ..IntakeLimits::default()
        };
        let waits = [limits.quiet, limits.overdue];
        let mut course = Course {
            intake: Intake::new(limits, Vec::new()),
            now: Moment::default(),
            read: BTreeMap::new(),
            left_out: BTreeMap::new(),
            analysis: self,
            gathered,
            prior,
            tell,
        };
        course.run(waits)?;
        course.tell_left_out()
    }
}

/// One run.
struct Course<'a> {
    analysis: &'a mut Analysis,
    gathered: Gathered,
    prior: Option<&'a Prior>,
    tell: &'a mut dyn FnMut(Tell) -> Result<(), Failure>,
    intake: Intake,
    now: Moment,
    /// Files read, and the series each is of.
    read: BTreeMap<PathBuf, Option<SeriesKey>>,
    left_out: BTreeMap<PathBuf, LeftOut>,
}

impl Course<'_> {
    /// Two scans make the files hold still. When nothing is left to be read the quiet time passes, and when nothing
    /// came of that the time after which a series no longer waits for its broken files.
    fn run(&mut self, waits: [Duration; 2]) -> Result<(), Failure> {
        self.handle(Event::Scanned(self.gathered.listing()))?;
        self.handle(Event::Scanned(self.gathered.listing()))?;
        let mut waits_in_vain = 0;
        while let Some(wait) = waits.get(waits_in_vain) {
            self.now = self.now.after(*wait);
            let acted = self.handle(Event::Tick)?;
            waits_in_vain = if acted { 0 } else { waits_in_vain + 1 };
        }
        Ok(())
    }

    /// Hands `event` to the intake and does what it asks for, and what comes of that; whether there was anything.
    fn handle(&mut self, event: Event) -> Result<bool, Failure> {
        let mut actions = VecDeque::from(self.intake.handle(event, self.now));
        let acted = !actions.is_empty();
        while let Some(action) = actions.pop_front() {
            let answer = match action {
                Action::Read(reading) => self.read(reading)?,
                Action::Judge(ready) => self.judge(ready)?,
                // Known already from its reading, with its name; nothing is gained ahead of a time that is stepped by hand.
                Action::Ignored { .. } | Action::JudgeEarly(_) => continue,
            };
            actions.extend(self.intake.handle(answer, self.now));
        }
        Ok(acted)
    }

    fn read(&mut self, reading: Reading) -> Result<Event, Failure> {
        let at = self.analysis.clock.wall();
        let result = self.gathered.read(&reading, &mut self.analysis.reader, at);
        let path = reading.path;
        if let Some(left_out) = nothing_of_a_series(self.gathered.shown(&path), &result) {
            self.left_out.insert(path.clone(), left_out);
        }
        self.read.insert(path.clone(), series_of(&result));
        let (done, files) = (self.read.len(), self.gathered.len());
        (self.tell)(Tell::Read { done, files })?;
        Ok(Event::Read { path, result })
    }

    fn judge(&mut self, mut ready: Box<Ready>) -> Result<Event, Failure> {
        // The intake's time was stepped by hand; nothing waited.
        ready.ready_at = self.analysis.clock.now();
        let mut judged = self.analysis.judge.judge_whole(ready, &self.analysis.clock);
        let ready = &judged.judgement.ready;
        let model = self.analysis.judge.model().digest.as_str();
        let finding = FindingId::derive(&ready.key, model, &ready.content);
        let closed = ready.closed(finding.clone());
        let as_prior = Prior::of(&judged.judgement, finding);
        let mut notes = Vec::new();
        if let (Some(prior), Some(current)) = (self.prior, &as_prior) {
            let compared = prior.compare(current, &mut notes)?;
            if let Outcome::Triaged(triaged) = &mut judged.judgement.outcome {
                triaged.comparison = Some(compared);
            }
        }
        let found = Found {
            payload: payload(&mut judged)?,
            header: Arc::clone(&judged.judgement.ready.facts.header),
            stages: judged.stages,
            place: self.place(&closed.key),
            box_failed: matches!(
                judged.judgement.outcome,
                Outcome::NotTriaged {
                    why: Why::Failed(_)
                }
            ),
            triage: judged.triage,
            preview: judged.judgement.preview,
            as_prior,
            notes,
        };
        (self.tell)(Tell::Found(Box::new(found)))?;
        Ok(Event::Closed(closed))
    }

    /// The deepest folder, or the one file, that all files of the series lie in.
    fn place(&self, key: &SeriesKey) -> PathBuf {
        let ours = self.read.iter().filter(|(_, of)| of.as_ref() == Some(key));
        ours.map(|(path, _)| self.gathered.shown(path).to_path_buf())
            .reduce(|one, other| shared(&one, &other))
            .unwrap_or_default()
    }

    /// Says what became of the files that no series holds.
    fn tell_left_out(&mut self) -> Result<(), Failure> {
        for (file, reason) in self.gathered.broken() {
            let (file, reason) = (PathBuf::from(file), reason.clone());
            (self.tell)(Tell::LeftOut(LeftOut {
                file,
                reason,
                lost: true,
            }))?;
        }
        for seen in self.gathered.listing() {
            let read = self.read.contains_key(&seen.path);
            let left_out = self.left_out.remove(&seen.path).or_else(|| {
                (!read).then(|| never_read(self.gathered.shown(&seen.path), &seen.path))
            });
            if let Some(left_out) = left_out {
                (self.tell)(Tell::LeftOut(left_out))?;
            }
        }
        Ok(())
    }
}

/// The contract's `data` with nothing hidden. A number that no finding can have makes the series a fault of ours.
fn payload(judged: &mut Judged) -> Result<FindingPayload, Failure> {
    let profile = Profile {
        intended_use: IntendedUse::Detection,
        identity: IdentityLevel::Full,
        ..Profile::default()
    };
    let identity = identity(&judged.judgement.ready);
    let judgement = &mut judged.judgement;
    let written = FindingPayload::new(
        &judgement.outcome,
        &judgement.series,
        &identity,
        None,
        &profile,
    );
    written.or_else(|error| {
        let why = Why::Failed(Fault::from(error));
        judgement.outcome = Outcome::NotTriaged { why };
        judgement.series.spacing_mm = None;
        FindingPayload::new(
            &judgement.outcome,
            &judgement.series,
            &identity,
            None,
            &profile,
        )
        .map_err(|error| {
            let fault = Fault::from(error);
            Failure::new(fault.to_string(), fault.advice())
        })
    })
}

/// The series that a file is of.
fn series_of(result: &ReadResult) -> Option<SeriesKey> {
    match result {
        ReadResult::Series(arrival)
        | ReadResult::Named(arrival)
        | ReadResult::CutOff {
            arrival: Some(arrival),
            ..
        } => Some(arrival.key.clone()),
        ReadResult::CutOff { arrival: None, .. }
        | ReadResult::Foreign(_)
        | ReadResult::Unreadable => None,
    }
}

/// What is said of a file whose reading gave no series.
fn nothing_of_a_series(file: &Path, result: &ReadResult) -> Option<LeftOut> {
    let (refusal, lost) = match result {
        ReadResult::Series(_)
        | ReadResult::Named(_)
        | ReadResult::CutOff {
            arrival: Some(_), ..
        } => return None,
        ReadResult::Foreign(refusal) => (refusal, false),
        ReadResult::CutOff { refusal, .. } => (refusal, true),
        ReadResult::Unreadable => {
            return Some(LeftOut {
                file: file.to_path_buf(),
                reason: "cannot be read: its rights, its disk, or a damaged or locked archive"
                    .to_owned(),
                lost: true,
            });
        }
    };
    Some(LeftOut {
        file: file.to_path_buf(),
        reason: said(refusal),
        lost,
    })
}

/// A file that the intake never asked for: skipped by its name, else empty.
fn never_read(file: &Path, listed: &Path) -> LeftOut {
    let (reason, lost) = if is_skipped(listed) {
        (
            "left out by its name: hidden, an unfinished copy, or an index of the medium",
            false,
        )
    } else {
        ("the file is empty", true)
    };
    LeftOut {
        file: file.to_path_buf(),
        reason: reason.to_owned(),
        lost,
    }
}

fn said(refusal: &Refusal) -> String {
    format!("{refusal} [{}]", refusal.code())
}

/// The path that both begin with.
fn shared(one: &Path, other: &Path) -> PathBuf {
    let same = one.components().zip(other.components());
    same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

/// Writes the lesion mask of `triage` on the native grid to `file`, packed where the name ends in `.gz`.
///
/// Errors: the file cannot be written.
pub fn write_mask(file: &Path, triage: &Triage) -> Result<(), Failure> {
    let is_packed = file
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let packing = if is_packed {
        Packing::Gzip
    } else {
        Packing::Plain
    };
    let mask = NativeMask::new(&triage.geometry, &triage.volume, &triage.lesion)
        .map_err(|fault| Failure::new(fault.to_string(), fault.advice()))?;
    save(file, |to| mask.write(packing, to))
}
