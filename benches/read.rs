//! What it costs to read one DICOM file, part by part, beside the jpeg-decoder crate on the same frames.
//!
//! `cargo bench --bench read [-- FOLDER …]`; without folders the public test series and a phantom. Each line is
//! milliseconds a file: the mean over the files of each one's least and median time in all rounds, so that a busy machine
//! shows in the median first. All parts take turns in each round.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a benchmark reads the clock, prints, and stops at the first thing that is not as it should be"
)]

use scanward::dicom::{FrameDecoder, ReadLimits, read};
use scanward::edge::{PhantomScan, Reader, ScanOrder, files_below};
use scanward::ids::Redacted;
use scanward::units::WallTime;
use scanward::volume::Reducer;
use sha2::{Digest, Sha256};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

const ROUNDS: usize = 9;
const FILES_MAX: usize = 60;

/// Rounds and files a folder; one each where `cargo test` only wants to see that it runs.
fn extent() -> [usize; 2] {
    match std::env::args().any(|argument| argument == "--bench") {
        true => [ROUNDS, FILES_MAX],
        false => [1, 2],
    }
}

const SPACING_MM: f64 = 2.8;

fn main() {
    let folders: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .map(PathBuf::from)
        .collect();
    if !folders.is_empty() {
        folders.iter().for_each(|folder| measure(folder));
        return;
    }
    let data = std::env::var("SCANWARD_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data").to_owned());
    for series in ["P002", "normal001"] {
        let folder = Path::new(&data).join("dicom").join(series);
        match folder.is_dir() {
            true => measure(&folder),
            false => println!("{} is missing: left out", folder.display()),
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let order = ScanOrder {
        seed: 1,
        slices: 60,
        burden_percent: 12.0,
        weeks_before: 0,
    };
    let mut phantom = PhantomScan::new(order).unwrap();
    phantom.write_into(scratch.path(), |_| ()).unwrap();
    measure(scratch.path());
}

/// The parts, in the order of the columns below.
const PARTS: [&str; 7] = [
    "whole: file to reduced slice",
    "  file to memory",
    "  header",
    "  pixels to HU (decode, rescale)",
    "  reduce, histogram",
    "  digest",
    "jpeg-decoder crate, the same frames",
];

fn measure(folder: &Path) {
    let mut files = files_below(folder).unwrap();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "dcm"));
    let [repeats, files_max] = extent();
    files.truncate(files_max);
    let mut reader = Reader::new(ReadLimits::default(), SPACING_MM, Redacted::new([0; 32]));
    let mut parts = Parts::default();
    let mut rounds: Vec<Vec<[f64; 7]>> = vec![Vec::new(); files.len()];
    for _ in 0..repeats {
        for (file, rounds) in files.iter().zip(&mut rounds) {
            let mut times = [0.0; 7];
            let began = Instant::now();
            black_box(reader.read(file, WallTime::default()));
            times[0] = millis(began);
            parts.read(file, &mut times);
            rounds.push(times);
        }
    }
    let mean = |part: usize, rank: usize| {
        let ranked = rounds.iter().map(|rounds| {
            let mut times: Vec<f64> = rounds.iter().map(|times| times[part]).collect();
            times.sort_by(f64::total_cmp);
            times[rank]
        });
        ranked.sum::<f64>() / rounds.len() as f64
    };
    println!(
        "{}: {} files, {repeats} rounds",
        folder.display(),
        files.len()
    );
    println!(
        "{:<40}{:>10}{:>10}",
        "milliseconds a file", "least", "median"
    );
    let row = |what: &str, figure: &dyn Fn(usize) -> f64| {
        println!("{what:<40}{:>10.3}{:>10.3}", figure(0), figure(repeats / 2));
    };
    for (part, what) in PARTS.iter().enumerate() {
        if mean(part, 0) > 0.0 {
            row(what, &|rank| mean(part, rank));
        }
    }
    row("files a second on one core", &|rank| 1000.0 / mean(0, rank));
    if mean(6, 0) > 0.0 {
        row("the crate / pixels to HU", &|rank| {
            mean(6, rank) / mean(3, rank)
        });
    }
    println!();
}

/// The stages as [`Reader`] goes through them, with buffers that stay.
struct Parts {
    bytes: Vec<u8>,
    decoder: FrameDecoder,
    hu: Vec<i16>,
    reducer: Reducer,
}

impl Default for Parts {
    fn default() -> Parts {
        Parts {
            bytes: Vec::new(),
            decoder: FrameDecoder::default(),
            hu: Vec::new(),
            reducer: Reducer::new(SPACING_MM),
        }
    }
}

impl Parts {
    fn read(&mut self, file: &Path, times: &mut [f64; 7]) {
        use std::io::Read;
        let began = Instant::now();
        let mut open = std::fs::File::open(file).unwrap();
        let length = open.metadata().unwrap().len();
        self.bytes.resize(usize::try_from(length).unwrap(), 0);
        open.read_exact(&mut self.bytes).unwrap();
        times[1] = millis(began);

        let began = Instant::now();
        let instance = read(&self.bytes, &ReadLimits::default()).unwrap();
        let place = instance.frame_geometry(0).unwrap();
        times[2] = millis(began);

        let began = Instant::now();
        self.decoder.hu(&instance, 0, &mut self.hu).unwrap();
        times[3] = millis(began);

        let began = Instant::now();
        let spacing = [place.row_spacing, place.column_spacing];
        let reduced = self
            .reducer
            .reduce(&self.hu, place.rows, place.columns, spacing);
        black_box(reduced.unwrap());
        times[4] = millis(began);

        let began = Instant::now();
        let mut digest = Sha256::new();
        let mut bytes = [0; 4096];
        for block in self.hu.chunks(2048) {
            let pairs = bytes.as_chunks_mut::<2>().0.iter_mut();
            pairs
                .zip(block)
                .for_each(|(pair, hu)| *pair = hu.to_le_bytes());
            digest.update(&bytes[..block.len() * 2]);
        }
        black_box(digest.finalize());
        times[5] = millis(began);

        if instance
            .header()
            .transfer_syntax
            .starts_with("1.2.840.10008.1.2.4.")
        {
            let start = self
                .bytes
                .windows(3)
                .position(|bytes| bytes == [0xFF, 0xD8, 0xFF]);
            let stream = &self.bytes[start.unwrap()..];
            let began = Instant::now();
            black_box(jpeg_decoder::Decoder::new(stream).decode().unwrap());
            times[6] = millis(began);
        }
    }
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
