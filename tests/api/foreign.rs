//! Sight, walked from the document: of everything about a person, an organization that has no part in it sees nothing and changes
//! nothing, and cannot tell that it exists.
//!
//! A clinic has one of everything; every operation is then called by another clinic, with a body that is valid. A new operation takes
//! part as soon as it is in the document, and a new kind of resource must be listed here, or the walk fails.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use kith::auth::{Scope, Scopes};
use kith::db::DbConn;
use kith::each;
use kith::openapi::document;
use serde_json::{Value, json};

use crate::client::{Answer, Caller, TestApp};

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

/// What is refused although all that its example names is there, and the code of the problem: it needs more to have happened before.
const UNTAKEN: [(&str, &str); 5] = [
    ("accept_place", "no_offer"),
    ("conclude_appointment", "appointment_to_come"),
    ("decline_place", "no_offer"),
    ("resend_webhook_delivery", "not_found"),
    ("unmerge_service", "not_merged"),
];

/// What nobody has.
const NOBODYS: &str = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10";

/// One of everything that is about a person, by the path of its collection.
struct Chart {
    clinic: Caller,
    stranger: Caller,
    ids: BTreeMap<&'static str, String>,
    /// What else the clinic has, for what it calls itself: by the path that it is for, else by a name in braces.
    others: BTreeMap<&'static str, String>,
    identifier: Value,
}

impl Chart {
    async fn new(app: &TestApp) -> Self {
        let clinic = app.client(app.clinic().await.organization_id, Scopes::all()).await;
        let stranger = app.client(app.clinic().await.organization_id, Scopes::all()).await;
        // No system calls for it, so that the clinic speaks for both sides of the referral.
        let program = json!({ "name": "Alder Valley Link Workers", "kind": "program" });
        let program = clinic.make("/v1/organizations", program).await;
        let identifier = json!({ "system": "urn:example:chart", "value": "MARK-77310" });
        let mut chart = Self { clinic, stranger, ids: BTreeMap::new(), others: BTreeMap::new(), identifier };
        let person = json!({
            "names": [{ "family": "Zyxwarvu", "given": "Anaïs" }], "birth_date": "1954-03-18",
            "contact_points": [{ "kind": "phone", "value": "778-555-0199" }],
        });
        chart.make("/v1/patients", person).await;
        chart.make("/v1/needs", json!({ "domain": "food-insecurity", "note": "Zyxwarvu" })).await;
        let screening = json!({
            "instrument": "ons-loneliness-direct", "status": "completed", "completed_by": "interview",
            "answers": [{ "link_id": "lonely", "codes": ["often-always"] }], "note": "Zyxwarvu",
        });
        chart.make("/v1/screenings", screening).await;
        chart.make("/v1/matches", json!({})).await;
        chart.make("/v1/unmet-needs", json!({ "domain": "food-insecurity", "reasons": ["no_service"], "note": "Zyxwarvu" })).await;
        let (purposes, categories) = (json!(["referral"]), json!(["summary", "contact"]));
        let consent =
            json!({ "grantee_id": program, "purposes": purposes, "categories": categories, "form": "verbal", "note": "Zyxwarvu" });
        chart.make("/v1/consents", consent).await;
        let referral = json!({
            "kind": "navigation", "performer_organization_id": program, "source_type": "family_physician", "chosen_by": "person",
            "reason": "Zyxwarvu", "consent": { "form": "verbal" },
        });
        chart.make("/v1/referrals", referral).await;
        let follow_up = json!({ "purpose": "check_in", "due_on": "2026-03-10", "note": "Zyxwarvu" });
        chart.make("/v1/follow-ups", follow_up).await;
        let worker = chart.clinic.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
        let times = ("2026-03-10T17:00:00Z", "2026-03-10T18:00:00Z");
        let slot = json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1, "places": 9 });
        let slot = chart.clinic.make("/v1/slots", slot).await;
        chart.make("/v1/appointments", json!({ "slot_id": slot, "note": "Zyxwarvu" })).await;
        let (referral, follow_up) = (format!("/v1/referrals/{}", chart.ids["/v1/referrals"]), &chart.ids["/v1/follow-ups"]);
        let message = chart.clinic.make(&format!("{referral}/messages"), json!({ "text": "Zyxwarvu?" })).await;
        let attempt = json!({ "mode": "phone", "outcome": "declined", "note": "Zyxwarvu" });
        let attempt = chart.clinic.make(&format!("/v1/follow-ups/{follow_up}/attempts"), attempt).await;
        let transitions = chart.clinic.get(&format!("{referral}/transitions")).await.expect(200);
        let transition = transitions["items"][0]["id"].as_str().unwrap().to_owned();
        let parts = [("{message_id}", message), ("{transition_id}", transition), ("{attempt_id}", attempt)];
        chart.others.extend([("/v1/organizations", program), ("/v1/practitioners", worker), ("{booked slot}", slot)]);
        chart.others.extend(parts);
        chart
    }

    /// The same with the clinic's directory, and what single operations need for themselves.
    async fn whole(app: &TestApp) -> Self {
        let mut chart = Self::new(app).await;
        let Self { clinic, ids, others, .. } = &chart;
        let person = json!({ "names": [{ "family": "Osei" }] });
        let (second, third) = (clinic.make("/v1/patients", person.clone()).await, clinic.make("/v1/patients", person).await);
        let lunch = json!({ "name": "Lunch Club", "provider_id": clinic.organization_id });
        let (lunch, choir) = (clinic.make("/v1/services", lunch).await, clinic.make("/v1/services", json!({ "name": "Choir" })).await);
        let slot = json!({ "service_id": lunch, "starts_at": "2026-03-11T17:00:00Z", "ends_at": "2026-03-11T17:30:00Z" });
        let held = json!({ "slot_id": others["{booked slot}"], "patient_id": second });
        let draft = json!({ "patient_id": ids["/v1/patients"], "instrument": "ons-loneliness-direct" });
        let draft = clinic.make("/v1/screenings", draft).await;
        let message = format!("/v1/referrals/{}/messages", ids["/v1/referrals"]);
        let asks = json!({ "patient_id": ids["/v1/patients"], "kind": "service", "service_id": lunch, "source_type": "family_physician" });
        let (waits, asks) = (clinic.make("/v1/referrals", asks.clone()).await, clinic.make("/v1/referrals", asks).await);
        let entry = clinic.make(&format!("/v1/services/{lunch}/waitlist-entries"), json!({ "referral_id": waits })).await;
        let suggestion = json!({ "base_version": 1, "patch": { "name": "Tea" } });
        let suggestion = clinic.make(&format!("/v1/services/{lunch}/suggestions"), suggestion).await;
        let of_document = |path: &str| example(&document()["paths"][path]["post"]).unwrap().1;
        let mut instrument = of_document("/v1/instruments");
        // Instruments are everybody's: of each chart there is an edition of its own.
        instrument["edition"] = json!(second);
        let export = clinic.post("/v1/exports", json!({})).await;
        let import = clinic.request(Method::POST, "/v1/imports").insert_header(("content-type", "application/x-ndjson"));
        let import = app.send(import.set_payload("")).await;
        let more = [
            ("/v1/slots", clinic.make("/v1/slots", slot).await),
            ("/v1/appointments/{id}/confirm", clinic.make("/v1/appointments?hold_minutes=30", held).await),
            ("/v1/screenings/{id}/complete", draft.clone()),
            ("/v1/screenings/{id}/links", draft),
            ("/v1/service-suggestions", suggestion),
            ("/v1/webhook-endpoints", clinic.make("/v1/webhook-endpoints", json!({ "url": "https://hooks.example.ca/kith" })).await),
            ("/v1/sources", clinic.make("/v1/sources", of_document("/v1/sources")).await),
            ("/v1/instruments", clinic.make("/v1/instruments", instrument).await),
            ("/v1/exports", export.id()),
            ("/v1/imports", import.id()),
            ("{message}", clinic.make(&message, json!({ "text": "When will you call?" })).await),
            ("{entry_id}", entry),
            ("{who asks}", asks),
            ("{another patient}", third),
            ("/v1/services", lunch),
            ("{another service}", choir),
        ];
        chart.others.extend(more);
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

    /// Whose id stands in a path: of what there is for it, that of the longest path.
    fn id_in(&self, caller: &Caller, template: &str) -> &str {
        let own = self.others.iter().filter(|_| self.is_clinic(caller));
        let there = own.chain(&self.ids).filter(|(path, _)| is_under(template, path));
        there.max_by_key(|(path, _)| path.len()).map_or(NOBODYS, |(_, id)| id)
    }

    fn is_clinic(&self, caller: &Caller) -> bool {
        caller.organization_id == self.clinic.organization_id
    }

    fn request(&self, caller: &Caller, method: &Method, template: &str, operation: &Value) -> TestRequest {
        let id = self.id_in(caller, template);
        let mut path = template
            .replace("{id}", id)
            .replace("{name}", "standard")
            .replace("{delivery_id}", id)
            .replace("{run_id}", id)
            .replace("{key}", "newcomers");
        for part in ["{entry_id}", "{message_id}", "{transition_id}", "{attempt_id}"] {
            path = path.replace(part, self.others.get(part).map_or(id, String::as_str));
        }
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
        if let Some((media_type, body)) = self.body(caller, method, template, operation) {
            request = request.insert_header(("content-type", media_type)).set_payload(body);
        }
        request
    }

    /// The body of a call, with its media type: the document's example, made to name what there is.
    fn body<'o>(&self, caller: &Caller, method: &Method, template: &str, operation: &'o Value) -> Option<(&'o str, String)> {
        let (media_type, mut body) = example(operation)?;
        self.name_the_person(&mut body);
        if self.is_clinic(caller) {
            self.name_the_rest(method, template, &mut body);
        }
        let takes_the_key = template.ends_with("/by-identifier") || (!self.is_clinic(caller) && body.get("identifiers").is_some());
        if takes_the_key {
            body["identifiers"] = json!([self.identifier]);
        }
        Some((media_type, body.to_string()))
    }

    /// Points every reference of a body to the person and what is about them at what the clinic has.
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
    }

    /// Points the other references of a body of the clinic's at what it has.
    fn name_the_rest(&self, method: &Method, template: &str, body: &mut Value) {
        let fields = [
            ("grantee_id", "/v1/organizations"),
            ("performer_organization_id", "/v1/organizations"),
            ("practitioner_id", "/v1/practitioners"),
            ("assessed_by", "/v1/practitioners"),
            ("service_id", "/v1/services"),
            ("slot_id", if *method == Method::PUT { "{booked slot}" } else { "/v1/slots" }),
            ("duplicate_id", if is_under(template, "/v1/patients") { "{another patient}" } else { "{another service}" }),
            ("up_to", "{message}"),
        ];
        for (field, name) in fields {
            if body.get(field).is_some() {
                body[field] = json!(self.others[name]);
            }
        }
        match template {
            "/v1/organizations/{id}" if *method == Method::PATCH => body["parent_id"] = json!(self.clinic.organization_id),
            "/v1/services/duplicates/dismiss" => {
                body["service_ids"] = json!([self.others["/v1/services"], self.others["{another service}"]]);
            }
            "/v1/services/{id}/waitlist-entries" => body["referral_id"] = json!(self.others["{who asks}"]),
            // The chart was made with the example itself, and there is one of its name.
            "/v1/sources" => body["name"] = json!("elm-valley-211"),
            "/v1/instruments" => body["edition"] = json!("2027"),
            _ => {}
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

/// The media type of an operation's body, and the document's first example of it.
fn example(operation: &Value) -> Option<(&str, Value)> {
    let (media_type, media) = operation["requestBody"]["content"].as_object()?.iter().next()?;
    let shared = media["examples"].as_object().and_then(|examples| examples.values().next());
    let shared =
        shared.map(|example| document().pointer(example["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap()["value"].clone());
    Some((media_type.as_str(), shared.unwrap_or_else(|| media["example"].clone())))
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many rows each table has.
async fn rows(app: &TestApp) -> BTreeMap<String, i64> {
    let counted = app.state.db.read(|conn| {
        let names = match conn {
            DbConn::Sqlite(_) => "SELECT name, 0 AS count FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            DbConn::Pg(_) => {
                "SELECT table_name::text AS name, 0::bigint AS count FROM information_schema.tables WHERE table_schema = current_schema()"
            }
        };
        let tables: Vec<Table> = each!(conn, |conn| sql_query(names).load(conn))?;
        let count = |table: &Table| format!("SELECT '{0}' AS name, count(*) AS count FROM {0}", table.name);
        let counts = tables.iter().map(count).collect::<Vec<_>>().join(" UNION ALL ");
        Ok(each!(conn, |conn| sql_query(counts).load::<Table>(conn))?)
    });
    counted.await.unwrap().into_iter().map(|table| (table.name, table.count)).collect()
}

/// The code of the problem that an answer is.
fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// Whether a call that is taken leaves to others something else than there was for them.
fn changes_what_there_is(path: &str) -> bool {
    path.contains("{id}") || path == "/v1/appointments"
}

/// Whether the example of a body bears a key, which one resource of an organization can have.
fn takes_a_key(operation: &Value) -> bool {
    example(operation).is_some_and(|(_, body)| body.get("identifiers").is_some())
}

/// What is refused, with its code.
fn untaken() -> BTreeMap<&'static str, String> {
    UNTAKEN.iter().map(|(id, code)| (*id, (*code).to_owned())).collect()
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
    let chart = Chart::new(&TestApp::new(db).await).await;
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
    let chart = Chart::new(&TestApp::new(db).await).await;
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
    let app = TestApp::new(db).await;
    let mut chart = Chart::whole(&app).await;
    let (mut refused, mut answers) = (BTreeMap::new(), Vec::new());
    for (path, method, operation) in operations().filter(|(.., operation)| operation["requestBody"].is_object()) {
        let id = operation["operationId"].as_str().unwrap();
        let answer = chart.call(&chart.clinic, &method, path, operation).await;
        if answer.status >= 300 {
            refused.insert(id, code(&answer));
            answers.push(format!("{id}: {}", answer.text()));
        } else if changes_what_there_is(path) || takes_a_key(operation) {
            chart = Chart::whole(&app).await;
        }
    }
    assert_eq!(refused, untaken(), "{answers:#?}");
});

on_both!(what_was_made_is_found_where_its_location_leads, |db| async move {
    let app = TestApp::new(db).await;
    let mut chart = Chart::whole(&app).await;
    let (mut by_itself, mut in_a_list) = (0, 0);
    let makes = operations().filter(|(_, method, operation)| *method == Method::POST && operation["responses"]["201"].is_object());
    for (path, method, operation) in makes {
        let made = chart.call(&chart.clinic, &method, path, operation).await;
        if made.status != 201 {
            continue;
        }
        let read = chart.clinic.get(made.header("location").unwrap()).await.expect(200);
        let is_it = |resource: &Value| resource["id"] == made.json()["id"];
        let is_listed = read["items"].as_array().is_some_and(|items| items.iter().any(is_it));
        assert!(is_it(&read) != is_listed, "{path}: {read}");
        *(if is_listed { &mut in_a_list } else { &mut by_itself }) += 1;
        if changes_what_there_is(path) || takes_a_key(operation) {
            chart = Chart::whole(&app).await;
        }
    }
    assert!(by_itself > 10, "{by_itself} and {in_a_list}");
});

on_both!(whoever_has_what_is_read_hears_304_exactly_where_the_document_says_so, |db| async move {
    let app = TestApp::new(db).await;
    let chart = Chart::whole(&app).await;
    let (mut kept, mut sent) = (Vec::new(), Vec::new());
    let is_single = |path: &str| path.ends_with("/{id}") || path.ends_with("/{entry_id}");
    for (path, method, operation) in operations().filter(|(path, method, _)| *method == Method::GET && is_single(path)) {
        let read = || chart.request(&chart.clinic, &method, path, operation);
        let first = app.send(read()).await;
        first.expect(200);
        let again = app.send(read().insert_header(("if-none-match", first.header("etag").unwrap_or("*")))).await;
        let is_promised = operation["responses"]["304"].is_object();
        let takes_the_tag = operation["parameters"]
            .as_array()
            .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["$ref"] == "#/components/parameters/IfNoneMatch"));
        assert_eq!((again.status == 304, takes_the_tag), (is_promised, is_promised), "{path} answered {}", again.status);
        (if is_promised { &mut kept } else { &mut sent }).push(path);
    }
    assert!(kept.len() > 10 && sent.len() > 5, "{kept:?} {sent:?}");
});

on_both!(every_post_that_changes_something_has_one_effect_for_a_key, |db| async move {
    let app = TestApp::new(db).await;
    let mut chart = Chart::whole(&app).await;
    let mut refused = BTreeMap::new();
    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.into_iter().any(|parameter| parameter["$ref"] == "#/components/parameters/IdempotencyKey") {
            let needs_none = ["search_patients", "search_services", "check_eligibility", "import_services", "ping_webhook_endpoint"];
            assert!(method != Method::POST || needs_none.contains(&id), "{id} takes no Idempotency-Key");
            continue;
        }
        let keyed = || chart.request(&chart.clinic, &method, path, operation).insert_header(("idempotency-key", id));
        let first = app.send(keyed()).await;
        if first.status >= 300 {
            refused.insert(id, code(&first));
            continue;
        }
        let effects = async || {
            let mut rows = rows(&app).await;
            // What arrives of an import lies there until it is known whether anything comes of it.
            rows.retain(|table, _| id != "create_import" || !table.starts_with("bulk_"));
            rows
        };
        let before = effects().await;
        let again = app.send(keyed()).await;
        assert_eq!((again.status, &again.bytes), (first.status, &first.bytes), "{id} answers otherwise the second time");
        assert_eq!((again.header("location"), again.header("etag")), (first.header("location"), first.header("etag")), "{id}");
        assert_eq!(effects().await, before, "{id} has another effect the second time");
        let (_, body) = chart.body(&chart.clinic, &method, path, operation).unwrap();
        let other = app.send(keyed().set_payload(format!("{body} "))).await;
        assert_eq!((other.status, code(&other).as_str()), (422, "idempotency_key_reused"), "{id} takes the key for another body");
        if changes_what_there_is(path) {
            chart = Chart::whole(&app).await;
        }
    }
    assert_eq!(refused, untaken());
    for unfit in ["two words", "", "\t", "ключ", &"k".repeat(256)] {
        let request = chart.clinic.request(Method::POST, "/v1/patients").insert_header(("idempotency-key", unfit));
        let answer = chart.clinic.app.send(request.set_json(json!({ "names": [{ "family": "Tremblay" }] }))).await;
        answer.expect_problem(400, "malformed_request");
    }
});
