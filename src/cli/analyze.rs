//! `scanward analyze`: series given by hand.

use super::args::AnalyzeArguments;
use super::{Ending, Stopped, print, report};
use crate::edge::{
    Analysis, Failure, Found, Gathered, LeftOut, Page, Prior, Tell, default_model_folder, save,
    write_mask,
};
use crate::wire::FindingPayload;
use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};

/// Runs the command.
pub(super) fn run(arguments: &AnalyzeArguments) -> Result<Ending, Stopped> {
    check_names(arguments).map_err(Stopped::usage)?;
    let gathered = Gathered::from_paths(&arguments.paths).map_err(Stopped::usage)?;
    let earlier = arguments.prior.as_slice();
    let earlier = Gathered::from_paths(earlier).map_err(Stopped::usage)?;
    let folder = arguments.model.clone().unwrap_or_else(default_model_folder);
    let preview = arguments.preview.is_some() || arguments.report.is_some();
    let mut analysis = Analysis::new(&folder, preview)?;
    let page = arguments.report.as_ref();
    let page = page.map(|file| Page::new(file, &analysis)).transpose();
    let page = page.map_err(Stopped::usage)?;
    let prior = match &arguments.prior {
        Some(path) => Some(prior(&mut analysis, earlier, path)?),
        None => None,
    };
    let mut course = Course::new(arguments, page);
    analysis.run(gathered, prior.as_ref(), &mut |told| course.told(told))?;
    course.end()
}

/// A mask's format is told by the name; a page of another name would not open where it should.
fn check_names(arguments: &AnalyzeArguments) -> Result<(), Failure> {
    let check = |option, file: Option<&PathBuf>, what, endings: [&str; 2]| {
        let name = file.map(|file| file.to_string_lossy().to_ascii_lowercase());
        match name.filter(|name| !endings.iter().any(|ending| name.ends_with(ending))) {
            Some(name) => Err(Failure::new(
                format!("{option} {name} is not the name of {what}"),
                format!("let the name end with {}", endings.join(" or ")),
            )),
            None => Ok(()),
        }
    };
    let (mask, report) = (arguments.mask.as_ref(), arguments.report.as_ref());
    check("--mask", mask, "a NIfTI file", [".nii", ".nii.gz"])?;
    check("--report", report, "an HTML page", [".html", ".htm"])
}

/// The one prior that `path` holds.
fn prior(analysis: &mut Analysis, gathered: Gathered, path: &Path) -> Result<Prior, Stopped> {
    let mut priors = Vec::new();
    let mut reasons = Vec::new();
    let mut progress = Progress::new("the prior");
    analysis.run(gathered, None, &mut |told| {
        match told {
            Tell::Read { done, files } => progress.show(done, files),
            Tell::Found(found) => {
                reasons.extend(found.payload.reason.map(|reason| reason.text));
                priors.extend(found.as_prior);
            }
            Tell::LeftOut(left_out) => reasons.push(left_out.reason),
        }
        Ok(())
    })?;
    progress.clear();
    if priors.is_empty() {
        reasons.dedup();
        reasons.truncate(3);
        let reasons = if reasons.is_empty() {
            "it holds no file".to_owned()
        } else {
            reasons.join("; ")
        };
        let what = format!("the prior {} was not triaged: {reasons}", path.display());
        return Err(Stopped {
            failure: Failure::new(what, "give a chest CT as --prior, or leave --prior out"),
            ending: Ending::NotTriaged,
        });
    }
    Prior::newest(priors).map_err(Stopped::usage)
}

/// What has been found so far.
struct Course<'a> {
    arguments: &'a AnalyzeArguments,
    progress: Progress,
    payloads: Vec<FindingPayload>,
    left_out: usize,
    lost: bool,
    box_failed: bool,
    /// Series that a mask or picture was written for.
    drawn: usize,
    page: Option<Page>,
}

impl Course<'_> {
    fn new(arguments: &AnalyzeArguments, page: Option<Page>) -> Course<'_> {
        Course {
            arguments,
            progress: Progress::new(""),
            payloads: Vec::new(),
            left_out: 0,
            lost: false,
            box_failed: false,
            drawn: 0,
            page,
        }
    }

    fn told(&mut self, told: Tell) -> Result<(), Failure> {
        match told {
            Tell::Read { done, files } => self.progress.show(done, files),
            Tell::Found(found) => {
                self.progress.clear();
                self.found(*found)?;
            }
            Tell::LeftOut(left_out) => {
                self.progress.clear();
                self.left_out(&left_out);
            }
        }
        Ok(())
    }

    fn found(&mut self, found: Found) -> Result<(), Failure> {
        let mut lines = report::lines(&found.payload, &found.place);
        for note in &found.notes {
            report::row("note", note, &mut lines);
        }
        let drawn = self.draw(&found)?;
        for (what, file) in &drawn {
            report::row(what, &file.display().to_string(), &mut lines);
        }
        if self.arguments.json {
            let place = report::plain(&found.place.display().to_string());
            let beside = found.notes.iter().cloned();
            let files = drawn
                .iter()
                .map(|(what, file)| format!("{what} in {}", file.display()));
            beside
                .chain(files)
                .for_each(|note| print::note(&format!("{place}: {}", report::plain(&note))));
        } else {
            if !self.payloads.is_empty() {
                print::out("");
            }
            print::out(&lines.join("\n"));
        }
        if let Some(page) = &mut self.page {
            page.add(&found);
        }
        self.box_failed |= found.box_failed;
        self.payloads.push(found.payload);
        Ok(())
    }

    /// Writes mask and picture of a triaged series; the second such series and later ones get a number in the name.
    fn draw(&mut self, found: &Found) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
        let mut drawn = Vec::new();
        let Some(triage) = &found.triage else {
            return Ok(drawn);
        };
        let number = self.drawn + 1;
        if let Some(file) = &self.arguments.mask {
            let file = numbered(file, number);
            write_mask(&file, triage)?;
            drawn.push(("mask", file));
        }
        if let Some(file) = &self.arguments.preview {
            let file = numbered(file, number);
            let picture = found
                .preview
                .as_deref()
                .ok_or_else(|| Failure::new("no preview could be drawn", "leave --preview out"))?;
            save(&file, |out| out.write_all(picture))?;
            drawn.push(("preview", file));
        }
        self.drawn = number;
        Ok(drawn)
    }

    fn left_out(&mut self, left_out: &LeftOut) {
        let file = report::plain(&left_out.file.display().to_string());
        print::note(&format!("{file}: {}", report::plain(&left_out.reason)));
        if let Some(page) = &mut self.page {
            page.leave_out(left_out);
        }
        self.left_out += 1;
        self.lost |= left_out.lost;
    }

    fn end(mut self) -> Result<Ending, Stopped> {
        // A page about nothing is written too: an older one in its place would be read as this series'.
        if let Some(page) = self.page.take() {
            let file = report::plain(&page.write()?.display().to_string());
            print::note(&format!("report in {file}"));
        }
        if self.arguments.json {
            print::out(&json(&self.payloads)?);
        }
        let refused = self.payloads.iter().any(|payload| payload.reason.is_some());
        if self.payloads.is_empty() {
            return Err(self.nothing());
        }
        Ok(if self.box_failed {
            Ending::BoxFault
        } else if refused || self.lost {
            Ending::NotTriaged
        } else {
            Ending::Done
        })
    }

    fn nothing(&self) -> Stopped {
        let paths: Vec<String> = self
            .arguments
            .paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let why = match self.left_out {
            0 => "there are no files".to_owned(),
            1 => "the one file is left out, as said above".to_owned(),
            many => format!("all {many} files are left out, as said above"),
        };
        let what = format!("no series in {}: {why}", report::plain(&paths.join(", ")));
        Stopped {
            failure: Failure::new(
                what,
                "give the folder or zip archive of a chest CT in DICOM",
            ),
            ending: Ending::NotTriaged,
        }
    }
}

/// One object for one series, an array otherwise.
fn json(payloads: &[FindingPayload]) -> Result<String, Failure> {
    let text = match payloads {
        [one] => serde_json::to_string_pretty(one),
        many => serde_json::to_string_pretty(many),
    };
    text.map_err(|error| {
        Failure::new(
            format!("the finding does not become JSON: {error}"),
            "send the message to scanward's support",
        )
    })
}

/// `out.nii.gz`, `out-2.nii.gz`, `out-3.nii.gz` …
fn numbered(file: &Path, number: usize) -> PathBuf {
    if number < 2 {
        return file.to_path_buf();
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let ending = [".nii.gz", ".nii", ".png"]
        .into_iter()
        .find(|ending| name.to_ascii_lowercase().ends_with(ending))
        .map_or(0, str::len);
    let (stem, ending) = name.split_at(name.len() - ending);
    file.with_file_name(format!("{stem}-{number}{ending}"))
}

/// `reading 12 of 300`, on a terminal only.
struct Progress {
    what: &'static str,
    shown: bool,
    terminal: bool,
}

impl Progress {
    fn new(what: &'static str) -> Progress {
        Progress {
            what,
            shown: false,
            terminal: stderr().is_terminal(),
        }
    }

    fn show(&mut self, done: usize, files: usize) {
        if self.terminal {
            let what = self.what;
            print::progress(
                format!("reading {what} {done} of {files}")
                    .replace("  ", " ")
                    .as_str(),
            );
            self.shown = true;
        }
    }

    fn clear(&mut self) {
        if self.shown {
            print::progress("");
            self.shown = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_ending() {
        for (name, second) in [
            ("a/out.nii.gz", "a/out-2.nii.gz"),
            ("out.NII", "out-2.NII"),
            ("out.png", "out-2.png"),
            ("out.v1", "out.v1-2"),
        ] {
            assert_eq!(numbered(Path::new(name), 1), Path::new(name));
            assert_eq!(numbered(Path::new(name), 2), Path::new(second));
        }
    }
}
