//! RFC 8785, the JSON Canonicalization Scheme: one spelling for each value, so that a signature over it can be checked.

use serde_json::{Number, Value};

/// A value that has no canonical spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is not exactly an IEEE 754 double, so it has no canonical form")]
pub struct NotCanonical;

/// The canonical JSON of `value`: no blanks, members sorted, numbers and texts as ECMAScript writes them.
///
/// Errors: a whole number that no double is.
pub fn canonical(value: &Value) -> Result<String, NotCanonical> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// As deep as `value` is; what was parsed from a message is no deeper than the parser allows.
fn write(value: &Value, text: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&number_text(number)?),
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                separate(place, text);
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            // By UTF-16 code units (section 3.2.3): not the order of code points, above U+FFFF.
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (place, (key, member)) in members.into_iter().enumerate() {
                separate(place, text);
                write_string(key, text);
                text.push(':');
                write(member, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn separate(place: usize, text: &mut String) {
    if place > 0 {
        text.push(',');
    }
}

/// Section 3.2.2.2: the two-letter escapes where there are any, `\u00xx` for other controls, all else as it is.
fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            '\0'..='\u{1f}' => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text.push('"');
}

fn number_text(number: &Number) -> Result<String, NotCanonical> {
    let double = number.as_f64().ok_or(NotCanonical)?;
    // A whole number beyond 2^53 may be read as its neighbour: another number would be signed than was sent.
    if !number.is_f64() && format!("{double:.0}") != number.to_string() {
        return Err(NotCanonical);
    }
    double_text(double)
}

/// ECMAScript's Number::toString (ECMA-262, section 6.1.6.1.20): the fewest digits that read back as the same double,
/// of those the nearest, of two as near the even one. JSON's writer picks the same digits; the standard library's would
/// pick the larger of two as near.
fn double_text(double: f64) -> Result<String, NotCanonical> {
    let written = Number::from_f64(double.abs())
        .ok_or(NotCanonical)?
        .to_string();
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| NotCanonical)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned()); // also for -0
    }
    let length = |text: &str| i32::try_from(text.len()).map_err(|_| NotCanonical);
    let leading = length(&all)? - length(significant)?;
    let point = length(whole)? - leading + exponent;
    let sign = if double < 0.0 { "-" } else { "" };
    Ok(format!("{sign}{}", placed(digits, point)))
}

/// `digits` with the point after the first `point` of them, as ECMAScript places it.
fn placed(digits: &str, point: i32) -> String {
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    match point {
        _ if (count..=21).contains(&point) => format!("{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, rest) = digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{whole}.{rest}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let point_and_rest = if rest.is_empty() {
                String::new()
            } else {
                format!(".{rest}")
            };
            format!("{first}{point_and_rest}e{:+}", point - 1)
        }
    }
}
