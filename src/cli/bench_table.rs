//! The figures of `scanward bench`, as text and as JSON.

use super::bench::Measured;
use crate::edge::bench::{Machine, QueueReport, Samples};
use serde_json::{Value, json};
use std::time::Duration;

/// What the figures were measured on.
pub(super) fn machine_lines(machine: &Machine, engine: &str, broker: &str) -> [String; 4] {
    let build = if machine.release {
        ""
    } else {
        "; a development build: slow"
    };
    [
        format!("machine    {} cores, {}", machine.cores, machine.processor),
        format!(
            "program    {:.1} MB{build}",
            megabytes(machine.program_bytes)
        ),
        format!("engine     {engine}"),
        format!("broker     {broker}, on this machine"),
    ]
}

/// What was measured of one series, as a table.
pub(super) fn table(one: &Measured) -> Vec<String> {
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
    lines.push(row("outcome on disk to PUBACK", &chain.delivery));
    lines.push(row(
        "last slice's file to messages, in one go",
        &one.direct.messages,
    ));
    lines.push(row("the same to disk", &one.direct.disk));
    lines.push(format!(
        "(slices every {} ms; quiet {:.1} s subtracted, {:.1} s between two looks into the folder is not)",
        chain.interval.as_millis(),
        chain.quiet.as_secs_f64(),
        chain.poll.as_secs_f64()
    ));
    let per_second = one.files as f64 / stages.read_all.median().as_secs_f64().max(f64::EPSILON);
    lines.push(format!("{:<44}{per_second:>10.0}", "files read a second"));
    for (what, kib) in [
        ("MB, most memory of the service", chain.peak_kib),
        ("MB, idle before the series", chain.idle_before_kib),
        ("MB, idle after the series", chain.idle_after_kib),
    ] {
        lines.push(format!("{what:<44}{:>10.1}", megabytes(kib * 1024)));
    }
    lines.push(format!(
        "{:<44}{:>10.2}",
        "idle, percent of one core", chain.idle_percent
    ));
    lines
}

/// All series together.
pub(super) fn direct_lines(measured: &[Measured]) -> Vec<String> {
    let mut direct = Samples::default();
    let mut disk = Samples::default();
    let mut acknowledged = Samples::default();
    for one in measured {
        direct.extend(&one.direct.messages);
        disk.extend(&one.direct.disk);
        acknowledged.extend(&one.chain.acknowledged);
    }
    vec![
        String::new(),
        format!(
            "{:<44}{:>10}{:>10}{:>10}",
            format!("milliseconds, all {} series", direct.count()),
            "min",
            "median",
            "p95"
        ),
        row("last slice's file to messages, in one go", &direct),
        row("the same to disk", &disk),
        row("last slice to PUBACK, less quiet", &acknowledged),
    ]
}

/// What many series at once cost.
pub(super) fn queue_lines(queued: &[QueueReport]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(first) = queued.first() {
        lines.push(String::new());
        lines.push(format!(
            "{:<44}{:>10}{:>10}{:>10}",
            format!("series at once, {} slices; for each", first.slices),
            "wall ms",
            "CPU ms",
            "MB"
        ));
    }
    lines.extend(queued.iter().map(|one| {
        format!(
            "{:<44}{:>10.1}{:>10.1}{:>10.1}",
            format!("{}, {} x", one.series, one.rounds),
            millis(one.each),
            millis(one.each_processor),
            megabytes(one.peak_kib * 1024)
        )
    }));
    lines
}

fn row(what: &str, samples: &Samples) -> String {
    let [min, median, p95] = [samples.min(), samples.median(), samples.p95()].map(millis);
    format!("{what:<44}{min:>10.2}{median:>10.2}{p95:>10.2}")
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// MB of 10^6 bytes, rounded to what a figure can show.
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

pub(super) fn machine_json(machine: &Machine) -> Value {
    json!({
        "cores": machine.cores,
        "processor": machine.processor,
        "program_bytes": machine.program_bytes,
        "release": machine.release,
    })
}

pub(super) fn figures(one: &Measured) -> Value {
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
        "service_to_disk_ms": samples_json(&chain.durable),
        "service_to_puback_ms": samples_json(&chain.acknowledged),
        "disk_to_puback_ms": samples_json(&chain.delivery),
        "direct_to_messages_ms": samples_json(&one.direct.messages),
        "direct_to_disk_ms": samples_json(&one.direct.disk),
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
        "all": samples.each().map(millis).collect::<Vec<_>>(),
    })
}

pub(super) fn queue_json(queued: &[QueueReport]) -> Value {
    let row = |one: &QueueReport| {
        json!({
            "series": one.series,
            "slices": one.slices,
            "rounds": one.rounds,
            "ms_each": millis(one.each),
            "processor_ms_each": millis(one.each_processor),
            "peak_kib": one.peak_kib,
        })
    };
    queued.iter().map(row).collect()
}
