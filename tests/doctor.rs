//! `scanward doctor`, the built program, on boxes that are well and boxes that are not.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers outside #[test] functions; a test needs a real clock to bound its waits"
)]

#[expect(dead_code, reason = "no ward listens here")]
mod common;

use common::mosquitto::{Mosquitto, PATIENCE, free_port, is_missing, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

#[test]
fn a_box_that_is_well_passes_and_keeps_no_trace() {
    if is_missing("a_box_that_is_well") {
        return;
    }
    let site = Site::new();
    let broker = Mosquitto::start(site.path(), free_port(), "");
    fs::write(site.path().join("export/DOE^JANE.dcm"), "x").unwrap();
    let report = site.doctor(&format!("broker = \"mqtt://127.0.0.1:{}\"", broker.port));
    assert_eq!(report.code, 0, "{}", report.text);
    assert!(!report.text.contains("FAIL"), "{}", report.text);
    report.has("ok", "export folder", "1 files");
    report.has("ok", "export events", "told of each file at once");
    report.has("ok", "state folder", "written, synced, renamed");
    report.has("ok", "state ", "none yet");
    report.has("ok", "model ", "self check passed");
    report.has("ok", "model licence", "research and tests only");
    report.has("ok", "broker port", "is open");
    report.has("ok", "broker login", "takes the connection (MQTT 5)");
    assert!(
        !report.text.contains("JANE"),
        "a file's name was told: {}",
        report.text
    );
    let left: Vec<_> = fs::read_dir(site.path().join("state")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn wrong_settings_are_told_with_file_and_line_and_end_with_2() {
    let site = Site::new();
    let report = site.doctor("broker = \"mqtt://localhost\"\nbrokr = 3");
    assert_eq!(report.code, 2, "{}", report.text);
    let place = format!(
        "{}:11: unknown key in [publish]: `brokr`; did you mean `broker`?",
        site.settings().display()
    );
    report.has("FAIL", "settings", &place);
    report.has_hint("scanward.toml.example");
    let missing = Report::of(&site.path().join("nowhere.toml"));
    assert_eq!(missing.code, 2, "{}", missing.text);
    missing.has("FAIL", "settings", "nowhere.toml");
}

#[test]
fn a_box_without_folder_model_and_broker_says_all_of_it_at_once() {
    let site = Site::new();
    fs::remove_dir(site.path().join("export")).unwrap();
    fs::remove_dir(site.path().join("state")).unwrap();
    let settings = site
        .write(&format!("broker = \"mqtt://127.0.0.1:{}\"", free_port()))
        .replace(
            &models(),
            &site.path().join("no-model").display().to_string(),
        );
    fs::write(site.settings(), settings).unwrap();
    let report = Report::of(&site.settings());
    assert_eq!(report.code, 1, "{}", report.text);
    report.has("FAIL", "export folder", "No such file or directory");
    report.has_hint("[intake] folder");
    report.has("warn", "state folder", "is not there yet");
    report.has("FAIL", "model ", "no-model");
    report.has_hint("[model] folder");
    report.has("FAIL", "broker port", "refused");
    report.has_hint("is the broker running");
    assert!(
        !site.path().join("state").exists(),
        "the doctor made the state folder"
    );
}

#[test]
fn a_file_where_a_folder_should_be_is_told() {
    let site = Site::new();
    for folder in ["export", "state"] {
        fs::remove_dir(site.path().join(folder)).unwrap();
        fs::write(site.path().join(folder), "").unwrap();
    }
    let report = site.doctor(&format!("broker = \"mqtt://127.0.0.1:{}\"", free_port()));
    report.has("FAIL", "export folder", "is not a folder");
    report.has("FAIL", "state folder", "Not a directory");
    assert_eq!(report.code, 1, "{}", report.text);
}

#[test]
fn a_name_that_no_server_knows_is_told_apart_from_a_port_that_is_closed() {
    let site = Site::new();
    // RFC 2606: no name below .invalid exists.
    let report = site.doctor("broker = \"mqtts://broker.invalid\"");
    assert_eq!(report.code, 1, "{}", report.text);
    report.has("FAIL", "broker name", "broker.invalid");
    assert!(!report.text.contains("broker port"), "{}", report.text);
}

#[test]
fn a_wrong_password_is_told_apart_from_a_broker_that_is_away() {
    if is_missing("a_wrong_password") {
        return;
    }
    let site = Site::new();
    run(
        site.path(),
        "mosquitto_passwd",
        &["-b", "-c", "users", "box", "s3same"],
    );
    let users = site.path().join("users");
    let extra = format!("allow_anonymous false\npassword_file {}", users.display());
    let broker = Mosquitto::start(site.path(), free_port(), &extra);
    let publish = format!(
        "broker = \"mqtt://127.0.0.1:{}\"\nusername = \"box\"\npassword_file = \"{}\"",
        broker.port,
        site.secret("wrong\n").display()
    );
    let report = site.doctor(&publish);
    assert_eq!(report.code, 1, "{}", report.text);
    report.has("ok", "broker port", "is open");
    report.has("FAIL", "broker login", "refused the user name or password");
    report.has_hint("password_file");

    site.secret("s3same\n");
    let report = site.doctor(&publish);
    assert_eq!(report.code, 0, "{}", report.text);
    report.has("ok", "password_file", "not for others");
    report.has("ok", "broker login", "as box");
    assert!(
        !report.text.contains("s3same"),
        "the password was told: {}",
        report.text
    );
}

#[test]
fn secrets_that_every_user_may_open_and_files_of_another_kind_are_told() {
    let site = Site::new();
    let password = site.secret("s3same\n");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    let (certificate, key) = (site.path().join("box.pem"), site.path().join("box.key"));
    fs::write(&certificate, "no PEM").unwrap();
    fs::write(&key, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
    let report = site.doctor(&format!(
        "broker = \"mqtts://127.0.0.1:{}\"\nusername = \"box\"\npassword_file = \"{}\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"\n\
         ca_file = \"{}\"",
        free_port(),
        password.display(),
        certificate.display(),
        key.display(),
        site.path().join("no-ca.pem").display()
    ));
    assert_eq!(report.code, 1, "{}", report.text);
    report.has(
        "FAIL",
        "password_file",
        "every user of this machine may open",
    );
    report.has_hint("chmod o=");
    report.has("FAIL", "client_cert_file", "holds no certificate");
    report.has("FAIL", "client_key_file", "is encrypted");
    report.has("FAIL", "ca_file", "no-ca.pem cannot be read");
}

#[test]
fn tls_with_the_right_authority_passes_and_with_another_is_told() {
    if is_missing("tls_with_the_right_authority") {
        return;
    }
    let site = Site::new();
    for name in ["server", "other"] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        let mut arguments = vec![
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        arguments.extend(curve);
        arguments.extend([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ]);
        run(site.path(), "openssl", &arguments);
    }
    let file = |name: &str| site.path().join(name).display().to_string();
    let extra = format!(
        "certfile {}\nkeyfile {}",
        file("server.pem"),
        file("server.key")
    );
    let broker = Mosquitto::start(site.path(), free_port(), &extra);
    let with = |scheme: &str, host: &str, ca: &str| {
        site.doctor(&format!(
            "broker = \"{scheme}://{host}:{}\"\nca_file = \"{}\"",
            broker.port,
            file(ca)
        ))
    };
    let right = with("mqtts", "localhost", "server.pem");
    right.has("ok", "broker login", "TLS and MQTT 5");
    assert_eq!(right.code, 0, "{}", right.text);
    let other = with("mqtts", "localhost", "other.pem");
    other.has("FAIL", "broker login", "certificate");
    other.has_hint("ca_file");
    let address = with("mqtts", "127.0.0.1", "server.pem");
    address.has("FAIL", "broker login", "certificate");
    address.has_hint("host name");
    let plain = with("mqtt", "localhost", "server.pem");
    plain.has("FAIL", "broker login", "");
    plain.has_hint("a TLS port needs mqtts://");
}

#[test]
fn a_running_scanward_is_not_disturbed() {
    if is_missing("a_running_scanward") {
        return;
    }
    let site = Site::new();
    let broker = Mosquitto::start(site.path(), free_port(), "");
    site.write(&format!("broker = \"mqtt://127.0.0.1:{}\"", broker.port));
    let log = site.path().join("log");
    let _running = Running(
        scanward()
            .args(["run", "--config"])
            .arg(site.settings())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap(),
    );
    let text = || fs::read_to_string(&log).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !text().contains("ready") {
        assert!(Instant::now() < deadline, "not ready: {}", text());
        std::thread::yield_now();
    }
    let report = Report::of(&site.settings());
    assert_eq!(report.code, 0, "{}", report.text);
    report.has("ok", "state ", "in use by the running scanward: fine");
    report.has("ok", "broker login", "takes the connection");
    assert!(!text().contains("no connection"), "{}", text());
}

// Helpers.

/// A hospital's folders and settings.
struct Site(TempDir);

impl Site {
    fn new() -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        for folder in ["export", "state"] {
            fs::create_dir(site.path().join(folder)).unwrap();
        }
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self) -> PathBuf {
        self.path().join("scanward.toml")
    }

    /// Writes the settings with these lines of [publish], which begin at line 10; returns them.
    fn write(&self, publish: &str) -> String {
        let (folder, models) = (self.path().display(), models());
        // The disk of a test machine may be as full as it likes.
        let text = format!(
            "[site]\nname = \"h\"\ndevice = \"d\"\n[intake]\nfolder = \"{folder}/export\"\n[state]\nfolder = \"{folder}/state\"\n\
             \n[publish]\n{publish}\n[model]\nfolder = \"{models}\"\n[service]\ndisk_free_percent_min = 0\n"
        );
        fs::write(self.settings(), &text).unwrap();
        text
    }

    fn doctor(&self, publish: &str) -> Report {
        self.write(publish);
        Report::of(&self.settings())
    }

    /// A file with a password, for its owner only.
    fn secret(&self, password: &str) -> PathBuf {
        let file = self.path().join("password");
        fs::write(&file, password).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }
}

/// What the doctor said.
struct Report {
    code: i32,
    text: String,
}

impl Report {
    fn of(settings: &Path) -> Report {
        let output = scanward()
            .args(["doctor", "--config"])
            .arg(settings)
            .output()
            .unwrap();
        Report {
            code: output.status.code().expect("the doctor was killed"),
            text: String::from_utf8(output.stdout).unwrap(),
        }
    }

    fn has(&self, grade: &str, about: &str, found: &str) {
        let begin = format!("{grade:<4}  {about}");
        let there = self
            .text
            .lines()
            .any(|line| line.starts_with(&begin) && line.contains(found));
        assert!(there, "no line `{begin}` with `{found}` in\n{}", self.text);
    }

    fn has_hint(&self, words: &str) {
        let there = self
            .text
            .lines()
            .any(|line| line.trim_start().starts_with("hint:") && line.contains(words));
        assert!(there, "no hint with `{words}` in\n{}", self.text);
    }
}

/// A daemon, killed by its own handle when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn scanward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scanward"));
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

fn models() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("models")
        .display()
        .to_string()
}
