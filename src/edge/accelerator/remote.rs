//! The daemon's end of the accelerator: starts its process, asks it, and ends it.

use super::channel::{Channel, Cut, Kind, to_bytes};
use super::trouble::Trouble;
use crate::config::EngineSettings;
use crate::fault::Fault;
use crate::infer::Backend;
use crate::model::ModelPackage;
use crate::volume::{BitMask, Grid3};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// The longest text of the child.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// What a series may take: the CPU engine is done long before.
const RUN_MAX: Duration = Duration::from_secs(20);
/// How long a killed process may take to be gone. One that sits in a driver's call may take forever.
const END_MAX: Duration = Duration::from_secs(2);

/// What is started, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// This program: it has the child's command.
    pub program: PathBuf,
    /// The library of ONNX Runtime.
    pub library: PathBuf,
    /// For loading and the trial together.
    pub start_max: Duration,
    /// For one volume after it.
    pub run_max: Duration,
}

impl Order {
    /// As the settings say. Errors: the settings name no library, or this program is not to be found.
    pub fn new(settings: &EngineSettings) -> Result<Order, Trouble> {
        let library = settings.accelerator_library.clone();
        let library = library
            .ok_or_else(|| Trouble::Missing("[engine] accelerator_library is empty".to_owned()))?;
        let program = std::env::current_exe()
            .map_err(|error| Trouble::Failed(format!("this program is not found: {error}")))?;
        Ok(Order {
            program,
            library,
            start_max: settings.accelerator_start,
            run_max: RUN_MAX,
        })
    }
}

/// The accelerator's process with the network loaded.
#[derive(Debug)]
pub struct Remote {
    child: Option<Child>,
    channel: Channel,
    name: String,
    passed_over: String,
    model: String,
    start_max: Duration,
    run_max: Duration,
    trial_until: Option<Duration>,
    trouble: Option<Trouble>,
}

impl Remote {
    /// Starts the process and has it load the library and the network of `package`; its trial begins.
    ///
    /// Errors: each [`Trouble`] but a wrong or slow answer.
    pub fn start(order: &Order, package: &ModelPackage) -> Result<Remote, Trouble> {
        if !order.library.is_file() {
            let what = format!("there is no file {}", order.library.display());
            return Err(Trouble::Missing(what));
        }
        let (child, channel) = spawned(order)
            .map_err(|error| Trouble::Failed(format!("its process does not start: {error}")))?;
        let mut remote = Remote {
            trial_until: Some(channel.deadline(order.start_max)),
            child: Some(child),
            channel,
            name: String::new(),
            passed_over: String::new(),
            model: package.manifest().title(),
            start_max: order.start_max,
            run_max: order.run_max,
            trouble: None,
        };
        let manifest = package.manifest_text().as_bytes();
        let length = (manifest.len() as u64).to_le_bytes();
        let (kind, bytes) = remote.ask(
            Kind::Package,
            &[&length, manifest, package.onnx()],
            TEXT_BYTES_MAX,
        )?;
        let text = String::from_utf8_lossy(&bytes);
        if kind != Kind::Ready {
            return Err(remote.out_of_turn());
        }
        let (name, passed_over) = text.split_once('\n').unwrap_or((&text, ""));
        name.clone_into(&mut remote.name);
        passed_over.clone_into(&mut remote.passed_over);
        Ok(remote)
    }

    /// Why providers that come first do not run; empty where the first does.
    pub fn passed_over(&self) -> &str {
        &self.passed_over
    }

    /// Ends the trial: from here on each volume has its own time.
    pub(super) fn admit(&mut self) {
        self.trial_until = None;
    }

    /// What the last error was.
    pub(super) fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// The mask of a volume. Errors: [`Trouble`]; the process may be gone then.
    pub fn mask(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Trouble> {
        let empty = BitMask::empty(hu.shape());
        let (_, words) = empty.words();
        let bytes = self.answer(Kind::Segment, hu, size_of_val(words))?;
        let (chunks, _) = bytes.as_chunks::<8>();
        let words = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk));
        BitMask::from_words(hu.shape(), words.collect())
            .ok_or_else(|| Trouble::Failed("it marked what lies beside the volume".to_owned()))
    }

    fn answer(&mut self, kind: Kind, hu: &Grid3<i16>, length: usize) -> Result<Vec<u8>, Trouble> {
        let bytes_max = length.max(TEXT_BYTES_MAX);
        match self.ask(kind, &[&to_bytes(hu)], bytes_max)? {
            (Kind::Answer, bytes) if bytes.len() == length => Ok(bytes),
            _ => Err(self.out_of_turn()),
        }
    }

    fn ask(
        &mut self,
        kind: Kind,
        parts: &[&[u8]],
        bytes_max: usize,
    ) -> Result<(Kind, Vec<u8>), Trouble> {
        let (limit, deadline) = match self.trial_until {
            Some(deadline) => (self.start_max, deadline),
            None => (self.run_max, self.channel.deadline(self.run_max)),
        };
        let sent = self.channel.send(kind, parts, Some(deadline));
        let heard = sent.and_then(|()| self.channel.receive(bytes_max, Some(deadline)));
        match heard {
            Ok((Kind::Unfit, why)) => Err(Trouble::Version(text(&why))),
            Ok((Kind::Failed, why)) => Err(Trouble::Failed(text(&why))),
            Ok(frame) => Ok(frame),
            Err(Cut::Late) => {
                self.end();
                let what = format!("no answer within {} s", limit.as_secs_f64());
                Err(Trouble::Hung(what))
            }
            Err(Cut::Gone) => Err(match self.end() {
                Some(status) => Trouble::Crashed(format!("its process ended: {status}")),
                None => Trouble::Crashed("its process closed the connection".to_owned()),
            }),
            Err(Cut::Broken(why)) => Err(Trouble::Failed(why)),
        }
    }

    fn out_of_turn(&mut self) -> Trouble {
        self.end();
        Trouble::Failed("it answered something else than was asked".to_owned())
    }

    /// As the interface of engines has it; [`Remote::trouble`] keeps what it was.
    fn fault(&mut self, trouble: Trouble) -> Fault {
        let what = trouble.to_string();
        self.trouble = Some(trouble);
        Fault::Inference {
            model: self.model.clone(),
            what,
        }
    }

    /// Kills the process. How it ended; `None` when that cannot be waited for.
    ///
    /// A process that ended by itself keeps its own status: a signal that comes later does not change it.
    fn end(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        drop(child.kill());
        let (send, status) = sync_channel(1);
        let reap = move || drop(send.send(child.wait()));
        std::thread::Builder::new()
            .name("reap".to_owned())
            .spawn(reap)
            .ok()?;
        status.recv_timeout(END_MAX).ok()?.ok()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.end();
    }
}

impl Backend for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn segment(&mut self, hu: &Grid3<i16>) -> Result<BitMask, Fault> {
        self.mask(hu).map_err(|trouble| self.fault(trouble))
    }

    fn logits(&mut self, hu: &Grid3<i16>) -> Result<Grid3<f32>, Fault> {
        let bytes = self.answer(Kind::Logits, hu, hu.len().saturating_mul(4));
        let logits = bytes.and_then(|bytes| {
            let (chunks, _) = bytes.as_chunks::<4>();
            let values = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk));
            Grid3::from_values(hu.shape(), values.collect())
                .map_err(|error| Trouble::Failed(error.to_string()))
        });
        logits.map_err(|trouble| self.fault(trouble))
    }

    fn rest(&mut self) {}
}

/// Starts the child with one end of a pair of sockets as its stdin; what libraries print goes where our messages go.
fn spawned(order: &Order) -> std::io::Result<(Child, Channel)> {
    let (ours, theirs) = UnixStream::pair()?;
    let messages = std::io::stderr().as_fd().try_clone_to_owned()?;
    let child = Command::new(&order.program)
        .arg("accelerator-service")
        .arg(&order.library)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(messages))
        .spawn()?;
    Ok((child, Channel::new(ours)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
