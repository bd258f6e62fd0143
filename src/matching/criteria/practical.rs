//! Whether the person can take it up: distance, language, cost, hours, mode, accessibility.

use super::Judgement;
use crate::matching::candidate::Candidate;
use crate::matching::facts::{
    Known, LanguageFit, MonthlyCost, can_use, common_minutes, is_near_stop, language_fit, modes, monthly_cost, remote_mode,
};
use crate::matching::finding::Finding;
use crate::matching::person::{Accommodation, MustHave, Travel};
use crate::matching::place::nearest;
use crate::matching::subject::Subject;
use crate::services::model::Accessibility;
use crate::types::DeliveryMode;

/// Distance on a curve that is half at the person's usual range, or no distance at all.
pub(super) fn reach<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let (service, numbers) = (candidate.service, &subject.weights.reach);
    let there = place(subject, candidate);
    let better_than = |value: f64| there.value.is_none_or(|there| value > there);
    if let Some(mode) = remote_mode(subject, service).filter(|_| better_than(numbers.remote)) {
        return Judgement::known(numbers.remote, Finding::WithoutTravel(mode));
    }
    if service.attributes.transport_provided == Some(true) && better_than(numbers.remote) {
        return Judgement::known(numbers.remote, Finding::TransportGiven);
    }
    there
}

fn place<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let (service, numbers) = (candidate.service, &subject.weights.reach);
    if let Some(metres) = nearest(&subject.home, &service.places) {
        let reach = &subject.person.reach;
        let by_bus = reach.how == Some(Travel::Transit) || subject.person.must_have(MustHave::Transit);
        let far_from_stop = by_bus && is_near_stop(subject, service) == Known::No;
        let ranges = metres / 1_000.0 / subject.range_km();
        let value = 1.0 / (1.0 + ranges * ranges);
        return Judgement::known(if far_from_stop { value / 2.0 } else { value }, Finding::Distance(metres));
    }
    if service.places.is_empty() && subject.home.is_named_by(&service.service_areas) {
        return Judgement::known(numbers.same_town, Finding::SameTown);
    }
    let mut is_elsewhere = false;
    for place in &service.places {
        match subject.home.is_same_town(place) {
            Some(true) => return Judgement::known(numbers.same_town, Finding::SameTown),
            Some(false) => is_elsewhere = true,
            None => {}
        }
    }
    if is_elsewhere {
        Judgement::known(subject.weights.neutral.reach / 2.0, Finding::OtherTown)
    } else {
        Judgement::unknown(Finding::PlaceUnknown)
    }
}

pub(super) fn language<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    match language_fit(subject, candidate.service) {
        LanguageFit::Spoken(0, tag) => Judgement::known(1.0, Finding::Spoken(tag)),
        LanguageFit::Spoken(_, tag) => Judgement::known(0.8, Finding::Spoken(tag)),
        LanguageFit::Interpreted(tag) => Judgement::known(0.6, Finding::Interpreted(tag)),
        LanguageFit::Other => Judgement::known(0.0, Finding::OtherLanguage),
        LanguageFit::Unknown => Judgement::unknown(Finding::LanguagesUnknown),
    }
}

pub(super) fn cost<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let budget = subject.person.budget_per_month.as_ref();
    match monthly_cost(subject, candidate.service) {
        MonthlyCost::Free => Judgement::known(1.0, Finding::Free),
        MonthlyCost::Donation => Judgement::known(0.95, Finding::Donation),
        MonthlyCost::SlidingScale => Judgement::known(0.75, Finding::SlidingScale),
        MonthlyCost::Insured => Judgement::known(0.6, Finding::Insured),
        MonthlyCost::Unknown => Judgement::unknown(Finding::CostUnknown),
        MonthlyCost::Price(minor, currency) => match budget {
            None => Judgement::known(0.3, Finding::Price(minor, currency)),
            #[expect(clippy::cast_precision_loss, reason = "a ratio of prices")]
            Some(budget) if minor <= budget.amount_minor => {
                let part = minor as f64 / budget.amount_minor as f64;
                Judgement::known(1.0 - 0.4 * part, Finding::WithinBudget(minor, currency))
            }
            Some(_) => Judgement::known(0.05, Finding::OverBudget(minor, currency)),
        },
    }
}

pub(super) fn hours<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let is_at_any_time = modes(candidate.service).contains(&DeliveryMode::Online) && can_use(subject, DeliveryMode::Online);
    if is_at_any_time {
        return Judgement::known(1.0, Finding::OpenWhenFree);
    }
    match common_minutes(subject, candidate.service) {
        None => Judgement::unknown(Finding::HoursUnknown),
        Some(0) => Judgement::known(0.0, Finding::ClosedWhenFree),
        Some(minutes) => {
            let value = f64::from(minutes) / f64::from(subject.weights.hours.enough_minutes);
            Judgement::known(value.min(1.0), Finding::OpenWhenFree)
        }
    }
}

/// The best of the service's modes: by the order of the person's wishes, where they have any.
pub(super) fn mode<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let modes = modes(candidate.service);
    let wished = &subject.person.modes;
    let value = |mode: DeliveryMode| -> f64 {
        match wished.iter().position(|wish| *wish == mode) {
            Some(0) => 1.0,
            None if wished.is_empty() => 1.0,
            _ => 0.8,
        }
    };
    let usable = modes.iter().copied().filter(|mode| can_use(subject, *mode)).map(|mode| (value(mode), mode));
    match usable.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((value, mode)) => Judgement::known(value, Finding::GivenBy(mode)),
        None if modes.is_empty() => Judgement::unknown(Finding::ModesUnknown),
        None => Judgement::known(0.0, Finding::OtherMode),
    }
}

/// What the person needs of a place, their accommodations included.
pub(in crate::matching) fn wanted_features<'a>(subject: &Subject<'a>) -> impl Iterator<Item = Accessibility> + 'a {
    let person = subject.person;
    let implied = person.accommodations.iter().filter_map(|accommodation| match accommodation {
        Accommodation::Hearing => Some(Accessibility::HearingLoop),
        Accommodation::Vision => Some(Accessibility::LargePrint),
        Accommodation::Cognition => Some(Accessibility::CognitiveSupport),
        Accommodation::Mobility => Some(Accessibility::Wheelchair),
        Accommodation::Speech => None,
    });
    person.accessibility.iter().copied().chain(implied.filter(|feature| !person.accessibility.contains(feature)))
}

/// Whether some place of the service has the feature: the person can choose that one.
pub(in crate::matching) fn has_feature(candidate: &Candidate<'_>, feature: Accessibility) -> bool {
    candidate.service.places.iter().any(|place| place.accessibility.contains(&feature))
}

pub(super) fn accessibility<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let service = candidate.service;
    let neutral = subject.weights.neutral.accessibility;
    let needs_childcare = subject.person.childcare_needed == Some(true);
    let (mut sum, mut count, mut found, mut lacking) = (0.0, 0.0, None, 0);
    for feature in wanted_features(subject) {
        count += 1.0;
        if has_feature(candidate, feature) {
            sum += 1.0;
            found = found.or(Some(Finding::Accessible(feature)));
        } else {
            sum += neutral;
            lacking += 1;
        }
    }
    if needs_childcare {
        count += 1.0;
        match service.attributes.childcare {
            Some(true) => {
                sum += 1.0;
                found = found.or(Some(Finding::Childcare));
            }
            Some(false) => lacking += 1,
            None => {
                sum += neutral;
                lacking += 1;
            }
        }
    }
    let value = if count > 0.0 { sum / count } else { neutral };
    // On the telephone nobody asks for a ramp.
    let is_remote = remote_mode(subject, service).is_some() && !needs_childcare;
    match found {
        Some(_) if lacking == 0 => Judgement::known(1.0, Finding::AllAccessible),
        _ if is_remote => Judgement::known(value.max(0.8), Finding::AccessNotNeeded),
        Some(finding) => Judgement::known(value, finding),
        None if needs_childcare && service.attributes.childcare == Some(false) => Judgement::known(value, Finding::AccessUnknown),
        None => Judgement::unknown(Finding::AccessUnknown),
    }
}
