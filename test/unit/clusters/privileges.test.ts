import { describe, expect, it } from 'vitest';
import type { EffectivePermissions } from '../../../src/catalogue/permissions.ts';
import { judgePrivileges, lackedPrivileges } from '../../../src/clusters/privileges.ts';
import { Secret } from '../../../src/config/secret.ts';

const TOKEN = { kind: 'token', user: 'mcp@pve', tokenId: 'ai', secret: new Secret('s') } as const;
const PASSWORD = { kind: 'password', user: 'root@pam', password: new Secret('p') } as const;

const AUDITOR: EffectivePermissions = {
  '/': { 'Sys.Audit': 1, 'VM.Audit': 1, 'Datastore.Audit': 1 },
  '/nodes': { 'Sys.Audit': 1 },
  '/storage': { 'Datastore.Audit': 1 },
  '/vms': { 'VM.Audit': 1 },
};

function judge(
  permissions: EffectivePermissions,
  readOnly = false,
  credentials: typeof TOKEN | typeof PASSWORD = TOKEN,
) {
  return judgePrivileges(permissions, { credentials }, readOnly);
}

describe('judgePrivileges', () => {
  it('is content with everything', () => {
    const report = judge({ ...AUDITOR, '/vms': { 'VM.Audit': 1, 'VM.PowerMgmt': 1 } });
    expect(report).toEqual({
      held: ['Sys.Audit', 'VM.Audit', 'Datastore.Audit', 'VM.PowerMgmt'],
      partial: [],
      missing: [],
      problems: [],
    });
  });

  it.each([{}, { '/': {} }])('tells a token without privileges from a small one: %j', (permissions) => {
    const { problems, missing } = judge(permissions);
    expect(problems).toHaveLength(1);
    expect(missing).toEqual(['Sys.Audit', 'VM.Audit', 'Datastore.Audit', 'VM.PowerMgmt']);
    expect(problems[0]?.message).toBe(
      'mcp@pve!ai has no privileges at all, so Proxmox VE shows it empty lists.',
    );
    expect(problems[0]?.fix).toContain("pveum acl modify / --tokens 'mcp@pve!ai' --roles PVEAuditor");
    expect(problems[0]?.fix).toContain("pveum acl modify / --users 'mcp@pve' --roles PVEAuditor");
  });

  it('grants to the user where there is no token', () => {
    expect(judge({}, false, PASSWORD).problems[0]?.fix).toBe(
      "On a node: pveum acl modify / --users 'root@pam' --roles PVEAuditor",
    );
  });

  it('misses PowerMgmt only where the service may write', () => {
    expect(judge(AUDITOR, true).problems).toEqual([]);
    const [problem, ...others] = judge(AUDITOR).problems;
    expect(others).toEqual([]);
    expect(problem?.message).toBe(
      'mcp@pve!ai lacks VM.PowerMgmt, which is needed for starting, stopping and rebooting guests.',
    );
    expect(problem?.fix).toMatch(/--roles PVEVMUser.*"read_only": true/);
  });

  it.each([
    ['/nodes', 'Sys.Audit', 'nodes'],
    ['/vms', 'VM.Audit', 'virtual machines'],
    ['/storage', 'Datastore.Audit', 'storages'],
  ])('names what is not seen without %s %s', (path, privilege, purpose) => {
    const { problems } = judge({ ...AUDITOR, [path]: {} }, true);
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(new RegExp(`lacks ${privilege}, which is needed to see .*${purpose}`)),
    ]);
  });

  it('calls a token made for some guests partial, not wrong', () => {
    const { held, partial, problems } = judge(
      {
        ...AUDITOR,
        '/vms': {},
        '/vms/100': { 'VM.Audit': 1, 'VM.PowerMgmt': 1 },
        '/pool/web': { 'VM.Audit': 1, 'VM.PowerMgmt': 1 },
      },
      false,
    );
    expect(held).toEqual(['Sys.Audit', 'Datastore.Audit']);
    expect(partial).toEqual([
      { privilege: 'VM.Audit', paths: ['/vms/100', '/pool/web'] },
      { privilege: 'VM.PowerMgmt', paths: ['/vms/100', '/pool/web'] },
    ]);
    expect(problems).toEqual([]);
  });
});

describe('lackedPrivileges', () => {
  const need = (path: string, ...privileges: string[]) => ({ path, privileges, any: false });

  it('names each path with what is lacked there, and the lines that grant it', () => {
    const needs = [
      need('/vms/200', 'VM.Audit', 'VM.Allocate', 'VM.Config.Disk'),
      need('/', 'Sys.Audit', 'Sys.Incoming'),
      need('/storage/tank', 'Datastore.AllocateSpace'),
    ];
    const found = lackedPrivileges(AUDITOR, { credentials: TOKEN }, needs);
    expect(found.map(({ message }) => message)).toEqual([
      'mcp@pve!ai lacks VM.Allocate, VM.Config.Disk on /vms/200.',
      'mcp@pve!ai lacks Sys.Incoming on /.',
      'mcp@pve!ai lacks Datastore.AllocateSpace on /storage/tank.',
    ]);
    expect(found[0]?.fix).toMatch(
      /^On a node: pveum acl modify \/vms\/200 --tokens 'mcp@pve!ai' --roles PVEVMAdmin —/,
    );
    expect(found[1]?.fix).toContain(
      "pveum role add GuestArrival --privs 'Sys.Incoming'; pveum acl modify / ",
    );
    expect(found[1]?.fix).not.toContain('Administrator');
  });

  it('holds nothing against what is held above, and against no need', () => {
    const held = { '/vms': { 'VM.Audit': 1, 'VM.Migrate': 1 } };
    expect(
      lackedPrivileges(held, { credentials: TOKEN }, [need('/vms/100', 'VM.Migrate'), need('/')]),
    ).toEqual([]);
  });

  it('quotes a path that a shell would read otherwise', () => {
    const [found] = lackedPrivileges({}, { credentials: PASSWORD }, [
      need("/storage/a b'; c", 'Datastore.Audit'),
    ]);
    expect(found?.fix).toBe(
      "On a node: pveum acl modify '/storage/a b; c' --users 'root@pam' --roles PVEAuditor",
    );
  });
});
