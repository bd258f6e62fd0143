-- What sources of directories say that no record of ours holds: of organizations what is left besides their records; taxonomies, terms and
-- units, whether services use them or not; descriptions of tables. By their keys in the source; the content has the form of HSDS.
CREATE TABLE source_rows (
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source          TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('organization', 'taxonomy', 'taxonomy_term', 'unit', 'meta_table_description')),
    key             TEXT NOT NULL,
    content         TEXT NOT NULL,
    changed_at      TEXT NOT NULL,
    revision        INTEGER NOT NULL,
    CONSTRAINT source_rows_organization_id_source_kind_key_key PRIMARY KEY (organization_id, source, kind, key)
) STRICT;
CREATE INDEX source_rows_kind_changed_at_revision_idx ON source_rows (kind, changed_at, revision);
