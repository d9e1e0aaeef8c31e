import { expect } from 'vitest';
import { firewallOf } from '../../src/simulator/state/firewall.ts';
import { type Answer, type ToolClient, type ToolClientOptions, toolClient } from './tool-client.ts';

export const FROM = 'production';
export const TO = 'disaster-recovery';
export const PAIR = { from: FROM, to: [TO] };
/** What cannot be copied between these two: it names guests by VMIDs. */
export const JOB_OF_VMIDS = 'nightly';

/** Tools over clusters that are to be made alike, with what a test looks at of each. */
export async function alikeClient(options: ToolClientOptions = {}) {
  const tools = await toolClient({ clusters: [FROM, TO, 'staging'], ...options });
  const site = (name: string) => {
    const cluster = tools.simulator.cluster(name);
    const { state, requests } = cluster;
    const { firewalls } = state.datacenter;
    return {
      cluster,
      state,
      firewalls,
      datacenter: firewallOf(firewalls, 'cluster'),
      groups: firewalls.groups,
      writes: () =>
        requests
          .filter(({ method }) => method !== 'GET')
          .map(({ method, path }) => `${method} ${path.replace('/api2/json', '')}`),
      forget: () => {
        requests.length = 0;
      },
    };
  };
  return { ...tools, site, source: site(FROM), target: site(TO) };
}

export type AlikeClient = Awaited<ReturnType<typeof alikeClient>>;

/** Applies with the caller's own second call, as a plan asks for. */
export async function applied(
  { call, refused }: Pick<ToolClient, 'call' | 'refused'>,
  args: object,
): Promise<Answer> {
  const whole = { ...PAIR, apply: true, ...args };
  const { code, plan } = await refused('sync_definitions', whole);
  expect(code).toBe('APPROVAL_REQUIRED');
  return call('sync_definitions', { ...whole, handle: plan.handle });
}

/** Something of each kind that differs. */
export function prepare({ source, target }: AlikeClient): void {
  source.state.access.roles.set('Operator', ['VM.Audit', 'VM.PowerMgmt']);
  source.state.access.roles.set('Reader', ['VM.Audit']);
  target.state.access.roles.set('Operator', ['VM.Audit', 'VM.Backup']);
  target.state.access.roles.set('Leftover', ['VM.Audit']);
  Object.assign(source.datacenter.aliases, {
    office: { cidr: '198.51.100.0/24', comment: 'HQ' },
    vpn: { cidr: '10.9.0.0/16' },
  });
  Object.assign(target.datacenter.aliases, { office: { cidr: '198.51.100.0/25', comment: 'old' } });
  source.datacenter.ipsets.admins = {
    comment: 'who may',
    entries: [
      { cidr: 'dc/office' },
      { cidr: '10.0.0.0/8', comment: 'inside' },
      { cidr: '10.1.0.0/16', nomatch: 1 },
    ],
  };
  target.datacenter.ipsets.admins = { entries: [{ cidr: '10.0.0.0/8' }, { cidr: '192.0.2.7' }] };
  source.groups.web = {
    comment: 'web servers',
    rules: [
      { type: 'in', action: 'ACCEPT', enable: 1, proto: 'tcp', dport: '443' },
      { type: 'in', action: 'ACCEPT', enable: 1, proto: 'tcp', dport: '22', source: '+admins' },
      { type: 'in', action: 'DROP', enable: 1, comment: 'all else' },
    ],
  };
  source.state.backupJobs?.push({
    id: 'weekly',
    enabled: true,
    options: {
      pool: 'web',
      storage: 'backup-nfs',
      schedule: 'sat 03:00',
      mode: 'snapshot',
      'prune-backups': 'keep-last=3',
    },
  });
}

export const rowsOf = (answer: Answer, kind: string) =>
  answer.rows.filter((row: Answer) => row.kind === kind);
