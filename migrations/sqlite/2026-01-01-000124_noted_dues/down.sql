ALTER TABLE webhook_endpoints DROP COLUMN dues_told;
ALTER TABLE webhook_state DROP COLUMN last_due;
DROP INDEX webhook_dues_number_key;
ALTER TABLE webhook_dues DROP COLUMN order_sequence;
ALTER TABLE webhook_dues DROP COLUMN order_transaction_id;
ALTER TABLE webhook_dues DROP COLUMN sequence;
ALTER TABLE webhook_dues DROP COLUMN noted_at;
ALTER TABLE webhook_dues DROP COLUMN number;
