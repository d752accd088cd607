//! One connection, from CONNECT to its end.

use super::reason::{LinkDown, Rejected};
use super::settings::Settings;
use super::{Command, Notice};
use crate::wire::{MessageId, Parcel};
use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop, Packet, PubAckReason, PublishNotice,
    PublishNoticeError, PublishOptions, PublishProperties, PublishResult, QoS, SubscribeFilter,
    SubscribeReasonCode,
};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Packets that may wait between the network task and the connection.
const PACKETS_MAX: usize = 16;
/// How long the goodbye may take.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// What a PUBLISH has besides topic, payload and the texts of its properties, rounded up.
const HEADER_BYTES: usize = 64;

/// What shall follow a connection's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// Another one after a wait.
    Retry,
    /// Another one at once.
    Now,
    /// Nothing.
    Stop,
}

/// A connection's end.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) why: Option<LinkDown>,
    pub(super) wants: Wants,
}

impl Ended {
    fn retry(why: LinkDown) -> Ended {
        Ended {
            why: Some(why),
            wants: Wants::Retry,
        }
    }
}

type Settled = (MessageId, Result<PublishResult, PublishNoticeError>);

/// What the network task sees.
type Seen = Result<Packet, ConnectionError>;

/// A connection that the broker took.
struct Connection<'a, T: FnMut(Notice)> {
    client: AsyncClient,
    health_topic: &'a str,
    packet_bytes_max: usize,
    settled: JoinSet<Settled>,
    tell: &'a mut T,
}

/// Connects once and serves until the connection ends.
///
/// The client is made anew for each connection: its own resends, which carry no durable id, can then never cross ours.
pub(super) async fn serve<T: FnMut(Notice)>(
    settings: &Settings,
    inbox: &mut Receiver<Command>,
    tell: &mut T,
) -> Ended {
    let built = settings
        .options()
        .map_err(|error| error.to_string())
        .and_then(|options| {
            AsyncClient::builder(options)
                .try_build()
                .map_err(|error| error.to_string())
        });
    let (client, events) = match built {
        Ok(pair) => pair,
        Err(what) => return Ended::retry(LinkDown::Broken { what }),
    };
    let (seen, mut packets) = channel(PACKETS_MAX);
    // Polling stands in a task of its own, because the client's `poll` must not be cancelled between two packets.
    let mut network = JoinSet::new();
    network.spawn(watch(events, seen));
    let packet_bytes_max = match greeted(&mut packets, inbox).await {
        Ok(connack) => match packet_limit(&connack) {
            Ok(limit) => limit,
            Err(what) => return Ended::retry(LinkDown::Unfit { what }),
        },
        Err(ended) => return ended,
    };
    let mut connection = Connection {
        client,
        health_topic: &settings.health_topic,
        packet_bytes_max,
        settled: JoinSet::new(),
        tell,
    };
    if let Err(what) = connection.subscribe(&settings.subscriptions).await {
        return Ended::retry(LinkDown::Broken { what });
    }
    (connection.tell)(Notice::Connected);
    connection.run(inbox, &mut packets).await
}

/// Polls the client until it fails; hands on what matters.
async fn watch(mut events: EventLoop, seen: Sender<Seen>) {
    loop {
        let packet = match events.poll().await {
            Ok(Event::Incoming(packet)) => Ok(packet),
            Ok(Event::Outgoing(_) | Event::Auth(_)) => continue,
            Err(error) => Err(error),
        };
        let last = packet.is_err();
        if seen.send(packet).await.is_err() || last {
            return;
        }
    }
}

/// Waits for the CONNACK; a stop or a reconnect may come first.
async fn greeted(
    packets: &mut Receiver<Seen>,
    inbox: &mut Receiver<Command>,
) -> Result<ConnAck, Ended> {
    loop {
        tokio::select! {
            packet = packets.recv() => return match packet {
                Some(Ok(Packet::ConnAck(connack))) => Ok(connack),
                Some(Ok(_)) => continue,
                Some(Err(error)) => Err(Ended::retry(LinkDown::from_error(&error))),
                None => Err(Ended::retry(gone())),
            },
            command = inbox.recv() => match command {
                None | Some(Command::Stop(_)) => {
                    return Err(Ended { why: None, wants: Wants::Stop });
                }
                // Nothing is connected: what was asked for an earlier connection is void, the outbox knows.
                Some(Command::Send(_) | Command::PublishHealth(_) | Command::Reconnect) => {}
            },
        }
    }
}

impl<T: FnMut(Notice)> Connection<'_, T> {
    async fn run(&mut self, inbox: &mut Receiver<Command>, packets: &mut Receiver<Seen>) -> Ended {
        loop {
            tokio::select! {
                packet = packets.recv() => match packet {
                    Some(Ok(packet)) => self.packet(packet),
                    Some(Err(error)) => {
                        // Acknowledgements that came before the break count.
                        self.settle_all();
                        return Ended::retry(LinkDown::from_error(&error));
                    }
                    None => return Ended::retry(gone()),
                },
                Some(Ok((id, result))) = self.settled.join_next() => self.settle(id, result),
                command = inbox.recv() => match command {
                    Some(Command::Send(parcel)) => self.send(*parcel).await,
                    Some(Command::PublishHealth(document)) => self.publish_health(document).await,
                    Some(Command::Reconnect) => {
                        return Ended { why: Some(LinkDown::Asked), wants: Wants::Now };
                    }
                    Some(Command::Stop(document)) => {
                        self.say_goodbye(document, packets).await;
                        return Ended { why: None, wants: Wants::Stop };
                    }
                    None => return Ended { why: None, wants: Wants::Stop },
                },
            }
        }
    }

    /// All topics in one packet, so that one answer tells of all.
    async fn subscribe(&mut self, topics: &[String]) -> Result<(), String> {
        if topics.is_empty() {
            return Ok(());
        }
        let filters = topics
            .iter()
            .map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce));
        let asked = self.client.subscribe_many(filters).await;
        asked.map_err(|error| error.to_string())
    }

    fn packet(&mut self, packet: Packet) {
        if let Packet::SubAck(answer) = &packet {
            let is_granted =
                |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            let codes = answer.return_codes.iter();
            let refused = codes.filter(|code| !is_granted(code)).count();
            (self.tell)(Notice::Subscribed { refused });
        }
        if let Packet::Publish(publish) = packet {
            let topic = String::from_utf8_lossy(&publish.topic).into_owned();
            (self.tell)(Notice::Message {
                topic,
                payload: publish.payload.to_vec(),
            });
        }
    }

    async fn send(&mut self, parcel: Parcel) {
        let id = parcel.id.clone();
        if size(&parcel) > self.packet_bytes_max {
            // Handed to the client it would break the connection, again and again.
            let why = Rejected::TooLarge;
            return (self.tell)(Notice::Nacked { id, why });
        }
        let topic = parcel.topic.clone();
        let options = options(&parcel);
        match self
            .client
            .publish_tracked(topic, parcel.payload, options)
            .await
        {
            Ok(notice) => {
                self.settled.spawn(settled(id, notice));
            }
            Err(_) => (self.tell)(Notice::Nacked {
                id,
                why: Rejected::Client,
            }),
        }
    }

    fn settle(&mut self, id: MessageId, result: Result<PublishResult, PublishNoticeError>) {
        let notice = match result {
            Ok(PublishResult::Qos1(ack)) => match Rejected::from_puback(ack.reason) {
                None => Notice::Acked {
                    id,
                    heard: ack.reason == PubAckReason::Success,
                },
                Some(why) => Notice::Nacked { id, why },
            },
            Ok(
                PublishResult::Qos0Flushed
                | PublishResult::Qos2Completed(_)
                | PublishResult::Qos2PubRecRejected(_),
            ) => Notice::Nacked {
                id,
                why: Rejected::Client,
            },
            Err(PublishNoticeError::RetainNotSupported) => Notice::Nacked {
                id,
                why: Rejected::Client,
            },
            // The connection went down with it: `Disconnected` follows and tells the outbox.
            Err(_) => return,
        };
        (self.tell)(notice);
    }

    fn settle_all(&mut self) {
        while let Some(done) = self.settled.try_join_next() {
            if let Ok((id, result)) = done {
                self.settle(id, result);
            }
        }
    }

    async fn publish_health(&mut self, document: Vec<u8>) {
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once()
            .retained()
            .properties(properties);
        // A full client drops it: the next one is due soon.
        drop(
            self.client
                .try_publish(self.health_topic.to_owned(), document, options),
        );
    }

    /// Publishes the offline document, waits for what is in flight, says DISCONNECT: then the broker drops the will.
    async fn say_goodbye(&mut self, document: Vec<u8>, packets: &mut Receiver<Seen>) {
        if !self.health_topic.is_empty() {
            self.publish_health(document).await;
        }
        let goodbye = async {
            let said = self.client.disconnect_with_timeout(GOODBYE_MAX).await;
            while said.is_ok() {
                tokio::select! {
                    packet = packets.recv() => match packet {
                        Some(Ok(packet)) => self.packet(packet),
                        Some(Err(_)) | None => return,
                    },
                    Some(Ok((id, result))) = self.settled.join_next() => self.settle(id, result),
                }
            }
        };
        // The client ends the drain itself; this is the bound when it does not, or takes no more requests.
        drop(timeout(GOODBYE_MAX.saturating_mul(2), goodbye).await);
        self.settle_all();
    }
}

async fn settled(id: MessageId, notice: PublishNotice) -> Settled {
    (id, notice.wait_async().await)
}

fn gone() -> LinkDown {
    LinkDown::Broken {
        what: "the client ended".to_owned(),
    }
}

/// The largest packet the broker takes. Errors: a broker that cannot carry the contract.
fn packet_limit(connack: &ConnAck) -> Result<usize, &'static str> {
    let Some(properties) = &connack.properties else {
        return Ok(usize::MAX);
    };
    if properties.max_qos == Some(0) {
        return Err("it does not acknowledge messages (maximum QoS 0)");
    }
    if properties.retain_available == Some(0) {
        return Err("it keeps no retained messages, which health needs");
    }
    Ok(properties
        .max_packet_size
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(usize::MAX))
}

/// The packet's size, rounded up.
fn size(parcel: &Parcel) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    parcel.payload.len()
        + parcel.topic.len()
        + parcel.content_type.len()
        + text(&parcel.response_topic)
        + text(&parcel.correlation)
        + HEADER_BYTES
}

fn options(parcel: &Parcel) -> PublishOptions {
    let properties = PublishProperties {
        payload_format_indicator: Some(u8::from(parcel.text)),
        message_expiry_interval: parcel.expiry_s,
        topic_alias: None,
        response_topic: parcel.response_topic.clone(),
        correlation_data: parcel
            .correlation
            .as_ref()
            .map(|id| id.clone().into_bytes().into()),
        user_properties: Vec::new(),
        subscription_identifiers: Vec::new(),
        content_type: Some(parcel.content_type.clone()),
    };
    PublishOptions::at_least_once()
        .retain(parcel.retain)
        .properties(properties)
}
