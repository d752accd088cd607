//! The real core under simulated time: folder, readers, pipeline, disk and broker answer after set times, nobody sleeps.

use super::Wait;
use super::scenario::{Landing, Sent};
use crate::daemon::{Action, Daemon, Event, Judgement, Settings};
use crate::dicom::Header;
use crate::edge::Failure;
use crate::edge::bench::samples::Samples;
use crate::health::{self, Health};
use crate::ids::{ModelDigest, Pseudonym, Redacted, SeriesKey, SlugName, Uid};
use crate::intake::{
    self, Arrival, FileSeen, Intake, IntakeLimits, ReadResult, Reading, Ready, Slice,
};
use crate::outbox::{self, At};
use crate::outcome::{
    LesionFacts, ModelFacts, Outcome, Priority, SeriesFacts, TimingFacts, TriagedSeries, Why,
};
use crate::pipeline::left_out;
use crate::refusal::Refusal;
use crate::series::SliceGeometry;
use crate::units::{Moment, WallTime};
use crate::volume::{ReducedSlice, reduce};
use crate::wire::{Profile, Root, Sender};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks into the folder: the settings' default.
const POLL_MS: u64 = 1000;
/// From a writer's close to the core's hearing of it.
const TOLD_MS: u64 = 2;
/// Reading and reducing one slice of JPEG Lossless, by one of two readers.
const READ_MS: u64 = 6;
/// From the gate to the numbers, a small box. `scanward bench` prints what yours takes.
const JUDGE_MS: u64 = 250;
/// One commit on a disk that is not quick.
const SAVE_MS: u64 = 15;
/// The technician, or the scanner, clears a series' folder so long after its last file.
const CLEARED_MS: u64 = 60_000;
/// A recalled set of slices needs so much lung to be triaged at all, mm.
const LUNG_MIN_MM: f64 = 100.0;
/// Lungs end inside the stack when a slice lies so far beyond them, mm.
const BEYOND_MM: f64 = 2.0;

/// What came of one scenario under one wait.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Course {
    /// Last new instance landed to the finding of the whole series on disk.
    pub(super) delays: Samples,
    /// Series with a finding.
    pub(super) findings: usize,
    /// Of these, series whose first ending lacked slices.
    pub(super) superseded: usize,
}

/// What is due at a moment.
enum Due {
    Landed(usize, Landing),
    Look,
    Deliver(Box<Event>),
}

struct Simulation<'a> {
    sent: &'a [Sent],
    one_folder: bool,
    headers: Vec<Arc<Header>>,
    /// When the last file of each series lands.
    ends: Vec<u64>,
    plane: Arc<ReducedSlice>,
    daemon: Daemon,
    due: BTreeMap<(u64, u64), Due>,
    numbered: u64,
    now: u64,
    folder: BTreeMap<OsString, (usize, Landing)>,
    readers_free: [u64; 2],
    looking: bool,
    endings: Vec<Vec<Ending>>,
    keys: BTreeMap<SeriesKey, usize>,
}

struct Ending {
    at: u64,
    found: bool,
}

/// Runs `sent` through the core. Errors: the simulation's own names do not parse.
pub(super) fn run(sent: &[Sent], one_folder: bool, wait: Wait) -> Result<Course, Failure> {
    let mut simulation = Simulation::new(sent, one_folder, wait)
        .ok_or_else(|| Failure::new("the simulation's own facts do not parse", "report this"))?;
    simulation.go();
    Ok(simulation.course())
}

impl<'a> Simulation<'a> {
    fn new(sent: &'a [Sent], one_folder: bool, wait: Wait) -> Option<Simulation<'a>> {
        let name = |text| SlugName::parse(text).ok();
        let settings = Settings {
            sender: Sender {
                root: Root::new(name("bench")?, name("ct-1")?),
                profile: Profile::default(),
            },
            model: model().digest.as_str().to_owned(),
            outbox: outbox::Limits::default(),
            review: crate::review::Limits::default(),
        };
        let limits = match wait {
            Wait::Adaptive => IntakeLimits::default(),
            Wait::Fixed { seconds } => IntakeLimits {
                adaptive: false,
                quiet: Duration::from_secs(seconds),
                ..IntakeLimits::default()
            },
        };
        let health = Health::new(health::Limits::default(), 1, "bench", WallTime::default());
        let mut headers = Vec::new();
        let mut keys = BTreeMap::new();
        for (index, series) in sent.iter().enumerate() {
            let header = header(index, series)?;
            keys.insert(header.series.clone(), index);
            headers.push(Arc::new(header));
        }
        let mut simulation = Simulation {
            sent,
            one_folder,
            headers,
            ends: sent
                .iter()
                .map(|sent| sent.files.iter().map(|file| file.at).max().unwrap_or(0))
                .collect(),
            plane: Arc::new(reduce(&[0; 4], 2, 2, 1.0, 1.0, 1.0).ok()?),
            daemon: Daemon::new(settings, Intake::new(limits, Vec::new()), health),
            due: BTreeMap::new(),
            numbered: 0,
            now: 0,
            folder: BTreeMap::new(),
            readers_free: [0; 2],
            looking: false,
            endings: sent.iter().map(|_| Vec::new()).collect(),
            keys,
        };
        simulation.deliver(0, Event::Outbox(outbox::Event::Online));
        for (index, series) in sent.iter().enumerate() {
            for landing in &series.files {
                simulation.put(landing.visible, Due::Landed(index, *landing));
            }
        }
        Some(simulation)
    }

    fn put(&mut self, at: u64, due: Due) {
        self.numbered += 1;
        self.due.insert((at.max(self.now), self.numbered), due);
    }

    fn deliver(&mut self, after: u64, event: Event) {
        self.put(self.now + after, Due::Deliver(Box::new(event)));
    }

    fn go(&mut self) {
        loop {
            let wake = self.daemon.wake_at().filter(|_| !self.is_at_rest());
            let next = self.due.first_key_value().map(|((at, _), _)| *at);
            let due = match (next, wake.map(Moment::millis)) {
                (None, None) => return,
                (Some(next), Some(wake)) if wake < next => None,
                (None, Some(_)) => None,
                (Some(_), _) => self.due.pop_first(),
            };
            let Some(((at, _), due)) = due else {
                self.now = wake.map_or(self.now, |wake| wake.millis().max(self.now + 1));
                self.handle(Event::Tick);
                continue;
            };
            self.now = at;
            match due {
                Due::Landed(series, landing) => self.landed(series, landing),
                Due::Look => self.look(),
                Due::Deliver(event) => self.handle(*event),
            }
        }
    }

    /// Nothing lands any more and nothing is open: only the health document would go on for ever.
    fn is_at_rest(&self) -> bool {
        self.due.is_empty() && self.daemon.is_idle()
    }

    fn path(&self, series: usize, landing: &Landing) -> PathBuf {
        let copy = if landing.again { "again-" } else { "" };
        let between = if self.one_folder { '-' } else { '/' };
        PathBuf::from(format!("ct/{series}{between}{copy}{}", landing.slice))
    }

    fn seen(path: &Path, landing: &Landing) -> FileSeen {
        FileSeen {
            path: path.to_path_buf(),
            bytes: 500_000,
            modified: WallTime::from_unix_millis(i64::try_from(landing.at).unwrap_or(0)),
        }
    }

    fn landed(&mut self, series: usize, landing: Landing) {
        let path = self.path(series, &landing);
        if landing.told {
            let written = vec![Self::seen(&path, &landing)];
            self.deliver(TOLD_MS, Event::Intake(intake::Event::Written(written)));
        }
        self.folder.insert(path.into_os_string(), (series, landing));
        if !std::mem::replace(&mut self.looking, true) {
            // The looks go on all the time; those into a folder at rest are left out. Their phase is the clock's own.
            let next = self.now.next_multiple_of(POLL_MS);
            self.put(next, Due::Look);
        }
    }

    fn look(&mut self) {
        let now = self.now;
        let ends = &self.ends;
        self.folder
            .retain(|_, (series, _)| ends.get(*series).is_some_and(|end| end + CLEARED_MS > now));
        let listing = self
            .folder
            .iter()
            .map(|(path, (_, landing))| Self::seen(Path::new(path), landing));
        let event = intake::Event::Scanned(listing.collect());
        self.handle(Event::Intake(event));
        self.looking = !self.daemon.is_idle() || !self.folder.is_empty();
        if self.looking {
            self.put(self.now + POLL_MS, Due::Look);
        }
    }

    fn handle(&mut self, event: Event) {
        let at = At {
            now: Moment::from_millis(self.now),
            wall: self.wall(),
            dice: 0,
        };
        for action in self.daemon.handle(event, at) {
            self.act(action);
        }
    }

    fn wall(&self) -> WallTime {
        WallTime::from_unix_millis(i64::try_from(self.now).unwrap_or(0))
    }

    fn act(&mut self, action: Action) {
        match action {
            // A file is read whole always: the simulation counts reads, not bytes.
            Action::Read(Reading { path, .. }) => {
                let free = self.readers_free.iter_mut().min();
                let done = free.map_or(self.now, |free| {
                    *free = (*free).max(self.now) + READ_MS;
                    *free
                });
                let result = self.read(&path);
                let event = Event::Intake(intake::Event::Read { path, result });
                self.put(done, Due::Deliver(Box::new(event)));
            }
            Action::Judge(ready) => {
                let judgement = self.judge(ready);
                self.deliver(JUDGE_MS, Event::Judged(Box::new(judgement)));
            }
            Action::Compare(judgement) => self.deliver(0, Event::Compared(judgement)),
            Action::Save(saving) => {
                let ending = Ending {
                    at: self.now + SAVE_MS,
                    found: saving.finding.is_some(),
                };
                let series = self.keys.get(saving.key()).copied();
                if let Some(endings) = series.and_then(|series| self.endings.get_mut(series)) {
                    endings.push(ending);
                }
                self.deliver(SAVE_MS, Event::Saved(saving));
            }
            Action::Send { id, .. } => {
                self.deliver(SAVE_MS, Event::Outbox(outbox::Event::Acked(id)))
            }
            Action::Delete(id) => self.deliver(0, Event::Outbox(outbox::Event::Deleted(id))),
            Action::Reconnect
            | Action::Review(_)
            | Action::PublishHealth(_)
            | Action::Ignored(_)
            | Action::GaveUp(_) => {}
        }
    }

    fn read(&self, path: &Path) -> ReadResult {
        let found = self.folder.get(path.as_os_str());
        let arrival = found.and_then(|(series, landing)| self.arrival(*series, landing));
        arrival.map_or(ReadResult::Unreadable, |arrival| {
            ReadResult::Series(Box::new(arrival))
        })
    }

    fn arrival(&self, series: usize, landing: &Landing) -> Option<Arrival> {
        let (sent, header) = (self.sent.get(series)?, self.headers.get(series)?);
        let mut digest = [0; 32];
        let mark = (series as u64) << 32 | u64::from(landing.slice);
        digest
            .iter_mut()
            .zip(mark.to_le_bytes())
            .for_each(|(to, from)| *to = from);
        let slice = Slice {
            instance: None,
            geometry: SliceGeometry {
                position: [-180.0, -180.0, f64::from(landing.slice) * sent.step_mm],
                orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                rows: 512,
                columns: 512,
                row_spacing: 0.7,
                column_spacing: 0.7,
            },
            digest,
            plane: Arc::clone(&self.plane),
        };
        let scan = [u8::try_from(sent.scan % 251).ok()?; 32];
        Some(Arrival {
            key: header.series.clone(),
            facts: intake::SeriesFacts {
                header: Arc::clone(header),
                patient: Pseudonym::from_mac(&scan),
                study: Pseudonym::from_mac(&scan),
            },
            slices: Ok(vec![slice]),
            at: self.wall(),
        })
    }

    /// As the pipeline ends it, told from the slices' places alone.
    fn judge(&self, ready: Box<Ready>) -> Judgement {
        let header = ready.facts.header.as_ref();
        let siblings: Vec<&Header> = ready
            .siblings
            .iter()
            .map(|sibling| sibling.header.as_ref())
            .collect();
        let refusal = left_out(header, &siblings).or_else(|| ready.slices.as_ref().err().cloned());
        let outcome = match (refusal, self.triage(&ready)) {
            (None, Some(triaged)) => Outcome::Triaged(Box::new(triaged)),
            (refusal, _) => Outcome::NotTriaged {
                why: Why::Refused(refusal.unwrap_or(Refusal::NoLungs {
                    found_ml: 0.0,
                    least_ml: 800.0,
                })),
            },
        };
        Judgement {
            outcome,
            series: SeriesFacts {
                modality: "CT".to_owned(),
                instances: ready.instances,
                ..SeriesFacts::default()
            },
            preview: None,
            masks: None,
            grid: None,
            at: self.wall(),
            ready,
        }
    }

    fn triage(&self, ready: &Ready) -> Option<TriagedSeries> {
        let sent = self.sent.get(*self.keys.get(&ready.key)?)?;
        let heights = ready
            .slices
            .as_ref()
            .ok()?
            .iter()
            .map(|slice| slice.geometry.position[2]);
        let (low, high) = heights.fold((f64::MAX, f64::MIN), |(low, high), z| {
            (low.min(z), high.max(z))
        });
        let [begin, end] = sent.lungs_mm;
        if end.min(high) - begin.max(low) < LUNG_MIN_MM {
            return None;
        }
        let inside = low <= begin - BEYOND_MM && high >= end + BEYOND_MM;
        let cut_off = crate::findings::Quality::LungsCutOff.code().to_owned();
        Some(TriagedSeries {
            priority: Priority::Routine,
            score: 0.1,
            lesion: LesionFacts {
                burden_percent: 1.0,
                burden_interval_percent: [0.5, 1.5],
                volume_ml: 40.0,
                lung_volume_ml: 4000.0,
                count: 1,
                zones: Vec::new(),
            },
            comparison: None,
            quality: if inside { Vec::new() } else { vec![cut_off] },
            timing: TimingFacts {
                last_instance_at: ready.last_instance_at,
                complete_at: self.wall(),
                compute_ms: JUDGE_MS,
                queued_ms: 0,
            },
            model: model(),
        })
    }

    fn course(&self) -> Course {
        let mut course = Course::default();
        for (sent, endings) in self.sent.iter().zip(&self.endings) {
            let Some(last) = endings.last().filter(|ending| ending.found) else {
                continue;
            };
            let fresh = sent.files.iter().filter(|file| !file.again);
            let landed = fresh.map(|file| file.at).max().unwrap_or(0);
            course.findings += 1;
            course.superseded += usize::from(endings.len() > 1);
            course
                .delays
                .add(Duration::from_millis(last.at.saturating_sub(landed)));
        }
        course
    }
}

fn model() -> ModelFacts {
    ModelFacts {
        name: "simulated".to_owned(),
        version: "0.0.1".to_owned(),
        digest: ModelDigest::from_sha256(&[0; 32]),
        epoch: 0,
        backend: "none".to_owned(),
    }
}

fn header(index: usize, sent: &Sent) -> Option<Header> {
    let uid = |text: String| Uid::parse(&text).ok();
    Some(Header {
        series: SeriesKey(uid(format!("2.25.{}", index + 1))?),
        study: uid(format!("2.25.{}.{}.7", sent.device + 1, sent.scan + 1)),
        instance: None,
        frame_of_reference: uid(format!("2.25.{}.{}.8", sent.device + 1, sent.scan + 1)),
        sop_class: None,
        transfer_syntax: String::new(),
        modality: "CT".to_owned(),
        image_type: Vec::new(),
        rows: 512,
        columns: 512,
        pixel_spacing: [0.7, 0.7],
        slice_thickness: Some(sent.step_mm),
        instance_number: None,
        acquisition_number: Some(1),
        series_number: None,
        body_part: None,
        kernel: Some("Br40".to_owned()),
        series_description: None,
        device: Some(format!("simulated\\{}", sent.device)),
        acquired: None,
        accession: None,
        patient: Redacted::default(),
    })
}
