-- What package sqlstore sends to sqlserver. Written by its tests, with -update.

-- Store

SELECT id, version, CASE WHEN version = @p1 THEN NULL ELSE value END FROM [auth_kv] WHERE id = CAST(@p2 AS varchar(200)) COLLATE Latin1_General_100_BIN2 AND expires_at > DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME())
-- with int64, string

MERGE INTO [auth_kv] WITH (HOLDLOCK) AS t USING (SELECT CAST(@p1 AS varchar(200)) COLLATE Latin1_General_100_BIN2 AS id, @p2 AS value, @p3 AS version, (DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()) + 999) / 1000 + @p4 AS expires_at) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET value = s.value, version = s.version, expires_at = s.expires_at WHEN NOT MATCHED THEN INSERT (id, value, version, expires_at) VALUES (s.id, s.value, s.version, s.expires_at);
-- with string, []uint8, int64, int64

DELETE FROM [auth_kv] OUTPUT DELETED.id, DELETED.value WHERE id = CAST(@p1 AS varchar(200)) COLLATE Latin1_General_100_BIN2 AND expires_at > DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME())
-- with string

MERGE INTO [auth_kv] WITH (HOLDLOCK) AS t USING (SELECT CAST(@p1 AS varchar(200)) COLLATE Latin1_General_100_BIN2 AS id, @p2 AS value, @p3 AS version, (DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()) + 999) / 1000 + @p4 AS expires_at) AS s ON t.id = s.id WHEN MATCHED AND t.expires_at <= DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) THEN UPDATE SET value = s.value, version = s.version, expires_at = s.expires_at WHEN NOT MATCHED THEN INSERT (id, value, version, expires_at) VALUES (s.id, s.value, s.version, s.expires_at);
-- with string, []uint8, int64, int64

UPDATE [auth_kv] SET value = @p1, version = @p2, expires_at = (DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()) + 999) / 1000 + @p3 WHERE id = CAST(@p4 AS varchar(200)) COLLATE Latin1_General_100_BIN2 AND value = @p5 AND expires_at > DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME()) AND DATALENGTH(value) = @p6
-- with []uint8, int64, int64, string, []uint8, int64

DELETE FROM [auth_kv] WHERE id = CAST(@p1 AS varchar(200)) COLLATE Latin1_General_100_BIN2
-- with string

DELETE TOP (@p1) FROM [auth_kv] WHERE expires_at <= DATEDIFF_BIG(MILLISECOND, '19700101', SYSUTCDATETIME())
-- with int64

-- Users

SELECT a.id AS account_row, a.account_id, a.provider_id, a.user_id, u.name, u.email, u.email_verified, u.image FROM auth_accounts AS a JOIN auth_users AS u ON u.id = a.user_id WHERE a.provider_id = @p1 AND a.account_id = @p2
-- with string, string

INSERT INTO "auth_users" ("id","name","email","email_verified","image","created_at","updated_at") VALUES (@p1,@p2,@p3,@p4,@p5,@p6,@p7);
-- with string, string, <nil>, bool, string, time.Time, time.Time

INSERT INTO "auth_accounts" ("id","account_id","provider_id","user_id","access_token","refresh_token","id_token","access_token_expires_at","refresh_token_expires_at","scope","password","created_at","updated_at") VALUES (@p1,@p2,@p3,@p4,@p5,@p6,@p7,@p8,@p9,@p10,@p11,@p12,@p13);
-- with string, string, string, string, string, string, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE "auth_users" SET "email"=@p1,"email_verified"=@p2,"updated_at"=@p3 WHERE id = @p4
-- with string, bool, time.Time, string

UPDATE "auth_users" SET "email"=NULL,"updated_at"=@p1 WHERE email = @p2 AND email_verified = @p3 AND id <> @p4
-- with time.Time, string, bool, string

UPDATE "auth_accounts" SET "access_token"=@p1,"refresh_token"=@p2,"id_token"=@p3,"access_token_expires_at"=@p4,"scope"=@p5,"updated_at"=@p6 WHERE id = @p7 AND user_id = @p8
-- with string, string, string, time.Time, string, time.Time, string, string

UPDATE "auth_users" SET "image"=@p1,"name"=@p2,"updated_at"=@p3 WHERE id = @p4
-- with string, string, time.Time, string

UPDATE "auth_accounts" SET "access_token"=@p1,"id_token"=@p2,"access_token_expires_at"=@p3,"scope"=@p4,"updated_at"=@p5 WHERE id = @p6 AND user_id = @p7
-- with string, string, time.Time, string, time.Time, string, string

SELECT "id","name","email","email_verified","image" FROM "auth_users" WHERE id = @p1
-- with string

INSERT INTO "auth_accounts" ("id","account_id","provider_id","user_id","access_token","refresh_token","id_token","access_token_expires_at","refresh_token_expires_at","scope","password","created_at","updated_at") VALUES (@p1,@p2,@p3,@p4,@p5,@p6,@p7,@p8,@p9,@p10,@p11,@p12,@p13);
-- with string, string, string, string, string, <nil>, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE "auth_users" SET "image"=COALESCE(image, @p1),"name"=CASE WHEN name = '' THEN @p2 ELSE name END,"updated_at"=@p3 WHERE id = @p4
-- with string, string, time.Time, string

UPDATE "auth_users" SET "email"=@p1,"email_verified"=@p2,"updated_at"=@p3 WHERE id = @p4 AND email IS NULL AND email_verified = @p5
-- with string, bool, time.Time, string, bool

SELECT count(*) FROM "auth_accounts" WHERE provider_id = @p1 AND account_id = @p2
-- with string, string

-- Migrate, up to the first version, and ReadStatus

SELECT CASE WHEN OBJECT_ID('auth_migrations', 'U') IS NULL THEN 0 ELSE 1 END

DECLARE @r int; EXEC @r = sp_getapplock @Resource = 'auth_migrations', @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 1000; SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END

CREATE TABLE auth_migrations (version_id bigint NOT NULL PRIMARY KEY, is_applied bit NOT NULL, tstamp datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME())

INSERT INTO auth_migrations (version_id, is_applied) VALUES (@p1, @p2)
-- with int64, bool

SELECT tstamp, is_applied FROM auth_migrations WHERE version_id = @p1
-- with int64

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

DECLARE @r int; EXEC @r = sp_releaseapplock @Resource = 'auth_migrations', @LockOwner = 'Session'; SELECT CASE WHEN @r >= 0 THEN 1 ELSE 0 END

SELECT version_id, is_applied FROM auth_migrations ORDER BY version_id DESC
