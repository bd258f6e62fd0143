//! Waiting lists: the order, the offer of a place that opens, and who sees and moves what.

use std::collections::HashSet;

use actix_web::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use kith::organizations::model::OrganizationKind;
use kith::waitlists::sweeper;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::harness::TestDb;
use crate::referrals::clinic_and_lunch;

mod leaving;
mod rooms;

/// A clinic that refers to a service of an agency.
pub struct Town {
    pub clinic: Caller,
    pub agency: Caller,
    pub service: String,
}

impl Town {
    pub async fn new(db: TestDb) -> Self {
        let (clinic, agency, service) = clinic_and_lunch(db).await;
        let town = Self { clinic, agency, service };
        town.free(0).await;
        town
    }

    pub fn list(&self) -> String {
        format!("/v1/services/{}/waitlist-entries", self.service)
    }

    /// Says that so many places are free.
    pub async fn free(&self, places: i64) {
        let capacity = json!({ "status": "waitlist", "unit": "place", "available": places, "expected_wait_days": 21 });
        self.agency.put_any(&format!("/v1/services/{}/capacity", self.service), capacity).await.expect(200);
    }

    pub async fn refer(&self) -> String {
        let patient = self.clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({
            "patient_id": patient, "kind": "service", "service_id": self.service, "source_type": "family_physician",
            "consent": { "form": "verbal" },
        });
        let sent = self.clinic.post("/v1/referrals", referral).await;
        sent.expect(201);
        sent.id()
    }

    /// Puts a new referral on the list; the entry.
    pub async fn wait(&self, more: Value) -> Value {
        let mut entry = json!({ "referral_id": self.refer().await });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.agency.post(&self.list(), entry).await.expect(201)
    }

    pub fn path(&self, entry: &Value) -> String {
        format!("{}/{}", self.list(), entry["id"].as_str().unwrap())
    }

    pub async fn act(&self, caller: &Caller, entry: &Value, act: &str) -> crate::client::Answer {
        caller.post(&format!("{}/{act}", self.path(entry)), json!({})).await
    }

    pub async fn statuses(&self, entries: &[&Value]) -> Vec<String> {
        let mut statuses = Vec::new();
        for entry in entries {
            statuses.push(self.clinic.get(&self.path(entry)).await.expect(200)["status"].as_str().unwrap().to_owned());
        }
        statuses
    }

    pub async fn renew(&mut self) {
        self.clinic.renew().await;
        self.agency.renew().await;
    }
}

on_both!(who_waits_stands_in_order_of_priority_and_then_of_time, |db| async move {
    let town = Town::new(db).await;
    let first = town.wait(json!({})).await;
    let urgent = town.wait(json!({ "details": { "priority": "urgent", "note": "Has nobody." } })).await;
    let longer = town.wait(json!({ "joined_at": "2026-02-01T10:00:00Z" })).await;
    assert_eq!((&first["status"], &first["position"], &first["likely_on"]), (&json!("waiting"), &json!(1), &json!("2026-03-23")));

    let (mut seen, mut next) = (Vec::new(), Some(format!("{}?limit=2", town.list())));
    while let Some(path) = next {
        let page = town.clinic.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        seen.extend(items.map(|item| (item["id"].as_str().unwrap().to_owned(), item["position"].as_i64().unwrap())));
        next = page["next"].as_str().map(|cursor| format!("{}?limit=2&cursor={cursor}", town.list()));
    }
    let expected: Vec<(String, i64)> =
        [&urgent, &longer, &first].iter().zip(1..).map(|(entry, position)| (entry["id"].as_str().unwrap().to_owned(), position)).collect();
    assert_eq!(seen, expected);

    let referral = town.clinic.get(&format!("/v1/referrals/{}", first["referral_id"].as_str().unwrap())).await.expect(200);
    let standing = (&referral["status"], &referral["business_status"], &referral["status_reason"]["code"]);
    assert_eq!(standing, (&json!("on_hold"), &json!("waitlisted"), &json!("no_capacity")));

    let raised = town.agency.patch(&town.path(&first), 1, json!({ "priority": "asap", "expected_on": "2026-03-10" })).await.expect(200);
    assert_eq!((&raised["position"], &raised["likely_on"], &raised["version"]), (&json!(1), &json!("2026-03-10"), &json!(2)));
    town.agency.patch(&town.path(&first), 1, json!({})).await.expect_problem(412, "version_mismatch");
    town.clinic.patch(&town.path(&first), 2, json!({ "priority": "asap" })).await.expect_problem(403, "forbidden");

    let again = json!({ "referral_id": first["referral_id"] });
    town.agency.post(&town.list(), again.clone()).await.expect_problem(409, "already_waiting");
    town.clinic.post(&town.list(), again).await.expect_problem(403, "forbidden");
    let stranger = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    assert_eq!(stranger.get(&town.list()).await.expect(200)["items"], json!([]));
    stranger.get(&town.path(&first)).await.expect_problem(404, "not_found");
    town.act(&stranger, &first, "leave").await.expect_problem(404, "not_found");
    let theirs = stranger.post(&town.list(), json!({ "referral_id": first["referral_id"], "key": "newcomers" })).await;
    assert_eq!(theirs.faults(422), [("/referral_id".into(), "not_found".into())]);
    let unknown = town.agency.post(&town.list(), json!({ "referral_id": town.refer().await, "key": "newcomers" })).await;
    assert_eq!(unknown.faults(422), [("/key".into(), "not_found".into())]);
});

on_both!(who_is_referred_as_urgent_waits_as_urgent_whatever_else_is_said_of_them, |db| async move {
    let town = Town::new(db).await;
    let routine = town.wait(json!({})).await;
    let referral = town.refer().await;
    town.clinic.patch(&format!("/v1/referrals/{referral}"), 1, json!({ "priority": "asap" })).await.expect(200);
    let entry = json!({ "referral_id": referral, "details": { "note": "Has nobody." } });
    let entry = town.agency.post(&town.list(), entry).await.expect(201);
    let stands = |entry: &Value| (entry["details"]["priority"].as_str().unwrap().to_owned(), entry["position"].as_i64().unwrap());
    assert_eq!(stands(&entry), ("asap".into(), 1));

    let path = town.path(&entry);
    let written = town.agency.put(&path, 1, json!({ "expected_on": "2026-04-15" })).await.expect(200);
    assert_eq!((stands(&written), &written["details"]["note"]), (("asap".into(), 1), &Value::Null));
    let lowered = town.agency.patch(&path, 2, json!({ "priority": "routine" })).await.expect(200);
    assert_eq!(stands(&lowered), ("routine".into(), 2), "the agency may know better");
    let noted = town.agency.patch(&path, 3, json!({ "note": "Her daughter is there." })).await.expect(200);
    assert_eq!(stands(&noted), ("routine".into(), 2));
    let cleared = town.agency.patch(&path, 4, json!({ "priority": null })).await.expect(200);
    assert_eq!((stands(&cleared), &cleared["details"]["note"]), (("asap".into(), 1), &json!("Her daughter is there.")));
    assert_eq!(stands(&town.clinic.get(&town.path(&routine)).await.expect(200)), ("routine".into(), 2));
});

on_both!(whoever_acts_on_an_entry_that_has_changed_since_hears_of_it, |db| async move {
    let town = Town::new(db).await;
    let (first, second, third) = (town.wait(json!({})).await, town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(1).await;
    let act = async |entry: &Value, act: &str, version: i64| {
        let request = town.clinic.request(Method::POST, &format!("{}/{act}", town.path(entry)));
        town.clinic.app.send(request.insert_header(("if-match", format!("\"{version}\""))).set_json(json!({}))).await
    };
    for what in ["accept", "decline", "leave"] {
        let refused = act(&first, what, 1).await.expect_problem(412, "version_mismatch");
        assert_eq!(refused["current_version"], 2, "{what}: it was offered a place");
    }
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["offered", "waiting", "waiting"]);
    act(&first, "decline", 2).await.expect(200);
    assert_eq!(act(&second, "accept", 2).await.expect(200)["version"], 3);
    act(&third, "leave", 1).await.expect(200);
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["declined", "accepted", "left"]);
});

on_both!(a_place_that_opens_is_offered_to_the_first_and_then_to_the_next, |db| async move {
    let mut town = Town::new(db).await;
    let first = town.wait(json!({})).await;
    let second = town.wait(json!({})).await;
    let third = town.wait(json!({})).await;
    town.free(1).await;
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["offered", "waiting", "waiting"]);
    let offered = town.clinic.get(&town.path(&first)).await.expect(200);
    assert_eq!(offered["offer_expires_at"], "2026-03-05T17:00:00.000000Z", "three days unless the agency says otherwise");
    town.free(1).await;
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"], "the same place is offered once");
    town.act(&town.clinic, &second, "accept").await.expect_problem(409, "no_offer");

    town.act(&town.clinic, &first, "decline").await.expect(200);
    assert_eq!(town.statuses(&[&first, &second, &third]).await, ["declined", "offered", "waiting"]);
    town.clinic.app.clock.advance(Duration::hours(72));
    town.renew().await;
    town.act(&town.clinic, &second, "accept").await.expect_problem(409, "no_offer");
    sweeper::sweep(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&second, &third]).await, ["expired", "offered"]);

    let taken = town.act(&town.clinic, &third, "accept").await.expect(200);
    assert_eq!((&taken["status"], &taken["position"]), (&json!("accepted"), &Value::Null));
    let referral = town.clinic.get(&format!("/v1/referrals/{}", third["referral_id"].as_str().unwrap())).await.expect(200);
    assert_eq!(referral["status"], "in_progress");
    let capacity = town.clinic.get(&format!("/v1/services/{}", town.service)).await.expect(200)["capacity"].clone();
    assert_eq!(capacity["available"], 0);

    town.clinic.app.is_readable().await;
    let feed = town.clinic.get("/v1/changes?resource_type=waitlist_entry").await.expect(200);
    let told = feed["items"].as_array().unwrap().iter().map(|change| change["resource"]["status"].as_str().unwrap());
    let expected = ["waiting", "waiting", "waiting", "offered", "declined", "offered", "expired", "offered", "accepted"];
    assert_eq!(told.collect::<Vec<_>>(), expected, "everyone concerned hears of it");
});

on_both!(no_place_is_given_twice_however_many_act_at_once, |db| async move {
    let town = Town::new(db).await;
    let mut entries = Vec::new();
    for _ in 0..6 {
        entries.push(town.wait(json!({})).await);
    }
    town.free(3).await;
    // Each of the three who have an offer answers several times over, while the agency says the same again.
    let accept = |index: usize| town.act(&town.clinic, &entries[index % 3], if index.is_multiple_of(2) { "accept" } else { "decline" });
    let answers = join_all((0..12).map(accept)).await;
    let effective = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(effective, 3, "each offer is answered once: {:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    let statuses = town.statuses(&entries.iter().collect::<Vec<_>>()).await;
    let count = |status: &str| statuses.iter().filter(|one| *one == status).count() as i64;
    let free = town.clinic.get(&format!("/v1/services/{}", town.service)).await.expect(200)["capacity"]["available"].as_i64().unwrap();
    assert_eq!(count("accepted") + free, 3, "{statuses:?}");
    assert_eq!(count("offered"), free, "what is free is offered, once: {statuses:?}");
    let ids: HashSet<&str> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 6);
});

on_both!(a_referral_rejected_for_want_of_room_answers_with_alternatives, |db| async move {
    let town = Town::new(db).await;
    let other = json!({ "name": "Thursday lunch", "need_domains": [{ "code": "food-insecurity" }] });
    let other = town.agency.post("/v1/services", other).await.id();
    let id = town.refer().await;
    let transitions = format!("/v1/referrals/{id}/transitions");
    let rejected = json!({ "status": "rejected", "reason": { "code": "no_capacity" } });
    let made = town.agency.post(&transitions, rejected).await.expect(201);
    let suggested = |found: &Value| {
        let results = found["results"].as_array().unwrap_or_else(|| panic!("{found}")).iter();
        results.map(|one| one["service_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(suggested(&made["alternatives"]), std::slice::from_ref(&other), "the service itself is none");
    assert_eq!(made["alternatives"]["results"][0]["answers"], json!(["food-insecurity"]), "and each says why");
    let path = format!("/v1/referrals/{id}/alternatives");
    assert_eq!(suggested(&town.clinic.get(&path).await.expect(200)), [other]);
    let stranger = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    stranger.get(&path).await.expect_problem(404, "not_found");

    let id = town.refer().await;
    let transitions = format!("/v1/referrals/{id}/transitions");
    let rejected = json!({ "status": "rejected", "reason": { "code": "out_of_area" } });
    assert_eq!(town.agency.post(&transitions, rejected).await.expect(201)["alternatives"], Value::Null);
});

on_both!(a_body_that_must_be_empty_says_which_field_is_too_many, |db| async move {
    let town = Town::new(db).await;
    let entry = town.wait(json!({})).await;
    let export = "/v1/exports/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10/cancel".to_owned();
    for path in [format!("{}/leave", town.path(&entry)), format!("{}/accept", town.path(&entry)), export] {
        let answer = town.clinic.post(&path, json!({ "note": "no", "why/not": 1 })).await;
        let fault = |pointer: &str| (pointer.to_owned(), "unknown_field".to_owned());
        assert_eq!(answer.faults(422), [fault("/note"), fault("/why~1not")], "{path}");
    }
});

on_both!(nobody_waits_for_the_places_of_a_service_that_another_organization_gives, |db| async move {
    let town = Town::new(db).await;
    let app = &town.clinic.app;
    let stranger = app.tenant("Another agency", OrganizationKind::Agency).await;
    town.free(2).await;
    let path = format!("/v1/services/{}", town.service);
    let referred = async |caller: &Caller, service: &str, performer: Value| {
        let patient = caller.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({
            "patient_id": patient, "kind": "service", "service_id": service, "performer_organization_id": performer,
            "source_type": "family_physician", "consent": { "form": "verbal" },
        });
        let sent = caller.post("/v1/referrals", referral).await;
        sent.expect(201);
        sent.id()
    };
    let join = async |caller: &Caller, service: &str, referral: &str| {
        let entry = json!({ "referral_id": referral, "joined_at": "2026-02-01T10:00:00Z" });
        caller.post(&format!("/v1/services/{service}/waitlist-entries"), entry).await
    };
    let own = referred(&stranger, &town.service, json!(stranger.organization_id)).await;
    join(&stranger, &town.service, &own).await.expect_problem(403, "forbidden");
    let room = town.agency.get(&path).await.expect(200)["capacity"].clone();
    assert_eq!((&room["available"], &room["held"]), (&json!(2), &Value::Null), "no place is kept for them");
    assert_eq!(stranger.get(&format!("/v1/referrals/{own}")).await.expect(200)["status"], "requested");

    // Whoever keeps a record without a provider gives the service; a referral that names nobody asks its requester.
    let kept = town.agency.post("/v1/services", json!({ "name": "Thursday lunch" })).await.id();
    let nobodys = referred(&stranger, &kept, Value::Null).await;
    join(&stranger, &kept, &nobodys).await.expect_problem(403, "forbidden");
    let its_own = referred(&town.agency, &kept, Value::Null).await;
    join(&town.agency, &kept, &its_own).await.expect(201);
    let asked = referred(&stranger, &kept, json!(town.agency.organization_id)).await;
    join(&town.agency, &kept, &asked).await.expect(201);

    // For an agency without a system the requester speaks, and still of its service alone.
    let silent = app.tenant("A choir", OrganizationKind::Agency).await;
    let (client, now) = (silent.client_id, app.clock.now());
    app.state.db.write(move |conn| kith::auth::repository::set_active(conn, client, false, now)).await.unwrap();
    let choir = json!({ "name": "Choir", "provider_id": silent.organization_id });
    let choir = town.agency.post("/v1/services", choir).await.id();
    let sings = referred(&stranger, &choir, Value::Null).await;
    join(&stranger, &choir, &sings).await.expect(201);
});

on_both!(whoever_gives_a_service_now_offers_its_places_to_those_who_ask_it, |db| async move {
    let town = Town::new(db).await;
    let successor = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let (before, offered) = (town.wait(json!({})).await, town.wait(json!({ "details": { "priority": "urgent" } })).await);
    town.free(1).await;
    assert_eq!(town.statuses(&[&before, &offered]).await, ["waiting", "offered"]);
    let path = format!("/v1/services/{}", town.service);
    let version = town.agency.get(&path).await.expect(200)["version"].as_i64().unwrap();
    town.agency.patch(&path, version, json!({ "provider_id": successor.organization_id })).await.expect(200);
    let referral = town.refer().await;
    let after = successor.post(&town.list(), json!({ "referral_id": referral })).await.expect(201);
    let capacity = json!({ "status": "waitlist", "unit": "place", "available": 2 });
    successor.put_any(&format!("{path}/capacity"), capacity).await.expect(200);
    assert_eq!(town.statuses(&[&before, &offered, &after]).await, ["waiting", "waiting", "offered"]);
    town.act(&town.clinic, &offered, "accept").await.expect_problem(409, "no_offer");
    town.act(&town.clinic, &after, "accept").await.expect(200);
    let room = town.clinic.get(&path).await.expect(200)["capacity"].clone();
    assert_eq!((&room["available"], &room["held"]), (&json!(1), &json!(0)), "one of those who now give it is taken");
    assert_eq!(town.statuses(&[&before, &offered]).await, ["waiting", "waiting"]);
});

on_both!(a_step_on_a_list_names_its_organization_to_those_alone_who_see_the_entry, |db| async move {
    let mut town = Town::new(db).await;
    let mut other = town.clinic.app.tenant("Another clinic", OrganizationKind::Clinic).await;
    let stranger = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let others = async |other: &Caller| {
        let patient = other.post("/v1/patients", json!({ "names": [{ "family": "Osei" }] })).await.id();
        let referral = json!({
            "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
            "consent": { "form": "verbal" },
        });
        let referral = other.post("/v1/referrals", referral).await.id();
        town.agency.post(&town.list(), json!({ "referral_id": referral })).await.expect(201)
    };
    let (first, second) = (town.wait(json!({})).await, others(&other).await);
    let (third, fourth, fifth) = (town.wait(json!({})).await, others(&other).await, town.wait(json!({})).await);
    town.free(1).await;
    town.act(&town.clinic, &first, "decline").await.expect(200);
    town.act(&other, &second, "accept").await.expect(200);
    town.free(1).await;
    town.clinic.app.clock.advance(Duration::hours(72));
    town.renew().await;
    other.renew().await;
    // The offer to the third has run out, and is ended by whoever comes first.
    town.act(&other, &fourth, "leave").await.expect(200);
    let step = json!({ "status": "cancelled", "reason": { "code": "moved" } });
    town.clinic.post(&format!("/v1/referrals/{}/transitions", fifth["referral_id"].as_str().unwrap()), step).await.expect(201);
    assert_eq!(town.statuses(&[&first, &third, &fifth]).await, ["declined", "expired", "left"]);

    town.clinic.app.is_readable().await;
    let agency = json!(town.agency.organization_id);
    let by = |entries: &Value| {
        let names = |entry: &Value| ["organization_id", "client_id", "on_behalf_of"].map(|field| entry[field].clone());
        entries["items"].as_array().unwrap().iter().map(names).collect::<Vec<_>>()
    };
    let (nobody, provider) = ([Value::Null, Value::Null, Value::Null], [agency.clone(), json!(town.agency.client_id), Value::Null]);
    let mut stranger = stranger;
    stranger.renew().await;
    let path = format!("/v1/services/{}", town.service);
    for path in [format!("{path}/history?limit=200"), "/v1/changes?resource_type=service&limit=200".to_owned()] {
        let told = by(&stranger.get(&path).await.expect(200));
        assert!(told.iter().all(|who| *who == nobody || *who == provider), "{path}: {told:?}");
        assert!(told.contains(&nobody), "{path}: what follows for the service is told");
    }
    let said = stranger.get(&format!("{path}/capacity/history")).await.expect(200);
    let said: Vec<_> =
        said["items"].as_array().unwrap().iter().map(|one| (&one["organization_id"], &one["capacity"]["available"])).collect();
    let expected = [(&agency, &json!(1)), (&Value::Null, &json!(0)), (&agency, &json!(1)), (&agency, &json!(0))];
    assert_eq!(said, expected);

    let told = async |caller: &Caller, kind: &str, id: &Value| {
        let feed = caller.get(&format!("/v1/changes?resource_type={kind}&limit=200")).await.expect(200);
        let its = feed["items"].as_array().unwrap().iter().filter(|item| item["resource_id"] == *id || item["referral_id"] == *id);
        by(&json!({ "items": its.collect::<Vec<_>>() }))
    };
    let (clinic, elsewhere) = (
        [json!(town.clinic.organization_id), json!(town.clinic.client_id), Value::Null],
        [json!(other.organization_id), json!(other.client_id), Value::Null],
    );
    let course = async |caller: &Caller, entry: &Value| told(caller, "waitlist_entry", &entry["id"]).await;
    assert_eq!(course(&town.clinic, &first).await, [provider.clone(), nobody.clone(), clinic.clone()]);
    assert_eq!(course(&other, &second).await, [provider.clone(), nobody.clone(), elsewhere.clone()], "its offer is nobody's");
    assert_eq!(course(&town.clinic, &third).await, [provider.clone(), nobody.clone(), nobody.clone()], "nor is its end");
    assert_eq!(course(&other, &fourth).await, [provider.clone(), elsewhere.clone()]);
    let steps = town.clinic.get(&format!("/v1/referrals/{}/transitions", third["referral_id"].as_str().unwrap())).await.expect(200);
    let last = steps["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["organization_id"], &last["client_id"], &last["reason"]["code"]), (&agency, &Value::Null, &json!("expired")));
});
