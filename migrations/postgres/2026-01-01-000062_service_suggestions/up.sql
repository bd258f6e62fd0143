-- Changes of a service that others than its keeper suggest.
CREATE TABLE service_suggestions (
    id              UUID NOT NULL PRIMARY KEY,
    service_id      UUID NOT NULL REFERENCES services (id) ON DELETE RESTRICT,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       UUID NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    keeper_id       UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'refused', 'withdrawn')),
    content         JSONB NOT NULL,
    decision_note   TEXT,
    decided_at      TIMESTAMPTZ,
    applied_version BIGINT,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX service_suggestions_service_id_idx ON service_suggestions (service_id, id);
CREATE INDEX service_suggestions_organization_id_idx ON service_suggestions (organization_id, id);
CREATE INDEX service_suggestions_client_id_idx ON service_suggestions (client_id);
CREATE INDEX service_suggestions_keeper_id_idx ON service_suggestions (keeper_id, status, id);
