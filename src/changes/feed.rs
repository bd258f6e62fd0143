//! Which entries of the journal a caller sees, decided when they are read.
//!
//! The directory is everybody's. What is about a patient is seen by the organization that manages the patient and by those who hold a
//! grant, what belongs to a referral by its two sides as well. Of what is only partly open to a caller the feed says that it changed.

use std::collections::HashMap;

use serde_json::Value;

use super::api::ChangeEntry;
use super::model::{Entry, Position};
use super::repository;
use crate::auth::{Principal, sight};
use crate::consents::model::Categories;
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::{PatientId, ReferralId, ResourceType};
use crate::{patients, referrals};

/// Rows of the journal read at once.
const BATCH: i64 = 500;
/// Batches read for one piece: a caller who sees little is given a short piece, and goes on from its end.
const MOST_BATCHES: usize = 8;

/// A piece of the feed.
#[derive(Debug)]
pub struct Piece {
    /// What the caller sees.
    pub items: Vec<ChangeEntry>,
    /// Where to go on.
    pub next: Position,
    /// Whether more is there already.
    pub has_more: bool,
}

/// The next piece after a place, of at most `limit` entries.
pub fn read(conn: &mut DbConn, caller: &Principal, after: Position, types: &[ResourceType], limit: usize) -> Result<Piece> {
    let (mut items, mut next) = (Vec::new(), after);
    let mut seen = Seen::default();
    for _ in 0..MOST_BATCHES {
        let batch = repository::after(conn, next, types, BATCH)?;
        let is_last = i64::try_from(batch.len()).unwrap_or(BATCH) < BATCH;
        for entry in batch {
            if items.len() == limit {
                return Ok(Piece { items, next, has_more: true });
            }
            next = entry.position();
            match seen.of(conn, caller, &entry)? {
                View::Nothing => {}
                View::Change => items.push(ChangeEntry::new(entry, false)),
                View::Whole => items.push(ChangeEntry::new(entry, true)),
            }
        }
        if is_last {
            return Ok(Piece { items, next, has_more: false });
        }
    }
    Ok(Piece { items, next, has_more: true })
}

/// How much of an entry somebody sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Nothing,
    Change,
    Whole,
}

/// What was found out about patients while reading one piece.
#[derive(Default)]
struct Seen {
    patients: HashMap<PatientId, Option<Categories>>,
    referrals: HashMap<ReferralId, bool>,
}

impl Seen {
    fn of(&mut self, conn: &mut DbConn, caller: &Principal, entry: &Entry) -> Result<View> {
        let (scope, category) = sight::guard(entry.resource_type);
        if !caller.scopes.contains(scope) {
            return Ok(View::Nothing);
        }
        let is_own = entry.owner_id == Some(caller.organization_id);
        let (Some(category), Some(patient)) = (category, entry.patient_id) else {
            // Without a patient: the directory is everybody's, the rest (an anonymous match, a client) its owner's.
            let is_public = category.is_none() && entry.resource_type != ResourceType::Client;
            let is_shown_whole = is_own || entry.resource_type != ResourceType::Practitioner;
            return Ok(match (is_public || is_own, is_shown_whole) {
                (false, _) => View::Nothing,
                (true, false) => View::Change,
                (true, true) => View::Whole,
            });
        };
        let body = || serde_json::from_str::<Value>(entry.body.get()).map_err(Error::internal);
        let belongs_to_referral = matches!(entry.resource_type, ResourceType::Referral | ResourceType::ReferralTransition);
        if belongs_to_referral && sight::is_others_draft(caller, entry.resource_type, &body()?) {
            return Ok(View::Nothing);
        }
        match self.patient(conn, caller, patient)? {
            Some(categories) if categories == Categories::ALL => Ok(View::Whole),
            _ if is_own && entry.resource_type != ResourceType::Patient => Ok(View::Whole),
            _ if self.is_party(conn, caller, entry)? => Ok(View::Whole),
            Some(categories) if categories.contains(category) && sight::is_told(caller, categories, entry.resource_type, &body()?) => {
                Ok(View::Change)
            }
            _ => Ok(View::Nothing),
        }
    }

    /// Whether the entry belongs to a referral that the caller sent or received.
    fn is_party(&mut self, conn: &mut DbConn, caller: &Principal, entry: &Entry) -> Result<bool> {
        let Some(id) = entry.referral_id else { return Ok(false) };
        if let Some(known) = self.referrals.get(&id) {
            return Ok(*known);
        }
        let is_party = referrals::repository::is_party(conn, caller.organization_id, id)?;
        self.referrals.insert(id, is_party);
        Ok(is_party)
    }

    fn patient(&mut self, conn: &mut DbConn, caller: &Principal, id: PatientId) -> Result<Option<Categories>> {
        if let Some(known) = self.patients.get(&id) {
            return Ok(*known);
        }
        let found = match patients::repository::find(conn, id)? {
            Some(row) => sight::of(conn, caller, row.organization_id, row.merged_into_id.unwrap_or(id))?,
            None => None,
        };
        self.patients.insert(id, found);
        Ok(found)
    }
}
