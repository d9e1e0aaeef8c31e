import { riskOf, riskOfCall } from '../../catalogue/risk.ts';
import { RISKS, type Risk } from '../../catalogue/types.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import type { UsableTool } from './policy.ts';

/** One thing that a tool is for: who can do any of them can use it. */
export interface ToolNeed {
  risks: readonly Risk[];
  method?: HttpMethod;
  /** Template of the path; absent for any. */
  path?: string;
}

/** With these, a method that has a harmless use is that harmless: a backup that prunes none, a dry run. */
const HARMLESS = { remove: 0, 'dry-run': 1 };

/** What a tool is used for: a tool that writes is of no use to who can only make its reads. */
export function neededRisks({ readOnlyHint, calls = [] }: UsableTool): readonly ToolNeed[] {
  if (readOnlyHint) return [{ risks: ['read'], method: 'GET' }];
  const needs = calls
    .flatMap(([method, path]) =>
      [riskOf(method, path), riskOfCall(method, path, HARMLESS)].map(({ risks }) => ({
        method,
        path,
        risks,
      })),
    )
    .filter(({ method, risks }) => method !== 'GET' || risks.some((risk) => risk !== 'read'));
  return needs.length > 0 ? needs : RISKS.map((risk) => ({ risks: [risk] }));
}
