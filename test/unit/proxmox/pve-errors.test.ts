import { describe, expect, test } from 'vitest';
import type { ClusterCredentials } from '../../../src/config/config.ts';
import { Secret } from '../../../src/config/secret.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { fittingRole } from '../../../src/proxmox/privileges.ts';
import { answerError } from '../../../src/proxmox/pve-errors.ts';

const JSON_TYPE = 'application/json;charset=UTF-8';
const CANARY = 'c4n4ry-secret';
const TOKEN: ClusterCredentials = {
  kind: 'token',
  user: 'ops@pve',
  tokenId: 'mcp',
  secret: new Secret(CANARY),
};

interface Given {
  method?: HttpMethod;
  path?: string;
  message?: string;
  errors?: Record<string, string>;
  reason?: string;
  body?: string;
  contentType?: string;
  credentials?: ClusterCredentials;
}

function errorOf(status: number, given: Given = {}) {
  const { method = 'GET', path = '/nodes/pve2/qemu/100/config', credentials = TOKEN } = given;
  const envelope = { data: null, message: given.message, errors: given.errors };
  return answerError(
    {
      status,
      reason: given.reason ?? '',
      contentType: given.contentType ?? JSON_TYPE,
      body: given.body ?? JSON.stringify(envelope),
    },
    { method, path: parseApiPath(path), endpoint: 'pve1:8006', credentials, secrets: [CANARY] },
  );
}

describe('the text decides, as PVE says 500 to nearly everything', () => {
  test.each([
    ["Configuration file 'nodes/pve/qemu-server/100.conf' does not exist\n", 'NOT_FOUND', false],
    ["storage 'x' does not exist", 'NOT_FOUND', false],
    ['no such VM ID', 'NOT_FOUND', false],
    ["unable to find configuration file for VM 9 on node 'pve'", 'NOT_FOUND', false],
    ["hostname lookup 'pve9' failed - failed to get address info", 'NOT_FOUND', false],
    ['VM is locked (snapshot)', 'CONFLICT', true],
    ['CT is locked (backup)', 'CONFLICT', true],
    ["can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", 'CONFLICT', true],
    ['detected modified configuration - file changed by other user? Try again.', 'CONFLICT', false],
    ['checksum missmatch (file change by other user?)', 'CONFLICT', false],
    ["unable to create VM 100 - VM 100 already exists on node 'pve'", 'CONFLICT', false],
    ['VM 100 already running', 'CONFLICT', false],
    ['storage is in use', 'CONFLICT', false],
    ['QEMU guest agent is not running', 'UPSTREAM_ERROR', false],
    ['something else went wrong', 'UPSTREAM_ERROR', false],
  ])('%s', (message, code, retryable) => {
    const error = errorOf(500, { message, method: 'POST' });
    expect(error).toMatchObject({ code, retryable, status: 500 });
    expect(error.message).toContain(message.trim());
  });

  test('older versions say it in the reason phrase alone', () => {
    const answer = { reason: 'VM is locked (clone)', body: '{"data":null}' };
    expect(errorOf(500, answer)).toMatchObject({ code: 'CONFLICT' });
    expect(errorOf(500, { ...answer, body: '', contentType: '' }).message).toContain('locked (clone)');
  });
});

describe('400', () => {
  test('every parameter with its message', () => {
    const error = errorOf(400, {
      message: 'Parameter verification failed.\n',
      errors: {
        memory: "type check ('integer') failed - got 'x'",
        vmid: 'property is missing and it is not optional',
      },
    });
    expect(error.code).toBe('INVALID_ARGUMENTS');
    expect(error.message).toContain(
      "memory: type check ('integer') failed - got 'x'; vmid: property is missing",
    );
  });

  test('an unknown task', () => {
    expect(errorOf(400, { message: 'x', errors: { upid: 'no such task' } }).code).toBe('NOT_FOUND');
  });

  test('a duplicate parameter has no errors', () => {
    expect(errorOf(400, { message: 'duplicate parameter' }).message).toContain('duplicate parameter');
  });
});

describe('403', () => {
  const message = 'Permission check failed (/vms/100, VM.Audit)\n';

  test('names privilege and path and the lines that grant it', () => {
    const error = errorOf(403, { message });
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', status: 403, retryable: false });
    expect(error.message).toBe('the API token ops@pve!mcp lacks VM.Audit on /vms/100.');
    expect(error.hint).toContain("pveum acl modify /vms/100 --tokens 'ops@pve!mcp' --roles PVEAuditor");
    expect(error.hint).toContain("pveum acl modify /vms/100 --users 'ops@pve' --roles PVEAuditor");
  });

  test('a password login has a user alone', () => {
    const credentials: ClusterCredentials = { kind: 'password', user: 'a@pam', password: new Secret('x') };
    const { hint } = errorOf(403, { message, credentials });
    expect(hint).toContain("--users 'a@pam'");
    expect(hint).not.toContain('--tokens');
  });

  test('one of several privileges', () => {
    const error = errorOf(403, {
      message: 'Permission check failed (/vms/100, VM.Config.Disk|VM.Config.CDROM)',
    });
    expect(error.message).toContain('VM.Config.Disk or VM.Config.CDROM on /vms/100');
  });

  test('what stands in the text cannot leave the quotes of the line', () => {
    const { hint } = errorOf(403, { message: "Permission check failed (/pool/a'; rm -rf /, Pool.Audit)" });
    expect(hint).toContain("pveum acl modify '/pool/a; rm -rf /' ");
  });

  test('without a path it is shown as it is', () => {
    const error = errorOf(403, { message: 'Permission check failed (not for you)' });
    expect(error.message).toContain('not for you');
    expect(error.hint).toContain("pveum user token permissions 'ops@pve' mcp");
  });

  test('what is for root@pam alone', () => {
    const error = errorOf(403, { message: 'Permission check failed (user != root@pam)' });
    expect(error).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('root@pam alone'),
    });
    expect(error.hint).toContain('No privilege and no API token suffice');
  });

  test('a call that takes a ticket', () => {
    const text = "(URI '/access/password' not available with API token, need proper ticket.)";
    expect(errorOf(403, { message: text, path: '/access/password' })).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: '/access/password is not available with an API token.',
    });
  });

  test.each([
    ['VM.Audit', 'PVEAuditor'],
    ['VM.PowerMgmt', 'PVEVMUser'],
    ['VM.Allocate', 'PVEVMAdmin'],
    ['Datastore.AllocateSpace', 'PVEDatastoreUser'],
    ['Datastore.Allocate', 'PVEDatastoreAdmin'],
    ['SDN.Use', 'PVESDNUser'],
    ['Sys.Syslog', 'PVESysAdmin'],
    ['Sys.Modify', 'Administrator'],
    ['Permissions.Modify', 'Administrator'],
  ])('%s is held by %s', (privilege, role) => {
    expect(fittingRole(privilege)).toBe(role);
  });
});

test('501: no such method', () => {
  expect(errorOf(501, { message: "Method 'GET /nope' not implemented", path: '/nope' })).toMatchObject({
    code: 'NOT_FOUND',
    message: 'There is no such API method: GET /nope',
  });
  expect(errorOf(501, { message: "Unexpected content for method 'DELETE'" }).code).toBe('UPSTREAM_ERROR');
});

describe('595, 596, 599: the node behind the endpoint', () => {
  test('a read may be repeated', () => {
    const error = errorOf(595, { reason: 'No route to host' });
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', status: 595, retryable: true });
    expect(error.message).toBe('Node pve2 did not answer pve1:8006 (595).');
  });

  test('a write after 596 and 599 is in doubt, after 595 it is not', () => {
    for (const status of [596, 599]) {
      const error = errorOf(status, { method: 'POST' });
      expect(error.message).toContain('may or may not have been carried out');
      expect(error.retryable).toBe(false);
    }
    expect(errorOf(595, { method: 'POST' }).message).toContain('Nothing was carried out');
  });

  test('a path without a node', () => {
    expect(errorOf(599, { path: '/cluster/status' }).message).toContain('The node that this call is for');
  });
});

describe('answers that are not from PVE', () => {
  test.each([200, 404, 500, 502])('HTML with status %s is not shown', (status) => {
    const error = errorOf(status, {
      contentType: 'text/html',
      body: '<html>INTERNAL-NAME',
      reason: 'INTERNAL-NAME',
    });
    expect(error.code).toBe('UPSTREAM_ERROR');
    expect(error.message).toContain('HTML, not the Proxmox API: is this the right port?');
    expect(JSON.stringify(error.toBody())).not.toContain('INTERNAL-NAME');
  });

  test.each([502, 503, 504])('%s of a proxy: a read may be repeated, a write is in doubt', (status) => {
    const answer = { contentType: '', body: '', reason: 'Bad Gateway' };
    expect(errorOf(status, answer)).toMatchObject({ retryable: true });
    const write = errorOf(status, { ...answer, method: 'DELETE' });
    expect(write).toMatchObject({ retryable: false });
    expect(write.message).toContain('may or may not');
  });

  test('another API’s JSON', () => {
    const error = errorOf(500, { body: '{"message":"INTERNAL-NAME"}' });
    expect(error.message).toContain('JSON, but not as the Proxmox API does');
  });
});

test('messages are cleaned: first line, no control characters, bounded, without secrets', () => {
  const message = `\u001b[31mfailed for ${CANARY} ${'x'.repeat(2000)}\nat /usr/share/perl5/PVE.pm line 7`;
  const error = errorOf(500, { message });
  expect(error.message).not.toMatch(/\p{Cc}/u);
  expect(error.message).toContain('failed for [redacted]');
  expect(error.message.length).toBeLessThan(600);
  expect(error.message).not.toContain('PVE.pm');
  const parameter = errorOf(400, { message: 'x', errors: { a: `got '${encodeURIComponent(CANARY)}'` } });
  expect(parameter.message).toContain("got '[redacted]'");
});
