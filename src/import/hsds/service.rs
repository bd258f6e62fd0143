//! One HSDS service with its organization, read into a draft.

use std::collections::HashSet;

use serde_json::Value;

use super::shapes::Unit;
use super::{Part, Rows, holidays, organization, own, places, schedules, terms};
use crate::hsds::said::Fields;
use crate::hsds::write::names;
use crate::http::json::{MOST_OF_RECORD, foreign};
use crate::import::draft::{Besides, Draft, Unfit};
use crate::import::mapping::{Mapping, Trust};
use crate::import::records::{date, status};
use crate::import::text::{self, address, cost, eligibility};
use crate::import::{Notice, Provider, keys, rest};
use crate::services::capacity::MOST_ROOMS;
use crate::services::model::{Alert, AreaKind, Contact, CostKind, CostOption, CostPer, ServiceArea, ServiceInput, ServiceLanguage};
use crate::types::{DateSpan, Money, Point};

/// The key of a service: its id, within its feed.
pub fn key(mapping: &Mapping, unit: &mut Unit, within: Option<&str>) -> Option<String> {
    if mapping.keys.trust == Trust::Never {
        return None;
    }
    let id = unit.service.text(&["id", "service_id"])?;
    Some(scoped(within, of_kind(unit.is_organization, &id)))
}

/// The keys under which the record with this id may be known, where all ids are trusted and there is no feed within which they are unique:
/// as a service, and as an organization that is itself one. None where nothing of the id is left as plain text.
pub fn keys_of_id(id: &str) -> Vec<String> {
    let both = |id: String| [false, true].map(|is_organization| keys::fitted(&of_kind(is_organization, &id)));
    text::plain(id).map(both).into_iter().flatten().collect()
}

fn of_kind(is_organization: bool, id: &str) -> String {
    let kind = if is_organization { "organization:" } else { "" };
    format!("{kind}{id}")
}

/// A provider whose keys are those of its feed.
pub fn within_feed(within: Option<&str>, provider: Provider) -> Provider {
    let of_feed = |key: String| keys::fitted(&scoped(within, key));
    let parent = provider.parent.map(of_feed);
    Provider { key: of_feed(provider.key), parent, ..provider }
}

fn scoped(within: Option<&str>, key: String) -> String {
    match within {
        Some(within) => format!("{within}/{key}"),
        None => key,
    }
}

/// Reads a service. `within` is the name of the feed in which its ids are unique.
pub fn draft(mapping: &Mapping, mut unit: Unit, within: Option<&str>) -> Result<Draft, Unfit> {
    let mut draft = Draft::new(mapping).ok_or_else(|| Notice::new("not_valid", "", "no blank service"))?;
    let ours = own::is_own(&unit.service.fields).then(|| unit.service.fields.clone());
    draft.key = key(mapping, &mut unit, within);
    if let Some(fields) = ours {
        let mut exact = draft.clone();
        if own::read(fields, unit.organization.as_ref().map(|part| &part.fields), mapping, &mut exact) {
            if exact.service.name.is_empty() {
                return Err(nameless(draft));
            }
            exact.identity = vec![exact.service.name.clone()];
            exact.provider = exact.provider.map(|provider| within_feed(within, provider));
            return Ok(exact);
        }
        draft.notice("profile_not_understood", "kith", "read as a record of any source");
    }
    let Unit { mut service, is_organization, mut organization, mut around, is_only } = unit;
    extension(&mut service, &mut draft);

    let mut provider = organization.as_mut().and_then(|organization| organization::read(organization, mapping, &mut draft));
    let Some(name) = name(&mut service, provider.as_ref(), &mut draft) else { return Err(nameless(draft)) };
    draft.service.name = name;
    if is_organization {
        draft.notice("organization_as_service", "", "an organization without services is taken as a service of its own");
    }
    texts(&mut service, &mut draft);
    eligible(&mut service, &mut draft);
    costs(&mut service, mapping, &mut draft);
    terms::read(&mut service, &mut draft);
    areas(&mut service, &mut draft);
    people(&mut service, provider.as_ref(), mapping, &mut draft);
    capacity(&mut service, &mut draft);

    // The service that is an organization has been read from a copy of it.
    let mut organization = organization.filter(|_| !is_organization).unwrap_or_default();
    located(&mut service, &mut organization, &mut around, is_only, mapping, &mut draft);
    let left = organization.rest("organization.", &mut draft);
    match &mut provider {
        Some(provider) if !is_organization => provider.rest = Some(rest::of_organization(provider, left, &mapping.source)),
        _ => service.keep("organization", Value::Object(left)),
    }
    let left = around.rest("record.", &mut draft);
    service.keep("record", Value::Object(left));
    let left = service.rest("", &mut draft);
    draft.leftovers.extend(left);
    draft.besides = Besides::Rest;

    if let Some(provider) = &provider {
        draft.service.provider_name = Some(provider.name.clone());
    }
    draft.identity = identity(&draft.service, provider.as_ref(), within);
    draft.provider = provider.map(|provider| within_feed(within, provider));
    draft.stated.shift_remove("time_zone");
    Ok(draft)
}

/// What the service is called, where it or its organization has a name.
fn name(service: &mut Part, provider: Option<&Provider>, draft: &mut Draft) -> Option<String> {
    let own = service.text(&["name", "service_name"]).and_then(|name| draft.text("name", &name));
    if own.is_some() {
        return own;
    }
    let provider = provider?;
    draft.notice("name_from_organization", "name", "the service has no name; it is called as its organization");
    Some(provider.name.clone())
}

/// What a service without a key is known by: its feed, its provider, its name and where it is.
fn identity(service: &ServiceInput, provider: Option<&Provider>, within: Option<&str>) -> Vec<String> {
    let mut identity: Vec<String> = within.into_iter().map(str::to_owned).collect();
    identity.extend(provider.map(|provider| provider.name.clone()).filter(|provider| *provider != service.name));
    identity.push(service.name.clone());
    let address = service.places.first().and_then(|place| place.address.as_ref());
    identity.extend(address.into_iter().flat_map(|a| [&a.line1, &a.city, &a.postal_code]).flatten().cloned());
    identity
}

fn nameless(draft: Draft) -> Unfit {
    Unfit { key: draft.key, reason: Notice::new("name_missing", "name", "the service has no name") }
}

/// Our own fields.
fn extension(service: &mut Part, draft: &mut Draft) {
    let Some(Value::Object(mut fields)) = service.fields.remove("kith") else { return };
    match fields.shift_remove("capacity") {
        Some(stated @ Value::Object(_)) => draft.capacity = Some(stated),
        other => draft.keep_told("capacity_not_understood", "kith.capacity", other.unwrap_or_default()),
    }
    if let Some(zone) = fields.get("time_zone").and_then(Value::as_str)
        && zone.parse::<chrono_tz::Tz>().is_err()
    {
        draft.notice("time_zone_unknown", "kith.time_zone", format!("{zone} is no IANA time zone"));
        draft.keep("kith.time_zone", fields.shift_remove("time_zone").unwrap_or_default());
    }
    fields.shift_remove("profile");
    draft.stated = fields;
}

fn texts(service: &mut Part, draft: &mut Draft) {
    let mut take =
        |names: &[&str], draft: &mut Draft| service.text(names).and_then(|words| draft.text(names.first().unwrap_or(&""), &words));
    draft.service.description = take(&["description"], draft);
    draft.service.interpretation = take(&["interpretation_services"], draft);
    draft.service.application_process = take(&["application_process"], draft);
    if let Some(alternate) = take(&["alternate_name"], draft) {
        draft.service.alternate_names.push(alternate);
    }
    if let Some(alert) = take(&["alert"], draft) {
        draft.service.alerts.push(Alert { text: alert, language: None, shown: DateSpan::default() });
    }
    draft.service.verification.verified_by = take(&["assurer_email"], draft);
    draft.service.url = service.url(&["url", "website"], "", draft);
    draft.service.email = service.email("", draft);
    if let Some(words) = service.text(&["assured_date"]) {
        draft.service.verification.last_verified_on = date(&words);
        if draft.service.verification.last_verified_on.is_none() {
            service.refuse("date_not_understood", "", "assured_date", Value::String(words), draft);
        }
    }
    if let Some(words) = service.text(&["status"]) {
        match status(&words) {
            Some(status) => draft.service.status = status,
            None => service.refuse("status_not_understood", "", "status", Value::String(words), draft),
        }
    }
    let (mut names, mut others) = (Vec::new(), Vec::new());
    for given in service.list(&["alternate_names"]) {
        match given.as_str().or_else(|| given.get("name").and_then(Value::as_str)).and_then(text::plain) {
            Some(name) => names.push(name),
            None => others.push(given),
        }
    }
    service.refuse("name_not_understood", "", "alternate_names", Value::Array(others), draft);
    draft.service.alternate_names.extend(names);
    draft.service.alternate_names.dedup();
}

fn eligible(service: &mut Part, draft: &mut Draft) {
    let (min, max) = (age(service, "minimum_age", draft), age(service, "maximum_age", draft));
    let words = service.text(&["eligibility_description", "eligibility"]).and_then(|words| draft.text("eligibility_description", &words));
    let ages = words.as_deref().filter(|_| min.is_none() && max.is_none()).and_then(eligibility::ages).unwrap_or_default();
    let stated = &mut draft.service.eligibility;
    (stated.min_age, stated.max_age) = (min.or(ages.min), max.or(ages.max));
    stated.text = words;
    let mut rows = Rows::default();
    for mut row in service.parts(&["required_documents", "required_document"]) {
        let whole = row.whole();
        match row.text(&["document", "name"]) {
            Some(document) => {
                rows.rest(names::of_document(&document), row.rest("required_documents.", draft));
                draft.service.eligibility.documents_required.push(document);
            }
            None => rows.whole(whole),
        }
    }
    rows.put(service, "required_documents");
}

/// Whole years of age.
fn age(service: &mut Part, name: &'static str, draft: &mut Draft) -> Option<i32> {
    let given = service.fields.get(name).cloned().unwrap_or_default();
    let words = service.text(&[name])?;
    let years = words.parse::<f64>().ok().filter(|years| (0.0..=130.0).contains(years));
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 130")]
    let whole = years.map(|years| years as i32);
    if whole.is_none() {
        service.refuse("age_not_understood", "", name, given, draft);
    }
    whole
}

fn costs(service: &mut Part, mapping: &Mapping, draft: &mut Draft) {
    if let Some((field, words)) = service.named_text(&["fees_description", "fees"]) {
        // What was said in a field that the standard gives up stands there, too.
        if field == "fees" {
            service.keep(field, Value::String(words.clone()));
        }
        if let Some(words) = draft.text(field, &words) {
            draft.service.cost.kind = cost::kind(&words);
            draft.service.cost.text = Some(words);
        }
    }
    let (currency, mut rows) = (if mapping.defaults.country == "US" { "USD" } else { "CAD" }, Rows::default());
    for mut row in service.parts(&["cost_options", "cost_option"]) {
        let whole = row.whole();
        let amount = row.text(&["amount"]).and_then(|amount| amount.parse::<f64>().ok()).filter(|amount| (0.0..1e9).contains(amount));
        let currency = row.text(&["currency"]).map_or(currency.to_owned(), |code| code.to_uppercase());
        let money = amount.map(|amount| Money::new(amount, currency)).filter(|money| money.amount_minor <= Money::MOST);
        let Some(amount) = money else {
            draft.notice("amount_not_understood", "cost_options", "kept in source_fields");
            rows.whole(whole);
            continue;
        };
        let what = row.text(&["amount_description"]);
        let per = what.as_deref().and_then(per);
        row.keep("amount_description", what.clone().map_or(Value::Null, Value::String));
        let option = CostOption { option: row.text(&["option"]).or(what), amount, per };
        rows.rest(names::of_price(&option), row.rest("cost_options.", draft));
        draft.service.cost.options.push(option);
    }
    rows.put(service, "cost_options");
    let cost = &mut draft.service.cost;
    if cost.kind.is_none() && !cost.options.is_empty() {
        let is_free = cost.options.iter().all(|option| option.amount.amount_minor == 0);
        cost.kind = Some(if is_free { CostKind::Free } else { CostKind::Fixed });
    }
}

/// What a price buys, where the words are no more than that.
fn per(words: &str) -> Option<CostPer> {
    match text::fold(words).trim_start_matches("per ").trim_start_matches("a ") {
        "visit" | "session" | "item" => Some(CostPer::Visit),
        "week" => Some(CostPer::Week),
        "month" => Some(CostPer::Month),
        "year" => Some(CostPer::Year),
        "course" => Some(CostPer::Course),
        _ => None,
    }
}

fn areas(service: &mut Part, draft: &mut Draft) {
    let mut rows = Rows::default();
    for mut row in service.parts(&["service_areas", "service_area"]) {
        let whole = row.whole();
        let name = row.text(&["name"]).or_else(|| row.peek("description"));
        let is_polygon = row.peek("extent_type").is_some_and(|kind| kind.eq_ignore_ascii_case("geojson"));
        let ring = row.fields.get("extent").filter(|_| is_polygon).and_then(outer_ring);
        let area = match (ring, name) {
            (Some(ring), name) => {
                row.fields.remove("extent_type");
                if !row.fields.get("extent").is_some_and(has_more_rings) {
                    row.fields.remove("extent");
                }
                ServiceArea { kind: AreaKind::Polygon, value: name.unwrap_or_else(|| "area".into()), ring }
            }
            (None, Some(name)) => address::area(&name),
            (None, None) => {
                rows.whole(whole);
                continue;
            }
        };
        rows.rest(names::of_service_area(&area), row.rest("service_areas.", draft));
        draft.service.service_areas.push(area);
    }
    rows.put(service, "service_areas");
}

/// Whether a polygon has holes, which ours have not.
fn has_more_rings(extent: &Value) -> bool {
    let parsed = extent.as_str().and_then(|text| foreign(text.as_bytes(), MOST_OF_RECORD).ok());
    let extent = parsed.as_ref().unwrap_or(extent);
    let rings = extent.get("geometry").unwrap_or(extent).get("coordinates").and_then(Value::as_array);
    rings.is_some_and(|rings| rings.len() > 1)
}

/// The outer ring of a GeoJSON polygon, given as an object or as text.
pub(super) fn outer_ring(extent: &Value) -> Option<Vec<Point>> {
    let parsed;
    let extent = match extent {
        Value::String(text) => {
            parsed = foreign(text.as_bytes(), MOST_OF_RECORD).ok()?;
            &parsed
        }
        other => other,
    };
    let geometry = extent.get("geometry").unwrap_or(extent);
    if geometry.get("type")?.as_str()? != "Polygon" {
        return None;
    }
    let ring = geometry.get("coordinates")?.get(0)?.as_array()?;
    ring.iter().map(|pair| Some(Point { longitude: pair.get(0)?.as_f64()?, latitude: pair.get(1)?.as_f64()? })).collect()
}

fn people(service: &mut Part, provider: Option<&Provider>, mapping: &Mapping, draft: &mut Draft) {
    let country = mapping.defaults.country.as_str();
    let mut own = Vec::new();
    places::phones(service, country, &mut own, draft);
    draft.service.phones = if own.is_empty() { provider.map(|provider| provider.phones.clone()).unwrap_or_default() } else { own };
    let mut rows = Rows::default();
    for mut row in service.parts(&["contacts", "contact"]) {
        let mut phones = Vec::new();
        places::phones(&mut row, country, &mut phones, draft);
        let mut role = row.text(&["title"]);
        if role.is_none() {
            role = row.text(&["department"]);
            row.keep("department", role.clone().map_or(Value::Null, Value::String));
        }
        let email = row.email("contacts.", draft);
        let contact = Contact { name: row.text(&["name"]), role, phones, email };
        rows.rest(names::of_person(&contact), row.rest("contacts.", draft));
        draft.service.contacts.push(contact);
    }
    rows.put(service, "contacts");
    let spoken = places::spoken(service, "", draft);
    draft.service.languages =
        spoken.into_iter().map(|(language, note)| ServiceLanguage { language, by_interpreter: false, note }).collect();
}

/// Units free now, where the source counts them; our own object wins. The first row is the service's default room, those after it are
/// counted apart, under the name of what they count; those that are more than a service may have stay as they came.
fn capacity(service: &mut Part, draft: &mut Draft) {
    let (mut is_default, mut is_full, mut rows) = (true, false, Rows::default());
    for mut row in service.parts(&["capacities", "service_capacity", "capacity"]) {
        if draft.rooms.len() >= MOST_ROOMS {
            is_full = true;
            rows.whole(Value::Object(row.fields));
            continue;
        }
        let stated = room(&mut row, draft);
        let left = row.rest("capacities.", draft);
        if std::mem::replace(&mut is_default, false) {
            rows.rest(String::new(), left);
            draft.capacity.get_or_insert(Value::Object(stated));
        } else {
            let key = room_key(stated.get("unit").and_then(Value::as_str).unwrap_or_default(), &draft.rooms);
            rows.rest(key.clone(), left);
            draft.rooms.push((key, Value::Object(stated)));
        }
    }
    rows.put(service, "capacities");
    if is_full {
        draft.too_many_rooms();
    }
}

/// A name for a room that no other one has.
fn room_key(words: &str, taken: &[(String, Value)]) -> String {
    let slug: String = text::slug(words).chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(50).collect();
    let words: Vec<&str> = slug.split('-').filter(|word| !word.is_empty()).collect();
    let key = if words.is_empty() { "room".to_owned() } else { words.join("-") };
    let numbered = (2..).map(|number| format!("{key}-{number}"));
    let mut names = std::iter::once(key.clone()).chain(numbered);
    names.find(|name| taken.iter().all(|(other, _)| other != name)).unwrap_or(key)
}

fn room(row: &mut Part, draft: &mut Draft) -> Fields {
    let mut stated = Fields::new();
    let mut number = |name: &str| {
        let words = row.text(&[name])?;
        let whole = words.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
        if whole.is_none() {
            row.refuse("number_not_understood", "capacities.", name, Value::String(words), draft);
        }
        whole
    };
    let (available, maximum) = (number("available"), number("maximum"));
    #[expect(clippy::cast_possible_truncation, reason = "out of range is refused by the schema")]
    for (name, value) in [("available", available), ("maximum", maximum)] {
        value.map(|value| stated.insert(name.into(), Value::from(value as i64)));
    }
    match row.fields.remove("unit") {
        Some(Value::Object(fields)) => {
            let mut unit = Part { fields, ..Part::default() };
            unit.text(&["name"]).map(|name| stated.insert("unit".into(), name.into()));
            let left = unit.rest("units.", draft);
            row.keep("unit", Value::Object(left));
        }
        other => row.keep("unit", other.unwrap_or_default()),
    }
    row.text(&["description"]).map(|note| stated.insert("note".into(), note.into()));
    if let Some(updated) = row.text(&["updated"]) {
        let instant = if updated.len() == 10 { format!("{updated}T00:00:00Z") } else { updated };
        stated.insert("as_of".into(), instant.into());
    }
    // Whether anybody waits where nothing is free is known where it is written.
    if available.is_some_and(|available| available > 0.0) {
        stated.insert("status".into(), "open".into());
    }
    stated
}

/// Places and hours: of the service there, else of the service, else of the location.
fn located(service: &mut Part, organization: &mut Part, around: &mut Part, is_only: bool, mapping: &Mapping, draft: &mut Draft) {
    let own = service.list(schedules::FIELDS);
    let sites = sites(service, organization, around, is_only, draft);
    let (many, mut rows, mut region) = (sites.len() > 1, Rows::default(), None);
    for (index, (mut location, at)) in sites.into_iter().enumerate() {
        let prefix = if many { format!("locations.{index}.") } else { "location.".to_owned() };
        // The service's own hours win over those of the building.
        let of_building = if own.is_empty() { Vec::new() } else { location.list(schedules::FIELDS) };
        location.keep("schedules", Value::Array(of_building));
        if let Some((place, of_place)) = places::place(location, at, mapping, &prefix, &mut rows, draft) {
            draft.service.places.push(place);
            region = region.filter(places::Region::is_known).or(Some(of_place));
        }
    }
    rows.put(service, "service_at_locations");
    // Hours that are stated in our own form are the whole of it.
    if !draft.stated.contains_key("schedules") {
        let area = || draft.service.service_areas.iter().find(|area| area.kind == AreaKind::Region);
        let region = region.or_else(|| area().map(|area| places::Region::named(&area.value))).unwrap_or_default();
        let zones = places::zones(draft, mapping, &region);
        let (mut read, rows) = schedules::read(own, &zones, "schedules", draft);
        rows.put(service, "schedules");
        holidays::read(service, &mut read, &zones, "", draft);
        draft.service.schedules = read;
    }
}

/// The locations of a service, each with what the service says of it there.
fn sites(service: &mut Part, organization: &mut Part, around: &mut Part, is_only: bool, draft: &mut Draft) -> Vec<(Part, Part)> {
    let mut sites: Vec<(Part, Part)> = Vec::new();
    for mut at in service.parts(&["service_at_locations", "service_at_location"]) {
        let location = at.fields.remove("location").and_then(Part::of).unwrap_or_default();
        sites.push((location, at));
    }
    sites.extend(service.parts(&["locations", "location"]).into_iter().map(|location| (location, Part::default())));
    let named: Vec<Value> = service.list(&["locations", "location", "location_ids", "location_id"]);
    let ids: HashSet<&Value> = named.iter().collect();
    let is_named = |location: &Part| location.fields.get("id").is_some_and(|id| ids.contains(id));
    let mut known = organization.parts(&["locations", "location"]);
    known.extend(around.parts(&["locations", "location"]));
    let is_linked = known.iter().any(is_named);
    let (used, others): (Vec<Part>, Vec<Part>) = if sites.is_empty() && (is_linked || is_only) {
        known.into_iter().partition(|location| !is_linked || is_named(location))
    } else {
        if sites.is_empty() && !known.is_empty() {
            draft.notice("places_not_linked", "locations", "the organization has several services and does not say which is where");
        }
        (Vec::new(), known)
    };
    sites.extend(used.into_iter().map(|location| (location, Part::default())));
    organization.keep("locations", others.iter().map(Part::whole).collect());
    service.keep("location_ids", Value::Array(named));
    if sites.is_empty() {
        // An address without a location around it.
        for part in [&mut *service, organization] {
            let (addresses, bare): (Vec<Part>, Vec<Part>) =
                part.parts(&["addresses", "addresss", "address"]).into_iter().partition(|address| address.fields.len() > 1);
            part.keep("addresses", bare.iter().map(Part::whole).collect());
            sites.extend(addresses.into_iter().map(|address| {
                let fields = Fields::from_iter([("addresses".to_owned(), Value::Array(vec![address.whole()]))]);
                (Part { fields, ..Part::default() }, Part::default())
            }));
        }
    }
    sites
}
