-- count key
UPDATE `apikey` SET `requestCount` = COALESCE(`requestCount`, 0) + 1, `lastRequest` = "x", `updatedAt` = "x" WHERE `id` = "x" AND `lastRequest` >= "x" AND COALESCE(`requestCount`, 0) < "x";

-- delete expired session
DELETE FROM `session` WHERE `id` = "x" AND `token` = "x" AND `expiresAt` < "x";

-- delete key
DELETE FROM `apikey` WHERE `id` = "x";

-- delete session
DELETE FROM `session` WHERE `id` = "x" AND `token` = "x";

-- delete sessions of user
DELETE FROM `session` WHERE `userId` = "x" AND CAST(`userId` AS text) = "x";

-- end preserved session
UPDATE `session` SET `expiresAt` = "x" WHERE `id` = "x" AND `token` = "x";

-- extend session
UPDATE `session` SET `expiresAt` = "x", `updatedAt` = "x" WHERE `id` = "x" AND `token` = "x";

-- key by id
SELECT k.`id`, k.`configId`, k.`name`, k.`start`, k.`referenceId`, k.`prefix`, k.`key`, k.`refillInterval`, k.`refillAmount`, CAST(k.`lastRefillAt` AS TEXT), k.`enabled`, k.`rateLimitEnabled`, k.`rateLimitTimeWindow`, k.`rateLimitMax`, k.`requestCount`, k.`remaining`, CAST(k.`lastRequest` AS TEXT), CAST(k.`expiresAt` AS TEXT), CAST(k.`createdAt` AS TEXT), CAST(k.`updatedAt` AS TEXT), k.`permissions`, k.`metadata` FROM `apikey` k WHERE k.`id` = "x";

-- key by key
SELECT k.`id`, k.`configId`, k.`name`, k.`start`, k.`referenceId`, k.`prefix`, k.`key`, k.`refillInterval`, k.`refillAmount`, CAST(k.`lastRefillAt` AS TEXT), k.`enabled`, k.`rateLimitEnabled`, k.`rateLimitTimeWindow`, k.`rateLimitMax`, k.`requestCount`, k.`remaining`, CAST(k.`lastRequest` AS TEXT), CAST(k.`expiresAt` AS TEXT), CAST(k.`createdAt` AS TEXT), CAST(k.`updatedAt` AS TEXT), k.`permissions`, k.`metadata` FROM `apikey` k WHERE k.`key` = "x";

-- organization roles
SELECT r.`organizationId`, r.`role`, r.`permission` FROM `organizationRole` r WHERE r.`organizationId` = "x";

-- refill
UPDATE `apikey` SET `remaining` = "x", `lastRefillAt` = "x" WHERE `id` = "x" AND `lastRefillAt` = "x";

-- refill first
UPDATE `apikey` SET `remaining` = "x", `lastRefillAt` = "x" WHERE `id` = "x" AND `lastRefillAt` IS NULL;

-- restart window
UPDATE `apikey` SET `requestCount` = 1, `lastRequest` = "x", `updatedAt` = "x" WHERE `id` = "x" AND `lastRequest` < "x";

-- save key
UPDATE `apikey` SET `updatedAt` = "x" WHERE `id` = "x";

-- session by id
SELECT s.`id`, CAST(s.`expiresAt` AS TEXT), s.`token`, CAST(s.`createdAt` AS TEXT), CAST(s.`updatedAt` AS TEXT), s.`ipAddress`, s.`userAgent`, s.`userId`, s.`activeOrganizationId`, s.`activeTeamId`, s.`impersonatedBy` FROM `session` s WHERE s.`id` = "x";

-- session by token
SELECT s.`id`, CAST(s.`expiresAt` AS TEXT), s.`token`, CAST(s.`createdAt` AS TEXT), CAST(s.`updatedAt` AS TEXT), s.`ipAddress`, s.`userAgent`, s.`userId`, s.`activeOrganizationId`, s.`activeTeamId`, s.`impersonatedBy`, u.`id`, u.`name`, u.`email`, u.`emailVerified`, u.`image`, u.`bio`, u.`role`, u.`banned`, u.`banReason`, CAST(u.`banExpires` AS TEXT), u.`twoFactorEnabled`, u.`username`, u.`displayUsername`, u.`isAnonymous`, m.`id`, m.`organizationId`, m.`userId`, m.`role`, tm.`teamId`, tm.`userId`, t.`id`, t.`organizationId` FROM `session` s INNER JOIN `user` u ON u.`id` = s.`userId` LEFT JOIN `member` m ON m.`userId` = s.`userId` AND m.`organizationId` = s.`activeOrganizationId` LEFT JOIN `teamMember` tm ON tm.`userId` = s.`userId` AND tm.`teamId` = s.`activeTeamId` LEFT JOIN `team` t ON t.`id` = tm.`teamId` AND t.`organizationId` = m.`organizationId` WHERE s.`token` = "x";

-- sessions by user
SELECT s.`id`, CAST(s.`expiresAt` AS TEXT), s.`token`, CAST(s.`createdAt` AS TEXT), CAST(s.`updatedAt` AS TEXT), s.`ipAddress`, s.`userAgent`, s.`userId`, s.`activeOrganizationId`, s.`activeTeamId`, s.`impersonatedBy` FROM `session` s WHERE s.`userId` = "x";

-- start window
UPDATE `apikey` SET `requestCount` = 1, `lastRequest` = "x", `updatedAt` = "x" WHERE `id` = "x" AND `lastRequest` IS NULL;

-- take use
UPDATE `apikey` SET `remaining` = `remaining` - 1 WHERE `id` = "x" AND `remaining` > 0;

-- touch key
UPDATE `apikey` SET `lastRequest` = "x", `updatedAt` = "x" WHERE `id` = "x";

-- user with membership
SELECT u.`id`, u.`name`, u.`email`, u.`emailVerified`, u.`image`, u.`bio`, u.`role`, u.`banned`, u.`banReason`, CAST(u.`banExpires` AS TEXT), u.`twoFactorEnabled`, u.`username`, u.`displayUsername`, u.`isAnonymous`, m.`id`, m.`organizationId`, m.`userId`, m.`role`, tm.`teamId`, tm.`userId`, t.`id`, t.`organizationId` FROM `user` u LEFT JOIN `member` m ON m.`userId` = u.`id` AND m.`organizationId` = "x" LEFT JOIN `teamMember` tm ON tm.`userId` = u.`id` AND tm.`teamId` = "x" LEFT JOIN `team` t ON t.`id` = tm.`teamId` AND t.`organizationId` = m.`organizationId` WHERE u.`id` = "x";

