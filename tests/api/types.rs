//! The column types: what goes into either database comes out the same, in the same order.

use std::cell::RefCell;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use kith::db::DbConn;
use kith::db::types::{Id, Instant, Json};
use kith::error::{Error, Result};
use kith::kind::{PatientId, ResourceType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use uuid::Uuid;

diesel::table! {
    use diesel::sql_types::*;
    use kith::db::types::sql_types::*;

    samples (number) {
        number -> BigInt,
        id -> Id,
        other_id -> Nullable<Id>,
        at -> Instant,
        document -> Document,
        kind -> Text,
        flag -> Bool,
        ratio -> Double,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Insertable)]
#[diesel(table_name = samples, treat_none_as_default_value = false)]
struct Sample {
    number: i64,
    id: PatientId,
    other_id: Option<PatientId>,
    at: Instant,
    document: Json<Value>,
    kind: ResourceType,
    flag: bool,
    ratio: f64,
}

const SQLITE_TABLE: &str = "CREATE TABLE samples (number INTEGER PRIMARY KEY NOT NULL, id TEXT NOT NULL, other_id TEXT, at TEXT NOT NULL,
    document TEXT NOT NULL, kind TEXT NOT NULL, flag INTEGER NOT NULL CHECK (flag IN (0, 1)), ratio REAL NOT NULL) STRICT";
const POSTGRES_TABLE: &str = "CREATE TABLE samples (number BIGINT PRIMARY KEY, id UUID NOT NULL, other_id UUID, at TIMESTAMPTZ NOT NULL,
    document JSONB NOT NULL, kind TEXT NOT NULL, flag BOOLEAN NOT NULL, ratio DOUBLE PRECISION NOT NULL)";

fn instants() -> impl Strategy<Value = Instant> {
    // 0001-01-01 to 9999-12-31, and often the same second, so that only the fraction orders.
    let second = prop_oneof![-62_135_596_800_i64..253_402_300_800, 1_772_000_000_i64..1_772_000_002];
    (second, 0_u32..1_000_000_000).prop_map(|(second, nanos)| Instant::from_utc(chrono::DateTime::from_timestamp(second, nanos).unwrap()))
}

fn ids() -> impl Strategy<Value = PatientId> {
    any::<[u8; 16]>().prop_map(|bytes| Id::from_uuid(Uuid::from_bytes(bytes)))
}

fn documents() -> impl Strategy<Value = Value> {
    ("[^\u{0}]{0,12}", any::<i64>(), any::<bool>())
        .prop_map(|(text, number, flag)| json!({ "text": text, "number": number, "flag": [flag, null] }))
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let sample = (ids(), proptest::option::of(ids()), instants(), documents(), 0..ResourceType::ALL.len(), any::<bool>(), -1e300..1e300);
    vec(sample, 1..12).prop_map(|samples| {
        let numbered = samples.into_iter().zip(0..);
        numbered
            .map(|((id, other_id, at, document, kind, flag, ratio), number)| {
                let (document, kind) = (Json(document), ResourceType::ALL[kind]);
                Sample { number, id, other_id, at, document, kind, flag, ratio }
            })
            .collect()
    })
}

fn write_and_read(conn: &mut DbConn, samples: &[Sample]) -> Result<()> {
    diesel::delete(samples::table).execute(conn)?;
    for sample in samples {
        diesel::insert_into(samples::table).values(sample).execute(conn)?;
    }
    let read: Vec<Sample> = samples::table.order(samples::number).load(conn)?;
    assert_eq!(read, samples);

    let mut sorted = samples.to_vec();
    sorted.sort_by_key(|sample| (sample.at, sample.number));
    let by_time: Vec<Sample> = samples::table.order((samples::at, samples::number)).load(conn)?;
    assert_eq!(by_time, sorted);
    sorted.sort_by_key(|sample| (sample.id, sample.number));
    let by_id: Vec<Sample> = samples::table.order((samples::id, samples::number)).load(conn)?;
    assert_eq!(by_id, sorted);

    let Some(first) = samples.first() else { return Ok(()) };
    let found: i64 = samples::table
        .filter(samples::id.eq(first.id).and(samples::at.eq(first.at)).and(samples::kind.eq_any([first.kind])))
        .filter(samples::id.eq_any(samples.iter().map(|sample| sample.id).collect::<Vec<_>>()))
        .count()
        .get_result(conn)?;
    assert!(found >= 1);
    Ok(())
}

on_both!(what_goes_in_comes_out_in_the_same_order, |db| async move {
    db.write(|conn| {
        conn.batch_execute(match conn {
            DbConn::Sqlite(_) => SQLITE_TABLE,
            DbConn::Pg(_) => POSTGRES_TABLE,
        })?;
        let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
        let conn = RefCell::new(conn);
        let outcome = runner.run(&samples(), |samples| {
            write_and_read(&mut conn.borrow_mut(), &samples).map_err(|error| TestCaseError::fail(format!("{error:?}")))
        });
        outcome.map_err(Error::internal)
    })
    .await
    .unwrap();
});

#[test]
fn ids_in_text_order_are_in_creation_order() {
    let ids: Vec<_> = (0..1000).map(|_| PatientId::generate().to_string()).collect();
    assert!(ids.is_sorted());
}

proptest! {
    #[test]
    fn texts_of_instants_sort_as_the_instants_and_read_back(a in instants(), b in instants()) {
        prop_assert_eq!(a.to_text().cmp(&b.to_text()), a.cmp(&b));
        prop_assert_eq!(a.to_text().parse::<Instant>().unwrap(), a);
        prop_assert_eq!(a.to_text().len(), "2026-03-01T17:00:00.000000Z".len());
    }

    #[test]
    fn texts_of_ids_sort_as_the_ids_and_read_back(a in ids(), b in ids()) {
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        prop_assert_eq!(a.to_string().parse::<PatientId>().unwrap(), a);
    }

    #[test]
    fn an_instant_is_never_moved_out_of_the_calendar(a in instants(), days in any::<i32>()) {
        prop_assert_eq!(a.plus(chrono::Duration::days(days.into())).to_text().len(), a.to_text().len());
    }
}

#[test]
fn an_id_has_one_spelling_and_an_instant_no_leap_second() {
    assert!("01931F4E-6C1A-7B3E-9D55-0C2F8F4B7A10".parse::<PatientId>().is_err());
    assert!("01931f4e6c1a7b3e9d550c2f8f4b7a10".parse::<PatientId>().is_err());
    assert!("2026-06-30T23:59:60Z".parse::<Instant>().is_err());
    assert!("0000-01-01T00:00:00Z".parse::<Instant>().is_err());
    let east: Instant = "2026-03-01T18:00:00.1234567+01:00".parse().unwrap();
    assert_eq!(east.to_text(), "2026-03-01T17:00:00.123456Z");
}
