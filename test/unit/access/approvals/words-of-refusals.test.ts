import { describe, expect, it } from 'vitest';
import type { PlanFacts, PlannedGuest } from '../../../../src/access/approvals/plan.ts';
import { asking, FACTS, handleOf, planOf, principal, testApprovals } from '../../../support/approvals.ts';
import { failureOf } from '../../../support/engine-fixtures.ts';

const BOB = principal('bob', ['proxmox:approve']);
const person = (changes: Parameters<typeof asking>[0] = {}) => asking({ kind: 'person', ...changes });
const GUEST: PlannedGuest = { type: 'qemu', vmid: 100, node: 'pve1', name: 'web-1', status: 'running' };

/** The first line of a refusal; the plan follows on the next ones. */
async function firstLine(work: Promise<unknown>): Promise<string> {
  return (await planOf(work)).message.split('\n')[0] ?? '';
}

const NO_PLAN = {
  code: 'NOT_FOUND',
  message: 'No plan 1 waits for an approval.',
  hint: 'See which ones do with: proxmox-mcp approvals list',
};

describe('the caller reads', () => {
  it('what to do with a plan of its own', async () => {
    const { approvals } = testApprovals();
    const made = await planOf(approvals.require(asking(), undefined));
    expect(made).toMatchObject({
      cluster: 'production',
      hint: `If the plan is what the user wants, repeat exactly this call with the handle ${made.plan.handle} within 10 minutes; it works once.`,
    });
    expect(made.message).toMatch(/^Nothing was sent: look at the plan first\.\n"web-1" \(VM 100\)/);
    expect(made.toBody()).toMatchObject({ code: 'APPROVAL_REQUIRED', plan: made.plan });
    const expiresAt = Date.parse(made.plan.expires_at);
    expect(Math.abs(expiresAt - Date.now() - 600_000)).toBeLessThan(30_000);
  });

  it.each<[string, Parameters<typeof asking>[0], number, string]>([
    ['a guessed handle', { handle: 'guessed' }, 0, 'This handle is not known.'],
    ['an empty handle', { handle: '' }, 0, 'This handle is not known.'],
    ['a novel', { handle: 'x'.repeat(129) }, 0, 'This handle is not known.'],
    ['other calls', { parameters: { purge: '1' } }, 0, 'The handle is for other calls (plan 1).'],
    ['another cluster', { cluster: 'staging' }, 0, 'The handle is for other calls (plan 1).'],
    [
      'a changed guest',
      { guestDigest: 'other' },
      0,
      'The guest has changed since plan 1: its configuration is another one.',
    ],
    ['a late one', {}, 600, 'Plan 1 has expired: a handle lives 10 minutes.'],
  ])('why its handle does not fit: %s', async (_what, changes, seconds, why) => {
    const { approvals, pass } = testApprovals();
    const handle = await handleOf(approvals.require(asking(), undefined));
    pass(seconds);
    expect(await firstLine(approvals.require(asking({ handle, ...changes }), undefined))).toBe(
      `${why} This is a new plan. Nothing was sent: look at the plan first.`,
    );
  });

  it('that a handle works once, and for its kind of approval alone', async () => {
    const { approvals } = testApprovals();
    const handle = await handleOf(approvals.require(asking(), undefined));
    expect(await firstLine(approvals.require(person({ handle }), undefined))).toMatch(
      /^Plan 1 was for another kind of approval\. Nothing was sent: plan 2 /,
    );
    await approvals.require(asking({ handle }), undefined);
    expect(await firstLine(approvals.require(asking({ handle }), undefined))).toBe(
      'The handle of plan 1 was used already: each works once. This is a new plan. Nothing was sent: look at the plan first.',
    );
  });

  it('who has to approve, and how', async () => {
    const { approvals, pass } = testApprovals();
    const waits =
      'Nothing was sent: plan 1 must be approved first, by a person whose token holds proxmox:approve.';
    expect(await firstLine(approvals.require(person(), undefined))).toBe(waits);
    expect(await firstLine(approvals.require(person(), () => 'unavailable'))).toBe(waits);
    expect(await firstLine(approvals.require(person(), () => 'asked'))).toBe(waits);
    expect(await firstLine(approvals.require(person(), () => 'undecided'))).toBe(
      `The person at the client was asked and did not decide. ${waits}`,
    );
    pass(300);
    const { hint, plan } = await planOf(approvals.require(person({ handle: 'guessed' }), undefined));
    expect(hint).toBe(
      'Show the user the plan and its number 1. It is approved with: proxmox-mcp approvals approve 1 — within 5 minutes. Then repeat exactly this call, which goes through once. No tool can approve it.',
    );
    expect(plan).toMatchObject({ number: 1, approval: 'person' });
    expect(plan).not.toHaveProperty('handle');
    const second = approvals.require(asking({ kind: 'second' }), undefined);
    expect(await firstLine(second)).toMatch(
      /^Nothing was sent: plan 2 must be approved first, by somebody other than "alice", whose token holds proxmox:approve\.$/,
    );
  });

  it('that the handle it gave is not known, unless it is that of the plan', async () => {
    const { approvals } = testApprovals();
    expect(await firstLine(approvals.require(person({ handle: 'guessed' }), undefined))).toMatch(
      /^This handle is not known\. Nothing was sent: plan 1 /,
    );
  });

  it('that somebody declined, and not to look for another way', async () => {
    const { approvals } = testApprovals();
    const declined = {
      code: 'POLICY_DENIED',
      cluster: 'production',
      message: 'the person at the client declined plan 1; nothing was sent.',
      hint: 'Do not look for another way to the same end: ask the user what they want instead. The same call, with whatever parameters, is refused for 10 minutes.',
    };
    expect(await failureOf(approvals.require(person(), () => 'declined'))).toMatchObject(declined);
    expect(await failureOf(approvals.require(person(), undefined))).toMatchObject(declined);
  });

  it('that the plan went away while the person was asked', async () => {
    const { approvals, pass } = testApprovals();
    const late = approvals.require(person(), () => {
      pass(600);
      return 'approved';
    });
    expect(await firstLine(late)).toMatch(
      /^Plan 1 was used or has expired meanwhile\. The person at the client was asked and did not decide\. Nothing/,
    );
  });

  it('that there are too many plans, or that one is too large', async () => {
    const { approvals } = testApprovals();
    const calls = [{ method: 'POST' as const, path: '/x', parameters: { text: 'x'.repeat(300_000) } }];
    expect(await failureOf(approvals.require(asking({ calls }), undefined))).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: 'The plan is too large to be judged; nothing was sent.',
      hint: 'Split it into several smaller calls.',
      cluster: 'production',
    });
    for (let made = 0; made < 100; made += 1) await planOf(approvals.require(asking(), undefined));
    expect(await failureOf(approvals.require(asking(), undefined))).toMatchObject({
      code: 'RATE_LIMITED',
      message: 'Too many plans of this principal wait already; nothing was sent.',
      hint: 'Apply the ones that are wanted; the others expire within 10 minutes.',
      cluster: 'production',
    });
  });
});

describe('what changed since the plan', () => {
  const changedTo = async (after: PlanFacts['guests'], before: PlanFacts['guests'] = [GUEST]) => {
    const { approvals } = testApprovals();
    const facts = (guests: PlanFacts['guests']) => async () => ({ ...FACTS, guests });
    await planOf(approvals.require(person({ describe: facts(before) }), undefined));
    const changed = person({ guestDigest: 'other', describe: facts(after) });
    const text = await firstLine(approvals.require(changed, undefined));
    return /^The guest has changed since plan 1: (.*)\. Nothing was sent: plan 2 /.exec(text)?.[1];
  };

  it.each<[Partial<PlannedGuest>, string]>([
    [{ name: 'db-1' }, 'its name was "web-1" and is "db-1"'],
    [{ node: 'pve2' }, 'its node was "pve1" and is "pve2"'],
    [{ status: 'stopped' }, 'its status was "running" and is "stopped"'],
    [{ protected: true }, 'its protected was not there and is "true"'],
    [{ template: true }, 'its template was not there and is "true"'],
    [{ pool: 'a' }, 'its pool was not there and is "a"'],
    [{ tags: ['a', 'b'] }, 'its tags was not there and is "a, b"'],
    [{ snapshots: [] }, 'its snapshots was not there and is ""'],
    [
      { node: 'pve2', status: 'stopped' },
      'its node was "pve1" and is "pve2"; its status was "running" and is "stopped"',
    ],
    [{ last_backup_at: 'now' }, 'its configuration is another one'],
    [{ vmid: 101, name: 'x' }, 'its configuration is another one'],
    [{ type: 'lxc', name: 'x' }, 'its configuration is another one'],
  ])('%j: %s', async (change, words) => {
    expect(await changedTo([{ ...GUEST, ...change }])).toBe(words);
  });
});

describe('an approver reads', () => {
  it('that the token is not one of an approver', async () => {
    const { approvals } = testApprovals();
    const refused = {
      code: 'POLICY_DENIED',
      message: 'This token does not hold proxmox:approve.',
      hint: 'Use an approver’s own token: proxmox:admin does not include the scope, and an agent must not have it.',
    };
    const admin = principal('root');
    await expect(approvals.waiting(admin)).rejects.toMatchObject(refused);
    await expect(approvals.show(1, admin)).rejects.toMatchObject(refused);
    await expect(approvals.decide(1, admin, 'denied')).rejects.toMatchObject(refused);
  });

  it('which plan there is not', async () => {
    const { approvals, pass } = testApprovals();
    await expect(approvals.show(1, BOB)).rejects.toMatchObject(NO_PLAN);
    await planOf(approvals.require(person(), undefined));
    expect(await approvals.show(1, BOB)).toMatchObject({ number: 1, state: 'pending', kind: 'person' });
    pass(600);
    expect(await approvals.waiting(BOB)).toEqual([]);
    await expect(approvals.show(1, BOB)).rejects.toMatchObject(NO_PLAN);
    await expect(approvals.decide(1, BOB, 'denied')).rejects.toMatchObject(NO_PLAN);
  });

  it('that a plan is decided already, and stays to be seen', async () => {
    const { approvals } = testApprovals();
    await planOf(approvals.require(person(), undefined));
    expect(await approvals.decide(1, BOB, 'denied', 'not today')).toMatchObject({
      state: 'denied',
      approver: 'bob',
      reason: 'not today',
    });
    expect(await approvals.show(1, BOB)).toMatchObject({ state: 'denied', reason: 'not today' });
    await expect(approvals.decide(1, BOB, 'approved')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'Plan 1 is denied already.',
      hint: 'Each plan is decided once. Ask for the call again if it is still wanted.',
      retryable: false,
    });
  });

  it('that who asked may not approve, with what to use instead, but may deny', async () => {
    const { approvals } = testApprovals();
    const alice = principal('alice', ['proxmox:admin', 'proxmox:approve']);
    await planOf(approvals.require(person({ principal: alice }), undefined));
    await planOf(approvals.require(asking({ kind: 'second', principal: alice }), undefined));
    await expect(approvals.decide(1, alice, 'approved')).rejects.toMatchObject({
      code: 'POLICY_DENIED',
      message: 'This credential asked for plan 1, and may not approve it.',
      hint: 'Use a credential that no agent holds.',
    });
    const other = { ...alice, credential: 'jwt:other' };
    await expect(approvals.decide(2, other, 'approved')).rejects.toMatchObject({
      code: 'POLICY_DENIED',
      message: 'You asked for plan 2, and may not approve it.',
      hint: 'Somebody else whose token holds proxmox:approve has to.',
    });
    expect(await approvals.decide(2, alice, 'denied')).toMatchObject({ state: 'denied' });
  });

  it('a reason of five hundred characters at most', async () => {
    const { approvals } = testApprovals();
    await planOf(approvals.require(person(), undefined));
    expect((await approvals.decide(1, BOB, 'denied', `${'x'.repeat(499)}\u{1f600}`)).reason).toBe(
      `${'x'.repeat(499)}\ufffd`,
    );
  });

  it('all plans that wait, the oldest first, with who asked through what', async () => {
    const { approvals } = testApprovals();
    const carol = principal('carol', ['proxmox:admin'], { client: 'agent' });
    await planOf(approvals.require(person({ principal: carol }), undefined));
    await planOf(approvals.require(person(), undefined));
    await planOf(approvals.require(asking({ kind: 'second' }), undefined));
    await planOf(approvals.require(asking(), undefined));
    const waiting = await approvals.waiting(BOB);
    expect(waiting.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(waiting[0]).toMatchObject({ subject: 'carol', client: 'agent', cluster: 'production' });
    expect(waiting[1]).not.toHaveProperty('client');
    expect(waiting[1]).not.toHaveProperty('approver');
    expect(waiting[1]).not.toHaveProperty('reason');
  });
});

describe('the log', () => {
  it('says of each step which plan it was, of whom, and who decided', async () => {
    const { approvals, lines } = testApprovals();
    await planOf(approvals.require(person(), undefined));
    await approvals.decide(1, BOB, 'approved');
    await approvals.require(person(), undefined);
    await failureOf(approvals.require(person(), () => 'declined'));
    const about = { approval: 'person', cluster: 'production', tool: 'proxmox_api_call', subject: 'alice' };
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { ...about, plan: 1, msg: 'plan made' },
      { ...about, plan: 1, msg: 'plan approved', approver: 'bob', credential: 'jwt:bob' },
      { ...about, plan: 1, msg: 'plan applied', approver: 'bob' },
      { ...about, plan: 2, msg: 'plan made' },
      { ...about, plan: 2, msg: 'plan denied', approver: 'the person at the client' },
    ]);
  });
});

describe('a plan whose facts can not be had', () => {
  it('says that nothing is known, and takes the worst for granted', async () => {
    const { approvals } = testApprovals();
    const describing = () => Promise.reject(new Error('x'));
    const { plan } = await planOf(approvals.require(person({ describe: describing }), undefined));
    expect(plan).toMatchObject({
      guests: [],
      lost: [],
      dependents: [],
      undo: 'Not known: take it that it can not be undone.',
      warnings: ['What these calls are about could not be found out.'],
    });
  });

  it('is not made where the caller went away meanwhile', async () => {
    const { approvals, lines } = testApprovals();
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(approvals.require(person({ signal }), undefined)).rejects.toThrow('gone');
    expect(lines).toEqual([]);
  });
});

describe('what is kept', () => {
  it('is told of a plan for an hour past its end, and no longer', async () => {
    const { approvals, pass } = testApprovals();
    const handle = await handleOf(approvals.require(asking(), undefined));
    pass(600 + 3590);
    expect(await firstLine(approvals.require(asking({ handle }), undefined))).toMatch(/^Plan 1 has expired/);
    pass(20);
    await planOf(approvals.require(asking({ parameters: { purge: '1' } }), undefined));
    expect(await firstLine(approvals.require(asking({ handle }), undefined))).toMatch(
      /^This handle is not known/,
    );
  });

  it('is a key of 256 bits, always the same', async () => {
    const { approvals } = testApprovals();
    expect(await approvals.stateKey()).toHaveLength(32);
    expect(await approvals.stateKey()).toEqual(await approvals.stateKey());
    expect(await approvals.stateKey()).not.toEqual(await testApprovals().approvals.stateKey());
  });
});
