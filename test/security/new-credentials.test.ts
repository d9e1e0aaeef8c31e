import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { type Logger, pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { Jobs } from '../../src/access/jobs/jobs.ts';
import { openState } from '../../src/access/state.ts';
import { openAuditLog } from '../../src/audit/audit-log.ts';
import { ClusterManager } from '../../src/clusters/manager.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import { makeCertificate } from '../../src/simulator/certificate.ts';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { configFor } from '../support/engine-fixtures.ts';
import { gateFor, policyWith } from '../support/gate.ts';
import { buildService, tokenFor } from '../support/service.ts';

type Structured = Record<string, unknown>;

/**
 * The service with all that it writes: an audit file, a state file with plans and jobs, and logs at their most
 * talkative. Every change needs a plan, so that plans are among it.
 */
async function recordingService() {
  const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-credentials-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const quick = { taskSeconds: 0, authDelaySeconds: 0, resourcesLagSeconds: 0 };
  const simulator = await startSimulator({
    ...quick,
    clusters: [{ name: 'production', nodes: [{ name: 'a1' }] }],
  });
  onTestFinished(() => simulator.close());
  const production = simulator.cluster('production');
  const manager = new ClusterManager({ clusters: [configFor(production)] }, { logger });
  onTestFinished(() => manager.close());
  const audit = await openAuditLog({ path: join(folder, 'audit.jsonl') });
  onTestFinished(() => audit.close());
  const service = await buildService({
    estate: manager,
    gate: (own: Logger) => gateFor(own, gateOptions(join(folder, 'state.sqlite'), { logger: own, audit })),
  });
  onTestFinished(() => service.close());
  const client = new Client({ name: 'credentials', version: '1' });
  const requestInit = { headers: { authorization: `Bearer ${await tokenFor('alice')}` } };
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', await service.listen()), {
    requestInit,
  });
  await client.connect(transport as Parameters<Client['connect']>[0]);
  onTestFinished(() => client.close());
  const refusals: string[] = [];
  return {
    production,
    /** Has a plan made, then applies it. */
    async apply(name: string, args: Structured) {
      const planned = await client.callTool({ name, arguments: args });
      refusals.push(JSON.stringify(planned));
      const { error } = planned.structuredContent as { error: { code: string; plan: { handle: string } } };
      expect(error.code).toBe('APPROVAL_REQUIRED');
      const done = await client.callTool({ name, arguments: { ...args, handle: error.plan.handle } });
      if (done.isError) throw new Error(JSON.stringify(done.structuredContent));
      return { data: done.structuredContent as Structured, texts: JSON.stringify(done.content) };
    },
    /** All that stays when the answers are gone. */
    recorded(): string {
      const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
      return [...files, ...lines, ...service.lines, ...refusals].join('\n');
    },
  };
}

function gateOptions(
  path: string,
  { logger, audit }: { logger: Logger; audit: Awaited<ReturnType<typeof openAuditLog>> },
) {
  const state = openState(path);
  onTestFinished(() => state.close());
  const redaction = new Redaction();
  return {
    policy: policyWith('self'),
    audit,
    redaction,
    approvals: new Approvals({ state, logger, redaction }),
    jobs: new Jobs({ state, clusters: () => [], audit, redaction, logger }),
  };
}

describe('credentials that tools make and take', () => {
  it('are in the answer that hands them out, and in nothing that is kept', async () => {
    const { production, apply, recorded } = await recordingService();
    const { access } = production.state;
    access.users.set('ann@pve', { userid: 'ann@pve' });
    const created = await apply('create_token', { token: 'ann@pve!ci' });
    const first = access.tokens.find(({ name }) => name === 'ci')?.secret ?? '';
    expect(created.data.secret).toBe(first);
    const renewed = await apply('update_token', { token: 'ann@pve!ci', regenerate: true });
    const second = access.tokens.find(({ name }) => name === 'ci')?.secret ?? '';
    expect(renewed.data.secret).toBe(second);
    expect(second).not.toBe(first);
    const password = 'c4n4ry-password-of-bob';
    const made = await apply('save_user', { user: 'bob@pve', password });
    expect(access.users.get('bob@pve')?.password).toBe(password);
    expect(made.texts).not.toContain(password);
    const gotify = 'c4n4ry-gotify-token';
    const options = { server: 'https://gotify.example.com', token: gotify };
    const target = await apply('save_setting', { kind: 'gotify', name: 'phone', options });
    expect(target.texts).not.toContain(gotify);
    const bind = 'c4n4ry-bind-password';
    const ldap = { server1: 'ldap.example.com', base_dn: 'dc=example', user_attr: 'uid', password: bind };
    const realm = await apply('save_realm', { realm: 'corp', type: 'ldap', options: ldap });
    expect(realm.texts).not.toContain(bind);
    const { pem, key } = await makeCertificate('production', 'a1.example.com');
    const served = await apply('set_certificate', { node: 'a1', certificate: pem, key });
    const inKey = key.split('\n')[2] ?? '';
    expect(served.texts).not.toContain(inKey);
    const kept = recorded();
    // What is looked for would be found.
    expect(kept).toContain('ann@pve');
    expect(kept).toContain('/cluster/notifications/endpoints/gotify');
    for (const secret of [first, second, password, gotify, bind, inKey]) {
      expect(secret.length).toBeGreaterThan(15);
      expect(kept.includes(secret)).toBe(false);
      expect(kept.includes(Buffer.from(secret).toString('base64').slice(0, 20))).toBe(false);
    }
  });
});
