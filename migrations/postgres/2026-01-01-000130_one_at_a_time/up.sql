-- Of an organization's sources one is read at a time: which organizations have one that is, and who is next.
CREATE INDEX sources_leased_until_idx ON sources (leased_until) WHERE leased_until IS NOT NULL;
CREATE INDEX sources_wake_at_id_idx ON sources (wake_at, id) WHERE wake_at IS NOT NULL;
DROP INDEX sources_wake_at_idx;
