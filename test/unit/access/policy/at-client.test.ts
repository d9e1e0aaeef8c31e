import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../../src/access/policy/policy.ts';
import { ask, policyOf, somebody } from '../../../support/policy.ts';

const DESTROY = 'DELETE /nodes/pve1/qemu/100';
const EVERYONE = { subject: '*' };

/** A role of one grant that is the admin's, and what it says of approving at the client. */
const admin = (atClient?: boolean) => ({
  grants: [{ allow: '*' }],
  ...(atClient === undefined ? {} : { approval: { at_client: atClient } }),
});

function decided(file: object, line = DESTROY, more = {}) {
  return ask(policyOf({ principals: [{ match: EVERYONE, roles: ['admin'] }], ...file }), line, more);
}

describe('whether a person approves at the own client', () => {
  it.each<[string, object, boolean]>([
    ['as ever, where nothing is said', {}, true],
    ['where the file says so', { approval: { at_client: true } }, true],
    ['not where the file says no', { approval: { at_client: false } }, false],
    [
      'not where the role that grants it says no',
      { roles: { own: admin(false) }, principals: [{ match: EVERYONE, roles: 'own' }] },
      false,
    ],
    [
      'where the role says yes and the file no',
      {
        approval: { at_client: false },
        roles: { own: admin(true) },
        principals: [{ match: EVERYONE, roles: 'own' }],
      },
      true,
    ],
    [
      'not where one of two roles that grant it says no',
      {
        roles: { yes: admin(true), no: admin(false) },
        principals: [{ match: EVERYONE, roles: ['yes', 'no'] }],
      },
      false,
    ],
    [
      'as a role says that grants it, whatever others say of other calls',
      {
        roles: { reader: { grants: [{ allow: 'read' }], approval: { at_client: false } } },
        principals: [{ match: EVERYONE, roles: ['reader', 'admin'] }],
      },
      true,
    ],
    [
      'not where a role is extended that says no',
      {
        roles: { base: admin(false), other: admin(true), own: { extends: ['base', 'other'] } },
        principals: [{ match: EVERYONE, roles: 'own' }],
      },
      false,
    ],
    [
      'where the extending role says otherwise',
      {
        roles: { base: admin(false), own: { ...admin(true), extends: 'base' } },
        principals: [{ match: EVERYONE, roles: 'own' }],
      },
      true,
    ],
  ])('%s', (_what, file, expected) => {
    expect(decided(file)).toMatchObject({ allowed: true, approval: 'person', atClient: expected });
  });

  it('is asked of a person alone', () => {
    const file = { approval: { at_client: false, change: 'self', destroy: 'second' } };
    expect(decided(file)).toMatchObject({ approval: 'second', atClient: true });
    expect(decided(file, 'POST /nodes/pve1/qemu/100/status/start')).toMatchObject({
      approval: 'self',
      atClient: true,
    });
    expect(decided(file, 'GET /version')).toMatchObject({ approval: 'none', atClient: true });
  });

  it('is no where the call is denied, and yes without a policy', () => {
    expect(decided({ principals: [] })).toMatchObject({ allowed: false, atClient: false });
    expect(ask(defaultPolicy(), DESTROY)).toMatchObject({ approval: 'person', atClient: true });
  });

  it('is explained', () => {
    const last = (file: object) => decided(file).trace.find((line) => line.includes('own client'));
    expect(last({})).toBe("approval at the caller's own client: yes, as the default says");
    expect(last({ approval: { at_client: false } })).toBe(
      "approval at the caller's own client: no, as the file says",
    );
    const roles = { own: admin(false) };
    const file = { roles, principals: [{ match: EVERYONE, roles: 'own' }] };
    expect(decided(file).trace.at(-2)).toBe("approval at the caller's own client: no, as a role says");
    expect(policyOf(file).describe(somebody('alice')).join('\n')).toContain(
      'never approved at the own client',
    );
    const ofFile = policyOf({ principals: [], approval: { at_client: false } });
    expect(ofFile.describe(somebody('alice'))).toContain(
      'nobody approves at their own client, unless a role says so',
    );
  });
});
