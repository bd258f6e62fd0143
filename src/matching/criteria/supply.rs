//! Whether the service can deliver: room, the age of what is known, how earlier referrals went.

use chrono::NaiveDate;

use super::Judgement;
use crate::matching::candidate::Candidate;
use crate::matching::finding::Finding;
use crate::matching::subject::Subject;
use crate::services::model::{Capacity, CapacityStatus};

/// The day on which an old report of room was made; `None` where the report is recent or undated.
pub(in crate::matching) fn old_report(subject: &Subject<'_>, capacity: &Capacity) -> Option<NaiveDate> {
    let reported_on = capacity.as_of?.utc().date_naive();
    let days = (subject.today - reported_on).num_days();
    (days > subject.weights.capacity.stale_days).then_some(reported_on)
}

pub(super) fn capacity<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let numbers = &subject.weights.capacity;
    let Some(capacity) = candidate.capacity else { return Judgement::unknown(Finding::RoomUnknown) };
    let (value, finding) = match capacity.standing() {
        CapacityStatus::Open => (1.0, Finding::Room),
        CapacityStatus::Waitlist => {
            let wait = f64::from(capacity.expected_wait_days.unwrap_or(30).max(0)).min(numbers.waitlist_worst_days);
            let span = numbers.waitlist_best - numbers.waitlist_worst;
            (numbers.waitlist_best - span * wait / numbers.waitlist_worst_days, Finding::Waitlist(capacity.expected_wait_days))
        }
        CapacityStatus::Full | CapacityStatus::Closed => (0.0, Finding::Full),
        CapacityStatus::Unknown => return Judgement::unknown(Finding::RoomUnknown),
    };
    if old_report(subject, capacity).is_some() {
        let neutral = subject.weights.neutral.capacity;
        return Judgement::known(f64::midpoint(value, neutral), finding);
    }
    Judgement::known(value, finding)
}

pub(super) fn freshness<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let numbers = &subject.weights.freshness;
    let Some(verified_on) = candidate.service.verification.last_verified_on else {
        return Judgement::unknown(Finding::NeverVerified);
    };
    let days = (subject.today - verified_on).num_days();
    if days <= numbers.fresh_days {
        return Judgement::known(1.0, Finding::Verified(verified_on));
    }
    if days >= numbers.stale_days {
        return Judgement::known(0.1, Finding::VerifiedLongAgo(verified_on));
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio of days")]
    let aged = (days - numbers.fresh_days) as f64 / (numbers.stale_days - numbers.fresh_days) as f64;
    Judgement::known(1.0 - 0.9 * aged, Finding::Verified(verified_on))
}

/// Half for taking people, a third for finishing with them, the rest for answering soon.
pub(super) fn track_record<'a>(subject: &Subject<'a>, candidate: &Candidate<'a>) -> Judgement<'a> {
    let numbers = &subject.weights.track_record;
    let neutral = subject.weights.neutral.track_record;
    let Some(record) = candidate.track_record else { return Judgement::unknown(Finding::NoTrackRecord) };
    let (Some(hours), Some(percent)) = (record.median_answer_hours, record.acceptance_percent) else {
        return Judgement::unknown(Finding::NoTrackRecord);
    };
    let share = |percent: i32| f64::from(percent) / 100.0;
    let days = hours as f64 / 24.0;
    let promptness = 1.0 - ((days - numbers.prompt_days) / (numbers.slow_days - numbers.prompt_days)).clamp(0.0, 1.0);
    let value = share(percent) / 2.0 + record.completion_percent.map_or(neutral, share) / 3.0 + promptness / 6.0;
    Judgement::known(value, Finding::AnsweredOthers { percent, hours })
}
