/** The parts of a PVE task id. `user` is `user@realm` or `user@realm!token`; times are in seconds. */
export interface Upid {
  node: string;
  pid: number;
  pstart: number;
  starttime: number;
  type: string;
  id: string;
  user: string;
}

const UPID = /^UPID:([^:\s]+):([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/i;

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');

export function formatUpid(upid: Upid): string {
  const { node, pid, pstart, starttime, type, id, user } = upid;
  return `UPID:${node}:${hex(pid)}:${hex(pstart)}:${hex(starttime)}:${type}:${id}:${user}:`;
}

export function parseUpid(text: string): Upid | undefined {
  const [, node, pid, pstart, starttime, type, id, user] = UPID.exec(text) ?? [];
  if (!node || !pid || !pstart || !starttime || !type || id === undefined || !user) return undefined;
  return {
    node,
    pid: Number.parseInt(pid, 16),
    pstart: Number.parseInt(pstart, 16),
    starttime: Number.parseInt(starttime, 16),
    type,
    id,
    user,
  };
}
