-- A duplicate leads to the record that stands for it, and keeps what its source says.
ALTER TABLE services ADD COLUMN merged_into_id UUID REFERENCES services (id) ON DELETE RESTRICT;
CREATE INDEX services_merged_into_id_idx ON services (merged_into_id);

-- Services that somebody has found to be others, though they look alike.
ALTER TABLE services ADD COLUMN distinct_from JSONB NOT NULL DEFAULT '[]';

-- Of a record into which others were merged: what it says itself, without what it takes from them.
ALTER TABLE services ADD COLUMN own_content JSONB;
