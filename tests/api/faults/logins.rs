//! Whether the time of a login tells which clients there are.

use std::time::{Duration, Instant};

use super::server::{Server, kith};
use super::times;
use super::town::Client;
use crate::harness::Place;

/// What each takes is measured only in the long run, on a machine that has nothing else to do. That all cost the same work is what the
/// tests of `auth/secrets.rs` hold.
#[test]
fn a_wrong_client_takes_as_long_as_a_wrong_secret() {
    let rounds = times(0, 300);
    if rounds == 0 {
        println!("skipped: timing is measured in the long run only");
        return;
    }
    let place = Place::on_sqlite();
    let url = place.url();
    let [clinic, rotated, disabled] = ["Clinic", "Rotated", "Disabled"].map(|name| Client::add(&url, name, "clinic"));
    assert!(kith(&url, &["client", "rotate", &rotated.id]).output().unwrap().status.success());
    assert!(kith(&url, &["client", "disable", &disabled.id]).output().unwrap().status.success());
    let server = Server::start(&url);
    let wrong = |id: &str, secret: &Client| Client { id: id.to_owned(), secret: secret.secret.clone(), ..clinic.clone() };
    let cases = [
        ("no such client", wrong("01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10", &clinic)),
        ("another secret", wrong(&clinic.id, &rotated)),
        ("another secret, and two that are good", wrong(&rotated.id, &clinic)),
        ("another secret, and the client is disabled", wrong(&disabled.id, &clinic)),
    ];
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, client), took) in cases.iter().zip(&mut took) {
            let began = Instant::now();
            client.ask_for_token(&server.address).expect(401);
            took.push(began.elapsed());
        }
    }
    let medians: Vec<f64> = took
        .iter_mut()
        .map(|took| {
            took.sort();
            took[took.len() / 2].as_secs_f64() * 1000.0
        })
        .collect();
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{median:8.2} ms  {name}");
    }
    let (least, most) = medians.iter().fold((f64::MAX, 0.0_f64), |(least, most), median| (least.min(*median), most.max(*median)));
    assert!(most < 1.1 * least, "the time of an answer tells");
}
