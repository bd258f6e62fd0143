DROP TABLE foreseen_resources;
