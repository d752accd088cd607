//! A server for `scanward demo`: on loopback, with people of its own, gone with the run.

use super::desk::Desk;
use super::http::fresh_code;
use super::keys::{code_hash, code_in_fours};
use super::server::{Server, Stopper};
use super::settings::Settings;
use super::users::{Role, entry, hash};
use crate::edge::{Failure, Scratch, random};
use crate::trust::{PublicKey, SigningKey};
use std::fs;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

/// Everybody's password: whoever can reach a loopback address of this machine for the time of a demo may know it.
const PASSWORD: &str = "scanward-demo";
/// Who may sign in.
const PEOPLE: [(&str, Role, &str); 3] = [
    ("nurse", Role::Nurse, "Nurse Demo"),
    ("physician", Role::Physician, "Dr Demo"),
    ("it", Role::It, "IT Demo"),
];
/// The longest wait for the broker.
const BROKER_WAIT_MAX: Duration = Duration::from_secs(20);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// The key of a trial's IT: the box has to be told its public half before it starts.
#[derive(Debug)]
pub struct TrialKey(SigningKey);

impl TrialKey {
    /// A fresh key. Errors: the system gives no random bytes.
    pub fn new() -> Result<TrialKey, Failure> {
        let key = SigningKey::from_seed(&random()?).map(TrialKey);
        key.ok_or_else(|| Failure::new("no key could be made", "try again"))
    }

    /// What the box trusts.
    pub fn public(&self) -> Option<PublicKey> {
        self.0.public()
    }
}

/// A server that runs for a demo.
#[derive(Debug)]
pub struct Trial {
    address: SocketAddr,
    code: String,
    stopper: Stopper,
    thread: JoinHandle<()>,
    // Dropped last: the thread uses it.
    _scratch: Scratch,
}

impl Trial {
    /// Starts a server that listens to the broker at `broker_port` on loopback; `key` signs each list of keys at once.
    ///
    /// Errors: no free port, no room on the disk, a broker that does not answer.
    pub fn start(broker_port: u16, key: TrialKey) -> Result<Trial, Failure> {
        let scratch = Scratch::new("ward")?;
        let settings = settings(&scratch, broker_port, &key)?;
        let server = Server::start_signing(settings, key.0)?;
        let (address, stopper) = (server.address(), server.stopper());
        let code = code(server.desk())?;
        await_broker(server.desk())?;
        let work = move || {
            // Its end, good or bad, ends the page only; the demo goes on.
            drop(server.run());
        };
        let thread = std::thread::Builder::new()
            .name("ward".to_owned())
            .spawn(work);
        Ok(Trial {
            address,
            code,
            stopper,
            thread: thread.map_err(|error| {
                let what = format!("the ward's thread did not start: {error}");
                Failure::new(what, "free memory, then start again")
            })?,
            _scratch: scratch,
        })
    }

    /// What to tell who looks at the demo.
    pub fn lines(&self) -> [String; 3] {
        let names: Vec<&str> = PEOPLE.iter().map(|(name, _, _)| *name).collect();
        [
            format!("the nursing station is at http://{}/", self.address),
            format!("  sign in as {} with {PASSWORD}", names.join(", ")),
            format!(
                "  the physician signs after enrolling a key with the code {}",
                self.code
            ),
        ]
    }

    /// Ends the server.
    pub fn stop(self) {
        self.stopper.stop();
        drop(self.thread.join());
    }
}

fn settings(scratch: &Scratch, broker_port: u16, key: &TrialKey) -> Result<Settings, Failure> {
    let report = |what: String| Failure::new(format!("the demo's ward: {what}"), "report this");
    let users = scratch.path().join("users.toml");
    let mut text = String::new();
    let hash = hash(PASSWORD, &random()?).map_err(|error| report(error.to_string()))?;
    for (name, role, display) in PEOPLE {
        let user = entry(name, role, display, Some("Ward 7B"), &hash);
        text.push_str(&user.map_err(|error| report(error.to_string()))?);
        text.push('\n');
    }
    fs::write(&users, text).map_err(|error| {
        let what = format!("{} cannot be written: {error}", users.display());
        Failure::new(what, "make room on its disk")
    })?;
    let folder = scratch.folder("state")?;
    let public = key
        .public()
        .ok_or_else(|| report("its key has no public half".to_owned()))?;
    let text = format!(
        "[site]\nname = \"demo\"\nstation = \"Ward 7B\"\n[broker]\nurl = \"mqtt://127.0.0.1:{broker_port}\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\nplain = true\n[state]\nfolder = \"state\"\n\
         [users]\nfile = \"users.toml\"\n[it]\nkeys = [\"{public}\"]\n"
    );
    let mut settings = Settings::parse(&text).map_err(|error| report(error.to_string()))?;
    settings.state.folder = folder;
    settings.users_file = users;
    Ok(settings)
}

/// A code that enrols the physician's key.
fn code(desk: &Desk) -> Result<String, Failure> {
    let code = fresh_code()?;
    let now = desk.clock.wall();
    let until = now.after(Duration::from_secs(86_400));
    let kept = desk.write(|db, _| db.put_code(&code_hash(&code), "physician", now, until));
    kept.map_err(|error| Failure::new(error.to_string(), error.advice()))?;
    Ok(code_in_fours(&code))
}

/// A finding that comes before the server listens would not be shown: the demo's broker keeps nothing for strangers.
fn await_broker(desk: &Desk) -> Result<(), Failure> {
    let since = desk.clock.now();
    while !desk.ear().connected {
        if desk.clock.now().since(since) > BROKER_WAIT_MAX {
            let what = "the nursing station did not reach the demo's broker";
            return Err(Failure::new(
                what,
                "check that connections to 127.0.0.1 are allowed",
            ));
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(())
}
