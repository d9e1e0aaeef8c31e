import type { Logger } from 'pino';
import { type AuditLog, openAuditLog } from '../audit/audit-log.ts';
import type { AuditConfig } from '../config/config.ts';
import { CliError } from './failure.ts';

/**
 * Opens the audit file of a configuration.
 *
 * @returns undefined where none is configured
 * @throws CliError where it can't be used: a service that can't record must not start
 */
export async function openAudit(
  config: AuditConfig | undefined,
  logger: Logger,
): Promise<AuditLog | undefined> {
  if (config === undefined) return undefined;
  const { path, key, maxBytes } = config;
  try {
    return await openAuditLog({
      path,
      ...(key === undefined ? {} : { key: Buffer.from(key.reveal()) }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
      onProblem: (problem) => logger.error({ problem }, 'audit'),
    });
  } catch (error) {
    throw new CliError(
      `The audit file can't be used: ${error instanceof Error ? error.message : 'unknown'}`,
      {
        fix: 'Set AUDIT_FILE to a file in a folder that this user may write to, and AUDIT_KEY to the key it was begun with.',
        cause: error,
      },
    );
  }
}
