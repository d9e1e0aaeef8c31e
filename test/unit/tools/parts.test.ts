import { describe, expect, it } from 'vitest';
import { CallError } from '../../../src/proxmox/errors.ts';
import { readParts, withoutUnread } from '../../../src/tools/parts.ts';

const denied = new CallError('PERMISSION_DENIED', 'No right.', { hint: 'pveum acl modify / …' });
const signal = new AbortController().signal;

describe('an answer of several reads', () => {
  it('lacks the part that failed, and says why and what grants it', async () => {
    const fail = () => Promise.reject(denied);
    const { parts, unread } = await readParts({ one: async () => 1, two: fail }, signal);
    expect(parts).toEqual({ one: 1 });
    expect(unread).toEqual([{ part: 'two', problem: 'PERMISSION_DENIED: No right. pveum acl modify / …' }]);
    expect(withoutUnread(unread)).toBe(' Without two (PERMISSION_DENIED).');
  });

  it('is an error where every part failed', async () => {
    await expect(readParts({ one: () => Promise.reject(denied) }, signal)).rejects.toBe(denied);
  });

  it('asks for all at once', async () => {
    let open = 0;
    let most = 0;
    const read = async () => {
      open += 1;
      most = Math.max(most, open);
      await Promise.resolve();
      open -= 1;
    };
    const { unread } = await readParts({ a: read, b: read, c: read }, signal);
    expect(most).toBe(3);
    expect(unread).toBeUndefined();
  });

  it('ends with the call', async () => {
    const reason = new Error('cancelled');
    const work = readParts({ one: async () => 1 }, AbortSignal.abort(reason));
    await expect(work).rejects.toBe(reason);
  });
});
