//! Databases that go away for a while, or are held by somebody else, under load.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::cluster::Cluster;
use super::ledger::{Work, Writer};
use super::replay::Feed;
use super::times;
use super::town::Town;
use crate::harness::Place;
use crate::server::Server;
use crate::socket::Http;

/// Writes from eight threads to this server while `fault` goes on, and some time after; whatever was not answered was sent again. Gives
/// how often the server said that it could not.
fn under_load(what: &str, server: &mut Server, town: &Town, fault: impl FnOnce(&mut Http, &Work)) -> usize {
    let (work, address) = (Work::default(), server.address.clone());
    let mut http = Http::to(&address);
    let writers: Vec<Writer<'_>> = std::thread::scope(|scope| {
        let writer = |number: usize| Writer::new(&work, format!("w{number}"), town, &address).write();
        let writing: Vec<_> = (0..8).map(|number| scope.spawn(move || writer(number))).collect();
        work.goes_on_for(20);
        fault(&mut http, &work);
        work.goes_on_for(40);
        work.is_over.store(true, Ordering::SeqCst);
        writing.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(server.process.try_wait().unwrap().is_none(), "the server has ended");
    let refusals = writers.iter().map(|writer| writer.refusals).sum();
    let mut sent: Vec<_> = writers.into_iter().flat_map(|writer| writer.sent).collect();
    assert!(sent.iter().all(|sent| sent.answer.is_some()), "a connection to the server broke");
    sent.iter_mut().for_each(|sent| sent.check(town, &mut http));
    let mut feed = Feed::default();
    feed.read_on(&town.clinic, &mut http);
    feed.check(&town.clinic, &mut http);
    feed.check_effects(&sent);
    println!("{what}: {} writes, {refusals} told to try again", sent.len());
    refusals
}

/// A town on a server that gives up soon.
fn impatient(url: &str) -> (Server, Town) {
    let mut town = Town::on(url);
    let server = Server::start(url, &["--statement-timeout=1s", "--database-wait=1s"]);
    town.log_in(&server.address);
    (server, town)
}

#[test]
fn postgresql_may_stop_and_start_under_load() {
    let Some(cluster) = Cluster::start() else { return };
    let (mut server, town) = impatient(&cluster.url());
    let refusals = under_load("PostgreSQL stopped and started", &mut server, &town, |http, work| {
        for _ in 0..times(1, 20) {
            cluster.stop();
            sleep(Duration::from_millis(200));
            let ready = http.call("GET", "/readyz", &[], None).unwrap();
            ready.expect_try_again();
            town.clinic.ask_for_token(&http.address).expect_try_again();
            assert_eq!(http.call("GET", "/healthz", &[], None).unwrap().status, 200);
            cluster.go_on();
            work.goes_on_for(20);
        }
    });
    assert!(refusals > 0, "nobody noticed");
}

#[test]
fn connections_to_postgresql_may_be_cut_under_load() {
    let Some(cluster) = Cluster::start() else { return };
    let (mut server, town) = impatient(&cluster.url());
    under_load("connections cut", &mut server, &town, |_, work| {
        let mut conn = PgConnection::establish(&cluster.url()).unwrap();
        for _ in 0..times(20, 500) {
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kith'";
            conn.batch_execute(cut).unwrap();
            work.goes_on_for(3);
        }
    });
}

#[test]
fn another_program_may_hold_a_lock_on_postgresql() {
    let Some(cluster) = Cluster::start() else { return };
    let (mut server, town) = impatient(&cluster.url());
    let refusals = under_load("a table locked by another program", &mut server, &town, |_, _| {
        let mut conn = PgConnection::establish(&cluster.url()).unwrap();
        conn.batch_execute("BEGIN; LOCK TABLE patients IN EXCLUSIVE MODE").unwrap();
        sleep(Duration::from_secs(times(3, 30) as u64));
        conn.batch_execute("ROLLBACK").unwrap();
    });
    assert!(refusals > 0, "nobody noticed");
}

#[test]
fn a_transaction_that_another_program_holds_open_delays_the_feed_and_nothing_else() {
    let Some(cluster) = Cluster::start() else { return };
    let (mut server, town) = impatient(&cluster.url());
    let mut feed = Feed::default();
    let refusals = under_load("a transaction held open by another program", &mut server, &town, |http, work| {
        let mut conn = PgConnection::establish(&cluster.url()).unwrap();
        conn.batch_execute("BEGIN; SELECT pg_current_xact_id()").unwrap();
        // Those that were older have ended by then.
        work.goes_on_for(40);
        feed.read_on(&town.clinic, http);
        let held_back = feed.len();
        work.goes_on_for(times(40, 4_000));
        feed.read_on(&town.clinic, http);
        assert_eq!(feed.len(), held_back, "the feed went past a transaction that may yet write");
        conn.batch_execute("ROLLBACK").unwrap();
    });
    assert_eq!(refusals, 0);
    // The reader that tailed it all the while has missed nothing.
    let mut http = Http::to(&server.address);
    feed.read_on(&town.clinic, &mut http);
    feed.check(&town.clinic, &mut http);
}

#[test]
fn another_program_may_hold_the_lock_on_sqlites_file() {
    let place = Place::on_sqlite();
    let (mut server, town) = impatient(&place.url());
    let refusals = under_load("the file locked by another program", &mut server, &town, |http, _| {
        let mut conn = SqliteConnection::establish(place.url().strip_prefix("sqlite:").unwrap()).unwrap();
        conn.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
        // Longer than the writer waits for it; readers do not wait at all.
        for _ in 0..times(7, 30) {
            town.clinic.list(http, "/v1/patients");
            sleep(Duration::from_secs(1));
        }
        conn.batch_execute("ROLLBACK").unwrap();
    });
    assert!(refusals > 0, "nobody noticed");
}
