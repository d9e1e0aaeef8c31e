import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const require = createRequire(import.meta.url);
const SUITES = {
  '0.1': require.resolve('@modelcontextprotocol/conformance/dist/index.js'),
  '0.2': require.resolve('conformance-next/dist/index.js'),
};
const MINUTES_MS = 120_000;

/** One way of running one of the two suites: their scenarios, in the words of one revision. */
export interface Run {
  name: string;
  suite: keyof typeof SUITES;
  args: readonly string[];
}

export const RUNS: readonly Run[] = [
  { name: '0.1.16', suite: '0.1', args: ['--suite', 'all'] },
  { name: '0.2, 2025-11-25', suite: '0.2', args: ['--requirements', '2025-11-25'] },
  { name: '0.2, 2026-07-28', suite: '0.2', args: ['--requirements', '2026-07-28'] },
];

interface Check {
  id: string;
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  errorMessage?: string;
  details?: { untestable?: boolean };
}

/** What a scenario came to. One without any check prints a tick, too: so checks are counted, never ticks. */
export interface Outcome {
  passed: number;
  /** Failures and warnings, in words. */
  problems: string[];
  /** Of these, what asks for a tool that only a fixture has. */
  untestable: number;
}

/** The names of all scenarios for servers that a suite knows. */
export async function scenariosOf({ suite }: Run): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [SUITES[suite], 'list', '--server']);
  return [...stdout.matchAll(/^ {2}- (\S+)/gm)].map(([, name = '']) => name);
}

/** Runs all scenarios against a server on loopback, and gives what each came to. */
export async function runSuite({ suite, args }: Run, url: string): Promise<Map<string, Outcome>> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-conformance-'));
  try {
    const command = [SUITES[suite], 'server', '--url', url, ...args, '-o', folder];
    // It ends with 1 where any scenario failed, also one that is expected to.
    await promisify(execFile)(process.execPath, command, { cwd: folder, timeout: MINUTES_MS }).catch(
      (error: { code?: unknown; stderr?: string }) => {
        if (error.code !== 1) throw error;
      },
    );
    const names = await readdir(folder);
    const outcomes = names.map(async (name): Promise<[string, Outcome]> => {
      const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
      return [scenario, outcomeOf(JSON.parse(await readFile(join(folder, name, 'checks.json'), 'utf8')))];
    });
    return new Map(await Promise.all(outcomes));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outcomeOf(checks: readonly Check[]): Outcome {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  return {
    passed: checks.filter(({ status }) => status === 'SUCCESS').length,
    problems: bad.map(({ id, errorMessage = '' }) => `${id}: ${errorMessage.slice(0, 300)}`),
    untestable: bad.filter(({ details }) => details?.untestable).length,
  };
}
