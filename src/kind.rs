//! Every kind of resource: the markers of their ids, and the [`ResourceType`] under which the journal and the identifiers know them.

use crate::text_enum;

/// A marker type that an [`Id`](crate::db::types::Id) is generic over.
pub trait Kind: 'static {
    /// The kind's name in the journal.
    const RESOURCE_TYPE: ResourceType;
}

/// Declares the markers and the enum together, so that neither can lack what the other has.
macro_rules! kinds {
    ($($(#[$meta:meta])* $kind:ident = $text:tt, $id:ident;)+) => {
        text_enum! {
            /// What a resource is. Values may be added.
            pub enum ResourceType {
                $($(#[$meta])* $kind = $text,)+
            }
        }
        $(
            $(#[$meta])*
            #[derive(Debug, Clone, Copy)]
            pub enum $kind {}
            impl Kind for $kind {
                const RESOURCE_TYPE: ResourceType = ResourceType::$kind;
            }
            #[doc = concat!("The id of a ", $text, ".")]
            pub type $id = crate::db::types::Id<$kind>;
        )+
    };
}

kinds! {
    /// An organization that owns data or provides services.
    Organization = "organization", OrganizationId;
    /// A system that calls the API for an organization.
    Client = "client", ClientId;
    /// A person who acts for an organization.
    Practitioner = "practitioner", PractitionerId;
    /// A person who is helped.
    Patient = "patient", PatientId;
    /// How much support a patient needs, as somebody judged it.
    NeedLevelAssessment = "need_level_assessment", NeedLevelAssessmentId;
    /// A time during which a practitioner accompanied a patient.
    NavigatorAssignment = "navigator_assignment", NavigatorAssignmentId;
    /// A patient's permission for an organization.
    Consent = "consent", ConsentId;
    /// Something a patient lacks or wishes.
    Need = "need", NeedId;
    /// A screening questionnaire.
    Instrument = "instrument", InstrumentId;
    /// One person's answers to an instrument.
    Screening = "screening", ScreeningId;
    /// A link by which somebody who is no client answers a screening.
    ScreeningLink = "screening_link", ScreeningLinkId;
    /// A community service.
    Service = "service", ServiceId;
    /// A record of what was suggested to whom.
    Match = "match", MatchId;
    /// A request that a program or an agency help a patient.
    Referral = "referral", ReferralId;
    /// A change of a referral's status.
    ReferralTransition = "referral_transition", ReferralTransitionId;
    /// A word between a referral's requester and performer.
    ReferralMessage = "referral_message", ReferralMessageId;
    /// A link by which somebody who is no client answers a referral for its performer.
    ReferralLink = "referral_link", ReferralLinkId;
    /// Somebody's place in the waiting list of a service.
    WaitlistEntry = "waitlist_entry", WaitlistEntryId;
    /// A duty to reach a person by a date.
    FollowUp = "follow_up", FollowUpId;
    /// One try to reach a person.
    ContactAttempt = "contact_attempt", ContactAttemptId;
    /// A time at which somebody can come.
    Slot = "slot", SlotId;
    /// A place in a slot, kept for a patient.
    Appointment = "appointment", AppointmentId;
    /// A link to the calendar of a service or a practitioner.
    CalendarLink = "calendar_link", CalendarLinkId;
    /// A need that no service met.
    UnmetNeed = "unmet_need", UnmetNeedId;
    /// A change of a service that somebody suggests to its keeper.
    ServiceSuggestion = "service_suggestion", ServiceSuggestionId;
    /// A partner's directory that is pulled.
    Source = "source", SourceId;
    /// An address to which events are sent.
    WebhookEndpoint = "webhook_endpoint", WebhookEndpointId;
}
