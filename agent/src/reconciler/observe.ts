// Observe: one look at the engine, as data for `plan`. One call lists all containers; only ours that changed since the last look are
// inspected; networks, volumes and images are asked for again only after an event about them or at a full look. Changes nothing.
import type { WorkloadId } from "@skerry/shared/model/ids.ts";
import type { PortInUse } from "@skerry/shared/model/node.ts";
import type { Clock, Millis } from "@skerry/shared/runtime/clock.ts";
import type { Observed, OwnContainer } from "../core/observed.ts";
import { isSameGivenName } from "../core/plan/target.ts";
import {
  type ContainerDetails,
  type ContainerSummary,
  type Engine,
  EngineError,
  type EngineEvent,
} from "../engine/engine.ts";
import { type ContainerLabelReading, type LabelKey, readContainerLabels, readObjectLabels } from "../engine/labels.ts";

/** Inspecting is cheap for the engine, but a thousand at once are not. */
const INSPECTS_AT_ONCE = 8;

export interface Look {
  readonly observed: Observed;
  /** Ours by their sealed labels, and not in the ledger: made just before a crash, or the ledger was lost. */
  readonly adopted: readonly { readonly id: string; readonly workload: WorkloadId }[];
}

export interface LookRequest {
  /** Image references of the wanted workloads. */
  readonly images: readonly string[];
  /** Recorded as ours, read again after the engine has answered. */
  readonly recorded: () => ReadonlyMap<string, WorkloadId>;
  /** Being removed by a lane in flight: not there any more is no surprise. */
  readonly beingRemoved: () => ReadonlySet<string>;
  /** A lane works on it: it is not inspected, since the engine would answer only when the lane's call is done. */
  readonly inWork: () => ReadonlySet<string>;
  /** Ask again for what is otherwise remembered from look to look. */
  readonly full: boolean;
}

interface Inspected {
  readonly summary: ContainerSummary;
  readonly details: ContainerDetails;
}

type Networks = Observed["networks"];
type Volumes = Observed["volumes"];

export class Observer {
  readonly #engine: Engine;
  readonly #labelKey: LabelKey;
  readonly #clock: Clock;
  readonly #inspected = new Map<string, Inspected>();
  readonly #readings = new Map<string, ContainerLabelReading>();
  readonly #since = new Map<string, { readonly run: string; readonly sinceMs: Millis }>();
  readonly #images = new Map<string, string | null>();
  #networks: Networks | null = null;
  #volumes: Volumes | null = null;
  #changed = new Set<string>();
  /** Counts events about networks, volumes and images: an answer that such an event overtook is not kept. */
  #surroundingsVersion = 0;

  constructor(engine: Engine, labelKey: LabelKey, clock: Clock) {
    this.#engine = engine;
    this.#labelKey = labelKey;
    this.#clock = clock;
  }

  /** Says whether the event is worth a look. */
  take(event: EngineEvent): boolean {
    switch (event.kind) {
      case "container":
        if (!changesContainer(event.action)) return false;
        this.#changed.add(event.id);
        return true;
      case "network":
        // Attaching and detaching shows in the list of containers.
        if (event.action === "create" || event.action === "destroy" || event.action === "remove")
          this.#forgetSurroundings();
        return true;
      case "volume":
        // Mounts and unmounts come with every start and end.
        if (event.action !== "create" && event.action !== "destroy") return false;
        this.#forgetSurroundings();
        return true;
      case "image":
        this.#surroundingsVersion += 1;
        this.#images.clear();
        return true;
      case "daemon":
        return false;
    }
  }

  /** After our own action on it. */
  forgetSurroundings(): void {
    this.#forgetSurroundings();
    this.#images.clear();
  }

  /** After a time without events: everything is asked for again. */
  forgetAll(): void {
    this.forgetSurroundings();
    this.#inspected.clear();
  }

  #forgetSurroundings(): void {
    this.#surroundingsVersion += 1;
    this.#networks = null;
    this.#volumes = null;
  }

  /** Rejects with EngineError when the engine cannot be looked at. */
  async look(request: LookRequest): Promise<Look> {
    const { full } = request;
    const before = request.recorded();
    const changed = this.#changed;
    this.#changed = new Set();
    try {
      const [summaries, networks, volumes, images] = await Promise.all([
        this.#engine.listContainers(),
        this.#currentNetworks(full),
        this.#currentVolumes(full),
        this.#currentImages(request.images, full),
      ]);
      const sorted = this.#sortOut(summaries, request.recorded());
      const own = await this.#inspectOwn(sorted.own, changed, request.inWork());
      this.#dropGone(summaries);
      return this.#assemble({ request, before, summaries, sorted, own, networks, volumes, images });
    } catch (error) {
      for (const id of changed) this.#changed.add(id);
      throw error;
    }
  }

  async #currentNetworks(full: boolean): Promise<Networks> {
    if (this.#networks !== null && !full) return this.#networks;
    const version = this.#surroundingsVersion;
    const networks = new Map<string, { id: string; ours: boolean }>();
    for (const { id, name, labels } of await this.#engine.listNetworks()) {
      const ours = readObjectLabels(this.#labelKey, "network", name, labels) === "ours";
      // Engines allow two networks of one name: ours is the one that counts.
      if (!networks.has(name) || ours) networks.set(name, { id, ours });
    }
    if (version === this.#surroundingsVersion) this.#networks = networks;
    return networks;
  }

  async #currentVolumes(full: boolean): Promise<Volumes> {
    if (this.#volumes !== null && !full) return this.#volumes;
    const version = this.#surroundingsVersion;
    const listed = await this.#engine.listVolumes();
    const volumes = new Map(
      listed.map(({ name, labels }) => [
        name,
        { ours: readObjectLabels(this.#labelKey, "volume", name, labels) === "ours" },
      ]),
    );
    if (version === this.#surroundingsVersion) this.#volumes = volumes;
    return volumes;
  }

  async #currentImages(references: readonly string[], full: boolean): Promise<ReadonlyMap<string, string | null>> {
    const version = this.#surroundingsVersion;
    const wanted = [...new Set(references)].sort();
    // An image that is there stays until an event says otherwise; one that is not may have come unseen.
    const unknown = wanted.filter((one) => !this.#images.has(one) || (full && this.#images.get(one) === null));
    const found = new Map<string, string | null>();
    await inBatches(unknown, async (reference) => {
      found.set(reference, (await this.#engine.inspectImage(reference))?.id ?? null);
    });
    const images = new Map<string, string | null>();
    for (const reference of wanted) images.set(reference, found.get(reference) ?? this.#images.get(reference) ?? null);
    if (version === this.#surroundingsVersion) {
      this.#images.clear();
      for (const [reference, id] of images) this.#images.set(reference, id);
    }
    return images;
  }

  /** Ours: sealed labels, and recorded in the ledger or still under the name that was sealed. */
  #sortOut(summaries: readonly ContainerSummary[], recorded: ReadonlyMap<string, WorkloadId>): SortedOut {
    const own: Claimed[] = [];
    const others: { readonly summary: ContainerSummary; readonly reason: "foreign" | "forged" }[] = [];
    for (const summary of [...summaries].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const reading = this.#reading(summary);
      if (reading.kind !== "ours") {
        others.push({ summary, reason: reading.kind });
        continue;
      }
      const known = recorded.has(summary.id);
      if (known || isSameGivenName(reading.own.name, summary.name)) own.push({ summary, labels: reading.own, known });
      else others.push({ summary, reason: "forged" });
    }
    return { own, others };
  }

  /** A container's labels never change. */
  #reading(summary: ContainerSummary): ContainerLabelReading {
    const held = this.#readings.get(summary.id);
    if (held !== undefined) return held;
    const reading = readContainerLabels(this.#labelKey, summary.labels);
    this.#readings.set(summary.id, reading);
    return reading;
  }

  async #inspectOwn(
    claimed: readonly Claimed[],
    changed: ReadonlySet<string>,
    inWork: ReadonlySet<string>,
  ): Promise<readonly OwnContainer[]> {
    const own: OwnContainer[] = [];
    await inBatches(claimed, async ({ summary, labels }) => {
      const details = inWork.has(summary.id)
        ? this.#detailsInWork(summary)
        : await this.#detailsOf(summary, changed.has(summary.id));
      if (details === null) return;
      own.push({
        workload: labels.workload,
        specHash: labels.specHash,
        revision: labels.revision,
        fencingToken: labels.fencingToken,
        // The details are the newer of the two answers: one container must not be seen in two states.
        summary: { ...summary, name: details.name, status: details.status, health: details.health },
        details,
        recordedLimits: labels.limits,
        sinceMs: this.#sinceOf(details),
      });
    });
    return own.sort((a, b) => (a.summary.id < b.summary.id ? -1 : 1));
  }

  /** null: gone meanwhile. */
  async #detailsOf(summary: ContainerSummary, changed: boolean): Promise<ContainerDetails | null> {
    const held = this.#inspected.get(summary.id);
    if (!changed && held !== undefined && sameSummary(held.summary, summary)) return held.details;
    try {
      const details = await this.#engine.inspectContainer(summary.id);
      const { status, health, name } = details;
      this.#inspected.set(summary.id, { summary: { ...summary, status, health, name }, details });
      return details;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "not-found") return null;
      throw error;
    }
  }

  /** What the list says, over what was known before. Planning leaves it alone; the next look after the lane inspects it. */
  #detailsInWork(summary: ContainerSummary): ContainerDetails {
    const { id, name, status, health } = summary;
    this.#changed.add(id);
    return { ...(this.#inspected.get(id)?.details ?? NEVER_INSPECTED), id, name, status, health };
  }

  #sinceOf({ id, status, startedAt, ranMs }: ContainerDetails): Millis {
    const run = `${status} ${startedAt}`;
    const held = this.#since.get(id);
    if (held !== undefined && held.run === run) return held.sinceMs;
    const age = status === "running" ? Math.max(0, ranMs ?? 0) : 0;
    const sinceMs = this.#clock.monotonicMs() - age;
    this.#since.set(id, { run, sinceMs });
    return sinceMs;
  }

  #dropGone(summaries: readonly ContainerSummary[]): void {
    const there = new Set(summaries.map(({ id }) => id));
    for (const held of [this.#inspected, this.#readings, this.#since]) {
      for (const id of held.keys()) if (!there.has(id)) held.delete(id);
    }
  }

  #assemble(parts: Parts): Look {
    const { request, before, summaries, sorted, own, networks, volumes, images } = parts;
    const there = new Set(summaries.map(({ id }) => id));
    const recorded = request.recorded();
    const beingRemoved = request.beingRemoved();
    const vanished = [...before]
      .filter(([id]) => recorded.has(id) && !there.has(id) && !beingRemoved.has(id))
      .map(([id, workload]) => ({ id, workload }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const adopted = sorted.own
      .filter(({ known, summary }) => !known && !recorded.has(summary.id))
      .map(({ summary, labels }) => ({ id: summary.id, workload: labels.workload }));
    const foreignNames = new Map(
      sorted.others.map(({ summary, reason }) => [summary.name, { id: summary.id, reason }] as const),
    );
    const managed = new Set(own.map(({ summary }) => summary.id));
    const ports = portsInUse(summaries, managed);
    return { observed: { own, foreignNames, vanished, ports, networks, volumes, images }, adopted };
  }
}

const NEVER_INSPECTED: Omit<ContainerDetails, "id" | "name" | "status" | "health"> = {
  exitCode: 0,
  oomKilled: false,
  error: "",
  ranMs: null,
  startedAt: "",
  pid: 0,
  healthOutput: "",
  addresses: [],
  aliases: {},
  limits: { memoryBytes: 0, nanoCpus: 0, cpuShares: 0, pidsLimit: null, restartPolicy: "no" },
};

interface Claimed {
  readonly summary: ContainerSummary;
  readonly labels: Extract<ContainerLabelReading, { kind: "ours" }>["own"];
  /** In the ledger. */
  readonly known: boolean;
}

interface SortedOut {
  readonly own: readonly Claimed[];
  readonly others: readonly { readonly summary: ContainerSummary; readonly reason: "foreign" | "forged" }[];
}

interface Parts {
  readonly request: LookRequest;
  readonly before: ReadonlyMap<string, WorkloadId>;
  readonly summaries: readonly ContainerSummary[];
  readonly sorted: SortedOut;
  readonly own: readonly OwnContainer[];
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly images: ReadonlyMap<string, string | null>;
}

/** Health checks run as execs and make three events each, every few seconds: they must not wake anything. */
const CONTAINER_CHANGES = new Set(["create", "start", "die", "pause", "unpause", "rename", "update", "destroy"]);

function changesContainer(action: string): boolean {
  return CONTAINER_CHANGES.has(action) || action.startsWith("health_status");
}

function sameSummary(a: ContainerSummary, b: ContainerSummary): boolean {
  // Its addresses and aliases change with its networks, also when it was taken off one and put on again between two looks.
  const attached = sameTexts(a.networks, b.networks) && sameTexts(a.endpoints, b.endpoints);
  return a.status === b.status && a.health === b.health && a.name === b.name && attached;
}

const sameTexts = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one, at) => one === b[at]);

function portsInUse(summaries: readonly ContainerSummary[], managed: ReadonlySet<string>): readonly PortInUse[] {
  return summaries
    .filter(({ status }) => status === "running" || status === "paused")
    .flatMap(({ id, name, publishedPorts }) =>
      publishedPorts.map(({ port, protocol, hostIp }) => ({
        port,
        protocol,
        hostIp,
        container: name,
        managed: managed.has(id),
      })),
    )
    .sort((a, b) => a.port - b.port || compareText(portText(a), portText(b)));
}

const portText = ({ protocol, hostIp, container }: PortInUse): string => `${protocol} ${hostIp} ${container}`;
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += INSPECTS_AT_ONCE) {
    await Promise.all(items.slice(start, start + INSPECTS_AT_ONCE).map(work));
  }
}
