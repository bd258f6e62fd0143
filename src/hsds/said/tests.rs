use serde_json::json;

use super::*;

const SERVICE: &str = "11111111-1111-4111-8111-111111111111";

fn fields(value: Value) -> Fields {
    if let Value::Object(fields) = value { fields } else { panic!("{value}") }
}

fn written() -> Fields {
    let id = Uuid::try_parse(SERVICE).unwrap();
    let site = ids::part(id, "service_at_location", 0);
    fields(json!({
        "id": SERVICE, "name": "Pantry", "status": "active", "kith": { "profile": "1.0" },
        "phones": [{ "id": ids::part(id, "phone", 0), "number": "250-555-0142" }],
        "attributes": [{
            "id": ids::part(id, "attribute", 0), "link_type": "taxonomy term", "link_entity": "service",
            "taxonomy_term": { "id": ids::of_term("Own", "1"), "code": "1", "name": "Food", "description": "Food", "taxonomy": "Own" },
        }],
        "service_at_locations": [{
            "id": site, "location": { "id": ids::part(site, "location", 0), "location_type": "physical", "name": "Hall" },
            "phones": [{ "id": ids::part(site, "phone", 0), "number": "250-555-0143" }],
        }],
    }))
}

fn said() -> Fields {
    let id = |number: u32| format!("22222222-2222-4222-8222-{number:012}");
    fields(json!({
        "wait_time": "Two weeks", "pets": true, "minimum_age": "abc",
        "phones": [
            { "of": "250-555-0142", "id": id(1), "type": "voice", "colour": "red", "languages": [{ "id": id(2), "code": "pa" }] },
            { "number": "ask at the desk", "id": "p9" },
        ],
        "attributes": [{ "of": "Own|1", "id": id(3), "link_type": "topic", "taxonomy_term": { "parent_name": "All" } }],
        "metadata": [{ "id": id(4), "last_action_date": "2026-01-01", "last_action_type": "update", "field_name": "name" }],
        "program": { "name": "Together", "description": "All of it." },
        "payments_accepted": [{ "payment": "cash" }],
        "service_at_locations": [
            { "of": "Hall", "id": id(5), "location": { "id": id(6), "url": "no url", "description": "A hall.", "phones": [{ "of": "250-555-0143", "id": id(7) }] } },
            { "id": id(8), "location": { "id": id(9), "location_type": "virtual", "url": "https://example.ca" } },
        ],
    }))
}

fn given_back(has_ids: bool) -> Fields {
    let mut record = written();
    give_back("service", &mut record, &said(), has_ids);
    record
}

#[test]
fn what_is_given_back_is_found_again_and_nothing_else() {
    let record = given_back(true);
    let rest = rest("service", &record, &written());
    // What the standard wants of every row is there once it has been given back.
    let mut expected = said();
    expected["metadata"][0]["resource_type"] = json!("service");
    expected["phones"][0]["read_as"] = json!({ "type": null });
    assert_eq!(Value::Object(rest.clone()), Value::Object(settled(expected)));
    let mut again = written();
    give_back("service", &mut again, &rest, true);
    assert_eq!(Value::Object(again).to_string(), Value::Object(record).to_string());
}

#[test]
fn everything_stands_where_the_standard_has_a_place_for_it() {
    let record = Value::Object(given_back(true));
    let at = |pointer: &str| record.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/wait_time"), "Two weeks");
    assert_eq!(at("/kith/source_fields"), json!({ "minimum_age": "abc", "payments_accepted": [{ "payment": "cash" }], "pets": true }));
    assert_eq!((at("/phones/0/id"), at("/phones/0/type")), (json!("22222222-2222-4222-8222-000000000001"), json!("voice")));
    assert_eq!(at("/phones/0/kith/source_fields"), json!({ "colour": "red" }));
    assert_eq!(at("/phones/1/kith"), json!({ "source_fields": { "id": "p9" }, "is_kept": true }), "nobody reads it");
    assert_eq!((at("/attributes/0/link_type"), at("/attributes/0/kith/is_kept")), (json!("topic"), Value::Null));
    assert_eq!(at("/metadata/0/previous_value"), "", "the standard wants it");
    assert_eq!((at("/program/name"), at("/metadata/0/kith")), (json!("Together"), Value::Null));
    let site = at("/service_at_locations/0");
    assert_eq!(site["location"]["phones"][0]["id"], "22222222-2222-4222-8222-000000000007", "it hangs on the location");
    assert!(site.get("phones").is_none() && site["location"]["url"].is_null(), "{site}");
    assert_eq!(at("/service_at_locations/1/kith/is_kept"), true);
}

#[test]
fn what_was_changed_here_is_not_undone() {
    let mut changed = written();
    changed["phones"][0]["number"] = json!("250-555-0199");
    give_back("service", &mut changed, &said(), true);
    let phones = changed["phones"].as_array().unwrap();
    let numbers: Vec<&Value> = phones.iter().map(|phone| &phone["number"]).collect();
    assert_eq!(numbers, ["250-555-0199", "ask at the desk"]);
    // The number may have been taken out for it is nobody's business: its name would tell it.
    let text = Value::Object(changed).to_string();
    assert!(!text.contains("250-555-0142") && !text.contains("colour"), "{text}");
    let mut emptied = written();
    emptied.shift_remove("service_at_locations");
    give_back("service", &mut emptied, &said(), true);
    let text = Value::Object(emptied).to_string();
    assert!(!text.contains("Hall") && !text.contains("A hall.") && text.contains("virtual"), "{text}");
}

#[test]
fn the_rest_of_a_row_of_which_nothing_was_made_goes_with_the_record() {
    let rest = fields(json!({ "phones": [{ "of": "250-555-0100", "colour": "red" }, { "of": "250-555-0142", "type": "voice" }] }));
    let mut fresh = written();
    give_back_fresh("service", &mut fresh, &rest);
    let rest = super::rest("service", &fresh, &written());
    let of_ours = json!({ "of": "250-555-0142", "read_as": { "type": null }, "type": "voice" });
    assert_eq!(rest["phones"], json!([of_ours, { "colour": "red", "of": null }]));
    let mut record = written();
    give_back("service", &mut record, &rest, true);
    assert_eq!(record["kith"]["source_fields"]["phones"], json!([{ "colour": "red", "of": null }]));
    assert_eq!(super::rest("service", &record, &written()), rest);
}

#[test]
fn of_two_rows_of_one_name_each_has_its_own_rest() {
    let mut twice = written();
    twice["phones"] = json!([{ "number": "250-555-0142" }, { "number": "250-555-0142" }]);
    let rows = json!([{ "of": "250-555-0142", "type": "a" }, { "of": "250-555-0142", "type": "b" }, { "of": "250-555-0142", "type": "c" }]);
    give_back("service", &mut twice, &fields(json!({ "phones": rows })), true);
    let kinds: Vec<&Value> = twice["phones"].as_array().unwrap().iter().map(|phone| &phone["type"]).collect();
    assert_eq!(kinds, ["a", "b"]);
}

#[test]
fn what_a_source_says_stands_until_somebody_here_says_otherwise_of_it() {
    let of = |timezone: i64| {
        let mut record = written();
        record.insert("schedules".into(), json!([{ "freq": "WEEKLY", "byday": "MO", "timezone": timezone }]));
        record
    };
    let read = of(-5);
    let of_row = name("schedule", read["schedules"][0].as_object().unwrap());
    let said = fields(json!({ "schedules": [{ "of": of_row, "timezone": -8 }], "phones": [{ "of": "250-555-0142", "type": "pager" }] }));
    let mut fresh = read.clone();
    give_back_fresh("service", &mut fresh, &said);
    assert_eq!(fresh["schedules"][0]["timezone"], -8);
    let rest = rest("service", &fresh, &read);
    assert_eq!((&rest["schedules"][0]["read_as"], &rest["phones"][0]["read_as"]), (&json!({ "timezone": -5 }), &json!({ "type": null })));
    let shown = |mut record: Fields| {
        give_back("service", &mut record, &rest, true);
        record
    };
    let same = shown(read.clone());
    assert_eq!((&same["schedules"][0]["timezone"], same["schedules"][0].get("kith")), (&json!(-8), None));
    assert_eq!(same["phones"][0]["type"], "pager");
    assert_eq!(super::rest("service", &same, &read), rest, "another Kith that takes it keeps the same");
    let goes_on = |written: &Fields, shown: &Fields| {
        let mut again = written.clone();
        give_back("service", &mut again, &super::rest("service", shown, written), true);
        assert_eq!(Value::Object(again).to_string(), Value::Object(shown.clone()).to_string());
    };
    let mut changed = of(-7);
    changed["phones"][0]["type"] = json!("fax");
    let written = changed.clone();
    let changed = shown(changed);
    for (row, said) in [(&changed["schedules"][0], json!({ "timezone": -8 })), (&changed["phones"][0], json!({ "type": "pager" }))] {
        assert_eq!(row["kith"]["source_fields"], said, "{row}");
    }
    assert_eq!((&changed["schedules"][0]["timezone"], &changed["phones"][0]["type"]), (&json!(-7), &json!("fax")));
    goes_on(&written, &changed);
    let mut emptied = read;
    emptied["schedules"][0].as_object_mut().unwrap().shift_remove("timezone");
    let without = shown(emptied.clone());
    assert_eq!(without["schedules"][0]["kith"]["source_fields"], json!({ "timezone": -8 }));
    goes_on(&emptied, &without);

    // What was kept before there was such a thing does not say what was made: nobody is known to have changed it.
    let mut older = rest.clone();
    for list in ["schedules", "phones"] {
        older[list][0].as_object_mut().unwrap().shift_remove("read_as");
    }
    let mut record = written;
    give_back("service", &mut record, &older, true);
    assert_eq!((&record["schedules"][0]["timezone"], &record["phones"][0]["type"]), (&json!(-8), &json!("pager")));
    assert_eq!(record["schedules"][0].get("kith"), None);
}

#[test]
fn what_was_given_back_once_is_given_back_again_no_deeper() {
    let term = json!({
        "id": ids::of_term("Own", "2"), "code": "2", "name": "Elders", "description": "Elders", "taxonomy": "Own",
        "taxonomy_detail": {
            "id": ids::of_taxonomy("Own"), "name": "Own", "description": "Own", "kith": { "source_fields": { "colour": "red", "id": "tax_2" } },
        },
        "kith": { "source_fields": { "id": "term_2", "parent_name": "All" } },
    });
    let said = fields(json!({ "attributes": [{ "link_type": "eligibility", "taxonomy_term": term }] }));
    let mut record = written();
    give_back("service", &mut record, &said, true);
    assert_eq!(record["attributes"][1]["taxonomy_term"], term);
    let rest = rest("service", &record, &written());
    let kept = &rest["attributes"][0]["taxonomy_term"];
    assert_eq!((&kept["parent_name"], &kept["taxonomy_detail"]["colour"]), (&json!("All"), &json!("red")));
    assert_eq!((&kept["id"], &kept["kith"]), (&term["id"], &json!({ "source_fields": { "id": "term_2" } })));
    let mut again = written();
    give_back("service", &mut again, &rest, true);
    assert_eq!(again, record);
    assert_eq!(super::rest("service", &again, &written()), rest);
    let listed = whole_row("taxonomy_term", kept.as_object().unwrap()).unwrap();
    assert_eq!(Value::Object(listed), term);
}

#[test]
fn another_that_took_the_same_record_gives_it_ids_of_its_own() {
    let text = Value::Object(given_back(false)).to_string();
    assert!(!text.contains("22222222-2222-4222-8222"), "{text}");
}
