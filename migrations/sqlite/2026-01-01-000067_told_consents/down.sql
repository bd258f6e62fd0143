ALTER TABLE webhook_endpoints DROP COLUMN consents_told_id;
ALTER TABLE webhook_endpoints DROP COLUMN consents_told_at;
