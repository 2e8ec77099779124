//! Terms of the context vector as the configuration writes them: "recency: cap 365".

use dataflows::settings::{Term, Transform};
use toml::Value;

/// What a term may look like.
pub const ALLOWED: &str = "a term such as \"weekend_shopper_pct\", \"monetary: scale 100\", \
    \"recency: cap 365\" or \"frequency: log 4\"";

/// Reads a term: a feature, or a feature, a colon and one of `scale S`, `cap C`, `log S` with a
/// positive number.
pub fn parse_term(text: &str) -> Option<Term> {
    let (feature, transform) = match text.split_once(':') {
        None => (text.trim(), Transform::Identity),
        Some((feature, transform)) => (feature.trim(), parse_transform(transform)?),
    };
    let is_name = !feature.is_empty() && feature.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then(|| Term { feature: feature.to_string(), transform })
}

/// The features that a list of terms names, whatever is to be done to them: so that what is wrong
/// with a name is found beside what is wrong with the rest.
pub fn named(terms: &Value) -> Vec<Term> {
    let texts = terms.as_array().into_iter().flatten().filter_map(Value::as_str);
    let name = |text: &str| text.split_once(':').map_or(text, |(name, _)| name).trim().to_string();
    texts.map(|text| Term { feature: name(text), transform: Transform::Identity }).collect()
}

fn parse_transform(text: &str) -> Option<Transform> {
    let (word, number) = text.trim().split_once(char::is_whitespace)?;
    let number: f64 = number.trim().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0)?;
    match word {
        "scale" => Some(Transform::Scale(number)),
        "cap" => Some(Transform::Cap(number)),
        "log" => Some(Transform::Log(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transform_has_a_word() {
        let cases = [
            ("weekend_shopper_pct", "weekend_shopper_pct", Transform::Identity),
            ("monetary: scale 100", "monetary", Transform::Scale(100.0)),
            ("recency:cap 365", "recency", Transform::Cap(365.0)),
            (" frequency : log  4.5 ", "frequency", Transform::Log(4.5)),
        ];
        for (text, feature, transform) in cases {
            assert_eq!(
                parse_term(text),
                Some(Term { feature: feature.to_string(), transform }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_term_is_refused() {
        for text in [
            "",
            ":",
            "recency:",
            "recency: cap",
            "recency: cap 0",
            "recency: cap -1",
            "recency: cap inf",
            "recency: root 2",
            "two words",
        ] {
            assert_eq!(parse_term(text), None, "{text}");
        }
    }
}
