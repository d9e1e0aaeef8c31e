import type { Tool } from '../define.ts';
import { freezeGuest } from './freeze-guest.ts';
import { inspectGuest } from './inspect-guest.ts';
import { readGuestFile } from './read-guest-file.ts';
import { runInGuest } from './run-in-guest.ts';
import { setGuestPassword } from './set-guest-password.ts';
import { trimGuest } from './trim-guest.ts';
import { writeGuestFile } from './write-guest-file.ts';

/** The toolset `agent`, in the order in which clients see it. */
export const AGENT_TOOLS: readonly Tool[] = [
  inspectGuest,
  runInGuest,
  readGuestFile,
  writeGuestFile,
  freezeGuest,
  trimGuest,
  setGuestPassword,
];
