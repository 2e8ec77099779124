-- What a better choice of campaigns would bring a month: the arithmetic of a business case, with inputs to be edited.
--
-- A customer has `chances` a month to convert; a conversion brings a margin of `margin_share` of `order_value`. A share of the customers gets a
-- discount once a month, converting or not. The baseline pays for one mail a customer and month, the learned mix for `optimised_sends` messages.
CREATE TABLE roi_inputs (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    customers bigint NOT NULL DEFAULT 50000000 CHECK (customers >= 0),
    order_value numeric NOT NULL DEFAULT 2000,
    margin_share numeric NOT NULL DEFAULT 0.20,
    chances numeric NOT NULL DEFAULT 10,
    baseline_conversion numeric NOT NULL DEFAULT 0.05,
    baseline_discount_share numeric NOT NULL DEFAULT 0.50,
    baseline_discount numeric NOT NULL DEFAULT 300,
    baseline_sends numeric NOT NULL DEFAULT 1,
    optimised_conversion numeric NOT NULL DEFAULT 0.12,
    optimised_discount_share numeric NOT NULL DEFAULT 0.25,
    optimised_discount numeric NOT NULL DEFAULT 250,
    optimised_sends numeric NOT NULL DEFAULT 10,
    email_cost numeric NOT NULL DEFAULT 0.40,
    sms_cost numeric NOT NULL DEFAULT 2.00,
    push_cost numeric NOT NULL DEFAULT 0.10,
    direct_mail_cost numeric NOT NULL DEFAULT 0,
    email_share numeric NOT NULL DEFAULT 0.165,
    sms_share numeric NOT NULL DEFAULT 0.745,
    push_share numeric NOT NULL DEFAULT 0.072,
    direct_mail_share numeric NOT NULL DEFAULT 0.018,
    costs_a_year_crore numeric NOT NULL DEFAULT 13.5
);
INSERT INTO roi_inputs DEFAULT VALUES;

-- One crore is 10,000,000. The year is reckoned from the months in whole crores, as they are quoted.
CREATE VIEW roi AS
WITH month AS (
    SELECT
        customers * chances * baseline_conversion * order_value / 1e7 AS baseline_revenue,
        customers * baseline_discount_share * baseline_discount / 1e7 AS baseline_discounts,
        customers * baseline_sends * email_cost / 1e7 AS baseline_messages,
        customers * chances * optimised_conversion * order_value / 1e7 AS optimised_revenue,
        customers * optimised_discount_share * optimised_discount / 1e7 AS optimised_discounts,
        customers * optimised_sends
            * (email_share * email_cost + sms_share * sms_cost + push_share * push_cost + direct_mail_share * direct_mail_cost)
            / 1e7 AS optimised_messages,
        margin_share,
        costs_a_year_crore
    FROM roi_inputs
), profit AS (
    SELECT
        *,
        baseline_revenue * margin_share - baseline_discounts - baseline_messages AS baseline_profit,
        optimised_revenue * margin_share - optimised_discounts - optimised_messages AS optimised_profit
    FROM month
)
SELECT
    trim_scale(baseline_revenue) AS baseline_revenue_crore,
    trim_scale(baseline_discounts) AS baseline_discounts_crore,
    trim_scale(baseline_messages) AS baseline_messages_crore,
    trim_scale(baseline_profit) AS baseline_profit_crore,
    trim_scale(optimised_revenue) AS optimised_revenue_crore,
    trim_scale(optimised_discounts) AS optimised_discounts_crore,
    trim_scale(optimised_messages) AS optimised_messages_crore,
    trim_scale(optimised_profit) AS optimised_profit_crore,
    trim_scale(12 * (round(optimised_profit) - round(baseline_profit)) - costs_a_year_crore) AS gain_a_year_crore
FROM profit;
