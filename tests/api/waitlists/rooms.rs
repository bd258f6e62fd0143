//! What a list makes of the room that it is for: the places that it keeps, and how many wait.

use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use super::Town;
use crate::referrals::clinic_and_lunch;

on_both!(a_room_whose_last_place_is_taken_from_the_list_is_open_no_more, |db| async move {
    let town = Town::new(db).await;
    let path = format!("/v1/services/{}/capacity", town.service);
    town.agency.put_any(&path, json!({ "status": "full" })).await.expect(200);
    let (first, second) = (town.wait(json!({})).await, town.wait(json!({})).await);
    let room = async || {
        let room = town.clinic.get(&format!("/v1/services/{}", town.service)).await.expect(200)["capacity"].clone();
        ["status", "available", "waitlist_length", "held"].map(|field| room[field].clone())
    };
    town.agency.put_any(&path, json!({ "available": 1 })).await.expect(200);
    assert_eq!(room().await, [json!("open"), json!(1), json!(1), json!(1)]);
    town.act(&town.clinic, &first, "accept").await.expect(200);
    assert_eq!(room().await, [json!("waitlist"), json!(0), json!(1), json!(0)]);
    assert_eq!(town.statuses(&[&second]).await, ["waiting"]);
    town.agency.put_any(&path, json!({ "available": 2 })).await.expect(200);
    town.act(&town.clinic, &second, "accept").await.expect(200);
    assert_eq!(room().await, [json!("open"), json!(1), Value::Null, Value::Null], "one is left");
});

on_both!(rooms_that_are_counted_apart_have_lists_of_their_own, |db| async move {
    let town = Town::new(db).await;
    let room = format!("/v1/services/{}/capacities/newcomers", town.service);
    town.agency.put_any(&room, json!({ "status": "full" })).await.expect(200);
    let general = town.wait(json!({})).await;
    let newcomer = town.wait(json!({ "key": "newcomers" })).await;
    assert_eq!((&general["position"], &newcomer["position"], &newcomer["key"]), (&json!(1), &json!(1), &json!("newcomers")));
    let list = json!({ "items": [{ "service_id": town.service, "key": "newcomers", "capacity": { "status": "open", "available": 1 } }] });
    town.agency.post("/v1/services/capacities", list).await.expect(200);
    assert_eq!(town.statuses(&[&general, &newcomer]).await, ["waiting", "offered"]);
});

on_both!(a_kept_place_is_free_to_nobody_else_and_the_length_of_the_list_is_told, |db| async move {
    let town = Town::new(db).await;
    let entries = [town.wait(json!({})).await, town.wait(json!({})).await, town.wait(json!({})).await];
    let (path, other) = (format!("/v1/services/{}", town.service), town.refer().await);
    let said =
        town.agency.put_any(&format!("{path}/capacity"), json!({ "status": "open", "unit": "place", "available": 1, "maximum": 4 })).await;
    let counted = |room: &Value| ["available", "held", "waitlist_length", "is_waitlist_counted"].map(|field| room[field].clone());
    assert_eq!(counted(&said.expect(200)), [json!(1), json!(1), json!(2), json!(true)]);
    let service = town.clinic.get(&path).await.expect(200);
    assert_eq!((&service["capacity"], format!("\"{}\"", service["version"])), (&said.json(), said.header("etag").unwrap().to_owned()));

    // What is told of the room to a referral, to somebody who looks for help, and to other directories: the warnings, the value, the places.
    let told = async || {
        let referral = town.clinic.get(&format!("/v1/referrals/{other}")).await.expect(200);
        let warnings = referral["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap().to_owned());
        let person = json!({ "person": { "needs": [{ "domain": "food-insecurity" }] } });
        let found = town.clinic.post("/v1/matches", person).await.expect(201);
        let criteria = found["results"][0]["contributions"].as_array().unwrap_or_else(|| panic!("{found}")).clone();
        let value = criteria.iter().find(|one| one["criterion"] == "capacity").unwrap()["value"].as_f64().unwrap();
        let standard = town.clinic.get(&format!("/hsds/services/{}", town.service)).await.expect(200)["capacities"][0].clone();
        let open = town.clinic.get("/v1/services?capacity=open").await.expect(200)["items"].as_array().unwrap().len();
        (warnings.collect::<Vec<_>>(), value, standard["available"].clone(), standard["kith"]["waitlist_length"].clone(), open)
    };
    let (warnings, value, free, length, open) = told().await;
    assert_eq!((warnings, free, length, open), (vec!["service_waitlist".to_owned()], json!(0), json!(2), 0));
    assert!(value < 0.9, "{value}");

    town.act(&town.clinic, &entries[2], "leave").await.expect(200);
    let room = async || town.clinic.get(&path).await.expect(200)["capacity"].clone();
    assert_eq!(counted(&room().await), [json!(1), json!(1), json!(1), json!(true)]);
    town.act(&town.clinic, &entries[0], "decline").await.expect(200);
    assert_eq!(counted(&room().await), [json!(1), json!(1), json!(0), json!(true)]);
    let mut read = room().await;
    read["note"] = json!("As it was read, with a note.");
    town.agency.put_any(&format!("{path}/capacity"), read.clone()).await.expect(200);
    assert_eq!(counted(&room().await), [json!(1), json!(1), json!(0), json!(true)], "what Kith counts is not said by whoever repeats it");
    read["is_waitlist_counted"] = Value::Null;
    read["waitlist_length"] = json!(40);
    town.agency.put_any(&format!("{path}/capacity"), read).await.expect(200);
    assert_eq!(counted(&room().await), [json!(1), json!(1), json!(40), json!(false)], "the provider knows of others who wait");
    town.agency.put_any(&format!("{path}/capacity"), json!({ "status": "open", "unit": "place", "available": 1 })).await.expect(200);

    town.act(&town.clinic, &entries[1], "leave").await.expect(200);
    assert_eq!(counted(&room().await), [json!(1), Value::Null, Value::Null, Value::Null]);
    assert_eq!(told().await, (vec![], 1.0, json!(1), Value::Null, 1));
    let history = town.agency.get(&format!("{path}/capacity/history")).await.expect(200);
    let history = history["items"].as_array().unwrap().clone();
    assert_eq!(history.len(), 5, "it is what the provider said");
    assert!(history.iter().all(|entry| entry["capacity"]["held"] == Value::Null), "{history:?}");
});

on_both!(those_who_wait_are_counted_where_nobody_has_said_anything_of_the_room, |db| async move {
    let (clinic, agency, service) = clinic_and_lunch(db).await;
    let town = Town { clinic, agency, service };
    let path = format!("/v1/services/{}", town.service);
    let read = async || town.clinic.get(&path).await.expect(200);
    let counted = |room: &Value| ["status", "available", "held", "waitlist_length", "is_waitlist_counted"].map(|field| room[field].clone());
    assert_eq!(read().await["capacity"], Value::Null);
    let first = town.wait(json!({})).await;
    let service = read().await;
    assert_eq!(counted(&service["capacity"]), [json!("unknown"), Value::Null, json!(0), json!(1), json!(true)]);
    assert_eq!(
        (&service["capacity"]["as_of"], &service["capacity_is_stale"], &service["version"]),
        (&Value::Null, &Value::Null, &json!(2))
    );
    let described = town.agency.patch(&path, 2, json!({ "description": "Soup." })).await.expect(200);
    assert_eq!(described["capacity"], service["capacity"]);
    town.wait(json!({})).await;
    assert_eq!(read().await["capacity"]["waitlist_length"], 2);
    let history = town.agency.get(&format!("{path}/capacity/history")).await.expect(200);
    assert_eq!(history["items"], json!([]), "nobody has said anything");
    // Loaded elsewhere, nobody has said it there either.
    let other = town.clinic.app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    let line = json!({ "type": "service", "resource": { "name": "Lunch" }, "read_only": { "capacity": read().await["capacity"] } });
    let job = crate::bulk::load(&other, format!("{line}\n")).await;
    let id = crate::bulk::results(&other, &job).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(other.get(&format!("/v1/services/{id}")).await.expect(200)["capacity"], Value::Null);

    town.free(1).await;
    assert_eq!(counted(&read().await["capacity"]), [json!("waitlist"), json!(1), json!(1), json!(1), json!(true)]);
    town.act(&town.clinic, &first, "leave").await.expect(200);
    assert_eq!(counted(&read().await["capacity"]), [json!("waitlist"), json!(1), json!(1), json!(0), json!(true)]);
});
