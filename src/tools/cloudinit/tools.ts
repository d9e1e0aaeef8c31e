import type { Tool } from '../define.ts';

/** The toolset `cloudinit`, in the order in which clients see it. */
export const CLOUDINIT_TOOLS: readonly Tool[] = [];
