//! The machine.

use super::answers::Answers;
use super::change::Words;
use super::clock::LifeClock;
use super::decide::{self, Decided};
use super::event::{
    Action, Change, Claim, Event, Found, Limits, Said, SignedVerdict, Tally, Watched,
};
use super::keys::KeyRing;
use crate::ids::FindingId;
use crate::outbox::At;
use crate::outcome::Priority;
use crate::store::{ClockRecord, FindingRecord};
use crate::units::{Lived, Moment};
use crate::wire::{AckPayload, RefusedCode, RefusedWhat, Root, VerdictPayload, named_finding};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Wait before what the store refused is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Words of the ward that may wait for the store; more are dropped and counted.
const WAITING_MAX: usize = 64;

/// A finding's way.
///
/// ```text
///   open ──ack──> acknowledged ──┐
///    │  └─overdue─> escalated ─ack─> acknowledged
///    └──────────────┴────────────┴──verdict──> confirmed | corrected | rejected ──later verdict──> …
/// ```
#[derive(Debug)]
pub struct Review {
    limits: Limits,
    root: Root,
    clock: LifeClock,
    keys: KeyRing,
    /// The findings that escalate, and from when on it may be tried.
    watched: BTreeMap<FindingId, (Watched, Moment)>,
    /// What is to be decided, and from when on. One at a time: two decided from one record would undo one another.
    waiting: VecDeque<(Moment, Claim)>,
    deciding: bool,
    refused: u64,
    answers: Answers,
}

impl Review {
    /// A machine that watches nothing yet, of a box with these topics.
    pub fn new(limits: Limits, root: Root) -> Review {
        Review {
            limits,
            root,
            clock: LifeClock::default(),
            keys: KeyRing::default(),
            watched: BTreeMap::new(),
            waiting: VecDeque::new(),
            deciding: false,
            refused: 0,
            answers: Answers::default(),
        }
    }

    /// How long the box has lived.
    pub fn lived(&self, now: Moment) -> Lived {
        self.clock.lived(now)
    }

    /// What is written of the clock.
    pub fn clock(&self, at: At) -> ClockRecord {
        self.clock.record(at.now, at.wall)
    }

    /// Whether a finding of `priority` escalates at all.
    pub fn watches(&self, priority: Priority) -> bool {
        self.limits.escalate_after(priority).is_some()
    }

    /// Figures for the health document.
    pub fn tally(&self) -> Tally {
        Tally {
            refused: self.refused,
            keys_counter: self.keys.counter(),
        }
    }

    /// Takes an event; returns what to do, in order.
    pub fn handle(&mut self, event: Event, at: At) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Resumed(written) => {
                self.clock = LifeClock::resume(written, at.now, at.wall);
                self.write_clock(at, &mut actions);
            }
            Event::KeysRecalled(payload) => self.recall_keys(&payload, &mut actions),
            Event::Opened(watched) => {
                self.clock.at_least(watched.opened, at.now);
                let id = watched.finding.clone();
                self.watched.insert(id, (watched, Moment::default()));
            }
            Event::Superseded(finding) => {
                self.watched.remove(&finding);
            }
            Event::Heard(said, payload) => self.hear(said, payload, at, &mut actions),
            Event::Looked(claim, found) => self.decide(claim, found, at, &mut actions),
            Event::LookFailed(claim) => self.try_again(claim, at),
            Event::Saved(change) => self.saved(&change),
            Event::SaveFailed(change) => self.try_again(change.claim, at),
            Event::KeysSaved(list) => self.keys = KeyRing::of(&list),
            Event::Tick => {}
        }
        self.look_next(at, &mut actions);
        if !self.watched.is_empty() && self.clock.due_at() <= at.now {
            self.write_clock(at, &mut actions);
        }
        actions
    }

    /// When to call with [`Event::Tick`] at the latest; `None` while only an event can change anything.
    pub fn wake_at(&self) -> Option<Moment> {
        let due = self
            .watched
            .values()
            .filter_map(|(watched, not_before)| Some(self.due_at(watched)?.max(*not_before)));
        let again = self.waiting.iter().map(|(when, _)| *when);
        let clock = (!self.watched.is_empty()).then(|| self.clock.due_at());
        due.chain(again).chain(clock).min()
    }

    // ---- hearing ---------------------------------------------------------------------------------------------

    fn hear(&mut self, said: Said, payload: Vec<u8>, at: At, actions: &mut Vec<Action>) {
        let claim = match said {
            Said::Ack => AckPayload::parse(&payload).map(Claim::Ack),
            Said::Verdict => VerdictPayload::parse(&payload).map(|read| {
                let bytes = payload.clone();
                Claim::Verdict(Box::new(SignedVerdict {
                    payload: read,
                    bytes,
                }))
            }),
            Said::Keys => return self.hear_keys(payload, actions),
        };
        let what = match said {
            Said::Ack => RefusedWhat::Ack,
            Said::Verdict | Said::Keys => RefusedWhat::Verdict,
        };
        let broken = || named_finding(&payload).map(|finding| Claim::Broken(finding, what));
        match claim.ok().or_else(broken) {
            Some(claim) => self.wait(claim, at.now),
            None => {
                self.refuse(said, RefusedCode::Malformed, at, actions);
            }
        }
    }

    fn hear_keys(&mut self, payload: Vec<u8>, actions: &mut Vec<Action>) {
        match self.keys.offered(&payload, &self.limits.it_keys) {
            Ok(Some(list)) => actions.push(Action::SaveKeys(Box::new(list), payload)),
            Ok(None) => {}
            Err(why) => {
                self.refused = self.refused.saturating_add(1);
                actions.push(Action::ListRefused(why));
            }
        }
    }

    fn recall_keys(&mut self, payload: &[u8], actions: &mut Vec<Action>) {
        match KeyRing::recalled(payload, &self.limits.it_keys) {
            Ok(keys) => self.keys = keys,
            Err(why) => actions.push(Action::ListRefused(why)),
        }
    }

    /// Counts what was refused; the log hears of it as often as the ward is answered.
    fn refuse(&mut self, said: Said, code: RefusedCode, at: At, actions: &mut Vec<Action>) -> bool {
        self.refused = self.refused.saturating_add(1);
        let answers = self.answers.take(at.now);
        if answers {
            actions.push(Action::Refused(said, code.code()));
        }
        answers
    }

    // ---- deciding --------------------------------------------------------------------------------------------

    fn decide(
        &mut self,
        claim: Claim,
        found: Option<Box<Found>>,
        at: At,
        actions: &mut Vec<Action>,
    ) {
        self.deciding = false;
        let Some(said) = claim.said() else {
            return self.escalate(claim, found, at, actions);
        };
        let Some(mut found) = found else {
            self.refuse(said, RefusedCode::UnknownFinding, at, actions);
            return;
        };
        let record = &mut found.record;
        let decided = match &claim {
            Claim::Ack(ack) => decide::acknowledge(&mut record.review, ack, at.wall),
            Claim::Verdict(signed) => decide::judge(record, &signed.payload, &self.keys, at.wall),
            Claim::Broken(..) | Claim::Overdue(_) => Decided::Refused(RefusedCode::Malformed),
        };
        let (told, refused) = match decided {
            Decided::Changed => (true, None),
            Decided::Again => (self.answers.take(at.now), None),
            Decided::Refused(code) => (self.refuse(said, code, at, actions), Some(code)),
        };
        if !told {
            return;
        }
        let words = Words {
            refused,
            label: (decided == Decided::Changed).then_some(self.limits.labels),
            message: None,
        };
        self.save(claim, found.record, words, at, actions);
    }

    fn escalate(
        &mut self,
        claim: Claim,
        found: Option<Box<Found>>,
        at: At,
        actions: &mut Vec<Action>,
    ) {
        let mut found = found;
        let due = |found: &mut Box<Found>| decide::escalate(&mut found.record.review, at.wall);
        match found.take_if(due) {
            Some(found) => {
                let words = Words {
                    message: found.message,
                    ..Words::default()
                };
                self.save(claim, found.record, words, at, actions);
            }
            // Forgotten by the store, or settled otherwise.
            None => {
                self.watched.remove(claim.finding());
            }
        }
    }

    fn save(
        &mut self,
        claim: Claim,
        record: FindingRecord,
        words: Words,
        at: At,
        actions: &mut Vec<Action>,
    ) {
        match Change::new(claim.clone(), record, words, &self.root, at.wall) {
            Ok(change) => {
                self.deciding = true;
                actions.push(Action::Save(Box::new(change)));
            }
            // Numbers of our own record that cannot be written: tried again, for it must not be passed over.
            Err(_) => self.try_again(claim, at),
        }
    }

    fn saved(&mut self, change: &Change) {
        self.deciding = false;
        if change.unwatch {
            self.watched.remove(&change.record.id);
        }
    }

    // ---- waiting ---------------------------------------------------------------------------------------------

    fn wait(&mut self, claim: Claim, when: Moment) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((when, claim));
        } else {
            self.refused = self.refused.saturating_add(1);
        }
    }

    /// The store failed: what is overdue stays so, what the ward said waits.
    fn try_again(&mut self, claim: Claim, at: At) {
        self.deciding = false;
        let when = at.now.after(AGAIN_AFTER);
        let Claim::Overdue(finding) = &claim else {
            return self.wait(claim, when);
        };
        if let Some((_, not_before)) = self.watched.get_mut(finding) {
            *not_before = when;
        }
    }

    fn look_next(&mut self, at: At, actions: &mut Vec<Action>) {
        if self.deciding {
            return;
        }
        let ready = self.waiting.iter().position(|(when, _)| *when <= at.now);
        let said = ready.and_then(|place| self.waiting.remove(place));
        let claim = said.map(|(_, claim)| claim).or_else(|| self.overdue(at));
        if let Some(claim) = claim {
            self.deciding = true;
            actions.push(Action::Look(claim));
        }
    }

    fn overdue(&self, at: At) -> Option<Claim> {
        let is_due = |(watched, not_before): &(Watched, Moment)| {
            let due = self.due_at(watched);
            *not_before <= at.now && due.is_some_and(|due| due <= at.now)
        };
        let mut all = self.watched.iter();
        let (finding, _) = all.find(|(_, entry)| is_due(entry))?;
        Some(Claim::Overdue(finding.clone()))
    }

    /// When a finding escalates; `None` never.
    fn due_at(&self, watched: &Watched) -> Option<Moment> {
        let wait = self.limits.escalate_after(watched.priority)?;
        Some(self.clock.moment(watched.opened.after(wait)))
    }

    fn write_clock(&mut self, at: At, actions: &mut Vec<Action>) {
        self.clock.written(at.now);
        actions.push(Action::SaveClock(self.clock.record(at.now, at.wall)));
    }
}
