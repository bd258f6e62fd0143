//! Client secrets: how they are made, kept and checked.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Every secret starts with this, so that scanners of repositories and logs can find one that has leaked.
const PREFIX: &str = "kith_secret_";
const RANDOM_BYTES: usize = 32;
/// How much of a digest is a check: 66 bits of the 256 that a secret has.
const CHECK_CHARACTERS: usize = 11;

/// A client's secret as it is shown, once.
///
/// `Debug` does not print it; [`expose`](Self::expose) does.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// A new secret of 256 bits from the operating system's generator.
    pub fn generate() -> Result<Self> {
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random_bytes::<RANDOM_BYTES>()?))))
    }

    /// The text, to be shown to whoever asked for the secret, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept in its place: an Argon2id hash in PHC form, with its check before it (see [`check`]).
    pub fn hash(&self) -> Result<String> {
        let salt = SaltString::encode_b64(&random_bytes::<16>()?).map_err(|error| Error::internal(error.to_string()))?;
        let hash = argon2().hash_password(self.0.as_bytes(), &salt).map_err(|error| Error::internal(error.to_string()))?;
        let hash = hash.to_string();
        Ok(check_of(&self.0, &hash) + &hash)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// The parameters that OWASP's password storage cheat sheet names for Argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Random bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Whether a text has the form of a secret. What has not is refused before any hashing.
pub fn is_well_formed(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|random| URL_SAFE_NO_PAD.decode(random).is_ok_and(|bytes| bytes.len() == RANDOM_BYTES))
}

/// What the check of a hash says of a presented text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It is the secret, or one text of 2^66 that are not; the hash says which.
    Passed,
    /// It is not the secret.
    Failed,
    /// The hash is of a time when no check was kept with it, and has to say by itself.
    Absent,
}

/// Whether the presented text can be the secret that was hashed: the first bits of a SHA-256 of both, which takes no time.
///
/// A secret is drawn from 2^256 and not thought of by somebody: who reads the check in a stolen table still has the rest to guess. Who does
/// not has to guess the check as well, and cannot work it out, for the salt of the hash is in it.
pub fn check(presented: &str, kept: &str) -> Check {
    match parts(kept) {
        ("", _) => Check::Absent,
        (check, hash) if check == check_of(presented, hash) => Check::Passed,
        _ => Check::Failed,
    }
}

/// The same hash with the check of this secret, which must be the one that was hashed; `None` where it has one.
pub fn with_check(secret: &str, kept: &str) -> Option<String> {
    let (check, hash) = parts(kept);
    check.is_empty().then(|| check_of(secret, hash) + hash)
}

fn check_of(secret: &str, hash: &str) -> String {
    let mut check = URL_SAFE_NO_PAD.encode(Sha256::new().chain_update(hash).chain_update(secret).finalize());
    check.truncate(CHECK_CHARACTERS);
    check
}

/// The check, which may be empty, and the hash, which begins with the first `$`.
fn parts(kept: &str) -> (&str, &str) {
    kept.find('$').map_or(("", kept), |start| kept.split_at(start))
}

/// Whether the presented text is the secret that was hashed. Takes some tens of milliseconds of one core and 19 MiB, on purpose.
pub fn verify(presented: &str, kept: &str) -> bool {
    let (_, hash) = parts(kept);
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(presented.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let hash = one.hash().unwrap();
        assert!(parts(&hash).1.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(one.expose(), &hash));
        assert!(!verify(other.expose(), &hash));
        assert_ne!(hash, one.hash().unwrap(), "two hashes of one secret have two salts");
    }

    #[test]
    fn the_form_of_a_secret_is_known_before_it_is_hashed() {
        assert!(is_well_formed(ClientSecret::generate().unwrap().expose()));
        for text in ["", "secret", PREFIX, "kith_secret_AAAA", &"A".repeat(43)] {
            assert!(!is_well_formed(text), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = ClientSecret::generate().unwrap();
        assert_eq!(format!("{secret:?}"), "ClientSecret");
    }

    #[test]
    fn the_check_of_a_hash_is_passed_by_its_own_secret_only() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let hash = one.hash().unwrap();
        assert_eq!(parts(&hash).0.len(), CHECK_CHARACTERS);
        assert_eq!(check(one.expose(), &hash), Check::Passed);
        assert_eq!(check(other.expose(), &hash), Check::Failed);
        assert_ne!(parts(&hash).0, parts(&one.hash().unwrap()).0, "two hashes of one secret have two checks");
    }

    #[test]
    fn a_hash_without_a_check_is_good_and_is_given_one() {
        let secret = ClientSecret::generate().unwrap();
        let checked = secret.hash().unwrap();
        let (_, unchecked) = parts(&checked);
        assert_eq!(check(secret.expose(), unchecked), Check::Absent);
        assert!(verify(secret.expose(), unchecked));
        assert_eq!(with_check(secret.expose(), unchecked), Some(checked.clone()));
        assert_eq!(with_check(secret.expose(), &checked), None);
    }
}
