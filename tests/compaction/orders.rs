//! Orders to erase that a compacted topic forgets.

use super::*;

/// A customer of whom everything is gone, the order to erase it too.
const ERASED: i64 = 17;

/// Erases a customer, has the cleaner remove the order, and makes everything anew from the topics.
fn forgotten_orders(name: &str, journal: bool) -> Option<()> {
    let mut scene = Scene::set(name, true, journal, "1h", true)?;
    let partition = (ERASED % i64::from(PARTITIONS)) as i32;
    let job = scene.stage.start_with_log(&[]);
    let before = scene.ends()[partition as usize];
    erase(&mut scene);
    let mut jobs = [job];
    scene.settle(&mut jobs);
    let gone: Vec<i64> = (before..before + 2).collect();
    until_gone(&scene.stage.brokers, &scene.stage.topic("customers"), partition, &gone);
    scene.settle(&mut jobs);
    await_learned(&scene);
    jobs.into_iter().for_each(Job::drain);
    let (digest, _) = scene.last_epoch().expect("an epoch");
    for _ in 0..2 {
        let mut jobs = [scene.stage.start_with_log(&["--rebuild"])];
        eventually("everything is made anew", || {
            scene.stage.log().contains("Everything is made anew")
        });
        scene.settle(&mut jobs);
        await_learned(&scene);
        if !journal {
            await_erased(&scene.stage);
        }
        eventually("the model is the same", || {
            scene.last_epoch().is_some_and(|(now, _)| now == digest)
        });
        jobs.into_iter().for_each(Job::kill);
        let mut jobs = [scene.stage.start_with_log(&[])];
        eventually("the job repeats", || scene.stage.log().contains("The job begins to read."));
        scene.settle(&mut jobs);
        jobs.into_iter().for_each(Job::drain);
        assert_eq!(scene.last_epoch().expect("an epoch").0, digest);
        if !journal {
            let (ok, said) = verified(&scene.stage);
            assert!(ok, "{said}");
        }
    }
    Some(())
}

/// Sends records of the customer, and the order to erase it.
fn erase(scene: &mut Scene) {
    let of_erased = |fields: Value| {
        let mut value = fields;
        value["customer_id"] = ERASED.into();
        value["timestamp"] = BEGIN.into();
        Some(value)
    };
    let purchase = of_erased(json!({"transaction_id": "t", "amount": 10}));
    scene.send("transactions", ERASED, purchase, BEGIN);
    let contact = of_erased(json!({"interaction_id": "i", "action": 1, "reward": 3}));
    scene.send("interactions", ERASED, contact, BEGIN);
    scene.send("customers", ERASED, of_erased(json!({"email_open_rate": 0.5})), BEGIN);
    scene.send("customers", ERASED, None, BEGIN + MINUTE);
    scene.events(2);
    scene.sender.flush();
}

/// Waits until the others' contacts are learned.
fn await_learned(scene: &Scene) {
    let orders = CUSTOMERS.end - CUSTOMERS.start;
    if !scene.journal {
        scene.stage.wait_for("SELECT count(*) FROM sluice.interactions WHERE learned", orders);
    }
}

/// Waits until nothing of the customer is left but the report, from the first record on.
fn await_erased(stage: &Stage) {
    for table in ["customer_features", "interactions"] {
        stage.wait_for(
            &format!("SELECT count(*) FROM sluice.{table} WHERE customer_id = {ERASED}"),
            0,
        );
    }
    let first = format!("SELECT min(epoch) FROM sluice.erasures WHERE customer_id = {ERASED}");
    stage.wait_for(&first, 1);
}

#[test]
fn erased_customers_stay_erased_though_the_topics_forget_it() {
    forgotten_orders("erased", false);
}

#[test]
fn so_they_do_without_a_database() {
    forgotten_orders("erased_journal", true);
}
