//! Whether the service is the right one: needs, words, people, culture, interests.

use super::Judgement;
use crate::matching::candidate::Candidate;
use crate::matching::facts::{Known, any_of, belongs, fits_age, gender_is, genders_are};
use crate::matching::finding::Finding;
use crate::matching::subject::{Answer, Subject};
use crate::matching::words::{has_code, shared_code};

pub(super) fn need<'a>(subject: &Subject<'a>, answer: Option<&Answer<'a>>) -> Judgement<'a> {
    answer.map_or(Judgement::known(0.0, Finding::NeedNotAnswered), |answer| {
        let Answer { value, domain, strength, basis, covered } = *answer;
        let finding = Finding::NeedAnswered { domain, strength, basis, covered: covered.count_ones(), wanted: subject.wanted.len() };
        Judgement::known(value, finding)
    })
}

pub(super) fn text<'a>(candidate: &Candidate<'a>) -> Judgement<'a> {
    match candidate.text_fit {
        None => Judgement::unknown(Finding::WordsUnknown),
        Some(fit) if fit >= 0.3 => Judgement::known(fit, Finding::WordsFit),
        Some(fit) => Judgement::known(fit, Finding::WordsDiffer),
    }
}

/// Made for people like them is better than open to all, and that is better than a restriction of which it is not known whether
/// they meet it. Who certainly does not is gone by now.
pub(super) fn eligibility<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let (rule, attributes) = (&candidate.service.eligibility, &candidate.service.attributes);
    let only = any_of(rule.populations.iter().map(|population| belongs(subject, population)));
    if !rule.populations.is_empty() && only == Known::Unknown {
        // Populations are named where they are known of: one that is not among them is likely not theirs.
        let names_some = !subject.person.populations.is_empty();
        let unconfirmed = Judgement::known(0.1, Finding::EligibilityUnconfirmed);
        return if names_some { unconfirmed } else { Judgement::unknown(Finding::EligibilityUnconfirmed) };
    }
    let theirs =
        rule.populations.iter().chain(&attributes.populations_served).find(|population| belongs(subject, population) == Known::Yes);
    if let Some(population) = theirs {
        return Judgement::known(1.0, Finding::MadeFor(population));
    }
    if let Some(gender) = rule.genders.iter().find(|named| genders_are(subject.person, named) == Known::Yes) {
        return Judgement::known(1.0, Finding::MadeFor(gender));
    }
    let made_for_others = !attributes.populations_served.is_empty()
        && any_of(attributes.populations_served.iter().map(|population| belongs(subject, population))) == Known::No;
    let has_age_rule = rule.min_age.is_some() || rule.max_age.is_some();
    let is_of_age = has_age_rule && fits_age(subject, candidate.service) == Known::Yes;
    if made_for_others {
        Judgement::known(0.3, Finding::EligibilityUnconfirmed)
    } else if is_of_age {
        Judgement::known(0.9, Finding::Eligible)
    } else {
        Judgement::unknown(Finding::EligibilityUnknown)
    }
}

/// The mean over all wishes; a wish of which nothing is known counts neutral.
pub(super) fn culture<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let (person, service) = (subject.person, candidate.service);
    let (attributes, rule) = (&service.attributes, &service.eligibility);
    let practice = person.practices.iter().find(|wanted| attributes.practices.iter().any(|practice| practice.code == **wanted));
    let company = person.group_preferences.iter().map(String::as_str).find(|group| {
        let genders = rule.genders.iter().any(|named| gender_is(group, named) == Known::Yes);
        genders || [&rule.populations, &attributes.populations_served, &attributes.cultural_focus].iter().any(|list| has_code(list, group))
    });
    let culture = shared_code(&person.cultures, &attributes.cultural_focus).map(Finding::Culture);
    let other_culture = (!attributes.cultural_focus.is_empty()).then_some(Finding::OtherCulture);
    let wishes = [
        (!person.cultures.is_empty(), culture, other_culture),
        (!person.dietary.is_empty(), shared_code(&person.dietary, &attributes.dietary).map(Finding::Diet), None),
        (!person.practices.is_empty(), practice.copied().map(Finding::Practice), None),
        (!person.group_preferences.is_empty(), company.map(Finding::Company), None),
    ];
    let neutral = subject.weights.neutral.culture;
    let (mut sum, mut count, mut best, mut other) = (0.0, 0.0, None, None);
    for (_, found, against) in wishes.into_iter().filter(|(is_wished, ..)| *is_wished) {
        count += 1.0;
        sum += if found.is_some() {
            1.0
        } else if against.is_some() {
            neutral / 2.0
        } else {
            neutral
        };
        best = best.or(found);
        other = other.or(against);
    }
    match best.or(other) {
        Some(finding) => Judgement::known(sum / count, finding),
        None => Judgement::unknown(Finding::CultureUnknown),
    }
}

pub(super) fn interests<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let activities = &candidate.service.attributes.activities;
    let shared = || subject.person.interests.iter().filter(|interest| has_code(activities, interest));
    match shared().next() {
        // One shared interest is what matters; more are a little better.
        Some(first) => Judgement::known(if shared().count() > 1 { 1.0 } else { 0.9 }, Finding::Interest(first)),
        None if activities.is_empty() => Judgement::unknown(Finding::InterestsUnknown),
        None => Judgement::known(0.1, Finding::OtherInterests),
    }
}
