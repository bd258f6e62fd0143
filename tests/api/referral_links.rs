//! Referrals answered by a link: the page of an agency without a system, and what may not happen on it.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use chrono::Duration;
use kith::auth::Scope;
use kith::auth::repository::set_active;
use serde_json::{Value, json};

use crate::clashes::while_held;
use crate::client::{Answer, Caller};
use crate::referrals::{Town, step};

/// A town whose agency has no system on Kith, and a referral of the clinic to its lunch club.
struct Village {
    town: Town,
    service: String,
    patient: String,
    referral: String,
}

impl Village {
    async fn new(db: crate::harness::TestDb, categories: &[&str]) -> Self {
        Self::of(db, categories, json!({}), json!({})).await
    }

    /// The same with more that is known of the agency, and of its service.
    async fn of(db: crate::harness::TestDb, categories: &[&str], of_agency: Value, of_service: Value) -> Self {
        let with = |mut all: Value, more: Value| {
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        let town = Town::new(db).await;
        let agency = format!("/v1/organizations/{}", town.agency.organization_id);
        let texts = json!({ "translations": [{ "language": "fr", "name": "Club des dîners" }] });
        town.agency.patch(&agency, 1, with(texts, of_agency)).await.expect(200);
        let clinic = format!("/v1/organizations/{}", town.clinic.organization_id);
        town.clinic.patch(&clinic, 1, json!({ "phones": [{ "original": "250-555-0100" }] })).await.expect(200);
        let service = with(json!({ "name": "Lunch Club", "provider_id": town.agency.organization_id }), of_service);
        let service = town.agency.post("/v1/services", service).await.id();
        disconnect(&town.agency).await;
        let person = json!({
            "names": [{ "use": "official", "family": "Tremblay", "given": "Anaïs" }], "birth_date": "1954-03-18",
            "contact_points": [{ "kind": "phone", "value": "778-555-0199" }], "safe_contact": { "no_voicemail": true },
        });
        let patient = town.clinic.post("/v1/patients", person).await.id();
        let body = json!({
            "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician", "chosen_by": "person",
            "reason": "Would like <b>company</b> & a hot meal.", "consent": { "form": "verbal", "categories": categories },
        });
        let sent = town.clinic.post("/v1/referrals", body).await;
        sent.expect(201);
        Self { referral: sent.id(), town, service, patient }
    }

    /// The page of a new link of the clinic's.
    async fn link(&self) -> Page<'_> {
        let path = format!("/v1/referrals/{}/links", self.referral);
        let made = self.town.clinic.post(&path, json!({ "recipient": "Mina, by e-mail" })).await.expect(201);
        Page { town: &self.town, path: made["url"].as_str().unwrap().to_owned() }
    }

    async fn status(&self) -> Value {
        self.town.clinic.get(&format!("/v1/referrals/{}", self.referral)).await.expect(200)["status"].clone()
    }

    async fn transitions(&self) -> Vec<Value> {
        let page = self.town.clinic.get(&format!("/v1/referrals/{}/transitions", self.referral)).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

async fn disconnect(caller: &Caller) {
    let (client, now) = (caller.client_id, caller.app.clock.now());
    caller.app.state.db.write(move |conn| set_active(conn, client, false, now)).await.unwrap();
}

/// What a link opens.
struct Page<'a> {
    town: &'a Town,
    path: String,
}

impl Page<'_> {
    async fn get(&self, query: &str) -> Answer {
        self.town.app.send(TestRequest::default().uri(&format!("{}{query}", self.path))).await
    }

    /// Sends a form.
    async fn send(&self, form: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_html_form::to_string(fields).unwrap();
        let request = TestRequest::default().method(Method::POST).uri(&format!("{}/{form}", self.path));
        self.town.app.send(request.insert_header(("content-type", "application/x-www-form-urlencoded")).set_payload(body)).await
    }

    /// The text of the page in a language.
    async fn text(&self, query: &str) -> String {
        let answer = self.get(query).await;
        assert_eq!(answer.status, 200, "{}", text(&answer));
        text(&answer)
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.to_vec()).unwrap()
}

#[track_caller]
fn shows(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[track_caller]
fn hides(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(!page.contains(part), "{part} is in {page}");
    }
}

on_both!(an_agency_without_a_system_accepts_on_a_page, |db| async move {
    let village = Village::new(db, &["summary", "contact"]).await;
    let page = village.link().await;
    let shown = page.text("").await;
    shows(&shown, &["<html lang=\"en\">", "Alder Falls Family Clinic", "Alder Falls Lunch Club", "Lunch Club", "Anaïs Tremblay"]);
    shows(&shown, &["March 18, 1954", "tel:+17785550199", "Leave no voicemail.", "250-555-0100", "March 9, 2026"]);
    shows(&shown, &["Would like &lt;b&gt;company&lt;&#x2f;b&gt; &amp; a hot meal."]);
    let french = page.text("?lang=fr").await;
    shows(&french, &["<html lang=\"fr\">", "Club des dîners", "18 mars 1954", "Ne laissez pas de message vocal.", "Accepter la demande"]);
    for _ in 0..3 {
        page.get("").await;
    }
    assert_eq!(village.transitions().await.len(), 1, "to read is to change nothing");

    let fields = [("version", "1"), ("name", " Mina  Patel\r\n"), ("note", "She is welcome on\r\nTuesday.")];
    let accepted = page.send("accept?lang=fr", &fields).await;
    assert_eq!((accepted.status, accepted.header("location")), (303, Some(format!("{}?lang=fr", page.path).as_str())));
    let again = page.send("accept?lang=fr", &fields).await;
    assert_eq!(again.status, 303, "the form was sent twice");
    let transitions = village.transitions().await;
    assert_eq!(transitions.len(), 2);
    let made = &transitions[1];
    assert_eq!((&made["to"], &made["note"]), (&json!("accepted"), &json!("She is welcome on\nTuesday.")));
    assert_eq!(made["organization_id"], json!(village.town.agency.organization_id), "it is the agency's word");
    assert_eq!(made["client_id"], json!(village.town.clinic.client_id), "by the client that let it answer");
    let links = village.town.clinic.get(&format!("/v1/referrals/{}/links", village.referral)).await.expect(200);
    let link = links["items"][0]["id"].as_str().unwrap();
    assert_eq!(made["on_behalf_of"], json!(format!("Mina  Patel, by referral link {link}")));
    let history = village.town.clinic.get(&format!("/v1/referrals/{}/history", village.referral)).await.expect(200);
    assert_eq!(history["items"][1]["on_behalf_of"], made["on_behalf_of"]);
    assert_eq!(links["items"][0]["recipient"], "Mina, by e-mail");
    assert!(links["items"][0].get("url").is_none());

    let shown = page.text("").await;
    shows(&shown, &["This referral is accepted.", "Anaïs Tremblay", "tel:+17785550199"]);
    hides(&shown, &["Accept the referral", "Decline the referral", "Mina, by e-mail"]);
});

on_both!(an_agency_declines_with_a_reason_and_hears_what_is_missing, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    hides(&page.text("").await, &["778-555-0199", "voicemail", "+17785550199"]);

    let wrong = page.send("decline?lang=fr", &[("version", "1"), ("name", ""), ("text", "Un <i>mot</i>")]).await;
    assert_eq!(wrong.status, 422);
    let shown = text(&wrong);
    shows(&shown, &["role=\"alert\"", "href=\"#decline-name\"", "Veuillez choisir une raison.", "aria-invalid=\"true\""]);
    shows(&shown, &["Un &lt;i&gt;mot&lt;&#x2f;i&gt;</textarea>"]);
    let other = [("version", "1"), ("name", "Mina"), ("reason", "other")];
    let wrong = page.send("decline", &other).await;
    assert_eq!(wrong.status, 422);
    shows(&text(&wrong), &["value=\"Mina\"", "value=\"other\" checked", "Please say what the other reason is."]);
    for reason in ["deceased", "nonsense", ""] {
        assert_eq!(page.send("decline", &[("version", "1"), ("name", "Mina"), ("reason", reason)]).await.status, 422);
    }
    let long = "x".repeat(101);
    assert_eq!(page.send("accept", &[("version", "1"), ("name", &long)]).await.status, 422);
    assert_eq!(village.status().await, "requested");

    let declined =
        page.send("decline", &[("version", "1"), ("name", "Mina"), ("reason", "no_capacity"), ("text", "Full until May.")]).await;
    assert_eq!(declined.status, 303);
    let made = village.transitions().await.pop().unwrap();
    assert_eq!((&made["to"], &made["reason"]), (&json!("rejected"), &json!({ "code": "no_capacity", "text": "Full until May." })));
    let shown = page.text("").await;
    shows(&shown, &["This referral is declined."]);
    hides(&shown, &["Tremblay", "company", "1954"]);
});

on_both!(what_somebody_else_did_meanwhile_is_told_and_nothing_is_done, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let (page, other) = (village.link().await, village.link().await);
    let clinic = &village.town.clinic;
    clinic.patch(&format!("/v1/referrals/{}", village.referral), 1, json!({ "reason": "Would like company." })).await.expect(200);
    let fields = [("version", "1"), ("name", "Mina")];
    let stale = page.send("accept", &fields).await;
    assert_eq!(stale.status, 409);
    shows(&text(&stale), &["Somebody else changed this in the meantime.", "Would like company.", "value=\"2\""]);
    assert_eq!(village.status().await, "requested");

    assert_eq!(other.send("accept", &[("version", "2"), ("name", "Jo")]).await.status, 303);
    for (form, name) in [("accept", "Mina"), ("decline", "Mina"), ("decline", "")] {
        let late = page.send(form, &[("version", "2"), ("name", name), ("reason", "no_capacity")]).await;
        assert_eq!(late.status, 409, "{form}");
        shows(&text(&late), &["Somebody else changed this in the meantime.", "This referral is accepted."]);
    }
    assert_eq!(village.transitions().await.len(), 2);
    step(clinic, &village.referral, json!({ "status": "cancelled", "reason": { "code": "no_longer_needed" } })).await.expect(201);
    let shown = page.text("").await;
    shows(&shown, &["This referral was called off"]);
    hides(&shown, &["Tremblay", "company"]);
});

on_both!(a_link_that_opens_nothing_says_whom_to_call_and_nothing_of_the_person, |db| async move {
    let mut village = Village::new(db, &["summary", "contact"]).await;
    let page = village.link().await;
    let path = page.path.clone();
    let links = format!("/v1/referrals/{}/links", village.referral);
    let closed = |answer: Answer, says: &str| {
        assert_eq!((answer.status, answer.header("content-type")), (410, Some("text/html; charset=utf-8")));
        shows(&text(&answer), &[says, "250-555-0100", "Alder Falls Family Clinic"]);
        hides(&text(&answer), &["Tremblay", "company", "0199", "1954"]);
    };
    village.town.clinic.app.send(village.town.clinic.request(Method::DELETE, &links)).await.expect(204);
    closed(page.get("").await, "This link is no longer valid");
    closed(page.send("accept?lang=fr", &[("version", "1"), ("name", "Mina")]).await, "n’est plus valide");
    assert_eq!(village.status().await, "requested");

    let made = village.town.clinic.post(&links, json!({ "valid_minutes": 5 })).await.expect(201);
    village.town.app.clock.advance(Duration::minutes(5));
    let page = Page { town: &village.town, path: made["url"].as_str().unwrap().to_owned() };
    closed(page.get("").await, "This link has run out");
    closed(page.send("decline", &[("version", "1"), ("name", "Mina"), ("reason", "other"), ("text", "x")]).await, "This link has run out");

    let screening = json!({ "patient_id": village.patient, "instrument": "phq-9" });
    let draft = village.town.clinic.post("/v1/screenings", screening).await.header("location").unwrap().to_owned();
    let other = village.town.clinic.post(&format!("{draft}/links"), json!({})).await.expect(201);
    let other = format!("/r/{}", other["token"].as_str().unwrap());
    let token = village.town.clinic.token.clone().unwrap();
    for path in [&path[..path.len() - 2], "/r/x", "/r/a.b.c", &other, &format!("/r/{token}")] {
        let answer = Page { town: &village.town, path: path.to_owned() }.get("").await;
        assert_eq!(answer.status, 404, "{path}");
        shows(&text(&answer), &["This link cannot be used"]);
    }

    village.town.clinic.renew().await;
    let page = village.link().await;
    assert_eq!(page.get("").await.status, 200);
    village.town.app.client(village.town.agency.organization_id, [Scope::ReferralsRead].into_iter().collect()).await;
    closed(page.get("").await, "Please answer in your own system");
    disconnect(&village.town.clinic).await;
    let unvouched = page.get("").await;
    assert_eq!(unvouched.status, 410);
    shows(&text(&unvouched), &["This link is no longer valid"]);
});

on_both!(links_are_made_by_whoever_speaks_for_the_performer, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let draft = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    let links = |id: &str| format!("/v1/referrals/{id}/links");
    town.clinic.post(&links(&draft), json!({})).await.expect_problem(403, "forbidden");
    let id = town.sent(&patient).await;
    town.clinic.post(&links(&id), json!({})).await.expect_problem(403, "forbidden");
    town.agency.post(&links(&id), json!({})).await.expect_problem(404, "not_found");
    let made = town.program.post(&links(&id), json!({})).await.expect(201);
    let page = Page { town: &town, path: made["url"].as_str().unwrap().to_owned() };
    shows(&page.text("").await, &["Anaïs Tremblay"]);
    assert_eq!(page.send("accept", &[("version", "1"), ("name", "Harpreet")]).await.status, 303);
    assert_eq!(made["expires_at"], "2026-03-09T17:00:00.000000Z");
    for minutes in [4, 43_201] {
        let faults = town.program.post(&links(&id), json!({ "valid_minutes": minutes })).await.faults(422);
        assert_eq!(faults[0].0, "/valid_minutes");
    }
    step(&town.program, &id, json!({ "status": "completed", "outcome": "need_met" })).await.expect(201);
    town.program.post(&links(&id), json!({})).await.expect_problem(409, "referral_closed");
    let disconnected = town.clinic.post("/v1/referrals?draft=true", town.navigation(&patient)).await.id();
    disconnect(&town.program).await;
    town.clinic.post(&links(&disconnected), json!({})).await.expect_problem(409, "referral_not_sent");
    town.clinic.app.send(town.clinic.request(Method::DELETE, &links(&id))).await.expect(204);
    assert_eq!(page.get("").await.status, 410, "the requester takes back what the performer handed out");
});

on_both!(the_page_shows_no_more_than_consent_allows_at_that_moment, |db| async move {
    let village = Village::new(db, &["summary", "contact"]).await;
    let page = village.link().await;
    shows(&page.text("").await, &["Anaïs Tremblay", "778-555-0199"]);
    let consents = village.town.clinic.get(&format!("/v1/consents?patient_id={}", village.patient)).await.expect(200);
    let consent = consents["items"][0]["id"].as_str().unwrap();
    village.town.clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    let shown = page.text("").await;
    shows(&shown, &["no longer agrees", "Decline the referral"]);
    hides(&shown, &["Tremblay", "0199", "1954", "company", "hot meal", "Accept the referral"]);

    let fields = [("version", "1"), ("name", "Mina"), ("reason", "other"), ("text", "We may not know who it is.")];
    let refused = page.send("accept?lang=fr", &fields).await;
    assert_eq!((refused.status, refused.header("content-type")), (409, Some("text/html; charset=utf-8")));
    shows(&text(&refused), &["ne peut pas être acceptée", "n’accepte plus", "250-555-0100"]);
    hides(&text(&refused), &["Tremblay", "company"]);
    assert_eq!(village.status().await, "requested");
    assert_eq!(page.send("decline", &fields).await.status, 303);
    assert_eq!(village.status().await, "rejected");
});

on_both!(whoever_made_a_link_the_agency_without_a_system_says_how_much_room_it_has, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let few = village.town.clinic.only(&[Scope::ReferralsRead, Scope::ReferralsWrite]).await;
    let made = few.post(&format!("/v1/referrals/{}/links", village.referral), json!({})).await.expect(201);
    let page = Page { town: &village.town, path: made["url"].as_str().unwrap().to_owned() };
    shows(&page.text("").await, &["How much room you have"]);
    let fields = [("version", "1"), ("name", "Mina"), ("status", "full")];
    assert_eq!(page.send("capacity", &fields).await.status, 303);
    let service = format!("/v1/services/{}", village.service);
    assert_eq!(village.town.clinic.get(&service).await.expect(200)["capacity"]["status"], "full");
    let history = village.town.clinic.get(&format!("{service}/history")).await.expect(200);
    let (who, by) = (&history["items"][1]["on_behalf_of"], &history["items"][1]["client_id"]);
    assert_eq!((who, by), (&json!(format!("Mina, by referral link {}", made["id"].as_str().unwrap())), &json!(few.client_id)));
});

on_both!(a_link_says_no_room_but_that_of_the_service_of_the_performer, |db| async move {
    let town = Town::new(db).await;
    let patient = town.patient().await;
    let fields = [("version", "1"), ("name", "Mina"), ("status", "full")];
    let silent = async |maker: &Caller, referral: &str| {
        let made = maker.post(&format!("/v1/referrals/{referral}/links"), json!({})).await.expect(201);
        let page = Page { town: &town, path: made["url"].as_str().unwrap().to_owned() };
        hides(&page.text("").await, &["How much room you have"]);
        assert_eq!(page.send("capacity", &fields).await.status, 404);
    };
    let walks = town.program.post("/v1/services", json!({ "name": "Walks" })).await.id();
    let consented = |more: Value| {
        let mut body = json!({ "patient_id": patient, "source_type": "family_physician", "consent": { "form": "verbal" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let of_program = json!({ "kind": "service", "service_id": walks, "performer_organization_id": town.program.organization_id });
    let sent = town.clinic.post("/v1/referrals", consented(of_program)).await;
    sent.expect(201);
    // Its own client may not say it, so that whom it lets answer may not either.
    silent(&town.program.only(&[Scope::ReferralsRead, Scope::ReferralsWrite]).await, &sent.id()).await;

    let lunch = town.program.post("/v1/services", json!({ "name": "Lunch", "provider_id": town.agency.organization_id })).await.id();
    disconnect(&town.agency).await;
    let navigation = json!({ "kind": "navigation", "performer_organization_id": town.agency.organization_id });
    silent(&town.clinic, &town.clinic.post("/v1/referrals", consented(navigation)).await.id()).await;
    for service in [walks, lunch] {
        let read = town.clinic.get(&format!("/v1/services/{service}")).await.expect(200);
        assert_eq!((&read["version"], &read["capacity"]), (&json!(1), &Value::Null));
    }
});

on_both!(nobody_but_a_link_is_named_as_one, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    let links = village.town.clinic.get(&format!("/v1/referrals/{}/links", village.referral)).await.expect(200);
    let link = links["items"][0]["id"].as_str().unwrap();
    let path = format!("/v1/referrals/{}/transitions", village.referral);
    let request = |who: &str| {
        let request = village.town.clinic.request(Method::POST, &path).insert_header(("kith-on-behalf-of", who));
        request.set_json(json!({ "status": "received" }))
    };
    for who in [format!("Ann Lee, by referral link {link}"), format!("REFERRAL LINK {link}"), format!("Ann, screening link {link}.")] {
        let refused = village.town.app.send(request(&who)).await;
        let problem = refused.expect_problem(400, "malformed_request");
        assert_eq!(problem["errors"][0]["code"], "reserved", "{problem}");
        let named = page.send("accept", &[("version", "1"), ("name", &who)]).await;
        assert_eq!(named.status, 422, "{who}");
    }
    assert_eq!(village.status().await, "requested");
    village.town.app.send(request("Dana Whitford, referral link worker")).await.expect(201);
});

on_both!(a_link_that_ends_soon_says_at_what_time, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let links = format!("/v1/referrals/{}/links", village.referral);
    let made = village.town.clinic.post(&links, json!({ "valid_minutes": 60 })).await.expect(201);
    let page = Page { town: &village.town, path: made["url"].as_str().unwrap().to_owned() };
    shows(&page.text("").await, &["It opens until March 2, 2026, 10:00 a.m. PST"]);
    shows(&page.text("?lang=fr").await, &["Elle s’ouvre jusqu’au 2 mars 2026 à 10 h 00 HNP"]);
    let long = village.link().await.text("").await;
    shows(&long, &["It opens until March 9, 2026"]);
    hides(&long, &["PST", "a.m."]);
});

on_both!(a_page_tells_times_by_the_clocks_where_the_service_is, |db| async move {
    let hours = json!([{ "rrule": "FREQ=WEEKLY;BYDAY=TU", "opens_at": "10:00", "closes_at": "12:00", "time_zone": "America/Toronto" }]);
    let village = Village::of(db, &["summary"], json!({ "time_zone": null }), json!({ "schedules": hours })).await;
    let links = format!("/v1/referrals/{}/links", village.referral);
    let made = village.town.clinic.post(&links, json!({ "valid_minutes": 60 })).await.expect(201);
    let page = Page { town: &village.town, path: made["url"].as_str().unwrap().to_owned() };
    shows(&page.text("").await, &["It opens until March 2, 2026, 1:00 p.m. EST"]);
    shows(&page.text("?lang=fr").await, &["Elle s’ouvre jusqu’au 2 mars 2026 à 13 h 00 HNE"]);
});

on_both!(an_agency_that_is_full_says_so_over_the_number_that_the_page_shows_and_not_over_one_of_its_own, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    let say = async |version: &str, status: &str, places: &str, shown: &str| {
        let fields = [("version", version), ("name", "Mina"), ("status", status), ("places", places), ("shown_places", shown)];
        page.send("capacity", &fields).await
    };
    assert_eq!(say("1", "open", "7", "").await.status, 303);
    shows(&page.text("").await, &["name=\"shown_places\" value=\"7\"", "name=\"places\" min=\"0\"", "value=\"7\""]);
    let wrong = say("2", "full", "3", "7").await;
    assert_eq!(wrong.status, 422);
    shows(&text(&wrong), &["You say that you take nobody, and that places are free.", "name=\"shown_places\" value=\"7\""]);
    assert_eq!(say("2", "closed", "3", "7").await.status, 422);
    for time in ["the first", "the second"] {
        assert_eq!(say("2", "full", "7", "7").await.status, 303, "sent {time} time");
    }
    let said = village.town.clinic.get(&format!("/v1/services/{}", village.service)).await.expect(200);
    assert_eq!((&said["version"], &said["capacity"]["status"]), (&json!(3), &json!("full")));
    assert_eq!(said["capacity"]["available"], Value::Null);
});

on_both!(an_agency_says_how_much_room_it_has, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    let service = format!("/v1/services/{}", village.service);
    let wrong = page.send("capacity", &[("version", "1"), ("name", "Mina"), ("places", "many")]).await;
    assert_eq!(wrong.status, 422);
    shows(&text(&wrong), &["Please say how much room there is.", "Please give a whole number, or nothing."]);
    let fields = [("version", "1"), ("name", "Mina"), ("status", "waitlist"), ("places", "0"), ("wait_days", "21")];
    assert_eq!(page.send("capacity?lang=fr", &fields).await.status, 303);
    assert_eq!(page.send("capacity?lang=fr", &fields).await.status, 303, "the form was sent twice");
    let said = village.town.clinic.get(&service).await.expect(200);
    assert_eq!((&said["version"], &said["capacity"]["status"]), (&json!(2), &json!("waitlist")));
    assert_eq!((&said["capacity"]["available"], &said["capacity"]["expected_wait_days"]), (&json!(0), &json!(21)));
    shows(
        &page.text("?lang=fr").await,
        &["Dernière information, le 2 mars 2026 : Il y a une liste d’attente.", "value=\"waitlist\" checked", "value=\"21\""],
    );
    let late = page.send("capacity", &[("version", "1"), ("name", "Mina"), ("status", "open")]).await;
    assert_eq!(late.status, 409);
    let history = village.town.clinic.get(&format!("{service}/history")).await.expect(200);
    let who = history["items"][1]["on_behalf_of"].as_str().unwrap();
    assert!(who.starts_with("Mina, by referral link "), "{who}");
});

#[actix_web::test]
async fn room_that_somebody_else_is_just_saying_is_not_said_over_by_a_form() {
    let Some(db) = crate::harness::TestDb::postgres() else { return };
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    let fields = [("version", "1"), ("name", "Mina"), ("status", "open"), ("places", "3")];
    let said = while_held(&village.town.app, "UPDATE services SET version = version + 1", page.send("capacity", &fields)).await;
    assert_eq!(said.status, 409);
    shows(&text(&said), &["Somebody else changed this in the meantime.", "name=\"version\" value=\"2\""]);
    let service = village.town.clinic.get(&format!("/v1/services/{}", village.service)).await.expect(200);
    assert_eq!((&service["version"], &service["capacity"]), (&json!(2), &Value::Null));
}

on_both!(the_page_is_its_own_and_nobody_elses, |db| async move {
    let village = Village::new(db, &["summary"]).await;
    let page = village.link().await;
    for answer in [page.get("").await, page.send("decline", &[]).await, Page { town: &village.town, path: "/r/x".into() }.get("").await] {
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"), "{policy}");
        let headers = ["cache-control", "referrer-policy", "x-content-type-options", "x-frame-options"];
        let given = headers.map(|name| answer.header(name).unwrap_or_default().to_owned());
        assert_eq!(given, ["no-store", "no-referrer", "nosniff", "DENY"].map(str::to_owned));
        assert!(answer.header("vary").unwrap().contains("Accept-Language"));
        assert!(answer.header("x-robots-tag").unwrap().contains("noindex") && answer.header("set-cookie").is_none());
        hides(&text(&answer), &["<script", "src=", "http:", "https:", "url("]);
    }
    let french = TestRequest::default().uri(&page.path).insert_header(("accept-language", "fr-CA, en;q=0.5"));
    let french = village.town.app.send(french).await;
    assert_eq!(french.header("content-language"), Some("fr"));
    let json = TestRequest::default().method(Method::POST).uri(&format!("{}/accept", page.path)).set_json(json!({ "name": "Mina" }));
    let refused = village.town.app.send(json).await;
    assert_eq!((refused.status, refused.header("content-type")), (415, Some("text/html; charset=utf-8")));
    assert_eq!(page.get("/accept").await.status, 404, "no address changes anything by being opened");
    assert_eq!(village.status().await, "requested");
});

on_both!(the_page_offers_no_way_to_reach_the_person_that_must_not_or_cannot_be_used, |db| async move {
    let village = Village::new(db, &["summary", "contact"]).await;
    let points = json!([
        { "kind": "phone", "value": "778-555-0199" },
        { "kind": "phone", "value": "778-555-0111", "valid": { "until": "2026-03-01" } },
        { "kind": "sms", "value": "778-555-0122" },
        { "kind": "phone", "value": "778-555-0133" },
    ]);
    let safe = json!({ "no_text_messages": true, "do_not_contact": ["(778) 555-0199"] });
    let change = json!({ "contact_points": points, "safe_contact": safe });
    village.town.clinic.patch(&format!("/v1/patients/{}", village.patient), 1, change).await.expect(200);
    let shown = village.link().await.text("").await;
    shows(&shown, &["tel:+17785550133", "Never use: (778) 555-0199", "Send no text messages."]);
    hides(&shown, &["+17785550199", "778-555-0199", "778-555-0111", "+17785550111", "778-555-0122", "sms:"]);
});

on_both!(the_page_calls_the_person_as_they_wish_and_says_what_is_to_be_known_of_each_way_to_reach_them, |db| async move {
    let village = Village::new(db, &["summary", "contact"]).await;
    let names = json!([
        { "use": "former", "family": "Gagnon", "given": "Jean" },
        { "use": "official", "family": "Tremblay", "given": "Jean" },
        { "use": "preferred", "family": "Tremblay", "given": "Anaïs" },
    ]);
    let best = json!([{ "day": "monday", "from": "09:00", "until": "12:00" }, { "day": "friday", "from": "13:00", "until": "15:30" }]);
    let points = json!([
        { "kind": "phone", "value": "778-555-0199", "note": "He answers <sometimes>: hang up.", "best_times": best },
        { "kind": "in_person", "value": "Front desk", "note": "Ask for Room 4." },
    ]);
    let change = json!({ "names": names, "contact_points": points });
    village.town.clinic.patch(&format!("/v1/patients/{}", village.patient), 1, change).await.expect(200);
    let page = village.link().await;
    let shown = page.text("").await;
    shows(&shown, &["<h3>Anaïs Tremblay</h3>", "<div>He answers &lt;sometimes&gt;: hang up.</div>", "<div>Ask for Room 4.</div>"]);
    shows(&shown, &["<div>Best reached: Monday 09:00–12:00, Friday 13:00–15:30</div>"]);
    hides(&shown, &["Jean", "Gagnon"]);
    let french = page.text("?lang=fr").await;
    shows(&french, &["He answers &lt;sometimes&gt;: hang up.", "À joindre de préférence : lundi 09:00–12:00, vendredi 13:00–15:30"]);
});
