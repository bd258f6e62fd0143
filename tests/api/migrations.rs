//! The schema: both databases and `src/db/schema/` say the same, and migrations go both ways.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::MigrationHarness;
use kith::changes::Position;
use kith::changes::places::{self, Work};
use kith::db::migrate::{POSTGRES, SQLITE};
use kith::db::schema::{imported_services, matches, unmet_needs};
use kith::db::{Db, DbConn};
use kith::each;
use serde_json::json;

use crate::client::TestApp;
use crate::duplicates::import;
use crate::harness::{Place, TestDb};
use crate::referrals::Town;
use crate::screening_links;
use crate::server::kith;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Bool)]
    nullable: bool,
}

const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, c.name AS column_name, c.\"notnull\" = 0 AND c.pk = 0 AS nullable
    FROM sqlite_schema m JOIN pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name <> '__diesel_schema_migrations'";

const POSTGRES_COLUMNS: &str = "SELECT table_name::text, column_name::text, is_nullable = 'YES' AS nullable
    FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> '__diesel_schema_migrations'";

fn columns(conn: &mut DbConn) -> BTreeSet<Column> {
    let query = match conn {
        DbConn::Sqlite(_) => SQLITE_COLUMNS,
        DbConn::Pg(_) => POSTGRES_COLUMNS,
    };
    sql_query(query).load(conn).unwrap().into_iter().collect()
}

/// The `table!` declarations, read as text: nullability is in diesel's types only.
fn declared() -> BTreeSet<Column> {
    let mut declared = BTreeSet::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema")).unwrap() {
        let (text, mut table) = (std::fs::read_to_string(file.unwrap().path()).unwrap(), None);
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with("diesel::")) {
            if let Some((name, "{")) = line.rsplit_once(' ')
                && let Some((name, _)) = name.split_once(" (")
            {
                table = Some(name.to_owned());
            } else if let (Some(table), Some((column, kind))) = (&table, line.split_once(" -> ")) {
                let (column_name, nullable) = (column.to_owned(), kind.starts_with("Nullable<"));
                declared.insert(Column { table_name: table.clone(), column_name, nullable });
            }
        }
    }
    declared
}

on_both!(the_database_has_the_columns_that_the_code_declares, |db| async move {
    let (found, declared) = (db.read(|conn| Ok(columns(conn))).await.unwrap(), declared());
    assert_eq!(found.difference(&declared).collect::<Vec<_>>(), Vec::<&Column>::new(), "not in src/db/schema");
    assert_eq!(declared.difference(&found).collect::<Vec<_>>(), Vec::<&Column>::new(), "not in the database");
    assert!(!found.is_empty());
});

#[test]
fn both_databases_have_the_same_migrations() {
    let sqlite: Vec<Box<dyn Migration<Sqlite>>> = SQLITE.migrations().unwrap();
    let postgres: Vec<Box<dyn Migration<Pg>>> = POSTGRES.migrations().unwrap();
    let sqlite: BTreeSet<_> = sqlite.iter().map(|migration| migration.name().to_string()).collect();
    let postgres: BTreeSet<_> = postgres.iter().map(|migration| migration.name().to_string()).collect();
    assert_eq!(sqlite, postgres);
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Thing {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

const SQLITE_THINGS: &str = "SELECT name, coalesce(sql, '') AS definition FROM sqlite_schema
    WHERE name NOT LIKE 'sqlite%' AND tbl_name <> '__diesel_schema_migrations'";

const POSTGRES_THINGS: &str = "
    SELECT table_name || '.' || column_name AS name, concat_ws(' ', data_type, is_nullable, column_default) AS definition
        FROM information_schema.columns WHERE table_schema = current_schema() AND table_name <> '__diesel_schema_migrations'
    UNION ALL SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = current_schema() AND tablename <> '__diesel_schema_migrations'
    UNION ALL SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = current_schema()::regnamespace AND conrelid <> '__diesel_schema_migrations'::regclass
    UNION ALL SELECT tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) FROM pg_trigger
        WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
    UNION ALL SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')";

/// Everything the schema holds, beside diesel's own table.
fn things(conn: &mut DbConn) -> BTreeSet<Thing> {
    let query = match conn {
        DbConn::Sqlite(_) => SQLITE_THINGS,
        DbConn::Pg(_) => POSTGRES_THINGS,
    };
    sql_query(query).load(conn).unwrap().into_iter().collect()
}

fn connect(db: &TestDb) -> DbConn {
    match db.settings.url.strip_prefix("sqlite:") {
        Some(path) => DbConn::Sqlite(SqliteConnection::establish(path).unwrap()),
        None => DbConn::Pg(PgConnection::establish(&db.settings.url).unwrap()),
    }
}

/// Reverts migrations, this one as the last.
fn revert_to(conn: &mut DbConn, version: &str) {
    let mut reverted = String::new();
    while reverted != version {
        reverted = match conn {
            DbConn::Sqlite(conn) => conn.revert_last_migration(SQLITE).unwrap().to_string(),
            DbConn::Pg(conn) => conn.revert_last_migration(POSTGRES).unwrap().to_string(),
        };
    }
}

on_both!(migrations_run_up_down_and_up_again_to_the_same_schema, |db| async move {
    let mut conn = connect(&db);
    let first = things(&mut conn);
    assert!(!first.is_empty());
    match &mut conn {
        DbConn::Sqlite(conn) => drop(conn.revert_all_migrations(SQLITE).unwrap()),
        DbConn::Pg(conn) => drop(conn.revert_all_migrations(POSTGRES).unwrap()),
    }
    assert_eq!(things(&mut conn), BTreeSet::new(), "left by a down.sql");
    drop(Db::open(&db.settings).unwrap());
    assert_eq!(things(&mut conn), first);
});

on_both!(places_in_the_journal_are_kept_when_they_come_into_one_table, |db| async move {
    let mut conn = connect(&db);
    revert_to(&mut conn, "20260101000068");
    for statement in [
        "UPDATE webhook_state SET transaction_id = 3, sequence = 7, due_since = '2026-03-01'",
        "UPDATE responsiveness_state SET transaction_id = 2, sequence = 5",
    ] {
        conn.batch_execute(statement).unwrap();
    }
    drop(Db::open(&db.settings).unwrap());
    let [webhooks, responsiveness] = [Work::Webhooks, Work::Responsiveness].map(|work| places::reached(&mut conn, work).unwrap());
    let numbers = |place: Position| (place.transaction_id, place.sequence);
    assert_eq!((numbers(webhooks), numbers(responsiveness)), ((3, 7), (2, 5)));
});

on_both!(links_open_what_they_did_when_those_to_screenings_come_into_the_table_of_all_links, |db| async move {
    let (settings, mut conn) = (db.settings.clone(), connect(&db));
    let clinic = TestApp::new(db).await.clinic().await;
    let draft = screening_links::draft(&clinic).await;
    let revoked = screening_links::holder(&clinic, &draft).await;
    clinic.delete(&format!("{draft}/links"), 1).await.expect(204);
    let person = screening_links::holder(&clinic, &draft).await;
    let worker = clinic.post("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await.id();
    let calendar = format!("/v1/practitioners/{worker}/calendar-links");
    clinic.post(&calendar, json!({ "recipient": "Harpreet's phone" })).await.expect(201);
    let paths = [format!("{draft}/links"), calendar];
    let mut listed = Vec::new();
    for path in &paths {
        listed.push(clinic.get(path).await.expect(200));
    }
    revert_to(&mut conn, "20260101000104");
    drop(Db::open(&settings).unwrap());
    for (path, listed) in paths.iter().zip(listed) {
        assert_eq!(clinic.get(path).await.expect(200), listed);
    }
    person.get(screening_links::LINK).await.expect(200);
    revoked.get(screening_links::LINK).await.expect_problem(401, "unauthenticated");
});

on_both!(who_asked_to_hear_of_an_event_that_there_is_no_longer_is_read_and_hears_of_the_rest, |db| async move {
    let (settings, mut conn) = (db.settings.clone(), connect(&db));
    let clinic = TestApp::new(db).await.clinic().await;
    let mut paths = Vec::new();
    for asked in [json!(["patient.created", "patient.merged"]), json!(["patient.merged"])] {
        let endpoint = json!({ "url": "https://hooks.example.ca/kith", "event_types": asked });
        paths.push(format!("/v1/webhook-endpoints/{}", clinic.post("/v1/webhook-endpoints", endpoint).await.id()));
    }
    let asked_once = match &conn {
        DbConn::Sqlite(_) => "UPDATE webhook_endpoints SET content = replace(content, 'patient.merged', 'patient.erased')",
        DbConn::Pg(_) => "UPDATE webhook_endpoints SET content = replace(content::text, 'patient.merged', 'patient.erased')::jsonb",
    };
    conn.batch_execute(asked_once).unwrap();
    revert_to(&mut conn, "20260101000095");
    drop(Db::open(&settings).unwrap());
    for (path, left) in paths.iter().zip([json!(["patient.created"]), json!(["patient.deleted"])]) {
        assert_eq!(clinic.get(path).await.expect(200)["event_types"], left);
    }
});

on_both!(what_strangers_asked_for_before_goes_and_what_they_lacked_is_still_counted, |db| async move {
    let mut conn = connect(&db);
    revert_to(&mut conn, "20260101000102");
    let id = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    let rest = "'{}', 1, '2026-03-01T00:00:00.000000Z', '2026-03-01T00:00:00.000000Z'";
    for statement in [
        format!(
            "INSERT INTO matches (id, outcome, is_sensitive, content, version, created_at, updated_at) \
             VALUES ('{id}', 'suggested', FALSE, {rest})"
        ),
        format!(
            "INSERT INTO unmet_needs (id, match_id, domain, reason, content, version, created_at, updated_at) \
             VALUES ('{id}', '{id}', 'stress', 'no_service', {rest})"
        ),
    ] {
        conn.batch_execute(&statement).unwrap();
    }
    drop(Db::open(&db.settings).unwrap());
    assert_eq!(matches::table.count().get_result::<i64>(&mut conn).unwrap(), 0);
    assert_eq!(unmet_needs::table.filter(unmet_needs::match_id.is_null()).count().get_result::<i64>(&mut conn).unwrap(), 1);
});

on_both!(whose_the_words_of_an_appointment_are_is_found_in_the_journal_where_it_was_not_noted, |db| async move {
    let (settings, mut conn) = (db.settings.clone(), connect(&db));
    let mut town = Town::new(db).await;
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let worker = town.program.make("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"] })).await;
    let mut slots = Vec::new();
    for hour in 18..22 {
        let times = (format!("2026-03-02T{hour}:00:00Z"), format!("2026-03-02T{hour}:30:00Z"));
        let slot = json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 });
        slots.push(town.program.make("/v1/slots", slot).await);
    }
    let mut paths = Vec::new();
    for slot in slots.iter().take(3) {
        let booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": referral, "note": "With her daughter." });
        paths.push(format!("/v1/appointments/{}", town.clinic.make("/v1/appointments", booking).await));
    }
    // What one has written the other goes on with.
    town.program.patch(&paths[0], 1, json!({ "note": "Ground floor." })).await.expect(200);
    town.clinic.post(&format!("{}/reschedule", paths[0]), json!({ "slot_id": slots[3] })).await.expect(200);
    town.program.patch(&paths[1], 1, json!({ "mode": "in_person" })).await.expect(200);
    let called_off = json!({ "by": "provider", "reason": "other", "text": "The roof leaks." });
    town.program.post(&format!("{}/cancel", paths[1]), called_off).await.expect(200);
    town.app.clock.set("2026-03-02T20:30:00Z".parse().unwrap());
    town.clinic.renew().await;
    town.program.renew().await;
    town.program.post(&format!("{}/conclude", paths[2]), json!({ "status": "attended", "note": "Stayed for tea." })).await.expect(200);
    town.app.clock.set("2026-03-02T20:31:00Z".parse().unwrap());
    town.clinic.post(&format!("{}/conclude", paths[2]), json!({ "status": "no_show", "note": "Rang at noon." })).await.expect(200);
    // Whoever says another end in the words of the other does not make them theirs.
    town.app.clock.set("2026-03-02T20:32:00Z".parse().unwrap());
    town.program.post(&format!("{}/conclude", paths[2]), json!({ "status": "attended", "note": "Rang at noon." })).await.expect(200);

    let [clinic, program] = [&town.clinic, &town.program].map(|caller| json!(caller.organization_id));
    let writers =
        [[program.clone(), json!(null), json!(null)], [clinic.clone(), json!(null), program.clone()], [clinic.clone(), clinic, program]];
    let mut told = Vec::new();
    for (path, writers) in paths.iter().zip(writers) {
        let read = town.clinic.get(path).await.expect(200);
        assert_eq!(["noted_by", "outcome_noted_by", "concluded_by"].map(|member| read[member].clone()), writers, "{read}");
        told.push((read, town.clinic.get(&format!("{path}/history")).await.expect(200)));
    }
    revert_to(&mut conn, "20260101000132");
    let ended = "WHERE resource_type = 'appointment' AND body ->> 'concluded_at' IS NOT NULL";
    let [rows, entries] = match &conn {
        DbConn::Sqlite(_) => ["json_remove(conclusion, '$.concluded_by')", "json_remove(body, '$.concluded_by')"],
        DbConn::Pg(_) => ["conclusion - 'concluded_by'", "body - 'concluded_by'"],
    };
    conn.batch_execute(&format!("UPDATE appointments SET conclusion = {rows}")).unwrap();
    conn.batch_execute(&format!("UPDATE changes SET body = {entries} {ended}")).unwrap();
    drop(Db::open(&settings).unwrap());
    for (path, (read, history)) in paths.iter().zip(told) {
        assert_eq!(town.clinic.get(path).await.expect(200), read);
        assert_eq!(town.clinic.get(&format!("{path}/history")).await.expect(200), history);
    }
});

on_both!(opening_again_changes_nothing, |db| async move {
    let before = things(&mut connect(&db));
    drop(Db::open(&db.settings).unwrap());
    assert_eq!(things(&mut connect(&db)), before);
});

on_both!(a_command_beside_servers_leaves_an_older_schema_as_it_is_and_says_who_changes_it, |db| async move {
    let (url, mut conn) = (db.settings.url.clone(), connect(&db));
    let run = |arguments: &[&str]| kith(&url, arguments).output().unwrap();
    match &mut conn {
        DbConn::Sqlite(conn) => drop(conn.revert_last_migration(SQLITE).unwrap()),
        DbConn::Pg(conn) => drop(conn.revert_last_migration(POSTGRES).unwrap()),
    }
    let older = things(&mut conn);
    for command in [&["client", "list"][..], &["key", "rotate"], &["export", "hsds"]] {
        let refused = run(command);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("`kith migrate`"), "{command:?}: {told}");
        assert!(things(&mut conn) == older && !db.is_ready().await, "{command:?}");
    }
    for command in [&["migrate"][..], &["client", "list"]] {
        let done = run(command);
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(db.is_ready().await);
});

/// Several processes start at once.
fn open_eight_times(place: &Place) {
    std::thread::scope(|scope| {
        let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| Db::open(&place.settings()).map(drop))).collect();
        for opened in opening {
            opened.join().unwrap().unwrap();
        }
    });
}

#[test]
fn eight_processes_may_migrate_one_file_at_once() {
    open_eight_times(&Place::on_sqlite());
}

#[test]
fn eight_processes_may_migrate_one_server_at_once() {
    if let Some(place) = Place::on_postgres() {
        open_eight_times(&place);
    }
}

#[actix_web::test]
async fn sqlite_tables_are_strict() {
    let query = "SELECT name, type AS definition FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'";
    let loose = TestDb::sqlite().read(move |conn| Ok(each!(conn, |conn| sql_query(query).load::<Thing>(conn))?)).await;
    assert_eq!(loose.unwrap(), []);
}

/// SQLite builds tables anew while foreign keys are off.
#[actix_web::test]
async fn no_reference_is_broken_where_tables_were_built_anew_with_what_was_in_them() {
    let db = TestDb::sqlite();
    let (settings, mut conn) = (db.settings.clone(), connect(&db));
    let clinic = TestApp::new(db).await.clinic().await;
    let person = screening_links::holder(&clinic, &screening_links::draft(&clinic).await).await;
    let pantry = json!({ "id": "a", "name": "Pantry", "status": "active", "organization": { "id": "o", "name": "Pantry Society" } });
    assert_eq!(import(&clinic, "partner", "", &[pantry]).await.1, [1, 0, 0, 0, 0]);
    revert_to(&mut conn, "20260101000097");
    drop(Db::open(&settings).unwrap());
    let query = "SELECT \"table\" AS name, parent AS definition FROM pragma_foreign_key_check";
    assert_eq!(each!(&mut conn, |conn| sql_query(query).load::<Thing>(conn)).unwrap(), []);
    person.get(screening_links::LINK).await.expect(200);
    assert_eq!(imported_services::table.count().get_result::<i64>(&mut conn).unwrap(), 1);
}

/// A unique index and, in its order, its columns.
#[derive(Debug, QueryableByName)]
struct Unique {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    index_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
}

/// An error's code is made of the columns on SQLite and is the constraint's name on PostgreSQL (`db/errors.rs`). An `id` of our own
/// making never clashes, so primary keys of that one column go by PostgreSQL's name for them.
#[actix_web::test]
async fn unique_constraints_are_named_after_their_columns() {
    let Some(db) = TestDb::postgres() else { return };
    let query = "SELECT t.relname::text AS table_name, i.relname::text AS index_name, a.attname::text AS column_name
        FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
        JOIN pg_attribute a ON a.attrelid = i.oid
        WHERE x.indisunique AND t.relnamespace = current_schema()::regnamespace AND t.relname <> '__diesel_schema_migrations'
        ORDER BY i.relname, a.attnum";
    let columns: Vec<Unique> = db.read(move |conn| Ok(sql_query(query).load(conn)?)).await.unwrap();
    let mut expected: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for Unique { table_name, index_name, column_name } in columns {
        expected.entry((table_name, index_name)).or_default().push(column_name);
    }
    let misnamed: Vec<_> = expected
        .into_iter()
        .filter(|((table, index), columns)| {
            let primary = columns.len() == 1 && *index == format!("{table}_pkey");
            !primary && *index != format!("{table}_{}_key", columns.join("_"))
        })
        .collect();
    assert_eq!(misnamed, []);
}

on_both!(every_foreign_key_has_an_index_and_says_what_a_delete_does, |db| async move {
    let loose = db.read(|conn| {
        let query = match conn {
            DbConn::Sqlite(_) => SQLITE_LOOSE_KEYS,
            DbConn::Pg(_) => POSTGRES_LOOSE_KEYS,
        };
        Ok(each!(conn, |conn| sql_query(query).load::<Thing>(conn))?)
    });
    assert_eq!(loose.await.unwrap(), []);
});

const SQLITE_LOOSE_KEYS: &str = "SELECT m.name AS name, f.\"from\" || ' ' || f.on_delete AS definition
    FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table' AND f.seq = 0 AND (f.on_delete = 'NO ACTION' OR NOT EXISTS (
        SELECT 1 FROM pragma_index_list(m.name) l JOIN pragma_index_info(l.name) c WHERE c.seqno = 0 AND c.name = f.\"from\"
        UNION ALL SELECT 1 FROM pragma_table_info(m.name) p WHERE p.pk = 1 AND p.name = f.\"from\"))";

const POSTGRES_LOOSE_KEYS: &str = "SELECT c.conrelid::regclass::text AS name, c.conname || ' ' || c.confdeltype::text AS definition
    FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace AND (c.confdeltype = 'a' OR NOT EXISTS (
        SELECT 1 FROM pg_index x WHERE x.indrelid = c.conrelid AND x.indkey[0] = c.conkey[1]))";

#[actix_web::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let db = TestDb::sqlite();
    db.write(|conn| Ok(conn.batch_execute("CREATE TABLE more (id INTEGER) STRICT")?)).await.unwrap();
    let path = db.settings.url.trim_start_matches("sqlite:");
    for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{file}");
    }
}
