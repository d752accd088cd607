//! The embedded broker of `scanward demo`: on loopback only, for one run, no persistence. Never in an appliance.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

/// Largest message: a preview has up to 128 KiB.
const MESSAGE_BYTES_MAX: usize = 512 << 10;

/// Why the demo broker is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo broker did not start on port {port}: {what}")]
pub struct BrokerError {
    /// The port.
    pub port: u16,
    /// What happened.
    pub what: String,
}

/// A running demo broker. It lives until the program ends: rumqttd has no stop.
#[derive(Debug)]
pub struct DemoBroker {
    port: u16,
    thread: JoinHandle<()>,
}

impl DemoBroker {
    /// Starts a broker for MQTT 5 on `127.0.0.1:port`, 0 for any free port; returns when it takes connections.
    pub fn start(port: u16) -> Result<DemoBroker, BrokerError> {
        let fault = |what: String| BrokerError { port, what };
        // Bound once by ourselves, because rumqttd would only log a port that is taken.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| fault(error.to_string()))?
            .port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let thread = std::thread::Builder::new()
            .name("demo-broker".to_owned())
            .spawn(move || {
                // Its end, good or bad, is seen by `is_alive`.
                drop(Broker::new(config(address)).start());
            })
            .map_err(|error| fault(error.to_string()))?;
        let broker = DemoBroker { port, thread };
        broker.await_ready(address)?;
        Ok(broker)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    fn await_ready(&self, address: SocketAddr) -> Result<(), BrokerError> {
        for _ in 0..100 {
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Err(BrokerError {
            port: self.port,
            what: "it does not answer".to_owned(),
        })
    }
}

fn config(listen: SocketAddr) -> Config {
    let server = ServerSettings {
        name: "demo".to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 1,
        connections: ConnectionSettings {
            connection_timeout_ms: 5_000,
            max_payload_size: MESSAGE_BYTES_MAX,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    };
    Config {
        id: 0,
        router: RouterConfig {
            max_connections: 16,
            max_outgoing_packet_count: 200,
            // The demo sends a handful of messages: a small log keeps its memory small.
            max_segment_size: 1 << 20,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([("demo".to_owned(), server)])),
        ..Config::default()
    }
}
