//! What an entry of the journal says, in a plain sentence.

use serde_json::Value;

use crate::changes::Action;
use crate::kind::ResourceType;
use crate::types::find_domain;

/// A sentence about a change, from the resource as it then stood.
pub fn title(resource_type: ResourceType, action: Action, body: &Value) -> String {
    let what = noun(resource_type);
    if action == Action::Deleted {
        return format!("{what} was deleted.");
    }
    let is_new = action == Action::Created;
    match resource_type {
        ResourceType::Patient if action == Action::Merged => "The record was merged into another.".into(),
        ResourceType::Patient if is_new => "Registered.".into(),
        ResourceType::Patient => "The record was changed.".into(),
        ResourceType::NeedLevelAssessment => format!("Need level judged {}.", words(body, "level")),
        ResourceType::NavigatorAssignment if is_new => with_reason("A practitioner began to accompany the patient", body),
        ResourceType::NavigatorAssignment => "The accompaniment ended.".into(),
        ResourceType::Consent if has(body, "withdrawn_at") => "Consent was withdrawn.".into(),
        ResourceType::Consent if is_new => format!("Consent was given for {}.", list(body, "purposes")),
        ResourceType::Consent => "Consent was corrected.".into(),
        ResourceType::Need if is_new => format!("Need noted: {}.", domain(body)),
        ResourceType::Need => format!("Need {} is {}.", domain(body), words(body, "status")),
        ResourceType::Screening => format!("Screening {}: {}.", text(body, "instrument"), words(body, "status")),
        ResourceType::Match => "Services were suggested.".into(),
        ResourceType::UnmetNeed => format!("No service was found for {}.", domain(body)),
        ResourceType::Referral if is_new => format!("Referral made: {}.", words(body, "status")),
        ResourceType::Referral => format!("Referral is {}.", words(body, "status")),
        ResourceType::ReferralTransition => with_reason(&format!("Referral became {}", words(body, "to")), body),
        ResourceType::WaitlistEntry if is_new => "Put on the waiting list of the service.".into(),
        ResourceType::WaitlistEntry => format!("Place in the waiting list: {}.", words(body, "status")),
        ResourceType::FollowUp if is_new => format!("Follow-up planned: {}, due {}.", words(body, "purpose"), text(body, "due_on")),
        ResourceType::FollowUp => format!("Follow-up {}: {}.", words(body, "purpose"), words(body, "status")),
        ResourceType::Appointment => format!("Appointment on {}: {}.", text(body, "starts_at"), words(body, "status")),
        ResourceType::ContactAttempt => format!("Attempt to reach the patient: {}.", words(body, "outcome")),
        _ if is_new => format!("{what} was added."),
        _ => format!("{what} was changed."),
    }
}

fn noun(resource_type: ResourceType) -> String {
    let mut noun = resource_type.as_str().replace('_', " ");
    if let Some(first) = noun.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    noun
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body.get(field).and_then(Value::as_str).unwrap_or("unknown")
}

/// A code in words.
fn words(body: &Value, field: &str) -> String {
    text(body, field).replace('_', " ")
}

fn has(body: &Value, field: &str) -> bool {
    body.get(field).is_some_and(|value| !value.is_null())
}

fn list(body: &Value, field: &str) -> String {
    let items = body.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    items.map(|item| item.replace('_', " ")).collect::<Vec<_>>().join(", ")
}

fn domain(body: &Value) -> &str {
    let code = text(body, "domain");
    find_domain(code).map_or(code, |domain| domain.en)
}

/// The sentence with its reason, which is a text or an object with a code.
fn with_reason(sentence: &str, body: &Value) -> String {
    let reason = body.get("reason").and_then(|reason| reason.as_str().or_else(|| reason.get("code")?.as_str()));
    match reason {
        Some(reason) => format!("{sentence}: {}.", reason.replace('_', " ").trim_end_matches('.')),
        None => format!("{sentence}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_resource_has_a_sentence_even_without_its_fields() {
        for resource_type in ResourceType::ALL {
            for action in Action::ALL {
                let title = title(*resource_type, *action, &json!({}));
                assert!(title.ends_with('.') && title.starts_with(char::is_uppercase), "{title}");
            }
        }
    }

    #[test]
    fn sentences_say_what_happened() {
        let of = |resource_type, body| title(resource_type, Action::Created, &body);
        assert_eq!(of(ResourceType::Need, json!({ "domain": "food-insecurity" })), "Need noted: Food.");
        assert_eq!(of(ResourceType::NeedLevelAssessment, json!({ "level": "high" })), "Need level judged high.");
        assert_eq!(
            of(ResourceType::Consent, json!({ "purposes": ["referral", "care_coordination"], "withdrawn_at": null })),
            "Consent was given for referral, care coordination."
        );
        assert_eq!(
            of(ResourceType::NavigatorAssignment, json!({ "reason": "Speaks Punjabi." })),
            "A practitioner began to accompany the patient: Speaks Punjabi."
        );
        let transition = json!({ "to": "on_hold", "reason": { "code": "no_capacity" } });
        assert_eq!(of(ResourceType::ReferralTransition, transition), "Referral became on hold: no capacity.");
    }
}
