//! What somebody here corrects or takes out of what a source has said.

use actix_web::http::Method;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{exported, goes_on_unchanged, id};
use crate::client::{Caller, TestApp};
use crate::hsds::round_trip::{kind_of, tables};

/// A service at an unnamed place, of which its source says more than Kith reads.
async fn shelter(directory: &Caller) -> Value {
    let address = json!({ "id": id("door"), "address_1": "12 Hidden Street", "city": "Alder Falls", "state_province": "BC",
        "postal_code": "V0X 3A0", "country": "CA", "address_type": "physical" });
    let location = json!({ "id": id("house"), "location_type": "physical", "description": "The red house.",
        "transportation": "Bus 4.", "addresses": [address] });
    let line = json!({
        "id": id("shelter"), "name": "Shelter", "status": "active",
        "schedules": [{ "id": id("hours"), "freq": "WEEKLY", "byday": "MO", "opens_at": "09:00", "closes_at": "12:00", "timezone": -8 }],
        "phones": [{ "id": id("desk"), "number": "250-555-0142", "type": "pager", "colour": "red" }],
        "service_at_locations": [{ "id": id("site"), "description": "Ring twice.", "location": location }],
    });
    let request = directory.request(Method::POST, "/v1/imports/services?source=foreign&time_zone=America/Toronto");
    let request = request.insert_header(("content-type", "application/x-ndjson")).set_payload(line.to_string());
    let report = directory.app.send(request).await.expect(200);
    assert_eq!(report["created"], 1, "{report}");
    directory.get("/v1/services?q=shelter").await.expect(200)["items"][0].clone()
}

/// Changes a service by hand, a while after it was imported.
async fn change(directory: &Caller, service: &Value, changes: Value) -> Value {
    directory.app.clock.advance(chrono::Duration::seconds(60));
    let path = format!("/v1/services/{}", service["id"].as_str().unwrap());
    directory.patch(&path, service["version"].as_i64().unwrap(), changes).await.expect(200)
}

on_both!(what_is_corrected_here_counts_and_what_is_not_stands_as_its_source_says_it, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let own = shelter(&directory).await;
    let shown = async || directory.get(&format!("/hsds/services/{}", id("shelter"))).await.expect(200);
    let service = shown().await;
    let hours = &service["schedules"][0];
    assert_eq!((&hours["timezone"], &hours["kith"]["time_zone"]), (&json!(-8), &json!("America/Toronto")), "{hours}");
    let location = &service["service_at_locations"][0]["location"];
    assert_eq!((&service["phones"][0]["type"], &location["transportation"]), (&json!("pager"), &json!("Bus 4.")));
    goes_on_unchanged(&exported(&directory).await, kind).await;

    let (mut schedules, mut phones, mut places) = (own["schedules"].clone(), own["phones"].clone(), own["places"].clone());
    schedules[0]["time_zone"] = json!("America/Edmonton");
    phones[0]["kind"] = json!("fax");
    places[0]["transit"] = json!({ "nearest_stop": "Mill Street" });
    change(&directory, &own, json!({ "schedules": schedules, "phones": phones, "places": places })).await;
    let service = shown().await;
    for (row, column, here, there) in [
        (&service["schedules"][0], "timezone", json!(-7), json!(-8)),
        (&service["phones"][0], "type", json!("fax"), json!("pager")),
        (&service["service_at_locations"][0]["location"], "transportation", json!("Mill Street"), json!("Bus 4.")),
    ] {
        assert_eq!((&row[column], &row["kith"]["source_fields"][column]), (&here, &there), "{row}");
    }
    goes_on_unchanged(&exported(&directory).await, kind).await;
});

on_both!(what_was_taken_out_here_is_shown_to_nobody, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let own = shelter(&directory).await;
    let after = change(&directory, &own, json!({ "places": [], "phones": [] })).await;
    assert!(after["source_fields"].to_string().contains("12 Hidden Street"), "it stays in the record: {after}");
    let shown = directory.get(&format!("/hsds/services/{}", id("shelter"))).await.expect(200).to_string();
    let package = exported(&directory).await;
    let rows: Vec<String> = tables(&package).into_values().flatten().collect();
    for word in ["Hidden", "red house", "Ring twice", "Bus 4", "555-0142", "colour"] {
        assert!(!shown.contains(word), "{word}: {shown}");
        assert!(!rows.iter().any(|row| row.contains(word)), "{word}: {rows:?}");
    }
    goes_on_unchanged(&package, kind).await;
});
