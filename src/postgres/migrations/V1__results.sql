-- What the campaign dataflow commits, epoch by epoch. Every table is written by the job's one writer; people edit only `roi_inputs` and
-- `model_versions.pinned`. A Q12 integer is the value times 4096.

-- Where each job stands. One row is updated in every epoch, so its page keeps room for the new version.
CREATE TABLE progress (
    job text PRIMARY KEY,
    epoch bigint NOT NULL,
    incarnation bigint NOT NULL,
    published bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

-- The epochs that are committed: `offsets` holds the next offset of every partition, {"topic": {"0": 17}}; `digest` is SHA-256 in hex.
CREATE TABLE epochs (
    job text NOT NULL,
    epoch bigint NOT NULL,
    watermark timestamptz,
    offsets jsonb NOT NULL,
    digest text NOT NULL,
    counts jsonb NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, epoch)
);

-- One row a customer, rewritten when its features change. The columns of the features follow the configuration: the program adds those that
-- it lacks at its start.
CREATE TABLE customer_features (
    customer_id bigint PRIMARY KEY,
    recency float8,
    frequency float8,
    total_transactions float8,
    monetary float8,
    avg_transaction_value float8,
    monetary_std float8,
    monetary_min float8,
    monetary_max float8,
    days_since_signup float8,
    customer_lifetime_days float8,
    avg_days_between_purchases float8,
    weekend_shopper_pct float8,
    holiday_shopper_pct float8,
    electronics_pct float8,
    fashion_pct float8,
    groceries_pct float8,
    travel_pct float8,
    category_diversity float8,
    device_diversity float8,
    payment_diversity float8,
    mobile_pct float8,
    desktop_pct float8,
    tablet_pct float8,
    credit_card_pct float8,
    debit_card_pct float8,
    ewallet_pct float8,
    discount_usage_rate float8,
    email_open_rate float8,
    complaint_count float8,
    is_premium_member float8,
    avg_discount_pct float8,
    discount_sensitivity float8,
    is_high_value float8,
    is_at_risk float8,
    is_frequent_buyer float8,
    is_recent_active float8,
    clv_score float8,
    as_of timestamptz NOT NULL,
    last_purchase timestamptz,
    signup timestamptz,
    epoch bigint NOT NULL
) WITH (fillfactor = 50);

-- One row a settled interaction. `interaction_key` is the frozen hash of its id; `context` is in Q12, NULL while the interaction is pending.
CREATE TABLE interactions (
    customer_id bigint NOT NULL,
    interaction_key bigint NOT NULL,
    interaction_id text,
    ts timestamptz NOT NULL,
    arm smallint NOT NULL,
    reward float8,
    propensity float8 NOT NULL,
    learned boolean NOT NULL,
    decision_key bigint,
    model_version bigint,
    context smallint[],
    epoch bigint NOT NULL,
    PRIMARY KEY (customer_id, interaction_key)
);

-- `decision_key` is the frozen hash of the id; `arm` is NULL where every arm was excluded; `context` is in Q12.
CREATE TABLE decisions (
    decision_id text NOT NULL,
    customer_id bigint NOT NULL,
    decision_key bigint NOT NULL,
    ts timestamptz NOT NULL,
    arm smallint,
    campaign_name text,
    propensity float8 NOT NULL,
    expected_reward float8 NOT NULL,
    uncertainty float8 NOT NULL,
    scores float8[] NOT NULL,
    model_version bigint NOT NULL,
    policy text NOT NULL,
    context smallint[] NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (customer_id, decision_key)
);
CREATE INDEX decisions_by_epoch ON decisions (epoch);

-- Customers that share four flags, as they now stand; no row where there is no such customer. `monetary` is the exact sum of their purchases.
CREATE TABLE segments (
    is_high_value boolean NOT NULL,
    is_at_risk boolean NOT NULL,
    is_frequent_buyer boolean NOT NULL,
    is_recent_active boolean NOT NULL,
    customers bigint NOT NULL,
    monetary numeric NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (is_high_value, is_at_risk, is_frequent_buyer, is_recent_active)
) WITH (fillfactor = 50);

-- Interactions learned and their exact rewards by day of event time and arm, as they now stand.
CREATE TABLE arm_stats (
    day date NOT NULL,
    arm smallint NOT NULL,
    campaign_name text,
    interactions bigint NOT NULL,
    responses bigint NOT NULL,
    reward numeric NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (day, arm)
) WITH (fillfactor = 70);

-- An arm's exact sums after the epoch `version` in which they changed: `a` is the upper triangle row by row, `b` the vector, both 128-bit
-- little-endian integers. The arms of a version are, of each arm, the newest row at or before it.
CREATE TABLE model_versions (
    version bigint NOT NULL,
    arm smallint NOT NULL,
    n bigint NOT NULL,
    a bytea NOT NULL,
    b bytea NOT NULL,
    theta float8[] NOT NULL,
    pinned boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (version, arm)
);

-- What an epoch brought. `mean_reward` is that of the learned interactions whose rows appeared or changed in it, NULL for none; `pending` is
-- how many wait after it; `events_per_second` is counted from the commit before, NULL for the first after a start.
CREATE TABLE model_metrics (
    epoch bigint PRIMARY KEY,
    committed_at timestamptz NOT NULL DEFAULT now(),
    events bigint NOT NULL,
    interactions bigint NOT NULL,
    decisions bigint NOT NULL,
    mean_reward float8,
    events_per_second float8,
    late bigint NOT NULL,
    duplicates bigint NOT NULL,
    corrected bigint NOT NULL,
    pending bigint NOT NULL,
    dead_letters bigint NOT NULL
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    raw bytea NOT NULL,
    epoch bigint NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, position, reason)
);
CREATE INDEX dead_letters_by_arrival ON dead_letters (received_at);

-- Which customers were erased, up to which instant ('infinity': for ever), and what went with them.
CREATE TABLE erasures (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL,
    instant timestamptz NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    transactions bigint NOT NULL DEFAULT 0,
    interactions bigint NOT NULL DEFAULT 0,
    rewards bigint NOT NULL DEFAULT 0,
    profiles bigint NOT NULL DEFAULT 0,
    epoch bigint
);
CREATE INDEX erasures_by_customer ON erasures (customer_id);

-- Published totals from which a customer counts as one of high value on a day, in minor units of the currency. Never reopened.
CREATE TABLE thresholds (
    day date PRIMARY KEY,
    high_value bigint NOT NULL,
    epoch bigint NOT NULL
);
