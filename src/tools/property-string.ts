import { CallError } from '../proxmox/errors.ts';

/** What options of a property string are set to; undefined leaves one as it is. */
export type Options = Readonly<Record<string, string | number | boolean | undefined>>;

/** A property string taken apart: `local-lvm:vm-100-disk-0,size=32G` has a lead and one option. */
export interface Properties {
  lead: string | undefined;
  options: ReadonlyMap<string, string>;
}

/** Takes apart what Proxmox keeps. */
export function readProperties(text: string): Properties {
  const options = new Map<string, string>();
  let lead: string | undefined;
  for (const part of text.split(',')) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(part) ?? [];
    if (key !== undefined && value !== undefined) options.set(key, value);
    else if (part !== '') lead ??= part;
  }
  return { lead, options };
}

/**
 * Writes a property string, such as `local-lvm:32,iothread=1`. A value can't bring further options with it.
 *
 * @param present a property string whose other options stay
 * @throws CallError INVALID_ARGUMENTS for a value that is no single word
 */
export function propertyString(lead: string | undefined, options: Options, present = ''): string {
  const merged = new Map(readProperties(present).options);
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined) merged.set(key, checked(key, inText(value)));
  }
  const parts = [...merged].map(([key, value]) => `${key}=${value}`);
  return [...(lead === undefined ? [] : [checked('the first part', lead)]), ...parts].join(',');
}

function inText(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
}

/** Commas and equals signs would begin an option that nobody asked for. */
function checked(key: string, value: string): string {
  if (/^[^\s,=\p{C}]+$/u.test(value)) return value;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${key} is ${JSON.stringify(value)}: it must be one word, without a comma or an equals sign.`,
    { hint: 'Pass each option by its own name. Nothing was sent.' },
  );
}
