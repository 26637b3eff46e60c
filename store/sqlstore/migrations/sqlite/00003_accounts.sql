-- +goose Up
CREATE TABLE auth_accounts (
    id                       varchar(191) NOT NULL PRIMARY KEY,
    account_id               varchar(191) NOT NULL,
    provider_id              varchar(191) NOT NULL,
    user_id                  varchar(191) NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
    access_token             text,
    refresh_token            text,
    id_token                 text,
    access_token_expires_at  datetime,
    refresh_token_expires_at datetime,
    scope                    text,
    password                 text,
    created_at               datetime NOT NULL,
    updated_at               datetime NOT NULL,
    CONSTRAINT auth_accounts_provider_account UNIQUE (provider_id, account_id)
);
CREATE INDEX auth_accounts_user_id ON auth_accounts (user_id);
