-- What package sqlstore sends to mysql. Written by its tests, with -update.

-- Store

SELECT id, version, CASE WHEN version = ? THEN NULL ELSE value END FROM `auth_kv` WHERE id = ? AND expires_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000
-- with int64, string

INSERT INTO `auth_kv` (id, value, version, expires_at) VALUES (?, ?, ?, (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + 999) DIV 1000 + ?) ON DUPLICATE KEY UPDATE value = VALUES(value), version = VALUES(version), expires_at = VALUES(expires_at)
-- with string, []uint8, int64, int64

DELETE FROM `auth_kv` WHERE id = ? AND version = ? AND expires_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000
-- with string, int64

UPDATE `auth_kv` SET value = ?, version = ?, expires_at = (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + 999) DIV 1000 + ? WHERE id = ? AND expires_at <= TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000
-- with []uint8, int64, int64, string

INSERT INTO `auth_kv` (id, value, version, expires_at) VALUES (?, ?, ?, (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + 999) DIV 1000 + ?)
-- with string, []uint8, int64, int64

UPDATE `auth_kv` SET value = ?, version = ?, expires_at = (TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) + 999) DIV 1000 + ? WHERE id = ? AND value = ? AND expires_at > TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000
-- with []uint8, int64, int64, string, []uint8

DELETE FROM `auth_kv` WHERE id = ?
-- with string

DELETE FROM `auth_kv` WHERE expires_at <= TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000 ORDER BY expires_at LIMIT ?
-- with int64

-- Users

SELECT a.id AS account_row, a.account_id, a.provider_id, a.user_id, u.name, u.email, u.email_verified, u.image FROM auth_accounts AS a JOIN auth_users AS u ON u.id = a.user_id WHERE a.provider_id = ? AND a.account_id = ?
-- with string, string

INSERT INTO `auth_users` (`id`,`name`,`email`,`email_verified`,`image`,`created_at`,`updated_at`) VALUES (?,?,?,?,?,?,?)
-- with string, string, <nil>, bool, string, time.Time, time.Time

INSERT INTO `auth_accounts` (`id`,`account_id`,`provider_id`,`user_id`,`access_token`,`refresh_token`,`id_token`,`access_token_expires_at`,`refresh_token_expires_at`,`scope`,`password`,`created_at`,`updated_at`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
-- with string, string, string, string, string, string, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE `auth_users` SET `email`=?,`email_verified`=?,`updated_at`=? WHERE id = ?
-- with string, bool, time.Time, string

UPDATE `auth_users` SET `email`=NULL,`updated_at`=? WHERE email = ? AND email_verified = ? AND id <> ?
-- with time.Time, string, bool, string

UPDATE `auth_accounts` SET `access_token`=?,`refresh_token`=?,`id_token`=?,`access_token_expires_at`=?,`scope`=?,`updated_at`=? WHERE id = ? AND user_id = ?
-- with string, string, string, time.Time, string, time.Time, string, string

UPDATE `auth_users` SET `image`=?,`name`=?,`updated_at`=? WHERE id = ?
-- with string, string, time.Time, string

UPDATE `auth_accounts` SET `access_token`=?,`id_token`=?,`access_token_expires_at`=?,`scope`=?,`updated_at`=? WHERE id = ? AND user_id = ?
-- with string, string, time.Time, string, time.Time, string, string

SELECT `id`,`name`,`email`,`email_verified`,`image` FROM `auth_users` WHERE id = ?
-- with string

INSERT INTO `auth_accounts` (`id`,`account_id`,`provider_id`,`user_id`,`access_token`,`refresh_token`,`id_token`,`access_token_expires_at`,`refresh_token_expires_at`,`scope`,`password`,`created_at`,`updated_at`) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
-- with string, string, string, string, string, <nil>, string, time.Time, <nil>, string, <nil>, time.Time, time.Time

UPDATE `auth_users` SET `image`=COALESCE(image, ?),`name`=CASE WHEN name = '' THEN ? ELSE name END,`updated_at`=? WHERE id = ?
-- with string, string, time.Time, string

UPDATE `auth_users` SET `email`=?,`email_verified`=?,`updated_at`=? WHERE id = ? AND email IS NULL AND email_verified = ?
-- with string, bool, time.Time, string, bool

SELECT count(*) FROM `auth_accounts` WHERE provider_id = ? AND account_id = ?
-- with string, string

-- Migrate, up to the first version, and ReadStatus

SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'auth_migrations'

SELECT GET_LOCK(CONCAT('auth_migrations ', MD5(DATABASE())), 1)

CREATE TABLE auth_migrations (version_id bigint NOT NULL PRIMARY KEY, is_applied boolean NOT NULL, tstamp datetime NOT NULL DEFAULT CURRENT_TIMESTAMP)

INSERT INTO auth_migrations (version_id, is_applied) VALUES (?, ?)
-- with int64, bool

SELECT tstamp, is_applied FROM auth_migrations WHERE version_id = ?
-- with int64

CREATE TABLE IF NOT EXISTS auth_users (
    id             varchar(191) NOT NULL PRIMARY KEY,
    name           varchar(255) NOT NULL,
    email          varchar(320) UNIQUE,
    email_verified boolean NOT NULL,
    image          text,
    created_at     datetime(3) NOT NULL,
    updated_at     datetime(3) NOT NULL
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

SELECT RELEASE_LOCK(CONCAT('auth_migrations ', MD5(DATABASE())))

SELECT version_id, is_applied FROM auth_migrations ORDER BY version_id DESC
