import { setTimeout as sleep } from 'node:timers/promises';
import { parseLine } from './chain.ts';
import { archivesOf } from './files.ts';
import { LineReader, type OpenFile, openedIfThere } from './lines.ts';

const POLL_MS = 300;

/**
 * The last lines of a record, and those that come, over changes of file.
 *
 * @param last how many of the lines that are there already
 * @param follow ends it; without it the lines that are there are all
 * @param onCaughtUp called when the lines that were there have been given
 */
export async function* tailOfRecord(
  path: string,
  last: number,
  follow: AbortSignal | undefined,
  onCaughtUp?: () => void,
): AsyncGenerator<string> {
  let file = await newest(path);
  if (file === undefined) throw Object.assign(new Error('there is no audit record'), { code: 'ENOENT' });
  try {
    let reader = new LineReader(file.handle);
    let lastSeq = 0;
    const seen = (line: Buffer): string => {
      lastSeq = parseLine(line)?.seq ?? lastSeq;
      return line.toString('utf8');
    };
    yield* (await finalLines(reader, last)).map(seen);
    onCaughtUp?.();
    while (follow !== undefined && !follow.aborted) {
      // Asked before the rest is read: a file that is no longer current gets no line after that.
      const next = await behind(path, file, lastSeq);
      for (let lines = await reader.more(); lines !== undefined; lines = await reader.more()) {
        yield* lines.map(seen);
      }
      if (next === undefined) await sleep(POLL_MS, undefined, { signal: follow }).catch(() => undefined);
      else {
        await file.handle.close();
        file = next;
        reader = new LineReader(file.handle);
      }
    }
  } finally {
    await file.handle.close();
  }
}

async function finalLines(reader: LineReader, last: number): Promise<Buffer[]> {
  let kept: Buffer[] = [];
  for (let lines = await reader.more(); lines !== undefined; lines = await reader.more()) {
    kept = [...kept, ...lines];
    if (kept.length > last) kept = kept.slice(kept.length - last);
  }
  // Copied: a slice would keep all of the chunk that it was read with.
  return kept.map((line) => Buffer.from(line));
}

async function newest(path: string): Promise<OpenFile | undefined> {
  const current = await openedIfThere(path);
  if (current !== undefined) return current;
  const archive = (await archivesOf(path)).at(-1);
  return archive && (await openedIfThere(archive.path));
}

/** The file after this one, where there is one: the oldest full one with lines not seen yet, or the current one. */
async function behind(path: string, file: OpenFile, lastSeq: number): Promise<OpenFile | undefined> {
  // The current file is opened before the others are listed, as in `openRecord`.
  const current = await openedIfThere(path);
  if (current?.identity === file.identity) {
    await current.handle.close();
    return undefined;
  }
  for (const archive of await archivesOf(path)) {
    const other = archive.firstSeq > lastSeq ? await openedIfThere(archive.path) : undefined;
    if (other !== undefined && other.identity !== file.identity) {
      await current?.handle.close();
      return other;
    }
    await other?.handle.close();
  }
  return current;
}
