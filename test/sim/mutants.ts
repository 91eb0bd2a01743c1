// Planted bugs: one for each checker, so that a checker that has gone blind is seen. Each is a thin wrapper around a port of the real
// code, or one wrong step beside it; without `bug` in the run's options none of this does anything.

import type { WorkloadMemory } from "@skerry/agent/core/memory.ts";
import { freshMemory } from "@skerry/agent/core/remember.ts";
import type { Engine } from "@skerry/agent/engine/engine.ts";
import { LABEL } from "@skerry/agent/engine/labels.ts";
import type { Ledger, LedgerChange, LedgerContent } from "@skerry/agent/ledger/ledger.ts";
import type { Ask } from "@skerry/agent/prober/prober.ts";
import type { ChangeTimes } from "@skerry/agent/times/times.ts";
import type { Command } from "@skerry/hub/core/command.ts";
import type { Store } from "@skerry/hub/store/store.ts";
import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { SpecHash, WorkloadId } from "@skerry/shared/model/ids.ts";
import type { Connection } from "@skerry/shared/protocol/connection.ts";
import { CLOSE } from "@skerry/shared/protocol/version.ts";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import type { Machine } from "./engine/machine.ts";

export type Bug =
  | "hub acknowledges without storing"
  | "hub hands out a position twice"
  | "node goes back to its first assignment"
  | "node accepts what was never given"
  | "old database opens a new epoch"
  | "agent stops everything at its start"
  | "agent forgets its assignment at a boot"
  | "agent believes that it started"
  | "agent is never at rest"
  | "agent lives by events alone"
  | "agent leaves copies behind"
  | "agent removes a stranger's container"
  | "agent removes volumes"
  | "hub's clock runs fast"
  | "hub moves what says keep"
  | "hub sends old assignments"
  | "hub drops events"
  | "agent shows the dead as running"
  | "agent lives by the wall clock"
  | "agent takes an unknown node for an order"
  | "agent starts whatever stands still"
  | "hub reads no budgets"
  | "hub reads no budgets in percent"
  | "hub reads no budgets by label"
  | "hub tries again what failed"
  | "agent forgets what failed"
  | "agent tries again what a lost ledger held"
  | "agent heeds no window"
  | "agent believes every probe"
  | "agent starts nothing a second time"
  | "hub lets a hold last for ever"
  | "hub forgets a drain's deadline"
  | "node hears of no stop";

type On = (bug: Bug) => boolean;
const DAY_MS = 86_400_000;

export function bugTimes(on: On, times: ChangeTimes): ChangeTimes {
  if (!on("agent heeds no window")) return times;
  const open = { kind: "open", closesAtMs: Number.MAX_SAFE_INTEGER } as const;
  return {
    ...times,
    windows: (desired) => new Map([...times.windows(desired)].map(([id]) => [id, { download: open, apply: open }])),
  };
}

export const bugAsk = (on: On, ask: Ask): Ask =>
  on("agent believes every probe") ? () => Promise.resolve({ ok: true, what: "HTTP 200", detail: "" }) : ask;

export function bugStore(on: On, store: Store): Store {
  return {
    ...store,
    load() {
      const loaded = store.load();
      if (on("old database opens a new epoch")) {
        const nodes = loaded.nodes.map((node) => ({ ...node, assigned: { ...node.assigned, epoch: loaded.epoch } }));
        return { ...loaded, nodes };
      }
      if (!on("hub hands out a position twice")) return loaded;
      const nodes = loaded.nodes.map((node) => ({
        ...node,
        assigned: { ...node.assigned, generation: Math.max(0, node.assigned.generation - 1) },
      }));
      return { ...loaded, nodes };
    },
    commit(commit) {
      const changes = commit.changes.flatMap((change) => {
        if (on("hub acknowledges without storing") && change.kind === "app-set" && change.app.revision > 1) return [];
        if (on("hub drops events") && change.kind === "node-events") {
          return [{ ...change, items: change.items.filter(({ seq }) => seq % 3 !== 0) }];
        }
        return [change];
      });
      return store.commit({ ...commit, changes });
    },
  };
}

/** null: every budget is read. */
function unreadBudgets(on: On): ((service: ServiceSpec) => boolean) | null {
  if (on("hub reads no budgets")) return () => true;
  if (on("hub reads no budgets in percent"))
    return ({ rollout }) => rollout.budget?.maxUnavailable.kind === "percent" && rollout.budget.per === null;
  if (on("hub reads no budgets by label")) return ({ rollout }) => (rollout.budget?.per ?? null) !== null;
  return null;
}

const rushed = (service: ServiceSpec): ServiceSpec => ({
  ...service,
  rollout: { ...service.rollout, budget: null, canary: null, batchBy: null },
  update: { ...service.update, parallelism: { kind: "count", count: 0 } },
});

export function bugCommand(on: On, command: Command): Command {
  if (command.kind === "set-availability" && command.drainForMs !== null && on("hub forgets a drain's deadline"))
    return { ...command, drainForMs: null };
  if (command.kind !== "apply-app") return command;
  if (on("hub lets a hold last for ever")) {
    const endless = (service: ServiceSpec): ServiceSpec => ({
      ...service,
      times: { ...service.times, hold: service.times.hold && { maxMs: DAY_MS } },
    });
    return { ...command, spec: { ...command.spec, services: command.spec.services.map(endless) } };
  }
  if (on("hub tries again what failed")) return { ...command, retry: true };
  const isUnread = unreadBudgets(on);
  if (isUnread !== null) {
    const services = command.spec.services.map((one) => (isUnread(one) ? rushed(one) : one));
    return { ...command, spec: { ...command.spec, services } };
  }
  if (!on("hub moves what says keep")) return command;
  const services = command.spec.services.map((service) =>
    service.disconnect.policy === "keep"
      ? { ...service, disconnect: { policy: "replace" as const, afterMs: 3_000 } }
      : service,
  );
  return { ...command, spec: { ...command.spec, services } };
}

/** The hub's end of a connection. */
export function bugHubConnection(on: On, connection: Connection): Connection {
  if (!on("hub sends old assignments")) return connection;
  let last: string | null = null;
  return {
    ...connection,
    send(text) {
      connection.send(text);
      if (!text.startsWith('{"type":"assign')) return;
      if (last !== null) connection.send(last);
      last = text;
    },
  };
}

export function bugLedger(on: On, ledger: Ledger, bootId: string): Ledger {
  let first: Assignment | null = null;
  let taken = 0;
  let forgotten = on("agent forgets its assignment at a boot") && ledger.content().bootId !== bootId;
  const bent = (change: LedgerChange): LedgerChange => {
    if (change.kind !== "assignment") return change;
    first ??= change.assignment;
    taken += 1;
    if (on("node hears of no stop")) {
      const workloads = change.assignment.workloads.map((one) => ({ ...one, intent: { ...one.intent, run: true } }));
      return { ...change, assignment: { ...change.assignment, workloads } };
    }
    if (on("node goes back to its first assignment") && taken > 2) return { ...change, assignment: first };
    if (!on("node accepts what was never given")) return change;
    // Sixty-four hex digits are a hash by its schema.
    return { ...change, assignment: { ...change.assignment, hash: "0".repeat(64) as SpecHash } };
  };
  return {
    content() {
      const content = ledger.content();
      return forgotten ? { ...content, assignment: null } : { ...content, memory: bentMemory(on, content) };
    },
    commit(changes) {
      if (changes.some(({ kind }) => kind === "assignment")) forgotten = false;
      ledger.commit(changes.map(bent));
    },
    close: () => ledger.close(),
  };
}

function bentMemory(on: On, { assignment, memory }: LedgerContent): LedgerContent["memory"] {
  if (on("agent forgets what failed")) {
    const bent = ([id, one]: readonly [WorkloadId, WorkloadMemory]) =>
      [id, one.gate?.verdict.kind === "failed" ? { ...one, gate: null } : one] as const;
    return new Map([...memory].map(bent));
  }
  if (!on("agent tries again what a lost ledger held")) return memory;
  const unknown = (assignment?.workloads ?? []).filter(({ id }) => !memory.has(id));
  return new Map([...memory, ...unknown.map(({ id, specHash }) => [id, freshMemory(specHash)] as const)]);
}

const isOwn = (labels: Readonly<Record<string, string>>): boolean => LABEL.mac in labels;

export function bugEngine(on: On, engine: Engine, machine: Machine): Engine {
  let looks = 0;
  const atLook = async (): Promise<void> => {
    looks += 1;
    const own = [...machine.containers.values()].filter(({ labels }) => isOwn(labels));
    if (on("agent stops everything at its start") && looks === 1) {
      for (const { id } of own) await engine.stopContainer(id, 0).catch(() => undefined);
    }
    if (on("agent removes a stranger's container") && looks === 3) {
      await engine.removeContainer("decoy", true).catch(() => undefined);
    }
    if (on("agent starts whatever stands still")) {
      for (const { id, status } of own) if (status === "exited") await engine.startContainer(id).catch(() => undefined);
    }
    const [one] = own;
    if (on("agent is never at rest") && one !== undefined) {
      await engine.renameContainer(one.id, one.name).catch(() => undefined);
    }
  };
  return {
    ...engine,
    async listContainers() {
      await atLook();
      const list = await engine.listContainers();
      if (!on("agent shows the dead as running")) return list;
      return list.map((one) => (one.status === "exited" ? { ...one, status: "running" as const } : one));
    },
    async inspectContainer(id) {
      const details = await engine.inspectContainer(id);
      const lie = on("agent shows the dead as running") && details.status === "exited";
      return lie ? { ...details, status: "running" as const, health: "none" as const } : details;
    },
    async createContainer(request) {
      const id = await engine.createContainer(request);
      if (on("agent leaves copies behind")) {
        await engine.createContainer({ ...request, name: `${request.name}-old` }).catch(() => undefined);
      }
      return id;
    },
    async startContainer(id) {
      const isSecond = (machine.find(id)?.startedAt ?? "0001").slice(0, 4) !== "0001";
      if (isSecond && on("agent starts nothing a second time")) return;
      if (!on("agent believes that it started")) await engine.startContainer(id);
    },
    async removeContainer(id, force) {
      const mounts = machine.find(id)?.request.spec.mounts ?? [];
      await engine.removeContainer(id, force);
      if (!on("agent removes volumes")) return;
      for (const mount of mounts) {
        if (mount.kind === "volume" && mount.source !== null) machine.removeVolume(mount.source);
      }
    },
  };
}

export function bugAgentClock(on: On, clock: Clock): Clock {
  return {
    monotonicMs: () => (on("agent lives by the wall clock") ? clock.wallMs() : clock.monotonicMs()),
    wallMs: () => clock.wallMs(),
    setTimer(delayMs, fire) {
      // The periodic look comes after at most 30 s; heartbeats and deadlines have other times.
      const periodic = delayMs > 20_000 && delayMs <= 30_000;
      return clock.setTimer(delayMs, on("agent lives by events alone") && periodic ? () => undefined : fire);
    },
  };
}

/** The agent's end of a connection. */
export function bugAgentConnection(on: On, connection: Connection, engine: Engine, machine: Machine): Connection {
  if (!on("agent takes an unknown node for an order")) return connection;
  return {
    ...connection,
    listen(handlers) {
      connection.listen({
        onFrame: handlers.onFrame,
        onClose(code, reason) {
          if (code === CLOSE.notAuthenticated) {
            for (const { id, labels } of [...machine.containers.values()]) {
              if (isOwn(labels)) engine.removeContainer(id, true).catch(() => undefined);
            }
          }
          handlers.onClose(code, reason);
        },
      });
    },
  };
}
