DROP TABLE loaded_ids;
