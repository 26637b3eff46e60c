-- What package sqlstore sends to postgres. Written by its tests, with -update.

-- Store

SELECT id, version, CASE WHEN version = $1 THEN NULL ELSE value END FROM "auth_kv" WHERE id = $2 AND expires_at > floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
-- with int64, string

INSERT INTO "auth_kv" AS t (id, value, version, expires_at) VALUES ($1, $2, $3, ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4) ON CONFLICT (id) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at
-- with string, []uint8, int64, int64

DELETE FROM "auth_kv" WHERE id = $1 AND expires_at > floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint RETURNING id, value
-- with string

INSERT INTO "auth_kv" AS t (id, value, version, expires_at) VALUES ($1, $2, $3, ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4) ON CONFLICT (id) DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at WHERE t.expires_at <= floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
-- with string, []uint8, int64, int64

UPDATE "auth_kv" SET value = $1, version = $2, expires_at = ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3 WHERE id = $4 AND value = $5 AND expires_at > floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
-- with []uint8, int64, int64, string, []uint8

DELETE FROM "auth_kv" WHERE id = $1
-- with string

DELETE FROM "auth_kv" WHERE id IN (SELECT id FROM "auth_kv" WHERE expires_at <= (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
-- with int64

-- Users

SELECT a.id AS account_row, a.account_id, a.provider_id, a.user_id, u.name, u.email, u.email_verified, u.image FROM auth_accounts AS a JOIN auth_users AS u ON u.id = a.user_id WHERE a.provider_id = $1 AND a.account_id = $2
-- with string, string

INSERT INTO "auth_users" ("id","name","email","email_verified","image","created_at","updated_at") VALUES ($1,$2,$3,$4,$5,$6,$7)
-- with string, string, <nil>, bool, string, time.Time, time.Time

INSERT INTO "auth_accounts" ("id","account_id","provider_id","user_id","access_token","refresh_token","id_token","access_token_expires_at","refresh_token_expires_at","scope","password","created_at","updated_at") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)
-- with string, string, string, string, string, string, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE "auth_users" SET "email"=$1,"email_verified"=$2,"updated_at"=$3 WHERE id = $4
-- with string, bool, time.Time, string

UPDATE "auth_users" SET "email"=NULL,"updated_at"=$1 WHERE email = $2 AND email_verified = $3 AND id <> $4
-- with time.Time, string, bool, string

UPDATE "auth_accounts" SET "access_token"=$1,"refresh_token"=$2,"id_token"=$3,"access_token_expires_at"=$4,"scope"=$5,"updated_at"=$6 WHERE id = $7 AND user_id = $8
-- with string, string, string, time.Time, string, time.Time, string, string

UPDATE "auth_users" SET "image"=$1,"name"=$2,"updated_at"=$3 WHERE id = $4
-- with string, string, time.Time, string

UPDATE "auth_accounts" SET "access_token"=$1,"id_token"=$2,"access_token_expires_at"=$3,"scope"=$4,"updated_at"=$5 WHERE id = $6 AND user_id = $7
-- with string, string, time.Time, string, time.Time, string, string

SELECT "id","name","email","email_verified","image" FROM "auth_users" WHERE id = $1
-- with string

INSERT INTO "auth_accounts" ("id","account_id","provider_id","user_id","access_token","refresh_token","id_token","access_token_expires_at","refresh_token_expires_at","scope","password","created_at","updated_at") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)
-- with string, string, string, string, string, <nil>, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE "auth_users" SET "image"=COALESCE(image, $1),"name"=CASE WHEN name = '' THEN $2 ELSE name END,"updated_at"=$3 WHERE id = $4
-- with string, string, time.Time, string

UPDATE "auth_users" SET "email"=$1,"email_verified"=$2,"updated_at"=$3 WHERE id = $4 AND email IS NULL AND email_verified = $5
-- with string, bool, time.Time, string, bool

SELECT count(*) FROM "auth_accounts" WHERE provider_id = $1 AND account_id = $2
-- with string, string

-- Migrate, up to the first version, and ReadStatus

SELECT to_regclass('auth_migrations') IS NOT NULL

SELECT CASE WHEN pg_try_advisory_lock(4906142771216583512) THEN 1 ELSE (SELECT 0 FROM pg_sleep(0.05)) END

CREATE TABLE auth_migrations (version_id bigint NOT NULL PRIMARY KEY, is_applied boolean NOT NULL, tstamp timestamptz NOT NULL DEFAULT now())

INSERT INTO auth_migrations (version_id, is_applied) VALUES ($1, $2)
-- with int64, bool

SELECT tstamp, is_applied FROM auth_migrations WHERE version_id = $1
-- with int64

CREATE TABLE auth_users (
    id             varchar(191) NOT NULL PRIMARY KEY,
    name           varchar(255) NOT NULL,
    email          varchar(320) UNIQUE,
    email_verified boolean NOT NULL,
    image          text,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);

SELECT CASE WHEN pg_advisory_unlock(4906142771216583512) THEN 1 ELSE 0 END

SELECT version_id, is_applied FROM auth_migrations ORDER BY version_id DESC
