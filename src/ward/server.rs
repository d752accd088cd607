//! The server as a whole: opened, run until it is stopped.

use super::audit::{Chain, ChainError, Entry, verify};
use super::desk::Desk;
use super::http::routes;
use super::serve::{Gatehouse, over, serve};
use super::settings::{HttpSettings, Settings};
use super::store::{self, Store};
use super::{broker, tls};
use crate::edge::{Failure, notify, read_settings_as};
use crate::trust::SigningKey;
use std::fs::{self, File};
use std::io::BufReader;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info, warn};

/// Threads for what waits for disks and processors.
const ASIDE_MAX: usize = 16;
/// What is due is looked for this often.
const TICK: Duration = Duration::from_secs(1);
/// What is old is looked for this often.
const TIDY_EVERY: u32 = 3600;
/// The end of the audit list is written to the log this often: who shortens the list must change the journal, too.
const TAIL_EVERY: u32 = 3600;

/// The server.
pub struct Server {
    desk: Arc<Desk>,
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tls: watch::Sender<Option<Arc<ServerConfig>>>,
    /// Held for as long as the server runs: two on one database would both speak to boxes.
    _lock: File,
}

/// Ends a server.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks the server to end.
    pub fn stop(&self) {
        // It may have ended before.
        let _server = self.0.send(true);
    }
}

impl Server {
    /// Opens the store, the port and the link to the broker. A broker that is away is no error.
    ///
    /// Errors: the data are used by another server, cannot be written or are damaged; users or certificate do not read; the
    /// port is taken.
    pub fn start(settings: Settings) -> Result<Server, Failure> {
        Server::open(settings, None)
    }

    /// Starts a trial's server: `signer` signs a list as soon as a key is enrolled.
    pub(super) fn start_signing(settings: Settings, signer: SigningKey) -> Result<Server, Failure> {
        Server::open(settings, Some(signer))
    }

    /// Everything it works with.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    fn open(settings: Settings, signer: Option<SigningKey>) -> Result<Server, Failure> {
        let lock = lock(&settings.state.folder)?;
        let first_tls = read_tls(&settings.http)?;
        let listen = settings.http.listen;
        let desk = Arc::new(Desk::open(settings, signer)?);
        let failed = |what: &str, error: std::io::Error| {
            Failure::new(format!("{what}: {error}"), "free memory, then start again")
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(ASIDE_MAX)
            .build()
            .map_err(|error| failed("the server's thread did not start", error))?;
        let (listener, address) = runtime
            .block_on(async {
                let listener = TcpListener::bind(listen).await?;
                let address = listener.local_addr()?;
                Ok((listener, address))
            })
            .map_err(|error: std::io::Error| {
                let what = format!("{listen} cannot be listened to: {error}");
                Failure::new(what, "give another [http] listen, or end who uses it")
            })?;
        broker::start(&desk)?;
        Ok(Server {
            desk,
            runtime,
            listener,
            address,
            stop: watch::Sender::new(false),
            tls: watch::Sender::new(first_tls),
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Runs until SIGTERM, SIGINT or [`Stopper::stop`]; SIGHUP has it read its certificate again.
    pub fn run(self) -> Result<(), Failure> {
        let Server {
            desk,
            runtime,
            listener,
            address,
            stop,
            tls,
            _lock,
        } = self;
        desk.audit(&server_entry("server-started"))
            .map_err(|error| {
                Failure::new(
                    format!("the audit list cannot be written: {error}"),
                    error.advice(),
                )
            })?;
        info!(%address, site = %desk.settings.site, "ready");
        notify(&[sd_notify::NotifyState::Ready]);
        let gatehouse = Gatehouse {
            routes: routes(&desk),
            tls: tls.subscribe(),
            stop: stop.subscribe(),
        };
        let ended = runtime.block_on(async {
            let listening = tokio::spawn(serve(listener, gatehouse));
            let ticking = tokio::spawn(tick(Arc::clone(&desk)));
            let ended = watch_signals(&desk, &stop, &tls).await;
            notify(&[sd_notify::NotifyState::Stopping]);
            stop.send_replace(true);
            // A panic there was a fault of ours; the server ends all the same.
            drop(listening.await);
            ticking.abort();
            ended
        });
        desk.hang_up();
        if let Err(error) = desk.audit(&server_entry("server-stopped")) {
            error!(%error, "the audit list has no line of the server's end");
        }
        runtime.shutdown_timeout(TICK);
        ended
    }
}

fn server_entry(what: &'static str) -> Entry {
    Entry {
        who: "-".to_owned(),
        what,
        ended: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Entry::default()
    }
}

/// The state folder, made if need be for the server's user alone, and its lock.
fn lock(folder: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("the folder {} cannot be used: {error}", folder.display());
        Failure::new(what, "check [state] folder and the rights of its parent")
    };
    let mut maker = fs::DirBuilder::new();
    maker
        .recursive(true)
        .mode(0o750)
        .create(folder)
        .map_err(failed)?;
    let file = File::create(folder.join("lock")).map_err(failed)?;
    file.try_lock().map_err(|_| {
        let what = format!(
            "the data in {} are used by another server",
            folder.display()
        );
        Failure::new(what, "end it, or give this one a [state] folder of its own")
    })?;
    Ok(file)
}

fn read_tls(http: &HttpSettings) -> Result<Option<Arc<ServerConfig>>, Failure> {
    let files = http.tls.as_ref();
    files
        .map(|(certificate, key)| tls::configuration(certificate, key))
        .transpose()
}

async fn watch_signals(
    desk: &Desk,
    stop: &watch::Sender<bool>,
    tls: &watch::Sender<Option<Arc<ServerConfig>>>,
) -> Result<(), Failure> {
    let open = |kind: SignalKind| -> Result<Signal, Failure> {
        signal(kind).map_err(|error| {
            let what = format!("signals cannot be watched: {error}");
            Failure::new(what, "free memory, then start again")
        })
    };
    let mut terminate = open(SignalKind::terminate())?;
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut reload = open(SignalKind::hangup())?;
    let mut asked = stop.subscribe();
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = over(&mut asked) => return Ok(()),
            _ = reload.recv() => match read_tls(&desk.settings.http) {
                Ok(read) => {
                    tls.send_replace(read);
                    info!("the certificate was read again");
                }
                Err(why) => warn!(%why, advice = why.advice, "the certificate of before stands"),
            },
        }
    }
}

/// Does what is due, and feeds systemd's watchdog for as long as it gets done.
async fn tick(desk: Arc<Desk>) {
    let mut until_tidy = TIDY_EVERY;
    let mut until_tail = 0_u32;
    loop {
        let (tidies, tells) = (until_tidy == 0, until_tail == 0);
        let working = Arc::clone(&desk);
        let done = tokio::task::spawn_blocking(move || due(&working, tidies, tells)).await;
        if done.is_ok_and(|well| well) {
            notify(&[sd_notify::NotifyState::Watchdog]);
        }
        until_tidy = until_tidy.checked_sub(1).unwrap_or(TIDY_EVERY);
        until_tail = until_tail.checked_sub(1).unwrap_or(TAIL_EVERY);
        tokio::time::sleep(TICK).await;
    }
}

/// `true` when the store answers and the broker's thread runs.
fn due(desk: &Desk, tidies: bool, tells: bool) -> bool {
    desk.tick();
    if tidies {
        desk.tidy();
    }
    if tells && let Ok(tail) = desk.read(|db| db.audit_tail()) {
        info!(
            number = tail.number,
            hash = tail.hash,
            "the audit list's last line"
        );
    }
    let well = desk.link_is_alive() && desk.read(|db| db.sequence()).is_ok();
    if !well {
        error!("the store does not answer, or the broker's thread has ended");
    }
    well
}

/// The settings in `file`; paths in it are taken from its folder.
pub fn read_settings(file: &Path) -> Result<Settings, Failure> {
    read_settings_as(file, Settings::parse, "systemd/ward.toml.example")
}

/// Follows the audit list in `path`: a database, or the lines that were exported. Errors: it cannot be read.
pub fn verify_audit(path: &Path) -> Result<Result<Chain, ChainError>, Failure> {
    let failed = |what: String| {
        let what = format!("{} cannot be read: {what}", path.display());
        Failure::new(what, "give an export (JSON Lines) or the server's database")
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut head = [0_u8; 16];
    let is_database =
        std::io::Read::read_exact(&mut &file, &mut head).is_ok() && &head == store::MAGIC;
    if is_database {
        let found = Store::open_file(path).and_then(|mut store| store.read(|db| db.audit_verify()));
        return found.map_err(|error| failed(error.to_string()));
    }
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    Ok(verify(BufReader::new(file)))
}
