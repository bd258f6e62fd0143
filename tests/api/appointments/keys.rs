//! Bookings and slots under the keys of other systems.

use serde_json::{Value, json};

use super::{PATH, act, free, path, slot, unwell, worker};
use crate::referrals::Town;

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
