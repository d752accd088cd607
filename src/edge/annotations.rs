//! The annotations folder: a thread that looks into it, reads what holds still and brings it onto its finding's grid. The
//! core loop, which owns the store, answers its two questions: whose finding it is, and what becomes of the file.
//!
//! The folder is only ever read. Logs name a file by the first digits of its SHA-256 (`sha256sum` finds it): its name may
//! hold a patient's.

use super::clock::Clock;
use super::failure::Failure;
use super::folder::Watched;
use super::reader::{Unfilled, fill};
use super::service::{Message, spawn};
use crate::annotation::{AnnotationSettings, Watch, corrected, mark, read_limits, target};
use crate::dicom::read_segmentation;
use crate::ids::{SeriesKey, Uid, hex};
use crate::intake::FileSeen;
use crate::refusal::AnnotationRefusal;
use crate::store::{
    AnnotationRow, AnnotationState, Correction, FileMark, FindingRecord, Store, StoreError,
};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use tracing::{error, info, warn};

/// Digits of a file's digest that the log shows.
const SHOWN: usize = 16;

/// What the thread asks of the core loop; each is answered once.
#[derive(Debug)]
pub enum Question {
    /// The findings that a segmentation of `series`, or else in the frame of reference, may belong to.
    Findings {
        /// The series it names.
        series: Vec<SeriesKey>,
        /// Its frame of reference.
        frame_of_reference: Option<Uid>,
        /// Where the answer goes; `None` when the store could not be read.
        answer: SyncSender<Option<Vec<FindingRecord>>>,
    },
    /// Record what a file came to.
    Take {
        /// What is recorded.
        row: Box<AnnotationRow>,
        /// Where the answer goes; `None` when it could not be recorded.
        answer: SyncSender<Option<AnnotationState>>,
    },
}

/// Asks the store.
pub(super) fn answer(store: &mut Store, question: Question) {
    let trouble = |error: &StoreError| {
        error!(%error, advice = error.advice(), "an annotation could not be recorded; tried again");
    };
    // The thread waits for its answer: it can only be gone with the program.
    match question {
        Question::Findings {
            series,
            frame_of_reference,
            answer,
        } => {
            let found = store.annotated_findings(&series, frame_of_reference.as_ref());
            let _gone = answer.send(found.inspect_err(trouble).ok());
        }
        Question::Take { row, answer } => {
            let taken = store.take_annotation(&row);
            let _gone = answer.send(taken.inspect_err(trouble).ok());
        }
    }
}

/// Starts the thread, which knows the files whose outcome the store holds; it ends when nobody listens any more.
pub(super) fn start(
    settings: AnnotationSettings,
    known: Vec<FileMark>,
    clock: Clock,
    sender: SyncSender<Message>,
) -> Result<(), Failure> {
    let mut folder = Watched::new(settings.folder.clone());
    let mut watch = Watch::new(known);
    let reader = Reader {
        settings,
        clock,
        sender,
    };
    spawn("annotations", move || {
        let (mut was_reachable, mut was_left, mut was_unreadable) = (true, 0, 0);
        loop {
            let listing = folder.list();
            if listing.is_ok() != was_reachable {
                was_reachable = listing.is_ok();
                reader.tell_of_folder(was_reachable);
            }
            let files = listing.map(|listing| listing.files).unwrap_or_default();
            let looked = watch.look(files, clock.now());
            if looked.left > 0 && was_left == 0 {
                warn!(
                    left = looked.left,
                    advice = "move old annotations away: the folder is no archive",
                    "the annotations folder holds too many files; the oldest are left aside"
                );
            }
            was_left = looked.left;
            let mut unreadable = 0;
            for seen in &looked.ready {
                match reader.take(seen) {
                    Ok(Taken::Recorded) => watch.done(seen),
                    Ok(Taken::NotYet) => watch.later(seen, clock.now()),
                    Ok(Taken::Unreadable) => {
                        unreadable += 1;
                        watch.later(seen, clock.now());
                    }
                    Err(Ended) => return,
                }
            }
            // Tried each minute, told once for each number of them.
            if unreadable > 0 && unreadable != was_unreadable {
                was_unreadable = unreadable;
                warn!(
                    unreadable,
                    advice = "give scanward's user the right to read the files: `setfacl -R -m u:scanward:rX FOLDER`",
                    "files of the annotations folder cannot be read; tried again"
                );
            }
            thread::park_timeout(reader.settings.poll);
        }
    })
}

/// Nobody listens any more.
struct Ended;

/// Whether a file has its outcome.
enum Taken {
    Recorded,
    /// The store could not be read or written.
    NotYet,
    /// The file cannot be read.
    Unreadable,
}

/// What reading a file came to.
enum Read {
    /// The digest of its content, and its outcome.
    Found(String, Result<Correction, AnnotationRefusal>),
    /// Its bytes cannot be read.
    Unreadable,
    /// The store cannot be.
    NotYet,
}

struct Reader {
    settings: AnnotationSettings,
    clock: Clock,
    sender: SyncSender<Message>,
}

impl Reader {
    fn tell_of_folder(&self, reachable: bool) {
        let folder = self.settings.folder.display();
        if reachable {
            info!(%folder, "the annotations folder is there again");
        } else {
            warn!(%folder, advice = "mount the share again, or correct [annotations] folder", "the annotations folder is not there");
        }
    }

    /// Reads a file and has its outcome recorded.
    fn take(&self, seen: &FileSeen) -> Result<Taken, Ended> {
        let (digest, found) = match self.read(seen)? {
            Read::Found(digest, found) => (digest, found),
            Read::NotYet => return Ok(Taken::NotYet),
            Read::Unreadable => return Ok(Taken::Unreadable),
        };
        let annotation = shown(&digest).to_owned();
        let told = found.clone();
        let row = Box::new(AnnotationRow {
            digest,
            file: mark(seen),
            at: self.clock.wall(),
            found,
            limits: self.settings.limits,
        });
        let taken = self.ask(|answer| Question::Take { row, answer })?;
        let Some(state) = taken else {
            return Ok(Taken::NotYet);
        };
        tell(&annotation, &state, told.as_ref());
        Ok(Taken::Recorded)
    }

    fn read(&self, seen: &FileSeen) -> Result<Read, Ended> {
        let limits = read_limits(self.settings.file_bytes_max);
        let mut bytes = Vec::new();
        match fill(&seen.path, &mut bytes, limits.file_bytes_max) {
            Ok(()) => {}
            Err(Unfilled::Unreadable) => return Ok(Read::Unreadable),
            Err(Unfilled::TooLarge) => {
                let what = format!("more than {} MiB", limits.file_bytes_max >> 20);
                let refusal = AnnotationRefusal::TooLarge { what };
                return Ok(Read::Found(too_large(seen), Err(refusal)));
            }
        }
        let digest = hex(&Sha256::digest(&bytes));
        // A panic, ours or a dependency's, ends this file and not the daemon.
        let found = catch_unwind(AssertUnwindSafe(|| self.correction(&bytes)));
        let found = found.unwrap_or_else(|_| {
            error!(
                annotation = shown(&digest),
                "reading an annotation panicked"
            );
            let what = "its reading failed inside scanward".to_owned();
            Ok(Some(Err(AnnotationRefusal::Malformed { what })))
        })?;
        Ok(found.map_or(Read::NotYet, |found| Read::Found(digest, found)))
    }

    /// What the segmentation in `bytes` comes to; `None` when the store cannot be read.
    fn correction(
        &self,
        bytes: &[u8],
    ) -> Result<Option<Result<Correction, AnnotationRefusal>>, Ended> {
        let limits = read_limits(self.settings.file_bytes_max);
        let segmentation = match read_segmentation(bytes, &limits) {
            Ok(segmentation) => segmentation,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        let found = self.ask(|answer| Question::Findings {
            series: segmentation.series.clone(),
            frame_of_reference: segmentation.frame_of_reference.clone(),
            answer,
        })?;
        let words = &self.settings.lesion_words;
        let correction = |found: Vec<FindingRecord>| {
            let target = target(&segmentation, &found)?;
            Ok(Correction {
                mask: corrected(&segmentation, &target, words)?,
                finding: target.finding,
                drawn: segmentation.drawn,
            })
        };
        Ok(found.map(correction))
    }

    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Question) -> Result<T, Ended> {
        let (answer, answered) = sync_channel(1);
        let question = Message::Annotation(question(answer));
        self.sender.send(question).map_err(|_| Ended)?;
        answered.recv().map_err(|_| Ended)
    }
}

/// Says in the log what became of a file.
fn tell(annotation: &str, state: &AnnotationState, found: Result<&Correction, &AnnotationRefusal>) {
    match (state, found) {
        (AnnotationState::Refused { code }, Err(why)) => {
            warn!(annotation, code, %why, advice = why.remedy(), "an annotation was refused");
        }
        (AnnotationState::Refused { code }, Ok(Correction { finding, .. })) => {
            warn!(annotation, code, %finding, "an annotation was refused");
        }
        (AnnotationState::Waits, Ok(Correction { finding, .. })) => {
            info!(annotation, %finding, "an annotation waits for the verdict `correct`");
        }
        (AnnotationState::Kept, Ok(Correction { finding, .. })) => {
            info!(annotation, %finding, "an annotation is kept with its label");
        }
        // The same content was recorded before, under another name.
        (AnnotationState::Replaced, _)
        | (AnnotationState::Waits | AnnotationState::Kept, Err(_)) => {
            info!(annotation, "an annotation was taken before");
        }
    }
}

fn shown(digest: &str) -> &str {
    digest.get(..SHOWN).unwrap_or(digest)
}

/// What stands for the digest of a file that is not read for its size.
fn too_large(seen: &FileSeen) -> String {
    let mut digest = Sha256::new();
    digest.update(b"too large");
    digest.update(seen.path.as_os_str().as_encoded_bytes());
    digest.update(seen.bytes.to_le_bytes());
    digest.update(seen.modified.unix_millis().to_le_bytes());
    hex(&digest.finalize())
}
