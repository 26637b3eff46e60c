-- +goose Up
-- IF NOT EXISTS because MySQL commits a CREATE TABLE at once: if the connection breaks before the version is noted, this
-- file runs again.
CREATE TABLE IF NOT EXISTS auth_accounts (
    id                       varchar(191) NOT NULL PRIMARY KEY,
    account_id               varchar(191) NOT NULL,
    provider_id              varchar(191) NOT NULL,
    user_id                  varchar(191) NOT NULL,
    access_token             mediumtext,
    refresh_token            mediumtext,
    id_token                 mediumtext,
    access_token_expires_at  datetime(3),
    refresh_token_expires_at datetime(3),
    scope                    text,
    password                 text,
    created_at               datetime(3) NOT NULL,
    updated_at               datetime(3) NOT NULL,
    UNIQUE auth_accounts_provider_account (provider_id, account_id),
    INDEX auth_accounts_user_id (user_id),
    FOREIGN KEY (user_id) REFERENCES auth_users (id) ON DELETE CASCADE
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
