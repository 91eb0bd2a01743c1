// The demo's terminal: lines that stay, and below them a live panel that is drawn over itself. Without a terminal only the lines
// and, after each step, the panel once. It shows; it decides nothing.
import pc from "picocolors";

/** Wide enough for three columns of states, narrow enough for any terminal. */
const WIDTH = 80;

export class Screen {
  readonly #live: boolean;
  readonly #out: NodeJS.WriteStream;
  #panel: readonly string[] = [];
  #drawn = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    this.#live = out.isTTY === true;
  }

  say(text: string): void {
    this.#erase();
    for (const line of wrap(text)) this.#out.write(`${line}\n`);
    this.#draw();
  }

  heading(number: number, text: string): void {
    this.say("");
    this.say(pc.bold(`${number}. ${text}`));
  }

  passed(text: string, seconds: number): void {
    this.say(`   ${pc.green("✔")} ${text} ${pc.dim(`(${seconds.toFixed(1)} s)`)}`);
  }

  failed(text: string): void {
    this.say(`   ${pc.red("✘")} ${text}`);
  }

  /** Replaces the live panel. */
  show(panel: readonly string[]): void {
    this.#erase();
    this.#panel = panel;
    this.#draw();
  }

  /** Leaves the panel as it is in the scroll-back; without a terminal, prints it now. */
  keepPanel(): void {
    if (this.#live) {
      this.#drawn = 0;
    } else {
      for (const line of this.#panel) this.#out.write(`${line}\n`);
    }
    this.#panel = [];
  }

  #erase(): void {
    if (this.#live && this.#drawn > 0) this.#out.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }

  #draw(): void {
    if (!this.#live) return;
    for (const line of this.#panel) this.#out.write(`${line}\n`);
    this.#drawn = this.#panel.length;
  }
}

function wrap(text: string): readonly string[] {
  const indent = /^ */.exec(text)?.[0] ?? "";
  const lines: string[] = [];
  let line = "";
  for (const word of text.slice(indent.length).split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}
