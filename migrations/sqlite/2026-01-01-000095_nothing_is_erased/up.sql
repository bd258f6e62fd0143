-- No event tells that a patient was erased, for nobody can be. Who asked to hear of that alone hears of deletions.
UPDATE webhook_endpoints SET content = json_set(content, '$.event_types', json(CASE json_array_length(content, '$.event_types')
    WHEN 1 THEN '["patient.deleted"]'
    ELSE (SELECT json_group_array(value) FROM json_each(content, '$.event_types') WHERE value <> 'patient.erased')
END))
WHERE EXISTS (SELECT 1 FROM json_each(content, '$.event_types') WHERE value = 'patient.erased');
