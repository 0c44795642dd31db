--liquibase formatted sql

--changeset shop:1
CREATE TABLE liquibase_order (id integer PRIMARY KEY, label text NOT NULL);
--rollback DROP TABLE liquibase_order;
