// Each way of getting it wrong: one clear message with the next step, a non-zero exit code, and nothing lost.
import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../lab/command.ts";
import { type Fleet, joinToken, SKERRY, skerryCommand, startFleet } from "../lab/fleet.ts";
import { freePort } from "../lab/registry.ts";
import { until } from "../lab/wait.ts";
import { compose, SOON_MS, START_WITHIN_MS, service, untilGood } from "./site.ts";

let fleet: Fleet;
let folder: string;
beforeAll(async () => {
  fleet = await startFleet({ nodes: 1 });
  folder = await mkdtemp(join(fleet.lab.folder, "bad-"));
}, START_WITHIN_MS);
afterAll(() => fleet?.[Symbol.asyncDispose](), START_WITHIN_MS);

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** Wrong in a way that a person can mend: says so on standard error, in words, without a stack trace. */
async function refused(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; said: string }> {
  const { code, stdout, stderr } = await fleet.skerry(words, env, { mayFail: true });
  const said = stderr + stdout;
  expect(code).not.toBe(0);
  expect(said).not.toMatch(/^\s+at .*\.m?[jt]s:\d+/m);
  return { code, said };
}

describe("a file", () => {
  test("that is not there", async () => {
    const { said } = await refused(["apply", "-f", join(folder, "nothing.yaml")]);
    expect(said).toContain("nothing.yaml");
  });

  test("that is not YAML, with line and column", async () => {
    const { said } = await refused(["validate", await file("broken.yaml", "services:\n  web: [1, 2\n")]);
    expect(said).toMatch(/:\d+:\d+/);
  });

  test("with an unknown key, with the key that was meant", async () => {
    const text = "services:\n  web:\n    image: x\n    enviroment: { A: b }\n";
    const { said } = await refused(["validate", await file("typo.yaml", text)]);
    expect(said).toContain("enviroment");
    expect(said).toContain("environment");
    expect(said).toMatch(/:4:\d+/);
    const applied = await refused(["apply", "-f", join(folder, "typo.yaml"), "typo"]);
    expect(applied.said).toContain("enviroment");
  });

  test("with a key that Skerry refuses, with the reason", async () => {
    const { said } = await refused(["validate", await file("build.yaml", "services:\n  web:\n    build: .\n")]);
    expect(said).toContain("build");
    expect(said.split(" ").length).toBeGreaterThan(10);
  });

  test("that is a bomb of aliases", async () => {
    const lines = ["a: &a [x,x,x,x,x,x,x,x,x]"];
    for (const [index, name] of [..."bcdefghij"].entries()) {
      const before = [..."abcdefghij"][index];
      lines.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
    }
    const { said } = await refused(["validate", await file("bomb.yaml", `${lines.join("\n")}\nservices: {}\n`)]);
    expect(said.length).toBeLessThan(5_000);
  });
});

describe("the hub", () => {
  test("that cannot be reached", async () => {
    const { code, said } = await refused(["apps"], { SKERRY_HUB: "http://127.0.0.1:9" });
    expect(code).toBe(1);
    expect(said).toContain("127.0.0.1:9");
  });

  test("that refuses the token", async () => {
    const { said } = await refused(["apps"], { SKERRY_TOKEN: "wrong" });
    expect(said).toMatch(/token/i);
  });

  test("that does not know what is asked for", async () => {
    for (const words of [
      ["app", "show", "nothing"],
      ["node", "show", "nothing"],
      ["why", "nothing"],
    ]) {
      expect((await refused(words)).said).toContain("nothing");
    }
  });

  test("whose port is in use", async () => {
    const data = join(folder, "second-hub");
    const listen = new URL(fleet.hub.url).host;
    const { code, stdout, stderr } = await skerryCommand(["hub", "--data", data, "--listen", listen]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/in use/);
  });

  test("whose database another hub has open", async () => {
    const listen = `127.0.0.1:${await freePort("127.0.0.1")}`;
    const { code, stdout, stderr } = await skerryCommand(["hub", "--data", fleet.hub.dataDir, "--listen", listen]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/another|already|in use/);
  });

  test("whose database is corrupt: it refuses to start and leaves the file as it is", async () => {
    const data = join(folder, "corrupt-hub");
    await mkdir(data, { recursive: true });
    const listen = `127.0.0.1:${await freePort("127.0.0.1")}`;
    const hub = fleet.lab.spawn({ name: "doomed hub", command: [SKERRY, "hub", "--data", data, "--listen", listen] });
    await until("it made its database", async () => (await run("ls", [data])).includes("admin-token"), 20_000);
    await hub.stop();
    const database = (await run("ls", [data])).split("\n").find((name) => name.endsWith(".db")) ?? "";
    const handle = await open(join(data, database), "r+");
    await handle.write(Buffer.alloc(8_192, 0xff), 0, 8_192, 0);
    await handle.close();
    const { code, stdout, stderr } = await skerryCommand(["hub", "--data", data, "--listen", listen]);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/corrupt|damaged|not a database/);
    expect((await run("ls", [data])).split("\n")).toContain(database);
  });

  test("whose disk is full: changes are refused, reading goes on, and it recovers by itself", async () => {
    const data = join(folder, "full-hub");
    await mkdir(data);
    await run("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", data]);
    try {
      const listen = `127.0.0.1:${await freePort("127.0.0.1")}`;
      const hub = fleet.lab.spawn({ name: "full hub", command: [SKERRY, "hub", "--data", data, "--listen", listen] });
      const env = async (): Promise<Record<string, string>> => ({
        SKERRY_HUB: `https://${listen}`,
        SKERRY_PIN: (await run("cat", [join(data, "hub-pin")])).trim(),
        SKERRY_TOKEN: (await run("cat", [join(data, "admin-token")])).trim(),
      });
      const path = await file("small.yaml", "services:\n  web:\n    image: x\n");
      await until("it answers", async () => (await skerryCommand(["apps"], await env())).code === 0, 20_000);
      await run("dd", ["if=/dev/zero", `of=${join(data, "filler")}`, "bs=4k"]).catch(() => undefined);
      const { code, stderr } = await until(
        "a change is refused",
        async () => {
          const applied = await skerryCommand(
            ["apply", "-f", path, `full${Math.floor(performance.now())}`],
            await env(),
          );
          return applied.code === 0 ? null : applied;
        },
        60_000,
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(/disk|space|full/);
      expect((await skerryCommand(["apps"], await env())).code).toBe(0);
      await rm(join(data, "filler"));
      await until(
        "a change is taken",
        async () => (await skerryCommand(["apply", "-f", path, "again"], await env())).code === 0,
        30_000,
      );
      await hub.stop();
    } finally {
      await run("umount", [data]);
    }
  });
});

describe("an agent", () => {
  const agent = (...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
    skerryCommand(["agent", "--hub", fleet.hub.url, ...words]);

  test("with a token that the hub does not know", async () => {
    const unknown = `skj1.${await fleet.hub.pin()}.abcdef0123456789.${"0".repeat(64)}`;
    const words = ["--token", unknown, "--data", join(folder, "stranger")];
    const { code, stdout, stderr } = await agent(...words, "--docker", fleet.node(1).engine.socketPath);
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/token/i);
  });

  test("with a token that was used up", async () => {
    const token = await joinToken(fleet, 1);
    const first = fleet.lab.spawn({
      name: "first user",
      command: [
        SKERRY,
        "agent",
        "--hub",
        fleet.hub.url,
        "--token",
        token,
        "--data",
        join(folder, "first"),
        "--docker",
        fleet.node(1).engine.socketPath,
        "--name",
        "first-user",
      ],
    });
    await until(
      "it has joined",
      async () => (await fleet.hub.call("GET", "/v1/nodes/first-user")).status === 200,
      SOON_MS,
    );
    await first.stop();
    const { code, stdout, stderr } = await agent(
      "--token",
      token,
      "--data",
      join(folder, "second"),
      "--docker",
      fleet.node(1).engine.socketPath,
    );
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/no uses left/);
    await fleet.skerry(["node", "rm", "first-user", "--yes"]);
  });

  test("without an identity and without a token", async () => {
    const { code, stdout, stderr } = await agent(
      "--data",
      join(folder, "nobody"),
      "--docker",
      fleet.node(1).engine.socketPath,
    );
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/--token/);
  });

  test("whose engine is dead: it says so, and is well again when the engine is", async () => {
    await fleet.apply("dead", compose({ web: service() }));
    await untilGood(fleet, "dead");
    await fleet.node(1).engine.stop();
    await until(
      "the node's status says that the engine does not answer",
      async () =>
        /engine/.test(JSON.stringify((await fleet.hub.call("GET", `/v1/nodes/${fleet.node(1).name}`)).body.conditions)),
      SOON_MS,
    );
    await fleet.node(1).engine.start();
    await untilGood(fleet, "dead");
  });
});
