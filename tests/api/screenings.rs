//! Screenings: drafts, scores, the needs they raise, and what must be acted on at once.

use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::instruments::{admin_of, sleep};

const PATH: &str = "/v1/screenings";

/// The four answers of PHQ and GAD, by points.
const FREQUENCY: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];
/// The items of the PHQ-9 that count.
const PHQ9: [&str; 9] = ["/44250-9", "/44255-8", "/44259-0", "/44254-1", "/44251-7", "/44258-2", "/44252-5", "/44253-3", "/44260-8"];

/// A new patient of the caller's organization.
pub async fn patient(caller: &Caller) -> String {
    let answer =
        caller.post("/v1/patients", json!({ "names": [{ "family": "Tremblay", "given": "Rose" }], "birth_date": "1948-05-02" })).await;
    answer.expect(201);
    answer.id()
}

/// A consent by which the other organization takes part in the person's care.
pub async fn consent(manager: &Caller, patient: &str, grantee: &Caller, categories: &[&str]) {
    let body = json!({
        "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": ["care_coordination"], "categories": categories,
        "form": "verbal",
    });
    manager.post("/v1/consents", body).await.expect(201);
}

/// An answer to an item.
pub fn answer(link_id: &str, code: &str) -> Value {
    json!({ "link_id": link_id, "codes": [code] })
}

/// A screening, as it is recorded.
pub fn screening(patient: &str, instrument: &str, status: &str, answers: Vec<Value>) -> Value {
    json!({ "patient_id": patient, "instrument": instrument, "status": status, "answers": answers })
}

fn phq9(points: [usize; 9]) -> Vec<Value> {
    PHQ9.iter().zip(points).map(|(item, points)| answer(item, FREQUENCY[points])).collect()
}

on_both!(a_completed_screening_is_scored_at_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let created = caller.post(PATH, screening(&person, "phq-9", "completed", phq9([2, 2, 2, 2, 1, 1, 0, 0, 0]))).await;
    let body = created.expect(201);
    let total = &body["scores"][0];
    assert_eq!((&total["value"], &total["band"], &total["is_positive"]), (&json!(10), &json!("moderate"), &json!(true)));
    assert_eq!(body["flags"][0]["flag"], "depression-moderate-or-worse");
    assert_eq!((&body["needs"], &body["safety_alerts"]), (&json!([]), &json!([])));
    assert_eq!((&body["instrument_edition"], &body["completeness"]["is_complete"]), (&json!("2001"), &json!(true)));
    assert_eq!(body["completed_at"], "2026-03-02T17:00:00.000000Z");
    assert_eq!(created.header("kith-safety-alert"), None);
    let read = caller.get(created.header("location").unwrap()).await;
    let mut body = body;
    assert_eq!(body.as_object_mut().unwrap().remove("suggestions"), Some(Value::Null));
    assert_eq!(read.expect(200), body);
});

on_both!(thoughts_of_self_harm_are_an_alert_on_every_answer, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let draft = caller.post(PATH, screening(&person, "phq-9", "draft", vec![answer(PHQ9[8], FREQUENCY[1])])).await;
    let body = draft.expect(201);
    assert_eq!(draft.header("kith-safety-alert"), Some("true"), "a draft alerts too");
    let alert = &body["safety_alerts"][0];
    assert_eq!((&alert["flag"], &alert["answers"][0]["answer"]), (&json!("self-harm-thoughts"), &json!("Several days")));
    assert!(alert["action"].as_str().unwrap().contains("at once"));
    let path = draft.header("location").unwrap().to_owned();
    assert_eq!(caller.patch(&path, 1, json!({ "note": "Spoke with her." })).await.header("kith-safety-alert"), Some("true"));
    assert_eq!(caller.get(&path).await.header("kith-safety-alert"), Some("true"));
    let completed = caller.post(&format!("{path}/complete"), json!({})).await;
    assert_eq!((completed.status, completed.header("kith-safety-alert")), (200, Some("true")));
});

on_both!(a_draft_takes_answers_until_it_is_completed, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let draft = caller.post(PATH, screening(&person, "phq-2", "draft", vec![answer(PHQ9[0], FREQUENCY[3])])).await;
    let body = draft.expect(201);
    assert_eq!(
        (&body["status"], &body["scores"][0]["value"], &body["completeness"]["not_asked"]),
        (&json!("draft"), &Value::Null, &json!(1))
    );
    let path = draft.header("location").unwrap().to_owned();
    let answers = json!({ "answers": [answer(PHQ9[0], FREQUENCY[1]), answer(PHQ9[1], FREQUENCY[0])] });
    assert_eq!(caller.patch(&path, 1, answers).await.expect(200)["scores"][0]["value"], json!(1));
    let completion = json!({ "answers": [answer(PHQ9[1], FREQUENCY[3])], "answered_at": "2026-03-01T10:00:00-08:00" });
    let completed = caller.post(&format!("{path}/complete"), completion).await.expect(200);
    assert_eq!((&completed["status"], &completed["scores"][0]["value"]), (&json!("completed"), &json!(4)));
    assert_eq!(completed["completed_at"], "2026-03-01T18:00:00.000000Z");
    caller.post(&format!("{path}/complete"), json!({})).await.expect_problem(409, "screening_closed");
    caller.patch(&path, 3, json!({ "status": "declined" })).await.expect_problem(409, "screening_closed");
    caller.patch(&path, 3, json!({ "answers": [] })).await.expect_problem(409, "screening_closed");
    caller.delete(&path, 3).await.expect_problem(409, "screening_closed");
    caller.patch(&path, 3, json!({ "note": "Called.", "rescreen_on": "2026-09-01" })).await.expect(200);
    let due = caller.get(&format!("{PATH}?rescreen_until=2026-09-01")).await.expect(200);
    assert_eq!(due["items"].as_array().unwrap().len(), 1);
});

on_both!(needs_are_raised_once_and_possible_until_confirmed, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let hungry =
        || screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0"), answer("transport", "LA33-6")]);
    let first = caller.post(PATH, hungry()).await;
    let body = first.expect(201);
    let raised: Vec<_> = body["needs"].as_array().unwrap().iter().map(|need| need["domain"].as_str().unwrap()).collect();
    assert_eq!(raised, ["food-insecurity", "transportation-insecurity"]);
    let listed = caller.get(&format!("/v1/patients/{person}/needs")).await.expect(200);
    let food = &listed["items"][0];
    assert_eq!(food["id"], body["needs"][0]["need_id"]);
    assert_eq!((&food["source"], &food["verification"], &food["screening_id"]), (&json!("screening"), &json!("unconfirmed"), &body["id"]));
    let second = caller.post(PATH, hungry()).await.expect(201);
    assert_eq!(second["needs"][0]["need_id"], food["id"], "the need was there already");
    assert_eq!(caller.get(&format!("/v1/patients/{person}/needs")).await.expect(200)["items"].as_array().unwrap().len(), 2);
    let changes = caller.get(&format!("/v1/needs/{}/history", food["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(changes["items"].as_array().unwrap().len(), 1);
});

on_both!(a_screening_entered_in_error_takes_back_no_needs_of_others, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &program, &["needs", "screenings"]).await;
    let made = clinic.post(PATH, screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0")])).await;
    let raised = format!("/v1/needs/{}", made.expect(201)["needs"][0]["need_id"].as_str().unwrap());
    let need = json!({ "patient_id": person, "domain": "stress", "screening_id": made.id() });
    let theirs = format!("/v1/needs/{}", program.post("/v1/needs", need).await.id());
    clinic.post(&format!("{PATH}/{}/retract", made.id()), json!({ "reason": "Wrong person." })).await.expect(200);
    assert_eq!(program.get(&theirs).await.expect(200)["status"], "active");
    assert_eq!(clinic.get(&raised).await.expect(200)["status"], "entered_in_error");
});

on_both!(a_screening_entered_in_error_takes_back_its_untouched_needs_and_is_replaced, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let answers = vec![answer("food-worry", "LA28397-0"), answer("transport", "LA33-6")];
    let first = caller.post(PATH, screening(&person, "ahc-hrsn-core", "completed", answers)).await;
    let body = first.expect(201);
    let need = |index: usize| format!("/v1/needs/{}", body["needs"][index]["need_id"].as_str().unwrap());
    caller.patch(&need(1), 1, json!({ "verification": "confirmed" })).await.expect(200);
    let path = first.header("location").unwrap().to_owned();
    caller.post(&format!("{path}/retract"), json!({})).await.expect(422);
    let retracted = caller.post(&format!("{path}/retract"), json!({ "reason": "Wrong person." })).await.expect(200);
    assert_eq!((&retracted["status"], &retracted["status_reason"]), (&json!("entered_in_error"), &json!("Wrong person.")));
    assert_eq!(caller.get(&need(0)).await.expect(200)["status"], "entered_in_error");
    assert_eq!(caller.get(&need(1)).await.expect(200)["status"], "active", "somebody has confirmed it");
    caller.post(&format!("{path}/retract"), json!({ "reason": "Again." })).await.expect_problem(409, "illegal_transition");
    let mut other = screening(&person, "ahc-hrsn-core", "completed", vec![answer("transport", "LA32-8")]);
    other["replaces_id"] = body["id"].clone();
    assert_eq!(caller.post(PATH, other.clone()).await.expect(201)["replaces_id"], body["id"]);
    other["instrument"] = json!("phq-2");
    other["answers"] = json!([answer(PHQ9[0], FREQUENCY[0])]);
    assert_eq!(caller.post(PATH, other).await.faults(422), [("/replaces_id".into(), "not_found".into())]);
});

on_both!(a_need_that_another_screening_found_too_stays_when_one_is_entered_in_error, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &program, &["needs", "screenings"]).await;
    let hungry = || screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0")]);
    let retract = async |caller: &Caller, screening: &str| {
        caller.post(&format!("{PATH}/{screening}/retract"), json!({ "reason": "Wrong person." })).await.expect(200);
    };
    let first = clinic.post(PATH, hungry()).await;
    let need = format!("/v1/needs/{}", first.expect(201)["needs"][0]["need_id"].as_str().unwrap());
    let theirs = program.post(PATH, hungry()).await.id();
    let (second, third) = (clinic.post(PATH, hungry()).await.id(), clinic.post(PATH, hungry()).await.id());
    let stands = async || {
        let need = clinic.get(&need).await.expect(200);
        (need["status"].as_str().unwrap().to_owned(), need["screening_id"].as_str().unwrap().to_owned())
    };
    retract(&clinic, &second).await;
    assert_eq!(stands().await, ("active".to_owned(), first.id()), "it is still the one that raised it");
    retract(&clinic, &first.id()).await;
    assert_eq!(stands().await, ("active".to_owned(), third.clone()), "one of the organization itself comes first");
    retract(&clinic, &third).await;
    assert_eq!(stands().await, ("active".to_owned(), theirs.clone()));
    retract(&program, &theirs).await;
    assert_eq!(stands().await, ("entered_in_error".to_owned(), theirs), "no screening finds it any more");
    let history = clinic.get(&format!("{need}/history")).await.expect(200);
    assert_eq!(history["items"].as_array().unwrap().len(), 4, "each change has its line in the journal");
});

on_both!(a_screening_takes_back_its_needs_after_a_merge_too, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    let (person, twice) = (patient(&clinic).await, patient(&clinic).await);
    let answers = vec![answer("food-worry", "LA28397-0"), answer("transport", "LA33-6")];
    let made = clinic.post(PATH, screening(&twice, "ahc-hrsn-core", "completed", answers)).await;
    let body = made.expect(201);
    let need = |index: usize| format!("/v1/needs/{}", body["needs"][index]["need_id"].as_str().unwrap());
    clinic.patch(&need(1), 1, json!({ "note": "She said so." })).await.expect(200);
    clinic.post(&format!("/v1/patients/{person}/merge"), json!({ "duplicate_id": twice })).await.expect(200);
    clinic.post(&format!("{PATH}/{}/retract", made.id()), json!({ "reason": "Wrong person." })).await.expect(200);
    assert_eq!(clinic.get(&need(0)).await.expect(200)["status"], "entered_in_error");
    assert_eq!(clinic.get(&need(1)).await.expect(200)["status"], "active", "somebody has written to it");
});

on_both!(declining_is_an_answer, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let mut declined = screening(&person, "phq-2", "declined", vec![]);
    declined["status_reason"] = json!("Not today.");
    let body = caller.post(PATH, declined.clone()).await.expect(201);
    assert_eq!((&body["scores"], &body["status_reason"]), (&json!([]), &json!("Not today.")));
    declined["answers"] = json!([answer(PHQ9[0], FREQUENCY[0])]);
    assert_eq!(caller.post(PATH, declined).await.faults(422), [("/answers".into(), "not_allowed".into())]);
    let one = json!({ "link_id": PHQ9[0], "absent_reason": "asked_declined" });
    let body = caller.post(PATH, screening(&person, "phq-2", "completed", vec![one, answer(PHQ9[1], FREQUENCY[2])])).await.expect(201);
    assert_eq!(
        (&body["scores"][0]["value"], &body["scores"][0]["band"], &body["completeness"]["declined"]),
        (&Value::Null, &Value::Null, &json!(1))
    );
});

on_both!(scores_are_read_against_the_first_one, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let days = [("2026-01-05", [2; 9]), ("2026-03-01", [1, 1, 1, 1, 1, 1, 1, 0, 0]), ("2026-02-02", [2, 2, 2, 2, 2, 2, 1, 1, 1])];
    for (day, points) in days {
        let mut body = screening(&person, "phq-9", "completed", phq9(points));
        body["answered_at"] = json!(format!("{day}T12:00:00Z"));
        caller.post(PATH, body).await.expect(201);
    }
    let scores = caller.get(&format!("/v1/patients/{person}/scores?instrument=phq-9")).await.expect(200);
    let points = scores["series"][0]["points"].as_array().unwrap();
    let read: Vec<_> = points
        .iter()
        .map(|point| {
            (point["value"].as_i64(), point["change"].as_i64(), point["direction"].as_str(), point["is_reliable_change"].as_bool())
        })
        .collect();
    let improved = Some("improved");
    assert_eq!(
        read,
        [(Some(18), None, None, None), (Some(15), Some(-3), improved, Some(false)), (Some(7), Some(-11), improved, Some(true))]
    );
    let answer = caller.get(&format!("/v1/patients/{person}/scores?instrument=phq-99")).await;
    assert_eq!(answer.faults(400), [("instrument".into(), "unknown_instrument".into())]);
    caller.get(&format!("/v1/patients/{person}/scores")).await.expect_problem(400, "malformed_request");
});

on_both!(sensitive_answers_are_withheld_unless_consent_names_them, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let hits = ["safety-hurt", "safety-insult", "safety-threaten", "safety-scream"].map(|item| answer(item, "LA10082-8"));
    let answers = hits.into_iter().chain([answer("food-worry", "LA28397-0")]).collect();
    let created = clinic.post(PATH, screening(&person, "ahc-hrsn-core", "completed", answers)).await;
    let mut whole = created.expect(201);
    whole.as_object_mut().unwrap().remove("suggestions");
    assert_eq!(whole["safety_alerts"][0]["flag"], "interpersonal-safety");
    let path = created.header("location").unwrap().to_owned();
    let list = format!("/v1/patients/{person}/screenings");
    program.get(&path).await.expect_problem(404, "not_found");
    program.get(&list).await.expect_problem(404, "not_found");

    consent(&clinic, &person, &program, &["needs"]).await;
    program.get(&path).await.expect_problem(404, "not_found");
    assert_eq!(program.get(&list).await.expect(200)["items"], json!([]));

    consent(&clinic, &person, &program, &["screenings"]).await;
    let seen = program.get(&path).await;
    let part = seen.expect(200);
    assert_eq!((&part["is_withheld"], part["answers"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!((&part["safety_alerts"], &part["scores"], part["needs"].as_array().unwrap().len()), (&json!([]), &json!([]), 1));
    assert_eq!(seen.header("kith-safety-alert"), None);
    assert_eq!(program.get(&list).await.expect(200)["items"][0], part);
    program.get(&format!("{path}/history")).await.expect_problem(404, "not_found");
    program.patch(&path, 1, json!({ "note": "x" })).await.expect_problem(403, "forbidden");
    program.post(&format!("{path}/retract"), json!({ "reason": "x" })).await.expect_problem(403, "forbidden");

    consent(&clinic, &person, &program, &["screenings", "sensitive"]).await;
    assert_eq!(program.get(&path).await.expect(200), whole);
});

/// Services that answer what the AHC core questions ask about.
async fn directory(caller: &Caller) {
    for (name, domain) in [("Alder Falls Food Bank", "food-insecurity"), ("Valley Rides", "transportation-insecurity")] {
        let service = json!({ "name": name, "need_domains": [{ "code": domain, "strength": "direct", "basis": "stated" }] });
        caller.post("/v1/services", service).await.expect(201);
    }
}

/// The names of what is suggested, sorted.
pub fn suggested(suggestions: &Value) -> Vec<&str> {
    let results = suggestions["results"].as_array().unwrap_or_else(|| panic!("{suggestions}"));
    let mut names: Vec<_> = results.iter().map(|result| result["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

on_both!(a_completed_screening_suggests_services_in_the_same_answer, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    directory(&caller).await;
    let person = patient(&caller).await;
    let open = json!({ "patient_id": person, "domain": "transportation-insecurity" });
    caller.post("/v1/needs", open).await.expect(201);
    let hungry = screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0")]);
    let path = format!("{PATH}?suggest=5");
    let body = caller.post_once(&path, "s1", hungry.clone()).await.expect(201);
    assert_eq!(
        suggested(&body["suggestions"]),
        ["Alder Falls Food Bank", "Valley Rides"],
        "for the need it raises and the one that was open"
    );
    assert_eq!(caller.post_once(&path, "s1", hungry.clone()).await.expect(201), body);
    let kept = caller.get(&format!("/v1/matches/{}", body["suggestions"]["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&kept["patient_id"], &kept["results"]), (&json!(person), &body["suggestions"]["results"]));
    assert_eq!(caller.get(&format!("/v1/patients/{person}/matches")).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(caller.post(PATH, hungry).await.expect(201)["suggestions"], Value::Null, "nobody asked");
});

on_both!(a_draft_suggests_services_when_it_is_completed, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    directory(&caller).await;
    let person = patient(&caller).await;
    let draft = screening(&person, "ahc-hrsn-core", "draft", vec![answer("food-worry", "LA28397-0")]);
    let created = caller.post(&format!("{PATH}?suggest=1"), draft).await;
    assert_eq!(created.expect(201)["suggestions"], Value::Null);
    let path = created.header("location").unwrap().to_owned();
    let last = json!({ "answers": [answer("transport", "LA33-6")] });
    let body = caller.post(&format!("{path}/complete?suggest=5"), last).await.expect(200);
    assert_eq!(suggested(&body["suggestions"]), ["Alder Falls Food Bank", "Valley Rides"]);
    caller.post(&format!("{path}/complete?suggest=5"), json!({})).await.expect_problem(409, "screening_closed");
});

on_both!(suggestions_are_refused_where_they_should_be, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let hungry = || screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0")]);
    for (query, code) in [("suggest=0", "out_of_range"), ("suggest=51", "out_of_range"), ("suggest=many", "type")] {
        assert_eq!(clinic.post(&format!("{PATH}?{query}"), hungry()).await.faults(400), [("suggest".into(), code.into())], "{query}");
    }
    clinic.post(&format!("{PATH}?sugest=5"), hungry()).await.expect_problem(400, "malformed_request");
    let narrow = clinic.only(&[Scope::ScreeningsWrite]).await;
    narrow.post(&format!("{PATH}?suggest=5"), hungry()).await.expect_problem(403, "insufficient_scope");
    consent(&clinic, &person, &program, &["screenings"]).await;
    program.post(&format!("{PATH}?suggest=5"), hungry()).await.expect_problem(403, "forbidden");
    let mut nothing = hungry();
    nothing["answers"] = json!([]);
    assert_eq!(clinic.post(&format!("{PATH}?suggest=5"), nothing).await.faults(422), [("/answers".into(), "required".into())]);
    assert_eq!(clinic.get(&format!("/v1/patients/{person}/screenings")).await.expect(200)["items"], json!([]));
});

on_both!(a_need_that_the_screener_does_not_see_is_not_told_by_raising_it, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    let known = clinic.post("/v1/needs", json!({ "patient_id": person, "domain": "food-insecurity" })).await.id();
    consent(&clinic, &person, &program, &["screenings"]).await;
    let hungry = screening(&person, "ahc-hrsn-core", "completed", vec![answer("food-worry", "LA28397-0")]);
    let raised = program.post(PATH, hungry).await.expect(201)["needs"][0]["need_id"].clone();
    assert_ne!(raised, json!(known));
    program.get(&format!("/v1/needs/{}", raised.as_str().unwrap())).await.expect(200);
});

on_both!(a_draft_is_not_completed_once_the_consent_is_withdrawn, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, program) = (app.clinic().await, app.clinic().await);
    let person = patient(&clinic).await;
    consent(&clinic, &person, &program, &["screenings", "needs"]).await;
    let draft = program.post(PATH, screening(&person, "phq-2", "draft", vec![answer(PHQ9[0], FREQUENCY[0])])).await;
    let path = draft.header("location").unwrap().to_owned();
    let consents = clinic.get(&format!("/v1/patients/{person}/consents")).await.expect(200);
    clinic.post(&format!("/v1/consents/{}/withdraw", consents["items"][0]["id"].as_str().unwrap()), json!({})).await.expect(200);
    let last = json!({ "answers": [answer(PHQ9[1], FREQUENCY[3])] });
    let refused = program.post(&format!("{path}/complete"), last.clone()).await;
    assert_eq!(refused.faults(422), [("/patient_id".into(), "not_found".into())]);
    program.patch(&path, 1, last).await.expect(422);
    program.delete(&path, 1).await.expect(204);
});

on_both!(an_alert_quotes_in_the_language_of_the_screening, |db| async move {
    let caller = admin_of(&TestApp::new(db).await.clinic().await).await;
    let person = patient(&caller).await;
    let mut instrument = sleep("1");
    instrument["items"][0]["options"][1]["translations"] = json!({ "fr": "Non" });
    instrument["safety_rules"] = json!([{ "id": "no-sleep", "when": { "test": "sum_gte", "items": ["sleep"], "threshold": 1 },
        "flag": "sleepless", "action": "Ask why." }]);
    caller.post("/v1/instruments", instrument).await.expect(201);
    for (language, question, words) in
        [("fr-CA", "Dormez-vous bien ?", "Non"), ("pa", "Do you sleep well?", "No"), ("en", "Do you sleep well?", "No")]
    {
        let mut body = screening(&person, "sleep-1", "completed", vec![answer("sleep", "no")]);
        body["language"] = json!(language);
        let created = caller.post(PATH, body).await.expect(201);
        let quoted = &created["safety_alerts"][0]["answers"][0];
        assert_eq!((&quoted["question"], &quoted["answer"]), (&json!(question), &json!(words)), "{language}");
    }
});

on_both!(what_was_entered_in_error_alarms_nobody, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let created = caller.post(PATH, screening(&person, "phq-9", "completed", vec![answer(PHQ9[8], FREQUENCY[1])])).await;
    let path = created.header("location").unwrap().to_owned();
    caller.post(&format!("{path}/retract"), json!({ "reason": "Wrong person." })).await.expect(200);
    let read = caller.get(&path).await;
    assert_eq!(
        (read.expect(200)["safety_alerts"][0]["flag"].as_str(), read.header("kith-safety-alert")),
        (Some("self-harm-thoughts"), None)
    );
});

on_both!(the_screening_practitioner_is_one_of_the_organization, |db| async move {
    let app = TestApp::new(db).await;
    let (caller, other) = (app.clinic().await, app.clinic().await);
    let person = patient(&caller).await;
    let practitioner = |caller: &Caller| {
        let caller = caller.clone();
        async move { caller.post("/v1/practitioners", json!({ "name": "Nurse", "roles": ["clinician"] })).await.id() }
    };
    let (own, theirs) = (practitioner(&caller).await, practitioner(&other).await);
    let by = |id: &str| {
        let mut body = screening(&person, "phq-2", "draft", vec![]);
        body["practitioner_id"] = json!(id);
        body
    };
    let created = caller.post(PATH, by(&own)).await;
    assert_eq!(created.expect(201)["practitioner_id"], json!(own));
    assert_eq!(caller.post(PATH, by(&theirs)).await.faults(422), [("/practitioner_id".into(), "not_found".into())]);
    caller.delete(&format!("/v1/practitioners/{own}"), 1).await.expect(204);
    caller.patch(created.header("location").unwrap(), 1, json!({ "note": "x" })).await.expect(200);
});

on_both!(an_edition_that_another_organization_loads_changes_nobodys_scoring, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, admin_of(&app.clinic().await).await);
    let mut harmless = sleep("zzz");
    harmless["code"] = json!("phq-9");
    app.clock.advance(chrono::Duration::minutes(1));
    other.post("/v1/instruments", harmless).await.expect(201);
    let person = patient(&clinic).await;
    let body = clinic.post(PATH, screening(&person, "phq-9", "completed", vec![answer(PHQ9[8], FREQUENCY[3])])).await.expect(201);
    assert_eq!((&body["instrument_edition"], body["safety_alerts"].as_array().unwrap().len()), (&json!("2001"), 1));
    let theirs = patient(&other).await;
    let body = other.post(PATH, screening(&theirs, "phq-9", "draft", vec![])).await.expect(201);
    assert_eq!(body["instrument_edition"], "zzz");
});

on_both!(faults_of_a_screening_are_told, |db| async move {
    let app = TestApp::new(db).await;
    let caller = app.clinic().await;
    let person = patient(&caller).await;
    let answers = vec![answer("/0-0", "LA6568-5"), answer(PHQ9[0], "LA1-1"), json!({ "link_id": PHQ9[1] })];
    let mut spoiled = screening(&person, "phq-2", "completed", answers);
    spoiled["answered_at"] = json!("2030-01-01T00:00:00Z");
    let faults = caller.post(PATH, spoiled).await.faults(422);
    let found: Vec<_> = faults.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/answered_at", "in_the_future"),
            ("/answers/0/link_id", "unknown_item"),
            ("/answers/1/codes/0", "unknown_option"),
            ("/answers/2", "required"),
        ]
    );
    let empty = screening(&person, "phq-2", "completed", vec![]);
    assert_eq!(caller.post(PATH, empty).await.faults(422), [("/answers".into(), "required".into())]);
    let unknown = screening(&person, "phq-99", "draft", vec![]);
    assert_eq!(caller.post(PATH, unknown).await.faults(422), [("/instrument".into(), "not_found".into())]);
    let mut proxy = screening(&person, "ons4", "draft", vec![]);
    proxy["completed_by"] = json!("proxy");
    assert_eq!(caller.post(PATH, proxy).await.faults(422), [("/completed_by".into(), "self_answer_only".into())]);
    let mistaken = screening(&person, "phq-2", "entered_in_error", vec![]);
    assert_eq!(caller.post(PATH, mistaken).await.faults(422), [("/status".into(), "not_allowed".into())]);
    let nobody = screening("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", "phq-2", "draft", vec![]);
    assert_eq!(caller.post(PATH, nobody).await.faults(422), [("/patient_id".into(), "not_found".into())]);

    let draft = caller.post(PATH, screening(&person, "phq-2", "draft", vec![])).await;
    let path = draft.header("location").unwrap().to_owned();
    let other = caller.put(&path, 1, screening(&patient(&caller).await, "phq-9", "draft", vec![])).await;
    let pointers: Vec<_> = other.faults(422).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/instrument", "/patient_id"]);
    caller.patch(&path, 7, json!({})).await.expect_problem(412, "version_mismatch");
    caller.put_any(&path, screening(&person, "phq-2", "draft", vec![])).await.expect_problem(428, "precondition_required");
    caller
        .only(&[Scope::ScreeningsRead])
        .await
        .post(PATH, screening(&person, "phq-2", "draft", vec![]))
        .await
        .expect_problem(403, "insufficient_scope");
    app.stranger().get(&path).await.expect_problem(401, "unauthenticated");
    caller.get(&format!("{PATH}/01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")).await.expect_problem(404, "not_found");
    caller.delete(&path, 1).await.expect(204);
    caller.post(&format!("{path}/complete"), json!({})).await.expect_problem(410, "gone");
});

on_both!(a_screening_sent_twice_with_one_key_is_recorded_once, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let person = patient(&caller).await;
    let body = screening(&person, "hunger-vital-sign", "completed", vec![answer("/88122-7", "LA28397-0")]);
    let first = caller.post_once(PATH, "s1", body.clone()).await;
    let again = caller.post_once(PATH, "s1", body).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    assert_eq!(first.json()["scores"][0]["result_code"], "LA19952-3");
    assert_eq!(caller.get(&format!("/v1/patients/{person}/screenings")).await.expect(200)["items"].as_array().unwrap().len(), 1);
});

on_both!(an_instrument_in_use_no_longer_changes, |db| async move {
    let caller = admin_of(&TestApp::new(db).await.clinic().await).await;
    let person = patient(&caller).await;
    let loaded = caller.post("/v1/instruments", sleep("1")).await;
    let path = loaded.header("location").unwrap().to_owned();
    let body = caller.post(PATH, screening(&person, "sleep-1", "completed", vec![answer("sleep", "no")])).await.expect(201);
    assert_eq!(body["needs"][0]["domain"], "stress");
    caller.patch(&path, 1, json!({ "title": "x" })).await.expect_problem(409, "instrument_in_use");
    caller.delete(&path, 1).await.expect_problem(409, "instrument_in_use");
    caller.post("/v1/instruments", sleep("2")).await.expect(201);
    let newer = caller.post(PATH, screening(&person, "sleep-1", "draft", vec![])).await.expect(201);
    let older = json!({ "patient_id": person, "instrument": "sleep-1", "instrument_edition": "1" });
    assert_eq!(
        (&newer["instrument_edition"], &caller.post(PATH, older).await.expect(201)["instrument_edition"]),
        (&json!("2"), &json!("1"))
    );
});
