-- What an id stands for under which an import named what was there already under another: later lines may refer to it by that.
CREATE TABLE loaded_ids (
    owner_id      TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    former_id     TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    CONSTRAINT loaded_ids_owner_id_resource_type_former_id_key PRIMARY KEY (owner_id, resource_type, former_id)
) STRICT;
