//! The tables of the standard: their columns, how nested objects hang together in them, and what of them Kith reads.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

use crate::http::schema;
use crate::openapi;

/// A table of the standard.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name of its objects.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The name of its objects in our document; none where they are in packages only.
    pub component: &'static str,
    /// What every object has.
    pub required: &'static [&'static str],
    /// Its columns, in their order.
    pub columns: &'static [&'static str],
    /// Those of which Kith makes fields of its own. What others say is kept as its source says it.
    pub read: &'static [&'static str],
}

macro_rules! tables {
    ($($name:literal, $file:literal, $component:literal, $required:expr, $columns:expr, read $read:expr;)+) => {
        /// The tables, in the order of the standard. Each has a column `kith` for our profile.
        pub const TABLES: &[Table] = &[$(
            Table { name: $name, file: $file, component: $component, required: &$required, columns: &$columns, read: &$read },
        )+];
    };
}

tables! {
    "organization", "organizations.csv", "HsdsOrganization", ["id", "name", "description"],
        ["id", "name", "alternate_name", "description", "email", "website", "tax_status", "tax_id", "year_incorporated", "legal_status",
         "logo", "uri", "parent_organization_id", "kith"],
        read ["name", "description", "email", "website", "parent_organization_id"];
    "program", "programs.csv", "HsdsProgram", ["id", "name", "description"],
        ["id", "organization_id", "name", "alternate_name", "description", "kith"], read [];
    "service", "services.csv", "HsdsService", ["id", "name", "status"],
        ["id", "organization_id", "program_id", "name", "alternate_name", "description", "url", "email", "status",
         "interpretation_services", "application_process", "fees_description", "wait_time", "fees", "accreditations",
         "eligibility_description", "minimum_age", "maximum_age", "assured_date", "assurer_email", "licenses", "alert", "last_modified",
         "kith"],
        read ["name", "alternate_name", "description", "url", "email", "status", "interpretation_services", "application_process",
         "fees_description", "eligibility_description", "minimum_age", "maximum_age", "assured_date", "assurer_email", "alert",
         "last_modified"];
    "attribute", "attributes.csv", "HsdsAttribute", ["id"],
        ["id", "link_id", "taxonomy_term_id", "link_type", "link_entity", "value", "label", "kith"], read [];
    "service_at_location", "service_at_location.csv", "HsdsServiceAtLocation", ["id"],
        ["id", "service_id", "location_id", "description", "kith"], read [];
    "location", "locations.csv", "HsdsLocation", ["id", "location_type"],
        ["id", "location_type", "url", "organization_id", "name", "alternate_name", "description", "transportation", "latitude",
         "longitude", "external_identifier", "external_identifier_type", "kith"],
        read ["location_type", "name", "latitude", "longitude", "external_identifier", "external_identifier_type"];
    "phone", "phones.csv", "HsdsPhone", ["id", "number"],
        ["id", "location_id", "service_id", "organization_id", "contact_id", "service_at_location_id", "number", "extension", "type",
         "description", "kith"],
        read ["number", "extension", "description"];
    "contact", "contacts.csv", "HsdsContact", ["id"],
        ["id", "organization_id", "service_id", "service_at_location_id", "location_id", "name", "title", "department", "email", "kith"],
        read ["name", "title", "email"];
    "address", "addresses.csv", "HsdsAddress",
        ["id", "address_1", "city", "state_province", "postal_code", "country", "address_type"],
        ["id", "location_id", "attention", "address_1", "address_2", "city", "region", "state_province", "postal_code", "country",
         "address_type", "kith"],
        read ["address_1", "address_2", "city", "state_province", "postal_code", "country", "address_type"];
    "schedule", "schedules.csv", "HsdsSchedule", ["id"],
        ["id", "service_id", "location_id", "service_at_location_id", "valid_from", "valid_to", "dtstart", "timezone", "until", "count",
         "wkst", "freq", "interval", "byday", "byweekno", "bymonthday", "byyearday", "description", "opens_at", "closes_at",
         "schedule_link", "attending_type", "notes", "kith"],
        read ["valid_from", "valid_to", "dtstart", "count", "freq", "interval", "byday", "byweekno", "bymonthday", "byyearday",
         "opens_at", "closes_at", "notes"];
    "funding", "funding.csv", "HsdsFunding", ["id"], ["id", "organization_id", "service_id", "source", "kith"], read [];
    "service_area", "service_areas.csv", "HsdsServiceArea", ["id"],
        ["id", "service_id", "service_at_location_id", "name", "description", "extent", "extent_type", "uri", "kith"],
        read ["name", "extent", "extent_type"];
    "required_document", "required_documents.csv", "HsdsRequiredDocument", ["id"], ["id", "service_id", "document", "uri", "kith"],
        read ["document"];
    "language", "languages.csv", "HsdsLanguage", ["id"],
        ["id", "service_id", "location_id", "phone_id", "name", "code", "note", "kith"], read ["code", "note"];
    "accessibility", "accessibility.csv", "HsdsAccessibility", ["id"],
        ["id", "location_id", "description", "details", "url", "kith"], read ["description"];
    "cost_option", "cost_options.csv", "HsdsCostOption", ["id"],
        ["id", "service_id", "valid_from", "valid_to", "option", "currency", "amount", "amount_description", "kith"],
        read ["option", "currency", "amount"];
    "service_capacity", "service_capacity.csv", "HsdsServiceCapacity", ["id", "unit", "available", "updated"],
        ["id", "service_id", "unit_id", "available", "maximum", "description", "updated", "kith"],
        read ["available", "maximum", "description", "updated"];
    "unit", "units.csv", "HsdsUnit", ["id", "name"], ["id", "name", "scheme", "identifier", "uri", "kith"], read ["name"];
    "url", "url.csv", "HsdsUrl", ["id", "url"], ["id", "label", "url", "organization_id", "service_id", "kith"], read [];
    "organization_identifier", "organization_identifiers.csv", "HsdsOrganizationIdentifier", ["id", "identifier_type", "identifier"],
        ["id", "organization_id", "identifier_scheme", "identifier_type", "identifier", "kith"],
        read ["identifier_scheme", "identifier"];
    "taxonomy", "taxonomies.csv", "HsdsTaxonomy", ["id", "name", "description"], ["id", "name", "description", "uri", "version", "kith"],
        read ["name", "description", "uri", "version"];
    "taxonomy_term", "taxonomy_terms.csv", "HsdsTaxonomyTerm", ["id", "name", "description"],
        ["id", "code", "name", "description", "parent_id", "taxonomy", "language", "taxonomy_id", "term_uri", "kith"],
        read ["code", "name", "description", "parent_id", "taxonomy", "language", "taxonomy_id", "term_uri"];
    "metadata", "metadata.csv", "HsdsMetadata",
        ["id", "last_action_date", "last_action_type", "field_name", "previous_value", "replacement_value", "updated_by"],
        ["id", "resource_id", "resource_type", "last_action_date", "last_action_type", "field_name", "previous_value",
         "replacement_value", "updated_by", "kith"],
        read [];
    "meta_table_description", "meta_table_descriptions.csv", "", ["id"], ["id", "name", "language", "character_set", "kith"], read [];
}

/// The members of objects that are lists of rows of another table.
pub const LISTS: &[(&str, &str)] = &[
    ("phones", "phone"),
    ("contacts", "contact"),
    ("schedules", "schedule"),
    ("service_areas", "service_area"),
    ("service_at_locations", "service_at_location"),
    ("languages", "language"),
    ("funding", "funding"),
    ("cost_options", "cost_option"),
    ("required_documents", "required_document"),
    ("capacities", "service_capacity"),
    ("attributes", "attribute"),
    ("addresses", "address"),
    ("accessibility", "accessibility"),
    ("organization_identifiers", "organization_identifier"),
    ("additional_urls", "url"),
    ("additional_websites", "url"),
    ("programs", "program"),
    ("locations", "location"),
    ("metadata", "metadata"),
];

/// The lists, by the table of what has them, of whose rows Kith makes fields of its own.
pub const READ: &[(&str, &str)] = &[
    ("service", "phones"),
    ("service", "contacts"),
    ("service", "schedules"),
    ("service", "service_areas"),
    ("service", "service_at_locations"),
    ("service", "languages"),
    ("service", "cost_options"),
    ("service", "required_documents"),
    ("service", "capacities"),
    ("service", "attributes"),
    ("service_at_location", "phones"),
    ("service_at_location", "schedules"),
    ("location", "phones"),
    ("location", "schedules"),
    ("location", "languages"),
    ("location", "addresses"),
    ("location", "accessibility"),
    ("contact", "phones"),
    ("organization", "phones"),
    ("organization", "organization_identifiers"),
];

/// The members that are one row of another table, and the column that names it.
pub const SINGLES: &[(&str, &str, &str)] = &[
    ("organization", "organization", "organization_id"),
    ("program", "program", "program_id"),
    ("location", "location", "location_id"),
    ("unit", "unit", "unit_id"),
    ("taxonomy_term", "taxonomy_term", "taxonomy_term_id"),
    ("taxonomy_detail", "taxonomy", "taxonomy_id"),
];

/// Columns that say what a row hangs on and nothing of itself.
pub const KEYS: &[&str] = &[
    "service_at_location_id",
    "location_id",
    "contact_id",
    "phone_id",
    "service_id",
    "organization_id",
    "program_id",
    "link_id",
    "resource_id",
    "unit_id",
    "taxonomy_term_id",
];

/// Columns that Kith fills from what it has made of these and of others. What a source says there stands as long as nobody here has
/// changed what was made of it.
const MADE: &[(&str, &str)] = &[("schedule", "timezone"), ("location", "transportation"), ("phone", "type")];

/// Columns that hold numbers.
pub const NUMBERS: &[&str] = &[
    "extension",
    "minimum_age",
    "maximum_age",
    "latitude",
    "longitude",
    "timezone",
    "count",
    "interval",
    "amount",
    "available",
    "maximum",
    "year_incorporated",
];

/// Members that are records of their own, or ours.
const BESIDE: &[&str] = &["service", "services", "organization", "modified_date", "kith"];

/// What may stand in a column: a number beyond this is in no column of ours.
const LARGEST: f64 = 2_147_483_647.0;

/// What may stand in the columns of each table.
static FORMS: LazyLock<HashMap<&'static str, HashMap<&'static str, Validator>>> = LazyLock::new(|| {
    let of = |table: &'static Table| {
        let columns = table.properties().into_iter().flatten();
        let scalar = |schema: &Value| schema.get("items").is_none() && schema.get("$ref").is_none() && schema.get("oneOf").is_none();
        let compiled = columns.filter(|(_, schema)| scalar(schema)).map(|(name, schema)| (name.as_str(), schema::compile(schema).ok()));
        (table.name, compiled.filter_map(|(name, form)| Some((name, form?))).collect())
    };
    TABLES.iter().map(of).collect()
});

/// A table by the name of its objects.
pub fn of(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The table of the rows of a list.
pub fn list(member: &str) -> Option<&'static str> {
    LISTS.iter().find(|(list, _)| *list == member).map(|(_, child)| *child)
}

/// The table of a member that is one row.
pub fn single(member: &str) -> Option<&'static str> {
    SINGLES.iter().find(|(single, ..)| *single == member).map(|(_, child, _)| *child)
}

/// The member under which rows of a table hang on one of another.
pub fn member_of<'a>(parent: &str, child: &'a str) -> &'a str {
    match (parent, child) {
        ("organization", "url") => "additional_websites",
        _ => LISTS.iter().find(|(_, table)| *table == child).map_or(child, |(list, _)| list),
    }
}

impl Table {
    fn properties(&self) -> Option<&'static Map<String, Value>> {
        openapi::schemas().get(self.component)?.get("properties")?.as_object()
    }

    /// Whether its objects have a member in the standard, that is neither a record of its own nor of our profile.
    pub fn has(&self, member: &str) -> bool {
        !BESIDE.contains(&member) && self.properties().is_some_and(|properties| properties.contains_key(member))
    }

    /// Whether Kith fills a column of it from what it has made of this and of others.
    pub fn makes(&self, column: &str) -> bool {
        MADE.contains(&(self.name, column))
    }

    /// Whether there is such a column.
    pub fn makes_any(&self) -> bool {
        MADE.iter().any(|(table, _)| *table == self.name)
    }

    /// Whether a value may stand in a column.
    pub fn fits(&self, column: &str, value: &Value) -> bool {
        let is_large = value.as_f64().is_some_and(|number| number.abs() > LARGEST);
        let form = FORMS.get(self.name).and_then(|forms| forms.get(column));
        !is_large && !is_empty(value) && form.is_some_and(|form| form.is_valid(value))
    }

    /// What stands in a column that every row has, where a row says nothing; none where it must say it.
    pub fn unsaid(&self, column: &str) -> Option<Value> {
        let said = if matches!(column, "location_type" | "address_type") { "physical" } else { "" };
        let form = FORMS.get(self.name).and_then(|forms| forms.get(column))?;
        Some(Value::from(said)).filter(|said| form.is_valid(said))
    }

    /// Whether the object that our profile adds to it has a member.
    pub fn has_in_profile(&self, member: &str) -> bool {
        let Some(extra) = self.properties().and_then(|properties| properties.get("kith")) else { return false };
        let branches = extra.get("oneOf").and_then(Value::as_array).into_iter().flatten().chain([extra]);
        let name = |schema: &'static Value| schema.get("$ref")?.as_str()?.rsplit('/').next();
        let properties = branches.filter_map(name).find_map(|name| openapi::schemas().get(name)?.get("properties"));
        properties.is_some_and(|properties| properties.get(member).is_some())
    }
}

/// Whether a value says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_column_is_a_member_of_the_objects_or_hangs_them_together() {
        for table in TABLES.iter().filter(|table| !table.component.is_empty()) {
            for column in table.columns.iter().filter(|column| **column != "kith") {
                assert!(table.has(column) || KEYS.contains(column), "{}.{column}", table.name);
            }
            for column in table.read.iter().chain(table.required) {
                assert!(table.has(column), "{}.{column}", table.name);
            }
            assert!(table.has_in_profile("source_fields"), "{}", table.name);
        }
        for (parent, member) in READ {
            assert!(of(parent).unwrap().has(member) && list(member).is_some(), "{parent}.{member}");
        }
    }

    #[test]
    fn what_does_not_fit_a_column_is_told_from_what_does() {
        let fits = |table: &str, column: &str, value: Value| of(table).unwrap().fits(column, &value);
        assert!(fits("phone", "type", json!("pager")) && fits("organization", "year_incorporated", json!(1987)));
        assert!(fits("service", "minimum_age", json!(400)) && fits("schedule", "wkst", json!("MO")));
        for (table, column, value) in [
            ("schedule", "wkst", json!("Monday")),
            ("organization", "uri", json!("our page")),
            ("organization", "year_incorporated", json!("1987")),
            ("service", "maximum_age", json!(3_000_000_000_u64)),
            ("service", "wait_time", json!("")),
            ("service", "phones", json!([])),
            ("phone", "id", json!("p1")),
            ("phone", "colour", json!("red")),
        ] {
            assert!(!fits(table, column, value.clone()), "{table}.{column} {value}");
        }
        assert_eq!(of("address").unwrap().unsaid("city"), Some(json!("")));
        assert_eq!(of("location").unwrap().unsaid("location_type"), Some(json!("physical")));
        assert_eq!(of("url").unwrap().unsaid("url"), None);
    }
}
