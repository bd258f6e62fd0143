//! Looking for people: by what is remembered of them, and for who a new patient may be already.

use std::collections::{BTreeSet, HashMap};

use super::api::{Patient, PatientHit, PatientHits, PatientSearch, PossibleDuplicate};
use super::duplicates::{LIKELY, Likeness, Traits};
use super::model::PatientRow;
use super::repository::{self, Seeking};
use super::{health_number, usability};
use crate::auth::{Principal, sight};
use crate::consents::repository::granting_owners;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::Result;
use crate::kind::{OrganizationId, PatientId, ResourceType};
use crate::types::Identifier;
use crate::{identifiers, phones};

/// A hit that scores less says nothing.
const LEAST: u8 = 40;
/// How many candidates of each kind are compared in a search, of those whom the caller sees.
const SEARCHED: i64 = 200;
/// The same when a patient is created, where time matters more than the last doubtful namesake.
const CHECKED: i64 = 20;

/// Who a patient may be already, the likeliest first, among those whom the caller sees.
///
/// The traits are those of a patient that is [normalised](super::model::PatientInput::normalise). Of the caller's own patients none has the
/// same identifier: the database refuses that.
pub fn possible_duplicates(conn: &mut DbConn, caller: &Principal, sought: &Traits) -> Result<Vec<PossibleDuplicate>> {
    let seeking = |owner| Seeking { caller, owner, most: CHECKED };
    let mut ids = repository::candidates(conn, seeking(caller.organization_id), sought)?;
    for owner in granting_owners(conn, caller.organization_id, caller.at)? {
        ids.append(&mut repository::candidates(conn, seeking(owner), sought)?);
        ids.append(&mut identified(conn, owner, sought)?);
    }
    let found = ranked(conn, caller, ids, LIKELY, |other| sought.likeness(other))?;
    Ok(found.into_iter().map(|(patient_id, Likeness { score, reasons })| PossibleDuplicate { patient_id, score, reasons }).collect())
}

/// The patients who fit best, among those whom the caller sees.
pub fn search(conn: &mut DbConn, caller: &Principal, search: &PatientSearch) -> Result<PatientHits> {
    let sought = Traits {
        identifiers: search.identifier.iter().map(normal_identifier).collect(),
        birth_date: search.birth_date,
        birth_year: search.birth_date.map(|date| chrono::Datelike::year(&date)).or(search.birth_year),
        phones: search.phone.iter().filter_map(|phone| phones::e164(phone, phones::country("CA"))).collect(),
        ..Traits::named(search.name.as_deref())
    };
    let mut owners = granting_owners(conn, caller.organization_id, caller.at)?;
    owners.push(caller.organization_id);
    let seeking = |owner| Seeking { caller, owner, most: SEARCHED };
    let mut ids = BTreeSet::new();
    for owner in &owners {
        ids.append(&mut repository::candidates(conn, seeking(*owner), &sought)?);
        ids.append(&mut identified(conn, *owner, &sought)?);
    }
    let answers = |other: &Traits| sought.answered_by(other);
    let mut found = ranked(conn, caller, ids, LEAST, answers)?;
    // Whether anybody was found is asked of what the caller sees: one who is hidden changes nothing.
    if found.is_empty() {
        let mut ids = BTreeSet::new();
        for owner in owners {
            ids.extend(repository::namesakes(conn, seeking(owner), &sought)?);
        }
        found = ranked(conn, caller, ids, LEAST, answers)?;
    }
    found.truncate(search.limit.unwrap_or(10).into());
    if found.is_empty() {
        return Ok(PatientHits { items: Vec::new() });
    }
    let ids: Vec<PatientId> = found.iter().map(|(id, _)| *id).collect();
    let mut rows: HashMap<PatientId, PatientRow> = repository::find_all(conn, &ids)?.into_iter().map(|row| (row.id, row)).collect();
    let seen = sight::of_all(conn, caller, rows.values().map(|row| (row.organization_id, row.id)))?;
    let hit = |(id, Likeness { score, reasons })| {
        let (row, categories) = rows.remove(&id).zip(seen.get(&id))?;
        Some(PatientHit { score, reasons, patient: Patient::whole(row).shown(*categories) })
    };
    let mut items: Vec<PatientHit> = found.into_iter().filter_map(hit).collect();
    items.iter_mut().try_for_each(|hit| usability::judge(conn, caller, &mut hit.patient.content))?;
    Ok(PatientHits { items })
}

fn normal_identifier(identifier: &Identifier) -> Identifier {
    let number = health_number::read(identifier).and_then(Result::ok);
    number.map_or_else(|| identifier.clone(), |read| Identifier { system: read.system.to_owned(), value: read.number })
}

/// The patients of an owner who have one of the identifiers.
fn identified(conn: &mut DbConn, owner: OrganizationId, sought: &Traits) -> Result<BTreeSet<PatientId>> {
    let mut ids = BTreeSet::new();
    for Identifier { system, value } in &sought.identifiers {
        ids.extend(identifiers::find(conn, owner, ResourceType::Patient, system, value)?.map(Id::from_uuid));
    }
    Ok(ids)
}

/// The candidates with at least this score, the best first. They are compared by what the caller sees of them, so that a hit tells
/// nothing that is withheld.
fn ranked(
    conn: &mut DbConn,
    caller: &Principal,
    ids: BTreeSet<PatientId>,
    least: u8,
    compare: impl Fn(&Traits) -> Likeness,
) -> Result<Vec<(PatientId, Likeness)>> {
    let ids: Vec<PatientId> = ids.into_iter().collect();
    let mut found = Vec::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let candidates = repository::distinguishing(conn, &ids)?;
    let seen = sight::of_all(conn, caller, candidates.iter().map(|(id, owner, _)| (*owner, *id)))?;
    for (id, _, candidate) in candidates {
        let Some(categories) = seen.get(&id) else { continue };
        let likeness = compare(&candidate.shown(*categories).into());
        if likeness.score >= least {
            found.push((id, likeness));
        }
    }
    found.sort_by_key(|(_, likeness)| std::cmp::Reverse(likeness.score));
    Ok(found)
}
