import { z } from 'zod';
import type { Inventory } from '../../clusters/inventory.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';

export const modeParam = z.enum(['snapshot', 'suspend', 'stop']);
export const compressParam = z.enum(['zstd', 'gzip', 'lzo', '0']);
export const bandwidthParam = z.int().min(0).optional().describe('KiB/s.');

const VARIABLES = ['cluster', 'guestname', 'node', 'vmid'];

/** Notes of the backups that are made, with variables that Proxmox fills in. */
export const notesParam = textParam(1000).refine(
  (text) => [...text.matchAll(/\{\{(.*?)\}\}/g)].every(([, name = '']) => VARIABLES.includes(name)),
  `knows the variables ${VARIABLES.map((name) => `{{${name}}}`).join(', ')}`,
);

/** A template has to be one line: PVE takes `\n` and `\\` for what they stand for (PVE::VZDump::Common). */
export function notesTemplate(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll(/\r?\n/g, '\\n');
}

/** What PVE has written as a template, as it reads. */
export function notesText(template: string): string {
  return template.replaceAll(/\\(\\|n)/g, (_whole, character: string) => (character === 'n' ? '\n' : '\\'));
}

/**
 * Refuses a storage that can't take the backups of a node, where Proxmox would say so only in the log of the task.
 *
 * @throws CallError INVALID_ARGUMENTS
 */
export function requireBackupStorage(
  cluster: string,
  { storages }: Inventory,
  storage: string,
  node: string,
): void {
  const here = storages.filter((row) => row.node === node);
  const row = here.find((candidate) => candidate.storage === storage);
  if (row?.content.includes('backup') && row.status === 'available') return;
  const why =
    row === undefined
      ? `is none of ${quoted(node)}`
      : row.content.includes('backup')
        ? `is ${quoted(row.status)} on ${quoted(node)}`
        : 'takes no backups';
  const fit = here.filter(({ content }) => content.includes('backup')).map((other) => other.storage);
  throw new CallError('INVALID_ARGUMENTS', `The storage ${inQuotes(storage)} of ${cluster} ${why}.`, {
    cluster,
    hint: `${quoted(node)} can back up to: ${someOf(fit.sort(), 30) || 'none'}. Nothing was sent.`,
  });
}
