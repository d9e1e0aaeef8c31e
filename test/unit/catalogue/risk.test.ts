import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { riskOf, riskOfCall, ruleFor } from '../../../src/catalogue/risk.ts';
import { isSecretParameter } from '../../../src/catalogue/risk-parameters.ts';
import { RISK_RULES } from '../../../src/catalogue/risk-rules.ts';
import { type HttpMethod, RISKS, type Risk } from '../../../src/catalogue/types.ts';

const builtIn = loadBuiltInCatalogue();
const grave = (risk: Risk) => RISKS.indexOf(risk);

const VM = '/nodes/{node}/qemu/{vmid}';
const CT = '/nodes/{node}/lxc/{vmid}';

describe('the risk table', () => {
  it('has an explicit rule for every method of the built-in catalogue that is not a GET', () => {
    const unknown = builtIn.methods
      .filter(({ method, path }) => method !== 'GET' && ruleFor(method, path) === undefined)
      .map(({ method, path }) => `${method} ${path}`);
    expect(unknown).toEqual([]);
  });

  it('calls nothing but a GET a mere read', () => {
    for (const { method, path } of builtIn.methods) {
      if (method !== 'GET') expect(riskOf(method, path).risks, `${method} ${path}`).not.toContain('read');
    }
  });

  it('calls every DELETE destroy, but for two that delete nothing', () => {
    const lesser = builtIn.methods
      .filter(
        ({ method, path }) => method === 'DELETE' && grave(riskOf(method, path).risk) < grave('destroy'),
      )
      .map(({ path }) => path);
    // Stopping a task and (PVE 9) freeing the SDN lock.
    expect(lesser).toEqual(['/nodes/{node}/tasks/{upid}']);
  });

  it('gives a reason for each', () => {
    for (const [, methods, reason] of RISK_RULES) expect(reason, methods).toMatch(/^\S.{4,}/);
  });

  it('has no rule that those before it make useless', () => {
    for (const rule of RISK_RULES) {
      expect(
        examples(rule[1]).some(([verb, path]) => ruleFor(verb, path) === rule),
        rule[1],
      ).toBe(true);
    }
  });
});

/** Every verb and template a rule's `VERB|VERB /a/(b|c)/*` stands for. */
function examples(methods: string): [HttpMethod, string][] {
  const [verbs = '', pattern = ''] = methods.split(' ');
  let paths = [pattern.replaceAll('*', '{x}')];
  while (paths.some((path) => path.includes('('))) {
    paths = paths.flatMap((path) => {
      const group = /\(([^()]*)\)/.exec(path);
      return group
        ? (group[1] ?? '').split('|').map((choice) => path.replace(group[0], () => choice))
        : [path];
    });
  }
  return verbs
    .split('|')
    .flatMap((verb) => paths.map((path): [HttpMethod, string] => [verb as HttpMethod, path]));
}

describe('riskOf', () => {
  it.each<[HttpMethod, string, Risk]>([
    ['GET', '/version', 'read'],
    ['GET', `${VM}/config`, 'read'],
    ['GET', `${VM}/agent/exec-status`, 'execute'],
    ['GET', `${VM}/agent/file-read`, 'execute'],
    ['GET', `${VM}/vncwebsocket`, 'execute'],
    ['GET', `${VM}/cloudinit/dump`, 'secret'],
    ['GET', '/access/domains/{realm}', 'secret'],
    ['GET', '/access/domains', 'read'],
    ['GET', '/nodes/{node}/query-url-metadata', 'change'],
    ['POST', '/nodes/{node}/qemu', 'change'],
    ['POST', `${VM}/status/start`, 'change'],
    ['POST', `${CT}/status/stop`, 'change'],
    ['POST', `${VM}/snapshot`, 'change'],
    ['POST', `${VM}/snapshot/{snapname}/rollback`, 'destroy'],
    ['DELETE', VM, 'destroy'],
    ['PUT', `${VM}/unlink`, 'destroy'],
    ['PUT', '/nodes/{node}/disks/wipedisk', 'destroy'],
    ['POST', '/nodes/{node}/disks/zfs', 'destroy'],
    ['POST', '/nodes/{node}/storage/{storage}/upload', 'destroy'],
    ['POST', '/nodes/{node}/vzdump', 'destroy'],
    ['POST', '/nodes/{node}/status', 'destroy'],
    ['DELETE', '/nodes/{node}/storage/{storage}/prunebackups', 'destroy'],
    ['DELETE', '/cluster/firewall/rules/{pos}', 'destroy'],
    ['POST', `${VM}/agent/exec`, 'execute'],
    ['POST', `${VM}/monitor`, 'execute'],
    ['POST', `${CT}/termproxy`, 'execute'],
    ['POST', '/nodes/{node}/execute', 'execute'],
    ['POST', '/access/ticket', 'secret'],
    ['POST', '/access/users/{userid}/token/{tokenid}', 'execute'],
    ['PUT', '/access/password', 'execute'],
    ['POST', `${VM}/remote_migrate`, 'secret'],
  ])('of %s %s is %s', (method, path, risk) => {
    expect(riskOf(method, path).risk).toBe(risk);
  });

  it('assumes the worst of what no rule knows, and no harm in a GET', () => {
    expect(riskOf('POST', '/nodes/{node}/explode')).toMatchObject({ risk: 'destroy', risks: ['destroy'] });
    expect(riskOf('POST', `${VM}/status/vanish`).risk).toBe('destroy');
    expect(riskOf('GET', '/nodes/{node}/explode').risk).toBe('read');
    expect(ruleFor('POST', '/nodes/{node}/explode')).toBeUndefined();
  });

  it('takes a template, not a concrete path', () => {
    expect(ruleFor('POST', '/nodes/pve/qemu/100/status/start')).toBeUndefined();
  });

  it('lists every risk where there are several', () => {
    expect(riskOf('POST', `${VM}/agent/set-user-password`).risks).toEqual(['secret', 'execute']);
    expect(riskOf('POST', '/cluster/config/join').risks).toEqual(['secret', 'destroy']);
    expect(riskOf('POST', `${VM}/remote_migrate`).risks).toEqual(['change', 'secret']);
  });
});

describe('riskOfCall', () => {
  it.each<[HttpMethod, string, Record<string, unknown>, Risk[]]>([
    ['PUT', `${VM}/config`, { cores: 2 }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'description,net1' }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'description,scsi1' }, ['change', 'destroy']],
    ['POST', `${VM}/config`, { delete: ['unused0'] }, ['change', 'destroy']],
    ['PUT', `${CT}/config`, { delete: 'mp0; hookscript' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { delete: 'efidisk0' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { cipassword: 'x' }, ['change', 'secret']],
    ['PUT', `${VM}/config`, { cipassword: null }, ['change']],
    ['PUT', `${VM}/config`, { args: '-device x' }, ['change', 'execute']],
    ['POST', '/nodes/{node}/qemu', { vmid: 100, archive: 'b:1' }, ['change']],
    ['POST', '/nodes/{node}/qemu', { vmid: 100, archive: 'b:1', force: true }, ['change', 'destroy']],
    ['POST', '/nodes/{node}/lxc', { force: 'yes', password: 'x' }, ['change', 'secret', 'destroy']],
    ['POST', '/nodes/{node}/lxc', { force: 0, hookscript: 'local:snippets/x' }, ['change', 'execute']],
    ['POST', `${VM}/move_disk`, { delete: 1 }, ['change', 'destroy']],
    ['POST', `${VM}/move_disk`, { delete: '0' }, ['change']],
    ['POST', `${VM}/remote_migrate`, { delete: '1' }, ['change', 'secret', 'destroy']],
    ['POST', '/nodes/{node}/vzdump', { vmid: 100 }, ['destroy']],
    ['POST', '/nodes/{node}/vzdump', { vmid: 100, remove: 0 }, ['change']],
    ['POST', '/nodes/{node}/vzdump', { 'prune-backups': { 'keep-all': true } }, ['change']],
    ['POST', '/nodes/{node}/vzdump', { 'prune-backups': 'keep-last=1' }, ['destroy']],
    ['POST', '/nodes/{node}/vzdump', { remove: 0, script: '/x' }, ['change', 'execute']],
    ['POST', '/cluster/backup', { schedule: 'daily' }, ['change']],
    ['PUT', '/cluster/backup/{id}', { 'prune-backups': 'keep-last=1' }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { 'prune-backups': 'keep-all=1' }, ['change']],
    ['POST', '/storage', { password: 'x' }, ['change', 'secret']],
    ['POST', '/access/domains/{realm}/sync', {}, ['destroy']],
    ['POST', '/access/domains/{realm}/sync', { 'dry-run': 1 }, ['change']],
    ['PUT', '/access/users/{userid}/token/{tokenid}', { comment: 'x' }, ['change']],
    ['PUT', '/access/users/{userid}/token/{tokenid}', { regenerate: true }, ['change', 'secret', 'execute']],
    ['PUT', '/access/acl', { path: '/', delete: 1 }, ['change', 'destroy']],
    ['PUT', `${VM}/sendkey`, { key: 'ctrl-alt-delete' }, ['execute']],
    ['GET', '/nodes/{node}/scan/cifs', { server: 'a', password: 'x' }, ['change', 'secret']],
    ['GET', '/cluster/acme/meta', {}, ['read']],
    ['GET', '/cluster/acme/meta', { directory: 'https://a' }, ['change']],
    ['PUT', '/storage/{storage}', { remove: 1 }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { remove: 0 }, ['change']],
    ['POST', '/storage', { maxfiles: 1 }, ['change', 'destroy']],
    ['POST', '/storage', { maxfiles: '' }, ['change']],
    ['POST', '/storage', { 'prune-backups': '' }, ['change']],
    ['PUT', '/storage/{storage}', { 'prune-backups': 'keep-all=10' }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { 'prune-backups': 'not-keep-all=1' }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { 'prune-backups': 5 }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { 'prune-backups': { 'keep-all': 0 } }, ['change', 'destroy']],
    ['PUT', '/storage/{storage}', { 'prune-backups': ['keep-all=1'] }, ['change', 'destroy']],
    ['PUT', '/cluster/jobs/realm-sync/{id}', { 'remove-vanished': 'entry' }, ['change', 'destroy']],
    ['PUT', '/cluster/jobs/realm-sync/{id}', { 'remove-vanished': 'none' }, ['change']],
    ['PUT', '/cluster/jobs/realm-sync/{id}', { 'remove-vanished': '' }, ['change']],
    ['PUT', '/cluster/jobs/realm-sync/{id}', {}, ['change']],
    ['POST', '/nodes/{node}/certificates/custom', { force: 1 }, ['change', 'secret', 'destroy']],
    ['POST', '/nodes/{node}/certificates/acme/certificate', { force: 'ON' }, ['change', 'destroy']],
    ['PUT', '/pools/{poolid}', { delete: 'Yes' }, ['change', 'destroy']],
    ['PUT', '/pools/{poolid}', { delete: 'x1' }, ['change']],
    ['PUT', '/pools/{poolid}', { delete: '10' }, ['change']],
    ['POST', `${CT}/move_volume`, { delete: true }, ['change', 'destroy']],
    ['POST', '/nodes/{node}/vzdump', { remove: 'off' }, ['change']],
    ['POST', '/nodes/{node}/vzdump', { remove: 'x0' }, ['destroy']],
    ['POST', '/nodes/{node}/vzdump', { remove: '00' }, ['destroy']],
    ['PUT', '/cluster/backup/{id}', { script: '/x' }, ['change', 'execute']],
    ['PUT', `${VM}/config`, { delete: 'scsi' }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'xscsi1' }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'scsi1x' }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'virtio12' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { delete: 'tpmstate0' }, ['change', 'destroy']],
    ['PUT', `${CT}/config`, { delete: 'rootfs' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { delete: 'sata1,ide2' }, ['change', 'destroy']],
    ['GET', '/cluster/acme/tos', { directory: 'https://a' }, ['change']],
    ['PUT', `${VM}/config`, { delete: 'cdrom' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { delete: 'vmstate' }, ['change', 'destroy']],
    ['PUT', `${VM}/config`, { scsi1: '/dev/sdb' }, ['change', 'execute']],
    ['PUT', `${VM}/config`, { scsi1: 'local:1,import-from=/etc/shadow' }, ['change', 'execute']],
    ['PUT', `${VM}/config`, { scsi1: 'local:vm-100-disk-1' }, ['change']],
    ['PUT', `${CT}/config`, { mp0: 'local:1,mp=/data' }, ['change']],
    ['PUT', `${CT}/config`, { mp0: '/srv,mp=/data' }, ['change', 'execute']],
    ['PUT', `${VM}/config`, { serial0: '/dev/ttyS0' }, ['change', 'execute']],
    ['PUT', `${VM}/config`, { serial0: 'socket' }, ['change']],
    ['PUT', `${VM}/config`, { cicustom: 'user=local:snippets/x' }, ['change', 'execute']],
    ['PUT', '/nodes/{node}/lxc/{vmid}/config', { entrypoint: '/bin/sh -c id' }, ['change', 'execute']],
    ['POST', '/nodes/{node}/lxc', { entrypoint: '/bin/sh -c id' }, ['change', 'execute']],
    ['PUT', '/access/acl', { path: '/', roles: 'PVEAdmin' }, ['change', 'execute']],
    ['PUT', '/access/acl', { path: '/', roles: 'PVEAdmin', delete: 1 }, ['change', 'destroy']],
    ['PUT', '/access/users/{userid}/token/{tokenid}', { privsep: 0 }, ['change', 'execute']],
    ['PUT', '/access/users/{userid}', { groups: 'admins' }, ['change', 'execute']],
    ['PUT', '/access/users/{userid}', { comment: 'x' }, ['change']],
    ['PUT', '/access/roles/{roleid}', { privs: 'Sys.Modify' }, ['change', 'execute']],
    ['PUT', '/access/domains/{realm}', { comment: 'x' }, ['change']],
    ['PUT', '/access/domains/{realm}', { server1: 'ldap.test' }, ['change', 'execute']],
    ['PUT', '/access/domains/{realm}', { 'issuer-url': 'https://id.test' }, ['change', 'execute']],
    ['PUT', '/nodes/{node}/network', {}, ['destroy']],
    ['PUT', '/nodes/{node}/network/{iface}', { type: 'bridge' }, ['change']],
    ['PUT', '/cluster/sdn', {}, ['destroy']],
    ['PUT', '/access/domains/{realm}', { 'sync-defaults-options': 'purge=1' }, ['change', 'destroy']],
    ['PUT', '/cluster/replication/{id}', { remove_job: 'full' }, ['change', 'destroy']],
    ['POST', '/made/up', {}, ['destroy']],
  ])('of %s %s with %j is %j', (method, path, params, risks) => {
    const assessment = riskOfCall(method, path, params);
    expect(assessment.risks).toEqual(risks);
    expect(assessment.risk).toBe(risks.at(-1));
  });

  it('is never less than the method, but for the eased', () => {
    for (const { method, path } of builtIn.methods) {
      expect(riskOfCall(method, path, {}).risks).toEqual(riskOf(method, path).risks);
    }
  });

  it('gives the reason of every rule that spoke', () => {
    const reasons = (...call: Parameters<typeof riskOfCall>) => riskOfCall(...call).reasons;
    expect(reasons('GET', '/version', {})).toEqual(['only reads']);
    expect(reasons('POST', '/made/up', {})).toEqual(['no rule knows this method, so the worst is assumed']);
    expect(reasons('PUT', `${VM}/config`, { delete: 'scsi1', args: '-x', cipassword: 'x' })).toEqual([
      riskOf('PUT', `${VM}/config`).reasons[0],
      'delete removes disks',
      'args and hookscript run on the node',
      'cipassword is a secret',
    ]);
    expect(reasons('POST', '/nodes/{node}/vzdump', { remove: 0 })).toEqual([
      'creates a backup and prunes none',
    ]);
    expect(reasons('POST', '/access/domains/{realm}/sync', { 'dry-run': 1 })).toEqual([
      'says what a synchronisation would do',
    ]);
    const said = (...call: Parameters<typeof riskOfCall>) => riskOfCall(...call).reasons.at(-1);
    expect(said('POST', '/nodes/{node}/lxc', { force: 1 })).toBe(
      'force overwrites the guest that has the VMID',
    );
    expect(said('POST', `${VM}/move_disk`, { delete: 1 })).toBe('delete removes the volume that was copied');
    expect(said('POST', `${VM}/remote_migrate`, { delete: 1 })).toBe('delete removes the guest here');
    expect(said('POST', '/cluster/backup', { script: 'x' })).toBe('script runs on the node');
    expect(said('POST', '/storage', { remove: 1 })).toBe('old backups will be pruned');
    expect(said('PUT', '/cluster/jobs/realm-sync/{id}', { 'remove-vanished': 'acl' })).toBe(
      'users that vanished will be removed',
    );
    expect(said('POST', '/nodes/{node}/certificates/custom', { force: 1 })).toBe(
      'force overwrites a certificate',
    );
    expect(said('PUT', '/access/acl', { delete: 1 })).toBe('delete removes permissions or members');
    expect(said('PUT', '/access/users/{userid}/token/{tokenid}', { regenerate: 1 })).toBe(
      "regenerate returns the token's new secret",
    );
    expect(said('GET', '/cluster/acme/meta', { directory: 'x' })).toBe('makes the node ask any server');
  });

  it('says a secret once, where the method is one already', () => {
    const { risks, reasons } = riskOfCall('PUT', '/access/password', { password: 'x' });
    expect(risks).toEqual(['change', 'secret', 'execute']);
    expect(reasons.join()).not.toContain('password is a secret');
  });

  it('names the secret in its reasons, not its value', () => {
    const { reasons } = riskOfCall('PUT', `${VM}/config`, { cipassword: 'hunter2' });
    expect(reasons.join()).toContain('cipassword');
    expect(reasons.join()).not.toContain('hunter2');
  });
});

describe('isSecretParameter', () => {
  it('knows secrets by name, and by place where the name is common', () => {
    expect(isSecretParameter('/storage', 'password')).toBe(true);
    expect(isSecretParameter('/cluster/sdn/dns/{dns}', 'key')).toBe(true);
    expect(isSecretParameter(`${VM}/sendkey`, 'key')).toBe(false);
    expect(isSecretParameter('/nodes/{node}/hosts', 'data')).toBe(false);
  });

  it.each([
    'cipassword',
    'client-key',
    'confirmation-password',
    'eab-hmac-key',
    'encryption-key',
    'keyring',
    'otel-headers',
    'otp',
    'password',
    'secret',
    'target-endpoint',
    'tfa-challenge',
    'ticket',
    'token',
    'totp',
    'vncticket',
  ])('takes %s for one wherever it is', (name) => {
    expect(isSecretParameter('/made/up', name)).toBe(true);
  });

  it.each([
    ['/cluster/acme/plugins/{id}', 'data', true],
    ['/x/cluster/acme/plugins', 'data', false],
    ['/cluster/notifications/endpoints/webhook/{name}', 'header', true],
    ['/cluster/notifications/endpoints/smtp', 'header', false],
    ['/x/cluster/notifications/endpoints/webhook', 'header', false],
    ['/nodes/{node}/certificates/custom', 'key', true],
    ['/nodes/{node}/certificates/custom/x', 'key', false],
    ['/nodes/{node}/subscription', 'key', true],
    ['/nodes/{node}/subscription/x', 'key', false],
    ['/x/cluster/sdn/dns', 'key', false],
    ['/access/users/{userid}', 'keys', true],
    ['/x/access/users', 'keys', false],
    ['/access/domains/{realm}', 'tfa', true],
    ['/x/access/domains', 'tfa', false],
    ['/access/tfa/{userid}', 'value', true],
    ['/x/access/tfa', 'value', false],
    ['/access/users', 'value', false],
  ])('of %s takes %s for one: %s', (template, name, isSecret) => {
    expect(isSecretParameter(template, name)).toBe(isSecret);
  });
});
