//! How far a reader of the feed has come: what a cursor holds.

use serde::{Deserialize, Serialize};

use super::model::Position;
use crate::db::types::{Id, Instant};
use crate::kind::{ConsentId, PatientId};

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FeedPlace {
    /// The last entry of the journal that was read.
    #[serde(flatten)]
    pub position: Position,
    /// Up to where it was told which consents began or ended by themselves; absent before the first reading.
    #[serde(default, rename = "told", skip_serializing_if = "Option::is_none")]
    pub told_until: Option<Told>,
    /// A patient of whom it is being told how everything stands.
    #[serde(default, rename = "again", skip_serializing_if = "Option::is_none")]
    pub restating: Option<Restating>,
}

/// A place among the moments at which consents begin and end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    /// The moment.
    pub at: Instant,
    /// The consent, of those of this moment.
    pub id: ConsentId,
}

impl Told {
    /// After all moments up to this one.
    pub const fn all_until(at: Instant) -> Self {
        Self { at, id: Id::from_uuid(uuid::Uuid::max()) }
    }
}

/// How far a patient has been restated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restating {
    /// The patient.
    #[serde(rename = "of")]
    pub patient: PatientId,
    /// When what is seen of the patient changed.
    pub at: Instant,
    /// What comes next.
    pub step: Step,
    /// The last entry of the journal that is looked at: what comes later is told in its own place.
    pub until: i64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// That all that is held of the patient is to be removed.
    Reset,
    /// The patient.
    Patient,
    /// All else whose last change is behind this entry of the journal.
    After(i64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::page;

    #[test]
    fn a_cursor_of_a_bare_position_is_still_a_place() {
        let position = Position { transaction_id: 7, sequence: 12 };
        let cursor = page::encode_cursor(&position, 9).unwrap();
        assert_eq!(page::decode_cursor::<FeedPlace>(&cursor, 9).unwrap(), FeedPlace { position, ..FeedPlace::default() });
    }

    #[test]
    fn the_longest_cursor_is_one_that_the_parameter_takes() {
        let at: Instant = "2026-03-01T17:00:00.123456Z".parse().unwrap();
        let restating = Restating { patient: PatientId::generate(), at, step: Step::After(i64::MAX), until: i64::MAX };
        let position = Position { transaction_id: i64::MAX, sequence: i64::MAX };
        let place = FeedPlace { position, told_until: Some(Told::all_until(at)), restating: Some(restating) };
        let cursor = page::encode_cursor(&place, u64::MAX).unwrap();
        assert!(cursor.len() <= 1000, "{}", cursor.len());
        assert_eq!(page::decode_cursor::<FeedPlace>(&cursor, u64::MAX).unwrap(), place);
    }
}
