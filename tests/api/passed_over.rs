//! Who stands in a waiting list and is offered nothing: those who may not be taken on, and those who asked whoever gave the service before.

use chrono::Duration;
use diesel::connection::SimpleConnection;
use kith::organizations::model::OrganizationKind;
use kith::waitlists::sweeper;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::duplicates::import;
use crate::harness::TestDb;
use crate::races::{Rival, posting};
use crate::waitlists::Town;

fn referral_of(entry: &Value) -> String {
    format!("/v1/referrals/{}", entry["referral_id"].as_str().unwrap())
}

async fn patient_of(town: &Town, entry: &Value) -> String {
    town.clinic.get(&referral_of(entry)).await.expect(200)["patient_id"].as_str().unwrap().to_owned()
}

/// Takes back every consent of the person who waits.
async fn withdraw(town: &Town, entry: &Value) {
    let consents = town.clinic.get(&format!("/v1/patients/{}/consents", patient_of(town, entry).await)).await.expect(200);
    for consent in consents["items"].as_array().unwrap().iter().filter(|consent| consent["status"] == "active") {
        town.clinic.post(&format!("/v1/consents/{}/withdraw", consent["id"].as_str().unwrap()), json!({})).await.expect(200);
    }
}

/// A consent of a patient that lets the agency take them on.
fn consent(town: &Town, patient: &str) -> Value {
    json!({
        "patient_id": patient, "grantee_id": town.agency.organization_id, "purposes": ["referral"], "categories": ["summary"],
        "form": "verbal",
    })
}

/// Lets the agency take the person on who waits.
async fn give(town: &Town, entry: &Value, more: Value) {
    let mut consent = consent(town, &patient_of(town, entry).await);
    consent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    town.clinic.post("/v1/consents", consent).await.expect(201);
}

/// Why the entry is passed over, as it is read by itself and in the list.
async fn passed_over(town: &Town, entry: &Value) -> Value {
    let alone = town.clinic.get(&town.path(entry)).await.expect(200)["passed_over"].clone();
    let list = town.agency.get(&town.list()).await.expect(200);
    if let Some(listed) = list["items"].as_array().unwrap().iter().find(|item| item["id"] == entry["id"]) {
        assert_eq!(listed["passed_over"], alone);
    }
    alone
}

/// What the feed has told of an entry: its status, and why it is passed over. What is told anew, once less is seen of the person, is as it was.
async fn told(caller: &Caller, entry: &Value) -> Vec<(String, Value)> {
    caller.app.is_readable().await;
    let feed = caller.get("/v1/changes?resource_type=waitlist_entry&limit=200").await.expect(200);
    let of_it = feed["items"].as_array().unwrap().iter().filter(|change| change["resource_id"] == entry["id"]);
    let told = of_it.map(|change| (change["resource"]["status"].as_str().unwrap().to_owned(), change["resource"]["passed_over"].clone()));
    let mut told: Vec<_> = told.collect();
    told.dedup();
    told
}

fn step(status: &str, passed_over: Value) -> (String, Value) {
    (status.to_owned(), passed_over)
}

on_both!(whoever_may_not_be_taken_on_keeps_their_place_in_the_list_and_is_offered_none, |db| async move {
    let town = Town::new(db).await;
    let entries = [town.wait(json!({})).await, town.wait(json!({})).await, town.wait(json!({})).await];
    let [first, second, third] = &entries;
    withdraw(&town, first).await;
    town.free(1).await;
    assert_eq!(town.statuses(&[first, second, third]).await, ["waiting", "offered", "waiting"]);
    let read = town.agency.get(&town.path(first)).await.expect(200);
    assert_eq!((&read["position"], &read["passed_over"]), (&json!(1), &json!("consent_ended")));
    for other in [second, third] {
        assert_eq!(passed_over(&town, other).await, Value::Null);
    }

    give(&town, first, json!({})).await;
    assert_eq!(passed_over(&town, first).await, Value::Null);
    town.act(&town.clinic, second, "decline").await.expect(200);
    assert_eq!(town.statuses(&[first, second, third]).await, ["offered", "declined", "waiting"], "the next is offered to them");
});

on_both!(whoever_needs_no_consent_to_be_taken_on_is_offered_a_place, |db| async move {
    let town = Town::new(db).await;
    let patient = town.agency.post("/v1/patients", json!({ "names": [{ "family": "Osei" }] })).await.id();
    let kept = town.agency.post("/v1/services", json!({ "name": "Thursday lunch" })).await.id();
    let kept = Town { service: kept, clinic: town.clinic.clone(), agency: town.agency.clone() };
    for town in [town, kept] {
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician" });
        let referral = town.agency.post("/v1/referrals", referral).await.id();
        let entry = town.agency.post(&town.list(), json!({ "referral_id": referral })).await.expect(201);
        town.free(1).await;
        assert_eq!(town.agency.get(&town.path(&entry)).await.expect(200)["status"], "offered");
    }
});

on_both!(an_offer_ends_with_the_consent_and_the_place_is_the_nexts_at_once, |db| async move {
    let town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(1).await;
    withdraw(&town, &first).await;
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "offered"]);
    let read = town.clinic.get(&town.path(&first)).await.expect(200);
    assert_eq!((&read["offer_expires_at"], &read["position"], &read["passed_over"]), (&Value::Null, &json!(1), &json!("consent_ended")));
    for caller in [&town.clinic, &town.agency] {
        town.act(caller, &first, "accept").await.expect_problem(409, "consent_ended");
        let expected = [step("waiting", Value::Null), step("offered", Value::Null), step("waiting", json!("consent_ended"))];
        assert_eq!(told(caller, &first).await, expected, "everyone concerned hears of it");
    }
    let referral = town.clinic.get(&referral_of(&first)).await.expect(200);
    assert_eq!((&referral["status"], &referral["business_status"]), (&json!("on_hold"), &json!("waitlisted")));
    let room = town.clinic.get(&format!("/v1/services/{}", town.service)).await.expect(200)["capacity"].clone();
    assert_eq!((&room["held"], &room["waitlist_length"]), (&json!(1), &json!(1)));

    // The place stays free where nobody else waits, and is theirs again when they agree again.
    town.act(&town.clinic, &second, "leave").await.expect(200);
    assert_eq!(town.statuses(&[&first]).await, ["waiting"]);
    give(&town, &first, json!({})).await;
    assert_eq!(town.statuses(&[&first]).await, ["offered"]);
    town.act(&town.clinic, &first, "accept").await.expect(200);
});

on_both!(an_offer_ends_with_a_consent_that_is_corrected_or_was_never_given, |db| async move {
    let mut town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(2).await;
    town.clinic.app.clock.advance(Duration::hours(2));
    town.renew().await;
    let consent_of = async |entry: &Value| {
        let consents = town.clinic.get(&format!("/v1/patients/{}/consents", patient_of(&town, entry).await)).await.expect(200);
        format!("/v1/consents/{}", consents["items"][0]["id"].as_str().unwrap())
    };
    let over = json!({ "valid_until": "2026-03-02T18:00:00Z" });
    town.clinic.patch(&consent_of(&first).await, 1, over).await.expect(200);
    town.clinic.delete(&consent_of(&second).await, 1).await.expect(204);
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "waiting"]);
    town.clinic.patch(&consent_of(&first).await, 2, json!({ "valid_until": null })).await.expect(200);
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"]);
});

on_both!(an_offer_ends_when_the_consent_runs_out_and_is_made_when_one_begins, |db| async move {
    let mut town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    for entry in [&first, &second] {
        withdraw(&town, entry).await;
    }
    give(&town, &first, json!({ "valid_until": "2026-03-02T19:00:00Z" })).await;
    give(&town, &second, json!({ "valid_from": "2026-03-02T20:00:00Z" })).await;
    town.free(1).await;
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"]);
    assert_eq!(passed_over(&town, &second).await, "consent_ended");
    town.clinic.app.clock.advance(Duration::hours(2));
    town.renew().await;
    sweeper::sweep(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "waiting"]);
    town.clinic.app.clock.advance(Duration::hours(1));
    town.renew().await;
    sweeper::look_through(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "offered"]);
});

on_both!(no_place_is_kept_for_a_patient_who_was_deleted, |db| async move {
    let town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(1).await;
    town.clinic.delete(&format!("/v1/patients/{}", patient_of(&town, &first).await), 1).await.expect(204);
    sweeper::sweep(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "offered"]);
});

on_both!(those_who_asked_whoever_gave_the_service_before_hear_that_they_are_passed_over, |db| async move {
    let town = Town::new(db).await;
    let successor = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    let path = format!("/v1/services/{}", town.service);
    let given_by = async |provider: &Caller| {
        let version = town.agency.get(&path).await.expect(200)["version"].as_i64().unwrap();
        town.agency.patch(&path, version, json!({ "provider_id": provider.organization_id })).await.expect(200);
    };
    let warned = async || {
        let referral = town.clinic.get(&referral_of(&first)).await.expect(200);
        let codes = referral["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code == "service_given_by_another").count()
    };
    assert_eq!(warned().await, 0);
    given_by(&successor).await;
    successor.put_any(&format!("{path}/capacity"), json!({ "status": "open", "unit": "place", "available": 1 })).await.expect(200);
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "waiting"]);
    for entry in [&first, &second] {
        assert_eq!(passed_over(&town, entry).await, "asks_another_organization");
        for caller in [&town.clinic, &town.agency] {
            let expected = [step("waiting", Value::Null), step("waiting", json!("asks_another_organization"))];
            assert_eq!(told(caller, entry).await, expected, "everyone concerned hears of it");
        }
    }
    assert_eq!(warned().await, 1);

    given_by(&town.agency).await;
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"], "the mistake has cost nobody their place");
    assert_eq!((passed_over(&town, &second).await, warned().await), (Value::Null, 0));
    assert_eq!(told(&town.clinic, &second).await.last(), Some(&step("waiting", Value::Null)), "and this is told too");
});

on_both!(an_offer_ends_once_another_organization_gives_the_service, |db| async move {
    let town = Town::new(db).await;
    let successor = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let first = town.wait(json!({})).await;
    town.free(1).await;
    assert_eq!(town.statuses(&[&first]).await, ["offered"]);
    let path = format!("/v1/services/{}", town.service);
    let version = town.agency.get(&path).await.expect(200)["version"].as_i64().unwrap();
    town.agency.patch(&path, version, json!({ "provider_id": successor.organization_id })).await.expect(200);
    let read = town.clinic.get(&town.path(&first)).await.expect(200);
    assert_eq!((&read["status"], &read["offer_expires_at"]), (&json!("waiting"), &Value::Null));
    assert_eq!(passed_over(&town, &first).await, "asks_another_organization");
    for caller in [&town.clinic, &town.agency] {
        town.act(caller, &first, "accept").await.expect_problem(409, "no_offer");
        let expected = [step("waiting", Value::Null), step("offered", Value::Null), step("waiting", json!("asks_another_organization"))];
        assert_eq!(told(caller, &first).await, expected, "everyone concerned hears of it");
    }
    // The place is for those who ask whoever gives the service now.
    let after = successor.post(&town.list(), json!({ "referral_id": town.refer().await })).await.expect(201);
    assert_eq!(after["status"], "offered");
    town.act(&successor, &after, "accept").await.expect(200);
    assert_eq!(town.clinic.get(&path).await.expect(200)["capacity"]["available"], 0, "one place is taken once");
});

on_both!(a_merge_of_patients_is_heeded_with_the_consents_of_both, |db| async move {
    let mut town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    let (survivor, duplicate) = (patient_of(&town, &first).await, patient_of(&town, &second).await);
    withdraw(&town, &first).await;
    town.free(1).await;
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "offered"]);
    let other = async |town: &Town| {
        let record = town.clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        (town.clinic.post("/v1/consents", consent(town, &record)).await.id(), record)
    };
    // What was taken back in the other record ends an offer.
    let (taken_back, record) = other(&town).await;
    town.clinic.post(&format!("/v1/consents/{taken_back}/withdraw"), json!({})).await.expect(200);
    town.clinic.post(&format!("/v1/patients/{record}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    assert_eq!(town.statuses(&[&first, &second]).await, ["waiting", "waiting"]);
    assert_eq!(passed_over(&town, &second).await, "consent_ended");
    // What was given in the other record since brings one about.
    town.clinic.app.clock.advance(Duration::hours(1));
    town.renew().await;
    let (_, record) = other(&town).await;
    town.clinic.post(&format!("/v1/patients/{survivor}/merge"), json!({ "duplicate_id": record })).await.expect(200);
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"]);
});

on_both!(those_who_wait_hear_that_an_import_has_another_organization_give_the_service, |db| async move {
    let Town { clinic, agency, .. } = Town::new(db).await;
    let stated = async |organization: &str| {
        let record = json!({ "id": "c-1", "name": "Choir", "organization": { "id": organization, "name": organization } });
        import(&agency, "other", "", &[record]).await.1
    };
    assert_eq!(stated("Alder Falls Voices").await, [1, 0, 0, 0, 0]);
    let found = agency.get("/v1/services?q=choir").await.expect(200);
    let service = found["items"][0]["id"].as_str().unwrap().to_owned();
    // Whoever refers speaks for an organization of which only the name is known.
    let town = Town { service, agency: clinic.clone(), clinic };
    let entry = town.wait(json!({})).await;
    assert_eq!(stated("Alder Valley Voices").await, [0, 1, 0, 0, 0]);
    assert_eq!(passed_over(&town, &entry).await, "asks_another_organization");
    assert_eq!(told(&town.clinic, &entry).await.last(), Some(&step("waiting", json!("asks_another_organization"))));
    assert_eq!(stated("Alder Falls Voices").await, [0, 1, 0, 0, 0]);
    assert_eq!(passed_over(&town, &entry).await, Value::Null);
});

on_both!(those_who_wait_hear_that_a_merge_has_another_organization_give_the_service, |db| async move {
    let town = Town::new(db).await;
    let other = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let kept = town.agency.post("/v1/services", json!({ "name": "Thursday lunch" })).await.id();
    let twice = json!({ "name": "Thursday lunch", "provider_id": other.organization_id });
    let twice = town.agency.post("/v1/services", twice).await.id();
    let last = town.agency.post("/v1/services", json!({ "name": "Thursday lunch" })).await.id();
    let patient = town.agency.post("/v1/patients", json!({ "names": [{ "family": "Osei" }] })).await.id();
    let mut entries = Vec::new();
    for service in [&kept, &last] {
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician" });
        let referral = town.agency.post("/v1/referrals", referral).await.id();
        let list = format!("/v1/services/{service}/waitlist-entries");
        entries.push(town.agency.post(&list, json!({ "referral_id": referral })).await.expect(201));
    }
    // The first has a provider from now on, and the list of the last is added to its own.
    for duplicate in [&twice, &last] {
        town.agency.post(&format!("/v1/services/{kept}/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    }
    let town = Town { service: kept, ..town };
    for entry in &entries {
        let read = town.agency.get(&town.path(entry)).await.expect(200);
        assert_eq!((&read["status"], &read["passed_over"]), (&json!("waiting"), &json!("asks_another_organization")));
        assert_eq!(told(&town.agency, entry).await.last(), Some(&step("waiting", json!("asks_another_organization"))));
    }
});

#[actix_web::test]
async fn whoever_holds_a_service_waits_for_no_referral() {
    let Some(db) = TestDb::postgres() else { return };
    let mut town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    town.free(1).await;
    town.clinic.app.clock.advance(Duration::hours(72));
    town.renew().await;
    // Somebody is at the referral whose offer has run out, and will want the service next: each would wait for the other.
    let referral = format!("SELECT 1 FROM referrals WHERE id = '{}' FOR NO KEY UPDATE", first["referral_id"].as_str().unwrap());
    let mut other = <diesel::PgConnection as diesel::Connection>::establish(town.clinic.app.database_url()).unwrap();
    other.batch_execute(&format!("BEGIN; {referral}")).unwrap();
    let said = tokio::time::timeout(std::time::Duration::from_secs(10), town.free(1)).await;
    other.batch_execute("ROLLBACK").unwrap();
    said.expect("nobody waits");
    assert_eq!(town.statuses(&[&first, &second]).await, ["offered", "waiting"], "it is left for the next look");
    sweeper::sweep(&town.clinic.app.state).await.unwrap();
    assert_eq!(town.statuses(&[&first, &second]).await, ["expired", "offered"]);
}

#[actix_web::test]
async fn whoever_holds_a_patient_or_adds_a_consent_has_locked_their_lists_before() {
    let Some(db) = TestDb::postgres() else { return };
    let town = Town::new(db).await;
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    let (survivor, duplicate) = (patient_of(&town, &first).await, patient_of(&town, &second).await);
    // What follows from a withdrawal for the list of the other record is of the merge.
    let taken_back = town.clinic.post("/v1/consents", consent(&town, &survivor)).await.id();
    town.clinic.post(&format!("/v1/consents/{taken_back}/withdraw"), json!({})).await.expect(200);
    let requests = [
        ("/v1/consents".to_owned(), consent(&town, &survivor)),
        (format!("/v1/patients/{survivor}/merge"), json!({ "duplicate_id": duplicate })),
    ];
    for (path, body) in requests {
        // Whoever is at the service will want the patient next: each would wait for the other.
        let service = format!("SELECT 1 FROM services WHERE id = '{}' FOR NO KEY UPDATE", town.service);
        let mut rival = Rival::doing(town.clinic.app.database_url(), &service);
        let writing = posting(&town.clinic, &path, body);
        rival.is_met_by(&[&writing]).await;
        rival.also(&format!("SELECT 1 FROM patients WHERE id IN ('{survivor}', '{duplicate}') FOR UPDATE NOWAIT"));
        rival.leave();
        let written = writing.await.unwrap();
        assert!([200, 201].contains(&written.status), "{path}: {}", written.json());
    }
}

on_both!(lists_that_were_kept_before_they_were_counted_are_counted_once_a_server_runs, |db| async move {
    let town = Town::new(db).await;
    let (first, _) = (town.wait(json!({})).await, town.wait(json!({})).await);
    let unsaid = town.agency.post("/v1/services", json!({ "name": "Choir", "provider_id": town.agency.organization_id })).await.id();
    let choir = Town { service: unsaid, clinic: town.clinic.clone(), agency: town.agency.clone() };
    choir.wait(json!({})).await;
    let forget = "UPDATE services SET queue = NULL; \
        UPDATE services SET capacity = '{\"status\":\"waitlist\",\"unit\":\"place\",\"available\":1}' WHERE capacity IS NOT NULL";
    town.clinic.app.state.db.write(move |conn| Ok(conn.batch_execute(forget)?)).await.unwrap();
    let read = async |town: &Town| {
        let answer = town.clinic.get(&format!("/v1/services/{}", town.service)).await;
        let room = answer.expect(200)["capacity"].clone();
        let counted = ["held", "waitlist_length", "is_waitlist_counted"].map(|field| room[field].clone());
        (counted, answer.header("etag").unwrap().to_owned())
    };
    let (uncounted, before) = read(&choir).await;
    assert_eq!(uncounted, [Value::Null, Value::Null, Value::Null]);
    sweeper::look_through(&town.clinic.app.state).await.unwrap();
    let (counted, after) = read(&choir).await;
    assert_eq!(counted, [json!(0), json!(1), json!(true)]);
    assert_ne!(before, after, "it is a new version");
    assert_eq!(read(&town).await.0, [json!(1), json!(1), json!(true)]);
    assert_eq!(town.statuses(&[&first]).await, ["offered"]);
    sweeper::look_through(&town.clinic.app.state).await.unwrap();
    assert_eq!(read(&choir).await.1, after, "what is counted already stays as it is");
});

on_both!(a_list_that_cannot_be_moved_keeps_no_other_waiting, |db| async move {
    let town = Town::new(db).await;
    let choir = json!({ "name": "Choir", "provider_id": town.agency.organization_id });
    let choir = town.agency.post("/v1/services", choir).await.id();
    let mut choir = Town { service: choir, clinic: town.clinic.clone(), agency: town.agency.clone() };
    let spoiled = town.wait(json!({})).await;
    let (first, second) = (choir.wait(json!({})).await, choir.wait(json!({})).await);
    town.free(1).await;
    choir.free(1).await;
    assert_eq!(town.statuses(&[&spoiled]).await, ["offered"]);
    assert_eq!(choir.statuses(&[&first, &second]).await, ["offered", "waiting"]);
    // It is looked at first, and nothing can be read of it.
    assert!(town.service < choir.service);
    let spoil = format!("UPDATE waitlist_entries SET content = '5' WHERE service_id = '{}'", town.service);
    choir.clinic.app.state.db.write(move |conn| Ok(conn.batch_execute(&spoil)?)).await.unwrap();
    choir.clinic.app.clock.advance(Duration::hours(72));
    choir.renew().await;
    sweeper::sweep(&choir.clinic.app.state).await.unwrap();
    assert_eq!(choir.statuses(&[&first, &second]).await, ["expired", "offered"]);
    sweeper::look_through(&choir.clinic.app.state).await.unwrap();
});
