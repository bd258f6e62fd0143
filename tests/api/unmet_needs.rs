//! Unmet needs: reported, seen by those who found them, counted by domain and area.

use std::collections::BTreeSet;

use kith::auth::{Scope, Scopes};
use kith::db::types::Id;
use kith::matching::model::{UnmetNeedInput, UnmetNeedRow};
use kith::matching::repository::insert_unmet;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::screenings::consent;

const PATH: &str = "/v1/unmet-needs";
const NOBODY: &str = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";

fn respite(more: Value) -> Value {
    let mut body = json!({ "domain": "x-caregiver-support", "reasons": ["no_service", "all_full"], "note": "Three programs called." });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn patient(caller: &Caller) -> String {
    let body = json!({
        "names": [{ "given": "Ines", "family": "Roy" }],
        "address": { "city": "Alder Falls", "region": "BC", "postal_code": "v0x 1a0", "country": "CA" }
    });
    caller.post("/v1/patients", body).await.id()
}

on_both!(an_unmet_need_is_reported_read_changed_and_deleted, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let created = caller.post(PATH, respite(json!({ "area": { "postal_prefix": "V0X", "city": "Alder Falls" } }))).await;
    let body = created.expect(201);
    assert_eq!(
        (&body["domain"], &body["reasons"][0], &body["patient_id"]),
        (&json!("x-caregiver-support"), &json!("no_service"), &Value::Null)
    );
    let path = format!("{PATH}/{}", created.id());
    assert_eq!(created.header("location"), Some(path.as_str()));
    assert_eq!(caller.get(&path).await.expect(200), body);
    let changed = caller.patch(&path, 1, json!({ "reasons": ["too_far"], "note": null })).await.expect(200);
    assert_eq!((&changed["reasons"], &changed["note"], &changed["version"]), (&json!(["too_far"]), &Value::Null, &json!(2)));
    let far = caller.get(&format!("{PATH}?reason=too_far&postal_prefix=V0X&domain=x-caregiver-support")).await.expect(200);
    assert_eq!(far["items"].as_array().unwrap().len(), 1);
    assert_eq!(caller.get(&format!("{PATH}?reason=no_service")).await.expect(200)["items"], json!([]));
    caller.put(&path, 2, respite(json!({}))).await.expect(200);
    caller.delete(&path, 3).await.expect(204);
    caller.get(&path).await.expect_problem(410, "gone");
    assert_eq!(caller.get(PATH).await.expect(200)["items"], json!([]));
    let history = caller.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 4);
});

on_both!(the_area_of_a_patients_unmet_need_is_the_patients_own_and_coarse, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let patient = patient(&caller).await;
    let body = caller.post(PATH, respite(json!({ "patient_id": patient }))).await.expect(201);
    assert_eq!(body["area"], json!({ "postal_prefix": "V0X", "city": "Alder Falls", "region": "BC" }));
    let moved = caller.put(&format!("{PATH}/{}", body["id"].as_str().unwrap()), 1, respite(json!({}))).await;
    assert_eq!(moved.faults(422), [("/patient_id".into(), "not_allowed".into())]);
});

on_both!(nobody_else_sees_who_found_an_unmet_need, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.tenant("Other Clinic", OrganizationKind::Clinic).await);
    let patient = patient(&clinic).await;
    let path = format!("{PATH}/{}", clinic.post(PATH, respite(json!({ "patient_id": patient }))).await.id());
    other.get(&path).await.expect_problem(404, "not_found");
    other.delete(&path, 1).await.expect_problem(404, "not_found");
    assert_eq!(other.get(PATH).await.expect(200)["items"], json!([]));
    let unseen = other.post(PATH, respite(json!({ "patient_id": patient }))).await;
    assert_eq!(unseen.faults(422), [("/patient_id".into(), "not_found".into())]);
});

on_both!(whoever_manages_the_patient_does_not_see_either_what_another_organization_found_unmet, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.tenant("Alder Link", OrganizationKind::Program).await);
    let patient = patient(&clinic).await;
    consent(&clinic, &patient, &program, &["summary", "needs"]).await;
    let found = program.post(PATH, respite(json!({ "patient_id": patient }))).await.id();
    let own = clinic.post(PATH, respite(json!({ "patient_id": patient }))).await.id();
    app.is_readable().await;
    for (caller, expected) in [(&clinic, &own), (&program, &found)] {
        let timeline = format!("/v1/patients/{patient}/timeline?type=unmet_need");
        for path in [PATH, "/v1/changes?resource_type=unmet_need", &timeline] {
            let page = caller.get(path).await.expect(200);
            let items = page["items"].as_array().unwrap().iter();
            let told = items.filter(|item| item["action"] != "reset").map(|item| item.get("resource_id").unwrap_or(&item["id"]));
            let told: BTreeSet<&str> = told.map(|id| id.as_str().unwrap()).collect();
            assert_eq!(told, BTreeSet::from([expected.as_str()]), "{path}");
        }
    }
});

on_both!(every_fault_of_an_unmet_need_is_told, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let answer = caller.post(PATH, json!({ "domain": "Food!", "reasons": [], "area": { "postal_prefix": "V0X 1A0" }, "who": 1 })).await;
    let faults = answer.faults(422);
    let pointers: Vec<&str> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/area/postal_prefix", "/domain", "/reasons", "/who"]);
    let unknown = caller.post(PATH, json!({ "domain": "happiness", "reasons": ["other"] })).await;
    assert_eq!(unknown.faults(422), [("/domain".into(), "unknown_domain".into())]);
    let match_id = caller.post(PATH, respite(json!({ "match_id": NOBODY }))).await;
    assert_eq!(match_id.faults(422), [("/match_id".into(), "not_found".into())]);
    caller.get(&format!("{PATH}/{NOBODY}")).await.expect_problem(404, "not_found");
    caller.only(&[Scope::ReferralsRead]).await.post(PATH, respite(json!({}))).await.expect_problem(403, "insufficient_scope");
});

on_both!(unmet_needs_are_counted_by_domain_and_area_over_an_organization_and_its_parts, |db| async move {
    let app = TestApp::new(db).await;
    let (authority, clinic) = (app.tenant("Valley Health", OrganizationKind::HealthAuthority).await, app.clinic().await);
    let mut record = clinic.get(&format!("/v1/organizations/{}", clinic.organization_id)).await.expect(200);
    for computed in ["id", "organization_id", "version", "created_at", "updated_at"] {
        record.as_object_mut().unwrap().remove(computed);
    }
    record["parent_id"] = json!(authority.organization_id);
    clinic.put(&format!("/v1/organizations/{}", clinic.organization_id), 1, record).await.expect(200);
    for _ in 0..5 {
        for caller in [&clinic, &authority] {
            caller.post(PATH, respite(json!({ "patient_id": patient(caller).await }))).await.expect(201);
        }
    }
    clinic.post(PATH, respite(json!({ "patient_id": patient(&clinic).await, "reasons": ["cost"] }))).await.expect(201);
    for _ in 0..5 {
        authority.post(PATH, json!({ "domain": "food-insecurity", "reasons": ["too_far"] })).await.expect(201);
    }
    let elsewhere = app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    for _ in 0..5 {
        elsewhere.post(PATH, respite(json!({}))).await.expect(201);
    }

    let counts = authority.get(&format!("{PATH}/counts")).await.expect(200);
    assert_eq!(counts["items"].as_array().unwrap().len(), 2, "{counts}");
    assert_eq!(
        counts["items"][0],
        json!({
            "domain": "x-caregiver-support", "postal_prefix": "V0X", "city": "Alder Falls", "region": "BC", "count": 10,
            "reasons": [{ "reason": "no_service", "count": 10 }]
        })
    );
    assert_eq!((&counts["items"][1]["domain"], &counts["items"][1]["count"]), (&json!("food-insecurity"), &json!(5)));
    let food = authority.get(&format!("{PATH}/counts?domain=food-insecurity&until=2027-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(food["items"].as_array().unwrap().len(), 1);
    assert_eq!(authority.get(&format!("{PATH}/counts?since=2027-01-01T00:00:00Z")).await.expect(200)["items"], json!([]));
    assert_eq!(clinic.get(&format!("{PATH}/counts")).await.expect(200)["items"][0]["count"], 5);
});

on_both!(nobodys_unmet_need_can_be_told_from_the_counts, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let area = |prefix: &str, city: &str| json!({ "postal_prefix": prefix, "city": city, "region": "British Columbia" });
    let unmet = |domain: &str, reason: &str, area: Value| json!({ "domain": domain, "reasons": [reason], "area": area });
    let counts = async |query: &str| clinic.get(&format!("{PATH}/counts{query}")).await.expect(200)["items"].clone();
    // One person found so again and again is one person.
    let patient = patient(&clinic).await;
    for _ in 0..6 {
        clinic.post(PATH, json!({ "domain": "x-legal", "reasons": ["cost"], "patient_id": patient })).await.expect(201);
    }
    assert_eq!(counts("").await, json!([]));
    // Too few in each town are counted by province, and too few in a province not by where they are.
    for city in ["Alder Falls", "Birch Bay", "Cedar"] {
        for _ in 0..2 {
            clinic.post(PATH, unmet("x-nature", "cost", area("V0X", city))).await.expect(201);
        }
    }
    let province = json!({
        "domain": "x-nature", "postal_prefix": null, "city": null, "region": "BC", "count": 5,
        "reasons": [{ "reason": "cost", "count": 5 }]
    });
    assert_eq!(counts("").await, json!([province]));
    for region in ["ON", "QC", "MB", "SK", "NL"] {
        clinic.post(PATH, unmet("x-disability-support", "no_service", json!({ "region": region }))).await.expect(201);
    }
    let everywhere = json!({
        "domain": "x-disability-support", "postal_prefix": null, "city": null, "region": null, "count": 5,
        "reasons": [{ "reason": "no_service", "count": 5 }]
    });
    assert_eq!(counts("?domain=x-disability-support").await, json!([everywhere]));
    // What is sensitive is never counted by town.
    for _ in 0..7 {
        clinic.post(PATH, unmet("intimate-partner-violence", "no_service", area("V0X", "Alder Falls"))).await.expect(201);
    }
    let violence = counts("?domain=intimate-partner-violence").await;
    assert_eq!((&violence[0]["city"], &violence[0]["postal_prefix"]), (&Value::Null, &Value::Null));
    assert_eq!((&violence[0]["region"], &violence[0]["count"], violence.as_array().unwrap().len()), (&json!("BC"), &json!(5), 1));
    // A moment stands for its day: it is 17:00 on 2 March.
    let food = "&domain=x-nature";
    assert_eq!(counts(&format!("?since=2026-03-02T20:00:00Z{food}")).await.as_array().unwrap().len(), 1);
    assert_eq!(counts(&format!("?until=2026-03-02T20:00:00Z{food}")).await, json!([]));
    assert_eq!(counts(&format!("?until=2026-03-03T20:00:00Z{food}")).await.as_array().unwrap().len(), 1);
});

on_both!(whom_no_record_names_is_counted_by_province_at_the_finest, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    // All of these may be one person.
    let location = json!({ "city": "Alder Falls", "region": "BC", "postal_code": "V0X 1A0" });
    let person = json!({ "person": { "needs": [{ "domain": "food-insecurity" }], "location": location } });
    for _ in 0..5 {
        clinic.post("/v1/matches", person.clone()).await.expect(201);
    }
    let count = |prefix: Value, city: Value, people: i64| {
        json!({
            "domain": "food-insecurity", "postal_prefix": prefix, "city": city, "region": "BC", "count": people,
            "reasons": [{ "reason": "no_service", "count": people }]
        })
    };
    let counts = async || clinic.get(&format!("{PATH}/counts")).await.expect(200)["items"].clone();
    assert_eq!(counts().await, json!([count(Value::Null, Value::Null, 5)]));
    // Whom a record names is told of in the town where there are enough of them.
    for _ in 0..5 {
        let unmet = json!({ "domain": "food-insecurity", "reasons": ["no_service"], "patient_id": patient(&clinic).await });
        clinic.post(PATH, unmet).await.expect(201);
    }
    assert_eq!(counts().await, json!([count(Value::Null, Value::Null, 5), count(json!("V0X"), json!("Alder Falls"), 5)]));
});

on_both!(strangers_write_nothing_of_their_own_into_the_counts, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let clinic = app.clinic().await;
    let there = json!([{ "address": { "city": "Alder Falls", "region": "BC" } }]);
    clinic.post("/v1/services", json!({ "name": "Choir", "need_domains": [{ "code": "x-arts-culture" }], "places": there })).await;
    let ask = async |domain: &str, location: Value| {
        let person = json!({ "needs": [{ "domain": domain }], "location": location });
        for _ in 0..5 {
            app.stranger().post("/v1/matches", json!({ "person": person })).await.expect(201);
        }
    };
    ask("x-buy-our-pills", json!({ "city": "Alder Falls", "postal_code": "V0X" })).await;
    ask("food-insecurity", json!({ "city": "Cheap pills at pills.example", "region": "Call us now", "postal_code": "BUY 1A0" })).await;
    ask("x-legal", json!({ "city": "ALDER FALLS", "postal_code": "v0x 1a0" })).await;
    let counts = clinic.get(&format!("{PATH}/counts")).await.expect(200);
    let told: Vec<_> = counts["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| ["domain", "postal_prefix", "city", "region"].map(|member| item[member].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(told, [["food-insecurity", "", "", ""], ["x-legal", "", "", "BC"]], "{counts}");
});

on_both!(strangers_who_ask_again_and_again_are_counted_up_to_so_many_in_a_day, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let mut clinic = app.clinic().await;
    let now = app.clock.now();
    let many = move |conn: &mut kith::db::DbConn| {
        let unmet: UnmetNeedInput = serde_json::from_value(json!({ "domain": "stress", "reasons": ["no_service"] })).unwrap();
        (0..999).try_for_each(|_| insert_unmet(conn, &UnmetNeedRow::new(Id::generate(), None, unmet.clone(), now)))
    };
    app.state.db.write(many).await.unwrap();
    let ask = async |domain: &str| {
        for _ in 0..6 {
            app.stranger().post("/v1/matches", json!({ "person": { "needs": [{ "domain": domain }] } })).await.expect(201);
        }
    };
    let counted = async |clinic: &Caller, domain: &str| {
        clinic.get(&format!("{PATH}/counts?domain={domain}")).await.expect(200)["items"][0]["count"].clone()
    };
    ask("stress").await;
    ask("food-insecurity").await;
    assert_eq!((counted(&clinic, "stress").await, counted(&clinic, "food-insecurity").await), (json!(1_000), json!(5)));
    app.clock.advance(chrono::Duration::days(1));
    clinic.renew().await;
    ask("stress").await;
    assert_eq!(counted(&clinic, "stress").await, json!(1_005));
});

on_both!(a_keeper_does_not_make_an_organization_with_systems_a_part_of_itself, |db| async move {
    let app = TestApp::new(db).await;
    let keeper = app.tenant("211", OrganizationKind::Directory).await;
    let record = json!({ "name": "Alder House", "kind": "agency" });
    let path = keeper.post("/v1/organizations", record.clone()).await.header("location").unwrap().to_owned();
    let part = json!({ "parent_id": keeper.organization_id });
    keeper.patch(&path, 1, part.clone()).await.expect(200);
    keeper.put(&path, 2, record).await.expect(200);
    let agency = app.client(path.rsplit('/').next().unwrap().parse().unwrap(), Scopes::all_but_admin()).await;
    for _ in 0..5 {
        agency.post(PATH, respite(json!({}))).await.expect(201);
    }
    keeper.patch(&path, 3, part.clone()).await.expect_problem(403, "forbidden");
    keeper.patch(&path, 3, json!({ "description": "Hampers" })).await.expect(200);
    assert_eq!(keeper.get(&format!("{PATH}/counts")).await.expect(200)["items"], json!([]));
    agency.patch(&path, 4, part).await.expect(200);
    assert_eq!(keeper.get(&format!("{PATH}/counts")).await.expect(200)["items"][0]["count"], 5);
});

on_both!(what_a_keeper_said_before_the_first_system_called_does_not_show_it_what_that_one_finds, |db| async move {
    let app = TestApp::new(db).await;
    let keeper = app.tenant("211", OrganizationKind::Directory).await;
    let record = json!({ "name": "Alder House", "kind": "agency", "parent_id": keeper.organization_id });
    let created = keeper.post("/v1/organizations", record).await;
    let (id, path) = (created.id(), created.header("location").unwrap().to_owned());
    let agency = app.client(id.parse().unwrap(), Scopes::all_but_admin()).await;
    for _ in 0..5 {
        agency.post(PATH, respite(json!({}))).await.expect(201);
    }
    assert_eq!(keeper.get(&format!("{PATH}/counts")).await.expect(200)["items"], json!([]));
    let read = agency.get(&path).await;
    assert_eq!((&read.expect(200)["parent_id"], read.header("etag")), (&Value::Null, Some("\"2\"")));
    assert_eq!(agency.get(&format!("{path}/history")).await.expect(200)["items"].as_array().unwrap().len(), 2);

    // Nor is it counted by way of another listing that it is part of.
    let listing = keeper.post("/v1/organizations", json!({ "name": "Alder Society", "kind": "agency" })).await;
    let whole = listing.header("location").unwrap().to_owned();
    agency.patch(&path, 2, json!({ "parent_id": listing.id() })).await.expect(200);
    let part = json!({ "parent_id": keeper.organization_id });
    keeper.patch(&whole, 1, part.clone()).await.expect_problem(403, "forbidden");
    // What it says itself stands, also where another system begins to call.
    agency.patch(&path, 3, part).await.expect(200);
    app.client(id.parse().unwrap(), Scopes::all_but_admin()).await;
    assert_eq!(keeper.get(&format!("{PATH}/counts")).await.expect(200)["items"][0]["count"], 5);
});
