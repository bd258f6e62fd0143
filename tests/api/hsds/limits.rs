//! How much is kept of what sources list besides records: so many rows, and so many bytes.

use diesel::connection::SimpleConnection as _;
use kith::hsds::repository::MOST_BYTES;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::all;
use super::foreign::{package, send};
use crate::client::TestApp;

on_both!(terms_beyond_what_an_organization_may_keep_are_left_out_and_told, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let listed = async || all(&directory, "/hsds/taxonomy_terms?search=own+term").await.len();
    let sent = async |query: &str, names: &[&str]| {
        let rows: String = names.iter().map(|name| format!("{{{name}}},{name},Own term {name},Own\n")).collect();
        let terms = format!("id,code,name,taxonomy\n{rows}");
        let files = [("services.csv", "id,name,status\n{s1},Evening Group,active\n"), ("taxonomy_terms.csv", terms.as_str())];
        send(&directory, query, package(&files)).await
    };
    let report = sent("", &["a"]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&Value::Null, 1), "{report}");
    // As if there were nearly as many as there may be.
    let many = "UPDATE source_row_counts SET kept = 199999 WHERE kind = 'taxonomy_term'";
    app.state.db.write(move |conn| Ok(conn.batch_execute(many)?)).await.unwrap();
    let report = sent("", &["a", "b", "c"]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&json!(1), 2), "{report}");
    let line = report["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "noted").unwrap_or_else(|| panic!("{report}"));
    assert_eq!(line["notices"][0]["field"], "taxonomy_term");
    // What is forgotten leaves room.
    sent("&retire_missing=true", &["a"]).await;
    assert_eq!(listed().await, 1);
    let report = sent("", &["a", "d"]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&Value::Null, 2), "{report}");
});

on_both!(terms_larger_than_what_an_organization_may_keep_are_left_out_and_told, |db| async move {
    let app = TestApp::new(db).await;
    let directory = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let listed = async || {
        let terms = all(&directory, "/hsds/taxonomy_terms?search=own+term").await;
        let mut names: Vec<String> = terms.iter().map(|term| term["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let sent = async |query: &str, terms: &[(&str, &str)]| {
        let rows: String = terms.iter().map(|(code, name)| format!("{{{code}}},{code},{name},Own\n")).collect();
        let terms = format!("id,code,name,taxonomy\n{rows}");
        let files = [("services.csv", "id,name,status\n{s1},Evening Group,active\n"), ("taxonomy_terms.csv", terms.as_str())];
        send(&directory, query, package(&files)).await
    };
    let report = sent("", &[("a", "Own term")]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&Value::Null, vec!["Own term".to_owned()]), "{report}");
    // As if they were nearly as large as they may be.
    let large = format!("UPDATE source_row_counts SET bytes = {} WHERE kind = 'taxonomy_term'", MOST_BYTES - 10);
    app.state.db.write(move |conn| Ok(conn.batch_execute(&large)?)).await.unwrap();
    let report = sent("", &[("a", "Own term with more words than before"), ("b", "Own term b")]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&json!(1), vec!["Own term".to_owned()]), "{report}");
    let line = report["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "noted").unwrap_or_else(|| panic!("{report}"));
    let message = line["notices"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("2 were left out") && message.contains("128 MiB"), "{message}");
    let report = sent("", &[("a", "Own term!")]).await;
    assert_eq!((&report["notices"]["row_left_out"], listed().await), (&Value::Null, vec!["Own term!".to_owned()]), "{report}");
    // What is forgotten leaves room.
    sent("&retire_missing=true", &[("c", "Own term c")]).await;
    let report = sent("", &[("b", "Own term b"), ("d", "Own term d")]).await;
    assert_eq!(report["notices"]["row_left_out"], Value::Null, "{report}");
    assert_eq!(listed().await, ["Own term b", "Own term d"]);
});
