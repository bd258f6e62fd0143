-- Where events are sent. client_id is the client that last wrote the endpoint: it is sent what that client may see.
CREATE TABLE webhook_endpoints (
    id                         TEXT NOT NULL PRIMARY KEY,
    organization_id            TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id                  TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    status                     TEXT NOT NULL CHECK (status IN ('active', 'paused', 'disabled')),
    status_reason              TEXT CHECK (status_reason IN ('requested', 'failing', 'gone', 'client_disabled')),
    status_at                  TEXT NOT NULL,
    content                    TEXT NOT NULL,
    secret                     TEXT NOT NULL,
    previous_secret            TEXT,
    previous_secret_expires_at TEXT,
    version                    INTEGER NOT NULL CHECK (version >= 1),
    created_at                 TEXT NOT NULL,
    updated_at                 TEXT NOT NULL,
    deleted_at                 TEXT,
    -- Up to where the journal has been looked at for this endpoint, where that is not where it has been for all.
    behind_transaction_id      INTEGER,
    behind_sequence            INTEGER,
    -- Whether what was sent before is sent again on the way.
    is_replaying               INTEGER NOT NULL CHECK (is_replaying IN (0, 1)),
    -- When there is something to send; null where nothing waits.
    wake_at                    TEXT,
    -- How often in a row nothing got through, and since when.
    failures                   INTEGER NOT NULL,
    failing_since              TEXT,
    -- The worker that sends, and until when nobody else does.
    leased_by                  TEXT,
    leased_until               TEXT
) STRICT;
CREATE INDEX webhook_endpoints_organization_id_idx ON webhook_endpoints (organization_id, id);
CREATE INDEX webhook_endpoints_client_id_idx ON webhook_endpoints (client_id);
CREATE INDEX webhook_endpoints_status_idx ON webhook_endpoints (status, id);
CREATE INDEX webhook_endpoints_wake_at_idx ON webhook_endpoints (wake_at) WHERE wake_at IS NOT NULL;

-- What is to be sent, is being tried, or was sent, for a month. What it says stands in the journal, under `sequence`, and nowhere else.
CREATE TABLE webhook_deliveries (
    id                   TEXT NOT NULL PRIMARY KEY,
    endpoint_id          TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    -- Names the event: the same one is queued once.
    event_key            TEXT NOT NULL,
    event_type           TEXT NOT NULL,
    event_at             TEXT NOT NULL,
    sequence             INTEGER NOT NULL,
    -- What is about one subject is sent in this order.
    subject_id           TEXT NOT NULL,
    order_transaction_id INTEGER NOT NULL,
    order_sequence       INTEGER NOT NULL,
    resource_type        TEXT NOT NULL,
    resource_id          TEXT NOT NULL,
    version              INTEGER NOT NULL,
    status               TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'withheld', 'cancelled')),
    attempt_count        INTEGER NOT NULL,
    next_attempt_at      TEXT NOT NULL,
    created_at           TEXT NOT NULL,
    finished_at          TEXT,
    CONSTRAINT webhook_deliveries_endpoint_id_event_key_key UNIQUE (endpoint_id, event_key)
) STRICT;
CREATE INDEX webhook_deliveries_endpoint_id_idx ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_endpoint_id_status_idx ON webhook_deliveries (endpoint_id, status, id);
CREATE INDEX webhook_deliveries_endpoint_id_event_type_idx ON webhook_deliveries (endpoint_id, event_type, id);
CREATE INDEX webhook_deliveries_queue_idx ON webhook_deliveries (endpoint_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_subject_idx ON webhook_deliveries (endpoint_id, subject_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_finished_at_idx ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- The tries, without what was answered.
CREATE TABLE webhook_attempts (
    id          TEXT NOT NULL PRIMARY KEY,
    delivery_id TEXT NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    at          TEXT NOT NULL,
    status_code INTEGER,
    duration_ms INTEGER NOT NULL,
    error       TEXT CHECK (error IN ('refused_address', 'name_not_found', 'connection', 'tls', 'timeout', 'redirect', 'status'))
) STRICT;
CREATE INDEX webhook_attempts_delivery_id_idx ON webhook_attempts (delivery_id, id);

-- Up to where the journal has been looked at, by whom it is being looked at, and from which day on what falls due is told.
CREATE TABLE webhook_state (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    sequence       INTEGER NOT NULL,
    holder         TEXT,
    held_until     TEXT,
    due_since      TEXT
) STRICT;
INSERT INTO webhook_state VALUES ('journal', 0, 0, NULL, NULL, NULL);

-- What fell due and has been told.
CREATE TABLE webhook_dues (
    event_type  TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    due_on      TEXT NOT NULL,
    CONSTRAINT webhook_dues_event_type_resource_id_due_on_key PRIMARY KEY (event_type, resource_id, due_on)
) STRICT;

-- Referrals by the day on which something is due, whoever is to do it.
CREATE INDEX referrals_due_on_id_idx ON referrals (due_on, id) WHERE due_on IS NOT NULL;
