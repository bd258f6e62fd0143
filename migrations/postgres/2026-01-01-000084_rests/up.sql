-- Until when an endpoint is left alone: it asked for that, or nothing gets through to it. What is queued meanwhile waits.
ALTER TABLE webhook_endpoints ADD COLUMN rests_until TIMESTAMPTZ;

-- Nothing gets through since the moment at which the first request that failed was sent; until now the moment of its answer was noted.
UPDATE webhook_endpoints SET failing_since = failing_since - INTERVAL '1 minute' WHERE failing_since IS NOT NULL;
