// How a file says that a service is changed, asked for its health and given room.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the syntax under test.
import { DEFAULT_ROLLBACK, DEFAULT_ROLLOUT, DEFAULT_UPDATE, NO_UPDATE_TIMES } from "@skerry/shared/model/plain.ts";
import { describe, expect, test } from "vitest";
import { compileCompose } from "./compile.ts";

function compile(service: object, variables: Record<string, string> = {}) {
  const text = JSON.stringify({
    services: { app: { image: "app:1", ...service } },
    networks: { net: {} },
    volumes: { vol: {} },
  });
  return compileCompose({ name: "demo", text, files: {}, variables, profiles: [] });
}

function spec(service: object) {
  const result = compile(service);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  const [first] = result.value.spec.services;
  if (first === undefined) throw new Error("no service");
  return first;
}

function problem(service: object, variables: Record<string, string> = {}) {
  const result = compile(service, variables);
  if (result.ok) throw new Error("it was accepted");
  const [first, ...more] = result.error;
  if (first === undefined || more.length > 0) throw new Error(JSON.stringify(result.error));
  return first;
}

const deploy = (update_config: object, more: object = {}) => ({ deploy: { update_config }, ...more });
const ours = (settings: object) => ({ "x-skerry": settings });

describe("update_config and rollback_config", () => {
  test("[C24] what is left out of a section has Compose's defaults; without the section ours count", () => {
    const plain = spec({});
    expect([plain.update, plain.rollback, plain.rollout, plain.times, plain.probes, plain.priority]).toEqual([
      DEFAULT_UPDATE,
      DEFAULT_ROLLBACK,
      DEFAULT_ROLLOUT,
      NO_UPDATE_TIMES,
      null,
      0,
    ]);
    const compose = {
      parallelism: { kind: "count", count: 1 },
      delayMs: 0,
      monitorMs: 5_000,
      failureAction: "pause",
      maxFailureRatio: 0,
      order: "stop-first",
    };
    const empty = spec({ deploy: { update_config: {}, rollback_config: {} } });
    expect([empty.update, empty.rollback]).toEqual([compose, compose]);
  });

  test("[C24] each key is read, with a percentage where a number of copies is asked for", () => {
    const update_config = {
      parallelism: "12.5%",
      delay: "10s",
      monitor: "1m",
      failure_action: "rollback",
      max_failure_ratio: "20%",
      order: "start-first",
    };
    expect(spec(deploy(update_config)).update).toEqual({
      parallelism: { kind: "percent", percent: 12.5 },
      delayMs: 10_000,
      monitorMs: 60_000,
      failureAction: "rollback",
      maxFailureRatio: 0.2,
      order: "start-first",
    });
    expect(spec(deploy({ parallelism: 0 })).update.parallelism).toEqual({ kind: "count", count: 0 });
  });

  test.each([
    [
      { parallelism: "0%" },
      "`parallelism` needs a whole number from 0 on, or a percentage from above 0 to 100 such as 25%.",
    ],
    [
      { parallelism: -1 },
      "`parallelism` needs a whole number from 0 on, or a percentage from above 0 to 100 such as 25%.",
    ],
    [
      { parallelism: "101%" },
      "`parallelism` needs a whole number from 0 on, or a percentage from above 0 to 100 such as 25%.",
    ],
    [{ max_failure_ratio: 1.1 }, "`max_failure_ratio` needs a share from 0 to 1, such as 0.2 or 20%."],
    [{ monitor: "2d" }, "`monitor` needs a duration at most 1d."],
    [{ delay: 5 }, "`delay` needs a duration with its unit, such as 30s or 1m30s."],
    [{ failure_action: "rolback" }, "`failure_action` needs one of continue, pause, rollback."],
    [
      { monitor: "10m" },
      "`update_config.monitor` must be shorter than `x-skerry.rollout.deadline` (10m unless said): nothing could pass.",
    ],
  ])("[C24] %j is refused", (update_config, message) => {
    expect(problem(deploy(update_config))).toMatchObject({ message, line: 1 });
  });

  test("[C24] a rollback is never rolled back", () => {
    expect(problem({ deploy: { rollback_config: { failure_action: "rollback" } } }).message).toBe(
      "`failure_action` needs one of continue, pause.",
    );
  });

  test.each([
    [{ ports: ["80:8080"] }, "both would need port 80 of the node"],
    [{ network_mode: "host" }, "with `network_mode: host` both would need the same ports of the node"],
    [{ volumes: ["vol:/data"] }, "both would write to /data at the same time"],
    [{ volumes: ["/srv/a:/data"] }, "both would write to /data at the same time"],
    [{ networks: { net: { ipv4_address: "10.0.0.9" } } }, "both would need the same address in the network demo_net"],
    [ours({ disconnect: { policy: "fence" } }), "`disconnect: fence` promises that there is at most one copy"],
  ])("[C25] start-first with %j is refused with the reason, and stop-first is chosen by itself", (more, reason) => {
    for (const key of ["update_config", "rollback_config"]) {
      const found = problem({ deploy: { [key]: { order: "start-first" } }, ...more });
      expect(found).toMatchObject({
        code: "value-refused",
        message: `\`order: start-first\` is refused: ${reason}.`,
        hint: "Remove it, or write stop-first.",
        path: `services.app.deploy.${key}.order`,
      });
    }
    expect(spec(deploy({}, more)).update.order).toBe("stop-first");
  });

  test.each([[{ ports: ["8080"] }], [{ volumes: ["vol:/data:ro", "/anonymous"], tmpfs: ["/tmp"] }]])(
    "[C25] start-first with %j is fine: each copy has its own",
    (more) => {
      expect(spec(deploy({ order: "start-first" }, more)).update.order).toBe("start-first");
    },
  );
});

describe("x-skerry.rollout", () => {
  const rollout = (settings: object) => spec(ours({ rollout: settings })).rollout;

  test("[C26] a canary is a number, a percentage, or the copies on nodes that meet a constraint", () => {
    expect(rollout({ canary: 2 }).canary).toEqual({
      who: { kind: "amount", amount: { kind: "count", count: 2 } },
      promoteAfterMs: null,
    });
    expect(rollout({ canary: "10%", promote_after: "1h" }).canary).toEqual({
      who: { kind: "amount", amount: { kind: "percent", percent: 10 } },
      promoteAfterMs: 3_600_000,
    });
    expect(rollout({ canary: { constraint: "node.labels.canary == yes" } }).canary?.who).toEqual({
      kind: "nodes",
      constraint: { attribute: { kind: "label", key: "canary" }, operator: "==", value: "yes" },
    });
  });

  test("[C26] batches, budget and deadline; a label is named by its key, or as constraints name it", () => {
    const settings = {
      batch_by: "node.labels.site",
      success_threshold: 0.9,
      budget: { max_unavailable: "20%", per: "site" },
      deadline: "3m",
    };
    expect(rollout(settings)).toEqual({
      canary: null,
      batchBy: "site",
      successThreshold: 0.9,
      budget: { maxUnavailable: { kind: "percent", percent: 20 }, per: "site" },
      deadlineMs: 180_000,
    });
  });

  test.each([
    [{ canary: 0 }, "`canary` needs a whole number from 1 on, or a percentage from above 0 to 100 such as 25%."],
    [{ canary: {} }, "`canary` needs a `constraint`, a number or a percentage."],
    [{ canary: { constraint: "node.labels.a = b" } }, "This is not a constraint."],
    [{ promote_after: "5m" }, "`promote_after` has no meaning without a `canary`."],
    [{ budget: {} }, "`budget` needs `max_unavailable`: how many may be not good at one time."],
    [
      { budget: { max_unavailable: 0 } },
      "`max_unavailable` needs a whole number from 1 on, or a percentage from above 0 to 100 such as 25%.",
    ],
    [{ batch_by: "node.hostname" }, "`batch_by` needs the key of a node label, such as site."],
    [{ success_threshold: 2 }, "`success_threshold` needs a share from 0 to 1, such as 0.2 or 20%."],
    [{ deadline: "0s" }, "`deadline` needs a duration from 1s to 1d."],
    [
      { deadline: "5s" },
      "`update_config.monitor` must be shorter than `x-skerry.rollout.deadline` (10m unless said): nothing could pass.",
    ],
  ])("[C26] %j is refused", (settings, message) => {
    expect(problem(ours({ rollout: settings })).message).toBe(message);
  });

  test("[C26] a misspelt key is told with the nearest one", () => {
    expect(problem(ours({ rollout: { canery: 1 } }))).toMatchObject({
      message: "There is no key `canery` in `rollout`.",
      hint: "Did you mean `canary`?",
    });
  });
});

describe("x-skerry.update", () => {
  const times = (settings: object) => spec(ours({ update: settings })).times;

  test("[C27] a window opens at each match of its cron line in its time zone, which is UTC unless said", () => {
    const download = { cron: " 30  1 * * * ", duration: "90m" };
    const apply = { cron: "0 3 * * 1-5", duration: "2h", time_zone: "Europe/Berlin" };
    expect(times({ download, apply })).toEqual({
      download: { cron: "30 1 * * *", durationMs: 5_400_000, timeZone: "UTC" },
      apply: { cron: "0 3 * * 1-5", durationMs: 7_200_000, timeZone: "Europe/Berlin" },
      hold: null,
    });
    expect(times({ apply: { cron: "0 0 29 2 *", duration: "1h" } }).apply?.cron).toBe("0 0 29 2 *");
  });

  const FIVE = 'Five fields: minute, hour, day of month, month, day of week. "0 3 * * 1-5" is 03:00 on weekdays.';
  test.each([
    [{ cron: "0 3 * *", duration: "1h" }, '"0 3 * *" is not a cron line.', FIVE],
    [{ cron: "0 0 3 * * *", duration: "1h" }, '"0 0 3 * * *" is not a cron line.', FIVE],
    [{ cron: "@daily", duration: "1h" }, '"@daily" is not a cron line.', FIVE],
    [{ cron: "61 * * * *", duration: "1h" }, '"61 * * * *" is not a cron line: Invalid value for minute: 61.', FIVE],
    [
      { cron: "0 0 30 2 *", duration: "1h" },
      '"0 0 30 2 *" is not a cron line that ever comes: the window would never open.',
      FIVE,
    ],
    [
      { cron: "0 3 * * *", duration: "1h", time_zone: "Mars/Base" },
      '"Mars/Base" is not a time zone.',
      "Write an IANA name such as Europe/Berlin, or UTC.",
    ],
    [
      { cron: "0 3 * * *", duration: "1h", time_zone: "+02:00" },
      '"+02:00" is not a time zone.',
      "Write an IANA name such as Europe/Berlin, or UTC.",
    ],
    [{ cron: "0 3 * * *", duration: "30s" }, "`duration` needs a duration from 1m to 7d.", ""],
    [{ cron: "0 3 * * *", duration: "8d" }, "`duration` needs a duration from 1m to 7d.", ""],
    [
      { cron: "0 3 * * *" },
      "`apply` needs `duration`.",
      'Write `{ cron: "0 3 * * *", duration: 2h, time_zone: Europe/Berlin }`.',
    ],
    [
      { cron: null, duration: "1h" },
      "`apply` needs `cron`.",
      'Write `{ cron: "0 3 * * *", duration: 2h, time_zone: Europe/Berlin }`.',
    ],
  ])("[C27] %j is refused", (apply, message, hint) => {
    expect(problem(ours({ update: { apply } }))).toMatchObject({ message, hint });
  });

  test("[C9] what a variable put into a cron line is not shown", () => {
    const found = problem(ours({ update: { apply: { cron: "$SECRET * * * *", duration: "1h" } } }), { SECRET: "99" });
    expect(JSON.stringify(found)).not.toContain("99");
    expect(found.message).toBe('"$SECRET * * * *" is not a cron line.');
  });

  test("[C33] a hold whose folder in the container is taken is refused", () => {
    for (const volume of ["/srv/skerry:/run/skerry", "/srv/skerry:/run//skerry/:ro", "vol:/run/skerry"]) {
      const found = problem({ volumes: [volume], ...ours({ update: { hold: true } }) });
      expect(found.message).toContain("needs the folder /run/skerry in the container, and something is mounted there");
    }
    const taken = { volumes: ["/srv/skerry:/run/skerry"] };
    expect(spec({ ...taken, ...ours({ update: { hold: false } }) }).times.hold).toBeNull();
  });

  test("[C28] a hold has an end: an hour unless said, a week at most", () => {
    expect(times({ hold: true }).hold).toEqual({ maxMs: 3_600_000 });
    expect(times({ hold: {} }).hold).toEqual({ maxMs: 3_600_000 });
    expect(times({ hold: { max: "2h" } }).hold).toEqual({ maxMs: 7_200_000 });
    expect(times({ hold: false }).hold).toBeNull();
    expect(problem(ours({ update: { hold: { max: "8d" } } })).message).toBe("`max` needs a duration from 1s to 7d.");
    expect(problem(ours({ update: { hold: "2h" } })).message).toBe("`hold` needs true or false.");
  });
});

describe("x-skerry.probes", () => {
  const probes = (settings: object) => spec(ours({ probes: settings })).probes;
  const usual = { initialDelayMs: 0, intervalMs: 10_000, timeoutMs: 1_000, failureThreshold: 3, successThreshold: 1 };

  test("[C29] a probe asks by HTTP, TCP or a command; what is left out has Kubernetes' defaults", () => {
    expect(
      probes({ startup: { tcp: 5432 }, readiness: { http: { port: 80 } }, liveness: { exec: ["cat", "/tmp/ok"] } }),
    ).toEqual({
      startup: { ...usual, check: { kind: "tcp", port: 5_432 } },
      readiness: {
        ...usual,
        check: { kind: "http", port: 80, path: "/", status: [{ from: 200, to: 399 }], headers: {} },
      },
      liveness: { ...usual, check: { kind: "exec", command: ["cat", "/tmp/ok"] } },
    });
    expect(probes({ liveness: { exec: "test -e /tmp/ok" } })?.liveness?.check).toEqual({
      kind: "exec",
      command: ["/bin/sh", "-c", "test -e /tmp/ok"],
    });
    expect(probes({})).toBeNull();
  });

  test("[C29] every number of it can be said", () => {
    const readiness = {
      http: { port: 8080, path: "/ready?a=1", status: [204, "300 - 302"], headers: { Host: "shop" } },
      interval: "5s",
      timeout: "500ms",
      initial_delay: "3s",
      failure_threshold: 2,
      success_threshold: 4,
    };
    expect(probes({ readiness })?.readiness).toEqual({
      check: {
        kind: "http",
        port: 8_080,
        path: "/ready?a=1",
        status: [
          { from: 204, to: 204 },
          { from: 300, to: 302 },
        ],
        headers: { Host: "shop" },
      },
      initialDelayMs: 3_000,
      intervalMs: 5_000,
      timeoutMs: 500,
      failureThreshold: 2,
      successThreshold: 4,
    });
  });

  test.each([
    [{ startup: {} }, "`startup` needs http, tcp or exec."],
    [{ startup: { tcp: 1, exec: ["a"] } }, "`startup` has both `tcp` and `exec`; a probe does one thing."],
    [{ startup: { tcp: 70_000 } }, "`tcp` needs a whole number from 1 to 65535."],
    [{ startup: { http: {} } }, "`http` needs `port`: the port in the container."],
    [
      { startup: { http: { port: 1, path: "healthz" } } },
      "`path` needs a path that begins with a slash and has no spaces, such as /healthz.",
    ],
    [
      { startup: { http: { port: 1, status: 700 } } },
      "`status` needs a number such as 200, or a range such as 200-399.",
    ],
    [
      { startup: { http: { port: 1, status: "300-200" } } },
      "`status` needs a number such as 200, or a range such as 200-399.",
    ],
    [{ startup: { http: { port: 1, headers: { "a b": "c" } } } }, "This is not an HTTP header."],
    [{ startup: { http: { port: 1, headers: { a: "b\r\nc: d" } } } }, "This is not an HTTP header."],
    [{ startup: { exec: [] } }, "`exec` has no command."],
    [{ startup: { tcp: 1, interval: "100ms" } }, "`interval` needs a duration from 1s to 1h."],
    [{ startup: { tcp: 1, timeout: "0s" } }, "`timeout` needs a duration from 10ms to 1h."],
    [
      { liveness: { tcp: 1, success_threshold: 2 } },
      "`success_threshold` above 1 is for readiness: one success is enough for liveness.",
    ],
  ])("[C29] %j is refused", (settings, message) => {
    expect(problem(ours({ probes: settings })).message).toBe(message);
  });

  test("[C29] a port that nobody can reach is refused", () => {
    const found = problem({ network_mode: "none", ...ours({ probes: { liveness: { tcp: 80 } } }) });
    expect(found.message).toBe("With `network_mode: none` nobody can reach a tcp probe's port.");
  });
});

test("[C30] a priority goes from -1000 to 1000", () => {
  expect(spec(ours({ priority: -1_000 })).priority).toBe(-1_000);
  expect(problem(ours({ priority: 1_001 })).message).toBe("`priority` needs a whole number from -1000 to 1000.");
});

test("[C31] how a service is changed, probed and ranked is not in its hash: changing it restarts nothing", () => {
  const settings = {
    priority: 5,
    probes: { liveness: { tcp: 80 } },
    rollout: { canary: 1, batch_by: "site" },
    update: { apply: { cron: "0 3 * * *", duration: "1h" } },
  };
  const changed = spec({ deploy: { update_config: { parallelism: 2 }, rollback_config: {} }, ...ours(settings) });
  expect(changed.specHash).toBe(spec({}).specHash);
});
