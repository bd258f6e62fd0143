//! Matching: a person and a directory in, ranked and explained services out.
//!
//! Two stages. The **gate** leaves out what is certainly not for this person: closed, the wrong age, too far, unsafe, refused. The
//! **rank** scores what remains by criteria whose weights are data ([`Weights`], published with every answer). Every result says
//! why, in codes and in a sentence, with each criterion's contribution, what is not known of it, and what to check. Nothing
//! suitable is an answer: it names a human to turn to, and the need is recorded as unmet.
//!
//! Directory data mostly is unknown. Unknown is never no: it counts a neutral value, is named as unknown, and closes no gate.
//!
//! The engine is pure: no HTTP, no SQL, no clock. [`suggest`] is the way in.

mod candidate;
mod criteria;
mod duplicates;
mod eligibility;
mod engine;
mod explain;
mod facts;
mod finding;
mod gate;
pub mod person;
mod place;
mod remark;
pub mod report;
mod subject;
mod weights;
mod words;

#[cfg(test)]
mod tests;

pub use candidate::{Candidate, TrackRecord};
pub use eligibility::{EligibilityChecklist, EligibilityItem, EligibilityResult, check_eligibility};
pub use engine::{Helpline, MATCHING_VERSION, Setting, suggest};
pub use person::Person;
pub use report::{MatchOutcome, Suggestion, Suggestions, UnmetReason};
pub use weights::{Criterion, Weights};
