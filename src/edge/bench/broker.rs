//! A broker of our own to measure against: mosquitto where it is installed, else the demo's.

use crate::edge::export::appear;
use crate::edge::{Failure, Scratch};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The longest wait for the broker's port.
const BROKER_TRIES: u32 = 250;
const BROKER_TRY: Duration = Duration::from_millis(20);

/// A running broker on a free loopback port; ended when dropped.
pub struct BenchBroker {
    kind: Kind,
    /// Holds mosquitto's settings; dropped after it.
    _scratch: Scratch,
}

enum Kind {
    Mosquitto {
        child: Child,
        port: u16,
    },
    #[cfg(feature = "demo")]
    Embedded(crate::edge::broker::DemoBroker),
}

impl BenchBroker {
    /// Starts it. Errors: neither broker is there.
    pub fn start() -> Result<BenchBroker, Failure> {
        let scratch = Scratch::new("bench-broker")?;
        let kind = Kind::start(scratch.path())?;
        Ok(BenchBroker {
            kind,
            _scratch: scratch,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Mosquitto { .. } => "mosquitto",
            #[cfg(feature = "demo")]
            Kind::Embedded(_) => "the embedded broker",
        }
    }

    pub(super) fn port(&self) -> u16 {
        match &self.kind {
            Kind::Mosquitto { port, .. } => *port,
            #[cfg(feature = "demo")]
            Kind::Embedded(broker) => broker.port(),
        }
    }
}

impl Kind {
    fn start(folder: &Path) -> Result<Kind, Failure> {
        match mosquitto(folder) {
            Ok(broker) => Ok(broker),
            Err(failure) => Kind::embedded(failure),
        }
    }

    #[cfg(feature = "demo")]
    fn embedded(_failure: Failure) -> Result<Kind, Failure> {
        let failed = |error: crate::edge::broker::BrokerError| {
            Failure::new(error.to_string(), "free a port on 127.0.0.1")
        };
        crate::edge::broker::DemoBroker::start(0)
            .map(Kind::Embedded)
            .map_err(failed)
    }

    #[cfg(not(feature = "demo"))]
    fn embedded(failure: Failure) -> Result<Kind, Failure> {
        Err(failure)
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        match self {
            Kind::Mosquitto { child, .. } => {
                drop(child.kill());
                drop(child.wait());
            }
            #[cfg(feature = "demo")]
            Kind::Embedded(_) => {}
        }
    }
}

/// A mosquitto of our own on a free loopback port. Errors: it is not installed, or does not start.
fn mosquitto(folder: &Path) -> Result<Kind, Failure> {
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
    let broker = Kind::Mosquitto { child, port };
    for _ in 0..BROKER_TRIES {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(broker);
        }
        std::thread::park_timeout(BROKER_TRY);
    }
    Err(failed("mosquitto does not listen".to_owned()))
}
