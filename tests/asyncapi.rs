//! The contract as a page and as AsyncAPI 3.0: both name every topic, their examples follow the schemas, and what they
//! promise of retained messages and expiry is what the sources send.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "helpers outside #[test] functions"
)]

use scanward::ids::{FindingId, SeriesKey, SlugName, Uid};
use scanward::outcome::Priority;
use scanward::units::WallTime;
use scanward::wire::{
    FindingState, Profile, ReceiptPayload, RefusedCode, Root, Topic, VerdictPayload, receipt,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use yaml_rust2::{Yaml, YamlLoader};

#[test]
fn every_topic_stands_in_the_document_and_no_other() {
    let document = document();
    let channels = document["channels"].as_object().unwrap();
    let addresses: BTreeSet<&str> = channels
        .values()
        .map(|channel| channel["address"].as_str().unwrap())
        .collect();
    let expected: BTreeSet<String> = topics().map(|topic| address(&topic)).collect();
    assert_eq!(addresses, expected.iter().map(String::as_str).collect());
    for (name, channel) in channels {
        let address = channel["address"].as_str().unwrap();
        let parameters = channel["parameters"].as_object().unwrap();
        for parameter in parameters.keys() {
            assert!(address.contains(&format!("{{{parameter}}}")), "{name}");
        }
        assert_eq!(address.matches('{').count(), parameters.len(), "{name}");
    }
}

#[test]
fn operations_say_who_sends_and_what_is_retained() {
    let document = document();
    let mut channels = BTreeSet::new();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        let channel = channel.strip_prefix("#/channels/").unwrap();
        assert!(channels.insert(channel), "{name}: one operation a channel");
        let binding = &operation["bindings"]["mqtt"];
        assert_eq!(binding["qos"], 1, "{name}");
        let from_ward = ["ack", "verdict", "keys"].contains(&channel);
        let action = if from_ward { "receive" } else { "send" };
        assert_eq!(operation["action"], action, "{name}");
        let retained = ["health", "keys", "receipt", "update", "learning"].contains(&channel);
        assert_eq!(binding["retain"], retained, "{name}");
        // The page says the same.
        let page = page();
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{channel}")))
            .unwrap_or_else(|| panic!("docs/contract.md has no row of {channel}"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2], if from_ward { "ward" } else { "box" }, "{row}");
        assert_eq!(cells[3].starts_with("yes"), retained, "{row}");
    }
    assert_eq!(
        channels.len(),
        document["channels"].as_object().unwrap().len()
    );
    let expiry = |operation: &str| {
        document["operations"][operation]["bindings"]["mqtt"]["messageExpiryInterval"].clone()
    };
    assert_eq!(expiry("sendFinding"), Profile::default().expiry_s);
    assert_eq!(
        Some(expiry("sendReceipt")),
        some_receipt().expiry_s.map(Value::from)
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    assert!(references.len() > 40, "{references:?}");
    for reference in references {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => assert!(root("docs").join(&reference).is_file(), "{reference}"),
        }
    }
    let named: BTreeSet<String> = fs::read_dir(root("docs/schemas"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let text = fs::read_to_string(root("docs/asyncapi.yaml")).unwrap();
    for schema in named {
        assert!(text.contains(&schema), "{schema} is used nowhere");
    }
}

#[test]
fn every_example_is_its_golden_file_and_follows_its_schema() {
    let document = document();
    let mut count = 0;
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        for example in message["examples"].as_array().unwrap_or(&Vec::new()) {
            let file = example["name"].as_str().unwrap();
            let golden = root("tests/golden").join(file);
            let golden: Value = serde_json::from_slice(&fs::read(golden).unwrap()).unwrap();
            assert!(
                same(&example["payload"], &golden),
                "{name}: {file} is not the golden file"
            );
            let schema = message["payload"]["schema"]["$ref"].as_str().unwrap();
            let schema = root("docs").join(schema);
            assert_eq!(complaints(&schema, &golden), Vec::<String>::new(), "{file}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} examples");
}

/// `scripts/asyncapi` fetches the schema; it is not ours to keep here.
#[test]
fn the_document_follows_asyncapis_own_schema() {
    let schema = root(".cache/tools/asyncapi/3.0.0.json");
    if !schema.is_file() {
        assert!(
            !in_ci(),
            "{} is missing: run scripts/asyncapi",
            schema.display()
        );
        eprintln!("SKIPPED: scripts/asyncapi fetches {}", schema.display());
        return;
    }
    assert_eq!(complaints(&schema, &document()), Vec::<String>::new());
    let mut broken = document();
    broken["operations"]["sendHealth"]["action"] = "shout".into();
    assert_ne!(
        complaints(&schema, &broken),
        Vec::<String>::new(),
        "it checks nothing"
    );
}

#[test]
fn the_examples_of_the_page_follow_their_schemas_and_its_verdict_is_signed() {
    let page = page();
    let mut kinds = BTreeSet::new();
    for block in page.split("\n```json ").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let (text, _) = rest.split_once("\n```").unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        let schema = root("docs/schemas").join(format!("{kind}.schema.json"));
        assert_eq!(complaints(&schema, &value), Vec::<String>::new(), "{kind}");
        kinds.insert(kind);
        if kind == "verdict" {
            let verdict = VerdictPayload::parse(text.as_bytes()).unwrap();
            let key = scanward::trust::SigningKey::from_seed(&[1; 32]).unwrap();
            assert_eq!(verdict.verify(&key.public().unwrap()), Ok(()));
        }
    }
    assert_eq!(kinds, BTreeSet::from(["ack", "keys", "receipt", "verdict"]));
}

#[test]
fn the_page_names_every_key_state_and_code() {
    let page = page();
    let named =
        |word: &str| page.contains(&format!("`{word}`")) || page.contains(&format!("\"{word}\""));
    for state in FindingState::ALL {
        assert!(named(state.as_str()), "the state {}", state.as_str());
    }
    for code in RefusedCode::ALL {
        assert!(
            page.contains(&format!("\n| `{}` |", code.code())),
            "{}",
            code.code()
        );
    }
    for schema in [
        "finding", "outcome", "health", "ack", "verdict", "keys", "receipt",
    ] {
        let path = root("docs/schemas").join(format!("{schema}.schema.json"));
        let schema_text: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let mut keys = Vec::new();
        properties(&schema_text, &mut keys);
        assert!(keys.len() > 3, "{schema}: {keys:?}");
        for key in keys {
            let dotted = page.contains(&format!(".{key}`"));
            assert!(
                dotted || named(&key),
                "{schema}: `{key}` is not in docs/contract.md"
            );
        }
    }
}

// Helpers.

fn topics() -> impl Iterator<Item = Topic> {
    let id = finding();
    // A topic that is new must be named here: this does not compile without it.
    let first = Topic::Health;
    std::iter::successors(Some(first), move |topic| match topic {
        Topic::Health => Some(Topic::Finding(Priority::Critical)),
        Topic::Finding(_) => Some(Topic::Outcome),
        Topic::Outcome => Some(Topic::Preview(id.clone())),
        Topic::Preview(_) => Some(Topic::Ack),
        Topic::Ack => Some(Topic::Verdict),
        Topic::Verdict => Some(Topic::Keys),
        Topic::Keys => Some(Topic::Receipt(id.clone())),
        Topic::Receipt(_) => Some(Topic::Update),
        Topic::Update => Some(Topic::Learning),
        Topic::Learning => None,
    })
}

/// The topic's name with AsyncAPI's parameters in it.
fn address(topic: &Topic) -> String {
    let name = |text| SlugName::parse(text).unwrap();
    Root::new(name("north"), name("ct-2"))
        .topic(topic)
        .replace("/north/ct-2/", "/{site}/{device}/")
        .replace("/critical", "/{priority}")
        .replace(finding().as_str(), "{finding_id}")
}

fn finding() -> FindingId {
    let key = SeriesKey(Uid::parse("1.2.3").unwrap());
    FindingId::derive(&key, "sha256:aa", &[1; 32])
}

fn some_receipt() -> scanward::wire::Parcel {
    let payload = ReceiptPayload {
        finding_id: finding(),
        state: FindingState::Open,
        priority: Priority::Urgent,
        by: None,
        station: None,
        at: WallTime::default().to_string(),
        burden_percent: None,
        sequence: 1,
        refused: None,
    };
    let name = |text| SlugName::parse(text).unwrap();
    let root = Root::new(name("north"), name("ct-2"));
    let parcel = receipt(&root, &payload, WallTime::default()).unwrap();
    assert!(parcel.retain);
    parcel
}

fn document() -> Value {
    let text = fs::read_to_string(root("docs/asyncapi.yaml")).unwrap();
    let read = YamlLoader::load_from_str(&text).unwrap();
    to_json(&read[0])
}

fn page() -> String {
    fs::read_to_string(root("docs/contract.md")).unwrap()
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn to_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Real(text) => serde_json::from_str(text).unwrap(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Boolean(value) => (*value).into(),
        Yaml::Array(items) => items.iter().map(to_json).collect(),
        Yaml::Hash(members) => {
            let pair =
                |(key, value): (&Yaml, &Yaml)| (key.as_str().unwrap().to_owned(), to_json(value));
            Value::Object(members.iter().map(pair).collect::<Map<_, _>>())
        }
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("no alias and nothing broken belongs here"),
    }
}

/// Equal but for how a number is written: YAML's 17.0 and JSON's 17.0 are one value.
fn same(one: &Value, other: &Value) -> bool {
    scanward::wire::canonical(one) == scanward::wire::canonical(other)
}

fn complaints(schema: &Path, value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect()
}

/// Every text under the member `name`, however deep.
fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str().filter(|_| key == name) {
                    Some(text) => found.push(text.to_owned()),
                    None => collect(member, name, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every property that a schema names, however deep.
fn properties(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, member) in members {
                if key == "properties" {
                    let named = member.as_object().unwrap();
                    found.extend(named.keys().cloned());
                }
                properties(member, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
