ALTER TABLE webhook_endpoints DROP COLUMN replayed_id;
