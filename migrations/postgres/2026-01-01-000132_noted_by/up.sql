-- The note of an appointment is the words of whoever wrote it last: the organization of the first entry in the journal since which it has
-- been the same.
ALTER TABLE appointments ADD COLUMN noted_by UUID;
WITH told AS (
    SELECT sequence, resource_id, version, organization_id, body ->> 'note' AS note,
        lag(body ->> 'note') OVER (PARTITION BY resource_id ORDER BY version) AS earlier
    FROM changes WHERE resource_type = 'appointment'
), numbered AS (
    SELECT sequence, resource_id, version, organization_id, note,
        sum((note IS DISTINCT FROM earlier)::int) OVER (PARTITION BY resource_id ORDER BY version) AS number
    FROM told
), written AS (
    SELECT sequence AS entry, note, first_value(organization_id) OVER (PARTITION BY resource_id, number ORDER BY version) AS writer
    FROM numbered
)
UPDATE changes SET body = body || jsonb_build_object('noted_by', writer) FROM written
WHERE sequence = entry AND note IS NOT NULL;
UPDATE appointments SET noted_by = (
    SELECT (body ->> 'noted_by')::uuid FROM changes
    WHERE resource_type = 'appointment' AND resource_id = appointments.id ORDER BY changes.version DESC LIMIT 1
) WHERE content ->> 'note' IS NOT NULL;
