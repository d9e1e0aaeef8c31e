import { describe, expect, it } from 'vitest';
import type { GatedCluster } from '../../../../../src/access/gate.ts';
import { CallError } from '../../../../../src/proxmox/errors.ts';
import { oneByOne } from '../../../../../src/tools/between/alike/one-by-one.ts';
import type { ToolContext } from '../../../../../src/tools/define.ts';
import { failureOf } from '../../../../support/engine-fixtures.ts';

const context = { signal: new AbortController().signal } as ToolContext;
const clusters = ['a', 'b', 'c'].map((name) => ({ name }) as GatedCluster);
const error = (code: 'APPROVAL_REQUIRED' | 'POLICY_DENIED' | 'CLUSTER_UNREACHABLE') =>
  new CallError(code, `${code} of it`, { hint: 'Do something.' });

/** What each cluster comes to, by its name. */
function run(outcomes: Record<string, boolean | CallError>, asked: string[] = []) {
  return oneByOne(clusters, context, async ({ name }) => {
    asked.push(name);
    const outcome = outcomes[name] ?? false;
    if (outcome instanceof CallError) throw outcome;
    return { wrote: outcome };
  });
}

describe('one cluster after another', () => {
  it('stops at the first approval that is needed, before anything was sent', async () => {
    const asked: string[] = [];
    expect(await failureOf(run({ b: error('APPROVAL_REQUIRED') }, asked))).toMatchObject({
      code: 'APPROVAL_REQUIRED',
    });
    expect(asked).toEqual(['a', 'b']);
  });

  it('tells of an approval beside what was sent, and the rest waits', async () => {
    const parts = await run({ a: true, b: error('APPROVAL_REQUIRED'), c: true });
    expect(parts.map((part) => Object.keys(part)[1])).toEqual(['answer', 'error', 'waits']);
  });

  it('one that fails costs its own part, and an approval that is needed behind it is told all the same', async () => {
    const parts = await run({ a: error('CLUSTER_UNREACHABLE'), b: true });
    expect(parts.map((part) => 'answer' in part)).toEqual([false, true, true]);
    const failed = await failureOf(run({ a: error('CLUSTER_UNREACHABLE'), b: error('APPROVAL_REQUIRED') }));
    expect(failed.code).toBe('APPROVAL_REQUIRED');
  });

  it('where all fail, their error is the answer', async () => {
    const denied = error('POLICY_DENIED');
    expect((await failureOf(run({ a: denied, b: denied, c: denied }))).code).toBe('POLICY_DENIED');
  });
});
