import { Agent, fetch } from 'undici';

/**
 * A `fetch` that trusts these certificates alone, and finds every name on this machine. To be closed, or its connections
 * outlive the test.
 *
 * @param ca PEM
 */
export function trustingFetch(ca: string[]): { fetch: typeof globalThis.fetch; close(): Promise<void> } {
  const dispatcher = new Agent({
    connect: {
      ca,
      lookup: (_host, { all }, found) =>
        all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4),
    },
  });
  const trusting = (url: unknown, init: object = {}) => fetch(url as string, { ...init, dispatcher });
  return { fetch: trusting as unknown as typeof globalThis.fetch, close: () => dispatcher.destroy() };
}
