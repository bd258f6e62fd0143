//! What each record says of a service for which several stand, page by page, and how many these may be.

use diesel::connection::SimpleConnection as _;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp, text};
use crate::duplicates::{import, path, record};
use crate::harness::{FIRST_IDS, TestDb, many_rows, numbered_id};

/// The columns of a service beside its id.
const COLUMNS: [&str; 19] = [
    "organization_id",
    "provider_id",
    "name",
    "name_key",
    "kind",
    "status",
    "last_verified_on",
    "content",
    "capacity",
    "capacity_status",
    "version",
    "created_at",
    "updated_at",
    "deleted_at",
    "capacities",
    "merged_into_id",
    "distinct_from",
    "own_content",
    "queue",
];

async fn directory(db: TestDb) -> Caller {
    TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await
}

/// New services of these names, in the order of their ids.
async fn services<const N: usize>(keeper: &Caller, names: [&str; N], more: &Value) -> [String; N] {
    let mut ids = names.map(str::to_owned);
    for name in &mut ids {
        let mut service = json!({ "name": name });
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        *name = keeper.make("/v1/services", service).await;
    }
    ids.sort_unstable();
    ids
}

async fn merge(keeper: &Caller, one: &str, other: &str) -> Answer {
    keeper.post(&path(one, "/merge"), json!({ "duplicate_id": other })).await
}

async fn unmerge(keeper: &Caller, one: &str, other: &str) -> Answer {
    keeper.post(&path(one, "/unmerge"), json!({ "duplicate_id": other })).await
}

/// As many more copies of the one record that was merged into another.
async fn copy_merged(keeper: &Caller, number: usize) {
    let id = numbered_id(FIRST_IDS, keeper.app.database_url().starts_with("sqlite:"));
    let columns = COLUMNS.map(|column| format!("one.{column}")).join(", ");
    let table = format!("services (id, {})", COLUMNS.join(", "));
    let one = "SELECT * FROM services WHERE merged_into_id IS NOT NULL";
    let more = many_rows(&table, number, &format!("{id}, {columns}"), one);
    keeper.app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
}

/// What is said of a service, page by page, as the links lead.
async fn said(caller: &Caller, id: &str, query: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), path(id, &format!("/sources{query}")));
    loop {
        let answer = caller.get(&next).await;
        let page = answer.expect(200);
        pages.push(page["items"].as_array().unwrap().clone());
        let Some(link) = answer.header("link") else {
            assert_eq!(page["next"], Value::Null);
            return pages;
        };
        next = link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned();
        assert!(next.contains(&text(&page["next"])));
    }
}

fn records(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| text(&item["record_id"])).collect()
}

on_both!(what_each_record_says_of_a_service_is_listed_page_by_page_its_own_words_first, |db| async move {
    let keeper = directory(db).await;
    let [one, two, three, service, five, six] = services(&keeper, ["Table"; 6], &json!({ "email": "table@example.ca" })).await;
    for other in [&one, &two, &three, &five] {
        merge(&keeper, &service, other).await.expect(200);
    }
    let whole = said(&keeper, &service, "").await.concat();
    assert_eq!(records(&whole), [&service, &one, &two, &three, &five].map(String::as_str));
    assert_eq!(whole.iter().map(|item| item["is_own"] == true).collect::<Vec<_>>(), [true, false, false, false, false]);
    assert!(whole.iter().all(|item| item["content"]["email"] == "table@example.ca"), "{whole:?}");
    for limit in 1..=5 {
        let pages = said(&keeper, &service, &format!("?limit={limit}")).await;
        assert_eq!(pages.concat(), whole);
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == limit) && (1..=limit).contains(&last.len()), "{limit}");
    }

    // What comes and goes between two pages has none read twice and none passed over.
    let sources = path(&service, "/sources");
    let first = keeper.get(&format!("{sources}?limit=2")).await.expect(200);
    assert_eq!(records(first["items"].as_array().unwrap()), [&*service, &*one]);
    unmerge(&keeper, &service, &one).await.expect(200);
    merge(&keeper, &service, &six).await.expect(200);
    let cursor = text(&first["next"]);
    let rest = keeper.get(&format!("{sources}?cursor={cursor}")).await.expect(200);
    assert_eq!(records(rest["items"].as_array().unwrap()), [&*two, &*three, &*five, &*six]);
    let of_another = keeper.get(&path(&one, &format!("/sources?cursor={cursor}"))).await;
    assert_eq!(of_another.faults(400), [("cursor".into(), "invalid_cursor".into())]);
    keeper.get(&format!("{sources}?limit=0")).await.expect_problem(400, "malformed_request");
});

on_both!(a_page_of_what_records_say_at_length_ends_early_and_goes_on, |db| async move {
    let keeper = directory(db).await;
    let [service, other] = services(&keeper, ["Table"; 2], &json!({ "source_fields": { "page": "x".repeat(1_000_000) } })).await;
    merge(&keeper, &service, &other).await.expect(200);
    copy_merged(&keeper, 10).await;
    let pages = said(&keeper, &service, "?limit=200").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [9, 3], "as many as reach 8 MiB");
    let mut ids = records(&pages.concat());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 12);
});

on_both!(so_many_records_are_merged_into_one_service_and_no_more, |db| async move {
    let keeper = directory(db).await;
    let registered = |source: &str| {
        let identifiers = json!([{ "system": source, "value": "1" }, { "system": "register", "value": "42" }]);
        record(source, "1", "Table", json!({ "identifiers": identifiers }))
    };
    assert_eq!(import(&keeper, "a", "", &[registered("a")]).await.1, [1, 0, 0, 0, 0]);
    let service = text(&keeper.get("/v1/services").await.expect(200)["items"][0]["id"]);
    let [second, third, fourth] = services(&keeper, ["Table"; 3], &json!({})).await;
    merge(&keeper, &service, &second).await.expect(200);
    copy_merged(&keeper, 498).await;
    merge(&keeper, &service, &third).await.expect(200);

    let too_many: [(String, String); 1] = [("/duplicate_id".into(), "too_many".into())];
    assert_eq!(merge(&keeper, &service, &fourth).await.faults(422), too_many);
    assert_eq!(merge(&keeper, &fourth, &service).await.faults(422), too_many, "they would come with the duplicate");
    let (refused, counts) = import(&keeper, "b", "", &[registered("b"), record("b", "2", "Choir", json!({}))]).await;
    assert_eq!(counts, [1, 0, 0, 1, 0], "it is no source of the service, and holds nothing else up");
    assert_eq!(refused.json()["lines"][0]["notices"][0]["code"], "too_many");
    assert_eq!(said(&keeper, &service, "?limit=200").await.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 101]);

    unmerge(&keeper, &service, &third).await.expect(200);
    let (joined, counts) = import(&keeper, "b", "", &[registered("b")]).await;
    assert_eq!(counts, [0, 1, 0, 0, 0], "there is room for one again");
    assert_eq!(joined.json()["lines"][0]["notices"][0]["code"], "second_source");
    assert_eq!(merge(&keeper, &service, &third).await.faults(422), too_many);
});
