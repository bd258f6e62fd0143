CREATE INDEX sources_wake_at_idx ON sources (wake_at) WHERE wake_at IS NOT NULL;
DROP INDEX sources_wake_at_id_idx;
DROP INDEX sources_leased_until_idx;
