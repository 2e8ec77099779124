//! The statements of an epoch's transaction, as text or prepared for a session.

use super::error::PostgresError;
use super::kept::KEPT_COLUMNS;
use super::rows::{DEAD_LETTER_COLUMNS, DECISION_COLUMNS, INTERACTION_COLUMNS, MODEL_COLUMNS};
use super::schema::feature_columns;
use super::settings::PostgresSettings;
use crate::identifiers::{quote, quote_all};
use postgres::{GenericClient, Statement};

/// One session's statements: those of every epoch prepared, the others as text.
pub struct Statements {
    /// Moves progress from the epoch before: job, epoch, incarnation.
    pub compare_and_set: Statement,
    /// Records an epoch: job, epoch, watermark, offsets, digest, counts, ids of the topics, link,
    /// records read, what is gone.
    pub epoch: Statement,
    /// Records its metrics, in the order of the columns named in it.
    pub metrics: Statement,
    /// New interactions.
    pub copy_interactions: String,
    /// New or changed interactions, on their way.
    pub stage_interactions: String,
    /// New interactions, from there, of which some have the id of one that was folded; nothing is
    /// left on its way.
    pub upsert_interactions: String,
    /// Changed interactions, from there; the text of the id stays.
    pub update_interactions: String,
    /// New customers.
    pub copy_features: String,
    /// Changed customers, on their way.
    pub stage_features: String,
    /// Changed customers, from there.
    pub update_features: String,
    /// Decisions, on their way.
    pub stage_decisions: String,
    /// Decisions, from there.
    pub upsert_decisions: String,
    /// Model versions.
    pub copy_models: String,
    /// Kept records.
    pub copy_kept: String,
    /// Dead letters, on their way.
    pub stage_dead_letters: String,
    /// Dead letters, from there; one that is there stays.
    pub insert_dead_letters: String,
}

/// Where rows wait that must be matched with those in a table; each session has its own, empty at
/// each transaction's start.
const STAGES: &str = "
    CREATE TEMP TABLE staged_interactions (LIKE interactions) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE staged_features (LIKE customer_features) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE staged_decisions (LIKE decisions) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE staged_dead_letters (LIKE dead_letters INCLUDING DEFAULTS) ON COMMIT DELETE \
    ROWS;
    ALTER TABLE staged_dead_letters DROP COLUMN id;
";

const COMPARE_AND_SET: &str = "UPDATE progress SET epoch = $2::int8 WHERE job = $1 AND epoch = \
    $2::int8 - 1 AND incarnation = $3::int8";

const INSERT_EPOCH: &str = "INSERT INTO epochs (job, epoch, watermark, offsets, digest, counts, \
    topic_ids, chain, read, gone, identity)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (SELECT identity FROM progress WHERE job = \
    $1))";

const INSERT_METRICS: &str = "
    INSERT INTO model_metrics (epoch, events, interactions, decisions, mean_reward, \
    events_per_second, late, duplicates, corrected, dead_letters, pending)
    SELECT $1::int8, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        $11::int8 + coalesce((SELECT pending FROM model_metrics WHERE epoch = $1::int8 - 1), 0)
    ON CONFLICT (epoch) DO UPDATE SET committed_at = excluded.committed_at, events = \
    excluded.events, interactions = excluded.interactions,
        decisions = excluded.decisions, mean_reward = excluded.mean_reward, events_per_second = \
        excluded.events_per_second, late = excluded.late,
        duplicates = excluded.duplicates, corrected = excluded.corrected, dead_letters = \
        excluded.dead_letters, pending = excluded.pending";

/// One erasure: customer, instant, transactions, interactions, rewards, profiles, learned,
/// decisions, folded, digest before, digest after, epoch, dead letters.
pub const INSERT_ERASURE: &str = "
    INSERT INTO erasures
        (customer_id, instant, transactions, interactions, rewards, profiles, learned, decisions, \
        folded, digest_before, digest_after, epoch,
         dead_letters)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// Customer, instant, epoch, what is said in the place of a detail. Those of the epoch itself are
/// blanked already.
pub const BLANK_DEAD_LETTERS: &str = "
    UPDATE dead_letters SET detail = $4, raw = '', customer_id = NULL, dated = NULL, blanked = $3
    WHERE customer_id = $1 AND dated <= $2";

/// Job, customer, instant: of several erasures of one customer the one that reaches farthest.
pub const REMEMBER_ERASED: &str = "
    INSERT INTO erased_customers (job, customer_id, instant) VALUES ($1, $2, $3)
    ON CONFLICT (job, customer_id) DO UPDATE SET instant = greatest(erased_customers.instant, \
    excluded.instant)";

/// Customer, instant.
pub const ERASE_DECISIONS: &str = "DELETE FROM decisions WHERE customer_id = $1 AND ts <= $2";

/// Customer, up to which instant everything is gone, folded or not.
pub const ERASE_FOLDED_INTERACTIONS: &str =
    "DELETE FROM interactions WHERE customer_id = $1 AND ts <= $2";

/// Takes the sums out of every version but the newest of each arm, which no longer has the erased
/// in it.
pub const ERASE_SUMS: &str = "
    UPDATE model_versions m SET a = NULL, b = NULL
    WHERE a IS NOT NULL AND version < (SELECT max(version) FROM model_versions newest WHERE \
    newest.arm = m.arm)";

/// Customers, keys.
pub const DELETE_INTERACTIONS: &str = "
    DELETE FROM interactions i USING unnest($1::int8[], $2::int8[]) AS gone (customer_id, \
    interaction_key)
    WHERE i.customer_id = gone.customer_id AND i.interaction_key = gone.interaction_key";

/// Customers.
pub const DELETE_FEATURES: &str = "DELETE FROM customer_features f USING unnest($1::int8[]) AS \
    gone (customer_id) WHERE f.customer_id = gone.customer_id";

/// Days, arms, interactions, responses, rewards in Q16 as text, epoch. 2^-16 is written out because
/// a product of decimals is exact where a quotient is rounded.
pub const UPSERT_ARM_STATS: &str = "
    INSERT INTO arm_stats (day, arm, campaign_name, interactions, responses, reward, epoch)
    SELECT date '1970-01-01' + u.day, u.arm, a.campaign_name, u.interactions, u.responses,
        trim_scale(u.reward::numeric * 0.0000152587890625), $6::int8
    FROM unnest($1::int4[], $2::int2[], $3::int8[], $4::int8[], $5::text[]) AS u (day, arm, \
    interactions, responses, reward)
    LEFT JOIN arms a USING (arm)
    ON CONFLICT (day, arm) DO UPDATE SET campaign_name = excluded.campaign_name, interactions = \
    excluded.interactions,
        responses = excluded.responses, reward = excluded.reward, epoch = excluded.epoch";

/// Flags, customers, amounts, decimals, epoch.
pub const UPSERT_SEGMENTS: &str = "
    INSERT INTO segments (is_high_value, is_at_risk, is_frequent_buyer, is_recent_active, \
    customers, monetary, epoch)
    SELECT flags & 8 <> 0, flags & 4 <> 0, flags & 2 <> 0, flags & 1 <> 0, customers, round(amount \
    / 10::numeric ^ $4::int4, $4::int4), $5::int8
    FROM unnest($1::int4[], $2::int8[], $3::int8[]) AS u (flags, customers, amount)
    ON CONFLICT (is_high_value, is_at_risk, is_frequent_buyer, is_recent_active)
    DO UPDATE SET customers = excluded.customers, monetary = excluded.monetary, epoch = \
    excluded.epoch";

/// Day, value, epoch. A threshold that is there stays as it is; that it is the same is seen by the
/// number of rows.
pub const INSERT_THRESHOLD: &str = "
    INSERT INTO thresholds (day, high_value, epoch) VALUES (date '1970-01-01' + $1::int4, $2, $3)
    ON CONFLICT (day) DO UPDATE SET epoch = thresholds.epoch WHERE thresholds.high_value = \
    excluded.high_value";

/// Versions before the `$1` newest go, but for the rows of an arm that are still its newest at the
/// oldest version kept, or at a pinned one.
pub const PRUNE_MODELS: &str = "
    DELETE FROM model_versions m
    USING (
        SELECT version, arm, pinned, lead(version) OVER (PARTITION BY arm ORDER BY version) AS \
        next FROM model_versions
    ) v
    WHERE m.version = v.version AND m.arm = v.arm AND NOT v.pinned
        AND v.next <= (SELECT DISTINCT version FROM model_versions ORDER BY version DESC OFFSET \
        $1::int8 - 1 LIMIT 1)
        AND NOT EXISTS (SELECT FROM model_versions p WHERE p.pinned AND p.version >= v.version AND \
        p.version < v.next)";

/// Those older than so many days, but for what the job has still to publish.
pub const PRUNE_DEAD_LETTERS: &str = "
    DELETE FROM dead_letters
    WHERE received_at < now() - make_interval(days => $1::int4)
        AND greatest(epoch, blanked) <= (SELECT published FROM progress WHERE job = $2)";

impl Statements {
    /// Prepares a session: its staging tables and statements.
    ///
    /// # Errors
    /// That of a statement.
    pub fn prepare(
        client: &mut impl GenericClient,
        settings: &PostgresSettings,
    ) -> Result<Statements, PostgresError> {
        let failed = || PostgresError::statement("prepare the session");
        client.batch_execute(STAGES).map_err(failed())?;
        let features = feature_columns(&settings.features);
        let decision_updates = DECISION_COLUMNS
            .into_iter()
            .filter(|column| !["customer_id", "decision_key"].contains(column));
        let kept = ["customer_id", "interaction_key", "interaction_id"];
        let interaction_updates =
            INTERACTION_COLUMNS.into_iter().filter(|column| !kept.contains(column));
        Ok(Statements {
            compare_and_set: client.prepare(COMPARE_AND_SET).map_err(failed())?,
            epoch: client.prepare(INSERT_EPOCH).map_err(failed())?,
            metrics: client.prepare(INSERT_METRICS).map_err(failed())?,
            copy_interactions: copy_into("interactions", &INTERACTION_COLUMNS),
            stage_interactions: copy_into("staged_interactions", &INTERACTION_COLUMNS),
            upsert_interactions: format!(
                "INSERT INTO interactions SELECT * FROM staged_interactions ON CONFLICT \
                 (customer_id, interaction_key) DO UPDATE SET {};
                DELETE FROM staged_interactions",
                assignments(
                    INTERACTION_COLUMNS.into_iter().filter(|column| ![
                        "customer_id",
                        "interaction_key"
                    ]
                    .contains(column)),
                    "excluded"
                ),
            ),
            update_interactions: format!(
                "UPDATE interactions t SET {} FROM staged_interactions s WHERE t.customer_id = \
                 s.customer_id AND t.interaction_key = s.interaction_key",
                assignments(interaction_updates, "s"),
            ),
            copy_features: copy_into("customer_features", &features),
            stage_features: copy_into("staged_features", &features),
            update_features: format!(
                "UPDATE customer_features t SET {} FROM staged_features s WHERE t.customer_id = \
                 s.customer_id",
                assignments(features.iter().copied().skip(1), "s"),
            ),
            stage_decisions: copy_into("staged_decisions", &DECISION_COLUMNS),
            upsert_decisions: format!(
                "INSERT INTO decisions SELECT * FROM staged_decisions ON CONFLICT (customer_id, \
                 decision_key) DO UPDATE SET {}",
                assignments(decision_updates, "excluded"),
            ),
            copy_models: copy_into("model_versions", &MODEL_COLUMNS),
            copy_kept: copy_into("kept_records", &KEPT_COLUMNS),
            stage_dead_letters: copy_into("staged_dead_letters", &DEAD_LETTER_COLUMNS),
            insert_dead_letters: format!(
                "INSERT INTO dead_letters ({0}) SELECT {0} FROM staged_dead_letters ON CONFLICT DO \
                 NOTHING",
                quote_all(DEAD_LETTER_COLUMNS),
            ),
        })
    }
}

fn copy_into(table: &str, columns: &[&str]) -> String {
    format!("COPY {table} ({}) FROM STDIN BINARY", quote_all(columns.iter().copied()))
}

fn assignments<'a>(columns: impl IntoIterator<Item = &'a str>, source: &str) -> String {
    columns
        .into_iter()
        .map(|column| format!("{0} = {source}.{0}", quote(column)))
        .collect::<Vec<_>>()
        .join(", ")
}
