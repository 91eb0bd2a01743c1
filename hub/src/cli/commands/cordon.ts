// `skerry cordon NODE…` and `skerry uncordon NODE…`: may new workloads be placed there?
import { EXIT, type ExitCode } from "../failure.ts";
import { connect } from "../hub-call.ts";
import type { HubOptions, Io } from "../io.ts";
import { nodeRef } from "../refs.ts";

export async function change(
  io: Io,
  options: HubOptions & { readonly nodes: readonly string[]; readonly reason?: string },
  availability: "active" | "cordoned",
): Promise<ExitCode> {
  const nodes = options.nodes.map(nodeRef);
  const client = await connect(io, options);
  const words =
    availability === "cordoned"
      ? "cordoned: nothing new is placed on it, what runs there stays"
      : "uncordoned: it takes new workloads again";
  for (const node of nodes) {
    const changed = await client.call("setAvailability", {
      params: { node },
      body: { availability, reason: options.reason ?? "" },
    });
    io.out(`${changed.node.name} is ${changed.changed ? "" : "already "}${words}.\n`);
  }
  return EXIT.done;
}
