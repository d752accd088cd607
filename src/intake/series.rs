//! A series on its way: its slices, its endings so far.

use super::early::{Course, Early};
use super::pace::DeviceKey;
use crate::ids::{FindingId, Pseudonym, SeriesKey, Uid};
use crate::refusal::Refusal;
use crate::series::SliceGeometry;
use crate::store::FileMark;
use crate::units::{Moment, WallTime};
use crate::volume::ReducedSlice;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One slice of a series, reduced in-plane when it arrived.
#[derive(Clone, Debug)]
pub struct Slice {
    /// SOP Instance UID; real exports leave it empty.
    pub instance: Option<Uid>,
    /// Where it lies.
    pub geometry: SliceGeometry,
    /// SHA-256 of pixels and position.
    pub digest: [u8; 32],
    /// Its pixels at the network's in-plane spacing.
    pub plane: Arc<ReducedSlice>,
}

/// What all instances of a series share, as its first instance says it.
#[derive(Clone, Debug)]
pub struct SeriesFacts {
    /// The header of the first instance.
    pub header: Arc<crate::dicom::Header>,
    /// The patient, told by a keyed digest; two in one series refuse it.
    pub patient: Pseudonym,
    /// The study, told by a keyed digest.
    pub study: Pseudonym,
}

/// What one file held.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its series.
    pub key: SeriesKey,
    /// What its header says.
    pub facts: SeriesFacts,
    /// Its slices, or why it has none that can be used.
    pub slices: Result<Vec<Slice>, Refusal>,
    /// When the file landed, by the wall clock.
    pub at: WallTime,
}

/// A series handed to the pipeline.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Which.
    pub key: SeriesKey,
    /// Counts the times this series was handed out; an answer to an older one is void.
    pub generation: u64,
    /// What its first instance says.
    pub facts: SeriesFacts,
    /// Its slices in no order; or why it cannot be triaged.
    pub slices: Result<Vec<Slice>, Refusal>,
    /// SHA-256 over the slices' digests in ascending order: the same series gives the same content.
    pub content: [u8; 32],
    /// The files it came from.
    pub files: Vec<FileMark>,
    /// The finding that this one replaces.
    pub supersedes: Option<FindingId>,
    /// Arrival of the last instance.
    pub last_instance_at: WallTime,
    /// When it was handed out.
    pub ready_at: Moment,
    /// Files that held an instance of it, whatever became of them.
    pub instances: u32,
    /// Whether another, better reconstruction of the same study is on its way or done.
    pub siblings: Vec<SeriesFacts>,
}

impl Ready {
    /// The series as it ends in `finding`.
    pub fn closed(&self, finding: FindingId) -> ClosedSeries {
        ClosedSeries {
            key: self.key.clone(),
            content: self.content,
            finding,
            files: self.files.clone(),
        }
    }
}

/// A series that ended, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedSeries {
    /// Which.
    pub key: SeriesKey,
    /// What it held.
    pub content: [u8; 32],
    /// The finding or outcome it ended in.
    pub finding: FindingId,
    /// The files it came from.
    pub files: Vec<FileMark>,
}

/// A series while instances may still come.
#[derive(Clone, Debug)]
pub(super) struct Collecting {
    pub(super) facts: SeriesFacts,
    pub(super) slices: Vec<(PathBuf, Slice)>,
    /// What its slices' pixels take.
    pub(super) bytes: usize,
    pub(super) refusal: Option<Refusal>,
    pub(super) minor: Option<Refusal>,
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) first_arrival: Moment,
    pub(super) last_arrival: Moment,
    pub(super) last_instance_at: WallTime,
    pub(super) generation: u64,
    pub(super) handed_out: bool,
    /// It is quiet, but so many files that may be its own are missing still, or more.
    pub(super) waits_for: usize,
    /// When its turn came after its files had been put back.
    pub(super) taken_up: Moment,
    pub(super) early: Early,
    /// When it was looked at last whether it is complete.
    pub(super) looked_at: Moment,
    pub(super) course: Course,
    pub(super) before: Option<Ended>,
}

/// How a series ended last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) content: [u8; 32],
    pub(super) finding: FindingId,
    /// Since when nothing of it came; not known of what ended before this start.
    pub(super) silent_since: Option<Moment>,
}

impl Collecting {
    pub(super) fn new(arrival: &Arrival, now: Moment, before: Option<Ended>) -> Collecting {
        Collecting {
            facts: arrival.facts.clone(),
            slices: Vec::new(),
            bytes: 0,
            refusal: None,
            minor: None,
            files: BTreeSet::new(),
            first_arrival: now,
            last_arrival: now,
            last_instance_at: arrival.at,
            generation: 0,
            handed_out: false,
            waits_for: 0,
            taken_up: Moment::default(),
            early: Early::Open,
            looked_at: Moment::default(),
            course: Course::default(),
            before,
        }
    }

    /// The scanner it came from.
    pub(super) fn device(&self) -> DeviceKey {
        DeviceKey::of(&self.facts.header)
    }

    /// Takes in what a file held, sighted at `sighted`. The first serious refusal stays: one bad instance ends the whole
    /// series.
    pub(super) fn add(
        &mut self,
        path: PathBuf,
        arrival: Arrival,
        instances_max: usize,
        sighted: Moment,
    ) {
        let held = self.held();
        let silence = sighted.since(self.last_arrival);
        let first = self.files.is_empty();
        // What counts is when it came; reading it may have had to wait for others.
        self.last_arrival = self.last_arrival.max(sighted);
        self.last_instance_at = self.last_instance_at.max(arrival.at);
        self.waits_for = self.waits_for.saturating_sub(1);
        if first {
            // Nothing is held of what was there before: as when all files were exported again under a corrected patient.
            self.facts = arrival.facts.clone();
        }
        if arrival.facts.patient != self.facts.patient || arrival.facts.study != self.facts.study {
            self.refuse(Refusal::PatientMixed);
        }
        let frames =
            [&arrival.facts, &self.facts].map(|facts| facts.header.frame_of_reference.as_ref());
        if let [Some(one), Some(other)] = frames
            && one != other
        {
            self.refuse(Refusal::FrameOfReferenceMixed);
        }
        match arrival.slices {
            Ok(slices) => {
                for slice in slices {
                    self.add_slice(path.clone(), slice, instances_max);
                }
            }
            Err(refusal) if is_minor(&refusal) => self.minor = self.minor.take().or(Some(refusal)),
            Err(refusal) => self.refuse(refusal),
        }
        self.files.insert(path);
        // A second copy of a slice says that the sender is at work still, but what was judged of the series stands.
        if first || held != self.held() {
            if !first && self.handed_out {
                self.course.note_superseded(silence);
            } else if !first {
                self.course.note(silence, self.early);
            }
            self.is_new();
        }
    }

    fn held(&self) -> (usize, bool, bool) {
        let (refusal, minor) = (self.refusal.is_some(), self.minor.is_some());
        (self.slices.len(), refusal, minor)
    }

    /// What it holds is not what was handed out any more.
    fn is_new(&mut self) {
        self.handed_out = false;
        self.early = Early::Open;
    }

    fn add_slice(&mut self, path: PathBuf, slice: Slice, instances_max: usize) {
        let same_instance =
            |held: &Slice| held.instance.is_some() && held.instance == slice.instance;
        let twin = self
            .slices
            .iter()
            .map(|(_, held)| held)
            .find(|held| held.digest == slice.digest || same_instance(held));
        match twin {
            Some(held) if held.digest == slice.digest => {}
            Some(_) => self.refuse(Refusal::InstanceConflict),
            None if self.slices.len() >= instances_max => {
                self.refuse(Refusal::SeriesTooLarge {
                    what: format!("more than {instances_max} slices"),
                });
            }
            None => {
                self.bytes += bytes_of(&slice);
                self.slices.push((path, slice));
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// Forgets all that was read; its files are read again.
    pub(super) fn let_go(&mut self) {
        self.slices.clear();
        self.bytes = 0;
        self.files.clear();
        self.refusal = None;
        self.minor = None;
        self.early = Early::Open;
    }

    /// Forgets what a file held: it changed and will be read again.
    pub(super) fn withdraw(&mut self, path: &Path, now: Moment) {
        self.slices.retain(|(from, _)| from != path);
        self.bytes = self.slices.iter().map(|(_, slice)| bytes_of(slice)).sum();
        self.files.remove(path);
        self.last_arrival = now;
        self.waits_for = 0;
        self.is_new();
    }

    /// SHA-256 over the slices' digests in ascending order, and over the code of the refusal that it ends in: an ending
    /// for lack of a file is another one than that of the slices which were there.
    pub(super) fn content(&self, result: &Result<Vec<Slice>, Refusal>) -> [u8; 32] {
        let digests: BTreeSet<[u8; 32]> =
            self.slices.iter().map(|(_, slice)| slice.digest).collect();
        let mut hasher = Sha256::new();
        for digest in &digests {
            hasher.update(digest);
        }
        if let Err(refusal) = result {
            hasher.update(refusal.code());
        }
        hasher.finalize().into()
    }

    /// The slices; or the refusal that ends this series.
    pub(super) fn result(&self) -> Result<Vec<Slice>, Refusal> {
        match self.ending() {
            Some(refusal) => Err(refusal.clone()),
            None if self.slices.is_empty() => Err(Refusal::FilesGone),
            None => Ok(self.slices.iter().map(|(_, slice)| slice.clone()).collect()),
        }
    }

    fn ending(&self) -> Option<&Refusal> {
        let only_minor = if self.slices.is_empty() {
            self.minor.as_ref()
        } else {
            None
        };
        self.refusal.as_ref().or(only_minor)
    }
}

/// What a slice's pixels take, 16 bits each.
fn bytes_of(slice: &Slice) -> usize {
    2 * slice.plane.rows() * slice.plane.columns()
}

/// Whether an instance may be left out of its series: scanners put the scout or a dose page into it.
fn is_minor(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Localizer | Refusal::NoImage | Refusal::NotCt { .. }
    )
}

/// All series that are open.
pub(super) type Open = BTreeMap<SeriesKey, Collecting>;
