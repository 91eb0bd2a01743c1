// The story that the demo tells, step by step. Each step does one thing and then proves it by looking at the engines
// themselves (not at what the hub or an agent says); a step that cannot be proven fails.
import { strict as assert } from "node:assert";
import type { Fingerprint } from "../lab/api.ts";
import type { Fleet, FleetNode } from "../lab/fleet.ts";
import { until } from "../lab/wait.ts";
import { COMPOSE_FILE } from "./images.ts";

export interface Step {
  /** For the JSON line; stable. */
  readonly name: string;
  readonly says: string;
  /** Does it and proves it; returns one sentence about what was seen. */
  readonly run: (fleet: Fleet) => Promise<string>;
}

const SERVICES = ["broker", "sensor", "page"] as const;
const container = (service: string): string => `greenhouse-${service}-1`;

/** Two cores start nine containers, with health checks every second or two. */
const UP_WITHIN_MS = 90_000;
/** A killed container is back as soon as the engine has started it again; generous for a busy machine. */
const HEAL_WITHIN_MS = 30_000;
/** Engine, agent and containers of one node start again. */
const REBOOT_WITHIN_MS = 120_000;

export const STORY: readonly Step[] = [
  {
    name: "apply",
    says: "Apply greenhouse's Compose file: a broker, a sensor and a page in each greenhouse.",
    async run(fleet) {
      const { stdout } = await fleet.skerry(["apply", "-f", COMPOSE_FILE, "--wait", "--timeout", "90s"]);
      await allUp(fleet);
      const readings = await Promise.all(fleet.nodes.map(reading));
      return `${fleet.nodes.length * SERVICES.length} containers run; a page shows "${readings[0]}". ${lastLine(stdout)}`;
    },
  },
  {
    name: "kill-heals",
    says: "Kill a container behind everybody's back. The agent on that node notices and starts it again.",
    run: (fleet) => killAndHeal(node(fleet, 0), "page"),
  },
  {
    name: "hub-off",
    says: "Switch the hub off. Nobody is there to give orders now.",
    async run(fleet) {
      const before = await fingerprints(fleet);
      await fleet.hub.stop();
      assert.deepEqual(await fingerprints(fleet), before, "a container was touched");
      return "the hub is gone; every container runs on, untouched.";
    },
  },
  {
    name: "kill-heals-offline",
    says: "Kill a container again, with the hub gone. It must heal all the same.",
    run: (fleet) => killAndHeal(node(fleet, 1), "sensor"),
  },
  {
    name: "reboot-offline",
    says: "Pull the plug of a whole node, engine and agent, with the hub gone; then power it up again.",
    async run(fleet) {
      const rebooted = node(fleet, 2);
      await rebooted.powerCut();
      await rebooted.powerUp();
      await nodeUp(rebooted, REBOOT_WITHIN_MS);
      return `${rebooted.name} started its engine, its agent and all ${SERVICES.length} containers by itself.`;
    },
  },
  {
    name: "hub-back",
    says: "Bring the hub back. It must change nothing: what runs is right already.",
    async run(fleet) {
      await allUp(fleet);
      const before = await fingerprints(fleet);
      await fleet.hub.start();
      await fleet.allReady();
      await until("the hub shows every workload as good", () => fleet.allGood("greenhouse"), UP_WITHIN_MS);
      assert.deepEqual(await fingerprints(fleet), before, "a container was restarted");
      return "all nodes are back in touch, and not one container was restarted.";
    },
  },
  {
    name: "new-revision",
    says: "Apply a new revision: the page gets another title. Only the page is replaced.",
    async run(fleet) {
      const before = await fingerprints(fleet);
      await fleet.skerry(["apply", "-f", COMPOSE_FILE, "--wait", "--timeout", "90s"], { TITLE: "Tomatoes" });
      await until("every page shows its new title", () => everyPage(fleet, "Tomatoes"), UP_WITHIN_MS);
      await allUp(fleet);
      const after = await fingerprints(fleet);
      for (const [key, fingerprint] of before) {
        if (key.endsWith("/page")) assert.notEqual(after.get(key)?.id, fingerprint.id, `${key} was not replaced`);
        else assert.deepEqual(after.get(key), fingerprint, `${key} was touched`);
      }
      return `every page says "Tomatoes"; brokers and sensors were not touched.`;
    },
  },
  {
    name: "bad-revision",
    says: "Apply a revision with a mistake: the page listens on the wrong port. It must go back by itself.",
    async run(fleet) {
      const before = await fingerprints(fleet);
      const file = ["-f", COMPOSE_FILE, "--wait", "--timeout", "120s"];
      const mistake = { TITLE: "Cucumbers", LISTEN_PORT: "8081" };
      const bad = await fleet.skerry(["apply", ...file], mistake, { mayFail: true });
      assert.equal(bad.code, 1, `apply of a bad revision ended with ${bad.code}`);
      await until("every page says Tomatoes again", () => everyPage(fleet, "Tomatoes"), UP_WITHIN_MS);
      await allUp(fleet);
      const after = await fingerprints(fleet);
      const touched = [...before].filter(([key, was]) => !isSame(was, after.get(key))).map(([key]) => key);
      assert(
        touched.every((key) => key.endsWith("/page")) && touched.length <= 1,
        `more than one page was touched: ${touched}`,
      );
      const told = bad.stderr.split("\n").find((line) => line.includes("rolled back"));
      assert(told !== undefined, `apply does not say that it was rolled back: ${bad.stderr}`);
      return `only one greenhouse ever tried it and it went back; all pages say "Tomatoes". The command said: ${told.trim()}`;
    },
  },
];

function node(fleet: Fleet, index: number): FleetNode {
  // With one node (no namespaces on this machine) the whole story happens on that one.
  const chosen = fleet.nodes[index % fleet.nodes.length];
  assert(chosen !== undefined);
  return chosen;
}

async function killAndHeal(where: FleetNode, service: string): Promise<string> {
  const before = await where.engine.api.fingerprint(container(service));
  const killedAt = performance.now();
  await where.engine.api.kill(container(service));
  await until(
    `${service} runs again on ${where.name}`,
    async () => {
      const now = await where.engine.api.find(container(service));
      return now?.State.Running && now.State.Pid !== before.pid;
    },
    HEAL_WITHIN_MS,
  );
  const seconds = (performance.now() - killedAt) / 1000;
  await nodeUp(where, HEAL_WITHIN_MS);
  return `${service} on ${where.name} was back after ${seconds.toFixed(1)} s.`;
}

async function allUp(fleet: Fleet): Promise<void> {
  await Promise.all(fleet.nodes.map((each) => nodeUp(each, UP_WITHIN_MS)));
}

/** Everything of the app runs there, is healthy where it has a check, and the page answers with a reading. */
async function nodeUp(where: FleetNode, withinMs: number): Promise<void> {
  await until(
    `broker, sensor and page are up on ${where.name}`,
    async () => {
      for (const service of SERVICES) {
        const { State } = await where.engine.api.inspect(container(service));
        if (!State.Running || (State.Health !== undefined && State.Health.Status !== "healthy")) return false;
      }
      return (await reading(where)) !== null;
    },
    withinMs,
  );
}

/** The newest line that the page shows, fetched from inside it; null: none yet. */
async function reading(where: FleetNode): Promise<string | null> {
  const { code, output } = await where.engine.api.exec(container("page"), [
    "wget",
    "-q",
    "-O-",
    "http://127.0.0.1:8080/",
  ]);
  if (code !== 0) return null;
  return /<li>[^ ]+ ([^<]+)<\/li>\s*<\/ol>/.exec(output)?.[1] ?? null;
}

const isSame = (a: Fingerprint, b: Fingerprint | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

async function everyPage(fleet: Fleet, title: string): Promise<boolean> {
  for (const each of fleet.nodes) {
    const { output } = await each.engine.api.exec(container("page"), ["wget", "-q", "-O-", "http://127.0.0.1:8080/"]);
    if (!output.includes(`<h1>${title}</h1>`)) return false;
  }
  return true;
}

async function fingerprints(fleet: Fleet): Promise<Map<string, Fingerprint>> {
  const found = new Map<string, Fingerprint>();
  for (const each of fleet.nodes) {
    for (const service of SERVICES) {
      found.set(`${each.name}/${service}`, await each.engine.api.fingerprint(container(service)));
    }
  }
  return found;
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";
