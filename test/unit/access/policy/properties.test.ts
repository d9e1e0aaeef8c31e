import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { APPROVALS, POLICY_RISKS } from '../../../../src/config/policy-schema.ts';
import { ask, guest, policyOf, somebody } from '../../../support/policy.ts';

const some = <T>(values: readonly T[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const limits = fc.record({
  tools: maybe(some(['proxmox_api_call', 'list_*', '*'])),
  paths: maybe(
    some(['/nodes/**', '/nodes/*/qemu/**', '/nodes/pve1/qemu/*/status/*', '/cluster/**', '/nodes/pve2/**']),
  ),
  methods: maybe(some(['GET', 'POST', 'PUT', 'DELETE'])),
  clusters: maybe(some(['production', 'prod*', 'staging'])),
  guests: maybe(
    fc.constantFrom(
      { vmids: '100-199' },
      { names: 'web-*' },
      { tags: 'web' },
      { pools: 'a' },
      { tags: ['web', 'db'], pools: ['a', 'b'] },
    ),
  ),
});
const risks = some(POLICY_RISKS);
const allow = fc
  .tuple(limits, risks, maybe(fc.constantFrom(...APPROVALS)))
  .map(([limit, allowed, approval]) => ({ ...limit, allow: allowed, approval }));
const deny = fc.tuple(limits, risks).map(([limit, denied]) => ({ ...limit, deny: denied }));
const grants = fc.array(fc.oneof(allow, deny), { maxLength: 6 });
const tenant = maybe(fc.constantFrom({ pools: ['a'] }, { tags: ['web'] }, { pools: ['b'], tags: ['db'] }));

interface RoleOf {
  grants: object[];
}
const build = (roles: readonly RoleOf[], tenants: readonly (object | undefined)[] = []) =>
  policyOf({
    roles: Object.fromEntries(roles.map((role, index) => [`r${index}`, role])),
    principals: roles.map((_, index) => ({
      match: { subject: 'alice' },
      roles: `r${index}`,
      ...(tenants[index] === undefined ? {} : { tenant: tenants[index] }),
    })),
  });
const roles = fc.array(
  grants.map((list): RoleOf => ({ grants: list })),
  { minLength: 1, maxLength: 4 },
);

const line = fc.constantFrom(
  'GET /nodes',
  'GET /cluster/resources',
  'GET /nodes/pve1/qemu/100/config',
  'POST /nodes/pve1/qemu/100/status/stop',
  'POST /nodes/localhost/qemu/100/status/stop',
  'DELETE /nodes/pve2/qemu/100',
  'PUT /nodes/pve1/qemu/200/config',
  'POST /nodes/pve1/qemu/100/agent/exec',
  'GET /nodes/pve1/qemu/100/cloudinit/dump',
  'POST /nodes/pve1/stopall',
  'POST /nodes/pve1/qemu/100/clone',
);
const data = fc.constantFrom(
  {},
  { delete: 'scsi1' },
  { tags: 'web' },
  { newid: 300, pool: 'a' },
  { scsi1: 'l:vm-200-disk-0' },
);
const facts = fc.constantFrom(
  [guest(100, 'web-1', ['web'], 'a'), guest(200, 'db-1', ['db'], 'b')],
  [guest(100), guest(200)],
  [{ ...guest(100), unknown: true }, guest(200, 'web-2', ['web'])],
);
const call = fc.record({ line, data, guests: facts, cluster: fc.constantFrom('production', 'staging') });
const RUNS = { numRuns: 400 };

describe('whatever a policy holds', () => {
  it('one more deny never allows more', () => {
    fc.assert(
      fc.property(roles, deny, fc.nat(), call, (before, more, at, { line: asked, ...rest }) => {
        const after = before.map((role, index) =>
          index === at % before.length ? { grants: [...role.grants, more] } : role,
        );
        const [was, is] = [build(before), build(after)].map((policy) => ask(policy, asked, rest).allowed);
        return was === true || is === false;
      }),
      RUNS,
    );
  });

  it('one allow less never allows more', () => {
    fc.assert(
      fc.property(roles, fc.nat(), call, (before, at, { line: asked, ...rest }) => {
        const allowing = before.flatMap((role, r) =>
          role.grants.flatMap((grant, g) => ('allow' in grant ? [[r, g]] : [])),
        );
        const [role, index] = allowing[at % Math.max(allowing.length, 1)] ?? [];
        const after = before.map(({ grants: list }, r) => ({
          grants: list.filter((_, g) => r !== role || g !== index),
        }));
        const [was, is] = [build(before), build(after)].map((policy) => ask(policy, asked, rest));
        // A change of tags may be let through where no rule looks at tags any more, if another grants the change.
        return (
          was?.allowed === true ||
          is?.allowed === false ||
          was?.reason.startsWith('Name, tags or pool') === true
        );
      }),
      RUNS,
    );
  });

  it('the order of entries and grants does not matter', () => {
    fc.assert(
      fc.property(
        roles,
        fc.array(tenant, { minLength: 4, maxLength: 4 }),
        call,
        (given, tenants, { line: asked, ...rest }) => {
          const turned = given.map(({ grants: list }) => ({ grants: list.toReversed() })).toReversed();
          const one = ask(build(given, tenants), asked, rest);
          const other = ask(build(turned, tenants.slice(0, given.length).toReversed()), asked, rest);
          expect([other.allowed, other.approval]).toEqual([one.allowed, one.approval]);
        },
      ),
      RUNS,
    );
  });

  it('nothing granted is denied, and so is who is not named', () => {
    fc.assert(
      fc.property(roles, call, (given, { line: asked, ...rest }) => {
        const onlyDeny = given.map(({ grants: list }) => ({
          grants: list.filter((grant) => 'deny' in grant),
        }));
        expect(ask(build(onlyDeny), asked, rest).allowed).toBe(false);
        expect(ask(build(given), asked, { ...rest, as: somebody('bob') }).allowed).toBe(false);
      }),
      RUNS,
    );
  });

  it('a tenant never allows more, and a scope less never does', () => {
    fc.assert(
      fc.property(roles, tenant, call, (given, bound, { line: asked, ...rest }) => {
        const free = ask(build(given), asked, rest).allowed;
        const tied = ask(
          build(
            given,
            given.map(() => bound),
          ),
          asked,
          rest,
        ).allowed;
        expect(free || !tied).toBe(true);
        const reader = somebody('alice', { scope: 'proxmox:read' });
        expect(free || !ask(build(given), asked, { ...rest, as: reader }).allowed).toBe(true);
      }),
      RUNS,
    );
  });

  it('read-only lets nothing but GET through', () => {
    fc.assert(
      fc.property(
        roles,
        call,
        fc.constantFrom('serverReadOnly', 'clusterReadOnly', 'requestReadOnly'),
        (given, { line: asked, ...rest }, which) => {
          const { allowed } = ask(build(given), asked, { ...rest, more: { [which]: true } });
          expect(allowed && !asked.startsWith('GET')).toBe(false);
        },
      ),
      RUNS,
    );
  });

  it('the trace ends with the decision, and reading it changes nothing', () => {
    fc.assert(
      fc.property(roles, call, (given, { line: asked, ...rest }) => {
        const decision = ask(build(given), asked, rest);
        const { allowed, rule } = decision;
        expect(decision.trace.at(-1)).toBe(`${allowed ? 'allowed' : 'denied'} by ${rule}`);
        expect(decision.trace).toBe(decision.trace);
      }),
      RUNS,
    );
  });
});
