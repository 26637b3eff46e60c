// The better-auth server of the example: people sign up and in here. It shares its database with the Go program, which
// starts it and ends it.
import http from "node:http";
import Database from "libsql";
import { SqliteDialect } from "kysely";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { bearer, organization } from "better-auth/plugins";

const db = new Database(process.env.AUTH_DB);
db.exec("PRAGMA busy_timeout = 5000");

// BETTER_AUTH_SECRET and BETTER_AUTH_URL are read by better-auth itself.
const options = {
  database: { dialect: new SqliteDialect({ database: db }), type: "sqlite" },
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [bearer(), organization()],
};
if (process.env.AUTH_REDIS) {
  const { Redis } = await import("ioredis");
  const { redisStorage } = await import("@better-auth/redis-storage");
  options.secondaryStorage = redisStorage({ client: new Redis(process.env.AUTH_REDIS) });
}
await (await getMigrations(options)).runMigrations();

const server = http.createServer(toNodeHandler(betterAuth(options)));
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("better-auth answers"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
