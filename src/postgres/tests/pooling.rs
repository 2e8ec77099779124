//! A pool of transactions in front of the database is told before anything is set in its sessions.

use super::super::{PostgresError, PostgresSettings, Writer, connection, pooling};
use super::TestDatabase;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Stands in for a pool with one session of the server: every client's transactions go through it.
pub struct Pool {
    address: SocketAddr,
}

impl Pool {
    /// Listens; what it has started ends with the process.
    pub fn before(database: &TestDatabase) -> Pool {
        let target = super::super::Target::at(&database.url()).unwrap();
        let config = target.config();
        let postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
            panic!("the tests' server listens at a port")
        };
        let mut server = TcpStream::connect((host.as_str(), config.get_ports()[0])).unwrap();
        let mut startup = 196_608u32.to_be_bytes().to_vec();
        for text in
            ["user", config.get_user().unwrap(), "database", config.get_dbname().unwrap(), ""]
        {
            startup.extend(text.bytes().chain([0]));
        }
        server
            .write_all(&[&(startup.len() as u32 + 4).to_be_bytes()[..], &startup].concat())
            .unwrap();
        while message(&mut server).unwrap()[0] != b'Z' {}
        let (server, listener) =
            (Arc::new(Mutex::new(server)), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || serve(client?, &server));
            }
        });
        Pool { address }
    }

    /// The settings of the database, through the pool.
    pub fn settings(&self, database: &TestDatabase) -> PostgresSettings {
        let config = super::super::Target::at(&database.url()).unwrap();
        let (user, name) = (
            config.config().get_user().unwrap().to_string(),
            config.config().get_dbname().unwrap().to_string(),
        );
        PostgresSettings {
            url: format!("postgres://{user}@{}/{name}?sslmode=disable", self.address),
            ..database.settings()
        }
    }
}

/// A message with its type and its length.
fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    stream.read_exact(&mut message)?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]);
    message.resize(length as usize + 1, 0);
    stream.read_exact(&mut message[5..])?;
    Ok(message)
}

/// Lets a client in, and has the server's session for each of its transactions.
fn serve(mut client: TcpStream, server: &Mutex<TcpStream>) -> io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    client.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize - 4])?;
    client.write_all(b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\0\0\0\0\0Z\0\0\0\x05I")?;
    loop {
        let mut asked = message(&mut client)?;
        let mut server = server.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            if asked[0] == b'X' {
                return Ok(());
            }
            server.write_all(&asked)?;
            // Whatever asks for an answer at once: a query or the end of a round.
            if matches!(asked[0], b'Q' | b'S') {
                let state = loop {
                    let answer = message(&mut server)?;
                    client.write_all(&answer)?;
                    if answer[0] == b'Z' {
                        break answer[5];
                    }
                };
                if state == b'I' {
                    break;
                }
            }
            asked = message(&mut client)?;
        }
    }
}

#[test]
fn a_pool_of_transactions_is_refused_before_anything_is_set() {
    let Some(database) = TestDatabase::create() else { return };
    let pool = Pool::before(&database);
    let settings = pool.settings(&database);
    let error = Writer::open(settings.clone()).err().unwrap();
    assert!(matches!(error, PostgresError::Pooled(_)) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("pool_mode = session"), "{error}");
    let mut client = connection::open(&settings).unwrap();
    let path: String = client.query_one("SHOW search_path", &[]).unwrap().get(0);
    assert!(!path.contains("sluice"), "{path}");
    assert_eq!(database.text("SELECT count(*) FROM pg_namespace WHERE nspname = 'sluice'"), "0");
}

#[test]
fn sessions_of_the_server_itself_are_taken() {
    let Some(database) = TestDatabase::create() else { return };
    let (mut one, mut other) = (
        connection::open(&database.settings()).unwrap(),
        connection::open(&database.settings()).unwrap(),
    );
    pooling::check(&mut one, Some(&mut other), &database.settings()).unwrap();
    pooling::check(&mut one, None, &database.settings()).unwrap();
}
