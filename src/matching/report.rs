//! What matching answers: suggestions with their reasons, what was left out and why, and what remains unmet.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::explain;
use super::weights::Criterion;
pub use super::words::Sentence;
use crate::kind::ServiceId;
use crate::text_enum;
use crate::types::find_domain;

text_enum! {
    /// How a match ended.
    pub enum MatchOutcome {
        /// Every need, or the wish, has a suitable service.
        Suggested = "suggested",
        /// Some needs have one, some have none.
        SomeUnanswered = "some_unanswered",
        /// No service is suitable now. Ones that are full or otherwise out of reach may still be listed.
        NothingSuitable = "nothing_suitable",
    }
}

text_enum! {
    /// Why a need stays unmet.
    pub enum UnmetReason {
        /// No service in the directory answers it.
        NoService = "no_service",
        /// Those that would are full or take nobody.
        AllFull = "all_full",
        /// They are too far away.
        TooFar = "too_far",
        /// They do not take people from here.
        OutOfArea = "out_of_area",
        /// They do not speak the person's language.
        WrongLanguage = "wrong_language",
        /// They are for others: age, gender or population.
        NotEligible = "not_eligible",
        /// They ask for coverage that the person lacks.
        NoCoverage = "no_coverage",
        /// They cost too much.
        Cost = "cost",
        /// They are open when the person is not free.
        Hours = "hours",
        /// They are given in a way that the person cannot or does not wish to use.
        Mode = "mode",
        /// They cannot be reached without a car.
        Transport = "transport",
        /// They are not accessible for the person.
        Accessibility = "accessibility",
        /// They do not suit culture or diet.
        Culture = "culture",
        /// The person or the provider has refused, or the person is there already, or has been referred there.
        Refused = "refused",
        /// They would not be safe.
        Unsafe = "unsafe",
        /// They do not run at present.
        Closed = "closed",
        /// Another reason.
        Other = "other",
    }
}

/// A code with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Remark {
    /// The stable code.
    #[schema(example = "waitlist")]
    pub code: String,
    /// What it means here.
    pub sentence: Sentence,
}

/// One criterion's part in a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// The criterion.
    pub criterion: Criterion,
    /// Its share of the whole, 0 to 1; the shares of all criteria add up to 1.
    #[schema(example = 0.25)]
    pub weight: f64,
    /// How well the service fits by it, 0 to 1; the profile's neutral value where that is not known.
    #[schema(example = 0.8)]
    pub value: f64,
    /// Weight times value; all contributions add up to the score.
    #[schema(example = 0.2)]
    pub contribution: f64,
    /// Whether anything is known by this criterion.
    #[schema(example = true)]
    pub is_known: bool,
    /// What was found, as a stable code.
    #[schema(example = "need_direct")]
    pub code: String,
    /// What was found.
    pub sentence: Sentence,
}

/// Why a service is suggested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The findings that speak for it most, the strongest first.
    #[schema(example = json!(["need_direct", "distance", "cost_free"]))]
    pub codes: Vec<String>,
    /// The same as one plain sentence.
    pub sentence: Sentence,
}

/// A service that is suggested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestion {
    /// The service.
    pub service_id: ServiceId,
    /// Its name.
    #[schema(example = "Alder Falls Food Bank")]
    pub name: String,
    /// How well it fits, 0 to 1: the sum of its contributions.
    #[schema(example = 0.7421)]
    pub score: f64,
    /// The wanted needs that it answers.
    #[schema(example = json!(["food-insecurity"]))]
    pub answers: Vec<String>,
    /// Metres to its nearest place, as the crow flies.
    #[schema(example = 1240)]
    pub distance_m: Option<i64>,
    /// Why it is suggested.
    pub why: Why,
    /// Each criterion's part in the score.
    pub contributions: Vec<Contribution>,
    /// The criteria by which nothing is known of it.
    #[schema(example = json!(["hours"]))]
    pub unknown: Vec<Criterion>,
    /// What to ask or check before relying on it.
    pub to_check: Vec<Remark>,
    /// What to look out for.
    pub warnings: Vec<Remark>,
    /// Other records of the same service, shown once.
    pub same_as: Vec<ServiceId>,
}

/// A service that would answer, and was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Excluded {
    /// The service.
    pub service_id: ServiceId,
    /// Its name.
    #[schema(example = "Alder Falls Youth Pantry")]
    pub name: String,
    /// Every reason.
    pub reasons: Vec<Remark>,
}

/// How many services were left out for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExcludedCount {
    /// The reason's code; each service counts under the first of its reasons.
    #[schema(example = "out_of_area")]
    pub code: String,
    /// How many.
    #[schema(example = 14)]
    pub count: u32,
}

/// A need for which no suitable service was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unanswered {
    /// Its domain; `null` where no need but a wish in words was asked for.
    #[schema(example = "food-insecurity")]
    pub domain: Option<String>,
    /// Why, the commonest reason first.
    #[schema(example = json!(["too_far", "all_full"]))]
    pub reasons: Vec<UnmetReason>,
    /// Whether an open referral of the person asks a service that would answer it. It is not recorded as an unmet need then.
    #[serde(default)]
    #[schema(example = false)]
    pub is_referred: bool,
}

/// Somebody to speak to where no service is suitable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HumanRoute {
    /// The link worker program, where one takes the person.
    pub service_id: Option<ServiceId>,
    /// Its name, or that of the help line.
    #[schema(example = "Alder Valley Community Connectors")]
    pub name: String,
    /// The number to call.
    #[schema(example = "250-555-0190")]
    pub phone: Option<String>,
    /// What to do.
    pub sentence: Sentence,
}

/// The answer to "what is there for this person".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Suggestions {
    /// The version of the rules.
    #[schema(example = "1.0")]
    pub rules_version: String,
    /// The profile of weights, with its revision.
    #[schema(example = "standard/3")]
    pub profile: String,
    /// How it ended.
    pub outcome: MatchOutcome,
    /// The same as a sentence.
    pub summary: Sentence,
    /// Services of the directory that were looked at.
    #[schema(example = 412)]
    pub considered: u32,
    /// The best, the best first.
    pub results: Vec<Suggestion>,
    /// How many that would answer were left out, by reason.
    pub excluded_counts: Vec<ExcludedCount>,
    /// Those that were left out, where asked for; at most 200.
    pub excluded: Vec<Excluded>,
    /// The needs without a suitable service.
    pub unanswered: Vec<Unanswered>,
    /// Whom to turn to where something is unanswered.
    pub human_route: Option<HumanRoute>,
    /// What must be seen to before any referral.
    pub alerts: Vec<Remark>,
}

impl Suggestions {
    /// What may be kept of the answer to a description of somebody without a record: which services and why in codes. Distances, prices
    /// and sentences would say where the person is and what they have.
    #[must_use]
    pub fn without_traces(&self) -> Self {
        let result = |one: &Suggestion| Suggestion {
            service_id: one.service_id,
            name: one.name.clone(),
            score: one.score,
            answers: one.answers.clone(),
            distance_m: None,
            why: Why { codes: one.why.codes.clone(), sentence: Sentence::new(one.name.clone(), one.name.clone()) },
            contributions: Vec::new(),
            unknown: one.unknown.clone(),
            to_check: Vec::new(),
            warnings: Vec::new(),
            same_as: one.same_as.clone(),
        };
        Self { results: self.results.iter().map(result).collect(), excluded: Vec::new(), ..self.clone() }
    }

    /// The same without words of whoever asked; see [`Person::in_known_codes`](super::Person::in_known_codes).
    #[must_use]
    pub fn in_known_codes(mut self) -> Self {
        let is_known = |need: &Unanswered| need.domain.as_deref().is_none_or(|domain| find_domain(domain).is_some());
        self.unanswered.retain(is_known);
        self.summary = explain::summary(self.outcome, &self.results, &self.unanswered, self.human_route.as_ref());
        self
    }
}
