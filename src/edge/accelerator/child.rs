//! The accelerator's own process: it loads the library, and runs volumes until the daemon closes the connection.

use super::channel::{Channel, Cut, Kind, from_bytes};
use crate::edge::failure::Failure;
use crate::fault::Fault;
use crate::infer::{Backend, OrtError, OrtNetwork};
use crate::model::ModelPackage;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The longest frame of the daemon: a network of the largest size with its manifest.
const FRAME_BYTES_MAX: usize = 300 << 20;

/// Serves the daemon on stdin, a socket, with the runtime in `library`.
///
/// Errors: stdin is no socket, or what comes is none of the daemon's frames.
pub fn serve(library: &Path) -> Result<(), Failure> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    let stdin = stdin.map_err(|error| broken(error.to_string()))?;
    let mut channel = Channel::new(UnixStream::from(stdin));
    give_way();
    let Some((Kind::Package, bytes)) = next(&mut channel)? else {
        return Err(broken("no model came".to_owned()));
    };
    let package = package(&bytes).ok_or_else(|| broken("the model does not read".to_owned()))?;
    drop(bytes);
    let mut network = match OrtNetwork::load(&package, library) {
        Ok(network) => network,
        Err(OrtError::Unfit(why)) => return say(&mut channel, Kind::Unfit, &why),
        Err(OrtError::NoSession(why)) => return say(&mut channel, Kind::Failed, &why),
    };
    drop(package);
    let ready = format!("{}\n{}", network.name(), network.passed_over().join("; "));
    say(&mut channel, Kind::Ready, &ready)?;
    while let Some((kind, bytes)) = next(&mut channel)? {
        let hu = from_bytes(&bytes).ok_or_else(|| broken("no volume came".to_owned()))?;
        drop(bytes);
        let answer: Result<Vec<u8>, Fault> = match kind {
            Kind::Segment => network.segment(&hu).map(|mask| {
                let (_, words) = mask.words();
                words.iter().flat_map(|word| word.to_le_bytes()).collect()
            }),
            Kind::Logits => network.logits(&hu).map(|logits| {
                let values = logits.values().iter();
                values.flat_map(|logit| logit.to_le_bytes()).collect()
            }),
            Kind::Package | Kind::Ready | Kind::Answer | Kind::Unfit | Kind::Failed => {
                return Err(broken("a frame out of turn came".to_owned()));
            }
        };
        match answer {
            Ok(bytes) => unless_gone(channel.send(Kind::Answer, &[&bytes], None))?,
            Err(fault) => say(&mut channel, Kind::Failed, &fault.to_string())?,
        }
    }
    Ok(())
}

/// Where memory is short, this process is the one to lose: the daemon goes on without it.
fn give_way() {
    // Without /proc, the kernel chooses by size, and that is this one as well.
    drop(fs::write("/proc/self/oom_score_adj", "1000"));
}

fn package(bytes: &[u8]) -> Option<ModelPackage> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (manifest, onnx) = rest.split_at_checked(length)?;
    ModelPackage::parse(std::str::from_utf8(manifest).ok()?, onnx.to_vec()).ok()
}

/// The next frame; `None` when the daemon needs nothing more.
fn next(channel: &mut Channel) -> Result<Option<(Kind, Vec<u8>)>, Failure> {
    match channel.receive(FRAME_BYTES_MAX, None) {
        Ok(frame) => Ok(Some(frame)),
        Err(Cut::Gone) => Ok(None),
        Err(Cut::Late) => Err(broken("nothing came".to_owned())),
        Err(Cut::Broken(why)) => Err(broken(why)),
    }
}

fn say(channel: &mut Channel, kind: Kind, text: &str) -> Result<(), Failure> {
    unless_gone(channel.send(kind, &[text.as_bytes()], None))
}

fn unless_gone(sent: Result<(), Cut>) -> Result<(), Failure> {
    match sent {
        Ok(()) | Err(Cut::Gone) => Ok(()),
        Err(Cut::Late) => Err(broken("nobody listens".to_owned())),
        Err(Cut::Broken(why)) => Err(broken(why)),
    }
}

fn broken(why: String) -> Failure {
    Failure::new(
        format!("the accelerator's process cannot serve: {why}"),
        "scanward starts this command itself; set [engine] accelerator in scanward.toml",
    )
}
