ALTER TABLE source_row_counts DROP COLUMN bytes;
