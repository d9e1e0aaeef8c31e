import type { Tool } from '../define.ts';

/** The toolset `firewall`, in the order in which clients see it. */
export const FIREWALL_TOOLS: readonly Tool[] = [];
