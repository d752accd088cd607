//! Freed memory goes back to the system at once.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Set for the second start, so that there is no third.
const STARTED_AGAIN: &str = "SCANWARD_STARTED_AGAIN";
/// Where glibc's allocator is told its thresholds.
const TUNABLES: &str = "GLIBC_TUNABLES";
/// Blocks from 256 KiB up are mapped apart, and unmapped when freed; the threshold then stays where it is.
const THRESHOLDS: &str = "glibc.malloc.mmap_threshold=262144:glibc.malloc.trim_threshold=131072";

/// Starts this program once more in the same process, with an allocator that gives memory back early.
///
/// Left alone, glibc raises its threshold to the largest block freed so far, and from then on keeps the network's
/// tensors in its heaps: the service would hold its peak for good, and a higher one. The allocator reads its thresholds
/// at the start of a program only. Returns where that was done before, where an operator has set thresholds, or where the
/// program cannot be started; it then runs on with the usual ones.
pub fn give_back_early() {
    let is_set = |name| std::env::var_os(name).is_some();
    if is_set(STARTED_AGAIN) || is_set(TUNABLES) {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let mut arguments = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command
        .args(arguments)
        .env(STARTED_AGAIN, "1")
        .env(TUNABLES, THRESHOLDS);
    // Comes back only when it fails; the process id, its files and what systemd gave it stay.
    let _running_on = command.exec();
}
