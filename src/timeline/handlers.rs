//! HTTP of the timeline.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, get};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use super::title::title;
use crate::app::State;
use crate::auth::{Allowed, Principal, scope, sight};
use crate::changes::view::Reader;
use crate::changes::{self as journal, Action, Entry, Sketch};
use crate::db::DbConn;
use crate::db::schema::changes;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::http::page::{self, Limit, Page};
use crate::http::query::Query;
use crate::kind::{self, ClientId, OrganizationId, PatientId, ReferralId, ResourceType};
use crate::patients;

/// Entries read at once, where much of what stands there is hidden: a large one is read by itself, before it is known whether it is.
const LARGEST_BATCH: i64 = 200;

/// Something that happened to a patient or on their behalf.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// When the change was written.
    pub at: Instant,
    /// What kind of resource it concerns.
    pub resource_type: ResourceType,
    /// The resource.
    #[schema(value_type = PatientId)]
    pub resource_id: Id<()>,
    /// The referral that it belongs to.
    pub referral_id: Option<ReferralId>,
    /// The resource's version from then on.
    #[schema(example = 1)]
    pub version: i64,
    /// What was done.
    pub action: Action,
    /// What happened, in a plain sentence.
    #[schema(example = "Need noted: Food.")]
    pub title: String,
    /// The organization that did it; null for the command line.
    pub organization_id: Option<OrganizationId>,
    /// The client that did it; null for the command line.
    pub client_id: Option<ClientId>,
    /// The person who acted in the client's system, as that system said.
    #[schema(example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub on_behalf_of: Option<String>,
    /// The resource as it then stood, as far as the caller may see it.
    #[schema(value_type = Object)]
    pub resource: Box<RawValue>,
}

impl TimelineEntry {
    /// The entry with what the caller sees of its resource.
    fn new(entry: Entry, resource: &Value) -> Result<Self> {
        Ok(Self {
            title: title(entry.resource_type, entry.action, resource),
            at: entry.at,
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            referral_id: entry.referral_id,
            version: entry.version,
            action: entry.action,
            organization_id: entry.organization_id,
            client_id: entry.client_id,
            on_behalf_of: entry.on_behalf_of,
            resource: to_raw_value(resource).map_err(Error::internal)?,
        })
    }
}

/// The query of a timeline.
#[derive(Debug, Clone, Default, Hash, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    /// Only of these kinds; may be repeated.
    #[serde(rename = "type", default)]
    #[param(inline)]
    pub types: Vec<ResourceType>,
    /// Only what happened at or after this moment.
    #[param(inline)]
    pub since: Option<Instant>,
    /// Items of a page.
    #[serde(default)]
    #[param(inline)]
    pub limit: Limit,
    /// Where to go on: `next` of the page before.
    #[param(max_length = 1000, example = "eyJ2IjoxLCJmIjo5LCJrIjoxfQ")]
    pub cursor: Option<String>,
}

/// Read the timeline of a patient
///
/// Everything that happened to the patient and on their behalf, as far as the caller may see it by consent and scopes, the latest first:
/// screenings, needs, need levels, navigators, consents, matches, referrals with their transitions and messages, follow-ups with their
/// attempts; also of records that were merged into this one. What the caller's organization recorded, sent or received is always among
/// it. Every change is an entry, with the resource as it then stood; of the record of a patient whom another organization manages, the
/// last change. A page ends early where the next entry would make it larger than eight mebibytes.
#[utoipa::path(tag = "patients", params(("id" = PatientId, Path, description = "The patient's id."), TimelineQuery), responses((status = 200, description = "A page of the timeline.", body = Page<TimelineEntry>), (status = 410, description = "The patient was deleted or merged.")), security(("oauth2" = ["patients:read"])))]
#[get("/v1/patients/{id}/timeline")]
pub async fn list_patient_timeline(
    app: State,
    caller: Allowed<scope::PatientsRead>,
    id: Path<Id<kind::Patient>>,
    query: Query<TimelineQuery>,
    request: HttpRequest,
) -> Result<HttpResponse> {
    let query = query.0;
    let filters = TimelineQuery { cursor: None, limit: Limit::default(), ..query.clone() };
    let fingerprint = page::fingerprint(&("timeline", *id, filters));
    let below: Option<i64> = query.cursor.as_deref().map(|cursor| page::decode_cursor(cursor, fingerprint)).transpose()?;
    let page = app
        .db
        .read(move |conn| {
            let sight = sight::patient(conn, &caller, *id)?;
            seen(conn, &caller, &sight, &query, fingerprint, below)
        })
        .await?;
    Ok(page.respond(&request))
}

/// A page of what the caller sees of the entries below a place. Where they are large it ends early; only those that are seen count, so that
/// how full it is does not tell that something hidden stands between them.
fn seen(
    conn: &mut DbConn,
    caller: &Principal,
    sight: &sight::Sight,
    query: &TimelineQuery,
    fingerprint: u64,
    mut below: Option<i64>,
) -> Result<Page<TimelineEntry>> {
    let mut patients = patients::repository::absorbed(conn, sight.patient_id)?;
    patients.push(sight.patient_id);
    let (mut reader, mut size) = (Reader::new(caller), query.limit.and_one());
    let (mut items, mut bytes, mut last) = (Vec::new(), 0, 0);
    loop {
        let rows = entries(conn, caller, sight, &patients, query, (below, size))?;
        let is_end = (rows.len() as i64) < size;
        below = rows.last().map(|sketch| sketch.sequence);
        for sketch in rows {
            let sequence = sketch.sequence;
            let entry = journal::whole(conn, sketch)?;
            let Some(resource) = reader.resource(conn, &entry)? else { continue };
            let item = TimelineEntry::new(entry, &resource)?;
            let with_it = bytes + item.resource.get().len();
            let is_too_large = !items.is_empty() && with_it > journal::MOST_BYTES;
            if items.len() == query.limit.get() || is_too_large {
                return Ok(Page { items, next: Some(page::encode_cursor(&last, fingerprint)?) });
            }
            (bytes, last) = (with_it, sequence);
            items.push(item);
        }
        if is_end {
            return Ok(Page { items, next: None });
        }
        size = (size * 2).min(LARGEST_BATCH);
    }
}

fn entries(
    conn: &mut DbConn,
    caller: &Principal,
    sight: &sight::Sight,
    patients: &[PatientId],
    query: &TimelineQuery,
    (below, size): (Option<i64>, i64),
) -> Result<Vec<Sketch>> {
    let is_asked = |kind: &ResourceType| caller.has(sight::guard(*kind).0) && (query.types.is_empty() || query.types.contains(kind));
    let is_covered = |kind: &ResourceType| sight::guard(*kind).1.is_some_and(|category| sight.categories.contains(category));
    let asked: Vec<ResourceType> = ResourceType::ALL.iter().copied().filter(is_asked).collect();
    let covered: Vec<ResourceType> = asked.iter().copied().filter(is_covered).collect();
    let own = changes::owner_id.eq(caller.organization_id);
    let of_own_referrals = changes::referral_id.eq_any(sight::taken_part_in(caller.organization_id));
    let mut rows = changes::table
        .filter(changes::patient_id.eq_any(patients.iter().copied().map(Some)))
        .order(changes::sequence.desc())
        .limit(size)
        .select(journal::sketched(size))
        .into_boxed();
    rows = rows.filter(changes::resource_type.eq_any(asked));
    rows = rows.filter(changes::resource_type.eq_any(covered).or(own).or(of_own_referrals));
    if let Some(since) = query.since {
        rows = rows.filter(changes::at.ge(since));
    }
    if let Some(below) = below {
        rows = rows.filter(changes::sequence.lt(below));
    }
    Ok(rows.load(conn)?)
}
