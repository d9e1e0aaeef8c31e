import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  head: string;
  /** As it came, the framing of chunks included where the answer has chunks. */
  body: Buffer;
}

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/**
 * One HTTP/1.1 connection with one request at a time, and no more work than it needs: a generator that costs as much as
 * the server would measure itself.
 */
export class RawConnection {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #size = 0;
  /** Of the whole answer, once its head is there; 0 before. */
  #wanted = 0;
  #head = '';
  #headBytes = 0;
  #waiting: { resolve(answer: RawAnswer): void; reject(error: Error): void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const fail = (error?: Error): void =>
      this.#waiting?.reject(error ?? new Error('the server closed the connection'));
    socket.on('error', fail);
    socket.on('close', () => fail());
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  send(request: string): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      // What was closed while nobody waited tells nobody any more.
      if (this.isClosed) return reject(new Error('the server closed the connection while it was idle'));
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#wanted === 0 && !this.#readHead()) return;
    const isWhole = Number.isFinite(this.#wanted) ? this.#size >= this.#wanted : this.#endsChunked();
    if (!isWhole) return;
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const answer = {
      status: Number(this.#head.slice(9, 12)),
      head: this.#head,
      body: all.subarray(this.#headBytes),
    };
    this.#chunks = [];
    this.#size = 0;
    this.#wanted = 0;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  /** The text of our answers holds no line break, so nothing else ends like that; a read may end within it. */
  #endsChunked(): boolean {
    const last = this.#chunks.at(-1);
    const isEnough = last !== undefined && last.length >= LAST_CHUNK.length;
    const end = isEnough ? last : Buffer.concat(this.#chunks.slice(-LAST_CHUNK.length));
    return end.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK);
  }

  /** @returns whether the head is there; an answer in chunks is as long as it takes */
  #readHead(): boolean {
    const start = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    const end = start?.indexOf(HEAD_END) ?? -1;
    if (start === undefined || end < 0) return false;
    this.#head = start.toString('latin1', 0, end);
    this.#headBytes = end + HEAD_END.length;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#head)?.[1];
    const isEmpty = this.#head.startsWith('HTTP/1.1 204');
    this.#wanted =
      length === undefined
        ? isEmpty
          ? this.#headBytes
          : Number.POSITIVE_INFINITY
        : this.#headBytes + Number(length);
    return true;
  }
}

/** A stream that gives no more events. */
export class StreamEnded extends Error {
  /** Whether a service that has too much to do asked to come again. */
  readonly isBusy: boolean;

  /** @param refusal the status line behind the version, where no stream was opened */
  constructor(refusal: string) {
    super(`the server ended the stream${refusal === '' ? '' : ` with ${refusal}`}`);
    this.isBusy = refusal.startsWith('503');
  }
}

/** A stream of server-sent events. */
export class RawStream {
  readonly #socket: Socket;
  #text = '';
  #isOpen = false;
  /** What it was refused with. */
  #refusal = '';
  onEvent: (data: string) => void = () => undefined;
  onClose: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
    socket.on('close', () => this.onClose());
  }

  static async open(port: number, request: string): Promise<RawStream> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const stream = new RawStream(socket);
    socket.write(request);
    return stream;
  }

  /** The data of its next event. */
  next(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new StreamEnded(this.#refusal));
      this.onEvent = resolve;
      this.onClose = () => reject(new StreamEnded(this.#refusal));
    });
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.onClose = () => undefined;
    this.#socket.destroy();
  }

  #take(text: string): void {
    this.#text += text;
    if (!this.#isOpen) {
      const end = this.#text.indexOf(HEAD_END);
      if (end < 0) return;
      if (!this.#text.startsWith('HTTP/1.1 200')) {
        this.#refusal = this.#text.slice('HTTP/1.1 '.length, end).split('\r\n')[0] ?? '';
        return void this.#socket.destroy();
      }
      this.#text = this.#text.slice(end + HEAD_END.length);
      this.#isOpen = true;
    }
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      const event = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const at = event.indexOf('data: ');
      if (at >= 0) this.onEvent(event.slice(at + 6));
    }
  }
}
