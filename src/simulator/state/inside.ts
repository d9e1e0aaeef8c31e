import type { Guest } from './guest.ts';
import { guestName } from './guest.ts';

/** A program that was started through the guest agent. */
interface AgentJob {
  /** epoch ms */
  endsAt: number;
  exitcode: number;
  /** The signal that ended it; then it has no exit code. */
  signal?: number;
  out: string;
  err: string;
}

/** What the guest agent can reach: a few files and the programs it was asked to run. */
export interface Inside {
  files: Record<string, string>;
  /** Those that were set through the agent, by user. */
  passwords?: Record<string, { password: string; crypted: boolean }>;
  jobs: Record<string, AgentJob>;
  nextPid: number;
  frozen: boolean;
}

export const KERNEL = '6.12.48+deb13-amd64';

export function insideOf(guest: Guest): Inside {
  guest.inside ??= {
    files: {
      '/etc/hostname': `${guestName(guest)}\n`,
      '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n',
      '/etc/hosts': `127.0.0.1 localhost\n127.0.1.1 ${guestName(guest)}\n`,
    },
    jobs: {},
    nextPid: 1000 + (guest.vmid % 1000),
    frozen: false,
  };
  return guest.inside;
}

interface Ran {
  exitcode: number;
  signal?: number;
  out?: string;
  err?: string;
  seconds?: number;
}

interface Surroundings {
  guest: Guest;
  /** epoch ms */
  now: number;
  input: string;
}

type Program = (given: string[], surroundings: Surroundings) => Ran;

const done = (out: string): Ran => ({ exitcode: 0, out });

/** The programs a simulated guest has. Each says the same for the same guest and moment. */
const PROGRAMS: Record<string, Program> = {
  cat: (files, { guest, input }) => {
    if (files.length === 0) return done(input);
    const missing = files.find((file) => insideOf(guest).files[file] === undefined);
    if (missing !== undefined) return { exitcode: 1, err: `cat: ${missing}: No such file or directory\n` };
    return done(files.map((file) => insideOf(guest).files[file]).join(''));
  },
  date: (_given, { now }) => done(`${new Date(now).toUTCString()}\n`),
  df: () =>
    done('Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/sda1 8191416 2211682 5979734 27% /\n'),
  echo: (words) => done(`${words.join(' ')}\n`),
  false: () => ({ exitcode: 1 }),
  hostname: (_given, { guest }) => done(`${guestName(guest)}\n`),
  id: () => done('uid=0(root) gid=0(root) groups=0(root)\n'),
  // A shell that ends itself: `sh -c 'kill -9 $$'`.
  kill: ([signal, pid]) => {
    const number = Number(signal?.replace('-', ''));
    return pid === '$$' && number > 0 ? { exitcode: 0, signal: number } : { exitcode: 1 };
  },
  sleep: ([seconds]) => ({ exitcode: 0, seconds: Number(seconds) || 0 }),
  true: () => ({ exitcode: 0 }),
  uname: ([option], { guest }) => {
    const version = `Linux ${guestName(guest)} ${KERNEL} #1 SMP PREEMPT_DYNAMIC Debian x86_64 GNU/Linux`;
    if (option === '-a') return done(`${version}\n`);
    return done(`${option === '-r' ? KERNEL : 'Linux'}\n`);
  },
  uptime: () => done(' up 3 days, 2:01, 0 users, load average: 0.10, 0.08, 0.05\n'),
  whoami: () => done('root\n'),
};

/** Runs a command line at once. An unknown program answers as a shell does. */
function run([program = '', ...given]: string[], surroundings: Surroundings): Ran {
  const name = program.slice(program.lastIndexOf('/') + 1);
  if ((name === 'sh' || name === 'bash') && given[0] === '-c') {
    return run((given[1] ?? '').split(/\s+/).filter(Boolean), surroundings);
  }
  const known = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  return known
    ? known(given, surroundings)
    : { exitcode: 127, err: `sh: 1: ${program}: command not found\n` };
}

/** @returns the number under which its end can be asked for */
export function startJob(command: string[], surroundings: Surroundings): number {
  const { exitcode, signal, out = '', err = '', seconds = 0 } = run(command, surroundings);
  const inside = insideOf(surroundings.guest);
  const pid = inside.nextPid++;
  const ends = signal === undefined ? { exitcode } : { exitcode, signal };
  inside.jobs[pid] = { endsAt: surroundings.now + seconds * 1000, ...ends, out, err };
  return pid;
}
