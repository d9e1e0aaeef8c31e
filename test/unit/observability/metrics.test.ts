import { describe, expect, it } from 'vitest';
import { createExposition } from '../../../src/observability/exposition.ts';
import { Metrics } from '../../../src/observability/metrics.ts';
import type { ServiceState } from '../../../src/observability/service-state.ts';

const STATE: ServiceState = {
  version: '1.2.3',
  clusters: () => [],
  sessions: () => ({}),
  streams: () => ({}),
  callsRunning: () => 2,
  jobsRunning: () => 0,
  plans: () => ({}),
  alerts: () => [],
};
const CALL = { tool: 'get_guest', cluster: 'west', door: 'sse', outcome: 'ok', seconds: 0.2, characters: 10 };

function linesOf(metrics: Metrics, state: ServiceState = STATE): Promise<string> {
  return createExposition(metrics, state).text();
}

describe('the counts of the process', () => {
  it('are one series for each set of labels, with the estimate of tokens rounded up', async () => {
    const metrics = new Metrics();
    metrics.toolCalled(CALL);
    metrics.toolCalled(CALL);
    metrics.toolCalled({ ...CALL, cluster: undefined, outcome: 'TIMEOUT' });
    const text = await linesOf(metrics);
    const of = (cluster: string, outcome: string) =>
      `proxmox_mcp_tool_calls_total{tool="get_guest",cluster="${cluster}",door="sse",outcome="${outcome}"}`;
    expect(text).toContain(`${of('west', 'ok')} 2\n`);
    expect(text).toContain(`${of('none', 'TIMEOUT')} 1\n`);
    expect(text).toContain('proxmox_mcp_answer_tokens_estimated_total{tool="get_guest"} 9\n');
  });

  it('put a duration into the bucket that it does not exceed, and into all above', async () => {
    const metrics = new Metrics();
    for (const seconds of [0.005, 0.0051, 400]) metrics.toolCalled({ ...CALL, seconds });
    const text = await linesOf(metrics);
    const bucket = (le: string) =>
      Number(
        new RegExp(`duration_seconds_bucket\\{tool="get_guest",cluster="west",le="${le}"\\} (\\d+)`).exec(
          text,
        )?.[1],
      );
    expect(['0\\.005', '0\\.01', '300', '\\+Inf'].map(bucket)).toEqual([1, 2, 2, 3]);
    expect(text).toContain(
      'proxmox_mcp_tool_call_duration_seconds_count{tool="get_guest",cluster="west"} 3\n',
    );
    expect(text).toMatch(/duration_seconds_sum\{tool="get_guest",cluster="west"\} 400\.0101/);
  });

  it('stay the same from one scrape to the next', async () => {
    const metrics = new Metrics();
    metrics.toolCalled(CALL);
    const { text } = createExposition(metrics, STATE);
    const calls = async () =>
      (await text()).split('\n').filter((line) => line.startsWith('proxmox_mcp_tool_call'));
    expect(await calls()).toEqual(await calls());
  });

  it('fold what comes after 5,000 series into one', async () => {
    const metrics = new Metrics();
    for (let index = 0; index < 6_000; index++) metrics.toolCalled({ ...CALL, cluster: `c${index}` });
    const series = (await linesOf(metrics))
      .split('\n')
      .filter((line) => line.startsWith('proxmox_mcp_tool_calls_total{'));
    expect(series).toHaveLength(5_001);
    expect(series.at(-1)).toMatch(/\{tool="other",cluster="other",door="other",outcome="other"\} 1000$/);
  });

  it('have no time for an upload', async () => {
    const metrics = new Metrics();
    metrics.upstreamAsked({ cluster: 'west', method: 'POST', status: '2xx' });
    const text = await linesOf(metrics);
    expect(text).toContain(
      'proxmox_mcp_upstream_requests_total{cluster="west",method="POST",status="2xx"} 1\n',
    );
    expect(text).not.toContain('upstream_request_duration_seconds_count');
  });

  it('a gauge that can not be read is missing, and the rest is there', async () => {
    const text = await linesOf(new Metrics(), {
      ...STATE,
      plans: () => {
        throw new Error('database is locked');
      },
    });
    expect(text).not.toMatch(/^proxmox_mcp_approval_plans\{/m);
    expect(text).not.toMatch(/^proxmox_mcp_audit_up/m);
    expect(text).toContain('proxmox_mcp_tool_calls_running 2\n');
    expect(text).toContain('proxmox_mcp_build_info{version="1.2.3"} 1\n');
  });
});
