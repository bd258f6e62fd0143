//! What of a referral is shown to whom. The consent that came with it was given to the performer by way of whoever sent it, and is read
//! among the consents, by those whom it names and as long as they may. What is written of the person is the requester's to read, and of
//! those who see the person: to a performer whom the patient does not let in any more, it is as if it were not written.

use serde_json::{Value, json};

use super::api::Referral;
use super::model::ReferralHead;
use crate::auth::{Principal, sight};
use crate::consents::model::{Categories, DataCategory};
use crate::db::DbConn;
use crate::error::Result;
use crate::http::kept::Item;
use crate::kind::{self, OrganizationId, PatientId};

/// What tells of the person is null in a referral that does not show them, beside a list that is empty and what they said to offers.
const NULLS: [&str; 2] = ["reason", "source_text"];
/// That list.
const LIST: &str = "plain_language_purpose";

/// Referrals as the caller sees them at this moment. Only those that it received, and whose patients others manage, take a look at
/// consents: at those of all of them together.
pub fn shown(conn: &mut DbConn, caller: &Principal, mut referrals: Vec<Referral>) -> Result<Vec<Referral>> {
    let parties = |referral: &Referral| Parties {
        performer: referral.content.performer_organization_id,
        others: [referral.organization_id, referral.manager_id],
        patient: referral.content.patient_id,
    };
    let open = open(conn, caller, &referrals.iter().map(parties).collect::<Vec<_>>())?;
    referrals.iter_mut().zip(open).filter(|(_, is_open)| !is_open).for_each(|(referral, _)| hide(referral));
    Ok(referrals)
}

/// The referrals of a page, and of which of them the caller sees the whole at this moment.
pub fn items(conn: &mut DbConn, caller: &Principal, heads: &[ReferralHead]) -> Result<Vec<Item<kind::Referral>>> {
    let parties = |head: &ReferralHead| Parties {
        performer: head.performer_id,
        others: [head.organization_id, head.manager_id],
        patient: head.patient_id,
    };
    let open = open(conn, caller, &heads.iter().map(parties).collect::<Vec<_>>())?;
    Ok(heads.iter().zip(open).map(|(head, is_whole)| Item { id: head.id, edition: head.edition, is_whole }).collect())
}

/// Who has to do with a referral.
struct Parties {
    performer: Option<OrganizationId>,
    /// The requester, and the organization that manages the patient.
    others: [OrganizationId; 2],
    patient: PatientId,
}

/// Of which of these referrals the caller sees the whole, in their order.
fn open(conn: &mut DbConn, caller: &Principal, parties: &[Parties]) -> Result<Vec<bool>> {
    let own = caller.organization_id;
    let is_asked = |of: &Parties| of.performer == Some(own) && !of.others.contains(&own);
    let asked: Vec<PatientId> = parties.iter().filter(|of| is_asked(of)).map(|of| of.patient).collect();
    if asked.is_empty() {
        return Ok(vec![true; parties.len()]);
    }
    let seen = sight::to_performer_among(conn, caller, &asked)?;
    Ok(parties.iter().map(|of| !is_asked(of) || seen.contains_key(&of.patient)).collect())
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
