ALTER TABLE webhook_endpoints DROP COLUMN requeued_at;
