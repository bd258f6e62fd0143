//! The codes of referrals: whom they ask and where they come from, how soon, how far they are, why, and what came of them.

use super::lifecycle::ReferralStatus;
use crate::text_enum;

text_enum! {
    /// Whom a referral asks.
    pub enum ReferralKind {
        /// A link-worker program: someone will sit down with the person.
        Navigation = "navigation",
        /// An agency that gives a service.
        Service = "service",
    }
}

text_enum! {
    /// Where a referral comes from: those that Canadian programs count.
    pub enum SourceType {
        /// A provider affiliated with a health authority.
        HealthAuthority = "health_authority",
        /// A community service or agency.
        CommunityService = "community_service",
        /// A family physician or primary care clinic.
        FamilyPhysician = "family_physician",
        /// A community living organization.
        CommunityLiving = "community_living",
        /// The person themself.
        SelfReferral = "self_referral",
        /// A member of the community.
        CommunityMember = "community_member",
        /// A neighbour or friend.
        NeighbourOrFriend = "neighbour_or_friend",
        /// A relative or caregiver.
        FamilyOrCaregiver = "family_or_caregiver",
        /// A link worker, onward from a navigation referral.
        LinkWorker = "link_worker",
        /// An information line such as 211 or 811.
        InformationLine = "information_line",
        /// Something else.
        Other = "other",
    }
}

text_enum! {
    /// How soon, as FHIR Task has it.
    #[derive(Default)]
    pub enum Priority {
        /// In its turn.
        #[default]
        Routine = "routine",
        /// Before the routine ones.
        Urgent = "urgent",
        /// As soon as possible.
        Asap = "asap",
    }
}

text_enum! {
    /// How much the person is given with the referral.
    pub enum ReferralSupport {
        /// Information only.
        Information = "information",
        /// Pointed to the service.
        Signpost = "signpost",
        /// Introduced in person or on the phone.
        WarmHandoff = "warm_handoff",
        /// Referred directly.
        DirectReferral = "direct_referral",
        /// Accompanied there.
        Accompanied = "accompanied",
        /// With a booked appointment.
        Booked = "booked",
    }
}

text_enum! {
    /// How much support the person gets from the performer.
    pub enum SupportIntensity {
        /// Pointed the way, once.
        Signposting = "signposting",
        /// A few conversations.
        Brief = "brief",
        /// Accompanied for months.
        Ongoing = "ongoing",
        /// Accompanied in all that matters to them, across services.
        Holistic = "holistic",
    }
}

text_enum! {
    /// Where a referral stands within its status (FHIR `Task.businessStatus`, CA:eReC). Each goes with some statuses only: nothing is
    /// booked before it is accepted.
    pub enum BusinessStatus {
        /// Waits for triage.
        AwaitingTriage = "awaiting_triage",
        /// Waits for something from the requester.
        AwaitingInformation = "awaiting_information",
        /// Waits for the first contact with the person.
        AwaitingContact = "awaiting_contact",
        /// Waits for an appointment to be booked.
        AwaitingBooking = "awaiting_booking",
        /// Has an appointment.
        Booked = "booked",
        /// On a waiting list.
        Waitlisted = "waitlisted",
        /// The person attended.
        Attended = "attended",
        /// The person did not come.
        NoShow = "no_show",
        /// A plan has been made with the person.
        PlanMade = "plan_made",
        /// Passed on to a service.
        ReferredOn = "referred_on",
    }
}

impl BusinessStatus {
    /// The statuses of which this is a finer word.
    pub const fn statuses(self) -> &'static [ReferralStatus] {
        use ReferralStatus::{Accepted, Cancelled, Completed, Failed, InProgress, OnHold, Received, Requested};
        match self {
            Self::AwaitingTriage => &[Requested, Received],
            Self::AwaitingInformation => &[Requested, Received, Accepted, InProgress, OnHold],
            Self::AwaitingContact | Self::AwaitingBooking | Self::Booked => &[Accepted, InProgress, OnHold],
            Self::Waitlisted => &[Received, Accepted, InProgress, OnHold],
            Self::Attended | Self::PlanMade | Self::ReferredOn => &[InProgress, OnHold, Completed],
            Self::NoShow => &[Accepted, InProgress, OnHold, Failed, Cancelled],
        }
    }
}

text_enum! {
    /// Why a referral was rejected, put on hold, failed or cancelled.
    pub enum ReasonCode {
        /// No room.
        NoCapacity = "no_capacity",
        /// The person is not eligible.
        NotEligible = "not_eligible",
        /// Not what this program does.
        OutOfScope = "out_of_scope",
        /// The person lives elsewhere.
        OutOfArea = "out_of_area",
        /// Nobody speaks the person's language.
        LanguageUnavailable = "language_unavailable",
        /// Something is missing.
        MissingInformation = "missing_information",
        /// The person could not be reached.
        UnableToContact = "unable_to_contact",
        /// The person did not want it.
        PersonDeclined = "person_declined",
        /// The person did not understand what the program is.
        DidNotUnderstandProgram = "did_not_understand_program",
        /// The need has passed.
        NoLongerNeeded = "no_longer_needed",
        /// The person has moved.
        Moved = "moved",
        /// The person has died.
        Deceased = "deceased",
        /// It has run out.
        Expired = "expired",
        /// Called off by the requester.
        CancelledByRequester = "cancelled_by_requester",
        /// Called off by the performer.
        CancelledByPerformer = "cancelled_by_performer",
        /// Something else, said in words.
        Other = "other",
    }
}

text_enum! {
    /// What became of a completed referral.
    pub enum Outcome {
        /// The need is met.
        NeedMet = "need_met",
        /// Part of it is.
        PartlyMet = "partly_met",
        /// The person found help elsewhere.
        ResourcedElsewhere = "resourced_elsewhere",
        /// The person is enrolled.
        Enrolled = "enrolled",
        /// The person attended.
        Attended = "attended",
        /// Information was given and that was all.
        InformationOnly = "information_only",
        /// The need is not met.
        NotMet = "not_met",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

text_enum! {
    /// Who chose the service or program.
    pub enum ChosenBy {
        /// The person.
        Person = "person",
        /// The person with their worker.
        Together = "together",
        /// The referring professional.
        Professional = "professional",
        /// A relative or caregiver.
        Caregiver = "caregiver",
    }
}

text_enum! {
    /// What a person says to an offer.
    pub enum OfferDecision {
        /// Yes.
        Accepted = "accepted",
        /// No.
        Declined = "declined",
        /// Tell me more.
        MoreInformation = "more_information",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finer_word_is_of_an_open_referral_and_none_of_one_that_nobody_has() {
        use ReferralStatus::{Draft, EnteredInError, Rejected};
        for word in BusinessStatus::ALL {
            assert!(word.statuses().iter().any(|status| status.is_open()), "{word}");
            assert!(![Draft, Rejected, EnteredInError].iter().any(|status| word.statuses().contains(status)), "{word}");
        }
    }
}
