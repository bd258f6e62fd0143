//! No statement that a request issues reads a whole table: every one is explained by the database that would run it.
//!
//! The statements are those that the application really sends, as its own log of slow statements writes all of them when every statement
//! counts as slow.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Json, Text};
use kith::bulk::Engine;
use kith::bulk::kinds::BulkType;
use kith::db::{Db, DbConn, DbSettings};
use kith::http::page::{encode_cursor, fingerprint};
use kith::kind::{OrganizationId, ServiceId};
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::harness::{FIRST_IDS, TestDb, many_rows, numbered_id, until};
use crate::referrals::{Town, step};

/// Tables that hold a handful of rows, whatever the size of a deployment.
const SMALL: [&str; 3] = ["signing_keys", "instruments", "__diesel_schema_migrations"];

/// Statements that may read more than they return, named by a part of them without quotes, each with the reason.
const ALLOWED: [(&str, &str); 3] = [
    ("name_key", "organizations are searched by parts of words; there are few"),
    ("referrals.due_on < ?", "the overdue ones are found by their day; they are fewer than all that wait"),
    ("bulk_jobs.leased_until <", "the open jobs have an index of their own; each organization has a few"),
];

/// A search for one of these gives few rows, which may be sorted and filtered further.
const NARROW: [&str; 12] = [
    "id",
    "patient_id",
    "referral_id",
    "parent_id",
    "screening_id",
    "follow_up_id",
    "service_id",
    "resource_id",
    "merged_into_id",
    "match_id",
    "key",
    "value",
];

/// Columns that may change by themselves: two are not shown, and a merge that moves what is about a patient gives all that lives of it its
/// next version in the same transaction.
const BY_THEMSELVES: [&str; 3] = ["awaited_id", "merged_into_id", "patient_id"];

/// What the log of slow statements has said, of all databases; those of SQLite quote names with backticks.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Ear;

impl log::Log for Ear {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target() == "kith::db::slow"
    }
    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata())
            && let Some(statement) = record.args().to_string().strip_prefix("the whole of it: ")
        {
            HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(statement.to_owned());
        }
    }
    fn flush(&self) {}
}

/// The statements heard so far from this kind of database.
fn statements(on_sqlite: bool) -> BTreeSet<String> {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let verbs = ["SELECT", "UPDATE", "DELETE", "INSERT"];
    let queries = heard.iter().filter(|statement| verbs.iter().any(|verb| statement.starts_with(verb)));
    // A statement that names no table has no plan, and does not say which database it is for.
    queries.filter(|statement| statement.contains(if on_sqlite { '`' } else { '"' })).cloned().collect()
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Whether a statement asks for what became of some resources, which it names.
fn names_resources(statement: &str) -> bool {
    let bare = statement.replace(['`', '"'], "");
    let condition = bare.split_once(" FROM changes WHERE ").map(|(_, condition)| condition);
    condition.is_some_and(|condition| ["changes.resource_id = ", "changes.resource_id IN "].iter().any(|name| condition.contains(name)))
}

/// Columns of which a table has few rows with one value, beside all that an organization has. Where another index seems as good to
/// SQLite, it takes the one that was made last.
const FEW: &[&str] = &["patient_id", "referral_id", "awaited_id", "parent_id", "slot_id"];

/// The tables of which a statement asks for few rows, each with the column by which it names them.
fn asked_for_few(statement: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let conditions = FEW.iter().map(|column| (*column, format!("`.`{column}` = ?"))).chain([("id", "`.`id` IN (".to_owned())]);
    conditions.flat_map(move |(column, condition)| {
        let tables = statement.match_indices(&condition).filter_map(|(place, _)| statement.get(..place)?.rsplit('`').next());
        tables.map(move |table| (table, column)).collect::<Vec<_>>()
    })
}

/// What SQLite would do that grows with a table.
fn sqlite_faults(conn: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let steps: Vec<SqliteStep> = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(conn).unwrap();
    let is_narrow = steps.iter().any(|step| NARROW.iter().any(|column| step.detail.contains(&format!("({column}=?"))));
    let is_small = SMALL.iter().any(|table| statement.contains(&format!(" FROM `{table}` WHERE")));
    let is_fault = |detail: &str| {
        let scanned = detail.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
        let is_of_the_statement = ["VALUES CLAUSE", "CONSTANT ROW", "json_each"].iter().any(|what| detail.contains(what));
        let reads_all = scanned.is_some_and(|table| !SMALL.contains(&table) && !is_of_the_statement);
        // Along all of its type, for what has an index by its id.
        let reads_the_type = detail.contains("changes_feed_of_type") && names_resources(statement);
        reads_all || reads_the_type || (detail.starts_with("USE TEMP B-TREE") && !is_narrow && !is_small)
    };
    let names = |detail: &str, column: &str| ["(", " "].iter().any(|before| detail.contains(&format!("{before}{column}=?")));
    let names_few = |detail: &str| FEW.iter().chain(&["id"]).any(|column| names(detail, column));
    let is_looked_up = |(table, _): &(&str, &str)| {
        steps.iter().any(|step| step.detail.starts_with(&format!("SEARCH {table} ")) && names_few(&step.detail))
    };
    let not_looked_up = asked_for_few(statement).filter(|asked| !is_looked_up(asked));
    let not_looked_up: Vec<String> = not_looked_up.map(|(table, column)| format!("{table} are not looked up by {column}")).collect();
    steps.into_iter().map(|step| step.detail).filter(|detail| is_fault(detail)).chain(not_looked_up).collect()
}

#[derive(QueryableByName)]
struct PostgresPlan {
    #[diesel(sql_type = Json, column_name = "QUERY PLAN")]
    plan: Value,
}

/// PostgreSQL's plan of a statement.
fn explained(conn: &mut PgConnection, statement: &str) -> Value {
    let parameters = (1..).take_while(|number| statement.contains(&format!("${number}"))).count();
    let values = if parameters == 0 { String::new() } else { format!("({})", vec!["NULL"; parameters].join(", ")) };
    conn.batch_execute(&format!("DEALLOCATE ALL; PREPARE statement AS {statement}")).unwrap();
    let plan: PostgresPlan = sql_query(format!("EXPLAIN (FORMAT JSON) EXECUTE statement {values}")).get_result(conn).unwrap();
    plan.plan
}

/// What PostgreSQL would do that grows with a table, even where reading all of one is made as dear as can be.
fn postgres_faults(conn: &mut PgConnection, statement: &str) -> Vec<String> {
    let plan = explained(conn, statement);
    let mut faults = Vec::new();
    let mut nodes: Vec<&Value> = plan.as_array().into_iter().flatten().map(|plan| &plan["Plan"]).collect();
    while let Some(node) = nodes.pop() {
        nodes.extend(node["Plans"].as_array().into_iter().flatten());
        let (Some(kind), Some(table)) = (node["Node Type"].as_str(), node["Relation Name"].as_str()) else { continue };
        let is_whole = kind == "Seq Scan" || (kind.starts_with("Index") && node["Index Cond"].is_null());
        if is_whole && !SMALL.contains(&table) {
            faults.push(format!("{kind} of {table}"));
        }
    }
    faults
}

fn faults(settings: &DbSettings) -> Vec<String> {
    let on_sqlite = settings.url.starts_with("sqlite:");
    let mut conn = match settings.url.strip_prefix("sqlite:") {
        Some(path) => DbConn::Sqlite(SqliteConnection::establish(path).unwrap()),
        None => DbConn::Pg(PgConnection::establish(&settings.url).unwrap()),
    };
    if !on_sqlite {
        // With a few rows PostgreSQL would read all of any table; what it can do without is what is asked.
        let dear = "SET enable_seqscan = off; SET enable_sort = on; SET plan_cache_mode = force_generic_plan";
        conn.batch_execute(dear).unwrap();
    }
    let statements = statements(on_sqlite);
    assert!(statements.len() > 60, "only {} statements were heard", statements.len());
    let is_allowed = |statement: &String| {
        let bare = statement.replace(['`', '"'], "");
        ALLOWED.iter().any(|(part, _)| bare.contains(part))
    };
    let explained = statements.iter().filter(|statement| !is_allowed(statement));
    explained
        .flat_map(|statement| {
            let faults = match &mut conn {
                DbConn::Sqlite(conn) => sqlite_faults(conn, statement),
                DbConn::Pg(conn) => postgres_faults(conn, statement),
            };
            faults.into_iter().map(move |fault| format!("{fault}: {statement}"))
        })
        .collect()
}

/// The same database, overheard.
fn overheard(db: TestDb) -> TestDb {
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| {
        log::set_logger(&Ear).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
    let settings = DbSettings { slow_query: Duration::ZERO, ..db.settings.clone() };
    TestDb { db: Db::open(&settings).unwrap(), settings, place: db.place }
}

on_both!(no_request_reads_a_whole_table, |db| async move {
    let db = overheard(db);
    let settings = db.settings.clone();
    let town = Town::new(db).await;
    a_day(&town).await;
    let faults = faults(&settings);
    assert!(faults.is_empty(), "{} statements read too much:\n{}", faults.len(), faults.join("\n"));
    // What was written out of them is kept for as long as their version stands.
    let changes: Vec<String> = ["patients", "referrals", "follow_ups"]
        .iter()
        .flat_map(|table| heard(settings.url.starts_with("sqlite:"), &format!("UPDATE {table} SET "), ""))
        .filter(|statement| !BY_THEMSELVES.iter().any(|column| statement.replace(['`', '"'], "").contains(&format!(" SET {column} = "))))
        .collect();
    assert!(changes.len() >= 3, "{changes:#?}");
    for statement in changes {
        let (set, _) = statement.split_once(" WHERE ").unwrap();
        assert!(["version", "updated_at"].iter().all(|column| set.contains(column)), "{statement}");
    }
});

on_both!(a_long_queue_is_read_in_its_order_even_where_the_database_believes_that_nothing_waits, |db| async move {
    let db = overheard(db);
    let settings = db.settings.clone();
    let on_sqlite = settings.url.starts_with("sqlite:");
    let app = TestApp::with(db, &[]).await;
    let clinic = app.clinic().await;
    // A name that never leads anywhere: every try fails at once.
    let endpoint = clinic.make("/v1/webhook-endpoints", json!({ "url": "https://hooks.invalid/kith" })).await;
    let waiting = format!("/v1/webhook-endpoints/{endpoint}/deliveries?status=pending&limit=1");
    let waits = async || clinic.get(&waiting).await.expect(200)["items"][0].is_object();
    clinic.make("/v1/patients", json!({ "names": [{ "family": "Tremblay" }] })).await;
    let engine = kith::webhooks::Engine::new(app.state.clone());
    until("a delivery waits", async || {
        engine.dispatch().await.unwrap();
        waits().await
    })
    .await;
    app.state.db.write(move |conn| Ok(conn.batch_execute(&many_more(on_sqlite))?)).await.unwrap();
    for _ in 0..3 {
        engine.deliver().await.unwrap();
        app.clock.advance(chrono::Duration::minutes(5));
    }
    assert!(waits().await);
    for (version, status) in [(1, "paused"), (2, "active")] {
        clinic.patch(&format!("/v1/webhook-endpoints/{endpoint}"), version, json!({ "status": status })).await.expect(200);
    }

    let anew = heard(on_sqlite, "SELECT webhook_deliveries.id FROM", "webhook_deliveries.attempt_count > 0");
    assert_eq!(anew.len(), 1, "what was tried and begins anew: {anew:#?}");
    let plan_anew = plan(&settings, GENERIC, &anew[0]);
    assert!(plan_anew.contains("webhook_deliveries_tried_idx"), "nothing else of what waits is read: {plan_anew}");
    let head = "SELECT webhook_deliveries.id, webhook_deliveries.order_transaction_id";
    let queue = heard(on_sqlite, head, "webhook_deliveries.status = 'pending'");
    assert_eq!(queue.len(), 2, "the start of a queue and what follows a place of it: {queue:#?}");
    for statement in queue {
        let plan = plan(&settings, GENERIC, &statement);
        let reads = plan.matches("webhook_deliveries_queue_idx").count();
        assert!(reads == 1 && !plan.contains("\"Sort\"") && !plan.contains("TEMP B-TREE"), "{statement}\n{plan}");
    }
});

on_both!(what_falls_due_is_looked_for_among_what_is_open, |db| async move {
    let db = overheard(db);
    let settings = db.settings.clone();
    let on_sqlite = settings.url.starts_with("sqlite:");
    let app = TestApp::with(db, &[]).await;
    app.clinic().await.make("/v1/webhook-endpoints", json!({ "url": "https://hooks.invalid/kith" })).await;
    kith::webhooks::Engine::new(app.state.clone()).sweep().await.unwrap();
    for (head, part, index) in [
        ("SELECT follow_ups.id, follow_ups.due_on", "FROM webhook_dues", "follow_ups_open_due_on_idx"),
        ("SELECT webhook_dues.event_type", "webhook_dues.number >", "webhook_dues_number_key"),
    ] {
        let looks = heard(on_sqlite, head, part);
        assert_eq!(looks.len(), 1, "{looks:#?}");
        let plan = plan(&settings, &format!("SET enable_seqscan = off; {GENERIC}"), &looks[0]);
        assert!(plan.contains(index), "{plan}");
    }
});

on_both!(the_records_behind_a_service_are_walked_in_their_order, |db| async move {
    let db = overheard(db);
    let settings = db.settings.clone();
    let keeper = TestApp::with(db, &[]).await.tenant("Alder Valley Directory", OrganizationKind::Directory).await;
    let service = keeper.make("/v1/services", json!({ "name": "Lunch Club" })).await;
    let sources = format!("/v1/services/{service}/sources?limit=1");
    let id: ServiceId = service.parse().unwrap();
    let place = encode_cursor(&ServiceId::generate(), fingerprint(&("service sources", id))).unwrap();
    for path in [sources.clone(), format!("{sources}&cursor={place}")] {
        keeper.get(&path).await.expect(200);
    }
    let walks = heard(settings.url.starts_with("sqlite:"), "SELECT services.id FROM services", "services.merged_into_id = ");
    let walks: Vec<String> = walks.into_iter().filter(|walk| walk.contains(" LIMIT ")).collect();
    assert_eq!(walks.len(), 2, "from the first of them, and from a place on: {walks:#?}");
    for walk in walks {
        let plan = plan(&settings, &format!("SET enable_seqscan = off; {GENERIC}"), &walk);
        let is_walk = plan.contains("services_merged_into_id_idx") && !plan.contains("\"Sort\"") && !plan.contains("TEMP B-TREE");
        assert!(is_walk, "{walk}\n{plan}");
    }
});

/// The statements heard so far that begin so and hold this, both without quotes.
fn heard(on_sqlite: bool, head: &str, part: &str) -> Vec<String> {
    let is_of = |statement: &String| {
        let bare = statement.replace(['`', '"'], "");
        bare.starts_with(head) && bare.contains(part)
    };
    statements(on_sqlite).into_iter().filter(is_of).collect()
}

on_both!(what_became_of_a_resource_is_not_looked_for_among_all_of_its_type, |db| async move {
    let db = overheard(db);
    let settings = db.settings.clone();
    let town = Town::new(db).await;
    let patient = town.patient().await;
    town.clinic.get(&format!("/v1/patients/{patient}/history")).await.expect(200);
    // Whoever is let in is told how the patient stood at that place.
    let endpoint = json!({ "url": "https://hooks.invalid/kith", "event_types": ["patient.snapshot"] });
    let endpoint = town.program.make("/v1/webhook-endpoints", endpoint).await;
    town.grant(&patient).await;
    let waiting = format!("/v1/webhook-endpoints/{endpoint}/deliveries?status=pending&limit=1");
    let engine = kith::webhooks::Engine::new(town.app.state.clone());
    until("it is told", async || {
        engine.dispatch().await.unwrap();
        town.program.get(&waiting).await.expect(200)["items"][0].is_object()
    })
    .await;
    let on_sqlite = settings.url.starts_with("sqlite:");
    let of_some: Vec<String> = statements(on_sqlite).into_iter().filter(|one| names_resources(one)).collect();
    for parts in [["+changes.sequence > "; 2], ["+changes.sequence <= ", "(transaction_id, sequence) <= ("]] {
        let is_heard = of_some.iter().any(|statement| parts.iter().any(|part| statement.contains(part)));
        assert!(is_heard, "from a place on and up to one: {of_some:#?}");
    }
    // PostgreSQL knows how many there are of each, which on a table of a few rows tells it nothing.
    for statement in of_some.into_iter().filter(|_| on_sqlite) {
        let plan = plan(&settings, GENERIC, &statement);
        assert!(!plan.contains("changes_feed_of_type"), "{statement}\n{plan}");
    }
});

/// Deliveries by the thousand, on a table of which PostgreSQL has seen one and is not to look again.
pub fn many_more(on_sqlite: bool) -> String {
    let blind = if on_sqlite { "" } else { "ALTER TABLE webhook_deliveries SET (autovacuum_enabled = off); ANALYZE webhook_deliveries;" };
    let id = numbered_id(FIRST_IDS, on_sqlite);
    // Many of the first are about one subject, of which one is sent at a time: the walk has to go past them.
    let columns = format!(
        "{id}, one.endpoint_id, 'copy-' || n.i, one.event_type, one.event_at, one.sequence, \
         CASE WHEN n.i < 100 THEN one.subject_id ELSE {id} END, one.order_transaction_id, one.order_sequence + n.i, one.resource_type, \
         one.resource_id, one.version, one.status, 0, one.next_attempt_at, one.created_at, NULL, one.is_of_time"
    );
    format!("{blind} {}", many_rows("webhook_deliveries", 20_000, &columns, "SELECT * FROM webhook_deliveries LIMIT 1"))
}

/// Has PostgreSQL plan for whatever the parameters are.
const GENERIC: &str = "SET plan_cache_mode = force_generic_plan";

/// What the database would do for a statement, in its words; PostgreSQL in such a session.
fn plan(settings: &DbSettings, session: &str, statement: &str) -> String {
    if let Some(path) = settings.url.strip_prefix("sqlite:") {
        let mut conn = SqliteConnection::establish(path).unwrap();
        let steps: Vec<SqliteStep> = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load(&mut conn).unwrap();
        return steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n");
    }
    let mut conn = PgConnection::establish(&settings.url).unwrap();
    conn.batch_execute(session).unwrap();
    format!("{:#}", explained(&mut conn, statement))
}

/// What clinics, programs and agencies ask in a day.
async fn a_day(town: &Town) {
    let Town { app, clinic, program, agency } = town;
    let directory = app.tenant("Alder Valley Directory", OrganizationKind::Directory).await;
    let service = json!({ "name": "Lunch Club", "need_domains": [{ "code": "food-insecurity" }], "provider_id": agency.organization_id,
        "identifiers": [{ "system": "s", "value": "1" }] });
    let service = directory.make("/v1/services", service).await;
    let person = json!({ "names": [{ "given": "Amrit", "family": "Singh" }], "birth_date": "1961-04-07",
        "contact_points": [{ "kind": "phone", "value": "250-555-0142" }], "identifiers": [{ "system": "emr", "value": "7" }] });
    let patient = clinic.make("/v1/patients", person.clone()).await;
    clinic.put_any("/v1/patients/by-identifier?system=emr&value=7", person).await.expect(200);
    let other = town.patient().await;
    town.grant(&patient).await;
    let key = || json!([{ "system": "s", "value": "1" }]);
    let need = json!({ "patient_id": patient, "domain": "food-insecurity", "identifiers": key() });
    let need = clinic.make("/v1/needs", need).await;
    let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed", "completed_by": "interview",
        "answers": [{ "link_id": "lonely", "codes": ["often-always"] }], "identifiers": key() });
    let screening = clinic.make("/v1/screenings?suggest=5", screening).await;
    let draft = clinic.make("/v1/screenings", json!({ "patient_id": patient, "instrument": "ons-loneliness-direct" })).await;
    let link = clinic.post(&format!("/v1/screenings/{draft}/links"), json!({})).await.expect(201);
    let holder = Caller { token: link["token"].as_str().map(str::to_owned), ..clinic.clone() };
    let often = json!({ "answers": [{ "link_id": "lonely", "codes": ["often-always"] }] });
    holder.post("/v1/screening-link/complete", often).await.expect(200);
    let all = json!({ "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["care_coordination"], "form": "verbal",
        "categories": ["summary", "contact", "demographics", "needs", "screenings", "referrals", "follow_ups"] });
    clinic.make("/v1/consents", all).await;
    let matched = clinic.make("/v1/matches", json!({ "patient_id": patient })).await;
    clinic.post("/v1/matches", json!({ "patient_id": patient, "needs": [{ "domain": "x-nature" }] })).await;

    let id = town.accepted(&patient).await;
    let onward = json!({ "patient_id": patient, "kind": "service", "service_id": service, "parent_id": id, "source_type": "link_worker",
        "need_ids": [need], "match_id": matched, "screening_id": screening, "consent": { "form": "verbal" }, "identifiers": key() });
    let onward = program.make("/v1/referrals", onward).await;
    agency.make(&format!("/v1/referrals/{onward}/messages"), json!({ "text": "Shall we call?" })).await;
    step(agency, &onward, json!({ "status": "accepted" })).await.expect(201);
    let links = [
        created_at(agency, &format!("/v1/services/{service}/calendar-links")).await,
        created_at(agency, &format!("/v1/referrals/{onward}/links")).await,
    ];
    a_list(&directory, agency, program, &service, &patient).await;
    let appointment = an_appointment(agency, program, &service, json!({ "patient_id": patient, "referral_id": onward })).await;
    step(agency, &onward, json!({ "status": "completed", "outcome": "attended" })).await.expect(201);
    let in_vain = json!({ "status": "cancelled", "reason": { "code": "no_longer_needed" } });
    step(clinic, &town.sent(&patient).await, in_vain).await.expect(201);
    let follow_ups = program.get(&format!("/v1/follow-ups?referral_id={id}&status=open")).await;
    let follow_up = follow_ups.expect(200)["items"][0].clone();
    let (follow_up, version) = (follow_up["id"].as_str().unwrap().to_owned(), follow_up["version"].as_i64().unwrap());
    program.patch(&format!("/v1/follow-ups/{follow_up}"), version, json!({ "identifiers": key() })).await.expect(200);
    program.post(&format!("/v1/follow-ups/{follow_up}/attempts"), json!({ "mode": "phone", "outcome": "no_answer" })).await.expect(201);
    program.post(&format!("/v1/follow-ups/{follow_up}/complete"), json!({ "attended": true })).await.expect(200);

    clinic.make("/v1/practitioners", json!({ "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": key() })).await;
    clinic.make("/v1/organizations", json!({ "name": "Alder Falls Pantry", "kind": "agency", "identifiers": key() })).await;

    for caller in [clinic, program, agency, &directory] {
        asked_for_by(caller, [clinic, program, agency].map(|party| party.organization_id), &service, &patient).await;
        for path in [
            "/v1/patients?limit=20".to_owned(),
            "/v1/referrals".to_owned(),
            "/v1/referrals?box=sent&status=requested".to_owned(),
            "/v1/referrals?box=received&status=requested&overdue=true".to_owned(),
            format!("/v1/referrals?patient_id={patient}"),
            format!("/v1/referrals?service_id={service}"),
            format!("/v1/follow-ups?organization_id={}&status=open", caller.organization_id),
            "/v1/follow-ups?status=open&overdue=true".to_owned(),
            format!("/v1/follow-ups?patient_id={patient}"),
            "/v1/consents?limit=5".to_owned(),
            "/v1/screenings?limit=5".to_owned(),
            "/v1/unmet-needs".to_owned(),
            "/v1/changes?limit=50".to_owned(),
            "/v1/changes?resource_type=referral".to_owned(),
            "/v1/changes?limit=1&since=2026-03-02T17:00:00Z".to_owned(),
            format!("/v1/changes?patient_id={patient}"),
            format!("/v1/changes?service_id={service}"),
            format!("/v1/changes?organization_id={}&resource_type=patient", clinic.organization_id),
            "/v1/practitioners".to_owned(),
            "/v1/services?q=lunch&need=food-insecurity&near=49.6,-120.0".to_owned(),
            format!("/v1/services/{service}"),
            format!("/v1/services/{service}/history"),
            format!("/v1/patients/{patient}"),
            format!("/v1/patients/{patient}/history"),
            format!("/v1/patients/{patient}/timeline"),
            format!("/v1/patients/{patient}/matches"),
            format!("/v1/patients/{patient}/needs"),
            format!("/v1/patients/{patient}/screenings"),
            format!("/v1/consents?patient_id={patient}"),
            format!("/v1/patients/{patient}/consents"),
            format!("/v1/patients/{patient}/dose"),
            format!("/v1/patients/{patient}/need-levels"),
            format!("/v1/patients/{patient}/primary-navigators"),
            format!("/v1/referrals/{id}"),
            format!("/v1/referrals/{id}/transitions"),
            format!("/v1/referrals/{id}/history"),
            format!("/v1/referrals/{onward}/messages"),
            format!("/v1/follow-ups/{follow_up}"),
            links[0].clone(),
            links[1].clone(),
            format!("/v1/referrals/{onward}/links"),
            format!("/v1/services/{service}/slots?free=true"),
            format!("/v1/appointments/{appointment}"),
            format!("/v1/appointments?service_id={service}&status=booked&from=2026-03-02T17:00:00Z"),
            format!("/v1/appointments?patient_id={patient}"),
            "/v1/appointments?limit=5".to_owned(),
        ] {
            let answer = caller.get(&path).await;
            assert!([200, 403, 404].contains(&answer.status), "{path}: {}", String::from_utf8_lossy(&answer.bytes));
        }
        let sought = json!({ "name": "Amrit Singh", "birth_date": "1961-04-07", "phone": "250-555-0142" });
        caller.post("/v1/patients/search", sought).await.expect(200);
    }
    for caller in [clinic, program, agency, &directory] {
        caller.post("/v1/exports", json!({})).await.expect(202);
    }
    Engine::new(app.state.db.clone(), app.clock.clone(), Arc::clone(&app.state.directory)).work().await.unwrap();
    for caller in [clinic, program, agency, &directory] {
        let exports = caller.get("/v1/exports").await.expect(200);
        let files = exports["items"][0]["files"].as_array().map(Vec::len);
        assert_eq!((&exports["items"][0]["status"], files), (&json!("completed"), Some(BulkType::ALL.len())), "{exports:#}");
    }
    // Whoever lists the directory by the standard of its field asks this each time.
    app.state.db.read(kith::hsds::repository::terms_mark).await.unwrap();
    clinic.post(&format!("/v1/screenings/{screening}/retract"), json!({ "reason": "Another person." })).await.expect(200);
    let alone = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-20" });
    let alone = clinic.make("/v1/follow-ups", alone).await;
    clinic.post(&format!("/v1/follow-ups/{alone}/complete"), json!({})).await.expect(200);
    what_passes(town, &patient).await;
    let merge = json!({ "duplicate_id": other });
    clinic.post(&format!("/v1/patients/{patient}/merge"), merge).await.expect(200);
    let record = json!({ "id": "h-1", "name": "Food Bank", "organization": { "id": "o-1", "name": "Society" } });
    for _ in 0..2 {
        let import = directory.request(Method::POST, "/v1/imports/services?source=other");
        app.send(import.insert_header(("content-type", "application/x-ndjson")).set_payload(record.to_string())).await.expect(200);
    }
    // Every process looks again and again whether a source is due.
    directory.make("/v1/sources", json!({ "name": "partner", "url": "https://directory.example.ca", "status": "paused" })).await;
    kith::sources::Engine::new(app.state.clone()).pull().await.unwrap();
}

/// Rows that are asked for by a key, by when they were changed, and by what is between these organizations.
async fn asked_for_by(caller: &Caller, [clinic, program, agency]: [OrganizationId; 3], service: &str, patient: &str) {
    let mut paths = vec![
        format!("/v1/referrals?organization_id={clinic}&performer_organization_id={program}"),
        format!("/v1/referrals?organization_id={}&due_before=2026-04-01", caller.organization_id),
        format!("/v1/referrals?performer_organization_id={agency}&business_status=booked"),
        format!("/v1/referrals?patient_id={patient}&performer_organization_id={agency}&business_status=booked"),
        "/v1/referrals?box=sent&business_status=awaiting_booking&due_before=2026-04-01".to_owned(),
        format!("/v1/appointments?organization_id={program}&provider_id={agency}"),
        format!("/v1/appointments?patient_id={patient}&organization_id={program}&provider_id={agency}"),
        format!("/v1/appointments?provider_id={clinic}"),
    ];
    let of_patient = ["needs", "screenings"].map(|list| format!("patients/{patient}/{list}"));
    let slots = format!("services/{service}/slots");
    let own = ["needs", "screenings", "referrals", "follow-ups", "appointments", "organizations", "practitioners", slots.as_str()];
    paths.extend(own.into_iter().chain(of_patient.iter().map(String::as_str)).map(|list| format!("/v1/{list}?identifier=s%7C1")));
    let of_patient = format!("patients/{patient}/consents");
    let changed = ["follow-ups", "appointments", "consents", "unmet-needs", "organizations", "practitioners", of_patient.as_str()];
    paths.extend(changed.map(|list| format!("/v1/{list}?updated_since=2026-03-02T17:00:00Z")));
    for path in paths {
        let answer = caller.get(&path).await;
        assert!([200, 404].contains(&answer.status), "{path}: {}", answer.text());
    }
}

/// A consent begins and ends by its date while somebody reads on, also by a clock that was ahead of ours.
async fn what_passes(Town { app, clinic, program, .. }: &Town, patient: &str) {
    let [from, until] = [20, 40].map(|seconds| app.clock.now().plus(chrono::Duration::seconds(seconds)));
    let consent = json!({ "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["referral"], "form": "verbal",
        "categories": ["summary"], "valid_from": from, "valid_until": until });
    clinic.make("/v1/consents", consent).await;
    let queries = [String::new(), format!("patient_id={patient}&")];
    let read = async |query: &str, place: &str| {
        let piece = program.get(&format!("/v1/changes?{query}limit=200{place}")).await.expect(200);
        format!("&cursor={}", piece["next"].as_str().unwrap())
    };
    let mut places = Vec::new();
    for query in &queries {
        places.push(read(query, "").await);
    }
    for seconds in [60, -5] {
        app.clock.advance(chrono::Duration::seconds(seconds));
        for (query, place) in queries.iter().zip(&mut places) {
            *place = read(query, place).await;
        }
    }
    app.clock.advance(chrono::Duration::seconds(5));
}

/// A waiting list's life: somebody waits, is offered a place, is passed over and offered it again; others give the service for a while.
async fn a_list(keeper: &Caller, agency: &Caller, program: &Caller, service: &str, patient: &str) {
    let service = format!("/v1/services/{service}");
    let list = format!("{service}/waitlist-entries");
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": service.rsplit('/').next(),
        "source_type": "link_worker", "consent": { "form": "verbal" } });
    let referral = program.make("/v1/referrals", referral).await;
    let entry = agency.make(&list, json!({ "referral_id": referral })).await;
    let entry = format!("{list}/{entry}");
    agency.put_any(&format!("{service}/capacity"), json!({ "status": "open", "available": 1 })).await.expect(200);
    for provider in [program.organization_id, agency.organization_id] {
        let version = keeper.get(&service).await.expect(200)["version"].as_i64().unwrap();
        keeper.patch(&service, version, json!({ "provider_id": provider })).await.expect(200);
    }
    let consents = program.get(&format!("/v1/consents?patient_id={patient}&grantee_id={}", agency.organization_id)).await.expect(200);
    for consent in consents["items"].as_array().unwrap() {
        program.post(&format!("/v1/consents/{}/withdraw", consent["id"].as_str().unwrap()), json!({})).await.expect(200);
    }
    kith::waitlists::sweeper::sweep(&agency.app.state).await.unwrap();
    kith::waitlists::sweeper::look_through(&agency.app.state).await.unwrap();
    let again = json!({ "patient_id": patient, "grantee_id": agency.organization_id, "purposes": ["referral"], "form": "verbal",
        "categories": ["summary"] });
    program.make("/v1/consents", again).await;
    for path in [&list, &entry] {
        program.get(path).await.expect(200);
    }
    program.post(&format!("{entry}/accept"), json!({})).await.expect(200);
}

/// An appointment's life: slots are published, a place is held, booked, moved and called off, and a hold runs out.
async fn an_appointment(agency: &Caller, program: &Caller, service: &str, mut booking: Value) -> String {
    let schedule = json!({ "rrule": "FREQ=DAILY", "opens_at": "10:00", "closes_at": "12:00", "time_zone": "America/Vancouver" });
    let publication = json!({ "from": "2026-03-10", "until": "2026-03-10", "slot_minutes": 30, "places": 2, "schedules": [schedule] });
    agency.post(&format!("/v1/services/{service}/slots"), publication).await.expect(200);
    let slots = program.get(&format!("/v1/services/{service}/slots?limit=2")).await.expect(200);
    let slot = |index: usize| slots["items"][index]["id"].clone();
    booking["slot_id"] = slot(0);
    let mut keyed = booking.clone();
    keyed["identifiers"] = json!([{ "system": "s", "value": "1" }]);
    let first = format!("/v1/slots/{}", slot(0).as_str().unwrap());
    agency.patch(&first, 1, json!({ "identifiers": keyed["identifiers"] })).await.expect(200);
    let appointment = program.make("/v1/appointments?hold_minutes=5", keyed).await;
    let path = format!("/v1/appointments/{appointment}");
    program.post(&format!("{path}/confirm"), json!({})).await.expect(200);
    program.post(&format!("{path}/reschedule"), json!({ "slot_id": slot(1) })).await.expect(200);
    program.post(&format!("{path}/cancel"), json!({ "by": "patient", "reason": "unwell" })).await.expect(200);
    program.make("/v1/appointments?hold_minutes=1", booking).await;
    agency.app.clock.advance(chrono::Duration::minutes(1));
    kith::appointments::expiry::expire(&agency.app.state).await.unwrap();
    appointment
}

/// The address of a new link.
async fn created_at(caller: &Caller, path: &str) -> String {
    caller.post(path, json!({})).await.expect(201)["url"].as_str().unwrap().to_owned()
}
