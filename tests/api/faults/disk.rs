//! Disks that fill up, and folders that cannot be written.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use kith::db::DbConn;
use serde_json::json;

use super::ledger::{Work, Writer};
use super::replay::Feed;
use super::times;
use super::town::Town;
use crate::client::TestApp;
use crate::harness::{TestDb, skip};
use crate::server::Server;
use crate::socket::Http;

/// Whether we may mount things in a namespace of our own, which goes with its last process.
fn can_mount() -> bool {
    let script = "mount -t tmpfs kith /mnt";
    let can = Command::new("unshare").args(["-rm", "sh", "-c", script]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        skip("there is no namespace to mount in");
    }
    can
}

/// A server on the database in this folder, begun after this script, which sees the folder as `$1`.
fn behind(script: &str, folder: &Path) -> Result<Server, Vec<String>> {
    let url = format!("sqlite:{}", folder.join("kith.db").display());
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &format!("{script} && exec \"$0\" serve --port=0")]).arg(env!("CARGO_BIN_EXE_kith")).arg(folder);
    Server::of(command.env("KITH_DATABASE_URL", url).env("KITH_LOG", "info"))
}

#[test]
fn a_disk_may_fill_up_under_load() {
    if !can_mount() {
        return;
    }
    let (disk, town_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The clients are added before, on a disk with room, and their database is moved to the small one.
    let url = format!("sqlite:{}", town_folder.path().join("kith.db").display());
    let mut town = Town::on(&url);
    // Room for all that is written in the meantime, twice: in the file and in the log beside it.
    let script = format!("mount -t tmpfs -o size=96m kith \"$1\" && cp {}/kith.db* \"$1\"", town_folder.path().display());
    let mut server = behind(&script, disk.path()).unwrap_or_else(|log| panic!("{log:?}"));
    let address = server.address.clone();
    town.log_in(&address);
    let inside = Path::new("/proc").join(server.process.id().to_string()).join("root").join(disk.path().strip_prefix("/").unwrap());
    let work = Work::default();
    let writers: Vec<Writer<'_>> = std::thread::scope(|scope| {
        let writer = |number: usize| Writer::new(&work, format!("w{number}"), &town, &address).write();
        let writing: Vec<_> = (0..8).map(|number| scope.spawn(move || writer(number))).collect();
        for _ in 0..times(1, 20) {
            work.goes_on_for(20);
            let mut filler = File::create(inside.join("filler")).unwrap();
            let mut size = 1 << 20;
            while size > 0 {
                if filler.write_all(&vec![0; size]).is_err() {
                    size /= 2;
                }
            }
            sleep(Duration::from_millis(1500));
            town.clinic.get(&mut Http::to(&address), "/v1/patients?limit=1");
            std::fs::remove_file(inside.join("filler")).unwrap();
        }
        work.goes_on_for(20);
        work.is_over.store(true, Ordering::SeqCst);
        writing.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(server.process.try_wait().unwrap().is_none(), "the server has ended");
    let refusals: usize = writers.iter().map(|writer| writer.refusals).sum();
    assert!(refusals > 0, "the disk was not full");
    let mut http = Http::to(&address);
    let mut sent: Vec<_> = writers.into_iter().flat_map(|writer| writer.sent).collect();
    sent.iter_mut().for_each(|sent| sent.check(&town, &mut http));
    let mut feed = Feed::default();
    feed.read_on(&town.clinic, &mut http);
    feed.check(&town.clinic, &mut http);
    feed.check_effects(&sent);
    println!("a full disk: {} writes, {refusals} told to try again", sent.len());
}

#[test]
fn a_server_does_not_start_on_a_folder_that_is_read_only_and_says_why() {
    if !can_mount() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    Town::on(&format!("sqlite:{}", folder.path().join("kith.db").display()));
    let said = behind("mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"", folder.path()).err().unwrap();
    let last = said.last().unwrap();
    assert!(last.starts_with("kith: cannot open the database file") && last.contains("Read-only file system"), "{said:?}");
}

/// The two answers of a disk that does not take what is written, as SQLite gives them.
#[actix_web::test]
async fn a_disk_that_takes_nothing_is_told_with_503_and_writing_goes_on_afterwards() {
    let caller = TestApp::new(TestDb::sqlite()).await.clinic().await;
    let pragma = |text: &'static str| {
        let db = caller.app.state.db.clone();
        async move { db.write(move |conn: &mut DbConn| Ok(conn.batch_execute(text)?)).await.unwrap() }
    };
    // Longer than what is free in the file's pages.
    let large = json!({ "names": [{ "family": "Tremblay" }], "notes": "x".repeat(10_000) });
    for (fault, end) in
        [("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823"), ("PRAGMA query_only = ON", "PRAGMA query_only = OFF")]
    {
        pragma(fault).await;
        let key = fault.replace(' ', "-");
        let mut answers = Vec::new();
        for _ in 0..20 {
            let answer = caller.post_once("/v1/patients", &key, large.clone()).await;
            answers.push(answer.status);
            if answer.status == 503 {
                let problem = answer.expect_problem(503, "unavailable");
                assert_eq!((answer.header("retry-after"), &problem["errors"]), (Some("5"), &json!(null)));
                caller.get("/v1/patients").await.expect(200);
                break;
            }
        }
        assert_eq!(answers.last(), Some(&503), "{fault}: {answers:?}");
        pragma(end).await;
        caller.post_once("/v1/patients", &key, large.clone()).await.expect(201);
    }
    assert_eq!(caller.get("/v1/patients").await.expect(200)["items"].as_array().unwrap().len(), 2);
}
