import type { MetricsConfig, TracingConfig, TracingSampler } from './config.ts';
import type { Environment } from './environment.ts';
import { Secret } from './secret.ts';

const LEAST_TOKEN_BYTES = 32;
const TRACES_PATH = '/v1/traces';
/** What a client may send behind `Bearer`, so that a token that can't be shown is told at the start. */
const TOKEN_TEXT = /^[A-Za-z0-9._~+/=-]+$/;
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/**
 * MCP_METRICS and MCP_METRICS_TOKEN: who may read `/metrics`.
 *
 * @returns undefined where nobody may, which is how it is unless one of them is set
 */
export function readMetrics(
  environment: Environment,
  { isLoopback }: { isLoopback: boolean },
  warnings: string[],
): MetricsConfig | undefined {
  const wanted = environment.text('MCP_METRICS')?.trim();
  const token = environment.secret('MCP_METRICS_TOKEN');
  if (token !== undefined && Buffer.byteLength(token.reveal()) < LEAST_TOKEN_BYTES) {
    environment.problem('MCP_METRICS_TOKEN', `is shorter than ${LEAST_TOKEN_BYTES} bytes; ${MAKE_ONE}`);
  } else if (token !== undefined && !TOKEN_TEXT.test(token.reveal())) {
    environment.problem('MCP_METRICS_TOKEN', `holds what no Bearer token may; ${MAKE_ONE}`);
  }
  if (wanted !== undefined && !/^(?:off|token|open)$/.test(wanted)) {
    environment.problem('MCP_METRICS', 'must be off, token or open');
  }
  if (wanted === 'off') return undefined;
  if (wanted === 'open') {
    if (token !== undefined) {
      environment.problem('MCP_METRICS', 'is open, but MCP_METRICS_TOKEN is set; keep one');
    }
    if (!isLoopback) {
      warnings.push(
        'MCP_METRICS is open: whoever reaches the port reads /metrics, names of clusters included',
      );
    }
    return {};
  }
  if (token !== undefined) return { token };
  if (wanted === 'token' && !environment.has('MCP_METRICS_TOKEN')) {
    environment.problem('MCP_METRICS_TOKEN', `is missing; MCP_METRICS=token needs it: ${MAKE_ONE}`);
  }
  return undefined;
}

/**
 * The standard variables of OpenTelemetry, as far as they are of use here: OTEL_EXPORTER_OTLP_ENDPOINT (or
 * …_TRACES_ENDPOINT), OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER with its _ARG, and
 * OTEL_SDK_DISABLED.
 *
 * @returns undefined where nothing is traced, which is how it is unless an endpoint is set
 */
export function readTracing(environment: Environment): TracingConfig | undefined {
  const url = readEndpoint(environment);
  const headers = readHeaders(environment);
  const serviceName = environment.text('OTEL_SERVICE_NAME')?.trim() ?? 'proxmox-mcp';
  const sampler = readSampler(environment);
  const isOff = environment.boolean('OTEL_SDK_DISABLED') ?? false;
  const protocol = environment.text('OTEL_EXPORTER_OTLP_PROTOCOL')?.trim();
  if (url === undefined || isOff) return undefined;
  if (protocol === 'grpc') {
    environment.problem('OTEL_EXPORTER_OTLP_PROTOCOL', 'must not be grpc: traces are sent over HTTP as JSON');
  }
  return { url, serviceName, sampler, ...(headers === undefined ? {} : { headers }) };
}

/** The one for traces is taken as it is; to the other one its path is added (OTLP exporter specification). */
function readEndpoint(environment: Environment): string | undefined {
  const base = environment.text('OTEL_EXPORTER_OTLP_ENDPOINT');
  const whole = environment.text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  const all = checkedUrl(environment, 'OTEL_EXPORTER_OTLP_ENDPOINT', base);
  const own = checkedUrl(environment, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', whole);
  return own?.href ?? (all && `${all.href.replace(/\/+$/, '')}${TRACES_PATH}`);
}

function checkedUrl(environment: Environment, name: string, given: string | undefined): URL | undefined {
  const text = given?.trim();
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const extras = url === undefined ? '' : url.username + url.password + url.search + url.hash;
  if (url !== undefined && /^https?:$/.test(url.protocol) && extras === '') return url;
  environment.problem(
    name,
    'must be an http or https URL without user and query, such as http://localhost:4318',
  );
  return undefined;
}

/** `name=value,name=value`, values percent-encoded as in W3C Baggage. They usually hold a credential. */
function readHeaders(environment: Environment): Readonly<Record<string, Secret>> | undefined {
  const text = environment.secret('OTEL_EXPORTER_OTLP_HEADERS')?.reveal();
  if (text === undefined) return undefined;
  const headers: [string, Secret][] = [];
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const [, name, value] =
      /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)\s*$/.exec(pair) ?? [];
    const decoded = value === undefined ? undefined : decodedValue(value);
    if (name === undefined || decoded === undefined) {
      environment.problem(
        'OTEL_EXPORTER_OTLP_HEADERS',
        'must be a comma list of name=value, percent-encoded',
      );
      return undefined;
    }
    headers.push([name, new Secret(decoded)]);
  }
  return Object.fromEntries(headers);
}

function decodedValue(value: string): string | undefined {
  try {
    const decoded = decodeURIComponent(value);
    return /^[\x20-\x7e]+$/.test(decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}

function readSampler(environment: Environment): TracingSampler {
  const wanted = environment.text('OTEL_TRACES_SAMPLER')?.trim() ?? 'parentbased_always_on';
  const text = environment.text('OTEL_TRACES_SAMPLER_ARG')?.trim();
  const kind = SAMPLERS.find((name) => name === wanted);
  if (kind === undefined) {
    environment.problem('OTEL_TRACES_SAMPLER', `must be one of ${SAMPLERS.join(', ')}`);
  }
  const ratio = text === undefined ? 1 : Number(text);
  if (!(ratio >= 0 && ratio <= 1))
    environment.problem('OTEL_TRACES_SAMPLER_ARG', 'must be a number from 0 to 1');
  return { kind: kind ?? 'always_off', ratio };
}

const MAKE_ONE = 'make one with: openssl rand -base64 48';
