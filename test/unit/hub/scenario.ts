// A small scenario builder for tests of the core: a World, a clock by hand, and nodes that say what they are told to.
// It moves the World exactly as the control loop does: handle, apply, decide, apply.

import { applyChange, emptyWorld } from "@skerry/hub/core/apply-change.ts";
import { buildAssignment } from "@skerry/hub/core/assign.ts";
import type { Change, HubEvent } from "@skerry/hub/core/change.ts";
import type { Command, CommandContext, CommandRefusal } from "@skerry/hub/core/command.ts";
import { DEFAULT_SETTINGS, decide, type Settings } from "@skerry/hub/core/decide.ts";
import { handle } from "@skerry/hub/core/handle.ts";
import { mayRenewLease } from "@skerry/hub/core/liveness.ts";
import { disconnected, greeted, received } from "@skerry/hub/core/received.ts";
import type { Placement, World } from "@skerry/hub/core/world.ts";
import type { AppSpec, Disconnect, ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import { specHashInput } from "@skerry/shared/model/assignment-hash.ts";
import type { Constraint } from "@skerry/shared/model/constraint.ts";
import { type ContainerSpec, defaultContainerSpec } from "@skerry/shared/model/container.ts";
import type {
  AppName,
  InstallationId,
  NodeId,
  NodeName,
  PublicKey,
  ServiceName,
  SpecHash,
  WorkloadId,
} from "@skerry/shared/model/ids.ts";
import type { NodeFacts, PortInUse } from "@skerry/shared/model/node.ts";
import { defaultServiceUpdate, plainStatus } from "@skerry/shared/model/plain.ts";
import type { WorkloadState, WorkloadStatus } from "@skerry/shared/model/report.ts";
import { assignmentHash } from "@skerry/shared/protocol/assignment-digest.ts";
import type { ToHub } from "@skerry/shared/protocol/to-hub.ts";
import { sha256Hex } from "@skerry/shared/runtime/hash.ts";

export const GIB = 1_073_741_824;

// Tests write names and ids that are valid by eye.
export const nodeId = (number: number): NodeId => `n${number.toString(16).padStart(16, "0")}` as NodeId;
export const appName = (name: string): AppName => name as AppName;
export const workload = (id: string): WorkloadId => id as WorkloadId;
const hash = (text: string): SpecHash => sha256Hex(text) as SpecHash;

export const facts: NodeFacts = {
  hostname: "pi",
  arch: "arm64",
  os: "linux",
  kernel: "6.6",
  model: null,
  cores: 4,
  memoryBytes: GIB,
  diskBytes: 32 * GIB,
  engineVersion: "28.0",
  engineApiVersion: "1.48",
  agentVersion: "0.1.0",
  metered: false,
};

export interface ServiceShape {
  readonly name?: string;
  readonly image?: string;
  readonly replicas?: number | "global";
  readonly constraints?: readonly string[];
  readonly spread?: readonly string[];
  readonly maxReplicasPerNode?: number;
  readonly memoryBytes?: number;
  readonly nanoCpus?: number;
  readonly ports?: readonly (
    | number
    | { readonly host: number; readonly ip?: string; readonly protocol?: "tcp" | "udp" }
  )[];
  readonly disconnect?: Disconnect;
  readonly stopGraceMs?: number;
  readonly priority?: number;
  readonly update?: Partial<ServiceSpec["update"]>;
  readonly rollout?: Partial<ServiceSpec["rollout"]>;
}

function constraint(text: string): Constraint {
  const [attribute = "", operator = "==", ...value] = text.split(" ");
  const key = attribute.replace("node.labels.", "");
  const kind = attribute.replace("node.", "");
  return {
    attribute: attribute.startsWith("node.labels.")
      ? { kind: "label", key }
      : { kind: kind === "hostname" || kind === "arch" ? kind : "id" },
    operator: operator === "!=" ? "!=" : "==",
    value: value.join(" "),
  };
}

export function service(shape: ServiceShape): ServiceSpec {
  const replicas = shape.replicas ?? 1;
  const container: ContainerSpec = {
    ...defaultContainerSpec,
    image: shape.image ?? "web:1",
    stopGraceMs: shape.stopGraceMs ?? null,
    ports: (shape.ports ?? []).map((port) => {
      const { host, ip = "", protocol = "tcp" as const } = typeof port === "number" ? { host: port } : port;
      return { hostPort: host, containerPort: 80, protocol, hostIp: ip };
    }),
  };
  return {
    name: (shape.name ?? "web") as ServiceName,
    specHash: hash(specHashInput(container, [], [])),
    container,
    mode: replicas === "global" ? { kind: "global" } : { kind: "replicated", replicas },
    constraints: (shape.constraints ?? []).map(constraint),
    spread: [...(shape.spread ?? [])],
    maxReplicasPerNode: shape.maxReplicasPerNode ?? null,
    reservedMemoryBytes: shape.memoryBytes ?? null,
    reservedNanoCpus: shape.nanoCpus ?? null,
    disconnect: shape.disconnect ?? { policy: "keep" },
    ...defaultServiceUpdate,
    priority: shape.priority ?? 0,
    update: { ...defaultServiceUpdate.update, ...shape.update },
    rollout: { ...defaultServiceUpdate.rollout, ...shape.rollout },
  };
}

export function appSpec(name: string, ...services: readonly ServiceShape[]): AppSpec {
  const specs = services.map(service).sort((a, b) => (a.name < b.name ? -1 : 1));
  return { name: appName(name), services: specs, networks: [], volumes: [] };
}

export interface NodeShape {
  readonly labels?: Readonly<Record<string, string>>;
  readonly facts?: Partial<NodeFacts> | null;
  readonly name?: string;
}

export class Scenario {
  world: World = emptyWorld("i0000000000000000" as InstallationId, 1, 0);
  now = 0;
  settings: Settings = DEFAULT_SETTINGS;
  /** Everything that was applied. */
  readonly log: Change[] = [];
  /** Called with the World and every batch before it is applied. */
  onChanges: (changes: readonly Change[]) => void = () => {};

  apply(changes: readonly Change[]): void {
    this.onChanges(changes);
    for (const change of changes) applyChange(this.world, change);
    this.log.push(...changes);
  }

  decide(): readonly Change[] {
    const changes = decide(this.world, this.now, this.settings);
    this.apply(changes);
    return changes;
  }

  context(command: Command): CommandContext {
    const next = this.world.nodes.size + this.removed + 1;
    const revised = command.kind === "apply-app" ? command.spec.name : command.kind === "scale" ? command.app : null;
    return {
      actor: "admin",
      wallMs: 1_000,
      lastRevision: revised === null ? 0 : (this.lastRevisions.get(revised) ?? 0),
      token: {
        id: "t",
        secretHash: hash("t"),
        usesLeft: 1e6,
        expiresAtMs: 1e12,
        labels: {},
        approval: this.approval,
        createdAtMs: 0,
        createdBy: "a",
      },
      keyHolder: null,
      revoked: null,
      nodeKey: command.kind === "revoke-node" ? (hash(command.node) as string as PublicKey) : null,
      freshNodeId: nodeId(next),
      people: null,
      values: [...this.world.registries.values()],
      undoTo: null,
      freshToken: { id: "t2", secretHash: hash("t2") },
    };
  }
  removed = 0;
  /** Whether the token that machines join with asks for it. */
  approval = false;
  readonly lastRevisions = new Map<AppName, number>();

  /** Carries a command out and decides; null, or why it was refused. */
  send(command: Command): CommandRefusal | null {
    const result = handle(this.world, command, this.context(command));
    if (!result.ok) return result.error;
    this.apply(result.value.changes);
    if (command.kind === "remove-node" || command.kind === "revoke-node") this.removed += 1;
    if (result.value.outcome.kind === "app-applied") {
      const { app, revision } = result.value.outcome;
      this.lastRevisions.set(app, revision);
    }
    this.decide();
    return null;
  }

  applyApp(name: string, ...services: readonly ServiceShape[]): CommandRefusal | null {
    return this.send({
      kind: "apply-app",
      retry: false,
      force: false,
      spec: appSpec(name, ...services),
      source: "",
      ifRevision: null,
    });
  }

  removeApp(name: string): CommandRefusal | null {
    return this.send({ kind: "remove-app", app: appName(name), ifRevision: null });
  }

  /** Joined and connected. */
  join(shape: NodeShape = {}): NodeId {
    const id = this.joinSilently(shape);
    this.connect(id);
    return id;
  }

  joinSilently(shape: NodeShape = {}): NodeId {
    const id = nodeId(this.world.nodes.size + this.removed + 1);
    this.send({
      kind: "join-node",
      publicKey: hash(id) as string as PublicKey,
      name: (shape.name ?? `pi-${this.world.nodes.size + this.removed + 1}`) as NodeName,
      labels: shape.labels ?? {},
      facts: shape.facts === null ? null : { ...facts, ...shape.facts },
      tokenId: "t",
    });
    return id;
  }

  /** What the node's ledger holds, as the node would say. */
  readonly ledgers = new Map<NodeId, Assignment>();

  assignment(id: NodeId): Assignment | null {
    const built = buildAssignment(this.world, id);
    return built === null ? null : { ...built, hash: assignmentHash(built) };
  }

  connect(id: NodeId): void {
    const held = this.ledgers.get(id);
    const current = this.assignment(id);
    const have = held === undefined ? null : { position: held.position, hash: held.hash };
    const same = held !== undefined && current?.position.generation === held.position.generation;
    const result = greeted(
      this.world,
      { node: id, have, mark: this.world.nodes.get(id)?.lineage.next ?? null, runId: "run" },
      same ? current.hash === held.hash : null,
      this.now,
      "f".repeat(32),
    );
    if (!result.ok) throw new Error(result.error);
    this.apply(result.value);
    this.decide();
  }

  disconnect(id: NodeId): void {
    this.apply(disconnected(this.world, id));
    this.decide();
  }

  frame(id: NodeId, frame: Exclude<ToHub, { type: "hello" | "need-values" | "pins-kept" }>): string | null {
    const result = received(this.world, id, frame, this.now);
    if (!result.ok) return result.error;
    this.apply(result.value);
    this.decide();
    return null;
  }

  /** When each node last got an answer to a beat, which it sent no later: its lease counts from there. */
  readonly acked = new Map<NodeId, number>();

  beat(...ids: readonly NodeId[]): void {
    for (const id of ids) {
      this.frame(id, { type: "beat", n: 1 });
      if (mayRenewLease(this.world, id)) this.acked.set(id, this.now);
    }
  }

  /** Takes its assignment over, durably. What it must stop may still be stopping. */
  accept(id: NodeId): Assignment | null {
    const assignment = this.assignment(id);
    if (assignment === null) return null;
    this.ledgers.set(id, assignment);
    this.frame(id, { type: "accepted", position: assignment.position, hash: assignment.hash });
    return assignment;
  }

  /** Takes its assignment over and reports every workload as `state`. */
  obey(id: NodeId, state: WorkloadState = { kind: "running", health: "none" }): void {
    const assignment = this.accept(id);
    if (assignment === null) return;
    this.report(
      id,
      assignment.workloads.map((one) => status(one.id, state, one.revision, one.specHash)),
    );
  }

  obeyAll(...ids: readonly NodeId[]): void {
    for (const id of ids.length > 0 ? ids : this.world.nodes.keys()) this.obey(id);
  }

  report(id: NodeId, workloads: readonly WorkloadStatus[], ports: readonly PortInUse[] | null = null): string | null {
    const observed = this.ledgers.get(id)?.position ?? { epoch: 1, generation: 0 };
    const report = {
      whole: true,
      observed,
      workloads: [...workloads],
      gone: [],
      facts: null,
      figures: null,
      conditions: null,
    };
    return this.frame(id, { type: "report", report: { ...report, ports: ports === null ? null : [...ports] } });
  }

  /** Lets time pass in steps of at most a second, `alive` beating all along, deciding whenever something is due. */
  pass(ms: number, ...alive: readonly NodeId[]): void {
    const until = this.now + ms;
    while (this.now < until) {
      this.now = Math.min(until, this.now + 1_000, Math.max(this.now + 1, this.world.dueMs ?? until));
      this.beat(...alive);
      this.decide();
    }
  }

  /** `app/service/slot` → the node's number, for the eye. */
  placed(): Readonly<Record<string, number>> {
    const rows = [...this.world.placements.values()].map(({ workload: id, node }) => [
      id,
      Number.parseInt(node.slice(1), 16),
    ]);
    return Object.fromEntries(rows.sort());
  }

  placement(id: string): Placement | undefined {
    return this.world.placements.get(workload(id));
  }

  events(): readonly HubEvent[] {
    return this.log.flatMap((change) => (change.kind === "hub-event" ? [change.event] : []));
  }
}

export function status(
  id: WorkloadId,
  state: WorkloadState = { kind: "running", health: "none" },
  revision = 1,
  specHash: SpecHash | null = null,
): WorkloadStatus {
  return { id, revision, specHash, state, forMs: 0, containerId: "c", imageId: "i", restarts: 0, ...plainStatus };
}
