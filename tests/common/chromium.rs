//! Debian's Chromium, driven through chromedriver: the few words of WebDriver that the tests need.

use super::mosquitto::{PATIENCE, free_port};
use super::site::in_ci;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where `scripts/test` puts axe-core.
const AXE: &str = ".cache/npm/node_modules/axe-core/axe.min.js";
/// What WebDriver calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether a program for these tests is missing. Fails where CI expects them, else tells that the test skips.
pub fn is_missing(test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| std::env::split_paths(&path).any(|it| it.join(program).is_file());
    let mut missing: Vec<&str> = ["chromium", "chromedriver"]
        .into_iter()
        .filter(|program| !found(program))
        .collect();
    if !root().join(AXE).is_file() {
        missing.push("axe-core");
    }
    if missing.is_empty() {
        return super::mosquitto::is_missing(test);
    }
    assert!(
        !in_ci(),
        "{test}: {missing:?} are missing: scripts/test installs them"
    );
    eprintln!("SKIPPED {test}: {missing:?} are missing: scripts/test installs them");
    true
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running chromedriver; its windows close with it.
#[derive(Debug)]
pub struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    pub fn start() -> Driver {
        let port = free_port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not listen");
            pause();
        }
        Driver { child, port }
    }

    /// A new browser, with nothing kept from an earlier one.
    pub fn open(&self, look: &Look) -> Window {
        let Look {
            language,
            width,
            height,
            dark,
        } = *look;
        let options = json!({
            // These pages are our own, and tests run as root in containers, where the sandbox does not start.
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
                format!("--lang={language}"), format!("--window-size={width},{height}")],
            "prefs": {"intl.accept_languages": language},
        });
        let asked = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome",
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}});
        let session = call(self.port, "POST", "/session", &asked);
        let id = session["sessionId"].as_str().unwrap();
        let window = Window {
            port: self.port,
            path: format!("/session/{id}"),
        };
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        window.chrome("Emulation.setDeviceMetricsOverride", &metrics);
        window.dark(dark);
        window
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// How a window looks.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub language: &'static str,
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            language: "en",
            width: 1440,
            height: 1000,
            dark: false,
        }
    }
}

/// A browser with one window; closed when dropped.
#[derive(Debug)]
pub struct Window {
    port: u16,
    path: String,
}

impl Window {
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// What `script` returns.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post(
            "/execute/sync",
            &json!({"script": script, "args": arguments}),
        )
    }

    /// What the promise that `script` returns comes to.
    pub fn run_slow(&self, script: &str, arguments: &[Value]) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {script} }})(...[...arguments].slice(0, -1))
                .then((value) => done([value ?? null]), (error) => done(String(error)));"
        );
        let answer = self.post(
            "/execute/async",
            &json!({"script": script, "args": arguments}),
        );
        let value = answer.get(0).cloned();
        value.unwrap_or_else(|| panic!("the script failed: {answer}"))
    }

    /// Waits until `script` returns something that holds, and returns it.
    pub fn until(&self, what: &str, script: &str) -> Value {
        self.until_within(PATIENCE, what, script)
    }

    pub fn until_within(&self, patience: Duration, what: &str, script: &str) -> Value {
        let deadline = Instant::now() + patience;
        loop {
            let value = self.run(script, &[]);
            if !matches!(value, Value::Null | Value::Bool(false)) && value != "" {
                return value;
            }
            if Instant::now() > deadline {
                self.picture("failed");
                panic!("waited in vain for {what}; the page: {}", self.text("body"));
            }
            pause();
        }
    }

    /// Waits until an element is there.
    pub fn await_element(&self, selector: &str) {
        let script = format!(
            "return document.querySelector({}) !== null",
            quoted(selector)
        );
        self.until(selector, &script);
    }

    /// Waits until `text` stands in an element.
    pub fn await_text(&self, selector: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll({})].some((it) => it.textContent.includes({}))",
            quoted(selector),
            quoted(text)
        );
        self.until(&format!("`{text}` in {selector}"), &script);
    }

    /// The text of the first such element; empty where there is none.
    pub fn text(&self, selector: &str) -> String {
        let script = format!(
            "return document.querySelector({})?.innerText ?? ''",
            quoted(selector)
        );
        self.run(&script, &[])
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn count(&self, selector: &str) -> usize {
        let script = format!(
            "return document.querySelectorAll({}).length",
            quoted(selector)
        );
        usize::try_from(self.run(&script, &[]).as_u64().unwrap()).unwrap()
    }

    /// A real click: fails where something lies over the element.
    pub fn click(&self, selector: &str) {
        self.await_element(selector);
        let path = format!("/element/{}/click", self.element(selector));
        self.post(&path, &json!({}));
    }

    pub fn write(&self, selector: &str, text: &str) {
        self.await_element(selector);
        let element = self.element(selector);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Keys to whatever has the focus.
    pub fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|what| json!({"type": what, "value": key})))
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.post("/actions", &actions);
    }

    pub fn title(&self) -> String {
        self.get("/title").as_str().unwrap().to_owned()
    }

    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.chrome("Emulation.setEmulatedMedia", &media);
    }

    /// Signs in at the page that stands open.
    pub fn sign_in(&self, user: &str, password: &str) {
        self.write("input[name=username]", user);
        self.write("input[name=password]", password);
        self.click(".signin button[type=submit]");
        self.await_element("header.bar");
        self.until(
            "the sheet to go",
            "return document.querySelector('.signin') === null",
        );
    }

    /// A picture of the whole page in target/screenshots.
    pub fn picture(&self, name: &str) {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.chrome("Page.captureScreenshot", &whole);
        let folder: PathBuf = root().join("target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        let bytes = from_base64(picture["data"].as_str().unwrap());
        fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// What axe-core complains of: WCAG 2.2 A and AA, and its best practices.
    pub fn complaints(&self) -> Vec<String> {
        if self.run("return window.axe === undefined", &[]) == true {
            let axe = fs::read_to_string(root().join(AXE)).unwrap();
            self.run(&axe, &[]);
        }
        let script = "const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa', 'best-practice'];
             const { violations } = await axe.run(document, { runOnly: { type: 'tag', values: tags } });
             return violations.flatMap(({ id, help, nodes }) =>
                nodes.map((it) => `${id}: ${help}: ${it.target.join(' ')}: ${it.failureSummary}`));";
        let found = self.run_slow(script, &[]);
        let list = found.as_array().unwrap().iter();
        list.map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// What the browser complained of, but for answers with a status that a test asked for.
    pub fn errors(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter();
        lines
            .filter(|line| line["level"] == "SEVERE")
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .filter(|text| !text.contains("Failed to load resource"))
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let asked = json!({"using": "css selector", "value": selector});
        let found = self.post("/element", &asked);
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    fn chrome(&self, command: &str, parameters: &Value) -> Value {
        let asked = json!({"cmd": command, "params": parameters});
        self.post("/goog/cdp/execute", &asked)
    }

    fn get(&self, path: &str) -> Value {
        call(
            self.port,
            "GET",
            &format!("{}{path}", self.path),
            &Value::Null,
        )
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        call(self.port, "POST", &format!("{}{path}", self.path), body)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Not by `call`: it may panic, and this may run while a test fails.
        drop(request(self.port, "DELETE", &self.path, ""));
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn call(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let text = request(port, method, path, &body).unwrap();
    let answer: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let value = answer["value"].clone();
    assert!(
        value.get("error").is_none() || value.get("stacktrace").is_none(),
        "{method} {path}: {} {}",
        value["error"],
        value["message"]
    );
    value
}

/// chromedriver answers requests of this machine only, and goes by the header.
fn request(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(6 * PATIENCE))?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| -> u32 {
        u32::from(match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        })
    };
    let letters: Vec<u8> = text.bytes().filter(|it| *it != b'=').collect();
    let groups = letters.chunks(4).map(|group| {
        let bits = group
            .iter()
            .fold(0, |bits, letter| bits << 6 | value(*letter));
        let [_, bytes @ ..] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes[..group.len() - 1].to_vec()
    });
    groups.flatten().collect()
}
