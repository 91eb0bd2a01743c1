// Nodes: showing, labels, availability, forgetting, joining.

import type { NodeId, NodeName, WorkloadId } from "@skerry/shared/model/ids.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { Command } from "../../core/command.ts";
import { byText, serviceAt, sorted } from "../../core/lookup.ts";
import { refusalSummary } from "../../core/refusal-text.ts";
import { appsPulledBy } from "../../core/registry.ts";
import { secretName, secretsHeldBy } from "../../core/secrets-held.ts";
import { usersOf, type ValueId } from "../../core/value.ts";
import type { Node, World } from "../../core/world.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { seenBy, sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findNode } from "../lookup.ts";
import { pageOfKeys } from "../paging.ts";
import type { ChangedNode, KeyRollAnswer, NodePage, RemovedNode, RevokedNode, StandingView } from "../schemas/nodes.ts";
import { seenWorld } from "../seen.ts";
import { nodeRef } from "../views/node-ref.ts";
import { keyRollView, nodeSummary, nodeView } from "../views/nodes.ts";
import { identityOf, refusalError, write } from "../write.ts";

export function nodeHandlers(
  deps: HttpDeps,
): HandlersOf<
  | "listNodes"
  | "getNode"
  | "changeNode"
  | "setAvailability"
  | "removeNode"
  | "approveNode"
  | "unfreezeNode"
  | "rollNodeKey"
  | "revokeNode"
  | "joinNode"
> {
  const world = () => deps.loop.world;
  return {
    listNodes: ({ query, request }) => listNodes(deps, query, request),
    getNode: ({ params, request }) =>
      nodeView(world(), seenBy(deps, request), findNode(world(), params.node), deps.clock.monotonicMs()),
    changeNode: ({ params, body, request }) => change(deps, findNode(world(), params.node), labelling(body), request),
    setAvailability: ({ params, body, request }) => {
      const { availability, reason, deadlineMs: drainForMs } = body;
      const set = { kind: "set-availability", availability, reason, drainForMs } as const;
      return change(deps, findNode(world(), params.node), set, request);
    },
    removeNode: ({ params, query, request }) => {
      const node = findNode(world(), params.node);
      const sight = sightOfCaller(request);
      if (query.dryRun) return removal(deps, node, true, sight);
      return write(deps, request, () => {
        const answer = removal(deps, findNode(world(), params.node), false, sight);
        return { command: { kind: "remove-node", node: node.id }, answer: () => answer };
      });
    },
    approveNode: ({ params, request }) => turnStanding(deps, "approve-node", params.node, request),
    unfreezeNode: ({ params, request }) => turnStanding(deps, "unfreeze-node", params.node, request),
    rollNodeKey: ({ params, request }) => rollKey(deps, params.node, request),
    revokeNode: ({ params, query, request }) => {
      const node = findNode(world(), params.node);
      const sight = sightOfCaller(request);
      if (query.dryRun) return revocation(deps, node, true, sight);
      return write(deps, request, () => {
        const answer = revocation(deps, findNode(world(), params.node), false, sight);
        return { command: { kind: "revoke-node", node: node.id }, answer: () => answer };
      });
    },
    joinNode: ({ body, request }) => joinNode(deps, body, request),
  };
}

function listNodes(deps: HttpDeps, query: CheckedOf<"listNodes">["query"], request: FastifyRequest): NodePage {
  const now = deps.clock.monotonicMs();
  const { world } = deps.loop;
  const sight = sightOfCaller(request);
  const seen = seenWorld(world, sight);
  const names = sorted(world.nodesByName.keys()).filter((name) => sight.allNodes || sight.node(findNode(world, name)));
  const page = pageOfKeys(names, query.after, query.limit, (name) =>
    nodeSummary(world, seen, findNode(world, name), now),
  );
  return { ...page, seq: world.seq };
}

/** Said before it happens: afterwards the World no longer knows what stood there. */
function removal(
  deps: HttpDeps,
  node: Node,
  dryRun: boolean,
  sight: Sight,
  kind: "remove-node" | "revoke-node" = "remove-node",
): RemovedNode {
  const world = seenWorld(deps.loop.world, sight);
  const command = { kind, node: node.id } as const;
  const preview = deps.loop.preview(command, { actor: "admin", freshToken: null });
  if (!preview.ok) throw refusalError(command, preview.error);
  const after = seenWorld(preview.value.after, sight);
  const workloads = sorted(world.placementsByNode.get(node.id) ?? []);
  return {
    node: nodeRef(node),
    dryRun,
    workloads: deps.loop.world.placementsByNode.get(node.id)?.size ?? 0,
    moves: workloads.flatMap((id) => moved(after, id)),
    volumesKept: volumesOn(world, workloads),
    seq: world.seq,
  };
}

/** The same, and what else follows from it. */
function revocation(deps: HttpDeps, node: Node, dryRun: boolean, sight: Sight): RevokedNode {
  const { world } = deps.loop;
  const held = secretsHeldBy(world, node.id, deps.store.givenTo(node.id));
  const named = held.filter((value) => mayBeNamed(world, value, sight));
  return {
    ...removal(deps, node, dryRun, sight, "revoke-node"),
    secrets: named.map(secretName),
    moreSecrets: held.length - named.length,
  };
}

/** As far as the caller sees an app that it is for. */
function mayBeNamed(world: World, value: ValueId, sight: Sight): boolean {
  if (sight.apps === null) return true;
  if (value.app !== null) return sight.app(value.app);
  const credential = value.kind === "registry" ? world.registries.get(value.name) : undefined;
  const users = credential === undefined ? usersOf(world, value) : appsPulledBy(world, credential);
  return users.some((app) => sight.app(app));
}

function turnStanding(
  deps: HttpDeps,
  kind: "approve-node" | "unfreeze-node",
  name: NodeId | NodeName,
  request: FastifyRequest,
): StandingView {
  return write(deps, request, () => {
    const { world } = deps.loop;
    const node = findNode(world, name);
    const { seq } = world;
    return {
      command: { kind, node: node.id },
      answer: (outcome) => {
        assert(outcome.kind === "standing-changed", `${kind} made something else`);
        return { node: nodeRef(node), standing: outcome.standing, changed: outcome.changed, seq };
      },
    };
  });
}

function rollKey(deps: HttpDeps, name: NodeId | NodeName, request: FastifyRequest): KeyRollAnswer {
  return write(deps, request, () => {
    const { world } = deps.loop;
    const node = findNode(world, name);
    const { seq } = world;
    return {
      command: { kind: "roll-node-key", node: node.id },
      answer: (outcome) => {
        assert(outcome.kind === "key-roll-asked", "roll-node-key made something else");
        const keyRoll = keyRollView(outcome.keyRoll);
        assert(keyRoll !== null, "it was asked for, and is not on its way");
        return { node: nodeRef(node), keyRoll, changed: outcome.changed, seq };
      },
    };
  });
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

type Changing =
  | Omit<Extract<Command, { readonly kind: "set-node-labels" }>, "node">
  | Omit<Extract<Command, { readonly kind: "set-availability" }>, "node">;

function change(deps: HttpDeps, node: Node, asked: Changing, request: FastifyRequest): ChangedNode {
  const { seq } = deps.loop.world;
  return write(deps, request, () => ({
    command: { ...asked, node: node.id },
    answer: () => {
      const labels = asked.kind === "set-node-labels" ? relabelled(node.labels, asked) : node.labels;
      const availability = asked.kind === "set-availability" ? asked.availability : node.availability;
      // A drain that goes on may get another deadline.
      const isTimed = asked.kind === "set-availability" && asked.drainForMs !== null;
      const changed = isTimed || availability !== node.availability || !sameLabels(labels, node.labels);
      return { node: nodeRef(node), labels, availability, changed, seq };
    },
  }));
}

function labelling({ setLabels, unsetLabels }: CheckedOf<"changeNode">["body"]): Changing {
  if (Object.keys(setLabels).length + unsetLabels.length > 0)
    return { kind: "set-node-labels", set: setLabels, unset: unsetLabels };
  throw new HttpError("invalid-request", "There is nothing to change in this request.", {
    hint: "Give setLabels or unsetLabels.",
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
      return {
        node: outcome.node,
        installation: outcome.installation,
        name: outcome.name,
        hubKey: deps.signingKey,
      };
    },
  }));
}
