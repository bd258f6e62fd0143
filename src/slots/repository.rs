//! The queries of slots.

use std::collections::{HashMap, HashSet};

use diesel::dsl::{exists, insert_into, select};
use diesel::prelude::*;

use super::api::SlotQuery;
use super::model::SlotRow;
use crate::appointments;
use crate::db::schema::{practitioners, services, slots};
use crate::db::types::Instant;
use crate::db::{DbConn, MultiBackend};
use crate::each;
use crate::error::Result;
use crate::identifiers::{self, IdentifierToken};
use crate::kind::{self, PractitionerId, ServiceId, SlotId};

/// Whose slots: a service's or a practitioner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Diary {
    /// A service's, whoever is met.
    Service(ServiceId),
    /// A practitioner's, for whatever service.
    Practitioner(PractitionerId),
}

type Rows = slots::BoxedQuery<'static, MultiBackend>;

/// The slot with this id, tombstones included.
pub fn find(conn: &mut DbConn, id: SlotId) -> Result<Option<SlotRow>> {
    Ok(slots::table.find(id).first(conn).optional()?)
}

/// Whether the slot is there and has begun.
pub fn has_begun(conn: &mut DbConn, id: SlotId, now: Instant) -> Result<bool> {
    Ok(select(exists(slots::table.find(id).filter(slots::starts_at.le(now)))).get_result(conn)?)
}

/// The living slots of a diary that begin between two moments.
fn of(diary: Diary, from: Option<Instant>, until: Option<Instant>) -> Rows {
    let mut rows = slots::table.filter(slots::deleted_at.is_null()).into_boxed();
    if let Some(from) = from {
        rows = rows.filter(slots::starts_at.ge(from));
    }
    rows = match diary {
        Diary::Service(id) => rows.filter(slots::service_id.eq(id)),
        Diary::Practitioner(id) => rows.filter(slots::practitioner_id.eq(id)),
    };
    match until {
        Some(until) => rows.filter(slots::starts_at.lt(until)),
        None => rows,
    }
}

/// One page of a diary, in order of time, and one row more: of what begins from now on, unless the query says otherwise or names one.
pub fn list(conn: &mut DbConn, diary: Diary, query: &SlotQuery, now: Instant, after: Option<(Instant, SlotId)>) -> Result<Vec<SlotRow>> {
    let from = query.from.or(query.identifier.is_none().then_some(now));
    let from = from.max(after.map(|(starts_at, _)| starts_at));
    let mut rows = of(diary, from, query.until).order((slots::starts_at, slots::id)).limit(query.limit.and_one());
    if let Some(IdentifierToken(key)) = &query.identifier {
        rows = rows.filter(slots::id.eq_any(identifiers::known_as::<kind::Slot>(conn, key, None)?));
    }
    if let Some((starts_at, id)) = after {
        rows = rows.filter(slots::starts_at.gt(starts_at).or(slots::id.gt(id)));
    }
    Ok(rows.load(conn)?)
}

/// The moments between two at which a diary has living slots that are with this practitioner, or with none.
pub fn beginnings(
    conn: &mut DbConn,
    diary: Diary,
    practitioner: Option<PractitionerId>,
    (from, until): (Instant, Instant),
) -> Result<HashSet<Instant>> {
    let rows = of(diary, Some(from), Some(until)).select((slots::starts_at, slots::practitioner_id));
    let rows: Vec<(Instant, Option<PractitionerId>)> = rows.load(conn)?;
    Ok(rows.into_iter().filter(|(_, with)| *with == practitioner).map(|(starts_at, _)| starts_at).collect())
}

/// Adds rows, at most 1,000.
pub fn insert(conn: &mut DbConn, rows: &[SlotRow]) -> Result<()> {
    each!(conn, |conn| insert_into(slots::table).values(rows).execute(conn))?;
    Ok(())
}

/// Writes the row over the version before it; false where that is no longer there.
pub fn update(conn: &mut DbConn, row: &SlotRow) -> Result<bool> {
    let before = slots::table.filter(slots::id.eq(row.id)).filter(slots::version.eq(row.version - 1));
    let changed = diesel::update(before)
        .set((
            slots::starts_at.eq(row.starts_at),
            slots::ends_at.eq(row.ends_at),
            slots::places.eq(row.places),
            slots::is_closed.eq(row.is_closed),
            slots::content.eq(&row.content),
            slots::version.eq(row.version),
            slots::updated_at.eq(row.updated_at),
            slots::deleted_at.eq(row.deleted_at),
        ))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Waits until nobody else takes or gives back a place in these slots, and keeps others waiting until the transaction ends: what is
/// counted afterwards is how it stands. Always in one order, so that no two wait for each other. On SQLite whoever writes is alone.
pub fn lock(conn: &mut DbConn, ids: &[SlotId]) -> Result<()> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    if let DbConn::Pg(conn) = conn {
        for id in ids {
            slots::table.find(id).select(slots::id).for_no_key_update().execute(conn)?;
        }
    }
    Ok(())
}

/// Waits until nobody else publishes into the diary, and keeps others waiting until the transaction ends.
pub fn lock_diary(conn: &mut DbConn, diary: Diary) -> Result<()> {
    if let DbConn::Pg(conn) = conn {
        match diary {
            Diary::Service(id) => services::table.find(id).select(services::id).for_no_key_update().execute(conn)?,
            Diary::Practitioner(id) => practitioners::table.find(id).select(practitioners::id).for_no_key_update().execute(conn)?,
        };
    }
    Ok(())
}

/// How many places of each of these slots are taken at this moment; slots of which none is are left out.
pub fn taken(conn: &mut DbConn, ids: &[SlotId], now: Instant) -> Result<HashMap<SlotId, i64>> {
    appointments::repository::taken(conn, ids, now)
}
