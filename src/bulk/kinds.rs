//! The kinds of resources that are loaded and exported in bulk: each by the functions of its single calls.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::importing::new_id;
use super::model::LineOutcome;
use super::references::{echo, met};
use crate::appointments::handlers::Appointments;
use crate::auth::scopes::RequiredScope;
use crate::auth::{Principal, Scope};
use crate::changes::{self, Action, Change};
use crate::consents::handlers::Consents;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::follow_ups::handlers::FollowUps;
use crate::http::resource::{self, Resource};
use crate::http::schema;
use crate::identifiers;
use crate::instruments::handlers::Instruments;
use crate::kind::{Kind, ResourceType};
use crate::matching::unmet::UnmetNeeds;
use crate::needs::handlers::Needs;
use crate::organizations::handlers::Organizations;
use crate::patients::handlers::Patients;
use crate::practitioners::handlers::Practitioners;
use crate::referrals::handlers::Referrals;
use crate::screenings::handlers::Screenings;
use crate::services::resource::Services;
use crate::slots::handlers::Slots;
use crate::text_enum;
use crate::types::Identifier;

text_enum! {
    /// What a line is of. Each may refer to those before it. Values may be added.
    pub enum BulkType {
        /// See `POST /v1/organizations`.
        Organization = "organization",
        /// See `POST /v1/practitioners`.
        Practitioner = "practitioner",
        /// See `POST /v1/services`.
        Service = "service",
        /// See `POST /v1/instruments`.
        Instrument = "instrument",
        /// See `POST /v1/patients`.
        Patient = "patient",
        /// See `POST /v1/consents`.
        Consent = "consent",
        /// See `POST /v1/screenings`.
        Screening = "screening",
        /// See `POST /v1/needs`.
        Need = "need",
        /// See `POST /v1/referrals`; a new one is a draft unless the line says that it is sent, or where it stood.
        Referral = "referral",
        /// See `POST /v1/follow-ups`.
        FollowUp = "follow_up",
        /// See `POST /v1/slots`.
        Slot = "slot",
        /// See `POST /v1/appointments`.
        Appointment = "appointment",
        /// See `POST /v1/unmet-needs`.
        UnmetNeed = "unmet_need",
    }
}

impl BulkType {
    /// What is done with it.
    pub fn kind(self) -> &'static dyn Loadable {
        match self {
            Self::Organization => &Of::<Organizations>(PhantomData),
            Self::Practitioner => &Of::<Practitioners>(PhantomData),
            Self::Service => &Of::<Services>(PhantomData),
            Self::Instrument => &Of::<Instruments>(PhantomData),
            Self::Patient => &Of::<Patients>(PhantomData),
            Self::Consent => &Of::<Consents>(PhantomData),
            Self::Screening => &Of::<Screenings>(PhantomData),
            Self::Need => &Of::<Needs>(PhantomData),
            Self::Referral => &Of::<Referrals>(PhantomData),
            Self::FollowUp => &Of::<FollowUps>(PhantomData),
            Self::Slot => &Of::<Slots>(PhantomData),
            Self::Appointment => &Of::<Appointments>(PhantomData),
            Self::UnmetNeed => &Of::<UnmetNeeds>(PhantomData),
        }
    }
}

/// Whoever may write something may load it.
#[derive(Debug, Clone, Copy)]
pub enum Loads {}

impl RequiredScope for Loads {
    const SCOPES: &'static [Scope] = &[
        Scope::PatientsWrite,
        Scope::ServicesWrite,
        Scope::OrganizationsWrite,
        Scope::ScreeningsWrite,
        Scope::ReferralsWrite,
        Scope::FollowUpsWrite,
        Scope::AppointmentsWrite,
        Scope::Admin,
    ];
}

/// Whoever may read something may export it.
#[derive(Debug, Clone, Copy)]
pub enum Exports {}

impl RequiredScope for Exports {
    const SCOPES: &'static [Scope] = &[
        Scope::PatientsRead,
        Scope::ServicesRead,
        Scope::OrganizationsRead,
        Scope::ScreeningsRead,
        Scope::ReferralsRead,
        Scope::FollowUpsRead,
        Scope::AppointmentsRead,
    ];
}

/// A body that was read and is valid: the input of the resource.
pub type Body = Box<dyn Any + Send + Sync>;

/// A page of what is exported.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Only what was changed at this moment or later.
    pub since: Option<Instant>,
    /// Only what comes after this one.
    pub after: Option<Uuid>,
    /// Only this one and what comes before it.
    pub until: Option<Uuid>,
    /// So many at most.
    pub limit: i64,
}

/// A resource as it is exported.
#[derive(Debug)]
pub struct Exported {
    /// Its id.
    pub id: Uuid,
    /// What of it can be written.
    pub writable: Map<String, Value>,
    /// The whole, as the caller sees it.
    pub whole: Map<String, Value>,
}

/// What is said of a resource besides what can be written of it, as an export has it: what the server derives, and how it stood.
pub type ReadOnly = Map<String, Value>;

/// What a line says.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The id under which the resource is known where the line comes from.
    pub id: Option<Uuid>,
    /// Its body.
    pub body: &'a Body,
    /// How it stood where it comes from.
    pub was: &'a ReadOnly,
    /// Whether it is to be sent.
    pub is_sent: bool,
}

/// A new resource: under which id, and with which body.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<'a> {
    /// The id that it gets.
    pub id: Uuid,
    /// Its body.
    pub body: &'a Body,
}

/// What is done with lines of one kind.
pub trait Loadable: Sync {
    /// The kind.
    fn resource_type(&self) -> ResourceType;
    /// The scope that writes it.
    fn write_scope(&self) -> Scope;
    /// Its collection.
    fn path(&self) -> &'static str;
    /// The name of its schema in the document.
    fn schema(&self) -> &'static str;
    /// Where its body names others, and of which kind: as JSON pointers, with `*` for any place in a list.
    fn references(&self) -> &'static [(&'static str, ResourceType)];
    /// Reads a body by the published schema, with every fault told, and brings it into the one form that is kept.
    fn read(&self, body: Value) -> Result<Body>;
    /// The keys in other systems that a body names; the first decides which resource it is.
    fn identifiers<'b>(&self, body: &'b Body) -> &'b [Identifier];
    /// Creates or replaces what the line is of: what has the first identifier; what has the id, came from what had it, or was named by it
    /// before; else a new one.
    fn write(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>) -> Result<(LineOutcome, Uuid)>;
    /// What a line is of, where that is there. Fails where the caller may not write what it says.
    fn standing(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>) -> Result<Option<Uuid>>;
    /// Fails where what a line says besides its body cannot be, whatever else is there. How it stood is asked of a new one alone.
    fn check_said(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>, is_new: bool) -> Result<()>;
    /// A digest of what a line says: the same of two that say the same.
    fn digest(&self, said: Said<'_>) -> Result<Uuid>;
    /// Whether [`insert_all`](Self::insert_all) does all there is to be done for one that stood so.
    fn is_batched(&self, was: &ReadOnly) -> bool;
    /// Creates many that are not there, with few statements; for each whether it could be. Fails as a whole where identifiers clash.
    fn insert_all(&self, conn: &mut DbConn, caller: &Principal, fresh: &[Fresh<'_>]) -> Result<Vec<Result<()>>>;
    /// A page of what the caller sees, in order of id: each is made when its turn comes and given to `put`, which says whether it takes more.
    /// Whether there may be more behind the last.
    fn page(&self, conn: &mut DbConn, caller: &Principal, window: Window, put: &mut dyn FnMut(Exported) -> Result<bool>) -> Result<bool>;
    /// How many an export reads by one page.
    fn at_once(&self) -> i64;
}

impl std::fmt::Debug for dyn Loadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.resource_type().as_str())
    }
}

/// What bulk asks of a resource besides what the common verbs do.
pub trait Bulk: Resource<Input: PartialEq, Kind: 'static> {
    /// The scope that writes it.
    const WRITE: Scope;
    /// The name of its schema.
    const SCHEMA: &'static str;
    /// See [`Loadable::references`].
    const REFERENCES: &'static [(&'static str, ResourceType)] = &[];
    /// Whether rows are inserted many at a time.
    const BATCHED: bool = false;
    /// What [`restore`](Self::restore) looks at, where rows are inserted many at a time.
    const RESTORED: &'static [&'static str] = &[];

    /// One that is there already although neither an identifier nor an id says so.
    fn same(conn: &mut DbConn, caller: &Principal, input: &Self::Input) -> Result<Option<Id<Self::Kind>>> {
        let _ = (conn, caller, input);
        Ok(None)
    }
    /// Adds a new one, sent at once where that is asked. Fails where it cannot stand as the one did that it comes from: better none than
    /// one that says something else.
    fn create(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, input: Self::Input, was: &ReadOnly, is_sent: bool) -> Result<()> {
        let _ = (was, is_sent);
        resource::insert_with_id::<Self>(conn, caller, id, input).map(|_| ())
    }
    /// Fills in what stays as it is where it is not named.
    fn keep(conn: &mut DbConn, row: &Self::Row, input: &mut Self::Input) -> Result<()> {
        let _ = (conn, row, input);
        Ok(())
    }
    /// Sends one that was kept back; false where there is none to send.
    fn send(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>) -> Result<bool> {
        let _ = (conn, caller, id);
        Ok(false)
    }
    /// Says of one, new or not, what is said by calls of their own; false where that is what it says already.
    fn restore(conn: &mut DbConn, caller: &Principal, id: Id<Self::Kind>, was: &ReadOnly) -> Result<bool> {
        let _ = (conn, caller, id, was);
        Ok(false)
    }
    /// Fails where what is said of a new one besides its body, by which it is [made](Self::create), cannot be.
    fn check_created(conn: &mut DbConn, caller: &Principal, input: &Self::Input, was: &ReadOnly, is_sent: bool) -> Result<()> {
        let _ = (conn, caller, input, was, is_sent);
        Ok(())
    }
    /// Fails where what is said of one, new or not, by which it is [restored](Self::restore), cannot be.
    fn check_restored(was: &ReadOnly) -> Result<()> {
        let _ = was;
        Ok(())
    }
    /// Some as lists show them, in the same order. Where that takes a look at other rows, at those of all of them together.
    fn listed(conn: &mut DbConn, caller: &Principal, shapes: Vec<Self::Shape>) -> Result<Vec<Self::Shape>> {
        shapes.into_iter().map(|shape| Self::view(conn, caller, shape)).collect()
    }
    /// A new row, where they are inserted many at a time.
    fn row(caller: &Principal, id: Id<Self::Kind>, input: Self::Input) -> Result<Self::Row> {
        let _ = (caller, id, input);
        Err(Error::internal("this resource is not inserted in batches"))
    }
    /// Adds such rows, and what they are found by.
    fn insert_rows(conn: &mut DbConn, rows: &[Self::Row]) -> Result<()> {
        let _ = (conn, rows);
        Err(Error::internal("this resource is not inserted in batches"))
    }
    /// How many an export reads by one page: each page asks anew whom the organization sees. Fewer where one may take a megabyte, which is in
    /// memory several times.
    const AT_ONCE: i64 = 200;
    /// Whether there may be more behind fewer [`rows`](Self::rows) than were asked for.
    const CUT: bool = false;
    /// The living rows that the caller's lists show, in order of id.
    fn rows(conn: &mut DbConn, caller: &Principal, window: Window) -> Result<Vec<Self::Row>>;
}

/// The kind of a resource.
struct Of<R>(PhantomData<fn() -> R>);

impl<R: Bulk> Of<R> {
    fn input(body: &Body) -> Result<&R::Input> {
        body.downcast_ref().ok_or_else(|| Error::internal("a body of another kind"))
    }

    /// What a line is of: what has the first identifier; what has the id, came from what had it, or was named by it before; what is the same.
    fn present(conn: &mut DbConn, caller: &Principal, id: Option<Uuid>, input: &R::Input) -> Result<Option<Uuid>> {
        let owner = caller.organization_id;
        if let Some(Identifier { system, value }) = R::identifiers(input).first()
            && let Some(present) = identifiers::find(conn, owner, R::Kind::RESOURCE_TYPE, system, value)?
        {
            return Ok(Some(present));
        }
        if let Some(id) = id {
            // Its own record is an organization's own whoever keeps it.
            let is_own = R::find(conn, caller, Id::from_uuid(id))?.is_some_and(|row| R::head(&row).owner == owner || id == owner.uuid());
            if is_own {
                return Ok(Some(id));
            }
            if R::find(conn, caller, Id::from_uuid(echo(owner, id)))?.is_some() {
                return Ok(Some(echo(owner, id)));
            }
            if let Some(met) = met(conn, owner, R::Kind::RESOURCE_TYPE, &[id])?.remove(&id) {
                return Ok(Some(met));
            }
        }
        Ok(R::same(conn, caller, input)?.map(Id::uuid))
    }

    /// Replaces what is there; false where that is the same as far as the caller reads it.
    fn change(conn: &mut DbConn, caller: &Principal, row: &R::Row, input: &R::Input) -> Result<bool> {
        let (before, _) = resource::read_content::<R>(conn, caller, row)?;
        if before == *input {
            return Ok(false);
        }
        R::permit(caller, row)?;
        let mut after = input.clone();
        R::sync(conn, row, R::identifiers(input).first(), &mut after)?;
        R::keep(conn, row, &mut after)?;
        if before == after {
            return Ok(false);
        }
        R::prepare(conn, caller, Some(row), &mut after)?;
        if before == after {
            return Ok(false);
        }
        resource::replace_prepared::<R>(conn, caller, row, after)?;
        Ok(true)
    }
}

impl<R: Bulk> Loadable for Of<R> {
    fn resource_type(&self) -> ResourceType {
        R::Kind::RESOURCE_TYPE
    }

    fn write_scope(&self) -> Scope {
        R::WRITE
    }

    fn path(&self) -> &'static str {
        R::PATH
    }

    fn schema(&self) -> &'static str {
        R::SCHEMA
    }

    fn references(&self) -> &'static [(&'static str, ResourceType)] {
        R::REFERENCES
    }

    fn read(&self, body: Value) -> Result<Body> {
        let mut input: R::Input = schema::check(body)?;
        R::normalise(&mut input);
        Ok(Box::new(input))
    }

    fn identifiers<'b>(&self, body: &'b Body) -> &'b [Identifier] {
        Self::input(body).map_or(&[], R::identifiers)
    }

    fn write(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>) -> Result<(LineOutcome, Uuid)> {
        let Said { id, was, is_sent, .. } = said;
        let input = Self::input(said.body)?;
        let Some(present) = Self::present(conn, caller, id, input)?.map(Id::from_uuid) else {
            let new = Id::from_uuid(new_id(caller, id));
            R::create(conn, caller, new, input.clone(), was, is_sent)?;
            R::restore(conn, caller, new, was)?;
            return Ok((LineOutcome::Created, new.uuid()));
        };
        let row = resource::get_row::<R>(conn, caller, present)?;
        let is_changed = Self::change(conn, caller, &row, input)?;
        let is_restored = R::restore(conn, caller, present, was)?;
        let is_sent = is_sent && R::send(conn, caller, present)?;
        Ok((if is_changed || is_restored || is_sent { LineOutcome::Updated } else { LineOutcome::Unchanged }, present.uuid()))
    }

    fn standing(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>) -> Result<Option<Uuid>> {
        let input = Self::input(said.body)?;
        let Some(present) = Self::present(conn, caller, said.id, input)? else { return Ok(None) };
        let row = resource::get_row::<R>(conn, caller, Id::from_uuid(present))?;
        if resource::read_content::<R>(conn, caller, &row)?.0 != *input {
            R::permit(caller, &row)?;
        }
        Ok(Some(present))
    }

    fn check_said(&self, conn: &mut DbConn, caller: &Principal, said: Said<'_>, is_new: bool) -> Result<()> {
        if is_new {
            R::check_created(conn, caller, Self::input(said.body)?, said.was, said.is_sent)?;
        }
        R::check_restored(said.was)
    }

    fn digest(&self, said: Said<'_>) -> Result<Uuid> {
        let whole = serde_json::to_vec(&(Self::input(said.body)?, said.was, said.is_sent)).map_err(Error::internal)?;
        Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &whole))
    }

    fn is_batched(&self, was: &ReadOnly) -> bool {
        let says_nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        R::BATCHED && R::RESTORED.iter().all(|name| was.get(*name).is_none_or(says_nothing))
    }

    fn insert_all(&self, conn: &mut DbConn, caller: &Principal, fresh: &[Fresh<'_>]) -> Result<Vec<Result<()>>> {
        let (mut rows, mut outcomes) = (Vec::with_capacity(fresh.len()), Vec::with_capacity(fresh.len()));
        for Fresh { id, body } in fresh {
            let mut input = Self::input(body)?.clone();
            let prepared = R::prepare(conn, caller, None, &mut input);
            if prepared.is_ok() {
                rows.push(R::row(caller, Id::from_uuid(*id), input)?);
            }
            outcomes.push(prepared);
        }
        if rows.is_empty() {
            return Ok(outcomes);
        }
        R::insert_rows(conn, &rows)?;
        let keys: Vec<(Uuid, Vec<Identifier>)> =
            rows.iter().map(|row| (R::head(row).id.uuid(), R::identifiers(&R::input(row)).to_vec())).collect();
        let keys = keys.iter().flat_map(|(id, keys)| keys.iter().map(|key| (*id, key)));
        identifiers::insert_all(conn, caller.organization_id, R::Kind::RESOURCE_TYPE, keys)?;
        let shapes: Vec<_> = rows.into_iter().map(|row| (R::head(&row), R::shape(row))).collect();
        let change = |(head, shape)| resource::change_of::<R>(head, Action::Created, shape);
        let changes: Vec<Change<'_, R::Shape>> = shapes.iter().map(|(head, shape)| change((head, shape))).collect();
        changes::record_all(conn, &caller.actor(), &changes)?;
        Ok(outcomes)
    }

    fn page(&self, conn: &mut DbConn, caller: &Principal, window: Window, put: &mut dyn FnMut(Exported) -> Result<bool>) -> Result<bool> {
        let rows = R::rows(conn, caller, window)?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= window.limit);
        let has_more = is_full || (R::CUT && !rows.is_empty());
        let mut named: Vec<(Uuid, Option<R::Input>)> = Vec::with_capacity(rows.len());
        for row in &rows {
            let head = R::head(row);
            let is_own = head.owner == caller.organization_id;
            let own = if is_own { Some(resource::read_content::<R>(conn, caller, row)?.0) } else { None };
            named.push((head.id.uuid(), own));
        }
        let shapes = R::listed(conn, caller, rows.into_iter().map(R::shape).collect())?;
        for ((id, own), shape) in named.into_iter().zip(shapes) {
            let whole = object(&shape)?;
            drop(shape);
            // Of others' resources no more is told than is shown, of one's own what one reads.
            let writable = match own {
                Some(input) => object(&input)?,
                None => shown(&whole, R::SCHEMA),
            };
            if !put(Exported { id, writable, whole })? {
                return Ok(true);
            }
        }
        Ok(has_more)
    }

    fn at_once(&self) -> i64 {
        R::AT_ONCE
    }
}

fn object(shape: &impl serde::Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(shape).map_err(Error::internal)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::internal("a resource that is no object")),
    }
}

/// What of a shape is written by clients.
fn shown(whole: &Map<String, Value>, schema: &str) -> Map<String, Value> {
    let input = crate::openapi::schemas().pointer(&format!("/{schema}Input/properties")).and_then(Value::as_object);
    let is_written = |name: &str| input.is_some_and(|properties| properties.contains_key(name));
    whole.iter().filter(|(name, _)| is_written(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The lines of a run of one kind that can be inserted together: those whose identifiers and ids nobody has. Neither holds for a line
/// whose first identifier another line before it in the run has.
pub fn fresh(kind: &dyn Loadable, conn: &mut DbConn, caller: &Principal, lines: &[(Option<Uuid>, &Body)]) -> Result<Vec<bool>> {
    let owner = caller.organization_id;
    let mut by_system: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ids = Vec::new();
    for (id, body) in lines {
        for Identifier { system, value } in kind.identifiers(body) {
            by_system.entry(system).or_default().push(value);
        }
        ids.extend(id.iter().flat_map(|id| [*id, echo(owner, *id)]));
    }
    let mut taken: HashSet<(String, String)> = HashSet::new();
    for (system, values) in by_system {
        for values in values.chunks(1_000) {
            let found = identifiers::of_values(conn, owner, kind.resource_type(), system, values)?;
            taken.extend(found.into_keys().map(|value| (system.to_owned(), value)));
        }
    }
    let present = changes::repository::owners_among(conn, kind.resource_type(), &ids)?;
    let met = met(conn, owner, kind.resource_type(), &lines.iter().filter_map(|(id, _)| *id).collect::<Vec<_>>())?;
    let is_fresh = |(id, body): &(Option<Uuid>, &Body)| {
        let keys = kind.identifiers(body);
        let is_new = keys.iter().all(|key| !taken.contains(&(key.system.clone(), key.value.clone())));
        let is_known = |id| present.contains_key(&id) || present.contains_key(&echo(owner, id)) || met.contains_key(&id);
        taken.extend(keys.iter().map(|key| (key.system.clone(), key.value.clone())));
        is_new && !id.is_some_and(is_known)
    };
    Ok(lines.iter().map(is_fresh).collect())
}
