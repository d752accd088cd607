//! The export folder: there, listed, its files readable. Only looked at, never written to.

use super::mounts::{Keeps, Mount};
use super::user::User;
use super::{Check, Grade};
use crate::config::Config;
use crate::edge::folder::{self, Listing};
use crate::edge::hints::Hints;
use crate::edge::sensors::free_percent;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use sysinfo::Disks;

const ABOUT: &str = "export folder";

/// Looks at `[intake] folder`.
pub(super) fn check(config: &Config, tell: &mut dyn FnMut(Check)) {
    let path = &config.intake.folder;
    let listing = match fs::metadata(path) {
        Ok(facts) if !facts.is_dir() => {
            let found = format!("{} is not a folder", path.display());
            return tell(Check::fail(ABOUT, found, "correct [intake] folder"));
        }
        Ok(_) => folder::list(path),
        Err(error) => Err(error),
    };
    match listing {
        Ok(listing) => {
            tell(listed(path, &listing));
            tell(readable(&listing));
            tell(rights(path));
            tell(hints(config, &listing));
            tell(space(config, path));
        }
        Err(error) => tell(away(path, &error)),
    }
}

fn away(path: &Path, error: &io::Error) -> Check {
    let found = format!("{}: {error}", path.display());
    let hint = if error.kind() == ErrorKind::PermissionDenied {
        "give scanward's user the right to read and enter the folder: `setfacl -R -m u:scanward:rX FOLDER`"
    } else {
        "mount the share or make the folder, or correct [intake] folder; scanward waits for it and says so in health"
    };
    Check::fail(ABOUT, found, hint)
}

fn listed(path: &Path, listing: &Listing) -> Check {
    let found = format!("{}: {} files", path.display(), listing.files.len());
    if listing.cut {
        let found = format!("{found}, and more that are not looked at");
        return Check::warn(
            ABOUT,
            found,
            "move old series away: the export folder is no archive",
        );
    }
    Check::ok(ABOUT, found)
}

/// Opens the first and the last file. Names of files stay untold: scanners put patients' names in them.
fn readable(listing: &Listing) -> Check {
    let ends = [listing.files.first(), listing.files.last()];
    let denied = ends
        .into_iter()
        .flatten()
        .find_map(|file| File::open(&file.path).err());
    match denied {
        // A file may go between its listing and its opening.
        Some(error) if error.kind() != ErrorKind::NotFound => Check::fail(
            "export files",
            format!("a file cannot be read: {error}"),
            "have the scanner's files made readable for scanward's user: the share's mask, or `setfacl -d -m u:scanward:rX FOLDER`",
        ),
        Some(_) | None if listing.files.is_empty() => Check::ok("export files", "none yet"),
        Some(_) | None => Check::ok("export files", "readable"),
    }
}

fn rights(path: &Path) -> Check {
    let about = "export rights";
    let mount = Mount::of(path);
    let kind = mount
        .as_ref()
        .map_or_else(String::new, |mount| format!(", {}", mount.kind));
    let mount_read_only = mount.is_some_and(|mount| mount.read_only);
    let may = || Some(User::of_this_process()?.may_write(&fs::metadata(path).ok()?));
    let found = match may() {
        _ if mount_read_only => "mounted read-only: good",
        Some(false) => "read-only: good",
        Some(true) => "this user may write there too; scanward only reads, so read-only is enough",
        None => "not known to the system",
    };
    Check {
        grade: Grade::Ok,
        about,
        found: format!("{found}{kind}"),
        hint: None,
    }
}

/// Whether the system tells of changes, or each look into the folder has to find them.
fn hints(config: &Config, listing: &Listing) -> Check {
    let about = "export events";
    let seconds = config.intake.poll.as_secs_f64();
    let looks = format!("changes are found by a look every {seconds} s");
    let mount = Mount::of(&config.intake.folder);
    if let Some(share) = mount.filter(|mount| mount.keeps() == Keeps::Elsewhere) {
        return Check::ok(about, format!("none from {}: {looks}", share.kind));
    }
    let mut hints = Hints::new();
    hints.follow(&listing.folders);
    match hints.trouble() {
        None => Check::ok(about, "told of each file at once"),
        Some(why) => Check::warn(
            about,
            format!("not from every folder ({why}): there {looks}"),
            "move old series away, or raise fs.inotify.max_user_watches and max_user_instances with sysctl",
        ),
    }
}

fn space(config: &Config, path: &Path) -> Check {
    let about = "export space";
    let least = f64::from(config.service.disk_free_percent_min);
    match free_percent(&Disks::new_with_refreshed_list(), path) {
        Some(free) if free < least => Check::warn(
            about,
            format!("{free:.0} % free"),
            "free space there: the scanner cannot export to a full disk",
        ),
        Some(free) => Check::ok(about, format!("{free:.0} % free")),
        None => Check::ok(about, "not known to the system"),
    }
}
