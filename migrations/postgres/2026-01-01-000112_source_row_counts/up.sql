-- How many rows of a kind an organization's sources have in source_rows, and how often any of them has been written or forgotten: whoever
-- has read them all knows by it whether they still are what they were. What is left of organizations is not counted: of that there is no
-- more than there are organizations.
CREATE TABLE source_row_counts (
    kind            TEXT NOT NULL CHECK (kind IN ('taxonomy', 'taxonomy_term', 'unit', 'meta_table_description')),
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    kept            BIGINT NOT NULL,
    revisions       BIGINT NOT NULL,
    CONSTRAINT source_row_counts_kind_organization_id_key PRIMARY KEY (kind, organization_id)
);
CREATE INDEX source_row_counts_organization_id_idx ON source_row_counts (organization_id);
INSERT INTO source_row_counts (kind, organization_id, kept, revisions)
    SELECT kind, organization_id, count(*), sum(revision) FROM source_rows
    WHERE kind <> 'organization' GROUP BY kind, organization_id;

-- Nobody asks any more when one last changed.
DROP INDEX source_rows_kind_changed_at_revision_idx;
CREATE INDEX source_rows_kind_idx ON source_rows (kind);
