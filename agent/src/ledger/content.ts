// How changes turn one content of the ledger into the next. Pure, and the same for SQLite, for the simulator's disk and for a replay:
// a store writes what `applyChanges` says was touched, and never decides by itself.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import { assertNever } from "@skerry/shared/runtime/assert.ts";
import type { WorkloadMemory } from "../core/memory.ts";
import { type LedgerChange, type LedgerContent, MAX_OUTBOX_EVENTS, type StoredEvent } from "./ledger.ts";

/** Let go in one step when the outbox is full, so that a long time offline costs one mark a hundred events, not one each. */
const OUTBOX_DROP_STEP = 100;

export const emptyContent: LedgerContent = {
  identity: null,
  assignment: null,
  seal: null,
  memory: new Map(),
  containers: new Map(),
  outbox: [],
  nextSeq: 1,
  bootId: null,
  boots: null,
  lastHubContactWallMs: null,
};

/** What a store has to write. Rows of `outbox` are touched from `firstSeq` on: `removedThrough` goes, `put` comes. */
export interface Touched {
  readonly identity: boolean;
  readonly assignment: boolean;
  readonly boot: boolean;
  readonly boots: boolean;
  readonly hubContact: boolean;
  readonly memory: ReadonlySet<WorkloadId>;
  readonly containers: ReadonlySet<string>;
  /** Every stored event with a seq up to this one is gone, save those in `putEvents`. 0: none. */
  readonly removedThrough: number;
  readonly putEvents: readonly StoredEvent[];
}

interface Draft {
  content: LedgerContent;
  memory: Map<WorkloadId, WorkloadMemory> | null;
  containers: Map<string, WorkloadId> | null;
  readonly touchedMemory: Set<WorkloadId>;
  readonly touchedContainers: Set<string>;
  readonly newEvents: StoredEvent[];
  removedThrough: number;
  identity: boolean;
  assignment: boolean;
  boot: boolean;
  boots: boolean;
  hubContact: boolean;
}

export function applyChanges(
  before: LedgerContent,
  changes: readonly LedgerChange[],
): { readonly content: LedgerContent; readonly touched: Touched } {
  const draft: Draft = {
    content: before,
    memory: null,
    containers: null,
    touchedMemory: new Set(),
    touchedContainers: new Set(),
    newEvents: [],
    removedThrough: 0,
    identity: false,
    assignment: false,
    boot: false,
    boots: false,
    hubContact: false,
  };
  for (const change of changes) applyChange(draft, before, change);
  const { outbox, gap } = boundedOutbox(draft);
  const content: LedgerContent = {
    ...draft.content,
    memory: draft.memory ?? before.memory,
    containers: draft.containers ?? before.containers,
    outbox,
  };
  const kept = outbox[0]?.seq ?? content.nextSeq;
  const put = draft.newEvents.filter((event) => event.seq >= kept && event.seq !== gap?.seq);
  const touched: Touched = {
    identity: draft.identity,
    assignment: draft.assignment,
    boot: draft.boot,
    boots: draft.boots,
    hubContact: draft.hubContact,
    memory: draft.touchedMemory,
    containers: draft.touchedContainers,
    removedThrough: Math.max(draft.removedThrough, gap?.seq ?? 0),
    putEvents: gap === null ? put : [gap, ...put],
  };
  return { content, touched };
}

function applyChange(draft: Draft, before: LedgerContent, change: LedgerChange): void {
  switch (change.kind) {
    case "identity":
      draft.content = { ...draft.content, identity: change.identity };
      draft.identity = true;
      return;
    case "assignment":
      draft.content = { ...draft.content, assignment: change.assignment, seal: change.seal };
      draft.assignment = true;
      return;
    case "memory":
      draft.memory ??= new Map(before.memory);
      if (change.memory === null) draft.memory.delete(change.id);
      else draft.memory.set(change.id, change.memory);
      draft.touchedMemory.add(change.id);
      return;
    case "container":
      draft.containers ??= new Map(before.containers);
      if (change.id === null) draft.containers.delete(change.containerId);
      else draft.containers.set(change.containerId, change.id);
      draft.touchedContainers.add(change.containerId);
      return;
    case "event":
      addEvent(draft, change);
      return;
    case "events-acked":
      acknowledge(draft, change.seq);
      return;
    case "boot":
      draft.content = { ...draft.content, bootId: change.bootId };
      draft.boot = true;
      return;
    case "boots":
      draft.content = { ...draft.content, boots: change.record };
      draft.boots = true;
      return;
    case "hub-contact":
      draft.content = { ...draft.content, lastHubContactWallMs: change.wallMs };
      draft.hubContact = true;
      return;
    default:
      assertNever(change, "ledger change");
  }
}

function addEvent(draft: Draft, change: Extract<LedgerChange, { kind: "event" }>): void {
  const { nextSeq, bootId, outbox } = draft.content;
  const { atMs, wallMs, event } = change;
  const stored: StoredEvent = { seq: nextSeq, bootId: bootId ?? "", atMs, wallMs, event };
  draft.content = { ...draft.content, nextSeq: nextSeq + 1, outbox: [...outbox, stored] };
  draft.newEvents.push(stored);
}

/** A hub that holds more than this ledger ever gave out (an old copy of the disk): numbering goes on after what the hub holds. */
function acknowledge(draft: Draft, seq: number): void {
  const { outbox, nextSeq } = draft.content;
  if (seq + 1 <= nextSeq && (outbox[0]?.seq ?? nextSeq) > seq) return;
  const kept = outbox.filter((stored) => stored.seq > seq);
  draft.content = { ...draft.content, outbox: kept, nextSeq: Math.max(nextSeq, seq + 1) };
  draft.removedThrough = Math.max(draft.removedThrough, seq);
}

/** Over the limit: the oldest go, and one mark with the last one's seq says how many, counting those of an earlier mark. */
function boundedOutbox(draft: Draft): { outbox: readonly StoredEvent[]; gap: StoredEvent | null } {
  const { outbox } = draft.content;
  if (outbox.length <= MAX_OUTBOX_EVENTS) return { outbox, gap: null };
  const drop = outbox.length - MAX_OUTBOX_EVENTS + OUTBOX_DROP_STEP;
  const dropped = outbox.slice(0, drop);
  const last = dropped.at(-1);
  if (last === undefined) return { outbox, gap: null };
  const lost = dropped.reduce((sum, { event }) => sum + (event.kind === "gap" ? event.lost : 1), 0);
  const gap: StoredEvent = { ...last, event: { kind: "gap", lost } };
  return { outbox: [gap, ...outbox.slice(drop)], gap };
}
