//! A phantom's scan as a scanner exports it: one DICOM file a slice, each under another name until it is whole.

use super::failure::Failure;
use crate::dicom::{CtImage, write_ct};
use crate::ids::{SeriesKey, Uid};
use crate::phantom::{Phantom, PhantomSpec, Truth};
use crate::units::WallTime;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file beside the images that says what they were made from.
const NOTE: &str = "phantom.txt";
/// A patient's later scans are this far apart.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Rows and columns of a slice.
const MATRIX: u16 = 512;
/// The most scans before the first one.
const WEEKS_BEFORE_MAX: u32 = 520;
/// When the patient's first scan was made: 2026-01-15T09:30Z. A fixed date, so that the same order gives the same bytes.
const SCANNED: WallTime = WallTime::from_unix_millis(1_768_469_400_000);

/// What a phantom's scan is made from; equal orders give equal files.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScanOrder {
    /// Which patient.
    pub seed: u64,
    /// Number of slices.
    pub slices: u16,
    /// Percent of the lung that is diseased.
    pub burden_percent: f64,
    /// Weeks before the patient's first scan that this one was made; 0 is the first scan itself.
    pub weeks_before: u32,
}

impl ScanOrder {
    /// The order of the scan in `folder`. Errors: no phantom lies there.
    pub fn read(folder: &Path) -> Result<ScanOrder, Failure> {
        let file = folder.join(NOTE);
        let text = fs::read_to_string(&file).ok();
        text.as_deref().and_then(ScanOrder::parse).ok_or_else(|| {
            Failure::new(
                format!("no phantom lies in {}", folder.display()),
                "give a folder that `scanward phantom` wrote",
            )
        })
    }

    /// A scan of the same patient a week earlier, with another burden.
    pub fn earlier(self, burden_percent: f64) -> Result<ScanOrder, Failure> {
        if self.weeks_before >= WEEKS_BEFORE_MAX {
            let what = format!("this phantom has {WEEKS_BEFORE_MAX} earlier scans already");
            return Err(Failure::new(what, "start from a later one"));
        }
        Ok(ScanOrder {
            burden_percent,
            weeks_before: self.weeks_before + 1,
            ..self
        })
    }

    fn parse(text: &str) -> Option<ScanOrder> {
        let value = |name: &str| {
            let pair = |line: &str| {
                line.split_once('=')
                    .map(|(key, value)| (key.trim() == name).then(|| value.trim().to_owned()))
            };
            text.lines().filter_map(pair).flatten().next()
        };
        Some(ScanOrder {
            seed: value("seed")?.parse().ok()?,
            slices: value("slices")?.parse().ok()?,
            burden_percent: value("burden_percent")?.parse().ok()?,
            weeks_before: value("weeks_before")?.parse().ok()?,
        })
    }

    fn text(&self) -> String {
        format!(
            "# What this phantom was made from; `scanward phantom --prior-of` reads it.\n\
             seed = {}\nslices = {}\nburden_percent = {}\nweeks_before = {}\n",
            self.seed, self.slices, self.burden_percent, self.weeks_before
        )
    }

    fn spec(&self) -> PhantomSpec {
        let first = PhantomSpec::of(usize::from(self.slices), self.burden_percent, self.seed);
        (0..self.weeks_before.min(WEEKS_BEFORE_MAX))
            .fold(first, |spec, _| spec.prior(self.burden_percent))
    }

    /// A UID for `what` of this scan: under 2.25, from a UUID of version 8 (RFC 9562) made of a digest of the order.
    fn uid(&self, what: &str) -> String {
        let order = self.text();
        let digest = Sha256::digest(format!("scanward phantom {what}\n{order}"));
        let mut number = digest
            .iter()
            .take(16)
            .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        number = number & !(0xf << 76) | 0x8 << 76;
        number = number & !(0x3 << 62) | 0x2 << 62;
        format!("2.25.{number}")
    }
}

/// A patient in the scanner: slices come out one by one.
#[derive(Debug)]
pub struct PhantomScan {
    order: ScanOrder,
    phantom: Phantom,
    hu: Vec<i16>,
    study: String,
    series: SeriesKey,
    frame_of_reference: String,
}

impl PhantomScan {
    /// The scan of `order`. Errors: a number out of its range.
    pub fn new(order: ScanOrder) -> Result<PhantomScan, Failure> {
        PhantomScan::with_matrix(order, MATRIX)
    }

    /// The scan of `order` on `matrix` × `matrix` pixels. Errors as [`PhantomScan::new`].
    pub fn with_matrix(order: ScanOrder, matrix: u16) -> Result<PhantomScan, Failure> {
        let edge = usize::from(matrix);
        let phantom = Phantom::new(&order.spec().with_matrix(edge, edge)).map_err(|error| {
            Failure::new(
                error.to_string(),
                "`scanward phantom --help` lists the ranges",
            )
        })?;
        let series = Uid::parse(&order.uid("series"))
            .map_err(|error| Failure::new(error.to_string(), "report this"))?;
        Ok(PhantomScan {
            order,
            phantom,
            hu: Vec::new(),
            study: order.uid("study"),
            series: SeriesKey(series),
            frame_of_reference: order.uid("frame of reference"),
        })
    }

    /// What is true about the patient.
    pub fn truth(&self) -> Truth {
        self.phantom.truth()
    }

    /// Its series.
    pub fn series_key(&self) -> SeriesKey {
        self.series.clone()
    }

    /// What it was made from.
    pub fn order(&self) -> ScanOrder {
        self.order
    }

    /// Writes slice `index`, from 0 at the feet, into `folder`: under a hidden name, then renamed.
    pub fn export(&mut self, index: u16, folder: &Path) -> Result<(), Failure> {
        let bytes = self.image(index);
        let name = format!("IM{:04}.dcm", u32::from(index) + 1);
        appear(&folder.join(name), &bytes)
    }

    /// Writes the whole scan and its note into `folder`, which is made where it is not there; `wrote` hears how many
    /// slices are done.
    ///
    /// Errors: the folder holds files of something else, or cannot be written.
    pub fn write_into(&mut self, folder: &Path, mut wrote: impl FnMut(u16)) -> Result<(), Failure> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        self.claim(folder)?;
        appear(&folder.join(NOTE), self.order.text().as_bytes())?;
        for index in 0..self.order.slices {
            self.export(index, folder)?;
            wrote(index + 1);
        }
        Ok(())
    }

    /// Whether `folder` is empty, or holds this very scan.
    fn claim(&self, folder: &Path) -> Result<(), Failure> {
        let mut entries = fs::read_dir(folder).map_err(|error| unwritable(folder, &error))?;
        let same = ScanOrder::read(folder).is_ok_and(|order| order == self.order);
        if same || entries.next().is_none() {
            return Ok(());
        }
        let what = format!("{} holds other files already", folder.display());
        Err(Failure::new(what, "give a new or empty folder"))
    }

    fn image(&mut self, index: u16) -> Vec<u8> {
        let spec = *self.phantom.spec();
        self.phantom.slice_hu(usize::from(index), &mut self.hu);
        let first = |count: usize| (0.5 - count as f64 / 2.0) * spec.pixel_mm;
        let edge = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let seed = self.order.seed;
        write_ct(&CtImage {
            study: &self.study,
            series: self.series.0.as_str(),
            instance: &self.order.uid(&format!("instance {index}")),
            frame_of_reference: &self.frame_of_reference,
            patient_id: &format!("PHANTOM{seed}"),
            patient_name: &format!("PHANTOM^{seed}"),
            accession: &accession(seed, self.order.weeks_before),
            series_number: 2,
            instance_number: u32::from(index) + 1,
            position: [
                first(spec.columns),
                first(spec.rows),
                (f64::from(index) + 0.5) * spec.step_mm,
            ],
            orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            pixel_spacing: [spec.pixel_mm, spec.pixel_mm],
            slice_thickness: spec.step_mm,
            spacing_between_slices: spec.step_mm,
            rows: edge(spec.rows),
            columns: edge(spec.columns),
            series_description: "Chest phantom",
            kernel: "STANDARD",
            acquired: acquired(self.order.weeks_before),
            hu: &self.hu,
        })
    }
}

/// The Accession Number, at most 16 characters (VR SH): large seeds keep their last digits.
fn accession(seed: u64, weeks_before: u32) -> String {
    let week = match weeks_before {
        0 => String::new(),
        weeks => format!("-{weeks}"),
    };
    let room = 14_usize.saturating_sub(week.len());
    let digits = seed.to_string();
    let kept = digits
        .get(digits.len().saturating_sub(room)..)
        .unwrap_or("");
    format!("PH{kept}{week}")
}

fn acquired(weeks_before: u32) -> WallTime {
    let back = WEEK.saturating_mul(weeks_before);
    WallTime::from_unix_millis(SCANNED.unix_millis() - i64::try_from(back.as_millis()).unwrap_or(0))
}

/// Puts `bytes` at `path` so that nobody sees half of them: written under a hidden name beside it, then renamed.
pub(super) fn appear(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = hidden(path);
    fs::write(&fresh, bytes)
        .and_then(|()| fs::rename(&fresh, path))
        .map_err(|error| unwritable(path, &error))
}

fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let is_full = matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    );
    let advice = if is_full {
        "make room on its disk"
    } else {
        "check its rights, or give another folder"
    };
    Failure::new(
        format!("{} cannot be written: {error}", path.display()),
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: ScanOrder = ScanOrder {
        seed: u64::MAX,
        slices: 40,
        burden_percent: 7.25,
        weeks_before: 3,
    };

    #[test]
    fn an_order_survives_its_note() {
        assert_eq!(ScanOrder::parse(&ORDER.text()), Some(ORDER));
        assert_eq!(ScanOrder::parse("seed = 1\n"), None);
    }

    #[test]
    fn every_uid_is_a_uuid_of_its_own() {
        let (one, other) = (ORDER.uid("study"), ORDER.uid("series"));
        let earlier = ORDER.earlier(7.25).unwrap().uid("study");
        assert!(one != other && one != earlier);
        for uid in [one, other, earlier] {
            let number: u128 = uid.strip_prefix("2.25.").unwrap().parse().unwrap();
            assert_eq!((number >> 76 & 0xf, number >> 62 & 0x3), (8, 2), "{uid}");
        }
    }

    #[test]
    fn an_accession_number_fits_its_representation() {
        assert_eq!(accession(12, 0), "PH12");
        assert_eq!(accession(12, 1), "PH12-1");
        assert_eq!(accession(u64::MAX, WEEKS_BEFORE_MAX).len(), 16);
    }
}
