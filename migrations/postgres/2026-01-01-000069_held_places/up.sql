-- The client that holds a place until a moment: one client holds so many at once and no more. What has become of the appointment since
-- says that itself.
CREATE TABLE held_places (
    appointment_id UUID NOT NULL PRIMARY KEY,
    client_id      UUID NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    held_until     TIMESTAMPTZ NOT NULL
);
CREATE INDEX held_places_client_id_idx ON held_places (client_id, held_until);
