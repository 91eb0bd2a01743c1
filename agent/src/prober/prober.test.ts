// The prober on a clock that a test turns by hand: who is asked when, how many at once, and who waits for whom.
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import type { Assignment } from "@skerry/shared/model/assignment.ts";
import type { Probe, ProbeCheck, Probes } from "@skerry/shared/model/update.ts";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/unit/agent/manual-clock.ts";
import { assignment, container, workload } from "../../../test/unit/agent/scenario.ts";
import type { OwnContainer } from "../core/observed.ts";
import type { Answer } from "../core/probe.ts";
import { EngineError } from "../engine/engine.ts";
import { asksThrough, placesOf } from "./ask.ts";
import { MAX_STARTS_PER_S, Prober, type ProbeTarget } from "./prober.ts";

const PROBE: Probe = {
  check: { kind: "tcp", port: 80 },
  ...{ initialDelayMs: 0, intervalMs: 10_000, timeoutMs: 1_000, failureThreshold: 1, successThreshold: 1 },
};
const only = (name: keyof Probes, probe: Partial<Probe> = {}): Probes => ({
  ...{ startup: null, readiness: null, liveness: null },
  [name]: { ...PROBE, ...probe },
});
const GOOD: Answer = { ok: true, what: "connected", detail: "" };
const never = new Promise<Answer | null>(() => undefined);

function start(answer: (target: ProbeTarget) => Promise<Answer | null>) {
  const clock = new ManualClock();
  const asked: { readonly service: string; readonly atMs: number }[] = [];
  let news = 0;
  const bugs: unknown[] = [];
  const prober = new Prober({
    clock,
    chance: () => 0.5,
    ask: (target) => {
      asked.push({ service: target.workload.service, atMs: clock.monotonicMs() });
      return answer(target);
    },
    onNews: () => {
      news += 1;
    },
    onBug: (error) => bugs.push(error),
  });
  const follow = (desired: Assignment, own: readonly OwnContainer[]) => prober.follow(desired, own, () => true);
  return { clock, asked, follow, news: () => news, bugs };
}

describe("prober", () => {
  test("[N177] where nothing is probed no timer is set and nothing is held", () => {
    const { clock, follow } = start(() => never);
    const plain = workload("plain");
    expect(follow(assignment([plain]), [container(plain)]).size).toBe(0);
    expect(clock.pending()).toEqual([]);
  });

  test("[N178] one that never answers is given up after its time-out and keeps no other one waiting", async () => {
    const hangs = workload("hangs", { probes: only("liveness", { timeoutMs: 60_000, failureThreshold: 1 }) });
    const works = workload("works", { probes: only("liveness") });
    const site = start((target) => (target.workload.service === "hangs" ? never : Promise.resolve(GOOD)));
    const follow = () => site.follow(assignment([hangs, works]), [container(hangs), container(works)]);
    follow();
    await site.clock.pass(55_000);
    expect(site.asked.filter(({ service }) => service === "works").length).toBe(6);
    expect(site.asked.filter(({ service }) => service === "hangs").length).toBe(1);
    expect(follow().get(hangs.id)).toMatchObject({ alive: true });
    await site.clock.pass(11_500);
    expect(follow().get(hangs.id)).toMatchObject({ alive: false, reason: expect.stringContaining("within 60 s") });
    expect(follow().get(works.id)).toMatchObject({ alive: true });
    expect(site.bugs).toEqual([]);
  });

  test("[N179] at most a hundred probes begin in a second, whatever is due, and none is left out", async () => {
    const many = Array.from({ length: 300 }, (_, at) =>
      workload(`many${at}`, { probes: only("liveness", { intervalMs: 1_000 }) }),
    );
    const site = start(() => Promise.resolve(GOOD));
    site.follow(
      assignment(many),
      many.map((one) => container(one)),
    );
    await site.clock.pass(9_000);
    for (const { atMs } of site.asked) {
      const within = site.asked.filter((other) => other.atMs >= atMs && other.atMs < atMs + 1_000).length;
      expect(within).toBeLessThanOrEqual(MAX_STARTS_PER_S);
    }
    const counts = many.map(({ service }) => site.asked.filter((one) => one.service === service).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(2);
  });

  test("[N180] a new run, or another probe, is asked afresh, and an answer about what went before is let go", async () => {
    const of = (probes: Probes) => workload("web", { probes });
    const answers: ((answer: Answer) => void)[] = [];
    const site = start(() => new Promise((resolve) => answers.push(resolve)));
    const one = of(only("liveness"));
    site.follow(assignment([one]), [container(one)]);
    await site.clock.pass(1_000);
    const later = container(one, { details: { startedAt: "2026-11-21T11:00:00Z" } });
    site.follow(assignment([one]), [later]);
    answers[0]?.({ ok: false, what: "connection refused", detail: "" });
    await site.clock.pass(0);
    expect(site.follow(assignment([one]), [later]).get(one.id)).toMatchObject({ alive: true });
    const other = of(only("readiness"));
    expect(site.follow(assignment([other]), [later]).get(one.id)).toMatchObject({ ready: false, answers: [] });
    expect(site.follow(assignment([other]), []).size).toBe(0);
    expect(site.clock.pending()).toEqual([]);
  });

  test("[N176] only news wakes the reconciler", async () => {
    const web = workload("web", { probes: only("readiness") });
    const site = start(() => Promise.resolve(GOOD));
    site.follow(assignment([web]), [container(web)]);
    await site.clock.pass(100_000);
    expect(site.asked.length).toBeGreaterThan(8);
    expect(site.news()).toBe(1);
  });
});

describe("asking", () => {
  const host = workload("web", { spec: { networkMode: "host" } });
  const target: ProbeTarget = { workload: host, containerId: "c1", addresses: [] };
  const signal = new AbortController().signal;
  const engine = (exec: () => Promise<{ exitCode: number | null; output: string }>) => ({ exec });
  const noExec = engine(() => Promise.reject(new EngineError("unreachable", "away")));
  const probe = (check: ProbeCheck): Probe => ({ ...PROBE, check });
  const http = (port: number, more: Partial<Extract<ProbeCheck, { kind: "http" }>> = {}): Probe =>
    probe({ kind: "http", port, path: "/healthz", status: [{ from: 200, to: 399 }], headers: {}, ...more });

  test("[N181] http succeeds by the status that comes, and sends the headers of the file", async () => {
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.url} ${request.headers["x-key"]}`);
      response.statusCode = request.url === "/healthz" ? 204 : 503;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const ask = asksThrough(noExec);
    expect(await ask(target, http(port, { headers: { "x-key": "k" } }), signal)).toMatchObject({
      ok: true,
      what: "HTTP 204",
    });
    expect(await ask(target, http(port, { path: "/else" }), signal)).toMatchObject({ ok: false, what: "HTTP 503" });
    const wanted = http(port, { path: "/else", status: [{ from: 503, to: 503 }] });
    expect(await ask(target, wanted, signal)).toMatchObject({ ok: true });
    expect(await ask(target, http(port, { path: "/a b" }), signal)).toMatchObject({
      ok: false,
      what: "its request cannot be made",
    });
    expect(seen).toEqual(["/healthz k", "/else undefined", "/else undefined"]);
    await new Promise((resolve) => server.close(resolve));
    expect(await ask(target, http(port), signal)).toMatchObject({ ok: false, what: "connection refused" });
  });

  test("[N182] tcp succeeds when a connection is taken, whatever is said on it", async () => {
    const server = createTcpServer((socket) => socket.on("error", () => undefined));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const ask = asksThrough(noExec);
    expect(await ask(target, probe({ kind: "tcp", port }), signal)).toMatchObject({ ok: true });
    await new Promise((resolve) => server.close(resolve));
    expect(await ask(target, probe({ kind: "tcp", port }), signal)).toMatchObject({
      ok: false,
      what: "connection refused",
    });
  });

  test("[N183] a command succeeds by its exit code, and an engine that is away says nothing of the container", async () => {
    const command = probe({ kind: "exec", command: ["check"] });
    const ask = (exec: () => Promise<{ exitCode: number; output: string }>) =>
      asksThrough(engine(exec))(target, command, signal);
    expect(await ask(() => Promise.resolve({ exitCode: 0, output: "" }))).toEqual({
      ok: true,
      what: "exit 0",
      detail: "",
    });
    expect(await ask(() => Promise.resolve({ exitCode: 2, output: "no light\n" }))).toEqual({
      ...{ ok: false, what: "exit 2", detail: "no light" },
    });
    expect(await ask(() => Promise.reject(new EngineError("unreachable", "away")))).toBeNull();
    expect(await ask(() => Promise.reject(new EngineError("conflict", "not running")))).toBeNull();
    const missing = await ask(() => Promise.reject(new EngineError("invalid", "exec: no such file")));
    expect(missing).toMatchObject({ ok: false, detail: "exec: no such file" });
  });

  test("[N183] a command that is late fails only when the engine says that it still runs", async () => {
    const command = probe({ kind: "exec", command: ["check"] });
    const late = AbortSignal.abort();
    const ask = (exec: () => Promise<{ exitCode: number | null; output: string }>) =>
      asksThrough(engine(exec))(target, command, late);
    expect(await ask(() => Promise.resolve({ exitCode: null, output: "" }))).toMatchObject({
      ...{ ok: false, what: "no answer within 1 s" },
    });
    expect(await ask(() => Promise.reject(new EngineError("retry", "it was given up")))).toBeNull();
  });

  test("[N184] a container is asked at its own address, then where its port is published; on the host's network at 127.0.0.1", () => {
    const ports = [{ hostPort: 8_080, containerPort: 80, protocol: "tcp" as const, hostIp: "" }];
    const web = workload("web", { spec: { ports } });
    const place = { workload: web, containerId: "c1", addresses: ["172.18.0.2"] };
    expect(placesOf(place, 80)).toEqual([
      { host: "172.18.0.2", port: 80 },
      { host: "127.0.0.1", port: 8_080 },
    ]);
    expect(placesOf({ ...place, addresses: [] }, 81)).toEqual([]);
    expect(placesOf(target, 80)).toEqual([{ host: "127.0.0.1", port: 80 }]);
  });

  test("[N184] what can be reached nowhere is said to be so", async () => {
    const hidden = { workload: workload("web"), containerId: "c1", addresses: [] };
    const answer = await asksThrough(noExec)(hidden, probe({ kind: "tcp", port: 80 }), signal);
    expect(answer).toMatchObject({ ok: false, what: expect.stringContaining("no way from the node") });
  });
});
