import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span } from './tracing.ts';

/** What is known of the request or call that code works for. */
export interface RequestContext {
  /** Joins the lines of the log, the entries of the record, and the answer's X-Request-Id. */
  readonly requestId: string;
  /** Where it is traced: what of its trace is under way. */
  readonly span?: Span | undefined;
}

const store = new AsyncLocalStorage<RequestContext>();

/** Does work for a request: whatever it awaits and begins belongs to that, too. */
export function inRequest<T>(context: RequestContext, work: () => T): T {
  return store.run(context, work);
}

/** Undefined for what the service does by itself. */
export function currentRequest(): RequestContext | undefined {
  return store.getStore();
}

/** The ids that a line of the log carries; undefined outside of a request. */
export function currentIds(): { request_id: string; trace_id?: string; span_id?: string } | undefined {
  const context = store.getStore();
  if (context === undefined) return undefined;
  const { requestId, span } = context;
  if (span === undefined) return { request_id: requestId };
  return { request_id: requestId, trace_id: span.traceId, span_id: span.spanId };
}
