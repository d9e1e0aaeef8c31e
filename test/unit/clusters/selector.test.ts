import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../../src/clusters/cluster.ts';
import { PatternIndex } from '../../../src/clusters/pattern-index.ts';
import { type Choice, Selector } from '../../../src/clusters/selector.ts';
import { parseNamePattern } from '../../../src/config/name-pattern.ts';
import { parseVmids } from '../../../src/config/vmids.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { clusterConfig } from '../../support/engine-fixtures.ts';

interface Rules {
  name: string;
  patterns?: string[];
  vmids?: string[];
}

function selector(rules: readonly Rules[], defaultCluster?: string): Selector {
  return new Selector(configs(rules), defaultCluster);
}

function configs(rules: readonly Rules[]) {
  return rules.map(({ name, patterns = [], vmids = [] }) =>
    clusterConfig({ name, patterns, vmids: vmids.length === 0 ? [] : parseVmids(vmids) }),
  );
}

function outcome(sut: Selector, target: Target): Choice | CallError {
  try {
    return sut.choose(target);
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
}

const ESTATE: Rules[] = [
  { name: 'production', patterns: ['prod-', '/-live$/'], vmids: ['100-199', '500'] },
  { name: 'staging', patterns: ['stg-', '*-test'], vmids: ['200-299'] },
  { name: 'lab' },
];

describe('Selector', () => {
  it.each<[Target, string, string, string | undefined]>([
    [{ cluster: 'lab', name: 'prod-1', vmid: 200 }, 'lab', 'explicit', undefined],
    [{ name: 'prod-1', vmid: 200 }, 'production', 'pattern', 'prod-'],
    [{ name: 'STG-1' }, 'staging', 'pattern', 'stg-'],
    [{ name: 'shop-live' }, 'production', 'pattern', '/-live$/'],
    [{ name: 'prod-shop-live' }, 'production', 'pattern', 'prod-'],
    [{ name: 'other', vmid: 250 }, 'staging', 'vmid', '200-299'],
    [{ vmid: 500 }, 'production', 'vmid', '500'],
    [{ vmid: 501 }, 'lab', 'default', undefined],
    [{ name: 'other' }, 'lab', 'default', undefined],
    [{}, 'lab', 'default', undefined],
  ])('%j belongs to %s by %s', (target, cluster, selectedBy, matched) => {
    const chosen = selector(ESTATE, 'lab').choose(target);
    expect(chosen).toEqual({ cluster, selectedBy, ...(matched === undefined ? {} : { matched }) });
  });

  it('names both clusters and the patterns where two claim a name, whatever the default and the VMID say', () => {
    const sut = selector(ESTATE, 'lab');
    expect(() => sut.choose({ name: 'prod-test', vmid: 100 })).toThrow(
      expect.objectContaining({
        code: 'CLUSTER_AMBIGUOUS',
        message:
          'The name "prod-test" fits patterns of several clusters: production (prod-), staging (*-test).',
        hint: expect.stringContaining('`cluster`'),
      }),
    );
    expect(sut.choose({ cluster: 'staging', name: 'prod-test' }).cluster).toBe('staging');
  });

  it('names both clusters where two have a VMID', () => {
    const sut = selector([
      { name: 'a', vmids: ['100-199'] },
      { name: 'b', vmids: ['150'] },
    ]);
    expect(() => sut.choose({ vmid: 150 })).toThrow(
      'VMID 150 is in the VMIDs of several clusters: a (100-199), b (150).',
    );
    expect(sut.choose({ vmid: 151 }).cluster).toBe('a');
  });

  it('claims nothing for the default', () => {
    const sut = selector(ESTATE, 'lab');
    expect(sut.claim({ name: 'other', vmid: 501 })).toBeUndefined();
    expect(sut.claim({ vmid: 100 })).toMatchObject({ cluster: 'production' });
  });

  it('says what no rule claims, and what would select', () => {
    expect(() => selector(ESTATE).choose({ name: 'x', vmid: 900 })).toThrow(
      expect.objectContaining({
        message:
          'There are several clusters: production, staging, lab. No pattern fits "x", and no VMID range holds 900.',
        hint: expect.stringContaining('default_cluster'),
      }),
    );
  });

  it('names twenty of many clusters', () => {
    const many = Array.from({ length: 50 }, (_, index) => ({ name: `c${index}` }));
    expect(() => selector(many).choose({})).toThrow(/c19 and 30 more\.$/);
    expect(() => selector(many).choose({ cluster: 'zz' })).toThrow(
      expect.objectContaining({ hint: expect.stringMatching(/c19 and 30 more\.$/) }),
    );
  });
});

const piece = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '-'), minLength: 1, maxLength: 3 });
const pattern = fc.oneof(
  piece,
  fc.tuple(piece, fc.constantFrom('*', '?', '*a?'), piece).map((parts) => parts.join('')),
  piece.map((text) => `/^${text}/`),
  fc.tuple(piece, piece).map(([one, other]) => `/(${one}|${other})+$/i`),
  fc.tuple(piece, piece).map(([one, other]) => `/(?P<n>${one})b*${other}/`),
);
const rulesOf = (name: string) =>
  fc.record({
    name: fc.constant(name),
    patterns: fc.array(pattern, { maxLength: 5 }),
    vmids: fc.array(
      fc.integer({ min: 100, max: 120 }).map((from) => `${from}-${from + 3}`),
      { maxLength: 2 },
    ),
  });
const estates = fc
  .integer({ min: 2, max: 5 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => rulesOf(`c${index}`))));
const targets = fc.record(
  {
    cluster: fc.constantFrom('c0', 'c1', 'c4', 'C0', ''),
    name: fc.string({ unit: fc.constantFrom('a', 'b', 'B', '-'), maxLength: 6 }),
    vmid: fc.integer({ min: 95, max: 130 }),
  },
  { requiredKeys: [] },
);

/** The clusters that a rule gives the target to, found one pattern at a time. */
function claimants(rules: readonly Rules[], { name, vmid }: Target): { byName: string[]; byVmid: string[] } {
  const byName = rules.filter(
    ({ patterns = [] }) =>
      name !== undefined && patterns.some((text) => parseNamePattern(text).matches(name)),
  );
  const holds = (ranges: string[]) =>
    ranges.length > 0 &&
    parseVmids(ranges).some(({ from, to }) => vmid !== undefined && vmid >= from && vmid <= to);
  const byVmid = rules.filter(({ vmids = [] }) => holds(vmids));
  return { byName: byName.map((rule) => rule.name), byVmid: byVmid.map((rule) => rule.name) };
}

describe('no input routes two ways', () => {
  it('one cluster that claims it, or one error that names all that do', () => {
    fc.assert(
      fc.property(estates, targets, fc.constantFrom(undefined, 'c0'), (rules, target, defaultCluster) => {
        const result = outcome(selector(rules, defaultCluster), target);
        const names = rules.map(({ name }) => name);
        const { byName, byVmid } = claimants(rules, target);
        const decisive = byName.length > 0 ? byName : byVmid;
        if (target.cluster !== undefined) {
          if (names.includes(target.cluster)) {
            expect(result).toEqual({ cluster: target.cluster, selectedBy: 'explicit' });
          } else {
            expect(result).toMatchObject({ code: 'CLUSTER_NOT_FOUND' });
          }
        } else if (decisive.length > 1) {
          expect(result).toMatchObject({ code: 'CLUSTER_AMBIGUOUS' });
          for (const name of decisive) expect((result as CallError).message).toContain(`${name} (`);
        } else if (decisive.length === 1) {
          const selectedBy = byName.length > 0 ? 'pattern' : 'vmid';
          expect(result).toEqual({ cluster: decisive[0], selectedBy, matched: expect.any(String) });
        } else if (defaultCluster !== undefined) {
          expect(result).toEqual({ cluster: defaultCluster, selectedBy: 'default' });
        } else {
          expect(result).toMatchObject({ code: 'CLUSTER_AMBIGUOUS' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('whatever the order of the clusters, and however often it is asked', () => {
    fc.assert(
      fc.property(estates, fc.array(targets, { minLength: 1, maxLength: 4 }), (rules, asked) => {
        const sut = selector(rules, 'c1');
        const reversed = selector(rules.toReversed(), 'c1');
        const told = (from: Selector) =>
          asked.map((target) => {
            const result = outcome(from, target);
            return result instanceof CallError ? [result.code, result.message] : result;
          });
        const first = told(sut);
        expect(told(sut)).toEqual(first);
        const unknown = asked.map(({ cluster }) => cluster !== undefined && !/^c[01]$/.test(cluster));
        const comparable = (all: ReturnType<typeof told>) => all.filter((_, index) => !unknown[index]);
        expect(comparable(told(reversed))).toEqual(comparable(first));
      }),
      { numRuns: 300 },
    );
  });

  it('the automaton of all expressions says what each of them says alone', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { minLength: 1, maxLength: 12 }),
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'B', '-', 'ſ'), maxLength: 12 }), {
          minLength: 1,
        }),
        (patterns, names) => {
          const index = new PatternIndex(configs([{ name: 'c', patterns }]));
          for (const name of names) {
            const alone = patterns.filter((text) => parseNamePattern(text).matches(name)).sort();
            expect(
              index
                .claims(name)
                .map((claim) => claim.pattern)
                .sort(),
            ).toEqual(alone);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
