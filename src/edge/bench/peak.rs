//! What the machine can do at this moment, against which the network is measured.

use crate::edge::Clock;
use crate::infer::{Isa, dot_products};
use std::time::Duration;

/// Rounds between two looks at the clock: a tenth of a millisecond or so.
const ROUNDS: u32 = 40_000;

/// The multiply-adds that `threads` threads do at most with `isa`, in 10^9 a second: each thread's best stretch of a tenth
/// of a millisecond within `lasting`, all of them at the same time.
///
/// `None` for an instruction set that has no peak: plain Rust.
pub fn peak_gmacs(isa: Isa, threads: usize, lasting: Duration) -> Option<f64> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| scope.spawn(move || thread_gmacs(isa, lasting)))
            .collect();
        let own = thread_gmacs(isa, lasting)?;
        let others = others
            .into_iter()
            .map(|other| other.join().ok().flatten())
            .sum::<Option<f64>>()?;
        Some(own + others)
    })
}

fn thread_gmacs(isa: Isa, lasting: Duration) -> Option<f64> {
    let clock = Clock::start();
    let mut best = 0.0_f64;
    while clock.elapsed() < lasting {
        let began = clock.elapsed();
        let macs = dot_products(isa, ROUNDS)?;
        let took = clock.elapsed().saturating_sub(began);
        best = best.max(macs as f64 / took.as_secs_f64().max(f64::EPSILON) / 1e9);
    }
    Some(best)
}
