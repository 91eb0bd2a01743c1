// `skerry app rm NAME`: removes an app from all nodes, and says what stays: its volumes, and what stands on silent nodes.
import type { AppView, RemovedApp } from "../../http/schemas/apps.ts";
import { confirmByName } from "../confirm.ts";
import { safeJson } from "../escape.ts";
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { appRef } from "../refs.ts";
import { plural } from "../render.ts";

interface Options extends HubOptions {
  readonly name: string;
  readonly yes?: boolean;
  readonly ifRevision?: number;
  readonly json?: boolean;
}

export async function run(io: Io, options: Options): Promise<ExitCode> {
  const app = appRef(options.name);
  const client = await connect(io, options);
  const found = await client.call("getApp", { params: { app } });
  await confirmByName(io, app, question(found), options.yes);
  const query = options.ifRevision === undefined ? {} : { ifRevision: options.ifRevision };
  const removed = await client.call("removeApp", { params: { app }, query });
  io.out(options.json === true ? `${safeJson(removed)}\n` : removedText(removed));
  return EXIT.done;
}

function question(app: AppView): string {
  const copies = app.services.reduce((sum, service) => sum + service.counts.wanted, 0);
  const volumes =
    app.volumes.length === 0 ? "It has no volumes." : `Its volumes stay on the nodes: ${app.volumes.join(", ")}.`;
  return `The app ${app.name} (${plural(app.services.length, "service")}, ${plural(copies, "workload")}) will be removed from all nodes. ${volumes}`;
}

function takenDown(count: number): string {
  if (count === 0) return "Nothing of it stood on a node.";
  return count === 1 ? "1 workload is being taken down." : `${count} workloads are being taken down.`;
}

export function removedText(removed: RemovedApp): string {
  const lines = [`${removed.app} is removed. ${takenDown(removed.workloads)}`];
  if (removed.waitingFor.length > 0) {
    const names = removed.waitingFor.map(({ name }) => name).join(", ");
    lines.push(`Not heard from, and cleaned up when they are back: ${names}.`);
  }
  if (removed.volumesKept.length > 0) {
    lines.push(
      `Volumes that stay on the nodes: ${removed.volumesKept.join(", ")}. To remove one there: docker volume rm NAME.`,
    );
  }
  return `${lines.join("\n")}\n`;
}
