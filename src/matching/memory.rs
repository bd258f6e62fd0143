//! What a patient's referrals say of services: which of them are asked already, which the person did not want, which did not take the person.

use std::collections::HashSet;

use chrono::Duration;

use super::person::{AvoidReason, Avoidance};
use crate::auth::{Principal, Scope};
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::Result;
use crate::kind::{PatientId, ServiceId};
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{OfferDecision, ReasonCode, ReferralRow};
use crate::referrals::repository;

/// So many of the latest referrals are looked at.
const LOOKED_AT: i64 = 200;
/// So many services are remembered at most: with those that are in use, no more than a person names.
const REMEMBERED: usize = 150;
/// A refusal counts for a year: people change, and so does what services ask for.
const COUNTS: Duration = Duration::days(365);

/// The services that are not to be suggested for what the caller sees of the patient's referrals; nothing where it reads none.
pub fn avoidances(conn: &mut DbConn, caller: &Principal, patient: PatientId) -> Result<Vec<Avoidance>> {
    if !caller.has(Scope::ReferralsRead) {
        return Ok(Vec::new());
    }
    let latest = repository::latest_of_patient(conn, caller, patient, LOOKED_AT)?;
    Ok(of_referrals(&latest, caller.at))
}

/// The same of referrals, the newest first. What is asked already stands first; of all else what was said last counts.
fn of_referrals(latest: &[ReferralRow], now: Instant) -> Vec<Avoidance> {
    let is_asked = |row: &&ReferralRow| row.status.is_open();
    let asked = latest.iter().filter(is_asked).filter_map(|row| Some((row.service_id?, Some(AvoidReason::AlreadyReferred))));
    let mut known = HashSet::new();
    let said = asked.chain(latest.iter().flat_map(|row| said(row, now))).filter(|(service, _)| known.insert(*service));
    let avoided =
        said.filter_map(|(service, reason)| Some(Avoidance { service_id: Some(service), organization_id: None, reason: reason? }));
    avoided.take(REMEMBERED).collect()
}

/// What a referral says of services: of its own by how it ended, of those that were offered by the person's word. `None` takes back what
/// was said earlier.
fn said(row: &ReferralRow, now: Instant) -> Vec<(ServiceId, Option<AvoidReason>)> {
    if row.status == ReferralStatus::EnteredInError {
        return Vec::new();
    }
    let is_fresh = now.plus(-COUNTS) <= row.status_at;
    let refused_by = |reason| Some(Some(reason)).filter(|_| is_fresh);
    let own = match (row.status, row.status_reason.code) {
        (ReferralStatus::Completed, _) => Some(None),
        (status, Some(ReasonCode::PersonDeclined)) if status.is_final() => refused_by(AvoidReason::RefusedByPerson),
        (ReferralStatus::Rejected, Some(ReasonCode::NotEligible | ReasonCode::OutOfScope | ReasonCode::OutOfArea)) => {
            refused_by(AvoidReason::RefusedByProvider)
        }
        _ => None,
    };
    let offered = row.content.offered.iter().filter_map(|offer| match offer.decision? {
        OfferDecision::Accepted => Some((offer.service_id, None)),
        OfferDecision::Declined => Some((offer.service_id, refused_by(AvoidReason::RefusedByPerson)?)),
        OfferDecision::MoreInformation => None,
    });
    row.service_id.zip(own).into_iter().chain(offered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::types::{Id, Json};
    use crate::referrals::model::StatusReason;
    use serde_json::json;

    const NOW: &str = "2026-03-02T17:00:00Z";

    fn service(number: u8) -> String {
        format!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a{number:02}")
    }

    /// A referral to a service that came to this status at this moment.
    fn referral(number: u8, status: ReferralStatus, code: Option<ReasonCode>, at: &str, offered: serde_json::Value) -> ReferralRow {
        let content = json!({
            "patient_id": service(99), "kind": "service", "service_id": service(number), "source_type": "other", "offered": offered,
        });
        let row = ReferralRow::draft(
            Id::generate(),
            Id::generate(),
            Id::generate(),
            serde_json::from_value(content).unwrap(),
            at.parse().unwrap(),
        );
        ReferralRow { status, status_reason: Json(StatusReason { code, text: None }), ..row }
    }

    fn avoided(latest: &[ReferralRow]) -> Vec<(String, AvoidReason)> {
        let found = of_referrals(latest, NOW.parse().unwrap());
        found.into_iter().map(|one| (one.service_id.unwrap().to_string(), one.reason)).collect()
    }

    #[test]
    fn what_is_asked_or_was_refused_is_remembered_and_what_may_have_changed_is_not() {
        use AvoidReason::{AlreadyReferred, RefusedByPerson, RefusedByProvider};
        use ReferralStatus::{Cancelled, Completed, EnteredInError, Failed, OnHold, Rejected};
        let of = |status, code| avoided(&[referral(1, status, code, NOW, json!([]))]).first().map(|(_, reason)| *reason);
        assert_eq!(of(OnHold, Some(ReasonCode::NoCapacity)), Some(AlreadyReferred));
        for code in [ReasonCode::NotEligible, ReasonCode::OutOfScope, ReasonCode::OutOfArea] {
            assert_eq!(of(Rejected, Some(code)), Some(RefusedByProvider));
        }
        for status in [Rejected, Failed, Cancelled] {
            assert_eq!(of(status, Some(ReasonCode::PersonDeclined)), Some(RefusedByPerson));
        }
        assert_eq!(of(Rejected, Some(ReasonCode::NoCapacity)), None);
        assert_eq!(of(Failed, Some(ReasonCode::UnableToContact)), None);
        assert_eq!((of(Completed, None), of(EnteredInError, Some(ReasonCode::PersonDeclined))), (None, None));
    }

    #[test]
    fn the_last_word_counts_for_a_year() {
        use AvoidReason::{AlreadyReferred, RefusedByPerson};
        use ReferralStatus::{Completed, Rejected, Requested};
        let declined = || json!([{ "service_id": service(2), "decision": "declined" }]);
        let accepted = json!([{ "service_id": service(2), "decision": "accepted" }]);
        let (earlier, of_old) =
            (referral(1, Completed, None, NOW, declined()), referral(1, Completed, None, "2025-03-02T16:00:00Z", declined()));
        assert_eq!(avoided(std::slice::from_ref(&earlier)), [(service(2), RefusedByPerson)]);
        assert_eq!(avoided(&[referral(1, Completed, None, NOW, accepted), earlier.clone()]), []);
        assert_eq!(avoided(&[of_old]), []);
        assert_eq!(avoided(&[referral(2, Completed, None, NOW, json!([])), earlier.clone()]), []);
        let full = referral(2, Rejected, Some(ReasonCode::NoCapacity), NOW, json!([]));
        assert_eq!(avoided(&[full, earlier.clone()]), [(service(2), RefusedByPerson)], "who has no room takes nothing back");
        let asked = referral(2, Requested, None, "2024-01-01T00:00:00Z", json!([]));
        assert_eq!(avoided(&[earlier, asked]), [(service(2), AlreadyReferred)]);
    }
}
