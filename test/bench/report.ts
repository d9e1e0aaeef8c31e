import { availableParallelism, loadavg } from 'node:os';
import Table from 'cli-table3';
import { type Figure, isMissed, isRate } from './figures.ts';

/** What one bench gave, or why it could not run. */
export interface Outcome {
  bench: string;
  figures: Figure[];
  seconds: number;
  error?: string;
}

/** On what a run was made: figures of different machines do not compare, their ratios do. */
export interface Machine {
  cores: number;
  node: string;
  platform: string;
  date: string;
  /** Load average of the minute before. */
  load: number;
}

export function machine(): Machine {
  return {
    cores: availableParallelism(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    date: new Date().toISOString(),
    load: loadavg()[0] ?? 0,
  };
}

export function machineLine({ cores, node, platform, date, load }: Machine): string {
  return `${cores} cores, ${platform}, Node ${node}, load ${load.toFixed(2)}, ${date}`;
}

/** Figures as a table for people. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const table = new Table({
    head: ['figure', 'median', 'rounds', 'goal', 'against', 'ratio'],
    colAligns: ['left', 'right', 'left', 'left', 'left', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { bench, figures, seconds, error } of outcomes) {
    const state = error === undefined ? `${seconds.toFixed(0)} s` : 'FAILED TO RUN';
    table.push([{ colSpan: 6, content: `${bench} (${state})` }]);
    for (const each of figures) table.push(rowOf(each));
  }
  return table.toString();
}

function rowOf(each: Figure): string[] {
  const { name, unit, median, rounds, goal, baseline, ratio, note } = each;
  const spread = rounds.length > 1 ? `${Math.min(...rounds)} – ${Math.max(...rounds)}, ${rounds.length}` : '';
  return [
    `  ${name}`,
    `${median} ${unit}`,
    spread,
    goal === undefined
      ? ''
      : `${isRate(unit) ? '≥' : '≤'} ${goal} ${unit}: ${isMissed(each) ? 'MISSED' : 'met'}`,
    [baseline && `${baseline.name}: ${baseline.median} ${unit}`, note].filter(Boolean).join('; '),
    ratio === undefined ? '' : `${ratio}`,
  ];
}
