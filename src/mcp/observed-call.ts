import type { Observer } from '../observability/observer.ts';
import { currentRequest } from '../observability/request-context.ts';
import { remoteSpan, type Span, type SpanOptions, type Tracing } from '../observability/tracing.ts';
import type { ToolResult } from './dispatcher.ts';

interface ObservedCall {
  tool: string;
  door: string;
  /** Nobody asked just now: it is no call to count. */
  isRoutine: boolean;
}

/** How a call ended: called once. @param outcome `ok`, or the code of its error */
type Ended = (outcome: string, cluster: string | undefined, result: ToolResult) => void;

/** Measures a call from now on, and ends the span that it is done in. */
export function measured(observer: Observer, { tool, door, isRoutine }: ObservedCall): Ended {
  const startedAt = performance.now();
  const span = currentRequest()?.span;
  return (outcome, cluster, { content }) => {
    span?.set({ 'proxmox.cluster': cluster });
    span?.end(outcome === 'ok' ? undefined : outcome);
    if (isRoutine) return;
    let characters = 0;
    for (const { text } of content) characters += text.length;
    const seconds = (performance.now() - startedAt) / 1000;
    observer.toolCalled({ tool, cluster, door, outcome, seconds, characters });
  };
}

/**
 * Begins the span of a call: within that of its HTTP request, unless the client names another trace in `_meta`, as the
 * conventions of OpenTelemetry for MCP have it. A call without a request begins a trace.
 *
 * @param traceparent of `_meta`, unread
 * @param outer of the HTTP request
 */
export function callSpan(
  tracing: Tracing | undefined,
  { tool, door, isRoutine }: ObservedCall,
  traceparent: unknown,
  outer: Span | undefined,
): Span | undefined {
  if (tracing === undefined || isRoutine) return undefined;
  const name = `tools/call ${tool}`;
  const options: SpanOptions = {
    kind: 'server',
    attributes: { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': tool, 'proxmox.door': door },
  };
  const parent = remoteSpan(traceparent);
  if (outer === undefined) return tracing.begin(name, { ...options, parent });
  if (parent === undefined || parent.traceId === outer.traceId) return outer.begin(name, options);
  return tracing.begin(name, { ...options, parent, linked: outer });
}
