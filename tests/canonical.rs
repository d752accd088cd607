//! Canonical JSON against the examples of RFC 8785, and against its rules on values drawn at random.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers outside #[test] functions; the vectors are shared with another test file"
)]

#[path = "common/vectors.rs"]
mod vectors;

use proptest::prelude::*;
use scanward::wire::canonical;
use serde_json::{Number, Value, json};

#[test]
fn texts_are_written_as_in_the_standard() {
    for (text, expected) in vectors::TEXTS {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&value).unwrap(), *expected);
    }
}

#[test]
fn doubles_are_written_as_in_the_standard() {
    for &(bits, expected) in vectors::DOUBLES {
        let number = Number::from_f64(f64::from_bits(bits)).unwrap();
        assert_eq!(canonical(&number.into()).unwrap(), expected);
    }
}

#[test]
fn a_whole_number_that_no_double_is_has_no_canonical_form() {
    for text in [
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551615",
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(canonical(&value).is_err(), "{text}");
        assert!(canonical(&json!([{ "a": value }])).is_err(), "{text}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let double = any::<f64>().prop_filter_map("JSON has no such number", Number::from_f64);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::from),
        double.prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Equal but for how a number is held: 1 and 1.0 are one value.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let double = |number: &Number| number.as_f64().unwrap() + 0.0;
            double(one).to_bits() == double(other).to_bits()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|it| same(value, it)))
        }
        _ => one == other,
    }
}

proptest! {
    #[test]
    fn it_reads_back_as_the_same_value_and_is_its_own_canonical_form(value in values()) {
        let text = canonical(&value).unwrap();
        let back: Value = serde_json::from_str(&text).unwrap();
        // Whole doubles beyond 2^64 come back as doubles, smaller ones as whole numbers: the value is the same.
        prop_assert!(same(&value, &back), "{text}");
        if let Ok(again) = canonical(&back) {
            prop_assert_eq!(again, text);
        }
    }

    #[test]
    fn a_change_anywhere_changes_it(one in values(), other in values()) {
        let texts = [canonical(&one).unwrap(), canonical(&other).unwrap()];
        prop_assert_eq!(texts[0] == texts[1], same(&one, &other));
    }
}
