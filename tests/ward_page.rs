//! The nursing station's page in a real browser: a real box, a real broker, the ward's server, Debian's Chromium.
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
#[path = "common/vectors.rs"]
mod vectors;

use common::chromium::{Driver, Look, Window, is_missing};
use common::mosquitto::{PATIENCE, Subscriber, publish};
use common::phantoms::Scan;
use common::proxy::{Cut, Line, Proxy};
use common::site::{Daemon, Settings, Site};
use common::wardroom::{
    PASSWORD, ROOT, WardServer, Wardroom, finding, golden, id, not_triaged, receipt,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use scanward::trust::SigningKey;
use scanward::units::WallTime;
use scanward::wire::{VerdictPayload, canonical};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// The alert's row in the list.
const OPEN_ROW: &str = "tr.row-critical, tr.row-urgent";

#[test]
fn an_alert_shows_at_once_escalates_and_two_stations_acknowledge_together() {
    if is_missing("alert") {
        return;
    }
    let scene = Scene::new(
        "",
        "escalate_critical_minutes = 0.1\nescalate_urgent_minutes = 0.1",
    );
    let driver = Driver::start();
    let (chan, ho) = (scene.window(&driver, "chan"), scene.window(&driver, "ho"));
    chan.await_text(".list", "Nothing waits for you");
    chan.until(
        "the connection",
        "return document.querySelector('.connection-live') !== null",
    );
    // Tells when the first row was there, by the page's own clock, what was read out, and what sounded.
    let watch = "window.said = []; window.tones = 0;
        const start = OscillatorNode.prototype.start;
        OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when); };
        for (const id of ['polite', 'assertive']) {
            new MutationObserver((changes) => changes.forEach((it) => it.addedNodes.forEach((node) =>
                window.said.push(id + ': ' + node.textContent)))).observe(document.getElementById(id), { childList: true });
        }
        new MutationObserver(() => {
            if (!window.shownAt && document.querySelector('tr.row-critical')) window.shownAt = Date.now();
        }).observe(document.getElementById('page'), { childList: true, subtree: true });";
    chan.run(watch, &[]);

    scene.scan(31, 45.0);
    chan.await_element("tr.row-critical");
    let shown = chan.run("return window.shownAt", &[]).as_i64().unwrap();
    let id = chan.run(
        "return document.querySelector('tr.row-critical').dataset.id",
        &[],
    );
    let id = id.as_str().unwrap().to_owned();
    let late = shown - scene.taken_by_broker(&id);
    eprintln!("the alert stood on the page {late} ms after the broker's PUBACK");
    assert!(late < 5000, "{late} ms");
    assert!(
        chan.title().starts_with("(1) Critical!"),
        "{}",
        chan.title()
    );
    chan.until(
        "the alert, read out",
        "return window.said.some((it) => it.startsWith('assertive: New Critical finding'))",
    );
    chan.until(
        "the sound",
        "return window.tones > 0 && document.querySelector('.sound-on') !== null",
    );
    chan.picture("list-alert");

    chan.await_text("tr.row-critical", "Escalated");
    chan.until(
        "the escalation, read out",
        "return window.said.some((it) => it.startsWith('assertive: Escalated'))",
    );
    assert_eq!(
        chan.count("tr[data-id]"),
        1,
        "the finding came twice and shows once"
    );
    chan.picture("list-escalated");

    // Both at once: both are told the same, by the box.
    let press = "document.querySelector('tr.row-critical button').click()";
    std::thread::scope(|threads| {
        for window in [&chan, &ho] {
            window.await_element("tr.row-critical button");
            threads.spawn(move || window.run(press, &[]));
        }
    });
    for window in [&chan, &ho] {
        window.await_text("tr.row-seen .c-state", "Acknowledged");
        window.await_text(".list", "Nothing waits for you");
        assert!(window.title().starts_with("Findings"), "{}", window.title());
    }
    let by = chan.text("tr.row-seen .c-state");
    assert_eq!(by, ho.text("tr.row-seen .c-state"));
    let counts = ["Chan 陳", "Ho 何"].map(|name| by.contains(name));
    assert!(counts[0] != counts[1], "{by}");

    // By keyboard alone: to the row, open it, acknowledge, back.
    scene.scan(32, 12.0);
    chan.await_element("tr.row-urgent");
    chan.press("j");
    let focused = chan.run(
        "return document.activeElement.closest('tr')?.className",
        &[],
    );
    assert_eq!(focused, "row-urgent");
    chan.press("a");
    chan.until(
        "the second to be seen",
        "return document.querySelectorAll('tr.row-seen').length === 2",
    );
    let focused = chan.run(
        "return document.activeElement.closest('tr')?.className",
        &[],
    );
    assert_eq!(focused, "row-seen", "the focus stays with the finding");
    chan.press("\u{e007}");
    chan.await_element(".finding-head");
    assert!(chan.run("return document.querySelector('img.preview').complete", &[]) != Value::Null);
    chan.until(
        "the preview",
        "return document.querySelector('img.preview')?.naturalWidth > 100",
    );
    chan.await_text(".log", "Acknowledged");
    assert_eq!(chan.count("svg.lungs .zone"), 6);
    chan.picture("finding");
    chan.press("u");
    chan.await_element(".list");
    clean(&chan);
    clean(&ho);
    scene.end();
}

#[test]
fn a_physician_enrols_signs_and_is_believed_until_the_key_is_revoked() {
    if is_missing("physician") {
        return;
    }
    let mut scene = Scene::silent();
    let driver = Driver::start();

    // IT makes a key; its public half goes into both settings, by hand, as in a hospital.
    let it = scene.window(&driver, "ops");
    it.click("a[href='#/keys']");
    it.click("[data-focus=make-own]");
    it.await_element(".public-key");
    it.await_text(".note", "does not trust this key yet");
    let line = it.text(".public-key");
    scene.trust(&line);
    it.run("location.reload()", &[]);
    it.await_text(".note", "The ward server trusts this key.");
    it.write("[data-focus=code-user]", "lee");
    it.press("\u{e007}");
    it.await_element(".large-code");
    let code = it.text(".large-code");

    // The physician's browser.
    let lee = scene.window(&driver, "lee");
    scene.scan(41, 12.0);
    lee.click("tr.row-urgent .patient-link");
    lee.await_text(".verdict", "This browser has no key of yours.");
    lee.picture("verdict-no-key");
    lee.click(".verdict a[href='#/my-key']");
    lee.write("input[autocomplete='one-time-code']", "1234-5678-9abc-def0");
    lee.click("form.card button");
    lee.await_text(".field-error", "This code is wrong");
    lee.write("input[autocomplete='one-time-code']", &code.to_uppercase());
    lee.click("form.card button");
    lee.await_text(".note", "Your key waits for hospital IT.");
    let number = lee.text(".large-code");
    lee.picture("my-key-pending");
    // The secret half cannot be taken out, not by the page either.
    let secret = lee.run_slow(
        "const open = indexedDB.open('scanward');
         const base = await new Promise((resolve) => (open.onsuccess = () => resolve(open.result)));
         const all = base.transaction('keys').objectStore('keys').getAll();
         const [key] = await new Promise((resolve) => (all.onsuccess = () => resolve(all.result)));
         base.close();
         const taken = await crypto.subtle.exportKey('pkcs8', key.secret).then(() => 'taken', (error) => error.name);
         return [key.secret.extractable, taken, key.key_id];",
        &[],
    );
    assert_eq!(secret[0], false);
    assert_eq!(secret[1], "InvalidAccessError");
    assert_eq!(number.replace(' ', ""), secret[2].as_str().unwrap());

    it.run("location.reload()", &[]);
    it.await_text("[aria-labelledby=draft-title]", &number);
    it.picture("keys-draft");
    it.click("[data-focus=publish]");
    it.await_text(".note", "Published.");
    scene.await_health("the list of keys", |health| {
        health["ward"]["keys_counter"] == 1
    });

    // Corrects: wrong numbers are refused, what is signed is shown to the letter.
    lee.click("nav a[href='#/']");
    lee.click("tr.row-urgent .patient-link");
    lee.await_element(".verdict-form");
    lee.click(".verdict button[type=submit]");
    lee.await_text(".verdict .field-error", "Choose a decision.");
    lee.click(".choice:has([value=correct]) label");
    lee.write(".verdict input[inputmode=decimal]", "140");
    lee.click(".verdict button[type=submit]");
    lee.await_text(".verdict .field-error", "Enter a number from 0 to 100.");
    lee.write(".verdict input[inputmode=decimal]", "17.5");
    lee.write(".verdict textarea", "Also the \"lingula\" 舌葉");
    lee.picture("verdict");
    let heard = Subscriber::start(
        scene.room.broker_port,
        "records",
        &[&format!("{ROOT}/verdict")],
    );
    lee.click(".verdict button[type=submit]");
    lee.click("dialog summary");
    lee.picture("verdict-review");
    let shown = lee.text("dialog .signed-text");
    lee.click("dialog .button");
    lee.await_text(".finding-head", "Corrected");
    lee.await_text(".headline", "17.5%");
    let (_, sent) = heard.message();
    let mut sent: Value = serde_json::from_str(&sent).unwrap();
    let verdict = VerdictPayload::parse(sent.to_string().as_bytes()).unwrap();
    assert_eq!(verdict.by, "Dr Lee 李");
    sent.as_object_mut().unwrap().remove("signature");
    assert_eq!(canonical(&sent).unwrap(), shown, "signed is what was shown");
    lee.picture("verdict-done");

    // A later verdict replaces it; what the page did not show cannot be signed.
    lee.click(".choice:has([value=confirm]) label");
    lee.click(".verdict button[type=submit]");
    lee.click("dialog .button");
    lee.await_text(".finding-head", "Confirmed");

    // A key that no list names is refused by the server; past the server, by the box, and the page says so.
    let finding = verdict.finding_id.as_str().to_owned();
    let forged = verdict
        .clone()
        .signed(&SigningKey::from_seed(&[77; 32]).unwrap())
        .unwrap();
    let forged = serde_json::to_value(&forged).unwrap();
    let answer = lee.run_slow(
        "const [id, verdict] = args;
         const answer = await fetch(`/api/findings/${id}/verdict`, { method: 'POST',
            headers: { 'X-Scanward': '1', 'Content-Type': 'application/json' }, body: JSON.stringify(verdict) });
         return [answer.status, (await answer.json()).error.code];",
        &[finding.clone().into(), forged.clone()],
    );
    assert_eq!(answer, json!([422, "unknown-key"]));
    publish(
        scene.room.broker_port,
        &format!("{ROOT}/verdict"),
        &forged.to_string(),
    );
    lee.await_text(".finding-head .note", "The box does not know this key");
    lee.await_text(".finding-head", "Confirmed");

    // Another physician has no key, and cannot use this one.
    let wu = scene.window(&driver, "wu");
    wu.go(&scene.address(&format!("#/finding/{finding}")));
    wu.await_text(".verdict", "This browser has no key of yours.");

    // Revoked: from the next list on.
    it.click("button.bad-button");
    it.click("dialog .bad-button");
    it.await_text(".key-state", "Will be revoked");
    it.click("[data-focus=publish]");
    it.await_text(".key-state", "Revoked");
    scene.await_health("the next list", |health| {
        health["ward"]["keys_counter"] == 2
    });
    lee.run("location.reload()", &[]);
    lee.await_text(".verdict", "Your key was revoked.");
    for window in [&it, &lee, &wu] {
        clean(window);
    }
    scene.end();
}

#[test]
fn what_came_while_the_line_was_down_is_caught_up_without_doubles() {
    if is_missing("line") {
        return;
    }
    let mut room = Wardroom::new("");
    let _server = room.start_listening();
    let proxy = Proxy::start(room.port, Cut::Never);
    let driver = Driver::start();
    let chan = driver.open(&Look::default());
    chan.go(&format!("http://127.0.0.1:{}/", proxy.port));
    chan.sign_in("chan", &format!("{PASSWORD}chan"));
    room.box_says("finding/urgent", &finding(1, "urgent"));
    chan.await_element(OPEN_ROW);
    let watch = "window.news = 0;
        new MutationObserver((changes) => changes.forEach((it) => (window.news += it.addedNodes.length)))
            .observe(document.getElementById('assertive'), { childList: true });";
    chan.run(watch, &[]);

    proxy.set_line(Line::Down);
    chan.await_text(".banner-bad", "No connection to the ward server");
    assert!(chan.title().starts_with('⚠'), "{}", chan.title());
    chan.picture("list-stale");
    assert_eq!(complaints_of("stale", &chan), Vec::<String>::new());
    room.box_says("finding/critical", &finding(2, "critical"));
    room.box_says("finding/critical", &finding(3, "critical"));
    room.box_says(
        &format!("receipt/{}", id(1)),
        &receipt(1, "acknowledged", 2),
    );
    // An acknowledgement that cannot be sent is not forgotten in silence.
    chan.click("tr.row-urgent button");
    chan.await_text(".toast", "The acknowledgement was not sent.");
    proxy.set_line(Line::Up);
    chan.until(
        "the news",
        "return document.querySelectorAll('tr.row-critical').length === 2",
    );
    chan.await_text(".connection", "Live");
    chan.until(
        "the banner to go",
        "return document.querySelector('.banner-bad') === null",
    );
    chan.await_text("tr.row-seen", "Acknowledged");
    assert_eq!(chan.count("tr[data-id]"), 3);
    // One is the failed acknowledgement.
    assert_eq!(
        chan.run("return window.news", &[]),
        3,
        "each new finding is read out once"
    );

    // Cut again with nothing new: nothing is read out again.
    proxy.cut_all();
    room.box_says("finding/critical", &finding(4, "critical"));
    chan.until(
        "the fourth",
        "return document.querySelectorAll('tr.row-critical').length === 3",
    );
    assert_eq!(chan.run("return window.news", &[]), 4);

    // A line that neither carries nor closes: told by the silence.
    proxy.set_line(Line::Mute);
    chan.until_within(
        6 * PATIENCE,
        "the silence to be told",
        "return document.querySelector('.banner-bad') !== null",
    );
    room.box_says("finding/critical", &finding(5, "critical"));
    proxy.set_line(Line::Up);
    chan.until_within(
        3 * PATIENCE,
        "the fifth",
        "return document.querySelectorAll('tr.row-critical').length === 4",
    );
    assert_eq!(chan.count("tr[data-id]"), 5);

    // The server is there, and hears no box: no news is no good news.
    room.broker.take().unwrap().stop();
    let told = "return document.querySelector('.banner-bad')?.innerText.includes('hears nothing from the boxes')";
    chan.until_within(6 * PATIENCE, "the broker's absence to be told", told);
    chan.picture("list-no-broker");
    clean(&chan);
}

#[test]
fn a_session_that_ends_hides_the_page_and_comes_back_to_where_one_was() {
    if is_missing("session") {
        return;
    }
    let room = Wardroom::new("[session]\nminutes = 0.2");
    let _server = room.start_listening();
    room.box_says("finding/urgent", &finding(1, "urgent"));
    let driver = Driver::start();
    let chan = driver.open(&Look::default());
    chan.go(&format!(
        "http://127.0.0.1:{}/#/finding/{}",
        room.port,
        id(1)
    ));
    chan.await_element("input[name=password]");
    chan.write("input[name=username]", "chan");
    chan.write("input[name=password]", "wrong");
    chan.click(".signin button[type=submit]");
    chan.await_text(".field-error", "User name or password is wrong.");
    chan.sign_in("chan", &format!("{PASSWORD}chan"));
    chan.await_text(".finding-head", "ACC-4711");
    chan.await_text(".signin", "Your session has ended");
    assert!(
        !chan.text("body").contains("ACC-4711"),
        "nothing of a patient can be read"
    );
    assert!(chan.title().contains("Signed out"), "{}", chan.title());
    chan.picture("session-ended");
    assert_eq!(complaints_of("session ended", &chan), Vec::<String>::new());
    // What came meanwhile is there afterwards.
    room.box_says("finding/critical", &finding(2, "critical"));
    chan.write("input[name=password]", &format!("{PASSWORD}chan"));
    chan.click(".signin button[type=submit]");
    chan.await_text(".finding-head", "ACC-4711");
    assert!(
        chan.run("return location.hash", &[])
            .as_str()
            .unwrap()
            .ends_with(&id(1))
    );
    chan.until(
        "the alert in the title",
        "return document.title.includes('Critical!')",
    );
    // Somebody else at the same machine begins at what the address says, with nothing of before.
    chan.click("[data-focus=sign-out]");
    chan.await_element("input[name=password]");
    assert_eq!(
        chan.run(
            "return document.querySelector('input[name=username]').value",
            &[]
        ),
        ""
    );
    clean(&chan);
}

#[test]
fn the_page_speaks_chinese_and_both_languages_say_the_same() {
    if is_missing("chinese") {
        return;
    }
    let room = Wardroom::new("");
    fs::write(room.root().join("names.csv"), NAMES).unwrap();
    let _server = room.start_listening();
    let mut told = golden("finding-compared-whole");
    told["id"] = id(1).into();
    told["data"]["priority"] = "critical".into();
    told["data"]["identity"] =
        json!({"pseudonym": "5d".repeat(16), "accession": "A1", "patient": null});
    room.box_says("finding/critical", &told);
    let driver = Driver::start();
    let chan = driver.open(&Look {
        language: "zh-HK",
        ..Look::default()
    });
    chan.go(&format!("http://127.0.0.1:{}/", room.port));
    chan.await_text("h1", "登入");
    assert_eq!(
        chan.run("return document.documentElement.lang", &[]),
        "zh-Hant-HK"
    );
    chan.picture("sign-in-chinese");
    chan.sign_in("chan", &format!("{PASSWORD}chan"));
    chan.await_text("h1", "結果");
    chan.await_text("tr[data-id]", "陳大文");
    chan.picture("list-chinese");
    let keys = chan.run_slow(
        "const { en } = await import('/assets/en.js');
         const { zhHantHk } = await import('/assets/zh-hant-hk.js');
         // A language without a form of its own for one has no such words.
         const keys = (words) => Object.keys(words).filter((it) => !it.endsWith('.one')).sort();
         const holes = (text) => [...text.matchAll(/\\{\\w+\\}/g)].map(String).sort().join();
         const apart = keys(en).filter((it) => holes(en[it]) !== holes(zhHantHk[it] ?? ''));
         return [keys(en), keys(zhHantHk), apart];",
        &[],
    );
    assert_eq!(keys[0], keys[1], "both languages have the same words");
    assert_eq!(keys[2], json!([]), "with the same places to fill");
    chan.click("tr[data-id] .patient-link");
    chan.await_text(".finding-head", "危急");
    let english = chan.run_slow(
        "const { en } = await import('/assets/en.js');
         const said = document.getElementById('page').innerText;
         return Object.values(en).filter((it) => it.length > 12 && !it.includes('{') && said.includes(it));",
        &[],
    );
    assert_eq!(english, json!([]), "no English on a Chinese page");
    chan.picture("finding-chinese");
    // The choice is kept, also over a new sign-in.
    chan.click("header [lang=en]");
    chan.await_text(".back", "Back to the findings");
    chan.run("location.reload()", &[]);
    chan.await_text(".back", "Back to the findings");
    clean(&chan);
}

#[test]
fn whatever_a_box_or_a_user_writes_shows_as_text() {
    if is_missing("text") {
        return;
    }
    const EVIL: &str =
        "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>'\"`${1}";
    const NAME: &str = "<img src=x onerror=window.pwned=1>";
    let room = Wardroom::new("");
    let names = ["chan", "lee", "ops"].map(|user| format!("{NAME}{user}"));
    room.people(&[
        ("chan", "nurse", &names[0]),
        ("lee", "physician", &names[1]),
        ("ops", "it", &names[2]),
    ]);
    let quoted = format!("\"{}\"", EVIL.replace('"', "\"\""));
    fs::write(
        room.root().join("names.csv"),
        format!("accession,name,patient_id,birth_date\nEVIL,{quoted},{quoted},{quoted}\n"),
    )
    .unwrap();
    let _server = room.start_listening();
    let mut told = golden("finding-compared-whole");
    told["id"] = id(1).into();
    told["data"]["priority"] = "critical".into();
    let data = &mut told["data"];
    data["identity"]["accession"] = EVIL.into();
    data["series"]["description_code"] = EVIL.into();
    data["series"]["modality"] = EVIL.into();
    data["model"]["name"] = EVIL.into();
    data["model"]["version"] = EVIL.into();
    data["model"]["backend"] = EVIL.into();
    data["quality"] = json!([EVIL, "constructor", "__proto__"]);
    data["notice"] = EVIL.into();
    data["lesion"]["zones"][0]["zone"] = EVIL.into();
    data["comparison"]["note"] = EVIL.into();
    data["comparison"]["direction"] = "worsening".into();
    room.box_says("finding/critical", &told);
    let mut by = receipt(1, "acknowledged", 2);
    by["by"] = NAME.into();
    by["station"] = NAME.into();
    room.box_says(&format!("receipt/{}", id(1)), &by);
    let mut other = finding(2, "critical");
    other["data"]["identity"]["accession"] = "EVIL".into();
    room.box_says("finding/critical", &other);
    let mut without = not_triaged(3, EVIL);
    without["data"]["identity"]["accession"] = EVIL.into();
    without["data"]["reason"]["text"] = EVIL.into();
    without["data"]["reason"]["remedy"] = EVIL.into();
    room.box_says("outcome", &without);
    let mut well = golden("health");
    well["version"] = NAME.into();
    well["backend"] = EVIL.into();
    well["model"]["name"] = EVIL.into();
    well["degraded"] = json!([EVIL]);
    room.box_says("health", &well);

    let driver = Driver::start();
    for user in ["chan", "lee", "ops"] {
        let window = driver.open(&Look::default());
        window.go(&format!("http://127.0.0.1:{}/", room.port));
        window.write("input[name=station]", NAME);
        window.sign_in(user, &format!("{PASSWORD}{user}"));
        window.await_text(".user", NAME);
        window.until(
            "both findings",
            "return document.querySelectorAll('tr[data-id]').length === 2",
        );
        window.await_text(".missed", "<script>");
        if user == "ops" {
            assert_eq!(window.count("tr button"), 0, "IT acknowledges nothing");
        } else {
            window.await_text("tr[data-id]", "<script>");
            window.await_text(".patient-link", "window.pwned=1");
            window.await_text(".c-state", NAME);
        }
        let mut views = vec![
            format!("#/finding/{}", id(1)),
            format!("#/finding/{}", id(2)),
            "#/boxes".to_owned(),
        ];
        views.push(format!(
            "#/finding/{}",
            "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E"
        ));
        if user == "ops" {
            views.extend(["#/keys".to_owned(), "#/audit".to_owned()]);
        }
        for view in &views {
            window.run("location.hash = arguments[0]", &[view.clone().into()]);
            window.until(
                "the view",
                "return !document.querySelector('main').innerText.includes('Loading')",
            );
            if view == "#/boxes" {
                window.await_text(".box", "<script>");
            }
            window.picture(&format!("text-{user}"));
            let found = window.run(
                "return [window.pwned ?? null, document.querySelectorAll('img[src=x], main script, [onerror]').length]",
                &[],
            );
            assert_eq!(found, json!([null, 0]), "{user} {view}");
        }
        clean(&window);
    }
}

#[test]
fn every_view_is_usable_by_everybody() {
    if is_missing("everybody") {
        return;
    }
    let room = Wardroom::new("");
    fs::write(room.root().join("names.csv"), NAMES).unwrap();
    let _server = room.start_listening();
    room.box_says("health", &golden("health"));
    let mut told = golden("finding-compared-whole");
    told["id"] = id(1).into();
    told["data"]["priority"] = "critical".into();
    room.box_says("finding/critical", &told);
    room.box_says("finding/urgent", &finding(2, "urgent"));
    let mut triage = golden("finding-triage");
    triage["id"] = id(3).into();
    room.box_says("finding/urgent", &triage);
    room.box_says("finding/routine", &finding(4, "routine"));
    room.box_says(
        &format!("receipt/{}", id(4)),
        &receipt(4, "acknowledged", 2),
    );
    room.box_says("outcome", &not_triaged(5, "geometry-gap"));
    room.box_says("outcome", &not_triaged(6, "localizer"));
    let driver = Driver::start();
    let phone = Look {
        width: 390,
        height: 844,
        ..Look::default()
    };
    let mut found = Vec::new();
    for (user, looks) in [
        ("chan", vec![Look::default(), phone]),
        ("lee", vec![Look::default()]),
        ("ops", vec![Look::default()]),
    ] {
        for look in looks {
            let window = driver.open(&look);
            window.go(&format!("http://127.0.0.1:{}/", room.port));
            window.await_element("input[name=password]");
            found.extend(complaints_of("sign-in", &window));
            window.sign_in(user, &format!("{PASSWORD}{user}"));
            window.until(
                "four findings",
                "return document.querySelectorAll('tr[data-id]').length === 4",
            );
            let own: &[&str] = match user {
                "lee" => &["#/my-key"],
                "ops" => &["#/keys", "#/audit"],
                _ => &[],
            };
            let views = ["#/", "#/boxes"]
                .into_iter()
                .chain(own.iter().copied())
                .map(str::to_owned);
            for view in views.chain([1, 3].map(|number| format!("#/finding/{}", id(number)))) {
                window.run("location.hash = arguments[0]", &[view.clone().into()]);
                window.until("the view", "return document.querySelector('main h1') && !document.querySelector('main').innerText.includes('Loading')");
                for dark in [false, true] {
                    window.dark(dark);
                    let shown = view
                        .trim_matches(['#', '/'])
                        .replace("/00000000-0000-5000-8000-00000000000", "-");
                    let shown = if shown.is_empty() { "list" } else { &shown };
                    let name = format!(
                        "{user}-{}-{shown}{}",
                        look.width,
                        if dark { "-dark" } else { "" }
                    );
                    found.extend(complaints_of(&name, &window));
                    window.picture(&name);
                }
                window.dark(false);
                // Nothing is cut off at the side of a narrow window; its own width would grow with what is too wide.
                let wide = window.run("return document.documentElement.scrollWidth", &[]);
                let wide = wide.as_u64().unwrap();
                assert!(wide <= u64::from(look.width), "{user} {wide} {view}");
                let burden = window.text("main").contains("Burden");
                assert!(
                    !(burden && view.ends_with(&id(3))),
                    "a box set to triage shows no burden"
                );
            }
            window.run("document.activeElement.blur()", &[]);
            window.press("?");
            window.await_element("dialog");
            found.extend(complaints_of("help", &window));
            window.picture("help");
            clean(&window);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn the_page_writes_canonical_json_as_the_box_does() {
    if is_missing("canonical") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start();
    let driver = Driver::start();
    let window = driver.open(&Look::default());
    window.go(&format!("http://127.0.0.1:{}/", room.port));
    window.await_element("input[name=password]");
    // As texts: what carries values between test and browser may spell numbers anew.
    let script = "const { canonical } = await import('/assets/canonical.js');
        return JSON.parse(args[0]).map((text) => canonical(JSON.parse(text)));";
    let written = |texts: Vec<String>| window.run_slow(script, &[json!(texts).to_string().into()]);
    let (texts, expected): (Vec<_>, Vec<_>) = vectors::TEXTS.iter().copied().unzip();
    assert_eq!(
        written(texts.into_iter().map(str::to_owned).collect()),
        json!(expected)
    );

    let mut doubles: Vec<f64> = vectors::DOUBLES
        .iter()
        .map(|(bits, _)| f64::from_bits(*bits))
        .collect();
    // And some thousand that nobody chose.
    let mut runner = TestRunner::deterministic();
    let any = proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL;
    doubles.extend((0..3000).map(|_| any.new_tree(&mut runner).unwrap().current()));
    doubles.extend((0..2000_u32).map(|number| f64::from(number) / 100.0));
    let expected: Vec<String> = doubles
        .iter()
        .map(|it| canonical(&json!(it)).unwrap())
        .collect();
    // Seventeen digits name every double.
    let texts = doubles.iter().map(|it| format!("{it:.17e}")).collect();
    assert_eq!(written(texts), json!(expected));

    let refused = window.run_slow(
        "const { canonical } = await import('/assets/canonical.js');
         return [NaN, Infinity, undefined, '\\ud800', 1n, () => 1].map((value) => {
            try { return canonical([value]); } catch (error) { return error.name; }
         });",
        &[],
    );
    assert_eq!(refused, json!(vec!["TypeError"; 6]));
}

// Helpers.

const NAMES: &str = "accession,name,patient_id,birth_date\nA1,CHAN^TAI MAN=陳^大文,PID-0815,19560101\nACC-4711,WONG^SIU MING,PID-2277,19710611\n";

/// Nothing of the page's own went wrong.
fn clean(window: &Window) {
    assert_eq!(window.errors(), Vec::<String>::new());
}

fn complaints_of(view: &str, window: &Window) -> Vec<String> {
    let found = window.complaints().into_iter();
    found
        .map(|complaint| format!("{view}: {complaint}"))
        .collect()
}

/// A box, a broker, the ward's server.
struct Scene {
    room: Wardroom,
    server: Option<WardServer>,
    site: Option<Site>,
    daemon: Option<Daemon>,
}

impl Scene {
    /// All of it running; `ward` are lines of ward.toml, `box_lines` of the box's [ward].
    fn new(ward: &str, box_lines: &str) -> Scene {
        let mut scene = Scene::silent();
        scene.room.settings(ward);
        scene.start_box(box_lines);
        scene
    }

    /// The box does not run yet.
    fn silent() -> Scene {
        let room = Wardroom::new("");
        let server = Some(room.start_listening());
        Scene {
            room,
            server,
            site: None,
            daemon: None,
        }
    }

    fn start_box(&mut self, lines: &str) {
        let site = Site::new(&Settings {
            ward: lines.to_owned(),
            ..Settings::new(self.room.broker_port)
        });
        self.daemon = Some(site.start());
        self.site = Some(site);
    }

    /// Puts IT's public key into both settings, then starts both.
    fn trust(&mut self, key: &str) {
        drop(self.server.take());
        let path = self.room.root().join("ward.toml");
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<String> = text
            .lines()
            .map(|line| match line.starts_with("keys = ") {
                true => format!("keys = [\"{key}\"]"),
                false => line.to_owned(),
            })
            .collect();
        fs::write(path, lines.join("\n")).unwrap();
        self.server = Some(self.room.start_listening());
        self.start_box(&format!("it_keys = [\"{key}\"]"));
    }

    fn address(&self, hash: &str) -> String {
        format!("http://127.0.0.1:{}/{hash}", self.room.port)
    }

    /// The browser of somebody who has signed in.
    fn window(&self, driver: &Driver, user: &str) -> Window {
        let window = driver.open(&Look::default());
        window.go(&self.address(""));
        window.sign_in(user, &format!("{PASSWORD}{user}"));
        window
    }

    /// A patient is scanned.
    fn scan(&self, seed: u64, burden_percent: f64) {
        let scan = Scan::new(seed, 40, 192, burden_percent);
        self.site
            .as_ref()
            .unwrap()
            .move_in(&format!("series-{seed}"), &scan.files());
    }

    /// When the broker's PUBACK for this finding came, by the box's log; milliseconds.
    fn taken_by_broker(&self, id: &str) -> i64 {
        let site = self.site.as_ref().unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let log = site.log();
            let line = log.lines().find(|line| {
                line.contains("acknowledged by the broker")
                    && line.contains(id)
                    && line.contains("finding")
            });
            if let Some(line) = line {
                let time = line.split_whitespace().next().unwrap();
                return millis(time);
            }
            assert!(std::time::Instant::now() < deadline, "no PUBACK: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a health document of the box says so.
    fn await_health(&self, what: &str, enough: impl Fn(&Value) -> bool) {
        let heard = Subscriber::start(self.room.broker_port, "watch", &[&format!("{ROOT}/health")]);
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let (_, text) = heard.message();
            let health: Value = serde_json::from_str(&text).unwrap();
            if enough(&health) {
                return;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "waited in vain for {what}: {health}"
            );
        }
    }

    /// Box and server end as they should.
    fn end(mut self) {
        if let Some(daemon) = self.daemon.take() {
            assert!(daemon.stop().success());
        }
        assert!(self.server.take().unwrap().stop().success());
    }
}

/// A log's time as milliseconds since 1970.
fn millis(text: &str) -> i64 {
    // Logs have microseconds.
    let to_millis = text
        .split_once('.')
        .map(|(whole, rest)| format!("{whole}.{}Z", &rest[..3]));
    let time = WallTime::parse(&to_millis.unwrap()).unwrap();
    time.unix_millis()
}
