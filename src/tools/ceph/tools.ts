import type { Tool } from '../define.ts';

/** The toolset `ceph`, in the order in which clients see it. */
export const CEPH_TOOLS: readonly Tool[] = [];
