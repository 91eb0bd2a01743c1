// `skerry secret`, `skerry config` and what `skerry apply` sends beside a Compose file.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answering, runWords, startTableHub, type TableHub } from "./testing.ts";

let hub: TableHub;
let cwd = "";
let answer: Answering = () => ({ status: 200, body: {} });
beforeEach(async () => {
  hub = await startTableHub((asked) => answer(asked));
  cwd = mkdtempSync(join(tmpdir(), "skerry-cli-"));
});
afterEach(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true, force: true });
});
const env = (): Record<string, string> => ({ SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.x" });
const bodyOf = () =>
  hub.asked[0]?.body as { value: string; apps: string[]; values: Record<string, string>; compose: string };
const text = (base64: string | undefined): string => Buffer.from(base64 ?? "", "base64").toString();

const done = {
  name: "db",
  version: "a".repeat(32),
  created: false,
  changed: true,
  revised: [{ app: "shop", revision: 3 }],
};

describe("secret and config", () => {
  test("[U260] a value comes from standard input as it is, from a file, or is typed without showing", async () => {
    answer = () => ({ status: 200, body: done });
    const piped = await runWords(["secret", "set", "db", "--app", "shop"], {
      env: env(),
      readInput: async () => "pass word\n",
    });
    expect(piped).toMatchObject({ code: 0 });
    expect(piped.out).toBe(
      "The secret db is changed.\n  shop uses it: revision 3 rolls out now. Follow it: skerry rollout status shop -w\n",
    );
    expect([text(bodyOf().value), bodyOf().apps]).toEqual(["pass word\n", ["shop"]]);
    expect(hub.asked[0]).toMatchObject({ method: "PUT", url: "/v1/secrets/db" });
    hub.asked.length = 0;
    writeFileSync(join(cwd, "v.bin"), Buffer.from([0, 255, 1]));
    await runWords(["config", "set", "page", "--file", "v.bin"], { env: env(), cwd });
    expect([bodyOf().value, hub.asked[0]?.url]).toEqual([
      Buffer.from([0, 255, 1]).toString("base64"),
      "/v1/configs/page",
    ]);
    hub.asked.length = 0;
    const hidden: boolean[] = [];
    const ask = async (_question: string, isHidden: boolean) => {
      hidden.push(isHidden);
      return "typed";
    };
    await runWords(["secret", "set", "db"], { env: env(), inIsTerminal: true, ask });
    expect([text(bodyOf().value), hidden]).toEqual(["typed", [true]]);
  });

  test("[U260] no value stands on the command line, and what is no text on standard input is refused", async () => {
    expect((await runWords(["secret", "set", "db", "hunter2"], { env: env() })).code).toBe(2);
    for (const input of ["", "\ufffd"])
      expect((await runWords(["secret", "set", "db"], { env: env(), readInput: async () => input })).code).toBe(2);
    expect((await runWords(["secret", "set", "a/b"], { env: env(), readInput: async () => "x" })).code).toBe(2);
    expect((await runWords(["config", "set", "a", "--file", "none"], { env: env(), cwd })).err).toContain(
      "Cannot read none",
    );
    writeFileSync(join(cwd, "big"), "x".repeat(512_001));
    expect((await runWords(["secret", "set", "a", "--file", "big"], { env: env(), cwd })).err).toContain(
      "512000 at most",
    );
    expect(hub.asked).toEqual([]);
  });

  test("[U260] lists say whom each is for, who uses it and whether its key is there; never what is in it", async () => {
    const item = {
      name: "db",
      app: null,
      apps: [],
      version: "a",
      bytes: 7,
      setAtMs: 0,
      setBy: "admin",
      usedBy: ["shop"],
      readable: true,
    };
    const lost = { ...item, name: "own", app: "till", usedBy: [], readable: false };
    answer = () => ({ status: 200, body: { items: [item, lost], seq: 1 } });
    const { out } = await runWords(["secret", "ls"], { env: env() });
    expect(out).toMatch(/db +7 +1970-01-01 00:00 +admin +all +shop +ok/);
    expect(out).toMatch(/own .*till \(its file's\) +- +key lost/);
  });

  test("[U260] a config is shown as it is, and on a terminal without what would steer it", async () => {
    const value = Buffer.from("a\u001b[2J\nb\n").toString("base64");
    const item = {
      name: "c",
      app: null,
      apps: [],
      version: "a",
      bytes: 7,
      setAtMs: 0,
      setBy: "a",
      usedBy: [],
      readable: true,
    };
    answer = () => ({ status: 200, body: { ...item, value } });
    expect((await runWords(["config", "cat", "c"], { env: env() })).out).toBe("a\u001b[2J\nb\n");
    expect((await runWords(["config", "cat", "c"], { env: env(), outIsTerminal: true })).out).not.toContain("\u001b");
  });

  test("[U260] what a rotation leaves behind is told", async () => {
    answer = () => ({ status: 200, body: { rewrapped: 2, left: 1, keys: 2 } });
    const told = await runWords(["secret", "rotate-keys"], { env: env() });
    expect(told).toMatchObject({ code: 1 });
    expect(told.out).toContain("2 versions of secrets, configs and registry credentials are under it");
    expect(told.err).toContain("1 version cannot be opened");
  });
});

describe("apply", () => {
  const file = (top: object): string =>
    JSON.stringify({ name: "shop", services: { web: { image: "a", secrets: ["db"] } }, ...top });

  test("[U260] [C264] a file's value is sent beside the Compose file, read relative to it, and nowhere in its text", async () => {
    writeFileSync(join(cwd, "compose.yaml"), file({ secrets: { db: { file: "./db.txt" } } }));
    writeFileSync(join(cwd, "db.txt"), "hunter2");
    answer = () => ({
      status: 200,
      body: { dryRun: false, app: "shop", revision: 1, changed: true, services: [], warnings: [], seq: 1 },
    });
    const ran = await runWords(["apply", "-f", join(cwd, "compose.yaml")], { env: env(), cwd: "/" });
    expect([ran.code, text(bodyOf().values["secrets.db"])]).toEqual([0, "hunter2"]);
    expect(JSON.stringify({ ...bodyOf(), values: {} }) + ran.out + ran.err).not.toContain("hunter2");
    hub.asked.length = 0;
    writeFileSync(join(cwd, "compose.yaml"), file({ secrets: { db: { environment: "DB_PW" } } }));
    await runWords(["apply"], { env: { ...env(), DB_PW: "from env" }, cwd });
    expect(text(bodyOf().values["secrets.db"])).toBe("from env");
    expect(JSON.stringify({ ...bodyOf(), values: {} })).not.toContain("from env");
  });

  test("[U260] [C261] a file or variable that is not there is told with its place, and nothing is sent", async () => {
    for (const source of [{ file: "none.txt" }, { environment: "NONE" }]) {
      writeFileSync(join(cwd, "compose.yaml"), file({ secrets: { db: source } }));
      const { code, err } = await runWords(["apply"], { env: env(), cwd });
      expect([code, err]).toEqual([1, expect.stringContaining("The secret `db` is not there")]);
    }
    expect(hub.asked).toEqual([]);
  });
});
