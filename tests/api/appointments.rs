//! Appointments: what is offered, who gets a place, what becomes of it, and what follows for the referral.

use actix_web::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use kith::appointments::expiry;
use kith::auth::Scopes;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::referrals::{Town, step};

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

on_both!(openings_become_slots_once_however_often_they_are_published, |db| async move {
    let town = Town::new(db).await;
    let id = service(&town.agency).await;
    let slots = format!("/v1/services/{id}/slots");
    let mornings =
        json!({ "rrule": "FREQ=WEEKLY;BYDAY=FR,SA,SU,MO", "opens_at": "09:00", "closes_at": "10:15", "time_zone": "America/Vancouver" });
    let sunday = json!({ "rrule": "FREQ=DAILY", "kind": "closed", "valid": { "from": "2026-03-07", "until": "2026-03-07" }, "time_zone": "America/Vancouver" });
    let mut publication =
        json!({ "from": "2026-03-01", "until": "2026-03-09", "slot_minutes": 30, "places": 3, "schedules": [mornings, sunday] });
    // The first Sunday lies in the past, and so does the slot that begins at this moment.
    let published = town.agency.post(&slots, publication.clone()).await.expect(200);
    assert_eq!(published, json!({ "created": 7, "already_there": 0 }));
    let listed = town.clinic.get(&slots).await.expect(200);
    let times: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|slot| slot["starts_at"].as_str().unwrap()).collect();
    // Vancouver's clocks go forward on Sunday the 8th.
    let expected = ["02T17:30", "06T17:00", "06T17:30", "08T16:00", "08T16:30", "09T16:00", "09T16:30"];
    assert_eq!(times, expected.map(|time| format!("2026-03-{time}:00.000000Z")));
    assert!(listed["items"].as_array().unwrap().iter().all(|slot| slot["places_free"] == 3));

    let first = listed["items"][0]["id"].as_str().unwrap();
    town.agency.patch(&format!("/v1/slots/{first}"), 1, json!({ "is_closed": true })).await.expect(200);
    publication["until"] = json!("2026-03-13");
    publication["places"] = json!(5);
    let again = town.agency.post(&slots, publication.clone()).await.expect(200);
    assert_eq!(again, json!({ "created": 2, "already_there": 7 }));
    assert_eq!(free(&town.clinic, first).await, 0, "what was closed stays closed");
    let open = town.clinic.get(&format!("{slots}?free=true&until=2026-03-07T00:00:00Z")).await.expect(200);
    assert_eq!(open["items"].as_array().unwrap().len(), 2);
    let publishing = [publication.clone(), publication.clone(), publication].map(|again| town.agency.post(&slots, again));
    assert!(join_all(publishing).await.iter().all(|answer| answer.expect(200)["created"] == 0));

    let autumn = json!({ "rrule": "FREQ=DAILY", "opens_at": "00:30", "closes_at": "02:30", "time_zone": "America/Vancouver" });
    let night = json!({ "from": "2026-11-01", "until": "2026-11-01", "slot_minutes": 60, "schedules": [autumn] });
    assert_eq!(town.agency.post(&slots, night).await.expect(200)["created"], 3, "an hour comes twice");
});

on_both!(slots_are_published_by_whoever_gives_the_service, |db| async move {
    let town = Town::new(db).await;
    let id = service(&town.agency).await;
    let slots = format!("/v1/services/{id}/slots");
    let day = json!({ "from": "2026-03-10", "until": "2026-03-10", "slot_minutes": 30 });
    assert_eq!(town.agency.post(&slots, day.clone()).await.faults(422), [("/schedules".into(), "required".into())]);
    town.clinic.post(&slots, day.clone()).await.expect_problem(403, "forbidden");
    let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=TU", "opens_at": "10:00", "closes_at": "12:00", "time_zone": "America/Vancouver" }]);
    town.agency.patch(&format!("/v1/services/{id}"), 1, json!({ "schedules": hours })).await.expect(200);
    assert_eq!(town.agency.post(&slots, day.clone()).await.expect(200)["created"], 4, "the service's own hours are taken");
    let mut bad = json!({ "from": "2026-03-10", "until": "2026-03-09", "slot_minutes": 30 });
    assert_eq!(town.agency.post(&slots, bad.clone()).await.faults(422), [("/until".into(), "out_of_range".into())]);
    bad["until"] = json!("2026-03-10");
    bad["schedules"] = json!([{ "rrule": "FREQ=HOURLY", "time_zone": "Mars/Base" }]);
    let faults = town.agency.post(&slots, bad).await.faults(422);
    assert_eq!(faults.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(), ["/schedules/0/rrule", "/schedules/0/time_zone"]);

    let worker = worker(&town.program).await;
    let of_worker = format!("/v1/practitioners/{worker}/slots");
    assert_eq!(town.program.post(&of_worker, day.clone()).await.faults(422), [("/schedules".into(), "required".into())]);
    let mut with_hours = day.clone();
    with_hours["schedules"] = hours;
    assert_eq!(town.program.post(&of_worker, with_hours.clone()).await.expect(200)["created"], 4);
    town.agency.post(&of_worker, with_hours.clone()).await.expect_problem(403, "forbidden");
    with_hours["practitioner_id"] = json!(worker);
    assert_eq!(town.agency.post(&slots, with_hours).await.faults(422), [("/practitioner_id".into(), "not_found".into())]);
    town.program.post("/v1/practitioners/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10/slots", day).await.expect_problem(404, "not_found");
    let nobodys = json!({ "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:00:00Z" });
    assert_eq!(town.program.post("/v1/slots", nobodys).await.faults(422), [("/service_id".into(), "required".into())]);
});

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

on_both!(a_hold_keeps_a_place_until_its_moment_and_then_gives_it_back_by_itself, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 18, 1).await;
    let patients = [town.patient().await, town.patient().await];
    town.grant(&patients[0]).await;
    town.grant(&patients[1]).await;
    let book = |patient: &str, query: &str| {
        let (path, body) = (format!("{PATH}{query}"), json!({ "slot_id": id, "patient_id": patient }));
        let program = &town.program;
        async move { program.post(&path, body).await }
    };
    let held = book(&patients[0], "?hold_minutes=10").await;
    assert_eq!((&held.expect(201)["status"], &held.json()["held_until"]), (&json!("held"), &json!("2026-03-02T17:10:00.000000Z")));
    book(&patients[1], "").await.expect_problem(409, "slot_full");
    book(&patients[0], "").await.expect_problem(409, "already_booked");

    let elsewhere = json!({ "slot_id": slot(&town.program, &worker, 19, 1).await, "patient_id": patients[1] });
    let mistaken = town.program.post(&format!("{PATH}?hold_minutes=1"), elsewhere).await.id();
    town.program.delete(&path(&mistaken), 1).await.expect(204);

    town.app.clock.advance(Duration::minutes(10));
    assert_eq!(free(&town.program, &id).await, 1, "nobody has written anything down");
    let seen = town.program.get(&path(&held.id())).await.expect(200);
    assert_eq!((&seen["status"], &seen["held_until"], &seen["version"]), (&json!("expired"), &json!(null), &json!(1)));
    for (status, count) in [("held", 0), ("expired", 1)] {
        let listed = town.program.get(&format!("{PATH}?status={status}")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{status}");
    }
    act(&town.program, &held.id(), "confirm", json!({})).await.expect_problem(409, "illegal_transition");
    let second = book(&patients[1], "?hold_minutes=3").await;
    second.expect(201);
    let confirmed = act(&town.program, &second.id(), "confirm", json!({ "note": "By the side door." })).await.expect(200);
    assert_eq!((&confirmed["status"], &confirmed["note"]), (&json!("booked"), &json!("By the side door.")));
    act(&town.program, &second.id(), "confirm", json!({})).await.expect_problem(409, "illegal_transition");

    // Two processes write it down at once; it is told once.
    let (one, two) = (expiry::expire(&town.app.state), expiry::expire(&town.app.state));
    let (one, two) = futures_util::future::join(one, two).await;
    one.and(two).unwrap();
    let history = town.program.get(&format!("{}/history", path(&held.id()))).await.expect(200);
    let told: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|entry| &entry["resource"]["status"]).collect();
    assert_eq!(told, ["held", "expired"]);
    assert_eq!(history["items"][1]["client_id"], json!(null), "nobody did it");
    let history = town.program.get(&format!("{}/history", path(&mistaken))).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().last().unwrap()["action"], "deleted", "what was deleted does not run out");
    town.app.clock.advance(Duration::minutes(4));
    expiry::expire(&town.app.state).await.unwrap();
    assert_eq!(town.program.get(&path(&second.id())).await.expect(200)["status"], "booked", "what is booked does not run out");
});

on_both!(a_place_that_is_held_no_longer_when_it_is_confirmed_is_not_given_twice, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let patients = [town.patient().await, town.patient().await];
    town.grant(&patients[0]).await;
    town.grant(&patients[1]).await;
    let hold = |slot: &str| {
        let (program, held) = (town.program.clone(), json!({ "slot_id": slot, "patient_id": patients[0] }));
        async move { program.post(&format!("{PATH}?hold_minutes=5"), held).await.id() }
    };

    // The head of the request comes while the place is held, its body when somebody else has it.
    let id = slot(&town.program, &worker, 18, 1).await;
    let held = hold(&id).await;
    town.app.clock.advance(Duration::seconds(299));
    let (app, program, other) = (town.app.clone(), town.program.clone(), json!({ "slot_id": id, "patient_id": patients[1] }));
    let body = async move {
        app.clock.advance(Duration::seconds(1));
        program.post(PATH, other).await.expect(201);
        json!({})
    };
    let confirmation = town.program.request(Method::POST, &format!("{}/confirm", path(&held)));
    town.app.send_late(confirmation, body).await.expect_problem(409, "illegal_transition");
    let booked = town.program.get(&format!("{PATH}?slot_id={id}&status=booked")).await.expect(200);
    assert_eq!(booked["items"].as_array().unwrap().len(), 1);

    // By the clock of the server that gives it away it is held no longer; by the other's it still is.
    let id = slot(&town.program, &worker, 19, 1).await;
    let held = hold(&id).await;
    let now = town.app.clock.now();
    town.app.clock.set(now.plus(Duration::minutes(5)));
    town.program.post(PATH, json!({ "slot_id": id, "patient_id": patients[1] })).await.expect(201);
    town.app.clock.set(now.plus(Duration::minutes(4)));
    act(&town.program, &held, "confirm", json!({})).await.expect_problem(409, "slot_full");
});

on_both!(a_client_and_a_patient_hold_so_many_places_at_once_and_no_more, |db| async move {
    let app = TestApp::with(db, &["--holds-per-client=5"]).await;
    let program = app.tenant("Alder Valley Link Workers", OrganizationKind::Program).await;
    let other = app.client(program.organization_id, Scopes::all_but_admin()).await;
    let worker = worker(&program).await;
    let mut slots = Vec::new();
    for hour in 10..18 {
        slots.push(slot(&program, &worker, hour, 10).await);
    }
    let mut patients = Vec::new();
    for number in 0..4 {
        patients.push(program.post("/v1/patients", json!({ "names": [{ "family": format!("Nobody {number}") }] })).await.id());
    }
    let hold = |client: &Caller, slot: usize, patient: usize| {
        let (client, body) = (client.clone(), json!({ "slot_id": slots[slot], "patient_id": patients[patient] }));
        async move { client.post(&format!("{PATH}?hold_minutes=10"), body).await }
    };
    let held = |answers: &[Answer]| answers.iter().filter(|answer| answer.status == 201).map(Answer::id).collect::<Vec<_>>();
    // All at once, by two clients: three for the patient.
    let answers = join_all((0..8).map(|slot| hold(if slot % 2 == 0 { &program } else { &other }, slot, 0))).await;
    let first = held(&answers);
    assert_eq!(first.len(), 3);
    let refused = answers.iter().find(|answer| answer.status != 201).unwrap();
    refused.expect_problem(409, "too_many_holds_for_patient");
    for id in &first {
        act(&program, id, "confirm", json!({})).await.expect(200);
    }
    // What is booked is held no more: five for the client, and others for another one.
    let answers = join_all((0..8).map(|number| hold(&program, number, 1 + number % 3))).await;
    let second = held(&answers);
    assert_eq!(second.len(), 5);
    answers.iter().find(|answer| answer.status != 201).unwrap().expect_problem(409, "too_many_holds");
    hold(&other, 6, 3).await.expect(201);
    program.post(PATH, json!({ "slot_id": slots[7], "patient_id": patients[3] })).await.expect(201);
    act(&program, &second[0], "cancel", unwell()).await.expect(200);
    hold(&program, 0, 1).await.expect(201);
    hold(&program, 1, 1).await.expect_problem(409, "too_many_holds");
    app.clock.advance(Duration::minutes(10));
    hold(&program, 1, 1).await.expect(201);
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
    act(&town.program, &made[0], "cancel", unwell()).await.expect_problem(409, "illegal_transition");
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

on_both!(a_calendar_says_when_and_where_and_not_who, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let times = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:30:00Z",
        "location": "Salle Émilie-Carr, 2e étage; à côté de la bibliothèque, entrée par la cour\nSonnez" });
    let id = town.program.post("/v1/slots", times).await.id();
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let body = json!({ "slot_id": id, "patient_id": patient, "referral_id": referral, "note": "Has a black dog." });
    let made = town.clinic.post(PATH, body).await;
    made.expect(201);
    let file = || async {
        let answer = town.clinic.get(&format!("{}/calendar", path(&made.id()))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/calendar; charset=utf-8"));
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"appointment.ics\""));
        let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
        assert!(text.ends_with("END:VCALENDAR\r\n") && text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
        // Unfolded (RFC 5545 §3.1).
        text.replace("\r\n ", "")
    };
    let text = file().await;
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "METHOD:PUBLISH",
        &format!("UID:appointment-{}@kith", made.id()),
        "DTSTAMP:20260302T170000Z",
        "DTSTART:20260310T170000Z",
        "DTEND:20260310T173000Z",
        "SEQUENCE:0",
        "STATUS:CONFIRMED",
        "CLASS:PRIVATE",
        "SUMMARY:Appointment",
        "LOCATION:Salle Émilie-Carr\\, 2e étage\\; à côté de la bibliothèque\\, entrée par la cour\\nSonnez",
    ] {
        assert!(text.split("\r\n").any(|given| given == line), "{line} is not in {text}");
    }
    for word in ["Tremblay", "Anaïs", "dog", &patient, &referral] {
        assert!(!text.contains(word), "{word}");
    }
    act(&town.clinic, &made.id(), "cancel", unwell()).await.expect(200);
    let text = file().await;
    assert!(text.contains("SEQUENCE:1\r\n") && text.contains("STATUS:CANCELLED\r\n"), "{text}");
    town.agency.get(&format!("{}/calendar", path(&made.id()))).await.expect_problem(404, "not_found");
});

on_both!(a_key_makes_a_booking_once, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 17, 5).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    let body = json!({ "slot_id": id, "patient_id": patient });
    let first = town.program.post_once(PATH, "one", body.clone()).await;
    first.expect(201);
    assert_eq!(town.program.post_once(PATH, "one", body).await.bytes, first.bytes);
    assert_eq!(free(&town.program, &id).await, 4);
});

on_both!(a_booking_system_keeps_slots_and_appointments_in_step_by_its_own_keys, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let key = |value: &str| json!([{ "system": "urn:diary", "value": value }]);
    let slot = |key: &Value, hour: u8, places: u32| {
        json!({ "practitioner_id": worker, "starts_at": format!("2026-03-10T{hour}:00:00Z"), "ends_at": format!("2026-03-10T{hour}:30:00Z"),
            "places": places, "identifiers": key })
    };
    let sync = "/v1/slots/by-identifier?system=urn:diary&value=s1";
    let made = town.program.put_any(sync, slot(&key("s1"), 17, 1)).await;
    assert_eq!((&made.expect(201)["identifiers"], &made.json()["places_free"]), (&key("s1"), &json!(1)));
    let moved = town.program.put_any(sync, slot(&key("s1"), 18, 2)).await;
    assert_eq!((&moved.expect(200)["starts_at"], &moved.json()["version"]), (&json!("2026-03-10T18:00:00.000000Z"), &json!(2)));
    assert_eq!(moved.id(), made.id());
    town.program.post("/v1/slots", slot(&key("s1"), 19, 1)).await.expect_problem(409, "duplicate");
    let faults = town.program.put_any(sync, slot(&key("s2"), 19, 1)).await.faults(422);
    assert_eq!(faults, [("/identifiers".into(), "missing_identifier".into())]);

    let patient = town.patient().await;
    town.grant(&patient).await;
    let sync_booking = format!("{PATH}/by-identifier?system=urn:diary&value=b1");
    let booking = |note: &str| json!({ "slot_id": made.id(), "patient_id": patient, "note": note, "identifiers": key("b1") });
    let booked = town.program.put_any(&sync_booking, booking("First.")).await;
    assert_eq!(booked.expect(201)["status"], "booked");
    let noted = town.program.put_any(&sync_booking, booking("Second.")).await;
    assert_eq!((&noted.expect(200)["note"], noted.id()), (&json!("Second."), booked.id()));
    assert_eq!(free(&town.program, &made.id()).await, 1);
    town.program.put_any(sync, slot(&key("s1"), 20, 2)).await.expect_problem(409, "slot_in_use");
    let cancelled = act(&town.program, &booked.id(), "cancel", unwell()).await;
    assert_eq!(cancelled.expect(200)["identifiers"], key("b1"));
    town.program.put_any(&sync_booking, booking("Third.")).await.expect_problem(409, "appointment_closed");

    town.program.delete(&format!("/v1/slots/{}", made.id()), 2).await.expect(204);
    let anew = town.program.put_any(sync, slot(&key("s1"), 17, 1)).await;
    anew.expect(201);
    assert_ne!(anew.id(), made.id());
});

on_both!(the_keys_of_an_appointment_are_those_of_whoever_made_it, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 17, 5).await;
    let patients = [town.patient().await, town.patient().await];
    let key = |value: &str| json!([{ "system": "urn:emr", "value": value }]);
    let mut made = Vec::new();
    for (patient, value) in patients.iter().zip(["a1", "a2"]) {
        town.grant(patient).await;
        let body = json!({ "slot_id": id, "patient_id": patient, "identifiers": key(value) });
        made.push(town.clinic.post(PATH, body).await.id());
    }
    let fault = [("/identifiers".into(), "not_allowed".into())];
    for keys in [json!([]), key("a2"), key("a3")] {
        let changed = town.program.patch(&path(&made[0]), 1, json!({ "identifiers": keys })).await;
        assert_eq!(changed.faults(422), fault, "whether the clinic has it is not told");
    }
    let noted = json!({ "slot_id": id, "patient_id": patients[0], "identifiers": key("a1"), "note": "Ground floor." });
    town.program.put(&path(&made[0]), 1, noted.clone()).await.expect(200);
    let sync = town.clinic.put_any(&format!("{PATH}/by-identifier?system=urn:emr&value=a1"), noted).await;
    sync.expect(200);
    assert_eq!(sync.id(), made[0]);
});

on_both!(a_calendar_follows_a_practitioner_by_a_link_until_it_is_revoked, |db| async move {
    let mut town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let slots = [slot(&town.program, &worker, 17, 1).await, slot(&town.program, &worker, 18, 1).await];
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let mut made = Vec::new();
    for slot in &slots {
        let body = json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral, "note": "Has a black dog." });
        made.push(town.clinic.post(PATH, body).await.id());
    }
    act(&town.clinic, &made[0], "cancel", unwell()).await.expect(200);
    let links = format!("/v1/practitioners/{worker}/calendar-links");
    town.clinic.post(&links, json!({})).await.expect_problem(403, "forbidden");
    let link = town.program.post(&links, json!({ "recipient": "Harpreet's phone", "valid_days": 2 })).await.expect(201);
    let url = link["url"].as_str().unwrap();
    let read = || async { town.app.send(actix_web::test::TestRequest::default().uri(url)).await };
    let feed = read().await;
    assert_eq!((feed.status, feed.header("content-type")), (200, Some("text/calendar; charset=utf-8")));
    let text = String::from_utf8(feed.bytes.to_vec()).unwrap();
    for (id, status) in made.iter().zip(["CANCELLED", "CONFIRMED"]) {
        let event = text.split("BEGIN:VEVENT").find(|event| event.contains(&format!("UID:appointment-{id}@kith"))).unwrap();
        assert!(event.contains(&format!("STATUS:{status}\r\n")) && event.contains("LOCATION:Room 2\r\n"), "{event}");
    }
    for word in ["Tremblay", "Anaïs", "dog", &patient, &referral] {
        assert!(!text.contains(word), "{word}");
    }
    let listed = town.program.get(&links).await.expect(200);
    assert_eq!(listed["items"][0]["recipient"], "Harpreet's phone");
    assert!(listed["items"][0].get("url").is_none());
    town.program.app.send(town.program.request(actix_web::http::Method::DELETE, &links)).await.expect(204);
    read().await.expect_problem(401, "unauthenticated");

    let service = service(&town.program).await;
    let link = town.program.post(&format!("/v1/services/{service}/calendar-links"), json!({})).await.expect(201);
    let empty = town.app.send(actix_web::test::TestRequest::default().uri(link["url"].as_str().unwrap())).await;
    assert!(empty.status == 200 && !String::from_utf8_lossy(&empty.bytes).contains("VEVENT"));
    let short = town.program.post(&links, json!({ "valid_days": 1 })).await.expect(201);
    let short = short["url"].as_str().unwrap().to_owned();
    let changed = short.replace("/calendars/", "/r/");
    assert_eq!(town.app.send(actix_web::test::TestRequest::default().uri(&changed)).await.status, 404, "it is for one purpose");
    town.app.clock.advance(Duration::days(1));
    town.program.renew().await;
    town.app.send(actix_web::test::TestRequest::default().uri(&short)).await.expect_problem(401, "unauthenticated");
});
