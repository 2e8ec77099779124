//! Connections that end at the worst moments: nothing is lost and nothing is there twice.

use super::*;
use crate::postgres::error::PostgresError;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// What the tables hold after both epochs when nothing went wrong.
fn undisturbed() -> Option<String> {
    let database = TestDatabase::create()?;
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    writer.commit(&second_epoch()).unwrap();
    Some(database.contents())
}

/// Makes the server end the writer's session the first `times` times that it writes to a table.
fn end_session_at(database: &TestDatabase, table: &str, times: u32) {
    database
        .client()
        .batch_execute(&format!(
            "CREATE SEQUENCE ends;
             CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('sluice.ends') <= {times} THEN PERFORM \
                 pg_terminate_backend(pg_backend_pid()); END IF;
                 RETURN NULL;
             END $$;
             CREATE TRIGGER end_session AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH \
             STATEMENT EXECUTE FUNCTION end_session()"
        ))
        .unwrap();
}

#[test]
fn a_session_ended_in_the_middle_is_tried_again_and_exact() {
    let Some(expected) = undisturbed() else { return };
    for table in ["progress", "interactions", "model_versions", "dead_letters"] {
        let Some(database) = TestDatabase::create() else { return };
        let mut writer = database.writer();
        end_session_at(&database, table, 3);
        let retries = writer.commit(&first_epoch()).unwrap().retries
            + writer.commit(&second_epoch()).unwrap().retries;
        assert_eq!(retries, 3, "{table}");
        assert_eq!(database.contents(), expected, "{table}");
    }
}

#[test]
fn a_session_ended_between_epochs_is_opened_again() {
    let Some(expected) = undisturbed() else { return };
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    writer.commit(&first_epoch()).unwrap();
    let ended = database.text(
        "SELECT bool_and(pg_terminate_backend(pid, 5000)) FROM \
        pg_stat_activity WHERE application_name = 'sluice campaign' AND datname = \
        current_database()",
    );
    assert_eq!(ended, "true");
    writer.commit(&second_epoch()).unwrap();
    assert_eq!(database.contents(), expected);
}

#[test]
fn a_commit_whose_acknowledgment_is_lost_is_not_repeated() {
    let Some(expected) = undisturbed() else { return };
    let Some(database) = TestDatabase::create() else { return };
    let cut = Arc::new(AtomicBool::new(false));
    let Some(port) = proxy(&database.url(), cut.clone()) else { return };
    let mut settings = database.settings();
    settings.url = format!("host=127.0.0.1 port={port} {}", credentials(&database.url()));
    let mut writer = Writer::open(settings).unwrap();
    writer.commit(&first_epoch()).unwrap();
    cut.store(true, Ordering::SeqCst);
    let commit = writer.commit(&second_epoch()).unwrap();
    assert_eq!(commit.retries, 1);
    assert_eq!(database.contents(), expected);
}

#[test]
fn an_outage_beyond_the_limit_is_given_up_with_the_reason() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = Writer::open(PostgresSettings {
        retry_timeout: Some(Duration::ZERO),
        ..database.settings()
    })
    .unwrap();
    end_session_at(&database, "segments", 1);
    let error = writer.commit(&first_epoch()).unwrap_err();
    assert!(
        matches!(&error, PostgresError::GaveUp { epoch: 1, last, .. } if last.is_transient()),
        "{error}"
    );
    writer.commit(&first_epoch()).unwrap();
}

#[test]
fn what_does_not_pass_is_not_tried_again() {
    let Some(database) = TestDatabase::create() else { return };
    let mut writer = database.writer();
    database.client().batch_execute("ALTER TABLE segments ADD CHECK (customers > 2)").unwrap();
    let error = writer.commit(&first_epoch()).unwrap_err();
    assert!(
        matches!(&error, PostgresError::Statement { .. })
            && error.to_string().contains("segments_customers_check"),
        "{error}"
    );
    assert_eq!(database.text("SELECT count(*) FROM interactions"), "0");
}

#[test]
fn a_start_without_a_database_says_where_it_looked_and_for_how_long() {
    let settings = PostgresSettings {
        start_timeout: Duration::from_millis(20),
        ..PostgresSettings::new("postgres://ann:s3cret@127.0.0.1:1/shop", "campaign")
    };
    let error = Writer::open(settings).err().unwrap();
    let text = error.to_string();
    let PostgresError::Unreachable { waited, .. } = error else { panic!("{text}") };
    assert!(waited >= Duration::from_millis(20), "{text}");
    assert!(
        text.contains("postgres://ann@127.0.0.1:1/shop")
            && text.contains("start it, or correct postgres.url"),
        "{text}"
    );
}

#[test]
fn a_database_that_does_not_exist_is_refused_at_once() {
    let Some(database) = TestDatabase::create() else { return };
    let settings = PostgresSettings {
        url: database.url().replace(&database.name, "no_such_database"),
        ..database.settings()
    };
    let error = Writer::open(settings).err().unwrap();
    assert!(
        matches!(error, PostgresError::Refused { .. })
            && error.to_string().contains("no_such_database"),
        "{error}"
    );
}

/// User, password and database of an address, in the other form.
fn credentials(url: &str) -> String {
    let config: postgres::Config = url.parse().unwrap();
    let password = config
        .get_password()
        .map(|password| format!("password='{}'", String::from_utf8_lossy(password)));
    format!(
        "user={} dbname={} {}",
        config.get_user().unwrap(),
        config.get_dbname().unwrap(),
        password.unwrap_or_default()
    )
}

/// Listens on a port of its own and passes everything on to the server; where `cut` is set, the
/// server's answer to the next COMMIT is swallowed and the connection closed. `None` for a server
/// that is not reached by TCP.
fn proxy(url: &str, cut: Arc<AtomicBool>) -> Option<u16> {
    let config: postgres::Config = url.parse().unwrap();
    let postgres::config::Host::Tcp(host) = config.get_hosts().first()?.clone() else {
        return None;
    };
    let server = (host, config.get_ports().first().copied().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (client_in, server_out) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            let committing = Arc::new(AtomicBool::new(false));
            let (cut, asked) = (cut.clone(), committing.clone());
            thread::spawn(move || {
                pass(client_in, server_out, |bytes| {
                    if bytes.windows(6).any(|word| word == b"COMMIT")
                        && cut.swap(false, Ordering::SeqCst)
                    {
                        asked.store(true, Ordering::SeqCst);
                    }
                    true
                });
            });
            thread::spawn(move || pass(server, client, |_| !committing.load(Ordering::SeqCst)));
        }
    });
    Some(port)
}

/// Passes bytes on until either side closes or `goes_on` says no, then closes both.
fn pass(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !goes_on(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
