// Nodes: showing, labels, availability, forgetting, joining.

import type { NodeId, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { Command } from "../../core/command.ts";
import { byText, serviceAt, sorted } from "../../core/lookup.ts";
import { refusalSummary } from "../../core/refusal-text.ts";
import type { Node, World } from "../../core/world.ts";
import type { CheckedOf } from "../api.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findNode } from "../lookup.ts";
import { pageOfKeys } from "../paging.ts";
import type { ChangedNode, RemovedNode } from "../schemas/nodes.ts";
import { nodeRef } from "../views/node-ref.ts";
import { nodeSummary, nodeView } from "../views/nodes.ts";
import { identityOf, refusalError, write } from "../write.ts";

export function nodeHandlers(
  deps: HttpDeps,
): HandlersOf<"listNodes" | "getNode" | "changeNode" | "removeNode" | "joinNode"> {
  const world = () => deps.loop.world;
  return {
    listNodes: ({ query }) => {
      const now = deps.clock.monotonicMs();
      const page = pageOfKeys(sorted(world().nodesByName.keys()), query.after, query.limit, (name) =>
        nodeSummary(world(), findNode(world(), name), now),
      );
      return { ...page, seq: world().seq };
    },
    getNode: ({ params }) => nodeView(world(), findNode(world(), params.node), deps.clock.monotonicMs()),
    changeNode: ({ params, body, request }) => changeNode(deps, findNode(world(), params.node), body, request),
    removeNode: ({ params, query, request }) => {
      const node = findNode(world(), params.node);
      if (query.dryRun) return removal(deps, node, true);
      return write(deps, request, () => {
        const answer = removal(deps, findNode(world(), params.node), false);
        return { command: { kind: "remove-node", node: node.id }, answer: () => answer };
      });
    },
    joinNode: ({ body, request }) => joinNode(deps, body, request),
  };
}

/** Said before it happens: afterwards the World no longer knows what stood there. */
function removal(deps: HttpDeps, node: Node, dryRun: boolean): RemovedNode {
  const { world } = deps.loop;
  const command = { kind: "remove-node", node: node.id } as const;
  const preview = deps.loop.preview(command, { actor: "admin", freshToken: null });
  if (!preview.ok) throw refusalError(command, preview.error);
  const workloads = sorted(world.placementsByNode.get(node.id) ?? []);
  return {
    node: nodeRef(node),
    dryRun,
    workloads: workloads.length,
    moves: workloads.flatMap((id) => moved(preview.value.after, id)),
    volumesKept: volumesOn(world, workloads),
    seq: world.seq,
  };
}

function moved(after: World, workload: WorkloadId): RemovedNode["moves"] {
  const to = after.nodes.get(after.placements.get(workload)?.node ?? ("" as NodeId));
  const unplaced = after.unplaced.get(workload);
  if (to !== undefined) return [{ workload, to: nodeRef(to), why: `it is placed on ${to.name}` }];
  return unplaced === undefined ? [] : [{ workload, to: null, why: refusalSummary(unplaced.refusals) }];
}

function volumesOn(world: World, workloads: readonly WorkloadId[]): string[] {
  const names = new Set<string>();
  for (const id of workloads) {
    const placement = world.placements.get(id);
    const service = placement === undefined ? null : serviceAt(world, placement);
    for (const mount of service?.container.mounts ?? [])
      if (mount.kind === "volume" && mount.source !== null) names.add(mount.source);
  }
  return [...names].sort(byText);
}

function changeNode(
  deps: HttpDeps,
  node: Node,
  body: CheckedOf<"changeNode">["body"],
  request: FastifyRequest,
): ChangedNode {
  const command = changeCommand(node, body);
  const { seq } = deps.loop.world;
  return write(deps, request, () => ({
    command,
    answer: () => {
      const labels = command.kind === "set-node-labels" ? relabelled(node.labels, command) : node.labels;
      const availability = command.kind === "set-availability" ? command.availability : node.availability;
      // A drain that goes on may get another deadline.
      const isTimed = command.kind === "set-availability" && command.drainForMs !== null;
      const changed = isTimed || availability !== node.availability || !sameLabels(labels, node.labels);
      return { node: nodeRef(node), labels, availability, changed, seq };
    },
  }));
}

type ChangeCommand = Extract<Command, { readonly kind: "set-node-labels" | "set-availability" }>;

function changeCommand(node: Node, body: CheckedOf<"changeNode">["body"]): ChangeCommand {
  const { setLabels, unsetLabels, availability } = body;
  const relabels = Object.keys(setLabels).length + unsetLabels.length > 0;
  if (availability !== undefined && relabels) {
    throw new HttpError("invalid-request", "Labels and availability are changed by two requests, not by one.", {
      path: "availability",
    });
  }
  if (availability !== undefined)
    return { kind: "set-availability", node: node.id, availability, reason: body.reason, drainForMs: body.deadlineMs };
  if (relabels) return { kind: "set-node-labels", node: node.id, set: setLabels, unset: unsetLabels };
  throw new HttpError("invalid-request", "There is nothing to change in this request.", {
    hint: "Give setLabels, unsetLabels or availability.",
  });
}

function relabelled(
  labels: Readonly<Record<string, string>>,
  change: { readonly set: Readonly<Record<string, string>>; readonly unset: readonly string[] },
): Record<string, string> {
  const unset = new Set(change.unset);
  return { ...Object.fromEntries(Object.entries(labels).filter(([key]) => !unset.has(key))), ...change.set };
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function joinNode(deps: HttpDeps, body: CheckedOf<"joinNode">["body"], request: FastifyRequest) {
  const identity = identityOf(request);
  assert(identity.kind === "join-token", "someone else than a join token came through the door for joining");
  const { token } = identity;
  return write(deps, request, () => ({
    command: {
      kind: "join-node",
      publicKey: body.publicKey,
      name: body.name,
      labels: body.labels,
      facts: body.facts,
      tokenId: token.id,
    },
    answer: (outcome) => {
      assert(outcome.kind === "node-joined", "join-node made something else");
      return { node: outcome.node, installation: outcome.installation, name: outcome.name };
    },
  }));
}
