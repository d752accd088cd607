//! The files of `[publish]`: readable for us, and secrets for nobody else.

use super::Check;
use crate::config::Account;
use crate::edge::settings::small_file;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Rights of users who are neither the owner nor in the group.
const OTHERS: u32 = 0o007;

/// Looks at certificates, key and password.
pub(super) fn check(account: &Account, tell: &mut dyn FnMut(Check)) {
    let mut look =
        |about, file: &Option<PathBuf>, judge: fn(&'static str, &Path, &[u8]) -> Check| {
            let Some(file) = file else { return };
            tell(match small_file(file, about) {
                Ok(bytes) => judge(about, file, &bytes),
                Err(failure) => Check::fail(about, failure.what, failure.advice),
            });
        };
    look("ca_file", &account.ca_file, certificate);
    look("client_cert_file", &account.client_cert_file, certificate);
    look("client_key_file", &account.client_key_file, key);
    look("password_file", &account.password_file, password);
}

fn certificate(about: &'static str, file: &Path, bytes: &[u8]) -> Check {
    if holds(bytes, "-----BEGIN CERTIFICATE-----") {
        return Check::ok(about, format!("{}: readable", file.display()));
    }
    let found = format!("{} holds no certificate as PEM", file.display());
    Check::fail(
        about,
        found,
        "convert it: `openssl x509 -inform der -in FILE -out FILE.pem`",
    )
}

fn key(about: &'static str, file: &Path, bytes: &[u8]) -> Check {
    if holds(bytes, "ENCRYPTED") {
        let found = format!(
            "{} is encrypted: nobody is there to type its passphrase",
            file.display()
        );
        return Check::fail(
            about,
            found,
            "store it unencrypted, readable for scanward only: `openssl pkey -in FILE -out KEY.pem`",
        );
    }
    if !holds(bytes, "PRIVATE KEY-----") {
        let found = format!("{} holds no key as PEM", file.display());
        return Check::fail(
            about,
            found,
            "convert it: `openssl pkey -inform der -in FILE -out FILE.pem`",
        );
    }
    secret(about, file)
}

fn password(about: &'static str, file: &Path, bytes: &[u8]) -> Check {
    if bytes.trim_ascii().is_empty() {
        let found = format!("{} is empty", file.display());
        return Check::warn(
            about,
            found,
            "write the broker's password into it, or leave `password_file` out",
        );
    }
    secret(about, file)
}

fn secret(about: &'static str, file: &Path) -> Check {
    match fs::metadata(file) {
        Ok(facts) if facts.mode() & OTHERS != 0 => Check::fail(
            about,
            format!("every user of this machine may open {}", file.display()),
            format!(
                "`chmod o= {}`, and put a new secret in it where others have used this machine",
                file.display()
            ),
        ),
        Ok(_) | Err(_) => Check::ok(
            about,
            format!("{}: readable, not for others", file.display()),
        ),
    }
}

fn holds(bytes: &[u8], wanted: &str) -> bool {
    bytes
        .windows(wanted.len())
        .any(|window| window == wanted.as_bytes())
}
