DROP TABLE unmet_needs;
DROP TABLE matches;
