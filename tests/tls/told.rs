//! What stands in the way of TLS, each with the sentence that says it and what to do.

use super::*;

/// User, host and parameters that cannot do, each with what must be said.
const REFUSED: [(&str, &str, &str, &str); 10] = [
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
];

/// Those that do.
const TAKEN: [(&str, &str, &str); 8] = [
    ("sluice", "127.0.0.1", "sslmode=prefer"),
    ("sluice", "127.0.0.1", "sslmode=allow"),
    ("sluice", "127.0.0.1", ""),
    (
        "sluice",
        "localhost",
        "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}/ca.crt&passfile=/nonexistent\
        &password=s3cret",
    ),
    ("sluice:s3cret", "db.example", "hostaddr=127.0.0.1&sslmode=verify-ca&sslrootcert={}/ca.crt"),
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
];

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
    for (user, host, parameters, wanted) in REFUSED {
        let (code, line) = told(user, host, parameters);
        assert!(
            code == Some(1) && line.contains(wanted),
            "{user} {host} {parameters}: {code:?} {line}"
        );
    }
    for (user, host, parameters) in TAKEN {
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
