// A better-auth server for tests: real routes on a free loopback port, and beside them POST /control/<operation> for what
// a browser cannot do. It writes its port to stdout, and ends when stdin does.
import http from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, anonymous, bearer, jwt, multiSession, organization, twoFactor, username } from "better-auth/plugins";
import { createAccessControl } from "better-auth/plugins/access";
import { apiKey } from "@better-auth/api-key";
import { redisStorage } from "@better-auth/redis-storage";

const settings = JSON.parse(process.argv[2]);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));

async function database() {
  switch (settings.engine) {
    case "postgres": {
      const { default: pg } = await import("pg");
      return new pg.Pool({ connectionString: settings.dsn, max: 10 });
    }
    case "mariadb": {
      const { createPool } = await import("mysql2/promise");
      return createPool({ uri: settings.dsn, connectionLimit: 10 });
    }
  }
  const { default: Database } = await import("libsql");
  const { SqliteDialect } = await import("kysely");
  const db = new Database(settings.dsn);
  db.exec("PRAGMA busy_timeout = 5000");
  return { dialect: new SqliteDialect({ database: db }), type: "sqlite" };
}

const statements = {
  organization: ["update", "delete"], member: ["create", "update", "delete"], invitation: ["create", "cancel"],
  team: ["create", "update", "delete"], ac: ["create", "read", "update", "delete"], project: ["create", "read"],
};
const ac = createAccessControl(statements);
const roles = {
  owner: ac.newRole(statements),
  admin: ac.newRole({ member: ["create"], project: ["create", "read"] }),
  member: ac.newRole({ project: ["read"] }),
};

const server = http.createServer();
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const port = server.address().port;

const options = {
  baseURL: `http://127.0.0.1:${port}`,
  secret: settings.secret,
  database: await database(),
  telemetry: { enabled: false },
  rateLimit: { enabled: false },
  logger: { disabled: true },
  emailAndPassword: {
    enabled: true,
    // The hash is not what is tested here, and is meant to be slow.
    password: { hash: async (password) => `plain:${password}`, verify: async ({ hash, password }) => hash === `plain:${password}` },
  },
  session: settings.session,
  plugins: [
    bearer(), admin(), organization({ ac, roles, teams: { enabled: true } }), multiSession(), username(), anonymous(), jwt({ disableSettingJwtHeader: true, ...settings.jwt }),
    twoFactor(), apiKey({ enableSessionForAPIKeys: true, enableMetadata: true, ...settings.apiKey }),
  ],
};
if (settings.redis) {
  const { Redis } = await import("ioredis");
  options.secondaryStorage = redisStorage({ client: new Redis(settings.redis) });
}
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const context = await auth.$context;

const milliseconds = (since) => Number(process.hrtime.bigint() - since) / 1e6;

const control = {
  addMember: (b) => auth.api.addMember({ body: b }),
  createKey: (b) => auth.api.createApiKey({ body: b }),
  updateKey: (b) => auth.api.updateApiKey({ body: b }),
  verifyKey: (b) => auth.api.verifyApiKey({ body: b }),
  listKeys: async ({ headers }) => (await auth.api.listApiKeys({ headers: new Headers(headers) })),
  setRole: ({ userId, role }) => context.internalAdapter.updateUser(userId, { role }),
  deleteUser: ({ userId }) => context.internalAdapter.deleteUser(userId),
  // The ids of the sessions that these Cookie headers are, or null.
  sessionsOf: ({ cookies }) => Promise.all(cookies.map(async (cookie) =>
    (await auth.api.getSession({ headers: new Headers({ cookie }) }))?.session.id ?? null)),
  verifyJWT: async ({ token }) => (await auth.api.verifyJWT({ body: { token } })).payload,
  // How long getSession takes in this process, without HTTP.
  bench: async ({ headers, milliseconds: limit }) => {
    const h = new Headers(headers);
    const cpu = process.cpuUsage();
    const began = process.hrtime.bigint();
    let n = 0;
    while (milliseconds(began) < limit) {
      if (!(await auth.api.getSession({ headers: h }))) throw new Error("no session");
      n++;
    }
    const used = process.cpuUsage(cpu);
    return { n, wallMilliseconds: milliseconds(began), cpuMilliseconds: (used.user + used.system) / 1e3 };
  },
};

const handler = toNodeHandler(auth);
server.on("request", async (request, response) => {
  if (!request.url.startsWith("/control/")) return handler(request, response);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let status = 200, body;
  try {
    body = (await control[request.url.slice("/control/".length)](JSON.parse(Buffer.concat(chunks)))) ?? null;
  } catch (error) {
    status = 500;
    body = { error: String(error?.stack ?? error) };
  }
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
});
console.log(JSON.stringify({ port }));
