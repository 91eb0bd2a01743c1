// Images: what each workload's image asks for, and one pull per image for all who want it. Pure. An image that is there is never
// checked against a registry, save with `pull_policy: always`, once per spec hash.
import type { Workload } from "@skerry/shared/model/assignment.ts";
import { imageName } from "@skerry/shared/model/image-name.ts";
import type { Pull, WorkloadState } from "@skerry/shared/model/report.ts";
import type { ValueRef } from "@skerry/shared/model/value.ts";
import type { Lane } from "../action.ts";
import type { WorkloadMemory } from "../memory.ts";
import { absent } from "./obstacles.ts";
import { imageLaneKey, restOf, type Scene } from "./scene.ts";

export type ImageNeed =
  | { readonly kind: "present" }
  /** Not looked up yet. */
  | { readonly kind: "unknown" }
  /** Not there, and the file forbids to pull it. */
  | { readonly kind: "forbidden" }
  | { readonly kind: "pull"; readonly key: string };

export function imageNeed(scene: Pick<Scene, "observed">, { spec }: Workload, memory: WorkloadMemory): ImageNeed {
  const there = scene.observed.images.get(spec.image);
  if (there === undefined) return { kind: "unknown" };
  if (spec.pullPolicy === "never") return { kind: there === null ? "forbidden" : "present" };
  const fresh = spec.pullPolicy === "missing" || memory.pulled;
  if (there !== null && fresh) return { kind: "present" };
  return { kind: "pull", key: imageLaneKey(spec.image, spec.platform) };
}

/** How far the pull of its image has come; null: it has not begun. */
export function pullOf({ context, now }: Pick<Scene, "context" | "now">, { spec }: Workload): Pull | null {
  const under = context.pulls.get(imageLaneKey(spec.image, spec.platform));
  if (under === undefined) return null;
  const { sinceMs, ...amounts } = under;
  return { ...amounts, forMs: Math.max(0, Math.round(now - sinceMs)) };
}

/** It is to be pulled when another one is through. */
export function isQueued({ context }: Pick<Scene, "context">, { spec }: Workload): boolean {
  const key = imageLaneKey(spec.image, spec.platform);
  return context.busy.has(key) && !context.pulls.has(key);
}
export const PULL_TURN = "waits for its turn to be pulled: this node pulls two images at a time";

/** The registry credential that its app has for this image; null: none. Another app's on the same node is none of its. */
export function credentialOf({ desired }: Pick<Scene, "desired">, { app, spec }: Workload): ValueRef | null {
  const registries = desired.apps.find(({ name }) => name === app)?.registries ?? [];
  const registry = registries.length === 0 ? null : (imageName(spec.image)?.registry ?? null);
  return registries.find(({ name }) => name === registry) ?? null;
}

/** null: its pull may begin. Without the credential it would be refused, and a refusal is held against the revision. */
export function credentialObstacle(scene: Pick<Scene, "desired" | "context">, workload: Workload): string | null {
  const credential = credentialOf(scene, workload);
  return credential === null ? null : absent(scene.context.values, credential);
}

/** Nothing of it is there, and its image is to come. */
export function pullingState(scene: Scene, workload: Workload): WorkloadState {
  const obstacle = credentialObstacle(scene, workload);
  if (obstacle !== null && pullOf(scene, workload) === null) return { kind: "waiting", reason: obstacle };
  if (isQueued(scene, workload)) return { kind: "waiting", reason: PULL_TURN };
  const { forMs, ...amounts } = pullOf(scene, workload) ?? NOT_BEGUN;
  return { kind: "pulling", ...amounts };
}
const NOT_BEGUN: Pull = { doneBytes: 0, totalBytes: 0, doneLayers: 0, totalLayers: 0, forMs: 0 };

/** `wanting`: workloads that need a pull now. Sorted by key. */
export function pullLanes(scene: Scene, wanting: readonly Workload[]): readonly Lane[] {
  const lanes = new Map<string, Lane>();
  // Of several apps that want one image, the one with a credential pulls it for all: who has none would be refused for all.
  const mayPull = wanting.filter((workload) => credentialObstacle(scene, workload) === null);
  const withCredential = mayPull.filter((workload) => credentialOf(scene, workload) !== null);
  for (const workload of [...withCredential, ...mayPull]) {
    const { id, spec } = workload;
    const key = imageLaneKey(spec.image, spec.platform);
    if (lanes.has(key) || scene.context.busy.has(key) || restOf(scene, key) !== null) continue;
    const credential = credentialOf(scene, workload);
    lanes.set(key, {
      key,
      actions: [{ kind: "pull-image", workload: id, image: spec.image, platform: spec.platform, credential }],
    });
  }
  return [...lanes.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
