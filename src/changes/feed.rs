//! The journal as a feed: what a caller sees of it, piece by piece.
//!
//! An entry is judged when it is read, so that what a reader sees may change behind the place that it has reached: a consent is given or
//! withdrawn, a record is merged, a need is called sensitive. Nothing is written for that. Each of these is an entry of the journal
//! itself, and there the reader is told anew how everything of the patient stands that it now sees ([`restating`](super::restating)); a
//! consent that begins or ends by its own date is told as soon as its moment lies behind the reader ([`FeedPlace::told_until`]). Whoever
//! applies the entries in their order ends with what the lists of the API show.

use serde_json::value::{RawValue, to_raw_value};

use super::api::ChangeEntry;
use super::filter::{Filter, Resolved};
use super::model::{Action, Entry};
use super::place::{FeedPlace, Restating, Step, Told};
use super::sketch::{MOST_BYTES, Sketch, whole};
use super::view::{Reader, View};
use super::{repository, restating};
use crate::auth::{Principal, sight};
use crate::clock::Clock;
use crate::consents::api::Consent;
use crate::consents::repository::{self as consents, Passing};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::kind::{PatientId, ResourceType};
use crate::patients;

/// Rows of the journal read at once, at most: a reader who sees all of it needs no more than it asks for, so that is what is tried first.
const LARGEST_BATCH: usize = 500;
/// Rows read for one piece, of the journal and of consents that begin and end: a caller who sees little is given a short piece, and goes on
/// from its end.
const MOST_ROWS: usize = 4_000;
/// What reading a batch counts at least, though few rows or none are found.
const LEAST_WORK: usize = 400;

/// A piece of the feed.
#[derive(Debug)]
pub struct Piece {
    /// What the caller sees.
    pub items: Vec<Item>,
    /// Where to go on.
    pub next: FeedPlace,
    /// Whether more is there already.
    pub has_more: bool,
}

/// An entry, and the place after it.
#[derive(Debug)]
pub struct Item {
    /// What is told.
    pub entry: ChangeEntry,
    /// Where to go on after it.
    pub after: FeedPlace,
}

/// The next piece after a place, of at most `limit` entries: fewer where what was read for them is large.
///
/// What the caller sees is judged by the consents that hold now: a reader who has waited sees what was consented to meanwhile.
pub fn read(conn: &mut DbConn, caller: &Principal, clock: &Clock, filter: &Filter, place: FeedPlace, limit: usize) -> Result<Piece> {
    let filter = filter.resolve(conn)?;
    let mut size = limit.saturating_add(1).min(LARGEST_BATCH);
    let mut batch = repository::read(conn, place.position, &filter, rows(size))?;
    // Only now is it settled which consents these queries see. All of them were given before this moment. Another process may have told
    // of what has ended by a clock that is ahead of ours. What is to begin until then stays closed: a cursor may be of anybody's making.
    let now = clock.now();
    let now = match place.told_until {
        Some(told) if told.at > now && !consents::begin(conn, caller.organization_id, now, told.at)? => told.at,
        _ => now,
    };
    let caller = Principal { at: now, ..caller.clone() };
    let mut walk = Walk::new(&caller, &filter, place, limit);
    if !walk.restate(conn)? || !walk.tell_what_passed(conn)? {
        return Ok(walk.piece(true));
    }
    loop {
        walk.reader.look_ahead(&batch.entries);
        for sketch in batch.entries {
            if walk.is_full() {
                return Ok(walk.piece(true));
            }
            walk.take(conn, sketch)?;
            if !walk.restate(conn)? {
                return Ok(walk.piece(true));
            }
        }
        walk.place.position = walk.place.position.max(batch.reached);
        walk.looked_at += LEAST_WORK;
        if batch.is_last || walk.is_tired() {
            return Ok(walk.piece(!batch.is_last));
        }
        size = (size * 4).min(LARGEST_BATCH);
        batch = repository::read(conn, walk.place.position, &filter, rows(size))?;
    }
}

fn rows(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A reader on the way.
struct Walk<'a> {
    caller: &'a Principal,
    filter: &'a Resolved,
    reader: Reader<'a>,
    place: FeedPlace,
    items: Vec<Item>,
    limit: usize,
    looked_at: usize,
    /// Of the entries whose bodies were read.
    bytes: usize,
    /// Whether the caller's sight of patients is of any matter to what it asks for.
    follows_patients: bool,
}

impl<'a> Walk<'a> {
    fn new(caller: &'a Principal, filter: &'a Resolved, place: FeedPlace, limit: usize) -> Self {
        let reader = Reader::new(caller);
        let follows_patients = filter.is_about_patients() && reader.follows_patients();
        Self { caller, filter, reader, place, items: Vec::new(), limit, looked_at: 0, bytes: 0, follows_patients }
    }

    fn piece(self, has_more: bool) -> Piece {
        Piece { items: self.items, next: self.place, has_more }
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.bytes >= MOST_BYTES
    }

    fn is_tired(&self) -> bool {
        self.looked_at >= MOST_ROWS
    }

    /// Adds an entry, after which the place is what it is now.
    fn tell(&mut self, entry: ChangeEntry) {
        self.items.push(Item { entry, after: self.place });
    }

    /// Goes past an entry of the journal, with what follows from it still to be told.
    fn take(&mut self, conn: &mut DbConn, sketch: Sketch) -> Result<()> {
        self.looked_at += 1;
        self.place.position = sketch.position();
        if sketch.patient_id.is_none() && !self.caller.has(sight::guard(sketch.resource_type).0) {
            // Nothing of it is told, and nothing follows from what is about nobody.
            return Ok(());
        }
        let entry = whole(conn, sketch)?;
        self.bytes += entry.body.get().len();
        let view = self.reader.view(conn, &entry)?;
        let has_left = self.filter.has_left(conn, &entry)?;
        let is_told = view != View::Nothing && (has_left || self.filter.asks_for(&entry));
        let turn = if self.follows_patients { restating::turn(conn, &mut self.reader, self.caller, &entry, view)? } else { None };
        if let Some(turn) = turn {
            // An entry that ends with a record tells by itself that what is held of it is to be removed.
            let step = if turn.is_told_by_entry && is_told { Step::Patient } else { Step::Reset };
            let of = if step == Step::Reset && turn.is_told_by_entry { entry.patient_id.unwrap_or(turn.patient) } else { turn.patient };
            self.begin(conn, of, turn.patient, entry.at, step)?;
        }
        if is_told && has_left {
            self.tell(ChangeEntry::left(&entry));
        } else if is_told {
            let resource = self.reader.shown(conn, &entry, view)?;
            self.tell(ChangeEntry::showing(entry, resource));
        }
        Ok(())
    }

    /// Begins to tell anew how everything of a patient stands: after a word that what is held of a record is to be removed, if that is the
    /// first step, which is told of at once where the record is another one.
    fn begin(&mut self, conn: &mut DbConn, of: PatientId, patient: PatientId, at: Instant, step: Step) -> Result<()> {
        let records = restating::records(conn, patient)?;
        let until = if self.filter.has_patient(patient) { repository::last_about(conn, &records)? } else { 0 };
        let is_other = step == Step::Reset && of != patient;
        self.place.restating = Some(Restating { patient, at, step: if is_other { Step::Patient } else { step }, until });
        if is_other {
            self.tell(ChangeEntry::reset(of, at));
        }
        Ok(())
    }

    /// Tells how everything of the patient stands of whom that is being told; false where the piece is full before the end.
    fn restate(&mut self, conn: &mut DbConn) -> Result<bool> {
        while let Some(pending) = self.place.restating {
            if self.is_full() || self.is_tired() {
                return Ok(false);
            }
            let Restating { patient, at, until, .. } = pending;
            match pending.step {
                Step::Reset => {
                    self.place.restating = Some(Restating { step: Step::Patient, ..pending });
                    self.tell(ChangeEntry::reset(patient, at));
                }
                Step::Patient => {
                    let row = patients::repository::find(conn, patient)?;
                    let is_there = row.is_some_and(|row| row.merged_into_id.is_none()) && self.filter.has_patient(patient);
                    self.place.restating = is_there.then_some(Restating { step: Step::After(0), ..pending });
                    let own = if is_there { repository::last(conn, ResourceType::Patient, patient.cast())? } else { None };
                    if let Some(entry) = own
                        && entry.action != Action::Deleted
                        && self.filter.asks_for_record(ResourceType::Patient, entry.owner_id)
                    {
                        self.tell_standing(conn, patient, entry)?;
                    }
                }
                Step::After(last) => {
                    let records = restating::records(conn, patient)?;
                    let size = self.limit - self.items.len() + 1;
                    let entries = repository::standing(conn, &records, self.filter, (last, until), rows(size))?;
                    let is_end = entries.len() < size;
                    for sketch in entries {
                        if self.is_full() {
                            return Ok(false);
                        }
                        self.looked_at += 1;
                        self.place.restating = Some(Restating { step: Step::After(sketch.sequence), ..pending });
                        let entry = whole(conn, sketch)?;
                        self.tell_standing(conn, patient, entry)?;
                    }
                    if is_end {
                        self.place.restating = None;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Tells how a resource stands, if the caller sees it. What a merge has moved without a word is the survivor's.
    fn tell_standing(&mut self, conn: &mut DbConn, patient: PatientId, entry: Entry) -> Result<()> {
        self.bytes += entry.body.get().len();
        let view = self.reader.view(conn, &entry)?;
        if view == View::Nothing {
            return Ok(());
        }
        let mut resource = self.reader.shown(conn, &entry, view)?;
        if entry.patient_id != Some(patient) {
            resource = resource.map(|resource| restating::moved(&resource, patient)).transpose()?;
        }
        self.tell(ChangeEntry::showing(Entry { action: Action::Snapshot, patient_id: Some(patient), ..entry }, resource));
        Ok(())
    }

    /// Tells which consents have begun or ended by themselves since it was told last; false where the piece is full before the end, or has
    /// taken long enough.
    fn tell_what_passed(&mut self, conn: &mut DbConn) -> Result<bool> {
        let now = Told::all_until(self.caller.at);
        // Whoever begins holds nothing yet, and sees from the start what holds now.
        if let Some(mut told) = self.place.told_until.filter(|told| *told < now && self.follows_patients) {
            loop {
                let patients = self.filter.patients.as_deref();
                let passing = consents::passing(conn, patients, (told.at, told.id), self.caller.at, LARGEST_BATCH)?;
                let is_end = passing.len() < LARGEST_BATCH;
                for passing in passing {
                    if self.is_full() {
                        return Ok(false);
                    }
                    self.looked_at += 1;
                    told = Told { at: passing.at, id: passing.id };
                    self.place.told_until = Some(told);
                    if passing.concerns(self.caller.organization_id) {
                        self.pass(conn, passing)?;
                    }
                    if !self.restate(conn)? {
                        return Ok(false);
                    }
                }
                if is_end {
                    break;
                }
                if self.is_tired() {
                    return Ok(false);
                }
            }
        }
        self.place.told_until = Some(self.place.told_until.map_or(now, |told| told.max(now)));
        Ok(true)
    }

    fn pass(&mut self, conn: &mut DbConn, Passing { at, begins, id, patient_id, grantee_id, .. }: Passing) -> Result<()> {
        if grantee_id == self.caller.organization_id {
            self.begin(conn, patient_id, patient_id, at, Step::Reset)?;
        }
        let (scope, _) = sight::guard(ResourceType::Consent);
        if !self.caller.has(scope) {
            return Ok(());
        }
        let asked = |owner| self.filter.asks_for_record(ResourceType::Consent, Some(owner));
        let Some(row) = consents::find(conn, id)?.filter(|row| asked(row.organization_id)) else { return Ok(()) };
        let (version, owner) = (row.version, row.organization_id);
        let consent = Consent::from(row).at(self.caller.at).shown_to(self.caller.organization_id);
        self.tell(ChangeEntry {
            resource_type: ResourceType::Consent,
            resource_id: id.cast(),
            version,
            action: if begins { Action::Began } else { Action::Expired },
            owner_id: Some(owner),
            resource: Some(raw(&consent)?),
            ..ChangeEntry::reset(patient_id, at)
        });
        Ok(())
    }
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>> {
    to_raw_value(value).map_err(Error::internal)
}
