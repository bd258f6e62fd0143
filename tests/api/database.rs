//! What `Db` promises: nothing answered is lost, failures stay alone, and both databases tell errors alike.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::{join, join_all};
use kith::db::schema::identifiers;
use kith::db::types::Id;
use kith::db::{Common, Db, DbConn, DbSettings, OpenError};
use kith::each;
use kith::error::{Error, Result};
use kith::identifiers::{find, replace};
use kith::kind::{Organization, OrganizationId, PatientId, ResourceType};
use kith::patients::filed::{filing, latest};
use kith::types::Identifier;
use uuid::Uuid;

use crate::harness::{Place, TestDb};

/// Writes the identifier `system`/`value` for a new resource.
fn write_one(conn: &mut DbConn, owner: OrganizationId, value: &str) -> Result<()> {
    replace(conn, owner, ResourceType::Patient, Uuid::now_v7(), &[identifier(value)])
}

fn identifier(value: &str) -> Identifier {
    Identifier { system: "system".into(), value: value.into() }
}

async fn values(db: &Db) -> Vec<String> {
    db.read(|conn| Ok(identifiers::table.select(identifiers::value).order(identifiers::value).load(conn)?)).await.unwrap()
}

async fn write(db: &Db, value: &str) {
    let value = value.to_owned();
    db.write(move |conn| write_one(conn, Id::from_uuid(Uuid::nil()), &value)).await.unwrap();
}

on_both!(a_failing_write_leaves_nothing_and_its_neighbours_everything, |db| async move {
    let owner = Id::<Organization>::generate();
    let writes = (0..64).map(|number| {
        let db = &db;
        async move {
            let result: Result<()> = db
                .write(move |conn| {
                    write_one(conn, owner, &format!("{number:02}"))?;
                    if number % 3 == 1 { Err(Error::NotFound) } else { Ok(()) }
                })
                .await;
            assert_eq!(result.is_err(), number % 3 == 1);
        }
    });
    join_all(writes).await;
    let expected: Vec<_> = (0..64).filter(|number| number % 3 != 1).map(|number| format!("{number:02}")).collect();
    assert_eq!(values(&db).await, expected);
});

on_both!(a_panicking_write_leaves_nothing_and_the_next_goes_on, |db| async move {
    let owner = Id::<Organization>::generate();
    let panicking = db.write(move |conn| -> Result<()> {
        write_one(conn, owner, "panicked")?;
        panic!("as the test wants it");
    });
    let (panicked, _) = join(panicking, write(&db, "stayed")).await;
    assert!(matches!(panicked, Err(Error::Internal(_))));
    let read = db.read(|_| -> Result<()> { panic!("as the test wants it") }).await;
    assert!(matches!(read, Err(Error::Internal(_))));
    // Also from inside a savepoint that the write opened itself.
    let nested = db.write(move |conn| conn.transaction(|conn| -> Result<()> { write_one(conn, owner, "nested").map(|()| panic!()) }));
    assert!(matches!(nested.await, Err(Error::Internal(_))));
    write(&db, "then").await;
    assert_eq!(values(&db).await, ["stayed", "then"]);
});

on_both!(sixty_four_writers_lose_nothing, |db| async move {
    let writers = (0..64).map(|writer| {
        let db = db.db.clone();
        async move {
            for number in 0..4 {
                write(&db, &format!("{writer:02} {number}")).await;
            }
        }
    });
    join_all(writers).await;
    assert_eq!(values(&db).await.len(), 256);
});

on_both!(a_write_is_seen_only_after_its_commit, |db| async move {
    let (wrote, written) = mpsc::channel();
    let (resume, resumed) = mpsc::channel::<()>();
    let resumed = std::sync::Mutex::new(resumed);
    let writing = {
        let db = db.db.clone();
        actix_web::rt::spawn(async move {
            db.write(move |conn| {
                write_one(conn, Id::from_uuid(Uuid::nil()), "late")?;
                wrote.send(()).unwrap();
                resumed.lock().unwrap().recv().unwrap();
                Ok(())
            })
            .await
        })
    };
    actix_web::rt::task::spawn_blocking(move || written.recv().unwrap()).await.unwrap();
    assert!(values(&db).await.is_empty());
    resume.send(()).unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(values(&db).await, ["late"]);
});

on_both!(a_read_sees_one_state, |db| async move {
    write(&db, "first").await;
    let other = db.db.clone();
    let (before, after) = db
        .read(move |conn| {
            let count = |conn: &mut DbConn| Ok::<i64, Error>(identifiers::table.count().get_result(conn)?);
            let before = count(conn)?;
            other.write_blocking(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "meanwhile"))?;
            Ok((before, count(conn)?))
        })
        .await
        .unwrap();
    assert_eq!((before, after), (1, 1));
    assert_eq!(values(&db).await.len(), 2);
});

on_both!(a_read_cannot_write, |db| async move {
    let result = db.read(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "sneaked in")).await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    assert!(values(&db).await.is_empty());
});

on_both!(a_taken_key_is_a_duplicate_under_one_name_on_both, |db| async move {
    write(&db, "taken").await;
    let result = db.write(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "taken")).await;
    let Err(Error::Duplicate { constraint }) = result else { panic!("{result:?}") };
    assert_eq!(constraint, "identifiers_owner_id_resource_type_system_value_key");
});

on_both!(a_missing_row_is_not_found_and_a_broken_reference_is_told, |db| async move {
    let missing = db.read(|conn| Ok(identifiers::table.select(identifiers::value).first::<String>(conn)?)).await;
    assert!(matches!(missing, Err(Error::NotFound)));
    let broken = db
        .write(|conn| {
            let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
                CREATE TABLE children (parent_id INTEGER NOT NULL REFERENCES parents (id))";
            conn.batch_execute(tables)?;
            Ok(conn.batch_execute("INSERT INTO children (parent_id) VALUES (7)")?)
        })
        .await;
    assert!(matches!(broken, Err(Error::Reference { .. })), "{broken:?}");
});

on_both!(an_error_passed_over_is_never_a_silent_loss, |db| async move {
    write(&db, "taken").await;
    let result = db
        .write(|conn| {
            write_one(conn, Id::from_uuid(Uuid::nil()), "beside")?;
            let _passed_over = write_one(conn, Id::from_uuid(Uuid::nil()), "taken");
            Ok(())
        })
        .await;
    // SQLite undoes the failed statement alone, PostgreSQL the transaction: what counts is that the answer tells which.
    let expected: &[&str] = if result.is_ok() { &["beside", "taken"] } else { &["taken"] };
    assert_eq!(values(&db).await, expected);
});

on_both!(upserts_and_rows_by_the_dozen_work_on_both, |db| async move {
    let owner = Id::<Organization>::generate();
    let resource = Id::<()>::generate();
    let row = move |value: &'static str, resource: Id<()>| {
        (
            identifiers::owner_id.eq(owner),
            identifiers::resource_type.eq(ResourceType::Service),
            identifiers::system.eq("system"),
            identifiers::value.eq(value),
            identifiers::resource_id.eq(resource),
        )
    };
    db.write(move |conn| {
        let rows = vec![row("a", Id::generate()), row("b", Id::generate()), row("c", resource)];
        assert_eq!(each!(conn, |conn| diesel::insert_into(identifiers::table).values(&rows).execute(conn))?, 3);
        let upsert = diesel::insert_into(identifiers::table)
            .values(row("a", resource))
            .on_conflict((identifiers::owner_id, identifiers::resource_type, identifiers::system, identifiers::value))
            .do_update()
            .set(identifiers::resource_id.eq(resource))
            .returning(identifiers::resource_id);
        assert_eq!(Common(upsert).get_result::<Id<()>>(conn)?, resource);
        Ok(())
    })
    .await
    .unwrap();
    let found = db.read(move |conn| find(conn, owner, ResourceType::Service, "system", "a")).await.unwrap();
    assert_eq!(found, Some(resource.uuid()));
});

on_both!(identifiers_are_replaced_by_difference, |db| async move {
    let (owner, id) = (Id::<Organization>::generate(), Uuid::now_v7());
    db.write(move |conn| {
        replace(conn, owner, ResourceType::Patient, id, &[identifier("a"), identifier("b"), identifier("b")])?;
        replace(conn, owner, ResourceType::Patient, id, &[identifier("b"), identifier("c")])?;
        // The same keys of another owner, and of another kind of resource, are others.
        replace(conn, Id::generate(), ResourceType::Patient, Uuid::now_v7(), &[identifier("b")])?;
        replace(conn, owner, ResourceType::Service, Uuid::now_v7(), &[identifier("b")])
    })
    .await
    .unwrap();
    let found = db.read(move |conn| {
        ["a", "b", "c"].map(|value| find(conn, owner, ResourceType::Patient, "system", value)).into_iter().collect::<Result<Vec<_>>>()
    });
    assert_eq!(found.await.unwrap(), [None, Some(id), Some(id)]);
});

on_both!(a_ready_database_says_so_and_an_older_schema_does_not, |db| async move {
    assert!(db.is_ready().await);
    db.write(|conn| Ok(conn.batch_execute("DELETE FROM __diesel_schema_migrations")?)).await.unwrap();
    assert!(!db.is_ready().await);
});

on_both!(what_was_accepted_is_written_when_the_last_handle_goes, |db| async move {
    let TestDb { db, settings, place } = db;
    let writes: Vec<_> = (0..16)
        .map(|number| {
            let db = db.clone();
            actix_web::rt::spawn(async move { write(&db, &format!("{number:02}")).await })
        })
        .collect();
    drop(db);
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(values(&Db::open(&settings).unwrap()).await.len(), 16);
    drop(place);
});

#[actix_web::test]
async fn after_shutdown_what_was_accepted_stands_and_more_is_refused() {
    let db = TestDb::sqlite();
    write(&db, "before").await;
    db.shutdown();
    assert!(matches!(db.write(|_| Ok(())).await, Err(Error::Busy)));
    assert_eq!(values(&db).await, ["before"]);
}

#[test]
fn sqlites_log_stays_short_and_is_gone_with_the_last_handle() {
    let place = Place::on_sqlite();
    let db = Db::open(&place.settings()).unwrap();
    let path = place.url().trim_start_matches("sqlite:").to_owned();
    let log = PathBuf::from(format!("{path}-wal"));
    let run = |statement: &'static str| db.write_blocking(move |conn| Ok(conn.batch_execute(statement)?)).unwrap();
    run("CREATE TABLE written (times INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT; INSERT INTO written VALUES (0, x'')");
    for _ in 0..160 {
        run("UPDATE written SET times = times + 1, bytes = randomblob(1048576)");
        // So long it grows where SQLite itself carries it over, inside a commit.
        assert!(log.metadata().unwrap().len() < 64 << 20);
    }
    drop(db);
    assert!(!log.exists());
    let written: i64 = sql::<BigInt>("SELECT times FROM written").get_result(&mut SqliteConnection::establish(&path).unwrap()).unwrap();
    assert_eq!(written, 160);
}

#[actix_web::test]
async fn a_full_queue_is_busy_and_loses_nothing() {
    let place = Place::on_sqlite();
    let db = Db::open(&DbSettings { write_queue: 2, ..place.settings() }).unwrap();
    let (started, has_started) = mpsc::channel();
    let (resume, resumed) = mpsc::channel::<()>();
    let resumed = std::sync::Mutex::new(resumed);
    let (blocker, first, second) = (db.clone(), db.clone(), db.clone());
    let blocked = actix_web::rt::spawn(async move {
        blocker
            .write(move |_| {
                started.send(()).unwrap();
                resumed.lock().unwrap().recv().unwrap();
                Ok(())
            })
            .await
    });
    actix_web::rt::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    // The writer is busy and the queue has two places: polled in this order, the third finds it full.
    let queued = actix_web::rt::spawn(async move { join(write(&first, "a"), write(&second, "b")).await });
    actix_web::rt::task::yield_now().await;
    assert!(matches!(db.write(|_| Ok(())).await, Err(Error::Busy)));
    resume.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    queued.await.unwrap();
    assert_eq!(values(&db).await, ["a", "b"]);
}

#[actix_web::test]
async fn when_sqlite_ends_the_transaction_by_itself_every_write_in_it_is_told_and_the_next_goes_on() {
    let db = TestDb::sqlite();
    write(&db, "before").await;
    // `ROLLBACK` stands for a full disk, on which SQLite rolls back by itself.
    let aborting = db.write(|conn| Ok(conn.batch_execute("ROLLBACK")?));
    let (beside, aborted) = join(db.write(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "beside")), aborting).await;
    assert!(matches!(aborted, Err(Error::Internal(_))), "{aborted:?}");
    write(&db, "next").await;
    let expected: &[&str] = if beside.is_ok() { &["before", "beside", "next"] } else { &["before", "next"] };
    assert_eq!(values(&db).await, expected);
}

#[actix_web::test]
async fn when_a_write_passes_over_the_end_of_the_transaction_nothing_of_it_or_beside_it_stands_untold() {
    let db = TestDb::sqlite();
    let passing_over = db.write(|conn| {
        let lost = conn.nested(|conn| -> Result<()> {
            conn.batch_execute("ROLLBACK")?;
            Err(Error::NotFound)
        });
        assert!(lost.is_err());
        Ok(())
    });
    let beside = db.write(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "beside"));
    let (passed_over, beside) = join(passing_over, beside).await;
    assert!(passed_over.is_err());
    let values = values(&db).await;
    assert_eq!(values.contains(&"beside".to_owned()), beside.is_ok(), "{values:?}");
}

#[actix_web::test]
async fn a_full_disk_is_told_and_writing_goes_on_once_there_is_room() {
    let db = TestDb::sqlite();
    write(&db, "before").await;
    let filling = db.write(|conn| {
        conn.batch_execute("PRAGMA max_page_count = 1")?;
        write_one(conn, Id::from_uuid(Uuid::nil()), &"x".repeat(1 << 20))
    });
    // The limit belongs to the connection; where SQLite ended the transaction by itself it is gone with the connection.
    let (full, beside) = join(filling, db.write(|conn| write_one(conn, Id::from_uuid(Uuid::nil()), "beside"))).await;
    assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
    db.write(|conn| Ok(conn.batch_execute("PRAGMA max_page_count = 1073741823")?)).await.unwrap();
    write(&db, "next").await;
    let expected: &[&str] = if beside.is_ok() { &["before", "beside", "next"] } else { &["before", "next"] };
    assert_eq!(values(&db).await, expected);
}

#[actix_web::test]
async fn a_write_whose_caller_has_gone_before_it_began_is_not_done() {
    let db = TestDb::sqlite();
    let (started, has_started) = mpsc::channel();
    let (resume, resumed) = mpsc::channel::<()>();
    let resumed = std::sync::Mutex::new(resumed);
    let blocker = db.db.clone();
    let blocked = actix_web::rt::spawn(async move {
        blocker
            .write(move |_| {
                started.send(()).unwrap();
                resumed.lock().unwrap().recv().unwrap();
                Ok(())
            })
            .await
    });
    actix_web::rt::task::spawn_blocking(move || has_started.recv().unwrap()).await.unwrap();
    let abandoned = tokio::time::timeout(Duration::from_millis(1), write(&db, "abandoned"));
    assert!(abandoned.await.is_err());
    resume.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    write(&db, "kept").await;
    assert_eq!(values(&db).await, ["kept"]);
}

#[actix_web::test]
async fn a_lock_held_by_another_process_is_waited_for() {
    let db = TestDb::sqlite();
    let (other_began, began) = mpsc::channel();
    let path = db.settings.url.trim_start_matches("sqlite:").to_owned();
    let other = std::thread::spawn(move || {
        let mut conn = SqliteConnection::establish(&path).unwrap();
        conn.batch_execute("BEGIN IMMEDIATE").unwrap();
        other_began.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        conn.batch_execute("COMMIT").unwrap();
    });
    began.recv().unwrap();
    write(&db, "waited").await;
    other.join().unwrap();
    assert_eq!(values(&db).await, ["waited"]);
}

#[actix_web::test]
async fn transactions_that_clash_are_run_again() {
    let Some(db) = TestDb::postgres() else { return };
    let runs = clash(&db, |conn, _, meet| {
        conn.batch_execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")?;
        let count: i64 = identifiers::table.count().get_result(conn)?;
        meet();
        write_one(conn, Id::from_uuid(Uuid::nil()), &format!("{count}"))
    });
    assert!(runs.await > 2);
    assert_eq!(values(&db).await, ["0", "1"]);
}

#[actix_web::test]
async fn transactions_that_wait_for_each_other_are_run_again() {
    let Some(db) = TestDb::postgres() else { return };
    write(&db, "0").await;
    write(&db, "1").await;
    let runs = clash(&db, |conn, writer, meet| {
        conn.batch_execute("SET LOCAL deadlock_timeout = '10ms'")?;
        let lock =
            |conn: &mut DbConn, value: usize| conn.batch_execute(&format!("SELECT 1 FROM identifiers WHERE value = '{value}' FOR UPDATE"));
        lock(conn, writer)?;
        meet();
        Ok(lock(conn, 1 - writer)?)
    });
    assert!(runs.await > 2);
}

/// Runs two transactions that meet half-way, so that they must clash; returns how often they were run in all.
async fn clash(db: &Db, work: fn(&mut DbConn, usize, &dyn Fn()) -> Result<()>) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let half_way = Arc::new(Barrier::new(2));
    let writers = [0, 1].map(|writer| {
        let (runs, half_way) = (Arc::clone(&runs), Arc::clone(&half_way));
        db.write(move |conn| {
            let is_first_run = runs.fetch_add(1, Ordering::SeqCst) < 2;
            work(conn, writer, &|| {
                if is_first_run {
                    half_way.wait();
                }
            })
        })
    });
    for result in join_all(writers).await {
        result.unwrap();
    }
    runs.load(Ordering::SeqCst)
}

#[test]
fn a_server_that_does_not_speak_english_is_refused() {
    let Some(place) = Place::on_postgres() else { return };
    // A server with another locale is not to be had everywhere: the schema stands before the server's own functions, and speaks French.
    let Place::Postgres { schema, .. } = &place else { return };
    let url = place.url().replacen(&format!("search_path%3D{schema}"), &format!("search_path%3D{schema},pg_catalog"), 1);
    let mut conn = PgConnection::establish(&url).unwrap();
    conn.batch_execute(
        "CREATE FUNCTION current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT 'fr_CA.UTF-8'::text $$; \
         CREATE FUNCTION divided(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'division par zéro'; END $$; \
         CREATE OPERATOR / (LEFTARG = int, RIGHTARG = int, FUNCTION = divided)",
    )
    .unwrap();
    let open = || Db::open(&DbSettings::new(url.as_str()));
    let Err(refusal @ OpenError::Language { .. }) = open().map(|_| ()) else { panic!("it was opened") };
    assert!(refusal.to_string().starts_with("PostgreSQL speaks fr_CA.UTF-8"), "{refusal}");
    // One whose messages are English all the same is taken.
    conn.batch_execute("DROP OPERATOR / (int, int)").unwrap();
    open().unwrap();
}

#[actix_web::test]
async fn a_lost_connection_is_replaced() {
    let Some(db) = TestDb::postgres() else { return };
    write(&db, "before").await;
    let pid = || db.read(|conn| Ok(diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT pg_backend_pid()").get_result::<i32>(conn)?));
    let lost = pid().await.unwrap();
    let Some(other) = TestDb::postgres() else { return };
    let ended = format!("SELECT pg_terminate_backend({lost}, 5000)");
    other.write(move |conn| Ok(conn.batch_execute(&ended)?)).await.unwrap();
    assert_ne!(pid().await.unwrap(), lost);
}

#[actix_web::test]
async fn a_statement_that_takes_too_long_is_ended() {
    let Some(place) = Place::on_postgres() else { return };
    let db = Db::open(&DbSettings { statement_timeout: Duration::from_millis(50), ..place.settings() }).unwrap();
    let result = db.read(|conn| Ok(conn.batch_execute("SELECT pg_sleep(10)")?)).await;
    assert!(matches!(result, Err(Error::TimedOut)), "{result:?}");
}

on_both!(under_each_key_the_latest_patients_are_found_and_no_more, |db| async move {
    let ids: Vec<PatientId> = (0..5).map(|number| PatientId::from_uuid(Uuid::from_u128(number))).collect();
    let patients = ids.clone();
    let filed = db.write(move |conn| {
        for (id, keys) in patients.iter().zip([vec![i64::MIN, 7], vec![7], vec![7, i64::MAX], vec![8], vec![7]]) {
            each!(conn, |conn| filing(keys, *id).execute(conn))?;
        }
        Ok(())
    });
    filed.await.unwrap();
    let found = db.read(|conn| {
        let latest = latest(vec![i64::MIN, 7, 9, i64::MAX], 2);
        Ok(each!(conn, |conn| latest.load::<(i64, PatientId)>(conn))?)
    });
    let mut found = found.await.unwrap();
    found.sort_unstable();
    assert_eq!(found, [(i64::MIN, ids[0]), (7, ids[2]), (7, ids[4]), (i64::MAX, ids[2])]);
});

#[actix_web::test]
async fn an_empty_pool_is_busy() {
    let place = Place::on_sqlite();
    let db = Db::open(&DbSettings { connections: 1, wait: Duration::from_millis(20), ..place.settings() }).unwrap();
    let (resume, resumed) = mpsc::channel::<()>();
    let reading = db.read(move |_| resumed.recv().map_err(Error::internal));
    let refused = async {
        let result = db.read(|_| Ok(())).await;
        resume.send(()).unwrap();
        result
    };
    let (read, refused) = join(reading, refused).await;
    assert!(read.is_ok() && matches!(refused, Err(Error::Busy)));
}

#[test]
fn an_address_of_no_known_database_is_refused_and_the_cause_of_others_kept() {
    let open = |url: &str| Db::open(&DbSettings::new(url)).err().unwrap();
    assert!(matches!(open("mysql://localhost/kith"), OpenError::UnknownScheme));
    assert!(matches!(open("kith.db"), OpenError::UnknownScheme));
    assert!(matches!(open("sqlite::memory:"), OpenError::NotAFile));
    assert!(matches!(open("sqlite:/nowhere/at/all/kith.db"), OpenError::File { .. }));
    let OpenError::Connect(cause) = open("postgres://nobody@127.0.0.1:1/none") else { panic!() };
    assert!(cause.to_string().contains("127.0.0.1"), "{cause}");
    assert!(!format!("{:?}", DbSettings::new("postgres://user:secret@host/db")).contains("secret"));
}
