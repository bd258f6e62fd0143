//! The tables of a tabular package, and how nested objects hang together in them.

/// A table of the standard.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The name of its objects.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its columns, in their order.
    pub columns: &'static [&'static str],
}

const fn table(name: &'static str, file: &'static str, columns: &'static [&'static str]) -> Table {
    Table { name, file, columns }
}

/// The tables that are written. Each has a column `kith` for our profile.
pub const TABLES: &[Table] = &[
    table("organization", "organizations.csv", &["id", "name", "description", "email", "website", "parent_organization_id", "kith"]),
    table("program", "programs.csv", &["id", "organization_id", "name", "description"]),
    table(
        "service",
        "services.csv",
        &[
            "id",
            "organization_id",
            "program_id",
            "name",
            "alternate_name",
            "description",
            "url",
            "email",
            "status",
            "interpretation_services",
            "application_process",
            "fees_description",
            "wait_time",
            "accreditations",
            "licenses",
            "eligibility_description",
            "minimum_age",
            "maximum_age",
            "assured_date",
            "assurer_email",
            "alert",
            "last_modified",
            "kith",
        ],
    ),
    table("attribute", "attributes.csv", &["id", "link_id", "taxonomy_term_id", "link_type", "link_entity", "value", "label", "kith"]),
    table("service_at_location", "service_at_location.csv", &["id", "service_id", "location_id"]),
    table(
        "location",
        "locations.csv",
        &[
            "id",
            "location_type",
            "url",
            "name",
            "transportation",
            "latitude",
            "longitude",
            "external_identifier",
            "external_identifier_type",
            "kith",
        ],
    ),
    table(
        "phone",
        "phones.csv",
        &[
            "id",
            "location_id",
            "service_id",
            "organization_id",
            "contact_id",
            "service_at_location_id",
            "number",
            "extension",
            "type",
            "description",
            "kith",
        ],
    ),
    table("contact", "contacts.csv", &["id", "organization_id", "service_id", "name", "title", "email", "kith"]),
    table(
        "address",
        "addresses.csv",
        &["id", "location_id", "address_1", "address_2", "city", "state_province", "postal_code", "country", "address_type"],
    ),
    table(
        "schedule",
        "schedules.csv",
        &[
            "id",
            "service_id",
            "location_id",
            "service_at_location_id",
            "valid_from",
            "valid_to",
            "dtstart",
            "timezone",
            "freq",
            "interval",
            "count",
            "byday",
            "bymonthday",
            "byweekno",
            "byyearday",
            "opens_at",
            "closes_at",
            "description",
            "notes",
            "kith",
        ],
    ),
    table("funding", "funding.csv", &["id", "organization_id", "service_id", "source"]),
    table("service_area", "service_areas.csv", &["id", "service_id", "name", "extent", "extent_type", "kith"]),
    table("required_document", "required_documents.csv", &["id", "service_id", "document"]),
    table("language", "languages.csv", &["id", "service_id", "location_id", "name", "code", "note", "kith"]),
    table("accessibility", "accessibility.csv", &["id", "location_id", "description", "kith"]),
    table("cost_option", "cost_options.csv", &["id", "service_id", "option", "currency", "amount", "amount_description", "kith"]),
    table(
        "service_capacity",
        "service_capacity.csv",
        &["id", "service_id", "unit_id", "available", "maximum", "description", "updated", "kith"],
    ),
    table("unit", "units.csv", &["id", "name"]),
    table(
        "organization_identifier",
        "organization_identifiers.csv",
        &["id", "organization_id", "identifier_scheme", "identifier_type", "identifier"],
    ),
    table("taxonomy", "taxonomies.csv", &["id", "name", "description", "uri", "version"]),
    table(
        "taxonomy_term",
        "taxonomy_terms.csv",
        &["id", "code", "name", "description", "parent_id", "taxonomy", "language", "taxonomy_id", "term_uri"],
    ),
];

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
