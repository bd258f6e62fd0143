//! What holds for every person and every directory.

use proptest::prelude::*;

use super::*;
use crate::db::types::Id;
use crate::services::brief::Brief;
use crate::services::model::{Eligibility, ReferralRoute};
use crate::services::row::ServiceRow;

/// Services of every kind of fact, each of which may be absent.
fn any_service() -> impl Strategy<Value = ServiceInput> {
    let domain = prop_oneof![Just("food-insecurity"), Just("stress"), Just("x-nature"), Just("intimate-partner-violence")];
    let domains = prop::collection::vec((domain, any::<bool>(), any::<bool>()), 0..3);
    let rules = (prop::option::of(0..90), prop::option::of(10..120), any::<bool>(), any::<bool>(), any::<bool>());
    let place = (prop::option::of(0.0..60.0_f64), any::<bool>(), prop::option::of(0..2_000));
    let offer = (0..4_usize, 0..4_usize, prop::option::of(0..9_000_i64), 0..4_usize);
    (domains, rules, place, offer, 0..3_usize).prop_map(|(domains, rules, place, offer, name)| {
        let domains: Vec<Value> = domains
            .iter()
            .map(|(code, direct, stated)| {
                json!({ "code": code, "strength": if *direct { "direct" } else { "partial" }, "basis": if *stated { "stated" } else { "inferred" } })
            })
            .collect();
        let (min_age, max_age, women_only, veterans_only, covered_only) = rules;
        let mut places = json!([{}]);
        if let Some(km) = place.0 {
            places = km_away(km);
            places[0]["transit"] = json!({ "walk_m": place.2 });
        }
        let languages = [json!([]), json!([{ "language": "en" }]), json!([{ "language": "pa" }]), json!([{ "language": "pa", "by_interpreter": true }])];
        let modes = [json!([]), json!(["in_person"]), json!(["phone"]), json!(["in_person", "video"])];
        let schedule = |day: &str| json!([{ "rrule": format!("FREQ=WEEKLY;BYDAY={day}"), "opens_at": "10:00", "closes_at": "16:00", "time_zone": "America/Vancouver" }]);
        let hours = [json!([]), schedule("MO"), schedule("SA"), schedule("TU,TH")];
        let names = ["Pantry", "Kitchen", "Garden"];
        let cost = offer.2.map_or(json!({}), |minor| json!({ "kind": "fixed", "options": [{ "amount": { "amount_minor": minor, "currency": "CAD" } }] }));
        serde_json::from_value(json!({
            "name": names[name],
            "need_domains": domains,
            "places": if place.1 { places } else { json!([]) },
            "eligibility": {
                "min_age": min_age, "max_age": max_age,
                "genders": if women_only { json!(["woman"]) } else { json!([]) },
                "populations": if veterans_only { json!(["veteran"]) } else { json!([]) },
                "coverage_required": if covered_only { json!(["extended_health"]) } else { json!([]) }
            },
            "languages": languages[offer.0], "delivery_modes": modes[offer.1], "schedules": hours[offer.3], "cost": cost
        }))
        .unwrap()
    })
}

/// The service with something in every member of it that is not of its kind of facts.
fn filled(service: &ServiceInput, number: u128) -> ServiceInput {
    let kind = ["service", "program", "asset"][number as usize % 3];
    let all: ServiceInput = serde_json::from_value(json!({
        "name": service.name, "alternate_names": ["The Hall"], "kind": kind, "provider_id": id(7), "provider_name": "Society",
        "identifiers": [{ "system": "https://directory.example.ca", "value": "svc-014" }], "language": "en", "description": "Hampers.",
        "translations": [{ "language": "fr", "name": "Garde-manger", "eligibility": "Pour tous.", "application_process": "Téléphonez." }],
        "url": "https://pantry.example.ca", "email": "pantry@example.ca", "hours_text": "Mornings", "application_process": "Call.",
        "phones": [{ "original": "211", "number": format!("+1250555{number:04}"), "kind": "voice" }], "contacts": [{ "name": "Sam" }],
        "taxonomy_terms": [{ "taxonomy": "t", "code": "c", "label": "l" }], "service_areas": [{ "kind": "text", "value": "The valley" }],
        "interpretation": "By telephone.", "accepts_referrals": true, "is_rural": true, "connector_notes": "Ask for Sam.",
        "attributes": { "dietary": ["halal"], "practices": [{ "code": "trauma_informed" }], "activities": ["gardening"], "childcare": false },
        "alerts": [{ "text": "Moved.", "shown": { "from": "2026-01-01" } }], "verification": { "last_verified_on": "2026-02-20" },
        "provenance": { "source": "demo", "record": "svc-014" }, "source_fields": { "page": "7" },
    }))
    .unwrap();
    let mut places = service.places.clone();
    for point in places.iter_mut().filter_map(|place| place.point.as_mut()) {
        // With so many digits a number in a text is read as the same.
        point.latitude = (point.latitude * 10_000.0).round() / 10_000.0;
    }
    let eligibility = Eligibility {
        income_tested: Some(true),
        referral_route: Some(ReferralRoute::Professional),
        documents_required: vec!["Proof of address".into()],
        exclusions: Some("No pets.".into()),
        text: Some("All are welcome.".into()),
        ..service.eligibility.clone()
    };
    let ServiceInput { need_domains, languages, delivery_modes, schedules, cost, .. } = service.clone();
    ServiceInput { need_domains, places, delivery_modes, schedules, eligibility, languages, cost, ..all }
}

fn any_person() -> impl Strategy<Value = Person> {
    let needs = prop::sample::subsequence(vec!["food-insecurity", "stress", "x-nature", "intimate-partner-violence"], 0..=3);
    let known = (prop::option::of(1..100), prop::option::of(Just("man")), any::<bool>(), any::<bool>(), prop::option::of(1.0..50.0_f64));
    let wishes = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (needs, known, wishes).prop_map(|(needs, known, wishes)| {
        let needs: Vec<Value> = needs.iter().map(|domain| json!({ "domain": domain })).collect();
        let (age, gender, is_no_veteran, has_no_coverage, max_km) = known;
        let (languages, budget, free, modes, must) = wishes;
        let mut person = json!({
            "needs": needs, "age": age, "gender": gender, "reach": { "max_km": max_km },
            "location": { "point": { "latitude": 49.35, "longitude": -120.12 } },
            "not_populations": if is_no_veteran { json!(["veteran"]) } else { json!([]) },
            "languages": if languages { json!(["pa"]) } else { json!([]) },
            "free_times": if free { json!([{ "day": "saturday", "from": "09:00", "until": "12:00" }]) } else { json!([]) },
            "modes": if modes { json!(["in_person"]) } else { json!([]) },
            "must_haves": if must { json!(["language", "budget", "hours", "mode", "transit"]) } else { json!([]) }
        });
        if budget {
            person["budget_per_month"] = json!({ "amount_minor": 2_000, "currency": "CAD" });
        }
        if has_no_coverage {
            person["coverage"] = json!([]);
        }
        super::person(person)
    })
}

fn any_capacity() -> impl Strategy<Value = Option<Capacity>> {
    let status = prop_oneof![Just("open"), Just("waitlist"), Just("full"), Just("closed"), Just("unknown")];
    prop::option::of(
        (status, prop::option::of(0..400)).prop_map(|(status, wait)| capacity(json!({ "status": status, "expected_wait_days": wait }))),
    )
}

fn any_directory() -> impl Strategy<Value = Vec<(ServiceInput, Option<Capacity>, Option<f64>)>> {
    prop::collection::vec((any_service(), any_capacity(), prop::option::of(0.0..1.0_f64)), 0..12)
}

fn candidates(directory: &[(ServiceInput, Option<Capacity>, Option<f64>)]) -> Vec<Candidate<'_>> {
    let numbered = directory.iter().zip(1..);
    numbered
        .map(|((service, capacity, text_fit), number)| Candidate {
            capacity: capacity.as_ref(),
            text_fit: *text_fit,
            ..candidate(number, service)
        })
        .collect()
}

/// Facts of a service that can only restrict; taking one away makes it unknown.
const RESTRICTIONS: &[fn(&mut ServiceInput)] = &[
    |service| service.eligibility.min_age = None,
    |service| service.eligibility.max_age = None,
    |service| service.eligibility.genders.clear(),
    |service| service.eligibility.populations.clear(),
    |service| service.eligibility.coverage_required.clear(),
    |service| service.languages.clear(),
    |service| service.schedules.clear(),
    |service| service.cost = Default::default(),
    |service| service.places.iter_mut().for_each(|place| place.point = None),
    |service| service.places.iter_mut().for_each(|place| place.transit = None),
];

/// Facts of a person that can only restrict.
const PERSONAL: &[fn(&mut Person)] = &[
    |person| person.age = None,
    |person| {
        person.gender = None;
        person.other_genders.clear();
    },
    |person| person.not_populations.clear(),
    |person| person.coverage = None,
    |person| person.location = Default::default(),
    |person| person.reach = Default::default(),
    |person| person.free_times.clear(),
    |person| person.modes.clear(),
    |person| person.budget_per_month = None,
    |person| person.must_haves.clear(),
];

fn is_excluded(person: &Person, service: &ServiceInput) -> bool {
    !run_services(person, std::slice::from_ref(service)).excluded.is_empty()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_candidates_does_not_matter(person in any_person(), directory in any_directory(), turn in 0..12_usize) {
        let straight = candidates(&directory);
        let mut turned = straight.clone();
        turned.reverse();
        let by = turn % turned.len().max(1);
        turned.rotate_left(by);
        prop_assert_eq!(run(&person, straight), run(&person, turned));
    }

    #[test]
    fn contributions_add_up_to_a_score_between_0_and_1(person in any_person(), directory in any_directory()) {
        for result in run(&person, candidates(&directory)).results {
            let sum: f64 = result.contributions.iter().map(|part| part.contribution).sum();
            prop_assert!((0.0..=1.0).contains(&result.score));
            prop_assert!((sum - result.score).abs() < 1e-9, "{} is not {}", sum, result.score);
            let weights: f64 = result.contributions.iter().map(|part| part.weight).sum();
            prop_assert!((weights - 1.0).abs() < 0.001);
        }
    }

    #[test]
    fn what_is_not_known_closes_no_gate(person in any_person(), service in any_service()) {
        if !is_excluded(&person, &service) {
            for forget in RESTRICTIONS {
                let mut less = service.clone();
                forget(&mut less);
                prop_assert!(!is_excluded(&person, &less));
            }
            for forget in PERSONAL {
                let mut less = person.clone();
                forget(&mut less);
                prop_assert!(!is_excluded(&less, &service));
            }
        }
    }

    #[test]
    fn more_room_never_ranks_lower(person in any_person(), mut directory in any_directory(), which in any::<prop::sample::Index>()) {
        if directory.is_empty() {
            return Ok(());
        }
        let chosen = which.index(directory.len());
        let mut rank = |status: &str| {
            directory[chosen].1 = Some(capacity(json!({ "status": status })));
            // Distinct names, so that no duplicate takes the place of another.
            for (number, (service, ..)) in directory.iter_mut().enumerate() {
                service.name = format!("Service {number}");
            }
            let id = id(chosen as u128 + 1);
            let results = rank(&person, candidates(&directory), &Setting { limit: 100, ..setting() }).results;
            results.iter().position(|result| result.service_id == id)
        };
        let (full, waitlist, open) = (rank("full"), rank("waitlist"), rank("open"));
        prop_assert!(open <= waitlist && waitlist <= full, "{open:?} {waitlist:?} {full:?}");
    }

    #[test]
    fn a_service_is_judged_by_its_brief_as_by_its_row(person in any_person(), directory in any_directory()) {
        let at = setting().at;
        let rows: Vec<ServiceRow> = directory.iter().zip(1..).map(|((service, capacity, _), number)| {
            let row = ServiceRow::new(id(number), Id::generate(), filled(service, number), at);
            capacity.iter().fold(row, |row, capacity| row.with_capacity(capacity, at))
        }).collect();
        let briefs: Vec<Brief> = rows.iter().map(|row| Brief::read(&Brief::of(row.clone()).write().unwrap()).unwrap()).collect();
        let by_row: Vec<Candidate<'_>> = rows.iter().map(|row| {
            Candidate { id: row.id, service: &row.content, capacity: row.room_for(&person.populations), text_fit: None, track_record: None }
        }).collect();
        let by_brief: Vec<Candidate<'_>> = briefs.iter().map(|brief| finder::candidate(brief, &person)).collect();
        for (row, brief) in by_row.iter().zip(&by_brief) {
            prop_assert_eq!(check_eligibility(&person, row, &setting()), check_eligibility(&person, brief, &setting()));
        }
        prop_assert_eq!(run(&person, by_row), run(&person, by_brief));
    }

    #[test]
    fn the_record_of_a_match_reads_back(person in any_person(), directory in any_directory()) {
        let found = run(&person, candidates(&directory));
        let text = serde_json::to_string(&found).unwrap();
        prop_assert_eq!(serde_json::from_str::<Suggestions>(&text).unwrap(), found);
        let text = serde_json::to_string(&person).unwrap();
        prop_assert_eq!(serde_json::from_str::<Person>(&text).unwrap(), person);
    }
}
