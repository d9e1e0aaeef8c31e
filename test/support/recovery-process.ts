import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { onTestFinished } from 'vitest';
import { issueToken } from '../../src/access/tokens.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, startSimulator } from '../../src/simulator/simulator.ts';
import { CliProcess } from '../integration/cli-process.ts';
import { folderWith } from './config-folder.ts';
import { RECOVERY_ESTATE } from './recovery-estate.ts';
import { entryOf } from './reloading-service.ts';
import type { Answer } from './tool-client.ts';

const SECRET = 'recovery-test-secret-of-more-than-32-bytes-01';

/** Whoever asks may approve all of it itself. */
const POLICY = {
  roles: { all: { grants: [{ allow: '*' }] } },
  principals: [{ match: { subject: 'alice' }, roles: 'all' }],
  approval: { change: 'none', secret: 'none', destroy: 'self', execute: 'none', bulk: 'none' },
};

type Args = Record<string, unknown>;

/** The recovery estate under a service that runs as a process of its own, and can be killed. */
export async function recoveryProcess(taskSeconds = 0) {
  const time = { skew: 0 };
  const simulator = await startSimulator({
    clusters: structuredClone(RECOVERY_ESTATE),
    ...{ taskSeconds, authDelaySeconds: 0, resourcesLagSeconds: 0 },
    clock: () => Date.now() + time.skew,
  });
  onTestFinished(() => simulator.close());
  const clusters = Object.fromEntries(
    simulator.clusters.map((one) => [
      one.name,
      entryOf(one, one.name === 'home' ? { fallback: 'away' } : {}),
    ]),
  );
  const folder = folderWith({
    '.env': `MCP_JWT_SECRET=${SECRET}\nMCP_PORT=0\nCACHE_DIR=cache\nSTATE_FILE=state.db\nMCP_TOOLSETS=all\nPOLICY_FILE=policy.json\n`,
    'policy.json': POLICY,
    'clusters.json': { clusters },
  });
  const away = simulator.cluster('away');
  const seeded = new Set(
    simulator.clusters.flatMap(({ state }) => state.tasks.saved().map(({ upid }) => upid)),
  );
  return {
    /** The tasks that a cluster was made to run, as `qmrestore 101`, by name. */
    tasksOf: ({ state }: SimulatedCluster): string[] =>
      state.tasks
        .saved()
        .filter(({ upid }) => !seeded.has(upid))
        .map(({ type, id }) => `${type} ${id}`)
        .toSorted(),
    home: simulator.cluster('home'),
    away,
    state: join(folder, 'state.db'),
    pass: (seconds: number) => {
      time.skew += seconds * 1000;
    },
    async serve() {
      const child = new CliProcess(['serve'], { cwd: folder });
      const [, url = ''] = await child.shows('stderr', /"mcp":"([^"]+)"/);
      return { ...(await clientOf(url)), kill: () => child.stop('SIGKILL') };
    },
  };
}

async function clientOf(url: string) {
  const claims = { subject: 'alice', scope: 'proxmox:admin', lifetimeSeconds: 600, audience: 'proxmox-mcp' };
  const headers = { authorization: `Bearer ${await issueToken(new Secret(SECRET), claims)}` };
  const client = new Client({ name: 'recovery', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  onTestFinished(() => client.close());
  const ask = async (name: string, args: Args): Promise<Answer> => {
    const answer = await client.callTool({ name, arguments: args }, undefined, { timeout: 60_000 });
    return answer.structuredContent;
  };
  return {
    ask,
    /** Approves what the caller itself may approve, as often as it is asked. */
    async through(name: string, args: Args): Promise<Answer> {
      let answer = await ask(name, args);
      for (let asked = 0; answer.error?.plan?.handle !== undefined && asked < 3; asked += 1)
        answer = await ask(name, { ...args, handle: answer.error.plan.handle });
      return answer;
    },
  };
}
