//! `scanward phantom`: a synthetic chest CT as DICOM files.

use super::args::PhantomArguments;
use super::print::{self, Progress};
use super::{Ending, Stopped};
use crate::edge::{PhantomScan, ScanOrder};
use crate::phantom::Truth;

/// Runs the command.
pub(super) fn run(arguments: &PhantomArguments) -> Result<Ending, Stopped> {
    let mut scan =
        PhantomScan::with_matrix(order(arguments)?, arguments.matrix).map_err(Stopped::usage)?;
    let count = scan.order().slices;
    let mut progress = Progress::new();
    let wrote = |done: u16| progress.show(&format!("slice {done} of {count}"), false);
    let written = scan.write_into(&arguments.out, wrote);
    progress.end();
    written?;
    print::out(&format!("{count} slices in {}", arguments.out.display()));
    for line in truth_lines(&scan.truth()) {
        print::out(&line);
    }
    Ok(Ending::Done)
}

fn order(arguments: &PhantomArguments) -> Result<ScanOrder, Stopped> {
    match &arguments.prior_of {
        Some(folder) => {
            let later = ScanOrder::read(folder).map_err(Stopped::usage)?;
            later.earlier(arguments.burden).map_err(Stopped::usage)
        }
        None => Ok(ScanOrder {
            seed: arguments.seed,
            slices: arguments.slices,
            burden_percent: arguments.burden,
            weeks_before: 0,
        }),
    }
}

/// What is true about the patient, a line each.
fn truth_lines(truth: &Truth) -> [String; 5] {
    [
        format!(
            "burden        {:.2} % of the lung",
            truth.burden_percent.get()
        ),
        format!("  right lung  {:.2} %", truth.burden_right_percent.get()),
        format!("  left lung   {:.2} %", truth.burden_left_percent.get()),
        format!("lung          {:.0} ml", truth.lung_ml),
        format!("lesions       {:.0} ml", truth.lesion_ml),
    ]
}
