//! Servers that are killed while they write.

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, RunQueryDsl, SqliteConnection};

use super::ledger::{Sent, Work, Writer};
use super::replay::Feed;
use super::town::Town;
use super::{Dice, times};
use crate::harness::Place;
use crate::server::Server;
use crate::socket::Http;

const WRITERS: usize = 8;

#[test]
fn a_server_killed_while_it_writes_loses_nothing_that_it_answered_and_does_nothing_twice() {
    kill(&Place::on_sqlite(), 1);
}

#[test]
fn two_servers_on_one_postgresql_killed_while_they_write_lose_nothing_that_they_answered_and_do_nothing_twice() {
    if let Some(place) = Place::on_postgres() {
        kill(&place, 2);
    }
}

/// Starts so many servers, lets them be written to, kills them in the middle of it, and starts them again: over and over.
fn kill(place: &Place, count: usize) {
    let url = place.url();
    let (mut town, mut dice) = (Town::on(&url), Dice(7));
    let (mut sent, mut unchecked) = (Vec::new(), Vec::new());
    let (mut unanswered, kills) = (0, times(3, 100));
    for round in 0..=kills {
        let mut servers: Vec<Server> = (0..count).map(|_| Server::start(&url, &[])).collect();
        let addresses: Vec<String> = servers.iter().map(|server| server.address.clone()).collect();
        town.log_in(&addresses[0]);
        check_file(&url);
        let mut http = Http::to(&addresses[round % count]);
        unchecked.iter_mut().for_each(|sent: &mut Sent| sent.check(&town, &mut http));
        sent.append(&mut unchecked);
        sent.push(Sent::check_at_once(&town, &addresses, 50, &format!("together-{round}")));
        for server in &mut servers {
            assert!(server.process.try_wait().unwrap().is_none(), "a server ended by itself: {:?}", server.log());
        }
        if round == kills {
            let mut feed = Feed::default();
            feed.read_on(&town.clinic, &mut http);
            feed.check(&town.clinic, &mut http);
            feed.check_effects(&sent);
            println!("{kills} kills of {count}: {} writes, {unanswered} without an answer, {} changes", sent.len(), feed.len());
            break;
        }
        let work = Work::default();
        let writers: Vec<Writer<'_>> = std::thread::scope(|scope| {
            let writer = |number: usize| Writer::new(&work, format!("r{round}w{number}"), &town, &addresses[number % count]).write();
            let writing: Vec<_> = (0..WRITERS).map(|number| scope.spawn(move || writer(number))).collect();
            for server in servers {
                work.goes_on_for(1 + dice.roll(60));
                server.kill();
            }
            writing.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        unchecked.extend(writers.into_iter().flat_map(|writer| writer.sent));
        unanswered += unchecked.iter().filter(|sent| sent.answer.is_none()).count();
    }
}

/// Whether SQLite finds anything wrong with its file.
fn check_file(url: &str) {
    let Some(path) = url.strip_prefix("sqlite:") else { return };
    let mut conn = SqliteConnection::establish(path).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    assert_eq!(sql::<Text>("PRAGMA integrity_check").get_result::<String>(&mut conn).unwrap(), "ok");
    let violations = sql::<BigInt>("SELECT count(*) FROM pragma_foreign_key_check").get_result::<i64>(&mut conn);
    assert_eq!(violations.unwrap(), 0);
}
