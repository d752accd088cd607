//! A TCP proxy before the broker that cuts connections at chosen moments.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

/// When the proxy cuts a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    /// Only when told.
    Never,
    /// The first PUBACK ever seen is swallowed and its connection cut.
    FirstPuback,
}

/// A TCP proxy before the broker.
#[derive(Debug)]
pub struct Proxy {
    pub port: u16,
    generation: Arc<AtomicU32>,
    line: Arc<AtomicU8>,
}

/// How the line is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Line {
    /// It carries.
    Up,
    /// Connections are taken and closed at once.
    Down,
    /// Connections stay, and carry nothing: a cable pulled behind a switch.
    Mute,
}

impl Proxy {
    /// A proxy on a free port before the broker on port `broker`.
    pub fn start(broker: u16, cut: Cut) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let generation = Arc::new(AtomicU32::new(0));
        let line = Arc::new(AtomicU8::new(Line::Up as u8));
        let (alive, state) = (Arc::clone(&generation), Arc::clone(&line));
        let cuts_left = Arc::new(AtomicU32::new(u32::from(cut == Cut::FirstPuback)));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.load(Ordering::SeqCst) == Line::Down as u8 {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", broker)) else {
                    continue;
                };
                let born = alive.load(Ordering::SeqCst);
                for (from, to, down) in [
                    (
                        client.try_clone().unwrap(),
                        server.try_clone().unwrap(),
                        false,
                    ),
                    (server, client, true),
                ] {
                    let (alive, cuts_left) = (Arc::clone(&alive), Arc::clone(&cuts_left));
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || {
                        pass(from, to, down, born, &alive, &cuts_left, &state);
                    });
                }
            }
        });
        Proxy {
            port,
            generation,
            line,
        }
    }

    /// Cuts every connection made so far.
    pub fn cut_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Sets how the line is from now on; going down, it cuts every connection.
    pub fn set_line(&self, line: Line) {
        self.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Down {
            self.cut_all();
        }
    }
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    down: bool,
    born: u32,
    alive: &AtomicU32,
    cuts_left: &AtomicU32,
    line: &AtomicU8,
) {
    from.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut bytes = [0; 4096];
    while alive.load(Ordering::SeqCst) == born {
        if line.load(Ordering::SeqCst) == Line::Mute as u8 {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => {
                // The broker writes a PUBACK (type 4) as one segment here: nothing else is on its way.
                let puback = down && bytes[0] >> 4 == 4;
                let take = |left: u32| left.checked_sub(1);
                if puback
                    && cuts_left
                        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                        .is_ok()
                {
                    break;
                }
                if to.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    drop(from.shutdown(std::net::Shutdown::Both));
    drop(to.shutdown(std::net::Shutdown::Both));
}
