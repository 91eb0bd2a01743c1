// Health on real engines: our own probes of each kind, and what is kept of a run that ended.
import { beforeAll, describe, expect, test } from "vitest";
import { stays, until } from "../lab/wait.ts";
import { compose, fleetForThisFile, SOON_MS, service, untilGood } from "./site.ts";

const fleet = fleetForThisFile({ nodes: 1 });
const api = () => fleet().node(1).engine.api;

/** Runs until it is told to stop. */
const FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const shell = (script: string, more: Readonly<Record<string, unknown>> = {}) =>
  service({ entrypoint: ["/bin/sh", "-c"], command: [script.replaceAll("$", () => "$$")], ...more });
const probes = (of: Readonly<Record<string, unknown>>) => ({ "x-skerry": { probes: of } });
const quick = { interval: "1s", timeout: "2s", failure_threshold: 2 };

async function viewOf(app: string) {
  const { body } = await fleet().hub.call("GET", `/v1/workloads?app=${app}&limit=50`);
  return body.items[0];
}
async function eventsOf(app: string): Promise<readonly { kind: string; text: string }[]> {
  return (await fleet().hub.call("GET", `/v1/events?app=${app}&limit=500`)).body.items;
}
const said = async (app: string, kind: string, pattern: RegExp) =>
  (await eventsOf(app)).find((event) => event.kind === kind && pattern.test(event.text));
async function sayIn(name: string, script: string): Promise<void> {
  expect(await api().exec(name, ["/bin/sh", "-c", script])).toMatchObject({ code: 0 });
}
/** The node's own word of how the last run ended. */
async function lastRun(
  app: string,
): Promise<{ words: string; exit: { code: number }; tail: readonly string[] } | undefined> {
  const { ended } = await fleet().node(1).status();
  return ended.find(({ id }: { id: string }) => id.startsWith(`${app}/`))?.runs[0];
}
const startOf = async (name: string): Promise<unknown> => (await api().find(name))?.State.StartedAt;

describe("probes", () => {
  beforeAll(async () => {
    // Each listens only once its file is there; each notes nothing of the others.
    const server = "mkdir -p /www; echo ok > /www/healthz; exec httpd -f -p 8080 -h /www";
    await Promise.all([
      fleet().apply(
        "http",
        compose({ web: shell(server, probes({ readiness: { ...quick, http: { port: 8080, path: "/healthz" } } })) }),
      ),
      fleet().apply("tcp", compose({ web: shell(server, probes({ readiness: { ...quick, tcp: 8080 } })) })),
      fleet().apply(
        "exec",
        compose({ web: shell(FOREVER, probes({ readiness: { ...quick, exec: ["test", "-e", "/tmp/ok"] } })) }),
      ),
      fleet().apply(
        "alive",
        compose({
          web: shell(
            `touch /tmp/alive; ${FOREVER}`,
            probes({
              liveness: { ...quick, exec: ["/bin/sh", "-c", "test -e /tmp/alive || { echo no light; exit 3; }"] },
            }),
          ),
        }),
      ),
      fleet().apply(
        "slow",
        compose({
          web: shell(FOREVER, probes({ startup: { ...quick, tcp: 9 }, liveness: { ...quick, exec: ["false"] } })),
        }),
      ),
    ]);
  });

  test("[N181] http: ready while the status is right, unready with the status otherwise, and nothing is restarted", async () => {
    await untilGood(fleet(), "http");
    const started = await startOf("http-web-1");
    await sayIn("http-web-1", "rm /www/healthz");
    await until(
      "it is shown as unready",
      async () => /not ready.*HTTP 404/.test((await viewOf("http")).reason),
      SOON_MS,
    );
    expect(await viewOf("http")).toMatchObject({ good: false, state: "running" });
    await sayIn("http-web-1", "echo ok > /www/healthz");
    await untilGood(fleet(), "http");
    expect(await startOf("http-web-1")).toBe(started);
    expect(await said("http", "probe-failed", /readiness probe fails: HTTP 404/)).toBeDefined();
    expect(await said("http", "probe-recovered", /readiness/)).toBeDefined();
  });

  test("[N182] tcp: ready when the connection is taken", async () => {
    await untilGood(fleet(), "tcp");
    expect(await viewOf("tcp")).toMatchObject({ state: "running", good: true });
  });

  test("[N183] exec: ready when the command ends with 0", async () => {
    await until("it is asked", async () => /exit 1/.test((await viewOf("exec"))?.reason), SOON_MS);
    expect(await viewOf("exec")).toMatchObject({ state: "running", good: false });
    await sayIn("exec-web-1", "touch /tmp/ok");
    await untilGood(fleet(), "exec");
  });

  test("[N172] what is not alive is restarted, and an event says what it answered", async () => {
    await untilGood(fleet(), "alive");
    const started = await startOf("alive-web-1");
    await sayIn("alive-web-1", "rm /tmp/alive");
    await until(
      "it runs anew",
      async () => {
        const now = await startOf("alive-web-1");
        return now !== started && (await api().find("alive-web-1"))?.State.Running;
      },
      SOON_MS,
    );
    await until("it is told", () => said("alive", "probe-failed", /liveness probe fails: exit 3: no light/), SOON_MS);
    await untilGood(fleet(), "alive");
  });

  test("[N173] a start that its startup probe gives up is started anew, and liveness is not asked meanwhile", async () => {
    await until("it is told", () => said("slow", "probe-failed", /startup probe fails: connection refused/), SOON_MS);
    await until("it backs off", () => said("slow", "backing-off", /not alive: its startup probe fails/), SOON_MS);
    expect(await said("slow", "probe-failed", /liveness/)).toBeUndefined();
    expect((await viewOf("slow")).good).toBe(false);
  });
});

describe("run history", () => {
  test("[N193] (H55) at the memory limit: killed by the kernel, with the limit and the last lines", async () => {
    const hog = "echo loading the map; exec awk 'BEGIN { while (1) text = text text \"0123456789abcdef\" }'";
    const limits = { deploy: { resources: { limits: { memory: "32M" } } } };
    await fleet().apply("hog", compose({ web: shell(hog, limits) }));
    const words = /killed by the kernel at its memory limit of 32 MB \(exit 137\)/;
    await until("it is told", () => said("hog", "container-exited", words), SOON_MS);
    expect((await lastRun("hog"))?.tail).toEqual(["loading the map"]);
    await fleet().hub.call("DELETE", "/v1/apps/hog");
  });

  test("[N193] killed through the engine: by a person or a program", async () => {
    await fleet().apply("person", compose({ web: shell(FOREVER) }));
    await untilGood(fleet(), "person");
    await stays("it runs", async () => (await api().find("person-web-1"))?.State.Running, 1_500);
    await api().kill("person-web-1");
    await until(
      "it is told",
      () => said("person", "container-exited", /killed by a person or a program, through the engine/),
      SOON_MS,
    );
    await untilGood(fleet(), "person");
  });

  test("[N190] the last lines are kept after the container is gone: in events, why, and on the node itself", async () => {
    const chatty = "i=0; while [ $i -lt 200 ]; do echo line-$i; i=$((i+1)); done; exit 3";
    const policy = { restart: "no" };
    await fleet().apply("chatty", compose({ web: shell(chatty, policy) }));
    await until("it is told", () => said("chatty", "container-exited", /exit 3/), SOON_MS);
    await api().remove("chatty-web-1");
    // A container that was taken away is made again: as long as the new one runs, there is nothing to explain.
    const why = async () => (await fleet().hub.call("GET", "/v1/why/chatty/web/1")).body;
    await until("why tells its last words", async () => (await why()).output.at(-1) === "line-199", SOON_MS);
    const run = await lastRun("chatty");
    expect(run).toMatchObject({ words: "ended with an error (exit 3)", exit: { code: 3 } });
    expect(run?.tail).toHaveLength(50);
    expect(run?.tail.at(-1)).toBe("line-199");
  });
});
