// Whole files in, specs or problems out. What single values mean is tested beside their parsers, every key in keys.test.ts.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is the syntax under test.
import { appSpecSchema } from "@skerry/shared/model/app.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/unit/runs.ts";
import { type ComposeInput, compileCompose } from "./compile.ts";
import { keyRules } from "./keys.ts";
import type { Problem } from "./problem.ts";
import { referencedFiles } from "./referenced.ts";

function compile(text: string, input: Partial<ComposeInput> = {}) {
  return compileCompose({ name: "demo", text, files: {}, variables: {}, profiles: [], ...input });
}

function compiled(text: string, input: Partial<ComposeInput> = {}) {
  const result = compile(text, input);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function service(text: string, name = "app", input: Partial<ComposeInput> = {}) {
  const found = compiled(text, input).spec.services.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** A file with one service, from lines that stand inside it. */
const app = (...lines: string[]): string =>
  ["services:", "  app:", "    image: app:1", ...lines.map((line) => `    ${line}`)].join("\n");

function problems(text: string, input: Partial<ComposeInput> = {}): readonly Problem[] {
  const result = compile(text, input);
  if (result.ok) throw new Error("it was accepted");
  return result.error;
}

const shop = `
name: shop
x-common: &common
  restart: unless-stopped
  environment: &env { TZ: UTC }
services:
  web: # the page
    <<: *common
    image: registry.example/shop/web:\${TAG:-1.4}
    ports: ["80:8080"]
    depends_on: [broker]
    healthcheck: { test: ["CMD", "wget", "-qO-", "http://127.0.0.1:8080/healthz"], interval: 5s }
    deploy: { mode: global }
  broker:
    image: mosquitto
    environment: { <<: *env, A: 1 }
    volumes: ["data:/data"]
volumes: { data: }
`;

describe("limits", () => {
  test.each([
    ["a long file", `# ${"x".repeat(1_100_000)}`],
    ["deep lists", `services: ${"[".repeat(20_000)}`],
    ["deep maps", Array.from({ length: 300 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
    [
      "a billion laughs",
      Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i === 0 ? "x" : `*a${i - 1},*a${i - 1}`}]`).join("\n"),
    ],
    ["many keys", `services:\n${Array.from({ length: 60_000 }, (_, i) => `  s${i}: {image: a}`).join("\n")}`],
    ["long variables", `name: demo\nservices: {app: {image: a, command: "${"$A".repeat(5_000)}"}}`],
  ])("[C5] %s are refused", (_what, text) => {
    const found = problems(text, { variables: { A: "a".repeat(1_000) } });
    expect(found.map(({ code }) => code)).toContain("limit-exceeded");
    expect(found.length).toBeLessThanOrEqual(100);
  });

  test("[C5] many values that each are short enough are refused once they are too large together", () => {
    const lines = Array.from({ length: 300 }, (_, i) => `- A${i}=$A`);
    const found = problems(app("environment:", ...lines), { variables: { A: "a".repeat(20_000) } });
    expect(found[0]?.code).toBe("limit-exceeded");
  });

  test("[C11] an alias inside its own anchor, and one without an anchor, are told", () => {
    expect(problems("services: &a\n  app: *a")[0]).toMatchObject({ code: "yaml-invalid", line: 2, column: 8 });
    expect(problems("services: *nowhere")[0]?.message).toContain("no anchor &nowhere");
  });
});

describe("any text", () => {
  const files = [shop, app("ports:", "- 80:80", "- {target: 80}"), app("environment: {A: $B}", "volumes: [x:/x]")];

  test("[C4] never makes the compiler throw", () => {
    fc.assert(fc.property(fc.string({ maxLength: 300, unit: "binary" }), (text) => void compile(text)));
  });

  test("[C4] not even when it is nearly a Compose file", () => {
    const fragment = fc.constantFrom(
      "services:",
      "  app:",
      " &a ",
      " *a",
      "<<: *a",
      "- ",
      "${A:-",
      "}",
      "$",
      "{",
      "}",
      "[",
      "]",
      ": ",
      "\n",
      "\t",
      "'",
      '"',
      "|",
      ">",
      "!!int",
      "!reset",
      "null",
      "~",
      "x-skerry:",
      "deploy:",
      "networks:",
      "__proto__",
      "constructor",
      "---",
      "? ",
      "#",
      "%YAML 1.1",
      "\0",
    );
    const cut = fc.record({
      file: fc.constantFrom(...files),
      at: fc.nat(),
      length: fc.nat(12),
      put: fc.array(fragment, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 3 }), (cuts) => {
        let text = cuts[0]?.file ?? "";
        for (const { at, length, put } of cuts) {
          const from = at % (text.length + 1);
          text = text.slice(0, from) + put.join("") + text.slice(from + length);
        }
        const result = compile(text, { variables: { A: "1" } });
        if (result.ok) expect(appSpecSchema.safeParse(result.value.spec).success).toBe(true);
        else for (const problem of result.error) expect(problem.message).not.toBe("");
      }),
      runs(200),
    );
  });

  test("[C4] nor any value under any key", () => {
    const keys = fc.constantFrom(
      "image",
      "command",
      "ports",
      "volumes",
      "environment",
      "networks",
      "depends_on",
      "deploy",
      "healthcheck",
      "restart",
      "ulimits",
      "extends",
      "env_file",
      "devices",
      "extra_hosts",
      "x-skerry",
      "logging",
      "tmpfs",
      "profiles",
      "security_opt",
      "blkio_config",
      "scale",
    );
    const value = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(fc.dictionary(keys, value, { maxKeys: 6 }), value, (service, top) => {
        compile(
          JSON.stringify({
            services: { app: service, other: { ...service, extends: "app" } },
            volumes: top,
            networks: top,
          }),
        );
      }),
      runs(150),
    );
  });
});

describe("what is told", () => {
  test("[C6] all problems at once, each with its line and column, in the order of the file", () => {
    const text = [
      "services:",
      "  web:",
      "    imagee: web",
      "    build: .",
      "    ports: [ http ]",
      "  db:",
      "    image: db",
      "    mem_limit: lots",
    ];
    expect(problems(text.join("\n")).map(({ code, path, line, column }) => [code, path, line, column])).toEqual([
      ["key-unknown", "services.web.imagee", 3, 5],
      ["key-refused", "services.web.build", 4, 5],
      ["value-invalid", "services.web.ports[0]", 5, 14],
      ["value-invalid", "services.db.mem_limit", 8, 16],
    ]);
  });

  test("[C6] invalid YAML is told with its place", () => {
    expect(problems("services:\n  app: [1, 2")[0]).toMatchObject({ code: "yaml-invalid", line: 2 });
    expect(problems("a: 1\n---\nb: 2")[0]?.message).toContain("several YAML documents");
    expect(problems("services:\n  app: {image: a}\n  app: {image: b}")[0]).toMatchObject({ line: 3, column: 3 });
    expect(problems("services: !reset {}")[0]?.message).toContain("!reset");
  });

  test("[C6] an empty file, and one without services, say what is missing", () => {
    expect(problems("")[0]?.message).toBe("The file is empty.");
    expect(problems("# only words")[0]?.message).toBe("The file is empty.");
    expect(problems("name: demo")[0]?.message).toBe("The file has no services.");
    expect(problems("services: {}")[0]?.message).toBe("The file has no services.");
    expect(problems("services: [a]")[0]?.code).toBe("value-invalid");
    expect(problems("just text")[0]?.code).toBe("value-invalid");
  });

  test.each([
    [app("enviroment: {}"), "Did you mean `environment`?"],
    [app("restart: alway"), "Did you mean `always`?"],
    [`${app("volumes: ['dta:/x']")}\nvolumes: {data: }`, "Did you mean `data`?"],
    [`${app("depends_on: [ap]")}\n  api: {image: a}`, "Did you mean `app`?"],
    [app("replicas: 3"), "It belongs at `services.NAME.deploy.replicas`."],
    [`${app()}\nimage: x`, "It belongs at `services.NAME.image`."],
    [
      app("deploy: {placement: {constraints: ['node.label.a == b']}}"),
      "Use node.labels.KEY, and `skerry node label NODE KEY=VALUE`.",
    ],
  ])("[C7] %s", (text, hint) => {
    expect(problems(text)[0]?.hint).toBe(hint);
  });

  test("[C6] the app's name comes from outside, then from the file, and must be one", () => {
    expect(compiled(shop, { name: null }).spec.name).toBe("shop");
    expect(compiled(shop, { name: "other" }).spec.name).toBe("other");
    expect(problems(app(), { name: null })[0]?.message).toBe("The app has no name.");
    expect(problems(app(), { name: "Not this" })[0]?.code).toBe("value-invalid");
    expect(compiled(app("hostname: $COMPOSE_PROJECT_NAME")).usedVariables).toEqual([]);
  });
});

describe("variables", () => {
  test("[C8] are filled into values and not into keys, and those used are listed", () => {
    const text = app("environment: {$A: '${B}', C: $$D, E: \"${F:-$G}\"}");
    const result = compiled(text, { variables: { A: "a", B: "b", G: "g" } });
    expect(result.spec.services[0]?.container.environment).toEqual({ $A: "b", C: "$D", E: "g" });
    expect(result.usedVariables).toEqual(["B", "F", "G"]);
  });

  test("[C8] an unset one is empty text and a warning with its place", () => {
    const result = compiled(app("environment: {A: $B}"));
    expect(result.spec.services[0]?.container.environment).toEqual({ A: "" });
    expect(result.warnings).toMatchObject([{ code: "variable-unset", line: 4, column: 22 }]);
  });

  test("[C8] become numbers and truths where these are needed", () => {
    const found = service(app("read_only: $B", "scale: $N"), "app", { variables: { B: "true", N: "3" } });
    expect(found.container.readOnlyRootfs).toBe(true);
    expect(found.mode).toEqual({ kind: "replicated", replicas: 3 });
  });

  test("[C9] their values are in no message", () => {
    const secret = "hunter2!";
    const text = app(
      "restart: $P",
      "mem_limit: $P",
      "environment: {A: '${B:?needed $P}'}",
      "ports: [$P]",
      "stop_signal: $P",
    );
    const result = compile(text, { variables: { P: secret } });
    // The text of a `:?` is written to be shown, so a variable put there is meant to be.
    const said = JSON.stringify(result.ok ? [] : result.error.filter(({ code }) => code !== "variable-required"));
    expect(said).not.toContain(secret);
  });

  test("[C9] not under any key, in any form", () => {
    const secret = "hunter2!:/x y";
    const keys = [...keyRules.keys()].filter((path) => path.split(".").length === 3).map((path) => path.split("."));
    const inside = [
      "type: bind, target: /x, source",
      "target: /y, type",
      "source",
      "target",
      "path",
      "service",
      "subnet",
    ];
    for (const [where = "", , key = ""] of keys) {
      for (const form of ["$P", "[$P]", "[a$P]", "{a: $P}", ...inside.flatMap((k) => [`[{${k}: $P}]`, `{${k}: $P}`])]) {
        const text = `services: {app: {image: a}}\n${where}: {app: {image: a, ${key}: ${form}}}`;
        const result = compile(text.replace(/^services.*\n(?=services)/, ""), { variables: { P: secret } });
        expect(JSON.stringify(result.ok ? result.value.warnings : result.error), text).not.toContain("hunter2");
      }
    }
    const placed = app(
      "deploy: {mode: $P, placement: {constraints: [$P, node.arch == $P]}}",
      "healthcheck: {test: [$P]}",
    );
    expect(JSON.stringify(problems(placed, { variables: { P: secret } }))).not.toContain("hunter2");
    expect(JSON.stringify(problems(`name: $P\n${app()}`, { name: null, variables: { P: secret } }))).not.toContain(
      "hunter2",
    );
  });

  test("[C10] names without a value take it from around, and stay out when there is none", () => {
    const text = app("environment: [A, B, C=3]", "env_file: [a.env, {path: b.env, required: false}]");
    const files = { "a.env": "C=1\nD=$A\nB=file" };
    const found = service(text, "app", { files, variables: { A: "around" } });
    expect(found.container.environment).toEqual({ A: "around", C: "3", D: "around" });
  });

  test("[C23] files that must be sent are found, also in a file with problems", () => {
    const text = app("env_file: [a.env, {path: $X, required: false}]", "label_file: l", "wrong: 1");
    expect(referencedFiles(text, { X: "x.env" })).toEqual(["a.env", "l", "x.env"]);
    expect(problems(app("env_file: a.env"))[0]).toMatchObject({ code: "file-missing", line: 4 });
  });
});

describe("meaning", () => {
  test("[C11] anchors and merge keys: what stands in the map wins, earlier merges win over later ones", () => {
    const broker = service(shop, "broker");
    expect(broker.container.environment).toEqual({ A: "1", TZ: "UTC" });
    expect(service(shop, "web").container.restart.policy).toBe("unless-stopped");
    const text =
      "x-a: &a {user: a, tty: true}\nx-b: &b {user: b, hostname: b}\nservices: {app: {<<: [*a, *b], image: i, tty: false}}";
    expect(service(text).container).toMatchObject({ user: "a", hostname: "b", tty: false });
  });

  test("[C13] short and long forms give the same spec", () => {
    const short = app(
      'ports: ["127.0.0.1:8000-8001:80-81/udp"]',
      "volumes: [data:/data:ro, /etc/x:/x, /anon]",
      "devices: [/dev/a:/dev/b:r]",
      "depends_on: [db]",
      "networks: [net]",
      "environment: [A=1]",
      'extra_hosts: ["h:1.2.3.4"]',
      "command: run 'a b'",
      "tmpfs: /run",
      "ulimits: {nofile: 5}",
      "healthcheck: {test: true-ish}",
      "env_file: e",
      "extends: db",
    );
    const long = app(
      "ports: [{target: 80, published: 8000, host_ip: 127.0.0.1, protocol: udp}, {target: 81, published: '8001', host_ip: 127.0.0.1, protocol: udp}]",
      "volumes: [{type: volume, source: data, target: /data, read_only: true}, {type: bind, source: /etc/x, target: /x}, {type: volume, target: /anon}, {type: tmpfs, target: /run}]",
      "devices: [{source: /dev/a, target: /dev/b, permissions: r}]",
      "depends_on: {db: {condition: service_started}}",
      "networks: {net: {}}",
      "environment: {A: 1}",
      "extra_hosts: {h: 1.2.3.4}",
      "command: [run, a b]",
      "ulimits: {nofile: {soft: 5, hard: 5}}",
      "healthcheck: {test: [CMD-SHELL, true-ish]}",
      "env_file: [{path: e}]",
      "extends: {service: db}",
    );
    const rest = "\n  db: {image: db}\nvolumes: {data: }\nnetworks: {net: }";
    expect(service(short + rest, "app", { files: { e: "B=2" } })).toEqual(
      service(long + rest, "app", { files: { e: "B=2" } }),
    );
  });

  test("[C14] order and comments do not count", () => {
    const one = app(
      "cap_add: [A_B, C_D]",
      "environment: {A: 1, B: 2}",
      'ports: ["80:80", "81:81"]',
      "volumes: [/b, /a]",
    );
    const other = app(
      "# words",
      "volumes: [/a, /b]",
      'ports: ["81:81", "80:80"]',
      "environment: [B=2, A=1]",
      "cap_add: [C_D, A_B, C_D]",
    );
    expect(compiled(one).spec).toEqual(compiled(other).spec);
    expect(JSON.stringify(compiled(one).spec)).toBe(JSON.stringify(compiled(other).spec));
  });

  test("[C15] a hash follows its container, networks and volumes, and nothing else", () => {
    const hash = (text: string) => service(text).specHash;
    const plain = app("networks: [net]", "volumes: ['data:/x']");
    const rest = (network: string, volume: string) =>
      `\nnetworks: {net: {${network}}, else: {}}\nvolumes: {data: {${volume}}, else: }`;
    const first = hash(plain + rest("", ""));
    expect(hash(plain + rest("internal: true", ""))).not.toBe(first);
    expect(hash(plain + rest("", "driver: nfs"))).not.toBe(first);
    expect(hash(app("networks: [net]", "volumes: ['data:/x']", "tty: true") + rest("", ""))).not.toBe(first);
    const moved = app(
      "networks: [net]",
      "volumes: ['data:/x']",
      "deploy: {replicas: 3, placement: {constraints: [node.arch == arm64]}}",
    );
    expect(hash(moved + rest("", ""))).toBe(first);
    expect(hash(`${plain}\n  db: {image: db}${rest("", "")}`)).toBe(first);
  });

  test("[C16] a service whose profile is off is left out, with what only it uses, and is checked all the same", () => {
    const text =
      app() +
      "\n  debug: {image: d, profiles: [debug], networks: [net], volumes: ['v:/v']}\nnetworks: {net: }\nvolumes: {v: }";
    const off = compiled(text).spec;
    expect([off.services.length, off.networks.map(({ key }) => key), off.volumes]).toEqual([1, ["default"], []]);
    expect(compiled(text, { profiles: ["debug"] }).spec.services).toHaveLength(2);
    expect(compiled(text, { profiles: ["*"] }).spec.networks.map(({ key }) => key)).toEqual(["default", "net"]);
    expect(problems(`${app()}\n  debug: {image: d, profiles: [debug], restart: x}`)[0]?.path).toBe(
      "services.debug.restart",
    );
    expect(problems("services: {app: {image: a, profiles: [x]}}")[0]?.message).toContain(
      "profiles that are not switched on",
    );
    expect(problems(`${app("depends_on: [debug]")}\n  debug: {image: d, profiles: [x]}`)[0]?.code).toBe(
      "reference-unknown",
    );
  });

  test.each([
    [app(), { policy: "replace", afterMs: 30_000 }],
    [app("deploy: {mode: global}"), { policy: "keep" }],
    [app("volumes: [/data]"), { policy: "keep" }],
    [app("volumes: [/srv:/srv]"), { policy: "keep" }],
    [app("volumes: [/srv:/srv:ro]"), { policy: "replace", afterMs: 30_000 }],
    [app("tmpfs: [/run]"), { policy: "replace", afterMs: 30_000 }],
    [app("x-skerry: {disconnect: {policy: fence, after: 1m}}"), { policy: "fence", afterMs: 60_000 }],
    [app("x-skerry: {disconnect: {after: 10s}}"), { policy: "replace", afterMs: 10_000 }],
  ])("[C17] %s", (text, disconnect) => {
    expect(service(text).disconnect).toEqual(disconnect);
  });

  test.each([
    app("deploy: {mode: global}", "x-skerry: {disconnect: {policy: fence}}"),
    app("deploy: {mode: global}", "x-skerry: {disconnect: {policy: replace}}"),
    app("x-skerry: {disconnect: {policy: keep, after: 5s}}"),
    app("x-skerry: {disconnect: {policy: fence, after: 10ms}}"),
    app("x-skerry: {disconnects: {}}"),
    app("deploy: {x-skerry: {}}"),
  ])("[C17] what disconnect cannot mean is told: %s", (text) => {
    expect(problems(text)).toHaveLength(1);
  });

  test("[C18] logs are bounded, and a bound that was added is said", () => {
    expect(service(app()).container.logging).toEqual({
      driver: "json-file",
      options: { "max-file": "3", "max-size": "10m" },
    });
    const unbounded = compiled(app("logging: {driver: json-file, options: {max-file: 5}}"));
    expect(unbounded.spec.services[0]?.container.logging.options).toEqual({ "max-file": "5", "max-size": "10m" });
    expect(unbounded.warnings[0]?.code).toBe("value-changed");
    const own = compiled(app("logging: {options: {max-size: 1m}}"));
    expect([own.spec.services[0]?.container.logging.options, own.warnings]).toEqual([{ "max-size": "1m" }, []]);
  });

  test.each(["./conf:/conf", "../x:/x", "~/x:/x", "a/b:/x", "{type: bind, source: ./x, target: /x}"])(
    "[C19] %s is refused",
    (volume) => {
      const quoted = volume.startsWith("{") ? volume : JSON.stringify(volume);
      expect(problems(app(`volumes: [${quoted}]`))[0]).toMatchObject({ code: "value-refused", line: 4 });
    },
  );

  test.each([
    app("mem_limit: 64m", "deploy: {resources: {limits: {memory: 65m}}}"),
    app("cpus: 1", "deploy: {resources: {limits: {cpus: 2}}}"),
    app("scale: 1", "deploy: {replicas: 2}"),
    app("deploy: {mode: global, replicas: 2}"),
    app("network_mode: host", "networks: [default]"),
    app("network_mode: host", "ports: ['80:80']"),
    app("volumes: ['/a:/x', '/b:/x']"),
    app('ports: ["80:80", "80:81"]'),
    app("healthcheck: {disable: true, test: x}"),
    app("mem_limit: 64m", "mem_reservation: 128m"),
    app("cpus: 1", "cpu_quota: 50000"),
    app("memswap_limit: 128m"),
    app("mem_limit: 128m", "memswap_limit: 64m"),
    `${app("networks: [net]")}\nnetworks: {net: {external: true, driver: bridge}}`,
  ])("[C20] %s", (text) => {
    expect(problems(text).map(({ code }) => code)).toEqual(["conflict"]);
  });

  test("[C21] references and circles", () => {
    expect(problems(app("networks: [other]"))[0]?.code).toBe("reference-unknown");
    expect(problems(app("volumes: ['v:/v']"))[0]?.code).toBe("reference-unknown");
    expect(problems(app("depends_on: [nobody]"))[0]?.code).toBe("reference-unknown");
    expect(problems(app("depends_on: [app]"))[0]?.code).toBe("conflict");
    const circle = `${app("depends_on: [b]")}\n  b: {image: b, depends_on: [c]}\n  c: {image: c, depends_on: [app]}`;
    expect(problems(circle)[0]?.message).toContain("app → b → c → app");
  });

  test("[C22] a value that is too large for the model is told, and not passed on", () => {
    const lines = Array.from({ length: 300 }, (_, i) => `- "${i + 1}:${i + 1}"`);
    expect(problems(app("ports:", ...lines))[0]).toMatchObject({ code: "limit-exceeded", path: "services.app" });
  });

  test("[C22] external networks and volumes keep their names, the others carry the app's", () => {
    const text = `${app("networks: [a, b, c]")}\nnetworks: {a: {external: true}, b: {name: own}, c: {external: {name: old}}}`;
    expect(compiled(text).spec.networks.map(({ engineName }) => engineName)).toEqual(["a", "own", "old"]);
    expect(service(app()).container.networks[0]).toMatchObject({ network: "demo_default", aliases: ["app"] });
  });
});

describe("extends", () => {
  const text = `
services:
  base:
    image: base:1
    command: base
    environment: [A=1, B=1]
    volumes: ["data:/x", /y]
    ports: ["80:80"]
    cap_add: [NET_ADMIN]
    depends_on: [db]
    healthcheck: { test: base, interval: 1s }
    deploy: { resources: { limits: { memory: 64m, cpus: 1 } } }
  middle: { extends: base, user: m }
  app:
    extends: { service: middle }
    command: own
    environment: { B: 2 }
    volumes: ["other:/x:ro"]
    ports: ["80:80", "81:81"]
    cap_add: [NET_ADMIN, SYS_TIME]
    depends_on: { cache: { condition: service_healthy } }
    healthcheck: { test: own }
    deploy: { resources: { limits: { memory: 128m } } }
  db: { image: db }
  cache: { image: cache }
volumes: { data: , other: }
`;

  test("[C12] merges by the rules, along the chain", () => {
    const { container } = service(text);
    expect(container).toMatchObject({
      image: "base:1",
      user: "m",
      command: ["own"],
      environment: { A: "1", B: "2" },
      capAdd: ["NET_ADMIN", "SYS_TIME"],
      memoryBytes: 134_217_728,
      nanoCpus: 1_000_000_000,
      healthcheck: { test: ["CMD-SHELL", "own"], intervalMs: 1_000 },
    });
    expect(container.mounts.map(({ target, readOnly }) => [target, readOnly])).toEqual([
      ["/x", true],
      ["/y", false],
    ]);
    expect(container.ports.map(({ hostPort }) => hostPort)).toEqual([80, 81]);
    expect(container.dependsOn.map((on) => [on.service, on.condition])).toEqual([
      ["cache", "service_healthy"],
      ["db", "service_started"],
    ]);
  });

  test("[C12] circles and unknown services are told", () => {
    const circle = "services: {a: {image: a, extends: b}, b: {image: b, extends: a}}";
    expect(problems(circle)[0]?.message).toMatch(/circle: a → b → a|circle: b → a → b/);
    expect(problems(app("extends: nobody"))[0]?.code).toBe("reference-unknown");
    expect(problems(app("extends: {service: a, file: other.yaml}"))[0]?.code).toBe("key-refused");
    expect(problems(app("extends: {}"))[0]?.code).toBe("key-missing");
  });
});
