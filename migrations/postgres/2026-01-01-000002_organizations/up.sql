-- organization_id is the organization that manages the record: the organization itself where it is a tenant, another one where it
-- only stands in somebody's directory.
CREATE TABLE organizations (
    id              UUID             NOT NULL PRIMARY KEY,
    organization_id UUID             NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    parent_id       UUID                      REFERENCES organizations (id) ON DELETE RESTRICT,
    kind            TEXT             NOT NULL CHECK (kind IN ('health_authority', 'clinic', 'program', 'agency', 'directory')),
    name            TEXT             NOT NULL,
    name_key        TEXT COLLATE "C" NOT NULL,
    is_active       BOOLEAN          NOT NULL,
    content         JSONB            NOT NULL,
    version         BIGINT           NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ      NOT NULL,
    updated_at      TIMESTAMPTZ      NOT NULL,
    deleted_at      TIMESTAMPTZ,
    CHECK (parent_id <> id)
);
CREATE INDEX organizations_organization_id_idx ON organizations (organization_id, id);
CREATE INDEX organizations_parent_id_idx ON organizations (parent_id, id);
CREATE INDEX organizations_name_key_idx ON organizations (name_key, id);

CREATE TABLE clients (
    id                         UUID        NOT NULL PRIMARY KEY,
    organization_id            UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    name                       TEXT        NOT NULL,
    scopes                     TEXT        NOT NULL,
    secret_hash                TEXT        NOT NULL,
    previous_secret_hash       TEXT,
    previous_secret_expires_at TIMESTAMPTZ,
    is_active                  BOOLEAN     NOT NULL,
    version                    BIGINT      NOT NULL CHECK (version >= 1),
    created_at                 TIMESTAMPTZ NOT NULL,
    updated_at                 TIMESTAMPTZ NOT NULL,
    CHECK ((previous_secret_hash IS NULL) = (previous_secret_expires_at IS NULL))
);
CREATE INDEX clients_organization_id_idx ON clients (organization_id, id);

CREATE TABLE signing_keys (
    kid        TEXT        NOT NULL PRIMARY KEY,
    pem        TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ
);
