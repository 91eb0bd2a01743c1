// Draft: the World as it will be while one decision is being worked out. Made by decide for one pass and thrown away;
// it never touches the World, and only says what would be different.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, NodeId, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { copiesOf, serviceAt, sorted } from "./lookup.ts";
import { NO_USAGE, withoutWorkload, withWorkload } from "./usage.ts";
import type { Placement, Usage, World } from "./world.ts";

type Copies = Map<WorkloadId, Placement>;

export class Draft {
  #world: World;
  /** What differs from the World; null: removed. */
  readonly touched = new Map<WorkloadId, Placement | null>();
  /** Why, in words, for events and tombstones. */
  readonly reasons = new Map<WorkloadId, string>();
  readonly #usages = new Map<NodeId, Usage>();
  /** By app and service; of those that were asked for. */
  readonly #copies = new Map<AppName, Map<ServiceName, Copies>>();
  readonly #lifted = new Set<WorkloadId>();
  #freed = new Set<NodeId>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The same World, in which apps and rollouts have moved on. */
  goOnIn(world: World): void {
    this.#world = world;
  }

  placement(id: WorkloadId): Placement | null {
    const touched = this.touched.get(id);
    return touched === undefined ? (this.#world.placements.get(id) ?? null) : touched;
  }

  usage(node: NodeId): Usage {
    return this.#usages.get(node) ?? this.#world.usage.get(node) ?? NO_USAGE;
  }

  /** The placements of one service, by workload. */
  copies(app: AppName, service: ServiceName): ReadonlyMap<WorkloadId, Placement> {
    return this.#group({ app, service });
  }

  /** Those that have placements, and maybe some that lost the last one in this draft. */
  services(app: AppName): readonly ServiceName[] {
    const names = [...(this.#world.copies.get(app)?.keys() ?? []), ...(this.#copies.get(app)?.keys() ?? [])];
    return [...new Set(names)];
  }

  /** What stands on a node, sorted. */
  standingOn(node: NodeId): readonly Placement[] {
    const before = [...(this.#world.placementsByNode.get(node) ?? [])].filter((id) => !this.touched.has(id));
    const changed = [...this.touched].flatMap(([id, placement]) => (placement?.node === node ? [id] : []));
    return sorted([...before, ...changed]).flatMap((id) => this.placement(id) ?? []);
  }

  remove(placement: Placement, reason: string): void {
    this.#takeOff(placement);
    this.touched.set(placement.workload, null);
    this.reasons.set(placement.workload, reason);
    this.#freed.add(placement.node);
  }

  /** Places a slot, or moves it, or changes what stands there. */
  put(placement: Placement, service: ServiceSpec, reason: string | null): void {
    const before = this.placement(placement.workload);
    if (before !== null) {
      this.#takeOff(before);
      if (before.node !== placement.node) this.#freed.add(before.node);
    }
    this.#usages.set(placement.node, withWorkload(this.usage(placement.node), placement.workload, service));
    this.#group(placement).set(placement.workload, placement);
    this.touched.set(placement.workload, placement);
    if (reason !== null) this.reasons.set(placement.workload, reason);
  }

  /** Makes room by what this one takes, until it is put again: several that change at once do not stand in each other's way. */
  lift(placement: Placement): void {
    this.#usages.set(placement.node, this.usageWithout(placement.node, placement.workload));
    this.#lifted.add(placement.workload);
    this.#freed.add(placement.node);
  }

  /** A node's usage as it would be without one workload. */
  usageWithout(node: NodeId, workload: WorkloadId): Usage {
    const placement = this.placement(workload);
    const usage = this.usage(node);
    if (placement === null || placement.node !== node || this.#lifted.has(workload)) return usage;
    return withoutWorkload(usage, workload, serviceAt(this.#world, placement));
  }

  /** Nodes where something was taken off since the last call: others may fit there now. */
  takeFreed(): ReadonlySet<NodeId> {
    const freed = this.#freed;
    this.#freed = new Set();
    return freed;
  }

  #takeOff(placement: Placement): void {
    this.#usages.set(placement.node, this.usageWithout(placement.node, placement.workload));
    this.#group(placement).delete(placement.workload);
    this.#lifted.delete(placement.workload);
  }

  #group({ app, service }: Pick<Placement, "app" | "service">): Copies {
    const services = this.#copies.get(app) ?? new Map<ServiceName, Copies>();
    const known = services.get(service);
    if (known !== undefined) return known;
    const copies: Copies = new Map();
    this.#copies.set(app, services.set(service, copies));
    for (const placement of copiesOf(this.#world, app, service))
      if (!this.touched.has(placement.workload)) copies.set(placement.workload, placement);
    return copies;
  }
}
