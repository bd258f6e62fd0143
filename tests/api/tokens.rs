//! Tokens that must be refused, and the ones they were made from.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kith::app::App;
use kith::auth::Scopes;
use kith::auth::keys::{SigningKey, generate_pem};
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
        ("changed claims under the old signature", format!("{head}.{}.{signature}", encoded(&admin))),
        ("no signature", format!("{head}.{body}.")),
        ("the signature of another token", {
            let other = with("jti", json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"));
            format!("{head}.{body}.{}", other.rsplit_once('.').unwrap().1)
        }),
    ];
    for alg in ["none", "None", "NONE", "nOnE"] {
        let head = encoded(&json!({ "alg": alg, "typ": "at+jwt", "kid": header(app).kid }));
        tokens.push(("alg none", format!("{head}.{body}.")));
        tokens.push(("alg none with a signature", format!("{head}.{body}.{signature}")));
    }
    tokens
}
