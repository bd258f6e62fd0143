//! One HSDS service with its organization, read into a draft.

use serde_json::{Map, Value};

use super::shapes::Unit;
use super::{Part, own, places, schedules, without_noise};
use crate::hsds::write::{TAXONOMY_DETAILS, TERM_DETAILS};
use crate::http::json::foreign;
use crate::import::draft::Draft;
use crate::import::mapping::{Mapping, Trust};
use crate::import::records::{date, status};
use crate::import::text::{self, address, cost, eligibility};
use crate::import::{Notice, Provider};
use crate::services::model::{
    Alert, AreaKind, Basis, Contact, CostKind, CostOption, DomainStrength, ServiceArea, ServiceDomain, ServiceLanguage, TaxonomyTerm,
};
use crate::types::{DateSpan, Identifier, Money, Point, find_domain};

/// The key of a service: its id, within its feed.
pub fn key(mapping: &Mapping, unit: &mut Unit, within: Option<&str>) -> Option<String> {
    let id = unit.service.text(&["id", "service_id"]).filter(|_| mapping.keys.trust != Trust::Never)?;
    let kind = if unit.is_organization { "organization:" } else { "" };
    Some(scoped(within, format!("{kind}{id}")))
}

fn scoped(within: Option<&str>, key: String) -> String {
    match within {
        Some(within) => format!("{within}/{key}"),
        None => key,
    }
}

/// Reads a service. `within` is the name of the feed in which its ids are unique.
pub fn draft(mapping: &Mapping, mut unit: Unit, within: Option<&str>) -> Result<Draft, Notice> {
    let mut draft = Draft::new(mapping).ok_or_else(|| Notice::new("not_valid", "", "no blank service"))?;
    draft.key = key(mapping, &mut unit, within);
    let Unit { mut service, is_organization, mut organization, mut around, is_only } = unit;
    if own::is_own(&service) {
        let mut exact = draft.clone();
        if own::read(&service, organization.as_ref(), mapping, &mut exact) {
            if exact.service.name.is_empty() {
                return Err(Notice::new("name_missing", "name", "the service has no name"));
            }
            exact.identity = vec![exact.service.name.clone()];
            exact.provider = exact.provider.map(|provider| Provider {
                key: scoped(within, provider.key),
                parent: provider.parent.map(|key| scoped(within, key)),
                ..provider
            });
            return Ok(exact);
        }
        draft.notice("profile_not_understood", "kith", "read as a record of any source");
    }
    extension(&mut service, &mut draft);

    let provider = organization.as_mut().and_then(|organization| provider(organization, mapping, &mut draft));
    let own_name = service.text(&["name", "service_name"]).and_then(|name| draft.text("name", &name));
    draft.service.name = match (own_name, &provider) {
        (Some(name), _) => name,
        (None, Some(provider)) => {
            draft.notice("name_from_organization", "name", "the service has no name; it is called as its organization");
            provider.name.clone()
        }
        (None, None) => return Err(Notice::new("name_missing", "name", "the service has no name")),
    };
    if is_organization {
        draft.notice("organization_as_service", "", "an organization without services is taken as a service of its own");
    }
    texts(&mut service, &mut draft);
    eligible(&mut service, &mut draft);
    costs(&mut service, mapping, &mut draft);
    terms(&mut service, &mut draft);
    areas(&mut service, &mut draft);
    people(&mut service, provider.as_ref(), mapping, &mut draft);
    capacity(&mut service, &mut draft);

    // The service that is an organization has been read from a copy of it.
    let mut organization = organization.filter(|_| !is_organization).unwrap_or_default();
    located(&mut service, &mut organization, &mut around, is_only, mapping, &mut draft);
    organization.keep_rest("organization.", &mut draft);
    around.keep_rest("record.", &mut draft);
    service.keep_rest("", &mut draft);

    let mut identity: Vec<String> = within.into_iter().map(str::to_owned).collect();
    if let Some(provider) = &provider {
        identity.extend((provider.name != draft.service.name).then(|| provider.name.clone()));
        draft.service.provider_name = Some(provider.name.clone());
    }
    identity.push(draft.service.name.clone());
    let place = draft.service.places.first();
    let address = place.and_then(|place| place.address.as_ref());
    identity.extend(address.into_iter().flat_map(|a| [&a.line1, &a.city, &a.postal_code]).flatten().cloned());
    draft.identity = identity;
    draft.provider = provider.map(|provider| Provider {
        key: scoped(within, provider.key),
        parent: provider.parent.map(|key| scoped(within, key)),
        ..provider
    });
    draft.stated.shift_remove("time_zone");
    Ok(draft)
}

/// Our own fields.
fn extension(service: &mut Part, draft: &mut Draft) {
    let Some(Value::Object(mut fields)) = service.0.remove("kith") else { return };
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
    if let Some(words) = take(&["url", "website"], draft) {
        draft.service.url = draft.url("url", &words);
    }
    if let Some(words) = take(&["email"], draft) {
        draft.service.email = draft.email("email", &words);
    }
    draft.service.verification.verified_by = take(&["assurer_email"], draft);
    if let Some(words) = take(&["assured_date"], draft) {
        draft.service.verification.last_verified_on = date(&words);
        if draft.service.verification.last_verified_on.is_none() {
            draft.keep_told("date_not_understood", "assured_date", Value::String(words));
        }
    }
    if let Some(words) = take(&["status"], draft) {
        match status(&words) {
            Some(status) => draft.service.status = status,
            None => {
                draft.notice("status_not_understood", "status", "kept in source_fields");
                draft.keep("status", Value::String(words));
            }
        }
    }
    for given in service.list(&["alternate_names"]) {
        match given.as_str().or_else(|| given.get("name").and_then(Value::as_str)).and_then(text::plain) {
            Some(name) => draft.service.alternate_names.push(name),
            None => draft.keep_told("name_not_understood", "alternate_names", given),
        }
    }
    draft.service.alternate_names.dedup();
}

fn eligible(service: &mut Part, draft: &mut Draft) {
    let (min, max) = (age(service, "minimum_age", draft), age(service, "maximum_age", draft));
    let words = service.text(&["eligibility_description", "eligibility"]).and_then(|words| draft.text("eligibility_description", &words));
    let ages = words.as_deref().filter(|_| min.is_none() && max.is_none()).and_then(eligibility::ages).unwrap_or_default();
    let stated = &mut draft.service.eligibility;
    (stated.min_age, stated.max_age) = (min.or(ages.min), max.or(ages.max));
    stated.text = words;
    let mut documents = service.parts(&["required_documents", "required_document"]);
    stated.documents_required.extend(documents.iter_mut().filter_map(|row| row.text(&["document", "name"])));
    documents.into_iter().for_each(|row| row.keep_rest("required_documents.", draft));
}

/// Whole years of age.
fn age(service: &mut Part, name: &'static str, draft: &mut Draft) -> Option<i32> {
    let words = service.text(&[name])?;
    let years = words.parse::<f64>().ok().filter(|years| (0.0..=130.0).contains(years));
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 130")]
    let whole = years.map(|years| years as i32);
    if whole.is_none() {
        draft.keep_told("age_not_understood", name, Value::String(words));
    }
    whole
}

fn costs(service: &mut Part, mapping: &Mapping, draft: &mut Draft) {
    if let Some(words) = service.text(&["fees_description", "fees"]).and_then(|words| draft.text("fees_description", &words)) {
        draft.service.cost.kind = cost::kind(&words);
        draft.service.cost.text = Some(words);
    }
    let currency = if mapping.defaults.country == "US" { "USD" } else { "CAD" };
    for mut row in service.parts(&["cost_options", "cost_option"]) {
        let whole = row.clone();
        let amount = row.text(&["amount"]).and_then(|amount| amount.parse::<f64>().ok()).filter(|amount| (0.0..1e9).contains(amount));
        let currency = row.text(&["currency"]).map_or(currency.to_owned(), |code| code.to_uppercase());
        let money = amount.map(|amount| Money::new(amount, currency)).filter(|money| money.amount_minor <= Money::MOST);
        let option = [row.text(&["option"]), row.text(&["amount_description"])].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let option = (!option.is_empty()).then_some(option);
        match money {
            Some(amount) => {
                draft.service.cost.options.push(CostOption { option, amount, per: None });
                row.keep_rest("cost_options.", draft);
            }
            None => draft.keep_told("amount_not_understood", "cost_options", without_noise(Value::Object(whole.0))),
        }
    }
    let cost = &mut draft.service.cost;
    if cost.kind.is_none() && !cost.options.is_empty() {
        let is_free = cost.options.iter().all(|option| option.amount.amount_minor == 0);
        cost.kind = Some(if is_free { CostKind::Free } else { CostKind::Fixed });
    }
}

/// Attributes are needs where they use our codes, and terms of other taxonomies otherwise.
fn terms(service: &mut Part, draft: &mut Draft) {
    for mut row in service.parts(&["attributes", "attribute"]) {
        let whole = row.clone();
        let link = row.text(&["link_type"]);
        row.0.remove("link_entity");
        let value = row.text(&["value"]);
        let mut term = row.0.remove("taxonomy_term").and_then(Part::of).unwrap_or_default();
        // Where it is no object it is the taxonomy's name.
        let taxonomy = ["taxonomy_detail", "taxonomy"].iter().find(|name| term.0.get(**name).is_some_and(Value::is_object));
        let mut taxonomy = taxonomy.and_then(|name| term.0.remove(*name)).and_then(Part::of).unwrap_or_default();
        let name =
            taxonomy.text(&["name", "id"]).or_else(|| term.text(&["taxonomy", "vocabulary", "taxonomy_id"])).or_else(|| link.clone());
        let label = term.text(&["name"]);
        let (of_term, of_taxonomy) = (described(&term, label.as_deref()), described(&taxonomy, name.as_deref()));
        let Some(code) = term.text(&["code"]).or_else(|| label.clone()).or_else(|| value.clone()) else {
            draft.keep_told("attribute_not_understood", "attributes", without_noise(Value::Object(whole.0)));
            continue;
        };
        DESCRIBED.iter().for_each(|name| {
            term.0.remove(*name);
            taxonomy.0.remove(*name);
        });
        // What a restricted taxonomy says of a term may not be shown.
        let is_restricted = is_restricted(name.as_deref().unwrap_or_default());
        if !is_restricted {
            let uri = term.0.remove("term_uri");
            if let Some(value) = value.as_ref().filter(|_| label.is_some()) {
                draft.keep_told("field_not_known", "attributes.value", Value::String(value.clone()));
            }
            row.keep_rest("attributes.", draft);
            term.clone().keep_rest("taxonomy_terms.", draft);
            taxonomy.keep_rest("taxonomies.", draft);
            term.0.extend(uri.map(|uri| ("term_uri".to_owned(), uri)));
        }
        // Who a service is for is no need.
        let is_who = link.as_deref().is_some_and(|link| link.contains("eligibility") || link.contains("audience"));
        if let Some(domain) = find_domain(&code).filter(|_| !is_who) {
            if draft.service.need_domains.iter().any(|known| known.code == domain.code) {
                continue;
            }
            draft.service.need_domains.push(ServiceDomain {
                code: domain.code.into(),
                strength: DomainStrength::Direct,
                basis: Basis::Stated,
                evidence: None,
            });
            continue;
        }
        let taxonomy = name.unwrap_or_else(|| "unknown".into());
        let label = label.or(value).filter(|_| !is_restricted);
        let uri = term.text(&["term_uri"]).and_then(|uri| draft.url("taxonomy_terms.term_uri", &uri));
        if is_who {
            draft.keep_told(
                "attribute_not_understood",
                format!("{}:{code}", link.unwrap_or_default()),
                label.map_or(Value::Bool(true), Value::String),
            );
        } else {
            if !is_restricted {
                keep_described(draft, TERM_DETAILS, format!("{taxonomy}|{code}"), of_term);
                keep_described(draft, TAXONOMY_DETAILS, taxonomy.clone(), of_taxonomy);
            }
            draft.service.taxonomy_terms.push(TaxonomyTerm { taxonomy, code, label, uri });
        }
    }
    draft.service.taxonomy_terms.dedup();
}

/// The 211 taxonomy's licence lets codes be kept, not names be shown.
fn is_restricted(taxonomy: &str) -> bool {
    let words = text::fold(taxonomy);
    words.split(|letter: char| !letter.is_alphanumeric()).any(|word| word.contains("211") || ["airs", "informcanada"].contains(&word))
}

/// What terms and taxonomies are described by.
const DESCRIBED: &[&str] = &["id", "description", "parent_id", "language", "uri", "version"];

/// What a source says of a term or a taxonomy beyond its name and code.
fn described(part: &Part, name: Option<&str>) -> Map<String, Value> {
    let says = |field: &&str, value: &Value| {
        value.as_str().is_some_and(|text| !text.is_empty() && (*field != "description" || name != Some(text)))
    };
    let fields = DESCRIBED.iter().copied();
    fields
        .filter_map(|field| Some((field, part.0.get(field)?)))
        .filter(|(field, value)| says(field, value))
        .map(|(n, v)| (n.to_owned(), v.clone()))
        .collect()
}

fn keep_described(draft: &mut Draft, under: &str, name: String, described: Map<String, Value>) {
    if described.is_empty() {
        return;
    }
    let all = draft.leftovers.entry(under.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if let Some(all) = all.as_object_mut() {
        all.entry(name).or_insert(Value::Object(described));
    }
}

fn areas(service: &mut Part, draft: &mut Draft) {
    for mut row in service.parts(&["service_areas", "service_area"]) {
        let name = row.text(&["name"]).or_else(|| row.text(&["description"]));
        let is_polygon = row.text(&["extent_type"]).is_some_and(|kind| kind.eq_ignore_ascii_case("geojson"));
        let ring = row.0.get("extent").filter(|_| is_polygon).and_then(outer_ring);
        if ring.is_some() {
            row.0.remove("extent");
        }
        match (ring, name) {
            (Some(ring), name) => {
                let value = name.unwrap_or_else(|| "area".into());
                draft.service.service_areas.push(ServiceArea { kind: AreaKind::Polygon, value, ring });
            }
            (None, Some(name)) => draft.service.service_areas.push(address::area(&name)),
            (None, None) => {}
        }
        row.keep_rest("service_areas.", draft);
    }
}

/// The outer ring of a GeoJSON polygon, given as an object or as text.
pub(super) fn outer_ring(extent: &Value) -> Option<Vec<Point>> {
    let parsed;
    let extent = match extent {
        Value::String(text) => {
            parsed = foreign(text.as_bytes()).ok()?;
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
    let own = places::phones(service, country, draft);
    draft.service.phones = if own.is_empty() { provider.map(|provider| provider.phones.clone()).unwrap_or_default() } else { own };
    for mut row in service.parts(&["contacts", "contact"]) {
        let phones = places::phones(&mut row, country, draft);
        let role = row.text(&["title"]).or_else(|| row.text(&["department"]));
        let email = row.text(&["email"]).and_then(|email| draft.email("contacts.email", &email));
        draft.service.contacts.push(Contact { name: row.text(&["name"]), role, phones, email });
        row.keep_rest("contacts.", draft);
    }
    let spoken = places::spoken(service, "", draft);
    draft.service.languages =
        spoken.into_iter().map(|(language, note)| ServiceLanguage { language, by_interpreter: false, note }).collect();
}

/// Units free now, where the source counts them; our own object wins. The first row is the service's default room, those after it are
/// counted apart, under the name of what they count.
fn capacity(service: &mut Part, draft: &mut Draft) {
    let mut is_default = true;
    for mut row in service.parts(&["capacities", "service_capacity", "capacity"]) {
        let stated = room(&mut row, draft);
        row.keep_rest("capacities.", draft);
        if std::mem::replace(&mut is_default, false) {
            draft.capacity.get_or_insert(Value::Object(stated));
        } else {
            let key = room_key(stated.get("unit").and_then(Value::as_str).unwrap_or_default(), &draft.rooms);
            draft.rooms.push((key, Value::Object(stated)));
        }
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

fn room(row: &mut Part, draft: &mut Draft) -> Map<String, Value> {
    let mut stated = Map::new();
    let mut number = |name: &str| {
        let words = row.text(&[name])?;
        let whole = words.parse::<f64>().ok().filter(|number| number.fract() == 0.0);
        if whole.is_none() {
            draft.keep_told("number_not_understood", format!("capacities.{name}"), Value::String(words));
        }
        whole
    };
    let (available, maximum) = (number("available"), number("maximum"));
    #[expect(clippy::cast_possible_truncation, reason = "out of range is refused by the schema")]
    for (name, value) in [("available", available), ("maximum", maximum)] {
        value.map(|value| stated.insert(name.into(), Value::from(value as i64)));
    }
    if let Some(mut unit) = row.0.remove("unit").and_then(Part::of) {
        unit.text(&["name"]).map(|name| stated.insert("unit".into(), name.into()));
    }
    row.text(&["description"]).map(|note| stated.insert("note".into(), note.into()));
    if let Some(updated) = row.text(&["updated"]) {
        let instant = if updated.len() == 10 { format!("{updated}T00:00:00Z") } else { updated };
        stated.insert("as_of".into(), instant.into());
    }
    if let Some(available) = available {
        stated.insert("status".into(), if available > 0.0 { "open" } else { "full" }.into());
    }
    stated
}

/// Places and hours: of the service there, else of the service, else of the location.
fn located(service: &mut Part, organization: &mut Part, around: &mut Part, is_only: bool, mapping: &Mapping, draft: &mut Draft) {
    let mut sites: Vec<(Part, Part)> = Vec::new();
    for mut at in service.parts(&["service_at_locations", "service_at_location"]) {
        let location = at.0.remove("location").and_then(Part::of).unwrap_or_default();
        sites.push((location, at));
    }
    let mut known = organization.parts(&["locations", "location"]);
    known.extend(around.parts(&["locations", "location"]));
    sites.extend(service.parts(&["locations", "location"]).into_iter().map(|location| (location, Part::default())));
    let named: Vec<Value> = service.list(&["locations", "location", "location_ids", "location_id"]);
    if sites.is_empty() {
        let of_id = |location: &Part| location.0.get("id").is_some_and(|id| named.contains(id));
        let is_linked = known.iter().any(of_id);
        if is_linked || is_only {
            sites.extend(known.into_iter().filter(|location| !is_linked || of_id(location)).map(|location| (location, Part::default())));
        } else if !known.is_empty() {
            draft.notice("places_not_linked", "locations", "the organization has several services and does not say which is where");
        }
    }
    if sites.is_empty() {
        // An address without a location around it.
        let addresses: Vec<Part> =
            [&mut *service, organization].into_iter().flat_map(|part| part.parts(&["addresses", "addresss", "address"])).collect();
        sites.extend(addresses.into_iter().filter(|address| address.0.len() > 1).map(|address| {
            let fields = Map::from_iter([("addresses".to_owned(), Value::Array(vec![Value::Object(address.0)]))]);
            (Part(fields), Part::default())
        }));
    }
    let own = service.list(schedules::FIELDS);
    let has_own = !own.is_empty();
    let many = sites.len() > 1;
    let mut region = None;
    for (index, (mut location, at)) in sites.into_iter().enumerate() {
        let prefix = if many { format!("locations.{index}.") } else { "location.".to_owned() };
        // The service's own hours win over those of the building.
        let of_building = if has_own { location.list(schedules::FIELDS) } else { Vec::new() };
        if !of_building.is_empty() {
            draft.keep(format!("{prefix}schedules"), Value::Array(of_building));
        }
        if let Some((place, of_place)) = places::place(location, at, mapping, &prefix, draft) {
            draft.service.places.push(place);
            region = region.or(of_place);
        }
    }
    let zone = places::zone(draft, mapping, region.as_deref());
    // Hours that are stated in our own form are the whole of it.
    if !draft.stated.contains_key("schedules") {
        draft.service.schedules = schedules::read(own, zone.as_deref(), "schedules", draft);
    }
}

fn provider(organization: &mut Part, mapping: &Mapping, draft: &mut Draft) -> Option<Provider> {
    let name = organization.text(&["name", "legal_name"])?;
    let id = organization.text(&["id"]);
    let is_uuid = |id: &String| uuid::Uuid::try_parse(id).is_ok();
    // Ids repeat with other names behind them; a name belongs to the key unless the id is one for the whole world.
    let key = match id {
        Some(id) if is_uuid(&id) || mapping.keys.trust == Trust::Always => id,
        Some(id) if mapping.keys.trust == Trust::Unique => format!("{id}/{}", text::slug(&name)),
        _ => text::slug(&name),
    };
    // What it is part of can be told where ids are for the whole world.
    let is_of_the_world = uuid::Uuid::try_parse(&key).is_ok();
    let parent = organization.text(&["parent_organization_id"]).filter(|id| is_of_the_world && is_uuid(id));
    let url = organization.text(&["website", "url", "uri"]).and_then(|url| draft.url("organization.website", &url));
    let email = organization.text(&["email"]).and_then(|email| draft.email("organization.email", &email));
    let phones = places::phones(organization, &mapping.defaults.country, draft);
    let mut identifiers = Vec::new();
    for mut row in organization.parts(&["organization_identifiers", "organization_identifier"]) {
        let whole = row.clone();
        match (row.text(&["identifier_scheme"]), row.text(&["identifier"])) {
            (Some(system), Some(value)) => identifiers.push(Identifier { system, value }),
            _ => {
                draft.keep_told("identifier_not_understood", "organization.organization_identifiers", without_noise(Value::Object(whole.0)))
            }
        }
    }
    Some(Provider { key, name, description: organization.text(&["description"]), url, email, phones, identifiers, parent, content: None })
}
