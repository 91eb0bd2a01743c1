// Accept: whether an assignment that the hub offers may take the place of the held one. Pure. A refusal never changes what runs,
// and nothing is ever removed for merely missing: only a tombstone removes.

import type { Assignment, AssignmentDelta, Retired } from "@skerry/shared/model/assignment.ts";
import { comparePositions } from "@skerry/shared/model/assignment-hash.ts";
import type { InstallationId, NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";

export type Offered =
  | { readonly kind: "whole"; readonly assignment: Assignment }
  | { readonly kind: "delta"; readonly delta: AssignmentDelta };

export type Acceptance =
  /** Make it durable, then say `accepted` with its position and hash. `carried`: of its tombstones those that the hub did not send. */
  | { readonly kind: "accept"; readonly assignment: Assignment; readonly carried: readonly WorkloadId[] }
  /** Held already: say `accepted` again. */
  | { readonly kind: "already" }
  | { readonly kind: "need-whole" }
  | { readonly kind: "refuse"; readonly reason: RefusalReason; readonly message: string };

export type RefusalReason = "stale" | "fork" | "unexplained" | "foreign" | "unsigned" | "invalid";

/** What came of checking the signature. `no-key`: this node joined when hubs did not sign, so that it cannot tell. */
export type Signed = "by-hub" | "not-by-hub" | "no-key";

/**
 * Tombstones kept beyond those of recorded containers: one may stand that is not recorded yet (the ledger was lost, or the engine's
 * answer was). As many as a node may have workloads; about 12 KB.
 */
const MAX_CARRIED = 200;
/** Enough ids to find the fault, few enough to read. */
const MAX_NAMED = 5;

/** What is offered, as a whole: the shell hashes it (`assignmentHash`) for `accept`. null: a delta that does not fit the held one. */
export function wholeOf(held: Assignment | null, offered: Offered): Assignment | null {
  return offered.kind === "whole" ? offered.assignment : applyDelta(held, offered.delta);
}

/** null: it is not a step from the held position and content. */
export function applyDelta(held: Assignment | null, delta: AssignmentDelta): Assignment | null {
  if (held === null || held.hash !== delta.fromHash || comparePositions(held.position, delta.from) !== 0) return null;
  if (held.installation !== delta.installation || held.node !== delta.node) return null;
  const setApps = new Set(delta.setApps.map((app) => app.name));
  const goneApps = new Set(delta.unsetApps);
  const setWorkloads = new Set(delta.setWorkloads.map((workload) => workload.id));
  const goneWorkloads = new Set(delta.retired.map((retired) => retired.id));
  const apps = held.apps.filter((app) => !setApps.has(app.name) && !goneApps.has(app.name));
  const workloads = held.workloads.filter(({ id }) => !setWorkloads.has(id) && !goneWorkloads.has(id));
  return {
    installation: delta.installation,
    node: delta.node,
    position: delta.position,
    hash: delta.hash,
    apps: sortedBy([...apps, ...delta.setApps], (app) => app.name),
    workloads: sortedBy([...workloads, ...delta.setWorkloads], (workload) => workload.id),
    retired: sortedBy(delta.retired, (retired) => retired.id),
  };
}

/**
 * `computedHash`: `assignmentHash(wholeOf(held, offered))`; null when that was null. `signed`: of what the offer says of itself, its hash
 * among it.
 * `standing`: workloads of which the ledger records a container. Their tombstones, and the newest others, are carried over into the
 * accepted assignment's `retired` (the hub forgets them once accepted, perhaps before the engine let us act), so its content may hold
 * more tombstones than its hash covers: those are named by `carried`.
 */
export function accept(
  held: Assignment | null,
  offered: Offered,
  identity: { readonly installation: InstallationId; readonly node: NodeId },
  computedHash: string | null,
  standing: ReadonlySet<WorkloadId>,
  signed: Signed,
): Acceptance {
  const head = offered.kind === "whole" ? offered.assignment : offered.delta;
  if (head.installation !== identity.installation || head.node !== identity.node) {
    return refuse(
      "foreign",
      `it is for node ${head.node} of installation ${head.installation}, and this is ${identity.node} of ${identity.installation}`,
    );
  }
  if (signed !== "by-hub") return refuse("unsigned", UNSIGNED[signed]);
  const placed = held === null ? "newer" : placeOf(held, head);
  if (placed === "already") return { kind: "already" };
  if (held !== null && placed !== "newer") return refuse(placed, orderMessage(placed, held, head));
  const whole = wholeOf(held, offered);
  if (whole === null) return { kind: "need-whole" };
  if (computedHash !== whole.hash) {
    if (offered.kind === "delta") return { kind: "need-whole" };
    return refuse("invalid", `its content hashes to ${computedHash ?? "nothing"}, not to ${whole.hash}`);
  }
  const missing = held === null ? [] : unexplained(held, whole);
  if (missing.length > 0) return refuse("unexplained", unexplainedMessage(missing));
  const carried = carriedOver(held, whole, standing);
  const retired = sortedBy<Retired>([...whole.retired, ...carried], ({ id }) => id);
  return { kind: "accept", assignment: { ...whole, retired }, carried: carried.map(({ id }) => id) };
}

const UNSIGNED: Readonly<Record<Exclude<Signed, "by-hub">, string>> = {
  "not-by-hub":
    "it is not signed with the key of the hub that this node joined: somebody else made it, or the hub lost its signing key and has a new one. " +
    "Put the old key back on the hub, or join this node anew",
  "no-key":
    "this node joined before hubs signed what they send, so it cannot tell who made it: join it anew with a token",
};

function refuse(reason: RefusalReason, message: string): Acceptance {
  return { kind: "refuse", reason, message };
}

type Head = Pick<Assignment, "position" | "hash">;

function placeOf(held: Head, offered: Head): "newer" | "already" | "stale" | "fork" {
  const order = comparePositions(offered.position, held.position);
  if (order > 0) return "newer";
  if (order < 0) return "stale";
  return offered.hash === held.hash ? "already" : "fork";
}

function orderMessage(reason: "stale" | "fork", held: Head, offered: Head): string {
  const at = ({ position }: Head): string => `${position.epoch}.${position.generation}`;
  return reason === "stale"
    ? `position ${at(offered)} is older than ${at(held)}, which this node holds`
    : `position ${at(offered)} was given out before with other content`;
}

function unexplained(held: Assignment, whole: Assignment): readonly WorkloadId[] {
  const named = new Set<WorkloadId>([...whole.workloads, ...whole.retired].map(({ id }) => id));
  return held.workloads.map(({ id }) => id).filter((id) => !named.has(id));
}

function unexplainedMessage(missing: readonly WorkloadId[]): string {
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : "";
  const named = missing.slice(0, MAX_NAMED).join(", ");
  return `it leaves out ${named}${more} without retiring them; nothing is removed for being missing`;
}

function carriedOver(
  held: Assignment | null,
  whole: Assignment,
  standing: ReadonlySet<WorkloadId>,
): readonly Retired[] {
  const wanted = new Set(whole.workloads.map(({ id }) => id));
  const named = new Set(whole.retired.map(({ id }) => id));
  const open = (held?.retired ?? []).filter(({ id }) => !wanted.has(id) && !named.has(id));
  const newest = open.filter(({ id }) => !standing.has(id)).sort((a, b) => b.generation - a.generation);
  return [...open.filter(({ id }) => standing.has(id)), ...newest.slice(0, MAX_CARRIED)];
}

function sortedBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
