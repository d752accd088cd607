//! The files of a local analysis: folders, single files, members of zip archives. Nothing is unpacked to disk.

use super::failure::Failure;
use super::folder::{self, FILES_MAX};
use super::reader::Reader;
use crate::intake::{FileSeen, ReadResult, Reading, is_skipped};
use crate::units::WallTime;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// How every zip archive begins, an empty one too. Source: PKWARE APPNOTE 4.3.7, 4.3.16.
const ZIP_SIGNATURES: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// What the members of one archive may unpack to, bytes.
const ARCHIVE_BYTES_MAX: u64 = 64 << 30;
/// One member, bytes: as large as a file may be.
const MEMBER_BYTES_MAX: u64 = 600 << 20;

/// Every file that the given paths lead to; each is read when it is asked for.
#[derive(Default)]
pub struct Gathered {
    sources: BTreeMap<PathBuf, Source>,
    archives: Vec<ZipArchive<File>>,
    broken: Vec<(String, String)>,
}

struct Source {
    /// As the user knows it.
    shown: PathBuf,
    bytes: u64,
    modified: WallTime,
    place: Place,
}

enum Place {
    File(PathBuf),
    Member { archive: usize, index: usize },
}

impl Gathered {
    /// The files below each folder of `paths`, the members of each zip archive, and each other file itself.
    ///
    /// Errors: a path that does not exist or cannot be read; more files than one analysis takes.
    pub fn from_paths(paths: &[PathBuf]) -> Result<Gathered, Failure> {
        let mut gathered = Gathered::default();
        for path in paths {
            gathered
                .add(path)
                .map_err(|error| cannot_be_read(path, &error))?;
            if gathered.sources.len() > FILES_MAX {
                return Err(too_many(path));
            }
        }
        Ok(gathered)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let real = fs::canonicalize(path)?;
        let facts = fs::metadata(&real)?;
        if facts.is_dir() {
            self.add_folder(path, &real)
        } else if !facts.is_file() {
            Err(io::Error::other("it is neither a file nor a folder"))
        } else if is_zip(&real)? {
            self.add_archive(path, &real)
        } else {
            self.add_file(path, &real, &facts);
            Ok(())
        }
    }

    fn add_folder(&mut self, path: &Path, real: &Path) -> io::Result<()> {
        let listing = folder::list(real)?;
        for seen in listing.files {
            let shown = path.join(seen.path.strip_prefix(real).unwrap_or(&seen.path));
            let place = Place::File(seen.path.clone());
            self.insert(shown, seen, place);
        }
        Ok(())
    }

    /// A file that was given by its own name is read whatever the name is.
    fn add_file(&mut self, path: &Path, real: &Path, facts: &fs::Metadata) {
        let key = if is_skipped(real) {
            let name = real.file_name().unwrap_or_default().to_string_lossy();
            real.with_file_name(format!("given {name} file"))
        } else {
            real.to_path_buf()
        };
        let seen = folder::seen(key.clone(), facts).unwrap_or(FileSeen {
            path: key,
            bytes: facts.len(),
            modified: WallTime::default(),
        });
        self.insert(path.to_path_buf(), seen, Place::File(real.to_path_buf()));
    }

    fn add_archive(&mut self, path: &Path, real: &Path) -> io::Result<()> {
        let mut archive = match ZipArchive::new(File::open(real)?) {
            Ok(archive) => archive,
            Err(error) => {
                let reason = format!("the zip archive does not open: {error}");
                self.broken.push((path.display().to_string(), reason));
                return Ok(());
            }
        };
        let number = self.archives.len();
        let mut unpacked = 0_u64;
        for index in 0..archive.len().min(FILES_MAX + 1) {
            let Ok(member) = archive.by_index_raw(index) else {
                let reason = format!("member {index} of the zip archive is damaged");
                self.broken.push((path.display().to_string(), reason));
                continue;
            };
            if member.is_dir() {
                continue;
            }
            unpacked = unpacked.saturating_add(member.size());
            // A name that leads out of the archive is only a name here, but it is not shown as a path.
            let name = member
                .enclosed_name()
                .unwrap_or_else(|| PathBuf::from(format!("member {index}")));
            let seen = FileSeen {
                path: real.join(&name),
                bytes: member.size(),
                modified: WallTime::default(),
            };
            let archive = number;
            self.insert(path.join(name), seen, Place::Member { archive, index });
        }
        if unpacked > ARCHIVE_BYTES_MAX {
            let most = ARCHIVE_BYTES_MAX >> 30;
            let what = format!("it would unpack to more than {most} GiB");
            return Err(io::Error::other(what));
        }
        self.archives.push(archive);
        Ok(())
    }

    fn insert(&mut self, shown: PathBuf, seen: FileSeen, place: Place) {
        let source = Source {
            shown,
            bytes: seen.bytes,
            modified: seen.modified,
            place,
        };
        self.sources.insert(seen.path, source);
    }

    /// All files, as one scan of a folder would list them.
    pub(super) fn listing(&self) -> Vec<FileSeen> {
        let seen = |(path, source): (&PathBuf, &Source)| FileSeen {
            path: path.clone(),
            bytes: source.bytes,
            modified: source.modified,
        };
        self.sources.iter().map(seen).collect()
    }

    /// What could not be opened at all, and why.
    pub(super) fn broken(&self) -> &[(String, String)] {
        &self.broken
    }

    /// The name of a listed file as the user knows it.
    pub(super) fn shown<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.sources
            .get(path)
            .map_or(path, |source| source.shown.as_path())
    }

    /// What a listed file holds.
    pub(super) fn read(
        &mut self,
        reading: &Reading,
        reader: &mut Reader,
        at: WallTime,
    ) -> ReadResult {
        match self.sources.get(&reading.path).map(|source| &source.place) {
            Some(Place::File(file)) => reader.read_to(reading.depth, file, at),
            Some(Place::Member { archive, index }) => {
                match member(&mut self.archives, *archive, *index) {
                    Some(bytes) => reader.parse_to(reading.depth, &bytes, at),
                    None => ReadResult::Unreadable,
                }
            }
            None => ReadResult::Unreadable,
        }
    }
}

/// The bytes of a member; `None` when it is damaged, encrypted, or not of the size the archive says.
fn member(archives: &mut [ZipArchive<File>], archive: usize, index: usize) -> Option<Vec<u8>> {
    let mut member = archives.get_mut(archive)?.by_index(index).ok()?;
    let size = member.size();
    if size > MEMBER_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    let read = member.by_ref().take(size + 1).read_to_end(&mut bytes);
    let whole = read.is_ok_and(|read| u64::try_from(read) == Ok(size));
    whole.then_some(bytes)
}

/// Whether the file begins as a zip archive does.
fn is_zip(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::with_capacity(4);
    File::open(path)?.take(4).read_to_end(&mut begin)?;
    Ok(ZIP_SIGNATURES
        .iter()
        .any(|signature| begin == signature.as_slice()))
}

fn cannot_be_read(path: &Path, error: &io::Error) -> Failure {
    let what = if error.kind() == io::ErrorKind::NotFound {
        format!("{} does not exist", path.display())
    } else {
        format!("{} cannot be read: {error}", path.display())
    };
    Failure::new(
        what,
        "give a folder, DICOM files or a zip archive that you may read",
    )
}

fn too_many(path: &Path) -> Failure {
    let what = format!(
        "{} leads to more than {FILES_MAX} files, more than one analysis takes",
        path.display()
    );
    Failure::new(what, "give the folder of one examination")
}
