import { expect, it } from 'vitest';
import { requestIdOf } from '../../../../src/http/plugins/request-ids.ts';

const idFor = (given: string | string[] | undefined) =>
  requestIdOf({ headers: given === undefined ? {} : ({ 'x-request-id': given } as Record<string, string>) });

it.each(['a', '01J9ZQ3T', '7f1c:2.3_4-5', 'x'.repeat(128)])(
  'takes over an id that looks like one: %s',
  (id) => {
    expect(idFor(id)).toBe(id);
  },
);

it.each([undefined, '', 'x'.repeat(129), 'two words', '"quoted"', '-x', 'a\u2028b', 'a,b', ['a', 'b']])(
  'makes a new one in place of %j',
  (id) => {
    expect(idFor(id)).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  },
);
