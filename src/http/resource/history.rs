//! The versions of a resource, as the journal keeps them and as a caller may see them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::Resource;
use crate::app::App;
use crate::auth::Principal;
use crate::changes::view::{Reader, View};
use crate::changes::{self, Action, Sketch};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::http::page::{self, Limit, Page, encode_cursor};
use crate::kind::{ClientId, Kind, OrganizationId};

/// The query of a history.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Entries of a page; where they are large it has fewer.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// One version of a resource, as the journal keeps it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Revision {
    /// The version, from 1.
    #[schema(example = 2)]
    pub version: i64,
    /// What was done to the resource.
    pub action: Action,
    /// When the version was written.
    pub at: Instant,
    /// The organization that did it; null for the command line, and where nobody did anything.
    pub organization_id: Option<OrganizationId>,
    /// The client that did it; null for the command line, and where nobody did anything.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub on_behalf_of: Option<String>,
    /// The resource as it then stood.
    #[schema(value_type = Object)]
    pub resource: Box<RawValue>,
}

/// `GET …/history`: the versions of a resource that the caller may see, oldest first. A tombstone keeps its history.
pub async fn history<R: Resource>(app: &App, caller: &Principal, id: Id<R::Kind>, query: HistoryQuery) -> Result<Page<Revision>> {
    let caller = caller.clone();
    let fingerprint = page::fingerprint(&("history", id));
    let after: i64 = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?.unwrap_or(0);
    app.db
        .read(move |conn| {
            let row = R::find(conn, &caller, id)?.ok_or(Error::NotFound)?;
            R::permit_history(&caller, &row)?;
            let rows = changes::history(conn, R::Kind::RESOURCE_TYPE, id.uuid(), after, query.limit.and_one())?;
            let page = entries(conn, Page::from_rows(rows, query.limit, fingerprint, by_version)?, fingerprint, by_version)?;
            revisions(conn, &caller, page)
        })
        .await
}

const fn by_version(entry: &Sketch) -> i64 {
    entry.version
}

/// The entries of a page of the journal with their bodies. Where these are more than may be in memory together, the page ends early, with a
/// cursor that holds what `key` gives of its last entry.
pub fn entries<K: Serialize>(
    conn: &mut DbConn,
    page: Page<Sketch>,
    fingerprint: u64,
    key: impl Fn(&Sketch) -> K,
) -> Result<Page<changes::Entry>> {
    let (mut items, mut bytes, mut last) = (Vec::with_capacity(page.items.len()), 0, None);
    for sketch in page.items {
        if let Some(last) = last.as_ref().filter(|_| bytes >= changes::MOST_BYTES) {
            return Ok(Page { items, next: Some(encode_cursor(last, fingerprint)?) });
        }
        last = Some(key(&sketch));
        let entry = changes::whole(conn, sketch)?;
        bytes += entry.body.get().len();
        items.push(entry);
    }
    Ok(Page { items, next: page.next })
}

/// A page of the journal as the versions that the caller may see.
pub fn revisions(conn: &mut DbConn, caller: &Principal, page: Page<changes::Entry>) -> Result<Page<Revision>> {
    let mut reader = Reader::new(caller);
    let mut items = Vec::with_capacity(page.items.len());
    for entry in page.items {
        match reader.view(conn, &entry)? {
            View::Nothing | View::Known => {}
            View::Whole => items.push(Revision::from(entry)),
            view @ View::Part(_) => {
                let shown = reader.shown(conn, &entry, view)?;
                items.extend(shown.map(|resource| Revision { resource, ..Revision::from(entry) }));
            }
        }
    }
    Ok(Page { items, next: page.next })
}

impl From<changes::Entry> for Revision {
    fn from(entry: changes::Entry) -> Self {
        Self {
            version: entry.version,
            action: entry.action,
            at: entry.at,
            organization_id: entry.organization_id,
            client_id: entry.client_id,
            on_behalf_of: entry.on_behalf_of,
            resource: entry.body.0,
        }
    }
}
