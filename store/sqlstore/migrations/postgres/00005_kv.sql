-- +goose Up
-- Sessions and other records that expire. expires_at is Unix time in milliseconds, by the clock of this server. Values are
-- encrypted or random for the most part, so compressing them would be in vain.
CREATE TABLE auth_kv (
    id         varchar(200) COLLATE "C" NOT NULL PRIMARY KEY,
    value      bytea NOT NULL,
    version    bigint NOT NULL,
    expires_at bigint NOT NULL
);
ALTER TABLE auth_kv ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX auth_kv_expires_at ON auth_kv (expires_at);
