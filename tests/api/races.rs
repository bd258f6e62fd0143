//! What happens at the same moment: two requests meet at a place that a third connection holds, so that the order is always the same.
//!
//! On SQLite whoever writes is alone, so most of these are PostgreSQL's.

use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use kith::auth::repository::{list_signing_keys, set_active};
use kith::auth::{Authority, Principal, Scopes};
use kith::clock::Clock;
use kith::config::Config;
use kith::db::Db;
use kith::kind::OrganizationId;
use kith::screenings::api::{ScreeningCompletion, SuggestQuery};
use kith::screenings::suggesting::{self, Completing};
use serde_json::{Value, json};

use crate::bulk;
use crate::client::{Answer, Caller};
use crate::harness::TestDb;
use crate::referrals::Town;

/// A connection beside the server's, whose open transaction stands in the way of others.
pub struct Rival(PgConnection);

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Rival {
    pub fn doing(url: &str, sql: &str) -> Self {
        let mut conn = PgConnection::establish(url).unwrap();
        conn.batch_execute(&format!("BEGIN; {sql}")).unwrap();
        Self(conn)
    }

    /// In the way of everybody who adds what is this organization's.
    fn before(url: &str, organization: OrganizationId) -> Self {
        Self::doing(url, &format!("SELECT 1 FROM organizations WHERE id = '{organization}' FOR UPDATE"))
    }

    /// How many transactions on this database wait for others.
    fn waiting(&mut self) -> i64 {
        let query = "SELECT count(DISTINCT waiting.pid) AS count FROM pg_locks AS waiting JOIN pg_locks AS held USING (pid) \
            JOIN pg_class ON pg_class.oid = held.relation \
            WHERE NOT waiting.granted AND pg_class.relnamespace = current_schema()::text::regnamespace";
        diesel::sql_query(query).get_result::<Waiting>(&mut self.0).unwrap().count
    }

    /// Returns when as many transactions wait; each of the requests is one that does.
    pub async fn is_met_by<T>(&mut self, requests: &[&JoinHandle<T>]) {
        self.is_met_or_passed_by(requests).await;
        let passed = requests.iter().filter(|request| request.is_finished()).count();
        assert_eq!(passed, 0, "of {} requests so many waited for nobody", requests.len());
    }

    /// Returns when as many transactions wait, or the last of them has ended.
    async fn is_met_or_passed_by<T>(&mut self, requests: &[&JoinHandle<T>]) {
        let met = async {
            while self.waiting() < requests.len() as i64 && !requests.last().unwrap().is_finished() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), met).await.expect("the requests meet");
    }

    /// Does more, without waiting for anybody where it says so.
    pub fn also(&mut self, sql: &str) {
        self.0.batch_execute(sql).unwrap();
    }

    pub fn leave(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

/// A town on PostgreSQL, and the address of its database.
async fn town() -> Option<(Town, String)> {
    let db = TestDb::postgres()?;
    let url = db.settings.url.clone();
    Some((Town::new(db).await, url))
}

/// A POST that is under way.
pub fn posting(caller: &Caller, path: &str, body: Value) -> JoinHandle<Answer> {
    let (caller, path) = (caller.clone(), path.to_owned());
    actix_web::rt::spawn(async move { caller.post(&path, body).await })
}

fn merging(caller: &Caller, survivor: &str, duplicate: &str) -> JoinHandle<Answer> {
    posting(caller, &format!("/v1/patients/{survivor}/merge"), json!({ "duplicate_id": duplicate }))
}

#[actix_web::test]
async fn what_is_being_recorded_when_a_patient_is_merged_is_the_survivors() {
    let Some((town, url)) = town().await else { return };
    let (survivor, duplicate) = (town.patient().await, town.patient().await);
    // Whoever records comes to a halt when all is written but the answer.
    let kept = format!("VALUES ('{}', 'n1', '', '', 0, '[]', '', now())", town.clinic.client_id);
    let mut rival = Rival::doing(&url, &format!("INSERT INTO idempotency_keys {kept}"));
    let recording = actix_web::rt::spawn({
        let (clinic, need) = (town.clinic.clone(), json!({ "patient_id": duplicate, "domain": "stress" }));
        async move { clinic.post_once("/v1/needs", "n1", need).await }
    });
    rival.is_met_by(&[&recording]).await;
    let merging = merging(&town.clinic, &survivor, &duplicate);
    rival.is_met_by(&[&recording, &merging]).await;
    rival.leave();

    let need = recording.await.unwrap();
    need.expect(201);
    merging.await.unwrap().expect(200);
    let path = need.header("location").unwrap();
    let read = town.clinic.get(path).await;
    assert_eq!((&read.expect(200)["patient_id"], read.header("etag")), (&json!(survivor), Some("\"2\"")));
    let history = town.clinic.get(&format!("{path}/history")).await.expect(200);
    assert_eq!(history["items"][1]["resource"]["patient_id"], json!(survivor));
}

#[actix_web::test]
async fn a_first_contact_that_is_planned_while_a_system_begins_to_call_is_the_performers() {
    let Some((town, url)) = town().await else { return };
    let (client, now) = (town.program.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    let referral = town.sent(&town.patient().await).await;
    let mut rival = Rival::before(&url, town.program.organization_id);
    let accepting = actix_web::rt::spawn({
        let (clinic, path) = (town.clinic.clone(), format!("/v1/referrals/{referral}/transitions"));
        async move {
            clinic.post(&path, json!({ "status": "accepted" })).await.expect(201);
        }
    });
    rival.is_met_by(&[&accepting]).await;
    let admitting = actix_web::rt::spawn({
        let (app, program) = (town.app.clone(), town.program.organization_id);
        async move {
            app.client(program, Scopes::all_but_admin()).await;
        }
    });
    rival.is_met_by(&[&accepting, &admitting]).await;
    rival.leave();
    accepting.await.unwrap();
    admitting.await.unwrap();

    let planned = town.clinic.get(&format!("/v1/follow-ups?referral_id={referral}&status=open")).await.expect(200);
    let owners: Vec<&Value> = planned["items"].as_array().unwrap().iter().map(|planned| &planned["organization_id"]).collect();
    assert_eq!(owners, [&json!(town.program.organization_id)]);
}

#[actix_web::test]
async fn what_a_referral_leaves_to_do_that_is_loaded_while_a_system_begins_to_call_is_the_performers() {
    let Some((town, url)) = town().await else { return };
    let (client, now) = (town.program.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    let stood = json!({ "status": "accepted", "requested_at": "2026-02-20T17:00:00Z", "status_at": "2026-02-21T17:00:00Z" });
    let line = json!({ "type": "referral", "resource": town.navigation(&town.patient().await), "read_only": stood });
    let mut rival = Rival::before(&url, town.program.organization_id);
    let loading = actix_web::rt::spawn({
        let clinic = town.clinic.clone();
        async move {
            let job = bulk::load(&clinic, bulk::text(&[line])).await;
            assert_eq!(bulk::counts(&job), [1, 0, 0, 0], "{:#?}", bulk::results(&clinic, &job).await);
        }
    });
    rival.is_met_by(&[&loading]).await;
    let admitting = actix_web::rt::spawn({
        let (app, program) = (town.app.clone(), town.program.organization_id);
        async move {
            app.client(program, Scopes::all_but_admin()).await;
        }
    });
    rival.is_met_by(&[&loading, &admitting]).await;
    rival.leave();
    loading.await.unwrap();
    admitting.await.unwrap();

    let referral = town.clinic.get("/v1/referrals").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    let planned = town.clinic.get(&format!("/v1/follow-ups?referral_id={referral}&status=open")).await.expect(200);
    let owners: Vec<&Value> = planned["items"].as_array().unwrap().iter().map(|planned| &planned["organization_id"]).collect();
    assert_eq!(owners, [&json!(town.program.organization_id)]);
}

#[actix_web::test]
async fn an_import_waits_for_the_performers_of_referrals_before_it_has_changed_anything() {
    let Some((town, url)) = town().await else { return };
    let (client, now) = (town.program.client_id, town.app.clock.now());
    town.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
    let patient = town.patient().await;
    // When it is read the referral is of nobody who is there.
    let mut referral = town.navigation(&patient);
    referral["patient_id"] = bulk::key("p-1");
    let stood = json!({ "status": "accepted", "requested_at": "2026-02-20T17:00:00Z", "status_at": "2026-02-21T17:00:00Z" });
    let lines = [
        json!({ "type": "patient", "id": patient, "resource": { "names": [{ "family": "Gagnon" }] } }),
        json!({ "type": "patient", "resource": { "names": [{ "family": "Roy" }], "identifiers": [bulk::key("p-1")] } }),
        json!({ "type": "referral", "resource": referral, "read_only": stood }),
    ];
    let mut rival = Rival::before(&url, town.program.organization_id);
    let loading = actix_web::rt::spawn({
        let clinic = town.clinic.clone();
        async move {
            let job = bulk::load(&clinic, bulk::text(&lines)).await;
            assert_eq!(bulk::counts(&job), [2, 1, 0, 0], "{:#?}", bulk::results(&clinic, &job).await);
        }
    });
    rival.is_met_by(&[&loading]).await;
    rival.also(&format!("SELECT 1 FROM patients WHERE id = '{patient}' FOR UPDATE NOWAIT"));
    rival.leave();
    loading.await.unwrap();
}

#[actix_web::test]
async fn what_comes_too_late_for_a_merge_is_refused() {
    let Some((town, url)) = town().await else { return };
    let survivor = town.patient().await;
    type Body = fn(&Town, &str) -> Value;
    let kinds: [(&str, Body); 8] = [
        ("/v1/needs", |_, patient| json!({ "patient_id": patient, "domain": "stress" })),
        ("/v1/screenings", |_, patient| json!({ "patient_id": patient, "instrument": "phq-2" })),
        ("/v1/follow-ups", |_, patient| json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" })),
        ("/v1/unmet-needs", |_, patient| json!({ "patient_id": patient, "domain": "stress", "reasons": ["no_service"] })),
        ("/v1/consents", |town, patient| {
            json!({ "patient_id": patient, "grantee_id": town.program.organization_id, "purposes": ["care_coordination"],
                "categories": ["contact"], "form": "verbal" })
        }),
        ("/v1/referrals", Town::navigation),
        ("/v1/matches", |_, patient| json!({ "patient_id": patient })),
        ("/v1/screenings?suggest=1", |_, patient| {
            let hungry = json!([{ "link_id": "food-worry", "codes": ["LA28397-0"] }]);
            json!({ "patient_id": patient, "instrument": "ahc-hrsn-core", "status": "completed", "answers": hungry })
        }),
    ];
    for (path, body) in kinds {
        let duplicate = town.patient().await;
        let mut rival = Rival::before(&url, town.clinic.organization_id);
        let recording = posting(&town.clinic, path, body(&town, &duplicate));
        rival.is_met_by(&[&recording]).await;
        let merging = merging(&town.clinic, &survivor, &duplicate);
        rival.is_met_or_passed_by(&[&recording, &merging]).await;
        let is_merged = merging.is_finished();
        rival.leave();
        let (recorded, merged) = (recording.await.unwrap(), merging.await.unwrap());
        merged.expect(200);
        if is_merged {
            assert_eq!(recorded.faults(422), [("/patient_id".into(), "not_found".into())], "{path}");
        } else {
            // It had locked the patient when it came to a halt, so the merge waited for it.
            recorded.expect(201);
            let read = town.clinic.get(recorded.header("location").unwrap()).await.expect(200);
            assert_eq!(read["patient_id"], json!(survivor), "{path}");
        }
    }
}

on_both!(a_draft_that_follows_a_merge_while_it_is_matched_is_matched_again, |db| async move {
    let town = Town::new(db).await;
    let (survivor, duplicate) = (town.patient().await, town.patient().await);
    let hungry = json!([{ "link_id": "food-worry", "codes": ["LA28397-0"] }]);
    let draft = json!({ "patient_id": duplicate, "instrument": "ahc-hrsn-core", "status": "draft", "answers": hungry });
    let draft = town.clinic.post("/v1/screenings", draft).await.id().parse().unwrap();
    let caller = Principal::of_client(town.clinic.client_id, town.clinic.organization_id, town.clinic.scopes, town.app.clock.now());
    let (state, completing) = (&town.app.state, Completing::Draft(draft, ScreeningCompletion::default()));
    let found = suggesting::find(state, &caller, &SuggestQuery { suggest: Some(1) }, completing).await.unwrap().unwrap();
    merging(&town.clinic, &survivor, &duplicate).await.unwrap().expect(200);
    let kept = state.db.write(move |conn| found.keep(conn, &caller, survivor.parse().unwrap()).map(|_| ())).await;
    assert!(matches!(kept, Err(kith::error::Error::Busy)), "{kept:?}");
});

#[actix_web::test]
async fn two_that_are_completed_at_once_raise_a_need_once() {
    let Some((town, url)) = town().await else { return };
    let patient = town.patient().await;
    let hungry = json!([{ "link_id": "food-worry", "codes": ["LA28397-0"] }]);
    let hungry = json!({ "patient_id": patient, "instrument": "ahc-hrsn-core", "status": "completed", "answers": hungry });
    let mut rival = Rival::before(&url, town.clinic.organization_id);
    let first = posting(&town.clinic, "/v1/screenings", hungry.clone());
    rival.is_met_by(&[&first]).await;
    let second = posting(&town.clinic, "/v1/screenings", hungry);
    rival.is_met_by(&[&first, &second]).await;
    rival.leave();
    let needs = [first.await.unwrap().expect(201), second.await.unwrap().expect(201)].map(|body| body["needs"][0]["need_id"].clone());
    assert_eq!(needs[0], needs[1]);

    let mut paths = Vec::new();
    for _ in 0..2 {
        let check_in = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
        let created = town.clinic.post("/v1/follow-ups", check_in).await;
        paths.push(format!("{}/complete", created.header("location").unwrap()));
    }
    let stressed = json!({ "new_needs": ["stress"] });
    let mut rival = Rival::before(&url, town.clinic.organization_id);
    let first = posting(&town.clinic, &paths[0], stressed.clone());
    rival.is_met_by(&[&first]).await;
    let second = posting(&town.clinic, &paths[1], stressed);
    rival.is_met_by(&[&first, &second]).await;
    rival.leave();
    first.await.unwrap().expect(200);
    second.await.unwrap().expect(200);
    let listed = town.clinic.get(&format!("/v1/patients/{patient}/needs")).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
}

#[actix_web::test]
async fn of_two_follow_ups_that_are_completed_at_once_the_second_plans_the_next() {
    let Some((town, url)) = town().await else { return };
    let patient = town.patient().await;
    let check_in = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" });
    let mut paths = Vec::new();
    for _ in 0..2 {
        let created = town.clinic.post("/v1/follow-ups", check_in.clone()).await;
        paths.push(format!("{}/complete", created.header("location").unwrap()));
    }
    // The first comes to a halt when all is written but the answer.
    let kept = format!("VALUES ('{}', 'f1', '', '', 0, '[]', '', now())", town.clinic.client_id);
    let mut rival = Rival::doing(&url, &format!("INSERT INTO idempotency_keys {kept}"));
    let first = actix_web::rt::spawn({
        let (clinic, path) = (town.clinic.clone(), paths[0].clone());
        async move { clinic.post_once(&path, "f1", json!({})).await }
    });
    rival.is_met_by(&[&first]).await;
    let second = posting(&town.clinic, &paths[1], json!({}));
    rival.is_met_by(&[&first, &second]).await;
    rival.leave();
    assert_eq!(first.await.unwrap().expect(200)["next_follow_up_id"], Value::Null, "another was still open");
    let next = second.await.unwrap().expect(200)["next_follow_up_id"].clone();
    let open = town.clinic.get(&format!("/v1/follow-ups?patient_id={patient}&status=open")).await.expect(200);
    let open: Vec<&Value> = open["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(open, [&next]);
}

#[actix_web::test]
async fn two_matches_at_once_find_a_need_unmet_once() {
    let Some((town, url)) = town().await else { return };
    let patient = town.patient().await;
    town.clinic.post("/v1/needs", json!({ "patient_id": patient, "domain": "stress" })).await.expect(201);
    // The first comes to a halt when all is written but the answer.
    let kept = format!("VALUES ('{}', 'm1', '', '', 0, '[]', '', now())", town.clinic.client_id);
    let mut rival = Rival::doing(&url, &format!("INSERT INTO idempotency_keys {kept}"));
    let first = actix_web::rt::spawn({
        let (clinic, asked) = (town.clinic.clone(), json!({ "patient_id": patient }));
        async move { clinic.post_once("/v1/matches", "m1", asked).await }
    });
    rival.is_met_by(&[&first]).await;
    let second = posting(&town.clinic, "/v1/matches", json!({ "patient_id": patient }));
    rival.is_met_by(&[&first, &second]).await;
    rival.leave();
    first.await.unwrap().expect(201);
    second.await.unwrap().expect(201);
    let unmet = town.clinic.get("/v1/unmet-needs").await.expect(200);
    assert_eq!(unmet["items"].as_array().unwrap().len(), 1, "{unmet}");
}

#[actix_web::test]
async fn a_follow_up_is_not_deleted_while_a_try_is_recorded() {
    let Some((town, url)) = town().await else { return };
    let check_in = json!({ "patient_id": town.patient().await, "purpose": "check_in", "due_on": "2026-03-10" });
    let created = town.clinic.post("/v1/follow-ups", check_in).await;
    let path = created.header("location").unwrap().to_owned();
    let mut rival = Rival::before(&url, town.clinic.organization_id);
    let trying = posting(&town.clinic, &format!("{path}/attempts"), json!({ "mode": "phone", "outcome": "reached" }));
    rival.is_met_by(&[&trying]).await;
    let deleting = actix_web::rt::spawn({
        let (clinic, path) = (town.clinic.clone(), path.clone());
        async move { clinic.delete(&path, 1).await }
    });
    rival.is_met_by(&[&trying, &deleting]).await;
    rival.leave();
    trying.await.unwrap().expect(201);
    deleting.await.unwrap().expect_problem(409, "follow_up_in_use");
    town.clinic.get(&path).await.expect(200);
}

#[actix_web::test]
async fn what_is_being_recorded_when_a_service_is_merged_goes_where_the_merge_sends_it() {
    let Some((town, url)) = town().await else { return };
    let service = async |name: &str| {
        let service = json!({ "name": name, "provider_id": town.agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
        town.agency.post("/v1/services", service).await.id()
    };
    let (survivor, duplicate) = (service("Lunch Club").await, service("Tuesday Lunch").await);
    let patient = town.patient().await;
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": duplicate, "source_type": "family_physician",
        "reason": "Company.", "consent": { "form": "verbal" } });
    // Whoever refers comes to a halt when all is written but the answer.
    let kept = format!("VALUES ('{}', 'r1', '', '', 0, '[]', '', now())", town.clinic.client_id);
    let mut rival = Rival::doing(&url, &format!("INSERT INTO idempotency_keys {kept}"));
    let referring = actix_web::rt::spawn({
        let (clinic, referral) = (town.clinic.clone(), referral.clone());
        async move { clinic.post_once("/v1/referrals", "r1", referral).await }
    });
    rival.is_met_by(&[&referring]).await;
    let merging = posting(&town.agency, &format!("/v1/services/{survivor}/merge"), json!({ "duplicate_id": duplicate }));
    rival.is_met_by(&[&referring, &merging]).await;
    rival.leave();
    let referred = referring.await.unwrap();
    referred.expect(201);
    merging.await.unwrap().expect(200);
    let read = town.clinic.get(referred.header("location").unwrap()).await;
    assert_eq!((&read.expect(200)["service_id"], read.header("etag")), (&json!(survivor), Some("\"2\"")));

    // Whoever comes too late is told.
    let late = service("Thursday Lunch").await;
    let mut rival = Rival::doing(&url, &format!("SELECT 1 FROM services WHERE id = '{late}' FOR UPDATE"));
    let mut referral = referral;
    referral["service_id"] = json!(late);
    let referring = posting(&town.clinic, "/v1/referrals", referral);
    rival.is_met_by(&[&referring]).await;
    rival
        .0
        .batch_execute(&format!("UPDATE services SET merged_into_id = '{survivor}', deleted_at = now() WHERE id = '{late}'; COMMIT"))
        .unwrap();
    assert_eq!(referring.await.unwrap().faults(422), [("/service_id".into(), "not_found".into())]);
}

#[actix_web::test]
async fn a_merge_of_services_holds_neither_while_somebody_moves_a_referral_to_the_duplicate() {
    let Some((town, url)) = town().await else { return };
    let service = async |name: &str| town.agency.post("/v1/services", json!({ "name": name })).await.id();
    let (survivor, duplicate) = (service("Lunch Club").await, service("Tuesday Lunch").await);
    let referral = json!({ "patient_id": town.patient().await, "kind": "service", "service_id": duplicate,
        "performer_organization_id": town.agency.organization_id, "source_type": "family_physician", "consent": { "form": "verbal" } });
    let referral = town.clinic.post("/v1/referrals", referral).await.id();
    let mut rival = Rival::doing(&url, &format!("SELECT 1 FROM referrals WHERE id = '{referral}' FOR NO KEY UPDATE"));
    let merging = posting(&town.agency, &format!("/v1/services/{survivor}/merge"), json!({ "duplicate_id": duplicate }));
    rival.is_met_by(&[&merging]).await;
    // As whoever takes a place that is offered does after the referral.
    rival.0.batch_execute(&format!("SELECT 1 FROM services WHERE id = '{duplicate}' FOR NO KEY UPDATE NOWAIT")).unwrap();
    rival.leave();
    merging.await.unwrap().expect(200);
    let moved = town.clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200);
    assert_eq!(moved["service_id"], json!(survivor));
}

#[actix_web::test]
async fn whoever_holds_a_place_keeps_nobody_waiting_who_is_at_its_referral() {
    let Some((town, url)) = town().await else { return };
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let worker = town.program.post("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await.id();
    let slot = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T18:00:00Z" });
    let slot = town.program.post("/v1/slots", slot).await.id();
    let mut rival = Rival::doing(&url, &format!("SELECT 1 FROM referrals WHERE id = '{referral}' FOR NO KEY UPDATE"));
    let place = json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral });
    let holding = posting(&town.clinic, "/v1/appointments?hold_minutes=15", place);
    rival.is_met_by(&[&holding]).await;
    // As whoever records what came up in a follow-up does after the referral.
    rival.0.batch_execute(&format!("SELECT 1 FROM patients WHERE id = '{patient}' FOR NO KEY UPDATE NOWAIT")).unwrap();
    rival.leave();
    holding.await.unwrap().expect(201);
}

#[actix_web::test]
async fn two_processes_that_start_at_once_make_one_key() {
    let Some(db) = TestDb::postgres() else { return };
    let mut rival = Rival::doing(&db.settings.url, "LOCK TABLE signing_keys IN SHARE MODE");
    let starting = || {
        let (db, config) = (Db::open(&db.settings).unwrap(), Config::from_flags::<_, &str>([]).unwrap());
        actix_web::rt::spawn(async move { Authority::start(&config, &db, &Clock::default()).await.map(|_| ()) })
    };
    let (one, other) = (starting(), starting());
    rival.is_met_by(&[&one, &other]).await;
    rival.leave();
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(db.read(list_signing_keys).await.unwrap().len(), 1);
}

/// Two changes, by this client, each of which is written but for the journal when the other begins, or waits for it.
async fn at_once(url: &str, client: &Caller, changes: [(String, Value); 2]) -> [Answer; 2] {
    let mut rival = Rival::doing(url, "LOCK TABLE changes IN SHARE MODE");
    let [one, other] = changes.map(|(path, patch)| {
        let client = client.clone();
        move || actix_web::rt::spawn(async move { client.patch(&path, 1, patch).await })
    });
    let one = one();
    rival.is_met_by(&[&one]).await;
    let other = other();
    rival.is_met_by(&[&one, &other]).await;
    rival.leave();
    [one.await.unwrap(), other.await.unwrap()]
}

#[actix_web::test]
async fn of_two_that_would_close_a_circle_at_once_the_second_is_told() {
    let Some((town, url)) = town().await else { return };
    let mut organizations = Vec::new();
    for name in ["Whole", "Between", "Part"] {
        let made = town.clinic.post("/v1/organizations", json!({ "name": name, "kind": "agency" })).await;
        organizations.push((made.header("location").unwrap().to_owned(), made.id()));
    }
    let [(whole, whole_id), (between, between_id), (part, part_id)] = organizations.try_into().unwrap();
    town.clinic.patch(&between, 1, json!({ "parent_id": whole_id })).await.expect(200);
    let changes = [(whole, json!({ "parent_id": part_id })), (part, json!({ "parent_id": between_id }))];
    let [one, other] = at_once(&url, &town.clinic, changes).await;
    one.expect(200);
    assert_eq!(other.faults(422), [("/parent_id".into(), "circular".into())]);

    let patient = town.patient().await;
    let mut drafts = Vec::new();
    for _ in 0..2 {
        drafts.push(town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id());
    }
    let path = |number: usize| format!("/v1/referrals/{}", drafts[number]);
    let changes = [(path(0), json!({ "parent_id": drafts[1] })), (path(1), json!({ "parent_id": drafts[0] }))];
    let [one, other] = at_once(&url, &town.clinic, changes).await;
    one.expect(200);
    assert_eq!(other.faults(422), [("/parent_id".into(), "not_allowed".into())]);
}
