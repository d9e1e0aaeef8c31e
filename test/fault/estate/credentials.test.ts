import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect } from 'vitest';
import { Secret } from '../../../src/config/secret.ts';
import { TOKEN_CANARY } from '../../support/engine-fixtures.ts';
import {
  type Asked,
  bounded,
  describeFaults,
  expectEnding,
  faultTest,
  type NamedFault,
  READ,
  useSimulator,
  WRITE,
} from '../../support/fault-cases.ts';
import {
  byPassword,
  type EstateOptions,
  type FaultEstate,
  PASSWORD_CANARY,
  type ToolAnswer,
} from '../../support/fault-estate.ts';

const simulated = useSimulator({ authDelaySeconds: 0.05 });

/** How long a refusal is remembered, and a little more. */
const A_MINUTE = 61;
const GUEST_CONFIG = '/nodes/pve2/qemu/103/config';
const REFUSED = { code: 'UPSTREAM_AUTH', status: 401, retryable: false } as const;

const wrongToken: EstateOptions = {
  configure: ({ user, tokenId }) => ({
    credentials: { kind: 'token', user, tokenId, secret: new Secret(TOKEN_CANARY) },
  }),
};
const limitedToken: EstateOptions = {
  configure: ({ user, limitedTokenId, limitedTokenSecret }) => ({
    credentials: { kind: 'token', user, tokenId: limitedTokenId, secret: new Secret(limitedTokenSecret) },
  }),
};

function grant({ target }: FaultEstate, role: string | undefined): void {
  const { access } = target.state;
  const ugid = `${target.user}!${target.limitedTokenId}`;
  access.forget(ugid);
  if (role !== undefined) access.acl.push({ path: '/', ugid, role });
}

afterEach(() => {
  const target = simulated().simulator.cluster('production');
  setTokenSecret(target, target.tokenSecret);
  setPassword(target, target.password);
});

let restore: (() => Promise<void>) | undefined;

const faults: NamedFault[] = [
  {
    name: 'a token that is revoked while it is used',
    put: ({ target }) => {
      restore = target.faults.add({ kind: 'revoked-token', times: 1 }).remove;
    },
    lift: () => restore?.(),
    pass: A_MINUTE,
    read: { ...REFUSED, says: ['mcp@pve!mcp', 'pveum user token list'] },
    write: { ...REFUSED, says: ['mcp@pve!mcp'], arrived: 1 },
  },
  {
    name: 'a token that is wrong from the start',
    options: wrongToken,
    put: () => undefined,
    lift: ({ target }) => setTokenSecret(target, TOKEN_CANARY),
    pass: A_MINUTE,
    // What the service asks by itself was refused already: nothing of the call leaves.
    read: { ...REFUSED, says: ['mcp@pve!mcp', 'pveum user token'], untouched: true },
    write: { ...REFUSED, arrived: 0, untouched: true },
  },
  {
    name: 'a token with too few privileges',
    options: limitedToken,
    put: (estate) => grant(estate, undefined),
    lift: (estate) => grant(estate, 'Administrator'),
    read: {
      asks: ['GET', GUEST_CONFIG],
      code: 'PERMISSION_DENIED',
      status: 403,
      says: [
        'mcp@pve!limited lacks VM.Audit on /vms/103',
        "pveum acl modify /vms/103 --tokens 'mcp@pve!limited'",
      ],
    },
    write: { code: 'PERMISSION_DENIED', status: 403, says: ['VM.Config.', 'pveum acl modify'], arrived: 1 },
  },
  {
    name: 'a password that is wrong',
    options: { configure: (cluster) => byPassword(cluster, PASSWORD_CANARY) },
    put: () => undefined,
    lift: ({ target }) => setPassword(target, PASSWORD_CANARY),
    pass: A_MINUTE,
    read: { ...REFUSED, says: ['mcp@pve', 'Check user, realm and password'], untouched: true },
    write: { ...REFUSED, arrived: 0, untouched: true },
  },
  {
    // The first 401 of the write counts as arrived; nothing was carried out before PVE knows who asks.
    name: 'a login that hangs when the ticket has run out',
    options: { configure: (cluster) => byPassword(cluster) },
    put: ({ target }) => {
      target.state.tickets.expireAll();
      target.faults.add({ kind: 'hang', match: /access\/ticket/ });
    },
    read: { code: 'TIMEOUT', retryable: true },
    write: { code: 'TIMEOUT', retryable: true, says: ['was not sent'], arrived: 1 },
  },
];

describeFaults(simulated, faults);

/** With 401s that take their time, six at once. */
const byTicket: EstateOptions = {
  configure: (cluster) => byPassword(cluster),
  limits: { deadlineMs: 5_000 },
};

/** Many reads and one write at once: all succeed, and the write is carried out once. */
async function together(estate: FaultEstate, reads = 12): Promise<void> {
  const from = estate.writes.length;
  const asked: Asked[] = [WRITE, ...Array<Asked>(reads).fill(READ)];
  const answers = await bounded(estate, () => Promise.all(asked.map((one) => estate.ask(...one))));
  for (const answer of answers) expectEnding(answer, {}, estate);
  await sleep(80);
  const carriedOut = estate.writes.slice(from).filter(({ status }) => status === 200);
  expect(carriedOut, 'carried out').toHaveLength(1);
}

faultTest(
  simulated,
  'a login that hangs: who comes later, when it no longer does, is not let down with it',
  async (estate) => {
    expectEnding(await estate.ask(...READ), {}, estate);
    estate.target.state.tickets.expireAll();
    estate.target.faults.add({ kind: 'hang', match: /access\/ticket/, times: 1 });
    const first = estate.ask(...READ);
    await sleep(700);
    const later = bounded(estate, () => Promise.all([WRITE, READ, READ].map((one) => estate.ask(...one))));
    expectEnding(await first, { code: 'TIMEOUT', retryable: true }, estate);
    for (const answer of await later) expectEnding(answer, {}, estate);
    expect(estate.writes.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(estate.logins).toHaveLength(3);
  },
  { ...byTicket, limits: { deadlineMs: 1_500 } },
);

faultTest(
  simulated,
  'a ticket that expires in the middle: one new login for all callers',
  async (estate) => {
    await together(estate);
    expect(estate.logins).toHaveLength(1);
    estate.target.faults.add({ kind: 'expired-ticket', times: 1 });
    await together(estate);
    expect(estate.logins).toHaveLength(2);
  },
  byTicket,
);

faultTest(
  simulated,
  'a CSRF token that Proxmox no longer takes: one new login, and the write is carried out once',
  async (estate) => {
    await together(estate);
    const message = 'Permission denied - invalid csrf token';
    estate.target.faults.add({ kind: 'status', code: 401, message, match: /^POST .*config/, times: 1 });
    await together(estate);
    expect(estate.logins).toHaveLength(2);
  },
  byTicket,
);

faultTest(
  simulated,
  'a ticket grown old: it is renewed ahead of its end, and no call is refused',
  async (estate) => {
    await together(estate);
    estate.pass(101 * 60);
    await together(estate);
    expect(estate.logins).toHaveLength(2);
    expect(estate.requests.filter(({ status }) => status === 401)).toEqual([]);
  },
  byTicket,
);

faultTest(
  simulated,
  'a host whose clock jumps, ahead and back: a new login each time, and no refusal',
  async (estate) => {
    await together(estate);
    estate.skew.simulator += 3 * 3_600_000;
    await together(estate);
    estate.skew.simulator -= 3 * 3_600_000;
    await together(estate);
    expect(estate.logins).toHaveLength(3);
  },
  byTicket,
);

faultTest(
  simulated,
  'a storm of 401: sixty calls at once cost Proxmox six, and the next none',
  async (estate) => {
    expectEnding(await estate.ask(...READ), {}, estate);
    const { remove } = estate.target.faults.add({ kind: 'revoked-token', times: 1 });
    const from = estate.requests.length;
    const asked = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? WRITE : READ));
    const answers = await bounded(estate, () => Promise.all(asked.map((one) => estate.ask(...one))));
    for (const answer of answers) expectEnding(answer, REFUSED, estate);
    const arrived = estate.requests.length - from;
    expect(arrived).toBeGreaterThan(0);
    expect(arrived).toBeLessThanOrEqual(6);

    const later: ToolAnswer[] = await Promise.all([estate.ask(...READ), estate.ask(...WRITE)]);
    for (const answer of later) expectEnding(answer, REFUSED, estate);
    expect(estate.requests.length - from).toBe(arrived);
    expect(estate.requests.slice(from).every(({ status }) => status === 401)).toBe(true);

    await remove();
    estate.pass(A_MINUTE);
    expectEnding(await estate.ask(...WRITE), {}, estate);
  },
);

faultTest(
  simulated,
  'twenty callers with a wrong password: one login',
  async (estate) => {
    const asked = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? WRITE : READ));
    for (const answer of await Promise.all(asked.map((one) => estate.ask(...one)))) {
      expectEnding(answer, REFUSED, estate);
    }
    expect(estate.requests).toHaveLength(1);
    expect(estate.logins).toHaveLength(1);
  },
  { configure: (cluster) => byPassword(cluster, `${PASSWORD_CANARY}-other`) },
);

function setTokenSecret({ state, user, tokenId }: FaultEstate['target'], secret: string): void {
  const token = state.access.findToken(user, tokenId);
  if (token) token.secret = secret;
}

function setPassword({ state, user }: FaultEstate['target'], password: string): void {
  const account = state.access.users.get(user);
  if (account) account.password = password;
}
