import type { Tool } from '../define.ts';
import { describeApi } from './describe-api.ts';
import { proxmoxApiCall } from './proxmox-api-call.ts';
import { searchApi } from './search-api.ts';

/** The toolset `api`, in the order in which clients see it. */
export const API_TOOLS: readonly Tool[] = [searchApi, describeApi, proxmoxApiCall];
