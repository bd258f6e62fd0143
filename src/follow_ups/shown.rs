//! Which of the needs that a follow-up names somebody sees: all of its own organization's, and of others' what is seen of the patient's
//! needs.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::FollowUp;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::kind::NeedId;
use crate::needs;
use crate::types::find_domain;

/// Where a body names the domains of needs that came up.
const DOMAINS: &str = "/result/new_needs";
/// Where it names the needs that were raised.
const IDS: &str = "/new_need_ids";

/// A follow-up as the caller sees it.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut follow_up: FollowUp) -> Result<FollowUp> {
    let mut none = Vec::new();
    let domains = follow_up.result.as_mut().map_or(&mut none, |result| &mut result.new_needs);
    let ids = &mut follow_up.new_need_ids;
    if follow_up.organization_id != caller.organization_id && !(domains.is_empty() && ids.is_empty()) {
        let seen = sight::in_referral(conn, caller, follow_up.content.patient_id, follow_up.content.referral_id)?;
        narrow(conn, seen.unwrap_or(Categories::SUMMARY), domains, ids)?;
    }
    Ok(follow_up)
}

/// A follow-up as the journal keeps it, as somebody sees it who sees these categories of the patient.
pub fn recorded(conn: &mut DbConn, mut body: Value, seen: Categories) -> Result<Value> {
    let (mut domains, mut ids) = (list::<String>(&body, DOMAINS)?, list::<NeedId>(&body, IDS)?);
    narrow(conn, seen, &mut domains, &mut ids)?;
    for (pointer, left) in [(DOMAINS, json!(domains)), (IDS, json!(ids))] {
        if let Some(place) = body.pointer_mut(pointer) {
            *place = left;
        }
    }
    Ok(body)
}

/// Whether a follow-up, as the journal keeps it, names needs.
pub fn names_needs(body: &Value) -> bool {
    [DOMAINS, IDS].iter().any(|pointer| body.pointer(pointer).and_then(Value::as_array).is_some_and(|list| !list.is_empty()))
}

fn list<T: DeserializeOwned>(body: &Value, pointer: &str) -> Result<Vec<T>> {
    body.pointer(pointer).map_or(Ok(Vec::new()), |list| serde_json::from_value(list.clone())).map_err(Error::internal)
}

/// Leaves what is seen with these categories. A need that is called sensitive today is hidden by whatever named it.
fn narrow(conn: &mut DbConn, seen: Categories, domains: &mut Vec<String>, ids: &mut Vec<NeedId>) -> Result<()> {
    if !seen.contains(DataCategory::Needs) {
        domains.clear();
        ids.clear();
    } else if !seen.contains(DataCategory::Sensitive) {
        let hidden = needs::repository::sensitive_among(conn, ids)?;
        let is_hidden = |domain: &String| hidden.iter().any(|(_, of)| of == domain);
        ids.retain(|id| hidden.iter().all(|(hidden, _)| hidden != id));
        domains.retain(|domain| !is_hidden(domain) && !find_domain(domain).is_some_and(|domain| domain.is_sensitive));
    }
    Ok(())
}
