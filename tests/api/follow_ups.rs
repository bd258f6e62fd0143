//! Follow-ups: what is planned, what is tried, what is heard, and what follows from each.

use kith::auth::Scopes;
use kith::auth::repository::set_active;
use serde_json::{Value, json};

use crate::client::{Answer, Caller};
use crate::referrals::{Town, step};

const PATH: &str = "/v1/follow-ups";

fn path(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// Takes back every consent of the patient.
async fn withdraw_all(manager: &Caller, patient: &str) {
    let consents = manager.get(&format!("/v1/patients/{patient}/consents")).await.expect(200);
    for consent in consents["items"].as_array().unwrap().iter().filter(|consent| consent["status"] == "active") {
        manager.post(&format!("/v1/consents/{}/withdraw", id_of(consent)), json!({})).await.expect(200);
    }
}

/// The only open follow-up of a referral.
async fn open(caller: &Caller, referral: &str) -> Value {
    let page = caller.get(&format!("{PATH}?referral_id={referral}&status=open")).await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    page["items"][0].clone()
}

fn id_of(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

async fn attempt(caller: &Caller, id: &str, outcome: &str) -> Answer {
    caller.post(&format!("{}/attempts", path(id)), json!({ "mode": "phone", "outcome": outcome, "minutes": 10 })).await
}

on_both!(accepting_plans_the_first_contact_and_each_result_the_next_until_the_loop_is_closed, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    town.clinic.put_any(&format!("/v1/patients/{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
    let referral = town.accepted(&patient).await;
    let first = open(&town.program, &referral).await;
    assert_eq!(
        (&first["purpose"], &first["due_on"], &first["channel"]),
        (&json!("first_contact"), &json!("2026-03-07"), &json!("in_person"))
    );
    assert_eq!(first["organization_id"], json!(town.program.organization_id));

    let reached = attempt(&town.program, &id_of(&first), "reached").await.expect(201);
    assert_eq!(reached["follow_up"]["status"], "completed");
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200)["status"], "in_progress");
    let second = open(&town.program, &referral).await;
    assert_eq!((&second["purpose"], &second["due_on"]), (&json!("check_in"), &json!("2026-03-09")));
    assert_eq!(reached["follow_up"]["next_follow_up_id"], second["id"]);

    town.app.clock.advance(chrono::Duration::days(9));
    for caller in [&mut town.program, &mut town.clinic, &mut town.agency] {
        caller.renew().await;
    }
    let overdue = town.program.get(&format!("{PATH}?organization_id={}&overdue=true", town.program.organization_id)).await.expect(200);
    assert_eq!(overdue["items"].as_array().unwrap().len(), 1);
    let result = json!({
        "utilisation": "occasional", "attended": true, "change": "better", "need_met": "partly", "enjoyment": 4,
        "barriers": ["transport"], "new_needs": ["food-insecurity", "food-insecurity"], "next_step": "Find a ride.", "minutes": 30,
    });
    let completed = town.program.post(&format!("{}/complete", path(&id_of(&second))), result).await.expect(200);
    assert_eq!(completed["new_need_ids"].as_array().unwrap().len(), 1);
    let third = open(&town.program, &referral).await;
    assert_eq!(
        (&third["purpose"], &third["due_on"], &third["note"]),
        (&json!("barrier_review"), &json!("2026-03-18"), &json!("Find a ride."))
    );

    step(&town.program, &referral, json!({ "status": "completed", "outcome": "partly_met" })).await.expect(201);
    let third = town.clinic.get(&path(&id_of(&third))).await.expect(200);
    assert_eq!((&third["status"], &third["cancellation"]["code"]), (&json!("cancelled"), &json!("referral_closed")));
    let dose = town.program.get(&format!("/v1/referrals/{referral}/dose")).await.expect(200);
    assert_eq!((&dose["sessions"], &dose["minutes"], &dose["weeks"]), (&json!(2), &json!(40), &json!(2)));
    assert_eq!((&dose["attempts"], &dose["days_to_first_contact"]), (&json!(1), &json!(0)));
    assert_eq!(town.clinic.get(&format!("/v1/patients/{patient}/dose")).await.expect(200)["sessions"], 2);
    town.agency.get(&format!("/v1/patients/{patient}/dose")).await.expect_problem(404, "not_found");
    town.agency.get(&format!("/v1/referrals/{referral}/dose")).await.expect_problem(404, "not_found");
});

on_both!(tries_that_run_out_close_the_referral_and_the_referrer_sees_why, |db| async move {
    let town = Town::new(db).await;
    let organization = format!("/v1/organizations/{}", town.program.organization_id);
    let policies = json!({ "policies": { "contact_attempts": 2, "contact_attempt_spacing_days": 3 } });
    town.program.patch(&organization, 1, policies).await.expect(200);
    let referral = town.accepted(&town.patient().await).await;
    let first = id_of(&open(&town.program, &referral).await);
    let tried = attempt(&town.program, &first, "voicemail").await.expect(201);
    assert_eq!((&tried["follow_up"]["status"], &tried["follow_up"]["due_on"]), (&json!("open"), &json!("2026-03-05")));
    let last = attempt(&town.program, &first, "no_answer").await.expect(201);
    assert_eq!(
        (&last["follow_up"]["status"], &last["follow_up"]["cancellation"]["code"]),
        (&json!("cancelled"), &json!("unable_to_contact"))
    );
    let failed = town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200);
    assert_eq!((&failed["status"], &failed["status_reason"]["code"]), (&json!("failed"), &json!("unable_to_contact")));
    let transitions = town.clinic.get(&format!("/v1/referrals/{referral}/transitions")).await.expect(200);
    assert_eq!(transitions["items"].as_array().unwrap().last().unwrap()["reason"]["code"], "unable_to_contact");
    attempt(&town.program, &first, "reached").await.expect_problem(409, "follow_up_closed");
    let tries = town.clinic.get(&format!("{}/attempts", path(&first))).await.expect(200);
    assert_eq!(tries["items"].as_array().unwrap().len(), 2);
});

on_both!(who_is_not_reached_later_on_keeps_the_help_and_what_stands_in_the_way_is_looked_into, |db| async move {
    let town = Town::new(db).await;
    let organization = format!("/v1/organizations/{}", town.program.organization_id);
    town.program.patch(&organization, 1, json!({ "policies": { "contact_attempts": 2 } })).await.expect(200);
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    attempt(&town.program, &id_of(&open(&town.program, &referral).await), "reached").await.expect(201);
    let check_in = open(&town.program, &referral).await;
    assert_eq!(check_in["purpose"], "check_in");
    attempt(&town.program, &id_of(&check_in), "no_answer").await.expect(201);
    let given_up = attempt(&town.program, &id_of(&check_in), "voicemail").await.expect(201)["follow_up"].clone();
    assert_eq!((&given_up["status"], &given_up["cancellation"]["code"]), (&json!("cancelled"), &json!("unable_to_contact")));
    let review = open(&town.program, &referral).await;
    assert_eq!((&review["id"], &review["purpose"]), (&given_up["next_follow_up_id"], &json!("barrier_review")));
    assert_eq!((&review["due_on"], &review["note"]), (&json!("2026-03-16"), &json!("Not reached in 2 tries.")));
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200)["status"], "in_progress");

    // Nothing follows where leave was to be taken, and whoever has no referral is not lost from sight either.
    town.program.post(&format!("{}/cancel", path(&id_of(&review))), json!({ "code": "no_longer_needed" })).await.expect(200);
    let leave = json!({ "patient_id": patient, "referral_id": referral, "purpose": "closing", "due_on": "2026-03-20" });
    let leave = town.program.post(PATH, leave).await.id();
    attempt(&town.program, &leave, "no_answer").await.expect(201);
    let given_up = attempt(&town.program, &leave, "no_answer").await.expect(201)["follow_up"].clone();
    assert_eq!((&given_up["status"], &given_up["next_follow_up_id"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200)["status"], "in_progress");
    let own = town.clinic.post(PATH, json!({ "patient_id": patient, "purpose": "first_contact", "due_on": "2026-03-10" })).await.id();
    let mut last = Value::Null;
    for _ in 0..3 {
        last = attempt(&town.clinic, &own, "no_answer").await.expect(201)["follow_up"].clone();
    }
    let next = town.clinic.get(&path(last["next_follow_up_id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&next["purpose"], &next["status"]), (&json!("barrier_review"), &json!("open")));
});

on_both!(a_follow_up_is_planned_by_hand_moved_and_cancelled, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let input = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let created = town.clinic.post(PATH, input.clone()).await;
    created.expect(201);
    let moved = town.clinic.patch(&path(&created.id()), 1, json!({ "due_on": "2026-03-12", "channel": "phone" })).await.expect(200);
    assert_eq!((&moved["due_on"], &moved["version"]), (&json!("2026-03-12"), &json!(2)));
    let due = |day: &str| format!("{PATH}?due_before={day}&patient_id={patient}");
    assert_eq!(town.clinic.get(&due("2026-03-12")).await.expect(200)["items"], json!([]));
    assert_eq!(town.clinic.get(&due("2026-03-13")).await.expect(200)["items"][0]["id"], created.id());
    town.clinic.patch(&path(&created.id()), 1, json!({ "due_on": "2026-03-12" })).await.expect_problem(412, "version_mismatch");
    let other = json!({ "code": "other" });
    let cancel = format!("{}/cancel", path(&created.id()));
    assert_eq!(town.clinic.post(&cancel, other).await.faults(422), [("/text".into(), "required".into())]);
    town.clinic.post(&cancel, json!({ "code": "no_longer_needed" })).await.expect(200);
    town.clinic.post(&cancel, json!({ "code": "no_longer_needed" })).await.expect_problem(409, "follow_up_closed");
    town.clinic.patch(&path(&created.id()), 3, json!({ "due_on": "2026-03-20" })).await.expect_problem(409, "follow_up_closed");
    town.clinic.delete(&path(&created.id()), 3).await.expect_problem(409, "follow_up_in_use");
    let mistaken = town.clinic.post(PATH, input.clone()).await;
    town.clinic.delete(&path(&mistaken.id()), 1).await.expect(204);
    town.clinic.get(&path(&mistaken.id())).await.expect_problem(410, "gone");
    let mut keyed = input;
    keyed["identifiers"] = json!([{ "system": "urn:example:tasks", "value": "7" }]);
    let sync = format!("{PATH}/by-identifier?system=urn:example:tasks&value=7");
    town.clinic.put_any(&sync, keyed.clone()).await.expect(201);
    town.clinic.put_any(&sync, keyed).await.expect(200);
});

on_both!(follow_ups_are_seen_with_their_referral_or_patient_and_changed_by_their_owner, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let first = id_of(&open(&town.program, &referral).await);
    town.clinic.get(&path(&first)).await.expect(200);
    town.agency.get(&path(&first)).await.expect_problem(404, "not_found");
    attempt(&town.clinic, &first, "reached").await.expect_problem(403, "forbidden");
    attempt(&town.agency, &first, "reached").await.expect_problem(404, "not_found");
    let own = town.clinic.post(PATH, json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" })).await.id();
    town.program.get(&path(&own)).await.expect_problem(404, "not_found");
    town.grant(&patient).await;
    town.program.get(&path(&own)).await.expect(200);
    let foreign = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    assert_eq!(town.agency.post(PATH, foreign).await.faults(422), [("/patient_id".into(), "not_found".into())]);
    let hidden = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10" });
    assert_eq!(town.agency.post(PATH, hidden.clone()).await.faults(422), [("/referral_id".into(), "not_found".into())]);
    step(&town.program, &referral, json!({ "status": "rejected", "reason": { "code": "out_of_scope" } })).await.expect(201);
    assert_eq!(town.clinic.post(PATH, hidden).await.faults(422), [("/referral_id".into(), "referral_closed".into())]);
});

on_both!(what_is_heard_must_make_sense, |db| async move {
    let town = Town::new(db).await;
    let referral = town.accepted(&town.patient().await).await;
    let first = id_of(&open(&town.program, &referral).await);
    let complete = format!("{}/complete", path(&first));
    let faults = town.program.post(&complete, json!({ "enjoyment": 6, "barriers": ["weather"], "mood": 3 })).await.faults(422);
    let found: Vec<(&str, &str)> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(found, [("/barriers/0", "not_allowed"), ("/enjoyment", "out_of_range"), ("/mood", "unknown_field")]);
    let unknown = town.program.post(&complete, json!({ "new_needs": ["gold"] })).await;
    assert_eq!(unknown.faults(422), [("/new_needs/0".into(), "unknown_domain".into())]);
    let future = json!({ "mode": "phone", "outcome": "reached", "at": "2027-01-01T00:00:00Z" });
    let future = town.program.post(&format!("{}/attempts", path(&first)), future).await;
    assert_eq!(future.faults(422), [("/at".into(), "out_of_range".into())]);
    town.program.post(&complete, json!({ "next_due_on": "2026-04-01" })).await.expect(200);
    assert_eq!(open(&town.program, &referral).await["due_on"], "2026-04-01");
    town.program.post(&complete, json!({})).await.expect_problem(409, "follow_up_closed");
    town.program.get(&format!("{PATH}?due_before=soon")).await.expect_problem(400, "malformed_request");
});

on_both!(a_referral_that_goes_on_from_a_hold_has_its_first_contact_too, |db| async move {
    let town = Town::new(db).await;
    let id = town.sent(&town.patient().await).await;
    step(&town.program, &id, json!({ "status": "received" })).await.expect(201);
    step(&town.program, &id, json!({ "status": "on_hold", "reason": { "code": "missing_information" } })).await.expect(201);
    step(&town.program, &id, json!({ "status": "in_progress" })).await.expect(201);
    let first = open(&town.program, &id).await;
    assert_eq!(first["purpose"], "first_contact");
    attempt(&town.program, &id_of(&first), "reached").await.expect(201);
    step(&town.program, &id, json!({ "status": "on_hold", "reason": { "code": "no_capacity" } })).await.expect(201);
    step(&town.program, &id, json!({ "status": "in_progress" })).await.expect(201);
    assert_eq!(open(&town.program, &id).await["purpose"], "check_in", "the first contact is made once");
});

on_both!(tries_recorded_at_once_all_count, |db| async move {
    let town = Town::new(db).await;
    let referral = town.accepted(&town.patient().await).await;
    let first = id_of(&open(&town.program, &referral).await);
    let tries = (0..3).map(|_| attempt(&town.program, &first, "no_answer"));
    for answer in futures_util::future::join_all(tries).await {
        answer.expect(201);
    }
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200)["status"], "failed");
});

on_both!(no_follow_up_is_left_open_when_its_referral_is_closed_at_the_same_time, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    for _ in 0..6 {
        let referral = town.accepted(&patient).await;
        let first = id_of(&open(&town.program, &referral).await);
        let another = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10" });
        let planning = (0..3).map(|_| town.clinic.post(PATH, another.clone()));
        let closing = step(&town.program, &referral, json!({ "status": "completed", "outcome": "attended" }));
        let complete = format!("{}/complete", path(&first));
        let completing = town.program.post(&complete, json!({}));
        let (_, closed, _) = futures_util::future::join3(futures_util::future::join_all(planning), closing, completing).await;
        closed.expect(201);
        let left = town.clinic.get(&format!("{PATH}?referral_id={referral}&status=open")).await.expect(200);
        assert_eq!(left["items"], json!([]));
    }
});

on_both!(raising_a_need_does_not_tell_which_hidden_ones_there_are, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    for domain in ["intimate-partner-violence", "food-insecurity"] {
        town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": domain })).await.expect(201);
    }
    let referral = town.accepted(&patient).await;
    let first = id_of(&open(&town.program, &referral).await);
    let result = json!({ "new_needs": ["intimate-partner-violence", "food-insecurity"] });
    let completed = town.program.post(&format!("{}/complete", path(&first)), result).await.expect(200);
    assert_eq!(completed["new_need_ids"].as_array().unwrap().len(), 1, "the consent shows needs, and not the sensitive ones");
});

on_both!(needs_are_raised_while_the_patient_lets_them_be_recorded_and_not_after, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let heard = || json!({ "change": "worse", "new_needs": ["food-insecurity"] });
    let complete = |id: &str| format!("{}/complete", path(id));
    let own = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let need = json!({ "patient_id": patient, "domain": "food-insecurity" });
    let recorded = || async { town.clinic.get(&format!("/v1/patients/{patient}/needs")).await.expect(200)["items"].clone() };

    let referral = town.accepted(&patient).await;
    let first = id_of(&open(&town.program, &referral).await);
    town.grant(&patient).await;
    let planned = town.program.post(PATH, own.clone()).await.id();
    withdraw_all(&town.clinic, &patient).await;
    town.program.post("/v1/needs", need.clone()).await.expect(422);
    for id in [&first, &planned] {
        let refused = town.program.post(&complete(id), heard()).await;
        assert_eq!(refused.faults(422), [("/new_needs".into(), "not_found".into())]);
    }
    assert_eq!(recorded().await, json!([]));
    let next = town.program.post(&complete(&planned), json!({ "next_due_on": "2026-03-20" })).await;
    assert_eq!(next.faults(422), [("/next_due_on".into(), "not_found".into())]);
    let done = town.program.post(&complete(&planned), json!({ "change": "better" })).await.expect(200);
    assert_eq!((&done["status"], &done["next_follow_up_id"]), (&json!("completed"), &Value::Null));
    town.program.post(&complete(&first), json!({ "next_due_on": "2026-03-20" })).await.expect_problem(409, "consent_ended");
    let done = town.program.post(&complete(&first), json!({})).await.expect(200);
    assert_eq!(done["next_follow_up_id"], Value::Null, "the program does not see the person any more");

    // Who takes part in follow-ups alone does not record needs, and the other way round.
    let grant = |categories: Value| json!({ "patient_id": patient, "grantee_id": town.agency.organization_id, "purposes": ["care_coordination"], "categories": categories, "form": "verbal" });
    town.clinic.post("/v1/consents", grant(json!(["follow_ups"]))).await.expect(201);
    let planned = [town.agency.post(PATH, own.clone()).await.id(), town.agency.post(PATH, own).await.id()];
    town.agency.post("/v1/needs", need).await.expect_problem(403, "forbidden");
    town.agency.post(&complete(&planned[0]), heard()).await.expect_problem(403, "forbidden");
    town.agency.post(&complete(&planned[0]), json!({ "next_due_on": "2026-03-20" })).await.expect(200);
    assert_eq!(recorded().await, json!([]));
    withdraw_all(&town.clinic, &patient).await;
    town.clinic.post("/v1/consents", grant(json!(["needs"]))).await.expect(201);
    let next = town.agency.post(&complete(&planned[1]), json!({ "next_due_on": "2026-03-20" })).await;
    assert_eq!(next.faults(422), [("/next_due_on".into(), "not_permitted".into())]);
    let done = town.agency.post(&complete(&planned[1]), heard()).await.expect(200);
    assert_eq!(recorded().await[0]["id"], done["new_need_ids"][0]);
});

/// The needs that a follow-up names, as every way of reading it shows them.
async fn named(caller: &Caller, patient: &str, id: &str) -> (Vec<String>, usize) {
    caller.app.is_readable().await;
    let items = async |path: String| caller.get(&path).await.expect(200)["items"].as_array().unwrap().clone();
    let mut told = vec![caller.get(&path(id)).await.expect(200)];
    told.extend(items(PATH.to_owned()).await);
    told.extend(items(format!("{}/history", path(id))).await.into_iter().map(|item| item["resource"].clone()));
    told.extend(items("/v1/changes?resource_type=follow_up&limit=200".to_owned()).await.into_iter().map(|item| item["resource"].clone()));
    if caller.get(&format!("/v1/patients/{patient}")).await.status == 200 {
        let timeline = items(format!("/v1/patients/{patient}/timeline?type=follow_up")).await;
        told.extend(timeline.into_iter().map(|item| item["resource"].clone()));
    }
    told.retain(|told| told["id"] == id);
    told.extend(crate::bulk::exported(caller).await.into_iter().filter(|line| line["id"] == id).map(|line| line["read_only"].clone()));
    let of_it = told.iter().filter(|told| told["result"].is_object());
    let mut shown: Vec<(Vec<String>, usize)> = of_it
        .map(|told| {
            let domains = told["result"]["new_needs"].as_array().unwrap().iter().map(|domain| domain.as_str().unwrap().to_owned());
            (domains.collect(), told["new_need_ids"].as_array().unwrap().len())
        })
        .collect();
    assert!(shown.len() >= 5, "{told:#?}");
    shown.dedup();
    assert_eq!(shown.len(), 1, "{told:#?}");
    shown.remove(0)
}

on_both!(a_follow_up_names_needs_to_its_own_organization_and_to_those_who_see_them, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let grant = async |to: &Caller, categories: Value| {
        let consent = json!({ "patient_id": patient, "grantee_id": to.organization_id, "purposes": ["care_coordination"],
            "categories": categories, "form": "verbal" });
        town.clinic.post("/v1/consents", consent).await.expect(201);
    };
    let all = (vec!["intimate-partner-violence".to_owned(), "food-insecurity".to_owned()], 2);
    let heard = json!({ "new_needs": all.0 });
    grant(&town.program, json!(["needs", "follow_ups"])).await;
    let done = town.program.post(PATH, json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" })).await.id();
    let raised = town.program.post(&format!("{}/complete", path(&done)), heard.clone()).await.expect(200);
    assert_eq!(raised["new_need_ids"].as_array().unwrap().len(), 2);
    assert_eq!(named(&town.clinic, &patient, &done).await, all);
    assert_eq!(named(&town.program, &patient, &done).await, all, "what it has heard itself");
    grant(&town.agency, json!(["follow_ups"])).await;
    assert_eq!(named(&town.agency, &patient, &done).await, (vec![], 0));
    grant(&town.agency, json!(["needs"])).await;
    assert_eq!(named(&town.agency, &patient, &done).await, (vec!["food-insecurity".to_owned()], 1));
    let food = raised["new_need_ids"][1].as_str().unwrap();
    town.clinic.patch(&format!("/v1/needs/{food}"), 1, json!({ "treat_as_sensitive": true })).await.expect(200);
    assert_eq!(named(&town.agency, &patient, &done).await, (vec![], 0), "it is called sensitive now");
    grant(&town.agency, json!(["needs", "sensitive"])).await;
    assert_eq!(named(&town.agency, &patient, &done).await, all);
    withdraw_all(&town.clinic, &patient).await;
    assert_eq!(named(&town.program, &patient, &done).await, all);
    town.agency.get(&path(&done)).await.expect_problem(404, "not_found");

    // In a referral its performer sees what the consent to it covers.
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let own = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10" });
    let done = town.clinic.post(PATH, own).await.id();
    town.clinic.post(&format!("{}/complete", path(&done)), heard).await.expect(200);
    assert_eq!(named(&town.program, &patient, &done).await, (vec!["food-insecurity".to_owned()], 1));
    withdraw_all(&town.clinic, &patient).await;
    assert_eq!(named(&town.program, &patient, &done).await, (vec![], 0));
    assert_eq!(named(&town.clinic, &patient, &done).await, all);
});

on_both!(a_day_that_is_named_is_planned_whatever_else_is, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let first = id_of(&open(&town.program, &referral).await);
    let closing = json!({ "patient_id": patient, "referral_id": referral, "purpose": "closing", "due_on": "2026-03-20" });
    let closing = town.program.post(PATH, closing).await.id();
    let done = town.program.post(&format!("{}/complete", path(&first)), json!({ "next_due_on": "2026-03-12" })).await.expect(200);
    let next = town.program.get(&path(done["next_follow_up_id"].as_str().unwrap())).await.expect(200);
    assert_eq!(next["due_on"], "2026-03-12");
    let further = town.program.post(&format!("{}/complete", path(&closing)), json!({ "next_due_on": "2026-03-25" })).await;
    assert_eq!(further.faults(422), [("/next_due_on".into(), "not_allowed".into())]);
    let done = town.program.post(&format!("{}/complete", path(&closing)), json!({})).await.expect(200);
    assert_eq!(done["next_follow_up_id"], Value::Null);
});

on_both!(open_follow_ups_go_with_the_referral_to_whoever_is_assigned, |db| async move {
    let town = Town::new(db).await;
    let mut workers = Vec::new();
    for name in ["Dana", "Harpreet", "Lucie"] {
        workers.push(town.program.post("/v1/practitioners", json!({ "name": name, "roles": ["link_worker"] })).await.id());
    }
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let kept = json!({
        "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-20", "practitioner_id": workers[2],
    });
    let kept = town.program.post(PATH, kept).await.id();
    for worker in &workers[..2] {
        let assigned = json!({ "status": "accepted", "performer_practitioner_id": worker });
        step(&town.program, &referral, assigned).await.expect(201);
        let list = town.program.get(&format!("{PATH}?practitioner_id={worker}&status=open")).await.expect(200);
        assert_eq!((&list["items"][0]["purpose"], &list["items"][0]["practitioner_id"]), (&json!("first_contact"), &json!(worker)));
    }
    assert_eq!(town.program.get(&format!("{PATH}?practitioner_id={}", workers[0])).await.expect(200)["items"], json!([]));
    assert_eq!(town.program.get(&path(&kept)).await.expect(200)["practitioner_id"], json!(workers[2]));
});

on_both!(the_performer_has_its_first_contact_to_make_whatever_others_have_planned, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.sent(&patient).await;
    let own = json!({ "patient_id": patient, "referral_id": referral, "purpose": "first_contact", "due_on": "2026-03-04" });
    town.clinic.post(PATH, own).await.expect(201);
    step(&town.program, &referral, json!({ "status": "accepted" })).await.expect(201);
    let theirs = format!("{PATH}?organization_id={}", town.program.organization_id);
    let planned = town.program.get(&format!("{theirs}&status=open")).await.expect(200);
    assert_eq!((planned["items"].as_array().unwrap().len(), &planned["items"][0]["purpose"]), (1, &json!("first_contact")));
    attempt(&town.program, &id_of(&planned["items"][0]), "reached").await.expect(201);
    step(&town.program, &referral, json!({ "status": "on_hold", "reason": { "code": "no_capacity" } })).await.expect(201);
    step(&town.program, &referral, json!({ "status": "in_progress" })).await.expect(201);
    let made = town.program.get(&format!("{theirs}&purpose=first_contact")).await.expect(200);
    assert_eq!(made["items"].as_array().unwrap().len(), 1, "it is made once");
});

on_both!(a_first_contact_is_planned_once_whoever_speaks_for_the_performer, |db| async move {
    let town = Town::new(db).await;
    let mut program = town.program.clone();
    for is_reached in [true, false] {
        let patient = town.patient().await;
        let referral = town.sent(&patient).await;
        let (client, now) = (program.client_id, town.app.clock.now());
        town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
        step(&town.clinic, &referral, json!({ "status": "accepted" })).await.expect(201);
        let first = open(&town.clinic, &referral).await;
        assert_eq!((&first["purpose"], &first["organization_id"]), (&json!("first_contact"), &json!(town.clinic.organization_id)));
        if is_reached {
            attempt(&town.clinic, &id_of(&first), "reached").await.expect(201);
        }
        step(&town.clinic, &referral, json!({ "status": "on_hold", "reason": { "code": "no_capacity" } })).await.expect(201);
        program = town.app.client(town.program.organization_id, Scopes::all_but_admin()).await;
        step(&program, &referral, json!({ "status": "in_progress" })).await.expect(201);
        let made = town.clinic.get(&format!("{PATH}?referral_id={referral}&purpose=first_contact")).await.expect(200);
        let made: Vec<&Value> = made["items"].as_array().unwrap().iter().filter(|made| made["status"] != "cancelled").collect();
        let whose = if is_reached { town.clinic.organization_id } else { town.program.organization_id };
        assert_eq!((made.len(), &made[0]["organization_id"]), (1, &json!(whose)), "reached: {is_reached}: {made:?}");
    }
});

on_both!(who_was_not_reached_for_a_performer_is_reached_by_it_once_a_system_calls_for_it, |db| async move {
    let town = Town::new(db).await;
    let (client, now) = (town.program.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    let patients = [town.patient().await, town.patient().await, town.patient().await];
    let sent = [town.sent(&patients[0]).await, town.sent(&patients[1]).await, town.sent(&patients[2]).await];
    let [waiting, unseen, asked] = &sent;
    for referral in [waiting, unseen] {
        step(&town.clinic, referral, json!({ "status": "accepted" })).await.expect(201);
    }
    let theirs = open(&town.clinic, waiting).await;
    attempt(&town.clinic, &id_of(&theirs), "no_answer").await.expect(201);
    withdraw_all(&town.clinic, &patients[1]).await;
    let own = json!({ "patient_id": patients[2], "referral_id": asked, "purpose": "first_contact", "due_on": "2026-03-05" });
    let planned = town.clinic.post(PATH, own).await.id();

    town.app.state.db.write(move |conn| kith::organizations::tenants::readmit(conn, client, now)).await.unwrap();
    let cancelled = town.clinic.get(&path(&id_of(&theirs))).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["cancellation"]["code"]), (&json!("cancelled"), &json!("duplicate")));
    let worklist = town.program.get(&format!("{PATH}?organization_id={}", town.program.organization_id)).await.expect(200);
    let items = worklist["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["referral_id"], &items[0]["purpose"], &items[0]["status"]),
        (1, &json!(waiting), &json!("first_contact"), &json!("open"))
    );
    attempt(&town.program, &id_of(&items[0]), "reached").await.expect(201);
    assert_eq!(town.clinic.get(&format!("/v1/referrals/{waiting}")).await.expect(200)["status"], "in_progress");
    // What the clinic plans for itself is its own, and somebody whom the program does not see is not its to reach.
    assert_eq!(town.clinic.get(&path(&planned)).await.expect(200)["status"], "open");
    assert_eq!(open(&town.clinic, unseen).await["organization_id"], json!(town.clinic.organization_id));
});

on_both!(another_system_of_a_performer_takes_nothing_over, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let theirs = open(&town.program, &referral).await;
    town.program.delete(&path(&id_of(&theirs)), theirs["version"].as_i64().unwrap()).await.expect(204);
    let own = json!({ "patient_id": patient, "referral_id": referral, "purpose": "first_contact", "due_on": "2026-03-05" });
    let planned = town.clinic.make(PATH, own).await;
    let another = town.app.client(town.program.organization_id, Scopes::all_but_admin()).await;
    assert_eq!(town.clinic.get(&path(&planned)).await.expect(200)["status"], "open");
    let (client, now) = (another.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    town.app.state.db.write(move |conn| kith::organizations::tenants::readmit(conn, client, now)).await.unwrap();
    assert_eq!(open(&town.clinic, &referral).await["id"], json!(planned), "nor does one that calls again");
});

on_both!(nobody_is_lost_from_sight_because_a_referral_ends, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let own = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let mut within = own.clone();
    within["referral_id"] = json!(referral);
    town.clinic.post(PATH, within).await.expect(201);
    let own = town.clinic.post(PATH, own).await.id();
    let done = town.clinic.post(&format!("{}/complete", path(&own)), json!({})).await.expect(200);
    step(&town.program, &referral, json!({ "status": "rejected", "reason": { "code": "out_of_scope" } })).await.expect(201);
    let open = town.clinic.get(&format!("{PATH}?patient_id={patient}&status=open")).await.expect(200);
    let open: Vec<&Value> = open["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(open, [&done["next_follow_up_id"]]);
});

on_both!(a_follow_up_without_a_referral_goes_on_by_itself_while_the_person_is_helped, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.clinic.put_any(&format!("/v1/patients/{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
    let plan = |purpose: &str| json!({ "patient_id": patient, "purpose": purpose, "due_on": "2026-03-10", "channel": "phone" });
    let complete = async |caller: &Caller, id: &str, result: Value| {
        let done = caller.post(&format!("{}/complete", path(id)), result).await.expect(200);
        done["next_follow_up_id"].as_str().map(str::to_owned)
    };
    let first = town.clinic.post(PATH, plan("check_in")).await.id();
    let next = complete(&town.clinic, &first, json!({ "next_step": "Ask for the garden." })).await.unwrap();
    let read = town.clinic.get(&path(&next)).await.expect(200);
    assert_eq!((&read["purpose"], &read["due_on"], &read["channel"]), (&json!("check_in"), &json!("2026-03-09"), &json!("phone")));
    assert_eq!((&read["note"], &read["referral_id"]), (&json!("Ask for the garden."), &Value::Null));

    let other = town.clinic.post(PATH, plan("check_in")).await.id();
    assert_eq!(complete(&town.clinic, &other, json!({})).await, None, "something is planned for the person");
    assert!(complete(&town.clinic, &next, json!({ "need_met": "yes" })).await.is_some());
    let open = town.clinic.get(&format!("{PATH}?patient_id={patient}&status=open")).await.expect(200);
    let review = id_of(&open["items"][0]);
    assert_eq!((open["items"].as_array().unwrap().len(), &open["items"][0]["purpose"]), (1, &json!("outcome_review")));
    let leave = complete(&town.clinic, &review, json!({ "need_met": "yes" })).await.unwrap();
    assert_eq!(complete(&town.clinic, &leave, json!({})).await, None, "leave is taken");

    town.grant(&patient).await;
    let theirs = town.program.post(PATH, plan("check_in")).await.id();
    let theirs = complete(&town.program, &theirs, json!({})).await.unwrap();
    withdraw_all(&town.clinic, &patient).await;
    assert_eq!(complete(&town.program, &theirs, json!({})).await, None, "the program sees the person no more");

    let last = town.clinic.post(PATH, plan("check_in")).await.id();
    let version = town.clinic.get(&format!("/v1/patients/{patient}")).await.expect(200)["version"].as_i64().unwrap();
    town.clinic.patch(&format!("/v1/patients/{patient}"), version, json!({ "status": "inactive" })).await.expect(200);
    assert_eq!(complete(&town.clinic, &last, json!({})).await, None, "the person is not being helped");
});
