DROP TABLE appointments;
DROP TABLE slots;
