//! Importing directories over HTTP: what is created, updated, unchanged or refused.

use actix_web::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{Answer, Caller, TestApp};

pub(super) fn pantry(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "status": "active", "description": "Hampers on Fridays.",
        "organization": {"id": "org-1", "name": "Pantry Society"},
        "schedules": [{"freq": "WEEKLY", "byday": "FR", "opens_at": "10:00", "closes_at": "12:00"}],
    })
}

pub(super) async fn import(caller: &Caller, query: &str, lines: &[Value]) -> Answer {
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    send(caller, query, body).await
}

pub(super) async fn send(caller: &Caller, query: &str, body: String) -> Answer {
    let request = caller.request(Method::POST, &format!("/v1/imports/services?source=partner{query}"));
    caller.app.send(request.insert_header(("content-type", "application/x-ndjson")).set_payload(body)).await
}

pub(super) fn counts(answer: &Answer) -> [u64; 6] {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let report = answer.json();
    ["created", "updated", "unchanged", "refused", "retired", "organizations_created"].map(|name| report[name].as_u64().unwrap())
}

pub(super) async fn services(caller: &Caller) -> Vec<Value> {
    let answer = caller.get("/v1/services?limit=200").await;
    answer.json()["items"].as_array().cloned().unwrap_or_default()
}

on_both!(records_are_created_updated_unchanged_or_refused, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let body = format!("{}\nnot json\n\n{}", pantry("a", "North Pantry"), pantry("b", "South Pantry"));
    let answer = send(&caller, "&time_zone=America/Vancouver", body).await;
    assert_eq!(counts(&answer), [2, 0, 0, 1, 0, 1]);
    let refused = &answer.json()["lines"][0];
    assert_eq!(
        (&refused["position"], &refused["verdict"], &refused["notices"][0]["code"]),
        (&json!(2), &json!("refused"), &json!("not_readable"))
    );

    let found = services(&caller).await;
    assert_eq!(found.len(), 2);
    let north = found.iter().find(|service| service["name"] == "North Pantry").unwrap();
    assert_eq!(north["identifiers"], json!([{"system": "partner", "value": "a"}]));
    assert_eq!(north["schedules"][0]["rrule"], "FREQ=WEEKLY;BYDAY=FR");
    assert_eq!(north["need_domains"][0]["basis"], "inferred");
    let provider = caller.get(&format!("/v1/organizations/{}", north["provider_id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&provider["name"], &provider["kind"], &provider["organization_id"]),
        (&json!("Pantry Society"), &json!("agency"), &json!(caller.organization_id))
    );

    // The same again changes nothing; a note that somebody here made outlives what the source changes.
    let query = "&time_zone=America/Vancouver";
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Pantry"), pantry("b", "South Pantry")]).await), [0, 0, 2, 0, 0, 0]);
    let path = format!("/v1/services/{}", north["id"].as_str().unwrap());
    let noted = caller.patch(&path, 1, json!({"connector_notes": "Ask for Dana.", "identifiers": [{"system": "partner", "value": "a"}, {"system": "ours", "value": "7"}]})).await;
    assert_eq!(noted.status, 200, "{}", noted.json());
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Pantry")]).await), [0, 0, 1, 0, 0, 0]);
    assert_eq!(counts(&import(&caller, query, &[pantry("a", "North Food Pantry")]).await), [0, 1, 0, 0, 0, 0]);
    let north = caller.get(&path).await.json();
    assert_eq!(
        (&north["version"], &north["name"], &north["connector_notes"]),
        (&json!(3), &json!("North Food Pantry"), &json!("Ask for Dana."))
    );
    assert_eq!(north["identifiers"].as_array().unwrap().len(), 2);
    let history = caller.get(&format!("{path}/history")).await.json();
    assert_eq!(history["items"].as_array().unwrap().len(), 3);
});

on_both!(a_dry_run_says_what_would_be_done_and_does_nothing, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let told = |answer: &Answer| (counts(answer), answer.json()["dry_run"] == true);
    let all = [pantry("a", "North Pantry"), pantry("b", "South Pantry")];
    assert_eq!(told(&import(&caller, "&dry_run=true", &all).await), ([2, 0, 0, 0, 0, 1], true));
    assert_eq!(services(&caller).await, Vec::<Value>::new());
    assert_eq!(told(&import(&caller, "", &all).await), ([2, 0, 0, 0, 0, 1], false), "nor was the organization written");

    let standing = services(&caller).await;
    let next = [pantry("a", "North Food Pantry"), pantry("c", "West Pantry")];
    let dry = import(&caller, "&retire_missing=true&dry_run=true", &next).await;
    assert_eq!(told(&dry), ([1, 1, 0, 0, 1, 0], true));
    let south = standing.iter().find(|service| service["name"] == "South Pantry").unwrap();
    let lines = dry.json()["lines"].as_array().unwrap().clone();
    let retired: Vec<&Value> = lines.iter().filter(|line| line["verdict"] == "retired").map(|line| &line["service_id"]).collect();
    assert_eq!(retired, [&south["id"]]);
    assert_eq!(services(&caller).await, standing);
    let few = import(&caller, "&retire_missing=true&dry_run=true", &[pantry("d", "East Pantry")]).await;
    few.expect_problem(409, "too_many_missing");
    assert_eq!(services(&caller).await, standing);
    assert_eq!(told(&import(&caller, "&retire_missing=true", &next).await), ([1, 1, 0, 0, 1, 0], false));
});

on_both!(nuls_are_left_out_of_what_others_say, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let theirs = r#"{"id":"n\u0000","name":"Pan\u0000try","status":"active","wait\u0000_time":"Two\u0000 weeks","organization":{"id":"o\u0000","name":"Society"}}"#;
    let ours = r#"{"id":"11111111-1111-4111-8111-111111111111","name":"Tea","status":"active","kith":{"profile":"1.0","source_fields":{"a\u0000b":"c\u0000"}}}"#;
    let answer = send(&caller, "", format!("{theirs}\n{ours}\n")).await;
    assert_eq!(counts(&answer), [2, 0, 0, 0, 0, 1], "{}", answer.json());
    let found = services(&caller).await;
    let of = |name: &str| found.iter().find(|service| service["name"] == name).unwrap();
    assert_eq!(of("Pantry")["identifiers"], json!([{ "system": "partner", "value": "n" }]));
    assert_eq!((&of("Pantry")["source_fields"]["wait_time"], &of("Tea")["source_fields"]["ab"]), (&json!("Two weeks"), &json!("c")));
});

on_both!(an_organization_of_which_everything_is_long_is_taken_with_a_name_and_a_key_that_fit, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let long: String = (0..400_u32).map(|number| Uuid::new_v5(&Uuid::NAMESPACE_URL, &number.to_be_bytes()).simple().to_string()).collect();
    let mut record = pantry("a", "Pantry");
    let whole = format!("Society {long}");
    record["organization"] = json!({
        "id": long, "name": whole, "organization_identifiers": [{ "identifier_scheme": "CA-CRA_ACR", "identifier": long }],
    });
    let answer = import(&caller, "", std::slice::from_ref(&record)).await;
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0, 1], "{}", answer.json());
    let report = answer.json();
    assert_eq!((&report["notices"]["name_cut"], &report["notices"]["identifier_not_understood"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(counts(&import(&caller, "", &[record]).await), [0, 0, 1, 0, 0, 0]);
    let service = services(&caller).await[0].clone();
    let provider = caller.get(&format!("/v1/organizations/{}", service["provider_id"].as_str().unwrap())).await.expect(200);
    let keys = provider["identifiers"].as_array().unwrap();
    assert_eq!((provider["name"].as_str().unwrap().len(), keys.len(), keys[0]["value"].as_str().unwrap().len()), (300, 1, 200));
    let shown = caller.get(&format!("/hsds/services/{}", service["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["organization"]["kith"]["source_fields"]["name"], whole);
});

on_both!(organizations_that_were_added_to_exported_records_without_ids_are_several, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let exported = |number: u8, organization: Value| {
        let id = format!("{number}1111111-1111-4111-8111-111111111111");
        json!({ "id": id, "name": format!("Tea {number}"), "status": "active", "kith": { "profile": "1.0" }, "organization": organization })
    };
    let list = [
        exported(1, json!({ "name": "Alder Society" })),
        exported(2, json!({ "name": "Elm Society", "id": "00000000-0000-0000-0000-000000000000" })),
        exported(3, json!({ "id": "41111111-1111-4111-8111-111111111111", "legal_status": "charity" })),
    ];
    let answer = import(&caller, "", &list).await;
    assert_eq!(counts(&answer), [3, 0, 0, 0, 0, 2], "{}", answer.json());
    assert_eq!(answer.json()["notices"]["profile_not_understood"], Value::Null, "{}", answer.json());
    let found = services(&caller).await;
    let of = |number: u8| found.iter().find(|service| service["name"] == format!("Tea {number}")).unwrap();
    for (number, name) in [(1, "Alder Society"), (2, "Elm Society")] {
        let provider = caller.get(&format!("/v1/organizations/{}", of(number)["provider_id"].as_str().unwrap())).await.expect(200);
        assert_eq!(provider["name"], name);
    }
    // One without a name is none, and what was said of it stays with the service.
    assert_eq!((&of(3)["provider_id"], &of(3)["source_fields"]["organization"]["legal_status"]), (&Value::Null, &json!("charity")));
    assert_eq!(counts(&import(&caller, "", &list).await), [0, 0, 3, 0, 0, 0]);
});

on_both!(a_service_deleted_here_stays_deleted, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    import(&caller, "", &[pantry("a", "Pantry")]).await;
    let id = services(&caller).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(caller.delete(&format!("/v1/services/{id}"), 1).await.status, 204);
    let answer = import(&caller, "", &[pantry("a", "Pantry, again")]).await;
    assert_eq!(counts(&answer), [0, 0, 0, 1, 0, 0]);
    assert_eq!(answer.json()["lines"][0]["notices"][0]["code"], "deleted");
});

on_both!(a_key_that_another_service_has_refuses_only_its_record, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let own = |value: &str, name: &str| json!({"name": name, "identifiers": [{"system": "partner", "value": value}, {"system": "register", "value": "42"}]});
    let answer = import(&caller, "", &[own("1", "First"), pantry("a", "Pantry"), own("2", "Second")]).await;
    assert_eq!(counts(&answer), [2, 0, 0, 1, 0, 1]);
    let refused = &answer.json()["lines"];
    let refused = refused.as_array().unwrap().iter().find(|line| line["verdict"] == "refused").unwrap();
    let why = &refused["notices"][0];
    assert_eq!((&refused["key"], &why["code"], &why["field"]), (&json!("2"), &json!("clash"), &json!("identifiers")));
    assert_eq!(why["message"], "Another resource of this organization has the same identifier.", "no name of a constraint");
});

/// A service of an organization that bears a number of the register of charities.
fn of_charity(id: &str, organization: &str, number: Option<&str>) -> Value {
    let mut service = pantry(id, &format!("Pantry {id}"));
    service["organization"] = json!({"id": organization, "name": format!("Society {}", &organization[..1])});
    if let Some(number) = number {
        service["organization"]["organization_identifiers"] = json!([{"identifier_scheme": "CA-CRA_ACR", "identifier": number}]);
    }
    service
}

on_both!(of_two_organizations_with_one_number_the_first_has_it_and_the_second_is_told_so, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let (one, two, three) =
        ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333");
    let number = Some("118830000RR0001");
    let list = [of_charity("a", one, number), of_charity("b", two, number), of_charity("c", three, None), of_charity("d", two, number)];
    let answer = import(&caller, "&time_zone=America/Vancouver", &list).await;
    assert_eq!(counts(&answer), [4, 0, 0, 0, 0, 3], "{}", answer.json());
    let report = answer.json();
    assert_eq!(report["notices"]["identifier_taken"], 2, "each service of the second says so: {report}");
    let told: Vec<&Value> = report["lines"].as_array().unwrap().iter().map(|line| &line["key"]).collect();
    assert_eq!(told, ["b", "d"], "{report}");
    let notice = &report["lines"][0]["notices"][0];
    assert_eq!((&notice["code"], &notice["field"]), (&json!("identifier_taken"), &json!("organization.organization_identifiers")));

    let found = services(&caller).await;
    let of = |name: &str| found.iter().find(|service| service["name"] == name).unwrap().clone();
    let kept = json!([{"identifier_scheme": "CA-CRA_ACR", "identifier": "118830000RR0001"}]);
    assert_eq!(of("Pantry b")["source_fields"]["organization.organization_identifiers"], kept);
    assert_eq!(of("Pantry a")["source_fields"], json!({}));
    for (name, society, has) in [("Pantry a", "Society 1", true), ("Pantry b", "Society 2", false), ("Pantry c", "Society 3", false)] {
        let path = format!("/v1/organizations/{}", of(name)["provider_id"].as_str().unwrap());
        let provider = caller.get(&path).await.expect(200);
        let numbers = provider["identifiers"].as_array().unwrap().iter().filter(|key| key["system"] == "CA-CRA_ACR").count();
        assert_eq!((provider["name"].as_str(), numbers == 1), (Some(society), has), "{provider}");
    }
    // The same again changes nothing; what changes is told the same.
    let again = import(&caller, "&time_zone=America/Vancouver", &list).await;
    assert_eq!(counts(&again), [0, 0, 4, 0, 0, 0]);
    let mut other = list[1].clone();
    other["description"] = json!("Hampers every day.");
    let changed = import(&caller, "&time_zone=America/Vancouver", &[other]).await;
    assert_eq!((counts(&changed)[1], &changed.json()["notices"]["identifier_taken"]), (1, &json!(1)));

    // One that another source names has its own number too, and a key of a service that clashes costs its record alone.
    let other_source = caller.request(Method::POST, "/v1/imports/services?source=second&time_zone=America/Vancouver");
    let body = format!("{}\n{}", of_charity("x", "44444444-4444-4444-8444-444444444444", number), of_charity("y", three, None));
    let answer = app.send(other_source.insert_header(("content-type", "application/x-ndjson")).set_payload(body)).await;
    assert_eq!((counts(&answer), &answer.json()["notices"]["identifier_taken"]), ([2, 0, 0, 0, 0, 2], &json!(1)));
});

on_both!(a_clash_of_services_costs_neither_their_providers_nor_others, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let own = |value: &str| json!({"name": format!("Own {value}"), "identifiers": [{"system": "partner", "value": value}, {"system": "register", "value": "42"}]});
    let list = [
        own("1"),
        of_charity("a", "11111111-1111-4111-8111-111111111111", Some("7")),
        own("2"),
        pantry("b", "Pantry b"),
        pantry("c", "Pantry c"),
    ];
    let answer = import(&caller, "&time_zone=America/Vancouver", &list).await;
    assert_eq!(counts(&answer), [4, 0, 0, 1, 0, 2], "{}", answer.json());
});

on_both!(what_cannot_be_read_is_kept_and_told, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let mut service = pantry("a", "Pantry");
    let more = json!({
        "minimum_age": "abc", "maximum_age": 400, "assured_date": "last week", "wait_time": "Two weeks",
        "cost_options": [{"option": "a visit", "amount": "ten", "currency": "CAD"}, {"option": "a hamper", "amount": 5, "colour": "red"}],
        "attributes": [
            {"link_type": "topic", "taxonomy_term": {"code": "1102", "name": "Pantries", "vocabulary": "Open Eligibility", "narrower": "x"}},
            {"link_type": "topic", "taxonomy_term": {"name": ""}, "colour": "green"},
        ],
        "holiday_schedules": [{"closed": true, "start_date": "2026-12-25"}], "payments_accepted": [{"payment": "cash"}],
        "contacts": [{"name": "Dana", "email": "at the desk", "department": "Intake", "title": "Lead"}],
        "phones": [{"number": "250-555-0142", "type": "pager"}],
        "capacities": [{"unit": {"name": "hampers"}, "available": "some", "updated": "yesterday"}],
        "locations": [{"name": "Hall", "latitude": "north", "longitude": "-120.0", "addresses": [{"address_1": "1 Main St", "city": "Alder Falls", "country": "Kanada"}]}],
        "last_modified": "2026-01-01T00:00:00Z",
    });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service["schedules"][0]["schedule_link"] = json!("https://pantry.example.ca/hours");
    service["organization"] = json!({
        "id": "org-1", "name": "Pantry Society", "website": "our page", "email": "nobody",
        "organization_identifiers": [{"identifier_type": "charity", "identifier": "7"}],
    });
    let answer = import(&caller, "&time_zone=America/Vancouver", &[service]).await;
    assert_eq!(counts(&answer), [1, 0, 0, 0, 0, 1], "{}", answer.json());
    let own = services(&caller).await[0].clone();
    let kept = own["source_fields"].clone();
    let report = answer.json();
    let told: Vec<&str> =
        report["lines"][0]["notices"].as_array().unwrap().iter().map(|notice| notice["field"].as_str().unwrap()).collect();
    for field in [
        "minimum_age",
        "maximum_age",
        "assured_date",
        "wait_time",
        "cost_options",
        "cost_options.colour",
        "taxonomy_terms.narrower",
        "attributes",
        "holiday_schedules",
        "payments_accepted",
        "contacts.email",
        "contacts.department",
        "phones.type",
        "capacities.available",
        "location.latitude",
        "location.longitude",
        "location.address.country",
        "schedules.schedule_link",
        "organization.website",
        "organization.email",
        "organization.organization_identifiers",
        "/capacity/as_of",
    ] {
        assert!(told.contains(&field), "{field} is not told: {told:?}");
    }
    // In the shape of the source: a row of which something was read keeps its rest, with the name of what was made of it.
    for (field, value) in [
        ("minimum_age", json!("abc")),
        ("maximum_age", json!(400)),
        ("assured_date", json!("last week")),
        ("wait_time", json!("Two weeks")),
        ("holiday_schedules", json!([{"closed": true, "start_date": "2026-12-25"}])),
        ("payments_accepted", json!([{"payment": "cash"}])),
        ("unfit:capacity/as_of", json!("yesterday")),
        ("last_modified", json!("2026-01-01T00:00:00Z")),
    ] {
        assert_eq!(kept[field], value, "{field}: {kept}");
    }
    for (list, member, value) in [
        ("cost_options", "amount", json!("ten")),
        ("cost_options", "colour", json!("red")),
        ("attributes", "colour", json!("green")),
        ("attributes", "taxonomy_term", json!({"narrower": "x"})),
        ("contacts", "email", json!("at the desk")),
        ("contacts", "department", json!("Intake")),
        ("phones", "type", json!("pager")),
        ("capacities", "available", json!("some")),
        ("schedules", "schedule_link", json!("https://pantry.example.ca/hours")),
    ] {
        let rows = kept[list].as_array().unwrap_or_else(|| panic!("{list}: {kept}"));
        assert!(rows.iter().any(|row| row[member] == value), "{list} {member}: {kept}");
    }
    let hall = &kept["service_at_locations"][0]["location"];
    assert_eq!(
        (&hall["latitude"], &hall["longitude"], &hall["addresses"][0]["country"]),
        (&json!("north"), &json!("-120.0"), &json!("Kanada"))
    );
    let shown = caller.get(&format!("/hsds/services/{}", own["id"].as_str().unwrap())).await.expect(200);
    let organization = &shown["organization"];
    let kept = &organization["kith"]["source_fields"];
    assert_eq!((&kept["website"], &kept["email"]), (&json!("our page"), &json!("nobody")), "{organization}");
    let keys = organization["organization_identifiers"].as_array().unwrap();
    assert!(keys.iter().any(|key| key["identifier"] == "7" && key["identifier_type"] == "charity"), "{organization}");
    // What the standard has a field for stands there, but for what its schemas do not take.
    assert_eq!((&shown["wait_time"], &shown["kith"]["source_fields"]["minimum_age"]), (&json!("Two weeks"), &json!("abc")), "{shown}");
    let terms = services(&caller).await[0]["taxonomy_terms"].clone();
    assert_eq!((&terms[0]["taxonomy"], &terms[0]["code"]), (&json!("Open Eligibility"), &json!("1102")));
});

on_both!(what_is_changed_here_stands_until_its_source_says_something_else_of_it, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let query = "&time_zone=America/Vancouver";
    let said = |description: &str, name: &str| {
        let mut service = pantry("a", name);
        service["description"] = json!(description);
        service
    };
    import(&caller, query, &[said("One.", "Pantry")]).await;
    let id = services(&caller).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/services/{id}");
    app.clock.advance(chrono::Duration::seconds(60));
    caller.patch(&path, 1, json!({"name": "North Pantry", "email": "desk@pantry.example.ca"})).await.expect(200);
    for description in ["Two.", "Three."] {
        app.clock.advance(chrono::Duration::seconds(60));
        let answer = import(&caller, query, &[said(description, "Pantry")]).await;
        assert_eq!(counts(&answer), [0, 1, 0, 0, 0, 0], "{}", answer.json());
        let report = answer.json();
        let notices = report["lines"][0]["notices"].as_array().unwrap();
        let told: Vec<(&str, &str)> =
            notices.iter().map(|notice| (notice["code"].as_str().unwrap(), notice["field"].as_str().unwrap())).collect();
        let told: Vec<(&str, &str)> = told.into_iter().filter(|(code, _)| code.starts_with("change_")).collect();
        assert_eq!(told, [("change_kept", "/name"), ("change_kept", "/email")], "{report}");
        let service = caller.get(&path).await.expect(200);
        assert_eq!(
            (&service["name"], &service["email"], &service["description"]),
            (&json!("North Pantry"), &json!("desk@pantry.example.ca"), &json!(description))
        );
    }
    // What is retired comes back, and what was changed here stands still.
    assert_eq!(counts(&import(&caller, &format!("{query}&retire_missing=true&force=true"), &[pantry("b", "Other")]).await)[4], 1);
    assert_eq!(caller.get(&path).await.expect(200)["status"], "inactive");
    app.clock.advance(chrono::Duration::seconds(60));
    import(&caller, query, &[said("Three.", "Pantry")]).await;
    let service = caller.get(&path).await.expect(200);
    assert_eq!((&service["status"], &service["name"]), (&json!("active"), &json!("North Pantry")));
    // The source renames it: that is news.
    app.clock.advance(chrono::Duration::seconds(60));
    let answer = import(&caller, query, &[said("Three.", "Food Pantry")]).await;
    let report = answer.json();
    assert_eq!((&report["notices"]["change_replaced"], &report["notices"]["change_kept"]), (&json!(1), &json!(1)), "{report}");
    let service = caller.get(&path).await.expect(200);
    assert_eq!((&service["name"], &service["email"]), (&json!("Food Pantry"), &json!("desk@pantry.example.ca")));
});

on_both!(of_two_imports_of_one_list_at_once_one_creates_what_the_other_then_finds, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let list: Vec<Value> = (0..40).map(|n| pantry(&format!("p{n}"), &format!("Pantry {n}"))).collect();
    let answers = futures_util::future::join_all((0..2).map(|_| import(&caller, "", &list))).await;
    let counts: Vec<[u64; 6]> = answers.iter().map(counts).collect();
    let sum = |which: usize| counts.iter().map(|count| count[which]).sum::<u64>();
    assert_eq!([sum(0), sum(1), sum(2), sum(3)], [40, 0, 40, 0], "{counts:?}");
    // Both found the provider new before one of them created it.
    assert_eq!(sum(5), 1, "{counts:?}");
    assert_eq!(services(&caller).await.len(), 40);
});

on_both!(an_organization_has_two_imports_under_way_and_another_when_one_has_ended, |db| async move {
    let app = TestApp::new(db).await;
    let (one, other) = (app.clinic().await, app.clinic().await);
    let open = || app.state.imports.open(one.organization_id, std::time::Duration::from_secs(3600)).unwrap();
    let (first, _second) = (open(), open());
    let refused = import(&one, "", &[pantry("a", "Pantry")]).await;
    refused.expect_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(counts(&import(&other, "", &[pantry("a", "Pantry")]).await)[0], 1, "others have their own");
    drop(first);
    for created in [1, 0] {
        assert_eq!(counts(&import(&one, "", &[pantry("a", "Pantry")]).await)[0], created);
    }
});

on_both!(two_directories_may_have_the_same_source, |db| async move {
    let app = TestApp::new(db).await;
    let (one, other) = (app.clinic().await, app.clinic().await);
    assert_eq!(counts(&import(&one, "", &[pantry("a", "Pantry")]).await), [1, 0, 0, 0, 0, 1]);
    assert_eq!(counts(&import(&other, "", &[pantry("a", "Pantry")]).await), [1, 0, 0, 0, 0, 1]);
    assert_eq!(services(&one).await.len(), 2);
});

on_both!(a_body_that_is_no_list_of_records_is_told_so, |db| async move {
    let app = TestApp::with(db, &["--import-limit", "2048"]).await;
    let caller = app.clinic().await;
    let large = import(&caller, "", &vec![pantry("a", "Pantry"); 20]).await;
    assert_eq!((large.status, &large.json()["code"]), (413, &json!("body_too_large")));
    let request = caller.request(Method::POST, "/v1/imports/services?source=x").insert_header(("content-type", "application/json"));
    assert_eq!(app.send(request.set_payload("{}")).await.status, 415);
    for query in ["", "?source=", "?source=x&time_zone=PST", "?source=x&colour=red"] {
        let request = caller.request(Method::POST, &format!("/v1/imports/services{query}"));
        let answer = app.send(request.insert_header(("content-type", "application/x-ndjson")).set_payload("")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed_request")), "{query}");
    }
    assert_eq!(counts(&import(&caller, "", &[]).await), [0; 6]);
});

on_both!(what_could_not_be_read_again_is_refused_by_itself_and_the_directory_stays_readable, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let deep = format!(r#"{{"id":"deep","name":"A","status":"active","more":{}1{}}}"#, "[".repeat(100), "]".repeat(100));
    let raw = r#"{"id":"raw","name":"B","status":"active","more":{"$serde_json::private::RawValue":"[[1]]"}}"#;
    let answer = send(&caller, "", format!("{deep}\n{raw}\n{}", pantry("a", "Pantry"))).await;
    assert_eq!(counts(&answer)[..4], [1, 0, 0, 2]);
    let codes: Vec<Value> = answer.json()["lines"].as_array().unwrap().iter().map(|line| line["notices"][0]["code"].clone()).collect();
    assert_eq!(codes[..2], ["not_readable", "not_readable"]);
    assert_eq!(services(&caller).await.len(), 1);

    let id = services(&caller).await[0]["id"].as_str().unwrap().to_owned();
    let other = app.clinic().await;
    for patch in [json!({ "$serde_json::private::RawValue": "[[1]]" }), json!({ "source_fields": { "x": nested(70) } })] {
        let suggestion = json!({ "base_version": 1, "patch": patch });
        other.post(&format!("/v1/services/{id}/suggestions"), suggestion).await.expect_problem(400, "malformed_request");
    }
    caller.get("/v1/changes").await.expect(200);
});

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inside, _| json!([inside]))
}

on_both!(a_taxonomy_that_is_named_by_a_text_keeps_its_name_and_only_that_of_211_its_terms_names_to_itself, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let term = |taxonomy: &str| json!({ "link_type": "service topic", "taxonomy_term": { "code": "V1", "name": "Veterans", "taxonomy": taxonomy } });
    let mut record = pantry("a", "Pantry");
    record["attributes"] = ["Veterans Affairs", "211 LA County", "AIRS"].map(term).into();
    assert_eq!(counts(&import(&caller, "", &[record]).await)[0], 1);
    let terms = services(&caller).await[0]["taxonomy_terms"].clone();
    let told = |taxonomy: &str, label: Value| json!({ "taxonomy": taxonomy, "code": "V1", "label": label, "uri": null });
    assert_eq!(terms, json!([told("Veterans Affairs", json!("Veterans")), told("211 LA County", Value::Null), told("AIRS", Value::Null)]));
});

/// The id that a partner has for an organization.
fn key_of(name: &str) -> String {
    format!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a1{}", name.trim_start_matches("org-"))
}

/// A service of an organization that is part of another one.
fn of_part(id: &str, part: &str, whole: Option<&str>) -> Value {
    let mut service = pantry(id, id);
    service["organization"] = json!({ "id": key_of(part), "name": format!("Society {part}"), "parent_organization_id": whole.map(key_of) });
    service
}

on_both!(organizations_that_would_be_part_of_themselves_are_not_joined_and_told, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let wholes = async || {
        let page = caller.get("/v1/organizations?limit=200").await.expect(200);
        let items: Vec<Value> =
            page["items"].as_array().unwrap().iter().filter(|one| one["name"] != "Alder Falls Family Clinic").cloned().collect();
        let name = |id: &Value| items.iter().find(|one| one["id"] == *id).map(|one| one["name"].as_str().unwrap().to_owned());
        let mut found: Vec<(String, Option<String>)> =
            items.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), name(&one["parent_id"]))).collect();
        found.sort();
        found
    };
    let of = |part: &str, whole: Option<&str>| (format!("Society {part}"), whole.map(|whole| format!("Society {whole}")));
    let circle = import(&caller, "", &[of_part("a", "org-1", Some("org-2")), of_part("b", "org-2", Some("org-1"))]).await;
    assert_eq!(counts(&circle), [2, 0, 0, 0, 0, 2]);
    assert_eq!(wholes().await, [of("org-1", Some("org-2")), of("org-2", None)]);
    let report = circle.json();
    assert_eq!(report["notices"]["organization_circular"], 1, "{report}");
    let line = report["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "noted").unwrap_or_else(|| panic!("{report}"));
    assert_eq!((&line["key"], &line["position"], &line["service_id"]), (&json!(key_of("org-2")), &Value::Null, &Value::Null));

    // The same over two imports, and over one more organization.
    import(&caller, "", &[of_part("c", "org-3", None), of_part("b", "org-2", Some("org-3"))]).await.expect(200);
    assert_eq!(wholes().await[1], of("org-2", Some("org-3")));
    let closing = import(&caller, "", &[of_part("c", "org-3", Some("org-1"))]).await;
    assert_eq!(closing.expect(200)["notices"]["organization_circular"], 1);
    assert_eq!(wholes().await[2], of("org-3", None));
    let first = caller.get("/v1/organizations?name=org-1").await.expect(200)["items"][0]["id"].clone();
    let below = json!({ "name": "Branch", "kind": "agency", "parent_id": first });
    let below = tokio::time::timeout(std::time::Duration::from_secs(20), caller.post("/v1/organizations", below)).await;
    below.expect("nothing is held up").expect(201);
});

on_both!(very_many_organizations_are_joined_piece_by_piece_and_come_to_the_same, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let key = |number: usize| format!("01931f4e-6c1a-7b3e-9d55-{number:012}");
    let line = |number: usize| {
        let mut service = pantry(&format!("s{number}"), &format!("Pantry {number}"));
        // The first and the last, which are of several pieces, would be part of each other.
        let whole = key(if number == 1 { 450 } else { 1 });
        service["organization"] = json!({ "id": key(number), "name": format!("Society {number}"), "parent_organization_id": whole });
        service
    };
    let answer = import(&caller, "", &(1..=450).map(line).collect::<Vec<_>>()).await;
    assert_eq!(counts(&answer), [450, 0, 0, 0, 0, 450]);
    let report = answer.json();
    assert_eq!(report["notices"]["organization_circular"], 1, "{report}");
    assert_eq!(parts(&caller.app).await, 449);
});

/// How many organizations are part of another.
pub async fn parts(app: &TestApp) -> i64 {
    use diesel::prelude::*;
    use kith::db::schema::organizations::dsl::{organizations, parent_id};
    app.state.db.read(|conn| Ok(organizations.filter(parent_id.is_not_null()).count().get_result(conn)?)).await.unwrap()
}

on_both!(a_service_has_the_key_of_its_source_whatever_keys_the_source_states, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let (mut stated, mut spoiled) = (pantry("a", "Pantry"), pantry("b", "Larder"));
    let register = json!({"system": "urn:example:register", "value": "7"});
    let provenance = json!({"source": "nobody", "url": "https://pantry.example.ca"});
    stated["kith"] = json!({"identifiers": [register, {"system": "partner", "value": "other"}], "provenance": provenance});
    spoiled["kith"] = json!({"identifiers": "none"});
    let answer = import(&caller, "&time_zone=America/Vancouver", &[stated, spoiled]).await;
    assert_eq!(counts(&answer), [2, 0, 0, 0, 0, 1], "{}", answer.json());
    let key = |value: &str| json!({"system": "partner", "value": value});
    let line = |value: &str| json!({"identifier": key(value), "capacity": {"available": 2}});
    let answers = caller.post("/v1/services/capacities", json!({"items": [line("a"), line("b")]})).await.expect(200);
    assert_eq!(answers["set"], 2, "{answers}");
    let services = services(&caller).await;
    let [pantry, larder] = ["Pantry", "Larder"].map(|name| services.iter().find(|service| service["name"] == name).unwrap());
    assert_eq!(pantry["identifiers"], json!([key("a"), register]));
    assert_eq!(pantry["source_fields"]["kith.identifiers"], json!([key("other")]), "which may be the key of another record");
    let origin = &pantry["provenance"];
    assert_eq!(
        (&origin["source"], &origin["record"], &origin["url"]),
        (&json!("partner"), &json!("a"), &json!("https://pantry.example.ca"))
    );
    assert_eq!(pantry["source_fields"]["kith.provenance.source"], "nobody");
    assert_eq!((&larder["identifiers"], &larder["source_fields"]["kith.identifiers"]), (&json!([key("b")]), &json!("none")));
});
