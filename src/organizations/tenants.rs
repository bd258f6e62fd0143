//! Organizations that own themselves, as the command line makes them: nobody else is there to make the first.

use diesel::prelude::*;

use super::api::Organization;
use super::model::{OrganizationInput, OrganizationRow};
use super::repository;
use crate::changes::{self, Action, Actor, Change};
use crate::db::DbConn;
use crate::db::schema::organizations;
use crate::db::types::Json;
use crate::error::Result;
use crate::kind::{OrganizationId, ResourceType};
use crate::text::fold;

/// Creates an organization that owns itself, with its entry in the journal.
pub fn create(conn: &mut DbConn, actor: &Actor, content: OrganizationInput) -> Result<OrganizationId> {
    let id = OrganizationId::generate();
    let row = OrganizationRow {
        id,
        organization_id: id,
        parent_id: content.parent_id,
        kind: content.kind,
        name: content.name.clone(),
        name_key: fold(&content.name),
        is_active: content.is_active,
        content: Json(content),
        version: 1,
        created_at: actor.at,
        updated_at: actor.at,
        deleted_at: None,
    };
    repository::insert(conn, &row)?;
    let change = Change {
        resource_type: ResourceType::Organization,
        resource_id: id.uuid(),
        owner_id: Some(id),
        version: 1,
        action: Action::Created,
        patient_id: None,
        referral_id: None,
        body: &Organization::from(row),
    };
    changes::record(conn, actor, change)?;
    Ok(id)
}

/// The organizations of exactly this name that are not deleted, oldest first; no more than two, which is one too many to choose.
pub fn find_by_name(conn: &mut DbConn, name: &str) -> Result<Vec<OrganizationId>> {
    let named = organizations::table.filter(organizations::name_key.eq(fold(name))).filter(organizations::name.eq(name));
    Ok(named.filter(organizations::deleted_at.is_null()).order(organizations::id).select(organizations::id).limit(2).load(conn)?)
}
