DROP INDEX follow_ups_awaited_id_idx;
ALTER TABLE follow_ups DROP COLUMN awaited_id;
