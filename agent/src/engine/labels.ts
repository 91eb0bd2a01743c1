// Labels: how an agent knows what it made. They hold everything needed to rebuild a lost ledger, sealed with a MAC under the node's
// own key, so that a label written by somebody else is seen. Labels alone never make a container ours: `reconciler/observe` also
// asks the ledger for the id. Pure but for HMAC; must never read the engine.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Workload } from "@skerry/shared/model/assignment.ts";
import type { AppName, InstallationId, NodeId, ServiceName, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { labelSecretOf } from "@skerry/shared/runtime/label-secret.ts";

export const LABEL = {
  installation: "io.skerry.installation",
  node: "io.skerry.node",
  app: "io.skerry.app",
  service: "io.skerry.service",
  slot: "io.skerry.slot",
  workload: "io.skerry.workload",
  revision: "io.skerry.revision",
  specHash: "io.skerry.spec-hash",
  /** The facts that outside edits change, as they were asked for (see core/compare). */
  limits: "io.skerry.limits",
  /** The fencing token that the container shows; a newer one needs a new container. */
  fencingToken: "io.skerry.fencing-token",
  /** The name given at creation: a copy of the labels on another container shows by it. */
  name: "io.skerry.name",
  mac: "io.skerry.mac",
} as const;

const PREFIX = "io.skerry.";

/** Whose labels: this node in this installation, and the key under which it seals them. */
export interface LabelKey {
  readonly installation: InstallationId;
  readonly node: NodeId;
  readonly secret: Buffer;
}

export interface OwnLabels {
  readonly app: AppName;
  readonly service: ServiceName;
  readonly slot: Slot;
  readonly workload: WorkloadId;
  readonly revision: number;
  readonly specHash: string;
  readonly limits: string;
  /** 0: not fenced. */
  readonly fencingToken: number;
  /** As created; the container may have been renamed since. */
  readonly name: string;
}

/** `foreign`: no labels of this node. `forged`: they say that they are this node's, and the seal does not fit. */
export type ContainerLabelReading =
  | { readonly kind: "foreign" }
  | { readonly kind: "forged" }
  | { readonly kind: "ours"; readonly own: OwnLabels };

/** The seal's key is derived from the node's first: it lives as long as the node's identity, whatever key that has, and says nothing about either. */
export function labelKey(identity: {
  readonly installation: InstallationId;
  readonly node: NodeId;
  readonly privateKey: string;
  readonly labelSecret: string | null;
}): LabelKey {
  const secret = Buffer.from(identity.labelSecret ?? labelSecretOf(identity.privateKey), "hex");
  return { installation: identity.installation, node: identity.node, secret };
}

export function containerLabels(
  key: LabelKey,
  workload: Pick<Workload, "id" | "app" | "service" | "slot" | "revision" | "specHash" | "fencingToken">,
  name: string,
  limits: string,
): Readonly<Record<string, string>> {
  return seal(key, "container", {
    [LABEL.installation]: key.installation,
    [LABEL.node]: key.node,
    [LABEL.app]: workload.app,
    [LABEL.service]: workload.service,
    [LABEL.slot]: workload.slot,
    [LABEL.workload]: workload.id,
    [LABEL.revision]: String(workload.revision),
    [LABEL.specHash]: workload.specHash,
    [LABEL.limits]: limits,
    [LABEL.fencingToken]: String(workload.fencingToken),
    [LABEL.name]: name,
  });
}

export function readContainerLabels(key: LabelKey, labels: Readonly<Record<string, string>>): ContainerLabelReading {
  const reading = readSeal(key, "container", labels);
  if (reading !== "ours") return { kind: reading };
  // The seal fits, so these texts are the ones that `containerLabels` wrote from values of these types.
  const own: OwnLabels = {
    app: (labels[LABEL.app] ?? "") as AppName,
    service: (labels[LABEL.service] ?? "") as ServiceName,
    slot: (labels[LABEL.slot] ?? "") as Slot,
    workload: (labels[LABEL.workload] ?? "") as WorkloadId,
    revision: Number(labels[LABEL.revision]),
    specHash: labels[LABEL.specHash] ?? "",
    limits: labels[LABEL.limits] ?? "",
    fencingToken: Number(labels[LABEL.fencingToken] ?? 0),
    name: labels[LABEL.name] ?? "",
  };
  return { kind: "ours", own };
}

/** For networks and volumes. Their name cannot change, so it is sealed and compared at once. */
export function objectLabels(
  key: LabelKey,
  kind: "network" | "volume",
  app: AppName,
  name: string,
): Readonly<Record<string, string>> {
  return seal(key, kind, {
    [LABEL.installation]: key.installation,
    [LABEL.node]: key.node,
    [LABEL.app]: app,
    [LABEL.name]: name,
  });
}

export function readObjectLabels(
  key: LabelKey,
  kind: "network" | "volume",
  name: string,
  labels: Readonly<Record<string, string>>,
): "ours" | "foreign" | "forged" {
  const reading = readSeal(key, kind, labels);
  return reading === "ours" && labels[LABEL.name] !== name ? "forged" : reading;
}

function seal(key: LabelKey, kind: string, labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { ...labels, [LABEL.mac]: macOf(key, kind, labels) };
}

function readSeal(
  key: LabelKey,
  kind: string,
  labels: Readonly<Record<string, string>>,
): "ours" | "foreign" | "forged" {
  if (labels[LABEL.node] !== key.node || labels[LABEL.installation] !== key.installation) return "foreign";
  const expected = Buffer.from(macOf(key, kind, labels));
  const found = Buffer.from(labels[LABEL.mac] ?? "");
  return found.length === expected.length && timingSafeEqual(found, expected) ? "ours" : "forged";
}

/** Over all of our labels but the seal itself, sorted; JSON keeps names and values apart. */
function macOf(key: LabelKey, kind: string, labels: Readonly<Record<string, string>>): string {
  const sealed = Object.entries(labels)
    .filter(([name]) => name.startsWith(PREFIX) && name !== LABEL.mac)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return createHmac("sha256", key.secret)
    .update(JSON.stringify([kind, sealed]))
    .digest("hex");
}
