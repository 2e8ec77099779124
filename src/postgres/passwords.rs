//! The file of passwords that PostgreSQL's own programs read: `PGPASSFILE`, or `.pgpass` in the
//! home folder.

use super::address;
use postgres::Config;
use postgres::config::Host;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The password for a database, from a file whose lines are `host:port:database:user:password`.
///
/// The first line that fits counts, `*` fits everything, and a backslash escapes a colon or another
/// one. A file that others than its owner may read is passed over, as libpq does; the reason is
/// given then.
pub fn look_up(path: &Path, config: &Config) -> Result<Option<Vec<u8>>, String> {
    let Ok(found) = std::fs::metadata(path) else { return Ok(None) };
    if !found.is_file() {
        return Err(format!(
            "the file of passwords {} is passed over: it is no plain file",
            path.display()
        ));
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Err(format!(
            "the file of passwords {} is passed over: others may read it; chmod 600 it",
            path.display()
        ));
    }
    let text = std::fs::read(path).map_err(|error| {
        format!("the file of passwords {} cannot be read: {error}", path.display())
    })?;
    let user = config
        .get_user()
        .map(str::to_string)
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_default();
    let database = config.get_dbname().unwrap_or(&user);
    let of_host = |(i, host): (usize, &Host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) if is_usual(folder) => "localhost".to_string(),
            Host::Unix(folder) => folder.display().to_string(),
        };
        find(&text, [&name, &address::port(config, i).to_string(), database, &user])
    };
    Ok(config.get_hosts().iter().enumerate().find_map(of_host))
}

/// Whether a socket's folder is the one that libpq is built with, on one system or another: such a
/// server is called localhost.
fn is_usual(folder: &Path) -> bool {
    ["/tmp", "/run/postgresql", "/var/run/postgresql"]
        .iter()
        .any(|usual| folder == Path::new(usual))
}

fn find(text: &[u8], wanted: [&str; 4]) -> Option<Vec<u8>> {
    let lines =
        text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.starts_with(b"#")).find_map(|line| {
        let mut rest = line;
        for value in wanted {
            let ((given, plain), after) = field(rest);
            if given != value.as_bytes() && !(plain && given == b"*") {
                return None;
            }
            rest = after?;
        }
        let (password, _) = field(rest).0;
        (!password.is_empty()).then_some(password)
    })
}

/// The field at the beginning, whether nothing in it was escaped, and what comes after its colon.
fn field(text: &[u8]) -> ((Vec<u8>, bool), Option<&[u8]>) {
    let (mut value, mut plain) = (Vec::new(), true);
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b':' => return ((value, plain), Some(&text[at + 1..])),
            b'\\' if at + 1 < text.len() => {
                plain = false;
                at += 1;
                value.push(text[at]);
            }
            byte => value.push(byte),
        }
        at += 1;
    }
    ((value, plain), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn looked_up(lines: &str, url: &str) -> Option<String> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(lines.as_bytes()).expect("writing to it");
        let (config, _) = address::read(url).expect("an address");
        let found = look_up(file.path(), &config).expect("only its owner reads it");
        found.map(|password| String::from_utf8(password).expect("UTF-8"))
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let lines = "# host:port:database:user:password\ndb:5432:shop:bob:wrong\n\
            db:*:shop:ann:first\n*:*:*:*:other\n";
        for (url, password) in [
            ("postgres://ann@db/shop", "first"),
            ("postgres://ann@db:5433/shop", "first"),
            ("postgres://ann@db:5433/else", "other"),
            ("host=a,db user=bob dbname=shop", "other"),
        ] {
            assert_eq!(looked_up(lines, url).as_deref(), Some(password), "{url}");
        }
        assert_eq!(
            looked_up("localhost:*:*:*:socket\r\n", "host=/run/postgresql user=ann").as_deref(),
            Some("socket")
        );
        assert_eq!(
            looked_up(
                "\\*:*:*:*:star\n::1:*:*:*:plain\n\\:\\:1:*:*:*:a\\:b\\\\c:ignored\n",
                "host=::1 user=ann"
            )
            .as_deref(),
            Some("a:b\\c")
        );
        assert_eq!(
            looked_up("db:5432:shop\ndb:5432:shop:ann:\n\n", "postgres://ann@db/shop"),
            None
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_passed_over() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "*:*:*:*:s3cret\n").expect("writing");
        let (config, _) = address::read("postgres://ann@db/shop").expect("an address");
        for (mode, taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode))
                .expect("its owner may");
            let found = look_up(file.path(), &config);
            assert_eq!(found.is_ok(), taken, "{mode:o}: {found:?}");
            assert!(!found.err().unwrap_or_default().contains("s3cret"));
        }
        assert_eq!(look_up(Path::new("/nonexistent/pgpass"), &config), Ok(None));
    }
}
