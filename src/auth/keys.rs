//! The keys that sign access tokens: Ed25519 (RFC 8037). Of a set the first signs and all verify.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::secrets;
use crate::db::types::Instant;
use crate::error::{Error, Result};

/// One key pair.
pub struct SigningKey {
    kid: String,
    signer: EncodingKey,
    verifier: DecodingKey,
    public: Jwk,
}

/// Why a text is not a signing key.
#[derive(Debug, thiserror::Error)]
#[error("not an Ed25519 private key in PKCS#8 PEM form")]
pub struct BadKey(#[source] Box<dyn std::error::Error + Send + Sync>);

impl SigningKey {
    /// The key in a PKCS#8 PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        let pair = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|error| BadKey(error.to_string().into()))?;
        let der = pair.to_pkcs8_der().map_err(|error| BadKey(error.to_string().into()))?;
        let public = pair.verifying_key();
        let jwk = Jwk::new(public.as_bytes());
        Ok(Self {
            kid: jwk.kid.clone(),
            signer: EncodingKey::from_ed_der(der.as_bytes()),
            verifier: DecodingKey::from_ed_der(public.as_bytes()),
            public: jwk,
        })
    }

    /// The key's id: its thumbprint (RFC 7638), so that one key has one id wherever it is kept.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The half that signs.
    pub fn signer(&self) -> &EncodingKey {
        &self.signer
    }

    /// The half that verifies.
    pub fn verifier(&self) -> &DecodingKey {
        &self.verifier
    }
}

/// A new key as PKCS#8 PEM.
pub fn generate_pem() -> Result<String> {
    let pair = ed25519_dalek::SigningKey::from_bytes(&secrets::random_bytes::<32>()?);
    let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|error| Error::internal(error.to_string()))?;
    Ok(pem.to_string())
}

/// A public key (RFC 7517, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwk {
    /// Key type: octet key pair.
    #[schema(example = "OKP")]
    pub kty: &'static str,
    /// The curve.
    #[schema(example = "Ed25519")]
    pub crv: &'static str,
    /// The public key, base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub x: String,
    /// What the key is for: signatures.
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub usage: &'static str,
    /// The algorithm of the signatures.
    #[schema(example = "EdDSA")]
    pub alg: &'static str,
    /// The key's id, as in the header of a token.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
}

impl Jwk {
    fn new(public: &[u8; 32]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        // RFC 7638 §3: the required members in lexical order, without white space.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
        Self { kty: "OKP", crv: "Ed25519", x, usage: "sig", alg: "EdDSA", kid }
    }
}

/// A set of public keys (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwks {
    /// The keys that verify tokens, the signing one first.
    pub keys: Vec<Jwk>,
}

/// The keys of one moment, never empty: the first signs, all verify.
pub struct KeySet {
    current: SigningKey,
    earlier: Vec<SigningKey>,
    read_at: Instant,
}

impl KeySet {
    /// The keys of these PEM texts, of which the first signs, as they were at that moment.
    pub fn new(pems: impl IntoIterator<Item = impl AsRef<str>>, read_at: Instant) -> Result<Self, BadKey> {
        let mut keys = pems.into_iter().map(|pem| SigningKey::from_pem(pem.as_ref())).collect::<Result<Vec<_>, _>>()?.into_iter();
        let current = keys.next().ok_or_else(|| BadKey("there is none".into()))?;
        Ok(Self { current, earlier: keys.collect(), read_at })
    }

    fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// When the keys were read.
    pub fn read_at(&self) -> Instant {
        self.read_at
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The key with this id.
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.iter().find(|key| key.kid == kid)
    }

    /// The public halves.
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: self.iter().map(|key| key.public.clone()).collect() }
    }
}

/// The PEM blocks of a text, in order.
pub fn pem_blocks(text: &str) -> impl Iterator<Item = String> {
    const BEGIN: &str = "-----BEGIN";
    text.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{}", rest.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_id_is_the_thumbprint_of_rfc_8037() {
        // RFC 8037 appendix A: the public key and its thumbprint.
        let public: [u8; 32] = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap().try_into().unwrap();
        assert_eq!(Jwk::new(&public).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_generated_key_reads_back_as_itself() {
        let pem = generate_pem().unwrap();
        assert_eq!(SigningKey::from_pem(&pem).unwrap().kid(), SigningKey::from_pem(&pem).unwrap().kid());
        assert_ne!(SigningKey::from_pem(&pem).unwrap().kid(), SigningKey::from_pem(&generate_pem().unwrap()).unwrap().kid());
    }

    #[test]
    fn a_file_may_hold_several_keys_and_the_first_signs() {
        let (first, second) = (generate_pem().unwrap(), generate_pem().unwrap());
        let now = Instant::from_utc(chrono::DateTime::UNIX_EPOCH);
        let keys = KeySet::new(pem_blocks(&format!("# keys\n{first}\n{second}")), now).unwrap();
        assert_eq!(keys.current().kid(), SigningKey::from_pem(&first).unwrap().kid());
        assert!(keys.find(SigningKey::from_pem(&second).unwrap().kid()).is_some());
        assert_eq!(keys.jwks().keys.len(), 2);
        assert!(KeySet::new(pem_blocks("no key here"), now).is_err());
    }
}
