import { describe, expect, it } from 'vitest';
import { CANARY, load, refusal } from '../../support/config-folder.ts';

const CLUSTER = {
  PROXMOX_API_URL: 'https://pve1.example.com:8006',
  PROXMOX_TOKEN_ID: 'ops@pve!mcp',
  PROXMOX_TOKEN_SECRET: 's',
};
const TOKEN = 'scrape-token-of-the-tests-0123456789';
const of = (env: Record<string, string>) => load({ env: { ...CLUSTER, ...env } });
const problemsOf = (env: Record<string, string>) =>
  refusal({ env: { ...CLUSTER, ...env } }).problems.map(({ field, message }) => `${field} ${message}`);

describe('who may read /metrics', () => {
  it('is nobody unless a setting says so', () => {
    expect(of({}).http.metrics).toBeUndefined();
    expect(of({ MCP_METRICS: 'off', MCP_METRICS_TOKEN: TOKEN }).http.metrics).toBeUndefined();
  });

  it('is who shows the token, or everybody where that is said', () => {
    expect(of({ MCP_METRICS_TOKEN: TOKEN }).http.metrics?.token?.reveal()).toBe(TOKEN);
    expect(of({ MCP_METRICS: 'token', MCP_METRICS_TOKEN: TOKEN }).http.metrics?.token?.reveal()).toBe(TOKEN);
    expect(of({ MCP_METRICS: 'open' }).http.metrics).toEqual({});
    expect(of({ MCP_METRICS: 'open' }).warnings.join()).not.toContain('MCP_METRICS');
    const wide = of({ MCP_METRICS: 'open', MCP_HOST: '0.0.0.0' }).warnings.join();
    expect(wide).toContain('MCP_METRICS is open: whoever reaches the port reads /metrics');
  });

  it.each([
    [{ MCP_METRICS: 'yes' }, 'MCP_METRICS must be off, token or open'],
    [{ MCP_METRICS: 'token' }, 'MCP_METRICS_TOKEN is missing; MCP_METRICS=token needs it'],
    [{ MCP_METRICS: 'open', MCP_METRICS_TOKEN: TOKEN }, 'MCP_METRICS is open, but MCP_METRICS_TOKEN is set'],
    [{ MCP_METRICS_TOKEN: CANARY }, 'MCP_METRICS_TOKEN is shorter than 32 bytes'],
    [{ MCP_METRICS_TOKEN: `${CANARY} ${CANARY}` }, 'MCP_METRICS_TOKEN holds what no Bearer token may'],
  ])('is refused where it can not be meant: %j', (env, problem) => {
    expect(problemsOf(env).join('\n')).toContain(problem);
  });
});

describe('traces', () => {
  it('are off without an endpoint, and where they are switched off', () => {
    expect(of({ OTEL_SERVICE_NAME: 'x', OTEL_TRACES_SAMPLER: 'always_on' }).tracing).toBeUndefined();
    const both = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'true' };
    expect(of(both).tracing).toBeUndefined();
  });

  it('go to the endpoint with its path added, or to the one for traces as it is', () => {
    const base = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/base/' };
    expect(of(base).tracing).toEqual({
      url: 'http://c:4318/base/v1/traces',
      serviceName: 'proxmox-mcp',
      sampler: { kind: 'parentbased_always_on', ratio: 1 },
    });
    const own = { ...base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/in' };
    expect(of(own).tracing?.url).toBe('https://traces.example.com/in');
  });

  it('take headers as secrets, which are in no text', () => {
    const config = of({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${CANARY}, x-org = 7`,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    });
    const { headers = {}, sampler } = config.tracing ?? {};
    const shown = Object.entries(headers).map(([name, value]) => [name, value.reveal()]);
    expect(shown).toEqual([
      ['authorization', `Bearer ${CANARY}`],
      ['x-org', '7'],
    ]);
    expect(JSON.stringify(config)).not.toContain(CANARY);
    expect(sampler).toEqual({ kind: 'parentbased_traceidratio', ratio: 0.25 });
  });

  it.each([
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${CANARY}@c:4318` },
      'OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL',
    ],
    [{ OTEL_EXPORTER_OTLP_HEADERS: CANARY }, 'OTEL_EXPORTER_OTLP_HEADERS must be a comma list'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: `x=${CANARY}%0d%0a` }, 'OTEL_EXPORTER_OTLP_HEADERS must be a comma list'],
    [{ OTEL_TRACES_SAMPLER: 'often' }, 'OTEL_TRACES_SAMPLER must be one of always_on'],
    [{ OTEL_TRACES_SAMPLER_ARG: '2' }, 'OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL must not be grpc'],
  ])('are refused where they can not be meant: %j', (env, problem) => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' };
    expect(problemsOf({ ...endpoint, ...env }).join('\n')).toContain(problem);
  });
});
