// The HTTP side of the audit log. What was done is written with its change (see write.ts); here is where a request came from, and one entry
// for each request to change something that was refused, of which only so many are written one by one: nobody may fill the disk with them.
import type { Millis, Timer } from "@skerry/shared/runtime/clock.ts";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Origin } from "../control-loop.ts";
import type { AuditRecord } from "../store/audit-chain.ts";
import { actorOf, credentialOf } from "./auth.ts";
import type { HttpDeps } from "./deps.ts";
import type { ErrorCode } from "./errors.ts";
import { nodeNamed } from "./lookup.ts";
import { type Route, routes } from "./routes.ts";

/** Refused ones of one actor that get an entry of their own within a minute; a script that goes wrong shows in fewer. */
export const MAX_REFUSED_PER_MINUTE = 10;
/** And within a day: at the most that the log keeps, one who goes on without end needs half a year to push out what he wants forgotten. */
export const MAX_REFUSED_PER_DAY = 500;
const MINUTE_MS = 60_000;
/** With the day's entries used up, the others are counted by the hour. */
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Of what the caller says of himself. */
const MAX_AGENT_CHARACTERS = 80;
/** The longest name has 63. */
const MAX_TARGET_CHARACTERS = 80;

/** null: an address that does not exist, or none that could be read. */
function routeOf(request: FastifyRequest): Route | null {
  const name = request.routeOptions?.config.name;
  return name === undefined ? null : routes[name];
}

/** Every route that is no read. */
function isChange(request: FastifyRequest): boolean {
  const route = routeOf(request);
  return route !== null && route.method !== "GET";
}

/** Asks only what a change would bring about: a read. */
function isDryRun(request: FastifyRequest): boolean {
  const place = routeOf(request)?.dryRun;
  const part: unknown = place === undefined ? null : request[place];
  return (
    typeof part === "object" && part !== null && "dryRun" in part && (part.dryRun === true || part.dryRun === "true")
  );
}

/** A route that changes something past the audit log is a bug, and is not answered as if all were well. */
export function addAuditCheck(app: FastifyInstance): void {
  app.addHook("onSend", async (request, reply) => {
    if (reply.statusCode >= 400 || !isChange(request) || isDryRun(request) || request.isAudited) return;
    throw new Error(`bug: ${request.routeOptions.config.name} left no entry in the audit log`);
  });
}

export function originOf(deps: Pick<HttpDeps, "adminTokenHash">, request: FastifyRequest): Origin {
  return {
    credential: request.identity === null ? null : credentialOf(request.identity, deps.adminTokenHash),
    address: request.ip,
    agent: callersWords(request.headers["user-agent"], MAX_AGENT_CHARACTERS),
    what: request.routeOptions.config.name ?? null,
  };
}

/** Tokens of ours, and anything that is as long and random as a key. */
const SECRET = /sk[a-z]\d+\.\S*|[0-9a-f]{32,}/gi;

/** Cut, and without what might be a secret that was put in the wrong place. */
function callersWords(words: unknown, most: number): string | null {
  if (typeof words !== "string" || words === "") return null;
  return words.replace(SECRET, "(secret)").slice(0, most);
}

/** From the address, or from the body of what has no name yet: neither need be valid. */
function targetOf(deps: HttpDeps, request: FastifyRequest): Pick<AuditRecord, "target" | "targetId"> {
  const [kind, name] = named(request);
  const node = kind === "node" && typeof name === "string" ? nodeNamed(deps.loop.world, name) : null;
  // Who types his password where the name goes must not find it in the log.
  const isNobody = request.routeOptions.config.name === "logIn" && deps.store.user(String(name)) === null;
  const words = isNobody ? null : (node?.name ?? callersWords(name, MAX_TARGET_CHARACTERS));
  return { target: words === null ? null : `${kind}/${words}`, targetId: node?.id ?? null };
}

/** Kinds are those of what was done: see audited. */
function named({ params, body, routeOptions }: FastifyRequest): readonly [kind: string, name: unknown] {
  const { name: route } = routeOptions.config;
  const said = typeof body === "object" && body !== null && "name" in body ? body.name : null;
  if (route === "joinNode") return ["node", said];
  if (route === "createApiToken") return ["api-token", said];
  if (route === "addUser" || route === "logIn") return ["user", said];
  const [first] = Object.entries(typeof params === "object" && params !== null ? params : {});
  if (route === "removeApiToken") return ["api-token", first?.[1]];
  return first ?? ["", null];
}

/** Of what was refused nothing was looked at. */
const UNKNOWN_STATE = { before: null, after: null } as const;

function refusedRecord(deps: HttpDeps, request: FastifyRequest, actor: string | null, code: ErrorCode): AuditRecord {
  const about = { actor, ...originOf(deps, request), ...targetOf(deps, request) };
  return { ...about, ...UNKNOWN_STATE, outcome: "refused", code, count: 1 };
}

/** What one actor was refused lately. */
interface Tally {
  dayStartMs: Millis;
  writtenToday: number;
  /** Of the minute; or of the hour, when the day's entries are used up. */
  startMs: Millis;
  written: number;
  /** Refused without an entry of their own. */
  more: number;
  /** Where those came from; null: from several places. */
  address: string | null;
}

export class RefusedAudit {
  readonly #deps: HttpDeps;
  /** By actor; null: all who are not known together. Forgotten after a day, and no more than there are credentials. */
  readonly #tallies = new Map<string | null, Tally>();
  #timer: Timer | null = null;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  /** For each request that is answered with an error. */
  refused(request: FastifyRequest, code: ErrorCode): void {
    if (!isChange(request)) return;
    const actor = request.identity === null ? null : actorOf(request.identity);
    // One who may not ask at all is told of, whatever he asked.
    if (actor !== null && code !== "not-permitted" && isDryRun(request)) return;
    this.#writeDue();
    const tally = this.#tallyOf(actor);
    const mayWrite = tally.written < MAX_REFUSED_PER_MINUTE && tally.writtenToday < MAX_REFUSED_PER_DAY;
    if (mayWrite && this.#write(tally, refusedRecord(this.#deps, request, actor, code))) {
      tally.written += 1;
      return;
    }
    tally.address = tally.more === 0 || tally.address === request.ip ? request.ip : null;
    tally.more += 1;
    this.#lookAgain();
  }

  /** What was only counted is written now. */
  stop(): void {
    this.#timer?.cancel();
    for (const [actor, tally] of this.#tallies) this.#writeMore(actor, tally);
  }

  #tallyOf(actor: string | null): Tally {
    const now = this.#deps.clock.monotonicMs();
    const before = this.#tallies.get(actor);
    if (before !== undefined) return before;
    const tally = { dayStartMs: now, writtenToday: 0, startMs: now, written: 0, more: 0, address: null };
    this.#tallies.set(actor, tally);
    return tally;
  }

  #lookAgain(): void {
    this.#timer ??= this.#deps.clock.setTimer(MINUTE_MS, () => {
      this.#timer = null;
      this.#writeDue();
      if ([...this.#tallies.values()].some(({ more }) => more > 0)) this.#lookAgain();
    });
  }

  /** Ends the minutes, hours and days that are over. */
  #writeDue(): void {
    const now = this.#deps.clock.monotonicMs();
    for (const [actor, tally] of this.#tallies) {
      const lengthMs = tally.writtenToday < MAX_REFUSED_PER_DAY ? MINUTE_MS : HOUR_MS;
      if (now - tally.startMs < lengthMs || !this.#writeMore(actor, tally)) continue;
      tally.startMs = now;
      tally.written = 0;
      if (now - tally.dayStartMs >= DAY_MS) this.#tallies.delete(actor);
    }
  }

  /** false: it cannot be stored now, and is counted on. */
  #writeMore(actor: string | null, tally: Tally): boolean {
    if (tally.more === 0) return true;
    const { more: count, address } = tally;
    const nothing = { credential: null, agent: null, what: null, target: null, targetId: null, code: null };
    const isWritten = this.#write(tally, { actor, address, ...nothing, ...UNKNOWN_STATE, outcome: "refused", count });
    if (isWritten) tally.more = 0;
    return isWritten;
  }

  #write(tally: Tally, record: AuditRecord): boolean {
    const isWritten = this.#deps.loop.audit(record);
    if (isWritten) tally.writtenToday += 1;
    return isWritten;
  }
}
