//! Packages that others have made: every cell of them is found again, here and in the next instance.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use actix_web::http::Method;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::all;
use super::round_trip::{elsewhere, kind_of, tables, zipped};
use crate::client::{Answer, Caller, TestApp};

/// The UUID that stands for a name in these packages.
fn id(name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// A file with its names in braces written as UUIDs.
fn with_ids(text: &str) -> String {
    let mut parts = text.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (name, rest) = part.split_once('}').unwrap();
        text + &id(name) + rest
    })
}

/// A package of these files.
pub(super) fn package(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (*name, with_ids(text))).collect();
    zipped(&files.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>())
}

/// The cells of the tables of a package that say something: by file, id and column.
type Cells = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

fn cells(zip: &[u8]) -> Cells {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip.to_vec())).unwrap();
    let mut cells = Cells::new();
    for number in 0..archive.len() {
        let mut file = archive.by_index(number).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        if !name.ends_with(".csv") {
            continue;
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let rows = cells.entry(name.clone()).or_default();
        for row in reader.records() {
            let row = row.unwrap();
            let said = columns.iter().zip(&row).filter(|(_, cell)| !cell.is_empty());
            let said: BTreeMap<String, String> = said.map(|(column, cell)| (column.to_owned(), cell.to_owned())).collect();
            let key = said["id"].clone();
            assert!(rows.insert(key.clone(), said).is_none(), "{name} has {key} twice");
        }
    }
    cells
}

/// The same text or number.
fn is_same(one: &str, other: &str) -> bool {
    let numbers = one.parse::<f64>().ok().zip(other.parse::<f64>().ok());
    one == other || numbers.is_some_and(|(one, other)| one == other)
}

/// What of the first is not in the second, but for these rows.
fn lost(first: &Cells, second: &Cells, but: &[&str]) -> Vec<String> {
    let mut lost = Vec::new();
    for (file, rows) in first {
        for (id, row) in rows.iter().filter(|(row, _)| !but.iter().any(|name| **row == self::id(name))) {
            for (column, cell) in row {
                let found = second.get(file).and_then(|rows| rows.get(id)).and_then(|row| row.get(column));
                if !found.is_some_and(|found| is_same(cell, found)) {
                    lost.push(format!("{file} {id} {column}: {cell:?} is {found:?}"));
                }
            }
        }
    }
    lost
}

/// What is reported of a package that is taken whole.
pub(super) async fn send(caller: &Caller, query: &str, body: Vec<u8>) -> Value {
    let path = format!("/v1/imports/services?source=foreign{query}");
    let request = caller.request(Method::POST, &path).insert_header(("content-type", "application/zip"));
    let report = caller.app.send(request.set_payload(body)).await.expect(200);
    assert_eq!(report["refused"], 0, "{report}");
    report
}

async fn exported(caller: &Caller) -> Answer {
    caller.get("/hsds/package").await
}

/// What is exported here is the same when it has been imported and exported elsewhere.
async fn goes_on_unchanged(exported_here: &Answer, kind: &str) {
    let (_app, partner) = elsewhere(kind).await;
    send(&partner, "", exported_here.bytes.to_vec()).await;
    let there = exported(&partner).await;
    let (here, there_cells) = (cells(&exported_here.bytes), cells(&there.bytes));
    assert_eq!(lost(&here, &there_cells, &[]), Vec::<String>::new());
    assert_eq!(tables(exported_here), tables(&there));
}

const PRESENT: &[(&str, &str)] = &[
    ("datapackage.json", "none"),
    (
        "organizations.csv",
        "id,name,alternate_name,description,email,website,tax_status,tax_id,year_incorporated,legal_status,logo,uri,parent_organization_id\n\
         {o1},Alder Society,The Society,Helps in the valley.,desk@alder.example.ca,https://alder.example.ca,charity,11883,1987,Society,https://alder.example.ca/logo.svg,https://register.example.ca/alder,{o2}\n\
         {o2},Valley Federation,,The whole.,,,,,,,,,\n\
         {o3},Elm Society,,Gives nothing yet.,,,,,,,,,\n",
    ),
    (
        "programs.csv",
        "id,organization_id,name,alternate_name,description\n{p1},{o1},Together,All,All of it.\n{p2},{o3},Later,,What is planned.\n",
    ),
    (
        "services.csv",
        "id,organization_id,program_id,name,alternate_name,description,url,email,status,interpretation_services,application_process,fees_description,wait_time,fees,accreditations,eligibility_description,minimum_age,maximum_age,assured_date,assurer_email,licenses,alert,last_modified\n\
         {s1},{o1},{p1},Evening Group,The Group,Tea and talk.,https://alder.example.ca/group,group@alder.example.ca,active,By telephone.,Drop in.,A gift.,Two weeks,None,Accredited,Adults of the valley.,18,99,2026-02-20,check@alder.example.ca,Licence 7,Moved.,2026-01-05T10:00:00.000000Z\n\
         {s2},{o1},,Morning Group,,,,,inactive,,,,,,,,,,,,,,\n",
    ),
    (
        "attributes.csv",
        "id,link_id,taxonomy_term_id,link_type,link_entity,value,label\n\
         {a1},{s1},{t1},topic,service,,Company\n\
         {a2},{s1},{t2},service eligibility,service,,\n\
         {a3},{l1},{t2},intended audience,location,,\n\
         {a4},{s1},,diet,service,halal,\n\
         {a5},{nothing},{t1},topic,service,,\n",
    ),
    ("service_at_location.csv", "id,service_id,location_id,description\n{x1},{s1},{l1},The group upstairs.\n{x2},{s1},{l2},\n"),
    (
        "locations.csv",
        "id,location_type,url,organization_id,name,alternate_name,description,transportation,latitude,longitude,external_identifier,external_identifier_type\n\
         {l1},physical,https://hall.example.ca,{o1},Mill Street Hall,The old hall,A hall.,Buses 1 and 3.,49.62,-120.05,1009,UPRN\n\
         {l2},virtual,https://meet.example.ca/group,,Online,,,,,,,\n\
         {l3},physical,,{o3},Elm Garage,,,,,,,\n",
    ),
    (
        "phones.csv",
        "id,location_id,service_id,organization_id,contact_id,service_at_location_id,number,extension,type,description\n\
         {f1},,{s1},,,,250-555-0142,204,voice,The desk.\n\
         {f2},,,{o1},,,250-555-0143,,cell,\n\
         {f3},,,,{c1},,250-555-0144,,voice,\n\
         {f4},,,,,{x1},250-555-0145,,fax,\n\
         {f5},{l1},,,,,250-555-0146,,pager,At the door.\n",
    ),
    (
        "contacts.csv",
        "id,organization_id,service_id,service_at_location_id,location_id,name,title,department,email\n\
         {c1},,{s1},,,Intake,Coordinator,Welcome,intake@alder.example.ca\n{c2},{o3},,,,Elm desk,,,\n{c3},,,,{l1},Caretaker,,Building,\n",
    ),
    (
        "addresses.csv",
        "id,location_id,attention,address_1,address_2,city,region,state_province,postal_code,country,address_type\n\
         {d1},{l1},The desk,120 Mill Street,Unit 4,Alder Falls,Alder Valley,BC,V0X 3A0,CA,physical\n\
         {d2},{l1},,PO Box 7,,Alder Falls,,BC,V0X 3A1,CA,postal\n",
    ),
    (
        "schedules.csv",
        "id,service_id,location_id,service_at_location_id,valid_from,valid_to,dtstart,timezone,until,count,wkst,freq,interval,byday,byweekno,bymonthday,byyearday,description,opens_at,closes_at,schedule_link,attending_type,notes\n\
         {h1},{s1},,,2026-01-01,2026-12-31,2026-01-06,-8,2026-12-31,,MO,WEEKLY,2,\"TU,TH\",,,,Every second week.,09:00,12:30,https://alder.example.ca/hours,in person,Not in August.\n\
         {h2},,,{x1},,,,-8,,,,MONTHLY,,2TU,,,,,18:00,20:00,,,\n\
         {h3},,{l1},,,,,-8,,,,WEEKLY,,MO,,,,The building.,07:00,22:00,,,\n",
    ),
    ("funding.csv", "id,organization_id,service_id,source\n{g1},,{s1},A grant\n{g2},{o1},,Members\n"),
    (
        "service_areas.csv",
        "id,service_id,service_at_location_id,name,description,extent,extent_type,uri\n\
         {w1},{s1},,Alder Valley,The valley and its side valleys.,,,https://areas.example.ca/alder\n{w2},,{x1},Alder Falls,,,,\n",
    ),
    ("required_documents.csv", "id,service_id,document,uri\n{r1},{s1},Proof of address,https://alder.example.ca/proof\n"),
    (
        "languages.csv",
        "id,service_id,location_id,phone_id,name,code,note\n{n1},{s1},,,Punjabi,pa,On Thursdays\n{n2},,{l1},,French,fr,\n{n3},,,{f1},English,en,\n",
    ),
    (
        "accessibility.csv",
        "id,location_id,description,details,url\n{b1},{l1},Ramp at the side door,Ring the bell.,https://hall.example.ca/access\n{b2},{l1},Wide doors,,\n",
    ),
    (
        "cost_options.csv",
        "id,service_id,valid_from,valid_to,option,currency,amount,amount_description\n{k1},{s1},2026-01-01,2026-12-31,Seniors,CAD,5,a session with tea\n",
    ),
    (
        "service_capacity.csv",
        "id,service_id,unit_id,available,maximum,description,updated\n{q1},{s1},{u1},3,12,New group in May.,2026-02-27T10:00:00.000000Z\n",
    ),
    ("units.csv", "id,name,scheme,identifier,uri\n{u1},seat,UNECE,SEA,https://units.example.org/seat\n{u2},bed,UNECE,BED,\n"),
    (
        "url.csv",
        "id,label,url,organization_id,service_id\n{v1},Pictures,https://alder.example.ca/pictures,,{s1}\n{v2},Shop,https://shop.example.ca,{o1},\n",
    ),
    (
        "organization_identifiers.csv",
        "id,organization_id,identifier_scheme,identifier_type,identifier\n{i1},{o1},CA-CRA_ACR,Charity number,118830000RR0001\n",
    ),
    ("taxonomies.csv", "id,name,description,uri,version\n{y1},Valley topics,What people look for.,https://topics.example.ca,7\n"),
    (
        "taxonomy_terms.csv",
        "id,code,name,description,parent_id,taxonomy,language,taxonomy_id,term_uri\n\
         {t0},V,Everything,The whole.,,Valley topics,en,{y1},https://topics.example.ca/V\n\
         {t1},V-1,Company,Being together.,{t0},Valley topics,en,{y1},https://topics.example.ca/V-1\n\
         {t2},V-2,Elders,For elders.,{t0},Valley topics,en,{y1},\n\
         {t3},V-3,Boats,Nobody has any.,{t0},Valley topics,en,{y1},\n",
    ),
    (
        "metadata.csv",
        "id,resource_id,resource_type,last_action_date,last_action_type,field_name,previous_value,replacement_value,updated_by\n\
         {m1},{s1},service,2026-01-05,update,name,The Group,Evening Group,Dana\n\
         {m2},{f1},phone,2026-01-06,create,number,,250-555-0142,Dana\n\
         {m3},{o3},organization,2026-01-07,create,name,,Elm Society,Dana\n\
         {m4},{nothing},service,2026-01-08,update,name,a,b,c\n",
    ),
    ("meta_table_descriptions.csv", "id,name,language,character_set\n{z1},services.csv,en,UTF-8\n"),
];

on_both!(every_cell_of_a_foreign_package_is_found_again_here_and_elsewhere, |db| async move {
    let kind = kind_of(&db);
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let sent = package(PRESENT);
    let report = send(&directory, "", sent.clone()).await;
    assert_eq!((&report["created"], &report["organizations_created"]), (&json!(2), &json!(3)), "{report}");
    let first = exported(&directory).await;
    assert_eq!(lost(&cells(&sent), &cells(&first.bytes), &["a5", "m4"]), Vec::<String>::new());
    assert_eq!(cells(&first.bytes)["accessibility.csv"].len(), 2, "each row is there once");

    // What cannot be kept is told, with its table, its number and where it stands.
    assert_eq!(report["notices"]["row_left_out"], 2, "{report}");
    let lines = report["lines"].as_array().unwrap();
    let told: Vec<String> = lines.iter().filter(|line| line["verdict"] == "noted").map(|line| line["notices"][0].to_string()).collect();
    assert!(told.iter().any(|told| told.contains("attributes.csv") && told.contains("1 in all") && told.contains("line 6")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("metadata.csv") && told.contains(&id("nothing"))), "{told:?}");

    // The same again changes nothing.
    let again = send(&directory, "", sent).await;
    assert_eq!((&again["unchanged"], &again["organizations_created"]), (&json!(2), &json!(0)), "{again}");
    assert_eq!(tables(&exported(&directory).await), tables(&first));
    goes_on_unchanged(&first, kind).await;
});

on_both!(what_a_foreign_package_says_is_shown_where_the_standard_has_it, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let report = send(&directory, "", package(PRESENT)).await;
    let service = directory.get(&format!("/hsds/services/{}", id("s1"))).await.expect(200);
    assert_eq!((&service["phones"][0]["type"], &service["phones"][0]["id"]), (&json!("voice"), &json!(id("f1"))));
    assert_eq!((&service["wait_time"], &service["metadata"][0]["updated_by"]), (&json!("Two weeks"), &json!("Dana")));
    assert_eq!(service["last_modified"], "2026-01-05T10:00:00.000000Z", "nobody has changed it since");
    assert_eq!(service["capacities"][0]["unit"]["scheme"], "UNECE");
    // Hours are hours, though the package names no zone: of the province one zone is eight hours behind.
    assert_eq!(service["schedules"][0]["kith"]["time_zone"], "America/Vancouver");
    assert_eq!(report["notices"]["time_zone_inferred"], 2, "once of the service and once of its place: {report}");
    let own = directory.get("/v1/services?q=evening+group").await.expect(200)["items"][0].clone();
    assert_eq!((&own["schedules"][0]["time_zone"], &own["phones"][0]["kind"]), (&json!("America/Vancouver"), &json!("voice")));

    // Its sites are read by the ids that its source gave them, those that are no place among them.
    for (site, location) in [("x1", "l1"), ("x2", "l2")] {
        let site = directory.get(&format!("/hsds/service_at_locations/{}", id(site))).await.expect(200);
        assert_eq!((&site["location"]["id"], &site["service"]["id"]), (&json!(id(location)), &json!(id("s1"))));
    }
    assert_eq!(all(&directory, "/hsds/service_at_locations").await.len(), 2);

    // Organizations without services, and terms that nobody carries.
    let organizations = all(&directory, "/hsds/organizations?full=true").await;
    assert_eq!(organizations.len(), 3);
    let of = |name: &str| organizations.iter().find(|one| one["id"] == id(name)).unwrap();
    assert_eq!((&of("o1")["tax_id"], &of("o1")["parent_organization_id"]), (&json!("11883"), &json!(id("o2"))));
    assert_eq!((&of("o3")["programs"][0]["name"], &of("o3")["locations"][0]["name"]), (&json!("Later"), &json!("Elm Garage")));
    let identifier = &of("o1")["organization_identifiers"][0];
    assert_eq!((&identifier["identifier_scheme"], &identifier["identifier_type"]), (&json!("CA-CRA_ACR"), &json!("Charity number")));
    let terms = all(&directory, &format!("/hsds/taxonomy_terms?taxonomy_id={}", id("y1"))).await;
    assert_eq!(terms.len(), 4, "{terms:?}");
    let above = directory.get(&format!("/hsds/taxonomy_terms/{}", id("t0"))).await.expect(200);
    assert_eq!((&above["name"], &above["taxonomy_detail"]["version"]), (&json!("Everything"), &json!("7")));
    let below = all(&directory, &format!("/hsds/taxonomy_terms?parent_id={}", id("t0"))).await;
    assert_eq!(below.len(), 3);

    // Somebody here corrects the number: it is theirs then, and what its source says of the old one does not come back as a row.
    let path = format!("/v1/services/{}", own["id"].as_str().unwrap());
    let corrected = json!({ "phones": [{ "original": "250-555-0199" }] });
    app.clock.advance(chrono::Duration::seconds(60));
    directory.patch(&path, own["version"].as_i64().unwrap(), corrected).await.expect(200);
    let service = directory.get(&format!("/hsds/services/{}", id("s1"))).await.expect(200);
    assert_eq!(service["phones"].as_array().unwrap().len(), 1);
    assert_eq!((&service["phones"][0]["number"], &service["phones"][0]["type"]), (&json!("250-555-0199"), &Value::Null));
    assert_ne!(service["last_modified"], "2026-01-05T10:00:00.000000Z");
});

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

on_both!(what_a_full_package_lists_no_more_is_forgotten, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let count = async || all(&directory, &format!("/hsds/taxonomy_terms?taxonomy_id={}", id("y1"))).await.len();
    send(&directory, "", package(PRESENT)).await;
    assert_eq!(count().await, 4);
    let fewer: Vec<(&str, String)> = PRESENT
        .iter()
        .map(|(name, text)| match *name {
            "taxonomy_terms.csv" => (*name, text.lines().filter(|line| !line.contains("{t3}")).map(|line| format!("{line}\n")).collect()),
            _ => (*name, (*text).to_owned()),
        })
        .collect();
    let fewer: Vec<(&str, &str)> = fewer.iter().map(|(name, text)| (*name, text.as_str())).collect();
    send(&directory, "", package(&fewer)).await;
    assert_eq!(count().await, 4, "it may be a part of it");
    send(&directory, "&retire_missing=true&dry_run=true", package(&fewer)).await;
    assert_eq!(count().await, 4, "a dry run forgets nothing");
    send(&directory, "&retire_missing=true", package(&fewer)).await;
    assert_eq!(count().await, 3);
    // A list of services says nothing of terms.
    let line = json!({ "id": id("s1"), "name": "Evening Group", "status": "active" }).to_string();
    let request = directory.request(Method::POST, "/v1/imports/services?source=foreign&retire_missing=true&force=true");
    app.send(request.insert_header(("content-type", "application/x-ndjson")).set_payload(line)).await.expect(200);
    assert_eq!(count().await, 3);
});

on_both!(a_full_package_without_terms_forgets_them_unless_a_row_of_such_could_not_be_read, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let count = async || all(&directory, &format!("/hsds/taxonomy_terms?taxonomy_id={}", id("y1"))).await.len();
    send(&directory, "", package(PRESENT)).await;
    let of_terms = ["attributes.csv", "taxonomies.csv", "taxonomy_terms.csv"];
    let without: Vec<(&str, &str)> = PRESENT.iter().copied().filter(|(name, _)| !of_terms.contains(name)).collect();
    let with = async |file: (&str, &str)| spoiled(&directory, without.iter().copied().chain([file]).collect()).await;
    assert_eq!(with(("taxonomy_terms.csv", "id,name\n{t9},Term,one too many\n")).await, [json!(1), json!(0), Value::Null, json!(1)]);
    assert_eq!(count().await, 4);
    assert_eq!(with(("pets.csv", "id,service_id\n1,{s1},one too many\n")).await, [json!(1), json!(0), Value::Null, Value::Null]);
    assert_eq!(count().await, 0);
});

/// What a full package brings of which a row cannot be read: rows refused and services retired, and whether it says that it retired or
/// forgot nothing.
async fn spoiled(directory: &Caller, files: Vec<(&str, &str)>) -> [Value; 4] {
    let request = directory.request(Method::POST, "/v1/imports/services?source=foreign&retire_missing=true");
    let request = request.insert_header(("content-type", "application/zip")).set_payload(package(&files));
    let report = directory.app.send(request).await.expect(200);
    let told = |code: &str| report["notices"][code].clone();
    [report["refused"].clone(), report["retired"].clone(), told("nothing_retired"), told("nothing_forgotten")]
}

on_both!(only_a_service_that_cannot_be_read_holds_up_that_others_are_retired, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let (all, two) =
        ("id,name,status\n{s1},One,active\n{s2},Two,active\n{s3},Three,active\n", "id,name,status\n{s1},One,active\n{s2},Two,active\n");
    send(&directory, "", package(&[("services.csv", all)])).await;
    let three = format!("{two}{{s3}},Three,active,one too many\n");
    assert_eq!(spoiled(&directory, vec![("services.csv", three.as_str())]).await, [json!(1), json!(0), json!(1), Value::Null]);
    for (file, retired) in [("phones.csv", 1), ("organizations.csv", 0)] {
        let files = vec![("services.csv", two), (file, "id,name\n1,250 555 0100,one too many\n")];
        assert_eq!(spoiled(&directory, files).await, [json!(1), json!(retired), Value::Null, Value::Null], "{file}");
    }
});

on_both!(where_few_services_are_listed_and_one_of_them_cannot_be_read_terms_are_kept_and_the_report_says_so, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let listed = async || all(&directory, "/hsds/taxonomy_terms?search=own+term").await.len();
    let services = "id,name,status\n{s1},One,active\n{s2},Two,active\n{s3},Three,active\n";
    let terms = ("taxonomy_terms.csv", "id,code,name,taxonomy\n{a},a,Own term,Own\n");
    send(&directory, "", package(&[("services.csv", services), terms])).await;
    assert_eq!(listed().await, 1);
    let few = "id,name,status\n{s1},One,active\n{s2},Two,active,one too many\n";
    assert_eq!(spoiled(&directory, vec![("services.csv", few)]).await, [json!(1), json!(0), json!(1), json!(1)]);
    assert_eq!(listed().await, 1);
});

on_both!(nuls_are_left_out_of_a_package, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let services = "id,name,status,pe\u{0}ts\n{s1},Pan\u{0}try,active,Re\u{0}x\n";
    let report = send(&directory, "", package(&[("datapackage.json", "none"), ("services.csv", services)])).await;
    assert_eq!(report["created"], 1, "{report}");
    let own = directory.get("/v1/services?q=pantry").await.expect(200)["items"][0].clone();
    assert_eq!((&own["name"], &own["source_fields"]["pets"]), (&json!("Pantry"), &json!("Rex")));
});

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
