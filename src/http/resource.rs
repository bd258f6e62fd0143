//! The verbs that all resources share, written once: create, read, replace, patch, delete, history, and sync by identifier.
//!
//! A resource says what its rows and shapes are and who sees what ([`Resource`]); the functions here see to versions, tombstones,
//! identifiers, the journal and the headers. Handlers stay one-liners that carry the documentation.

mod history;

use std::sync::Arc;

use actix_web::http::header::{ContentType, ETAG, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

pub use self::history::{HistoryQuery, Revision, entries, history, revisions};
use super::body::MergePatch;
use super::command::{Command, Reply};
use super::etag::{IfMatch, IfNoneMatch, tag};
use super::kept::{Edition, Form, Kept, Written};
use super::{json, patch, schema};
use crate::app::App;
use crate::auth::Principal;
use crate::changes::{self, Action, Actor, Change};
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Result};
use crate::identifiers;
use crate::kind::{Kind, OrganizationId, PatientId, ReferralId};
use crate::types::Identifier;

/// What every row has: whose it is, which version, whether it lives, and whom it is about.
#[derive(Debug, Clone, Copy)]
pub struct Head<K: 'static> {
    /// Its id.
    pub id: Id<K>,
    /// The organization that owns it.
    pub owner: OrganizationId,
    /// Its version, from 1.
    pub version: i64,
    /// True for a tombstone.
    pub is_deleted: bool,
    /// The patient it is about.
    pub patient_id: Option<PatientId>,
    /// The referral it belongs to.
    pub referral_id: Option<ReferralId>,
}

/// Names and values of headers.
pub type Headers = &'static [(&'static str, &'static str)];

/// A kind of resource with the common verbs.
pub trait Resource: Sized + 'static {
    /// The marker of its ids.
    type Kind: Kind;
    /// What a caller writes.
    type Input: Clone + Serialize + DeserializeOwned + ToSchema + Validate + Send + Sync + 'static;
    /// What the table holds.
    type Row: Send + 'static;
    /// What a caller reads.
    type Shape: Serialize + Send + 'static;

    /// The path of the collection, such as `/v1/patients`.
    const PATH: &'static str;

    /// What every row has.
    fn head(row: &Self::Row) -> Head<Self::Kind>;
    /// The writable part, as it stands.
    fn input(row: &Self::Row) -> Self::Input;
    /// The whole, as its owner and the journal see it.
    fn shape(row: Self::Row) -> Self::Shape;
    /// The whole, as this caller may see it; everything unless a resource says otherwise.
    fn view(conn: &mut DbConn, caller: &Principal, shape: Self::Shape) -> Result<Self::Shape> {
        let _ = (conn, caller);
        Ok(shape)
    }
    /// Whether the version alone decides what this caller is shown, so that whoever has it need not be sent it again. Where consents or
    /// the passing of time decide too, it does not.
    fn is_settled(caller: &Principal, row: &Self::Row) -> bool {
        let _ = (caller, row);
        true
    }
    /// Headers that an answer with this resource carries besides the usual ones.
    fn headers(shape: &Self::Shape) -> Headers {
        let _ = shape;
        &[]
    }
    /// Brings what was written into the one form that is kept. Done before the write: on SQLite all writes wait for each other.
    fn normalise(input: &mut Self::Input) {
        let _ = input;
    }
    /// The keys in other systems.
    fn identifiers(input: &Self::Input) -> &[Identifier] {
        let _ = input;
        &[]
    }

    /// How a row stands that this caller sees the whole of, where that alone decides what it is shown. Where the text of it is kept the row
    /// is not read; `None` has it read each time. A resource that says so has no [headers](Self::headers) of its own.
    fn glance(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>) -> Result<Option<Edition>> {
        let _ = (conn, caller, id);
        Ok(None)
    }
    /// The row, if the caller may see it, tombstones included.
    fn find(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>) -> Result<Option<Self::Row>>;
    /// Whether the caller may change the row; its owner alone unless a resource says otherwise.
    fn permit(caller: &Principal, row: &Self::Row) -> Result<()> {
        if Self::head(row).owner == caller.organization_id {
            Ok(())
        } else {
            Err(Error::Forbidden("Only the organization that owns this resource can change it.".into()))
        }
    }
    /// Whether the caller may read the earlier versions of a row that it sees; yes unless a resource says otherwise.
    fn permit_history(caller: &Principal, row: &Self::Row) -> Result<()> {
        let _ = (caller, row);
        Ok(())
    }
    /// Fails where what is written clashes with other rows: references that do not exist for this caller, rules between resources.
    /// Fills in what the server derives. `current` is absent on creation.
    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&Self::Row>, input: &mut Self::Input) -> Result<()> {
        let _ = (conn, caller, current, input);
        Ok(())
    }
    /// The same of the content after a merge patch, in which all is there that was said before: what it lacks was cleared, or never said,
    /// and nothing is kept because it was not named again.
    fn prepare_patched(conn: &mut DbConn, caller: &Principal, current: &Self::Row, input: &mut Self::Input) -> Result<()> {
        Self::prepare(conn, caller, Some(current), input)
    }
    /// Takes out of the writable part of a row what the caller does not read at this moment, for what is sent to be held against: whoever
    /// sends that all the same does not have it from here. True where something was taken out; nothing is unless a resource says otherwise.
    /// An update without it has to keep it.
    fn hide(conn: &mut DbConn, caller: &Principal, row: &Self::Row, input: &mut Self::Input) -> Result<bool> {
        let _ = (conn, caller, row, input);
        Ok(false)
    }
    /// Adds to what is written by one of the row's keys what such a sync does not know of: the keys that came with records that were merged
    /// into the row, and what these say of it.
    ///
    /// # Errors
    /// [`Error::Merged`] where the key is of such a record, and nothing says that what is written is meant for both.
    fn sync(conn: &mut DbConn, row: &Self::Row, key: Option<&Identifier>, input: &mut Self::Input) -> Result<()> {
        let _ = (conn, row, key, input);
        Ok(())
    }
    /// A new row.
    fn insert(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, input: Self::Input) -> Result<Self::Row>;
    /// The row with another content and the next version; `None` where its version has moved on meanwhile.
    fn update(conn: &mut DbConn, caller: &Principal, row: &Self::Row, input: Self::Input) -> Result<Option<Self::Row>>;
    /// The row as a tombstone, with the next version; `None` where its version has moved on meanwhile.
    fn delete(conn: &mut DbConn, caller: &Principal, row: &Self::Row) -> Result<Option<Self::Row>>;
}

/// The row, if the caller may see it and it lives.
pub fn get_row<R: Resource>(conn: &mut DbConn, caller: &Principal, id: Id<R::Kind>) -> Result<R::Row> {
    let row = R::find(conn, caller, id)?.ok_or(Error::NotFound)?;
    if R::head(&row).is_deleted { Err(Error::Gone) } else { Ok(row) }
}

/// Creates a resource, with its identifiers and its entry in the journal.
pub fn insert<R: Resource>(conn: &mut DbConn, caller: &Principal, input: R::Input) -> Result<(Head<R::Kind>, R::Shape)> {
    insert_with_id::<R>(conn, caller, Id::generate(), input)
}

/// The same under an id that is known beforehand.
pub fn insert_with_id<R: Resource>(
    conn: &mut DbConn,
    caller: &Principal,
    id: Id<R::Kind>,
    input: R::Input,
) -> Result<(Head<R::Kind>, R::Shape)> {
    insert_by::<R>(conn, caller, input, |conn, input| R::insert(conn, caller, id, input))
}

/// The same with a row that is added in another way than the usual one.
pub fn insert_by<R: Resource>(
    conn: &mut DbConn,
    caller: &Principal,
    mut input: R::Input,
    add: impl FnOnce(&mut DbConn, R::Input) -> Result<R::Row>,
) -> Result<(Head<R::Kind>, R::Shape)> {
    R::prepare(conn, caller, None, &mut input)?;
    insert_prepared::<R>(conn, caller, input, add)
}

/// The same with what has been prepared.
pub fn insert_prepared<R: Resource>(
    conn: &mut DbConn,
    caller: &Principal,
    input: R::Input,
    add: impl FnOnce(&mut DbConn, R::Input) -> Result<R::Row>,
) -> Result<(Head<R::Kind>, R::Shape)> {
    let keys = R::identifiers(&input).to_vec();
    let row = add(conn, input)?;
    let head = R::head(&row);
    identifiers::insert(conn, head.owner, R::Kind::RESOURCE_TYPE, head.id.uuid(), &keys)?;
    let shape = R::shape(row);
    record::<R>(conn, caller, &head, Action::Created, &shape)?;
    Ok((head, shape))
}

/// Replaces a resource's content.
pub fn replace<R: Resource>(conn: &mut DbConn, caller: &Principal, row: &R::Row, mut input: R::Input) -> Result<(Head<R::Kind>, R::Shape)> {
    R::permit(caller, row)?;
    R::prepare(conn, caller, Some(row), &mut input)?;
    replace_prepared::<R>(conn, caller, row, input)
}

/// The same for a caller who may, with what has been prepared. Fails where identifiers change and are another's than the caller's.
pub fn replace_prepared<R: Resource>(
    conn: &mut DbConn,
    caller: &Principal,
    row: &R::Row,
    input: R::Input,
) -> Result<(Head<R::Kind>, R::Shape)> {
    let (before, keys) = (R::input(row), R::identifiers(&input).to_vec());
    // Keys are unique among the resources of one organization, so another must not take or lose them for it.
    if R::identifiers(&before) != keys && R::head(row).owner != caller.organization_id {
        return Err(Error::invalid("/identifiers", "not_allowed", "belong to the organization that owns this resource"));
    }
    let updated = R::update(conn, caller, row, input)?;
    // Whether the caller knew the present version was asked when the row was read, and is asked again of what the other left.
    let row = updated.ok_or(Error::Busy)?;
    let head = R::head(&row);
    if R::identifiers(&before) != keys {
        identifiers::replace(conn, head.owner, R::Kind::RESOURCE_TYPE, head.id.uuid(), &keys)?;
    }
    let shape = R::shape(row);
    record::<R>(conn, caller, &head, Action::Updated, &shape)?;
    Ok((head, shape))
}

/// Writes the journal's entry of a change.
pub fn record<R: Resource>(conn: &mut DbConn, caller: &Principal, head: &Head<R::Kind>, action: Action, shape: &R::Shape) -> Result<()> {
    record_by::<R>(conn, &caller.actor(), head, action, shape)
}

/// The same of a change that no caller made, or that is told as somebody else's.
pub fn record_by<R: Resource>(conn: &mut DbConn, actor: &Actor, head: &Head<R::Kind>, action: Action, shape: &R::Shape) -> Result<()> {
    changes::record(conn, actor, change_of::<R>(head, action, shape))
}

/// The same to be written.
pub fn change_of<'a, R: Resource>(head: &Head<R::Kind>, action: Action, shape: &'a R::Shape) -> Change<'a, R::Shape> {
    Change::of(head.id, head.version, action, shape).owned_by(head.owner).about(head.patient_id).within(head.referral_id)
}

/// The reply with the headers that the resource asks for.
pub fn with_headers<R: Resource>(reply: Reply, shape: &R::Shape) -> Reply {
    R::headers(shape).iter().fold(reply, |reply, (name, value)| reply.with_header(name, *value))
}

/// The response with the resource, its version and the headers that it asks for.
fn respond<R: Resource>(mut response: HttpResponseBuilder, version: i64, shape: &R::Shape) -> HttpResponse {
    add_headers::<R>(&mut response, version, shape);
    response.json(shape)
}

/// Adds the resource's version and the headers that it asks for, to an answer that shows it in another shape.
pub fn add_headers<R: Resource>(response: &mut HttpResponseBuilder, version: i64, shape: &R::Shape) {
    set_headers(response, version, R::headers(shape));
}

fn set_headers(response: &mut HttpResponseBuilder, version: i64, headers: Headers) {
    response.insert_header((ETAG, tag(version)));
    for header in headers {
        response.insert_header(*header);
    }
}

/// Where a resource is.
pub fn location<R: Resource>(id: Id<R::Kind>) -> String {
    format!("{}/{id}", R::PATH)
}

/// `POST`: 201 with the resource.
pub async fn create<R: Resource>(app: &App, caller: &Principal, mut command: Command<R::Input>) -> Result<HttpResponse> {
    R::normalise(&mut command.input);
    command
        .run(app, caller, |conn, caller, input| {
            let (head, shape) = insert::<R>(conn, caller, input.clone())?;
            let shape = R::view(conn, caller, shape)?;
            Ok(with_headers::<R>(Reply::created(&location::<R>(head.id), head.version, &shape)?, &shape))
        })
        .await
}

/// A resource as a caller reads it.
enum Found {
    /// In the version that it has already.
    Known(i64),
    /// In this version, with the headers that the resource asks for.
    Shown(i64, Written, Headers),
}

/// What `GET` of one answers.
fn find_shown<R: Resource>(conn: &mut DbConn, kept: &Kept, caller: &Principal, id: Id<R::Kind>, known: &IfNoneMatch) -> Result<Found> {
    let glanced = R::glance(conn, caller, id)?;
    if let Some(edition) = glanced
        && let Some(text) = kept.get(Form::Alone, id, edition)
    {
        let version = edition.version;
        return Ok(if known.has(version) { Found::Known(version) } else { Found::Shown(version, text, &[]) });
    }
    let row = get_row::<R>(conn, caller, id)?;
    let (version, is_settled) = (R::head(&row).version, R::is_settled(caller, &row));
    if is_settled && known.has(version) {
        return Ok(Found::Known(version));
    }
    let shape = R::view(conn, caller, R::shape(row))?;
    let text = Written::of(&shape)?;
    if let Some(edition) = glanced.filter(|edition| is_settled && edition.version == version) {
        kept.keep(Form::Alone, id, edition, text.clone());
    }
    Ok(Found::Shown(version, text, R::headers(&shape)))
}

/// `GET` of one: 200, or 304 where the caller has this version and is shown the same.
pub async fn get<R: Resource>(app: &App, caller: &Principal, id: Id<R::Kind>, known: &IfNoneMatch) -> Result<HttpResponse> {
    let (caller, kept, known) = (caller.clone(), Arc::clone(&app.kept), known.clone());
    match app.db.read_briefly(move |conn| find_shown::<R>(conn, &kept, &caller, id, &known)).await? {
        Found::Known(version) => Ok(HttpResponse::NotModified().insert_header((ETAG, tag(version))).finish()),
        Found::Shown(version, text, headers) => {
            let mut response = HttpResponse::Ok();
            set_headers(&mut response, version, headers);
            Ok(response.content_type(ContentType::json()).body(text.0))
        }
    }
}

/// `PUT`: 200 with the resource as it then is.
pub async fn put<R: Resource>(
    app: &App,
    caller: &Principal,
    id: Id<R::Kind>,
    version: IfMatch,
    mut input: R::Input,
) -> Result<HttpResponse> {
    R::normalise(&mut input);
    let prepare: Prepare<R> = |conn, caller, row, input| R::prepare(conn, caller, Some(row), input);
    change::<R>(app, caller, id, version, move |_, _, _| Ok(input.clone()), prepare).await
}

/// `PATCH`: the same with a merge patch, whose result must be as valid as a whole new content.
pub async fn patch<R: Resource>(
    app: &App,
    caller: &Principal,
    id: Id<R::Kind>,
    version: IfMatch,
    patch: MergePatch,
) -> Result<HttpResponse> {
    let patch = Arc::new(patch);
    // Before the write: on SQLite all writes wait for each other, and what is wrong with a patch may take long to tell.
    let (reader, wanted, laid) = (caller.clone(), version.clone(), Arc::clone(&patch));
    let (checked, input) = app
        .db
        .read(move |conn| {
            let row = to_change::<R>(conn, &reader, id, &wanted)?;
            let (content, is_part) = read_content::<R>(conn, &reader, &row)?;
            Ok(((R::head(&row).version, is_part), patched::<R>(&content, &laid)?))
        })
        .await?;
    let content = move |conn: &mut DbConn, caller: &Principal, row: &R::Row| {
        let (content, is_part) = read_content::<R>(conn, caller, row)?;
        // Whoever named no version has their patch laid over what another has written meanwhile; and consents may have begun or ended.
        if (R::head(row).version, is_part) == checked { Ok(input.clone()) } else { patched::<R>(&content, &patch) }
    };
    change::<R>(app, caller, id, version, content, R::prepare_patched).await
}

/// The writable part of a row as the caller reads it, and whether that is not the whole of it.
pub fn read_content<R: Resource>(conn: &mut DbConn, caller: &Principal, row: &R::Row) -> Result<(R::Input, bool)> {
    let mut content = R::input(row);
    let is_part = R::hide(conn, caller, row, &mut content)?;
    Ok((content, is_part))
}

fn patched<R: Resource>(content: &R::Input, patch: &MergePatch) -> Result<R::Input> {
    let mut input = merged(content, patch)?;
    R::normalise(&mut input);
    Ok(input)
}

/// The bytes of the largest content that a merge patch may make larger: by patches alone it could grow without end.
const LARGEST: usize = 1 << 20;

/// The content after a merge patch.
///
/// # Errors
/// [`Error::Invalid`] where it does not fit the schema, or the patch makes it larger than a mebibyte.
pub fn merged<T: Serialize + DeserializeOwned + ToSchema + Validate + 'static>(current: &T, change: &MergePatch) -> Result<T> {
    let mut value = serde_json::to_value(current).map_err(Error::internal)?;
    // What is cleared is gone before the rest is checked.
    let unknown = schema::unknown_nulls::<T>(&change.0)?;
    if !unknown.is_empty() {
        return Err(Error::Invalid(unknown));
    }
    patch::merge(&mut value, change.0.clone());
    let length = json::length(&value);
    if length > LARGEST && length > json::length(current) {
        return Err(Error::invalid("", "too_long", format!("must have at most {LARGEST} bytes as JSON")));
    }
    schema::check(value)
}

/// The row that a caller may change, of the version that they know.
fn to_change<R: Resource>(conn: &mut DbConn, caller: &Principal, id: Id<R::Kind>, version: &IfMatch) -> Result<R::Row> {
    let row = get_row::<R>(conn, caller, id)?;
    version.check(R::head(&row).version)?;
    R::permit(caller, &row)?;
    Ok(row)
}

/// What fails where a content clashes with other rows, and fills in what the server derives.
type Prepare<R> = fn(&mut DbConn, &Principal, &<R as Resource>::Row, &mut <R as Resource>::Input) -> Result<()>;

async fn change<R: Resource>(
    app: &App,
    caller: &Principal,
    id: Id<R::Kind>,
    version: IfMatch,
    content: impl Fn(&mut DbConn, &Principal, &R::Row) -> Result<R::Input> + Send + 'static,
    prepare: Prepare<R>,
) -> Result<HttpResponse> {
    let (caller, clock) = (caller.clone(), app.clock.clone());
    let (version, shape) = app
        .db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let row = to_change::<R>(conn, &caller, id, &version)?;
            let mut input = content(conn, &caller, &row)?;
            prepare(conn, &caller, &row, &mut input)?;
            let (head, shape) = replace_prepared::<R>(conn, &caller, &row, input)?;
            Ok((head.version, R::view(conn, &caller, shape)?))
        })
        .await?;
    Ok(respond::<R>(HttpResponse::Ok(), version, &shape))
}

/// `DELETE`: 204; the resource is a tombstone from then on.
pub async fn delete<R: Resource>(app: &App, caller: &Principal, id: Id<R::Kind>, version: IfMatch) -> Result<HttpResponse> {
    let (caller, clock) = (caller.clone(), app.clock.clone());
    app.db
        .write(move |conn| {
            let caller = caller.now(&clock);
            let row = get_row::<R>(conn, &caller, id)?;
            version.check(R::head(&row).version)?;
            remove::<R>(conn, &caller, &row)
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes a resource a tombstone and frees its identifiers.
pub fn remove<R: Resource>(conn: &mut DbConn, caller: &Principal, row: &R::Row) -> Result<()> {
    R::permit(caller, row)?;
    let deleted = R::delete(conn, caller, row)?.ok_or(Error::Busy)?;
    let head = R::head(&deleted);
    identifiers::replace(conn, head.owner, R::Kind::RESOURCE_TYPE, head.id.uuid(), &[])?;
    record::<R>(conn, caller, &head, Action::Deleted, &R::shape(deleted))
}

/// The query of a sync by identifier.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ByIdentifier {
    /// The identifier's system.
    #[param(min_length = 1, max_length = 200, example = "https://emr.example.ca/records")]
    pub system: String,
    /// The identifier's value.
    #[param(min_length = 1, max_length = 200, example = "A-10442")]
    pub value: String,
}

impl ByIdentifier {
    fn identifier(&self) -> Identifier {
        Identifier { system: self.system.clone(), value: self.value.clone() }
    }
}

/// `PUT` by identifier: creates (201) or replaces (200) the caller's own resource with this key. The identifier in the query is one of
/// the content's. What came with a merge is kept: see [`Resource::sync`].
pub async fn put_by_identifier<R: Resource>(
    app: &App,
    caller: &Principal,
    key: &ByIdentifier,
    version: super::etag::OptionalIfMatch,
    mut input: R::Input,
) -> Result<HttpResponse> {
    let identifier = key.identifier();
    if !R::identifiers(&input).contains(&identifier) {
        return Err(Error::invalid("/identifiers", "missing_identifier", "must contain the identifier that the query names"));
    }
    R::normalise(&mut input);
    let (caller, clock) = (caller.clone(), app.clock.clone());
    let put = move |conn: &mut DbConn| {
        let caller = caller.now(&clock);
        let found = identifiers::find(conn, caller.organization_id, R::Kind::RESOURCE_TYPE, &identifier.system, &identifier.value)?;
        let (is_new, (head, shape)) = match found {
            Some(id) => {
                let row = get_row::<R>(conn, &caller, Id::from_uuid(id))?;
                version.check(R::head(&row).version)?;
                let mut input = input.clone();
                R::sync(conn, &row, Some(&identifier), &mut input)?;
                (false, replace::<R>(conn, &caller, &row, input)?)
            }
            None => {
                version.check_new()?;
                (true, insert::<R>(conn, &caller, input.clone())?)
            }
        };
        Ok((is_new, head, R::view(conn, &caller, shape)?))
    };
    let (is_new, head, shape) = match app.db.write(put.clone()).await {
        // Another may have created it since it was looked for: then it is replaced.
        Err(Error::Duplicate { .. }) => app.db.write(put).await?,
        done => done?,
    };
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    response.insert_header((LOCATION, location::<R>(head.id)));
    Ok(respond::<R>(response, head.version, &shape))
}
