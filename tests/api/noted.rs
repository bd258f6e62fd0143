//! What is noted of a person inside a referral, as those read it whom the person lets in and those whom they have shut out.

use chrono::Duration;
use serde_json::{Value, json};

use crate::bulk::exported;
use crate::client::Caller;
use crate::consent_ends::{consent, give, withdraw_all};
use crate::referrals::{Town, step};

const WORDS: &str = "Afraid of the worker.";

/// What somebody reads of follow-ups, of attempts and of appointments, by every way of reading them.
async fn readings(caller: &Caller, follow_up: &str, appointment: Option<&str>) -> Vec<(String, String)> {
    caller.app.is_readable().await;
    let mut paths = vec!["/v1/follow-ups".to_owned(), "/v1/changes?resource_type=follow_up&limit=200".to_owned()];
    paths.extend(["", "/history", "/attempts"].map(|rest| format!("/v1/follow-ups/{follow_up}{rest}")));
    paths.push("/v1/changes?resource_type=contact_attempt&limit=200".to_owned());
    let mut readings = read(caller, paths, "follow_up").await;
    if let Some(appointment) = appointment {
        readings.extend(of_appointment(caller, appointment).await);
    }
    readings
}

/// The same of one appointment.
async fn of_appointment(caller: &Caller, id: &str) -> Vec<(String, String)> {
    caller.app.is_readable().await;
    let mut paths: Vec<String> = ["/v1/appointments", "/v1/changes?resource_type=appointment&limit=200"].map(str::to_owned).into();
    paths.extend(["", "/history"].map(|rest| format!("/v1/appointments/{id}{rest}")));
    read(caller, paths, "appointment").await
}

/// What somebody reads at these paths, and in an export of this kind.
async fn read(caller: &Caller, paths: Vec<String>, kind: &str) -> Vec<(String, String)> {
    let mut readings = Vec::new();
    for path in paths {
        let read = caller.get(&path).await.expect(200);
        readings.push((path, read.to_string()));
    }
    let lines = exported(caller).await;
    let of_kind = lines.iter().filter(|line| line["type"] == kind).map(Value::to_string);
    readings.push((format!("the export of each {kind}"), of_kind.collect()));
    readings
}

#[track_caller]
fn all_tell(readings: &[(String, String)], tell: bool, why: &str) {
    all_say(readings, WORDS, tell, why);
}

#[track_caller]
fn all_say(readings: &[(String, String)], words: &str, say: bool, why: &str) {
    for (path, read) in readings {
        assert_eq!(read.contains(words), say, "{why}: {path}: {read}");
    }
}

/// A follow-up in a referral, in which all is noted that can be: before, in a try, and as a result. Another one is cancelled in words.
async fn noted(by: &Caller, patient: &str, referral: &str) -> String {
    let check_in = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10", "note": WORDS });
    let id = by.make("/v1/follow-ups", check_in.clone()).await;
    by.make(&format!("/v1/follow-ups/{id}/attempts"), json!({ "mode": "phone", "outcome": "no_answer", "note": WORDS })).await;
    let heard = json!({ "change": "worse", "barriers": ["fear_stigma"], "next_step": WORDS, "note": WORDS });
    by.post(&format!("/v1/follow-ups/{id}/complete"), heard).await.expect(200);
    let other = by.make("/v1/follow-ups", check_in).await;
    by.post(&format!("/v1/follow-ups/{other}/cancel"), json!({ "code": "other", "text": WORDS })).await.expect(200);
    id
}

on_both!(what_is_noted_in_a_referral_is_read_by_whom_the_person_lets_in, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let worker = town.program.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let slot = json!({ "practitioner_id": worker, "starts_at": "2026-03-02T18:00:00Z", "ends_at": "2026-03-02T18:30:00Z" });
    let slot = town.program.make("/v1/slots", slot).await;
    let booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": referral });
    let appointment = town.clinic.make("/v1/appointments", booking.clone()).await;
    let place = format!("/v1/appointments/{appointment}");
    withdraw_all(&town, &patient).await;

    let follow_up = noted(&town.clinic, &patient, &referral).await;
    town.clinic.patch(&place, 1, json!({ "note": WORDS })).await.expect(200);
    let kept = town.program.patch(&place, 2, json!({ "mode": "in_person" })).await.expect(200);
    assert_eq!(kept["note"], Value::Null, "the answer to whoever changes something else tells no more");
    let kept = town.program.put(&place, 3, booking).await.expect(200);
    assert_eq!((&kept["note"], &kept["mode"]), (&Value::Null, &Value::Null), "who writes what it reads takes nothing away");
    town.app.clock.advance(Duration::hours(2));
    town.clinic.renew().await;
    town.program.renew().await;
    let concluded = town.clinic.post(&format!("{place}/conclude"), json!({ "status": "no_show", "note": WORDS })).await.expect(200);
    assert_eq!((&concluded["note"], &concluded["outcome_note"]), (&json!(WORDS), &json!(WORDS)));

    all_tell(&readings(&town.program, &follow_up, Some(&appointment)).await, false, "the program is shut out");
    all_tell(&readings(&town.clinic, &follow_up, Some(&appointment)).await, true, "the clinic wrote it");
    let read = town.program.get(&format!("/v1/follow-ups/{follow_up}")).await.expect(200);
    assert_eq!((&read["status"], &read["result"]["change"]), (&json!("completed"), &Value::Null));
    assert_eq!((&read["result"]["barriers"], &read["purpose"]), (&json!([]), &json!("check_in")));
    let read = town.program.get(&place).await.expect(200);
    assert_eq!((&read["status"], &read["starts_at"]), (&json!("no_show"), &json!("2026-03-02T18:00:00.000000Z")));

    give(&town, consent(&patient, &town.program, "referral", &["summary"])).await;
    all_tell(&readings(&town.program, &follow_up, Some(&appointment)).await, true, "it is let in again");
    town.app.clock.advance(Duration::seconds(1));
    let version = town.clinic.get(&format!("/v1/patients/{patient}")).await.expect(200)["version"].as_i64().unwrap();
    town.clinic.delete(&format!("/v1/patients/{patient}"), version).await.expect(204);
    all_tell(&readings(&town.program, &follow_up, Some(&appointment)).await, false, "nobody sees who was deleted");
});

on_both!(whoever_referred_reads_what_the_performer_notes_while_the_person_lets_it_in, |db| async move {
    let town = Town::new(db).await;
    let onward = |patient: &str, more: Value| {
        let mut body = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
            "source_type": "link_worker" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let patient = town.patient().await;
    give(&town, consent(&patient, &town.program, "care_coordination", &["referrals"])).await;
    let sent = town.program.make("/v1/referrals", onward(&patient, json!({ "consent": { "form": "verbal" } }))).await;
    step(&town.agency, &sent, json!({ "status": "accepted" })).await.expect(201);
    let follow_up = noted(&town.agency, &patient, &sent).await;
    all_tell(&readings(&town.program, &follow_up, None).await, true, "the program takes part in the care");
    withdraw_all(&town, &patient).await;
    all_tell(&readings(&town.program, &follow_up, None).await, false, "it does so no more");
    all_tell(&readings(&town.agency, &follow_up, None).await, true, "what one has noted oneself");

    // Whoever was asked to help and asks another one is let in by the consent to the first referral.
    let other = town.patient().await;
    let first = town.accepted(&other).await;
    give(&town, consent(&other, &town.agency, "referral", &["summary"])).await;
    let sent = town.program.make("/v1/referrals", onward(&other, json!({ "parent_id": first }))).await;
    step(&town.agency, &sent, json!({ "status": "accepted" })).await.expect(201);
    let follow_up = noted(&town.agency, &other, &sent).await;
    let attempts = format!("/v1/follow-ups/{follow_up}/attempts");
    assert_eq!(town.program.get(&attempts).await.expect(200)["items"][0]["note"], WORDS);
    withdraw_all(&town, &other).await;
    assert_eq!(town.program.get(&attempts).await.expect(200)["items"][0]["note"], Value::Null);
});

/// What the program books with the agency, in a referral of the patient that the agency has accepted: a place at each of these hours.
async fn bookings<const N: usize>(town: &Town, patient: &str, hours: [u8; N]) -> [Value; N] {
    give(town, consent(patient, &town.program, "care_coordination", &["referrals"])).await;
    let onward = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id,
        "source_type": "link_worker", "consent": { "form": "verbal" } });
    let sent = town.program.make("/v1/referrals", onward).await;
    step(&town.agency, &sent, json!({ "status": "accepted" })).await.expect(201);
    let worker = town.agency.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let mut bookings = hours.map(|hour| {
        let times = (format!("2026-03-02T{hour}:00:00Z"), format!("2026-03-02T{hour}:30:00Z"));
        json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 })
    });
    for booking in &mut bookings {
        let slot = town.agency.make("/v1/slots", booking.take()).await;
        *booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": sent });
    }
    bookings
}

on_both!(of_an_appointment_each_reads_what_it_wrote_and_no_more_once_it_is_shut_out, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let mut made = Vec::new();
    for mut booking in bookings(&town, &patient, [18, 19]).await {
        booking["note"] = json!("With her daughter.");
        made.push(town.program.make("/v1/appointments", booking).await);
    }
    let called_off = json!({ "by": "provider", "reason": "other", "text": WORDS });
    town.agency.post(&format!("/v1/appointments/{}/cancel", made[1]), called_off).await.expect(200);
    town.app.clock.advance(Duration::hours(2));
    for caller in [&mut town.clinic, &mut town.program, &mut town.agency] {
        caller.renew().await;
    }
    let missed = json!({ "status": "no_show", "note": WORDS });
    town.agency.post(&format!("/v1/appointments/{}/conclude", made[0]), missed).await.expect(200);

    for is_let_in in [true, false] {
        for appointment in &made {
            for (caller, words, others) in [(&town.program, "With her daughter.", WORDS), (&town.agency, WORDS, "With her daughter.")] {
                let readings = of_appointment(caller, appointment).await;
                all_say(&readings, words, true, "what it wrote itself");
                all_say(&readings, others, is_let_in, "what the other wrote");
            }
        }
        withdraw_all(&town, &patient).await;
    }
});

on_both!(a_note_of_an_appointment_is_of_whoever_wrote_it_last, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let [booked, held, other] = bookings(&town, &patient, [18, 19, 20]).await;
    let mut made = Vec::new();
    for (query, booking) in [("", &booked), ("?hold_minutes=60", &held), ("", &other)] {
        made.push(town.program.make(&format!("/v1/appointments{query}"), booking.clone()).await);
    }
    let paths: Vec<String> = made.iter().map(|id| format!("/v1/appointments/{id}")).collect();

    // The agency notes something of a person who does not let the program in, which made the appointments.
    withdraw_all(&town, &patient).await;
    give(&town, consent(&patient, &town.agency, "referral", &["summary"])).await;
    town.agency.patch(&paths[0], 1, json!({ "note": WORDS })).await.expect(200);
    town.agency.post(&format!("{}/confirm", paths[1]), json!({ "note": WORDS })).await.expect(200);
    let kept = town.program.put(&paths[0], 2, booked).await.expect(200);
    assert_eq!((&kept["note"], &kept["noted_by"]), (&Value::Null, &Value::Null), "who writes what it reads takes nothing away");
    for (id, path) in made.iter().zip(&paths).take(2) {
        all_tell(&of_appointment(&town.program, id).await, false, "the program is shut out");
        all_tell(&of_appointment(&town.agency, id).await, true, "the agency wrote it");
        assert_eq!(town.clinic.get(path).await.expect(200)["noted_by"], json!(town.agency.organization_id));
    }

    // The other way round: the agency is shut out, and writes over what the program wrote.
    withdraw_all(&town, &patient).await;
    give(&town, consent(&patient, &town.program, "care_coordination", &["referrals"])).await;
    town.program.patch(&paths[2], 1, json!({ "note": "With her daughter." })).await.expect(200);
    let kept = town.agency.patch(&paths[2], 2, json!({ "mode": "in_person", "note": null })).await.expect(200);
    assert_eq!((&kept["note"], &kept["noted_by"]), (&Value::Null, &Value::Null));
    let read = town.program.get(&paths[2]).await.expect(200);
    assert_eq!((&read["note"], &read["noted_by"]), (&json!("With her daughter."), &json!(town.program.organization_id)));
    let written = town.agency.patch(&paths[2], 3, json!({ "note": WORDS })).await.expect(200);
    assert_eq!((&written["note"], &written["noted_by"]), (&json!(WORDS), &json!(town.agency.organization_id)));
    let readings = of_appointment(&town.agency, &made[2]).await;
    all_tell(&readings, true, "the agency wrote it");
    all_say(&readings, "With her daughter.", false, "the program wrote that");
    let sent_again = town.program.patch(&paths[2], 4, json!({ "note": WORDS, "mode": null })).await.expect(200);
    assert_eq!((&sent_again["note"], &sent_again["noted_by"]), (&json!(WORDS), &json!(town.agency.organization_id)), "as it was read");
    withdraw_all(&town, &patient).await;
    all_tell(&of_appointment(&town.program, &made[2]).await, false, "the program is shut out");
    let history = town.program.get(&format!("{}/history", paths[2])).await.expect(200);
    assert!(history.to_string().contains("With her daughter."), "what it wrote itself: {history}");
});

on_both!(who_writes_the_words_that_it_does_not_read_has_written_them_itself, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let mut made = Vec::new();
    for (hold, booking) in ["", "", "?hold_minutes=60"].into_iter().zip(bookings(&town, &patient, [18, 19, 20]).await) {
        let id = town.program.make(&format!("/v1/appointments{hold}"), booking.clone()).await;
        made.push((format!("/v1/appointments/{id}"), booking));
    }
    withdraw_all(&town, &patient).await;
    give(&town, consent(&patient, &town.agency, "referral", &["summary"])).await;
    for (path, booking) in &mut made {
        town.agency.patch(path, 1, json!({ "note": WORDS })).await.expect(200);
        assert_eq!(town.program.get(path).await.expect(200)["note"], Value::Null, "the program is shut out");
        booking["note"] = json!(WORDS);
    }
    let [(patched, _), (replaced, booking), (held, _)] = made.as_slice() else { panic!("{made:?}") };
    let answers = [
        town.program.patch(patched, 2, json!({ "note": WORDS })).await,
        town.program.put(replaced, 2, booking.clone()).await,
        town.program.post(&format!("{held}/confirm"), json!({ "note": WORDS })).await,
    ];
    let program = json!(town.program.organization_id);
    for answer in answers {
        let read = answer.expect(200);
        assert_eq!((&read["note"], &read["noted_by"]), (&json!(WORDS), &program), "{read}");
    }
    let kept = town.program.patch(patched, 3, json!({ "mode": "in_person" })).await.expect(200);
    assert_eq!((&kept["note"], &kept["noted_by"]), (&json!(WORDS), &program), "it reads that, and it stays");

    town.app.clock.advance(Duration::hours(2));
    for caller in [&mut town.clinic, &mut town.program, &mut town.agency] {
        caller.renew().await;
    }
    let came = json!({ "status": "attended", "note": WORDS });
    town.agency.post(&format!("{patched}/conclude"), came).await.expect(200);
    let missed = json!({ "status": "no_show", "note": WORDS });
    let corrected = town.program.post(&format!("{patched}/conclude"), missed).await.expect(200);
    assert_eq!((&corrected["outcome_note"], &corrected["outcome_noted_by"]), (&json!(WORDS), &program));
});

on_both!(attendance_is_corrected_and_what_another_noted_of_it_unread_stays, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let [booking] = bookings(&town, &patient, [18]).await;
    let id = town.program.make("/v1/appointments", booking).await;
    let path = format!("/v1/appointments/{id}");
    town.app.clock.advance(Duration::hours(2));
    for caller in [&mut town.clinic, &mut town.program, &mut town.agency] {
        caller.renew().await;
    }
    let conclude = async |caller: &Caller, outcome: Value| caller.post(&format!("{path}/conclude"), outcome).await.expect(200);
    let told = |read: &Value| ["status", "outcome_note", "outcome_noted_by", "concluded_by"].map(|member| read[member].clone());
    let [program, agency] = [&town.program, &town.agency].map(|caller| json!(caller.organization_id));
    conclude(&town.agency, json!({ "status": "attended", "note": WORDS })).await;
    withdraw_all(&town, &patient).await;

    let corrected = conclude(&town.program, json!({ "status": "no_show" })).await;
    assert_eq!(told(&corrected), [json!("no_show"), Value::Null, Value::Null, program.clone()]);
    let read = town.agency.get(&path).await.expect(200);
    assert_eq!(told(&read), [json!("no_show"), json!(WORDS), agency, program.clone()]);
    all_tell(&of_appointment(&town.program, &id).await, false, "the program is shut out");
    all_tell(&of_appointment(&town.agency, &id).await, true, "the agency wrote it");

    conclude(&town.program, json!({ "status": "attended", "note": "Stayed for tea." })).await;
    let read = town.agency.get(&path).await.expect(200);
    assert_eq!(told(&read), [json!("attended"), Value::Null, Value::Null, program.clone()]);
    let read = town.program.get(&path).await.expect(200);
    assert_eq!(told(&read), [json!("attended"), json!("Stayed for tea."), program.clone(), program.clone()]);
    let cleared = conclude(&town.program, json!({ "status": "no_show" })).await;
    assert_eq!(told(&cleared), [json!("no_show"), Value::Null, Value::Null, program], "its own words go with what they were said of");
    assert_eq!(town.clinic.get(&path).await.expect(200)["outcome_note"], Value::Null);
});

on_both!(whom_a_patient_let_in_reads_nothing_of_them_by_that_once_they_are_deleted, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    give(&town, consent(&patient, &town.agency, "care_coordination", &["summary", "referrals", "follow_ups"])).await;
    town.clinic.make(&format!("/v1/referrals/{referral}/messages"), json!({ "text": WORDS })).await;
    let follow_up = noted(&town.program, &patient, &referral).await;
    let worker = town.program.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let slot = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T18:00:00Z", "ends_at": "2026-03-10T18:30:00Z" });
    let slot = town.program.make("/v1/slots", slot).await;
    let booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": referral, "note": WORDS });
    let appointment = town.program.make("/v1/appointments", booking).await;
    let mut paths: Vec<String> = ["", "/history", "/transitions", "/messages"].map(|rest| format!("/v1/referrals/{referral}{rest}")).into();
    paths.extend(["", "/history", "/attempts"].map(|rest| format!("/v1/follow-ups/{follow_up}{rest}")));
    paths.extend(["", "/history"].map(|rest| format!("/v1/appointments/{appointment}{rest}")));
    let kinds = ["referral", "referral_transition", "referral_message", "follow_up", "contact_attempt", "appointment"];
    let of_these = |entry: &&Value, member: &str| kinds.iter().any(|kind| entry[member] == *kind);
    let lists = ["/v1/referrals", "/v1/follow-ups", "/v1/appointments"];
    for is_deleted in [false, true] {
        town.app.is_readable().await;
        for path in &paths {
            let status = if is_deleted { 404 } else { 200 };
            assert_eq!(town.agency.get(path).await.status, status, "{path}");
            town.clinic.get(path).await.expect(200);
            town.program.get(path).await.expect(200);
        }
        for path in lists {
            let listed = town.agency.get(path).await.expect(200);
            assert_eq!(listed["items"].as_array().unwrap().is_empty(), is_deleted, "{path}");
        }
        let feed = town.agency.get("/v1/changes?limit=200").await.expect(200);
        let told = feed["items"].as_array().unwrap().iter().filter(|entry| of_these(entry, "resource_type")).count();
        let loaded = exported(&town.agency).await.iter().filter(|line| of_these(line, "type")).count();
        assert_eq!((told == 0, loaded == 0), (is_deleted, is_deleted));
        if !is_deleted {
            let version = town.clinic.get(&format!("/v1/patients/{patient}")).await.expect(200)["version"].as_i64().unwrap();
            town.clinic.delete(&format!("/v1/patients/{patient}"), version).await.expect(204);
        }
    }
});
