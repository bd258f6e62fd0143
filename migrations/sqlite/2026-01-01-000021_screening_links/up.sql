-- A link by which somebody answers a draft without being a client: the person, at home or in the waiting room. The token is not kept: it
-- is signed, and names this row.
CREATE TABLE screening_links (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    screening_id    TEXT NOT NULL REFERENCES screenings (id) ON DELETE CASCADE,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    expires_at      TEXT NOT NULL,
    revoked_at      TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX screening_links_screening_id_idx ON screening_links (screening_id, id);
CREATE INDEX screening_links_organization_id_idx ON screening_links (organization_id);
CREATE INDEX screening_links_client_id_idx ON screening_links (client_id);
