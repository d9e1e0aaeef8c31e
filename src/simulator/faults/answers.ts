import { type Answer, headOf, JSON_TYPE } from '../wire/answer.ts';
import type { AnswerFaults, Exchange, FaultOf } from './kinds.ts';

/** @returns what brings back what the strike took away, where removing the fault should */
type Undo = (() => void) | undefined;
type Strike<Kind extends keyof AnswerFaults> = (
  fault: FaultOf<Kind>,
  exchange: Exchange,
) => void | Promise<void> | Undo | Promise<Undo>;

const STORM = [
  { status: 500, reason: 'Internal Server Error' },
  { status: 502, reason: 'Bad Gateway' },
  { status: 503, reason: 'Service Unavailable' },
  { status: 504, reason: 'Gateway Timeout' },
];
const PROXY_ERRORS = { 595: 'Connection refused', 596: 'Connection timed out', 599: 'Too many redirections' };
const PAGE = '<!DOCTYPE html><html><body><h1>It works!</h1></body></html>';

/** What goes wrong with the answer to a call, by kind. */
export const STRIKES: { [Kind in keyof AnswerFaults]: Strike<Kind> } = {
  hang: () => undefined,
  html: ({ body = PAGE }, exchange) => {
    exchange.send({ status: 200, reason: 'OK', type: 'text/html; charset=utf-8', body });
  },
  'truncated-json': truncate,
  status: ({ code, reason, message }, exchange) => {
    const body = message === undefined ? '' : JSON.stringify({ data: null, message: `${message}\n` });
    const type = message === undefined ? {} : { type: JSON_TYPE };
    exchange.send({ status: code, reason: reason ?? message ?? 'simulated fault', ...type, body });
  },
  storm: (_fault, { send, struck }) => {
    send({ status: 500, reason: 'Internal Server Error', ...STORM[struck % STORM.length], body: '' });
  },
  'proxy-error': ({ code = 595 }, exchange) => {
    exchange.send({ status: code, reason: PROXY_ERRORS[code], body: '' });
  },
  redirect: ({ location, code = 302 }, exchange) => {
    const target = location ?? `https://other.invalid:8006${exchange.request.url ?? '/'}`;
    exchange.send({ status: code, reason: 'Found', headers: { Location: target }, body: '' });
  },
  close: (_fault, { socket }) => void socket.destroy(),
  slow: async ({ ms }, { timers, answer, send }) => {
    await timers.delay(ms);
    send(await answer());
  },
  'slow-headers': async ({ ms = 1000 }, exchange) => {
    const answer = await exchange.answer();
    await drip(exchange, headOf(answer), ms);
    exchange.socket.end(answer.body);
  },
  'slow-body': async ({ ms = 1000 }, exchange) => {
    const answer = await exchange.answer();
    exchange.socket.write(headOf(answer));
    await drip(exchange, answer.body, ms);
    exchange.socket.end();
  },
  'commit-then-close': async (_fault, { answer, socket }) => {
    await answer();
    socket.destroy();
  },
  'expired-ticket': async (_fault, { state, answer, send }) => {
    state.tickets.expireAll();
    send(await answer());
  },
  'revoked-token': revoke,
  'task-error': ({ message = 'simulated failure' }, exchange) => withOutcome(exchange, { error: message }),
  'task-warnings': ({ count = 1 }, exchange) => withOutcome(exchange, { warnings: count }),
  'task-log': ({ lines = 100_000 }, exchange) => withOutcome(exchange, { lines }),
};

async function truncate(
  { end = false }: FaultOf<'truncated-json'>,
  { answer, response, socket, send }: Exchange,
): Promise<void> {
  const whole = await answer();
  const half = whole.body.slice(0, Math.ceil(whole.body.length / 2));
  if (end) return send({ ...whole, body: half });
  response.writeHead(whole.status, {
    'Content-Type': whole.type ?? '',
    'Content-Length': Buffer.byteLength(whole.body),
  });
  // Only when the half is on the wire: a socket destroyed at once would take it along.
  response.write(half, () => socket.destroy());
}

async function drip({ socket, timers }: Exchange, content: string | Uint8Array, ms: number): Promise<void> {
  for (const byte of typeof content === 'string' ? Buffer.from(content) : content) {
    if (socket.destroyed) return;
    socket.write(Buffer.of(byte));
    await timers.delay(ms);
  }
}

async function revoke(
  { token }: FaultOf<'revoked-token'>,
  { state, request, answer, send }: Exchange,
): Promise<Undo> {
  const { tokens } = state.access;
  const named = token ?? /^PVEAPIToken[= ]([^=\s]+)=/.exec(request.headers.authorization ?? '')?.[1];
  const position = tokens.findIndex(({ user, name }) => `${user}!${name}` === named);
  const revoked = position < 0 ? [] : tokens.splice(position, 1);
  send(await answer());
  return () => void tokens.push(...revoked);
}

/** The call is executed before the first `await`, hence within `during`. */
async function withOutcome(
  { state, answer, send }: Exchange,
  outcome: { error?: string; warnings?: number; lines?: number },
): Promise<void> {
  const answered: Promise<Answer> = state.tasks.during(outcome, answer);
  send(await answered);
}
