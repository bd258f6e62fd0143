//! What an export asks of the database: of many no more than of few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent};
use kith::auth::Principal;
use kith::bulk::kinds::{BulkType, Window};
use kith::db::DbConn;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::{counts, key, load, patient, text};
use crate::client::{Caller, TestApp};

struct Counter(Arc<AtomicUsize>);

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { .. } = event {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The resources on the first page of an export, and the statements that it took.
fn first_page(caller: &Caller, of: BulkType) -> (usize, usize) {
    let principal = Principal {
        client_id: caller.client_id,
        organization_id: caller.organization_id,
        scopes: caller.scopes,
        on_behalf_of: None,
        request_id: None,
        at: caller.app.clock.now(),
    };
    let read = |conn: &mut DbConn| {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Counter(Arc::clone(&count));
        match conn {
            DbConn::Sqlite(conn) => conn.set_instrumentation(counter),
            DbConn::Pg(conn) => conn.set_instrumentation(counter),
        }
        let mut resources = 0;
        let mut put = |_| {
            resources += 1;
            Ok(true)
        };
        let window = Window { since: None, after: None, until: None, limit: of.kind().at_once() };
        of.kind().page(conn, &principal, window, &mut put)?;
        Ok((resources, count.load(Ordering::SeqCst)))
    };
    caller.app.state.db.read_blocking(read).unwrap()
}

/// Patients of the clinic, each with what the agency sees of them.
fn let_in(agency: &Caller, numbers: std::ops::Range<usize>) -> Vec<Value> {
    let each = |number: usize| {
        let person = key(&format!("p-{number}"));
        [
            patient(&format!("p-{number}"), "Tremblay"),
            json!({ "type": "consent", "resource": { "patient_id": person, "grantee_id": agency.organization_id, "form": "verbal",
                "purposes": ["care_coordination"], "categories": ["summary", "contact", "referrals", "follow_ups"] } }),
            json!({ "type": "follow_up", "resource": { "patient_id": person, "purpose": "check_in", "due_on": "2026-03-10" } }),
        ]
    };
    numbers.flat_map(each).collect()
}

/// Times at which somebody of the agency can be met.
fn slots(numbers: std::ops::Range<usize>) -> Vec<Value> {
    let each = |number: usize| {
        let (day, hour) = (number / 8 + 1, number % 8 + 10);
        let (month, day) = (day / 28 + 4, day % 28 + 1);
        let at = |minute: u8| format!("2026-{month:02}-{day:02}T{hour}:{minute:02}:00Z");
        json!({ "type": "slot", "resource": { "practitioner_id": key("w-1"), "starts_at": at(0), "ends_at": at(30) } })
    };
    numbers.map(each).collect()
}

on_both!(an_export_asks_of_many_no_more_than_of_few, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, agency) = (app.clinic().await, app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await);
    let worker =
        json!({ "type": "practitioner", "resource": { "name": "Harpreet Gill", "roles": ["link_worker"], "identifiers": [key("w-1")] } });
    let add = async |caller: &Caller, lines: Vec<Value>| {
        let job = load(caller, text(&lines)).await;
        assert_eq!(counts(&job), [i64::try_from(lines.len()).unwrap(), 0, 0, 0]);
    };
    add(&agency, vec![worker]).await;
    let kinds = [BulkType::Patient, BulkType::Consent, BulkType::FollowUp, BulkType::Slot];
    add(&clinic, let_in(&agency, 0..3)).await;
    add(&agency, slots(0..3)).await;
    let few = kinds.map(|of| first_page(&agency, of));
    // More than are asked for by name.
    add(&clinic, let_in(&agency, 3..520)).await;
    add(&agency, slots(3..220)).await;
    let many = kinds.map(|of| first_page(&agency, of));
    for ((of, few), many) in kinds.iter().zip(few).zip(many) {
        assert!(few.0 == 3 && many.0 >= 200, "{of}: {few:?} {many:?}");
        assert!(many.1 <= few.1, "{of}: {many:?} statements for many, {few:?} for few");
    }
});
