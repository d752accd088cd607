//! Requests to the sign-in service: one at a time on a connection, bounded in time and size, no redirect followed.

use super::address::Address;
use crate::edge::{Failure, small_file};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How long one request may take, name and handshake included: four of them fit into the time of an answer.
const REQUEST_MAX: Duration = Duration::from_secs(7);
/// The largest answer: a key set with certificate chains.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// The largest header of an answer.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Requests at a time.
const REQUESTS_MAX: usize = 8;

/// Why a request had no answer. Holds nothing of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::ward) enum ClientError {
    /// Nobody answers there.
    #[error("{host} cannot be reached: {what}")]
    Away {
        /// Host and port.
        host: String,
        /// What the system said.
        what: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {} s", REQUEST_MAX.as_secs())]
    Late {
        /// Host and port.
        host: String,
    },
    /// It is there, and does not work.
    #[error("{host} has trouble of its own: status {status}")]
    Failing {
        /// Host and port.
        host: String,
        /// Status of HTTP.
        status: u16,
    },
    /// What came is no answer of HTTP, or too large.
    #[error("{host} gave no answer that can be read: {what}")]
    Broken {
        /// Host and port.
        host: String,
        /// What was wrong.
        what: String,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// Where to.
    pub(super) to: &'a Address,
    /// The form of a POST; `None` is a GET.
    pub(super) form: Option<String>,
    /// The `Authorization` header.
    pub(super) authorization: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: StatusCode,
    /// The body, whole.
    pub(super) body: Bytes,
}

/// Asks the sign-in service.
#[derive(Debug)]
pub(super) struct Client {
    tls: TlsConnectorShown,
    turns: Semaphore,
}

/// The TLS of all connections.
struct TlsConnectorShown(TlsConnector);

impl std::fmt::Debug for TlsConnectorShown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl Client {
    /// A client that believes the authorities in `ca_file`, or the system's. Errors: there are none, or they do not read.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Client, Failure> {
        let roots = match ca_file {
            Some(file) => given(file)?,
            None => systems()?,
        };
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| {
                    Failure::new(format!("TLS cannot be used: {error}"), "report this")
                })?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(Client {
            tls: TlsConnectorShown(TlsConnector::from(Arc::new(config))),
            turns: Semaphore::new(REQUESTS_MAX),
        })
    }

    /// The answer to `asked`, whatever its status below 500. Errors: none in time, or none that can be read.
    pub(super) async fn ask(&self, asked: Asked<'_>) -> Result<Answer, ClientError> {
        let host = format!("{}:{}", asked.to.host(), asked.to.port());
        let late = ClientError::Late { host: host.clone() };
        let work = async {
            let Ok(_turn) = self.turns.acquire().await else {
                return Err(ClientError::Late { host: host.clone() });
            };
            let answer = self.talk(&host, asked).await?;
            match answer.status.is_server_error() {
                false => Ok(answer),
                true => Err(ClientError::Failing {
                    host: host.clone(),
                    status: answer.status.as_u16(),
                }),
            }
        };
        timeout(REQUEST_MAX, work).await.unwrap_or(Err(late))
    }

    async fn talk(&self, host: &str, asked: Asked<'_>) -> Result<Answer, ClientError> {
        let away = |what: String| ClientError::Away {
            host: host.to_owned(),
            what,
        };
        let to = asked.to;
        let stream = TcpStream::connect((to.host(), to.port())).await;
        let stream = stream.map_err(|error| away(error.to_string()))?;
        if !to.is_secure() {
            return exchange(stream, host, asked).await;
        }
        let name = ServerName::try_from(to.host().to_owned())
            .map_err(|_| away("it is no name that a certificate can have".to_owned()))?;
        let secure = self.tls.0.connect(name, stream).await;
        let secure = secure.map_err(|error| away(error.to_string()))?;
        exchange(secure, host, asked).await
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    host: &str,
    asked: Asked<'_>,
) -> Result<Answer, ClientError> {
    let broken = |what: String| ClientError::Broken {
        host: host.to_owned(),
        what,
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(error.to_string()))?;
    // Dropped with this function: a connection does not outlive its request.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let request = request(asked).map_err(|error| broken(error.to_string()))?;
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| broken(error.to_string()))?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
    let body = body.map_err(|error| broken(error.to_string()))?;
    Ok(Answer { status, body })
}

fn request(asked: Asked<'_>) -> Result<Request<Body>, axum::http::Error> {
    let mut builder = Request::builder()
        .uri(asked.to.target())
        .header(header::HOST, asked.to.authority())
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            concat!("scanward/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(text) = asked.authorization {
        builder = builder.header(header::AUTHORIZATION, text);
    }
    match asked.form {
        Some(form) => builder
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form)),
        None => builder.body(Body::empty()),
    }
}

fn given(file: &Path) -> Result<RootCertStore, Failure> {
    let wrong = |what: String| {
        let what = format!("{}: {what}", file.display());
        Failure::new(
            what,
            "give PEM certificates of the authority in [oidc] ca_file",
        )
    };
    let bytes = small_file(file, "the sign-in service's authority")?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        let added = roots.add(certificate);
        added.map_err(|error| wrong(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(wrong("it holds no certificate".to_owned())),
        false => Ok(roots),
    }
}

fn systems() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    // One that does not read is no reason to do without the others.
    let _counts = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(Failure::new(
            "this system has no certificate authorities for the sign-in service",
            "install the package ca-certificates, or give [oidc] ca_file",
        )),
        false => Ok(roots),
    }
}
