//! Names in a database: identifiers, and what PostgreSQL takes for the name of a schema and cannot
//! take for something else.

use std::fmt;

/// Where results lie unless another schema is configured.
const DEFAULT: &str = "sluice";

/// Bytes of an identifier at most: the server cuts a longer one off, and two could become one.
pub const LONGEST: usize = 63;

/// Names that a search path has for something else, or that a server has in every database.
const TAKEN: [&str; 2] = ["$user", "information_schema"];

/// The schema in which the results of one job lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// What may be one, in words.
    pub const ALLOWED: &str = "the name of a schema: 1 to 63 bytes without control characters, \
        not beginning with pg_, and neither $user nor information_schema";

    /// `None` for what cannot be one.
    pub fn new(name: &str) -> Option<Self> {
        let fits = (1..=LONGEST).contains(&name.len()) && !name.contains(char::is_control);
        let free = !name.starts_with("pg_") && !TAKEN.contains(&name);
        (fits && free).then(|| SchemaName(name.to_string()))
    }

    /// As an identifier in a statement.
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }
}

impl Default for SchemaName {
    fn default() -> Self {
        SchemaName(DEFAULT.to_string())
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as an identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names as a list of identifiers.
pub fn quote_all<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quote).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(
            quote_all(["plain", "two words", "qu\"ote"]),
            "\"plain\", \"two words\", \"qu\"\"ote\""
        );
    }

    #[test]
    fn what_the_server_would_take_for_something_else_is_no_name() {
        let (longest, longer) = ("x".repeat(63), "é".repeat(32));
        for name in ["sluice", "Shop 2", "qu\"ote, and more", "pgx", "PG_X", longest.as_str()] {
            assert_eq!(SchemaName::new(name).map(|name| name.to_string()).as_deref(), Some(name));
        }
        for name in
            ["", "pg_x", "pg_catalog", "$user", "information_schema", "a\0", "a\nb", &longer]
        {
            assert_eq!(SchemaName::new(name), None, "{name:?}");
        }
        assert_eq!(SchemaName::new(DEFAULT), Some(SchemaName::default()));
    }
}
