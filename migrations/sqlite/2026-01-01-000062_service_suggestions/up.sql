-- Changes of a service that others than its keeper suggest.
CREATE TABLE service_suggestions (
    id              TEXT NOT NULL PRIMARY KEY,
    service_id      TEXT NOT NULL REFERENCES services (id) ON DELETE RESTRICT,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    keeper_id       TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    status          TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'refused', 'withdrawn')),
    content         TEXT NOT NULL,
    decision_note   TEXT,
    decided_at      TEXT,
    applied_version INTEGER,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL,
    updated_at      TEXT NOT NULL
) STRICT;
CREATE INDEX service_suggestions_service_id_idx ON service_suggestions (service_id, id);
CREATE INDEX service_suggestions_organization_id_idx ON service_suggestions (organization_id, id);
CREATE INDEX service_suggestions_client_id_idx ON service_suggestions (client_id);
CREATE INDEX service_suggestions_keeper_id_idx ON service_suggestions (keeper_id, status, id);
