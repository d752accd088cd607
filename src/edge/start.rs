//! Putting the service together: state, model, threads, link.

use super::accelerator::{Accelerator, Standing};
use super::clock::{Clock, dice};
use super::failure::Failure;
use super::judge::Judge;
use super::mqtt::Link;
use super::random::random;
use super::reader::Reader;
use super::service::{INBOX_MAX, Message, Service, start_judge, start_readers, start_scanner};
use super::{annotations, model_folder, priors, settings, state, ward};
use crate::config::{AcceleratorUse, Config};
use crate::daemon::{Action, Daemon, Event, Settings};
use crate::dicom::ReadLimits;
use crate::health::{self, Health};
use crate::ids::Redacted;
use crate::intake::{ClosedSeries, Intake};
use crate::model::ModelPackage;
use crate::outbox::{self, Ticket};
use crate::outcome::ModelFacts;
use crate::store::{SeriesRecord, SeriesState, Store, StoreError};
use crate::wire::Parcel;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use tracing::warn;

impl Service {
    /// A service ready to [`Service::run`], its threads started.
    ///
    /// Errors: the state folder is used by another scanward, cannot be written, or is damaged; the model is not there or
    /// does not pass its check; a certificate or password file cannot be read.
    pub fn start(config: Config, config_file: Option<PathBuf>) -> Result<Service, Failure> {
        let clock = Clock::start();
        let mut store = open_store(&config.state_folder)?;
        let boot = store.count_boot().map_err(store_failure)?;
        let secret = store.secret_key(random()?).map_err(store_failure)?;
        let package = model_folder::load(&config.model_folder)?;
        let judge = Judge::new(
            &package,
            &config.series,
            config.publish.preview,
            config.publish.intended_use,
            config.engine.options,
        )?;
        let model = judge.model().clone();

        priors::prune(&mut store, &config.prior, clock.wall());
        let ledger = ledger(&mut store)?;
        let mut intake = Intake::new(settings::intake_limits(&config), ledger);
        match store.paces() {
            Ok(paces) => paces.iter().for_each(|paces| intake.recall_paces(paces)),
            // It only shortens waits, and is learnt again.
            Err(error) => warn!(%error, "the scanners' pace is learnt anew"),
        }
        let health_limits = health::Limits {
            interval: config.service.health_every,
            ..health::Limits::default()
        };
        let health = Health::new(health_limits, boot, env!("CARGO_PKG_VERSION"), clock.wall());
        let core = Settings {
            sender: settings::sender(&config),
            model: model.digest.as_str().to_owned(),
            outbox: settings::outbox_limits(&config),
            review: config.ward.clone(),
        };
        let mut daemon = Daemon::new(core, intake, health);
        recall(&mut daemon, &mut store, &clock, model.clone())?;

        let (sender, inbox) = sync_channel(INBOX_MAX);
        let limits = read_limits(&config);
        let reader = || Reader::new(limits, judge.spacing_mm(), Redacted::new(secret));
        let readers = (0..readers()).map(|_| reader()).collect();
        let reads = start_readers(readers, clock, &sender)?;
        let judge = match config.engine.accelerator {
            AcceleratorUse::Off => judge,
            AcceleratorUse::Auto | AcceleratorUse::Always => {
                judge.with_accelerator(start_accelerator(&config, &package, model, sender.clone()))
            }
        };
        let judging = start_judge(judge, clock, sender.clone())?;
        let link = start_link(&config, &daemon, sender.clone())?;
        start_scanner(&config, clock, sender.clone())?;
        if let Some(wanted) = config.annotations.clone() {
            let known = store.annotated_files().map_err(store_failure)?;
            annotations::start(wanted, known, clock, sender.clone())?;
        }
        Ok(Service {
            config,
            config_file,
            daemon,
            store,
            clock,
            link,
            inbox,
            sender,
            reads,
            judging,
        })
    }
}

/// Threads that read files: as many as the machine has cores, but a few; each keeps a slice's buffers.
fn readers() -> usize {
    const READERS_MAX: usize = 4;
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(READERS_MAX))
}

/// What a file may ask of us, under the settings.
pub(super) fn read_limits(config: &Config) -> ReadLimits {
    let bytes = usize::try_from(config.intake.file_bytes_max).unwrap_or(usize::MAX);
    ReadLimits {
        file_bytes_max: bytes,
        ..ReadLimits::default()
    }
}

fn open_store(folder: &Path) -> Result<Store, Failure> {
    fs::create_dir_all(folder).map_err(|error| {
        let what = format!(
            "the state folder {} cannot be made: {error}",
            folder.display()
        );
        Failure::new(what, "check [state] folder and the rights of its parent")
    })?;
    state::open(folder).map_err(|error| {
        let what = format!("the state in {} cannot be used: {error}", folder.display());
        Failure::new(what, error.advice())
    })
}

fn store_failure(error: StoreError) -> Failure {
    Failure::new(format!("the state store failed: {error}"), error.advice())
}

/// The series that the ledger holds as closed.
fn ledger(store: &mut Store) -> Result<Vec<ClosedSeries>, Failure> {
    let records = store.series_all().map_err(store_failure)?;
    Ok(records.into_iter().filter_map(closed).collect())
}

fn closed(record: SeriesRecord) -> Option<ClosedSeries> {
    match record.state {
        SeriesState::Open { .. } => None,
        SeriesState::Closed {
            finding_id,
            content_digest,
            files,
            ..
        } => Some(ClosedSeries {
            key: record.key,
            content: from_hex(&content_digest)?,
            finding: finding_id,
            files,
        }),
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Tells the core of the messages that still wait, and of the model.
fn recall(
    daemon: &mut Daemon,
    store: &mut Store,
    clock: &Clock,
    model: ModelFacts,
) -> Result<(), Failure> {
    for row in store.queued_heads().map_err(store_failure)? {
        match Parcel::from_row(row) {
            Ok(parcel) => {
                let event = Event::Outbox(outbox::Event::Queued(Ticket::from(&parcel)));
                daemon.handle(event, clock.at());
            }
            Err(error) => warn!(%error, "a queued message is damaged and stays in the store"),
        }
    }
    for event in ward::recall(store).map_err(store_failure)? {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in daemon.handle(Event::Review(event), clock.at()) {
                // Nothing is connected yet: other actions wait for that.
                if let Action::Review(action) = action {
                    events.extend(ward::carry_out(store, action));
                }
            }
        }
    }
    daemon.handle(Event::Health(health::Event::Model(Some(model))), clock.at());
    Ok(())
}

/// Starts the accelerator's trial; health hears how it stands.
fn start_accelerator(
    config: &Config,
    package: &ModelPackage,
    on_cpu: ModelFacts,
    sender: SyncSender<Message>,
) -> Accelerator {
    let tell = move |standing| {
        let say = |event| {
            // The core loop has ended: nobody needs to know any more.
            let _ended = sender.send(Message::Core(Box::new(Event::Health(event))));
        };
        let backend = match standing {
            Standing::Used(name) => name,
            Standing::NotUsed(trouble) => {
                say(health::Event::Degraded {
                    reason: trouble.degraded(),
                    holds: true,
                });
                on_cpu.backend.clone()
            }
        };
        let model = ModelFacts {
            backend,
            ..on_cpu.clone()
        };
        say(health::Event::Model(Some(model)));
    };
    // The environment overrules; where it cannot be read, the judge has said so and nothing was started.
    let options = settings::engine_options(config.engine.options).unwrap_or(config.engine.options);
    Accelerator::start(&config.engine, package, options, Arc::new(tell))
}

fn start_link(
    config: &Config,
    daemon: &Daemon,
    sender: SyncSender<Message>,
) -> Result<Link, Failure> {
    let settings = settings::link(config, &daemon.will())?;
    let tell = move |notice| {
        // The core loop has ended: so has the link's purpose.
        let _ended = sender.send(Message::Mqtt(notice));
    };
    Link::start(settings, tell, dice)
        .map_err(|error| Failure::new(format!("the link to the broker: {error}"), error.advice()))
}
