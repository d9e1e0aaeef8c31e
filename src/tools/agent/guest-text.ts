import { isUtf8 } from 'node:buffer';

/** Characters of one stream that an answer shows; both streams and the rest fit what clients take. */
const MOST_CHARACTERS = 20_000;

/**
 * What a guest wrote, as bytes. PVE hands the agent's bytes on as one character each, so that UTF-8 arrives as
 * mojibake; text that could not be bytes is taken as it is.
 */
export function bytesOf(text: string): Buffer {
  const isBytes = !/[^\0-\u00ff]/.test(text);
  return Buffer.from(text, isBytes && isUtf8(Buffer.from(text, 'latin1')) ? 'latin1' : 'utf8');
}

interface Shown {
  text: string;
  /** Of the whole. */
  characters: number;
  isCut: boolean;
}

/** Output as an answer holds it: what is too long without its middle, as both ends tell most. */
export function shownOutput(raw: string): Shown {
  const text = bytesOf(raw).toString('utf8');
  const { length: characters } = text;
  if (characters <= MOST_CHARACTERS) return { text, characters, isCut: false };
  const half = MOST_CHARACTERS / 2;
  const gap = `\n[… ${characters - MOST_CHARACTERS} characters left out …]\n`;
  return { text: `${text.slice(0, half)}${gap}${text.slice(-half)}`.toWellFormed(), characters, isCut: true };
}

/** A part of a file: text where it is UTF-8, else Base64. */
interface Part {
  content: string;
  encoding: 'utf-8' | 'base64';
  /** Of the file that are shown; a character that is cut at the end is left for the next part. */
  bytes: number;
}

export function shownPart(bytes: Buffer, goesOn: boolean): Part {
  const longest = goesOn ? Math.min(3, bytes.length) : 0;
  for (let cut = 0; cut <= longest; cut += 1) {
    const whole = bytes.subarray(0, bytes.length - cut);
    // A zero byte is valid UTF-8, and no text.
    if (whole.length > 0 && isUtf8(whole) && !whole.includes(0)) {
      return { content: whole.toString('utf8'), encoding: 'utf-8', bytes: whole.length };
    }
  }
  if (bytes.length === 0) return { content: '', encoding: 'utf-8', bytes: 0 };
  return { content: bytes.toString('base64'), encoding: 'base64', bytes: bytes.length };
}
