//! Whoever applies the feed to an empty store holds what the lists show, whatever is consented to, taken back, merged or hidden.

use chrono::Duration;
use kith::auth::Scope;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::referrals::{Town, step};
use crate::replica::{Lists, Replica};

/// Reads the feed to its end, in pieces of this size.
async fn read_on(caller: &Caller, replica: &mut Replica, limit: usize) {
    while replica.take(&caller.get(&replica.query(limit)).await.expect(200)) {}
}

async fn lists(caller: &Caller) -> Lists {
    let mut lists = Lists::new();
    while let Some((kind, path)) = lists.next() {
        let answer = caller.get(&path).await;
        // What belongs to a list that the caller sees may be another category.
        if answer.status != 404 {
            lists.add(kind, &path, &answer.expect(200));
        }
    }
    lists
}

async fn check(caller: &Caller, replica: &mut Replica, limit: usize, what: &str) {
    read_on(caller, replica, limit).await;
    let differences = replica.differences(&lists(caller).await);
    assert!(differences.is_empty(), "{what}, in pieces of {limit}: {differences:#?}");
}

/// Some who tail the feed from the beginning, each in pieces of another size.
struct Tails(Vec<(Caller, usize, Replica)>);

impl Tails {
    fn of(callers: &[&Caller]) -> Self {
        let tails = callers.iter().flat_map(|caller| [1, 3, 200].map(|limit| ((*caller).clone(), limit, Replica::default())));
        Self(tails.collect())
    }

    /// Holds each against the lists, and one that begins only now as well.
    async fn check(&mut self, what: &str) {
        self.0[0].0.app.is_readable().await;
        for (caller, limit, replica) in &mut self.0 {
            check(caller, replica, *limit, what).await;
        }
        for (caller, ..) in self.0.iter().filter(|(_, limit, _)| *limit == 200) {
            check(caller, &mut Replica::default(), 40, &format!("from the beginning, {what}")).await;
        }
    }
}

fn grant(patient: &str, grantee: &Caller, categories: &[&str]) -> Value {
    json!({ "patient_id": patient, "grantee_id": grantee.organization_id, "purposes": ["care_coordination"], "categories": categories, "form": "verbal" })
}

const MOST: [&str; 7] = ["summary", "contact", "demographics", "needs", "screenings", "referrals", "follow_ups"];

/// A patient with one of everything.
async fn chart(town: &Town) -> String {
    let patient = town.patient().await;
    for domain in ["food-insecurity", "intimate-partner-violence"] {
        town.clinic.make("/v1/needs", json!({ "patient_id": patient, "domain": domain })).await;
    }
    let screening = json!({ "patient_id": patient, "instrument": "ons-loneliness-direct", "status": "completed",
        "answers": [{ "link_id": "lonely", "codes": ["often-always"] }] });
    town.clinic.make("/v1/screenings", screening).await;
    let worker =
        town.clinic.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"], "email": "h@example.ca" })).await;
    town.clinic.put_any(&format!("/v1/patients/{patient}/need-level"), json!({ "level": "high" })).await.expect(200);
    town.clinic.put_any(&format!("/v1/patients/{patient}/primary-navigator"), json!({ "practitioner_id": worker })).await.expect(200);
    town.clinic
        .make("/v1/unmet-needs", json!({ "patient_id": patient, "domain": "transportation-insecurity", "reasons": ["no_service"] }))
        .await;
    town.clinic.make("/v1/follow-ups", json!({ "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-20" })).await;
    town.clinic.make("/v1/referrals?draft=true", town.navigation(&patient)).await;
    let times = ("2026-03-10T17:00:00Z", "2026-03-10T18:00:00Z");
    let slot = json!({ "practitioner_id": worker, "starts_at": times.0, "ends_at": times.1 });
    let slot = town.clinic.make("/v1/slots", slot).await;
    town.clinic.make("/v1/appointments", json!({ "patient_id": patient, "slot_id": slot })).await;
    patient
}

on_both!(a_copy_of_the_feed_is_what_the_lists_show_at_any_time, |db| async move {
    let town = Town::new(db).await;
    let Town { app, clinic, program, agency } = &town;
    let mut tails = Tails::of(&[clinic, program, agency]);
    let (patient, other) = (chart(&town).await, chart(&town).await);
    tails.check("nobody is let in").await;

    let consent = clinic.make("/v1/consents", grant(&patient, program, &["summary", "needs"])).await;
    tails.check("somebody is let in for a part").await;
    let path = format!("/v1/consents/{consent}");
    clinic.put(&path, 1, grant(&patient, program, &MOST)).await.expect(200);
    tails.check("a consent is widened").await;
    let need = program.make("/v1/needs", json!({ "patient_id": patient, "domain": "stress" })).await;
    let onward = json!({ "patient_id": patient, "kind": "navigation", "performer_organization_id": agency.organization_id,
        "source_type": "link_worker", "chosen_by": "person", "consent": { "form": "verbal" } });
    program.make("/v1/referrals", onward).await;
    let id = town.accepted(&patient).await;
    clinic.make(&format!("/v1/referrals/{id}/messages"), json!({ "text": "When will you call?" })).await;
    let follow_ups = program.get(&format!("/v1/follow-ups?referral_id={id}")).await.expect(200);
    let follow_up = follow_ups["items"][0]["id"].as_str().unwrap();
    program.make(&format!("/v1/follow-ups/{follow_up}/attempts"), json!({ "mode": "phone", "outcome": "no_answer" })).await;
    tails.check("all take part").await;

    let hidden = clinic.make("/v1/needs", json!({ "patient_id": patient, "domain": "digital-access" })).await;
    tails.check("a need is seen").await;
    clinic.patch(&format!("/v1/needs/{hidden}"), 1, json!({ "treat_as_sensitive": true })).await.expect(200);
    tails.check("it is called sensitive").await;
    clinic.put(&path, 2, grant(&patient, program, &["summary", "referrals"])).await.expect(200);
    tails.check("a consent is narrowed").await;
    clinic.patch(&format!("/v1/needs/{hidden}"), 2, json!({ "treat_as_sensitive": false })).await.expect(200);
    clinic.post(&format!("{path}/withdraw"), json!({})).await.expect(200);
    clinic.patch(&format!("/v1/needs/{need}"), 1, json!({ "note": "Not for the program." })).await.expect(200);
    tails.check("a consent is withdrawn").await;

    app.clock.advance(Duration::seconds(1));
    let mut expiring = grant(&patient, program, &["summary", "needs", "sensitive", "screenings"]);
    expiring["valid_until"] = json!(app.clock.now().plus(Duration::minutes(5)));
    clinic.make("/v1/consents", expiring).await;
    let mut beginning = grant(&other, program, &MOST);
    beginning["valid_from"] = json!(app.clock.now().plus(Duration::minutes(6)));
    clinic.make("/v1/consents", beginning).await;
    tails.check("one is given for a while, and one for later").await;
    app.clock.advance(Duration::minutes(5));
    tails.check("one has run out").await;
    app.clock.advance(Duration::minutes(5));
    tails.check("the other has begun").await;

    clinic.make("/v1/consents", grant(&patient, agency, &["summary", "contact", "needs"])).await;
    tails.check("another is let in").await;
    clinic.post(&format!("/v1/patients/{patient}/merge"), json!({ "duplicate_id": other })).await.expect(200);
    tails.check("two records are merged").await;
    let version = clinic.get(&format!("/v1/patients/{patient}")).await.expect(200)["version"].as_i64().unwrap();
    clinic.delete(&format!("/v1/patients/{patient}"), version).await.expect(204);
    tails.check("the patient is deleted").await;
});

on_both!(who_reads_on_after_being_shut_out_of_a_merged_record_holds_neither_of_the_two, |db| async move {
    let town = Town::new(db).await;
    let Town { app, clinic, program, agency } = &town;
    let (patient, other) = (chart(&town).await, chart(&town).await);
    let withdrawn = clinic.make("/v1/consents", grant(&other, program, &MOST)).await;
    let mut expiring = grant(&other, agency, &MOST);
    expiring["valid_until"] = json!(app.clock.now().plus(Duration::minutes(5)));
    clinic.make("/v1/consents", expiring).await;
    let mut tails = Tails::of(&[program, agency]);
    tails.check("both are let in").await;
    assert!(tails.0.iter().all(|(.., replica)| replica.len() > 1));

    clinic.post(&format!("/v1/patients/{patient}/merge"), json!({ "duplicate_id": other })).await.expect(200);
    clinic.post(&format!("/v1/consents/{withdrawn}/withdraw"), json!({})).await.expect(200);
    app.clock.advance(Duration::minutes(5));
    tails.check("the record they held is another's, and they see neither").await;
});

on_both!(what_is_written_of_a_person_is_held_by_whom_they_let_in, |db| async move {
    let town = Town::new(db).await;
    let Town { app, clinic, program, .. } = &town;
    let (patient, other) = (town.patient().await, town.patient().await);
    let to_program = |patient: &str| json!({ "patient_id": patient, "grantee_id": program.organization_id, "purposes": ["referral"], "categories": ["summary"], "form": "verbal" });
    let mut tails = Tails::of(&[program, clinic]);
    let (referral, _) = (town.accepted(&patient).await, town.sent(&other).await);
    noted(&town, &patient, &referral).await;
    let reasons = async || {
        let list = program.get("/v1/referrals").await.expect(200);
        let items = list["items"].as_array().unwrap().iter();
        items.filter(|item| item["reason"].is_string()).count()
    };
    assert_eq!(reasons().await, 2);
    tails.check("they agree to be referred").await;
    for who in [&patient, &other] {
        let consents = clinic.get(&format!("/v1/patients/{who}/consents")).await.expect(200);
        let path = format!("/v1/consents/{}/withdraw", consents["items"][0]["id"].as_str().unwrap());
        app.clock.advance(Duration::seconds(1));
        clinic.post(&path, json!({})).await.expect(200);
        tails.check("a consent is withdrawn").await;
    }
    assert_eq!(reasons().await, 0);
    step(program, &referral, json!({ "status": "on_hold", "reason": { "code": "missing_information" } })).await.expect(201);
    tails.check("what was asked goes on").await;

    app.clock.advance(Duration::seconds(1));
    let mut cursor = String::new();
    next(program, "", &mut cursor).await;
    let consent = clinic.make("/v1/consents", to_program(&patient)).await;
    assert_eq!(told(&next(program, "", &mut cursor).await)[..2], [("consent", "created"), ("patient", "reset")]);
    assert_eq!(reasons().await, 1);
    tails.check("one agrees again").await;
    app.clock.advance(Duration::seconds(1));
    clinic.make("/v1/consents", to_program(&patient)).await;
    next(program, "", &mut cursor).await;
    app.clock.advance(Duration::seconds(1));
    clinic.make("/v1/consents", to_program(&patient)).await;
    assert_eq!(told(&next(program, "", &mut cursor).await), [("consent", "created")], "it was let in before");
    clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    tails.check("two consents are left").await;
    assert_eq!(reasons().await, 1);

    let mut expiring = to_program(&other);
    expiring["valid_until"] = json!(app.clock.now().plus(Duration::minutes(5)));
    app.clock.advance(Duration::seconds(1));
    clinic.make("/v1/consents", expiring).await;
    tails.check("the other agrees for a while").await;
    assert_eq!(reasons().await, 2);
    app.clock.advance(Duration::minutes(6));
    tails.check("that has run out").await;
    assert_eq!(reasons().await, 1);
    clinic.post(&format!("/v1/patients/{patient}/merge"), json!({ "duplicate_id": other })).await.expect(200);
    tails.check("two records are merged").await;
    assert_eq!(reasons().await, 2);
    let version = clinic.get(&format!("/v1/patients/{patient}")).await.expect(200)["version"].as_i64().unwrap();
    clinic.delete(&format!("/v1/patients/{patient}"), version).await.expect(204);
    tails.check("the patient is deleted").await;
    assert_eq!(reasons().await, 0);
});

/// What the clinic notes in a referral to the program: a follow-up with a try and a result, and an appointment with the program.
async fn noted(Town { clinic, program, .. }: &Town, patient: &str, referral: &str) {
    let check_in = json!({ "patient_id": patient, "referral_id": referral, "purpose": "check_in", "due_on": "2026-03-10", "note": "Ask." });
    let check_in = clinic.make("/v1/follow-ups", check_in).await;
    let tried = json!({ "mode": "phone", "outcome": "no_answer", "note": "Her son answered." });
    clinic.make(&format!("/v1/follow-ups/{check_in}/attempts"), tried).await;
    let heard = json!({ "change": "worse", "note": "Misses her garden.", "next_step": "Call on Tuesday." });
    clinic.post(&format!("/v1/follow-ups/{check_in}/complete"), heard).await.expect(200);
    let worker = program.make("/v1/practitioners", json!({ "name": "Harpreet", "roles": ["link_worker"] })).await;
    let slot = json!({ "practitioner_id": worker, "starts_at": "2026-03-10T17:00:00Z", "ends_at": "2026-03-10T18:00:00Z" });
    let slot = program.make("/v1/slots", slot).await;
    let booking = json!({ "patient_id": patient, "slot_id": slot, "referral_id": referral, "note": "Comes with her daughter." });
    clinic.make("/v1/appointments", booking).await;
}

fn told(items: &[Value]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (item["resource_type"].as_str().unwrap(), item["action"].as_str().unwrap())).collect()
}

/// Reads on to the end.
async fn next(caller: &Caller, query: &str, cursor: &mut String) -> Vec<Value> {
    caller.app.is_readable().await;
    let mut items = Vec::new();
    loop {
        let piece = caller.get(&format!("/v1/changes?{query}{cursor}")).await.expect(200);
        *cursor = format!("&cursor={}", piece["next"].as_str().unwrap());
        items.extend(piece["items"].as_array().unwrap().iter().cloned());
        if piece["has_more"] == false {
            return items;
        }
    }
}

on_both!(who_is_let_in_is_told_what_was_before_and_who_is_shut_out_that_and_no_more, |db| async move {
    let town = Town::new(db).await;
    let Town { clinic, program, .. } = &town;
    let patient = town.patient().await;
    let need = clinic.make("/v1/needs", json!({ "patient_id": patient, "domain": "food-insecurity" })).await;
    let mut cursor = String::new();
    next(program, "", &mut cursor).await;
    let consent = clinic.make("/v1/consents", grant(&patient, program, &["summary", "needs"])).await;
    let all = next(program, "limit=1", &mut cursor).await;
    assert_eq!(told(&all), [("consent", "created"), ("patient", "reset"), ("patient", "snapshot"), ("need", "snapshot")]);
    let reset = json!({ "resource_type": "patient", "resource_id": patient, "version": 0, "action": "reset", "at": all[0]["at"],
        "organization_id": null, "client_id": null, "on_behalf_of": null, "owner_id": null, "patient_id": patient, "referral_id": null,
        "resource": null });
    assert_eq!(all[1], reset);
    assert_eq!((&all[2]["resource"]["names"][0]["family"], &all[2]["resource"]["contact_points"]), (&json!("Tremblay"), &json!([])));
    assert_eq!((&all[3]["resource_id"], &all[3]["resource"]["domain"]), (&json!(need), &json!("food-insecurity")));

    clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    clinic.patch(&format!("/v1/needs/{need}"), 1, json!({ "note": "Later." })).await.expect(200);
    let items = next(program, "", &mut cursor).await;
    assert_eq!(told(&items), [("consent", "updated"), ("patient", "reset")]);
    assert_eq!(items[1]["resource"], Value::Null);
});

on_both!(a_consent_that_begins_or_runs_out_by_its_date_is_told_though_nobody_writes, |db| async move {
    let town = Town::new(db).await;
    let Town { app, clinic, program, .. } = &town;
    let patient = town.patient().await;
    let now = app.clock.now();
    let mut consent = grant(&patient, program, &["summary"]);
    consent["valid_from"] = json!(now.plus(Duration::minutes(2)));
    consent["valid_until"] = json!(now.plus(Duration::minutes(4)));
    let consent = clinic.make("/v1/consents", consent).await;
    let (mut cursor, mut managers) = (String::new(), String::new());
    assert_eq!(
        told(&next(program, "resource_type=patient&resource_type=consent", &mut cursor).await),
        [("consent", "created"), ("patient", "reset")]
    );
    next(clinic, "", &mut managers).await;

    app.clock.advance(Duration::minutes(3));
    let items = next(program, "resource_type=patient&resource_type=consent", &mut cursor).await;
    assert_eq!(told(&items), [("consent", "began"), ("patient", "reset"), ("patient", "snapshot")]);
    assert_eq!((&items[0]["resource_id"], &items[0]["resource"]["status"]), (&json!(consent), &json!("active")));
    assert_eq!((&items[0]["at"], &items[0]["client_id"]), (&json!(now.plus(Duration::minutes(2))), &Value::Null));
    assert_eq!(told(&next(clinic, "", &mut managers).await), [("consent", "began")]);

    app.clock.advance(Duration::minutes(1));
    let items = next(program, "resource_type=patient&resource_type=consent", &mut cursor).await;
    assert_eq!(told(&items), [("consent", "expired"), ("patient", "reset")]);
    assert_eq!(items[0]["resource"]["status"], "expired");
    // A process whose clock is behind must not open again what another has told to be over.
    app.clock.advance(Duration::minutes(-2));
    clinic.patch(&format!("/v1/patients/{patient}"), 1, json!({ "notes": "x" })).await.expect(200);
    clinic.post("/v1/organizations", json!({ "name": "A", "kind": "agency" })).await.expect(201);
    let piece = program.get(&format!("/v1/changes?resource_type=patient&resource_type=consent{cursor}")).await.expect(200);
    assert_eq!(piece["items"], json!([]));
});

on_both!(a_filter_leaves_out_what_it_is_not_about_and_never_that_sight_has_changed, |db| async move {
    let town = Town::new(db).await;
    let Town { clinic, program, agency, .. } = &town;
    let (patient, other) = (town.patient().await, town.patient().await);
    let (mut referrals, mut patients, mut services) = (String::new(), String::new(), String::new());
    let narrow = "resource_type=referral";
    let of_patient = format!("patient_id={patient}");
    let service = json!({ "name": "Lunch Club", "provider_id": agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
    let service = agency.make("/v1/services", service).await;
    let of_service = format!("service_id={service}");
    assert_eq!(told(&next(agency, &of_service, &mut services).await), [("service", "created")]);

    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": service, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let referral = clinic.make("/v1/referrals", referral).await;
    clinic.make("/v1/consents", grant(&other, program, &MOST)).await;
    let consent = clinic.make("/v1/consents", grant(&patient, program, &["summary", "referrals"])).await;
    let seen = next(program, narrow, &mut referrals).await;
    assert!(told(&seen).ends_with(&[("patient", "reset"), ("referral", "snapshot")]), "{:?}", told(&seen));
    assert!(seen.iter().filter(|item| item["action"] != "reset").all(|item| item["resource_id"] == json!(referral)));
    let of_one = next(program, &of_patient, &mut patients).await;
    assert!(of_one.iter().all(|item| item["patient_id"] == json!(patient)) && !of_one.is_empty());
    let of_service = format!("service_id={service}");
    let heard = next(agency, &of_service, &mut services).await;
    assert!(told(&heard).contains(&("referral", "created")) && !told(&heard).contains(&("organization", "created")), "{:?}", told(&heard));
    step(agency, &referral, json!({ "status": "accepted" })).await.expect(201);
    assert_eq!(told(&next(agency, &of_service, &mut services).await), [("referral_transition", "created"), ("referral", "updated")]);

    let unseen = agency.get(&format!("/v1/changes?patient_id={other}")).await.expect(200);
    let nobody = agency.get("/v1/changes?patient_id=01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10").await.expect(200);
    assert_eq!((&unseen["items"], &unseen["has_more"]), (&nobody["items"], &nobody["has_more"]), "who is not seen is as nobody");
    let owned = clinic.get(&format!("/v1/changes?organization_id={}", agency.organization_id)).await.expect(200);
    let owners: Vec<&Value> = owned["items"].as_array().unwrap().iter().map(|item| &item["owner_id"]).collect();
    assert!(!owners.is_empty() && owners.iter().all(|owner| **owner == json!(agency.organization_id)), "{owned}");

    clinic.post(&format!("/v1/consents/{consent}/withdraw"), json!({})).await.expect(200);
    assert_eq!(told(&next(program, narrow, &mut referrals).await).last(), Some(&("patient", "reset")));
    let mut directory = String::new();
    let items = next(program, "resource_type=service", &mut directory).await;
    assert_eq!(told(&items), [("service", "created")], "the directory is about nobody");
    let deaf = program.only(&[Scope::OrganizationsRead]).await;
    let items = deaf.get("/v1/changes").await.expect(200);
    assert!(items["items"].as_array().unwrap().iter().all(|item| item["patient_id"] == Value::Null), "{items}");
});

on_both!(a_referral_that_goes_to_another_service_leaves_the_feed_of_the_first, |db| async move {
    let town = Town::new(db).await;
    let Town { clinic, agency, .. } = &town;
    let patient = town.patient().await;
    let service =
        |name: &str| json!({ "name": name, "provider_id": agency.organization_id, "need_domains": [{ "code": "food-insecurity" }] });
    let first = agency.make("/v1/services", service("Lunch Club")).await;
    let second = agency.make("/v1/services", service("Supper Club")).await;
    let mut copies = Vec::new();
    for (caller, service) in [(clinic, &first), (clinic, &second), (agency, &first), (agency, &second)] {
        copies.extend([1, 200].map(|limit| (caller, limit, Replica::of(format!("&service_id={service}")))));
    }
    async fn kinds(copies: &mut [(&Caller, usize, Replica)], which: [usize; 2]) -> Vec<String> {
        let mut kinds = Vec::new();
        for (caller, limit, replica) in copies.iter_mut() {
            caller.app.is_readable().await;
            read_on(caller, replica, *limit).await;
        }
        for which in which {
            kinds.push(copies[which].2.kinds().join(" "));
        }
        assert_eq!(kinds[0], kinds[1], "in pieces of whatever size");
        kinds.truncate(1);
        kinds
    }
    let referral = json!({ "patient_id": patient, "kind": "service", "service_id": first, "source_type": "family_physician",
        "consent": { "form": "verbal" } });
    let referral = clinic.make("/v1/referrals?draft=true", referral).await;
    assert_eq!(kinds(&mut copies, [0, 1]).await, ["referral referral_transition service"]);
    assert_eq!(kinds(&mut copies, [2, 3]).await, ["service"]);
    assert_eq!(kinds(&mut copies, [4, 5]).await, ["service"], "a draft is its requester's alone");

    let (mut cursor, mut narrow) = (String::new(), String::new());
    let query = format!("service_id={first}");
    next(clinic, &query, &mut cursor).await;
    let of_transitions = format!("{query}&resource_type=referral_transition");
    next(clinic, &of_transitions, &mut narrow).await;
    clinic.patch(&format!("/v1/referrals/{referral}"), 1, json!({ "service_id": second })).await.expect(200);
    let items = next(clinic, &query, &mut cursor).await;
    let left = json!({ "resource_type": "referral", "resource_id": referral, "version": 2, "action": "left", "at": items[0]["at"],
        "organization_id": null, "client_id": null, "on_behalf_of": null, "owner_id": null, "patient_id": patient, "referral_id": referral,
        "resource": null });
    assert_eq!(items, std::slice::from_ref(&left));
    assert_eq!(next(clinic, &of_transitions, &mut narrow).await, [left], "whatever else is asked for");
    assert_eq!(kinds(&mut copies, [0, 1]).await, ["service"]);
    assert_eq!(kinds(&mut copies, [2, 3]).await, ["referral service"]);

    step(clinic, &referral, json!({ "status": "requested" })).await.expect(201);
    step(agency, &referral, json!({ "status": "accepted" })).await.expect(201);
    assert!(kinds(&mut copies, [6, 7]).await[0].contains("referral referral_transition"));
    agency.post(&format!("/v1/services/{first}/merge"), json!({ "duplicate_id": second })).await.expect(200);
    assert_eq!(kinds(&mut copies, [2, 3]).await, [""], "what was the service's is the other's");
    assert_eq!(kinds(&mut copies, [6, 7]).await, [""]);
    assert!(kinds(&mut copies, [0, 1]).await[0].contains("referral"));
    assert!(kinds(&mut copies, [4, 5]).await[0].contains("referral"));
    assert_eq!(next(clinic, &query, &mut cursor).await.iter().filter(|item| item["action"] == "left").count(), 0);
});

on_both!(a_feed_begins_at_a_moment_or_goes_on_from_a_cursor_and_not_both, |db| async move {
    let caller = TestApp::new(db).await.clinic().await;
    let clock = caller.app.clock.clone();
    let mut moments = Vec::new();
    for name in ["A", "B", "C"] {
        clock.advance(Duration::minutes(4));
        moments.push(clock.now());
        caller.make("/v1/organizations", json!({ "name": name, "kind": "agency" })).await;
    }
    let names =
        |items: Vec<Value>| -> Vec<String> { items.iter().map(|item| item["resource"]["name"].as_str().unwrap().to_owned()).collect() };
    for (number, moment) in moments.iter().enumerate() {
        let query = format!("resource_type=organization&since={}", moment.to_text());
        assert_eq!(names(next(&caller, &query, &mut String::new()).await), ["A", "B", "C"][number..], "{moment:?}");
    }
    let early = format!("resource_type=organization&since={}", moments[0].plus(-Duration::days(400)).to_text());
    assert_eq!(names(next(&caller, &early, &mut String::new()).await), ["A", "B", "C"]);
    let late = format!("since={}", moments[2].plus(Duration::microseconds(1)).to_text());
    let piece = caller.get(&format!("/v1/changes?{late}")).await.expect(200);
    assert_eq!(piece["items"], json!([]));
    let cursor = piece["next"].as_str().unwrap();
    caller.make("/v1/organizations", json!({ "name": "D", "kind": "agency" })).await;
    assert_eq!(names(next(&caller, "", &mut format!("&cursor={cursor}")).await), ["D"]);
    let both = caller.get(&format!("/v1/changes?{late}&cursor={cursor}")).await;
    assert_eq!(both.faults(400), [("since".to_owned(), "not_allowed".to_owned())]);
});
