//! Appointments: what is offered, who gets a place, what becomes of it, and what follows for the referral.

use chrono::Duration;
use futures_util::future::join_all;
use kith::auth::Scopes;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::referrals::{Town, step};

mod calendars;
mod endings;
mod holds;
mod keys;
mod slots;

const PATH: &str = "/v1/appointments";

fn path(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// A service that this organization keeps and gives.
async fn service(provider: &Caller) -> String {
    let service = provider.post("/v1/services", json!({ "name": "Lunch Club" })).await;
    service.expect(201);
    service.id()
}

/// A practitioner of this organization.
async fn worker(program: &Caller) -> String {
    let worker = program.post("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await;
    worker.expect(201);
    worker.id()
}

/// A slot of a practitioner with so many places, at an hour (UTC) of 10 March 2026.
async fn slot(program: &Caller, worker: &str, hour: u8, places: u32) -> String {
    let times = (format!("2026-03-10T{hour:02}:00:00Z"), format!("2026-03-10T{hour:02}:30:00Z"));
    let slot = json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1, "places": places, "location": "Room 2" });
    let slot = program.post("/v1/slots", slot).await;
    slot.expect(201);
    slot.id()
}

/// POST with a key, again for as long as the server is busy: under a crowd it may say so, and then has done nothing.
async fn insist(caller: &Caller, path: &str, body: Value) -> Answer {
    loop {
        let answer = caller.post_once(path, path, body.clone()).await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

async fn free(caller: &Caller, slot: &str) -> i64 {
    caller.get(&format!("/v1/slots/{slot}")).await.expect(200)["places_free"].as_i64().unwrap()
}

async fn act(caller: &Caller, id: &str, action: &str, body: Value) -> Answer {
    caller.post(&format!("{}/{action}", path(id)), body).await
}

/// What the referral says of itself.
async fn word(caller: &Caller, referral: &str) -> (String, Value) {
    let referral = caller.get(&format!("/v1/referrals/{referral}")).await.expect(200);
    (referral["status"].as_str().unwrap().to_owned(), referral["business_status"].clone())
}

fn unwell() -> Value {
    json!({ "by": "patient", "reason": "unwell" })
}

on_both!(of_two_hundred_clients_who_ask_for_ten_places_at_once_exactly_ten_get_one, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 17, 10).await;
    let mut clients = Vec::new();
    for number in 0..200 {
        let person = json!({ "names": [{ "family": format!("Nobody {number}") }] });
        let patient = town.program.post("/v1/patients", person).await.id();
        clients.push((town.app.client(town.program.organization_id, Scopes::all_but_admin()).await, patient));
    }
    let asked = clients.iter().enumerate().map(|(number, (client, patient))| {
        // Some hold, some book; some come twice.
        let query = if number % 3 == 0 { "?hold_minutes=10" } else { "" };
        let (path, body) = (format!("{PATH}{query}"), json!({ "slot_id": id, "patient_id": patient }));
        async move { insist(client, &path, body).await }
    });
    let answers = join_all(asked).await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 10);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(409, "slot_full");
    }
    assert_eq!(free(&town.program, &id).await, 0);
    let listed = town.program.get(&format!("{PATH}?slot_id={id}")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 10);

    // All ten move at once into a slot of five: five are there, five stay, and nobody is lost on the way.
    let other = slot(&town.program, &worker, 18, 5).await;
    let moves = listed["items"].as_array().unwrap().iter().map(|item| {
        let id = item["id"].as_str().unwrap().to_owned();
        let (program, other) = (&town.program, &other);
        async move { insist(program, &format!("{}/reschedule", path(&id)), json!({ "slot_id": other })).await.status }
    });
    let mut statuses = join_all(moves).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 409, 409, 409, 409, 409]);
    assert_eq!((free(&town.program, &id).await, free(&town.program, &other).await), (5, 0));
});

on_both!(an_appointment_is_moved_in_one_step_or_stays_where_it_is, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let slots =
        [slot(&town.program, &worker, 17, 1).await, slot(&town.program, &worker, 18, 1).await, slot(&town.program, &worker, 19, 1).await];
    let patients = [town.patient().await, town.patient().await];
    let mut made = Vec::new();
    for (patient, slot) in patients.iter().zip(&slots) {
        town.grant(patient).await;
        let answer = town.program.post(PATH, json!({ "slot_id": slot, "patient_id": patient })).await;
        answer.expect(201);
        made.push(answer.id());
    }
    act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[1] })).await.expect_problem(409, "slot_full");
    assert_eq!((free(&town.program, &slots[0]).await, free(&town.program, &slots[2]).await), (0, 1));
    let moved = act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[2] })).await;
    assert_eq!(moved.expect(200)["starts_at"], "2026-03-10T19:00:00.000000Z");
    assert_eq!(moved.header("etag"), Some("\"2\""));
    assert_eq!((free(&town.program, &slots[0]).await, free(&town.program, &slots[2]).await), (1, 0));
    let faults = act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[2] })).await.faults(422);
    assert_eq!(faults, [("/slot_id".into(), "not_allowed".into())], "it is there already");
    let agencys = worker_slot_of(&town.agency).await;
    assert_eq!(act(&town.program, &made[0], "reschedule", json!({ "slot_id": agencys })).await.faults(422), faults);

    town.program.delete(&format!("/v1/slots/{}", slots[2]), 1).await.expect_problem(409, "slot_in_use");
    let slot = format!("/v1/slots/{}", slots[2]);
    town.program.patch(&slot, 1, json!({ "ends_at": "2026-03-10T19:45:00Z" })).await.expect_problem(409, "slot_in_use");
    let roomier = town.program.patch(&slot, 1, json!({ "places": 2 })).await.expect(200);
    assert_eq!(roomier["places_free"], 1);
    act(&town.program, &made[1], "reschedule", json!({ "slot_id": slots[2] })).await.expect(200);
    assert_eq!(town.program.patch(&slot, 2, json!({ "places": 1 })).await.faults(422), [("/places".into(), "too_small".into())]);
    town.program.patch(&slot, 2, json!({ "is_closed": true })).await.expect(200);
    act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[0] })).await.expect(200);
    act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[2] })).await.expect_problem(409, "slot_closed");

    assert_eq!(
        act(&town.program, &made[0], "cancel", json!({ "by": "provider", "reason": "other" })).await.faults(422),
        [("/text".into(), "required".into())]
    );
    let cancelled = act(&town.program, &made[0], "cancel", unwell()).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["cancellation"]["by"]), (&json!("cancelled"), &json!("patient")));
    assert_eq!(free(&town.program, &slots[0]).await, 1);
    let refused = act(&town.program, &made[0], "cancel", unwell()).await.expect_problem(409, "illegal_transition");
    assert_eq!(refused["leads_to"], Value::Null, "it stays over");
    act(&town.program, &made[0], "reschedule", json!({ "slot_id": slots[1] })).await.expect_problem(409, "appointment_closed");
    town.program.patch(&path(&made[0]), 4, json!({ "note": "x" })).await.expect_problem(409, "appointment_closed");
    town.program.delete(&path(&made[0]), 4).await.expect_problem(409, "appointment_closed");
    let noted = town.program.patch(&path(&made[1]), 2, json!({ "note": "Large print, please." })).await.expect(200);
    assert_eq!(noted["note"], "Large print, please.");
    let moved = json!({ "slot_id": slots[0] });
    assert_eq!(town.program.patch(&path(&made[1]), 3, moved).await.faults(422), [("/slot_id".into(), "immutable".into())]);
    town.program.delete(&path(&made[1]), 3).await.expect(204);
    town.program.get(&path(&made[1])).await.expect_problem(410, "gone");
});

on_both!(people_meet_as_the_slot_says_and_as_they_agree_where_it_says_nothing, |db| async move {
    let town = Town::new(db).await;
    let (worker, patient) = (worker(&town.program).await, town.patient().await);
    town.grant(&patient).await;
    let open = slot(&town.program, &worker, 17, 1).await;
    let mut stated = Vec::new();
    for (hour, mode) in [(18, "video"), (19, "phone"), (20, "video")] {
        let slot = slot(&town.program, &worker, hour, 1).await;
        town.program.patch(&format!("/v1/slots/{slot}"), 1, json!({ "mode": mode })).await.expect(200);
        stated.push(slot);
    }
    let refused = [("/mode".to_owned(), "not_allowed".to_owned())];
    let place = |slot: &str, mode: &str| json!({ "slot_id": slot, "patient_id": patient, "mode": mode });
    assert_eq!(town.program.post(PATH, place(&stated[0], "phone")).await.faults(422), refused);
    let same = town.program.post(PATH, place(&stated[0], "video")).await;
    assert_eq!(same.expect(201)["mode"], "video");
    assert_eq!(town.program.patch(&path(&same.id()), 1, json!({ "mode": "home_visit" })).await.faults(422), refused);
    assert_eq!(town.program.patch(&path(&same.id()), 1, json!({ "mode": null })).await.expect(200)["mode"], Value::Null);

    let agreed = town.program.post(PATH, place(&open, "phone")).await;
    let id = agreed.id();
    let visit = town.program.patch(&path(&id), 1, json!({ "mode": "phone", "note": "Rings twice." })).await.expect(200);
    assert_eq!((&agreed.expect(201)["mode"], &visit["mode"]), (&json!("phone"), &json!("phone")));
    let moved = act(&town.program, &id, "reschedule", json!({ "slot_id": stated[1] })).await.expect(200);
    assert_eq!(moved["mode"], "phone", "the slot says the same");
    let moved = act(&town.program, &id, "reschedule", json!({ "slot_id": stated[2] })).await.expect(200);
    assert_eq!((&moved["mode"], &moved["note"]), (&Value::Null, &json!("Rings twice.")), "the slot says another");
});

/// A slot of somebody else.
async fn worker_slot_of(agency: &Caller) -> String {
    let worker = worker(agency).await;
    slot(agency, &worker, 20, 1).await
}

on_both!(what_happens_to_appointments_is_what_the_referral_says, |db| async move {
    let mut town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let slots =
        [slot(&town.program, &worker, 17, 1).await, slot(&town.program, &worker, 18, 1).await, slot(&town.program, &worker, 19, 2).await];
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let book = |slot: &str| json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral });

    // The clinic that refers may take a place that the program offers.
    let first = town.clinic.post(PATH, book(&slots[0])).await;
    first.expect(201);
    assert_eq!(word(&town.clinic, &referral).await, ("accepted".into(), json!("booked")));
    let second = town.clinic.post(&format!("{PATH}?hold_minutes=10"), book(&slots[1])).await;
    second.expect(201);
    act(&town.clinic, &first.id(), "cancel", unwell()).await.expect(200);
    assert_eq!(word(&town.clinic, &referral).await.1, "awaiting_booking", "what is held is not booked");
    act(&town.clinic, &second.id(), "confirm", json!({})).await.expect(200);
    assert_eq!(word(&town.clinic, &referral).await.1, "booked");
    let transitions = town.program.get(&format!("/v1/referrals/{referral}/transitions")).await.expect(200);
    let last = transitions["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["business_status"], &last["client_id"]), (&json!("booked"), &json!(town.clinic.client_id)), "who did it is told");

    act(&town.program, &second.id(), "conclude", json!({ "status": "no_show" })).await.expect_problem(409, "appointment_to_come");
    town.app.clock.set("2026-03-10T18:00:00Z".parse().unwrap());
    for caller in [&mut town.program, &mut town.clinic, &mut town.agency] {
        caller.renew().await;
    }
    act(&town.program, &second.id(), "conclude", json!({ "status": "no_show" })).await.expect(200);
    assert_eq!(word(&town.clinic, &referral).await, ("accepted".into(), json!("no_show")));

    let third = town.program.post(PATH, book(&slots[2])).await;
    third.expect(201);
    assert_eq!(word(&town.clinic, &referral).await.1, "booked");
    town.app.clock.set("2026-03-10T19:00:00Z".parse().unwrap());
    for caller in [&mut town.program, &mut town.clinic] {
        caller.renew().await;
    }
    let kept = act(&town.program, &third.id(), "conclude", json!({ "status": "attended", "note": "Stayed for tea." })).await.expect(200);
    assert_eq!((&kept["status"], &kept["outcome_note"]), (&json!("attended"), &json!("Stayed for tea.")));
    assert_eq!(word(&town.clinic, &referral).await, ("in_progress".into(), json!("attended")));
    let follow_ups = town.program.get(&format!("/v1/follow-ups?referral_id={referral}")).await.expect(200);
    let told: Vec<(&Value, &Value)> =
        follow_ups["items"].as_array().unwrap().iter().map(|item| (&item["purpose"], &item["status"])).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.contains(&(&json!("first_contact"), &json!("completed"))) && told.contains(&(&json!("check_in"), &json!("open"))),
        "{told:?}"
    );

    step(&town.program, &referral, json!({ "status": "completed", "outcome": "need_met" })).await.expect(201);
    act(&town.program, &third.id(), "conclude", json!({ "status": "no_show" })).await.expect(200);
    assert_eq!(word(&town.clinic, &referral).await.0, "completed", "what is closed stays as it is");
    let late = town.program.post(PATH, book(&slots[2])).await.faults(422);
    assert_eq!(late, [("/referral_id".into(), "not_accepted".into())]);
});

on_both!(a_free_slot_is_everybodys_and_an_appointment_is_personal, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 17, 3).await;
    let patient = town.patient().await;
    let sent = town.sent(&patient).await;
    let mut body = json!({ "slot_id": id, "patient_id": patient, "referral_id": sent });
    assert_eq!(town.clinic.post(PATH, body.clone()).await.faults(422), [("/referral_id".into(), "not_accepted".into())]);
    step(&town.program, &sent, json!({ "status": "accepted" })).await.expect(201);
    assert_eq!(
        town.agency.post(PATH, body.clone()).await.faults(422),
        [("/referral_id".into(), "not_found".into())],
        "a stranger learns nothing"
    );
    let agencys = worker_slot_of(&town.agency).await;
    body["slot_id"] = json!(agencys);
    assert_eq!(town.clinic.post(PATH, body.clone()).await.faults(422), [("/slot_id".into(), "not_allowed".into())]);
    let without = json!({ "slot_id": agencys, "patient_id": patient });
    assert_eq!(town.clinic.post(PATH, without.clone()).await.faults(422), [("/referral_id".into(), "consent_required".into())]);
    assert_eq!(town.agency.post(PATH, without).await.faults(422), [("/patient_id".into(), "not_found".into())]);

    body["slot_id"] = json!(id);
    body["note"] = json!("Comes with her daughter.");
    let made = town.program.post(PATH, body).await;
    made.expect(201);
    town.app.is_readable().await;
    for caller in [&town.clinic, &town.program] {
        assert_eq!(caller.get(&path(&made.id())).await.expect(200)["note"], "Comes with her daughter.");
        for query in ["", "?status=booked&from=2026-03-10T00:00:00Z", &format!("?patient_id={patient}"), &format!("?referral_id={sent}")] {
            let listed = caller.get(&format!("{PATH}{query}")).await.expect(200);
            assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{query}");
        }
        let feed = caller.get("/v1/changes?resource_type=appointment").await.expect(200);
        assert_eq!(feed["items"][0]["resource"]["id"], made.id());
    }
    assert_eq!(town.agency.get(PATH).await.expect(200)["items"], json!([]));
    assert_eq!(town.agency.get("/v1/changes?resource_type=appointment").await.expect(200)["items"], json!([]));
    for action in ["confirm", "reschedule", "cancel", "conclude"] {
        let bodies = json!({ "confirm": {}, "reschedule": { "slot_id": id }, "cancel": unwell(), "conclude": { "status": "no_show" } });
        act(&town.agency, &made.id(), action, bodies[action].clone()).await.expect_problem(404, "not_found");
    }
    let seen = town.agency.get(&format!("/v1/practitioners/{worker}/slots")).await.expect(200);
    assert_eq!(seen["items"][0]["places_free"], 2);
    assert!(!seen.to_string().contains(&patient) && !seen.to_string().contains("daughter"));
});

on_both!(a_place_with_an_organization_that_the_referral_does_not_ask_needs_the_patients_consent, |db| async move {
    let town = Town::new(db).await;
    let lunch = service(&town.agency).await;
    let times = |hour: u8| (format!("2026-03-10T{hour:02}:00:00Z"), format!("2026-03-10T{hour:02}:30:00Z"));
    let mut slots = Vec::new();
    for hour in [17, 18] {
        let (starts_at, ends_at) = times(hour);
        let slot = json!({ "service_id": lunch, "starts_at": starts_at, "ends_at": ends_at, "places": 1 });
        slots.push(town.agency.post("/v1/slots", slot).await.id());
    }
    let unasked = [("/slot_id".to_owned(), "consent_required".to_owned())];

    // Whoever asks itself for another's service.
    let own = town.program.post("/v1/patients", json!({ "names": [{ "family": "Nobody" }] })).await.id();
    let mut to_itself = town.navigation(&own);
    to_itself["service_id"] = json!(lunch);
    to_itself.as_object_mut().unwrap().remove("consent");
    let to_itself = town.program.post("/v1/referrals", to_itself).await.id();
    step(&town.program, &to_itself, json!({ "status": "accepted" })).await.expect(201);
    let book = |slot: &str, patient: &str, referral: &str| json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral, "note": "Has lost her husband." });
    assert_eq!(town.program.post(PATH, book(&slots[0], &own, &to_itself)).await.faults(422), unasked);

    // A program that is to find the way to it, in good faith: the person agreed to the program alone.
    let patient = town.patient().await;
    let mut referral = town.navigation(&patient);
    referral["service_id"] = json!(lunch);
    let referral = town.clinic.post("/v1/referrals", referral).await.id();
    step(&town.program, &referral, json!({ "status": "accepted" })).await.expect(201);
    for caller in [&town.clinic, &town.program] {
        assert_eq!(caller.post(PATH, book(&slots[0], &patient, &referral)).await.faults(422), unasked);
    }
    assert_eq!(town.agency.get(PATH).await.expect(200)["items"], json!([]));
    let other = town.agency.post("/v1/patients", json!({ "names": [{ "family": "Roy" }] })).await.id();
    town.agency.post(PATH, json!({ "slot_id": slots[1], "patient_id": other })).await.expect(201);
    town.program.post(PATH, book(&slots[1], &patient, &referral)).await.expect_problem(409, "slot_full");
    crate::screenings::consent(&town.clinic, &patient, &town.agency, &["summary"]).await;
    town.program.post(PATH, book(&slots[0], &patient, &referral)).await.expect(201);
});

on_both!(a_booking_that_cannot_be_does_not_tell_whom_the_patient_lets_in, |db| async move {
    let app = TestApp::with(db, &["--holds-per-client=1"]).await;
    let (clinic, agency) = (app.clinic().await, app.tenant("Alder House", OrganizationKind::Agency).await);
    let mut program = app.tenant("Alder Link", OrganizationKind::Program).await;
    let worker = worker(&agency).await;
    let mut slots = Vec::new();
    for hour in [10, 11, 12] {
        slots.push(slot(&agency, &worker, hour, 1).await);
    }
    let person = json!({ "names": [{ "family": "Tremblay" }] });
    let other = agency.post("/v1/patients", person.clone()).await.id();
    agency.post(PATH, json!({ "slot_id": slots[1], "patient_id": other })).await.expect(201);
    let mut patients = Vec::new();
    for grantees in [vec![&program], vec![&program, &agency]] {
        let patient = clinic.post("/v1/patients", person.clone()).await.id();
        for grantee in grantees {
            crate::screenings::consent(&clinic, &patient, grantee, &["summary"]).await;
        }
        patients.push(patient);
    }
    let own = program.post("/v1/patients", person).await.id();
    let own_worker = self::worker(&program).await;
    let key = json!([{ "system": "urn:diary", "value": "1" }]);
    let kept = json!({ "slot_id": slot(&program, &own_worker, 10, 1).await, "patient_id": own, "identifiers": key });
    program.post(&format!("{PATH}?hold_minutes=30"), kept).await.expect(201);
    app.clock.advance(Duration::minutes(1));
    for patient in &patients {
        let body = |slot: usize| json!({ "slot_id": slots[slot], "patient_id": patient });
        program.post(PATH, body(1)).await.expect_problem(409, "slot_full");
        program.post(&format!("{PATH}?hold_minutes=5"), body(2)).await.expect_problem(409, "too_many_holds");
        let mut known = body(2);
        known["identifiers"] = key.clone();
        program.post(PATH, known).await.expect_problem(409, "duplicate");
    }
    app.clock.advance(Duration::days(7) + Duration::hours(17) + Duration::minutes(30));
    program.renew().await;
    for patient in &patients {
        let begun = program.post(PATH, json!({ "slot_id": slots[0], "patient_id": patient })).await;
        begun.expect_problem(409, "slot_closed");
    }
    let body = |patient: usize| json!({ "slot_id": slots[2], "patient_id": patients[patient] });
    assert_eq!(program.post(PATH, body(0)).await.faults(422), [("/referral_id".into(), "consent_required".into())]);
    program.post(PATH, body(1)).await.expect(201);
});

on_both!(an_appointment_that_is_not_seen_does_not_show_in_a_booking, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.agency).await;
    let patient = town.patient().await;
    for grantee in [&town.program, &town.agency] {
        crate::screenings::consent(&town.clinic, &patient, grantee, &["summary"]).await;
    }
    let mut slots = Vec::new();
    for hour in 14..19 {
        slots.push(slot(&town.agency, &worker, hour, 5).await);
    }
    let body = |slot: usize| json!({ "slot_id": slots[slot], "patient_id": patient });
    town.clinic.post(PATH, body(0)).await.expect(201);
    for slot in 1..4 {
        town.clinic.post(&format!("{PATH}?hold_minutes=30"), body(slot)).await.expect(201);
    }
    let made = town.program.post(PATH, body(0)).await;
    made.expect(201);
    assert_eq!(free(&town.program, &slots[0]).await, 3);
    town.program.post(PATH, body(0)).await.expect_problem(409, "already_booked");
    let held = town.program.post(&format!("{PATH}?hold_minutes=30"), body(4)).await;
    held.expect(201);
    act(&town.program, &held.id(), "reschedule", json!({ "slot_id": slots[1] })).await.expect(200);
    // Whom it is with and who manages the patient see them all.
    for caller in [&town.agency, &town.clinic] {
        caller.post(PATH, body(0)).await.expect_problem(409, "already_booked");
        let held = caller.post(&format!("{PATH}?hold_minutes=30"), body(4)).await;
        held.expect_problem(409, "too_many_holds_for_patient");
    }
    crate::screenings::consent(&town.clinic, &patient, &town.program, &["referrals"]).await;
    town.program.post(PATH, body(2)).await.expect_problem(409, "already_booked");
});

async fn withdraw(clinic: &Caller, patient: &str, grantee: &Caller) {
    let consents = clinic.get(&format!("/v1/consents?patient_id={patient}&is_active=true")).await.expect(200);
    let given = consents["items"].as_array().unwrap().iter().filter(|one| one["grantee_id"] == json!(grantee.organization_id));
    for id in given.map(|one| one["id"].as_str().unwrap()) {
        clinic.post(&format!("/v1/consents/{id}/withdraw"), json!({})).await.expect(200);
    }
    clinic.app.clock.advance(Duration::seconds(1));
}

on_both!(a_hold_is_confirmed_and_an_appointment_moved_while_the_patient_lets_in_whom_it_is_with, |db| async move {
    let town = Town::new(db).await;
    let (clinic, agency, program) = (&town.clinic, &town.agency, &town.program);
    let worker = worker(agency).await;
    let mut slots = Vec::new();
    for hour in 10..16 {
        slots.push(slot(agency, &worker, hour, 9).await);
    }
    let ended = async |callers: &[&Caller], held: &str, booked: &str| {
        for caller in callers {
            act(caller, held, "confirm", json!({})).await.expect_problem(409, "consent_ended");
            act(caller, booked, "reschedule", json!({ "slot_id": slots[5] })).await.expect_problem(409, "consent_ended");
        }
        assert_eq!(clinic.get(&path(held)).await.expect(200)["status"], "held");
        act(callers[0], held, "cancel", unwell()).await.expect(200);
        act(callers[0], booked, "cancel", unwell()).await.expect(200);
    };
    let made = async |caller: &Caller, body: Value, slot: usize| -> (String, String) {
        let body = |slot: usize| {
            let mut body = body.clone();
            body["slot_id"] = json!(slots[slot]);
            body
        };
        let held = caller.post(&format!("{PATH}?hold_minutes=30"), body(slot)).await;
        let booked = caller.post(PATH, body(slot + 1)).await;
        (held.expect(201)["id"].as_str().unwrap().to_owned(), booked.expect(201)["id"].as_str().unwrap().to_owned())
    };

    // Without a referral: by whoever made it, and by whom it is with.
    let patient = town.patient().await;
    crate::screenings::consent(clinic, &patient, agency, &["summary"]).await;
    let (held, booked) = made(clinic, json!({ "patient_id": patient }), 0).await;
    let (own, moved) = made(agency, json!({ "patient_id": patient }), 2).await;
    act(agency, &moved, "reschedule", json!({ "slot_id": slots[4] })).await.expect(200);
    withdraw(clinic, &patient, agency).await;
    ended(&[clinic, agency], &held, &booked).await;
    ended(&[agency], &own, &moved).await;

    // Who made it asks no more of a person whom it sees no more, though the other still does.
    for grantee in [agency, program] {
        crate::screenings::consent(clinic, &patient, grantee, &["summary"]).await;
    }
    let (held, booked) = made(program, json!({ "patient_id": patient }), 0).await;
    withdraw(clinic, &patient, program).await;
    for (id, action, body) in [(&held, "confirm", json!({})), (&booked, "reschedule", json!({ "slot_id": slots[5] }))] {
        act(program, id, action, body.clone()).await.expect_problem(409, "consent_ended");
        act(agency, id, action, body).await.expect(200);
    }

    // In a referral that asks another: the performer still sees the person, whoever gives the service does not.
    let other = town.patient().await;
    let lunch = service(agency).await;
    let mut lunches = Vec::new();
    for hour in [10, 11, 12] {
        let times = (format!("2026-03-11T{hour}:00:00Z"), format!("2026-03-11T{hour}:30:00Z"));
        let slot = json!({ "service_id": lunch, "starts_at": times.0, "ends_at": times.1, "places": 2 });
        lunches.push(agency.post("/v1/slots", slot).await.id());
    }
    let mut referral = town.navigation(&other);
    referral["service_id"] = json!(lunch);
    let referral = clinic.post("/v1/referrals", referral).await.id();
    step(program, &referral, json!({ "status": "accepted" })).await.expect(201);
    crate::screenings::consent(clinic, &other, agency, &["summary"]).await;
    let body = |slot: usize| json!({ "patient_id": other, "referral_id": referral, "slot_id": lunches[slot] });
    let held = program.post(&format!("{PATH}?hold_minutes=30"), body(0)).await.id();
    let booked = program.post(PATH, body(1)).await.id();
    withdraw(clinic, &other, agency).await;
    for caller in [clinic, program, agency] {
        act(caller, &held, "confirm", json!({})).await.expect_problem(409, "consent_ended");
        act(caller, &booked, "reschedule", json!({ "slot_id": lunches[2] })).await.expect_problem(409, "consent_ended");
    }
    crate::screenings::consent(clinic, &other, agency, &["summary"]).await;
    act(program, &held, "confirm", json!({})).await.expect(200);
    act(program, &booked, "reschedule", json!({ "slot_id": lunches[2] })).await.expect(200);
});
