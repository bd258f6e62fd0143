-- Where events are sent. client_id is the client that last wrote the endpoint: it is sent what that client may see.
CREATE TABLE webhook_endpoints (
    id                         UUID NOT NULL PRIMARY KEY,
    organization_id            UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id                  UUID NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    status                     TEXT NOT NULL CHECK (status IN ('active', 'paused', 'disabled')),
    status_reason              TEXT CHECK (status_reason IN ('requested', 'failing', 'gone', 'client_disabled')),
    status_at                  TIMESTAMPTZ NOT NULL,
    content                    JSONB NOT NULL,
    secret                     TEXT NOT NULL,
    previous_secret            TEXT,
    previous_secret_expires_at TIMESTAMPTZ,
    version                    BIGINT NOT NULL CHECK (version >= 1),
    created_at                 TIMESTAMPTZ NOT NULL,
    updated_at                 TIMESTAMPTZ NOT NULL,
    deleted_at                 TIMESTAMPTZ,
    -- Up to where the journal has been looked at for this endpoint, where that is not where it has been for all.
    behind_transaction_id      BIGINT,
    behind_sequence            BIGINT,
    -- Whether what was sent before is sent again on the way.
    is_replaying               BOOLEAN NOT NULL,
    -- When there is something to send; null where nothing waits.
    wake_at                    TIMESTAMPTZ,
    -- How often in a row nothing got through, and since when.
    failures                   INTEGER NOT NULL,
    failing_since              TIMESTAMPTZ,
    -- The worker that sends, and until when nobody else does.
    leased_by                  UUID,
    leased_until               TIMESTAMPTZ
);
CREATE INDEX webhook_endpoints_organization_id_idx ON webhook_endpoints (organization_id, id);
CREATE INDEX webhook_endpoints_client_id_idx ON webhook_endpoints (client_id);
CREATE INDEX webhook_endpoints_status_idx ON webhook_endpoints (status, id);
CREATE INDEX webhook_endpoints_wake_at_idx ON webhook_endpoints (wake_at) WHERE wake_at IS NOT NULL;

-- What is to be sent, is being tried, or was sent, for a month. What it says stands in the journal, under `sequence`, and nowhere else.
CREATE TABLE webhook_deliveries (
    id                   UUID NOT NULL PRIMARY KEY,
    endpoint_id          UUID NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    -- Names the event: the same one is queued once.
    event_key            TEXT NOT NULL,
    event_type           TEXT NOT NULL,
    event_at             TIMESTAMPTZ NOT NULL,
    sequence             BIGINT NOT NULL,
    -- What is about one subject is sent in this order.
    subject_id           UUID NOT NULL,
    order_transaction_id BIGINT NOT NULL,
    order_sequence       BIGINT NOT NULL,
    resource_type        TEXT NOT NULL,
    resource_id          UUID NOT NULL,
    version              BIGINT NOT NULL,
    status               TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'withheld', 'cancelled')),
    attempt_count        INTEGER NOT NULL,
    next_attempt_at      TIMESTAMPTZ NOT NULL,
    created_at           TIMESTAMPTZ NOT NULL,
    finished_at          TIMESTAMPTZ,
    CONSTRAINT webhook_deliveries_endpoint_id_event_key_key UNIQUE (endpoint_id, event_key)
);
CREATE INDEX webhook_deliveries_endpoint_id_idx ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_endpoint_id_status_idx ON webhook_deliveries (endpoint_id, status, id);
CREATE INDEX webhook_deliveries_endpoint_id_event_type_idx ON webhook_deliveries (endpoint_id, event_type, id);
CREATE INDEX webhook_deliveries_queue_idx ON webhook_deliveries (endpoint_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_subject_idx ON webhook_deliveries (endpoint_id, subject_id, order_transaction_id, order_sequence, id) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_finished_at_idx ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- The tries, without what was answered.
CREATE TABLE webhook_attempts (
    id          UUID NOT NULL PRIMARY KEY,
    delivery_id UUID NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    at          TIMESTAMPTZ NOT NULL,
    status_code INTEGER,
    duration_ms INTEGER NOT NULL,
    error       TEXT CHECK (error IN ('refused_address', 'name_not_found', 'connection', 'tls', 'timeout', 'redirect', 'status'))
);
CREATE INDEX webhook_attempts_delivery_id_idx ON webhook_attempts (delivery_id, id);

-- Up to where the journal has been looked at, by whom it is being looked at, and from which day on what falls due is told.
CREATE TABLE webhook_state (
    name           TEXT NOT NULL PRIMARY KEY,
    transaction_id BIGINT NOT NULL,
    sequence       BIGINT NOT NULL,
    holder         UUID,
    held_until     TIMESTAMPTZ,
    due_since      DATE
);
INSERT INTO webhook_state VALUES ('journal', 0, 0, NULL, NULL, NULL);

-- What fell due and has been told.
CREATE TABLE webhook_dues (
    event_type  TEXT NOT NULL,
    resource_id UUID NOT NULL,
    due_on      DATE NOT NULL,
    CONSTRAINT webhook_dues_event_type_resource_id_due_on_key PRIMARY KEY (event_type, resource_id, due_on)
);

-- Referrals by the day on which something is due, whoever is to do it.
CREATE INDEX referrals_due_on_id_idx ON referrals (due_on, id) WHERE due_on IS NOT NULL;
