// Connections that have not shown who they are, with sockets that are only names: their number, whom it leaves out, and who gives way.
import { EventEmitter } from "node:events";
import { Server, type Socket } from "node:net";
import { expect, test } from "vitest";
import { handClock } from "../../../test/unit/hub/hand-clock.ts";
import { MAX_STRANGERS, MAX_STRANGERS_EACH, STRANGER_MS, Strangers } from "./strangers.ts";

function hall() {
  const clock = handClock();
  const strangers = new Strangers(clock);
  const server = new Server();
  const begun: Socket[] = [];
  server.on("connection", (socket) => begun.push(socket));
  strangers.watch(server);
  let port = 0;
  const come = (remoteAddress: string) => {
    port += 1;
    const socket = Object.assign(new EventEmitter(), { remoteAddress, remotePort: port, destroyed: false });
    // All that the hall asks of a socket; a real one forgets its address when it is destroyed.
    const destroy = (): void => {
      Object.assign(socket, { destroyed: true, remoteAddress: undefined });
      socket.emit("close");
    };
    const whole = Object.assign(socket, { destroy }) as unknown as Socket;
    server.emit("connection", whole);
    return whole;
  };
  const crowd = (address: string, count: number): Socket[] => Array.from({ length: count }, () => come(address));
  const fill = (): Socket[] =>
    Array.from({ length: MAX_STRANGERS / MAX_STRANGERS_EACH }, (_, index) =>
      crowd(`10.0.0.${index + 1}`, MAX_STRANGERS_EACH),
    ).flat();
  return { clock, strangers, begun, come, crowd, fill };
}

test("[L372] strangers of one address have a quarter of the places: its oldest gives way to its newest, and others come in beside them", () => {
  const { begun, come, crowd, strangers } = hall();
  const [first, second] = crowd("10.0.0.1", MAX_STRANGERS_EACH);
  const more = come("10.0.0.1");
  expect([first?.destroyed, second?.destroyed, more.destroyed]).toEqual([true, false, false]);
  const other = come("10.0.0.2");
  expect(other.destroyed).toBe(false);
  expect(begun).toContain(other);
  expect(strangers.size()).toBe(MAX_STRANGERS_EACH + 1);
});

test("[L372] when all places are taken a further connection is cut before anything is done with it", () => {
  const { begun, come, fill, strangers } = hall();
  fill();
  const late = come("10.9.9.9");
  expect(late.destroyed).toBe(true);
  expect(begun).not.toContain(late);
  expect(strangers.size()).toBe(MAX_STRANGERS);
});

test("[L373] who has kept a place for long without saying who he is gives way to the next, the oldest first", () => {
  const { clock, come, fill, strangers } = hall();
  const [first, second] = fill();
  clock.run(STRANGER_MS);
  const node = come("10.9.9.9");
  expect(node.destroyed).toBe(false);
  expect([first?.destroyed, second?.destroyed]).toEqual([true, false]);
  expect(come("10.9.9.8").destroyed).toBe(false);
  expect([second?.destroyed, strangers.size()]).toEqual([true, MAX_STRANGERS]);
});

test("[L373] who was shown to be somebody is never cut for others, and gives his place back; so does one that goes", () => {
  const { clock, come, fill, strangers } = hall();
  const [node, leaver, next] = fill();
  if (node === undefined || leaver === undefined) throw new Error("nobody came");
  strangers.known(node);
  leaver.destroy();
  expect(strangers.size()).toBe(MAX_STRANGERS - 2);
  clock.run(STRANGER_MS);
  for (let count = 0; count < 3; count += 1) come("10.9.9.9");
  expect(node.destroyed).toBe(false);
  expect(next?.destroyed).toBe(true);
});
