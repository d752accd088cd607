//! The annotations folder: there, and listed. Only looked at, never written to.

use super::Check;
use crate::config::Config;
use crate::edge::folder;

const ABOUT: &str = "annotations";

/// Looks at `[annotations] folder`; nothing to say where there is none.
pub(super) fn check(config: &Config, tell: &mut dyn FnMut(Check)) {
    let Some(wanted) = &config.annotations else {
        return;
    };
    let path = wanted.folder.display();
    match folder::list(&wanted.folder) {
        Ok(listing) => {
            let count = listing.files.len();
            tell(Check::ok(ABOUT, format!("{path}: {count} files")));
        }
        Err(error) => tell(Check::fail(
            ABOUT,
            format!("{path}: {error}"),
            "mount the share or make the folder, give scanward's user the right to read it, or correct [annotations] folder",
        )),
    }
}
