// Machines that run short and that restart too often: new work stays away, images that do not fit are refused before they are pulled,
// what runs is left alone, and all of it ends when its cause does.
import { createHash } from "node:crypto";
import { statfsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../lab/command.ts";
import { startFaultProxy } from "../lab/faultproxy.ts";
import { type FleetNode, SKERRY } from "../lab/fleet.ts";
import { BASE, image } from "../lab/images.ts";
import { freePort } from "../lab/registry.ts";
import { stays, until } from "../lab/wait.ts";
import { compose, fingerprints, fleetForThisFile, removeApp, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const MEBIBYTE = 1_048_576;
/** Of it a fifth, 40 MB, is the reserve; and half of that is kept from images. */
const DISK_MEGABYTES = 200;
/** Figures are read once a minute: coming and going take up to two of them. */
const TEST_MS = 480_000;
const SEEN_MS = 150_000;
const BOOTED_MS = 120_000;
/** The fifth boot after four quick ones; the first one here was none. */
const CUTS = 5;

const fleet = fleetForThisFile(
  {
    nodes: 2,
    labels: (number) => ({ number: String(number) }),
    disk: (number) => (number === 1 ? DISK_MEGABYTES : null),
  },
  "restarted",
);

const at = (number: number, more: Readonly<Record<string, unknown>> = {}): string =>
  compose({
    web: service({ ...more, deploy: { placement: { constraints: [`node.labels.number == ${number}`] } } }),
  });

const engineDisk = (): string => join(fleet().lab.folder, "n1-engine");

/** Takes room on the engine's disk until so much is left; gives it back when disposed. */
async function fillUntil(leftMegabytes: number): Promise<AsyncDisposable> {
  const { bsize, bavail } = statfsSync(engineDisk());
  const filler = join(engineDisk(), "filler");
  const file = await open(filler, "w");
  await file.close();
  await run("fallocate", ["-l", String(bsize * bavail - leftMegabytes * MEBIBYTE), filler]);
  return {
    async [Symbol.asyncDispose]() {
      await rm(filler, { force: true });
    },
  };
}

async function conditionsOf(node: FleetNode): Promise<readonly string[]> {
  const { body } = await fleet().hub.call("GET", `/v1/nodes/${node.name}`);
  return body.conditions.map(({ kind }: { kind: string }) => kind);
}

const untilCondition = (node: FleetNode, kind: string, on: boolean, withinMs: number): Promise<true> =>
  until(
    `${node.name} ${on ? "shows" : "shows no"} ${kind}`,
    async () => (await conditionsOf(node)).includes(kind) === on,
    withinMs,
  );

async function reasonOf(app: string): Promise<string> {
  const { body } = await fleet().hub.call("GET", `/v1/workloads?app=${app}&limit=5`);
  return body.items.map((item: { reason: string }) => item.reason).join("; ");
}

/** Text that hardly becomes smaller, the same at each run. */
function noise(megabytes: number): string {
  const parts: string[] = [];
  let last = "noise";
  for (let length = 0; length < megabytes * MEBIBYTE; length += last.length) {
    last = createHash("sha512").update(last).digest("hex");
    parts.push(last);
  }
  return parts.join("");
}

test(
  "[N160] [N161] an image that does not fit is refused before its pull with the sizes, and comes once there is room",
  async () => {
    const { lab } = fleet();
    const registry = await lab.registry();
    const [host = "", port = ""] = registry.host.split(":");
    const door = { host: lab.hubAddress, port: await freePort(lab.hubAddress) };
    const wire = lab.use(await startFaultProxy(door, { host, port: Number(port) }));
    await registry.push(await image({ ...BASE, name: "shop/big:1", files: { "/etc/noise": noise(32) } }), "shop/big:1");
    {
      await using _filler = await fillUntil(64);
      await fleet().apply("big", at(1, { image: `${door.host}:${door.port}/shop/big:1` }));
      await until("it is refused", async () => /does not fit: \d+ MB to fetch/.test(await reasonOf("big")), SOON_MS);
      // The registry was asked for its documents and for no layer, which has 16 MB or more.
      expect(wire.bytes["to-client"]).toBeGreaterThan(0);
      expect(wire.bytes["to-client"]).toBeLessThan(MEBIBYTE);
    }
    await untilGood(fleet(), "big", 120_000);
    await removeApp(fleet(), "big");
  },
  TEST_MS,
);

test(
  "[N151] [H240] [H241] a nearly full disk keeps new work away and what runs running, until there is room",
  async () => {
    const node = fleet().node(1);
    await fleet().apply("old", at(1));
    await untilGood(fleet(), "old");
    const before = await fingerprints(fleet(), "old");
    {
      await using _filler = await fillUntil(20);
      await untilCondition(node, "disk-pressure", true, SEEN_MS);
      await fleet().apply("new", at(1));
      await until(
        "it says why it waits",
        async () => (await reasonOf("new")).includes("its disk is nearly full"),
        SOON_MS,
      );
      expect(await runningOn(node, "new")).toEqual([]);
    }
    await untilCondition(node, "disk-pressure", false, SEEN_MS);
    await untilGood(fleet(), "new");
    expect(await fingerprints(fleet(), "old")).toEqual(before);
    const { items } = (await fleet().hub.call("GET", "/v1/events?limit=500")).body;
    const kinds = items.map((event: { kind: string }) => event.kind);
    expect(kinds).toContain("condition-on");
    expect(kinds).toContain("condition-off");
    await removeApp(fleet(), "old");
    await removeApp(fleet(), "new");
  },
  TEST_MS,
);

test(
  "[N156] [N157] [N158] a machine that restarts over and over changes nothing, keeps what ran, and goes on when it is told",
  async () => {
    const node = fleet().node(2);
    await fleet().apply("kept", at(2));
    await untilGood(fleet(), "kept");
    for (let cut = 1; cut <= CUTS; cut += 1) {
      const { bootId } = await node.status();
      await node.powerCut();
      await node.powerUp();
      const booted = async (): Promise<boolean> => {
        const status = await node.status().catch(() => null);
        return status !== null && status.bootId !== undefined && status.bootId !== bootId;
      };
      await until("it has started again", booted, BOOTED_MS);
      const kinds = (await node.status()).conditions.map(({ kind }: { kind: string }) => kind);
      expect(kinds.includes("safe-mode")).toBe(cut === CUTS);
    }
    await fleet().allReady(BOOTED_MS);
    await untilCondition(node, "safe-mode", true, SOON_MS);
    await until("what ran runs again", async () => (await runningOn(node, "kept")).length === 1, SOON_MS);
    const { pid } = await node.engine.api.fingerprint("kept-web-1");
    await node.engine.api.kill("kept-web-1");
    const healed = async (): Promise<boolean> => {
      const now = await node.engine.api.find("kept-web-1");
      return now?.State.Running === true && now.State.Pid !== pid;
    };
    await until("it is healed", healed, SOON_MS);
    const before = await fingerprints(fleet(), "kept");
    await fleet().apply("kept", at(2, { environment: { CHANGED: "yes" } }));
    await fleet().apply("late", at(2));
    await until("the new one says why it waits", async () => (await reasonOf("late")).includes("safe mode"), SOON_MS);
    await stays(
      "nothing is changed",
      async () => JSON.stringify([...(await fingerprints(fleet(), "kept"))]) === JSON.stringify([...before]),
      3_000,
    );
    await run(SKERRY, ["agent", "safe-mode", "off", "--data", node.dataDir]);
    await untilCondition(node, "safe-mode", false, SOON_MS);
    await untilGood(fleet(), "late");
    await untilGood(fleet(), "kept");
    expect((await node.engine.api.find("kept-web-1"))?.Config.Env).toContain("CHANGED=yes");
    await removeApp(fleet(), "kept");
    await removeApp(fleet(), "late");
  },
  TEST_MS,
);
