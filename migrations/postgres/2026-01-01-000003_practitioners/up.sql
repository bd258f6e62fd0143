-- roles and languages are lists in the form |a|b|, for filters.
CREATE TABLE practitioners (
    id              UUID             NOT NULL PRIMARY KEY,
    organization_id UUID             NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    name_key        TEXT COLLATE "C" NOT NULL,
    roles           TEXT             NOT NULL,
    languages       TEXT             NOT NULL,
    is_active       BOOLEAN          NOT NULL,
    content         JSONB            NOT NULL,
    version         BIGINT           NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ      NOT NULL,
    updated_at      TIMESTAMPTZ      NOT NULL,
    deleted_at      TIMESTAMPTZ
);

CREATE INDEX practitioners_organization_id_idx ON practitioners (organization_id, id);
