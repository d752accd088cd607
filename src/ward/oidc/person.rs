//! From claims to somebody of the ward: what they are called, how they are shown, what they may do.

use super::settings::OidcSettings;
use super::token::{Claims, subject};
use crate::ward::users::Role;
use serde_json::Value;

/// The longest name.
const NAME_BYTES_MAX: usize = 64;
/// The longest name that is shown, letters.
const DISPLAY_CHARS_MAX: usize = 64;
/// Groups that are looked at; a service that sends more leaves them out by itself.
const GROUPS_MAX: usize = 2000;

/// Somebody whom the service named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ward) struct Person {
    /// Who it is in the service's own words; with the issuer it never means another (Core, section 5.7).
    pub(in crate::ward) subject: String,
    /// What they are called here.
    pub(in crate::ward) name: String,
    /// How they are shown.
    pub(in crate::ward) display: String,
    /// What they may do.
    pub(in crate::ward) role: Role,
}

/// Why somebody whom the service named is nobody here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::ward) enum Nobody {
    /// No claim with a name that can be used.
    #[error(
        "the claim of their name is missing, or has other letters than a-z, 0-9, `.`, `-`, `_`, `@`, `+`"
    )]
    Name,
    /// In no group that has a role.
    #[error("{name} is in none of the groups that have a role ({count} groups were told)")]
    Role {
        /// Who.
        name: String,
        /// How many groups the service told of.
        count: usize,
    },
}

/// The text under `path`: the claim of that very name, else the way along its dots.
fn claim<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

/// Whether `claims` hold what this server needs besides `sub`.
pub(super) fn is_told(settings: &OidcSettings, claims: &Claims) -> bool {
    let there = |path: &str| claim(claims, path).is_some();
    there(&settings.user_claim) && there(&settings.groups_claim)
}

/// Whom `claims` name. Errors: nobody of this ward.
pub(super) fn person(settings: &OidcSettings, claims: &Claims) -> Result<Person, Nobody> {
    let text = |path: &str| claim(claims, path).and_then(Value::as_str);
    let name = text(&settings.user_claim)
        .and_then(name)
        .ok_or(Nobody::Name)?;
    let subject = subject(claims).ok_or(Nobody::Name)?.to_owned();
    let groups = groups(claim(claims, &settings.groups_claim));
    let role = settings.role(&groups).ok_or_else(|| Nobody::Role {
        name: name.clone(),
        count: groups.len(),
    })?;
    let display = text(&settings.display_claim).and_then(display);
    Ok(Person {
        subject,
        display: display.unwrap_or_else(|| name.clone()),
        name,
        role,
    })
}

/// A name as it is logged, listed and typed: services differ in capitals, and treat them as one.
fn name(text: &str) -> Option<String> {
    let name = text.to_ascii_lowercase();
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_@+".contains(&byte);
    let right = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    right.then_some(name)
}

/// A name as it is shown, and stands under signatures: without what would turn the order of letters around it.
fn display(text: &str) -> Option<String> {
    let turns = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let plain: String = text
        .chars()
        .filter(|letter| !letter.is_control() && !turns(*letter))
        .take(DISPLAY_CHARS_MAX)
        .collect();
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// A list of texts, or one text: some services write a list of one so.
fn groups(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            let texts = all.iter().take(GROUPS_MAX).filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// How `person` is shown where somebody else is called the same: with the name, which nobody else has.
pub(in crate::ward) fn told_apart(person: &Person) -> String {
    let room = DISPLAY_CHARS_MAX.saturating_sub(person.name.len() + 3);
    let short: String = person.display.chars().take(room).collect();
    match short.is_empty() {
        true => person.name.clone(),
        false => format!("{short} ({})", person.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, sections};
    use serde_json::json;

    fn settings(extra: &str) -> OidcSettings {
        let text = format!(
            "[oidc]\nissuer = \"https://sso.example\"\nclient_id = \"ward\"\npublic_url = \"https://ward.example\"\n\
             nurse_groups = [\"nurses\"]\nphysician_groups = [\"doctors\"]\n{extra}"
        );
        let source = Source::new(&text);
        let mut found = sections(&source, &["oidc"]).unwrap();
        OidcSettings::read(found.remove("oidc").unwrap()).unwrap()
    }

    fn check(extra: &str, claims: Value) -> Result<Person, Nobody> {
        let Value::Object(claims) = claims else {
            panic!("{claims} is no object");
        };
        person(&settings(extra), &claims)
    }

    #[test]
    fn claims_name_somebody_with_a_role() {
        let found = check(
            "",
            json!({"sub": "17", "preferred_username": "Lee.KM@Hospital.example", "name": "Dr Lee 李",
                "groups": ["staff", "doctors"]}),
        );
        let found = found.unwrap();
        assert_eq!(found.name, "lee.km@hospital.example");
        assert_eq!(
            (found.display.as_str(), found.role),
            ("Dr Lee 李", Role::Physician)
        );
        assert_eq!(told_apart(&found), "Dr Lee 李 (lee.km@hospital.example)");
        // One group as a text, no name to show.
        let found = check(
            "",
            json!({"sub": "17", "preferred_username": "chan", "groups": "nurses"}),
        );
        assert_eq!(found.unwrap().display, "chan");
        // A claim inside another, and one whose own name has dots.
        let found = check(
            "groups_claim = \"realm_access.roles\"\nuser_claim = \"https://x.example/user\"",
            json!({"sub": "17", "https://x.example/user": "chan", "realm_access": {"roles": ["nurses"]}}),
        );
        assert_eq!(found.unwrap().role, Role::Nurse);
    }

    #[test]
    fn who_has_no_name_or_no_group_is_nobody() {
        for (name, groups) in [
            (json!(null), json!(["nurses"])),
            (json!(""), json!(["nurses"])),
            (json!(17), json!(["nurses"])),
            (json!("a b"), json!(["nurses"])),
            (json!("李"), json!(["nurses"])),
            (json!("-\n"), json!(["nurses"])),
            (json!("x".repeat(65)), json!(["nurses"])),
        ] {
            let found = check(
                "",
                json!({"sub": "17", "preferred_username": name, "groups": groups}),
            );
            assert_eq!(found, Err(Nobody::Name), "{name}");
        }
        for groups in [
            json!(null),
            json!([]),
            json!([17]),
            json!("nurse"),
            json!({"nurses": 1}),
        ] {
            let found = check(
                "",
                json!({"sub": "17", "preferred_username": "chan", "groups": groups}),
            );
            assert!(matches!(found, Err(Nobody::Role { .. })), "{groups}");
        }
    }

    #[test]
    fn what_is_shown_cannot_turn_a_line_around() {
        for (text, expected) in [
            ("Dr\u{202e}Lee\n", Some("DrLee")),
            (" \u{200f} ", None),
            ("", None),
        ] {
            assert_eq!(display(text).as_deref(), expected);
        }
        assert_eq!(display(&"x".repeat(90)).unwrap().len(), 64);
    }
}
