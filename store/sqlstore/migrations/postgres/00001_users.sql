-- +goose Up
CREATE TABLE auth_users (
    id             varchar(191) NOT NULL PRIMARY KEY,
    name           varchar(255) NOT NULL,
    email          varchar(320) UNIQUE,
    email_verified boolean NOT NULL,
    image          text,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
