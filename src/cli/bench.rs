//! `scanward bench`: time, memory and size, measured.

use super::args::{BenchArguments, BenchServiceArguments};
use super::bench_table::{
    direct_lines, figures, machine_json, machine_lines, queue_json, queue_lines, table,
};
use super::print::{self, Progress};
use super::{Ending, Stopped};
use crate::config::Config;
use crate::edge::bench::{
    BenchBroker, ChainReport, DirectReport, QueueReport, StageReport, machine, measure_chain,
    measure_direct, measure_queues, measure_stages,
};
use crate::edge::{
    Failure, Judge, PhantomScan, ScanOrder, Scratch, Service, Told, default_model_folder,
    files_below, load_model, read_settings, save, watch_signals,
};
use crate::wire::IntendedUse;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings under which stages are measured; nothing of them is reached.
const SETTINGS: &str = "[site]\nname = \"bench\"\ndevice = \"ct-1\"\n[intake]\nfolder = \"export\"\n\
    [state]\nfolder = \"state\"\n[model]\nfolder = \"model\"\n[publish]\nbroker = \"mqtt://127.0.0.1\"\n";

/// Rows and columns of the phantom's slices.
const MATRIX: u16 = 512;
/// Stages vary little: more repeats say no more.
const STAGE_REPEATS_MAX: u16 = 10;
/// The series of which many appear at once: small, for a hundred of them have to be written first.
const QUEUE_SLICES: u16 = 64;
const QUEUE_MATRIX: u16 = 256;

/// One series to measure.
struct Series {
    name: String,
    files: Vec<PathBuf>,
}

/// Everything measured of one series.
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) files: usize,
    pub(super) stages: StageReport,
    pub(super) chain: ChainReport,
    /// From the last slice's file on, in this process.
    pub(super) direct: DirectReport,
}

/// Runs the command.
pub(super) fn run(arguments: &BenchArguments) -> Result<Ending, Stopped> {
    let model = arguments.model.clone().unwrap_or_else(default_model_folder);
    let config = settings()?;
    let mut judge = Judge::new(
        &load_model(&model)?,
        &config.series,
        true,
        IntendedUse::Detection,
        config.engine.options,
    )?;
    let scratch = Scratch::new("bench-phantom")?;
    let broker = BenchBroker::start()?;
    let machine = machine();
    let engine = judge.model().backend.clone();
    let lines = machine_lines(&machine, &engine, broker.name());
    lines.iter().for_each(|line| print::out(line));

    let mut progress = Progress::new();
    let series = series(arguments, scratch.path(), &mut progress)?;
    progress.show("from the last slice to the messages", true);
    let files: Vec<&[PathBuf]> = series.iter().map(|one| one.files.as_slice()).collect();
    let direct = measure_direct(&mut judge, &config, &files, arguments.repeats)?;
    let mut measured = Vec::new();
    for (series, direct) in series.into_iter().zip(direct) {
        progress.show(&format!("{}: stages", series.name), true);
        let repeats = arguments.repeats.min(STAGE_REPEATS_MAX);
        let stages = measure_stages(&mut judge, &config, &series.files, repeats)?;
        progress.show(
            &format!("{}: from the folder to the broker", series.name),
            true,
        );
        let interval = Duration::from_millis(arguments.interval);
        let chain = measure_chain(&broker, &model, &series.files, arguments.repeats, interval)?;
        progress.end();
        let one = Measured {
            name: series.name,
            files: series.files.len(),
            stages,
            chain,
            direct,
        };
        table(&one).iter().for_each(|line| print::out(line));
        measured.push(one);
    }
    let lines = direct_lines(&measured);
    lines.iter().for_each(|line| print::out(line));
    let queued = queue(arguments, &broker, &model, &mut progress)?;
    let lines = queue_lines(&queued);
    lines.iter().for_each(|line| print::out(line));
    if let Some(file) = &arguments.json {
        let all: Vec<Value> = measured.iter().map(figures).collect();
        let text = json!({
            "machine": machine_json(&machine),
            "engine": engine,
            "broker": broker.name(),
            "series": all,
            "queue": queue_json(&queued),
        });
        save(file, |to| writeln!(to, "{text:#}"))?;
    }
    Ok(Ending::Done)
}

/// The settings under which everything in this process is measured.
pub(super) fn settings() -> Result<Config, Failure> {
    Config::parse(SETTINGS)
        .map_err(|error| Failure::new(format!("the settings of bench: {error}"), "report this"))
}

/// What many series at once cost, for each number that was asked for.
fn queue(
    arguments: &BenchArguments,
    broker: &BenchBroker,
    model: &Path,
    progress: &mut Progress,
) -> Result<Vec<QueueReport>, Stopped> {
    if arguments.queue.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = Scratch::new("bench-small")?;
    let small = phantom(QUEUE_SLICES, QUEUE_MATRIX, scratch.path(), progress)?;
    let mut tell = |series| progress.show(&format!("{series} series at once"), true);
    let all = measure_queues(broker, model, &small.files, &arguments.queue, &mut tell)?;
    progress.end();
    Ok(all)
}

/// The measured service: as `run`, with a line on stdout for each ending and acknowledgement.
pub(super) fn serve(arguments: &BenchServiceArguments) -> Result<Ending, Stopped> {
    let config = read_settings(&arguments.config).map_err(Stopped::usage)?;
    let service = Service::start(config, None)?;
    watch_signals(service.sender.clone())?;
    print::out("started");
    service.run(|told| {
        match told {
            Told::Closed(saving) => {
                print::out(&format!("closed {} {}", saving.code, saving.closed.finding));
            }
            Told::Acknowledged(id) => {
                let kind = id.as_str().rsplit('/').next().unwrap_or("");
                print::out(&format!("acknowledged {kind} {}", id.group()));
            }
        }
        true
    })?;
    Ok(Ending::Done)
}

fn series(
    arguments: &BenchArguments,
    folder: &Path,
    progress: &mut Progress,
) -> Result<Vec<Series>, Stopped> {
    let mut all = Vec::new();
    for series in &arguments.series {
        let name = series.file_name().unwrap_or(series.as_os_str());
        all.push(Series {
            name: name.to_string_lossy().into_owned(),
            files: files_below(series).map_err(Stopped::usage)?,
        });
    }
    if arguments.phantom > 0 {
        all.push(phantom(arguments.phantom, MATRIX, folder, progress)?);
    }
    Ok(all)
}

fn phantom(
    slices: u16,
    matrix: u16,
    folder: &Path,
    progress: &mut Progress,
) -> Result<Series, Stopped> {
    let order = ScanOrder {
        seed: 1,
        slices,
        burden_percent: 12.0,
        weeks_before: 0,
    };
    let mut scan = PhantomScan::with_matrix(order, matrix).map_err(Stopped::usage)?;
    let drew =
        |done: u16| progress.show(&format!("drawing the phantom: {done} of {slices}"), false);
    scan.write_into(folder, drew)?;
    let mut files = files_below(folder)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "dcm"));
    Ok(Series {
        name: format!("phantom, {slices} x {matrix} x {matrix}"),
        files,
    })
}
