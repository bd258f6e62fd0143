DROP TABLE bulk_chunks;
DROP TABLE bulk_jobs;
