import Table from 'cli-table3';
import type { EffectiveConfig, EffectiveValue, Selects } from '../config/effective.ts';
import { styled } from './output.ts';

/** The configuration as a person reads it: tables on a terminal, the same in plain lines elsewhere. */
export function showText(
  { settings, clusters, selection, warnings }: EffectiveConfig,
  isTerminal: boolean,
): string {
  const values = clusters.flatMap(({ name, values: own }) => own.map((value) => [name, ...cells(value)]));
  const sections = [
    [styled('bold', 'Service'), table(['Setting', 'Value', 'From'], settings.map(cells), isTerminal)],
    [styled('bold', 'Clusters'), table(['Cluster', 'Key', 'Value', 'From'], values, isTerminal)],
    [styled('bold', 'What selects a cluster, beside its name'), selectionText(selection, isTerminal)],
    warnings.length === 0 ? [] : [styled('bold', 'Warnings'), ...warnings.map((text) => `  ${text}`)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function cells({ name, value, origin }: EffectiveValue): string[] {
  return [name, value, origin];
}

/** Of a column in plain lines. */
const MOST_WIDTH = 60;

const BY: Readonly<Record<Selects['by'], string>> = {
  single: 'single cluster',
  pattern: 'name pattern',
  vmid: 'VMID',
  default: 'default',
};

function selectionText(selection: readonly Selects[], isTerminal: boolean): string {
  const rows = selection.map(({ by, what, cluster, origin }) => [BY[by], what, cluster, origin]);
  const hasRest = selection.some(({ by }) => by === 'default' || by === 'single');
  const rest = hasRest
    ? []
    : ['There is no default: what no pattern and no VMID selects has to name its cluster.'];
  return [
    ...(rows.length === 0 ? [] : [table(['By', 'What', 'Cluster', 'From'], rows, isTerminal)]),
    ...rest,
  ].join('\n');
}

/** Pads all columns but the last; a value that is very long moves its own line alone. */
function aligned(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(0, ...rows.map((row) => row[column]?.length ?? 0).filter((length) => length <= MOST_WIDTH)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function table(head: string[], rows: string[][], isTerminal: boolean): string {
  if (!isTerminal) return aligned(rows);
  const drawn = new Table({ head, style: { head: [], border: [], compact: true } });
  drawn.push(...rows);
  return drawn.toString();
}
