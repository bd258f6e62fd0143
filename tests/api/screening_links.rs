//! Links to a draft: whoever holds one answers it without being a client, and does nothing else.

use actix_web::http::Method;
use chrono::Duration;
use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::referrals::{Town, step};
use crate::screenings::{consent, patient};
use crate::tokens;

/// What a link opens.
pub const LINK: &str = "/v1/screening-link";

/// A draft of the PHQ-9 and its path.
pub async fn draft(clinic: &Caller) -> String {
    let person = patient(clinic).await;
    let body = json!({ "patient_id": person, "instrument": "phq-9", "language": "fr", "note": "Came with her son." });
    let made = clinic.post("/v1/screenings", body).await;
    made.expect(201);
    made.header("location").unwrap().to_owned()
}

/// Whoever holds a new link to the draft.
pub async fn holder(clinic: &Caller, draft: &str) -> Caller {
    let made = clinic.post(&format!("{draft}/links"), json!({})).await.expect(201);
    Caller { token: Some(made["token"].as_str().unwrap().to_owned()), ..clinic.clone() }
}

fn answers(items: &[(&str, &str)]) -> Value {
    json!({ "answers": items.iter().map(|(item, code)| json!({ "link_id": item, "codes": [code] })).collect::<Vec<_>>() })
}

/// An answer to each of the nine items: several days.
fn all() -> Value {
    let items = ["/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3"];
    answers(&items.map(|item| (item, "LA6569-3")))
}

on_both!(a_person_answers_by_a_link_in_several_sittings, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let draft = draft(&clinic).await;
    let person = holder(&clinic, &draft).await;
    let opened = person.get(LINK).await.expect(200);
    assert_eq!((&opened["status"], &opened["language"], &opened["answers"]), (&json!("draft"), &json!("fr"), &json!([])));
    assert_eq!(opened["instrument"]["code"], "phq-9");
    assert!(opened["instrument"]["items"].as_array().unwrap().len() >= 9);
    let text = opened.to_string();
    assert!(!text.contains("Tremblay") && !text.contains("her son") && !text.contains("patient_id"), "the link tells of the person");

    person.post(&format!("{LINK}/answers"), answers(&[("/44250-9", "LA6568-5"), ("/44255-8", "LA6568-5")])).await.expect(200);
    let later = Caller { ..person.clone() };
    later.app.clock.advance(Duration::hours(20));
    let again = later.post(&format!("{LINK}/answers"), answers(&[("/44250-9", "LA6571-9")])).await.expect(200);
    assert_eq!((&again["answers"].as_array().unwrap().len(), &again["completeness"]["answered"]), (&2, &json!(2)));

    let last = answers(&[("/44260-8", "LA6568-5")]);
    later.post(&format!("{LINK}/answers"), all()).await.expect(200);
    let done = later.post(&format!("{LINK}/complete"), last.clone()).await.expect(200);
    assert_eq!((&done["status"], &done["answers"], &done["help"]), (&json!("completed"), &json!([]), &Value::Null));
    assert_eq!(later.post(&format!("{LINK}/complete"), last).await.expect(200), done, "completing may be sent again");

    let mut clinic = clinic;
    clinic.renew().await;
    let read = clinic.get(&draft).await.expect(200);
    assert_eq!(
        (&read["status"], &read["scores"][0]["value"], &read["note"]),
        (&json!("completed"), &json!(8), &json!("Came with her son."))
    );
    later.post(&format!("{LINK}/answers"), all()).await.expect_problem(409, "screening_closed");
    clinic.post(&format!("{draft}/links"), json!({})).await.expect_problem(409, "screening_closed");
});

on_both!(answers_that_alarm_show_the_person_whom_to_call, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let draft = draft(&clinic).await;
    let person = holder(&clinic, &draft).await;
    let answer = person.post(&format!("{LINK}/answers"), answers(&[("/44260-8", "LA6569-3")])).await;
    let body = answer.expect(200);
    assert_eq!(answer.header("kith-safety-alert"), Some("true"));
    assert_eq!(body["help"]["lines"][0]["phone"], "988");
    assert!(body["help"]["message"].as_str().unwrap().starts_with("Vous"));
    clinic.app.is_readable().await;
    let feed = clinic.get("/v1/changes?resource_type=screening&limit=200").await.expect(200);
    let latest = feed["items"].as_array().unwrap().last().unwrap();
    assert_eq!(latest["resource"]["safety_alerts"][0]["flag"], "self-harm-thoughts", "the clinic hears of it at once");
    assert!(latest["on_behalf_of"].as_str().unwrap().starts_with("screening link "), "{latest}");
});

on_both!(faulty_answers_by_a_link_are_all_told_and_none_is_kept, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let draft = draft(&clinic).await;
    let person = holder(&clinic, &draft).await;
    let bad = answers(&[("/44250-9", "LA6568-5"), ("/nothing", "LA6568-5"), ("/44255-8", "often")]);
    assert_eq!(person.post(&format!("{LINK}/answers"), bad).await.faults(422).len(), 2);
    assert_eq!(person.get(LINK).await.expect(200)["answers"], json!([]));
    assert_eq!(person.post(&format!("{LINK}/complete"), json!({})).await.faults(422), [("/answers".into(), "required".into())]);
    person.get(&format!("{LINK}?limit=1")).await.expect_problem(400, "malformed_request");
});

on_both!(a_link_ends_by_time_by_revocation_and_with_its_client, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let draft = draft(&clinic).await;
    let made = clinic.post(&format!("{draft}/links"), json!({ "valid_minutes": 5 })).await.expect(201);
    let short = Caller { token: Some(made["token"].as_str().unwrap().to_owned()), ..clinic.clone() };
    app.clock.advance(Duration::seconds(299));
    short.get(LINK).await.expect(200);
    app.clock.advance(Duration::seconds(1));
    short.get(LINK).await.expect_problem(401, "unauthenticated");

    let revoked = holder(&clinic, &draft).await;
    clinic.delete(&format!("{draft}/links"), 1).await.expect(204);
    clinic.delete(&format!("{draft}/links"), 1).await.expect(204);
    revoked.get(LINK).await.expect_problem(401, "unauthenticated");
    revoked.post(&format!("{LINK}/answers"), all()).await.expect_problem(401, "unauthenticated");

    let links = clinic.get(&format!("{draft}/links")).await.expect(200);
    let links = links["items"].as_array().unwrap().clone();
    assert_eq!(links.iter().map(|link| link["revoked_at"].is_null()).collect::<Vec<_>>(), [true, false], "what has run out is not revoked");
    assert!(links.iter().all(|link| link.get("token").is_none()));

    let orphan = holder(&clinic, &draft).await;
    let (client, now) = (clinic.client_id, app.clock.now());
    app.state.db.write(move |conn| kith::auth::repository::set_active(conn, client, false, now)).await.unwrap();
    orphan.get(LINK).await.expect_problem(401, "unauthenticated");
});

on_both!(a_link_opens_its_own_draft_and_nothing_else, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let (own, other) = (draft(&clinic).await, draft(&clinic).await);
    let person = holder(&clinic, &own).await;
    for path in [own.as_str(), &other, "/v1/screenings", "/v1/patients", "/v1/changes"] {
        person.get(path).await.expect_problem(401, "unauthenticated");
    }
    clinic.get(LINK).await.expect_problem(401, "unauthenticated");
    app.stranger().get(LINK).await.expect_problem(401, "unauthenticated");

    let token = person.token.clone().unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let foreign = holder(&clinic, &other).await.token.unwrap();
    let body = foreign.split('.').nth(1).unwrap();
    let mut forged: Vec<(&str, String)> = tokens::bad_tokens(&app.state, clinic.client_id, clinic.organization_id);
    forged.push(("the claims of another link", format!("{head}.{body}.{signature}")));
    forged.push(("no signature", format!("{}.", token.rsplit_once('.').unwrap().0)));
    for (name, token) in forged {
        let holder = Caller { token: Some(token), ..clinic.clone() };
        for (method, path) in [(Method::GET, LINK.to_owned()), (Method::POST, format!("{LINK}/complete"))] {
            let request = holder.request(method, &path).insert_header(("content-type", "application/json")).set_payload("{}");
            let answer = app.send(request).await;
            assert_eq!(answer.status, 401, "{path} with {name}");
        }
    }
});

on_both!(only_the_organization_that_recorded_a_draft_makes_links_to_it, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, partner) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &partner, &["screenings", "sensitive"]).await;
    let made = clinic.post("/v1/screenings", json!({ "patient_id": person, "instrument": "phq-9" })).await;
    let draft = made.header("location").unwrap().to_owned();
    partner.post(&format!("{draft}/links"), json!({})).await.expect_problem(403, "forbidden");
    app.clinic().await.post(&format!("{draft}/links"), json!({})).await.expect_problem(404, "not_found");
    clinic.only(&[Scope::ScreeningsRead]).await.post(&format!("{draft}/links"), json!({})).await.expect_problem(403, "insufficient_scope");
    for minutes in [0, 4, 43_201] {
        let faults = clinic.post(&format!("{draft}/links"), json!({ "valid_minutes": minutes })).await.faults(422);
        assert_eq!(faults[0].0, "/valid_minutes");
    }
    let path = format!("{draft}/links");
    let (first, again) = (clinic.post_once(&path, "one", json!({})).await, clinic.post_once(&path, "one", json!({})).await);
    first.expect(201);
    assert_eq!(first.bytes, again.bytes, "the same key gives the same link");
    let held = Caller { token: Some(first.json()["token"].as_str().unwrap().to_owned()), ..clinic.clone() };
    held.get(LINK).await.expect(200);
    clinic.delete(&draft, 1).await.expect(204);
    held.get(LINK).await.expect_problem(410, "gone");
    held.post(&format!("{LINK}/complete"), json!({})).await.expect_problem(410, "gone");
});

/// Completes the draft by a link, with these answers to items that count and this one to the question of self-harm.
async fn fill_in(clinic: &Caller, draft: &str, code: &str, alarm: &str) {
    let items = ["/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3"];
    let mut given: Vec<(&str, &str)> = items.map(|item| (item, code)).into();
    given.push(("/44260-8", alarm));
    let person = holder(clinic, draft).await;
    for _ in 0..2 {
        person.post(&format!("{LINK}/complete"), answers(&given)).await.expect(200);
    }
}

/// What is to be done for the person of a draft: the day, and what is to be remembered.
async fn planned(clinic: &Caller, draft: &str) -> Vec<(String, String)> {
    let patient = clinic.get(draft).await.expect(200)["patient_id"].as_str().unwrap().to_owned();
    let open = clinic.get(&format!("/v1/follow-ups?patient_id={patient}&status=open")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = open["items"].as_array().unwrap().iter();
    items.filter(|item| item["purpose"] == "check_in").map(|item| (text(&item["due_on"]), text(&item["note"]))).collect()
}

on_both!(a_form_that_is_filled_in_alone_is_talked_about_where_something_was_found, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let [never, some, most] = ["LA6568-5", "LA6569-3", "LA6571-9"];
    let quiet = draft(&clinic).await;
    fill_in(&clinic, &quiet, never, never).await;
    assert_eq!(planned(&clinic, &quiet).await, []);

    let found = draft(&clinic).await;
    fill_in(&clinic, &found, most, never).await;
    let talk = planned(&clinic, &found).await;
    assert_eq!((talk.len(), talk[0].0.as_str()), (1, "2026-03-07"), "by the days of a first contact, and once");
    assert!(talk[0].1.contains(&found) && !talk[0].1.contains("PHQ"), "{}", talk[0].1);

    // What is planned by then anyway is enough, unless somebody must act at once.
    let check_in = async |draft: &str, due_on: &str| {
        let patient = clinic.get(draft).await.expect(200)["patient_id"].clone();
        let body = json!({ "patient_id": patient, "purpose": "check_in", "due_on": due_on });
        clinic.post("/v1/follow-ups", body).await.expect(201);
    };
    for (due_on, alarm, expected) in [
        ("2026-03-06", never, vec!["2026-03-06"]),
        ("2026-03-20", never, vec!["2026-03-07", "2026-03-20"]),
        ("2026-03-02", some, vec!["2026-03-02", "2026-03-02"]),
    ] {
        let known = draft(&clinic).await;
        check_in(&known, due_on).await;
        fill_in(&clinic, &known, most, alarm).await;
        let days: Vec<String> = planned(&clinic, &known).await.into_iter().map(|(day, _)| day).collect();
        assert_eq!(days, expected);
    }
});

on_both!(a_form_that_is_filled_in_alone_is_talked_about_whatever_becomes_of_a_referral, |db| async move {
    let town = Town::new(db).await;
    let form = draft(&town.clinic).await;
    let patient = town.clinic.get(&form).await.expect(200)["patient_id"].as_str().unwrap().to_owned();
    let referral = town.accepted(&patient).await;
    let within = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-03" });
    town.clinic.post("/v1/follow-ups", within).await.expect(201);
    fill_in(&town.clinic, &form, "LA6571-9", "LA6568-5").await;
    step(&town.program, &referral, json!({ "status": "rejected", "reason": { "code": "out_of_scope" } })).await.expect(201);
    let talk = planned(&town.clinic, &form).await;
    assert_eq!((talk.len(), talk[0].0.as_str()), (1, "2026-03-07"));
});

on_both!(an_alarm_in_a_form_that_is_half_done_is_to_be_acted_on_today_and_once, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let [never, some, most] = ["LA6568-5", "LA6569-3", "LA6571-9"];
    let form = draft(&clinic).await;
    let person = holder(&clinic, &form).await;
    let answered = async |item: &str, code: &str| {
        person.post(&format!("{LINK}/answers"), answers(&[(item, code)])).await.expect(200);
        planned(&clinic, &form).await
    };
    assert_eq!(answered("/44250-9", most).await, []);
    assert_eq!(answered("/44260-8", never).await, []);
    for (item, code) in [("/44260-8", some), ("/44260-8", some), ("/44255-8", most), ("/44260-8", never), ("/44260-8", most)] {
        let talk = answered(item, code).await;
        assert_eq!((talk.len(), talk[0].0.as_str()), (1, "2026-03-02"), "{item} {code}");
        assert!(talk[0].1.contains(&form), "{}", talk[0].1);
    }

    // What is on the list is not planned again when the form is done, also where it was moved since; what is new is in time.
    let moved = async |day: &str| {
        let open = clinic.get(&format!("/v1/follow-ups?organization_id={}&status=open", clinic.organization_id)).await.expect(200);
        let (id, version) = (open["items"][0]["id"].as_str().unwrap(), open["items"][0]["version"].as_i64().unwrap());
        clinic.patch(&format!("/v1/follow-ups/{id}"), version, json!({ "due_on": day })).await.expect(200);
    };
    moved("2026-03-09").await;
    let days = |talk: Vec<(String, String)>| talk.into_iter().map(|(day, _)| day).collect::<Vec<_>>();
    assert_eq!(days(answered("/44259-0", most).await), ["2026-03-09"]);
    fill_in(&clinic, &form, most, most).await;
    assert_eq!(days(planned(&clinic, &form).await), ["2026-03-09"]);

    let other = draft(&clinic).await;
    let person = holder(&clinic, &other).await;
    person.post(&format!("{LINK}/answers"), answers(&[("/44260-8", some)])).await.expect(200);
    moved("2026-03-20").await;
    fill_in(&clinic, &other, most, most).await;
    assert_eq!(days(planned(&clinic, &other).await), ["2026-03-02", "2026-03-20"], "it has grown worse since");
});

on_both!(an_alarm_that_was_talked_about_is_none_any_more_when_the_form_is_done, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let [some, most] = ["LA6569-3", "LA6571-9"];
    for (end, expected) in [("complete", "2026-03-07"), ("cancel", "2026-03-02")] {
        let form = draft(&clinic).await;
        let person = holder(&clinic, &form).await;
        person.post(&format!("{LINK}/answers"), answers(&[("/44260-8", some)])).await.expect(200);
        let patient = clinic.get(&form).await.expect(200)["patient_id"].clone();
        let open = clinic.get(&format!("/v1/follow-ups?patient_id={}&status=open", patient.as_str().unwrap())).await.expect(200);
        let talk = format!("/v1/follow-ups/{}", open["items"][0]["id"].as_str().unwrap());
        let said = if end == "complete" { json!({}) } else { json!({ "code": "other", "text": "Nobody has called." }) };
        clinic.post(&format!("{talk}/{end}"), said).await.expect(200);
        // What follows a talk by itself is planned for later than what was found is to be talked about.
        fill_in(&clinic, &form, most, some).await;
        let mut days: Vec<String> = planned(&clinic, &form).await.into_iter().map(|(day, _)| day).collect();
        days.retain(|day| day.as_str() <= "2026-03-07");
        assert_eq!(days, [expected], "{end}");
    }
});

on_both!(an_alarm_is_for_whoever_manages_the_patient_where_the_recorder_takes_no_part_in_follow_ups, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, partner) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &partner, &["screenings", "sensitive"]).await;
    let [never, some, most] = ["LA6568-5", "LA6569-3", "LA6571-9"];
    let for_whom = async |alarm: &str| {
        let made = partner.post("/v1/screenings", json!({ "patient_id": person, "instrument": "phq-9" })).await;
        let form = made.header("location").unwrap().to_owned();
        fill_in(&partner, &form, most, alarm).await;
        let open = clinic.get(&format!("/v1/follow-ups?patient_id={person}&status=open")).await.expect(200);
        let about_it = open["items"].as_array().unwrap().iter().filter(|item| item["note"].as_str().unwrap().contains(&form));
        about_it.map(|item| (item["organization_id"].clone(), item["due_on"].clone())).collect::<Vec<_>>()
    };
    let today = json!("2026-03-02");
    assert_eq!(for_whom(never).await, []);
    assert_eq!(for_whom(some).await, [(json!(clinic.organization_id), today.clone())]);
    let hidden = partner.get(&format!("/v1/follow-ups?patient_id={person}")).await.expect(200);
    assert_eq!(hidden["items"], json!([]), "it is not the partner's to read");
    consent(&clinic, &person, &partner, &["follow_ups"]).await;
    assert_eq!(for_whom(some).await, [(json!(partner.organization_id), today)]);
});
