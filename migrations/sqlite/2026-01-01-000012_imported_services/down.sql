DROP TABLE imported_services;
