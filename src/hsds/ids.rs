//! Ids of the face: UUIDs that stay the same, and come back the same from a directory that took them from here.
//!
//! A record that was imported under a UUID of its source keeps that UUID towards others; any other is known by its own id. What
//! hangs on a record has an id made of the record's and its place there, so that it needs no table.

use uuid::Uuid;

use crate::identifiers::stable_id;
use crate::kind::{Organization, Service};
use crate::organizations::model::OrganizationRow;
use crate::services::row::ServiceRow;
use crate::types::Identifier;

/// What ids that belong to no record are made in: those of taxonomies, terms and providers known by name only.
const NAMESPACE: Uuid = Uuid::from_u128(0x6b1c_2f0e_8f5d_5d0a_9c41_0a5a_3c5e_7d11);

/// The id of what hangs on a record: `kind` and its number there.
pub fn part(record: Uuid, kind: &str, number: usize) -> Uuid {
    Uuid::new_v5(&record, format!("{kind}/{number}").as_bytes())
}

/// The id of a provider of which only the name is known.
pub fn of_name(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("organization\0{name}").as_bytes())
}

/// The id that stands in for a provider that is not known, in packages.
pub fn of_nobody(service: Uuid) -> Uuid {
    part(service, "organization", 0)
}

/// The id of a taxonomy.
pub fn of_taxonomy(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("taxonomy\0{name}").as_bytes())
}

/// The id of a term.
pub fn of_term(taxonomy: &str, code: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("taxonomy_term\0{taxonomy}\0{code}").as_bytes())
}

/// The id of a unit of capacity.
pub fn of_unit(name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("unit\0{name}").as_bytes())
}

/// The id under which a service would be known: its source's, where that is a UUID and its record was made from it.
pub fn claimed_by_service(row: &ServiceRow) -> Uuid {
    let provenance = &row.content.provenance;
    let source = provenance.source.as_deref().zip(provenance.record.as_deref());
    let derived = source.and_then(|(source, record)| {
        let is_made_of_it = stable_id::<Service>(row.organization_id, source, record) == row.id;
        is_made_of_it.then(|| Uuid::try_parse(record).ok()).flatten()
    });
    derived.unwrap_or_else(|| row.id.uuid())
}

/// The identifier that an organization's record was made from: its key in a source.
pub fn source_of_organization(row: &OrganizationRow) -> Option<&Identifier> {
    let is_made_of_it =
        |identifier: &&Identifier| stable_id::<Organization>(row.organization_id, &identifier.system, &identifier.value) == row.id;
    row.content.identifiers.iter().find(is_made_of_it)
}

/// The same, where it is a UUID.
pub fn key_of_organization(row: &OrganizationRow) -> Option<(&Identifier, Uuid)> {
    source_of_organization(row).and_then(|identifier| Some((identifier, Uuid::try_parse(&identifier.value).ok()?)))
}

/// The id under which an organization would be known.
pub fn claimed_by_organization(row: &OrganizationRow) -> Uuid {
    key_of_organization(row).map_or_else(|| row.id.uuid(), |(_, uuid)| uuid)
}
