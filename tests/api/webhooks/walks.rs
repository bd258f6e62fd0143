//! A long way along a queue: what was found on it may be another's turn by the time that it is sent.

use std::sync::{Mutex, mpsc};

use chrono::Duration as Span;
use diesel::connection::SimpleConnection as _;
use futures_util::future::join;
use kith::webhooks::Engine;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::tries::thousands_more;
use super::{Endpoint, person, rename, settle};
use crate::client::{Caller, TestApp};
use crate::harness::TestDb;
use crate::receiver::{Receiver, Reply};

/// An endpoint of which a patient's events are refused, thousands of which wait; another patient's was taken.
struct Long {
    clinic: Caller,
    receiver: Receiver,
    endpoint: Endpoint,
    engine: Engine,
    taken: String,
}

impl Long {
    async fn new(db: TestDb) -> Self {
        let app = TestApp::with(db, &["--webhook-allow=127.0.0.1"]).await;
        let (clinic, receiver) = (app.clinic().await, Receiver::new());
        let types = json!({ "event_types": ["patient.created", "patient.updated"] });
        let endpoint = Endpoint::new(&clinic, receiver.url("/"), types).await;
        let (refused, taken) = (person(&clinic).await, person(&clinic).await);
        receiver.now(move |got| Reply::status(if got.body.contains(&refused) { 500 } else { 204 }));
        settle(&app).await;
        assert_eq!(receiver.take().len(), 2);
        let more = thousands_more(app.database_url().starts_with("sqlite:"));
        app.state.db.write(move |conn| Ok(conn.batch_execute(&more)?)).await.unwrap();
        Self { engine: Engine::new(app.state.clone()), clinic, receiver, endpoint, taken }
    }

    /// Queues what has happened.
    async fn queue(&self) {
        self.clinic.app.is_readable().await;
        self.engine.dispatch().await.unwrap();
    }

    /// Sends what can be sent, and does something while the first requests are under way.
    async fn deliver_and(&self, meanwhile: impl AsyncFn()) {
        deliver_and(&self.engine, &self.receiver, meanwhile).await;
    }
}

/// Sends what can be sent, and does something while the first requests are under way.
async fn deliver_and(engine: &Engine, receiver: &Receiver, meanwhile: impl AsyncFn()) {
    let (mut arrives, open) = shut(receiver);
    let meanwhile = async {
        arrives.recv().await.unwrap();
        meanwhile().await;
        drop(open);
    };
    let (delivered, ()) = join(engine.deliver(), meanwhile).await;
    delivered.unwrap();
}

/// Has the receiver answer nobody until what is returned second is dropped; the first tells who has come.
fn shut(receiver: &Receiver) -> (UnboundedReceiver<()>, mpsc::Sender<()>) {
    let (come, arrives) = unbounded_channel();
    let (open, shut) = mpsc::channel::<()>();
    let shut = Mutex::new(shut);
    receiver.now(move |_| {
        let _nobody_asks = come.send(());
        let _opened = shut.lock().unwrap().recv();
        Reply::status(204)
    });
    (arrives, open)
}

on_both!(what_was_cancelled_while_requests_were_under_way_is_not_sent_after_them, |db| async move {
    let long = Long::new(db).await;
    for _ in 0..20 {
        person(&long.clinic).await;
    }
    long.queue().await;
    long.deliver_and(async || {
        long.clinic.patch(&long.endpoint.path, 1, json!({ "status": "disabled" })).await.expect(200);
        long.clinic.patch(&long.endpoint.path, 2, json!({ "status": "active" })).await.expect(200);
    })
    .await;
    assert_eq!(long.receiver.take().len(), 8, "those that were under way");
    assert!(long.endpoint.deliveries(&long.clinic, "status=pending").await.is_empty());
    assert_eq!(long.endpoint.deliveries(&long.clinic, "status=delivered").await.len(), 1);
});

on_both!(what_is_sent_again_goes_before_what_was_found_meanwhile_of_the_same_resource, |db| async move {
    let long = Long::new(db).await;
    let first = long.endpoint.deliveries(&long.clinic, "status=delivered").await.remove(0);
    for _ in 0..8 {
        person(&long.clinic).await;
    }
    rename(&long.clinic, &long.taken, 1, "two").await;
    long.queue().await;
    long.deliver_and(async || {
        let again = format!("{}/deliveries/{}/resend", long.endpoint.path, first["id"].as_str().unwrap());
        long.clinic.post(&again, json!({})).await.expect(200);
    })
    .await;
    // Three thousand were walked past, so that the way is not gone again at once.
    long.clinic.app.clock.advance(Span::seconds(4));
    long.engine.deliver().await.unwrap();
    let got = long.receiver.take();
    let about = got.iter().map(|one| one.json()["data"].clone()).filter(|data| data["resource_id"] == json!(long.taken));
    let versions: Vec<i64> = about.map(|data| data["version"].as_i64().unwrap()).collect();
    assert_eq!((got.len(), versions), (10, vec![1, 2]));
});

on_both!(what_is_replayed_while_it_is_under_way_is_sent_once_more_after_what_was_before_it, |db| async move {
    let app = TestApp::with(db, &["--webhook-allow=127.0.0.1"]).await;
    let (clinic, receiver) = (app.clinic().await, Receiver::new());
    let types = json!({ "event_types": ["patient.created", "patient.updated"] });
    let endpoint = Endpoint::new(&clinic, receiver.url("/"), types).await;
    let patient = person(&clinic).await;
    let engine = settle(&app).await;
    rename(&clinic, &patient, 1, "two").await;
    app.is_readable().await;
    engine.dispatch().await.unwrap();
    receiver.take();
    deliver_and(&engine, &receiver, async || {
        app.clock.advance(Span::seconds(1));
        clinic.post(&format!("{}/replay", endpoint.path), json!({ "since": "2026-03-01T00:00:00Z" })).await.expect(200);
        engine.dispatch().await.unwrap();
    })
    .await;
    let versions: Vec<i64> = receiver.take().iter().map(|got| got.json()["data"]["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 1, 2], "the last that is told is how it stands");
    assert!(endpoint.deliveries(&clinic, "status=pending").await.is_empty());
});
