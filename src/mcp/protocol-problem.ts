/** Codes of JSON-RPC, and the one of MCP for a resource that is not there. */
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
/** Up to revision 2025-11-25; the later one says -32602, and the SDK for that rewrites the code as it leaves. */
export const RESOURCE_NOT_FOUND = -32002;

/** A request that is answered with a JSON-RPC error, without a type of either SDK. */
export class ProtocolProblem extends Error {
  override readonly name = 'ProtocolProblem';
  readonly code: number;
  readonly data: Record<string, unknown> | undefined;

  constructor(code: number, message: string, data?: Record<string, unknown>) {
    super(message);
    this.code = code;
    this.data = data;
  }
}
