import fc from 'fast-check';
import { expect, it } from 'vitest';
import { asData } from '../../../src/mcp/untrusted.ts';
import { Redaction } from '../../../src/observability/redaction.ts';

const SECRET = '0d9c4e1f-70ca-4c0f-8a11-c4n4ry000001';
const none = new Redaction();

it('hands on what is harmless, without a copy', () => {
  const structured = {
    cluster: 'production',
    data: [{ vmid: 100, name: 'web', notes: 'a\n\tb C:\\boot', cpu: 0.5, x: null }],
  };
  const safe = asData(structured, none);
  expect(safe.structured).toEqual(structured);
  expect(safe).toMatchObject({ json: JSON.stringify(structured), removed: 0 });
});

it('cleans texts and names at any depth, and says how much is gone', () => {
  const structured = {
    data: [{ 'na\u200bme': 'web\u202e', deep: { list: ['\u001b[31mred', 1, true, null] } }],
  };
  expect(asData(structured, none)).toEqual({
    structured: { data: [{ name: 'web', deep: { list: ['red', 1, true, null] } }] },
    json: '{"data":[{"name":"web","deep":{"list":["red",1,true,null]}}]}',
    removed: 7,
  });
  expect(structured.data[0]?.deep.list[0]).toBe('\u001b[31mred');
});

it('finds a secret of the process that was hidden by what is invisible', () => {
  const redaction = new Redaction();
  redaction.keep([SECRET]);
  const hidden = `${SECRET.slice(0, 9)}\u200b${SECRET.slice(9)}`;
  expect(asData({ log: [`token ${hidden}`] }, redaction).structured).toEqual({ log: ['token [redacted]'] });
  expect(asData({ log: Buffer.from(`a:${SECRET}`).toString('base64') }, redaction).json).toContain(
    '[redacted]',
  );
});

it('leaves nothing hidden in any data, keeps it JSON, and changes nothing a second time', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    fc.constantFrom(
      '\u001b[0m',
      '\u{e0041}',
      '\ufe0f',
      '\u2028',
      '\r',
      '\u{1bca0}',
      '\u{1d173}',
      '\u{e01ef}',
    ),
  );
  const data = fc.dictionary(text, fc.oneof(text, fc.array(text), fc.jsonValue()));
  fc.assert(
    fc.property(data, (structured) => {
      const safe = asData({ structured }, none);
      expect(JSON.parse(safe.json)).toEqual(JSON.parse(JSON.stringify(safe.structured)));
      expect(safe.json).not.toMatch(
        /[\u007f-\u009f\p{Default_Ignorable_Code_Point}\p{Cs}\u2028\u2029\ufff9-\ufffb]|(?<!\\)(?:\\\\)*\\(?:[bfr]|u00|ud)/u,
      );
      expect(asData(safe.structured, none)).toEqual({ ...safe, removed: 0 });
    }),
    { numRuns: 1000 },
  );
});
