//! The way to the broker, step by step: its name, its port, then TLS and MQTT as the service does them.

use super::Check;
use crate::config::{Broker, Config};
use crate::edge::clock::dice;
use crate::edge::failure::Failure;
use crate::edge::mqtt::{Command, Link, LinkDown, Notice, Publisher, Settings};
use crate::edge::settings;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// A name server that takes longer is no use to the service either.
const NAME_WAIT_MAX: Duration = Duration::from_secs(5);
/// For each address of the broker.
const PORT_WAIT_MAX: Duration = Duration::from_secs(3);
/// Addresses tried.
const ADDRESSES_MAX: usize = 4;
/// TLS and MQTT together.
const LOGIN_WAIT_MAX: Duration = Duration::from_secs(9);

/// Goes the way to `[publish] broker` until a step fails.
pub(super) fn check(config: &Config, tell: &mut dyn FnMut(Check)) {
    let broker = &config.publish.account.broker;
    let about = "broker name";
    let addresses = match resolve(broker) {
        Ok(addresses) => addresses,
        Err(what) => {
            let found = format!("{}: {what}", broker.host);
            return tell(Check::fail(
                about,
                found,
                "correct [publish] broker, or check this machine's name server (/etc/resolv.conf)",
            ));
        }
    };
    let list: Vec<String> = addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    tell(Check::ok(
        about,
        format!("{} is {}", broker.host, list.join(", ")),
    ));
    if let Err(what) = connect(&addresses) {
        let found = format!("{broker}: {what}");
        let hint = "is the broker running, and is this its port? check cable and firewall; findings wait and are sent later";
        return tell(Check::fail("broker port", found, hint));
    }
    tell(Check::ok("broker port", format!("{} is open", broker.port)));
    tell(login(config));
}

fn resolve(broker: &Broker) -> Result<Vec<SocketAddr>, String> {
    let (sender, answer) = sync_channel(1);
    let asked = (broker.host.clone(), broker.port);
    let work = move || {
        let found = asked
            .to_socket_addrs()
            .map(|all| all.take(ADDRESSES_MAX).collect::<Vec<_>>());
        // Nobody waits any more when the answer came too late.
        drop(sender.send(found.map_err(|error| error.to_string())));
    };
    std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(work)
        .map_err(|error| error.to_string())?;
    match answer.recv_timeout(NAME_WAIT_MAX) {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".to_owned()),
        Ok(result) => result,
        Err(_) => Err("the name server does not answer".to_owned()),
    }
}

fn connect(addresses: &[SocketAddr]) -> Result<(), String> {
    let mut last = String::new();
    for address in addresses {
        match TcpStream::connect_timeout(address, PORT_WAIT_MAX) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// Connects as the service does, under a client id of its own and without a will, so that a running box stays online.
fn login(config: &Config) -> Check {
    let about = "broker login";
    let broker = &config.publish.account.broker;
    let how = if broker.tls {
        "TLS and MQTT 5"
    } else {
        "MQTT 5"
    };
    let who = match &config.publish.account.username {
        Some(name) => format!(" as {name}"),
        None => String::new(),
    };
    match try_login(config) {
        Ok(()) => Check::ok(about, format!("{broker} takes the connection ({how}){who}")),
        Err(failure) => Check::fail(about, failure.what, failure.advice),
    }
}

fn try_login(config: &Config) -> Result<(), Failure> {
    let plain = settings::connection(config)?;
    let settings = Settings {
        client_id: format!("{}-doctor", plain.client_id),
        connect_wait_max: LOGIN_WAIT_MAX,
        ..plain
    };
    let (sender, notices) = sync_channel(16);
    let tell = move |notice| {
        // Full or gone: the first notice has been heard, and no other counts.
        drop(sender.try_send(notice));
    };
    let link = Link::start(settings, tell, dice)
        .map_err(|error| Failure::new(error.to_string(), error.advice()))?;
    let result = first(&notices);
    if link.ask(Command::Stop(Vec::new())).is_ok() {
        link.join();
    }
    result.map_err(|why| {
        Failure::new(
            why.to_string(),
            advice(&why, config.publish.account.broker.tls),
        )
    })
}

fn first(notices: &Receiver<Notice>) -> Result<(), LinkDown> {
    loop {
        match notices.recv_timeout(LOGIN_WAIT_MAX.saturating_add(Duration::from_secs(1))) {
            Ok(Notice::Connected) => return Ok(()),
            Ok(Notice::Disconnected(why)) => return Err(why),
            Ok(
                Notice::Subscribed { .. }
                | Notice::Acked { .. }
                | Notice::Nacked { .. }
                | Notice::Message { .. },
            ) => {}
            Ok(Notice::Stopped) | Err(_) => return Err(LinkDown::TimedOut),
        }
    }
}

/// The port is open, so what speaks there matters more than the way to it.
fn advice(why: &LinkDown, tls: bool) -> &'static str {
    match why {
        LinkDown::TimedOut
        | LinkDown::Unreachable { .. }
        | LinkDown::Broken { .. }
        | LinkDown::Asked
            if tls =>
        {
            "the port is open, but is it the broker's TLS port, with MQTT 5, and does it know this box's certificate? look at the broker's log"
        }
        LinkDown::TimedOut
        | LinkDown::Unreachable { .. }
        | LinkDown::Broken { .. }
        | LinkDown::Asked => {
            "the port is open, but is it the broker's plain port, with MQTT 5? a TLS port needs mqtts://; look at the broker's log"
        }
        LinkDown::Refused { .. }
        | LinkDown::Credentials
        | LinkDown::Tls { .. }
        | LinkDown::TakenOver
        | LinkDown::Unfit { .. } => why.advice(),
    }
}
