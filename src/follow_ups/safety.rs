//! Whether an attempt to reach a person kept to what makes contact safe for them. It has happened either way, so that it is recorded; whoever
//! made it learns what not to do again.

use chrono::NaiveDateTime;

use super::api::{ContactWarning, ContactWarningCode};
use super::model::{AttemptInput, AttemptOutcome, FollowUpRow};
use super::plan;
use crate::auth::Principal;
use crate::db::DbConn;
use crate::error::Result;
use crate::matching;
use crate::patients::contact::{ContactKind, ContactPoint, country};
use crate::patients::model::PatientInput;
use crate::types::DeliveryMode;

/// What an attempt did not keep to, as far as the caller sees how the person is contacted.
pub fn warnings(conn: &mut DbConn, caller: &Principal, follow_up: &FollowUpRow, input: &AttemptInput) -> Result<Vec<ContactWarning>> {
    let whom = (follow_up.patient_id, follow_up.referral_id);
    let Some(patient) = plan::shown_to(conn, caller, caller.organization_id, whom)? else { return Ok(Vec::new()) };
    if patient.content.safe_contact.is_none() && input.contact_value.is_none() {
        return Ok(Vec::new());
    }
    let zone = matching::patient::zone(conn, &patient.content, patient.organization_id)?;
    let local = zone.map(|zone| input.at.unwrap_or(caller.at).utc().with_timezone(&zone).naive_local());
    let codes = broken(&patient.content, input, local);
    Ok(codes.into_iter().map(|code| ContactWarning { code, message: message(code).into() }).collect())
}

/// The rules that an attempt at this moment, told as it was where the person lives, did not keep to. Where the moment is not known, nothing is
/// said of days and times.
fn broken(patient: &PatientInput, input: &AttemptInput, local: Option<NaiveDateTime>) -> Vec<ContactWarningCode> {
    use ContactWarningCode::{ContactNotValid, DoNotContact, NoTextMessages, NoVoicemail, OutsideSafeTimes};
    let safe = patient.safe_contact.clone().unwrap_or_default();
    let (country, value) = (country(patient.address.as_ref()), input.contact_value.as_deref());
    let tried = value.map(|value| tried(patient, value, input.mode, country)).unwrap_or_default();
    let is_over = |local: NaiveDateTime| !tried.is_empty() && tried.iter().all(|point| !point.valid.contains(local.date()));
    let is_text = input.mode == DeliveryMode::TextChat;
    let rules = [
        (NoVoicemail, safe.no_voicemail == Some(true) && input.outcome == AttemptOutcome::Voicemail && !is_text),
        (NoTextMessages, safe.no_text_messages == Some(true) && is_text),
        (DoNotContact, value.is_some_and(|value| safe.forbids_value(value, country))),
        (ContactNotValid, local.is_some_and(is_over)),
        (OutsideSafeTimes, local.is_some_and(|local| !safe.is_safe_at(local))),
    ];
    rules.into_iter().filter(|(_, is_broken)| *is_broken).map(|(code, _)| code).collect()
}

/// The entries that an attempt by this mode can have meant, by the number or address that was tried: one number may stand there for calls
/// and for text messages, with other days for each, or as the person's own and as somebody else's. Those for another use count where no
/// other is there.
fn tried<'a>(patient: &'a PatientInput, value: &str, mode: DeliveryMode, country: &str) -> Vec<&'a ContactPoint> {
    let points = patient.contact_points.iter().chain(patient.related_persons.iter().flat_map(|person| &person.contact_points));
    let (of_the_mode, others): (Vec<_>, Vec<_>) =
        points.filter(|point| point.is_written_as(value, country)).partition(|point| is_for(point.kind, mode));
    if of_the_mode.is_empty() { others } else { of_the_mode }
}

const fn is_for(kind: ContactKind, mode: DeliveryMode) -> bool {
    match kind {
        ContactKind::Phone => matches!(mode, DeliveryMode::Phone),
        ContactKind::Sms => matches!(mode, DeliveryMode::TextChat),
        ContactKind::Email => matches!(mode, DeliveryMode::Video | DeliveryMode::Online),
        ContactKind::Post | ContactKind::InPerson => matches!(mode, DeliveryMode::InPerson | DeliveryMode::HomeVisit),
    }
}

const fn message(code: ContactWarningCode) -> &'static str {
    match code {
        ContactWarningCode::NoVoicemail => "A message was left, and the person must not be left any.",
        ContactWarningCode::NoTextMessages => "A text message was sent, and the person must not be sent any.",
        ContactWarningCode::DoNotContact => "This number or address must never be used to reach the person.",
        ContactWarningCode::ContactNotValid => "The days of this number or address are over, or have not begun; it may be somebody else's.",
        ContactWarningCode::OutsideSafeTimes => "It was made at a time at which it is not safe to contact the person.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_attempt_is_held_against_every_rule_of_safe_contact() {
        let mut patient: PatientInput = serde_json::from_value(json!({
            "names": [{ "text": "Marie" }],
            "contact_points": [{ "kind": "phone", "value": "250-555-0142", "valid": { "until": "2026-02-28" } }],
            "safe_contact": {
                "no_voicemail": true, "no_text_messages": true, "do_not_contact": ["250-555-0199"],
                "safe_times": [{ "day": "monday", "from": "09:00", "until": "12:00" }],
            },
        }))
        .unwrap();
        patient.normalise();
        let monday = |hour: u32| "2026-03-02".parse::<chrono::NaiveDate>().unwrap().and_hms_opt(hour, 0, 0);
        let of = |more: serde_json::Value, local| {
            let mut input = json!({ "mode": "phone", "outcome": "no_answer" });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            broken(&patient, &serde_json::from_value(input).unwrap(), local).into_iter().map(|code| code.as_str()).collect::<Vec<_>>()
        };
        assert!(of(json!({}), monday(9)).is_empty() && of(json!({}), None).is_empty());
        assert_eq!(of(json!({}), monday(13)), ["outside_safe_times"]);
        assert_eq!(of(json!({ "outcome": "voicemail" }), monday(9)), ["no_voicemail"]);
        assert_eq!(of(json!({ "mode": "text_chat", "outcome": "voicemail" }), monday(9)), ["no_text_messages"]);
        assert_eq!(of(json!({ "contact_value": "+1 (250) 555-0199" }), monday(9)), ["do_not_contact"]);
        assert_eq!(of(json!({ "contact_value": "250 555 0142" }), monday(9)), ["contact_not_valid"]);
        assert!(of(json!({ "contact_value": "250-555-0111" }), monday(9)).is_empty());
    }

    #[test]
    fn a_number_is_held_against_all_entries_that_the_attempt_can_have_meant() {
        let over = json!({ "until": "2026-02-28" });
        let codes = |points: serde_json::Value, others: serde_json::Value, mode: &str| {
            let related = json!([{ "name": "Anaïs", "contact_points": others }]);
            let mut patient: PatientInput =
                serde_json::from_value(json!({ "names": [{ "text": "Marie" }], "contact_points": points, "related_persons": related }))
                    .unwrap();
            patient.normalise();
            let input = json!({ "mode": mode, "outcome": "no_answer", "contact_value": "250 555 0142" });
            let local = "2026-03-02".parse::<chrono::NaiveDate>().unwrap().and_hms_opt(9, 0, 0);
            broken(&patient, &serde_json::from_value(input).unwrap(), local).len()
        };
        let point = |kind: &str, valid: &serde_json::Value| json!({ "kind": kind, "value": "250-555-0142", "valid": valid });
        let stands = json!({});
        let by_kind = json!([point("sms", &over), point("phone", &stands)]);
        assert_eq!((codes(by_kind.clone(), json!([]), "phone"), codes(by_kind, json!([]), "text_chat")), (0, 1));
        let twice = json!([point("phone", &over), point("phone", &stands)]);
        assert_eq!(codes(twice, json!([]), "phone"), 0, "its days have begun anew");
        assert_eq!(codes(json!([point("phone", &over)]), json!([point("phone", &stands)]), "phone"), 0, "it is her daughter's now");
        let for_texts = json!([point("sms", &over)]);
        assert_eq!(codes(for_texts, json!([]), "phone"), 1, "no other entry is there");
        assert_eq!(codes(json!([point("phone", &over)]), json!([point("phone", &over)]), "phone"), 1);
    }
}
