//! Sight, walked from the document: of everything about a person, an organization that has no part in it sees nothing and changes
//! nothing, and cannot tell that it exists.
//!
//! A clinic has one of everything; every operation is then called by another clinic, with a body that is valid. A new operation takes
//! part as soon as it is in the document, and a new kind of resource must be listed here, or the walk fails.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use kith::auth::{Scope, Scopes};
use kith::openapi::document;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};
use crate::harness::TestDb;

/// Resources that are about nobody: of these anyone sees what the directory is made of.
const ABOUT_NOBODY: &[&str] = &[
    "/v1/changes",
    "/v1/eligibility-checks",
    "/v1/exports",
    "/v1/imports",
    "/v1/instruments",
    "/v1/matching-profiles",
    "/v1/need-domains",
    "/v1/organizations",
    "/v1/practitioners",
    "/v1/service-suggestions",
    "/v1/services",
    "/v1/sources",
    "/v1/slots",
    "/v1/webhook-endpoints",
];

/// Words that stand in what the clinic writes of the person, and nowhere else.
const MARKS: [&str; 4] = ["Zyxwarvu", "zyxwarvu", "778-555-0199", "MARK-77310"];

/// One of everything that is about a person, by the path of its collection.
struct Chart {
    clinic: Caller,
    stranger: Caller,
    ids: BTreeMap<&'static str, String>,
    identifier: Value,
}

impl Chart {
    async fn new(db: TestDb) -> Self {
        let app = TestApp::new(db).await;
        let clinic = app.client(app.clinic().await.organization_id, Scopes::all()).await;
        let stranger = app.client(app.clinic().await.organization_id, Scopes::all()).await;
        let program = app.tenant("Alder Valley Link Workers", OrganizationKind::Program).await;
        let identifier = json!({ "system": "urn:example:chart", "value": "MARK-77310" });
        let mut chart = Self { clinic, stranger, ids: BTreeMap::new(), identifier };
        let person = json!({
            "names": [{ "family": "Zyxwarvu", "given": "Anaïs" }], "birth_date": "1954-03-18",
            "contact_points": [{ "kind": "phone", "value": "778-555-0199" }],
        });
        chart.make("/v1/patients", person).await;
        chart.make("/v1/needs", json!({ "domain": "food-insecurity", "note": "Zyxwarvu" })).await;
        let screening = json!({
            "instrument": "ons-loneliness-direct", "status": "completed",
            "answers": [{ "link_id": "lonely", "codes": ["often-always"] }], "note": "Zyxwarvu",
        });
        chart.make("/v1/screenings", screening).await;
        chart.make("/v1/matches", json!({})).await;
        chart.make("/v1/unmet-needs", json!({ "domain": "food-insecurity", "reasons": ["no_service"], "note": "Zyxwarvu" })).await;
        let grantee = program.organization_id;
        let (purposes, categories) = (json!(["referral"]), json!(["summary", "contact"]));
        let consent =
            json!({ "grantee_id": grantee, "purposes": purposes, "categories": categories, "form": "verbal", "note": "Zyxwarvu" });
        chart.make("/v1/consents", consent).await;
        let referral = json!({
            "kind": "navigation", "performer_organization_id": grantee, "source_type": "family_physician", "chosen_by": "person",
            "reason": "Zyxwarvu", "consent": { "form": "verbal" },
        });
        chart.make("/v1/referrals", referral).await;
        let follow_up = json!({ "purpose": "check_in", "due_on": "2026-03-10", "note": "Zyxwarvu" });
        chart.make("/v1/follow-ups", follow_up).await;
        let worker = chart.clinic.post("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await.id();
        let times = ("2026-03-10T17:00:00Z", "2026-03-10T18:00:00Z");
        let slot = json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 });
        let slot = chart.clinic.post("/v1/slots", slot).await.id();
        chart.make("/v1/appointments", json!({ "slot_id": slot, "note": "Zyxwarvu" })).await;
        chart
    }

    async fn make(&mut self, path: &'static str, mut body: Value) {
        if let Some(patient) = self.ids.get("/v1/patients") {
            body["patient_id"] = json!(patient);
        }
        let has_identifiers = document()["paths"].get(format!("{path}/by-identifier")).is_some();
        if has_identifiers {
            body["identifiers"] = json!([self.identifier]);
        }
        let made = self.clinic.post(path, body).await;
        made.expect(201);
        self.ids.insert(path, made.id());
    }

    /// The call of an operation by somebody: on the clinic's own resources, with the document's own example for a body.
    async fn call(&self, caller: &Caller, method: &Method, template: &str, operation: &Value) -> Answer {
        caller.app.send(self.request(caller, method, template, operation)).await
    }

    fn request(&self, caller: &Caller, method: &Method, template: &str, operation: &Value) -> TestRequest {
        let owned = self.ids.iter().find(|(path, _)| is_under(template, path));
        let id = owned.map_or("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", |(_, id)| id);
        let mut path = template
            .replace("{id}", id)
            .replace("{name}", "standard")
            .replace("{delivery_id}", id)
            .replace("{run_id}", id)
            .replace("{key}", "newcomers")
            .replace("{entry_id}", id);
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" && parameter["required"] == true {
                let name = parameter["name"].as_str().unwrap();
                let example = parameter["example"].as_str().unwrap_or_else(|| panic!("{template}: {name} has no example"));
                let value = match name {
                    "system" | "value" => self.identifier[name].as_str().unwrap(),
                    _ => example,
                };
                path.push_str(&format!("{}{name}={value}", if path.contains('?') { '&' } else { '?' }));
            }
        }
        let mut request = caller.request(method.clone(), &path);
        if ["put", "patch", "delete"].contains(&method.as_str().to_lowercase().as_str()) && !template.ends_with("/by-identifier") {
            request = request.insert_header(("if-match", "*"));
        }
        if let Some((media_type, media)) = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next()) {
            let shared = media["examples"]
                .as_object()
                .and_then(|examples| examples.values().next())
                .map(|example| document().pointer(example["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap()["value"].clone());
            let mut body = shared.unwrap_or_else(|| media["example"].clone());
            self.name_the_person(&mut body);
            if template.ends_with("/by-identifier") {
                body["identifiers"] = json!([self.identifier]);
            }
            request = request.insert_header(("content-type", media_type.as_str())).set_payload(body.to_string());
        }
        request
    }

    /// Points every reference of a body at what the clinic has.
    fn name_the_person(&self, body: &mut Value) {
        let fields = [
            ("patient_id", "/v1/patients"),
            ("referral_id", "/v1/referrals"),
            ("parent_id", "/v1/referrals"),
            ("screening_id", "/v1/screenings"),
            ("replaces_id", "/v1/screenings"),
            ("match_id", "/v1/matches"),
        ];
        for (field, path) in fields {
            if body.get(field).is_some() {
                body[field] = json!(self.ids[path]);
            }
        }
        if body.get("identifiers").is_some() {
            body["identifiers"] = json!([self.identifier]);
        }
    }

    /// How many revisions each of the clinic's resources has, of those that keep them.
    async fn revisions(&self) -> BTreeMap<&'static str, usize> {
        let mut revisions = BTreeMap::new();
        for (path, id) in &self.ids {
            let history = self.clinic.get(&format!("{path}/{id}/history")).await;
            if history.status == 200 {
                revisions.insert(*path, history.json()["items"].as_array().unwrap().len());
            }
        }
        revisions
    }

    /// Fails where an answer tells the stranger anything of the person.
    fn tells_nothing(&self, id: &str, answer: &Answer) {
        let text = String::from_utf8_lossy(&answer.bytes);
        let marks = MARKS.iter().copied().filter(|mark| *mark != "MARK-77310" || !(200..300).contains(&answer.status));
        for mark in marks.chain(self.ids.values().map(String::as_str)) {
            assert!(!text.contains(mark), "{id} tells a stranger {mark}: {text}");
        }
    }
}

fn is_under(path: &str, collection: &str) -> bool {
    path == collection || path.strip_prefix(collection).is_some_and(|rest| rest.starts_with('/'))
}

/// Every operation that a client's token opens. What a link opens is tried with links, in `screening_links.rs`.
fn operations() -> impl Iterator<Item = (&'static str, Method, &'static Value)> {
    let is_for_clients = |path: &str| path.starts_with("/v1/") && !is_under(path, "/v1/screening-link");
    let paths = document()["paths"].as_object().unwrap().iter().filter(move |(path, _)| is_for_clients(path));
    paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, value)| (path.as_str(), method.to_uppercase().parse().unwrap(), value))
    })
}

on_both!(of_everything_about_a_person_another_organization_hears_404, |db| async move {
    let chart = Chart::new(db).await;
    let before = chart.revisions().await;
    assert!(before.contains_key("/v1/patients") && before.contains_key("/v1/referrals"), "{before:?}");
    let (mut hidden, mut read) = (0, 0);
    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let is_about_nobody = ABOUT_NOBODY.iter().any(|collection| is_under(path, collection));
        let is_about_a_person = chart.ids.keys().any(|collection| is_under(path, collection));
        assert!(is_about_nobody != is_about_a_person, "{id}: say in this file whether {path} is about a person");
        let answer = chart.call(&chart.stranger, &method, path, operation).await;
        chart.tells_nothing(id, &answer);
        assert_ne!(answer.status, 400, "{id}: the walk is wrong: {}", String::from_utf8_lossy(&answer.bytes));
        if !is_about_a_person {
            continue;
        }
        if path.contains("{id}") {
            answer.expect_problem(404, "not_found");
            hidden += 1;
        } else if answer.status == 200 && method != Method::PUT {
            let text = String::from_utf8_lossy(&answer.bytes);
            assert!(!text.contains(&chart.clinic.organization_id.to_string()), "{id} lists what is the clinic's: {text}");
        } else if operation["requestBody"].is_object() {
            // What names the clinic's patient is refused as if there were none; a patient of the stranger's own is theirs alone.
            let is_own = path.starts_with("/v1/patients") && [200, 201].contains(&answer.status);
            assert!(is_own || [403, 404, 422].contains(&answer.status), "{id} answered {}", answer.status);
        }
    }
    // The same calls by the clinic itself find what they ask for: the walk above was one past real things.
    for (path, method, operation) in operations().filter(|(path, method, _)| path.contains("{id}") && *method == Method::GET) {
        if let Some(collection) = chart.ids.keys().find(|collection| is_under(path, collection)) {
            let answer = chart.call(&chart.clinic, &method, path, operation).await;
            assert_eq!(answer.status, 200, "{collection}: {} answered {}", operation["operationId"], answer.status);
            read += 1;
        }
    }
    assert!(hidden >= 60 && read >= 25, "{hidden} operations hidden, {read} read");
    assert_eq!(chart.revisions().await, before, "the stranger changed something");
});

on_both!(what_a_body_names_of_another_organizations_person_is_as_if_it_were_not_there, |db| async move {
    let chart = Chart::new(db).await;
    let patient = json!(chart.ids["/v1/patients"]);
    let bodies = [
        ("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })),
        ("/v1/screenings", json!({ "patient_id": patient, "instrument": "phq-9" })),
        ("/v1/matches", json!({ "patient_id": patient })),
        ("/v1/unmet-needs", json!({ "patient_id": patient, "domain": "food-insecurity", "reasons": ["no_service"] })),
        ("/v1/follow-ups", json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" })),
        (
            "/v1/consents",
            json!({ "patient_id": patient, "grantee_id": chart.stranger.organization_id, "purposes": ["care_coordination"], "categories": ["summary"], "form": "verbal" }),
        ),
        (
            "/v1/referrals",
            json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": chart.stranger.organization_id, "source_type": "self", "chosen_by": "person", "consent": { "form": "verbal" } }),
        ),
    ];
    let nobody = json!("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10");
    for (path, body) in bodies {
        let mut absent = body.clone();
        absent["patient_id"] = nobody.clone();
        let (there, not_there) = (chart.stranger.post(path, body).await, chart.stranger.post(path, absent).await);
        assert!([404, 422].contains(&there.status), "{path} answered {}", there.status);
        let without_id = |answer: &Answer| {
            let mut body = answer.json();
            body["request_id"] = Value::Null;
            body
        };
        assert_eq!(without_id(&there), without_id(&not_there), "{path} tells that the patient exists");
    }
    let reader = chart.stranger.only(&[Scope::PatientsRead]).await;
    let found = reader.post("/v1/patients/search", json!({ "name": "Zyxwarvu" })).await.expect(200);
    assert_eq!(found["items"], json!([]));
});

on_both!(the_documents_example_of_every_request_is_one_that_the_server_takes, |db| async move {
    let chart = Chart::new(db).await;
    let (mut taken, mut refused) = (0, Vec::new());
    for (path, method, operation) in operations().filter(|(.., operation)| operation["requestBody"].is_object()) {
        let answer = chart.call(&chart.clinic, &method, path, operation).await;
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        // What an example cannot know is what there is.
        let is_about_what_there_is = match answer.status {
            422 => answer.faults(422).iter().all(|(_, code)| ["not_found", "immutable"].contains(&code.as_str())),
            status => [403, 404, 409, 410].contains(&status),
        };
        let is_taken = (200..300).contains(&answer.status);
        if !is_taken && !is_about_what_there_is {
            refused.push(format!("{}: {text}", operation["operationId"]));
        }
        taken += usize::from(is_taken);
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(taken >= 25, "only {taken} examples were taken");
});

on_both!(every_post_that_changes_something_has_one_effect_for_a_key, |db| async move {
    let chart = Chart::new(db).await;
    let mut once = 0;
    for (path, method, operation) in operations().filter(|(_, method, _)| *method == Method::POST) {
        let id = operation["operationId"].as_str().unwrap();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.into_iter().any(|parameter| parameter["$ref"] == "#/components/parameters/IdempotencyKey") {
            let needs_none = ["search_patients", "search_services", "check_eligibility", "import_services", "ping_webhook_endpoint"];
            assert!(needs_none.contains(&id), "{id} takes no Idempotency-Key");
            continue;
        }
        let send = || {
            let request = chart.request(&chart.clinic, &method, path, operation).insert_header(("idempotency-key", id));
            chart.clinic.app.send(request)
        };
        let first = send().await;
        if first.status < 300 {
            let again = send().await;
            assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{id} answers otherwise the second time");
            assert_eq!((again.header("location"), again.header("etag")), (first.header("location"), first.header("etag")), "{id}");
            let other = chart.request(&chart.clinic, &method, path, operation).insert_header(("idempotency-key", id));
            let other = chart.clinic.app.send(other.set_payload("{}")).await;
            assert_eq!(other.status, 422, "{id} takes the key for another body");
            once += 1;
        }
    }
    assert!(once >= 12, "only {once} were tried");
    for unfit in ["two words", "", "\t", "ключ", &"k".repeat(256)] {
        let request = chart.clinic.request(Method::POST, "/v1/patients").insert_header(("idempotency-key", unfit));
        let answer = chart.clinic.app.send(request.set_json(json!({ "names": [{ "family": "Tremblay" }] }))).await;
        answer.expect_problem(400, "malformed_request");
    }
});
