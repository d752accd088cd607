//! A box in a folder of its own: export folder, state folder, settings, and the built program run on them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The folders and settings of one box.
#[derive(Debug)]
pub struct Site {
    folder: tempfile::TempDir,
}

/// What the settings say beyond the folders.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port of the broker on loopback.
    pub port: u16,
    /// `quiet_seconds`.
    pub quiet_s: f64,
    /// More lines of [intake].
    pub intake: &'static str,
    /// More lines of [publish].
    pub publish: &'static str,
    /// The lines of [ward].
    pub ward: String,
}

impl Settings {
    /// Short waits; nothing special.
    pub fn new(port: u16) -> Settings {
        Settings {
            port,
            quiet_s: 2.0,
            intake: "",
            publish: "",
            ward: String::new(),
        }
    }
}

impl Site {
    /// A fresh box.
    pub fn new(settings: &Settings) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        fs::create_dir(folder.path().join("export")).unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let Settings {
            port,
            quiet_s,
            intake,
            publish,
            ward,
        } = settings;
        let text = format!(
            "[site]\nname = \"north\"\ndevice = \"ct-2\"\n\
             [intake]\nfolder = \"{root}/export\"\nquiet_seconds = {quiet_s}\npoll_seconds = 0.2\n{intake}\n\
             [state]\nfolder = \"{root}/state\"\n\
             [model]\nfolder = \"{models}\"\n\
             [publish]\nbroker = \"mqtt://127.0.0.1:{port}\"\n{publish}\n\
             [ward]\n{ward}\n\
             [service]\nhealth_seconds = 1\n",
            models = concat!(env!("CARGO_MANIFEST_DIR"), "/models"),
        );
        fs::write(folder.path().join("scanward.toml"), text).unwrap();
        Site { folder }
    }

    /// The folder that holds the others.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The export folder.
    pub fn export(&self) -> PathBuf {
        self.root().join("export")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// Writes one file of the export folder, whole.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.export().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Adds `bytes` to the end of a file of the export folder, which is made if need be.
    pub fn append(&self, name: &str, bytes: &[u8]) {
        let path = self.export().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Writes a whole series beside the export folder and moves it in by one rename: it is there all at once.
    pub fn move_in(&self, name: &str, files: &[Vec<u8>]) {
        let staged = self.root().join(format!("staged-{name}"));
        fs::create_dir(&staged).unwrap();
        for (index, bytes) in files.iter().enumerate() {
            fs::write(staged.join(format!("{index:04}")), bytes).unwrap();
        }
        fs::rename(staged, self.export().join(name)).unwrap();
    }

    /// The arguments of the program.
    fn arguments(&self) -> Vec<String> {
        let config = self.root().join("scanward.toml").display().to_string();
        ["run", "--log", "text", "-v", "--config", &config]
            .map(str::to_owned)
            .into()
    }

    fn log_file(&self) -> File {
        let path = self.root().join("log");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    }

    /// Starts the built program.
    pub fn start(&self) -> Daemon {
        self.start_under(Command::new(env!("CARGO_BIN_EXE_scanward")))
    }

    /// Starts the built program as the last arguments of `command`.
    pub fn start_under(&self, mut command: Command) -> Daemon {
        let child = command
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(self.log_file())
            .stderr(self.log_file())
            .spawn()
            .unwrap();
        Daemon { child }
    }

    /// Everything the program has logged so far, over all starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("log")).unwrap_or_default()
    }
}

/// The program running; killed by its own handle when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as systemd stops it; how it ended.
    pub fn stop(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The folder of sample data beside the repository; `None`, told on stderr, where it is missing. CI must have it.
pub fn sample_data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SCANWARD_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")),
        PathBuf::from,
    );
    if folder.join("dicom").is_dir() {
        return Some(folder);
    }
    assert!(!in_ci(), "{test}: {} is missing", folder.display());
    eprintln!("SKIPPED {test}: {} is missing", folder.display());
    None
}

/// Whether this runs where every test must run.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Lets the world go on for a while. What is asserted after it must hold however long it was.
pub fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}
