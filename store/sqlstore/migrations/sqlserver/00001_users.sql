-- +goose Up
-- The index on email leaves NULL out: SQL Server takes two of them for equal.
CREATE TABLE auth_users (
    id             varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    name           nvarchar(255) NOT NULL,
    email          nvarchar(320) COLLATE Latin1_General_100_BIN2 NULL,
    email_verified bit NOT NULL,
    image          nvarchar(max) NULL,
    created_at     datetime2(3) NOT NULL,
    updated_at     datetime2(3) NOT NULL
);
CREATE UNIQUE INDEX auth_users_email ON auth_users (email) WHERE email IS NOT NULL;
