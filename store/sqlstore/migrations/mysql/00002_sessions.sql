-- +goose Up
-- IF NOT EXISTS because MySQL commits a CREATE TABLE at once: if the connection breaks before the version is noted, this
-- file runs again.
CREATE TABLE IF NOT EXISTS auth_sessions (
    id         varchar(191) NOT NULL PRIMARY KEY,
    expires_at datetime(3) NOT NULL,
    token      varchar(191) NOT NULL UNIQUE,
    created_at datetime(3) NOT NULL,
    updated_at datetime(3) NOT NULL,
    ip_address varchar(255),
    user_agent text,
    user_id    varchar(191) NOT NULL,
    INDEX auth_sessions_user_id (user_id),
    FOREIGN KEY (user_id) REFERENCES auth_users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
