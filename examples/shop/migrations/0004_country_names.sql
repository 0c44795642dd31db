-- Data that the schema needs, and the foreign key that holds customers to it.
CREATE TABLE country (code char(2) PRIMARY KEY, name text NOT NULL);
INSERT INTO country VALUES ('AT', 'Austria'), ('CH', 'Switzerland'), ('DE', 'Germany'), ('FR', 'France');
ALTER TABLE customer ADD FOREIGN KEY (country) REFERENCES country;
