// Registry credentials: which one an app's image is pulled by, which of them a node's assignment names, and whose assignment is another when one
// changes. Pure. No spec names a credential: it is found by the image's registry, so that a new password changes no container.
import type { AppSpec } from "@skerry/shared/model/app.ts";
import type { AppName, NodeId, Revision, ServiceName } from "@skerry/shared/model/ids.ts";
import { imageName } from "@skerry/shared/model/image-name.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { Change } from "./change.ts";
import { byText, copiesOf, sorted } from "./lookup.ts";
import type { StoredValue } from "./value.ts";
import type { App, World } from "./world.ts";

type Registries = Pick<World, "registries">;

/** null: none is for this app, and its image is pulled as anybody's. */
export function credentialFor({ registries }: Registries, spec: AppSpec, image: string): ValueRef | null {
  const credential = registries.size === 0 ? undefined : registries.get(imageName(image)?.registry ?? "");
  return credential === undefined ? null : refFor(credential, spec);
}

/** One for named apps is for those; one for none is for apps that were applied by somebody who may deploy every app. */
function refFor(credential: StoredValue, spec: AppSpec): ValueRef | null {
  const { kind, app, name, apps, versions } = credential;
  const isFor = apps.length === 0 ? spec.unbound === true : apps.includes(spec.name);
  const current = isFor ? versions.at(-1) : undefined;
  return current === undefined ? null : { kind, app, name, version: current.version };
}

/** Of these images of one app, each credential once, sorted by registry. */
export function credentialsFor(
  world: Registries,
  images: readonly { readonly spec: AppSpec; readonly image: string }[],
): readonly ValueRef[] {
  const found = new Map<string, ValueRef>();
  for (const { spec, image } of images) {
    const credential = credentialFor(world, spec, image);
    if (credential !== null) found.set(credential.name, credential);
  }
  return [...found.values()].sort((a, b) => byText(a.name, b.name));
}

/** Apps whose present revision is pulled by it, sorted. */
export const appsPulledBy = (world: Pick<World, "apps">, credential: StoredValue): readonly AppName[] =>
  sorted(world.apps.keys()).filter((name) => {
    const spec = world.apps.get(name)?.spec;
    if (spec === undefined || refFor(credential, spec) === null) return false;
    return spec.services.some(({ container }) => imageName(container.image)?.registry === credential.name);
  });

/**
 * A new position for each node whose assignment names another version of it than before, or names it no more: under one position the content never
 * changes. `after` null: it is removed.
 */
export function repositioned(world: World, before: StoredValue | null, after: StoredValue | null): readonly Change[] {
  const nodes = new Set([...world.apps.values()].flatMap((app) => nodesThatSee(world, app, before, after)));
  return sorted(nodes).flatMap((id): readonly Change[] => {
    const node = world.nodes.get(id);
    if (node === undefined || node.assigned.generation === 0) return [];
    const assigned = { epoch: world.epoch, generation: node.assigned.generation + 1 };
    return [{ kind: "node-set", node: { ...node, assigned } }];
  });
}

function nodesThatSee(
  world: World,
  app: App,
  before: StoredValue | null,
  after: StoredValue | null,
): readonly NodeId[] {
  const registry = (after ?? before)?.name;
  const touched = new Map<ServiceName, Set<Revision>>();
  for (const { revision, spec } of [app, ...app.older]) {
    const [was, is] = [before, after].map((one) => (one === null ? null : refFor(one, spec)));
    if (was?.version === is?.version) continue;
    for (const { name, container } of spec.services)
      if (imageName(container.image)?.registry === registry)
        touched.set(name, (touched.get(name) ?? new Set()).add(revision));
  }
  return [...touched].flatMap(([service, revisions]) =>
    [...copiesOf(world, app.name, service)]
      .filter(({ revision, step: { previous } }) => revisions.has(revision) || revisions.has(previous ?? 0))
      .map(({ node }) => node),
  );
}
