DROP TABLE held_places;
