//! Importing directories: real ones where they are at hand, each with its faults.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};

use kith::import::importer::Importer;
use kith::import::mapping::Mapping;
use kith::import::read::{Form, read};
use kith::import::{Outcome, Parsed, Refused};
use kith::services::model::{AreaKind, Basis, CostKind, PointPrecision, ServiceStatus};
use kith::types::{DeliveryMode, PhoneKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::shared;

mod bounds;
pub mod over_http;
mod retiring;
mod standing;

fn mapping(text: &str) -> Mapping {
    Mapping::parse(text).unwrap()
}

const KELOWNA: &str = include_str!("../mappings/kelowna.toml");
const KINGSTON: &str = include_str!("../mappings/kingston.toml");
const WORKBC: &str = include_str!("../mappings/workbc.toml");
const US_FOOD: &str = include_str!("../mappings/us_food.toml");

/// A real directory.
fn directory(path: &str) -> Option<File> {
    Some(File::open(shared(&format!("data/directory/{path}"))?).unwrap())
}

struct Imported {
    services: Vec<Parsed>,
    refused: Vec<Refused>,
}

impl Imported {
    fn of(bytes: &[u8], form: Form, mapping: Mapping) -> Self {
        let mut importer = Importer::new(mapping);
        if importer.wants_survey() {
            read(Cursor::new(bytes), form, |raw| importer.survey(raw)).unwrap();
        }
        let mut imported = Self { services: Vec::new(), refused: Vec::new() };
        let mut give = |outcome| match outcome {
            Outcome::Parsed(parsed) => imported.services.push(*parsed),
            Outcome::Refused(refused) => imported.refused.push(refused),
            other => panic!("{other:?}"),
        };
        read(Cursor::new(bytes), form, |raw| importer.take(raw, &mut give)).unwrap();
        importer.finish(&mut give);
        imported
    }

    fn of_file(path: &str, form: Form, toml: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        directory(path)?.read_to_end(&mut bytes).unwrap();
        let imported = Self::of(&bytes, form, mapping(toml));
        let again = Self::of(&bytes, form, mapping(toml));
        assert_eq!(imported.marks(), again.marks(), "a second reading gives the same keys and fingerprints");
        let keys: std::collections::HashSet<&str> = imported.services.iter().map(|parsed| parsed.key.as_str()).collect();
        assert_eq!(keys.len(), imported.services.len(), "keys are unique");
        Some(imported)
    }

    fn marks(&self) -> Vec<(&str, &str)> {
        self.services.iter().map(|parsed| (parsed.key.as_str(), parsed.fingerprint.as_str())).collect()
    }

    fn get(&self, key: &str) -> &Parsed {
        self.services.iter().find(|parsed| parsed.key == key).unwrap_or_else(|| panic!("no {key}"))
    }

    fn notices(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for notice in self.services.iter().flat_map(|parsed| &parsed.notices) {
            *counts.entry(notice.code).or_default() += 1;
        }
        counts
    }

    fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for notice in self.refused.iter().flat_map(|refused| &refused.reasons) {
            *counts.entry(notice.code).or_default() += 1;
        }
        counts
    }
}

fn has(parsed: &Parsed, code: &str) -> bool {
    parsed.notices.iter().any(|notice| notice.code == code)
}

#[test]
fn kelowna_words_become_fields_where_they_are_clear() {
    let Some(kelowna) = Imported::of_file("kelowna-bc/resources.csv", Form::Csv, KELOWNA) else { return };
    assert_eq!((kelowna.services.len(), kelowna.refused.len()), (320, 0));

    let food_bank = &kelowna.get("kel-001").service;
    assert_eq!(food_bank.phones[0].number.as_deref(), Some("+12507637161"));
    assert_eq!(food_bank.places[0].address.as_ref().unwrap().postal_code.as_deref(), Some("V1X 4H7"));
    assert_eq!(food_bank.need_domains[0].code, "food-insecurity");
    assert_eq!(food_bank.need_domains[0].basis, Basis::Inferred);
    assert_eq!(food_bank.identifiers[0].value, "kel-001");
    // Hours that say more than a week can hold stay words.
    assert!(food_bank.schedules.is_empty() && food_bank.hours_text.as_ref().unwrap().contains("Tiny Bundles"));
    assert!(has(kelowna.get("kel-001"), "hours_not_understood"));
    assert_eq!(kelowna.get("kel-006").service.schedules[0].rrule, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR");

    // Not one of the texts that are no address has become a place.
    for key in ["kel-015", "kel-018", "kel-028", "kel-046", "kel-115", "kel-297"] {
        let parsed = kelowna.get(key);
        assert!(parsed.service.places.is_empty() && has(parsed, "not_an_address"), "{key}");
        assert!(parsed.service.source_fields.contains_key("address"), "{key}");
    }
    assert_eq!(kelowna.get("kel-028").service.service_areas[0].kind, AreaKind::Country);
    assert_eq!(kelowna.get("kel-046").service.delivery_modes, [DeliveryMode::HomeVisit]);
    // A shelter that hides keeps hidden, whatever point the file gives it.
    let hidden = kelowna.get("kel-010");
    assert!(hidden.service.places.is_empty() && hidden.service.service_areas.is_empty());
    assert!(has(hidden, "address_confidential") && has(hidden, "point_ignored"));
    assert!(hidden.service.need_domains.iter().any(|domain| domain.code == "intimate-partner-violence"));

    assert_eq!(kelowna.get("kel-156").service.status, ServiceStatus::TemporarilyClosed);
    assert!(has(kelowna.get("kel-149"), "point_out_of_bounds"));
    // The point of three services of one mission is the same, and of many others a neighbourhood's.
    assert_eq!(kelowna.get("kel-003").service.places[0].point_precision, Some(PointPrecision::Area));
    assert_eq!(food_bank.places[0].point_precision, Some(PointPrecision::Approximate));

    let crisis_line = &kelowna.get("kel-117").service.phones;
    assert_eq!(crisis_line.len(), 2);
    assert_eq!(crisis_line[1].note.as_deref(), Some("Children/Youth"));
    let alerts = &kelowna.get("kel-027").service.phones[0];
    assert_eq!((alerts.kind, alerts.number.as_ref(), alerts.original.as_str()), (Some(PhoneKind::Text), None, "253787"));
    assert_eq!(kelowna.get("kel-318").service.phones[0].extension.as_deref(), Some("221"));
    assert!(kelowna.get("kel-094").service.source_fields.contains_key("phone"));

    let foundry = &kelowna.get("kel-023").service.eligibility;
    assert_eq!((foundry.min_age, foundry.max_age), (Some(12), Some(24)));
    assert_eq!(kelowna.get("kel-283").service.eligibility.max_age, Some(17));
    assert_eq!(kelowna.get("kel-282").service.eligibility.max_age, None, "it helps with family law: whoever that is");
    // What it costs is said in the description alone.
    let free = kelowna.services.iter().filter(|parsed| parsed.service.cost.kind == Some(CostKind::Free));
    assert!(kelowna.get("kel-279").service.cost.text.as_ref().unwrap().starts_with("Free employment support"));
    assert_eq!(free.count(), 104, "each was read by eye");
    // Categories of people are people, not needs.
    let seniors = &kelowna.get("kel-044").service;
    assert_eq!(seniors.attributes.populations_served, ["senior"]);
}

#[test]
fn kingston_has_two_languages_and_offices_that_are_no_places() {
    let Some(kingston) = Imported::of_file("kingston-on/services.json", Form::Json, KINGSTON) else { return };
    assert_eq!((kingston.services.len(), kingston.refused.len()), (196, 0));

    let line = kingston.get("kids-help-phone");
    let french = &line.service.translations[0];
    assert_eq!((french.language.as_str(), french.name.as_deref()), ("fr", Some("Jeunesse, J'écoute")));
    // Its head office in Montréal is not where one calls it.
    assert!(line.service.places.is_empty() && has(line, "office_is_no_place"));
    assert_eq!(line.service.service_areas[0].value, "CA");
    assert!(line.service.source_fields.contains_key("point"));
    assert_eq!((line.service.eligibility.min_age, line.service.eligibility.max_age), (Some(5), Some(29)));
    assert_eq!(line.service.eligibility.exclusions, None);
    assert_eq!(line.service.schedules[0].rrule, "FREQ=DAILY");
    assert!(line.service.schedules[0].opens_at.is_none());

    let wide =
        kingston.services.iter().filter(|p| p.service.service_areas.iter().any(|a| matches!(a.kind, AreaKind::Region | AreaKind::Country)));
    let wide: Vec<&Parsed> = wide.collect();
    assert_eq!(wide.len(), 72);
    assert!(wide.iter().all(|parsed| parsed.service.places.is_empty()));

    assert_eq!(kingston.get("pathways-for-children-youth").service.status, ServiceStatus::Defunct);
    let marked = kingston.services.iter().filter(|parsed| has(parsed, "citation_removed")).count();
    assert_eq!(marked, 20);
    let text = kingston.get("salvation-army-cfs").service.description.clone().unwrap();
    assert!(text.ends_with("families."), "{text}");
    assert!(has(kingston.get("kfpl-pittsburgh"), "hours_disagree"));
    let fortnightly = kingston.get("tnet-kingston");
    assert!(
        fortnightly.service.schedules.is_empty() && has(fortnightly, "hours_not_understood"),
        "no Saturday of every week is made of it"
    );
    assert!(fortnightly.service.source_fields.contains_key("hours"));
    assert_eq!(kingston.get("seniors-association-kingston").service.eligibility.min_age, Some(50));
    // "Free" is free; "None" and "N/A" may mean anything.
    let cost = |key: &str| kingston.get(key).service.cost.kind;
    assert_eq!(cost("earlyon-kchc"), Some(CostKind::Free));
    let kinds = |text: &str| -> Vec<Option<CostKind>> {
        let of_text = kingston.services.iter().map(|parsed| &parsed.service.cost).filter(|cost| cost.text.as_deref() == Some(text));
        of_text.map(|cost| cost.kind).collect()
    };
    assert_eq!((kinds("None"), kinds("N/A")), (vec![None], vec![None, None]));
    assert!(kingston.get("kfpl-central-branch").service.eligibility.documents_required.is_empty());
    let spoken: Vec<&str> = kingston.get("talk-tobacco").service.languages.iter().map(|l| l.language.as_str()).collect();
    assert_eq!(spoken, ["en", "fr", "cr", "oj", "iu"]);
    assert_eq!(kingston.get("kmfrc").service.phones[0].extension.as_deref(), Some("271-5195"));
    assert_eq!(kingston.get("kids-help-phone").service.verification.last_verified_on.unwrap().to_string(), "2026-01-03");
}

#[test]
fn workbc_is_one_service_at_102_places() {
    let Some(workbc) = Imported::of_file("workbc-bc/centres.json", Form::Json, WORKBC) else { return };
    assert_eq!((workbc.services.len(), workbc.refused.len()), (1, 0));
    let service = &workbc.services[0].service;
    assert_eq!(service.places.len(), 102);
    let keys: std::collections::HashSet<&str> = service.places.iter().map(|place| place.identifiers[0].value.as_str()).collect();
    assert_eq!(keys.len(), 102, "an id is unique within its catchment only");
    // "lon,lat" in one text.
    let campbell_river = service.places[0].point.unwrap();
    assert_eq!((campbell_river.latitude, campbell_river.longitude), (50.0240613, -125.2434889));
    assert_eq!(service.places.iter().filter(|place| place.languages.contains(&"fr".into())).count(), 19);
    assert_eq!(service.places[0].phones[1].kind, Some(PhoneKind::Fax));
    assert_eq!(service.need_domains[0].code, "employment-status");
    assert_eq!(workbc.services[0].provider.as_ref().unwrap().name, "WorkBC");
    assert!(service.source_fields["places"]["1/1"]["Website"].as_str().unwrap().starts_with("https://workbc.ca"));
}

#[test]
fn the_us_feed_gives_what_is_usable_and_merges_nothing() {
    let Some(mut file) = directory("us-food-cc0/feed.ndjson") else { return };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let feed = Imported::of(&bytes, Form::Ndjson, mapping(US_FOOD));
    let keys: std::collections::HashSet<&str> = feed.services.iter().map(|parsed| parsed.key.as_str()).collect();
    assert_eq!(keys.len(), feed.services.len(), "keys are unique though ids are not");
    assert_eq!((feed.services.len(), feed.refused.len()), (2137, 4));
    assert_eq!(feed.reasons(), BTreeMap::from([("duplicate_record", 4)]));
    assert!(feed.services.iter().all(|parsed| parsed.service.need_domains[0].code == "food-insecurity"));
    assert!(feed.services.iter().all(|parsed| parsed.service.provider_name.is_some()));

    let scheduled = feed
        .services
        .iter()
        .filter(|p| !p.service.schedules.is_empty() || p.service.places.iter().any(|place| !place.schedules.is_empty()));
    // One point of New York that many pantries share is no place to measure from.
    let shared_point = feed
        .services
        .iter()
        .flat_map(|parsed| &parsed.service.places)
        .filter(|place| place.point.is_some_and(|p| p.latitude == 40.7130466));
    let shared_point: Vec<Option<PointPrecision>> = shared_point.map(|place| place.point_precision).collect();
    assert!(shared_point.iter().all(|precision| *precision == Some(PointPrecision::Area)), "{shared_point:?}");
    // "WEEKLY, week starts on Monday" names no day, however many records say it.
    let counts = (feed.notices()["schedule_without_days"], scheduled.count(), shared_point.len());
    assert_eq!(counts, (1_273, 165, 175));

    // A part of the file read twice gives the same.
    let head: Vec<u8> = bytes.split_inclusive(|byte| *byte == b'\n').take(200).flatten().copied().collect();
    let (one, other) = (Imported::of(&head, Form::Ndjson, mapping(US_FOOD)), Imported::of(&head, Form::Ndjson, mapping(US_FOOD)));
    assert_eq!(one.marks(), other.marks());
}

fn hsds(records: Value) -> Imported {
    Imported::of(records.to_string().as_bytes(), Form::Json, Mapping::hsds("partner"))
}

#[test]
fn the_demo_directory_is_taken_whole() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/directory.json");
    let bytes = std::fs::read(path).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    let demo = Imported::of(&bytes, Form::Json, Mapping::hsds("alder-falls-demo"));
    assert!(demo.refused.is_empty(), "{:?}", demo.refused);
    assert_eq!(demo.services.len(), records.len());
    assert!(demo.services.iter().all(|parsed| parsed.provider.is_some()));
    let notices: Vec<String> =
        demo.services.iter().flat_map(|p| p.notices.iter().map(move |n| format!("{}: {n:?}", p.service.name))).collect();
    let known = ["phone_without_e164", "location_is_no_place", "need_not_inferred"];
    // What the standard has fields for and a service of ours has not.
    let kept = [
        "accessibility.details",
        ".description",
        ".transportation",
        ".alternate_name",
        ".attending_type",
        ".timezone",
        "funding",
        "program",
    ];
    let is_kept = |notice: &&String| {
        notice.contains("\"field_not_known\"") && kept.iter().any(|field| notice.contains(&format!("{field}\", message")))
    };
    let surprising: Vec<&String> =
        notices.iter().filter(|notice| !known.iter().any(|code| notice.contains(code)) && !is_kept(notice)).collect();
    assert!(surprising.is_empty(), "{surprising:#?}");
    let food_bank = demo.services.iter().find(|parsed| parsed.service.name == "Alder Falls Food Bank").unwrap();
    assert_eq!(food_bank.service.need_domains[0].basis, Basis::Stated);
    assert_eq!(food_bank.capacity.as_ref().unwrap().available, Some(42));
    assert_eq!(food_bank.service.places[0].transit.as_ref().unwrap().walk_m, Some(90));
    assert_eq!(food_bank.service.cost.kind, Some(CostKind::Free));
    assert_eq!(food_bank.service.languages[2].note.as_deref(), Some("Thursday evenings"));
}

#[test]
fn ids_that_repeat_are_no_keys_and_uuids_are() {
    let service = |id: &str, name: &str| json!({"id": id, "name": name, "status": "active", "organization": {"id": "o", "name": name}});
    let imported = hsds(json!([service("svc_1", "Pantry"), service("svc_1", "Kitchen"), service("svc_2", "Garden")]));
    assert_eq!(imported.services.len(), 3);
    assert!(has(&imported.services[0], "key_from_content") && has(&imported.services[1], "key_from_content"));
    assert_eq!(imported.services[2].key, "svc_2");
    let providers: Vec<&str> = imported.services.iter().map(|parsed| parsed.provider.as_ref().unwrap().key.as_str()).collect();
    assert_eq!(providers, ["o/pantry", "o/kitchen", "o/garden"]);

    let uuid = "7a4de2d8-93b0-4b8b-9b0e-3b6a1b9b6a11";
    let again = hsds(json!([service(uuid, "Pantry"), service(uuid, "Pantry"), service(uuid, "Kitchen")]));
    assert_eq!((again.services.len(), again.services[0].key.as_str()), (1, uuid));
    assert_eq!(again.reasons(), BTreeMap::from([("duplicate_key", 1), ("duplicate_record", 1)]));
}

#[test]
fn services_in_our_own_form_are_taken_as_they_are_or_not_at_all() {
    let own = |more: Value| {
        let mut service = json!({"name": "Pantry", "identifiers": [{"system": "x", "value": "1"}]});
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Imported::of(service.to_string().as_bytes(), Form::Ndjson, Mapping::hsds("partner"))
    };
    let taken = own(json!({"status": "inactive"}));
    assert_eq!(taken.services[0].key, "1");
    assert_eq!(taken.services[0].service.status, ServiceStatus::Inactive);
    let refused = own(json!({"colour": "red", "status": "shut"}));
    assert!(refused.services.is_empty() && refused.refused[0].reasons.len() == 2, "{:?}", refused.refused);
}

/// A record that names our profile.
fn of_ours(more: Value) -> Value {
    let id = "7a4de2d8-93b0-4b8b-9b0e-3b6a1b9b6a11";
    let mut record = json!({"id": id, "name": "Pantry", "status": "active", "kith": {"profile": "1.0"}});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

#[test]
fn a_record_of_ours_is_as_large_as_any_with_what_others_have_added_to_it() {
    let of = |bytes: usize| hsds(json!([of_ours(json!({"page": "x".repeat(bytes)}))]));
    assert_eq!(of(1_000_000).services[0].service.source_fields["page"].as_str().unwrap().len(), 1_000_000);
    let large = of(1_100_000);
    assert!(large.services.is_empty());
    assert_eq!(large.reasons(), BTreeMap::from([("not_valid", 1)]));
}

#[test]
fn what_of_a_record_of_ours_does_not_fit_is_kept_with_it() {
    let phones: Vec<Value> = (0..21).map(|number| json!({"number": format!("250-555-{number:04}")})).collect();
    let french = json!({"language": "fr", "name": "Garde-manger"});
    let profile = json!({"profile": "1.0", "translations": [french, french], "capacity": {"status": "full", "available": 7}});
    let imported = hsds(json!([of_ours(json!({"phones": phones, "kith": profile}))]));
    let service = &imported.services[0].service;
    assert_eq!((service.phones.len(), service.translations.len()), (20, 1));
    let kept = &service.source_fields;
    assert_eq!((&kept["unfit:phones"][0]["original"], &kept["unfit:capacity/available"]), (&json!("250-555-0020"), &json!(7)), "{kept:?}");
    assert_eq!(kept["unfit:translations/1"]["name"], "Garde-manger");
}

#[test]
fn areas_beyond_what_a_service_may_have_are_known_as_words() {
    let areas: Vec<Value> = (0..102).map(|number| json!({"name": format!("Town {number}")})).collect();
    let imported = hsds(json!([{"id": "a", "name": "Ride", "status": "active", "service_areas": areas}]));
    let parsed = &imported.services[0];
    let areas = &parsed.service.service_areas;
    assert_eq!((areas.len(), areas[98].value.as_str(), areas[99].kind), (100, "Town 98", AreaKind::Text));
    assert_eq!(areas[99].value, "and 3 more: Town 99, Town 100, Town 101");
    assert_eq!(parsed.service.source_fields["unfit:service_areas"].as_array().unwrap().len(), 3);
    assert!(has(parsed, "too_many"));
}

#[test]
fn of_an_organization_no_more_is_kept_than_of_a_service() {
    let of = |more: Value| {
        let mut organization = json!({"id": "o", "name": "Ride Society"});
        organization.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hsds(json!([{"id": "a", "name": "Ride", "status": "active", "organization": organization}])).services.remove(0)
    };
    let small = of(json!({"colour": "red", "description": "Drives."}));
    let provider = small.provider.as_ref().unwrap();
    assert_eq!((&provider.rest.as_ref().unwrap()["colour"], provider.description.as_deref()), (&json!("red"), Some("Drives.")));
    assert!(!has(&small, "left_out"));
    for (more, description) in [
        (json!({"page": "x".repeat(1_100_000), "description": "Drives."}), Some("Drives.")),
        (json!({"description": "x".repeat(1_100_000)}), None),
    ] {
        let large = of(more);
        let provider = large.provider.as_ref().unwrap();
        assert_eq!((provider.name.as_str(), provider.description.as_deref()), ("Ride Society", description));
        assert!(provider.rest.as_ref().unwrap().is_empty() && has(&large, "left_out"));
    }
}

#[test]
fn of_what_no_field_holds_so_many_values_are_kept_and_the_record_is_taken() {
    let rows = vec![json!({"a": 1}); 20_000];
    let besides = json!({"id": "a", "name": "Ride", "status": "active", "colour": "red", "rows": rows});
    for record in [besides, of_ours(json!({"colour": "red", "rows": rows}))] {
        let imported = hsds(json!([record]));
        let parsed = &imported.services[0];
        let kept = &parsed.service.source_fields;
        assert_eq!(kept["colour"], "red");
        assert!((14_900..15_000).contains(&kept["rows"].as_array().unwrap().len()));
        assert!(parsed.notices.iter().any(|notice| (notice.code, notice.field.as_str()) == ("left_out", "rows")), "{:?}", parsed.notices);
    }
    let organization = json!({"id": "o", "name": "Ride Society", "colour": "red", "rows": rows});
    let parsed = hsds(json!([{"id": "a", "name": "Ride", "status": "active", "organization": organization}])).services.remove(0);
    let rest = parsed.provider.as_ref().unwrap().rest.as_ref().unwrap();
    assert_eq!((&rest["colour"], rest["rows"].as_array().unwrap().len() < 15_000), (&json!("red"), true));
    assert!(has(&parsed, "left_out"));
}

#[test]
fn a_record_that_is_none_is_refused_and_the_rest_goes_on() {
    let lines = b"{\"name\": \"A\", \"status\": \"active\", \"id\": \"a\"}\nnot json\n[1]\n{\"id\": 3}\n{\"name\": \"B\", \"status\": \"active\", \"id\": \"b\"}\n";
    let imported = Imported::of(lines, Form::Ndjson, Mapping::hsds("partner"));
    assert_eq!(imported.services.len(), 2);
    let refused: Vec<(u64, &str)> = imported.refused.iter().map(|refused| (refused.position, refused.reasons[0].code)).collect();
    assert_eq!(refused, [(2, "not_readable"), (3, "not_a_record"), (4, "not_a_record")]);
}

#[test]
fn an_empty_list_where_records_are_to_be_is_none_and_where_there_is_nothing_that_is_told() {
    let mapping = mapping("format = \"hsds\"\nsource = \"partner\"\neach = \"services\"");
    let service = json!({"id": "s", "name": "Pantry", "status": "active"});
    let organizations = json!([{"name": "A", "services": []}, {"name": "B"}, {"name": "C", "services": [service]}]);
    let imported = Imported::of(organizations.to_string().as_bytes(), Form::Json, mapping);
    assert_eq!((imported.services.len(), imported.reasons()), (1, BTreeMap::from([("not_a_record", 1)])));
    assert_eq!(imported.refused[0].position, 2);
}

#[test]
fn a_mapping_that_cannot_be_used_says_why() {
    let fault = |text: &str| Mapping::parse(text).unwrap_err().to_string();
    let base = "format = \"records\"\nkey = \"id\"\n";
    assert!(fault("format = \"xml\"").contains("xml"));
    assert!(fault(base).contains("where the name comes from"));
    assert!(fault("format = \"records\"\n[service]\nname = \"n\"").contains("what identifies a record"));
    assert!(fault(&format!("{base}[service]\nname = \"n\"\nnaem = \"n\"")).contains("naem"));
    assert!(fault(&format!("{base}[service]\nname = \"n\"\n[defaults]\ntime_zone = \"PST\"")).contains("PST"));
    assert!(fault(&format!("{base}[service]\nname = \"n\"\n[defaults]\nneeds = [\"food\"]")).contains("food"));
    assert!(
        Mapping::parse(&format!("{base}[service]\nname = \"n\"\n\"eligibility.min_age\" = {{ from = \"age\", as = \"integer\" }}")).is_ok()
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "id",
        "name",
        "description",
        "organization",
        "organizations",
        "services",
        "service",
        "locations",
        "location",
        "addresses",
        "addresss",
        "address_1",
        "city",
        "schedules",
        "schedule",
        "byday",
        "days",
        "opens_at",
        "closes_at",
        "freq",
        "interval",
        "phones",
        "number",
        "extension",
        "languages",
        "code",
        "attributes",
        "taxonomy_term",
        "taxonomy",
        "value",
        "kith",
        "capacity",
        "need_domains",
        "cost_options",
        "amount",
        "minimum_age",
        "service_areas",
        "extent",
        "extent_type",
        "latitude",
        "longitude",
        "coordinates",
        "status",
        "identifiers",
        "source_fields",
        "contents",
        "email",
        "url",
        "service_at_locations",
        "time_zone",
        "schema",
    ]);
    let texts = prop_oneof![
        "\\PC{0,40}",
        prop::sample::select(vec![
            "MO,WE",
            "2MO",
            "WEEKLY",
            "MONTHLY",
            "10:00",
            "24:00",
            "250-555-0142 ext 3",
            "Ages 5-12",
            "geojson",
            "physical",
            "virtual",
            "active",
            "America/Vancouver",
            "\u{0}",
            "[51]"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_read_or_refused_and_twice_the_same(record in any_json()) {
        let bytes = json!([record]).to_string().into_bytes();
        let one = Imported::of(&bytes, Form::Json, Mapping::hsds("fuzz"));
        let other = Imported::of(&bytes, Form::Json, Mapping::hsds("fuzz"));
        prop_assert_eq!(one.marks(), other.marks());
        prop_assert_eq!(one.refused.len(), other.refused.len());
    }

    #[test]
    fn any_record_goes_through_a_mapping(fields in prop::collection::btree_map("(id|name|address|phone|hours|hours_text|fees|eligibility|coordinates|scope|documents_required|languages|status)", any_json(), 0..10)) {
        let bytes = json!([fields]).to_string().into_bytes();
        let imported = Imported::of(&bytes, Form::Json, mapping(KINGSTON));
        prop_assert_eq!(imported.services.len() + imported.refused.len(), 1);
    }

    #[test]
    fn any_words_are_read_without_a_fall(words in "(?s).{0,80}") {
        use kith::import::text::{address, cost, eligibility, hours, languages, phones, plain};
        let _ = (hours::read(&words, "America/Toronto"), phones::read(&words, "CA"), address::read(&words, Some("ON"), "CA"), eligibility::ages(&words));
        let _ = (eligibility::parts(&words), cost::kind(&words), languages::list(&words), plain(&words), hours::clock(&words));
    }

    #[test]
    fn words_made_of_the_grammar_of_hours_do_not_fall(words in prop::collection::vec(prop::sample::select(vec![
        "mon", "tue-thu", "sat", "daily", "24/7", "9", "9:00", "5 pm", "17:00", "noon", "midnight", "-", ",", ";", ":", "and", "to", "closed", "ET", "12:30 am", "8 h 30", "(by appointment)", "24:00",
    ]), 0..10)) {
        let _ = kith::import::text::hours::read(&words.join(" "), "America/Toronto");
    }
}
