-- organization_id is the organization that manages the record: the organization itself where it is a tenant, another one where it
-- only stands in somebody's directory.
CREATE TABLE organizations (
    id              TEXT    NOT NULL PRIMARY KEY,
    organization_id TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    parent_id       TEXT             REFERENCES organizations (id) ON DELETE RESTRICT,
    kind            TEXT    NOT NULL CHECK (kind IN ('health_authority', 'clinic', 'program', 'agency', 'directory')),
    name            TEXT    NOT NULL,
    name_key        TEXT    NOT NULL,
    is_active       INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    content         TEXT    NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT    NOT NULL,
    updated_at      TEXT    NOT NULL,
    deleted_at      TEXT,
    CHECK (parent_id <> id)
) STRICT;
CREATE INDEX organizations_organization_id_idx ON organizations (organization_id, id);
CREATE INDEX organizations_parent_id_idx ON organizations (parent_id, id);
CREATE INDEX organizations_name_key_idx ON organizations (name_key, id);

CREATE TABLE clients (
    id                         TEXT    NOT NULL PRIMARY KEY,
    organization_id            TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    name                       TEXT    NOT NULL,
    scopes                     TEXT    NOT NULL,
    secret_hash                TEXT    NOT NULL,
    previous_secret_hash       TEXT,
    previous_secret_expires_at TEXT,
    is_active                  INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    version                    INTEGER NOT NULL CHECK (version >= 1),
    created_at                 TEXT    NOT NULL,
    updated_at                 TEXT    NOT NULL,
    CHECK ((previous_secret_hash IS NULL) = (previous_secret_expires_at IS NULL))
) STRICT;
CREATE INDEX clients_organization_id_idx ON clients (organization_id, id);

CREATE TABLE signing_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    pem        TEXT NOT NULL,
    created_at TEXT NOT NULL,
    retired_at TEXT
) STRICT;
