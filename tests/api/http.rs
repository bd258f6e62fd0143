//! What is true of every answer, whatever was asked: ids, headers, packing, origins, limits, the pages beside the API.

use actix_web::http::Method;
use actix_web::test::TestRequest;
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
    let text = packed.unpacked();
    assert!(text.contains(&b'{') && text.len() > packed.bytes.len() / 2, "{text:?}");
});

on_both!(the_document_is_packed_once_and_sent_to_none_who_has_it, |db| async move {
    let app = TestApp::new(db).await;
    let ask = |name: &'static str, value: &str| app.send(app.stranger().request(Method::GET, "/openapi.json").insert_header((name, value)));
    let document = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap() == *kith::openapi::document();
    for accepted in ["gzip", "br, gzip", "gzip;q=0.5, *;q=0"] {
        let packed = ask("accept-encoding", accepted).await;
        assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")), "{accepted}");
        assert!(document(&packed.unpacked()) && packed.header("vary").unwrap().contains("accept-encoding"), "{accepted}");
    }
    for plain in ["br", "deflate, br", "identity", "gzip;q=0"] {
        let plain = ask("accept-encoding", plain).await;
        assert!(plain.status == 200 && document(&plain.bytes), "{:?}", plain.headers);
    }
    let tag = ask("accept-encoding", "gzip").await.header("etag").unwrap().to_owned();
    let known = ask("if-none-match", &tag).await;
    assert_eq!((known.status, known.bytes.len(), known.header("etag")), (304, 0, Some(tag.as_str())));
    let other = ask("if-none-match", "\"1-0123456789abcdef\"").await;
    assert_eq!((other.status, other.header("etag")), (200, Some(tag.as_str())));
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

on_both!(a_post_that_needs_no_member_needs_no_body, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let patient = caller.post("/v1/patients", json!({ "names": [{ "family": "Roy" }] })).await.id();
    let screening = caller.post("/v1/screenings", json!({ "patient_id": patient, "instrument": "phq-9" })).await.id();
    let path = format!("/v1/screenings/{screening}/links");
    let (json, form) = (("content-type", "application/json"), ("content-type", "application/x-www-form-urlencoded"));
    let post = || caller.request(Method::POST, &path);
    let nothing = [post(), post().insert_header(json), post().insert_header(form), post().insert_header(("content-length", "0"))];
    for request in nothing {
        caller.app.send(request).await.expect(201);
    }
    let keyed = |request: TestRequest| caller.app.send(request.insert_header(("idempotency-key", "link-1")));
    let (first, again) = (keyed(post()).await.expect(201), keyed(post().set_json(json!({}))).await.expect(201));
    assert_eq!(first, again, "nothing says the same as an empty object");

    // What must be said is told, and what is something is of a media type.
    let silent = caller.app.send(caller.request(Method::POST, "/v1/patients")).await;
    assert_eq!(silent.faults(422), [("/names".to_owned(), "required".to_owned())]);
    for length in [None, Some(("content-length", "2"))] {
        let request = length.into_iter().fold(post().insert_header(form), TestRequest::insert_header);
        caller.app.send(request.set_payload("{}")).await.expect_problem(415, "unsupported_media_type");
    }
    // The body is what these are for.
    let service = caller.post("/v1/services", json!({ "name": "Lunch" })).await.id();
    let put = || caller.request(Method::PUT, &format!("/v1/services/{service}/capacity"));
    caller.app.send(put()).await.expect_problem(415, "unsupported_media_type");
    caller.app.send(put().insert_header(json)).await.expect_problem(400, "malformed_request");
    let patch = caller.request(Method::PATCH, &format!("/v1/services/{service}")).insert_header(("if-match", "\"1\""));
    caller.app.send(patch.insert_header(json)).await.expect_problem(400, "malformed_request");
});

on_both!(a_body_of_another_media_type_is_refused_with_all_that_are_taken, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let text = |method: Method, path: &str| {
        let request = caller.request(method, path).insert_header(("content-type", "text/plain")).insert_header(("if-match", "\"1\""));
        caller.app.send(request.set_payload("{}"))
    };
    for (method, path, taken) in [
        (Method::POST, "/v1/patients", &["application/json"][..]),
        (Method::PATCH, "/v1/patients/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", &["application/merge-patch+json", "application/json"]),
        (Method::POST, "/hsds/services", &["application/json", "application/x-www-form-urlencoded"]),
        (Method::POST, "/v1/imports", &["application/x-ndjson", "application/ndjson", "application/jsonl"]),
        (
            Method::POST,
            "/v1/imports/services?source=a",
            &["application/x-ndjson", "application/zip", "application/ndjson", "application/jsonl"],
        ),
    ] {
        let refused = text(method, path).await;
        let problem = refused.expect_problem(415, "unsupported_media_type");
        assert_eq!(problem["detail"], format!("Send the body as {}.", taken.join(" or ")), "{path}");
        assert_eq!(refused.header("accept"), Some(&*taken.join(", ")), "{path}");
    }
});

on_both!(who_sends_no_token_is_told_of_no_fault_in_it, |db| async move {
    let app = TestApp::new(db).await;
    let challenge = async |authorization: Option<&str>| {
        let request = app.stranger().request(Method::GET, "/v1/patients");
        let headers = authorization.map(|value| ("authorization", value.to_owned()));
        let refused = app.send(headers.into_iter().fold(request, TestRequest::insert_header)).await;
        refused.expect_problem(401, "unauthenticated");
        refused.header("www-authenticate").unwrap().to_owned()
    };
    // RFC 6750 §3.1: nothing, and a way of logging in that is not taken.
    for authorization in [None, Some("Basic a2l0aDprw6l0aA==")] {
        assert_eq!(challenge(authorization).await, "Bearer realm=\"kith\"", "{authorization:?}");
    }
    assert_eq!(challenge(Some("Bearer spoiled")).await, "Bearer realm=\"kith\", error=\"invalid_token\"");
});
