import { describe, expect, it } from 'vitest';
import { currentIds, inRequest } from '../../../src/observability/request-context.ts';
import { remoteSpan, type Span, type SpanOptions, traced } from '../../../src/observability/tracing.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('a traceparent', () => {
  it('is read as W3C Trace Context has it', () => {
    const parent = { traceId: TRACE, spanId: SPAN };
    expect(remoteSpan(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...parent, isSampled: true });
    expect(remoteSpan(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...parent, isSampled: false });
    expect(remoteSpan(`cc-${TRACE}-${SPAN}-03-what-is-new`)).toEqual({ ...parent, isSampled: true });
  });

  it.each([
    undefined,
    7,
    '',
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-01\n`,
  ])('is ignored where it is none: %j', (text) => {
    expect(remoteSpan(text)).toBeUndefined();
  });
});

/** Notes what is begun and how it ends. */
function noted(name: string, notes: string[]): Span {
  let isOver = false;
  return {
    traceId: TRACE,
    spanId: name,
    get isOver() {
      return isOver;
    },
    begin: (child: string, _options?: SpanOptions) => noted(child, notes),
    set: (attributes) => void notes.push(`${name} ${JSON.stringify(attributes)}`),
    end: (problem) => {
      isOver = true;
      notes.push(`${name} ends${problem === undefined ? '' : `: ${problem}`}`);
    },
  };
}

const piece = (work: () => Promise<unknown>) => ({
  span: () => ({ name: 'piece' }),
  work,
  attributesOf: (value: unknown) => ({ value: String(value) }),
  problemOf: () => 'BAD',
});

describe('a piece of work', () => {
  it('is a span within that of its request, and its log lines name it', async () => {
    const notes: string[] = [];
    const context = { requestId: 'r1', span: noted('request', notes) };
    const ids = await inRequest(context, () => traced(piece(async () => currentIds()?.span_id)));
    expect(ids).toBe('piece');
    expect(notes).toEqual(['piece {"value":"piece"}', 'piece ends']);
  });

  it('says that it failed, and fails', async () => {
    const notes: string[] = [];
    const failing = () => traced(piece(() => Promise.reject(new Error('no'))));
    await expect(inRequest({ requestId: 'r1', span: noted('request', notes) }, failing)).rejects.toThrow(
      'no',
    );
    expect(notes).toEqual(['piece ends: BAD']);
  });

  it('is just done where nothing is traced, and where the span around it has ended', async () => {
    const notes: string[] = [];
    const over = noted('request', notes);
    over.end();
    notes.length = 0;
    expect(await traced(piece(async () => 1))).toBe(1);
    expect(await inRequest({ requestId: 'r1' }, () => traced(piece(async () => 2)))).toBe(2);
    expect(await inRequest({ requestId: 'r1', span: over }, () => traced(piece(async () => 3)))).toBe(3);
    expect(notes).toEqual([]);
  });
});
