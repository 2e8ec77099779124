//! Tests of the reader: whatever the number of readers, their blocks together are the file.

use super::*;
use dataflows::event::{Topic, source_names};
use proptest::prelude::*;
use std::io::Write;
use std::path::Path;

/// A limit for records that keeps the tests small.
const LIMIT: usize = 1024;

/// Rows of at most so many bytes, of interactions.
fn reading(max_record: usize) -> FileReading {
    let names = source_names(Topic::Interactions, &[]);
    let columns = FileColumns { names, configured: true };
    FileReading { max_record, columns: BTreeMap::from([(Topic::Interactions.id(), columns)]) }
}

fn write(directory: &Path, name: &str, content: &[u8]) -> InputFile {
    let path = directory.join(name);
    std::fs::write(&path, content).expect("writing");
    let syntax = if name.contains(".csv") { Syntax::Csv } else { Syntax::Json };
    let compression = match name.rsplit('.').next() {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    };
    InputFile {
        topic: Topic::Interactions.id(),
        path,
        syntax,
        compression,
        length: content.len() as u64,
    }
}

fn open(
    input: &InputFile,
    index: usize,
    of: usize,
    distribution: Distribution,
) -> Option<FileReader> {
    FileReader::open(input, ReaderSeat { index, of }, distribution, &reading(LIMIT))
        .expect("it can be opened")
}

/// All blocks of a file, in the order of the seats.
fn blocks(input: &InputFile, of: usize, distribution: Distribution) -> Vec<Lines> {
    let mut blocks = Vec::new();
    for mut reader in (0..of).filter_map(|index| open(input, index, of, distribution)) {
        while let Some(block) = reader.next().expect("reading") {
            assert!(block.length > 0 && block.bytes.len() >= block.length + Block::PADDING);
            assert!(
                block.bytes[block.length..block.length + Block::PADDING].iter().all(|b| *b == 0)
            );
            blocks.push(block);
        }
        assert_eq!(reader.progress().0, reader.progress().1, "all is read");
    }
    blocks
}

fn only(input: &InputFile) -> Vec<Lines> {
    blocks(input, 1, Distribution::Split)
}

fn text(block: &Lines) -> String {
    String::from_utf8_lossy(&block.bytes[..block.length]).into_owned()
}

/// Checks that each block stands where it says, and puts them together.
fn joined(blocks: &[Lines], content: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for block in blocks {
        let base = block.base as usize;
        assert_eq!(&content[base..base + block.length], &block.bytes[..block.length]);
        all.extend_from_slice(&block.bytes[..block.length]);
    }
    all
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(content).expect("compressing");
    out.finish().expect("compressing")
}

/// Lines of different lengths, more than several blocks.
fn many_lines() -> Vec<u8> {
    (0..20_000)
        .flat_map(|i| format!("{{\"n\":{i},\"x\":\"{}\"}}\n", "y".repeat(i % 61)).into_bytes())
        .collect()
}

#[test]
fn lines_are_whole_and_complete_for_any_number_of_readers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = many_lines();
    let input = write(directory.path(), "interactions.jsonl", &content);
    for of in [1, 2, 3, 7] {
        let blocks = blocks(&input, of, Distribution::Split);
        assert_eq!(joined(&blocks, &content), content);
        assert!(
            blocks.iter().all(|block| text(block).starts_with('{') && text(block).ends_with('\n'))
        );
        let partitions: std::collections::BTreeSet<u32> =
            blocks.iter().map(|block| block.partition).collect();
        assert_eq!(partitions, (0..of as u32).collect());
    }
}

#[test]
fn a_stream_is_one_partition_whoever_reads_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = many_lines();
    let input = write(directory.path(), "interactions.jsonl", &content);
    for of in [1, 3] {
        let blocks = blocks(&input, of, Distribution::Whole);
        assert_eq!(joined(&blocks, &content), content);
        assert!(blocks.iter().all(|block| block.partition == 0));
    }
    let readers = (0..3).filter_map(|index| open(&input, index, 3, Distribution::Whole));
    assert_eq!(readers.count(), 1);
}

#[test]
fn compressed_files_read_as_their_content() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = many_lines();
    let (first, second) = content.split_at(content.len() / 2);
    let members = [gzip(first), gzip(second)].concat();
    let frames =
        [first, second].map(|half| zstd::encode_all(half, 1).expect("compressing")).concat();
    for (name, bytes) in [("interactions.jsonl.gz", members), ("interactions.jsonl.zst", frames)] {
        let input = write(directory.path(), name, &bytes);
        assert_eq!(joined(&blocks(&input, 2, Distribution::Split), &content), content, "{name}");
    }
}

#[test]
fn a_broken_archive_is_an_error_that_names_file_and_position() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut bytes = gzip(&many_lines());
    bytes.truncate(bytes.len() / 2);
    let input = write(directory.path(), "interactions.jsonl.gz", &bytes);
    let mut reader = open(&input, 0, 1, Distribution::Split).expect("its only reader");
    let error = loop {
        match reader.next() {
            Ok(block) => assert!(block.is_some(), "a broken archive must not look complete"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, FileError::Read { position, .. } if *position > 0), "{error}");
    assert!(error.to_string().contains("interactions.jsonl.gz"), "{error}");
}

#[test]
fn a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut content = b"{\"a\":1}\n".to_vec();
    content.extend(vec![b'x'; 3 * BLOCK]);
    content.extend_from_slice(b"\n{\"b\":2}\n");
    let length = content.len() as u64;
    let input = write(directory.path(), "interactions.jsonl", &content);
    let blocks = only(&input);
    assert_eq!(text(&blocks[0]), "{\"a\":1}\n");
    assert_eq!(
        (blocks[1].base, blocks[1].length > LIMIT, blocks[1].length <= BLOCK),
        (8, true, true)
    );
    assert!(blocks[1].bytes[..blocks[1].length].iter().all(|b| *b == b'x'));
    assert_eq!((blocks[2].base, text(&blocks[2])), (length - 8, "{\"b\":2}\n".to_string()));
    assert_eq!(blocks.len(), 3);
}

#[test]
fn a_line_longer_than_a_block_but_within_the_limit_comes_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = [vec![b'x'; 5 * BLOCK], b"\nlast".to_vec()].concat();
    let input = write(directory.path(), "interactions.jsonl", &content);
    let mut reader = FileReader::open(
        &input,
        ReaderSeat { index: 0, of: 1 },
        Distribution::Split,
        &reading(8 * BLOCK),
    )
    .expect("opening")
    .expect("its only reader");
    let first = reader.next().expect("reading").expect("the long line");
    assert!(first.length > 5 * BLOCK && first.bytes[5 * BLOCK] == b'\n');
    let mut rest = text(&first)[5 * BLOCK + 1..].to_string();
    while let Some(block) = reader.next().expect("reading") {
        rest.push_str(&text(&block));
    }
    assert_eq!(rest, "last");
}

#[test]
fn a_long_last_line_without_end_is_cut() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let input = write(directory.path(), "interactions.jsonl", &vec![b'x'; 3 * BLOCK]);
    let blocks = only(&input);
    assert_eq!((blocks.len(), blocks[0].length), (1, BLOCK));
}

#[test]
fn csv_has_its_columns_and_whole_rows() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let header = "\u{feff}interaction_id,\"customer_id\", note\r\n";
    let rows: String = (0..30_000)
        .map(|i| format!("{i},{},\"two\nlines, \"\"quoted\"\"\"\r\n", i % 100))
        .collect();
    let content = format!("{header}{rows}");
    let input = write(directory.path(), "interactions.csv", content.as_bytes());
    let blocks = blocks(&input, 3, Distribution::Split);
    assert_eq!(joined(&blocks, content.as_bytes()), rows.as_bytes());
    for block in &blocks {
        let Format::Csv { columns, .. } = &block.format else { panic!("{:?}", block.format) };
        assert_eq!(columns[..], ["interaction_id", "customer_id", "note"]);
        assert!(text(block).ends_with("\"\r\n"));
    }
    assert_eq!(blocks[0].base, header.len() as u64);
}

#[test]
fn a_stray_quote_in_csv_costs_one_row() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let good: String = (0..2_000).map(|i| format!("{i},fine\n")).collect();
    let content = format!("op,b\n{good}1,\"stray\n{good}2,\"late\n3,x\n");
    let input = write(directory.path(), "interactions.csv", content.as_bytes());
    let blocks: Vec<String> = only(&input).iter().map(text).collect();
    assert_eq!(
        blocks,
        [
            good.clone(),
            "1,\"stray\n".to_string(),
            good,
            "2,\"late\n".to_string(),
            "3,x\n".to_string()
        ]
    );
}

#[test]
fn a_header_that_is_no_text_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for header in [&b"a,\xff\n1,2\n"[..], &[vec![b'a'; 2 * BLOCK], b"\n1\n".to_vec()].concat()] {
        let input = write(directory.path(), "interactions.csv", header);
        let error = FileReader::open(
            &input,
            ReaderSeat { index: 0, of: 1 },
            Distribution::Split,
            &reading(LIMIT),
        )
        .err()
        .expect("refused");
        assert!(matches!(error, FileError::Header { .. }), "{error}");
    }
}

#[test]
fn lines_of_csv_are_numbered_whatever_ends_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for end in ["\n", "\r\n", "\r"] {
        let rows: String = (0..60_000).map(|i| format!("x,\"{i}\"{end}")).collect();
        let content = format!("op,\"b{end}c\"{end}{rows}");
        let input = write(directory.path(), "interactions.csv", content.as_bytes());
        let blocks = only(&input);
        assert!(blocks.len() > 1);
        for block in &blocks {
            let Format::Csv { line, .. } = block.format else { panic!("{:?}", block.format) };
            let first = text(block).split('"').nth(1).and_then(|number| number.parse::<u64>().ok());
            assert_eq!(first.map(|first| first + 3), Some(line), "{end:?}");
        }
        assert_eq!(joined(&blocks, content.as_bytes()), rows.as_bytes());
    }
}

#[test]
fn files_that_are_no_utf_8_or_one_line_are_refused_by_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wide: Vec<u8> =
        "\u{feff}{\"interaction_id\":1}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, said) in [
        ("interactions.jsonl", &wide[..], "UTF-16"),
        ("interactions.csv", &wide[..], "UTF-16"),
        ("interactions.jsonl", b"{\"a\":1}\r{\"a\":2}\r", "line ends"),
        ("interactions.csv", b"interaction_id;customer_id\n1;2\n", "semicolons"),
        ("interactions.csv", b"id,kunde\n1,2\n", "kunde"),
    ] {
        let input = write(directory.path(), name, bytes);
        let error = FileReader::open(
            &input,
            ReaderSeat { index: 0, of: 1 },
            Distribution::Split,
            &reading(LIMIT),
        )
        .err()
        .expect("refused")
        .to_string();
        assert!(error.contains(said) && error.contains(name), "{error}");
    }
}

#[test]
fn empty_files_have_no_blocks() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in ["interactions.jsonl", "interactions.csv"] {
        assert_eq!(
            blocks(&write(directory.path(), name, b""), 3, Distribution::Split).len(),
            0,
            "{name}"
        );
    }
    assert_eq!(only(&write(directory.path(), "interactions.csv", b"op,b\n")).len(), 0);
}

#[test]
fn buffers_are_used_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let content = many_lines().repeat(20);
    let input = write(directory.path(), "interactions.jsonl", &content);
    let mut reader = open(&input, 0, 1, Distribution::Split).expect("its only reader");
    let mut all = Vec::new();
    let (mut blocks, mut buffers) = (0, std::collections::BTreeSet::new());
    while let Some(block) = reader.next().expect("reading") {
        all.extend_from_slice(&block.bytes[..block.length]);
        blocks += 1;
        buffers.insert(block.bytes.as_ptr() as usize);
    }
    assert_eq!(all, content);
    // Which of those that were given back comes next is the allocator's affair.
    assert!(2 * buffers.len() <= blocks, "{} buffers for {blocks} blocks", buffers.len());
}

proptest! {
    #[test]
    fn every_byte_of_any_lines_is_read_once(
        lines in prop::collection::vec("[ -~]{0,30}", 0..60),
        ended: bool,
        of in 1usize..9,
    ) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut content = lines.join("\n").into_bytes();
        if ended { content.push(b'\n'); }
        let input = write(directory.path(), "interactions.jsonl", &content);
        prop_assert_eq!(joined(&blocks(&input, of, Distribution::Split), &content), content);
    }

    #[test]
    fn every_byte_of_any_csv_is_read_once(body in "([a-z\",\n]|\r\n){0,400}") {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let content = format!("op,b\n{body}");
        let input = write(directory.path(), "interactions.csv", content.as_bytes());
        prop_assert_eq!(joined(&only(&input), content.as_bytes()), body.as_bytes());
    }
}
