//! The measured service, in a process of its own.

use super::machine::{memory_kib, processor_time};
use crate::edge::Failure;
use crate::edge::export::appear;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// The longest wait for a line of the service.
const LINE_WAIT_MAX: Duration = Duration::from_secs(600);

/// The arguments of this program that run the measured service, before the settings' path. It prints `started`, a line
/// `closed CODE FINDING` for each series, and `acknowledged KIND FINDING` for each message.
const PROGRAM: &str = "bench-service";

/// What a measured service runs with.
#[derive(Clone, Debug)]
pub(super) struct ServiceSettings {
    /// Where its settings and its state lie.
    pub(super) folder: PathBuf,
    pub(super) export: PathBuf,
    pub(super) model_folder: PathBuf,
    pub(super) broker_port: u16,
    pub(super) quiet: Duration,
    pub(super) poll: Duration,
}

impl ServiceSettings {
    fn text(&self) -> String {
        format!(
            "[site]\nname = \"bench\"\ndevice = \"ct-1\"\n\
             [intake]\nfolder = {}\nquiet_seconds = {}\npoll_seconds = {}\n\
             [state]\nfolder = {}\n[model]\nfolder = {}\n\
             [publish]\nbroker = \"mqtt://127.0.0.1:{}\"\n",
            quoted(&self.export),
            self.quiet.as_secs_f64(),
            self.poll.as_secs_f64(),
            quoted(&self.folder.join("state")),
            quoted(&self.model_folder),
            self.broker_port,
        )
    }
}

/// `path` as a TOML basic string.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The measured service; ended when dropped.
pub(super) struct MeasuredService {
    child: Child,
    lines: Receiver<String>,
}

impl MeasuredService {
    /// Starts it and waits until it watches the folder.
    pub(super) fn start(settings: &ServiceSettings) -> Result<MeasuredService, Failure> {
        let file = settings.folder.join("scanward.toml");
        appear(&file, settings.text().as_bytes())?;
        let failed = |error: std::io::Error| {
            Failure::new(
                format!("the service did not start: {error}"),
                "free memory, then try again",
            )
        };
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg(PROGRAM)
            .arg(&file)
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
        let service = MeasuredService { child, lines };
        service.await_line("started")?;
        Ok(service)
    }

    /// Waits for a line that begins with `word`; returns the rest of it.
    pub(super) fn await_line(&self, word: &str) -> Result<String, Failure> {
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

    /// Waits for the next ending: its code and its finding.
    pub(super) fn await_closed(&self) -> Result<(String, String), Failure> {
        let line = self.await_line("closed")?;
        let (code, finding) = line.split_once(' ').unwrap_or((&line, ""));
        Ok((code.to_owned(), finding.to_owned()))
    }

    /// The most memory it has held and what it holds, KiB.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        memory_kib(self.child.id())
    }

    pub(super) fn processor_time(&self) -> Option<Duration> {
        processor_time(self.child.id())
    }
}

impl Drop for MeasuredService {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
