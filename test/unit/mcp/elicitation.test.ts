import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AskPerson } from '../../../src/access/approvals/approvals.ts';
import type { Plan } from '../../../src/access/approvals/plan.ts';
import type { ToolResult } from '../../../src/mcp/dispatcher.ts';
import {
  answerOf,
  approvalForm,
  awaitPerson,
  canAskPerson,
  withPerson,
} from '../../../src/mcp/elicitation.ts';
import { FACTS } from '../../support/approvals.ts';

const DONE: ToolResult = { content: [], structuredContent: {} };
const REFUSED: ToolResult = { ...DONE, isError: true };

function plan(number: number): Plan {
  return {
    number,
    kind: 'person',
    tool: 't',
    cluster: 'c',
    principalId: 'p',
    subject: 's',
    calls: [{ method: 'DELETE', path: '/x', parameters: {} }],
    facts: FACTS,
    createdAt: 0,
    expiresAt: 1,
    state: 'pending',
  };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('what counts as a yes', () => {
  it.each<[unknown, string]>([
    [{ action: 'accept', content: { decision: 'approve' } }, 'approved'],
    [{ action: 'accept', content: { decision: 'Approve' } }, 'declined'],
    [{ action: 'accept', content: { decision: ['approve'] } }, 'declined'],
    [{ action: 'accept', content: { decision: true } }, 'declined'],
    [{ action: 'accept', content: {} }, 'declined'],
    [{ action: 'accept' }, 'declined'],
    [{ action: 'decline', content: { decision: 'approve' } }, 'declined'],
    [{ action: 'cancel', content: { decision: 'approve' } }, 'undecided'],
    [{ content: { decision: 'approve' } }, 'undecided'],
    ['approve', 'undecided'],
    [null, 'undecided'],
    [undefined, 'undecided'],
  ])('%j: %s', (response, answer) => {
    expect(answerOf(response)).toBe(answer);
  });

  it('the form proposes nothing', () => {
    const { decision } = approvalForm(plan(1), 0).requestedSchema.properties;
    expect(decision).not.toHaveProperty('default');
    expect(decision.enum).toEqual(['approve', 'decline']);
  });
});

it.each<[unknown, boolean]>([
  [{ elicitation: {} }, true],
  [{ elicitation: { form: {} } }, true],
  [{ elicitation: { form: {}, url: {} } }, true],
  [{ elicitation: { url: {} } }, false],
  [{ elicitation: null }, false],
  [{ elicitation: true }, false],
  [{ sampling: {} }, false],
  [undefined, false],
])('a client with %j can ask: %s', (capabilities, can) => {
  expect(canAskPerson(capabilities)).toBe(can);
});

describe('a call that needs a person', () => {
  it('is made again with the decision on that plan', async () => {
    const answers: unknown[] = [];
    const call = vi.fn(async (ask: AskPerson | undefined) => {
      const answer = await ask?.(plan(7));
      answers.push(answer, await ask?.(plan(8)));
      return answer === 'approved' ? DONE : REFUSED;
    });
    expect(await withPerson(call, async () => 'approved')).toBe(DONE);
    // A decision on plan 7 says nothing about plan 8.
    expect(answers).toEqual(['asked', 'asked', 'approved', 'asked']);
  });

  it('is not made again where it went well, or can not be asked about', async () => {
    const call = vi.fn(async (ask: AskPerson | undefined) => {
      await ask?.(plan(1));
      return ask ? DONE : REFUSED;
    });
    const person = vi.fn(async () => 'approved' as const);
    await withPerson(call, person);
    expect(person).not.toHaveBeenCalled();
    expect(await withPerson(call, undefined)).toBe(REFUSED);
    expect(call).toHaveBeenCalledTimes(2);
  });

  it('asks no more than three times', async () => {
    let number = 0;
    const call = async (ask: AskPerson | undefined) => {
      number += 1;
      await ask?.(plan(number));
      return REFUSED;
    };
    const person = vi.fn(async () => 'approved' as const);
    expect(await withPerson(call, person)).toBe(REFUSED);
    expect(person).toHaveBeenCalledTimes(3);
  });
});

describe('while a person thinks', () => {
  it('the client hears that the call is alive, in growing numbers', async () => {
    vi.useFakeTimers();
    const person = Promise.withResolvers<unknown>();
    const progress = vi.fn();
    const answer = awaitPerson(() => person.promise, progress);
    await vi.advanceTimersByTimeAsync(35_000);
    const numbers = progress.mock.calls.map(([update]) => update.progress);
    expect(numbers).toEqual([0.001, 0.002, 0.003]);
    person.resolve({ action: 'accept', content: { decision: 'approve' } });
    expect(await answer).toBe('approved');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(progress).toHaveBeenCalledTimes(3);
  });

  it('a time-out, a lost connection or a refusing client is no decision', async () => {
    expect(await awaitPerson(() => Promise.reject(new Error('timed out')), undefined)).toBe('undecided');
  });
});
