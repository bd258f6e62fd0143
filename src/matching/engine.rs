//! One run: gate, rank, fold duplicates, explain.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::candidate::Candidate;
use super::criteria::{self, Part, UNIT};
use super::duplicates::Seen;
use super::explain;
use super::gate;
use super::person::Person;
use super::place::nearest;
use super::remark::Exclusion;
use super::report::{Excluded, ExcludedCount, HumanRoute, MatchOutcome, Suggestion, Suggestions, Unanswered, UnmetReason};
use super::subject::{Answer, Subject};
use super::weights::Weights;
use crate::db::types::Instant;
use crate::services::model::ServiceKind;

/// The version of the rules. It changes whenever the same person and directory may get another answer; the numbers have their own
/// revision in [`Weights`].
pub const MATCHING_VERSION: &str = "1.0";

/// The most services that are listed as left out.
const MOST_EXCLUDED: usize = 200;

/// A line to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Helpline {
    /// Its name.
    #[schema(example = "9-8-8 Suicide Crisis Helpline")]
    pub name: String,
    /// Its number.
    #[schema(example = "988")]
    pub phone: String,
}

impl Default for Helpline {
    /// 211 answers in every province and territory of Canada, in more than 150 languages.
    fn default() -> Self {
        Self { name: "211".into(), phone: "211".into() }
    }
}

/// What a run depends on besides the person and the directory.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The profile.
    pub weights: &'a Weights,
    /// The moment, for the age of records and the schedules in force.
    pub at: Instant,
    /// How many results are wanted.
    pub limit: usize,
    /// Whether to list what was left out.
    pub include_excluded: bool,
    /// Whom to call at the last.
    pub helpline: &'a Helpline,
}

/// A service that passed the gates.
#[derive(Debug)]
pub(super) struct Scored<'a> {
    pub(super) candidate: Candidate<'a>,
    pub(super) answer: Option<Answer<'a>>,
    /// Metres to the nearest place.
    pub(super) metres: Option<f64>,
    /// The score in [`UNIT`]s.
    units: u32,
    unmet_reason: Option<UnmetReason>,
}

impl Scored<'_> {
    pub(super) fn score(&self) -> f64 {
        f64::from(self.units) / UNIT
    }
}

/// What stands against each need: why services that would answer it do not suit.
#[derive(Debug, Default)]
struct Tally {
    /// Bit n: the nth need has a suitable service. Without needs, bit 0 stands for the wish.
    answered: u64,
    /// The same for a service that has been asked already.
    referred: u64,
    reasons: BTreeMap<(usize, UnmetReason), u32>,
}

impl Tally {
    fn count(&mut self, covered: u64, reason: Option<UnmetReason>) {
        match reason {
            None => self.answered |= covered,
            Some(reason) => {
                for need in (0..u64::BITS as usize).filter(|need| covered & (1 << need) != 0) {
                    *self.reasons.entry((need, reason)).or_default() += 1;
                }
            }
        }
    }

    /// The reasons against a need, the commonest first.
    fn reasons(&self, need: usize) -> Vec<UnmetReason> {
        let mut counted: Vec<_> =
            self.reasons.iter().filter(|((index, _), _)| *index == need).map(|((_, reason), count)| (Reverse(*count), *reason)).collect();
        counted.sort_unstable();
        if counted.is_empty() { vec![UnmetReason::NoService] } else { counted.into_iter().map(|(_, reason)| reason).collect() }
    }
}

/// Ranks the candidates for the person and explains the best.
///
/// The same person, candidates, day and weights give the same answer, whatever the order of the candidates.
pub fn rank<'a>(person: &'a Person, candidates: impl IntoIterator<Item = Candidate<'a>>, setting: &Setting<'a>) -> Suggestions {
    let subject = Subject::new(person, setting.weights, setting.at);
    let (mut considered, mut tally) = (0, Tally::default());
    let (mut scored, mut excluded, mut programs) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates.into_iter().filter(|candidate| !gate::is_withheld(&subject, candidate)) {
        considered += 1;
        if candidate.service.kind == ServiceKind::Program {
            // A link worker program is whom one turns to, not what one is sent to.
            programs.push(candidate);
            continue;
        }
        let answer = subject.answer(&candidate.service.need_domains);
        let covered = answer.map_or(u64::from(subject.wanted.is_empty()), |answer| answer.covered);
        let exclusion = if subject.is_relevant(&candidate, answer.as_ref()) {
            gate::first_closed(&subject, &candidate)
        } else if subject.is_unsafe_inference(&candidate.service.need_domains) {
            Some(Exclusion::InferredForSafety)
        } else {
            continue;
        };
        if let Some(exclusion) = exclusion {
            tally.count(covered, Some(exclusion.unmet_reason()));
            tally.referred |= if exclusion == Exclusion::AlreadyReferred { covered } else { 0 };
            excluded.push((candidate, exclusion, answer.map_or(0.0, |answer| answer.value)));
            continue;
        }
        let one = score(&subject, candidate, answer);
        tally.count(covered, one.unmet_reason);
        scored.push(one);
    }
    scored.sort_unstable_by(|a, b| {
        let distance = |one: &Scored<'_>| one.metres.unwrap_or(f64::INFINITY);
        b.units.cmp(&a.units).then(distance(a).total_cmp(&distance(b))).then(a.candidate.id.cmp(&b.candidate.id))
    });
    let is_any_suitable = scored.iter().any(|one| one.unmet_reason.is_none());
    let unanswered = unanswered(&subject, &tally);
    let outcome = match (unanswered.is_empty(), is_any_suitable) {
        (true, _) => MatchOutcome::Suggested,
        (false, true) => MatchOutcome::SomeUnanswered,
        (false, false) => MatchOutcome::NothingSuitable,
    };
    let human_route = (!unanswered.is_empty()).then(|| human_route(&subject, &programs, setting.helpline));
    let results = first_of_each(&subject, &scored, setting.limit);
    Suggestions {
        rules_version: MATCHING_VERSION.into(),
        profile: format!("{}/{}", setting.weights.profile, setting.weights.revision),
        outcome,
        summary: explain::summary(outcome, &results, &unanswered, human_route.as_ref()),
        considered,
        results,
        excluded_counts: count_excluded(&excluded),
        excluded: if setting.include_excluded { list_excluded(&subject, excluded) } else { Vec::new() },
        unanswered,
        human_route,
        alerts: explain::alerts(person),
    }
}

fn score<'a>(subject: &Subject<'a>, candidate: Candidate<'a>, answer: Option<Answer<'a>>) -> Scored<'a> {
    let (mut units, mut unmet_reason) = (0, None);
    for Part { units: part, judgement, .. } in criteria::parts(subject, &candidate, answer.as_ref()) {
        units += part;
        unmet_reason = unmet_reason.or(judgement.finding.unmet_reason());
    }
    let metres = nearest(&subject.home, &candidate.service.places);
    Scored { candidate, answer, metres, units, unmet_reason }
}

/// The best record of each service, at most `limit`, with the ids of its duplicates.
///
/// Only records that rank near those shown are compared: a duplicate is like its original, and so is its score.
fn first_of_each<'a>(subject: &Subject<'a>, scored: &[Scored<'a>], limit: usize) -> Vec<Suggestion> {
    let (mut seen, mut groups): (Seen, BTreeMap<usize, (&Scored<'a>, Vec<_>)>) = (Seen::default(), BTreeMap::new());
    for (index, one) in scored.iter().take(limit * 4 + 50).enumerate() {
        let group = seen.group_of(one.candidate.service, index);
        groups.entry(group).and_modify(|(_, same_as)| same_as.push(one.candidate.id)).or_insert((one, Vec::new()));
    }
    groups.into_values().take(limit).map(|(best, same_as)| explain::suggestion(subject, best, same_as)).collect()
}

fn unanswered(subject: &Subject<'_>, tally: &Tally) -> Vec<Unanswered> {
    let domains: Vec<Option<&str>> =
        if subject.wanted.is_empty() { vec![None] } else { subject.wanted.iter().map(|wanted| Some(wanted.domain)).collect() };
    let open = domains.into_iter().enumerate().filter(|(need, _)| tally.answered & (1 << need) == 0);
    let unanswered = |(need, domain): (usize, Option<&str>)| Unanswered {
        domain: domain.map(str::to_owned),
        reasons: tally.reasons(need),
        is_referred: tally.referred & (1 << need) != 0,
    };
    open.map(unanswered).collect()
}

/// The nearest link worker program that takes the person, or has been asked to, else the help line.
fn human_route<'a>(subject: &Subject<'a>, programs: &[Candidate<'a>], helpline: &Helpline) -> HumanRoute {
    let taking = programs.iter().filter(|program| gate::all_closed(subject, program).all(|shut| shut == Exclusion::AlreadyReferred));
    let nearest_first = taking.min_by(|a, b| {
        let distance = |program: &Candidate<'a>| nearest(&subject.home, &program.service.places).unwrap_or(f64::INFINITY);
        distance(a).total_cmp(&distance(b)).then(a.id.cmp(&b.id))
    });
    nearest_first.map_or_else(|| explain::helpline(helpline), explain::program)
}

fn count_excluded(excluded: &[(Candidate<'_>, Exclusion<'_>, f64)]) -> Vec<ExcludedCount> {
    let mut counts = BTreeMap::new();
    for (_, exclusion, _) in excluded {
        *counts.entry(exclusion.remark().code).or_insert(0) += 1;
    }
    counts.into_iter().map(|(code, count)| ExcludedCount { code, count }).collect()
}

/// Those that would have answered best first, each with every reason.
fn list_excluded<'a>(subject: &Subject<'a>, mut excluded: Vec<(Candidate<'a>, Exclusion<'a>, f64)>) -> Vec<Excluded> {
    excluded.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then(a.0.id.cmp(&b.0.id)));
    let all_reasons = |(candidate, first, _): (Candidate<'a>, Exclusion<'a>, f64)| {
        let mut reasons = vec![first.remark()];
        reasons.extend(gate::all_closed(subject, &candidate).filter(|other| *other != first).map(|other| other.remark()));
        Excluded { service_id: candidate.id, name: candidate.service.name.clone(), reasons }
    };
    excluded.into_iter().take(MOST_EXCLUDED).map(all_reasons).collect()
}
