//! Topics under the root `scanward/v1/<site>/<device>`. No patient data in a topic.

use crate::ids::{FindingId, SlugName};
use crate::outcome::Priority;

/// The root of all topics of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    site: SlugName,
    device: SlugName,
}

/// A topic of the contract, under a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The box's state, retained; the last will goes here.
    Health,
    /// A triaged series.
    Finding(Priority),
    /// Every series.
    Outcome,
    /// The picture of a finding.
    Preview(FindingId),
    /// A nurse has seen a finding (ward to box).
    Ack,
    /// A physician's word on a finding (ward to box).
    Verdict,
    /// The durable state of a finding, retained.
    Receipt(FindingId),
    /// The state of model and image updates, retained.
    Update,
    /// The state of federated learning, retained.
    Learning,
}

impl Root {
    /// The root of `device` at `site`.
    pub fn new(site: SlugName, device: SlugName) -> Root {
        Root { site, device }
    }

    /// The full topic name.
    pub fn topic(&self, topic: &Topic) -> String {
        let root = format!("scanward/v1/{}/{}", self.site, self.device);
        match topic {
            Topic::Health => format!("{root}/health"),
            Topic::Finding(priority) => format!("{root}/finding/{}", priority.as_str()),
            Topic::Outcome => format!("{root}/outcome"),
            Topic::Preview(id) => format!("{root}/preview/{id}"),
            Topic::Ack => format!("{root}/ack"),
            Topic::Verdict => format!("{root}/verdict"),
            Topic::Receipt(id) => format!("{root}/receipt/{id}"),
            Topic::Update => format!("{root}/update"),
            Topic::Learning => format!("{root}/learning"),
        }
    }

    /// The CloudEvents source, `urn:scanward:<site>:<device>`.
    pub fn source(&self) -> String {
        format!("urn:scanward:{}:{}", self.site, self.device)
    }

    /// The MQTT client id: one per box, so a second box of the same name takes over visibly.
    pub fn client_id(&self) -> String {
        format!("scanward-{}-{}", self.site, self.device)
    }
}
