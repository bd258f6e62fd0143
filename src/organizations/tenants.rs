//! Organizations that own themselves, as the command line makes them: nobody else is there to make the first. And those for which systems
//! begin to call.

use diesel::prelude::*;

use super::handlers::Organizations;
use super::model::{OrganizationInput, OrganizationRow};
use super::repository;
use crate::auth::Principal;
use crate::auth::model::NewClient;
use crate::auth::repository as clients;
use crate::changes::{Action, Actor};
use crate::db::DbConn;
use crate::db::schema::organizations;
use crate::db::types::{Instant, Json};
use crate::error::{Error, Result};
use crate::follow_ups;
use crate::http::resource::{self, Resource as _};
use crate::kind::{ClientId, OrganizationId};
use crate::text::fold;

/// Creates an organization that owns itself, with its entry in the journal.
pub fn create(conn: &mut DbConn, actor: &Actor, content: OrganizationInput) -> Result<OrganizationId> {
    let id = OrganizationId::generate();
    let row = OrganizationRow::new(id, id, content, actor.at);
    repository::insert(conn, &row)?;
    record(conn, actor, row, Action::Created)?;
    Ok(id)
}

/// Lets a system call for an organization. Where no other does, it speaks for itself from now on: the first contacts that others have not made
/// for it are its own. With the first one that calls, it no longer is part of what another organization, which keeps its record, has made it part of: the
/// whole counts what its parts find, so it says by itself where it belongs. True where that is so.
pub fn admit(conn: &mut DbConn, actor: &Actor, client: &NewClient) -> Result<bool> {
    // Before all else: from here on nobody else makes it part of anything, or plans for it.
    let was_connected = connecting(conn, client.organization_id)?;
    clients::insert_client(conn, client)?;
    if !was_connected {
        follow_ups::plan::take_over(conn, &Principal::of_client(client.id, client.organization_id, client.scopes, actor.at))?;
    }
    let row = repository::find(conn, client.organization_id)?;
    match row.filter(|row| row.organization_id != row.id && row.parent_id.is_some()) {
        Some(row) if !clients::has_others(conn, client)? => join(conn, actor, row, None).map(|()| true),
        _ => Ok(false),
    }
}

/// Lets a system call again that was refused; its organization speaks for itself, as with one that is [admitted](admit). False where there is
/// no such client.
pub fn readmit(conn: &mut DbConn, id: ClientId, at: Instant) -> Result<bool> {
    let Some(client) = clients::find_client(conn, id)? else { return Ok(false) };
    let was_connected = connecting(conn, client.organization_id)?;
    if !clients::set_active(conn, id, true, at)? {
        return Ok(false);
    }
    if !was_connected {
        follow_ups::plan::take_over(conn, &Principal::of_client(client.id, client.organization_id, client.scopes, at))?;
    }
    Ok(true)
}

/// Whether systems call already for an organization for which another one is about to. Nobody plans for it until the transaction ends.
fn connecting(conn: &mut DbConn, organization: OrganizationId) -> Result<bool> {
    repository::lock_connecting(conn, organization)?;
    repository::has_clients(conn, organization)
}

/// Says of an organization what it is part of.
pub fn join(conn: &mut DbConn, actor: &Actor, row: OrganizationRow, parent_id: Option<OrganizationId>) -> Result<()> {
    let content = Json(OrganizationInput { parent_id, ..row.content.0 });
    let row = OrganizationRow { parent_id, content, version: row.version + 1, updated_at: actor.at, ..row };
    if !repository::update(conn, &row)? {
        return Err(Error::Busy);
    }
    record(conn, actor, row, Action::Updated)
}

fn record(conn: &mut DbConn, actor: &Actor, row: OrganizationRow, action: Action) -> Result<()> {
    let head = Organizations::head(&row);
    resource::record_by::<Organizations>(conn, actor, &head, action, &Organizations::shape(row))
}

/// The organizations of exactly this name that are not deleted, oldest first; no more than two, which is one too many to choose.
pub fn find_by_name(conn: &mut DbConn, name: &str) -> Result<Vec<OrganizationId>> {
    let named = organizations::table.filter(organizations::name_key.eq(fold(name))).filter(organizations::name.eq(name));
    Ok(named.filter(organizations::deleted_at.is_null()).order(organizations::id).select(organizations::id).limit(2).load(conn)?)
}
