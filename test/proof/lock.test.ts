// What comes from outside: the lock file pins every package by a hash, nothing runs when it is installed but what is named here, and the list of what
// is shipped is whole.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verdictOf } from "../../deploy/audit.ts";
import { type Lock, leftOut, makeSbom, readLock, shippedPackages } from "../../deploy/sbom.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const lock = await readLock();

/** Packages that bring an install script. None of them runs: `.npmrc` says ignore-scripts. Why each may stay: */
const SCRIPTS: Readonly<Record<string, string>> = {
  "cpu-features": "optional part of ssh2; would build an addon that nobody loads",
  ssh2: "of dockerode, for engines over SSH, which we do not use; left out of the bundles",
  protobufjs: "of dockerode, for BuildKit, which we do not use; left out of the bundles",
  esbuild: "only checks that its program for this platform is there; a tool of development",
};

/** A tool's programs for other platforms, which the machine that made the lock file did not fetch. They are never shipped. */
const WITHOUT_HASH = [
  "@biomejs/cli-android-arm64",
  "@biomejs/cli-android-x64",
  "@biomejs/cli-darwin-arm64",
  "@biomejs/cli-darwin-x64",
  "@biomejs/cli-linux-arm64-musl",
  "@biomejs/cli-linux-x64-musl",
  "@biomejs/cli-win32-arm64",
  "@biomejs/cli-win32-x64",
];

/** npm takes a second on an idle machine, and minutes on one that is busy with tests. */
const NPM_WITHIN_MS = 300_000;

interface Entry {
  readonly version?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly resolved?: string;
}
const entries = Object.entries(lock.packages as Readonly<Record<string, Entry>>).filter(
  ([path, { link }]) => path.includes("node_modules/") && link !== true,
);
const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

test("(H63) packages with install scripts are those that are named, and scripts are off", () => {
  const found = entries.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => nameOf(path));
  expect([...new Set(found)].sort()).toEqual(Object.keys(SCRIPTS).sort());
  expect(readFileSync(join(ROOT, ".npmrc"), "utf8")).toMatch(/^ignore-scripts=true$/m);
  expect(readFileSync(join(ROOT, "deploy", "setup.sh"), "utf8")).not.toMatch(/ignore-scripts[= ]false/);
});

test("(H63) every package is pinned by the hash of its content", () => {
  const without = entries.filter(([, { integrity }]) => integrity === undefined).map(([path]) => nameOf(path));
  expect(without.sort()).toEqual(WITHOUT_HASH);
  for (const [path, { integrity }] of entries) {
    if (integrity !== undefined) expect(integrity, path).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
  }
});

test("(H63) versions are exact in every package.json, and the lock file was made for them", () => {
  for (const folder of ["", "hub", "agent", "shared"]) {
    const own = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    const locked = (lock.packages as Record<string, Record<string, Record<string, string>>>)[folder];
    for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
      for (const version of Object.values(own[kind] ?? {})) expect(version).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
      expect(locked?.[kind] ?? {}, `${folder} ${kind}`).toEqual(own[kind] ?? {});
    }
  }
});

test("(H63) no package is fetched from anywhere but the registry in use", () => {
  // Without an address npm asks the registry; links of workspaces are folders.
  const elsewhere = entries.filter(
    ([, { resolved }]) => resolved !== undefined && !/^https:\/\/registry\.npmjs\.org\//.test(resolved),
  );
  expect(elsewhere).toEqual([]);
});

test(
  "(H64) the list of what is shipped has every shipped package, and one that lacks any is refused",
  async () => {
    const sbom = await makeSbom(lock);
    expect(sbom.bomFormat).toBe("CycloneDX");
    expect(shippedPackages(lock).length).toBeGreaterThan(50);
    expect(leftOut(sbom, lock)).toEqual([]);
    const [first = ""] = shippedPackages(lock);
    const components = sbom.components.filter(
      ({ group, name, version }) => `${group ? `${group}/` : ""}${name}@${version}` !== first,
    );
    expect(leftOut({ components }, lock)).toEqual([first]);
    const shipped: Lock = {
      packages: { "node_modules/a": { version: "1.0.0" }, "node_modules/@b/c": { version: "2.0.0", dev: true } },
    };
    expect(shippedPackages(shipped)).toEqual(["a@1.0.0"]);
  },
  NPM_WITHIN_MS,
);

test("no answer of a registry is never called a good one", () => {
  expect(verdictOf(0, "audited 200 packages in 1s\n200 packages have verified registry signatures")).toBe("good");
  expect(verdictOf(1, "2 packages have invalid registry signatures")).toBe("bad");
  expect(verdictOf(1, "npm error code ENOAUDIT")).toBe("unanswered");
  expect(verdictOf(1, "npm error found no dependencies to audit that were installed from a supported registry")).toBe(
    "unanswered",
  );
  expect(verdictOf(0, "found 0 vulnerabilities")).toBe("good");
  expect(verdictOf(null, "")).toBe("unanswered");
});
