// `npm run demo`: a hub and three nodes with real engines on this one machine, and a story that shows what Skerry is for.
//   npm run demo              tells the story, then leaves everything up to be tried, until Ctrl-C
//   npm run demo -- --once    tells the story, prints one line of JSON, and exits 0 only if every step was true
// It leaves nothing running and nothing outside this checkout behind.
import { setTimeout as pause } from "node:timers/promises";
import { type Fleet, SKERRY, startFleet } from "../lab/fleet.ts";
import { demoImages } from "./images.ts";
import { type PanelEvent, type PanelNode, panel } from "./panel.ts";
import { Screen } from "./screen.ts";
import { STORY } from "./story.ts";

const NAMES = ["north", "south", "east"] as const;
/** Often enough to look alive, seldom enough to cost little. */
const REDRAW_MS = 500;

interface Told {
  readonly step: string;
  readonly seconds: number;
  readonly ok: boolean;
  readonly error?: string;
}

async function main(): Promise<void> {
  const once = process.argv.includes("--once");
  // With --once standard output is for the JSON line alone.
  const screen = new Screen(once ? process.stderr : process.stdout);
  const ended = endSignal();
  screen.say("Skerry runs containers on far-out machines, and keeps them running when nobody can reach them.");
  screen.say("This starts a hub and three greenhouses on this machine, each with a real Docker engine of its own.");
  const images = await demoImages();
  const startedAt = performance.now();
  const fleet = await startFleet({
    nodes: NAMES.length,
    names: NAMES,
    images,
    labels: () => ({ kind: "greenhouse" }),
    say: (text) => screen.say(`   ${text}`),
    handleSignals: false,
  });
  const told: Told[] = [{ step: "start", seconds: seconds(startedAt), ok: true }];
  try {
    screen.passed(
      `a hub and ${fleet.nodes.length} nodes that joined it with one token, over TLS, and take orders from its key alone`,
      seconds(startedAt),
    );
    const drawing = new AbortController();
    const drawn = keepDrawing(fleet, screen, drawing.signal);
    told.push(...(await tell(fleet, screen, ended)));
    drawing.abort();
    await drawn;
    if (!once && !ended.aborted) await leaveUp(fleet, screen, ended);
  } finally {
    screen.say("");
    screen.say("Stopping everything: hub, agents, engines, containers, networks.");
    await fleet[Symbol.asyncDispose]();
  }
  const ok = told.length === STORY.length + 1 && told.every((each) => each.ok);
  if (once) console.log(JSON.stringify({ demo: "greenhouse", ok, nodes: fleet.nodes.length, steps: told }));
  process.exit(ended.aborted ? 130 : ok ? 0 : 1);
}

/** A step that fails ends the story: what follows builds on it. */
async function tell(fleet: Fleet, screen: Screen, ended: AbortSignal): Promise<readonly Told[]> {
  const told: Told[] = [];
  for (const [index, step] of STORY.entries()) {
    if (ended.aborted) return told;
    screen.heading(index + 1, step.says);
    const startedAt = performance.now();
    try {
      const seen = await step.run(fleet);
      screen.passed(seen, seconds(startedAt));
      screen.show(await look(fleet));
      screen.keepPanel();
      told.push({ step: step.name, seconds: seconds(startedAt), ok: true });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      screen.failed(message);
      return [...told, { step: step.name, seconds: seconds(startedAt), ok: false, error: message }];
    }
  }
  return told;
}

async function leaveUp(fleet: Fleet, screen: Screen, ended: AbortSignal): Promise<void> {
  const node = fleet.nodes[0];
  screen.say("");
  screen.say("That was the story. Everything is still up: try it in another terminal.");
  screen.say("");
  for (const line of [
    `export SKERRY_HUB=${fleet.hub.url}`,
    `export SKERRY_PIN=$(cat ${fleet.hub.dataDir}/hub-pin)`,
    `export SKERRY_TOKEN=$(cat ${fleet.hub.dataDir}/admin-token)`,
    `export PATH=${SKERRY.replace(/\/skerry$/, "")}:$PATH`,
    "skerry nodes",
    "skerry ps",
    "skerry why greenhouse",
    "skerry events -f",
    ...(node === undefined ? [] : [`skerry agent status --data ${node.dataDir}`]),
    ...(node === undefined ? [] : [`docker -H unix://${node.engine.socketPath} kill greenhouse-page-1`]),
  ]) {
    // Not wrapped: people copy these.
    process.stdout.write(`   ${line}\n`);
  }
  screen.say("");
  screen.say("Ctrl-C ends it all.");
  const drawing = keepDrawing(fleet, screen, ended);
  await new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve(), { once: true }));
  await drawing;
}

async function keepDrawing(fleet: Fleet, screen: Screen, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    screen.show(await look(fleet));
    await pause(REDRAW_MS, undefined, { signal: until }).catch(() => undefined);
  }
  screen.show([]);
}

/** Containers are asked of the engines; only the column of the hub's opinion and the events come from the hub. */
async function look(fleet: Fleet): Promise<readonly string[]> {
  const hub = await askHub(fleet);
  const nodes = await Promise.all(
    fleet.nodes.map(async (node): Promise<PanelNode> => {
      const containers = await node.engine.api.containers().catch(() => null);
      const services = new Map(
        ["broker", "sensor", "page"].map((service) => {
          const found = containers?.find((each) => each.Names.includes(`/greenhouse-${service}-1`));
          return [service, containers === null ? "engine off" : found === undefined ? "-" : stateOf(found)] as const;
        }),
      );
      return { name: node.name, reachability: hub?.reachability.get(node.name) ?? null, services };
    }),
  );
  return panel(nodes, hub === null ? "off" : "on", hub?.revision ?? null, hub?.events ?? []);
}

function stateOf(container: { readonly State: string; readonly Status: string }): string {
  const health = /\((healthy|unhealthy|health: starting)\)/.exec(container.Status)?.[1];
  return health === undefined ? container.State : health.replace("health: ", "");
}

interface HubSays {
  readonly reachability: ReadonlyMap<string, string>;
  readonly revision: number | null;
  readonly events: readonly PanelEvent[];
}

async function askHub(fleet: Fleet): Promise<HubSays | null> {
  try {
    const [nodes, apps, events] = await Promise.all([
      fleet.hub.call("GET", "/v1/nodes"),
      fleet.hub.call("GET", "/v1/apps"),
      fleet.hub.call("GET", "/v1/events?limit=5"),
    ]);
    return {
      reachability: new Map(
        nodes.body.items.map((node: { name: string; reachability: { kind: string } }) => [
          node.name,
          node.reachability.kind,
        ]),
      ),
      revision: apps.body.items[0]?.revision ?? null,
      events: events.body.items.map(
        (event: {
          atMs: number;
          node: { name: string } | null;
          workload: string | null;
          text: string;
        }): PanelEvent => ({
          atMs: event.atMs,
          subject: [event.node?.name, event.workload?.split("/").slice(0, 2).join("/")]
            .filter((part) => part)
            .join(" "),
          text: event.text,
        }),
      ),
    };
  } catch {
    return null;
  }
}

function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

const seconds = (since: number): number => Math.round(performance.now() - since) / 1000;

await main();
