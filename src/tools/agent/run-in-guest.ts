import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { isObject, isTrue, number } from '../../catalogue/json.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { defineTool, type ToolContext } from '../define.ts';
import { type GuestTarget, guestFields, guestLabel, guestParams } from '../guest-target.ts';
import { listOf } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { compact, textOf } from '../results.ts';
import { taskDeadline, waitParam } from '../task.ts';
import { AGENT_CALLS, agentTarget, askAgent } from './agent.ts';
import { shownOutput } from './guest-text.ts';

/** PVE's limit of `input-data`. */
const MOST_INPUT = 65_536;
/** Between two questions, in milliseconds: most programs end at once, others are not worth many questions. */
const PAUSES: readonly number[] = [100, 200, 400, 800, 1500];
const LAST_PAUSE = 2500;

export const runInGuest = defineTool({
  name: 'run_in_guest',
  title: 'Run a program in a guest',
  description:
    'Runs a program in a VM as root by its agent, waits and gives its output. No shell: ["sh","-c","…"] for pipes. With `pid`: the end of one still running.',
  toolset: 'agent',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/qemu/{vmid}/agent/exec', 'command', 'input-data'],
    ['GET', '/nodes/{node}/qemu/{vmid}/agent/exec-status', 'pid'],
    ...AGENT_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    command: listOf(z.string(), 1000).optional().describe('Program and its arguments.'),
    input: z
      .string()
      .refine((text) => Buffer.byteLength(text) <= MOST_INPUT, `is longer than ${MOST_INPUT} bytes`)
      .optional()
      .describe('For its stdin.'),
    pid: z.int().min(1).optional(),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...guestFields,
    pid: z.int(),
    exited: z.boolean(),
    exit_code: z.int().optional(),
    signal: z.int().optional(),
    stdout: z.string().optional(),
    stdout_truncated: z.boolean().optional(),
    stdout_characters: z.int().optional(),
    stderr: z.string().optional(),
    stderr_truncated: z.boolean().optional(),
    stderr_characters: z.int().optional(),
    problem: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ command, input, pid: running, wait_seconds, ...wanted }, context) {
    if (
      (command === undefined) === (running === undefined) ||
      (running !== undefined && input !== undefined)
    ) {
      throw unfitting('Give either `command` (and `input`), or `pid`.');
    }
    const target = await agentTarget(context, wanted);
    if (command === undefined || running !== undefined) {
      const pid = running ?? 0;
      // Nothing was started: what is wrong is told as an error.
      const first = await askAgent(target, statusOf(target, pid));
      return {
        ...target.fields(),
        pid,
        ...(await ended(target, { pid, first, waitSeconds: wait_seconds }, context)),
      };
    }
    const path = target.at('agent', 'exec');
    const data = { command, 'input-data': input };
    const started = await askAgent(target, { method: 'POST', path, data, expectName: wanted.name });
    const pid = isObject(started) ? number(started.pid) : undefined;
    if (pid === undefined) {
      throw new CallError('UPSTREAM_ERROR', 'The agent gave no number of the program.', {
        cluster: target.cluster.name,
        hint: 'It may run all the same: look in the guest before repeating it.',
      });
    }
    return { ...target.fields(), pid, ...(await ended(target, { pid, waitSeconds: wait_seconds }, context)) };
  },
  summary(answer) {
    const { pid, exited, exit_code, signal, stdout = '', stderr = '', problem } = answer;
    const subject = guestLabel(answer);
    if (problem !== undefined) {
      return `${subject}: process ${pid} was started, and its end could not be asked: ${problem} Don't repeat it: run_in_guest with pid asks again.`;
    }
    if (!exited)
      return `${subject}: process ${pid} is still running; run_in_guest with pid asks for its end.`;
    const code = exit_code === undefined ? 'ended; the agent told no exit code' : `ended with ${exit_code}`;
    const how = signal === undefined ? code : `was ended by signal ${signal}`;
    const said = [
      stdout === '' ? '' : ` It wrote ${inQuotes(stdout, 300)}.`,
      stderr === '' ? '' : ` Errors: ${inQuotes(stderr, 300)}.`,
    ];
    return `${subject}: process ${pid} ${how}.${said.join('')}`;
  },
});

function statusOf({ at }: GuestTarget, pid: number): GateRequest {
  return { method: 'GET', path: at('agent', 'exec-status'), data: { pid } };
}

interface Wait {
  pid: number;
  /** What the agent said already. */
  first?: unknown;
  waitSeconds: number;
}

/** Asks until the program has ended. It was started, so that a failure to ask is told and not thrown. */
async function ended(target: GuestTarget, { pid, first, waitSeconds }: Wait, context: ToolContext) {
  const startedAt = context.now();
  let status = first;
  for (let asked = 0; ; asked += 1) {
    if (asked > 0 || first === undefined) {
      try {
        status = await askAgent(target, statusOf(target, pid));
      } catch (error) {
        if (context.signal.aborted) throw error;
        return { exited: false, problem: toCallError(error).message };
      }
    }
    if (isObject(status) && isTrue(status.exited)) return { exited: true, ...outcomeOf(status) };
    const waited = context.now() - startedAt;
    const left = waitSeconds * 1000 - waited;
    if (left <= 0) return { exited: false };
    const message = `process ${pid} runs in the guest`;
    context.progress({ progress: Math.round(waited / 1000), total: waitSeconds, message });
    await context.sleep(Math.min(PAUSES[asked] ?? LAST_PAUSE, left));
  }
}

function outcomeOf(status: Readonly<Record<string, unknown>>) {
  return {
    ...compact({ exit_code: number(status.exitcode), signal: number(status.signal) }),
    ...streamOf('stdout', status['out-data'], status['out-truncated']),
    ...streamOf('stderr', status['err-data'], status['err-truncated']),
  };
}

function streamOf(name: 'stdout' | 'stderr', data: unknown, truncated: unknown) {
  const raw = textOf(data);
  if (raw === undefined) return {};
  const { text, characters, isCut } = shownOutput(raw);
  return {
    [name]: text,
    // The agent keeps 16 MiB, and says where there was more.
    ...(isCut || isTrue(truncated)
      ? { [`${name}_truncated`]: true, [`${name}_characters`]: characters }
      : {}),
  };
}
