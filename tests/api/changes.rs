//! The change feed.

use std::cell::Cell;
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use futures_util::future::{Either, join, join_all, select};
use kith::auth::Scope;
use kith::db::Db;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::harness::{FIRST_IDS, many_rows, numbered_id};
use crate::referrals::{Town, step};

const PATH: &str = "/v1/changes";

async fn read(caller: &Caller, query: &str) -> (Vec<Value>, String) {
    caller.app.is_readable().await;
    let piece = caller.get(&format!("{PATH}?{query}")).await.expect(200);
    // The questionnaires that come with Kith are in every feed.
    let items = piece["items"].as_array().unwrap().iter().filter(|item| item["resource_type"] != "instrument");
    (items.cloned().collect(), piece["next"].as_str().unwrap().to_owned())
}

fn told(items: &[Value]) -> Vec<(&str, &str, i64)> {
    items
        .iter()
        .map(|item| (item["resource_type"].as_str().unwrap(), item["action"].as_str().unwrap(), item["version"].as_i64().unwrap()))
        .collect()
}

on_both!(a_reader_that_goes_on_from_next_sees_every_change_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let (start, mut next) = read(&caller, "").await;
    assert_eq!(start, Vec::<Value>::new());
    let mut seen = Vec::new();
    for number in 0..5 {
        let created = caller.post("/v1/organizations", json!({ "name": format!("A{number}"), "kind": "agency" })).await;
        created.expect(201);
        caller.patch(created.header("location").unwrap(), 1, json!({ "description": "x" })).await.expect(200);
        let (items, after) = read(&caller, &format!("limit=1&cursor={next}")).await;
        seen.extend(items);
        next = after;
    }
    loop {
        let (items, after) = read(&caller, &format!("limit=3&cursor={next}")).await;
        if items.is_empty() {
            break;
        }
        seen.extend(items);
        next = after;
    }
    assert_eq!(seen.len(), 10);
    assert_eq!(told(&seen[..3]), [("organization", "created", 1), ("organization", "updated", 2), ("organization", "created", 1)]);
    assert_eq!(seen[9]["resource"]["description"], "x");
    assert_eq!(seen[9]["client_id"], json!(caller.client_id));
});

on_both!(what_is_about_a_patient_is_told_to_nobody_else, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let created = clinic.post("/v1/patients", json!({ "names": [{ "family": "Tremblay", "given": "Anaïs" }] })).await;
    created.expect(201);
    let (own, _) = read(&clinic, "").await;
    assert_eq!(told(&own), [("patient", "created", 1)]);
    assert_eq!(own[0]["resource"]["id"], json!(created.id()));
    assert_eq!(read(&other, "").await.0, Vec::<Value>::new());
    let narrow = clinic.only(&[Scope::OrganizationsRead]).await;
    assert_eq!(read(&narrow, "").await.0, Vec::<Value>::new());
});

on_both!(the_feed_hides_what_reading_it_would_hide, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program, agency) = (app.clinic().await, app.clinic().await, app.clinic().await);
    let person = crate::screenings::patient(&clinic).await;
    let everything_but = ["contact", "demographics", "needs", "screenings", "referrals", "follow_ups"];
    crate::screenings::consent(&clinic, &person, &program, &everything_but).await;
    let (_, start) = read(&program, "").await;
    for domain in ["intimate-partner-violence", "stress"] {
        clinic.post("/v1/needs", json!({ "patient_id": person, "domain": domain })).await.expect(201);
    }
    crate::screenings::consent(&clinic, &person, &agency, &["contact"]).await;
    let (seen, _) = read(&program, &format!("cursor={start}")).await;
    assert_eq!(told(&seen), [("need", "created", 1)], "neither the sensitive need nor the consent to somebody else");
    assert_eq!(seen[0]["resource"]["domain"], "stress");

    let (_, start) = read(&clinic, "").await;
    let draft = json!({ "patient_id": person, "kind": "navigation", "source_type": "community_service",
        "performer_organization_id": agency.organization_id, "reason": "Between us." });
    let draft = program.post("/v1/referrals?draft=true", draft).await;
    draft.expect(201);
    assert_eq!(read(&clinic, &format!("cursor={start}")).await.0, Vec::<Value>::new(), "a draft is its requester's alone");
    let timeline = clinic.get(&format!("/v1/patients/{person}/timeline?type=referral&type=referral_transition")).await.expect(200);
    assert_eq!(timeline["items"], json!([]));
    let own = read(&program, "resource_type=referral").await.0;
    assert_eq!(told(&own), [("patient", "reset", 0), ("referral", "snapshot", 1), ("referral", "created", 1)]);
});

on_both!(the_feed_can_be_narrowed_and_its_cursors_belong_to_the_filter, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    caller.post("/v1/organizations", json!({ "name": "A", "kind": "agency" })).await.expect(201);
    assert_eq!(read(&caller, "resource_type=service&resource_type=patient").await.0, Vec::<Value>::new());
    let (items, next) = read(&caller, "resource_type=organization").await;
    assert_eq!(items.len(), 1);
    caller.get(&format!("{PATH}?cursor={next}")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?resource_type=castle")).await.expect_problem(400, "malformed_request");
    caller.get(&format!("{PATH}?wait=31")).await.expect_problem(400, "malformed_request");
});

on_both!(a_waiting_reader_is_answered_when_this_process_or_another_changes_something, |db| async move {
    let other = Db::open(&db.settings).unwrap();
    let caller = TestApp::new(db).await.clinic().await;
    let elsewhere = Caller { app: caller.app.beside(other).await, ..caller.clone() };
    for writer in [&caller, &elsewhere] {
        let (_, next) = read(&caller, "").await;
        let (told_soon, told_of_nothing) = (format!("wait=30&cursor={next}"), "wait=20&resource_type=slot".to_owned());
        let answered = join(read(&caller, &told_soon), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            writer.post("/v1/organizations", json!({ "name": "A", "kind": "agency" })).await.expect(201);
        });
        // Whoever waits for what does not come is answered when its time is up, before the other's is.
        match select(pin!(read(&caller, &told_of_nothing)), pin!(answered)).await {
            Either::Right((((items, _), ()), _)) => assert_eq!(items.len(), 1),
            Either::Left(_) => panic!("it slept through the change"),
        }
    }
});

on_both!(a_reader_who_waits_sees_what_was_consented_to_meanwhile, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let (_, next) = read(&town.program, "").await;
    let query = format!("wait=20&cursor={next}");
    let waiting = read(&town.program, &query);
    let granting = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        town.app.clock.advance(chrono::Duration::seconds(1));
        town.grant(&patient).await;
    };
    let ((items, _), ()) = join(waiting, granting).await;
    assert_eq!(told(&items), [("consent", "created", 1), ("patient", "reset", 0), ("patient", "snapshot", 1)]);
});

on_both!(a_reader_who_tails_the_feed_counts_every_change_of_many_writers, |db| async move {
    const WRITERS: usize = 8;
    const WRITES: usize = 6;
    let other = Db::open(&db.settings).unwrap();
    let caller = TestApp::new(db).await.clinic().await;
    let elsewhere = Caller { app: caller.app.beside(other).await, ..caller.clone() };
    let is_written = Cell::new(false);
    let tailing = async {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let ends = is_written.get();
            let cursor = if next.is_empty() { String::new() } else { format!("&cursor={next}") };
            let (items, after) = read(&caller, &format!("limit=3{cursor}")).await;
            next = after;
            seen.extend(items.iter().map(|item| (item["resource_id"].to_string(), item["version"].as_i64().unwrap())));
            // Other tests' transactions hold the feed back too, so that it is read until all is there, and then for more.
            if ends && items.is_empty() && seen.len() >= WRITERS * WRITES * 2 {
                return seen;
            }
        }
    };
    let writers = (0..WRITERS).map(|writer| {
        let client = if writer % 2 == 0 { &caller } else { &elsewhere };
        async move {
            let mut written = Vec::new();
            for _ in 0..WRITES {
                let created = client.post("/v1/patients", json!({ "names": [{ "text": "Somebody" }] })).await;
                created.expect(201);
                client.patch(created.header("location").unwrap(), 1, json!({ "status": "inactive" })).await.expect(200);
                written.extend([1, 2].map(|version| (json!(created.id()).to_string(), version)));
            }
            written
        }
    });
    let writing = async {
        let written: HashSet<(String, i64)> = join_all(writers).await.into_iter().flatten().collect();
        is_written.set(true);
        written
    };
    let (seen, written) = join(tailing, writing).await;
    assert_eq!(seen.len(), written.len(), "none twice");
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), written, "none left out");
});

on_both!(who_may_not_read_it_does_not_hear_of_it_either, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.sent(&patient).await;
    town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.expect(201);
    town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "intimate-partner-violence" })).await.expect(201);
    let grant = json!({
        "patient_id": patient, "grantee_id": town.agency.organization_id, "purposes": ["care_coordination"],
        "categories": ["needs", "referrals"], "form": "written",
    });
    let consent = town.clinic.post("/v1/consents", grant).await.id();
    let (items, next) = read(&town.agency, "resource_type=consent&resource_type=need&resource_type=referral").await;
    let begins = [("referral", "created", 1), ("consent", "created", 1), ("patient", "reset", 0), ("referral", "snapshot", 1)];
    assert_eq!(told(&items), begins);
    assert_eq!((&items[0]["resource"]["status"], &items[1]["resource"]["id"]), (&json!("requested"), &json!(consent)));

    town.clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })).await.expect(201);
    let query = format!("resource_type=consent&resource_type=need&resource_type=referral&cursor={next}");
    assert_eq!(
        told(&read(&town.agency, &query).await.0),
        [("consent", "updated", 2), ("patient", "reset", 0)],
        "that it is withdrawn is told, and nothing after it"
    );
});

on_both!(the_requester_hears_of_all_that_the_performer_does_and_that_a_draft_is_deleted, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    let (_, next) = read(&town.clinic, "").await;
    town.clinic.delete(&format!("/v1/referrals/{draft}"), 1).await.expect(204);
    let (items, _) = read(&town.clinic, &format!("cursor={next}")).await;
    assert_eq!(told(&items), [("referral", "deleted", 2)]);
    let id = town.sent(&patient).await;
    let (_, next) = read(&town.clinic, "").await;
    step(&town.program, &id, json!({ "status": "accepted", "note": "Dana will call." })).await.expect(201);
    town.program.post(&format!("/v1/referrals/{id}/messages"), json!({ "text": "When is she at home?" })).await.expect(201);
    let (items, _) = read(&town.clinic, &format!("cursor={next}")).await;
    let expected = [
        ("referral_transition", "created", 1),
        ("referral", "updated", 2),
        ("follow_up", "created", 1),
        ("referral_message", "created", 1),
    ];
    assert_eq!(told(&items), expected);
    assert_eq!((&items[0]["resource"]["note"], &items[3]["resource"]["text"]), (&json!("Dana will call."), &json!("When is she at home?")));
    assert_eq!(read(&town.program, "resource_type=referral").await.0.len(), 2, "a draft is its writer's alone, deleted or not");
});

on_both!(of_many_consents_that_have_ended_a_reader_is_told_its_own_and_no_piece_reads_them_all, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let ends = town.app.clock.now().plus(chrono::Duration::minutes(1));
    let consent = |grantee: &Caller| {
        json!({ "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": ["care_coordination"], "categories": ["summary"],
            "form": "written", "valid_until": ends })
    };
    town.clinic.post("/v1/consents", consent(&town.program)).await.expect(201);
    let copies = copies_of_a_consent(4_500, town.app.database_url().starts_with("sqlite:"));
    town.app.state.db.write(move |conn| Ok(conn.batch_execute(&copies)?)).await.unwrap();
    town.clinic.post("/v1/consents", consent(&town.agency)).await.expect(201);
    let readers = [(&town.clinic, "resource_type=patient"), (&town.agency, "resource_type=patient&resource_type=consent")];
    let mut places = Vec::new();
    for (reader, query) in readers {
        places.push(read(reader, query).await.1);
    }
    town.app.clock.advance(chrono::Duration::minutes(2));
    let expected = [vec![], vec![("consent", "expired", 1), ("patient", "reset", 0)]];
    for (((reader, query), mut next), expected) in readers.into_iter().zip(places).zip(expected) {
        let mut pieces = Vec::new();
        while pieces.last().is_none_or(|piece: &Value| piece["has_more"] == true) {
            let piece = reader.get(&format!("{PATH}?{query}&cursor={next}")).await.expect(200);
            next = piece["next"].as_str().unwrap().to_owned();
            pieces.push(piece);
        }
        assert!(pieces.len() > 1 && pieces[0]["items"] == json!([]), "{}", pieces[0]);
        let items: Vec<Value> = pieces.iter().flat_map(|piece| piece["items"].as_array().unwrap().clone()).collect();
        assert_eq!(told(&items), expected);
    }
});

/// So many copies of the one consent that there is.
fn copies_of_a_consent(number: usize, on_sqlite: bool) -> String {
    let columns = format!(
        "{}, one.organization_id, one.patient_id, one.grantee_id, one.recorder_id, one.purposes, one.categories, one.valid_from, \
         one.valid_until, one.withdrawn_at, one.withdrawal_reason, one.content, one.version, one.created_at, one.updated_at, one.deleted_at",
        numbered_id(FIRST_IDS, on_sqlite)
    );
    many_rows("consents", number, &columns, "SELECT * FROM consents")
}
