-- Community services. organization_id is the organization that keeps the record, provider_id the one that gives the service.
CREATE TABLE services (
    id               TEXT    NOT NULL PRIMARY KEY,
    organization_id  TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    provider_id      TEXT             REFERENCES organizations (id) ON DELETE RESTRICT,
    name             TEXT    NOT NULL,
    name_key         TEXT    NOT NULL,
    kind             TEXT    NOT NULL CHECK (kind IN ('service', 'program', 'asset', 'access_point', 'clinic')),
    status           TEXT    NOT NULL CHECK (status IN ('active', 'inactive', 'defunct', 'temporarily_closed')),
    last_verified_on TEXT,
    content          TEXT    NOT NULL,
    capacity         TEXT,
    capacity_status  TEXT    NOT NULL CHECK (capacity_status IN ('open', 'waitlist', 'full', 'closed', 'unknown')),
    version          INTEGER NOT NULL CHECK (version >= 1),
    created_at       TEXT    NOT NULL,
    updated_at       TEXT    NOT NULL,
    deleted_at       TEXT
) STRICT;
CREATE INDEX services_organization_id_idx ON services (organization_id, id);
CREATE INDEX services_provider_id_idx ON services (provider_id, id);

-- What providers said of the room that a service has, each time they said it.
CREATE TABLE capacity_entries (
    id              TEXT NOT NULL PRIMARY KEY,
    service_id      TEXT NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    organization_id TEXT,
    client_id       TEXT,
    recorded_at     TEXT NOT NULL,
    content         TEXT NOT NULL
) STRICT;
CREATE INDEX capacity_entries_service_id_idx ON capacity_entries (service_id, id);
