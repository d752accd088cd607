//! From the boxes to the open pages and back: what the ward's server keeps, shows and says. The built program, a real
//! broker, plain sockets.
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
use common::mosquitto::{PATIENCE, Subscriber, is_missing, publish};
use common::wardroom::{ROOT, Wardroom, finding, golden, health, id, it_key, not_triaged, receipt};
use scanward::trust::{Signature, SigningKey};
use scanward::wire::{AckPayload, KeyListPayload, VerdictPayload};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

#[test]
fn findings_come_in_the_order_of_the_station_and_each_once() {
    if is_missing("order") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    for (number, priority, minute) in [
        (1, "routine", 0),
        (2, "urgent", 2),
        (3, "critical", 4),
        (4, "urgent", 1),
        (5, "critical", 3),
    ] {
        let mut told = finding(number, priority);
        told["time"] = format!("2026-11-23T08:0{minute}:00.000Z").into();
        room.box_says(&format!("finding/{priority}"), &told);
        // A message sent again, as after a lost PUBACK.
        room.box_says(&format!("finding/{priority}"), &told);
    }
    room.box_says(
        &format!("receipt/{}", id(5)),
        &receipt(5, "acknowledged", 2),
    );
    // An older word of the box that comes late changes nothing.
    room.box_says(&format!("receipt/{}", id(5)), &receipt(5, "open", 1));
    events.finding(|it| it["state"] == "acknowledged");
    publish(
        room.broker_port,
        &format!("{ROOT}/health"),
        &health("online", 1),
    );
    events.next_of("box");
    let ids = |path: &str| -> Vec<String> {
        let found = chan.get(path).json();
        let list = found["findings"].as_array().unwrap().iter();
        list.map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids("/api/findings?state=open"), [3, 4, 2, 1].map(id));
    assert_eq!(ids("/api/findings?state=all"), [3, 4, 2, 1, 5].map(id));
    assert_eq!(ids("/api/findings?limit=2"), [3, 4].map(id));
    let whole = chan.get(&format!("/api/findings/{}", id(5))).json();
    assert_eq!(whole["by"], "Chan 陳");
    assert_eq!(whole["station"], "Ward 7B");
    assert_eq!(whole["history"].as_array().unwrap().len(), 5);
    let log: Vec<&str> = whole["log"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["what"].as_str().unwrap())
        .collect();
    assert_eq!(log, ["received", "acknowledged"]);
}

#[test]
fn a_series_without_a_finding_is_told_until_it_has_one() {
    if is_missing("not triaged") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let (chan, ops) = (room.browser("chan"), room.browser("ops"));
    let mut events = chan.events(None);
    for (number, code) in [(1, "geometry-gap"), (2, "localizer")] {
        room.box_says("outcome", &not_triaged(number, code));
        room.box_says("outcome", &not_triaged(number, code));
    }
    let first = events.next_of("not-triaged");
    assert_eq!(first.value["id"], id(1));
    assert_eq!(events.next_of("not-triaged").value["id"], id(2));
    let listed = |browser: &Browser| browser.get("/api/not-triaged").json()["series"].clone();
    let series = listed(&chan);
    let codes = |series: &Value| -> Vec<String> {
        let series = series.as_array().unwrap().iter();
        let code = |it: &Value| it["reason"]["code"].as_str().unwrap().to_owned();
        series.map(code).collect()
    };
    assert_eq!(codes(&series), ["localizer", "geometry-gap"]);
    assert_eq!(series[1]["identity"]["accession"], "ACC-4711");
    assert_eq!(series[1]["reason"]["remedy"], "export the series again");
    assert_eq!(listed(&ops)[1]["identity"]["accession"], Value::Null);

    // Exported again, it has a finding; the box says that in two messages, in no certain order.
    let mut told = finding(3, "urgent");
    told["data"]["supersedes"] = id(1).into();
    room.box_says("finding/urgent", &told);
    let gone = events.next_of("not-triaged");
    assert_eq!(
        (&gone.value["id"], &gone.value["superseded_by"]),
        (&id(1).into(), &id(3).into())
    );
    assert_eq!(codes(&listed(&chan)), ["localizer"]);

    // A page that was away is told of both.
    let mut late = chan.events(first.id);
    assert_eq!(late.next_of("not-triaged").value["id"], id(2));
    assert_eq!(late.next_of("not-triaged").value["superseded_by"], id(3));
}

#[test]
fn a_stream_that_broke_goes_on_where_it_was_without_doubles() {
    if is_missing("stream") {
        return;
    }
    let room = Wardroom::new("");
    let server = room.start_listening();
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    let hello = events.next_of("hello");
    let start = hello.value["sequence"].as_u64().unwrap();
    assert_eq!(hello.id, Some(start));
    for number in 1..=3 {
        room.box_says("finding/urgent", &finding(number, "urgent"));
    }
    let first = events.finding(|it| it["id"] == id(1).as_str());
    drop(events);
    room.box_says("finding/urgent", &finding(4, "urgent"));
    let mut events = chan.events(first.id);
    assert_eq!(events.next_of("hello").id, first.id);
    let mut last = first.id.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = events.next_of("finding");
        assert!(event.id.unwrap() > last, "{event:?}");
        last = event.id.unwrap();
        seen.push(event.value["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, [2, 3, 4].map(id));

    // Over a restart of the server, too.
    server.kill();
    let _server = room.start_listening();
    room.box_says("finding/urgent", &finding(5, "urgent"));
    let mut events = chan.events(Some(last));
    assert_eq!(events.finding(|_| true).value["id"], id(5).as_str());
    // A page that is ahead of the store: a backup was put back.
    let mut events = chan.events(Some(1_000_000));
    events.next_of("reload");
}

#[test]
fn nothing_is_lost_while_server_or_broker_is_away() {
    if is_missing("away") {
        return;
    }
    let mut room = Wardroom::new("");
    let server = room.start_listening();
    room.box_says("finding/urgent", &finding(1, "urgent"));
    server.kill();
    for number in 2..=150 {
        room.box_says("finding/urgent", &finding(number, "urgent"));
    }
    let preview = format!("{ROOT}/preview/{}", id(2));
    publish_bytes(room.broker_port, &preview, b"\x89PNG\r\n\x1a\npicture");
    // The broker, too, is started again: it kept them on disk.
    room.broker.take().unwrap().stop();
    room.start_broker();
    let server = room.start_listening();
    let chan = room.browser("chan");
    let all = until("150 findings", || {
        let list = chan.get("/api/findings?limit=1000").json();
        let count = list["findings"].as_array().unwrap().len();
        (count >= 150).then_some(list)
    });
    assert_eq!(all["findings"].as_array().unwrap().len(), 150);
    let path = format!("/api/findings/{}/preview.png", id(2));
    let png = until("the picture", || {
        Some(chan.get(&path)).filter(|it| it.status == 200)
    });
    assert_eq!(png.header("content-type"), Some("image/png"));
    assert_eq!(png.body, b"\x89PNG\r\n\x1a\npicture");
    assert_eq!(
        chan.get(&format!("/api/findings/{}", id(2))).json()["has_preview"],
        true
    );

    // The broker goes while the server runs: the server connects again by itself.
    room.broker.take().unwrap().stop();
    until("the loss", || {
        (chan.get("/healthz").json()["broker"]["connected"] == false).then_some(())
    });
    room.start_broker();
    until("the new connection", || {
        (chan.get("/healthz").json()["broker"]["connected"] == true).then_some(())
    });
    room.box_says("finding/urgent", &finding(151, "urgent"));
    let path = format!("/api/findings/{}", id(151));
    until("the finding after it", || {
        (chan.get(&path).status == 200).then_some(())
    });
    drop(server);
}

#[test]
fn an_acknowledgement_reaches_the_box_even_when_the_broker_is_away() {
    if is_missing("acknowledgement") {
        return;
    }
    let mut room = Wardroom::new("");
    let server = room.start_listening();
    let a_box = Subscriber::start(room.broker_port, "ct-2", &[&format!("{ROOT}/ack")]);
    let (chan, ho) = (room.browser("chan"), room.browser("ho"));
    let mut events = chan.events(None);
    room.box_says("finding/urgent", &finding(1, "urgent"));
    events.next_of("finding");
    let path = format!("/api/findings/{}/ack", id(1));
    for (who, station) in [(&chan, "Ward 7B"), (&ho, "Ward 8")] {
        let answer = who.post(&path, &json!({"station": station}).to_string());
        assert_eq!(
            (answer.status, &answer.json()["state"]),
            (202, &json!("sent"))
        );
    }
    for (by, station) in [("Chan 陳", "Ward 7B"), ("Ho 何", "Ward 8")] {
        let (topic, payload) = a_box.message();
        assert_eq!(topic, format!("{ROOT}/ack"));
        let ack = AckPayload::parse(payload.as_bytes()).unwrap();
        assert_eq!((ack.by.as_str(), ack.station.as_str()), (by, station));
        assert_eq!(ack.finding_id.as_str(), id(1));
    }
    // The box says whose was first; both stations see it.
    room.box_says(
        &format!("receipt/{}", id(1)),
        &receipt(1, "acknowledged", 2),
    );
    let event = events.finding(|it| it["state"] == "acknowledged");
    assert_eq!(event.value["by"], "Chan 陳");

    drop(a_box);
    room.broker.take().unwrap().stop();
    let answer = ho.post(&path, &json!({"station": "Ward 9"}).to_string());
    assert_eq!(answer.status, 202);
    server.kill();
    room.start_broker();
    let _server = room.start_listening();
    let a_box = Subscriber::start(room.broker_port, "ct-2", &[&format!("{ROOT}/ack")]);
    let (_, payload) = a_box.message();
    assert!(payload.contains("Ward 9"), "{payload}");
}

#[test]
fn a_key_is_enrolled_listed_and_signs_and_is_revoked() {
    if is_missing("keys") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    publish(
        room.broker_port,
        &format!("{ROOT}/health"),
        &health("online", 1),
    );
    let [lee, wu, ops] = ["lee", "wu", "ops"].map(|name| room.browser(name));
    until("the box", || {
        let boxes = ops.get("/api/boxes").json();
        (boxes["boxes"].as_array().unwrap().len() == 1).then_some(())
    });
    let a_box = Subscriber::start(
        room.broker_port,
        "ct-2",
        &[&format!("{ROOT}/keys"), &format!("{ROOT}/verdict")],
    );

    // A code is for one user, once.
    assert_eq!(
        ops.post("/api/keys/codes", "{\"user\":\"chan\"}").status,
        404
    );
    let made = ops.post("/api/keys/codes", "{\"user\":\"lee\"}");
    assert_eq!(made.status, 201);
    let code = made.json()["code"].as_str().unwrap().to_owned();
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let public = key.public().unwrap();
    let enrol = |who: &Browser, code: &str, public: &str| {
        who.post(
            "/api/keys/enrol",
            &json!({"code": code, "public_key": public}).to_string(),
        )
    };
    assert_eq!(enrol(&wu, &code, &public.to_base64()).code(), "bad-code");
    assert_eq!(
        enrol(&lee, "0000-0000-0000-0000", &public.to_base64()).code(),
        "bad-code"
    );
    assert_eq!(enrol(&lee, &code, "AAAA").status, 400);
    let typed = code.to_uppercase().replace('-', " ");
    assert_eq!(enrol(&lee, &typed, &public.to_base64()).status, 201);
    assert_eq!(enrol(&lee, &code, &public.to_base64()).code(), "bad-code");
    assert_eq!(lee.get("/api/keys").json()["own"]["state"], "pending");

    // IT signs the list in the browser; the server and the box take IT's signature only.
    let draft = ops.get("/api/keys/draft").json();
    assert_eq!(draft["counter"], 1);
    assert!(draft.get("signature").is_none());
    let forged = signed(&draft, &key);
    assert_eq!(ops.post("/api/keys/list", &forged).code(), "bad-signature");
    let list = signed(&draft, &it_key());
    let answer = ops.post("/api/keys/list", &list);
    assert_eq!(
        (answer.status, answer.json()["boxes"].as_u64()),
        (202, Some(1))
    );
    assert_eq!(ops.post("/api/keys/list", &list).code(), "old-counter");
    let (topic, payload) = a_box.message();
    assert_eq!(topic, format!("{ROOT}/keys"));
    let heard = KeyListPayload::parse(payload.as_bytes()).unwrap();
    assert!(heard.verify(&[it_key().public().unwrap()]).is_ok());
    assert!(heard.key(&public.id()).is_some());
    assert_eq!(lee.get("/api/keys").json()["own"]["state"], "listed");
    // A box that comes later gets it, and one that subscribes later: it is retained.
    publish(
        room.broker_port,
        "scanward/v1/north/ct-9/health",
        &health("online", 1),
    );
    let later = Subscriber::start(room.broker_port, "ct-9", &["scanward/v1/north/ct-9/keys"]);
    assert!(later.message().1.contains(public.id().as_str()));

    // The verdict goes to the box word for word as it was signed.
    let mut told = finding(1, "urgent");
    told["data"]["model"]["digest"] = golden("verdict-correct")["seen"]["model_digest"].clone();
    room.box_says("finding/urgent", &told);
    let path = format!("/api/findings/{}", id(1));
    let shown = until("the finding", || {
        Some(lee.get(&path)).filter(|it| it.status == 200)
    })
    .json();
    let verdict = verdict(&shown, "Dr Lee 李", &key, &lee);
    let answer = lee.post(&format!("{path}/verdict"), &verdict);
    assert_eq!(answer.status, 202, "{answer:?}");
    let (topic, payload) = a_box.message();
    assert_eq!(topic, format!("{ROOT}/verdict"));
    let heard = VerdictPayload::parse(payload.as_bytes()).unwrap();
    assert!(heard.verify(&public).is_ok());
    let whole = lee.get(&path).json();
    let line = whole["log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&line["what"], &line["text"]),
        (
            &json!("verdict-sent"),
            &json!("Also the \"lingula\"\nand more")
        )
    );
    // A physician's words are for those who treat the patient.
    assert!(
        !String::from_utf8(ops.get(&path).body)
            .unwrap()
            .contains("lingula")
    );

    // Each way that a verdict is not what it should be.
    let code = |who: &Browser, change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&verdict).unwrap();
        change(&mut value);
        let signs = value["signature"] == "again";
        if signs {
            value["signature"] = json!(Signature::NONE.to_base64());
            value = sign(&value, &key);
        }
        let answer = who.post(&format!("{path}/verdict"), &value.to_string());
        assert_eq!(answer.status, 422, "{answer:?}");
        answer.code()
    };
    assert_eq!(
        code(&lee, &|it| it["burden_percent"] = json!(18.0)),
        "bad-signature"
    );
    assert_eq!(
        code(&lee, &|it| it["decision"] = json!("perhaps")),
        "malformed"
    );
    assert_eq!(code(&wu, &|_| {}), "foreign-key");
    assert_eq!(
        code(&lee, &|it| {
            it["seen"]["score"] = json!(0.5);
            it["signature"] = json!("again");
        }),
        "seen-differs"
    );
    assert_eq!(
        code(&lee, &|it| {
            it["at"] = json!("2020-01-01T00:00:00.000Z");
            it["signature"] = json!("again");
        }),
        "clock"
    );
    assert_eq!(
        code(&lee, &|it| it["key_id"] = json!("0000000000000000")),
        "unknown-key"
    );

    // Revoked: with the next list.
    let revoke = json!({"key_id": public.id().as_str()}).to_string();
    assert_eq!(ops.post("/api/keys/revoke", &revoke).status, 200);
    assert_eq!(ops.post("/api/keys/revoke", &revoke).status, 404);
    // Here at once, at the boxes with the next list.
    assert_eq!(code(&lee, &|_| {}), "revoked-key");
    let draft = ops.get("/api/keys/draft").json();
    assert_eq!(draft["counter"], 2);
    assert_eq!(
        ops.post("/api/keys/list", &signed(&draft, &it_key()))
            .status,
        202
    );
    assert_eq!(lee.get("/api/keys").json()["own"]["state"], "revoked");
    assert_eq!(code(&lee, &|_| {}), "revoked-key");
    let audit = String::from_utf8(ops.get("/api/audit").body).unwrap();
    for what in [
        "code-made",
        "key-refused",
        "key-enrolled",
        "list-refused",
        "list-published",
        "key-revoked",
        "verdict-signed",
        "verdict-refused",
        "viewed",
    ] {
        assert!(audit.contains(what), "{what} is not in the audit list");
    }
    assert!(!audit.contains("lingula") && !room.log().contains("lingula"));
}

/// The draft as IT's browser signs it.
fn signed(draft: &Value, key: &SigningKey) -> String {
    let mut list = draft.clone();
    list["signature"] = json!(Signature::NONE.to_base64());
    let list = KeyListPayload::parse(list.to_string().as_bytes()).unwrap();
    let bytes = list.signed(key).unwrap().to_bytes().unwrap();
    String::from_utf8(bytes).unwrap()
}

fn sign(verdict: &Value, key: &SigningKey) -> Value {
    let verdict = VerdictPayload::parse(verdict.to_string().as_bytes()).unwrap();
    serde_json::to_value(verdict.signed(key).unwrap()).unwrap()
}

/// A verdict on what a page shows.
fn verdict(shown: &Value, by: &str, key: &SigningKey, who: &Browser) -> String {
    let mut verdict = golden("verdict-correct");
    verdict["finding_id"] = shown["id"].clone();
    verdict["by"] = by.into();
    verdict["at"] = who.get("/api/session").json()["server_time"].clone();
    verdict["seen"] = json!({
        "priority": shown["priority"],
        "score": shown["score"],
        "burden_percent": shown["burden_percent"],
        "model_digest": shown["model"]["digest"],
    });
    sign(&verdict, key).to_string()
}

#[test]
fn names_come_from_the_file_and_go_nowhere_else() {
    if is_missing("names") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let everything = Subscriber::start(room.broker_port, "listener", &["scanward/#"]);
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    room.box_says("finding/urgent", &finding(1, "urgent"));
    let event = events.next_of("finding");
    assert_eq!(event.value["identity"]["accession"], "ACC-4711");
    assert!(event.value["identity"].get("name").is_none());
    let csv = "accession,name,patient_id,birth_date\nACC-4711,\"WONG, SIU MING 黃小明\",P-4711,1950-02-03\n";
    fs::write(room.root().join("names.csv"), csv).unwrap();
    events.next_of("reload");
    let path = format!("/api/findings/{}", id(1));
    let identity = chan.get(&path).json()["identity"].clone();
    assert_eq!(identity["name"], "WONG, SIU MING 黃小明");
    assert_eq!(identity["patient_id"], "P-4711");
    assert_eq!(identity["birth_date"], "1950-02-03");
    // By the stream as well.
    room.box_says(
        &format!("receipt/{}", id(1)),
        &receipt(1, "acknowledged", 2),
    );
    let event = events.finding(|it| it["state"] == "acknowledged");
    assert_eq!(event.value["identity"]["name"], "WONG, SIU MING 黃小明");
    // IT does not see them.
    let ops = room.browser("ops");
    let seen = String::from_utf8(ops.get(&path).body).unwrap();
    assert!(!seen.contains("WONG") && !seen.contains("P-4711"), "{seen}");
    // A broken file changes nothing, and is not repeated in the log.
    fs::write(
        room.root().join("names.csv"),
        "accession,name\nACC-4711\nKWOK\n",
    )
    .unwrap();
    until("the complaint", || {
        room.log()
            .contains("names' file is not taken")
            .then_some(())
    });
    assert_eq!(
        chan.get(&path).json()["identity"]["name"],
        "WONG, SIU MING 黃小明"
    );

    assert_eq!(
        chan.post(&format!("{path}/ack"), "{\"station\":\"Ward 7B\"}")
            .status,
        202
    );
    publish(room.broker_port, "scanward/barrier", "x");
    let audit = String::from_utf8(ops.get("/api/audit").body).unwrap();
    let mut all = format!("{}{audit}", room.log());
    for (topic, payload) in everything.messages_until("scanward/barrier") {
        all += &format!("{topic} {payload}\n");
    }
    for secret in ["WONG", "P-4711", "1950-02-03", "KWOK"] {
        assert!(!all.contains(secret), "{secret} left the server");
    }
    // In the log not even what the box sent.
    assert!(!room.log().contains("ACC-4711"));
    for file in fs::read_dir(room.root().join("state")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("WONG") && !text.contains("P-4711"),
            "names are kept in memory only"
        );
    }
}

#[test]
fn a_finding_is_escalated_replaced_and_refused() {
    if is_missing("escalated") {
        return;
    }
    let room = Wardroom::new("");
    let _server = room.start_listening();
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    // The box's word may come before its finding: the broker keeps receipts.
    room.box_says(&format!("receipt/{}", id(1)), &receipt(1, "escalated", 3));
    room.box_says("finding/urgent", &finding(1, "urgent"));
    let event = events.next_of("finding");
    assert_eq!(
        (&event.value["state"], &event.value["escalated"]),
        (&json!("escalated"), &json!(true))
    );
    room.box_says("finding/urgent", &finding(2, "urgent"));
    assert_eq!(events.next_of("finding").value["escalated"], false);
    // Once more under the next priority's topic: the same finding, escalated, its priority as before.
    room.box_says("finding/critical", &finding(2, "urgent"));
    let event = events.finding(|it| it["id"] == id(2).as_str());
    assert_eq!(
        (&event.value["escalated"], &event.value["priority"]),
        (&json!(true), &json!("urgent"))
    );
    let mut newer = finding(3, "routine");
    newer["data"]["supersedes"] = id(2).into();
    room.box_says("finding/routine", &newer);
    let event = events.finding(|it| it.get("superseded_by").is_some());
    assert_eq!(
        (&event.value["id"], &event.value["superseded_by"]),
        (&json!(id(2)), &json!(id(3)))
    );
    let open = chan.get("/api/findings?state=open").json();
    assert_eq!(open["findings"].as_array().unwrap().len(), 2);
    let mut refused = golden("receipt-refused");
    refused["finding_id"] = id(1).into();
    room.box_says(&format!("receipt/{}", id(1)), &refused);
    let event = events.finding(|it| it.get("refused").is_some());
    assert_eq!(event.value["refused"]["code"], "unknown-key");
    let log = chan.get(&format!("/api/findings/{}", id(1))).json()["log"].clone();
    assert_eq!(log.as_array().unwrap().last().unwrap()["what"], "refused");
}

#[test]
fn a_box_that_falls_silent_or_goes_turns_its_light() {
    if is_missing("light") {
        return;
    }
    let room = Wardroom::new("[boxes]\nsilent_seconds = 2\nlost_seconds = 4\n");
    let _server = room.start_listening();
    let chan = room.browser("chan");
    let mut events = chan.events(None);
    publish(
        room.broker_port,
        &format!("{ROOT}/health"),
        &health("online", 7),
    );
    let mut light = |wanted: &str| loop {
        let event = events.next_of("box");
        if event.value["device"] == "ct-2" && event.value["light"] == wanted {
            return event.value;
        }
    };
    assert!(light("green")["reasons"].as_array().unwrap().is_empty());
    let said = light("amber")["reasons"][0].as_str().unwrap().to_owned();
    assert!(said.contains("has said nothing since"), "{said}");
    light("red");
    publish(
        room.broker_port,
        &format!("{ROOT}/health"),
        &health("online", 8),
    );
    light("green");
    // The will of the boot before comes late: it is passed over; that of this boot counts.
    let will = |boot: u32| json!({"state": "offline", "boot": boot}).to_string();
    publish(room.broker_port, &format!("{ROOT}/health"), &will(7));
    publish(room.broker_port, &format!("{ROOT}/health"), &will(8));
    let gone = light("red");
    assert_eq!(
        (&gone["state"], &gone["version"]),
        (&json!("offline"), &json!("0.1.0"))
    );
    publish(
        room.broker_port,
        &format!("{ROOT}/health"),
        &health("degraded", 9),
    );
    assert_eq!(
        light("amber")["reasons"],
        json!(["The box's disk is almost full."])
    );
}

/// Publishes bytes that are no text.
fn publish_bytes(port: u16, topic: &str, bytes: &[u8]) {
    let mut child = Command::new("mosquitto_pub")
        .args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-q",
            "1",
            "-p",
            &port.to_string(),
            "-t",
            topic,
            "-s",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.wait().unwrap().success());
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
