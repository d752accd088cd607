//! Who may do what at the ward's server: signing in, guessing, roles, requests of other sites, broken requests; the audit
//! list. The built program, a real broker, plain sockets.
#![cfg(feature = "ward")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "helpers outside #[test] functions, shared by several test files; a test needs a real clock to bound its waits"
)]

mod common;

use common::http::Browser;
use common::mosquitto::{PATIENCE, is_missing, publish, run};
use common::wardroom::{PASSWORD, Wardroom, entry, finding, health, id};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

#[test]
fn signing_in_and_out() {
    if is_missing("signing_in") {
        return;
    }
    let room = Wardroom::new("");
    let server = room.start();
    let mut browser = Browser::new(room.port);
    assert_eq!(browser.get("/api/session").code(), "signed-out");
    assert_eq!(browser.sign_in("chan", "wrong password").code(), "wrong");
    assert_eq!(browser.sign_in("nobody", "wrong password").code(), "wrong");
    let answer = browser.sign_in("chan", &format!("{PASSWORD}chan"));
    assert_eq!(answer.status, 200);
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session = browser.get("/api/session").json();
    for (key, value) in [
        ("user", "chan"),
        ("name", "Chan 陳"),
        ("role", "nurse"),
        ("station_default", "Ward 7B"),
        ("site", "north"),
    ] {
        assert_eq!(session[key], value, "{session}");
    }
    // The session outlives the server, and the store holds no cookie.
    assert!(server.stop().success());
    let secret = browser
        .cookie
        .clone()
        .unwrap()
        .split_once('=')
        .unwrap()
        .1
        .to_owned();
    for file in fs::read_dir(room.root().join("state")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, secret.as_bytes()));
    }
    let _server = room.start();
    assert_eq!(browser.get("/api/session").status, 200);
    assert_eq!(browser.delete("/api/session").status, 204);
    assert_eq!(browser.get("/api/session").status, 401);
    assert!(
        !room.log().contains("correct horse"),
        "a password in the log"
    );
}

#[test]
fn five_wrong_passwords_lock_a_user_over_a_restart_and_nobody_else() {
    if is_missing("lock") {
        return;
    }
    let room = Wardroom::new("");
    let server = room.start();
    let mut browser = Browser::new(room.port);
    for _ in 0..5 {
        assert_eq!(browser.sign_in("chan", "wrong password").code(), "wrong");
    }
    let locked = browser.sign_in("chan", &format!("{PASSWORD}chan"));
    assert_eq!((locked.status, locked.code().as_str()), (403, "locked"));
    let wait: u64 = locked.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert!(
        locked.json()["error"]["text"]
            .as_str()
            .unwrap()
            .contains("until 20")
    );
    server.kill();
    let _server = room.start();
    assert_eq!(
        browser.sign_in("chan", &format!("{PASSWORD}chan")).code(),
        "locked"
    );
    assert_eq!(browser.sign_in("ho", &format!("{PASSWORD}ho")).status, 200);
}

#[test]
fn an_address_that_guesses_has_to_wait() {
    if is_missing("guesses") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start();
    let mut browser = Browser::new(room.port);
    for guess in 0..20 {
        assert_eq!(
            browser
                .sign_in(&format!("user-{guess}"), "guess guess")
                .code(),
            "wrong"
        );
    }
    let answer = browser.sign_in("ho", &format!("{PASSWORD}ho"));
    assert_eq!((answer.status, answer.code().as_str()), (429, "limited"));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn each_role_does_what_it_may() {
    if is_missing("roles") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let [chan, lee, ops] = ["chan", "lee", "ops"].map(|name| room.browser(name));
    let mut events = lee.events(None);
    room.box_says("finding/urgent", &finding(1, "urgent"));
    events.next_of("finding");
    let own = format!("/api/findings/{}", id(1));
    let nobody = Browser::new(room.port);
    let post = |path: &str| [&nobody, &chan, &lee, &ops].map(|who| who.post(path, "{}").status);
    let get = |path: &str| [&nobody, &chan, &lee, &ops].map(|who| who.get(path).status);
    for (found, expected) in [
        (get("/api/findings"), [401, 200, 200, 200]),
        (get(&own), [401, 200, 200, 200]),
        (get(&format!("{own}/preview.png")), [401, 404, 404, 403]),
        (get("/api/boxes"), [401, 200, 200, 200]),
        (get("/api/keys"), [401, 200, 200, 200]),
        (get("/api/keys/draft"), [401, 403, 403, 200]),
        (get("/api/audit"), [401, 403, 403, 200]),
        (post(&format!("{own}/ack")), [401, 400, 400, 403]),
        (post(&format!("{own}/verdict")), [401, 403, 422, 403]),
        (post("/api/keys/codes"), [401, 403, 403, 400]),
        (post("/api/keys/enrol"), [401, 403, 400, 403]),
        (post("/api/keys/list"), [401, 403, 403, 422]),
        (post("/api/keys/revoke"), [401, 403, 403, 400]),
        (get("/healthz"), [200; 4]),
    ] {
        assert_eq!(found, expected);
    }
    // IT sees that there is a finding, not whose.
    let seen = ops.get(&own).json();
    assert_eq!(seen["identity"]["accession"], Value::Null, "{seen}");
    assert_eq!(chan.get(&own).json()["identity"]["accession"], "ACC-4711");
    // Keys, codes and the list are IT's.
    assert!(lee.get("/api/keys").json().get("codes").is_none());
    assert!(ops.get("/api/keys").json().get("codes").is_some());
}

#[test]
fn who_is_taken_out_of_the_file_or_gets_another_password_is_signed_out() {
    if is_missing("taken_out") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start();
    let (chan, lee) = (room.browser("chan"), room.browser("lee"));
    let mut events = chan.events(None);
    events.next_of("hello");
    let text = entry("lee", "physician", "Dr Lee 李", "another password");
    fs::write(room.root().join("users.toml"), text).unwrap();
    events.next_of("expired");
    assert!(events.next().is_none());
    assert_eq!(
        [&chan, &lee].map(|who| who.get("/api/session").status),
        [401, 401]
    );
    // A file with a mistake changes nothing.
    let lee = Browser::signed_in(room.port, "lee", "another password");
    fs::write(room.root().join("users.toml"), "[[user]]\nname = 1\n").unwrap();
    until("the complaint", || {
        room.log()
            .contains("users' file is not taken")
            .then_some(())
    });
    assert_eq!(lee.get("/api/session").status, 200);
}

#[test]
fn a_session_ends_after_its_time() {
    if is_missing("session_ends") {
        return;
    }
    let room = Wardroom::new("[session]\nminutes = 0.03\n");
    let _server = room.start();
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    events.next_of("expired");
    assert_eq!(chan.get("/api/session").status, 401);
}

#[test]
fn every_answer_has_the_headers_that_keep_others_out() {
    if is_missing("headers") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start();
    let browser = Browser::new(room.port);
    for path in [
        "/",
        "/assets/app.js",
        "/assets/none",
        "/api/session",
        "/none",
        "/healthz",
    ] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        // Plain on loopback: a browser must not be told to insist on TLS.
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
    }
    assert_eq!(
        browser.get("/api/session").header("cache-control"),
        Some("no-store")
    );
    let page = browser.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let tag = page.header("etag").unwrap();
    let known = browser.send("GET", "/", &[&format!("If-None-Match: {tag}")], b"");
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn a_request_of_another_site_changes_nothing() {
    if is_missing("another_site") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start();
    let chan = room.browser("chan");
    for (method, path) in [
        ("POST", "/api/session"),
        ("DELETE", "/api/session"),
        ("POST", "/api/keys/list"),
    ] {
        let answer = chan.send(method, path, &["Origin: https://evil.example"], b"{}");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "foreign"),
            "{method} {path}"
        );
    }
    assert_eq!(chan.get("/api/session").status, 200);
}

#[test]
fn broken_requests_are_refused_and_nothing_falls_over() {
    if is_missing("broken_requests") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let lee = room.browser("lee");
    let mut events = lee.events(None);
    room.box_says("finding/urgent", &finding(1, "urgent"));
    events.next_of("finding");
    let ack = format!("/api/findings/{}/ack", id(1));
    for body in [
        "",
        "{",
        "[]",
        "{\"station\":7}",
        "{\"station\":\"\"}",
        "{\"station\":\"a\\nb\"}",
        "{\"station\":\"a\",\"more\":1}",
        "\u{0}",
        &"[".repeat(30_000),
    ] {
        let answer = lee.post(&ack, body);
        assert_eq!(answer.status, 400, "{body:.40}: {answer:?}");
    }
    let unknown = lee.post(
        &format!("/api/findings/{}/ack", id(9)),
        "{\"station\":\"a\"}",
    );
    assert_eq!(unknown.status, 404);
    assert_eq!(
        lee.post("/api/findings/..%2F..%2Fetc/ack", "{\"station\":\"a\"}")
            .status,
        404
    );
    for path in [
        "/api/findings?state=most",
        "/api/findings?limit=x",
        "/api/findings?limit=1&limit=2",
        "/api/findings/%ff",
    ] {
        let answer = lee.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.code().is_empty(), "{path}");
    }
    let large = lee.post(&ack, &"x".repeat(100_000));
    assert_eq!((large.status, large.code().as_str()), (413, "too-large"));
    assert_eq!(
        lee.send("PUT", "/api/findings", &["X-Scanward: 1"], b"")
            .status,
        405
    );
    // What no HTTP is, and a header without end.
    for noise in [b"\x16\x03\x01\x00\xa5\x01".as_slice(), &[b'A'; 200_000]] {
        let mut stream = TcpStream::connect(("127.0.0.1", room.port)).unwrap();
        drop(stream.write_all(noise));
        drop(stream.shutdown(std::net::Shutdown::Write));
        drop(stream.read_to_end(&mut Vec::new()));
    }
    // And from the broker's side.
    let topic = |under: &str| format!("scanward/v1/north/ct-2/{under}");
    for (under, payload) in [
        ("finding/urgent", "{".to_owned()),
        ("finding/urgent", "[".repeat(60_000)),
        ("health", "null".to_owned()),
        ("preview/x", "no picture".to_owned()),
        (&format!("receipt/{}", id(1)), "{}".to_owned()),
        ("outcome", "\u{feff}{}".to_owned()),
    ] {
        publish(room.broker_port, &topic(under), &payload);
    }
    publish(room.broker_port, &topic("health"), &health("online", 1));
    events.next_of("box");
    let counts = lee.get("/api/boxes").json()["messages"].clone();
    assert!(counts["malformed"].as_u64().unwrap() >= 4, "{counts}");
    assert_eq!(lee.get("/api/session").status, 200);
}

#[test]
fn one_changed_byte_of_the_audit_list_is_found() {
    if is_missing("audit") {
        return;
    }
    let room = Wardroom::new("");
    let server = room.start();
    let mut browser = Browser::new(room.port);
    browser.sign_in("chan", "wrong password");
    let chan = room.browser("chan");
    chan.delete("/api/session");
    let export = room.browser("ops").get("/api/audit");
    assert_eq!(export.header("content-type"), Some("application/jsonl"));
    let whole = room.root().join("audit.jsonl");
    fs::write(&whole, &export.body).unwrap();
    let text = String::from_utf8(export.body).unwrap();
    for what in [
        "server-started",
        "sign-in-failed",
        "signed-in",
        "signed-out",
        "audit-exported",
    ] {
        assert!(text.contains(what), "{what} is not in {text}");
    }
    assert_eq!(verify(&whole), (true, String::new()));
    let ops = room.browser("ops");
    let since =
        |from: &str| String::from_utf8(ops.get(&format!("/api/audit?from={from}")).body).unwrap();
    assert!(since("3").starts_with(lines_of(&text)[2]));
    assert!(since("2020-01-01T00:00:00.000Z").starts_with(lines_of(&text)[0]));
    assert_eq!(since("2999-01-01T00:00:00.000Z").lines().count(), 1);
    assert_eq!(ops.get("/api/audit?from=yesterday").status, 400);
    // A part is a chain, too.
    let lines = lines_of(&text);
    let part = room.root().join("part.jsonl");
    fs::write(&part, lines[2..].join("\n")).unwrap();
    assert!(verify(&part).0);
    let changed = room.root().join("changed.jsonl");
    fs::write(
        &changed,
        text.replacen("\"who\":\"chan\"", "\"who\":\"chen\"", 1),
    )
    .unwrap();
    let (holds, said) = verify(&changed);
    assert!(!holds && said.contains("line 2 was changed"), "{said}");
    let gone = room.root().join("gone.jsonl");
    fs::write(&gone, [lines[0], lines[1], lines[3]].join("\n")).unwrap();
    assert!(verify(&gone).1.contains("line 3 does not follow"));

    // In the database, too: whoever can write the file can get around the triggers, not around the chain.
    assert!(server.stop().success());
    let database = room.root().join("state/ward.sqlite");
    assert!(verify(&database).0);
    let plain = rusqlite::Connection::open(&database).unwrap();
    let change =
        "UPDATE audit SET line = replace(line, 'signed-out', 'signed-in') WHERE number = 4";
    assert!(plain.execute(change, []).is_err());
    plain
        .execute_batch("DROP TRIGGER audit_is_not_changed")
        .unwrap();
    assert_eq!(plain.execute(change, []).unwrap(), 1);
    drop(plain);
    let (holds, said) = verify(&database);
    assert!(!holds && said.contains("line 4 was changed"), "{said}");
}

fn lines_of(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Whether the list holds, and what the program complained of.
fn verify(path: &std::path::Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(["audit", "verify"])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

#[test]
fn the_page_comes_over_tls_and_a_second_server_keeps_off() {
    if is_missing("tls") {
        return;
    }
    let probe = Wardroom::new("");
    let folder = probe.root().display().to_string();
    let port = probe.port;
    run(
        probe.root(),
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ],
    );
    let http = format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\ncert_file = \"{folder}/cert.pem\"\nkey_file = \"{folder}/key.pem\"\n"
    );
    probe.settings(&http);
    let _server = probe.start();
    let body = format!("{{\"user\":\"chan\",\"password\":\"{PASSWORD}chan\"}}");
    let request = format!(
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nX-Scanward: 1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = over_tls(port, &probe.root().join("cert.pem"), &request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("; Secure"), "{answer}");
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );
    // Plain HTTP on the same port is no way in.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut text = Vec::new();
    drop(plain.read_to_end(&mut text));
    assert!(!text.starts_with(b"HTTP/1.1 200"));

    let second = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args(["ward", "--log", "text", "--config"])
        .arg(probe.root().join("ward.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        !second.status.success() && said.contains("used by another server"),
        "{said}"
    );
}

/// The answer to `request` over TLS, whose certificate must be the one in `file`.
fn over_tls(port: u16, file: &std::path::Path, request: &str) -> String {
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

#[test]
fn settings_and_users_with_a_mistake_say_where() {
    if is_missing("settings") {
        return;
    }
    let room = Wardroom::new("");
    let start = || {
        let output = Command::new(env!("CARGO_BIN_EXE_scanward"))
            .args(["ward", "--log", "text", "--config"])
            .arg(room.root().join("ward.toml"))
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    room.settings("[usres]\nfile = \"x\"\n");
    let (code, said) = start();
    assert_eq!(code, Some(2));
    assert!(
        said.contains("did you mean `users`") && said.contains("hint:"),
        "{said}"
    );
    room.settings("");
    fs::write(
        room.root().join("users.toml"),
        "[[user]]\nname = \"a\"\nrole = \"chief\"\n",
    )
    .unwrap();
    let (code, said) = start();
    assert_eq!(code, Some(1));
    assert!(said.contains("line 3"), "{said}");
}

#[test]
fn a_password_is_never_an_argument_and_a_short_one_is_refused() {
    let text = entry("lee", "physician", "Dr Lee 李", "correct horse lee");
    assert!(
        text.starts_with("[[user]]\nname = \"lee\"\nrole = \"physician\"\n"),
        "{text}"
    );
    assert!(!text.contains("correct horse"), "{text}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_scanward"))
        .args([
            "ward-user",
            "add",
            "lee",
            "--role",
            "nurse",
            "--display",
            "Lee",
        ])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"short\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("10 letters or more"), "{said}");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Waits until `found` finds something.
fn until<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
