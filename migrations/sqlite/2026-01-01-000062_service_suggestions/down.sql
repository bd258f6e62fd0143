DROP TABLE service_suggestions;
