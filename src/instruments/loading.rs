//! Instruments that come by other ways than the API: with Kith itself, and from a file at the command line.

use serde_json::Value;
use uuid::Uuid;

use super::api::Instrument;
use super::definition::InstrumentInput;
use super::model::InstrumentRow;
use super::{check, reference, repository, shipped};
use crate::changes::{self, Action, Actor, Change};
use crate::clock::Clock;
use crate::db::types::Json;
use crate::db::{Db, DbConn};
use crate::error::{Error, Result};
use crate::http::schema;
use crate::kind::InstrumentId;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It is new.
    Created(InstrumentId),
    /// It was there already, the same.
    Unchanged(InstrumentId),
}

/// Puts the shipped instruments into the table where they are missing.
pub async fn seed(db: &Db, clock: &Clock) -> Result<()> {
    let known = db.read(repository::editions).await?;
    let is_known =
        |instrument: &InstrumentInput| known.iter().any(|(code, edition)| (code, edition) == (&instrument.code, &instrument.edition));
    let missing: Vec<_> = shipped::instruments().iter().filter(|instrument| !is_known(instrument)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let actor = Actor::operator(clock.now());
    let seeded = db.write(move |conn| missing.iter().try_for_each(|instrument| insert(conn, &actor, (*instrument).clone()).map(|_| ())));
    match seeded.await {
        // Another process that starts at the same moment was first.
        Err(Error::Duplicate { .. }) => Ok(()),
        other => other,
    }
}

/// Loads an instrument from a document, in our form or in camelCase.
///
/// An edition that is there already and differs is a conflict: screenings may stand on it. Give the new one another edition.
pub fn load(conn: &mut DbConn, actor: &Actor, document: Value) -> Result<Loaded> {
    let instrument = read(document)?;
    match repository::find_edition(conn, &instrument.code, &instrument.edition)? {
        None => Ok(Loaded::Created(insert(conn, actor, instrument)?)),
        Some(row) if row.content.0 == instrument => Ok(Loaded::Unchanged(row.id)),
        Some(_) => Err(Error::conflict("edition_exists", "This edition of the instrument is loaded with another content.")),
    }
}

/// The instrument in a document, checked; every fault is told with its pointer into our form.
pub fn read(document: Value) -> Result<InstrumentInput> {
    let document = if reference::is_reference_form(&document) { reference::convert(&document) } else { document };
    let instrument: InstrumentInput = schema::check(document)?;
    let faults = check::faults(&instrument);
    if faults.is_empty() { Ok(instrument) } else { Err(Error::Invalid(faults)) }
}

fn insert(conn: &mut DbConn, actor: &Actor, instrument: InstrumentInput) -> Result<InstrumentId> {
    // The same instrument has the same id on every server.
    let name = format!("instrument:{}:{}", instrument.code, instrument.edition);
    let row = InstrumentRow {
        id: InstrumentId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())),
        organization_id: None,
        code: instrument.code.clone(),
        edition: instrument.edition.clone(),
        content: Json(instrument),
        version: 1,
        created_at: actor.at,
        updated_at: actor.at,
        deleted_at: None,
    };
    repository::insert(conn, &row)?;
    let id = row.id;
    changes::record(conn, actor, Change::of(id, 1, Action::Created, &Instrument::from(row)))?;
    Ok(id)
}
