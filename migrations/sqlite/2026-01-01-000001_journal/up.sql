-- Every change of every resource, written in the change's own transaction.
CREATE TABLE changes (
    sequence        INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Commits happen one after another here, so the sequence alone is the order; see the PostgreSQL twin.
    transaction_id  INTEGER NOT NULL DEFAULT 0,
    at              TEXT NOT NULL,
    organization_id TEXT,
    client_id       TEXT,
    on_behalf_of    TEXT,
    request_id      TEXT,
    resource_type   TEXT NOT NULL,
    resource_id     TEXT NOT NULL,
    owner_id        TEXT,
    version         INTEGER NOT NULL,
    action          TEXT NOT NULL,
    patient_id      TEXT,
    referral_id     TEXT,
    body            TEXT NOT NULL
) STRICT;
CREATE INDEX changes_resource ON changes (resource_type, resource_id, version);
CREATE INDEX changes_patient ON changes (patient_id, sequence) WHERE patient_id IS NOT NULL;
CREATE INDEX changes_referral ON changes (referral_id, sequence) WHERE referral_id IS NOT NULL;
CREATE INDEX changes_feed_of_type ON changes (resource_type, sequence);

-- The keys under which other systems know resources.
CREATE TABLE identifiers (
    owner_id      TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    system        TEXT NOT NULL,
    value         TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    CONSTRAINT identifiers_owner_id_resource_type_system_value_key PRIMARY KEY (owner_id, resource_type, system, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifiers_resource ON identifiers (resource_type, resource_id);

-- What was answered to a request with an idempotency key, for a week.
CREATE TABLE idempotency_keys (
    client_id  TEXT NOT NULL,
    key        TEXT NOT NULL,
    route      TEXT NOT NULL,
    body_hash  TEXT NOT NULL,
    status     INTEGER NOT NULL,
    headers    TEXT NOT NULL,
    body       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT idempotency_keys_client_id_key_key PRIMARY KEY (client_id, key)
) STRICT;
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
