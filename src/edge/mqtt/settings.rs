//! What the link needs to know, and what it refuses to do.

use super::reason::LinkError;
use super::session::EmptySession;
use crate::ids::Redacted;
use rumqttc::{
    AckMode, Broker, IncomingPacketSizeLimit, LastWill, MqttOptions, NetworkOptions,
    PersistedAckMode, QoS, TlsConfiguration, Transport,
};
use std::time::Duration;

/// The largest packet taken from the broker: a list of 1,000 keys fits. This bounds what a broker can make us hold.
const INCOMING_BYTES_MAX: u32 = 512 << 10;

/// Messages in flight at a time. The outbox has one and health one more; the client keeps a slot for each it may have,
/// and for the protocol's 65,535 that would be 16 MB.
pub(super) const IN_FLIGHT_MAX: u16 = 16;

/// Messages that the broker may have sent us without our answer, where answers wait until a message is kept.
const UNANSWERED_MAX: u16 = 64;
/// Requests that may wait for the client.
const REQUESTS_MAX: usize = 16;

/// How to reach the broker, and as whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The MQTT client id.
    pub client_id: String,
    /// TLS; `None` is a plain connection, which the settings allow on the box itself only.
    pub tls: Option<Tls>,
    /// User name and password.
    pub credentials: Option<Credentials>,
    /// The retained topic of health and last will.
    pub health_topic: String,
    /// The last will's payload.
    pub will: Vec<u8>,
    /// Topics of the ward that the box listens to, QoS 1.
    pub subscriptions: Vec<String>,
    /// Topics whose messages the broker need not keep for us while we are away: the next one is due soon. QoS 0.
    pub subscriptions_fleeting: Vec<String>,
    /// How long the broker keeps the ward's messages while the box is away; 0 keeps nothing.
    pub session_expiry_s: u32,
    /// Whether a message is acknowledged only when who was told of it has kept it; else as soon as it came.
    pub ack_when_kept: bool,
    /// How long connecting may take, TLS and CONNACK included.
    pub connect_wait_max: Duration,
    /// MQTT keep alive.
    pub keep_alive_s: u16,
    /// The first wait before connecting again; doubles with each failure, the upper half drawn by dice.
    pub retry_wait_min: Duration,
    /// The longest wait before connecting again.
    pub retry_wait_max: Duration,
}

/// TLS as PEM texts: the files' contents, not their names.
#[derive(Clone)]
pub struct Tls {
    /// The authorities that the broker's certificate may come from; `None` takes the system's.
    pub ca: Option<Vec<u8>>,
    /// Our certificate chain and its key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("own_ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// User name and password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password, as its file holds it less the line's end.
    pub password: Redacted<Vec<u8>>,
}

impl Settings {
    /// Settings for `host:port`, plain, without credentials, with the usual times: connect 10 s, keep alive 20 s,
    /// retry 1 s to 60 s.
    pub fn new(host: &str, port: u16, client_id: &str) -> Settings {
        Settings {
            host: host.to_owned(),
            port,
            client_id: client_id.to_owned(),
            tls: None,
            credentials: None,
            health_topic: String::new(),
            will: Vec::new(),
            subscriptions: Vec::new(),
            subscriptions_fleeting: Vec::new(),
            session_expiry_s: 0,
            ack_when_kept: false,
            connect_wait_max: Duration::from_secs(10),
            keep_alive_s: 20,
            retry_wait_min: Duration::from_secs(1),
            retry_wait_max: Duration::from_secs(60),
        }
    }

    /// The client's options. Errors: TLS texts that do not read.
    pub(super) fn options(&self) -> Result<MqttOptions, LinkError> {
        let broker = Broker::tcp(self.host.clone(), self.port);
        let mut options = MqttOptions::new(self.client_id.clone(), broker);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(self.connect_wait_max.as_secs().max(1));
        options
            .set_network_options(network)
            .set_connect_timeout(self.connect_wait_max)
            .set_keep_alive(self.keep_alive_s)
            .set_request_channel_capacity(REQUESTS_MAX)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT_MAX)
            .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(INCOMING_BYTES_MAX));
        let mut ack_mode = PersistedAckMode::Automatic;
        if self.ack_when_kept {
            ack_mode = PersistedAckMode::Manual;
            // Each unanswered message has room for its answer: `try_ack` finds a full channel only by a fault.
            options
                .set_ack_mode(AckMode::Manual)
                .set_receive_maximum(Some(UNANSWERED_MAX))
                .set_request_channel_capacity(REQUESTS_MAX + usize::from(UNANSWERED_MAX));
        }
        options.set_clean_start(self.session_expiry_s == 0);
        if self.session_expiry_s > 0 {
            options.set_session_expiry_interval(Some(self.session_expiry_s));
            options.set_session_store(EmptySession {
                expiry_s: self.session_expiry_s,
                ack_mode,
            });
        }
        if !self.health_topic.is_empty() {
            let topic = self.health_topic.clone();
            let will = LastWill::new(topic, self.will.clone(), QoS::AtLeastOnce, true, None);
            options.set_last_will(will);
        }
        if let Some(credentials) = &self.credentials {
            options.set_credentials(
                credentials.username.clone(),
                credentials.password.reveal().clone(),
            );
        }
        if let Some(tls) = &self.tls {
            options.set_transport(Transport::tls_with_config(tls.configuration()?));
        }
        options.validate().map_err(|error| LinkError::Options {
            what: error.to_string(),
        })?;
        Ok(options)
    }
}

impl Tls {
    fn configuration(&self) -> Result<TlsConfiguration, LinkError> {
        match (&self.ca, &self.client) {
            (Some(ca), client) => Ok(TlsConfiguration::Simple {
                ca: ca.clone(),
                alpn: None,
                client_auth: client.clone(),
            }),
            (None, Some(_)) => Err(LinkError::Tls {
                what: "a client certificate needs ca_file, the authority of the broker's"
                    .to_owned(),
            }),
            (None, None) => {
                TlsConfiguration::try_default_rustls().map_err(|error| LinkError::Tls {
                    what: error.to_string(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_or_key_cannot_reach_a_log_line() {
        let settings = Settings {
            credentials: Some(Credentials {
                username: "box".to_owned(),
                password: Redacted::new(b"s3cret".to_vec()),
            }),
            tls: Some(Tls {
                ca: None,
                client: Some((b"cert".to_vec(), b"k3y".to_vec())),
            }),
            ..Settings::new("broker", 8883, "box")
        };
        let printed = format!("{settings:?}");
        assert!(
            !printed.contains("s3cret") && !printed.contains("107, 51"),
            "{printed}"
        );
        assert!(!printed.contains(&format!("{:?}", b"s3cret")), "{printed}");
    }
}
