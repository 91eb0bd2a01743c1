// Commands by which operators say what they want beside the file: stop, start, restart, pause, scale. Pure.
// Each leaves a wish or a new revision behind, never a one-off call: so it survives reboots and reaches nodes that are away.

import type { ServiceSpec } from "@skerry/shared/model/app.ts";
import type { AppName, ServiceName } from "@skerry/shared/model/ids.ts";
import { workloadId } from "@skerry/shared/model/names.ts";
import { ok } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import type { CommandContext, HandleResult, WishCommand } from "./command.ts";
import { placedOf, serviceOf, sorted } from "./lookup.ts";
import { refuse } from "./refuse.ts";
import { type Said, type Wish, wishKey } from "./rollout-state.ts";
import { stopOfService, type WishTarget, wishesOf } from "./wishes.ts";
import type { World } from "./world.ts";

/** A sentence fits; more belongs elsewhere, for it is told with every view. */
export const MAX_REASON_CHARACTERS = 256;

/** null: the reason may be kept as it is. */
export function reasonProblem(reason: string): HandleResult | null {
  if (reason.length <= MAX_REASON_CHARACTERS && !/[\p{Cc}]/u.test(reason)) return null;
  return refuse(
    "invalid",
    "the reason is too long or has control characters",
    `use at most ${MAX_REASON_CHARACTERS} printable characters`,
    "reason",
  );
}

export function handleWish(world: World, command: WishCommand, context: CommandContext): HandleResult {
  const target = command.kind === "set-paused" ? wholeApp(command.app) : command.target;
  const problem = targetProblem(world, target) ?? reasonProblem(command.reason);
  if (problem !== null) return problem;
  const said: Said = { by: context.actor, atMs: context.wallMs, reason: command.reason };
  switch (command.kind) {
    case "set-stopped":
      return command.stopped ? stop(world, target, said) : start(world, target, said);
    case "restart":
      return restart(world, target, said);
    case "set-paused":
      return command.paused ? pause(world, target, said) : unpause(world, target, said);
  }
}

const wholeApp = (app: AppName): WishTarget => ({ app, service: null, slot: null });

function targetProblem(world: World, { app: name, service, slot }: WishTarget): HandleResult | null {
  const app = world.apps.get(name);
  if (app === undefined)
    return refuse("not-found", `there is no app ${name}`, "skerry apps lists those that exist", "app");
  if (service === null) return null;
  if (serviceOf(app.spec, service) === null)
    return refuse(
      "invalid",
      `app ${name} has no service ${service}`,
      `it has: ${app.spec.services.map((one) => one.name).join(", ")}`,
      "service",
    );
  if (slot === null) return null;
  const id = workloadId(name, service, slot);
  if (world.placements.has(id) || world.unplaced.has(id)) return null;
  return refuse("invalid", `there is no copy ${id}`, `skerry ps ${name}/${service} lists those that exist`, "slot");
}

function wishAt(world: World, target: WishTarget): Wish {
  const { app, service, slot } = target;
  return world.wishes.get(wishKey(target)) ?? { app, service, slot, stopped: null, restarts: 0, paused: null };
}

/** A wish that wants nothing is none. */
function wishChange(wish: Wish): Change {
  const isEmpty = wish.stopped === null && wish.paused === null && wish.restarts === 0;
  return isEmpty ? { kind: "wish-removed", key: wishKey(wish) } : { kind: "wish-set", wish };
}

function wished(
  world: World,
  target: WishTarget,
  what: string,
  { by, reason }: Said,
  wishes: readonly Wish[],
): HandleResult {
  const { app } = target;
  const nodes = new Set(placedOf(world, app).flatMap((id) => world.placements.get(id)?.node ?? []));
  return ok({
    changes: [
      ...wishes.map(wishChange),
      { kind: "hub-event", event: { kind: "wish-changed", app, target: wishKey(target), what, by, reason } },
      // Of a paused app nothing was looked at: its nodes are, when that ends.
      { kind: "dirty", apps: [app], nodes: what === "unpaused" ? sorted(nodes) : [] },
    ],
    outcome: { kind: "wish-changed", app, changed: true },
  });
}

const unchanged = ({ app }: WishTarget): HandleResult =>
  ok({ changes: [], outcome: { kind: "wish-changed", app, changed: false } });

/** The first to say so is kept: since when it stands stopped, and why, does not change by saying it again. */
function stop(world: World, target: WishTarget, said: Said): HandleResult {
  const wish = wishAt(world, target);
  return wish.stopped !== null
    ? unchanged(target)
    : wished(world, target, "stopped", said, [{ ...wish, stopped: said }]);
}

/** Lifts the stops of the target and of everything below it. One above it is another's wish: it is named, not lifted. */
function start(world: World, target: WishTarget, said: Said): HandleResult {
  const above = stopAbove(world, target);
  if (above !== null) return above;
  const key = wishKey(target);
  const stops = sorted(world.wishes.keys()).flatMap((other): readonly Wish[] => {
    const wish = world.wishes.get(other);
    return wish === undefined || wish.stopped === null || !isBelow(key, other) ? [] : [{ ...wish, stopped: null }];
  });
  return stops.length === 0 ? unchanged(target) : wished(world, target, "started", said, stops);
}

const isBelow = (key: string, other: string): boolean => other === key || other.startsWith(`${key}/`);

function stopAbove(world: World, { app, service, slot }: WishTarget): HandleResult | null {
  if (service === null) return null;
  const stop = stopOfService(world, app, slot === null ? null : service);
  if (stop === null) return null;
  return refuse(
    "invalid",
    `${stop.target} is stopped as a whole, by ${stop.said.by}`,
    `skerry start ${stop.target} starts all of it`,
    "target",
  );
}

/**
 * The number only grows, also when a wish was forgotten in between: it is that of the hub's newest commit. A node that was away
 * meanwhile therefore always sees a larger one than it has carried out.
 */
function restart(world: World, target: WishTarget, said: Said): HandleResult {
  const own = world.wishes.get(wishKey(target))?.stopped ?? null;
  if (own !== null)
    return refuse(
      "invalid",
      `${wishKey(target)} is stopped, by ${own.by}`,
      `skerry start ${wishKey(target)} starts it`,
      "target",
    );
  const above = stopAbove(world, target);
  if (above !== null) return above;
  // Larger than any there ever was of this app, also of wishes that are gone: commits were made since.
  const restarts = Math.max(world.seq, ...wishesOf(world, target.app).map((wish) => wish.restarts)) + 1;
  return wished(world, target, "restarted", said, [{ ...wishAt(world, target), restarts }]);
}

function pause(world: World, target: WishTarget, said: Said): HandleResult {
  const wish = wishAt(world, target);
  return wish.paused !== null ? unchanged(target) : wished(world, target, "paused", said, [{ ...wish, paused: said }]);
}

function unpause(world: World, target: WishTarget, said: Said): HandleResult {
  const wish = wishAt(world, target);
  return wish.paused === null
    ? unchanged(target)
    : wished(world, target, "unpaused", said, [{ ...wish, paused: null }]);
}

// --- scale

/** As `deploy.replicas` allows. */
export const MAX_REPLICAS = 10_000;

/** The services with other replicas, or why that cannot be. */
export function scaled(
  services: readonly ServiceSpec[],
  app: AppName,
  name: ServiceName,
  replicas: number,
): { readonly services: ServiceSpec[] } | { readonly refused: HandleResult } {
  const service = services.find((one) => one.name === name);
  if (service === undefined) {
    const names = services.map((one) => one.name).join(", ");
    return { refused: refuse("invalid", `app ${app} has no service ${name}`, `it has: ${names}`, "service") };
  }
  if (service.mode.kind === "global")
    return {
      refused: refuse(
        "invalid",
        `${app}/${name} is global: it has one copy on each node that matches its constraints`,
        "to have more or fewer, label nodes or change its constraints; mode: replicated in the file takes a number",
        "replicas",
      ),
    };
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > MAX_REPLICAS)
    return {
      refused: refuse(
        "invalid",
        `a service has 0 to ${MAX_REPLICAS} copies, not ${replicas}`,
        "give a number in between",
        "replicas",
      ),
    };
  const mode = { kind: "replicated", replicas } as const;
  return { services: services.map((one) => (one.name === name ? { ...one, mode } : one)) };
}
