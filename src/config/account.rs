//! A broker, and what this program shows there: the same keys in `scanward.toml` and in `ward.toml`.

use super::reader::{ConfigError, Section};
use super::settings::Broker;
use std::path::PathBuf;

/// How to reach the broker, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where the broker is.
    pub broker: Broker,
    /// The authorities that may have signed the broker's certificate; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// This program's certificate.
    pub client_cert_file: Option<PathBuf>,
    /// The key of this program's certificate.
    pub client_key_file: Option<PathBuf>,
    /// User name at the broker.
    pub username: Option<String>,
    /// The file that holds the password; may be a systemd credential's path.
    pub password_file: Option<PathBuf>,
}

impl Account {
    /// Takes what is shown to `broker` from the section that named it.
    pub(crate) fn read(broker: Broker, section: &mut Section<'_>) -> Result<Account, ConfigError> {
        Ok(Account {
            broker,
            ca_file: section.path("ca_file")?,
            client_cert_file: section.path("client_cert_file")?,
            client_key_file: section.path("client_key_file")?,
            username: section.text("username")?,
            password_file: section.path("password_file")?,
        })
    }

    /// Patient data and passwords travel encrypted or not at all (docs/contract, "Topics"). Errors name the `section`.
    pub(crate) fn check(&self, section: &str) -> Result<(), ConfigError> {
        let refuse = |what: &str| Err(ConfigError::in_section(section, what));
        if !self.broker.tls && !self.broker.is_loopback() {
            return refuse(
                "a broker on another machine needs `mqtts://`: plain MQTT is for loopback only",
            );
        }
        if self.client_cert_file.is_some() != self.client_key_file.is_some() {
            return refuse("`client_cert_file` and `client_key_file` go together");
        }
        if self.password_file.is_some() && self.username.is_none() {
            return refuse("`password_file` needs a `username`");
        }
        Ok(())
    }
}
