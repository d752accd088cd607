//! The MQTT link against a real mosquitto, watched by an independent client.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions; a test needs a real clock to bound its waits"
)]

mod common;

use common::mosquitto::{Mosquitto, PATIENCE, Subscriber, free_port, is_missing, publish, run};
use common::proxy::{Cut, Proxy};
use scanward::edge::mqtt::{
    Command, Credentials, Link, LinkDown, Notice, Publisher, Rejected, Settings, Tls,
};
use scanward::ids::Redacted;
use scanward::wire::{Kind, MessageId, Parcel};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

#[test]
fn a_message_arrives_once_and_its_acknowledgement_names_it() {
    if is_missing("a_message_arrives_once") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let ward = Subscriber::start(broker.port, "ward", &["t/#"]);
    let link = Box5::start(settings(broker.port));
    link.until(&Notice::Connected);
    link.send("one", "t/finding", "payload one");
    link.until(&acked("one"));
    link.send("two", "t/end", "");
    link.until(&acked("two"));
    let seen = ward.messages_until("t/end");
    assert_eq!(seen[0], ("t/finding".to_owned(), "payload one".to_owned()));
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_message_that_was_not_kept_comes_again_and_one_that_was_does_not() {
    if is_missing("not_kept") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let listening = Settings {
        subscriptions: vec!["t/#".to_owned()],
        session_expiry_s: 3600,
        ack_when_kept: true,
        ..settings(broker.port)
    };
    let (notice, notices) = sync_channel(256);
    // Keeps nothing the first time.
    let mut refused = false;
    let tell = move |told: Notice| {
        let is_first = matches!(told, Notice::Message { .. }) && !refused;
        refused |= is_first;
        drop(notice.try_send(told));
        !is_first
    };
    let link = Link::start(listening, tell, || 0).unwrap();
    let link = Box5 { link, notices };
    link.until(&Notice::Subscribed { refused: 0 });
    let message = |payload: &str| Notice::Message {
        topic: "t/one".to_owned(),
        payload: payload.as_bytes().to_vec(),
    };
    publish(broker.port, "t/one", "first");
    link.until(&message("first"));
    assert!(matches!(link.next(), Notice::Disconnected(_)));
    link.until(&message("first"));
    // More than the client has places for without answers: each is answered.
    for number in 0..100 {
        publish(broker.port, "t/one", &number.to_string());
    }
    link.until(&message("99"));
    link.ask(Command::Reconnect);
    // What the broker sends again comes before its answer to the subscriptions.
    let mut notice = link.next();
    while !matches!(notice, Notice::Subscribed { .. }) {
        assert!(!matches!(notice, Notice::Message { .. }), "{notice:?}");
        notice = link.next();
    }
    publish(broker.port, "t/one", "last");
    assert_eq!(link.next(), message("last"));
}

#[test]
fn a_message_that_nobody_subscribed_to_is_acknowledged_as_unheard() {
    if is_missing("nobody_subscribed") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let link = Box5::start(settings(broker.port));
    link.until(&Notice::Connected);
    link.send("alone", "t/finding", "x");
    let id = MessageId::new("alone", Kind::Finding);
    link.until(&Notice::Acked { id, heard: false });
}

#[test]
fn a_broker_away_and_back_gets_each_message_once_by_id() {
    if is_missing("broker_away_and_back") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let broker = Mosquitto::start(folder.path(), port, "");
    let ward = Subscriber::start(port, "ward", &["t/#"]);
    let link = Box5::start(settings(port));
    link.until(&Notice::Connected);
    link.send("before", "t/finding", "before");
    link.until(&acked("before"));
    assert_eq!(ward.message().1, "before");
    drop(ward);
    broker.stop();
    link.until_down();
    link.send(
        "while away",
        "t/finding",
        "lost by the link, kept by the outbox",
    );
    let _broker = Mosquitto::start(folder.path(), port, "");
    link.until(&Notice::Connected);
    link.send("after", "t/finding", "after");
    link.send("end", "t/end", "");
    link.until(&acked("end"));
    let ward = Subscriber::start(port, "ward", &["t/#"]);
    let seen = ward.messages_until("t/end");
    let payloads: Vec<&str> = seen.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, ["after", ""]);
}

#[test]
fn the_will_says_offline_when_the_box_dies_and_a_clean_stop_says_it_itself() {
    if is_missing("the_will") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let ward = Subscriber::start(broker.port, "ward", &["t/health"]);
    let proxy = Proxy::start(broker.port, Cut::Never);
    let will = br#"{"state":"offline","boot":7}"#.to_vec();
    let with_will = |port| Settings {
        health_topic: "t/health".to_owned(),
        will: will.clone(),
        ..settings(port)
    };
    let link = Box5::start(with_will(proxy.port));
    link.until(&Notice::Connected);
    link.ask(Command::PublishHealth(b"online".to_vec()));
    assert_eq!(ward.message().1, "online");
    proxy.cut_all();
    assert_eq!(ward.message().1.as_bytes(), will);
    drop(link);

    let link = Box5::start(with_will(broker.port));
    link.until(&Notice::Connected);
    link.ask(Command::PublishHealth(b"online again".to_vec()));
    assert_eq!(ward.message().1, "online again");
    link.ask(Command::Stop(b"stopped".to_vec()));
    link.until(&Notice::Stopped);
    assert_eq!(ward.message().1, "stopped");
    let late = Subscriber::start(broker.port, "late", &["t/health"]);
    assert_eq!(
        late.message().1,
        "stopped",
        "the retained document, and no will after it"
    );
}

#[test]
fn a_connection_lost_between_publish_and_puback_is_told_and_the_resend_has_the_same_id() {
    if is_missing("lost_puback") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let ward = Subscriber::start(broker.port, "ward", &["t/#"]);
    let proxy = Proxy::start(broker.port, Cut::FirstPuback);
    let link = Box5::start(settings(proxy.port));
    link.until(&Notice::Connected);
    link.send("one", "t/finding", "id-one");
    link.until_down();
    link.until(&Notice::Connected);
    // What the outbox does with it: the same message again.
    link.send("one", "t/finding", "id-one");
    link.until(&acked("one"));
    link.send("end", "t/end", "");
    link.until(&acked("end"));
    let seen = ward.messages_until("t/end");
    // The first copy had reached the broker. Two copies of one id: the link itself sent no third.
    let copies = seen
        .iter()
        .filter(|(_, payload)| payload == "id-one")
        .count();
    assert_eq!(copies, 2, "{seen:?}");
}

#[test]
fn a_wrong_password_is_told_as_such() {
    if is_missing("wrong_password") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    run(
        folder.path(),
        "mosquitto_passwd",
        &["-b", "-c", "users", "box", "right"],
    );
    let users = folder.path().join("users");
    let extra = format!("allow_anonymous false\npassword_file {}", users.display());
    let broker = Mosquitto::start(folder.path(), free_port(), &extra);
    let with_password = |password: &str| Settings {
        credentials: Some(Credentials {
            username: "box".to_owned(),
            password: Redacted::new(password.as_bytes().to_vec()),
        }),
        ..settings(broker.port)
    };
    let link = Box5::start(with_password("wrong"));
    assert_eq!(link.until_down(), LinkDown::Credentials);
    let link = Box5::start(with_password("right"));
    link.until(&Notice::Connected);
}

#[test]
fn tls_with_a_client_certificate_connects_and_a_wrong_authority_does_not() {
    if is_missing("tls") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (folder.path().join("ours"), folder.path().join("other"));
    make_certificates(&ours);
    make_certificates(&other);
    let file = |name: &str| ours.join(name).display().to_string();
    let extra = format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        file("ca.pem"),
        file("server.pem"),
        file("server.key")
    );
    let broker = Mosquitto::start(folder.path(), free_port(), &extra);
    let read = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
    let with_tls = |ca: &Path, client: Option<&Path>| Settings {
        tls: Some(Tls {
            ca: Some(read(ca, "ca.pem")),
            client: client.map(|from| (read(from, "client.pem"), read(from, "client.key"))),
        }),
        ..Settings {
            host: "localhost".to_owned(),
            ..settings(broker.port)
        }
    };
    let link = Box5::start(with_tls(&ours, Some(&ours)));
    link.until(&Notice::Connected);
    link.send("one", "t/finding", "over TLS");
    let id = MessageId::new("one", Kind::Finding);
    link.until(&Notice::Acked { id, heard: false });

    let link = Box5::start(with_tls(&other, Some(&ours)));
    let down = link.until_down();
    assert!(matches!(down, LinkDown::Tls { .. }), "{down:?}");
    // With TLS 1.3 the broker's refusal of a missing or foreign certificate comes after the client's handshake.
    for client in [None, Some(other.as_path())] {
        let link = Box5::start(with_tls(&ours, client));
        let down = link.until_down();
        assert!(
            matches!(down, LinkDown::Tls { .. } | LinkDown::Broken { .. }),
            "{down:?}"
        );
    }
}

#[test]
fn a_message_too_large_for_the_broker_is_refused_and_the_next_one_goes_through() {
    if is_missing("too_large") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "max_packet_size 10000");
    let ward = Subscriber::start(broker.port, "ward", &["t/#"]);
    let link = Box5::start(settings(broker.port));
    link.until(&Notice::Connected);
    link.send("large", "t/preview", &"x".repeat(20_000));
    link.until(&Notice::Nacked {
        id: MessageId::new("large", Kind::Finding),
        why: Rejected::TooLarge,
    });
    link.send("small", "t/finding", "small");
    link.until(&acked("small"));
    assert_eq!(ward.message().1, "small");
}

#[test]
fn a_preview_of_128_kib_goes_through() {
    if is_missing("128_kib") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let ward = Subscriber::start(broker.port, "ward", &["t/#"]);
    let link = Box5::start(settings(broker.port));
    link.until(&Notice::Connected);
    link.send("large", "t/preview", &"x".repeat(128 << 10));
    link.until(&acked("large"));
    assert_eq!(ward.message().1.len(), 128 << 10);
}

#[test]
fn a_topic_that_the_broker_forbids_is_told_as_such() {
    if is_missing("forbidden_topic") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("acl");
    std::fs::write(&list, "topic readwrite t/allowed\n").unwrap();
    let extra = format!("acl_file {}", list.display());
    let broker = Mosquitto::start(folder.path(), free_port(), &extra);
    let link = Box5::start(settings(broker.port));
    link.until(&Notice::Connected);
    link.send("one", "t/finding", "x");
    link.until(&Notice::Nacked {
        id: MessageId::new("one", Kind::Finding),
        why: Rejected::NotAuthorized,
    });
}

#[test]
fn the_wards_messages_wait_at_the_broker_while_the_box_is_away() {
    if is_missing("wards_messages") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), free_port(), "");
    let with_session = || Settings {
        subscriptions: vec!["t/ack".to_owned()],
        session_expiry_s: 3600,
        ..settings(broker.port)
    };
    let link = Box5::start(with_session());
    link.until(&Notice::Connected);
    publish(broker.port, "t/ack", "seen");
    let seen = |payload: &str| Notice::Message {
        topic: "t/ack".to_owned(),
        payload: payload.as_bytes().to_vec(),
    };
    link.until(&seen("seen"));
    link.ask(Command::Stop(Vec::new()));
    link.until(&Notice::Stopped);
    publish(broker.port, "t/ack", "seen while away");

    let link = Box5::start(with_session());
    link.until(&Notice::Connected);
    link.until(&seen("seen while away"));
    // In a session that the broker kept, the box can still publish.
    link.send("one", "t/finding", "x");
    let id = MessageId::new("one", Kind::Finding);
    link.until(&Notice::Acked { id, heard: false });
}

#[test]
fn two_boxes_of_one_name_are_told_where_the_broker_tells() {
    // mosquitto 2.0.11 closes the older connection without a word: this broker is played by hand.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = Box5::start(settings(listener.local_addr().unwrap().port()));
    let (mut broker, _) = listener.accept().unwrap();
    broker.read_exact(&mut [0; 16]).unwrap();
    // CONNACK, success, no properties.
    broker.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
    link.until(&Notice::Connected);
    // DISCONNECT, reason 0x8e session taken over, no properties.
    broker.write_all(&[0xe0, 2, 0x8e, 0]).unwrap();
    assert_eq!(link.until_down(), LinkDown::TakenOver);
}

#[test]
fn a_subscription_that_the_broker_refuses_is_told() {
    // mosquitto's own access list lets everybody subscribe and hands on nothing: this broker is played by hand.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = Box5::start(Settings {
        subscriptions: vec!["t/ack".to_owned(), "t/verdict".to_owned()],
        ..settings(listener.local_addr().unwrap().port())
    });
    let (broker, _) = listener.accept().unwrap();
    let packet = || {
        let mut head = [0; 2];
        (&broker).read_exact(&mut head).unwrap();
        let mut rest = vec![0; usize::from(head[1])];
        (&broker).read_exact(&mut rest).unwrap();
        (head[0], rest)
    };
    let answer = |bytes: &[u8]| (&broker).write_all(bytes).unwrap();
    assert_eq!(packet().0, 0x10, "CONNECT");
    answer(&[0x20, 3, 0, 0, 0]);
    link.until(&Notice::Connected);
    let (kind, subscribe) = packet();
    assert_eq!(kind, 0x82, "SUBSCRIBE");
    // SUBACK: the first granted at QoS 1, the second refused with 0x87 not authorised.
    answer(&[0x90, 5, subscribe[0], subscribe[1], 0, 1, 0x87]);
    link.until(&Notice::Subscribed { refused: 1 });
}

#[test]
fn a_broker_that_acknowledges_nothing_is_unfit() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let link = Box5::start(settings(listener.local_addr().unwrap().port()));
    let (mut broker, _) = listener.accept().unwrap();
    broker.read_exact(&mut [0; 16]).unwrap();
    // CONNACK, success, property 0x24 Maximum QoS = 0.
    broker.write_all(&[0x20, 5, 0, 0, 2, 0x24, 0]).unwrap();
    let down = link.until_down();
    assert!(matches!(down, LinkDown::Unfit { .. }), "{down:?}");
}

#[test]
fn a_port_where_nothing_answers_is_told_and_tried_again() {
    let link = Box5::start(settings(free_port()));
    for _ in 0..3 {
        let down = link.until_down();
        assert!(matches!(down, LinkDown::Unreachable { .. }), "{down:?}");
    }
    link.ask(Command::Stop(Vec::new()));
    link.until(&Notice::Stopped);
    link.link.join();
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_broker_takes_a_finding_and_passes_it_on() {
    use scanward::edge::broker::DemoBroker;
    let broker = DemoBroker::start(0).unwrap();
    let ward = Box5::start(Settings {
        client_id: "ward".to_owned(),
        subscriptions: vec!["t/finding".to_owned()],
        ..settings(broker.port())
    });
    ward.until(&Notice::Connected);
    let link = Box5::start(Settings {
        health_topic: "t/health".to_owned(),
        will: b"offline".to_vec(),
        ..settings(broker.port())
    });
    link.until(&Notice::Connected);
    link.ask(Command::PublishHealth(b"online".to_vec()));
    link.send("one", "t/finding", &"x".repeat(100_000));
    link.until(&acked("one"));
    ward.until(&Notice::Message {
        topic: "t/finding".to_owned(),
        payload: "x".repeat(100_000).into_bytes(),
    });
}

// Helpers.

fn settings(port: u16) -> Settings {
    Settings {
        connect_wait_max: Duration::from_secs(5),
        retry_wait_min: Duration::from_millis(20),
        retry_wait_max: Duration::from_millis(100),
        ..Settings::new("127.0.0.1", port, "box")
    }
}

fn acked(name: &str) -> Notice {
    Notice::Acked {
        id: MessageId::new(name, Kind::Finding),
        heard: true,
    }
}

/// The box's side: a link and its notices.
struct Box5 {
    link: Link,
    notices: Receiver<Notice>,
}

impl Box5 {
    fn start(settings: Settings) -> Box5 {
        let (notice, notices) = sync_channel(256);
        // A full or closed channel is a test that looks no longer.
        let link = Link::start(settings, move |told| drop(notice.try_send(told)), || 0).unwrap();
        Box5 { link, notices }
    }

    fn ask(&self, command: Command) {
        self.link.ask(command).unwrap();
    }

    fn send(&self, name: &str, topic: &str, payload: &str) {
        let payload = payload.as_bytes().to_vec();
        let parcel = Parcel::new(name, Kind::Finding, topic.to_owned(), payload);
        self.ask(Command::Send(Box::new(parcel)));
    }

    fn next(&self) -> Notice {
        self.notices
            .recv_timeout(PATIENCE)
            .expect("the link says nothing more")
    }

    fn until(&self, wanted: &Notice) {
        let mut seen = Vec::new();
        // One deadline for all: a link that connects again and again tells something every second.
        let deadline = Instant::now() + PATIENCE;
        while seen.last() != Some(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.notices.recv_timeout(left) {
                Ok(notice) => seen.push(notice),
                Err(_) => panic!("waited for {wanted:?}, saw {seen:?}"),
            }
        }
    }

    fn until_down(&self) -> LinkDown {
        loop {
            if let Notice::Disconnected(why) = self.next() {
                return why;
            }
        }
    }
}

/// An authority, a server certificate for localhost and a client certificate, made by openssl.
fn make_certificates(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let mut authority = vec!["req", "-x509", "-days", "2", "-subj", "/CN=test authority"];
    authority.extend(key);
    authority.extend(["-keyout", "ca.key", "-out", "ca.pem"]);
    authority.extend(["-addext", "basicConstraints=critical,CA:TRUE"]);
    run(folder, "openssl", &authority);
    for (name, subject, usage) in [
        ("server", "/CN=localhost", "serverAuth"),
        ("client", "/CN=box", "clientAuth"),
    ] {
        let (keyfile, request, certificate) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.pem"),
        );
        let extensions = format!(
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
        );
        std::fs::write(folder.join("extensions"), extensions).unwrap();
        let mut demand = vec![
            "req", "-subj", subject, "-keyout", &keyfile, "-out", &request,
        ];
        demand.extend(key);
        run(folder, "openssl", &demand);
        let mut sign = vec![
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &request,
            "-out",
            &certificate,
        ];
        sign.extend(["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]);
        sign.extend(["-extfile", "extensions"]);
        run(folder, "openssl", &sign);
    }
}
