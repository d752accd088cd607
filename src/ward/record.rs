//! What the ward holds of a finding and of a box, and how a message changes it. Pure.

use super::hear::{BoxName, BoxState, NotTriaged, Said, Told};
use super::settings::BoxLimits;
use crate::ids::FindingId;
use crate::outcome::Priority;
use crate::units::WallTime;
use crate::wire::{FindingState, ReceiptPayload};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FindingRecord {
    /// The box.
    pub(super) from: BoxName,
    /// What it told.
    pub(super) told: Told,
    /// When it came in.
    pub(super) received_at: WallTime,
    /// The newest word of the box on its state.
    pub(super) receipt: Option<ReceiptPayload>,
    /// Whether nobody looked for too long.
    pub(super) escalated: bool,
    /// The finding that stands in its place.
    pub(super) superseded_by: Option<FindingId>,
    /// Whether there is a picture.
    pub(super) has_preview: bool,
    /// The change that it was changed by last.
    pub(super) sequence: u64,
}

impl FindingRecord {
    /// Where it stands, as far as the box has said.
    pub(super) fn state(&self) -> FindingState {
        self.receipt
            .as_ref()
            .map_or(FindingState::Open, |receipt| receipt.state)
    }

    /// Whether somebody has to look.
    pub(super) fn is_open(&self) -> bool {
        let unseen = match self.state() {
            FindingState::Open | FindingState::Escalated => true,
            FindingState::Acknowledged
            | FindingState::Confirmed
            | FindingState::Corrected
            | FindingState::Rejected => false,
        };
        unseen && self.superseded_by.is_none()
    }

    /// Takes the box's word; `false` when it is not newer than what is known.
    pub(super) fn take_receipt(&mut self, receipt: &ReceiptPayload) -> bool {
        if self
            .receipt
            .as_ref()
            .is_some_and(|known| known.sequence >= receipt.sequence)
        {
            return false;
        }
        self.escalated |= receipt.state == FindingState::Escalated;
        self.receipt = Some(receipt.clone());
        true
    }

    /// Takes a finding that came again; `false` when it tells nothing new. Under the topic of another priority it was
    /// escalated.
    pub(super) fn take_repeat(&mut self, topic: Priority) -> bool {
        let escalates = topic != self.told.data.priority && !self.escalated;
        self.escalated |= escalates;
        escalates
    }

    /// Takes that another finding stands in its place; `false` when that is known.
    pub(super) fn take_superseded(&mut self, by: &FindingId) -> bool {
        let news = self.superseded_by.is_none();
        if news {
            self.superseded_by = Some(by.clone());
        }
        news
    }
}

/// A series that ended without a finding.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NotTriagedRecord {
    /// The box.
    pub(super) from: BoxName,
    /// What it told.
    pub(super) told: NotTriaged,
    /// When it came in.
    pub(super) received_at: WallTime,
    /// What became of the series since, where that is known: nobody has to see to it any more.
    pub(super) superseded_by: Option<FindingId>,
    /// The change that it was changed by last.
    pub(super) sequence: u64,
}

/// A box.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BoxRecord {
    /// Its name.
    pub(super) name: BoxName,
    /// What it said last.
    pub(super) said: Said,
    /// When it said something new.
    pub(super) last_seen: WallTime,
    /// How its light stands.
    pub(super) light: Light,
    /// The change that it was changed by last.
    pub(super) sequence: u64,
}

/// How a box is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Light {
    /// Well.
    Green,
    /// Look at it soon.
    Amber,
    /// Nothing comes from it.
    Red,
}

/// Whether this server hears boxes at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ear {
    /// Whether the broker hands on what boxes say.
    pub(super) connected: bool,
    /// Since when that is so.
    pub(super) since: WallTime,
}

impl Ear {
    /// A broken connection is made anew within seconds: only a longer one is told of.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Since when nothing has been heard, where that lasts.
    pub(super) fn deaf_since(&self, now: WallTime) -> Option<WallTime> {
        let deaf = !self.connected && now.since(self.since) >= Ear::PATIENCE;
        deaf.then_some(self.since)
    }
}

impl BoxRecord {
    /// Takes what the box says; `false` when it is no news.
    ///
    /// A last will may arrive late, after a newer birth: it is told by its lower `boot`. A birth with a lower one is of a
    /// box that was set up anew.
    pub(super) fn take(&mut self, said: &Said, now: WallTime) -> bool {
        let is_will = said.state == BoxState::Offline;
        let known_will = self.said.state == BoxState::Offline && said.boot == self.said.boot;
        if is_will && (said.boot < self.said.boot || known_will) || *said == self.said {
            return false;
        }
        if is_will {
            // The will tells nothing else: what was known of model and version stays.
            self.said.state = BoxState::Offline;
            self.said.boot = said.boot;
        } else {
            self.said = said.clone();
        }
        self.last_seen = now;
        true
    }

    /// For how long it has said nothing to an ear that listened.
    fn silence(&self, now: WallTime, ear: Ear) -> Duration {
        now.since(self.last_seen.max(ear.since))
    }

    /// How its light stands at `now`.
    pub(super) fn light_at(&self, now: WallTime, ear: Ear, limits: &BoxLimits) -> Light {
        let silence = self.silence(now, ear);
        let gone = self.said.state == BoxState::Offline || ear.deaf_since(now).is_some();
        if gone || silence >= limits.lost {
            Light::Red
        } else if self.said.state == BoxState::Degraded || silence >= limits.silent {
            Light::Amber
        } else {
            Light::Green
        }
    }

    /// Why its light is not green, in words for the nursing station.
    pub(super) fn reasons(&self, now: WallTime, ear: Ear, limits: &BoxLimits) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(since) = ear.deaf_since(now) {
            reasons.push(format!(
                "This server has heard nothing from the broker since {since}: nothing new is shown."
            ));
        }
        if self.said.state == BoxState::Offline {
            reasons.push("The box is switched off or has no network.".to_owned());
        } else if self.silence(now, ear) >= limits.silent {
            reasons.push(format!(
                "The box has said nothing since {}.",
                self.last_seen
            ));
        }
        if self.said.state == BoxState::Degraded {
            reasons.extend(self.said.degraded.iter().map(|code| words(code)));
        }
        reasons
    }
}

/// The codes of docs/operating.md in words; a newer box may have others.
fn words(code: &str) -> String {
    let known = match code {
        "disk-low" => "The box's disk is almost full.",
        "store-failing" => "The box cannot write to its disk.",
        "folder-unreachable" => {
            "The box does not see the scanner's export folder: no series come in."
        }
        "clock-unsynchronised" => "The box's clock may be wrong.",
        "model-missing" => "The box has no model: nothing is triaged.",
        "temperature-high" => "The box is hot.",
        "outbox-full" => "The box takes no series until its messages go out.",
        "publish-refused" => "The broker refuses the box's messages.",
        "ward-unheard" => "The box does not hear acknowledgements and verdicts.",
        "nobody-listening" => "A finding went out, and nobody was listening.",
        _ if code.starts_with("accelerator-") => {
            "The box's accelerator does not work: it triages more slowly."
        }
        _ => {
            return code
                .chars()
                .filter(|letter| !letter.is_control())
                .take(64)
                .collect();
        }
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SlugName;
    use crate::ward::hear::{Heard, hear};

    const LIMITS: BoxLimits = BoxLimits {
        silent: Duration::from_secs(120),
        lost: Duration::from_secs(600),
    };

    fn golden(topic: &str, name: &str) -> Heard {
        let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let site = SlugName::parse("north").unwrap();
        let topic = format!("scanward/v1/north/ct-2/{topic}");
        hear(&site, &topic, &std::fs::read(path).unwrap()).unwrap()
    }

    fn finding() -> FindingRecord {
        let Heard::Finding { from, told, .. } = golden("finding/urgent", "finding") else {
            panic!("no finding");
        };
        FindingRecord {
            from,
            told: *told,
            received_at: WallTime::default(),
            receipt: None,
            escalated: false,
            superseded_by: None,
            has_preview: false,
            sequence: 0,
        }
    }

    fn receipt(state: FindingState, sequence: u64) -> ReceiptPayload {
        let topic = "receipt/a57e214a-243a-5efb-8c4d-99cc65e50048";
        let Heard::Receipt(known) = golden(topic, "receipt-open") else {
            panic!("no receipt");
        };
        ReceiptPayload {
            state,
            sequence,
            ..*known
        }
    }

    #[test]
    fn only_a_newer_receipt_changes_the_state() {
        let mut finding = finding();
        assert!(finding.is_open());
        assert!(finding.take_receipt(&receipt(FindingState::Escalated, 2)));
        assert!(!finding.take_receipt(&receipt(FindingState::Open, 1)));
        assert!(!finding.take_receipt(&receipt(FindingState::Acknowledged, 2)));
        assert!(finding.is_open() && finding.escalated);
        assert!(finding.take_receipt(&receipt(FindingState::Acknowledged, 3)));
        assert!(!finding.is_open() && finding.escalated);
    }

    #[test]
    fn a_repeat_is_news_only_under_another_topic_and_once() {
        let mut finding = finding();
        assert!(!finding.take_repeat(Priority::Urgent));
        assert!(finding.take_repeat(Priority::Critical));
        assert!(!finding.take_repeat(Priority::Critical));
    }

    #[test]
    fn a_replaced_finding_needs_nobody() {
        let mut finding = finding();
        let by = finding.told.id.clone();
        assert!(finding.take_superseded(&by));
        assert!(!finding.take_superseded(&by));
        assert!(!finding.is_open());
    }

    fn said(state: BoxState, boot: u64, sequence: u64) -> Said {
        let Heard::Health { said, .. } = golden("health", "health") else {
            panic!("no health");
        };
        Said {
            state,
            boot,
            sequence,
            ..*said
        }
    }

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_millis(seconds * 1000)
    }

    fn a_box() -> BoxRecord {
        let Heard::Health { from, .. } = golden("health", "health") else {
            panic!("no health");
        };
        BoxRecord {
            name: from,
            said: said(BoxState::Online, 5, 1),
            last_seen: at(0),
            light: Light::Green,
            sequence: 0,
        }
    }

    #[test]
    fn a_will_that_comes_after_a_newer_birth_is_passed_over() {
        let mut it = a_box();
        assert!(!it.take(&said(BoxState::Offline, 4, 0), at(1)));
        assert!(it.take(&said(BoxState::Offline, 5, 0), at(2)));
        let ear = Ear {
            connected: true,
            since: at(0),
        };
        assert_eq!(it.light_at(at(2), ear, &LIMITS), Light::Red);
        assert_eq!(it.said.version, "0.1.0");
        assert!(it.take(&said(BoxState::Online, 6, 1), at(3)));
        assert!(it.take(&said(BoxState::Online, 1, 1), at(4)), "set up anew");
    }

    #[test]
    fn a_document_that_the_broker_kept_does_not_make_a_silent_box_fresh() {
        let mut it = a_box();
        assert!(!it.take(&said(BoxState::Online, 5, 1), at(500)));
        assert_eq!(it.last_seen, at(0));
    }

    #[test]
    fn silence_turns_the_light_and_says_why() {
        let it = a_box();
        let ear = |connected, seconds| Ear {
            connected,
            since: at(seconds),
        };
        for (now, ear, light, reasons) in [
            (119, ear(true, -9), Light::Green, 0),
            (120, ear(true, -9), Light::Amber, 1),
            (600, ear(true, -9), Light::Red, 1),
            // Who has not listened cannot say that the box was silent.
            (600, ear(true, 590), Light::Green, 0),
            (40, ear(false, 20), Light::Green, 0),
            (50, ear(false, 20), Light::Red, 1),
        ] {
            assert_eq!(it.light_at(at(now), ear, &LIMITS), light, "{now}");
            assert_eq!(it.reasons(at(now), ear, &LIMITS).len(), reasons, "{now}");
        }
        let mut degraded = a_box();
        assert!(degraded.take(&said(BoxState::Degraded, 5, 2), at(1)));
        let reasons = degraded.reasons(at(1), ear(true, 0), &LIMITS);
        assert_eq!(reasons, ["The box's disk is almost full."]);
    }
}
