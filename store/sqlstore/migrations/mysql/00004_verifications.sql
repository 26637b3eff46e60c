-- +goose Up
-- IF NOT EXISTS because MySQL commits a CREATE TABLE at once: if the connection breaks before the version is noted, this
-- file runs again.
CREATE TABLE IF NOT EXISTS auth_verifications (
    id         varchar(191) NOT NULL PRIMARY KEY,
    identifier varchar(512) NOT NULL,
    value      text NOT NULL,
    expires_at datetime(3) NOT NULL,
    created_at datetime(3) NOT NULL,
    updated_at datetime(3) NOT NULL,
    INDEX auth_verifications_identifier (identifier)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
