/** Codes of JSON-RPC, and the one of MCP for a resource that is not there. */
export const INVALID_PARAMS = -32602;
export const INTERNAL_ERROR = -32603;
/** Revision 2026-07-28 says -32602 in its place; its SDK rewrites the code as it leaves. */
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
