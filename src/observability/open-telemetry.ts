import {
  type Attributes,
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type NodeTracerConfig,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import type { Logger } from 'pino';
import type { RemoteSpan, Span, SpanAttributes, SpanOptions, Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Where traces are sent, whole. */
  url: string;
  /** They usually hold a credential. */
  headers: Readonly<Record<string, string>>;
  serviceName: string;
  serviceVersion: string;
  /** This process, unlike every other. */
  instance: string;
  sampler: { kind: string; ratio: number };
  logger: Logger;
}

const EXPORT_MS = 10_000;
const CLOSE_MS = 2_000;
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

/**
 * Traces that are sent over OTLP/HTTP as JSON. This module alone loads OpenTelemetry, and is imported only where
 * tracing is on. Nothing of it is global: spans know their parents by our own request context.
 */
export function openTracing(options: TracingOptions): Tracing {
  const { url, headers, sampler, logger } = options;
  const exporter = new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: EXPORT_MS });
  const provider = new BasicTracerProvider({
    resource: resourceOf(options),
    sampler: samplerOf(sampler),
    spanProcessors: [new BatchSpanProcessor(reporting(exporter, logger))],
  });
  const tracer = provider.getTracer('proxmox-mcp');
  return {
    begin: (name, { parent, linked, ...rest } = {}) => {
      const within =
        parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, contextOf(parent));
      const links = linked === undefined ? [] : [{ context: contextOf({ ...linked, isSampled: true }) }];
      return new TracedSpan(tracer, begin(tracer, within, name, rest, links));
    },
    close: () => within(CLOSE_MS, provider.shutdown()),
  };
}

class TracedSpan implements Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly #tracer: Tracer;
  readonly #span: OtelSpan;
  #isOver = false;

  constructor(tracer: Tracer, span: OtelSpan) {
    ({ traceId: this.traceId, spanId: this.spanId } = span.spanContext());
    this.#tracer = tracer;
    this.#span = span;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  begin(name: string, options: SpanOptions = {}): Span {
    const parent = trace.setSpan(ROOT_CONTEXT, this.#span);
    return new TracedSpan(this.#tracer, begin(this.#tracer, parent, name, options));
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(known(attributes));
  }

  end(problem?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (problem !== undefined) {
      this.#span.setAttribute('error.type', problem);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

function begin(
  tracer: Tracer,
  parent: Context,
  name: string,
  { kind = 'internal', attributes = {} }: SpanOptions,
  links: { context: ReturnType<typeof contextOf> }[] = [],
): OtelSpan {
  return tracer.startSpan(name, { kind: KINDS[kind], attributes: known(attributes), links }, parent);
}

function contextOf({ traceId, spanId, isSampled }: RemoteSpan) {
  return { traceId, spanId, traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}

function known(attributes: SpanAttributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}

function samplerOf({ kind, ratio }: TracingOptions['sampler']): Sampler {
  const root = rootSampler(kind.replace(/^parentbased_/, ''), ratio);
  return kind.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root;
}

function rootSampler(kind: string, ratio: number): Sampler {
  if (kind === 'traceidratio') return new TraceIdRatioBasedSampler(ratio);
  return kind === 'always_on' ? new AlwaysOnSampler() : new AlwaysOffSampler();
}

/** The package that makes resources is none of ours; the interface is small. */
function resourceOf({ serviceName, serviceVersion, instance }: TracingOptions) {
  const attributes: Attributes = {
    'service.name': serviceName,
    'service.version': serviceVersion,
    'service.instance.id': instance,
  };
  const resource: NonNullable<NodeTracerConfig['resource']> = {
    attributes,
    merge: () => resource,
    getRawAttributes: () => Object.entries(attributes),
  };
  return resource;
}

/** Says once that traces are lost, and once that they arrive again: a collector that is down is no call's business. */
function reporting(exporter: SpanExporter, logger: Logger): SpanExporter {
  let isFailing = false;
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const fails = result.code !== 0;
        if (fails && !isFailing) {
          // The text of the error may hold what the other side answered.
          const { error } = result;
          const code = error !== undefined && 'code' in error ? error.code : error?.name;
          logger.warn({ code }, 'traces can not be sent: they are dropped until the collector answers');
        }
        if (!fails && isFailing) logger.info('traces are sent again');
        isFailing = fails;
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush ? { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() } : {}),
  };
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
