//! What tokens the verifier refuses.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Duration, TimeZone, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::keys::{KeySet, SigningKey, generate_pem};
use super::scopes::{Scope, Scopes};
use super::tokens::{Claims, Refusal, Tokens};
use crate::db::types::{Id, Instant};

struct Fixture {
    tokens: Tokens,
    keys: KeySet,
    now: Instant,
}

fn fixture() -> Fixture {
    let now = Instant::from_utc(Utc.with_ymd_and_hms(2026, 3, 1, 17, 0, 0).unwrap());
    Fixture { tokens: Tokens::new("kith", "kith", Duration::minutes(15)), keys: KeySet::new([generate_pem().unwrap()], now).unwrap(), now }
}

impl Fixture {
    fn claims(&self) -> Claims {
        self.tokens.claims(Id::generate(), Id::generate(), Scopes::from_iter([Scope::PatientsRead]), self.now)
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, self.keys.current().signer()).unwrap()
    }

    fn header(&self) -> Header {
        Header { typ: Some("at+jwt".into()), kid: Some(self.keys.current().kid().into()), ..Header::new(Algorithm::EdDSA) }
    }

    fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        self.tokens.verify(token, &self.keys, self.now)
    }
}

fn unsigned(header: &Value, claims: &Claims, signature: &str) -> String {
    let part = |value: Vec<u8>| URL_SAFE_NO_PAD.encode(value);
    format!("{}.{}.{signature}", part(serde_json::to_vec(header).unwrap()), part(serde_json::to_vec(claims).unwrap()))
}

#[test]
fn a_token_says_afterwards_what_it_said_before() {
    let fixture = fixture();
    let claims = fixture.claims();
    let token = Tokens::sign(&claims, fixture.keys.current()).unwrap();
    assert_eq!(fixture.verify(&token), Ok(claims));
}

#[test]
fn a_token_lives_from_its_issue_to_its_expiry_and_five_seconds_around() {
    let fixture = fixture();
    let token = Tokens::sign(&fixture.claims(), fixture.keys.current()).unwrap();
    let at = |seconds| fixture.tokens.verify(&token, &fixture.keys, fixture.now.plus(Duration::seconds(seconds))).err();
    assert_eq!([at(-6), at(-5), at(0), at(904), at(905)], [Some(Refusal::NotYetValid), None, None, None, Some(Refusal::Expired)]);
}

#[test]
fn no_spelling_of_alg_none_is_a_signature() {
    let fixture = fixture();
    let (kid, claims) = (fixture.keys.current().kid(), fixture.claims());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AA"] {
            let token = unsigned(&json!({"alg": alg, "typ": "at+jwt", "kid": kid}), &claims, signature);
            assert_eq!(fixture.verify(&token), Err(Refusal::Invalid), "{alg}");
        }
    }
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let fixture = fixture();
    let public = fixture.keys.jwks().keys[0].x.clone();
    for secret in [public.clone().into_bytes(), URL_SAFE_NO_PAD.decode(&public).unwrap()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { alg: algorithm, ..fixture.header() };
            let token = jsonwebtoken::encode(&header, &fixture.claims(), &EncodingKey::from_secret(&secret)).unwrap();
            assert_eq!(fixture.verify(&token), Err(Refusal::Invalid));
        }
    }
}

#[test]
fn a_foreign_key_under_our_key_id_and_our_key_under_a_foreign_id_are_refused() {
    let fixture = fixture();
    let foreign = SigningKey::from_pem(&generate_pem().unwrap()).unwrap();
    let token = jsonwebtoken::encode(&fixture.header(), &fixture.claims(), foreign.signer()).unwrap();
    assert_eq!(fixture.verify(&token), Err(Refusal::Invalid));
    let claims = serde_json::to_value(fixture.claims()).unwrap();
    for kid in [None, Some(String::new()), Some(foreign.kid().to_owned()), Some("../../etc/passwd".into())] {
        assert_eq!(fixture.verify(&fixture.sign(&Header { kid, ..fixture.header() }, &claims)), Err(Refusal::Invalid));
    }
}

#[test]
fn other_types_and_critical_headers_are_refused() {
    let fixture = fixture();
    let claims = serde_json::to_value(fixture.claims()).unwrap();
    for typ in [None, Some("JWT".to_owned()), Some("at+JWT".to_owned()), Some("dpop+jwt".to_owned())] {
        assert_eq!(fixture.verify(&fixture.sign(&Header { typ, ..fixture.header() }, &claims)), Err(Refusal::Invalid));
    }
    let header = Header { crit: Some(vec!["exp".into()]), ..fixture.header() };
    assert_eq!(fixture.verify(&fixture.sign(&header, &claims)), Err(Refusal::Invalid));
}

#[test]
fn foreign_missing_and_misshapen_claims_are_refused() {
    let fixture = fixture();
    let good = serde_json::to_value(fixture.claims()).unwrap();
    let changes = [
        ("iss", json!("https://other.example.ca")),
        ("aud", json!("other")),
        ("aud", json!(["other", "kith"])),
        ("sub", json!("somebody")),
        ("exp", json!("tomorrow")),
        ("exp", json!(1e300)),
        ("org", Value::Null),
    ];
    for (claim, value) in changes {
        let mut claims = good.clone();
        claims[claim] = value;
        assert_eq!(fixture.verify(&fixture.sign(&fixture.header(), &claims)), Err(Refusal::Invalid), "{claim}");
    }
    for claim in ["iss", "aud", "sub", "org", "exp", "nbf", "scope"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(fixture.verify(&fixture.sign(&fixture.header(), &claims)), Err(Refusal::Invalid), "{claim}");
    }
    assert!(fixture.verify(&fixture.sign(&fixture.header(), &good)).is_ok());
}

#[test]
fn a_changed_token_is_refused_wherever_it_is_changed() {
    let fixture = fixture();
    let token = Tokens::sign(&fixture.claims(), fixture.keys.current()).unwrap();
    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
        assert_eq!(fixture.verify(&String::from_utf8(changed).unwrap()), Err(Refusal::Invalid), "position {position}");
    }
    for changed in [format!("{token}="), format!("{token}."), format!(" {token}"), token.replace('.', ""), String::new(), "..".into()] {
        assert_eq!(fixture.verify(&changed), Err(Refusal::Invalid), "{changed}");
    }
}
