//! In what order the rows of a package stand.

use actix_web::http::Method;
use kith::organizations::model::OrganizationKind;
use serde_json::json;

use super::foreign::{package, send};
use super::round_trip::{elsewhere, files, kind_of};
use crate::client::TestApp;

on_both!(the_rows_of_a_package_stand_in_one_order_wherever_it_is_made, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    // Each service counts in a unit whose id is below that of the service before it.
    let id = |part: u32, number: u32| format!("1b7c2f7e-5d0a-4f60-8c{part:02}-{number:012}");
    let shelter = |number: u32| {
        let unit = json!({ "id": id(3, 9 - number), "name": format!("beds {number}") });
        json!({
            "id": id(1, number), "name": format!("Shelter {number}"), "status": "active",
            "capacities": [{ "id": id(2, number), "unit": unit, "available": 1, "updated": "2026-02-27" }],
        })
    };
    let shelters: Vec<String> = (0..4).map(|number| shelter(number).to_string()).collect();
    let request = directory.request(Method::POST, "/v1/imports/services?source=shelters");
    let request = request.insert_header(("content-type", "application/x-ndjson")).set_payload(shelters.join("\n"));
    assert_eq!(app.send(request).await.expect(200)["created"], 4);
    // Two sources have units that nobody counts in, and descriptions of tables.
    for number in 1..=2 {
        let (services, units) =
            (format!("id,name,status\n{{s{number}}},Group {number},active\n"), format!("id,name\n{{u{number}}},seat\n{{v{number}}},bed\n"));
        let tables = format!("id,name,language,character_set\n{{y{number}}},services.csv,en,UTF-8\n{{z{number}}},units.csv,en,UTF-8\n");
        let files = [("services.csv", services.as_str()), ("units.csv", units.as_str()), ("meta_table_descriptions.csv", tables.as_str())];
        send(&directory, &format!("-{number}"), package(&files)).await;
    }

    let mut before = directory.get("/hsds/package").await;
    for (file, rows) in [("units.csv", 8), ("meta_table_descriptions.csv", 4)] {
        let rows_there = &files(&before)[file];
        assert!(rows_there.len() == rows && rows_there.is_sorted(), "{file}: {rows_there:?}");
    }
    for _ in 0..2 {
        let (_app, partner) = elsewhere(kind).await;
        send(&partner, "", before.bytes.to_vec()).await;
        let there = partner.get("/hsds/package").await;
        assert_eq!(files(&before), files(&there));
        before = there;
    }
});
