//! The whole way from the scanner to the ward in one process: a broker, the real service, a listener on the ward.
//!
//! ```text
//!   here: a scan, file by file --> export folder --> Service --> DemoBroker --> listener --> News, back here
//! ```

use super::broker::DemoBroker;
use super::clock::{Clock, dice};
use super::export::{PhantomScan, appear};
use super::failure::Failure;
use super::mqtt::{Command, Link, Notice, Publisher, Settings};
use super::scratch::Scratch;
use super::service::{Message, Service, Told};
use super::signals;
use crate::config::Config;
use crate::dicom::{ReadLimits, read_header};
use crate::ids::{FindingId, SeriesKey};
use crate::trust::PublicKey;
use crate::units::Moment;
use crate::wire::{Envelope, EventType, FindingPayload};
use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A series counts as complete after this long without a new slice.
pub const QUIET: Duration = Duration::from_secs(2);
/// The longest wait for the findings after the last slice: a slow machine that judges several series.
const FINDINGS_WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest wait for the listener's connection.
const LISTENER_WAIT_MAX: Duration = Duration::from_secs(20);
/// News that may wait; who tells more waits too.
const NEWS_MAX: usize = 256;
/// Topics that the listener hears.
const TOPICS: &str = "scanward/v1/demo/#";
/// The settings; folders and broker are filled in.
const SETTINGS: &str = "[site]\nname = \"demo\"\ndevice = \"ct-1\"\n\
    [intake]\nfolder = \"export\"\npoll_seconds = 0.2\n\
    [state]\nfolder = \"state\"\n[model]\nfolder = \"model\"\n\
    [publish]\nbroker = \"mqtt://127.0.0.1\"\n";

/// What is exported.
#[derive(Debug)]
pub enum DemoSource {
    /// A phantom, slice by slice.
    Phantom(Box<PhantomScan>),
    /// One's own files, one by one.
    Files(Vec<PathBuf>),
}

impl DemoSource {
    /// All files of `folder`. Errors: it cannot be listed, or holds none.
    pub fn folder(folder: &Path) -> Result<DemoSource, Failure> {
        super::folder::files_below(folder).map(DemoSource::Files)
    }

    /// How many files it exports.
    pub fn count(&self) -> usize {
        match self {
            DemoSource::Phantom(scan) => usize::from(scan.order().slices),
            DemoSource::Files(paths) => paths.len(),
        }
    }
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemoStep {
    /// So many files are exported.
    Exported(usize),
    /// All files are exported; the series has to be quiet first.
    Waiting,
    /// The finding is on disk and in the outbox.
    Durable,
    /// The broker took a message.
    Acknowledged,
}

/// A result as the ward's listener got it.
#[derive(Clone, Debug)]
pub struct DemoResult {
    /// The topic it came by: that of the finding, or of the outcome where there is no finding.
    pub topic: String,
    /// What it says.
    pub event: Envelope<FindingPayload>,
    /// The picture, PNG, and its topic.
    pub preview: Option<(String, Vec<u8>)>,
    /// From the last slice in the folder to the result on the ward.
    pub total: Duration,
    /// Of that, from the outcome on disk to the ward.
    pub delivery: Duration,
}

/// What happens beside the export.
enum News {
    Listening,
    Ward(String, Vec<u8>, Moment),
    Closed(SeriesKey, FindingId, Moment),
    Acknowledged,
    Line,
    Ended(Result<(), Failure>),
}

/// The running demo.
pub struct Demo {
    clock: Clock,
    broker: DemoBroker,
    export: PathBuf,
    scans: u32,
    news: Receiver<News>,
    teller: SyncSender<News>,
    results: Results,
    sender: SyncSender<Message>,
    listener: Link,
    service: JoinHandle<()>,
    // Dropped last: the threads above use it.
    scratch: Scratch,
}

/// What has come in so far, by finding.
#[derive(Default)]
struct Results {
    closed: BTreeMap<FindingId, (SeriesKey, Moment)>,
    previews: BTreeMap<String, Vec<u8>>,
    findings: BTreeMap<String, (String, Moment)>,
    outcomes: Vec<(String, Envelope<FindingPayload>, Moment)>,
}

/// An exported series: how many files it has, and when the last was there.
type Exported = BTreeMap<SeriesKey, (u32, Moment)>;

impl Demo {
    /// Starts broker, service and listener. Errors: no free port, a model that does not load.
    ///
    /// `it_key` is what the box takes lists of physicians' keys by.
    pub fn start(model_folder: &Path, it_key: Option<PublicKey>) -> Result<Demo, Failure> {
        let scratch = Scratch::new("demo")?;
        let export = scratch.folder("export")?;
        let broker = DemoBroker::start(0)
            .map_err(|error| Failure::new(error.to_string(), "end other demos, then try again"))?;
        let mut config = settings(model_folder, broker.port())?;
        config.ward.it_keys.extend(it_key);
        config.intake.folder.clone_from(&export);
        config.state_folder = scratch.folder("state")?;

        let clock = Clock::start();
        let (teller, news) = sync_channel(NEWS_MAX);
        let listener = listen(broker.port(), clock, teller.clone())?;
        let service = Service::start(config, None)?;
        let sender = service.sender.clone();
        signals::watch(sender.clone())?;
        let service = serve(service, clock, teller.clone())?;
        let mut demo = Demo {
            clock,
            broker,
            export,
            scans: 0,
            news,
            teller,
            results: Results::default(),
            sender,
            listener,
            service,
            scratch,
        };
        demo.await_listener()?;
        Ok(demo)
    }

    /// The broker's port on loopback.
    pub fn port(&self) -> u16 {
        self.broker.port()
    }

    /// Exports `source` and waits for one result a series; `tell` hears how far it is. `None`: stopped by a signal.
    ///
    /// Errors: nothing in `source` is a series, no result came, the disk is full.
    pub fn show(
        &mut self,
        source: &mut DemoSource,
        tell: &mut dyn FnMut(DemoStep),
    ) -> Result<Option<Vec<DemoResult>>, Failure> {
        self.scans += 1;
        let folder = self.export.join(format!("scan-{}", self.scans));
        fs::create_dir_all(&folder).map_err(|error| {
            let what = format!("the export folder cannot be written: {error}");
            Failure::new(what, "make room on its disk")
        })?;
        let Some(exported) = self.export(source, &folder, tell)? else {
            return Ok(None);
        };
        if exported.is_empty() {
            let what = "no file names a DICOM series";
            return Err(Failure::new(
                what,
                "give a folder with the DICOM files of a series",
            ));
        }
        tell(DemoStep::Waiting);
        let results = self.await_results(&exported, tell)?;
        // A scanner keeps its exports for a while; a demo that runs for long must not fill the disk.
        drop(fs::remove_dir_all(&folder));
        Ok(results)
    }

    /// Writes the picture of `result` into `folder`, by default into the demo's own, which ends with it; returns its path.
    pub fn keep_preview(
        &self,
        result: &DemoResult,
        folder: Option<&Path>,
    ) -> Result<Option<PathBuf>, Failure> {
        let Some((_, png)) = &result.preview else {
            return Ok(None);
        };
        let folder = folder.unwrap_or(self.scratch.path());
        fs::create_dir_all(folder).map_err(|error| {
            let what = format!("{} cannot be made: {error}", folder.display());
            Failure::new(what, "give another folder with --keep")
        })?;
        let path = folder.join(format!("{}.png", result.event.id));
        appear(&path, png)?;
        Ok(Some(path))
    }

    /// Waits for a line on stdin; `false`: stopped by a signal.
    pub fn await_line(&mut self) -> Result<bool, Failure> {
        loop {
            match self.news.recv() {
                Ok(News::Line) => return Ok(true),
                Ok(News::Ended(ended)) => return ended.map(|()| false),
                Ok(other) => self.results.take(other, &mut |_| {}),
                Err(_) => return Ok(false),
            }
        }
    }

    /// Listens to stdin from here on; without this, [`Demo::await_line`] waits for a signal only.
    pub fn listen_to_stdin(&self) -> Result<(), Failure> {
        let teller = self.teller.clone();
        spawn("stdin", move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() || teller.send(News::Line).is_err() {
                    return;
                }
            }
        })
        .map(drop)
    }

    /// Ends service and listener.
    pub fn stop(self) {
        let _stopped_before = self.sender.try_send(Message::Stop);
        let _gone = self.listener.ask(Command::Stop(Vec::new()));
        // Whoever still tells something must not wait for a reader.
        drop(self.news);
        drop(self.service.join());
        self.listener.join();
    }

    fn export(
        &mut self,
        source: &mut DemoSource,
        folder: &Path,
        tell: &mut dyn FnMut(DemoStep),
    ) -> Result<Option<Exported>, Failure> {
        let mut exported = Exported::new();
        for index in 0..source.count() {
            let file = write_one(source, index, folder)?;
            if let Some(key) = file {
                let entry = exported.entry(key).or_default();
                *entry = (entry.0 + 1, self.clock.now());
            }
            tell(DemoStep::Exported(index + 1));
            while let Ok(news) = self.news.try_recv() {
                if let News::Ended(ended) = news {
                    return ended.map(|()| None);
                }
                self.results.take(news, &mut |_| {});
            }
        }
        Ok(Some(exported))
    }

    fn await_listener(&mut self) -> Result<(), Failure> {
        match self.news.recv_timeout(LISTENER_WAIT_MAX) {
            Ok(News::Listening) => Ok(()),
            Ok(News::Ended(Err(failure))) => Err(failure),
            Ok(_) | Err(_) => Err(Failure::new(
                "the listener did not reach the demo's broker",
                "check that connections to 127.0.0.1 are allowed",
            )),
        }
    }

    fn await_results(
        &mut self,
        exported: &Exported,
        tell: &mut dyn FnMut(DemoStep),
    ) -> Result<Option<Vec<DemoResult>>, Failure> {
        let until = self.clock.now().after(FINDINGS_WAIT_MAX);
        loop {
            if let Some(results) = self.results.complete(exported) {
                return Ok(Some(results));
            }
            match self.news.recv_timeout(until.since(self.clock.now())) {
                Ok(News::Ended(ended)) => return ended.map(|()| None),
                Ok(news) => self.results.take(news, tell),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let what = format!(
                        "no finding within {} s after the last slice",
                        FINDINGS_WAIT_MAX.as_secs()
                    );
                    return Err(Failure::new(what, "run again with -v to see the log"));
                }
            }
        }
    }
}

impl Results {
    fn take(&mut self, news: News, tell: &mut dyn FnMut(DemoStep)) {
        match news {
            News::Ward(topic, payload, at) => self.hear(topic, payload, at),
            News::Closed(key, finding, at) => {
                self.closed.insert(finding, (key, at));
                tell(DemoStep::Durable);
            }
            News::Acknowledged => tell(DemoStep::Acknowledged),
            News::Listening | News::Line | News::Ended(_) => {}
        }
    }

    fn hear(&mut self, topic: String, payload: Vec<u8>, at: Moment) {
        if topic.contains("/preview/") {
            self.previews.insert(topic, payload);
            return;
        }
        // Health, and the notice that a finding is replaced, are no findings.
        let Ok(event) = Envelope::parse(&payload) else {
            return;
        };
        match event.event_type {
            EventType::Finding => {
                self.findings.insert(event.id, (topic, at));
            }
            EventType::Outcome => self.outcomes.push((topic, event, at)),
            EventType::Superseded => {}
        }
    }

    /// One result for each of `exported`, once each has one that covers all of its files.
    fn complete(&self, exported: &Exported) -> Option<Vec<DemoResult>> {
        exported
            .iter()
            .map(|(key, (files, last))| self.result(key, *files, *last))
            .collect()
    }

    fn result(&self, key: &SeriesKey, files: u32, last: Moment) -> Option<DemoResult> {
        let ending = |(id, (series, at)): (&FindingId, &(SeriesKey, Moment))| {
            (series == key).then(|| (id.as_str().to_owned(), *at))
        };
        let endings: Vec<_> = self.closed.iter().filter_map(ending).collect();
        let ended = |id: &str| endings.iter().find(|(ended, _)| ended == id);
        // An ending of a part only is replaced by a later one: the machine was slow between two slices.
        let whole = |event: &Envelope<FindingPayload>| event.data.series.instances >= files;
        let (topic, event, at) = self
            .outcomes
            .iter()
            .rev()
            .find(|(_, event, _)| whole(event) && ended(&event.id).is_some())?;
        let (_, closed) = ended(&event.id)?;
        let (topic, at) = self
            .findings
            .get(&event.id)
            .unwrap_or(&(topic.clone(), *at))
            .clone();
        let picture = self
            .previews
            .iter()
            .find(|(topic, _)| topic.ends_with(&event.id));
        Some(DemoResult {
            topic,
            event: event.clone(),
            preview: picture.map(|(topic, png)| (topic.clone(), png.clone())),
            total: at.since(last),
            delivery: at.since(*closed),
        })
    }
}

/// The settings of the real service, for this run.
fn settings(model_folder: &Path, port: u16) -> Result<Config, Failure> {
    let mut config = Config::parse(SETTINGS)
        .map_err(|error| Failure::new(format!("the demo's settings: {error}"), "report this"))?;
    config.intake.quiet = QUIET;
    config.model_folder = model_folder.to_owned();
    config.publish.account.broker.port = port;
    Ok(config)
}

fn listen(port: u16, clock: Clock, teller: SyncSender<News>) -> Result<Link, Failure> {
    let settings = Settings {
        subscriptions: vec![TOPICS.to_owned()],
        ..Settings::new("127.0.0.1", port, "ward")
    };
    let tell = move |notice| {
        let news = match notice {
            Notice::Connected => News::Listening,
            Notice::Message { topic, payload } => News::Ward(topic, payload, clock.now()),
            Notice::Disconnected(_)
            | Notice::Subscribed { .. }
            | Notice::Acked { .. }
            | Notice::Nacked { .. }
            | Notice::Stopped => return,
        };
        let _over = teller.send(news);
    };
    Link::start(settings, tell, dice)
        .map_err(|error| Failure::new(format!("the listener: {error}"), error.advice()))
}

fn serve(
    service: Service,
    clock: Clock,
    teller: SyncSender<News>,
) -> Result<JoinHandle<()>, Failure> {
    spawn("service", move || {
        let ended = service.run(|told| {
            let news = match told {
                Told::Closed(saving) => News::Closed(
                    saving.key().clone(),
                    saving.closed.finding.clone(),
                    clock.now(),
                ),
                Told::Acknowledged(_) => News::Acknowledged,
            };
            teller.send(news).is_ok()
        });
        let _over = teller.send(News::Ended(ended));
    })
}

/// Exports file `index` of `source`; returns its series, where it names one.
fn write_one(
    source: &mut DemoSource,
    index: usize,
    folder: &Path,
) -> Result<Option<SeriesKey>, Failure> {
    match source {
        DemoSource::Phantom(scan) => {
            scan.export(u16::try_from(index).unwrap_or(u16::MAX), folder)?;
            Ok(Some(scan.series_key()))
        }
        DemoSource::Files(paths) => {
            let Some(path) = paths.get(index) else {
                return Ok(None);
            };
            let bytes = fs::read(path).map_err(|error| {
                let what = format!("{} cannot be read: {error}", path.display());
                Failure::new(what, "check its rights")
            })?;
            // Names may be alike in different folders below the one given.
            appear(&folder.join(format!("{index:06}")), &bytes)?;
            Ok(read_header(&bytes, &ReadLimits::default()).map(|header| header.series))
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(|error| {
        let what = format!("the thread `{name}` did not start: {error}");
        Failure::new(what, "free memory, then start again")
    })
}
