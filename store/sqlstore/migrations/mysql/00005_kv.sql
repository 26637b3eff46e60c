-- +goose Up
-- Sessions and other records that expire. expires_at is Unix time in milliseconds, by the clock of this server. id is
-- binary because no collation compares bytes on both MySQL and MariaDB: they fold case or ignore trailing blanks.
-- IF NOT EXISTS because MySQL commits a CREATE TABLE at once: if the connection breaks before the version is noted, this
-- file runs again.
CREATE TABLE IF NOT EXISTS auth_kv (
    id         varbinary(200) NOT NULL PRIMARY KEY,
    value      longblob NOT NULL,
    version    bigint NOT NULL,
    expires_at bigint NOT NULL,
    INDEX auth_kv_expires_at (expires_at)
) ENGINE = InnoDB;
