//! What an import leaves standing: the words of people here, and the places that Kith keeps for those who wait.

use diesel::connection::SimpleConnection;
use kith::services::model::ServiceInput;
use serde_json::{Map, Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::duplicates::{import, path, record};
use crate::referrals::clinic_and_lunch;

/// Replaces a service by what is written of it, with these changes and without its provenance.
async fn replace(caller: &Caller, id: &str, changes: Value) {
    let names = serde_json::from_value::<ServiceInput>(json!({ "name": "" })).and_then(serde_json::to_value).unwrap();
    let service = caller.get(&path(id, "")).await.expect(200);
    let mut written: Map<String, Value> = service.as_object().unwrap().clone();
    written.retain(|name, _| names.get(name).is_some() && name != "provenance");
    written.extend(changes.as_object().unwrap().clone());
    caller.put(&path(id, ""), service["version"].as_i64().unwrap(), Value::Object(written)).await.expect(200);
}

/// What a report says of changes that were made here: codes and fields.
fn told(answer: &Answer) -> Vec<(String, String)> {
    let report = answer.expect(200);
    let notices = report["lines"].as_array().unwrap().iter().flat_map(|line| line["notices"].as_array().unwrap().clone());
    let text = |notice: &Value, name: &str| notice[name].as_str().unwrap().to_owned();
    notices.map(|notice| (text(&notice, "code"), text(&notice, "field"))).filter(|(code, _)| code.starts_with("change_")).collect()
}

fn kept(fields: &[&str]) -> Vec<(String, String)> {
    fields.iter().map(|field| ("change_kept".to_owned(), (*field).to_owned())).collect()
}

/// Says that the words of sources were not kept, as by a version before that.
async fn forget_statements(app: &TestApp) {
    app.state.db.write(|conn| Ok(conn.batch_execute("UPDATE imported_services SET statement = NULL")?)).await.unwrap();
}

/// The services of a directory: ids by name.
async fn named(caller: &Caller, name: &str) -> String {
    let page = caller.get("/v1/services?limit=200").await.expect(200);
    let found = page["items"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

on_both!(whoever_replaces_a_service_without_its_provenance_loses_no_change_to_its_source, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    for were_kept in [true, false] {
        let (source, name) = if were_kept { ("a", "Pantry") } else { ("b", "Shelter") };
        import(&caller, source, "", &[record(source, "1", name, json!({ "description": "One." }))]).await;
        let id = named(&caller, name).await;
        caller.app.clock.advance(chrono::Duration::seconds(60));
        replace(&caller, &id, json!({ "name": format!("North {name}") })).await;
        if !were_kept {
            forget_statements(&caller.app).await;
        }
        for email in ["one@pantry.example.ca", "two@pantry.example.ca"] {
            caller.app.clock.advance(chrono::Duration::seconds(60));
            let said = record(source, "1", name, json!({ "description": "One.", "email": email }));
            let (answer, counts) = import(&caller, source, "", &[said]).await;
            assert_eq!((counts, told(&answer)), ([0, 1, 0, 0, 0], kept(&["/name"])), "{were_kept}");
            let service = caller.get(&path(&id, "")).await.expect(200);
            assert_eq!((&service["name"], &service["email"]), (&json!(format!("North {name}")), &json!(email)), "{were_kept}");
        }
    }
});

on_both!(what_other_records_add_to_a_service_was_changed_by_nobody, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    for (source, name, were_kept) in [("a", "Pantry", true), ("b", "Shelter", false)] {
        let said = |description: &str, more: Value| {
            let mut said = record(source, "1", name, json!({ "description": description }));
            said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            said
        };
        import(&caller, source, "", &[said("One.", json!({}))]).await;
        let id = named(&caller, name).await;
        let url = format!("https://{source}.example.ca/");
        let other = json!({ "name": format!("{name} of the valley"), "email": "food@example.ca", "url": url });
        let other = caller.post("/v1/services", other).await.id();
        caller.post(&path(&id, "/merge"), json!({ "duplicate_id": other })).await.expect(200);
        caller.app.clock.advance(chrono::Duration::seconds(60));
        import(&caller, source, "", &[said("Two.", json!({}))]).await;
        caller.app.clock.advance(chrono::Duration::seconds(60));
        let version = caller.get(&path(&id, "")).await.expect(200)["version"].as_i64().unwrap();
        caller.patch(&path(&id, ""), version, json!({ "languages": [{ "language": "fr" }] })).await.expect(200);
        if !were_kept {
            forget_statements(&caller.app).await;
        }
        caller.app.clock.advance(chrono::Duration::seconds(60));
        let own = json!({ "email": "desk@pantry.example.ca", "url": url });
        let (answer, _) = import(&caller, source, "", &[said("Three.", own)]).await;
        assert_eq!(told(&answer), kept(&["/languages"]), "{were_kept}");
        let service = caller.get(&path(&id, "")).await.expect(200);
        assert_eq!((&service["email"], &service["languages"][0]["language"]), (&json!("desk@pantry.example.ca"), &json!("fr")));
    }
});

on_both!(a_place_that_is_kept_stays_so_where_a_list_names_a_service_and_its_duplicate, |db| async move {
    let (clinic, agency, _) = clinic_and_lunch(db).await;
    let list = |free: i64, updated: &str, description: &str| {
        let room = json!({ "unit": { "name": "place" }, "available": free, "updated": updated });
        [
            json!({ "id": "1", "name": "Supper", "status": "active", "description": "Soup.", "capacities": [room] }),
            json!({ "id": "2", "name": "Supper club", "status": "active", "description": description }),
        ]
    };
    let (answer, counts) = import(&agency, "a", "", &list(0, "2026-03-01T00:00:00Z", "One.")).await;
    assert_eq!(counts, [2, 0, 0, 0, 0], "{}", answer.json());
    let (service, duplicate) = (named(&agency, "Supper").await, named(&agency, "Supper club").await);
    agency.patch(&path(&service, ""), 1, json!({ "provider_id": agency.organization_id })).await.expect(200);
    agency.post(&path(&service, "/merge"), json!({ "duplicate_id": duplicate })).await.expect(200);
    let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
    let referral = json!({
        "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
        "consent": { "form": "verbal" },
    });
    let referral = clinic.post("/v1/referrals", referral).await.id();
    let entry = agency.post(&path(&service, "/waitlist-entries"), json!({ "referral_id": referral })).await.expect(201);
    assert_eq!(entry["status"], "waiting");

    agency.app.clock.advance(chrono::Duration::seconds(60));
    let (_, counts) = import(&agency, "a", "", &list(1, "2026-03-02T00:00:00Z", "Two.")).await;
    assert_eq!(counts, [0, 2, 0, 0, 0]);
    let service = clinic.get(&path(&service, "")).await.expect(200);
    assert_eq!((&service["capacity"]["available"], &service["capacity"]["held"]), (&json!(1), &json!(1)), "{}", service["capacity"]);
});
