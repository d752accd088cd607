//! The link to the broker: a session that the broker keeps while this server is away.

use super::desk::Desk;
use super::sending::Event;
use super::settings::Settings;
use crate::edge::mqtt::{self, Link, LinkDown, Notice};
use crate::edge::{Failure, account_link, dice};
use crate::wire::MessageId;
use std::sync::Arc;
use tracing::{error, info, warn};

/// Starts the link; it hears into `desk` until it is asked to end.
pub(super) fn start(desk: &Arc<Desk>) -> Result<(), Failure> {
    let settings = link(&desk.settings)?;
    let hearing = Arc::clone(desk);
    let mut down = None;
    let tell = move |notice| hear(&hearing, notice, &mut down);
    let link = Link::start(settings, tell, dice).map_err(|error| {
        let what = format!("the link to the broker: {error}");
        Failure::new(what, "check [broker] of ward.toml")
    })?;
    desk.connect(link);
    Ok(())
}

fn link(settings: &Settings) -> Result<mqtt::Settings, Failure> {
    let broker = &settings.broker;
    let site = &settings.site;
    let topic = |under: &str| format!("scanward/v1/{site}/+/{under}");
    Ok(mqtt::Settings {
        subscriptions: ["finding/+", "outcome", "preview/+", "receipt/+"]
            .map(topic)
            .into(),
        // What was said of health while nobody listened is worth nothing, and would push findings out of the broker's queue.
        subscriptions_fleeting: vec![topic("health")],
        session_expiry_s: u32::try_from(broker.keep.as_secs()).unwrap_or(u32::MAX),
        ack_when_kept: true,
        // No box can have this name: an underscore is in no site's.
        ..account_link(&broker.account, &format!("scanward_ward_{site}"))?
    })
}

/// Takes a notice; `false`: the message was not kept.
fn hear(desk: &Desk, notice: Notice, down: &mut Option<LinkDown>) -> bool {
    match notice {
        Notice::Connected => {
            *down = None;
            info!("connected to the broker");
        }
        Notice::Subscribed { refused: 0 } => {
            info!("listening to the boxes");
            desk.connected(true);
        }
        // Who hears a part only must not look as if it heard all: the boxes' lights say so.
        Notice::Subscribed { refused } => error!(
            refused,
            "the broker's access list keeps topics from this server: allow it to subscribe to scanward/v1/<site>/#"
        ),
        Notice::Disconnected(why) => {
            // Said once for each reason, not once for each try.
            if down.as_ref() != Some(&why) {
                warn!(%why, "no connection to the broker");
            }
            *down = Some(why);
            desk.connected(false);
        }
        Notice::Message { topic, payload } => return desk.hear(&topic, &payload),
        Notice::Acked { id, heard } => {
            if let Some(number) = number(&id) {
                desk.acked(number, heard);
            }
        }
        Notice::Nacked { id, why } => {
            warn!(%why, "the broker refused a message to a box: check its access list");
            if let Some(number) = number(&id) {
                desk.sending(Event::Nacked(number));
            }
        }
        Notice::Stopped => {}
    }
    true
}

fn number(id: &MessageId) -> Option<u64> {
    id.group().parse().ok()
}
