// Canaries: texts that stand for secrets. Whatever is written anywhere is searched for them, as they are and as they are usually written.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** As it is, as base64 (whatever stands before it), as hex, as in an address, and as JSON has it. */
export function disguises(canary: string): readonly Buffer[] {
  const bytes = Buffer.from(canary, "utf8");
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    // The first and the last letters hold bits of what stands beside it.
    return text.slice(before === 0 ? 0 : 4, -4);
  });
  const url = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
  const hex = bytes.toString("hex");
  const all = [
    canary,
    ...base64,
    ...url,
    hex,
    hex.toUpperCase(),
    encodeURIComponent(canary),
    JSON.stringify(canary).slice(1, -1),
  ];
  return [...new Set(all)].map((text) => Buffer.from(text, "utf8"));
}

export function showsIn(canary: string, written: string | Buffer): boolean {
  const bytes = typeof written === "string" ? Buffer.from(written, "utf8") : written;
  return disguises(canary).some((disguise) => bytes.includes(disguise));
}

/** The files below a folder that one of the canaries shows in. `except`: paths below which nothing is looked at. */
export function filesWith(
  canaries: readonly string[],
  folder: string,
  except: readonly string[] = [],
): readonly string[] {
  const found: string[] = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (except.includes(path)) continue;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) found.push(...filesWith(canaries, path, except));
    else if (stat?.isFile() === true) {
      const content = readFileSync(path);
      if (canaries.some((canary) => showsIn(canary, content))) found.push(path);
    }
  }
  return found;
}
