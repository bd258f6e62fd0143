-- Who said how an appointment ended is told with it, also of those that ended before that was noted: the organization of the first entry
-- in the journal that says so. The word on how it went is the words of whoever wrote it last: the organization of the first entry since
-- which it has been the same.
WITH ended AS (
    SELECT sequence AS entry,
        first_value(organization_id) OVER (PARTITION BY resource_id, json_extract(body, '$.concluded_at') ORDER BY version) AS teller
    FROM changes
    WHERE resource_type = 'appointment' AND json_extract(body, '$.status') IN ('attended', 'no_show', 'cancelled')
)
UPDATE changes SET body = json_set(body, '$.concluded_by', teller) FROM ended
WHERE sequence = entry AND json_extract(body, '$.concluded_by') IS NULL;
WITH told AS (
    SELECT sequence, resource_id, version, organization_id, json_extract(body, '$.outcome_note') AS note,
        lag(json_extract(body, '$.outcome_note')) OVER (PARTITION BY resource_id ORDER BY version) AS earlier
    FROM changes WHERE resource_type = 'appointment'
), numbered AS (
    SELECT sequence, resource_id, version, organization_id, note,
        sum(note IS NOT earlier) OVER (PARTITION BY resource_id ORDER BY version) AS number
    FROM told
), written AS (
    SELECT sequence AS entry, note, first_value(organization_id) OVER (PARTITION BY resource_id, number ORDER BY version) AS writer
    FROM numbered
)
UPDATE changes SET body = json_set(body, '$.outcome_noted_by', writer) FROM written
WHERE sequence = entry AND note IS NOT NULL;
UPDATE appointments SET conclusion = json_set(conclusion, '$.concluded_by', (
    SELECT json_extract(body, '$.concluded_by') FROM changes
    WHERE resource_type = 'appointment' AND resource_id = appointments.id ORDER BY changes.version DESC LIMIT 1
)) WHERE status IN ('attended', 'no_show', 'cancelled') AND json_extract(conclusion, '$.concluded_by') IS NULL;
UPDATE appointments SET conclusion = json_set(conclusion, '$.outcome_noted_by', (
    SELECT json_extract(body, '$.outcome_noted_by') FROM changes
    WHERE resource_type = 'appointment' AND resource_id = appointments.id ORDER BY changes.version DESC LIMIT 1
)) WHERE json_extract(conclusion, '$.outcome_note') IS NOT NULL;
