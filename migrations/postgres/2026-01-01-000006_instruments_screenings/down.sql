DROP TABLE screenings;
DROP TABLE instruments;
