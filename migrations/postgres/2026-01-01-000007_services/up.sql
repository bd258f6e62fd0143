-- Community services. organization_id is the organization that keeps the record, provider_id the one that gives the service.
CREATE TABLE services (
    id               UUID             NOT NULL PRIMARY KEY,
    organization_id  UUID             NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    provider_id      UUID                      REFERENCES organizations (id) ON DELETE RESTRICT,
    name             TEXT             NOT NULL,
    name_key         TEXT COLLATE "C" NOT NULL,
    kind             TEXT             NOT NULL CHECK (kind IN ('service', 'program', 'asset', 'access_point', 'clinic')),
    status           TEXT             NOT NULL CHECK (status IN ('active', 'inactive', 'defunct', 'temporarily_closed')),
    last_verified_on DATE,
    content          JSONB            NOT NULL,
    capacity         JSONB,
    capacity_status  TEXT             NOT NULL CHECK (capacity_status IN ('open', 'waitlist', 'full', 'closed', 'unknown')),
    version          BIGINT           NOT NULL CHECK (version >= 1),
    created_at       TIMESTAMPTZ      NOT NULL,
    updated_at       TIMESTAMPTZ      NOT NULL,
    deleted_at       TIMESTAMPTZ
);
CREATE INDEX services_organization_id_idx ON services (organization_id, id);
CREATE INDEX services_provider_id_idx ON services (provider_id, id);

-- What providers said of the room that a service has, each time they said it.
CREATE TABLE capacity_entries (
    id              UUID        NOT NULL PRIMARY KEY,
    service_id      UUID        NOT NULL REFERENCES services (id) ON DELETE CASCADE,
    organization_id UUID,
    client_id       UUID,
    recorded_at     TIMESTAMPTZ NOT NULL,
    content         JSONB       NOT NULL
);
CREATE INDEX capacity_entries_service_id_idx ON capacity_entries (service_id, id);
