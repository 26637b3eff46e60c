-- +goose Up
CREATE TABLE auth_sessions (
    id         varchar(191) NOT NULL PRIMARY KEY,
    expires_at datetime NOT NULL,
    token      varchar(191) NOT NULL UNIQUE,
    created_at datetime NOT NULL,
    updated_at datetime NOT NULL,
    ip_address varchar(255),
    user_agent text,
    user_id    varchar(191) NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE
);
CREATE INDEX auth_sessions_user_id ON auth_sessions (user_id);
