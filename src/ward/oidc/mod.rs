//! Signing in by the hospital's own service: OpenID Connect, authorization code flow with PKCE.
//!
//! ```text
//!   page --GET /api/oidc/login--> begin: state, nonce, verifier kept; cookie --303--> the service's own page
//!                                                                                       |
//!   page <--303, session-- finish: state and cookie taken once; code --> tokens; <--303 code, state--'
//!                          ID token checked; groups --> role
//! ```
//!
//! Sources: OpenID Connect Core 1.0, section 3.1; RFC 7636 (PKCE); RFC 9207 (mix-up); RFC 9700 (security).

mod address;
mod client;
mod pending;
mod person;
mod refusal;
mod service;
mod settings;
mod token;

pub use settings::OidcSettings;

pub(super) use pending::LIFE;
pub(super) use person::{Person, told_apart};
pub(super) use refusal::Refusal;
pub(super) use settings::CALLBACK;

use super::desk::locked;
use super::limiter::Limiter;
use super::session::Ticket;
use super::store;
use super::users::User;
use crate::edge::{Clock, Failure, random, small_file};
use crate::ids::{Redacted, hex};
use crate::trust::{basic, to_base64url};
use crate::units::Moment;
use address::{Address, escaped, form};
use client::{Answer, Asked, Client};
use pending::{Pending, Waiting};
use person::{is_told, person};
use refusal::spelled;
use serde::Deserialize;
use serde_json::Value;
use service::{KeySet, Proof, Service, shortened};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use token::{Claims, Expected, check, header, subject};

/// What the service said of itself is asked for again after this.
const KNOWN_MAX: Duration = Duration::from_secs(3600);
/// A key that is not known is asked for at most this often: a false token must not make us ask without end.
const KEYS_WAIT_MIN: Duration = Duration::from_secs(60);
/// After the service did not answer, others who come are told so at once for this long.
const AWAY_TOLD: Duration = Duration::from_secs(3);
/// The longest code and state that are taken back.
const RETURNED_BYTES_MAX: usize = 4096;

/// The sign-in service, as this server deals with it.
#[derive(Debug)]
pub(super) struct Oidc {
    /// The settings.
    pub(super) settings: OidcSettings,
    /// Who came in vain, by address.
    pub(super) refused: Mutex<Limiter>,
    /// Held while a person is bound to a name: two must not get one.
    pub(super) naming: Mutex<()>,
    secret: Option<Redacted<String>>,
    client: Client,
    waiting: Mutex<Waiting>,
    known: tokio::sync::Mutex<Known>,
}

/// What the service has said of itself, and when.
#[derive(Debug, Default)]
struct Known {
    service: Option<(Moment, Arc<Service>)>,
    keys: Option<(Moment, Arc<KeySet>)>,
    away: Option<(Moment, Refusal)>,
}

/// A sign-in that was begun.
pub(super) struct Begun {
    /// Where the browser goes.
    pub(super) location: String,
    /// What its cookie holds.
    pub(super) cookie: String,
}

/// What the browser brought back. Source: Core, sections 3.1.2.5 and 3.1.2.6; RFC 9207.
#[derive(Default, Deserialize)]
pub(super) struct Returned {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// What the token endpoint answers; nothing of it is ever printed.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Oidc {
    /// Reads the secret and the authorities. The service is not asked: it may be away. Errors: a file does not read.
    pub(super) fn open(settings: OidcSettings) -> Result<Oidc, Failure> {
        let secret = match &settings.client_secret_file {
            Some(file) => Some(read_secret(file)?),
            None => None,
        };
        let client = Client::new(settings.ca_file.as_deref())?;
        Ok(Oidc {
            settings,
            refused: Mutex::default(),
            naming: Mutex::default(),
            secret,
            client,
            waiting: Mutex::default(),
            known: tokio::sync::Mutex::default(),
        })
    }

    /// Somebody who came, as a user of this server.
    pub(super) fn user(&self, known: &store::Known) -> User {
        User {
            name: known.name.clone(),
            role: known.role,
            display: known.display.clone(),
            station: None,
            hash: self.settings.standing(known.role),
        }
    }

    /// Begins a sign-in of a browser at `from`. Errors: the service is away.
    pub(super) async fn begin(&self, clock: &Clock, from: IpAddr) -> Result<Begun, Refusal> {
        let service = self.service(clock.now()).await?;
        let [state, nonce, verifier, cookie] = [fresh()?, fresh()?, fresh()?, fresh()?];
        let cookie = hex(&cookie);
        let [state, nonce, verifier] = [state, nonce, verifier].map(|bytes| to_base64url(&bytes));
        let challenge = to_base64url(&Sha256::digest(&verifier));
        let (scope, redirect) = (self.settings.scopes.join(" "), self.settings.redirect_uri());
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &redirect),
            ("scope", &scope),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        if self.settings.ask_anew {
            // A station is shared: whom the service remembers may be the nurse of before.
            pairs.push(("prompt", "login"));
        }
        let to = &service.authorization;
        let mark = if to.has_query() { '&' } else { '?' };
        let location = format!("{}{mark}{}", to.as_str(), form(&pairs));
        let pending = Pending {
            browser: Ticket::of(&cookie),
            nonce,
            verifier,
            from,
            at: clock.now(),
        };
        locked(&self.waiting).begin(Ticket::of(&state), pending);
        Ok(Begun { location, cookie })
    }

    /// Ends the sign-in of a browser that came back, with the ticket of its cookie. Errors: why it is nobody of this ward.
    pub(super) async fn finish(
        &self,
        clock: &Clock,
        returned: Returned,
        browser: Option<Ticket>,
    ) -> Result<Person, Refusal> {
        let state = Ticket::of(returned.state.as_deref().unwrap_or_default());
        let pending = locked(&self.waiting).take(&state, browser.as_ref(), clock.now())?;
        let service = self.service(clock.now()).await?;
        let by = returned.iss.as_deref();
        let is_its = by.is_none_or(|iss| iss == self.settings.issuer.as_str());
        if !is_its || (by.is_none() && service.names_itself) {
            return Err(Refusal::Mixed);
        }
        if let Some(error) = returned.error {
            let error = spelled(&error);
            return Err(Refusal::Denied { error });
        }
        let code = returned
            .code
            .filter(|code| (1..=RETURNED_BYTES_MAX).contains(&code.len()));
        let code = code.ok_or_else(|| wrong("it sent no code"))?;
        let tokens = self.exchange(&service, &code, &pending.verifier).await?;
        let claims = self
            .claims(clock, &service, &tokens, &pending.nonce)
            .await?;
        Ok(person(&self.settings, &claims)?)
    }

    /// What the service says of itself, asked for where it is not known or old.
    async fn service(&self, now: Moment) -> Result<Arc<Service>, Refusal> {
        let mut known = self.known.lock().await;
        if let Some((at, service)) = &known.service
            && now.since(*at) < KNOWN_MAX
        {
            return Ok(Arc::clone(service));
        }
        if let Some((at, refusal)) = &known.away
            && now.since(*at) < AWAY_TOLD
        {
            return Err(refusal.clone());
        }
        match self.ask_service().await {
            Ok(service) => {
                let service = Arc::new(service);
                known.service = Some((now, Arc::clone(&service)));
                known.away = None;
                Ok(service)
            }
            Err(refusal) => {
                known.away = Some((now, refusal.clone()));
                Err(refusal)
            }
        }
    }

    async fn ask_service(&self) -> Result<Service, Refusal> {
        // Discovery, section 4.1: a slash at the issuer's end is left out before the well-known path.
        let issuer = self.settings.issuer.as_str().trim_end_matches('/');
        let text = format!("{issuer}/.well-known/openid-configuration");
        let to = Address::parse(&text).map_err(wrong)?;
        let body = self.get(&to, None).await?.body;
        Service::parse(&self.settings.issuer, &body).map_err(|what| Refusal::Answer { what })
    }

    /// The service's keys; asked for anew where `header` names one that is not among them.
    async fn keys(
        &self,
        now: Moment,
        service: &Service,
        header: &token::Header,
    ) -> Result<Arc<KeySet>, Refusal> {
        let mut known = self.known.lock().await;
        if let Some((at, keys)) = &known.keys {
            let age = now.since(*at);
            let serves = keys.find(header).is_some() && age < KNOWN_MAX;
            if serves || age < KEYS_WAIT_MIN {
                return Ok(Arc::clone(keys));
            }
        }
        let body = self.get(&service.keys, None).await?.body;
        let keys = KeySet::parse(&body).map_err(|what| Refusal::Answer { what })?;
        let keys = Arc::new(keys);
        known.keys = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    /// Changes the code into tokens. Source: Core, section 3.1.3.1; RFC 7636, section 4.5.
    async fn exchange(
        &self,
        service: &Service,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, Refusal> {
        let redirect = self.settings.redirect_uri();
        let id = self.settings.client_id.as_str();
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect),
            ("code_verifier", verifier),
        ];
        let mut authorization = None;
        match (&self.secret, service.proof) {
            // Each half is encoded as in a form first. Source: RFC 6749, section 2.3.1.
            (Some(secret), Proof::Basic) => {
                authorization = Some(basic(&escaped(id), &escaped(secret.reveal())));
            }
            (Some(secret), Proof::Post) => {
                pairs.extend([("client_id", id), ("client_secret", secret.reveal())]);
            }
            (None, Proof::Basic | Proof::Post) => pairs.push(("client_id", id)),
        }
        let asked = Asked {
            to: &service.token,
            form: Some(form(&pairs)),
            authorization,
        };
        let Answer { status, body } = self.client.ask(asked).await?;
        if !status.is_success() {
            #[derive(Deserialize)]
            struct Said {
                error: String,
            }
            let said: Option<Said> = serde_json::from_slice(&body).ok();
            return Err(Refusal::Exchange {
                status: status.as_u16(),
                error: said.map_or_else(|| "?".to_owned(), |said| spelled(&said.error)),
            });
        }
        // The parser's message could repeat a token.
        serde_json::from_slice(&body).map_err(|_| wrong("it sent no ID token"))
    }

    /// The claims of the ID token, and those of userinfo where it tells too little.
    async fn claims(
        &self,
        clock: &Clock,
        service: &Service,
        tokens: &Tokens,
        nonce: &str,
    ) -> Result<Claims, Refusal> {
        let header = header(&tokens.id_token)?;
        let keys = self.keys(clock.now(), service, &header).await?;
        let expected = Expected {
            issuer: self.settings.issuer.as_str(),
            client_id: &self.settings.client_id,
            nonce,
            now: clock.wall(),
        };
        let mut claims = check(&tokens.id_token, &header, &keys, &expected)?;
        if is_told(&self.settings, &claims) {
            return Ok(claims);
        }
        let (Some(to), Some(access)) = (&service.userinfo, &tokens.access_token) else {
            return Ok(claims);
        };
        let more = self.get(to, Some(format!("Bearer {access}"))).await?.body;
        let Ok(Value::Object(more)) = serde_json::from_slice(&more) else {
            return Err(wrong("its userinfo is no JSON object"));
        };
        // Core, section 5.3.2: of somebody else it must not be used.
        if subject(&more).is_none() || subject(&more) != subject(&claims) {
            return Err(wrong("its userinfo is of somebody else"));
        }
        for (name, value) in more {
            // What is signed goes before what is not.
            claims.entry(name).or_insert(value);
        }
        Ok(claims)
    }

    async fn get(&self, to: &Address, authorization: Option<String>) -> Result<Answer, Refusal> {
        let asked = Asked {
            to,
            form: None,
            authorization,
        };
        let answer = self.client.ask(asked).await?;
        match answer.status.as_u16() {
            200 => Ok(answer),
            status => Err(wrong(&format!(
                "{} has status {status}: check [oidc] issuer",
                shortened(to.as_str())
            ))),
        }
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::Answer {
        what: what.to_owned(),
    }
}

/// 256 bits that nobody can guess.
fn fresh() -> Result<[u8; 32], Refusal> {
    random().map_err(|_| Refusal::Ours)
}

fn read_secret(file: &std::path::Path) -> Result<Redacted<String>, Failure> {
    let bytes = small_file(file, "the secret of [oidc]")?;
    let text = String::from_utf8(bytes).ok();
    let secret = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let right = |secret: &String| !secret.is_empty() && !secret.chars().any(char::is_control);
    secret.filter(right).map(Redacted::new).ok_or_else(|| {
        Failure::new(
            format!("{} holds no secret of one line", file.display()),
            "write the secret that the sign-in service gave for client_id into it",
        )
    })
}
