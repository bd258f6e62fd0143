//! What is about a person stays in the answers to those who may read it: it is in no log line, no URL and no error.

use kith::db::DbConn;
use kith::error::Chain;
use serde_json::{Value, json};

use super::town::{Client, Town};
use crate::client::Answer;
use crate::server::{Server, places};
use crate::socket::Http;

/// In every text that is about somebody. In upper case too, for codes.
const MARK: &str = "Zwaanmarke";
/// Digits of a phone, of a health number and of the month of a birth, that stand nowhere else.
const NUMBERS: [&str; 3] = ["7785550173", "9698658215", "1903-02"];

/// Calls, and keeps the answers.
struct Witness {
    http: Http,
    answers: Vec<(String, Answer)>,
}

impl Witness {
    fn call(&mut self, client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> &Answer {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = client.try_call(&mut self.http, method, path, headers, body).unwrap();
        self.answers.push((format!("{method} {path}"), answer));
        &self.answers.last().unwrap().1
    }

    #[track_caller]
    fn post(&mut self, client: &Client, path: &str, body: Value) -> Value {
        self.call(client, "POST", path, &[("Kith-On-Behalf-Of", MARK)], &body).expect(201)
    }

    #[track_caller]
    fn refused(&mut self, client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: Value) {
        let answer = self.call(client, method, path, headers, &body);
        assert!((400..500).contains(&answer.status), "{method} {path} {body}: {} {}", answer.status, answer.text());
    }
}

fn note(what: &str) -> String {
    format!("{MARK} {what}")
}

fn contact(kind: &str, value: &str) -> Value {
    json!({ "kind": kind, "value": value, "owner_name": note("owner"), "note": note("contact") })
}

fn person(identifier: &str) -> Value {
    json!({
        "names": [{ "given": note("given"), "family": MARK }, { "use": "preferred", "text": note("called") }],
        "birth_date": "1903-02-11",
        "identifiers": [
            { "system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id", "value": NUMBERS[1] },
            { "system": "urn:emr", "value": format!("{MARK}-{identifier}") },
        ],
        "contact_points": [contact("phone", "778-555-0173"), contact("email", "zwaanmarke@example.ca")],
        "safe_contact": { "code_word": MARK, "do_not_contact": [note("never")], "note": note("safe") },
        "address": { "line1": note("street"), "city": note("city"), "postal_code": "V0X 3A0", "country": "CA" },
        "what_matters_to_me": note("matters"), "notes": note("notes"), "interests": [note("interest")],
        "related_persons": [{ "name": note("sister"), "relationship": note("relation"), "note": note("related") }],
    })
}

/// The whole loop, every free text of it marked.
fn tell(witness: &mut Witness, town: &Town) -> (String, String) {
    let Town { clinic, program } = town;
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let patient = id(&witness.post(clinic, "/v1/patients", person("1")));
    let consent = json!({
        "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["care_coordination", "referral"],
        "categories": ["summary", "contact", "needs", "referrals", "follow_ups"], "form": "verbal", "given_by_name": note("giver"),
        "given_by_relationship": note("relation"), "note": note("consent"),
    });
    witness.post(clinic, "/v1/consents", consent);
    witness.post(clinic, "/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity", "note": note("need") }));
    let screening = json!({
        "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed", "completed_by": "interview",
        "assisted_by": MARK, "note": note("screening"), "answers": [{ "link_id": "lonely", "codes": ["often-always"] }],
    });
    witness.post(clinic, "/v1/screenings?suggest=5", screening);
    witness.post(clinic, "/v1/matches", json!({ "patient_id": patient, "text": note("wish") }));
    witness.post(
        clinic,
        "/v1/unmet-needs",
        json!({ "patient_id": patient, "domain": "x-nature", "reasons": ["no_service"], "note": note("unmet") }),
    );
    let mut referral = town.navigation(&patient);
    referral["reason"] = json!(note("reason"));
    referral["source_text"] = json!(note("source"));
    referral["plain_language_purpose"] = json!([{ "language": "en", "text": note("purpose") }]);
    let referral = id(&witness.post(clinic, "/v1/referrals", referral));
    let transitions = format!("/v1/referrals/{referral}/transitions");
    witness.post(program, &transitions, json!({ "status": "accepted", "note": note("accepted") }));
    witness.post(program, &format!("/v1/referrals/{referral}/messages"), json!({ "text": note("message") }));
    let due = town.program.get(&mut witness.http, &format!("/v1/follow-ups?referral_id={referral}"));
    let follow_up = id(&due["items"][0]);
    witness.post(
        program,
        &format!("/v1/follow-ups/{follow_up}/attempts"),
        json!({ "mode": "phone", "outcome": "reached", "note": note("call") }),
    );
    let closed = json!({ "status": "on_hold", "reason": { "code": "other", "text": note("why") }, "note": note("hold") });
    witness.post(program, &transitions, closed);
    for path in ["timeline?limit=2", "needs?limit=1", "consents?limit=1"] {
        witness.call(clinic, "GET", &format!("/v1/patients/{patient}/{path}"), &[], &Value::Null).expect(200);
    }
    for list in ["patients", "referrals", "follow-ups", "consents", "screenings"] {
        witness.call(clinic, "GET", &format!("/v1/{list}?limit=1"), &[], &Value::Null);
    }
    witness.call(clinic, "GET", "/v1/changes?limit=3", &[], &Value::Null).expect(200);
    let search = json!({ "name": MARK, "phone": "778-555-0173", "birth_date": "1903-02-11" });
    witness.call(clinic, "POST", "/v1/patients/search", &[], &search).expect(200);
    (patient, referral)
}

/// Every way to be refused that quotes might come from.
fn err(witness: &mut Witness, town: &Town, patient: &str, referral: &str) {
    let clinic = &town.clinic;
    witness.refused(clinic, "POST", "/v1/patients", &[], person("1"));
    let with = |name: &str, value: Value| {
        let mut person = person("2");
        person[name] = value;
        person
    };
    let long = MARK.repeat(2_000);
    for (name, value) in [
        ("names", json!(MARK)),
        ("names", json!([MARK])),
        ("names", json!([{ "use": MARK, "family": MARK }])),
        ("names", json!([{ "family": long }])),
        ("names", json!([])),
        ("birth_date", json!(MARK)),
        ("birth_date", json!("1903-02-30")),
        ("birth_year", json!("1903")),
        ("birth_year", json!(19030)),
        ("status", json!(MARK)),
        ("languages", json!([{ "language": MARK }])),
        ("notes", json!([MARK])),
        ("notes", json!(long)),
        ("notes", json!(format!("{MARK}\u{0}"))),
        ("contact_points", json!([{ "kind": MARK, "value": MARK }])),
        ("contact_points", json!([{ "kind": "phone", "value": MARK, "number": "7785550173" }])),
        (
            "identifiers",
            json!([{ "system": "https://fhir.infoway-inforoute.ca/NamingSystem/ca-bc-patient-healthcare-id", "value": "9698658216" }]),
        ),
        ("health_card_version", json!(MARK)),
        ("point", json!({ "latitude": MARK, "longitude": 1903 })),
        ("address", json!({ "country": MARK })),
        ("cultures", json!(MARK)),
        ("must_haves", json!([{ "code": MARK }])),
        ("related_persons", json!([{ "name": [MARK] }])),
    ] {
        witness.refused(clinic, "POST", "/v1/patients", &[], with(name, value.clone()));
        witness.refused(clinic, "PATCH", &format!("/v1/patients/{patient}"), &[("If-Match", "\"1\"")], json!({ name: value }));
    }
    witness.refused(clinic, "PATCH", &format!("/v1/patients/{patient}"), &[("If-Match", MARK)], json!({ "notes": MARK }));
    witness.refused(clinic, "PATCH", &format!("/v1/patients/{patient}"), &[("If-Match", "\"99\"")], json!({ "notes": MARK }));
    witness.refused(clinic, "POST", &format!("/v1/referrals/{referral}/transitions"), &[], json!({ "status": MARK, "note": MARK }));
    witness.refused(clinic, "POST", &format!("/v1/referrals/{referral}/transitions"), &[], json!({ "status": "draft", "note": MARK }));
    witness.refused(clinic, "POST", "/v1/consents", &[], json!({ "patient_id": MARK, "purposes": [MARK], "note": MARK }));
    witness.refused(clinic, "POST", "/v1/needs", &[], json!({ "patient_id": patient, "domain": MARK, "note": MARK }));
    witness.refused(clinic, "POST", "/v1/needs", &[], json!({ "patient_id": patient, "domain": "zwaanmarke", "note": MARK }));
    let answers = json!([{ "link_id": MARK, "codes": [MARK], "text": MARK }]);
    let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed", "answers": answers });
    witness.refused(clinic, "POST", "/v1/screenings", &[], screening);
    witness.refused(clinic, "POST", "/v1/patients/search", &[], json!({ "birth_date": MARK, "name": [MARK] }));
    witness.refused(clinic, "POST", "/v1/patients/search", &[], json!({ "identifier": { "system": MARK, "value": [MARK] } }));
    witness.refused(clinic, "GET", &format!("/v1/patients/{MARK}"), &[], Value::Null);
    witness.refused(clinic, "GET", &format!("/v1/patients?name={MARK}"), &[], Value::Null);
    witness.refused(clinic, "GET", &format!("/v1/patients?status={MARK}"), &[], Value::Null);
    witness.refused(clinic, "GET", &format!("/v1/patients?cursor={MARK}"), &[], Value::Null);
    witness.refused(clinic, "GET", &format!("/v1/{MARK}"), &[], Value::Null);
    witness.refused(clinic, "POST", "/v1/patients", &[("Idempotency-Key", &MARK.repeat(40))], person("3"));
    witness.refused(clinic, "POST", "/v1/patients", &[("Kith-On-Behalf-Of", &MARK.repeat(40))], person("4"));
    for broken in [format!("{{\"names\": [{{\"family\": \"{MARK}"), MARK.to_owned(), format!("{{\"notes\": {MARK}}}")] {
        let authorization = clinic.authorization();
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let answer = witness.http.call("POST", "/v1/patients", &headers, Some(&broken)).unwrap();
        assert_eq!(answer.status, 400, "{}", answer.text());
        witness.answers.push((format!("POST {broken}"), answer));
    }
}

/// Which of the marks stands in a text.
fn marks(text: &str) -> Option<&str> {
    let lower = text.to_lowercase();
    std::iter::once("zwaanmarke").chain(NUMBERS).find(|mark| lower.contains(mark))
}

on_both!(an_error_of_the_database_is_shown_without_what_is_in_the_row, |db| async move {
    use diesel::connection::SimpleConnection;
    let tables =
        "CREATE TABLE marked (name TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL CHECK (kind = 'x'), of_id TEXT REFERENCES marked (name));
        INSERT INTO marked VALUES ('Zwaanmarke', 'x', NULL)";
    db.write(move |conn| Ok(conn.batch_execute(tables)?)).await.unwrap();
    for row in ["'Zwaanmarke', 'x', NULL", "'a', 'Zwaanmarke', NULL", "'Zwaanmarke', NULL, NULL", "'b', 'x', 'Zwaanmarke 2'"] {
        let insert = format!("INSERT INTO marked VALUES ({row})");
        let error = db.write(move |conn| Ok(conn.batch_execute(&insert)?)).await.unwrap_err();
        let shown = Chain(&error).to_string();
        assert_eq!(marks(&shown), None, "{shown}");
    }
});

on_both!(a_document_that_does_not_fit_its_type_is_told_without_what_is_in_it, |db| async move {
    use diesel::RunQueryDsl;
    use diesel::dsl::sql;
    use kith::db::types::{Json, sql_types::Document};
    let error = db
        .read(|conn| {
            let document =
                if matches!(conn, DbConn::Sqlite(_)) { r#"'"Zwaanmarke"' AS document"# } else { r#"'"Zwaanmarke"'::jsonb AS document"# };
            Ok(diesel::select(sql::<Document>(document)).get_result::<Json<Vec<i32>>>(conn)?)
        })
        .await
        .unwrap_err();
    let mut causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    assert!(causes.any(|cause| marks(&cause.to_string()).is_some()), "no cause quotes the document: there is nothing to hide");
    let shown = Chain(&error).to_string();
    assert!(shown.starts_with("internal error: ") && shown.contains("line 1 column"), "{shown}");
    assert_eq!(marks(&shown), None, "{shown}");
});

#[test]
fn what_is_about_a_person_is_in_no_log_line_no_url_and_no_error() {
    for place in places() {
        let url = place.url();
        let mut town = Town::on(&url);
        let server = Server::start(&url, &["--log-level=debug", "--slow-query=0ms"]);
        town.log_in(&server.address);
        let mut witness = Witness { http: Http::to(&server.address), answers: Vec::new() };
        let (patient, referral) = tell(&mut witness, &town);
        err(&mut witness, &town, &patient, &referral);

        let mut found: Vec<String> = Vec::new();
        let mut look = |place: &str, text: &str| {
            if let Some(mark) = marks(text) {
                found.push(format!("{mark} in {place}: {}", text.chars().take(400).collect::<String>()));
            }
        };
        for (request, answer) in &witness.answers {
            look(&format!("the head of the answer to {request}"), &format!("{:?}", answer.headers));
            if answer.status >= 400 {
                look(&format!("the error that answers {request}"), &answer.text());
            }
        }
        let log = server.kill();
        assert!(
            log.iter().any(|line| line.contains("slow statement")) && log.len() > 100,
            "the log is too short to show anything: {}",
            log.len()
        );
        log.iter().for_each(|line| look("the log", line));
        assert!(found.is_empty(), "{} times:\n{}", found.len(), found.join("\n"));
        println!("{} answers and {} lines of log without a mark", witness.answers.len(), log.len());
    }
}
