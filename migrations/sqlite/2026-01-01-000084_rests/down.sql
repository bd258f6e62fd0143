ALTER TABLE webhook_endpoints DROP COLUMN rests_until;
