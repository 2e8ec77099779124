//! What is left of older files after an erasure.

use super::*;
use dataflows::campaign::tables::tables;
use dataflows::event::Rejected;

fn declared() -> Vec<Arc<Table>> {
    tables(&["monetary".to_string()], 2).into_iter().map(Arc::new).collect()
}

/// What is left of older files, newest first, after an epoch with these lines.
fn rest(
    customers: &[(CustomerId, Millis)],
    own: &[&str],
    older: &[&[&str]],
) -> Vec<Option<Vec<String>>> {
    let mut erased = Erased::new(declared(), 9, customers);
    erased.stand(own.join("\n").as_bytes()).expect("lines");
    let rest = |lines: &&[&str]| {
        let rest = erased.rest_of((lines.join("\n") + "\n").as_bytes()).expect("lines")?;
        Some(String::from_utf8(rest).expect("UTF-8").lines().map(str::to_string).collect())
    };
    older.iter().map(rest).collect()
}

fn erasure(learned: u64) -> String {
    format!(
        "{{\"table\":\"erasures\",\"change\":\"insert\",\"epoch\":9,\"customer_id\":5,\
        \"instant\":\"infinity\",\"learned\":{learned}}}"
    )
}

fn interaction(customer: i64, key: i64, ts: &str) -> String {
    format!(
        "{{\"table\":\"interactions\",\"change\":\"insert\",\"customer_id\":{customer},\
        \"interaction_key\":{key},\"ts\":\"{ts}\",\"context\":[1,2]}}"
    )
}

fn features(customer: i64, change: &str) -> String {
    format!(
        "{{\"table\":\"customer_features\",\"change\":\"{change}\",\"customer_id\":{customer},\
        \"monetary\":1.5}}"
    )
}

fn model(version: u64, arm: u64) -> String {
    format!(
        "{{\"table\":\"model_versions\",\"change\":\"insert\",\"version\":{version},\"arm\":{arm},\
        \"n\":1,\"a\":\"AA==\",\"b\":\"AQ==\",\"theta\":[0.1]}}"
    )
}

const FOR_EVER: [(CustomerId, Millis); 1] = [(5, Millis::MAX)];
/// The second instant, in milliseconds.
const UNTIL: Millis = 1_709_337_600_000;
const FIRST: &str = "2024-03-01T00:00:00Z";
const SECOND: &str = "2024-03-02T00:00:00Z";
const THIRD: &str = "2024-03-03T00:00:00Z";

#[test]
fn of_a_customer_who_is_erased_for_ever_nothing_stays() {
    let decision = concat!(
        r#"{"table":"decisions","change":"insert","decision_id":"\"customer_id\":6,","#,
        r#""customer_id":5,"ts":"2024-03-01T00:00:00Z"}"#
    );
    let gone = r#"{"table":"interactions","change":"delete","customer_id":5,"interaction_key":7}"#;
    let report = erasure(0);
    let (other, third) = (features(55, "insert"), interaction(6, 1, FIRST));
    let (features, first) = (features(5, "insert"), interaction(5, 1, FIRST));
    let older: &[&str] = &[decision, &other, gone, &features, &first, &third, &report];
    let left = rest(&FOR_EVER, &[&report], &[older, &[&other]]);
    assert_eq!(left, [Some(vec![other.clone(), third, report]), None]);
}

#[test]
fn of_what_is_dated_later_the_newest_line_stays_and_older_ones_lose_what_is_of_before() {
    let own = [interaction(5, 3, THIRD), features(5, "update")];
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let older = [
        interaction(5, 1, SECOND),
        interaction(5, 2, THIRD),
        interaction(5, 3, THIRD),
        features(5, "insert"),
    ];
    let older: Vec<&str> = older.iter().map(String::as_str).collect();
    let oldest = interaction(5, 2, THIRD);
    let emptied = |key| interaction(5, key, THIRD).replace("[1,2]", "null");
    let left = rest(&[(5, UNTIL), (5, 0)], &own, &[&older, &[&oldest]]);
    assert_eq!(left, [Some(vec![interaction(5, 2, THIRD), emptied(3)]), Some(vec![emptied(2)])]);
    let untouched = rest(&[(5, 0)], &[], &[&[&features(5, "insert")], &[&features(5, "insert")]]);
    assert_eq!(untouched, [None, Some(Vec::new())], "what nothing was taken from stands");
}

#[test]
fn of_an_interaction_that_was_moved_the_id_stays_as_long_as_it_stands() {
    let named = |ts| interaction(5, 1, ts).replace(r#""ts""#, r#""interaction_id":"a","ts""#);
    let moved = interaction(5, 1, THIRD).replace("insert", "update");
    let id = "{\"table\":\"interactions\",\"change\":\"insert\",\"customer_id\":5,\
        \"interaction_key\":1,\"interaction_id\":\"a\"}";
    assert_eq!(
        rest(&[(5, UNTIL)], &[], &[&[&moved], &[&named(FIRST)]]),
        [None, Some(vec![id.to_string()])]
    );
    assert_eq!(rest(&[(5, UNTIL)], &[], &[&[&moved], &[id]]), [None, None], "erased once more");
    let gone = r#"{"table":"interactions","change":"delete","customer_id":5,"interaction_key":1}"#;
    let later = instant(&Value::from_iter([("ts", THIRD)]), "ts").expect("an instant");
    assert_eq!(rest(&[(5, later)], &[gone], &[&[&moved], &[id]]), [Some(vec![]), Some(vec![])]);
    let back = interaction(5, 1, FIRST).replace("insert", "update");
    assert_eq!(
        rest(&[(5, UNTIL)], &[gone], &[&[&back], &[&named(THIRD)]]),
        [Some(vec![]), Some(vec![])],
        "moved back, and so erased"
    );
}

#[test]
fn dead_letters_that_are_dated_up_to_the_instant_are_blanked() {
    let letter = |raw: &str, detail: &str, customer: &str, dated: &str, blanked: &str| {
        format!(
            "{{\"table\":\"dead_letters\",\"change\":\"insert\",\"topic\":\"rewards\",\
            \"partition\":2,\"position\":5,\"reason\":\"bad_reward\",\"detail\":\"{detail}\",\
            \"raw\":\"{raw}\",\"epoch\":3,\"customer_id\":{customer},\"dated\":{dated},\
            \"blanked\":{blanked}}}"
        )
    };
    let dated = |instant: &str| letter("eA==", "x", "5", &format!("\"{instant}\""), "null");
    let (blank, kept) = (letter("", Rejected::BLANKED, "null", "null", "9"), dated(THIRD));
    let other = letter("eA==", "\\\"customer_id\\\":5,", "6", "\"-infinity\"", "null");
    let nobody = letter("eA==", "x", "null", "null", "null");
    let older: &[&str] = &[&dated("-infinity"), &dated(SECOND), &kept, &other, &nobody];
    let found = Erased::new(declared(), 9, &[(5, UNTIL)])
        .letters(older.join("\n").as_bytes())
        .expect("lines");
    assert_eq!(found, vec![("rewards".to_string(), Place::new(2, 5)); 2]);
    assert_eq!(
        rest(&[(5, UNTIL)], &[], &[older]),
        [Some(vec![blank.clone(), blank, kept, other, nobody])]
    );
}

#[test]
fn dead_letters_of_before_lines_said_whose_they_are_are_known_by_their_bytes() {
    let letter = |raw: &str, detail: &str| {
        format!(
            "{{\"table\":\"dead_letters\",\"change\":\"insert\",\"topic\":\"rewards\",\
            \"partition\":2,\"position\":5,\"reason\":\"bad_reward\",\"detail\":\"{detail}\",\
            \"raw\":\"{}\",\"epoch\":3}}",
            BASE64_STANDARD.encode(raw)
        )
    };
    let [own, other, nobody] =
        [r#"{"customer_id": "5", "x": 1}"#, r#"{"customer_id": 6, "x": 1}"#, "x"]
            .map(|raw| letter(raw, "x is no reward"));
    let older: &[&str] = &[&own, &other, &nobody];
    let found = Erased::new(declared(), 9, &[(5, UNTIL)])
        .letters(older.join("\n").as_bytes())
        .expect("lines");
    assert_eq!(found, [("rewards".to_string(), Place::new(2, 5))]);
    let blank = letter("", Rejected::BLANKED);
    assert_eq!(
        rest(&[(5, UNTIL)], &[], &[older]),
        [Some(vec![blank.clone(), other.clone(), nobody.clone()])]
    );
    assert_eq!(rest(&[(5, UNTIL)], &[], &[&[&blank, &other, &nobody]]), [None], "erased once more");
}

#[test]
fn sums_that_had_learned_from_the_customer_go_from_all_but_the_newest_model_of_each_arm() {
    let older = [model(3, 0), model(3, 1)];
    let older: Vec<&str> = older.iter().map(String::as_str).collect();
    let oldest = model(2, 1);
    let emptied =
        |version, arm| model(version, arm).replace(r#""AA==","b":"AQ==""#, r#"null,"b":null"#);
    let left = rest(&FOR_EVER, &[&erasure(2), &model(4, 0)], &[&older, &[&oldest]]);
    assert_eq!(left, [Some(vec![emptied(3, 0), model(3, 1)]), Some(vec![emptied(2, 1)])]);
    assert_eq!(rest(&FOR_EVER, &[&erasure(0), &model(4, 0)], &[&older]), [None]);
}

#[test]
fn a_line_that_was_changed_is_named() {
    let mut erased = Erased::new(declared(), 9, &[(5, UNTIL)]);
    assert!(
        erased
            .stand(br#"{"table":"erasures","learned":"5"}"#)
            .is_err_and(|why| why.contains("learned"))
    );
    assert!(
        erased
            .rest_of(br#"{"table":"decisions","customer_id":5,"ts":"soon"}"#)
            .is_err_and(|why| why.contains("ts"))
    );
    assert!(erased.rest_of(b"\xff").is_err());
}
