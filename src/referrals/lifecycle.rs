//! The state machine of a referral, as a table.
//!
//! The statuses are those of FHIR Task (R4, `Task.status`) that a referral can have; the finer local word is `business_status`.

use crate::text_enum;

text_enum! {
    /// Where a referral stands.
    pub enum ReferralStatus {
        /// Being written; only the requester sees it.
        Draft = "draft",
        /// Sent to the performer.
        Requested = "requested",
        /// The performer has it and has not decided.
        Received = "received",
        /// The performer will do it.
        Accepted = "accepted",
        /// The performer will not do it.
        Rejected = "rejected",
        /// The performer is at it.
        InProgress = "in_progress",
        /// The performer waits for something.
        OnHold = "on_hold",
        /// Done, with an outcome.
        Completed = "completed",
        /// Tried, and could not be done.
        Failed = "failed",
        /// Called off.
        Cancelled = "cancelled",
        /// It should never have been.
        EnteredInError = "entered_in_error",
    }
}

impl ReferralStatus {
    /// True where nothing but a correction can follow.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Completed | Self::Failed | Self::Cancelled | Self::EnteredInError)
    }

    /// True where it has ended and was not done.
    pub const fn is_in_vain(self) -> bool {
        self.is_final() && !matches!(self, Self::Completed)
    }

    /// True where the performer has it before them.
    pub const fn is_open(self) -> bool {
        !self.is_final() && !matches!(self, Self::Draft)
    }

    /// True where the performer takes the person on by entering: it must see them, for nobody is taken on who does not agree.
    pub const fn takes_on(self) -> bool {
        matches!(self, Self::Accepted | Self::InProgress)
    }

    /// True where a coded reason must be given on entering.
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::Rejected | Self::OnHold | Self::Failed | Self::Cancelled)
    }

    /// True where a reason can be given on entering.
    pub const fn takes_reason(self) -> bool {
        self.needs_reason() || matches!(self, Self::EnteredInError)
    }

    /// True where an outcome must be given on entering.
    pub const fn needs_outcome(self) -> bool {
        matches!(self, Self::Completed)
    }
}

text_enum! {
    /// A side of a referral.
    pub enum Party {
        /// The organization that asks.
        Requester = "requester",
        /// The organization that is asked.
        Performer = "performer",
    }
}

/// Who may take a referral from one status to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Before.
    pub from: ReferralStatus,
    /// After.
    pub to: ReferralStatus,
    /// Who may.
    pub by: &'static [Party],
}

const REQUESTER: &[Party] = &[Party::Requester];
const PERFORMER: &[Party] = &[Party::Performer];
const BOTH: &[Party] = &[Party::Requester, Party::Performer];

const fn step(from: ReferralStatus, to: ReferralStatus, by: &'static [Party]) -> Step {
    Step { from, to, by }
}

/// Every step there is. What is not here cannot happen.
pub const STEPS: &[Step] = {
    use ReferralStatus::{
        Accepted, Cancelled, Completed, Draft, EnteredInError, Failed, InProgress, OnHold, Received, Rejected, Requested,
    };
    &[
        step(Draft, Requested, REQUESTER),
        step(Draft, Cancelled, REQUESTER),
        step(Requested, Received, PERFORMER),
        step(Requested, Accepted, PERFORMER),
        step(Requested, Rejected, PERFORMER),
        step(Received, Accepted, PERFORMER),
        step(Received, Rejected, PERFORMER),
        step(Received, OnHold, PERFORMER),
        step(Accepted, InProgress, PERFORMER),
        step(Accepted, OnHold, PERFORMER),
        step(Accepted, Completed, PERFORMER),
        step(Accepted, Failed, PERFORMER),
        step(Accepted, Rejected, PERFORMER),
        step(InProgress, OnHold, PERFORMER),
        step(OnHold, InProgress, PERFORMER),
        step(OnHold, Received, PERFORMER),
        step(OnHold, Accepted, PERFORMER),
        step(InProgress, Completed, PERFORMER),
        step(InProgress, Failed, PERFORMER),
        step(OnHold, Completed, PERFORMER),
        step(OnHold, Failed, PERFORMER),
        step(Requested, Cancelled, BOTH),
        step(Received, Cancelled, BOTH),
        step(Accepted, Cancelled, BOTH),
        step(InProgress, Cancelled, BOTH),
        step(OnHold, Cancelled, BOTH),
        step(Requested, EnteredInError, REQUESTER),
        step(Received, EnteredInError, REQUESTER),
        step(Accepted, EnteredInError, REQUESTER),
        step(Rejected, EnteredInError, REQUESTER),
        step(InProgress, EnteredInError, REQUESTER),
        step(OnHold, EnteredInError, REQUESTER),
        step(Completed, EnteredInError, REQUESTER),
        step(Failed, EnteredInError, REQUESTER),
        step(Cancelled, EnteredInError, REQUESTER),
    ]
};

/// The step from one status to another, if there is one.
pub fn find_step(from: ReferralStatus, to: ReferralStatus) -> Option<&'static Step> {
    STEPS.iter().find(|step| step.from == from && step.to == to)
}

/// The statuses to which one of these parties may take a referral from one, in the order of the table.
pub fn steps_of(from: ReferralStatus, parties: &[Party]) -> impl Iterator<Item = ReferralStatus> {
    let may = move |step: &&Step| step.from == from && step.by.iter().any(|party| parties.contains(party));
    STEPS.iter().filter(may).map(|step| step.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_status() -> impl Strategy<Value = ReferralStatus> {
        proptest::sample::select(ReferralStatus::ALL)
    }

    proptest! {
        #[test]
        fn no_sequence_of_wishes_leaves_the_table(wishes in proptest::collection::vec((any_status(), any::<bool>()), 0..60)) {
            let mut status = ReferralStatus::Draft;
            for (wish, by_requester) in wishes {
                let party = if by_requester { Party::Requester } else { Party::Performer };
                if let Some(step) = find_step(status, wish).filter(|step| step.by.contains(&party)) {
                    prop_assert!(!status.is_final() || wish == ReferralStatus::EnteredInError);
                    prop_assert_ne!(step.to, ReferralStatus::Draft);
                    prop_assert!(status != ReferralStatus::Draft || party == Party::Requester);
                    status = step.to;
                }
            }
        }
    }

    #[test]
    fn every_status_but_draft_is_reached_and_none_is_a_trap_before_its_end() {
        for status in ReferralStatus::ALL {
            let is_reached = *status == ReferralStatus::Draft || STEPS.iter().any(|step| step.to == *status);
            assert!(is_reached, "{status} is never reached");
            let goes_on = STEPS.iter().any(|step| step.from == *status);
            assert!(goes_on || *status == ReferralStatus::EnteredInError, "{status} is a trap");
        }
    }

    #[test]
    fn no_step_is_listed_twice() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS.iter().skip(index + 1).all(|other| (other.from, other.to) != (step.from, step.to)), "{step:?}");
        }
    }
}
