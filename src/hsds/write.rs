//! From our records to HSDS.
//!
//! Every fact goes where the standard has a field for it; what the standard lacks, or cannot say exactly, goes into the object `kith`
//! beside it. Nothing depends on the day or on chance, but for notices that have run out: the same record gives the same objects.

mod capacity;
mod money;
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
use self::parts::{language, location, of_area, of_contact, phones};
use self::terms::attributes;
pub use self::terms::{NEEDS, TAXONOMY_DETAILS, TERM_DETAILS, foreign_term, need_term};
use super::ids;
use super::model::{
    CostRules, EligibilityRules, Funding, Location, LocationExtra, Organization, OrganizationExtra, OrganizationIdentifier,
    PROFILE_VERSION, Program, RequiredDocument, Service, ServiceAtLocation, ServiceExtra,
};
use crate::db::types::Instant;
use crate::organizations::model::{OrganizationKind, OrganizationRow, Policies};
use crate::services::model::{self, Attributes, Origin, ServiceInput, ServiceKind, ServiceStatus};
use crate::services::row::ServiceRow;
use crate::types::{self, DeliveryMode};

/// Fields of the standard that no field of ours holds and a source may fill: read into `source_fields`, and given back from there.
pub const KEPT_TEXTS: [&str; 3] = ["wait_time", "accreditations", "licenses"];

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

/// When a service last changed. A record that came from another Kith unchanged is as old as it is there.
pub fn last_modified(row: &ServiceRow) -> Instant {
    let provenance = &row.content.provenance;
    let there = provenance.origin.as_ref().and_then(|origin| origin.modified_at);
    let is_untouched = provenance.imported_at == Some(row.updated_at);
    there.filter(|_| is_untouched).unwrap_or(row.updated_at)
}

/// How many entries a service has among the services at locations: its places, or where one reaches it without any.
pub fn sites(service: &ServiceInput) -> usize {
    if service.places.is_empty() && is_remote(service) { 1 } else { service.places.len() }
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
    /// A service as lists have it: its own fields, without what hangs on it.
    pub fn listed_service(self, row: &ServiceRow, id: Uuid, organization: Option<Organization>) -> Service {
        let whole = self.head(row, id);
        let organization = organization.map(|organization| Box::new(flat(organization)));
        Service { kith: None, organization, ..whole }
    }

    /// A service with all that hangs on it.
    pub fn service(self, row: &ServiceRow, id: Uuid, organization: Option<Organization>) -> Service {
        let content = &row.content;
        let mut service = self.head(row, id);
        service.organization = organization.map(Box::new);
        service.phones = phones(&content.phones, id);
        service.contacts = content.contacts.iter().enumerate().map(|(number, contact)| of_contact(contact, id, number)).collect();
        service.schedules = schedules::of(&content.schedules, content.hours_text.as_deref(), id);
        service.service_areas = content.service_areas.iter().enumerate().map(|(number, area)| of_area(area, id, number)).collect();
        let spoken = content.languages.iter().filter(|language| !language.by_interpreter);
        service.languages = spoken.enumerate().map(|(number, row)| language(&row.language, row.note.as_ref(), id, number)).collect();
        service.cost_options = cost_options(&content.cost, id);
        let documents = content.eligibility.documents_required.iter().enumerate();
        service.required_documents = documents
            .map(|(number, document)| RequiredDocument { id: ids::part(id, "required_document", number), document: Some(document.clone()) })
            .collect();
        let named = row.capacities.iter().map(|named| (Some(named.key.as_str()), &named.capacity));
        let rooms = row.capacity.as_deref().map(|capacity| (None, capacity)).into_iter().chain(named);
        service.capacities = rooms.filter_map(|(key, capacity)| of_capacity(key, capacity, row, id)).collect();
        service.attributes = attributes(content, id);
        service.funding = funding(content, id);
        service.service_at_locations = (0..sites(content)).filter_map(|number| self.site(row, id, number)).collect();
        service
    }

    /// A service at one of its locations, without the service.
    pub fn site(self, row: &ServiceRow, service: Uuid, number: usize) -> Option<ServiceAtLocation> {
        let id = site_id(service, number);
        let Some(place) = row.content.places.get(number) else {
            let is_there = number < sites(&row.content);
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
            service: None,
            location: Some(location(place, ids::part(id, "location", 0))),
            phones: phones(&place.phones, id),
            schedules: schedules::of(&place.schedules, None, id),
        })
    }

    /// A service at a location as lists have it.
    pub fn listed_site(self, row: &ServiceRow, service: Uuid, number: usize) -> Option<ServiceAtLocation> {
        let site = self.site(row, service, number)?;
        let bare = |location: Location| Location { languages: vec![], addresses: vec![], accessibility: vec![], kith: None, ..location };
        Some(ServiceAtLocation {
            service: Some(Box::new(self.listed_service(row, service, None))),
            location: site.location.map(bare),
            phones: vec![],
            schedules: vec![],
            ..site
        })
    }

    /// The service's own fields.
    fn head(self, row: &ServiceRow, id: Uuid) -> Service {
        let content = &row.content;
        let (url, other_url) = of_uri(content.url.as_ref());
        let (email, other_email) = of_email(content.email.as_ref());
        let (assurer_email, _) = of_email(content.verification.verified_by.as_ref());
        let kept = |name: &str| content.source_fields.get(name).and_then(Value::as_str).map(str::to_owned);
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
            wait_time: kept("wait_time"),
            accreditations: kept("accreditations"),
            licenses: kept("licenses"),
            eligibility_description: content.eligibility.text.clone(),
            minimum_age: content.eligibility.min_age,
            maximum_age: content.eligibility.max_age,
            assured_date: content.verification.last_verified_on.map(|day| day.to_string()),
            assurer_email,
            alert: (!current.is_empty()).then(|| current.join("\n")),
            last_modified: Some(last_modified(row).to_text()),
            program: program(content, id),
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
        let kept = |name: &str| !is_given_back(content, name);
        ServiceExtra {
            profile: Some(PROFILE_VERSION.into()),
            kind: (content.kind != ServiceKind::Service).then_some(content.kind),
            alternate_names: if content.alternate_names.len() > 1 { content.alternate_names.clone() } else { vec![] },
            language: (content.language != "en").then(|| content.language.clone()),
            translations: content.translations.clone(),
            identifiers: self.identifiers(row),
            delivery_modes: content.delivery_modes.clone(),
            schedules: if schedules::are_sayable(&content.schedules) { vec![] } else { content.schedules.clone() },
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
            source_fields: content.source_fields.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect(),
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
            is_unknown: None,
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
                })
                .collect(),
            services: vec![],
            kith: filled(extra),
        }
    }
}

/// An organization of which only the name is known.
pub fn named_organization(name: &str) -> Organization {
    Organization {
        id: ids::of_name(name),
        name: Some(name.into()),
        description: Some(name.into()),
        kith: Some(OrganizationExtra { is_undescribed: Some(true), ..OrganizationExtra::default() }),
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
        kith: Some(OrganizationExtra { is_unknown: Some(true), ..OrganizationExtra::default() }),
        ..Organization::default()
    }
}

/// An organization as lists have it.
pub fn flat(organization: Organization) -> Organization {
    Organization { phones: vec![], organization_identifiers: vec![], services: vec![], kith: None, ..organization }
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

/// Whether a field of the source is one of the standard that is written as such.
fn is_given_back(service: &ServiceInput, name: &str) -> bool {
    let value = service.source_fields.get(name);
    match name {
        "funding" => sources_of_funding(service).is_some(),
        "program" => named_program(service).is_some(),
        _ => KEPT_TEXTS.contains(&name) && value.is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty())),
    }
}

fn sources_of_funding(service: &ServiceInput) -> Option<Vec<String>> {
    let rows = service.source_fields.get("funding")?.as_array()?;
    let source = |row: &Value| row.as_object().filter(|row| row.len() == 1)?.get("source")?.as_str().map(str::to_owned);
    rows.iter().map(source).collect::<Option<Vec<_>>>().filter(|rows| !rows.is_empty())
}

fn funding(service: &ServiceInput, of: Uuid) -> Vec<Funding> {
    let rows = sources_of_funding(service).unwrap_or_default().into_iter().enumerate();
    rows.map(|(number, source)| Funding { id: ids::part(of, "funding", number), source: Some(source) }).collect()
}

fn named_program(service: &ServiceInput) -> Option<(String, String)> {
    let program = service.source_fields.get("program")?.as_object().filter(|fields| fields.len() == 2)?;
    let text = |name: &str| program.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    text("name").zip(text("description"))
}

fn program(service: &ServiceInput, of: Uuid) -> Option<Program> {
    let (name, description) = named_program(service)?;
    Some(Program { id: ids::part(of, "program", 0), name: Some(name), description: Some(description) })
}
