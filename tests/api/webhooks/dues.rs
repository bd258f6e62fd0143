//! What only the passing of a day brings about.

use chrono::Duration as Span;
use serde_json::json;

use super::{Endpoint, conforms, settle, town};
use crate::receiver::Receiver;

on_both!(what_falls_due_is_told_once_in_the_time_zone_of_whoever_is_to_act, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let types = json!({ "event_types": ["referral.overdue", "follow_up.due", "follow_up.overdue"], "payload": "full" });
    Endpoint::new(&town.clinic, receiver.url("/"), types).await;
    settle(&town.app).await;
    let patient = town.patient().await;
    // Due on 4 March, in Vancouver.
    town.sent(&patient).await;
    let follow_up = json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-03" });
    town.clinic.post("/v1/follow-ups", follow_up).await.expect(201);
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
    let mut told = Vec::new();
    for _ in 0..5 * 24 {
        town.app.clock.advance(Span::hours(1));
        settle(&town.app).await;
        let got = receiver.take();
        got.iter().for_each(conforms);
        told.extend(got.iter().map(|one| (one.event(), town.app.clock.now().to_text()[..13].to_owned())));
    }
    let expected = [("follow_up.due", "2026-03-03T08"), ("follow_up.overdue", "2026-03-04T08"), ("referral.overdue", "2026-03-05T08")];
    assert_eq!(told, expected.map(|(event, hour)| (event.to_owned(), hour.to_owned())), "midnight in British Columbia is 8 in UTC");
});

on_both!(what_was_overdue_before_anybody_asked_is_not_told, |db| async move {
    let town = town(db).await;
    let receiver = Receiver::new();
    let patient = town.patient().await;
    town.sent(&patient).await;
    town.app.clock.advance(Span::days(20));
    let mut clinic = town.clinic.clone();
    clinic.renew().await;
    Endpoint::new(&clinic, receiver.url("/"), json!({ "event_types": ["referral.overdue"] })).await;
    settle(&town.app).await;
    settle(&town.app).await;
    assert!(receiver.take().is_empty());
});
