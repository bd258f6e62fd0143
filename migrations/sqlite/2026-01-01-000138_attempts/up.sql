-- How often a job was taken up since it last came on: one of which processes die is given up, and not taken for ever.
ALTER TABLE bulk_jobs ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
