//! What is of this server itself: an address, and what partners have from here, which would come back as something new.

use std::collections::HashSet;

use url::Url;
use uuid::Uuid;

use super::{pages, repository};
use crate::db::{Db, DbConn};
use crate::error::Result;
use crate::import::Notice;
use crate::import::load::BATCH;
use crate::import::read::Raw;
use crate::import::report::{Line, Verdict};
use crate::kind::{OrganizationId, ServiceId};

/// Whether the URL is at or below the one under which this server is reached, as far as that is known.
pub(super) fn is_address(base_url: Option<&str>, url: &Url) -> bool {
    let Some(base) = base_url.and_then(|base| Url::parse(base).ok()) else { return false };
    let path = base.path().trim_end_matches('/');
    let is_below = url.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    base.origin() == url.origin() && is_below
}

/// The records that are not services of this server, and what is told of those that are.
pub(super) async fn told_apart(db: &Db, records: Vec<Raw>) -> Result<(Vec<Raw>, Vec<Line>)> {
    let own = known(db, records.iter().filter_map(id_of).collect()).await?;
    let (mut others, mut told) = (Vec::with_capacity(records.len()), Vec::new());
    for raw in records {
        match id_of(&raw).filter(|id| own.contains(id)) {
            Some(id) => told.push(line(raw.position, id)),
            None => others.push(raw),
        }
    }
    Ok((others, told))
}

/// The ids that are of services of this server, and the others.
pub(super) async fn ids_apart(db: &Db, ids: Vec<String>) -> Result<(Vec<String>, Vec<String>)> {
    let own = known(db, ids.iter().filter_map(|id| parsed(id)).collect()).await?;
    Ok(ids.into_iter().partition(|id| parsed(id).is_some_and(|id| own.contains(&id))))
}

/// The ids that are none of organizations of this server.
pub(super) async fn without_organizations(db: &Db, mut ids: Vec<String>) -> Result<Vec<String>> {
    let organization = |id: &str| Uuid::try_parse(id).ok().map(OrganizationId::from_uuid);
    let wanted: Vec<OrganizationId> = ids.iter().filter_map(|id| organization(id)).collect();
    if wanted.is_empty() {
        return Ok(ids);
    }
    let find = move |conn: &mut DbConn| {
        let mut found = HashSet::new();
        for ids in wanted.chunks(BATCH) {
            found.extend(repository::organizations_among(conn, ids)?);
        }
        Ok(found)
    };
    let own = db.read(find).await?;
    ids.retain(|id| organization(id).is_none_or(|id| !own.contains(&id)));
    Ok(ids)
}

/// Which of these are services of this server.
async fn known(db: &Db, ids: Vec<ServiceId>) -> Result<HashSet<ServiceId>> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    db.read(move |conn| {
        let mut found = HashSet::new();
        for ids in ids.chunks(BATCH) {
            found.extend(repository::services_among(conn, ids)?);
        }
        Ok(found)
    })
    .await
}

fn id_of(raw: &Raw) -> Option<ServiceId> {
    let id = raw.value.as_ref().ok().and_then(pages::id)?;
    parsed(&id)
}

fn parsed(id: &str) -> Option<ServiceId> {
    Uuid::try_parse(id).ok().map(ServiceId::from_uuid)
}

fn line(position: u64, id: ServiceId) -> Line {
    let notice =
        Notice::new("own_record", "id", "it is a service of this server, which the partner has from here: nothing is taken from it");
    Line { position: Some(position), key: Some(id.to_string()), verdict: Verdict::Unchanged, service_id: Some(id), notices: vec![notice] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_own_at_and_below_the_base_alone() {
        let is_own = |base: Option<&str>, url: &str| is_address(base, &Url::parse(url).unwrap());
        let base = Some("https://kith.example.ca");
        for url in ["https://kith.example.ca", "https://KITH.example.ca:443/hsds?key=7"] {
            assert!(is_own(base, url) && !is_own(None, url), "{url}");
        }
        for url in ["https://other.example.ca/hsds", "https://kith.example.ca:8443/hsds", "https://kith.example.ca.example/hsds"] {
            assert!(!is_own(base, url), "{url}");
        }
        let base = Some("https://example.ca/kith");
        assert!(is_own(base, "https://example.ca/kith/hsds") && is_own(base, "https://example.ca/kith"));
        assert!(!is_own(base, "https://example.ca/kithless/hsds") && !is_own(base, "https://example.ca/hsds"), "another program's");
    }
}
