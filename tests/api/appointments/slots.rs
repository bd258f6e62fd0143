//! Openings, and the slots that become of them.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{free, service, worker};
use crate::referrals::Town;

on_both!(openings_become_slots_once_however_often_they_are_published, |db| async move {
    let town = Town::new(db).await;
    let id = service(&town.agency).await;
    let slots = format!("/v1/services/{id}/slots");
    let mornings =
        json!({ "rrule": "FREQ=WEEKLY;BYDAY=FR,SA,SU,MO", "opens_at": "09:00", "closes_at": "10:15", "time_zone": "America/Vancouver" });
    let sunday = json!({ "rrule": "FREQ=DAILY", "kind": "closed", "valid": { "from": "2026-03-07", "until": "2026-03-07" }, "time_zone": "America/Vancouver" });
    let mut publication =
        json!({ "from": "2026-03-01", "until": "2026-03-09", "slot_minutes": 30, "places": 3, "schedules": [mornings, sunday] });
    // The first Sunday lies in the past, and so does the slot that begins at this moment.
    let published = town.agency.post(&slots, publication.clone()).await.expect(200);
    assert_eq!((&published["created"], &published["already_there"]), (&json!(7), &json!(0)));
    let listed = town.clinic.get(&slots).await.expect(200);
    let ids = |listed: &Value| Value::from_iter(listed["items"].as_array().unwrap().iter().map(|slot| slot["id"].clone()));
    assert_eq!(published["slot_ids"], ids(&listed), "they are named in order of time");
    let times: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|slot| slot["starts_at"].as_str().unwrap()).collect();
    // Vancouver's clocks go forward on Sunday the 8th.
    let expected = ["02T17:30", "06T17:00", "06T17:30", "08T16:00", "08T16:30", "09T16:00", "09T16:30"];
    assert_eq!(times, expected.map(|time| format!("2026-03-{time}:00.000000Z")));
    assert!(listed["items"].as_array().unwrap().iter().all(|slot| slot["places_free"] == 3));

    let first = listed["items"][0]["id"].as_str().unwrap();
    town.agency.patch(&format!("/v1/slots/{first}"), 1, json!({ "is_closed": true })).await.expect(200);
    publication["until"] = json!("2026-03-13");
    publication["places"] = json!(5);
    let again = town.agency.post(&slots, publication.clone()).await.expect(200);
    assert_eq!((&again["created"], &again["already_there"]), (&json!(2), &json!(7)));
    let all = ids(&town.clinic.get(&slots).await.expect(200));
    assert_eq!(again["slot_ids"], json!(all.as_array().unwrap()[7..]));
    assert_eq!(free(&town.clinic, first).await, 0, "what was closed stays closed");
    let open = town.clinic.get(&format!("{slots}?free=true&until=2026-03-07T00:00:00Z")).await.expect(200);
    assert_eq!(open["items"].as_array().unwrap().len(), 2);
    let publishing = [publication.clone(), publication.clone(), publication].map(|again| town.agency.post(&slots, again));
    assert!(join_all(publishing).await.iter().all(|answer| answer.expect(200)["created"] == 0));

    let autumn = json!({ "rrule": "FREQ=DAILY", "opens_at": "00:30", "closes_at": "02:30", "time_zone": "America/Vancouver" });
    let night = json!({ "from": "2026-11-01", "until": "2026-11-01", "slot_minutes": 60, "schedules": [autumn] });
    assert_eq!(town.agency.post(&slots, night).await.expect(200)["created"], 3, "an hour comes twice");
});

on_both!(a_holiday_of_one_place_holds_up_the_slots_of_its_own_days_alone, |db| async move {
    let town = Town::new(db).await;
    let id = service(&town.agency).await;
    let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=TU", "opens_at": "10:00", "closes_at": "12:00", "time_zone": "America/Vancouver" }]);
    let holiday = json!([{ "rrule": "FREQ=DAILY", "kind": "closed", "valid": { "from": "2026-03-17", "until": "2026-03-17" }, "time_zone": "America/Vancouver" }]);
    let places = json!([
        { "address": { "line1": "12 Mill St", "city": "Alder Falls" } },
        { "address": { "line1": "40 Lake Rd", "city": "Alder Falls" }, "schedules": holiday },
    ]);
    town.agency.patch(&format!("/v1/services/{id}"), 1, json!({ "schedules": hours, "places": places })).await.expect(200);
    let publish = async |from: &str, until: &str| {
        let days = json!({ "from": from, "until": until, "slot_minutes": 30 });
        town.agency.post(&format!("/v1/services/{id}/slots"), days).await
    };
    assert_eq!(publish("2026-03-10", "2026-03-16").await.expect(200)["created"], 4);
    assert_eq!(publish("2026-03-10", "2026-03-17").await.faults(422), [("/schedules".into(), "required".into())]);
    assert_eq!(publish("2026-03-18", "2026-03-24").await.expect(200)["created"], 4);
});

on_both!(slots_are_published_by_whoever_gives_the_service, |db| async move {
    let town = Town::new(db).await;
    let id = service(&town.agency).await;
    let slots = format!("/v1/services/{id}/slots");
    let day = json!({ "from": "2026-03-10", "until": "2026-03-10", "slot_minutes": 30 });
    assert_eq!(town.agency.post(&slots, day.clone()).await.faults(422), [("/schedules".into(), "required".into())]);
    town.clinic.post(&slots, day.clone()).await.expect_problem(403, "forbidden");
    let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=TU", "opens_at": "10:00", "closes_at": "12:00", "time_zone": "America/Vancouver" }]);
    town.agency.patch(&format!("/v1/services/{id}"), 1, json!({ "schedules": hours })).await.expect(200);
    assert_eq!(town.agency.post(&slots, day.clone()).await.expect(200)["created"], 4, "the service's own hours are taken");
    let mut bad = json!({ "from": "2026-03-10", "until": "2026-03-09", "slot_minutes": 30 });
    assert_eq!(town.agency.post(&slots, bad.clone()).await.faults(422), [("/until".into(), "out_of_range".into())]);
    bad["until"] = json!("2026-03-10");
    bad["schedules"] = json!([{ "rrule": "FREQ=HOURLY", "time_zone": "Mars/Base" }]);
    let faults = town.agency.post(&slots, bad).await.faults(422);
    assert_eq!(faults.iter().map(|(pointer, _)| pointer.as_str()).collect::<Vec<_>>(), ["/schedules/0/rrule", "/schedules/0/time_zone"]);

    let worker = worker(&town.program).await;
    let of_worker = format!("/v1/practitioners/{worker}/slots");
    assert_eq!(town.program.post(&of_worker, day.clone()).await.faults(422), [("/schedules".into(), "required".into())]);
    let mut with_hours = day.clone();
    with_hours["schedules"] = hours;
    assert_eq!(town.program.post(&of_worker, with_hours.clone()).await.expect(200)["created"], 4);
    town.agency.post(&of_worker, with_hours.clone()).await.expect_problem(403, "forbidden");
    with_hours["practitioner_id"] = json!(worker);
    assert_eq!(town.agency.post(&slots, with_hours).await.faults(422), [("/practitioner_id".into(), "not_found".into())]);
    town.program.post("/v1/practitioners/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10/slots", day).await.expect_problem(404, "not_found");
    let nobodys = json!({ "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:00:00Z" });
    assert_eq!(town.program.post("/v1/slots", nobodys).await.faults(422), [("/service_id".into(), "required".into())]);
});
