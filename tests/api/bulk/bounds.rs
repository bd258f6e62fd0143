//! How much one client may ask for, and keep.

use diesel::connection::SimpleConnection as _;
use kith::bulk::model::MOST_KEPT;
use serde_json::{Value, json};

use super::{engine, export, key, load, patient, place, results, send, text};
use crate::client::TestApp;

on_both!(a_line_names_no_more_than_five_hundred_others, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let unmet = |services: usize| {
        let tried = vec![key("s-1"); services];
        json!({ "type": "unmet_need", "resource": { "patient_id": key("p-1"), "domain": "food-insecurity", "reasons": ["no_service"],
            "tried_service_ids": tried } })
    };
    let service = json!({ "type": "service", "resource": { "name": "Lunch", "identifiers": [key("s-1")] } });
    let job = load(&clinic, text(&[patient("p-1", "Tremblay"), service, unmet(1), unmet(500)])).await;
    let told = results(&clinic, &job).await;
    assert_eq!((&told[2]["outcome"], &told[3]["outcome"]), (&json!("created"), &json!("refused")), "{told:#?}");
    let fault = &told[3]["problem"]["errors"][0];
    assert_eq!((&fault["pointer"], &fault["code"]), (&json!("/resource/tried_service_ids/499"), &json!("too_many")));
});

on_both!(an_import_of_which_very_much_was_refused_is_given_up, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let job = send(&clinic, "/v1/imports", "0\n".repeat(600)).await.expect(202);
    // As if so many had been before.
    app.state.db.write(|conn| Ok(conn.batch_execute("UPDATE bulk_jobs SET refused = 99999")?)).await.unwrap();
    engine(&app).work().await.unwrap();
    let ended = clinic.get(&place(&job)).await.expect(200);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("failed"), &json!("too_many_refused")), "{ended:#}");
    let told = results(&clinic, &job).await;
    assert!((1..600).contains(&told.len()), "{}", told.len());
    assert_eq!((&ended["lines"], &told[0]["problem"]["code"]), (&json!(told.len()), &json!("invalid_request")));
    engine(&app).purge().await.unwrap();
    assert_eq!(results(&clinic, &job).await, told, "what became of them is kept");
});

on_both!(the_latest_exports_of_a_client_are_kept, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    clinic.post("/v1/patients", patient("p-1", "Tremblay")["resource"].clone()).await.expect(201);
    let other = app.client(clinic.organization_id, clinic.scopes).await;
    let input = json!({ "types": ["patient"] });
    let (theirs, first) = (export(&other, input.clone()).await, export(&clinic, input.clone()).await);
    let url = first["files"][0]["url"].as_str().unwrap().to_owned();
    let mut latest: Vec<Value> = Vec::new();
    for _ in 0..MOST_KEPT {
        assert_eq!(app.stranger().get(&url).await.status, 200);
        latest.insert(0, export(&clinic, input.clone()).await["id"].clone());
    }
    app.stranger().get(&url).await.expect_problem(404, "not_found");
    let path = |export: &Value| format!("/v1/exports/{}", export["id"].as_str().unwrap());
    clinic.get(&path(&first)).await.expect_problem(404, "not_found");
    let listed = clinic.get("/v1/exports").await.expect(200);
    let ids: Vec<Value> = listed["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, latest);
    other.get(&path(&theirs)).await.expect(200);
});
