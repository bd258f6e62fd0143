//! What an export shows, what can be done with it elsewhere, and who may open its files.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use chrono::Duration;
use kith::auth::Scope;
use kith::bulk::model::{ChunkRow, JobId};
use kith::bulk::pieces::{pack, unpack};
use kith::bulk::references::echo;
use kith::bulk::repository;
use kith::db::DbConn;
use kith::db::types::Id;
use kith::organizations::model::OrganizationKind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{counts, download, engine, export, exported, lines, load, one_of_each, patient, results, text};
use crate::client::{Answer, Caller, TestApp};
use crate::referrals::Town;

fn uuid(value: &Value) -> Uuid {
    value.as_str().unwrap().parse().unwrap()
}

on_both!(what_was_exported_can_be_imported_elsewhere_and_is_exported_as_the_same, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let mut file = one_of_each();
    // In the order of an export, and more than a page of one kind.
    file.extend((0..450).map(|number| patient(&format!("many-{number}"), "Many")));
    assert_eq!(counts(&load(&clinic, text(&file)).await), [461, 0, 0, 0]);
    let withdrawn = clinic.get("/v1/consents").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    clinic.post(&format!("/v1/consents/{withdrawn}/withdraw"), json!({ "reason": "Changed her mind" })).await.expect(200);
    let before = exported(&clinic).await;
    let kinds: BTreeSet<&str> = before.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 11, "{kinds:?}");

    // Another organization of the same server is as good as another server: it owns nothing of this.
    let other = app.tenant("Elsewhere", OrganizationKind::Clinic).await;
    let job = load(&other, text(&before)).await;
    let told = results(&other, &job).await;
    let refused: Vec<&Value> = told.iter().filter(|line| line["outcome"] == "refused").collect();
    assert!(refused.is_empty(), "{refused:#?}");

    let own = [clinic.organization_id.uuid(), other.organization_id.uuid()];
    let ids: BTreeSet<String> = before.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    // A need that its screening has raised anew is that one.
    let raised: BTreeMap<Uuid, Uuid> = told
        .iter()
        .zip(&before)
        .map(|(line, before)| (uuid(&before["id"]), uuid(&line["id"])))
        .filter(|(before, after)| echo(other.organization_id, *before) != *after)
        .collect();
    assert!(raised.len() <= 2, "{raised:?}");
    let moved = |id: &str| {
        let id: Uuid = id.parse().unwrap();
        raised.get(&id).copied().unwrap_or_else(|| echo(other.organization_id, id)).to_string()
    };
    let normal = |lines: &[Value], move_ids: bool| -> BTreeMap<String, Value> {
        let kept = lines.iter().filter(|line| !own.contains(&uuid(&line["id"])));
        let normal = kept.map(|line| {
            let mut resource = line["resource"].to_string();
            if move_ids {
                for id in ids.iter().filter(|id| resource.contains(id.as_str())).cloned().collect::<Vec<_>>() {
                    resource = resource.replace(&id, &moved(&id));
                }
            }
            let id = line["id"].as_str().unwrap();
            (if move_ids { moved(id) } else { id.to_owned() }, serde_json::from_str(&resource).unwrap())
        });
        normal.collect()
    };
    let own_copy = moved(&clinic.organization_id.to_string());
    let (before, mut after) = (normal(&before, true), normal(&exported(&other).await, false));
    after.remove(&own_copy);
    for (id, resource) in &before {
        assert_eq!(Some(resource), after.get(id), "{id}");
    }
    assert_eq!(before.len(), after.len());
    let consents = other.get("/v1/consents").await.expect(200);
    assert_eq!(consents["items"][0]["status"], "withdrawn", "{consents:#}");
});

on_both!(an_export_shows_what_the_client_sees_since_a_moment_as_a_table_too, |db| async move {
    let app = TestApp::new(db).await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    load(&clinic, text(&[patient("old", "Old")])).await;
    load(&other, text(&[patient("theirs", "Theirs")])).await;
    app.clock.advance(Duration::minutes(10));
    let moment = app.clock.now();
    load(&clinic, text(&[patient("new", "New, \"quoted\"")])).await;
    let input = json!({ "types": ["patient"], "since": moment, "format": "csv" });
    let export = export(&clinic, input).await;
    assert_eq!(export["next_since"], json!(moment.plus(-Duration::minutes(5))));
    assert_eq!((&export["files"][0]["name"], export["files"].as_array().unwrap().len()), (&json!("patients.csv"), 1));
    let file = download(&clinic, &export["files"][0]).await;
    assert!(file.header("content-type").unwrap().starts_with("text/csv"));
    let mut rows = csv::Reader::from_reader(&file.bytes[..]);
    let names = rows.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    let cell = |name: &str| rows[0].get(names.iter().position(|column| column == name).unwrap()).unwrap();
    let shown: Value = serde_json::from_str(cell("names")).unwrap();
    assert_eq!((&shown[0]["family"], cell("version"), cell("deceased_on")), (&json!("New, \"quoted\""), "1", ""));
});

on_both!(an_export_has_of_referrals_and_follow_ups_what_the_lists_show_each_once, |db| async move {
    let town = Town::new(db).await;
    let Town { clinic, program, agency, .. } = &town;
    // The program is let in by one of two patients, and receives a referral of each; the agency receives one of the first.
    let (one, other) = (town.patient().await, town.patient().await);
    town.grant(&one).await;
    for patient in [&one, &other] {
        town.accepted(patient).await;
    }
    clinic.post("/v1/referrals?draft=true", town.navigation(&other)).await.expect(201);
    let mut to_agency = town.navigation(&one);
    to_agency["performer_organization_id"] = json!(agency.organization_id);
    clinic.post("/v1/referrals", to_agency).await.expect(201);
    // More than a page of what the program sees by that patient's consent alone.
    let check = |patient: &str| json!({ "type": "follow_up", "resource": { "patient_id": patient, "purpose": "check_in", "due_on": "2026-03-10" } });
    let checks: Vec<Value> = (0..450).map(|number| check(if number % 2 == 0 { &one } else { &other })).collect();
    assert_eq!(counts(&load(clinic, text(&checks)).await), [450, 0, 0, 0]);
    for (caller, seen) in [(clinic, [4, 452]), (program, [3, 227]), (agency, [1, 0])] {
        let export = export(caller, json!({ "types": ["referral", "follow_up"] })).await;
        for ((path, file), seen) in ["/v1/referrals", "/v1/follow-ups"].iter().zip(export["files"].as_array().unwrap()).zip(seen) {
            let exported: Vec<String> = lines(&download(caller, file).await).iter().map(|line| line["id"].to_string()).collect();
            let (mut listed, mut next) = (Vec::new(), Some(format!("{path}?limit=200")));
            while let Some(at) = next {
                let page = caller.get(&at).await.expect(200);
                listed.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].to_string()));
                next = page["next"].as_str().map(|cursor| format!("{path}?limit=200&cursor={cursor}"));
            }
            listed.sort();
            assert_eq!((exported.len(), &exported), (seen, &listed), "{path}");
        }
    }
});

on_both!(no_cell_of_a_table_is_run_as_a_formula, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    let hostile =
        ["=HYPERLINK(\"https://evil.example\",\"Lunch\")", "+1+cmd|'/C calc'!A0", "-2+3+cmd|'/C calc'!A0", "@SUM(1,1)", "=1,\n=2"];
    for name in hostile {
        clinic.post("/v1/services", json!({ "name": name, "kind": "program" })).await.expect(201);
        clinic.post("/v1/patients", json!({ "names": [{ "family": name, "given": name }] })).await.expect(201);
    }
    let of = |kind: &'static str| {
        let clinic = clinic.clone();
        async move {
            let export = export(&clinic, json!({ "types": [kind], "format": "csv" })).await;
            let file = download(&clinic, &export["files"][0]).await;
            let mut rows = csv::Reader::from_reader(&file.bytes[..]);
            let names = rows.headers().unwrap().clone();
            let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
            (names, rows)
        }
    };
    for (kind, column) in [("service", "name"), ("patient", "names")] {
        let (names, rows) = of(kind).await;
        let place = names.iter().position(|name| name == column).unwrap();
        for (row, name) in rows.iter().zip(hostile) {
            let cell = row.get(place).unwrap();
            if kind == "service" {
                assert_eq!(cell, format!("'{name}"));
            } else {
                let shown: Value = serde_json::from_str(cell).unwrap();
                assert_eq!(shown[0]["family"], name);
            }
        }
        let cells = rows.iter().flat_map(|row| row.iter());
        let runs = |cell: &&str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
        assert_eq!(cells.filter(runs).collect::<Vec<_>>(), Vec::<&str>::new());
    }
});

/// Changes what a client may do.
async fn allow(caller: &Caller, scopes: &'static str) {
    use diesel::prelude::*;
    use kith::db::schema::clients::dsl;
    let of_client = dsl::clients.find(caller.client_id);
    caller.app.state.db.write(move |conn| Ok(diesel::update(of_client).set(dsl::scopes.eq(scopes)).execute(conn)?)).await.unwrap();
}

on_both!(a_file_is_opened_while_the_client_may_read_what_is_in_it, |db| async move {
    let clinic = TestApp::new(db).await.clinic().await;
    load(&clinic, text(&[patient("p-1", "Tremblay")])).await;
    let made = export(&clinic, json!({ "types": ["patient"] })).await;
    let url = made["files"][0]["url"].as_str().unwrap().to_owned();
    allow(&clinic, "services:read").await;
    clinic.app.stranger().get(&url).await.expect_problem(404, "not_found");
    let mut narrow = Caller { scopes: [Scope::ServicesRead].into_iter().collect(), ..clinic.clone() };
    narrow.renew().await;
    let seen = narrow.get(&format!("/v1/exports/{}", made["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&seen["files"][0]["resources"], &seen["files"][0]["url"]), (&json!(1), &Value::Null));
    allow(&clinic, "patients:read services:read").await;
    assert_eq!(lines(&clinic.app.stranger().get(&url).await).len(), 1);
});

on_both!(a_link_to_a_file_runs_out_and_opens_nothing_else, |db| async move {
    let app = TestApp::new(db).await;
    let mut clinic = app.clinic().await;
    load(&clinic, text(&[patient("p-1", "Tremblay")])).await;
    let first = export(&clinic, json!({ "types": ["patient"] })).await;
    let url = first["files"][0]["url"].as_str().unwrap().to_owned();
    let stranger = app.stranger();
    assert_eq!(lines(&stranger.get(&url).await).len(), 1);
    for other in [
        url.replace("patients.ndjson", "services.ndjson"),
        url.replace("patients.ndjson", "input"),
        url.replace("patients.ndjson", "results"),
    ] {
        stranger.get(&other).await.expect_problem(404, "not_found");
    }
    for spoiled in [url.replace("/exports/", "/exports/x"), url.replace('.', "x"), "/exports/x/patients.ndjson".to_owned()] {
        assert_eq!(stranger.get(&spoiled).await.status, 401, "{spoiled}");
    }
    // The token of a client opens no file, and that of a file no operation.
    let token = clinic.token.clone().unwrap();
    assert_eq!(stranger.get(&format!("/exports/{token}/patients.ndjson")).await.status, 401);
    let link = url.split('/').nth(2).unwrap().to_owned();
    let holder = Caller { token: Some(link), ..clinic.clone() };
    holder.get("/v1/patients").await.expect_problem(401, "unauthenticated");
    app.clock.advance(Duration::minutes(61));
    stranger.get(&url).await.expect_problem(401, "unauthenticated");
    clinic.renew().await;
    let path = format!("/v1/exports/{}", first["id"].as_str().unwrap());
    let again = clinic.get(&path).await.expect(200);
    assert_eq!(lines(&stranger.get(again["files"][0]["url"].as_str().unwrap()).await).len(), 1);
    // Files are kept for a week.
    app.clock.advance(Duration::days(7));
    engine(&app).purge().await.unwrap();
    clinic.renew().await;
    clinic.get(&path).await.expect_problem(404, "not_found");
});

/// Asks for a file with these headers.
async fn ask(clinic: &Caller, url: &str, headers: &[(&'static str, String)]) -> Answer {
    let request = clinic.app.stranger().request(Method::GET, url);
    let request = headers.iter().fold(request, |request, (name, value)| request.insert_header((*name, value.as_str())));
    clinic.app.send(request).await
}

/// Keeps a file in pieces of so many lines, as if they were long.
async fn cut(app: &TestApp, job: JobId, file: &'static str, lines: usize) {
    use diesel::prelude::*;
    use kith::db::schema::bulk_chunks::dsl;
    let cut = move |conn: &mut DbConn| {
        let whole = repository::chunk_from(conn, job, file, 1)?.unwrap();
        let text = unpack(&whole.content)?;
        let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(all.len() == whole.lines as usize && all.len() > 2 * lines, "{} lines", all.len());
        diesel::delete(dsl::bulk_chunks.find((job, file, 1_i64))).execute(conn)?;
        let piece = |(number, some): (usize, &[&[u8]])| ChunkRow {
            first_line: (number * lines) as i64 + 1,
            lines: some.len() as i32,
            content: pack(&some.concat()).unwrap(),
            ..whole.clone()
        };
        repository::insert_chunks(conn, &all.chunks(lines).enumerate().map(piece).collect::<Vec<_>>())
    };
    app.state.db.write(cut).await.unwrap();
}

on_both!(a_download_that_breaks_off_goes_on_where_it_stopped, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    load(&clinic, text(&(0..40).map(|number| patient(&format!("p-{number}"), "Tremblay")).collect::<Vec<_>>())).await;
    let export = export(&clinic, json!({ "types": ["patient"] })).await;
    cut(&app, Id::from_uuid(uuid(&export["id"])), "patients.ndjson", 9).await;
    let file = &export["files"][0];
    let url = file["url"].as_str().unwrap();
    let whole = download(&clinic, file).await;
    let (bytes, length) = (&whole.bytes[..], whole.bytes.len());
    assert_eq!((&file["bytes"], whole.header("accept-ranges"), whole.header("content-range")), (&json!(length), Some("bytes"), None));
    let tag = whole.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");

    let range = |range: String| [("range", range)];
    for at in [0, 1, length / 3, length / 2, length - 1] {
        let rest = ask(&clinic, url, &range(format!("bytes={at}-"))).await;
        assert_eq!((rest.status, rest.header("etag")), (206, Some(tag.as_str())), "{at}");
        assert_eq!(rest.header("content-range"), Some(format!("bytes {at}-{}/{length}", length - 1).as_str()));
        assert!(rest.bytes[..] == bytes[at..], "from {at}");
    }
    for (asked, first, last) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=100-199".to_owned(), 100, 199),
        (format!("bytes={}-{}", length / 4, 3 * length / 4), length / 4, 3 * length / 4),
        (format!("bytes={}-{}", length - 5, 2 * length), length - 5, length - 1),
        ("bytes=-7".to_owned(), length - 7, length - 1),
        (format!("bytes=-{}", 2 * length), 0, length - 1),
    ] {
        let part = ask(&clinic, url, &range(asked.clone())).await;
        assert_eq!((part.status, part.header("content-range")), (206, Some(format!("bytes {first}-{last}/{length}").as_str())), "{asked}");
        assert!(part.bytes[..] == bytes[first..=last], "{asked}");
    }
    for asked in [format!("bytes={length}-"), format!("bytes={}-{}", 2 * length, 3 * length), "bytes=-0".to_owned()] {
        let refused = ask(&clinic, url, &range(asked)).await;
        refused.expect_problem(416, "range_not_satisfiable");
        assert_eq!(refused.header("content-range"), Some(format!("bytes */{length}").as_str()));
    }
    for asked in ["bytes=0-9,20-29", "lines=1-2", "bytes=9-0", "bytes=x", ""] {
        let all = ask(&clinic, url, &range(asked.to_owned())).await;
        assert_eq!((all.status, all.header("content-range"), all.bytes.len()), (200, None, length), "{asked}");
    }
});

on_both!(a_download_goes_on_only_with_more_of_the_same, |db| async move {
    let app = TestApp::new(db).await;
    let clinic = app.clinic().await;
    load(&clinic, text(&[patient("p-1", "Tremblay"), patient("p-2", "Gagnon")])).await;
    let first = export(&clinic, json!({ "types": ["patient"] })).await;
    let url = first["files"][0]["url"].as_str().unwrap();
    let whole = ask(&clinic, url, &[]).await;
    let (length, tag) = (whole.bytes.len(), whole.header("etag").unwrap().to_owned());
    let rest = |if_range: &str| [("range", "bytes=10-".to_owned()), ("if-range", if_range.to_owned())];
    let same = ask(&clinic, url, &rest(&tag)).await;
    assert_eq!((same.status, &same.bytes[..]), (206, &whole.bytes[10..]));
    for other in ["\"other\"", &format!("W/{tag}"), "Mon, 02 Mar 2026 17:00:00 GMT", "nothing"] {
        let all = ask(&clinic, url, &rest(other)).await;
        assert_eq!((all.status, all.bytes.len()), (200, length), "{other}");
    }
    // Under a newer link it is the same file, and another export's is another.
    app.clock.advance(Duration::minutes(1));
    let again = clinic.get(&format!("/v1/exports/{}", first["id"].as_str().unwrap())).await.expect(200);
    let newer = again["files"][0]["url"].as_str().unwrap();
    assert_ne!(newer, url);
    assert_eq!(ask(&clinic, newer, &rest(&tag)).await.status, 206);
    let second = export(&clinic, json!({ "types": ["patient"] })).await;
    assert_eq!(ask(&clinic, second["files"][0]["url"].as_str().unwrap(), &rest(&tag)).await.status, 200);
    let known = ask(&clinic, url, &[("if-none-match", tag.clone())]).await;
    assert_eq!((known.status, known.bytes.len()), (304, 0));

    let head = app.send(app.stranger().request(Method::HEAD, url)).await;
    assert_eq!((head.status, head.header("etag"), head.bytes.len()), (200, Some(tag.as_str()), 0));

    // What is packed on its way is another thing each time; a part of the file is sent as it is.
    let packed = ask(&clinic, url, &[("accept-encoding", "gzip".to_owned())]).await;
    assert_eq!((packed.header("content-encoding"), packed.header("etag"), packed.header("accept-ranges")), (Some("gzip"), None, None));
    assert_eq!(packed.unpacked(), whole.bytes);
    let part = ask(&clinic, url, &[("accept-encoding", "gzip".to_owned()), ("range", "bytes=10-".to_owned())]).await;
    assert_eq!((part.status, part.header("content-encoding"), &part.bytes[..]), (206, None, &whole.bytes[10..]));
    let plain = ask(&clinic, url, &[("accept-encoding", "identity".to_owned())]).await;
    assert_eq!((plain.header("etag"), plain.bytes.len()), (Some(tag.as_str()), length));
});
