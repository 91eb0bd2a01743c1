// What is asked of requests that a browser may have sent for a page that is not ours: cookies go along by themselves, bearer tokens do not.
// The cookie cannot be read by scripts, is sent to this host alone and, over TLS, was set by it alone (__Host-).
import { isLoopback } from "@skerry/shared/runtime/loopback.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { HttpError, quoted } from "../errors.ts";
import { COOKIE_LIFE_SECONDS, isSessionToken } from "./sessions.ts";

/** With this prefix browsers take it only over TLS, from the host itself, for all of its paths. */
const SECURE_COOKIE = "__Host-skerry";
/** On the hub's own machine without TLS, where that prefix cannot be had. */
const LOCAL_COOKIE = "skerry";

const isTls = (request: FastifyRequest): boolean => request.protocol === "https";
const cookieName = (request: FastifyRequest): string => (isTls(request) ? SECURE_COOKIE : LOCAL_COOKIE);

/** What stands for `Authorization`. Throws `two-credentials`, `not-authenticated` or `cross-site-request`. */
export function authorizationOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  const token = cookieToken(request);
  if (token === null) return authorization;
  if (authorization !== undefined)
    throw new HttpError("two-credentials", "The request has an Authorization header and a session's cookie.");
  refuseForeign(request, "cookie");
  return `Bearer ${token}`;
}

/** null: there is none. Throws `not-authenticated` for one that is none of ours, or for two. */
function cookieToken(request: FastifyRequest): string | null {
  const values = cookieValues(request);
  if (values.length === 0) return null;
  const [value = ""] = values;
  if (values.length === 1 && isSessionToken(value)) return value;
  throw new HttpError("not-authenticated", "The session's cookie is not one that this hub has made.", {
    hint: "Log in again.",
  });
}

/** The session that a login takes the place of; null: none that could be one. */
export function replacedToken(request: FastifyRequest): string | null {
  const [value = ""] = cookieValues(request);
  return isSessionToken(value) ? value : null;
}

/** Ours has letters, digits and dots alone: nothing of it is quoted or escaped. */
function cookieValues(request: FastifyRequest): string[] {
  const name = cookieName(request);
  return (request.headers.cookie ?? "").split(";").flatMap((pair) => {
    const at = pair.indexOf("=");
    return at > 0 && pair.slice(0, at).trim() === name ? [pair.slice(at + 1).trim()] : [];
  });
}

export function giveCookie(request: FastifyRequest, reply: FastifyReply, token: string): void {
  setCookie(request, reply, token, COOKIE_LIFE_SECONDS);
}

export function takeCookie(request: FastifyRequest, reply: FastifyReply): void {
  setCookie(request, reply, "", 0);
}

function setCookie(request: FastifyRequest, reply: FastifyReply, value: string, seconds: number): void {
  const secure = isTls(request) ? " Secure;" : "";
  reply.header(
    "set-cookie",
    `${cookieName(request)}=${value}; Path=/; Max-Age=${seconds};${secure} HttpOnly; SameSite=Strict`,
  );
}

/**
 * Refuses what a page of another site sent. `by` "cookie": a browser it is, so a change must show that the page was ours, and be JSON, which a
 * page elsewhere cannot send without asking first. "body": a login or the set-up, which programs send too; only what says that it is foreign is.
 * Throws `cross-site-request`.
 */
export function refuseForeign(request: FastifyRequest, by: "cookie" | "body"): void {
  const { origin, "sec-fetch-site": site } = request.headers;
  const isChange = request.method !== "GET" && request.method !== "HEAD";
  if (origin !== undefined && origin !== `${request.protocol}://${request.host}`)
    throw foreign(`a page of ${quoted(origin)} sent it`);
  // "none": typed by the user, which is no way to change anything.
  const isOwn = site === "same-origin" || (site === "none" && !isChange);
  if (site !== undefined && !isOwn)
    throw foreign(`a page of another site sent it (Sec-Fetch-Site: ${quoted(String(site))})`);
  if (by === "body" || !isChange) return;
  if (origin === undefined && site === undefined)
    throw foreign("neither Origin nor Sec-Fetch-Site says which page sent it");
  if (hasBody(request) && !/^application\/json *(;|$)/i.test(request.headers["content-type"] ?? ""))
    throw foreign("its Content-Type is not application/json");
}

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

const foreign = (why: string): HttpError =>
  new HttpError("cross-site-request", `The request was refused: ${why}. Nothing was changed.`);

/**
 * A password travels over TLS, or within the machine: from a loopback address to a loopback name, for a proxy on the same machine comes from
 * there too. Throws `not-private`.
 */
export function refuseInClear(request: FastifyRequest): void {
  if (isTls(request) || (isLoopback(request.ip) && isLoopback(request.hostname))) return;
  throw new HttpError("not-private", "Passwords are not taken over a connection that others can read.");
}
