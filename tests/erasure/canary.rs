//! What is left of a customer whose every trace is a word: nothing, in no place.

use super::*;

/// The canary sings, is erased, and sings once more of before; the job is killed right behind the
/// commit of the erasure.
fn silence(name: &str, kept: Kept, erase: impl FnOnce(&mut Cage)) {
    let Some(mut cage) = Cage::set(name, kept) else { return };
    let job = cage.start("2");
    cage.introduce(CANARY, WORD);
    cage.introduce(5, "sparrow");
    cage.sing(CANARY, WORD, MARCH);
    cage.sing(5, "sparrow", MARCH);
    cage.await_commits();
    cage.await_mark();
    eventually("a checkpoint is there", || !cage.stage.checkpoints().is_empty());
    let (predictions, letters) = (cage.cleaned("predictions"), cage.cleaned("dead_letters"));
    let sung = |records: &BTreeMap<String, Option<String>>| {
        records.values().flatten().filter(|value| value.contains(WORD)).count()
    };
    assert_eq!((sung(&predictions), sung(&letters)), (1, 4), "{predictions:?} {letters:?}");
    let places = cage.places();
    let heard = singing(&places);
    for place in if kept == Kept::Database {
        ["table decisions", "table dead_letters", "topic predictions"]
    } else {
        ["/files/", "topic predictions", "topic dead_letters"]
    } {
        assert!(
            heard.iter().any(|heard| heard.contains(place)),
            "{place} is not searched: {heard:?}"
        );
    }

    erase(&mut cage);
    cage.sender.flush();
    cage.await_commits();
    cage.logs.push_str(&cage.stage.log());
    job.kill();
    let job = cage.start("1");
    // What comes again is dropped or blanked; what is dated later is a new customer's.
    cage.sing(CANARY, WORD, MARCH + 1);
    let later = MARCH + 900_000;
    cage.send(
        "requests",
        CANARY,
        Some(&format!(r#"{{"decision_id":"new","customer_id":{CANARY},"timestamp":{later}}}"#)),
        later,
    );
    cage.sender.flush();
    cage.await_commits();
    cage.await_mark();
    eventually("everything is done that is to be done", || {
        cage.report().iter().all(|(state, _)| state != "pending")
    });
    job.drain();
    cage.logs.push_str(&cage.stage.log());

    let (predictions, letters) = (cage.cleaned("predictions"), cage.cleaned("dead_letters"));
    let newest = predictions[&CANARY.to_string()].clone().expect("what was decided later stays");
    assert!(newest.contains(r#""decision_id":"new""#), "{newest}");
    assert_eq!(
        letters.values().filter(|value| value.is_none()).count(),
        4,
        "a tombstone each: {letters:?}"
    );
    let places = cage.places();
    assert_eq!(singing(&places), [""; 0]);
    assert_only_told(&places);
    assert_others_sing(&cage, kept, &places);
}

/// The places where the word is.
fn singing(places: &[(String, Vec<u8>)]) -> Vec<String> {
    places
        .iter()
        .filter(|(_, content)| contains(content, WORD.as_bytes()))
        .map(|(place, _)| place.clone())
        .collect()
}

/// The customer's number is only where it is told that it is, and hashes of ids are nowhere.
fn assert_only_told(places: &[(String, Vec<u8>)]) {
    let number = CANARY.to_string();
    let numbered: Vec<&String> = places
        .iter()
        .filter(|(_, content)| contains(content, number.as_bytes()))
        .map(|(place, _)| place)
        .collect();
    let told = [
        "table erasures",
        "table erased_customers",
        "kept",
        "journal.log",
        "/files/",
        "table decisions",
        "topic predictions",
    ];
    assert!(
        numbered.iter().all(|place| told.iter().any(|told| place.contains(told))),
        "{numbered:?}"
    );
    for id in ["t", "i", "r", "d", "b"].map(|id| id_hash(format!("{WORD}-{id}").as_bytes())) {
        let shown = (id as i64).to_string();
        let keeps = |content: &[u8]| {
            contains(content, &id.to_le_bytes()) || contains(content, shown.as_bytes())
        };
        // Whoever folds the files has to be told which rows went.
        let searched = places.iter().filter(|(place, _)| !place.contains("/files/"));
        let keeps: Vec<&String> =
            searched.filter(|(_, content)| keeps(content)).map(|(place, _)| place).collect();
        assert_eq!(keeps, [""; 0], "an id's hash");
    }
}

/// Whoever was not erased is still there.
fn assert_others_sing(cage: &Cage, kept: Kept, places: &[(String, Vec<u8>)]) {
    let sparrow = |place: &str| {
        places.iter().any(|(of, content)| of.contains(place) && contains(content, b"sparrow"))
    };
    assert!(sparrow("topic predictions") && sparrow("topic dead_letters"));
    if kept == Kept::Database {
        assert!(sparrow("table decisions") && sparrow("table dead_letters"));
        cage.stage.sluice(&["verify", cage.stage.config().to_str().expect("UTF-8")]);
    }
}

#[test]
fn a_canary_is_in_no_table_topic_checkpoint_or_log_once_it_is_erased() {
    // A null profile, dated as its record is.
    silence("silenced", Kept::Database, |cage| {
        cage.send("customers", CANARY, None, MARCH + 600_000)
    });
}

#[test]
fn a_canary_is_in_no_file_either() {
    let until = MARCH + 600_000;
    let erase = format!(r#"{{"op":"erase","customer_id":{CANARY},"timestamp":{until}}}"#);
    silence("silenced_files", Kept::Files, move |cage| {
        cage.send("customers", CANARY, Some(&erase), until)
    });
}
