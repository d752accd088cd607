//! As whom the doctor runs: what root may, scanward's own user may not.

use super::Check;
use crate::config::Config;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// The user and groups of this process.
pub(super) struct User {
    uid: u32,
    groups: Vec<u32>,
}

impl User {
    /// Whose process this is; `None` where the system does not say.
    pub(super) fn of_this_process() -> Option<User> {
        User::parse(&fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Source: proc(5). `Uid` and `Gid` give the real, effective, saved and file system ids.
    fn parse(status: &str) -> Option<User> {
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace()
                .map(|word| word.parse().ok())
                .collect()
        };
        let effective = |ids: Vec<u32>| ids.get(1).copied();
        let mut groups = numbers("Groups:").unwrap_or_default();
        groups.extend(numbers("Gid:").and_then(effective));
        Some(User {
            uid: numbers("Uid:").and_then(effective)?,
            groups,
        })
    }

    fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the mode bits let this user write; access lists are not looked at.
    pub(super) fn may_write(&self, facts: &Metadata) -> bool {
        let bit = if self.is_root() {
            0o222
        } else if facts.uid() == self.uid {
            0o200
        } else if self.groups.contains(&facts.gid()) {
            0o020
        } else {
            0o002
        };
        self.is_root() || facts.mode() & bit != 0
    }
}

/// Says when the answers are root's and the service's user is another.
pub(super) fn check(config: &Config, tell: &mut dyn FnMut(Check)) {
    let Some(user) = User::of_this_process() else {
        return;
    };
    let owner = fs::metadata(&config.state_folder).map(|facts| facts.uid());
    match owner {
        Ok(owner) if owner != user.uid && user.is_root() => tell(Check::warn(
            "user",
            format!("root, but the state folder belongs to user {owner}"),
            "root may read and write what scanward may not: run `sudo -u scanward scanward doctor` as well",
        )),
        Ok(_) | Err(_) if user.is_root() => tell(Check::ok("user", "root")),
        Ok(_) | Err(_) => tell(Check::ok("user", format!("number {}", user.uid))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_ids_count() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t10 11 \n";
        let user = User::parse(status).unwrap();
        assert_eq!(user.uid, 2);
        assert_eq!(user.groups, [10, 11, 6]);
        assert!(User::parse("Name:\tx\n").is_none());
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let facts = |mode| {
            fs::set_permissions(
                file.path(),
                std::os::unix::fs::PermissionsExt::from_mode(mode),
            )
            .unwrap();
            fs::metadata(file.path()).unwrap()
        };
        let (uid, gid) = (facts(0o600).uid(), facts(0o600).gid());
        let user = |uid, group| User {
            uid,
            groups: vec![group],
        };
        let other = uid + 1;
        assert!(user(other, gid).may_write(&facts(0o020)));
        assert!(!user(other, gid).may_write(&facts(0o602)));
        assert!(user(other, gid + 1).may_write(&facts(0o002)));
        assert!(!user(other, gid + 1).may_write(&facts(0o660)));
        assert!(user(0, gid + 1).may_write(&facts(0o000)));
    }
}
