//! The words of a Rust source: without comments, texts, and what is compiled for tests only.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of production code.
pub(super) struct Source {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Names and marks, in order, without what only tests have.
    pub(super) words: Vec<String>,
}

/// The files of production below a folder, in order: those of tests are left out, whether they are
/// named so or declared so.
pub(super) fn production(folder: &Path) -> Vec<Source> {
    let mut files = super::sources(folder);
    files.sort();
    let mut tests = Vec::new();
    let read = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("a source");
        let (words, modules) = without_tests(&words(&text));
        tests.extend(modules.iter().map(|module| place_of(&path, module)));
        Source { path, words }
    });
    let read: Vec<Source> = read.collect();
    read.into_iter()
        .filter(|source| !tests.iter().any(|test| lies_in(&source.path, test)))
        .collect()
}

/// Where a module lies that a file declares: without the ending of its file.
fn place_of(file: &Path, module: &str) -> PathBuf {
    let folder = file.parent().expect("a folder");
    match file.file_stem().and_then(|stem| stem.to_str()) {
        _ if module.ends_with(".rs") => folder.join(module.trim_end_matches(".rs")),
        Some("mod" | "lib" | "main") | None => folder.join(module),
        Some(stem) => folder.join(stem).join(module),
    }
}

/// The files that those of a package come to, from where it begins: whatever a module declares,
/// whether for tests or not.
pub(super) fn reached_from(begin: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(begin).unwrap_or_else(|e| panic!("{}: {e}", begin.display()));
    let words = words(&text);
    let declared = (0..words.len()).filter(|&at| words[at] == "mod");
    let mut reached = vec![begin.to_path_buf()];
    for at in declared {
        // The path that it is given stands in the attribute just before.
        let attribute = words[..at].iter().rposition(|word| word == ";" || word == "}");
        let item = &words[attribute.map_or(0, |end| end + 1)..words.len().min(at + 3)];
        let Some(module) = module_elsewhere(item) else { continue };
        let place = place_of(begin, &module);
        let file = [place.with_extension("rs"), place.join("mod.rs")];
        reached
            .extend(file.iter().filter(|file| file.exists()).flat_map(|file| reached_from(file)));
    }
    reached
}

fn lies_in(file: &Path, module: &Path) -> bool {
    file.with_extension("") == module || file.starts_with(module)
}

/// Whether a file has nothing but tests, by its path.
pub(super) fn is_of_tests(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.any(|part| part == "tests" || part.ends_with("tests.rs"))
}

/// Names, numbers and marks; of a text only its quotes and what stands in it, as one word.
pub(super) fn words(text: &str) -> Vec<String> {
    placed(text).into_iter().map(|(_, word)| word.to_string()).collect()
}

/// The words of a text, each with the number of its line.
pub(super) fn placed(text: &str) -> Vec<(usize, &str)> {
    let (mut words, mut line) = (Vec::new(), 1);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (word, after) = rest.split_at(length(rest, first));
        if !word.trim().is_empty() && !word.starts_with("//") && !word.starts_with("/*") {
            words.push((line, word));
        }
        line += word.matches('\n').count();
        rest = after;
    }
    words
}

/// Bytes of the word that a text begins with.
fn length(rest: &str, first: char) -> usize {
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if rest.starts_with("//") {
        return until("\n");
    }
    if rest.starts_with("/*") {
        return until("*/");
    }
    if let Some(raw) = raw_text(rest) {
        return raw;
    }
    match first {
        '"' => quoted(rest, '"'),
        // A lifetime has no second quote.
        '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
            quoted(rest, '\'')
        }
        _ if rest.starts_with("::") => 2,
        _ if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
        _ => first.len_utf8(),
    }
}

/// Bytes of a raw text such as `r#"..."#`.
fn raw_text(rest: &str) -> Option<usize> {
    let start = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = start.len() - start.trim_start_matches('#').len();
    let body = start[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// These words without what `#[cfg(test)]` stands before, and the modules in other files that are
/// declared so.
fn without_tests(words: &[String]) -> (Vec<String>, Vec<String>) {
    const TESTS_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < words.len() {
        if !words[at..].iter().take(TESTS_ONLY.len()).eq(TESTS_ONLY) {
            kept.push(words[at].clone());
            at += 1;
            continue;
        }
        let item = &words[at + TESTS_ONLY.len()..];
        let length = item_length(item);
        modules.extend(module_elsewhere(&item[..length]));
        at += TESTS_ONLY.len() + length;
    }
    (kept, modules)
}

/// Words of the item, field or statement that these begin with, its further attributes included.
fn item_length(words: &[String]) -> usize {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        // What ends with a brace, and not as a list of what is used does.
        let is_list = words.get(at + 1).is_some_and(|next| next == ";");
        match word.as_str() {
            ";" | "," if depth == 0 => return at + 1,
            "}" if depth == 0 && !is_list => return at + 1,
            _ => {}
        }
    }
    words.len()
}

/// The name of a module that is declared and lies in another file, or the path that it is given.
fn module_elsewhere(item: &[String]) -> Option<String> {
    let at = item.iter().position(|word| word == "mod")?;
    let path = item.iter().position(|word| word == "path").and_then(|path| item.get(path + 2));
    let name = path.map(|path| path.trim_matches('"').to_string()).unwrap_or(item[at + 1].clone());
    (item.get(at + 2).map(String::as_str) == Some(";")).then_some(name)
}

#[test]
fn tests_texts_and_comments_are_left_out() {
    let text = r##"
        use a::{b, c}; // use d;
        #[cfg(test)]
        #[path = "far.rs"]
        mod far;
        const E: &str = "mod f { use g; }\"";
        const H: (char, &str) = ('{', r#"" { "#);
        #[cfg(test)]
        pub(crate) use i::{j, k};
        impl<'a> L<'a> {
            #[cfg(test)]
            fn m(&self) -> [u8; 2] { use n; }
            fn o() {}
        }
        #[cfg(test)]
        mod near;
    "##;
    let (kept, modules) = without_tests(&words(text));
    let of = |names: &str| names.chars().filter(|c| kept.contains(&c.to_string())).collect();
    let named: String = of("abcdfgijkmno");
    assert_eq!((named.as_str(), &modules[..]), ("abco", &["far.rs", "near"].map(String::from)[..]));
    assert_eq!(
        ["src/a/mod.rs", "src/a/b.rs"].map(|file| place_of(Path::new(file), "c")),
        ["src/a/c", "src/a/b/c"].map(PathBuf::from)
    );
    assert!(lies_in(Path::new("src/a/c/d.rs"), Path::new("src/a/c")));
}
