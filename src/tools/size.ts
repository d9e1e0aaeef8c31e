import { textParam } from './params.ts';

const UNITS = ['K', 'M', 'G', 'T', 'P'];

/**
 * Reads a size as people write it: `512M`, `8G`, `1.5 T`, `8GiB`. Units are binary, as everywhere in Proxmox VE. A
 * bare number is no size, because PVE itself means MiB with it in one place and GiB or bytes in others.
 *
 * @returns whole bytes; undefined for what is no size
 */
export function sizeOf(text: string): number | undefined {
  const [, figure, unit] = /^(\d{1,12}(?:\.\d{1,6})?) ?([KMGTP])(?:i?B)?$/i.exec(text.trim()) ?? [];
  if (figure === undefined || unit === undefined) return undefined;
  const exponent = UNITS.indexOf(unit.toUpperCase()) + 1;
  const bytes = Math.round(Number(figure) * 1024 ** exponent);
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size argument, as text with a unit; `sizeOf` reads it. */
export function sizeParam(description: string) {
  return textParam(20, 'needs a unit, such as 512M, 8G or 1T')
    .refine((text) => sizeOf(text) !== undefined, 'is no size with a unit, such as 512M, 8G or 1T')
    .optional()
    .describe(description);
}

/** @returns `8 GiB`, `1.5 TiB`, `-3 GiB`: one decimal where it says something */
export function inWords(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 'bytes';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = `${next}iB`;
  }
  const shown = Math.round(value * 10) / 10;
  return `${bytes < 0 ? '-' : ''}${shown} ${unit}`;
}
