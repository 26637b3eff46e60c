-- +goose Up
CREATE TABLE auth_verifications (
    id         varchar(191) NOT NULL PRIMARY KEY,
    identifier varchar(512) NOT NULL,
    value      text NOT NULL,
    expires_at datetime NOT NULL,
    created_at datetime NOT NULL,
    updated_at datetime NOT NULL
);
CREATE INDEX auth_verifications_identifier ON auth_verifications (identifier);
