//! Why there is no connection, and why a message was refused, in words a technician understands.

use rumqttc::{ConnectReturnCode, ConnectionError, DisconnectReasonCode, PubAckReason, StateError};
use std::io::ErrorKind;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkDown {
    /// The broker answered, and said no.
    #[error("the broker refused the connection: {why}")]
    Refused {
        /// The broker's reason.
        why: String,
    },
    /// User name or password are wrong, or not allowed to connect.
    #[error("the broker refused the user name or password")]
    Credentials,
    /// Nothing answers at the address.
    #[error("the broker cannot be reached: {what}")]
    Unreachable {
        /// What the system said.
        what: String,
    },
    /// No answer in time.
    #[error("the broker did not answer in time")]
    TimedOut,
    /// The TLS handshake failed.
    #[error("the broker's certificate, or ours, was not accepted: {what}")]
    Tls {
        /// What TLS said.
        what: String,
    },
    /// Another client uses our client id.
    #[error("another client took over this box's place at the broker: two boxes have one name")]
    TakenOver,
    /// The broker cannot carry the contract.
    #[error("the broker is not fit: {what}")]
    Unfit {
        /// What it lacks.
        what: &'static str,
    },
    /// The connection broke.
    #[error("the connection to the broker broke: {what}")]
    Broken {
        /// What was seen last.
        what: String,
    },
    /// The connection was dropped because we were asked to.
    #[error("the connection is made anew")]
    Asked,
}

impl LinkDown {
    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            LinkDown::Refused { .. } => "look at the broker's log for this box's client id",
            LinkDown::Credentials => {
                "check [publish] username and password_file against the broker's users"
            }
            LinkDown::Unreachable { .. } | LinkDown::TimedOut => {
                "check [publish] broker, the network cable and the firewall; findings wait and are sent later"
            }
            LinkDown::Tls { .. } => {
                "check ca_file, client_cert_file and client_key_file of [publish], the broker's host name and the clock"
            }
            LinkDown::TakenOver => "give each box its own [site] device",
            LinkDown::Unfit { .. } => {
                "allow QoS 1 and retained messages for this box at the broker"
            }
            LinkDown::Broken { .. } | LinkDown::Asked => "nothing to do: it is made anew",
        }
    }

    /// From the client's error.
    pub(super) fn from_error(error: &ConnectionError) -> LinkDown {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the client's error is non-exhaustive: what is not named here broke the connection"
        )]
        match error {
            ConnectionError::ConnectionRefused(code)
            | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => refused(*code),
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            }) => LinkDown::TakenOver,
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
                LinkDown::Broken {
                    what: format!("the broker closed it: {reason_code:?}"),
                }
            }
            ConnectionError::Timeout(_) => LinkDown::TimedOut,
            ConnectionError::Tls(error) => tls(error.to_string()),
            ConnectionError::Io(error) => match error.kind() {
                // rustls reports a failed handshake as invalid data.
                ErrorKind::InvalidData => tls(error.to_string()),
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => LinkDown::Broken {
                    what: error.to_string(),
                },
                _ => LinkDown::Unreachable {
                    what: error.to_string(),
                },
            },
            other => LinkDown::Broken {
                what: other.to_string(),
            },
        }
    }
}

fn tls(what: String) -> LinkDown {
    LinkDown::Tls { what }
}

fn refused(code: ConnectReturnCode) -> LinkDown {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other code is told by its name"
    )]
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            LinkDown::Credentials
        }
        other => LinkDown::Refused {
            why: format!("{other:?}"),
        },
    }
}

/// Why a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The broker's access list does not let this box publish on the topic.
    #[error("this box may not publish on the topic")]
    NotAuthorized,
    /// The message is larger than the broker takes.
    #[error("the message is larger than the broker takes")]
    TooLarge,
    /// The broker holds too much already.
    #[error("the broker has no room")]
    QuotaExceeded,
    /// Any other reason.
    #[error("the broker gave reason code {0:#04x}")]
    Code(u8),
    /// The client could not take the message.
    #[error("the message could not be handed to the client")]
    Client,
}

impl Rejected {
    /// From a PUBACK; `None` for the two success reasons. Codes: MQTT 5, section 3.4.2.1.
    pub(super) fn from_puback(reason: PubAckReason) -> Option<Rejected> {
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::NotAuthorized => Some(Rejected::NotAuthorized),
            PubAckReason::QuotaExceeded => Some(Rejected::QuotaExceeded),
            PubAckReason::UnspecifiedError => Some(Rejected::Code(0x80)),
            PubAckReason::ImplementationSpecificError => Some(Rejected::Code(0x83)),
            PubAckReason::TopicNameInvalid => Some(Rejected::Code(0x90)),
            PubAckReason::PacketIdentifierInUse => Some(Rejected::Code(0x91)),
            PubAckReason::PayloadFormatInvalid => Some(Rejected::Code(0x99)),
        }
    }
}

/// Why the link does not start, or does not take a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The TLS files do not read.
    #[error("the TLS files of [publish] do not work: {what}")]
    Tls {
        /// What is wrong.
        what: String,
    },
    /// The MQTT settings contradict themselves.
    #[error("the MQTT settings do not work: {what}")]
    Options {
        /// What is wrong.
        what: String,
    },
    /// The thread could not be started.
    #[error("the MQTT thread did not start: {what}")]
    Thread {
        /// What the system said.
        what: String,
    },
    /// Too many commands wait; the outbox sends again later.
    #[error("the MQTT thread is busy")]
    Busy,
    /// The thread has ended.
    #[error("the MQTT thread has ended")]
    Ended,
}

impl LinkError {
    /// What the technician can do.
    pub fn advice(&self) -> &'static str {
        match self {
            LinkError::Tls { .. } => {
                "check ca_file, client_cert_file and client_key_file of [publish]: PEM, key unencrypted"
            }
            LinkError::Options { .. } => "check [publish]",
            LinkError::Thread { .. } | LinkError::Ended => "restart scanward",
            LinkError::Busy => "nothing to do",
        }
    }
}
