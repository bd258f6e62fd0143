//! What a service offers, read in the light of a person. Gates, criteria, warnings and checks all judge by these.

use super::person::{DigitalAccess, Person};
use super::subject::Subject;
use super::words::{has_code, same_code};
use crate::languages;
use crate::services::model::{CostKind, CostOption, CostPer, ServiceInput};
use crate::services::schedule::Timetable;
use crate::types::{DeliveryMode, Money};

/// Something a service may have: yes, no, or nobody has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
    Unknown,
}

impl Known {
    pub(super) const fn of(fact: Option<bool>) -> Self {
        match fact {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unknown,
        }
    }
}

/// In which of the person's languages the service is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LanguageFit<'a> {
    /// In the person's nth language.
    Spoken(usize, &'a str),
    /// In this one, with an interpreter.
    Interpreted(&'a str),
    /// In none of them.
    Other,
    /// The service does not say, or nobody has said what the person speaks.
    Unknown,
}

pub(super) fn language_fit<'a>(subject: &Subject<'a>, service: &ServiceInput) -> LanguageFit<'a> {
    let offers = |tag: &str, by_interpreter: bool| {
        service.languages.iter().any(|offer| offer.by_interpreter == by_interpreter && languages::same(&offer.language, tag))
            || (!by_interpreter && service.places.iter().flat_map(|place| &place.languages).any(|offer| languages::same(offer, tag)))
    };
    let wanted = &subject.person.languages;
    let spoken = wanted.iter().enumerate().find(|(_, tag)| offers(tag, false));
    if let Some((index, tag)) = spoken {
        return LanguageFit::Spoken(index, tag);
    }
    let interpreted = wanted.iter().find(|tag| offers(tag, true)).or_else(|| wanted.first().filter(|_| service.interpretation.is_some()));
    match interpreted {
        Some(tag) => LanguageFit::Interpreted(tag),
        None if wanted.is_empty() || service.languages.is_empty() => LanguageFit::Unknown,
        None => LanguageFit::Other,
    }
}

/// How the service is given. One with a place and no stated mode is taken to be given there.
pub(super) fn modes(service: &ServiceInput) -> &[DeliveryMode] {
    if service.delivery_modes.is_empty() && !service.places.is_empty() { &[DeliveryMode::InPerson] } else { &service.delivery_modes }
}

/// Whether the person can use this mode and does not rule it out.
pub(super) fn can_use(subject: &Subject<'_>, mode: DeliveryMode) -> bool {
    let needs_screen = matches!(mode, DeliveryMode::Video | DeliveryMode::Online);
    let has_screen = subject.person.digital_access != Some(DigitalAccess::None);
    let is_wished = subject.person.modes.is_empty() || subject.person.modes.contains(&mode);
    is_wished && (has_screen || !needs_screen)
}

/// A mode by which the person can be helped without travel.
pub(super) fn remote_mode(subject: &Subject<'_>, service: &ServiceInput) -> Option<DeliveryMode> {
    let is_remote = |mode: &DeliveryMode| *mode != DeliveryMode::InPerson && can_use(subject, *mode);
    let offered = || modes(service).iter().copied();
    offered().find(|mode| *mode == DeliveryMode::HomeVisit && is_remote(mode)).or_else(|| offered().find(is_remote))
}

/// What the service costs in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthlyCost<'a> {
    Free,
    Donation,
    SlidingScale,
    Insured,
    /// The lowest of its prices, in minor units.
    Price(i64, &'a str),
    Unknown,
}

pub(super) fn monthly_cost<'a>(subject: &Subject<'_>, service: &'a ServiceInput) -> MonthlyCost<'a> {
    match service.cost.kind {
        Some(CostKind::Free) => return MonthlyCost::Free,
        Some(CostKind::Donation) => return MonthlyCost::Donation,
        Some(CostKind::SlidingScale) => return MonthlyCost::SlidingScale,
        Some(CostKind::Insured) => return MonthlyCost::Insured,
        Some(CostKind::Fixed | CostKind::Membership) | None => {}
    }
    let currency = subject.person.budget_per_month.as_ref().map(|budget| budget.currency.as_str());
    let payable = |option: &&CostOption| currency.is_none_or(|currency| option.amount.currency == currency);
    let month = |option: &'a CostOption| (per_month(option, subject.weights.cost.visits_per_month), option.amount.currency.as_str());
    match service.cost.options.iter().filter(payable).map(month).min() {
        Some((0, _)) => MonthlyCost::Free,
        Some((minor, currency)) => MonthlyCost::Price(minor, currency),
        None => MonthlyCost::Unknown,
    }
}

fn per_month(option: &CostOption, visits: i64) -> i64 {
    let Money { amount_minor, .. } = option.amount;
    match option.per {
        Some(CostPer::Visit) | None => amount_minor.saturating_mul(visits),
        Some(CostPer::Week) => amount_minor.saturating_mul(52) / 12,
        // A course is paid at once.
        Some(CostPer::Month | CostPer::Course) => amount_minor,
        Some(CostPer::Year) => amount_minor / 12,
    }
}

/// Whether the price lies within the person's budget.
pub(super) fn is_affordable(subject: &Subject<'_>, service: &ServiceInput) -> Known {
    match (monthly_cost(subject, service), &subject.person.budget_per_month) {
        (MonthlyCost::Free | MonthlyCost::Donation, _) => Known::Yes,
        (MonthlyCost::Price(minor, _), Some(budget)) => Known::of(Some(minor <= budget.amount_minor)),
        _ => Known::Unknown,
    }
}

/// Minutes of an average week in which the person is free and the service open; `None` where either is not known.
pub(super) fn common_minutes(subject: &Subject<'_>, service: &ServiceInput) -> Option<u32> {
    let free = &subject.person.free_times;
    if free.is_empty() {
        return None;
    }
    // Who goes there lives by the clocks of the place.
    let zone = subject.zone.filter(|_| modes(service) != [DeliveryMode::InPerson]);
    let timetables = Timetable::of_service(service);
    timetables.iter().map(|timetable| timetable.weekly_overlap_minutes(free, zone, subject.at.utc())).max()
}

/// Whether a stop is within the person's walk; unknown where no place names one.
pub(super) fn is_near_stop(subject: &Subject<'_>, service: &ServiceInput) -> Known {
    let most = subject.person.reach.max_walk_from_stop_m.unwrap_or(subject.weights.reach.walk_from_stop_m);
    let mut walks = service.places.iter().map(|place| place.transit.as_ref().and_then(|transit| transit.walk_m));
    if walks.clone().flatten().any(|walk| walk <= most) {
        return Known::Yes;
    }
    if service.places.is_empty() || walks.any(|walk| walk.is_none()) { Known::Unknown } else { Known::No }
}

/// Whether the person is of an age that the service takes; not known where it takes them at one of the ages that may be theirs only.
pub(super) fn fits_age(subject: &Subject<'_>, service: &ServiceInput) -> Known {
    let (min, max) = (service.eligibility.min_age.unwrap_or(i32::MIN), service.eligibility.max_age.unwrap_or(i32::MAX));
    match subject.person.ages() {
        Some((least, most)) if min <= least && most <= max => Known::Yes,
        Some((least, most)) if most < min || max < least => Known::No,
        _ => Known::Unknown,
    }
}

/// What all the ages that may be the person's say alike of a population that is named by age.
fn age_groups(code: &str, (least, most): (i32, i32)) -> Known {
    let first = age_group(code, least);
    if (least..=most).all(|age| age_group(code, age) == first) { first } else { Known::Unknown }
}

/// What an age says of a population that is named by age.
fn age_group(code: &str, age: i32) -> Known {
    let is = |code_like: &[&str]| code_like.iter().any(|like| same_code(like, code));
    if is(&["senior", "seniors", "older_adult", "older_adults", "elder", "elders"]) {
        match age {
            65.. => Known::Yes,
            50..=64 => Known::Unknown,
            _ => Known::No,
        }
    } else if is(&["youth", "young_adult", "teen"]) {
        match age {
            13..=24 => Known::Yes,
            11..=12 | 25..=30 => Known::Unknown,
            _ => Known::No,
        }
    } else if is(&["child", "children"]) {
        Known::of(match age {
            0..=12 => Some(true),
            13..=18 => None,
            _ => Some(false),
        })
    } else if is(&["adult", "adults"]) {
        Known::of(Some(age >= 18))
    } else {
        Known::Unknown
    }
}

/// Whether the person belongs to a population.
pub(super) fn belongs(subject: &Subject<'_>, population: &str) -> Known {
    let person = subject.person;
    if has_code(&person.populations, population) {
        Known::Yes
    } else if has_code(&person.not_populations, population) {
        Known::No
    } else {
        let by_gender = genders_are(person, population);
        let by_age = person.ages().map_or(Known::Unknown, |ages| age_groups(population, ages));
        if by_age == Known::Unknown { by_gender } else { by_age }
    }
}

/// Whether any of the words for the person's gender is the one that a service names; not known where they have told none.
pub(super) fn genders_are(person: &Person, named: &str) -> Known {
    if person.genders().next().is_none() {
        return Known::Unknown;
    }
    any_of(person.genders().map(|gender| gender_is(gender, named)))
}

/// Whether a gender is the one that a service names. Only between the plainly named ones is "no" certain: a two-spirit person, say,
/// may well be at home in a women's group.
pub(super) fn gender_is(gender: &str, named: &str) -> Known {
    const PLAIN: &[(&str, &[&str])] = &[
        ("woman", &["woman", "women", "female", "girl"]),
        ("man", &["man", "men", "male", "boy"]),
        ("non_binary", &["non_binary", "nonbinary"]),
    ];
    let plain = |word: &str| PLAIN.iter().find(|(_, words)| words.iter().any(|known| same_code(known, word))).map(|(plain, _)| *plain);
    if same_code(gender, named) {
        return Known::Yes;
    }
    match (plain(gender), plain(named)) {
        (Some(a), Some(b)) => Known::of(Some(a == b)),
        _ => Known::Unknown,
    }
}

/// The best that is known of several: yes if any is, no only if all are not.
pub(super) fn any_of(facts: impl Iterator<Item = Known>) -> Known {
    let mut best = Known::No;
    for fact in facts {
        match fact {
            Known::Yes => return Known::Yes,
            Known::Unknown => best = Known::Unknown,
            Known::No => {}
        }
    }
    best
}
