-- Whoever was told a key looks for it without knowing whose it is. Patients are not looked for in an address, and services in memory.
CREATE INDEX identifiers_value_idx ON identifiers (value, system, resource_type, resource_id)
    WHERE resource_type NOT IN ('patient', 'service');
