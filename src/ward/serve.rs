//! Connections of browsers: so many at a time, with a bound on how long each may take to say what it wants.

use super::desk::locked;
use super::http::Peer;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::{debug, warn};

/// Connections at a time.
const CONNECTIONS_MAX: usize = 2048;
/// Connections of one address: a browser has up to six for each page.
const PER_ADDRESS_MAX: u32 = 256;
/// How long the TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a request's header may take; a connection at rest ends after it, too.
const HEADER_MAX: Duration = Duration::from_secs(30);
/// The largest header.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// How long answers may take to end when the server does.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// The wait after the system refused a connection, as with too many open files.
const REFUSED_WAIT: Duration = Duration::from_millis(100);

/// What all connections share.
pub(super) struct Gatehouse {
    /// The routes.
    pub(super) routes: Router,
    /// TLS as it is now; `None` is plain HTTP.
    pub(super) tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// Turns true when the server ends.
    pub(super) stop: watch::Receiver<bool>,
}

/// Takes connections until the server ends, then waits for those that are open.
pub(super) async fn serve(listener: TcpListener, gatehouse: Gatehouse) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let addresses = Arc::new(Addresses::default());
    let mut stop = gatehouse.stop.clone();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = over(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be taken");
                sleep(REFUSED_WAIT).await;
                continue;
            }
        };
        // An IPv4 address is the same person, however the socket writes it.
        let from = peer.ip().to_canonical();
        let Some(seat) = Addresses::seat(&addresses, from) else {
            debug!(%from, "too many connections from one address");
            continue;
        };
        let tls = gatehouse.tls.borrow().clone();
        let (routes, stop) = (gatehouse.routes.clone(), gatehouse.stop.clone());
        tokio::spawn(async move {
            greet(stream, from, tls, routes, stop).await;
            drop((seat, place));
        });
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    drop(timeout(GOODBYE_MAX * 2, places.acquire_many(all)).await);
}

/// Waits for the server's end.
pub(super) async fn over(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

async fn greet(
    stream: TcpStream,
    from: IpAddr,
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    stop: watch::Receiver<bool>,
) {
    // Events are small and shall not wait for each other.
    drop(stream.set_nodelay(true));
    let Some(tls) = tls else {
        return talk(stream, from, routes, stop).await;
    };
    match timeout(HANDSHAKE_MAX, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, from, routes, stop).await,
        Ok(Err(error)) => debug!(%from, %error, "no TLS connection"),
        Err(_) => debug!(%from, "no TLS connection in time"),
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    from: IpAddr,
    routes: Router,
    mut stop: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(from));
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = over(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            timeout(GOODBYE_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // A page that was closed, a scanner of ports: nothing to do about it.
        debug!(%from, %error, "a connection broke");
    }
}

/// How many connections each address has.
#[derive(Default)]
struct Addresses {
    counts: Mutex<BTreeMap<IpAddr, u32>>,
}

/// One connection's place; given back when dropped.
struct Seat {
    addresses: Arc<Addresses>,
    from: IpAddr,
}

impl Addresses {
    fn seat(addresses: &Arc<Addresses>, from: IpAddr) -> Option<Seat> {
        let mut counts = locked(&addresses.counts);
        let count = counts.entry(from).or_default();
        if *count >= PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Seat {
            addresses: Arc::clone(addresses),
            from,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = locked(&self.addresses.counts);
        if let Some(count) = counts.get_mut(&self.from) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}
