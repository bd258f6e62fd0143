//! Searching the directory: by words, places and conditions, page by page, counted and on a map.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::{PATH, create, directory, names, pantry};
use crate::client::{Answer, Caller};
use crate::harness::TestDb;

/// A small town's directory.
async fn town(caller: &Caller) {
    let at = |latitude: f64, longitude: f64| json!([{ "point": { "latitude": latitude, "longitude": longitude }, "address": { "city": "Épinal" } }]);
    let services = [
        pantry(),
        json!({ "name": "Banque alimentaire d'Épinal", "language": "fr", "places": at(49.90, -119.49), "need_domains": [{ "code": "food-insecurity" }],
            "languages": [{ "language": "fr" }] }),
        json!({ "name": "Walking Group", "places": at(49.70, -119.50), "attributes": { "activities": ["walking"] },
            "need_domains": [{ "code": "x-physical-activity" }], "eligibility": { "min_age": 55 } }),
        json!({ "name": "Friendly Calls", "delivery_modes": ["phone"], "need_domains": [{ "code": "social-connection" }],
            "description": "A volunteer telephones people who are lonely." }),
        json!({ "name": "Old Program", "status": "defunct" }),
    ];
    for service in services {
        create(caller, service).await;
    }
}

on_both!(the_directory_is_searched_by_words_place_and_conditions, |db| async move {
    let caller = directory(db).await;
    town(&caller).await;
    for (query, expected) in [
        ("q=food+bank", &["Alder Falls Food Bank", "Banque alimentaire d'Épinal"][..]),
        ("q=banques%20alimentaires&language=fr", &["Banque alimentaire d'Épinal"]),
        ("q=%C3%A9pinal&sort=name", &["Banque alimentaire d'Épinal", "Walking Group"]),
        ("q=hampr", &["Alder Falls Food Bank"]),
        ("q=seul", &["Friendly Calls"]),
        ("q=walkin", &["Walking Group"]),
        ("need=food-insecurity&language=pa", &["Alder Falls Food Bank"]),
        ("language=pa&with_interpreter=false", &[]),
        ("near=49.888,-119.496&radius_km=5&located=true&sort=distance", &["Alder Falls Food Bank", "Banque alimentaire d'Épinal"]),
        ("near=49.888,-119.496&radius_km=5&sort=distance", &["Alder Falls Food Bank", "Banque alimentaire d'Épinal", "Friendly Calls"]),
        ("bbox=-119.6,49.6,-119.4,49.8", &["Walking Group"]),
        ("open_at=2026-03-02T17:30:00Z", &["Alder Falls Food Bank"]),
        ("open_at=2026-03-02T21:30:00Z", &[]),
        ("free=true", &["Alder Falls Food Bank"]),
        ("mode=phone", &["Friendly Calls"]),
        ("age=40&sort=name&mode=in_person", &["Alder Falls Food Bank", "Banque alimentaire d'Épinal"]),
        ("stale=false", &["Alder Falls Food Bank"]),
        ("city=epinal&sort=name", &["Banque alimentaire d'Épinal", "Walking Group"]),
        ("status=defunct", &["Old Program"]),
        ("evenings=true", &[]),
        ("evenings=false", &["Alder Falls Food Bank"]),
    ] {
        assert_eq!(names(&caller.get(&format!("{PATH}?{query}")).await), expected, "{query}");
    }
    let near = caller.get(&format!("{PATH}?near=49.888,-119.496&q=food&limit=1")).await;
    let hit = near.expect(200)["items"][0]["hit"].clone();
    assert_eq!((&hit["distance_m"], &hit["place"], &hit["matched_terms"]), (&json!(0), &json!(0), &json!(["food"])));
    assert!(hit["score"].as_f64().unwrap() > 0.5, "{hit}");
    assert!(near.header("link").unwrap().ends_with("rel=\"next\""));
    let by_post = caller.post("/v1/services/search", json!({ "near": "49.888,-119.496", "q": "food", "limit": 1 })).await;
    assert_eq!(by_post.json()["items"], near.json()["items"], "the body asks the same");
});

on_both!(searches_tell_what_is_wrong_with_them, |db| async move {
    let caller = directory(db).await;
    for (query, parameter) in [
        ("near=here", "near"),
        ("near=91,0", "near"),
        ("bbox=1,2,3", "bbox"),
        ("radius_km=5", "radius_km"),
        ("sort=distance", "sort"),
        ("age=131", "age"),
        ("currency=dollars", "currency"),
        ("limit=201", "limit"),
        ("mode=telepathy", "mode"),
        ("open_at=noon", "open_at"),
        ("cursor=abc", "cursor"),
    ] {
        let problem = caller.get(&format!("{PATH}?{query}")).await.expect_problem(400, "malformed_request");
        assert_eq!(problem["errors"][0]["pointer"], parameter, "{query}: {problem}");
    }
    caller.get(&format!("{PATH}?colour=red")).await.expect_problem(400, "malformed_request");
    let body = caller.post("/v1/services/search", json!({ "near": "here", "sort": "distance", "colour": 1 })).await;
    assert_eq!(body.faults(422), [("/colour".into(), "unknown_field".into())]);
    let body = caller.post("/v1/services/search", json!({ "near": "here", "radius_km": 1, "identifier": "x" })).await;
    assert_eq!(body.faults(422), [("/identifier".into(), "invalid_identifier".into()), ("/near".into(), "invalid_point".into())]);
});

on_both!(pages_walk_the_directory_once_while_it_grows, |db| async move {
    let caller = directory(db).await;
    for number in 0..7 {
        create(&caller, json!({ "name": format!("Choir {number}"), "description": "Singing for seniors" })).await;
    }
    for query in ["q=choir", "sort=name", "q=singing+seniors&sort=name", ""] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = caller.get(&format!("{PATH}?limit=3&{query}{cursor}")).await;
            seen.extend(names(&page));
            create(&caller, json!({ "name": "Another thing", "description": "Seniors" })).await;
            match page.json()["next"].as_str() {
                Some(next) if seen.len() < 30 => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        seen.retain(|name| name.starts_with("Choir"));
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), all), (7, 7), "{query}");
    }
    let first = caller.get(&format!("{PATH}?limit=1&q=choir")).await.expect(200);
    let other = format!("{PATH}?limit=1&q=singing&cursor={}", first["next"].as_str().unwrap());
    caller.get(&other).await.expect_problem(400, "malformed_request");
});

on_both!(facets_count_and_maps_are_drawn, |db| async move {
    let caller = directory(db).await;
    town(&caller).await;
    assert_eq!(caller.get(PATH).await.expect(200)["facets"], Value::Null);
    let facets = caller.get(&format!("{PATH}?facets=true&limit=1")).await.expect(200)["facets"].clone();
    assert_eq!((&facets["total"], &facets["free"], &facets["accepting"]), (&json!(4), &json!(1), &json!(4)));
    assert_eq!(facets["need"][0], json!({ "value": "food-insecurity", "count": 2 }));
    assert_eq!(facets["city"], json!([{ "value": "epinal", "count": 2 }, { "value": "alder falls", "count": 1 }]));

    let request =
        caller.request(Method::GET, &format!("{PATH}?near=49.888,-119.496&radius_km=5")).insert_header(("accept", "application/geo+json"));
    let map = caller.app.send(request).await;
    let collection = map.expect(200);
    assert_eq!((map.header("content-type"), &collection["type"]), (Some("application/geo+json"), &json!("FeatureCollection")));
    let points: Vec<_> =
        collection["features"].as_array().unwrap().iter().map(|feature| feature["geometry"]["coordinates"].clone()).collect();
    assert_eq!(points, [json!([-119.496, 49.888]), json!([-119.49, 49.90])]);
    assert_eq!(collection["features"][0]["properties"]["distance_m"], 0);
});

/// Both databases give the same answers in the same order to the same questions.
#[actix_web::test]
async fn both_databases_answer_alike() {
    let Some(postgres) = TestDb::postgres() else { return };
    let callers = [directory(TestDb::sqlite()).await, directory(postgres).await];
    let words = ["food", "garden", "housing", "walking", "senior", "music", "logement", "jardin"];
    for (number, word) in (0..40).zip(words.iter().cycle()) {
        let other = words[(number * 5 + 3) % words.len()];
        let latitude = 49.5 + (number % 9) as f64 / 10.0;
        let service = json!({
            "name": format!("{word} group {}", number % 6), "description": format!("{other} for everyone"),
            "places": if number % 3 == 0 { json!([]) } else { json!([{ "point": { "latitude": latitude, "longitude": -119.5 } }]) },
            "cost": if number % 2 == 0 { json!({ "kind": "free" }) } else { json!({}) },
            "need_domains": [{ "code": if number % 4 == 0 { "food-insecurity" } else { "x-nature" }, "basis": if number % 5 == 0 { "inferred" } else { "stated" } }],
            "identifiers": [{ "system": "n", "value": number.to_string() }],
        });
        for caller in &callers {
            create(caller, service.clone()).await;
        }
    }
    let key = |answer: Answer| -> Vec<Value> {
        answer.expect(200)["items"].as_array().unwrap().iter().map(|item| json!([item["identifiers"][0]["value"], item["hit"]])).collect()
    };
    for query in [
        "q=food",
        "q=gardn",
        "q=housing+everyone",
        "q=jardin&free=true",
        "near=49.9,-119.5&q=music",
        "near=49.9,-119.5&sort=distance",
        "need=x-nature",
        "need=food-insecurity&sort=name",
        "q=senior&limit=5",
        "free=true&facets=true",
        "bbox=-120,49.4,-119,49.8",
    ] {
        let [sqlite, postgres] = [callers[0].get(&format!("{PATH}?{query}")).await, callers[1].get(&format!("{PATH}?{query}")).await];
        assert_eq!(sqlite.json()["facets"], postgres.json()["facets"], "{query}");
        assert_eq!(key(sqlite), key(postgres), "{query}");
    }
}

on_both!(every_facet_is_a_condition_that_finds_what_it_counts, |db| async move {
    let caller = directory(db).await;
    create(&caller, pantry()).await;
    create(&caller, json!({ "name": "Choir", "cost": { "kind": "membership" }, "delivery_modes": ["video"] })).await;
    create(&caller, json!({ "name": "Lunch", "cost": { "kind": "donation" }, "attributes": { "dietary": ["halal"] } })).await;
    let facets = caller.get(&format!("{PATH}?facets=true")).await.expect(200)["facets"].clone();
    let mut asked = 0;
    for (name, counts) in facets.as_object().unwrap() {
        let flag = counts.as_u64().filter(|_| name != "total").map(|count| ("true".to_owned(), count));
        let values = counts.as_array().into_iter().flatten();
        let values = values.map(|one| (one["value"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap()));
        for (value, count) in values.chain(flag) {
            let found = caller.get(&format!("{PATH}?{name}={}&facets=true", value.replace(' ', "%20"))).await;
            assert_eq!(found.expect(200)["facets"]["total"], count, "{name}={value}");
            asked += 1;
        }
    }
    assert!(asked > 15, "{facets}");
    assert_eq!(names(&caller.get(&format!("{PATH}?cost=donation&cost=membership&sort=name")).await), ["Choir", "Lunch"]);
    caller.get(&format!("{PATH}?cost=gold")).await.expect_problem(400, "malformed_request");
});

on_both!(a_search_in_the_words_of_a_person_finds_what_they_mean, |db| async move {
    let caller = directory(db).await;
    create(&caller, pantry()).await;
    create(&caller, json!({ "name": "Ligne 9-8-8", "description": "Écoute jour et nuit.", "languages": [{ "language": "fr" }] })).await;
    create(&caller, json!({ "name": "HandyDART", "places": [{ "address": { "postal_code": "V0X 1A0" } }] })).await;
    for (text, wanted) in [
        ("foodbank", "Alder Falls Food Bank"),
        ("épicerie gratuite", "Alder Falls Food Bank"),
        ("someone to talk to", "Ligne 9-8-8"),
        ("988", "Ligne 9-8-8"),
        ("french", "Ligne 9-8-8"),
        ("handy dart", "HandyDART"),
        ("v0x1a0", "HandyDART"),
    ] {
        let answer = caller.post(&format!("{PATH}/search"), json!({ "q": text })).await;
        assert_eq!(names(&answer), [wanted], "{text}");
    }
});
