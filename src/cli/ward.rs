//! `scanward ward`, `ward-user`, `audit`: the nursing stations' server and what belongs to it.

use super::args::{RoleChoice, WardArguments, WardUserArguments};
use super::{Ending, Stopped, print};
use crate::edge::{Failure, random, read_secret, start_logging};
use crate::ward::{Role, Server, hash_password, is_name, read_settings, user_entry, verify_audit};
use std::path::Path;

/// Runs the server until stopped.
pub(super) fn run(arguments: &WardArguments, verbose: bool) -> Result<Ending, Stopped> {
    start_logging(arguments.log.target(), verbose);
    let settings = read_settings(&arguments.config).map_err(Stopped::usage)?;
    Server::start(settings)?.run()?;
    Ok(Ending::Done)
}

/// Prints an entry for users.toml.
pub(super) fn add_user(arguments: &WardUserArguments) -> Result<Ending, Stopped> {
    if !is_name(&arguments.name) {
        let what = "the name is not one that can be typed to sign in";
        let advice = "use 1 to 32 of a-z, 0-9, `.`, `-`, `_`";
        return Err(Stopped::usage(Failure::new(what, advice)));
    }
    let password = read_secret(&format!("Password for {}: ", arguments.name))?;
    let hash = hash_password(password.reveal(), &random()?).map_err(|error| {
        Stopped::usage(Failure::new(error.to_string(), "type another password"))
    })?;
    let role = match arguments.role {
        RoleChoice::Nurse => Role::Nurse,
        RoleChoice::Physician => Role::Physician,
        RoleChoice::It => Role::It,
    };
    let entry = user_entry(
        &arguments.name,
        role,
        &arguments.display,
        arguments.station.as_deref(),
        &hash,
    )
    .map_err(|error| {
        Stopped::usage(Failure::new(
            error.to_string(),
            "correct the name shown or the station",
        ))
    })?;
    print::out(&entry);
    Ok(Ending::Done)
}

/// Checks an audit list.
pub(super) fn verify(path: &Path) -> Result<Ending, Stopped> {
    match verify_audit(path)? {
        Ok(chain) => {
            let tail = chain.tail();
            print::out(&format!(
                "ok: {} lines hold; the last is number {} with hash {}",
                chain.lines(),
                tail.number,
                tail.hash
            ));
            Ok(Ending::Done)
        }
        Err(error) => {
            let what = format!(
                "the audit list in {} does not hold: {error}",
                path.display()
            );
            let advice =
                "compare it with an earlier export and with the last lines in the server's journal";
            Err(Stopped::from(Failure::new(what, advice)))
        }
    }
}
