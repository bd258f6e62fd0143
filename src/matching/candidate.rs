//! What is matched: a service with what is known of its room and of earlier referrals to it.

use crate::kind::ServiceId;
use crate::responsiveness::Responsiveness;
use crate::services::model::{Capacity, ServiceInput};

/// A service that may be suggested.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: ServiceId,
    /// Its record.
    pub service: &'a ServiceInput,
    /// Its room, as its provider last said.
    pub capacity: Option<&'a Capacity>,
    /// How well its texts fit the person's own words, 0 to 1, as the directory's text index has it; `None` where it was not asked.
    pub text_fit: Option<f64>,
    /// How earlier referrals to it went; `None` where there are too few, and for who may not refer.
    pub track_record: Option<Responsiveness>,
}
