//! The machine: it keeps the figures and says when the document is due.

use super::reason::Degraded;
use crate::outcome::ModelFacts;
use crate::units::{Moment, WallTime};
use crate::wire::{
    ClockPayload, FolderPayload, HealthPayload, HealthState, ModelPayload, OfflinePayload,
    OutboxPayload, SeriesCountPayload, WardPayload,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often the document goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At least so often.
    pub interval: Duration,
    /// At most so often, whatever changes.
    pub interval_min: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            interval: Duration::from_secs(30),
            interval_min: Duration::from_secs(1),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The broker took the connection: the birth goes out at once.
    Connected,
    /// The connection is gone: nothing is due until the next one.
    Disconnected,
    /// A model was loaded, or taken away.
    Model(Option<ModelFacts>),
    /// A series has its first instance.
    SeriesOpened,
    /// A series has its outcome.
    SeriesClosed {
        /// Whether there is a finding.
        triaged: bool,
    },
    /// How many series are open, where counted anew (at the start).
    SeriesInFlight(u64),
    /// The export folder was looked at.
    Folder {
        /// Whether it is there.
        reachable: bool,
        /// Free space, percent; none where it cannot be told.
        free_percent: Option<f64>,
    },
    /// What waits in the outbox.
    Outbox {
        /// Messages.
        count: u64,
        /// The age of the oldest, s.
        oldest_s: u64,
    },
    /// Whether the wall clock is synchronised.
    Clock {
        /// It is.
        synchronised: bool,
    },
    /// The hottest sensor, degrees Celsius; none where there is no sensor.
    Temperature(Option<f64>),
    /// What came from the ward.
    Ward {
        /// Messages that were refused since the start.
        refused: u64,
        /// The counter of the list of keys that stands; 0 without one.
        keys_counter: u64,
    },
    /// A degraded state begins or ends.
    Degraded {
        /// Which.
        reason: Degraded,
        /// Whether it holds.
        holds: bool,
    },
    /// Time has passed.
    Tick,
}

/// The health of the box.
///
/// ```text
///   (offline) ──connected──> due at once ──published──> quiet ──interval, or a change──> due
///       ^──────────────────────── disconnected ───────────────────────────────────────────┘
/// ```
#[derive(Debug)]
pub struct Health {
    limits: Limits,
    boot: u64,
    version: String,
    since: WallTime,
    sequence: u64,
    connected: bool,
    published: Option<Moment>,
    changed: bool,
    day: i64,
    series: SeriesCountPayload,
    model: Option<ModelFacts>,
    folder: FolderPayload,
    outbox: OutboxPayload,
    clock: ClockPayload,
    temperature_c: Option<f64>,
    degraded: BTreeSet<Degraded>,
    ward: Option<WardPayload>,
}

impl Health {
    /// The health of boot number `boot` of program `version`, started at `since`.
    pub fn new(limits: Limits, boot: u64, version: &str, since: WallTime) -> Health {
        Health {
            limits,
            boot,
            version: version.to_owned(),
            since,
            sequence: 0,
            connected: false,
            published: None,
            changed: false,
            day: day(since),
            series: SeriesCountPayload::default(),
            model: None,
            folder: FolderPayload::default(),
            outbox: OutboxPayload::default(),
            clock: ClockPayload::default(),
            temperature_c: None,
            degraded: BTreeSet::new(),
            ward: None,
        }
    }

    /// Takes an event; returns the document when it is due for publishing.
    pub fn handle(&mut self, event: Event, now: Moment, wall: WallTime) -> Option<HealthPayload> {
        self.turn_day(wall);
        self.note(event);
        let due = self.connected && self.due_at().is_none_or(|due| due <= now);
        due.then(|| {
            self.published = Some(now);
            self.changed = false;
            self.sequence = self.sequence.saturating_add(1);
            self.document()
        })
    }

    /// When to call with [`Event::Tick`] at the latest; `None` while disconnected.
    pub fn wake_at(&self) -> Option<Moment> {
        self.connected.then(|| self.due_at().unwrap_or_default())
    }

    /// The document as it stands.
    pub fn document(&self) -> HealthPayload {
        HealthPayload {
            state: match self.degraded.is_empty() {
                true => HealthState::Online,
                false => HealthState::Degraded,
            },
            boot: self.boot,
            sequence: self.sequence,
            since: self.since.to_string(),
            version: self.version.clone(),
            model: self.model.as_ref().map(ModelPayload::new),
            backend: self.model.as_ref().map(|model| model.backend.clone()),
            outbox: self.outbox,
            series: self.series,
            folder: self.folder,
            clock: self.clock,
            temperature_c: self.temperature_c,
            degraded: self
                .degraded
                .iter()
                .map(|reason| reason.code().to_owned())
                .collect(),
            ward: self.ward,
        }
    }

    /// The last will of this boot, also said at a clean stop.
    pub fn will(&self) -> OfflinePayload {
        OfflinePayload::new(self.boot)
    }

    fn note(&mut self, event: Event) {
        let before = (self.series, self.folder.reachable, self.clock);
        match event {
            Event::Connected => {
                self.connected = true;
                self.published = None;
            }
            Event::Disconnected => self.connected = false,
            Event::Model(model) => {
                self.changed |= self.model != model;
                self.model = model;
            }
            Event::SeriesOpened => {
                self.series.today = self.series.today.saturating_add(1);
                self.series.in_flight = self.series.in_flight.saturating_add(1);
            }
            Event::SeriesClosed { triaged } => self.close_series(triaged),
            Event::SeriesInFlight(count) => self.series.in_flight = count,
            Event::Folder {
                reachable,
                free_percent,
            } => {
                let free_percent = free_percent.filter(|percent| percent.is_finite());
                self.folder = FolderPayload {
                    reachable,
                    free_percent: free_percent
                        .map(|percent| one_decimal(percent.clamp(0.0, 100.0))),
                };
            }
            Event::Outbox { count, oldest_s } => self.outbox = OutboxPayload { count, oldest_s },
            Event::Clock { synchronised } => self.clock = ClockPayload { synchronised },
            Event::Temperature(celsius) => {
                self.temperature_c = celsius.filter(|value| value.is_finite()).map(one_decimal);
            }
            Event::Ward {
                refused,
                keys_counter,
            } => {
                let before = self.ward.map(|ward| ward.keys_counter);
                // A flood of refused messages makes no flood of documents.
                self.changed |= before.is_some_and(|before| before != keys_counter);
                self.ward = Some(WardPayload {
                    refused,
                    keys_counter,
                });
            }
            Event::Degraded { reason, holds } => {
                self.changed |= match holds {
                    true => self.degraded.insert(reason),
                    false => self.degraded.remove(&reason),
                };
            }
            Event::Tick => {}
        }
        self.changed |= before != (self.series, self.folder.reachable, self.clock);
    }

    fn close_series(&mut self, triaged: bool) {
        let series = &mut self.series;
        series.in_flight = series.in_flight.saturating_sub(1);
        let count = match triaged {
            true => &mut series.triaged,
            false => &mut series.not_triaged,
        };
        *count = count.saturating_add(1);
    }

    /// `None`: at once.
    fn due_at(&self) -> Option<Moment> {
        let wait = match self.changed {
            true => self.limits.interval_min,
            false => self.limits.interval,
        };
        self.published.map(|published| published.after(wait))
    }

    fn turn_day(&mut self, wall: WallTime) {
        if day(wall) != self.day {
            self.day = day(wall);
            self.series = SeriesCountPayload {
                in_flight: self.series.in_flight,
                ..SeriesCountPayload::default()
            };
        }
    }
}

/// Days since 1970 UTC.
fn day(wall: WallTime) -> i64 {
    wall.unix_millis().div_euclid(86_400_000)
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
