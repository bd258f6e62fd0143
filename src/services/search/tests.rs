use serde_json::{Value, json};

use super::*;
use crate::kind::OrganizationId;
use crate::services::index::{Card, Record};
use crate::services::model::{CapacityStatus, ServiceInput};

fn now() -> Instant {
    "2026-03-03T18:00:00Z".parse().unwrap()
}

fn id(number: u128) -> ServiceId {
    ServiceId::from_uuid(uuid::Uuid::from_u128(number))
}

fn index(services: &[Value]) -> DirectoryIndex {
    let mut index = DirectoryIndex::default();
    for (number, service) in (1..).zip(services) {
        put(&mut index, number, service.clone(), CapacityStatus::Unknown);
    }
    index
}

fn put(index: &mut DirectoryIndex, number: u128, service: Value, capacity: CapacityStatus) {
    let service: ServiceInput = serde_json::from_value(service).unwrap();
    let keeper = OrganizationId::from_uuid(uuid::Uuid::from_u128(99));
    index.upsert(Card::of(&Record {
        id: id(number),
        keeper,
        version: 1,
        updated_at: now(),
        service: &service,
        capacity,
        capacity_fresh_until: None,
        distinct_from: &[],
    }));
}

fn query(query: Value) -> ServiceQuery {
    serde_json::from_value(query).unwrap()
}

/// The numbers of the services found, in order.
fn found(index: &DirectoryIndex, asked: Value) -> Vec<u128> {
    let hits = index.search(&query(asked), None, 100, now()).unwrap().hits;
    hits.into_iter().map(|hit| hit.id.uuid().as_u128()).collect()
}

fn sorted(mut numbers: Vec<u128>) -> Vec<u128> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn words_are_found_in_both_languages_with_slips_and_endings() {
    let index = index(&[
        json!({"name": "Alder Falls Food Bank", "description": "Weekly hampers of groceries."}),
        json!({"name": "Banque alimentaire d'Épinal", "language": "fr", "description": "Paniers de nourriture."}),
        json!({"name": "Walking Group", "description": "Meets at the food court."}),
        json!({"name": "Aide au logement", "description": "Pour les aînés."}),
        json!({"name": "Counselling for families"}),
    ]);
    for (text, first) in [
        ("food bank", vec![1, 2]),
        ("banques alimentaires", vec![2, 1]),
        ("banque alimentaire epinal", vec![2]),
        ("l’épinal", vec![2]),
        ("hampers", vec![1]),
        ("hampr", vec![1]),
        ("walkin", vec![3]),
        ("housing", vec![4]),
        ("aines", vec![4]),
        ("older adults", vec![4]),
        ("counsleling", vec![5]),
        ("counseling", vec![5]),
        ("the walking of", vec![3]),
    ] {
        let hits = found(&index, json!({ "q": text }));
        assert_eq!(hits.get(..first.len()), Some(first.as_slice()), "{text}: {hits:?}");
    }
    assert_eq!(found(&index, json!({"q": "xylophone"})), Vec::<u128>::new());
    assert_eq!(found(&index, json!({"q": " ?! "})).len(), 5, "nothing to look for is no condition");
    assert_eq!(found(&index, json!({"q": "food"}))[0], 1, "the name weighs more than the description");
}

#[test]
fn words_are_found_joined_and_apart_by_postal_code_and_as_people_say_them() {
    let index = index(&[
        json!({"name": "HandyDART"}),
        json!({"name": "Falls Food Bank", "cost": {"kind": "free"}, "description": "Hampers each week."}),
        json!({"name": "9-8-8 Helpline", "delivery_modes": ["phone"]}),
        json!({"name": "Knitters", "places": [{"address": {"postal_code": "V0X 1A0"}, "accessibility": ["wheelchair"]}]}),
        json!({"name": "Gurdwara kitchen", "languages": [{"language": "pa"}, {"language": "es", "by_interpreter": true}]}),
        json!({"name": "Coffee hour", "need_domains": [{"code": "social-connection"}]}),
        json!({"name": "Rent bank"}),
        json!({"name": "Payday loans"}),
        json!({"name": "Theodore House"}),
    ]);
    for (text, wanted) in [
        ("handy dart", vec![1]),
        ("handy-dart", vec![1]),
        ("foodbank", vec![2]),
        ("free hampers", vec![2]),
        ("988", vec![3]),
        ("9-8-8", vec![3]),
        ("someone to talk to", vec![3]),
        ("quelqu'un à qui parler", vec![3]),
        ("V0X 1A0", vec![4]),
        ("v0x1a0", vec![4]),
        ("wheelchair", vec![4]),
        ("punjabi", vec![5]),
        ("pendjabi", vec![5]),
        ("spanish", vec![]),
        ("I am lonely", vec![6]),
        ("je suis seul", vec![6]),
        ("I can't pay my rent", vec![7]),
    ] {
        assert_eq!(found(&index, json!({ "q": text })), wanted, "{text}");
    }
}

#[test]
fn hits_say_which_terms_they_hold() {
    let index = index(&[json!({"name": "Food Bank", "description": "For seniors."})]);
    let hits = index.search(&query(json!({"q": "food bank seniors garden"})), None, 10, now()).unwrap().hits;
    assert_eq!(hits[0].terms, ["food bank", "seniors"]);
    assert!(hits[0].text_fit > 0.5 && hits[0].score > 5_000, "{hits:?}");
}

#[test]
fn of_many_words_most_are_enough_and_of_two_both_where_possible() {
    let index = index(&[json!({"name": "Garden tools"}), json!({"name": "Garden"}), json!({"name": "Tools for seniors near the library"})]);
    assert_eq!(found(&index, json!({"q": "garden tools"})), [1]);
    assert_eq!(sorted(found(&index, json!({"q": "garden library"}))), [1, 2, 3], "nobody has both");
}

#[test]
fn places_are_found_by_distance_and_rectangle() {
    let at = |latitude: f64, longitude: f64| json!({"point": {"latitude": latitude, "longitude": longitude}});
    let area = json!({"point": {"latitude": 49.90, "longitude": -119.49}, "point_precision": "area"});
    let ring =
        json!([{"latitude": 40.0, "longitude": -80.0}, {"latitude": 45.0, "longitude": -80.0}, {"latitude": 45.0, "longitude": -75.0}]);
    let index = index(&[
        json!({"name": "Here", "places": [at(49.889, -119.497), at(10.0, 10.0)]}),
        json!({"name": "Eight kilometres off", "places": [at(10.0, 10.0), at(49.96, -119.49)]}),
        json!({"name": "Far", "places": [at(49.28, -123.12)]}),
        json!({"name": "Somewhere in town", "places": [area]}),
        json!({"name": "By telephone", "delivery_modes": ["phone"]}),
        json!({"name": "Far, and by telephone", "places": [at(49.28, -123.12)], "delivery_modes": ["in_person", "phone"]}),
        json!({"name": "Elsewhere only", "service_areas": [{"kind": "polygon", "value": "Ontario", "ring": ring}]}),
    ]);
    let near = "49.888,-119.496";
    assert_eq!(found(&index, json!({"near": near, "radius_km": 10, "sort": "distance"})), [1, 2, 4, 5, 6]);
    assert_eq!(found(&index, json!({"near": near, "radius_km": 1, "sort": "distance", "located": true})), [1]);
    assert_eq!(found(&index, json!({"bbox": "-119.6,49.8,-119.4,49.9"})), [1]);
    assert_eq!(sorted(found(&index, json!({"near": "44.0,-79.0"}))), [5, 6, 7]);
    let hits = index.search(&query(json!({"near": near, "sort": "distance"})), None, 3, now()).unwrap().hits;
    assert_eq!((hits[1].place, hits[2].distance_m), (Some(1), None));
    assert!((7_900..8_200).contains(&hits[1].distance_m.unwrap()), "{hits:?}");
}

#[test]
fn what_is_offered_must_be_known_and_what_is_demanded_may_be_unknown() {
    let daily = json!([{"rrule": "FREQ=DAILY", "opens_at": "09:00", "closes_at": "20:00", "time_zone": "America/Vancouver"}]);
    let index = index(&[
        json!({"name": "Says nothing"}),
        json!({
            "name": "Says yes", "cost": {"kind": "free"}, "schedules": daily, "languages": [{"language": "pa-Guru"}],
            "delivery_modes": ["video"], "eligibility": {"min_age": 55}, "service_areas": [{"kind": "postal_prefix", "value": "V0X"}],
            "attributes": {"dietary": ["halal", "vegan"], "cultural_focus": ["south_asian"], "practices": [{"code": "trauma_informed"}]},
            "places": [{"accessibility": ["wheelchair"], "transit": {"walk_m": 180}, "address": {"city": "Québec"}}],
            "verification": {"last_verified_on": "2026-02-01"}, "identifiers": [{"system": "211", "value": "7"}],
            "taxonomy_terms": [{"taxonomy": "oe", "code": "1102"}],
        }),
        json!({
            "name": "Says no", "cost": {"kind": "fixed", "options": [{"amount": {"amount_minor": 1500, "currency": "CAD"}}]},
            "languages": [{"language": "pa", "by_interpreter": true}], "eligibility": {"max_age": 24}, "status": "inactive",
            "service_areas": [{"kind": "postal_prefix", "value": "K7L"}], "accepts_referrals": false,
            "verification": {"last_verified_on": "2026-02-01", "next_review_due": "2026-03-01"},
        }),
    ]);
    let any = json!(["active", "inactive"]);
    let of_any_status = |mut asked: Value| {
        asked["status"] = any.clone();
        sorted(found(&index, asked))
    };
    for (asked, expected) in [
        (json!({"free": true}), vec![2]),
        (json!({"free": false}), vec![3]),
        (json!({"max_cost_minor": 1000}), vec![2]),
        (json!({"max_cost_minor": 1500}), vec![2, 3]),
        (json!({"max_cost_minor": 1500, "currency": "USD"}), vec![2]),
        (json!({"language": ["pa"]}), vec![2, 3]),
        (json!({"language": ["pa-Guru"], "with_interpreter": false}), vec![2]),
        (json!({"mode": ["video"]}), vec![2]),
        (json!({"age": 60}), vec![1, 2]),
        (json!({"age": 20}), vec![1, 3]),
        (json!({"postal_code": "v0x 1a0"}), vec![1, 2]),
        (json!({"evenings": true}), vec![2]),
        (json!({"weekends": true}), vec![2]),
        (json!({"weekends": false}), vec![]),
        (json!({"open_at": "2026-03-03T18:00:00Z"}), vec![2]),
        (json!({"open_at": "2026-03-03T10:00:00Z"}), vec![]),
        (json!({"dietary": ["halal", "vegan"]}), vec![2]),
        (json!({"dietary": ["halal", "kosher"]}), vec![]),
        (json!({"culture": ["south_asian", "chinese"]}), vec![2]),
        (json!({"accessibility": ["wheelchair"]}), vec![2]),
        (json!({"practice": ["trauma_informed"]}), vec![2]),
        (json!({"transit_max_walk_m": 200}), vec![2]),
        (json!({"transit_max_walk_m": 100}), vec![]),
        (json!({"city": ["QUEBEC"]}), vec![2]),
        (json!({"stale": true}), vec![1, 3]),
        (json!({"stale": false}), vec![2]),
        (json!({"accepting": true}), vec![1, 2]),
        (json!({"accepting": false}), vec![3]),
        (json!({"identifier": "211|7"}), vec![2]),
        (json!({"taxonomy_term": ["oe|1102"]}), vec![2]),
        (json!({"taxonomy_term": ["1102"]}), vec![2]),
        (json!({"updated_since": "2026-03-03T18:00:01Z"}), vec![]),
        (json!({"population": ["newcomer"]}), vec![]),
    ] {
        assert_eq!(of_any_status(asked.clone()), expected, "{asked}");
    }
    assert_eq!(sorted(found(&index, json!({}))), [1, 2], "what has ended is not shown unasked");
}

#[test]
fn the_full_and_the_closed_do_not_accept() {
    let mut index = DirectoryIndex::default();
    for (number, capacity) in (1..).zip(CapacityStatus::ALL) {
        put(&mut index, number, json!({"name": "Group"}), *capacity);
    }
    let statuses = |numbers: Vec<u128>| numbers.into_iter().map(|n| CapacityStatus::ALL[n as usize - 1]).collect::<Vec<_>>();
    use CapacityStatus::{Closed, Full, Open, Unknown, Waitlist};
    assert_eq!(statuses(found(&index, json!({"accepting": true}))), [Open, Unknown, Waitlist]);
    assert_eq!(statuses(found(&index, json!({"accepting": false}))), [Full, Closed]);
    assert_eq!(statuses(found(&index, json!({"capacity": ["waitlist"]}))), [Waitlist]);
}

#[test]
fn direct_and_stated_answers_to_a_need_come_first() {
    let domain = |strength: &str, basis: &str| json!({"name": "Group", "need_domains": [{"code": "x-nature", "strength": strength, "basis": basis}]});
    let index = index(&[
        domain("partial", "inferred"),
        domain("direct", "inferred"),
        domain("partial", "stated"),
        domain("direct", "stated"),
        json!({"name": "Other"}),
    ]);
    assert_eq!(found(&index, json!({"need": ["x-nature", "x-gambling"]})), [4, 2, 3, 1]);
}

#[test]
fn facets_count_what_was_found_on_all_pages() {
    let index = index(&[
        json!({"name": "Choir", "cost": {"kind": "free"}, "languages": [{"language": "fr-CA"}], "places": [{"address": {"city": "Kelowna"}}]}),
        json!({"name": "Choir two", "languages": [{"language": "fr"}, {"language": "en"}]}),
        json!({"name": "Pool", "languages": [{"language": "de"}]}),
    ]);
    let found = index.search(&query(json!({"q": "choir", "facets": true})), None, 1, now()).unwrap();
    assert_eq!(found.hits.len(), 1);
    let facets = found.facets.unwrap();
    let count = |value: &str, count| FacetCount { value: value.into(), count };
    assert_eq!((facets.total, facets.free, facets.accepting), (2, 1, 2));
    assert_eq!(facets.language, [count("fr", 2), count("en", 1)]);
    assert_eq!(facets.city, [count("kelowna", 1)]);
}

#[test]
fn a_question_that_makes_no_sense_is_told_so() {
    let faults = |asked: Value| query(asked).faults().into_iter().map(|fault| fault.pointer).collect::<Vec<_>>();
    assert_eq!(
        faults(json!({"near": "here", "bbox": "1,2,3", "identifier": "x", "currency": "dollars"})),
        ["near", "bbox", "identifier", "currency"]
    );
    assert_eq!(faults(json!({"near": "91,0"})), ["near"]);
    assert_eq!(faults(json!({"radius_km": 5, "sort": "distance"})), ["radius_km", "sort"]);
    assert_eq!(faults(json!({"near": "1,1", "radius_km": -1})), ["radius_km"]);
    assert_eq!(faults(json!({"bbox": "170,-10,-170,10"})), Vec::<String>::new(), "across the 180th meridian");
}

/// One of a directory of services with some variety.
fn one_of_many(index: &mut DirectoryIndex, number: u128) {
    let word = ["food", "garden", "music", "housing"][number as usize % 4];
    let service = json!({
        "name": format!("{word} group {}", number % 7), "description": "help for seniors and newcomers",
        "places": [{"point": {"latitude": 49.0 + (number % 13) as f64 / 50.0, "longitude": -119.0}}],
    });
    put(index, number, service, CapacityStatus::ALL[number as usize % 5]);
}

fn varied(count: u128) -> DirectoryIndex {
    let mut index = DirectoryIndex::default();
    (1..=count).for_each(|number| one_of_many(&mut index, number));
    index
}

#[test]
fn pages_walk_every_service_once_though_others_are_added() {
    for asked in [json!({"q": "food seniors"}), json!({"near": "49.1,-119.0", "sort": "distance"}), json!({"sort": "name"}), json!({})] {
        for size in [1, 3, 10, 100] {
            let mut index = varied(60);
            let asked = query(asked.clone());
            let before: Vec<_> = index.search(&asked, None, 100, now()).unwrap().hits.iter().map(|hit| hit.id).collect();
            let (mut walked, mut after, mut added) = (Vec::new(), None, 1_000);
            loop {
                let page = index.search(&asked, after.as_ref(), size, now()).unwrap();
                walked.extend(page.hits.iter().map(|hit| hit.id));
                if added < 1_020 {
                    added += 1;
                    put(&mut index, added, json!({"name": "food group for seniors", "description": "food"}), CapacityStatus::Open);
                }
                let Some(next) = page.next else { break };
                after = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
            }
            let old: Vec<_> = walked.iter().copied().filter(|found| found.uuid().as_u128() < 1_000).collect();
            assert_eq!(old, before, "{asked:?} by {size}");
            let all = walked.len();
            walked.sort_unstable();
            walked.dedup();
            assert_eq!(walked.len(), all, "none comes twice");
        }
    }
}

#[test]
fn the_answer_does_not_depend_on_the_order_of_insertion_or_on_updates() {
    let straight = varied(40);
    let mut other = varied(40);
    for number in (1..=40).rev() {
        other.remove(id(number));
    }
    for number in (1..=40).rev().step_by(2).chain((1..=40).rev().skip(1).step_by(2)) {
        one_of_many(&mut other, number);
    }
    one_of_many(&mut other, 7);
    for asked in [json!({"q": "food senior"}), json!({"near": "49.1,-119.0"}), json!({"q": "gardn", "sort": "name"})] {
        let asked = query(asked);
        let (a, b) = (straight.search(&asked, None, 100, now()).unwrap(), other.search(&asked, None, 100, now()).unwrap());
        assert_eq!(a.hits, b.hits);
    }
}
