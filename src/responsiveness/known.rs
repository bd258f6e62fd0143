//! The figures of services in memory, for lists and for matching.
//!
//! They are as old as the last look of this process at what was counted, a minute or two: what is counted once a day need not be newer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::Duration;

use super::api::Responsiveness;
use super::repository::{self, FiguresRow, Subject};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::ServiceId;

/// What is counted by a process whose clock is behind, or whose write takes long, bears an earlier moment than what was read before it.
const OVERLAP: Duration = Duration::minutes(10);

/// The figures of services that say anything. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<RwLock<Held>>);

#[derive(Debug, Default)]
struct Held {
    figures: HashMap<ServiceId, Responsiveness>,
    /// The moment of the latest that was read; `None` before all were.
    latest: Option<Instant>,
}

impl Known {
    /// Those of a service; `None` where they say nothing.
    pub fn of(&self, id: ServiceId) -> Option<Responsiveness> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).figures.get(&id).copied()
    }

    /// Reads what was counted since the last time, the first time everything.
    pub fn refresh(&self, conn: &mut DbConn) -> Result<()> {
        let latest = self.0.read().unwrap_or_else(PoisonError::into_inner).latest;
        let rows = match latest {
            Some(latest) => repository::counted_since(conn, latest.plus(-OVERLAP))?,
            None => repository::of_services(conn)?,
        };
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            held.take(&row);
        }
        Ok(())
    }
}

impl Held {
    fn take(&mut self, row: &FiguresRow) {
        let (Subject::Service(id), Some(counted_at)) = (row.subject(), row.counted_at) else { return };
        if row.figures.says_anything() {
            self.figures.insert(id, Responsiveness::of(&row.figures, row.counted_at));
        } else {
            self.figures.remove(&id);
        }
        self.latest = self.latest.max(Some(counted_at));
    }
}
