-- Who said how it ended is known.
UPDATE appointments SET conclusion = conclusion - 'outcome_noted_by' WHERE conclusion ->> 'outcome_noted_by' IS NOT NULL;
UPDATE changes SET body = body - 'outcome_noted_by' WHERE resource_type = 'appointment' AND body ->> 'outcome_noted_by' IS NOT NULL;
