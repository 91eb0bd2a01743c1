// Stop, start, restart, pause, scale: a request becomes a wish or a revision, which lasts.
import type { AppName, NodeId, ServiceName, Slot, WorkloadId } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import { assert } from "@skerry/shared/runtime/assert.ts";
import type { FastifyRequest } from "fastify";
import type { Command } from "../../core/command.ts";
import { serviceOf, sorted } from "../../core/lookup.ts";
import { wishKey } from "../../core/rollout-state.ts";
import { shownTarget } from "../../core/why/wishes.ts";
import type { WishTarget } from "../../core/wishes.ts";
import type { World } from "../../core/world.ts";
import type { Sight } from "../access.ts";
import type { CheckedOf } from "../api.ts";
import { sightOfCaller } from "../caller.ts";
import type { HttpDeps } from "../deps.ts";
import { HttpError } from "../errors.ts";
import type { HandlersOf } from "../handler.ts";
import { findApp, nodeNamed } from "../lookup.ts";
import type { Scaled, Wished } from "../schemas/wishes.ts";
import { workloadsOf } from "../views/apps.ts";
import { nodeRef } from "../views/node-ref.ts";
import { write } from "../write.ts";

type WishRoutes = "stopApp" | "startApp" | "restartApp" | "pauseApp" | "unpauseApp" | "scaleApp";

export function wishHandlers(deps: HttpDeps): HandlersOf<WishRoutes> {
  return {
    stopApp: ({ params, body, request }) => {
      const target = targetOf(deps.loop.world, sightOfCaller(request), params.app, body);
      return wish(deps, request, target, { kind: "set-stopped", target, stopped: true, reason: body.reason });
    },
    startApp: ({ params, body, request }) => {
      const target = targetOf(deps.loop.world, sightOfCaller(request), params.app, body);
      return wish(deps, request, target, { kind: "set-stopped", target, stopped: false, reason: body.reason });
    },
    restartApp: ({ params, body, request }) => {
      const target = targetOf(deps.loop.world, sightOfCaller(request), params.app, body);
      return wish(deps, request, target, { kind: "restart", target, reason: body.reason });
    },
    pauseApp: ({ params: { app }, body, request }) =>
      wish(deps, request, wholeApp(app), { kind: "set-paused", app, paused: true, reason: body.reason }),
    unpauseApp: ({ params: { app }, body, request }) =>
      wish(deps, request, wholeApp(app), { kind: "set-paused", app, paused: false, reason: body.reason }),
    scaleApp: ({ params, body, request }) => scale(deps, params.app, body, request),
  };
}

const wholeApp = (app: AppName): WishTarget => ({ app, service: null, slot: null });

/** A slot is a number, or a node by id or name; whether there is such a one is judged with the command. */
function targetOf(
  world: World,
  sight: Sight,
  app: AppName,
  { service, slot }: { readonly service: ServiceName | null; readonly slot: string | null },
): WishTarget {
  if (slot !== null && service === null) {
    throw new HttpError("invalid-request", "A slot is one of a service's: name the service too.", { path: "service" });
  }
  if (service === null || slot === null) return { app, service, slot: null };
  // A global slot is the id of its node; another text is a number or no slot at all, which the command refuses.
  const node = nodeNamed(world, slot);
  const id = (node?.id ?? slot) as string as Slot;
  // What the caller does not see and no copy stands on is not told by its id.
  const mayName = node === null || sight.node(node) || world.placements.has(workloadId(app, service, id));
  return { app, service, slot: mayName ? id : (slot as Slot) };
}

function wish(deps: HttpDeps, request: FastifyRequest, target: WishTarget, command: Command): Wished {
  return write(deps, request, () => {
    const { world } = deps.loop;
    findApp(world, target.app);
    const { workloads, waitingFor } = concerned(world, target);
    const { seq } = world;
    return {
      command,
      answer: (outcome) => {
        assert(outcome.kind === "wish-changed", "a wish became something else");
        const shown = shownTarget(world, wishKey(target));
        return { app: target.app, target: shown, changed: outcome.changed, workloads, waitingFor, seq };
      },
    };
  });
}

function concerned(world: World, { app, service, slot }: WishTarget): Pick<Wished, "workloads" | "waitingFor"> {
  const prefix = service === null ? `${app}/` : `${app}/${service}/`;
  const isIn = (id: WorkloadId): boolean =>
    service === null || slot === null ? id.startsWith(prefix) : id === workloadId(app, service, slot);
  const workloads = workloadsOf(world, app).filter(isIn);
  const nodes = new Set<NodeId>(workloads.flatMap((id) => world.placements.get(id)?.node ?? []));
  const silent = sorted(nodes).filter((id) => world.reachability.get(id)?.kind !== "ready");
  return { workloads, waitingFor: silent.flatMap((id) => nodeRefOf(world, id)) };
}

function nodeRefOf(world: World, id: NodeId) {
  const node = world.nodes.get(id);
  return node === undefined ? [] : [nodeRef(node)];
}

function scale(
  deps: HttpDeps,
  name: AppName,
  { service, replicas, ifRevision }: CheckedOf<"scaleApp">["body"],
  request: FastifyRequest,
): Scaled {
  return write(deps, request, () => {
    const { world } = deps.loop;
    const mode = serviceOf(findApp(world, name).spec, service)?.mode ?? null;
    const from = mode?.kind === "replicated" ? mode.replicas : null;
    const { seq } = world;
    return {
      command: { kind: "scale", app: name, service, replicas, ifRevision },
      answer: (outcome) => {
        assert(outcome.kind === "app-applied", "scale made something else");
        return { app: name, service, replicas, from, revision: outcome.revision, changed: !outcome.unchanged, seq };
      },
    };
  });
}
