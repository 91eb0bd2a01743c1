// The demo's three images, to be made on the spot from Debian's packages and the scripts beside this file.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageRecipe } from "../lab/images.ts";

const GREENHOUSE = join(import.meta.dirname, "greenhouse");
export const COMPOSE_FILE = join(GREENHOUSE, "compose.yaml");

const CLIENTS: Pick<ImageRecipe, "packages" | "programs"> = {
  packages: ["mosquitto-clients"],
  programs: ["/usr/bin/mosquitto_pub", "/usr/bin/mosquitto_sub"],
};

const BROKER: ImageRecipe = {
  name: "demo/mosquitto:1",
  packages: ["mosquitto", "mosquitto-clients"],
  programs: ["/usr/sbin/mosquitto", "/usr/bin/mosquitto_pub", "/usr/bin/mosquitto_sub"],
  env: ["PATH=/usr/bin:/usr/sbin:/bin"],
  command: ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"],
  files: {
    "/etc/mosquitto/mosquitto.conf": [
      "listener 1883",
      "allow_anonymous true",
      "user root",
      "persistence true",
      "persistence_location /data/",
      "autosave_interval 5",
      "",
    ].join("\n"),
  },
};

export async function demoImages(): Promise<readonly ImageRecipe[]> {
  const script = (name: string): Promise<string> => readFile(join(GREENHOUSE, name), "utf8");
  return [
    BROKER,
    withScript("demo/sensor:1", "/usr/bin/sensor", await script("sensor.sh")),
    withScript("demo/page:1", "/usr/bin/page", await script("page.sh")),
  ];
}

function withScript(name: string, path: string, text: string): ImageRecipe {
  return { ...CLIENTS, name, files: { [path]: text }, env: ["PATH=/usr/bin:/usr/sbin:/bin"], command: [path] };
}
