// A private registry on real engines: refused without a credential, pulled with one, a changed password, an image that is gone after a reboot
// without the hub, and that nothing that was written shows a password.
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { FleetNode } from "../lab/fleet.ts";
import { BASE, image } from "../lab/images.ts";
import type { Registry } from "../lab/registry.ts";
import { until } from "../lab/wait.ts";
import { filesWith, showsIn } from "../unit/canary.ts";
import { compose, fleetForThisFile, removeApp, runningOn, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 2 }, "restarted");
const REBOOT_MS = 120_000;
const USER = "farm";
const FIRST = "canary-e2e-7/first+password&all";
const SECOND = "canary-e2e-8/second+password&all";
const WRONG = "canary-e2e-9/wrong+password&all";

let registry: Registry | null = null;
const host = (): string => registry?.host ?? "";
const node = (): FleetNode => fleet().node(1);
const api = () => node().engine.api;
const path = (): string => `/v1/registries/${encodeURIComponent(host())}`;
const login = (password: string, more: object = {}) =>
  fleet().hub.call("PUT", path(), { user: USER, password, ...more });
const file = (reference: string): string =>
  compose({
    web: service({
      image: reference,
      deploy: { placement: { constraints: ["node.labels.number == 1"] } },
      "x-skerry": { disconnect: { policy: "keep" } },
    }),
  });
const told = async (app: string) => (await fleet().hub.call("GET", `/v1/workloads?app=${app}`)).body.items[0];
const boxes = async (one: FleetNode): Promise<readonly string[]> =>
  readdir(join(one.dataDir, "values")).catch(() => []);
const has = async (reference: string): Promise<boolean> =>
  (await api().images()).some(({ RepoTags }) => RepoTags?.includes(reference) ?? false);

async function push(name: string): Promise<string> {
  // A file of its own gives each image a layer of its own.
  return (await registry?.push(await image({ ...BASE, name, files: { "/etc/image": name } }), name))?.reference ?? "";
}

test("[C279] without a credential the pull is refused, and what is told names the registry and what to do", async () => {
  registry = await fleet().lab.registry({ user: USER, password: FIRST });
  await fleet().apply("kiosk", file(await push("private/web:1")));
  await until("the kind is told", async () => (await told("kiosk"))?.pullFailure === "unauthorised", SOON_MS);
  const { reason, hint } = await told("kiosk");
  expect(reason).toContain(`registry ${host()} does not give it out and was shown no credential`);
  expect(hint).toContain(`skerry registry login ${host()} --user USER --app kiosk`);
});

test("[C281] [C273] a wrong password is told as refused, the right one is used at once, and no revision is made by either", async () => {
  expect((await login(WRONG)).body).toMatchObject({ created: true, usedBy: ["kiosk"] });
  await until("it is refused", async () => (await told("kiosk"))?.reason.includes("refused the credential"), SOON_MS);
  expect((await told("kiosk")).hint).toContain("If the password was changed or has ended");
  // As an operator does it, from a file.
  const secret = join(fleet().lab.folder, "token");
  await writeFile(secret, `${FIRST}\n`);
  await fleet().skerry(["registry", "login", host(), "--user", USER, "--file", secret]);
  await writeFile(secret, "");
  await untilGood(fleet(), "kiosk");
  expect(await told("kiosk")).toMatchObject({ revision: 1, pullFailure: null });
  expect((await fleet().skerry(["registry", "ls"])).stdout).toMatch(/farm .* all +kiosk +ok/);
  // The node that runs nothing of it was given nothing.
  expect([(await boxes(node())).length, await boxes(fleet().node(2))]).toEqual([1, []]);
});

test("[C273] a changed password restarts nothing, and the next image is pulled with it", async () => {
  const before = await api().fingerprint("kiosk-web-1");
  await registry?.changeLogin({ user: USER, password: SECOND });
  expect((await login(SECOND)).body).toMatchObject({ created: false, changed: true, usedBy: ["kiosk"] });
  const reference = await push("private/web:2");
  expect(await api().fingerprint("kiosk-web-1")).toEqual(before);
  await fleet().apply("kiosk", file(reference));
  await until("the new image runs", async () => (await api().find("kiosk-web-1"))?.Config.Image === reference, SOON_MS);
  await untilGood(fleet(), "kiosk");
});

test("[C280] with the hub gone and the node rebooted an image that is gone is pulled again", async () => {
  await fleet().hub.kill();
  await node().powerCut();
  await node().engine.start();
  const { Id, Config } = await api().inspect("kiosk-web-1");
  await api().remove(Id);
  for (const { Id: each, RepoTags } of await api().images())
    if (RepoTags?.some((tag) => tag.startsWith(host())) ?? false)
      await api().call("DELETE", `/images/${each}?force=true`);
  expect(await has(Config.Image)).toBe(false);
  node().startAgent();
  await until("it runs", async () => (await runningOn(node(), "kiosk")).length === 1, REBOOT_MS);
  expect(await has(Config.Image)).toBe(true);
  await fleet().hub.start();
  await fleet().allReady(90_000);
  await untilGood(fleet(), "kiosk");
});

test("[I27] [C275] (H65) nothing that hub, agents and engines wrote shows a password", async () => {
  const canaries = [FIRST, SECOND, WRONG];
  const { lab, hub, nodes } = fleet();
  expect(filesWith(canaries, hub.dataDir)).toEqual([]);
  for (const { dataDir, name } of nodes) {
    expect(filesWith(canaries, dataDir)).toEqual([]);
    // What the engine keeps of its own; below overlay2 there are images and containers alone.
    const engine = join(lab.folder, `${name}-engine`);
    expect((await readdir(engine)).length).toBeGreaterThan(0);
    expect(filesWith(canaries, engine, [join(engine, "overlay2"), join(engine, "containerd")])).toEqual([]);
  }
  const inspected = JSON.stringify([await api().find("kiosk-web-1"), await api().call("GET", "/info")]);
  const said = [hub.process, ...nodes.map(({ agent }) => agent)].flatMap((one) => one?.lines ?? []);
  const answers: string[] = [inspected];
  for (const url of [
    "/v1/events?limit=500",
    "/v1/audit?limit=500",
    "/v1/registries",
    "/v1/apps/kiosk",
    "/v1/why/kiosk",
  ])
    answers.push(JSON.stringify((await hub.call("GET", url)).body));
  for (const canary of canaries) expect([...said, ...answers].filter((text) => showsIn(canary, text))).toEqual([]);
});

test("[C275] [C272] a credential that goes is wiped from the node, what runs goes on, and the next image is refused", async () => {
  const before = await api().fingerprint("kiosk-web-1");
  await fleet().skerry(["registry", "rm", host()]);
  await until("nothing is kept", async () => (await boxes(node())).length === 0, SOON_MS);
  expect(await api().fingerprint("kiosk-web-1")).toEqual(before);
  // One for another app is none for this one.
  expect((await login(SECOND, { apps: ["till"] })).body).toMatchObject({ usedBy: [] });
  await fleet().apply("other", file(await push("private/web:3")));
  await until("it is refused", async () => (await told("other"))?.pullFailure === "unauthorised", SOON_MS);
  expect((await told("other")).reason).toContain("was shown no credential");
  expect(await boxes(node())).toEqual([]);
  for (const app of ["other", "kiosk"]) await removeApp(fleet(), app);
});
