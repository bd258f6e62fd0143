//! The life of a referral under whatever its sides and strangers try, one after the other and at once.

use futures_util::future::join_all;
use kith::referrals::lifecycle::{Party, ReferralStatus, find_step};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::client::Caller;
use crate::referrals::{Town, step};

/// A wish for a status, with all that could be asked for.
fn wish(status: ReferralStatus) -> Value {
    let mut body = json!({ "status": status });
    if status.needs_reason() {
        body["reason"] = json!({ "code": "moved" });
    }
    if status.needs_outcome() {
        body["outcome"] = json!("attended");
    }
    body
}

/// Checks that each transition begins where the one before ended and is a step of the table; returns where they lead.
async fn told(caller: &Caller, id: &str) -> ReferralStatus {
    let page = caller.get(&format!("/v1/referrals/{id}/transitions?limit=200")).await.expect(200);
    let status = |value: &Value| value.as_str().map(|status| status.parse::<ReferralStatus>().unwrap());
    let mut at = None;
    for item in page["items"].as_array().unwrap() {
        let (from, to) = (status(&item["from"]), status(&item["to"]).unwrap());
        assert_eq!(from, at, "{page}");
        assert!(from.is_none_or(|from| from == to || find_step(from, to).is_some()), "{page}");
        at = Some(to);
    }
    at.unwrap()
}

on_both!(no_sequence_of_calls_by_anybody_leaves_the_table, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let callers = [(&town.clinic, Some(Party::Requester)), (&town.program, Some(Party::Performer)), (&town.agency, None)];
    // Cancelled and entered_in_error end most lives, so they are wished for less often.
    let rare = [ReferralStatus::Cancelled, ReferralStatus::EnteredInError];
    let usual: Vec<ReferralStatus> = ReferralStatus::ALL.iter().copied().filter(|status| !rare.contains(status)).collect();
    let any_status = proptest::prop_oneof![9 => proptest::sample::select(usual), 1 => proptest::sample::select(rare.to_vec())];
    let calls = proptest::collection::vec((proptest::sample::select(vec![0_usize, 0, 1, 1, 1, 2]), any_status), 25);
    let mut runner = TestRunner::deterministic();
    for _ in 0..12 {
        let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await;
        draft.expect(201);
        let (id, mut at, mut is_sent) = (draft.id(), ReferralStatus::Draft, false);
        for (who, to) in calls.new_tree(&mut runner).unwrap().current() {
            let (caller, party) = callers[who];
            let expected = match (party, find_step(at, to)) {
                (None, _) => 404,
                (Some(Party::Performer), _) if !is_sent => 404,
                _ if at == to && at.is_open() => 201,
                (_, None) => 409,
                (Some(party), Some(step)) => {
                    if step.by.contains(&party) {
                        201
                    } else {
                        403
                    }
                }
            };
            step(caller, &id, wish(to)).await.expect(expected);
            if expected == 201 {
                (at, is_sent) = (to, is_sent || to == ReferralStatus::Requested);
            }
            assert_eq!(town.clinic.get(&format!("/v1/referrals/{id}")).await.expect(200)["status"], json!(at));
        }
        assert_eq!(told(&town.clinic, &id).await, at);
    }
});

on_both!(those_who_move_a_referral_at_once_move_it_one_after_the_other, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let wishes = [ReferralStatus::Accepted, ReferralStatus::Rejected, ReferralStatus::Accepted, ReferralStatus::Received];
    for _ in 0..6 {
        let id = town.sent(&patient).await;
        let mut moves: Vec<_> = wishes.iter().map(|status| step(&town.program, &id, wish(*status))).collect();
        moves.push(step(&town.clinic, &id, wish(ReferralStatus::Cancelled)));
        for answer in join_all(moves).await {
            if answer.status != 201 {
                answer.expect_problem(409, "illegal_transition");
            }
        }
        let at = told(&town.clinic, &id).await;
        assert_eq!(town.clinic.get(&format!("/v1/referrals/{id}")).await.expect(200)["status"], json!(at));
        let planned = town.program.get(&format!("/v1/follow-ups?referral_id={id}")).await.expect(200);
        let planned = planned["items"].as_array().unwrap();
        assert!(planned.len() <= 1 && planned.iter().all(|item| at.is_open() == (item["status"] == "open")), "{planned:?}");
    }
});
