// A Scenario whose nodes judge what they are given, as agents do: for tests of rollouts of one app, `a`.

import { plainStatus } from "@skerry/shared/model/plain.ts";
import type { Gate, WorkloadStatus } from "@skerry/shared/model/report.ts";
import type { Change } from "../../../hub/src/core/change.ts";
import type { Command, CommandContext } from "../../../hub/src/core/command.ts";
import { placedOf } from "../../../hub/src/core/lookup.ts";
import type { App, AppRevision, Placement, World } from "../../../hub/src/core/world.ts";
import { appName, nodeId, Scenario, status } from "./scenario.ts";

export const APP = appName("a");
const RUNNING = { kind: "running", health: "none" } as const;
const SICK = { kind: "running", health: "unhealthy" } as const;

/** A scenario that keeps every revision, as the store does, and nodes that judge what they are given. */
export class RolloutFleet extends Scenario {
  readonly #specs = new Map<number, AppRevision>();
  readonly checks: ((world: World, changes: readonly Change[]) => void)[] = [];
  /** Images that never get good, by node number; 0: on all. */
  readonly bad = new Map<string, ReadonlySet<number>>();

  constructor() {
    super();
    this.onChanges = (changes) => {
      for (const change of changes)
        if (change.kind === "app-set") {
          const { revision, spec } = change.app;
          this.#specs.set(revision, { revision, spec });
          this.lastRevisions.set(change.app.name, revision);
        }
      for (const check of this.checks) check(this.world, changes);
    };
  }

  override context(command: Command): CommandContext {
    const undoTo = command.kind === "undo-rollout" ? this.#undoTo(command.to) : null;
    return { ...super.context(command), undoTo };
  }

  #undoTo(to: number | null): AppRevision | null {
    const app = this.world.apps.get(APP);
    if (app === undefined) return null;
    const usual = app.lastGood === null || app.lastGood === app.revision ? app.revision - 1 : app.lastGood;
    return this.#specs.get(to ?? usual) ?? null;
  }

  /** The node takes its assignment over and says how it is: its gates are still open, or judged; or what was good is sick. */
  judge(number: number, how: "open" | "settled" | "sick"): void {
    const id = nodeId(number);
    this.connect(id);
    const assignment = this.accept(id);
    if (assignment === null) return;
    this.report(
      id,
      assignment.workloads.map((one): WorkloadStatus => {
        const { previous, attempt, onFailure } = one.changeOver;
        const gateFor = { specHash: one.specHash, attempt };
        const said = (gate: Gate, revision: number, hash: typeof one.specHash): WorkloadStatus => ({
          ...status(one.id, RUNNING, revision, hash),
          ...plainStatus,
          gate,
          gateFor,
        });
        if (!one.intent.run) return status(one.id, { kind: "stopped" }, one.revision, one.specHash);
        const where = this.bad.get(one.spec.image);
        const isBad = where !== undefined && (where.has(0) || where.has(number));
        const open: Gate = { kind: "open", waits: "health", reason: "" };
        if (how === "open") return said(open, one.revision, one.specHash);
        const passed = said({ kind: "passed" }, one.revision, one.specHash);
        if (!isBad) return how === "sick" ? { ...passed, state: SICK } : passed;
        if (previous === null) return said(open, one.revision, one.specHash);
        const reverted = onFailure === "revert";
        const gate: Gate = { kind: "failed", reason: "it ended with code 1", reverted };
        return reverted ? said(gate, previous.revision, previous.specHash) : said(gate, one.revision, one.specHash);
      }),
    );
  }

  app(): App {
    const app = this.world.apps.get(APP);
    if (app === undefined) throw new Error("there is no app");
    return app;
  }

  copies(): readonly Placement[] {
    return copiesIn(this.world);
  }
}

export function copiesIn(world: World): readonly Placement[] {
  return placedOf(world, APP)
    .toSorted()
    .flatMap((id) => world.placements.get(id) ?? []);
}
