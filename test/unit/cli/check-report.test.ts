import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import type { ClusterReport } from '../../../src/cli/check-cluster.ts';
import { reportText } from '../../../src/cli/check-report.ts';

const CLUSTER: ClusterReport = {
  name: 'production',
  identity: 'mcp@pve!ai',
  endpoints: [
    {
      endpoint: 'pve1:8006',
      version: '9.2.11',
      latencyMs: 4,
      certificate: { fingerprint: 'AB', subject: 'pve1', expiresAt: Date.parse('2027-03-01T00:00:00Z') },
    },
    { endpoint: 'pve2:8006', problem: { message: 'pve2:8006 refused the connection.', fix: 'Start it.' } },
  ],
  privileges: { held: ['VM.Audit'], partial: [], missing: [], problems: [] },
  problems: [{ message: 'pve2:8006 refused the connection.', fix: 'Start it.' }],
  notes: ['the certificate expires in 5 days'],
};

function textOf(isTerminal: boolean): string {
  const report = { clusters: [CLUSTER], problems: [], notes: ['about the file'] };
  return stripVTControlCharacters(reportText(report, isTerminal));
}

it('draws a table on a terminal', () => {
  const text = textOf(true);
  expect(text).toMatch(/│ Cluster\s+│ Endpoint\s+│ State\s+│ Version\s+│ Latency │ Certificate\s+│/);
  expect(text).toMatch(/│ production │ pve1:8006 │ ok\s+│ PVE 9\.2\.11 │ 4 ms\s+│ until 2027-03-01 │/);
  expect(text).toMatch(/│ production │ pve2:8006 │ failed │ -\s+│ -\s+│ -\s+│/);
});

it('says what is to be fixed, and what is to be known', () => {
  const text = textOf(false);
  expect(text.split('\n')).toEqual([
    'production  pve1:8006  ok  PVE 9.2.11  4 ms  until 2027-03-01',
    'production  pve2:8006  failed  -  -  -',
    '',
    'production: mcp@pve!ai holds VM.Audit.',
    '',
    'Notes',
    '  about the file',
    '  production: the certificate expires in 5 days',
    '',
    'To fix',
    '  production: pve2:8006 refused the connection.',
    '    Start it.',
    '',
    '1 problem to fix.',
  ]);
});
