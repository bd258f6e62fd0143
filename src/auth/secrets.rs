//! Client secrets: how they are made, kept and checked.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::error::{Error, Result};

/// Every secret starts with this, so that scanners of repositories and logs can find one that has leaked.
const PREFIX: &str = "kith_secret_";
const RANDOM_BYTES: usize = 32;

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

    /// What is kept in its place: an Argon2id hash in PHC form.
    pub fn hash(&self) -> Result<String> {
        let salt = SaltString::encode_b64(&random_bytes::<16>()?).map_err(|error| Error::internal(error.to_string()))?;
        let hash = argon2().hash_password(self.0.as_bytes(), &salt).map_err(|error| Error::internal(error.to_string()))?;
        Ok(hash.to_string())
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

/// Whether the presented text is the secret that was hashed. Takes some tens of milliseconds of one core and 19 MiB, on purpose.
pub fn verify(presented: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(presented.as_bytes(), &hash).is_ok())
}

/// The hash of a secret nobody has. Checking a stranger's secret against it takes as long as checking a client's, so that the time
/// of an answer does not tell which clients exist.
pub const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$Ej4cea5cqabQFx4OxCJrkw$uJWL0gEFspITkX7QhomZ1Xe+VLcjHs77yI5iCdoVEVE";

/// The most hashes that a client can have: of its secret, and of the one before it while that is still good.
const MOST_HASHES: usize = 2;

/// The hashes of a client, or none for a stranger, made up to the most that there can be with [`NOBODYS_HASH`]: a wrong secret is checked
/// as often whether there is no such client, one with one secret, or one that has just been given another.
pub fn as_many_as_any(mut hashes: Vec<String>) -> Vec<String> {
    hashes.resize(MOST_HASHES, NOBODYS_HASH.to_owned());
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_own_hash_only() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        let hash = one.hash().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
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
    fn a_wrong_secret_is_checked_as_often_for_everybody() {
        let secret = ClientSecret::generate().unwrap();
        let hash = secret.hash().unwrap();
        for own in [vec![], vec![hash.clone()], vec![hash.clone(), hash.clone()]] {
            let is_own = !own.is_empty();
            let hashes = as_many_as_any(own);
            assert_eq!(hashes.len(), MOST_HASHES);
            assert_eq!(hashes.iter().any(|hash| verify(secret.expose(), hash)), is_own);
        }
    }

    #[test]
    fn checking_against_nobodys_hash_costs_what_checking_against_a_clients_does() {
        let real = ClientSecret::generate().unwrap().hash().unwrap();
        let parameters = |hash: &str| hash.rsplitn(3, '$').nth(2).unwrap().to_owned();
        assert_eq!(parameters(NOBODYS_HASH), parameters(&real));
        assert_eq!(NOBODYS_HASH.len(), real.len());
        assert!(PasswordHash::new(NOBODYS_HASH).is_ok());
    }
}
