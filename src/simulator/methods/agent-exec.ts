import { failure } from '../errors.ts';
import type { GuestType } from '../state/guest.ts';
import { insideOf, startJob } from '../state/inside.ts';
import { requireAgent } from './agent.ts';
import { declare } from './declare.ts';
import {
  boolean,
  type Call,
  flag,
  type Method,
  node,
  number,
  onGuest,
  optionalText,
  text,
  vmid,
} from './method.ts';

const READ_LIMIT = 16 * 1024 * 1024;

function exec(call: Call): unknown {
  const guest = requireAgent(call);
  const { command } = call.parameters;
  const line = Array.isArray(command) ? command : [String(command)];
  const input = optionalText(call, 'input-data') ?? '';
  return { pid: startJob(line, { guest, now: call.state.clock(), input }) };
}

/** The agent forgets a program once its end was told: a second question is an error. */
function execStatus(call: Call): unknown {
  const { jobs } = insideOf(requireAgent(call));
  const pid = number(call, 'pid');
  const job = jobs[pid];
  if (!job) throw failure(`Agent error: PID ${pid} does not exist`);
  if (call.state.clock() < job.endsAt) return { exited: 0 };
  delete jobs[pid];
  const { exitcode, signal, out, err } = job;
  return {
    exited: 1,
    ...(signal === undefined ? { exitcode } : { signal }),
    ...(out === '' ? {} : { 'out-data': out }),
    ...(err === '' ? {} : { 'err-data': err }),
  };
}

function fileRead(call: Call): unknown {
  const { files } = insideOf(requireAgent(call));
  const file = text(call, 'file');
  const found = files[file];
  if (found === undefined) {
    throw failure(`Agent error: failed to open file '${file}' (mode: 'r'): No such file or directory`);
  }
  const bytes = Buffer.from(found);
  const from = number(call, 'offset');
  const part = bytes.subarray(from, from + number(call, 'count', READ_LIMIT));
  const encoded = call.parameters.decode === 0;
  return {
    content: part.toString(encoded ? 'base64' : 'utf8'),
    ...(from + part.length < bytes.length ? { truncated: 1 } : {}),
  };
}

function fileWrite(call: Call): null {
  const { files } = insideOf(requireAgent(call));
  const content = text(call, 'content');
  // Without `encode` the content is Base64 already.
  files[text(call, 'file')] =
    call.parameters.encode === 0 ? Buffer.from(content, 'base64').toString('utf8') : content;
  return null;
}

function setPassword(call: Call): unknown {
  const inside = insideOf(requireAgent(call));
  const entry = { password: text(call, 'password'), crypted: flag(call, 'crypted') };
  inside.passwords = { ...inside.passwords, [text(call, 'username')]: entry };
  return { result: {} };
}

/** Programs and files inside a VM, through its agent. */
export function agentExecMethods(type: GuestType): Method[] {
  if (type !== 'qemu') return [];
  const path = '/nodes/{node}/qemu/{vmid}/agent';
  const all = 'VM.GuestAgent.Unrestricted';
  const place = { node, vmid };
  const file = { type: 'string' } as const;
  return [
    declare(
      'POST',
      `${path}/exec`,
      onGuest(all),
      {
        ...place,
        command: { type: 'array' },
        'input-data': { type: 'string', optional: 1, maxLength: 64 * 1024 },
      },
      exec,
    ),
    declare('GET', `${path}/exec-status`, onGuest(all), { ...place, pid: { type: 'integer' } }, execStatus),
    declare(
      'GET',
      `${path}/file-read`,
      onGuest('VM.GuestAgent.FileRead', all),
      {
        ...place,
        file,
        count: { type: 'integer', optional: 1, minimum: 1, maximum: READ_LIMIT },
        decode: boolean,
        offset: { type: 'integer', optional: 1, minimum: 0 },
      },
      fileRead,
    ),
    declare(
      'POST',
      `${path}/file-write`,
      onGuest('VM.GuestAgent.FileWrite', all),
      { ...place, file, content: { type: 'string', maxLength: 60 * 1024 }, encode: boolean },
      fileWrite,
    ),
    declare(
      'POST',
      `${path}/set-user-password`,
      onGuest(all),
      {
        ...place,
        username: { type: 'string' },
        password: { type: 'string', minLength: 5, maxLength: 1024 },
        crypted: boolean,
      },
      setPassword,
    ),
  ];
}
