// Somebody changes our containers behind our back, in every way an engine allows; the agent repairs within moments.
import { beforeAll, expect, test } from "vitest";
import { BASE } from "../lab/images.ts";
import { stays, until } from "../lab/wait.ts";
import { compose, fleetForThisFile, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 1 });
const NAME = "drift-web-1";
/** "Within a second or two" on an idle machine; what the tests allow is for a busy one. */
const REPAIRED_MS = 20_000;

const api = () => fleet().node(1).engine.api;

beforeAll(async () => {
  // Each test breaks it once; a run this long counts as stable, so that no repair waits for a back-off.
  const web = service({ deploy: { restart_policy: { window: "1s" }, resources: { limits: { memory: "64M" } } } });
  await fleet().apply("drift", compose({ web }));
  await untilGood(fleet(), "drift");
});

async function stable(): Promise<void> {
  await untilGood(fleet(), "drift");
  await stays("it runs", async () => (await api().find(NAME))?.State.Running, 1_500);
}

async function runsAgain(what: string, look: () => Promise<unknown>): Promise<void> {
  await until(what, look, REPAIRED_MS);
  await untilGood(fleet(), "drift");
}

test("[I10] killed: it is started again", async () => {
  await stable();
  const before = await api().fingerprint(NAME);
  await api().kill(NAME);
  await runsAgain("it runs with another pid", async () => {
    const now = await api().find(NAME);
    return now?.State.Running && now.State.Pid !== before.pid;
  });
});

test("[I10] stopped: it is started again", async () => {
  await stable();
  await api().stop(NAME);
  await runsAgain("it runs", async () => (await api().find(NAME))?.State.Running);
});

test("[I10] removed: it is made anew", async () => {
  await stable();
  const before = await api().fingerprint(NAME);
  await api().remove(NAME);
  await runsAgain("another one runs", async () => {
    const now = await api().find(NAME);
    return now?.State.Running && now.Id !== before.id;
  });
});

test("[I10] renamed: it gets its name back without a restart", async () => {
  await stable();
  const before = await api().fingerprint(NAME);
  await api().rename(NAME, "something-else");
  await runsAgain("it has its name", async () => (await api().find(NAME)) !== null);
  expect(await api().fingerprint(NAME)).toEqual(before);
});

test("[I10] detached from its network: it is attached again", async () => {
  await stable();
  await api().call("POST", "/networks/drift_default/disconnect", { Container: NAME, Force: true });
  await runsAgain("it is attached", async () => {
    const { NetworkSettings } = await api().inspect(NAME);
    return "drift_default" in NetworkSettings.Networks;
  });
  const { NetworkSettings } = await api().inspect(NAME);
  expect(NetworkSettings.Networks["drift_default"]?.Aliases).toContain("web");
});

test("[I10] edited with `docker update`: it is as the file says again", async () => {
  await stable();
  await api().call("POST", `/containers/${NAME}/update`, { Memory: 33_554_432, MemorySwap: 67_108_864 });
  await runsAgain("its limit is 64 MB", async () => {
    const now = await api().find(NAME);
    return now?.State.Running && now.HostConfig["Memory"] === 67_108_864;
  });
});

test("[I10] paused: it runs again", async () => {
  await stable();
  await api().call("POST", `/containers/${NAME}/pause`);
  await runsAgain("it is not paused", async () => (await api().find(NAME))?.State.Status === "running");
});

test("[I10] a restart policy set from outside is taken off again", async () => {
  await stable();
  await api().call("POST", `/containers/${NAME}/update`, { RestartPolicy: { Name: "always" } });
  await runsAgain("the engine restarts nothing by itself", async () => {
    const policy = (await api().find(NAME))?.HostConfig["RestartPolicy"];
    return JSON.stringify(policy ?? "").match(/"(no)?"/) !== null && !JSON.stringify(policy).includes("always");
  });
});

test("[I14] a foreign container with the name of ours is never touched, and the hub says who has the name", async () => {
  const id = await api().run({ name: "taken-web-1", image: BASE.name });
  const before = await api().fingerprint(id);
  await fleet().apply("taken", compose({ web: service() }));
  const why = async (): Promise<string> => (await fleet().skerry(["why", "taken"])).stdout;
  await until("why names the container", async () => (await why()).includes("taken-web-1"), SOON_MS);
  expect(await api().fingerprint(id)).toEqual(before);
  await api().remove(id);
  await untilGood(fleet(), "taken");
});

test("[I14] a foreign container that carries forged labels of ours is never touched", async () => {
  const { Config } = await api().inspect(NAME);
  const id = await api().run({ name: "forged", image: BASE.name, labels: { ...Config.Labels, "io.skerry.slot": "7" } });
  const before = await api().fingerprint(id);
  await stays("nobody touches it", async () => (await api().fingerprint(id)).startedAt === before.startedAt, 3_000);
  await untilGood(fleet(), "drift");
  expect(await api().fingerprint(id)).toEqual(before);
  await api().remove(id);
});

test("a container that exits at once backs off, and why says its exit in words and when the next try is", async () => {
  await fleet().apply("crash", compose({ web: service({ command: ["sh", "-c", "exit 3"] }) }));
  const why = async (): Promise<string> => (await fleet().skerry(["why", "crash/web"])).stdout;
  await until("why tells", async () => /exit 3/.test(await why()) && /try .* in/i.test(await why()), SOON_MS);
  await fleet().hub.call("DELETE", "/v1/apps/crash");
});

test("an image that does not exist is said by name, and the other workloads are not delayed", async () => {
  await fleet().apply("missing", compose({ web: service({ image: "127.0.0.1:9/no/such:1" }), ok: service() }));
  await until("the other one runs", async () => (await api().find("missing-ok-1"))?.State.Running, REPAIRED_MS);
  const why = async (): Promise<string> => (await fleet().skerry(["why", "missing/web"])).stdout;
  await until("why names the image", async () => (await why()).includes("no/such"), SOON_MS);
  await fleet().hub.call("DELETE", "/v1/apps/missing");
});
