//! What rules a service out, and what does not.

use super::*;

#[test]
fn what_does_not_run_is_left_out() {
    let person = hungry(json!({}));
    for status in ["inactive", "defunct", "temporarily_closed"] {
        assert_eq!(exclusions(&person, &pantry(json!({ "status": status }))), ["not_running"]);
    }
    assert_eq!(exclusions(&person, &pantry(json!({ "accepts_referrals": false }))), ["takes_no_referrals"]);
    assert!(exclusions(&person, &pantry(json!({ "accepts_referrals": false, "kind": "asset" }))).is_empty());
}

#[test]
fn age_rules_out_only_where_it_is_known() {
    let seniors = pantry(json!({ "eligibility": { "min_age": 55 } }));
    assert_eq!(exclusions(&hungry(json!({ "age": 54 })), &seniors), ["age"]);
    assert!(exclusions(&hungry(json!({ "age": 55 })), &seniors).is_empty());
    let unknown = only(&hungry(json!({})), &seniors);
    assert_eq!(codes(&unknown.to_check), ["age"]);
    assert_eq!(unknown.to_check[0].sentence.fr, "Pour les personnes de 55 ans et plus : vérifier l’âge.");
}

#[test]
fn gender_rules_out_only_between_plain_answers() {
    let women = pantry(json!({ "eligibility": { "genders": ["woman", "non_binary"] } }));
    assert_eq!(exclusions(&hungry(json!({ "gender": "man" })), &women), ["gender"]);
    assert!(exclusions(&hungry(json!({ "gender": "woman" })), &women).is_empty());
    assert_eq!(codes(&only(&hungry(json!({ "gender": "two_spirit" })), &women).to_check), ["gender"]);
    assert_eq!(codes(&only(&hungry(json!({})), &women).to_check), ["gender"]);
}

#[test]
fn a_population_rules_out_only_who_is_known_not_to_belong() {
    let veterans = pantry(json!({ "eligibility": { "populations": ["veteran"] } }));
    assert_eq!(exclusions(&hungry(json!({ "not_populations": ["veteran"] })), &veterans), ["population"]);
    let unconfirmed = only(&hungry(json!({ "populations": ["caregiver"] })), &veterans);
    assert_eq!(codes(&unconfirmed.to_check), ["population"]);
    assert_eq!(part(&unconfirmed, Criterion::Eligibility), ("eligibility_unconfirmed".into(), 0.1));
    let member = only(&hungry(json!({ "populations": ["Veteran"] })), &veterans);
    assert_eq!(part(&member, Criterion::Eligibility), ("made_for_them".into(), 1.0));
}

#[test]
fn a_population_named_by_age_follows_the_age() {
    let seniors = pantry(json!({ "eligibility": { "populations": ["senior"] } }));
    assert_eq!(exclusions(&hungry(json!({ "age": 30 })), &seniors), ["population"]);
    assert_eq!(codes(&only(&hungry(json!({ "age": 58 })), &seniors).to_check), ["population"]);
    assert!(only(&hungry(json!({ "age": 80 })), &seniors).to_check.is_empty());
}

#[test]
fn coverage_rules_out_who_is_known_to_lack_it() {
    let insured = pantry(json!({ "eligibility": { "coverage_required": ["extended_health"] } }));
    assert_eq!(exclusions(&hungry(json!({ "coverage": ["provincial_health"] })), &insured), ["coverage"]);
    assert!(exclusions(&hungry(json!({ "coverage": ["extended_health"] })), &insured).is_empty());
    assert_eq!(codes(&only(&hungry(json!({})), &insured).to_check), ["coverage"]);
}

#[test]
fn an_area_in_words_is_for_the_link_worker_to_check() {
    let person = hungry(json!({}));
    let area = |kind: &str, value: &str| pantry(json!({ "service_areas": [{ "kind": kind, "value": value }] }));
    assert_eq!(exclusions(&person, &area("postal_prefix", "V1Y")), ["out_of_area"]);
    assert!(exclusions(&person, &area("region", "CA-BC")).is_empty());
    let in_words = only(&person, &area("text", "The valley and the benches"));
    assert_eq!(codes(&in_words.to_check), ["area"]);
    assert!(in_words.to_check[0].sentence.en.contains("The valley and the benches"));
}

#[test]
fn beyond_reach_is_left_out_only_where_nothing_brings_it_nearer() {
    let person = hungry(json!({ "reach": { "max_km": 15 } }));
    let far = |more: Value| pantry(merged(json!({ "places": km_away(40.0) }), more));
    assert_eq!(exclusions(&person, &far(json!({}))), ["too_far"]);
    assert_eq!(exclusions(&person, &far(json!({ "delivery_modes": ["in_person"] }))), ["too_far"]);
    assert!(exclusions(&person, &far(json!({ "delivery_modes": ["in_person", "phone"] }))).is_empty());
    assert!(exclusions(&person, &far(json!({ "attributes": { "transport_provided": true } }))).is_empty());
    assert!(exclusions(&person, &pantry(json!({ "places": km_away(14.0) }))).is_empty());
    let area =
        |latitude: f64| json!({ "places": [{ "point": { "latitude": latitude, "longitude": -120.12 }, "point_precision": "area" }] });
    assert!(exclusions(&person, &pantry(area(49.65))).is_empty(), "33 km off, and the town may reach this way");
    assert_eq!(exclusions(&person, &pantry(area(52.0))), ["too_far"], "no town is so wide");
    assert!(exclusions(&hungry(json!({})), &far(json!({}))).is_empty(), "40 km are not too far for who names no limit");
}

#[test]
fn refusals_are_kept_to() {
    let service = pantry(json!({ "provider_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10" }));
    let person = hungry(json!({ "avoid": [{ "service_id": id(1), "reason": "refused_by_person" }] }));
    assert_eq!(exclusions(&person, &service), ["refused_by_person"]);
    let person =
        hungry(json!({ "avoid": [{ "organization_id": "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "reason": "refused_by_provider" }] }));
    assert_eq!(exclusions(&person, &service), ["refused_by_provider"]);
    let person = hungry(json!({ "avoid": [{ "service_id": id(2), "reason": "already_in_use" }] }));
    assert!(exclusions(&person, &service).is_empty());
}

#[test]
fn a_must_have_rules_out_what_is_known_to_lack_it_and_marks_what_is_not_known() {
    let must = |what: &str, more: Value| hungry(merged(json!({ "must_haves": [what] }), more));
    let speaks_punjabi = || must("language", json!({ "languages": ["pa"] }));
    assert_eq!(exclusions(&speaks_punjabi(), &pantry(json!({ "languages": [{ "language": "en" }] }))), ["must_have_language"]);
    assert!(exclusions(&speaks_punjabi(), &pantry(json!({ "languages": [{ "language": "pa", "by_interpreter": true }] }))).is_empty());
    assert!(
        exclusions(&speaks_punjabi(), &pantry(json!({ "languages": [{ "language": "en" }], "interpretation": "On request" }))).is_empty()
    );
    assert_eq!(codes(&only(&speaks_punjabi(), &pantry(json!({}))).to_check), ["must_have_language"]);

    let by_phone = must("mode", json!({ "modes": ["phone"] }));
    assert_eq!(exclusions(&by_phone, &pantry(json!({ "delivery_modes": ["in_person"] }))), ["must_have_mode"]);
    let poor = must("budget", json!({ "budget_per_month": { "amount_minor": 1_000, "currency": "CAD" } }));
    let dear = pantry(json!({ "cost": { "kind": "fixed", "options": [{ "amount": { "amount_minor": 500, "currency": "CAD" } }] } }));
    assert_eq!(exclusions(&poor, &dear), ["must_have_budget"]);
    let evenings = must("hours", json!({ "free_times": [{ "day": "monday", "from": "18:00", "until": "21:00" }] }));
    let mornings = json!([{ "rrule": "FREQ=DAILY", "opens_at": "09:00", "closes_at": "12:00", "time_zone": "America/Vancouver" }]);
    assert_eq!(exclusions(&evenings, &pantry(json!({ "schedules": mornings }))), ["must_have_hours"]);
    let by_bus = must("transit", json!({ "reach": { "max_walk_from_stop_m": 300 } }));
    assert_eq!(exclusions(&by_bus, &pantry(json!({ "places": [{ "transit": { "walk_m": 900 } }] }))), ["must_have_transit"]);
    assert_eq!(codes(&only(&by_bus, &pantry(json!({ "places": [{}] }))).to_check), ["must_have_transit"]);
}

#[test]
fn what_is_accessible_is_marked_not_excluded() {
    let person = hungry(json!({ "accessibility": ["wheelchair"], "must_haves": ["accessibility"] }));
    let silent = only(&person, &pantry(json!({ "places": [{}] })));
    assert_eq!(codes(&silent.to_check), ["accessibility_wheelchair"]);
    assert_eq!(part(&silent, Criterion::Accessibility).0, "accessibility_unknown");
    let ramp = only(&person, &pantry(json!({ "places": [{ "accessibility": ["wheelchair"] }] })));
    assert_eq!(part(&ramp, Criterion::Accessibility), ("accessible".into(), 1.0));
    assert!(ramp.to_check.is_empty());
}

#[test]
fn a_service_that_takes_nobody_is_left_out_and_a_full_one_is_not() {
    let (person, service) = (hungry(json!({})), pantry(json!({})));
    let with = |status: &str| {
        let capacity = capacity(json!({ "status": status }));
        run(&person, [Candidate { capacity: Some(&capacity), ..candidate(1, &service) }])
    };
    assert_eq!(codes(&with("closed").excluded[0].reasons), ["takes_nobody"]);
    let full = with("full");
    assert_eq!(codes(&full.results[0].warnings), ["full"]);
    assert_eq!(full.outcome, MatchOutcome::NothingSuitable);
    assert_eq!(full.unanswered[0].reasons, [UnmetReason::AllFull]);
}

#[test]
fn an_inference_never_answers_violence() {
    let at_risk = person(json!({ "needs": [{ "domain": "intimate-partner-violence" }] }));
    let with_basis = |basis: &str| -> ServiceInput {
        serde_json::from_value(json!({ "name": "House", "need_domains": [{ "code": "intimate-partner-violence", "basis": basis }] }))
            .unwrap()
    };
    assert_eq!(exclusions(&at_risk, &with_basis("inferred")), ["unsafe_inference"]);
    assert!(exclusions(&at_risk, &with_basis("stated")).is_empty());
}

#[test]
fn a_person_at_risk_is_not_sent_to_sit_beside_the_other() {
    let at_risk = person(json!({ "needs": [{ "domain": "intimate-partner-violence", "wants_help": false }, { "domain": "stress" }] }));
    let counselling = |more: Value| -> ServiceInput {
        serde_json::from_value(merged(json!({ "name": "Counselling", "need_domains": [{ "code": "stress" }] }), more)).unwrap()
    };
    assert_eq!(exclusions(&at_risk, &counselling(json!({ "name": "Couples Counselling" }))), ["unsafe_joint_sessions"]);
    assert_eq!(exclusions(&at_risk, &counselling(json!({ "name": "Centre de Thérapie Familiale" }))), ["unsafe_joint_sessions"]);
    let mentions = only(&at_risk, &counselling(json!({ "description": "Individual and family counselling." })));
    assert_eq!(codes(&mentions.to_check), ["joint_sessions", "safe_contact"]);
    let calm = person(json!({ "needs": [{ "domain": "stress" }] }));
    assert!(exclusions(&calm, &counselling(json!({ "name": "Couples Counselling" }))).is_empty());
}

#[test]
fn what_is_not_safe_by_a_risk_that_is_not_told_is_as_if_it_were_not_there() {
    let service = |name: &str, more: Value| -> ServiceInput {
        serde_json::from_value(merged(json!({ "name": name, "need_domains": [{ "code": "stress" }] }), more)).unwrap()
    };
    let group = service("Walking Group", json!({}));
    let unsafe_ones = [service("Couples Counselling", json!({})), service("Counselling", json!({ "description": "Family counselling." }))];
    let hidden = Person { is_at_hidden_risk: true, ..person(json!({ "needs": [{ "domain": "stress" }] })) };
    let alone = run_services(&hidden, std::slice::from_ref(&group));
    let [couples, family] = unsafe_ones;
    assert_eq!(run_services(&hidden, &[group, couples, family]), alone);
    let knows = json!({ "need_domains": [{ "code": "stress" }, { "code": "intimate-partner-violence", "basis": "stated" }] });
    assert!(exclusions(&hidden, &service("Family Counselling", knows.clone())).is_empty());
    only(&hidden, &service("Family Counselling", knows));
    assert_eq!(serde_json::to_value(&hidden).unwrap().get("is_at_hidden_risk"), None);
}

#[test]
fn words_alone_do_not_bring_a_person_at_risk_to_a_service() {
    let service: ServiceInput = serde_json::from_value(json!({ "name": "Husbands' club" })).unwrap();
    let suggested = |domain: &str| {
        let person = person(json!({ "needs": [{ "domain": domain, "words": "my husband" }] }));
        !run(&person, [Candidate { text_fit: Some(0.9), ..candidate(1, &service) }]).results.is_empty()
    };
    assert!(suggested("social-connection"));
    assert!(!suggested("intimate-partner-violence"));
}

#[test]
fn words_alone_bring_nobody_to_a_service_whose_risk_may_be_hidden() {
    let service: ServiceInput = serde_json::from_value(json!({ "name": "Husbands' club" })).unwrap();
    let by_words = || Candidate { text_fit: Some(0.9), ..candidate(1, &service) };
    let open = person(json!({ "what_matters": "My husband" }));
    let hidden = Person { is_at_hidden_risk: true, ..open.clone() };
    assert_eq!(run(&open, [by_words()]).results.len(), 1);
    assert!(run(&hidden, [by_words()]).results.is_empty());
    // What answers a need or an interest is suggested all the same.
    let stress: ServiceInput = serde_json::from_value(json!({ "name": "Walking Group", "need_domains": [{ "code": "stress" }] })).unwrap();
    let stressed = Person { needs: person(json!({ "needs": [{ "domain": "stress" }] })).needs, ..hidden };
    only(&stressed, &stress);
}

#[test]
fn every_reason_is_listed_where_asked_for() {
    let person = hungry(json!({ "age": 20 }));
    let service = pantry(
        json!({ "status": "inactive", "eligibility": { "min_age": 55 }, "service_areas": [{ "kind": "region", "value": "CA-ON" }] }),
    );
    assert_eq!(exclusions(&person, &service), ["not_running", "age", "out_of_area"]);
    let counts = run_services(&person, &[service]).excluded_counts;
    assert_eq!((counts[0].code.as_str(), counts[0].count, counts.len()), ("not_running", 1, 1));
}

#[test]
fn a_checklist_says_of_every_rule_whether_it_is_met() {
    let service = pantry(json!({
        "eligibility": { "min_age": 55, "genders": ["woman"], "coverage_required": ["provincial_health"], "text": "Members only." },
        "service_areas": [{ "kind": "region", "value": "CA-BC" }]
    }));
    let checklist = |person: &Person| check_eligibility(person, &candidate(1, &service), &setting());
    let results = |person: &Person| {
        let items = checklist(person).items;
        items.into_iter().map(|item| format!("{} {}", item.code, item.result)).collect::<Vec<_>>()
    };
    let person = hungry(json!({ "age": 40, "coverage": ["provincial_health"] }));
    assert_eq!(results(&person), ["age not_met", "gender unknown", "coverage met", "area met", "eligibility_text unknown"]);
    assert_eq!(checklist(&person).result, EligibilityResult::NotMet);
    assert_eq!(checklist(&hungry(json!({ "age": 60 }))).result, EligibilityResult::Unknown);
    let open = check_eligibility(&person, &candidate(1, &pantry(json!({}))), &setting());
    assert_eq!((open.result, open.items.len()), (EligibilityResult::Met, 0));
}

#[test]
fn nobody_is_sent_across_the_country_who_does_not_say_that_they_go_so_far() {
    let elsewhere = |precision: &str| {
        let point = json!({ "latitude": 44.23, "longitude": -76.48 });
        pantry(json!({ "places": [{ "point": point, "point_precision": precision }], "delivery_modes": ["in_person"] }))
    };
    for precision in ["exact", "approximate", "area"] {
        assert_eq!(exclusions(&hungry(json!({})), &elsewhere(precision)), ["too_far"], "{precision}");
    }
    let found = run_services(&hungry(json!({})), &[elsewhere("area")]);
    assert_eq!((found.outcome, found.unanswered[0].reasons.first()), (MatchOutcome::NothingSuitable, Some(&UnmetReason::TooFar)));
    assert!(exclusions(&hungry(json!({ "reach": { "max_km": 5_000 } })), &elsewhere("exact")).is_empty());
    let by_telephone = pantry(json!({ "places": [{ "point": { "latitude": 44.23, "longitude": -76.48 } }], "delivery_modes": ["phone"] }));
    assert!(exclusions(&hungry(json!({})), &by_telephone).is_empty());
    let unknown = pantry(json!({ "places": [{ "point": { "latitude": 44.23, "longitude": -76.48 } }, { "name": "Hall" }] }));
    assert!(exclusions(&hungry(json!({})), &unknown).is_empty(), "the other place may be near");
}

#[test]
fn a_place_without_a_point_is_far_where_its_province_is() {
    let at = |region: &str| pantry(json!({ "places": [{ "address": { "city": "Elsewhere", "region": region } }] }));
    assert_eq!(exclusions(&hungry(json!({})), &at("ON")), ["too_far"]);
    assert_eq!(exclusions(&hungry(json!({})), &at("CA-QC")), ["too_far"]);
    for near_or_unknown in ["BC", "AB", "WA", "Ontario?"] {
        assert!(exclusions(&hungry(json!({})), &at(near_or_unknown)).is_empty(), "{near_or_unknown}");
    }
    assert!(exclusions(&hungry(json!({ "reach": { "max_km": 4_000 } })), &at("ON")).is_empty());
}

#[test]
fn who_is_said_to_be_at_risk_is_not_sent_to_sit_beside_the_other_whatever_they_ask_for() {
    let couples: ServiceInput =
        serde_json::from_value(json!({ "name": "Couples Counselling", "need_domains": [{ "code": "stress" }] })).unwrap();
    let stressed = |at_risk: bool| person(json!({ "needs": [{ "domain": "stress" }], "at_risk_of_violence": at_risk }));
    assert_eq!(exclusions(&stressed(true), &couples), ["unsafe_joint_sessions"]);
    assert!(exclusions(&stressed(false), &couples).is_empty());
}

#[test]
fn a_language_that_is_indispensable_and_not_told_excludes_nothing() {
    let person = hungry(json!({ "must_haves": ["language"] }));
    for languages in [json!([]), json!([{ "language": "en" }, { "language": "fr", "by_interpreter": true }])] {
        assert_eq!(codes(&only(&person, &pantry(json!({ "languages": languages }))).to_check), ["must_have_language"]);
    }
}

/// The rules that a patient does not meet, as a referral warns of them.
fn unmet(patient: Value, service: &ServiceInput) -> Vec<String> {
    let patient = serde_json::from_value(merged(json!({ "names": [] }), patient)).unwrap();
    unmet_rules(&patient, id(1), service, "2026-03-02T12:00:00Z".parse().unwrap()).into_iter().map(|item| item.code).collect()
}

#[test]
fn an_age_known_by_the_year_alone_rules_out_only_what_neither_of_two_ages_may_use() {
    let ages = |min: Option<i32>, max: Option<i32>| pantry(json!({ "eligibility": { "min_age": min, "max_age": max } }));
    let born = json!({ "birth_year": 1961 });
    // 64 or 65 in the year 2026.
    for (min, max) in [(Some(65), None), (None, Some(64)), (Some(65), Some(70)), (Some(64), Some(65))] {
        assert!(unmet(born.clone(), &ages(min, max)).is_empty(), "{min:?} to {max:?}");
    }
    for (min, max) in [(Some(66), None), (None, Some(63))] {
        assert_eq!(unmet(born.clone(), &ages(min, max)), ["age"], "{min:?} to {max:?}");
    }
    let seniors = pantry(json!({ "eligibility": { "populations": ["senior"] } }));
    assert!(unmet(json!({ "birth_year": 1961 }), &seniors).is_empty());
    assert_eq!(unmet(json!({ "birth_year": 1996 }), &seniors), ["population"]);
    let between = hungry(json!({ "age": 64, "age_at_most": 65 }));
    assert_eq!(codes(&only(&between, &ages(Some(65), None)).to_check), ["age"]);
    assert_eq!(exclusions(&between, &ages(Some(66), None)), ["age"]);
}

#[test]
fn a_place_in_a_province_that_is_named_in_words_is_as_far_as_one_by_its_code() {
    let at = |region: &str| pantry(json!({ "places": [{ "address": { "city": "Elsewhere", "region": region } }] }));
    let home = |region: &str| person(json!({ "needs": [{ "domain": "food-insecurity" }], "location": { "region": region } }));
    assert_eq!(exclusions(&hungry(json!({})), &at("Ontario")), ["too_far"]);
    assert_eq!(exclusions(&home("Colombie-Britannique"), &at("Ont.")), ["too_far"]);
    assert!(exclusions(&home("British Columbia"), &at("BC")).is_empty());
}

#[test]
fn of_several_genders_any_is_enough() {
    let only_for = |gender: &str| pantry(json!({ "eligibility": { "genders": [gender] } }));
    let identity =
        |codes: Value| json!({ "equity": { "permitted_uses": ["matching"], "gender_identity": { "status": "answered", "codes": codes } } });
    assert!(unmet(identity(json!(["man", "non_binary"])), &only_for("non_binary")).is_empty());
    assert!(unmet(identity(json!(["man", "two_spirit"])), &only_for("woman")).is_empty(), "a two-spirit person may be at home there");
    assert_eq!(unmet(identity(json!(["man", "non_binary"])), &only_for("woman")), ["gender"]);
    let women = pantry(json!({ "eligibility": { "populations": ["women"] } }));
    assert!(unmet(identity(json!(["man", "woman"])), &women).is_empty());
}
