// Says by its exit code whether node_modules holds what package-lock.json asks for, so that nothing is installed twice.
// It runs on whatever Node is there, an old one too, before anything is installed: plain JavaScript, no packages.
import { readFileSync } from "node:fs";

const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;

function matches() {
  const wanted = read("package-lock.json");
  const installed = read("node_modules/.package-lock.json");
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith("node_modules/") || entry.link) return true;
    if (installed[path] === undefined && entry.optional && !isForThisMachine(entry)) return true;
    return installed[path]?.version === entry.version;
  });
}

// npm leaves out what is meant for another machine, but also, without a word, what it could not download.
function isForThisMachine({ os = [], cpu = [], libc = ["glibc"] }) {
  return (
    [os].flat().includes(process.platform) && [cpu].flat().includes(process.arch) && [libc].flat().includes("glibc")
  );
}

let same = false;
try {
  same = matches();
} catch {
  // No folder yet, or an interrupted install: the answer is no.
}
process.exitCode = same ? 0 : 1;
