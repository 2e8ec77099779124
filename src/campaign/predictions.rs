//! Decisions as the notices of the campaign: what is published of one, and what it is read back
//! from.

use super::rows::CampaignWording;
use crate::sink::notices::{Notice, NoticeForm, NoticeTable, NoticeText, Notices};
use crate::table::cells::Cells;
use crate::table::encode::storable;
use dataflows::campaign::output::Decision;
use dataflows::campaign::tables::name;
use dataflows::event::{CustomerId, Millis};
use serde_json::json;
use std::borrow::Cow;

/// Where decisions lie.
static DECISIONS: NoticeTable = NoticeTable {
    name: name::DECISIONS,
    customer: "customer_id",
    instant: "ts",
    number: "decision_key",
    columns: &[
        "customer_id",
        "decision_key",
        "decision_id",
        "ts",
        "arm",
        "propensity",
        "expected_reward",
        "uncertainty",
        "scores",
        "model_version",
        "context",
        "policy",
    ],
};

impl Notice for Decision {
    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn timestamp(&self) -> Millis {
        self.timestamp
    }

    fn number(&self) -> u64 {
        self.key
    }

    fn bytes(&self) -> usize {
        let numbers = self.scores.len() + self.propensities.len();
        let reasons = size_of::<Cow<'static, str>>() * self.reasons.len();
        size_of::<Decision>() + self.decision.len() + 8 * numbers + reasons + 2 * self.context.len()
    }
}

impl NoticeForm for CampaignWording {
    fn noun(&self) -> &'static str {
        "decision"
    }

    fn table(&self) -> &'static NoticeTable {
        &DECISIONS
    }

    fn read(&self, row: &dyn Cells, notices: &mut Notices) {
        notices.push(Decision {
            customer: row.bigint(0),
            key: row.bigint(1) as u64,
            decision: row.text(2),
            timestamp: row.timestamp(3),
            arm: row.optional_smallint(4).map(|arm| arm as u16),
            propensity: row.float8(5),
            expected_reward: row.float8(6),
            uncertainty: row.float8(7),
            scores: row.float8s(8),
            model_version: row.bigint(9) as u64,
            context: row.smallints(10),
            policy: Cow::Owned(row.text(11)),
            // What is published says nothing of the rest.
            ..Decision::default()
        });
    }

    fn parse(&self, text: &NoticeText, notices: &mut Notices) -> Result<(), String> {
        let decision: Decision =
            serde_json::from_str(text.get()).map_err(|error| error.to_string())?;
        notices.push(decision);
        Ok(())
    }

    fn word(&self, notices: &Notices, tell: &mut dyn FnMut(CustomerId, Millis, Vec<u8>)) {
        for decision in notices.all::<Decision>() {
            tell(decision.customer, decision.timestamp, prediction(decision, &self.arms));
        }
    }
}

/// The key of it is the customer, so that whoever reads them has one customer's decisions in order;
/// which decision it is, the value says. A text is as the table holds it.
fn prediction(decision: &Decision, arms: &[String]) -> Vec<u8> {
    let value = json!({
        "decision_id": storable(decision.decision.as_bytes()),
        "customer_id": decision.customer,
        "timestamp": decision.timestamp,
        "action": decision.arm,
        "campaign_name": decision.arm.and_then(|arm| arms.get(usize::from(arm))),
        "propensity": decision.propensity,
        "expected_reward": decision.expected_reward,
        "uncertainty": decision.uncertainty,
        "scores": decision.scores,
        "model_version": decision.model_version,
        "policy": decision.policy,
    });
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn decision() -> Decision {
        Decision {
            customer: -17,
            key: 99,
            decision: "d\0\"1".to_string(),
            timestamp: 5,
            arm: Some(1),
            propensity: 0.5,
            expected_reward: 0.1 + 0.2,
            uncertainty: 1.0,
            scores: vec![0.25],
            model_version: 3,
            policy: "greedy".into(),
            context: vec![1],
            ..Decision::default()
        }
    }

    #[test]
    fn a_prediction_says_all_that_explains_a_decision() {
        let arms = ["Email".to_string(), "SMS".to_string()];
        let wording = CampaignWording { arms: arms.to_vec(), ..CampaignWording::default() };
        let mut told = Vec::new();
        wording.word(&Notices::of(vec![decision()]), &mut |customer, timestamp, value| {
            let value: Value = serde_json::from_slice(&value).expect("JSON");
            told.push((customer, timestamp, value));
        });
        let wanted = json!({
            "decision_id": "d\u{FFFD}\"1", "customer_id": -17, "timestamp": 5, "action": 1,
            "campaign_name": "SMS", "propensity": 0.5, "expected_reward": 0.1 + 0.2,
            "uncertainty": 1.0, "scores": [0.25], "model_version": 3, "policy": "greedy",
        });
        assert_eq!(told, [(-17, 5, wanted)]);
    }

    #[test]
    fn a_prediction_has_the_bytes_that_it_always_had() {
        let text = String::from_utf8(prediction(&decision(), &[])).expect("a text");
        let wanted = "{\"action\":1,\"campaign_name\":null,\"customer_id\":-17,\"decision_id\":\
            \"d\u{FFFD}\\\"1\",\"expected_reward\":0.30000000000000004,\"model_version\":3,\
            \"policy\":\"greedy\",\"propensity\":0.5,\"scores\":[0.25],\"timestamp\":5,\
            \"uncertainty\":1.0}";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_decision_that_was_kept_as_text_reads_back_and_an_older_one_too() {
        let (form, made) = (CampaignWording::default(), decision());
        let text = NoticeText::of(&made);
        assert!(text.is_erased(&[(3, 9), (-17, 5)]) && !text.is_erased(&[(-17, 4), (17, 5)]));
        let mut read = Notices::default();
        form.parse(&text, &mut read).expect("a decision");
        let older = "{\"customer\":1,\"key\":2,\"decision\":\"d\",\"timestamp\":3,\"arm\":null,\
            \"propensity\":1.0,\"expected_reward\":0.0,\"uncertainty\":0.0,\"scores\":[],\
            \"model_version\":0,\"context\":[]}";
        let older: NoticeText = serde_json::from_str(older).expect("a text");
        form.parse(&older, &mut read).expect("a decision of before there were policies to name");
        let (customer, key, decision, timestamp) = (1, 2, "d".to_string(), 3);
        let of_before =
            Decision { customer, key, decision, timestamp, propensity: 1.0, ..Decision::default() };
        assert_eq!(read.all::<Decision>(), [made, of_before]);
        let broken: NoticeText = serde_json::from_str("{\"customer\":1}").expect("a text");
        assert!(form.parse(&broken, &mut read).is_err_and(|why| why.contains("missing field")));
    }
}
