//! Records and lines that have no end: what of them is read, and what is told of the rest.

use kith::http::json::values;
use serde_json::{Value, json};

use super::over_http::{counts, import, pantry, send, services};
use crate::client::TestApp;

/// So many rows of a list that are held against each other, each against all before it, take days.
const MANY: usize = 20_000;

/// What the report says of the record at a position, as code and field.
fn told(report: &Value, position: usize) -> Vec<(String, String)> {
    let line = report["lines"].as_array().unwrap().iter().find(|line| line["position"] == position).unwrap_or_else(|| panic!("{report}"));
    let text = |notice: &Value, name: &str| notice[name].as_str().unwrap().to_owned();
    line["notices"].as_array().unwrap().iter().map(|notice| (text(notice, "code"), text(notice, "field"))).collect()
}

/// Opening times on Mondays, each at another minute.
fn mondays(count: usize) -> Vec<Value> {
    let row = |n: usize| json!({ "byday": "MO", "opens_at": format!("{:02}:{:02}", n / 60, n % 60), "closes_at": "23:00" });
    (0..count).map(row).collect()
}

on_both!(a_record_whose_lists_have_no_end_is_answered, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let mut record = json!({ "id": "a", "name": "Endless", "status": "active" });
    for list in [
        "capacities",
        "schedules",
        "holiday_schedules",
        "phones",
        "languages",
        "attributes",
        "service_areas",
        "cost_options",
        "required_documents",
        "locations",
    ] {
        record[list] = vec![json!({}); MANY].into();
    }
    let answer = import(&caller, "&time_zone=America/Vancouver", &[record]).await;
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0, 0]);
    let told = told(&answer.json(), 1);
    let has = |code: &str, field: &str| told.contains(&(code.to_owned(), field.to_owned()));
    assert!(has("too_many_rooms", "capacities") && has("more_notices", ""), "{told:?}");
    let rooms = services(&caller).await[0]["capacities"].as_array().unwrap().clone();
    assert!(rooms.len() == 50 && rooms.iter().any(|room| room["key"] == "room-50"), "{rooms:?}");
});

on_both!(of_schedules_holidays_and_rooms_as_many_are_taken_as_a_service_has_and_the_others_are_kept, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let rooms: Vec<Value> = (0..1_000).map(|free| json!({ "available": free, "unit": { "name": "bed" } })).collect();
    let day = |number: u64| chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Days::new(number);
    let holidays: Vec<Value> =
        (0..1_000).map(|number| json!({ "closed": true, "start_date": day(number), "end_date": day(number) })).collect();
    let hall = json!({ "name": "Hall", "schedules": mondays(150) });
    let records = [
        json!({ "id": "a", "name": "A", "status": "active", "schedules": mondays(1_000), "capacities": rooms }),
        json!({ "id": "b", "name": "B", "status": "active", "holiday_schedules": holidays }),
        json!({ "id": "c", "name": "C", "status": "active", "service_at_locations": [{ "location": hall }] }),
    ];
    let answer = import(&caller, "&time_zone=America/Vancouver", &records).await;
    assert_eq!(counts(&answer), [3, 0, 0, 0, 0, 0]);
    let report = answer.json();
    for (position, code, field) in [
        (1, "too_many", "schedules"),
        (1, "too_many_rooms", "capacities"),
        (2, "too_many", "holiday_schedules"),
        (3, "too_many", "location.schedules"),
    ] {
        assert!(told(&report, position).contains(&(code.to_owned(), field.to_owned())), "{position} {field}: {report}");
    }
    let found = services(&caller).await;
    let of = |name: &str| found.iter().find(|service| service["name"] == name).unwrap();
    let count = |list: &Value| list.as_array().map_or(0, Vec::len);
    let whole = |list: &Value| list.as_array().map_or(0, |rows| rows.iter().filter(|row| row.get("of").is_none()).count());
    let (a, b, c) = (of("A"), of("B"), of("C"));
    assert_eq!((count(&a["schedules"]), whole(&a["source_fields"]["schedules"])), (100, 900));
    assert_eq!((count(&a["capacities"]), whole(&a["source_fields"]["capacities"])), (50, 949));
    assert_eq!((count(&b["schedules"]), whole(&b["source_fields"]["holiday_schedules"])), (100, 900));
    assert_eq!(count(&c["places"][0]["schedules"]), 100);
    assert_eq!(counts(&import(&caller, "&time_zone=America/Vancouver", &records).await), [0, 0, 3, 0, 0, 0]);
});

on_both!(hours_of_a_holiday_beside_others_of_the_same_day_are_kept_and_do_not_close_it, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let hours =
        |opens: &str, closes: &str| json!({ "opens_at": opens, "closes_at": closes, "start_date": "2026-12-24", "end_date": "2026-12-24" });
    let usual = json!({ "byday": "TH", "opens_at": "09:00", "closes_at": "17:00" });
    let holidays = [hours("09:00", "12:00"), hours("13:00", "17:00")];
    let record = json!({ "id": "a", "name": "A", "status": "active", "schedules": [usual], "holiday_schedules": holidays });
    let answer = import(&caller, "&time_zone=America/Vancouver", &[record]).await;
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0, 0]);
    let told = told(&answer.json(), 1);
    assert!(told.contains(&("holiday_not_understood".to_owned(), "holiday_schedules".to_owned())), "{told:?}");
    let service = services(&caller).await.remove(0);
    let closed = service["schedules"].as_array().unwrap().iter().filter(|schedule| schedule["kind"] == "closed");
    let closed: Vec<_> = closed.map(|schedule| (&schedule["opens_at"], &schedule["closes_at"])).collect();
    assert_eq!(closed, [(&json!("00:00"), &json!("09:00")), (&json!("12:00"), &json!("00:00"))]);
    let kept = service["source_fields"]["holiday_schedules"].as_array().unwrap();
    assert!(kept.iter().any(|row| row["opens_at"] == "13:00"), "{kept:?}");
});

on_both!(what_is_kept_of_a_record_is_no_more_with_the_keys_that_another_organization_has, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let of = |id: &str, organization: &str, rows: usize| {
        json!({ "id": id, "name": id, "status": "active", "rows": vec![json!({ "a": 1 }); rows],
            "organization": { "id": organization, "name": format!("Society {id}"),
                "organization_identifiers": [{ "identifier_scheme": "CA-CRA_ACR", "identifier": "118830000RR0001" }] } })
    };
    let records = [of("a", "11111111-1111-4111-8111-111111111111", 0), of("b", "22222222-2222-4222-8222-222222222222", MANY)];
    let answer = import(&caller, "&time_zone=America/Vancouver", &records).await;
    assert_eq!(counts(&answer), [2, 0, 0, 0, 0, 2]);
    let told = told(&answer.json(), 2);
    for (code, field) in [("identifier_taken", "organization.organization_identifiers"), ("left_out", "rows")] {
        assert!(told.contains(&(code.to_owned(), field.to_owned())), "{told:?}");
    }
    let found = services(&caller).await;
    let kept = found.iter().find(|service| service["name"] == "b").unwrap()["source_fields"].as_object().unwrap();
    assert_eq!(kept["organization.organization_identifiers"][0]["identifier"], "118830000RR0001");
    let number: usize = kept.values().map(values).sum();
    assert!((29_900..=30_000).contains(&number), "{number}");
});

on_both!(a_line_with_more_values_than_any_record_has_is_refused_by_itself, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let zeros = |count: usize| format!(r#"{{"id":"z","name":"Z","status":"active","more":[0{}]}}"#, ",0".repeat(count - 1));
    let answer = send(&caller, "", format!("{}\n{}", zeros(2_000_000), pantry("a", "Pantry"))).await;
    assert_eq!(counts(&answer)[..4], [1, 0, 0, 1]);
    assert_eq!(answer.json()["lines"][0]["notices"][0]["code"], "not_readable");
});

on_both!(of_a_line_with_more_services_than_are_written_together_every_one_is_taken_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let organization = |services: usize| {
        let service = |number: usize| json!({ "id": format!("s{number}"), "name": format!("Lunch {number}"), "status": "active" });
        json!({ "id": "o", "name": "Lunch Society", "services": (0..services).map(service).collect::<Vec<Value>>() })
    };
    let lines = |services: usize| [pantry("a", "North Pantry"), organization(services), pantry("b", "South Pantry")];
    assert_eq!(counts(&import(&caller, "", &lines(600)).await), [602, 0, 0, 0, 0, 2]);
    assert_eq!(counts(&import(&caller, "&retire_missing=true", &lines(599)).await), [0, 0, 601, 0, 1, 0]);
    let twice = format!("{}\n{}", organization(500), organization(500));
    let answer = send(&caller, "", twice).await;
    assert_eq!(counts(&answer), [0, 0, 500, 500, 0, 0], "what is said twice is known, however much lies between");
    assert_eq!(answer.json()["lines"][0]["notices"][0]["code"], "duplicate_record");
});
