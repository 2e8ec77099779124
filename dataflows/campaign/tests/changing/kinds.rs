//! What of the settings may change, by name.

use super::*;

/// What may change, by name.
pub(super) type Kind = (&'static str, fn(&mut Settings));

pub(super) const KINDS: [Kind; 23] = [
    ("an arm comes", |to| to.input.arms.push("Letter".to_string())),
    ("terms change their places", |to| to.customer.context.reverse()),
    ("a term comes", |to| terms(to, |terms| terms.push(term("frequency", Transform::Log(4.0))))),
    ("a term goes", |to| terms(to, |terms| drop(terms.remove(2)))),
    ("the threshold no longer enters", |to| {
        terms(to, |terms| terms.retain(|term| term.feature != "is_high_value"))
    }),
    ("a transform is another", |to| {
        terms(to, |terms| terms[2].transform = Transform::Scale(500.0))
    }),
    ("limits are others", |to| {
        let customer = &mut to.customer;
        (customer.at_risk_days, customer.frequent_purchases, customer.recent_days) = (3.5, 4, 2.0);
    }),
    ("other months are holidays", |to| to.customer.holiday_months = 1 << 1),
    ("high value is fixed", |to| to.customer.high_value = HighValue::Fixed(70_000)),
    ("high value is another percentile", |to| to.customer.high_value = HighValue::Percentile(40)),
    ("the window is shorter", |to| to.time.attribution_window = DAY),
    ("the window is longer", |to| to.time.attribution_window = 9 * DAY),
    ("less may be late", |to| to.time.lateness = DAY / 12),
    ("more may be late", |to| to.time.lateness = 4 * DAY),
    ("no response counts", |to| to.time.no_response_reward = -(1 << 15)),
    ("own features are used", |to| (to.input.own_features, to.bandit.own_features) = (true, true)),
    ("models decide later", |to| to.bandit.model_lag = 3),
    ("lists have another order", |to| {
        to.input.categories.reverse();
        to.input.devices.rotate_left(1);
    }),
    ("a category goes", |to| to.input.categories.retain(|category| category != "books")),
    ("a category comes", |to| to.input.categories.insert(1, "Games".to_string())),
    ("devices come", |to| {
        to.input.devices.extend(["Watch", "été"].map(str::to_string));
        terms(to, |terms| terms.push(term("watch_pct", Transform::Identity)));
    }),
    ("some names come and others go", |to| {
        (to.input.categories, to.input.devices) =
            (list(["toys", "TRAVEL", "Games"]), list(["watch", "Mobile"]));
        to.input.payments[1] = "Gold".to_string();
    }),
    ("a list becomes one of very many", |to| {
        to.input.payments.extend(
            (0..Code::LONGEST).map(|number| format!("card {number}")).chain(["Gold".to_string()]),
        )
    }),
];

pub(super) fn term(feature: &str, transform: Transform) -> Term {
    Term { feature: feature.to_string(), transform }
}

pub(super) fn terms(settings: &mut Settings, change: impl FnOnce(&mut Vec<Term>)) {
    change(&mut settings.customer.context);
    settings.input.dimension = settings.customer.context.len();
}

pub(super) fn list<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_string).to_vec()
}
