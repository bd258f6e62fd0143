-- Plans follow the indexes that were made for them, the same on every file, whatever was in it when its statistics were taken.
DROP TABLE IF EXISTS sqlite_stat1;
DROP TABLE IF EXISTS sqlite_stat4;
