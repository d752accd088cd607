//! The page of `scanward analyze --report`: gathered series by series, written at the end.

use super::analyze::{Analysis, Found, LeftOut};
use super::clock::Clock;
use super::failure::Failure;
use super::output::{self, save};
use crate::model::ModelManifest;
use crate::report::{
    About, FILES_MAX, FoundLesions, LeftOutFile, ReportedSeries, Section, page as whole, section,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the sections of a page may take, bytes: some hundreds of series with pictures.
const BYTES_MAX: usize = 64 << 20;

/// A page that is being gathered.
pub struct Page {
    file: PathBuf,
    model: ModelManifest,
    limits: Vec<String>,
    sections: Vec<Section>,
    bytes: usize,
    series_left_out: usize,
    left_out: Vec<LeftOutFile>,
    left_out_count: usize,
}

impl Page {
    /// A page for `file`, still empty.
    ///
    /// Errors: `file` cannot be written. Known before the work, not after it.
    pub fn new(file: &Path, analysis: &Analysis) -> Result<Page, Failure> {
        output::check(file)?;
        Ok(Page {
            file: file.to_path_buf(),
            model: analysis.manifest().clone(),
            limits: analysis.limits().to_vec(),
            sections: Vec::new(),
            bytes: 0,
            series_left_out: 0,
            left_out: Vec::new(),
            left_out_count: 0,
        })
    }

    /// Adds a series.
    pub fn add(&mut self, found: &Found) {
        if self.bytes > BYTES_MAX {
            self.series_left_out += 1;
            return;
        }
        let place = found.place.display().to_string();
        let stages: Vec<(&'static str, Duration)> = found
            .stages
            .iter()
            .map(|(stage, took)| (stage.name(), *took))
            .collect();
        let lesions = found.triage.as_deref().map(|triage| FoundLesions {
            report: &triage.report,
            volume: &triage.volume,
            lungs: triage.lung.bounds,
            quality: &triage.quality,
        });
        let section = section(&ReportedSeries {
            payload: &found.payload,
            header: &found.header,
            place: &place,
            found: lesions.filter(|_| found.payload.reason.is_none()),
            picture: found.preview.as_deref(),
            notes: &found.notes,
            stages: &stages,
            model: &self.model,
        });
        self.bytes += section.bytes();
        self.sections.push(section);
    }

    /// Adds a file that belongs to no series.
    pub fn leave_out(&mut self, left_out: &LeftOut) {
        self.left_out_count += 1;
        if self.left_out.len() < FILES_MAX {
            self.left_out.push(LeftOutFile {
                file: left_out.file.display().to_string(),
                reason: left_out.reason.clone(),
            });
        }
    }

    /// Writes the page; returns its file. Errors: it cannot be written.
    pub fn write(self) -> Result<PathBuf, Failure> {
        let about = About {
            version: env!("CARGO_PKG_VERSION"),
            made_at: Clock::start().wall(),
            model: &self.model,
            limits: &self.limits,
            left_out: &self.left_out,
            left_out_count: self.left_out_count,
            series_left_out: self.series_left_out,
        };
        let text = whole(&self.sections, &about);
        save(&self.file, |out| out.write_all(text.as_bytes()))?;
        Ok(self.file)
    }
}
