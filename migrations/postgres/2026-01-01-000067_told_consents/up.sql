-- Up to where an endpoint was told which consents began or ended by their own date: the moment, and of those of this moment the consent.
-- Whoever is there already is told of those that are still to come.
ALTER TABLE webhook_endpoints ADD COLUMN consents_told_at TIMESTAMPTZ NOT NULL DEFAULT now();
ALTER TABLE webhook_endpoints ADD COLUMN consents_told_id UUID NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff';
ALTER TABLE webhook_endpoints ALTER COLUMN consents_told_at DROP DEFAULT, ALTER COLUMN consents_told_id DROP DEFAULT;
