// The loop with the simulated engine on virtual time: what a node does by itself, without a hub.

import { containerLabels } from "@skerry/agent/engine/labels.ts";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { describe, expect, test } from "vitest";
import { assignment, hashOf, tombstone, volume, workload } from "./scenario.ts";
import { createSite, type Site } from "./site.ts";

const web = workload("web", { spec: { image: "sim/steady:1" } });
const one = assignment([web]);

/** A site on which `wanted` runs and nothing is left to do. */
async function settled(wanted: Assignment = one): Promise<Site> {
  const site = createSite();
  site.startAgent();
  site.assign(wanted);
  await site.run(20_000);
  return site;
}

const kindsOf = (site: Site): readonly string[] => site.events().map(({ kind }) => kind);
const stateOf = (site: Site, id = web.id) =>
  site
    .reconciler()
    .statuses()
    .find((status) => status.id === id)?.state;

describe("reconciler", () => {
  test("[N50] an accepted assignment comes to run: network, image, container, each once", async () => {
    const site = await settled();
    expect(stateOf(site)).toEqual({ kind: "running", health: "none" });
    expect(site.mutations.map(({ call }) => call.split(" ")[0])).toEqual(["create", "create", "start"]);
    expect(kindsOf(site)).toEqual(["image-pulled", "container-created", "container-started"]);
    expect([...site.content().containers.values()]).toEqual([web.id]);
  });

  test("[N51] at rest nothing is written, nothing is inspected, and the list is asked for every 30 s", async () => {
    const site = await settled();
    site.calls.clear();
    const { commits } = site.disk;
    await site.run(600_000);
    expect(site.disk.commits).toBe(commits);
    expect(Object.fromEntries(site.calls)).toEqual({ listContainers: 20, listNetworks: 20, listVolumes: 20 });
  });

  test("[N52] a killed container runs again within the engine's own time and 30 ms", async () => {
    const site = await settled();
    await site.run(60_000);
    const died = site.nowMs();
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    while (site.container("shop-web-1").status !== "running") await site.run(1);
    // The simulated engine: event ≤ 25 ms, list and inspect ≤ 15 ms each, start ≤ 350 ms.
    expect(site.nowMs() - died).toBeLessThan(25 + 2 * 17 + 350 + 30);
    await site.run(1_000);
    expect(kindsOf(site).slice(-2)).toEqual(["container-exited", "container-started"]);
  });

  test("[N53] events that are lost are made up for by the full look", async () => {
    const site = await settled();
    site.engine.faults.lostEvent = 1;
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    await site.run(31_000);
    expect(site.container("shop-web-1").status).toBe("running");
  });

  test("[N54] an engine that goes away is reported, asked by one ping at a time, and looked after when it is back", async () => {
    const site = await settled();
    site.engine.down();
    await site.run(2_000);
    expect(site.reconciler().conditions()).toMatchObject([{ kind: "engine-unreachable" }]);
    expect(kindsOf(site).at(-1)).toBe("engine-lost");
    site.calls.clear();
    await site.run(60_000);
    expect([...site.calls.keys()]).toEqual(["ping"]);
    expect(site.calls.get("ping")).toBeLessThan(30);
    site.engine.up(false);
    await site.run(8_000);
    expect(site.container("shop-web-1").status).toBe("running");
    expect(site.reconciler().conditions()).toEqual([]);
    expect(site.events()).toContainEqual(expect.objectContaining({ kind: "engine-back", restarted: true }));
  });

  test("[N54] an engine that hangs piles up no calls", async () => {
    const site = await settled();
    site.engine.hang();
    await site.run(60_000);
    site.calls.clear();
    await site.run(600_000);
    expect([...site.calls.keys()]).toEqual(["ping"]);
    site.engine.unhang();
    await site.run(15_000);
    expect(site.reconciler().conditions()).toEqual([]);
    expect(stateOf(site)).toEqual({ kind: "running", health: "none" });
  });

  test("[N55] an agent that is killed and started again touches nothing that is as wanted", async () => {
    const site = await settled();
    const { id, startedAt } = site.container("shop-web-1");
    site.mutations.length = 0;
    await site.restartAgent();
    await site.run(60_000);
    expect(site.mutations).toEqual([]);
    expect(site.container("shop-web-1")).toMatchObject({ id, startedAt });
  });

  test("[N55] killed at any point of making an app, it is finished by the next agent, without a second container", async () => {
    for (let atMs = 0; atMs < 3_000; atMs += 25) {
      const site = createSite();
      site.startAgent();
      site.assign(one);
      await site.run(atMs);
      await site.restartAgent();
      await site.run(20_000);
      expect(stateOf(site)).toEqual({ kind: "running", health: "none" });
      expect([...site.machine.containers.values()].map(({ name }) => name)).toEqual(["shop-web-1"]);
    }
  });

  test("[N56] a lost ledger is rebuilt from sealed labels; everything runs on until the hub says what is wanted", async () => {
    const site = await settled();
    const { id, startedAt } = site.container("shop-web-1");
    site.killAgent();
    site.disk.damage();
    site.mutations.length = 0;
    site.startAgent();
    await site.run(60_000);
    expect([...site.content().containers]).toEqual([[id, web.id]]);
    expect(site.events()).toContainEqual(expect.objectContaining({ kind: "ledger-rebuilt", adopted: 1 }));
    expect(site.reconciler().conditions()).toMatchObject([{ kind: "ledger-rebuilt" }]);
    expect(stateOf(site)).toEqual({ kind: "running", health: "none" });
    site.assign(one);
    await site.run(60_000);
    expect(site.mutations).toEqual([]);
    expect(site.container("shop-web-1")).toMatchObject({ id, startedAt });
    expect(site.reconciler().conditions()).toEqual([]);
  });

  test("[N204] statuses are about an assignment only after a look at the engine by it", async () => {
    const site = await settled();
    expect(site.reconciler().judged()).toEqual(one.position);
    site.killAgent();
    site.disk.damage();
    site.engine.down();
    site.startAgent();
    const retired = assignment([], { position: { epoch: 1, generation: 2 }, retired: [tombstone(web.id)] });
    site.assign(retired);
    await site.run(10_000);
    // Nothing is listed, and yet the container stands.
    expect(site.reconciler().statuses()).toEqual([]);
    expect(site.reconciler().judged()).toBeNull();
    site.engine.up(false);
    await site.run(20_000);
    expect([...site.machine.containers.keys()]).toEqual([]);
    expect(site.reconciler().judged()).toEqual(retired.position);
  });

  test("[N204] that nothing changed by another assignment is told too", async () => {
    const site = await settled();
    let told = 0;
    site.reconciler().onStatus(() => {
      told += 1;
    });
    site.assign({ ...one, position: { epoch: 1, generation: 2 } });
    await site.run(20_000);
    expect(told).toBe(1);
    expect(site.reconciler().judged()).toEqual({ epoch: 1, generation: 2 });
  });

  test("[N57] labels without a fitting seal, or under another name than was sealed, make nothing ours", async () => {
    const site = await settled();
    const spec = { ...defaultContainerSpec, image: "sim/steady:1" };
    const twin = containerLabels(site.key, workload("web", { slot: "2" }), "shop-web-2", "");
    const forged = { ...twin, "io.skerry.mac": "0" };
    site.machine.create({ name: "shop-web-2", spec, labels: forged, environment: {} }, "outside");
    site.machine.create({ name: "copy", spec, labels: twin, environment: {} }, "outside");
    site.mutations.length = 0;
    site.assign({ ...one, retired: [tombstone(workload("web", { slot: "2" }).id)] });
    await site.run(60_000);
    expect(site.mutations).toEqual([]);
    expect(site.reconciler().conditions()).toMatchObject([
      { kind: "foreign-label", message: expect.stringContaining("copy, shop-web-2") },
    ]);
  });

  test("[N58] right before each call it is asked whether it is still wanted", async () => {
    const site = await settled();
    const next = { ...web, specHash: hashOf("b2"), spec: { ...web.spec, image: "sim/steady:2" } };
    site.machine.images.set("sim/steady:2", { id: "2", arch: "arm64" });
    site.assign(assignment([next]));
    while (site.mutations.at(-1)?.call.startsWith("stop") !== true) await site.run(1);
    // In the middle of the stop the old revision is wanted again: it is not removed, but started.
    site.assign(one);
    await site.run(20_000);
    expect(site.mutations.map(({ call }) => call.split(" ")[0]).slice(-2)).toEqual(["stop", "start"]);
    expect(stateOf(site)).toEqual({ kind: "running", health: "none" });
  });

  test("[N58] a start that waits for its turn is not made when the lease has ended meanwhile", async () => {
    const fenced = workload("web", {
      spec: { image: "sim/steady:1" },
      disconnect: { policy: "fence", afterMs: 5_000 },
      fencingToken: 1,
    });
    const site = createSite();
    site.machine.images.set("sim/steady:1", { id: "1", arch: "arm64" });
    site.startAgent();
    site.link = { ...site.link, leaseFromMs: site.monotonicMs() };
    site.assign(assignment([fenced]));
    while (!site.mutations.some(({ call }) => call.startsWith("create shop-web-1"))) await site.run(1);
    site.link = { ...site.link, leaseFromMs: site.monotonicMs() - 5_000 };
    await site.run(10_000);
    expect(site.container("shop-web-1").status).toBe("created");
    expect(stateOf(site)).toEqual({ kind: "fenced" });
    site.link = { ...site.link, leaseFromMs: site.monotonicMs() };
    site.reconciler().wake("lease");
    await site.run(2_000);
    expect(site.container("shop-web-1").status).toBe("running");
    expect(site.container("shop-web-1").request.environment).toEqual({ SKERRY_FENCING_TOKEN: "1" });
    await site.run(10_000);
    expect(site.container("shop-web-1").status).toBe("exited");
    expect(kindsOf(site)).toContain("fenced");
  });

  test("[N59] a pull that nobody wants any more is called off", async () => {
    const site = createSite();
    site.engine.faults.slowness = 1_000;
    site.startAgent();
    site.engine.faults.slowness = 1;
    site.assign(one);
    while ((site.calls.get("pullImage") ?? 0) === 0) await site.run(1);
    site.engine.faults.slowness = 1_000;
    await site.run(3_000);
    expect(stateOf(site)?.kind).toBe("pulling");
    site.engine.faults.slowness = 1;
    site.assign(assignment([], { retired: [tombstone(web.id)] }));
    await site.run(2_000_000);
    expect(site.machine.images.size).toBe(0);
    expect(kindsOf(site)).toEqual([]);
  });

  test("[N60] a ledger that cannot be written is reported; what runs is still healed, and nothing said is lost", async () => {
    const site = await settled();
    await site.run(60_000);
    site.disk.onCommit = () => "full";
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    await site.run(5_000);
    expect(site.container("shop-web-1").status).toBe("running");
    expect(site.reconciler().conditions()).toMatchObject([{ kind: "disk-full" }]);
    const before = kindsOf(site).length;
    site.disk.onCommit = () => "written";
    await site.run(60_000);
    expect(kindsOf(site).slice(before)).toEqual(["container-exited", "container-started"]);
    expect(site.reconciler().conditions()).toEqual([]);
  });

  test("[N61] no more than four containers are started and two images pulled at once", async () => {
    const many = Array.from({ length: 12 }, (_, index) =>
      workload(`s${index}`, { spec: { image: `sim/steady:${index}` } }),
    );
    const site = createSite();
    site.startAgent();
    let [pulls, mostPulls] = [0, 0];
    site.assign(assignment(many));
    for (let turn = 0; turn < 3_000; turn += 1) {
      await site.run(10);
      pulls = (site.calls.get("pullImage") ?? 0) - site.machine.images.size;
      mostPulls = Math.max(mostPulls, pulls);
    }
    expect(mostPulls).toBe(2);
    expect(
      site
        .reconciler()
        .statuses()
        .map(({ state }) => state.kind),
    ).toEqual(many.map(() => "running"));
  });

  test("[N62] a person's edits are repaired within two seconds", async () => {
    const site = await settled();
    const { id } = site.container("shop-web-1");
    site.machine.rename(id, "mine", "outside");
    site.machine.disconnect("shop_default", id, "outside");
    await site.run(2_000);
    expect(site.container("shop-web-1")).toMatchObject({ id, networks: new Set(["shop_default"]) });
    site.machine.edit(id, 1_048_576, "outside");
    await site.run(2_000);
    expect(site.container("shop-web-1").limits.memoryBytes).toBe(0);
    site.machine.remove(site.container("shop-web-1").id, true, "outside", () => undefined);
    await site.run(2_000);
    expect(site.container("shop-web-1").status).toBe("running");
    const drifts = site.events().flatMap((event) => (event.kind === "drift" ? [event.what] : []));
    expect(drifts.sort()).toEqual([
      "it was detached from network shop_default",
      "it was renamed to mine",
      "its container was removed",
      "limits were edited (memory=1048576)",
    ]);
  });

  test("[N67] a retired app goes in the reverse order of its starts; its volumes stay, and an event names them", async () => {
    const mounts = [
      { kind: "volume", source: "shop_data", target: "/d", readOnly: false, noCopy: false, subpath: null } as const,
    ];
    const db = workload("db", { spec: { image: "sim/steady:1", mounts } });
    const dependsOn = [{ service: db.service, condition: "service_started", restart: false, required: true } as const];
    const app = workload("app", { spec: { image: "sim/steady:1", dependsOn } });
    const wanted = assignment([db, app]);
    const apps = wanted.apps.map((one) => ({ ...one, volumes: [volume("shop_data")] }));
    const site = await settled({ ...wanted, apps });
    const [dbId, appId] = [site.container("shop-db-1").id, site.container("shop-app-1").id];
    site.mutations.length = 0;
    site.assign(assignment([], { retired: [tombstone(app.id), tombstone(db.id)] }));
    await site.run(20_000);
    const stops = site.mutations.filter(({ call }) => call.startsWith("stop")).map(({ text }) => text);
    expect(stops).toEqual([appId, dbId]);
    expect([...site.machine.containers.keys()]).toEqual([]);
    expect([...site.machine.networks.values()].map(({ name }) => name)).not.toContain("shop_default");
    expect([...site.machine.volumes.keys()]).toEqual(["shop_data"]);
    expect(site.events()).toContainEqual({ kind: "volume-kept", workload: db.id, volume: "shop_data" });
    expect(site.content()).toMatchObject({ memory: new Map(), containers: new Map() });
  });

  test("[N68] a repair that the engine never shows is not tried at full speed", async () => {
    const site = await settled();
    site.machine.rename(site.container("shop-web-1").id, "odd", "outside");
    site.machine.rename = () => undefined;
    site.mutations.length = 0;
    await site.run(600_000);
    expect(site.mutations.length).toBeGreaterThan(10);
    expect(site.mutations.length).toBeLessThan(80);
  });

  test("[N53] an event stream that breaks is opened again, and what it missed is looked for", async () => {
    const site = await settled();
    site.engine.down();
    site.engine.up(true);
    await site.run(5_000);
    const died = site.nowMs();
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    while (site.container("shop-web-1").status !== "running") await site.run(5);
    expect(site.nowMs() - died).toBeLessThan(1_000);
  });

  test("[N63] after a power cut everything starts again without a hub", async () => {
    const site = await settled(assignment([web, workload("db", { spec: { image: "sim/steady:1" } })]));
    site.powerCut();
    site.startAgent();
    await site.run(10_000);
    expect(
      site
        .reconciler()
        .statuses()
        .map(({ state }) => state.kind),
    ).toEqual(["running", "running"]);
  });

  test("[N64] ages are counted up to the moment of asking, and statuses are told when more than an age is new", async () => {
    const site = await settled();
    let told = 0;
    site.reconciler().onStatus(() => {
      told += 1;
    });
    const before = site.reconciler().statuses()[0]?.forMs ?? 0;
    await site.run(45_000);
    expect((site.reconciler().statuses()[0]?.forMs ?? 0) - before).toBe(45_000);
    expect(told).toBe(0);
    site.machine.kill(site.container("shop-web-1").id, "outside", 137);
    await site.run(1_000);
    expect(told).toBeGreaterThan(0);
  });

  test("[N65] stopping ends the loop; containers run on", async () => {
    const site = await settled();
    await site.stopAgent();
    site.calls.clear();
    await site.run(120_000);
    expect(site.calls.size).toBe(0);
    expect(site.container("shop-web-1").status).toBe("running");
  });

  test("[N66] a crash loop backs off, says when the next try is, and stays slow after an agent restart", async () => {
    const site = await settled(assignment([workload("web", { spec: { image: "sim/doomed:1" } })]));
    await site.run(120_000);
    const state = stateOf(site);
    expect(state).toMatchObject({ kind: "backing-off", during: "run", reason: expect.stringContaining("exit 1") });
    const starts = (): number => site.mutations.filter(({ call }) => call.startsWith("start")).length;
    const before = starts();
    expect(before).toBeLessThan(10);
    for (let turn = 0; turn < 5; turn += 1) {
      await site.restartAgent();
      await site.run(1_000);
    }
    expect(starts() - before).toBeLessThanOrEqual(1);
  });
});
