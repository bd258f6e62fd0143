//! Which events there are, and which of them an entry of the journal is.
//!
//! Every entry is an event of its own name, `patient.created`. Some are more: a service that has a place again, a referral that arrives.
//! What only time brings about, a date that has passed, is no entry; see [`due`](super::due).

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use crate::changes::{Action, Entry};
use crate::error::{Error, Result};
use crate::kind::ResourceType;
use crate::services::model::{Capacity, CapacityStatus};
use crate::text_enum;

/// Declares the events with what each means, which the document tells as well.
macro_rules! events {
    ($(#[doc = $doc:literal] $name:ident = $text:tt,)+) => {
        text_enum! {
            /// What happened. Values may be added.
            pub enum WebhookEventType {
                $(#[doc = $doc] $name = $text,)+
            }
        }

        impl WebhookEventType {
            /// What happened, in a sentence.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_ascii_start(),)+ }
            }
        }
    };
}

events! {
    /// An organization was made.
    OrganizationCreated = "organization.created",
    /// An organization was changed.
    OrganizationUpdated = "organization.updated",
    /// An organization was deleted.
    OrganizationDeleted = "organization.deleted",
    /// A practitioner was added.
    PractitionerCreated = "practitioner.created",
    /// A practitioner was changed.
    PractitionerUpdated = "practitioner.updated",
    /// A practitioner was deleted.
    PractitionerDeleted = "practitioner.deleted",
    /// A patient was registered.
    PatientCreated = "patient.created",
    /// A patient was changed.
    PatientUpdated = "patient.updated",
    /// A patient was deleted.
    PatientDeleted = "patient.deleted",
    /// A patient was merged into another.
    PatientMerged = "patient.merged",
    /// What the client sees of a patient has changed or ended. Nothing more is said: read anew what you hold, and forget what is not found.
    PatientReset = "patient.reset",
    /// How a patient stands whom the client sees after `patient.reset`. `GET /v1/changes?patient_id=…` tells all else of them from its beginning.
    PatientSnapshot = "patient.snapshot",
    /// Somebody judged how much support a patient needs.
    NeedLevelAssessmentCreated = "need_level_assessment.created",
    /// A practitioner began to accompany a patient.
    NavigatorAssignmentCreated = "navigator_assignment.created",
    /// A practitioner's accompaniment of a patient changed or ended.
    NavigatorAssignmentUpdated = "navigator_assignment.updated",
    /// A consent was recorded.
    ConsentCreated = "consent.created",
    /// A consent was corrected or withdrawn.
    ConsentUpdated = "consent.updated",
    /// A consent was deleted.
    ConsentDeleted = "consent.deleted",
    /// The moment from which a consent holds has come.
    ConsentBegan = "consent.began",
    /// The moment until which a consent held has come.
    ConsentExpired = "consent.expired",
    /// A need was noted.
    NeedCreated = "need.created",
    /// A need was changed.
    NeedUpdated = "need.updated",
    /// A need was deleted.
    NeedDeleted = "need.deleted",
    /// An instrument was loaded.
    InstrumentCreated = "instrument.created",
    /// An instrument was changed.
    InstrumentUpdated = "instrument.updated",
    /// An instrument was deleted.
    InstrumentDeleted = "instrument.deleted",
    /// A screening was recorded.
    ScreeningCreated = "screening.created",
    /// A screening was changed, completed or retracted.
    ScreeningUpdated = "screening.updated",
    /// A screening was deleted.
    ScreeningDeleted = "screening.deleted",
    /// An answer of a screening must be acted on at once, also where the person gave it by a link, with nobody beside them.
    ScreeningSafetyAlert = "screening.safety_alert",
    /// A link to a draft of a screening was made.
    ScreeningLinkCreated = "screening_link.created",
    /// A link to a draft of a screening was revoked.
    ScreeningLinkUpdated = "screening_link.updated",
    /// A service was added to the directory.
    ServiceCreated = "service.created",
    /// A service was changed, or stands by itself again after it was merged into another.
    ServiceUpdated = "service.updated",
    /// A service was deleted.
    ServiceDeleted = "service.deleted",
    /// A service is a duplicate and was merged into another, or its source has said something new of it since.
    ServiceMerged = "service.merged",
    /// A service's provider said anew how much room it has, or somebody took a place that was offered. Who waits is no part of it.
    ServiceCapacityChanged = "service.capacity_changed",
    /// A service that had no place has one again. Where people stand on its list, `capacity.held` says how many places are kept for them.
    ServicePlaceOpened = "service.place_opened",
    /// Services were suggested for a patient.
    MatchCreated = "match.created",
    /// A need that no service met was reported.
    UnmetNeedCreated = "unmet_need.created",
    /// A report of an unmet need was changed.
    UnmetNeedUpdated = "unmet_need.updated",
    /// A report of an unmet need was deleted.
    UnmetNeedDeleted = "unmet_need.deleted",
    /// A referral was written, as a draft or sent at once.
    ReferralCreated = "referral.created",
    /// A referral was changed.
    ReferralUpdated = "referral.updated",
    /// A draft of a referral was deleted.
    ReferralDeleted = "referral.deleted",
    /// A referral was sent: the performer is asked.
    ReferralRequested = "referral.requested",
    /// A referral went from one status to another.
    ReferralStatusChanged = "referral.status_changed",
    /// One side of a referral wrote to the other.
    ReferralMessagePosted = "referral.message_posted",
    /// A referral goes to another service than those that the endpoint asks for. Remove it, and all that you hold with its `referral_id`.
    ReferralLeft = "referral.left",
    /// The day by which the performer should have acted on a referral has passed.
    ReferralOverdue = "referral.overdue",
    /// A referral's status, or what is said of it, was changed.
    ReferralTransitionCreated = "referral_transition.created",
    /// A message in a referral was written.
    ReferralMessageCreated = "referral_message.created",
    /// A message in a referral was read by the other side.
    ReferralMessageUpdated = "referral_message.updated",
    /// A link by which a referral is answered was made.
    ReferralLinkCreated = "referral_link.created",
    /// A link by which a referral is answered was revoked.
    ReferralLinkUpdated = "referral_link.updated",
    /// A referral was put on the waiting list of its service.
    WaitlistEntryCreated = "waitlist_entry.created",
    /// A place in a waiting list was changed: offered, accepted, declined, expired, left, passed over, or what is said of it.
    WaitlistEntryUpdated = "waitlist_entry.updated",
    /// A place at a service is offered to somebody who waits, for a time.
    WaitlistEntryOffered = "waitlist_entry.offered",
    /// The time in which an offered place could be accepted has passed.
    WaitlistEntryExpired = "waitlist_entry.expired",
    /// A follow-up was planned.
    FollowUpCreated = "follow_up.created",
    /// A follow-up was changed, completed or cancelled.
    FollowUpUpdated = "follow_up.updated",
    /// A follow-up was deleted.
    FollowUpDeleted = "follow_up.deleted",
    /// The day of an open follow-up has come.
    FollowUpDue = "follow_up.due",
    /// The day of an open follow-up has passed.
    FollowUpOverdue = "follow_up.overdue",
    /// Somebody tried to reach a person.
    ContactAttemptCreated = "contact_attempt.created",
    /// Somebody suggested a change of a service to its keeper.
    ServiceSuggestionCreated = "service_suggestion.created",
    /// A suggestion was accepted, refused or withdrawn.
    ServiceSuggestionUpdated = "service_suggestion.updated",
    /// A source of the directory was made.
    SourceCreated = "source.created",
    /// A source of the directory was changed.
    SourceUpdated = "source.updated",
    /// A source of the directory was deleted.
    SourceDeleted = "source.deleted",
    /// A slot was published.
    SlotCreated = "slot.created",
    /// A slot was changed, closed or opened again.
    SlotUpdated = "slot.updated",
    /// A slot was deleted.
    SlotDeleted = "slot.deleted",
    /// An appointment was booked, or a place held.
    AppointmentCreated = "appointment.created",
    /// An appointment was confirmed, moved, cancelled or changed; the person came or did not; or a hold ran out.
    AppointmentUpdated = "appointment.updated",
    /// An appointment that was made by mistake was deleted.
    AppointmentDeleted = "appointment.deleted",
    /// A link to a calendar was made.
    CalendarLinkCreated = "calendar_link.created",
    /// A link to a calendar was revoked.
    CalendarLinkUpdated = "calendar_link.updated",
    /// A webhook endpoint was made.
    WebhookEndpointCreated = "webhook_endpoint.created",
    /// A webhook endpoint was changed, by its organization or because nothing got through.
    WebhookEndpointUpdated = "webhook_endpoint.updated",
    /// A webhook endpoint was deleted.
    WebhookEndpointDeleted = "webhook_endpoint.deleted",
}

impl WebhookEventType {
    /// The event that every entry of this kind is, whatever it says.
    pub fn named(resource_type: ResourceType, action: Action) -> Option<Self> {
        Self::from_str(&format!("{resource_type}.{action}")).ok()
    }

    /// Whether somebody did what it tells: nobody acts where a day passes, and who wrote the resource last is no part of it then, nor
    /// where it is only told what is no longer to be held.
    pub const fn is_act(self) -> bool {
        !matches!(
            self,
            Self::ReferralOverdue
                | Self::ReferralLeft
                | Self::FollowUpDue
                | Self::FollowUpOverdue
                | Self::ConsentBegan
                | Self::ConsentExpired
                | Self::PatientReset
                | Self::PatientSnapshot
        )
    }

    /// What kind of resource it is about: which scope reads it follows from that.
    pub fn resource_type(self) -> ResourceType {
        match self {
            Self::ReferralStatusChanged => ResourceType::ReferralTransition,
            Self::ReferralMessagePosted => ResourceType::ReferralMessage,
            _ => {
                let name = self.as_str().split('.').next().unwrap_or_default();
                ResourceType::from_str(name).unwrap_or(ResourceType::WebhookEndpoint)
            }
        }
    }
}

/// The events that an entry may be, before its body is looked at.
pub fn possible<B>(entry: &Entry<B>) -> impl Iterator<Item = WebhookEventType> {
    use WebhookEventType as Event;
    let more: &[Event] = match entry.resource_type {
        ResourceType::Referral => &[Event::ReferralRequested],
        ResourceType::ReferralTransition => &[Event::ReferralStatusChanged],
        ResourceType::ReferralMessage => &[Event::ReferralMessagePosted],
        ResourceType::Screening => &[Event::ScreeningSafetyAlert],
        ResourceType::Service => &[Event::ServiceCapacityChanged, Event::ServicePlaceOpened],
        ResourceType::WaitlistEntry => &[Event::WaitlistEntryOffered, Event::WaitlistEntryExpired],
        _ => &[],
    };
    Event::named(entry.resource_type, entry.action).into_iter().chain(more.iter().copied())
}

/// The events that an entry is, its own name first. `before` gives the body of the version before, and is asked only where it matters.
pub fn of(entry: &Entry, body: &Value, before: impl FnOnce() -> Result<Option<Value>>) -> Result<Vec<WebhookEventType>> {
    use WebhookEventType as Event;
    let mut events: Vec<Event> = Event::named(entry.resource_type, entry.action).into_iter().collect();
    let status = |body: &Value, field: &str| body.get(field).and_then(Value::as_str).map(str::to_owned);
    match (entry.resource_type, entry.action) {
        (ResourceType::Referral, Action::Created | Action::Updated) if status(body, "status").as_deref() == Some("requested") => {
            let was = if entry.version == 1 { None } else { before()?.and_then(|before| status(&before, "status")) };
            if was.is_none_or(|was| was == "draft") {
                events.push(Event::ReferralRequested);
            }
        }
        (ResourceType::ReferralTransition, Action::Created) => {
            let from = status(body, "from");
            if from.is_some() && from != status(body, "to") {
                events.push(Event::ReferralStatusChanged);
            }
        }
        (ResourceType::ReferralMessage, Action::Created) => events.push(Event::ReferralMessagePosted),
        (ResourceType::Screening, Action::Created | Action::Updated) if status(body, "status").as_deref() != Some("entered_in_error") => {
            let alerts = |body: &Value| body.get("safety_alerts").filter(|alerts| **alerts != Value::Array(Vec::new())).cloned();
            let is = alerts(body);
            if is.is_some() && (entry.version == 1 || is != before()?.as_ref().and_then(alerts)) {
                events.push(Event::ScreeningSafetyAlert);
            }
        }
        (ResourceType::Service, Action::Updated) => {
            let was = before()?.map(|before| rooms(&before)).unwrap_or_default();
            let is = rooms(body);
            if was != is {
                events.push(Event::ServiceCapacityChanged);
                if is.iter().any(|(key, room)| has_place(room) == Some(true) && was.get(key).and_then(has_place) == Some(false)) {
                    events.push(Event::ServicePlaceOpened);
                }
            }
        }
        (ResourceType::WaitlistEntry, Action::Updated) => {
            let is = status(body, "status");
            let event = match is.as_deref() {
                Some("offered") => Some(Event::WaitlistEntryOffered),
                Some("expired") => Some(Event::WaitlistEntryExpired),
                _ => None,
            };
            if let Some(event) = event
                && is != before()?.and_then(|before| status(&before, "status"))
            {
                events.push(event);
            }
        }
        _ => {}
    }
    Ok(events)
}

/// What an entry says of a service's rooms, by their keys, without what Kith counts of those who wait; the default one has no key. Entries
/// that were written before a field of [`Capacity`] existed say the same as those that leave it out.
fn rooms(service: &Value) -> BTreeMap<Option<String>, Capacity> {
    let read = |room: &Value| serde_json::from_value::<Capacity>(room.clone()).ok().map(|room| room.said());
    let named = service.get("capacities").and_then(Value::as_array).into_iter().flatten();
    let named = named.filter_map(|room| Some((Some(room.get("key")?.as_str()?.to_owned()), read(room.get("capacity")?)?)));
    // Where nobody has said anything, there is a default one once somebody waits for it.
    let default = service.get("capacity").and_then(read).filter(|room| !room.is_unsaid());
    default.map(|room| (None, room)).into_iter().chain(named).collect()
}

/// Whether there is room now, be it for those who wait already; `None` where nobody has said. Where only the free places were said, they
/// tell it.
fn has_place(room: &Capacity) -> Option<bool> {
    match room.status {
        CapacityStatus::Unknown => room.available.map(|free| free > 0),
        CapacityStatus::Open => Some(room.available != Some(0)),
        CapacityStatus::Waitlist => Some(room.available.is_some_and(|free| free > 0)),
        CapacityStatus::Full | CapacityStatus::Closed => Some(false),
    }
}

/// The resource that an entry's events are about, by which they are kept in order: a referral's transitions and messages are its own.
pub fn subject(entry: &Entry) -> uuid::Uuid {
    match (entry.resource_type, entry.referral_id) {
        (ResourceType::ReferralTransition | ResourceType::ReferralMessage, Some(referral)) => referral.uuid(),
        _ => entry.resource_id.uuid(),
    }
}

/// The body of an entry.
pub fn body(entry: &Entry) -> Result<Value> {
    serde_json::from_str(entry.body.get()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::types::{Id, Instant, Json};
    use serde_json::json;

    fn entry(resource_type: ResourceType, action: Action, version: i64) -> Entry {
        Entry {
            sequence: 1,
            transaction_id: 0,
            at: Instant::from_utc(chrono::DateTime::UNIX_EPOCH),
            organization_id: None,
            client_id: None,
            on_behalf_of: None,
            request_id: None,
            resource_type,
            resource_id: Id::generate(),
            owner_id: None,
            version,
            action,
            patient_id: None,
            referral_id: None,
            body: Json(serde_json::value::to_raw_value(&json!({})).unwrap()),
        }
    }

    fn told(entry: &Entry, before: Value, after: Value) -> Vec<String> {
        of(entry, &after, || Ok(Some(before))).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_event_names_a_resource_and_those_of_the_journal_their_action() {
        for event in WebhookEventType::ALL {
            let (resource, what) = event.as_str().split_once('.').unwrap();
            assert!(ResourceType::from_str(resource).is_ok(), "{event}");
            if let Ok(action) = Action::from_str(what) {
                assert_eq!(WebhookEventType::named(event.resource_type(), action), Some(*event));
            }
        }
    }

    #[test]
    fn everything_that_can_be_made_is_told_but_clients() {
        for kind in ResourceType::ALL.iter().filter(|kind| **kind != ResourceType::Client) {
            assert!(WebhookEventType::named(*kind, Action::Created).is_some(), "{kind}");
        }
    }

    #[test]
    fn a_referral_is_requested_once_when_it_is_sent() {
        let (draft, requested) = (json!({ "status": "draft" }), json!({ "status": "requested" }));
        let created = entry(ResourceType::Referral, Action::Created, 1);
        assert_eq!(told(&created, Value::Null, draft.clone()), ["referral.created"]);
        assert_eq!(told(&created, Value::Null, requested.clone()), ["referral.created", "referral.requested"]);
        // One that is loaded as it stood asks nobody.
        for status in ["received", "accepted", "completed"] {
            assert_eq!(told(&created, Value::Null, json!({ "status": status })), ["referral.created"]);
        }
        let updated = entry(ResourceType::Referral, Action::Updated, 2);
        assert_eq!(told(&updated, draft, requested.clone()), ["referral.updated", "referral.requested"]);
        assert_eq!(told(&updated, requested.clone(), requested), ["referral.updated"]);
    }

    #[test]
    fn a_screening_alerts_for_each_answer_that_must_be_acted_on() {
        let (calm, alarming) =
            (json!({ "status": "draft", "safety_alerts": [] }), json!({ "status": "draft", "safety_alerts": [{ "rule": "a" }] }));
        let worse = json!({ "status": "completed", "safety_alerts": [{ "rule": "a" }, { "rule": "b" }] });
        let alerts = |version, before: &Value, after: &Value| {
            let action = if version == 1 { Action::Created } else { Action::Updated };
            told(&entry(ResourceType::Screening, action, version), before.clone(), after.clone())
                .contains(&"screening.safety_alert".to_owned())
        };
        assert!(alerts(1, &Value::Null, &alarming) && alerts(2, &calm, &alarming) && alerts(3, &alarming, &worse));
        assert!(!alerts(1, &Value::Null, &calm) && !alerts(2, &alarming, &alarming));
        assert!(!alerts(3, &calm, &json!({ "status": "entered_in_error", "safety_alerts": [{ "rule": "a" }] })));
    }

    #[test]
    fn a_status_has_changed_where_it_is_another() {
        let made = entry(ResourceType::ReferralTransition, Action::Created, 1);
        assert_eq!(told(&made, Value::Null, json!({ "from": null, "to": "requested" })), ["referral_transition.created"]);
        assert_eq!(told(&made, Value::Null, json!({ "from": "accepted", "to": "accepted" })), ["referral_transition.created"]);
        let accepted = told(&made, Value::Null, json!({ "from": "requested", "to": "accepted" }));
        assert_eq!(accepted, ["referral_transition.created", "referral.status_changed"]);
    }

    #[test]
    fn a_place_opens_where_there_was_known_to_be_none() {
        let updated = entry(ResourceType::Service, Action::Updated, 2);
        let capacity = |status: &str, available: Option<i64>| json!({ "capacity": { "status": status, "available": available } });
        let opens = |before: Value, after: Value| told(&updated, before, after).contains(&"service.place_opened".to_owned());
        assert!(opens(capacity("full", None), capacity("open", None)));
        assert!(opens(capacity("waitlist", Some(0)), capacity("open", Some(2))));
        assert!(opens(capacity("open", Some(0)), capacity("open", Some(1))));
        assert!(!opens(capacity("open", Some(1)), capacity("open", Some(2))));
        assert!(!opens(capacity("full", None), capacity("waitlist", None)));
        assert!(opens(capacity("full", None), capacity("waitlist", Some(2))), "it is offered to those who wait");
        assert!(opens(capacity("waitlist", Some(0)), capacity("waitlist", Some(1))));
        assert!(!opens(capacity("waitlist", Some(2)), capacity("open", Some(2))));
        assert!(!opens(capacity("full", None), capacity("open", Some(0))));
        assert!(!opens(json!({ "capacity": null }), capacity("open", Some(2))));
        assert_eq!(told(&updated, capacity("open", None), capacity("open", None)), ["service.updated"]);
        let follows =
            |status: &str, available: i64| json!({ "capacity": { "status": status, "available": available, "is_status_derived": true } });
        assert!(opens(follows("full", 0), follows("open", 3)) && opens(follows("full", 0), capacity("open", Some(3))));
        assert!(opens(follows("waitlist", 0), follows("open", 3)) && opens(capacity("full", None), follows("open", 3)));
        assert!(!opens(follows("open", 1), follows("open", 3)) && !opens(follows("full", 0), follows("waitlist", 0)));
        assert!(!opens(capacity("unknown", None), follows("open", 3)));
    }

    #[test]
    fn what_is_counted_of_those_who_wait_is_no_word_of_the_room() {
        let updated = entry(ResourceType::Service, Action::Updated, 2);
        let (nobody, one) = (json!({ "status": "open", "available": 2 }), json!({ "status": "open", "available": 2, "held": 1 }));
        let counted = json!({ "held": 0, "waitlist_length": 3, "is_waitlist_counted": true });
        let said = json!({ "held": 0, "waitlist_length": 3, "is_waitlist_counted": false });
        let default = |room: &Value| json!({ "capacity": room });
        let named = |room: &Value| json!({ "capacities": [{ "key": "newcomers", "capacity": room }] });
        for service in [&default as &dyn Fn(&Value) -> Value, &named] {
            assert_eq!(told(&updated, service(&nobody), service(&one)), ["service.updated"]);
            assert_eq!(told(&updated, service(&counted), service(&said)), ["service.updated", "service.capacity_changed"]);
        }
        assert_eq!(told(&updated, default(&Value::Null), default(&counted)), ["service.updated"]);
    }
}
