//! What of a follow-up and of the attempts in it is shown to whom: all to its own organization. To another one the needs that it sees
//! among the patient's; and where the patient does not let it in, or not any more, nothing that was noted of the person: when somebody is
//! to be reached, was tried and was reached, and no more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::{ContactAttempt, FollowUp};
use super::model::{FollowUpHead, FollowUpResult};
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::http::kept::Item;
use crate::kind::{self, NeedId, OrganizationId, PatientId, ReferralId};
use crate::needs;
use crate::types::find_domain;

/// Where a body names the domains of needs that came up.
const DOMAINS: &str = "/result/new_needs";
/// Where it names the needs that were raised.
const IDS: &str = "/new_need_ids";

/// Follow-ups as the caller sees them at this moment. Those of other organizations take one look at consents and one at sensitive needs,
/// all together, and those that name needs one more for each patient and referral.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut follow_ups: Vec<FollowUp>) -> Result<Vec<FollowUp>> {
    let others = |follow_up: &&FollowUp| is_others(caller, follow_up.organization_id);
    let asked: Vec<PatientId> = follow_ups.iter().filter(others).map(|follow_up| follow_up.content.patient_id).collect();
    let shut_out = sight::shut_out_by(conn, caller, &asked)?;
    let others = follow_ups.iter_mut().filter(|follow_up| is_others(caller, follow_up.organization_id));
    let (hidden, left): (Vec<_>, Vec<_>) = others.partition(|follow_up| shut_out.contains(&follow_up.content.patient_id));
    hidden.into_iter().for_each(hide);
    let ids: Vec<NeedId> = left.iter().flat_map(|follow_up| follow_up.new_need_ids.iter().copied()).collect();
    let sensitive = needs::repository::sensitive_among(conn, &ids)?;
    let mut known: HashMap<(PatientId, Option<ReferralId>), Categories> = HashMap::new();
    for follow_up in left {
        let mut none = Vec::new();
        let domains = follow_up.result.as_mut().map_or(&mut none, |result| &mut result.new_needs);
        if domains.is_empty() && follow_up.new_need_ids.is_empty() {
            continue;
        }
        let within = (follow_up.content.patient_id, follow_up.content.referral_id);
        let seen = match known.entry(within) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                let seen = sight::in_referral(conn, caller, within.0, within.1)?;
                *place.insert(seen.unwrap_or(Categories::SUMMARY))
            }
        };
        narrow(seen, &sensitive, domains, &mut follow_up.new_need_ids);
    }
    Ok(follow_ups)
}

/// The follow-ups of a page, those of the caller's own organization whole.
pub fn items(caller: &Principal, heads: &[FollowUpHead]) -> Vec<Item<kind::FollowUp>> {
    let item = |head: &FollowUpHead| Item { id: head.id, edition: head.edition, is_whole: !is_others(caller, head.organization_id) };
    heads.iter().map(item).collect()
}

/// Attempts to reach a patient as the caller sees them at this moment.
pub fn attempts(
    conn: &mut DbConn,
    caller: &Principal,
    patient: PatientId,
    mut attempts: Vec<ContactAttempt>,
) -> Result<Vec<ContactAttempt>> {
    let is_any_others = attempts.iter().any(|attempt| is_others(caller, attempt.organization_id));
    if is_any_others && !sight::shut_out_by(conn, caller, &[patient])?.is_empty() {
        for attempt in attempts.iter_mut().filter(|attempt| is_others(caller, attempt.organization_id)) {
            attempt.content.note = None;
        }
    }
    Ok(attempts)
}

fn is_others(caller: &Principal, recorder: OrganizationId) -> bool {
    recorder != caller.organization_id
}

fn hide(follow_up: &mut FollowUp) {
    follow_up.content.note = None;
    follow_up.new_need_ids.clear();
    if let Some(result) = &mut follow_up.result {
        *result = FollowUpResult::default();
    }
    if let Some(cancellation) = &mut follow_up.cancellation {
        cancellation.text = None;
    }
}

/// A follow-up of another organization as the journal keeps it, as somebody sees it who sees these categories of the patient.
pub fn recorded(conn: &mut DbConn, mut body: Value, seen: Categories) -> Result<Value> {
    if !seen.contains(DataCategory::Summary) {
        return without_words(body);
    }
    let (mut domains, mut ids) = (list::<String>(&body, DOMAINS)?, list::<NeedId>(&body, IDS)?);
    let sensitive = needs::repository::sensitive_among(conn, &ids)?;
    narrow(seen, &sensitive, &mut domains, &mut ids);
    for (pointer, left) in [(DOMAINS, json!(domains)), (IDS, json!(ids))] {
        if let Some(place) = body.pointer_mut(pointer) {
            *place = left;
        }
    }
    Ok(body)
}

/// What [`hide`] leaves of a follow-up.
fn without_words(mut body: Value) -> Result<Value> {
    let unheard = serde_json::to_value(FollowUpResult::default()).map_err(Error::internal)?;
    for (pointer, left) in [("/note", Value::Null), ("/result", unheard), (IDS, json!([])), ("/cancellation/text", Value::Null)] {
        if let Some(place) = body.pointer_mut(pointer).filter(|place| !place.is_null()) {
            *place = left;
        }
    }
    Ok(body)
}

/// The same of an attempt; `None` where that is all of it.
pub fn recorded_attempt(mut body: Value, seen: Categories) -> Option<Value> {
    if seen.contains(DataCategory::Summary) {
        return None;
    }
    *body.get_mut("note")? = Value::Null;
    Some(body)
}

/// Whether a follow-up, as the journal keeps it, names needs.
pub fn names_needs(body: &Value) -> bool {
    [DOMAINS, IDS].iter().any(|pointer| body.pointer(pointer).and_then(Value::as_array).is_some_and(|list| !list.is_empty()))
}

fn list<T: DeserializeOwned>(body: &Value, pointer: &str) -> Result<Vec<T>> {
    body.pointer(pointer).map_or(Ok(Vec::new()), |list| serde_json::from_value(list.clone())).map_err(Error::internal)
}

/// Leaves what is seen with these categories. A need that is called sensitive today, which is told of these and maybe of others, is hidden
/// by whatever named it.
fn narrow(seen: Categories, sensitive: &[(NeedId, String)], domains: &mut Vec<String>, ids: &mut Vec<NeedId>) {
    if !seen.contains(DataCategory::Needs) {
        domains.clear();
        ids.clear();
    } else if !seen.contains(DataCategory::Sensitive) {
        let hidden: Vec<&(NeedId, String)> = sensitive.iter().filter(|(id, _)| ids.contains(id)).collect();
        let is_hidden = |domain: &String| hidden.iter().any(|(_, of)| of == domain);
        ids.retain(|id| hidden.iter().all(|(hidden, _)| hidden != id));
        domains.retain(|domain| !is_hidden(domain) && !find_domain(domain).is_some_and(|domain| domain.is_sensitive));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensitive_need_is_hidden_by_what_named_it_and_by_nothing_else() {
        let [raised, other] = [(); 2].map(|()| NeedId::generate());
        let sensitive = [(raised, "stress".to_owned())];
        let summary_and_needs: Categories = [DataCategory::Summary, DataCategory::Needs].into_iter().collect();
        let left = |seen, ids: &[NeedId]| {
            let (mut domains, mut ids) = (vec!["stress".to_owned()], ids.to_vec());
            narrow(seen, &sensitive, &mut domains, &mut ids);
            (domains.len(), ids.len())
        };
        assert_eq!(left(summary_and_needs, &[raised]), (0, 0));
        assert_eq!(left(summary_and_needs, &[other]), (1, 1), "another follow-up of the page named that one");
        assert_eq!((left(Categories::ALL, &[raised]), left(Categories::SUMMARY, &[other])), ((1, 1), (0, 0)));
    }

    #[test]
    fn a_follow_up_out_of_the_journal_is_hidden_as_one_that_is_read() {
        let written: FollowUpResult = serde_json::from_value(json!({ "change": "worse", "barriers": ["fear_stigma"], "minutes": 20,
            "new_needs": ["stress"], "next_step": "Call.", "note": "Afraid of the worker." }))
        .unwrap();
        let body = json!({ "status": "completed", "due_on": "2026-03-10", "note": "Ask how it was.", "result": written,
            "new_need_ids": [NeedId::generate()], "cancellation": { "code": "other", "text": "Afraid." } });
        let hidden = without_words(body).unwrap();
        let nothing = serde_json::to_value(FollowUpResult::default()).unwrap();
        let expected = json!({ "status": "completed", "due_on": "2026-03-10", "note": null, "result": nothing, "new_need_ids": [],
            "cancellation": { "code": "other", "text": null } });
        assert_eq!(hidden, expected);
        let open = json!({ "status": "open", "note": null, "result": null, "new_need_ids": [], "cancellation": null });
        assert_eq!(without_words(open.clone()).unwrap(), open);
        let attempt = json!({ "outcome": "reached", "note": "Afraid." });
        assert_eq!(recorded_attempt(attempt.clone(), Categories::SUMMARY), None, "all of it");
        assert_eq!(recorded_attempt(attempt, Categories::NONE), Some(json!({ "outcome": "reached", "note": null })));
    }
}
