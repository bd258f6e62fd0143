//! HSDS locations: where one can go. Postal and virtual locations are no places.

use std::collections::HashSet;

use serde_json::Value;

use super::zones::{Zones, province_of};
use super::{Part, Rows, holidays, schedules};
use crate::hsds::said::Fields;
use crate::hsds::write::{BETWEEN_ROWS, names};
use crate::import::draft::{Draft, is_empty_place, merge};
use crate::import::mapping::Mapping;
use crate::import::records::sound_point;
use crate::import::text::{self, address};
use crate::provinces::Province;
use crate::services::model::{Accessibility, Place, Schedule};
use crate::types::{Address, Identifier, Phone, Point};
use crate::{languages, postal_codes, provinces};

const ADDRESSES: &[&str] = &["addresses", "addresss", "address", "physical_addresses", "physical_address", "location_address"];
const LINE1: &[&str] = &["address_1", "street_address_1", "street_address", "line1", "street1", "street", "address"];
const LINE2: &[&str] = &["address_2", "street_address_2", "line2", "street2"];

/// Reads a location with what the service says of it there (its `service_at_location`): the place and its province or state, where it is
/// one; the rest of both goes to `sites`.
pub fn place(
    mut location: Part,
    mut at: Part,
    mapping: &Mapping,
    prefix: &str,
    sites: &mut Rows,
    draft: &mut Draft,
) -> Option<(Place, Region)> {
    let whole = (at.fields.clone(), location.whole());
    let kind = location.text(&["location_type"]).or_else(|| at.text(&["location_type"])).unwrap_or_default();
    match kind.to_lowercase().as_str() {
        "virtual" | "postal" => {
            draft.notice("location_is_no_place", format!("{prefix}location_type"), format!("a {kind} location is kept in source_fields"));
            keep_site(whole, sites);
            return None;
        }
        "" | "physical" => {}
        _ => location.refuse("location_type_not_understood", prefix, "location_type", Value::String(kind), draft),
    }
    let mut place = Place { name: location.text(&["name", "location_name"]), ..Place::default() };
    situate(&mut place, &mut location, mapping, prefix, draft);
    let accessible = accessibility(&mut location, &mut place);
    let country = country(&place, mapping);
    phones(&mut at, &country, &mut place.phones, draft);
    phones(&mut location, &country, &mut place.phones, draft);
    place.languages = spoken(&mut location, prefix, draft).into_iter().map(|(tag, _)| tag).collect();
    if let Some(key) = location.text(&["external_identifier"]) {
        let system = location.text(&["external_identifier_type"]).unwrap_or_else(|| mapping.source.clone());
        place.identifiers.push(Identifier { system, value: key });
    }
    let region = region_of(place.address.as_ref());
    let zones = zones(draft, mapping, &region);
    place.schedules = hours(&mut location, &mut at, &zones, prefix, draft);
    let ours = location.fields.remove("kith").or_else(|| at.fields.remove("kith"));
    if let Some(Value::Object(fields)) = ours {
        place = stated(place, fields, prefix, draft);
    }
    keep_accessibility(accessible, &mut location, &place, prefix, draft);
    refuse_state_alone(&mut place, &mut location, prefix, draft);
    if is_empty_place(&place) {
        keep_site(whole, sites);
        return None;
    }
    let says_itself = holidays::FIELDS.iter().any(|name| at.fields.contains_key(*name));
    let holder = if says_itself { &mut at } else { &mut location };
    holidays::read(holder, &mut place.schedules, &zones, prefix, draft);
    if let Some(owner) = location.fields.remove("organization_id").filter(is_uuid) {
        location.kept.insert("organization_id".into(), owner);
    }
    let (location, mut rest) = (location.rest(prefix, draft), at.rest(prefix, draft));
    if !location.is_empty() {
        rest.insert("location".into(), Value::Object(location));
    }
    sites.rest(names::of_place(&place), rest);
    Some((place, region))
}

/// Reads where a location is: its address and its point.
fn situate(place: &mut Place, location: &mut Part, mapping: &Mapping, prefix: &str, draft: &mut Draft) {
    let point = addresses(location, place, mapping, prefix, draft);
    if place.address.is_none() {
        place.address = address_of(location, mapping, prefix, draft);
    }
    let point = point_of(location, prefix, draft).or(point);
    place.point = point.and_then(|point| sound_point(point, mapping, draft));
}

/// Reads the hours of a service at a location, or else those of the location.
fn hours(location: &mut Part, at: &mut Part, zones: &Zones, prefix: &str, draft: &mut Draft) -> Vec<Schedule> {
    let own = at.list(schedules::FIELDS);
    let (holder, own) = if own.is_empty() {
        let own = location.list(schedules::FIELDS);
        (location, own)
    } else {
        (at, own)
    };
    let (read, rows) = schedules::read(own, zones, &format!("{prefix}schedules"), draft);
    rows.put(holder, "schedules");
    read
}

/// A state alone is no place, but it has been good for the time zone.
fn refuse_state_alone(place: &mut Place, location: &mut Part, prefix: &str, draft: &mut Draft) {
    let is_state_alone = |address: &Address| address.line1.is_none() && address.city.is_none() && address.postal_code.is_none();
    if place.point.is_none()
        && let Some(address) = place.address.take_if(|address| is_state_alone(address))
    {
        let region = address.region.map_or(Value::Null, Value::String);
        location.refuse("address_not_understood", &format!("{prefix}address."), "state_province", region, draft);
    }
}

/// The province or state of a place.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// As it is written.
    pub written: Option<String>,
    /// The province that it is.
    pub province: Option<&'static Province>,
}

impl Region {
    /// The one that a code or name names.
    pub fn named(words: &str) -> Self {
        Self { written: Some(words.to_owned()), province: provinces::named(words) }
    }

    /// Whether anything is known of it.
    pub const fn is_known(&self) -> bool {
        self.written.is_some() || self.province.is_some()
    }
}

fn region_of(address: Option<&Address>) -> Region {
    Region { written: address.and_then(|address| address.region.clone()), province: address.and_then(province_of) }
}

/// A service at a location of which nothing was made, as it came.
fn keep_site((mut site, location): (Fields, Value), sites: &mut Rows) {
    if location.as_object().is_some_and(|location| !location.is_empty()) {
        site.insert("location".into(), location);
    }
    sites.whole(Value::Object(site));
}

fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok())
}

/// Reads the addresses: the first that is no postal one is where one goes. Gives a point that stands in one of them.
fn addresses(location: &mut Part, place: &mut Place, mapping: &Mapping, prefix: &str, draft: &mut Draft) -> Option<Point> {
    let (mut rows, mut point) = (Rows::default(), None);
    for value in location.list(ADDRESSES) {
        let mut part = match value {
            Value::Object(fields) => Part { fields, ..Part::default() },
            Value::String(line) => {
                let read = address::read(&line, mapping.defaults.region.as_deref(), &mapping.defaults.country);
                place.address = place.address.take().or(read.address);
                if read.unlike.is_some() {
                    location.refuse("address_not_understood", prefix, "address", Value::String(line), draft);
                }
                continue;
            }
            other => {
                location.refuse("address_not_understood", prefix, "address", other, draft);
                continue;
            }
        };
        let whole = part.whole();
        let kind = part.text(&["address_type", "type"]).unwrap_or_default();
        if kind.eq_ignore_ascii_case("postal") || place.address.is_some() {
            draft.notice("field_not_known", format!("{prefix}postal_address"), "kept in source_fields");
            rows.whole(whole);
            continue;
        }
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("physical") {
            part.keep("address_type", Value::String(kind));
        }
        point = point.or_else(|| point_of(&mut part, prefix, draft));
        for name in schedules::FIELDS.iter().chain(&["phones"]) {
            if let Some(value) = part.fields.remove(*name) {
                location.fields.entry((*name).to_owned()).or_insert(value);
            }
        }
        place.address = address_of(&mut part, mapping, prefix, draft);
        place.name = place.name.take().or_else(|| part.text(&["location_name"]));
        let rest = part.rest(&format!("{prefix}address."), draft);
        if place.address.is_some() { rows.rest(String::new(), rest) } else { rows.whole(whole) }
    }
    rows.put(location, "addresses");
    point
}

/// Lays our own fields of a place over it.
fn stated(place: Place, fields: Fields, prefix: &str, draft: &mut Draft) -> Place {
    let Ok(mut value) = serde_json::to_value(&place) else { return place };
    for (name, part) in fields {
        merge(&mut value, &name, part);
    }
    serde_json::from_value(value).unwrap_or_else(|fault| {
        draft.notice("not_valid", format!("{prefix}kith"), fault.to_string());
        place
    })
}

/// In which zone hours are read: what the service states in its `kith` object, else the mapping's, else what follows from the place.
pub fn zones(draft: &Draft, mapping: &Mapping, region: &Region) -> Zones {
    let stated = draft.stated.get("time_zone").and_then(Value::as_str);
    let named = stated.or_else(|| mapping.time_zone(region.written.as_deref())).map(str::to_owned);
    Zones { named, province: region.province }
}

fn country(place: &Place, mapping: &Mapping) -> String {
    let stated = place.address.as_ref().and_then(|address| address.country.clone());
    stated.unwrap_or_else(|| mapping.defaults.country.clone())
}

fn address_of(part: &mut Part, mapping: &Mapping, prefix: &str, draft: &mut Draft) -> Option<Address> {
    let lines: Vec<String> = part.list(&["address_lines", "lines"]).iter().filter_map(|line| line.as_str().and_then(text::plain)).collect();
    let mut lines = lines.into_iter();
    let line1 = part.text(LINE1).or_else(|| lines.next());
    let line2 = part.text(LINE2).or_else(|| lines.next());
    let more: Vec<Value> = lines.map(Value::String).collect();
    part.refuse("address_not_understood", &format!("{prefix}address."), "lines", Value::Array(more), draft);
    let city = part.text(&["city", "locality", "town"]);
    let region = part.text(&["state_province", "state", "province", "region"]);
    let postal_code = part.text(&["postal_code", "zip", "zip_code", "postcode"]);
    let named = part.text(&["country"]);
    let country = named.as_deref().and_then(country_code);
    if let Some(name) = named.filter(|_| country.is_none()) {
        part.refuse("country_not_understood", &format!("{prefix}address."), "country", Value::String(name), draft);
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
        Some(Value::Object(fields)) => inner.fields = fields,
        other => part.refuse("point_not_understood", prefix, "point", other.unwrap_or_default(), draft),
    }
    let mut words = |names: &[&str]| part.text(names).or_else(|| inner.text(names));
    let (latitude, longitude) = (words(&["latitude", "lat"]), words(&["longitude", "lng", "lon"]));
    let number = |words: &Option<String>| words.as_deref()?.parse::<f64>().ok();
    let point = number(&latitude).zip(number(&longitude)).map(|(latitude, longitude)| Point { latitude, longitude });
    if point.is_none() {
        for (name, words) in [("latitude", latitude), ("longitude", longitude)] {
            part.refuse("point_not_understood", prefix, name, words.map_or(Value::Null, Value::String), draft);
        }
    }
    let rest = inner.rest(&format!("{prefix}point."), draft);
    part.keep("point", Value::Object(rest));
    point
}

/// Reads what is accessible; the rows as they came.
fn accessibility(location: &mut Part, place: &mut Place) -> Vec<Part> {
    let rows = location.parts(&["accessibility", "accessibilitys", "accessibilities", "accessibility_for_disabilities"]);
    let words = rows.iter().filter_map(|row| ["description", "accessibility", "details"].iter().find_map(|name| row.peek(name)));
    let words: Vec<String> = words.collect();
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
    place.accessibility_text = (!words.is_empty()).then(|| words.join(BETWEEN_ROWS));
    rows
}

/// Keeps the rows of what is accessible: with ours that say the same, or as they came.
fn keep_accessibility(rows: Vec<Part>, location: &mut Part, place: &Place, prefix: &str, draft: &mut Draft) {
    let (ours, mut kept): (HashSet<String>, Rows) = (names::of_accessibility(place).into_iter().collect(), Rows::default());
    for mut row in rows {
        let whole = row.whole();
        match row.text(&["description"]).filter(|words| ours.contains(words)) {
            Some(words) => kept.rest(words, row.rest(&format!("{prefix}accessibility."), draft)),
            None => kept.whole(whole),
        }
    }
    kept.put(location, "accessibility");
}

/// Reads `phones` in all its spellings, and adds those that are not known yet.
pub fn phones(part: &mut Part, country: &str, known: &mut Vec<Phone>, draft: &mut Draft) {
    let (mut rows, mut numbers) = (Rows::default(), Numbers::of(known));
    for value in part.list(&["phones", "phone", "phone_numbers", "contact_phones"]) {
        let before = known.len();
        match value {
            Value::Object(fields) => {
                let mut line = Part { fields, ..Part::default() };
                let whole = line.whole();
                let Some(number) = line.text(&["number", "phone_number"]) else {
                    draft.notice("phone_not_understood", "phones", "kept in source_fields");
                    rows.whole(whole);
                    continue;
                };
                let kind = line.text(&["type", "phone_type"]).and_then(|words| {
                    let kind = text::phones::kind(&words);
                    if kind.is_none() {
                        line.refuse("phone_type_not_understood", "phones.", "type", Value::String(words), draft);
                    }
                    kind
                });
                let extension = line.text(&["extension", "ext"]);
                let note = line.text(&["description", "notes"]);
                for phone in draft.phones("phones.number", &number, country) {
                    let phone = Phone {
                        kind: phone.kind.or(kind),
                        extension: phone.extension.clone().or_else(|| extension.clone()),
                        note: phone.note.clone().or_else(|| note.clone()),
                        ..phone
                    };
                    numbers.add(known, phone);
                }
                match known.get(before) {
                    Some(phone) => rows.rest(names::of_phone(phone), line.rest("phones.", draft)),
                    None => rows.whole(whole),
                }
            }
            Value::String(text) => {
                draft.phones("phones.number", &text, country).into_iter().for_each(|phone| numbers.add(known, phone));
            }
            other => {
                draft.notice("phone_not_understood", "phones", "kept in source_fields");
                rows.whole(other);
            }
        }
    }
    rows.put(part, "phones");
}

/// A number and its extension.
type Number = (String, Option<String>);

/// The numbers of telephones: as they were written, and as far as they were understood.
#[derive(Debug, Default)]
struct Numbers {
    written: HashSet<Number>,
    understood: HashSet<Number>,
}

impl Numbers {
    fn of(phones: &[Phone]) -> Self {
        let mut numbers = Self::default();
        for phone in phones {
            let (written, understood) = numbers_of(phone);
            numbers.written.insert(written);
            numbers.understood.extend(understood);
        }
        numbers
    }

    /// Adds a telephone to those that these are the numbers of, where its number is not known yet.
    fn add(&mut self, known: &mut Vec<Phone>, phone: Phone) {
        let (written, understood) = numbers_of(&phone);
        if !self.written.contains(&written) && !understood.as_ref().is_some_and(|number| self.understood.contains(number)) {
            self.written.insert(written);
            self.understood.extend(understood);
            known.push(phone);
        }
    }
}

/// The number of a telephone as it was written, and as far as it was understood.
fn numbers_of(phone: &Phone) -> (Number, Option<Number>) {
    let number = |number: &String| (number.clone(), phone.extension.clone());
    (number(&phone.original), phone.number.as_ref().map(number))
}

/// Languages with their remarks; names that no language is known by are kept.
pub fn spoken(part: &mut Part, prefix: &str, draft: &mut Draft) -> Vec<(String, Option<String>)> {
    let (mut tags, mut known) = (Vec::new(), HashSet::new());
    let (mut rows, field) = (Rows::default(), format!("{prefix}languages"));
    for value in part.list(&["languages", "language"]) {
        let whole = value.clone();
        let mut row = match value {
            Value::Object(fields) => Part { fields, ..Part::default() },
            Value::String(name) => Part { fields: Fields::from_iter([("name".to_owned(), Value::String(name))]), ..Part::default() },
            _ => Part::default(),
        };
        let (code, name, note) = (row.text(&["code"]), row.named_text(&["name", "language"]), row.text(&["note"]));
        let name = name.map(|(_, name)| name);
        match languages::read_both(code.as_deref(), name.as_deref()) {
            Some(tag) if known.insert(tag.clone()) => {
                if whole.is_object() {
                    row.keep("name", name.map_or(Value::Null, Value::String));
                    rows.rest(names::of_language(&tag), row.rest(&format!("{field}."), draft));
                }
                tags.push((tag, note));
            }
            Some(_) if whole.is_string() => {}
            Some(_) => rows.whole(whole),
            None => {
                draft.notice("language_not_understood", field.clone(), "kept in source_fields");
                rows.whole(whole);
            }
        }
    }
    rows.put(part, "languages");
    tags
}
