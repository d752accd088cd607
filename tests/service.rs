//! `scanward run` as a service: the built program under signals, systemd's socket, and brokers that do not answer.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers outside #[test] functions; a test needs a real clock to bound its waits"
)]

use scanward::dicom::{CtImage, write_ct};
use scanward::units::WallTime;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest wait for anything here; a wait that ends early costs nothing.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn systemd_hears_of_readiness_progress_reload_and_end() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let mut service = site.start(closed_port(), 30.0, &systemd);
    assert_eq!(systemd.next_but("WATCHDOG=1"), "READY=1");
    systemd.until("WATCHDOG=1");
    service.signal("HUP");
    assert_eq!(systemd.next_but("WATCHDOG=1"), "RELOADING=1");
    assert_eq!(systemd.next_but("WATCHDOG=1"), "READY=1");
    service.signal("TERM");
    assert_eq!(systemd.next_but("WATCHDOG=1"), "STOPPING=1");
    assert_eq!(service.ended(), 0);
    service.until("stopped");
}

#[test]
fn a_second_daemon_on_one_state_folder_is_refused() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let mut first = site.start(closed_port(), 30.0, &systemd);
    systemd.until("READY=1");
    let second = scanward()
        .args(["run", "--config"])
        .arg(site.settings())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("another scanward uses this state folder"),
        "{said}"
    );
    assert!(said.contains("hint: stop the other one"), "{said}");
    assert!(
        first.child.try_wait().unwrap().is_none(),
        "the first one ended"
    );
    // Killed without a goodbye, it leaves no lock behind.
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut third = site.start(closed_port(), 30.0, &systemd);
    systemd.until("READY=1");
    third.signal("TERM");
    assert_eq!(third.ended(), 0);
}

#[test]
fn a_reload_takes_new_settings_over() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let port = closed_port();
    let service = site.start(port, 3600.0, &systemd);
    systemd.until("READY=1");
    // A series of one slice ends as refused once it has been quiet, and not in an hour.
    fs::write(site.path().join("export/one.dcm"), slice()).unwrap();
    site.write(port, 0.5);
    service.signal("HUP");
    service.until("settings read again");
    service.until("series ended");
}

#[test]
fn a_file_is_read_when_its_writer_closes_it_however_rare_the_looks_are() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let text = site.write(closed_port(), 0.5);
    // Two looks, as a file needs that nobody tells of, are farther apart than this test's patience.
    let rare = text.replace("poll_seconds = 0.1", "poll_seconds = 60");
    fs::write(site.settings(), rare).unwrap();
    let service = site.start_as_written(&systemd);
    systemd.until("READY=1");
    let folder = site.path().join("export/new");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("one.dcm"), slice()).unwrap();
    service.until("series ended");
}

#[test]
fn a_reload_of_what_is_wrong_or_needs_a_restart_changes_nothing() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let port = closed_port();
    let mut service = site.start(port, 30.0, &systemd);
    systemd.until("READY=1");
    let good = fs::read_to_string(site.settings()).unwrap();
    fs::write(
        site.settings(),
        good.replace("quiet_seconds", "quiet_secconds"),
    )
    .unwrap();
    service.signal("HUP");
    let line = service.until("settings not changed");
    assert!(
        line.contains("scanward.toml:6:") && line.contains("did you mean `quiet_seconds`?"),
        "{line}"
    );
    systemd.until("READY=1");
    site.write(closed_port(), 3600.0);
    service.signal("HUP");
    let line = service.until("settings not changed");
    assert!(line.contains("restart"), "{line}");
    systemd.until("READY=1");
    // Back to the first file no restart is needed: the second was never in force.
    fs::write(site.settings(), &good).unwrap();
    service.signal("HUP");
    service.until("settings read again");
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
}

#[test]
fn a_stop_does_not_wait_for_a_broker_that_never_answers() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut service = site.start(port, 30.0, &systemd);
    let _open = silent.accept().unwrap();
    // Before the first try at the broker has ended it is not ready, and a reload does not make it so.
    site.write(port, 20.0);
    service.signal("HUP");
    service.until("settings read again");
    let asked = Instant::now();
    service.signal("TERM");
    assert_eq!(systemd.next_but("WATCHDOG=1"), "STOPPING=1");
    assert_eq!(service.ended(), 0);
    eprintln!("stopped after {:?}", asked.elapsed());
    let said = service.rest();
    assert!(said.contains("stopped"), "{said}");
    assert!(
        !said.contains("no connection"),
        "it waited for the try to end: {said}"
    );
}

#[test]
fn a_stop_does_not_wait_for_a_broker_that_has_fallen_silent() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut service = site.start(broker.local_addr().unwrap().port(), 30.0, &systemd);
    let (mut open, _) = broker.accept().unwrap();
    greet(&mut open);
    service.until("connected to the broker");
    systemd.until("READY=1");
    let asked = Instant::now();
    service.signal("TERM");
    systemd.until("STOPPING=1");
    assert_eq!(service.ended(), 0);
    eprintln!("stopped after {:?}", asked.elapsed());
    let said = service.rest();
    assert!(said.contains("stopped"), "{said}");
}

#[test]
fn an_outage_is_told_once_for_each_reason() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut service = site.start(broker.local_addr().unwrap().port(), 30.0, &systemd);
    for _ in 0..3 {
        // Answered by an end each time, it tries again after a wait.
        let (mut open, _) = broker.accept().unwrap();
        read_connect(&mut open);
    }
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
    let said = service.rest();
    assert_eq!(
        said.matches("no connection to the broker").count(),
        1,
        "{said}"
    );
}

#[test]
fn without_a_journal_the_log_is_text_on_stderr() {
    if Path::new("/run/systemd/journal/socket").exists() {
        eprintln!("skipped: this machine has a journal");
        return;
    }
    for arguments in [&["--log", "auto"][..], &["--log", "journal"]] {
        let site = Site::new();
        let systemd = Systemd::in_folder(site.path());
        site.write(closed_port(), 30.0);
        let log = site.path().join("log");
        let file = File::create(&log).unwrap();
        let facts = file.metadata().unwrap();
        let child = scanward()
            .args(["run", "--config"])
            .arg(site.settings())
            .args(arguments)
            .env("NOTIFY_SOCKET", &systemd.path)
            .env("JOURNAL_STREAM", format!("{}:{}", facts.dev(), facts.ino()))
            .stderr(file)
            .spawn()
            .unwrap();
        let mut service = Running::watching(child);
        systemd.until("READY=1");
        service.signal("TERM");
        assert_eq!(service.ended(), 0);
        let text = fs::read_to_string(&log).unwrap();
        assert!(
            text.contains("ready") && text.contains("stopped"),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn the_verbose_log_is_scanwards_own() {
    let site = Site::new();
    let systemd = Systemd::in_folder(site.path());
    site.write(closed_port(), 30.0);
    let log = site.path().join("log");
    let child = scanward()
        .args(["-v", "run", "--config"])
        .arg(site.settings())
        .env("NOTIFY_SOCKET", &systemd.path)
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut service = Running::watching(child);
    systemd.until("READY=1");
    fs::write(site.path().join("export/note.txt"), "no image").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let text = || fs::read_to_string(&log).unwrap();
    while !text().contains("a file that holds nothing of a series") {
        assert!(Instant::now() < deadline, "{}", text());
        std::thread::sleep(Duration::from_millis(5));
    }
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
    // The engine's own lines on each step of its planning would hide what a technician looks for.
    assert!(!text().contains("AxisChange"), "{}", text());
}

#[test]
fn names_of_patients_do_not_leave_without_tls() {
    let site = Site::new();
    let text = site.write(closed_port(), 30.0);
    fs::write(
        site.settings(),
        text.replace("[publish]", "[publish]\nidentity = \"full\""),
    )
    .unwrap();
    let refused = scanward()
        .args(["run", "--config"])
        .arg(site.settings())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("identity = \"full\" needs `mqtts://`"),
        "{said}"
    );
}

// Helpers.

/// A hospital's folders and settings.
struct Site(TempDir);

impl Site {
    fn new() -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        fs::create_dir(site.path().join("export")).unwrap();
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self) -> PathBuf {
        self.path().join("scanward.toml")
    }

    fn write(&self, port: u16, quiet_seconds: f64) -> String {
        let folder = self.path().display();
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let text = format!(
            "[site]\nname = \"h\"\ndevice = \"d\"\n[intake]\nfolder = \"{folder}/export\"\nquiet_seconds = {quiet_seconds}\npoll_seconds = 0.1\n\
             [state]\nfolder = \"{folder}/state\"\n[model]\nfolder = \"{}\"\n[publish]\nbroker = \"mqtt://127.0.0.1:{port}\"\n",
            models.display()
        );
        fs::write(self.settings(), &text).unwrap();
        text
    }

    fn start(&self, port: u16, quiet_seconds: f64, systemd: &Systemd) -> Running {
        self.write(port, quiet_seconds);
        self.start_as_written(systemd)
    }

    fn start_as_written(&self, systemd: &Systemd) -> Running {
        let mut child = scanward()
            .args(["run", "--config"])
            .arg(self.settings())
            .env("NOTIFY_SOCKET", &systemd.path)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut running = Running::watching(child);
        running.read(stderr);
        running
    }
}

/// systemd's end of the notification socket; always read, as systemd does: a full one would hold the daemon up.
struct Systemd {
    messages: Receiver<String>,
    path: PathBuf,
}

impl Systemd {
    fn in_folder(folder: &Path) -> Systemd {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (message, messages) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(length) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).trim().to_owned();
                if message.send(text).is_err() {
                    return;
                }
            }
        });
        Systemd { messages, path }
    }

    fn next(&self) -> String {
        self.messages
            .recv_timeout(PATIENCE)
            .expect("systemd waits in vain")
    }

    fn next_but(&self, left_out: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next();
            if message != left_out {
                return message;
            }
            assert!(Instant::now() < deadline, "nothing but {left_out}");
        }
    }

    fn until(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.next() != wanted {
            assert!(Instant::now() < deadline, "no {wanted}");
        }
    }
}

/// A daemon, killed by its own handle when the test ends.
struct Running {
    child: Child,
    log: Option<Receiver<String>>,
}

impl Running {
    fn watching(child: Child) -> Running {
        Running { child, log: None }
    }

    fn read(&mut self, stderr: impl Read + Send + 'static) {
        let (line, log) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        self.log = Some(log);
    }

    /// Waits for the log line that contains `words`.
    fn until(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let log = self.log.as_ref().unwrap();
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = log.recv_timeout(left);
            let line = line.unwrap_or_else(|_| unreachable(words, &seen));
            if line.contains(words) {
                return line;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    /// What the log says until its end.
    fn rest(&self) -> String {
        let lines: Vec<String> = self.log.as_ref().unwrap().iter().collect();
        lines.join("\n")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    fn ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("ended by a signal");
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn unreachable(words: &str, seen: &str) -> String {
    assert_eq!(seen, words, "the log never says it");
    String::new()
}

fn scanward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scanward"));
    command
        .env_remove("NOTIFY_SOCKET")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null());
    command
}

/// A port where nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Reads a CONNECT, whatever it says.
fn read_connect(open: &mut TcpStream) {
    let mut packet = [0; 1024];
    open.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(open.read(&mut packet).unwrap() > 2);
}

/// Answers a CONNECT with CONNACK: no session, success, no properties (MQTT 5, section 3.2).
fn greet(open: &mut TcpStream) {
    read_connect(open);
    open.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
}

/// A slice alone: not enough for a volume.
fn slice() -> Vec<u8> {
    write_ct(&CtImage {
        study: "2.25.1",
        series: "2.25.2",
        instance: "2.25.3",
        frame_of_reference: "2.25.4",
        patient_id: "1",
        patient_name: "A^B",
        accession: "A1",
        series_number: 1,
        instance_number: 1,
        position: [0.0, 0.0, 0.0],
        orientation: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        pixel_spacing: [0.7, 0.7],
        slice_thickness: 1.0,
        spacing_between_slices: 1.0,
        rows: 64,
        columns: 64,
        series_description: "chest",
        kernel: "B31f",
        acquired: WallTime::from_civil(2026, 1, 2, 0).unwrap(),
        hu: &[0; 64 * 64],
    })
}
