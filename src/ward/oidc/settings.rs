//! `[oidc]` of `ward.toml`.

use super::address::{Address, WANTED};
use crate::config::{ConfigError, Section};
use crate::ids::hex;
use crate::ward::users::Role;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Groups of one role.
const GROUPS_MAX: usize = 100;
/// Scopes that are asked for.
const SCOPES_MAX: usize = 20;
/// The longest text of these settings, bytes.
const TEXT_BYTES_MAX: usize = 256;
/// Where the service sends browsers back to, under the server's public address.
pub(in crate::ward) const CALLBACK: &str = "/api/oidc/callback";

/// The hospital's sign-in service (OpenID Connect), and who may come from there as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// Who the service says it is; its settings are found under it.
    pub issuer: Address,
    /// What the service calls this server.
    pub client_id: String,
    /// The file of the secret shared with the service; `None` for a public client.
    pub client_secret_file: Option<PathBuf>,
    /// The authorities that may have signed the service's certificate; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// This server as browsers know it: scheme, host, port.
    pub public_url: Address,
    /// The claim that names the user.
    pub user_claim: String,
    /// The claim of how they are shown.
    pub display_claim: String,
    /// The claim of their groups or roles; dots lead into an object.
    pub groups_claim: String,
    /// The role of each group.
    pub groups: BTreeMap<String, Role>,
    /// What stands on the button; the page's own words when absent.
    pub label: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Whether the service shall ask again who is there, even if it remembers somebody.
    pub ask_anew: bool,
}

impl OidcSettings {
    /// Takes the section.
    pub(in crate::ward) fn read(mut section: Section<'_>) -> Result<OidcSettings, ConfigError> {
        let settings = OidcSettings {
            issuer: section.required_parsed("issuer", issuer)?,
            client_id: section.required_parsed("client_id", plain)?,
            client_secret_file: section.path("client_secret_file")?,
            ca_file: section.path("ca_file")?,
            public_url: section.required_parsed("public_url", origin)?,
            user_claim: section.parsed("user_claim", "preferred_username".to_owned(), plain)?,
            display_claim: section.parsed("display_claim", "name".to_owned(), plain)?,
            groups_claim: section.parsed("groups_claim", "groups".to_owned(), plain)?,
            groups: groups(&mut section)?,
            label: section.parsed("label", None, |text| plain(text).map(Some))?,
            scopes: scopes(&mut section)?,
            ask_anew: section.switch("ask_anew", true)?,
        };
        section.finish()?;
        let refuse = |what: &str| Err(ConfigError::in_section("oidc", what));
        if settings.groups.is_empty() {
            return refuse(
                "nobody could sign in: give `nurse_groups`, `physician_groups` or `it_groups`",
            );
        }
        if !settings.scopes.iter().any(|scope| scope == "openid") {
            return refuse("`scopes` must hold \"openid\"");
        }
        Ok(settings)
    }

    /// Where the service sends browsers back to: IT registers this very text there.
    pub(in crate::ward) fn redirect_uri(&self) -> String {
        let origin = self.public_url.as_str().trim_end_matches('/');
        format!("{origin}{CALLBACK}")
    }

    /// Who the service says it is.
    pub(in crate::ward) fn issuer_text(&self) -> &str {
        self.issuer.as_str()
    }

    /// The role of somebody in `groups`: physician before nurse before IT. `None`: in none that counts.
    pub(in crate::ward) fn role(&self, groups: &[String]) -> Option<Role> {
        let roles: Vec<Role> = groups
            .iter()
            .filter_map(|group| self.groups.get(group).copied())
            .collect();
        [Role::Physician, Role::Nurse, Role::It]
            .into_iter()
            .find(|role| roles.contains(role))
    }

    /// What a session in `role` stands on, as a password's hash is for a local user: with another service, claim or list of
    /// that role's groups it ends.
    pub(in crate::ward) fn standing(&self, role: Role) -> String {
        let mut digest = Sha256::new();
        let groups = self.groups.iter().filter(|(_, its)| **its == role);
        let parts = [
            self.issuer.as_str(),
            &self.client_id,
            &self.user_claim,
            &self.groups_claim,
        ];
        for part in parts
            .into_iter()
            .chain(groups.map(|(name, _)| name.as_str()))
        {
            // With its length: no two lists read alike.
            digest.update(format!("{} ", part.len()));
            digest.update(part);
        }
        format!("oidc {}", hex(digest.finalize().iter()))
    }
}

fn issuer(text: &str) -> Result<Address, &'static str> {
    let address = Address::parse(text)?;
    match address.has_query() {
        true => Err(WANTED),
        false => Ok(address),
    }
}

fn origin(text: &str) -> Result<Address, &'static str> {
    let address = Address::parse(text)?;
    match address.is_origin() {
        true => Ok(address),
        false => {
            Err("write scheme, host and port only, as browsers have it: https://ward.example:8443")
        }
    }
}

fn plain(text: &str) -> Result<String, &'static str> {
    let right = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    match right {
        true => Ok(text.to_owned()),
        false => Err("must have 1 to 256 bytes, no control characters"),
    }
}

fn groups(section: &mut Section<'_>) -> Result<BTreeMap<String, Role>, ConfigError> {
    let lists = [
        (
            Role::Nurse,
            section.parsed_texts("nurse_groups", GROUPS_MAX, plain)?,
        ),
        (
            Role::Physician,
            section.parsed_texts("physician_groups", GROUPS_MAX, plain)?,
        ),
        (
            Role::It,
            section.parsed_texts("it_groups", GROUPS_MAX, plain)?,
        ),
    ];
    let mut groups = BTreeMap::new();
    for (role, names) in lists {
        for name in names {
            if let Some(other) = groups.insert(name.clone(), role)
                && other != role
            {
                let what = format!(
                    "the group {name:?} stands for {} and for {}",
                    other.as_str(),
                    role.as_str()
                );
                return Err(ConfigError::in_section("oidc", &what));
            }
        }
    }
    Ok(groups)
}

fn scopes(section: &mut Section<'_>) -> Result<Vec<String>, ConfigError> {
    // RFC 6749, section 3.3: printable ASCII but for blank, quotation mark and backslash.
    let scope = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        match (1..=TEXT_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
            true => Ok(text.to_owned()),
            false => Err("a scope is one word"),
        }
    };
    let found = section.parsed_texts("scopes", SCOPES_MAX, scope)?;
    Ok(match found.is_empty() {
        true => ["openid", "profile"].map(str::to_owned).into(),
        false => found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Source, sections};

    const RIGHT: &str = "[oidc]\nissuer = \"https://sso.example/realms/a\"\nclient_id = \"ward\"\n\
        public_url = \"https://ward.example:8443\"\nnurse_groups = [\"n\"]\nphysician_groups = [\"p\", \"q\"]\nit_groups = [\"i\"]\n";

    fn read(text: &str) -> Result<OidcSettings, ConfigError> {
        let source = Source::new(text);
        let mut found = sections(&source, &["oidc"]).unwrap();
        OidcSettings::read(found.remove("oidc").unwrap())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let settings = read(RIGHT).unwrap();
        assert_eq!(settings.user_claim, "preferred_username");
        assert_eq!(settings.groups_claim, "groups");
        assert_eq!(settings.scopes, ["openid", "profile"]);
        assert!(settings.ask_anew && settings.label.is_none());
        let expected = "https://ward.example:8443/api/oidc/callback";
        assert_eq!(settings.redirect_uri(), expected);
        let slash = read(&RIGHT.replace(":8443", ":8443/")).unwrap();
        assert_eq!(slash.redirect_uri(), expected);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        check("https://sso", "http://sso", "line 2: `issuer` in [oidc]");
        check("realms/a", "realms/a?b", "line 2: `issuer` in [oidc]");
        check(
            "client_id = \"ward\"",
            "",
            "`client_id` is missing in [oidc]",
        );
        check("client_id", "client_ids", "`client_id` is missing");
        check(":8443", ":8443/ward", "line 4: `public_url` in [oidc]");
        check(
            "nurse_groups",
            "nurses_groups",
            "did you mean `nurse_groups`?",
        );
        check("[\"n\"]", "[\"p\"]", "stands for nurse and for physician");
        check("[\"n\"]", "[\"\"]", "line 5: `nurse_groups` in [oidc]");
        check("[\"n\"]", "\"n\"", "must be a list of texts");
        check("it_groups", "scopes", "must hold \"openid\"");
        check("it_groups = [", "scopes = [\"a b\", ", "one word");
        let none = RIGHT.split("nurse_groups").next().unwrap();
        let error = read(none).unwrap_err().to_string();
        assert!(error.contains("nobody could sign in"), "{error}");
    }

    fn check(part: &str, instead: &str, expected: &str) {
        let error = read(&RIGHT.replace(part, instead)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn groups_give_a_role_and_what_a_session_stands_on() {
        let settings = read(RIGHT).unwrap();
        let role = |groups: &[&str]| {
            let groups: Vec<String> = groups.iter().map(|it| (*it).to_owned()).collect();
            settings.role(&groups)
        };
        assert_eq!(role(&[]), None);
        assert_eq!(role(&["N", "other"]), None);
        assert_eq!(role(&["other", "n"]), Some(Role::Nurse));
        assert_eq!(role(&["i", "n", "q"]), Some(Role::Physician));
        assert_eq!(role(&["i", "n"]), Some(Role::Nurse));
        let changed = read(&RIGHT.replace("\"q\"", "\"r\"")).unwrap();
        let same = |role| settings.standing(role) == changed.standing(role);
        assert!(same(Role::Nurse) && !same(Role::Physician));
        let elsewhere = read(&RIGHT.replace("realms/a", "realms/b")).unwrap();
        assert_ne!(
            settings.standing(Role::Nurse),
            elsewhere.standing(Role::Nurse)
        );
    }
}
