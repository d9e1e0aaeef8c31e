import type { Caller, ToolResult } from '../../src/mcp/dispatcher.ts';
import { somebody } from './policy.ts';
import type { Arrived } from './tool-estate.ts';
import type { ToolSite } from './tool-site.ts';

export interface DirectAnswer {
  result: ToolResult;
  code: string | undefined;
  message: string;
  /** What reached the clusters meanwhile. */
  arrived: readonly Arrived[];
  /** Of these the writes that were carried out. */
  done: readonly Arrived[];
}

/** Calls tools at the dispatcher, for tests of thousands of calls: what is in front of it is the same for each. */
export async function callDirectly(
  { guarded, estate }: ToolSite,
  tool: string,
  args: unknown,
  caller: Partial<Caller> = {},
): Promise<DirectAnswer> {
  const { manager: directory, service } = guarded;
  const whole: Caller = { principal: somebody('alice'), door: 'stateless', directory, ...caller };
  estate.forget();
  const signal = AbortSignal.timeout(30_000);
  const result = await service.dispatcher.callTool(tool, args, whole, { signal });
  const arrived = estate.arrived();
  const { error } = result.structuredContent as { error?: { code: string; message: string } };
  return {
    result,
    code: error?.code,
    message: error?.message ?? '',
    arrived,
    done: arrived.filter(({ method, status = 500 }) => method !== 'GET' && status < 400),
  };
}
