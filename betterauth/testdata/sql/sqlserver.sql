-- count key
UPDATE [apikey] SET [requestCount] = COALESCE([requestCount], 0) + 1, [lastRequest] = 'x', [updatedAt] = 'x' WHERE [id] = 'x' AND [lastRequest] >= 'x' AND COALESCE([requestCount], 0) < 'x';

-- delete expired session
DELETE FROM [session] WHERE [id] = 'x' AND [token] = CAST('x' AS varchar(8000)) AND [expiresAt] < 'x';

-- delete key
DELETE FROM [apikey] WHERE [id] = 'x';

-- delete session
DELETE FROM [session] WHERE [id] = 'x' AND [token] = CAST('x' AS varchar(8000));

-- delete sessions of user
DELETE FROM [session] WHERE [userId] = 'x' AND CAST([userId] AS nvarchar(450)) COLLATE Latin1_General_100_BIN2 = 'x';

-- end preserved session
UPDATE [session] SET [expiresAt] = 'x' WHERE [id] = 'x' AND [token] = CAST('x' AS varchar(8000));

-- extend session
UPDATE [session] SET [expiresAt] = 'x', [updatedAt] = 'x' WHERE [id] = 'x' AND [token] = CAST('x' AS varchar(8000));

-- key by id
SELECT CAST(k.[id] AS nvarchar(450)), CAST(k.[configId] AS nvarchar(450)), k.[name], k.[start], CAST(k.[referenceId] AS nvarchar(450)), k.[prefix], k.[key], k.[refillInterval], k.[refillAmount], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[lastRefillAt]), k.[enabled], k.[rateLimitEnabled], k.[rateLimitTimeWindow], k.[rateLimitMax], k.[requestCount], k.[remaining], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[lastRequest]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[expiresAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[createdAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[updatedAt]), k.[permissions], k.[metadata] FROM [apikey] k WHERE k.[id] = 'x';

-- key by key
SELECT CAST(k.[id] AS nvarchar(450)), CAST(k.[configId] AS nvarchar(450)), k.[name], k.[start], CAST(k.[referenceId] AS nvarchar(450)), k.[prefix], k.[key], k.[refillInterval], k.[refillAmount], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[lastRefillAt]), k.[enabled], k.[rateLimitEnabled], k.[rateLimitTimeWindow], k.[rateLimitMax], k.[requestCount], k.[remaining], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[lastRequest]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[expiresAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[createdAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', k.[updatedAt]), k.[permissions], k.[metadata] FROM [apikey] k WHERE k.[key] = CAST('x' AS varchar(8000));

-- organization roles
SELECT CAST(r.[organizationId] AS nvarchar(450)), r.[role], r.[permission] FROM [organizationRole] r WHERE r.[organizationId] = 'x';

-- refill
UPDATE [apikey] SET [remaining] = 'x', [lastRefillAt] = 'x' WHERE [id] = 'x' AND [lastRefillAt] = 'x';

-- refill first
UPDATE [apikey] SET [remaining] = 'x', [lastRefillAt] = 'x' WHERE [id] = 'x' AND [lastRefillAt] IS NULL;

-- restart window
UPDATE [apikey] SET [requestCount] = 1, [lastRequest] = 'x', [updatedAt] = 'x' WHERE [id] = 'x' AND [lastRequest] < 'x';

-- save key
UPDATE [apikey] SET [updatedAt] = 'x' WHERE [id] = 'x';

-- session by id
SELECT CAST(s.[id] AS nvarchar(450)), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[expiresAt]), s.[token], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[createdAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[updatedAt]), s.[ipAddress], s.[userAgent], CAST(s.[userId] AS nvarchar(450)), CAST(s.[activeOrganizationId] AS nvarchar(450)), CAST(s.[activeTeamId] AS nvarchar(450)), s.[impersonatedBy] FROM [session] s WHERE s.[id] = 'x';

-- session by token
SELECT CAST(s.[id] AS nvarchar(450)), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[expiresAt]), s.[token], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[createdAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[updatedAt]), s.[ipAddress], s.[userAgent], CAST(s.[userId] AS nvarchar(450)), CAST(s.[activeOrganizationId] AS nvarchar(450)), CAST(s.[activeTeamId] AS nvarchar(450)), s.[impersonatedBy], CAST(u.[id] AS nvarchar(450)), u.[name], u.[email], u.[emailVerified], u.[image], u.[bio], u.[role], u.[banned], u.[banReason], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', u.[banExpires]), u.[twoFactorEnabled], u.[username], u.[displayUsername], u.[isAnonymous], CAST(m.[id] AS nvarchar(450)), CAST(m.[organizationId] AS nvarchar(450)), CAST(m.[userId] AS nvarchar(450)), m.[role], CAST(tm.[teamId] AS nvarchar(450)), CAST(tm.[userId] AS nvarchar(450)), CAST(t.[id] AS nvarchar(450)), CAST(t.[organizationId] AS nvarchar(450)) FROM [session] s INNER JOIN [user] u ON u.[id] = s.[userId] LEFT JOIN [member] m ON m.[userId] = s.[userId] AND CAST(m.[organizationId] AS nvarchar(450)) = CAST(s.[activeOrganizationId] AS nvarchar(450)) LEFT JOIN [teamMember] tm ON tm.[userId] = s.[userId] AND CAST(tm.[teamId] AS nvarchar(450)) = CAST(s.[activeTeamId] AS nvarchar(450)) LEFT JOIN [team] t ON t.[id] = tm.[teamId] AND t.[organizationId] = m.[organizationId] WHERE s.[token] = CAST('x' AS varchar(8000));

-- sessions by user
SELECT CAST(s.[id] AS nvarchar(450)), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[expiresAt]), s.[token], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[createdAt]), DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', s.[updatedAt]), s.[ipAddress], s.[userAgent], CAST(s.[userId] AS nvarchar(450)), CAST(s.[activeOrganizationId] AS nvarchar(450)), CAST(s.[activeTeamId] AS nvarchar(450)), s.[impersonatedBy] FROM [session] s WHERE s.[userId] = 'x';

-- start window
UPDATE [apikey] SET [requestCount] = 1, [lastRequest] = 'x', [updatedAt] = 'x' WHERE [id] = 'x' AND [lastRequest] IS NULL;

-- take use
UPDATE [apikey] SET [remaining] = [remaining] - 1 WHERE [id] = 'x' AND [remaining] > 0;

-- touch key
UPDATE [apikey] SET [lastRequest] = 'x', [updatedAt] = 'x' WHERE [id] = 'x';

-- user with membership
SELECT CAST(u.[id] AS nvarchar(450)), u.[name], u.[email], u.[emailVerified], u.[image], u.[bio], u.[role], u.[banned], u.[banReason], DATEDIFF_BIG(millisecond, '1970-01-01T00:00:00', u.[banExpires]), u.[twoFactorEnabled], u.[username], u.[displayUsername], u.[isAnonymous], CAST(m.[id] AS nvarchar(450)), CAST(m.[organizationId] AS nvarchar(450)), CAST(m.[userId] AS nvarchar(450)), m.[role], CAST(tm.[teamId] AS nvarchar(450)), CAST(tm.[userId] AS nvarchar(450)), CAST(t.[id] AS nvarchar(450)), CAST(t.[organizationId] AS nvarchar(450)) FROM [user] u LEFT JOIN [member] m ON m.[userId] = u.[id] AND CAST(m.[organizationId] AS nvarchar(450)) = CAST('x' AS nvarchar(450)) LEFT JOIN [teamMember] tm ON tm.[userId] = u.[id] AND CAST(tm.[teamId] AS nvarchar(450)) = CAST('x' AS nvarchar(450)) LEFT JOIN [team] t ON t.[id] = tm.[teamId] AND t.[organizationId] = m.[organizationId] WHERE u.[id] = 'x';

