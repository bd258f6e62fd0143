//! How referrals are answered: what is counted, from when on it is shown, to whom, and what matching makes of it.

use chrono::Duration;
use kith::auth::Scope;
use kith::background::Leased as _;
use kith::changes::places::Work;
use kith::db::types::Id;
use kith::db::{Db, DbConn};
use kith::organizations::model::OrganizationKind;
use kith::responsiveness::counting;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::harness::TestDb;
use crate::referrals::{clinic_and_lunch, step};

/// A clinic that refers to a service of an agency.
struct Town {
    clinic: Caller,
    agency: Caller,
    service: String,
    patient: String,
}

impl Town {
    async fn new(db: TestDb) -> Self {
        let (clinic, agency, service) = clinic_and_lunch(db).await;
        let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        Self { clinic, agency, service, patient }
    }

    /// So many referrals, sent now.
    async fn refer(&self, number: usize) -> Vec<String> {
        let mut sent = Vec::with_capacity(number);
        for _ in 0..number {
            let referral = json!({
                "patient_id": self.patient, "kind": "service", "service_id": self.service, "source_type": "family_physician",
                "consent": { "form": "verbal" },
            });
            let made = self.clinic.post("/v1/referrals", referral).await;
            made.expect(201);
            sent.push(made.id());
        }
        sent
    }

    async fn pass(&mut self, time: Duration) {
        self.clinic.app.clock.advance(time);
        self.clinic.renew().await;
        self.agency.renew().await;
    }

    async fn answer(&self, referrals: &[String], status: Value) {
        for id in referrals {
            step(&self.agency, id, status.clone()).await.expect(201);
        }
    }

    async fn count(&self) {
        self.clinic.app.is_readable().await;
        counting::refresh(&self.clinic.app.state, Id::generate()).await.unwrap();
    }

    /// What the service shows; the organization shows the same.
    async fn figures(&self) -> Value {
        let of_service = self.clinic.get(&format!("/v1/services/{}/responsiveness", self.service)).await.expect(200);
        let of_organization = self.clinic.get(&format!("/v1/organizations/{}/responsiveness", self.agency.organization_id)).await;
        assert_eq!(of_service, of_organization.expect(200));
        of_service
    }
}

fn nothing(as_of: Value) -> Value {
    let based_on = json!({ "answers": null, "decisions": null, "endings": null });
    json!({
        "median_answer_hours": null, "acceptance_percent": null, "completion_percent": null, "based_on": based_on, "window_days": 365,
        "as_of": as_of,
    })
}

on_both!(ten_referrals_tell_how_they_are_answered_and_nine_tell_nothing, |db| async move {
    let mut town = Town::new(db).await;
    assert_eq!(town.figures().await, nothing(Value::Null));
    let sent = town.refer(10).await;
    town.pass(Duration::minutes(90)).await;
    town.answer(&sent[..9], json!({ "status": "accepted" })).await;
    town.count().await;
    assert_eq!(town.figures().await, nothing(json!("2026-03-02")));
    town.pass(Duration::hours(30)).await;
    town.answer(&sent[9..], json!({ "status": "accepted" })).await;
    town.answer(&sent[..8], json!({ "status": "completed", "outcome": "need_met" })).await;
    town.answer(&sent[8..], json!({ "status": "failed", "reason": { "code": "unable_to_contact" } })).await;
    town.count().await;
    let figures = town.figures().await;
    assert_eq!(figures["based_on"], json!({ "answers": 10, "decisions": 10, "endings": 10 }));
    let told = (&figures["median_answer_hours"], &figures["acceptance_percent"], &figures["completion_percent"]);
    assert_eq!(told, (&json!(2), &json!(100), &json!(80)));

    let more = town.refer(3).await;
    town.answer(&more, json!({ "status": "rejected", "reason": { "code": "no_capacity" } })).await;
    town.count().await;
    let figures = town.figures().await;
    assert_eq!(figures["acceptance_percent"], 75, "10 of 13, in steps of five");
    assert_eq!(figures["based_on"]["decisions"], 10, "13, in steps of five");
});

on_both!(what_is_called_off_counts_for_nobody_and_what_is_overdue_counts_as_it_stands, |db| async move {
    let mut town = Town::new(db).await;
    let sent = town.refer(24).await;
    town.pass(Duration::hours(4)).await;
    town.answer(&sent[..10], json!({ "status": "accepted" })).await;
    for id in &sent[10..14] {
        step(&town.clinic, id, json!({ "status": "cancelled", "reason": { "code": "no_longer_needed" } })).await.expect(201);
    }
    town.count().await;
    let figures = town.figures().await;
    assert_eq!((&figures["acceptance_percent"], &figures["based_on"]["answers"]), (&json!(100), &json!(10)));
    assert_eq!(figures["median_answer_hours"], 4);

    town.pass(Duration::days(5)).await;
    town.count().await;
    let figures = town.figures().await;
    assert_eq!((&figures["acceptance_percent"], &figures["based_on"]["decisions"]), (&json!(50), &json!(20)), "ten wait past their day");
    assert_eq!(figures["median_answer_hours"], 4 + 60, "halfway between four hours and five days more");
});

on_both!(a_year_later_nothing_of_it_is_shown, |db| async move {
    let mut town = Town::new(db).await;
    let sent = town.refer(12).await;
    town.answer(&sent, json!({ "status": "accepted" })).await;
    town.count().await;
    assert_eq!(town.figures().await["acceptance_percent"], 100);
    town.pass(Duration::days(366)).await;
    town.count().await;
    assert_eq!(town.figures().await, nothing(json!("2027-03-03")));
});

on_both!(one_process_counts_at_a_time_and_all_of_them_show_it, |db| async move {
    let settings = db.settings.clone();
    let town = Town::new(db).await;
    let sent = town.refer(10).await;
    town.answer(&sent, json!({ "status": "accepted" })).await;
    town.clinic.app.is_readable().await;
    let (worker, now) = (Id::generate(), town.clinic.app.clock.now());
    let take = move |conn: &mut DbConn| Work::Responsiveness.take(conn, worker, now, now.plus(Duration::minutes(5)));
    assert!(town.clinic.app.state.db.write(take).await.unwrap().is_some());
    town.count().await;
    assert_eq!(town.figures().await, nothing(Value::Null), "another one holds the lease");
    let other = town.clinic.app.beside(Db::open(&settings).unwrap()).await;
    town.clinic.app.clock.advance(Duration::minutes(6));
    counting::refresh(&other.state, Id::generate()).await.unwrap();
    assert_eq!(town.figures().await["acceptance_percent"], 100, "the lease of one that has died runs out");

    let path = format!("/v1/services/{}", town.service);
    let before = town.clinic.get(&path).await;
    assert_eq!(before.expect(200)["responsiveness"], Value::Null, "this process has not looked yet");
    counting::refresh(&town.clinic.app.state, Id::generate()).await.unwrap();
    let again = town.clinic.request(actix_web::http::Method::GET, &path);
    let again = town.clinic.app.send(again.insert_header(("if-none-match", before.header("etag").unwrap()))).await;
    assert_eq!(again.expect(200)["responsiveness"]["acceptance_percent"], 100, "who has it as it was is sent it again");
});

on_both!(who_may_refer_is_shown_it_and_matching_tells_them, |db| async move {
    let town = Town::new(db).await;
    let sent = town.refer(10).await;
    town.answer(&sent, json!({ "status": "accepted" })).await;
    town.count().await;
    let reader = town.clinic.only(&[Scope::ServicesRead]).await;
    let (one, own) = (format!("/v1/services/{}", town.service), format!("/v1/services/{}/responsiveness", town.service));
    let expected = town.figures().await;
    assert_eq!(town.clinic.get(&one).await.expect(200)["responsiveness"], expected);
    assert_eq!(town.clinic.get("/v1/services").await.expect(200)["items"][0]["responsiveness"], expected);
    assert_eq!(town.clinic.post("/v1/services/search", json!({})).await.expect(200)["items"][0]["responsiveness"], expected);
    assert_eq!(reader.get(&one).await.expect(200)["responsiveness"], Value::Null);
    assert_eq!(reader.get("/v1/services").await.expect(200)["items"][0]["responsiveness"], Value::Null);
    reader.get(&own).await.expect_problem(403, "insufficient_scope");

    let asked = json!({ "person": { "needs": [{ "domain": "food-insecurity" }] } });
    let track_record = |found: Value| {
        let parts = found["results"][0]["contributions"].as_array().unwrap().iter();
        parts.clone().find(|part| part["criterion"] == "track_record").unwrap()["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(track_record(town.clinic.post("/v1/matches", asked.clone()).await.expect(201)), "earlier_referrals");
    assert_eq!(track_record(reader.post("/v1/matches", asked).await.expect(201)), "no_earlier_referrals");

    town.agency.delete(&one, 1).await.expect(204);
    town.clinic.get(&own).await.expect_problem(410, "gone");
    let nowhere = Id::<()>::generate();
    for kind in ["services", "organizations"] {
        town.clinic.get(&format!("/v1/{kind}/{nowhere}/responsiveness")).await.expect_problem(404, "not_found");
    }
});

on_both!(a_service_is_told_by_what_whoever_gives_it_is_asked_and_by_nothing_else, |db| async move {
    let town = Town::new(db).await;
    let sent = town.refer(10).await;
    town.answer(&sent, json!({ "status": "accepted" })).await;
    let stranger = town.clinic.app.tenant("Another agency", OrganizationKind::Agency).await;
    let kept = town.agency.post("/v1/services", json!({ "name": "Thursday lunch" })).await.id();
    let patient = stranger.post("/v1/patients", json!({ "names": [{ "family": "Nobody" }] })).await.id();
    for (service, performer) in [(&town.service, json!(stranger.organization_id)), (&kept, Value::Null)] {
        for _ in 0..10 {
            let referral = json!({
                "patient_id": patient, "kind": "service", "service_id": service, "performer_organization_id": performer,
                "source_type": "family_physician",
            });
            let referral = stranger.post("/v1/referrals", referral).await;
            referral.expect(201);
            let rejected = json!({ "status": "rejected", "reason": { "code": "no_capacity" } });
            step(&stranger, &referral.id(), rejected).await.expect(201);
        }
    }
    town.count().await;
    let figures = town.figures().await;
    assert_eq!((&figures["acceptance_percent"], &figures["based_on"]["decisions"]), (&json!(100), &json!(10)));
    let path = format!("/v1/services/{kept}/responsiveness");
    assert_eq!(town.clinic.get(&path).await.expect(200)["acceptance_percent"], Value::Null);
    let own = stranger.get(&format!("/v1/organizations/{}/responsiveness", stranger.organization_id)).await.expect(200);
    assert_eq!(own["acceptance_percent"], 0, "it is told of the organization that did so");
});
