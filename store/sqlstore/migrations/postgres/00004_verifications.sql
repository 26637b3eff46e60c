-- +goose Up
CREATE TABLE auth_verifications (
    id         varchar(191) NOT NULL PRIMARY KEY,
    identifier varchar(512) NOT NULL,
    value      text NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX auth_verifications_identifier ON auth_verifications (identifier);
