-- +goose Up
CREATE TABLE auth_sessions (
    id         varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    expires_at datetime2(3) NOT NULL,
    token      varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL UNIQUE,
    created_at datetime2(3) NOT NULL,
    updated_at datetime2(3) NOT NULL,
    ip_address nvarchar(255) NULL,
    user_agent nvarchar(max) NULL,
    user_id    varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE
);
CREATE INDEX auth_sessions_user_id ON auth_sessions (user_id);
