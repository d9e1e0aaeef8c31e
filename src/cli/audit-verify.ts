import { type VerifyReport, verifyRecord } from '../audit/verify.ts';
import { count } from '../tools/results.ts';
import type { AuditVerifyOptions } from './audit.ts';
import { auditKeys, auditPath, unreadableRecord } from './audit-settings.ts';
import { shown } from './audit-text.ts';
import { EXIT, usageError } from './failure.ts';
import { print, printJson, styled } from './output.ts';

/** Checks the record; the exit code says whether it is as it was written. */
export async function runVerify({ file, keyFile, head, first, json }: AuditVerifyOptions): Promise<void> {
  const path = auditPath(file);
  const anchor = head === undefined ? undefined : readHead(head);
  const keys = auditKeys(keyFile);
  const report = await verifyRecord({ path, keys, anchor, firstSeq: first }).catch((error: unknown) => {
    throw unreadableRecord(error, path);
  });
  if (json) printJson(reportJson(report));
  else print(reportText(report).join('\n'));
  if (report.finding !== undefined) process.exitCode = EXIT.failed;
}

/**
 * Reads `seq:hash` or a hash, as `audit verify` prints the head of a record.
 *
 * @throws CliError for anything else
 */
function readHead(text: string): { seq?: number; hash: string } {
  const [, seq, hash] = /^(?:(\d{1,15}):)?((?:[0-9a-f]{8}:)?[0-9a-f]{64})$/.exec(text.trim()) ?? [];
  if (hash === undefined) {
    throw usageError(
      `--head ${JSON.stringify(text.slice(0, 100))} can't be used.`,
      'Give seq:hash, as `audit verify` prints the head of a record.',
    );
  }
  return seq === undefined ? { hash } : { seq: Number(seq), hash };
}

function reportJson(report: VerifyReport): object {
  const { finding, head, unfinished } = report;
  return {
    ok: finding === undefined,
    finding: finding ?? null,
    files: report.files,
    lines: report.lines,
    keyed_lines: report.keyedLines,
    calls: report.calls,
    head: { seq: head.seq, hash: head.hash, time: report.headTime },
    without_end: unfinished.total,
    calls_without_end: unfinished.calls,
    torn: report.torn,
    unfinished_bytes: report.unfinishedBytes,
    lost_lines: report.lostLines,
  };
}

function reportText(report: VerifyReport): string[] {
  const { finding, head } = report;
  const read = `${count(report.lines, 'line')} in ${count(report.files, 'file')}, ${count(report.calls, 'call')}`;
  if (finding !== undefined) {
    return [
      `${styled('red', finding.damage.toUpperCase())} ${shown(finding.file)}:${finding.line}`,
      `  ${shown(finding.message)}`,
      `  Up to there the record is as it was written: ${read}, last number ${head.seq}.`,
      ...notes(report),
    ];
  }
  return [
    `${styled('green', 'The record is as it was written')}: ${read}.`,
    ...notes(report),
    `Head: ${head.seq}:${head.hash}`,
  ];
}

function notes(report: VerifyReport): string[] {
  const { unfinished, torn, unfinishedBytes, lostLines, keyedLines, lines } = report;
  const named = unfinished.calls
    .slice(0, 10)
    .map(
      (call) =>
        `    ${call.time}  ${shown(call.subject)}  ${shown(call.cluster)}  ${shown(call.method)} ${shown(call.path)}`,
    );
  return [
    ...(unfinished.total === 0
      ? []
      : [
          `  ${count(unfinished.total, 'call')} without an end: in flight now, or when the service ended.`,
          ...named,
        ]),
    ...torn.map(
      ({ file, line, bytes }) =>
        `  An unfinished line of ${bytes} bytes was cut off before ${shown(file)}:${line}, when the service started again.`,
    ),
    ...(unfinishedBytes === 0
      ? []
      : [`  The last ${unfinishedBytes} bytes are no finished line: being written, or left by a crash.`]),
    ...(lostLines === 0 ? [] : [`  ${count(lostLines, 'line')} could not be written, as the record says.`]),
    ...(keyedLines === 0
      ? [
          '  It is not keyed: whoever may write the file could have made all of it anew. Compare the head with one kept elsewhere.',
        ]
      : keyedLines < lines
        ? [`  ${count(lines - keyedLines, 'line')} from before a key was set.`]
        : []),
  ];
}
