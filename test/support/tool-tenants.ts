import type { Policy } from '../../src/access/policy/policy.ts';
import { policyOf } from './policy.ts';
import type { Arrived } from './tool-estate.ts';
import { lineOf, NO_APPROVAL } from './tool-site.ts';

/** The guests of each pool of `production` in `ToolEstate`, and those that are in none. */
const GUESTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  web: { 100: 'web-01', 101: 'web-02' },
  data: { 102: 'db-01', 111: 'cache-01' },
  nobody: {
    103: 'build-01',
    110: 'dns-01',
    112: 'legacy-mail',
    181: 'cloud-01',
    182: 'copied-01',
    9000: 'debian-13-base',
  },
};
const ELSEWHERE = ['staging-web', 'staging-db', 'staging-proxy', 'staging-queue', 'ubuntu-2404-base'].concat([
  'dr-monitor',
  'dr-web-standby',
  'dr-dns',
  'dr-archive',
  'dr-debian-base',
]);

/** Subjects, and the pool that each is bound to. */
export const TENANTS = [
  ['web', 'web'],
  ['data', 'data'],
  ['web-ops', 'web'],
] as const;

/** Each tenant may do everything with its own. */
export function tenantPolicy(): Policy {
  return policyOf({
    roles: { all: { grants: [{ allow: '*' }] } },
    principals: [
      { match: { subject: 'web' }, roles: 'all', tenant: { pools: 'web' } },
      { match: { subject: 'data' }, roles: 'all', tenant: { pools: 'data' } },
      { match: { subject: 'web-ops' }, roles: 'all', tenant: { pools: 'web', infrastructure: true } },
    ],
    approval: NO_APPROVAL,
  });
}

export function ownGuests(pool: string): Readonly<Record<string, string>> {
  return GUESTS[pool] ?? {};
}

/** Of `production`, those of the other pools. */
export function foreignGuests(pool: string): { vmid: string; guest: string }[] {
  return Object.entries(GUESTS).flatMap(([name, guests]) =>
    name === pool ? [] : Object.entries(guests).map(([vmid, guest]) => ({ vmid, guest })),
  );
}

/** Names of others in an answer that the question did not hold. */
export function namesOfOthers(pool: string, answer: string, question: string): string[] {
  const names = [...foreignGuests(pool).map(({ guest }) => guest), ...ELSEWHERE];
  return names.filter((name) => answer.includes(name) && !question.includes(name));
}

/** The guest that a request is about, by its path, a task, a backup or a parameter. */
export function guestOf(request: Arrived): string | undefined {
  const text = `${lineOf(request)} ${JSON.stringify(request.params)}`;
  const found = /\/(?:qemu|lxc)\/(\d+)|UPID(?::[^:]*){5}:(\d+):|vzdump-[a-z]+-(\d+)-|"vmid":"?(\d+)"?/.exec(
    text,
  );
  return found?.slice(1).find((vmid) => vmid !== undefined);
}
