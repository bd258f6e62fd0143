-- The follow-up that comes after one that was loaded, under the id that it will be loaded under: until it is, there is none to refer to.
ALTER TABLE follow_ups ADD COLUMN awaited_id TEXT;
CREATE INDEX follow_ups_awaited_id_idx ON follow_ups (awaited_id) WHERE awaited_id IS NOT NULL;
