// WorkOS' own SDK behind a line protocol: each line of stdin is a command in JSON, each line of stdout its result. The
// argument says where the fake WorkOS API listens. It exits when stdin ends, so that it cannot outlive the test.

import { createInterface } from 'node:readline';
import { WorkOS } from '@workos-inc/node';

const { apiKey, clientId, port, cookiePassword } = JSON.parse(process.argv[2]);
const sdk = new WorkOS(apiKey, { clientId, apiHostname: '127.0.0.1', port, https: false });
const load = (cookie) => sdk.userManagement.loadSealedSession({ sessionData: cookie, cookiePassword });

const commands = {
  seal: ({ session }) =>
    sdk.userManagement.sealSessionDataFromAuthenticationResponse({ authenticationResponse: session, cookiePassword }),
  authenticate: ({ cookie }) => load(cookie).authenticate(),
  refresh: ({ cookie }) => load(cookie).refresh(),
  // How many cookies are authenticated in a second of this process's CPU time, one after the other.
  async bench({ cookie, milliseconds }) {
    const end = performance.now() + milliseconds;
    const before = process.cpuUsage();
    let n = 0;
    while (performance.now() < end) {
      for (let i = 0; i < 20; i++, n++) {
        if (!(await load(cookie).authenticate()).authenticated) throw new Error('not authenticated');
      }
    }
    const used = process.cpuUsage(before);
    return { nanosecondsPerOperation: ((used.user + used.system) * 1000) / n };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...input } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](input) };
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
