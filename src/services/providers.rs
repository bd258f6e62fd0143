//! What the organizations that give services are called.
//!
//! One may be called otherwise without a new version of its services, so its name is no part of what is kept of them in memory. It is read
//! with each service that is read by itself; lists, of which there are many more, take what was read within the last minute.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::Duration;
use quick_cache::sync::Cache;

use super::api::Service;
use super::model::ServiceInput;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::OrganizationId;
use crate::organizations;

/// How long lists take a name for the present one.
pub(super) const TRUSTED: Duration = Duration::minutes(1);
/// Names that are kept.
const KEPT: usize = 4_000;

/// The names that were read last.
#[derive(Debug)]
pub struct Names(Cache<OrganizationId, Name>);

/// A name, and when it was read.
#[derive(Debug, Clone)]
struct Name {
    text: Arc<str>,
    read_at: Instant,
}

impl Default for Names {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl Names {
    /// What these organizations are called, or were called within the minute before `now`.
    pub fn of(
        &self,
        conn: &mut DbConn,
        ids: impl Iterator<Item = OrganizationId>,
        now: Instant,
    ) -> Result<HashMap<OrganizationId, Arc<str>>> {
        let (mut names, mut missing) = (HashMap::new(), Vec::new());
        for id in ids {
            match self.0.get(&id).filter(|name| name.read_at.plus(TRUSTED) > now) {
                Some(name) => drop(names.insert(id, name.text)),
                None => missing.push(id),
            }
        }
        for (id, name) in organizations::repository::names(conn, &missing)? {
            let text: Arc<str> = name.into();
            self.0.insert(id, Name { text: Arc::clone(&text), read_at: now });
            names.insert(id, text);
        }
        Ok(names)
    }
}

/// What whoever gives a service is called: the organization that is named, or else as is said.
pub fn name(conn: &mut DbConn, service: &ServiceInput) -> Result<Option<String>> {
    Ok(called(&organizations::repository::names(conn, service.provider_id.as_slice())?, service))
}

/// The services, each with what whoever gives it is called.
pub fn named(conn: &mut DbConn, services: Vec<Service>) -> Result<Vec<Service>> {
    let ids: Vec<OrganizationId> = services.iter().filter_map(|service| service.content.provider_id).collect();
    let names = organizations::repository::names(conn, &ids)?;
    Ok(services.into_iter().map(|service| Service { provided_by: called(&names, &service.content), ..service }).collect())
}

fn called(names: &HashMap<OrganizationId, String>, service: &ServiceInput) -> Option<String> {
    match service.provider_id {
        Some(id) => names.get(&id).cloned(),
        None => service.provider_name.clone(),
    }
}
