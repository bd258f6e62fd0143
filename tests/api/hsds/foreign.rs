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

mod corrected;
mod forgotten;
mod older;

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

on_both!(nuls_are_left_out_of_a_package, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let services = "id,name,status,pe\u{0}ts\n{s1},Pan\u{0}try,active,Re\u{0}x\n";
    let report = send(&directory, "", package(&[("datapackage.json", "none"), ("services.csv", services)])).await;
    assert_eq!(report["created"], 1, "{report}");
    let own = directory.get("/v1/services?q=pantry").await.expect(200)["items"][0].clone();
    assert_eq!((&own["name"], &own["source_fields"]["pets"]), (&json!("Pantry"), &json!("Rex")));
});
