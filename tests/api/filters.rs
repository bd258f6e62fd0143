//! What lists are asked for: by a key of one's own, by when a thing was changed, and by whom it is between. And what lies below a resource,
//! read by itself.

use chrono::{Duration, NaiveDate};
use kith::kind::OrganizationId;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp, text};
use crate::referrals::{Town, step};

/// The identifier that everything here has, as a query names it.
const KEY: &str = "identifier=urn:example:emr%7CA-1";

fn keys() -> Value {
    json!([{ "system": "urn:example:emr", "value": "A-1" }])
}

/// The ids of a page, in its order.
async fn ids(caller: &Caller, path: &str) -> Vec<String> {
    let page = caller.get(path).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
}

/// The slot of a practitioner that begins at an hour (UTC) of 10 March 2026.
async fn slot(owner: &Caller, practitioner: &str, hour: u8, identifiers: Value) -> String {
    let times = (format!("2026-03-10T{hour:02}:00:00Z"), format!("2026-03-10T{hour:02}:30:00Z"));
    let slot = json!({ "practitioner_id": practitioner, "starts_at": times.0, "ends_at": times.1, "identifiers": identifiers });
    owner.make("/v1/slots", slot).await
}

async fn worker(owner: &Caller, identifiers: Value) -> String {
    let worker = json!({ "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": identifiers });
    owner.make("/v1/practitioners", worker).await
}

fn follow_up(patient: &str, due_on: &str) -> Value {
    json!({ "patient_id": patient, "purpose": "check_in", "due_on": due_on, "identifiers": keys() })
}

on_both!(whoever_has_a_key_finds_by_it_what_it_sees, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let mut referral = town.navigation(&patient);
    referral["identifiers"] = keys();
    let need = json!({ "patient_id": patient, "domain": "food-insecurity", "identifiers": keys() });
    let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "identifiers": keys() });
    let worker = worker(&town.clinic, keys()).await;
    let slot = slot(&town.clinic, &worker, 17, keys()).await;
    let appointment = json!({ "slot_id": slot, "patient_id": patient, "identifiers": keys() });
    let organization = json!({ "name": "Alder Falls Pantry", "kind": "agency", "identifiers": keys() });
    let mut made = Vec::new();
    for (path, body) in [
        ("/v1/referrals", referral),
        ("/v1/needs", need),
        ("/v1/screenings", screening),
        ("/v1/follow-ups", follow_up(&patient, "2026-03-20")),
        ("/v1/appointments", appointment),
        ("/v1/organizations", organization),
    ] {
        let (one, mut another) = (town.clinic.make(path, body.clone()).await, body);
        another["identifiers"] =
            json!([{ "system": "urn:example:emr", "value": "A-2" }, { "system": "urn:example:other", "value": "A-1" }]);
        if path != "/v1/appointments" {
            town.clinic.make(path, another).await;
        }
        made.push((path.to_owned(), one));
    }
    let slots = format!("/v1/practitioners/{worker}/slots");
    made.extend([("/v1/practitioners".to_owned(), worker), (slots, slot)]);
    for (path, id) in &made {
        assert_eq!(ids(&town.clinic, &format!("{path}?{KEY}")).await, [id.as_str()], "{path}");
        for unknown in ["urn:example:emr%7CA-3", "urn:example%7CA-1"] {
            assert_eq!(ids(&town.clinic, &format!("{path}?identifier={unknown}")).await, [""; 0], "{path}");
        }
        let faults = town.clinic.get(&format!("{path}?identifier=A-1")).await.faults(400);
        assert_eq!(faults, [("identifier".into(), "format".into())], "{path}");
        let is_public = path == "/v1/organizations" || path.ends_with("/slots");
        assert_eq!(ids(&town.agency, &format!("{path}?{KEY}")).await.len(), usize::from(is_public), "{path} by a stranger");
    }
    let received = |path: &str| format!("/v1/referrals?{path}&{KEY}");
    for (query, count) in [("box=received", 1), ("box=sent", 0), ("limit=1", 1), ("status=accepted", 0), ("kind=navigation", 1)] {
        assert_eq!(ids(&town.program, &received(query)).await.len(), count, "{query}");
    }
    for list in ["needs", "screenings"] {
        let of_patient = format!("/v1/patients/{patient}/{list}?{KEY}");
        assert_eq!(ids(&town.clinic, &of_patient).await.len(), 1, "{list}");
    }
    town.grant(&patient).await;
    assert_eq!(ids(&town.program, &format!("/v1/patients/{patient}/needs?{KEY}")).await.len(), 1, "of another organization");
    assert_eq!(ids(&town.program, &format!("/v1/needs?{KEY}")).await, [""; 0], "its own list has what it recorded itself");

    town.app.clock.advance(Duration::days(30));
    town.clinic.renew().await;
    let [.., (slots, slot)] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(ids(&town.clinic, &format!("{slots}?{KEY}")).await, [slot.as_str()], "it is over, and found all the same");
    assert_eq!(ids(&town.clinic, slots).await, [""; 0]);
});

on_both!(a_key_is_found_whichever_side_of_it_has_a_bar, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut made = Vec::new();
    for (path, body) in [
        ("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })),
        ("/v1/follow-ups", json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-20" })),
        ("/v1/organizations", json!({ "name": "Alder Falls Pantry", "kind": "agency" })),
        ("/v1/services", json!({ "name": "Pantry" })),
    ] {
        for (system, value) in [("urn:example:emr", "east|A-1"), ("urn:example:emr|west", "A-1")] {
            let mut body = body.clone();
            body["identifiers"] = json!([{ "system": system, "value": value }]);
            let id = town.clinic.make(path, body).await;
            made.push((format!("{path}?identifier={system}|{value}").replace('|', "%7C"), id));
        }
    }
    for (path, id) in made {
        assert_eq!(ids(&town.clinic, &path).await, [id], "{path}");
    }
});

on_both!(one_key_may_be_of_several_organizations_and_pages_walk_what_has_it_once, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    let later = town.clinic.make("/v1/follow-ups", follow_up(&patient, "2026-03-20")).await;
    let sooner = town.program.make("/v1/follow-ups", follow_up(&patient, "2026-03-10")).await;
    let other = town.agency.make("/v1/patients", json!({ "names": [{ "family": "Roy" }] })).await;
    let unseen = town.agency.make("/v1/follow-ups", follow_up(&other, "2026-03-15")).await;
    let path = format!("/v1/follow-ups?{KEY}");
    for caller in [&town.clinic, &town.program] {
        assert_eq!(ids(caller, &path).await, [sooner.clone(), later.clone()]);
        let of_one = format!("{path}&organization_id={}", town.program.organization_id);
        assert_eq!(ids(caller, &of_one).await, [sooner.as_str()]);
    }
    assert_eq!(ids(&town.agency, &path).await, [unseen]);
    let first = town.clinic.get(&format!("{path}&limit=1")).await.expect(200);
    let cursor = text(&first["next"]);
    assert_eq!(ids(&town.clinic, &format!("{path}&limit=1&cursor={cursor}")).await, [later]);
    let another_list = format!("/v1/follow-ups?limit=1&cursor={cursor}");
    assert_eq!(town.clinic.get(&another_list).await.faults(400), [("cursor".into(), "invalid_cursor".into())]);
});

on_both!(lists_tell_what_was_changed_since_a_moment, |db| async move {
    let app = TestApp::new(db).await;
    let mut clinic = app.clinic().await;
    let program = app.tenant("Alder Valley Link Workers", OrganizationKind::Program).await;
    let patient = clinic.make("/v1/patients", json!({ "names": [{ "family": "Tremblay" }] })).await;
    let worker = worker(&clinic, json!([])).await;
    let slots = [slot(&clinic, &worker, 17, json!([])).await, slot(&clinic, &worker, 18, json!([])).await];
    let consent = json!({ "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["referral"],
        "categories": ["summary"], "form": "verbal" });
    let note = json!({ "note": "Rings twice." });
    let unmet = json!({ "patient_id": patient, "domain": "food-insecurity", "reasons": ["no_service"] });
    let booked = |slot: &str| json!({ "slot_id": slot, "patient_id": patient });
    let called = |name: &str, more: Value| {
        let mut body = json!({ "name": name });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let by_hand = |day: &str| json!({ "patient_id": patient, "purpose": "check_in", "due_on": day });
    let link_worker = json!({ "roles": ["link_worker"] });
    let lists = [
        ("/v1/follow-ups", [by_hand("2026-03-20"), by_hand("2026-03-10")], note.clone()),
        ("/v1/appointments", [booked(&slots[0]), booked(&slots[1])], note.clone()),
        ("/v1/consents", [consent.clone(), consent], note.clone()),
        ("/v1/unmet-needs", [unmet.clone(), unmet], note),
        ("/v1/practitioners", [called("Dana", link_worker.clone()), called("Sam", link_worker)], json!({ "name": "Dana Whitford" })),
        ("/v1/organizations", ["Pantry", "Larder"].map(|name| called(name, json!({ "kind": "agency" }))), json!({ "name": "Cellar" })),
    ];
    let mut made = Vec::new();
    for (path, [one, another], patch) in lists {
        made.push((path, clinic.make(path, one).await, clinic.make(path, another).await, patch));
    }
    app.clock.advance(Duration::minutes(60));
    clinic.renew().await;
    for (path, changed, kept, patch) in made {
        clinic.patch(&format!("{path}/{changed}"), 1, patch).await.expect(200);
        let since = |moment: &str| format!("{path}?updated_since={moment}");
        assert_eq!(ids(&clinic, &since("2026-03-02T17:30:00Z")).await, [changed.as_str()], "{path}");
        assert_eq!(ids(&clinic, &since("2026-03-02T18:00:00Z")).await, [changed.as_str()], "{path}: at that very moment");
        assert_eq!(ids(&clinic, &since("2026-03-02T18:00:01Z")).await, [""; 0], "{path}");
        let all = ids(&clinic, &since("2026-03-02T17:00:00Z")).await;
        assert!([&changed, &kept].iter().all(|id| all.contains(id)), "{path}: {all:?}");
        let first = clinic.get(&format!("{path}?limit=1")).await.expect(200);
        let another_list = format!("{}&limit=1&cursor={}", since("2026-03-02T17:30:00Z"), text(&first["next"]));
        assert_eq!(clinic.get(&another_list).await.faults(400), [("cursor".into(), "invalid_cursor".into())], "{path}");
        if path == "/v1/consents" {
            let of_patient = format!("/v1/patients/{patient}/consents?updated_since=2026-03-02T17:30:00Z");
            assert_eq!(ids(&clinic, &of_patient).await, [changed]);
        }
    }
});

/// Referrals of a patient whom the clinic manages: by the clinic to the program and to the agency, by the program to the agency.
async fn three_referrals(town: &Town, patient: &str) -> [String; 3] {
    town.grant(patient).await;
    crate::screenings::consent(&town.clinic, patient, &town.agency, &["summary"]).await;
    let to_program = town.sent(patient).await;
    let mut to_agency = town.navigation(patient);
    to_agency["performer_organization_id"] = json!(town.agency.organization_id);
    to_agency.as_object_mut().unwrap().remove("consent");
    let by_clinic = town.clinic.make("/v1/referrals", to_agency.clone()).await;
    to_agency["source_type"] = json!("link_worker");
    let by_program = town.program.make("/v1/referrals", to_agency).await;
    [to_program, by_clinic, by_program]
}

on_both!(referrals_are_asked_for_by_their_two_sides, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let [to_program, by_clinic, by_program] = three_referrals(&town, &patient).await;
    let [clinic, program, agency] = [&town.clinic, &town.program, &town.agency].map(|caller| caller.organization_id);
    let by = |organization: OrganizationId| format!("organization_id={organization}");
    let to = |organization: OrganizationId| format!("performer_organization_id={organization}");
    let (to_program, by_clinic, by_program) = (to_program.as_str(), by_clinic.as_str(), by_program.as_str());
    // The clinic manages the patient, and the program is let in by them: both see all three.
    for caller in [&town.clinic, &town.program] {
        for (query, expected) in [
            (by(clinic), vec![by_clinic, to_program]),
            (by(program), vec![by_program]),
            (by(agency), vec![]),
            (to(program), vec![to_program]),
            (to(agency), vec![by_program, by_clinic]),
            (format!("{}&{}", by(clinic), to(agency)), vec![by_clinic]),
            (format!("{}&{}", by(program), to(agency)), vec![by_program]),
            (format!("{}&{}", by(program), to(program)), vec![]),
        ] {
            assert_eq!(ids(caller, &format!("/v1/referrals?{query}")).await, expected, "{query}");
            assert_eq!(ids(caller, &format!("/v1/referrals?{query}&patient_id={patient}")).await, expected, "{query}, of the patient");
        }
    }
    for (query, expected) in [
        (by(clinic), vec![by_clinic]),
        (to(agency), vec![by_program, by_clinic]),
        (to(program), vec![]),
        (format!("box=received&{}", by(program)), vec![by_program]),
        (format!("box=received&{}", to(program)), vec![]),
        (format!("box=sent&{}", to(agency)), vec![]),
    ] {
        assert_eq!(ids(&town.agency, &format!("/v1/referrals?{query}")).await, expected, "{query}");
    }
    for (query, expected) in [("box=sent", vec![by_clinic, to_program]), ("box=received", vec![])] {
        assert_eq!(ids(&town.clinic, &format!("/v1/referrals?{query}")).await, expected, "{query}");
        let contradiction = format!("/v1/referrals?{query}&{}&{}", by(agency), to(agency));
        assert_eq!(ids(&town.clinic, &contradiction).await, [""; 0]);
    }
    let first = town.clinic.get(&format!("/v1/referrals?limit=1&{}", by(clinic))).await.expect(200);
    let cursor = text(&first["next"]);
    assert_eq!(ids(&town.clinic, &format!("/v1/referrals?limit=1&{}&cursor={cursor}", by(clinic))).await, [to_program]);
    let another_list = format!("/v1/referrals?limit=1&{}&cursor={cursor}", by(program));
    assert_eq!(town.clinic.get(&another_list).await.faults(400), [("cursor".into(), "invalid_cursor".into())]);
});

on_both!(referrals_are_asked_for_by_what_they_wait_for_and_until_when, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let [to_program, by_clinic, by_program] = three_referrals(&town, &patient).await;
    let waits = json!({ "status": "accepted", "business_status": "awaiting_booking" });
    step(&town.program, &to_program, waits).await.expect(201);
    for caller in [&town.clinic, &town.program] {
        for more in
            [String::new(), format!("&patient_id={patient}"), format!("&performer_organization_id={}", town.program.organization_id)]
        {
            let waiting = format!("/v1/referrals?business_status=awaiting_booking{more}");
            assert_eq!(ids(caller, &waiting).await, [to_program.as_str()], "{more}");
            assert_eq!(ids(caller, &format!("/v1/referrals?business_status=booked{more}")).await, [""; 0], "{more}");
        }
    }
    let due_on = text(&town.agency.get(&format!("/v1/referrals/{by_clinic}")).await.expect(200)["due_on"]);
    let day_after = due_on.parse::<NaiveDate>().unwrap().succ_opt().unwrap();
    let before = |day: &str| format!("due_before={day}");
    assert_eq!(ids(&town.agency, &format!("/v1/referrals?{}", before(&due_on))).await, [""; 0]);
    let due = format!("/v1/referrals?{}", before(&day_after.to_string()));
    assert_eq!(ids(&town.agency, &due).await, [by_program, by_clinic.clone()]);
    let own = format!("{due}&box=sent&performer_organization_id={}", town.agency.organization_id);
    assert_eq!(ids(&town.clinic, &own).await, [by_clinic.as_str()]);
    step(&town.agency, &by_clinic, json!({ "status": "rejected", "reason": { "code": "out_of_scope" } })).await.expect(201);
    assert_eq!(ids(&town.clinic, &own).await, [""; 0], "nothing is due of it any more");
});

on_both!(appointments_are_asked_for_by_who_made_them_and_whom_they_are_with, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    let [clinic, program] = [&town.clinic, &town.program].map(|caller| caller.organization_id);
    let (clinics, programs) = (worker(&town.clinic, json!([])).await, worker(&town.program, json!([])).await);
    let mut made = Vec::new();
    for (maker, provider, practitioner, hour) in [
        (&town.clinic, &town.program, &programs, 17),
        (&town.program, &town.program, &programs, 18),
        (&town.clinic, &town.clinic, &clinics, 19),
    ] {
        let slot = slot(provider, practitioner, hour, json!([])).await;
        made.push(maker.make("/v1/appointments", json!({ "slot_id": slot, "patient_id": patient })).await);
    }
    let [with_program, programs_own, clinics_own] = made.as_slice() else { panic!("{made:?}") };
    // The clinic manages the patient, and the program is let in by them: both see all three.
    for caller in [&town.clinic, &town.program] {
        for (query, expected) in [
            (format!("organization_id={clinic}"), vec![with_program, clinics_own]),
            (format!("organization_id={program}"), vec![programs_own]),
            (format!("provider_id={clinic}"), vec![clinics_own]),
            (format!("provider_id={program}"), vec![with_program, programs_own]),
            (format!("organization_id={clinic}&provider_id={program}"), vec![with_program]),
            (format!("organization_id={program}&provider_id={clinic}"), vec![]),
            (format!("organization_id={}", town.agency.organization_id), vec![]),
        ] {
            for more in [String::new(), format!("&patient_id={patient}"), "&status=booked".to_owned()] {
                let found = ids(caller, &format!("/v1/appointments?{query}{more}")).await;
                assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}{more}");
            }
        }
    }
    assert_eq!(ids(&town.agency, &format!("/v1/appointments?provider_id={program}")).await, [""; 0], "a stranger");
    let path = format!("/v1/appointments?limit=1&provider_id={program}");
    let cursor = text(&town.clinic.get(&path).await.expect(200)["next"]);
    assert_eq!(ids(&town.clinic, &format!("{path}&cursor={cursor}")).await, [programs_own.as_str()]);
    let another_list = format!("/v1/appointments?limit=1&provider_id={clinic}&cursor={cursor}");
    assert_eq!(town.clinic.get(&another_list).await.faults(400), [("cursor".into(), "invalid_cursor".into())]);
});

on_both!(messages_transitions_and_attempts_are_read_by_themselves_by_whoever_sees_the_whole, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let (id, other) = (town.accepted(&patient).await, town.sent(&patient).await);
    let [referral, other] = [id.as_str(), other.as_str()].map(|id| format!("/v1/referrals/{id}"));
    let follow_ups = town.program.get(&format!("/v1/follow-ups?referral_id={id}&status=open")).await.expect(200);
    let follow_up = format!("/v1/follow-ups/{}", text(&follow_ups["items"][0]["id"]));
    let elsewhere = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let elsewhere = format!("/v1/follow-ups/{}", town.clinic.make("/v1/follow-ups", elsewhere).await);
    let attempt = json!({ "mode": "phone", "outcome": "declined", "note": "Call on Monday." });
    for (whole, list, body, another) in [
        (&referral, "messages", json!({ "text": "Does she have a phone of her own?" }), &other),
        (&referral, "transitions", json!({ "status": "in_progress", "note": "She comes on Tuesday." }), &other),
        (&follow_up, "attempts", attempt, &elsewhere),
    ] {
        let made = town.program.post(&format!("{whole}/{list}"), body).await;
        made.expect(201);
        let path = format!("{whole}/{list}/{}", made.id());
        assert_eq!(made.header("location"), Some(path.as_str()));
        for caller in [&town.program, &town.clinic] {
            let listed = caller.get(&format!("{whole}/{list}")).await.expect(200);
            let listed = listed["items"].as_array().unwrap().iter().find(|item| item["id"] == made.id()).unwrap();
            assert_eq!(&caller.get(&path).await.expect(200), listed);
        }
        town.agency.get(&path).await.expect_problem(404, "not_found");
        town.clinic.get(&format!("{another}/{list}/{}", made.id())).await.expect_problem(404, "not_found");
        town.clinic.get(&format!("{whole}/{list}/{id}")).await.expect_problem(404, "not_found");
        town.clinic.get(&format!("{whole}/{list}/{}", made.id().to_uppercase())).await.expect_problem(400, "malformed_request");
    }
    let messages = town.clinic.get(&format!("{referral}/messages")).await.expect(200);
    let message = text(&messages["items"][0]["id"]);
    let path = format!("{referral}/messages/{message}");
    assert_eq!(town.clinic.get(&path).await.header("etag"), Some("\"1\""));
    town.clinic.post(&format!("{referral}/messages/acknowledge"), json!({ "up_to": message })).await.expect(200);
    let read = town.program.get(&path).await;
    assert!(read.expect(200)["acknowledged_at"].is_string() && read.header("etag") == Some("\"2\""));
});
