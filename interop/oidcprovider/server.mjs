// An OpenID provider on a free loopback port, configured by one JSON argument
// (the Go type `settings`). It prints {"issuer": "..."} on stdout when it is
// ready and exits when its stdin ends, so that it cannot outlive the test.

// Standard output carries one line of JSON and nothing else.
console.log = console.error;
console.info = console.error;

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const { Provider } = await import('oidc-provider');

const settings = JSON.parse(process.argv[2]);

process.stdin.on('end', () => process.exit(0));
process.stdin.on('error', () => process.exit(0));
process.stdin.resume();

const jwk = (kid, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
});

// The client data is needed before the port is known, and the issuer after it.
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', provider(issuer).callback());
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});

function provider(issuer) {
  const p = new Provider(issuer, {
    // Without the dispatcher that refuses loopback, where the tests are.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    clients: settings.clients,
    jwks: {
      keys: [
        jwk('rsa', 'rsa', { modulusLength: 2048 }),
        jwk('ec', 'ec', { namedCurve: 'P-256' }),
      ],
    },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    claims: {
      openid: ['sub'],
      profile: ['name', 'picture', 'preferred_username', 'updated_at'],
      email: ['email', 'email_verified'],
    },
    findAccount: (ctx, id) => account(issuer, id),
    features: {
      devInteractions: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      backchannelLogout: { enabled: true },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: settings.requirePAR,
      },
      dPoP: settings.dpopNonce
        ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
        : { enabled: true },
      ...(settings.fapi2 && { fapi: { enabled: true, profile: '2.0' } }),
    },
    acrValues: settings.acrValues,
    // A refresh token whenever the client may have one; the default asks for
    // the offline_access scope and prompt=consent as well.
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: settings.rotateRefreshTokens,
    pkce: { required: () => settings.requirePKCE },
    ttl: {
      AccessToken: settings.ttl.accessToken,
      IdToken: settings.ttl.idToken,
      RefreshToken: settings.ttl.refreshToken,
      AuthorizationCode: 60,
      Grant: 86400,
      Interaction: 600,
      Session: 86400,
    },
  });
  // Whoever signs in does so under the first of the requested classes that
  // this provider has. Without a request to sign in (prompt=login) nobody does
  // because of them: acr_values are voluntary (OpenID Connect Core 5.5.1.1).
  const finished = p.interactionFinished.bind(p);
  p.interactionFinished = async (req, res, result, options) => {
    if (result.login) {
      const { params } = await p.interactionDetails(req, res);
      const asked = (params.acr_values ?? '').split(' ');
      result.login.acr = asked.find((v) => settings.acrValues.includes(v));
    }
    return finished(req, res, result, options);
  };
  for (const name of ['server_error', 'backchannel.error']) {
    p.on(name, (ctx, err) => console.error(name, err));
  }
  return p;
}

// Every login name is an account; settings.users replaces claims of some.
function account(issuer, id) {
  return {
    accountId: id,
    claims: () => ({
      sub: id,
      name: `User ${id}`,
      preferred_username: id,
      picture: `${issuer}/picture/${encodeURIComponent(id)}.png`,
      updated_at: 1700000000,
      email: `${id}@example.com`,
      email_verified: true,
      ...settings.users[id],
    }),
  };
}
