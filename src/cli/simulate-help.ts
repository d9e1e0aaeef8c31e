import type { FaultKind } from '../simulator/faults.ts';

/** One line for each kind of fault: what it takes, and what happens. */
const KINDS: Record<FaultKind, [options: string, effect: string]> = {
  hang: ['', 'the call is taken and never answered'],
  close: ['', 'the connection dies before any answer'],
  'commit-then-close': ['', 'the call is executed, then the connection dies without an answer'],
  slow: ['ms=N', 'the answer comes so much later'],
  'slow-headers': ['[ms=N]', 'one byte of the head per so many ms (1000)'],
  'slow-body': ['[ms=N]', 'one byte of the body per so many ms (1000)'],
  'truncated-json': ['[end=true]', 'half of the answer; with end it ends as if it were whole'],
  html: ['[body=TEXT]', '200 with a web page'],
  status: ['code=N[,reason=TEXT][,message=TEXT]', 'a refusal, nothing is executed'],
  storm: ['', '500, 502, 503 and 504 in turn'],
  'proxy-error': ['[code=595|596|599]', 'the node asked could not reach the other one'],
  redirect: ['[location=URL][,code=N]', 'a redirection to another host'],
  'expired-ticket': ['', 'every ticket issued so far is invalid from this call on'],
  'revoked-token': ['[token=USER!NAME]', "the call's token, or this one, is gone from this call on"],
  'task-error': ['[message=TEXT]', 'tasks that the call starts end in this error'],
  'task-warnings': ['[count=N]', 'tasks that the call starts end with warnings'],
  'task-log': ['[lines=N]', 'tasks that the call starts log so many lines (100000)'],
  blackhole: ['', 'connections are taken, TLS never begins'],
  'half-open': ['', 'TLS works, nothing is ever answered'],
  'node-down': ['', 'nothing listens; without a node= on no node'],
  'certificate-expired': ['', 'the certificate has expired'],
  'certificate-name': ['', 'the certificate is for another name'],
  'certificate-changed': ['', 'the certificate is one that nobody knows'],
  'lock-held': [
    'vmid=N[,lock=NAME]',
    'the guest has this lock; without one, its file is locked by a process',
  ],
  'quorum-lost': ['', 'writes are refused, though every node answers'],
  'storage-full': ['storage=NAME', 'the storage has no byte left'],
  'clock-skew': ['ahead=SECONDS', "the node's clock is ahead, or with a negative number behind"],
};

const column = Math.max(...Object.keys(KINDS).map((kind) => kind.length)) + 2;

const lines = Object.entries(KINDS).map(([kind, [options, effect]]) => {
  return `  ${kind.padEnd(column)}${effect}${options === '' ? '' : `; ${options}`}`;
});

/** What `simulate --help` says below its examples. */
export const FAULT_HELP = [
  '',
  'Faults: KIND[:MATCH][:NAME=VALUE,…], such as storm, hang:GET /nodes:times=3 or lock-held:vmid=100,lock=backup',
  '  MATCH is a verb and a path below the API: * stands for one segment or the verb, ** for any number of segments.',
  '  Every kind takes cluster=, node=, times= (how often), seconds= (how long) and rate= (which share, such as 0.5).',
  '',
  ...lines,
].join('\n');
