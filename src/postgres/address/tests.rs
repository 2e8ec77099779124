//! What is read of an address, and what is shown of it.

use super::*;

fn own(url: &str) -> Vec<(&'static str, String)> {
    let (_, own) = read(url).unwrap_or_else(|problem| panic!("{problem}"));
    own.0.into_iter().map(|(parameter, value)| (parameter.name(), value)).collect()
}

#[test]
fn an_address_shows_everything_but_the_password() {
    assert_eq!(
        shown("postgres://ann:s3cret@db.example:5433/shop?sslmode=verify-full&sslpassword=s3cret"),
        "postgres://ann@db.example:5433/shop"
    );
    assert_eq!(
        shown("host=a,b port=5433 user=ann password=s3cret dbname=shop"),
        "postgres://ann@a:5433,b:5433/shop"
    );
    assert_eq!(shown("host=/run/postgresql user=ann"), "postgres://ann@/run/postgresql:5432/");
    assert_eq!(shown("hostaddr=10.0.0.1"), "postgres://10.0.0.1:5432/");
}

#[test]
fn our_parameters_are_read_from_both_forms() {
    let wanted =
        [("sslmode", "verify-full".to_string()), ("sslrootcert", "/a b/root.crt".to_string())];
    for url in [
        "postgres://ann@db/shop?sslmode=verify-full&connect_timeout=3&sslrootcert=/a%20b/root.crt",
        "postgresql://ann:p?q@db/shop?ssl%6Dode=verify-full&sslrootcert=%2Fa%20b%2Froot.crt",
        "host=db sslmode=verify-full sslrootcert='/a b/root.crt' user=ann",
        "sslrootcert = /a\\ b/root.crt sslmode='verify-full'   host = db password='x \
         sslmode=disable'",
        "host=db sslmode=disable sslrootcert='' sslrootcert='/a b/root.crt' \
         sslmode=verify-full",
    ] {
        assert_eq!(own(url), wanted, "{url}");
    }
    assert_eq!(own("postgres://db/shop?sslmode="), []);
    let (config, _) =
        read("postgres://ann:p?q@db/shop?sslmode=allow&connect_timeout=3").expect("an address");
    assert_eq!(
        (config.get_password(), config.get_dbname()),
        (Some("p?q".as_bytes()), Some("shop"))
    );
    assert_eq!(config.get_connect_timeout().map(std::time::Duration::as_secs), Some(3));
}

#[test]
fn what_is_wrong_is_named_without_a_part_of_a_password() {
    for (url, named) in [
        ("postgres://ann:s3cret@db/shop?sslcrl=x", "`sslcrl` is not known"),
        ("postgres://ann:s3cret@db/shop?sslmod=require", "did you mean `sslmode`"),
        ("host=db password=s3 cret=1", "a parameter of it is unknown"),
        ("postgres://ann:s3cret@db:port/shop", "`port`"),
        ("mysql://ann:s3cret@db/shop", "expected an address"),
        ("postgres://ann:s3cret@[broken", "expected an address"),
    ] {
        let problem = read(url).err().unwrap_or_else(|| panic!("{url} can be read"));
        assert!(problem.contains(named) && !problem.contains("cret"), "{url}: {problem}");
    }
}
