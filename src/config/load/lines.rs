//! Where in a file a key stands.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a name stands in the text, and the section below it.
pub(super) fn spanned<'a, 'i>(
    spans: &'a DeTable<'i>,
    name: &str,
) -> (usize, Option<&'a DeTable<'i>>) {
    let found =
        spans.iter().find(|(key, _): &(&Spanned<_>, &Spanned<DeValue<'_>>)| key.get_ref() == name);
    match found {
        Some((key, value)) => (key.span().start, value.get_ref().as_table()),
        None => (0, None),
    }
}

pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}
