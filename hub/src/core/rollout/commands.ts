// What operators ask of rollouts: pause, resume (which also promotes canaries), undo. And what apply refuses because it failed before. Pure.

import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { AppName, Revision } from "@skerry/shared/model/ids.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change } from "../change.ts";
import type { CommandContext, HandleResult, RolloutCommand } from "../command.ts";
import { copiesOf } from "../lookup.ts";
import { appRefusal } from "../policy/commands.ts";
import { refuse } from "../refuse.ts";
import type { FailedSpec, Rollout, ServiceRollout } from "../rollout-state.ts";
import type { App, Placement, World } from "../world.ts";
import { beginRollout, keptRevisions } from "./begin.ts";
import { activeRollout } from "./policy.ts";
import { gateOf } from "./slots.ts";

export function handleRollout(world: World, command: RolloutCommand, context: CommandContext): HandleResult {
  const app = world.apps.get(command.app);
  if (app === undefined)
    return refuse("not-found", `there is no app ${command.app}`, "skerry apps lists those that exist", "app");
  switch (command.kind) {
    case "pause-rollout":
      return pause(world, app, command.reason, context);
    case "resume-rollout":
      return resume(world, app, context);
    case "undo-rollout":
      return undo(world, app, command, context);
  }
}

function changed(app: App, changes: readonly Change[], sameAs: Revision | null = null): HandleResult {
  const outcome = { kind: "rollout-changed", app: app.name, revision: app.revision, sameAs } as const;
  return ok({ changes, outcome: { ...outcome, changed: changes.length > 0 } });
}

const dirty = (app: App): Change => ({ kind: "dirty", apps: [app.name], nodes: [] });

function pause(world: World, app: App, words: string, { actor, wallMs }: CommandContext): HandleResult {
  const rollout = activeRollout(world.rollouts, app);
  if (rollout === null)
    return refuse(
      "invalid",
      `nothing of ${app.name} is being rolled out: revision ${app.revision} is through`,
      `to keep the hub from changing it at all: skerry pause ${app.name}`,
    );
  if (rollout.state.kind === "paused") return changed(app, []);
  const reason = words === "" ? "an operator paused it" : words;
  const state = { kind: "paused", by: actor, reason, atMs: wallMs } as const;
  return changed(app, [
    { kind: "rollout-set", rollout: { ...rollout, state } },
    { kind: "hub-event", event: { kind: "rollout-paused", app: app.name, revision: app.revision, reason } },
    dirty(app),
  ]);
}

/** Goes on after a pause in spite of the failures so far, and promotes canaries that were let through. */
function resume(world: World, app: App, { actor }: CommandContext): HandleResult {
  const rollout = activeRollout(world.rollouts, app);
  if (rollout === null)
    return refuse(
      "invalid",
      `nothing of ${app.name} is being rolled out: revision ${app.revision} is through`,
      `skerry rollout history ${app.name} shows what became of each`,
    );
  const services = rollout.services.map((state) =>
    resumed(world, app, state, copiesOf(world, app.name, state.service)),
  );
  const isSame = services.every((state, index) => state === rollout.services[index]);
  if (rollout.state.kind === "progressing" && isSame) return changed(app, []);
  const next: Rollout = { ...rollout, services, state: { kind: "progressing" } };
  return changed(app, [
    { kind: "rollout-set", rollout: next },
    { kind: "hub-event", event: { kind: "rollout-resumed", app: app.name, revision: app.revision, by: actor } },
    dirty(app),
  ]);
}

function resumed(world: World, app: App, state: ServiceRollout, copies: readonly Placement[]): ServiceRollout {
  const failed = copies.filter(
    (placement) => placement.revision === app.revision && gateOf(world, placement)?.kind === "failed",
  ).length;
  const isTried = state.batch > 0 || copies.some(({ revision }) => revision === app.revision);
  const canary = state.canary === "open" && isTried ? "promoted" : state.canary;
  const forgiven = Math.max(state.forgiven, failed);
  return canary === state.canary && forgiven === state.forgiven ? state : { ...state, canary, forgiven };
}

type Undo = Extract<RolloutCommand, { readonly kind: "undo-rollout" }>;

/** A new revision with the content of an older one, rolled out by `rollback_config`. */
function undo(world: World, app: App, { to, reason }: Undo, context: CommandContext): HandleResult {
  const target = context.undoTo;
  if (target === null) {
    const message =
      to === null ? `${app.name} has no older revision to go back to` : `${app.name} has no revision ${to}`;
    return refuse("invalid", message, `skerry rollout history ${app.name} lists its revisions`, "to");
  }
  if (target.revision === app.revision) return changed(app, [], target.revision);
  const refused = appRefusal(world, target.spec);
  if (refused !== null) return refused;
  const next: App = {
    ...app,
    revision: Math.max(context.lastRevision, app.revision) + 1,
    spec: target.spec,
    older: keptRevisions(world, app),
    appliedBy: context.actor,
    appliedAtMs: context.wallMs,
  };
  const why = `undo: back to revision ${target.revision}${reason === "" ? "" : ` (${reason})`}`;
  const beginning = { kind: "rollback", by: context.actor, reason: why, wallMs: context.wallMs } as const;
  return changed(
    next,
    [
      { kind: "app-set", app: next, source: { sameAs: target.revision } },
      { kind: "hub-event", event: { kind: "app-applied", app: app.name, revision: next.revision, by: context.actor } },
      ...beginRollout(world, app, next, { ...beginning, retry: false, force: false }),
      dirty(app),
    ],
    target.revision,
  );
}

/** The first service of a file whose very content failed before; null: none, or an operator says --retry. */
export function failedBefore(current: App | null, spec: AppSpec): FailedSpec | null {
  for (const { name, specHash } of spec.services) {
    const failed = current?.failedSpecs.find((one) => one.service === name && one.specHash === specHash);
    if (failed !== undefined) return failed;
  }
  return null;
}

/** Copies whose gate failed and that stand so, as the file's failure ratio or an operator allowed. */
export function hasFailedCopies(world: World, app: App | null): boolean {
  if (app === null) return false;
  const copies = world.copies.get(app.name);
  return app.spec.services.some(({ name }) => (copies?.get(name)?.failed.size ?? 0) > 0);
}

export function failedBeforeRefusal(app: AppName, { service, revision, reason }: FailedSpec): HandleResult {
  return refuse(
    "failed-before",
    `this very ${service} failed as revision ${revision} and is not tried again: ${reason}`,
    `change the file; or, if the cause lay elsewhere and is gone, apply with --retry (skerry why ${app})`,
    "compose",
  );
}
