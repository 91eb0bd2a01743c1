// What the system says when a hub cannot be reached → one plain sentence with what to do. Shared by the link and by joining.
import type { LinkFailure } from "./failure.ts";

/** URL's own form of a host. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);

/**
 * Where agents connect. The hub's address may carry a path when a proxy puts it there. Always `ws:`: whether there is TLS was settled by
 * the socket, see hub-socket, and what speaks on it need not know.
 */
export function agentUrl(hubUrl: string): string {
  const url = new URL(hubUrl.replace(/^https:/i, "http:"));
  // Changing the scheme must not lose the port that was meant by it.
  if (/^https:/i.test(hubUrl) && new URL(hubUrl).port === "") url.port = "443";
  url.protocol = "ws:";
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/agent`;
  return url.href;
}

export function wrongServer(hubUrl: string, saw: string): LinkFailure {
  return {
    kind: "wrong-server",
    message: `what answers at ${hubUrl} is not a Skerry hub (${saw}): check the address; on a guest network a sign-in page may stand before it`,
  };
}

export function networkFailure(hubUrl: string, error: unknown): LinkFailure {
  const code = errorCode(error);
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NODATA":
    case "EAI_NONAME":
      return {
        kind: "no-such-host",
        message: `the name in ${hubUrl} does not resolve (${code}): check the address, or this machine's DNS`,
      };
    case "ECONNREFUSED":
      return { kind: "refused", message: `nothing listens at ${hubUrl}: is the hub running, and is the port right?` };
    case "ENETUNREACH":
    case "EHOSTUNREACH":
    case "ENETDOWN":
    case "EADDRNOTAVAIL":
      return { kind: "no-answer", message: `there is no way to ${hubUrl} (${code}): is this machine's network up?` };
    case "ETIMEDOUT":
      return { kind: "no-answer", message: `${hubUrl} does not answer (${code})` };
    default:
      return otherFailure(hubUrl, code, error instanceof Error ? error.message : String(error));
  }
}

function otherFailure(hubUrl: string, code: string, message: string): LinkFailure {
  if (/timed out|timeout/i.test(message)) return { kind: "no-answer", message: `${hubUrl} does not answer in time` };
  if (/^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)$/.test(code)) {
    return wrongServer(hubUrl, "it speaks no TLS 1.3");
  }
  // A server that speaks something else, TLS where none is expected or none where it is, and proxies that answer in HTTP.
  if (
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|BAD_RECORD_TYPE)/.test(code) ||
    code.startsWith("HPE_") ||
    /sec-websocket|invalid (upgrade|status)|wrong version number|packet length/i.test(message)
  ) {
    return wrongServer(hubUrl, message.slice(0, 200));
  }
  return { kind: "broken-off", message: `could not connect to ${hubUrl}: ${message.slice(0, 200)}` };
}

/** Trying several addresses of one name gives one error that holds the others. */
function errorCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCode(error.errors[0]);
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
