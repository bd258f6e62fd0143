-- The words of a source are long, and its services come in no order: in a table that is its own index each would write a page anew.
ALTER TABLE imported_services RENAME TO clustered;
CREATE TABLE imported_services (
    service_id      TEXT NOT NULL PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    statement       TEXT
) STRICT;
INSERT INTO imported_services (service_id, organization_id, source, fingerprint, statement)
    SELECT service_id, organization_id, source, fingerprint, statement FROM clustered;
DROP TABLE clustered;
CREATE INDEX imported_services_organization_id_source_idx ON imported_services (organization_id, source);
