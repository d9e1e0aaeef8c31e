import { expect } from 'vitest';
import type { Guest } from '../../../src/simulator/state/guest.ts';
import { type Asked, describeFaults, type NamedFault, useSimulator } from '../../support/fault-cases.ts';
import type { FaultEstate } from '../../support/fault-estate.ts';

const simulated = useSimulator();

const CONFIG = '/nodes/pve2/qemu/103/config';
const CHANGE: Asked = ['PUT', CONFIG, { data: { description: 'a fault test' } }];
const PING = ['POST', '/nodes/pve1/qemu/100/agent/ping'] as const;
const HOST_NAME = ['GET', '/nodes/pve1/qemu/100/agent/get-host-name'] as const;

function guestOf({ target }: FaultEstate, vmid: number): Guest {
  const guest = target.state.guests.get(vmid);
  if (!guest) throw new Error(`no simulated guest ${vmid}`);
  return guest;
}

/** A change with the digest that the configuration has now. */
async function changeByDigest(estate: FaultEstate): Promise<Asked> {
  const { data } = (await estate.ask('GET', CONFIG)) as { data?: { digest?: string } };
  return ['PUT', CONFIG, { data: { description: 'a fault test', digest: data?.digest } }];
}

const locks: NamedFault[] = [
  {
    name: 'a guest locked by a backup',
    put: ({ target }) => target.faults.add({ kind: 'lock-held', vmid: 103, lock: 'backup' }),
    read: { asks: ['GET', CONFIG], answers: { data: { lock: 'backup' } } },
    write: { code: 'CONFLICT', retryable: true, says: ['locked (backup)', 'list_tasks'], arrived: 1 },
  },
  {
    name: 'a configuration file that another process has locked',
    put: ({ target }) => target.faults.add({ kind: 'lock-held', vmid: 103 }),
    read: { asks: ['GET', CONFIG] },
    write: {
      asks: CHANGE,
      code: 'CONFLICT',
      retryable: true,
      says: ["can't lock file", 'lock-103'],
      arrived: 1,
    },
  },
  {
    name: 'a digest that somebody else has changed',
    put: (estate) => {
      const { config } = guestOf(estate, 103);
      before = config.description;
      config.description = 'somebody was faster';
    },
    lift: (estate) => {
      const { config } = guestOf(estate, 103);
      if (before === undefined) delete config.description;
      else config.description = before;
    },
    read: { asks: ['GET', CONFIG] },
    write: {
      asks: changeByDigest,
      code: 'CONFLICT',
      retryable: false,
      says: ['checksum missmatch', 'new digest'],
      arrived: 1,
    },
  },
];
let before: string | number | undefined;

const cluster: NamedFault[] = [
  {
    name: 'a cluster without quorum',
    put: ({ target }) => target.faults.add({ kind: 'quorum-lost' }),
    read: {},
    write: {
      code: 'UPSTREAM_ERROR',
      status: 500,
      retryable: true,
      says: ['no quorum', 'pvecm status'],
      arrived: 1,
    },
  },
  {
    name: 'a node that the cluster does not know',
    put: ({ target: { state } }) => {
      gone = state.nodes.splice(2, 1);
    },
    lift: ({ target: { state } }) => state.nodes.push(...gone),
    read: { asks: ['GET', '/nodes/pve3/status'], code: 'NOT_FOUND', says: ['list_nodes', 'pve3'] },
    write: {
      asks: ['POST', '/nodes/pve3/qemu/102/config', { data: { description: 'a fault test' } }],
      code: 'NOT_FOUND',
      says: ['list_nodes', 'pve3'],
      arrived: 1,
    },
  },
];
let gone: FaultEstate['target']['state']['nodes'] = [];

const guests: NamedFault[] = [
  {
    name: 'a guest that does not exist',
    put: (estate) => {
      lost = guestOf(estate, 103);
      estate.target.state.guests.delete(103);
    },
    lift: ({ target }) => target.state.guests.set(103, present(lost)),
    read: { asks: ['GET', CONFIG], code: 'NOT_FOUND', says: ['103', 'does not exist'] },
    write: { code: 'NOT_FOUND', retryable: false, says: ['103', 'does not exist'], arrived: 1 },
  },
  {
    name: 'a guest agent that does not run',
    put: (estate) => {
      guestOf(estate, 100).paused = true;
    },
    lift: (estate) => {
      guestOf(estate, 100).paused = false;
    },
    read: {
      asks: HOST_NAME,
      code: 'UPSTREAM_ERROR',
      says: ['agent is not running', 'install it in the guest'],
    },
    write: { asks: PING, code: 'UPSTREAM_ERROR', says: ['agent is not running'], arrived: 1 },
  },
  {
    name: 'a guest whose agent is not configured',
    put: (estate) => {
      guestOf(estate, 100).config.agent = '0';
    },
    lift: (estate) => {
      guestOf(estate, 100).config.agent = '1';
    },
    read: { asks: HOST_NAME, code: 'UPSTREAM_ERROR', says: ['No QEMU guest agent', 'enable its agent'] },
    write: { asks: PING, code: 'UPSTREAM_ERROR', says: ['No QEMU guest agent'], arrived: 1 },
  },
];
let lost: Guest | undefined;

describeFaults(simulated, [...locks, ...cluster, ...guests]);

function present<T>(part: T | undefined): T {
  expect(part).toBeDefined();
  return part as T;
}
