//! What the lines of a hostile history say.

use super::writer::{OCCASIONAL, Subject, Writer, Written};
use super::*;

impl Writer {
    pub(super) fn fact(
        &mut self,
        subject: Subject,
        customer: i64,
        id: &str,
        timestamp: i64,
    ) -> Written {
        match subject {
            Subject::Transaction => Written {
                customer,
                id: id.to_owned(),
                timestamp,
                fact: self.purchase(customer, id, timestamp),
            },
            Subject::Interaction => Written {
                customer,
                id: id.to_owned(),
                timestamp,
                fact: self.contact(customer, id, timestamp),
            },
            Subject::Reward => self.reward(customer, id, timestamp),
            Subject::Customer => {
                Written { customer, id: String::new(), timestamp, fact: self.profile(customer) }
            }
        }
    }

    pub(super) fn purchase(&mut self, customer: i64, id: &str, timestamp: i64) -> Fact {
        let dice = &mut self.dice;
        let category = dice.pick(&[
            "Electronics",
            "Fashion",
            "Groceries",
            "Travel",
            "Gift, Cards",
            "Toys",
            "",
        ]);
        let device = dice.pick(&["Mobile", "Desktop", "Tablet", "Watch", ""]);
        let payment = dice.pick(&["Credit Card", "Debit Card", "E-wallet", "Cash", ""]);
        let digits = dice.below(24);
        let minor = match dice.below(100) {
            // Few different amounts, so that totals tie.
            0..65 => dice.pick(&[1_000, 2_550, 9_999, 10_000, 250_000, 0, 1, 2]),
            65..67 => 1_000_000_000_000,
            _ => dice.below(1 << digits) as i64,
        };
        let minor =
            if (OCCASIONAL..i64::MAX).contains(&customer) { self.occasional } else { minor };
        vec![
            ("transaction_id", Meaning::Id(id.to_owned())),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("amount", Meaning::Minor(minor)),
            ("category", Meaning::Listed(category.to_owned())),
            ("device", Meaning::Listed(device.to_owned())),
            ("payment_method", Meaning::Listed(payment.to_owned())),
            (
                "discount_used",
                if dice.chance(30) { Meaning::Absent } else { Meaning::Flag(dice.chance(50)) },
            ),
        ]
    }

    pub(super) fn contact(&mut self, customer: i64, id: &str, timestamp: i64) -> Fact {
        let dice = &mut self.dice;
        let arm = dice.below(4) as usize;
        let reward = if dice.chance(45) {
            Meaning::Absent
        } else {
            Meaning::Number(dice.pick(spelling::REWARDS))
        };
        let propensity = if dice.chance(50) {
            Meaning::Absent
        } else {
            Meaning::Number(dice.pick(&["1", "0.25", "5e-1", "0.000001"]))
        };
        let template =
            if dice.chance(80) { Meaning::Absent } else { Meaning::Id("summer".to_owned()) };
        vec![
            ("interaction_id", Meaning::Id(id.to_owned())),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("action", Meaning::Arm(arm)),
            ("reward", reward),
            ("propensity", propensity),
            ("template_id", template),
        ]
    }

    /// A delayed reward, mostly of an interaction that is known, at and around the edges of its
    /// window.
    pub(super) fn reward(&mut self, customer: i64, id: &str, timestamp: i64) -> Written {
        let contacts = self.written[Subject::Interaction as usize].len() as u64;
        let (customer, interaction, timestamp) = if contacts > 0 && self.dice.chance(90) {
            let contact = self.written[Subject::Interaction as usize]
                [self.dice.below(contacts) as usize]
                .clone();
            let within = self.dice.below(WINDOW as u64) as i64;
            let after = self.dice.pick(&[
                0,
                0,
                1,
                -1,
                WINDOW - 1,
                WINDOW - 1,
                WINDOW,
                WINDOW,
                WINDOW + 1,
                within,
                within,
            ]);
            (contact.customer, contact.id, (contact.timestamp + after).max(0))
        } else {
            (customer, id.to_owned(), timestamp)
        };
        let own = self.dice.pick(&["", "", "r-1", "r-2", "12", interaction.as_str()]);
        let id = if own.is_empty() { interaction.clone() } else { own.to_owned() };
        let fact = vec![
            (
                "reward_id",
                if own.is_empty() { Meaning::Absent } else { Meaning::Id(own.to_owned()) },
            ),
            ("interaction_id", Meaning::Id(interaction)),
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", Meaning::Instant(timestamp)),
            ("reward", Meaning::Number(self.dice.pick(spelling::REWARDS))),
        ];
        Written { customer, id, timestamp, fact }
    }

    pub(super) fn profile(&mut self, customer: i64) -> Fact {
        let from = if self.dice.chance(40) {
            Meaning::Empty
        } else {
            Meaning::Instant(self.instant_near(customer))
        };
        let signup = (17_000 + self.dice.below(3_500) as i64) * DAY;
        let dice = &mut self.dice;
        let mut or_empty =
            |meaning: Meaning| if dice.chance(25) { Meaning::Empty } else { meaning };
        let mut fact = vec![
            ("customer_id", Meaning::Integer(customer)),
            ("timestamp", from),
            ("signup_date", or_empty(Meaning::Date(signup))),
            ("city", or_empty(Meaning::Text("Lübeck, Altstadt".to_owned()))),
            ("age", or_empty(Meaning::Number("44"))),
            ("is_premium_member", or_empty(Meaning::Flag(true))),
            ("preferred_device", or_empty(Meaning::Text("Mobile".to_owned()))),
            ("last_login_days", or_empty(Meaning::Number("3"))),
        ];
        let shares = ["0", "1", "0.5", "0.35", "2.5e-1", "0.0001220703125"];
        fact.push((
            "email_open_rate",
            if dice.chance(25) { Meaning::Empty } else { Meaning::Number(dice.pick(&shares)) },
        ));
        fact.push((
            "avg_discount_used",
            if dice.chance(25) { Meaning::Empty } else { Meaning::Number(dice.pick(&shares)) },
        ));
        fact.push((
            "complaint_count",
            if dice.chance(25) {
                Meaning::Empty
            } else {
                Meaning::Number(dice.pick(&["0", "1", "7", "250"]))
            },
        ));
        fact
    }
}
