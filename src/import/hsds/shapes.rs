//! The wrappings of HSDS: which object is the service, and which its organization.

use std::collections::{HashMap, HashSet, VecDeque};
use std::vec;

use serde_json::Value;

use super::Part;
use crate::http::json;
use crate::import::Notice;

/// The bytes that a record may have, once its organization is told with each of its services; of a package, with all that hangs on it.
pub const LARGEST: usize = 64 << 20;

/// A service with what surrounds it.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// The service; an organization that is itself the service stands here.
    pub service: Part,
    /// True where the service is an organization of which no service is known.
    pub is_organization: bool,
    /// Its organization.
    pub organization: Option<Part>,
    /// Fields beside both, in a wrapper: locations, telephones.
    pub around: Part,
    /// True where the record has no other service, so that what stands around belongs to this one.
    pub is_only: bool,
}

/// The services of a record that are still to be read. What surrounds them is copied for each when it is its turn: a short record has very
/// many of them, and all at once would be many times as large.
#[derive(Debug, Clone, Default)]
pub struct Units {
    families: VecDeque<Family>,
    /// What stands around all of them.
    around: Part,
}

/// The services of one organization, or of none that is known.
#[derive(Debug, Clone, Default)]
struct Family {
    organization: Option<Part>,
    services: vec::IntoIter<Part>,
    /// True where there are no services: then the organization is one.
    is_organization: bool,
    is_only: bool,
}

impl Units {
    /// One service, and its organization where that is known.
    fn one(service: Part, organization: Option<Part>) -> Self {
        Family { organization, services: vec![service].into_iter(), is_only: true, ..Family::default() }.into()
    }

    /// Whether there are none. It is asked before any is read.
    pub fn is_empty(&self) -> bool {
        self.families.is_empty()
    }
}

impl From<Family> for Units {
    fn from(family: Family) -> Self {
        Self { families: VecDeque::from([family]), around: Part::default() }
    }
}

impl Iterator for Units {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        while let Some(family) = self.families.front_mut() {
            if let Some(unit) = family.next(&self.around) {
                return Some(unit);
            }
            self.families.pop_front();
        }
        None
    }
}

impl Family {
    /// Services of which no organization is known, or nothing of it is told.
    fn of(services: Vec<Part>) -> Self {
        Self { services: services.into_iter(), ..Self::default() }
    }

    /// An organization that is itself the service.
    fn alone(organization: Part) -> Self {
        Self { organization: Some(organization), is_organization: true, is_only: true, ..Self::default() }
    }

    /// The next service, with what stands around it.
    fn next(&mut self, around: &Part) -> Option<Unit> {
        let (is_organization, is_only, around) = (self.is_organization, self.is_only, around.clone());
        if is_organization {
            let organization = self.organization.take()?;
            return Some(Unit { service: organization.clone(), is_organization, organization: Some(organization), around, is_only });
        }
        let service = self.services.next()?;
        let is_last = self.services.as_slice().is_empty();
        let organization = if is_last { self.organization.take() } else { self.organization.clone() };
        Some(Unit { service, is_organization, organization, around, is_only })
    }
}

/// Why nothing is made of a record, and the services that it would have been, as far as it says which.
#[derive(Debug)]
pub struct Unread {
    /// Why.
    pub reason: Notice,
    /// The services, each with its id where it has one.
    pub units: Units,
}

impl From<Notice> for Box<Unread> {
    fn from(reason: Notice) -> Self {
        Self::new(Unread { reason, units: Units::default() })
    }
}

/// Fields that only a service has.
const SERVICE: &[&str] = &[
    "service_at_locations",
    "cost_options",
    "eligibility_description",
    "required_documents",
    "service_areas",
    "capacities",
    "application_process",
    "fees_description",
    "interpretation_services",
    "minimum_age",
    "maximum_age",
    "operating_hours",
    "program_id",
    "kith",
];
/// Fields that only an organization has.
const ORGANIZATION: &[&str] = &[
    "services",
    "service",
    "organization_identifiers",
    "organization_identifier",
    "legal_status",
    "year_incorporated",
    "parent_organization_id",
    "tax_status",
    "website",
    "websites",
    "locations",
    "location",
    "programs",
    "program",
];

/// The services of a record.
pub fn units(record: Value) -> Result<Units, Box<Unread>> {
    let Some(mut record) = Part::of(record) else {
        return Err(Notice::new("not_a_record", "", "the record is no object").into());
    };
    // Some feeds wrap a record in a description of its kind.
    if !record.fields.contains_key("name")
        && record.fields.get("schema").is_some_and(Value::is_object)
        && let Some(inner) = record.fields.remove("schema").and_then(Part::of)
    {
        record = inner;
    }
    let has = |record: &Part, name: &str| record.fields.get(name).is_some_and(|value| value.is_object() || value.is_array());
    let is_named = record.fields.get("name").is_some_and(Value::is_string);
    if has(&record, "service")
        && has(&record, "location")
        && record.fields.get("service").is_some_and(Value::is_object)
        && !has(&record, "organization")
    {
        return Ok(at_location(record));
    }
    let is_nameless = !is_named && is_nameless_service(&record) && !has(&record, "services") && !has(&record, "service");
    if is_nameless || is_named && has(&record, "organization") {
        let organization = record.fields.remove("organization").and_then(Part::of);
        return Ok(Units::one(record, organization));
    }
    let mut organizations = record.parts(&["organization", "organizations"]);
    if organizations.is_empty() {
        let counts = |names: &[&str]| names.iter().filter(|name| record.fields.contains_key(**name)).count();
        if counts(SERVICE) > 0 && counts(&["services", "organization_identifiers", "legal_status"]) == 0
            || counts(ORGANIZATION) == 0 && record.fields.contains_key("status")
        {
            return Ok(Units::one(record, None));
        }
        return if is_named { of_organization(record, Vec::new(), Part::default()) } else { Err(nameless(record)) };
    }
    let services = record.parts(&["services", "service"]);
    let Some(last) = organizations.pop() else { return Ok(Units::default()) };
    if organizations.is_empty() {
        return of_organization(last, services, record);
    }
    organizations.push(last);
    side_by_side(organizations, services)
}

/// Whether a record without a name is a service still, and not its organization. What only wraps an organization has nothing that a service
/// alone has, or the services stand in the organization.
fn is_nameless_service(record: &Part) -> bool {
    let is_of_service = |name: &str| matches!(name, "name" | "status") || SERVICE.contains(&name);
    let is_wrapped = |organization: &Value| organization.is_object() && !lists_services(organization);
    record.peek("id").is_some()
        && record.fields.keys().any(|name| is_of_service(name))
        && record.fields.get("organization").is_some_and(is_wrapped)
}

/// Whether an organization has services in it, or at its locations.
fn lists_services(organization: &Value) -> bool {
    let lists = |value: &Value, name: &str| match value.get(name) {
        Some(Value::Array(items)) => items.iter().any(Value::is_object),
        found => found.is_some_and(Value::is_object),
    };
    let locations = organization.get("locations").and_then(Value::as_array);
    lists(organization, "services")
        || lists(organization, "service")
        || locations.into_iter().flatten().any(|location| lists(location, "services"))
}

/// What a record would have been that has no name and is no service: the services in it, or the organization that is itself one.
fn nameless(mut record: Part) -> Box<Unread> {
    let is_organization = ORGANIZATION.iter().any(|name| record.fields.contains_key(*name));
    let services = services_of(&mut record, Vec::new());
    let units = match services.is_empty() {
        false => Family::of(services).into(),
        true if is_organization => Family::alone(record).into(),
        true => Units::default(),
    };
    Box::new(Unread { reason: Notice::new("not_a_record", "", "neither a service nor an organization: it has no name"), units })
}

/// Several organizations, and services that name them.
fn side_by_side(organizations: Vec<Part>, services: Vec<Part>) -> Result<Units, Box<Unread>> {
    let named = |part: &Part, column: &str| part.fields.get(column).map(Value::to_string);
    let known: HashSet<String> = organizations.iter().filter_map(|organization| named(organization, "id")).collect();
    let (mut given, mut others): (HashMap<String, Vec<Part>>, _) = (HashMap::new(), Vec::new());
    for service in services {
        match named(&service, "organization_id").filter(|id| known.contains(id)) {
            Some(id) => given.entry(id).or_default().push(service),
            None => others.push(service),
        }
    }
    let (mut units, mut fault) = (Units::default(), None);
    for organization in organizations {
        let own = named(&organization, "id").and_then(|id| given.remove(&id)).unwrap_or_default();
        match of_organization(organization, own, Part::default()) {
            Ok(own) => units.families.extend(own.families),
            Err(unread) => {
                units.families.extend(unread.units.families);
                fault.get_or_insert(unread.reason);
            }
        }
    }
    units.families.push_back(Family::of(others));
    match fault {
        Some(reason) => Err(Box::new(Unread { reason, units })),
        None => Ok(units),
    }
}

/// A service at one location, as `/service_at_locations` lists them.
fn at_location(mut record: Part) -> Units {
    let mut service = record.fields.remove("service").and_then(Part::of).unwrap_or_default();
    let organization = service.fields.remove("organization").and_then(Part::of);
    if let Some(id) = record.fields.get("id") {
        service.fields.insert("id".into(), id.clone());
    }
    service.fields.insert("service_at_locations".into(), Value::Array(vec![Value::Object(record.fields)]));
    Units::one(service, organization)
}

/// Takes out the services of an organization, beside those that are given; where there are none, those at its locations.
fn services_of(organization: &mut Part, mut services: Vec<Part>) -> Vec<Part> {
    services.extend(organization.parts(&["services", "service"]));
    if services.is_empty() {
        for location in organization.fields.get("locations").and_then(Value::as_array).into_iter().flatten() {
            let inner = location.get("services").and_then(Value::as_array).into_iter().flatten();
            services.extend(inner.filter(|service| service.is_object()).cloned().filter_map(Part::of));
        }
    }
    services
}

fn of_organization(mut organization: Part, services: Vec<Part>, mut around: Part) -> Result<Units, Box<Unread>> {
    let services = services_of(&mut organization, services);
    // What a wrapper says beside the organization is said of it.
    for name in ["locations", "location", "phones", "phone", "addresses"] {
        if !organization.fields.contains_key(name)
            && let Some(value) = around.fields.remove(name)
        {
            organization.fields.insert(name.into(), value);
        }
    }
    if services.is_empty() {
        return Ok(Units { around, ..Units::from(Family::alone(organization)) });
    }
    let told = json::length(&organization.fields) + json::length(&around.fields);
    if services.len().saturating_mul(told) > LARGEST {
        let message = format!("its organization, told with each of its services, would be more than {LARGEST} bytes");
        return Err(Box::new(Unread { reason: Notice::new("too_large", "", message), units: Family::of(services).into() }));
    }
    let is_only = services.len() == 1;
    let family = Family { organization: Some(organization), is_only, ..Family::of(services) };
    Ok(Units { around, ..Units::from(family) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(record: Value) -> Vec<String> {
        let name = |part: &Part| part.fields.get("name").and_then(Value::as_str).unwrap_or("-").to_owned();
        let shown = |unit: Unit| format!("{} of {}", name(&unit.service), unit.organization.as_ref().map_or("nobody".into(), name));
        units(record).unwrap().map(shown).collect()
    }

    #[test]
    fn every_wrapping_comes_off() {
        assert_eq!(shown(json!({"name": "S", "status": "active", "organization": {"name": "O"}})), ["S of O"]);
        assert_eq!(shown(json!({"name": "S", "status": "active", "service_areas": []})), ["S of nobody"]);
        assert_eq!(shown(json!({"name": "O", "services": [{"name": "S"}, {"name": "T"}]})), ["S of O", "T of O"]);
        assert_eq!(shown(json!({"organization": {"name": "O"}, "services": [{"name": "S"}]})), ["S of O"]);
        assert_eq!(
            shown(
                json!({"organizations": [{"id": 1, "name": "O"}, {"id": 2, "name": "P"}], "services": [{"name": "S", "organization_id": 2}]})
            ),
            ["O of O", "S of P"]
        );
        assert_eq!(shown(json!({"name": "O", "description": "a pantry", "locations": []})), ["O of O"]);
        assert_eq!(shown(json!({"type": "x", "schema": {"name": "O"}})), ["O of O"]);
        assert_eq!(shown(json!({"id": "sal", "service": {"name": "S"}, "location": {"name": "L"}})), ["S of nobody"]);
        assert!(units(json!({"id": 1})).is_err() && units(json!(7)).is_err());
    }

    #[test]
    fn a_service_without_a_name_is_not_its_organization() {
        assert_eq!(shown(json!({"id": "S", "name": null, "organization": {"id": "O", "name": "O"}})), ["- of O"]);
        assert_eq!(shown(json!({"id": "S", "status": "active"})), ["- of nobody"]);
        for said in ["status", "cost_options", "kith"] {
            assert_eq!(shown(json!({"id": "S", said: "x", "organization": {"name": "O", "services": []}})), ["- of O"], "{said}");
        }
        // One that only wraps its organization has no id, nothing that a service alone has, or its services beside it.
        assert_eq!(shown(json!({"organization": {"id": "O", "name": "O"}, "locations": []})), ["O of O"]);
        assert_eq!(shown(json!({"id": 1, "organization": {"name": "O"}, "services": [{"name": "S"}]})), ["S of O"]);
        let wrapped = units(json!({"id": 7, "organization": {"id": "O", "name": "O"}, "locations": []})).unwrap().next().unwrap();
        assert!(wrapped.is_organization && wrapped.service.fields["id"] == "O");
    }

    #[test]
    fn services_inside_a_wrapped_organization_are_the_records_whatever_its_wrapper_says() {
        for wrapper in [json!({"id": "w1"}), json!({"id": "w1", "status": "active"}), json!({"id": "w1", "name": null})] {
            for own in [
                json!({"services": [{"name": "S"}, {"name": "T"}]}),
                json!({"service": [{"name": "S"}, {"name": "T"}]}),
                json!({"locations": [{"services": [{"name": "S"}]}, {"services": [{"name": "T"}]}]}),
            ] {
                let (mut record, mut organization) = (wrapper.clone(), own);
                organization["name"] = json!("O");
                record["organization"] = organization;
                assert_eq!(shown(record.clone()), ["S of O", "T of O"], "{record}");
            }
        }
    }

    #[test]
    fn what_surrounds_services_goes_with_each_of_them_and_is_the_last_ones_own() {
        let record = json!({"organization": {"name": "O", "url": "o"}, "services": [{"name": "S"}, {"name": "T"}], "since": 1999});
        let mut left = units(record).unwrap();
        for name in ["S", "T"] {
            assert!(left.families[0].organization.is_some());
            let unit = left.next().unwrap();
            assert_eq!((&unit.service.fields["name"], &unit.organization.unwrap().fields["url"]), (&json!(name), &json!("o")));
            assert_eq!((&unit.around.fields["since"], unit.is_only), (&json!(1999), false));
        }
        assert!(left.families[0].organization.is_none() && left.next().is_none());
    }

    #[test]
    fn what_cannot_be_read_says_which_services_it_would_have_been() {
        let ids = |record: Value| {
            let unread = units(record).unwrap_err();
            let id = |unit: Unit| (unit.service.fields["id"].clone(), unit.is_organization);
            unread.units.map(id).collect::<Vec<_>>()
        };
        let (one, other) = (json!({"id": "S"}), json!({"id": "T"}));
        assert_eq!(ids(json!({"id": "O", "name": null, "services": [one, other]})), [(json!("S"), false), (json!("T"), false)]);
        assert_eq!(ids(json!({"id": "O", "locations": [{"services": [one]}]})), [(json!("S"), false)]);
        assert_eq!(ids(json!({"id": "O", "locations": []})), [(json!("O"), true)]);
        assert!(ids(json!({"id": "either"})).is_empty());
        let large = json!({"id": "O", "name": "O", "x": "y".repeat(33 << 20), "services": [one, other]});
        let both = json!({"organizations": [large, {"id": "P", "name": "P"}], "services": [{"id": "U", "organization_id": "P"}]});
        assert_eq!(ids(both).iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [json!("S"), json!("T"), json!("U")]);
    }

    #[test]
    fn an_organization_is_not_told_with_its_services_beyond_measure() {
        let services = |count: usize| vec![json!({ "name": "S" }); count];
        let large = |count| units(json!({ "name": "O", "x": "y".repeat(1 << 20), "services": services(count) }));
        assert_eq!(large(2).unwrap().count(), 2);
        assert_eq!(large(65).unwrap_err().reason.code, "too_large");
    }
}
