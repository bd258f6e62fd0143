//! What the course of one referral tells of whoever was asked.

use chrono::{Duration, NaiveDate};

use crate::db::types::Instant;
use crate::kind::{OrganizationId, ReferralId};
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{BusinessStatus, ReasonCode};

/// A referral that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: ReferralId,
    /// Who asks.
    pub requester: OrganizationId,
    /// Who is asked.
    pub performer: Option<OrganizationId>,
    /// Where it stands.
    pub status: ReferralStatus,
    /// Why it stands there.
    pub reason: Option<ReasonCode>,
    /// By when the performer has to act next.
    pub due_on: Option<NaiveDate>,
    /// When it was sent.
    pub sent_at: Instant,
}

/// One of its transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The organization that took it.
    pub by: OrganizationId,
    /// The status after it.
    pub to: ReferralStatus,
    /// The finer word that came with it.
    pub word: Option<BusinessStatus>,
    /// The reason that came with it.
    pub reason: Option<ReasonCode>,
    /// When.
    pub at: Instant,
}

/// What a referral tells; nothing of what is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Course {
    /// Minutes from sending to the answer; where it is overdue, those that have passed so far.
    pub wait_minutes: Option<i64>,
    /// Whether the person was taken on.
    pub is_accepted: Option<bool>,
    /// Whether what was taken on was brought to its end.
    pub is_completed: Option<bool>,
}

/// The course of a referral by its transitions, oldest first.
///
/// An **answer** says what becomes of the request: accepted, rejected, put on hold or on a waiting list, or called off by the performer.
/// That it was received is none. One that is called off by the requester before it is answered tells nothing, nor does one that should
/// never have been. Nor does one that was loaded after it was answered, in the words of whoever loaded it: nobody knows how it came there.
/// One that has no answer though its day is past has waited until now, and counts as not accepted until it is. What ends
/// because of the person (who declined, moved, died, no longer needs it) is neither for nor against whoever was asked.
pub fn course(sent: &Sent, steps: &[Step], now: Instant) -> Course {
    use ReferralStatus::{Accepted, Cancelled, Completed, Draft, Failed, InProgress, Received, Rejected, Requested};
    let was_loaded = steps.first().is_some_and(|step| !matches!(step.to, Draft | Requested));
    if was_loaded || sent.status == ReferralStatus::EnteredInError {
        return Course::default();
    }
    let answered_at = steps.iter().find(|step| is_answer(sent, step)).map(|step| step.at);
    let is_overdue =
        answered_at.is_none() && matches!(sent.status, Requested | Received) && sent.due_on.is_some_and(|due| is_past(due, now));
    let until = answered_at.or_else(|| is_overdue.then_some(now));
    let was_accepted = steps.iter().any(|step| matches!(step.to, Accepted | InProgress));
    let by_performer = || steps.iter().rev().find(|step| step.to == Cancelled).is_some_and(|step| is_performers(sent, step));
    let is_excused = sent.reason.is_some_and(is_the_persons);
    let is_accepted = match sent.status {
        Rejected if !is_excused => Some(false),
        Cancelled if !was_accepted && !is_excused && by_performer() => Some(false),
        _ if was_accepted => Some(true),
        _ => is_overdue.then_some(false),
    };
    let is_completed = match sent.status {
        _ if is_accepted != Some(true) => None,
        Completed => Some(true),
        Failed if !is_excused => Some(false),
        Cancelled if !is_excused && by_performer() => Some(false),
        _ => None,
    };
    let wait_minutes = until.map(|until| (until.utc() - sent.sent_at.utc()).num_minutes().max(0));
    Course { wait_minutes, is_accepted, is_completed }
}

fn is_answer(sent: &Sent, step: &Step) -> bool {
    use ReferralStatus::{Accepted, Cancelled, InProgress, OnHold, Rejected};
    match step.to {
        Accepted | Rejected | InProgress | OnHold => true,
        Cancelled => is_performers(sent, step),
        _ => step.word == Some(BusinessStatus::Waitlisted),
    }
}

/// Whether the performer called it off: by what was said, else by who said it.
fn is_performers(sent: &Sent, step: &Step) -> bool {
    match step.reason {
        Some(ReasonCode::CancelledByPerformer) => true,
        Some(ReasonCode::CancelledByRequester) => false,
        _ => sent.performer == Some(step.by) && sent.performer != Some(sent.requester),
    }
}

/// Whether the reason lies with the person or the requester.
const fn is_the_persons(reason: ReasonCode) -> bool {
    use ReasonCode::{CancelledByRequester, Deceased, DidNotUnderstandProgram, Moved, NoLongerNeeded, PersonDeclined};
    matches!(reason, PersonDeclined | DidNotUnderstandProgram | NoLongerNeeded | Moved | Deceased | CancelledByRequester)
}

/// Whether a day is over wherever the performer is.
fn is_past(day: NaiveDate, now: Instant) -> bool {
    day < now.plus(-Duration::hours(12)).utc().date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReferralStatus::{Accepted, Cancelled, Completed, EnteredInError, Failed, InProgress, OnHold, Received, Rejected, Requested};

    fn at(hour: i64) -> Instant {
        "2026-03-01T00:00:00Z".parse::<Instant>().unwrap().plus(Duration::hours(hour))
    }

    fn organization(number: u128) -> OrganizationId {
        OrganizationId::from_uuid(uuid::Uuid::from_u128(number))
    }

    /// The course of a referral that takes these steps, one every ten hours, each by the performer unless it is the requester's.
    fn of(steps: &[(ReferralStatus, Option<ReasonCode>)], now: Instant) -> Course {
        let [requester, performer] = [1, 2].map(organization);
        let requesters = |to, reason| to == Requested || to == EnteredInError || reason == Some(ReasonCode::CancelledByRequester);
        let step = |(number, (to, reason)): (i64, &(ReferralStatus, Option<ReasonCode>))| {
            let by = if requesters(*to, *reason) { requester } else { performer };
            Step { by, to: *to, word: None, reason: *reason, at: at(number * 10) }
        };
        let steps: Vec<Step> = (0..).zip(steps).map(step).collect();
        let last = steps.last().unwrap();
        let sent = Sent {
            id: ReferralId::generate(),
            requester,
            performer: Some(performer),
            status: last.to,
            reason: last.reason,
            due_on: matches!(last.to, Requested | Received).then(|| "2026-03-03".parse().unwrap()),
            sent_at: at(0),
        };
        course(&sent, &steps, now)
    }

    fn told(hours: Option<i64>, is_accepted: Option<bool>, is_completed: Option<bool>) -> Course {
        Course { wait_minutes: hours.map(|hours| hours * 60), is_accepted, is_completed }
    }

    #[test]
    fn the_answer_is_what_says_what_becomes_of_it() {
        let now = at(500);
        let requested = (Requested, None);
        assert_eq!(of(&[requested, (Received, None), (Accepted, None)], now), told(Some(20), Some(true), None));
        assert_eq!(of(&[requested, (Accepted, None), (InProgress, None), (Completed, None)], now), told(Some(10), Some(true), Some(true)));
        assert_eq!(of(&[requested, (Rejected, Some(ReasonCode::NoCapacity))], now), told(Some(10), Some(false), None));
        assert_eq!(of(&[requested, (Received, None), (OnHold, Some(ReasonCode::NoCapacity))], now), told(Some(20), None, None));
        assert_eq!(of(&[requested, (Cancelled, Some(ReasonCode::CancelledByPerformer))], now), told(Some(10), Some(false), None));
    }

    #[test]
    fn what_is_accepted_and_then_refused_was_refused_and_what_fails_was_not_completed() {
        let now = at(500);
        let accepted = [(Requested, None), (Accepted, None)];
        let then = |to, reason| of(&[accepted[0], accepted[1], (to, Some(reason))], now);
        assert_eq!(then(Rejected, ReasonCode::NotEligible), told(Some(10), Some(false), None));
        assert_eq!(then(Failed, ReasonCode::UnableToContact), told(Some(10), Some(true), Some(false)));
        assert_eq!(then(Cancelled, ReasonCode::CancelledByPerformer), told(Some(10), Some(true), Some(false)));
    }

    #[test]
    fn what_lies_with_the_person_or_the_requester_is_not_held_against_anybody() {
        let now = at(500);
        let nothing = told(None, None, None);
        assert_eq!(of(&[(Requested, None), (Cancelled, Some(ReasonCode::CancelledByRequester))], now), nothing);
        assert_eq!(of(&[(Requested, None), (Accepted, None), (EnteredInError, None)], now), nothing);
        assert_eq!(of(&[(Requested, None), (Rejected, Some(ReasonCode::PersonDeclined))], now), told(Some(10), None, None));
        let moved = of(&[(Requested, None), (Accepted, None), (Failed, Some(ReasonCode::Moved))], now);
        assert_eq!(moved, told(Some(10), Some(true), None));
    }

    #[test]
    fn what_was_loaded_after_it_was_answered_tells_nothing_and_what_still_waited_all() {
        let now = at(500);
        for begin in [Received, Accepted, Rejected, InProgress, OnHold, Completed, Failed, Cancelled] {
            assert_eq!(of(&[(begin, None)], now), Course::default(), "{begin}");
            assert_eq!(of(&[(begin, None), (Completed, None)], now), Course::default(), "{begin}");
        }
        assert_eq!(of(&[(Requested, None), (Rejected, None)], now), told(Some(10), Some(false), None));
    }

    #[test]
    fn an_overdue_one_waits_until_now_and_counts_as_not_accepted_but_one_in_time_as_nothing() {
        for steps in [&[(Requested, None)][..], &[(Requested, None), (Received, None)]] {
            assert_eq!(of(steps, at(2 * 24 + 20)), told(None, None, None), "its day is not over everywhere");
            assert_eq!(of(steps, at(3 * 24 + 12)), told(Some(3 * 24 + 12), Some(false), None));
        }
    }
}
