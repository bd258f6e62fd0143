//! The second stage: how well a service fits, by one criterion at a time, each 0 to 1.
//!
//! A criterion that cannot tell says so, and counts its neutral value: not known is never no.

mod fit;
pub(super) mod practical;
pub(super) mod supply;

use super::candidate::Candidate;
use super::finding::Finding;
use super::subject::{Answer, Subject};
use super::weights::{CRITERIA, Criterion};

/// What a criterion says of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement<'a> {
    /// 0 to 1; `None` where it cannot tell.
    pub(super) value: Option<f64>,
    pub(super) finding: Finding<'a>,
}

impl<'a> Judgement<'a> {
    const fn known(value: f64, finding: Finding<'a>) -> Self {
        Self { value: Some(value), finding }
    }

    const fn unknown(finding: Finding<'a>) -> Self {
        Self { value: None, finding }
    }
}

/// Parts of 1 in which contributions are counted: whole numbers, so that they add up to the score exactly.
pub(super) const UNIT: f64 = 10_000.0;

/// One criterion's part in a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part<'a> {
    pub(super) criterion: Criterion,
    /// Its share of the whole, 0 to 1.
    pub(super) share: f64,
    pub(super) judgement: Judgement<'a>,
    /// Value or neutral value.
    pub(super) value: f64,
    /// Share times value, in [`UNIT`]s, rounded down: the sum of all then cannot exceed 1.
    pub(super) units: u32,
}

/// The parts of a service's score, of every criterion that has a say.
pub(super) fn parts<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>, answer: Option<&Answer<'a>>) -> impl Iterator<Item = Part<'a>> {
    let mut units = [None; CRITERIA];
    for (part, &criterion) in units.iter_mut().zip(Criterion::ALL) {
        let share = subject.share(criterion);
        if share > 0.0 {
            let judgement = judge(subject, candidate, answer, criterion);
            let value = judgement.value.unwrap_or_else(|| subject.weights.neutral.of(criterion)).clamp(0.0, 1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10,000")]
            let units = (share * value * UNIT).floor() as u32;
            *part = Some(Part { criterion, share, judgement, value, units });
        }
    }
    units.into_iter().flatten()
}

fn judge<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>, answer: Option<&Answer<'a>>, criterion: Criterion) -> Judgement<'a> {
    match criterion {
        Criterion::Need => fit::need(subject, answer),
        Criterion::Text => fit::text(candidate),
        Criterion::Eligibility => fit::eligibility(subject, candidate),
        Criterion::Reach => practical::reach(subject, candidate),
        Criterion::Language => practical::language(subject, candidate),
        Criterion::Cost => practical::cost(subject, candidate),
        Criterion::Hours => practical::hours(subject, candidate),
        Criterion::Mode => practical::mode(subject, candidate),
        Criterion::Accessibility => practical::accessibility(subject, candidate),
        Criterion::Culture => fit::culture(subject, candidate),
        Criterion::Interests => fit::interests(subject, candidate),
        Criterion::Capacity => supply::capacity(subject, candidate),
        Criterion::Freshness => supply::freshness(subject, candidate),
        Criterion::TrackRecord => supply::track_record(subject, candidate),
    }
}
