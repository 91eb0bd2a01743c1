// Two revisions side by side over the API, and the words for what differs.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Compose files hold such text.
import { defaultContainerSpec } from "@skerry/shared/model/container.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startTestHub, type TestHub } from "../../../test/unit/http-hub.ts";
import { compileCompose } from "../compose/compile.ts";
import { specWords } from "./views/spec-words.ts";

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub();
});
afterEach(() => hub.close());

const FIRST = "services:\n  web:\n    image: web:1\n  old:\n    image: old\n";
const SECOND = 'services:\n  web:\n    image: web:2\n    environment: {A: "${A}"}\n  new:\n    image: new\n';

test("[A60] a diff of two revisions says per service what differs, and has both files; the current one is taken for `to`", async () => {
  await hub.apply("shop", FIRST);
  await hub.apply("shop", SECOND, { variables: { A: "secret-1" } });
  const answer = await hub.call("GET", "/v1/apps/shop/diff?from=1");
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual({
    app: "shop",
    from: { revision: 1, source: FIRST },
    to: { revision: 2, source: SECOND },
    services: [
      { service: "new", change: "added", what: [] },
      { service: "old", change: "removed", what: [] },
      { service: "web", change: "recreated", what: ["environment: adds A", "image web:1 → web:2"] },
    ],
  });
  expect((await hub.call("GET", "/v1/apps/shop/diff?from=2&to=1")).body.services[0].change).toBe("removed");
  expect(await hub.call("GET", "/v1/apps/shop/diff?from=7")).toMatchObject({
    status: 404,
    body: { code: "revision-not-found", path: "from" },
  });
});

test("[A60] a network that changes shows with the service that uses it", async () => {
  const file = (internal: boolean): string =>
    `services: {web: {image: w, networks: [net]}}\nnetworks: {net: {internal: ${internal}}}\n`;
  await hub.apply("shop", file(false));
  await hub.apply("shop", file(true));
  const answer = await hub.call("GET", "/v1/apps/shop/diff?from=1");
  expect(answer.body.services[0]).toMatchObject({
    change: "recreated",
    what: ["changes a network or volume that it uses"],
  });
});

describe("the words for what differs", () => {
  const spec = (service: object) => {
    const text = JSON.stringify({ services: { web: { image: "web:1", ...service } } });
    const result = compileCompose({ name: "shop", text, files: {}, variables: {}, profiles: [] });
    const [first] = result.ok ? result.value.spec.services : [];
    if (first === undefined) throw new Error(JSON.stringify(result));
    return first;
  };
  const ours = (settings: object) => ({ "x-skerry": settings });

  test.each<[object, object, string[]]>([
    [{}, {}, []],
    [
      { environment: { A: 1, B: 1, C: "secret" } },
      { environment: { A: 2, C: "secret", D: 1 } },
      ["environment: adds D; changes A; drops B"],
    ],
    [{ mem_limit: "64m", cpus: 0.5 }, { mem_limit: "128m" }, ["memory limit 64 MB → 128 MB", "CPU limit 0.5 → none"]],
    [{ command: "a", cap_add: ["NET_ADMIN"] }, { command: "b" }, ["changes cap_add, command"]],
    [{ scale: 1 }, { scale: 3 }, ["1 copy → 3 copies"]],
    [
      {},
      { deploy: { mode: "global" } },
      ["1 copy → one on each matching node", "when a node is silent: replace after 30 s → keep"],
    ],
    [
      { deploy: { update_config: { parallelism: 1, monitor: "5s" } } },
      { deploy: { update_config: { parallelism: "50%", monitor: "10s", failure_action: "rollback" } } },
      ["update_config: parallelism 1 → 50%, monitor 5 s → 10 s, failure_action pause → rollback"],
    ],
    [
      { deploy: { rollback_config: { parallelism: 0 } } },
      { deploy: { rollback_config: { parallelism: 1 } } },
      ["rollback_config: parallelism all → 1"],
    ],
    [
      ours({ priority: 1, probes: { liveness: { tcp: 80 } }, rollout: { canary: 1 }, update: { hold: true } }),
      ours({ priority: 2 }),
      [
        "priority 1 → 2",
        "changes its probes",
        "changes x-skerry.rollout",
        "changes x-skerry.update (windows and holds)",
      ],
    ],
  ])("[A61] from %j to %j", (was, is, words) => {
    expect(specWords(spec(was), spec(is))).toEqual(words);
  });

  test("[A61] no value of environment, labels or commands is in them", () => {
    const secret = (value: string) => ({ environment: { A: value }, labels: { B: value }, command: value });
    expect(JSON.stringify(specWords(spec(secret("geheim-1")), spec(secret("geheim-2"))))).not.toContain("geheim");
  });

  test("[A61] every field of a container that differs is told", () => {
    const plain = spec({});
    for (const key of Object.keys(defaultContainerSpec)) {
      const other = { ...plain, container: { ...plain.container, [key]: { other: key } } };
      expect(specWords(plain, other as never).length, key).toBe(1);
    }
  });
});
