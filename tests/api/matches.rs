//! Matches: services suggested for a patient or for a described person, kept as a record, and what they find unmet.

use actix_web::http::Method;
use chrono::Duration;
use diesel::prelude::*;
use kith::auth::Scope;
use kith::db::schema::{changes, matches};
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};

const PATH: &str = "/v1/matches";
const NOBODY: &str = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";

async fn service(keeper: &Caller, more: Value) -> String {
    let mut body = json!({ "name": "Pantry", "need_domains": [{ "code": "food-insecurity" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = keeper.post("/v1/services", body).await;
    created.expect(201);
    created.id()
}

async fn patient(caller: &Caller) -> String {
    let body = json!({
        "names": [{ "given": "Ines", "family": "Roy" }],
        "birth_date": "1954-03-18",
        "languages": [{ "language": "pa", "preferred": true }],
        "address": { "city": "Alder Falls", "region": "BC", "postal_code": "V0X 1A0", "country": "CA" },
        "point": { "latitude": 49.35, "longitude": -120.12 },
        "what_matters_to_me": "Being in a garden again"
    });
    caller.post("/v1/patients", body).await.id()
}

async fn need(caller: &Caller, patient: &str, domain: &str) -> String {
    let created = caller.post("/v1/needs", json!({ "patient_id": patient, "domain": domain })).await;
    created.expect(201);
    created.id()
}

fn names(matched: &Value) -> Vec<&str> {
    matched["results"].as_array().unwrap().iter().map(|result| result["name"].as_str().unwrap()).collect()
}

fn hungry() -> Value {
    json!({
        "needs": [{ "domain": "food-insecurity", "words": "The cupboard is bare" }],
        "age": 71,
        "location": { "postal_code": "V0X 1A0", "city": "Alder Falls", "point": { "latitude": 49.35, "longitude": -120.12 } }
    })
}

on_both!(a_patient_is_matched_and_the_match_is_kept, |db| async move {
    let app = TestApp::new(db).await;
    let (directory, clinic) = (app.tenant("211", OrganizationKind::Directory).await, app.clinic().await);
    let place = json!([{ "point": { "latitude": 49.36, "longitude": -120.12 } }]);
    let near = service(&directory, json!({ "name": "Near pantry", "places": place, "languages": [{ "language": "pa" }] })).await;
    service(&directory, json!({ "name": "Youth pantry", "eligibility": { "max_age": 25 } })).await;
    service(&directory, json!({ "name": "Quiet pantry" })).await;
    let patient = patient(&clinic).await;
    need(&clinic, &patient, "food-insecurity").await;

    let created = clinic.post(PATH, json!({ "patient_id": patient, "include_excluded": true })).await;
    let matched = created.expect(201);
    assert_eq!(names(&matched), ["Near pantry", "Quiet pantry"]);
    assert_eq!((&matched["outcome"], &matched["results"][0]["service_id"]), (&json!("suggested"), &json!(near)));
    assert_eq!((&matched["patient_id"], &matched["profile"]), (&json!(patient), &json!("standard/3")));
    let best = &matched["results"][0];
    let sum: f64 = best["contributions"].as_array().unwrap().iter().map(|part| part["contribution"].as_f64().unwrap()).sum();
    assert!((sum - best["score"].as_f64().unwrap()).abs() < 1e-9);
    assert!(best["why"]["sentence"]["fr"].as_str().unwrap().contains("pendjabi"), "{best}");
    assert_eq!(matched["excluded"][0]["reasons"][0]["code"], "age");
    assert!(matched["results"][1]["unknown"].as_array().unwrap().contains(&json!("language")));

    let path = format!("{PATH}/{}", created.id());
    assert_eq!(created.header("location"), Some(path.as_str()));
    let read = clinic.get(&path).await;
    assert_eq!(read.expect(200), matched);
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let cached = app.send(clinic.request(Method::GET, &path).insert_header(("if-none-match", "\"1\""))).await;
    assert_eq!(cached.status, 304);
    let list = clinic.get(&format!("/v1/patients/{patient}/matches")).await.expect(200);
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["domains"]), (&matched["id"], &json!(["food-insecurity"])));
    assert_eq!(list["items"][0]["results"][0]["name"], "Near pantry");
});

on_both!(only_who_sees_the_patients_needs_sees_their_matches, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Other Clinic", OrganizationKind::Clinic).await);
    let patient = patient(&clinic).await;
    need(&clinic, &patient, "food-insecurity").await;
    let path = format!("{PATH}/{}", clinic.post(PATH, json!({ "patient_id": patient })).await.id());
    other.get(&path).await.expect_problem(404, "not_found");
    other.get(&format!("/v1/patients/{patient}/matches")).await.expect_problem(404, "not_found");
    let unseen = other.post(PATH, json!({ "patient_id": patient })).await;
    assert_eq!(unseen.faults(422), [("/patient_id".into(), "not_found".into())]);
    let reader = clinic.only(&[Scope::ServicesRead]).await;
    reader.get(&path).await.expect_problem(404, "not_found");
    reader.post(PATH, json!({ "patient_id": patient })).await.expect_problem(403, "insufficient_scope");
});

on_both!(a_match_may_ask_about_some_needs_only, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    service(&clinic, json!({})).await;
    service(&clinic, json!({ "name": "Choir", "need_domains": [{ "code": "x-arts-culture" }] })).await;
    let patient = patient(&clinic).await;
    need(&clinic, &patient, "food-insecurity").await;
    let arts = need(&clinic, &patient, "x-arts-culture").await;
    let all = clinic.post(PATH, json!({ "patient_id": patient })).await.expect(201);
    assert_eq!(names(&all).len(), 2);
    let some = clinic.post(PATH, json!({ "patient_id": patient, "need_ids": [arts] })).await.expect(201);
    assert_eq!((names(&some), &some["need_ids"]), (vec!["Choir"], &json!([arts])));
    let more = clinic
        .post(PATH, json!({ "patient_id": patient, "need_ids": [arts], "needs": [{ "domain": "food-insecurity" }], "limit": 1 }))
        .await;
    assert_eq!(names(&more.expect(201)).len(), 1);
    let unknown = clinic.post(PATH, json!({ "patient_id": patient, "need_ids": [arts, NOBODY] })).await;
    assert_eq!(unknown.faults(422), [("/need_ids/1".into(), "not_found".into())]);
});

on_both!(anybody_is_matched_where_the_directory_is_public_and_nothing_personal_is_kept, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let clinic = app.clinic().await;
    let place = json!({ "point": { "latitude": 49.36, "longitude": -120.12 }, "address": { "city": "Alder Falls", "region": "BC" } });
    service(&clinic, json!({ "places": [place] })).await;
    let stranger = app.stranger();
    let created = stranger.post(PATH, json!({ "person": hungry() })).await;
    let matched = created.expect(201);
    assert_eq!(names(&matched), ["Pantry"]);
    assert!(matched["results"][0]["distance_m"].as_i64().is_some_and(|metres| metres > 1_000));
    assert_eq!((&matched["organization_id"], &matched["client_id"]), (&Value::Null, &Value::Null));

    let kept = stranger.get(&format!("{PATH}/{}", created.id())).await.expect(200);
    assert_eq!(names(&kept), ["Pantry"]);
    let person = &kept["person"];
    assert_eq!((&person["age"], &person["location"]["point"], &person["needs"][0]["words"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&person["location"]["postal_code"], &person["location"]["city"]), (&json!("V0X"), &json!("Alder Falls")));
    let text = kept.to_string();
    assert!(!text.contains("cupboard") && !text.contains("1A0") && !text.contains(" km "), "{text}");
    assert_eq!(kept["results"][0]["distance_m"], Value::Null);
    stranger.post(PATH, json!({ "patient_id": NOBODY })).await.expect_problem(401, "unauthenticated");
});

on_both!(what_a_stranger_asks_is_kept_for_a_day_and_in_codes_alone, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    service(&app.clinic().await, json!({})).await;
    let person = json!({
        "needs": [{ "domain": "x-call-5550100" }, { "domain": "stress" }, { "domain": "food-insecurity" }],
        "languages": ["Ask for Ines", "pa"],
        "location": { "city": "Behind the mill", "region": "Ask for Ines", "postal_code": "V0X 1A0" },
    });
    let ask = async || app.stranger().post(PATH, json!({ "person": person })).await;
    let asked = ask().await;
    assert_eq!(asked.expect(201)["unanswered"].as_array().unwrap().len(), 2, "the answer tells all");
    let path = format!("{PATH}/{}", asked.id());
    let kept = app.stranger().get(&path).await.expect(200);
    let domains: Vec<&Value> = kept["person"]["needs"].as_array().unwrap().iter().map(|need| &need["domain"]).collect();
    assert_eq!(domains, ["stress", "food-insecurity"]);
    assert_eq!((&kept["person"]["languages"], &kept["person"]["location"]["postal_code"]), (&json!(["pa"]), &json!("V0X")));
    let text = kept.to_string();
    assert!(["5550100", "Ines", "mill"].iter().all(|word| !text.contains(word)), "{text}");

    let count = async || {
        let rows = |conn: &mut kith::db::DbConn| {
            let of_matches = changes::table.filter(changes::resource_type.eq("match"));
            Ok((matches::table.count().get_result::<i64>(conn)?, of_matches.count().get_result::<i64>(conn)?))
        };
        app.state.db.read(rows).await.unwrap()
    };
    assert_eq!(count().await, (1, 0), "nobody would read it in the journal");
    app.clock.advance(Duration::hours(23));
    ask().await.expect(201);
    app.stranger().get(&path).await.expect(200);
    app.clock.advance(Duration::hours(1));
    app.stranger().get(&path).await.expect_problem(404, "not_found");
    ask().await.expect(201);
    assert_eq!(count().await, (2, 0), "what is past makes room for the next");
});

on_both!(a_described_persons_match_is_seen_by_who_asked, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Other Clinic", OrganizationKind::Clinic).await);
    app.stranger().post(PATH, json!({ "person": hungry() })).await.expect_problem(401, "unauthenticated");
    let path = format!("{PATH}/{}", clinic.post(PATH, json!({ "person": hungry() })).await.id());
    clinic.get(&path).await.expect(200);
    other.get(&path).await.expect_problem(404, "not_found");
});

on_both!(what_one_organization_found_unmet_another_finds_too, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let patient = patient(&clinic).await;
    need(&clinic, &patient, "food-insecurity").await;
    crate::screenings::consent(&clinic, &patient, &program, &["needs", "contact", "demographics"]).await;
    for caller in [&clinic, &program, &clinic, &program] {
        caller.post(PATH, json!({ "patient_id": patient })).await.expect(201);
    }
    for caller in [&clinic, &program] {
        let unmet = caller.get("/v1/unmet-needs").await.expect(200);
        let found: Vec<&Value> = unmet["items"].as_array().unwrap().iter().map(|unmet| &unmet["organization_id"]).collect();
        assert_eq!(found, [&json!(caller.organization_id)]);
    }
});

on_both!(nothing_suitable_is_an_answer_and_an_unmet_need, |db| async move {
    let app = TestApp::with(db, &["--helpline-name=Valley line", "--helpline-phone=250-555-0100"]).await;
    let clinic = app.clinic().await;
    let patient = patient(&clinic).await;
    need(&clinic, &patient, "food-insecurity").await;
    let matched = clinic.post(PATH, json!({ "patient_id": patient })).await.expect(201);
    assert_eq!((&matched["outcome"], &matched["unanswered"][0]["reasons"]), (&json!("nothing_suitable"), &json!(["no_service"])));
    assert_eq!((&matched["human_route"]["name"], &matched["human_route"]["phone"]), (&json!("Valley line"), &json!("250-555-0100")));
    let unmet = clinic.get("/v1/unmet-needs").await.expect(200);
    let first = &unmet["items"][0];
    assert_eq!((&first["domain"], &first["match_id"], &first["patient_id"]), (&json!("food-insecurity"), &matched["id"], &json!(patient)));
    assert_eq!(first["area"], json!({ "postal_prefix": "V0X", "city": "Alder Falls", "region": "BC" }));
    clinic.post(PATH, json!({ "patient_id": patient })).await.expect(201);
    let again = clinic.get("/v1/unmet-needs").await.expect(200);
    assert_eq!(again["items"].as_array().unwrap().len(), 1, "the same need is unmet once");

    let program = service(
        &clinic,
        json!({ "name": "Connectors", "kind": "program", "need_domains": [], "phones": [{ "original": "250-555-0190" }] }),
    )
    .await;
    let matched = clinic.post(PATH, json!({ "patient_id": patient })).await.expect(201);
    assert_eq!((&matched["human_route"]["service_id"], names(&matched).len()), (&json!(program), 0));
});

on_both!(the_same_key_makes_one_match, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let patient = patient(&clinic).await;
    let body = json!({ "patient_id": patient, "text": "somewhere to sing" });
    let first = clinic.post_once(PATH, "k", body.clone()).await.expect(201);
    assert_eq!(clinic.post_once(PATH, "k", body).await.expect(201), first);
    assert_eq!(clinic.get(&format!("/v1/patients/{patient}/matches")).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(every_fault_of_a_match_is_told, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    assert_eq!(clinic.post(PATH, json!({})).await.faults(422), [("/person".into(), "required".into())]);
    let both = clinic.post(PATH, json!({ "patient_id": NOBODY, "person": {} })).await;
    assert_eq!(both.faults(422), [("/person".into(), "not_allowed".into())]);
    let person = json!({ "age": 200, "needs": [{ "domain": "Food" }], "name": "Ines" });
    let faults = clinic.post(PATH, json!({ "person": person, "limit": 51 })).await.faults(422);
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/limit", "/person/age", "/person/name", "/person/needs/0/domain"]);
    let reversed = json!({ "free_times": [{ "day": "monday", "from": "12:00", "until": "09:00" }] });
    assert_eq!(clinic.post(PATH, json!({ "person": reversed })).await.faults(422)[0].0, "/person/free_times/0/until");
    let untold = json!({ "must_haves": ["language"] });
    assert_eq!(clinic.post(PATH, json!({ "person": untold })).await.faults(422), [("/person/languages".into(), "required".into())]);
    clinic.get(&format!("{PATH}/{NOBODY}")).await.expect_problem(404, "not_found");
    clinic.get(&format!("{PATH}/7")).await.expect(400);
});

on_both!(eligibility_is_checked_rule_by_rule_and_the_profile_is_published, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let id = service(&clinic, json!({ "eligibility": { "min_age": 55, "genders": ["woman"] } })).await;
    let checks = "/v1/eligibility-checks";
    let checked = clinic.post(checks, json!({ "service_id": id, "person": { "age": 40 } })).await.expect(200);
    let results: Vec<_> =
        checked["items"].as_array().unwrap().iter().map(|item| (item["code"].as_str(), item["result"].as_str())).collect();
    assert_eq!(results, [(Some("age"), Some("not_met")), (Some("gender"), Some("unknown"))]);
    assert_eq!(checked["result"], "not_met");
    let patient = patient(&clinic).await;
    assert_eq!(clinic.post(checks, json!({ "service_id": id, "patient_id": patient })).await.expect(200)["items"][0]["result"], "met");
    let unknown = clinic.post(checks, json!({ "service_id": NOBODY, "person": {} })).await;
    assert_eq!(unknown.faults(422), [("/service_id".into(), "not_found".into())]);
    let profile = clinic.get("/v1/matching-profiles/standard").await.expect(200);
    assert!(profile["weight"]["need"].as_f64().is_some());
    clinic.get("/v1/matching-profiles/other").await.expect_problem(404, "not_found");
});

on_both!(a_service_across_the_country_is_no_answer_and_one_listed_twice_is_shown_once, |db| async move {
    let app = TestApp::new(db).await;
    let keeper = app.tenant("Valley 211", OrganizationKind::Directory).await;
    let kingston = json!([{ "point": { "latitude": 44.23, "longitude": -76.48 }, "point_precision": "approximate" }]);
    service(&keeper, json!({ "name": "Kingston Pantry", "places": kingston })).await;
    let nothing = keeper.post(PATH, json!({ "person": hungry(), "include_excluded": true })).await.expect(201);
    assert_eq!((&nothing["outcome"], &nothing["excluded"][0]["reasons"][0]["code"]), (&json!("nothing_suitable"), &json!("too_far")));
    assert_eq!(nothing["unanswered"][0]["reasons"][0], "too_far");

    let line = json!([{ "original": "250-555-0142" }]);
    let first = service(&keeper, json!({ "name": "Valley Hampers", "phones": line })).await;
    let second = service(&keeper, json!({ "name": "Valley Hampers Society", "phones": line })).await;
    let found = keeper.post(PATH, json!({ "person": hungry() })).await.expect(201);
    let shown = found["results"].as_array().unwrap();
    let ids = [shown[0]["service_id"].as_str().unwrap(), shown[0]["same_as"][0].as_str().unwrap()];
    assert_eq!(shown.len(), 1);
    assert!(ids.contains(&first.as_str()) && ids.contains(&second.as_str()), "{found}");
});

on_both!(free_times_of_a_patient_are_told_by_the_clocks_of_who_looks_after_them, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let organization = format!("/v1/organizations/{}", clinic.organization_id);
    clinic.patch(&organization, 1, json!({ "time_zone": "America/Vancouver" })).await.expect(200);
    // Monday from six to eight in British Columbia.
    let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=MO", "opens_at": "21:00", "closes_at": "23:00", "time_zone": "America/Toronto" }]);
    service(&clinic, json!({ "delivery_modes": ["phone"], "schedules": hours })).await;
    let free = json!([{ "day": "monday", "from": "18:00", "until": "20:00" }]);
    let busy = json!({ "names": [{ "family": "Roy" }], "free_times": free, "must_haves": ["hours"] });
    let nowhere = clinic.post("/v1/patients", busy.clone()).await.id();
    let mut elsewhere = busy;
    elsewhere["address"] = json!({ "region": "ON" });
    let elsewhere = clinic.post("/v1/patients", elsewhere).await.id();
    for (patient, zone, expected) in [(nowhere, "America/Vancouver", 1), (elsewhere, "America/Toronto", 0)] {
        need(&clinic, &patient, "food-insecurity").await;
        let matched = clinic.post(PATH, json!({ "patient_id": patient })).await.expect(201);
        assert_eq!((names(&matched).len(), &matched["person"]["time_zone"]), (expected, &json!(zone)));
    }
});

on_both!(what_is_no_need_and_what_contradicts_itself_is_told, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    for (person, pointer, code) in [
        (json!({ "needs": [{ "domain": "x-dance" }, { "domain": "happiness" }] }), "/person/needs/1/domain", "unknown_domain"),
        (json!({ "age_at_most": 30 }), "/person/age", "required"),
        (json!({ "age": 31, "age_at_most": 30 }), "/person/age_at_most", "out_of_range"),
        (json!({ "time_zone": "Vancouver" }), "/person/time_zone", "unknown_time_zone"),
    ] {
        assert_eq!(clinic.post(PATH, json!({ "person": person })).await.faults(422), [(pointer.into(), code.into())]);
    }
    let beside = clinic.post(PATH, json!({ "person": {}, "needs": [{ "domain": "happiness" }] })).await;
    assert_eq!(beside.faults(422), [("/needs/0/domain".into(), "unknown_domain".into())]);
    clinic.post(PATH, json!({ "person": { "needs": [{ "domain": "x-dance" }], "age": 30, "age_at_most": 30 } })).await.expect(201);
});

on_both!(the_only_suitable_service_is_found_behind_many_that_are_nearer, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let near = json!([{ "point": { "latitude": 49.35, "longitude": -120.12 } }]);
    let pantry = json!({ "need_domains": [{ "code": "food-insecurity" }], "places": near, "eligibility": { "genders": ["woman"] } });
    for hundred in 0..3 {
        let post = |number: i32| {
            let mut body = pantry.clone();
            body["name"] = json!(format!("Pantry {number}"));
            clinic.post("/v1/services", body)
        };
        let posted = futures_util::future::join_all((hundred * 100..hundred * 100 + 100).map(post)).await;
        posted.iter().for_each(|answer| drop(answer.expect(201)));
    }
    service(&clinic, json!({ "name": "Open pantry" })).await;
    let mut person = hungry();
    let usual = clinic.post(PATH, json!({ "person": person })).await.expect(201);
    assert_eq!((names(&usual).len(), &usual["considered"]), (10, &json!(250)), "as many as were looked at");
    person["gender"] = json!("man");
    let matched = clinic.post(PATH, json!({ "person": person })).await.expect(201);
    assert_eq!((&matched["outcome"], names(&matched)), (&json!("suggested"), vec!["Open pantry"]));
    assert_eq!(matched["considered"], 301);
});

on_both!(the_first_answer_comes_again_though_the_patient_may_no_longer_be_matched, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let (survivor, duplicate) = (patient(&clinic).await, patient(&clinic).await);
    let consent = json!({
        "patient_id": duplicate, "grantee_id": program.organization_id, "purposes": ["care_coordination"],
        "categories": ["needs", "screenings"], "form": "verbal",
    });
    let consent = clinic.post("/v1/consents", consent).await;
    let body = json!({ "patient_id": duplicate });
    let screening =
        crate::screenings::screening(&duplicate, "ahc-hrsn-core", "completed", vec![crate::screenings::answer("food-worry", "LA28397-0")]);
    let asked = [(PATH, body), ("/v1/screenings?suggest=3", screening)];
    let mut first = Vec::new();
    for (caller, (path, body)) in [&clinic, &program].iter().flat_map(|caller| asked.iter().map(move |asked| (*caller, asked))) {
        first.push((caller, path, body, caller.post_once(path, path, body.clone()).await.expect(201)));
    }
    let withdrawal = format!("{}/withdraw", consent.header("location").unwrap());
    clinic.post(&withdrawal, json!({})).await.expect(200);
    clinic.post(&format!("/v1/patients/{survivor}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    for (caller, path, body, answer) in first {
        assert_eq!(caller.post_once(path, path, body.clone()).await.expect(201), answer, "{path}");
        let mut other = body.clone();
        other["patient_id"] = json!(survivor);
        caller.post_once(path, path, other).await.expect(422);
    }
});
