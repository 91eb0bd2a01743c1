// One worked example for every command, shown at the end of its help. A command without one is found by a test.
import type { Command } from "commander";

/** By the words of the command. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  hub: ["skerry hub --data /var/lib/skerry/hub --listen 0.0.0.0:7443"],
  login: ["skerry login https://hub:7443 --pin PIN --token-file admin-token"],
  "hub-key show": ["skerry hub-key show"],
  "hub-key next": ["skerry hub-key next"],
  "hub-key switch": ["skerry hub-key switch"],
  validate: ["skerry validate shop.yaml"],
  apply: ["skerry apply -f shop.yaml --wait", "skerry apply -f shop.yaml --dry-run"],
  apps: ["skerry apps"],
  "app show": ["skerry app show shop"],
  "app diff": ["skerry app diff shop 7 8"],
  "app rm": ["skerry app rm shop"],
  "rollout status": ["skerry rollout status shop -w"],
  "rollout history": ["skerry rollout history shop"],
  "rollout pause": ["skerry rollout pause shop --reason 'the till hangs in van-7'"],
  "rollout resume": ["skerry rollout resume shop"],
  "rollout undo": ["skerry rollout undo shop", "skerry rollout undo shop --to 7"],
  stop: ["skerry stop shop/web --reason 'the fan is loud'"],
  start: ["skerry start shop"],
  restart: ["skerry restart shop/web/2"],
  scale: ["skerry scale shop/web 5"],
  pause: ["skerry pause shop --reason 'a wedding'"],
  unpause: ["skerry unpause shop"],
  ps: ["skerry ps shop", "skerry ps --node van-7"],
  why: ["skerry why shop/web/2", "skerry why van-7"],
  logs: ["skerry logs shop/web -f --tail 20"],
  events: ["skerry events --app shop -f"],
  "audit ls": ["skerry audit ls --refused --since 24h", "skerry audit ls --json > audit.jsonl"],
  "audit verify": ["skerry audit verify", "skerry audit verify --file audit.jsonl --and-hub"],
  nodes: ["skerry nodes"],
  "node show": ["skerry node show van-7"],
  "node label": ["skerry node label van-7 site=shop camera-"],
  "node rm": ["skerry node rm van-7 --dry-run"],
  cordon: ["skerry cordon van-7 --reason 'new SD card'"],
  uncordon: ["skerry uncordon van-7"],
  drain: ["skerry drain van-7 --reason 'new SD card' --deadline 10m --wait"],
  "api-token create": [
    "skerry api-token create --name ci --role deployer --app shop --expires 90d",
    "skerry api-token create --name anna --role operator --node-label site=farm",
  ],
  "api-token ls": ["skerry api-token ls"],
  "api-token rm": ["skerry api-token rm ci"],
  "role set": ["skerry role set till-staff app:read app:operate logs:read"],
  "role ls": ["skerry role ls"],
  "role rm": ["skerry role rm till-staff"],
  "auth whoami": ["skerry auth whoami"],
  "auth can-i": ["skerry auth can-i deploy app shop", "skerry auth can-i read logs"],
  "token create": ["skerry token create --uses 20 --label site=shop"],
  "token ls": ["skerry token ls"],
  "token rm": ["skerry token rm 36af96d99330"],
  version: ["skerry version"],
  completion: ["source <(skerry completion bash)"],
};

export function addExamples(program: Command): void {
  for (const [path, command] of leaves(program)) {
    const examples = EXAMPLES[path];
    if (examples === undefined) continue;
    const title = examples.length === 1 ? "Example" : "Examples";
    command.addHelpText("after", `\n${title}:\n${examples.map((line) => `  ${line}`).join("\n")}`);
  }
}

/** Commands that do something, by their words. */
export function leaves(command: Command, before: readonly string[] = []): readonly (readonly [string, Command])[] {
  return command.commands.flatMap((each) => {
    const words = [...before, each.name()];
    return each.commands.length === 0 ? [[words.join(" "), each] as const] : leaves(each, words);
  });
}
