//! The room that services have: in parts, for many services at once, and how long it is believed.

use chrono::Duration;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::harness::TestDb;

const LIST: &str = "/v1/services/capacities";

/// A directory, and an agency whose service it keeps.
struct Town {
    keeper: Caller,
    provider: Caller,
    service: String,
}

impl Town {
    async fn new(db: TestDb) -> Self {
        let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
        let provider = keeper.app.tenant("Food Bank Society", OrganizationKind::Agency).await;
        let mut town = Self { keeper, provider, service: String::new() };
        town.service = town.add("Food bank", "svc-1").await;
        town
    }

    async fn add(&self, name: &str, key: &str) -> String {
        let service = json!({
            "name": name, "provider_id": self.provider.organization_id, "need_domains": [{ "code": "food-insecurity" }],
            "identifiers": [{ "system": "urn:example:211", "value": key }], "verification": { "last_verified_on": "2026-02-20" },
        });
        let created = self.keeper.post("/v1/services", service).await;
        created.expect(201);
        created.id()
    }

    fn path(&self) -> String {
        format!("/v1/services/{}", self.service)
    }

    fn part(&self, key: &str) -> String {
        format!("{}/capacities/{key}", self.path())
    }

    async fn read(&self) -> Value {
        self.keeper.get(&self.path()).await.expect(200)
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    let page = answer.expect(200);
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn outcomes(answers: &Value) -> Vec<(&str, Option<&str>)> {
    let items = answers["items"].as_array().unwrap().iter();
    items.map(|item| (item["outcome"].as_str().unwrap(), item["problem"]["code"].as_str())).collect()
}

on_both!(a_service_counts_its_room_in_parts_and_each_has_its_history, |db| async move {
    let town = Town::new(db).await;
    town.provider.put_any(&format!("{}/capacity", town.path()), json!({ "status": "full", "unit": "place" })).await.expect(200);
    let kept = json!({ "status": "open", "unit": "place", "available": 2, "maximum": 4, "funded": 3, "populations": ["newcomer"] });
    let said = town.provider.put_any(&town.part("newcomers"), kept.clone()).await;
    assert_eq!((said.header("etag"), &said.expect(200)["funded"]), (Some("\"3\""), &json!(3)));
    town.provider.put_any(&town.part("hours"), json!({ "status": "waitlist", "unit": "hour" })).await.expect(200);

    let service = town.read().await;
    let keys: Vec<&str> = service["capacities"].as_array().unwrap().iter().map(|part| part["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["hours", "newcomers"]);
    assert_eq!((&service["capacity"]["status"], &service["capacities"][1]["capacity"]["available"]), (&json!("full"), &json!(2)));
    assert_eq!((&service["capacity_is_stale"], &service["capacities"][1]["is_stale"]), (&json!(false), &json!(false)));
    let by_status = async |status: &str| ids(&town.keeper.get(&format!("/v1/services?capacity={status}")).await).len();
    assert_eq!((by_status("waitlist").await, by_status("open").await), (1, 0), "search goes by what is for everybody");

    town.keeper.delete(&town.part("hours"), 4).await.expect(204);
    town.keeper.delete(&town.part("hours"), 5).await.expect_problem(404, "not_found");
    town.provider.delete(&town.part("newcomers"), 4).await.expect_problem(412, "version_mismatch");
    let history = town.keeper.get(&format!("{}/capacity/history?limit=2", town.path())).await.expect(200);
    let keys: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
    assert_eq!(keys, ["hours", "newcomers"]);
    let rest = format!("{}/capacity/history?limit=2&cursor={}", town.path(), history["next"].as_str().unwrap());
    let rest = town.keeper.get(&rest).await.expect(200);
    assert_eq!((&rest["items"][0]["key"], &rest["next"]), (&Value::Null, &Value::Null));

    let stranger = town.keeper.app.tenant("Another agency", OrganizationKind::Agency).await;
    stranger.put_any(&town.part("newcomers"), kept.clone()).await.expect_problem(403, "forbidden");
    town.provider.put_any(&town.part("No%20key"), kept.clone()).await.expect_problem(400, "malformed_request");
    let wrong = town.provider.put_any(&town.part("newcomers"), json!({ "available": 5, "funded": 6, "maximum": 4 })).await;
    let fault = |pointer: &str| (pointer.to_owned(), "out_of_order".to_owned());
    assert_eq!(wrong.faults(422), [fault("/available"), fault("/funded")]);
    for number in 0..49 {
        town.provider.put_any(&town.part(&format!("part-{number}")), json!({ "status": "open" })).await.expect(200);
    }
    let many = town.provider.put_any(&town.part("one-more"), kept).await;
    assert_eq!(many.faults(422), [(String::new(), "too_many".to_owned())]);
});

on_both!(what_is_said_of_room_is_said_once_under_its_key, |db| async move {
    let mut town = Town::new(db).await;
    let capacity = json!({ "status": "open", "unit": "place", "available": 3 });
    let whole = format!("{}/capacity", town.path());
    let mut said = Vec::new();
    for (path, key) in [(&whole, "said-1"), (&town.part("newcomers"), "said-2")] {
        let first = town.provider.put_once(path, key, capacity.clone()).await;
        first.expect(200);
        said.push((path.clone(), key, first));
    }
    town.provider.app.clock.advance(Duration::hours(1));
    town.provider.renew().await;
    for (path, key, first) in &said {
        let again = town.provider.put_once(path, key, capacity.clone()).await;
        assert_eq!((again.expect(200), again.header("etag")), (first.json(), first.header("etag")), "{path}");
        town.provider.put_once(path, key, json!({ "status": "full" })).await.expect_problem(422, "idempotency_key_reused");
    }
    let history = async || town.provider.get(&format!("{whole}/history")).await.expect(200)["items"].as_array().unwrap().len();
    assert_eq!(history().await, 2);
    let confirmed = town.provider.put_any(&whole, capacity).await.expect(200);
    assert_eq!((&confirmed["as_of"], history().await), (&json!("2026-03-02T18:00:00.000000Z"), 3), "it is still so an hour later");
});

on_both!(matching_takes_for_each_person_the_room_that_is_for_them, |db| async move {
    let town = Town::new(db).await;
    town.provider.put_any(&format!("{}/capacity", town.path()), json!({ "status": "full" })).await.expect(200);
    let kept = json!({ "status": "open", "available": 2, "populations": ["newcomer"] });
    town.provider.put_any(&town.part("newcomers"), kept).await.expect(200);
    let room = async |populations: Value| {
        let person = json!({ "needs": [{ "domain": "food-insecurity" }], "populations": populations });
        let found = town.keeper.post("/v1/matches", json!({ "person": person })).await.expect(201);
        let criteria = found["results"][0]["contributions"].as_array().unwrap_or_else(|| panic!("{found}")).clone();
        criteria.iter().find(|one| one["criterion"] == "capacity").unwrap_or_else(|| panic!("{criteria:?}"))["value"].clone()
    };
    assert_eq!((room(json!(["newcomer"])).await, room(json!(["veteran"])).await), (json!(1.0), json!(0.0)));
});

on_both!(a_list_says_it_of_many_services_and_each_line_is_answered_for_itself, |db| async move {
    let town = Town::new(db).await;
    let second = town.add("Lunch", "svc-2").await;
    let gone = town.add("Closed long ago", "svc-3").await;
    town.keeper.delete(&format!("/v1/services/{gone}"), 1).await.expect(204);
    let other = town.keeper.app.tenant("Another agency", OrganizationKind::Agency).await;
    let foreign = other.post("/v1/services", json!({ "name": "Theirs" })).await.id();

    let open = json!({ "status": "open", "available": 3 });
    let list = json!({ "items": [
        { "service_id": town.service, "capacity": open },
        { "service_id": second, "key": "newcomers", "capacity": open },
        { "service_id": foreign, "capacity": open },
        { "service_id": gone, "capacity": open },
        { "service_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "capacity": open },
        { "capacity": { "status": "open", "available": 3, "maximum": 1 } },
        { "service_id": second, "key": "No key", "capacity": { "status": "ample" }, "colour": 1 },
        { "service_id": town.service, "version": 1, "capacity": { "status": "full" } },
        { "identifier": { "system": "urn:example:211", "value": "svc-2" }, "capacity": open },
    ] });
    let answer = town.provider.post_once(LIST, "list-1", list.clone()).await;
    let answers = answer.expect(200);
    let refused = |code| ("refused", Some(code));
    let expected = [
        ("set", None),
        ("set", None),
        refused("forbidden"),
        refused("gone"),
        refused("not_found"),
        refused("invalid_request"),
        refused("invalid_request"),
        refused("version_mismatch"),
        refused("not_found"),
    ];
    assert_eq!(outcomes(&answers), expected, "only the keeper knows its own keys");
    assert_eq!(
        (&answers["set"], &answers["refused"], &answers["items"][7]["problem"]["current_version"]),
        (&json!(2), &json!(7), &json!(2))
    );
    let pointers = |line: usize| {
        let errors = answers["items"][line]["problem"]["errors"].as_array().unwrap().iter();
        let mut pointers: Vec<String> = errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect();
        pointers.sort();
        pointers
    };
    assert_eq!(pointers(5), ["/capacity/available", "/service_id"]);
    assert_eq!(pointers(6), ["/capacity/status", "/colour", "/key"]);
    assert_eq!(town.read().await["capacity"]["available"], 3);
    let again = town.provider.post_once(LIST, "list-1", list.clone()).await;
    assert_eq!((again.status, again.json(), &town.read().await["version"]), (200, answers, &json!(2)), "sent twice, it has one effect");

    let by_key = town.keeper.post(LIST, list).await.expect(200);
    assert_eq!(outcomes(&by_key)[8], ("set", None));
    assert_eq!((&by_key["items"][8]["service_id"], &by_key["items"][8]["version"]), (&json!(second), &json!(4)));
    town.provider.post(LIST, json!({ "items": [] })).await.expect_problem(422, "invalid_request");
});

on_both!(what_was_said_of_room_is_stale_after_sixty_days, |db| async move {
    let mut town = Town::new(db).await;
    let fresh = town.add("Lunch", "svc-2").await;
    let silent = town.add("Pantry", "svc-3").await;
    let set = json!({ "status": "open" });
    town.provider.put_any(&format!("{}/capacity", town.path()), set.clone()).await.expect(200);
    town.keeper.app.clock.advance(Duration::days(61));
    town.keeper.renew().await;
    town.provider.renew().await;
    town.provider.put_any(&format!("/v1/services/{fresh}/capacity"), set).await.expect(200);

    assert_eq!(town.read().await["capacity_is_stale"], true);
    let own = format!("/v1/services?provider_id={}", town.provider.organization_id);
    assert_eq!(ids(&town.provider.get(&format!("{own}&capacity_stale=true")).await), [town.service.clone()]);
    let mut others = ids(&town.provider.get(&format!("{own}&capacity_stale=false")).await);
    others.sort();
    assert_eq!(others, [fresh.clone(), silent.clone()], "where nobody has said anything, nothing is stale");
    let order = ids(&town.provider.get(&own).await);
    assert_eq!(order, [fresh, town.service.clone(), silent], "an old word counts half");

    let clinic = town.keeper.app.clinic().await;
    let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
    let referral = json!({
        "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
        "consent": { "form": "verbal" },
    });
    let sent = clinic.post("/v1/referrals", referral).await.expect(201);
    assert_eq!(sent["warnings"][0]["code"], "service_capacity_stale");
});

on_both!(room_is_true_as_of_a_moment_that_has_come_and_the_newest_word_stands, |db| async move {
    let town = Town::new(db).await;
    let path = format!("{}/capacity", town.path());
    let said = async |places: i64, as_of: &str| {
        town.provider.put_any(&path, json!({ "status": "open", "available": places, "as_of": as_of })).await
    };
    for later in ["2099-01-01T00:00:00Z", "2026-03-03T17:00:01Z"] {
        assert_eq!(said(1, later).await.faults(422), [("/as_of".into(), "out_of_range".into())], "{later}");
    }
    assert_eq!(town.read().await["version"], 1);
    let ahead = said(2, "2026-03-03T17:00:00Z").await.expect(200);
    assert_eq!(ahead["as_of"], "2026-03-02T17:00:00.000000Z", "a clock that is ahead says what is true now");
    let outdated = said(3, "2026-03-02T16:59:59Z").await.expect_problem(409, "capacity_outdated");
    assert_eq!(outdated["current_as_of"], "2026-03-02T17:00:00.000000Z");
    assert_eq!((&town.read().await["version"], &town.read().await["capacity"]["available"]), (&json!(2), &json!(2)));
    assert_eq!(said(4, "2026-03-02T17:00:00Z").await.expect(200)["available"], 4, "what was said is put right");
    let line = |as_of: &str| json!({ "service_id": town.service, "capacity": { "status": "full", "as_of": as_of } });
    let list = json!({ "items": [line("2099-01-01T00:00:00Z"), line("2026-03-01T00:00:00Z"), line("2026-03-02T17:00:00Z")] });
    let answers = town.provider.post(LIST, list).await.expect(200);
    let refused = |code| ("refused", Some(code));
    assert_eq!(outcomes(&answers), [refused("invalid_request"), refused("capacity_outdated"), ("set", None)]);
    assert_eq!(answers["items"][0]["problem"]["errors"][0]["pointer"], "/capacity/as_of");
    assert_eq!(answers["items"][1]["problem"]["current_as_of"], "2026-03-02T17:00:00.000000Z");
    let part = town.provider.put_any(&town.part("newcomers"), json!({ "status": "open", "as_of": "2026-02-01T00:00:00Z" })).await;
    part.expect(200);
});

on_both!(a_room_that_is_full_or_closed_has_no_free_places, |db| async move {
    let town = Town::new(db).await;
    let capacity = format!("{}/capacity", town.path());
    let contradictory = [json!({ "status": "full", "available": 7 }), json!({ "status": "closed", "available": 1 })];
    for said in &contradictory {
        for path in [&capacity, &town.part("newcomers")] {
            let refused = town.provider.put_any(path, said.clone()).await;
            assert_eq!(refused.faults(422), [("/available".to_owned(), "contradictory".to_owned())], "{path}: {said}");
        }
    }
    let line = |capacity: &Value| json!({ "service_id": town.service, "key": "newcomers", "capacity": capacity });
    let list = json!({ "items": [line(&contradictory[0]), line(&contradictory[1]), line(&json!({ "status": "full", "available": 0 }))] });
    let answers = town.provider.post(LIST, list).await.expect(200);
    let refused = ("refused", Some("invalid_request"));
    assert_eq!(outcomes(&answers), [refused, refused, ("set", None)]);
    assert_eq!(answers["items"][1]["problem"]["errors"][0]["pointer"], "/capacity/available");
    assert_eq!((&town.read().await["version"], &town.read().await["capacity"]), (&json!(2), &Value::Null));
});

on_both!(of_what_an_import_says_of_a_full_room_what_is_certain_is_kept, |db| async move {
    let town = Town::new(db).await;
    let keeper = &town.keeper;
    let record = |number: u8, name: &str, capacity: Value| {
        json!({ "id": format!("ac148810-d857-441c-9679-408f346de14{number}"), "name": name, "status": "active",
            "organization": { "id": "o", "name": "Shelter Society" }, "kith": { "capacity": capacity } })
    };
    let full = record(1, "Night shelter", json!({ "status": "full", "available": 7, "note": "Call after six." }));
    let (_, counts) = crate::duplicates::import(keeper, "partner", "", &[full, record(2, "Day shelter", json!({ "available": 2 }))]).await;
    assert_eq!(counts, [2, 0, 0, 0, 0]);
    let found = async |name: &str| {
        let found = keeper.get(&format!("/v1/services?q={name}+shelter")).await.expect(200);
        let items = found["items"].as_array().unwrap();
        items.iter().find(|item| item["name"] == format!("{name} shelter")).unwrap_or_else(|| panic!("{found}"))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let night = keeper.get(&format!("/v1/services/{}", found("Night").await)).await.expect(200);
    let told = |capacity: &Value| ["status", "available", "note"].map(|field| capacity[field].clone());
    assert_eq!(told(&night["capacity"]), [json!("full"), Value::Null, json!("Call after six.")]);
    assert_eq!(night["source_fields"]["unfit:capacity/available"], 7, "{night}");
    let day = keeper.get(&format!("/v1/services/{}", found("Day").await)).await.expect(200);
    assert_eq!(told(&day["capacity"]), [json!("open"), json!(2), Value::Null]);

    // A line of a bulk import.
    let line = |key: &str, capacity: Value| {
        let resource = json!({ "name": key, "identifiers": [{ "system": "urn:example:a", "value": key }] });
        json!({ "type": "service", "resource": resource, "read_only": { "capacity": capacity } })
    };
    let lines = [line("a", json!({ "status": "closed", "available": 4, "expected_wait_days": 30 })), line("b", json!({ "available": 2 }))];
    for expected in [[2, 0, 0, 0], [0, 0, 2, 0]] {
        let job = crate::bulk::load(keeper, crate::bulk::text(&lines)).await;
        assert_eq!(crate::bulk::counts(&job), expected, "{:?}", crate::bulk::results(keeper, &job).await);
    }
    let job = crate::bulk::load(keeper, crate::bulk::text(&lines)).await;
    let told = crate::bulk::results(keeper, &job).await;
    for (line, expected) in told.iter().zip([[json!("closed"), Value::Null, json!(30)], [json!("open"), json!(2), Value::Null]]) {
        let service = keeper.get(&format!("/v1/services/{}", line["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(["status", "available", "expected_wait_days"].map(|field| service["capacity"][field].clone()), expected);
    }
});

on_both!(the_status_follows_from_the_free_places_where_none_is_said, |db| async move {
    let town = Town::new(db).await;
    let capacity = format!("{}/capacity", town.path());
    for (said, status) in [
        (json!({ "available": 7 }), "open"),
        (json!({ "status": "unknown", "available": 7 }), "open"),
        (json!({ "available": 0 }), "full"),
        (json!({ "available": 0, "waitlist_length": 0 }), "full"),
        (json!({ "available": 0, "waitlist_length": 2 }), "waitlist"),
        (json!({ "available": 0, "expected_wait_days": 14 }), "waitlist"),
        (json!({ "status": "waitlist", "available": 3 }), "waitlist"),
        (json!({ "status": "closed", "available": 0 }), "closed"),
        (json!({ "unit": "place" }), "unknown"),
    ] {
        assert_eq!(town.provider.put_any(&capacity, said.clone()).await.expect(200)["status"], status, "{said}");
        assert_eq!(town.read().await["capacity"]["status"], status, "{said}");
    }
    let list = json!({ "items": [{ "service_id": town.service, "capacity": { "available": 1 } }] });
    assert_eq!(town.provider.post(LIST, list).await.expect(200)["items"][0]["capacity"]["status"], "open");
    assert_eq!(ids(&town.keeper.get("/v1/services?capacity=open").await), std::slice::from_ref(&town.service));
});

on_both!(a_status_that_follows_goes_with_those_who_wait_and_one_that_was_said_stands, |db| async move {
    let town = Town::new(db).await;
    let (provider, clinic) = (&town.provider, town.keeper.app.clinic().await);
    let (capacity, part) = (format!("{}/capacity", town.path()), town.part("newcomers"));
    let list = format!("{}/waitlist-entries", town.path());
    let wait = async |room: Option<&str>| {
        let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
            "consent": { "form": "verbal" } });
        let referral = clinic.post("/v1/referrals", referral).await.id();
        format!("{list}/{}", provider.post(&list, json!({ "referral_id": referral, "key": room })).await.id())
    };
    let act = async |entry: &str, act: &str| clinic.post(&format!("{entry}/{act}"), json!({})).await.expect(200);
    let told = |room: &Value| ["status", "available", "is_status_derived"].map(|field| room[field].clone());
    let rooms = async || {
        let service = town.read().await;
        [told(&service["capacity"]), told(&service["capacities"][0]["capacity"])]
    };
    let follows = |status: &str| [json!(status), json!(0), json!(true)];
    for path in [&capacity, &part] {
        provider.put_any(path, json!({ "available": 0 })).await.expect(200);
    }
    assert_eq!(rooms().await, [follows("full"), follows("full")]);
    let (first, second) = (wait(None).await, wait(Some("newcomers")).await);
    assert_eq!(rooms().await, [follows("waitlist"), follows("waitlist")]);
    assert_eq!(ids(&town.keeper.get("/v1/services?capacity=waitlist").await), std::slice::from_ref(&town.service));
    // Whoever repeats what was read has not said it.
    let mut read = town.read().await["capacity"].clone();
    read["note"] = json!("Call after six.");
    provider.put_any(&capacity, read).await.expect(200);
    for entry in [&first, &second] {
        act(entry, "leave").await;
    }
    assert_eq!(rooms().await, [follows("full"), follows("full")]);
    assert_eq!(ids(&town.keeper.get("/v1/services?capacity=waitlist").await), Vec::<String>::new());

    provider.put_any(&capacity, json!({ "status": "full", "available": 0 })).await.expect(200);
    let third = wait(None).await;
    assert_eq!(rooms().await[0], [json!("full"), json!(0), Value::Null]);
    act(&third, "leave").await;
    // Of a place that is taken nobody says any more that it is free.
    provider.put_any(&capacity, json!({ "status": "open", "available": 1 })).await.expect(200);
    let last = wait(None).await;
    act(&last, "accept").await;
    assert_eq!(rooms().await[0], follows("full"));
    let history = town.keeper.get(&format!("{capacity}/history?limit=1")).await.expect(200);
    assert_eq!(told(&history["items"][0]["capacity"]), follows("full"));
});

on_both!(another_status_than_the_one_that_followed_is_said_by_whoever_sends_it_back_with_its_flag, |db| async move {
    let town = Town::new(db).await;
    let told = |room: &Value| ["status", "available", "is_status_derived"].map(|field| room[field].clone());
    for path in [format!("{}/capacity", town.path()), town.part("newcomers")] {
        let mut read = town.provider.put_any(&path, json!({ "available": 4 })).await.expect(200);
        assert_eq!(told(&read), [json!("open"), json!(4), json!(true)]);
        read["status"] = json!("closed");
        let refused = town.provider.put_any(&path, read.clone()).await;
        assert_eq!(refused.faults(422), [("/available".to_owned(), "contradictory".to_owned())], "{path}");
        read["available"] = json!(0);
        for time in ["at first", "and again"] {
            let closed = town.provider.put_any(&path, read.clone()).await.expect(200);
            assert_eq!(told(&closed), [json!("closed"), json!(0), Value::Null], "{path}: {time}");
        }
    }
    assert_eq!(ids(&town.keeper.get("/v1/services?capacity=closed").await), std::slice::from_ref(&town.service));

    town.provider.put_any(&town.part("newcomers"), json!({ "available": 4 })).await.expect(200);
    let line = |status: &str, available: i64| {
        let capacity = json!({ "status": status, "available": available, "is_status_derived": true });
        json!({ "service_id": town.service, "key": "newcomers", "capacity": capacity })
    };
    let list = json!({ "items": [line("closed", 4), line("open", 3), line("open", 0), line("closed", 0)] });
    let answers = town.provider.post(LIST, list).await.expect(200);
    assert_eq!(outcomes(&answers), [("refused", Some("invalid_request")), ("set", None), ("set", None), ("set", None)]);
    assert_eq!(answers["items"][0]["problem"]["errors"][0]["pointer"], "/capacity/available");
    let set: Vec<_> = answers["items"].as_array().unwrap()[1..].iter().map(|item| told(&item["capacity"])).collect();
    let follows = |status: &str, available: i64| [json!(status), json!(available), json!(true)];
    assert_eq!(set, [follows("open", 3), follows("full", 0), [json!("closed"), json!(0), Value::Null]]);
});

on_both!(a_status_that_followed_when_it_was_read_is_not_said_though_the_list_has_moved_since, |db| async move {
    let town = Town::new(db).await;
    let (provider, clinic) = (&town.provider, town.keeper.app.clinic().await);
    let list = format!("{}/waitlist-entries", town.path());
    let wait = async |room: Option<&str>| {
        let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
            "consent": { "form": "verbal" } });
        let referral = clinic.post("/v1/referrals", referral).await.id();
        format!("{list}/{}", provider.post(&list, json!({ "referral_id": referral, "key": room })).await.id())
    };
    let leave = async |entry: &str| clinic.post(&format!("{entry}/leave"), json!({})).await.expect(200);
    let told = |room: &Value| ["status", "available", "is_status_derived"].map(|field| room[field].clone());
    let follows = |status: &str| [json!(status), json!(0), json!(true)];
    let says = |status: &str| [json!(status), json!(0), Value::Null];
    for (path, key) in [(format!("{}/capacity", town.path()), None), (town.part("newcomers"), Some("newcomers"))] {
        let line = |version: Option<i64>, room: &Value| {
            let line = json!({ "service_id": town.service, "key": key, "version": version, "capacity": room });
            json!({ "items": [line] })
        };
        let version = async || town.read().await["version"].as_i64().unwrap();
        let set = async |version: Option<i64>, room: &Value| {
            told(&provider.post(LIST, line(version, room)).await.expect(200)["items"][0]["capacity"])
        };
        let full = provider.put_any(&path, json!({ "available": 0 })).await.expect(200);
        assert_eq!(told(&full), follows("full"));
        let entry = wait(key).await;
        let waited_for = provider.put_any(&path, full.clone()).await.expect(200);
        assert_eq!(told(&waited_for), follows("waitlist"), "{path}: somebody has joined since");
        assert_eq!(set(None, &full).await, follows("waitlist"));
        leave(&entry).await;
        assert_eq!(told(&provider.put_any(&path, waited_for.clone()).await.expect(200)), follows("full"), "{path}: they have left");
        assert_eq!(set(None, &waited_for).await, follows("full"));
        // One who counts the last place down may have left the status as it was.
        let mut last = full.clone();
        last["status"] = json!("open");
        assert_eq!(told(&provider.put_any(&path, last).await.expect(200)), follows("full"));

        // Who names the version has read what is there: another status is meant.
        assert_eq!(told(&provider.put(&path, version().await, full.clone()).await.expect(200)), follows("full"));
        assert_eq!(told(&provider.put(&path, version().await, waited_for.clone()).await.expect(200)), says("waitlist"), "{path}");
        provider.put(&path, version().await - 1, full.clone()).await.expect_problem(412, "version_mismatch");
        provider.put_any(&path, json!({ "available": 0 })).await.expect(200);
        assert_eq!(set(Some(version().await), &waited_for).await, says("waitlist"));

        // Free places that were not changed rule out that it followed.
        let open = provider.put_any(&path, json!({ "available": 4 })).await.expect(200);
        let with = |status: &str| {
            let mut room = open.clone();
            room["status"] = json!(status);
            room
        };
        assert_eq!(provider.put_any(&path, with("full")).await.faults(422), [("/available".to_owned(), "contradictory".to_owned())]);
        let kept = provider.put_any(&path, with("waitlist")).await.expect(200);
        assert_eq!(told(&kept), [json!("waitlist"), json!(4), Value::Null]);
    }
});

on_both!(a_place_that_was_offered_is_theirs_whatever_is_said_of_the_room_since, |db| async move {
    let town = Town::new(db).await;
    let (provider, clinic) = (&town.provider, town.keeper.app.clinic().await);
    let (capacity, list) = (format!("{}/capacity", town.path()), format!("{}/waitlist-entries", town.path()));
    let say = async |said: Value| provider.put_any(&capacity, said).await.expect(200);
    let wait = async || {
        let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
            "consent": { "form": "verbal" } });
        let referral = clinic.post("/v1/referrals", referral).await.id();
        format!("{list}/{}", provider.post(&list, json!({ "referral_id": referral })).await.id())
    };
    let status = async |entry: &str| clinic.get(entry).await.expect(200)["status"].clone();
    say(json!({ "status": "open", "unit": "place", "available": 1 })).await;
    let (first, second) = (wait().await, wait().await);
    for said in [json!({ "status": "full" }), json!({ "status": "closed", "available": 0 })] {
        let room = say(said).await;
        assert_eq!((&room["held"], &room["waitlist_length"]), (&json!(1), &json!(1)), "{room}");
        assert_eq!((status(&first).await, status(&second).await), (json!("offered"), json!("waiting")));
    }
    clinic.post(&format!("{first}/accept"), json!({})).await.expect(200);
    assert_eq!((&town.read().await["capacity"]["held"], status(&second).await), (&json!(0), json!("waiting")));

    // Where people wait, a room without a place has a list.
    assert_eq!(say(json!({ "available": 0 })).await["status"], "waitlist");
    let third = wait().await;
    say(json!({ "available": 1 })).await;
    assert_eq!(status(&second).await, "offered");
    say(json!({ "status": "full" })).await;
    // The provider takes it back; it is nobody's while the service is full.
    provider.post(&format!("{second}/decline"), json!({})).await.expect(200);
    assert_eq!((status(&second).await, status(&third).await), (json!("declined"), json!("waiting")));
    assert_eq!(town.read().await["capacity"]["held"], 0);
});

on_both!(nobody_waits_for_what_is_there_no_more, |db| async move {
    let town = Town::new(db).await;
    let (provider, clinic) = (&town.provider, town.keeper.app.clinic().await);
    provider.put_any(&town.part("newcomers"), json!({ "status": "waitlist", "unit": "place" })).await.expect(200);
    let refer = async || {
        let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
        let referral = json!({ "patient_id": patient, "kind": "service", "service_id": town.service, "source_type": "family_physician",
            "consent": { "form": "verbal" } });
        clinic.post("/v1/referrals", referral).await.id()
    };
    let list = format!("{}/waitlist-entries", town.path());
    let wait = async |key: Value| {
        let mut entry = json!({ "referral_id": refer().await });
        if !key.is_null() {
            entry["key"] = key;
        }
        format!("{list}/{}", provider.post(&list, entry).await.id())
    };
    let entries = [wait(json!("newcomers")).await, wait(json!("newcomers")).await, wait(Value::Null).await];
    let version = async || town.read().await["version"].as_i64().unwrap();
    let problem = provider.delete(&town.part("newcomers"), version().await).await.expect_problem(409, "people_waiting");
    assert!(problem["detail"].as_str().unwrap().contains("2 people"), "{problem}");
    let problem = town.keeper.delete(&town.path(), version().await).await.expect_problem(409, "people_waiting");
    assert!(problem["detail"].as_str().unwrap().contains("3 people"), "{problem}");
    for entry in &entries[..2] {
        clinic.post(&format!("{entry}/leave"), json!({})).await.expect(200);
    }
    provider.delete(&town.part("newcomers"), version().await).await.expect(204);
    let problem = town.keeper.delete(&town.path(), version().await).await.expect_problem(409, "people_waiting");
    assert!(problem["detail"].as_str().unwrap().contains("1 person"), "{problem}");

    // Who waits for a service that does not run at present is told so.
    town.keeper.patch(&town.path(), version().await, json!({ "status": "inactive" })).await.expect(200);
    assert_eq!(clinic.get(&list).await.expect(200)["items"].as_array().unwrap().len(), 1);
    clinic.post(&format!("{}/leave", entries[2]), json!({})).await.expect(200);
    let referral = refer().await;
    let warnings = async || {
        let referral = clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200);
        let codes = referral["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("service_")).collect::<Vec<_>>()
    };
    assert!(warnings().await.contains(&"service_inactive".to_owned()));
    town.keeper.delete(&town.path(), version().await).await.expect(204);
    assert_eq!(warnings().await, ["service_deleted"]);
});

on_both!(what_a_source_says_of_a_room_without_a_place_is_a_list_where_people_wait, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let record = |name: &str| {
        json!({ "id": "ac148810-d857-441c-9679-408f346de141", "name": name, "status": "active",
            "capacities": [{ "available": 0, "updated": "2030-01-01", "unit": { "name": "bed" } }] })
    };
    crate::duplicates::import(&clinic, "partner", "", &[record("Night shelter")]).await;
    let shelter = clinic.get("/v1/services?q=night+shelter").await.expect(200)["items"][0].clone();
    assert_eq!(shelter["capacity"]["status"], "full", "nobody waits: {shelter}");
    let path = format!("/v1/services/{}", shelter["id"].as_str().unwrap());
    clinic.put_any(&format!("{path}/capacity"), json!({ "status": "waitlist" })).await.expect(200);
    let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": shelter["id"], "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let referral = clinic.post("/v1/referrals", referral).await.id();
    clinic.post(&format!("{path}/waitlist-entries"), json!({ "referral_id": referral })).await.expect(201);
    let (_, counts) = crate::duplicates::import(&clinic, "partner", "", &[record("Night shelter, heated")]).await;
    assert_eq!(counts, [0, 1, 0, 0, 0]);
    let room = clinic.get(&path).await.expect(200)["capacity"].clone();
    assert_eq!((&room["status"], &room["available"], &room["waitlist_length"]), (&json!("waitlist"), &json!(0), &json!(1)), "{room}");
});
