//! Results in words: built only for what is shown.

use super::candidate::Candidate;
use super::criteria::practical::{has_feature, wanted_features};
use super::criteria::supply::old_report;
use super::criteria::{self, Part, UNIT};
use super::engine::{Helpline, Scored};
use super::facts::Known;
use super::facts::{LanguageFit, MonthlyCost, common_minutes, is_affordable, language_fit, modes, monthly_cost};
use super::gate;
use super::person::Person;
use super::remark::{Check, Warning};
use super::report::{Contribution, HumanRoute, MatchOutcome, Remark, Suggestion, Unanswered, Why};
use super::subject::Subject;
use super::words::{Sentence, domain_name};
use crate::kind::ServiceId;
use crate::languages;
use crate::services::model::{Basis, CapacityStatus, ReferralRoute, ServiceInput, ServiceTranslation};
use crate::types::DeliveryMode;

/// A finding speaks for a service from this value on.
const SPEAKS_FOR: f64 = 0.6;
/// The most findings that go into one sentence.
const MOST_REASONS: usize = 4;

/// A result with all its reasons.
pub(super) fn suggestion<'a>(subject: &Subject<'a>, scored: &Scored<'a>, same_as: Vec<ServiceId>) -> Suggestion {
    let candidate = &scored.candidate;
    let parts: Vec<Part<'a>> = criteria::parts(subject, candidate, scored.answer.as_ref()).collect();
    let covered = scored.answer.map_or(0, |answer| answer.covered);
    let answers = subject.wanted.iter().enumerate().filter(|(index, _)| covered & (1 << index) != 0);
    #[expect(clippy::cast_possible_truncation, reason = "metres on the earth")]
    let distance_m = scored.metres.map(|metres| metres.round() as i64);
    Suggestion {
        service_id: candidate.id,
        name: candidate.service.name.clone(),
        score: scored.score(),
        answers: answers.map(|(_, wanted)| wanted.domain.to_owned()).collect(),
        distance_m,
        why: why(candidate.service, &parts),
        unknown: parts.iter().filter(|part| part.judgement.value.is_none()).map(|part| part.criterion).collect(),
        contributions: parts.iter().map(contribution).collect(),
        to_check: checks(subject, candidate).map(|check| check.remark()).collect(),
        warnings: warnings(subject, candidate).map(|warning| warning.remark()).collect(),
        same_as,
    }
}

fn contribution(part: &Part<'_>) -> Contribution {
    Contribution {
        criterion: part.criterion,
        weight: (part.share * UNIT).round() / UNIT,
        value: (part.value * UNIT).round() / UNIT,
        contribution: f64::from(part.units) / UNIT,
        is_known: part.judgement.value.is_some(),
        code: part.judgement.finding.code().to_owned(),
        sentence: part.judgement.finding.sentence(),
    }
}

fn why(service: &ServiceInput, parts: &[Part<'_>]) -> Why {
    let mut speaking: Vec<&Part<'_>> = parts.iter().filter(|part| part.judgement.value.is_some_and(|value| value >= SPEAKS_FOR)).collect();
    speaking.sort_by_key(|part| std::cmp::Reverse(part.units));
    if speaking.is_empty() {
        // Then the best that can be said.
        speaking.extend(parts.iter().filter(|part| part.judgement.value.is_some()).max_by_key(|part| part.units));
    }
    speaking.truncate(MOST_REASONS);
    let phrases: Vec<Sentence> = speaking.iter().map(|part| part.judgement.finding.phrase()).collect();
    let name = names(service);
    let listed = |phrases: Vec<&str>, and: &str| match phrases.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} {and} {last}", first.join(", ")),
    };
    Why {
        codes: speaking.iter().map(|part| part.judgement.finding.code().to_owned()).collect(),
        sentence: Sentence::new(
            format!("{} {}.", name.en, listed(phrases.iter().map(|phrase| phrase.en.as_str()).collect(), "and")),
            format!("{} {}.", name.fr, listed(phrases.iter().map(|phrase| phrase.fr.as_str()).collect(), "et")),
        ),
    }
}

/// The service's name in both languages, where it has them.
fn names(service: &ServiceInput) -> Sentence {
    let translated = |language| in_language(service, language, |text| text.name.as_deref()).unwrap_or(&service.name);
    Sentence::new(translated("en"), translated("fr"))
}

/// The rule of the service in its own words.
pub(super) fn eligibility_in_words(service: &ServiceInput) -> Option<Check<'_>> {
    let text = service.eligibility.text.as_deref()?;
    let said = |language| in_language(service, language, |translation| translation.eligibility.as_deref()).unwrap_or(text);
    Some(Check::EligibilityInWords { en: said("en"), fr: said("fr") })
}

/// A text of the service in another language than its own, where it has it.
fn in_language<'a>(service: &'a ServiceInput, language: &str, text: fn(&'a ServiceTranslation) -> Option<&'a str>) -> Option<&'a str> {
    service.translations.iter().filter(|translation| languages::same(&translation.language, language)).find_map(text)
}

fn warnings<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> impl Iterator<Item = Warning<'a>> {
    let service = candidate.service;
    let room = candidate.capacity.and_then(|capacity| match capacity.standing() {
        CapacityStatus::Full => Some(Warning::Full),
        CapacityStatus::Waitlist => Some(Warning::Waitlist(capacity.expected_wait_days)),
        _ => None,
    });
    let language = match language_fit(subject, service) {
        LanguageFit::Interpreted(tag) => Some(Warning::ByInterpreter(tag)),
        LanguageFit::Other => Some(Warning::OtherLanguage),
        LanguageFit::Spoken(..) | LanguageFit::Unknown => None,
    };
    let cost = match monthly_cost(subject, service) {
        MonthlyCost::Price(minor, currency) if is_affordable(subject, service) == Known::No => Some(Warning::OverBudget(minor, currency)),
        _ => None,
    };
    let hours =
        (common_minutes(subject, service) == Some(0) && !modes(service).contains(&DeliveryMode::Online)).then_some(Warning::NoCommonHours);
    let verification = &service.verification;
    let stale_days = subject.weights.freshness.stale_days;
    let stale = verification.last_verified_on.filter(|on| (subject.today - *on).num_days() >= stale_days).map(Warning::Stale);
    let overdue = verification.next_review_due.filter(|due| *due < subject.today && stale.is_none()).map(Warning::ReviewOverdue);
    let today = subject.today;
    let shown = service
        .alerts
        .iter()
        .filter(move |alert| alert.shown.from.is_none_or(|from| from <= today) && alert.shown.until.is_none_or(|until| until >= today));
    [room, language, cost, hours, stale, overdue].into_iter().flatten().chain(shown.map(|alert| Warning::Alert(&alert.text)))
}

fn checks<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> impl Iterator<Item = Check<'a>> {
    let (service, person) = (candidate.service, subject.person);
    let rule = &service.eligibility;
    let inferred = subject.wanted.iter().filter_map(|wanted| {
        let answers = || service.need_domains.iter().filter(|answer| answer.code == wanted.domain);
        let inferred = answers().find(|answer| answer.basis == Basis::Inferred)?;
        let is_stated_too = answers().any(|answer| answer.basis == Basis::Stated);
        (!is_stated_too).then_some(Check::InferredNeed { domain: wanted.domain, evidence: inferred.evidence.as_deref() })
    });
    let features =
        wanted_features(subject).filter(|feature| !service.places.is_empty() && !has_feature(candidate, *feature)).map(Check::Feature);
    let old_capacity = candidate.capacity.and_then(|capacity| old_report(subject, capacity)).map(Check::OldCapacity);
    let others = [
        eligibility_in_words(service),
        rule.exclusions.as_deref().map(Check::Exclusions),
        (rule.referral_route == Some(ReferralRoute::Professional)).then_some(Check::ProfessionalReferral),
        (rule.income_tested == Some(true)).then_some(Check::IncomeTested),
        (!rule.documents_required.is_empty()).then_some(Check::Documents(&rule.documents_required)),
        old_capacity,
        (subject.is_at_risk && modes(service).contains(&DeliveryMode::HomeVisit)).then_some(Check::HomeVisitSafety),
        (person.safe_contact_only || subject.is_at_risk).then_some(Check::SafeContact),
    ];
    let mut checks: Vec<Check<'a>> = gate::checks(subject, candidate).collect();
    checks.extend(inferred);
    checks.extend(features);
    checks.extend(others.into_iter().flatten());
    checks.into_iter()
}

/// What must be seen to before any referral.
pub(super) fn alerts(person: &Person) -> Vec<Remark> {
    let is_in_danger = person.needs.iter().any(|need| need.domain == "x-safety-crisis");
    let escalate = Remark {
        code: "escalate".into(),
        sentence: Sentence::new(
            "Immediate safety is not a matter for a referral: act now, by your own protocol for emergencies.",
            "La sécurité immédiate ne relève pas d’une demande de service : agir maintenant, selon votre protocole d’urgence.",
        ),
    };
    if is_in_danger { vec![escalate] } else { Vec::new() }
}

/// A link worker program as the way on.
pub(super) fn program(program: &Candidate<'_>) -> HumanRoute {
    let service = program.service;
    let phones = service.phones.iter().chain(service.places.iter().flat_map(|place| &place.phones));
    let phone = phones.map(|phone| phone.original.clone()).next();
    let name = names(service);
    let call = |phone: &Option<String>, colon: &str| phone.as_ref().map(|phone| format!("{colon} {phone}")).unwrap_or_default();
    HumanRoute {
        service_id: Some(program.id),
        name: service.name.clone(),
        sentence: Sentence::new(
            format!("A link worker of {} can look further with the person{}.", name.en, call(&phone, ":")),
            format!("Une personne-ressource de {} peut chercher plus loin avec la personne{}.", name.fr, call(&phone, " :")),
        ),
        phone,
    }
}

/// The help line as the way on.
pub(super) fn helpline(line: &Helpline) -> HumanRoute {
    let called = if line.name == line.phone { line.name.clone() } else { format!("{} ({})", line.name, line.phone) };
    HumanRoute {
        service_id: None,
        name: line.name.clone(),
        phone: Some(line.phone.clone()),
        sentence: Sentence::new(
            format!("Call {called} and speak to somebody who knows what is there."),
            format!("Appeler {called} pour parler à quelqu’un qui connaît les ressources."),
        ),
    }
}

/// The outcome as a sentence.
pub(super) fn summary(outcome: MatchOutcome, results: &[Suggestion], unanswered: &[Unanswered], route: Option<&HumanRoute>) -> Sentence {
    let domains = unanswered.iter().filter_map(|need| need.domain.as_deref()).map(domain_name).collect::<Vec<_>>();
    let listed_en = domains.iter().map(|name| format!("“{}”", name.en)).collect::<Vec<_>>().join(", ");
    let listed_fr = domains.iter().map(|name| format!("« {} »", name.fr)).collect::<Vec<_>>().join(", ");
    let (for_en, for_fr) =
        if domains.is_empty() { (String::new(), String::new()) } else { (format!(" for {listed_en}"), format!(" pour {listed_fr}")) };
    let way_on = route
        .map_or_else(|| Sentence::new("", ""), |route| Sentence::new(format!(" {}", route.sentence.en), format!(" {}", route.sentence.fr)));
    match (outcome, results.len()) {
        (MatchOutcome::Suggested, 1) => Sentence::new("One service fits.", "Un service convient."),
        (MatchOutcome::Suggested, count) => Sentence::new(format!("{count} services fit."), format!("{count} services conviennent.")),
        (MatchOutcome::SomeUnanswered | MatchOutcome::NothingSuitable, _) => Sentence::new(
            format!("No suitable service was found{for_en}.{}", way_on.en),
            format!("Aucun service qui convienne n’a été trouvé{for_fr}.{}", way_on.fr),
        ),
    }
}
