//! Tests of the frames: what is sent arrives, and nothing else does.

use super::*;
use std::net::TcpListener;
use std::thread::scope;

const KEY: AuthenticationCode = [7; 32];
/// With a key and without one.
const BOTH: [Option<&AuthenticationCode>; 2] = [Some(&KEY), None];

/// The frames of these texts, one after the other.
fn sealed(key: Option<&AuthenticationCode>, texts: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut sealing = Sealing::new(key).expect("a cipher");
    texts.iter().map(|text| sealing.seal(text).expect("sealed").to_vec()).collect()
}

/// The text of these bytes, read into buffers of this size, and how it ended.
fn opened(
    key: Option<&AuthenticationCode>,
    mut bytes: &[u8],
    size: usize,
) -> (Vec<u8>, io::Result<()>) {
    let mut opening = Opening::new(key).expect("a cipher");
    let (mut text, mut buffer) = (Vec::new(), vec![0; size]);
    loop {
        match opening.read(&mut bytes, &mut buffer) {
            Ok(0) => return (text, Ok(())),
            Ok(read) => text.extend_from_slice(&buffer[..read]),
            Err(error) => return (text, Err(error)),
        }
    }
}

#[test]
fn what_is_written_is_read_on_the_other_side() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let one = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let other = listener.accept().expect("a connection").0;
    let mut one = Framed::new(one, 1, Some(&Keys { sending: KEY, receiving: [8; 32] }))
        .expect("a connection");
    let mut other = Framed::new(other, 0, Some(&Keys { sending: [8; 32], receiving: KEY }))
        .expect("a connection");
    // As timely does: one clone writes and one reads.
    let mut one_reads = one.try_clone().expect("a clone");
    let text: Vec<u8> = (0..3 * TEXT + 5).map(|byte| (byte % 251) as u8).collect();
    scope(|scope| {
        scope.spawn(|| {
            for piece in [&text[..1], &text[1..TEXT + 1], &text[TEXT + 1..]] {
                one.write_all(piece).expect("written");
            }
            one.shutdown(Shutdown::Write).expect("ended");
        });
        let mut read = Vec::new();
        other.read_to_end(&mut read).expect("read");
        assert!(read == text);
        other.write_all(b"and back").expect("written");
        other.shutdown(Shutdown::Write).expect("ended");
        let mut back = String::new();
        one_reads.read_to_string(&mut back).expect("read");
        assert_eq!(back, "and back");
    });
}

#[test]
fn buffers_of_any_size_get_the_same_text() {
    let texts: [&[u8]; 3] = [b"a", &[5; TEXT], b"the end"];
    for (key, size) in
        BOTH.into_iter().flat_map(|key| [1, 7, TEXT - 1, TEXT, 3 * TEXT].map(|size| (key, size)))
    {
        let (text, end) = opened(key, &sealed(key, &texts).concat(), size);
        assert!(text == texts.concat() && end.is_ok(), "{size}: {end:?}");
    }
}

#[test]
fn no_byte_can_be_changed() {
    for key in BOTH {
        let bytes = sealed(key, &[b"sixteen cents"]).concat();
        for (at, size) in (0..bytes.len()).flat_map(|at| [(at, 1), (at, 100)]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let (text, end) = opened(key, &changed, size);
            assert!(text.is_empty() && end.is_err(), "byte {at}: {text:?}");
        }
    }
}

#[test]
fn no_frame_can_be_left_out_repeated_exchanged_or_cut() {
    for key in BOTH {
        let frames = sealed(key, &[b"one", b"two", b"three"]);
        let [one, two, three] = [&frames[0], &frames[1], &frames[2]].map(Vec::as_slice);
        for (what, bytes, whole) in [
            ("left out", [one, three].concat(), "one"),
            ("repeated", [one, one].concat(), "one"),
            ("exchanged", [two, one].concat(), ""),
            ("cut", [one, &two[..two.len() - 1]].concat(), "one"),
            ("cut in its length", [one, &two[..3]].concat(), "one"),
        ] {
            let (text, end) = opened(key, &bytes, 100);
            assert!(text == whole.as_bytes() && end.is_err(), "{what}: {text:?}");
        }
    }
}

#[test]
fn with_a_key_nothing_can_be_read() {
    let bytes = sealed(Some(&KEY), &[b"sixteen cents"]).concat();
    assert!(bytes.windows(5).all(|window| window != b"cents"));
    let (text, end) = opened(Some(&[9; 32]), &bytes, 100);
    assert!(text.is_empty() && end.is_err());
}

#[test]
fn a_length_that_no_frame_has_is_refused_before_its_bytes_come() {
    for length in [0, TEXT as u32 + 1, u32::MAX] {
        let (text, end) = opened(None, &length.to_be_bytes(), 100);
        assert_eq!(
            (text.len(), end.expect_err("refused").kind()),
            (0, ErrorKind::InvalidData),
            "{length}"
        );
    }
}
