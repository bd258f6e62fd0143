//! HSDS locations: where one can go. Postal and virtual locations are no places.

use serde_json::{Map, Value};

use super::{Part, schedules};
use crate::import::draft::{Draft, is_empty_place, merge};
use crate::import::mapping::Mapping;
use crate::import::records::sound_point;
use crate::import::text::{self, address};
use crate::services::model::{Accessibility, Place};
use crate::types::{Address, Identifier, Phone, PhoneKind, Point};
use crate::{languages, postal_codes};

const ADDRESSES: &[&str] = &["addresses", "addresss", "address", "physical_addresses", "physical_address", "location_address"];
const LINE1: &[&str] = &["address_1", "street_address_1", "street_address", "line1", "street1", "street", "address"];
const LINE2: &[&str] = &["address_2", "street_address_2", "line2", "street2"];

/// Reads a location with what the service says of it there (its `service_at_location`); the place and its province or state.
pub fn place(mut location: Part, mut at: Part, mapping: &Mapping, prefix: &str, draft: &mut Draft) -> Option<(Place, Option<String>)> {
    let kind = location.text(&["location_type"]).or_else(|| at.text(&["location_type"])).unwrap_or_default().to_lowercase();
    let mut place = Place { name: location.text(&["name", "location_name"]), ..Place::default() };
    let mut addresses = Vec::new();
    for value in location.list(ADDRESSES) {
        match value {
            Value::Object(fields) => addresses.push(Part(fields)),
            Value::String(line) => {
                let read = address::read(&line, mapping.defaults.region.as_deref(), &mapping.defaults.country);
                place.address = place.address.or(read.address);
                if read.unlike.is_some() {
                    draft.keep_told("address_not_understood", format!("{prefix}address"), Value::String(line));
                }
            }
            other => draft.keep_told("address_not_understood", format!("{prefix}address"), other),
        }
    }
    let mut point = None;
    for mut part in addresses {
        let is_postal = part.text(&["address_type", "type"]).is_some_and(|kind| kind.eq_ignore_ascii_case("postal"));
        if is_postal {
            part.keep_rest(&format!("{prefix}postal_address."), draft);
            continue;
        }
        point = point.or_else(|| point_of(&mut part, prefix, draft));
        let inner = (schedules::FIELDS, ["phones"]);
        for name in inner.0.iter().chain(&inner.1) {
            if let Some(value) = part.0.remove(*name) {
                location.0.entry((*name).to_owned()).or_insert(value);
            }
        }
        if let (None, Some(found)) = (&place.address, address_of(&mut part, mapping, prefix, draft)) {
            place.address = Some(found);
        }
        place.name = place.name.or_else(|| part.text(&["location_name"]));
        part.keep_rest(&format!("{prefix}address."), draft);
    }
    if place.address.is_none() {
        place.address = address_of(&mut location, mapping, prefix, draft);
    }
    point = point_of(&mut location, prefix, draft).or(point);
    match kind.as_str() {
        "virtual" | "postal" => {
            draft.notice("location_is_no_place", format!("{prefix}location_type"), format!("a {kind} location is kept in source_fields"));
            location.keep_rest(prefix, draft);
            return None;
        }
        "" | "physical" => {}
        other => draft.keep_told("location_type_not_understood", format!("{prefix}location_type"), Value::String(other.to_owned())),
    }
    place.point = point.and_then(|point| sound_point(point, mapping, draft));
    accessibility(&mut location, &mut place, prefix, draft);
    let country = country(&place, mapping);
    let mut lines = phones(&mut at, &country, draft);
    lines.extend(phones(&mut location, &country, draft));
    place.phones = unique(lines);
    place.languages = spoken(&mut location, prefix, draft).into_iter().map(|(tag, _)| tag).collect();
    if let Some(key) = location.text(&["external_identifier"]) {
        let system = location.text(&["external_identifier_type"]).unwrap_or_else(|| mapping.source.clone());
        place.identifiers.push(Identifier { system, value: key });
    }
    let region = place.address.as_ref().and_then(|address| address.region.clone());
    let own = at.list(schedules::FIELDS);
    let own = if own.is_empty() { location.list(schedules::FIELDS) } else { own };
    place.schedules = schedules::read(own, zone(draft, mapping, region.as_deref()).as_deref(), &format!("{prefix}schedules"), draft);
    let ours = location.0.remove("kith").or_else(|| at.0.remove("kith"));
    if let Some(Value::Object(fields)) = ours {
        place = stated(place, fields, prefix, draft);
    }
    location.keep_rest(prefix, draft);
    at.keep_rest(prefix, draft);
    // A state alone is no place, but it has been good for the time zone.
    let is_state_alone = |address: &Address| address.line1.is_none() && address.city.is_none() && address.postal_code.is_none();
    if place.point.is_none()
        && let Some(address) = place.address.take_if(|address| is_state_alone(address))
    {
        let region = address.region.map_or(Value::Null, Value::String);
        draft.keep_told("address_not_understood", format!("{prefix}address.state_province"), region);
    }
    (!is_empty_place(&place)).then_some((place, region))
}

/// Lays our own fields of a place over it.
fn stated(place: Place, fields: Map<String, Value>, prefix: &str, draft: &mut Draft) -> Place {
    let Ok(mut value) = serde_json::to_value(&place) else { return place };
    for (name, part) in fields {
        merge(&mut value, &name, part);
    }
    serde_json::from_value(value).unwrap_or_else(|fault| {
        draft.notice("not_valid", format!("{prefix}kith"), fault.to_string());
        place
    })
}

/// The zone of hours: what the service states in its `kith` object, else the mapping's.
pub fn zone(draft: &Draft, mapping: &Mapping, region: Option<&str>) -> Option<String> {
    let stated = draft.stated.get("time_zone").and_then(Value::as_str);
    stated.or_else(|| mapping.time_zone(region)).map(str::to_owned)
}

fn country(place: &Place, mapping: &Mapping) -> String {
    let stated = place.address.as_ref().and_then(|address| address.country.clone());
    stated.unwrap_or_else(|| mapping.defaults.country.clone())
}

fn address_of(part: &mut Part, mapping: &Mapping, prefix: &str, draft: &mut Draft) -> Option<Address> {
    let mut lines = part.list(&["address_lines", "lines"]).into_iter().filter_map(|line| line.as_str().and_then(text::plain));
    let line1 = part.text(LINE1).or_else(|| lines.next());
    let line2 = part.text(LINE2).or_else(|| lines.next());
    lines.for_each(|line| draft.keep_told("address_not_understood", format!("{prefix}address.lines"), Value::String(line)));
    let city = part.text(&["city", "locality", "town"]);
    let region = part.text(&["state_province", "state", "province", "region"]);
    let postal_code = part.text(&["postal_code", "zip", "zip_code", "postcode"]);
    let named = part.text(&["country"]);
    let country = named.as_deref().and_then(country_code);
    if let Some(name) = named.filter(|_| country.is_none()) {
        draft.keep_told("country_not_understood", format!("{prefix}address.country"), Value::String(name));
    }
    if line1.is_none() && city.is_none() && postal_code.is_none() && region.is_none() {
        return None;
    }
    let country = country.unwrap_or_else(|| mapping.defaults.country.clone());
    let postal_code = postal_code.map(|code| postal_codes::written(&code, &country));
    Some(Address { line1, line2, city, region, postal_code, country: Some(country) })
}

fn country_code(name: &str) -> Option<String> {
    match name.to_uppercase().as_str() {
        "CANADA" | "CAN" => Some("CA".into()),
        "USA" | "UNITED STATES" | "UNITED STATES OF AMERICA" => Some("US".into()),
        code if code.len() == 2 && code.chars().all(|c| c.is_ascii_uppercase()) => Some(code.into()),
        _ => None,
    }
}

fn point_of(part: &mut Part, prefix: &str, draft: &mut Draft) -> Option<Point> {
    let mut inner = Part::default();
    match part.take(&["coordinates", "geo_point", "point"]) {
        Some(Value::Object(fields)) => inner = Part(fields),
        other => draft.keep_told("point_not_understood", format!("{prefix}point"), other.unwrap_or_default()),
    }
    let mut words = |names: &[&str]| part.text(names).or_else(|| inner.text(names));
    let (latitude, longitude) = (words(&["latitude", "lat"]), words(&["longitude", "lng", "lon"]));
    let number = |words: &Option<String>| words.as_deref()?.parse::<f64>().ok();
    let point = number(&latitude).zip(number(&longitude)).map(|(latitude, longitude)| Point { latitude, longitude });
    if point.is_none() {
        for (name, words) in [("latitude", latitude), ("longitude", longitude)] {
            draft.keep_told("point_not_understood", format!("{prefix}{name}"), words.map_or(Value::Null, Value::String));
        }
    }
    inner.keep_rest(&format!("{prefix}point."), draft);
    point
}

fn accessibility(location: &mut Part, place: &mut Place, prefix: &str, draft: &mut Draft) {
    let mut words = Vec::new();
    for mut row in location.parts(&["accessibility", "accessibilitys", "accessibilities", "accessibility_for_disabilities"]) {
        words.extend(row.text(&["description", "accessibility", "details"]));
        row.keep_rest(&format!("{prefix}accessibility."), draft);
    }
    for text in &words {
        let folded = text::fold(text);
        let is_limited = ["not ", "no ", "non ", "limited", "partial", "without", "inaccessible"].iter().any(|word| folded.contains(word));
        let known = [
            ("wheelchair", Accessibility::Wheelchair),
            ("accessible washroom", Accessibility::AccessibleWashroom),
            ("accessible parking", Accessibility::AccessibleParking),
            ("elevator", Accessibility::Elevator),
            ("hearing loop", Accessibility::HearingLoop),
            ("sign language", Accessibility::SignLanguage),
            ("large print", Accessibility::LargePrint),
            ("braille", Accessibility::LargePrint),
            ("service animal", Accessibility::ServiceAnimals),
            ("scent-free", Accessibility::ScentFree),
        ];
        for (word, code) in known {
            if !is_limited && folded.contains(word) && !place.accessibility.contains(&code) {
                place.accessibility.push(code);
            }
        }
    }
    place.accessibility_text = (!words.is_empty()).then(|| words.join("\n"));
}

/// Reads `phones` in all its spellings.
pub fn phones(part: &mut Part, country: &str, draft: &mut Draft) -> Vec<Phone> {
    let mut all = Vec::new();
    for value in part.list(&["phones", "phone", "phone_numbers", "contact_phones"]) {
        match value {
            Value::Object(fields) => {
                let mut line = Part(fields);
                let Some(number) = line.text(&["number", "phone_number"]) else {
                    line.keep_rest("phones.", draft);
                    continue;
                };
                let kind = line.text(&["type", "phone_type"]).and_then(|words| match text::phones::kind(&words) {
                    Some(PhoneKind::Voice) => None,
                    None => {
                        draft.keep_told("phone_type_not_understood", "phones.type", Value::String(words));
                        None
                    }
                    kind => kind,
                });
                let extension = line.text(&["extension", "ext"]);
                let note = line.text(&["description", "notes"]);
                for mut phone in draft.phones("phones", &number, country) {
                    phone.kind = phone.kind.or(kind);
                    phone.extension = phone.extension.or_else(|| extension.clone());
                    phone.note = phone.note.or_else(|| note.clone());
                    all.push(phone);
                }
                line.keep_rest("phones.", draft);
            }
            Value::String(text) => all.extend(draft.phones("phones", &text, country)),
            other => draft.keep_told("phone_not_understood", "phones", other),
        }
    }
    unique(all)
}

/// Each number once.
pub fn unique(phones: Vec<Phone>) -> Vec<Phone> {
    let mut seen: Vec<Phone> = Vec::new();
    for phone in phones {
        let is_known = seen.iter().any(|known| {
            known.extension == phone.extension
                && (known.original == phone.original || known.number.is_some() && known.number == phone.number)
        });
        if !is_known {
            seen.push(phone);
        }
    }
    seen
}

/// Languages with their remarks; names that no language is known by are kept.
pub fn spoken(part: &mut Part, prefix: &str, draft: &mut Draft) -> Vec<(String, Option<String>)> {
    let mut tags: Vec<(String, Option<String>)> = Vec::new();
    let mut unknown = Vec::new();
    for value in part.list(&["languages", "language"]) {
        let (code, name, note) = match value {
            Value::Object(fields) => {
                let mut row = Part(fields);
                let said = (row.text(&["code"]), row.text(&["name", "language"]), row.text(&["note"]));
                row.keep_rest(&format!("{prefix}languages."), draft);
                said
            }
            Value::String(name) => (None, Some(name), None),
            other => {
                unknown.push(other);
                continue;
            }
        };
        match languages::read_both(code.as_deref(), name.as_deref()) {
            Some(tag) if tags.iter().all(|(known, _)| *known != tag) => tags.push((tag, note)),
            Some(_) => {}
            None => unknown.extend(code.into_iter().chain(name).map(Value::String)),
        }
    }
    if !unknown.is_empty() {
        draft.notice("language_not_understood", format!("{prefix}languages"), "kept in source_fields");
        draft.keep(format!("{prefix}languages"), Value::Array(unknown));
    }
    tags
}
