//! The directory in memory: how it is read, and how it keeps up with what is written.

use std::sync::Arc;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::{Either, join_all, select};
use kith::changes::Demand;
use kith::db::{Db, DbConn, DbSettings};
use serde_json::{Value, json};

use super::{PATH, create, directory, names, pantry};
use crate::client::{Caller, TestApp};
use crate::harness::TestDb;

on_both!(what_another_process_writes_is_found_at_once, |db| async move {
    let settings = db.settings.clone();
    let caller = directory(db).await;
    assert!(names(&caller.get(PATH).await).is_empty());
    let other = kith::db::Db::open(&settings).unwrap();
    let beside = TestApp::beside(&caller.app, other).await;
    let there = Caller { app: beside, ..caller.clone() };
    let id = create(&there, pantry()).await;
    assert_eq!(names(&caller.get(PATH).await), ["Alder Falls Food Bank"]);
    caller.patch(&format!("{PATH}/{id}"), 1, json!({ "name": "Pantry" })).await.expect(200);
    assert_eq!(names(&there.get(PATH).await), ["Pantry"]);
    there.delete(&format!("{PATH}/{id}"), 2).await.expect(204);
    assert!(names(&caller.get(PATH).await).is_empty());
});

on_both!(while_the_directory_is_read_into_memory_searches_wait_and_keep_nothing_else_waiting, |db| async move {
    let caller = directory(db).await;
    create(&caller, pantry()).await;
    let directory = std::sync::Arc::clone(&caller.app.state.directory);
    directory.close();
    // More than there are connections.
    let mut searches = std::pin::pin!(join_all((0..20).map(|_| caller.get("/v1/services?q=hampers"))));
    let others = async {
        for _ in 0..20 {
            caller.get("/v1/organizations").await.expect(200);
        }
    };
    let mut others = std::pin::pin!(others);
    let Either::Right(((), _)) = select(&mut searches, &mut others).await else { panic!("a search was answered too early") };
    directory.open();
    for found in searches.await {
        assert_eq!(names(&found), ["Alder Falls Food Bank"]);
    }
});

on_both!(services_of_which_sources_say_very_much_are_shown_with_all_of_it_and_found, |db| async move {
    let settings = db.settings.clone();
    let caller = directory(db).await;
    // More than are read at once, each with as many values as it may have.
    for number in 0..12 {
        let rows = vec![json!({ "number": number }); 14_999];
        create(&caller, json!({ "name": format!("Pantry {number}"), "provider_name": "Society", "source_fields": { "rows": rows } })).await;
    }
    let shown = |item: &Value, place: &str| {
        let number: usize = item["name"].as_str().unwrap().trim_start_matches("Pantry ").parse().unwrap();
        assert_eq!(item.pointer(place), Some(&json!(vec![json!({ "number": number }); 14_999])), "{number}");
        number
    };
    let all: Vec<usize> = (0..12).collect();
    // One that has followed, and one that reads all of them at its start.
    let other = TestApp::beside(&caller.app, Db::open(&settings).unwrap()).await;
    for reader in [caller.clone(), Caller { app: other, ..caller.clone() }] {
        let page = reader.get(&format!("{PATH}?q=pantry&limit=50")).await.expect(200);
        let mut found: Vec<usize> = page["items"].as_array().unwrap().iter().map(|item| shown(item, "/source_fields/rows")).collect();
        found.sort_unstable();
        assert_eq!(found, all);
        let page = reader.get("/hsds/services?full=true&per_page=50").await.expect(200);
        let items = page["contents"].as_array().unwrap().iter();
        let mut found: Vec<usize> = items.map(|item| shown(item, "/kith/source_fields/rows")).collect();
        found.sort_unstable();
        assert_eq!((found, &page["size"]), (all.clone(), &json!(12)));
        // Who holds somebody against it has no use for what no field holds, and it is shown all the same after that.
        let (id, path) = (page["contents"][7]["id"].clone(), page["contents"][7]["id"].as_str().map(|id| format!("{PATH}/{id}")).unwrap());
        reader.post("/v1/eligibility-checks", json!({ "service_id": id, "person": {} })).await.expect(200);
        shown(&reader.get(&path).await.expect(200), "/source_fields/rows");
        assert_eq!(reader.get("/hsds/package").await.status, 200);
    }
});

/// How many rows of the journal are read to bring the directory up to date, on a connection that has read nothing yet.
async fn rows_read(app: &TestApp) -> i64 {
    const READ: &str = "SELECT CAST(coalesce(sum(seq_tup_read + idx_tup_fetch), 0) AS BIGINT) AS count \
        FROM pg_stat_xact_user_tables WHERE relname = 'changes' AND schemaname = current_schema()";
    #[derive(QueryableByName)]
    struct Rows {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let directory = Arc::clone(&app.state.directory);
    let count = |conn: &mut DbConn| -> kith::error::Result<i64> {
        let DbConn::Pg(conn) = conn else { return Ok(0) };
        Ok(diesel::sql_query(READ).get_result::<Rows>(conn)?.count)
    };
    let db = Db::open(&DbSettings { connections: 1, ..DbSettings::new(app.database_url()) }).unwrap();
    let read = db.read(move |conn| {
        // So few rows would be read whole otherwise.
        conn.batch_execute("SET LOCAL enable_seqscan = off")?;
        let before = count(conn)?;
        directory.refresh(conn, Demand::All)?;
        Ok(count(conn)? - before)
    });
    read.await.unwrap()
}

/// Returns once nothing of the journal is read any more: what ends of the transactions of other tests is looked for once.
async fn settles(app: &TestApp) {
    for _ in 0..50 {
        if rows_read(app).await == 0 {
            return;
        }
    }
    panic!("the journal is read again and again");
}

#[actix_web::test]
async fn what_was_read_of_the_journal_is_not_read_again_while_somebody_leaves_a_transaction_open() {
    let Some(db) = TestDb::postgres() else { return };
    let caller = directory(db).await;
    let mut other = PgConnection::establish(caller.app.database_url()).unwrap();
    other.batch_execute("BEGIN; SELECT pg_current_xact_id()").unwrap();
    let found = async |word: &str| names(&caller.get(&format!("{PATH}?q={word}")).await);
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(create(&caller, json!({ "name": format!("Pantry {number}") })).await);
    }
    assert_eq!(found("pantry").await.len(), 40);
    settles(&caller.app).await;

    // What comes meanwhile is read once, and what the one who began first writes last is not missed: it stands among what was read.
    create(&caller, json!({ "name": "Choir" })).await;
    assert_eq!(found("choir").await, ["Choir"]);
    settles(&caller.app).await;
    let renamed = format!(
        "UPDATE services SET name = 'Library', version = 2, content = jsonb_set(content, '{{name}}', '\"Library\"') WHERE id = '{0}'; \
         INSERT INTO changes (at, resource_type, resource_id, owner_id, version, action, body) \
         SELECT at, resource_type, resource_id, owner_id, 2, 'updated', body FROM changes WHERE resource_id = '{0}'; COMMIT",
        ids[7]
    );
    other.batch_execute(&renamed).unwrap();
    assert_eq!(found("library").await, ["Library"]);
    caller.app.is_readable().await;
    assert_eq!(found("library").await, ["Library"]);
    settles(&caller.app).await;
}
