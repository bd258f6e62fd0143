//! Matching: a person and a directory in, ranked and explained services out.
//!
//! Two stages. The **gate** leaves out what is certainly not for this person: closed, the wrong age, too far, unsafe, refused. The
//! **rank** scores what remains by criteria whose weights are data ([`Weights`], published with every answer). Every result says
//! why, in codes and in a sentence, with each criterion's contribution, what is not known of it, and what to check. Nothing
//! suitable is an answer: it names a human to turn to, and the need is recorded as unmet.
//!
//! Directory data mostly is unknown. Unknown is never no: it counts a neutral value, is named as unknown, and closes no gate.
//!
//! The engine is pure: no HTTP, no SQL, no clock; [`rank`] is the way in. Around it, `model`, `api`, `repository` and `handlers` keep
//! what was suggested to whom, and the needs that stay unmet.

pub mod api;
mod candidate;
mod counts;
mod criteria;
mod duplicates;
mod eligibility;
mod engine;
mod explain;
mod facts;
pub mod finder;
mod finding;
mod gate;
pub mod handlers;
pub mod memory;
pub mod model;
pub mod patient;
pub mod person;
mod place;
mod remark;
pub mod report;
pub mod repository;
mod subject;
pub mod unmet;
mod weights;
mod words;

#[cfg(test)]
mod tests;

use crate::http::routes::Routes;

pub use candidate::Candidate;
pub use eligibility::{EligibilityChecklist, EligibilityItem, EligibilityResult, check_eligibility, unmet_rules};
pub use engine::{Helpline, MATCHING_VERSION, Setting, rank};
pub use finder::{Ask, suggest};
pub use person::Person;
pub use report::{MatchOutcome, Suggestion, Suggestions, UnmetReason};
pub use weights::{Criterion, Weights};

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::create_match)
        .service(handlers::get_match)
        .service(handlers::list_patient_matches)
        .service(handlers::check_eligibility)
        .service(handlers::get_matching_profile)
        .service(unmet::list_unmet_needs)
        .service(unmet::create_unmet_need)
        .service(unmet::count_unmet_needs)
        .service(unmet::get_unmet_need)
        .service(unmet::update_unmet_need)
        .service(unmet::patch_unmet_need)
        .service(unmet::delete_unmet_need)
        .service(unmet::list_unmet_need_history);
}
