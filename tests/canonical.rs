//! Canonical JSON against the examples of RFC 8785, and against its rules on values drawn at random.
#![expect(clippy::unwrap_used, reason = "helpers outside #[test] functions")]

use proptest::prelude::*;
use scanward::wire::canonical;
use serde_json::{Number, Value, json};

fn check(text: &str, expected: &str) {
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(canonical(&value).unwrap(), expected);
}

/// RFC 8785, section 3.2.2.
#[test]
fn literals_numbers_and_texts_are_written_as_in_the_standard() {
    check(
        r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#,
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
    );
}

/// RFC 8785, section 3.2.3: the emoji's first UTF-16 unit is smaller than the Hebrew letter.
#[test]
fn members_are_sorted_by_utf_16_units() {
    check(
        r#"{
            "\u20ac": "Euro Sign",
            "\r": "Carriage Return",
            "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One",
            "\ud83d\ude00": "Emoji: Grinning Face",
            "\u0080": "Control",
            "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
         \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
         \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
}

/// RFC 8785, appendix B.
#[test]
fn doubles_are_written_as_in_the_standard() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        let number = Number::from_f64(f64::from_bits(bits)).unwrap();
        assert_eq!(canonical(&number.into()).unwrap(), expected);
    }
}

#[test]
fn a_whole_number_that_no_double_is_has_no_canonical_form() {
    check("9007199254740991", "9007199254740991");
    check("-9007199254740991", "-9007199254740991");
    check("9007199254740994", "9007199254740994");
    check("18446744073709549568", "18446744073709550000");
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
