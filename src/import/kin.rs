//! Which organization is part of which: known only when the whole file has been read, for a part may be listed before the whole.

use std::collections::BTreeMap;

use super::Notice;
use super::report::{Line, Verdict};
use crate::changes::Actor;
use crate::db::DbConn;
use crate::error::Result;
use crate::identifiers;
use crate::kind::{OrganizationId, ResourceType};
use crate::organizations::repository::{self, Above};
use crate::organizations::tenants;

/// The keys of organizations, each with that of the one it is part of.
pub type Kin = BTreeMap<String, String>;

/// So many are joined in one transaction, for whoever else writes waits for it.
pub const TOGETHER: usize = 200;

/// The same in pieces, each to be [joined](join) in a transaction of its own.
pub fn pieces(kin: Kin) -> impl Iterator<Item = Kin> {
    let mut rest = kin.into_iter();
    std::iter::from_fn(move || {
        let piece: Kin = rest.by_ref().take(TOGETHER).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

/// Says of organizations that this source brought what they are part of, where both are there and nothing has been said yet, and no
/// system calls for the part or for its own parts, which would say so itself. What is to be told: which would be part of themselves by it,
/// and are left as they were.
pub fn join(conn: &mut DbConn, actor: &Actor, owner: OrganizationId, source: &str, kin: &Kin) -> Result<Vec<Line>> {
    let mut told = Vec::new();
    if kin.is_empty() {
        return Ok(told);
    }
    repository::lock_kinship(conn)?;
    let known = |conn: &mut DbConn, key: &str| -> Result<Option<OrganizationId>> {
        Ok(identifiers::find(conn, owner, ResourceType::Organization, source, key)?.map(OrganizationId::from_uuid))
    };
    for (key, key_of_whole) in kin {
        let (Some(part), Some(whole)) = (known(conn, key)?, known(conn, key_of_whole)?) else { continue };
        let Some(row) = repository::find(conn, part)? else { continue };
        let is_unsaid = part != whole && row.parent_id.is_none() && row.organization_id == owner && row.deleted_at.is_none();
        if !is_unsaid || (part != owner && repository::has_had_clients(conn, part, owner)?) {
            continue;
        }
        match repository::above(conn, Some(part), whole)? {
            Above::Circle => told.push(circular(key, key_of_whole)),
            Above::TooMany => told.push(too_many(key, key_of_whole)),
            Above::Whole | Above::Missing => tenants::join(conn, actor, row, Some(whole))?,
        }
    }
    Ok(told)
}

fn circular(part: &str, whole: &str) -> Line {
    let message = format!("as a part of {whole} the organization {part} would be part of itself, or of one that is; left as it was");
    noted(part, "organization_circular", message)
}

fn too_many(part: &str, whole: &str) -> Line {
    let most = repository::MOST_LEVELS;
    let message = format!("with {part} as a part of {whole} there would be more than {most} levels of organizations; left as it was");
    noted(part, "organization_too_deep", message)
}

fn noted(part: &str, code: &'static str, message: String) -> Line {
    let notices = vec![Notice::new(code, "organization.parent_organization_id", message)];
    Line { position: None, key: Some(part.to_owned()), verdict: Verdict::Noted, service_id: None, notices }
}
