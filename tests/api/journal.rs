//! The journal: complete, in order, and readable while it is written.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};

use diesel::connection::SimpleConnection;
use futures_util::future::{join, join_all};
use kith::changes::{self, Action, Actor, Change, Position};
use kith::clock::Clock;
use kith::db::idempotency_keys::{self, Kept};
use kith::db::types::{Id, Json};
use kith::db::{Db, DbConn};
use kith::error::{Error, Result};
use kith::kind::{Client, PatientId, ResourceType};
use serde_json::json;
use uuid::Uuid;

use crate::client::TestApp;
use crate::harness::until;

/// Records a change; the number of its entry.
fn record(conn: &mut DbConn, resource_type: ResourceType, resource_id: Uuid, version: i64) -> Result<i64> {
    let actor = Actor::operator(Clock::default().now());
    let body = json!({ "id": resource_id, "version": version });
    let (action, owner_id) = (if version == 1 { Action::Created } else { Action::Updated }, Some(Id::generate()));
    let change = Change { resource_type, resource_id, owner_id, version, action, patient_id: None, referral_id: None, body: &body };
    changes::record(conn, &actor, change)?;
    Ok(changes::history(conn, resource_type, resource_id, version - 1, 1)?[0].sequence)
}

on_both!(history_tells_who_did_what_and_how_it_then_stood, |db| async move {
    let actor = Actor {
        organization_id: Some(Id::generate()),
        client_id: Some(Id::generate()),
        on_behalf_of: Some("Dr. Osei".into()),
        request_id: Some("request".into()),
        at: "2026-03-01T17:00:00.123456Z".parse().unwrap(),
    };
    let app = TestApp::new(db).await;
    let patient: PatientId = crate::screenings::patient(&app.clinic().await).await.parse().unwrap();
    let (db, id, referral) = (&app.state.db, Uuid::now_v7(), Id::generate());
    let kept = actor.clone();
    db.write(move |conn| {
        for version in 1..=3 {
            let change = Change {
                resource_type: ResourceType::Need,
                resource_id: id,
                owner_id: kept.organization_id,
                version,
                action: Action::Updated,
                patient_id: Some(patient),
                referral_id: Some(referral),
                body: &json!({ "version": version, "note": "a \"quoted\" é" }),
            };
            changes::record(conn, &kept, change)?;
        }
        record(conn, ResourceType::Need, Uuid::now_v7(), 1)
    })
    .await
    .unwrap();
    let entries = db.read(move |conn| changes::history(conn, ResourceType::Need, id, 1, 10)).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.version).collect::<Vec<_>>(), [2, 3]);
    let entry = &entries[0];
    assert_eq!((entry.organization_id, entry.client_id, entry.at), (actor.organization_id, actor.client_id, actor.at));
    assert_eq!((&entry.on_behalf_of, &entry.request_id), (&actor.on_behalf_of, &actor.request_id));
    assert_eq!((entry.patient_id, entry.referral_id, entry.action), (Some(patient), Some(referral), Action::Updated));
    let body: serde_json::Value = serde_json::from_str(entry.body.as_ref().unwrap().get()).unwrap();
    assert_eq!(body, json!({ "version": 2, "note": "a \"quoted\" é" }));
});

on_both!(a_change_that_fails_leaves_no_line, |db| async move {
    let failed: Result<()> = db
        .write(|conn| {
            record(conn, ResourceType::Need, Uuid::now_v7(), 1)?;
            Err(Error::NotFound)
        })
        .await;
    assert!(failed.is_err());
    assert!(read_all(&db, Position::default(), &[]).await.is_empty());
});

async fn read_all(db: &Db, place: Position, types: &'static [ResourceType]) -> Vec<changes::Sketch> {
    db.read(move |conn| changes::after(conn, place, types, 1000)).await.unwrap()
}

on_both!(the_feed_can_be_narrowed_to_types_and_begun_anywhere, |db| async move {
    let written = db
        .write(|conn| {
            let types = [ResourceType::Service, ResourceType::Need, ResourceType::Patient, ResourceType::Service];
            types.into_iter().map(|kind| record(conn, kind, Uuid::now_v7(), 1)).collect::<Result<Vec<_>>>()
        })
        .await
        .unwrap();
    settle(&db, 4).await;
    let sequences = |entries: &[changes::Sketch]| entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>();
    let all = read_all(&db, Position::default(), &[]).await;
    assert_eq!(sequences(&all), written);
    assert_eq!(sequences(&read_all(&db, all[1].position(), &[]).await), written[2..]);
    assert_eq!(sequences(&read_all(&db, Position::default(), &[ResourceType::Service]).await), [written[0], written[3]]);
    assert_eq!(sequences(&read_all(&db, Position::default(), &[ResourceType::Need, ResourceType::Patient]).await), written[1..3]);
    assert_eq!(db.read(changes::latest).await.unwrap(), all[3].position());
});

/// Waits until so many lines can be read: the transactions of other tests hold the feed back too.
async fn settle(db: &Db, lines: usize) {
    until("the lines can be read", async || read_all(db, Position::default(), &[]).await.len() >= lines).await;
}

/// Where transactions overlap, stays in this one for a while.
fn dawdle(conn: &mut DbConn, really: bool) -> Result<()> {
    match conn {
        DbConn::Pg(conn) if really => Ok(conn.batch_execute("SELECT pg_current_xact_id(), pg_sleep(0.01)")?),
        _ => Ok(()),
    }
}

on_both!(a_reader_that_tails_the_feed_misses_nothing_and_sees_nothing_twice, |db| async move {
    const WRITERS: usize = 8;
    const WRITES: usize = 25;
    let done = Arc::new(AtomicBool::new(false));
    let tail = {
        let (db, done) = (db.db.clone(), Arc::clone(&done));
        actix_web::rt::spawn(async move {
            let (mut place, mut seen) = (Position::default(), Vec::new());
            loop {
                let all_written = done.load(Ordering::SeqCst);
                let entries = db.read(move |conn| changes::after(conn, place, &[], 7)).await.unwrap();
                for entry in &entries {
                    assert!(entry.position() > place);
                    place = entry.position();
                    seen.push(entry.sequence);
                }
                if all_written && entries.is_empty() {
                    return seen;
                }
            }
        })
    };
    let writers = (0..WRITERS).map(|writer| {
        let db = db.db.clone();
        async move {
            let mut written = Vec::new();
            for number in 0..WRITES {
                let order = (writer + number) % 3;
                let sequence = db.write(move |conn| {
                    // Some begin early and take their number late, some hold their number back while others overtake it.
                    dawdle(conn, order == 0)?;
                    let sequence = record(conn, ResourceType::Need, Uuid::now_v7(), 1)?;
                    dawdle(conn, order == 1)?;
                    Ok(sequence)
                });
                written.push(sequence.await.unwrap());
            }
            written
        }
    });
    let written: HashSet<i64> = join_all(writers).await.into_iter().flatten().collect();
    settle(&db, WRITERS * WRITES).await;
    done.store(true, Ordering::SeqCst);
    let seen = tail.await.unwrap();
    assert_eq!(seen.len(), written.len());
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), written);
});

#[actix_web::test]
async fn what_waited_for_a_change_follows_it_though_its_transaction_began_first() {
    let Some(db) = crate::harness::TestDb::postgres() else { return };
    let id = Uuid::now_v7();
    let (began, overtaken) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let first = db.write({
        let (began, overtaken) = (Arc::clone(&began), Arc::clone(&overtaken));
        move |conn| {
            dawdle(conn, true)?;
            began.wait();
            overtaken.wait();
            record(conn, ResourceType::Referral, id, 2)?;
            record(conn, ResourceType::ReferralTransition, Uuid::now_v7(), 1)
        }
    });
    let second = async {
        let written = db.write(move |conn| {
            began.wait();
            record(conn, ResourceType::Referral, id, 1)?;
            record(conn, ResourceType::ReferralTransition, Uuid::now_v7(), 1)
        });
        written.await.unwrap();
        actix_web::web::block(move || overtaken.wait()).await.unwrap();
    };
    let (last, ()) = join(first, second).await;
    settle(&db, 4).await;
    let entries = read_all(&db, Position::default(), &[]).await;
    assert!(entries.is_sorted_by_key(|entry| entry.sequence), "{entries:#?}");
    assert_eq!(entries[3].sequence, last.unwrap());
    // Whoever goes on behind the one is told of the other.
    assert_eq!(read_all(&db, entries[1].position(), &[]).await.len(), 2);
}

#[actix_web::test]
async fn a_journal_restored_into_a_younger_cluster_goes_on_after_its_last_line() {
    let Some(db) = crate::harness::TestDb::postgres() else { return };
    db.write(|conn| record(conn, ResourceType::Need, Uuid::now_v7(), 1)).await.unwrap();
    // As a dump of a cluster would have it that is far ahead of this one.
    db.write(|conn| Ok(conn.batch_execute("UPDATE changes SET transaction_id = 4611686018427387904")?)).await.unwrap();
    assert!(read_all(&db, Position::default(), &[]).await.is_empty());
    let reopened = Db::open(&db.settings).unwrap();
    let sequence = reopened.write(|conn| record(conn, ResourceType::Need, Uuid::now_v7(), 1)).await.unwrap();
    settle(&reopened, 2).await;
    let entries = read_all(&reopened, Position::default(), &[]).await;
    assert!(entries[0].sequence < sequence && entries[0].position() < entries[1].position() && entries[1].sequence == sequence);
}

on_both!(answers_kept_too_long_are_purged_piece_by_piece, |db| async move {
    let client = Id::<Client>::generate();
    let clock = Clock::manual("2026-03-01T17:00:00Z".parse().unwrap());
    let start = clock.now();
    db.write(move |conn| {
        (0..510).try_for_each(|number| {
            let created_at = if number < 505 { start } else { start.plus(chrono::Duration::days(8)) };
            let headers = Json(vec![("location".to_owned(), "/v1/needs/1".to_owned())]);
            let (key, route, body_hash, body) = (number.to_string(), "POST /v1/needs".into(), "hash".into(), "{}".into());
            idempotency_keys::keep(conn, &Kept { client_id: client, key, route, body_hash, status: 201, headers, body, created_at })
        })
    })
    .await
    .unwrap();
    clock.advance(chrono::Duration::days(7));
    let before = clock.now();
    for expected in [500, 5, 0] {
        assert_eq!(db.write(move |conn| idempotency_keys::purge(conn, before)).await.unwrap(), expected);
    }
    let kept = db.read(move |conn| idempotency_keys::find(conn, client, "509")).await.unwrap().unwrap();
    assert_eq!(kept.headers.0[0].1, "/v1/needs/1");
    let twice = db.write(move |conn| idempotency_keys::keep(conn, &kept)).await;
    assert!(matches!(twice, Err(Error::Duplicate { constraint }) if constraint == "idempotency_keys_client_id_key_key"));
});
