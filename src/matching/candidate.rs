//! What is matched: a service with what is known of its room and of earlier referrals to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::kind::ServiceId;
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
    /// How earlier referrals to it went.
    pub track_record: Option<TrackRecord>,
}

/// How earlier referrals to a service went.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct TrackRecord {
    /// Referrals that were decided: accepted or rejected.
    #[schema(minimum = 0, example = 12)]
    pub decided: i32,
    /// Of these, accepted.
    #[schema(minimum = 0, example = 11)]
    pub accepted: i32,
    /// Of these, completed.
    #[schema(minimum = 0, example = 9)]
    pub completed: i32,
    /// Days from request to decision: the median.
    #[schema(minimum = 0, example = 2.5)]
    pub median_reply_days: Option<f64>,
}
