//! `scanward demo`: the whole way from the scanner to the ward on this machine.

use super::args::DemoArguments;
use super::print::{self, Progress};
use super::station;
use super::{Ending, Stopped};
use crate::edge::{
    DEMO_QUIET, Demo, DemoResult, DemoSource, DemoStep, Failure, LogTo, PhantomScan, ScanOrder,
    default_model_folder, start_logging,
};
use crate::phantom::Truth;
use crate::ward::{Trial, TrialKey};

/// Burdens of the phantoms that follow the first one, percent.
const BURDENS: [f64; 5] = [5.0, 25.0, 0.0, 18.0, 12.0];

/// Runs the command.
pub(super) fn run(arguments: &DemoArguments, verbose: bool) -> Result<Ending, Stopped> {
    if verbose {
        start_logging(LogTo::Text, true);
    }
    let mut source = first_source(arguments).map_err(Stopped::usage)?;
    let model = arguments.model.clone().unwrap_or_else(default_model_folder);
    // A demo that ends by itself leaves nobody the time to look at a page.
    let key = (!arguments.once).then(TrialKey::new).transpose()?;
    let mut demo = Demo::start(&model, key.as_ref().and_then(TrialKey::public))?;
    print::note(&format!(
        "scanner, box and ward on this machine; broker on 127.0.0.1:{}",
        demo.port()
    ));
    let station = key.map(|key| open_station(&demo, key)).transpose()?;
    let ended = if arguments.once {
        once(&mut demo, &mut source, arguments)
    } else {
        on_and_on(&mut demo, source, arguments)
    };
    if let Some(station) = station {
        station.stop();
    }
    demo.stop();
    Ok(ended?)
}

/// Opens the nursing station's page beside the demo, and says where.
fn open_station(demo: &Demo, key: TrialKey) -> Result<Trial, Failure> {
    let station = Trial::start(demo.port(), key)?;
    station.lines().iter().for_each(|line| print::note(line));
    Ok(station)
}

fn first_source(arguments: &DemoArguments) -> Result<DemoSource, Failure> {
    match &arguments.folder {
        Some(folder) => DemoSource::folder(folder),
        None => phantom(arguments.seed, arguments.burden, arguments.slices),
    }
}

fn phantom(seed: u64, burden_percent: f64, slices: u16) -> Result<DemoSource, Failure> {
    let order = ScanOrder {
        seed,
        slices,
        burden_percent,
        weeks_before: 0,
    };
    Ok(DemoSource::Phantom(Box::new(PhantomScan::new(order)?)))
}

fn once(
    demo: &mut Demo,
    source: &mut DemoSource,
    arguments: &DemoArguments,
) -> Result<Ending, Failure> {
    let Some(results) = show(demo, source, arguments)? else {
        let advice = "let it run until the finding is shown";
        return Err(Failure::new("stopped before the finding came", advice));
    };
    let triaged = |result: &DemoResult| result.event.data.reason.is_none();
    Ok(if results.iter().all(triaged) {
        Ending::Done
    } else {
        Ending::NotTriaged
    })
}

fn on_and_on(
    demo: &mut Demo,
    mut source: DemoSource,
    arguments: &DemoArguments,
) -> Result<Ending, Failure> {
    print::note("another terminal sees the same messages with");
    print::note(&format!(
        "  mosquitto_sub -V 5 -p {} -t 'scanward/#' -v",
        demo.port()
    ));
    demo.listen_to_stdin()?;
    let mut seed = arguments.seed;
    for burden in BURDENS.into_iter().cycle() {
        if show(demo, &mut source, arguments)?.is_none() {
            break;
        }
        print::note("Enter exports the next phantom, Ctrl-C ends");
        if !demo.await_line()? {
            break;
        }
        seed = seed.wrapping_add(1);
        source = phantom(seed, burden, arguments.slices)?;
    }
    Ok(Ending::Done)
}

/// Exports `source` and prints what arrives. `None`: stopped by a signal.
fn show(
    demo: &mut Demo,
    source: &mut DemoSource,
    arguments: &DemoArguments,
) -> Result<Option<Vec<DemoResult>>, Failure> {
    let count = source.count();
    let mut progress = Progress::new();
    let mut tell = |step: DemoStep| match step {
        DemoStep::Exported(done) => {
            let line = format!("exported {done} of {count}");
            progress.show(&line, done < count && done % (count / 4).max(1) == 0);
        }
        DemoStep::Waiting => {
            let line = format!(
                "exported {count} of {count}; complete after {} s without a new slice",
                DEMO_QUIET.as_secs()
            );
            progress.show(&line, true);
        }
        DemoStep::Durable => progress.show("the result is on disk and on its way", true),
        DemoStep::Acknowledged => progress.show("taken by the broker", false),
    };
    let results = demo.show(source, &mut tell);
    progress.end();
    let Some(results) = results? else {
        return Ok(None);
    };
    for result in &results {
        tell_result(demo, result, truth(source), arguments)?;
    }
    Ok(Some(results))
}

fn truth(source: &DemoSource) -> Option<Truth> {
    match source {
        DemoSource::Phantom(scan) => Some(scan.truth()),
        DemoSource::Files(_) => None,
    }
}

fn tell_result(
    demo: &Demo,
    result: &DemoResult,
    truth: Option<Truth>,
    arguments: &DemoArguments,
) -> Result<(), Failure> {
    print::out("");
    for line in station::finding(&result.event.data, truth.as_ref()) {
        print::out(&line);
    }
    for line in timing(result) {
        print::out(&line);
    }
    print::out(&format!("topic         {}", result.topic));
    if let Some((topic, png)) = &result.preview {
        print::out(&format!(
            "picture       {topic}, {} KiB",
            png.len().div_ceil(1024)
        ));
    }
    // Without --keep the picture goes when the demo ends: with --once, at once.
    if (arguments.keep.is_some() || !arguments.once)
        && let Some(path) = demo.keep_preview(result, arguments.keep.as_deref())?
    {
        print::out(&format!("              {}", path.display()));
    }
    print::out(&result.event.data.notice);
    print::out("");
    Ok(())
}

/// Where the time went between the last slice and the ward.
fn timing(result: &DemoResult) -> Vec<String> {
    let total = result.total.as_secs_f64();
    let mut lines = vec![format!(
        "time          {total:.2} s from the last slice to the ward"
    )];
    if let Some(timing) = &result.event.data.timing {
        let compute = seconds(timing.compute_ms);
        let delivery = result.delivery.as_secs_f64();
        let quiet = (total - delivery).max(0.0);
        lines.push(format!(
            "              {quiet:.2} s until quiet and judged ({compute:.2} s computing), {delivery:.2} s on the way"
        ));
    }
    lines
}

fn seconds(millis: u64) -> f64 {
    std::time::Duration::from_millis(millis).as_secs_f64()
}
