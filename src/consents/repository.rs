//! The queries of consents.

use std::collections::HashMap;

use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::api::ConsentQuery;
use super::model::{Categories, ConsentPurpose, ConsentRow};
use crate::db::lists::read_list;
use crate::db::schema::consents::{self, dsl};
use crate::db::schema::patients;
use crate::db::types::{Instant, sql_types};
use crate::db::{DbConn, MultiBackend, among};
use crate::error::Result;
use crate::http::page::Joined;
use crate::kind::{ConsentId, OrganizationId, PatientId};
use crate::{asked, each};

pub use self::queries::{active, granted, holding, standing};

#[expect(missing_docs, reason = "auto_type makes type aliases without documentation")]
mod queries {
    use diesel::prelude::*;

    use crate::db::schema::consents::dsl;
    use crate::db::types::Instant;
    use crate::kind::OrganizationId;

    /// The consents given to an organization that nobody has withdrawn, those that have run out or are to begin among them.
    #[diesel::dsl::auto_type]
    pub fn standing(grantee: OrganizationId) -> _ {
        dsl::consents.filter(dsl::grantee_id.eq(grantee)).filter(dsl::deleted_at.is_null()).filter(dsl::withdrawn_at.is_null())
    }

    /// The consents for a purpose that hold at a moment, whoever they are given to. `purpose` is a pattern: see `ConsentPurpose::pattern`.
    #[diesel::dsl::auto_type]
    pub fn holding(purpose: String, now: Instant) -> _ {
        dsl::consents
            .filter(dsl::deleted_at.is_null())
            .filter(dsl::withdrawn_at.is_null())
            .filter(dsl::valid_from.le(now))
            .filter(dsl::valid_until.is_null().or(dsl::valid_until.gt(now)))
            .filter(dsl::purposes.like(purpose))
    }

    /// Those of them that are given to an organization.
    #[diesel::dsl::auto_type]
    pub fn active(grantee: OrganizationId, purpose: String, now: Instant) -> _ {
        let holding: holding = holding(purpose, now);
        holding.filter(dsl::grantee_id.eq(grantee))
    }

    /// The patients of such consents that cover a category; `category` is a pattern too.
    #[diesel::dsl::auto_type]
    pub fn granted(grantee: OrganizationId, purpose: String, category: String, now: Instant) -> _ {
        let consents: active = active(grantee, purpose, now);
        consents.filter(dsl::categories.like(category)).select(dsl::patient_id)
    }
}

/// What the consents of a patient let an organization see for a purpose; `None` where there is none.
pub fn covered(
    conn: &mut DbConn,
    patient: PatientId,
    grantee: OrganizationId,
    purpose: ConsentPurpose,
    now: Instant,
) -> Result<Option<Categories>> {
    let given = active(grantee, purpose.pattern(), now).filter(dsl::patient_id.eq(patient)).select(dsl::categories);
    let lists: Vec<String> = each!(conn, |conn| given.load(conn))?;
    Ok(united(&lists))
}

/// The same; of a patient who was deleted nothing.
pub fn covered_of_living(
    conn: &mut DbConn,
    patient: PatientId,
    grantee: OrganizationId,
    purpose: ConsentPurpose,
    now: Instant,
) -> Result<Option<Categories>> {
    let alive = patients::table.filter(patients::id.eq(dsl::patient_id)).filter(patients::deleted_at.is_null());
    let given = active(grantee, purpose.pattern(), now).filter(dsl::patient_id.eq(patient));
    let given = given.filter(exists(alive)).select(dsl::categories);
    let lists: Vec<String> = each!(conn, |conn| given.load(conn))?;
    Ok(united(&lists))
}

/// All that lists of categories cover; `None` where there is no list.
fn united(lists: &[String]) -> Option<Categories> {
    lists.iter().map(|list| read_list(list).collect::<Categories>()).reduce(Categories::union)
}

/// The same of many patients; of those who let it see nothing, nothing is given.
pub fn covered_among(
    conn: &mut DbConn,
    patients: &[PatientId],
    grantee: OrganizationId,
    purpose: ConsentPurpose,
    now: Instant,
) -> Result<HashMap<PatientId, Categories>> {
    let mut covered: HashMap<PatientId, Categories> = HashMap::new();
    for patients in patients.chunks(500) {
        let given = active(grantee, purpose.pattern(), now).filter(among(dsl::patient_id, patients));
        let given = given.select((dsl::patient_id, dsl::categories));
        let given: Vec<(PatientId, String)> = each!(conn, |conn| given.load(conn))?;
        for (patient, list) in given {
            let categories = read_list(&list).collect();
            covered.entry(patient).and_modify(|known| *known = known.union(categories)).or_insert(categories);
        }
    }
    Ok(covered)
}

/// The owners of the patients who let an organization take part in their care, in order of id.
///
/// They are few and the consents many: each is looked for behind the one before, which reads no consent twice.
pub fn granting_owners(conn: &mut DbConn, grantee: OrganizationId, now: Instant) -> Result<Vec<OrganizationId>> {
    let (mut owners, mut last) = (Vec::new(), OrganizationId::from_uuid(uuid::Uuid::nil()));
    loop {
        let grants = active(grantee, ConsentPurpose::CareCoordination.pattern(), now).filter(dsl::organization_id.gt(last));
        let next = grants.select(dsl::organization_id).order(dsl::organization_id);
        let next = each!(conn, |conn| next.first(conn)).optional()?;
        let Some(owner) = next else { return Ok(owners) };
        owners.push(owner);
        last = owner;
    }
}

/// The consent with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: ConsentId) -> Result<Option<ConsentRow>> {
    Ok(each!(conn, |conn| dsl::consents.find(id).first(conn)).optional()?)
}

/// Every consent of a patient, those that no longer hold among them, in order of id.
pub fn of_patient(conn: &mut DbConn, patient: PatientId) -> Result<Vec<ConsentRow>> {
    let alive = dsl::consents.filter(dsl::patient_id.eq(patient)).filter(dsl::deleted_at.is_null());
    Ok(alive.order(dsl::id).load(conn)?)
}

/// One page, in order of id, of the consents that an organization may read, and one row more.
///
/// Those of its patients, those given to it and those that it wrote down are asked for apart, each along an index of its own. One patient
/// has few, and each of these is looked at.
pub fn list(
    conn: &mut DbConn,
    reader: OrganizationId,
    query: &ConsentQuery,
    now: Instant,
    after: Option<ConsentId>,
) -> Result<Vec<ConsentRow>> {
    let rows = || filtered(query, now, after);
    let mut page = Joined::new(query.limit, |row: &ConsentRow| row.id);
    page.add(asked!(rows(), query.patient_id.is_some(), dsl::organization_id, reader).load(conn)?);
    page.add(given_to(reader, rows(), query).load(conn)?);
    page.add(asked!(rows(), query.patient_id.is_some(), dsl::recorder_id, reader).load(conn)?);
    Ok(page.into_rows())
}

/// Those that were given to an organization. What one was for that was withdrawn is not shown to it, and tells nothing by being found.
fn given_to(reader: OrganizationId, rows: Rows, query: &ConsentQuery) -> Rows {
    let rows = asked!(rows, query.patient_id.is_some(), dsl::grantee_id, reader);
    if query.purpose.is_some() { rows.filter(dsl::withdrawn_at.is_null()) } else { rows }
}

type Rows = consents::BoxedQuery<'static, MultiBackend>;

/// What a query asks for, whoever reads it.
fn filtered(query: &ConsentQuery, now: Instant, after: Option<ConsentId>) -> Rows {
    let mut rows = dsl::consents.filter(dsl::deleted_at.is_null()).order(dsl::id).limit(query.limit.and_one()).into_boxed();
    if let Some(patient) = query.patient_id {
        rows = rows.filter(dsl::patient_id.eq(patient));
    }
    if let Some(grantee) = query.grantee_id {
        rows = asked!(rows, query.patient_id.is_some(), dsl::grantee_id, grantee);
    }
    if let Some(purpose) = query.purpose {
        rows = rows.filter(dsl::purposes.like(purpose.pattern()));
    }
    match query.is_active {
        Some(true) => {
            let holds = dsl::valid_from.le(now).and(dsl::valid_until.is_null().or(dsl::valid_until.gt(now)));
            rows = rows.filter(dsl::withdrawn_at.is_null()).filter(holds);
        }
        Some(false) => rows = rows.filter(dsl::withdrawn_at.is_not_null().or(dsl::valid_from.gt(now)).or(dsl::valid_until.le(now))),
        None => {}
    }
    if let Some(since) = query.updated_since {
        rows = rows.filter(dsl::updated_at.ge(since));
    }
    if let Some(after) = after {
        rows = rows.filter(dsl::id.gt(after));
    }
    rows
}

/// Whether there is or was a consent of a patient to an organization, whatever became of it.
pub fn was_given(conn: &mut DbConn, patient: PatientId, grantee: OrganizationId) -> Result<bool> {
    let given = dsl::consents.filter(dsl::patient_id.eq(patient)).filter(not(dsl::grantee_id.ne(grantee)));
    Ok(given.select(dsl::id).first::<ConsentId>(conn).optional()?.is_some())
}

/// Whether a consent of a patient to an organization has ended since a moment because it was withdrawn, or deleted as one that was never
/// given.
pub fn was_taken_back(conn: &mut DbConn, patient: PatientId, grantee: OrganizationId, since: Instant) -> Result<bool> {
    let given = dsl::consents.filter(dsl::patient_id.eq(patient)).filter(not(dsl::grantee_id.ne(grantee)));
    let ended = given.filter(dsl::withdrawn_at.gt(since).or(dsl::deleted_at.gt(since)));
    Ok(ended.select(dsl::id).first::<ConsentId>(conn).optional()?.is_some())
}

/// Whether an organization has been let in to be sent referrals of a patient since before a moment, by another consent than this one that
/// holds now.
pub fn was_let_in(
    conn: &mut DbConn,
    patient: PatientId,
    grantee: OrganizationId,
    (besides, before): (ConsentId, Instant),
    now: Instant,
) -> Result<bool> {
    let others = active(grantee, ConsentPurpose::Referral.pattern(), now).filter(dsl::patient_id.eq(patient)).filter(dsl::id.ne(besides));
    let earlier = others.filter(dsl::created_at.lt(before)).filter(dsl::valid_from.le(before));
    Ok(earlier.select(dsl::id).first::<ConsentId>(conn).optional()?.is_some())
}

/// Whether a consent to an organization may begin by itself after one moment and until another. So many may that it is not looked for
/// among all of them.
pub fn begin(conn: &mut DbConn, grantee: OrganizationId, after: Instant, until: Instant) -> Result<bool> {
    const MOST: usize = 500;
    // Along the index of those that begin by themselves: asked for by whom they are given to, all of a large organization's are read.
    let beginning = dsl::consents.filter(dsl::valid_from.gt(dsl::created_at)).filter(dsl::valid_from.gt(after));
    let beginning = beginning.filter(dsl::valid_from.le(until)).order(dsl::valid_from).limit(MOST as i64);
    let grantees: Vec<OrganizationId> = beginning.select(dsl::grantee_id).load(conn)?;
    Ok(grantees.len() == MOST || grantees.contains(&grantee))
}

/// A moment at which a consent begins or ceases to hold by itself.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// The moment.
    pub at: Instant,
    /// Whether it begins.
    pub begins: bool,
    /// The consent.
    pub id: ConsentId,
    /// Whose it is.
    pub patient_id: PatientId,
    /// Whom it is given to.
    pub grantee_id: OrganizationId,
    /// Who else may read it: who manages the patient, and who wrote it down.
    keepers: [OrganizationId; 2],
}

impl Passing {
    /// Whether an organization may read the consent.
    pub fn concerns(&self, organization: OrganizationId) -> bool {
        self.grantee_id == organization || self.keepers.contains(&organization)
    }
}

/// The next of such moments, after a place in their order and up to a moment, whoever may read the consents.
///
/// Whom they concern is for the caller to ask: there are indexes of the moments, and along those of an organization all of its consents
/// would be read to find the few that begin or end.
pub fn passing(
    conn: &mut DbConn,
    patients: Option<&[PatientId]>,
    (from, last): (Instant, ConsentId),
    until: Instant,
    limit: usize,
) -> Result<Vec<Passing>> {
    type Found = (Instant, (ConsentId, PatientId, OrganizationId, OrganizationId, OrganizationId));
    let parties = (dsl::id, dsl::patient_id, dsl::grantee_id, dsl::organization_id, dsl::recorder_id);
    let rows = || {
        let alive = dsl::consents.filter(dsl::deleted_at.is_null()).filter(dsl::withdrawn_at.is_null());
        let rows = alive.limit(i64::try_from(limit).unwrap_or(i64::MAX)).into_boxed();
        match patients {
            Some(patients) => rows.filter(dsl::patient_id.eq_any(patients.to_vec())),
            None => rows,
        }
    };
    let is_behind = |moment: &str| {
        let place = sql::<Bool>(&format!("({moment}, consents.id) > (")).bind::<sql_types::Instant, _>(from);
        place.sql(", ").bind::<sql_types::Id, _>(last).sql(")")
    };
    let ending = rows().filter(is_behind("valid_until")).filter(dsl::valid_until.le(until)).order((dsl::valid_until, dsl::id));
    let ending: Vec<Found> = ending.select((dsl::valid_until.assume_not_null(), parties)).load(conn)?;
    let beginning = rows().filter(is_behind("valid_from")).filter(dsl::valid_from.le(until)).filter(dsl::valid_from.gt(dsl::created_at));
    let beginning: Vec<Found> = beginning.order((dsl::valid_from, dsl::id)).select((dsl::valid_from, parties)).load(conn)?;
    let told = |begins| {
        move |(at, (id, patient_id, grantee_id, manager, recorder)): Found| Passing {
            at,
            begins,
            id,
            patient_id,
            grantee_id,
            keepers: [manager, recorder],
        }
    };
    let mut passing: Vec<Passing> = beginning.into_iter().map(told(true)).chain(ending.into_iter().map(told(false))).collect();
    passing.sort_by_key(|passing| (passing.at, passing.id));
    passing.truncate(limit);
    Ok(passing)
}

/// Adds the row.
pub fn insert(conn: &mut DbConn, row: &ConsentRow) -> Result<()> {
    each!(conn, |conn| diesel::insert_into(dsl::consents).values(row).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &ConsentRow) -> Result<bool> {
    let before = dsl::consents.filter(dsl::id.eq(row.id)).filter(dsl::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            dsl::purposes.eq(&row.purposes),
            dsl::categories.eq(&row.categories),
            dsl::valid_from.eq(row.valid_from),
            dsl::valid_until.eq(row.valid_until),
            dsl::withdrawn_at.eq(row.withdrawn_at),
            dsl::withdrawal_reason.eq(&row.withdrawal_reason),
            dsl::content.eq(&row.content),
            dsl::version.eq(row.version),
            dsl::updated_at.eq(row.updated_at),
            dsl::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}
