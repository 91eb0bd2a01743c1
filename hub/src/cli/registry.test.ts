// `skerry registry`: where a password comes from, what is sent, and what is told.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
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
const LOGIN = ["registry", "login", "R.test:5000", "--user", "farm"];
const done = { registry: "r.test:5000", created: true, changed: true, usedBy: [] as string[] };

test("[C282] a password comes from standard input, a file, or is typed without showing; a line break at its end is not part of it", async () => {
  answer = () => ({ status: 200, body: done });
  const piped = await runWords([...LOGIN, "--app", "shop"], { env: env(), readInput: async () => "pass word\n" });
  expect(piped).toMatchObject({
    code: 0,
    out: "The credential for r.test:5000 is set. No app is pulled by it yet.\n",
  });
  writeFileSync(join(cwd, "token"), "from a file\r\n");
  await runWords([...LOGIN, "--file", "token"], { env: env(), cwd });
  const hidden: boolean[] = [];
  const ask = async (_question: string, isHidden: boolean) => {
    hidden.push(isHidden);
    return "typed";
  };
  await runWords(LOGIN, { env: env(), inIsTerminal: true, ask });
  // Without --app nothing is said of apps: it stays for whom it was.
  expect(hub.asked.map(({ body }) => body)).toEqual([
    { user: "farm", password: "pass word", apps: ["shop"] },
    { user: "farm", password: "from a file" },
    { user: "farm", password: "typed" },
  ]);
  expect([hub.asked[0]?.url, hidden]).toEqual(["/v1/registries/r.test%3A5000", [true]]);
});

test("[C282] no password, no user, one on the command line, or what is no registry asks the hub nothing", async () => {
  for (const words of [
    LOGIN,
    ["registry", "login", "r.test"],
    [...LOGIN, "--password", "x"],
    ["registry", "login", "r.test/team", "--user", "farm"],
    ["registry", "rm", "a b"],
  ])
    expect((await runWords(words, { env: env() })).code).toBe(2);
  expect(hub.asked).toEqual([]);
});

test("[C282] what it did is told with the apps that are pulled by it; so are the list and the removal", async () => {
  const answers = [
    { ...done, created: false, usedBy: ["shop", "till"] },
    { ...done, created: false, changed: false },
  ];
  answer = () => ({ status: 200, body: answers.shift() });
  const login = () => runWords(LOGIN, { env: env(), readInput: async () => "x" });
  expect((await login()).out).toBe(
    "The credential for r.test:5000 is changed. The nodes of shop, till get it now, and use it at their next pull.\n",
  );
  expect((await login()).out).toBe("The credential for r.test:5000 is as it was.\n");
  const item = { registry: "r.test:5000", user: "farm", apps: ["shop"], setAtMs: 0, setBy: "admin", usedBy: ["shop"] };
  answer = () => ({
    status: 200,
    body: { items: [item, { ...item, registry: "docker.io", user: null, apps: [] }], seq: 1 },
  });
  expect((await runWords(["registry", "ls"], { env: env() })).out).toBe(
    [
      "REGISTRY      USER   SET                BY      FOR    USED BY   STATE",
      "r.test:5000   farm   1970-01-01 00:00   admin   shop   shop      ok",
      "docker.io     -      1970-01-01 00:00   admin   all    shop      key lost",
      "",
    ].join("\n"),
  );
  answer = () => ({ status: 200, body: { registry: "r.test:5000" } });
  expect((await runWords(["registry", "logout", "r.test:5000"], { env: env() })).out).toBe(
    "The credential for r.test:5000 is removed, and nodes forget it as soon as they are heard.\n",
  );
  expect(hub.asked.at(-1)).toMatchObject({ method: "DELETE", url: "/v1/registries/r.test%3A5000" });
});
