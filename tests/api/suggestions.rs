//! Suggestions: partners correct a record without overwriting it, its keeper decides, and both hear of it.

use kith::auth::Scope;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};

use crate::client::{Caller, TestApp};
use crate::duplicates::{Valley, path};

struct Directory {
    app: TestApp,
    keeper: Caller,
    partner: Caller,
    stranger: Caller,
    service: String,
}

async fn directory(app: TestApp) -> Directory {
    let keeper = app.tenant("Alder Valley Information Line", OrganizationKind::Directory).await;
    let partner = app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let stranger = app.clinic().await;
    let made = keeper.post("/v1/services", json!({ "name": "Lunch Club", "email": "old@lunch.example.ca", "description": "Lunch" })).await;
    made.expect(201);
    Directory { service: made.id(), app, keeper, partner, stranger }
}

impl Directory {
    fn path(&self) -> String {
        format!("/v1/services/{}", self.service)
    }

    async fn suggest(&self, patch: Value) -> String {
        let body = json!({ "base_version": 1, "patch": patch, "reason": "They told us." });
        let made = self.partner.post(&format!("{}/suggestions", self.path()), body).await;
        made.expect(201);
        made.id()
    }
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

on_both!(a_suggestion_changes_the_service_once_its_keeper_accepts, |db| async move {
    let it = directory(TestApp::new(db).await).await;
    let id = it.suggest(json!({ "email": "new@lunch.example.ca", "description": null })).await;
    assert_eq!(it.keeper.get(&it.path()).await.expect(200)["email"], "old@lunch.example.ca", "nothing changes by itself");
    assert_eq!(ids(&it.keeper.get("/v1/service-suggestions?status=pending").await.expect(200)), std::slice::from_ref(&id));
    assert_eq!(ids(&it.partner.get("/v1/service-suggestions?side=made").await.expect(200)), std::slice::from_ref(&id));
    assert_eq!(ids(&it.keeper.get(&format!("{}/suggestions", it.path())).await.expect(200)), std::slice::from_ref(&id));
    let accepted = it.keeper.post(&format!("/v1/service-suggestions/{id}/accept"), json!({ "note": "Thank you." })).await;
    let accepted = accepted.expect(200);
    assert_eq!((accepted["status"].as_str(), accepted["applied_version"].as_i64()), (Some("accepted"), Some(2)));
    let service = it.keeper.get(&it.path()).await.expect(200);
    assert_eq!(
        (service["email"].as_str(), &service["description"], service["version"].as_i64()),
        (Some("new@lunch.example.ca"), &Value::Null, Some(2))
    );
    let read = it.partner.get(&format!("/v1/service-suggestions/{id}")).await.expect(200);
    assert_eq!((read["status"].as_str(), read["decision_note"].as_str()), (Some("accepted"), Some("Thank you.")));
    for verb in ["accept", "refuse"] {
        it.keeper.post(&format!("/v1/service-suggestions/{id}/{verb}"), json!({})).await.expect_problem(409, "suggestion_closed");
    }
    it.partner.post(&format!("/v1/service-suggestions/{id}/withdraw"), json!({})).await.expect_problem(409, "suggestion_closed");

    // Both sides hear of it, and nobody else.
    it.app.is_readable().await;
    let feed = "/v1/changes?resource_type=service_suggestion";
    for (caller, count) in [(&it.keeper, 2), (&it.partner, 2), (&it.stranger, 0)] {
        assert_eq!(caller.get(feed).await.expect(200)["items"].as_array().unwrap().len(), count);
    }
});

on_both!(a_suggestion_is_refused_with_a_word_or_withdrawn, |db| async move {
    let it = directory(TestApp::new(db).await).await;
    let id = it.suggest(json!({ "name": "Dinner Club" })).await;
    let refused = it.keeper.post(&format!("/v1/service-suggestions/{id}/refuse"), json!({ "note": "It is lunch." })).await.expect(200);
    assert_eq!((refused["status"].as_str(), refused["decision_note"].as_str()), (Some("refused"), Some("It is lunch.")));
    let id = it.suggest(json!({ "name": "Supper Club" })).await;
    it.keeper.post(&format!("/v1/service-suggestions/{id}/withdraw"), json!({})).await.expect(403);
    let withdrawn = it.partner.post(&format!("/v1/service-suggestions/{id}/withdraw"), json!({})).await.expect(200);
    assert_eq!(withdrawn["status"], "withdrawn");
    it.keeper.post(&format!("/v1/service-suggestions/{id}/accept"), json!({})).await.expect_problem(409, "suggestion_closed");
    assert_eq!(it.keeper.get(&it.path()).await.expect(200)["name"], "Lunch Club");
});

on_both!(what_was_changed_meanwhile_is_not_undone_by_a_suggestion, |db| async move {
    let it = directory(TestApp::new(db).await).await;
    let (email, name) =
        (it.suggest(json!({ "email": "new@lunch.example.ca" })).await, it.suggest(json!({ "name": "Lunch and Tea" })).await);
    it.keeper.patch(&it.path(), 1, json!({ "email": "desk@lunch.example.ca" })).await.expect(200);
    let outdated = it.keeper.post(&format!("/v1/service-suggestions/{email}/accept"), json!({})).await;
    let outdated = outdated.expect_problem(409, "suggestion_outdated");
    assert_eq!((&outdated["errors"][0]["pointer"], &outdated["errors"][0]["code"]), (&json!("/patch/email"), &json!("outdated")));
    assert_eq!(it.partner.get(&format!("/v1/service-suggestions/{email}")).await.expect(200)["status"], "pending");
    let path = format!("{}/suggestions", it.path());
    let stale = json!({ "base_version": 1, "patch": { "email": "x@lunch.example.ca" } });
    it.partner.post(&path, stale).await.expect_problem(409, "suggestion_outdated");
    // Another field than the one that was changed.
    assert_eq!(it.keeper.post(&format!("/v1/service-suggestions/{name}/accept"), json!({})).await.expect(200)["applied_version"], 3);
    let service = it.keeper.get(&it.path()).await.expect(200);
    assert_eq!((service["name"].as_str(), service["email"].as_str()), (Some("Lunch and Tea"), Some("desk@lunch.example.ca")));
});

on_both!(a_suggestion_that_came_with_a_merge_is_held_against_the_record_that_it_was_made_for, |db| async move {
    let valley = Valley::new(db).await;
    let Valley { keeper, first, second } = &valley;
    let partner = keeper.app.tenant("Alder Falls Lunch Club", OrganizationKind::Agency).await;
    let change = async |version: i64| {
        let url = json!({ "url": format!("https://{version}.example.ca") });
        keeper.patch(&path(second, ""), version, url).await.expect(200);
    };
    let suggest = async |version: i64, patch: Value| {
        let made = partner.post(&path(second, "/suggestions"), json!({ "base_version": version, "patch": patch })).await;
        made.expect(201);
        made.id()
    };
    let accept = async |id: &str| keeper.post(&format!("/v1/service-suggestions/{id}/accept"), json!({})).await;
    change(1).await;
    // The service will have this version after the merge, and another description than the duplicate.
    let description = suggest(2, json!({ "description": "Mended." })).await;
    change(2).await;
    change(3).await;
    // The service will not have had this version.
    let email = suggest(4, json!({ "email": "new@example.ca" })).await;
    assert_eq!(valley.merge().await["version"], 2);

    let outdated = accept(&description).await.expect_problem(409, "suggestion_outdated");
    assert_eq!((&outdated["errors"][0]["pointer"], &outdated["errors"][0]["code"]), (&json!("/patch/description"), &json!("outdated")));
    assert_eq!(partner.get(&format!("/v1/service-suggestions/{description}")).await.expect(200)["status"], "pending");
    assert_eq!(accept(&email).await.expect(200)["applied_version"], 3);
    let service = keeper.get(&path(first, "")).await.expect(200);
    assert_eq!((&service["description"], &service["email"]), (&json!("Ours."), &json!("new@example.ca")));
});

on_both!(what_cannot_be_suggested_is_refused_and_strangers_see_nothing, |db| async move {
    let it = directory(TestApp::new(db).await).await;
    let path = format!("{}/suggestions", it.path());
    for (body, pointer) in [
        (json!({ "base_version": 1, "patch": {} }), "/patch"),
        (json!({ "base_version": 1, "patch": { "name": null } }), "/patch/name"),
        (json!({ "base_version": 1, "patch": { "colour": "red" } }), "/patch/colour"),
        (json!({ "base_version": 9, "patch": { "name": "x" } }), "/base_version"),
    ] {
        assert_eq!(it.partner.post(&path, body.clone()).await.faults(422)[0].0, pointer, "{body}");
    }
    it.partner
        .post(&path, json!({ "base_version": 1, "patch": { "name": "Lunch Club" } }))
        .await
        .expect_problem(409, "suggestion_unneeded");
    let id = it.suggest(json!({ "name": "Dinner Club" })).await;
    let one = format!("/v1/service-suggestions/{id}");
    it.stranger.get(&one).await.expect(404);
    assert_eq!(it.stranger.get(&path).await.expect(200)["items"], json!([]));
    for verb in ["accept", "refuse", "withdraw"] {
        it.stranger.post(&format!("{one}/{verb}"), json!({})).await.expect(404);
    }
    it.partner.post(&format!("{one}/accept"), json!({})).await.expect(403);
    it.keeper.only(&[Scope::ServicesRead]).await.post(&format!("{one}/accept"), json!({})).await.expect(403);
    it.keeper.delete(&it.path(), 1).await.expect(204);
    it.keeper.post(&format!("{one}/accept"), json!({})).await.expect(410);
    it.partner.post(&path, json!({ "base_version": 1, "patch": { "name": "x" } })).await.expect(410);
});

on_both!(of_two_who_accept_at_once_one_changes_the_service, |db| async move {
    let it = directory(TestApp::new(db).await).await;
    let id = it.suggest(json!({ "name": "Lunch and Tea" })).await;
    let path = format!("/v1/service-suggestions/{id}/accept");
    let both = futures_util::future::join_all((0..4).map(|_| it.keeper.post(&path, json!({})))).await;
    let mut statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    assert_eq!(it.keeper.get(&it.path()).await.expect(200)["version"], 2);
});
