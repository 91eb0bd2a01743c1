// npm run sbom: the list of all that is shipped, as CycloneDX JSON, made by npm from the lock file into dist/sbom.cdx.json. It is checked before it
// counts: every package that the lock file holds for hub, agent and shared must be in it, with its version. Nothing is downloaded.
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const ROOT = join(import.meta.dirname, "..");
const SBOM = join(ROOT, "dist", "sbom.cdx.json");
/** Some 200 packages are half a megabyte. */
const MAX_OUTPUT_BYTES = 64 * 1_024 * 1_024;

interface Package {
  readonly version?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
}
export interface Lock {
  readonly packages: Readonly<Record<string, Package>>;
}
interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly group?: string;
  readonly version?: string;
}
export interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/** What the lock file holds for those who run Skerry, as name@version: neither tools of development nor what is for another platform. */
export function shippedPackages({ packages }: Lock): readonly string[] {
  const names = Object.entries(packages).flatMap(([path, { version, dev, devOptional, optional, link }]) => {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    const isShipped =
      name !== undefined && link !== true && !(dev ?? false) && !(devOptional ?? false) && !(optional ?? false);
    return isShipped ? [`${name}@${version ?? ""}`] : [];
  });
  return [...new Set(names)].sort();
}

const nameOf = ({ group, name, version }: Component): string => `${group ? `${group}/` : ""}${name}@${version ?? ""}`;

/** Shipped packages that the list leaves out. */
export function leftOut({ components }: Pick<Sbom, "components">, lock: Lock): readonly string[] {
  const listed = new Set(components.map(nameOf));
  return shippedPackages(lock).filter((one) => !listed.has(one));
}

/** Without the tools of development. npm's own `--omit dev` leaves out what a tool needs too (yaml, picocolors), so it is not asked to. */
export function onlyShipped(sbom: Sbom, lock: Lock): Sbom {
  const shipped = new Set(shippedPackages(lock));
  const components = sbom.components.filter(
    (one) => shipped.has(nameOf(one)) || one.name.startsWith("@skerry/") || one.group === "@skerry",
  );
  const refs = new Set([sbom.metadata.component["bom-ref"], ...components.map((one) => one["bom-ref"])]);
  const dependencies = sbom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.has(one)) }));
  // npm names it after the folder of the checkout.
  const component = { ...sbom.metadata.component, name: "skerry" };
  return { ...sbom, metadata: { ...sbom.metadata, component }, components, dependencies };
}

export async function makeSbom(lock: Lock): Promise<Sbom> {
  const words = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
  const { stdout } = await promisify(execFile)("npm", words, {
    ...{ cwd: ROOT, maxBuffer: MAX_OUTPUT_BYTES },
    // Node would leave compiled code in the folder for what is temporary.
    env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" },
  });
  return onlyShipped(JSON.parse(stdout) as Sbom, lock);
}

export const readLock = async (): Promise<Lock> =>
  JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as Lock;

async function main(): Promise<number> {
  const lock = await readLock();
  const sbom = await makeSbom(lock);
  const missing = leftOut(sbom, lock);
  if (missing.length > 0) {
    console.error(
      `The list leaves out ${missing.length} shipped packages, and was not written: ${missing.join(", ")}.`,
    );
    return 1;
  }
  await mkdir(join(ROOT, "dist"), { recursive: true });
  await writeFile(SBOM, `${JSON.stringify(sbom, null, 2)}\n`);
  console.log(`CycloneDX ${sbom.specVersion} with ${sbom.components.length} packages: dist/sbom.cdx.json.`);
  return 0;
}

if (import.meta.main) process.exitCode = await main();
