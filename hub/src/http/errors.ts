// The catalogue of errors that the API answers with: one code, one status, one hint each. docs/api-errors.md is generated from it and a
// test compares the two. A message may name what the caller sent (bounded, as JSON); it must never hold a secret or a stack.
import type { ApiError, ApiProblem } from "./schemas/common.ts";

interface ErrorKind {
  readonly status: number;
  /** When it is answered, for the documentation. */
  readonly when: string;
  /** What the caller does next. */
  readonly hint: string;
}

export const errorKinds = {
  "invalid-json": {
    status: 400,
    when: "The body is not JSON, is empty, or has keys such as `__proto__`.",
    hint: "Send one JSON object.",
  },
  "invalid-request": {
    status: 400,
    when: "A parameter, query or body field is missing, unknown or out of its range; `problems` lists all of them.",
    hint: "Correct the fields named in `problems`; /v1/openapi.json describes each.",
  },
  "two-credentials": {
    status: 400,
    when: "A request came with an Authorization header and with the cookie of a session: which of the two it is meant by cannot be said.",
    hint: "Send one of them.",
  },
  "not-authenticated": {
    status: 401,
    when: "There is no bearer token, or it is not one of this hub.",
    hint: "Send `Authorization: Bearer TOKEN`; the admin token is in the file admin-token of the hub's data folder. With the CLI: skerry login.",
  },
  "token-expired": {
    status: 401,
    when: "An API token has passed its time.",
    hint: "Ask for a new one: who holds api-token:manage makes it with skerry api-token create.",
  },
  "session-ended": {
    status: 401,
    when: "A session is over: logged out, not used for a day, a week old, or ended with a new password or role.",
    hint: "Log in again; with the CLI: skerry login URL --user NAME.",
  },
  "login-refused": {
    status: 401,
    when: "Name, password or code is wrong, or the user is disabled; which of them is not said. A code counts once.",
    hint: "Try again. Who holds user:manage, as the admin does, gives a new password: skerry user passwd NAME.",
  },
  "second-factor-needed": {
    status: 401,
    when: "Name and password are right, and the user has a second factor.",
    hint: "Send also `code`: the six digits of the authenticator app, or a recovery code.",
  },
  "join-token-refused": {
    status: 401,
    when: "A join token is unknown, used up, expired or withdrawn.",
    hint: "Make a new one with: skerry token create.",
  },
  "key-revoked": {
    status: 403,
    when: "A machine wants to join with a key that was revoked.",
    hint: "If it is yours, remove its agent's data folder and join it anew with a token.",
  },
  "not-permitted": {
    status: 403,
    when: "The caller is known and may not do this: the message names the permission that is missing. A join token can only join.",
    hint: "skerry auth whoami says what you may do. Who holds api-token:manage, as the admin does, gives roles.",
  },
  "login-too-old": {
    status: 403,
    when: "A user's session wants to give power that lasts (tokens, roles, users, passwords), and its login is more than a quarter of an hour old.",
    hint: "Log in again; with the CLI: skerry login URL --user NAME.",
  },
  "cross-site-request": {
    status: 403,
    when: "A browser sent it for a page of another site, or with the cookie of a session and no sign that the page was the hub's own.",
    hint: "Use the hub's own pages. Programs send an API token in the Authorization header instead of a cookie.",
  },
  "not-private": {
    status: 403,
    when: "A password was about to cross a network in clear: it is taken over TLS, or from the hub's own machine at 127.0.0.1 or localhost.",
    hint: "Use https://, or log in on the hub's machine.",
  },
  "setup-refused": {
    status: 403,
    when: "The code of the set-up link is wrong, a day old, of an earlier start of the hub, or there is a user already.",
    hint: "Start the hub anew for a new link; or make a user with the admin token: skerry user add NAME --role admin.",
  },
  "route-not-found": {
    status: 404,
    when: "There is no such address, or not with this method.",
    hint: "See /v1/openapi.json for the addresses there are.",
  },
  "app-not-found": {
    status: 404,
    when: "There is no app of this name, or none that the caller may see.",
    hint: "List them with: skerry apps.",
  },
  "revision-not-found": {
    status: 404,
    when: "The app has no such revision.",
    hint: "GET /v1/apps/{app}/revisions lists them.",
  },
  "node-not-found": {
    status: 404,
    when: "There is no node of this id or name, or none that the caller may see.",
    hint: "List them with: skerry nodes.",
  },
  "token-not-found": {
    status: 404,
    when: "There is no join token of this id, or no API token of this id or name.",
    hint: "List them with: skerry token ls, or skerry api-token ls.",
  },
  "role-not-found": {
    status: 404,
    when: "There is no own role of this name.",
    hint: "List them with: skerry role ls.",
  },
  "policy-not-found": {
    status: 404,
    when: "There is no policy of this name.",
    hint: "List them with: skerry policy ls.",
  },
  "user-not-found": {
    status: 404,
    when: "There is no user of this name.",
    hint: "List them with: skerry user ls.",
  },
  "value-not-found": {
    status: 404,
    when: "There is no secret, config or registry credential of this name, or none that the caller may see.",
    hint: "List them with: skerry secret ls, skerry config ls, or skerry registry ls.",
  },
  "target-not-found": {
    status: 404,
    when: "`why` or the logs were asked of something that does not exist, or that the caller may not see.",
    hint: "Ask about APP, APP/SERVICE, APP/SERVICE/SLOT or a node's name; skerry apps and skerry nodes list them.",
  },
  "revision-conflict": {
    status: 409,
    when: "`ifRevision` is not the current revision: someone else was faster.",
    hint: "Read the app again, look at what changed, and apply with its current revision.",
  },
  "failed-before": {
    status: 409,
    when: "A service of the file is the very one that failed a rollout before: it is not tried again by itself.",
    hint: "Change the file; or, if the cause lay elsewhere and is gone, apply again with `retry`.",
  },
  "watch-expired": {
    status: 410,
    when: "`since` is older than what the hub keeps, or newer than what exists (a restored hub).",
    hint: "Read the state anew (GET /v1/apps, /v1/nodes, …) and watch from the `seq` of that answer.",
  },
  "body-too-large": {
    status: 413,
    when: "The body is larger than the route takes (2 MiB; 64 KiB for joining).",
    hint: "Send less; a Compose file with its env files must fit into 2 MiB.",
  },
  "unsupported-media-type": {
    status: 415,
    when: "The body is something else than application/json.",
    hint: "Send JSON with the header Content-Type: application/json.",
  },
  "invalid-compose": {
    status: 422,
    when: "The Compose file is wrong; `problems` lists everything with line and column.",
    hint: "Correct the file; skerry validate FILE checks it without a hub.",
  },
  "change-refused": {
    status: 422,
    when: "The change is well formed and the hub's state does not allow it.",
    hint: "The message says what is in the way.",
  },
  "policy-refused": {
    status: 422,
    when: "A container asks for more of its machine than the policies allow its app on any node.",
    hint: "The message names field and rule, the hint what would allow it. skerry policy check tells all that is refused.",
  },
  "no-session": {
    status: 422,
    when: "It is about a user's own login, password or second factor, and the caller came with a token.",
    hint: "Log in first: skerry login URL --user NAME. For other users: skerry user.",
  },
  "idempotency-mismatch": {
    status: 422,
    when: "The Idempotency-Key was used before with another request.",
    hint: "Use a new key for each new request, and the same key only to repeat the same one.",
  },
  "too-many-refusals": {
    status: 429,
    when: "Too many wrong tokens came from this address.",
    hint: "Wait for the time in Retry-After, then try with the right token.",
  },
  "too-many-logins": {
    status: 429,
    when: "A name, an address, or all together tried too many passwords or codes.",
    hint: "Wait for the time in Retry-After, then try again. From an address where you logged in before, only your own mistakes count.",
  },
  "too-many-changes": {
    status: 429,
    when: "An API token or a user made more changes than the audit log could keep for long. Requests that change nothing do not count.",
    hint: "Wait for the time in Retry-After, then try again. One request can change a whole app; what must be fast for long uses the admin token.",
  },
  "header-too-large": {
    status: 431,
    when: "The request's headers are larger than 16 KiB.",
    hint: "Send fewer or shorter headers.",
  },
  internal: {
    status: 500,
    when: "A bug in the hub. It is in the hub's log under the id in the message.",
    hint: "Try again; if it happens again, report it with the log lines of that id.",
  },
  stopping: {
    status: 503,
    when: "The hub is shutting down.",
    hint: "Try again in a few seconds; what runs on the nodes runs on.",
  },
  "secrets-locked": {
    status: 503,
    when: "The file with the keys of secrets, configs and registry credentials is lost, damaged or cannot be written; all else goes on.",
    hint: "Put the file secret-keys back into the hub's data folder and restart it; or set the secrets again.",
  },
  "read-only": {
    status: 503,
    when: "The hub's store failed (disk error or corruption); reads go on, changes are refused.",
    hint: "Look at the hub's log and disk, then restart it; what runs on the nodes runs on.",
  },
  overloaded: {
    status: 503,
    when: "Too many requests are waiting, or too many watchers are connected.",
    hint: "Try again in a few seconds.",
  },
  "storage-full": {
    status: 507,
    when: "There is no space left on the hub's disk for the change. Nothing was changed.",
    hint: "Free space on the hub's data folder and try again; reads and running apps are not affected.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

/** Thrown by handlers and hooks; the server's error handler turns it into the answer. Not a bug: never logged above `info`. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly code: ErrorCode;
  readonly path: string | null;
  readonly problems: readonly ApiProblem[];
  readonly retryAfterSeconds: number | null;
  /** More telling than the catalogue's, when the place knows more. */
  readonly hint: string;
  constructor(
    code: ErrorCode,
    message: string,
    more: {
      readonly path?: string;
      readonly problems?: readonly ApiProblem[];
      readonly hint?: string;
      readonly retryAfterSeconds?: number;
    } = {},
  ) {
    super(message);
    this.code = code;
    this.path = more.path ?? null;
    this.problems = more.problems ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds ?? null;
    this.hint = more.hint ?? errorKinds[code].hint;
  }
  get status(): number {
    return errorKinds[this.code].status;
  }
  body(): ApiError {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      path: this.path,
      problems: [...this.problems],
    };
  }
}

/** "no space left" → "No space left." : a sentence for a person. A command keeps its small letters. */
export function sentence(text: string): string {
  const first = text.startsWith("skerry ") ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Longest piece of a caller's own words that a message repeats. */
const MAX_QUOTED = 80;

/** A caller's words inside a message: as JSON, so that nothing in them is markup or a control character, and cut. */
export function quoted(text: string): string {
  const cut = text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
  return JSON.stringify(cut);
}

/** The page docs/api-errors.md. */
export function errorsPage(): string {
  const rows = Object.entries(errorKinds)
    .sort(([a, x], [b, y]) => x.status - y.status || (a < b ? -1 : 1))
    .map(([code, kind]) => `| \`${code}\` | ${kind.status} | ${kind.when} | ${kind.hint.replaceAll("|", "\\|")} |`);
  return [
    "# Errors of the HTTP API",
    "",
    "Every answer with a status of 400 or more is a JSON object: `code` (stable, from this table), `message` (what happened, to what),",
    "`hint` (what to do next), `path` (the field at fault, or null) and `problems` (all of them, each with `code`, `message`, `hint`,",
    "`path`, `line`, `column`). This page is generated from `hub/src/http/errors.ts`; a test compares the two.",
    "",
    "| code | status | when | what to do |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
