// The lab itself, on real engines: what the other tests on real engines stand on must be true first.
// It must leave the machine as it found it, and this is where that is looked at.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../lab/command.ts";
import { plantDecoys } from "../lab/decoys.ts";
import { Engine } from "../lab/engine.ts";
import { BASE } from "../lab/images.ts";
import { type Lab, startLab, sweep } from "../lab/lab.ts";
import { freePort } from "../lab/registry.ts";
import { processesOf } from "../lab/remains.ts";
import { until } from "../lab/wait.ts";

const WITHIN_MS = 20_000;

/** Everything of a lab that could stay behind, by the lab's tag. */
async function remainsOf(tag: string): Promise<readonly string[]> {
  const named = (names: readonly string[]): readonly string[] => names.filter((name) => name.includes(tag));
  const list = (folder: string): Promise<readonly string[]> => readdir(folder).catch(() => []);
  const groups = await Promise.all(
    ["", ...(await list("/sys/fs/cgroup"))].map((each) => list(`/sys/fs/cgroup/${each}`)),
  );
  return [
    ...(await processesOf([`skerry-${tag}`, `SKERRY_LAB=${tag}`])).map((pid) => `process ${pid}`),
    ...named(await list("/run/netns")),
    ...named(await list("/tmp")),
    ...named(await list(`${import.meta.dirname}/../../.cache/lab`)),
    ...named(groups.flat()),
    ...named(Object.keys(networkInterfaces())),
    ...named((await readFile("/proc/self/mountinfo", "utf8")).split("\n")),
    ...named((await run("iptables", ["-w", "-S"])).split("\n")),
  ];
}

describe("a lab of three nodes", () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ nodes: 3 });
  });
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    expect(await remainsOf(lab.tag)).toEqual([]);
  });

  const serve = (body: string): readonly string[] => [
    "sh",
    "-c",
    `mkdir -p /www; echo ${body} >/www/index.html; httpd -f -p 80 -h /www`,
  ];
  const fetchFrom = (number: number, url: string): Promise<string> => {
    const wire = lab.node(number).network;
    if (wire === null) throw new Error("this test needs namespaces");
    return wire.get(url);
  };

  test("runs a container on each engine, with a published port that other nodes reach", async () => {
    expect(lab.limited).toBeNull();
    for (const node of lab.nodes) {
      const host = { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } };
      const id = await node.engine.api.run({
        image: BASE.name,
        name: "web",
        command: serve(node.name),
        host,
        config: { ExposedPorts: { "80/tcp": {} } },
      });
      expect((await node.engine.api.inspect(id)).State.Running).toBe(true);
      expect(await node.engine.api.containers()).toHaveLength(1);
    }
    const seen = (): Promise<string> => fetchFrom(1, `http://${lab.node(2).address}:8080/`);
    expect(await until("n1 reads the page of n2", seen, WITHIN_MS)).toBe("n2\n");
  });

  test("lets nodes reach the hub's address, cuts them off and heals, in both directions and in one", async () => {
    const server = `require("http").createServer((_, answer) => answer.end("hub\\n")).listen(8000, "${lab.hubAddress}")`;
    lab.spawn({ name: "web", command: [process.execPath, "-e", server] });
    const url = `http://${lab.hubAddress}:8000/`;
    const reaches = (number: number): Promise<boolean> =>
      fetchFrom(number, url).then(
        (text) => text === "hub\n",
        () => false,
      );
    await until("n1 reaches the hub", () => reaches(1), WITHIN_MS);

    const wire = lab.node(1).network;
    const before = await wire?.traffic();
    for (const direction of ["both", "to-node", "from-node"] as const) {
      await wire?.cut(direction);
      expect(await reaches(1), direction).toBe(false);
      expect(await reaches(2), "the others are not cut").toBe(true);
      await wire?.heal();
      await until(`n1 reaches the hub after a cut ${direction}`, () => reaches(1), WITHIN_MS);
    }
    expect((await wire?.traffic())?.toNodeBytes).toBeGreaterThan(before?.toNodeBytes ?? 0);
  });

  test("an engine killed and started again has ended its containers; with live-restore they run on", async () => {
    const { engine } = lab.node(3);
    const before = await engine.api.fingerprint("web");
    await engine.kill();
    await expect(engine.api.ping()).rejects.toThrow();
    await engine.start();
    expect((await engine.api.inspect("web")).State.Running).toBe(false);

    engine.setLiveRestore(true);
    await engine.restart();
    await engine.api.start("web");
    const alive = await engine.api.fingerprint("web");
    expect(alive.pid).not.toBe(before.pid);
    await engine.kill();
    await engine.start();
    expect(await engine.api.fingerprint("web")).toEqual(alive);
  });

  test("a paused engine hangs, and answers again when it is resumed", async () => {
    const { engine } = lab.node(2);
    await engine.pause();
    try {
      await expect(engine.api.ping(500)).rejects.toThrow("no answer from the engine");
    } finally {
      engine.resume();
    }
    expect(await engine.api.ping()).toBe(true);
  });

  test("a reboot ends everything on the node and keeps its disk", async () => {
    const { engine } = lab.node(1);
    await engine.api.call("POST", "/volumes/create", { Name: "kept" });
    await engine.reboot();
    expect((await engine.api.inspect("web")).State.Running).toBe(false);
    expect((await engine.api.volumes()).map((each) => each.Name)).toContain("kept");
    await engine.api.start("web");
    expect(await engine.api.exec("web", ["cat", "/www/index.html"])).toEqual({ code: 0, output: "n1\n" });
  });

  test("serves images from a registry of its own", async () => {
    const registry = await lab.registry();
    const [base] = lab.images;
    if (base === undefined) throw new Error("the base image is always there");
    const { reference } = await registry.push(base, "shop/web:1");
    await lab.node(2).engine.api.pull(reference);
    const tags = (await lab.node(2).engine.api.images()).flatMap((each) => each.RepoTags ?? []);
    expect(tags).toContain(reference);
  });

  test("sees it when a decoy is touched", async () => {
    const { api } = lab.node(2).engine;
    const decoys = await plantDecoys(api, BASE.name);
    await decoys.check();
    await api.stop("decoy");
    await api.start("decoy");
    await expect(decoys.check()).rejects.toThrow("a decoy was touched: container decoy");
  });
});

test("without namespaces there is one node, in the machine's own network, that leaves no bridge and no rule behind", async () => {
  const lab = await startLab({ nodes: 3, namespaces: false });
  const { api } = lab.node(1).engine;
  expect(lab.nodes).toHaveLength(1);
  expect(lab.limited).not.toBeNull();
  const { Id } = await api.call<{ Id: string }>("POST", "/networks/create", { Name: "own", Driver: "bridge" });
  // By name: other labs and other engines of this machine come and go meanwhile, and change what is theirs.
  const ours = [`br-${Id.slice(0, 12)}`, `sk${lab.tag}`];
  const seenIn = async (program: string, ...args: readonly string[]): Promise<readonly string[]> => {
    const text = await run(program, args);
    return ours.filter((name) => text.includes(name));
  };
  expect(await seenIn("ip", "link")).toEqual(ours);
  const port = await freePort("127.0.0.1");
  const host = { NetworkMode: "own", PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: `${port}` }] } };
  const command = ["sh", "-c", "mkdir -p /www; echo one >/www/index.html; httpd -f -p 80 -h /www"];
  await api.run({ image: BASE.name, command, host, config: { ExposedPorts: { "80/tcp": {} } } });
  const get = (): Promise<string> => fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text());
  expect(await until("the page is served", get, WITHIN_MS)).toBe("one\n");
  expect(await seenIn("iptables-save")).toEqual([]);
  await lab[Symbol.asyncDispose]();
  expect(await remainsOf(lab.tag)).toEqual([]);
  expect(await seenIn("ip", "link")).toEqual([]);
  expect(await seenIn("iptables-save")).toEqual([]);
});

test("an engine in somebody else's network leaves the bridge of an engine that is there alone", async () => {
  await using lab = await startLab({ nodes: 1 });
  const { network, engine } = lab.node(1);
  if (network === null) throw new Error("this test needs namespaces");
  // What the first engine left in its namespace stands for the machine's own: docker0.
  expect(await network.run("ip", ["link", "show", "docker0"])).toContain("docker0");
  await network.run("ip", ["link", "add", "guest", "type", "bridge"]);
  await network.run("ip", ["addr", "add", "10.212.0.1/24", "dev", "guest"]);
  await network.run("ip", ["link", "set", "guest", "up"]);
  const guest = lab.use(
    new Engine({
      tag: `skerry-${lab.tag}-g1`,
      name: "g1",
      runDir: join(lab.runDir, "g1"),
      dataDir: join(lab.folder, "g1-engine"),
      netns: network.netns,
      bridge: "guest",
    }),
  );
  const rules = await network.run("iptables-save", []);
  await guest.start();
  expect(await network.run("ip", ["link", "show", "docker0"])).toContain("docker0");
  expect(without(await network.run("iptables-save", []))).toBe(without(rules));
  expect(await engine.api.ping()).toBe(true);
});

/** Counters and dates of `iptables-save` left out. */
const without = (rules: string): string => rules.replaceAll(/^#.*$|\[\d+:\d+\]/gm, "");

/** A program of its own with a lab of one node: it prints the lab's tag and waits. */
async function labInAProcess(): Promise<{ child: ChildProcess; tag: string }> {
  const script = `
    import { startLab } from ${JSON.stringify(`${import.meta.dirname}/../lab/lab.ts`)};
    const lab = await startLab({ nodes: 1 });
    await lab.node(1).engine.api.run({ image: ${JSON.stringify(BASE.name)} });
    lab.spawn({ name: "sleeper", command: ["sleep", "1000"] });
    console.log(lab.tag);
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const tag = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
    child.once("exit", (code) => reject(new Error(`the program ended with ${code} before its lab was up`)));
  });
  return { child, tag };
}

test("what a killed run left behind is swept by the next one", async () => {
  const { child, tag } = await labInAProcess();
  expect((await remainsOf(tag)).length).toBeGreaterThan(5);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(await sweep()).toContain(tag);
  expect(await remainsOf(tag)).toEqual([]);
});

test("Ctrl-C cleans up before the program ends", async () => {
  const { child, tag } = await labInAProcess();
  child.kill("SIGINT");
  expect(await once(child, "close")).toEqual([130, null]);
  expect(await remainsOf(tag)).toEqual([]);
});
