//! The queries of patients.

use std::collections::BTreeSet;

use diesel::dsl::exists;
use diesel::prelude::*;
use serde::Deserialize;

use super::api::PatientQuery;
use super::duplicates::{Distinguishing, Traits};
use super::filed::{filing, latest};
use super::keys;
use super::model::{PatientHead, PatientRow, Standing};
use crate::auth::{Principal, sight};
use crate::consents::model::DataCategory;
use crate::db::schema::patients::dsl;
use crate::db::schema::{consents, patient_keys};
use crate::db::types::Json;
use crate::db::{DbConn, among, among_numbers, boxed};
use crate::each;
use crate::error::Result;
use crate::http::kept::Edition;
use crate::kind::{OrganizationId, PatientId};
use crate::types::Identifier;

/// The patient with this id, tombstones and merged ones included.
pub fn find(conn: &mut DbConn, id: PatientId) -> Result<Option<PatientRow>> {
    Ok(each!(conn, |conn| dsl::patients.find(id).first(conn)).optional()?)
}

/// How the record of a patient stands, a tombstone and a merged one included.
pub fn standing(conn: &mut DbConn, id: PatientId) -> Result<Option<Standing>> {
    let columns = (dsl::organization_id, dsl::merged_into_id, dsl::deleted_at, dsl::version);
    Ok(each!(conn, |conn| dsl::patients.find(id).select(columns).first(conn)).optional()?)
}

/// The organization that manages a patient; [`Error::NotFound`](crate::error::Error::NotFound) where there is none with this id.
pub fn manager(conn: &mut DbConn, id: PatientId) -> Result<OrganizationId> {
    Ok(each!(conn, |conn| dsl::patients.find(id).select(dsl::organization_id).first(conn))?)
}

/// The patients with these ids, tombstones and merged ones included, in order of id.
pub fn find_all(conn: &mut DbConn, ids: &[PatientId]) -> Result<Vec<PatientRow>> {
    Ok(each!(conn, |conn| dsl::patients.filter(among(dsl::id, ids)).order(dsl::id).load(conn))?)
}

/// What these patients can be told apart by, and who manages them, in order of id. Of the content no more is read than that.
pub fn distinguishing(conn: &mut DbConn, ids: &[PatientId]) -> Result<Vec<(PatientId, OrganizationId, Distinguishing)>> {
    let rows = dsl::patients.filter(among(dsl::id, ids)).order(dsl::id).select((dsl::id, dsl::organization_id, dsl::content));
    let rows: Vec<(PatientId, OrganizationId, Json<Distinguishing>)> = each!(conn, |conn| rows.load(conn))?;
    Ok(rows.into_iter().map(|(id, owner, content)| (id, owner, content.0)).collect())
}

/// How a patient stands whom an organization manages; `None` of anybody else's, and of those who were deleted or merged.
pub fn edition_of_own(conn: &mut DbConn, owner: OrganizationId, id: PatientId) -> Result<Option<Edition>> {
    let own = dsl::patients.find(id).filter(dsl::organization_id.eq(owner));
    let living = own.filter(dsl::deleted_at.is_null()).filter(dsl::merged_into_id.is_null());
    Ok(each!(conn, |conn| living.select((dsl::version, dsl::updated_at)).first(conn)).optional()?)
}

/// What a query asks for, whoever sees it, in the dialect of the connection.
macro_rules! filtered {
    ($conn:expr, $query:expr, $after:expr) => {{
        let living = dsl::patients.filter(dsl::deleted_at.is_null()).filter(dsl::merged_into_id.is_null());
        let living = living.select((dsl::id, dsl::organization_id, (dsl::version, dsl::updated_at)));
        let mut rows = boxed($conn, living.order(dsl::id).limit($query.limit.and_one()));
        if let Some(status) = $query.status {
            rows = rows.filter(dsl::status.eq(status));
        }
        if let Some(level) = $query.need_level {
            rows = rows.filter(dsl::need_level.eq(level));
        }
        if let Some(navigator) = $query.primary_navigator_id {
            rows = rows.filter(dsl::primary_navigator_id.eq(navigator));
        }
        if let Some(moment) = $query.updated_since {
            rows = rows.filter(dsl::updated_at.ge(moment));
        }
        if let Some(after) = $after {
            rows = rows.filter(dsl::id.gt(after));
        }
        rows
    }};
}

/// One page of those whom the caller sees, in order of id, and one row more.
///
/// The caller's own and those of others, a piece at a time, are asked for apart: together, an `OR` would read every patient before the
/// first.
pub fn list(conn: &mut DbConn, caller: &Principal, query: &PatientQuery, after: Option<PatientId>) -> Result<Vec<PatientHead>> {
    macro_rules! rows {
        ($seen:expr) => {
            each!(conn, |conn| filtered!(conn, query, after).filter($seen).load::<PatientHead>(conn))?
        };
    }
    let own = caller.organization_id;
    let mut rows = Vec::new();
    if query.organization_id.is_none_or(|owner| owner == own) {
        rows = rows!(dsl::organization_id.eq(own));
    }
    if query.organization_id != Some(own) {
        // Who filters by need level learns it of everybody on the list.
        let category = if query.need_level.is_some() { DataCategory::Needs } else { DataCategory::Summary };
        let (mut found, mut last) = (Vec::new(), after);
        while found.len() <= query.limit.get() {
            let ids = sight::next_granted(conn, caller, category, last, query.limit.and_one())?;
            let Some(end) = ids.last() else { break };
            last = Some(*end);
            let granted = among(dsl::id, &ids).and(dsl::organization_id.ne(own));
            found.extend(match query.organization_id {
                Some(owner) => rows!(granted.and(dsl::organization_id.eq(owner))),
                None => rows!(granted),
            });
        }
        rows.append(&mut found);
    }
    rows.sort_by_key(|row| row.id);
    rows.truncate(query.limit.get() + 1);
    Ok(rows)
}

/// Adds the row and what it is found by.
pub fn insert(conn: &mut DbConn, row: &PatientRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(dsl::patients).values(row).execute(conn))?;
    add_keys(conn, row.id, keys_of(row))
}

/// Adds rows and what they are found by, with few statements.
pub fn insert_all(conn: &mut DbConn, rows: &[&PatientRow]) -> Result<()> {
    for rows in rows.chunks(1_000) {
        each!(conn, |conn| diesel::insert_into(dsl::patients).values(rows.to_vec()).execute(conn))?;
    }
    let keys: Vec<KeyRow> = rows.iter().flat_map(|row| keys_of(row).into_iter().map(|key| KeyRow { key, patient_id: row.id })).collect();
    for keys in keys.chunks(1_000) {
        each!(conn, |conn| diesel::insert_into(patient_keys::table).values(keys).execute(conn))?;
    }
    Ok(())
}

/// Writes the row over the version before it, and what it is found by; false where that version is no longer there.
pub fn update(conn: &mut DbConn, before: &PatientRow, row: &PatientRow) -> Result<bool> {
    let target = dsl::patients.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(before.version));
    let rest = (
        dsl::status.eq(row.status),
        dsl::need_level.eq(row.need_level),
        dsl::content.eq(&row.content),
        dsl::version.eq(row.version),
        dsl::updated_at.eq(row.updated_at),
        dsl::deleted_at.eq(row.deleted_at),
    );
    let is_as_named = (before.primary_navigator_id, before.merged_into_id) == (row.primary_navigator_id, row.merged_into_id);
    // A column that is named is one whose indexes are written anew, whether it changes or not; with the one by which the table refers to
    // itself SQLite writes them all.
    let changed = if is_as_named {
        each!(conn, |conn| diesel::update(target).set(rest).execute(conn))?
    } else {
        let named = (dsl::primary_navigator_id.eq(row.primary_navigator_id), dsl::merged_into_id.eq(row.merged_into_id));
        each!(conn, |conn| diesel::update(target).set((rest, named)).execute(conn))?
    };
    if changed == 0 {
        return Ok(false);
    }
    let (old, new) = (keys_of(before), keys_of(row));
    let gone: Vec<i64> = old.difference(&new).copied().collect();
    if !gone.is_empty() {
        let rows = patient_keys::table.filter(among_numbers(patient_keys::key, gone)).filter(patient_keys::patient_id.eq(row.id));
        each!(conn, |conn| diesel::delete(rows).execute(conn))?;
    }
    add_keys(conn, row.id, new.difference(&old).copied().collect())?;
    Ok(true)
}

/// Nobody is to find one who was deleted or merged.
fn keys_of(row: &PatientRow) -> BTreeSet<i64> {
    if row.deleted_at.is_some() || row.merged_into_id.is_some() {
        return BTreeSet::new();
    }
    keys::filed(row.organization_id, &Traits::from(&row.content.0))
}

#[derive(Insertable)]
#[diesel(table_name = patient_keys, treat_none_as_default_value = false)]
struct KeyRow {
    key: i64,
    patient_id: PatientId,
}

fn add_keys(conn: &mut DbConn, patient_id: PatientId, keys: BTreeSet<i64>) -> Result<()> {
    if !keys.is_empty() {
        let filing = filing(keys.into_iter().collect(), patient_id);
        each!(conn, |conn| filing.execute(conn))?;
    }
    Ok(())
}

/// Whom somebody may find among the patients of an owner.
#[derive(Debug, Clone, Copy)]
pub struct Seeking<'a> {
    /// Who seeks.
    pub caller: &'a Principal,
    /// Whose patients.
    pub owner: OrganizationId,
    /// How many are looked at for each trait.
    pub most: i64,
}

/// The patients who may be the one sought, by a pair of names, a telephone, or the date of birth and a word of the name: for each of these
/// traits the latest ones of those whom the caller sees.
pub fn candidates(conn: &mut DbConn, seeking: Seeking<'_>, sought: &Traits) -> Result<BTreeSet<PatientId>> {
    let owner = seeking.owner;
    let births = keys::of_birth(owner, sought);
    let mut asked = births.clone();
    asked.append(&mut keys::of_names(owner, sought));
    asked.append(&mut keys::of_phones(owner, sought));
    let (mut born, mut found) = (BTreeSet::new(), BTreeSet::new());
    for (key, id) in filed_under(conn, seeking, asked)? {
        let those = if births.contains(&key) { &mut born } else { &mut found };
        those.insert(id);
    }
    let words: Vec<i64> = keys::of_words(owner, sought).into_iter().collect();
    if born.is_empty() || words.is_empty() {
        found.append(&mut born);
    } else {
        let born: Vec<PatientId> = born.into_iter().collect();
        let named = patient_keys::table.filter(among_numbers(patient_keys::key, words)).filter(among(patient_keys::patient_id, &born));
        found.extend(each!(conn, |conn| named.select(patient_keys::patient_id).load::<PatientId>(conn))?);
    }
    Ok(found)
}

/// The latest under each of these keys whom the caller sees, each with its key. Of others' patients sight is asked row by row, in that
/// order, for one key after the other: those who are hidden take nobody's place.
fn filed_under(conn: &mut DbConn, seeking: Seeking<'_>, keys: BTreeSet<i64>) -> Result<Vec<(i64, PatientId)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    if seeking.owner == seeking.caller.organization_id {
        let latest = latest(keys.into_iter().collect(), seeking.most);
        return Ok(each!(conn, |conn| latest.load(conn))?);
    }
    let mut found = Vec::new();
    for key in keys {
        let filed = patient_keys::table.filter(patient_keys::key.eq(key)).select((patient_keys::key, patient_keys::patient_id));
        let filed = filed.order(patient_keys::patient_id.desc()).limit(seeking.most);
        let let_in = sight::taking_part(seeking.caller).filter(consents::patient_id.eq(patient_keys::patient_id));
        found.extend(each!(conn, |conn| filed.filter(exists(let_in)).load::<(i64, PatientId)>(conn))?);
    }
    Ok(found)
}

/// The latest patients who share a word of the name with the one sought, of those whom the caller sees.
pub fn namesakes(conn: &mut DbConn, seeking: Seeking<'_>, sought: &Traits) -> Result<Vec<PatientId>> {
    let filed = filed_under(conn, seeking, keys::of_words(seeking.owner, sought))?;
    let found: BTreeSet<PatientId> = filed.into_iter().map(|(_, id)| id).collect();
    Ok(found.into_iter().rev().take(usize::try_from(seeking.most).unwrap_or_default()).collect())
}

/// Waits until nobody else counts on what a patient has, as on the needs that are open or the places that are held, and keeps others
/// waiting until the transaction ends. On SQLite whoever writes is alone.
pub fn lock(conn: &mut DbConn, id: PatientId) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        dsl::patients.find(id).select(dsl::id).for_no_key_update().execute(conn)?;
    }
    Ok(())
}

/// Waits until what is being recorded about these patients of an organization is there, and has everybody wait who would record more,
/// until the transaction ends. Always in one order, so that no two wait for each other. On SQLite whoever writes is alone.
pub fn close(conn: &mut DbConn, owner: OrganizationId, ids: &[PatientId]) -> Result<()> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    if let DbConn::Pg(conn) = conn {
        for id in ids {
            let own = dsl::patients.find(id).filter(dsl::organization_id.eq(owner));
            own.select(dsl::id).for_update().execute(conn)?;
        }
    }
    Ok(())
}

/// The records that were merged into a patient: as many as [`merge`](super::merge) lets one stand for.
pub fn absorbed(conn: &mut DbConn, id: PatientId) -> Result<Vec<PatientId>> {
    Ok(dsl::patients.filter(dsl::merged_into_id.eq(id)).select(dsl::id).order(dsl::id).load(conn)?)
}

/// The keys of the records that were merged into a patient, as they last had them.
pub fn absorbed_keys(conn: &mut DbConn, id: PatientId) -> Result<Vec<Identifier>> {
    let absorbed = dsl::patients.filter(dsl::merged_into_id.eq(id)).order(dsl::id).select(dsl::content);
    let absorbed: Vec<Json<Keyed>> = each!(conn, |conn| absorbed.load(conn))?;
    let mut keys: Vec<Identifier> = Vec::new();
    // One that was merged into another of them is told twice.
    for key in absorbed.into_iter().flat_map(|content| content.0.identifiers) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// No more of the content than the keys.
#[derive(Debug, Deserialize)]
struct Keyed {
    identifiers: Vec<Identifier>,
}
