-- roles and languages are lists in the form |a|b|, for filters.
CREATE TABLE practitioners (
    id              TEXT    NOT NULL PRIMARY KEY,
    organization_id TEXT    NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    name_key        TEXT    NOT NULL,
    roles           TEXT    NOT NULL,
    languages       TEXT    NOT NULL,
    is_active       INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    content         TEXT    NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT    NOT NULL,
    updated_at      TEXT    NOT NULL,
    deleted_at      TEXT
) STRICT;

CREATE INDEX practitioners_organization_id_idx ON practitioners (organization_id, id);
