//! What nobody can guess.

use super::failure::Failure;

/// Random bytes of the system. Errors: it gives none.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        let what = format!("the system gives no random bytes: {error}");
        Failure::new(
            what,
            "start scanward after the system's random source is up",
        )
    })?;
    Ok(bytes)
}
