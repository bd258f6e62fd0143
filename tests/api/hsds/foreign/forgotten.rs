//! What a full package lists no more, and what holds up that it is retired or forgotten.

use actix_web::http::Method;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{PRESENT, id, package, send};
use crate::client::{Caller, TestApp};
use crate::hsds::all;

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
