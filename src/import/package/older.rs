//! The tables and columns of older packages, in the terms of the present standard.

use super::Row;
use crate::hsds::tables;

/// What older packages call tables.
const OLD_NAMES: &[(&str, &str)] = &[
    ("services_at_location", "service_at_location"),
    ("service_at_locations", "service_at_location"),
    ("services_at_locations", "service_at_location"),
    ("physical_address", "address"),
    ("physical_addresses", "address"),
    ("postal_address", "address"),
    ("postal_addresses", "address"),
    ("regular_schedule", "schedule"),
    ("regular_schedules", "schedule"),
    ("services_taxonomy", "attribute"),
    ("service_taxonomy", "attribute"),
    ("services_taxonomies", "attribute"),
    ("service_attribute", "attribute"),
    ("service_attributes", "attribute"),
    ("other_attribute", "attribute"),
    ("other_attributes", "attribute"),
    ("taxonomies_terms", "taxonomy_term"),
    ("accessibility_for_disabilities", "accessibility"),
    ("accessibilities", "accessibility"),
    ("fundings", "funding"),
    ("taxonomies", "taxonomy"),
    ("addresses", "address"),
    ("service_capacities", "service_capacity"),
    // What was called a taxonomy was a term.
    ("taxonomy", "taxonomy_term"),
    ("urls", "url"),
];

/// The table of a file: by its name, without folder and ending, in the singular.
pub(super) fn table_of(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file).to_lowercase();
    let name = name.trim_end_matches(".csv");
    if let Some((_, table)) = OLD_NAMES.iter().find(|(old, _)| *old == name) {
        return (*table).to_owned();
    }
    let singular = name.strip_suffix('s').unwrap_or(name);
    if tables::of(singular).is_some() { singular.to_owned() } else { name.to_owned() }
}

/// A row of an older table as one of the present standard.
pub(super) fn renewed(file: &str, table: &str, mut fields: Row) -> Row {
    let renamed: &[(&str, &str)] = match table {
        "address" => {
            let kind = if file.starts_with("postal") { "postal" } else { "physical" };
            fields.entry("address_type").or_insert_with(|| kind.into());
            &[]
        }
        "schedule" => &[("weekday", "byday")],
        // A table between services and terms, before there were attributes.
        "attribute" if file.contains("taxonom") => {
            &[("taxonomy_id", "taxonomy_term_id"), ("service_id", "link_id"), ("taxonomy_detail", "value")]
        }
        "attribute" => &[("service_id", "link_id")],
        "taxonomy_term" => &[("vocabulary", "taxonomy"), ("term", "name")],
        "accessibility" => &[("accessibility", "description")],
        "organization" => &[("url", "website")],
        "language" => &[("language", "name")],
        "service_area" => &[("service_area", "name")],
        _ => &[],
    };
    for (old, new) in renamed {
        if !fields.contains_key(*new)
            && let Some(value) = fields.shift_remove(*old)
        {
            fields.insert((*new).to_owned(), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_the_names_of_every_version() {
        for (file, table) in [
            ("services.csv", "service"),
            ("data/Organizations.csv", "organization"),
            ("service_at_location.csv", "service_at_location"),
            ("services_at_location.csv", "service_at_location"),
            ("physical_addresses.csv", "address"),
            ("addresses.csv", "address"),
            ("regular_schedules.csv", "schedule"),
            ("services_taxonomy.csv", "attribute"),
            ("service_attributes.csv", "attribute"),
            ("taxonomies.csv", "taxonomy"),
            ("taxonomy.csv", "taxonomy_term"),
            ("taxonomy_terms.csv", "taxonomy_term"),
            ("accessibility_for_disabilities.csv", "accessibility"),
            ("units.csv", "unit"),
            ("funding.csv", "funding"),
            ("holiday_schedules.csv", "holiday_schedules"),
            ("pets.csv", "pets"),
        ] {
            assert_eq!(table_of(file), table, "{file}");
        }
    }
}
