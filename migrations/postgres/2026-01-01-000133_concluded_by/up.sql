-- Who said how an appointment ended is told with it, also of those that ended before that was noted: the organization of the first entry
-- in the journal that says so. The word on how it went was always theirs.
WITH ended AS (
    SELECT sequence AS entry,
        first_value(organization_id) OVER (PARTITION BY resource_id, body ->> 'concluded_at' ORDER BY version) AS teller
    FROM changes
    WHERE resource_type = 'appointment' AND body ->> 'status' IN ('attended', 'no_show', 'cancelled')
)
UPDATE changes SET body = body || jsonb_build_object('concluded_by', teller) FROM ended
WHERE sequence = entry AND body ->> 'concluded_by' IS NULL;
UPDATE changes SET body = body || jsonb_build_object('outcome_noted_by', body ->> 'concluded_by')
WHERE resource_type = 'appointment' AND body ->> 'outcome_note' IS NOT NULL;
UPDATE appointments SET conclusion = conclusion || jsonb_build_object('concluded_by', (
    SELECT body ->> 'concluded_by' FROM changes
    WHERE resource_type = 'appointment' AND resource_id = appointments.id ORDER BY changes.version DESC LIMIT 1
)) WHERE status IN ('attended', 'no_show', 'cancelled') AND conclusion ->> 'concluded_by' IS NULL;
UPDATE appointments SET conclusion = conclusion || jsonb_build_object('outcome_noted_by', conclusion ->> 'concluded_by')
WHERE conclusion ->> 'outcome_note' IS NOT NULL;
