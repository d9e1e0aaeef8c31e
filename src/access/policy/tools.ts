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

const NO_CALLS: NonNullable<UsableTool['calls']> = [];
const READS: readonly ToolNeed[] = [{ risks: ['read'], method: 'GET' }];

/** What tools are used for. Worked out once for each: every list of tools and every call asks for it. */
export class ToolNeeds {
  readonly #known = new WeakMap<NonNullable<UsableTool['calls']>, readonly ToolNeed[]>();

  of({ readOnlyHint, calls = NO_CALLS }: UsableTool): readonly ToolNeed[] {
    if (readOnlyHint) return READS;
    const known = this.#known.get(calls) ?? needsOf(calls);
    this.#known.set(calls, known);
    return known;
  }
}

/** A tool that writes is of no use to who can only make its reads. */
function needsOf(calls: NonNullable<UsableTool['calls']>): readonly ToolNeed[] {
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
