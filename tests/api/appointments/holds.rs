//! Places that are held until a moment.

use actix_web::http::Method;
use chrono::Duration;
use futures_util::future::join_all;
use kith::appointments::expiry;
use kith::auth::Scopes;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{PATH, act, free, path, slot, unwell, worker};
use crate::client::{Answer, Caller, TestApp};
use crate::referrals::{Town, step};

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
    let refused = act(&town.program, &second.id(), "confirm", json!({})).await.expect_problem(409, "illegal_transition");
    assert_eq!(refused["leads_to"], json!(["attended", "no_show", "cancelled"]));

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

on_both!(a_hold_is_not_confirmed_once_its_referral_is_closed, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let id = slot(&town.program, &worker, 18, 1).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let held = json!({ "slot_id": id, "patient_id": patient, "referral_id": referral });
    let held = town.clinic.post(&format!("{PATH}?hold_minutes=10"), held).await;
    held.expect(201);
    step(&town.program, &referral, json!({ "status": "completed", "outcome": "resourced_elsewhere" })).await.expect(201);
    for caller in [&town.clinic, &town.program] {
        act(caller, &held.id(), "confirm", json!({})).await.expect_problem(409, "referral_closed");
    }
    assert_eq!(town.clinic.get(&path(&held.id())).await.expect(200)["status"], "held");
    act(&town.clinic, &held.id(), "cancel", unwell()).await.expect(200);
    assert_eq!(free(&town.program, &id).await, 1);
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
