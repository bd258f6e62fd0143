//! What ranks a service above another, and what is said of it.

use super::*;
use crate::types::DOMAINS;

fn value(person: &Person, service: &ServiceInput, criterion: Criterion) -> f64 {
    part(&only(person, service), criterion).1
}

fn found(person: &Person, service: &ServiceInput, criterion: Criterion) -> String {
    part(&only(person, service), criterion).0
}

#[test]
fn a_need_answered_directly_and_by_the_source_fits_best() {
    let person = hungry(json!({}));
    let with = |strength: &str, basis: &str| {
        value(
            &person,
            &pantry(json!({ "need_domains": [{ "code": "food-insecurity", "strength": strength, "basis": basis }] })),
            Criterion::Need,
        )
    };
    let values = [with("direct", "stated"), with("direct", "inferred"), with("partial", "stated"), with("partial", "inferred")];
    assert!((values[0] - 1.0).abs() < 1e-9 && values.is_sorted_by(|a, b| a > b), "{values:?}");
}

#[test]
fn an_inferred_answer_is_to_be_checked() {
    let service = pantry(json!({ "need_domains": [{ "code": "food-insecurity", "basis": "inferred", "evidence": "category: Food" }] }));
    let suggestion = only(&hungry(json!({})), &service);
    assert_eq!(codes(&suggestion.to_check), ["inferred_need"]);
    assert!(suggestion.to_check[0].sentence.en.contains("category: Food"));
}

#[test]
fn severe_and_basic_needs_come_first_and_several_are_better_than_one() {
    let person = person(json!({ "needs": [
        { "domain": "x-arts-culture" }, { "domain": "food-insecurity" }, { "domain": "stress", "severity": "high" }
    ] }));
    let answering = |domains: &[&str]| {
        let domains: Vec<Value> = domains.iter().map(|code| json!({ "code": code })).collect();
        value(&person, &pantry(json!({ "need_domains": domains })), Criterion::Need)
    };
    assert!(answering(&["food-insecurity"]) > answering(&["x-arts-culture"]));
    assert!(answering(&["food-insecurity", "stress"]) > answering(&["food-insecurity"]));
    let both = only(&person, &pantry(json!({ "need_domains": [{ "code": "food-insecurity" }, { "code": "stress" }] })));
    assert_eq!(both.answers, ["food-insecurity", "stress"]);
}

#[test]
fn a_need_without_a_wish_for_help_is_not_matched() {
    let person = person(json!({ "needs": [{ "domain": "food-insecurity", "wants_help": false }, { "domain": "stress" }] }));
    assert!(run_services(&person, &[pantry(json!({}))]).results.is_empty());
}

#[test]
fn nearer_is_better_and_help_without_travel_is_near_enough() {
    let person = hungry(json!({ "reach": { "how": "walk" } }));
    let at = |km: f64| value(&person, &pantry(json!({ "places": km_away(km) })), Criterion::Reach);
    assert!(at(0.2) > at(1.0) && at(1.0) > at(5.0));
    let by_phone = pantry(json!({ "places": km_away(50.0), "delivery_modes": ["in_person", "phone"] }));
    assert_eq!(found(&person, &by_phone, Criterion::Reach), "without_travel");
    let in_person_only = hungry(json!({ "modes": ["in_person"] }));
    assert_eq!(found(&in_person_only, &by_phone, Criterion::Reach), "distance");
    assert_eq!(found(&person, &pantry(json!({ "places": [{ "address": { "city": "alder falls" } }] })), Criterion::Reach), "same_town");
    assert_eq!(found(&person, &pantry(json!({})), Criterion::Reach), "place_unknown");
    assert_eq!(only(&person, &pantry(json!({ "places": km_away(1.0) }))).distance_m, Some(1_000));
}

#[test]
fn a_place_far_from_the_stop_is_of_less_use_to_who_takes_the_bus() {
    let by_bus = hungry(json!({ "reach": { "how": "transit" } }));
    let stop = |walk_m: i32| {
        let mut places = km_away(3.0);
        places[0]["transit"] = json!({ "walk_m": walk_m });
        value(&by_bus, &pantry(json!({ "places": places })), Criterion::Reach)
    };
    assert!(stop(100) > stop(2_000));
}

#[test]
fn the_first_language_is_best_and_an_interpreter_is_said() {
    let person = hungry(json!({ "languages": ["pa", "en"] }));
    let with = |languages: Value| pantry(json!({ "languages": languages }));
    assert_eq!(found(&person, &with(json!([{ "language": "en" }, { "language": "pa" }])), Criterion::Language), "language_spoken");
    let (first, second) = (with(json!([{ "language": "pa" }])), with(json!([{ "language": "en-CA" }])));
    assert!(value(&person, &first, Criterion::Language) > value(&person, &second, Criterion::Language));
    let interpreted = only(&person, &with(json!([{ "language": "fr" }, { "language": "pa", "by_interpreter": true }])));
    assert_eq!(codes(&interpreted.warnings), ["by_interpreter"]);
    assert_eq!(interpreted.warnings[0].sentence.fr, "En pendjabi avec interprète : le demander d’avance.");
    let other = run_services(&person, &[with(json!([{ "language": "fr" }]))]);
    assert_eq!(codes(&other.results[0].warnings), ["other_language"]);
    assert_eq!(other.unanswered[0].reasons, [UnmetReason::WrongLanguage]);
}

#[test]
fn cost_is_judged_by_the_budget() {
    let person = hungry(json!({ "budget_per_month": { "amount_minor": 2_000, "currency": "CAD" } }));
    let priced = |minor: i64, per: &str| {
        pantry(json!({ "cost": { "kind": "fixed", "options": [{ "amount": { "amount_minor": minor, "currency": "CAD" }, "per": per }] } }))
    };
    assert_eq!(part(&only(&person, &pantry(json!({ "cost": { "kind": "free" } }))), Criterion::Cost), ("cost_free".into(), 1.0));
    assert_eq!(found(&person, &priced(450, "visit"), Criterion::Cost), "cost_within_budget");
    assert_eq!(found(&person, &priced(550, "visit"), Criterion::Cost), "cost_over_budget");
    assert_eq!(found(&person, &priced(12_000, "year"), Criterion::Cost), "cost_within_budget");
    assert_eq!(codes(&only(&person, &priced(550, "visit")).warnings), ["over_budget"]);
    let in_dollars = pantry(json!({ "cost": { "kind": "fixed", "options": [{ "amount": { "amount_minor": 1, "currency": "USD" } }] } }));
    assert_eq!(found(&person, &in_dollars, Criterion::Cost), "cost_unknown");
}

#[test]
fn hours_are_compared_with_free_time() {
    let person = hungry(json!({ "free_times": [{ "day": "saturday", "from": "09:00", "until": "12:00" }] }));
    let open = |day: &str| {
        pantry(
            json!({ "schedules": [{ "rrule": format!("FREQ=WEEKLY;BYDAY={day}"), "opens_at": "10:00", "closes_at": "16:00", "time_zone": "America/Vancouver" }] }),
        )
    };
    assert_eq!(part(&only(&person, &open("SA")), Criterion::Hours), ("hours_fit".into(), 1.0));
    assert_eq!(part(&only(&person, &open("MO")), Criterion::Hours), ("hours_differ".into(), 0.0));
    assert_eq!(found(&person, &pantry(json!({})), Criterion::Hours), "hours_unknown");
}

#[test]
fn a_mode_that_needs_a_screen_is_no_use_without_one() {
    let person = hungry(json!({ "digital_access": "none" }));
    let given = |mode: &str| pantry(json!({ "delivery_modes": [mode] }));
    assert_eq!(found(&person, &given("video"), Criterion::Mode), "mode_other");
    assert_eq!(found(&person, &given("phone"), Criterion::Mode), "mode_fits");
    let wishes = hungry(json!({ "modes": ["in_person", "phone"] }));
    assert!(value(&wishes, &given("in_person"), Criterion::Mode) > value(&wishes, &given("phone"), Criterion::Mode));
    assert_eq!(found(&wishes, &given("online"), Criterion::Mode), "mode_other");
    assert_eq!(found(&wishes, &pantry(json!({ "places": [{}] })), Criterion::Mode), "mode_fits", "a place is where one goes in person");
}

#[test]
fn accommodations_ask_for_what_meets_them() {
    let person = hungry(json!({ "accommodations": ["hearing"], "childcare_needed": true }));
    let both = pantry(json!({ "places": [{ "accessibility": ["hearing_loop"] }], "attributes": { "childcare": true } }));
    assert_eq!(part(&only(&person, &both), Criterion::Accessibility), ("accessible".into(), 1.0));
    let one = pantry(json!({ "places": [{ "accessibility": ["hearing_loop"] }] }));
    assert_eq!(part(&only(&person, &one), Criterion::Accessibility), ("accessible_in_part".into(), 0.7));
}

#[test]
fn culture_and_diet_and_company_count_where_wished() {
    let person = hungry(json!({ "cultures": ["south_asian"], "dietary": ["vegetarian"] }));
    let both = pantry(json!({ "attributes": { "cultural_focus": ["South Asian"], "dietary": ["vegetarian"] } }));
    let one = pantry(json!({ "attributes": { "dietary": ["vegetarian"] } }));
    let other = pantry(json!({ "attributes": { "cultural_focus": ["francophone"], "dietary": ["vegetarian"] } }));
    assert!((value(&person, &both, Criterion::Culture) - 1.0).abs() < 1e-9);
    assert!(value(&person, &both, Criterion::Culture) > value(&person, &one, Criterion::Culture));
    assert!(value(&person, &one, Criterion::Culture) > value(&person, &other, Criterion::Culture));
    let with_women = hungry(json!({ "group_preferences": ["woman"] }));
    assert_eq!(found(&with_women, &pantry(json!({ "eligibility": { "genders": ["women"] } })), Criterion::Culture), "company_fits");
}

#[test]
fn a_shared_interest_counts_and_brings_a_service_in_by_itself() {
    let person = person(json!({ "interests": ["gardening"] }));
    let garden: ServiceInput = serde_json::from_value(json!({ "name": "Garden", "attributes": { "activities": ["Gardening"] } })).unwrap();
    let choir: ServiceInput = serde_json::from_value(json!({ "name": "Choir", "attributes": { "activities": ["music"] } })).unwrap();
    let found = run_services(&person, &[garden, choir]);
    assert_eq!(found.results.iter().map(|result| result.name.as_str()).collect::<Vec<_>>(), ["Garden"]);
    assert_eq!(part(&found.results[0], Criterion::Interests).0, "interest_shared");
}

#[test]
fn a_population_alone_is_a_question() {
    let person = person(json!({ "populations": ["disability"] }));
    let made_for: ServiceInput =
        serde_json::from_value(json!({ "name": "A", "attributes": { "populations_served": ["disability"] } })).unwrap();
    let other: ServiceInput = serde_json::from_value(json!({ "name": "B" })).unwrap();
    assert_eq!(run_services(&person, &[made_for, other]).results.len(), 1);
}

#[test]
fn room_ranks_above_a_list_and_a_list_above_none() {
    let (person, service) = (hungry(json!({})), pantry(json!({})));
    let score = |status: Value| {
        let capacity = capacity(status);
        run(&person, [Candidate { capacity: Some(&capacity), ..candidate(1, &service) }]).results[0].score
    };
    let scores = [
        score(json!({ "status": "open" })),
        score(json!({ "status": "waitlist", "expected_wait_days": 7 })),
        score(json!({ "status": "waitlist", "expected_wait_days": 150 })),
        score(json!({ "status": "full" })),
    ];
    assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
    assert!((score(json!({ "status": "open", "available": 0 })) - scores[3]).abs() < 1e-9);
    let old = score(json!({ "status": "open", "as_of": "2025-01-01T00:00:00Z" }));
    assert!(old < scores[0] && old > scores[3]);
}

#[test]
fn what_was_checked_lately_ranks_above_what_was_not() {
    let person = hungry(json!({}));
    let checked = |on: &str| pantry(json!({ "verification": { "last_verified_on": on } }));
    assert!(value(&person, &checked("2026-02-01"), Criterion::Freshness) > value(&person, &checked("2025-03-01"), Criterion::Freshness));
    assert_eq!(codes(&only(&person, &checked("2023-01-01")).warnings), ["stale"]);
    assert_eq!(codes(&only(&person, &pantry(json!({ "verification": { "next_review_due": "2026-02-01" } }))).warnings), ["review_overdue"]);
}

#[test]
fn earlier_referrals_count_once_there_are_enough_and_never_exclude() {
    let (person, service) = (hungry(json!({})), pantry(json!({})));
    let with = |accepted, completed, hours: i64| {
        let figures = Figures { waits: 20, median_minutes: Some(hours * 60), decided: 20, accepted, ended: accepted, completed };
        let track_record = Some(Responsiveness::of(&figures, None));
        let run = run(&person, [Candidate { track_record, ..candidate(1, &service) }]);
        part(&run.results[0], Criterion::TrackRecord)
    };
    let unknown = Weights::standard().neutral.track_record;
    let few = Responsiveness::of(&Figures { waits: 9, median_minutes: Some(60), decided: 9, accepted: 0, ended: 0, completed: 0 }, None);
    for track_record in [None, Some(few)] {
        let run = run(&person, [Candidate { track_record, ..candidate(1, &service) }]);
        let (code, value) = part(&run.results[0], Criterion::TrackRecord);
        assert_eq!((code.as_str(), value), ("no_earlier_referrals", unknown));
    }
    assert_eq!(with(20, 18, 24).0, "earlier_referrals");
    assert!(with(20, 18, 24).1 > with(8, 4, 24).1);
    assert!(with(20, 18, 24).1 > with(20, 18, 24 * 21).1);
    assert!(with(0, 0, 24 * 60).1 >= 0.0, "ranked last at worst");
}

#[test]
fn the_texts_of_a_result_are_plain_in_both_languages() {
    let person = hungry(json!({ "budget_per_month": { "amount_minor": 0, "currency": "CAD" } }));
    let service = pantry(json!({
        "places": km_away(1.24), "cost": { "kind": "free" }, "translations": [{ "language": "fr", "name": "Garde-manger" }]
    }));
    let why = only(&person, &service).why;
    assert_eq!(why.codes, ["need_direct", "distance", "cost_free"]);
    assert_eq!(why.sentence.en, "Pantry answers the need “Food”, is 1.2 km away and is free.");
    assert_eq!(why.sentence.fr, "Garde-manger répond au besoin « Alimentation », se trouve à 1,2 km et ne coûte rien.");
}

#[test]
fn an_alert_is_shown_while_it_is_in_force() {
    let alert = |until: &str| pantry(json!({ "alerts": [{ "text": "Moved to the hall.", "shown": { "until": until } }] }));
    assert_eq!(codes(&only(&hungry(json!({})), &alert("2026-03-31")).warnings), ["alert"]);
    assert!(only(&hungry(json!({})), &alert("2026-03-01")).warnings.is_empty());
}

#[test]
fn duplicates_are_shown_once_and_named() {
    let twice = |phone: &str| pantry(json!({ "phones": [{ "original": phone }] }));
    let services = [twice("250-555-0142"), twice("(250) 555 0142"), twice("250-555-0199")];
    let found = run_services(&hungry(json!({})), &services);
    assert_eq!(found.results.len(), 2);
    assert_eq!(found.results[0].same_as, [id(2)]);
}

#[test]
fn nothing_suitable_names_a_human_and_the_reasons() {
    let person = hungry(json!({ "reach": { "max_km": 10 } }));
    let far = pantry(json!({ "places": km_away(80.0) }));
    let program = |name: &str, km: f64| -> ServiceInput {
        serde_json::from_value(json!({ "name": name, "kind": "program", "delivery_modes": ["phone"], "places": km_away(km), "phones": [{ "original": "250-555-0190" }] })).unwrap()
    };
    let found = run_services(&person, &[far.clone(), program("Far connectors", 90.0), program("Connectors", 5.0)]);
    assert_eq!(found.outcome, MatchOutcome::NothingSuitable);
    assert_eq!(found.unanswered[0].domain.as_deref(), Some("food-insecurity"));
    assert_eq!(found.unanswered[0].reasons, [UnmetReason::TooFar]);
    let route = found.human_route.unwrap();
    assert_eq!((route.service_id, route.phone.as_deref()), (Some(id(3)), Some("250-555-0190")));
    let without_program = run_services(&person, &[far]);
    assert_eq!(without_program.human_route.unwrap().name, "211");
    assert!(without_program.summary.en.starts_with("No suitable service was found for “Food”. Call 211"), "{}", without_program.summary.en);
    assert_eq!(run_services(&person, &[]).unanswered[0].reasons, [UnmetReason::NoService]);
}

#[test]
fn one_need_without_a_service_is_said_beside_those_with_one() {
    let person = person(json!({ "needs": [{ "domain": "food-insecurity" }, { "domain": "x-legal" }] }));
    let found = run_services(&person, &[pantry(json!({}))]);
    assert_eq!(found.outcome, MatchOutcome::SomeUnanswered);
    assert_eq!(found.unanswered.len(), 1);
    assert_eq!(found.unanswered[0].domain.as_deref(), Some("x-legal"));
}

#[test]
fn danger_is_not_a_matter_for_a_referral() {
    let person = person(json!({ "needs": [{ "domain": "x-safety-crisis" }] }));
    assert_eq!(codes(&run_services(&person, &[]).alerts), ["escalate"]);
}

#[test]
fn every_shipped_domain_can_be_asked_for() {
    for domain in DOMAINS {
        let person = person(json!({ "needs": [{ "domain": domain.code }] }));
        let service: ServiceInput = serde_json::from_value(json!({ "name": "S", "need_domains": [{ "code": domain.code }] })).unwrap();
        let found = only(&person, &service);
        assert!(found.why.sentence.en.contains(domain.en) && found.why.sentence.fr.contains(domain.fr), "{}", domain.code);
    }
}

#[test]
fn the_area_of_an_unmet_need_is_coarse() {
    let area = hungry(json!({})).area();
    assert_eq!(
        (area.postal_prefix.as_deref(), area.city.as_deref(), area.region.as_deref()),
        (Some("V0X"), Some("Alder Falls"), Some("BC"))
    );
}

#[test]
fn french_sentences_are_french_to_the_last_word() {
    let senior = hungry(json!({ "age": 80, "dietary": ["gluten_free"], "cultures": ["south_asian"], "must_haves": ["diet"] }));
    let service = pantry(json!({
        "attributes": { "populations_served": ["senior"], "dietary": ["gluten_free"], "cultural_focus": ["south_asian"] },
        "eligibility": { "text": "Anyone in the valley.", "populations": ["newcomer"] },
        "translations": [{ "language": "frr", "eligibility": "Elkan." }, { "language": "fr-CA", "eligibility": "Toute personne de la vallée." }]
    }));
    let found = only(&senior, &service);
    let french: Vec<&str> = found
        .contributions
        .iter()
        .map(|part| part.sentence.fr.as_str())
        .chain(found.to_check.iter().map(|check| check.sentence.fr.as_str()))
        .collect();
    let text = french.join("\n");
    for words in ["sud-asiatique", "nouveaux arrivants", "« Toute personne de la vallée. »"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    for word in ["senior", "newcomer", "gluten free", "Anyone"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn words_of_an_area_that_name_the_town_bring_a_service_near() {
    let kelowna = person(json!({ "needs": [{ "domain": "food-insecurity" }], "location": { "city": "Kelowna" } }));
    let in_words = |words: &str| pantry(json!({ "places": [], "service_areas": [{ "kind": "text", "value": words }] }));
    assert_eq!(part(&only(&kelowna, &in_words("Kelowna & West Kelowna")), Criterion::Reach), ("same_town".into(), 0.75));
    assert_eq!(part(&only(&kelowna, &in_words("Kelownaville")), Criterion::Reach).0, "place_unknown");
}

#[test]
fn free_times_are_those_of_where_the_person_is() {
    // Monday evening in British Columbia, which is night in Ontario.
    let person = hungry(json!({ "free_times": [{ "day": "monday", "from": "18:00", "until": "20:00" }] }));
    let open = |from: &str, until: &str, more: Value| {
        let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=MO", "opens_at": from, "closes_at": until, "time_zone": "America/Toronto" }]);
        pantry(merged(json!({ "schedules": hours }), more))
    };
    let by_telephone = json!({ "delivery_modes": ["phone"] });
    assert_eq!(found(&person, &open("21:00", "23:00", by_telephone.clone()), Criterion::Hours), "hours_fit");
    assert_eq!(found(&person, &open("18:00", "20:00", by_telephone.clone()), Criterion::Hours), "hours_differ");
    let there = json!({ "delivery_modes": ["in_person"] });
    assert_eq!(found(&person, &open("18:00", "20:00", there), Criterion::Hours), "hours_fit", "who goes there lives by its clocks");
    let told = hungry(json!({ "free_times": person.free_times, "time_zone": "America/Toronto" }));
    assert_eq!(found(&told, &open("18:00", "20:00", by_telephone), Criterion::Hours), "hours_fit");
}

#[test]
fn the_last_of_many_needs_is_answered_too() {
    let needs: Vec<Value> = DOMAINS.iter().take(40).map(|domain| json!({ "domain": domain.code })).collect();
    let last = DOMAINS[39].code;
    let service: ServiceInput = serde_json::from_value(json!({ "name": "S", "need_domains": [{ "code": last }] })).unwrap();
    let found = run_services(&person(json!({ "needs": needs })), &[service]);
    assert_eq!(found.results[0].answers, [last]);
    assert_eq!(found.unanswered.len(), 39);
    assert!(found.unanswered.iter().all(|need| need.domain.as_deref() != Some(last)));
}

#[test]
fn more_needs_than_can_be_told_apart_are_those_that_weigh_most() {
    let mut needs: Vec<Value> = (0..80).map(|number| json!({ "domain": format!("x-{number}"), "severity": "low" })).collect();
    needs.push(json!({ "domain": "food-insecurity", "severity": "high" }));
    let found = run_services(&person(json!({ "needs": needs })), &[pantry(json!({}))]);
    assert_eq!((found.results[0].answers.as_slice(), found.unanswered.len()), (["food-insecurity".to_owned()].as_slice(), 63));
}
