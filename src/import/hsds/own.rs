//! What Kith itself has written, read back exactly: objects that name the version of our profile of HSDS.
//!
//! The reader undoes [`hsds::write`](crate::hsds::write) field by field and guesses nothing. What was given back besides, and what somebody
//! has added on the way, is what is left of the whole object next to what we would write of it; see [`said`].

use serde_json::{Value, json};
use uuid::Uuid;

use super::zones::Zones;
use super::{Part, schedules};
use crate::hsds::ids;
use crate::hsds::model as hsds;
use crate::hsds::said::{self, Fields};
use crate::hsds::tables;
use crate::hsds::write::{BETWEEN_ROWS, NEEDS, schedules::rule};
use crate::http::json::{MOST_OF_RECORD, foreign};
use crate::import::draft::{Besides, Draft};
use crate::import::mapping::Mapping;
use crate::import::records::{date, status};
use crate::import::text::hours::clock;
use crate::import::{Provider, keys, rest};
use crate::organizations::model::{OrganizationInput, OrganizationKind};
use crate::services::model::{
    Alert, AreaKind, Capacity, CapacityStatus, Contact, Cost, CostOption, Eligibility, Origin, Place, Schedule, ScheduleKind, ServiceArea,
    ServiceDomain, ServiceInput, ServiceLanguage, TaxonomyTerm, Verification,
};
use crate::types::{Address, DateSpan, Identifier, Money, Phone, PhoneKind, Point};

/// True for a record that names our profile.
pub fn is_own(record: &Fields) -> bool {
    record.get("kith").and_then(|kith| kith.get("profile")).is_some_and(Value::is_string)
}

/// Reads a service with its organization into a draft; false where its fields are not of the types that we write.
pub fn read(mut service: Fields, organization: Option<&Fields>, mapping: &Mapping, draft: &mut Draft) -> bool {
    let Ok(object) = serde_json::from_value::<hsds::Service>(ours_of(&service)) else { return false };
    tell_unknown("service", &service, "", draft);
    match organization {
        Some(fields) if is_added(fields) => added(fields, mapping, &mut service, draft),
        Some(fields) => {
            let Ok(provider) = self::organization(fields, mapping) else { return false };
            tell_unknown("organization", fields, "organization.", draft);
            draft.provider = provider;
        }
        None => {}
    }
    draft.capacity = capacity(&object).and_then(|capacity| serde_json::to_value(capacity).ok());
    draft.rooms = rooms(&object).filter_map(|(key, capacity)| Some((key, serde_json::to_value(capacity).ok()?))).collect();
    let extra = object.kith.clone().unwrap_or_default();
    draft.leftovers.extend(extra.source_fields.clone());
    content(object, extra, mapping, draft);
    if draft.service.need_domains.is_empty() {
        // That it answers no known need is what is said, and nothing is inferred.
        draft.stated.insert("need_domains".into(), json!([]));
    }
    draft.service.provider_name = draft.provider.as_ref().map(|provider| provider.name.clone());
    draft.besides = Besides::Object(service);
    true
}

/// Reads an organization; none where it stands in for one that is not known.
///
/// # Errors
/// Where its fields are not of the types that we write.
pub fn organization(fields: &Fields, mapping: &Mapping) -> Result<Option<Provider>, serde_json::Error> {
    let firm = serde_json::from_value::<hsds::Organization>(ours_of(fields))?;
    if firm.kith.as_ref().is_some_and(|kith| kith.is_unknown == Some(true)) {
        return Ok(None);
    }
    let mut provider = provider(firm);
    provider.rest = Some(rest::of_own_organization(&provider, fields, &mapping.source));
    Ok(Some(provider))
}

/// True for an organization that somebody has added on the way: it has no id, or no name, and does not stand in for one that is not known.
pub fn is_added(fields: &Fields) -> bool {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let is_nobodys = text("id").is_none_or(|id| Uuid::try_parse(id).is_ok_and(|id| id.is_nil()));
    let stands_in = fields.get("kith").and_then(|kith| kith.get("is_unknown")).and_then(Value::as_bool) == Some(true);
    !stands_in && (is_nobodys || text("name").is_none())
}

/// Reads such an organization as that of any source. What is left of one without a name stays with its service.
fn added(fields: &Fields, mapping: &Mapping, service: &mut Fields, draft: &mut Draft) {
    let mut part = Part { fields: fields.clone(), ..Part::default() };
    let provider = super::organization::read(&mut part, mapping, draft);
    let left = part.rest("organization.", draft);
    if let Some(provider) = provider {
        let rest = Some(rest::of_organization(&provider, left, &mapping.source));
        draft.provider = Some(Provider { rest, ..provider });
    } else if !left.is_empty()
        && let Some(profile) = service.get_mut("kith").and_then(Value::as_object_mut)
        && let Some(kept) = profile.entry("source_fields").or_insert_with(|| json!({})).as_object_mut()
    {
        kept.insert("organization".to_owned(), Value::Object(left));
    }
}

/// An object without the rows that are its source's alone.
fn ours_of(fields: &Fields) -> Value {
    fn without_kept(value: &Value) -> Value {
        match value {
            Value::Object(fields) => Value::Object(fields.iter().map(|(name, part)| (name.clone(), without_kept(part))).collect()),
            Value::Array(items) => items.iter().filter(|item| !item.as_object().is_some_and(said::is_kept)).map(without_kept).collect(),
            other => other.clone(),
        }
    }
    without_kept(&Value::Object(fields.clone()))
}

/// Tells of members that the standard has not.
fn tell_unknown(table: &str, fields: &Fields, prefix: &str, draft: &mut Draft) {
    let Some(table) = tables::of(table) else { return };
    let is_known = |name: &str| table.has(name) || matches!(name, "kith" | "organization") || tables::KEYS.contains(&name);
    for name in fields.keys().filter(|name| !is_known(name)) {
        draft.notice("field_not_known", format!("{prefix}{name}"), "kept in source_fields");
    }
}

fn content(object: hsds::Service, extra: hsds::ServiceExtra, mapping: &Mapping, draft: &mut Draft) {
    let (own, words) = hours(&object.schedules, mapping, "schedules", draft);
    let places = object.service_at_locations.iter().enumerate().filter_map(|(number, site)| place(site, number, mapping, draft)).collect();
    let (need_domains, taxonomy_terms) = terms(&object.attributes);
    let rules = extra.eligibility.unwrap_or_default();
    let cost = extra.cost.unwrap_or_default();
    let spoken = object.languages.iter().filter_map(|row| {
        let language = tag(row)?;
        Some(ServiceLanguage { language, by_interpreter: false, note: row.note.clone() })
    });
    let modified_at = object.last_modified.as_deref().and_then(|text| text.parse().ok());
    let origin = Origin { modified_at, ..extra.provenance.unwrap_or_default() };
    let alert = object.alert.map(|text| Alert { text, language: None, shown: DateSpan::default() });
    let service = &mut draft.service;
    service.provenance.url = origin.url.clone();
    service.provenance.licence = origin.licence.clone();
    service.provenance.origin = Some(origin);
    *service = ServiceInput {
        name: object.name.unwrap_or_default(),
        alternate_names: listed(extra.alternate_names, object.alternate_name),
        kind: extra.kind.unwrap_or_default(),
        provider_id: None,
        provider_name: None,
        identifiers: extra.identifiers,
        language: extra.language.unwrap_or_else(|| "en".into()),
        description: object.description,
        translations: extra.translations,
        status: object.status.as_deref().and_then(status).unwrap_or_default(),
        url: object.url.or(extra.url),
        email: object.email.or(extra.email),
        phones: phones(&object.phones),
        contacts: object.contacts.into_iter().map(contact).collect(),
        need_domains,
        taxonomy_terms,
        places,
        service_areas: object.service_areas.iter().map(area).collect(),
        delivery_modes: extra.delivery_modes,
        schedules: if extra.schedules.is_empty() { own } else { extra.schedules },
        hours_text: words,
        eligibility: Eligibility {
            min_age: object.minimum_age,
            max_age: object.maximum_age,
            genders: rules.genders,
            populations: rules.populations,
            income_tested: rules.income_tested,
            referral_route: rules.referral_route,
            coverage_required: rules.coverage_required,
            documents_required: object.required_documents.into_iter().filter_map(|row| row.document).collect(),
            exclusions: rules.exclusions,
            text: object.eligibility_description,
        },
        languages: if extra.languages.is_empty() { spoken.collect() } else { extra.languages },
        interpretation: object.interpretation_services,
        cost: Cost {
            kind: cost.kind,
            options: object.cost_options.into_iter().filter_map(price).collect(),
            subsidy_url: cost.subsidy_url,
            text: object.fees_description,
        },
        attributes: extra.attributes.unwrap_or_default(),
        application_process: object.application_process,
        accepts_referrals: extra.accepts_referrals,
        is_rural: extra.is_rural,
        alerts: if extra.alerts.is_empty() { alert.into_iter().collect() } else { extra.alerts },
        verification: extra.verification.unwrap_or_else(|| Verification {
            last_verified_on: object.assured_date.as_deref().and_then(date),
            verified_by: object.assurer_email,
            ..Verification::default()
        }),
        connector_notes: extra.connector_notes,
        source_fields: Default::default(),
        provenance: std::mem::take(&mut service.provenance),
    };
}

fn listed(all: Vec<String>, first: Option<String>) -> Vec<String> {
    if all.is_empty() { first.into_iter().collect() } else { all }
}

fn phones(rows: &[hsds::Phone]) -> Vec<Phone> {
    let row = |row: &hsds::Phone| {
        let extra = row.kith.clone().unwrap_or_default();
        let kind = match row.kind.as_deref() {
            Some("voice") => Some(PhoneKind::Voice),
            Some("text") => Some(PhoneKind::Text),
            Some("cell") => Some(PhoneKind::Mobile),
            Some("fax") => Some(PhoneKind::Fax),
            Some("textphone") => Some(PhoneKind::Tty),
            _ => None,
        };
        let extension = row.extension.map(|number| number.to_string()).or(extra.extension);
        Some(Phone { number: extra.number, original: row.number.clone()?, extension, kind, note: row.description.clone() })
    };
    rows.iter().filter_map(row).collect()
}

fn contact(row: hsds::Contact) -> Contact {
    let email = row.email.or_else(|| row.kith.and_then(|kith| kith.email));
    Contact { name: row.name, role: row.title, phones: phones(&row.phones), email }
}

fn tag(row: &hsds::Language) -> Option<String> {
    row.kith.as_ref().and_then(|kith| kith.language.clone()).or_else(|| row.code.clone())
}

fn area(row: &hsds::ServiceArea) -> ServiceArea {
    let extent = row.extent.as_deref().and_then(|extent| foreign(extent.as_bytes(), MOST_OF_RECORD).ok());
    let ring = extent.as_ref().and_then(super::service::outer_ring).unwrap_or_default();
    let kind = row.kith.as_ref().and_then(|kith| kith.kind).unwrap_or(AreaKind::Text);
    ServiceArea { kind, value: row.name.clone().unwrap_or_default(), ring }
}

fn price(row: hsds::CostOption) -> Option<CostOption> {
    let extra = row.kith.unwrap_or_default();
    if extra.is_implied == Some(true) {
        return None;
    }
    Some(CostOption { option: row.option, amount: Money::new(row.amount?, row.currency?), per: extra.per })
}

fn terms(rows: &[hsds::Attribute]) -> (Vec<ServiceDomain>, Vec<TaxonomyTerm>) {
    let (mut domains, mut terms) = (Vec::new(), Vec::new());
    for row in rows {
        let extra = row.kith.clone().unwrap_or_default();
        let Some(term) = row.taxonomy_term.as_ref() else { continue };
        let (Some(code), Some(taxonomy)) = (term.code.clone(), term.taxonomy.clone()) else { continue };
        if term.taxonomy_detail.as_ref().is_some_and(|taxonomy| taxonomy.id == ids::of_taxonomy(NEEDS)) {
            domains.push(ServiceDomain {
                code,
                strength: extra.strength.unwrap_or_default(),
                basis: extra.basis.unwrap_or_default(),
                evidence: extra.evidence,
            });
        } else {
            // A source may label the attribute otherwise than its term; where a term has no label of its own, its code is its name.
            let label = term.name.clone().filter(|name| *name != code || row.label.as_ref() == Some(name));
            terms.push(TaxonomyTerm { taxonomy, code, label, uri: term.term_uri.clone().or(extra.uri) });
        }
    }
    (domains, terms)
}

/// Opening times, and what is said of them in words.
fn hours(rows: &[hsds::Schedule], mapping: &Mapping, field: &str, draft: &mut Draft) -> (Vec<Schedule>, Option<String>) {
    let (mut own, mut words) = (Vec::new(), None);
    let zones = Zones { named: mapping.time_zone(None).map(str::to_owned), ..Zones::default() };
    for row in rows {
        let bare = hsds::Schedule { id: row.id, description: row.description.clone(), ..hsds::Schedule::default() };
        if *row == bare && words.is_none() {
            words.clone_from(&row.description);
            continue;
        }
        match schedule(row) {
            Some(schedule) => own.push(schedule),
            // Added by somebody on the way: read as that of any source.
            None => own.extend(schedules::read(vec![hsds::shown(row)], &zones, field, draft).0),
        }
    }
    (own, words)
}

fn schedule(row: &hsds::Schedule) -> Option<Schedule> {
    let extra = row.kith.as_ref()?;
    let time = |text: &Option<String>| text.as_deref().filter(|_| extra.all_day != Some(true)).and_then(clock);
    let day = |text: &Option<String>| text.as_deref().and_then(date);
    Some(Schedule {
        rrule: extra.rrule.clone().or_else(|| rule(row))?,
        starts_on: day(&row.dtstart),
        opens_at: time(&row.opens_at),
        closes_at: time(&row.closes_at),
        time_zone: extra.time_zone.clone()?,
        valid: DateSpan { from: day(&row.valid_from), until: day(&row.valid_to) },
        kind: extra.kind.unwrap_or(ScheduleKind::Open),
        note: row.notes.clone(),
    })
}

fn place(site: &hsds::ServiceAtLocation, number: usize, mapping: &Mapping, draft: &mut Draft) -> Option<Place> {
    let location = site.location.as_ref()?;
    let extra = location.kith.clone().unwrap_or_default();
    if extra.is_implied == Some(true) {
        return None;
    }
    let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let address = location.addresses.first().map(|row| Address {
        line1: known(&row.address_1),
        line2: row.address_2.clone(),
        city: known(&row.city),
        region: known(&row.state_province),
        postal_code: known(&row.postal_code),
        country: known(&row.country),
    });
    let code = |row: &hsds::Accessibility| row.kith.as_ref().and_then(|kith| kith.code);
    let words: Vec<&str> =
        location.accessibility.iter().filter(|row| code(row).is_none()).filter_map(|row| row.description.as_deref()).collect();
    let single = location.external_identifier.clone().zip(location.external_identifier_type.clone());
    let single = single.map(|(value, system)| Identifier { system, value });
    let schedules = [site.schedules.as_slice(), location.schedules.as_slice()].concat();
    let (own, _) = hours(&schedules, mapping, &format!("locations.{number}.schedules"), draft);
    let stated = site.kith.clone().unwrap_or_default().schedules;
    Some(Place {
        name: location.name.clone(),
        address,
        point: location.latitude.zip(location.longitude).map(|(latitude, longitude)| Point { latitude, longitude }),
        point_precision: extra.point_precision,
        accessibility: location.accessibility.iter().filter_map(code).collect(),
        accessibility_text: (!words.is_empty()).then(|| words.join(BETWEEN_ROWS)),
        transit: extra.transit,
        phones: [phones(&site.phones), phones(&location.phones)].concat(),
        schedules: if stated.is_empty() { own } else { stated },
        languages: location.languages.iter().filter_map(tag).collect(),
        identifiers: if extra.identifiers.is_empty() { single.into_iter().collect() } else { extra.identifiers },
    })
}

/// How much room there is of the default one.
fn capacity(object: &hsds::Service) -> Option<Capacity> {
    let row = object.capacities.iter().find(|row| key(row).is_none());
    row.map(room).or_else(|| object.kith.as_ref()?.capacity.clone())
}

/// How much there is of those that are counted apart.
fn rooms(object: &hsds::Service) -> impl Iterator<Item = (String, Capacity)> {
    let counted = object.capacities.iter().filter_map(|row| Some((key(row)?.to_owned(), room(row))));
    let not_counted = object.kith.iter().flat_map(|extra| &extra.rooms).map(|named| (named.key.clone(), named.capacity.clone()));
    counted.chain(not_counted)
}

fn key(row: &hsds::ServiceCapacity) -> Option<&str> {
    row.kith.as_ref()?.key.as_deref()
}

fn room(row: &hsds::ServiceCapacity) -> Capacity {
    let extra = row.kith.clone().unwrap_or_default();
    let unit = row.unit.as_ref().and_then(|unit| unit.name.clone());
    let counted = row.available.filter(|free| *free > 0).map(|_| CapacityStatus::Open);
    Capacity {
        status: extra.status.or(counted).unwrap_or_default(),
        is_status_derived: extra.is_status_derived.filter(|is_derived| *is_derived),
        unit: unit.filter(|_| extra.is_unit_implied != Some(true)),
        available: row.available.filter(|_| extra.is_available_implied != Some(true)),
        maximum: row.maximum,
        waitlist_length: extra.waitlist_length,
        expected_wait_days: extra.expected_wait_days,
        as_of: row.updated.as_deref().and_then(|text| text.parse().ok()),
        note: row.description.clone(),
        funded: extra.funded,
        populations: extra.populations,
        ..Capacity::default()
    }
}

fn provider(firm: hsds::Organization) -> Provider {
    let extra = firm.kith.unwrap_or_default();
    let name = keys::fitted_name(&firm.name.unwrap_or_default());
    let identifiers = firm.organization_identifiers.into_iter().filter_map(|row| {
        let system = row.identifier_scheme.or(row.identifier_type)?;
        Some(Identifier { system, value: row.identifier? }).filter(|key| keys::fits(&key.system, &key.value))
    });
    let content = OrganizationInput {
        kind: extra.kind.unwrap_or(OrganizationKind::Agency),
        language: extra.language.unwrap_or_else(|| "en".into()),
        description: firm.description.filter(|_| extra.is_undescribed != Some(true)),
        translations: extra.translations,
        languages: extra.languages,
        phones: phones(&firm.phones),
        email: firm.email.or(extra.email),
        url: firm.website.or(extra.url),
        address: extra.address,
        point: extra.point,
        time_zone: extra.time_zone,
        person_label: extra.person_label,
        scope: extra.scope,
        policies: extra.policies.unwrap_or_default(),
        is_active: extra.is_active.unwrap_or(true),
        ..OrganizationInput::named(name.clone(), OrganizationKind::Agency)
    };
    Provider {
        key: firm.id.to_string(),
        name,
        description: content.description.clone(),
        url: content.url.clone(),
        email: content.email.clone(),
        phones: content.phones.clone(),
        identifiers: identifiers.collect(),
        parent: firm.parent_organization_id.map(|id| id.to_string()),
        content: Some(Box::new(content)),
        rest: None,
    }
}
