-- No event tells that a patient was erased, for nobody can be. Who asked to hear of that alone hears of deletions.
UPDATE webhook_endpoints SET content = jsonb_set(content, '{event_types}', CASE jsonb_array_length(content -> 'event_types')
    WHEN 1 THEN '["patient.deleted"]'
    ELSE (content -> 'event_types') - 'patient.erased'
END)
WHERE jsonb_typeof(content -> 'event_types') = 'array' AND (content -> 'event_types') ? 'patient.erased';
