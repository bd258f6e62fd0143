//! What of a referral is shown to whom. The consent that came with it was given to the performer by way of whoever sent it, and is read
//! among the consents, by those whom it names and as long as they may. What is written of the person is the requester's to read, and of
//! those who see the person: to a performer whom the patient does not let in any more, it is as if it were not written.

use serde_json::{Value, json};

use super::api::Referral;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::Result;
use crate::kind::PatientId;

/// What tells of the person is null in a referral that does not show them, beside a list that is empty and what they said to offers.
const NULLS: [&str; 2] = ["reason", "source_text"];
/// That list.
const LIST: &str = "plain_language_purpose";

/// Referrals as the caller sees them at this moment. Only those that it received, and whose patients others manage, take a look at
/// consents: at those of all of them together.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut referrals: Vec<Referral>) -> Result<Vec<Referral>> {
    let asked: Vec<PatientId> =
        referrals.iter().filter(|referral| is_asked(caller, referral)).map(|referral| referral.content.patient_id).collect();
    if asked.is_empty() {
        return Ok(referrals);
    }
    let seen = sight::to_performer_among(conn, caller, &asked)?;
    let is_hidden = |referral: &&mut Referral| is_asked(caller, referral) && !seen.contains_key(&referral.content.patient_id);
    referrals.iter_mut().filter(is_hidden).for_each(hide);
    Ok(referrals)
}

/// Whether the caller reads the referral by nothing but being asked.
fn is_asked(caller: &Principal, referral: &Referral) -> bool {
    let own = caller.organization_id;
    referral.content.performer_organization_id == Some(own) && ![referral.organization_id, referral.manager_id].contains(&own)
}

fn hide(referral: &mut Referral) {
    let content = &mut referral.content;
    content.reason = None;
    content.source_text = None;
    content.plain_language_purpose.clear();
    content.offered.iter_mut().for_each(|offer| offer.reason = None);
}

/// The same of a referral out of the journal, for another organization than the one that wrote it, which sees these categories of the
/// patient; `None` where that is all of it.
pub fn recorded(mut referral: Value, seen: Categories) -> Option<Value> {
    let members = referral.as_object_mut()?;
    // One that was written down before a consent left what it came with.
    let mut is_less = members.get_mut("consent").is_some_and(|consent| !consent.take().is_null());
    if !seen.contains(DataCategory::Summary) {
        is_less = true;
        members.extend(NULLS.map(|field| (field.into(), Value::Null)));
        members.insert(LIST.into(), json!([]));
        for offer in members.get_mut("offered").and_then(Value::as_array_mut).into_iter().flatten() {
            offer["reason"] = Value::Null;
        }
    }
    is_less.then_some(referral)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Value {
        json!({ "reason": "Company.", "source_text": "Her daughter.", "plain_language_purpose": [{ "language": "en", "text": "A call." }],
            "offered": [{ "service_id": 1, "decision": "declined", "reason": "Too far." }], "consent": null, "priority": "routine" })
    }

    #[test]
    fn a_referral_tells_of_the_person_whom_the_reader_sees_and_nothing_of_how_they_agreed() {
        assert_eq!(recorded(written(), Categories::SUMMARY), None, "all of it");
        let mut early = written();
        early["consent"] = json!({ "form": "verbal", "note": "Not in the evening." });
        assert_eq!(recorded(early.clone(), Categories::SUMMARY), Some(written()));
        let bare = json!({ "reason": null, "source_text": null, "plain_language_purpose": [],
            "offered": [{ "service_id": 1, "decision": "declined", "reason": null }], "consent": null, "priority": "routine" });
        assert_eq!((recorded(early, Categories::NONE), recorded(written(), Categories::NONE)), (Some(bare.clone()), Some(bare)));
    }
}
