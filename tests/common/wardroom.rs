//! The ward's server in a folder of its own, with a broker and people: the built program run on them.

use super::http::Browser;
use super::mosquitto::{Mosquitto, PATIENCE, free_port, publish};
use scanward::trust::{PublicKey, SigningKey};
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

/// The root of the topics of a test's box.
pub const ROOT: &str = "scanward/v1/north/ct-2";
/// Everybody's password is this and their name.
pub const PASSWORD: &str = "correct horse ";

/// IT's key.
pub fn it_key() -> SigningKey {
    SigningKey::from_seed(&[9; 32]).unwrap()
}

/// Settings, people and a broker.
#[derive(Debug)]
pub struct Wardroom {
    folder: tempfile::TempDir,
    pub broker: Option<Mosquitto>,
    pub broker_port: u16,
    pub port: u16,
}

impl Wardroom {
    /// A broker, and settings for a server; `extra` are more lines of ward.toml.
    pub fn new(extra: &str) -> Wardroom {
        let folder = tempfile::tempdir().unwrap();
        let broker_port = free_port();
        fs::create_dir(folder.path().join("broker")).unwrap();
        let mut room = Wardroom {
            folder,
            broker: None,
            broker_port,
            port: free_port(),
        };
        room.start_broker();
        room.settings(extra);
        room.people(&[
            ("chan", "nurse", "Chan 陳"),
            ("ho", "nurse", "Ho 何"),
            ("lee", "physician", "Dr Lee 李"),
            ("wu", "physician", "Dr Wu"),
            ("ops", "it", "IT"),
        ]);
        room
    }

    pub fn start_broker(&mut self) {
        let folder = self.root().join("broker");
        let extra = "max_queued_messages 0\nmax_inflight_messages 100";
        self.broker = Some(Mosquitto::start(&folder, self.broker_port, extra));
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Writes ward.toml.
    pub fn settings(&self, extra: &str) {
        let root = self.root().display();
        let key: PublicKey = it_key().public().unwrap();
        let http = match extra.contains("[http]") {
            true => String::new(),
            false => format!(
                "[http]\nlisten = \"127.0.0.1:{}\"\nplain = true\n",
                self.port
            ),
        };
        let text = format!(
            "[site]\nname = \"north\"\nstation = \"Ward 7B\"\n\
             [broker]\nurl = \"mqtt://127.0.0.1:{}\"\n{http}\
             [state]\nfolder = \"{root}/state\"\n[users]\nfile = \"{root}/users.toml\"\n\
             [names]\ncsv = \"{root}/names.csv\"\n[it]\nkeys = [\"{key}\"]\n{extra}\n",
            self.broker_port
        );
        fs::write(self.root().join("ward.toml"), text).unwrap();
    }

    /// Writes users.toml with what `ward-user add` prints.
    pub fn people(&self, people: &[(&str, &str, &str)]) {
        let entries: Vec<String> = people
            .iter()
            .map(|(name, role, display)| entry(name, role, display, &format!("{PASSWORD}{name}")))
            .collect();
        fs::write(self.root().join("users.toml"), entries.join("\n")).unwrap();
    }

    /// Starts the server; returns when it takes connections.
    pub fn start(&self) -> WardServer {
        let log = || {
            let path = self.root().join("log");
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap()
        };
        let ready = self.log().matches(" ready ").count() + 1;
        let child = Command::new(env!("CARGO_BIN_EXE_scanward"))
            .args(["ward", "--log", "text", "-v", "--config"])
            .arg(self.root().join("ward.toml"))
            .stdin(Stdio::null())
            .stdout::<File>(log())
            .stderr::<File>(log())
            .spawn()
            .unwrap();
        let mut server = WardServer { child };
        self.await_log("the server's start", &mut server, |log| {
            log.matches(" ready ").count() >= ready
        });
        server
    }

    /// Starts the server; returns when it hears the broker, too.
    pub fn start_listening(&self) -> WardServer {
        let before = self.log().matches("listening to the boxes").count();
        let mut server = self.start();
        self.await_log("the broker", &mut server, |log| {
            log.matches("listening to the boxes").count() > before
        });
        server
    }

    fn await_log(&self, what: &str, server: &mut WardServer, enough: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(&self.log()) {
            let runs = server.child.try_wait().unwrap().is_none();
            assert!(runs, "the server ended: {}", self.log());
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}: {}",
                self.log()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("log")).unwrap_or_default()
    }

    /// The browser of somebody who has signed in.
    pub fn browser(&self, name: &str) -> Browser {
        Browser::signed_in(self.port, name, &format!("{PASSWORD}{name}"))
    }

    /// A box says something.
    pub fn box_says(&self, under: &str, payload: &Value) {
        let topic = format!("{ROOT}/{under}");
        publish(self.broker_port, &topic, &payload.to_string());
    }
}

/// The health document of a box.
pub fn health(state: &str, boot: u64) -> String {
    let mut document = golden("health");
    document["state"] = state.into();
    document["boot"] = boot.into();
    document.to_string()
}

/// A golden message.
pub fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A finding with the id `number` and this priority.
pub fn finding(number: u32, priority: &str) -> Value {
    let mut finding = golden("finding");
    finding["id"] = id(number).into();
    finding["data"]["priority"] = priority.into();
    finding
}

/// The outcome of a series without a finding.
pub fn not_triaged(number: u32, code: &str) -> Value {
    let mut outcome = golden("outcome-not-triaged");
    outcome["id"] = id(number).into();
    outcome["data"]["reason"]["code"] = code.into();
    outcome
}

/// A finding's id.
pub fn id(number: u32) -> String {
    format!("00000000-0000-5000-8000-{number:012x}")
}

/// A receipt of the box.
pub fn receipt(number: u32, state: &str, sequence: u64) -> Value {
    let mut receipt = golden("receipt-open");
    receipt["finding_id"] = id(number).into();
    receipt["state"] = state.into();
    receipt["sequence"] = sequence.into();
    if state == "acknowledged" {
        receipt["by"] = "Chan 陳".into();
        receipt["station"] = "Ward 7B".into();
    }
    receipt
}

/// What `scanward ward-user add` prints.
pub fn entry(name: &str, role: &str, display: &str, password: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args([
            "ward-user",
            "add",
            name,
            "--role",
            role,
            "--display",
            display,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{password}").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The server running; killed by its own handle when dropped.
#[derive(Debug)]
pub struct WardServer {
    child: Child,
}

impl WardServer {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, as systemd stops it.
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

impl Drop for WardServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
