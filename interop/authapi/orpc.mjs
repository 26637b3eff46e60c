// oRPC's own client behind a line protocol: each line of stdin is a call in JSON, each line of stdout what came of it. The
// argument is the service's URL. Cookies are kept as a browser on that site would. It exits when stdin ends.

import { createInterface } from 'node:readline';
import { createORPCClient, isDefinedError, ORPCError } from '@orpc/client';
import { RPCLink } from '@orpc/client/fetch';

const { url } = JSON.parse(process.argv[2]);
const jar = new Map();

const link = new RPCLink({
  url: `${url}/api/rpc`,
  headers: () => ({ cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }),
  async fetch(request, init) {
    const response = await fetch(request, init);
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ');
      const at = pair.indexOf('=');
      if (attributes.some((a) => /^max-age=0$/i.test(a))) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  },
});
const client = createORPCClient(link);

// {"$date": "..."} is a Date, which JSON does not have.
const revive = (_, v) => (v && typeof v === 'object' && '$date' in v ? new Date(v.$date) : v);

for await (const line of createInterface({ input: process.stdin })) {
  const { name, input } = JSON.parse(line, revive);
  let answer;
  try {
    const output = await client.v1.auth[name](input);
    answer = { output, kinds: Object.fromEntries(Object.entries(output.session ?? {}).map(([k, v]) => [k, v instanceof Date ? 'Date' : typeof v])) };
  } catch (error) {
    if (!(error instanceof ORPCError)) {
      answer = { failure: `${error.name}: ${error.message}` };
    } else {
      answer = { error: { defined: isDefinedError(error), code: error.code, status: error.status, message: error.message, data: error.data } };
    }
  }
  process.stdout.write(`${JSON.stringify({ ...answer, cookies: [...jar.keys()] })}\n`);
}
