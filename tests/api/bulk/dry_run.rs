//! Imports that only say what would become of their lines.

use actix_web::http::Method;
use diesel::prelude::*;
use kith::auth::Scope;
use kith::db::schema::{changes, foreseen_resources, idempotency_keys, patients};
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{counts, engine, key, load, load_at, one_of_each, patient, results, text};
use crate::client::{Caller, TestApp};

const DRY: &str = "/v1/imports?dry_run=true";

/// A dry run, to its end, and what it tells of each line.
async fn tried(caller: &Caller, lines: &[Value]) -> (Value, Vec<Value>) {
    let job = load_at(caller, DRY, text(lines)).await;
    assert_eq!((&job["status"], &job["dry_run"]), (&json!("completed"), &json!(true)), "{job:#}");
    let told = results(caller, &job).await;
    (job, told)
}

/// The outcome of each line, and the code of its first fault, or of its problem.
fn outcomes(told: &[Value]) -> Vec<(&str, &str)> {
    told.iter()
        .map(|line| {
            let problem = &line["problem"];
            let code = problem["errors"][0]["code"].as_str().or(problem["code"].as_str());
            (line["outcome"].as_str().unwrap(), code.unwrap_or_default())
        })
        .collect()
}

/// How much of everything there is that an import writes.
async fn written(app: &TestApp) -> [i64; 3] {
    let count = |conn: &mut kith::db::DbConn| {
        let entries = changes::table.count().get_result::<i64>(conn)?;
        let people = patients::table.count().get_result::<i64>(conn)?;
        Ok([entries, people, idempotency_keys::table.count().get_result::<i64>(conn)?])
    };
    app.state.db.read(count).await.unwrap()
}

on_both!(a_dry_run_says_what_would_become_of_each_line_and_writes_nothing, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let (file, before) = (one_of_each(), written(&app).await);
    let (job, told) = tried(&clinic, &file).await;
    assert_eq!((counts(&job), &job["lines"]), ([11, 0, 0, 0], &json!(11)), "{told:#?}");
    assert!(told.iter().all(|line| line["id"] == Value::Null), "nothing of it is there: {told:#?}");
    assert_eq!(written(&app).await, before);
    assert_eq!(clinic.get("/v1/services?q=lunch").await.expect(200)["items"], json!([]));

    let done = load(&clinic, text(&file)).await;
    assert_eq!((counts(&done), &done["dry_run"]), ([11, 0, 0, 0], &json!(false)), "{:#?}", results(&clinic, &done).await);
    let before = written(&app).await;
    // Without what has no identifier and lets others in, so that no line leans on one before it.
    let file: Vec<Value> = file.into_iter().filter(|line| line["type"] != "consent").collect();
    let (job, told) = tried(&clinic, &file).await;
    assert_eq!(written(&app).await, before);
    let again = load(&clinic, text(&file)).await;
    let did = results(&clinic, &again).await;
    assert_eq!((counts(&job), outcomes(&told)), (counts(&again), outcomes(&did)));
    let person = told.iter().find(|line| line["type"] == "patient").unwrap();
    assert_eq!((&person["outcome"], person["id"].is_string()), (&json!("unchanged"), true), "what is there has its id");
});

on_both!(the_key_of_a_dry_run_is_not_kept, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let once = async |path: &'static str| {
        let request = clinic.request(Method::POST, path).insert_header(("content-type", "application/x-ndjson"));
        let request = request.insert_header(("idempotency-key", "load-1"));
        clinic.app.send(request.set_payload(text(&[patient("p-1", "Tremblay")]))).await.expect(202)
    };
    let (tried, again) = (once(DRY).await, once(DRY).await);
    assert_ne!(tried["id"], again["id"]);
    let done = once("/v1/imports").await;
    assert_eq!((&tried["dry_run"], &done["dry_run"]), (&json!(true), &json!(false)));
    assert_eq!(once("/v1/imports").await["id"], done["id"]);
    assert_ne!(once(DRY).await["id"], done["id"], "nor does it give the answer of the import");
    engine(&app).work().await.unwrap();
    assert_eq!(clinic.get("/v1/patients").await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(a_dry_run_knows_what_lines_before_would_have_made_and_refuses_what_is_nowhere, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("taken", "First")["resource"].clone()).await.expect(201);
    let named = |mut line: Value, keys: &[&str]| {
        line["resource"]["identifiers"] = keys.iter().map(|value| key(value)).collect();
        line
    };
    let need = |patient: Value| json!({ "type": "need", "resource": { "patient_id": patient, "domain": "food-insecurity" } });
    let former = Uuid::now_v7();
    let mut moved = patient("p-2", "Singh");
    moved["id"] = json!(former);
    let referral = |performer: Value, was: Value| {
        json!({ "type": "referral", "resource": { "patient_id": key("p-1"), "kind": "navigation", "performer_organization_id": performer,
            "source_type": "self_referral" }, "read_only": was })
    };
    let rejected = json!({ "status": "rejected", "requested_at": "2026-02-20T17:00:00Z", "status_at": "2026-02-21T17:00:00Z" });
    let mut unlike = need(key("p-1"));
    unlike["resource"].as_object_mut().unwrap().remove("domain");
    let lines = [
        patient("p-1", "Tremblay"),
        patient("p-1", "Tremblay"),
        patient("p-1", "Gagnon"),
        named(patient("p-9", "Clash"), &["p-9", "p-1"]),
        named(patient("p-9", "Clash"), &["p-9", "taken"]),
        need(key("p-1")),
        unlike,
        need(key("nobody")),
        moved,
        need(json!(former)),
        referral(json!(clinic.organization_id), json!({})),
        referral(json!(Uuid::now_v7()), json!({})),
        referral(json!(clinic.organization_id), rejected),
        need(json!(Uuid::now_v7())),
    ];
    let (job, told) = tried(&clinic, &lines).await;
    let expected = [
        ("created", ""),
        ("unchanged", ""),
        ("updated", ""),
        ("refused", "duplicate"),
        ("refused", "duplicate"),
        ("created", ""),
        ("refused", "required"),
        ("refused", "not_found"),
        ("created", ""),
        ("created", ""),
        ("created", ""),
        ("refused", "not_found"),
        ("refused", "required"),
        ("refused", "not_found"),
    ];
    assert_eq!(outcomes(&told), expected, "{told:#?}");
    let pointer = |index: usize| told[index]["problem"]["errors"][0]["pointer"].as_str().unwrap();
    assert_eq!(
        [pointer(7), pointer(11), pointer(12)],
        ["/resource/patient_id", "/resource/performer_organization_id", "/read_only/status_reason/code"]
    );
    assert!(told.iter().all(|line| line["id"] == Value::Null));
    // As the import in earnest has it.
    let done = load(&clinic, text(&lines)).await;
    let did = results(&clinic, &done).await;
    assert_eq!((counts(&job), outcomes(&told)), (counts(&done), outcomes(&did)), "{did:#?}");
});

on_both!(a_dry_run_holds_a_line_to_the_rules_against_what_is_there_and_stays_so, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let service = json!({ "name": "Lunch", "kind": "program", "provider_id": agency.organization_id, "identifiers": [key("s-1")] });
    load(&clinic, text(&[patient("p-1", "Tremblay"), patient("p-2", "Singh"), json!({ "type": "service", "resource": service })])).await;
    let sending = |patient: &str| {
        json!({ "type": "referral", "draft": false, "resource": { "patient_id": key(patient), "kind": "service", "service_id": key("s-1"),
            "source_type": "family_physician" } })
    };
    let consent = json!({ "type": "consent", "resource": { "patient_id": key("p-1"), "grantee_id": agency.organization_id,
        "purposes": ["referral"], "categories": ["summary", "contact", "needs"], "form": "verbal" } });
    let before = written(&app).await;
    let (_, told) = tried(&clinic, &[sending("p-1"), sending("p-2")]).await;
    assert_eq!(outcomes(&told), [("refused", "consent_required"); 2], "{told:#?}");
    // What an earlier line gives is not asked for, of whom it gives it.
    let lines = [consent, sending("p-1"), sending("p-2")];
    let (_, told) = tried(&clinic, &lines).await;
    assert_eq!(outcomes(&told), [("created", ""), ("created", ""), ("refused", "consent_required")], "{told:#?}");
    assert_eq!(written(&app).await, before, "nobody was sent anything");
    let done = load(&clinic, text(&lines)).await;
    let did = results(&clinic, &done).await;
    assert_eq!(outcomes(&told), outcomes(&did));

    let writer = clinic.only(&[Scope::ServicesWrite]).await;
    let (_, told) = tried(&writer, &[patient("p-3", "Roy")]).await;
    assert_eq!(outcomes(&told), [("refused", "insufficient_scope")]);
});

on_both!(a_dry_run_says_of_what_is_there_or_in_an_earlier_line_what_the_import_does_with_it, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let agency = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let service = json!({ "name": "Lunch", "kind": "program", "provider_id": agency.organization_id, "identifiers": [key("s-1")] });
    let line = |of: &str, resource: Value, more: Value| {
        let mut line = json!({ "type": of, "resource": resource });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let referral = |value: &str| {
        json!({ "patient_id": key("p-1"), "kind": "service", "service_id": key("s-1"), "source_type": "family_physician",
            "performer_organization_id": agency.organization_id, "identifiers": [key(value)] })
    };
    let check_in = json!({ "patient_id": key("p-1"), "purpose": "check_in", "due_on": "2026-03-10", "identifiers": [key("f-1")] });
    let there = [
        patient("p-1", "Tremblay"),
        line("service", service, json!({})),
        line("referral", referral("r-1"), json!({})),
        line("follow_up", check_in.clone(), json!({})),
    ];
    assert_eq!(counts(&load(&clinic, text(&there)).await), [4, 0, 0, 0]);
    let consent = json!({ "patient_id": key("p-1"), "grantee_id": agency.organization_id, "purposes": ["referral"],
        "categories": ["summary", "contact", "needs"], "form": "verbal" });
    let worker = json!({ "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": [key("w-1")] });
    let (mut given, mut changed) = (check_in, referral("r-2"));
    given["practitioner_id"] = key("w-1");
    changed["reason"] = json!("Lives alone.");
    let lines = [
        line("consent", consent, json!({})),
        // The same as before, and sent.
        line("referral", referral("r-1"), json!({ "draft": false })),
        line("practitioner", worker, json!({})),
        // It is open, and stays so.
        line("follow_up", given, json!({ "read_only": { "status": "completed" } })),
        line("referral", referral("r-2"), json!({})),
        line("referral", changed, json!({ "read_only": { "status": "rejected" } })),
        // That it is new has it asked where it stood.
        line("referral", referral("r-3"), json!({ "read_only": { "status": "rejected" } })),
    ];
    let (job, told) = tried(&clinic, &lines).await;
    let expected =
        [("created", ""), ("updated", ""), ("created", ""), ("updated", ""), ("created", ""), ("updated", ""), ("refused", "required")];
    assert_eq!(outcomes(&told), expected, "{told:#?}");
    let done = load(&clinic, text(&lines)).await;
    let did = results(&clinic, &done).await;
    assert_eq!((counts(&job), outcomes(&told)), (counts(&done), outcomes(&did)), "{did:#?}");
});

on_both!(a_dry_run_holds_a_service_to_all_rules_though_an_earlier_line_makes_it_or_its_organization, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    // A list is a value too.
    let line = |name: &str, provider: Value, values: usize, was: Value| {
        let source = json!({ "rows": vec![0; values - 1] });
        let service = json!({ "name": name, "provider_id": provider, "source_fields": source, "identifiers": [key(name)] });
        json!({ "type": "service", "resource": service, "read_only": was })
    };
    let there = [line("s-0", Value::Null, 1, json!({}))];
    assert_eq!(counts(&load(&clinic, text(&there)).await), [1, 0, 0, 0]);
    let former = Uuid::now_v7();
    let room = |key: usize| json!({ "key": format!("part-{key}"), "capacity": { "available": 1 } });
    let rooms = |many: usize| json!({ "capacities": (0..many).map(room).collect::<Vec<_>>() });
    let lines = [
        json!({ "type": "organization", "id": former, "resource": { "name": "The House", "kind": "agency", "identifiers": [key("o-1")] } }),
        line("s-1", key("o-1"), 30_000, json!({})),
        line("s-2", json!(former), 1, rooms(50)),
        line("s-0", key("o-1"), 1, json!({})),
        line("s-2", key("o-1"), 1, rooms(50)),
        // One value too many, of the organization that is to come.
        line("s-1", key("o-1"), 30_001, json!({})),
        line("s-3", key("o-1"), 30_001, json!({})),
        line("s-4", json!(former), 30_001, json!({})),
        line("s-5", key("o-1"), 1, json!({ "capacity": { "available": 1, "as_of": "2027-01-01T00:00:00Z" } })),
        line("s-6", key("o-1"), 1, rooms(51)),
        line("s-7", key("o-2"), 1, json!({})),
    ];
    let before = written(&app).await;
    let (job, told) = tried(&clinic, &lines).await;
    let expected = [
        ("created", ""),
        ("created", ""),
        ("created", ""),
        ("updated", ""),
        ("unchanged", ""),
        ("refused", "too_many"),
        ("refused", "too_many"),
        ("refused", "too_many"),
        ("refused", "out_of_range"),
        ("refused", "too_many"),
        ("refused", "not_found"),
    ];
    assert_eq!(outcomes(&told), expected, "{told:#?}");
    assert_eq!(written(&app).await, before, "nor is there anything of what stood in for the organization");
    assert_eq!(clinic.get("/v1/organizations?name=To%20come").await.expect(200)["items"], json!([]));
    let done = load(&clinic, text(&lines)).await;
    let did = results(&clinic, &done).await;
    assert_eq!((counts(&job), outcomes(&told)), (counts(&done), outcomes(&did)), "{did:#?}");
    let faults = |told: &[Value]| told.iter().map(|line| line["problem"]["errors"].clone()).collect::<Vec<_>>();
    assert_eq!(faults(&told), faults(&did));
});

on_both!(what_lines_of_a_dry_run_leave_to_later_ones_is_kept_until_it_has_ended, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let need = |number: usize| json!({ "type": "need", "resource": { "patient_id": key(&format!("p-{number}")), "domain": "stress" } });
    // More than one piece, and more than one turn.
    let lines: Vec<Value> = (0..400).map(|number| patient(&format!("p-{number}"), "Tremblay")).chain((0..401).map(need)).collect();
    let (job, told) = tried(&clinic, &lines).await;
    assert_eq!((counts(&job), outcomes(&told)[800]), ([800, 0, 0, 1], ("refused", "not_found")));
    let kept = async || app.state.db.read(|conn| Ok(foreseen_resources::table.count().get_result::<i64>(conn)?)).await.unwrap();
    assert!(kept().await >= 400);
    engine(&app).purge().await.unwrap();
    assert_eq!(kept().await, 0);
    assert_eq!(results(&clinic, &job).await, told, "what would become of them is kept");
});
