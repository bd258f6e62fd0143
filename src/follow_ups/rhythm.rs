//! When the next follow-up is due and what it is for: pure rules, of which a program sets the numbers.

use chrono::{Days, NaiveDate};

use super::model::{AttemptOutcome, FollowUpResult, NeedMet, Purpose};
use crate::organizations::model::Policies;
use crate::patients::model::NeedLevel;

/// Days from one follow-up to the next. Someone whose level nobody has judged is asked after two weeks, as for a medium one.
pub fn days_between(level: Option<NeedLevel>, policies: &Policies) -> i32 {
    match level {
        Some(NeedLevel::High) => policies.follow_up_days_high.unwrap_or(7),
        Some(NeedLevel::Medium) | None => policies.follow_up_days_medium.unwrap_or(14),
        Some(NeedLevel::Low) => policies.follow_up_days_low.unwrap_or(28),
    }
}

/// The day so many days later.
pub fn days_after(day: NaiveDate, days: i32) -> NaiveDate {
    day.checked_add_days(Days::new(u64::from(days.unsigned_abs()))).unwrap_or(NaiveDate::MAX)
}

/// The day of the first contact after acceptance: as the program promises, sooner where the requester asked for it, and never past.
pub fn first_contact_on(today: NaiveDate, asked_for: Option<NaiveDate>, policies: &Policies) -> NaiveDate {
    let promised = days_after(today, policies.first_contact_days());
    asked_for.map_or(promised, |asked| asked.min(promised)).max(today)
}

/// What the follow-up after this one is for; `None` where leave was taken.
pub fn purpose_after(purpose: Purpose, result: &FollowUpResult) -> Option<Purpose> {
    match purpose {
        Purpose::Closing => None,
        _ if !result.barriers.is_empty() => Some(Purpose::BarrierReview),
        Purpose::OutcomeReview if result.need_met == Some(NeedMet::Yes) => Some(Purpose::Closing),
        _ if result.need_met == Some(NeedMet::Yes) => Some(Purpose::OutcomeReview),
        _ => Some(Purpose::CheckIn),
    }
}

/// What is to be done next where the person could not be reached for this: what stands in the way is looked into. Nothing follows where leave
/// was to be taken.
pub const fn purpose_after_vain_attempts(purpose: Purpose) -> Option<Purpose> {
    match purpose {
        Purpose::Closing => None,
        Purpose::FirstContact | Purpose::CheckIn | Purpose::BarrierReview | Purpose::OutcomeReview => Some(Purpose::BarrierReview),
    }
}

/// Whether the attempts have run out: as many in vain, one after the other, as the program makes.
pub fn has_run_out(outcomes: &[AttemptOutcome], policies: &Policies) -> bool {
    let in_vain = outcomes.iter().rev().take_while(|outcome| outcome.is_in_vain()).count();
    i32::try_from(in_vain).unwrap_or(i32::MAX) >= policies.contact_attempts()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow_ups::model::Barrier;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn higher_needs_are_asked_after_more_often_and_a_program_sets_the_numbers() {
        let usual = Policies::default();
        let of = |level| days_between(level, &usual);
        assert_eq!((of(Some(NeedLevel::High)), of(Some(NeedLevel::Medium)), of(Some(NeedLevel::Low)), of(None)), (7, 14, 28, 14));
        assert_eq!(days_between(Some(NeedLevel::High), &Policies { follow_up_days_high: Some(3), ..usual }), 3);
    }

    #[test]
    fn what_stands_in_the_way_is_dealt_with_before_leave_is_taken() {
        let met = FollowUpResult { need_met: Some(NeedMet::Yes), ..FollowUpResult::default() };
        assert_eq!(purpose_after(Purpose::FirstContact, &FollowUpResult::default()), Some(Purpose::CheckIn));
        assert_eq!(purpose_after(Purpose::CheckIn, &met), Some(Purpose::OutcomeReview));
        assert_eq!(purpose_after(Purpose::OutcomeReview, &met), Some(Purpose::Closing));
        let hindered = FollowUpResult { barriers: vec![Barrier::Transport], ..met };
        assert_eq!(purpose_after(Purpose::OutcomeReview, &hindered), Some(Purpose::BarrierReview));
        assert_eq!(purpose_after(Purpose::Closing, &hindered), None);
    }

    #[test]
    fn an_answer_begins_the_count_of_tries_anew() {
        use AttemptOutcome::{NoAnswer, Reached, Voicemail, WrongNumber};
        let usual = Policies::default();
        assert!(!has_run_out(&[], &usual));
        assert!(has_run_out(&[NoAnswer, Voicemail, WrongNumber], &usual));
        assert!(!has_run_out(&[NoAnswer, Voicemail, Reached, NoAnswer], &usual));
        assert!(has_run_out(&[NoAnswer], &Policies { contact_attempts: Some(1), ..usual }));
    }

    proptest! {
        #[test]
        fn the_first_contact_is_never_past_nor_later_than_promised(days in 0_i32..365, asked in proptest::option::of(-400_i64..400)) {
            let today = day("2026-03-02");
            let policies = Policies { first_contact_days: Some(days), ..Policies::default() };
            let asked_for = asked.map(|offset| today + chrono::Duration::days(offset));
            let due = first_contact_on(today, asked_for, &policies);
            prop_assert!(due >= today && due <= days_after(today, days));
            prop_assert!(asked_for.is_none_or(|asked| due <= asked.max(today)));
        }

        #[test]
        fn a_chain_of_follow_ups_ends_with_leave_alone(met in proptest::collection::vec(any::<bool>(), 1..30)) {
            let mut purpose = Purpose::FirstContact;
            for met in met {
                let result = FollowUpResult { need_met: Some(if met { NeedMet::Yes } else { NeedMet::No }), ..FollowUpResult::default() };
                match purpose_after(purpose, &result) {
                    Some(next) => purpose = next,
                    None => { prop_assert_eq!(purpose, Purpose::Closing); break; }
                }
                prop_assert_ne!(purpose, Purpose::FirstContact);
            }
        }
    }
}
