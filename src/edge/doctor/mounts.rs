//! On which file system a folder lies.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    point: PathBuf,
    /// Its type, as the kernel names it.
    pub(super) kind: String,
    /// Whether it is mounted for reading only.
    pub(super) read_only: bool,
}

/// What a file system is to a program that must keep its word through a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// A disk of this machine, as far as is known.
    Here,
    /// Another machine: locks and syncs are only as good as the network.
    Elsewhere,
    /// Nothing: it is memory.
    UntilPowerCut,
}

impl Mount {
    /// The file system that holds `folder`, which must exist; `None` where the system does not say.
    pub(super) fn of(folder: &Path) -> Option<Mount> {
        let folder = folder.canonicalize().ok()?;
        Mount::find(&fs::read("/proc/self/mounts").ok()?, &folder)
    }

    /// The one with the longest mount point that leads to `folder`; of two at one point the later one covers the other.
    fn find(table: &[u8], folder: &Path) -> Option<Mount> {
        let lines = table.split(|byte| *byte == b'\n');
        let holding = lines
            .filter_map(Mount::parse)
            .filter(|mount| folder.starts_with(&mount.point));
        holding.max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// Source: fstab(5): device, mount point, type, options; octal escapes for blanks.
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        let point = unescaped(words.next()?);
        let kind = String::from_utf8_lossy(words.next()?).into_owned();
        let mut options = words.next()?.split(|byte| *byte == b',');
        Some(Mount {
            point: PathBuf::from(std::ffi::OsStr::from_bytes(&point)),
            kind,
            read_only: options.any(|option| option == b"ro"),
        })
    }

    /// Whether what is synced here outlasts a power cut.
    pub(super) fn keeps(&self) -> Keeps {
        const ELSEWHERE: &[&str] = &[
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "9p",
            "virtiofs",
            "ceph",
            "glusterfs",
            "lustre",
            "gfs2",
            "ocfs2",
            "afs",
            "ncpfs",
            "davfs",
            "fuse.sshfs",
            "fuse.glusterfs",
            "fuse.rclone",
            "fuse.davfs2",
            "fuse.s3fs",
        ];
        match self.kind.as_str() {
            "tmpfs" | "ramfs" | "devtmpfs" => Keeps::UntilPowerCut,
            kind if ELSEWHERE.contains(&kind) => Keeps::Elsewhere,
            _ => Keeps::Here,
        }
    }
}

/// Turns `\040` into a blank, and so on.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..3).filter(|_| *first == b'\\');
        let value = escaped
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(*first));
        rest = match value {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] =
        b"/dev/vda / ext4 rw,relatime 0 0\nserver:/ct /srv/ct\\040export nfs4 ro,vers=4 0 0\n\
        tmpfs /run tmpfs rw 0 0\n/dev/vdb /srv ext4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\nbroken line\n";

    #[test]
    fn the_deepest_mount_holds_the_folder() {
        check("/var/lib/scanward", "ext4", false, Keeps::Here);
        check("/srv/ct export/today", "nfs4", true, Keeps::Elsewhere);
        check("/run/scanward", "tmpfs", false, Keeps::UntilPowerCut);
        check("/runner", "ext4", false, Keeps::Here);
    }

    #[test]
    fn a_later_mount_covers_an_earlier_one() {
        check("/srv/state", "tmpfs", false, Keeps::UntilPowerCut);
    }

    #[test]
    fn a_backslash_that_escapes_nothing_stays() {
        assert_eq!(unescaped(b"a\\040b\\134\\9\\"), b"a b\\\\9\\");
    }

    fn check(folder: &str, kind: &str, read_only: bool, keeps: Keeps) {
        let mount = Mount::find(TABLE, Path::new(folder)).unwrap();
        assert_eq!(
            (mount.kind.as_str(), mount.read_only),
            (kind, read_only),
            "{folder}"
        );
        assert_eq!(mount.keeps(), keeps, "{folder}");
    }
}
