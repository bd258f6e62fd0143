//! Where records are read: on a thread on which that holds up nobody.

use actix_web::web;

use super::Outcome;
use super::importer::Importer;
use super::load::{Batch, Load};
use super::report::Line;
use crate::db::Db;
use crate::error::{Error, Result};

/// What reads records, and what is known of their source.
#[derive(Debug)]
pub struct Desk {
    /// Reads them.
    pub importer: Importer,
    /// Knows what is to be written.
    pub load: Load,
}

/// What came of some records.
#[derive(Debug)]
pub struct Taken<T> {
    /// The desk, for the next.
    pub desk: Desk,
    /// What is told without writing.
    pub lines: Vec<Line>,
    /// What is to be written.
    pub batches: Vec<Batch>,
    /// What the reading gave besides.
    pub given: T,
}

impl Desk {
    /// Has the importer read something.
    pub async fn take<T: Send + 'static>(
        mut self,
        db: &Db,
        read: impl FnOnce(&mut Importer, &mut dyn FnMut(Outcome)) -> T + Send + 'static,
    ) -> Result<Taken<T>> {
        let done = web::block(move || {
            let mut outcomes = Vec::new();
            let given = read(&mut self.importer, &mut |outcome| outcomes.push(outcome));
            (self, outcomes, given)
        });
        let (mut desk, outcomes, given) = done.await.map_err(Error::internal)?;
        let looked_up = db.read(move |conn| {
            desk.load.look_up(conn, &outcomes)?;
            Ok((desk, outcomes))
        });
        let (mut desk, outcomes) = looked_up.await?;
        let (mut lines, mut batches) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            batches.extend(desk.load.take(outcome, &mut |line| lines.push(line)));
        }
        Ok(Taken { desk, lines, batches, given })
    }
}
