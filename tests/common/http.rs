//! A small HTTP/1.1 client over a plain socket: what it sends and sees is what stands on the line.

use super::mosquitto::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Somebody's browser.
#[derive(Clone, Debug)]
pub struct Browser {
    pub port: u16,
    pub cookie: Option<String>,
}

impl Browser {
    /// Nobody is signed in.
    pub fn new(port: u16) -> Browser {
        Browser { port, cookie: None }
    }

    /// Signs in, which must succeed.
    pub fn signed_in(port: u16, user: &str, password: &str) -> Browser {
        let mut browser = Browser::new(port);
        let answer = browser.sign_in(user, password);
        assert_eq!(answer.status, 200, "{answer:?}");
        browser
    }

    /// Tries to sign in; keeps the cookie.
    pub fn sign_in(&mut self, user: &str, password: &str) -> Answer {
        let body = serde_json::json!({"user": user, "password": password}).to_string();
        let answer = self.post("/api/session", &body);
        let cookie = answer
            .header("set-cookie")
            .and_then(|text| text.split(';').next());
        self.cookie = cookie.map(str::to_owned).or(self.cookie.take());
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// With the header that the page sends.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &["X-Scanward: 1"], body.as_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &["X-Scanward: 1"], b"")
    }

    /// Any request; returns its answer.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut reader = self.open(method, path, headers, body);
        let (status, headers) = head(&mut reader);
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map(|(_, value)| value.parse().unwrap());
        let mut answer = Vec::new();
        match length {
            Some(length) => {
                answer.resize(length, 0);
                reader.read_exact(&mut answer).unwrap();
            }
            None if headers.iter().any(|(name, _)| name == "transfer-encoding") => {
                while let Some(chunk) = chunk(&mut reader) {
                    answer.extend(chunk);
                }
            }
            None => {}
        }
        Answer {
            status,
            headers,
            body: answer,
        }
    }

    /// The stream of events from `after` on.
    pub fn events(&self, after: Option<u64>) -> EventStream {
        let last = after.map(|after| format!("Last-Event-ID: {after}"));
        let headers: Vec<&str> = last.iter().map(String::as_str).collect();
        let mut reader = self.open("GET", "/api/events", &headers, b"");
        let (status, _) = head(&mut reader);
        assert_eq!(status, 200);
        EventStream {
            reader,
            text: String::new(),
        }
    }

    fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: ward\r\nConnection: close\r\n");
        if let Some(cookie) = &self.cookie {
            text += &format!("Cookie: theme=dark; {cookie}\r\n");
        }
        for header in headers {
            text += &format!("{header}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n", body.len());
        // A server that refuses a body early closes the line: its answer is read all the same.
        drop(
            stream
                .write_all(text.as_bytes())
                .and_then(|()| stream.write_all(body)),
        );
        BufReader::new(stream)
    }
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let first = line(reader);
    let status = first
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no answer: {first:?}"));
    let status = status.parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let text = line(reader);
        let Some((name, value)) = text.split_once(':') else {
            return (status, headers);
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn line(reader: &mut impl BufRead) -> String {
    let mut text = String::new();
    reader.read_line(&mut text).unwrap();
    text.trim_end().to_owned()
}

/// The next chunk of a chunked answer; `None` at its end, or when the line was cut.
fn chunk(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut size = String::new();
    reader.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok()?;
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes).ok()?;
    bytes.truncate(size);
    (size > 0).then_some(bytes)
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<u64>,
    pub what: String,
    pub value: Value,
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct EventStream {
    reader: BufReader<TcpStream>,
    text: String,
}

impl EventStream {
    /// The next event; signs of life are passed over. `None`: the stream has ended.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let bytes = chunk(&mut self.reader)?;
            self.text += std::str::from_utf8(&bytes).unwrap();
        }
    }

    /// The next event of this kind.
    pub fn next_of(&mut self, what: &str) -> Event {
        loop {
            let event = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended before `{what}`"));
            if event.what == what {
                return event;
            }
        }
    }

    /// The next finding for which `wanted` holds.
    pub fn finding(&mut self, wanted: impl Fn(&Value) -> bool) -> Event {
        loop {
            let event = self.next_of("finding");
            if wanted(&event.value) {
                return event;
            }
        }
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let found = block.lines().find_map(|line| line.strip_prefix(name));
        found.map(|value| value.trim_start_matches(": "))
    };
    Some(Event {
        id: field("id").map(|id| id.parse().unwrap()),
        what: field("event")?.to_owned(),
        value: serde_json::from_str(field("data")?).unwrap(),
    })
}
