//! How long a finding takes from its last slice on, and how often a slice comes too late for it: simulated arrivals
//! against the real intake and core, the adaptive wait beside fixed ones.

mod dice;
mod run;
mod scenario;

pub use scenario::{SCENARIOS, Scenario};

use super::samples::Samples;
use crate::edge::Failure;

/// How long a series waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As its scanner's pace allows, with the defaults of the settings.
    Adaptive,
    /// Always so long.
    Fixed {
        /// `quiet_seconds`.
        seconds: u64,
    },
}

/// One scenario under one wait.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivalReport {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The wait.
    pub wait: Wait,
    /// Series that got a finding.
    pub findings: usize,
    /// Of these, those whose first ending lacked slices that came later.
    pub superseded: usize,
    /// From the landing of the last instance to the finding of the whole series, on disk.
    pub delays: Samples,
}

impl ArrivalReport {
    /// The share of findings that were superseded, percent.
    pub fn superseded_percent(&self) -> f64 {
        100.0 * self.superseded as f64 / self.findings.max(1) as f64
    }

    /// All of `reports` as one.
    pub fn overall(wait: Wait, reports: &[ArrivalReport]) -> ArrivalReport {
        let mut all = ArrivalReport {
            scenario: "all",
            wait,
            findings: 0,
            superseded: 0,
            delays: Samples::default(),
        };
        for report in reports.iter().filter(|report| report.wait == wait) {
            all.findings += report.findings;
            all.superseded += report.superseded;
            all.delays.extend(&report.delays);
        }
        all
    }
}

/// Simulates `scans` scans of `scenario` under `wait`. The same seed gives the same arrivals, whatever the wait.
///
/// Errors: the simulation's own facts do not parse.
pub fn simulate(
    scenario: &Scenario,
    wait: Wait,
    scans: u32,
    seed: u64,
) -> Result<ArrivalReport, Failure> {
    let sent = scenario::send(scenario, scans, seed);
    let course = run::run(&sent, scenario.one_folder, wait)?;
    Ok(ArrivalReport {
        scenario: scenario.name,
        wait,
        findings: course.findings,
        superseded: course.superseded,
        delays: course.delays,
    })
}
