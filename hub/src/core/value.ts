// Values: secrets, configs and registry credentials as decisions about commands need them. Data and pure reads; what is in them is sealed, and never
// here in clear.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { AppName, NodeId } from "@skerry/shared/model/ids.ts";
import type { ValueKind, ValueRef } from "@skerry/shared/model/value.ts";
import { valueKey } from "@skerry/shared/model/value-names.ts";
import { sorted, specAt } from "./lookup.ts";
import { credentialFor } from "./registry.ts";
import type { App, World } from "./world.ts";

/** As the keyring sealed it. */
export interface SealedContent {
  readonly key: string;
  readonly wrapped: string;
  readonly body: string;
}

export interface ValueVersion {
  readonly version: string;
  readonly bytes: number;
  /** Hub's wall clock. */
  readonly madeAtMs: number;
  readonly madeBy: string;
}

/** One value with the versions that are kept: the newest last, which is the current one. */
export interface StoredValue {
  readonly kind: ValueKind;
  /** null: the installation's. Else it came with that app's file, and goes with the app. */
  readonly app: AppName | null;
  readonly name: string;
  /** Of the installation's: the apps that may use it; none named: those that are deployed by somebody who may deploy every app. */
  readonly apps: readonly AppName[];
  readonly versions: readonly ValueVersion[];
}

/** A new content on its way into the store. */
export interface FreshVersion {
  readonly version: string;
  readonly bytes: number;
  readonly sealed: SealedContent;
}

/** What a command carries of an app's own value. */
export interface OwnValue extends FreshVersion {
  readonly kind: ValueKind;
  readonly name: string;
}

export type ValueId = Pick<StoredValue, "kind" | "app" | "name">;
export const sameValue = (a: ValueId, b: ValueId): boolean => a.kind === b.kind && a.app === b.app && a.name === b.name;

export const currentVersion = ({ versions }: StoredValue): ValueVersion | null => versions.at(-1) ?? null;

/** The values that an app's spec names, each version once. */
export function valuesIn(spec: Pick<AppSpec, "services">): readonly ValueRef[] {
  const found = new Map<string, ValueRef>();
  for (const { container } of spec.services)
    for (const { value } of container.files ?? []) found.set(valueKey(value), value);
  return [...found.values()];
}

/** What the hub may still roll out, or roll back to, without anybody asking. */
export function valuesOfApp({ spec, older }: App): readonly ValueRef[] {
  return [spec, ...older.map((revision) => revision.spec)].flatMap(valuesIn);
}

/**
 * The values that a node's present assignment names, and so all that it may ask for: of what is placed on it, at the revisions that it stands
 * at or may go back to.
 */
export function valuesOfNode(world: World, node: NodeId): ReadonlyMap<string, ValueRef> {
  const found = new Map<string, ValueRef>();
  for (const id of world.placementsByNode.get(node) ?? []) {
    const placement = world.placements.get(id);
    const app = placement === undefined ? undefined : world.apps.get(placement.app);
    if (placement === undefined || app === undefined) continue;
    for (const revision of [placement.revision, placement.step.previous]) {
      const spec = revision === null ? null : specAt(app, revision);
      const container = spec?.services.find(({ name }) => name === placement.service)?.container;
      if (spec === null || container === undefined) continue;
      const credential = credentialFor(world, spec, container.image);
      const refs = [...(container.files ?? []).map(({ value }) => value), ...(credential === null ? [] : [credential])];
      for (const ref of refs) found.set(valueKey(ref), ref);
    }
  }
  return found;
}

/** Apps that use a value, or may be rolled back to where they did; sorted. */
export function keepersOf(world: World, value: ValueId): readonly AppName[] {
  return [...world.apps.values()]
    .filter((app) => valuesOfApp(app).some((ref) => sameValue(ref, value)))
    .map(({ name }) => name)
    .sort();
}

/** Apps that use a value now, sorted. */
export const usersOf = (world: World, value: ValueId): readonly AppName[] =>
  usersByValue(world).get(valueIdKey(value)) ?? [];

/** Of all values that apps use now those apps, sorted; by `valueIdKey`. */
export function usersByValue(world: World): ReadonlyMap<string, readonly AppName[]> {
  const users = new Map<string, AppName[]>();
  for (const name of sorted(world.apps.keys())) {
    const ids = new Set(valuesIn(world.apps.get(name)?.spec ?? { services: [] }).map(valueIdKey));
    for (const id of ids) users.set(id, [...(users.get(id) ?? []), name]);
  }
  return users;
}

export const valueIdKey = ({ kind, app, name }: ValueId): string => `${kind} ${app ?? ""} ${name}`;
