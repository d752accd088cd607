//! How fast each instruction set of this machine computes the layers of the usual networks, on one thread.
//!
//!     cargo bench --bench kernels [-- ISA…]
//!
//! Prints 10⁹ multiplications a second, the best of many runs, for each layer and instruction set. It guards the tile widths: a
//! tile too wide for the registers keeps sums on the stack, and one layer falls behind the others by half. `cargo test
//! --all-targets` runs each layer once and measures nothing.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it measures and prints"
)]

use scanward::infer::{Isa, LayerProbe};
use std::time::{Duration, Instant};

/// Time spent on each layer and instruction set.
const EACH: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measures = arguments.iter().any(|argument| argument == "--bench");
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let isas: Vec<Isa> = Isa::available()
        .into_iter()
        .filter(|isa| match wanted.as_slice() {
            // Plain Rust takes seconds for a layer.
            [] => *isa != Isa::Scalar,
            names => names.iter().any(|name| *name == isa.name()),
        })
        .collect();
    if cfg!(debug_assertions) {
        // The development profile checks each pointer, whatever its opt-level: that takes half of the time and more.
        println!("checks are compiled in: these are not the figures of `cargo bench`");
    }
    print!("{:22}", "GMAC/s on one thread");
    isas.iter().for_each(|isa| print!("{:>16}", isa.name()));
    println!();
    for mut layer in LayerProbe::all() {
        print!("{:22}", layer.name());
        for isa in &isas {
            let best = best_of(
                &mut layer,
                *isa,
                if measures { EACH } else { Duration::ZERO },
            );
            print!("{:16.1}", layer.macs() as f64 / best.as_secs_f64() / 1e9);
        }
        println!();
    }
}

fn best_of(layer: &mut LayerProbe, isa: Isa, each: Duration) -> Duration {
    let began = Instant::now();
    let mut best = Duration::MAX;
    loop {
        let run = Instant::now();
        layer.run(isa);
        best = best.min(run.elapsed());
        if began.elapsed() >= each {
            return best;
        }
    }
}
