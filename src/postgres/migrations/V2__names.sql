-- What the numbers in the tables mean: written by the program at its start, from its configuration.

CREATE TABLE settings (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    job text NOT NULL,
    lateness interval NOT NULL,
    at_risk_days float8 NOT NULL,
    recent_days float8 NOT NULL
);

CREATE TABLE arms (
    arm smallint PRIMARY KEY,
    campaign_name text NOT NULL
);

-- Positions count from 1, as those of an array do.
CREATE TABLE context_names (
    position integer PRIMARY KEY,
    name text NOT NULL
);

-- Interactions for people and dashboards: the arm by its name, the context as {"name": value}.
CREATE VIEW interactions_named AS
SELECT
    i.customer_id,
    i.interaction_id,
    i.ts,
    i.arm,
    a.campaign_name,
    i.reward,
    i.propensity,
    i.learned,
    i.decision_key,
    i.model_version,
    (
        SELECT jsonb_object_agg(n.name, q.value::float8 / 4096)
        FROM unnest(i.context) WITH ORDINALITY AS q (value, position)
        JOIN context_names n ON n.position = q.position
    ) AS context,
    i.epoch
FROM interactions i
LEFT JOIN arms a USING (arm);
