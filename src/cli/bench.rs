//! `scanward bench`: time, memory and size, measured.

use super::args::{BenchArguments, BenchServiceArguments};
use super::print::{self, Progress};
use super::{Ending, Stopped};
use crate::config::Config;
use crate::edge::bench::{
    ChainReport, ChainRun, Machine, Samples, StageReport, machine, measure_stages,
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

/// One series to measure.
struct Series {
    name: String,
    files: Vec<PathBuf>,
}

/// Everything measured of one series.
struct Measured {
    name: String,
    files: usize,
    stages: StageReport,
    chain: ChainReport,
}

/// Runs the command.
pub(super) fn run(arguments: &BenchArguments) -> Result<Ending, Stopped> {
    let model = arguments.model.clone().unwrap_or_else(default_model_folder);
    let config = Config::parse(SETTINGS)
        .map_err(|error| Failure::new(format!("the settings of bench: {error}"), "report this"))?;
    let mut judge = Judge::new(
        &load_model(&model)?,
        &config.series,
        true,
        IntendedUse::Detection,
        config.engine,
    )?;
    let scratch = Scratch::new("bench-phantom")?;
    let mut chain = ChainRun::start(&model, Duration::from_millis(arguments.interval))?;
    let machine = machine();
    tell_machine(&machine, judge.model().backend.as_str(), chain.broker());

    let mut progress = Progress::new();
    let mut measured = Vec::new();
    for series in series(arguments, &scratch, &mut progress)? {
        progress.show(&format!("{}: stages", series.name), true);
        let stages = measure_stages(&mut judge, &config, &series.files, arguments.repeats)?;
        progress.show(
            &format!("{}: from the folder to the broker", series.name),
            true,
        );
        let chain = chain.measure(&["bench-service"], &series.files, arguments.repeats)?;
        progress.end();
        let one = Measured {
            name: series.name,
            files: series.files.len(),
            stages,
            chain,
        };
        table(&one).iter().for_each(|line| print::out(line));
        measured.push(one);
    }
    if let Some(file) = &arguments.json {
        let all: Vec<Value> = measured.iter().map(figures).collect();
        let text = json!({"machine": machine_json(&machine), "engine": judge.model().backend, "series": all});
        save(file, |to| writeln!(to, "{text:#}"))?;
    }
    Ok(Ending::Done)
}

/// The measured service: as `run`, with a line on stdout for each ending and acknowledgement.
pub(super) fn serve(arguments: &BenchServiceArguments) -> Result<Ending, Stopped> {
    let config = read_settings(&arguments.config).map_err(Stopped::usage)?;
    let service = Service::start(config, None)?;
    watch_signals(service.sender.clone())?;
    print::out("started");
    service.run(|told| {
        match told {
            Told::Closed(saving) => print::out(&format!("closed {}", saving.code)),
            Told::Acknowledged(id) => {
                let kind = id.as_str().rsplit('/').next().unwrap_or("");
                print::out(&format!("acknowledged {kind}"));
            }
        }
        true
    })?;
    Ok(Ending::Done)
}

fn series(
    arguments: &BenchArguments,
    scratch: &Scratch,
    progress: &mut Progress,
) -> Result<Vec<Series>, Stopped> {
    let mut all = Vec::new();
    for folder in &arguments.series {
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        all.push(Series {
            name: name.to_string_lossy().into_owned(),
            files: files_below(folder).map_err(Stopped::usage)?,
        });
    }
    if arguments.phantom > 0 {
        all.push(phantom(arguments.phantom, scratch.path(), progress)?);
    }
    Ok(all)
}

fn phantom(slices: u16, folder: &Path, progress: &mut Progress) -> Result<Series, Stopped> {
    let mut scan = PhantomScan::new(ScanOrder {
        seed: 1,
        slices,
        burden_percent: 12.0,
        weeks_before: 0,
    })
    .map_err(Stopped::usage)?;
    let drew =
        |done: u16| progress.show(&format!("drawing the phantom: {done} of {slices}"), false);
    scan.write_into(folder, drew)?;
    let mut files = files_below(folder)?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "dcm"));
    Ok(Series {
        name: format!("phantom, {slices} x 512 x 512"),
        files,
    })
}

fn tell_machine(machine: &Machine, engine: &str, broker: &str) {
    let build = if machine.release {
        ""
    } else {
        "; a development build: slow"
    };
    print::out(&format!(
        "machine    {} cores, {}",
        machine.cores, machine.processor
    ));
    print::out(&format!(
        "program    {:.1} MB{build}",
        megabytes(machine.program_bytes)
    ));
    print::out(&format!("engine     {engine}"));
    print::out(&format!("broker     {broker}, on this machine"));
}

/// What was measured of one series, as a table.
fn table(one: &Measured) -> Vec<String> {
    let (stages, chain) = (&one.stages, &one.chain);
    let mut lines = vec![
        String::new(),
        format!(
            "{}: {} files, {} slices, {}; {} repeats",
            one.name,
            one.files,
            stages.slices,
            stages.outcome,
            stages.pipeline.count()
        ),
        format!(
            "{:<44}{:>10}{:>10}{:>10}",
            "milliseconds", "min", "median", "p95"
        ),
        row("read, decode, reduce: one file", &stages.read_one),
        row("read, decode, reduce: all files in turn", &stages.read_all),
    ];
    lines.extend(
        stages
            .stages
            .iter()
            .map(|(name, samples)| row(name, samples)),
    );
    lines.push(row("pipeline and preview", &stages.pipeline));
    lines.push(row("messages", &stages.encode));
    lines.push(row(
        "last slice to outcome on disk, less quiet",
        &chain.durable,
    ));
    lines.push(row("last slice to PUBACK, less quiet", &chain.acknowledged));
    lines.push(format!(
        "(slices every {} ms; quiet {:.1} s subtracted, {:.1} s between two looks into the folder is not)",
        chain.interval.as_millis(),
        chain.quiet.as_secs_f64(),
        chain.poll.as_secs_f64()
    ));
    let per_second = one.files as f64 / stages.read_all.median().as_secs_f64().max(f64::EPSILON);
    lines.push(format!("{:<44}{per_second:>10.0}", "files read a second"));
    lines.push(format!(
        "{:<44}{:>10}{:>10}{:>10}",
        "MB", "min", "median", "max"
    ));
    lines.push(memory("most memory of the service", &chain.peak_kib));
    lines.push(memory("idle before the series", &chain.idle_before_kib));
    lines.push(memory("idle after the series", &chain.idle_after_kib));
    lines.push(format!(
        "{:<44}{:>10.2}",
        "idle, percent of one core",
        median(&chain.idle_percent)
    ));
    lines
}

fn row(what: &str, samples: &Samples) -> String {
    let [min, median, p95] = [samples.min(), samples.median(), samples.p95()].map(millis);
    format!("{what:<44}{min:>10.2}{median:>10.2}{p95:>10.2}")
}

fn memory(what: &str, kib: &[u64]) -> String {
    let mut sorted: Vec<f64> = kib.iter().map(|kib| megabytes(kib * 1024)).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    let last = sorted.len().saturating_sub(1);
    format!(
        "{what:<44}{:>10.1}{:>10.1}{:>10.1}",
        at(0),
        at(last / 2),
        at(last)
    )
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.get(middle).copied().unwrap_or(0.0)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// MB of 10^6 bytes, rounded to what a figure can show.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

fn machine_json(machine: &Machine) -> Value {
    json!({
        "cores": machine.cores,
        "processor": machine.processor,
        "program_bytes": machine.program_bytes,
        "release": machine.release,
    })
}

fn figures(one: &Measured) -> Value {
    let (stages, chain) = (&one.stages, &one.chain);
    let each: Vec<Value> = stages
        .stages
        .iter()
        .map(|(name, samples)| json!({"stage": name, "ms": samples_json(samples)}))
        .collect();
    json!({
        "name": one.name,
        "files": one.files,
        "slices": stages.slices,
        "outcome": stages.outcome,
        "read_one_ms": samples_json(&stages.read_one),
        "read_all_ms": samples_json(&stages.read_all),
        "stages": each,
        "pipeline_ms": samples_json(&stages.pipeline),
        "encode_ms": samples_json(&stages.encode),
        "quiet_ms": millis(chain.quiet),
        "poll_ms": millis(chain.poll),
        "interval_ms": millis(chain.interval),
        "last_slice_to_disk_ms": samples_json(&chain.durable),
        "last_slice_to_puback_ms": samples_json(&chain.acknowledged),
        "peak_kib": chain.peak_kib,
        "idle_before_kib": chain.idle_before_kib,
        "idle_after_kib": chain.idle_after_kib,
        "idle_percent_of_one_core": chain.idle_percent,
    })
}

fn samples_json(samples: &Samples) -> Value {
    json!({
        "min": millis(samples.min()),
        "median": millis(samples.median()),
        "p95": millis(samples.p95()),
        "max": millis(samples.max()),
        "count": samples.count(),
    })
}
