DROP TABLE capacity_entries;
DROP TABLE services;
