//! Records that are loaded as they stood elsewhere, and what a line says of one that is there.

use chrono::Duration;
use kith::bulk::references::echo;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{counts, exported, key, load, load_at, patient, results, send, text};
use crate::client::{Caller, TestApp};
use crate::referrals::step;

fn to_itself(caller: &Caller, patient: &Value) -> Value {
    json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": caller.organization_id, "source_type": "self_referral",
        "support_intensity": "brief" })
}

/// Everything that an organization with a program of its own has after some weeks.
async fn lived(app: &TestApp, clinic: &mut Caller) {
    let worker = clinic.make("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await;
    let person = json!(clinic.make("/v1/patients", json!({ "names": [{ "family": "Tremblay" }] })).await);
    let mut sent = Vec::new();
    for _ in 0..7 {
        sent.push(clinic.make("/v1/referrals", to_itself(clinic, &person)).await);
    }
    let mut slots = Vec::new();
    for hour in 18..21 {
        let times = (format!("2026-03-10T{hour}:00:00Z"), format!("2026-03-10T{hour}:30:00Z"));
        slots.push(clinic.make("/v1/slots", json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 })).await);
    }
    app.clock.advance(Duration::minutes(10));
    for (id, body) in [
        (1, json!({ "status": "rejected", "reason": { "code": "other", "text": "Full until May." } })),
        (3, json!({ "status": "received", "business_status": "awaiting_triage" })),
        (4, json!({ "status": "cancelled", "reason": { "code": "moved" } })),
        (0, json!({ "status": "accepted", "business_status": "awaiting_booking" })),
        (2, json!({ "status": "accepted", "performer_practitioner_id": worker })),
        (5, json!({ "status": "accepted" })),
    ] {
        step(clinic, &sent[id], body).await.expect(201);
    }
    let mut booked = Vec::new();
    for (slot, referral) in slots.iter().zip([json!(sent[0]), Value::Null, Value::Null]) {
        let place = json!({ "slot_id": slot, "patient_id": person, "referral_id": referral });
        booked.push(clinic.make("/v1/appointments", place).await);
    }
    let act = async |clinic: &Caller, path: String, body: Value| {
        clinic.post(&path, body).await.expect(200);
    };
    let why = json!({ "by": "patient", "reason": "unwell" });
    act(clinic, format!("/v1/appointments/{}/cancel", booked[2]), why).await;
    app.clock.advance(Duration::days(12));
    clinic.renew().await;
    // The person came: that was the first contact.
    act(clinic, format!("/v1/appointments/{}/conclude", booked[0]), json!({ "status": "attended", "note": "Stayed for tea." })).await;
    act(clinic, format!("/v1/appointments/{}/conclude", booked[1]), json!({ "status": "no_show" })).await;
    step(clinic, &sent[0], json!({ "status": "completed", "business_status": "plan_made", "outcome": "need_met" })).await.expect(201);
    step(clinic, &sent[5], json!({ "status": "on_hold", "reason": { "code": "no_capacity" } })).await.expect(201);
    step(clinic, &sent[6], json!({ "status": "entered_in_error" })).await.expect(201);
    let check = json!({ "patient_id": person, "purpose": "check_in", "due_on": "2026-03-20" });
    let heard = json!({ "change": "better", "new_needs": ["food-insecurity"], "minutes": 20, "next_due_on": "2026-04-20" });
    let check = clinic.make("/v1/follow-ups", check).await;
    act(clinic, format!("/v1/follow-ups/{check}/complete"), heard).await;
}

/// The lines in order of what they are of, with what is told of how they stood, as another organization has loaded them.
fn comparable(lines: &[Value], moved: impl Fn(&str) -> String) -> Vec<Value> {
    let told = [
        "status",
        "business_status",
        "status_reason",
        "outcome",
        "requested_at",
        "status_at",
        "due_on",
        "closed_at",
        "result",
        "new_need_ids",
        "next_follow_up_id",
        "cancellation",
        "outcome_note",
        "concluded_at",
    ];
    let kept = lines.iter().filter(|line| line["type"] != "organization");
    let line = |line: &Value| {
        let stood: Vec<&Value> = told.iter().map(|name| &line["read_only"][name]).collect();
        let line = json!({ "type": line["type"], "id": line["id"], "resource": line["resource"], "stood": stood });
        serde_json::from_str(&moved(&line.to_string())).unwrap()
    };
    let mut comparable: Vec<Value> = kept.map(line).collect();
    comparable.sort_by_key(|line| (line["type"].to_string(), line["id"].to_string()));
    comparable
}

on_both!(an_organization_that_moves_brings_its_history_as_it_stood_and_once, |db| async move {
    let app = TestApp::new(db).await;
    let mut clinic = app.clinic().await;
    lived(&app, &mut clinic).await;
    let before = exported(&clinic).await;
    let other = app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    let ids: Vec<String> =
        before.iter().filter(|line| line["type"] != "organization").map(|line| line["id"].as_str().unwrap().into()).collect();
    let renamed = |text: &str| text.replace(&clinic.organization_id.to_string(), &other.organization_id.to_string());
    let (file, path) = (text(&before), format!("/v1/imports?former_organization_id={}", clinic.organization_id));
    let job = load_at(&other, &path, file.clone()).await;
    let mut told = results(&other, &job).await;
    // Its own line is the first, and its own record has become what that says; all others are new.
    let own = told.remove(0);
    assert_eq!((&own["type"], &own["outcome"], &own["id"]), (&json!("organization"), &json!("updated"), &json!(other.organization_id)));
    let refused: Vec<&Value> = told.iter().filter(|line| line["outcome"] != "created").collect();
    assert!(refused.is_empty(), "{refused:#?}");

    let after = exported(&other).await;
    assert_eq!((&after[0]["id"], &after[0]["resource"]), (&json!(other.organization_id), &before[0]["resource"]));
    let moved = |text: &str| {
        ids.iter().fold(renamed(text), |text, id| text.replace(id, &echo(other.organization_id, id.parse().unwrap()).to_string()))
    };
    let (before, after) = (comparable(&before, moved), comparable(&after, str::to_owned));
    let followed = before.iter().filter(|line| line["type"] == "follow_up" && line["stood"][10].is_string()).count();
    assert!(followed >= 1, "{before:#?}");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    // Once is enough.
    let again = load_at(&other, &path, file).await;
    assert_eq!(counts(&again), [0, 0, i64::try_from(ids.len() + 1).unwrap(), 0], "{:#?}", results(&other, &again).await);

    // What is closed came there in one step, and was never asked of anybody.
    let id = told.iter().zip(&ids).find_map(|(line, _)| (line["type"] == "referral").then(|| line["id"].as_str().unwrap())).unwrap();
    let referral = other.get(&format!("/v1/referrals/{id}")).await.expect(200);
    assert_eq!((&referral["status"], &referral["version"], &referral["due_on"]), (&json!("completed"), &json!(1), &Value::Null));
    let steps = other.get(&format!("/v1/referrals/{id}/transitions")).await.expect(200);
    let steps = steps["items"].as_array().unwrap();
    assert_eq!(
        (steps.len(), &steps[0]["from"], &steps[0]["to"], &steps[0]["created_at"], &steps[0]["outcome"]),
        (1, &Value::Null, &json!("completed"), &referral["status_at"], &json!("need_met"))
    );
    let history = other.get(&format!("/v1/referrals/{id}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 1);
});

on_both!(the_former_id_of_an_organization_stands_for_itself_and_for_nobody_else, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, agency) = (app.clinic().await, app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await);
    let former = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    let organization = |id: &str, name: &str| json!({ "type": "organization", "id": id, "resource": { "name": name, "kind": "clinic" } });
    let service =
        |provider: &Value| json!({ "type": "service", "resource": { "name": "Lunch", "kind": "program", "provider_id": provider } });
    let provider = async |path: &str, provider: Value| {
        let told = results(&clinic, &load_at(&clinic, path, text(&[service(&provider)])).await).await;
        match told[0]["id"].as_str() {
            Some(id) => clinic.get(&format!("/v1/services/{id}")).await.expect(200)["provider_id"].clone(),
            None => told[0]["problem"]["code"].clone(),
        }
    };
    let path = format!("/v1/imports?former_organization_id={former}");
    assert_eq!(provider(&path, json!(former)).await, json!(clinic.organization_id));
    assert_eq!(provider(&path, json!(agency.organization_id)).await, json!(agency.organization_id));
    assert_ne!(provider("/v1/imports", json!(former)).await, json!(clinic.organization_id));
    // Also where another organization has that id here: neither its record nor its name is taken.
    let path = format!("/v1/imports?former_organization_id={}", agency.organization_id);
    assert_eq!(provider(&path, json!(agency.organization_id)).await, json!(clinic.organization_id));
    let before = agency.get(&format!("/v1/organizations/{}", agency.organization_id)).await.expect(200);
    let line = organization(&agency.organization_id.to_string(), "Alder Falls Family Practice");
    let told = results(&clinic, &load_at(&clinic, &path, text(&[line])).await).await;
    assert_eq!((&told[0]["outcome"], &told[0]["id"]), (&json!("updated"), &json!(clinic.organization_id)));
    assert_eq!(agency.get(&format!("/v1/organizations/{}", agency.organization_id)).await.expect(200), before);
    let answer = send(&clinic, "/v1/imports?former_organization_id=ours", "").await;
    answer.expect_problem(400, "malformed_request");
});

/// A referral to this organization, as it stood.
fn stood(performer: &Value, was: Value) -> Value {
    json!({ "type": "referral", "read_only": was, "resource": { "patient_id": key("p-1"), "kind": "navigation", "performer_organization_id": performer,
        "source_type": "self_referral" } })
}

on_both!(what_a_line_says_of_how_it_stood_is_held_to_the_rules_of_the_single_calls, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let own = json!(clinic.organization_id);
    let (sent, later) = ("2026-02-01T17:00:00Z", "2026-02-03T17:00:00Z");
    let of = |more: Value| {
        let mut was = json!({ "requested_at": sent, "status_at": later });
        was.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stood(&own, was)
    };
    let follow_up = |was: Value| {
        json!({ "type": "follow_up", "read_only": was,
            "resource": { "patient_id": key("p-1"), "purpose": "closing", "due_on": "2026-02-10" } })
    };
    let refusals = [
        (
            stood(
                &json!(agency.organization_id),
                json!({ "status": "completed", "outcome": "need_met", "requested_at": sent, "status_at": later }),
            ),
            "",
        ),
        (stood(&json!(agency.organization_id), json!({ "status": "requested", "requested_at": sent, "status_at": later })), ""),
        (of(json!({ "status": "done" })), "/read_only/status"),
        (of(json!({ "status": "rejected", "status_reason": { "code": null, "text": null } })), "/read_only/status_reason/code"),
        (of(json!({ "status": "failed", "status_reason": { "code": "other" } })), "/read_only/status_reason/text"),
        (of(json!({ "status": "completed" })), "/read_only/outcome"),
        (of(json!({ "status": "accepted", "outcome": "need_met" })), "/read_only/outcome"),
        (of(json!({ "status": "received", "business_status": "booked" })), "/read_only/business_status"),
        (of(json!({ "status": "accepted", "status_at": null })), "/read_only/status_at"),
        (of(json!({ "status": "accepted", "requested_at": null })), "/read_only/requested_at"),
        (of(json!({ "status": "accepted", "status_at": "2026-01-31T17:00:00Z" })), "/read_only/status_at"),
        (of(json!({ "status": "accepted", "status_at": "2999-01-01T00:00:00Z" })), "/read_only/status_at"),
        (follow_up(json!({ "status": "completed" })), "/read_only/closed_at"),
        (follow_up(json!({ "status": "completed", "closed_at": "2999-01-01T00:00:00Z" })), "/read_only/closed_at"),
        (follow_up(json!({ "status": "completed", "closed_at": later, "result": { "enjoyment": 9 } })), "/read_only/result/enjoyment"),
        (
            follow_up(json!({ "status": "completed", "closed_at": later, "result": { "next_due_on": "2026-03-01" } })),
            "/read_only/result/next_due_on",
        ),
        (follow_up(json!({ "status": "cancelled", "closed_at": later })), "/read_only/cancellation"),
    ];
    let mut lines = vec![patient("p-1", "Tremblay")];
    lines.extend(refusals.iter().map(|(line, _)| line.clone()));
    let job = load(&clinic, text(&lines)).await;
    let told = results(&clinic, &job).await;
    assert_eq!((told.len(), &told[0]["outcome"]), (1 + refusals.len(), &json!("created")), "{told:#?}");
    for (told, (line, pointer)) in told.iter().skip(1).zip(&refusals) {
        let expected = if pointer.is_empty() { json!("state_not_loaded") } else { json!("invalid_request") };
        assert_eq!(
            (&told["problem"]["code"], told["problem"]["errors"][0]["pointer"].as_str().unwrap_or("")),
            (&expected, *pointer),
            "{line} {told}"
        );
    }
    for path in ["/v1/referrals", "/v1/follow-ups"] {
        assert_eq!(clinic.get(path).await.expect(200)["items"], json!([]));
    }
    // What was called off before it was sent is the requester's word alone.
    let called_off = json!({ "status": "cancelled", "status_reason": { "code": "moved" }, "status_at": later });
    let job = load(&clinic, text(&[stood(&json!(agency.organization_id), called_off)])).await;
    assert_eq!(counts(&job), [1, 0, 0, 0]);
    assert_eq!(agency.get("/v1/referrals").await.expect(200)["items"], json!([]));
    // Nobody is sent anything where it is over; one that is open asks for the consent, and one that was taken back is none.
    let unheard = clinic.make("/v1/organizations", json!({ "name": "Alder House", "kind": "agency" })).await;
    let was = |more: Value| {
        let mut line = stood(&json!(unheard), of(more)["read_only"].clone());
        line["resource"]["consent"] = json!({ "form": "verbal" });
        line
    };
    let consent = json!({ "type": "consent", "read_only": { "withdrawn_at": later }, "resource": { "patient_id": key("p-1"), "grantee_id": unheard,
        "purposes": ["referral"], "categories": ["summary"], "form": "verbal" } });
    let lines = [
        was(json!({ "status": "completed", "outcome": "attended" })),
        was(json!({ "status": "accepted" })),
        consent,
        was(json!({ "status": "accepted" })),
    ];
    let told = results(&clinic, &load(&clinic, text(&lines[..1])).await).await;
    assert_eq!(
        (&told[0]["outcome"], clinic.get("/v1/consents").await.expect(200)["items"].as_array().unwrap().len()),
        (&json!("created"), 0)
    );
    let told = results(&clinic, &load(&clinic, text(&lines[2..])).await).await;
    assert_eq!(told[1]["problem"]["errors"][0]["code"], "consent_required", "{told:#?}");
});

on_both!(an_appointment_is_loaded_as_it_ended_by_the_one_that_it_was_with, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, agency) = (app.clinic().await, app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await);
    load(&clinic, text(&[patient("p-1", "Tremblay"), patient("p-2", "Singh")])).await;
    let slot = async |caller: &Caller, day: &str| {
        let worker = caller.make("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await;
        let times = (format!("{day}T18:00:00Z"), format!("{day}T18:30:00Z"));
        caller.make("/v1/slots", json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 })).await
    };
    let (past, coming, theirs) = (slot(&clinic, "2026-02-10").await, slot(&clinic, "2026-03-10").await, slot(&agency, "2026-02-10").await);
    let line = |slot: &str, person: &str, was: Value| json!({ "type": "appointment", "read_only": was, "resource": { "slot_id": slot, "patient_id": key(person) } });
    let called_off = json!({ "status": "cancelled", "cancellation": { "by": "patient", "reason": "unwell" } });
    let lines = [
        line(&past, "p-1", json!({ "status": "attended", "concluded_at": "2026-02-10T19:00:00Z" })),
        line(&past, "p-2", json!({ "status": "booked" })),
        line(&past, "p-2", called_off.clone()),
        line(&coming, "p-1", called_off),
        line(&coming, "p-1", json!({ "status": "no_show" })),
        line(&past, "p-2", json!({ "status": "no_show", "concluded_at": "2026-02-10T17:00:00Z" })),
        line(&past, "p-2", json!({ "status": "cancelled" })),
        line(&past, "p-2", json!({ "status": "expired" })),
        line(&theirs, "p-2", json!({ "status": "attended" })),
        line(&coming, "p-1", json!({ "status": "booked" })),
    ];
    let job = load(&clinic, text(&lines)).await;
    let told = results(&clinic, &job).await;
    let outcomes: Vec<&str> = told.iter().map(|line| line["problem"]["code"].as_str().unwrap_or("")).collect();
    let refused = ["slot_full", "", "", "appointment_to_come", "appointment_to_come", "invalid_request", "state_not_loaded"];
    assert_eq!(outcomes[0], "", "{told:#?}");
    assert_eq!(outcomes[1..8], refused, "{told:#?}");
    // Whether the patient lets that organization in is not told.
    assert_eq!(outcomes[8..], ["state_not_loaded", ""], "{told:#?}");
});

on_both!(a_line_of_an_accepted_referral_plans_the_first_contact_that_another_line_may_be, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let mut referral = stood(
        &json!(clinic.organization_id),
        json!({ "status": "accepted", "requested_at": "2026-02-01T17:00:00Z", "status_at": "2026-02-03T17:00:00Z" }),
    );
    referral["resource"]["identifiers"] = json!([key("r-1")]);
    assert_eq!(counts(&load(&clinic, text(&[patient("p-1", "Tremblay"), referral])).await), [2, 0, 0, 0]);
    let planned = clinic.get("/v1/follow-ups").await.expect(200);
    let planned = planned["items"].as_array().unwrap();
    assert_eq!((planned.len(), &planned[0]["purpose"], &planned[0]["status"]), (1, &json!("first_contact"), &json!("open")));
    let line = json!({ "type": "follow_up", "id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "resource": { "patient_id": key("p-1"), "referral_id": key("r-1"),
        "purpose": "first_contact", "due_on": "2026-03-01" } });
    for expected in [[1, 0, 0, 0], [0, 0, 1, 0]] {
        assert_eq!(counts(&load(&clinic, text(std::slice::from_ref(&line))).await), expected);
    }
    let planned = clinic.get("/v1/follow-ups").await.expect(200);
    let planned = planned["items"].as_array().unwrap();
    assert_eq!((planned.len(), &planned[0]["due_on"]), (1, &json!("2026-03-01")));
});

on_both!(a_follow_up_is_loaded_with_the_one_after_it_in_whichever_order_the_lines_come, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, agency) = (app.clinic().await, app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await);
    for caller in [&clinic, &agency] {
        load(caller, text(&[patient("p-1", "Tremblay"), patient("p-2", "Singh")])).await;
    }
    let id = |number: u32| format!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b{number:04}");
    let line = |number: u32, was: Value| {
        json!({ "type": "follow_up", "id": id(number), "read_only": was,
            "resource": { "patient_id": key("p-1"), "purpose": "check_in", "due_on": "2026-02-10" } })
    };
    let done = |number: u32, next: Value| {
        line(number, json!({ "status": "completed", "closed_at": "2026-02-10T17:00:00Z", "next_follow_up_id": next }))
    };
    let stands = async |number: u32| {
        let loaded = echo(clinic.organization_id, id(number).parse().unwrap());
        clinic.get(&format!("/v1/follow-ups/{loaded}")).await.expect(200)
    };
    let loaded = |number: u32| json!(echo(clinic.organization_id, id(number).parse().unwrap()));
    // A chain, the first line first and the last line first, and each in an import of its own.
    let chain = |first: u32| [done(first, json!(id(first + 1))), done(first + 1, json!(id(first + 2))), line(first + 2, json!({}))];
    let mut backwards = chain(10);
    backwards.reverse();
    let mut files: Vec<String> = vec![text(&chain(0)), text(&backwards)];
    files.extend(chain(20).iter().map(|line| text(std::slice::from_ref(line))));
    for file in &files {
        assert_eq!(counts(&load(&clinic, file.clone()).await)[1..], [0, 0, 0]);
    }
    for first in [0, 10, 20] {
        for number in [first, first + 1] {
            assert_eq!(stands(number).await["next_follow_up_id"], loaded(number + 1), "{number}");
        }
        assert_eq!(stands(first + 2).await["next_follow_up_id"], Value::Null);
    }
    for file in files {
        assert_eq!(counts(&load(&clinic, file).await)[..2], [0, 0]);
    }
    let history = clinic.get(&format!("/v1/follow-ups/{}/history", loaded(20).as_str().unwrap())).await.expect(200);
    let told: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|entry| &entry["resource"]["next_follow_up_id"]).collect();
    assert_eq!(told, [&Value::Null, &loaded(21)]);

    // One that the organization has itself is named by its own id; nothing else is: not what is not there, not another's, not another
    // patient's, not itself.
    let of = async |caller: &Caller, person: &str| {
        let body = json!({ "type": "follow_up", "resource": { "patient_id": key(person), "purpose": "check_in", "due_on": "2026-03-10" } });
        results(caller, &load(caller, text(&[body])).await).await[0]["id"].clone()
    };
    let (own, theirs, of_another) = (of(&clinic, "p-1").await, of(&agency, "p-1").await, of(&clinic, "p-2").await);
    let named = [own.clone(), theirs, of_another, json!(id(33)), json!(id(99))];
    let lines: Vec<Value> = (30..).zip(&named).map(|(number, next)| done(number, next.clone())).collect();
    assert_eq!(counts(&load(&clinic, text(&lines)).await), [5, 0, 0, 0]);
    for (number, expected) in (30..).zip([own, Value::Null, Value::Null, Value::Null, Value::Null]) {
        assert_eq!(stands(number).await["next_follow_up_id"], expected, "{number}");
    }
    // What comes under the awaited id is about another patient.
    let mut stranger = line(99, json!({}));
    stranger["resource"]["patient_id"] = key("p-2");
    assert_eq!(counts(&load(&clinic, text(&[stranger])).await), [1, 0, 0, 0]);
    assert_eq!(stands(34).await["next_follow_up_id"], Value::Null);
    let wrong = load(&clinic, text(&[done(40, json!("the next"))])).await;
    assert_eq!(results(&clinic, &wrong).await[0]["problem"]["errors"][0]["pointer"], "/read_only/next_follow_up_id");
});

on_both!(a_line_keeps_need_level_navigator_and_room_of_what_is_there_in_step, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let worker = |value: &str| json!({ "type": "practitioner", "resource": { "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": [key(value)] } });
    let service = json!({ "type": "service", "resource": { "name": "Lunch", "kind": "program", "identifiers": [key("s-1")] } });
    let person = patient("p-1", "Tremblay");
    let job = load(&clinic, text(&[worker("w-1"), worker("w-2"), service.clone(), person.clone()])).await;
    let told = results(&clinic, &job).await;
    let id = |index: usize| told[index]["id"].as_str().unwrap().to_owned();
    let said = |line: &Value, was: Value| {
        let mut line = line.clone();
        line["read_only"] = was;
        line
    };
    let mut version = 1;
    for (level, navigator, is_changed, changes) in [
        (json!("high"), json!(id(0)), true, 2),
        (json!("high"), json!(id(0)), false, 0),
        (json!("low"), Value::Null, true, 1),
        (Value::Null, json!(id(1)), true, 1),
        (Value::Null, Value::Null, false, 0),
    ] {
        let job = load(&clinic, text(&[said(&person, json!({ "need_level": level, "primary_navigator_id": navigator }))])).await;
        assert_eq!(counts(&job), if is_changed { [0, 1, 0, 0] } else { [0, 0, 1, 0] }, "{level} {navigator}");
        version += changes;
        assert_eq!(clinic.get(&format!("/v1/patients/{}", id(3))).await.expect(200)["version"], version);
    }
    let stands = clinic.get(&format!("/v1/patients/{}", id(3))).await.expect(200);
    assert_eq!((&stands["need_level"], &stands["primary_navigator_id"]), (&json!("low"), &json!(id(1))));
    let levels = clinic.get(&format!("/v1/patients/{}/need-levels", id(3))).await.expect(200);
    assert_eq!(levels["items"].as_array().unwrap().len(), 2);
    let wrong = load(&clinic, text(&[said(&person, json!({ "need_level": 3 }))])).await;
    assert_eq!(results(&clinic, &wrong).await[0]["problem"]["errors"][0]["pointer"], "/read_only/need_level");

    let room = |available: i32, as_of: &str| json!({ "status": "open", "available": available, "as_of": as_of });
    for (available, as_of, is_newer) in [
        (3, "2026-02-01T17:00:00Z", true),
        (3, "2026-02-01T17:00:00Z", false),
        (2, "2026-01-01T17:00:00Z", false),
        (1, "2026-02-02T17:00:00Z", true),
    ] {
        let was = json!({ "capacity": room(available, as_of), "capacities": [{ "key": "newcomers", "capacity": room(available, as_of) }] });
        let job = load(&clinic, text(&[said(&service, was)])).await;
        assert_eq!(counts(&job), if is_newer { [0, 1, 0, 0] } else { [0, 0, 1, 0] }, "{available} {as_of}");
    }
    let now = json!({ "capacity": { "status": "full" } });
    for expected in [[0, 1, 0, 0], [0, 0, 1, 0]] {
        assert_eq!(counts(&load(&clinic, text(&[said(&service, now.clone())])).await), expected);
    }
    let stands = clinic.get(&format!("/v1/services/{}", id(2))).await.expect(200);
    assert_eq!((&stands["capacity"]["status"], &stands["capacities"][0]["capacity"]["available"]), (&json!("full"), &json!(1)));

    // A consent that was taken back elsewhere is taken back here, once.
    let grantee = clinic.make("/v1/organizations", json!({ "name": "Alder House", "kind": "agency" })).await;
    let consent = json!({ "type": "consent", "id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a11", "resource": { "patient_id": key("p-1"), "grantee_id": grantee,
        "purposes": ["referral"], "categories": ["summary"], "form": "verbal", "valid_from": "2026-01-01T00:00:00Z" } });
    let taken_back = said(&consent, json!({ "withdrawn_at": "2026-02-01T17:00:00Z", "withdrawal_reason": "Changed her mind" }));
    for (line, expected) in [(&consent, [1, 0, 0, 0]), (&taken_back, [0, 1, 0, 0]), (&taken_back, [0, 0, 1, 0])] {
        let job = load(&clinic, text(std::slice::from_ref(line))).await;
        assert_eq!(counts(&job), expected, "{:#?}", results(&clinic, &job).await);
    }
    assert_eq!(clinic.get("/v1/consents").await.expect(200)["items"][0]["status"], "withdrawn");
});
