//! What passes between ward and box: acknowledgements, verdicts, key lists, receipts, against golden files and schemas.
//! `UPDATE_GOLDEN=1` rewrites the golden files.
#![expect(clippy::unwrap_used, reason = "helpers outside #[test] functions")]

use scanward::ids::{FindingId, SeriesKey, SlugName, Uid};
use scanward::outcome::Priority;
use scanward::trust::{KeyId, PublicKey, Signature, SigningKey};
use scanward::wire::{
    AckPayload, Comment, Decision, FindingState, IncomingError, KeyListPayload, KeyPayload,
    ReceiptPayload, RefusedCode, RefusedPayload, RefusedWhat, Root, Seen, Topic, VerdictPayload,
    named_finding,
};
use serde_json::{Value, json};
use std::path::PathBuf;

#[test]
fn messages_are_written_and_read_as_the_golden_files_say() {
    let ack = ack();
    golden("ack.json", &ack.to_bytes().unwrap());
    assert_eq!(AckPayload::parse(&ack.to_bytes().unwrap()), Ok(ack));

    for (name, verdict) in [
        ("verdict-confirm.json", confirm()),
        ("verdict-correct.json", correct()),
    ] {
        golden(name, &verdict.to_bytes().unwrap());
        let read = VerdictPayload::parse(&verdict.to_bytes().unwrap()).unwrap();
        assert_eq!(read, verdict);
        assert_eq!(read.verify(&physician().public().unwrap()), Ok(()));
    }

    let list = key_list();
    golden("keys.json", &list.to_bytes().unwrap());
    let read = KeyListPayload::parse(&list.to_bytes().unwrap()).unwrap();
    assert_eq!(read, list);
    let [it, other] = [it(), physician()].map(|key| key.public().unwrap());
    assert_eq!(read.verify(&[other, it]), Ok(()));
    assert!(read.verify(&[other]).is_err());
    assert!(read.verify(&[]).is_err());

    for (name, receipt) in [
        ("receipt-open.json", receipt()),
        ("receipt-corrected.json", corrected()),
        ("receipt-refused.json", refused()),
    ] {
        golden(name, &receipt.to_bytes().unwrap());
        let read = ReceiptPayload::parse(&receipt.to_bytes().unwrap());
        assert_eq!(read, Ok(receipt));
    }
}

/// A page signs what `JSON.stringify` of sorted members gives; these are the bytes.
#[test]
fn what_is_signed_is_the_canonical_json_of_all_but_the_signature() {
    let text = String::from_utf8(correct().signed_bytes().unwrap()).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\"at\":\"2026-11-23T09:00:00.000Z\",\"burden_percent\":17,\"by\":\"Dr Lee 李\",\
             \"comment\":\"Also the \\\"lingula\\\"\\nand more\",\"decision\":\"correct\",\"finding_id\":\"{}\",\
             \"key_id\":\"{}\",\"seen\":{{\"burden_percent\":12.3,\"model_digest\":\"sha256:{}\",\
             \"priority\":\"urgent\",\"score\":0.93}}}}",
            finding(),
            physician().public().unwrap().id(),
            "7a".repeat(32)
        )
    );
}

#[test]
fn a_change_of_any_member_breaks_the_signature() {
    let key = physician().public().unwrap();
    let whole = parse(&correct().to_bytes().unwrap());
    let other: FindingId = FindingId::derive(&series(), "sha256:bb", &[3; 32]);
    for (pointer, value) in [
        ("/finding_id", json!(other.as_str())),
        ("/burden_percent", json!(17.1)),
        ("/comment", json!("")),
        ("/by", json!("Dr Ho")),
        ("/at", json!("2026-11-23T09:00:00.001Z")),
        ("/key_id", json!("0123456789abcdef")),
        ("/seen/priority", json!("routine")),
        ("/seen/score", json!(0.94)),
        ("/seen/burden_percent", json!(12.4)),
        (
            "/seen/model_digest",
            json!(format!("sha256:{}", "7b".repeat(32))),
        ),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let read = VerdictPayload::parse(changed.to_string().as_bytes()).unwrap();
        assert!(read.verify(&key).is_err(), "{pointer}");
    }
    let mut shorter = whole.clone();
    shorter.as_object_mut().unwrap().remove("comment");
    let read = VerdictPayload::parse(shorter.to_string().as_bytes()).unwrap();
    assert!(read.verify(&key).is_err());
    // How a number is written is no change.
    let same = whole.to_string().replace("17.0", "1.7e1");
    let read = VerdictPayload::parse(same.as_bytes()).unwrap();
    assert_eq!(read.verify(&key), Ok(()));
}

#[test]
fn what_breaks_a_rule_is_refused_and_nothing_of_it_repeated() {
    let rule = |key| move |error: &IncomingError| matches!(error, IncomingError::Member { key: at, .. } if *at == key);
    let shape = |error: &IncomingError| matches!(error, IncomingError::Shape { .. });
    let long = "x".repeat(65);
    for (name, pointer, value) in [
        ("finding_id", "/finding_id", json!("../../secret")),
        ("by", "/by", json!("")),
        ("by", "/by", json!(long)),
        ("by", "/by", json!("secret\nname")),
        ("at", "/at", json!("yesterday")),
        ("at", "/at", json!("2026-11-23T09:00:00+08:00")),
        ("burden_percent", "/burden_percent", json!(100.1)),
        ("burden_percent", "/decision", json!("confirm")),
        ("comment", "/comment", json!("x".repeat(1001))),
        ("seen.score", "/seen/score", json!(1.01)),
        ("seen.burden_percent", "/seen/burden_percent", json!(-1)),
        (
            "seen.model_digest",
            "/seen/model_digest",
            json!("sha256:secret"),
        ),
    ] {
        let bytes = with(&correct(), pointer, value);
        assert_ne!(
            complaints("verdict", &parse(&bytes)),
            Vec::<String>::new(),
            "{pointer}"
        );
        let error = VerdictPayload::parse(&bytes).unwrap_err();
        assert!(rule(name)(&error), "{pointer}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for (pointer, value) in [
        ("/decision", json!("secret")),
        ("/burden_percent", Value::Null),
        ("/comment", Value::Null),
        ("/comment", json!(7)),
        ("/key_id", json!("secret")),
        ("/seen", json!([])),
        ("/signature", json!("secret")),
        ("/signature", json!("")),
    ] {
        let bytes = with(&correct(), pointer, value);
        assert_ne!(
            complaints("verdict", &parse(&bytes)),
            Vec::<String>::new(),
            "{pointer}"
        );
        let error = VerdictPayload::parse(&bytes).unwrap_err();
        assert!(shape(&error), "{pointer}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let text = String::from_utf8(correct().to_bytes().unwrap()).unwrap();
    for bad in [
        String::new(),
        text.replacen('{', "{\"extra\":1,", 1),
        text.replacen('{', "{\"by\":\"two\",", 1),
        format!("{text}{text}"),
        text[..text.len() - 1].to_owned(),
        "[".repeat(100_000),
        format!("\u{feff}{text}"),
    ] {
        assert!(VerdictPayload::parse(bad.as_bytes()).is_err(), "{bad:.60}");
    }
    let large = " ".repeat(17 << 10);
    assert!(matches!(
        AckPayload::parse(large.as_bytes()),
        Err(IncomingError::TooLarge { .. })
    ));
}

#[test]
fn a_key_list_has_its_own_rules() {
    for (name, pointer, value) in [
        ("counter", "/counter", json!(0)),
        ("counter", "/counter", json!(9_007_199_254_740_992_u64)),
        ("issued_at", "/issued_at", json!("now")),
        ("keys.by", "/keys/0/by", json!("")),
        ("keys.public_key", "/keys/0/public_key", json!("AAAA")),
        ("keys.key_id", "/keys/0/key_id", json!("0123456789abcdef")),
        ("keys.enrolled_at", "/keys/0/enrolled_at", json!("")),
        ("keys.revoked_at", "/keys/1/revoked_at", json!("")),
    ] {
        let error = KeyListPayload::parse(&with(&key_list(), pointer, value)).unwrap_err();
        assert!(
            matches!(&error, IncomingError::Member { key, .. } if *key == name),
            "{pointer}: {error}"
        );
    }
    let mut twice = key_list();
    twice.keys.push(twice.keys[0].clone());
    assert!(KeyListPayload::parse(&twice.to_bytes().unwrap()).is_err());

    let mut missing = parse(&key_list().to_bytes().unwrap());
    missing["keys"][0]
        .as_object_mut()
        .unwrap()
        .remove("revoked_at");
    assert!(KeyListPayload::parse(missing.to_string().as_bytes()).is_err());

    let mut many = key_list();
    many.keys = (0..1000_u32)
        .map(|count| entry(&key_of(count), &"李".repeat(64), None))
        .collect();
    let many = many.signed(&it()).unwrap();
    let bytes = many.to_bytes().unwrap();
    assert_eq!(KeyListPayload::parse(&bytes), Ok(many.clone()));
    let mut too_many = many;
    too_many.keys.push(entry(&key_of(1000), "Dr Wu", None));
    assert!(KeyListPayload::parse(&too_many.to_bytes().unwrap()).is_err());
}

#[test]
fn a_broken_message_still_names_its_finding() {
    let id = finding();
    let broken = json!({"finding_id": id.as_str(), "what": {"is": ["this"]}}).to_string();
    assert_eq!(named_finding(broken.as_bytes()), Some(id.clone()));
    for nameless in [
        "{}",
        "",
        "{\"finding_id\":7}",
        "{\"finding_id\":\"#\"}",
        "[]",
    ] {
        assert_eq!(named_finding(nameless.as_bytes()), None, "{nameless}");
    }
    let cut = format!("{{\"finding_id\":\"{id}\",");
    assert_eq!(named_finding(cut.as_bytes()), None);
}

#[test]
fn every_topic_is_read_as_it_is_written() {
    let root = root();
    for topic in [
        Topic::Health,
        Topic::Finding(Priority::Critical),
        Topic::Finding(Priority::Urgent),
        Topic::Finding(Priority::Routine),
        Topic::Outcome,
        Topic::Preview(finding()),
        Topic::Ack,
        Topic::Verdict,
        Topic::Keys,
        Topic::Receipt(finding()),
        Topic::Update,
        Topic::Learning,
    ] {
        let name = root.topic(&topic);
        assert_eq!(Root::parse(&name), Some((root.clone(), topic)), "{name}");
        let prefixed = format!("{name}/more");
        assert_eq!(Root::parse(&prefixed), None, "{prefixed}");
    }
    for other in [
        "",
        "scanward/v1/north/ct-2",
        "scanward/v2/north/ct-2/health",
        "scanward/v1/North/ct-2/health",
        "scanward/v1/north/ct-2/finding/soon",
        "scanward/v1/north/ct-2/finding",
        "scanward/v1/north/ct-2/receipt/7",
        "scanward/v1/north/ct-2/other",
    ] {
        assert_eq!(Root::parse(other), None, "{other}");
    }
}

#[test]
fn a_comment_cannot_reach_a_log_line() {
    let printed = format!("{:?}", correct());
    assert!(!printed.contains("lingula"), "{printed}");
}

#[test]
fn the_codes_of_refusals_are_the_words_on_the_wire() {
    for code in RefusedCode::ALL {
        assert_eq!(json!(code), json!(code.code()));
        assert!(code.text().ends_with('.'), "{}", code.text());
    }
}

// Helpers.

fn root() -> Root {
    Root::new(
        SlugName::parse("north").unwrap(),
        SlugName::parse("ct-2").unwrap(),
    )
}

fn series() -> SeriesKey {
    SeriesKey(Uid::parse("1.2.826.0.1.3680043.10.1").unwrap())
}

fn finding() -> FindingId {
    FindingId::derive(&series(), "sha256:aa", &[2; 32])
}

fn key_of(count: u32) -> SigningKey {
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&count.to_le_bytes());
    SigningKey::from_seed(&seed).unwrap()
}

fn physician() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

fn it() -> SigningKey {
    SigningKey::from_seed(&[2; 32]).unwrap()
}

fn ack() -> AckPayload {
    AckPayload {
        finding_id: finding(),
        by: "Chan 陳".to_owned(),
        at: "2026-11-23T08:10:00.000Z".to_owned(),
        station: "Ward 7B".to_owned(),
    }
}

fn unsigned(decision: Decision) -> VerdictPayload {
    VerdictPayload {
        finding_id: finding(),
        decision,
        burden_percent: None,
        comment: None,
        by: "Dr Lee 李".to_owned(),
        at: "2026-11-23T09:00:00.000Z".to_owned(),
        key_id: KeyId::parse("0000000000000000").unwrap(),
        seen: Seen {
            priority: Priority::Urgent,
            score: 0.93,
            burden_percent: Some(12.3),
            model_digest: format!("sha256:{}", "7a".repeat(32)),
        },
        signature: Signature::NONE,
    }
}

fn confirm() -> VerdictPayload {
    unsigned(Decision::Confirm).signed(&physician()).unwrap()
}

fn correct() -> VerdictPayload {
    let verdict = VerdictPayload {
        burden_percent: Some(17.0),
        comment: Some(Comment::new("Also the \"lingula\"\nand more")),
        ..unsigned(Decision::Correct)
    };
    verdict.signed(&physician()).unwrap()
}

fn entry(key: &SigningKey, by: &str, revoked_at: Option<&str>) -> KeyPayload {
    let public: PublicKey = key.public().unwrap();
    KeyPayload {
        key_id: public.id(),
        by: by.to_owned(),
        public_key: public.to_base64(),
        enrolled_at: "2026-11-01T08:00:00.000Z".to_owned(),
        revoked_at: revoked_at.map(str::to_owned),
    }
}

fn key_list() -> KeyListPayload {
    let list = KeyListPayload {
        counter: 4,
        issued_at: "2026-11-20T08:00:00.000Z".to_owned(),
        keys: vec![
            entry(&physician(), "Dr Lee 李", None),
            entry(&key_of(7), "Dr Wu", Some("2026-11-20T08:00:00.000Z")),
        ],
        signature: Signature::NONE,
    };
    list.signed(&it()).unwrap()
}

fn receipt() -> ReceiptPayload {
    ReceiptPayload {
        finding_id: finding(),
        state: FindingState::Open,
        priority: Priority::Urgent,
        by: None,
        station: None,
        at: "2026-11-23T08:04:05.007Z".to_owned(),
        burden_percent: None,
        sequence: 1,
        refused: None,
    }
}

fn corrected() -> ReceiptPayload {
    ReceiptPayload {
        state: FindingState::Corrected,
        by: Some("Dr Lee 李".to_owned()),
        at: "2026-11-23T09:00:01.250Z".to_owned(),
        burden_percent: Some(17.0),
        sequence: 3,
        ..receipt()
    }
}

fn refused() -> ReceiptPayload {
    let code = RefusedCode::UnknownKey;
    ReceiptPayload {
        state: FindingState::Acknowledged,
        by: Some("Chan 陳".to_owned()),
        station: Some("Ward 7B".to_owned()),
        sequence: 4,
        refused: Some(RefusedPayload {
            what: RefusedWhat::Verdict,
            code,
            text: code.text().to_owned(),
            at: "2026-11-23T09:00:02.000Z".to_owned(),
        }),
        ..receipt()
    }
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// What the schema of docs/schemas says against `message`.
fn complaints(schema: &str, message: &Value) -> Vec<String> {
    let file = format!("docs/schemas/{schema}.schema.json");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let schema = parse(&std::fs::read(path).unwrap());
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(message)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect()
}

/// The message with one member changed.
fn with(message: &impl serde::Serialize, pointer: &str, value: Value) -> Vec<u8> {
    let mut changed = serde_json::to_value(message).unwrap();
    *changed.pointer_mut(pointer).unwrap() = value;
    changed.to_string().into_bytes()
}

fn golden(name: &str, bytes: &[u8]) {
    let schema = name.split(['-', '.']).next().unwrap();
    assert_eq!(
        complaints(schema, &parse(bytes)),
        Vec::<String>::new(),
        "{name}"
    );
    let text = format!("{:#}\n", parse(bytes));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{name}");
}
