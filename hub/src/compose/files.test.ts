// `secrets` and `configs` of Compose files.
import type { ContainerFile } from "@skerry/shared/model/value.ts";
import { describe, expect, test } from "vitest";
import { compileCompose } from "./compile.ts";
import type { ValueSource } from "./files.ts";
import { referencedValues } from "./referenced.ts";
import { withVersion } from "./renew.ts";

const v = (digit: string): string => digit.repeat(32);
const source: ValueSource = {
  external: (_kind, name) => (name === "none" ? null : v("a")),
  own: (_kind, _name, place) => (place === "secrets.lost" ? null : v("b")),
};

function compile(top: object, service: object, values: ValueSource = source) {
  const text = JSON.stringify({ services: { web: { image: "web:1", ...service } }, ...top });
  return compileCompose({ name: "shop", text, files: {}, variables: {}, profiles: [], values });
}
function files(top: object, service: object): readonly ContainerFile[] | null | undefined {
  const compiled = compile(top, service);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value.spec.services[0]?.container.files;
}
function problem(top: object, service: object) {
  const compiled = compile(top, service);
  if (compiled.ok) throw new Error("it was accepted");
  return compiled.error[0];
}

describe("secrets and configs of a Compose file", () => {
  test("[C260] the short form is a file with Compose's own place, mode and owner", () => {
    const top = { secrets: { db: { external: true } }, configs: { page: { content: "x" } } };
    expect(files(top, { secrets: ["db"], configs: ["page"] })).toEqual([
      {
        value: { kind: "config", app: "shop", name: "page", version: v("b") },
        target: "/page",
        mode: 0o444,
        uid: 0,
        gid: 0,
      },
      {
        value: { kind: "secret", app: null, name: "db", version: v("a") },
        target: "/run/secrets/db",
        mode: 0o444,
        uid: 0,
        gid: 0,
      },
    ]);
  });

  test("[C260] the long form says place, mode and owner", () => {
    const top = { secrets: { db: { file: "./db.txt", name: "other" } } };
    const long = { source: "db", target: "pw", mode: "0440", uid: "103", gid: "104" };
    expect(files(top, { secrets: [long] })).toEqual([
      {
        value: { kind: "secret", app: "shop", name: "other", version: v("b") },
        target: "/run/secrets/pw",
        mode: 0o440,
        uid: 103,
        gid: 104,
      },
    ]);
    expect(files(top, { secrets: [{ ...long, target: "/etc/pw" }] })?.[0]?.target).toBe("/etc/pw");
  });

  test("[C261] what is not there is refused, with its place and the command that sets it", () => {
    const lost = problem({ secrets: { db: { external: true, name: "none" } } }, { secrets: ["db"] });
    expect(lost).toMatchObject({ code: "value-missing", message: "There is no secret none that app shop may use." });
    expect(lost?.hint).toContain("skerry secret set none --app shop");
    const own = problem({ secrets: { lost: { file: "./x" } } }, { secrets: ["lost"] });
    expect(own?.message).toBe("The secret `lost` is not there: the file ./x did not come with the request.");
    expect(problem({}, { secrets: ["db"] })).toMatchObject({ code: "reference-unknown" });
  });

  test.each([
    [{ secrets: { db: {} } }, { secrets: ["db"] }, "key-missing"],
    [{ secrets: { db: { file: "a", environment: "W" } } }, {}, "conflict"],
    [{ secrets: { db: { file: "a", external: true } } }, {}, "conflict"],
    [{ secrets: { db: { file: "a", name: "x/y" } } }, {}, "value-invalid"],
    [{ configs: { a: { content: "1" }, b: { content: "2", name: "a" } } }, {}, "conflict"],
    [{ secrets: { db: { file: "a" } } }, { secrets: [{ source: "db", mode: "rw" }] }, "value-invalid"],
    [{ secrets: { db: { file: "a" } } }, { secrets: [{ source: "db", target: "../x" }] }, "value-invalid"],
    [{ secrets: { db: { file: "a" } } }, { secrets: [{ source: "db", target: "/a/../b" }] }, "value-invalid"],
    [{ secrets: { db: { file: "a" } } }, { secrets: ["db", { source: "db" }] }, "conflict"],
    [{ secrets: { db: { file: "a" } } }, { secrets: [{ target: "x" }] }, "key-missing"],
    [{ secrets: { db: { content: "x" } } }, {}, "key-unknown"],
  ])("[C262] %j with %j is refused", (top, service, code) => {
    const compiled = compile(top, service);
    expect(compiled.ok ? [] : compiled.error.map((one) => one.code)).toContain(code);
  });

  test("[C263] a version is part of the spec hash, and a spec renewed with it is as one compiled anew", () => {
    const top = { secrets: { db: { external: true } }, networks: { n: {}, m: {} }, volumes: { v: {} } };
    const service = { secrets: ["db"], networks: ["n", "m"], volumes: ["v:/v"] };
    const compiled = compile(top, service);
    const newer = compile(top, service, { ...source, external: () => v("c") });
    if (!compiled.ok || !newer.ok) throw new Error("refused");
    const ref = { kind: "secret", app: null, name: "db", version: v("c") } as const;
    expect(newer.value.spec.services[0]?.specHash).not.toBe(compiled.value.spec.services[0]?.specHash);
    expect(withVersion(compiled.value.spec, ref)).toEqual(newer.value.spec);
    expect(withVersion(newer.value.spec, ref)).toBeNull();
    expect(withVersion(compiled.value.spec, { ...ref, name: "other" })).toBeNull();
  });

  test("[C263] a service without any has the hash that it always had", () => {
    const compiled = compile({}, {});
    if (!compiled.ok) throw new Error("refused");
    expect(compiled.value.spec.services[0]?.container.files).toBeNull();
  });

  test("[C264] what comes from the client's machine is named for it; contents in the file and what is external are not", () => {
    const text = JSON.stringify({
      services: { web: { image: "a" } },
      secrets: { a: { file: "./a.txt" }, b: { environment: "B" }, c: { external: true } },
      configs: { d: { content: "x" }, e: { file: "e.conf" } },
    });
    expect(referencedValues(text, {})).toEqual([
      { place: "secrets.a", from: { kind: "file", path: "./a.txt" } },
      { place: "secrets.b", from: { kind: "environment", variable: "B" } },
      { place: "configs.e", from: { kind: "file", path: "e.conf" } },
    ]);
  });
});
