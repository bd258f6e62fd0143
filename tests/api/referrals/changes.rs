//! What can still be changed: all of a draft, and of what was sent what the performer does not rely on.

use serde_json::{Value, json};

use super::{Town, fault, ids, path, step};
use crate::client::Caller;

on_both!(what_was_sent_stays_what_it_was_and_only_a_draft_is_deleted, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await;
    draft.expect(201);
    town.clinic.patch(&path(&draft.id()), 1, json!({ "priority": "urgent" })).await.expect(200);
    town.clinic.delete(&path(&draft.id()), 2).await.expect(204);
    town.clinic.get(&path(&draft.id())).await.expect_problem(410, "gone");
    step(&town.clinic, &draft.id(), json!({ "status": "requested" })).await.expect_problem(410, "gone");

    let id = town.sent(&patient).await;
    town.clinic.delete(&path(&id), 1).await.expect_problem(409, "not_a_draft");
    let moved = json!({ "performer_organization_id": town.agency.organization_id });
    town.clinic.patch(&path(&id), 1, moved).await.expect_problem(409, "referral_sent");
    town.program.patch(&path(&id), 1, json!({ "priority": "asap" })).await.expect_problem(403, "forbidden");
    town.clinic.patch(&path(&id), 1, json!({ "priority": "asap" })).await.expect(200);
    town.clinic.put_any(&path(&id), town.navigation(&patient)).await.expect_problem(428, "precondition_required");
    let versions = async |caller: &Caller, id: &str| {
        let history = caller.get(&format!("{}/history", path(id))).await.expect(200);
        history["items"].as_array().unwrap().iter().map(|item| item["version"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(versions(&town.program, &id).await, [1, 2], "sent at once, it never was a draft");
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await;
    draft.expect(201);
    step(&town.clinic, &draft.id(), json!({ "status": "requested" })).await.expect(201);
    assert_eq!(versions(&town.clinic, &draft.id()).await, [1, 2]);
    assert_eq!(versions(&town.program, &draft.id()).await, [2], "what it was before it was sent is its writer's alone");
});

on_both!(a_draft_that_is_called_off_was_never_shown_to_anybody, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    step(&town.clinic, &draft, json!({ "status": "cancelled", "reason": { "code": "person_declined" } })).await.expect(201);
    town.program.get(&path(&draft)).await.expect_problem(404, "not_found");
    assert_eq!(ids(&town.program.get("/v1/referrals?box=received").await.expect(200)), Vec::<&str>::new());
    assert_eq!(ids(&town.program.get("/v1/referrals").await.expect(200)), Vec::<&str>::new());
    town.app.is_readable().await;
    let told = town.program.get("/v1/changes?resource_type=referral&resource_type=referral_transition").await.expect(200);
    assert_eq!(told["items"], json!([]));
});

on_both!(replacing_what_was_sent_undoes_nothing_that_others_said, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let worker = town.program.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await.id();
    let id = town.sent(&patient).await;
    let assigned = json!({ "status": "received", "performer_practitioner_id": worker, "support_intensity": "ongoing" });
    step(&town.program, &id, assigned).await.expect(201);
    let mut again = town.navigation(&patient);
    again["priority"] = json!("urgent");
    let replaced = town.clinic.put(&path(&id), 2, again.clone()).await.expect(200);
    assert_eq!((&replaced["decide_by"], &replaced["due_on"]), (&json!("2026-03-09"), &json!("2026-03-09")));
    assert_eq!((&replaced["performer_practitioner_id"], &replaced["support_intensity"]), (&json!(worker), &json!("ongoing")));
    again["support_intensity"] = json!("brief");
    town.clinic.put(&path(&id), 3, again).await.expect_problem(409, "referral_sent");
    let sooner = town.clinic.patch(&path(&id), 3, json!({ "decide_by": "2026-03-05" })).await.expect(200);
    assert_eq!(sooner["due_on"], "2026-03-05");
});

on_both!(null_clears_what_the_requester_may_change_and_is_refused_where_it_may_not, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let worker = town.program.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await.id();
    let id = town.sent(&patient).await;
    town.clinic.patch(&path(&id), 1, json!({ "support_intensity": null, "performer_practitioner_id": null })).await.expect(200);
    let assigned = json!({ "status": "received", "performer_practitioner_id": worker, "support_intensity": "ongoing" });
    step(&town.program, &id, assigned).await.expect(201);
    for cleared in [json!({ "performer_practitioner_id": null }), json!({ "support_intensity": null })] {
        town.clinic.patch(&path(&id), 3, cleared).await.expect_problem(409, "referral_sent");
    }
    let nobody = town.clinic.patch(&path(&id), 3, json!({ "performer_organization_id": null })).await;
    assert_eq!(nobody.faults(422), fault("/performer_organization_id", "required"));
    let cleared = town.clinic.patch(&path(&id), 3, json!({ "decide_by": null, "first_contact_by": null })).await.expect(200);
    assert_eq!(["decide_by", "first_contact_by", "due_on"].map(|field| cleared[field].clone()), [Value::Null, Value::Null, Value::Null]);
    assert_eq!(cleared["acknowledge_by"], "2026-03-04", "what is not named stays");
    assert_eq!((&cleared["performer_practitioner_id"], &cleared["support_intensity"]), (&json!(worker), &json!("ongoing")));
});

on_both!(a_draft_that_asks_nobody_else_any_more_asks_whoever_gives_its_service, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let service = json!({ "name": "Lunch", "provider_id": town.agency.organization_id });
    let service = town.agency.post("/v1/services", service).await.id();
    let body = json!({
        "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
        "performer_organization_id": town.program.organization_id, "consent": { "form": "verbal" },
    });
    let draft = town.clinic.post("/v1/referrals?draft=true", body).await;
    assert_eq!(draft.expect(201)["performer_organization_id"], json!(town.program.organization_id));
    let path = path(&draft.id());
    let cleared = town.clinic.patch(&path, 1, json!({ "performer_organization_id": null })).await.expect(200);
    assert_eq!(cleared["performer_organization_id"], json!(town.agency.organization_id));
    assert_eq!(cleared["consent"], Value::Null, "what they agreed to of one says nothing of another");
    let sent = json!({ "status": "requested", "consent": { "form": "verbal" } });
    step(&town.clinic, &draft.id(), sent).await.expect(201);
    town.clinic.patch(&path, 3, json!({ "performer_organization_id": null })).await.expect_problem(409, "referral_sent");
});

on_both!(a_referral_never_goes_on_from_itself, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let first = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    let own = town.clinic.patch(&path(&first), 1, json!({ "parent_id": first })).await;
    assert_eq!(own.faults(422), fault("/parent_id", "not_allowed"));
    let mut onward = town.navigation(&patient);
    onward["parent_id"] = json!(first);
    let second = town.clinic.post("/v1/referrals?draft=true", onward).await.id();
    let round = town.clinic.patch(&path(&first), 1, json!({ "parent_id": second })).await;
    assert_eq!(round.faults(422), fault("/parent_id", "not_allowed"));
    let mut foreign = town.navigation(&town.patient().await);
    foreign["parent_id"] = json!(first);
    assert_eq!(town.clinic.post("/v1/referrals", foreign).await.faults(422), fault("/parent_id", "not_found"));
});

on_both!(another_service_in_a_draft_has_another_provider, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut services = Vec::new();
    for caller in [&town.agency, &town.program] {
        let service = json!({ "name": "Lunch", "provider_id": caller.organization_id });
        services.push(caller.post("/v1/services", service).await.id());
    }
    let body = json!({ "patient_id": patient, "kind": "service", "service_id": services[0], "source_type": "family_physician" });
    let draft = town.clinic.post("/v1/referrals?draft=true", body).await;
    assert_eq!(draft.expect(201)["performer_organization_id"], json!(town.agency.organization_id));
    let moved = town.clinic.patch(&path(&draft.id()), 1, json!({ "service_id": services[1] })).await.expect(200);
    assert_eq!(moved["performer_organization_id"], json!(town.program.organization_id));
});

on_both!(a_circle_of_drafts_that_is_there_is_told_and_holds_up_nobody, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let mut drafts = Vec::new();
    for _ in 0..3 {
        drafts.push(town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id());
    }
    town.clinic.patch(&path(&drafts[1]), 1, json!({ "parent_id": drafts[0] })).await.expect(200);
    let (first, second) = (drafts[0].clone(), drafts[1].clone());
    let circle = format!("UPDATE referrals SET parent_id = '{second}' WHERE id = '{first}'");
    let circle = town.app.state.db.write(move |conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query(&circle), conn)?));
    circle.await.unwrap();
    let below = path(&drafts[2]);
    let below = town.clinic.patch(&below, 1, json!({ "parent_id": second }));
    let below = tokio::time::timeout(std::time::Duration::from_secs(20), below).await.expect("nothing is held up");
    assert_eq!(below.faults(422), fault("/parent_id", "not_allowed"));
});
