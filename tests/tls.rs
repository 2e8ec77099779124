//! A database that takes connections over TLS alone: `check`, `run` and `verify` use it, and what
//! is wrong is told with what to do.

use crate::services::certificates::{Signed, only_owner_reads};
use crate::services::own::{self, Services};
use crate::services::{Stage, eventually, program};
use openssl::ssl::{
    HandshakeError, SslAcceptor, SslConnector, SslFiletype, SslMethod, SslVerifyMode,
};
use postgres::{Client, NoTls};
use postgres_openssl::MakeTlsConnector;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Output;

const WORLD: [&str; 8] =
    ["--customers", "50", "--transactions", "500", "--interactions", "500", "--seed", "5"];

/// Who may connect: nobody without TLS. `trusted` gives no password, `certified` shows a
/// certificate in its place.
const RULES: &str = "local all all trust
hostssl all postgres 127.0.0.1/32 trust
hostssl all trusted 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
hostssl all sluice 127.0.0.1/32 scram-sha-256
";

/// A server of the test's own that takes only TLS, and the files that clients need.
struct Secured {
    /// Before the server: the stage's last look at its log must find the folder.
    stage: Stage,
    _services: Services,
    port: String,
    database: String,
    folder: tempfile::TempDir,
}

impl Secured {
    fn start(name: &str) -> Option<Secured> {
        if !own::wanted() {
            return None;
        }
        let brokers = std::env::var("SLUICE_KAFKA_BROKERS").expect("a broker");
        let folder = tempfile::tempdir().expect("a folder");
        // The server may run as another user.
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("its owner may");
        let (services, url) = Services::postgres(&folder.path().join("services"));
        let stage = Stage::at(name, brokers, &url);
        let (server, database) = stage.url().rsplit_once('/').expect("an address");
        let port = server.rsplit_once(':').expect("a port").1.to_string();
        let secured =
            Secured { port, database: database.to_string(), stage, _services: services, folder };
        secured.secure();
        Some(secured)
    }

    /// Has the server take TLS alone.
    fn secure(&self) {
        let url = format!("postgres://postgres@127.0.0.1:{}/{}", self.port, self.database);
        let mut server = Client::connect(&url, NoTls).expect("it takes everything yet");
        let of_server = |name: &str| server_file(self.folder.path(), name);
        let authority = Signed::authority("authority");
        let shown = authority.sign("server", &["127.0.0.1", "localhost"]);
        authority.write_certificate(self.file("ca.crt"));
        authority.write_certificate(of_server("ca.crt"));
        shown.write_certificate(of_server("server.crt"));
        shown.write_key(of_server("server.key"), None);
        let client = authority.sign("certified", &[]);
        client.write_certificate(self.file("client.crt"));
        client.write_key(self.file("client.key"), None);
        client.write_key(self.file("encrypted.key"), Some("s3cret"));
        let foreign = Signed::authority("foreign");
        foreign.write_certificate(self.file("foreign.crt"));
        let stranger = foreign.sign("certified", &[]);
        stranger.write_certificate(self.file("stranger.crt"));
        stranger.write_key(self.file("stranger.key"), None);
        std::fs::write(
            self.file("passwords"),
            format!("127.0.0.1:{}:*:sluice:s3cret\n*:*:*:*:wrong\n", self.port),
        )
        .expect("a file");
        only_owner_reads(&self.file("passwords"));

        let data: String = server.query_one("SHOW data_directory", &[]).expect("it answers").get(0);
        let owner = std::fs::metadata(&data).expect("its folder");
        for name in ["ca.crt", "server.crt", "server.key"] {
            chown(of_server(name), Some(owner.uid()), Some(owner.gid()))
                .expect("files for the server");
        }
        server
            .batch_execute(
                "SET password_encryption = 'scram-sha-256'; ALTER ROLE sluice PASSWORD 's3cret'; \
                 CREATE ROLE trusted LOGIN; CREATE ROLE certified LOGIN",
            )
            .expect("roles");
        for (name, value) in [
            ("ssl_cert_file", "server.crt"),
            ("ssl_key_file", "server.key"),
            ("ssl_ca_file", "ca.crt"),
        ] {
            server
                .batch_execute(&format!(
                    "ALTER SYSTEM SET {name} = '{}'",
                    of_server(value).display()
                ))
                .expect("a setting");
        }
        server.batch_execute("ALTER SYSTEM SET ssl = on").expect("a setting");
        std::fs::write(Path::new(&data).join("pg_hba.conf"), RULES).expect("the rules");
        server.batch_execute("SELECT pg_reload_conf()").expect("it reads them");
        eventually("only TLS is taken", || {
            Client::connect(&url, NoTls).is_err() && self.connect().is_ok()
        });
    }

    /// A file of the client's.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection of the test's own, which trusts everybody.
    fn connect(&self) -> Result<Client, postgres::Error> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).expect("a client");
        builder.set_verify(SslVerifyMode::NONE);
        let url = format!(
            "postgres://postgres@127.0.0.1:{}/{}?sslmode=require",
            self.port, self.database
        );
        let mut connector = MakeTlsConnector::new(builder.build());
        connector.set_callback(|configuration, _| {
            configuration.set_verify_hostname(false);
            Ok(())
        });
        Client::connect(&url, connector)
    }

    /// Configures the program for a user at a host, with more parameters; `{}` in them stands for
    /// the folder of files.
    fn configure(&self, user: &str, host: &str, parameters: &str) {
        let folder = self.folder.path().display().to_string();
        let url = format!(
            "postgres://{user}@{host}:{}/{}?{}",
            self.port,
            self.database,
            parameters.replace("{}", &folder)
        );
        let plain = self.stage.toml("");
        let text =
            plain.replace(&format!("url = \"{}\"", self.stage.url()), &format!("url = \"{url}\""));
        assert_ne!(text, plain);
        std::fs::write(self.stage.config(), text).expect("the configuration");
    }

    fn sluice(&self, arguments: &[&str]) -> Output {
        let mut program = program();
        // What lies in the home folder of whoever runs the tests is not meant.
        program.env("HOME", self.file("home")).env("PGPASSFILE", self.file("passwords"));
        program
            .args(arguments)
            .arg(self.stage.config())
            .output()
            .expect("the program can be started")
    }
}

/// Those of the server lie in a folder of their own, so that names may be the same.
fn server_file(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join("server");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

#[test]
fn a_database_that_takes_only_tls_is_used_throughout() {
    let Some(secured) = Secured::start("tls") else { return };
    secured.configure(
        "sluice",
        "127.0.0.1",
        "sslmode=verify-full&sslrootcert={}/ca.crt&channel_binding=require",
    );
    let stage = &secured.stage;
    let config = stage.config().display().to_string();
    let ends_well = |arguments: &[&str]| {
        let output = secured.sluice(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sluice {arguments:?}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        said
    };
    ends_well(&["topics", "create"]);
    let said = ends_well(&["check"]);
    assert!(said.contains("PostgreSQL"), "{said}");
    stage.sluice(
        &[&["generate", "--kafka", &stage.brokers, "--config", &config], &WORLD[..]].concat(),
    );

    let home = secured.file("home").display().to_string();
    let passwords = secured.file("passwords").display().to_string();
    let job = stage.launch(&[], &[("HOME", &home), ("PGPASSFILE", &passwords)]);
    let count = "SELECT coalesce(sum(n), 0)::int8 FROM (SELECT (SELECT sum(value::int8) FROM \
        jsonb_each_text(t.value)) AS n
                 FROM sluice.epochs e, jsonb_each(e.offsets) t WHERE e.epoch = (SELECT max(epoch) \
                 FROM sluice.epochs)) s";
    let mut database = secured.connect().expect("the database answers");
    eventually("all records are committed", || {
        database.query_one(count, &[]).is_ok_and(|row| row.get::<_, i64>(0) >= 1_050)
    });
    let encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE \
        a.application_name LIKE 'sluice %' AND s.ssl";
    assert!(database.query_one(encrypted, &[]).expect("it answers").get::<_, i64>(0) > 0);
    job.drain();
    ends_well(&["verify"]);
}

#[test]
fn what_stands_in_the_way_of_tls_is_told_with_what_to_do() {
    let Some(secured) = Secured::start("no_tls") else { return };
    secured.configure("trusted", "127.0.0.1", "sslmode=require");
    assert!(secured.sluice(&["topics", "create"]).status.success());
    let told = |user: &str, host: &str, parameters: &str| {
        secured.configure(user, host, parameters);
        let output = secured.sluice(&["check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said
            .lines()
            .find(|line| line.contains("PostgreSQL"))
            .unwrap_or_else(|| panic!("{said}"))
            .to_string();
        assert!(!said.contains("s3cret"), "{said}");
        (output.status.code(), line)
    };
    for (user, host, parameters, wanted) in [
        ("sluice", "127.0.0.1", "sslmode=verify-full&sslrootcert={}/foreign.crt", "is not trusted"),
        ("sluice", "127.0.0.1", "sslmode=require&sslrootcert={}/foreign.crt", "is not trusted"),
        ("sluice", "127.0.0.1", "sslrootcert=system", "is not trusted"),
        (
            "sluice",
            "db.example",
            "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}/ca.crt",
            "for 127.0.0.1, localhost, not for db.example",
        ),
        (
            "sluice",
            "127.0.0.2",
            "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}/ca.crt",
            "not for 127.0.0.2",
        ),
        (
            "certified",
            "127.0.0.1",
            "sslmode=require",
            "name the client's certificate with sslcert and sslkey",
        ),
        (
            "certified",
            "127.0.0.1",
            "sslmode=require&sslcert={}/stranger.crt&sslkey={}/stranger.key",
            "its authority is not known there (alert 48)",
        ),
        (
            "trusted",
            "127.0.0.1",
            "sslmode=require&channel_binding=require",
            "cannot be bound to the channel",
        ),
        ("sluice", "127.0.0.1", "sslmode=disable", "use sslmode=require"),
        ("sluice:wrong", "127.0.0.1", "sslmode=require", "check user, password"),
    ] {
        let (code, line) = told(user, host, parameters);
        assert!(
            code == Some(1) && line.contains(wanted),
            "{user} {host} {parameters}: {code:?} {line}"
        );
    }
    for (user, host, parameters) in [
        ("sluice", "127.0.0.1", "sslmode=prefer"),
        ("sluice", "127.0.0.1", "sslmode=allow"),
        ("sluice", "127.0.0.1", ""),
        (
            "sluice",
            "localhost",
            "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}/ca.crt&passfile=/nonexistent\
            &password=s3cret",
        ),
        (
            "sluice:s3cret",
            "db.example",
            "hostaddr=127.0.0.1&sslmode=verify-ca&sslrootcert={}/ca.crt",
        ),
        ("trusted", "127.0.0.1", "sslmode=require&channel_binding=prefer"),
        (
            "certified",
            "127.0.0.1",
            "sslmode=verify-full&sslrootcert={}/ca.crt&sslcert={}/client.crt&sslkey={}/client.key",
        ),
        (
            "certified",
            "127.0.0.1",
            "sslmode=require&sslcert={}/client.crt&sslkey={}/encrypted.key&sslpassword=s3cret",
        ),
    ] {
        let (_, line) = told(user, host, parameters);
        assert!(line.contains("version "), "{user} {host} {parameters}: {line}");
    }
    // A key that is none, and one that others may read, are faults of the configuration.
    std::fs::set_permissions(
        secured.file("client.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .expect("its owner may");
    for (parameters, wanted) in [
        ("sslmode=require&sslcert={}/client.crt&sslkey={}/client.key", "chmod 600"),
        ("sslmode=require&sslcert={}/client.crt&sslkey={}/encrypted.key", "sslpassword is missing"),
        (
            "sslmode=require&sslcert={}/client.crt&sslkey={}/stranger.key",
            "is not the key of the certificate",
        ),
        (
            "sslmode=require&sslcert={}/passwords&sslkey={}/stranger.key",
            "expected certificates in PEM form",
        ),
        ("sslnegotiation=direct", "sslmode=require or a stricter one"),
    ] {
        secured.configure("certified", "127.0.0.1", parameters);
        let output = secured.sluice(&["check"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(wanted), "{parameters}: {said}");
    }
}

#[test]
fn a_server_without_tls_is_told() {
    let Some(stage) = Stage::set("without_tls") else { return };
    let text = stage.toml("").replace(stage.url(), &format!("{}?sslmode=require", stage.url()));
    std::fs::write(stage.config(), text).expect("the configuration");
    for (workers, code, faults) in [("1", 1, 0), ("0", 2, 1)] {
        let json = program()
            .env("SLUICE_WORKERS", workers)
            .arg("check")
            .arg(stage.config())
            .arg("--json")
            .output()
            .expect("the program can be started");
        let document: serde_json::Value =
            serde_json::from_slice(&json.stdout).expect("one document, whatever is wrong");
        let list = |name: &str| document[name].as_array().expect("a list").len();
        assert_eq!(
            (&document["ok"], &document["exit_code"], json.status.code()),
            (&false.into(), &code.into(), Some(code)),
            "{document}"
        );
        assert!(
            list("faults") == faults
                && list("connections") > 1
                && !String::from_utf8_lossy(&json.stderr).contains('{'),
            "{document}"
        );
    }
    let output =
        program().arg("check").arg(stage.config()).output().expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code() == Some(1)
            && said.contains("the server has no TLS, which sslmode=require asks for"),
        "{said}"
    );
}

/// A server that asks for a client's certificate, as it says by an alert. It resets every other
/// connection when the client's first message has come: then its alert is not read.
fn that_resets(folder: &Path) -> u16 {
    let authority = Signed::authority("late");
    let root = authority.write_certificate(folder.join("late.crt"));
    let key = authority.write_key(folder.join("late.key"), None);
    let acceptor = |asks: SslVerifyMode| {
        let mut builder =
            SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("a server");
        builder.set_certificate_chain_file(&root).expect("its certificate");
        builder.set_private_key_file(&key, SslFiletype::PEM).expect("its key");
        builder.set_ca_file(&root).expect("its authority");
        builder.set_verify(asks);
        builder.build()
    };
    let (patient, strict) = (
        acceptor(SslVerifyMode::NONE),
        acceptor(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT),
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for (acceptor, client) in [patient, strict].iter().cycle().zip(listener.incoming()) {
            let mut client = client.expect("a client");
            client.read_exact(&mut [0; 8]).expect("it asks for TLS");
            client.write_all(b"S").expect("it may");
            // What is left unread when a connection is closed resets it; an alert must not be
            // overtaken by that.
            match acceptor.accept(client) {
                Ok(secured) => drop(secured.get_ref().peek(&mut [0]).expect("it writes")),
                Err(HandshakeError::Failure(refused)) => {
                    drop(refused.get_ref().read_to_end(&mut Vec::new()))
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    port
}

#[test]
fn what_a_server_has_against_a_client_is_told_though_it_resets_the_connection() {
    let Some(stage) = Stage::set("late_alert") else { return };
    let port = that_resets(stage.directory.path());
    let stranger = Signed::authority("stranger");
    let certificate = stranger.write_certificate(stage.path("stranger.crt")).display().to_string();
    let key = stranger.write_key(stage.path("stranger.key"), None).display().to_string();
    for (parameters, wanted) in [
        (
            String::new(),
            "the server asks for a client's certificate (alert 116); name one with sslcert and \
             sslkey",
        ),
        (
            format!("&sslcert={certificate}&sslkey={key}"),
            "does not take the client's certificate: its authority is not known there (alert 48)",
        ),
    ] {
        let url = format!("postgres://sluice@127.0.0.1:{port}/sluice?sslmode=require{parameters}");
        std::fs::write(stage.config(), stage.toml("").replace(stage.url(), &url))
            .expect("the configuration");
        let output = program()
            .env("HOME", stage.directory.path())
            .arg("check")
            .arg(stage.config())
            .output()
            .expect("the program can be started");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(wanted), "{said}");
    }
}
