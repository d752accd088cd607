//! Topics under the root `scanward/v1/<site>/<device>`. No patient data in a topic.

use crate::ids::{FindingId, SlugName};
use crate::outcome::Priority;

/// The root of all topics of one box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The keys of those who may sign a verdict, retained (ward to box).
    Keys,
    /// The durable state of a finding, retained.
    Receipt(FindingId),
    /// The state of model and image updates, retained.
    Update,
    /// The state of federated learning, retained.
    Learning,
}

impl Topic {
    /// The topic under a root.
    fn parse(rest: &str) -> Option<Topic> {
        let (word, id) = rest.split_once('/').unwrap_or((rest, ""));
        let finding = || FindingId::parse(id).ok();
        let plain = |topic| (!rest.contains('/')).then_some(topic);
        match word {
            "health" => plain(Topic::Health),
            "finding" => Priority::parse(id).map(Topic::Finding),
            "outcome" => plain(Topic::Outcome),
            "preview" => finding().map(Topic::Preview),
            "ack" => plain(Topic::Ack),
            "verdict" => plain(Topic::Verdict),
            "keys" => plain(Topic::Keys),
            "receipt" => finding().map(Topic::Receipt),
            "update" => plain(Topic::Update),
            "learning" => plain(Topic::Learning),
            _ => None,
        }
    }
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
            Topic::Keys => format!("{root}/keys"),
            Topic::Receipt(id) => format!("{root}/receipt/{id}"),
            Topic::Update => format!("{root}/update"),
            Topic::Learning => format!("{root}/learning"),
        }
    }

    /// The root and the topic that `name` is; `None` for a name that the contract does not know.
    pub fn parse(name: &str) -> Option<(Root, Topic)> {
        let mut parts = name.strip_prefix("scanward/v1/")?.splitn(3, '/');
        let site = SlugName::parse(parts.next()?).ok()?;
        let device = SlugName::parse(parts.next()?).ok()?;
        let topic = Topic::parse(parts.next()?)?;
        Some((Root::new(site, device), topic))
    }

    /// The site's name.
    pub fn site(&self) -> &SlugName {
        &self.site
    }

    /// The box's name.
    pub fn device(&self) -> &SlugName {
        &self.device
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
