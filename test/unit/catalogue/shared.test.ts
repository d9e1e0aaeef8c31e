import { describe, expect, it } from 'vitest';
import { SharedCatalogues } from '../../../src/catalogue/shared.ts';
import { catalogueOf, node, taking } from './schemas.ts';

const make = (path: string) => () => catalogueOf(node(path, { GET: taking({}) }));

describe('SharedCatalogues', () => {
  it('gives the same schema of the same version once', () => {
    const shared = new SharedCatalogues();
    const first = shared.of('9.2.11', '[1]', make('/one'));
    expect(
      shared.of('9.2.11', '[1]', () => {
        throw new Error('made twice');
      }),
    ).toBe(first);
  });

  it('keeps another schema, and the same one of another version, apart', () => {
    const shared = new SharedCatalogues();
    const first = shared.of('9.2.11', '[1]', make('/one'));
    const other = shared.of('9.2.11', '[2]', make('/two'));
    expect(other.methods.map(({ path }) => path)).toEqual(['/two']);
    expect(shared.of('9.2.12', '[1]', make('/one'))).not.toBe(first);
    // Where version ends and schema begins counts too.
    expect(shared.of('9.2.11\0[', '1]', make('/one'))).not.toBe(first);
  });

  it('keeps nothing of what could not be made', () => {
    const shared = new SharedCatalogues();
    const fail = () => {
      throw new Error('damaged');
    };
    expect(() => shared.of('9.2.11', '[1]', fail)).toThrow('damaged');
    expect(shared.of('9.2.11', '[1]', make('/one')).methods).toHaveLength(1);
  });
});
