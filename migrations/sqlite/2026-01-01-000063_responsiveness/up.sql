-- How the latest referrals to a service, or to an organization, were answered: resource_type says which of both resource_id is of.
CREATE TABLE responsiveness (
    resource_type TEXT NOT NULL CHECK (resource_type IN ('service', 'organization')),
    resource_id   TEXT NOT NULL,
    figures       TEXT NOT NULL,
    -- When they were counted; null where that is still to be done for the first time.
    counted_at    TEXT,
    -- When they are to be counted again; null where time alone changes nothing that is shown.
    refresh_at    TEXT,
    CONSTRAINT responsiveness_resource_type_resource_id_key PRIMARY KEY (resource_type, resource_id)
) STRICT;
CREATE INDEX responsiveness_refresh_at_idx ON responsiveness (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE INDEX responsiveness_counted_at_idx ON responsiveness (counted_at) WHERE counted_at IS NOT NULL;

-- Up to where the journal has been looked at for them, and the process that does so for now.
CREATE TABLE responsiveness_state (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    holder         TEXT,
    held_until     TEXT
) STRICT;
INSERT INTO responsiveness_state VALUES ('journal', 0, 0, NULL, NULL);
