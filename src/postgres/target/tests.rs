//! Where an address and a password come from.

use super::*;

fn settled(
    url: &str,
    beside: &[(Parameter, &str)],
    around: &[(Parameter, &str)],
) -> Result<Target, Vec<KeyProblem>> {
    let set = |given: &[(Parameter, &str)]| {
        let mut parameters = ConnectionParameters::default();
        given.iter().for_each(|(parameter, value)| parameters.set(*parameter, value));
        parameters
    };
    let around = Surroundings { parameters: set(around), ..Surroundings::default() };
    Target::settle(url, None, &set(beside), &around)
}

#[test]
fn the_address_comes_first_then_the_keys_then_the_environment() {
    use Parameter::SslMode;
    let mode = |url, beside: &[_], around: &[_]| {
        settled(url, beside, around)
            .map(|target| target.tls.mode())
            .map_err(|problems| problems[0].0)
    };
    let given = "postgres://db/shop?sslmode=require";
    assert_eq!(mode(given, &[], &[(SslMode, "disable")]), Ok(Mode::Require));
    assert_eq!(mode(given, &[(SslMode, "require")], &[]), Ok(Mode::Require));
    assert_eq!(
        mode("postgres://db/shop", &[(SslMode, "allow")], &[(SslMode, "disable")]),
        Ok(Mode::Allow)
    );
    assert_eq!(mode("postgres://db/shop", &[], &[(SslMode, "disable")]), Ok(Mode::Disable));
    assert_eq!(mode(given, &[(SslMode, "disable")], &[]), Err("postgres.sslmode"));
    assert_eq!(mode("postgres://db/shop", &[], &[(SslMode, "on")]), Err("postgres.url"));
}

#[test]
fn a_password_comes_from_the_nearest_place() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = home.path().join(".pgpass");
    std::fs::write(&file, "db:*:*:ann:filed\n").expect("writing");
    let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, only_owner).expect("its owner may");
    let around = |password: Option<&str>| Surroundings {
        password: password.map(|password| password.as_bytes().to_vec()),
        home: Some(home.path().to_path_buf()),
        ..Surroundings::default()
    };
    let password = |url: &str, beside: Option<&str>, around: &Surroundings| {
        let target = Target::settle(
            url,
            beside.map(str::as_bytes),
            &ConnectionParameters::default(),
            around,
        )
        .expect("nothing is wrong");
        target
            .config()
            .get_password()
            .map(|password| String::from_utf8_lossy(password).into_owned())
    };
    let both = around(Some("around"));
    assert_eq!(
        password("postgres://ann:within@db/shop", Some("beside"), &both).as_deref(),
        Some("beside")
    );
    assert_eq!(password("postgres://ann:within@db/shop", None, &both).as_deref(), Some("within"));
    assert_eq!(password("postgres://ann@db/shop", None, &both).as_deref(), Some("around"));
    assert_eq!(password("postgres://ann@db/shop", None, &around(None)).as_deref(), Some("filed"));
    assert_eq!(password("postgres://bob@db/shop", None, &around(None)), None);
}

#[test]
fn a_socket_needs_no_tls() {
    let target =
        settled("host=/run/postgresql sslmode=verify-full sslrootcert=/nonexistent.crt", &[], &[])
            .expect("nothing is wrong");
    assert!(target.is_plain() && target.faults_of_files().is_empty());
}
