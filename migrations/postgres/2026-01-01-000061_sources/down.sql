DROP TABLE source_absences;
DROP TABLE source_run_lines;
DROP TABLE source_runs;
DROP TABLE sources;
