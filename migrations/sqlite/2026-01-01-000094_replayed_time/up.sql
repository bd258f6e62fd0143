-- What only time brought about stands in the journal nowhere: a replay finds it here.
ALTER TABLE webhook_deliveries ADD COLUMN is_of_time INTEGER NOT NULL DEFAULT 0;
UPDATE webhook_deliveries SET is_of_time = 1
WHERE event_key LIKE 'consent.%' OR event_key LIKE 'referral.%' OR event_key LIKE 'follow_up.%';
CREATE INDEX webhook_deliveries_of_time_idx ON webhook_deliveries (endpoint_id, order_transaction_id, order_sequence, id) WHERE is_of_time;
