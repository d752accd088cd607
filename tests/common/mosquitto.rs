//! A real mosquitto on a free loopback port in a folder of its own, and clients to look at it with.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The longest wait for anything in these tests; a wait that ends early costs nothing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Whether mosquitto and its clients are there. Fails where CI expects them, else tells that the test skips.
pub fn is_missing(test: &str) -> bool {
    let found = |program: &str| {
        std::env::var_os("PATH")
            .into_iter()
            .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    };
    let missing = !found("mosquitto") || !found("mosquitto_sub");
    assert!(
        !(missing && std::env::var_os("CI").is_some_and(|value| value == "true")),
        "{test}: mosquitto and mosquitto_sub are not installed"
    );
    if missing {
        eprintln!("SKIPPED {test}: install mosquitto and mosquitto-clients to run it");
    }
    missing
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A running broker; killed by its own process handle when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    child: Child,
    pub port: u16,
}

impl Mosquitto {
    /// A broker in `folder` that keeps its state there across starts. `extra` are lines of its configuration.
    pub fn start(folder: &Path, port: u16, extra: &str) -> Mosquitto {
        let anonymous = match extra.contains("allow_anonymous") {
            true => "",
            false => "allow_anonymous true\n",
        };
        // Started by root, mosquitto would become another user who cannot write in the folder; else `user` is ignored.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\n{anonymous}persistence true\npersistence_location {}/\n{extra}\n",
            folder.display()
        );
        let file = folder.join("mosquitto.conf");
        std::fs::write(&file, config).unwrap();
        let path = format!(
            "{}:/usr/sbin:/usr/local/sbin",
            std::env::var("PATH").unwrap_or_default()
        );
        let child = Command::new("mosquitto")
            .env("PATH", path)
            .args(["-c".as_ref(), file.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut broker = Mosquitto { child, port };
        broker.await_port();
        broker
    }

    fn await_port(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "mosquitto ended at once: is its configuration right?"
            );
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::yield_now();
        }
    }

    /// Ends the broker as an update does: it writes its state first.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An independent subscriber: `mosquitto_sub`, one line `topic payload` a message, the payload in hexadecimal digits.
#[derive(Debug)]
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
    // Messages that the broker had kept come before its confirmation.
    early: RefCell<VecDeque<String>>,
}

impl Subscriber {
    /// Subscribes to `topics` with a session of its own name; returns when the broker has confirmed.
    pub fn start(port: u16, name: &str, topics: &[&str]) -> Subscriber {
        // Line by line: into a pipe, mosquitto_sub holds its output back.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub"]);
        command.args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-q",
            "1",
            "-d",
            "-F",
            "MESSAGE %t %r %x",
        ]);
        command.args(["-p", &port.to_string(), "-i", name, "-c", "-x", "3600"]);
        for topic in topics {
            command.args(["-t", topic]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in output.lines().map_while(Result::ok) {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        let subscriber = Subscriber {
            child,
            lines,
            early: RefCell::default(),
        };
        subscriber
            .next_where(PATIENCE, |line| {
                line.contains("SUBACK") || line.starts_with("Subscribed")
            })
            .expect("the broker confirms no subscription");
        subscriber
    }

    fn next_where(&self, wait: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            if wanted(&line) {
                return Some(line);
            }
            if line.starts_with("MESSAGE ") {
                self.early.borrow_mut().push_back(line);
            }
        }
    }

    /// The next message as `(topic, payload)`; `None` when none comes for `wait`.
    pub fn bytes_within(&self, wait: Duration) -> Option<(String, Vec<u8>)> {
        let early = self.early.borrow_mut().pop_front();
        let line = early.or_else(|| self.next_where(wait, |line| line.starts_with("MESSAGE ")))?;
        let mut parts = line.splitn(4, ' ').skip(1);
        let topic = parts.next().unwrap().to_owned();
        Some((topic, from_hex(parts.nth(1).unwrap_or_default())))
    }

    /// The next message as `(topic, payload)`, both text.
    pub fn message(&self) -> (String, String) {
        let (topic, payload) = self
            .bytes_within(PATIENCE)
            .expect("the subscriber waits in vain");
        (topic, String::from_utf8(payload).unwrap())
    }

    /// All messages up to and with the first on `topic`.
    pub fn messages_until(&self, topic: &str) -> Vec<(String, String)> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.message());
            if messages.last().unwrap().0 == topic {
                return messages;
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    let (pairs, _) = digits.as_chunks::<2>();
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

/// Publishes one message with an independent client.
pub fn publish(port: u16, topic: &str, payload: &str) {
    let status = Command::new("mosquitto_pub")
        .args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-q",
            "1",
            "-p",
            &port.to_string(),
        ])
        .args(["-t", topic, "-m", payload])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Runs a program that must succeed, in `folder`.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut child = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(
        child.wait().unwrap().success(),
        "{program} {arguments:?}: {text}"
    );
}
