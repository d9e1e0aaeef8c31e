import { constants, crc32, deflateRawSync } from 'node:zlib';
import type { ToolListing } from '../tools/registry.ts';

/** An answer that is the same for everybody but for the id of its request, made once. */
class PreparedAnswer {
  readonly #start: Buffer;
  readonly #end: string;
  #packed: { start: Buffer; crc: number } | undefined;

  /** @param start what stands before the id @param end what stands behind it */
  constructor(start: string, end: string) {
    this.#start = Buffer.from(start);
    this.#end = end;
  }

  /** The whole answer. @param id as JSON */
  plain(id: string): Buffer[] {
    return [this.#start, Buffer.from(`${id}${this.#end}`)];
  }

  /**
   * The whole answer as gzip, a sixth of its size. The start was packed once, up to the border of a byte; the id follows
   * as it is, in a block of its own, so that nothing is packed anew and no length tells anything about the id.
   */
  gzip(id: string): Buffer[] {
    this.#packed ??= packed(this.#start);
    const { start, crc } = this.#packed;
    const end = Buffer.from(`${id}${this.#end}`);
    const block = Buffer.allocUnsafe(STORED_BYTES + end.length + TRAILER_BYTES);
    block[0] = LAST_AND_STORED;
    block.writeUInt16LE(end.length, 1);
    block.writeUInt16LE(~end.length & 0xffff, 3);
    end.copy(block, STORED_BYTES);
    block.writeUInt32LE(crc32(end, crc), STORED_BYTES + end.length);
    block.writeUInt32LE(this.#start.length + end.length, STORED_BYTES + end.length + 4);
    return [start, block];
  }
}

/** RFC 1951, section 3.2.4: the last block, stored; its length and that inverted. */
const LAST_AND_STORED = 0x01;
const STORED_BYTES = 5;
/** RFC 1952, section 2.3.1: checksum and length. */
const TRAILER_BYTES = 8;
/** Magic, deflate, no flags, no time, no hints, any system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

function packed(bytes: Buffer): { start: Buffer; crc: number } {
  const deflated = deflateRawSync(bytes, { level: 9, finishFlush: constants.Z_SYNC_FLUSH });
  return { start: Buffer.concat([HEADER, deflated]), crc: crc32(bytes) };
}

/** How a list of tools is written at each door; made where it is asked for first. */
class ListAnswers {
  readonly #tools: readonly ToolListing[];
  readonly #modernMembers: string;
  #event: PreparedAnswer | undefined;
  #modern: PreparedAnswer | undefined;

  constructor(tools: readonly ToolListing[], modernMembers: string) {
    this.#tools = tools;
    this.#modernMembers = modernMembers;
  }

  /** As an event of a session: of its POST, or of its stream. */
  get event(): PreparedAnswer {
    this.#event ??= new PreparedAnswer(
      `event: message\ndata: ${this.#result()}},"jsonrpc":"2.0","id":`,
      '}\n\n',
    );
    return this.#event;
  }

  /** As the result of revision 2026-07-28. */
  get modern(): PreparedAnswer {
    this.#modern ??= new PreparedAnswer(
      `${this.#result()},${this.#modernMembers},"jsonrpc":"2.0","id":`,
      '}',
    );
    return this.#modern;
  }

  #result(): string {
    return `{"result":{"tools":${JSON.stringify(this.#tools)}`;
  }
}

/** The answers to `tools/list`: a list is the same array for all who see the same, so each is written once. */
export class ListBytes {
  readonly #answers = new WeakMap<readonly ToolListing[], ListAnswers>();
  readonly #modernMembers: string;

  /** @param modernMembers what revision 2026-07-28 adds to the result, as the SDK writes it; of no use elsewhere */
  constructor(modernMembers: object = {}) {
    this.#modernMembers = JSON.stringify(modernMembers).slice(1);
  }

  of(tools: readonly ToolListing[]): ListAnswers {
    const known = this.#answers.get(tools);
    if (known !== undefined) return known;
    const answers = new ListAnswers(tools, this.#modernMembers);
    this.#answers.set(tools, answers);
    return answers;
  }
}

/** Whether a client takes gzip, and says so plainly. */
export function takesGzip(acceptEncoding: string | string[] | undefined): boolean {
  return acceptEncoding !== undefined && /(?:^|,)\s*gzip\s*(?:,|$)/i.test(String(acceptEncoding));
}
