//! The state folder: written, synced and renamed in for real, on a disk that keeps what it is given.

use super::Check;
use super::mounts::{Keeps, Mount};
use crate::config::Config;
use crate::edge::sensors::free_percent;
use crate::edge::state;
use crate::store::{Store, StoreError};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use sysinfo::Disks;

const ABOUT: &str = "state folder";
const LOCAL: &str =
    "give [state] folder a local disk: after a power cut the state must be what it was";

/// Looks at `[state] folder`. Makes nothing that stays: a state made here would be the doctor's, not the service's.
pub(super) fn check(config: &Config, tell: &mut dyn FnMut(Check)) {
    let folder = &config.state_folder;
    // The folder itself, or what is there of the way to it.
    let there = folder
        .ancestors()
        .find(|above| above.exists())
        .unwrap_or(Path::new("/"));
    match write(there) {
        Ok(()) if there == folder => tell(Check::ok(
            ABOUT,
            format!("{}: written, synced, renamed", folder.display()),
        )),
        Ok(()) => tell(Check::warn(
            ABOUT,
            format!(
                "{} is not there yet; {} can be written",
                folder.display(),
                there.display()
            ),
            "nothing, before the first start: scanward makes it",
        )),
        Err(error) if there == folder => tell(refused(folder, &error)),
        Err(error) => tell(Check::fail(
            ABOUT,
            format!(
                "{} is not there, and {}: {error}",
                folder.display(),
                there.display()
            ),
            format!(
                "make it for scanward's user: `install -d -o scanward -m 750 {}`",
                folder.display()
            ),
        )),
    }
    if let Some(mount) = Mount::of(there) {
        tell(kept(&mount));
    }
    tell(space(config, there));
    if there == folder {
        tell(database(folder));
    }
}

/// Does what a commit of the state needs: a new file, its bytes down, a new name, the name down.
fn write(folder: &Path) -> io::Result<()> {
    let probe = |ending| folder.join(format!(".scanward-doctor-{}{ending}", std::process::id()));
    let (fresh, renamed) = (probe(".new"), probe(""));
    let attempt = || -> io::Result<()> {
        let mut file = File::create_new(&fresh)?;
        file.write_all(&[b'.'; 4096])?;
        file.sync_all()?;
        fs::rename(&fresh, &renamed)?;
        File::open(folder)?.sync_all()
    };
    let result = attempt();
    for left in [&fresh, &renamed] {
        // Mostly not there; a rest of it would be harmless.
        drop(fs::remove_file(left));
    }
    result
}

fn refused(folder: &Path, error: &io::Error) -> Check {
    let found = format!("{}: {error}", folder.display());
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "ErrorKind is non-exhaustive: what is not named here is the disk's trouble"
    )]
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "run the doctor as scanward's user, or give it the folder: `chown scanward: FOLDER`"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free space on the disk of [state] folder"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "mount the disk of [state] folder for writing; `dmesg` tells whether it failed"
        }
        ErrorKind::NotADirectory => "correct [state] folder: it names a file",
        _ => "check the disk of [state] folder: `dmesg`",
    };
    Check::fail(ABOUT, found, hint)
}

fn kept(mount: &Mount) -> Check {
    let about = "state disk";
    match mount.keeps() {
        Keeps::Here => Check::ok(about, mount.kind.clone()),
        Keeps::Elsewhere => Check::fail(
            about,
            format!("{} is a network file system", mount.kind),
            LOCAL,
        ),
        Keeps::UntilPowerCut => Check::warn(
            about,
            format!("{} is memory: a power cut empties it", mount.kind),
            LOCAL,
        ),
    }
}

fn space(config: &Config, folder: &Path) -> Check {
    let about = "state space";
    let least = config.service.disk_free_percent_min;
    match free_percent(&Disks::new_with_refreshed_list(), folder) {
        Some(free) if free < f64::from(least) => Check::fail(
            about,
            format!("{free:.1} % free, {least} % is the least"),
            "free space on the disk of [state] folder, or lower [service] disk_free_percent_min",
        ),
        Some(free) => Check::ok(about, format!("{free:.0} % free, {least} % is the least")),
        None => Check::ok(about, "not known to the system"),
    }
}

fn database(folder: &Path) -> Check {
    let about = "state";
    if !state::is_in(folder) {
        return Check::ok(about, "none yet: made at the first start");
    }
    match state::open(folder).and_then(|mut store: Store| store.queued_heads()) {
        Ok(waiting) => Check::ok(
            about,
            format!("opens; {} messages wait for the broker", waiting.len()),
        ),
        Err(StoreError::InUse) => Check::ok(about, "in use by the running scanward: fine"),
        Err(error) => Check::fail(about, error.to_string(), error.advice()),
    }
}
