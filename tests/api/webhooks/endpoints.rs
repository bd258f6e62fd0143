//! What an endpoint may be, whose it is, its secrets, and where nothing is sent.

use std::time::Duration;

use chrono::Duration as Span;
use kith::auth::{Scope, Scopes};
use kith::webhooks::deliveries::MOST_PINGS;
use serde_json::{Value, json};

use super::{Endpoint, PATH, conforms, events, person, settle, town};
use crate::client::Caller;
use crate::receiver::{Receiver, Reply};

on_both!(an_endpoint_is_written_read_changed_and_deleted, |db| async move {
    let town = town(db).await;
    let created = town.clinic.post(PATH, json!({ "url": "https://hooks.example.ca/kith", "event_types": ["referral.requested"] })).await;
    let body = created.expect(201);
    assert!(body["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&body["status"], &body["payload"], &body["status_reason"]), (&json!("active"), &json!("thin"), &Value::Null));
    let path = created.header("location").unwrap().to_owned();
    let read = town.clinic.get(&path).await.expect(200);
    assert_eq!(read.get("secret"), None, "the secret is shown once");
    assert_eq!(town.clinic.get(PATH).await.expect(200)["items"], json!([read]));
    let paused = town.clinic.patch(&path, 1, json!({ "status": "paused", "event_types": null })).await.expect(200);
    assert_eq!((&paused["status"], &paused["status_reason"], &paused["version"]), (&json!("paused"), &json!("requested"), &json!(2)));
    let replaced = town.clinic.put(&path, 2, json!({ "url": "https://hooks.example.ca/other" })).await.expect(200);
    assert_eq!((&replaced["status"], &replaced["status_reason"]), (&json!("active"), &Value::Null));
    let history = town.clinic.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 3);
    assert!(!history.to_string().contains("whsec_"), "the journal knows no secret");
    town.clinic.delete(&path, 3).await.expect(204);
    town.clinic.get(&path).await.expect_problem(410, "gone");
    assert_eq!(town.clinic.get(&format!("{PATH}?status=active")).await.expect(200)["items"], json!([]));
});

on_both!(what_an_endpoint_may_not_be_is_refused, |db| async move {
    let town = town(db).await;
    let fault = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
    for (url, code) in [
        ("http://hooks.example.ca/", "https_required"),
        ("https://10.0.0.1/", "private_address"),
        ("https://[::1]/", "private_address"),
        ("https://169.254.169.254/latest", "private_address"),
        ("https://user:pass@hooks.example.ca/", "not_allowed"),
    ] {
        assert_eq!(town.clinic.post(PATH, json!({ "url": url })).await.faults(422), fault("/url", code), "{url}");
    }
    let url = "https://hooks.example.ca/";
    let twice = json!({ "url": url, "event_types": ["patient.created", "patient.created"] });
    assert_eq!(town.clinic.post(PATH, twice).await.faults(422), fault("/event_types/1", "duplicate"));
    let nobody = json!({ "url": url, "service_ids": ["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"] });
    assert_eq!(town.clinic.post(PATH, nobody).await.faults(422), fault("/service_ids/0", "not_found"));
    let blind = town.clinic.only(&[Scope::WebhooksRead, Scope::WebhooksWrite, Scope::ServicesRead]).await;
    let patients = json!({ "url": url, "event_types": ["service.updated", "patient.created"] });
    assert_eq!(blind.post(PATH, patients).await.faults(422), fault("/event_types/1", "insufficient_scope"));
    let endpoint = Endpoint::new(&town.clinic, url.into(), json!({})).await;
    assert_eq!(
        town.clinic.patch(&endpoint.path, 1, json!({ "url": "https://127.0.0.2/" })).await.faults(422),
        fault("/url", "private_address")
    );
    let replay = format!("{}/replay", endpoint.path);
    assert_eq!(town.clinic.post(&replay, json!({})).await.faults(422), fault("", "required"));
    assert_eq!(town.clinic.post(&replay, json!({ "cursor": "nonsense" })).await.faults(422), fault("/cursor", "invalid_cursor"));
    let future = json!({ "since": "2026-03-02T17:00:01Z" });
    assert_eq!(town.clinic.post(&replay, future).await.faults(422), fault("/since", "not_allowed"));
    town.clinic.patch(&endpoint.path, 1, json!({ "status": "disabled" })).await.expect(200);
    town.clinic.post(&replay, json!({ "since": "2026-03-01T00:00:00Z" })).await.expect_problem(409, "webhook_disabled");
});

on_both!(an_endpoint_is_its_own_organizations_alone, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({})).await;
    settle(&town.app).await;
    let sent = endpoint.deliveries(&town.clinic, "").await;
    let delivery = format!("{}/deliveries/{}", endpoint.path, sent[0]["id"].as_str().unwrap());
    let stranger = &town.agency;
    assert_eq!(stranger.get(PATH).await.expect(200)["items"], json!([]));
    for path in [endpoint.path.clone(), format!("{}/deliveries", endpoint.path), format!("{}/history", endpoint.path), delivery.clone()] {
        stranger.get(&path).await.expect_problem(404, "not_found");
    }
    let empty = json!({});
    for (path, body) in [
        (format!("{}/rotate-secret", endpoint.path), &empty),
        (format!("{}/ping", endpoint.path), &empty),
        (format!("{}/replay", endpoint.path), &json!({ "since": "2026-03-01T00:00:00Z" })),
        (format!("{delivery}/resend"), &empty),
    ] {
        stranger.post(&path, body.clone()).await.expect_problem(404, "not_found");
    }
    stranger.patch(&endpoint.path, 1, json!({ "description": "mine" })).await.expect_problem(404, "not_found");
    stranger.delete(&endpoint.path, 1).await.expect_problem(404, "not_found");
    // A delivery of one endpoint is not another's.
    let other = Endpoint::new(&town.clinic, receiver.url("/"), json!({})).await;
    let elsewhere = delivery.replace(&endpoint.path, &other.path);
    town.clinic.get(&elsewhere).await.expect_problem(404, "not_found");
    let feed = stranger.get("/v1/changes?resource_type=webhook_endpoint").await.expect(200);
    assert_eq!(feed["items"], json!([]));
});

on_both!(both_secrets_sign_while_a_rotation_overlaps, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let rotate = format!("{}/rotate-secret", endpoint.path);
    let rotated = town.clinic.post_once(&rotate, "r1", json!({ "overlap_hours": 2 })).await;
    let body = rotated.expect(200);
    let second = body["secret"].as_str().unwrap().to_owned();
    assert_eq!((&body["version"], &body["previous_secret_expires_at"]), (&json!(2), &json!("2026-03-02T19:00:00.000000Z")));
    let again = town.clinic.post_once(&rotate, "r1", json!({ "overlap_hours": 2 })).await.expect(200);
    assert_eq!(again["secret"], json!(second), "the same key gives the same secret");
    person(&town.clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got[0].is_signed_with(&endpoint.secret) && got[0].is_signed_with(&second));
    assert_eq!(got[0].headers["webhook-signature"].split(' ').count(), 2);
    town.app.clock.advance(Span::hours(2));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    person(&clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(!got[0].is_signed_with(&endpoint.secret) && got[0].is_signed_with(&second));
    // A third one ends the first at once: two are live at most.
    let third = clinic.post(&rotate, json!({})).await.expect(200)["secret"].as_str().unwrap().to_owned();
    person(&clinic).await;
    settle(&town.app).await;
    let got = receiver.take();
    assert!(got[0].is_signed_with(&second) && got[0].is_signed_with(&third) && !got[0].is_signed_with(&endpoint.secret));
});

on_both!(a_ping_tells_what_the_receiver_said, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({ "event_types": ["patient.created"] })).await;
    let ping = format!("{}/ping", endpoint.path);
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(true), &json!(204), &Value::Null));
    let got = receiver.take();
    assert_eq!((events(&got), got[0].id()), (vec!["webhook.ping".to_owned()], answer["id"].as_str().unwrap()));
    assert!(got[0].is_signed_with(&endpoint.secret));
    conforms(&got[0]);
    receiver.now(|_| Reply::status(503));
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(false), &json!(503), &json!("status")));
    receiver.now(|_| Reply { delay: Duration::from_secs(3), ..Reply::status(204) });
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!((&answer["is_delivered"], &answer["status_code"], &answer["error"]), (&json!(false), &Value::Null, &json!("timeout")));
    assert!(answer["duration_ms"].is_number(), "{answer}");
    drop(receiver);
    let answer = town.clinic.post(&ping, Value::Null).await.expect(200);
    assert_eq!(answer["error"], "connection");
    assert_eq!(endpoint.deliveries(&town.clinic, "").await.len(), 0, "a ping is no delivery");
});

on_both!(nothing_is_sent_into_a_private_network_by_name_or_by_redirect, |db| async move {
    let town = town(db).await;
    let inside = Receiver::new();
    let port = inside.address.port();
    // Written while their hosts were excepted, on a server on which they are not.
    let app = town.app.beside(town.app.state.db.clone()).await;
    let hidden = Endpoint::new(&town.clinic, format!("https://localhost:{port}/"), json!({})).await;
    let strict = Caller { app, ..town.clinic.clone() };
    let ping = |caller: Caller, path: String| async move { caller.post(&format!("{path}/ping"), Value::Null).await.expect(200) };
    let answer = ping(strict.clone(), hidden.path.clone()).await;
    assert_eq!((&answer["error"], &answer["status_code"], &answer["duration_ms"]), (&json!("refused_address"), &Value::Null, &Value::Null));
    let literal = Endpoint::new(&town.clinic, inside.url("/"), json!({})).await;
    assert_eq!(ping(strict, literal.path.clone()).await["error"], "refused_address");

    let target = inside.url("/inside");
    let outside = Receiver::that(move |_| Reply { headers: vec![("Location", target.clone())], ..Reply::status(307) });
    let redirected = Endpoint::new(&town.clinic, outside.url("/"), json!({})).await;
    let answer = ping(town.clinic.clone(), redirected.path).await;
    assert_eq!((&answer["error"], &answer["status_code"]), (&json!("redirect"), &json!(307)));
    assert!(inside.take().is_empty(), "the inside heard of it");
    let nowhere = Endpoint::new(&town.clinic, "https://no-such-host.invalid/".into(), json!({})).await;
    let answer = ping(town.clinic.clone(), nowhere.path.clone()).await;
    assert_eq!((&answer["error"], &answer["duration_ms"]), (&json!("name_not_found"), &Value::Null), "nor how long it took");
    person(&town.clinic).await;
    settle(&town.app).await;
    let tried = nowhere.deliveries(&town.clinic, "").await;
    let attempt = tried.iter().find_map(|delivery| delivery["attempts"].get(0)).unwrap();
    assert_eq!((&attempt["error"], &attempt["duration_ms"]), (&json!("name_not_found"), &Value::Null));
});

/// Scopes have to be asked for: a client that was made before there were webhooks has none.
#[test]
fn webhooks_have_scopes_of_their_own() {
    assert!(Scopes::all_but_admin().contains(Scope::WebhooksRead) && Scopes::all_but_admin().contains(Scope::WebhooksWrite));
}

on_both!(an_organization_has_a_few_test_events_under_way_at_once, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let endpoint = Endpoint::new(&town.clinic, receiver.url("/"), json!({})).await;
    let ping = format!("{}/ping", endpoint.path);
    let open = || town.app.state.pings.open(town.clinic.organization_id, Duration::from_secs(60)).unwrap();
    let mut under_way: Vec<_> = (0..MOST_PINGS).map(|_| open()).collect();
    let refused = town.clinic.post(&ping, Value::Null).await;
    refused.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").is_some() && refused.header("ratelimit-remaining").is_none());
    assert!(receiver.take().is_empty());
    under_way.pop();
    for _ in 0..2 {
        town.clinic.post(&ping, Value::Null).await.expect(200);
    }
});
