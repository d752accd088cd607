//! What the figures were measured on, and what a process uses, as the kernel says it.

use std::fs;
use std::time::Duration;

/// The machine and the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The processor, as /proc/cpuinfo names it.
    pub processor: String,
    /// Threads that may run at once.
    pub cores: usize,
    /// Size of this program's file, bytes.
    pub program_bytes: u64,
    /// Whether the program was built with optimisation for release (debug assertions off).
    pub release: bool,
}

/// This machine and program.
pub fn machine() -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let program = std::env::current_exe().and_then(fs::metadata);
    Machine {
        processor: processor(),
        cores,
        program_bytes: program.map_or(0, |facts| facts.len()),
        release: !cfg!(debug_assertions),
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // x86 says "model name"; a Jetson's kernel says only the part number.
    let named = ["model name", "Hardware", "CPU part"]
        .iter()
        .find_map(|key| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            line.split_once(':').map(|(_, name)| name.trim().to_owned())
        });
    named.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// The most memory process `id` has held, and what it holds, KiB (VmHWM and VmRSS of proc(5)).
pub(super) fn memory_kib(id: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let value = |key: &str| -> Option<u64> {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((value("VmHWM:")?, value("VmRSS:")?))
}

/// The processor time process `id` has used (utime and stime of proc(5), in units of 10 ms).
pub(super) fn processor_time(id: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold blanks: count from its end. State is field 3, utime 14, stime 15.
    let (_, after) = text.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(10 * (user + system)))
}
