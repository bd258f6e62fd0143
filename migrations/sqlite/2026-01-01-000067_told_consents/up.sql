-- Up to where an endpoint was told which consents began or ended by their own date: the moment, and of those of this moment the consent.
-- Whoever is there already is told of those that are still to come.
ALTER TABLE webhook_endpoints ADD COLUMN consents_told_at TEXT NOT NULL DEFAULT '1970-01-01T00:00:00.000000Z';
ALTER TABLE webhook_endpoints ADD COLUMN consents_told_id TEXT NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff';
UPDATE webhook_endpoints SET consents_told_at = strftime('%Y-%m-%dT%H:%M:%f000Z', 'now');
