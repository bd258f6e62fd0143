//! Credentials: whom they are sent to, who has to ask for another, and that nobody is shown them.

use std::sync::{Arc, Mutex};

use chrono::Duration as Span;
use serde_json::json;

use super::{PATH, Partner, asked, counts, last_run, pull, subscribe};
use crate::client::TestApp;
use crate::receiver::{Got, Receiver, Reply};

on_both!(a_credential_is_sent_to_whom_it_is_for_and_shown_to_nobody, |db| async move {
    let file = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--webhook-allow=127.0.0.1", &format!("--source-credentials={}", file.path().display())];
    let app = TestApp::with(db, &flags).await;
    let mut clinic = app.clinic().await;
    let elsewhere = Receiver::that(|_| Reply::json(&json!({ "contents": [] })));
    let there = elsewhere.url("/moved");
    let partner = Receiver::that(move |_| Reply { headers: vec![("Location", there.clone())], ..Reply::status(302) });
    let entry = |organization: &str| {
        format!(
            "[partner]\norigin = \"{}\"\norganization = \"{organization}\"\nheader = \"X-Api-Key\"\nvalue = \"hush-hush\"\n",
            partner.url("")
        )
    };
    let stranger = entry(&app.stranger().organization_id.to_string());
    let wished = |url: &str| json!({ "name": "partner", "url": partner.url(url), "credential": "partner" });
    let mut refusals = Vec::new();
    for set in ["", &stranger] {
        std::fs::write(file.path(), set).unwrap();
        let refused = clinic.post(PATH, wished("/hsds")).await;
        refusals.push(refused.expect_problem(422, "invalid_request")["errors"].clone());
    }
    assert_eq!((&refusals[0], &refusals[0][0]["pointer"]), (&refusals[1], &json!("/credential")), "whose it is, is told to nobody");
    std::fs::write(file.path(), entry(&clinic.organization_id.to_string())).unwrap();
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "credential": "partner" })).await;
    let fault = [("/credential".to_owned(), "not_found".to_owned())];
    assert_eq!(clinic.patch(&source, 1, json!({ "credential": "other" })).await.faults(422), fault);
    assert_eq!(clinic.patch(&source, 1, json!({ "url": "https://other.example" })).await.faults(422), fault);
    assert_eq!(
        clinic.put(&source, 1, json!({ "name": "partner", "url": "https://other.example", "credential": "partner" })).await.faults(422),
        fault
    );
    std::fs::write(file.path(), "").unwrap();
    let kept = clinic.put(&source, 1, wished("/hsds")).await.expect(200);
    assert_eq!(kept["version"], 2, "what it names already is not asked for again");
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["error"], "credential");
    assert_eq!(partner.count(), 0, "without its credential nothing is asked");
    std::fs::write(file.path(), stranger).unwrap();
    let again = json!({ "kind": "pull" });
    app.clock.advance(Span::seconds(1));
    clinic.post(&format!("{source}/runs"), again.clone()).await.expect(201);
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["error"], "credential", "it is another organization's");
    std::fs::write(file.path(), entry(&clinic.organization_id.to_string())).unwrap();
    app.clock.advance(Span::seconds(1));
    clinic.renew().await;
    clinic.post(&format!("{source}/runs"), again).await.expect(201);
    pull(&app).await;
    let run = clinic.get(&format!("{source}/runs?limit=1")).await;
    assert_eq!(run.expect(200)["items"][0]["status"], "completed");
    assert_eq!(partner.take()[0].headers["x-api-key"], "hush-hush");
    assert!(!elsewhere.take()[0].headers.contains_key("x-api-key"), "where a redirect leads it is not sent");
    assert!(!clinic.get(&source).await.expect(200).to_string().contains("hush"));
});

on_both!(a_partner_that_gives_tokens_is_asked_with_one_and_with_another_once_it_is_spent, |db| async move {
    let file = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--webhook-allow=127.0.0.1", &format!("--source-credentials={}", file.path().display())];
    let app = TestApp::with(db, &flags).await;
    let clinic = app.clinic().await;
    let theirs = Partner::of(&[("a", "Lunch Club"), ("b", "Food Bank"), ("c", "Night Shelter")]);
    // Each token is good for one answer.
    let (given, spent) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let partner = Receiver::that(move |got| {
        let mut given = given.lock().unwrap();
        if got.path == "/oauth/token" {
            *given += 1;
            return Reply::json(&json!({ "access_token": format!("token-{given}"), "token_type": "Bearer", "expires_in": 900 }));
        }
        let mut spent = spent.lock().unwrap();
        if *spent == *given || got.headers.get("authorization") != Some(&format!("Bearer token-{given}")) {
            return Reply::status(401);
        }
        *spent = *given;
        theirs.answer(got)
    });
    let entry = |more: &str| {
        let (origin, owner) = (partner.url(""), clinic.organization_id);
        let text = format!(
            "[partner]\norigin = \"{origin}\"\norganization = \"{owner}\"\ntoken_url = \"{origin}/oauth/token\"\n\
             client_id = \"kith\"\nclient_secret = \"hush hush\"\n{more}"
        );
        std::fs::write(file.path(), text).unwrap();
    };
    entry("scope = \"services:read\"\n");
    let source = subscribe(&clinic, partner.url("/hsds"), json!({ "credential": "partner" })).await;
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), counts(&run)), (Some("completed"), [3, 0, 0, 0, 0]), "{run}");
    let got = partner.take();
    let tokens: Vec<&Got> = got.iter().filter(|got| got.path == "/oauth/token").collect();
    assert_eq!(tokens.len(), 2, "one for each page, as each was good for one");
    assert_eq!(tokens[0].body, "grant_type=client_credentials&scope=services%3Aread");
    assert_eq!(tokens[0].headers["authorization"], "Basic a2l0aDpodXNoK2h1c2g=", "as in a form");
    assert!(!run.to_string().contains("hush") && !run.to_string().contains("token-"));
    // Who is refused a token asks no more.
    partner.now(|_| Reply::status(401));
    app.clock.advance(Span::seconds(1));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect(201);
    pull(&app).await;
    let run = last_run(&clinic, &source).await;
    assert_eq!((run["status"].as_str(), run["error"].as_str()), (Some("failed"), Some("credential")), "{run}");
    assert_eq!(asked(&partner), ["/oauth/token"]);
    // One that is both a header and a client is neither.
    entry("value = \"x\"\n");
    app.clock.advance(Span::seconds(1));
    clinic.post(&format!("{source}/runs"), json!({ "kind": "pull" })).await.expect(201);
    pull(&app).await;
    assert_eq!(last_run(&clinic, &source).await["error"], "credential");
    assert_eq!(asked(&partner), Vec::<String>::new());
});
