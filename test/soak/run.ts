import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';
import { problemsOf } from './verdict.ts';

const USAGE = `node test/soak/run.ts [options]
  --minutes <n>   how long, in bouts of two and a half minutes (30)
  --clients <n>   clients at a time (12)
  --seed <n>      of what happens at random (the time)
  --json <file>   writes the report there too`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    clients: { type: 'string', default: '12' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const BOUT_SECONDS = 150;

if (values.help) process.stdout.write(`${USAGE}\n`);
else process.exitCode = await main();

async function main(): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const report = await soak({
    bouts: Math.max(1, Math.round((Number(values.minutes) * 60) / BOUT_SECONDS)),
    boutSeconds: BOUT_SECONDS,
    clients: Number(values.clients),
    seed: Number(values.seed),
    isPatient: true,
    say,
  });
  const problems = problemsOf(report);
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ ...report, problems }, null, 2)}\n`);
  }
  const { readings: _readings, ...rest } = report;
  say(JSON.stringify(rest, null, 2));
  say(problems.length === 0 ? 'All is well.' : problems.map((problem) => `PROBLEM: ${problem}`).join('\n'));
  return problems.length === 0 ? 0 : 1;
}
