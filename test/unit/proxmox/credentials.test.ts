import { describe, expect, test, vi } from 'vitest';
import { Secret } from '../../../src/config/secret.ts';
import { Signer, type Ticket } from '../../../src/proxmox/credentials.ts';

const NEVER = new AbortController().signal;
const PASSWORD = { kind: 'password', user: 'ops@pve', password: new Secret('pw') } as const;

function signer() {
  let now = 0;
  let count = 0;
  const login = vi.fn(async (): Promise<Ticket> => {
    count++;
    return { ticket: `PVE:ops@pve:${count}==`, csrfToken: `csrf${count}` };
  });
  const clock = { now: () => now };
  const pass = (minutes: number) => {
    now += minutes * 60_000;
  };
  return { signer: new Signer(PASSWORD, login, clock), login, pass };
}

describe('Signer', () => {
  test('a token is a header, without a login', async () => {
    const login = vi.fn();
    const credentials = { kind: 'token', user: 'ops@pve', tokenId: 'mcp', secret: new Secret('s') } as const;
    const { headers, ticket } = await new Signer(credentials, login, Date).sign('POST', NEVER);
    expect(headers).toEqual({ authorization: 'PVEAPIToken=ops@pve!mcp=s' });
    expect(ticket).toBeUndefined();
    expect(login).not.toHaveBeenCalled();
  });

  test('a ticket is a cookie, with the CSRF token on all but GET', async () => {
    const { signer: sut } = signer();
    expect((await sut.sign('GET', NEVER)).headers).toEqual({
      cookie: 'PVEAuthCookie=PVE%3Aops%40pve%3A1%3D%3D',
    });
    expect((await sut.sign('DELETE', NEVER)).headers).toHaveProperty('csrfpreventiontoken', 'csrf1');
  });

  test('many callers share one login', async () => {
    const { signer: sut, login } = signer();
    await Promise.all(Array.from({ length: 20 }, () => sut.sign('GET', NEVER)));
    expect(login).toHaveBeenCalledTimes(1);
  });

  test('a ticket is renewed at 100 minutes', async () => {
    const { signer: sut, login, pass } = signer();
    await sut.sign('GET', NEVER);
    pass(99);
    await sut.sign('GET', NEVER);
    expect(login).toHaveBeenCalledTimes(1);
    pass(1);
    await sut.sign('GET', NEVER);
    expect(login).toHaveBeenCalledTimes(2);
  });

  test('a refused ticket is forgotten once, however many had used it', async () => {
    const { signer: sut, login } = signer();
    const [first, second] = await Promise.all([sut.sign('GET', NEVER), sut.sign('GET', NEVER)]);
    if (first.ticket === undefined || second.ticket === undefined) throw new Error('no ticket');
    sut.forget(first.ticket);
    await sut.sign('GET', NEVER);
    sut.forget(second.ticket);
    await sut.sign('GET', NEVER);
    expect(login).toHaveBeenCalledTimes(2);
  });

  test('a failed login is for all who waited, and the next call tries again', async () => {
    const { signer: sut, login } = signer();
    login.mockRejectedValueOnce(new Error('refused'));
    const results = await Promise.allSettled([sut.sign('GET', NEVER), sut.sign('GET', NEVER)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await sut.sign('GET', NEVER);
    expect(login).toHaveBeenCalledTimes(2);
  });

  test('an abort ends one caller’s waiting, not the login', async () => {
    const { signer: sut, login } = signer();
    const caller = new AbortController();
    const gone = sut.sign('GET', caller.signal);
    const stays = sut.sign('GET', NEVER);
    caller.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    await stays;
    await expect(sut.sign('GET', caller.signal)).resolves.toBeDefined();
    expect(login).toHaveBeenCalledTimes(1);
  });
});
