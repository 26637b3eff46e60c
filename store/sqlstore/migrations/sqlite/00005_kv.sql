-- +goose Up
-- Sessions and other records that expire. expires_at is Unix time in milliseconds.
CREATE TABLE auth_kv (
    id         varchar(200) NOT NULL PRIMARY KEY,
    value      blob NOT NULL,
    version    bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX auth_kv_expires_at ON auth_kv (expires_at);
