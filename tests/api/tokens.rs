//! Tokens that must be refused, and the ones they were made from.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Duration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kith::app::App;
use kith::auth::Scopes;
use kith::auth::keys::{KeySet, SigningKey, generate_pem};
use kith::auth::tokens::Claims;
use kith::kind::{ClientId, OrganizationId};
use serde_json::{Value, json};

/// The claims of a token with every scope, issued now.
pub fn claims(app: &App, client: ClientId, organization: OrganizationId) -> Claims {
    app.authority.tokens.claims(client, organization, Scopes::all(), app.clock.now())
}

/// The header of a token that the application signs.
pub fn header(app: &App) -> Header {
    Header { typ: Some("at+jwt".into()), kid: Some(app.authority.keys.known().current().kid().into()), ..Header::new(Algorithm::EdDSA) }
}

/// A token with this header and these claims, signed with the application's own key.
pub fn signed(app: &App, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, app.authority.keys.known().current().signer()).unwrap()
}

/// A valid token with every scope.
pub fn valid(app: &App, client: ClientId, organization: OrganizationId) -> String {
    signed(app, &header(app), &json!(claims(app, client, organization)))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token whose header is this text: its signature is the key's, whatever the header says.
fn signed_over(header: &str, claims: &Value, key: &SigningKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), encoded(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key.signer(), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

/// The public key as RFC 8410 §4 writes it.
fn pem_of(x: &str) -> String {
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = [&ED25519[..], &URL_SAFE_NO_PAD.decode(x).unwrap()].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// Tokens whose header tries to choose the key, or to make the server fetch it, read it or ask for it.
fn hostile_headers(app: &App, good: &Value) -> Vec<(&'static str, String)> {
    let own = json!(header(app));
    let with = |name: &str, value: Value| {
        let mut header = own.clone();
        header[name] = value;
        header.to_string()
    };
    let keys = app.authority.keys.known();
    let by_us = [
        ("a key id that is a path", with("kid", json!("../../../../dev/null"))),
        ("a key id that is SQL", with("kid", json!("' OR 1=1; DROP TABLE signing_keys; --"))),
        ("a key id of 5,000 characters", with("kid", json!("k".repeat(5_000)))),
        ("an empty key id", with("kid", json!(""))),
        ("a key id with a zero in it", with("kid", json!("\u{0}"))),
        ("a key id that is no text", with("kid", json!({ "$ne": null }))),
        ("what must be understood", with("crit", json!(["b64"]))),
        ("nothing that must be understood", with("crit", json!([]))),
        ("a payload that is not encoded", with("b64", json!(false)).replace('}', r#","crit":["b64"]}"#)),
        ("a header of 1,000 nested lists", format!("{}{}", "[".repeat(1_000), "]".repeat(1_000))),
        ("claims for a header", good.to_string()),
    ];
    let by_us = by_us.into_iter().map(|(name, header)| (name, signed_over(&header, good, keys.current())));

    let foreign = KeySet::new([generate_pem().unwrap()], app.clock.now()).unwrap();
    let public = json!(foreign.jwks().keys[0]);
    let mut tokens: Vec<_> = by_us.collect();
    for kid in [&own["kid"], &public["kid"]] {
        let bringing = |name: &str, value: Value| {
            let mut header = own.clone();
            header["kid"] = kid.clone();
            header[name] = value;
            signed_over(&header.to_string(), good, foreign.current())
        };
        tokens.push(("its own key in the header", bringing("jwk", public.clone())));
        tokens.push(("the address of its key in the header", bringing("jku", json!("http://127.0.0.1:9/keys.json"))));
        tokens.push(("the address of its certificate in the header", bringing("x5u", json!("http://127.0.0.1:9/certificate.pem"))));
        tokens.push(("its certificate in the header", bringing("x5c", json!(["MIIB"]))));
    }
    tokens
}

/// Tokens that differ from a valid one of this client in one thing each, and what that is. Every operation must refuse every one.
pub fn bad_tokens(app: &App, client: ClientId, organization: OrganizationId) -> Vec<(&'static str, String)> {
    let good = json!(claims(app, client, organization));
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(app, &header(app), &claims)
    };
    let token = valid(app, client, organization);
    let (head, rest) = token.split_once('.').unwrap();
    let (body, signature) = rest.split_once('.').unwrap();
    let now = app.clock.now();
    let ago = |minutes: i64| json!(now.plus(Duration::minutes(-minutes)).utc().timestamp());
    let public = app.authority.keys.known().jwks().keys[0].x.clone();
    let hmac = |secret: &[u8]| {
        jsonwebtoken::encode(&Header { alg: Algorithm::HS256, ..header(app) }, &good, &EncodingKey::from_secret(secret)).unwrap()
    };
    let foreign = SigningKey::from_pem(&generate_pem().unwrap()).unwrap();
    let mut admin = good.clone();
    admin["org"] = json!(OrganizationId::generate());
    let mut tokens = vec![
        ("not a token", "abc".to_owned()),
        ("expired", with("exp", ago(1))),
        ("not valid yet", with("nbf", ago(-1))),
        ("a foreign issuer", with("iss", json!("https://elsewhere.example.ca"))),
        ("a foreign audience", with("aud", json!("elsewhere"))),
        ("an unknown client", with("sub", json!(ClientId::generate()))),
        ("another organization than the client's", signed(app, &header(app), &admin)),
        ("a foreign key under our id", jsonwebtoken::encode(&header(app), &good, foreign.signer()).unwrap()),
        ("an unknown key", signed(app, &Header { kid: Some(foreign.kid().into()), ..header(app) }, &good)),
        ("no key id", signed(app, &Header { kid: None, ..header(app) }, &good)),
        ("another type", signed(app, &Header { typ: Some("JWT".into()), ..header(app) }, &good)),
        ("a critical header", signed(app, &Header { crit: Some(vec!["exp".into()]), ..header(app) }, &good)),
        ("the public key as HMAC secret", hmac(&URL_SAFE_NO_PAD.decode(&public).unwrap())),
        ("the public key's text as HMAC secret", hmac(public.as_bytes())),
        ("the public key in PEM form as HMAC secret", hmac(pem_of(&public).as_bytes())),
        ("changed claims under the old signature", format!("{head}.{}.{signature}", encoded(&admin))),
        ("no signature", format!("{head}.{body}.")),
        ("the signature of another token", {
            let other = with("jti", json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"));
            format!("{head}.{body}.{}", other.rsplit_once('.').unwrap().1)
        }),
    ];
    tokens.extend(hostile_headers(app, &good));
    for alg in ["none", "None", "NONE", "nOnE"] {
        let head = encoded(&json!({ "alg": alg, "typ": "at+jwt", "kid": header(app).kid }));
        tokens.push(("alg none", format!("{head}.{body}.")));
        tokens.push(("alg none with a signature", format!("{head}.{body}.{signature}")));
    }
    tokens
}
