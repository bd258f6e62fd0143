//! Where records are read: on a thread on which that holds up nobody.

use actix_web::web;

use super::Outcome;
use super::importer::Importer;
use super::load::{BATCH, Batch, Load, MOST_BYTES};
use super::read::Raw;
use super::report::Line;
use crate::db::Db;
use crate::error::{Error, Result};

/// What reads records, and what is known of their source.
#[derive(Debug)]
pub struct Desk {
    /// Reads them, by a mapping without groups: those come at the end of a file.
    pub importer: Importer,
    /// Knows what is to be written.
    pub load: Load,
}

/// What came of some records.
#[derive(Debug)]
pub struct Taken<R> {
    /// The desk, for the next.
    pub desk: Desk,
    /// The records that are left, of the first of which the rest may still be to be read; `None` where there are none.
    pub left: Option<R>,
    /// What is told without writing.
    pub lines: Vec<Line>,
    /// What is to be written.
    pub batches: Vec<Batch>,
}

impl Desk {
    /// Has the importer read as many of these records as are written together. What is left is to be taken next, once that is written: all
    /// that is made of them at once may be more than fits into memory.
    pub async fn take<R: Iterator<Item = Raw> + Send + 'static>(mut self, db: &Db, mut raws: R) -> Result<Taken<R>> {
        let done = web::block(move || {
            let (outcomes, is_over) = piece(&mut self.importer, &mut raws, BATCH, MOST_BYTES);
            (self, outcomes, (!is_over).then_some(raws))
        });
        let (mut desk, outcomes, left) = done.await.map_err(Error::internal)?;
        let (mut lines, mut batches) = (Vec::new(), Vec::new());
        if outcomes.is_empty() {
            return Ok(Taken { desk, left, lines, batches });
        }
        let looked_up = db.read(move |conn| {
            desk.load.look_up(conn, &outcomes)?;
            Ok((desk, outcomes))
        });
        let (mut desk, outcomes) = looked_up.await?;
        for outcome in outcomes {
            batches.extend(desk.load.take(outcome, &mut |line| lines.push(line)));
        }
        Ok(Taken { desk, left, lines, batches })
    }
}

/// What came of records, no more than so many outcomes and not much more than so many bytes, and whether that is all.
fn piece(importer: &mut Importer, raws: &mut impl Iterator<Item = Raw>, most: usize, most_bytes: usize) -> (Vec<Outcome>, bool) {
    let (mut outcomes, mut bytes) = (Vec::new(), 0);
    while outcomes.len() < most && bytes < most_bytes {
        let Some(outcome) = importer.next_outcome(raws) else { return (outcomes, true) };
        bytes += outcome.bytes();
        outcomes.push(outcome);
    }
    (outcomes, false)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::import::mapping::Mapping;

    /// How many outcomes are in memory together, and how many records had been begun by then.
    fn pieces(records: Vec<Value>, most: usize, most_bytes: usize) -> Vec<(usize, usize)> {
        let all = records.len();
        let mut importer = Importer::new(Mapping::hsds("partner"));
        let mut raws = records.into_iter().map(|record| Raw::new(1, Ok(record)));
        let mut found = Vec::new();
        loop {
            let (outcomes, is_over) = piece(&mut importer, &mut raws, most, most_bytes);
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Parsed(_))), "{outcomes:?}");
            found.push((outcomes.len(), all - raws.len()));
            if is_over {
                return found;
            }
        }
    }

    fn organization(id: &str, services: usize, words: &str) -> Value {
        let service = |number: usize| json!({ "id": format!("{id}{number}"), "name": "S" });
        json!({ "id": id, "name": "O", "description": words, "services": (0..services).map(service).collect::<Vec<_>>() })
    }

    #[test]
    fn of_a_record_with_very_many_services_no_more_are_made_at_once_than_are_written_together() {
        let records = vec![organization("a", 12, ""), organization("b", 2, "")];
        assert_eq!(pieces(records, 5, usize::MAX), [(5, 1), (5, 1), (4, 2)]);
    }

    #[test]
    fn of_large_services_fewer_are_made_at_once() {
        let large = "x".repeat(100_000);
        let found = pieces(vec![organization("a", 3, &large), organization("b", 3, &large)], 500, 150_000);
        assert_eq!(found, [(2, 1), (2, 2), (2, 2), (0, 2)]);
    }
}
