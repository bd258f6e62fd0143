//! One service, listed twice: what is found, what is set apart, and what a merge makes of it.

use actix_web::http::Method;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::bulk::{counts, load, results};
use crate::client::{Answer, Caller, TestApp};
use crate::harness::TestDb;

const DUPLICATES: &str = "/v1/services/duplicates";
const DISMISS: &str = "/v1/services/duplicates/dismiss";

/// A food bank of Alder Falls.
pub fn bank(name: &str, more: Value) -> Value {
    let mut service = json!({
        "name": name, "phones": [{ "original": "250-555-0142" }], "need_domains": [{ "code": "food-insecurity" }],
        "places": [{ "address": { "line1": "12 Mill St", "city": "Alder Falls" } }],
    });
    service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service
}

/// A directory that lists a food bank twice, and a choir.
pub struct Valley {
    /// Who keeps the directory.
    pub keeper: Caller,
    /// The food bank.
    pub first: String,
    /// The food bank again.
    pub second: String,
}

impl Valley {
    /// As it is at first.
    pub async fn new(db: TestDb) -> Self {
        let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
        let first = bank("Alder Falls Food Bank", json!({ "identifiers": [{ "system": "a", "value": "1" }], "description": "Ours." }));
        let first = keeper.post("/v1/services", first).await.id();
        let more = json!({ "identifiers": [{ "system": "b", "value": "2" }], "description": "Theirs.", "email": "food@example.ca" });
        let second = keeper.post("/v1/services", bank("Alder Falls Food Bank Society", more)).await.id();
        keeper.post("/v1/services", json!({ "name": "Valley choir" })).await.expect(201);
        Self { keeper, first, second }
    }

    /// What is listed as duplicates.
    pub async fn pairs(&self) -> Vec<Value> {
        self.keeper.get(DUPLICATES).await.expect(200)["items"].as_array().unwrap().clone()
    }

    /// Merges the second into the first; the first as it then is.
    pub async fn merge(&self) -> Value {
        self.keeper.post(&path(&self.first, "/merge"), json!({ "duplicate_id": self.second })).await.expect(200)
    }
}

/// Where a service is, or what belongs to it.
pub fn path(id: &str, more: &str) -> String {
    format!("/v1/services/{id}{more}")
}

fn ids(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// Imports records as a source; created, updated, unchanged, refused, retired.
pub async fn import(caller: &Caller, source: &str, more: &str, records: &[Value]) -> (Answer, [i64; 5]) {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let uri = format!("/v1/imports/services?source={source}{more}");
    let request = caller.request(Method::POST, &uri).insert_header(("content-type", "application/x-ndjson")).set_payload(lines.join("\n"));
    let answer = caller.app.send(request).await;
    let report = answer.expect(200);
    let counts = ["created", "updated", "unchanged", "refused", "retired"].map(|name| report[name].as_i64().unwrap());
    (answer, counts)
}

/// A record of a source.
pub fn record(source: &str, key: &str, name: &str, more: Value) -> Value {
    let mut record = json!({ "name": name, "identifiers": [{ "system": source, "value": key }] });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

on_both!(likely_duplicates_are_listed_with_reasons_until_somebody_says_that_they_are_two, |db| async move {
    let valley = Valley::new(db).await;
    let pairs = valley.pairs().await;
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!(pairs[0]["reasons"], json!(["similar_name", "same_phone", "same_place"]));
    assert!(pairs[0]["score"].as_u64().unwrap() >= 70);
    assert_eq!(ids(&pairs[0]["services"]), [valley.first.as_str(), &valley.second]);
    let stranger = valley.keeper.app.tenant("Other 211", OrganizationKind::Directory).await;
    assert_eq!(stranger.get(DUPLICATES).await.expect(200)["items"], json!([]), "of their own services only");

    let both = json!({ "service_ids": [valley.second, valley.first] });
    stranger.post(DISMISS, both.clone()).await.expect_problem(403, "forbidden");
    let same = valley.keeper.post(DISMISS, json!({ "service_ids": [valley.first, valley.first] })).await;
    assert_eq!(same.faults(422), [("/service_ids/1".into(), "not_allowed".into())]);
    let kept = valley.keeper.post(DISMISS, both.clone()).await.expect(200);
    assert_eq!((&kept["id"], &kept["distinct_from_ids"], &kept["version"]), (&json!(valley.first), &json!([valley.second]), &json!(2)));
    assert_eq!(valley.keeper.post(DISMISS, both).await.expect(200)["version"], 2, "once");
    assert_eq!(valley.pairs().await, Vec::<Value>::new());
    let edited = bank("Alder Falls Food Bank", json!({}));
    let edited = valley.keeper.put(&path(&valley.first, ""), 2, edited).await.expect(200);
    assert_eq!(edited["distinct_from_ids"], json!([valley.second]), "an edit does not forget it");
    assert_eq!(valley.pairs().await, Vec::<Value>::new());
});

on_both!(duplicates_are_listed_page_by_page_each_once, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    for number in 0..4 {
        for name in ["Pantry", "Pantry"] {
            let service =
                json!({ "name": format!("{name} {number} of the valley"), "phones": [{ "original": format!("250-555-010{number}") }] });
            keeper.post("/v1/services", service).await.expect(201);
        }
    }
    let (mut seen, mut next) = (Vec::new(), Some(format!("{DUPLICATES}?limit=3")));
    while let Some(at) = next {
        let page = keeper.get(&at).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|pair| pair["services"][0]["id"].clone()));
        next = page["next"].as_str().map(|cursor| format!("{DUPLICATES}?limit=3&cursor={cursor}"));
    }
    let all = seen.len();
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!((all, seen.len()), (4, 4));
});

on_both!(a_place_is_one_however_its_street_and_city_are_written, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let add = async |phone: &str, street: &str, city: &str| {
        let places = json!([{ "address": { "line1": street, "city": city } }]);
        let service = json!({ "name": "Newcomer kitchen", "phones": [{ "original": phone }], "places": places });
        keeper.post("/v1/services", service).await.id()
    };
    add("250-555-0142", "12, rue Main Ouest", "Saint-John").await;
    add("250-555-0143", "14 Main Street West", "Saint John").await;
    assert_eq!(reasons(&keeper).await, Vec::<Value>::new(), "next door is another place");
    add("250-555-0144", "Unit 4 - 12 Main St. W", "St. John").await;
    assert_eq!(reasons(&keeper).await, [json!(["same_name", "same_place"])]);
});

/// The pairs that are listed: the reasons of each.
async fn reasons(keeper: &Caller) -> Vec<Value> {
    let listed = keeper.get(DUPLICATES).await.expect(200);
    listed["items"].as_array().unwrap().iter().map(|pair| pair["reasons"].clone()).collect()
}

on_both!(one_service_of_two_sources_is_found_by_what_its_provider_is_called, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let told = |name: &str, provider: &str, more: Value| {
        let mut record = json!({ "id": "s1", "name": name, "organization": { "id": "o1", "name": provider } });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let hall = json!({ "name": "Hall", "addresses": [{ "address_1": "12 Mill St", "city": "Alder Falls" }] });
    let first = told("Chair yoga for seniors", "Seniors’ Centre, Alder Falls", json!({ "locations": [hall] }));
    assert_eq!(import(&keeper, "a", "", &[first]).await.1, [1, 0, 0, 0, 0]);
    let others = told("Chair yoga for seniors", "Youth Centre", json!({}));
    assert_eq!(import(&keeper, "b", "", &[others]).await.1, [1, 0, 0, 0, 0]);
    assert_eq!(reasons(&keeper).await, Vec::<Value>::new(), "of another provider it is another");
    let again = told("Chair yoga for senior", "SENIORS' CENTRE ALDER-FALLS", json!({}));
    assert_eq!(import(&keeper, "c", "", &[again]).await.1, [1, 0, 0, 0, 0]);
    assert_eq!(reasons(&keeper).await, [json!(["similar_name", "same_provider_name"])]);
    let pair = keeper.get(DUPLICATES).await.expect(200)["items"][0]["services"].clone();
    let mut sources: Vec<&str> = pair.as_array().unwrap().iter().map(|service| service["source"].as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["a", "c"]);
});

on_both!(branches_of_one_provider_in_different_cities_are_no_duplicates, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let army = async || keeper.make("/v1/organizations", json!({ "name": "The Salvation Army", "kind": "agency" })).await;
    let (ours, theirs) = (army().await, army().await);
    let branch = async |provider: &str, city: Option<&str>, more: Value| {
        let places: Vec<Value> = city.into_iter().map(|city| json!({ "address": { "city": city } })).collect();
        let mut service = json!({ "name": "Food bank", "provider_id": provider, "places": places });
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keeper.make("/v1/services", service).await
    };
    let toll_free = || json!({ "phones": [{ "original": "1-888-555-0142" }] });
    branch(&ours, Some("Alder Falls"), json!({})).await;
    branch(&ours, Some("Elm Creek"), toll_free()).await;
    branch(&theirs, Some("Birch Bay"), toll_free()).await;
    let areas = json!({ "service_areas": [{ "kind": "city", "value": "Cedar Lake" }] });
    branch(&theirs, None, areas).await;
    assert_eq!(reasons(&keeper).await, Vec::<Value>::new());
    branch(&theirs, Some("ALDER FALLS"), json!({})).await;
    assert_eq!(reasons(&keeper).await, [json!(["same_name", "same_provider_name"])]);
    // However many there are, the one of the same city is found, and of their like in others none.
    for number in 0..20 {
        branch(&ours, Some(format!("City {number}").as_str()), json!({})).await;
    }
    branch(&theirs, Some("City 7"), json!({ "name": "Food banks" })).await;
    let listed = reasons(&keeper).await;
    assert_eq!(listed, [json!(["same_name", "same_provider_name"]), json!(["similar_name", "same_provider_name"])]);
});

on_both!(one_city_written_in_two_ways_is_one, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    for city in ["Fort St. John", "Fort St John"] {
        let provider = keeper.make("/v1/organizations", json!({ "name": "The Salvation Army", "kind": "agency" })).await;
        let service = json!({ "name": "Food bank", "provider_id": provider, "places": [{ "address": { "city": city } }] });
        keeper.make("/v1/services", service).await;
    }
    assert_eq!(reasons(&keeper).await, [json!(["same_name", "same_provider_name"])]);
});

on_both!(a_provider_that_is_called_otherwise_has_other_duplicates_a_minute_later, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let agency = async |name: &str| keeper.make("/v1/organizations", json!({ "name": name, "kind": "agency" })).await;
    let (one, other) = (agency("Seniors' Centre").await, agency("Golden Age Club").await);
    for provider in [&one, &other] {
        keeper.make("/v1/services", json!({ "name": "Chair yoga", "provider_id": provider })).await;
    }
    assert_eq!(reasons(&keeper).await, Vec::<Value>::new());
    let renamed = json!({ "name": "Seniors’ Centre" });
    keeper.patch(&format!("/v1/organizations/{other}"), 1, renamed).await.expect(200);
    keeper.app.clock.advance(chrono::Duration::minutes(1));
    assert_eq!(reasons(&keeper).await, [json!(["same_name", "same_provider_name"])]);
});

on_both!(a_merged_record_leads_to_the_one_that_stands_for_both, |db| async move {
    let valley = Valley::new(db).await;
    let (keeper, merge) = (&valley.keeper, path(&valley.first, "/merge"));
    let input = json!({ "duplicate_id": valley.second });
    let stale = keeper.request(Method::POST, &merge).insert_header(("if-match", "\"9\"")).set_json(&input);
    keeper.app.send(stale).await.expect_problem(412, "version_mismatch");
    let own = keeper.post(&merge, json!({ "duplicate_id": valley.first })).await;
    assert_eq!(own.faults(422), [("/duplicate_id".into(), "not_allowed".into())]);
    let stranger = keeper.app.tenant("Other 211", OrganizationKind::Directory).await;
    stranger.post(&merge, input.clone()).await.expect_problem(403, "forbidden");
    let theirs = stranger.post("/v1/services", json!({ "name": "Theirs" })).await.id();
    let other = keeper.post(&merge, json!({ "duplicate_id": theirs })).await;
    assert_eq!(other.faults(422), [("/duplicate_id".into(), "not_allowed".into())]);

    let whole = valley.merge().await;
    assert_eq!((&whole["description"], &whole["email"], &whole["version"]), (&json!("Ours."), &json!("food@example.ca"), &json!(2)));
    assert_eq!(whole["alternate_names"], json!(["Alder Falls Food Bank Society"]));
    assert_eq!(whole["identifiers"].as_array().unwrap().len(), 2);
    let gone = keeper.get(&path(&valley.second, "")).await.expect_problem(410, "merged");
    assert!(gone["detail"].as_str().unwrap().contains(&path(&valley.first, "")), "{gone}");
    keeper.put(&path(&valley.second, ""), 2, bank("Again", json!({}))).await.expect_problem(410, "merged");
    let again = keeper.post(&merge, input).await;
    assert_eq!(again.faults(422), [("/duplicate_id".into(), "not_found".into())]);
    let listed = keeper.get("/v1/services?status=active&status=inactive&status=defunct").await.expect(200);
    assert!(!ids(&listed["items"]).contains(&valley.second.as_str()));
    assert_eq!(valley.pairs().await, Vec::<Value>::new());
    let by_key = bank("Alder Falls Food Bank", json!({ "identifiers": [{ "system": "b", "value": "2" }] }));
    let by_key = keeper.put_any("/v1/services/by-identifier?system=b&value=2", by_key).await.expect_problem(410, "merged");
    assert_eq!(by_key["merged_into"], json!(path(&valley.first, "")), "its keys lead there too");

    let hsds = keeper.get("/hsds/services").await.expect(200);
    let of = |id: &str| hsds["contents"].as_array().unwrap().iter().find(|service| service["id"] == id).unwrap()["status"].clone();
    assert_eq!((of(&valley.first), of(&valley.second)), (json!("active"), json!("inactive")));
    keeper.app.is_readable().await;
    let changes = keeper.get("/v1/changes?resource_type=service&limit=200").await.expect(200);
    let about = changes["items"].as_array().unwrap().iter().filter(|entry| entry["resource_id"] == json!(valley.second));
    let actions: Vec<(&Value, &Value)> = about.map(|entry| (&entry["action"], &entry["resource"]["merged_into_id"])).collect();
    assert_eq!(actions, [(&json!("created"), &Value::Null), (&json!("merged"), &json!(valley.first))]);
});

on_both!(a_sync_that_goes_on_after_a_merge_of_services_loses_nothing_and_takes_the_place_of_nothing, |db| async move {
    let valley = Valley::new(db).await;
    let keeper = &valley.keeper;
    let key = |system: &str, value: &str| json!({ "system": system, "value": value });
    let (ours, theirs) = (key("a", "1"), key("b", "2"));
    let sync = async |key: &Value, more: Value| {
        let query = format!("system={}&value={}", key["system"].as_str().unwrap(), key["value"].as_str().unwrap());
        keeper.put_any(&format!("/v1/services/by-identifier?{query}"), bank("Alder Falls Food Bank", more)).await
    };
    let by_theirs = || json!({ "identifiers": [theirs], "description": "Theirs, again." });
    valley.merge().await;
    let place = path(&valley.first, "");
    let whole = keeper.get(&place).await.expect(200);
    assert_eq!(sync(&theirs, by_theirs()).await.expect_problem(410, "merged")["merged_into"], place);
    assert_eq!(keeper.get(&place).await.expect(200), whole, "the service is as it was");

    let again = sync(&ours, json!({ "identifiers": [ours], "description": "Ours, again." })).await.expect(200);
    assert_eq!((&again["description"], &again["email"]), (&json!("Ours, again."), &json!("food@example.ca")));
    assert_eq!((&again["id"], &again["identifiers"]), (&json!(valley.first), &json!([ours, theirs])));
    assert_eq!(again["alternate_names"], json!(["Alder Falls Food Bank Society"]));
    let silent = sync(&ours, json!({ "identifiers": [ours] })).await.expect(200);
    assert_eq!(silent["description"], "Theirs.");
    let sources = keeper.get(&path(&valley.first, "/sources")).await.expect(200)["items"].clone();
    assert_eq!((&sources[0]["content"]["description"], &sources[0]["content"]["identifiers"]), (&Value::Null, &json!([ours])));
    let knowing = sync(&theirs, json!({ "identifiers": [theirs, ours], "description": "One record." })).await.expect(200);
    assert_eq!((&knowing["id"], &knowing["description"]), (&json!(valley.first), &json!("One record.")));
    sync(&theirs, by_theirs()).await.expect_problem(410, "merged");
    let many: Vec<Value> = std::iter::once(ours.clone()).chain((0..19).map(|number| key("x", &number.to_string()))).collect();
    assert_eq!(sync(&ours, json!({ "identifiers": many })).await.faults(422), [("/identifiers".into(), "too_many".into())]);
    assert_eq!(keeper.get("/v1/services").await.expect(200)["items"].as_array().unwrap().len(), 2, "nothing is there twice");

    keeper.post(&path(&valley.first, "/unmerge"), json!({ "duplicate_id": valley.second })).await.expect(200);
    assert_eq!(sync(&theirs, by_theirs()).await.expect(200)["id"], json!(valley.second), "it stands by itself again");
    assert_eq!(keeper.get(&place).await.expect(200)["identifiers"], json!([ours]));
});

on_both!(a_file_of_services_that_is_loaded_again_after_a_merge_loses_and_doubles_nothing, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let line = |key: &str, description: &str| {
        let resource = record("a", key, key, json!({ "description": description }));
        json!({ "type": "service", "resource": resource })
    };
    let file = |description: &str| format!("{}\n{}\n", line("first", description), line("second", description));
    load(&keeper, file("Old.")).await;
    let listed = keeper.get("/v1/services?sort=name").await.expect(200)["items"].clone();
    let ids = ids(&listed);
    keeper.post(&path(ids[0], "/merge"), json!({ "duplicate_id": ids[1] })).await.expect(200);

    let again = load(&keeper, file("Old.")).await;
    assert_eq!(counts(&again), [0, 0, 1, 1], "nothing has changed, and what came with the merge is no change");
    let lines = results(&keeper, &again).await;
    assert_eq!((&lines[1]["problem"]["code"], &lines[1]["problem"]["merged_into"]), (&json!("merged"), &json!(path(ids[0], ""))));
    assert_eq!(counts(&load(&keeper, file("New.")).await), [0, 1, 0, 1]);
    let listed = keeper.get("/v1/services").await.expect(200)["items"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["description"]), (1, &json!("New.")));
    assert_eq!((&listed[0]["name"], &listed[0]["alternate_names"]), (&json!("first"), &json!(["second"])));
});

on_both!(what_belongs_to_a_duplicate_follows_it, |db| async move {
    let valley = Valley::new(db).await;
    let clinic = valley.keeper.app.clinic().await;
    let patient = clinic.post("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await.id();
    let own = &valley.keeper;
    let agency = own.app.tenant("Alder Falls Meals", OrganizationKind::Agency).await;
    let given = json!({ "provider_id": agency.organization_id });
    own.patch(&path(&valley.second, ""), 1, given).await.expect(200);
    let referral = json!({
        "patient_id": patient, "kind": "service", "service_id": valley.second, "source_type": "family_physician",
        "consent": { "form": "verbal" },
    });
    let referral = clinic.post("/v1/referrals", referral).await.id();
    let entry = agency.post(&path(&valley.second, "/waitlist-entries"), json!({ "referral_id": referral })).await.expect(201);
    let slot = json!({ "service_id": valley.second, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T18:00:00Z" });
    let slot = agency.post("/v1/slots", slot).await.id();
    let capacity = json!({ "status": "waitlist", "unit": "place" });
    agency.put_any(&path(&valley.second, "/capacity"), capacity).await.expect(200);

    let whole = valley.merge().await;
    assert_eq!((&whole["capacity"]["status"], &whole["provider_id"]), (&json!("waitlist"), &json!(agency.organization_id)));
    let moved = clinic.get(&format!("/v1/referrals/{referral}")).await.expect(200);
    assert_eq!((&moved["service_id"], &moved["service"]["id"]), (&json!(valley.first), &json!(valley.first)));
    assert_eq!(clinic.get(&format!("/v1/slots/{slot}")).await.expect(200)["service_id"], json!(valley.first));
    let waits = agency.get(&path(&valley.first, "/waitlist-entries")).await.expect(200);
    assert_eq!(ids(&waits["items"]), [entry["id"].as_str().unwrap()]);
    agency.get(&path(&valley.second, "/waitlist-entries")).await.expect_problem(410, "merged");
    agency.put_any(&path(&valley.first, "/capacity"), json!({ "status": "open", "unit": "place", "available": 1 })).await.expect(200);
    let offered = agency.get(&path(&valley.first, &format!("/waitlist-entries/{}", entry["id"].as_str().unwrap()))).await.expect(200);
    assert_eq!(offered["status"], "offered");
    let said = agency.get(&path(&valley.first, "/capacity/history")).await.expect(200);
    assert_eq!(said["items"].as_array().unwrap().len(), 2, "what was said of the duplicate's room is its own now");
    let to_the_old = json!({
        "patient_id": patient, "kind": "service", "service_id": valley.second, "source_type": "family_physician",
        "consent": { "form": "verbal" },
    });
    let refused = clinic.post("/v1/referrals", to_the_old).await;
    assert_eq!(refused.faults(422), [("/service_id".into(), "not_found".into())]);
});

on_both!(whatever_is_asked_of_a_merged_record_leads_to_the_one_that_stands_for_it, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let (clinic, agency) = (keeper.app.clinic().await, keeper.app.tenant("Alder Falls Meals", OrganizationKind::Agency).await);
    keeper.patch(&path(second, ""), 1, json!({ "provider_id": agency.organization_id })).await.expect(200);
    let patient = clinic.make("/v1/patients", json!({ "names": [{ "family": "Lavallée" }] })).await;
    let referral = json!({
        "patient_id": patient, "kind": "service", "service_id": second, "source_type": "family_physician",
        "consent": { "form": "verbal" },
    });
    let referral = clinic.make("/v1/referrals", referral).await;
    let entry = agency.make(&path(second, "/waitlist-entries"), json!({ "referral_id": referral })).await;
    let entry = format!("/waitlist-entries/{entry}");
    agency.put_any(&path(second, "/capacity"), json!({ "status": "full" })).await.expect(200);
    valley.merge().await;

    for more in ["", "/history", "/capacity/history", "/sources", "/waitlist-entries", &entry] {
        let gone = agency.get(&path(second, more)).await.expect_problem(410, "merged");
        assert_eq!(gone["merged_into"], path(first, ""), "{more}");
    }
    agency.post(&path(second, &format!("{entry}/leave")), json!({})).await.expect_problem(410, "merged");
    assert_eq!(agency.get(&path(first, &entry)).await.expect(200)["status"], "waiting");
    agency.get(&path(first, "/waitlist-entries/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")).await.expect_problem(404, "not_found");

    // The history of the one tells that of the other, each version once.
    let told = revisions(keeper, first).await;
    let of = |id: &str| -> Vec<i64> { told.iter().filter(|(of, ..)| of == id).map(|(_, version, _)| *version).collect() };
    for id in [first, second] {
        assert_eq!(of(id), (1..=i64::try_from(of(id).len()).unwrap()).collect::<Vec<_>>(), "{told:?}");
    }
    assert_eq!(of(first).len() + of(second).len(), told.len());
    let place = |id: &str, action: &str| told.iter().position(|(of, _, what)| of == id && what == action).unwrap();
    assert!(place(first, "created") < place(second, "created"));
    assert!(place(second, "updated") < place(second, "merged") && place(second, "merged") < place(first, "updated"), "{told:?}");

    keeper.post(&path(first, "/unmerge"), json!({ "duplicate_id": second })).await.expect(200);
    for id in [first, second] {
        assert!(revisions(keeper, id).await.iter().all(|(of, ..)| of == id), "each has its own again");
    }
});

/// The history of a service, page by page: of which record, its version, and what was done.
async fn revisions(caller: &Caller, id: &str) -> Vec<(String, i64, String)> {
    let (mut told, mut next) = (Vec::new(), Some(path(id, "/history?limit=2")));
    while let Some(at) = next {
        let page = caller.get(&at).await.expect(200);
        told.extend(page["items"].as_array().unwrap().iter().map(|revision| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&revision["resource"]["id"]), revision["version"].as_i64().unwrap(), text(&revision["action"]))
        }));
        next = page["next"].as_str().map(|cursor| path(id, &format!("/history?limit=2&cursor={cursor}")));
    }
    told
}

on_both!(either_source_changes_the_one_record_and_none_makes_a_new_one, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let first =
        |description: &str| record("a", "1", "Food Bank", json!({ "description": description, "source_fields": { "colour": "blue" } }));
    let second = |email: &str| {
        record("b", "2", "Food Bank", json!({ "email": email, "description": "Theirs.", "source_fields": { "shape": "round" } }))
    };
    let (library, hall) = (record("a", "9", "Library", json!({})), record("b", "9", "Town hall", json!({})));
    assert_eq!(import(&keeper, "a", "", &[first("Ours."), library.clone()]).await.1, [2, 0, 0, 0, 0]);
    assert_eq!(import(&keeper, "b", "", &[second("one@example.ca"), hall.clone()]).await.1, [2, 0, 0, 0, 0]);
    let listed = keeper.get("/v1/services").await.expect(200);
    let of = |source: &str| {
        let found = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|service| service["name"] == "Food Bank" && service["provenance"]["source"] == source);
        found.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (one, other) = (of("a"), of("b"));
    keeper.post(&path(&one, "/merge"), json!({ "duplicate_id": other })).await.expect(200);
    let says = |service: &Value| (service["description"].clone(), service["email"].clone());
    let read = || async { keeper.get(&path(&one, "")).await.expect(200) };
    assert_eq!(says(&read().await), (json!("Ours."), json!("one@example.ca")));

    assert_eq!(import(&keeper, "b", "", &[second("one@example.ca")]).await.1, [0, 0, 1, 0, 0]);
    assert_eq!(import(&keeper, "b", "", &[second("two@example.ca")]).await.1, [0, 1, 0, 0, 0]);
    assert_eq!(says(&read().await), (json!("Ours."), json!("two@example.ca")));
    assert_eq!(import(&keeper, "a", "", &[first("Ours, again.")]).await.1, [0, 1, 0, 0, 0]);
    assert_eq!(says(&read().await), (json!("Ours, again."), json!("two@example.ca")));
    assert_eq!(keeper.get("/v1/services").await.expect(200)["items"].as_array().unwrap().len(), 3);
    let sources = keeper.get(&path(&one, "/sources")).await.expect(200)["items"].clone();
    let told =
        |index: usize| (sources[index]["source"].clone(), sources[index]["is_own"].clone(), sources[index]["content"]["email"].clone());
    assert_eq!((told(0), told(1)), ((json!("a"), json!(true), Value::Null), (json!("b"), json!(false), json!("two@example.ca"))));
    assert_eq!(sources[1]["content"]["source_fields"]["shape"], "round");

    assert_eq!(import(&keeper, "a", "&retire_missing=true", &[library]).await.1, [0, 0, 1, 0, 0], "the other source still lists it");
    assert_eq!(read().await["status"], "active");
    assert_eq!(import(&keeper, "b", "&retire_missing=true", &[hall]).await.1, [0, 0, 1, 0, 1]);
    assert_eq!(read().await["status"], "inactive");
    assert_eq!(import(&keeper, "b", "", &[second("three@example.ca")]).await.1, [0, 1, 0, 0, 0]);
    assert_eq!((read().await["status"].clone(), says(&read().await).1), (json!("active"), json!("three@example.ca")));
});

on_both!(a_key_that_is_known_from_another_source_makes_one_more_source_of_the_same_service, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let with_register = |source: &str, key: &str, more: Value| {
        let mut record = record(source, key, "Food Bank", more);
        record["identifiers"].as_array_mut().unwrap().push(json!({ "system": "register", "value": "42" }));
        record
    };
    assert_eq!(import(&keeper, "a", "", &[with_register("a", "1", json!({}))]).await.1, [1, 0, 0, 0, 0]);
    let theirs = with_register("b", "2", json!({ "email": "food@example.ca" }));
    let (answer, counts) = import(&keeper, "b", "", std::slice::from_ref(&theirs)).await;
    assert_eq!(counts, [0, 1, 0, 0, 0]);
    assert_eq!(answer.json()["lines"][0]["notices"][0]["code"], "second_source");
    assert_eq!(import(&keeper, "b", "", &[theirs]).await.1, [0, 0, 1, 0, 0]);
    let listed = keeper.get("/v1/services").await.expect(200)["items"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["email"]), (1, &json!("food@example.ca")));
    let sources = keeper.get(&path(listed[0]["id"].as_str().unwrap(), "/sources")).await.expect(200)["items"].clone();
    assert_eq!((&sources[0]["source"], &sources[1]["source"]), (&json!("a"), &json!("b")));
    let again = with_register("b", "3", json!({}));
    assert_eq!(import(&keeper, "b", "", &[again]).await.1, [0, 0, 0, 1, 0], "a source says one thing of one service");
});

on_both!(what_was_changed_here_of_a_duplicate_stands_in_what_it_became_until_its_source_says_otherwise, |db| async move {
    let keeper = TestApp::new(db).await.tenant("Valley 211", OrganizationKind::Directory).await;
    let theirs = |name: &str, more: Value| record("b", "2", name, more);
    import(&keeper, "a", "", &[record("a", "1", "Food Bank", json!({}))]).await;
    import(&keeper, "b", "", &[theirs("The Food Bank", json!({}))]).await;
    let listed = keeper.get("/v1/services?limit=10").await.expect(200);
    let id_of = |name: &str| {
        let services = listed["items"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (one, other) = (id_of("Food Bank"), id_of("The Food Bank"));
    keeper.patch(&path(&other, ""), 1, json!({ "email": "by-hand@example.ca" })).await.expect(200);
    keeper.post(&path(&one, "/merge"), json!({ "duplicate_id": other })).await.expect(200);
    let email = async || keeper.get(&path(&one, "")).await.expect(200)["email"].clone();
    assert_eq!(email().await, "by-hand@example.ca");
    import(&keeper, "b", "", &[theirs("The Food Bank of the valley", json!({}))]).await;
    assert_eq!(email().await, "by-hand@example.ca", "its source has never said one");
    import(&keeper, "b", "", &[theirs("The Food Bank", json!({ "email": "theirs@example.ca" }))]).await;
    assert_eq!(email().await, "theirs@example.ca");
});
