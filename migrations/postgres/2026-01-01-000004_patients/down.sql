DROP TABLE patient_navigators;
DROP TABLE patient_need_levels;
DROP TABLE patient_keys;
DROP TABLE patients;
