//! Which organization is part of which: known only when the whole file has been read, for a part may be listed before the whole.

use std::collections::BTreeMap;

use crate::changes::Actor;
use crate::db::DbConn;
use crate::error::Result;
use crate::identifiers;
use crate::kind::{OrganizationId, ResourceType};
use crate::organizations::{repository, tenants};

/// The keys of organizations, each with that of the one it is part of.
pub type Kin = BTreeMap<String, String>;

/// Says of organizations that this source brought what they are part of, where both are there and nothing has been said yet, and no
/// system calls for the part or for its own parts, which would say so itself.
pub fn join(conn: &mut DbConn, actor: &Actor, owner: OrganizationId, source: &str, kin: &Kin) -> Result<()> {
    let known = |conn: &mut DbConn, key: &str| -> Result<Option<OrganizationId>> {
        Ok(identifiers::find(conn, owner, ResourceType::Organization, source, key)?.map(OrganizationId::from_uuid))
    };
    for (part, whole) in kin {
        let (Some(part), Some(whole)) = (known(conn, part)?, known(conn, whole)?) else { continue };
        let Some(row) = repository::find(conn, part)? else { continue };
        let is_unsaid = part != whole && row.parent_id.is_none() && row.organization_id == owner && row.deleted_at.is_none();
        if is_unsaid && (part == owner || !repository::has_had_clients(conn, part, owner)?) {
            tenants::join(conn, actor, row, Some(whole))?;
        }
    }
    Ok(())
}
