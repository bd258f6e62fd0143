//! What is kept of a suggestion, and when it can no longer be accepted.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::db::schema::service_suggestions;
use crate::db::types::{Instant, Json};
use crate::http::json::{push_token, values};
use crate::http::schema::rule;
use crate::kind::{ClientId, OrganizationId, ServiceId, ServiceSuggestionId};
use crate::text_enum;

text_enum! {
    /// What became of a suggestion.
    pub enum SuggestionStatus {
        /// Its keeper has not decided.
        Pending = "pending",
        /// The service was changed so.
        Accepted = "accepted",
        /// The service stays as it is.
        Refused = "refused",
        /// Whoever suggested it thought better of it.
        Withdrawn = "withdrawn",
    }
}

/// What is suggested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "says_something"))]
pub struct ServiceSuggestionInput {
    /// The version of the service that it is based on; where that was merged into another since, still the version of the record that it was
    /// made for.
    #[schema(minimum = 1, example = 1)]
    pub base_version: i64,
    /// What should change, as a merge patch (RFC 7396) of the fields of a service: what is absent stays, null clears. At most 5,000 values,
    /// those that stand in lists and objects counted too.
    #[schema(value_type = Object, example = json!({ "email": null }))]
    pub patch: Map<String, Value>,
    /// How the organization that suggests the change knows of it, in words.
    #[serde(default)]
    #[schema(max_length = 2_000, example = "The coordinator told us on the phone.")]
    pub reason: Option<String>,
}

/// The values of the largest patch: a page of a list has two hundred in memory, where each value may take sixty times as much as its text.
const MOST_VALUES: usize = 5_000;

fn says_something(input: &ServiceSuggestionInput) -> Result<(), ValidationError> {
    match input.patch.values().map(values).sum::<usize>() {
        0 => Err(rule("/patch", "too_few", "must change something")),
        1..=MOST_VALUES => Ok(()),
        _ => Err(rule("/patch", "too_many", format!("must have at most {MOST_VALUES} values"))),
    }
}

/// A row of the table `service_suggestions`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = service_suggestions, treat_none_as_default_value = false)]
pub struct SuggestionRow {
    /// Its id.
    pub id: ServiceSuggestionId,
    /// Which service should change.
    pub service_id: ServiceId,
    /// The organization that suggests it.
    pub organization_id: OrganizationId,
    /// The client that wrote it.
    pub client_id: ClientId,
    /// The organization that kept the record then, and decides.
    pub keeper_id: OrganizationId,
    /// What became of it.
    pub status: SuggestionStatus,
    /// What is suggested.
    pub content: Json<ServiceSuggestionInput>,
    /// What was said with the decision.
    pub decision_note: Option<String>,
    /// When it was decided.
    pub decided_at: Option<Instant>,
    /// The version of the service that came of it.
    pub applied_version: Option<i64>,
    /// Version, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// Where a patch would overwrite what was changed meanwhile: pointers to the members of which `base` and `current` say different things,
/// neither being what the patch says.
pub fn overtaken(base: &Value, current: &Value, patch: &Map<String, Value>) -> Vec<String> {
    let mut pointers = Vec::new();
    collect(base, current, patch, &mut String::new(), &mut pointers);
    pointers
}

fn collect(base: &Value, current: &Value, patch: &Map<String, Value>, pointer: &mut String, pointers: &mut Vec<String>) {
    let member = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_default();
    for (name, wanted) in patch {
        let (was, is) = (member(base, name), member(current, name));
        let length = pointer.len();
        push_token(pointer, name);
        match wanted {
            Value::Object(inner) if was.is_object() && is.is_object() => collect(&was, &is, inner, pointer, pointers),
            _ if was != is && is != *wanted => pointers.push(pointer.clone()),
            _ => {}
        }
        pointer.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_is_overtaken_where_somebody_else_changed_the_same_otherwise() {
        let base = json!({ "name": "a", "email": "x", "cost": { "kind": "free", "note": "n" }, "phones": [1] });
        let told = |current: Value, patch: Value| overtaken(&base, &current, patch.as_object().unwrap());
        let with = |name: &str, value: Value| {
            let mut changed = base.clone();
            changed[name] = value;
            changed
        };
        assert_eq!(told(base.clone(), json!({ "name": "b", "email": null })), [""; 0]);
        assert_eq!(told(with("name", json!("c")), json!({ "name": "b" })), ["/name"]);
        assert_eq!(told(with("name", json!("b")), json!({ "name": "b" })), [""; 0], "it says so already");
        assert_eq!(told(with("name", json!("c")), json!({ "email": null })), [""; 0], "another field");
        assert_eq!(told(with("email", json!("y")), json!({ "email": null })), ["/email"]);
        assert_eq!(told(with("cost", json!({ "kind": "fee", "note": "n" })), json!({ "cost": { "note": "m" } })), [""; 0]);
        assert_eq!(told(with("cost", json!({ "kind": "fee", "note": "n" })), json!({ "cost": { "kind": "donation" } })), ["/cost/kind"]);
        assert_eq!(told(with("cost", Value::Null), json!({ "cost": { "kind": "donation" } })), ["/cost"]);
    }
}
