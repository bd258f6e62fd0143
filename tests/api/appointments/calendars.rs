//! Appointments in the calendars of those who come and of those whom they come to.

use chrono::Duration;
use kith::appointments::repository::of_diary;
use kith::kind::PractitionerId;
use kith::slots::repository::Diary;
use serde_json::json;

use super::{PATH, act, path, service, slot, unwell, worker};
use crate::referrals::Town;

on_both!(a_calendar_says_when_and_where_and_not_who, |db| async move {
    let town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let times = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T17:30:00Z",
        "location": "Salle Émilie-Carr, 2e étage; à côté de la bibliothèque, entrée par la cour\nSonnez" });
    let id = town.program.post("/v1/slots", times).await.id();
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let body = json!({ "slot_id": id, "patient_id": patient, "referral_id": referral, "note": "Has a black dog." });
    let made = town.clinic.post(PATH, body).await;
    made.expect(201);
    let file = || async {
        let answer = town.clinic.get(&format!("{}/calendar", path(&made.id()))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/calendar; charset=utf-8"));
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"appointment.ics\""));
        let text = String::from_utf8(answer.bytes.to_vec()).unwrap();
        assert!(text.ends_with("END:VCALENDAR\r\n") && text.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
        // Unfolded (RFC 5545 §3.1).
        text.replace("\r\n ", "")
    };
    let text = file().await;
    for line in [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "METHOD:PUBLISH",
        &format!("UID:appointment-{}@kith", made.id()),
        "DTSTAMP:20260302T170000Z",
        "DTSTART:20260310T170000Z",
        "DTEND:20260310T173000Z",
        "SEQUENCE:0",
        "STATUS:CONFIRMED",
        "CLASS:PRIVATE",
        "SUMMARY:Appointment",
        "LOCATION:Salle Émilie-Carr\\, 2e étage\\; à côté de la bibliothèque\\, entrée par la cour\\nSonnez",
    ] {
        assert!(text.split("\r\n").any(|given| given == line), "{line} is not in {text}");
    }
    for word in ["Tremblay", "Anaïs", "dog", &patient, &referral] {
        assert!(!text.contains(word), "{word}");
    }
    act(&town.clinic, &made.id(), "cancel", unwell()).await.expect(200);
    let text = file().await;
    assert!(text.contains("SEQUENCE:1\r\n") && text.contains("STATUS:CANCELLED\r\n"), "{text}");
    town.agency.get(&format!("{}/calendar", path(&made.id()))).await.expect_problem(404, "not_found");
});

on_both!(a_calendar_follows_a_practitioner_by_a_link_until_it_is_revoked, |db| async move {
    let mut town = Town::new(db).await;
    let worker = worker(&town.program).await;
    let slots = [slot(&town.program, &worker, 17, 1).await, slot(&town.program, &worker, 18, 1).await];
    let patient = town.patient().await;
    let referral = town.accepted(&patient).await;
    let mut made = Vec::new();
    for slot in &slots {
        let body = json!({ "slot_id": slot, "patient_id": patient, "referral_id": referral, "note": "Has a black dog." });
        made.push(town.clinic.post(PATH, body).await.id());
    }
    act(&town.clinic, &made[0], "cancel", unwell()).await.expect(200);
    let links = format!("/v1/practitioners/{worker}/calendar-links");
    town.clinic.post(&links, json!({})).await.expect_problem(403, "forbidden");
    let link = town.program.post(&links, json!({ "recipient": "Harpreet's phone", "valid_days": 2 })).await.expect(201);
    let url = link["url"].as_str().unwrap();
    let read = || async { town.app.send(actix_web::test::TestRequest::default().uri(url)).await };
    let feed = read().await;
    assert_eq!((feed.status, feed.header("content-type")), (200, Some("text/calendar; charset=utf-8")));
    let text = String::from_utf8(feed.bytes.to_vec()).unwrap();
    for line in ["NAME;VALUE=TEXT:Appointments: Harpreet Gill", "X-WR-CALNAME:Appointments: Harpreet Gill"] {
        assert!(text.split("\r\n").any(|given| given == line), "{line} is not in {text}");
    }
    for (id, status) in made.iter().zip(["CANCELLED", "CONFIRMED"]) {
        let event = text.split("BEGIN:VEVENT").find(|event| event.contains(&format!("UID:appointment-{id}@kith"))).unwrap();
        assert!(event.contains(&format!("STATUS:{status}\r\n")) && event.contains("LOCATION:Room 2\r\n"), "{event}");
    }
    for word in ["Tremblay", "Anaïs", "dog", &patient, &referral] {
        assert!(!text.contains(word), "{word}");
    }
    let listed = town.program.get(&links).await.expect(200);
    assert_eq!(listed["items"][0]["recipient"], "Harpreet's phone");
    assert!(listed["items"][0].get("url").is_none());
    town.program.app.send(town.program.request(actix_web::http::Method::DELETE, &links)).await.expect(204);
    read().await.expect_problem(401, "unauthenticated");

    let service = service(&town.program).await;
    let link = town.program.post(&format!("/v1/services/{service}/calendar-links"), json!({})).await.expect(201);
    let empty = town.app.send(actix_web::test::TestRequest::default().uri(link["url"].as_str().unwrap())).await;
    assert!(empty.status == 200 && !String::from_utf8_lossy(&empty.bytes).contains("VEVENT"));
    let names = json!({ "name": "Café, rencontre; mardi", "language": "fr", "translations": [{ "language": "en", "name": "Coffee, \\o/; Tuesday" }] });
    town.program.patch(&format!("/v1/services/{service}"), 1, names).await.expect(200);
    let named = town.app.send(actix_web::test::TestRequest::default().uri(link["url"].as_str().unwrap())).await;
    let named = String::from_utf8(named.bytes.to_vec()).unwrap();
    for name in ["NAME;VALUE=TEXT", "X-WR-CALNAME"] {
        assert!(named.contains(&format!("{name}:Appointments: Coffee\\, \\\\o/\\; Tuesday\r\n")), "{named}");
    }
    let short = town.program.post(&links, json!({ "valid_days": 1 })).await.expect(201);
    let short = short["url"].as_str().unwrap().to_owned();
    let changed = short.replace("/calendars/", "/r/");
    assert_eq!(town.app.send(actix_web::test::TestRequest::default().uri(&changed)).await.status, 404, "it is for one purpose");
    town.app.clock.advance(Duration::days(1));
    town.program.renew().await;
    town.app.send(actix_web::test::TestRequest::default().uri(&short)).await.expect_problem(401, "unauthenticated");
});

on_both!(a_calendar_shows_what_is_to_come_before_what_was_and_forgets_what_was_called_off, |db| async move {
    let mut town = Town::new(db).await;
    let (worker, patient) = (worker(&town.program).await, town.patient().await);
    town.grant(&patient).await;
    let mut made = Vec::new();
    for hour in [17, 18, 19, 20] {
        let slot = slot(&town.program, &worker, hour, 1).await;
        made.push(town.program.make(PATH, json!({ "slot_id": slot, "patient_id": patient })).await);
    }
    for called_off in [&made[1], &made[3]] {
        act(&town.program, called_off, "cancel", unwell()).await.expect(200);
    }
    town.app.clock.advance(Duration::days(8) + Duration::minutes(105));
    town.program.renew().await;
    let link = town.program.post(&format!("/v1/practitioners/{worker}/calendar-links"), json!({})).await.expect(201);
    let feed = town.app.send(actix_web::test::TestRequest::default().uri(link["url"].as_str().unwrap())).await.text();
    let shown: Vec<&str> = feed.lines().filter_map(|line| line.strip_prefix("UID:appointment-")?.strip_suffix("@kith")).collect();
    assert_eq!(shown, [&made[0], &made[2], &made[3]], "it is 18:45");

    let (provider, now) = (town.program.organization_id, town.app.clock.now());
    let diary = Diary::Practitioner(worker.parse::<PractitionerId>().unwrap());
    let window = (now.plus(-Duration::days(31)), now, now.plus(Duration::days(366)));
    for (room, expected) in [(1, &made[2..3]), (2, &made[2..4])] {
        let rows = town.app.state.db.read(move |conn| of_diary(conn, provider, diary, window, room)).await.unwrap();
        assert_eq!(rows.iter().map(|(row, _)| row.id.to_string()).collect::<Vec<_>>(), expected, "where {room} has room");
    }
});
