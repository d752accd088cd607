//! `scanward bench-arrivals`: the adaptive wait beside fixed ones, simulated.

use super::args::BenchArrivalsArguments;
use super::print::{self, Progress};
use super::{Ending, Stopped};
use crate::edge::bench::arrivals::{ArrivalReport, SCENARIOS, Wait, simulate};
use crate::edge::save;
use serde_json::{Value, json};
use std::io::Write;

/// The adaptive wait, the default before it, and the fixed waits somebody might choose instead.
const WAITS: [Wait; 5] = [
    Wait::Adaptive,
    Wait::Fixed { seconds: 30 },
    Wait::Fixed { seconds: 10 },
    Wait::Fixed { seconds: 5 },
    Wait::Fixed { seconds: 2 },
];

/// Runs the command.
pub(super) fn run(arguments: &BenchArrivalsArguments) -> Result<Ending, Stopped> {
    let mut progress = Progress::new();
    let mut reports = Vec::new();
    for scenario in &SCENARIOS {
        for wait in WAITS {
            progress.show(&format!("{}, {}", scenario.name, named(wait)), true);
            reports.push(simulate(scenario, wait, arguments.scans, arguments.seed)?);
        }
    }
    progress.end();
    let all = WAITS.map(|wait| ArrivalReport::overall(wait, &reports));
    reports.extend(all);
    print::out(&format!(
        "last instance to finding on disk, simulated; {} scans a scenario, seed {}",
        arguments.scans, arguments.seed
    ));
    print::out(&format!(
        "{:<18}{:<12}{:>10}{:>14}{:>12}{:>10}",
        "arrivals", "wait", "findings", "superseded, %", "median, s", "p95, s"
    ));
    reports.iter().for_each(|report| print::out(&row(report)));
    if let Some(file) = &arguments.json {
        let figures: Vec<Value> = reports.iter().map(figures).collect();
        let text = json!({"scans": arguments.scans, "seed": arguments.seed, "arrivals": figures});
        save(file, |to| writeln!(to, "{text:#}"))?;
    }
    Ok(Ending::Done)
}

fn named(wait: Wait) -> String {
    match wait {
        Wait::Adaptive => "adaptive".to_owned(),
        Wait::Fixed { seconds } => format!("fixed {seconds} s"),
    }
}

fn row(report: &ArrivalReport) -> String {
    format!(
        "{:<18}{:<12}{:>10}{:>14.2}{:>12.2}{:>10.2}",
        report.scenario,
        named(report.wait),
        report.findings,
        report.superseded_percent(),
        report.delays.median().as_secs_f64(),
        report.delays.p95().as_secs_f64()
    )
}

fn figures(report: &ArrivalReport) -> Value {
    json!({
        "scenario": report.scenario,
        "wait": named(report.wait),
        "findings": report.findings,
        "superseded": report.superseded,
        "superseded_percent": report.superseded_percent(),
        "median_s": report.delays.median().as_secs_f64(),
        "p95_s": report.delays.p95().as_secs_f64(),
    })
}
