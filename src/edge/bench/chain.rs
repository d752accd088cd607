//! The real chain: a service in a process of its own, a private broker, slices that appear in the export folder.

use super::machine::{memory_kib, processor_time};
use super::samples::Samples;
use crate::edge::export::appear;
use crate::edge::{Clock, Failure, Scratch};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// The quiet time of the measured service; subtracted from the figures.
const QUIET: Duration = Duration::from_secs(1);
/// Its time between two looks into the folder; part of the figures.
const POLL: Duration = Duration::from_millis(100);
/// The service is left alone for this long before and after a series.
const IDLE: Duration = Duration::from_secs(3);
/// The longest wait for a line of the service.
const LINE_WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest wait for the broker's port.
const BROKER_TRIES: u32 = 250;
const BROKER_TRY: Duration = Duration::from_millis(20);

/// What was measured of one series.
#[derive(Clone, Debug, Default)]
pub struct ChainReport {
    /// From the last slice to the outcome on disk, less the quiet time.
    pub durable: Samples,
    /// From the last slice to the broker's PUBACK for the finding (or the outcome, where there is none), less the quiet
    /// time.
    pub acknowledged: Samples,
    /// The quiet time that was subtracted.
    pub quiet: Duration,
    /// The time between two looks into the folder, which was not.
    pub poll: Duration,
    /// The time between two slices; 0 is as fast as the disk takes them.
    pub interval: Duration,
    /// The most memory the service held, KiB, for each repeat.
    pub peak_kib: Vec<u64>,
    /// What it held before the series, KiB.
    pub idle_before_kib: Vec<u64>,
    /// What it held some seconds after it, KiB.
    pub idle_after_kib: Vec<u64>,
    /// The share of one core it used while idle, percent.
    pub idle_percent: Vec<f64>,
}

/// Runs the chain again and again.
pub struct ChainRun {
    scratch: Scratch,
    broker: Broker,
    model_folder: PathBuf,
    interval: Duration,
    runs: u32,
    clock: Clock,
}

enum Broker {
    Mosquitto {
        child: Child,
        port: u16,
    },
    #[cfg(feature = "demo")]
    Embedded(crate::edge::broker::DemoBroker),
}

impl ChainRun {
    /// Starts a broker: mosquitto where it is installed, else the demo's. A slice is exported each `interval`.
    ///
    /// Errors: neither broker is there.
    pub fn start(model_folder: &Path, interval: Duration) -> Result<ChainRun, Failure> {
        let scratch = Scratch::new("bench")?;
        let broker = Broker::start(scratch.path())?;
        Ok(ChainRun {
            scratch,
            broker,
            model_folder: model_folder.to_owned(),
            interval,
            runs: 0,
            clock: Clock::start(),
        })
    }

    /// The broker's name.
    pub fn broker(&self) -> &'static str {
        match self.broker {
            Broker::Mosquitto { .. } => "mosquitto",
            #[cfg(feature = "demo")]
            Broker::Embedded(_) => "the embedded broker",
        }
    }

    /// Measures the series of `files`, each time with a fresh service. `program` runs the service: this program and the
    /// arguments before the settings' path; it prints a line `closed` and a line `acknowledged KIND` for each message.
    pub fn measure(
        &mut self,
        program: &[&str],
        files: &[PathBuf],
        repeats: u16,
    ) -> Result<ChainReport, Failure> {
        let mut report = ChainReport {
            quiet: QUIET,
            poll: POLL,
            interval: self.interval,
            ..ChainReport::default()
        };
        for _ in 0..repeats {
            self.once(program, files, &mut report)?;
        }
        Ok(report)
    }

    fn once(
        &mut self,
        program: &[&str],
        files: &[PathBuf],
        report: &mut ChainReport,
    ) -> Result<(), Failure> {
        self.runs += 1;
        let folder = self.scratch.folder(&format!("run-{}", self.runs))?;
        let export = self.scratch.folder(&format!("run-{}/export", self.runs))?;
        let file = folder.join("scanward.toml");
        appear(&file, self.settings(&folder, &export).as_bytes())?;
        let service = Service::start(program, &file)?;

        service.await_line("started")?;
        std::thread::park_timeout(IDLE);
        report
            .idle_before_kib
            .extend(service.memory().map(|(_, held)| held));
        report.idle_percent.extend(self.idle(&service));

        let last = self.export(files, &export)?;
        let since = |clock: &Clock| clock.elapsed().saturating_sub(last + QUIET);
        let kind = service.await_line("closed")?;
        report.durable.add(since(&self.clock));
        let awaited = if kind == "triaged" {
            "acknowledged finding"
        } else {
            "acknowledged outcome"
        };
        service.await_line(awaited)?;
        report.acknowledged.add(since(&self.clock));
        std::thread::park_timeout(IDLE);
        let (peak, held) = service.memory().unwrap_or_default();
        report.peak_kib.push(peak);
        report.idle_after_kib.push(held);
        drop(service);
        // Each run has its own copy of the series: do not keep them all.
        drop(fs::remove_dir_all(&folder));
        Ok(())
    }

    /// Copies `files`, one each interval; returns when the last one appeared.
    fn export(&self, files: &[PathBuf], folder: &Path) -> Result<Duration, Failure> {
        let mut due = self.clock.elapsed();
        for (index, file) in files.iter().enumerate() {
            std::thread::park_timeout(due.saturating_sub(self.clock.elapsed()));
            due += self.interval;
            let bytes = fs::read(file).map_err(|error| {
                let what = format!("{} cannot be read: {error}", file.display());
                Failure::new(what, "check its rights")
            })?;
            appear(&folder.join(format!("{index:06}")), &bytes)?;
        }
        Ok(self.clock.elapsed())
    }

    fn idle(&self, service: &Service) -> Option<f64> {
        let (began, used) = (self.clock.elapsed(), service.processor_time()?);
        std::thread::park_timeout(IDLE);
        let used = service.processor_time()?.saturating_sub(used);
        let lasted = self.clock.elapsed().saturating_sub(began);
        Some(100.0 * used.as_secs_f64() / lasted.as_secs_f64().max(f64::EPSILON))
    }

    fn settings(&self, folder: &Path, export: &Path) -> String {
        format!(
            "[site]\nname = \"bench\"\ndevice = \"ct-1\"\n\
             [intake]\nfolder = {}\nquiet_seconds = {}\npoll_seconds = {}\n\
             [state]\nfolder = {}\n[model]\nfolder = {}\n\
             [publish]\nbroker = \"mqtt://127.0.0.1:{}\"\n",
            quoted(export),
            QUIET.as_secs_f64(),
            POLL.as_secs_f64(),
            quoted(&folder.join("state")),
            quoted(&self.model_folder),
            self.broker.port(),
        )
    }
}

/// `path` as a TOML basic string.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The measured service; ended when dropped.
struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    fn start(program: &[&str], settings: &Path) -> Result<Service, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(
                format!("the service did not start: {error}"),
                "free memory, then try again",
            )
        };
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(program)
            .arg(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (send, lines) = sync_channel(64);
        let stdout = child.stdout.take();
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(move || {
                let reader = stdout
                    .into_iter()
                    .flat_map(|out| BufReader::new(out).lines());
                for line in reader.map_while(Result::ok) {
                    if send.send(line).is_err() {
                        return;
                    }
                }
            })
            .map_err(failed)?;
        Ok(Service { child, lines })
    }

    /// Waits for a line that begins with `word`; returns the rest of it.
    fn await_line(&self, word: &str) -> Result<String, Failure> {
        loop {
            let line = self.lines.recv_timeout(LINE_WAIT_MAX).map_err(|_| {
                Failure::new(
                    format!("the measured service did not say `{word}`"),
                    "its own message stands above; `scanward analyze` shows whether the series can be triaged",
                )
            })?;
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    fn memory(&self) -> Option<(u64, u64)> {
        memory_kib(self.child.id())
    }

    fn processor_time(&self) -> Option<Duration> {
        processor_time(self.child.id())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Broker {
    fn start(folder: &Path) -> Result<Broker, Failure> {
        match mosquitto(folder) {
            Ok(broker) => Ok(broker),
            Err(failure) => Broker::embedded(failure),
        }
    }

    #[cfg(feature = "demo")]
    fn embedded(_failure: Failure) -> Result<Broker, Failure> {
        let failed = |error: crate::edge::broker::BrokerError| {
            Failure::new(error.to_string(), "free a port on 127.0.0.1")
        };
        crate::edge::broker::DemoBroker::start(0)
            .map(Broker::Embedded)
            .map_err(failed)
    }

    #[cfg(not(feature = "demo"))]
    fn embedded(failure: Failure) -> Result<Broker, Failure> {
        Err(failure)
    }

    fn port(&self) -> u16 {
        match self {
            Broker::Mosquitto { port, .. } => *port,
            #[cfg(feature = "demo")]
            Broker::Embedded(broker) => broker.port(),
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        match self {
            Broker::Mosquitto { child, .. } => {
                drop(child.kill());
                drop(child.wait());
            }
            #[cfg(feature = "demo")]
            Broker::Embedded(_) => {}
        }
    }
}

/// A mosquitto of our own on a free loopback port. Errors: it is not installed, or does not start.
fn mosquitto(folder: &Path) -> Result<Broker, Failure> {
    let failed = |what: String| Failure::new(what, "install mosquitto");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| failed(format!("no free port: {error}")))?
        .port();
    let file = folder.join("mosquitto.conf");
    // Started by root, mosquitto would become a user who cannot enter the folder; for others the line is ignored.
    let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n");
    appear(&file, text.as_bytes())?;
    // Debian keeps daemons where a user's PATH does not look.
    let programs = [
        "mosquitto",
        "/usr/sbin/mosquitto",
        "/usr/local/sbin/mosquitto",
    ];
    let start = |program: &&str| {
        Command::new(program)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
    };
    let child = programs.iter().find_map(start);
    let child = child.ok_or_else(|| failed("mosquitto is not installed".to_owned()))?;
    let broker = Broker::Mosquitto { child, port };
    for _ in 0..BROKER_TRIES {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(broker);
        }
        std::thread::park_timeout(BROKER_TRY);
    }
    Err(failed("mosquitto does not listen".to_owned()))
}
