//! Referrals: the loop from clinic to program to agency and back, and what may not happen on the way.

use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};

mod changes;
mod sight;

/// A clinic, and an agency with a service to which it refers.
pub async fn clinic_and_lunch(db: crate::harness::TestDb) -> (Caller, Caller, String) {
    let clinic = TestApp::new(db).await.clinic().await;
    let agency = clinic.app.tenant("Alder Falls Meals", OrganizationKind::Agency).await;
    let service =
        json!({ "name": "Tuesday lunch", "provider_id": agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
    let service = agency.post("/v1/services", service).await.id();
    (clinic, agency, service)
}

/// A clinic, a link-worker program and an agency.
pub struct Town {
    pub app: TestApp,
    pub clinic: Caller,
    pub program: Caller,
    pub agency: Caller,
}

impl Town {
    pub async fn new(db: crate::harness::TestDb) -> Self {
        let app = TestApp::new(db).await;
        let clinic = app.clinic().await;
        let program = app.tenant("Alder Valley Link Workers", OrganizationKind::Program).await;
        let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
        Self { app, clinic, program, agency }
    }

    /// A patient of the clinic.
    pub async fn patient(&self) -> String {
        let person = json!({
            "names": [{ "use": "official", "family": "Tremblay", "given": "Anaïs" }],
            "birth_date": "1954-03-18",
        });
        let answer = self.clinic.post("/v1/patients", person).await;
        answer.expect(201);
        answer.id()
    }

    /// A referral of the patient to the program, as the clinic writes it.
    pub fn navigation(&self, patient: &str) -> Value {
        json!({
            "patient_id": patient,
            "kind": "navigation",
            "performer_organization_id": self.program.organization_id,
            "source_type": "family_physician",
            "reason": "Lives alone since spring; would like company.",
            "plain_language_purpose": [{ "language": "en", "text": "Someone will call you this week." }],
            "chosen_by": "person",
            "consent": { "form": "verbal" },
        })
    }

    /// The same, sent.
    pub async fn sent(&self, patient: &str) -> String {
        let answer = self.clinic.post("/v1/referrals", self.navigation(patient)).await;
        answer.expect(201);
        answer.id()
    }

    /// The same, accepted by the program.
    pub async fn accepted(&self, patient: &str) -> String {
        let id = self.sent(patient).await;
        step(&self.program, &id, json!({ "status": "accepted" })).await.expect(201);
        id
    }

    /// Lets the program take part in the patient's care.
    pub async fn grant(&self, patient: &str) {
        let consent = json!({
            "patient_id": patient,
            "grantee_id": self.program.organization_id,
            "purposes": ["care_coordination"],
            "categories": ["summary", "contact", "needs", "referrals", "follow_ups"],
            "form": "written",
        });
        self.clinic.post("/v1/consents", consent).await.expect(201);
    }
}

/// Moves a referral.
pub async fn step(caller: &Caller, id: &str, body: Value) -> Answer {
    caller.post(&format!("/v1/referrals/{id}/transitions"), body).await
}

fn path(id: &str) -> String {
    format!("/v1/referrals/{id}")
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

fn fault(pointer: &str, code: &str) -> Vec<(String, String)> {
    vec![(pointer.into(), code.into())]
}

on_both!(a_referral_goes_from_clinic_to_program_to_agency_and_its_outcome_comes_back, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.grant(&patient).await;
    let created = town.clinic.post("/v1/referrals", town.navigation(&patient)).await;
    let referral = created.expect(201);
    assert_eq!((&referral["status"], &referral["version"]), (&json!("requested"), &json!(1)));
    assert_eq!((&referral["due_on"], &referral["decide_by"]), (&json!("2026-03-04"), &json!("2026-03-09")));
    assert_eq!(referral["warnings"], json!([]));
    let id = created.id();

    let inbox = town.program.get("/v1/referrals?box=received&status=requested").await.expect(200);
    assert_eq!(ids(&inbox), [&id]);
    let seen = town.program.get(&path(&id)).await.expect(200);
    assert_eq!(seen["patient"]["names"][0]["family"], "Tremblay");
    step(&town.program, &id, json!({ "status": "received", "business_status": "awaiting_triage" })).await.expect(201);
    let accepted =
        step(&town.program, &id, json!({ "status": "accepted", "support_intensity": "ongoing", "note": "Dana will call her." })).await;
    assert_eq!((&accepted.expect(201)["from"], accepted.header("etag")), (&json!("received"), Some("\"3\"")));
    step(&town.program, &id, json!({ "status": "in_progress", "business_status": "plan_made" })).await.expect(201);

    let onward = json!({
        "patient_id": patient, "kind": "navigation", "performer_organization_id": town.agency.organization_id, "parent_id": id,
        "source_type": "link_worker", "consent": { "form": "verbal", "categories": ["summary", "contact"] },
    });
    let onward = town.program.post("/v1/referrals", onward).await;
    onward.expect(201);
    let lunch = onward.id();
    step(&town.agency, &lunch, json!({ "status": "accepted" })).await.expect(201);
    step(&town.agency, &lunch, json!({ "status": "completed", "outcome": "attended", "note": "She will come again." })).await.expect(201);
    assert_eq!(ids(&town.program.get(&format!("/v1/referrals?parent_id={id}&status=completed")).await.expect(200)), [&lunch]);
    step(&town.program, &id, json!({ "status": "completed", "outcome": "need_met" })).await.expect(201);

    let done = town.clinic.get(&path(&id)).await.expect(200);
    assert_eq!(
        (&done["status"], &done["outcome"], &done["support_intensity"]),
        (&json!("completed"), &json!("need_met"), &json!("ongoing"))
    );
    assert_eq!(town.clinic.get(&path(&lunch)).await.expect(200)["outcome"], "attended", "who manages the patient sees the whole loop");
    let transitions = town.clinic.get(&format!("{}/transitions", path(&id))).await.expect(200);
    let steps: Vec<&str> = transitions["items"].as_array().unwrap().iter().map(|item| item["to"].as_str().unwrap()).collect();
    assert_eq!(steps, ["requested", "received", "accepted", "in_progress", "completed"]);
    assert_eq!(transitions["items"][2]["note"], "Dana will call her.");
    assert_eq!(transitions["items"][2]["organization_id"], json!(town.program.organization_id));
    town.app.is_readable().await;
    let feed = town.agency.get("/v1/changes").await.expect(200);
    let kinds: Vec<&str> = feed["items"].as_array().unwrap().iter().map(|item| item["resource_type"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"referral") && !kinds.contains(&"patient"), "{kinds:?}");
});

on_both!(only_the_steps_of_the_table_exist_and_each_side_takes_its_own, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let id = town.sent(&patient).await;
    step(&town.clinic, &id, json!({ "status": "accepted" })).await.expect_problem(403, "forbidden");
    step(&town.agency, &id, json!({ "status": "accepted" })).await.expect_problem(404, "not_found");
    let refused = step(&town.program, &id, json!({ "status": "in_progress" })).await.expect_problem(409, "illegal_transition");
    assert!(refused["detail"].as_str().unwrap().ends_with("it can become received, accepted, rejected or cancelled."), "{refused}");
    assert_eq!(refused["leads_to"], json!(["received", "accepted", "rejected", "cancelled"]));
    step(&town.program, &id, json!({ "status": "draft" })).await.expect_problem(409, "illegal_transition");
    assert_eq!(step(&town.program, &id, json!({ "status": "rejected" })).await.faults(422), fault("/reason/code", "required"));
    let other = json!({ "status": "rejected", "reason": { "code": "other" } });
    assert_eq!(step(&town.program, &id, other).await.faults(422), fault("/reason/text", "required"));
    assert_eq!(
        step(&town.program, &id, json!({ "status": "accepted", "outcome": "need_met" })).await.faults(422),
        fault("/outcome", "not_allowed")
    );
    let stale = town.program.request(actix_web::http::Method::POST, &format!("{}/transitions", path(&id)));
    let stale = stale.insert_header(("if-match", "\"2\"")).set_json(json!({ "status": "accepted" }));
    town.app.send(stale).await.expect_problem(412, "version_mismatch");
    step(&town.program, &id, json!({ "status": "rejected", "reason": { "code": "no_capacity", "text": "Full until May." } }))
        .await
        .expect(201);
    let rejected = town.clinic.get(&path(&id)).await.expect(200);
    assert_eq!((&rejected["status_reason"]["code"], &rejected["due_on"]), (&json!("no_capacity"), &Value::Null));
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect_problem(409, "illegal_transition");
    town.clinic.patch(&path(&id), 2, json!({ "reason": "x" })).await.expect_problem(409, "referral_closed");
    step(&town.clinic, &id, json!({ "status": "entered_in_error" })).await.expect(201);
    let refused = step(&town.clinic, &id, json!({ "status": "entered_in_error" })).await.expect_problem(409, "illegal_transition");
    assert_eq!(refused["leads_to"], Value::Null, "nothing follows");
});

on_both!(what_became_of_a_referral_stays_when_it_is_marked_as_entered_in_error, |db| async move {
    let town = Town::new(db).await;
    let id = town.sent(&town.patient().await).await;
    let outcome = async || town.clinic.get(&path(&id)).await.expect(200)["outcome"].clone();
    step(&town.program, &id, json!({ "status": "accepted" })).await.expect(201);
    assert_eq!(outcome().await, Value::Null);
    step(&town.program, &id, json!({ "status": "completed", "outcome": "need_met" })).await.expect(201);
    let error = step(&town.clinic, &id, json!({ "status": "entered_in_error" })).await.expect(201);
    assert_eq!((&error["to"], &error["outcome"]), (&json!("entered_in_error"), &Value::Null), "the step says nothing of it");
    assert_eq!(outcome().await, "need_met");
    let steps = town.clinic.get(&format!("{}/transitions", path(&id))).await.expect(200);
    assert_eq!(steps["items"].as_array().unwrap().last().unwrap()["outcome"], Value::Null, "no step but the one that completes it says so");
});

on_both!(both_sides_write_to_each_other_and_say_what_they_have_read, |db| async move {
    let town = Town::new(db).await;
    let id = town.sent(&town.patient().await).await;
    let messages = format!("{}/messages", path(&id));
    let asked = town.program.post(&messages, json!({ "text": "Does she have a phone of her own?" })).await;
    asked.expect(201);
    let read = town.clinic.get(&messages).await.expect(200);
    assert_eq!(
        (&read["items"][0]["text"], &read["items"][0]["acknowledged_at"]),
        (&json!("Does she have a phone of her own?"), &Value::Null)
    );
    let acknowledged = town.clinic.post(&format!("{messages}/acknowledge"), json!({ "up_to": asked.id() })).await;
    assert_eq!(acknowledged.expect(200)["acknowledged"], 1);
    let again = town.clinic.post(&format!("{messages}/acknowledge"), json!({ "up_to": asked.id() })).await;
    assert_eq!(again.expect(200)["acknowledged"], 0);
    assert!(town.program.get(&messages).await.expect(200)["items"][0]["acknowledged_at"].is_string());
    let nothing = town.clinic.post(&format!("{messages}/acknowledge"), json!({ "up_to": id })).await;
    assert_eq!(nothing.faults(422), fault("/up_to", "not_found"));
    town.agency.post(&messages, json!({ "text": "Hello" })).await.expect_problem(404, "not_found");
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&town.patient().await)).await.id();
    let early = town.clinic.post(&format!("{}/messages", path(&draft)), json!({ "text": "Hello" })).await;
    early.expect_problem(409, "referral_not_sent");
    assert_eq!(town.clinic.post(&messages, json!({ "text": "" })).await.faults(422), fault("/text", "too_short"));
});

on_both!(the_inbox_tells_what_is_overdue_and_pages_walk_it_once, |db| async move {
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(town.sent(&patient).await);
    }
    town.app.clock.advance(chrono::Duration::days(3));
    town.program.renew().await;
    step(&town.program, &sent[0], json!({ "status": "received" })).await.expect(201);
    let overdue = town.program.get("/v1/referrals?box=received&overdue=true").await.expect(200);
    assert_eq!(ids(&overdue).len(), 4);
    assert_eq!(ids(&town.program.get("/v1/referrals?box=sent").await.expect(200)).len(), 0);
    let (mut seen, mut next) = (Vec::new(), Some("/v1/referrals?limit=2".to_owned()));
    while let Some(path) = next {
        let page = town.program.get(&path).await.expect(200);
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        next = page["next"].as_str().map(|cursor| format!("/v1/referrals?limit=2&cursor={cursor}"));
    }
    sent.reverse();
    assert_eq!(seen, sent);
    let cursor = town.program.get("/v1/referrals?limit=2").await.expect(200)["next"].as_str().unwrap().to_owned();
    town.program.get(&format!("/v1/referrals?box=received&cursor={cursor}")).await.expect_problem(400, "malformed_request");
});

on_both!(a_referral_sent_twice_with_one_key_is_one_referral, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let first = town.clinic.post_once("/v1/referrals", "r-1", town.navigation(&patient)).await;
    let second = town.clinic.post_once("/v1/referrals", "r-1", town.navigation(&patient)).await;
    assert_eq!((first.status, first.id()), (201, second.id()));
    assert_eq!(ids(&town.clinic.get("/v1/referrals").await.expect(200)).len(), 1);
});

on_both!(a_referral_to_a_service_goes_to_its_provider_and_warns_where_there_is_no_room, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let lunch = json!({ "name": "Tuesday lunch", "provider_id": town.agency.organization_id });
    let lunch = town.agency.post("/v1/services", lunch).await;
    lunch.expect(201);
    let mut body = json!({
        "patient_id": patient, "kind": "service", "service_id": lunch.id(), "source_type": "family_physician",
        "consent": { "form": "verbal" }, "offered": [{ "service_id": lunch.id(), "decision": "accepted" }],
    });
    let full = json!({ "status": "full" });
    town.agency.put_any(&format!("/v1/services/{}/capacity", lunch.id()), full).await.expect(200);
    let sent = town.clinic.post("/v1/referrals", body.clone()).await.expect(201);
    assert_eq!(sent["performer_organization_id"], json!(town.agency.organization_id));
    assert_eq!((&sent["service"]["name"], &sent["warnings"][0]["code"]), (&json!("Tuesday lunch"), &json!("service_full")));

    let young =
        json!({ "name": "Skate night", "provider_id": town.agency.organization_id, "eligibility": { "min_age": 12, "max_age": 18 } });
    let young = town.agency.post("/v1/services", young).await;
    body["service_id"] = json!(young.id());
    let sent = town.clinic.post("/v1/referrals", body.clone()).await.expect(201);
    assert_eq!(sent["warnings"][0]["code"], "not_eligible", "{sent}");
    assert!(sent["warnings"][0]["message"].as_str().unwrap().contains("18"), "{sent}");
    let received = town.agency.get(&path(sent["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&received["patient"]["birth_date"], &received["warnings"]), (&json!("1954-03-18"), &sent["warnings"]));

    let alone = town.clinic.post("/v1/services", json!({ "name": "Walking group", "accepts_referrals": true })).await;
    body["service_id"] = json!(alone.id());
    let sent = town.clinic.post("/v1/referrals", body.clone()).await.expect(201);
    assert_eq!(sent["warnings"][0]["code"], "performer_not_connected");
    let id = sent["id"].as_str().unwrap();
    step(&town.clinic, id, json!({ "status": "accepted", "note": "Told them by telephone." })).await.expect(201);
    step(&town.clinic, id, json!({ "status": "completed", "outcome": "attended" })).await.expect(201);

    let closed = town.clinic.post("/v1/services", json!({ "name": "Choir", "accepts_referrals": false })).await;
    body["service_id"] = json!(closed.id());
    body["offered"] = json!([{ "service_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10" }]);
    let faults = town.clinic.post("/v1/referrals", body.clone()).await.faults(422);
    assert_eq!(faults, [("/offered/0/service_id".into(), "not_found".into()), ("/service_id".into(), "not_referable".into())]);
});

on_both!(the_finer_word_is_the_performers_and_goes_with_the_status, |db| async move {
    let town = Town::new(db).await;
    let id = town.sent(&town.patient().await).await;
    let early = step(&town.program, &id, json!({ "status": "received", "business_status": "attended" })).await;
    assert_eq!(early.faults(422), fault("/business_status", "not_allowed"));
    step(&town.program, &id, json!({ "status": "accepted", "business_status": "awaiting_booking" })).await.expect(201);
    step(&town.clinic, &id, json!({ "status": "accepted", "business_status": "booked" })).await.expect_problem(403, "forbidden");
    step(&town.clinic, &id, json!({ "status": "accepted", "support_intensity": "brief" })).await.expect_problem(403, "forbidden");
    step(&town.clinic, &id, json!({ "status": "accepted", "note": "She asks when." })).await.expect(201);
    assert_eq!(town.clinic.get(&path(&id)).await.expect(200)["business_status"], "awaiting_booking");
    let reasoned = json!({ "status": "in_progress", "reason": { "code": "no_capacity" } });
    assert_eq!(step(&town.program, &id, reasoned).await.faults(422), fault("/reason", "not_allowed"));
    step(&town.program, &id, json!({ "status": "on_hold", "reason": { "code": "missing_information" } })).await.expect(201);
    assert_eq!(town.clinic.get(&path(&id)).await.expect(200)["business_status"], Value::Null);
    step(&town.clinic, &id, json!({ "status": "on_hold", "note": "Here it is." })).await.expect(201);
    step(&town.clinic, &id, json!({ "status": "on_hold", "reason": { "code": "moved" } })).await.expect_problem(403, "forbidden");
    assert_eq!(town.clinic.get(&path(&id)).await.expect(200)["status_reason"]["code"], "missing_information");
    step(&town.program, &id, json!({ "status": "on_hold", "reason": { "code": "no_capacity" } })).await.expect(201);
    assert_eq!(town.clinic.get(&path(&id)).await.expect(200)["status_reason"]["code"], "no_capacity");
});

on_both!(the_days_are_those_of_the_performers_policies_and_time_zone, |db| async move {
    let town = Town::new(db).await;
    let organization = format!("/v1/organizations/{}", town.program.organization_id);
    let practice =
        json!({ "time_zone": "Pacific/Auckland", "policies": { "acknowledge_days": 1, "decide_days": 4, "first_contact_days": 2 } });
    town.program.patch(&organization, 1, practice).await.expect(200);
    let patient = town.patient().await;
    let sent = town.clinic.post("/v1/referrals", town.navigation(&patient)).await.expect(201);
    // It is Tuesday the 3rd already in Auckland.
    assert_eq!((&sent["acknowledge_by"], &sent["decide_by"]), (&json!("2026-03-04"), &json!("2026-03-07")));
    assert_eq!((&sent["first_contact_by"], &sent["due_on"]), (&json!("2026-03-09"), &json!("2026-03-04")));
    let id = sent["id"].as_str().unwrap();
    step(&town.program, id, json!({ "status": "accepted" })).await.expect(201);
    assert_eq!(town.clinic.get(&path(id)).await.expect(200)["due_on"], "2026-03-09");
    let planned = town.program.get(&format!("/v1/follow-ups?referral_id={id}")).await.expect(200);
    assert_eq!(planned["items"][0]["due_on"], "2026-03-05");
});
