//! Signing in at the ward's server by the hospital's own service: the built program, a real broker, a certified OpenID provider;
//! and a false provider, whose tokens are wrong in every way.
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

use common::chromium::{self, Driver, Look};
use common::http::{Answer, Browser};
use common::mosquitto::{self, PATIENCE, free_port, run};
use common::provider::{Provider, SECRET, Setup, Surfer, is_missing};
use common::wardroom::{PASSWORD, Wardroom};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use scanward::trust::{SigningKey, to_base64url};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CALLBACK: &str = "/api/oidc/callback";

#[test]
fn each_role_comes_by_its_group_and_stays_over_a_restart() {
    if is_missing("each_role") {
        return;
    }
    let scene = Scene::new(&Setup::default(), "");
    let server = scene.room.start();
    let found = Browser::new(scene.room.port).get("/api/sign-in").json();
    assert_eq!(found, json!({"oidc": {"label": "Hospital account"}}));
    let mut came = Vec::new();
    for (who, user, name, role) in [
        ("n-1", "kwok", "Kwok 郭", "nurse"),
        // Shown with the name: a local user is shown as the same.
        (
            "p-1",
            "tam.wl@hospital.example",
            "Dr Lee 李 (tam.wl@hospital.example)",
            "physician",
        ),
        ("i-1", "yip", "Yip", "it"),
    ] {
        let (mut surfer, answer) = scene.sign_in(who);
        assert_eq!(answer.header("location"), Some("/"), "{answer:?}");
        let cookies: Vec<&str> = cookies(&answer).collect();
        let session = cookies
            .iter()
            .find(|it| it.starts_with("scanward_session="));
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(session.unwrap().contains(part), "{cookies:?}");
        }
        let shown = surfer.session(&scene).json();
        assert_eq!(
            (&shown["user"], &shown["name"], &shown["role"]),
            (&json!(user), &json!(name), &json!(role))
        );
        came.push(surfer);
    }
    assert!(server.stop().success());
    let server = scene.room.start();
    for surfer in &mut came {
        assert_eq!(surfer.session(&scene).status, 200);
    }

    // A physician of the service enrols a key like any other: IT's code, then the browser's key.
    let [_, tam, yip] = &came[..] else { panic!() };
    let made = scene
        .browser(yip)
        .post("/api/keys/codes", "{\"user\":\"tam.wl@hospital.example\"}");
    assert_eq!(made.status, 201, "{made:?}");
    let public = SigningKey::from_seed(&[5; 32]).unwrap().public().unwrap();
    let enrolment = json!({"code": made.json()["code"], "public_key": public.to_base64()});
    let code = enrolment["code"].as_str().unwrap().replace('-', "");
    let enrolment = json!({"code": code, "public_key": enrolment["public_key"]}).to_string();
    let enrolled = scene.browser(tam).post("/api/keys/enrol", &enrolment);
    assert_eq!(enrolled.status, 201, "{enrolled:?}");
    let keys = scene.browser(yip).get("/api/keys").json();
    assert_eq!(keys["keys"][0]["user"], "tam.wl@hospital.example");
    assert_eq!(keys["keys"][0]["by"], "Dr Lee 李 (tam.wl@hospital.example)");

    // No password fits them, and a name that IT writes into the users' file is that user's from then on.
    let mut guess = Browser::new(scene.room.port);
    assert_eq!(guess.sign_in("kwok", "correct horse kwok").code(), "wrong");
    assert_eq!(scene.browser(&came[0]).delete("/api/session").status, 204);
    assert_eq!(came[0].session(&scene).status, 401);

    let audit = scene.audit();
    for part in [
        "\"ended\":\"nurse\",\"from\":\"127.0.0.1\"",
        "\"what\":\"oidc-signed-in\",\"who\":\"tam.wl@hospital.example\"",
        "\"what\":\"key-enrolled\",\"who\":\"tam.wl@hospital.example\"",
        "\"what\":\"signed-out\",\"who\":\"kwok\"",
    ] {
        assert!(audit.contains(part), "{part} is not in {audit}");
    }

    // With other settings of a role, its sessions end; those of the others stay.
    assert!(server.stop().success());
    scene.settings("ward-doctors", "ward-physicians", "");
    let server = scene.room.start();
    assert_eq!(came[1].session(&scene).status, 401);
    assert_eq!(came[2].session(&scene).status, 200);
    // Without the section nobody is left of those who came by it.
    assert!(server.stop().success());
    scene.room.settings("");
    let _server = scene.room.start();
    assert_eq!(came[2].session(&scene).status, 401);
    let none = Browser::new(scene.room.port);
    assert_eq!(none.get("/api/sign-in").json(), json!({"oidc": null}));
    assert_eq!(none.get("/api/oidc/login").status, 404);
    assert_eq!(none.get(CALLBACK).status, 404);
    scene.kept_its_secrets();
}

#[test]
fn who_is_nobody_here_is_refused_and_told_what_to_do() {
    if is_missing("nobody") {
        return;
    }
    let scene = Scene::new(&Setup::default(), "");
    let _server = scene.room.start();
    assert_eq!(scene.sign_in("n-1").1.header("location"), Some("/"));
    for (who, code) in [
        ("x-1", "oidc-no-role"),
        ("x-2", "oidc-local"),
        // Another person to whom the service gave a name that somebody has here.
        ("x-3", "oidc-name"),
        ("x-4", "oidc-no-role"),
        ("x-5", "oidc-name"),
        ("x-6", "oidc-name"),
    ] {
        let (mut surfer, answer) = scene.sign_in(who);
        refused(&answer, code);
        assert_eq!(surfer.session(&scene).status, 401, "{who}");
    }
    // The first keeps the name.
    assert_eq!(scene.sign_in("n-1").1.header("location"), Some("/"));
    // A name that the users' file gets later is that user's: whoever came under it is signed out, and does not come back.
    let (mut surfer, _) = scene.sign_in("i-1");
    assert_eq!(surfer.session(&scene).status, 200);
    scene
        .room
        .people(&[("ops", "it", "IT"), ("yip", "nurse", "Local Yip")]);
    let deadline = Instant::now() + PATIENCE;
    while surfer.session(&scene).status != 401 {
        assert!(Instant::now() < deadline, "still signed in");
        common::site::pause(50);
    }
    refused(&scene.sign_in("i-1").1, "oidc-local");

    let audit = scene.audit();
    for part in [
        "\"ended\":\"no-role\",\"from\":\"127.0.0.1\"",
        "\"what\":\"oidc-refused\",\"who\":\"pang\"",
        "\"ended\":\"local-user\"",
        "\"ended\":\"name-taken\"",
        "\"ended\":\"no-name\"",
    ] {
        assert!(audit.contains(part), "{part} is not in {audit}");
    }
    scene.kept_its_secrets();
}

#[test]
fn what_did_not_begin_in_this_browser_or_was_used_is_refused() {
    if is_missing("did_not_begin") {
        return;
    }
    let scene = Scene::new(&Setup::default(), "");
    let _server = scene.room.start();
    let (port, provider) = (scene.room.port, scene.provider.port);

    // The way there: this server's own address of the service, whatever the request says.
    let mut surfer = Surfer::default();
    let begun = surfer.ask("GET", port, "/api/oidc/login?next=https://evil.example", "");
    assert_eq!(begun.status, 303);
    let location = begun.header("location").unwrap().to_owned();
    let start = format!(
        "{}/auth?response_type=code&client_id=ward&",
        scene.provider.issuer()
    );
    assert!(location.starts_with(&start), "{location}");
    for part in [
        "code_challenge_method=S256",
        "&nonce=",
        "&state=",
        "prompt=login",
        "scope=openid%20profile",
    ] {
        assert!(location.contains(part), "{location}");
    }
    assert!(!location.contains("evil") && !location.contains("code_verifier"));
    let cookie = cookies(&begun).next().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/api/oidc", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }

    // Another browser, as if somebody had been sent the link.
    let back = surfer.walk(provider, &location, "n-1");
    refused(&Surfer::default().ask("GET", port, &back, ""), "oidc-stale");
    // The state has leaked: it is of no use to its own browser either.
    refused(&surfer.ask("GET", port, &back, ""), "oidc-stale");

    // Used once, never again, by nobody.
    let (mut surfer, back) = scene.walked("n-1");
    assert_eq!(
        surfer.ask("GET", port, &back, "").header("location"),
        Some("/")
    );
    refused(&surfer.ask("GET", port, &back, ""), "oidc-stale");

    // A code of one sign-in in another: the service sees that the verifier is not its own.
    let (_, foreign) = scene.walked("p-1");
    let (mut surfer, own) = scene.walked("n-1");
    let injected = own.replace(&code_in(&own), &code_in(&foreign));
    refused(&surfer.ask("GET", port, &injected, ""), "oidc-answer");

    // What the service says when it says no; an answer of another service; nonsense.
    for (answer, code) in [
        ("error=access_denied&state=STATE&iss=ISSUER", "oidc-denied"),
        ("error=login_required&state=STATE&iss=ISSUER", "oidc-answer"),
        ("error=%3Cscript%3E&state=STATE&iss=ISSUER", "oidc-answer"),
        (
            "code=CODE&state=STATE&iss=https%3A%2F%2Fevil.example",
            "oidc-answer",
        ),
        ("code=CODE&state=STATE", "oidc-answer"),
        ("state=STATE&iss=ISSUER", "oidc-answer"),
        ("code=CODE&state=x&iss=ISSUER", "oidc-stale"),
        ("code=CODE&code=CODE&state=STATE&iss=ISSUER", "oidc-stale"),
        ("", "oidc-stale"),
    ] {
        let (mut surfer, back) = scene.walked("n-1");
        let rest = back.split_once("state=").unwrap().1;
        let state = rest.split('&').next().unwrap();
        let issuer = scene
            .provider
            .issuer()
            .replace(':', "%3A")
            .replace('/', "%2F");
        let answer = answer
            .replace("CODE", &code_in(&back))
            .replace("STATE", state)
            .replace("ISSUER", &issuer);
        refused(
            &surfer.ask("GET", port, &format!("{CALLBACK}?{answer}"), ""),
            code,
        );
        assert_eq!(surfer.session(&scene).status, 401);
    }
    let audit = scene.audit();
    for part in [
        "unknown-state",
        "other-browser",
        "exchange",
        "denied",
        "other-issuer",
    ] {
        assert!(
            audit.contains(&format!("\"ended\":\"{part}\"")),
            "{part}: {audit}"
        );
    }
    assert!(!audit.contains("<script>") && !scene.room.log().contains("<script>"));

    // One address can fill neither the list nor our time.
    for _ in 0..30 {
        Surfer::default().ask("GET", port, CALLBACK, "");
    }
    refused(
        &Surfer::default().ask("GET", port, CALLBACK, ""),
        "oidc-limited",
    );
    refused(
        &Surfer::default().ask("GET", port, "/api/oidc/login", ""),
        "oidc-limited",
    );
    assert_eq!(scene.audit().matches("oidc-refused").count(), 20);
    scene.kept_its_secrets();
}

fn code_in(path: &str) -> String {
    let rest = path.split_once("code=").unwrap().1;
    rest.split('&').next().unwrap().to_owned()
}

#[test]
fn every_signature_and_every_way_to_show_who_asks_works_with_a_real_provider() {
    if is_missing("every_signature") {
        return;
    }
    for (algorithm, method, thin) in [
        ("PS256", "client_secret_post", true),
        ("ES256", "none", false),
        ("EdDSA", "client_secret_basic", true),
    ] {
        let setup = Setup {
            algorithm,
            method,
            thin,
            ..Setup::default()
        };
        let scene = Scene::new(&setup, "");
        if method == "none" {
            scene.settings("client_secret_file", "", "");
        }
        let _server = scene.room.start();
        let (mut surfer, answer) = scene.sign_in("n-1");
        assert_eq!(
            answer.header("location"),
            Some("/"),
            "{algorithm}: {}",
            scene.room.log()
        );
        assert_eq!(surfer.session(&scene).json()["user"], "kwok");
        scene.kept_its_secrets();
    }
}

#[test]
fn while_the_service_is_away_passwords_work_and_the_page_says_why() {
    if is_missing("away") {
        return;
    }
    let scene = Scene::new(&Setup::default(), "");
    let Scene { room, provider } = scene;
    let port = provider.port;
    drop(provider);
    // The server starts without it, and says that it is away to who asks.
    let _server = room.start();
    refused(&Browser::new(room.port).get("/api/oidc/login"), "oidc-away");
    room.browser("chan");
    assert!(room.log().contains("cannot be reached"), "{}", room.log());
    // Back again: no restart is needed.
    let provider = Provider::start(&Setup::default(), port, &ward(&room));
    common::site::pause(3500);
    let scene = Scene { room, provider };
    assert_eq!(scene.sign_in("n-1").1.header("location"), Some("/"));
    // Away between the way there and the way back.
    let (mut surfer, back) = scene.walked("n-1");
    let Scene { room, provider } = scene;
    drop(provider);
    refused(&surfer.ask("GET", room.port, &back, ""), "oidc-away");
}

#[test]
fn the_hospitals_own_authority_is_believed_when_it_is_named_and_no_other() {
    if is_missing("authority") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let certificate = [
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
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ];
    run(folder.path(), "openssl", &certificate);
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let setup = Setup {
        tls: Some((cert.clone(), key)),
        ..Setup::default()
    };
    let scene = Scene::new(&setup, "");
    let server = scene.room.start();
    refused(
        &Browser::new(scene.room.port).get("/api/oidc/login"),
        "oidc-away",
    );
    assert!(
        scene.room.log().contains("certificate"),
        "{}",
        scene.room.log()
    );
    assert!(server.stop().success());
    scene.settings("", "", &format!("ca_file = \"{}\"\n", cert.display()));
    let _server = scene.room.start();
    let begun = Browser::new(scene.room.port).get("/api/oidc/login");
    let location = begun.header("location").unwrap();
    assert!(location.starts_with("https://127.0.0.1:"), "{location}");
}

#[test]
fn a_false_provider_gets_nobody_in() {
    if mosquitto::is_missing("false_provider") {
        return;
    }
    let fake = Fake::start();
    let room = Wardroom::new("");
    let secret = room.root().join("secret");
    fs::write(&secret, SECRET).unwrap();
    room.settings(&section(
        &room,
        &fake.issuer(),
        &secret.display().to_string(),
    ));
    let _server = room.start();
    let now = unix_seconds();
    let issuer = fake.issuer();
    let right = |nonce: &str| {
        json!({"iss": issuer, "aud": "ward", "sub": "s-1", "nonce": nonce, "iat": now, "exp": now + 60,
            "preferred_username": "kwok", "groups": ["ward-nurses"]})
    };
    let es = json!({"alg": "ES256", "kid": "one"});
    let mut number = 0_u8;
    let mut check = |what: &str, expected: Option<&str>, token: &dyn Fn(&Fake, &str) -> String| {
        number += 1;
        let mut surfer = Surfer::default();
        let begun = surfer.ask("GET", room.port, "/api/oidc/login", "");
        let location = begun
            .header("location")
            .unwrap_or_else(|| panic!("{what}: {begun:?}"));
        let value = |name: &str| {
            let rest = location.split_once(&format!("&{name}=")).unwrap().1;
            rest.split('&').next().unwrap().to_owned()
        };
        let token = token(&fake, &value("nonce"));
        *fake.token.lock().unwrap() =
            json!({"id_token": token, "access_token": "a", "token_type": "Bearer"}).to_string();
        let back = format!("{CALLBACK}?code=c-{number}&state={}", value("state"));
        let answer = surfer.ask("GET", room.port, &back, "");
        match expected {
            None => assert_eq!(
                answer.header("location"),
                Some("/"),
                "{what}: {}",
                room.log()
            ),
            Some(reason) => {
                refused(&answer, "oidc-answer");
                let log = room.log();
                let last = log
                    .lines()
                    .rfind(|line| line.contains("refused at sign-in"));
                assert!(last.unwrap().contains(reason), "{what}: {last:?}");
            }
        }
    };
    check("right", None, &|fake, nonce| {
        fake.signed(&es, &right(nonce))
    });
    for (key, value, reason) in [
        ("iss", json!("https://evil.example"), "`iss`"),
        ("aud", json!("other"), "`aud`"),
        ("aud", json!(["ward", "other"]), "`aud`"),
        ("azp", json!("other"), "`azp`"),
        ("exp", json!(now - 200), "it is over"),
        ("iat", json!(now + 600), "lies ahead"),
        ("nonce", json!("other"), "`nonce`"),
        ("sub", json!(""), "`sub`"),
    ] {
        check(key, Some(reason), &|fake, nonce| {
            let mut claims = right(nonce);
            claims[key] = value.clone();
            fake.signed(&es, &claims)
        });
    }
    let part = |value: &Value| to_base64url(value.to_string().as_bytes());
    check("none", Some("`alg`"), &|_, nonce| {
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&right(nonce)))
    });
    check(
        "HS256 with the public key or the secret",
        Some("`alg`"),
        &|fake, nonce| fake.signed(&json!({"alg": "HS256", "kid": "one"}), &right(nonce)),
    );
    check("bent", Some("signature"), &|fake, nonce| {
        let mut token = fake.signed(&es, &right(nonce));
        let last = token.pop().unwrap();
        let other = if last == 'A' { 'Q' } else { 'A' };
        token.push(other);
        token
    });
    // A key that is not known is asked for once, not each time.
    let asked = fake.keys_asked.load(Ordering::SeqCst);
    for _ in 0..3 {
        check(
            "another key",
            Some("not among the service's"),
            &|fake, nonce| fake.signed(&json!({"alg": "ES256", "kid": "two"}), &right(nonce)),
        );
    }
    assert!(fake.keys_asked.load(Ordering::SeqCst) <= asked + 1);
    check("no token", Some("no signed token"), &|_, _| "x".to_owned());
    // More than fits, an answer that leads elsewhere.
    check("large", Some("no answer that can be read"), &|_, _| {
        "x".repeat(1 << 20)
    });
    fake.redirects.store(1, Ordering::SeqCst);
    check(
        "led elsewhere",
        Some("gave no tokens: status 302"),
        &|_, _| String::new(),
    );
    // The secret went to the token endpoint, as a header, encoded as the standard says; and nowhere else.
    let heard = fake.heard.lock().unwrap().clone();
    assert!(
        heard.iter().any(
            |it| it.contains("authorization: Basic d2FyZDphJTIwc2VjcmV0JTNB")
                || it.contains("Authorization: Basic d2FyZDphJTIwc2VjcmV0JTNB")
        ),
        "{heard:?}"
    );
    let outside = heard.iter().filter(|it| !it.starts_with("POST /token "));
    assert!(outside.clone().count() >= 2 && !outside.clone().any(|it| it.contains("Basic")));
    assert!(!room.log().contains("eyJ"), "a token in the log");
}

#[test]
fn a_nurse_presses_the_button_and_is_in() {
    if is_missing("button") || chromium::is_missing("button") {
        return;
    }
    // The server as another site than the provider: cookies are kept apart as in a hospital.
    let (room, port) = (Wardroom::new(""), free_port());
    let ward = format!("http://localhost:{}", room.port);
    let provider = Provider::start(&Setup::default(), port, &ward);
    let secret = room.root().join("secret");
    fs::write(&secret, SECRET).unwrap();
    let text = section(&room, &provider.issuer(), &secret.display().to_string());
    room.settings(
        &text
            .replace(&self::ward(&room), &ward)
            .replace("label = \"Hospital account\"\n", ""),
    );
    let _server = room.start_listening();
    let driver = Driver::start();
    let window = driver.open(&Look::default());
    window.go(&format!("{ward}/#/boxes"));
    window.await_text("a.button", "Use your hospital account");
    assert_eq!(window.complaints(), Vec::<String>::new());
    window.picture("sign-in-hospital");
    window.write("input[name=station]", "Ward 9C");

    // In no group: told so, in words.
    window.click("a.button");
    at_provider(&window, "x-1");
    window.await_text(".note-bad", "is in no group that may use this page");
    assert_eq!(window.complaints(), Vec::<String>::new());
    window.picture("sign-in-no-role");
    let hash = window.run("return location.hash", &[]);
    assert_eq!(hash, "#/", "the reason is taken out of the address");

    window.go(&format!("{ward}/#/boxes"));
    window.click("a.button");
    at_provider(&window, "n-1");
    window.await_text(".user", "Kwok 郭");
    window.await_text(".user", "Ward 9C");
    assert_eq!(
        window.run("return location.hash", &[]),
        "#/boxes",
        "where one was"
    );
    assert_eq!(window.errors(), Vec::<String>::new());
    // Out again, and in by password on the same page.
    window.click("[data-focus=sign-out]");
    window.await_text("a.button", "Use your hospital account");
    window.sign_in("chan", &format!("{PASSWORD}chan"));
    window.await_text(".user", "Chan 陳");

    // In Chinese, while the service is away.
    drop(provider);
    let chinese = driver.open(&Look {
        language: "zh-HK",
        width: 390,
        height: 844,
        ..Look::default()
    });
    chinese.go(&format!("{ward}/#sign-in/oidc-away"));
    chinese.await_text(".note-bad", "醫院登入服務沒有回應");
    chinese.await_text("a.button", "以醫院帳戶登入");
    assert_eq!(chinese.complaints(), Vec::<String>::new());
    chinese.picture("sign-in-hospital-chinese");
    // A word that is not on the list is no text of the page.
    chinese.go("about:blank");
    chinese.go(&format!("{ward}/#sign-in/oidc-%3Cb%3E"));
    chinese.await_text("a.button", "以醫院帳戶登入");
    assert_eq!(chinese.count(".note-bad"), 0);
    assert_eq!(chinese.errors(), Vec::<String>::new());
}

fn at_provider(window: &chromium::Window, who: &str) {
    window.write("input[name=login]", who);
    window.write("input[name=password]", "any");
    window.click("button[type=submit]");
}

// ---- the scene

/// A server and its provider.
struct Scene {
    room: Wardroom,
    provider: Provider,
}

/// The server as browsers have it.
fn ward(room: &Wardroom) -> String {
    format!("http://127.0.0.1:{}", room.port)
}

fn section(room: &Wardroom, issuer: &str, secret_file: &str) -> String {
    format!(
        "[oidc]\nissuer = \"{issuer}\"\nclient_id = \"ward\"\nclient_secret_file = \"{secret_file}\"\n\
         public_url = \"{}\"\nlabel = \"Hospital account\"\nnurse_groups = [\"ward-nurses\"]\n\
         physician_groups = [\"ward-doctors\"]\nit_groups = [\"ward-it\"]\n",
        ward(room)
    )
}

impl Scene {
    fn new(setup: &Setup, extra: &str) -> Scene {
        let room = Wardroom::new("");
        let provider = Provider::start(setup, free_port(), &ward(&room));
        fs::write(room.root().join("secret"), format!("{SECRET}\n")).unwrap();
        let scene = Scene { room, provider };
        scene.settings("", "", extra);
        scene
    }

    /// Writes the settings with `part` replaced; an empty `instead` takes out the whole line.
    fn settings(&self, part: &str, instead: &str, extra: &str) {
        let secret = self.room.root().join("secret");
        let issuer = match extra.contains("ca_file") || self.is_tls() {
            true => self.provider.issuer().replace("http:", "https:"),
            false => self.provider.issuer(),
        };
        let text = section(&self.room, &issuer, &secret.display().to_string());
        let text = match (part, instead) {
            ("", _) => text,
            (part, "") => {
                let lines = text.lines().filter(|line| !line.starts_with(part));
                lines.map(|line| format!("{line}\n")).collect()
            }
            (part, instead) => text.replace(part, instead),
        };
        self.room.settings(&format!("{text}{extra}"));
    }

    fn is_tls(&self) -> bool {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.provider.port)) else {
            return false;
        };
        // A server of HTTP answers a line of it; one of TLS says no in its own way.
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut first = [0_u8; 4];
        !(stream.read_exact(&mut first).is_ok() && &first == b"HTTP")
    }

    /// Begins a sign-in and goes through it at the provider: the browser, and the way back.
    fn walked(&self, who: &str) -> (Surfer, String) {
        let mut surfer = Surfer::default();
        let begun = surfer.ask("GET", self.room.port, "/api/oidc/login", "");
        assert_eq!(begun.status, 303, "{begun:?}");
        let location = begun.header("location").unwrap();
        let back = surfer.walk(self.provider.port, location, who);
        (surfer, back)
    }

    fn sign_in(&self, who: &str) -> (Surfer, Answer) {
        let (mut surfer, back) = self.walked(who);
        let answer = surfer.ask("GET", self.room.port, &back, "");
        (surfer, answer)
    }

    /// The browser with the session that `surfer` has.
    fn browser(&self, surfer: &Surfer) -> Browser {
        let secret = surfer.cookie(self.room.port, "scanward_session");
        Browser {
            port: self.room.port,
            cookie: secret.map(|secret| format!("scanward_session={secret}")),
        }
    }

    fn audit(&self) -> String {
        let answer = self.room.browser("ops").get("/api/audit");
        String::from_utf8(answer.body).unwrap()
    }

    /// Neither log nor store holds a secret, code, token or cookie.
    fn kept_its_secrets(&self) {
        let log = self.room.log();
        for part in [SECRET, "eyJ", "code=", "code_verifier", "Bearer ", "Basic "] {
            assert!(!log.contains(part), "{part} in {log}");
        }
        for file in fs::read_dir(self.room.root().join("state")).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            let holds = |part: &str| bytes.windows(part.len()).any(|it| it == part.as_bytes());
            assert!(!holds(SECRET) && !holds("eyJ"));
        }
    }
}

/// What a browser that came back sees of its session.
trait Sees {
    fn session(&mut self, scene: &Scene) -> Answer;
}

impl Sees for Surfer {
    fn session(&mut self, scene: &Scene) -> Answer {
        self.ask("GET", scene.room.port, "/api/session", "")
    }
}

fn cookies(answer: &Answer) -> impl Iterator<Item = &str> {
    let all = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie");
    all.map(|(_, value)| value.as_str())
}

/// Led back to the page with this word, and without a session.
fn refused(answer: &Answer, code: &str) {
    let expected = format!("/#sign-in/{code}");
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(
        answer.header("location"),
        Some(expected.as_str()),
        "{answer:?}"
    );
    assert!(!cookies(answer).any(|it| it.starts_with("scanward_session")));
}

fn unix_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap()
}

// ---- a false provider

/// Says what a test puts into its mouth.
struct Fake {
    port: u16,
    key: EcdsaKeyPair,
    token: Arc<Mutex<String>>,
    keys_asked: Arc<AtomicU32>,
    redirects: Arc<AtomicU32>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start() -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(way, pkcs8.as_ref(), &random).unwrap();
        let point = key.public_key().as_ref();
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig",
            "x": to_base64url(&point[1..33]), "y": to_base64url(&point[33..])}]});
        let issuer = format!("http://127.0.0.1:{port}");
        let document = json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys")});
        let fake = Fake {
            port,
            key,
            token: Arc::default(),
            keys_asked: Arc::default(),
            redirects: Arc::default(),
            heard: Arc::default(),
        };
        let (token, asked) = (Arc::clone(&fake.token), Arc::clone(&fake.keys_asked));
        let (redirects, heard) = (Arc::clone(&fake.redirects), Arc::clone(&fake.heard));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let request = request(&mut stream);
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                heard.lock().unwrap().push(request);
                let body = match path.as_str() {
                    "/keys" => {
                        asked.fetch_add(1, Ordering::SeqCst);
                        keys.to_string()
                    }
                    "/token" => token.lock().unwrap().clone(),
                    _ => document.to_string(),
                };
                let leads = path == "/token" && redirects.load(Ordering::SeqCst) > 0;
                let first = match leads {
                    true => "302 Found\r\nLocation: /keys",
                    false => "200 OK",
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {first}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
                );
                drop(
                    stream
                        .write_all(head.as_bytes())
                        .and_then(|()| stream.write_all(body.as_bytes())),
                );
            }
        });
        fake
    }

    fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| to_base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(header), part(claims));
        let made = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", to_base64url(made.as_ref()))
    }
}

fn request(stream: &mut std::net::TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0_u8];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        text.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&text).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    drop(stream.read_exact(&mut body));
    format!("{head}{}", String::from_utf8_lossy(&body))
}
