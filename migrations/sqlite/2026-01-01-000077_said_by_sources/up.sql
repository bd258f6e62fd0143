-- What a source last said of a service that says something else here, since somebody has changed it: null where it says what its source said.
ALTER TABLE imported_services ADD COLUMN statement TEXT;
