//! Whether a person may use one service, rule by rule: the checklist before a referral.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::candidate::Candidate;
use super::engine::Setting;
use super::gate::{self, Gate, Verdict};
use super::person::Person;
use super::remark::{Check, Exclusion};
use super::report::{Remark, Sentence};
use super::subject::Subject;
use super::weights::Weights;
use super::{explain, patient};
use crate::db::types::Instant;
use crate::kind::ServiceId;
use crate::patients::model::PatientInput;
use crate::services::model::{ReferralRoute, ServiceInput};
use crate::text_enum;

text_enum! {
    /// Whether a rule is met.
    pub enum EligibilityResult {
        /// It is.
        Met = "met",
        /// It is not.
        NotMet = "not_met",
        /// Not known: of the person, or the rule stands in words only.
        Unknown = "unknown",
    }
}

/// One rule of a service, and whether the person meets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EligibilityItem {
    /// The rule's stable code.
    #[schema(example = "age")]
    pub code: String,
    /// Whether it is met.
    pub result: EligibilityResult,
    /// The rule.
    pub sentence: Sentence,
}

/// Every rule of a service, and whether the person meets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EligibilityChecklist {
    /// The service.
    pub service_id: ServiceId,
    /// Not met where any rule is not, else unknown where any rule is, else met.
    pub result: EligibilityResult,
    /// The rules; none: the service names none.
    pub items: Vec<EligibilityItem>,
}

/// Holds the person against the rules of one service.
pub fn check_eligibility<'a>(person: &'a Person, candidate: &Candidate<'a>, setting: &Setting<'a>) -> EligibilityChecklist {
    hold(&Subject::new(person, setting.weights, setting.at), candidate)
}

/// The rules of a service that a patient does not meet, as far as may be told: `patient` holds no more of them than that.
pub fn unmet_rules(patient: &PatientInput, id: ServiceId, service: &ServiceInput, at: Instant) -> Vec<EligibilityItem> {
    let person = patient::person(patient, &patient::Needs::default(), at.utc().date_naive());
    let candidate = Candidate { id, service, capacity: None, text_fit: None, track_record: None };
    let mut items = hold(&Subject::new(&person, Weights::standard(), at), &candidate).items;
    items.retain(|item| item.result == EligibilityResult::NotMet);
    items
}

fn hold<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> EligibilityChecklist {
    let (service, rule) = (candidate.service, &candidate.service.eligibility);
    let area = Remark {
        code: "area".into(),
        sentence: Sentence::new("It takes people from some areas only.", "Ce service accueille les gens de certains secteurs seulement."),
    };
    let comparable: [(bool, Gate, Remark); 5] = [
        (rule.min_age.is_some() || rule.max_age.is_some(), gate::age, Exclusion::Age(rule.min_age, rule.max_age).remark()),
        (!rule.genders.is_empty(), gate::gender, Exclusion::Gender(&rule.genders).remark()),
        (!rule.populations.is_empty(), gate::population, Exclusion::Population(&rule.populations).remark()),
        (!rule.coverage_required.is_empty(), gate::coverage, Exclusion::Coverage(&rule.coverage_required).remark()),
        (!service.service_areas.is_empty(), gate::area, area),
    ];
    let compared = comparable.into_iter().filter(|(is_ruled, ..)| *is_ruled).map(|(_, gate, remark)| {
        let result = match gate(subject, candidate) {
            Verdict::Open => EligibilityResult::Met,
            Verdict::Unclear(_) => EligibilityResult::Unknown,
            Verdict::Closed(_) => EligibilityResult::NotMet,
        };
        item(remark, result)
    });
    let in_words = [
        (rule.income_tested == Some(true)).then_some(Check::IncomeTested),
        (rule.referral_route == Some(ReferralRoute::Professional)).then_some(Check::ProfessionalReferral),
        explain::eligibility_in_words(service),
        rule.exclusions.as_deref().map(Check::Exclusions),
    ];
    let items: Vec<_> =
        compared.chain(in_words.into_iter().flatten().map(|check| item(check.remark(), EligibilityResult::Unknown))).collect();
    let any = |result| items.iter().any(|item| item.result == result);
    let result = [EligibilityResult::NotMet, EligibilityResult::Unknown].into_iter().find(|result| any(*result));
    EligibilityChecklist { service_id: candidate.id, result: result.unwrap_or(EligibilityResult::Met), items }
}

fn item(remark: Remark, result: EligibilityResult) -> EligibilityItem {
    EligibilityItem { code: remark.code, result, sentence: remark.sentence }
}
