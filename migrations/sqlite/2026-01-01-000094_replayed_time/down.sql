DROP INDEX webhook_deliveries_of_time_idx;
ALTER TABLE webhook_deliveries DROP COLUMN is_of_time;
