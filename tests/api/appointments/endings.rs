//! What becomes of appointments when their referral ends.

use kith::auth::repository::set_active;
use serde_json::{Value, json};

use super::{PATH, act, free, path, service, slot, unwell, worker};
use crate::client::Caller;
use crate::referrals::{Town, step};

/// A place in a slot for a referral.
async fn place(caller: &Caller, query: &str, slot: &str, (patient, referral): (&str, &str)) -> String {
    let made = caller.post(&format!("{PATH}{query}"), json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral })).await;
    made.expect(201);
    made.id()
}

on_both!(a_referral_that_comes_to_nothing_calls_off_what_is_to_come_of_it, |db| async move {
    let mut town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let mut slots = Vec::new();
    for hour in [17, 18, 19] {
        slots.push(slot(&town.program, &worker, hour, 9).await);
    }
    let why = json!({ "code": "other", "text": "The group was given up." });
    let ends = [
        (json!({ "status": "rejected", "reason": why }), "provider"),
        (json!({ "status": "failed", "reason": why }), "provider"),
        (json!({ "status": "cancelled", "reason": why }), "requester"),
        (json!({ "status": "entered_in_error" }), "requester"),
    ];
    let mut referrals = Vec::new();
    for _ in &ends {
        let patient = town.patient().await;
        let referral = town.accepted(&patient).await;
        let begun = place(&town.clinic, "", &slots[0], (&patient, &referral)).await;
        referrals.push((patient, referral, begun));
    }
    town.app.clock.set("2026-03-10T17:30:00Z".parse().unwrap());
    town.clinic.renew().await;
    town.program.renew().await;
    for ((end, by), (patient, referral, begun)) in ends.iter().zip(&referrals) {
        let booked = place(&town.clinic, "", &slots[1], (patient, referral)).await;
        let held = place(&town.program, "?hold_minutes=15", &slots[2], (patient, referral)).await;
        let ender = if *by == "provider" { &town.program } else { &town.clinic };
        step(ender, referral, end.clone()).await.expect(201);
        for id in [&booked, &held] {
            let read = town.clinic.get(&path(id)).await.expect(200);
            let called_off = json!({ "by": by, "reason": "referral_closed", "text": null });
            assert_eq!((&read["status"], &read["cancellation"]), (&json!("cancelled"), &called_off), "{end}");
            let history = town.clinic.get(&format!("{}/history", path(id))).await.expect(200);
            let last = history["items"].as_array().unwrap().last().unwrap().clone();
            assert_eq!((&last["client_id"], &last["resource"]["status"]), (&json!(ender.client_id), &json!("cancelled")), "{end}");
        }
        assert_eq!([free(&town.program, &slots[1]).await, free(&town.program, &slots[2]).await], [9, 9], "{end}");
        assert_eq!(town.clinic.get(&path(begun)).await.expect(200)["status"], "booked", "{end}: what has begun is still to be told");
        act(&town.program, begun, "conclude", json!({ "status": "no_show" })).await.expect(200);
        act(&town.program, &booked, "reschedule", json!({ "slot_id": slots[2] })).await.expect_problem(409, "appointment_closed");
    }
});

on_both!(what_was_agreed_in_a_referral_that_is_completed_stands_and_is_not_moved, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let mut slots = Vec::new();
    for hour in [17, 18, 19] {
        slots.push(slot(&town.program, &worker, hour, 1).await);
    }
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let first = place(&town.clinic, "", &slots[0], (&patient, &referral)).await;
    let second = place(&town.program, "", &slots[1], (&patient, &referral)).await;
    step(&town.program, &referral, json!({ "status": "completed", "outcome": "enrolled" })).await.expect(201);
    for caller in [&town.clinic, &town.program] {
        for id in [&first, &second] {
            assert_eq!(caller.get(&path(id)).await.expect(200)["status"], "booked");
            act(caller, id, "reschedule", json!({ "slot_id": slots[2] })).await.expect_problem(409, "referral_closed");
        }
    }
    assert_eq!(free(&town.program, &slots[2]).await, 1);
    act(&town.clinic, &first, "cancel", unwell()).await.expect(200);
    // It should never have been: nor what is still to come of it.
    step(&town.clinic, &referral, json!({ "status": "entered_in_error" })).await.expect(201);
    let reason = async |id: &str| -> Value { town.clinic.get(&path(id)).await.expect(200)["cancellation"]["reason"].clone() };
    assert_eq!((reason(&first).await, reason(&second).await), (json!("unwell"), json!("referral_closed")));
});

on_both!(whoever_was_asked_calls_off_as_the_provider_also_what_is_with_a_third, |db| async move {
    let town = Town::new(db).await;
    let lunch = service(&town.agency).await;
    let place_at = json!({ "service_id": lunch, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:30:00Z", "places": 9 });
    let lunches = town.agency.make("/v1/slots", place_at).await;
    let why = json!({ "code": "other", "text": "The group was given up." });
    for (ender, status, by) in
        [(&town.program, "rejected", "provider"), (&town.program, "cancelled", "provider"), (&town.clinic, "cancelled", "requester")]
    {
        let patient = town.patient().await;
        let mut referral = town.navigation(&patient);
        referral["service_id"] = json!(lunch);
        let referral = town.clinic.make("/v1/referrals", referral).await;
        step(&town.program, &referral, json!({ "status": "accepted" })).await.expect(201);
        crate::screenings::consent(&town.clinic, &patient, &town.agency, &["summary"]).await;
        let booked = place(&town.clinic, "", &lunches, (&patient, &referral)).await;
        step(ender, &referral, json!({ "status": status, "reason": why })).await.expect(201);
        let read = town.clinic.get(&path(&booked)).await.expect(200);
        assert_eq!(read["cancellation"]["by"], by, "{status}");
        assert_eq!(read["concluded_by"], json!(ender.organization_id));
    }
});

/// The day of an appointment with the program has come, and so has the person.
async fn comes(town: &mut Town, booked: &str) {
    town.app.clock.set("2026-03-10T18:00:00Z".parse().unwrap());
    town.clinic.renew().await;
    town.program.renew().await;
    act(&town.program, booked, "conclude", json!({ "status": "attended" })).await.expect(200);
}

on_both!(who_came_to_the_performer_was_reached_by_it_and_not_by_others, |db| async move {
    let mut town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let slot = slot(&town.program, &worker, 17, 1).await;
    let patient = town.patient().await;
    let referral = town.sent(&patient).await;
    let own = json!({ "patient_id": patient, "referral_id": referral, "purpose": "first_contact", "due_on": "2026-03-20" });
    town.clinic.make("/v1/follow-ups", own).await;
    step(&town.program, &referral, json!({ "status": "accepted" })).await.expect(201);
    let booked = place(&town.clinic, "", &slot, (&patient, &referral)).await;
    comes(&mut town, &booked).await;
    let contacts = town.clinic.get(&format!("/v1/follow-ups?referral_id={referral}&purpose=first_contact")).await.expect(200);
    let contacts = contacts["items"].as_array().unwrap();
    assert_eq!(contacts.len(), 2);
    for contact in contacts {
        let is_performers = contact["organization_id"] == json!(town.program.organization_id);
        assert_eq!(contact["status"], if is_performers { "completed" } else { "open" }, "{contact}");
    }
});

on_both!(what_the_requester_plans_for_itself_stays_where_the_performer_has_deleted_its_own, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let planned = format!("/v1/follow-ups?referral_id={referral}&purpose=first_contact");
    let theirs = town.program.get(&planned).await.expect(200)["items"][0].clone();
    let path = format!("/v1/follow-ups/{}", theirs["id"].as_str().unwrap());
    town.program.delete(&path, theirs["version"].as_i64().unwrap()).await.expect(204);
    let own = json!({ "patient_id": patient, "referral_id": referral, "purpose": "first_contact", "due_on": "2026-03-20" });
    let own = town.clinic.make("/v1/follow-ups", own).await;
    let worker = worker(&town.program).await;
    let slot = slot(&town.program, &worker, 17, 1).await;
    let booked = place(&town.program, "", &slot, (&patient, &referral)).await;
    comes(&mut town, &booked).await;
    assert_eq!(town.clinic.get(&format!("/v1/follow-ups/{own}")).await.expect(200)["status"], "open");
});

on_both!(who_came_to_a_performer_that_speaks_for_itself_is_reached_by_nobody_else_any_more, |db| async move {
    let mut town = Town::new(db).await;
    let (client, now) = (town.program.client_id, town.app.clock.now());
    let patient = town.patient().await;
    let referral = town.sent(&patient).await;
    // As it was left where nothing was taken over when a system began to call.
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    step(&town.clinic, &referral, json!({ "status": "accepted" })).await.expect(201);
    town.app.state.db.write(move |conn| set_active(conn, client, true, now)).await.unwrap();
    let worker = worker(&town.program).await;
    let slot = slot(&town.program, &worker, 17, 1).await;
    let booked = place(&town.program, "", &slot, (&patient, &referral)).await;
    comes(&mut town, &booked).await;
    let contacts = town.clinic.get(&format!("/v1/follow-ups?referral_id={referral}&purpose=first_contact")).await.expect(200);
    let contacts = contacts["items"].as_array().unwrap();
    assert_eq!(contacts.len(), 2);
    for contact in contacts {
        let is_performers = contact["organization_id"] == json!(town.program.organization_id);
        assert_eq!(contact["status"], if is_performers { "completed" } else { "cancelled" }, "{contact}");
    }
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200)["status"], "in_progress");
});
