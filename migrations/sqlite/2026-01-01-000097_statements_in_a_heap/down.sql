ALTER TABLE imported_services RENAME TO heap;
CREATE TABLE imported_services (
    service_id      TEXT NOT NULL PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    statement       TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO imported_services (service_id, organization_id, source, fingerprint, statement)
    SELECT service_id, organization_id, source, fingerprint, statement FROM heap;
DROP TABLE heap;
CREATE INDEX imported_services_organization_id_source_idx ON imported_services (organization_id, source);
