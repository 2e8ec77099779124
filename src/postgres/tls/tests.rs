//! What is settled of parameters, and what contradicts itself.

use super::*;
use crate::postgres::tls::mode::Mode;

fn settle(given: &[(Parameter, &str)], home: Option<&Path>) -> Result<Tls, Vec<&'static str>> {
    let mut parameters = ConnectionParameters::default();
    given.iter().for_each(|(parameter, value)| parameters.set(*parameter, value));
    Tls::settle(&parameters, home)
        .map_err(|problems| problems.into_iter().map(|(key, _)| key).collect())
}

#[test]
fn modes_are_as_libpq_has_them() {
    use Parameter::*;
    assert_eq!(settle(&[], None).expect("nothing is wrong").mode(), Mode::Prefer);
    assert_eq!(
        settle(&[(SslRootCert, "system")], None).expect("nothing is wrong").mode(),
        Mode::VerifyFull
    );
    assert_eq!(
        settle(&[(SslMode, "verify-ca"), (SslRootCert, "root.crt")], None)
            .expect("nothing is wrong")
            .mode(),
        Mode::VerifyCa
    );
    for mode in ["disable", "allow", "prefer", "require"] {
        assert_eq!(settle(&[(SslMode, mode)], None).expect("nothing is wrong").mode().name(), mode);
    }
}

#[test]
fn unknown_and_contradictory_values_are_all_named() {
    use Parameter::*;
    for (given, keys) in [
        (
            &[(SslMode, "on"), (ChannelBinding, "maybe"), (SslNegotiation, "quick")] as &[_],
            &[SslNegotiation, ChannelBinding, SslMode, SslRootCert] as &[_],
        ),
        (&[(SslMode, "require"), (SslRootCert, "system")], &[SslMode]),
        (&[(SslNegotiation, "direct")], &[SslNegotiation]),
        (&[(SslMode, "disable"), (ChannelBinding, "require")], &[ChannelBinding]),
        (&[(SslMode, "verify-full")], &[SslRootCert]),
        (&[(SslCert, "a.crt")], &[SslKey]),
        (&[(SslKey, "a.key"), (SslMode, "verify-ca")], &[SslCert, SslRootCert]),
    ] {
        let wanted: Vec<_> = keys.iter().map(|parameter| parameter.key()).collect();
        assert_eq!(settle(given, None), Err(wanted), "{given:?}");
    }
}

#[test]
fn what_is_in_the_home_folder_counts() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join(".postgresql");
    std::fs::create_dir(&folder).expect("a folder");
    for name in ["root.crt", "postgresql.crt", "postgresql.key"] {
        std::fs::write(folder.join(name), "").expect("a file");
    }
    let tls = settle(&[(Parameter::SslMode, "verify-full")], Some(home.path()))
        .expect("nothing is wrong");
    assert!(
        tls.has_identity()
            && matches!(&tls.roots, Some(Roots::File(file)) if file.path == folder.join("root.crt"))
    );
    let faults = tls.connector().err().expect("the files are empty");
    let keys: Vec<_> = faults.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["postgres.sslrootcert", "postgres.sslcert", "postgres.sslkey"]);
}
