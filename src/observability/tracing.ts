import { currentRequest, inRequest, type RequestContext } from './request-context.ts';

/** Values of a span: names of tools, clusters and templates, numbers. Never what a caller wrote. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** A span of another process, as W3C Trace Context names it. */
export interface RemoteSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

export interface SpanOptions {
  /** `server`: somebody asks us. `client`: we ask somebody. */
  kind?: 'server' | 'client' | 'internal';
  attributes?: SpanAttributes;
}

/** A piece of work in a trace. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** Whether it was ended: what goes on behind that belongs to no trace. */
  readonly isOver: boolean;
  begin(name: string, options?: SpanOptions): Span;
  set(attributes: SpanAttributes): void;
  /** @param problem a code of a closed table; where there is one, the work failed */
  end(problem?: string): void;
}

export interface Tracing {
  /**
   * Begins a span that is no other span's of this process.
   *
   * @param parent of the client; a trace of its own where there is none
   * @param linked another span that led to this one
   */
  begin(
    name: string,
    options?: SpanOptions & { parent?: RemoteSpan | undefined; linked?: Span | undefined },
  ): Span;
  /** Sends what is left, for two seconds at most. Never rejects. */
  close(): Promise<void>;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: later versions may go on behind the flags. */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Reads a `traceparent`. Undefined for anything else: the standard has it ignored then. */
export function remoteSpan(traceparent: unknown): RemoteSpan | undefined {
  const match = typeof traceparent === 'string' ? TRACEPARENT.exec(traceparent) : undefined;
  const [, version, traceId, spanId, flags = '00', more] = match ?? [];
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined))
    return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Whether what is done now belongs to a trace. */
export function isTraced(): boolean {
  const span = currentRequest()?.span;
  return span !== undefined && !span.isOver;
}

/** A span that is yet to be begun. */
export type NamedSpan = SpanOptions & { name: string };

interface Traced<T> {
  /** Called only where something is traced. */
  span: () => NamedSpan;
  work: () => Promise<T>;
  attributesOf?: (result: T) => SpanAttributes;
  /** Names in a word of a closed table why the work failed. */
  problemOf: (error: unknown) => string;
}

/** Does a piece of the work for the current request as a span of its trace; where nothing is traced, just the work. */
export function traced<T>(piece: Traced<T>): Promise<T> {
  const request = currentRequest();
  if (request?.span === undefined || request.span.isOver) return piece.work();
  const { name, ...options } = piece.span();
  return inSpan(request, request.span.begin(name, options), piece);
}

async function inSpan<T>(
  request: RequestContext,
  span: Span,
  { work, attributesOf, problemOf }: Omit<Traced<T>, 'span'>,
): Promise<T> {
  try {
    const result = await inRequest({ ...request, span }, work);
    if (attributesOf !== undefined) span.set(attributesOf(result));
    span.end();
    return result;
  } catch (error) {
    span.end(problemOf(error));
    throw error;
  }
}
