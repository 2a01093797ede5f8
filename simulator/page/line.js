// The page's line to the simulator: hears what changed over server-sent events, and says what a dispatcher does. Keeps no callout.

const SILENT_MS = 25_000; // the server says something every 10 s

export class Line {
  // hears: what to do with each kind of news. onState: gets how the line is, in words.
  constructor(path, hears, onState) {
    this.hears = hears;
    this.onState = onState;
    this.offset = 0; // ms that the server's clock is ahead
    this.heard = 0;
    onState("Connecting");
    this.stream = new EventSource(path);
    for (const name of Object.keys(hears)) this.stream.addEventListener(name, (event) => this.hear(name, event.data));
    this.stream.onopen = () => onState("Live");
    this.stream.onerror = () => onState("Reconnecting");
  }

  hear(name, data) {
    const told = JSON.parse(data);
    this.offset = told.now * 1000 - Date.now();
    this.heard = Date.now();
    this.onState("Live");
    this.hears[name](told);
  }

  // ms since 1970, by the server's clock: ages are those of what it received.
  now() {
    return Date.now() + this.offset;
  }

  tick() {
    if (this.heard && Date.now() - this.heard > SILENT_MS) this.onState("No word from the server");
  }

  close() {
    this.stream.close();
  }
}

// One request of the desk. Null when it was taken, else why not, for a person.
export async function ask(method, path, body) {
  try {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const reply = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    return reply.ok ? null : ((await reply.json().catch(() => null))?.message ?? `Refused: ${reply.status}`);
  } catch {
    return "Not sent: the server cannot be reached.";
  }
}
