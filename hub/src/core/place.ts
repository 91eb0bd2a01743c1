// Placing one slot while a decision is being worked out: candidates, filters, choice, fences. Pure over the World; writes the draft.
// It never takes a slot from a node that serves it, unless it is asked to and another node takes it.

import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { NodeId, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { ResolvedPolicy } from "@skerry/shared/policy/policy.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Draft } from "./draft.ts";
import { longerSilentRun, saidGone, silentRunMs, stoppedByMs } from "./liveness.ts";
import { serviceAt, sorted } from "./lookup.ts";
import { asksNothingNew, policyOn, policyRefusal } from "./policy/bound.ts";
import { chooseVictims, type Victims } from "./preempt.ts";
import {
  availabilityRefusal,
  compareRanks,
  constraintRefusal,
  countCopy,
  NANO_CPUS_PER_CORE,
  newSpread,
  type Ranked,
  roomRefusal,
  type Spread,
  type Tally,
  talliesOf,
} from "./schedule.ts";
import type { Want } from "./want.ts";
import { intentOf } from "./wishes.ts";
import type { Node, Placement, Refusal, Usage, World } from "./world.ts";
import { FIRST_STEP } from "./world.ts";

interface Candidate {
  readonly node: Node;
  readonly tallies: readonly Tally[];
}

/** What is worked out once per service and pass. */
interface Field {
  readonly spread: Spread;
  everywhere: { readonly candidates: readonly Candidate[]; readonly refusals: readonly Refusal[] } | null;
  /** Why a slot found nothing among these nodes; the next one fails for the same reasons. */
  readonly exhausted: Map<ReadonlySet<NodeId> | "all", readonly Refusal[]>;
}

export class Placer {
  readonly #world: World;
  readonly #draft: Draft;
  readonly #now: Millis;
  readonly #fields = new Map<string, Field>();
  /** Node checks made, for the test that cost follows the change. */
  examined = 0;

  constructor(world: World, draft: Draft, now: Millis) {
    this.#world = world;
    this.#draft = draft;
    this.#now = now;
  }

  /** null: it has a node now. Else why none of `among` takes it ("all": any node). */
  place(want: Want, among: ReadonlySet<NodeId> | "all"): readonly Refusal[] | null {
    if (want.service.mode.kind === "global") return this.#placeGlobal(want);
    const field = this.#field(want);
    const holders = this.#holders(want);
    if (holders.length > 1) return holders;
    const only = holders[0] === undefined ? among : new Set([holders[0].node]);
    const known = want.kind === "new" ? field.exhausted.get(only) : undefined;
    if (known !== undefined) return known;
    const { candidates, refusals } =
      only === "all" ? this.#everywhere(want, field) : this.#those(want, field, sorted(only));
    const chosen = this.#choose(want, field, candidates);
    if (chosen !== null) return this.#take(want, field, chosen);
    const all = [...refusals, ...this.#roomRefusals(want, field, candidates), ...holders];
    if (want.kind === "new") field.exhausted.set(only, all);
    return all;
  }

  /** Changes what stands there, room or no room: it needs nothing new. */
  keep(want: Want, standing: Placement): void {
    const node = this.#world.nodes.get(standing.node);
    assert(node !== undefined, `${want.workload} stands on ${standing.node}, which is not there`);
    this.#draft.put(this.#placementFor(want, node), want.service, null);
  }

  /** Changes what stands there, if there is room; else it stands as it was. `standing` was lifted before. */
  keepIfRoom(want: Want, standing: Placement): boolean {
    const node = this.#world.nodes.get(standing.node);
    assert(node !== undefined, `${want.workload} stands on ${standing.node}, which is not there`);
    if (this.#room(want, this.#field(want), node) === null) {
      this.#draft.put(this.#placementFor(want, node), want.service, null);
      return true;
    }
    this.putBack(standing);
    return false;
  }

  /** It stands as it was after all. */
  putBack(standing: Placement): void {
    const had = serviceAt(this.#world, standing);
    assert(had !== null, `${standing.workload} stands at a revision that is not known`);
    this.#draft.put(standing, had, null);
  }

  /** More is set aside on the node than it has. */
  isOverfull(id: NodeId): boolean {
    const facts = this.#world.nodes.get(id)?.facts ?? null;
    const { memoryBytes, nanoCpus } = this.#draft.usage(id);
    return facts !== null && (memoryBytes > facts.memoryBytes || nanoCpus > facts.cores * NANO_CPUS_PER_CORE);
  }

  /** A global slot is its node's own: it waits there even while the node is away. */
  #placeGlobal(want: Want): readonly Refusal[] | null {
    const node = this.#world.nodes.get(nodeOfSlot(want.slot));
    if (node === undefined) return [];
    const field = this.#field(want);
    const { candidates, refusals } = this.#those(want, field, [node.id]);
    const candidate = candidates[0];
    if (candidate === undefined) return refusals;
    const refused = this.#roomRefusals(want, field, candidates);
    return refused.length > 0 ? refused : this.#take(want, field, candidate);
  }

  #field({ app, service }: Want): Field {
    const key = `${app}/${service.name}`;
    const known = this.#fields.get(key);
    if (known !== undefined) return known;
    const field: Field = {
      spread: newSpread(service.spread),

      everywhere: null,
      exhausted: new Map(),
    };
    for (const placement of this.#draft.copies(app, service.name).values()) this.#count(field, placement.node, 1);
    this.#fields.set(key, field);
    return field;
  }

  #count(field: Field, id: NodeId, by: number): void {
    const node = this.#world.nodes.get(id);
    if (node !== undefined) countCopy(field.spread, node, by);
  }

  #everywhere(want: Want, field: Field): NonNullable<Field["everywhere"]> {
    field.everywhere ??= this.#those({ ...want, kind: "new", standing: null }, field, sorted(this.#world.nodes.keys()));
    const { candidates, refusals } = field.everywhere;
    const { standing } = want;
    if (standing === null) return field.everywhere;
    // Its own node is judged for itself: a standing copy needs no active, ready node; one that must leave may not stay.
    const own = this.#those(want, field, [standing.node]);
    return {
      candidates: [...candidates.filter(({ node }) => node.id !== standing.node), ...own.candidates],
      refusals: [...refusals.filter(({ node }) => node !== standing.node), ...own.refusals],
    };
  }

  /** What does not depend on room: constraints, policies, availability. */
  #those(want: Want, field: Field, ids: readonly NodeId[]): NonNullable<Field["everywhere"]> {
    const candidates: Candidate[] = [];
    const refusals: Refusal[] = [];
    for (const id of ids) {
      const node = this.#world.nodes.get(id);
      if (node === undefined) continue;
      this.examined += 1;
      const refusal = this.#fixedRefusal(want, node);
      if (refusal === null) candidates.push({ node, tallies: talliesOf(field.spread, node) });
      else refusals.push(refusal);
    }
    return { candidates, refusals };
  }

  #fixedRefusal(want: Want, node: Node): Refusal | null {
    const { kind, service, standing } = want;
    const fixed = constraintRefusal(service.constraints, node) ?? this.#policyRefusal(want, node);
    if (fixed !== null) return fixed;
    if (standing?.node === node.id) {
      if (kind === "drain") return { node: node.id, kind: "draining" };
      return kind === "move" ? { node: node.id, kind: "unreachable" } : null;
    }
    return availabilityRefusal(this.#world, node, service.mode.kind === "global");
  }

  /** A copy that asks for no more than it has where it stands is not judged anew: rotating a secret must not wait for a file to be changed. */
  #policyRefusal(want: Want, node: Node): Refusal | null {
    const refusal = policyRefusal(this.#world, want, node);
    const { standing } = want;
    if (refusal === null || standing?.node !== node.id) return refusal;
    return asksNothingNew(this.#world, standing, want) ? null : refusal;
  }

  #policyFor(want: Want, node: Node): ResolvedPolicy | null {
    const { standing } = want;
    const isKept = policyRefusal(this.#world, want, node) !== null && this.#policyRefusal(want, node) === null;
    return isKept && standing !== null ? standing.policy : policyOn(this.#world, want.app, node);
  }

  /** Whose leaving would make room for a slot that was just refused by all of `among`; null: nobody's. */
  victims(want: Want, among: ReadonlySet<NodeId> | "all"): Victims | null {
    if (this.#holders(want).length > 0) return null;
    // A fenced copy leaves before another starts: nobody is pushed out for a place that it cannot take yet.
    const { standing, kind, service } = want;
    if (service.disconnect.policy === "fence" && standing !== null && kind !== "move") return null;
    const field = this.#field(want);
    const own = want.service.mode.kind === "global" ? new Set([nodeOfSlot(want.slot)]) : among;
    const { candidates } = own === "all" ? this.#everywhere(want, field) : this.#those(want, field, sorted(own));
    const nodes = candidates.map(({ node }) => node);
    return chooseVictims(this.#world, this.#draft, want, nodes, (node, usage) => {
      return this.#roomAt(want, field, node, usage) === null;
    });
  }

  #room(want: Want, field: Field, node: Node): Refusal | null {
    return this.#roomAt(want, field, node, this.#draft.usageWithout(node.id, want.workload));
  }

  /** `usage`: the node's, without what the slot itself has there. */
  #roomAt(want: Want, field: Field, node: Node, usage: Usage): Refusal | null {
    this.examined += 1;
    const { standing } = want;
    const stays = standing?.node === node.id;
    const view = {
      node,
      usage,
      copies: (field.spread.nodes.get(node.id)?.copies ?? 0) - (stays ? 1 : 0),
    };
    const has = stays && standing !== null ? serviceAt(this.#world, standing) : null;
    return roomRefusal(this.#world, view, want.workload, want.service, has);
  }

  #roomRefusals(want: Want, field: Field, candidates: readonly Candidate[]): readonly Refusal[] {
    return candidates.map(({ node }) => this.#room(want, field, node)).filter((refusal) => refusal !== null);
  }

  /** Where it stands, if that node still takes it; else the best of the others. Candidates come in order of node id. */
  #choose(want: Want, field: Field, candidates: readonly Candidate[]): Candidate | null {
    const own = candidates.find(({ node }) => node.id === want.standing?.node);
    if (own !== undefined && this.#room(want, field, own.node) === null) return own;
    let best: (Candidate & Ranked) | null = null;
    for (const candidate of candidates) {
      // Comparing is cheap and mostly says no; only who would win is asked for room.
      const ranked = { ...candidate, usage: this.#draft.usage(candidate.node.id) };
      if (best !== null && compareRanks(ranked, best) >= 0) continue;
      if (this.#room(want, field, candidate.node) === null) best = ranked;
    }
    return best;
  }

  #take(want: Want, field: Field, { node }: Candidate): readonly Refusal[] | null {
    const { standing, service } = want;
    const stays = standing?.node === node.id;
    if (standing !== null && !stays) {
      this.#count(field, standing.node, -1);
      if (want.kind !== "move" && service.disconnect.policy === "fence") {
        // At most one copy: the old one must be gone before another starts. Its node is asked now, the slot is placed when it answers.
        this.#draft.remove(standing, want.reason);
        return [{ node: standing.node, kind: "fence-wait", untilMs: null }];
      }
    }
    if (!stays) this.#count(field, node.id, 1);
    this.#draft.put(this.#placementFor(want, node), service, stays ? null : want.reason);
    return null;
  }

  #placementFor(want: Want, node: Node): Placement {
    const { workload, app, service, slot, revision, standing } = want;
    const stays = standing?.node === node.id ? standing : null;
    return {
      workload,
      app,
      service: service.name,
      slot,
      node: node.id,
      revision,
      specHash: service.specHash,
      fencingToken: fencingToken(this.#world, workload, service, stays),
      sinceGeneration: node.assigned.generation + 1,
      silentRunMs: this.#silentRun(workload, service, node, stays),
      intent: intentOf(this.#world, { app, service: service.name, slot }, node),
      // Elsewhere there is nothing to go back to.
      step: stays === null ? { ...FIRST_STEP, attempt: want.step?.attempt ?? 0 } : (want.step ?? stays.step),
      policy: this.#policyFor(want, node),
    };
  }

  /** Until the node has accepted it, what it held before may be what it still runs. */
  #silentRun(workload: WorkloadId, service: ServiceSpec, node: Node, stays: Placement | null): number | null {
    const tombstone = this.#world.tombstonesByNode.get(node.id)?.find((other) => other.workload === workload);
    const before = stays ?? (tombstone !== undefined && !saidGone(this.#world, tombstone) ? tombstone : null);
    const wanted = silentRunMs(service);
    return before === null ? wanted : longerSilentRun(before.silentRunMs, wanted);
  }

  /** For a fenced slot: nodes where a copy may still stand. */
  #holders({ workload, service, kind }: Want): readonly Refusal[] {
    if (service.disconnect.policy !== "fence" || kind === "update" || kind === "drain") return [];
    const holders: Refusal[] = [];
    for (const id of sorted(this.#world.tombstoneNodes.get(workload) ?? [])) {
      const tombstone = this.#world.tombstonesByNode.get(id)?.find((other) => other.workload === workload);
      assert(tombstone !== undefined, `index names a tombstone of ${workload} on ${id} that is not there`);
      const untilMs = stoppedByMs(this.#world, tombstone);
      if (saidGone(this.#world, tombstone) || (untilMs !== null && untilMs <= this.#now)) continue;
      holders.push({ node: id, kind: "fence-wait", untilMs });
    }
    const removed = this.#world.placements.get(workload);
    if (removed !== undefined && this.#draft.placement(workload) === null) {
      const untilMs = stoppedByMs(this.#world, { ...removed, generation: 0, reason: "" });
      if (untilMs === null || untilMs > this.#now) holders.push({ node: removed.node, kind: "fence-wait", untilMs });
    }
    return holders;
  }
}

/** A global service's slot is the id of its node. */
export function nodeOfSlot(slot: Slot): NodeId {
  // By the slot's schema a global slot has the shape of a node id; one that has not finds no node.
  return slot as string as NodeId;
}

/** Larger at each new placement of a fenced slot; a copy that only changes its revision keeps its own. */
export function fencingToken(
  world: World,
  workload: WorkloadId,
  service: ServiceSpec,
  stays: Placement | null,
): number {
  if (service.disconnect.policy !== "fence") return 0;
  if (stays !== null && stays.fencingToken > 0) return stays.fencingToken;
  return (world.fencingTokens.get(workload) ?? 0) + 1;
}
