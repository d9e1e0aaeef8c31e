import { it } from 'vitest';
import { policyOf } from '../../support/policy.ts';
import { toolClient } from '../../support/tool-client.ts';

const show = (label: string, value: unknown) => process.stdout.write(`### ${label}: ${JSON.stringify(value).slice(0, 900)}\n`);
async function attempt(tools: Awaited<ReturnType<typeof toolClient>>, name: string, args: Record<string, unknown>) {
  const before = tools.writes().length;
  let answer: unknown;
  try { answer = await tools.call(name, args); } catch (error) { answer = String(error).slice(0, 700); }
  show(`${name} ${JSON.stringify(args)} -> writes ${tools.writes().slice(before).map(({ method, path, parameters }: any) => `${method} ${path} ${JSON.stringify(parameters)}`).join(' | ')}`, answer);
}

it('protected guests', async () => {
  const policy = policyOf({ principals: [{ match: { subject: '*' }, roles: 'admin' }], protected: { vmids: { '*': '100' } }, approval: { destroy: 'none', execute: 'none' } });
  const tools = await toolClient({ clusters: ['production'], gateOptions: { policy } as any });
  const backups = await tools.call('list_backups', {});
  show('backups', backups.backups.map((b: any) => `${b.volid} ${b.vmid} ${b.node ?? ''}`));
  const storage = backups.backups[0]?.storage;
  const of100 = backups.backups.find((b: any) => b.vmid === 100);
  await attempt(tools, 'prune_backups', { storage, keep: 'keep-last=1' });
  await attempt(tools, 'prune_backups', { storage, keep: 'keep-last=1', apply: true });
  await attempt(tools, 'prune_backups', { storage, vmid: 100, keep: 'keep-last=1', apply: true });
  if (of100) {
    await attempt(tools, 'delete_backup', { volid: of100.volid });
    await attempt(tools, 'restore_backup', { volid: of100.volid, vmid: 100, overwrite: true });
    await attempt(tools, 'delete_backup', { volid: 'local:iso/debian-12.iso' });
    await attempt(tools, 'delete_backup', { volid: of100.volid.replace('backup/', 'backup/../iso/') });
  }
  const { jobs } = await tools.call('list_backup_jobs', {});
  show('jobs', jobs);
  for (const { id } of jobs.slice(0, 1)) {
    await attempt(tools, 'run_backup_job', { id });
    await attempt(tools, 'save_backup_job', { id, exclude: [101] });
    await attempt(tools, 'save_backup_job', { id, keep: 'keep-last=0' });
    await attempt(tools, 'save_backup_job', { id, keep: 'keep-last=1' });
  }
  await attempt(tools, 'list_replication', {});
}, 60_000);

it('tenant', async () => {
  const policy = policyOf({ principals: [{ match: { subject: '*' }, roles: 'operator', tenant: { pools: 'web' } }] });
  const tools = await toolClient({ clusters: ['production'], gateOptions: { policy } as any });
  for (const [name, guest] of [...tools.production.state.guests]) show('guest', [name, (guest as any).name, (guest as any).pool]);
  for (const [name, args] of [
    ['find_guests', {}], ['list_backups', {}], ['list_backups', { vmid: 110 }], ['backup_coverage', {}], ['list_backup_jobs', {}], ['verify_backups', {}],
    ['list_replication', {}], ['get_metrics', { vmid: 110 }], ['get_metrics', { vmid: 200 }], ['get_metrics', { node: 'pve1' }], ['cluster_health', {}], ['cluster_capacity', {}],
    ['list_tasks', {}], ['list_networks', {}], ['list_sdn', { kind: 'zone' }], ['get_firewall', {}], ['get_firewall', { vmid: 110 }], ['list_firewall_rules', {}],
    ['trace_network', { vmid: 110 }], ['list_storage', {}], ['list_nodes', {}], ['prune_backups', { storage: 'local', keep: 'keep-last=1' }], ['list_storage_content', { storage: 'local' }],
  ] as const) await attempt(tools, name, args as any);
}, 60_000);
