// Things on an engine that are not Skerry's: a running container, a stopped one, a network, a volume and an image tag.
// They stand in every test on a real engine, and nothing may ever touch them.
import type { EngineApi } from "./api.ts";

const MARK = "decoy";

export interface Decoys {
  /**
   * Throws, naming what changed, when anything of it was restarted, edited or removed. An engine that was itself restarted or cut
   * from power ends its containers, decoys too: then nobody may have started them again either.
   */
  check(engine?: "as-it-was" | "restarted"): Promise<void>;
}

export async function plantDecoys(api: EngineApi, image: string): Promise<Decoys> {
  const host = { NetworkMode: MARK, Binds: [`${MARK}:/data`] };
  // Looks like ours at a glance: the label key is similar, but it is not ours.
  const labels = { "com.example.app": MARK, skerry: "not-ours" };
  await api.call("POST", "/networks/create", { Name: MARK, Driver: "bridge" });
  await api.call("POST", "/volumes/create", { Name: MARK });
  await api.call("POST", `/images/${image}/tag?repo=${MARK}&tag=1`);
  await api.run({ name: MARK, image: `${MARK}:1`, labels, host });
  const stopped = await api.run({ name: `${MARK}-stopped`, image: `${MARK}:1`, labels, host });
  await api.stop(stopped);
  const before = await look(api, true);
  const untouched = await look(api, false);
  return {
    check: async (engine = "as-it-was") => {
      const restarted = engine === "restarted";
      const now = await look(api, !restarted);
      for (const [what, was] of Object.entries(restarted ? untouched : before)) {
        if (now[what] !== was) throw new Error(`a decoy was touched: ${what} was ${was} and is ${now[what] ?? "gone"}`);
      }
    },
  };
}

async function look(api: EngineApi, running: boolean): Promise<Readonly<Record<string, string>>> {
  const seen: Record<string, string> = {};
  for (const name of [MARK, `${MARK}-stopped`]) {
    const details = await api.find(name);
    if (details === null) continue;
    const networks = Object.keys(details.NetworkSettings.Networks).sort();
    const { Status, StartedAt, Pid } = details.State;
    const parts = [details.Id, StartedAt, details.RestartCount, ...(running ? [Status, Pid] : [])];
    seen[`container ${name}`] = [...parts, ...networks].join(" ");
  }
  const network = (await api.networks()).find((each) => each.Name === MARK);
  if (network !== undefined) seen["network"] = network.Id;
  if ((await api.volumes()).some((each) => each.Name === MARK)) seen["volume"] = MARK;
  const image = (await api.images()).find((each) => each.RepoTags?.includes(`${MARK}:1`));
  if (image !== undefined) seen["image"] = image.Id;
  return seen;
}
