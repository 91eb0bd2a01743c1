// `skerry stop|start|restart TARGET`, `skerry pause|unpause APP`: what is wanted beside the file. It lasts until it is taken back.
import type { Wished } from "../../http/schemas/wishes.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef, targetRef } from "../refs.ts";
import { plural } from "../render.ts";

export interface WishOptions extends HubOptions {
  readonly target: string;
  readonly reason?: string;
  readonly json?: boolean;
}

export type WishKind = "stop" | "start" | "restart" | "pause" | "unpause";

const ROUTES = {
  stop: "stopApp",
  start: "startApp",
  restart: "restartApp",
  pause: "pauseApp",
  unpause: "unpauseApp",
} as const;

export async function wish(io: Io, options: WishOptions, kind: WishKind): Promise<ExitCode> {
  const reason = options.reason ?? "";
  const client = await connect(io, options);
  const wished =
    kind === "pause" || kind === "unpause"
      ? await client.call(ROUTES[kind], { params: { app: appRef(options.target) }, body: { reason } })
      : await ofTarget(client, ROUTES[kind], options.target, reason);
  io.out(options.json === true ? `${safeJson(wished)}\n` : wishedText(wished, kind));
  return EXIT.done;
}

async function ofTarget(
  client: Awaited<ReturnType<typeof connect>>,
  route: "stopApp" | "startApp" | "restartApp",
  target: string,
  reason: string,
): Promise<Wished> {
  const { app, service, slot } = targetRef(target);
  return await client.call(route, { params: { app }, body: { service, slot, reason } });
}

/** How it goes on, for each of them. */
const SAID: Readonly<Record<WishKind, readonly [done: string, already: string]>> = {
  stop: ["is to stand stopped, until it is started", "is stopped already"],
  start: ["is to run", "is to run already"],
  restart: ["is restarted once, on each node", ""],
  pause: ["is paused: the hub changes nothing of it, and what runs on the nodes runs on", "is paused already"],
  unpause: ["is no longer paused, and catches up", "is not paused"],
};

export function wishedText({ target, changed, workloads, waitingFor }: Wished, kind: WishKind): string {
  const [done, already] = SAID[kind];
  if (!changed) return `${target} ${already}.\n`;
  const isOfCopies = kind !== "pause" && kind !== "unpause";
  const count = isOfCopies ? ` (${plural(workloads.length, "workload")})` : "";
  const lines = [`${target} ${done}${count}.`];
  if (isOfCopies && waitingFor.length > 0)
    lines.push(`Not heard from, and told when they are back: ${waitingFor.map(({ name }) => name).join(", ")}.`);
  return `${lines.join("\n")}\n`;
}
