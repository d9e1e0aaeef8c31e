/**
 * Speed and memory of the service, printed with their medians: `npm run bench`, `npm run bench -- --only selection`.
 * Not a test: a figure depends on the machine, so a missed goal ends with 1 only under `--strict`.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Bench, BenchContext, Scale } from './bench.ts';
import { canPin } from './child.ts';
import { coldStart } from './cold-start.ts';
import { Estate } from './estate.ts';
import { isMissed } from './figures.ts';
import { findGuests } from './find-guests.ts';
import { fleetQuery } from './fleet-query.ts';
import { idleSessions } from './idle-sessions.ts';
import { largeAnswers } from './large-answers.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { drawPicture } from './picture.ts';
import { reload } from './reload.ts';
import { machine, machineLine, type Outcome, tableOf } from './report.ts';
import { selection } from './selection.ts';
import { size } from './size.ts';
import { throughput } from './throughput.ts';

/** Every bench, in the order in which they run. */
const BENCHES: readonly Bench[] = [
  selection,
  fleetQuery,
  findGuests,
  memory,
  reload,
  throughput,
  latency,
  idleSessions,
  coldStart,
  size,
  largeAnswers,
];

const USAGE = `node test/bench/run.ts [options]
  --only <name>       only this bench; repeatable
  --list              what there is
  --json <file>       writes all figures there too
  --png <file>        draws them there
  --strict            ends with 1 where a goal is missed
  --clusters <n>      simulated clusters (100)
  --guests <n>        guests in all of them together (20000)
  --rounds <n>        rounds of each figure (5)
  --calls <n>         calls per round, where a figure is taken over many (200)
  --sessions <n>      idle sessions (10000)
  --profile <folder>  CPU profiles of the services under test`;

const OPTIONS = {
  only: { type: 'string', multiple: true, default: [] as string[] },
  list: { type: 'boolean', default: false },
  json: { type: 'string' },
  png: { type: 'string' },
  strict: { type: 'boolean', default: false },
  clusters: { type: 'string', default: '100' },
  guests: { type: 'string', default: '20000' },
  rounds: { type: 'string', default: '5' },
  calls: { type: 'string', default: '200' },
  sessions: { type: 'string', default: '10000' },
  profile: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

// Both end the processes of the run: each is told when this one exits.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error), process.stderr);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS });
  const benches = chosen(values.only);
  if (values.help) return say(USAGE);
  if (values.list) return say(benches.map(({ name, about }) => `${name.padEnd(14)}${about}`).join('\n'));
  const scale: Scale = {
    clusters: numberFrom(values.clusters, '--clusters'),
    guests: numberFrom(values.guests, '--guests'),
    rounds: numberFrom(values.rounds, '--rounds'),
    calls: numberFrom(values.calls, '--calls'),
    sessions: numberFrom(values.sessions, '--sessions'),
  };
  const about = machine();
  say(machineLine(about));
  if (!canPin) say('No core for each: the service and its load share what there is.');
  const outcomes = await runAll(benches, scale, values.profile);
  say(tableOf(outcomes));
  for (const { bench, error } of outcomes) if (error !== undefined) say(`${bench}: ${error}`, process.stderr);
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ machine: about, scale, outcomes }, null, 2)}\n`);
  }
  if (values.png !== undefined) await drawPicture(values.png, about, outcomes);
  const hasFailed = outcomes.some(({ error }) => error !== undefined);
  const hasMissed = outcomes.some(({ figures }) => figures.some(isMissed));
  return hasFailed || (values.strict && hasMissed) ? 1 : 0;
}

async function runAll(benches: readonly Bench[], scale: Scale, profileFolder?: string): Promise<Outcome[]> {
  await using shared = new AsyncDisposableStack();
  let estate: Promise<Estate> | undefined;
  const start = async (): Promise<Estate> => {
    const started = shared.use(await Estate.start(scale.clusters, scale.guests));
    const { now } = await started.child.memory();
    say(
      `${scale.clusters} simulated clusters with ${scale.guests} guests: ${(started.startMs / 1000).toFixed(1)} s to start, ${now.toFixed(0)} MB`,
    );
    return started;
  };
  const outcomes: Outcome[] = [];
  for (const bench of benches) {
    say(`${bench.name}: ${bench.about} …`);
    outcomes.push(await runOne(bench, { scale, profileFolder, estate: () => (estate ??= start()) }));
  }
  return outcomes;
}

async function runOne(bench: Bench, given: Omit<BenchContext, 'use'>): Promise<Outcome> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  try {
    await using own = new AsyncDisposableStack();
    const figures = await bench.run({ ...given, use: (resource) => own.use(resource) });
    return { bench: bench.name, figures, seconds: seconds() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { bench: bench.name, figures: [], seconds: seconds(), error: reason };
  }
}

/** @throws Error that names the known ones */
function chosen(names: readonly string[]): readonly Bench[] {
  const known = BENCHES.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`There is no bench ${unknown}; there are ${known.join(', ')}.`);
  return names.length === 0 ? BENCHES : BENCHES.filter(({ name }) => names.includes(name));
}

function numberFrom(text: string, option: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`${option} must be a whole number from 1 on.`);
}

function say(text: string, stream: NodeJS.WriteStream = process.stdout): 0 {
  stream.write(`${text}\n`);
  return 0;
}
