-- count key
UPDATE "apikey" SET "requestCount" = COALESCE("requestCount", 0) + 1, "lastRequest" = 'x', "updatedAt" = 'x' WHERE "id" = 'x' AND "lastRequest" >= 'x' AND COALESCE("requestCount", 0) < 'x';

-- delete expired session
DELETE FROM "session" WHERE "id" = 'x' AND "token" = 'x' AND "expiresAt" < 'x';

-- delete key
DELETE FROM "apikey" WHERE "id" = 'x';

-- delete session
DELETE FROM "session" WHERE "id" = 'x' AND "token" = 'x';

-- delete sessions of user
DELETE FROM "session" WHERE "userId" = 'x' AND CAST("userId" AS text) = 'x';

-- end preserved session
UPDATE "session" SET "expiresAt" = 'x' WHERE "id" = 'x' AND "token" = 'x';

-- extend session
UPDATE "session" SET "expiresAt" = 'x', "updatedAt" = 'x' WHERE "id" = 'x' AND "token" = 'x';

-- key by id
SELECT CAST(k."id" AS text), CAST(k."configId" AS text), k."name", k."start", CAST(k."referenceId" AS text), k."prefix", k."key", k."refillInterval", k."refillAmount", CASE WHEN isfinite(k."lastRefillAt") THEN FLOOR(date_part('epoch', k."lastRefillAt") * 1000 + 0.01)::bigint WHEN k."lastRefillAt" = '-infinity' THEN -1 END, k."enabled", k."rateLimitEnabled", k."rateLimitTimeWindow", k."rateLimitMax", k."requestCount", k."remaining", CASE WHEN isfinite(k."lastRequest") THEN FLOOR(date_part('epoch', k."lastRequest") * 1000 + 0.01)::bigint WHEN k."lastRequest" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."expiresAt") THEN FLOOR(date_part('epoch', k."expiresAt") * 1000 + 0.01)::bigint WHEN k."expiresAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."createdAt") THEN FLOOR(date_part('epoch', k."createdAt") * 1000 + 0.01)::bigint WHEN k."createdAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."updatedAt") THEN FLOOR(date_part('epoch', k."updatedAt") * 1000 + 0.01)::bigint WHEN k."updatedAt" = '-infinity' THEN -1 END, k."permissions", k."metadata" FROM "apikey" k WHERE k."id" = 'x';

-- key by key
SELECT CAST(k."id" AS text), CAST(k."configId" AS text), k."name", k."start", CAST(k."referenceId" AS text), k."prefix", k."key", k."refillInterval", k."refillAmount", CASE WHEN isfinite(k."lastRefillAt") THEN FLOOR(date_part('epoch', k."lastRefillAt") * 1000 + 0.01)::bigint WHEN k."lastRefillAt" = '-infinity' THEN -1 END, k."enabled", k."rateLimitEnabled", k."rateLimitTimeWindow", k."rateLimitMax", k."requestCount", k."remaining", CASE WHEN isfinite(k."lastRequest") THEN FLOOR(date_part('epoch', k."lastRequest") * 1000 + 0.01)::bigint WHEN k."lastRequest" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."expiresAt") THEN FLOOR(date_part('epoch', k."expiresAt") * 1000 + 0.01)::bigint WHEN k."expiresAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."createdAt") THEN FLOOR(date_part('epoch', k."createdAt") * 1000 + 0.01)::bigint WHEN k."createdAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(k."updatedAt") THEN FLOOR(date_part('epoch', k."updatedAt") * 1000 + 0.01)::bigint WHEN k."updatedAt" = '-infinity' THEN -1 END, k."permissions", k."metadata" FROM "apikey" k WHERE k."key" = 'x';

-- organization roles
SELECT CAST(r."organizationId" AS text), r."role", r."permission" FROM "organizationRole" r WHERE r."organizationId" = 'x';

-- refill
UPDATE "apikey" SET "remaining" = 'x', "lastRefillAt" = 'x' WHERE "id" = 'x' AND "lastRefillAt" = 'x';

-- refill first
UPDATE "apikey" SET "remaining" = 'x', "lastRefillAt" = 'x' WHERE "id" = 'x' AND "lastRefillAt" IS NULL;

-- restart window
UPDATE "apikey" SET "requestCount" = 1, "lastRequest" = 'x', "updatedAt" = 'x' WHERE "id" = 'x' AND "lastRequest" < 'x';

-- save key
UPDATE "apikey" SET "updatedAt" = 'x' WHERE "id" = 'x';

-- session by id
SELECT CAST(s."id" AS text), CASE WHEN isfinite(s."expiresAt") THEN FLOOR(date_part('epoch', s."expiresAt") * 1000 + 0.01)::bigint WHEN s."expiresAt" = '-infinity' THEN -1 END, s."token", CASE WHEN isfinite(s."createdAt") THEN FLOOR(date_part('epoch', s."createdAt") * 1000 + 0.01)::bigint WHEN s."createdAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(s."updatedAt") THEN FLOOR(date_part('epoch', s."updatedAt") * 1000 + 0.01)::bigint WHEN s."updatedAt" = '-infinity' THEN -1 END, s."ipAddress", s."userAgent", CAST(s."userId" AS text), CAST(s."activeOrganizationId" AS text), CAST(s."activeTeamId" AS text), s."impersonatedBy" FROM "session" s WHERE s."id" = 'x';

-- session by token
SELECT CAST(s."id" AS text), CASE WHEN isfinite(s."expiresAt") THEN FLOOR(date_part('epoch', s."expiresAt") * 1000 + 0.01)::bigint WHEN s."expiresAt" = '-infinity' THEN -1 END, s."token", CASE WHEN isfinite(s."createdAt") THEN FLOOR(date_part('epoch', s."createdAt") * 1000 + 0.01)::bigint WHEN s."createdAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(s."updatedAt") THEN FLOOR(date_part('epoch', s."updatedAt") * 1000 + 0.01)::bigint WHEN s."updatedAt" = '-infinity' THEN -1 END, s."ipAddress", s."userAgent", CAST(s."userId" AS text), CAST(s."activeOrganizationId" AS text), CAST(s."activeTeamId" AS text), s."impersonatedBy", CAST(u."id" AS text), u."name", u."email", u."emailVerified", u."image", u."bio", u."role", u."banned", u."banReason", CASE WHEN isfinite(u."banExpires") THEN FLOOR(date_part('epoch', u."banExpires") * 1000 + 0.01)::bigint WHEN u."banExpires" = '-infinity' THEN -1 END, u."twoFactorEnabled", u."username", u."displayUsername", u."isAnonymous", CAST(m."id" AS text), CAST(m."organizationId" AS text), CAST(m."userId" AS text), m."role", CAST(tm."teamId" AS text), CAST(tm."userId" AS text), CAST(t."id" AS text), CAST(t."organizationId" AS text) FROM "session" s INNER JOIN "user" u ON u."id" = s."userId" LEFT JOIN "member" m ON m."userId" = s."userId" AND CAST(m."organizationId" AS text) = CAST(s."activeOrganizationId" AS text) LEFT JOIN "teamMember" tm ON tm."userId" = s."userId" AND CAST(tm."teamId" AS text) = CAST(s."activeTeamId" AS text) LEFT JOIN "team" t ON t."id" = tm."teamId" AND t."organizationId" = m."organizationId" WHERE s."token" = 'x';

-- sessions by user
SELECT CAST(s."id" AS text), CASE WHEN isfinite(s."expiresAt") THEN FLOOR(date_part('epoch', s."expiresAt") * 1000 + 0.01)::bigint WHEN s."expiresAt" = '-infinity' THEN -1 END, s."token", CASE WHEN isfinite(s."createdAt") THEN FLOOR(date_part('epoch', s."createdAt") * 1000 + 0.01)::bigint WHEN s."createdAt" = '-infinity' THEN -1 END, CASE WHEN isfinite(s."updatedAt") THEN FLOOR(date_part('epoch', s."updatedAt") * 1000 + 0.01)::bigint WHEN s."updatedAt" = '-infinity' THEN -1 END, s."ipAddress", s."userAgent", CAST(s."userId" AS text), CAST(s."activeOrganizationId" AS text), CAST(s."activeTeamId" AS text), s."impersonatedBy" FROM "session" s WHERE s."userId" = 'x';

-- start window
UPDATE "apikey" SET "requestCount" = 1, "lastRequest" = 'x', "updatedAt" = 'x' WHERE "id" = 'x' AND "lastRequest" IS NULL;

-- take use
UPDATE "apikey" SET "remaining" = "remaining" - 1 WHERE "id" = 'x' AND "remaining" > 0;

-- touch key
UPDATE "apikey" SET "lastRequest" = 'x', "updatedAt" = 'x' WHERE "id" = 'x';

-- user with membership
SELECT CAST(u."id" AS text), u."name", u."email", u."emailVerified", u."image", u."bio", u."role", u."banned", u."banReason", CASE WHEN isfinite(u."banExpires") THEN FLOOR(date_part('epoch', u."banExpires") * 1000 + 0.01)::bigint WHEN u."banExpires" = '-infinity' THEN -1 END, u."twoFactorEnabled", u."username", u."displayUsername", u."isAnonymous", CAST(m."id" AS text), CAST(m."organizationId" AS text), CAST(m."userId" AS text), m."role", CAST(tm."teamId" AS text), CAST(tm."userId" AS text), CAST(t."id" AS text), CAST(t."organizationId" AS text) FROM "user" u LEFT JOIN "member" m ON m."userId" = u."id" AND CAST(m."organizationId" AS text) = CAST('x' AS text) LEFT JOIN "teamMember" tm ON tm."userId" = u."id" AND CAST(tm."teamId" AS text) = CAST('x' AS text) LEFT JOIN "team" t ON t."id" = tm."teamId" AND t."organizationId" = m."organizationId" WHERE u."id" = 'x';

