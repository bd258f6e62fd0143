//! Logging in, tokens, and what they permit.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, WWW_AUTHENTICATE};
use actix_web::test::{self, TestRequest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Duration;
use futures_util::future::{join, join_all};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use kith::app::{self, App, State};
use kith::auth::model::NewClient;
use kith::auth::repository;
use kith::auth::secrets::ClientSecret;
use kith::auth::tokens::Claims;
use kith::auth::{Authority, Scopes};
use kith::changes::Actor;
use kith::clock::Clock;
use kith::config::Config;
use kith::db::types::Instant;
use kith::kind::{ClientId, OrganizationId};
use kith::organizations::model::{OrganizationInput, OrganizationKind};
use kith::organizations::tenants;
use serde_json::Value;

use crate::faults::town::Client;
use crate::harness::TestDb;
use crate::server::{Server, places};
use crate::socket::Http;
use crate::tokens;

/// A server with one client and a clock that stands.
struct World {
    app: State,
    clock: Clock,
    organization: OrganizationId,
    client: ClientId,
    secret: ClientSecret,
    _db: TestDb,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: impl actix_web::http::header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }
}

const SCOPES: &str = "patients:read organizations:read";

impl World {
    async fn new(db: TestDb) -> Self {
        Self::with(db, &[]).await
    }

    async fn with(db: TestDb, flags: &[&str]) -> Self {
        let now: Instant = "2026-03-01T17:00:00Z".parse().unwrap();
        let (clock, config) = (Clock::manual(now), Config::from_flags(flags).unwrap());
        let secret = ClientSecret::generate().unwrap();
        let hash = secret.hash().unwrap();
        let (organization, client) = db
            .db
            .write(move |conn| {
                let clinic = OrganizationInput::named("Alder Clinic", OrganizationKind::Clinic);
                let organization = tenants::create(conn, &Actor::operator(now), clinic)?;
                let client = NewClient::new(organization, "EMR".into(), SCOPES.parse().unwrap(), hash.clone(), now);
                repository::insert_client(conn, &client)?;
                Ok((organization, client.id))
            })
            .await
            .unwrap();
        let authority = Authority::start(&config, &db.db, &clock).await.unwrap();
        let app = State::new(App::new(config, db.db.clone(), clock.clone(), authority));
        Self { app, clock, organization, client, secret, _db: db }
    }

    async fn call(&self, request: TestRequest) -> Answer {
        let service = test::init_service(app::build(self.app.clone())).await;
        let response = test::call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&test::read_body(response).await).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    fn basic(&self) -> (&'static str, String) {
        basic(&self.client.to_string(), self.secret.expose())
    }

    async fn ask(&self, authorization: Option<(&'static str, String)>, form: &[Field<'_>]) -> Answer {
        let request = TestRequest::post().uri("/oauth/token").set_form(form);
        self.call(authorization.into_iter().fold(request, |request, header| request.insert_header(header))).await
    }

    async fn log_in(&self) -> Answer {
        self.ask(Some(self.basic()), &[GRANT]).await
    }

    async fn token(&self) -> String {
        self.log_in().await.body["access_token"].as_str().unwrap().to_owned()
    }

    async fn read(&self, token: &str) -> Answer {
        self.call(TestRequest::get().uri("/v1/organizations").insert_header((AUTHORIZATION, format!("Bearer {token}")))).await
    }

    /// Another client of the organization, whose secret has this hash.
    async fn another(&self, hash: String) -> ClientId {
        let other = NewClient::new(self.organization, "Registry".into(), SCOPES.parse().unwrap(), hash, self.clock.now());
        let id = other.id;
        self.app.db.write(move |conn| repository::insert_client(conn, &other)).await.unwrap();
        id
    }

    /// Gives the client another secret's hash; the one before it stays good for a day.
    async fn rotate(&self, hash: String) {
        let (id, now) = (self.client, self.clock.now());
        let grace_ends_at = now.plus(Duration::hours(24));
        assert!(self.app.db.write(move |conn| repository::rotate_secret(conn, id, &hash, grace_ends_at, now)).await.unwrap());
    }

    async fn change(&self, scopes: Option<&'static str>, is_active: bool) {
        let (id, now) = (self.client, self.clock.now());
        let changed = self.app.db.write(move |conn| {
            use diesel::prelude::*;
            use kith::db::schema::clients;
            if let Some(scopes) = scopes {
                diesel::update(clients::table.find(id)).set(clients::scopes.eq(scopes)).execute(conn)?;
            }
            repository::set_active(conn, id, is_active, now)
        });
        assert!(changed.await.unwrap());
    }
}

/// A field of a form.
type Field<'a> = (&'a str, &'a str);

const GRANT: Field<'_> = ("grant_type", "client_credentials");

fn basic(id: &str, secret: &str) -> (&'static str, String) {
    ("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
}

/// The hash of a secret as it was kept when there were no checks.
fn unchecked(secret: &ClientSecret) -> String {
    let hash = secret.hash().unwrap();
    hash[hash.find('$').unwrap()..].to_owned()
}

on_both!(a_client_logs_in_with_basic_or_a_form_and_uses_the_token, |db| async move {
    let world = World::new(db).await;
    let id = world.client.to_string();
    let form = [GRANT, ("client_id", &*id), ("client_secret", world.secret.expose())];
    for answer in [world.log_in().await, world.ask(None, &form).await] {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["token_type"], "Bearer");
        assert_eq!(answer.body["expires_in"], 900);
        assert_eq!(answer.body["scope"], SCOPES);
        assert_eq!(answer.header(CACHE_CONTROL), "no-store");
        assert_eq!(world.read(answer.body["access_token"].as_str().unwrap()).await.status, 200);
    }
});

on_both!(a_token_may_have_fewer_scopes_and_never_more, |db| async move {
    let world = World::new(db).await;
    let narrowed = world.ask(Some(world.basic()), &[GRANT, ("scope", "patients:read")]).await;
    assert_eq!((narrowed.status, &narrowed.body["scope"]), (200, &Value::from("patients:read")));
    let refused = world.read(narrowed.body["access_token"].as_str().unwrap()).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &Value::from("insufficient_scope")));
    assert!(refused.header(WWW_AUTHENTICATE).contains("scope=\"organizations:read\""));
    for scope in ["admin", "patients:read admin", "patients:delete", "patients:read,organizations:read", " "] {
        assert_eq!(world.ask(Some(world.basic()), &[GRANT, ("scope", scope)]).await.error(), (400, "invalid_scope"), "{scope}");
    }
});

on_both!(whoever_is_not_the_client_gets_one_answer, |db| async move {
    let world = World::new(db).await;
    let (id, other) = (world.client.to_string(), ClientId::generate().to_string());
    let (secret, guess) = (world.secret.expose(), ClientSecret::generate().unwrap());
    let strangers =
        [(&*id, guess.expose()), (&*id, ""), (&*id, "kith_secret_"), (&*other, secret), ("root", secret), ("", secret), ("", "")];
    let mut answers = Vec::new();
    for (id, secret) in strangers {
        let answer = world.ask(Some(basic(id, secret)), &[GRANT]).await;
        assert_eq!(answer.header(WWW_AUTHENTICATE), "Basic realm=\"kith\", charset=\"UTF-8\"");
        answers.push((answer.status, answer.body));
    }
    let form = world.ask(None, &[GRANT, ("client_id", &other), ("client_secret", secret)]).await;
    assert_eq!(form.header(WWW_AUTHENTICATE), "");
    answers.push((form.status, form.body));
    assert_eq!(answers[0].0, 401);
    assert_eq!(answers[0].1["error"], "invalid_client");
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
});

on_both!(a_request_that_is_none_for_a_token_is_told_why, |db| async move {
    let world = World::new(db).await;
    let (id, secret) = (world.client.to_string(), world.secret.expose().to_owned());
    let own = world.basic();
    let cases: [(&[Field<'_>], (u16, &str)); 7] = [
        (&[], (400, "invalid_request")),
        (&[("grant_type", "")], (400, "invalid_request")),
        (&[("grant_type", "password")], (400, "unsupported_grant_type")),
        (&[GRANT, GRANT], (400, "invalid_request")),
        (&[GRANT, ("client_id", &id), ("client_secret", &secret)], (400, "invalid_request")),
        (&[GRANT, ("client_id", "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")], (400, "invalid_request")),
        (&[GRANT, ("client_id", &id), ("unknown", "ignored")], (200, "")),
    ];
    for (form, expected) in cases {
        assert_eq!(world.ask(Some(own.clone()), form).await.error(), expected, "{form:?}");
    }
    assert_eq!(world.ask(None, &[GRANT]).await.error(), (401, "invalid_client"));
    assert_eq!(world.ask(Some(("authorization", "Bearer abc".into())), &[GRANT]).await.error(), (401, "invalid_client"));
    assert_eq!(world.ask(Some(("authorization", "Basic ???".into())), &[GRANT]).await.error(), (401, "invalid_client"));
    let json = TestRequest::post()
        .uri("/oauth/token")
        .insert_header(own.clone())
        .set_json(serde_json::json!({ "grant_type": "client_credentials" }));
    assert_eq!(world.call(json).await.error(), (400, "invalid_request"));
    let twice = TestRequest::post().uri("/oauth/token").append_header(own.clone()).append_header(own).set_form([GRANT]);
    assert_eq!(world.call(twice).await.error(), (400, "invalid_request"));
    assert_eq!(world.call(TestRequest::get().uri("/oauth/token")).await.status, 405);
});

on_both!(a_rotated_secret_is_good_until_its_grace_ends, |db| async move {
    let world = World::new(db).await;
    assert_eq!(world.log_in().await.status, 200);
    let new = ClientSecret::generate().unwrap();
    world.rotate(new.hash().unwrap()).await;
    let log_in_with_new = || world.ask(Some(basic(&world.client.to_string(), new.expose())), &[GRANT]);
    assert_eq!((world.log_in().await.status, log_in_with_new().await.status), (200, 200));
    world.clock.advance(Duration::hours(24));
    assert_eq!((world.log_in().await.status, log_in_with_new().await.status), (401, 200));
});

on_both!(a_disabled_client_is_refused_within_five_seconds, |db| async move {
    let world = World::new(db).await;
    let token = world.token().await;
    assert_eq!(world.read(&token).await.status, 200);
    world.change(None, false).await;
    assert_eq!(world.log_in().await.error(), (401, "invalid_client"));
    world.clock.advance(Duration::seconds(5));
    assert_eq!(world.read(&token).await.status, 401);
    world.change(None, true).await;
    world.clock.advance(Duration::seconds(5));
    assert_eq!(world.read(&token).await.status, 200);
});

on_both!(a_scope_that_a_client_loses_is_lost_to_its_tokens_too, |db| async move {
    let world = World::new(db).await;
    let token = world.token().await;
    assert_eq!(world.read(&token).await.status, 200);
    world.change(Some("patients:read admin"), true).await;
    world.clock.advance(Duration::seconds(5));
    assert_eq!(world.read(&token).await.status, 403);
    let tokens_admin = world.app.authority.authenticate(&world.app.db, &world.clock, &token).await.unwrap();
    assert_eq!(tokens_admin.scopes.to_string(), "patients:read", "a token does not gain what the client gained after it was issued");
});

on_both!(a_token_expires, |db| async move {
    let world = World::new(db).await;
    let token = world.token().await;
    world.clock.advance(Duration::seconds(904));
    assert_eq!(world.read(&token).await.status, 200, "clocks may be 5 seconds apart");
    world.clock.advance(Duration::seconds(1));
    let expired = world.read(&token).await;
    assert_eq!((expired.status, &expired.body["code"]), (401, &Value::from("unauthenticated")));
    assert!(expired.header(WWW_AUTHENTICATE).contains("error=\"invalid_token\""));
});

on_both!(every_kind_of_bad_token_is_refused, |db| async move {
    let world = World::new(db).await;
    assert_eq!(world.read(&tokens::valid(&world.app, world.client, world.organization)).await.status, 200);
    for (what, token) in tokens::bad_tokens(&world.app, world.client, world.organization) {
        let answer = world.read(&token).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &Value::from("unauthenticated")), "{what}");
    }
    let anonymous = world.call(TestRequest::get().uri("/v1/organizations")).await;
    assert_eq!(anonymous.status, 401);
    assert!(anonymous.header(WWW_AUTHENTICATE).starts_with("Bearer"));
    let in_the_query = format!("/v1/organizations?access_token={}", world.token().await);
    assert_eq!(world.call(TestRequest::get().uri(&in_the_query)).await.status, 401, "a token in a URL ends up in logs");
});

on_both!(whoever_may_not_call_learns_nothing_of_the_body, |db| async move {
    let world = World::new(db).await;
    let send = |token: String| {
        let request = TestRequest::post().uri("/v1/organizations").insert_header((AUTHORIZATION, format!("Bearer {token}")));
        world.call(request.insert_header(("content-type", "application/json")).set_payload("{ broken"))
    };
    for (what, token) in tokens::bad_tokens(&world.app, world.client, world.organization) {
        assert_eq!(send(token).await.status, 401, "{what}");
    }
    assert_eq!(send(world.token().await).await.status, 403);
});

on_both!(the_published_keys_verify_a_token, |db| async move {
    let world = World::new(db).await;
    let keys = world.call(TestRequest::get().uri("/.well-known/jwks.json")).await;
    assert_eq!(keys.status, 200);
    let key = &keys.body["keys"][0];
    assert!(key.get("d").is_none(), "the private half is never published");
    let token = world.token().await;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!((header.typ.as_deref(), header.kid.as_deref()), (Some("at+jwt"), key["kid"].as_str()));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["kith"]);
    validation.set_issuer(&["kith"]);
    validation.validate_exp = false;
    let verifier = DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Claims>(&token, &verifier, &validation).unwrap().claims;
    assert_eq!((claims.sub, claims.org, claims.exp - claims.iat), (world.client, world.organization, 900));
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(payload["scope"], SCOPES);
});

on_both!(two_processes_on_one_database_take_each_others_tokens, |db| async move {
    let world = World::new(db).await;
    let token = world.token().await;
    let second = Authority::start(&world.app.config, &world.app.db, &world.clock).await.unwrap();
    let caller = second.authenticate(&world.app.db, &world.clock, &token).await.unwrap();
    assert_eq!((caller.client_id, caller.scopes), (world.client, SCOPES.parse::<Scopes>().unwrap()));
});

on_both!(a_new_key_is_known_at_once_and_a_retired_one_within_a_minute, |db| async move {
    use diesel::prelude::*;
    use kith::auth::keys::{SigningKey, generate_pem};
    use kith::db::schema::signing_keys;
    let world = World::new(db).await;
    let old_token = world.token().await;
    assert_eq!(world.read(&old_token).await.status, 200);
    let (pem, old_kid) = (generate_pem().unwrap(), world.app.authority.keys.known().current().kid().to_owned());
    let key = SigningKey::from_pem(&pem).unwrap();
    let (kid, later) = (key.kid().to_owned(), world.clock.now().plus(Duration::seconds(1)));
    world.app.db.write(move |conn| repository::insert_signing_key(conn, &kid, &pem, later)).await.unwrap();
    let header = jsonwebtoken::Header { kid: Some(key.kid().into()), ..tokens::header(&world.app) };
    let new_token = jsonwebtoken::encode(&header, &tokens::claims(&world.app, world.client, world.organization), key.signer()).unwrap();
    assert_eq!(world.read(&new_token).await.status, 401, "unknown keys cause a look at the table every five seconds, not at once");
    world.clock.advance(Duration::seconds(5));
    assert_eq!(world.read(&new_token).await.status, 200);
    let kid = old_kid.clone();
    let retire = move |conn: &mut kith::db::DbConn| {
        Ok(diesel::update(signing_keys::table.find(&kid)).set(signing_keys::retired_at.eq(Some(later))).execute(conn)?)
    };
    assert_eq!(world.app.db.write(retire).await.unwrap(), 1);
    world.clock.advance(Duration::seconds(60));
    assert_eq!(world.read(&old_token).await.status, 401);
    assert_eq!(world.read(&new_token).await.status, 200);
    assert_eq!(jsonwebtoken::decode_header(world.token().await).unwrap().kid.as_deref(), Some(key.kid()), "the newest key signs");
});

on_both!(a_new_key_signs_once_every_server_knows_it, |db| async move {
    use kith::auth::keys::{SigningKey, generate_pem};
    let world = World::new(db).await;
    let (db, clock) = (&world.app.db, &world.clock);
    let pem = generate_pem().unwrap();
    let new = SigningKey::from_pem(&pem).unwrap().kid().to_owned();
    let (kid, later) = (new.clone(), clock.now().plus(Duration::seconds(1)));
    db.write(move |conn| repository::insert_signing_key(conn, &kid, &pem, later)).await.unwrap();
    clock.advance(Duration::seconds(2));
    // It has just read the keys, the new one among them; the first server has read them two seconds ago, without it.
    let second = Authority::start(&world.app.config, db, clock).await.unwrap();
    for is_signing in [false, true] {
        let token = second.issue(db, clock, world.client, world.organization, SCOPES.parse().unwrap()).await.unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid;
        assert_eq!(kid.as_ref() == Some(&new), is_signing);
        assert_eq!(world.read(&token).await.status, 200);
        clock.advance(Duration::minutes(2));
    }
});

on_both!(guesses_at_many_clients_and_at_none_take_no_place_and_keep_nobody_out, |db| async move {
    let world = World::with(db, &["--request-timeout=10m"]).await;
    let mut ids = vec![world.client];
    for _ in 0..7 {
        ids.push(world.another(world.secret.hash().unwrap()).await);
    }
    let guess = ClientSecret::generate().unwrap();
    let guess_at = |client: ClientId| world.ask(Some(basic(&client.to_string(), guess.expose())), &[GRANT]);
    let guesses = (0..135).map(|number| guess_at(ids.get(number % 9).copied().unwrap_or_else(ClientId::generate)));
    let (answers, own) = join(join_all(guesses), world.log_in()).await;
    assert_eq!(own.status, 200);
    assert!(answers.iter().all(|answer| answer.error() == (401, "invalid_client")), "none was one too many");
});

#[test]
fn clients_log_in_while_many_connections_guess_at_every_one_of_them() {
    const CONNECTIONS: usize = 48;
    for place in places() {
        let clients: Vec<Client> = (0..5).map(|number| Client::add(&place.url(), &format!("Clinic {number}"), "clinic")).collect();
        let server = Server::start(&place.url(), &[]);
        let guess = ClientSecret::generate().unwrap();
        let (is_over, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        let guess_on = |first: usize| {
            let mut http = Http::to(&server.address);
            // Not without end, should the logins fail.
            for number in first..first + 200 {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let id = &clients[number % clients.len()].id;
                let form = format!("grant_type=client_credentials&client_id={id}&client_secret={}", guess.expose());
                let answer = http.call("POST", "/oauth/token", &[("Content-Type", "application/x-www-form-urlencoded")], Some(&form));
                answer.unwrap().expect(401);
                refused.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            let guessers: Vec<_> = (0..CONNECTIONS).map(|number| scope.spawn(move || guess_on(number))).collect();
            while refused.load(Ordering::Relaxed) < CONNECTIONS && guessers.iter().all(|guesser| !guesser.is_finished()) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            // Nobody is remembered: each needs a hash of its own.
            for client in &clients {
                client.ask_for_token(&server.address).expect(200);
            }
            assert!(guessers.iter().all(|guesser| !guesser.is_finished()), "they still guess");
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

on_both!(a_refusal_takes_as_long_whomever_and_whatever_it_is_for, |db| async move {
    let world = World::new(db).await;
    let [rotated, disabled] = [world.client, world.another(world.secret.hash().unwrap()).await];
    world.rotate(ClientSecret::generate().unwrap().hash().unwrap()).await;
    let now = world.clock.now();
    assert!(world.app.db.write(move |conn| repository::set_active(conn, disabled, false, now)).await.unwrap());
    let guess = ClientSecret::generate().unwrap();
    for (client, secret) in [(rotated, &guess), (disabled, &guess), (disabled, &world.secret), (ClientId::generate(), &guess)] {
        let began = std::time::Instant::now();
        let answer = world.ask(Some(basic(&client.to_string(), secret.expose())), &[GRANT]).await;
        assert_eq!(answer.error(), (401, "invalid_client"));
        assert!(began.elapsed().as_millis() >= 250, "{:?}", began.elapsed());
    }
});

on_both!(a_secret_hashed_before_there_were_checks_is_good_and_has_one_from_then_on, |db| async move {
    let world = World::new(db).await;
    let [previous, present, guess] = [(); 3].map(|()| ClientSecret::generate().unwrap());
    world.rotate(unchecked(&previous)).await;
    world.rotate(unchecked(&present)).await;
    let id = world.client;
    let status_of = async |secret: &ClientSecret| world.ask(Some(basic(&id.to_string(), secret.expose())), &[GRANT]).await.status;
    for _ in 0..2 {
        assert_eq!([status_of(&guess).await, status_of(&previous).await, status_of(&present).await], [401, 200, 200]);
    }
    let kept = world.app.db.read(move |conn| repository::find_secret_hashes(conn, id)).await.unwrap().unwrap().live_at(world.clock.now());
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|hash| !hash.starts_with('$')), "{kept:?}");
    // One that remembers nobody.
    let second = Authority::start(&world.app.config, &world.app.db, &world.clock).await.unwrap();
    for (secret, is_good) in [(&previous, true), (&present, true), (&guess, false), (&world.secret, false)] {
        assert_eq!(second.log_in(&world.app.db, &world.clock, id, secret.expose()).await.unwrap().is_some(), is_good);
    }
});

on_both!(guesses_at_a_secret_hashed_before_there_were_checks_are_turned_away_and_keep_no_other_client_out, |db| async move {
    // Hashing is slow on purpose, and slower where the machine has other work; how long it takes is not what is tried here.
    let world = World::with(db, &["--request-timeout=10m"]).await;
    let old = world.another(unchecked(&world.secret)).await;
    let guess = ClientSecret::generate().unwrap();
    let guesses = (0..40).map(|_| world.ask(Some(basic(&old.to_string(), guess.expose())), &[GRANT]));
    let (answers, own) = join(join_all(guesses), world.log_in()).await;
    assert_eq!(own.status, 200);
    assert!(answers.iter().all(|answer| matches!(answer.error(), (401, "invalid_client") | (503, "temporarily_unavailable"))));
    let busy = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert_eq!(busy.header("retry-after"), "1");
});

on_both!(calls_above_the_limit_are_told_when_to_come_back, |db| async move {
    let world = World::with(db, &["--rate-limit=1", "--rate-burst=2"]).await;
    let token = world.token().await;
    let first = world.read(&token).await;
    assert_eq!((first.status, first.header("ratelimit-limit"), first.header("ratelimit-remaining")), (200, "2", "1"));
    assert_eq!(world.read(&token).await.status, 200);
    let third = world.read(&token).await;
    assert_eq!((third.status, &third.body["code"]), (429, &Value::from("rate_limited")));
    assert!((1..=60).contains(&third.header("retry-after").parse::<u32>().unwrap()));
});

on_both!(the_person_acted_for_must_be_a_short_text, |db| async move {
    let world = World::new(db).await;
    let token = world.token().await;
    let call = |person: String| {
        let request = TestRequest::get().uri("/v1/organizations").insert_header((AUTHORIZATION, format!("Bearer {token}")));
        world.call(request.insert_header(("Kith-On-Behalf-Of", person)))
    };
    assert_eq!(call("Dr. Tremblay".into()).await.status, 200);
    let refused = call("x".repeat(201)).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &Value::from("malformed_request")));
});
