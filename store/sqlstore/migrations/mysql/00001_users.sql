-- +goose Up
-- IF NOT EXISTS because MySQL commits a CREATE TABLE at once: if the connection breaks before the version is noted, this
-- file runs again.
CREATE TABLE IF NOT EXISTS auth_users (
    id             varchar(191) NOT NULL PRIMARY KEY,
    name           varchar(255) NOT NULL,
    email          varchar(320) UNIQUE,
    email_verified boolean NOT NULL,
    image          text,
    created_at     datetime(3) NOT NULL,
    updated_at     datetime(3) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
