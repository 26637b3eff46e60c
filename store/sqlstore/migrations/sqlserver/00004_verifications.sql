-- +goose Up
CREATE TABLE auth_verifications (
    id         varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    identifier nvarchar(512) COLLATE Latin1_General_100_BIN2 NOT NULL,
    value      nvarchar(max) NOT NULL,
    expires_at datetime2(3) NOT NULL,
    created_at datetime2(3) NOT NULL,
    updated_at datetime2(3) NOT NULL
);
CREATE INDEX auth_verifications_identifier ON auth_verifications (identifier);
