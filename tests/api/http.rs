//! What is true of every answer, whatever was asked: ids, headers, packing, origins, limits, the pages beside the API.

use std::io::Read as _;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::client::TestApp;

on_both!(an_answer_bears_the_callers_request_id_where_it_is_sane_and_one_of_ours_else, |db| async move {
    let app = TestApp::new(db).await;
    let asked = |id: &'static str| app.send(app.stranger().request(Method::GET, "/v1/patients").insert_header(("x-request-id", id)));
    let sane = asked("emr-7:2026.03_a").await;
    assert_eq!(sane.expect_problem(401, "unauthenticated")["request_id"], "emr-7:2026.03_a");
    let long = "x".repeat(129);
    for id in ["", "two words", "<script>", "é", &long] {
        let request = app.stranger().request(Method::GET, "/healthz");
        let Ok(value) = actix_web::http::header::HeaderValue::from_str(id) else { panic!("{id}") };
        let answer = app.send(request.insert_header(("x-request-id", value))).await;
        let given = answer.header("x-request-id").unwrap();
        assert!(uuid::Uuid::parse_str(given).is_ok(), "{id} became {given}");
    }
});

on_both!(an_answer_about_a_person_is_kept_by_nobody_and_shown_in_no_frame, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let answer = caller.post("/v1/patients", json!({ "names": [{ "family": "Roy" }] })).await;
    answer.expect(201);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
});

on_both!(an_answer_is_packed_for_who_takes_it_so, |db| async move {
    let app = TestApp::new(db).await;
    let plain = app.send(app.stranger().request(Method::GET, "/openapi.json")).await;
    assert_eq!(plain.header("content-encoding"), None);
    let packed = app.send(app.stranger().request(Method::GET, "/docs/index.css").insert_header(("accept-encoding", "gzip"))).await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.bytes[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains('{') && text.len() > packed.bytes.len() / 2, "{text}");
});

on_both!(browsers_of_configured_origins_may_call_and_read_what_they_need, |db| async move {
    let app = TestApp::with(db, &["--cors-origins=https://app.example.ca"]).await;
    let ask = |origin: &'static str| {
        let request = app.stranger().request(Method::OPTIONS, "/v1/patients").insert_header(("origin", origin));
        app.send(
            request
                .insert_header(("access-control-request-method", "POST"))
                .insert_header(("access-control-request-headers", "authorization,content-type,idempotency-key,if-match,kith-on-behalf-of")),
        )
    };
    let allowed = ask("https://app.example.ca").await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some("https://app.example.ca")));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("POST"));
    assert_eq!(ask("https://elsewhere.example.ca").await.header("access-control-allow-origin"), None);
    let called = app.stranger().request(Method::GET, "/healthz").insert_header(("origin", "https://app.example.ca"));
    let exposed = app.send(called).await.header("access-control-expose-headers").unwrap().to_lowercase();
    for name in ["etag", "link", "location", "kith-safety-alert", "ratelimit-remaining", "retry-after", "x-request-id"] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
});

on_both!(the_pages_beside_the_api_need_nothing_from_elsewhere, |db| async move {
    let app = TestApp::new(db).await;
    let get = |path: String| app.send(app.stranger().request(Method::GET, &path));
    assert_eq!(get("/docs".into()).await.header("location"), Some("/docs/"));
    let page = get("/docs/".into()).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let text = String::from_utf8(page.bytes.to_vec()).unwrap();
    let named: Vec<&str> =
        ["src=\"", "href=\""].iter().flat_map(|mark| text.split(mark).skip(1)).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(named.len() >= 4, "{text}");
    for name in named {
        assert!(!name.contains("//"), "{name} is elsewhere");
        assert_eq!(get(format!("/docs/{}", name.trim_start_matches("./"))).await.status, 200, "{name}");
    }
    let initializer = get("/docs/swagger-initializer.js".into()).await;
    assert!(String::from_utf8_lossy(&initializer.bytes).contains("/openapi.json"));
    assert_eq!(get("/openapi.json".into()).await.json()["openapi"], "3.1.0");

    let problems = String::from_utf8(get("/problems".into()).await.bytes.to_vec()).unwrap();
    let unknown = get("/v1/castles".into()).await.json();
    let anchor = unknown["type"].as_str().unwrap().strip_prefix("/problems#").unwrap();
    assert!(problems.contains(&format!("<dt id=\"{anchor}\">")), "{problems}");
});

on_both!(a_field_that_is_not_there_cannot_be_cleared, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let path = format!("/v1/patients/{}", clinic.post("/v1/patients", json!({ "names": [{ "family": "Roy" }], "notes": "x" })).await.id());
    let faults = clinic.patch(&path, 1, json!({ "birth_dat": null, "address": { "citty": null } })).await.faults(422);
    assert_eq!(faults, [("/address/citty".into(), "unknown_field".into()), ("/birth_dat".into(), "unknown_field".into())]);
    let cleared = clinic.patch(&path, 1, json!({ "notes": null, "birth_date": null })).await.expect(200);
    assert_eq!((&cleared["version"], &cleared["notes"]), (&json!(2), &Value::Null));
});

on_both!(whoever_waits_is_answered_before_the_request_has_taken_too_long, |db| async move {
    let app = TestApp::with(db, &["--request-timeout", "2s"]).await;
    let clinic = app.clinic().await;
    app.is_readable().await;
    let next = clinic.get("/v1/changes").await.expect(200)["next"].as_str().unwrap().to_owned();
    let piece = clinic.get(&format!("/v1/changes?cursor={next}&wait=30")).await.expect(200);
    assert_eq!(piece["items"], json!([]));
});
