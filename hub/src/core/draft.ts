// Draft: the World as it will be while one decision is being worked out. Made by decide for one pass and thrown away;
// it never touches the World, and only says what would be different.
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, NodeId, ServiceName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import { serviceAt, sorted } from "./lookup.ts";
import { NO_USAGE, withoutWorkload, withWorkload } from "./usage.ts";
import type { Placement, Usage, World } from "./world.ts";

type ByService = Map<ServiceName, Map<WorkloadId, Placement>>;

export class Draft {
  readonly world: World;
  /** What differs from the World; null: removed. */
  readonly touched = new Map<WorkloadId, Placement | null>();
  /** Why, in words, for events and tombstones. */
  readonly reasons = new Map<WorkloadId, string>();
  readonly #usages = new Map<NodeId, Usage>();
  readonly #apps = new Map<AppName, ByService>();
  readonly #lifted = new Set<WorkloadId>();
  #freed = new Set<NodeId>();

  constructor(world: World) {
    this.world = world;
  }

  placement(id: WorkloadId): Placement | null {
    const touched = this.touched.get(id);
    return touched === undefined ? (this.world.placements.get(id) ?? null) : touched;
  }

  usage(node: NodeId): Usage {
    return this.#usages.get(node) ?? this.world.usage.get(node) ?? NO_USAGE;
  }

  /** The placements of one service, by workload. */
  copies(app: AppName, service: ServiceName): ReadonlyMap<WorkloadId, Placement> {
    return this.#byService(app).get(service) ?? new Map();
  }

  services(app: AppName): readonly ServiceName[] {
    return [...this.#byService(app).keys()];
  }

  /** What stands on a node, sorted. */
  standingOn(node: NodeId): readonly Placement[] {
    const before = [...(this.world.placementsByNode.get(node) ?? [])].filter((id) => !this.touched.has(id));
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
    return withoutWorkload(usage, workload, serviceAt(this.world, placement));
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

  #group({ app, service }: Placement): Map<WorkloadId, Placement> {
    const services = this.#byService(app);
    const group = services.get(service) ?? new Map<WorkloadId, Placement>();
    services.set(service, group);
    return group;
  }

  #byService(app: AppName): ByService {
    const known = this.#apps.get(app);
    if (known !== undefined) return known;
    const services: ByService = new Map();
    this.#apps.set(app, services);
    for (const id of this.world.placementsByApp.get(app) ?? []) {
      const placement = this.world.placements.get(id);
      assert(placement !== undefined, `index names placement ${id} that is not there`);
      if (!this.touched.has(id)) this.#group(placement).set(id, placement);
    }
    return services;
  }
}
