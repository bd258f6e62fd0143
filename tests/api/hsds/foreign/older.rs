//! Packages of older versions of the standard.

use std::collections::BTreeMap;

use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{Cells, cells, exported, goes_on_unchanged, id, lost, package, send};
use crate::client::TestApp;
use crate::hsds::round_trip::kind_of;

/// What older tables and columns are called now.
fn renamed(file: &str, column: &str) -> (String, String) {
    let (file, column) = match (file, column) {
        ("organizations.csv", "url") => (file, "website"),
        ("services_at_location.csv", _) => ("service_at_location.csv", column),
        ("physical_addresses.csv" | "postal_addresses.csv", _) => ("addresses.csv", column),
        ("regular_schedules.csv", "weekday") => ("schedules.csv", "byday"),
        ("regular_schedules.csv", _) => ("schedules.csv", column),
        ("services_taxonomy.csv", "service_id") => ("attributes.csv", "link_id"),
        ("services_taxonomy.csv", "taxonomy_detail") => ("attributes.csv", "value"),
        ("services_taxonomy.csv", _) => ("attributes.csv", column),
        ("accessibility_for_disabilities.csv", "accessibility") => ("accessibility.csv", "description"),
        ("accessibility_for_disabilities.csv", _) => ("accessibility.csv", column),
        ("languages.csv", "language") => (file, "name"),
        ("service_areas.csv", "service_area") => (file, "name"),
        _ => (file, column),
    };
    (file.to_owned(), column.to_owned())
}

const OLDER: &[(&str, &str)] = &[
    ("datapackage.json", "none"),
    (
        "organizations.csv",
        "id,name,alternate_name,description,email,url,tax_status,tax_id,year_incorporated,legal_status\n\
         {o1},Elm Society,The Elms,Helps.,desk@elm.example.ca,https://elm.example.ca,charity,11884,1990,Society\n{o2},Oak Society,,Plans.,,,,22,,\n",
    ),
    ("programs.csv", "id,organization_id,name,alternate_name\n{p1},{o1},Together,All\n"),
    (
        "services.csv",
        "id,organization_id,program_id,name,alternate_name,description,url,email,status,interpretation_services,application_process,wait_time,fees,accreditations,licenses\n\
         {s1},{o1},{p1},Pantry,The Shelf,Food to take home.,https://elm.example.ca/pantry,pantry@elm.example.ca,active,None,Drop in.,A week,Free,Accredited,Licence 9\n",
    ),
    ("services_at_location.csv", "id,service_id,location_id,description\n{x1},{s1},{l1},In the hall.\n"),
    (
        "locations.csv",
        "id,organization_id,name,alternate_name,transportation,latitude,longitude\n{l1},{o1},Hall,The barn,Bus 4,51.05,-114.07\n",
    ),
    (
        "physical_addresses.csv",
        "id,location_id,attention,address_1,city,region,state_province,postal_code,country\n{d1},{l1},Desk,9 Elm Street,Elm Creek,Elm County,AB,T2P 1A1,CA\n",
    ),
    (
        "postal_addresses.csv",
        "id,location_id,attention,address_1,city,state_province,postal_code,country\n{d2},{l1},,PO Box 9,Elm Creek,AB,T2P 1A2,CA\n",
    ),
    (
        "phones.csv",
        "id,location_id,service_id,organization_id,contact_id,number,extension,type,language,description\n{f1},,{s1},,,403-555-0142,,voice,,Desk\n",
    ),
    (
        "regular_schedules.csv",
        "id,service_id,location_id,weekday,opens_at,closes_at\n{h1},{s1},,TU,09:00,12:00\n{h2},{s1},,TH,09:00,12:00\n",
    ),
    ("holiday_schedules.csv", "id,service_id,closed,start_date,end_date\n{j1},{s1},True,2026-12-25,2026-12-26\n"),
    ("eligibility.csv", "id,service_id,eligibility\n{e1},{s1},Adults who live in the county\n"),
    ("services_taxonomy.csv", "id,service_id,taxonomy_id,taxonomy_detail\n{a1},{s1},BD-1800,\n{a2},{gone},BD-1800,\n"),
    (
        "taxonomy.csv",
        "id,name,parent_id,parent_name,vocabulary\nBD,Basic needs,,,Open Eligibility\nBD-1800,Pantries,BD,Basic needs,Open Eligibility\nBD-9,Boats,BD,Basic needs,Open Eligibility\n",
    ),
    ("accessibility_for_disabilities.csv", "id,location_id,accessibility,details\n{b1},{l1},Ramp at the back,Ring.\n"),
    ("payments_accepted.csv", "id,service_id,payment\n{y1},{s1},cash\n"),
    ("languages.csv", "id,service_id,location_id,language\n{n1},{s1},,Punjabi\n"),
    ("contacts.csv", "id,organization_id,service_id,name,title,department,email\n{c1},,{s1},Intake,,Welcome,intake@elm.example.ca\n"),
    ("required_documents.csv", "id,service_id,document\n{r1},{s1},Proof of address\n"),
    ("service_areas.csv", "id,service_id,service_area,description\n{w1},{s1},Elm County,And beyond\n"),
    ("funding.csv", "id,organization_id,service_id,source\n{g1},{o2},,A gift\n"),
    (
        "metadata.csv",
        "id,resource_id,last_action_date,last_action_type,field_name,previous_value,replacement_value,updated_by\n{m1},{s1},2020-01-01,update,name,a,b,Dana\n",
    ),
];

on_both!(every_cell_of_an_older_foreign_package_is_found_again_here_and_elsewhere, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Elm County Information Line", OrganizationKind::Directory).await;
    let sent = package(OLDER);
    let report = send(&directory, "", sent.clone()).await;
    assert_eq!((&report["created"], &report["organizations_created"]), (&json!(1), &json!(2)), "{report}");
    assert_eq!(report["notices"]["row_left_out"], 1, "{report}");
    let first = exported(&directory).await;
    let (theirs, ours) = (cells(&sent), cells(&first.bytes));
    // These tables have become fields, or stand with the service.
    let beside = ["taxonomy.csv", "eligibility.csv", "holiday_schedules.csv", "payments_accepted.csv"];
    let mut expected = Cells::new();
    for (file, rows) in theirs.iter().filter(|(file, _)| !beside.contains(&file.as_str())) {
        for (id, row) in rows {
            for (column, cell) in row.iter().filter(|(column, _)| column.as_str() != "taxonomy_id") {
                let (file, column) = renamed(file, column);
                expected.entry(file).or_default().entry(id.clone()).or_default().insert(column, cell.clone());
            }
        }
    }
    assert_eq!(lost(&expected, &ours, &["a2"]), Vec::<String>::new());
    let service = &ours["services.csv"][&id("s1")];
    assert_eq!((service["eligibility_description"].as_str(), service["fees"].as_str()), ("Adults who live in the county", "Free"));
    assert!(service["kith"].contains("\"payment\":\"cash\""), "{}", service["kith"]);
    assert_eq!(service["kith"].matches("2026-12-26").count(), 1, "a holiday is a time of closing: {}", service["kith"]);

    // Ids that are none for the whole world are codes, and the terms above and beside those in use are there.
    let terms: BTreeMap<&str, &BTreeMap<String, String>> = ours["taxonomy_terms.csv"]
        .values()
        .filter(|term| term["taxonomy"] == "Open Eligibility")
        .map(|term| (term["code"].as_str(), term))
        .collect();
    assert_eq!(terms.keys().copied().collect::<Vec<_>>(), ["BD", "BD-1800", "BD-9"]);
    for (code, name) in [("BD", "Basic needs"), ("BD-1800", "Pantries"), ("BD-9", "Boats")] {
        assert_eq!(terms[code]["name"], name);
    }
    assert_eq!((&terms["BD-1800"]["parent_id"], &terms["BD-9"]["parent_id"]), (&terms["BD"]["id"], &terms["BD"]["id"]));
    assert!(terms["BD-1800"]["kith"].contains("\"parent_name\":\"Basic needs\""), "{:?}", terms["BD-1800"]);
    assert_eq!(ours["attributes.csv"][&id("a1")]["taxonomy_term_id"], terms["BD-1800"]["id"]);
    let own = directory.get("/v1/services?q=pantry").await.expect(200)["items"][0].clone();
    assert_eq!((&own["taxonomy_terms"][0]["code"], &own["taxonomy_terms"][0]["label"]), (&json!("BD-1800"), &json!("Pantries")));
    assert_eq!(own["schedules"][0]["time_zone"], "America/Edmonton", "Alberta has one zone");
    let holiday = own["schedules"].as_array().unwrap().last().unwrap();
    assert_eq!((&holiday["kind"], &holiday["time_zone"]), (&json!("closed"), &json!("America/Edmonton")));
    goes_on_unchanged(&first, kind).await;
});

on_both!(holidays_of_a_service_and_of_its_locations_are_times_of_closing_here_and_elsewhere, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Elm County Information Line", OrganizationKind::Directory).await;
    let files = [
        ("organizations.csv", "id,name,description\n{o1},Elm Society,Helps.\n"),
        ("services.csv", "id,organization_id,name,status\n{s1},{o1},Pantry,active\n"),
        ("services_at_location.csv", "id,service_id,location_id\n{x1},{s1},{l1}\n{x2},{s1},{l2}\n"),
        ("locations.csv", "id,organization_id,name\n{l1},{o1},Hall\n{l2},{o1},Barn\n"),
        (
            "physical_addresses.csv",
            "id,location_id,address_1,city,state_province,country\n{d1},{l1},9 Elm Street,Elm Creek,AB,CA\n{d2},{l2},1 Elm Lane,Elm Creek,AB,CA\n",
        ),
        ("regular_schedules.csv", "id,service_id,weekday,opens_at,closes_at\n{h1},{s1},TH,09:00,17:00\n{h2},{s1},FR,09:00,17:00\n"),
        (
            "holiday_schedules.csv",
            "id,service_id,location_id,service_at_location_id,closed,start_date,end_date,opens_at,closes_at\n\
             {j1},{s1},,,TRUE,2026-12-25,2026-12-25,,\n{j2},{s1},,,FALSE,2026-12-24,2026-12-24,10:00,14:00\n\
             {j3},,{l1},,TRUE,2026-07-02,2026-07-03,,\n{j4},,,{x2},TRUE,2026-08-06,2026-08-06,,\n{j5},{s1},,,FALSE,2026-12-27,2026-12-27,10:00,12:00\n",
        ),
    ];
    let report = send(&directory, "", package(&files)).await;
    assert_eq!((&report["created"], &report["notices"]["holiday_not_understood"]), (&json!(1), &json!(1)), "{report}");
    let own = directory.get("/v1/services?q=pantry").await.expect(200)["items"][0].clone();
    let closings = |schedules: &Value| -> Vec<String> {
        let closed = schedules.as_array().unwrap().iter().filter(|schedule| schedule["kind"] == "closed");
        closed.map(|one| format!("{} {} {}", one["valid"]["from"].as_str().unwrap(), one["opens_at"], one["closes_at"])).collect()
    };
    assert_eq!(closings(&own["schedules"]), ["2026-12-25 null null", "2026-12-24 \"00:00\" \"10:00\"", "2026-12-24 \"14:00\" \"00:00\""]);
    let of = |name: &str| own["places"].as_array().unwrap().iter().find(|place| place["name"] == name).unwrap();
    assert_eq!(closings(&of("Hall")["schedules"]), ["2026-07-02 null null"]);
    assert_eq!(closings(&of("Barn")["schedules"]), ["2026-08-06 null null"]);
    // A Sunday is no part of the usual hours: that it is open then is kept as its source says it.
    let kept = own["source_fields"]["holiday_schedules"].as_array().unwrap();
    assert_eq!(kept.iter().filter(|row| row["start_date"] == "2026-12-27" && row.get("of").is_none()).count(), 1, "{kept:?}");
    assert!(kept.iter().all(|row| row["start_date"] == "2026-12-27" || row.get("start_date").is_none()), "{kept:?}");

    let shown = directory.get(&format!("/hsds/services/{}", id("s1"))).await.expect(200);
    assert_eq!((shown["schedules"].as_array().unwrap().len(), shown["kith"]["schedules"].as_array().unwrap().len()), (2, 5), "{shown}");
    let site = shown["service_at_locations"].as_array().unwrap().iter().find(|site| site["id"] == id("x2")).unwrap();
    assert_eq!((site.get("schedules"), &site["kith"]["schedules"][0]["kind"]), (None, &json!("closed")), "{site}");
    for day in ["2026-12-25", "2026-07-03", "2026-08-06"] {
        let spans = shown.to_string().matches(day).count();
        assert!(spans <= 2, "{day} is said once, from and until: {shown}");
    }
    goes_on_unchanged(&exported(&directory).await, kind).await;
});
