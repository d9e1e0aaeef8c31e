import type { Tool } from '../define.ts';
import { deleteHaResource } from './delete-ha-resource.ts';
import { deleteHaRule } from './delete-ha-rule.ts';
import { listHa } from './list-ha.ts';
import { listHaRules } from './list-ha-rules.ts';
import { moveHaGuest } from './move-ha-guest.ts';
import { saveHaResource } from './save-ha-resource.ts';
import { saveHaRule } from './save-ha-rule.ts';

/** The toolset `ha`, in the order in which clients see it. */
export const HA_TOOLS: readonly Tool[] = [
  listHa,
  saveHaResource,
  deleteHaResource,
  listHaRules,
  saveHaRule,
  deleteHaRule,
  moveHaGuest,
];
