import type { Json } from '../../catalogue/json.ts';
import { compact, textOf } from '../results.ts';

/** A package, and what each node would come to. */
export interface UpdateRow {
  package: string;
  from?: string;
  to?: string;
  title?: string;
  origin?: string;
  security?: true;
  restart?: 'node';
  nodes: string[];
}

/** Takes effect with the next boot alone. */
const KERNEL = /^(?:proxmox|pve)-kernel-|^linux-image-|-microcode$/;
const SECURITY = /security/i;

/**
 * Updates of many nodes by package and versions, those of Debian's security archive first, as far as Proxmox tells.
 */
export function mergedUpdates(nodes: readonly { node: string; answer: readonly Json[] }[]): UpdateRow[] {
  const merged = new Map<string, UpdateRow>();
  for (const { node, answer } of nodes) {
    for (const row of answer) {
      const shown = rowOf(row);
      const key = JSON.stringify([shown.package, shown.from, shown.to]);
      const known = merged.get(key);
      if (known === undefined) merged.set(key, { ...shown, nodes: [node] });
      else known.nodes.push(node);
    }
  }
  const rank = ({ security, restart }: UpdateRow) => (security ? 0 : restart ? 1 : 2);
  return [...merged.values()].sort((a, b) => rank(a) - rank(b) || (a.package < b.package ? -1 : 1));
}

function rowOf(row: Json): Omit<UpdateRow, 'nodes'> {
  const name = textOf(row.Package) ?? 'unknown';
  const isSecurity = [row.Origin, row.Label, row.Archive, row.Site].some((from) =>
    SECURITY.test(textOf(from) ?? ''),
  );
  return {
    package: name,
    ...compact({
      from: textOf(row.OldVersion),
      to: textOf(row.Version),
      title: textOf(row.Title),
      origin: textOf(row.Origin),
      security: isSecurity ? (true as const) : undefined,
      restart: KERNEL.test(name) ? ('node' as const) : undefined,
    }),
  };
}
