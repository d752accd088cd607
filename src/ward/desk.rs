//! Everything the server works with, shared by the broker's thread and the pages' requests.

use super::audit::Entry;
use super::events::{Change, Events, Told};
use super::files::Files;
use super::hear::{Heard, Unheard, hear};
use super::limiter::Limiter;
use super::names::Names;
use super::oidc::Oidc;
use super::record::{BoxRecord, Ear, FindingRecord, NotTriagedRecord};
use super::sending::{Event, Sending};
use super::session::Sessions;
use super::settings::Settings;
use super::store::{Db, Store, StoreError, Waiting};
use super::take::{Changes, Hearing, take, turn_lights};
use super::users::{Role, User, Users};
use super::view;
use crate::edge::mqtt::{Command, Link, Publisher};
use crate::edge::{Clock, Failure};
use crate::trust::SigningKey;
use crate::units::WallTime;
use crate::wire::{Kind, Parcel};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use tracing::{error, info, warn};

/// The server's shared parts.
pub(super) struct Desk {
    /// The settings.
    pub(super) settings: Settings,
    /// The clocks.
    pub(super) clock: Clock,
    /// Who is told of changes.
    pub(super) events: Events,
    writer: Mutex<Store>,
    reader: Mutex<Store>,
    users: RwLock<Arc<Users>>,
    /// Who came by the sign-in service, by name.
    people: RwLock<BTreeMap<String, User>>,
    /// The sign-in service.
    pub(super) oidc: Option<Oidc>,
    names: RwLock<Arc<Names>>,
    files: Mutex<Files>,
    /// Who is signed in.
    pub(super) sessions: Mutex<Sessions>,
    /// Wrong passwords.
    pub(super) limiter: Mutex<Limiter>,
    sending: Mutex<Sending>,
    link: OnceLock<Link>,
    ear: Mutex<Ear>,
    counts: Mutex<Counts>,
    /// Of a trial only: signs each list of keys.
    pub(super) signer: Option<SigningKey>,
}

/// Messages of the broker since the start.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// That told something new.
    pub(super) taken: u64,
    /// That told nothing new.
    pub(super) repeated: u64,
    /// On topics that the contract does not know.
    pub(super) unknown: u64,
    /// That do not follow the contract.
    pub(super) malformed: u64,
}

impl Desk {
    /// Opens the store and reads the files. Errors: either fails.
    pub(super) fn open(settings: Settings, signer: Option<SigningKey>) -> Result<Desk, Failure> {
        let clock = Clock::start();
        let now = clock.wall();
        let folder = &settings.state.folder;
        let failed = |error: StoreError| {
            let what = format!("the data in {} cannot be used: {error}", folder.display());
            Failure::new(what, error.advice())
        };
        let mut writer = Store::open(folder).map_err(failed)?;
        let reader = Store::open_reader(folder).map_err(failed)?;
        let (sessions, failures, outgoing) = writer
            .read(|db| Ok((db.sessions(now)?, db.failures()?, db.outgoing_numbers()?)))
            .map_err(failed)?;
        let oidc = settings.oidc.clone().map(Oidc::open).transpose()?;
        let issuer = oidc.as_ref().map(|oidc| oidc.settings.issuer_text());
        let known = issuer.map(|issuer| writer.read(|db| db.people(issuer)));
        let known = known.transpose().map_err(failed)?.unwrap_or_default();
        let people = oidc.iter().flat_map(|oidc| {
            let users = known.iter().map(|known| oidc.user(known));
            users.map(|user| (user.name.clone(), user))
        });
        let people: BTreeMap<String, User> = people.collect();
        let mut files = Files::default();
        let users = files.first_users(&settings)?;
        let names = files.new_names(&settings).unwrap_or_default();
        Ok(Desk {
            clock,
            events: Events::default(),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            users: RwLock::new(Arc::new(users)),
            people: RwLock::new(people),
            oidc,
            names: RwLock::new(Arc::new(names)),
            files: Mutex::new(files),
            sessions: Mutex::new(Sessions::new(settings.session, sessions)),
            limiter: Mutex::new(Limiter::new(failures)),
            sending: Mutex::new(Sending::new(outgoing)),
            link: OnceLock::new(),
            ear: Mutex::new(Ear {
                connected: false,
                since: now,
            }),
            counts: Mutex::default(),
            signer,
            settings,
        })
    }

    /// The user `name`: of the users' file, else of those who came by the sign-in service.
    pub(super) fn user(&self, name: &str) -> Option<User> {
        let local = self.users().find(name).cloned();
        local.or_else(|| {
            let people = self.people.read().unwrap_or_else(PoisonError::into_inner);
            people.get(name).cloned()
        })
    }

    /// Takes somebody who came by the sign-in service.
    pub(super) fn welcome(&self, user: User) {
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        people.insert(user.name.clone(), user);
    }

    /// Who may sign in with a password.
    pub(super) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The patients' names.
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How the connection to the broker stands.
    pub(super) fn ear(&self) -> Ear {
        *locked(&self.ear)
    }

    /// Messages so far.
    pub(super) fn counts(&self) -> Counts {
        *locked(&self.counts)
    }

    // ---- the store -------------------------------------------------------------------------------------------

    /// Does `work` in one transaction, then tells pages and boxes what it changed.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Db<'_>, &mut Changes) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut changes = Changes::default();
        let mut store = locked(&self.writer);
        let done = store.write(|db| work(db, &mut changes))?;
        // Still locked: pages hear of changes in the order of their numbers.
        self.tell(&changes);
        drop(store);
        for number in changes.outgoing {
            self.sending(Event::Queued(number));
        }
        Ok(done)
    }

    /// Does `work` on one state of the store.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Db<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        locked(&self.reader).read(work)
    }

    /// Writes an entry of the audit list, alone.
    pub(super) fn audit(&self, entry: &Entry) -> Result<(), StoreError> {
        let now = self.clock.wall();
        self.write(|db, _| db.audit(now, entry))
    }

    fn tell(&self, changes: &Changes) {
        if self.events.count() == 0 {
            return;
        }
        let names = self.names();
        for record in &changes.findings {
            self.events
                .tell(Change::Told(Arc::new(told(record, &names))));
        }
        for record in &changes.not_triaged {
            self.events
                .tell(Change::Told(Arc::new(not_triaged_told(record, &names))));
        }
        for record in &changes.boxes {
            self.events
                .tell(Change::Told(Arc::new(self.box_told(record))));
        }
    }

    /// The change of a box.
    pub(super) fn box_told(&self, record: &BoxRecord) -> Told {
        let view = view::a_box(record, self.clock.wall(), self.ear(), &self.settings.boxes);
        let text = serde_json::to_string(&view).unwrap_or_default();
        Told {
            sequence: record.sequence,
            what: "box",
            clinical: text.clone(),
            technical: text,
        }
    }

    // ---- the broker ------------------------------------------------------------------------------------------

    /// Gives the desk the link to the broker, once.
    pub(super) fn connect(&self, link: Link) {
        // A second one has no use.
        drop(self.link.set(link));
    }

    /// Whether the link's thread runs.
    pub(super) fn link_is_alive(&self) -> bool {
        self.link.get().is_some_and(Link::is_alive)
    }

    /// Asks the link to end.
    pub(super) fn hang_up(&self) {
        if let Some(link) = self.link.get() {
            let _ended_before = link.ask(Command::Stop(Vec::new()));
        }
    }

    /// Takes a message of the broker; `false` when it could not be kept and must come again.
    pub(super) fn hear(&self, topic: &str, payload: &[u8]) -> bool {
        let heard = match hear(&self.settings.site, topic, payload) {
            Ok(heard) => heard,
            Err(why) => {
                self.count(|counts| match why {
                    Unheard::Topic => counts.unknown += 1,
                    Unheard::Payload => counts.malformed += 1,
                });
                // Neither topic nor payload: both are whatever somebody sent.
                warn!(bytes = payload.len(), %why, "a message was passed over");
                return true;
            }
        };
        let ear = self.ear();
        let at = Hearing {
            now: self.clock.wall(),
            ear,
            limits: &self.settings.boxes,
        };
        match self.write(|db, changes| take(db, &heard, &at, changes)) {
            Ok(news) => {
                self.count(|counts| match news {
                    true => counts.taken += 1,
                    false => counts.repeated += 1,
                });
                true
            }
            Err(StoreError::Full { what }) => {
                warn!(what, "a message was passed over: too many");
                true
            }
            Err(why) => {
                error!(%why, advice = why.advice(), "a message was not kept; the broker will send it again");
                // The next health document is due soon: no reason to make the connection anew.
                matches!(heard, Heard::Health { .. })
            }
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut locked(&self.counts));
    }

    /// The connection came, or broke.
    pub(super) fn connected(&self, connected: bool) {
        let now = self.clock.wall();
        {
            let mut ear = locked(&self.ear);
            if ear.connected != connected {
                *ear = Ear {
                    connected,
                    since: now,
                };
            }
        }
        self.sending(match connected {
            true => Event::Online,
            false => Event::Offline,
        });
    }

    /// The broker took a message; `heard` is whether anybody was subscribed to it.
    pub(super) fn acked(&self, number: u64, heard: bool) {
        let is_kept = |waiting: &Waiting| waiting.retain;
        let found = || self.read(|db| db.outgoing(number));
        // The box has never been at this broker, or its session there is over: it has not got it.
        if !heard && !found().is_ok_and(|found| found.as_ref().is_none_or(is_kept)) {
            warn!("a message reached no box; it is sent again in a minute");
            return self.sending(Event::Nacked(number));
        }
        self.sending(Event::Acked(number));
    }

    /// Lets the sender take an event, and hands what it wants sent to the link.
    pub(super) fn sending(&self, event: Event) {
        let now = self.clock.now();
        if let Event::Acked(number) = event
            && let Err(why) = self.write(|db, _| db.drop_outgoing(number))
        {
            // It is sent again after the next start: boxes take a repeat for what it is.
            error!(%why, "a message that was sent stays in the store");
        }
        let mut next = locked(&self.sending).handle(event, now);
        while let Some(number) = next {
            match self.send(number) {
                Ok(true) => return,
                // Another took its place.
                Ok(false) => next = locked(&self.sending).handle(Event::Acked(number), now),
                Err(why) => {
                    warn!(%why, "a message to a box waits");
                    locked(&self.sending).handle(Event::Busy(number), now);
                    return;
                }
            }
        }
    }

    fn send(&self, number: u64) -> Result<bool, String> {
        let waiting = self
            .read(|db| db.outgoing(number))
            .map_err(|error| error.to_string())?;
        let Some(waiting) = waiting else {
            return Ok(false);
        };
        let link = self.link.get().ok_or("there is no link yet")?;
        let mut parcel = Parcel::new(
            &number.to_string(),
            Kind::Ward,
            waiting.topic,
            waiting.payload,
        );
        parcel.text = true;
        parcel.content_type = "application/json".to_owned();
        parcel.retain = waiting.retain;
        let asked = link.ask(Command::Send(Box::new(parcel)));
        asked.map(|()| true).map_err(|error| error.to_string())
    }

    // ---- time ------------------------------------------------------------------------------------------------

    /// What is due every second: sessions that are over, messages put off, lights, changed files.
    pub(super) fn tick(&self) {
        let now = self.clock.wall();
        self.sending(Event::Tick);
        self.turn_lights(now);
        self.read_files();
        self.sweep_sessions(now);
    }

    fn turn_lights(&self, now: WallTime) {
        let at = Hearing {
            now,
            ear: self.ear(),
            limits: &self.settings.boxes,
        };
        // Looked for beside the writer: mostly no light turns.
        let turns = self.read(|db| {
            let boxes = db.boxes()?;
            Ok(boxes
                .iter()
                .any(|it| it.light_at(now, at.ear, at.limits) != it.light))
        });
        let turned = match turns {
            Ok(false) => Ok(()),
            Ok(true) => self.write(|db, changes| turn_lights(db, &at, changes)),
            Err(why) => Err(why),
        };
        if let Err(why) = turned {
            error!(%why, "the boxes' lights could not be looked after");
        }
    }

    /// A large file takes its time: whoever asks for a name meanwhile is given those of before.
    fn read_files(&self) {
        let mut files = locked(&self.files);
        if let Some(users) = files.new_users(&self.settings) {
            info!(users = users.count(), "the users were read again");
            *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
        }
        if let Some(names) = files.new_names(&self.settings) {
            info!(names = names.count(), "the names were read again");
            *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
            self.events.tell(Change::Reload);
        }
    }

    fn sweep_sessions(&self, now: WallTime) {
        let gone = locked(&self.sessions).sweep(now, |session| {
            self.user(&session.user)
                .is_some_and(|user| user.proof() == session.proof)
        });
        if gone.is_empty() {
            return;
        }
        self.events.tell(Change::Sessions);
        if let Err(why) = self.write(|db, _| db.drop_sessions(&gone)) {
            error!(%why, "sessions that are over stay in the store");
        }
    }

    /// Takes away what is older than its time.
    pub(super) fn tidy(&self) {
        let now = self.clock.wall();
        let state = &self.settings.state;
        loop {
            match self.write(|db, _| db.tidy(now, state.keep, state.keep_previews)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(why) => return error!(%why, "old findings could not be taken away"),
            }
        }
    }
}

/// The change of a finding.
pub(super) fn told(record: &FindingRecord, names: &Names) -> Told {
    told_by_role(record.sequence, "finding", |role| {
        serde_json::to_string(&view::finding(record, names, role))
    })
}

/// The change of a series without a finding.
pub(super) fn not_triaged_told(record: &NotTriagedRecord, names: &Names) -> Told {
    told_by_role(record.sequence, "not-triaged", |role| {
        serde_json::to_string(&view::not_triaged(record, names, role))
    })
}

fn told_by_role(
    sequence: u64,
    what: &'static str,
    written: impl Fn(Role) -> serde_json::Result<String>,
) -> Told {
    Told {
        sequence,
        what,
        clinical: written(Role::Nurse).unwrap_or_default(),
        technical: written(Role::It).unwrap_or_default(),
    }
}

/// What a panic left locked is still whole: each change is made in one step.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
