// Secrets, configs and registry credentials: what becomes of the commands about them, and of those that apps bring with their files. Pure: contents
// come sealed, versions are made up by the caller. A new version of a file is a new spec of each app that uses it, and rolls out like any change;
// of a credential it is a new position of each node that pulls by it.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { AppName } from "@skerry/shared/model/ids.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey, valueWords } from "@skerry/shared/model/value-names.ts";
import { assert, assertNever } from "@skerry/shared/runtime/assert.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import type { Command, CommandContext, HandleResult, ValueCommand } from "./command.ts";
import { refuse } from "./refuse.ts";
import { appsPulledBy, repositioned } from "./registry.ts";
import {
  currentVersion,
  type FreshVersion,
  keepersOf,
  type OwnValue,
  type StoredValue,
  sameValue,
  type ValueId,
  valuesIn,
  valuesOfApp,
} from "./value.ts";
import type { World } from "./world.ts";

/** All together; each may have 500 KiB. A hub for more of them wants a store of its own for secrets. */
export const MAX_VALUES = 2_000;
/** Older versions kept of each for `rollout undo`, besides those that apps still stand at. */
export const MAX_KEPT_VERSIONS = 10;
/** Apps named with one value. */
export const MAX_VALUE_APPS = 100;

const ABOUT_VALUES: ReadonlySet<Command["kind"]> = new Set<Command["kind"]>([
  "set-value",
  "remove-value",
  "rewrap-values",
  "apply-app",
  "remove-app",
  "undo-rollout",
]);
/** Whether its handler is told of the values that are stored. */
export const needsValues = (command: Command): boolean => ABOUT_VALUES.has(command.kind);

/** Makes a new revision of an app with this spec, the file's text as it was. */
export type Revise = (spec: AppSpec, reason: string) => HandleResult;

export function handleValue(
  world: World,
  command: ValueCommand,
  context: CommandContext,
  revise: Revise,
): HandleResult {
  switch (command.kind) {
    case "set-value":
      return setValue(world, command, context, revise);
    case "remove-value":
      return removeValue(world, command, context);
    case "rewrap-values":
      return ok({
        changes: [
          ...command.items.map((item): Change => ({ kind: "value-rewrapped", ...item })),
          {
            kind: "hub-event",
            event: { kind: "value-keys-rotated", by: context.actor, rewrapped: command.items.length },
          },
        ],
        outcome: { kind: "values-rewrapped", count: command.items.length },
      });
    default:
      return assertNever(command);
  }
}

function setValue(
  world: World,
  { value: id, apps, fresh, specs }: Extract<ValueCommand, { readonly kind: "set-value" }>,
  context: CommandContext,
  revise: Revise,
): HandleResult {
  const values = valuesOf(context);
  const before = values.find((one) => sameValue(one, id)) ?? null;
  if (before === null && values.length >= MAX_VALUES)
    return refuse(
      "limit",
      `there are ${MAX_VALUES} secrets, configs and registry credentials, which is the most`,
      "remove some first",
    );
  if (apps !== null && apps.length > MAX_VALUE_APPS)
    return refuse(
      "limit",
      `a ${id.kind} names at most ${MAX_VALUE_APPS} apps`,
      "leave them out: then every app may use it that is deployed by somebody who may deploy all",
      "apps",
    );
  const named = apps === null ? (before?.apps ?? []) : [...new Set(apps)].sort();
  const outside = named.length === 0 ? [] : specs.map((spec) => spec.name).filter((app) => !named.includes(app));
  if (outside.length > 0)
    return refuse(
      "invalid",
      `${outside.length === 1 ? "app" : "apps"} ${outside.slice(0, 5).join(", ")} would get the new value of ${valueWords(id)}, and may not use it any more`,
      "name the app too, or take it out of that app's file first",
      "apps",
    );
  const losing = before === null || id.kind !== "registry" ? [] : appsThatLose(world, before, named);
  if (losing.length > 0)
    return refuse(
      "invalid",
      `${losing.length === 1 ? "app" : "apps"} ${losing.slice(0, 5).join(", ")} would not be pulled by ${valueWords(id)} any more`,
      `name the app too (--app, once for each), or take it from all of them first: skerry registry rm ${id.name}`,
      "apps",
    );
  const isSame = before !== null && fresh === null && before.apps.join() === named.join();
  const created = before === null;
  const version = fresh?.version ?? (before === null ? null : (currentVersion(before)?.version ?? null));
  assert(version !== null, "set-value neither brings a content nor finds one");
  if (isSame)
    return ok({
      changes: [],
      outcome: { kind: "value-set", value: id, version, created, changed: false, revised: [] },
    });
  const set = valueSet(world, before ?? { ...id, apps: named, versions: [] }, named, fresh, context, specs);
  const changes: Change[] = [
    set,
    ...(id.kind === "registry" ? repositioned(world, before, set.value) : []),
    { kind: "hub-event", event: { kind: "value-set", value: valueWords(id), by: context.actor } },
  ];
  const revised: { app: AppName; revision: number }[] = [];
  for (const spec of specs) {
    const result = revise(spec, `${valueWords(id)} has a new value`);
    if (!result.ok) return result;
    changes.push(...result.value.changes);
    if (result.value.outcome.kind === "app-applied")
      revised.push({ app: spec.name, revision: result.value.outcome.revision });
  }
  return ok({ changes, outcome: { kind: "value-set", value: id, version, created, changed: true, revised } });
}

/** Apps that are pulled by it now, and would not be if it were for these. */
function appsThatLose(world: World, before: StoredValue, apps: readonly AppName[]): readonly AppName[] {
  const after = new Set(appsPulledBy(world, { ...before, apps }));
  return appsPulledBy(world, before).filter((app) => !after.has(app));
}

function valuesOf({ values }: CommandContext): readonly StoredValue[] {
  assert(values !== null, "a command about values without them");
  return values;
}

function valueSet(
  world: World,
  before: StoredValue,
  apps: readonly AppName[],
  fresh: FreshVersion | null,
  { actor, wallMs }: CommandContext,
  coming: readonly AppSpec[],
): Extract<Change, { readonly kind: "value-set" }> {
  const added = fresh === null ? [] : [{ version: fresh.version, bytes: fresh.bytes, madeAtMs: wallMs, madeBy: actor }];
  const all = [...before.versions, ...added];
  const needed = new Set([...[...world.apps.values()].flatMap(valuesOfApp), ...coming.flatMap(valuesIn)].map(valueKey));
  const { kind, app, name } = before;
  // No revision names a credential's version, so there is none to go back to.
  const kept = kind === "registry" ? 1 : MAX_KEPT_VERSIONS;
  const versions = all.filter(
    ({ version }, at) => at >= all.length - kept || needed.has(valueKey({ kind, app, name, version })),
  );
  const sealed = fresh === null ? null : { version: fresh.version, ...fresh.sealed };
  return { kind: "value-set", value: { kind, app, name, apps, versions }, sealed };
}

/** What an app's file brings along: new versions of its own values. `spec`: what is being applied. */
export function ownValueChanges(
  world: World,
  spec: AppSpec,
  own: readonly OwnValue[],
  context: CommandContext,
): readonly Change[] | HandleResult {
  if (own.length === 0) return [];
  const values = valuesOf(context);
  const idOf = ({ kind, name }: OwnValue): ValueId => ({ kind, app: spec.name, name });
  const added = own.filter((one) => !values.some((value) => sameValue(value, idOf(one)))).length;
  if (values.length + added > MAX_VALUES)
    return refuse("limit", `there would be more than ${MAX_VALUES} secrets and configs`, "remove some first");
  return own.map((one) => {
    const before = values.find((value) => sameValue(value, idOf(one))) ?? { ...idOf(one), apps: [], versions: [] };
    return valueSet(world, before, [], one, context, [spec]);
  });
}

/** With an app go the values that came with its file. */
export function ownValuesRemoved(app: AppName, context: CommandContext): readonly Change[] {
  return (context.values ?? [])
    .filter((value) => value.app === app)
    .map(({ kind, name }): Change => ({ kind: "value-removed", value: { kind, app, name } }));
}

function removeValue(
  world: World,
  { value: id }: Extract<ValueCommand, { readonly kind: "remove-value" }>,
  context: CommandContext,
): HandleResult {
  const before = valuesOf(context).find((one) => sameValue(one, id));
  if (before === undefined)
    return refuse("not-found", `there is no ${valueWords(id)}`, `skerry ${id.kind} ls lists them`, id.kind);
  const users = keepersOf(world, id);
  if (users.length > 0)
    return refuse(
      "invalid",
      `${valueWords(id)} is used by ${users.length === 1 ? "app" : "apps"} ${users.slice(0, 5).join(", ")}, or by what they may go back to`,
      "take it out of the file, apply that, and wait until it is through",
      id.kind,
    );
  return ok({
    changes: [
      { kind: "value-removed", value: id },
      ...(id.kind === "registry" ? repositioned(world, before, null) : []),
      { kind: "hub-event", event: { kind: "value-removed", value: valueWords(id), by: context.actor } },
    ],
    outcome: { kind: "value-removed", value: id },
  });
}

/** The first value that an older revision names and that is no longer kept, or no longer for this app; null: all are there. */
export function missingValue(spec: AppSpec, context: CommandContext): ValueRef | null {
  const kept = new Set(
    valuesOf(context)
      .filter(({ app, apps }) => app !== null || apps.length === 0 || apps.includes(spec.name))
      .flatMap(({ kind, app, name, versions }) =>
        versions.map(({ version }) => valueKey({ kind, app, name, version })),
      ),
  );
  return valuesIn(spec).find((ref) => !kept.has(valueKey(ref))) ?? null;
}
