// One worked example for every command, shown at the end of its help. A command without one is found by a test.
import type { Command } from "commander";

/** By the words of the command. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  hub: ["skerry hub --data /var/lib/skerry/hub --listen 0.0.0.0:7443"],
  login: [
    "skerry login https://hub:7443 --pin PIN --user anna",
    "skerry login https://hub:7443 --pin PIN --token-file admin-token",
  ],
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
  "node approve": ["skerry node approve van-7"],
  "node unfreeze": ["skerry node unfreeze van-7"],
  "node roll-key": ["skerry node roll-key van-7", "skerry node roll-key --label site=shop"],
  "node revoke": ["skerry node revoke van-7 --dry-run"],
  "node rm": ["skerry node rm van-7 --dry-run"],
  cordon: ["skerry cordon van-7 --reason 'new SD card'"],
  uncordon: ["skerry uncordon van-7"],
  drain: ["skerry drain van-7 --reason 'new SD card' --deadline 10m --wait"],
  logout: ["skerry logout", "skerry logout --everywhere"],
  setup: ["skerry setup 'http://127.0.0.1:7443/setup#0123...' --user anna"],
  "user add": ["skerry user add anna --role deployer --app shop", "skerry user add bert --role viewer < password.txt"],
  "user ls": ["skerry user ls"],
  "user role": ["skerry user role anna operator --node-label site=farm"],
  "user passwd": ["skerry user passwd", "skerry user passwd anna"],
  "user disable": ["skerry user disable anna"],
  "user enable": ["skerry user enable anna"],
  "user rm": ["skerry user rm anna"],
  "user totp enable": ["skerry user totp enable"],
  "user totp disable": ["skerry user totp disable"],
  "user totp recovery": ["skerry user totp recovery"],
  "user totp reset": ["skerry user totp reset anna"],
  "api-token create": [
    "skerry api-token create --name ci --role deployer --app shop --expires 90d",
    "skerry api-token create --name anna --role operator --node-label site=farm",
  ],
  "api-token ls": ["skerry api-token ls"],
  "api-token rm": ["skerry api-token rm ci"],
  "role set": ["skerry role set till-staff app:read app:operate logs:read"],
  "role ls": ["skerry role ls"],
  "role rm": ["skerry role rm till-staff"],
  "policy set": ["skerry policy set serial.yaml --dry-run", "skerry policy set serial.yaml"],
  "policy ls": ["skerry policy ls"],
  "policy show": ["skerry policy show serial"],
  "policy rm": ["skerry policy rm serial --dry-run"],
  "policy check": ["skerry policy check"],
  "auth whoami": ["skerry auth whoami"],
  "auth can-i": ["skerry auth can-i deploy app shop", "skerry auth can-i read logs"],
  "token create": ["skerry token create --uses 20 --label site=shop", "skerry token create --uses 500 --approve"],
  "token ls": ["skerry token ls"],
  "token rm": ["skerry token rm 36af96d99330"],
  "secret set": ['printf %s "$PASSWORD" | skerry secret set db --app shop', "skerry secret set tls-key --file key.pem"],
  "secret ls": ["skerry secret ls"],
  "secret rm": ["skerry secret rm db"],
  "secret rotate-keys": ["skerry secret rotate-keys"],
  "config set": ["skerry config set page --file page.html"],
  "config ls": ["skerry config ls"],
  "config cat": ["skerry config cat page"],
  "config rm": ["skerry config rm page"],
  "registry login": [
    "skerry registry login ghcr.io --user farm --file token.txt",
    'printf %s "$TOKEN" | skerry registry login registry.example:5000 --user ci --app shop',
  ],
  "registry ls": ["skerry registry ls"],
  "registry rm": ["skerry registry rm ghcr.io"],
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
