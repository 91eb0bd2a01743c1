// Which of the hub's keys each node has said that it would take, in this run of the hub: in its hello, and when it has made news durable. Who has
// not been heard since the start counts as not knowing, which is the careful side when a key is to be changed.
import type { NodeId } from "@skerry/shared/model/ids.ts";

export class PinBook {
  readonly #pins = new Map<NodeId, readonly string[]>();

  note(node: NodeId, pins: readonly string[]): void {
    this.#pins.set(node, pins);
  }

  isKnownTo(node: NodeId, pin: string): boolean {
    return this.#pins.get(node)?.includes(pin) ?? false;
  }
}
