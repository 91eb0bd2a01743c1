// The command line as a whole: words in, text and exit codes out, against a hub that answers from a table.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Compose files hold such text.
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@skerry/shared/runtime/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Io } from "./io.ts";
import { HUB_AWAY } from "./progress.ts";
import { type Answering, type Ran, runWords, startTableHub } from "./testing.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skerry-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Waits take no time: each timer moves the clock on and fires at once. */
function quickClock(): Clock {
  let now = 0;
  return {
    monotonicMs: () => now,
    wallMs: () => 0,
    setTimer: (delayMs, fire) => {
      // Deadlines of requests are longer than any wait of a command, and are cancelled.
      if (delayMs >= 30_000) return { cancel: () => undefined };
      now += delayMs;
      const handle = setImmediate(fire);
      return { cancel: () => clearImmediate(handle) };
    },
  };
}

async function withHub(
  answer: Answering,
  words: readonly string[],
  io: Partial<Io> = {},
): Promise<
  Ran & { asked: readonly { method: string; url: string; headers: Record<string, unknown>; body: unknown }[] }
> {
  await using hub = await startTableHub(answer);
  const env = { SKERRY_HUB: hub.url, SKERRY_TOKEN: "ska1.test", ...io.env };
  const ran = await runWords(words, { clock: quickClock(), cwd: folder, homeDir: folder, ...io, env });
  return { ...ran, asked: hub.asked };
}

const refusal = (status: number, code: string, message: string, hint = "") => ({
  status,
  body: { code, message, hint, path: null, problems: [] },
});
const ok = (body: unknown) => ({ status: 200, body });
const page = (items: unknown[], next: string | null = null) => ok({ items, next, seq: 1 });

const workload = (more: Record<string, unknown> = {}) => ({
  id: "shop/web/1",
  app: "shop",
  service: "web",
  slot: "1",
  node: { id: "n0123456789abcdef", name: "van-7" },
  state: "running",
  health: "healthy",
  good: true,
  reason: "runs",
  hint: null,
  forMs: 65_000,
  seenAgoMs: 10,
  last: null,
  revision: 3,
  seenRevision: 3,
  image: "web:1",
  containerId: "c",
  restarts: 0,
  ready: null,
  pullFailure: null,
  stop: null,
  ...more,
});
const appView = (more: Record<string, unknown> = {}, workloads = [workload()]) => ({
  name: "shop",
  revision: 3,
  appliedAtMs: 0,
  appliedBy: "admin",
  condition: "good",
  reason: "all good",
  converged: true,
  paused: null,
  rollout: null,
  services: [
    {
      name: "web",
      image: "web:1",
      mode: { kind: "global" },
      disconnect: { policy: "keep", afterMs: null },
      condition: "good",
      reason: "",
      counts: { wanted: workloads.length, good: workloads.filter(({ good }) => good).length, unplaced: 0 },
      workloads,
    },
  ],
  retiring: [],
  networks: ["shop_default"],
  volumes: ["shop_data"],
  seq: 9,
  ...more,
});
const applied = {
  dryRun: false,
  app: "shop",
  revision: 3,
  changed: true,
  services: [{ service: "web", change: "added" }],
  warnings: [],
  seq: 1,
};

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return name;
}
const GOOD_FILE = "name: shop\nservices: {web: {image: 'web:${TAG:-1}'}}\n";

describe("failures", () => {
  test.each([
    [["frob"]],
    [["apply", "--nope"]],
    [["why"]],
    [["apply", "--timeout", "soon"]],
    [["events", "-n", "x"]],
    [["node", "label", "a", "b"]],
    [["app", "show", "a/b"]],
    [["ps", "a/b/c"]],
    [["api-token", "create", "--name", "ci"]],
    [["api-token", "create", "--name", "ci", "--role", "viewer", "--node-label", "farm"]],
    [["api-token", "create", "--name", "ci", "--role", "viewer", "--expires", "soon"]],
    [["role", "set", "till", "app:fly"]],
    [["auth", "can-i", "fly", "app"]],
  ])("[U1] wrong words are exit code 2: %s", async (words) => {
    const { code, out, err } = await runWords(words);
    expect([code, out]).toEqual([2, ""]);
    expect(err).not.toBe("");
  });

  test("[U1] help is exit code 0", async () => {
    expect((await runWords([])).code).toBe(0);
    expect((await runWords(["--help"])).code).toBe(0);
    expect((await runWords(["help", "apply"])).out).toContain("Usage: skerry apply");
  });

  test("[U2] no hub is known", async () => {
    const { code, err } = await runWords(["apps"], { homeDir: join(folder, "empty") });
    expect(code).toBe(1);
    expect(err).toContain("skerry login");
  });

  test("[U2] nothing listens", async () => {
    const { code, err } = await runWords(["apps"], { env: { SKERRY_HUB: "127.0.0.1:9", SKERRY_TOKEN: "x" } });
    expect(code).toBe(1);
    expect(err).toBe(
      "skerry: Nothing listens at https://127.0.0.1:9: the connection was refused.\nStart the hub there (skerry hub), or name another one: --hub URL, SKERRY_HUB, or skerry login URL.\n",
    );
  });

  test("[U2] the token is refused", async () => {
    const { code, err } = await withHub(() => refusal(401, "not-authenticated", "no"), ["nodes"]);
    expect(code).toBe(1);
    expect(err).toMatch(/refuses the token/);
    expect(err).not.toContain("ska1.test");
  });

  test("[U2] a token that has passed its time is told so, with what to do", async () => {
    const expired = refusal(401, "token-expired", "The API token ci has expired.");
    const { code, err } = await withHub(() => expired, ["nodes"]);
    expect([code, err]).toEqual([1, expect.stringContaining("The API token ci has expired.")]);
  });

  test("[U2] what answers is no hub", async () => {
    const { code, err } = await withHub(() => ({ status: 404, body: "nothing here" }), ["nodes"]);
    expect(code).toBe(1);
    expect(err).toContain("not as a Skerry hub does (status 404");
    expect((await withHub(() => "<html>", ["nodes"])).err).toContain("not as a Skerry hub");
  });

  test("[U2] what the hub refuses is told in its words, with its hint and the fields at fault", async () => {
    const answer = { code: "invalid-request", message: "A field is wrong.", hint: "Correct it.", path: null };
    const problems = [{ code: "x", message: "must be short", hint: "", path: "labels", line: null, column: null }];
    const { code, err } = await withHub(() => ({ status: 400, body: { ...answer, problems } }), ["cordon", "a"]);
    expect([code, err]).toEqual([1, "skerry: A field is wrong.\n  labels: must be short\nCorrect it.\n"]);
  });

  test("[U16] a write after a broken connection carries the same key, and is done once", async () => {
    let calls = 0;
    const { code, asked } = await withHub(() => {
      calls += 1;
      return calls < 3
        ? null
        : ok({
            node: { id: "n0123456789abcdef", name: "a" },
            labels: {},
            availability: "cordoned",
            changed: true,
            seq: 1,
          });
    }, ["cordon", "a"]);
    expect(code).toBe(0);
    expect(asked).toHaveLength(3);
    expect(new Set(asked.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
  });

  test("[U16] a hub that takes the connection and says nothing is given up", async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    // Every timer fires at once: the deadline comes before the answer that never does.
    const clock: Clock = {
      ...quickClock(),
      setTimer: (_delay, fire) => {
        setImmediate(fire);
        return { cancel: () => undefined };
      },
    };
    const { code, err } = await runWords(["apps"], {
      clock,
      env: { SKERRY_HUB: `127.0.0.1:${port}`, SKERRY_TOKEN: "x" },
    });
    expect(code).toBe(1);
    expect(err).toContain("did not answer within 30 s");
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe("what is shown", () => {
  test("[U4] text from elsewhere cannot control the terminal", async () => {
    const nasty = workload({
      good: false,
      reason: "a\u001b[2J\u009b1mb\u202ec\r\nd",
      node: { id: "n0123456789abcdef", name: "v" },
    });
    for (const words of [["ps"], ["ps", "--json"]]) {
      const { out } = await withHub(() => page([nasty]), words);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
      expect(out).toContain(words.length === 1 ? "a\\x1b[2J" : "a\\u001b[2J");
    }
    const { err } = await withHub(() => refusal(404, "x", "no\u001b[31m", "hint\u0007"), ["apps"]);
    expect(err).toBe("skerry: no\\x1b[31m\nhint\\x07\n");
  });

  test("[U5] colour is for terminals", async () => {
    expect((await withHub(() => page([workload()]), ["ps"], { color: false })).out).not.toContain("\u001b");
    expect((await withHub(() => page([workload()]), ["ps"], { color: true })).out).toContain(
      "\u001b[32mrunning (healthy)\u001b[39m",
    );
  });

  test("[U14] lists are read to their end, and --json has the API's fields", async () => {
    const answer: Answering = ({ url }) =>
      url.includes("after=k") ? page([workload({ id: "b" })]) : page([workload({ id: "a" })], "k");
    const { out, asked } = await withHub(answer, ["ps", "shop/web", "--node", "van-7", "--json"]);
    expect(JSON.parse(out).items.map(({ id }: { id: string }) => id)).toEqual(["a", "b"]);
    expect(asked[0]?.url).toBe("/v1/workloads?app=shop&service=web&node=van-7&limit=1000");
  });

  test("[U14] empty lists say what to do next, on standard error", async () => {
    for (const words of [["apps"], ["nodes"], ["ps"], ["token", "ls"], ["api-token", "ls"]]) {
      const { code, out, err } = await withHub(() => page([]), words);
      expect([code, out]).toEqual([0, ""]);
      expect(err).toContain("skerry ");
    }
  });
});

describe("contexts", () => {
  const version = ok({
    version: "0.1.0",
    api: "v1",
    protocol: { version: 1, minimum: 1 },
    installation: "i0123456789abcdef",
    epoch: 1,
    node: "v24",
  });

  test("[U7] [U8] login keeps a token that the hub accepts, privately", async () => {
    const home = join(folder, "login");
    await using hub = await startTableHub(({ headers }) =>
      headers.authorization === "Bearer ska1.good" ? version : refusal(401, "x", "no"),
    );
    const bad = await runWords(["login", hub.url], { homeDir: home, readInput: async () => "ska1.bad\n" });
    expect(bad.code).toBe(1);
    const path = join(home, ".config/skerry/contexts.json");
    await expect(stat(path)).rejects.toThrow();
    const good = await runWords(["login", hub.url], { homeDir: home, readInput: async () => "ska1.good\n" });
    expect(good.code).toBe(0);
    expect(good.out).not.toContain("ska1.good");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await runWords(["version", "--json"], { homeDir: home })).out).toContain("i0123456789abcdef");
    await chmod(path, 0o644);
    expect((await runWords(["version"], { homeDir: home })).err).toContain("chmod 600");
  });

  test("[U8] a token comes from a file or a hidden question", async () => {
    await using hub = await startTableHub(() => version);
    await writeFile(join(folder, "token"), "ska1.file\n");
    await runWords(["login", hub.url, "--token-file", "token"], { cwd: folder, homeDir: join(folder, "a") });
    const ask: Io["ask"] = async (_question, hidden) => (hidden ? "ska1.asked" : "shown");
    await runWords(["login", hub.url], { inIsTerminal: true, ask, homeDir: join(folder, "b") });
    expect(hub.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer ska1.file", "Bearer ska1.asked"]);
    expect((await runWords(["login", hub.url, "--token-file", "nothing"], { cwd: folder })).code).toBe(1);
    expect((await runWords(["login", hub.url], { readInput: async () => " \n" })).code).toBe(2);
    expect((await runWords(["login", "ftp://x"], { readInput: async () => "t" })).code).toBe(2);
  });

  test("[U6] flags win over the environment, which wins over contexts; a stored token goes to its own hub only", async () => {
    const home = join(folder, "order");
    await using one = await startTableHub(() => page([]));
    await using two = await startTableHub(() => page([]));
    await mkdir(join(home, ".config/skerry"), { recursive: true });
    const contexts = {
      current: "one",
      contexts: { one: { url: one.url, token: "t1" }, two: { url: two.url, token: "t2" } },
    };
    await writeFile(join(home, ".config/skerry/contexts.json"), JSON.stringify(contexts), { mode: 0o600 });
    const auth = (hub: typeof one): unknown => hub.asked.at(-1)?.headers.authorization;
    await runWords(["apps"], { homeDir: home });
    expect(auth(one)).toBe("Bearer t1");
    await runWords(["apps", "--context", "two"], { homeDir: home });
    expect(auth(two)).toBe("Bearer t2");
    await runWords(["apps"], { homeDir: home, env: { SKERRY_HUB: two.url } });
    expect(two.asked).toHaveLength(2);
    await runWords(["apps", "--hub", one.url], { homeDir: home, env: { SKERRY_HUB: two.url, SKERRY_TOKEN: "env" } });
    expect(auth(one)).toBe("Bearer env");
    const stranger = await runWords(["apps"], { homeDir: home, env: { SKERRY_HUB: "127.0.0.1:9" } });
    expect(stranger.err).toContain("No token is known");
    expect((await runWords(["apps", "--context", "three"], { homeDir: home })).code).toBe(2);
  });

  test("[U7] a damaged file is told", async () => {
    const home = join(folder, "damaged");
    await mkdir(join(home, ".config/skerry"), { recursive: true });
    await writeFile(join(home, ".config/skerry/contexts.json"), "{");
    expect((await runWords(["apps"], { homeDir: home })).err).toContain("damaged");
  });
});

describe("validate", () => {
  const validate = async (text: string, more: readonly string[] = [], io: Partial<Io> = {}) =>
    runWords(["validate", await file("compose.yaml", text), ...more], { cwd: folder, ...io });

  test("[U9] a good file, also without a name", async () => {
    const { code, out } = await validate("services: {web: {image: a}, db: {image: b}}");
    expect([code, out]).toEqual([0, "compose.yaml is fine: 2 services (db, web).\n"]);
  });

  test("[U9] problems with their places, and --json", async () => {
    const text = "services:\n  web:\n    image: x\n    enviroment: { A: b }\n    build: .\n";
    const { code, out, err } = await validate(text);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(
      "compose.yaml:4:5: error: There is no key `enviroment` in a service. (services.web.enviroment)\n    Did you mean `environment`?",
    );
    expect(err).toMatch(/compose\.yaml:5:5: error: `build` is refused[\s\S]*compose\.yaml: 2 problems\.\n$/);
    const parsed = JSON.parse((await validate(text, ["--json"])).out);
    expect([parsed.valid, parsed.problems.map(({ line }: { line: number }) => line)]).toEqual([false, [4, 5]]);
  });

  test("[U9] warnings do not make it fail; files and variables beside it are read", async () => {
    await writeFile(join(folder, ".env"), "TAG=7\n");
    await writeFile(join(folder, "web.env"), "A=1\n");
    const text = "services: {web: {image: 'a:$TAG', hostname: \"h$NOPE\", env_file: web.env}}";
    const { code, err } = await validate(text);
    expect(code).toBe(0);
    expect(err).toContain("warning: The variable NOPE is not set");
    expect(err).not.toContain("TAG");
    expect((await validate("services: {web: {image: a, env_file: gone.env}}")).err).toContain("gone.env is not there");
    await rm(join(folder, ".env"));
  });

  test("[U9] standard input, the usual names, and what is not there", async () => {
    const piped = await runWords(["validate", "-"], { readInput: async () => "services: {web: {image: a}}" });
    expect(piped.out).toContain("standard input is fine");
    expect((await runWords(["validate"], { cwd: folder })).out + (await validate("a: [")).err).toContain(
      "compose.yaml",
    );
    const gone = await runWords(["validate", "nothing.yaml"], { cwd: folder });
    expect([gone.code, gone.err]).toEqual([
      1,
      "skerry: There is no file nothing.yaml.\nLook at the path; it is relative to where you are.\n",
    ]);
    expect((await runWords(["validate"], { cwd: "/proc/self" })).err).toContain("There is no Compose file here");
    expect((await runWords(["validate", "."], { cwd: folder })).err).toContain("it is a folder");
  });
});

describe("apply", () => {
  /** What follows is not about rollouts: the hub says that it has none. */
  const withoutRollout =
    (answer: Answering): Answering =>
    (asked) =>
      asked.url.endsWith("/rollout") ? refusal(404, "rollout-not-found", "No rollout.") : answer(asked);
  const apply = async (answer: Answering, more: readonly string[] = [], io: Partial<Io> = {}) =>
    withHub(withoutRollout(answer), ["apply", "-f", await file("shop.yaml", GOOD_FILE), ...more], io);

  test("[U10] sends the file and only the variables that it names", async () => {
    const { code, out, asked } = await apply(() => ok(applied), [], { env: { TAG: "7", SECRET: "x" } });
    expect([code, out]).toEqual([0, "shop is at revision 3.\n  web: added\n"]);
    expect(asked[0]).toMatchObject({
      method: "PUT",
      url: "/v1/apps/shop",
      body: { compose: GOOD_FILE, variables: { TAG: "7" }, files: {}, profiles: [], ifRevision: null, dryRun: false },
    });
    const named = await apply(() => ok(applied), ["other", "--if-revision", "2", "--profile", "p"]);
    expect(named.asked[0]).toMatchObject({ url: "/v1/apps/other", body: { ifRevision: 2, profiles: ["p"] } });
  });

  test("[U10] --env-file: a later one wins over an earlier one, and the shell over both", async () => {
    const words = ["--env-file", await file("a.env", "TAG=a\n"), "--env-file", await file("b.env", "TAG=b\n")];
    expect((await apply(() => ok(applied), words)).asked[0]?.body).toMatchObject({ variables: { TAG: "b" } });
    const shell = await apply(() => ok(applied), words, { env: { TAG: "s" } });
    expect(shell.asked[0]?.body).toMatchObject({ variables: { TAG: "s" } });
    const broken = await apply(() => ok(applied), ["--env-file", await file("c.env", "what is this\n")]);
    expect([broken.code, broken.err]).toMatchObject([1, expect.stringContaining("c.env:1:")]);
  });

  test("[U10] a wrong file is not sent, and what the hub finds wrong is told like our own", async () => {
    const wrong = await withHub(
      () => ok(applied),
      ["apply", "-f", await file("wrong.yaml", "name: a\nservices: {a: {}}")],
    );
    expect([wrong.code, wrong.asked]).toEqual([1, []]);
    expect(wrong.err).toContain("wrong.yaml:2:15: error: The service has no `image`.");
    const nameless = await withHub(
      () => ok(applied),
      ["apply", "-f", await file("n.yaml", "services: {a: {image: b}}")],
    );
    expect(nameless.err).toContain("The app has no name.");
    const problems = [{ code: "x", message: "No.", hint: "Do.", path: "services.web", line: 2, column: 3 }];
    const hub = await apply(() => ({
      status: 422,
      body: { code: "invalid-compose", message: "m", hint: "h", path: null, problems },
    }));
    expect(hub.err).toContain("shop.yaml:2:3: error: No. (services.web)\n    Do.");
  });

  test("[U10] --dry-run shows per node what would change, and why", async () => {
    const step = { workload: "shop/web/1", step: "start", why: "it fits and has the most memory free" };
    const node = { id: "n0123456789abcdef", name: "van-7" };
    const plan = {
      dryRun: true,
      app: "shop",
      revision: 4,
      changed: true,
      services: [],
      warnings: [],
      seq: 1,
      nodes: [{ node, reachable: false, steps: [step] }],
      unplaced: [{ workload: "shop/web/2", why: "1 node: label site missing" }],
      pushesOut: [],
      rollout: [],
    };
    const { code, out, asked } = await apply(() => ok(plan), ["--dry-run"]);
    expect(code).toBe(0);
    expect(asked[0]?.body).toMatchObject({ dryRun: true });
    expect(out).toMatch(/van-7 \(not heard from.*\n {2}start {3}shop\/web\/1: it fits/);
    expect(out).toContain("unplaced shop/web/2: 1 node: label site missing\nNothing was changed.");
  });

  test("[U11] --wait ends when everything runs", async () => {
    let looks = 0;
    const answer: Answering = ({ method }) => {
      if (method === "PUT") return ok(applied);
      looks += 1;
      return ok(
        looks < 3
          ? appView({ converged: false }, [workload({ good: false, state: "pulling", reason: "10 of 20 MB" })])
          : appView(),
      );
    };
    const { code, out } = await apply(answer, ["--wait"]);
    expect(code).toBe(0);
    expect(out).toContain("shop revision 3: 0 of 1 good\nshop is running as revision 3: 1 of 1 workload good.\n");
  });

  test("[U11] --wait says what is missing and why, and exits 3", async () => {
    const late = workload({
      good: false,
      state: "backing-off",
      reason: "its command was not found (exit 127)",
      hint: "Correct the command.",
    });
    const answer: Answering = ({ method }) =>
      method === "PUT" ? ok(applied) : ok(appView({ converged: false }, [late]));
    const { code, err } = await apply(answer, ["--wait", "--timeout", "2s"]);
    expect(code).toBe(3);
    expect(err).toContain("not as it should be within 2 s: 0 of 1 workload good");
    expect(err).toContain(
      "shop/web/1 on van-7: backing-off: its command was not found (exit 127)\n    → Correct the command.",
    );
  });

  test("[U11] --wait tells the last failure of what is just being tried again", async () => {
    let looks = 0;
    const answer: Answering = ({ method }) => {
      if (method === "PUT") return ok(applied);
      looks += 1;
      const failing = workload({ good: false, state: "backing-off", reason: "exit 127", hint: "Correct it." });
      const trying = workload({ good: false, state: "starting", reason: "it is starting" });
      return ok(appView({ converged: false }, [looks === 1 ? failing : trying]));
    };
    const { err } = await apply(answer, ["--wait", "--timeout", "1s"]);
    expect(err).toContain("starting: it is starting; before that: exit 127\n    → Correct it.");
  });

  test("[U12] [U33] --wait sits out a hub that is gone for a while", async () => {
    let looks = 0;
    const answer: Answering = ({ method }) => {
      if (method === "PUT") return ok(applied);
      looks += 1;
      return looks < 9 ? (looks % 2 === 0 ? null : refusal(503, "stopping", "stopping")) : ok(appView());
    };
    const { code, out } = await apply(answer, ["--wait"]);
    expect([code, out]).toEqual([0, expect.stringContaining(HUB_AWAY)]);
  });

  test("[U12] --wait says when somebody else was there", async () => {
    const then =
      (answer: ReturnType<Answering>): Answering =>
      ({ method }) =>
        method === "PUT" ? ok(applied) : answer;
    const overtaken = await apply(then(ok(appView({ revision: 4 }))), ["--wait"]);
    expect([overtaken.code, overtaken.err]).toMatchObject([
      1,
      expect.stringContaining("Revision 4 of shop was applied meanwhile"),
    ]);
    const removed = await apply(then(refusal(404, "app-not-found", "none")), ["--wait"]);
    expect([removed.code, removed.err]).toMatchObject([1, expect.stringContaining("was removed by someone else")]);
  });
});

describe("taking away", () => {
  const answer: Answering = ({ method }) =>
    method === "GET"
      ? ok(appView())
      : ok({
          app: "shop",
          revision: 4,
          workloads: 1,
          waitingFor: [{ id: "n0123456789abcdef", name: "van-7" }],
          volumesKept: ["shop_data"],
          seq: 1,
        });

  test("[U13] needs --yes where nobody can be asked", async () => {
    const { code, err, asked } = await withHub(answer, ["app", "rm", "shop"]);
    expect([code, asked.length]).toEqual([2, 1]);
    expect(err).toContain("--yes");
  });

  test("[U13] asks for the name, and does nothing when it is another", async () => {
    const typed = async (text: string) =>
      withHub(answer, ["app", "rm", "shop"], { inIsTerminal: true, ask: async () => text });
    const wrong = await typed("shops");
    expect([wrong.code, wrong.asked.length]).toEqual([1, 1]);
    expect((await typed("shop ")).code).toBe(0);
  });

  test("[U13] says what stays", async () => {
    const { code, out } = await withHub(answer, ["app", "rm", "shop", "--yes"]);
    expect(code).toBe(0);
    expect(out).toContain("Volumes that stay on the nodes: shop_data.");
    expect(out).toContain("Not heard from, and cleaned up when they are back: van-7.");
  });
});

describe("what is wanted beside the file", () => {
  const van = { id: "n0123456789abcdef", name: "van-7" };
  const wished = (more: object = {}) =>
    ok({
      app: "shop",
      target: "shop/web",
      changed: true,
      workloads: ["shop/web/1"],
      waitingFor: [van],
      seq: 1,
      ...more,
    });

  test.each([
    ["stop", "shop/web/2", { service: "web", slot: "2" }],
    ["start", "shop", { service: null, slot: null }],
    ["restart", "shop/web", { service: "web", slot: null }],
  ])("[U30] %s %s says what it is about, and who is told later", async (word, target, body) => {
    const { code, out, asked } = await withHub(() => wished(), [word, target, "--reason", "noise"]);
    expect(code).toBe(0);
    expect(asked).toMatchObject([{ method: "POST", url: `/v1/apps/shop/${word}`, body: { ...body, reason: "noise" } }]);
    expect(out).toMatch(/^shop\/web .*\(1 workload\)\.\nNot heard from, and told when they are back: van-7\.\n$/);
  });

  test.each(["pause", "unpause"])("[U30] %s is of an app as a whole", async (word) => {
    expect((await withHub(() => wished({ target: "shop" }), [word, "shop"])).out).toMatch(/^shop is .*paused/);
    expect((await withHub(() => wished(), [word, "shop/web"])).code).toBe(2);
  });

  test("[U30] what was wished already is said to be, and --json has the API's fields", async () => {
    expect((await withHub(() => wished({ changed: false }), ["stop", "shop/web"])).out).toBe(
      "shop/web is stopped already.\n",
    );
    const { out } = await withHub(() => wished(), ["stop", "shop/web", "--json"]);
    expect(JSON.parse(out)).toMatchObject({ target: "shop/web", waitingFor: [van] });
    expect((await withHub(() => wished(), ["stop", "shop/web/1/2"])).code).toBe(2);
  });

  test("[U30] scale takes a service and a number, and says that the file keeps its own", async () => {
    const scaled = ok({ app: "shop", service: "web", replicas: 5, from: 2, revision: 4, changed: true, seq: 1 });
    const { out, asked } = await withHub(() => scaled, ["scale", "shop/web", "5"]);
    expect(asked[0]).toMatchObject({
      url: "/v1/apps/shop/scale",
      body: { service: "web", replicas: 5, ifRevision: null },
    });
    expect(out).toContain("shop/web is to have 5 copies, where it had 2: revision 4 of shop.");
    expect(out).toContain("The file still says what it said");
    expect((await withHub(() => scaled, ["scale", "shop/web", "many"])).code).toBe(2);
    expect((await withHub(() => scaled, ["scale", "shop", "5"])).code).toBe(2);
  });

  const drained = (drain: object, more: object = {}) => ({
    ...van,
    availability: "draining",
    placements: [],
    drain: { deadlineAtMs: null, overSinceMs: null, done: false, stays: [], leaving: [], ...drain },
    ...more,
  });
  const bound = { workload: "shop/db/1", kind: "bound", why: "stays: it is bound", hint: null };
  /** null: the hub cannot be reached at that look. */
  const drain = (views: readonly (object | null)[], words: readonly string[] = []) => {
    let looks = 0;
    const answer: Answering = ({ method }) => {
      if (method === "PUT") return ok({ node: van });
      const view = views[Math.min(looks++, views.length - 1)];
      return view === null ? refusal(503, "stopping", "stopping") : ok(view);
    };
    return withHub(answer, ["drain", "van-7", ...words]);
  };

  test("[U31] drain says what stays and why, and sends its reason and deadline", async () => {
    const { code, out, asked } = await drain(
      [drained({ stays: [bound], done: true })],
      ["--reason", "SD", "--deadline", "10m"],
    );
    expect(asked[0]).toMatchObject({ body: { availability: "draining", reason: "SD", deadlineMs: 600_000 } });
    expect(out).toContain("shop/db/1: stays: it is bound");
    expect(out).toContain("Nothing is left that may move.");
    expect(code).toBe(0);
    expect((await drain([], ["--deadline", "10"])).code).toBe(2);
  });

  test("[U31] [U33] drain --wait ends when nothing is left that may move, and exits 3 when that is not in time", async () => {
    const turn = {
      workload: "shop/web/1",
      kind: "turn",
      why: "waits its turn: shop/web/2 must be good first",
      hint: null,
    };
    const busy = drained({ stays: [turn], leaving: ["shop/web/2"] });
    const done = await drain([busy, busy, drained({ leaving: [], done: true })], ["--wait"]);
    expect(done.code).toBe(0);
    expect(done.out).toMatch(
      /1 workload to move, 1 leaving; shop\/web\/1 waits its turn[\s\S]*van-7 is drained\.\nNothing is left on it\./,
    );
    const away = await drain([busy, busy, null, null, drained({ done: true })], ["--wait"]);
    expect(away.out.split(HUB_AWAY)).toHaveLength(2);
    const late = await drain([busy], ["--wait", "--timeout", "2s"]);
    expect([late.code, late.out]).toEqual([3, expect.stringContaining("van-7 is not drained yet")]);
    const over = await drain(
      [drained({ deadlineAtMs: 4, overSinceMs: 5, stays: [turn] }, { placements: [{ state: "stopped" }] })],
      ["--wait"],
    );
    expect([over.code, over.out]).toEqual([0, expect.stringContaining("The deadline has passed")]);
    const before = drained({ deadlineAtMs: 4, done: true, stays: [bound] });
    expect((await drain([before], ["--wait", "--timeout", "2s"])).code).toBe(3);
    const other = await drain([{ ...van, availability: "active", drain: null }], ["--wait"]);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining("no longer being drained")]);
  });

  const forgotten = (dryRun: boolean) =>
    ok({
      node: van,
      dryRun,
      workloads: 2,
      moves: [
        { workload: "shop/web/1", to: { id: "nfedcba9876543210", name: "shed" }, why: "" },
        { workload: "shop/web/2", to: null, why: "1 node: cordoned" },
      ],
      volumesKept: ["shop_data"],
      seq: 1,
    });

  test("[U13] node rm says before it asks what moves and which volumes stay", async () => {
    const answer: Answering = ({ url }) => forgotten(url.includes("dryRun=true"));
    const silent = await withHub(answer, ["node", "rm", "van-7"]);
    expect(silent.code).toBe(2);
    for (const text of ["shop/web/1: starts on shed", "finds no other node: 1 node: cordoned", "shop_data", "--yes"])
      expect(silent.err).toContain(text);
    expect(silent.asked.every(({ url }) => url.includes("dryRun=true"))).toBe(true);
    const wrong = await withHub(answer, ["node", "rm", "van-7"], { inIsTerminal: true, ask: async () => "van" });
    expect([wrong.code, wrong.asked.length]).toEqual([1, 1]);
    const done = await withHub(answer, ["node", "rm", "van-7", "--yes"]);
    expect([done.code, done.asked.length]).toEqual([0, 2]);
    expect(done.out).toContain("2 workloads were placed on it");
    const dry = await withHub(answer, ["node", "rm", "van-7", "--dry-run"]);
    expect([dry.code, dry.asked.length]).toEqual([0, 1]);
    expect(dry.out).toContain("Nothing was changed.");
  });
});

describe("events -f", () => {
  const event = (text: string) => ({
    atMs: 0,
    level: "info",
    source: "hub",
    kind: "x",
    node: null,
    app: "shop",
    workload: null,
    text,
  });
  const said = (id: string, text: string): string =>
    `id: ${id}\ndata: ${JSON.stringify({ kind: "events", items: [event(text)] })}\n\n`;

  test("[U15] goes on where the stream broke, and says what was missed", async () => {
    let streams = 0;
    const answer: Answering = ({ url }) => {
      if (url.startsWith("/v1/events")) return ok({ items: [{ id: 1, ...event("first") }], next: 1, seq: 7 });
      streams += 1;
      if (streams === 1) return `data: {"kind":"hello","seq":7}\n\n${said("8.0", "second")}`;
      if (streams === 2) return refusal(410, "watch-expired", "too old");
      if (streams === 3) return said("9.2", "third");
      return refusal(403, "not-permitted", "enough");
    };
    const { code, out, err, asked } = await withHub(answer, ["events", "-f", "--app", "shop"]);
    expect(code).toBe(1);
    expect(out.split("\n").map((line) => line.split(": ")[1])).toEqual(["first", "second", "third", undefined]);
    expect(err).toContain("some events were missed");
    const streamsAsked = asked.filter(({ url }) => url.startsWith("/v1/watch"));
    expect(streamsAsked[0]?.url).toBe("/v1/watch?app=shop&since=7");
    expect(streamsAsked[1]?.headers["last-event-id"]).toBe("8.0");
    expect(streamsAsked[3]?.headers["last-event-id"]).toBe("9.2");
  });
});

test("[U18] completion knows all commands", async () => {
  const { out } = await runWords(["completion", "bash"]);
  expect(out).toContain("bash completion for skerry");
  expect((await runWords(["completion", "tcsh"])).code).toBe(2);
});

test("[U17] starting loads neither schemas, YAML nor the hub", async () => {
  const seen = new Set<string>();
  const look = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = await readFile(path, "utf8");
    for (const [, name = ""] of text.matchAll(/^(?:import|export)(?! type)[^;]*? from "([^"]+)"/gm)) {
      const ours = /^@skerry\/shared\/(.+)$/.exec(name);
      const to = ours === null ? name : join(import.meta.dirname, "../../../shared/src", ours[1] ?? "");
      if (to.startsWith(".")) await look(join(path, "..", to));
      else if (to.startsWith("/")) await look(to);
      else seen.add(to);
    }
  };
  await look(join(import.meta.dirname, "main.ts"));
  const packages = [...seen].filter((name) => !name.startsWith("/") && !name.startsWith("node:"));
  expect(packages).toEqual(["commander"]);
});

describe("people and programs", () => {
  const token = {
    ...{ id: "36af96d99330", name: "ci", role: "deployer", apps: ["shop", "blog"], nodeLabels: ["site=farm"] },
    ...{ expiresAtMs: 0, expiresInMs: 86_400_000, lastUsedAtMs: null, createdAtMs: 0, createdBy: "admin" },
    token: "skt1.36af96d99330.secret",
  };

  test("[U40] api-token create sends role and scope, and shows the token with how to use it", async () => {
    const words =
      "api-token create --name ci --role deployer --app shop --app blog --node-label site=farm --expires 90d";
    const { code, out, asked } = await withHub(() => ok(token), words.split(" "));
    expect(code).toBe(0);
    expect(asked[0]).toMatchObject({ method: "POST", url: "/v1/api-tokens" });
    expect(asked[0]?.body).toEqual({
      ...{ name: "ci", role: "deployer", apps: ["shop", "blog"], nodeLabels: ["site=farm"] },
      expiresInMs: 90 * 86_400_000,
    });
    expect(out).toContain("role deployer, good for 1d.\nFor apps shop, blog and nodes with site=farm.\n");
    expect(out).toContain(`  ${token.token}\n`);
    expect(out).toMatch(/skerry login http:\/\/127\.0\.0\.1:\d+\n/);
  });

  test("[U40] api-token rm takes a name, an id or the whole token, of which only the id is sent", async () => {
    for (const given of ["ci", "36af96d99330", token.token]) {
      const { code, asked } = await withHub(() => ok(token), ["api-token", "rm", given]);
      expect([code, asked[0]?.url]).toEqual([0, `/v1/api-tokens/${given === "ci" ? "ci" : token.id}`]);
    }
    expect((await runWords(["api-token", "rm", "a/b"])).code).toBe(2);
  });

  test("[U41] can-i says yes or no and why; exit code 0 or 1", async () => {
    const answer = { permission: "app:deploy", name: "shop", reason: "your role is viewer", hint: "Ask the admin." };
    const words = ["auth", "can-i", "deploy", "app", "shop"];
    const yes = await withHub(() => ok({ ...answer, allowed: true }), words);
    expect([yes.code, yes.out, yes.err]).toEqual([0, "yes: your role is viewer\n", ""]);
    expect(yes.asked[0]?.url).toBe("/v1/auth/can-i?permission=app%3Adeploy&name=shop");
    const no = await withHub(() => ok({ ...answer, allowed: false }), words);
    expect([no.code, no.out, no.err]).toEqual([1, "no: your role is viewer\n", "Ask the admin.\n"]);
    const told = await withHub(() => ok({ ...answer, allowed: false }), [...words, "--json"]);
    expect([told.code, JSON.parse(told.out).allowed]).toEqual([1, false]);
  });

  test("[U41] a permission that there is not is told with those that there are", async () => {
    const { err } = await runWords(["role", "set", "till", "app:fly"]);
    expect(err).toMatch(/"app:fly" is no permission\.\nThere are: app:read, /);
  });

  test("[U40] roles are set, listed and removed", async () => {
    const role = { name: "till", builtin: false, permissions: ["app:read"], changed: true };
    const set = await withHub(() => ok(role), ["role", "set", "till", "app:read", "app:read"]);
    expect([set.asked[0]?.method, set.asked[0]?.body, set.out]).toEqual([
      "PUT",
      { permissions: ["app:read"] },
      "Role till: app:read\n",
    ]);
    expect((await withHub(() => ok({ items: [role] }), ["role", "ls"])).out).toBe("till (own): app:read\n");
    const removed = await withHub(() => ok({ name: "till" }), ["role", "rm", "till"]);
    expect([removed.asked[0]?.method, removed.out]).toEqual(["DELETE", "The role till is removed.\n"]);
  });
});
