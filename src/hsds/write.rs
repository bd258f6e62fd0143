//! From our records to HSDS.
//!
//! Every fact goes where the standard has a field for it; what the standard lacks, or cannot say exactly, goes into the object `kith`
//! beside it. Nothing depends on the day or on chance, but for notices that have run out: the same record gives the same objects.

mod capacity;
mod money;
pub mod names;
mod parts;
pub mod schedules;
mod terms;

use std::sync::LazyLock;

use chrono::NaiveDate;
use jsonschema::Validator;
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::capacity::is_counted;
use self::capacity::of_capacity;
use self::money::cost_options;
pub use self::parts::BETWEEN_ROWS;
use self::parts::{language, location, of_area, of_contact, phones};
use self::terms::attributes;
pub use self::terms::{NEEDS, TAXONOMY_DETAILS, TERM_DETAILS, described_taxonomy, described_term, foreign_term, need_term, terms_of};
use super::ids;
use super::model::{
    CostRules, EligibilityRules, Location, LocationExtra, Organization, OrganizationExtra, OrganizationIdentifier, PROFILE_VERSION,
    RequiredDocument, Service, ServiceAtLocation, ServiceAtLocationExtra, ServiceExtra, shown,
};
use super::said::{self, Fields};
use crate::db::types::Instant;
use crate::organizations::model::{OrganizationKind, OrganizationRow, Policies};
use crate::services::model::{self, Attributes, Origin, ServiceInput, ServiceKind, ServiceStatus};
use crate::services::row::ServiceRow;
use crate::types::{self, DeliveryMode};

/// For whom objects are written.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Whether they may read what link workers note.
    pub is_known: bool,
    /// The day; notices that have run out are not shown.
    pub today: NaiveDate,
}

static URI: LazyLock<Option<Validator>> = LazyLock::new(|| of_format("uri"));
static EMAIL: LazyLock<Option<Validator>> = LazyLock::new(|| of_format("email"));

fn of_format(format: &str) -> Option<Validator> {
    jsonschema::options().should_validate_formats(true).build(&json!({ "type": "string", "format": format })).ok()
}

/// The text, where it is of the form that the standard's schemas ask for; else the other is it.
fn formed(text: Option<&String>, form: &LazyLock<Option<Validator>>) -> (Option<String>, Option<String>) {
    match text {
        Some(text) if form.as_ref().is_some_and(|form| form.is_valid(&Value::String(text.clone()))) => (Some(text.clone()), None),
        other => (None, other.cloned()),
    }
}

fn of_uri(text: Option<&String>) -> (Option<String>, Option<String>) {
    formed(text, &URI)
}

fn of_email(text: Option<&String>) -> (Option<String>, Option<String>) {
    formed(text, &EMAIL)
}

fn filled<T: PartialEq + Default>(extra: T) -> Option<T> {
    (extra != T::default()).then_some(extra)
}

/// The status in the words of the standard.
pub const fn status(status: ServiceStatus) -> &'static str {
    match status {
        ServiceStatus::Active => "active",
        ServiceStatus::Inactive => "inactive",
        ServiceStatus::Defunct => "defunct",
        ServiceStatus::TemporarilyClosed => "temporarily closed",
    }
}

/// When a service last changed. A record that came from a source unchanged is as old as it is there.
pub fn last_modified(row: &ServiceRow) -> Instant {
    let provenance = &row.content.provenance;
    let said = row.content.source_fields.get("last_modified").and_then(|moment| moment.as_str()?.parse().ok());
    let there = provenance.origin.as_ref().and_then(|origin| origin.modified_at).or(said);
    let is_untouched = provenance.imported_at == Some(row.updated_at);
    there.filter(|there| is_untouched && *there <= row.updated_at).unwrap_or(row.updated_at)
}

/// How many entries a service has among the services at locations: its places, or where one reaches it without any, and what its source
/// lists besides.
pub fn sites(service: &ServiceInput) -> usize {
    own_sites(service) + besides(service).count()
}

fn own_sites(service: &ServiceInput) -> usize {
    let is_implied = service.places.is_empty() && is_remote(service) && besides(service).next().is_none();
    if is_implied { 1 } else { service.places.len() }
}

/// What its source lists among the services at locations and Kith does not read: virtual and postal locations.
fn besides(service: &ServiceInput) -> impl Iterator<Item = &Value> {
    let listed = service.source_fields.get("service_at_locations").and_then(Value::as_array);
    listed.into_iter().flatten().filter(|site| site.is_object() && site.get(said::OF).is_none())
}

/// The ids that its source gives to a service's sites, in their order; none where it gives none.
pub fn claimed_sites(row: &ServiceRow) -> Box<[Option<Uuid>]> {
    if !row.content.source_fields.contains_key("service_at_locations") {
        return Box::default();
    }
    let writer = Writer { is_known: false, today: NaiveDate::MIN };
    let id = ids::claimed_by_service(row);
    let mut service = Fields::from_iter([("id".to_owned(), Value::from(id.to_string()))]);
    let own: Vec<Value> = (0..own_sites(&row.content)).filter_map(|number| writer.site(row, id, number)).map(|site| shown(&site)).collect();
    service.insert("service_at_locations".into(), own.into());
    let said = row.content.source_fields.iter().filter(|(name, _)| *name == "service_at_locations");
    said::give_back("service", &mut service, said, true);
    let sites = service.get("service_at_locations").and_then(Value::as_array).into_iter().flatten();
    let claimed = |(number, site): (usize, &Value)| {
        let given = site.get("id").and_then(|id| Uuid::try_parse(id.as_str()?).ok());
        given.filter(|given| *given != site_id(id, number))
    };
    sites.enumerate().map(claimed).collect()
}

/// Whether the parts of a service have the ids that its source gave them: it is known by its source's id itself.
pub fn has_ids(row: &ServiceRow, shown: Uuid) -> bool {
    shown != row.id.uuid() && shown == ids::claimed_by_service(row)
}

/// What is left to say of a service that was deleted, so that those who have copied it hear of it.
pub fn deleted_service(row: &ServiceRow, id: Uuid) -> Service {
    Service {
        id,
        name: Some(row.content.name.clone()),
        status: Some(status(ServiceStatus::Inactive).into()),
        last_modified: Some(row.updated_at.to_text()),
        kith: Some(ServiceExtra { profile: Some(PROFILE_VERSION.into()), ..ServiceExtra::default() }),
        ..Service::default()
    }
}

fn is_remote(service: &ServiceInput) -> bool {
    let is_remote = |mode: &DeliveryMode| !matches!(mode, DeliveryMode::InPerson | DeliveryMode::HomeVisit);
    service.delivery_modes.iter().any(is_remote)
}

/// The id of a service at one of its locations.
pub fn site_id(service: Uuid, number: usize) -> Uuid {
    ids::part(service, "service_at_location", number)
}

impl Writer {
    /// A service with all that hangs on it, but for who gives it and for what its source says besides.
    pub fn service(self, row: &ServiceRow, id: Uuid) -> Service {
        let content = &row.content;
        let mut service = self.head(row, id);
        service.phones = phones(&content.phones, id);
        service.contacts = content.contacts.iter().enumerate().map(|(number, contact)| of_contact(contact, id, number)).collect();
        service.schedules = schedules::of(&content.schedules, content.hours_text.as_deref(), id);
        service.service_areas = content.service_areas.iter().enumerate().map(|(number, area)| of_area(area, id, number)).collect();
        let spoken = content.languages.iter().filter(|language| !language.by_interpreter);
        service.languages = spoken.enumerate().map(|(number, row)| language(&row.language, row.note.as_ref(), id, number)).collect();
        service.cost_options = cost_options(&content.cost, id);
        let documents = content.eligibility.documents_required.iter().enumerate();
        service.required_documents = documents
            .map(|(number, document)| RequiredDocument {
                id: ids::part(id, "required_document", number),
                document: Some(document.clone()),
                ..RequiredDocument::default()
            })
            .collect();
        let named = row.capacities.iter().map(|named| (Some(named.key.as_str()), &named.capacity));
        let rooms = row.capacity.as_deref().map(|capacity| (None, capacity)).into_iter().chain(named);
        service.capacities = rooms.filter_map(|(key, capacity)| of_capacity(key, capacity, row, id)).collect();
        service.attributes = attributes(content, id);
        service.service_at_locations = (0..own_sites(content)).filter_map(|number| self.site(row, id, number)).collect();
        service
    }

    /// A service at one of its locations, without the service.
    pub fn site(self, row: &ServiceRow, service: Uuid, number: usize) -> Option<ServiceAtLocation> {
        let id = site_id(service, number);
        let Some(place) = row.content.places.get(number) else {
            let is_there = number < own_sites(&row.content);
            let location = Location {
                id: ids::part(id, "location", 0),
                location_type: Some("virtual".into()),
                url: of_uri(row.content.url.as_ref()).0,
                kith: Some(LocationExtra { is_implied: Some(true), ..LocationExtra::default() }),
                ..Location::default()
            };
            return is_there.then(|| ServiceAtLocation { id, location: Some(location), ..ServiceAtLocation::default() });
        };
        Some(ServiceAtLocation {
            id,
            location: Some(location(place, ids::part(id, "location", 0))),
            phones: phones(&place.phones, id),
            schedules: schedules::of(&place.schedules, None, id),
            kith: filled(ServiceAtLocationExtra { schedules: schedules::unsayable(&place.schedules), ..ServiceAtLocationExtra::default() }),
            ..ServiceAtLocation::default()
        })
    }

    /// The service's own fields, without what hangs on it.
    pub fn head(self, row: &ServiceRow, id: Uuid) -> Service {
        let content = &row.content;
        let (url, other_url) = of_uri(content.url.as_ref());
        let (email, other_email) = of_email(content.email.as_ref());
        let (assurer_email, _) = of_email(content.verification.verified_by.as_ref());
        let current: Vec<&str> = content
            .alerts
            .iter()
            .filter(|alert| alert.shown.until.is_none_or(|until| until >= self.today))
            .map(|alert| alert.text.as_str())
            .collect();
        Service {
            id,
            name: Some(content.name.clone()),
            alternate_name: content.alternate_names.first().cloned(),
            description: content.description.clone(),
            url,
            email,
            status: Some(status(content.status).into()),
            interpretation_services: content.interpretation.clone(),
            application_process: content.application_process.clone(),
            fees_description: content.cost.text.clone(),
            eligibility_description: content.eligibility.text.clone(),
            minimum_age: content.eligibility.min_age,
            maximum_age: content.eligibility.max_age,
            assured_date: content.verification.last_verified_on.map(|day| day.to_string()),
            assurer_email,
            alert: (!current.is_empty()).then(|| current.join("\n")),
            last_modified: Some(last_modified(row).to_text()),
            kith: Some(ServiceExtra { url: other_url, email: other_email, ..self.extra(row) }),
            ..Service::default()
        }
    }

    fn extra(self, row: &ServiceRow) -> ServiceExtra {
        let content = &row.content.0;
        let eligibility = &content.eligibility;
        let is_said_by_email = of_email(content.verification.verified_by.as_ref()).1.is_none()
            && content.verification.method.is_none()
            && content.verification.next_review_due.is_none();
        let is_plain_alert = match content.alerts.as_slice() {
            [] => true,
            [alert] => alert.language.is_none() && alert.shown == types::DateSpan::default() && !alert.text.is_empty(),
            _ => false,
        };
        ServiceExtra {
            profile: Some(PROFILE_VERSION.into()),
            kind: (content.kind != ServiceKind::Service).then_some(content.kind),
            alternate_names: if content.alternate_names.len() > 1 { content.alternate_names.clone() } else { vec![] },
            language: (content.language != "en").then(|| content.language.clone()),
            translations: content.translations.clone(),
            identifiers: self.identifiers(row),
            delivery_modes: content.delivery_modes.clone(),
            schedules: schedules::unsayable(&content.schedules),
            eligibility: filled(EligibilityRules {
                genders: eligibility.genders.clone(),
                populations: eligibility.populations.clone(),
                income_tested: eligibility.income_tested,
                referral_route: eligibility.referral_route,
                coverage_required: eligibility.coverage_required.clone(),
                exclusions: eligibility.exclusions.clone(),
            }),
            languages: if content.languages.iter().any(|row| row.by_interpreter) { content.languages.clone() } else { vec![] },
            cost: filled(CostRules { kind: content.cost.kind, subsidy_url: content.cost.subsidy_url.clone() }),
            attributes: filled::<Attributes>(content.attributes.clone()),
            accepts_referrals: content.accepts_referrals,
            is_rural: content.is_rural,
            alerts: if is_plain_alert { vec![] } else { content.alerts.clone() },
            verification: if is_said_by_email { None } else { filled(content.verification.clone()) },
            provenance: filled(origin(row)),
            connector_notes: content.connector_notes.clone().filter(|_| self.is_known),
            capacity: row.capacity.as_ref().filter(|capacity| !is_counted(capacity)).map(|capacity| capacity.said()),
            rooms: row.capacities.iter().filter(|named| !is_counted(&named.capacity)).map(model::NamedCapacity::said).collect(),
            ..ServiceExtra::default()
        }
    }

    /// The keys of a service, but for the one that is its id here. Those of a record that was merged into another are that other's.
    fn identifiers(self, row: &ServiceRow) -> Vec<types::Identifier> {
        if row.merged_into_id.is_some() {
            return Vec::new();
        }
        let provenance = &row.content.provenance;
        let claimed = ids::claimed_by_service(row);
        let is_id = |identifier: &&types::Identifier| {
            claimed != row.id.uuid()
                && provenance.source.as_ref() == Some(&identifier.system)
                && provenance.record.as_ref() == Some(&identifier.value)
        };
        row.content.identifiers.iter().filter(|identifier| !is_id(identifier)).cloned().collect()
    }

    /// An organization with all that is known of it; `parent` is the id of the one it is part of.
    pub fn organization(self, row: &OrganizationRow, id: Uuid, parent: Option<Uuid>) -> Organization {
        let content = &row.content;
        let (email, other_email) = of_email(content.email.as_ref());
        let (website, other_url) = of_uri(content.url.as_ref());
        let key = ids::key_of_organization(row).map(|(identifier, _)| identifier);
        let identifiers = content.identifiers.iter().filter(|identifier| Some(*identifier) != key).enumerate();
        let description = content.description.clone().filter(|text| !text.is_empty());
        let extra = OrganizationExtra {
            kind: (content.kind != OrganizationKind::Agency).then_some(content.kind),
            language: (content.language != "en").then(|| content.language.clone()),
            translations: content.translations.clone(),
            languages: content.languages.clone(),
            url: other_url,
            email: other_email,
            address: content.address.clone(),
            point: content.point,
            time_zone: content.time_zone.clone(),
            person_label: content.person_label.clone(),
            scope: content.scope.clone(),
            policies: filled::<Policies>(content.policies.clone()),
            is_active: (!content.is_active).then_some(false),
            is_undescribed: description.is_none().then_some(true),
            profile: Some(PROFILE_VERSION.into()),
            ..OrganizationExtra::default()
        };
        Organization {
            id,
            name: Some(content.name.clone()),
            description: Some(description.unwrap_or_else(|| content.name.clone())),
            email,
            website,
            parent_organization_id: parent,
            phones: phones(&content.phones, id),
            organization_identifiers: identifiers
                .map(|(number, identifier)| OrganizationIdentifier {
                    id: ids::part(id, "organization_identifier", number),
                    identifier_scheme: Some(identifier.system.clone()),
                    identifier_type: Some(identifier.system.clone()),
                    identifier: Some(identifier.value.clone()),
                    ..OrganizationIdentifier::default()
                })
                .collect(),
            kith: Some(extra),
            ..Organization::default()
        }
    }
}

/// An organization of which only the name is known.
pub fn named_organization(name: &str) -> Organization {
    Organization {
        id: ids::of_name(name),
        name: Some(name.into()),
        description: Some(name.into()),
        kith: Some(OrganizationExtra { profile: Some(PROFILE_VERSION.into()), is_undescribed: Some(true), ..OrganizationExtra::default() }),
        ..Organization::default()
    }
}

/// What stands in for the organization of a service that has none.
pub fn unknown_organization(service: &Value) -> Organization {
    let text = |name: &str| service.get(name).and_then(Value::as_str).map(str::to_owned);
    Organization {
        id: ids::of_nobody(text("id").and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_default()),
        name: text("name"),
        description: text("name"),
        kith: Some(OrganizationExtra { profile: Some(PROFILE_VERSION.into()), is_unknown: Some(true), ..OrganizationExtra::default() }),
        ..Organization::default()
    }
}

/// Where a record first came from.
fn origin(row: &ServiceRow) -> Origin {
    let provenance = &row.content.provenance;
    if let Some(origin) = &provenance.origin {
        return Origin { modified_at: None, ..origin.clone() };
    }
    Origin {
        source: provenance.source.clone(),
        record: provenance.record.clone(),
        url: provenance.url.clone(),
        licence: provenance.licence.clone(),
        imported_at: provenance.imported_at,
        modified_at: None,
    }
}
