//! A database that takes connections over TLS alone: `check`, `run` and `verify` use it, and what
//! is wrong is told with what to do.

mod told;

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
