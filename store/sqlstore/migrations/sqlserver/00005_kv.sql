-- +goose Up
-- Sessions and other records that expire. expires_at is Unix time in milliseconds, by the clock of this server.
CREATE TABLE auth_kv (
    id         varchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    value      varbinary(max) NOT NULL,
    version    bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX auth_kv_expires_at ON auth_kv (expires_at);
