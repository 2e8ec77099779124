//! The order of what Prometheus reads: the exporter has none, and a person who compares two answers
//! wants one.

use std::collections::BTreeMap;

/// Sorts families by name and, within one, the series by their labels. The buckets of a histogram
/// stay as they are: from the lowest bound up.
pub fn sorted(text: &str) -> String {
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut family = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(described) =
            line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "))
        {
            family = described.split(' ').next().unwrap_or_default();
        }
        families.entry(family).or_default().push(line);
    }
    let mut sorted = String::with_capacity(text.len());
    for lines in families.values_mut() {
        let is_histogram =
            lines.iter().any(|line| line.starts_with("# TYPE ") && line.ends_with(" histogram"));
        let series = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(lines.len());
        if !is_histogram {
            lines[series..].sort_by_key(|line| key(line));
        }
        lines.iter().for_each(|line| sorted.extend([line, "\n"]));
    }
    sorted
}

/// Names and labels as they are, but numbers by their size: partition 10 comes after partition 9.
fn key(line: &str) -> Vec<(String, u64)> {
    let labels = line.rsplit_once(' ').map_or(line, |(labels, _)| labels);
    let text = |part: &str| part.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
    labels.split('"').map(|part| (text(part), part.parse().unwrap_or(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_series_are_in_order_and_buckets_stay() {
        let text = "# HELP b_total B.\n# TYPE b_total counter\nb_total{p=\"10\"} \
            1\nb_total{p=\"9\"} 5\n\n# HELP a A.\n# TYPE a histogram\n\
                    a_bucket{le=\"5\"} 0\na_bucket{le=\"+Inf\"} 1\na_sum 9\na_count 1\n\n";
        let wanted = "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"5\"} 0\na_bucket{le=\"+Inf\"} \
            1\na_sum 9\na_count 1\n\
                      # HELP b_total B.\n# TYPE b_total counter\nb_total{p=\"9\"} \
                      5\nb_total{p=\"10\"} 1\n";
        assert_eq!(sorted(text), wanted);
        assert_eq!(sorted(wanted), wanted);
    }
}
