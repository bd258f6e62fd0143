-- Links for people who are no clients: signed, expiring, revocable, each for one thing with one resource. The token is not kept: it is
-- signed, and names this row. organization_id is the one whose client made it; subject_id a referral, a service or a practitioner.
CREATE TABLE links (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    purpose         TEXT NOT NULL CHECK (purpose IN ('answer_referral', 'read_service_calendar', 'read_practitioner_calendar')),
    subject_id      TEXT NOT NULL,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    recipient       TEXT,
    expires_at      TEXT NOT NULL,
    revoked_at      TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX links_subject_id_idx ON links (subject_id, purpose, id);
CREATE INDEX links_organization_id_idx ON links (organization_id);
CREATE INDEX links_client_id_idx ON links (client_id);
