//! Parts of the measuring that scripts start: the network on stdin's word, pieces to count instructions of.

use super::args::{BenchInstructionsArguments, BenchNetworkArguments, EngineChoice};
use super::bench::settings;
use super::bench_table::millis;
use super::print;
use super::{Ending, Stopped};
use crate::edge::bench::{
    MeasuredEngine, NetworkBench, Samples, machine, peak_gmacs, read_volume, run_for_instructions,
};
use crate::edge::{Failure, default_model_folder, save};
use crate::infer::{EngineOptions, LayerCost};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;

/// How long the machine's peak is looked for.
const PEAK_FOR: Duration = Duration::from_millis(5);
/// Runs for the times of the layers.
const LAYER_RUNS: u16 = 20;

/// `bench-network`: answers each line of stdin with one of JSON.
pub(super) fn network(arguments: &BenchNetworkArguments) -> Result<Ending, Stopped> {
    let shape: [usize; 3] = arguments.shape.clone().try_into().map_err(|_| {
        Stopped::usage(Failure::new("the shape is not three numbers", "give Z,Y,X"))
    })?;
    let volume = read_volume(&arguments.volume, shape)?;
    let folder = arguments.model.clone().unwrap_or_else(default_model_folder);
    let options = EngineOptions {
        isa: None,
        threads: arguments.threads,
    };
    let engine = match arguments.engine {
        EngineChoice::Int8 => MeasuredEngine::Int8,
        EngineChoice::Tract => MeasuredEngine::Tract,
    };
    let (mut bench, loading) = NetworkBench::load(&folder, volume, engine, options)?;
    let machine = machine();
    print::out(
        &json!({
            "load_ms": millis(loading),
            "isa": NetworkBench::isa(options).name(),
            "cores": machine.cores,
            "processor": machine.processor,
            "release": machine.release,
            "program_bytes": machine.program_bytes,
        })
        .to_string(),
    );
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("run", _) => json!({"ms": millis(bench.run()?.1)}),
            ("peak", _) => {
                json!({"gmacs": peak_gmacs(NetworkBench::isa(options), arguments.threads, PEAK_FOR)})
            }
            ("layers", _) => layers(&mut bench)?,
            ("mask", file) => {
                let mask = bench.run()?.0.grid();
                save(Path::new(file), |to| to.write_all(mask.values()))?;
                json!({})
            }
            (other, _) => {
                let what = format!("nobody knows the word {other:?}");
                return Err(Stopped::usage(Failure::new(
                    what,
                    "say run, peak, layers or mask FILE",
                )));
            }
        };
        print::out(&answer.to_string());
    }
    Ok(Ending::Done)
}

fn layers(bench: &mut NetworkBench) -> Result<Value, Failure> {
    let layers = bench.layers(LAYER_RUNS)?;
    let row = |(cost, samples): &(LayerCost, Samples)| {
        json!({
            "kind": cost.kind,
            "inputs": cost.inputs,
            "outputs": cost.outputs,
            "shape": cost.shape,
            "macs": cost.macs,
            "macs_done": cost.macs_done,
            "bytes": cost.bytes,
            "ms": millis(samples.min()),
        })
    };
    Ok(json!({"layers": layers.iter().map(row).collect::<Vec<_>>()}))
}

/// `bench-instructions`: each piece once; prints its name when it is done.
pub(super) fn instructions(arguments: &BenchInstructionsArguments) -> Result<Ending, Stopped> {
    let folder = arguments.model.clone().unwrap_or_else(default_model_folder);
    let config = settings()?;
    let mut names = Vec::new();
    run_for_instructions(&arguments.folder, &folder, &config, &mut |name| {
        names.push(name.to_owned());
    })?;
    names.iter().for_each(|name| print::out(name));
    Ok(Ending::Done)
}
