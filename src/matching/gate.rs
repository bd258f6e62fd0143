//! The first stage: what rules a service out for this person, certainly.
//!
//! Each gate answers one of three things. Only a fact that is known of the service *and* of the person closes a gate; what is
//! not known lets the service through and is left for the link worker to check.

use super::candidate::Candidate;
use super::facts::{
    Known, LanguageFit, any_of, belongs, can_use, common_minutes, fits_age, genders_are, is_affordable, is_near_stop, language_fit, modes,
};
use super::person::{AvoidReason, MustHave};
use super::place::{Served, at_least_away, is_provinces_away, served};
use super::remark::{Check, Exclusion};
use super::subject::Subject;
use super::words::shared_code;
use crate::services::model::{AreaKind, CapacityStatus, ServiceKind, ServiceStatus};
use crate::text::bare;
use crate::types::DeliveryMode;

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict<'a> {
    /// The rule is met, or there is none.
    Open,
    /// There is a rule, and whether the person meets it is not known.
    Unclear(Check<'a>),
    /// The person does not meet it.
    Closed(Exclusion<'a>),
}

/// A rule that lets a person through to a service, or does not.
pub(super) type Gate = for<'a> fn(&Subject<'a>, &Candidate<'a>) -> Verdict<'a>;

/// Every gate, the cheapest first.
pub(super) const GATES: &[Gate] = &[
    runs,
    has_capacity,
    is_not_avoided,
    age,
    gender,
    population,
    coverage,
    language,
    mode,
    budget,
    childcare,
    diet,
    area,
    reach,
    stop,
    hours,
    safety,
];

/// The first gate that is closed.
pub(super) fn first_closed<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Option<Exclusion<'a>> {
    all_closed(subject, candidate).next()
}

/// Every gate that is closed.
pub(super) fn all_closed<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> impl Iterator<Item = Exclusion<'a>> {
    GATES.iter().filter_map(|gate| match gate(subject, candidate) {
        Verdict::Closed(exclusion) => Some(exclusion),
        Verdict::Open | Verdict::Unclear(_) => None,
    })
}

/// What the gates that are not certainly open leave to be checked.
pub(super) fn checks<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> impl Iterator<Item = Check<'a>> {
    GATES.iter().filter_map(|gate| match gate(subject, candidate) {
        Verdict::Unclear(check) => Some(check),
        Verdict::Open | Verdict::Closed(_) => None,
    })
}

/// The verdict on a rule of which this is known.
fn verdict<'a>(fact: Known, check: Check<'a>, exclusion: Exclusion<'a>) -> Verdict<'a> {
    match fact {
        Known::Yes => Verdict::Open,
        Known::Unknown => Verdict::Unclear(check),
        Known::No => Verdict::Closed(exclusion),
    }
}

/// The verdict on something the person may have called indispensable.
fn must_have<'a>(subject: &Subject<'_>, what: MustHave, fact: impl FnOnce() -> Known) -> Verdict<'a> {
    if subject.person.must_have(what) { verdict(fact(), Check::MustHave(what), Exclusion::MustHave(what)) } else { Verdict::Open }
}

fn runs<'a>(_: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let service = candidate.service;
    // A park or a public telephone takes no referrals and can be suggested; an urgent care centre cannot.
    let needs_no_referral = matches!(service.kind, ServiceKind::Asset | ServiceKind::AccessPoint);
    if service.status != ServiceStatus::Active {
        Verdict::Closed(Exclusion::NotRunning(service.status))
    } else if service.accepts_referrals == Some(false) && !needs_no_referral {
        Verdict::Closed(Exclusion::TakesNoReferrals)
    } else {
        Verdict::Open
    }
}

/// A service that says it takes nobody is left out. A full one is not: it ranks low, with a warning.
fn has_capacity<'a>(_: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let is_closed = candidate.capacity.is_some_and(|capacity| capacity.status == CapacityStatus::Closed);
    if is_closed { Verdict::Closed(Exclusion::CapacityClosed) } else { Verdict::Open }
}

fn is_not_avoided<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let avoided = subject.person.avoid.iter().find(|avoidance| {
        avoidance.service_id == Some(candidate.id)
            || (avoidance.organization_id.is_some()
                && avoidance.organization_id == candidate.service.provider_id
                && avoidance.service_id.is_none())
    });
    match avoided.map(|avoidance| avoidance.reason) {
        None => Verdict::Open,
        Some(AvoidReason::RefusedByPerson) => Verdict::Closed(Exclusion::RefusedByPerson),
        Some(AvoidReason::RefusedByProvider) => Verdict::Closed(Exclusion::RefusedByProvider),
        Some(AvoidReason::AlreadyInUse) => Verdict::Closed(Exclusion::AlreadyInUse),
        Some(AvoidReason::AlreadyReferred) => Verdict::Closed(Exclusion::AlreadyReferred),
    }
}

pub(super) fn age<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let (min, max) = (candidate.service.eligibility.min_age, candidate.service.eligibility.max_age);
    if min.unwrap_or_default() <= 0 && max.is_none() {
        return Verdict::Open;
    }
    verdict(fits_age(subject, candidate.service), Check::Age(min, max), Exclusion::Age(min, max))
}

pub(super) fn gender<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let only = &candidate.service.eligibility.genders;
    if only.is_empty() {
        return Verdict::Open;
    }
    let fact = any_of(only.iter().map(|named| genders_are(subject.person, named)));
    verdict(fact, Check::Gender(only), Exclusion::Gender(only))
}

pub(super) fn population<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let only = &candidate.service.eligibility.populations;
    if only.is_empty() {
        return Verdict::Open;
    }
    let fact = any_of(only.iter().map(|population| belongs(subject, population)));
    verdict(fact, Check::Population(only), Exclusion::Population(only))
}

/// Directories do not say whether all of the listed coverages are asked for or one of them: one is enough to be let through.
pub(super) fn coverage<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let any = &candidate.service.eligibility.coverage_required;
    if any.is_empty() {
        return Verdict::Open;
    }
    let holds = subject.person.coverage.as_deref().map(|held| shared_code(any, held).is_some());
    verdict(Known::of(holds), Check::Coverage(any), Exclusion::Coverage(any))
}

pub(super) fn area<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let areas = &candidate.service.service_areas;
    match served(&subject.home, areas) {
        Served::Unnamed | Served::Inside => Verdict::Open,
        Served::Outside => Verdict::Closed(Exclusion::OutOfArea),
        Served::Unclear => {
            let words = areas.iter().find(|area| area.kind == AreaKind::Text);
            Verdict::Unclear(words.map_or(Check::Area, |area| Check::AreaInWords(&area.value)))
        }
    }
}

/// Beyond the farthest that the person goes, and nothing brings the service or the person nearer.
fn reach<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let service = candidate.service;
    let is_only_there = modes(service) == [DeliveryMode::InPerson] && service.attributes.transport_provided != Some(true);
    let max_km = subject.farthest_km();
    match at_least_away(&subject.home, &service.places) {
        Some(metres) if is_only_there && metres > max_km * 1_000.0 => Verdict::Closed(Exclusion::TooFar { metres, max_km }),
        None if is_only_there && max_km <= subject.weights.reach.farthest_km && is_provinces_away(&subject.home, &service.places) => {
            Verdict::Closed(Exclusion::ProvincesAway)
        }
        _ => Verdict::Open,
    }
}

fn language<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Language, || match language_fit(subject, candidate.service) {
        LanguageFit::Spoken(..) | LanguageFit::Interpreted(_) => Known::Yes,
        LanguageFit::Other => Known::No,
        LanguageFit::Unknown => Known::Unknown,
    })
}

fn mode<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Mode, || {
        let modes = modes(candidate.service);
        if modes.is_empty() { Known::Unknown } else { Known::of(Some(modes.iter().any(|mode| can_use(subject, *mode)))) }
    })
}

fn budget<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Budget, || is_affordable(subject, candidate.service))
}

fn childcare<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Childcare, || Known::of(candidate.service.attributes.childcare))
}

/// A list of diets says what is catered for, not what is refused: it opens the gate and cannot close it.
fn diet<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Diet, || {
        let is_catered = shared_code(&subject.person.dietary, &candidate.service.attributes.dietary).is_some();
        if is_catered { Known::Yes } else { Known::Unknown }
    })
}

fn stop<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Transit, || {
        let modes = modes(candidate.service);
        let needs_no_bus = modes.iter().any(|mode| *mode != DeliveryMode::InPerson && can_use(subject, *mode))
            || candidate.service.attributes.transport_provided == Some(true);
        if needs_no_bus { Known::Yes } else { is_near_stop(subject, candidate.service) }
    })
}

fn hours<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    must_have(subject, MustHave::Hours, || Known::of(common_minutes(subject, candidate.service).map(|minutes| minutes > 0)))
}

/// Words of services that bring partners or families into one room.
const JOINT_SESSIONS: &[&str] = &[
    "couples counsel",
    "couple counsel",
    "couples therap",
    "couple therap",
    "marriage counsel",
    "marital counsel",
    "marriage and family",
    "relationship counsel",
    "family mediation",
    "divorce mediation",
    "couples mediation",
    "family counsel",
    "family therap",
    "therapie de couple",
    "therapie conjugale",
    "therapie familiale",
    "counseling de couple",
    "mediation familiale",
    "mediation de couple",
];

fn speaks_of_joint_sessions(text: &str) -> bool {
    let folded = bare(text);
    JOINT_SESSIONS.iter().any(|words| folded.contains(words))
}

/// A person at risk of violence is not sent where the other may sit beside them.
fn safety<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    if subject.is_at_risk { apart(subject, candidate) } else { Verdict::Open }
}

/// Whether a service is left out without a word: whoever asks cannot know of a risk, and would be told of it by any.
pub(super) fn is_withheld(subject: &Subject<'_>, candidate: &Candidate<'_>) -> bool {
    subject.person.is_at_hidden_risk && !subject.is_at_risk && apart(subject, candidate) != Verdict::Open
}

/// Whether people come to a service without the other, or to one that says that it knows of violence.
fn apart<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Verdict<'a> {
    let service = candidate.service;
    if subject.knows_of_violence(&service.need_domains) {
        return Verdict::Open;
    }
    let labels = service.taxonomy_terms.iter().filter_map(|term| term.label.as_deref());
    let translated = service.translations.iter().filter_map(|translation| translation.name.as_deref());
    let what_it_is =
        [service.name.as_str()].into_iter().chain(service.alternate_names.iter().map(String::as_str)).chain(translated).chain(labels);
    let activities = service.attributes.activities.iter().map(String::as_str);
    if what_it_is.chain(activities).any(speaks_of_joint_sessions) {
        return Verdict::Closed(Exclusion::JointSessions);
    }
    let described =
        service.translations.iter().filter_map(|translation| translation.description.as_deref()).chain(service.description.as_deref());
    if described.into_iter().any(speaks_of_joint_sessions) { Verdict::Unclear(Check::MentionsJointSessions) } else { Verdict::Open }
}
