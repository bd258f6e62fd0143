//! A merge of two services taken back: both stand as they were, what came with the merge goes back, and what came after it stays.

use chrono::Duration;
use diesel::prelude::*;
use kith::db::schema::service_merges;
use kith::organizations::model::OrganizationKind;
use kith::responsiveness::repository::due;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::duplicates::{Valley, bank, import, path, record};
use crate::referrals::step;
use crate::replica::{Lists, Replica};

async fn read(caller: &Caller, id: &str) -> Value {
    caller.get(&path(id, "")).await.expect(200)
}

async fn merge(caller: &Caller, one: &str, other: &str) -> Value {
    caller.post(&path(one, "/merge"), json!({ "duplicate_id": other })).await.expect(200)
}

async fn unmerge(caller: &Caller, one: &str, other: &str) -> Answer {
    caller.post(&path(one, "/unmerge"), json!({ "duplicate_id": other })).await
}

/// A service without what a merge and its end change of it in any case.
fn bare(mut service: Value) -> Value {
    for field in ["version", "updated_at", "distinct_from_ids"] {
        service.as_object_mut().unwrap().remove(field);
    }
    service
}

fn ids(page: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Applies the feed to its end; what is held of services must be what the list shows.
async fn holds_the_services(caller: &Caller, replica: &mut Replica) {
    caller.app.is_readable().await;
    while replica.take(&caller.get(&replica.query(3)).await.expect(200)) {}
    let mut lists = Lists::of("service", "/v1/services?limit=200&status=active&status=inactive");
    while let Some((kind, path)) = lists.next() {
        lists.add(kind, &path, &caller.get(&path).await.expect(200));
    }
    // These are of the moment at which they are read, and of how it was asked for.
    let lists = ["freshness", "capacity_is_stale", "capacities", "provided_by", "hit"]
        .iter()
        .fold(lists, |lists, field| lists.without("service", field));
    assert_eq!(replica.differences(&lists), [""; 0]);
}

on_both!(a_merge_that_is_taken_back_leaves_both_services_as_they_were, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let choir = keeper.get("/v1/services?q=choir").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    keeper.post("/v1/services/duplicates/dismiss", json!({ "service_ids": [second, choir] })).await.expect(200);
    let open = json!({ "status": "open", "unit": "place", "available": 3 });
    keeper.put_any(&path(second, "/capacity"), open.clone()).await.expect(200);
    keeper.put_any(&path(second, "/capacities/newcomers"), open.clone()).await.expect(200);
    keeper.put_any(&path(first, "/capacities/families"), open).await.expect(200);
    let before = (read(keeper, first).await, read(keeper, second).await);
    let mut replica = Replica::of("&resource_type=service".into());
    holds_the_services(keeper, &mut replica).await;

    let whole = merge(keeper, first, second).await;
    assert_eq!((&whole["capacity"]["available"], whole["capacities"].as_array().unwrap().len()), (&json!(3), 2));
    holds_the_services(keeper, &mut replica).await;
    let input = json!({ "duplicate_id": second });
    let stale = keeper.request(actix_web::http::Method::POST, &path(first, "/unmerge")).insert_header(("if-match", "\"1\""));
    keeper.app.send(stale.set_json(&input)).await.expect_problem(412, "version_mismatch");
    let once = keeper.post_once(&path(first, "/unmerge"), "back", input.clone()).await.expect(200);
    assert_eq!(keeper.post_once(&path(first, "/unmerge"), "back", input).await.expect(200), once, "a retry does nothing more");

    let after = (read(keeper, first).await, read(keeper, second).await);
    assert_eq!(bare(after.0.clone()), bare(once));
    assert_eq!(bare(after.0.clone()), bare(before.0));
    assert_eq!(bare(after.1.clone()), bare(before.1));
    assert_eq!(after.0["distinct_from_ids"], json!([second]), "they are two");
    assert_eq!(after.1["distinct_from_ids"], json!([choir]));
    assert_eq!(valley.pairs().await, Vec::<Value>::new());
    for (id, rooms) in [(first, 1), (second, 2)] {
        let said = keeper.get(&path(id, "/capacity/history")).await.expect(200);
        assert_eq!(said["items"].as_array().unwrap().len(), rooms, "what was said of each room is told by whose it is");
        let statements = keeper.get(&path(id, "/sources")).await.expect(200);
        assert_eq!(statements["items"].as_array().unwrap().len(), 1);
    }

    let found = keeper.get("/v1/services?q=alder+falls+food+bank").await.expect(200);
    assert!([first, second].iter().all(|id| ids(&found).contains(&id.as_str())), "{found}");
    let hsds = keeper.get("/hsds/services").await.expect(200);
    let status = |id: &str| hsds["contents"].as_array().unwrap().iter().find(|service| service["id"] == id).unwrap()["status"].clone();
    assert_eq!((status(first), status(second)), (json!("active"), json!("active")));
    holds_the_services(keeper, &mut replica).await;
    holds_the_services(keeper, &mut Replica::of("&resource_type=service".into())).await;
    let changes = keeper.get("/v1/changes?resource_type=service&limit=200").await.expect(200);
    let about = changes["items"].as_array().unwrap().iter().filter(|entry| entry["resource_id"] == json!(second));
    let actions: Vec<&str> = about.map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions[actions.len() - 2..], ["merged", "updated"]);
    let now = keeper.app.clock.now();
    let asked = keeper.app.state.db.read(move |conn| due(conn, now, 10)).await.unwrap();
    let asked = format!("{:?}", asked.iter().map(kith::responsiveness::repository::FiguresRow::subject).collect::<Vec<_>>());
    assert!([first, second].iter().all(|id| asked.contains(id.as_str())), "{asked}");

    let replaced = bank("Alder Falls Food Bank Society", json!({ "identifiers": [{ "system": "b", "value": "2" }] }));
    let replaced = keeper.put_any("/v1/services/by-identifier?system=b&value=2", replaced).await.expect(200);
    assert_eq!(replaced["id"], json!(second), "its keys are its own again");
    merge(keeper, first, second).await;
    unmerge(keeper, first, second).await.expect(200);
    assert_eq!(read(keeper, first).await["distinct_from_ids"], json!([second]), "and as often as they are merged");
});

on_both!(what_cannot_be_taken_back_says_why, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    unmerge(keeper, first, second).await.expect_problem(409, "not_merged");
    let nobody = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";
    assert_eq!(unmerge(keeper, first, nobody).await.faults(422), [("/duplicate_id".into(), "not_found".into())]);
    unmerge(keeper, nobody, second).await.expect_problem(404, "not_found");
    merge(keeper, first, second).await;
    unmerge(keeper, second, first).await.expect_problem(410, "merged");
    let stranger = keeper.app.tenant("Other 211", OrganizationKind::Directory).await;
    unmerge(&stranger, first, second).await.expect_problem(403, "forbidden");
    let reader = keeper.only(&[kith::auth::Scope::ServicesRead]).await;
    unmerge(&reader, first, second).await.expect_problem(403, "insufficient_scope");

    // Somebody else bears the duplicate's key now.
    let version = read(keeper, first).await["version"].as_i64().unwrap();
    let own = json!({ "identifiers": [{ "system": "a", "value": "1" }] });
    keeper.patch(&path(first, ""), version, own).await.expect(200);
    let thief = keeper.post("/v1/services", record("b", "2", "Thief", json!({}))).await.id();
    unmerge(keeper, first, second).await.expect_problem(409, "duplicate");
    keeper.get(&path(second, "")).await.expect_problem(410, "merged");
    keeper.delete(&path(&thief, ""), 1).await.expect(204);
    unmerge(keeper, first, second).await.expect(200);
    unmerge(keeper, first, second).await.expect_problem(409, "not_merged");

    // As merges are that were made before they were kept.
    merge(keeper, first, second).await;
    let forget = |conn: &mut kith::db::DbConn| Ok(diesel::delete(service_merges::table).execute(conn)?);
    assert_eq!(keeper.app.state.db.write(forget).await.unwrap(), 1);
    unmerge(keeper, first, second).await.expect_problem(409, "merge_not_kept");
});

on_both!(of_merges_one_after_the_other_the_last_is_taken_back_first, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let third = keeper.post("/v1/services", json!({ "name": "Pantry", "url": "https://pantry.example.ca" })).await.id();
    let other = keeper.post("/v1/services", json!({ "name": "Larder", "email": "larder@example.ca" })).await.id();
    let before = [read(keeper, first).await, read(keeper, second).await, read(keeper, &third).await];
    merge(keeper, second, &third).await;
    let both = read(keeper, second).await;
    assert_eq!((&both["url"], both["alternate_names"].as_array().unwrap().len()), (&json!("https://pantry.example.ca"), 1));
    merge(keeper, first, second).await;
    merge(keeper, first, &other).await;
    let problem = unmerge(keeper, first, &third).await.expect_problem(409, "merged_since");
    assert_eq!(problem["merged_into"], path(second, ""), "which merge is to be taken back first");

    unmerge(keeper, first, second).await.expect(200);
    assert_eq!(bare(read(keeper, second).await), bare(both), "with what was merged into it");
    let rest = read(keeper, first).await;
    assert_eq!((&rest["email"], &rest["url"]), (&json!("larder@example.ca"), &Value::Null));
    assert_eq!(keeper.get(&path(&third, "")).await.expect_problem(410, "merged")["merged_into"], path(second, ""));
    unmerge(keeper, second, &third).await.expect(200);
    unmerge(keeper, first, &other).await.expect(200);
    for (id, before) in [first, second, &third].into_iter().zip(before) {
        assert_eq!(bare(read(keeper, id).await), bare(before));
    }
});

on_both!(what_was_changed_since_a_merge_stays_with_the_service, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let open = |free: i64| json!({ "status": "open", "unit": "place", "available": free });
    keeper.put_any(&path(second, "/capacity"), open(3)).await.expect(200);
    keeper.put_any(&path(second, "/capacities/newcomers"), open(4)).await.expect(200);
    merge(keeper, first, second).await;
    keeper.put_any(&path(first, "/capacities/newcomers"), open(1)).await.expect(200);
    let version = read(keeper, first).await["version"].as_i64().unwrap();
    let mut edited = json!({ "email": "new@example.ca", "url": "https://bank.example.ca" });
    edited["identifiers"] = json!([("a", "1"), ("b", "2"), ("c", "3")].map(|(system, value)| json!({ "system": system, "value": value })));
    keeper.patch(&path(first, ""), version, edited).await.expect(200);

    unmerge(keeper, first, second).await.expect(200);
    let (one, other) = (read(keeper, first).await, read(keeper, second).await);
    assert_eq!((&one["email"], &one["url"]), (&json!("new@example.ca"), &json!("https://bank.example.ca")));
    assert_eq!(one["identifiers"], json!([{ "system": "a", "value": "1" }, { "system": "c", "value": "3" }]));
    assert_eq!((&one["alternate_names"], &one["capacity"]), (&json!([]), &Value::Null));
    assert_eq!(one["capacities"][0]["capacity"]["available"], 1);
    assert_eq!((&other["email"], &other["url"]), (&json!("food@example.ca"), &Value::Null));
    assert_eq!(other["identifiers"], json!([{ "system": "b", "value": "2" }]));
    assert_eq!((&other["capacity"]["available"], &other["capacities"][0]["capacity"]["available"]), (&json!(3), &json!(4)));
});

on_both!(a_room_that_goes_with_one_duplicate_is_what_the_next_one_says_of_it, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let third = keeper.post("/v1/services", json!({ "name": "Pantry" })).await.id();
    let open = |free: i64| json!({ "status": "open", "unit": "place", "available": free });
    for (id, free) in [(second, 3), (&third, 5)] {
        keeper.put_any(&path(id, "/capacity"), open(free)).await.expect(200);
        keeper.put_any(&path(id, "/capacities/newcomers"), open(free + 1)).await.expect(200);
        merge(keeper, first, id).await;
    }
    let rooms = |service: Value| {
        let named = service["capacities"].as_array().unwrap().iter().map(|named| named["capacity"]["available"].clone());
        (service["capacity"]["available"].clone(), named.collect::<Vec<_>>())
    };
    assert_eq!(rooms(read(keeper, first).await), (json!(3), vec![json!(4)]));
    unmerge(keeper, first, second).await.expect(200);
    assert_eq!(rooms(read(keeper, first).await), (json!(5), vec![json!(6)]));
    assert_eq!(keeper.get("/v1/services?capacity=open").await.expect(200)["items"].as_array().unwrap().len(), 2);
    unmerge(keeper, first, &third).await.expect(200);
    assert_eq!(rooms(read(keeper, first).await), (Value::Null, vec![]));
    assert_eq!(rooms(read(keeper, &third).await), (json!(5), vec![json!(6)]));
});

on_both!(what_came_with_a_merge_goes_back_and_what_came_after_it_stays, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let mut clinic = keeper.app.clinic().await;
    let mut agency = keeper.app.tenant("Alder Falls Meals", OrganizationKind::Agency).await;
    let given = json!({ "provider_id": agency.organization_id });
    for id in [first, second] {
        keeper.patch(&path(id, ""), 1, given.clone()).await.expect(200);
    }
    let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
    let referral = |service: &str| {
        json!({ "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
            "consent": { "form": "verbal" } })
    };
    let hour = |service: &str, hour: u8| json!({ "service_id": service, "starts_at": format!("2026-03-10T{hour}:00:00Z"), "ends_at": format!("2026-03-10T{hour}:30:00Z") });
    let note = |version: i64| json!({ "base_version": version, "patch": { "url": "https://meals.example.ca" } });
    let [waits, comes, changes] = [
        clinic.post("/v1/referrals", referral(second)).await.id(),
        clinic.post("/v1/referrals", referral(second)).await.id(),
        clinic.post("/v1/referrals", referral(second)).await.id(),
    ];
    let entry = agency.post(&path(second, "/waitlist-entries"), json!({ "referral_id": waits })).await.id();
    step(&agency, &comes, json!({ "status": "accepted" })).await.expect(201);
    let mut of_two = hour(second, 17);
    of_two["places"] = json!(2);
    let slot = agency.post("/v1/slots", of_two).await.id();
    let booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": comes });
    let appointment = clinic.post("/v1/appointments", booking).await.id();
    let pending = agency.post(&path(second, "/suggestions"), note(2)).await.id();
    let link = agency.post(&path(second, "/calendar-links"), json!({ "recipient": "The kitchen" })).await.id();
    let of_second = |replica: &Replica| replica.kinds().into_iter().filter(|kind| *kind == "referral").count();
    let mut asks_for_second = Replica::of(format!("&service_id={second}"));
    let mut asks_for_first = Replica::of(format!("&service_id={first}"));
    let mut all = Replica::default();

    merge(keeper, first, second).await;
    keeper.app.clock.advance(Duration::seconds(1));
    clinic.renew().await;
    agency.renew().await;
    let later = clinic.post("/v1/referrals", referral(first)).await.id();
    let later_entry = agency.post(&path(first, "/waitlist-entries"), json!({ "referral_id": later })).await.id();
    let changed_entry = agency.post(&path(first, "/waitlist-entries"), json!({ "referral_id": changes })).await.id();
    let later_slot = agency.post("/v1/slots", hour(first, 18)).await.id();
    let neighbour = clinic.post("/v1/patients", json!({ "names": [{ "family": "Tremblay" }] })).await.id();
    let mut theirs = referral(first);
    theirs["patient_id"] = json!(neighbour);
    let theirs = clinic.post("/v1/referrals", theirs).await.id();
    step(&agency, &theirs, json!({ "status": "accepted" })).await.expect(201);
    let booking = json!({ "patient_id": neighbour, "slot_id": slot, "referral_id": theirs });
    let in_its_slot = clinic.post("/v1/appointments", booking).await.id();
    let moved = json!({ "patient_id": patient, "slot_id": later_slot, "referral_id": comes });
    let later_appointment = clinic.post("/v1/appointments", moved).await.id();
    let later_link = agency.post(&path(first, "/calendar-links"), json!({ "recipient": "The hall" })).await.id();

    unmerge(keeper, first, second).await.expect(200);
    let (one, other) = (json!(first), json!(second));
    for (caller, uri, service, version) in [
        (&clinic, format!("/v1/referrals/{waits}"), &other, None),
        (&clinic, format!("/v1/referrals/{comes}"), &other, None),
        (&clinic, format!("/v1/referrals/{changes}"), &other, None),
        (&clinic, format!("/v1/referrals/{later}"), &one, None),
        (&clinic, format!("/v1/slots/{slot}"), &other, Some(3)),
        (&clinic, format!("/v1/slots/{later_slot}"), &one, Some(1)),
        (&clinic, format!("/v1/referrals/{theirs}"), &one, None),
        (&clinic, format!("/v1/appointments/{in_its_slot}"), &other, Some(2)),
        (&clinic, format!("/v1/appointments/{appointment}"), &other, Some(3)),
        (&clinic, format!("/v1/appointments/{later_appointment}"), &one, Some(1)),
        (&agency, format!("/v1/service-suggestions/{pending}"), &other, Some(3)),
    ] {
        let row = caller.get(&uri).await.expect(200);
        assert_eq!(row["service_id"], *service, "{uri}");
        assert!(version.is_none_or(|version| row["version"] == version), "{uri} has version {}", row["version"]);
    }
    let listed = async |uri: String| agency.get(&uri).await.expect(200);
    let mut back = [entry.as_str(), &changed_entry];
    back.sort_unstable();
    assert_eq!(ids(&listed(path(second, "/waitlist-entries")).await), back, "who waits, waits where their referral is");
    assert_eq!(ids(&listed(path(first, "/waitlist-entries")).await), [later_entry.as_str()]);
    assert_eq!(ids(&listed(path(second, "/calendar-links")).await), [link.as_str()]);
    assert_eq!(ids(&listed(path(first, "/calendar-links")).await), [later_link.as_str()]);

    clinic.app.is_readable().await;
    for (replica, count) in [(&mut asks_for_second, 3), (&mut asks_for_first, 2)] {
        while replica.take(&clinic.get(&replica.query(4)).await.expect(200)) {}
        assert_eq!(of_second(replica), count, "a copy of one service's holds its referrals");
    }
    while all.take(&clinic.get(&all.query(4)).await.expect(200)) {}
    let mut lists = Lists::new();
    while let Some((kind, path)) = lists.next() {
        lists.add(kind, &path, &clinic.get(&path).await.expect(200));
    }
    assert_eq!(all.differences(&lists), [""; 0]);
});

on_both!(a_suggestion_that_was_accepted_for_a_merged_service_stays_with_it, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let suggest = async |url: &str| {
        let suggestion = json!({ "base_version": 1, "patch": { "url": url } });
        keeper.post(&path(second, "/suggestions"), suggestion).await.id()
    };
    let [refused, accepted] = [suggest("https://one.example.ca").await, suggest("https://two.example.ca").await];
    let decide = async |id: &str, verb: &str| keeper.post(&format!("/v1/service-suggestions/{id}/{verb}"), json!({})).await.expect(200);
    decide(&refused, "refuse").await;
    keeper.app.clock.advance(Duration::seconds(1));
    merge(keeper, first, second).await;
    keeper.app.clock.advance(Duration::seconds(1));
    decide(&accepted, "accept").await;
    unmerge(keeper, first, second).await.expect(200);
    assert_eq!(ids(&keeper.get(&path(first, "/suggestions")).await.expect(200)), [accepted.as_str()]);
    assert_eq!(ids(&keeper.get(&path(second, "/suggestions")).await.expect(200)), [refused.as_str()]);
    assert_eq!((&read(keeper, first).await["url"], &read(keeper, second).await["url"]), (&json!("https://two.example.ca"), &Value::Null));
});

/// Two sources that list one service each beside another one, and what they are under.
struct Sources {
    keeper: Caller,
    one: String,
    other: String,
}

impl Sources {
    async fn new(app: TestApp, theirs: Value) -> Self {
        let keeper = app.tenant("Valley 211", OrganizationKind::Directory).await;
        let ours = record("a", "1", "Food Bank", json!({ "description": "Ours." }));
        assert_eq!(import(&keeper, "a", "", &[ours, record("a", "9", "Library", json!({}))]).await.1, [2, 0, 0, 0, 0]);
        assert_eq!(import(&keeper, "b", "", &[theirs, record("b", "9", "Town hall", json!({}))]).await.1, [2, 0, 0, 0, 0]);
        let of = async |system: &str, value: &str| {
            let listed = keeper.get("/v1/services?limit=200").await.expect(200);
            let key = json!({ "system": system, "value": value });
            let found = listed["items"].as_array().unwrap().iter().find(|service| service["identifiers"][0] == key).cloned();
            found.unwrap()["id"].as_str().unwrap().to_owned()
        };
        let (one, other) = (of("a", "1").await, of("b", "2").await);
        Self { keeper, one, other }
    }
}

on_both!(a_source_changes_its_own_record_again_and_what_it_said_meanwhile_is_there, |db| async move {
    let theirs = |email: &str, more: Value| {
        let mut record = record("b", "2", "The Food Bank", more);
        record["email"] = json!(email);
        record
    };
    let Sources { keeper, one, other } =
        Sources::new(TestApp::new(db).await, theirs("one@example.ca", json!({ "connector_notes": "Ring twice." }))).await;
    let before = (read(&keeper, &one).await, read(&keeper, &other).await);
    merge(&keeper, &one, &other).await;
    let fresh = record("a", "1", "Food Bank", json!({ "description": "Ours, again." }));
    assert_eq!(import(&keeper, "a", "", &[fresh]).await.1, [0, 1, 0, 0, 0]);
    let mut more = theirs("two@example.ca", json!({}));
    more["identifiers"].as_array_mut().unwrap().push(json!({ "system": "register", "value": "42" }));
    assert_eq!(import(&keeper, "b", "", std::slice::from_ref(&more)).await.1, [0, 1, 0, 0, 0]);
    assert_eq!(read(&keeper, &one).await["email"], "two@example.ca");

    unmerge(&keeper, &one, &other).await.expect(200);
    let after = (read(&keeper, &one).await, read(&keeper, &other).await);
    assert_eq!((&after.0["description"], &after.0["email"]), (&json!("Ours, again."), &Value::Null));
    for field in ["identifiers", "alternate_names", "connector_notes", "status"] {
        assert_eq!(after.0[field], before.0[field], "{field} is its own");
    }
    assert_eq!((&after.1["email"], &after.1["status"]), (&json!("two@example.ca"), &json!("active")));
    assert_eq!(after.1["connector_notes"], "Ring twice.", "what people here know stays");
    assert_eq!(after.1["identifiers"].as_array().unwrap().len(), 2);

    assert_eq!(import(&keeper, "b", "", &[more]).await.1, [0, 0, 1, 0, 0]);
    assert_eq!(import(&keeper, "b", "", &[theirs("three@example.ca", json!({}))]).await.1, [0, 1, 0, 0, 0]);
    assert_eq!(
        import(&keeper, "a", "", &[record("a", "1", "Food Bank", json!({ "url": "https://a.example.ca" }))]).await.1,
        [0, 1, 0, 0, 0]
    );
    let after = (read(&keeper, &one).await, read(&keeper, &other).await);
    assert_eq!((&after.0["email"], &after.0["url"]), (&Value::Null, &json!("https://a.example.ca")));
    assert_eq!((&after.1["email"], &after.1["url"]), (&json!("three@example.ca"), &Value::Null));
    assert_eq!(keeper.get("/v1/services").await.expect(200)["items"].as_array().unwrap().len(), 4);
});

on_both!(who_is_listed_no_more_after_a_merge_has_ended_when_it_is_taken_back, |db| async move {
    let Sources { keeper, one, other } = Sources::new(TestApp::new(db).await, record("b", "2", "The Food Bank", json!({}))).await;
    merge(&keeper, &one, &other).await;
    assert_eq!(import(&keeper, "a", "&retire_missing=true", &[record("a", "9", "Library", json!({}))]).await.1, [0, 0, 1, 0, 0]);
    assert_eq!(read(&keeper, &one).await["status"], "active", "the other source lists it");
    unmerge(&keeper, &one, &other).await.expect(200);
    assert_eq!((&read(&keeper, &one).await["status"], &read(&keeper, &other).await["status"]), (&json!("inactive"), &json!("active")));

    // One that somebody here lets run though nobody lists it runs on.
    let version = read(&keeper, &one).await["version"].as_i64().unwrap();
    keeper.patch(&path(&one, ""), version, json!({ "status": "active" })).await.expect(200);
    merge(&keeper, &one, &other).await;
    assert_eq!(import(&keeper, "b", "&retire_missing=true", &[record("b", "9", "Town hall", json!({}))]).await.1, [0, 0, 1, 0, 1]);
    unmerge(&keeper, &one, &other).await.expect(200);
    assert_eq!(read(&keeper, &other).await["status"], "inactive");
});

on_both!(one_more_source_by_a_key_of_the_duplicate_goes_back_with_it, |db| async move {
    let register = json!([{ "system": "b", "value": "2" }, { "system": "register", "value": "42" }]);
    let theirs = record("b", "2", "The Food Bank", json!({ "identifiers": register }));
    let Sources { keeper, one, other } = Sources::new(TestApp::new(db).await, theirs).await;
    merge(&keeper, &one, &other).await;
    let third = record("c", "3", "Food bank of the valley", json!({ "email": "c@example.ca" }));
    let third = |email: &str| {
        let mut third = third.clone();
        third["email"] = json!(email);
        third["identifiers"].as_array_mut().unwrap().push(json!({ "system": "register", "value": "42" }));
        third
    };
    assert_eq!(import(&keeper, "c", "", &[third("c@example.ca")]).await.1, [0, 1, 0, 0, 0], "one more source");
    assert_eq!(read(&keeper, &one).await["email"], "c@example.ca");
    let statements = keeper.get(&path(&one, "/sources")).await.expect(200);
    let source = statements["items"].as_array().unwrap().iter().find(|statement| statement["source"] == "c").unwrap();
    let source = source["record_id"].as_str().unwrap();
    unmerge(&keeper, &one, source).await.expect_problem(409, "merge_not_kept");

    unmerge(&keeper, &one, &other).await.expect(200);
    assert_eq!((&read(&keeper, &one).await["email"], &read(&keeper, &other).await["email"]), (&Value::Null, &json!("c@example.ca")));
    assert_eq!(import(&keeper, "c", "", &[third("d@example.ca")]).await.1, [0, 1, 0, 0, 0]);
    assert_eq!((&read(&keeper, &one).await["email"], &read(&keeper, &other).await["email"]), (&Value::Null, &json!("d@example.ca")));
    unmerge(&keeper, &other, source).await.expect_problem(409, "merge_not_kept");
});
