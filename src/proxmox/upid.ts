import { CallError } from './errors.ts';

/** A task's identifier, taken apart. `startTime` is in epoch seconds. */
export interface Upid {
  node: string;
  pid: number;
  /** The process's start in clock ticks since boot, which tells a reused pid apart. */
  processStart: number;
  startTime: number;
  /** Such as `qmstart`. */
  type: string;
  /** What the task is about, such as a VMID; empty for some. */
  id: string;
  /** user@realm */
  user: string;
  /** Name of the API token that started it, where one did. */
  tokenId?: string;
}

// As PVE::Tools::upid_decode reads it; pstart and pid may be longer than the eight digits that they are padded to.
const UPID =
  /^UPID:(?<node>[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):(?<pid>[0-9A-Fa-f]{8}):(?<pstart>[0-9A-Fa-f]{8,9}):(?<start>[0-9A-Fa-f]{8}):(?<type>[^:\s/]+):(?<id>[^:\s/]*):(?<user>[^:\s/!]+@[A-Za-z][A-Za-z0-9._-]+)(?:!(?<token>[A-Za-z][A-Za-z0-9._-]+))?:$/;

export function isUpid(text: string): boolean {
  return UPID.test(text);
}

/**
 * Takes a UPID apart.
 *
 * @throws CallError INVALID_ARGUMENTS for anything else.
 */
export function parseUpid(text: string): Upid {
  const groups = UPID.exec(text)?.groups;
  if (groups === undefined) {
    throw new CallError('INVALID_ARGUMENTS', 'This is no UPID.', {
      hint: 'Give a task’s identifier as Proxmox VE returns it: UPID:node:…:user@realm:, with the colon at its end.',
    });
  }
  const { node = '', pid = '', pstart = '', start = '', type = '', id = '', user = '', token } = groups;
  return {
    node,
    pid: Number.parseInt(pid, 16),
    processStart: Number.parseInt(pstart, 16),
    startTime: Number.parseInt(start, 16),
    type,
    id,
    user,
    ...(token === undefined ? {} : { tokenId: token }),
  };
}

/** As whom a task runs: `user@realm`, or `user@realm!token`. */
export function accountName(user: string, tokenId: string | undefined): string {
  return tokenId === undefined ? user : `${user}!${tokenId}`;
}

/** Writes a UPID as PVE does. */
export function formatUpid(upid: Upid): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const user = accountName(upid.user, upid.tokenId);
  const numbers = [upid.pid, upid.processStart, upid.startTime].map(hex).join(':');
  return `UPID:${upid.node}:${numbers}:${upid.type}:${upid.id}:${user}:`;
}
