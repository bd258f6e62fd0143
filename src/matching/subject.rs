//! The person, made ready once for being compared with thousands of services.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::candidate::Candidate;
use super::person::{MustHave, Person, PersonNeed, Travel};
use super::place::{Home, zone};
use super::weights::{CRITERIA, Criterion, NeedNumbers, Weights};
use super::words::has_code;
use crate::db::types::Instant;
use crate::needs::model::{NeedSeverity, Readiness, VIOLENCE};
use crate::services::model::{Basis, DomainStrength, ServiceDomain};
use crate::types::find_domain;

/// Domains that an inference must not answer: sending a person at risk to a service that does not know of the risk can harm them.
const STATED_ONLY: &[&str] = &["intimate-partner-violence", "elder-abuse", "x-safety-crisis"];
/// Domains that say that money is short.
const MONEY: &[&str] = &["financial-insecurity", "material-hardship", "utility-insecurity", "medical-cost-burden", "food-insecurity"];

/// The most domains that are sought for at once: each has a bit of its own. Of more, those that weigh most.
const MOST_WANTED: usize = u64::BITS as usize;

/// A need that the person wants help with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) domain: &'a str,
    pub(super) importance: f64,
    is_stated_only: bool,
}

impl Wanted<'_> {
    /// Whether this entry of a service answers the need.
    fn is_answered_by(&self, answer: &ServiceDomain) -> bool {
        answer.code == self.domain && !(self.is_stated_only && answer.basis == Basis::Inferred)
    }
}

/// The best answer of a service to the needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    /// 0 to 1.
    pub(super) value: f64,
    /// The need that is answered best.
    pub(super) domain: &'a str,
    pub(super) strength: DomainStrength,
    pub(super) basis: Basis,
    /// Bit n stands for the nth wanted need.
    pub(super) covered: u64,
}

#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) person: &'a Person,
    pub(super) weights: &'a Weights,
    /// The moment of the run.
    pub(super) at: Instant,
    pub(super) today: NaiveDate,
    pub(super) wanted: Vec<Wanted<'a>>,
    pub(super) home: Home,
    /// The time zone of the free times.
    pub(super) zone: Option<Tz>,
    pub(super) has_words: bool,
    /// Whether somebody may be violent to the person.
    pub(super) is_at_risk: bool,
    /// Whether money is known to be short.
    pub(super) is_short_of_money: bool,
    /// What each criterion counts, in the order of [`Criterion::ALL`]; together 1.
    shares: [f64; CRITERIA],
}

impl<'a> Subject<'a> {
    pub(super) fn new(person: &'a Person, weights: &'a Weights, at: Instant) -> Self {
        let mut wanted: Vec<Wanted<'a>> = Vec::new();
        for need in person.needs.iter().filter(|need| need.wants_help != Some(false)) {
            let importance = importance(need, &weights.need);
            match wanted.iter_mut().find(|known| known.domain == need.domain) {
                Some(known) => known.importance = known.importance.max(importance),
                None => {
                    wanted.push(Wanted { domain: &need.domain, importance, is_stated_only: STATED_ONLY.contains(&need.domain.as_str()) })
                }
            }
        }
        if wanted.len() > MOST_WANTED {
            wanted.sort_by(|a, b| b.importance.total_cmp(&a.importance));
            wanted.truncate(MOST_WANTED);
        }
        let has_need = |domains: &[&str]| person.needs.iter().any(|need| domains.contains(&need.domain.as_str()));
        let mut subject = Self {
            person,
            weights,
            at,
            today: at.utc().date_naive(),
            home: Home::new(&person.location),
            zone: person.time_zone.as_deref().and_then(|zone| zone.parse().ok()).or_else(|| zone(&person.location, None)),
            has_words: !person.own_words().trim().is_empty(),
            // Whether they want help with it or not: the danger is the same.
            is_at_risk: person.at_risk_of_violence || has_need(VIOLENCE),
            is_short_of_money: has_need(MONEY),
            shares: [0.0; CRITERIA],
            wanted,
        };
        subject.shares = subject.weigh();
        subject
    }

    pub(super) fn share(&self, criterion: Criterion) -> f64 {
        self.shares.get(criterion as usize).copied().unwrap_or_default()
    }

    /// How far the person goes at the most: their own limit, else what anybody may be asked to.
    pub(super) fn farthest_km(&self) -> f64 {
        self.person.reach.max_km.unwrap_or(self.weights.reach.farthest_km)
    }

    /// The distance that counts half: the person's own limit, else what is usual for the way they travel.
    pub(super) fn range_km(&self) -> f64 {
        let (reach, numbers) = (&self.person.reach, &self.weights.reach);
        reach.max_km.filter(|km| *km > 0.0).unwrap_or(match reach.how {
            Some(Travel::Walk) => numbers.walk_km,
            Some(Travel::Transit) | None => numbers.transit_km,
            Some(Travel::Driven) => numbers.driven_km,
            Some(Travel::Car) => numbers.car_km,
        })
    }

    fn weigh(&self) -> [f64; CRITERIA] {
        let mut shares = [0.0; CRITERIA];
        for (share, &criterion) in shares.iter_mut().zip(Criterion::ALL) {
            if self.has_say(criterion) {
                let factor = if self.is_must_have(criterion) { self.weights.must_have_factor } else { 1.0 };
                *share = self.weights.weight.of(criterion) * factor;
            }
        }
        let total: f64 = shares.iter().sum();
        shares.map(|share| share / total)
    }

    /// Whether the description of the person gives this criterion anything to judge by. It depends on the person alone, so that all
    /// services are ranked by the same criteria.
    fn has_say(&self, criterion: Criterion) -> bool {
        let person = self.person;
        match criterion {
            Criterion::Need => !self.wanted.is_empty(),
            Criterion::Text => self.has_words,
            Criterion::Eligibility => {
                let has_gender = person.genders().next().is_some();
                person.age.is_some() || has_gender || !person.populations.is_empty() || !person.not_populations.is_empty()
            }
            Criterion::Reach => self.home.is_known(),
            Criterion::Language => !person.languages.is_empty(),
            Criterion::Cost => person.budget_per_month.is_some() || self.is_short_of_money,
            Criterion::Hours => !person.free_times.is_empty(),
            Criterion::Mode => !person.modes.is_empty() || person.digital_access.is_some(),
            Criterion::Accessibility => {
                !person.accessibility.is_empty() || !person.accommodations.is_empty() || person.childcare_needed == Some(true)
            }
            Criterion::Culture => {
                !(person.cultures.is_empty()
                    && person.dietary.is_empty()
                    && person.practices.is_empty()
                    && person.group_preferences.is_empty())
            }
            Criterion::Interests => !person.interests.is_empty(),
            Criterion::Capacity | Criterion::Freshness | Criterion::TrackRecord => true,
        }
    }

    fn is_must_have(&self, criterion: Criterion) -> bool {
        self.person.must_haves.iter().any(|must_have| {
            criterion
                == match must_have {
                    MustHave::Language => Criterion::Language,
                    MustHave::Mode => Criterion::Mode,
                    MustHave::Budget => Criterion::Cost,
                    MustHave::Hours => Criterion::Hours,
                    MustHave::Transit => Criterion::Reach,
                    MustHave::Accessibility | MustHave::Childcare => Criterion::Accessibility,
                    MustHave::Diet => Criterion::Culture,
                }
        })
    }

    /// How the service answers the wanted needs; `None` where it answers none.
    pub(super) fn answer(&self, answers: &[ServiceDomain]) -> Option<Answer<'a>> {
        let numbers = &self.weights.need;
        let most = self.wanted.iter().map(|wanted| wanted.importance).fold(0.0, f64::max);
        let total: f64 = self.wanted.iter().map(|wanted| wanted.importance).sum();
        let (mut best, mut covered, mut sum): (Option<(f64, Answer<'a>)>, u64, f64) = (None, 0, 0.0);
        for (index, wanted) in self.wanted.iter().enumerate() {
            let strongest = answers
                .iter()
                .filter(|answer| wanted.is_answered_by(answer))
                .map(|answer| (strength_value(answer, numbers), answer))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let Some((strength, answer)) = strongest else { continue };
            covered |= 1 << index;
            let weighed = strength * wanted.importance;
            sum += weighed;
            if best.is_none_or(|(so_far, _)| weighed > so_far) {
                let found = Answer { value: 0.0, domain: wanted.domain, strength: answer.strength, basis: answer.basis, covered: 0 };
                best = Some((weighed, found));
            }
        }
        let (weighed, answer) = best?;
        let value = (1.0 - numbers.several_share) * weighed / most + numbers.several_share * sum / total;
        Some(Answer { value: value.clamp(0.0, 1.0), covered, ..answer })
    }

    /// Whether the service has anything to do with what is asked for.
    pub(super) fn is_relevant(&self, candidate: &Candidate<'_>, answer: Option<&Answer<'_>>) -> bool {
        let person = self.person;
        if answer.is_some() {
            return true;
        }
        let attributes = &candidate.service.attributes;
        if person.interests.iter().any(|interest| has_code(&attributes.activities, interest)) {
            return true;
        }
        // The words of somebody at risk name the danger; a service that shares these words need not know how to meet it. Nor do they lead
        // anywhere where a risk may be hidden, or what is suggested would tell of it.
        let may_be_at_risk = self.is_at_risk || person.is_at_hidden_risk;
        if !may_be_at_risk && candidate.text_fit.is_some_and(|fit| fit >= self.weights.text.relevant_from) {
            return true;
        }
        // With neither need nor wish named, "what is there for people like me" is the question; with nothing at all, everything is asked for.
        let eligibility = &candidate.service.eligibility;
        let serves =
            |population: &String| has_code(&attributes.populations_served, population) || has_code(&eligibility.populations, population);
        let names_no_wish = self.wanted.is_empty() && person.interests.is_empty() && !self.has_words;
        names_no_wish && person.needs.is_empty() && (person.populations.is_empty() || person.populations.iter().any(serves))
    }

    /// Whether the service itself says that it helps people at risk of violence.
    pub(super) fn knows_of_violence(&self, answers: &[ServiceDomain]) -> bool {
        answers.iter().any(|answer| answer.basis == Basis::Stated && VIOLENCE.contains(&answer.code.as_str()))
    }

    /// Whether an inferred answer is the only one to a need that only stated answers may meet.
    pub(super) fn is_unsafe_inference(&self, answers: &[ServiceDomain]) -> bool {
        self.wanted.iter().any(|wanted| {
            wanted.is_stated_only
                && answers.iter().any(|answer| answer.code == wanted.domain)
                && !answers.iter().any(|a| wanted.is_answered_by(a))
        })
    }
}

fn importance(need: &PersonNeed, numbers: &NeedNumbers) -> f64 {
    let severity = match need.severity {
        Some(NeedSeverity::High) => numbers.severity_high,
        Some(NeedSeverity::Low) => numbers.severity_low,
        Some(NeedSeverity::Medium) | None => numbers.severity_medium,
    };
    let basic = if find_domain(&need.domain).is_some_and(|domain| domain.is_basic) { numbers.basic_factor } else { 1.0 };
    let ready = if need.readiness == Some(Readiness::Precontemplation) { numbers.not_ready_factor } else { 1.0 };
    severity * basic * ready
}

const fn strength_value(answer: &ServiceDomain, numbers: &NeedNumbers) -> f64 {
    match (answer.strength, answer.basis) {
        (DomainStrength::Direct, Basis::Stated) => numbers.direct_stated,
        (DomainStrength::Direct, Basis::Inferred) => numbers.direct_inferred,
        (DomainStrength::Partial, Basis::Stated) => numbers.partial_stated,
        (DomainStrength::Partial, Basis::Inferred) => numbers.partial_inferred,
    }
}
