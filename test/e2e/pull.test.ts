// Images from a real registry over links that fail: pulled, tried again, and never asked for before a container starts.
import { expect, test } from "vitest";
import { type FaultProxy, startFaultProxy } from "../lab/faultproxy.ts";
import { BASE, image } from "../lab/images.ts";
import { freePort, type Registry } from "../lab/registry.ts";
import { until } from "../lab/wait.ts";
import { compose, fleetForThisFile, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 1 });
/** In the middle of the one layer, which has about 2 MB. */
const BREAK_AFTER_BYTES = 200_000;

const api = () => fleet().node(1).engine.api;

/** A registry behind a wire that can be broken; `push` returns the reference through that wire. */
async function registryBehindWire(): Promise<{
  registry: Registry;
  wire: FaultProxy;
  push: (name: string) => Promise<string>;
}> {
  const { lab } = fleet();
  const registry = await lab.registry();
  const [host = "", port = ""] = registry.host.split(":");
  const at = { host: lab.hubAddress, port: await freePort(lab.hubAddress) };
  const wire = lab.use(await startFaultProxy(at, { host, port: Number(port) }));
  return {
    registry,
    wire,
    push: async (name) => {
      // A file of its own gives each image a layer of its own.
      await registry.push(await image({ ...BASE, name, files: { "/etc/image": name } }), name);
      return `${at.host}:${at.port}/${name}`;
    },
  };
}

test("an image is pulled once; a killed container is started again without asking the registry", async () => {
  const { wire, push } = await registryBehindWire();
  const reference = await push("shop/web:1");
  await fleet().apply("pulled", compose({ web: service({ image: reference }) }));
  await untilGood(fleet(), "pulled");
  expect((await api().inspect("pulled-web-1")).Config.Image).toBe(reference);
  const before = await api().fingerprint("pulled-web-1");
  const bytes = { ...wire.bytes };
  await api().kill("pulled-web-1");
  await until(
    "it runs again",
    async () => {
      const now = await api().find("pulled-web-1");
      return now?.State.Running && now.State.Pid !== before.pid;
    },
    SOON_MS,
  );
  await untilGood(fleet(), "pulled");
  // The registry could have been asked, and was not.
  expect(wire.bytes).toEqual(bytes);
  await fleet().hub.call("DELETE", "/v1/apps/pulled");
});

test("a pull that breaks off in the middle is tried again until it is through, and what ran before runs on meanwhile", async () => {
  const { wire, push } = await registryBehindWire();
  const [first, second] = [await push("shop/web:2"), await push("shop/web:3")];
  await fleet().apply("broken", compose({ web: service({ image: first }) }));
  await untilGood(fleet(), "broken");
  const before = await api().fingerprint("broken-web-1");
  wire.set({ resetAfterBytes: BREAK_AFTER_BYTES });
  await fleet().apply("broken", compose({ web: service({ image: second }) }));
  const broke = wire.bytes["to-client"] + BREAK_AFTER_BYTES;
  await until("the pull has broken off", () => wire.bytes["to-client"] >= broke, SOON_MS);
  expect(await api().fingerprint("broken-web-1")).toEqual(before);
  wire.heal();
  await until("the new one runs", async () => (await api().find("broken-web-1"))?.Config.Image === second, SOON_MS);
  await untilGood(fleet(), "broken");
  expect(await runningOn(fleet().node(1), "broken")).toEqual(["broken-web-1"]);
  await fleet().hub.call("DELETE", "/v1/apps/broken");
});

test("[A89] [A88] a slow pull is told with its bytes and layers, and one that is refused by its kind", async () => {
  const { wire, push } = await registryBehindWire();
  const [slow, refused] = [await push("shop/web:4"), await push("shop/web:5")];
  const told = async (app: string) => (await fleet().hub.call("GET", `/v1/workloads?app=${app}`)).body.items[0];
  wire.set({ bytesPerSecond: 50_000 });
  await fleet().apply("slow", compose({ web: service({ image: slow }) }));
  const pulled = /being pulled: [\d.]+ MB of [\d.]+ MB \(\d+ %\), 0 of 1 layer unpacked, \d+ KB\/s/;
  await until("its progress is told", async () => pulled.test((await told("slow"))?.reason ?? ""), SOON_MS);
  wire.heal();
  await untilGood(fleet(), "slow");
  wire.set({ refuse: true });
  await fleet().apply("refused", compose({ web: service({ image: refused }) }));
  await until("the kind is told", async () => (await told("refused"))?.pullFailure === "unreachable", SOON_MS);
  expect((await told("refused")).hint).toContain("reaches the registry");
  wire.heal();
  await untilGood(fleet(), "refused");
  expect((await told("refused")).pullFailure).toBeNull();
  for (const app of ["slow", "refused"]) await fleet().hub.call("DELETE", `/v1/apps/${app}`);
});
