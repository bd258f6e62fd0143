//! Dry runs of imports: what would become of each line, and nothing of it written.
//!
//! The lines of an import are written in many short transactions, each upon what those before it left. None can be rolled back that has all
//! of them, for everybody else would wait for it; and rolled back one by one they find nothing of each other. So a line is written by
//! itself, in a savepoint of which nothing is left, and what would be there from then on is kept beside the job under what it would be
//! known by: its id where the lines come from, its identifiers. A later line that is of such a resource, or names a new one, is not written. It
//! is checked by itself: its body by the schema, what it says of its history, that whatever it names is there or foreseen, and that nobody
//! else has its identifiers. Whether it keeps the rules that are asked as a line is written only the import finds out; but a service asks
//! no more of the organization that gives it than that it is there, so that it is written all the same, beside one that stands in for it.
//!
//! A line may also be refused for want of what an earlier one would have changed, as where that gave the consent. So it is also kept what
//! lines would change of what is there, the one that a line is of and the patient, screening, referral or slot that it names; where a line
//! that names one of these is refused, it is checked by itself too. Rather nothing is said than something that the import gives the lie to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Instant as Moment;

use serde_json::Value;
use uuid::Uuid;

use super::importing::{Content, Head, Line, LineResult, TURN, new_id, refused, told, within};
use super::kinds::{Body, Loadable, Said};
use super::model::{ForeseenRow, JobId, LineOutcome};
use super::references::{self, echo, id_of, kept};
use super::repository;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Fault, Result};
use crate::identifiers;
use crate::kind::{OrganizationId, ResourceType};
use crate::organizations::model::{OrganizationInput, OrganizationKind, OrganizationRow};
use crate::types::Identifier;
use crate::{changes, organizations};

/// What would become of the first lines, as many as fit into a turn; of a blank one nothing.
pub(super) fn try_some(conn: &mut DbConn, caller: &Principal, job: JobId, lines: &[Line]) -> Result<Vec<Option<LineResult>>> {
    let (began, mut run) = (Moment::now(), Run { job, caller, noted: BTreeMap::new() });
    let mut results = Vec::with_capacity(lines.len());
    for line in lines {
        if !results.is_empty() && began.elapsed() >= TURN {
            break;
        }
        results.push(run.line(conn, line)?);
    }
    run.keep(conn)?;
    Ok(results)
}

/// What is not there, but would be made by lines before.
type ToCome = BTreeSet<(ResourceType, Uuid)>;

/// The resource that a line is of.
#[derive(Debug, Clone, Copy)]
struct Foreseen {
    id: Uuid,
    /// Whether it is not there, but would be.
    is_new: bool,
    /// A digest of what its last line says.
    content: Option<Uuid>,
}

/// A turn of a dry run.
struct Run<'a> {
    job: JobId,
    caller: &'a Principal,
    /// What its lines leave for later ones, by digests.
    noted: BTreeMap<Uuid, Foreseen>,
}

impl Run<'_> {
    fn line(&mut self, conn: &mut DbConn, line: &Line) -> Result<Option<LineResult>> {
        let (head, tried, duplicates) = match &line.content {
            Content::Blank => return Ok(None),
            Content::Refused(of, problem) => return Ok(Some(refused(line.number, *of, (**problem).clone()))),
            Content::Ready { head, body, duplicates, names } => {
                (head, self.outcome(conn, head, body, names, &ToCome::new()), duplicates.as_slice())
            }
            Content::Open { head, body } => (head, self.open(conn, head, body.clone()), &[][..]),
        };
        let is_new = tried.as_ref().is_ok_and(|(_, of)| of.is_new);
        let result = told(line.number, head, tried.map(|(outcome, of)| (outcome, of.id)), duplicates)?;
        Ok(Some(LineResult { id: result.id.filter(|_| !is_new), ..result }))
    }

    /// What would become of a line that named what was not there when it was read.
    fn open(&mut self, conn: &mut DbConn, head: &Head, mut body: Value) -> Result<(LineOutcome, Foreseen)> {
        let kind = head.of.kind();
        let (names, leans) = within(self.resolve(conn, kind, &mut body))?;
        let body = within(kind.read(body))?;
        self.outcome(conn, head, &body, &names, &leans)
    }

    /// Puts ids in the place of what a body names, of what lines before it would make too. What of it is there, and what it leans on that
    /// is not. Fails where something is neither.
    fn resolve(&self, conn: &mut DbConn, kind: &dyn Loadable, body: &mut Value) -> Result<(Vec<(ResourceType, Uuid)>, ToCome)> {
        let named = references::named(kind, body)?;
        let keyed: Vec<(&str, ResourceType, Uuid)> =
            named.iter().filter_map(|(place, of, value)| Some((place.as_str(), *of, key_of(*of, value)?))).collect();
        let found = self.find(conn, &keyed.iter().map(|(_, _, key)| *key).collect::<Vec<_>>())?;
        let mut to_come = ToCome::new();
        for (place, of, key) in keyed {
            let Some(foreseen) = found.get(&key) else { continue };
            if foreseen.is_new {
                to_come.insert((of, foreseen.id));
            }
            if let Some(target) = body.pointer_mut(place) {
                *target = Value::String(foreseen.id.to_string());
            }
        }
        references::resolve(conn, self.caller, kind, body, true)?;
        let ids = references::named(kind, body)?.into_iter().filter_map(|(place, of, value)| Some((place, of, id_of(&value)?)));
        let there: Vec<(String, ResourceType, Uuid)> = ids.filter(|(_, of, id)| !to_come.contains(&(*of, *id))).collect();
        if !to_come.is_empty() {
            ensure_there(conn, &there)?;
        }
        Ok((there.into_iter().map(|(_, of, id)| (of, id)).collect(), to_come))
    }

    /// What would become of a line that names these, which are there, and perhaps leans on others that are to come.
    fn outcome(
        &mut self,
        conn: &mut DbConn,
        head: &Head,
        body: &Body,
        names: &[(ResourceType, Uuid)],
        leans: &ToCome,
    ) -> Result<(LineOutcome, Foreseen)> {
        let (kind, caller) = (head.of.kind(), self.caller);
        caller.require(kind.write_scope())?;
        let said = Said { id: head.id, body, was: &head.was, is_sent: head.is_sent };
        let content = kind.digest(said)?;
        let known = self.find(conn, &keys(kind, said))?;
        let (outcome, of) = match (self.own(conn, kind, said, &known)?, stood_in_for(kind, leans)) {
            (Some(own), beside) => {
                within(by_itself(conn, caller, kind, said, own.id, false))?;
                // What is not there yet is what the line makes of it.
                if let Some(beside) = beside.filter(|_| own.is_new && is_by_itself(kind.resource_type())) {
                    written(conn, caller, kind, said, &beside)?;
                }
                (if own.content == Some(content) { LineOutcome::Unchanged } else { LineOutcome::Updated }, own)
            }
            (None, None) => within(standing(conn, caller, kind, said))?,
            (None, Some(beside)) => match written(conn, caller, kind, said, &beside) {
                Err(error @ (Error::Busy | Error::Unavailable(_) | Error::TimedOut)) => return Err(error),
                Err(_) if self.is_changed(conn, kind, names)? => within(standing(conn, caller, kind, said))?,
                done => done?,
            },
        };
        let mut named_so = kind.identifiers(body).iter().filter_map(|key| known.get(&by_identifier(kind.resource_type(), key)));
        if named_so.any(|other| other.id != of.id) {
            return Err(duplicate());
        }
        self.note(kind, said, names, outcome, Foreseen { content: Some(content), ..of });
        Ok((outcome, of))
    }

    /// What a line is of, where lines before it have left it: what has its first identifier, else what has its id.
    fn own(&self, conn: &mut DbConn, kind: &dyn Loadable, said: Said<'_>, known: &HashMap<Uuid, Foreseen>) -> Result<Option<Foreseen>> {
        let (of, first) = (kind.resource_type(), kind.identifiers(said.body).first());
        if let Some(found) = first.and_then(|first| known.get(&by_identifier(of, first))) {
            return Ok(Some(*found));
        }
        let Some(found) = said.id.and_then(|id| known.get(&by_id(of, id))) else { return Ok(None) };
        let present = match first {
            Some(Identifier { system, value }) => identifiers::find(conn, self.caller.organization_id, of, system, value)?,
            None => None,
        };
        Ok(present.is_none_or(|present| present == found.id).then_some(*found))
    }

    /// Whether a line before changes what a line names, or adds to it.
    fn is_changed(&self, conn: &mut DbConn, kind: &dyn Loadable, names: &[(ResourceType, Uuid)]) -> Result<bool> {
        let mut keys: Vec<Uuid> = names.iter().map(|(of, id)| changed(*of, *id)).collect();
        if kind.resource_type() == ResourceType::Screening {
            keys.push(changed(ResourceType::Instrument, ANY));
        }
        Ok(!self.find(conn, &keys)?.is_empty())
    }

    /// Leaves to later lines what this one would make or change.
    fn note(&mut self, kind: &dyn Loadable, said: Said<'_>, names: &[(ResourceType, Uuid)], outcome: LineOutcome, of: Foreseen) {
        let own = kind.resource_type();
        if outcome == LineOutcome::Unchanged {
            // What it is known by is known, but for the id that it has elsewhere.
            let elsewhere = said.id.filter(|id| ![*id, echo(self.caller.organization_id, *id)].contains(&of.id));
            self.noted.extend(elsewhere.map(|id| (by_id(own, id), of)));
            return;
        }
        self.noted.extend(keys(kind, said).into_iter().map(|key| (key, of)));
        let itself = (!of.is_new).then_some((own, of.id));
        // By its name it is asked for, not by an id.
        let instrument = (own == ResourceType::Instrument).then_some((own, ANY));
        let added_to = names.iter().copied().filter(|(of, _)| has_others(*of));
        let all = itself.into_iter().chain(instrument).chain(added_to);
        self.noted.extend(all.map(|(kind, id)| (changed(kind, id), of)));
    }

    fn find(&self, conn: &mut DbConn, keys: &[Uuid]) -> Result<HashMap<Uuid, Foreseen>> {
        let mut found: HashMap<Uuid, Foreseen> = keys.iter().filter_map(|key| Some((*key, *self.noted.get(key)?))).collect();
        let open: Vec<Uuid> = keys.iter().filter(|key| !found.contains_key(*key)).copied().collect();
        if !open.is_empty() {
            let row = |row: ForeseenRow| {
                let content = row.content.map(Id::uuid);
                (row.key.uuid(), Foreseen { id: row.resource_id.uuid(), is_new: row.is_new, content })
            };
            found.extend(repository::foreseen(conn, self.job, &open)?.into_iter().map(row));
        }
        Ok(found)
    }

    /// Keeps what the lines of the turn have left.
    fn keep(self, conn: &mut DbConn) -> Result<()> {
        let Self { job, noted, .. } = self;
        let row = |(key, of): (Uuid, Foreseen)| ForeseenRow {
            job_id: job,
            key: Id::from_uuid(key),
            resource_id: Id::from_uuid(of.id),
            is_new: of.is_new,
            content: of.content.map(Id::from_uuid),
        };
        repository::replace_foreseen(conn, job, &noted.into_iter().map(row).collect::<Vec<_>>())
    }
}

/// What becomes of a line that is written beside these organizations, which are to come, of all which nothing is left.
fn written(
    conn: &mut DbConn,
    caller: &Principal,
    kind: &dyn Loadable,
    said: Said<'_>,
    beside: &[OrganizationId],
) -> Result<(LineOutcome, Foreseen)> {
    let write = |conn: &mut DbConn| {
        conn.undone(|conn| {
            for organization in beside {
                stand_in(conn, caller, *organization)?;
            }
            within(kind.write(conn, caller, said))
        })
    };
    let (outcome, id) = match write(conn) {
        // Another may have created it since it was looked for: then it is replaced.
        Err(Error::Duplicate { .. }) => write(conn)?,
        done => done?,
    };
    Ok((outcome, Foreseen { id, is_new: outcome == LineOutcome::Created, content: None }))
}

/// Puts something in the place of an organization that is to come.
fn stand_in(conn: &mut DbConn, caller: &Principal, id: OrganizationId) -> Result<()> {
    if organizations::repository::exists(conn, id)? {
        return Ok(());
    }
    let content = OrganizationInput::named("To come", OrganizationKind::Agency);
    organizations::repository::insert(conn, &OrganizationRow::new(id, caller.organization_id, content, caller.at))
}

/// The organizations beside which a line can be written that leans on these: none where it leans on nothing; `None` where it depends on
/// what these are, or what lines before have made of them.
fn stood_in_for(kind: &dyn Loadable, leans: &ToCome) -> Option<Vec<OrganizationId>> {
    let organization = |(of, id): &(ResourceType, Uuid)| {
        (is_by_itself(kind.resource_type()) && *of == ResourceType::Organization).then(|| OrganizationId::from_uuid(*id))
    };
    leans.iter().map(organization).collect()
}

/// What would become of a line, as far as that can be told without writing it.
fn standing(conn: &mut DbConn, caller: &Principal, kind: &dyn Loadable, said: Said<'_>) -> Result<(LineOutcome, Foreseen)> {
    let (outcome, of) = match kind.standing(conn, caller, said)? {
        // Also where its body says the same: then it is something else of it that was refused, such as that it is sent.
        Some(id) => (LineOutcome::Updated, Foreseen { id, is_new: false, content: None }),
        None => (LineOutcome::Created, Foreseen { id: new_id(caller, said.id), is_new: true, content: None }),
    };
    by_itself(conn, caller, kind, said, of.id, of.is_new)?;
    Ok((outcome, of))
}

/// Fails where a line of this resource cannot be, whatever else is there: for what it says besides its body, or for an identifier that
/// another resource has. How it stood is of no matter where it is not new, or a line before has left it.
fn by_itself(conn: &mut DbConn, caller: &Principal, kind: &dyn Loadable, said: Said<'_>, id: Uuid, is_new: bool) -> Result<()> {
    kind.check_said(conn, caller, said, is_new)?;
    ensure_own(conn, caller.organization_id, kind.resource_type(), kind.identifiers(said.body), id)
}

fn ensure_own(conn: &mut DbConn, owner: OrganizationId, of: ResourceType, keys: &[Identifier], id: Uuid) -> Result<()> {
    for Identifier { system, value } in keys {
        if identifiers::find(conn, owner, of, system, value)?.is_some_and(|found| found != id) {
            return Err(duplicate());
        }
    }
    Ok(())
}

/// As where it is written.
fn duplicate() -> Error {
    Error::Duplicate { constraint: "identifiers_pkey".into() }
}

/// Fails with those of these that are nowhere: the rules that would say so are asked only where all is there.
fn ensure_there(conn: &mut DbConn, named: &[(String, ResourceType, Uuid)]) -> Result<()> {
    let mut faults = Vec::new();
    for of in named.iter().map(|(_, of, _)| *of).collect::<BTreeSet<_>>() {
        let ids: Vec<Uuid> = named.iter().filter(|(_, kind, _)| *kind == of).map(|(_, _, id)| *id).collect();
        let there: HashSet<Uuid> = if of == ResourceType::Organization {
            let ids: Vec<OrganizationId> = ids.into_iter().map(Id::from_uuid).collect();
            organizations::repository::names(conn, &ids)?.into_keys().map(Id::uuid).collect()
        } else {
            changes::repository::owners_among(conn, of, &ids)?.into_keys().collect()
        };
        let missing = named.iter().filter(|(_, kind, id)| *kind == of && !there.contains(id));
        faults.extend(missing.map(|(place, ..)| Fault::new(place.as_str(), "not_found", "is neither here nor in an earlier line")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

/// Whether there are others beside it that a line adds to by naming it, and on which the rules of the next one depend.
const fn has_others(kind: ResourceType) -> bool {
    matches!(kind, ResourceType::Patient | ResourceType::Screening | ResourceType::Referral | ResourceType::Slot)
}

/// Whether the rules of its lines ask of what they name only whether it is there, and of what it was before only whether that is the same.
const fn is_by_itself(kind: ResourceType) -> bool {
    matches!(kind, ResourceType::Service)
}

/// Stands for all resources of a kind.
const ANY: Uuid = Uuid::nil();

/// Under what it is kept what a line is of.
fn keys(kind: &dyn Loadable, said: Said<'_>) -> Vec<Uuid> {
    let of = kind.resource_type();
    kind.identifiers(said.body).iter().map(|key| by_identifier(of, key)).chain(said.id.map(|id| by_id(of, id))).collect()
}

/// The same of what a body names; `None` where that is no name.
fn key_of(of: ResourceType, value: &Value) -> Option<Uuid> {
    match value {
        Value::String(_) => id_of(value).map(|id| by_id(of, id)),
        Value::Object(_) => {
            let identifier = serde_json::from_value::<Identifier>(value.clone()).ok()?;
            Some(by_identifier(of, &kept(of, &identifier)))
        }
        _ => None,
    }
}

fn by_id(of: ResourceType, id: Uuid) -> Uuid {
    digest(&["id", of.as_str(), &id.to_string()])
}

fn by_identifier(of: ResourceType, identifier: &Identifier) -> Uuid {
    digest(&["identifier", of.as_str(), &identifier.system, &identifier.value])
}

/// Under what it is kept that something of a resource would change.
fn changed(of: ResourceType, id: Uuid) -> Uuid {
    digest(&["changed", of.as_str(), &id.to_string()])
}

fn digest(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, parts.join("\0").as_bytes())
}
