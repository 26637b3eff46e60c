-- +goose Up
CREATE TABLE auth_accounts (
    id                       varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY,
    account_id               varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL,
    provider_id              varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL,
    user_id                  varchar(191) COLLATE Latin1_General_100_BIN2 NOT NULL REFERENCES auth_users (id) ON DELETE CASCADE,
    access_token             nvarchar(max) NULL,
    refresh_token            nvarchar(max) NULL,
    id_token                 nvarchar(max) NULL,
    access_token_expires_at  datetime2(3) NULL,
    refresh_token_expires_at datetime2(3) NULL,
    scope                    nvarchar(max) NULL,
    password                 nvarchar(max) NULL,
    created_at               datetime2(3) NOT NULL,
    updated_at               datetime2(3) NOT NULL,
    CONSTRAINT auth_accounts_provider_account UNIQUE (provider_id, account_id)
);
CREATE INDEX auth_accounts_user_id ON auth_accounts (user_id);
