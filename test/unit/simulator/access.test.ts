import { beforeEach, describe, expect, test } from 'vitest';
import { AccessControl, type Identity } from '../../../src/simulator/state/access.ts';
import { Tickets } from '../../../src/simulator/state/tickets.ts';

const user: Identity = { id: 'ann@pve', user: 'ann@pve' };
const token: Identity = { id: 'ann@pve!bot', user: 'ann@pve', token: 'bot' };
let access: AccessControl;

beforeEach(() => {
  access = new AccessControl((vmid) => (vmid === 101 ? 'web' : undefined));
  access.tokens.push({ user: 'ann@pve', name: 'bot', secret: 'x', privsep: true });
});

const grant = (ugid: string, path: string, role: string) => access.acl.push({ path, ugid, role });

describe('privileges', () => {
  test('are inherited down the path until an entry replaces them', () => {
    grant('ann@pve', '/', 'PVEAuditor');
    grant('ann@pve', '/vms/100', 'NoAccess');
    expect(access.has(user, '/nodes/pve1', 'Sys.Audit')).toBe(true);
    expect(access.has(user, '/vms/100', 'VM.Audit')).toBe(false);
  });

  test('reach a guest through its pool', () => {
    grant('ann@pve', '/pool/web', 'PVEVMUser');
    expect(access.has(user, '/vms/101', 'VM.PowerMgmt')).toBe(true);
    expect(access.has(user, '/vms/102', 'VM.PowerMgmt')).toBe(false);
  });

  test('of a separated token are what it and its user both have', () => {
    grant('ann@pve', '/', 'PVEVMUser');
    grant('ann@pve!bot', '/', 'PVEAuditor');
    expect(access.has(token, '/vms/100', 'VM.Audit')).toBe(true);
    expect(access.has(token, '/vms/100', 'VM.PowerMgmt')).toBe(false);
    expect(access.has(token, '/', 'Sys.Audit')).toBe(false);
  });

  test('of a token that was removed are none', () => {
    grant('ann@pve', '/', 'Administrator');
    access.tokens.length = 0;
    expect(access.privileges(token, '/').size).toBe(0);
  });
});

describe('a ticket', () => {
  let now = 1_800_000_000_000;
  const tickets = new Tickets(() => now);

  test('names its user for two hours and not longer', () => {
    const { ticket, csrf } = tickets.issue('ann@pve');
    now += 7_199_000;
    expect(tickets.verify(ticket)).toBe('ann@pve');
    expect(tickets.verifyCsrf('ann@pve', csrf)).toBe(true);
    now += 2000;
    expect(tickets.verify(ticket)).toBeUndefined();
    expect(tickets.verifyCsrf('ann@pve', csrf)).toBe(false);
  });

  test('is worth nothing once altered, nor for another cluster', () => {
    const { ticket, csrf } = tickets.issue('ann@pve');
    expect(tickets.verify(ticket.replace('ann', 'bob'))).toBeUndefined();
    expect(tickets.verifyCsrf('bob@pve', csrf)).toBe(false);
    expect(new Tickets(() => now).verify(ticket)).toBeUndefined();
  });
});
