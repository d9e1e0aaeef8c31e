import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Volume } from '../../../../src/simulator/state/cluster-state.ts';
import { markBackups } from '../../../../src/simulator/state/prune.ts';
import { reasonsOf } from '../../../../src/tools/backups/keep.ts';

const at = (iso: string) => ({ volid: iso, madeAt: Date.parse(iso) });

describe('reasonsOf', () => {
  it('names the part of the rule that keeps each', () => {
    const rows = [
      { ...at('2026-11-21T02:00:00Z'), mark: 'keep' },
      { ...at('2026-11-20T14:00:00Z'), mark: 'keep' },
      { ...at('2026-11-20T02:00:00Z'), mark: 'remove' },
      { ...at('2026-11-08T02:00:00Z'), mark: 'keep' },
      { ...at('2026-10-01T02:00:00Z'), mark: 'protected' },
    ];
    expect([...(reasonsOf(rows, { last: 1, daily: 1, weekly: 1 }) ?? [])]).toEqual([
      ['2026-11-21T02:00:00Z', 'last'],
      ['2026-11-20T14:00:00Z', 'daily'],
      ['2026-11-08T02:00:00Z', 'weekly'],
    ]);
  });

  it('gives none where Proxmox marked otherwise, as its days are of another time zone', () => {
    const rows = [
      { ...at('2026-11-21T00:30:00Z'), mark: 'keep' },
      { ...at('2026-11-20T23:30:00Z'), mark: 'remove' },
    ];
    expect(reasonsOf(rows, { daily: 2 })).toBeUndefined();
  });

  it('comes to the marks of the simulated Proxmox for any rule', () => {
    const few = fc.integer({ min: 0, max: 4 });
    const rules = fc.record({ last: few, hourly: few, daily: few, weekly: few, monthly: few, yearly: few });
    const hours = fc.uniqueArray(fc.integer({ min: 0, max: 9000 }), { maxLength: 40 });
    fc.assert(
      fc.property(rules, hours, (rule, made) => {
        fc.pre(Object.values(rule).some((count) => count > 0));
        const volumes = made.map(
          (hour): Volume => ({
            volid: `b${hour}`,
            storage: 's',
            content: 'backup',
            format: 'x',
            size: 1,
            ctime: 1_790_000_000 - hour * 1800,
          }),
        );
        const retention = Object.fromEntries(
          Object.entries(rule).map(([period, count]) => [`keep-${period}`, count]),
        );
        const marks = markBackups(volumes, retention);
        const rows = volumes.map((volume) => ({
          volid: volume.volid,
          madeAt: volume.ctime * 1000,
          mark: String(marks.get(volume)),
        }));
        expect(reasonsOf(rows, rule)).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });
});
