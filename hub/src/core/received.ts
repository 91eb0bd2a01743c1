// What a node said, as changes. Pure. Nothing a node says can raise a position, or touch another node.
import type { NodeId } from "@skerry/shared/model/ids.ts";
import type { Hello, ToHub } from "@skerry/shared/protocol/to-hub.ts";
import type { Millis } from "@skerry/shared/runtime/clock.ts";
import type { Result } from "@skerry/shared/runtime/result.ts";
import type { Change } from "./change.ts";
import type { World } from "./world.ts";

/** A frame of an authenticated connection. An error is a plain sentence: close the connection with `CLOSE.protocolError`. */
export function received(
  world: World,
  node: NodeId,
  frame: Exclude<ToHub, Hello>,
  now: Millis,
): Result<readonly Change[], string> {
  throw new Error(`${world.seq} ${node} ${frame.type} ${now}`);
}

/** After the credential was checked. `hashMatches`: `have.hash` is the hash of the assignment that the hub would send at that position; null: not compared. */
export function greeted(
  world: World,
  hello: Pick<Hello, "node" | "have">,
  hashMatches: boolean | null,
  now: Millis,
): Result<readonly Change[], string> {
  throw new Error(`${world.seq} ${hello.node} ${hashMatches} ${now}`);
}

/** The connection is gone; the lease runs on. */
export function disconnected(world: World, node: NodeId): readonly Change[] {
  throw new Error(`${world.seq} ${node}`);
}
