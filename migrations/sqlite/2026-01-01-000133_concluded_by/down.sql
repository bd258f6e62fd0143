-- Who said how it ended is known.
UPDATE appointments SET conclusion = json_remove(conclusion, '$.outcome_noted_by')
WHERE json_extract(conclusion, '$.outcome_noted_by') IS NOT NULL;
UPDATE changes SET body = json_remove(body, '$.outcome_noted_by')
WHERE resource_type = 'appointment' AND json_extract(body, '$.outcome_noted_by') IS NOT NULL;
