const KIB = 1024;
export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;

const UNITS: Record<string, number> = { K: KIB, M: MIB, G: GIB, T: 1024 ** 4 };

/** @param size as in a drive's options: `32G`, `4608M`, `528K`, or plain bytes. @returns bytes; 0 for what is no size */
export function parseSize(size: string): number {
  const [, figure, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(size) ?? [];
  return figure === undefined ? 0 : Math.round(Number(figure) * (UNITS[unit] ?? 1));
}

/** @returns the size in the largest unit that says it exactly, as PVE stores it */
export function formatSize(bytes: number): string {
  const unit = ['T', 'G', 'M', 'K'].find((candidate) => bytes % (UNITS[candidate] ?? 1) === 0);
  // PVE itself stays with gibibytes.
  const used = unit === 'T' ? 'G' : unit;
  return used === undefined ? String(bytes) : `${bytes / (UNITS[used] ?? 1)}${used}`;
}
