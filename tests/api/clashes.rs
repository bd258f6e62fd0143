//! What PostgreSQL lets two change at once: whoever comes second starts again on what the first has left, and is refused only where that
//! is what it asked for.

use std::future::Future;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{Connection, PgConnection, RunQueryDsl};
use futures_util::future::{join, join3};
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::harness::TestDb;
use crate::referrals::Town;
use crate::{bulk, screenings};

const SYSTEM: &str = "https://emr.example.ca/records";

/// Does something of a caller's while SQLite's writer is busy with something else, which takes a minute.
async fn while_busy<T>(caller: &Caller, work: impl Future<Output = T>) -> T {
    let app = &caller.app;
    // Who calls is known beforehand: where that is read first, the minute is over before the request has its own moment.
    caller.get("/v1/patients?limit=1").await.expect(200);
    let (finish, finished) = mpsc::channel::<()>();
    let finished = Mutex::new(finished);
    let busy = app.state.db.write(move |_| finished.lock().unwrap().recv().map_err(kith::error::Error::internal));
    let minute = async {
        app.clock.advance(chrono::Duration::minutes(1));
        finish.send(()).unwrap();
    };
    let (busy, done, ()) = join3(busy, work, minute).await;
    busy.unwrap();
    done
}

#[actix_web::test]
async fn what_is_written_bears_the_moment_at_which_it_is_written() {
    let app = TestApp::new(TestDb::sqlite()).await;
    let clinic = app.clinic().await;
    let path = format!("/v1/patients/{}", clinic.post("/v1/patients", patient("p-1", "Tremblay")).await.id());
    let began = app.clock.now();
    let changed = while_busy(&clinic, clinic.patch(&path, 1, json!({ "notes": "Prefers mornings" }))).await.expect(200);
    assert_eq!(changed["updated_at"], json!(began.plus(chrono::Duration::minutes(1))));
    let created = while_busy(&clinic, clinic.post("/v1/patients", patient("p-2", "Roy"))).await.expect(201);
    assert_eq!(created["created_at"], json!(began.plus(chrono::Duration::minutes(2))));
    let put = while_busy(&clinic, put(&clinic, "p-3", "Singh", None)).await.expect(201);
    assert_eq!(put["created_at"], json!(began.plus(chrono::Duration::minutes(3))));
    let line = json!({ "id": "a", "name": "Pantry", "status": "active", "organization": { "id": "o", "name": "Pantry Society" } });
    let import =
        clinic.request(Method::POST, "/v1/imports/services?source=partner").insert_header(("content-type", "application/x-ndjson"));
    while_busy(&clinic, app.send(import.set_payload(line.to_string()))).await.expect(200);
    let service = clinic.get("/v1/services").await.expect(200)["items"][0].clone();
    assert_eq!(service["created_at"], json!(began.plus(chrono::Duration::minutes(4))));
}

#[actix_web::test]
async fn what_is_revoked_or_ended_bears_the_moment_at_which_it_is() {
    let town = Town::new(TestDb::sqlite()).await;
    let (app, clinic) = (&town.app, &town.clinic);
    let patient = format!("/v1/patients/{}", town.patient().await);
    let worker = clinic.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await.id();
    clinic.put_any(&format!("{patient}/primary-navigator"), json!({ "practitioner_id": worker })).await.expect(200);
    let referral = format!("/v1/referrals/{}", town.sent(patient.rsplit('/').next().unwrap()).await);
    town.program.post(&format!("{referral}/links"), json!({})).await.expect(201);
    let screening = screenings::screening(patient.rsplit('/').next().unwrap(), "phq-9", "draft", vec![]);
    let screening = clinic.post("/v1/screenings", screening).await.header("location").unwrap().to_owned();
    clinic.post(&format!("{screening}/links"), json!({})).await.expect(201);
    let service = town.agency.post("/v1/services", json!({ "name": "Lunch Club" })).await.header("location").unwrap().to_owned();
    town.agency.post(&format!("{service}/calendar-links"), json!({})).await.expect(201);
    town.agency.put_any(&format!("{service}/capacities/seniors"), json!({ "status": "open" })).await.expect(200);

    let told = |listed: Value, field: &str| listed["items"][0][field].clone();
    for (caller, path, listed, field) in [
        (clinic, format!("{patient}/primary-navigator"), format!("{patient}/primary-navigators"), "ended_at"),
        (&town.program, format!("{referral}/links"), format!("{referral}/links"), "revoked_at"),
        (clinic, format!("{screening}/links"), format!("{screening}/links"), "revoked_at"),
        (&town.agency, format!("{service}/calendar-links"), format!("{service}/calendar-links"), "revoked_at"),
    ] {
        while_busy(caller, app.send(caller.request(Method::DELETE, &path))).await.expect(204);
        assert_eq!(told(caller.get(&listed).await.expect(200), field), json!(app.clock.now()), "{path}");
    }
    while_busy(&town.agency, town.agency.delete(&format!("{service}/capacities/seniors"), 2)).await.expect(204);
    assert_eq!(town.agency.get(&service).await.expect(200)["updated_at"], json!(app.clock.now()));
}

on_both!(what_comes_late_bears_the_moment_at_which_it_is_written, |db| async move {
    let app = TestApp::with(db, &["--public-directory"]).await;
    let clinic = app.clinic().await;
    let late = async |caller: &Caller, method: Method, path: &str, body: Value| {
        let clock = app.clock.clone();
        let body = async move {
            clock.advance(chrono::Duration::minutes(1));
            body
        };
        (app.send_late(caller.request(method, path), body).await, json!(app.clock.now()))
    };
    let patient = format!("/v1/patients/{}", clinic.post("/v1/patients", patient("p-1", "Tremblay")).await.id());
    let (judged, now) = late(&clinic, Method::PUT, &format!("{patient}/need-level"), json!({ "level": "high" })).await;
    assert_eq!(judged.expect(200)["updated_at"], now);
    let worker = clinic.post("/v1/practitioners", json!({ "name": "Dana", "roles": ["link_worker"] })).await.id();
    let (named, now) = late(&clinic, Method::PUT, &format!("{patient}/primary-navigator"), json!({ "practitioner_id": worker })).await;
    assert_eq!(named.expect(200)["updated_at"], now);
    let service = clinic.post("/v1/services", json!({ "name": "Lunch Club" })).await.header("location").unwrap().to_owned();
    let (said, now) = late(&clinic, Method::PUT, &format!("{service}/capacity"), json!({ "status": "open" })).await;
    assert_eq!(said.expect(200)["as_of"], now);
    let (found, now) =
        late(&app.stranger(), Method::POST, "/v1/matches", json!({ "person": { "needs": [{ "domain": "food-insecurity" }] } })).await;
    assert_eq!(found.expect(201)["created_at"], now);
    let screening = screenings::screening(patient.rsplit('/').next().unwrap(), "phq-9", "draft", vec![]);
    let screening = clinic.post("/v1/screenings", screening).await.header("location").unwrap().to_owned();
    let token = clinic.post(&format!("{screening}/links"), json!({})).await.expect(201)["token"].as_str().map(str::to_owned);
    let holder = Caller { token, ..clinic.clone() };
    let answers = json!({ "answers": [screenings::answer("/44250-9", "LA6568-5")] });
    for step in ["answers", "complete"] {
        let (answered, now) = late(&holder, Method::POST, &format!("/v1/screening-link/{step}"), answers.clone()).await;
        answered.expect(200);
        assert_eq!(clinic.get(&screening).await.expect(200)["updated_at"], now, "{step}");
    }
});

/// Does something while another connection has done `statements` and not committed them; it commits once that is waited for.
pub async fn while_held<T>(app: &TestApp, statements: &str, work: impl Future<Output = T>) -> T {
    let mut other = PgConnection::establish(app.database_url()).unwrap();
    other.batch_execute(&format!("BEGIN; {statements}")).unwrap();
    let commit = async {
        // Of whoever has connected since a transaction looked first, `pg_stat_activity` tells it nothing.
        let waiting = "(SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))";
        let mut looks = 0;
        while diesel::select(sql::<BigInt>(waiting)).get_result::<i64>(&mut other).unwrap() == 0 {
            looks += 1;
            assert!(looks < 2_000, "nobody waits for what is held");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        other.batch_execute("COMMIT").unwrap();
    };
    join(work, commit).await.0
}

fn by_identifier(value: &str) -> String {
    format!("/v1/patients/by-identifier?system={SYSTEM}&value={value}")
}

fn patient(value: &str, family: &str) -> Value {
    json!({ "names": [{ "family": family }], "identifiers": [{ "system": SYSTEM, "value": value }] })
}

/// Gives the one patient that there is one more identifier.
fn named_too(value: &str) -> String {
    format!(
        "INSERT INTO identifiers (owner_id, resource_type, system, value, resource_id) \
         SELECT organization_id, 'patient', '{SYSTEM}', '{value}', id FROM patients"
    )
}

const CHANGE_PATIENTS: &str = "UPDATE patients SET version = version + 1";

async fn put(caller: &Caller, value: &str, family: &str, version: Option<i64>) -> crate::client::Answer {
    let request = caller.request(Method::PUT, &by_identifier(value)).set_json(patient(value, family));
    let request = match version {
        Some(version) => request.insert_header(("if-match", format!("\"{version}\""))),
        None => request,
    };
    caller.app.send(request).await
}

#[actix_web::test]
async fn a_put_by_identifier_replaces_what_another_has_just_changed_or_created() {
    let Some(db) = TestDb::postgres() else { return };
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let id = put(&clinic, "p-1", "Tremblay", None).await.expect(201)["id"].clone();

    let changed = while_held(&app, CHANGE_PATIENTS, put(&clinic, "p-1", "Gagnon", None)).await;
    assert_eq!((changed.expect(200)["id"].clone(), changed.header("etag")), (id.clone(), Some("\"3\"")));
    while_held(&app, CHANGE_PATIENTS, put(&clinic, "p-1", "Roy", Some(3))).await.expect_problem(412, "version_mismatch");

    let created = while_held(&app, &named_too("p-2"), put(&clinic, "p-2", "Roy", None)).await;
    assert_eq!((created.expect(200)["id"].clone(), &created.json()["names"][0]["family"]), (id, &json!("Roy")));
    // What another resource really has stays refused.
    put(&clinic, "p-3", "Singh", None).await.expect(201);
    let both = json!({ "names": [{ "family": "Roy" }], "identifiers": [{ "system": SYSTEM, "value": "p-4" }, { "system": SYSTEM, "value": "p-3" }] });
    clinic.put_any(&by_identifier("p-4"), both).await.expect_problem(409, "duplicate");
}

on_both!(a_put_by_identifier_that_asks_for_a_version_makes_nothing_anew, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let id = put(&clinic, "p-1", "Tremblay", None).await.expect(201)["id"].as_str().unwrap().to_owned();
    clinic.delete(&format!("/v1/patients/{id}"), 1).await.expect(204);
    let problem = put(&clinic, "p-1", "Gagnon", Some(1)).await.expect_problem(412, "version_mismatch");
    assert_eq!(problem["current_version"], Value::Null);
    assert_eq!(clinic.get("/v1/patients").await.json()["items"], json!([]));
    put(&clinic, "p-1", "Gagnon", None).await.expect(201);
});

#[actix_web::test]
async fn a_change_of_a_version_that_another_has_just_replaced_is_told_so() {
    let Some(db) = TestDb::postgres() else { return };
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let path = format!("/v1/patients/{}", clinic.post("/v1/patients", patient("p-1", "Tremblay")).await.id());
    let change = json!({ "names": [{ "family": "Gagnon" }] });
    let refused = while_held(&app, CHANGE_PATIENTS, clinic.patch(&path, 1, change)).await;
    assert_eq!(refused.expect_problem(412, "version_mismatch")["current_version"], 2);
    while_held(&app, CHANGE_PATIENTS, clinic.delete(&path, 2)).await.expect_problem(412, "version_mismatch");
    clinic.delete(&path, 3).await.expect(204);
}

#[actix_web::test]
async fn a_line_of_an_import_replaces_what_another_has_just_changed_or_created() {
    let Some(db) = TestDb::postgres() else { return };
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    put(&clinic, "p-1", "Tremblay", None).await.expect(201);
    let line = |value, family| format!("{}\n", json!({ "type": "patient", "resource": patient(value, family) }));
    let job = while_held(&app, CHANGE_PATIENTS, bulk::load(&clinic, line("p-1", "Gagnon"))).await;
    assert_eq!(bulk::counts(&job), [0, 1, 0, 0], "{job}");
    let job = while_held(&app, &named_too("p-2"), bulk::load(&clinic, line("p-2", "Roy"))).await;
    assert_eq!(bulk::counts(&job), [0, 1, 0, 0], "{job}");
}

#[actix_web::test]
async fn an_import_of_services_goes_on_where_somebody_has_changed_one_meanwhile() {
    let Some(db) = TestDb::postgres() else { return };
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let import = |name: &str| {
        let line = json!({ "id": "a", "name": name, "status": "active", "organization": { "id": "o", "name": "Pantry Society" } });
        let request =
            clinic.request(Method::POST, "/v1/imports/services?source=partner").insert_header(("content-type", "application/x-ndjson"));
        app.send(request.set_payload(line.to_string()))
    };
    import("North Pantry").await.expect(200);
    let report = while_held(&app, "UPDATE services SET version = version + 1", import("North Pantry and Kitchen")).await;
    assert_eq!(report.expect(200)["updated"], 1);
}
