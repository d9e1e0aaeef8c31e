import { z } from 'zod';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { compact, count, isoTime, noted } from '../results.ts';
import { readSnapshots } from './snapshots.ts';
import { type Placed, treeOf } from './tree.ts';

/** More than a person keeps; a tool that takes one every hour may leave more. */
const MOST_ROWS = 100;
const DESCRIPTION_LENGTH = 300;

const shownSnapshot = z.object({
  snapshot: z.string(),
  depth: z.int(),
  parent: z.string().optional(),
  is_current: z.boolean().optional().describe('The guest as it is now descends from it.'),
  taken_at: z.string().optional(),
  with_ram: z.boolean().optional(),
  description: z.string().optional(),
  unfinished: z.string().optional(),
});

export const listSnapshots = defineTool({
  name: 'list_snapshots',
  title: 'List snapshots',
  description: 'Lists the snapshots of a guest as a tree, parents before children.',
  toolset: 'snapshots',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/nodes/{node}/qemu/{vmid}/snapshot'],
    ['GET', '/nodes/{node}/lxc/{vmid}/snapshot'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject(guestParams),
  output: z.object({
    ...guestFields,
    snapshots: z.array(shownSnapshot),
    total: z.int(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const found = await readSnapshots(target);
    const tree = treeOf(found);
    const kept = newest(tree);
    return {
      ...target.fields(),
      snapshots: kept.map(shown),
      total: tree.length,
      ...noted(
        kept.length < tree.length
          ? `The newest ${kept.length} of ${tree.length} are shown; delete_snapshot removes what nobody needs.`
          : undefined,
        unfinishedNote(tree),
      ),
    };
  },
  summary(result) {
    const { snapshots, total, note } = result;
    if (total === 0) return `${guestLabel(result)} has no snapshots.`;
    const current = snapshots.find(({ is_current }) => is_current);
    const from = current && `; its present state descends from ${quoted(current.snapshot)}`;
    return `${guestLabel(result)} has ${count(total, 'snapshot')}${from ?? ''}.${note ? ` ${note}` : ''}`;
  },
});

/** The tree without its oldest snapshots, where it is too long. */
function newest(tree: readonly Placed[]): readonly Placed[] {
  if (tree.length <= MOST_ROWS) return tree;
  const age = ({ snapshot }: Placed) => snapshot.takenAt ?? 0;
  const kept = new Set([...tree].sort((a, b) => age(b) - age(a)).slice(0, MOST_ROWS));
  return tree.filter((placed) => kept.has(placed));
}

function shown({ snapshot, depth, isCurrent }: Placed): z.output<typeof shownSnapshot> {
  const { name, parent, takenAt, hasRam, description = '', unfinished } = snapshot;
  const isLong = description.length > DESCRIPTION_LENGTH;
  return {
    snapshot: name,
    depth,
    ...compact({
      parent,
      is_current: isCurrent || undefined,
      taken_at: takenAt === undefined ? undefined : isoTime(takenAt * 1000),
      with_ram: hasRam || undefined,
      description: isLong ? `${description.slice(0, DESCRIPTION_LENGTH).toWellFormed()}…` : description,
      unfinished,
    }),
  };
}

function unfinishedNote(tree: readonly Placed[]): string | undefined {
  const broken = tree.find(({ snapshot }) => snapshot.unfinished !== undefined)?.snapshot;
  if (broken === undefined) return undefined;
  const what = broken.unfinished === 'delete' ? 'Deleting' : 'Taking';
  return `${what} ${inQuotes(broken.name)} is under way or was broken off; where no task runs, delete_snapshot with force clears it up.`;
}
