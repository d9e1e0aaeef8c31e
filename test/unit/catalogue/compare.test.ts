import { describe, expect, it } from 'vitest';
import { checkCatalogue, readOfficial } from '../../../scripts/schema-checks/catalogue.ts';
import { compareSchema } from '../../../src/catalogue/compare.ts';
import { catalogueOf, node, taking } from './schemas.ts';

describe('compareSchema', () => {
  const official = catalogueOf(
    node('/a', {
      POST: taking({
        same: { type: 'string' },
        kind: { type: 'string' },
        need: { type: 'string' },
        pick: { enum: ['x', 'y'] },
        more: {},
      }),
    }),
    node('/new', { GET: taking({}) }),
  );
  const ours = catalogueOf(
    node('/a', {
      POST: taking({
        same: { type: 'string' },
        kind: { type: 'integer' },
        need: { type: 'string', optional: 1 },
        pick: { enum: ['x'] },
        invented: {},
      }),
    }),
    node('/old', { GET: taking({}) }),
  );

  it('finds what either lacks and what differs', () => {
    expect(compareSchema(official, ours)).toEqual({
      unknown: ['GET /new'],
      invented: ['GET /old'],
      parameters: [
        'POST /a: kind is string, not integer',
        'POST /a: need is required, not optional',
        'POST /a: pick may be x, y',
        'POST /a: more is not known',
        'POST /a: invented is invented',
      ],
    });
  });

  it('finds nothing between a catalogue and itself', () => {
    expect(compareSchema(official, official)).toEqual({ unknown: [], invented: [], parameters: [] });
  });
});

describe('the catalogue part of check:schema', () => {
  const check = (...tree: unknown[]) => {
    const text = JSON.stringify(tree);
    return checkCatalogue(text, readOfficial(text)).differences;
  };

  it('has nothing to say of methods that are read and classified', () => {
    expect(
      check(
        node('/version', { GET: taking({}) }),
        node('/pools', { POST: taking({ poolid: { type: 'string' } }) }),
      ),
    ).toEqual([]);
  });

  it('names methods without a rule, patterns that can not be read and verbs that were passed over', () => {
    expect(
      check(
        node('/made/up', { POST: taking({}) }),
        node('/version', { GET: taking({ a: { type: 'string', pattern: '(?<!' } }), PATCH: taking({}) }),
      ),
    ).toEqual([
      'PATCH /version: not read',
      'POST /made/up: no rule says its risk',
      "GET /version: the pattern of a can't be read",
    ]);
  });
});
