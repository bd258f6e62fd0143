-- Which organizations are part of which, as a source says, from when a page says so until the run that read it, or one after it, has
-- joined them: a part may be listed long before the whole. Both by their keys in the source.
CREATE TABLE source_kin (
    source_id UUID NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    part      TEXT NOT NULL,
    whole     TEXT NOT NULL,
    CONSTRAINT source_kin_source_id_part_key PRIMARY KEY (source_id, part)
);

-- Whether a sweep has counted what it lacked: one that is broken off behind that and begins anew counts nothing twice.
ALTER TABLE source_runs ADD COLUMN has_counted BOOLEAN NOT NULL DEFAULT FALSE;
